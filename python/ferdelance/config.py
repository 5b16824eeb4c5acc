"""Settings that hold for the whole process, as attributes of this module.

Each is read from the environment when the module is imported: `FERDELANCE_<NAME>`, otherwise
`NUMBA_<NAME>`. Assigning to an attribute changes the setting; `reload_config()` reads the
environment again.
"""

import os as _os
from collections import namedtuple as _namedtuple

# `variable` is the name in the environment, without its prefix, where the attribute has another.
_Setting = _namedtuple("_Setting", "attribute default parse doc variable", defaults=(None,))


def _flag(text):
    if text.strip().lower() in ("", "0", "false", "no", "off"):
        return 0
    if text.strip().lower() in ("true", "yes", "on"):
        return 1
    return int(text)


def _optional_flag(text):
    return None if not text.strip() else _flag(text)


def _level(text):
    return 3 if text.strip().lower() == "max" else int(text)


def _cpu_count():
    if hasattr(_os, "sched_getaffinity"):
        return len(_os.sched_getaffinity(0))
    return _os.cpu_count() or 1


SETTINGS = (
    _Setting("DISABLE_JIT", 0, _flag, "decorators give the Python function back"),
    _Setting(
        "BOUNDSCHECK",
        None,
        _optional_flag,
        "0 or 1 overrides the boundscheck option of every function",
    ),
    _Setting(
        "OPT",
        3,
        _level,
        "0 compiles without LLVM's passes: sooner, for slow code; 1 to 3 and 'max' mean the same",
    ),
    _Setting(
        "DEBUGINFO_DEFAULT",
        0,
        _flag,
        "the debug option of functions that do not set it",
        "DEBUGINFO",
    ),
    _Setting(
        "NUMBA_NUM_THREADS",
        _cpu_count,
        int,
        "largest number of threads for parallel code",
        "NUM_THREADS",
    ),
    _Setting("THREADING_LAYER", "default", str, "accepted; there is one threading layer"),
    _Setting("THREADING_LAYER_PRIORITY", "", str, "accepted; there is one threading layer"),
    _Setting("CACHE_DIR", "", str, "where cache=True keeps code, instead of beside the source"),
    _Setting("CACHE_SIZE", 256, int, "MiB of code that cache=True keeps in a folder, at most"),
    _Setting(
        "CPU_NAME", None, str, "CPU to compile for ('generic' for any), instead of this machine's"
    ),
    _Setting("CPU_FEATURES", None, str, "CPU features to compile for, instead of this machine's"),
    _Setting("DISABLE_PERFORMANCE_WARNINGS", 0, _flag, "no NumbaPerformanceWarning"),
    _Setting("DISABLE_ERROR_MESSAGE_HIGHLIGHTING", 0, _flag, "accepted; messages carry no colours"),
    _Setting("FULL_TRACEBACKS", 0, _flag, "accepted; errors show the user's code only"),
    _Setting("SHOW_HELP", 0, _flag, "accepted; errors end with the page that explains them"),
    _Setting("DEVELOPER_MODE", 0, _flag, "accepted"),
    _Setting(
        "PARALLEL_DIAGNOSTICS",
        0,
        _flag,
        "level of the report on parallel code after each compilation",
    ),
    _Setting("LOOP_VECTORIZE", 1, _flag, "accepted; follows OPT"),
    _Setting("SLP_VECTORIZE", 1, _flag, "accepted; follows OPT"),
    _Setting("ENABLE_AVX", 1, _flag, "accepted; follows CPU_NAME"),
)


def _read(setting):
    """A setting's value from the environment, or its default."""
    name = setting.variable or setting.attribute
    for variable in (f"FERDELANCE_{name}", f"NUMBA_{name}"):
        text = _os.environ.get(variable)
        if text is None:
            continue
        try:
            return setting.parse(text)
        except ValueError:
            import warnings

            from .errors import NumbaInvalidConfigWarning

            warnings.warn(
                f"environment variable {variable}={text!r} is ignored: not a valid value",
                NumbaInvalidConfigWarning,
                stacklevel=2,
            )
    return setting.default() if callable(setting.default) else setting.default


def reload_config():
    """Read all settings from the environment again."""
    for setting in SETTINGS:
        globals()[setting.attribute] = _read(setting)
    try:
        from . import _core
    except ImportError:
        # Not built: there is no compiled code that could use threads.
        return
    _core.set_most_threads(globals()["NUMBA_NUM_THREADS"])


reload_config()
