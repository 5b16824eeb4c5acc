"""The options of `@jit` and `@njit`: each one once, with its meaning, default and validation."""

from collections import namedtuple

from . import _core, config

#: LLVM's fast-math flags.
FASTMATH_FLAGS = frozenset(("fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"))
#: What `parallel=` can turn on and off one by one.
PARALLEL_PARTS = frozenset(
    (
        "comprehension",
        "reduction",
        "inplace_binop",
        "setitem",
        "numpy",
        "stencil",
        "fusion",
        "prange",
    )
)
#: Rewrites of array operations (`abi::settings::Rewrites`).
REWRITES = frozenset(_core.REWRITES)
ERROR_MODELS = ("python", "numpy")

# `in_key`: whether the option influences the generated code, and so is part of the cache's key.
Option = namedtuple("Option", "name default check in_key doc")


# ---- validation: an option's name and value give the value that the compiler sees ------------


def _flag(name, value):
    if value is None or isinstance(value, (bool, int)) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError(f"{name} is True or False, not {value!r}")


def _boundscheck(name, value):
    # The environment has the last word, so that a whole program can be checked.
    return _flag(name, value if config.BOUNDSCHECK is None else config.BOUNDSCHECK)


def _debug(name, value):
    return _flag(name, config.DEBUGINFO_DEFAULT if value is None else value)


def _parallel(name, value):
    return isinstance(value, dict) or _flag(name, value)


def _parallel_parts(name, value):
    if not isinstance(value, dict):
        return {}
    unknown = value.keys() - PARALLEL_PARTS
    if unknown:
        raise ValueError(
            f"parallel={value!r}: no {_listed(unknown)}; it has {_listed(PARALLEL_PARTS)}"
        )
    return {part: _flag(f"parallel[{part!r}]", on) for part, on in value.items()}


def _fastmath(name, value):
    if isinstance(value, dict):
        value = {flag for flag, on in value.items() if on}
    if isinstance(value, (set, frozenset, list, tuple)):
        unknown = set(value) - FASTMATH_FLAGS
        if unknown:
            raise ValueError(
                f"fastmath: no flag {_listed(unknown)}; there are {_listed(FASTMATH_FLAGS)}"
            )
        return frozenset(value)
    if isinstance(value, str):
        raise TypeError(
            f"fastmath is True, False or a set of flags, such as {{{value!r}}}, not {value!r}"
        )
    return frozenset(("fast",)) if _flag(name, value) else frozenset()


def _no_rewrites(name, value):
    if isinstance(value, (set, frozenset, list, tuple)):
        unknown = set(value) - REWRITES
        if unknown:
            raise ValueError(
                f"{name}: no rewrite {_listed(unknown)}; there are {_listed(REWRITES)}"
            )
        return frozenset(value)
    return REWRITES if _flag(name, value) else frozenset()


def _error_model(name, value):
    if value not in ERROR_MODELS:
        raise ValueError(f"error_model is {' or '.join(map(repr, ERROR_MODELS))}, not {value!r}")
    return value


def _inline(name, value):
    if value not in ("auto", "never", "always") and not callable(value):
        raise ValueError(f"inline is 'always', 'never' or a function that decides, not {value!r}")
    return value


def _locals(name, value):
    if not value:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"locals is a dict of types by variable name, not {value!r}")
    from . import types
    from ._sigutils import parse_type

    encodings = {}
    for variable, ty in value.items():
        if isinstance(ty, str):
            ty = parse_type(ty)
        if not isinstance(ty, types.Type):
            raise TypeError(f"locals[{variable!r}] is a type, not {ty!r}")
        encodings[variable] = types._encode(ty)
    return encodings


def _source(name, value):
    if value is not None and not isinstance(value, str):
        raise TypeError(f"source is the function's source code as a str, not {value!r}")
    return value


def _pipeline_class(name, value):
    if value is not None:
        from .errors import UnsupportedError

        raise UnsupportedError(
            "pipeline_class is not supported: the compiler's passes cannot be replaced from Python"
        )
    return value


def _accepted(name, value):
    return value


# fmt: off
OPTIONS = (
    Option("nopython", True, _flag, False, "compile to machine code; False gives that too"),
    Option("forceobj", False, _flag, False, "run the Python function itself"),
    Option("nogil", False, _flag, True, "release the GIL while the function runs"),
    Option("cache", False, _flag, False, "keep the code in files for later processes"),
    Option("parallel", False, _parallel, True, "split prange loops and array code over threads"),
    Option("fastmath", False, _fastmath, True, "allow changes of floating-point results"),
    Option("error_model", "python", _error_model, True, "division by zero: raise, or inf or nan"),
    Option("boundscheck", None, _boundscheck, True, "raise IndexError for indices out of bounds"),
    Option("inline", "auto", _inline, True, "put the body into callers: 'always', 'never', 'auto'"),
    Option("forceinline", False, _flag, True, "have LLVM inline every call"),
    Option("debug", None, _debug, True, "emit debug information, optimise less"),
    Option("no_rewrites", False, _no_rewrites, True, "evaluate array expressions step by step"),
    Option("locals", None, _locals, True, "types of local variables by name"),
    Option("source", None, _source, True, "the source, for functions whose file is not found"),
    Option("pipeline_class", None, _pipeline_class, False, "must be None"),
    # What Numba has and is taken without an effect.
    Option("looplift", True, _accepted, False, "accepted; has no effect"),
    Option("no_cpython_wrapper", False, _accepted, False, "accepted; has no effect"),
    Option("no_cfunc_wrapper", False, _accepted, False, "accepted; has no effect"),
    Option("writable_args", (), _accepted, False, "accepted; has no effect"),
    Option("_nrt", True, _accepted, False, "accepted; has no effect"),
    Option("_dbg_optnone", False, _accepted, False, "accepted; has no effect"),
    Option("_dbg_extend_lifetimes", False, _accepted, False, "accepted; has no effect"),
)
# fmt: on
_BY_NAME = {option.name: option for option in OPTIONS}


def check_names(given):
    """Raises TypeError for names that are not options, with the nearest that is one."""
    for name in given:
        if name not in _BY_NAME:
            import difflib

            close = difflib.get_close_matches(
                name, [n for n in _BY_NAME if not n.startswith("_")], 1
            )
            hint = (
                f"did you mean {close[0]!r}?"
                if close
                else "the options are " + _listed(n for n in _BY_NAME if not n.startswith("_"))
            )
            raise TypeError(f"jit has no option {name!r}; {hint}")


def normalise(given):
    """All options as the compiler sees them, from those that were given.

    `parallel` is a bool there, with what a dict says about single parts in `parallel_parts`.
    Raises TypeError or ValueError for unknown names and impossible values.
    """
    check_names(given)
    values = {
        option.name: option.check(option.name, given.get(option.name, option.default))
        for option in OPTIONS
    }
    return values | {"parallel_parts": _parallel_parts("parallel", given.get("parallel"))}


def _listed(names):
    return ", ".join(sorted(map(str, names)))
