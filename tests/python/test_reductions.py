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
