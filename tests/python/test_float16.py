"""float16: computed in float32, rounded after each operation, as NumPy does it."""

import numpy as np
import pytest
from ferdelance import njit

rng = np.random.default_rng(1)
A = rng.normal(size=64).astype("f2")
B = rng.normal(size=64).astype("f2") * np.float16(100)
EDGES = np.array([0, -0.0, 1, 65504, -65504, 6e-8, 6.1e-5, np.inf, -np.inf, np.nan], "f2")


def same(a, b):
    if isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            same(x, y)
        return
    if isinstance(b, np.ndarray):
        assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


def check(function, *args):
    with np.errstate(all="ignore"):
        same(njit(function)(*args), function(*args))


@pytest.mark.parametrize("other", [B, np.float16(3), 1.5, 2, np.int8(-3), B.astype("i1")])
def test_operators_round(other):
    def f(a, b):
        return (
            a + b,
            a - b,
            a * b,
            a / b,
            a // b,
            a % b,
            a < b,
            a == b,
            np.maximum(a, b),
            -a,
            abs(a),
        )

    check(f, A, other)
    check(f, EDGES, other[:10] if isinstance(other, np.ndarray) else other)


def test_a_chain_rounds_after_each_step():
    check(lambda a, b: (a * b + a) * b - a, A, B)
    check(lambda a: ((a + 2048) + 1) - 2048, A)


@pytest.mark.parametrize("dtype", ["i2", "u1", "f4", "f8", "c8", "?"])
def test_mixed_types(dtype):
    check(lambda a, b: (a + b, b * a), A, (B * 0 + 7).astype(dtype))


def test_functions():
    def f(a):
        return (
            np.sqrt(abs(a)),
            np.floor(a),
            np.sign(a),
            np.isnan(a),
            np.rint(a),
            np.square(a),
            np.signbit(a),
        )

    check(f, A)
    check(f, EDGES)


def test_small_integers_give_float16():
    result = njit(lambda a: np.sin(a))(np.arange(5, dtype="i1"))
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, np.sin(np.arange(5, dtype="i1")), atol=1e-3)


def test_items_and_scalars():
    def f(a, x):
        a[0] = x
        a[1:3] = 0.1
        a[3] = a[0] * a[4]
        s = a[5] + a[6]
        return a, a[0] == x, s

    check(f, A.copy(), np.float16(0.3))
    check(lambda x: (np.float16(x) * np.float16(x), np.float16(x) < 1), 0.1)


def test_conversions():
    check(
        lambda a: (
            a.astype(np.float32),
            a.astype(np.int32),
            a.astype("f8").astype("f2"),
            a.view(np.uint16),
        ),
        A,
    )
    check(lambda: (np.zeros(3, np.float16), np.full(2, 0.1, np.float16), np.ones(2, "f2")))
    check(lambda a: (a[a > 0], a[np.array([3, 1])], a.copy(), a[::-1]), A)


def test_reductions():
    small = np.arange(1, 7, dtype="f2").reshape(2, 3)
    check(lambda a: (a.sum(), a.min(), a.max(), a.argmax(), a.prod(), a.mean()), small)
    check(lambda a: (a.sum(axis=0), a.max(axis=1), a.argmin(axis=0)), small)
    check(lambda a: (a.var(), a.std(axis=1), a.var(axis=0, ddof=1)), small)


def test_neighbours():
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 65504, -65504, 6e-8, -2, 2, -1.5], "f2")
    with np.errstate(all="ignore"):
        check(lambda a: np.spacing(a), special)
        check(lambda a, b: np.nextafter(a[:, None], b), special, special)
