"""Functions as values: function types, calls by address, functions for C."""

import copy
import ctypes
import gc
import pickle
import sys
import threading
import traceback
import weakref

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import errors, njit, types

INT = types.FunctionType(fd.int64(fd.int64))
FLOAT = types.FunctionType(fd.float64(fd.float64))


@pytest.fixture
def inc():
    return njit("int64(int64)")(lambda x: x + 1)


@pytest.fixture
def dbl():
    return njit("int64(int64)")(lambda x: x * 2)


@njit(fd.int64(INT, fd.int64))
def apply(f, x):
    return f(x)


@njit
def call(f, x):
    return f(x)


# ---- where values come from ---------------------------------------------------------------------


def test_functions_of_one_signature_meet(inc, dbl):
    @njit
    def choose(flag, x):
        g = inc if flag else dbl
        return g(x)

    assert (choose(True, 10), choose(False, 10)) == (11, 20)

    @njit
    def pick(fs, i, x):
        return fs[i](x)

    assert [pick((inc, dbl), i, 10) for i in (0, 1, -1)] == [11, 20, 20]
    with pytest.raises(IndexError):
        pick((inc, dbl), 2, 10)

    fs = (inc, dbl, inc)

    @njit
    def in_turn(x):
        for i in range(len(fs)):
            x = fs[i](x)
        return x

    assert in_turn(1) == 5


def test_the_signature_must_be_shared_and_unique(inc):
    other = njit("float64(float64)")(lambda x: x)
    both = njit(["int64(int64)", "float64(float64)"])(lambda x: x - 1)
    generic = njit(lambda x: x)

    def choose_between(f, g):
        return njit(lambda flag, x: (f if flag else g)(x))

    assert choose_between(inc, both)(False, 5) == 4
    assert choose_between(both, other)(True, 5) == 4.0
    for f, g in (
        (inc, other),
        (inc, generic),
        (both, njit(["int64(int64)", "float64(float64)"])(lambda x: x)),
    ):
        with pytest.raises(errors.TypingError, match="cannot unify"):
            choose_between(f, g)(True, 1)


def test_a_parameter_takes_functions_of_its_type(inc, dbl):
    assert apply(inc, 5) == 6 and apply(dbl, 5) == 10
    assert len(apply.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        apply(njit("float64(float64)")(lambda x: x), 1)
    with pytest.raises(TypeError):
        apply(3, 1)
    with pytest.raises(TypeError):
        apply(abs, 1)


def test_functions_without_signatures_are_compiled_for_the_type():
    square = njit(lambda x: x * x)
    assert apply(square, 7) == 49
    # Calls from Python do not see that.
    assert square.signatures == [] and square(1.5) == 2.25
    # The result becomes what the type says.
    assert apply(njit(lambda x: x > 2), 5) == 1
    half = njit(lambda x: x // 2)
    assert half(9) == 4 and apply(half, 9) == 4
    with pytest.raises(errors.TypingError, match="cannot be converted"):
        apply(njit(lambda x: "text"), 1)
    with pytest.raises(errors.TypingError):
        apply(njit(lambda x: x.nothing), 1)
    with pytest.raises(TypeError, match="2 parameters"):
        apply(njit(lambda x, y: x), 1)


def test_compiled_code_passes_functions(inc):
    square = njit(lambda x: x * x)

    @njit
    def both(x):
        return apply(inc, x) + apply(square, x)

    assert both(3) == 13


def test_a_function_cannot_be_its_own_value_before_it_exists():
    @njit
    def f(x):
        return apply(f, x - 1) if x > 0 else x

    with pytest.raises(errors.NumbaError, match="while it is being compiled"):
        f(3)


def test_functions_come_back(inc, dbl):
    choose = njit(lambda flag: inc if flag else dbl)
    assert choose(True) is inc and choose(False) is dbl
    assert choose.nopython_signatures[0].return_type == INT
    get = njit(lambda: (inc, 1))
    assert get() == (inc, 1)

    @njit(INT(INT))
    def same(f):
        return f

    assert same(inc) is inc
    with pytest.raises(UnboundLocalError):
        _unassigned(dbl)(0)


def _unassigned(f):
    g = njit("int64(int64)")(lambda x: x)

    @njit
    def maybe(n):
        for i in range(n):
            h = f if i else g
        return h

    return maybe


def test_a_variable_that_was_not_assigned_is_no_crash(inc, dbl):
    @njit
    def maybe(n, x):
        for i in range(n):
            h = inc if i else dbl
        return h(x)

    assert maybe(1, 5) == 10 and maybe(2, 5) == 6
    with pytest.raises(UnboundLocalError):
        maybe(0, 5)


def test_truth_and_arguments(inc):
    @njit(fd.int64(INT, fd.float64))
    def f(g, x):
        if g:
            return g(np.int8(3)) + g(int(x))
        return 0

    assert f(inc, 2.5) == 7
    for body, message in (
        (lambda g: g(1, 2), "takes 1 argument, but 2"),
        (lambda g: g(x=1), "keyword"),
        (lambda g: g("text"), "cannot be converted to int64"),
    ):
        with pytest.raises(errors.TypingError, match=message):
            njit((INT,))(body)


@pytest.mark.parametrize(
    ("sig", "args"),
    [
        ("boolean(boolean)", (True,)),
        ("int8(int8, uint8)", (-3, 250)),
        ("float32(float32, float64)", (0.5, 0.25)),
        ("complex64(complex64)", (1 - 2j,)),
        ("complex128(complex128, int16)", (1 + 2j, -7)),
        ("unicode_type(unicode_type)", ("text",)),
        ("UniTuple(float64, 5)(UniTuple(float64, 5))", ((1.0, 2.0, 3.0, 4.0, 5.0),)),
        ("none(int64)", (1,)),
    ],
)
def test_every_kind_of_value_passes(sig, args):
    names = "abc"[: len(args)]
    first = njit(sig)(eval(f"lambda {', '.join(names)}: a"))
    ft = types.FunctionType(first.nopython_signatures[0])
    want = first(*args)
    through = njit((ft, *ft.signature.args))(
        eval(f"lambda f, {', '.join(names)}: f({', '.join(names)})")
    )
    assert through(first, *args) == want


def test_arrays_pass_and_nothing_leaks():
    ft = types.FunctionType(fd.float64[::1](fd.float64[::1]))

    @njit(fd.float64[::1](fd.float64[::1]))
    def twice(a):
        out = np.empty(a.size)
        for i in range(a.size):
            out[i] = 2 * a[i]
        return out

    same = njit(fd.float64[::1](fd.float64[::1]))(lambda a: a)

    @njit(fd.float64[::1](ft, ft, fd.float64[::1]))
    def compose(f, g, a):
        g(a)
        return f(g(f(a)))

    a = np.arange(4.0)
    np.testing.assert_array_equal(compose(twice, same, a), a * 4)
    assert compose(same, same, a) is a
    from ferdelance import _core

    start = _core.runtime_stats()["live_buffers"]
    for _ in range(100):
        compose(twice, twice, a)
    assert _core.runtime_stats()["live_buffers"] == start


# ---- errors -------------------------------------------------------------------------------------


@njit("int64(int64)")
def fail(x):
    if x < 0:
        raise ValueError("negative", x)
    return x


def test_exceptions_pass_through_addresses():
    with pytest.raises(ValueError) as caught:
        apply(fail, -2)
    assert caught.value.args == ("negative", -2)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["apply", "fail"]

    @njit(fd.int64(INT, fd.int64))
    def catch(f, x):
        try:
            return f(x)
        except ValueError:
            return -1

    assert catch(fail, -2) == -1 and catch(fail, 2) == 2
    from ferdelance import _core

    for _ in range(50):
        catch(fail, -1)
    assert _core.runtime_stats()["live_errors"] == 0


def test_recursion_is_bounded():
    @njit("int64(int64)")
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    assert apply(down, 100) == 100
    with pytest.raises(RecursionError):
        apply(down, 10**9)


# ---- threads and lifetime -----------------------------------------------------------------------


def test_many_threads_compile_and_call():
    @njit(fd.int64(INT, fd.int64), nogil=True)
    def total(f, n):
        s = 0
        for i in range(n):
            s += f(i)
        return s

    square = njit(lambda x: x * x)
    results = []

    def work():
        results.append([total(square, 1000) for _ in range(20)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[sum(i * i for i in range(1000))] * 20] * 8


def test_functions_that_were_passed_die():
    dead = []
    for k in range(20):
        f = njit("int64(int64)")(lambda x, k=k: x + 1)
        apply(f, 1)
        dead.append(weakref.ref(f))
    del f
    gc.collect()
    assert not any(ref() for ref in dead)


def test_code_keeps_the_functions_whose_addresses_it_has():
    def make():
        f, g = (njit("int64(int64)")(lambda x: x + 1), njit("int64(int64)")(lambda x: x + 2))
        return njit(lambda flag, x: (f if flag else g)(x)), weakref.ref(f)

    choose, f = make()
    assert choose(True, 1) == 2
    gc.collect()
    assert f() is not None and choose(True, 1) == 2
    del choose
    gc.collect()
    assert f() is None


def test_recompiled_functions_get_new_addresses():
    step = 1
    f = njit("int64(int64)")(lambda x: x + step)
    assert apply(f, 1) == 2
    step = 10
    f.recompile()
    assert apply(f, 1) == 11


# ---- functions for C ----------------------------------------------------------------------------


def test_cfunc():
    @fd.cfunc("float64(float64, int32)")
    def f(x, n):
        """Doc."""
        return x * n

    assert f(1.5, 2) == 3.0 and f.ctypes(1.5, 2) == 3.0
    assert f.__wrapped__(2, 3) == 6 and f.__doc__ == "Doc." and f.__name__ == "f"
    assert f.cache_hits == 0 and isinstance(f.address, int) and "f" in f.native_name
    assert fd.typeof(f) == types.FunctionType(fd.float64(fd.float64, fd.int32))
    assert copy.deepcopy(f) is f
    assert "define" in f.inspect_llvm()
    with pytest.raises(TypeError, match="return type"):
        fd.cfunc("(int64,)")
    with pytest.raises(TypeError):
        fd.cfunc(["int64()"])
    with pytest.raises(TypeError):
        fd.cfunc("int64(int64, int64)")(lambda x: x)
    with pytest.raises(TypeError):
        fd.cfunc("int64()")(len)
    with pytest.raises(errors.TypingError, match="called from C"):
        fd.cfunc("int64(unicode_type)")(lambda x: 1)


@pytest.mark.parametrize(
    "name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_c_integers(name):
    ty = getattr(fd, name)
    f = fd.cfunc(ty(ty, ty))(lambda x, y: x + y)
    c_type = getattr(ctypes, "c_" + name)
    for x in (ty.minval, 0, 1, ty.maxval):
        assert f.ctypes(x, 1) == c_type(x + 1).value

    # The other way: compiled code calls C.
    c = f.ctypes
    assert njit(lambda x: c(x, 1))(np.dtype(name).type(ty.maxval)) == c_type(ty.maxval + 1).value


def test_complex_numbers_pass_through_c():
    for ty, value in ((fd.complex64, 1.5 - 2j), (fd.complex128, 1e300 + 1e-300j)):
        f = fd.cfunc(ty(fd.int64, ty, fd.float32))(lambda n, z, x: z * n + x)

        class Native(types.WrapperAddressProtocol):
            def __wrapper_address__(self, f=f):
                return f.address

            def signature(self, f=f):
                return f.signature

        through = njit(lambda g, z: g(1, z, np.float32(0.0)))
        z = np.dtype(str(ty)).type(value)
        assert through(Native(), z) == z


def test_exceptions_end_at_c(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append((u.exc_value, u.object)))

    @fd.cfunc("float64(int64)")
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return x

    assert f.ctypes(-1) == 0.0 and f.ctypes(3) == 3.0
    assert [str(value) for value, _ in seen] == ["negative"] and seen[0][1] is f.__wrapped__
    with pytest.raises(ValueError, match="negative"):
        f(-1)


def test_cfuncs_as_values(inc):
    a, b = (fd.cfunc("int64(int64)")(lambda x: x * 3), fd.cfunc("int64(int64)")(lambda x: x * 5))
    once = njit(lambda f, x: f(x))
    assert (once(a, 1), once(b, 1), once(inc, 1)) == (3, 5, 2)
    # One version for all cfuncs; a jitted function is compiled into a version of its own.
    assert len(once.signatures) == 2
    assert apply(a, 2) == 6
    assert njit(lambda flag, x: (a if flag else inc)(x))(True, 2) == 6
    same = njit(lambda f: f)
    assert same(a) is a and same(b) is b
    assert njit(lambda: a(1) + b(1))() == 8
    with pytest.raises(ValueError):
        apply(fd.cfunc("int64(int64)")(fail.py_func), -1)


def test_a_cfunc_can_be_pickled():
    f = pickle.loads(pickle.dumps(_triple))
    assert f(2) == 6 and f.ctypes(2) == 6


@fd.cfunc("int64(int64)")
def _triple(x):
    return x * 3


# ---- C functions in compiled code ---------------------------------------------------------------


class Native(types.WrapperAddressProtocol):
    """A C function by its address."""

    def __init__(self, function, signature):
        self.function = function
        self.sig = signature

    def __wrapper_address__(self):
        return ctypes.cast(self.function, ctypes.c_void_p).value

    def signature(self):
        return self.sig


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
def python_callback(x):
    return x * 100


def test_objects_with_an_address(inc):
    f = Native(python_callback, fd.int64(fd.int64))
    assert call(f, 2) == 200 and apply(f, 3) == 300
    assert njit(lambda x: f(x))(1) == 100
    assert njit(lambda flag, x: (f if flag else inc)(x))(True, 1) == 100
    back = njit(lambda g: g)(f)
    assert back(7) == 700 and apply(back, 1) == 100
    assert back == njit(lambda g: g)(f)
    with pytest.raises(TypeError, match="No matching definition"):
        apply(Native(python_callback, fd.int32(fd.int64)), 1)
    with pytest.raises(RuntimeError, match="without an address"):
        apply(Native(None, fd.int64(fd.int64)), 1)


def test_ctypes_functions():
    libm = ctypes.CDLL("libm.so.6")
    cos, sin = libm.cos, libm.sin
    for f in (cos, sin):
        f.argtypes, f.restype = [ctypes.c_double], ctypes.c_double
    assert njit(lambda x: cos(x) + sin(x))(0) == 1.0
    assert call(cos, 0.0) == 1.0 and call(sin, 0.0) == 0.0
    mean = njit(fd.float64(FLOAT, FLOAT, fd.float64))(lambda f, g, x: (f(x) + g(x)) / 2)
    assert mean(cos, sin, 0.0) == 0.5
    assert njit(lambda f: f)(cos) is cos
    bare = ctypes.CDLL("libm.so.6").tan
    with pytest.raises((errors.TypingError, TypeError), match="argtypes"):
        njit(lambda x: bare(x))(1.0)
