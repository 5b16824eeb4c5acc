"""Polynomials and sampled functions: convolution, windows, gradients, integrals, covariance."""

import numpy as np
import pytest
from ferdelance import njit
from ferdelance.errors import TypingError
from numpy.polynomial import polynomial as poly

RNG = np.random.default_rng(3)
V = np.array([1.5, -2.0, 0.25, 4.0, -0.75])
W = np.array([0.5, 1.0, -1.5])
I = np.array([3, -7, 12, 0, 5])  # noqa: E741
C = np.array([1 + 2j, -3.5j, 0.5])
S = V.astype(np.float32)
M = RNG.standard_normal((4, 6))
PLACES = np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0])


def same(found, wanted):
    if isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for x, y in zip(found, wanted, strict=True):
            same(x, y)
        return
    assert np.shape(found) == np.shape(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
    tolerance = 1e-5 if np.asarray(wanted).dtype.itemsize == 4 else 1e-11
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=1e-12)


def check(function, *args):
    try:
        wanted = function(*args)
    except Exception as error:
        with pytest.raises(type(error), match=str(error)[:20].replace("(", "\\(")):
            njit(function)(*args)
    else:
        same(njit(function)(*args), wanted)


PAIRS = [(V, W), (W, V), (I, W), (I, I), (C, V), (S, S), (V, V[:1])]


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_and_correlate(a, b, mode):
    check(lambda a, b, m=mode: np.convolve(a, b, m), a, b)
    check(lambda a, b, m=mode: np.correlate(a, b, m), a, b)


def test_convolve_of_nothing_and_by_an_unknown_mode():
    check(lambda a: np.convolve(a, a[:0]), V)
    with pytest.raises(ValueError, match="mode must be one of"):
        njit(lambda a: np.convolve(a, a, "sideways"))(V)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_windows(n):
    for window in (np.bartlett, np.blackman, np.hamming, np.hanning):
        check(lambda n, w=window: w(n), n)
    check(lambda n: np.kaiser(n, 8.6), n)


def test_i0():
    check(lambda x: np.i0(x), np.array([[0.0, 1.0, -3.0], [8.0, 9.0, 30.0]]))


@pytest.mark.parametrize("order", [1, 2])
def test_gradient(order):
    check(lambda a, e=order: np.gradient(a, edge_order=e), V)
    check(lambda a, e=order: np.gradient(a, 0.5, edge_order=e), S)
    check(lambda a, e=order: np.gradient(a, edge_order=e), I)
    check(lambda a, x, e=order: np.gradient(a, x, edge_order=e), M[0], PLACES)
    check(lambda a, x, e=order: np.gradient(a, x * 2.0, edge_order=e), M[0], np.arange(6))
    check(lambda a, e=order: np.gradient(a, 2.0, axis=0, edge_order=e), M)
    check(lambda a, x, e=order: np.gradient(a, x, axis=-1, edge_order=e), M, PLACES)
    check(lambda a, e=order: np.gradient(a, edge_order=e), M)
    check(lambda a, x, e=order: np.gradient(a, 2.0, x, edge_order=e), M, PLACES)
    check(lambda a, e=order: np.gradient(a, axis=(1, 0), edge_order=e), M)
    check(lambda a, e=order: np.gradient(a, edge_order=e), C)
    check(lambda a, e=order: np.gradient(a, edge_order=e), V[:1])
    check(lambda a, x, e=order: np.gradient(a, x, edge_order=e), V, PLACES)


def test_integrals_and_differences():
    check(lambda y: np.trapezoid(y), M)
    check(lambda y: np.trapezoid(y, axis=0), M)
    check(lambda y, x: np.trapezoid(y, x), M, PLACES)
    check(lambda y: np.trapezoid(y, y * 2, axis=0), M)
    check(lambda y: np.ediff1d(y, [1.0], [2.0, 3.0]), M)
    with pytest.raises(TypingError, match="must be compatible"):
        njit(lambda y: np.ediff1d(y, 1.5))(I)


def test_covariance():
    weights = np.array([1, 2, 1, 1, 3, 1])
    check(lambda m: np.cov(m), M)
    check(lambda m: np.cov(m, m[::-1], rowvar=False, bias=True), M)
    check(lambda m, w: np.cov(m, fweights=w), M, weights)
    check(lambda m, w: np.cov(m, aweights=w / 2), M, weights)
    check(lambda m, w: np.cov(m, fweights=w, aweights=w / 2, ddof=0), M, weights)
    check(lambda m: np.cov(m, ddof=2), M.astype(np.float32))
    check(lambda m: np.cov(m), M[0])
    check(lambda m: np.corrcoef(m), M + 1j * M[::-1])
    check(lambda m: np.corrcoef(m, rowvar=False), M)


@pytest.mark.parametrize(("a", "b"), [(V, W), (W, V), (I, V), (C, V), (V, W[:1]), (V, V)])
def test_polynomials_of_the_lowest_power_first(a, b):
    check(lambda a, b: poly.polyadd(a, b), a, b)
    check(lambda a, b: poly.polysub(a, b), a, b)
    check(lambda a, b: poly.polymul(a, b), a, b)
    check(lambda a, b: poly.polydiv(a, b), a, b)
    check(lambda a, b: poly.polyval(b, a), a, b)
    check(lambda a: poly.polymulx(a), a)
    check(lambda a: poly.polyder(a), a)
    check(lambda a: poly.polyder(a, 2, 3.0), a)
    check(lambda a: poly.polyint(a, 2, [1.0]), a)
    check(lambda a: poly.polyvander(a, 3), a)


def test_polynomials_of_columns():
    check(lambda c, x: poly.polyval(x, c), M, np.arange(3.0))
    check(lambda c, x: poly.polyval(x, c, tensor=False), M, np.arange(6.0))
    check(lambda c: poly.polyint(c, axis=1), M)
    check(lambda c: poly.polyder(c, axis=1), M)
    check(lambda c: poly.polyroots(c), np.array([-6.0, 11.0, -6.0, 1.0]))


@pytest.mark.parametrize(("a", "b"), [(V, W), (I, V), (C, V), (I, I[:3])])
def test_polynomials_of_the_highest_power_first(a, b):
    check(lambda a, b: np.polyadd(a, b), a, b)
    check(lambda a, b: np.polysub(a, b), a, b)
    check(lambda a, b: np.polymul(a, b), a, b)
    check(lambda a, b: np.polydiv(a, b), a, b)
    check(lambda a, b: np.polyval(a, b), a, b)
    check(lambda a: np.polyval(a, 2), a)
    check(lambda a: np.polyval(a, 2.5), a)
    check(lambda a: np.polyder(a), a)
    check(lambda a: np.polyder(a, 2), a)
    check(lambda a: np.polyint(a), a)
    check(lambda a: np.polyint(a, 2, 3.0), a)


def test_roots_and_their_polynomial():
    check(lambda p: np.roots(p), np.array([0, 1, -6, 11, -6, 0, 0]))
    check(lambda p: np.roots(p), np.array([1.0, 2j, -3.0, 1 + 1j]))
    check(lambda p: np.poly(p), V)
    check(lambda p: np.poly(p), np.array([[2.0, 1.0], [1.0, 3.0]]))


def test_polyfit():
    x = np.linspace(0, 1, 9)
    y = 1 + x - 3 * x**2 + np.sin(9 * x) / 9
    check(lambda x, y: np.polyfit(x, y, 2), x, y)
    check(lambda x, y: np.polyfit(x, y, 2, w=1 + x), x, y)
    check(lambda x, y: np.polyfit(x, y, 2, full=True), x, y)
    check(lambda x, y: np.polyfit(x, y, 2, cov=True), x, y)
    check(lambda x, y: np.polyfit(x, y, 2, cov="unscaled"), x, np.stack((y, -y), axis=1))
    check(lambda x, y: np.polyfit(x, y[1:], 2), x, y)
    check(lambda x, y: np.polyfit(x, y, -1), x, y)
