"""`typeof`: the type that compiled code gives a Python object."""

import array
import enum
import functools
import mmap
import types as python_types

import numpy as np

from . import types
from .errors import NumbaError
from .np.numpy_support import from_dtype, map_layout
from .types._encoding import class_type


def typeof(value):
    """The type that compiled code gives a Python object.

    Raises ValueError, with the reason, for objects that compiled code cannot take.
    """
    own = getattr(value, "_numba_type_", None)
    if isinstance(own, types.Type):
        return own
    try:
        # Members of IntEnum and the like are also numbers or strings.
        return _of_enum_member(value) if isinstance(value, enum.Enum) else _typeof(value)
    except NumbaError as e:
        raise ValueError(str(e)) from None


@functools.singledispatch
def _typeof(value):
    if type(value).__module__.startswith("numpy.random"):
        return _of_random(value)
    if type(value).__module__ == "ferdelance" and type(value).__name__ == "generator":
        from . import _core

        return types._decode(_core.typeof(value))
    raise _unsupported(value)


def _unsupported(value):
    hint = "; decorate it with @njit" if isinstance(value, python_types.FunctionType) else ""
    return ValueError(
        f"cannot determine the type of {value!r}: "
        f"{_class_name(value)} is not supported in compiled code{hint}"
    )


def _class_name(value):
    cls = type(value)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


# ---- scalars ------------------------------------------------------------------------------------


@_typeof.register(type(None))
def _of_none(value):
    return types.none


@_typeof.register(bool)
def _of_bool(value):
    return types.boolean


@_typeof.register(int)
def _of_int(value):
    if types.int64.minval <= value <= types.int64.maxval:
        return types.int64
    if 0 <= value <= types.uint64.maxval:
        return types.uint64
    raise ValueError(f"the integer {value} does not fit into 64 bits")


@_typeof.register(float)
def _of_float(value):
    return types.float64


@_typeof.register(complex)
def _of_complex(value):
    return types.complex128


@_typeof.register(np.generic)
@_typeof.register(np.str_)
@_typeof.register(np.bytes_)
def _of_numpy_scalar(value):
    return from_dtype(value.dtype)


@_typeof.register(str)
def _of_str(value):
    return types.unicode_type


def _of_enum_member(value):
    return enum_class_type(type(value)).member_type


def enum_class_type(cls):
    """The type of an enumeration.

    Raises ValueError unless the values of its members are of one type.
    """
    members = list(cls)
    if not members:
        raise ValueError(f"enumeration {cls.__name__} has no members")
    dtypes = {typeof(member.value) for member in members}
    if len(dtypes) > 1:
        raise ValueError(
            f"the values of {cls.__name__} are of different types: {sorted(map(str, dtypes))}"
        )
    kind = types.IntEnumClass if issubclass(cls, enum.IntEnum) else types.EnumClass
    return kind(cls, dtypes.pop())


# ---- containers ---------------------------------------------------------------------------------


@_typeof.register(tuple)
def _of_tuple(value):
    return types.BaseTuple.from_types(map(typeof, value), type(value))


@_typeof.register(list)
def _of_list(value):
    if not value:
        raise ValueError("cannot determine the type of an empty list")
    return types.List(typeof(value[0]), reflected=True)


@_typeof.register(set)
def _of_set(value):
    if not value:
        raise ValueError("cannot determine the type of an empty set")
    return types.Set(typeof(next(iter(value))), reflected=True)


@_typeof.register(frozenset)
def _of_frozenset(value):
    if not value:
        raise ValueError("cannot determine the type of an empty frozenset")
    return types.FrozenSet(typeof(next(iter(value))))


@_typeof.register(dict)
def _of_dict(value):
    if not value:
        raise ValueError("cannot determine the type of an empty dict")
    key, item = next(iter(value.items()))
    return types.Dict(typeof(key), typeof(item))


@_typeof.register(slice)
def _of_slice(value):
    return types.slice2_type if value.step is None else types.slice3_type


@_typeof.register(range)
def _of_range(value):
    return types.range_state64_type


# ---- memory -------------------------------------------------------------------------------------


@_typeof.register(np.ndarray)
def _of_array(value):
    if type(value).__module__.startswith("numpy.ma"):
        raise ValueError("masked arrays are not supported in compiled code")
    flags = value.flags
    return types.Array(
        from_dtype(value.dtype),
        value.ndim,
        map_layout(value),
        readonly=not flags.writeable,
        aligned=flags.aligned,
    )


@_typeof.register(bytes)
def _of_bytes(value):
    return types.bytes_type


@_typeof.register(bytearray)
def _of_bytearray(value):
    return types.ByteArray(types.uint8, 1, "C")


@_typeof.register(array.array)
def _of_python_array(value):
    return _of_buffer(types.PyArray, value)


@_typeof.register(memoryview)
def _of_memoryview(value):
    return _of_buffer(types.MemoryView, value)


@_typeof.register(mmap.mmap)
def _of_mmap(value):
    return _of_buffer(types.MemoryMap, value)


def _of_buffer(cls, value):
    """The type of an object with the buffer protocol."""
    view = memoryview(value)
    layout = "C" if view.c_contiguous else "F" if view.f_contiguous else "A"
    return cls(from_dtype(view.format), view.ndim, layout, readonly=view.readonly)


# ---- objects ------------------------------------------------------------------------------------


@_typeof.register(np.dtype)
def _of_dtype(value):
    return types.DType(from_dtype(value))


@_typeof.register(types.Type)
def _of_type(value):
    return class_type(value)


@_typeof.register(type)
def _of_class(value):
    return class_type(value)


@_typeof.register(python_types.ModuleType)
def _of_module(value):
    return types.Module(value)


@_typeof.register(type(Ellipsis))
def _of_ellipsis(value):
    return types.ellipsis


@_typeof.register(types.WrapperAddressProtocol)
def _of_wrapper_address(value):
    return types.FunctionType(value.signature())


def _of_random(value):
    """The type of the objects of `numpy.random`, a package that NumPy imports on demand."""
    if isinstance(value, np.random.Generator):
        return types.npy_rng
    if isinstance(value, np.random.BitGenerator):
        return types.npy_bitgen
    raise _unsupported(value)
