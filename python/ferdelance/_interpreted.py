"""Helpers for compiled code that also work in interpreted code."""

import contextlib
import ctypes

import numpy as np


class _ObjMode:
    """`with objmode(name="type", ...):` marks a block for the interpreter in a jitted function.

    In interpreted code the block just runs.
    """

    def __call__(self, *args, **types):
        return contextlib.nullcontext()

    def __repr__(self):
        return "<objmode>"


objmode = _ObjMode()


def literal_unroll(container):
    """Mark a loop over a tuple for unrolling.

    `for x in literal_unroll(t):` has a type of its own for each item.
    """
    return container


def literally(obj):
    """Ask for code that is compiled for the value of an argument, not only for its type."""
    return obj


def carray(ptr, shape, dtype=None):
    """An array, C-ordered, over the memory at `ptr`; nothing is copied.

    ptr
        a ctypes pointer to a C number, or a `ctypes.c_void_p`, which needs a `dtype`
    shape
        int or tuple of ints
    dtype
        the items' dtype; must fit the pointer's type

    Raises TypeError where the pointer and the dtype do not say what lies there.
    """
    return _array_at(ptr, shape, dtype, "C")


def farray(ptr, shape, dtype=None):
    """The same as `carray`, Fortran-ordered."""
    return _array_at(ptr, shape, dtype, "F")


def _array_at(ptr, shape, dtype, order):
    if dtype is not None:
        dtype = _plain_dtype(dtype)
    if isinstance(ptr, ctypes.c_void_p):
        if dtype is None:
            raise TypeError("an array over a void pointer needs a dtype")
        address = ptr.value
    elif isinstance(ptr, ctypes._Pointer):
        own = np.dtype(ptr._type_)
        if dtype is not None and dtype != own:
            raise TypeError(f"dtype {dtype} does not fit a pointer to {own}")
        dtype = own
        address = ctypes.cast(ptr, ctypes.c_void_p).value
    else:
        raise TypeError(f"a ctypes pointer is needed, not {ptr!r}")
    shape = shape if isinstance(shape, tuple) else (shape,)
    size = int(np.prod(shape, dtype=np.intp)) * dtype.itemsize
    if address is None:
        raise ValueError("the pointer is null")
    memory = (ctypes.c_byte * size).from_address(address)
    return np.ndarray(shape, dtype, memory, order=order)


def _plain_dtype(dtype):
    """A dtype given as NumPy's or as a type of this package."""
    from . import types

    if isinstance(dtype, types.Type):
        from .np.numpy_support import as_dtype

        return as_dtype(dtype)
    return np.dtype(dtype)
