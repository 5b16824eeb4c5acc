"""The decorators: `jit`, `njit`, `jit_module`."""

import sys
import types as python_types
import warnings

from . import _options, config
from ._dispatcher import DispatcherMethods, make_dispatcher
from .types._base import Type
from .types._signature import Signature


def jit(
    signature_or_function=None,
    locals=None,
    cache=False,
    pipeline_class=None,
    boundscheck=None,
    **options,
):  # noqa: A002
    """Compile a function to machine code.

    As `@jit` or `@jit(option=...)`: each new combination of argument types is compiled at its first
    call. As `@jit(signature, ...)` or `@jit([signature, ...], ...)`: these are compiled at once,
    and calls convert their arguments to the best of them. A signature is `int64(float64)`,
    `"int64(float64)"`, or without a return type `(float64,)`.

    nogil
        release the GIL while the function runs
    parallel
        split `prange` loops and array operations over threads: bool, or dict of parts
    fastmath
        allow transformations that change floating-point results: bool, or set of LLVM's flags
    error_model
        "python" raises ZeroDivisionError, "numpy" gives inf or nan
    boundscheck
        raise IndexError for indices outside of arrays; without, such an index is undefined
        behaviour
    cache
        keep the code in files for later processes
    locals
        types of local variables by name
    inline, forceinline, debug, source
        see the list of options in the documentation
    forceobj
        run the Python function itself

    Raises TypeError for what is not a Python function, and for unknown options; compile errors are
    `ferdelance.errors.NumbaError`.
    """
    named = {
        "locals": locals,
        "cache": cache,
        "pipeline_class": pipeline_class,
        "boundscheck": boundscheck,
    }
    options |= {
        name: value for name, value in named.items() if value is not None and value is not False
    }
    _check_modes(options)
    if signature_or_function is None or _is_signatures(signature_or_function):
        _options.check_names(options)
        return _Decorator(signature_or_function, options)
    return _decorate(signature_or_function, None, options)


def njit(*args, **options):
    """`jit`, which compiles to machine code or raises: see there."""
    for name in ("nopython", "forceobj"):
        if options.pop(name, None) is not None:
            warnings.warn(
                f"{name} is ignored: njit always compiles to machine code",
                RuntimeWarning,
                stacklevel=2,
            )
    return jit(*args, nopython=True, **options)


def jit_module(**options):
    """Jit all functions that the calling module has defined so far, with these options.

    Functions that were imported, and those that are jitted already, stay as they are.
    """
    namespace = sys._getframe(1).f_globals
    for name, obj in list(namespace.items()):
        if isinstance(obj, python_types.FunctionType) and obj.__module__ == namespace.get(
            "__name__"
        ):
            namespace[name] = jit(obj, **options)


class _Decorator:
    """What `jit(signatures, **options)` gives; to be called with the function."""

    __slots__ = ("_options", "_signatures")

    def __init__(self, signatures, options):
        self._signatures = signatures
        self._options = options

    def __call__(self, function):
        return _decorate(function, self._signatures, self._options)


def _decorate(function, signatures, options):
    _check_function(function)
    if config.DISABLE_JIT:
        return function
    dispatcher = make_dispatcher(function, options)
    if signatures is not None and signatures != []:
        for sig in signatures if isinstance(signatures, list) else [signatures]:
            dispatcher.compile(sig)
        dispatcher.disable_compile()
    return dispatcher


def _is_signatures(obj):
    """Whether the decorator's first argument is a signature or a list of them."""
    if isinstance(obj, Type):
        raise TypeError(
            f"{obj} is a type, not a signature: write {obj}(argument types), or ({obj},)"
        )
    return isinstance(obj, (str, tuple, list, Signature))


def _check_modes(options):
    if options.get("forceobj") and options.get("nopython"):
        raise ValueError("nopython and forceobj exclude each other")
    if "nopython" in options and not options["nopython"]:
        from .errors import NumbaDeprecationWarning

        warnings.warn(
            "nopython=False has no effect: only forceobj=True runs functions in the interpreter",
            NumbaDeprecationWarning,
            stacklevel=3,
        )


def _check_function(function):
    """Raises TypeError, with advice, for what is not a Python function."""
    if isinstance(function, python_types.FunctionType):
        return
    name = getattr(function, "__qualname__", None) or repr(function)
    if isinstance(function, DispatcherMethods):
        raise TypeError(
            f"{name} is already jitted; jit its .py_func to compile it with other options"
        )
    if isinstance(function, type):
        raise TypeError(
            f"{name} is a class; jit takes functions, and ferdelance.experimental.jitclass classes"
        )
    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function).__name__
        raise TypeError(f"{name} is a {kind}; put @{kind} above @jit")
    raise TypeError(f"jit takes Python functions, not {type(function).__name__} {name}")
