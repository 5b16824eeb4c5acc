"""ferdelance: a compiler for numerical Python, with the public interface of Numba.

    from ferdelance import njit

    @njit
    def total(a):
        s = 0.0
        for x in a:
            s += x
        return s

Importing the package loads the extension module and none of the Python modules: a name is fetched
from its module when it is first used.
"""

__version__ = "0.1.0"


def _keep_sources():
    """From now on keep the texts of `exec` and `eval`, which leave no trace of them."""
    try:
        from . import _core
    except ImportError:
        # Not built. Types, errors and settings work without; what does not will say why.
        return
    _core._install_audit_hook()


def _is_command_line():
    """Whether this process is `fdl`, which runs no code of the user's and has to start at once."""
    import sys

    program = getattr(sys, "argv", [""])[0]
    if program == "-m":
        words = sys.orig_argv
        return "-m" in words and words[words.index("-m") + 1] == "ferdelance"
    return program.rpartition("/")[2] in ("fdl", "ferdelance")


if not _is_command_line():
    _keep_sources()

# Where the public names live, by module.
_HOMES = {
    "_jit": "jit njit jit_module",
    "_typeof": "typeof",
    "_parallel": """
        prange pndindex get_num_threads set_num_threads get_thread_id threading_layer
        set_parallel_chunksize get_parallel_chunksize parallel_chunksize
    """,
    "_interpreted": "objmode literal_unroll literally carray farray",
    "_cfunc": "cfunc",
    "_pending": "vectorize guvectorize stencil generated_jit gdb gdb_init gdb_breakpoint",
    "np.numpy_support": "from_dtype",
    "types": """
        b1 bool_ boolean byte c16 c8 char complex128 complex64 deferred_type double f4 f8
        ffi float32 float64 float_ i1 i2 i4 i8 int16 int32 int64 int8 int_ intc intp long_
        longlong none optional short size_t ssize_t u1 u2 u4 u8 uchar uint uint16 uint32
        uint64 uint8 uintc uintp ulong ulonglong ushort void
    """,
    "errors": """
        ByteCodeSupportError CompilerError ConstantInferenceError DeprecationError
        ForbiddenConstruct ForceLiteralArg IRError InternalError InternalTargetMismatchError
        LiteralTypingError LoweringError NonexistentTargetError NotDefinedError
        NumbaAssertionError NumbaAttributeError NumbaDebugInfoWarning
        NumbaDeprecationWarning NumbaError NumbaExperimentalFeatureWarning
        NumbaIRAssumptionWarning NumbaIndexError NumbaInvalidConfigWarning NumbaKeyError
        NumbaNotImplementedError NumbaParallelSafetyWarning NumbaPedanticWarning
        NumbaPendingDeprecationWarning NumbaPerformanceWarning NumbaRuntimeError
        NumbaSystemWarning NumbaTypeError NumbaTypeSafetyWarning NumbaValueError
        NumbaWarning RedefinedError RequireLiteralValue TypingError UnsupportedBytecodeError
        UnsupportedError UnsupportedParforsError UnsupportedRewriteError
        UntypedAttributeError VerificationError
    """,
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
_SUBMODULES = frozenset(
    "compat config core errors experimental extending np profiler runtime typed types".split()
)

__all__ = [*_HOME_OF, "config", "errors", "types"]


def __getattr__(name):
    import importlib

    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def load_ipython_extension(shell):
    """What ``%load_ext ferdelance`` does: it makes the magics ``%fdl`` and ``%%fdl``."""
    from .profiler import _notebook

    _notebook.register(shell)


def __dir__():
    return sorted({*globals(), *_HOME_OF, *_SUBMODULES})
