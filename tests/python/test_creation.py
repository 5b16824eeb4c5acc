"""New arrays against NumPy: shapes, types and orders; sequences; ranges; matrices."""

import numpy as np
import pytest
from ferdelance import njit, runtime
from ferdelance.errors import TypingError
from test_indexing import compiled, equal, layouts, outcome


def same(f, *args):
    want, got = outcome(f, *args), outcome(compiled(f), *args)
    near(want, got)


def near(want, got):
    if isinstance(want, tuple):
        for a, b in zip(want, got, strict=True):
            near(a, b)
    elif isinstance(want, np.ndarray) and want.dtype.kind in "fc":
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-13)
    else:
        equal(want, got)


def filled(shape):
    return (
        np.zeros(shape),
        np.ones(shape, np.int8),
        np.full(shape, 7),
        np.full(shape, 2.5, "f4"),
        np.zeros(shape, bool, "F"),
    )


@pytest.mark.parametrize(
    "shape",
    [(), 0, 3, (2,), (0, 3), (2, 3), (1, 2, 3), (1, 1, 2, 1), (2, 1, 1, 1, 2), (1, 2, 1, 2, 1, 2)],
)
def test_shapes(shape):
    same(filled, shape)


def like(a):
    return (
        np.zeros_like(a),
        np.ones_like(a, np.int16),
        np.full_like(a, 3, shape=(2, 2)),
        np.zeros_like(a, order="F"),
        np.empty_like(a).shape,
    )


def test_like_another_array():
    for shape in (3,), (2, 3), (0, 2):
        for a in layouts(shape):
            same(like, a)
    same(like, np.array(2.0))


def of_numbers(x, y):
    return (
        np.array([x, y]),
        np.array((x, y, x)),
        np.array([[x, y], [y, x]]),
        np.array(((x,), (y,))),
        np.array(x),
        np.asarray([x, y, y]),
    )


@pytest.mark.parametrize(
    "xy", [(1, 2), (1, 2.5), (True, 3), (1j, 2), (2.5, np.float32(1)), (np.int8(1), np.uint8(2))]
)
def test_sequences_of_numbers(xy):
    if isinstance(xy[0], np.generic) or type(xy[0]) is type(xy[1]):
        same(of_numbers, *xy)

    def mixed(x, y):
        return np.array((x, y)), np.array(((x, y), (y, x)))

    near(mixed(*xy), njit(mixed)(*xy))


def of_arrays(a, b):
    return (
        np.array([a, b]),
        np.array((a, b)),
        np.array([[a, b], [b, a]]),
        np.array((a, b), np.float32),
        np.array([a[0], b[1]]),
    )


def test_sequences_of_arrays():
    for a in layouts((3,)):
        same(of_arrays, a, a + 1)
    for a in layouts((2, 3), np.int16):
        same(of_arrays, a, a + 1)
    with pytest.raises(ValueError, match="different"):
        compiled(of_arrays)(np.arange(2.0), np.arange(3.0))


def of_lists(n):
    rows = [[i * 1.0 + j for j in range(n)] for i in range(3)]
    return np.array(rows), np.array([i * i for i in range(n)]), np.array(rows, np.complex64)


def ragged():
    rows = [[1.0, 2.0], [1.0]]
    return np.array(rows)


def test_lists():
    same(of_lists, 4)
    same(of_lists, 1)
    same(ragged)


def converted(a):
    return np.float32(a), np.int64(a), np.complex128(a), np.asarray(a, np.int8), np.array(a)


def test_types_of_arrays():
    for shape in (3,), (2, 2):
        for a in layouts(shape):
            same(converted, a)
    same(converted, (1, 2, 3))


def ranges(a, b, n):
    return (
        np.linspace(a, b, n),
        np.linspace(a, b, n, endpoint=False),
        np.logspace(a, b, n),
        np.arange(n),
        np.arange(a, b),
        np.linspace(a, b, n, dtype=np.int64),
    )


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_ranges(n):
    same(ranges, 0.0, 1.5, n)
    same(ranges, 3, -2, n)
    same(ranges, 2, 2, n)


def geometric(a, b, n):
    return np.geomspace(a, b, n), np.geomspace(a, b, num=n, endpoint=False)


def test_geometric_ranges():
    for a, b in (1.0, 1000.0), (256, 1), (-1.0, -100.0), (0.0, 1.0):
        same(geometric, a, b, 5)
    same(geometric, 1j, 1000j, 4)


def matrices(n, m, k):
    return (
        np.eye(n),
        np.eye(n, m, k),
        np.eye(n, M=m, k=k, dtype=np.int8),
        np.identity(n),
        np.tri(n, m, k),
    )


def test_matrices():
    for n, m, k in (3, 3, 0), (2, 4, 1), (4, 2, -1), (0, 0, 0), (2, 2, 5):
        same(matrices, n, m, k)


def diagonal(v, k):
    return (
        np.diag(v, k),
        np.diagflat(v, k),
        np.diag(np.diag(v)),
        np.vander(v),
        np.vander(v, 2, True),
    )


def test_diagonals_make_matrices():
    for v in np.arange(3.0), np.arange(2), np.zeros(0), np.arange(1, 7.0)[::2]:
        for k in 0, 1, -2:
            same(diagonal, v, k)


def grids(x, y):
    return (
        np.meshgrid(x, y),
        np.meshgrid(x, y, indexing="ij"),
        np.ix_(x, y),
        np.indices((x.size, y.size)),
    )


def test_grids():
    def tuples(x):
        return tuple(tuples(v) for v in x) if isinstance(x, (list, tuple)) else x

    x, y = np.arange(3), np.arange(2)
    near(tuples(grids(x, y)), tuples(compiled(grids)(x, y)))


def diagonal_filled(a, v):
    np.fill_diagonal(a, v)
    return a


def test_fill_diagonal():
    for shape in (3, 3), (4, 2), (2, 5), (2, 2, 2):
        for a in layouts(shape):
            near(diagonal_filled(a.copy(), 5.0), compiled(diagonal_filled)(a.copy(), 5.0))


@pytest.mark.parametrize(
    "f",
    [
        lambda: (np.mgrid[0:6:2], np.mgrid[0:3, 1:3], np.mgrid[0:3,], np.mgrid[3:0]),
        lambda: (np.mgrid[0:1:5j], np.mgrid[-1:1:3j, 0:2], np.mgrid[0:1:1j], np.mgrid[0:1:1j, 0:1]),
        lambda: (np.mgrid[0:1:0.25, :3], np.mgrid[5:0:-2, 0:2], np.mgrid[0:2.5]),
        lambda: np.mgrid[3:0, 0:1],
        lambda: (np.ogrid[0:2, 0:1:5j], np.ogrid[0:4], np.ogrid[:2, 1:2, 0:4:3]),
    ],
)
def test_grids_of_slices(f):
    same(f)


def test_grids_of_variables():
    same(lambda n, x: (np.mgrid[:n, 1:x], np.ogrid[0:x:0.5, n : n + 2]), 3, 2.5)


@pytest.mark.parametrize("a", [np.arange(3.0), np.arange(3, dtype=np.int8)])
def test_brackets_that_join(a):
    same(lambda a: (np.r_[a, 0, 7:9], np.r_[a, 1.5, 2], np.r_[True, a], np.r_[-3:3, a]), a)
    same(lambda a: (np.r_[a, [1, 2], (3, 4)], np.r_[0:1:3j], np.r_[1, 2.5], np.r_[5]), a)
    same(lambda a: (np.c_[a, a[::-1]], np.c_[a], np.c_[0:3, a], np.c_[1, 2]), a)
    table = a[:, None] * np.ones(2)
    same(lambda a, t: (np.r_[t, t], np.c_[t, a]), a, table)


def test_brackets_that_keep_the_index():
    a = np.arange(6).reshape(2, 3)
    same(lambda a: (a[np.s_[1:]], a[np.s_[:, 0]], a[np.index_exp[1:, ::2]]), a)


def test_slices_of_other_numbers_index_nothing():
    same(lambda: (slice(0.5, 2).start, slice(0.5, 2).stop))
    for f in (lambda a: a[0.5:2], lambda a: [1, 2][0.5:2], lambda a: (1, 2)[0.5:]):
        with pytest.raises(TypingError, match="cannot index"):
            njit(f)(np.zeros(3))
    with pytest.raises(TypingError, match="cannot be returned"):
        njit(lambda: slice(0.5, 2))()
    with pytest.raises(TypingError, match="take slices only"):
        njit(lambda a: np.mgrid[a])(np.zeros(3))


def test_nothing_leaks():
    @njit
    def f(n):
        rows = [[1.0, 2.0], [3.0, n * 1.0]]
        return (
            np.array(rows),
            np.array([rows[0], rows[1]]),
            np.linspace(0, 1, n),
            np.array((np.arange(n), np.arange(n))),
            np.mgrid[:n, 0:1:3j],
            np.r_[np.arange(n), 2.5],
        )

    @njit
    def fails(n):
        return np.array((np.arange(n), np.arange(n + 1)))

    def call():
        f(5)
        with pytest.raises(ValueError):
            fails(3)

    call()
    before = runtime.stats()
    for _ in range(50):
        call()
    after = runtime.stats()
    assert all(
        before[k] == after[k] for k in ("live_buffers", "live_bytes", "live_objects", "live_errors")
    )
