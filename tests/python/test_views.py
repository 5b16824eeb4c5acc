"""Views of arrays, copies and attributes against NumPy: shapes, values, memory that is shared."""

import numpy as np
import pytest
from ferdelance import njit, runtime
from test_indexing import compiled, equal, layouts, outcome

SHAPES = [(6,), (1,), (0,), (2, 3), (1, 4), (0, 3), (2, 3, 4)]


def same(f, shape, dtype=np.float64, *more):
    for a, b in zip(layouts(shape, dtype), layouts(shape, dtype), strict=True):
        equal(outcome(f, a, *more), outcome(compiled(f), b, *more))
        equal(a, b)


def shares(f, shape):
    """What is written to the result shows in the argument where it does for NumPy."""
    for x, y in zip(layouts(shape), layouts(shape), strict=True):
        f(x)[...] = -1
        compiled(f)(y)[...] = -1
        np.testing.assert_array_equal(x, y)


def flat(a):
    return (
        a.reshape(-1),
        a.ravel(),
        np.ravel(a),
        a.flatten(),
        a.ravel("F"),
        a.flatten("F"),
        np.reshape(a, (-1,)),
    )


def column(a):
    return (
        a.reshape(-1, 1),
        a.reshape((1, -1)),
        np.reshape(a, (1, a.size, 1)),
        a.reshape((-1, 1), order="F"),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_reshape(shape):
    same(flat, shape)
    if np.prod(shape):
        same(column, shape)


def wrong_size(a):
    return a.reshape(4, 7)


def two_unknown(a, n):
    return a.reshape(n, n)


def not_divisible(a):
    return a.reshape(4, -1)


def test_a_shape_of_another_size_raises():
    for f in wrong_size, not_divisible:
        same(f, (6,))
    same(two_unknown, (6,), np.float64, -1)


def to_matrix(a):
    return a.reshape(2, 3)


def to_row(a):
    return a.reshape(6)


def test_reshaped_arrays_share_memory_where_they_can():
    a = np.arange(6.0)
    compiled(to_matrix)(a)[0, 1] = 9
    assert a[1] == 9
    b = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    compiled(to_row)(b)[1] = 9
    assert 9 not in b


def turned(a):
    return (
        a.T,
        a.transpose(),
        np.transpose(a),
        np.flip(a),
        np.flip(a, 0),
        np.flip(a, -1),
        np.flipud(a),
    )


def turned_two(a):
    return (
        a.swapaxes(0, 1),
        np.swapaxes(a, -1, 0),
        np.moveaxis(a, 0, -1),
        np.rollaxis(a, 1),
        np.fliplr(a),
        a.mT,
        np.rot90(a),
        np.rot90(a, 2),
        np.rot90(a, -1),
        np.rot90(a, k=4),
        np.flip(a, (0, 1)),
        np.matrix_transpose(a),
    )


def turned_three(a):
    return (
        a.transpose(2, 0, 1),
        np.transpose(a, (1, 0, 2)),
        np.permute_dims(a, (-1, 0, 1)),
        np.moveaxis(a, 2, 0),
        np.moveaxis(a, (0, 1), (-1, -2)),
        np.rollaxis(a, 2, 1),
        np.swapaxes(a, 0, 2),
        np.rot90(a, 1, (1, 2)),
        a.mT,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_other_orders_of_axes(shape):
    same(turned, shape)
    if len(shape) > 1:
        same(turned_two, shape)
    if len(shape) > 2:
        same(turned_three, shape)


def with_tuple(a, axes):
    return np.transpose(a, axes), a.transpose(axes)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (-1, 1, 0), (0, 0, 1), (0, 1, 3)])
def test_axes_that_are_known_at_run_time_only(axes):
    same(with_tuple, (2, 3, 4), np.float64, axes)


def more_axes(a):
    return (
        np.expand_dims(a, 0),
        np.expand_dims(a, -1),
        np.expand_dims(a, (0, 1)),
        np.atleast_1d(a),
        np.atleast_2d(a),
        np.atleast_3d(a),
    )


def fewer_axes(a):
    return np.squeeze(a, 0), np.squeeze(a, axis=0), a.squeeze(0)


@pytest.mark.parametrize("shape", [(), *SHAPES])
def test_more_and_fewer_axes(shape):
    same(more_axes, shape) if shape else equal(
        more_axes(np.array(2.0)), njit(more_axes)(np.array(2.0))
    )
    if shape:
        same(fewer_axes, shape)


def stretched(a):
    return np.broadcast_to(a, (5, 2, 3)) + 1, np.broadcast_to(a, (2, 3))


def test_broadcast_to():
    for shape in (3,), (1,), (2, 3), (1, 1), (4,):
        same(stretched, shape)


def diagonals(a, k):
    return np.diagonal(a), np.diagonal(a, k), a.diagonal(k), a.diagonal(k, 1, 0), np.diag(a, k)


@pytest.mark.parametrize("k", [0, 1, -1, 2, -5, 9])
def test_diagonals(k):
    for shape in (3, 4), (4, 2), (0, 2), (1, 1):
        same(diagonals, shape, np.int32, k)


def copies(a):
    return (
        a.copy(),
        np.copy(a),
        a.astype(np.float32),
        a.astype("i2"),
        a.astype(a.dtype),
        a.copy("F"),
        np.array(a),
        np.asarray(a, np.complex64),
    )


@pytest.mark.parametrize("shape", [(), *SHAPES])
def test_copies(shape):
    if shape:
        same(copies, shape)
    else:
        equal(copies(np.array(2.5)), njit(copies)(np.array(2.5)))


def reordered(a):
    return (
        np.ascontiguousarray(a),
        np.asfortranarray(a),
        np.ascontiguousarray(a).strides,
        np.asfortranarray(a).strides,
    )


def described(a):
    f = a.flags
    return (
        a.ndim,
        a.size,
        a.nbytes,
        a.itemsize,
        a.shape,
        a.strides,
        np.shape(a),
        np.size(a),
        np.ndim(a),
        f.c_contiguous,
        f.f_contiguous,
        f.contiguous,
        f.writeable,
        f.aligned,
        a.T.flags.c_contiguous,
        a.dtype.num,
        a.dtype.kind,
    )


@pytest.mark.parametrize("shape", [s for s in SHAPES if np.prod(s)])
def test_what_an_array_says_of_itself(shape):
    same(reordered, shape)
    for dtype in np.int8, np.float32, np.complex128:
        same(described, shape, dtype)


def halves(a):
    return a.view(np.int32), a.view("u1"), a.view(np.int64), a.view(a.dtype)


def test_memory_as_another_type():
    for shape in (6,), (2, 4):
        same(halves, shape)
    same(halves, (2, 4), np.int16)


def parts(a):
    a.real[0] = 5
    a.imag[...] = 2
    return a, a.real, a.imag


def test_parts_of_complex_numbers_are_views():
    for shape in (4,), (2, 3):
        same(parts, shape, np.complex64)


def walked(a):
    out = [x for x in a.flat]
    total = 0.0
    for i in range(len(a.flat)):
        total += a.flat[i] * i
    a.flat[-1] = 7
    return out, total, a.flat[0], a


@pytest.mark.parametrize("shape", [s for s in SHAPES if np.prod(s)])
def test_flat(shape):
    same(walked, shape)


def asked(a, x):
    return x in a, x not in a, a.tolist(), a[:1].tolist()


def test_methods():
    same(asked, (6,), np.int64, 3)
    same(asked, (2, 3), np.float64, 9.0)

    def single(a):
        return a.item(), bool(a), int(a.item())

    equal(single(np.array([[2.0]])), njit(single)(np.array([[2.0]])))

    def truth(a):
        return 1 if a else 0

    with pytest.raises(ValueError, match="ambiguous"):
        njit(truth)(np.arange(3))


def views(a):
    return a.T


def halved(a):
    return a[::2]


def test_views_share_memory():
    shares(views, (2, 3))
    shares(halved, (5,))


def test_views_keep_their_array_alive_and_nothing_leaks():
    @njit
    def f(n):
        a = np.arange(n * 1.0)
        return (
            a.reshape(2, -1).T,
            np.flip(a)[::2],
            a.reshape(2, -1)[:, ::2].ravel(),
            a.view(np.int64),
        )

    def call():
        views = f(1000)
        assert views[0][499, 1] == 999 and views[1][0] == 999 and views[2][1] == 2

    call()
    before = runtime.stats()
    for _ in range(50):
        call()
        with pytest.raises(ValueError, match="reshape"):
            f(1001)
    after = runtime.stats()
    assert all(
        before[k] == after[k] for k in ("live_buffers", "live_bytes", "live_objects", "live_errors")
    )
