"""Results of jitted functions as Python objects: values, identity, memory."""

import collections
import gc
import math
import sys

import ferdelance as fd
import numpy as np
import pytest
from conftest import live
from ferdelance import njit

Point = collections.namedtuple("Point", "x y")
TABLE = np.array([10.0, 20.0, 30.0])


# ---- scalars ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cls"),
    [
        (0, int),
        (-1, int),
        (2**62, int),
        (2**64 - 1, int),
        (np.int8(-128), int),
        (np.uint32(2**32 - 1), int),
        (1.5, float),
        (-0.0, float),
        (math.inf, float),
        (np.float32(0.1), float),
        (True, bool),
        (np.bool_(False), bool),
        (1 + 2j, complex),
        (np.complex64(0.5 - 1j), complex),
    ],
    ids=repr,
)
def test_scalars_come_back_as_python_numbers(value, cls):
    result = njit(lambda x: x)(value)
    assert type(result) is cls
    assert result == value
    if cls is float:
        assert math.copysign(1, result) == math.copysign(1, value)


def test_nan_comes_back():
    assert math.isnan(njit(lambda x: x)(math.nan))


@pytest.mark.parametrize(
    "text",
    ["", "a", "\xff", "plain", "\x00 in it", "été", "αβγ", "\U0001f40d", "x" * 1000, "\udc80"],
    ids=ascii,
)
def test_strings(text):
    result = njit(lambda s: s)(text)
    assert type(result) is str and result == text


# ---- tuples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [(), (1,), (1, 2.5, "a"), (1, (2, (3j, None)), "x"), ((), ())], ids=repr
)
def test_tuples(value):
    result = njit(lambda t: t)(value)
    assert type(result) is tuple and result == value


def test_named_tuples():
    f = njit(lambda p: p)
    result = f(Point(1, 2.5))
    assert type(result) is Point and result == Point(1, 2.5)
    nested = f(Point(Point(1, "a"), (2.5,)))
    assert type(nested.x) is Point and nested == Point(Point(1, "a"), (2.5,))


def test_big_tuples():
    value = tuple(range(50)) + tuple(float(i) for i in range(50))
    assert njit(lambda t: t)(value) == value


def test_optional_results():
    @njit
    def f(c, x):
        if c:
            return x
        return None

    for value in (3, 2.5, "text", (1, 2)):
        assert f(True, value) == value
        assert f(False, value) is None


def test_arrays_in_tuples_and_optionals():
    @njit
    def f(c, a):
        if c:
            return a, None
        return a, a

    a = np.zeros(3)
    x, nothing = f(True, a)
    assert x is a and nothing is None
    x, y = f(False, a)
    assert x is a and y is a


# ---- arrays -------------------------------------------------------------------------------------


def test_an_argument_comes_back_as_itself():
    f = njit(lambda a: a)
    for a in (np.zeros(3), np.zeros((2, 3)).T, np.zeros(9)[::2], np.array(5), np.zeros((0, 3))):
        assert f(a) is a
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    assert f(frozen) is frozen


def test_a_view_keeps_its_base():
    f = njit(lambda a: a[1:])
    a = np.arange(4.0)
    v = f(a)
    assert v.tolist() == [1, 2, 3] and np.shares_memory(v, a)
    v[0] = 7
    assert a[1] == 7
    del a
    gc.collect()
    assert v.tolist() == [7, 2, 3]


def test_a_view_of_a_read_only_array_is_read_only():
    a = np.arange(4.0)
    a.flags.writeable = False
    v = njit(lambda a: a[1:])(a)
    assert not v.flags.writeable


def test_a_subclass_comes_back_as_a_view():
    class Mine(np.ndarray):
        pass

    a = np.arange(3.0).view(Mine)
    r = njit(lambda a: a)(a)
    assert type(r) is np.ndarray and np.shares_memory(r, a)


def test_a_new_array_is_not_copied_and_freed_at_the_end():
    f = njit(lambda n: np.zeros(n))
    f(1)
    before = live()
    a = f(100_000)
    assert live()[0] == before[0] + 1
    assert a.dtype == np.float64 and a.shape == (100_000,) and a.flags.writeable and a.flags.aligned
    a[:] = 1
    half = a[::2]
    del a
    assert live()[0] == before[0] + 1
    assert half.sum() == 50_000
    del half
    assert live() == before


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "u8", "f4", "f8", "c8", "c16"])
def test_new_arrays_of_every_dtype(dtype):
    kind = np.dtype(dtype).type
    a = njit(lambda n: np.zeros((n, 2), kind))(3)
    assert a.dtype == np.dtype(dtype) and a.shape == (3, 2) and a.flags.c_contiguous
    assert not a.any()


def test_one_array_twice():
    @njit
    def f(n):
        a = np.zeros(n)
        return a, a, a[1:]

    before = live()
    x, y, z = f(4)
    x[1] = 5
    assert y[1] == 5 and z[0] == 5
    del x, y
    assert z.tolist() == [5, 0, 0]
    del z
    assert live() == before


def test_a_frozen_global_array():
    f = njit(lambda: TABLE)
    r = f()
    assert r.tolist() == [10, 20, 30]
    with pytest.raises(ValueError, match="read-only"):
        r[0] = 1
    part = njit(lambda i: TABLE[i:])(1)
    assert part.tolist() == [20, 30] and not part.flags.writeable
    assert TABLE.flags.writeable


# ---- what is known by its type ------------------------------------------------------------------


def test_functions_classes_and_modules():
    g = njit(lambda x: x + 1)
    kind = np.float32
    assert njit(lambda: g)() is g
    assert njit(lambda: np)() is np
    assert njit(lambda: math.sin)() is math.sin
    assert njit(lambda: kind)() is kind
    assert njit(lambda: int)() is int
    assert njit(lambda: None)() is None


def test_unknown_objects_are_refused():
    thing = object()
    with pytest.raises(fd.errors.TypingError):
        njit(lambda: thing)()


# ---- ranges and slices --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [range(5), range(2, -9, -3), slice(1, 4), slice(None, 3, 2)])
def test_ranges_and_slices_come_back(value):
    f = njit(lambda x: x)
    assert f(value) == value and f(value) == value


def test_ranges_and_slices_made_inside():
    assert njit(lambda n: range(n))(4) == range(4)
    assert njit(lambda n: range(n, 0, -2))(9) == range(9, 0, -2)


def test_slices_as_arguments():
    f = njit(lambda a, s: a[s])
    a = np.arange(10.0)
    for s in (slice(2, 5), slice(None, 3), slice(None, None, -1), slice(None), slice(-3, None)):
        assert f(a, s).tolist() == a[s].tolist()
    with pytest.raises(fd.errors.TypingError, match="slice"):
        f(a, slice("a", "b"))


# ---- leaks --------------------------------------------------------------------------------------


def test_results_leave_nothing_behind():
    @njit
    def f(a, s, n):
        return a, a.size, s, (s, n), np.zeros(n)

    a, s = np.arange(3.0), "a string of its own"
    f(a, s, 4)
    before = live(), sys.getrefcount(a), sys.getrefcount(s)
    for _ in range(50):
        f(a, s, 4)
    assert (live(), sys.getrefcount(a), sys.getrefcount(s)) == before


# ---- printing -----------------------------------------------------------------------------------


def test_print_goes_to_sys_stdout(capsys):
    njit(lambda x: print("x is", x, 1.5, True))(3)
    assert capsys.readouterr().out == "x is 3 1.5 True\n"


def test_an_error_of_stdout_is_raised(monkeypatch):
    class Broken:
        def write(self, text):
            raise OSError("no room")

    f = njit(lambda x: print(x))
    f(1)
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(OSError, match="no room"):
        f(1)


def test_strings_hash_as_in_python():
    f = njit(lambda s: hash(s))
    for text in ("", "a", "some text", "αβγ", "\U0001f40d"):
        assert f(text) == hash(text)
