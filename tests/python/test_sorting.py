"""Sorting, searching, sets, counting and quantiles, against NumPy: all types, axes, layouts."""

import numpy as np
import pytest
from ferdelance import njit
from ferdelance.errors import TypingError

RNG = np.random.default_rng(7)
TYPES = "?bhilBHILefdFD"


def some(char, shape):
    """Numbers of a type, some of them equal, some NaN."""
    x = RNG.integers(0, 9, shape)
    if char in "bhil":
        x = x - 4
    x = x.astype(char)
    if char in "efd":
        x = (x - 3) / x.dtype.type(2)
    if char in "FD":
        x = (x - 3) + RNG.integers(0, 3, shape).astype(char) * x.dtype.type(1j)
    if char in "efdFD" and x.size > 3:
        x.flat[[1, 3]] = np.nan
    return x


def layouts(x):
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, axis=0)[::-2]


def same(got, wanted):
    if isinstance(wanted, tuple):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            same(g, w)
        return
    np.testing.assert_array_equal(got, wanted)
    assert np.asarray(got).dtype == np.asarray(wanted).dtype
    assert np.shape(got) == np.shape(wanted)


@pytest.mark.parametrize("char", TYPES)
def test_rows_are_sorted(char):
    def f(a):
        b = a.copy()
        b.sort()
        return np.sort(a), np.sort(a, axis=0), np.sort(a, axis=None), b

    def positions(a):
        return np.argsort(a, kind="stable"), a.argsort(0, "stable")

    compiled, compiled_positions = njit(f), njit(positions)
    for a in layouts(some(char, (5, 7))):
        same(compiled(a), f(a))
        same(compiled_positions(a), positions(a))
    same(compiled(some(char, (0, 3))), f(some(char, (0, 3))))


@pytest.mark.parametrize("dtype", ["M8[D]", "m8[s]", "S3", "U4"])
def test_dates_and_texts_are_sorted(dtype):
    x = RNG.integers(0, 30, 12)
    x = x.astype(dtype) if dtype[0] in "SU" else x.astype("i8").astype(dtype)
    if dtype[0] in "Mm":
        x[3] = "NaT"

    @njit
    def f(a):
        return np.sort(a), np.argsort(a)

    same(f(x), (np.sort(x), np.argsort(x, kind="stable")))


@pytest.mark.parametrize("char", TYPES)
def test_selected_elements_are_in_their_places(char):
    @njit
    def f(a, k):
        p = np.partition(a, k)
        i = np.argpartition(a, k)
        q = a.copy()
        q.partition(k)
        return p, a[i], q

    a = some(char, 40)
    wanted = np.sort(a)
    for k in (0, 7, -1, (3, 20), np.array([5, 39, 5])):
        at = np.asarray(k)
        for p in f(a, k):
            np.testing.assert_array_equal(p[at], wanted[at])
            np.testing.assert_array_equal(np.sort(p), wanted)
            lowest = int(np.min(at % 40))
            np.testing.assert_array_equal(np.sort(p[:lowest]), wanted[:lowest])


@pytest.mark.parametrize("char", TYPES)
def test_places_are_found(char):
    def f(a, v):
        return np.searchsorted(a, v), np.searchsorted(a, v, "right"), a.searchsorted(v[0])

    a, v = np.sort(some(char, 30)), some(char, (4, 3))
    compiled = njit(f)
    same(compiled(a, v.ravel()), f(a, v.ravel()))
    same(compiled(np.repeat(a, 2)[::2], v.ravel()[::-2]), f(a, v.ravel()[::-2]))

    @njit
    def in_rows(a, v, sorter):
        return np.searchsorted(a, v, sorter=sorter)

    shuffled = RNG.permutation(a)
    order = np.argsort(shuffled, kind="stable")
    same(in_rows(shuffled, v, order), np.searchsorted(shuffled, v, sorter=order))


@pytest.mark.parametrize("char", TYPES)
def test_sets(char):
    def f(a, b):
        return (
            np.unique(a),
            np.unique(a, return_index=True, return_inverse=True, return_counts=True),
            np.unique(a, return_counts=True),
            np.isin(a, b),
        )

    def sets(a, b):
        return np.union1d(a, b), np.intersect1d(a, b), np.setdiff1d(a, b), np.setxor1d(a, b)

    a, b = some(char, (4, 5)), some(char, 6)
    same(njit(f)(a, b), f(a, b))
    a, b = a[a == a], b[b == b]  # noqa: PLR0124
    same(njit(sets)(a, b), sets(a, b))


@pytest.mark.parametrize("density", [False, True])
def test_histograms(density):
    a = RNG.normal(size=1000)

    def f(a):
        return np.histogram(a, 13, density=density), np.histogram(a, 7, (-1, 2), density)

    def edges(a, e):
        return np.histogram(a, e), np.digitize(a, e), np.bincount(np.digitize(a, e, True))

    same(njit(f)(a), f(a))
    same(njit(f)(a.astype("f4")), f(a.astype("f4")))
    same(njit(edges)(a, np.array([-1.0, 0, 0.5, 2])), edges(a, np.array([-1.0, 0, 0.5, 2])))
    with pytest.raises(ValueError, match="negative"):
        njit(lambda x: np.bincount(x))(np.array([1, -1]))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u2", "c16", "c8"])
def test_histograms_of_weights(dtype):
    # Of its own: the other tests go on with the same numbers.
    rng = np.random.default_rng(3)
    a = rng.normal(size=(300, 500))
    w = (rng.normal(size=a.shape) * 10).astype(dtype)

    def f(a, w):
        return np.histogram(a, 13, weights=w), np.histogram(a, 7, (-1, 2), weights=w)

    def edges(a, e, w):
        return np.histogram(a, e, weights=w)

    some = np.array([-1.0, 0, 0.5, 2])
    for ours, theirs in [
        (njit(f)(a, w)[0], f(a, w)[0]),
        (njit(f)(a, w)[1], f(a, w)[1]),
        (njit(edges)(a, some, w), edges(a, some, w)),
    ]:
        assert ours[0].dtype == theirs[0].dtype
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-3 if dtype in ("f4", "c8") else 1e-9)
        np.testing.assert_array_equal(ours[1], theirs[1])
    with pytest.raises(ValueError, match="same shape as a"):
        njit(f)(a, w[1:])
    density = njit(lambda a, w: np.histogram(a, 5, density=True, weights=w)[0])
    if dtype == "f8":
        np.testing.assert_allclose(density(a, w), density.py_func(a, w))


def close(got, wanted):
    half = wanted.dtype.itemsize == 2
    np.testing.assert_allclose(got, wanted, rtol=2e-3 if half else 1e-6)
    assert np.shape(got) == np.shape(wanted)
    assert np.shape(got) == () or got.dtype == wanted.dtype


@pytest.mark.filterwarnings("ignore:.*NaN.*:RuntimeWarning")
@pytest.mark.parametrize("char", "bhlBLefd")
def test_medians_and_quantiles(char):
    def median(a):
        return (
            np.median(a),
            np.median(a, axis=1),
            np.median(a, axis=(0, -1), keepdims=True),
            np.nanmedian(a, axis=0),
        )

    def quantile(a, q, qs):
        return (
            np.quantile(a, q),
            np.quantile(a, q, axis=-1, keepdims=True),
            np.percentile(a, qs, axis=(0, 1)),
            np.nanpercentile(a, 30, axis=1),
            np.nanquantile(a, qs / 100, axis=0),
        )

    compiled, compiled_quantile = njit(median), njit(quantile)
    for a in layouts(some(char, (4, 3, 5))):
        for got, wanted in zip(compiled(a), median(a), strict=True):
            close(got, wanted)
        qs = np.array([0, 12.5, 100])
        got = compiled_quantile(a, 0.3, qs)
        for g, w in zip(got, quantile(a, 0.3, qs), strict=True):
            close(g, w)


@pytest.mark.parametrize(
    "method",
    """inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen
    weibull
    linear median_unbiased normal_unbiased lower higher midpoint nearest""".split(),
)
def test_methods_of_quantiles(method):
    def f(a, q):
        return np.quantile(a, q, method=method)

    q = np.array([0, 0.1, 0.25, 1 / 3, 0.5, 0.99, 1])
    compiled = njit(f)
    for n in (1, 2, 7, 12):
        for a in (RNG.normal(size=n), RNG.integers(0, 90, n)):
            same(compiled(a, q), f(a, q))
            same(compiled(a, 0.37), f(a, 0.37))


def test_weighted_quantiles():
    def f(a, w):
        return np.quantile(a, [0.2, 0.5, 1], axis=1, weights=w, method="inverted_cdf")

    a = RNG.normal(size=(3, 6))
    same(njit(f)(a, np.arange(6)), f(a, np.arange(6)))
    w = RNG.integers(0, 4, (3, 6)) + 1.0
    same(njit(f)(a, w), f(a, w))


def test_what_cannot_be_sorted_is_refused():
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.raises(TypingError, match="read-only"):
        njit(lambda a: a.sort())(a)
    with pytest.raises(TypingError, match="sort kind"):
        njit(lambda a: np.argsort(a, kind="bogo"))(a)
    with pytest.raises(ValueError, match="kth"):
        njit(lambda a: np.partition(a, 3))(a)
    with pytest.raises(ValueError, match="range"):
        njit(lambda a, q: np.percentile(a, q))(a, 101)


def test_records_are_sorted_by_fields():
    def f(a):
        b = a.copy()
        b.sort(order=["y", "x"])
        return (
            b,
            np.sort(a, order="y"),
            np.argsort(a, order=("t", "y"), kind="stable"),
            np.sort(a, axis=0),
            np.sort(a),
        )

    dtype = [("x", "f8"), ("y", "i4"), ("t", "U2")]
    rows = [
        (1.5, 3, "b"),
        (-2.0, 1, "a"),
        (1.5, 1, "ab"),
        (np.nan, 1, "a"),
        (1.5, 1, ""),
        (0, 3, "b"),
    ]
    a = np.array(rows, dtype).reshape(2, 3)
    for ours, theirs in zip(njit(f)(a), f(a), strict=True):
        # By their bytes: NaN equals itself.
        assert ours.tobytes() == theirs.tobytes()
    with pytest.raises(TypingError, match="no fields"):
        njit(lambda a: np.sort(a, order="x"))(np.arange(3))
