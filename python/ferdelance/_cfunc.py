"""`cfunc`: functions that C code can call; and C functions that compiled code can call."""

import ctypes
import functools
import weakref
from inspect import CO_VARARGS, CO_VARKEYWORDS

from . import _sigutils, types
from ._dispatcher import make_dispatcher
from ._jit import _check_function
from .types._encoding import decode, encode
from .types._signature import Signature

_C_TYPES = {
    types.boolean: ctypes.c_bool,
    types.int8: ctypes.c_int8,
    types.int16: ctypes.c_int16,
    types.int32: ctypes.c_int32,
    types.int64: ctypes.c_int64,
    types.uint8: ctypes.c_uint8,
    types.uint16: ctypes.c_uint16,
    types.uint32: ctypes.c_uint32,
    types.uint64: ctypes.c_uint64,
    types.float32: ctypes.c_float,
    types.float64: ctypes.c_double,
    types.none: None,
}


def cfunc(sig, locals=None, cache=False, pipeline_class=None, **options):  # noqa: A002
    """Compile a function that C code can call.

    `@cfunc("float64(float64, int32)")`: the signature needs a return type. C gets numbers by value;
    `obj.address` is the address of the C function, and `obj.ctypes` and `obj.cffi` are it in the
    forms of those packages. C has no exceptions: one that is raised is reported to
    `sys.unraisablehook`, and the function returns zero.

    Python calls the object like the function, and so does compiled code. The options are those of
    `jit`. The C function lives as long as the object.

    Raises TypeError for what is not one full signature, or not a Python function.
    """
    signature = _full_signature(sig)
    given = {
        name: value
        for name, value in {
            "locals": locals,
            "cache": cache,
            "pipeline_class": pipeline_class,
            **options,
        }.items()
        if value is not None and value is not False
    }

    def decorate(function):
        _check_function(function)
        if given.get("forceobj"):
            raise TypeError("cfunc has no option 'forceobj': C cannot run Python functions")
        return CFunc(function, signature, given)

    return decorate


def _full_signature(sig):
    hint = 'a signature with a return type, such as "float64(int32)"'
    if not _sigutils.is_signature(sig):
        raise TypeError(f"cfunc takes {hint}, not {sig!r}")
    args, ret = _sigutils.normalize_signature(sig)
    if ret is None:
        raise TypeError(f"cfunc takes {hint}; {sig!r} has none")
    return Signature(ret, args)


def _check_count(function, signature):
    code = function.__code__
    given = len(signature.args)
    if code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        raise TypeError(f"{function.__name__}() cannot be called from C: C passes by position only")
    if given != code.co_argcount:
        raise TypeError(
            f"{function.__name__}() has {code.co_argcount} parameters, the signature {given}"
        )


class CFunc:
    """A function compiled for C: see `cfunc`.

    address
        the address of the C function: an int
    native_name
        its symbol
    """

    def __init__(self, function, signature, given):
        functools.update_wrapper(self, function)
        _check_count(function, signature)
        self._signature = signature
        self._dispatcher = dispatcher = make_dispatcher(function, given, for_c=True)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        self.address, self.native_name = dispatcher._c_function(0)
        # The way back, for functions that compiled code returns.
        dispatcher.__dict__["_cfunc"] = weakref.ref(self)

    @property
    def signature(self):
        """The `Signature`."""
        return self._signature

    @property
    def _numba_type_(self):
        return types.FunctionType(self._signature)

    @property
    def cache_hits(self):
        """Number of times that the code came from the cache."""
        return sum(self._dispatcher.stats.cache_hits.values())

    @functools.cached_property
    def ctypes(self):
        """The C function as a `ctypes` function."""
        signature = self._signature
        made = _ctypes_prototype(signature.return_type, signature.args)(self.address)
        # It must not outlive the code.
        made._owner = self
        return made

    @property
    def cffi(self):
        """The C function as a `cffi` pointer, `void *`."""
        import cffi

        return cffi.FFI().cast("void *", self.address)

    def inspect_llvm(self):
        """LLVM IR, after optimisation."""
        return self._dispatcher.inspect_llvm(self._signature)

    def enable_caching(self):
        """The code is cached with `cache=True` only: this does nothing."""

    def __call__(self, *args, **kwargs):
        return self._dispatcher(*args, **kwargs)

    def __repr__(self):
        return f"<CFunc {self.__qualname__}{self._signature.args}>"

    # As for functions: a copy would be the same thing.

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return _restore, (self._dispatcher, self._signature)


def _restore(dispatcher, signature):
    """Undo `CFunc.__reduce__`."""
    return CFunc(dispatcher.py_func, signature, dispatcher._state.given)


def _ctypes_prototype(ret, args):
    try:
        return ctypes.CFUNCTYPE(_C_TYPES[ret], *(_C_TYPES[arg] for arg in args))
    except KeyError as e:
        raise TypeError(f"ctypes has no type for {e.args[0]}") from None


class NativeFunction(types.WrapperAddressProtocol):
    """A C function that compiled code returned: an address and a signature."""

    def __init__(self, address, encoding):
        self._address = address
        self._signature = decode(encoding).signature

    def __wrapper_address__(self):
        return self._address

    def signature(self):
        return self._signature

    def __call__(self, *args):
        signature = self._signature
        return _ctypes_prototype(signature.return_type, signature.args)(self._address)(*args)

    def __eq__(self, other):
        return (
            isinstance(other, NativeFunction)
            and self._address == other._address
            and self._signature == other._signature
        )

    def __hash__(self):
        return hash(self._address)

    def __repr__(self):
        return f"<NativeFunction {self._signature} at {self._address:#x}>"


# ---- what the compiler asks ---------------------------------------------------------------------


def public(dispatcher):
    """The object that users know a jitted function by: its `cfunc`, if it belongs to one."""
    owner = dispatcher.__dict__.get("_cfunc")
    return (owner and owner()) or dispatcher


def address_of(obj):
    """The address of the C function that an object stands for."""
    if isinstance(obj, types.WrapperAddressProtocol):
        return obj.__wrapper_address__() or 0
    return ctypes.cast(obj, ctypes.c_void_p).value or 0


def encoded_type(obj):
    """The encoded function type of an object that stands for a C function.

    None where it does not say what it takes and gives, in types that compiled code has.
    """
    if isinstance(obj, CFunc):
        return encode(types.FunctionType(obj.signature))
    if isinstance(obj, types.WrapperAddressProtocol):
        return encode(types.FunctionType(obj.signature()))
    if obj.argtypes is None:
        return None
    parts = [_OF_CTYPES.get(c_type) for c_type in (obj.restype, *obj.argtypes)]
    return None if None in parts else encode(types.FunctionType(Signature(parts[0], parts[1:])))


_OF_CTYPES = {c_type: ty for ty, c_type in _C_TYPES.items()}
