"""Joining, splitting, moving, repeating, taking and leaving out: against NumPy, for all layouts."""

import numpy as np
import pytest
from ferdelance import njit, runtime
from ferdelance.errors import TypingError
from numpy.lib.stride_tricks import as_strided, sliding_window_view

V = np.arange(6.0)
K = np.arange(6, dtype=np.int32)
M = np.arange(12.0).reshape(3, 4)
F = np.asfortranarray(M)
S = np.arange(48.0).reshape(6, 8)[::2, ::2]
T = np.arange(24).reshape(2, 3, 4)
C = np.array([1 + 2j, 3j, 4])
B = np.array([True, False, True])
Z = np.array(2.5)
EMPTY = np.zeros((0, 4))


LIVE = ("live_buffers", "live_bytes", "live_objects", "live_errors")


def same(found, wanted):
    if isinstance(wanted, tuple | list):
        assert type(found) is type(wanted) and len(found) == len(wanted)
        for x, y in zip(found, wanted, strict=True):
            same(x, y)
    elif wanted is None:
        assert found is None
    else:
        # Scalars are Python's.
        assert np.ndim(wanted) == 0 or found.dtype == wanted.dtype
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def own(x):
    return x.copy(order="K") if isinstance(x, np.ndarray) else x


def check(function, *args):
    """Results, errors and what becomes of the arguments are as without compiling; nothing leaks."""
    plain, compiled = [own(a) for a in args], [own(a) for a in args]
    before = runtime.stats()
    try:
        wanted = function(*plain)
    except (ValueError, IndexError) as error:
        # What is out of bounds for constants is said when compiling. AxisError is both.
        like = [c for c in (ValueError, IndexError) if isinstance(error, c)]
        with pytest.raises((*like, TypingError)):
            njit(function)(*compiled)
    else:
        found = njit(function)(*compiled)
        same(found, wanted)
        del found
    same(compiled, plain)
    after = runtime.stats()
    assert {k: after[k] for k in LIVE} == {k: before[k] for k in LIVE}


JOINS = [
    lambda a, b: np.concatenate((a, b)),
    lambda a, b: np.concatenate([a, b, a], axis=-1),
    lambda a, b: np.concatenate((a, b), axis=None),
    lambda a, b: np.concatenate((a, b), dtype=np.complex128),
    lambda a, b: np.concatenate((a * 2, b + a.sum())),
    lambda a, b: np.stack((a, b)),
    lambda a, b: np.stack([a, b], axis=1),
    lambda a, b: np.stack((a, b, a), axis=-1),
    lambda a, b: np.hstack((a, b)),
    lambda a, b: np.vstack((a, b)),
    lambda a, b: np.dstack([a, b]),
    lambda a, b: np.column_stack((a, b)),
    lambda a, b: np.append(a, b),
    lambda a, b: np.append(a, b, axis=0),
    lambda a, b: np.block([a, b]),
    lambda a, b: np.concatenate([x for x in (a, b)]),
    lambda a, b: np.stack([x * 2 for x in (a, b)], axis=1),
    lambda a, b: np.kron(a, b),
]


@pytest.mark.parametrize("function", JOINS)
@pytest.mark.parametrize("a, b", [(V, V[::-1]), (M, S), (F, F), (EMPTY, M)])
def test_joining(function, a, b):
    check(function, a, b)


@pytest.mark.parametrize("function", JOINS[:14])
@pytest.mark.parametrize("a, b", [(V, K), (K[:3].astype(np.int8), B)])
def test_joining_promotes_as_numpy_does(function, a, b):
    check(function, a, b)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3, 3, -4])
def test_joining_along_an_axis_that_is_an_argument(axis):
    check(lambda a, b, axis: np.concatenate((a, b), axis), T, T * 2, axis)
    check(lambda a, b, axis: np.stack((a, b), axis=axis), M, S, axis)
    check(lambda a, axis: np.concatenate([a, a[:, :1]], axis=axis), M, axis)


def test_joining_the_rows_of_an_array():
    check(lambda a: np.concatenate(a), T)
    check(lambda a: np.concatenate(a, axis=1), T)
    check(lambda a: np.vstack(a), T)
    check(lambda a: np.hstack(a), M)
    check(lambda a: np.stack(a, axis=-1), F)


def test_joining_into_an_array():
    def f(a, b, out):
        np.concatenate((a, b), out=out)
        np.stack((a, b), out=out.reshape(2, 6))
        return np.concatenate((b, a), 0, out)

    check(f, V, K, np.zeros(12))
    check(f, V, K, np.zeros(13))
    check(f, V, V, np.zeros(12, np.float32))


def test_joining_in_a_loop():
    def f(a, n):
        parts = []
        for k in range(n):
            parts.append(a[k:])
        return np.concatenate(parts), np.hstack(parts)

    check(f, V, 4)
    check(f, V, 0)


def test_blocks():
    check(lambda a, v: np.block([[a, v[:3, None]], [v[:4], 7]]), M, V)
    check(lambda a: np.block([[[a, a]], [[a, a]]]), M)
    check(lambda a: np.block([1.5, a]), V)
    check(lambda a: np.block(a), V)


SPLITS = [
    lambda a: np.split(a, 3),
    lambda a: np.split(a, 4),
    lambda a: np.split(a, (1, 2)),
    lambda a: np.split(a, [0, 2, 9]),
    lambda a: np.split(a, np.array([-1])),
    lambda a: np.array_split(a, 5),
    lambda a: np.array_split(a, 2, axis=-1),
    lambda a: np.array_split(a, 0),
    lambda a: np.hsplit(a, 2),
]


@pytest.mark.parametrize("function", SPLITS)
@pytest.mark.parametrize("a", [V, F, S])
def test_splitting(function, a):
    check(function, a)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_splitting_along_an_axis_that_is_an_argument(axis):
    check(lambda a, axis: np.array_split(a, 2, axis), T, axis)
    check(lambda a: (np.vsplit(a, [1]), np.dsplit(a, 2)), T)


AXES = [
    lambda a, i, j: np.moveaxis(a, i, j),
    lambda a, i, j: np.moveaxis(a, (i,), [j]),
    lambda a, i, j: np.rollaxis(a, i, j),
    lambda a, i, j: np.swapaxes(a, i, j),
    lambda a, i, j: a.swapaxes(i, j),
    lambda a, i, j: np.expand_dims(a, i),
    lambda a, i, j: np.expand_dims(a, (i, j)),
    lambda a, i, j: np.flip(a, i),
    lambda a, i, j: np.flip(a, (i, j)),
    lambda a, i, j: np.rot90(a, i, (0, 1)),
    lambda a, i, j: np.rot90(a, j),
    lambda a, i, j: np.roll(a, i, j),
    lambda a, i, j: np.roll(a, (i, j), (j, i)),
    lambda a, i, j: np.take(a, [1, 0], i),
    lambda a, i, j: np.take(a, 1, axis=i),
    lambda a, i, j: np.delete(a, 1, j),
    lambda a, i, j: np.insert(a, 1, 7, j),
    lambda a, i, j: np.repeat(a, 2, j),
    lambda a, i, j: np.squeeze(a[None], 0 * i),
    lambda a, i, j: np.squeeze(a, i),
    lambda a, i, j: np.transpose(a, [1, 0]),
    lambda a, i, j: np.moveaxis(a, 0, -1),
    lambda a, i, j: np.apply_along_axis(np.sum, i, a),
]


@pytest.mark.parametrize("function", AXES)
@pytest.mark.parametrize("a, i, j", [(F, 0, 1), (S, -1, 1), (T, 1, -3), (T, -1, -1), (M, 3, 0)])
def test_axes_that_are_arguments(function, a, i, j):
    check(function, a, i, j)


def test_views_write_through():
    def f(a, i):
        np.moveaxis(a, i, 0)[0] = -1
        np.flip(a, i)[0] = -2
        np.rot90(a, i)[0, 0] = -3
        np.split(a, 3)[1][:] = -4
        np.expand_dims(a, i)[0] = 5

    check(f, M, 1)
    check(f, F, 0)


REPEATS = [
    lambda a: np.repeat(a, 3),
    lambda a: np.repeat(a, 2, axis=0),
    lambda a: a.repeat(2, axis=-1),
    lambda a: np.repeat(a, [2, 0, 1], axis=0),
    lambda a: np.repeat(a, [2]),
    lambda a: np.repeat(a, -1),
    lambda a: np.repeat(a, [1, 2]),
    lambda a: np.tile(a, 2),
    lambda a: np.tile(a, (2, 3)),
    lambda a: np.tile(a, [2, 1, 1, 2]),
    lambda a: np.tile(a, 0),
    lambda a: np.roll(a, 2),
    lambda a: np.roll(a, (1, 2)),
    lambda a: np.roll(a, 1, axis=0),
    lambda a: np.roll(a, -5, axis=-1),
    lambda a: np.roll(a, (1, 2), axis=(0, 0)),
    lambda a: np.resize(a, 7),
    lambda a: np.resize(a, (3, 5)),
    lambda a: np.resize(a, (0,)),
    lambda a: np.trim_zeros(a.ravel()),
    lambda a: np.trim_zeros(a.ravel()[::-1], "b"),
]


@pytest.mark.parametrize("function", REPEATS)
@pytest.mark.parametrize("a", [C, F, T[:, ::2], Z, EMPTY])
def test_repeating(function, a):
    check(function, a)


TAKES = [
    lambda a: np.take(a, 2),
    lambda a: np.take(a, [0, -1, 1]),
    lambda a: np.take(a, [[0, 1], [1, 0]]),
    lambda a: a.take([1, 0], axis=0),
    lambda a: np.take(a, [[0, 1], [1, 0]], axis=-1),
    lambda a: np.take(a, -1, axis=-1),
    lambda a: np.take(a, [99]),
    lambda a: np.take(a, [5], axis=0),
    lambda a: np.take(a, [99, -99], mode="wrap"),
    lambda a: np.take(a, [99, -99], mode="clip"),
    lambda a: np.take(a, 77, mode="wrap"),
    lambda a: np.take_along_axis(a, np.argmax(a, axis=0, keepdims=True), axis=0),
    lambda a: np.take_along_axis(a, np.argmax(a, axis=-1, keepdims=True), axis=-1),
    lambda a: np.take_along_axis(a, np.array([0, -1]), axis=None),
    lambda a: np.take_along_axis(a, np.array([9]), axis=0),
    lambda a: np.compress([True, False, True], a),
    lambda a: np.compress([0, 1], a, axis=0),
    lambda a: np.extract(a > 1, a),
    lambda a: np.delete(a, 1),
    lambda a: np.delete(a, [0, -1]),
    lambda a: np.delete(a, slice(1, None, 2)),
    lambda a: np.delete(a, 1, axis=0),
    lambda a: np.delete(a, [0, 0], axis=-1),
    lambda a: np.delete(a, slice(None, 1), axis=-1),
    lambda a: np.delete(a, 99),
    lambda a: np.delete(a, [99]),
    lambda a: np.insert(a, 1, 9),
    lambda a: np.insert(a, [1, 0, 1], [7, 8, 9]),
    lambda a: np.insert(a, [1], [7, 8]),
    lambda a: np.insert(a, 1, a[0], axis=0),
    lambda a: np.insert(a, [0, 1], 7, axis=-1),
    lambda a: np.insert(a, slice(0, 2), 5),
    lambda a: np.insert(a, 99, 5),
    lambda a: np.insert(a, -1, 5, axis=0),
    lambda a: np.tril(a, -1),
    lambda a: np.triu(a, 1),
    lambda a: np.choose(np.array([1, 0]), (a[:1].sum(), 7)),
    lambda a: np.select([a > 3, a > 1], [a, a * 2]),
    lambda a: np.select([a > 3], [0.5], default=a),
    lambda a: np.piecewise(a, [a < 2, a > 4], [lambda x: -x, 3, 1]),
    lambda a: np.apply_along_axis(lambda v: v[::-1] * 2, 0, a),
    lambda a: np.apply_along_axis(lambda v: v.max() - v.mean(), -1, a),
    lambda a: np.apply_over_axes(np.sum, a, 0),
]


@pytest.mark.parametrize("function", TAKES)
@pytest.mark.parametrize("a", [V, F, S, T.astype(np.uint8)])
def test_taking(function, a):
    check(function, a)


def put(a):
    np.put(a, [0, -1, 2], [7, 8])
    a.put([55], 9, mode="wrap")
    np.put_along_axis(a, np.argmin(a, axis=0, keepdims=True), -1, axis=0)
    np.putmask(a, a > 3, [1, 2, 3])
    np.place(a, a == 1, [4, 5])


@pytest.mark.parametrize("a", [V, M, F, T])
def test_putting(a):
    check(put, a)
    check(lambda a: np.put(a, [77], 1), a)
    check(lambda a: np.place(a, a > 0, np.zeros(0, a.dtype)), a)
    check(lambda a: np.put_along_axis(a, np.array([0, 3]), 0, axis=0), a.ravel())
    check(lambda a: np.put_along_axis(a, np.array([99]), 0, axis=0), a.ravel())


PADS = [
    lambda a: np.pad(a, 2),
    lambda a: np.pad(a, (0, 3), constant_values=(1, 2)),
    lambda a: np.pad(a, 3, mode="edge"),
    lambda a: np.pad(a, 7, mode="wrap"),
    lambda a: np.pad(a, 9, mode="reflect"),
    lambda a: np.pad(a, 9, mode="symmetric"),
    lambda a: np.pad(a, 7, mode="reflect", reflect_type="odd"),
    lambda a: np.pad(a, 8, mode="symmetric", reflect_type="odd"),
    lambda a: np.pad(a, 2, mode="linear_ramp", end_values=(5, -4)),
    lambda a: np.pad(a, 2, mode="maximum"),
    lambda a: np.pad(a, 2, mode="minimum", stat_length=2),
    lambda a: np.pad(a, (1, 2), mode="mean"),
    lambda a: np.pad(a, -1),
]


@pytest.mark.parametrize("function", PADS)
@pytest.mark.parametrize("a", [K, S, V[:1]])
def test_padding(function, a):
    check(function, a)


def test_padding_each_side_of_each_axis():
    check(lambda a: np.pad(a, ((1, 2), (3, 0)), constant_values=((1, 2), (3, 4))), M)
    check(lambda a, n: np.pad(a, ((n, 0), (0, n)), mode="edge"), S, 2)
    check(lambda a: np.pad(a, [[1], [2]]), M)


def test_windows_and_strides():
    check(lambda a: sliding_window_view(a, 3), V)
    check(lambda a, w: sliding_window_view(a, (w, 2)), S, 3)
    check(lambda a, w, axis: sliding_window_view(a, w, axis), F, 2, -1)
    check(lambda a: sliding_window_view(a, (2, 2), axis=(2, 0)), T)
    check(lambda a: sliding_window_view(a, 7), V)
    check(lambda a: sliding_window_view(a, 3).sum(axis=1), V)
    check(lambda a: as_strided(a, (2, 3), (8, 16)), V)
    check(lambda a: as_strided(a, strides=(0,)), V)


def test_broadcasting():
    check(lambda a, b: np.broadcast_arrays(a, b, 3), M, V[:4])
    check(lambda s: np.broadcast_shapes(s, (1, 5), 5), (3, 1))
    check(lambda s: np.broadcast_shapes(s, (2, 5)), (3, 1))
    check(lambda a, b: (np.atleast_1d(a, b), np.atleast_2d(b, a), np.atleast_3d(a, b)), Z, V)
    check(lambda a, b: np.ix_(a, b), K, B)
    check(lambda a, b: np.meshgrid(a, b), V, K)
    check(lambda a, b: np.meshgrid(a, b, a, indexing="ij", sparse=True), V, K)
    check(lambda: np.indices((2, 3, 2)))
    check(lambda n: np.fromfunction(lambda i, j: i * 10 + j, (n, 2)), 3)


def test_indices_and_positions():
    check(lambda i, j: np.ravel_multi_index((i, j), (3, 4)), np.array([0, 2]), np.array([3, 1]))
    check(lambda i, j: np.ravel_multi_index((i, j), (3, 4), order="F"), 2, 3)
    check(lambda i, j: np.ravel_multi_index((i, j), (3, 4)), 3, 3)
    check(lambda i: np.ravel_multi_index((i, 1), (3, 4), mode="clip"), 9)
    check(lambda i: np.unravel_index(i, (2, 3, 4)), np.array([0, 23, 7]))
    check(lambda i: np.unravel_index(i, (2, 3), order="F"), 4)
    check(lambda i: np.unravel_index(i, (2, 3)), 6)
    check(lambda n: (np.tril_indices(n, 1), np.triu_indices(n, -1, 5)), 4)
    check(lambda a: (a[np.triu_indices_from(a)], a[np.tril_indices_from(a, -1)]), M)
    check(lambda n: np.diag_indices(n, 3), 3)
    check(lambda n: np.mask_indices(n, np.triu, 1), 3)


def test_a_list_display_is_taken_as_the_tuple_that_it_is():
    check(lambda a, b: np.array([a[:3], b[:3]]), V, K)
    check(lambda x: np.array([[x, 0.5], [1, 2]]), 3)
    check(lambda a: np.transpose(a, [2, 0, 1]), T)
    check(lambda n: np.zeros([n, 2]), 3)
    check(lambda: np.array([]))
    check(lambda a: np.array(a, ndmin=3), V)
    check(lambda n, a: np.full((2, n), a), 6, V)
