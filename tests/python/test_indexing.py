"""Indexing of arrays against NumPy: every kind of index, on arrays of all shapes and layouts."""

import numpy as np
import pytest
from ferdelance import njit, runtime

SHAPES = [(7,), (1,), (4, 5), (1, 3), (3, 1, 4), (2, 3, 4)]


def layouts(shape, dtype=np.float64):
    """Equal arrays of a shape: contiguous in both orders, strided, reversed."""
    base = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    yield base
    yield np.asfortranarray(base)
    wide = np.zeros(tuple(2 * n for n in shape), dtype)
    strided = wide[tuple(slice(None, None, 2) for _ in shape)]
    strided[...] = base
    yield strided
    backwards = base[tuple(slice(None, None, -1) for _ in shape)].copy()
    yield backwards[tuple(slice(None, None, -1) for _ in shape)]


def outcome(f, *args):
    try:
        return f(*args)
    except (IndexError, ValueError) as e:
        return ValueError if isinstance(e, ValueError) else type(e)


def same(f, *args):
    """Runs f and its compiled form on copies of the arguments that share memory where those do."""
    memo = {}

    def own(x):
        if not isinstance(x, np.ndarray):
            return x
        root = x
        while root.base is not None:
            root = root.base
        if id(root) not in memo:
            memo[id(root)] = root.copy(order="K")
        offset = x.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        if x is root:
            return memo[id(root)]
        return np.ndarray(x.shape, x.dtype, memo[id(root)].ravel(order="K"), offset, x.strides)

    mine = [own(a) for a in args]
    want = outcome(f, *mine)
    memo.clear()
    theirs = [own(a) for a in args]
    got = outcome(compiled(f), *theirs)
    equal(want, got)
    for a, b in zip(mine, theirs, strict=True):
        equal(a, b)


COMPILED = {}


def compiled(f):
    return COMPILED.setdefault(f, njit(f))


def equal(want, got):
    if isinstance(want, tuple):
        assert len(want) == len(got)
        for a, b in zip(want, got, strict=True):
            equal(a, b)
    elif isinstance(want, np.ndarray):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)
    else:
        assert got == want


def leaks_nothing(call):
    call()
    before = runtime.stats()
    for _ in range(50):
        call()
    after = runtime.stats()
    assert all(
        before[k] == after[k] for k in ("live_buffers", "live_bytes", "live_objects", "live_errors")
    )


def get(a, i):
    return a[i]


def get_two(a, i, j):
    return a[i, j]


def get_after_slice(a, i):
    return a[:, i]


def get_before_slice(a, i):
    return a[i, 1:]


def get_last(a, i):
    return a[..., i]


def get_apart(a, i, j):
    return a[i, :, j]


def get_with_integer(a, i):
    return a[0, i], a[i, 0]


def put(a, i, v):
    a[i] = v


def put_two(a, i, j, v):
    a[i, j] = v


def put_last(a, i, v):
    a[..., i] = v


def add_to(a, i, v):
    a[i] += v


INDICES = [
    np.array([0]),
    np.array([], np.int64),
    np.array([-1, 0, 0, -1]),
    np.array([[0, -1], [-1, 0]]),
    np.array([0, 0], np.uint8),
    np.array([-1], np.int16),
    np.array(0),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_index_arrays_choose_elements(shape):
    for a in layouts(shape):
        for i in INDICES:
            same(get, a, i)
            same(get_last, a, i)
            if a.ndim > 1:
                same(get_after_slice, a, i)
                same(get_before_slice, a, i)
                same(get_with_integer, a, i)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4)])
def test_index_arrays_broadcast_together(shape):
    rows, columns = np.array([0, 1, -1]), np.array([[0], [2]])
    for a in layouts(shape, np.int32):
        same(get_two, a, rows, rows)
        same(get_two, a, rows, columns)
        same(get_two, a, columns, np.array([1]))
        same(get_two, a, rows, np.array([0, 1]))
        if a.ndim == 3:
            same(get_apart, a, rows, columns)


@pytest.mark.parametrize("index", [[7], [-8], [0, 100], [-(2**40)]])
def test_an_index_out_of_range_raises(index):
    a = np.arange(7.0)
    same(get, a, np.array(index))
    same(put, a, np.array(index), 1.0)
    with pytest.raises(IndexError, match="out of bounds"):
        compiled(get)(a, np.array(index))
    assert compiled(get)(a, np.array([], np.int64)).size == 0


def masks(shape):
    rng = np.random.default_rng(1)
    for share in (0.0, 0.4, 1.0):
        yield rng.random(shape) < share


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_choose_elements(shape):
    for a in layouts(shape):
        for m in masks(shape):
            same(get, a, m)
            same(put, a, m, -1.0)
            same(add_to, a, m, 2.0)
            same(put, a, m, np.arange(m.sum()) * 1.5)
        for m in masks(shape[:1]):
            same(get, a, m)
            same(put, a, m, 3.0)
        for m in masks(shape[-1:]):
            same(get_last, a, m)
            same(put_last, a, m, 3.0)
    same(get, np.zeros(shape), np.ones(shape[0] + 1, bool))


@pytest.mark.parametrize("shape", SHAPES)
def test_assignment_through_index_arrays(shape):
    for a in layouts(shape):
        for i in INDICES[:4]:
            same(put, a, i, 9.5)
            same(put, a, i, np.full(shape[1:], 4.0))
            same(add_to, a, i, 1.0)
            same(put_last, a, i, 2)
            if a.ndim > 1:
                same(put_two, a, i, i, 5)


def test_of_repeated_indices_the_last_value_stays():
    same(put, np.zeros(4), np.array([1, 1, 2, 1]), np.array([1.0, 2.0, 3.0, 4.0]))
    same(add_to, np.zeros(4), np.array([1, 1, 2, 1]), 1.0)


def reversed_into(a, i):
    a[i] = a[i[::-1]]


def shifted_into(a, i):
    a[i] = a[1:] * 2


def itself(a):
    a[a] = a * 2


def masked_by_itself(a):
    a[a > 2] = a[a > 2][::-1]


def test_what_is_read_is_read_before_anything_is_written():
    same(reversed_into, np.arange(6.0), np.array([3, 0, 1]))
    same(shifted_into, np.arange(6.0), np.array([3, 0, 1, 5, 4]))
    same(masked_by_itself, np.array([5, 1, 0, 3, 4]))
    base = np.arange(8.0)
    same(put, base[:4], np.array([3, 2, 1, 0]), base[2:6])
    same(put, base[2:6], np.array([3, 2, 1, 0]), base[:4])
    if np.lib.NumpyVersion(np.__version__) >= "2.3.0":
        # Before that, NumPy itself takes indices that it has just written.
        same(itself, np.array([2, 1, 0, 3]))
        whole = np.arange(8)
        same(put, whole[1:5], whole[:4], 7)


def sequences(a):
    a[1:3] = (7, 8)
    a[-2:] = [1.5, 2.5]
    return a


def nested(a):
    a[:2] = [[1, 2, 3], [4, 5, 6]]
    a[2] = 0, 1, 2
    return a


def lists(a):
    return a[[0, 2]], a[[0, 1], [2, 0]], a[[[0], [1]], [1, 2]], a[:, [True, False, True]]


def test_sequences_as_values_and_as_indices():
    same(sequences, np.zeros(6))
    same(nested, np.zeros((3, 3), np.int32))
    for a in layouts((3, 3)):
        same(lists, a)


def slices(a, i, j):
    s = slice(i, j)
    return a[s], a[slice(i)], a[slice(i, j, 2)], a[s.start :], a[slice(None, j)]


@pytest.mark.parametrize(("i", "j"), [(1, 4), (-3, 10), (5, 2)])
def test_slices_that_are_called(i, j):
    same(slices, np.arange(7.0), i, j)


def fused(a, i, m):
    return a[i] * 2 + 1, np.sum(a[i]), (a[m] + 1).sum(), a[i][1:], a[i + 1 - 1]


def test_gathers_as_operands():
    same(fused, np.arange(7.0), np.array([3, 1, 1]), np.arange(7) % 2 == 0)


def ellipsis_between(a, i):
    return a[i, ..., i], a[..., i, None], a[None, i], a[i, None, 0]


def test_dimensions_of_arrays_apart_come_first():
    for a in layouts((2, 3, 4)):
        same(ellipsis_between, a, np.array([1, 0]))


def positions(a):
    return np.nonzero(a), np.where(a > 1), np.flatnonzero(a)


@pytest.mark.parametrize("shape", [*SHAPES, (0,), (0, 3)])
def test_nonzero(shape):
    for a in layouts(shape):
        same(positions, a)


def test_nothing_leaks():
    def f(a, i, m):
        a[i] = a[i] * 2
        a[m] += 1
        a[m] = np.arange(m.sum())
        return a[i], a[m], np.nonzero(a)

    g = njit(f)
    args = np.arange(10.0), np.array([1, 2]), np.arange(10) > 4

    def raises():
        with pytest.raises(IndexError):
            g(args[0], np.array([100]), args[2])

    leaks_nothing(lambda: g(*args))
    leaks_nothing(raises)
