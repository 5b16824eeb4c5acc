"""Jitted functions as Python sees them, without the compiler."""

import copy
import functools
import inspect
import io
import os
import pickle
import subprocess
import sys
import warnings

import fake_core
import ferdelance as fd
import pytest
from ferdelance import _dispatcher, _pickle, errors, types


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(_dispatcher, "_dispatcher_class", fake_core.FakeDispatcher)


def described(x: int, y: float = 2.0) -> float:
    """What it does."""
    return x + y


# ---- decorating ---------------------------------------------------------------------------------


def test_forms_of_the_decorator():
    for decorate in (
        fd.jit,
        fd.jit(),
        fd.njit,
        fd.njit(),
        fd.jit(nopython=True),
        fd.njit(nogil=True),
    ):
        assert decorate(described).py_func is described


def test_explicit_signatures_are_compiled_and_fixed():
    f = fd.njit(["f8(i8, f8)", (fd.int8, fd.int8), fd.float32(fd.int32, fd.int32)])(described)
    assert f.signatures == [(fd.int64, fd.float64), (fd.int8, fd.int8), (fd.int32, fd.int32)]
    assert f.nopython_signatures[2].return_type == fd.float32
    with pytest.raises(TypeError):
        f(1j, 2)
    with pytest.raises(RuntimeError, match="disabled"):
        f.compile("(c16, c16)")


def test_signatures_fill_in_defaults_and_star_arguments():
    assert fd.njit("f8(i8)")(described).signatures == [(fd.int64, types.Omitted(2.0))]
    f = fd.njit("(i8, f8, i4)")(lambda a, *rest: a)
    assert f.signatures == [(fd.int64, types.Tuple((fd.float64, fd.int32)))]
    f = fd.njit("(i8,)")(lambda a, *rest: a)
    assert f.signatures == [(fd.int64, types.Tuple(()))]
    f.disable_compile(False)
    f.compile(f.signatures[0])
    assert len(f.signatures) == 1
    f = fd.njit("(i8,)")(lambda a, b=2, *rest, c=True: a)
    bound = (fd.int64, types.Omitted(2), types.Tuple(()), types.Omitted(True))
    assert f.signatures == [bound]
    f.disable_compile(False)
    f.compile(bound)
    assert len(f.signatures) == 1
    with pytest.raises(errors.TypingError, match="2 parameters"):
        fd.njit("(i8, i8, i8)")(described)
    with pytest.raises(errors.TypingError, match="'x'"):
        fd.njit("i8()")(described)


def test_what_cannot_be_decorated():
    class C:
        pass

    for thing, text in (
        (C, "class"),
        (3, "int"),
        (len, "len"),
        (staticmethod(described), "staticmethod"),
    ):
        with pytest.raises(TypeError, match=text):
            fd.jit(thing)
    with pytest.raises(TypeError, match="already jitted"):
        fd.njit(fd.njit(described))
    with pytest.raises(TypeError, match="not a signature"):
        fd.njit(fd.int64)


def test_options_are_checked_when_decorating():
    with pytest.raises(TypeError, match="did you mean 'parallel'"):
        fd.njit(parallell=True)
    with pytest.raises(TypeError, match="bogus_option"):
        fd.njit(bogus_option=1)
    with pytest.raises(ValueError, match="'python' or 'numpy', not 'bogus'"):
        fd.njit(error_model="bogus")(described)
    for options in (
        {"fastmath": {"bogus"}},
        {"fastmath": "fast"},
        {"fastmath": 3.5},
        {"inline": "no"},
        {"parallel": "yes"},
        {"parallel": {"bogus": True}},
        {"locals": {"x": 3}},
        {"nogil": "yes"},
        {"source": 3},
    ):
        with pytest.raises((TypeError, ValueError), match=next(iter(options))):
            fd.njit(**options)(described)


def test_options_as_the_compiler_sees_them():
    f = fd.njit(fastmath=True, locals={"y": fd.float32, "z": "i4"}, parallel={"fusion": False})(
        described
    )
    assert f._options["fastmath"] == {"fast"}
    assert f._options["locals"] == {"y": ("float", 32, False), "z": ("int", 32, True, False)}
    assert f._options["parallel"] is True and f._options["parallel_parts"] == {"fusion": False}
    assert f._options["inline"] == "auto"
    assert f._options["boundscheck"] is False
    assert fd.njit(described)._options["fastmath"] == frozenset()


def test_boundscheck_setting_has_the_last_word(monkeypatch):
    monkeypatch.setattr(fd.config, "BOUNDSCHECK", 1)
    assert fd.njit(boundscheck=False)(described)._options["boundscheck"] is True


def test_disable_jit_gives_the_function_back(monkeypatch):
    monkeypatch.setattr(fd.config, "DISABLE_JIT", 1)
    assert fd.njit("f8(i8)")(described) is described
    assert fd.jit(forceobj=True)(described) is described


def test_mode_warnings():
    with pytest.warns(RuntimeWarning, match="nopython"):
        fd.njit(nopython=True)(described)
    with pytest.warns(errors.NumbaDeprecationWarning):
        fd.jit(nopython=False)(described)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fd.jit(nopython=True)(described)
    with pytest.raises(ValueError):
        fd.jit(nopython=True, forceobj=True)


def test_jit_module():
    namespace = {"__name__": "kernels", "fd": fd, "described": described}
    exec("def inc(x):\n    return x + 1\nfd.jit_module(error_model='numpy')", namespace)
    assert namespace["inc"].targetoptions["error_model"] == "numpy"
    assert namespace["described"] is described


# ---- versions -----------------------------------------------------------------------------------


def compiled():
    f = fd.njit(described)
    f(1, 2)
    f(1, 2.5)
    return f


def test_versions():
    f = compiled()
    assert f.signatures == [(fd.int64, fd.int64), (fd.int64, fd.float64)]
    f.signatures.append("junk")
    assert len(f.signatures) == 2
    assert [s.args for s in f.nopython_signatures] == f.signatures == list(f.overloads)
    result = f.get_compile_result((fd.int64, fd.float64))
    assert result.signature.args == (fd.int64, fd.float64) and result.metadata == {"index": 1}
    assert f.overloads[fd.int64, fd.int64].entry_point(1, 2) == 3
    assert f.get_overload("(i8, i8)")(1, 2) == 3
    f.compile("(int64, int64)")
    assert len(f.signatures) == 2


def test_weak_and_strong_numbers_look_alike():
    f = fd.njit(described)
    for weak in (True, False):
        f._compile((("int", 64, True, weak), ("float", 64, weak)), None)
    assert f.signatures == [(fd.int64, fd.float64)]
    assert sum(f.stats.cache_misses.values()) == 1


def test_stats():
    f = compiled()
    assert f.stats.cache_misses[fd.int64, fd.float64] == 1
    assert not f.stats.cache_hits and f.stats.cache_path is None


def test_recompile_keeps_versions_and_imposed_return_types():
    f = fd.njit(["f4(i8, i8)", "(f8, f8)"])(described)
    before = f.nopython_signatures
    f.recompile()
    assert f.nopython_signatures == before
    assert not f._may_compile and not f.is_compiling


def test_disable_compile():
    f = compiled()
    f.disable_compile()
    with pytest.raises(TypeError):
        f(1j, 1)
    f.disable_compile(False)
    assert f(1j, 1) == 1 + 1j


def test_compile_errors_pass_through_unchanged():
    f = fd.njit(described)
    with pytest.raises(errors.TypingError) as caught:
        f("a", "b")
    assert str(caught.value) == "strings are refused" and caught.value.code == "a-code"
    assert f.signatures == []


# ---- inspection ---------------------------------------------------------------------------------


def test_inspection():
    f = compiled()
    for inspect_it, what in (
        (f.inspect_llvm, "llvm"),
        (f.inspect_asm, "asm"),
    ):
        assert inspect_it() == {sig: inspect_it(sig) for sig in f.signatures}
        assert inspect_it("(i8, f8)") == f"{what} of described #1"
        with pytest.raises(KeyError):
            inspect_it((types.unicode_type,))
    assert f.explain(data=True) == {sig: [] for sig in f.signatures}
    assert "described(int64, float64)" in f.explain("(i8, f8)")
    assert "digraph" in str(f.inspect_cfg(f.signatures[0]))
    assert f.get_metadata() == {sig: {"index": i} for i, sig in enumerate(f.signatures)}
    assert fd.njit(described).inspect_llvm() == {}


def test_inspect_types(capsys):
    f = compiled()
    f.inspect_types()
    text = capsys.readouterr().out
    assert "described (int64, float64)" in text and "types of described #1" in text
    one = io.StringIO()
    f.inspect_types(file=one, signature=f.signatures[0])
    assert 0 < len(one.getvalue()) < len(text)
    f.parallel_diagnostics(level=1)
    assert "described(int64, float64)" in capsys.readouterr().out


# ---- it stands for the function -----------------------------------------------------------------


def test_function_attributes():
    f = fd.njit(described)
    for name in (
        "__name__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__defaults__",
        "__code__",
        "__annotations__",
    ):
        assert getattr(f, name) is getattr(described, name), name
    assert f.__wrapped__ is described and f.func_code is described.__code__
    assert inspect.signature(f) == inspect.signature(described)
    assert inspect.getsource(f) == inspect.getsource(described)
    assert "described" in repr(f)
    assert functools.wraps(f)(lambda: 0).__name__ == "described"


def test_types_of_dispatchers():
    f = fd.njit(described)
    assert fd.typeof(f) == types.Dispatcher(f) == types._decode(types._encode(fd.typeof(f)))
    assert fd.typeof(f) != fd.typeof(fd.njit(described))
    assert fd.extending.is_jitted(f) and not fd.extending.is_jitted(described)


def test_object_mode():
    @fd.jit("f8(i8)", forceobj=True)
    def f(x):
        return [x]

    assert f(3) == [3] and f.signatures == f.nopython_signatures == [] and f.inspect_llvm() == {}
    assert fd.extending.is_jitted(f) and isinstance(fd.typeof(f), types.ObjModeDispatcher)
    assert pickle.loads(pickle.dumps(f)) is f

    class C:
        m = f

    assert inspect.ismethod(C().m) and C.m is f


# ---- pickling -----------------------------------------------------------------------------------

SCALE = 10


def scaled(x, k=3):
    return x * k * SCALE


def in_another_process(text, data):
    """What a fresh process with the fake compiler prints that has unpickled `data` as `obj`."""
    # Without the directory of this file, so that nothing pickled can be imported from there.
    path = [entry for entry in sys.path if entry and entry != os.path.dirname(__file__)]
    setup = f"""
import importlib.util, pickle, sys
sys.path[:0] = {path!r}
spec = importlib.util.spec_from_file_location("fake_core", {fake_core.__file__!r})
fake_core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fake_core)
from ferdelance import _dispatcher
_dispatcher._dispatcher_class = fake_core.FakeDispatcher
obj = pickle.loads(sys.stdin.buffer.read())
"""
    done = subprocess.run([sys.executable, "-c", setup + text], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


def test_copies_are_the_same_object():
    f = compiled()
    assert copy.copy(f) is f and copy.deepcopy({"f": f})["f"] is f


def test_pickling_comes_back_to_the_same_function():
    f, g = fd.njit(lambda x: x + 1), fd.njit(scaled)
    data = pickle.dumps({"f": f, "gs": [g, g]})
    back = pickle.loads(data)
    assert back["f"] is f and back["gs"] == [g, g]


def test_pickling_to_another_process():
    k = 5

    def helper(x):
        return x + k

    f = fd.njit(lambda x: helper(x) * 2)
    g = fd.njit("f8(f8, i8)", error_model="numpy")(scaled)
    data = pickle.dumps([f, g, f])
    text = "f, g, h = obj; print(f(1), g(2.0, 1), f is h, g.signatures)"
    assert in_another_process(text, data) == ["12", "20.0", "True", "[(float64,", "int64)]"]
    text = "g = obj[1]; print(g.__name__, g.__defaults__, g.targetoptions['error_model'])"
    assert in_another_process(text, data) == ["scaled", "(3,)", "numpy"]


def test_pickles_carry_the_source():
    data = pickle.dumps(fd.njit(scaled))
    text = "print(*obj.py_func.__ferdelance_source__[0].split())"
    assert in_another_process(text, data) == inspect.getsource(scaled).split()


def test_pickling_recursive_functions():
    namespace = {"__name__": "elsewhere", "fd": fd}
    fact = "@fd.njit\ndef fact(n):\n    return 1 if n < 2 else n * helper(n - 1)\n"
    exec(fact + "def helper(n):\n    return fact(n)\n", namespace)
    data = pickle.dumps(namespace["fact"])
    assert in_another_process("print(obj(5))", data) == ["120"]
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(namespace["fact"], protocol)) is namespace["fact"]


def test_importable_functions_are_pickled_by_name(monkeypatch):
    f = fd.njit(scaled)
    monkeypatch.setattr(sys.modules[__name__], "scaled", f)
    assert f.__reduce__() == (_pickle._import, (__name__, "scaled"))
    assert pickle.loads(pickle.dumps(f)) is f


def test_code_of_another_python_is_refused():
    skeleton = _pickle._skeleton(scaled)
    with pytest.raises(RuntimeError, match="cpython-20"):
        _pickle._make_function("cpython-20", *skeleton[1:])
