"""The package: what importing it loads, its names, settings, the alias `numba`."""

import importlib
import pathlib
import subprocess
import sys

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import _core, config, errors


def run(text, **env):
    """Output of a fresh interpreter, as words."""
    path = str(pathlib.Path(fd.__file__).parents[1])
    setup = f"import sys; sys.path.insert(0, {path!r})\n"
    done = subprocess.run([sys.executable, "-c", setup + text], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


def test_importing_loads_no_module_but_the_extension():
    text = "import numpy; before = set(sys.modules); import ferdelance; "
    assert (
        {"ferdelance"}
        <= set(run(text + "print(*set(sys.modules) - before)"))
        <= {
            "ferdelance",
            "ferdelance._core",
        }
    )


def test_decorators_load_little():
    text = "import numpy; before = set(sys.modules); import ferdelance; ferdelance.njit; "
    new = run(text + "print(*set(sys.modules) - before)")
    slow = {"ast", "difflib", "inspect", "typing", "dataclasses", "json", "pickle", "subprocess"}
    assert not slow.intersection(new), new


def test_every_name_resolves():
    for name in fd.__all__:
        assert getattr(fd, name) is not None
        assert name in dir(fd)
    for name in fd._SUBMODULES:
        assert getattr(fd, name).__name__ == f"ferdelance.{name}"
    with pytest.raises(AttributeError, match="no_such_name"):
        fd.no_such_name  # noqa: B018


def test_inner_names_lead_to_the_public_ones():
    core = fd.core
    assert core.types is fd.types and core.errors is fd.errors and core.config is fd.config
    assert importlib.import_module("ferdelance.core.types") is fd.types
    assert core.typing.templates.Signature is fd.types.Signature
    assert core.typing.asnumbatype.as_numba_type is fd.extending.as_numba_type
    assert core.decorators.jit is fd.jit and core.typing.typeof is fd.typeof
    assert core.registry.CPUDispatcher is core.dispatcher.Dispatcher
    with pytest.raises(AttributeError):
        core.no_such_module  # noqa: B018


def test_what_is_still_to_come_says_so():
    for use in (
        fd.vectorize,
        fd.guvectorize,
        fd.stencil,
        fd.experimental.jitclass,
        fd.typed.List,
        lambda: fd.typed.List.empty_list(fd.int64),
        lambda: fd.typed.Set.empty(fd.int64),
        lambda: fd.extending.overload(len),
        lambda: fd.core.typing.cffi_utils.register_module(None),
    ):
        with pytest.raises(errors.UnsupportedError, match="not implemented yet; "):
            use()


# ---- helpers that work in the interpreter -------------------------------------------------------


def test_interpreted_helpers():
    assert list(fd.prange(1, 7, 2)) == [1, 3, 5] and list(fd.pndindex(1, 2)) == [(0, 0), (0, 1)]
    with fd.objmode(x="float64"):
        x = 1
    assert fd.literally(x) == 1 and fd.literal_unroll((1, "a")) == (1, "a")


def test_threads():
    most = config.NUMBA_NUM_THREADS
    assert fd.get_num_threads() == most and fd.get_thread_id() == 0
    fd.set_num_threads(1)
    assert fd.get_num_threads() == 1
    fd.set_num_threads(most)
    for bad, error in ((0, ValueError), (most + 1, ValueError), ("2", TypeError)):
        with pytest.raises(error):
            fd.set_num_threads(bad)
    if _core.team_was_used():
        assert fd.threading_layer() == "ferdelance"
    else:
        with pytest.raises(ValueError):
            fd.threading_layer()


def test_chunk_sizes():
    with fd.parallel_chunksize(4):
        assert fd.get_parallel_chunksize() == 4
    assert fd.get_parallel_chunksize() == 0 and fd.set_parallel_chunksize(3) == 0
    assert fd.set_parallel_chunksize(0) == 3
    for bad, error in ((-1, ValueError), (1.5, TypeError)):
        with pytest.raises(error):
            fd.set_parallel_chunksize(bad)


def test_arrays_over_pointers():
    ctypes = pytest.importorskip("ctypes")
    memory = (ctypes.c_double * 6)(*range(6))
    pointer = ctypes.cast(memory, ctypes.POINTER(ctypes.c_double))
    void = ctypes.cast(memory, ctypes.c_void_p)
    np.testing.assert_array_equal(fd.carray(pointer, (2, 3)), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(
        fd.farray(void, (2, 3), fd.float64), fd.carray(void, (3, 2), "f8").T
    )
    fd.carray(pointer, 6)[0] = 9
    assert memory[0] == 9
    for arguments in ((void, 6), (pointer, 6, np.int64), (memory, 6), (3, 6, np.int64)):
        with pytest.raises(TypeError):
            fd.carray(*arguments)
    with pytest.raises(ValueError):
        fd.carray(ctypes.c_void_p(), 6, np.int64)


# ---- settings -----------------------------------------------------------------------------------


def test_settings_come_from_the_environment():
    names = "c.DISABLE_JIT, c.OPT, c.BOUNDSCHECK, c.NUMBA_NUM_THREADS"
    text = f"from ferdelance import config as c; print({names})"
    assert run(text, NUMBA_NUM_THREADS="3") == ["0", "3", "None", "3"]
    env = {
        "NUMBA_DISABLE_JIT": "1",
        "FERDELANCE_OPT": "1",
        "NUMBA_OPT": "2",
        "NUMBA_BOUNDSCHECK": "0",
    }
    assert run(text, **env)[:3] == ["1", "1", "0"]


def test_settings_that_make_no_sense_are_ignored(monkeypatch):
    monkeypatch.setenv("NUMBA_OPT", "fast")
    with pytest.warns(errors.NumbaInvalidConfigWarning, match="NUMBA_OPT"):
        config.reload_config()
    assert config.OPT == 3


# ---- the alias ----------------------------------------------------------------------------------


def test_numba_is_ferdelance():
    text = """
import ferdelance.compat
ferdelance.compat.install()
ferdelance.compat.install()
import numba, numba.core.errors
from numba import njit, prange, types
from numba.core import types as core_types
from numba.experimental import jitclass
from numba.typed import List
assert numba.core.errors is ferdelance.errors and types is ferdelance.types is core_types
assert numba.njit is ferdelance.njit and numba.__version__ == "0.68.1"
assert ferdelance.errors.__spec__.name == "ferdelance.errors"
assert numba.core is ferdelance.core
try:
    import numba.no_such_module
except ModuleNotFoundError:
    print("ok")
"""
    assert run(text) == ["ok"]


def test_numba_must_not_be_there_already(monkeypatch):
    from ferdelance import compat

    monkeypatch.setitem(sys.modules, "numba", np)
    with pytest.raises(RuntimeError):
        compat.install()
