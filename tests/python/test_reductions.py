"""Reductions against NumPy: ties, NaN, and the order of memory."""

import ferdelance as fd
import numpy as np
import pytest


def layouts(a):
    return {
        "C": a,
        "F": np.asfortranarray(a),
        "transposed": a.T,
        "backwards": a[::-1, ::-1],
        "strided": a[:, ::2],
    }


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "u1", "?", "c16", "c8"])
@pytest.mark.parametrize("name", ["argmin", "argmax", "min", "max"])
def test_of_equal_extremes_the_first_counts(name, dtype):
    reduce = getattr(np, name)
    rng = np.random.default_rng(3)
    whole = fd.njit(lambda a: reduce(a))
    along = fd.njit(lambda a: (reduce(a, axis=0), reduce(a, axis=1)))
    for _ in range(20):
        a = rng.integers(-2, 3, rng.integers(2, 9, 2)).astype(dtype)
        if a.dtype.kind == "c":
            a += 1j * rng.integers(-1, 2, a.shape)
        if a.dtype.kind in "fc" and rng.random() < 0.5:
            a.flat[rng.integers(0, a.size, 2)] = np.nan
        for layout, view in layouts(a).items():
            np.testing.assert_array_equal(whole(view), reduce(view), err_msg=layout)
            for got, axis in zip(along(view), (0, 1), strict=True):
                np.testing.assert_array_equal(got, reduce(view, axis=axis), err_msg=layout)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.complex128, np.float16])
def test_means_and_variances_over_an_axis_known_at_run_time(dtype):
    def f(a, axis):
        return np.mean(a, axis=axis), a.std(axis=axis), np.var(a, axis=axis, ddof=1)

    a = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    compiled = fd.njit(f)
    for axis in (0, 1, 2, -1, -3):
        for ours, theirs in zip(compiled(a, axis), f(a, axis), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3 if dtype == np.float16 else 1e-12)
            assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_an_axis_that_is_known_at_run_time(ndim, order):
    def everything(a, axis):
        return (
            np.sum(a, axis=axis, keepdims=True),
            a.max(axis=axis, keepdims=True),
            np.mean(a, axis=axis),
            a.std(axis=axis, keepdims=True),
            np.var(a, axis),
            np.argmin(a, axis=axis, keepdims=True),
        )

    compiled = fd.njit(everything)
    shape = {1: 24, 2: (4, 6), 3: (2, 3, 4)}[ndim]
    a = np.arange(24.0).reshape(shape)[..., ::-1].copy(order)
    for axis in range(-a.ndim, a.ndim):
        for got, wanted in zip(compiled(a, axis), everything(a, axis), strict=True):
            np.testing.assert_allclose(got, wanted)
            assert np.shape(got) == np.shape(wanted)
    with pytest.raises(np.exceptions.AxisError):
        compiled(a, a.ndim)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_means_of_nothing_are_nan():
    f = fd.njit(lambda a: (a.mean(), a.var(), np.std(a)))
    assert all(np.isnan(x) for x in f(np.zeros(0)))
    assert all(np.isnan(x) for x in f(np.zeros((0, 3), np.int32)))


@pytest.mark.parametrize("dtype", [np.int8, np.bool_, np.float32, np.complex128])
def test_traces(dtype):
    def f(a):
        return np.trace(a), a.trace(1), np.trace(a, -1, 1, 0), a.trace(dtype=np.complex128)

    a = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    assert fd.njit(f)(a) == f(a)
