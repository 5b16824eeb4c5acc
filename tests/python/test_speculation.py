"""Loops that run ahead of their checks (`tir/pass/speculate.rs`): nobody may notice."""

import math
import sys

import numpy as np
import pytest
from ferdelance import njit

STRETCH = 1024
LENGTH = 3 * STRETCH + 5


def quotients(x, y, start, stop):
    s = 0.0
    for i in range(start, stop):
        s += y[i] / x[i]
    return s


def until_zero(x, stop):
    s = 0.0
    i = 0
    try:
        for i in range(stop):
            s += 1.0 / x[i]
    except ZeroDivisionError:
        return s, i, True
    return s, i, False


def two_checks(x, y, steps):
    s = 0.0
    for i in range(0, len(x), steps):
        s += 1.0 / x[i] + 2.0 / (y[i] - 3.0)
    return s


def row_and_column(m, k):
    s = 0.0
    for i in range(m.shape[1]):
        s += m[k, i] / m[i, k] + m[0, i]
    return s


def resumes(x):
    s = 0.0
    for i in range(len(x)):
        try:
            s += 1.0 / x[i]
        except ZeroDivisionError:
            s -= 1.0
    return s


def floats(length=LENGTH):
    return np.linspace(1.0, 2.0, length)


@pytest.mark.parametrize("zero", [0, 1, STRETCH - 1, STRETCH, STRETCH + 1, LENGTH - 1, None])
@pytest.mark.parametrize("layout", ["contiguous", "strided"])
def test_errors_come_at_their_iteration(zero, layout):
    x = floats() if layout == "contiguous" else floats(2 * LENGTH)[::2]
    if zero is not None:
        x[zero] = 0.0
    compiled = njit(fastmath=True)(until_zero)
    s, i, raised = compiled(x, LENGTH)
    expected = until_zero(x.tolist(), LENGTH)
    assert (i, raised) == expected[1:]
    assert math.isclose(s, expected[0], rel_tol=1e-9, abs_tol=1e-12)


def test_the_error_is_raised_with_its_line():
    x, y = floats(), floats()
    x[STRETCH + 7] = 0.0
    with pytest.raises(ZeroDivisionError) as caught:
        njit(fastmath=True)(quotients)(x, y, 0, LENGTH)
    line = caught.traceback[-1].lineno - quotients.__code__.co_firstlineno
    assert (str(caught.value), line) == ("division by zero", 2)


@pytest.mark.parametrize("start", [-LENGTH, -5, 0, 3, LENGTH - 1, LENGTH])
def test_counters_begin_anywhere(start):
    x, y = floats(), floats()
    s = njit(fastmath=True)(quotients)(x, y, start, LENGTH)
    assert math.isclose(s, float(LENGTH - start), rel_tol=1e-9, abs_tol=1e-9)


def test_nothing_is_read_behind_an_array():
    # A page of its own: what follows may not be there.
    x = np.zeros(1 << 20)
    x[:-1] = 1.0
    with pytest.raises(ZeroDivisionError):
        njit(fastmath=True)(quotients)(x, x, 0, sys.maxsize)


def test_a_long_range_raises_at_once():
    def inverse(start, stop):
        s = 0.0
        for i in range(start, stop):
            s += 1.0 / i
        return s

    compiled = njit(fastmath=True)(inverse)
    for start, stop in [(0, 10**15), (0, sys.maxsize), (-3, sys.maxsize)]:
        with pytest.raises(ZeroDivisionError):
            compiled(start, stop)
    top = sys.maxsize
    assert math.isclose(compiled(top - 10, top), inverse(top - 10, top), rel_tol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 7, STRETCH, STRETCH + 1])
@pytest.mark.parametrize("zero", ["x", "y", "both", "none"])
def test_two_checks(zero, steps):
    x, y = floats(), floats()
    at = 2 * STRETCH if steps > 7 else 2 * 7 * 100
    if zero in ("x", "both"):
        x[at] = 0.0
    if zero in ("y", "both"):
        y[at] = 3.0
    compiled = njit(fastmath=True)(two_checks)
    try:
        expected = two_checks(x.tolist(), y.tolist(), steps)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            compiled(x, y, steps)
    else:
        assert math.isclose(compiled(x, y, steps), expected, rel_tol=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("k", [0, 5, -1])
def test_rows_and_columns(order, k):
    m = np.asarray(np.random.default_rng(1).uniform(1, 2, (50, 50)), order=order)
    s = njit(fastmath=True)(row_and_column)(m, k)
    assert math.isclose(s, sum(m[k, i] / m[i, k] + m[0, i] for i in range(50)), rel_tol=1e-9)


def test_caught_errors_do_not_end_the_loop():
    x = floats()
    x[::100] = 0.0
    s = njit(fastmath=True)(resumes)(x)
    assert math.isclose(s, resumes(x.tolist()), rel_tol=1e-9)


def test_integers_are_summed_too():
    def count(x):
        n = 0
        for i in range(len(x)):
            if 1.0 / x[i] > 0.75:
                n += i
        return n

    x = floats()
    assert njit(fastmath=True)(count)(x) == count(x.tolist())
