"""Rewrites of array operations: each program computes the same with them and without."""

import numpy as np
import pytest
from ferdelance import _options, njit, runtime
from numpy.lib.stride_tricks import as_strided

A = np.linspace(-2.0, 3.0, 37)
B = np.cos(A)
M = np.add.outer(A[:9], B[:7])
WIDE = np.sin(np.arange(480.0).reshape(8, 60))


def reductions(a, b):
    return a.sum(), a.min(), (a * b).sum(), np.max(np.abs(a - b)), np.sqrt(np.sum((a - b) ** 2))


def kept_and_used(a, b):
    e = np.exp(a) + b
    return e, e.sum(), e * 2, (e - b).min()


def stored_in_turn(a, b):
    a[:] = a * 2 + b
    s = a.sum()
    b[:] = a - b
    a[1:] += b[:-1]
    return s


def new_array_written_again(a, b):
    t = a * b
    t += a
    t *= 2
    t[:] = t - b
    u = t + 1
    t[0] = 7
    return t, u


def by_row(m, b):
    e = np.exp(m - np.max(m, axis=1)[:, None])
    return e / np.sum(e, axis=1)[:, None], np.sum(e * e, axis=1), e.max(axis=1)


def by_column(m, b):
    t = m * b
    return t, t.sum(axis=0), t.min(axis=0), t.sum(axis=1)


def error_between(a, b):
    a[:] = a * 2
    b[:] = a[:-1] + b


def made_twice(m, b):
    mean, spread = np.mean(m, axis=0), np.std(m, axis=0)
    top = np.max(m - mean) - np.max(m - mean)
    total = m.sum()
    again = m.sum()
    return mean, spread, top, total, again


def made_twice_and_changed(m, b):
    first = m.sum(axis=0)
    second = m.sum(axis=0)
    first[0] = b[0]
    third = m.sum(axis=1)
    fourth = m.sum(axis=1)
    fourth[1:] += third[:-1]
    return first, second, third, fourth


def sums_of_rows(m, b):
    by_column = np.sum(m * m, axis=0)
    product = b[: m.shape[0]] @ m
    # Other reductions over the same items, in the order of rows.
    large, first = np.count_nonzero(m > 0, axis=0), np.argmax(m, axis=0)
    top, all_small = np.max(m, axis=0), np.all(m < 9, axis=0)
    cube = np.multiply.outer(b[:6], m)
    return by_column, product, large, first, top, all_small, cube.sum(axis=0), cube.sum(axis=1)


def empty(a, b):
    s = a[:0].sum()
    return s, a[:0].min()


def scalar_in_between(a, b):
    mean = a.mean()
    spread = np.mean((a - mean) ** 2)
    return (a - mean) / np.sqrt(spread), np.mean((a - mean) ** 3) / spread**1.5, mean


def handed_on(a, b):
    y = np.zeros_like(a)
    for k in range(5):
        y = y * a + b[k]
    return y


def begun_again(a, b):
    start = np.exp(a)
    total = 0.0
    for _ in range(3):
        y = start
        for k in range(4):
            y = y * 0.5 + b[k]
        total += y.sum()
    return total, start


def two_rounds_at_once(a, b):
    x, y = np.exp(a), np.exp(-a)
    for k in range(5):
        x, y = y * b[k], np.exp(x * 0.1)
    return x, y


def kept_in_a_list(a, b):
    y = np.exp(a)
    kept = [y]
    for k in range(3):
        y = np.exp(y * b[k])
        kept.append(y)
    return kept[0], kept[1], kept[3]


def previous_and_new(a, b):
    y = np.exp(a)
    old = y
    for k in range(4):
        old = y
        y = np.exp(y * b[k])
    return old, y


def shape_that_changes(a, b):
    y = np.exp(a)
    for _ in range(3):
        y = np.exp(y[1:] - y[:-1])
    return y


def looked_at_through_a_view(a, b):
    e = np.exp(a)
    part = e[3:]
    f = np.exp(e * 0.5)
    return f, part.sum()


def one_way_only(a, b):
    e = np.exp(a)
    f = np.exp(e + 1)
    if b[0] > 0:
        return f
    return e + f


def two_for_one(a, b):
    e = np.exp(a)
    s = e.sum()
    return np.exp(e / s), np.exp(e * s * 1e-3), b


def small_parts_met(m, b):
    for k in range(m.shape[1]):
        m[:] = np.minimum(m, m[:, k : k + 1] + b[k])
        m[:] = m * 0.5 + m[k : k + 1, :]
    m[:, 1:] -= m[:, :1] * m[:1, 1:]
    return m.sum()


def distant_items(m, b):
    x = m[:, 0]
    y = m[:, 1:2]
    d = x[:, None] - x
    return np.sum(d * d, axis=1), np.sum((y.T - y) * x, axis=1), (b[::2] * x[:1]).sum()


def divided_in_each_row(m, b):
    scale = np.sqrt(np.sum(m * m, axis=0)) + b
    return m / scale, (m - b) / np.exp(scale)


def empty_columns(m, b):
    e = m[:, :0]
    f = m[:0]
    return e * np.exp(m[:, :1]), np.sum(e / m[:, :1], axis=1), np.sum(f, axis=0), e - e[:1], f * b


def masked(a, b):
    m = a > 0.5
    a[m] = b[m] * 2.0
    v = b[~m]
    i = np.nonzero(b < 0)[0]
    return a[~m].sum(), v.mean(), v.max(), v.size, a[i], (a[i] * b[i]).sum()


def masked_in_place(a, b):
    a[a < 0] *= -1.0
    a[b > 0.3] = a[b > 0.3] ** 2 + b[b > 0.3]
    b[b > 5] = 1.0
    a[a > 100] += b[a > 100]
    return a[a > 1].min(), b[b > 2].sum()


def masked_twice(a, b):
    m = b > 0
    before = a[m]
    m[::2] = False
    after = a[m]
    a[m] = after + 1
    return before.sum(), after.sum(), before, np.prod(a[m])


def masked_of_another_size(a, b):
    m = a > 0.5
    t = b[:-1]
    return t[m].sum()


def masked_from_one_value(a, b):
    m = a > 0.5
    a[m] = b[:1]
    a[~m] = b[:2]


def masked_complex(a, b):
    z = a + 1j * b
    m = np.abs(z) < 1.5
    z[m] = z[m] ** 2 + z[m]
    return z, z[m].sum(), z[m].real.max(), z.imag[~m]


def masked_rows(m, b):
    k = m[:, 0] > 0.5
    t = m[k]
    m[k] = b
    m[k, 1] = 7.0
    f = m > b
    m[f] = 0.0
    return t, m[k, 2:].sum(), m[f].size


def reduced_into_parts(m, b):
    out = np.zeros((3, 4, b.size))
    for i in range(3):
        out[i, 1, :] = np.sum(m[i:] * b, axis=0)
        out[i, :, 2] = np.max(m[i : i + 4, ::2] * i, axis=1)
    m[0] = np.sum(m, axis=0)
    m[:, 1] = np.sum(m * b, axis=1)
    b[:] = np.sum(m[:0], axis=0)
    b[1:] = np.prod(m[:, 1:], axis=0)
    return out


def rows_of_one_array(m, b):
    for i in range(4):
        for j in range(4):
            x = m[i] * b
            m[i] = x + 1.0
            m[j] = x - 1.0
            m[i, ::2] = m[j, ::2] * 0.5
            m[j, ::2] = m[i, ::2] + m[j, ::2]
            m[:, i] = m[:, j] * 0.25 + 1.0
            m[:, j] = m[:, i] - m[:, -1]
            m[i, 1:] = x[1:]
            m[j, :-1] = x[:-1] + 2.0
    return m.sum()


def loads_from_what_is_stored(a, b):
    i = np.argsort(a)
    b[:] = a[i]
    a[i] = a[i] * 2
    j = np.zeros(3, np.int64)
    a[j] = a[j] + np.arange(3.0)
    return a[i[::-1]].sum()


def stencil_of_stencil(a, b):
    first = 2.0 * a[1:-1] - a[2:] - a[:-2]
    second = np.where(first[1:] > 0.0, first[:-1], first[1:] * 0.5)
    return second[2:] - second[:-2] + b[0]


def stored_where_it_is_read(a, b):
    for _ in range(3):
        new = 0.25 * (a[2:] + a[:-2]) + 0.5 * a[1:-1] - 0.1 * b[1:-1]
        b[:] = a
        a[1:-1] = new


def rows_then_what_is_made_of_them(m, b):
    mean = np.mean(m, axis=1)[:, None]
    spread = np.sqrt(np.mean((m - mean) ** 2, axis=1)[:, None] + b[0])
    return (m - mean) / spread, mean


def upwards(a, b):
    difference = a[:-3] - a[3:]
    a[3:] = difference * 0.5 + a[3:]
    b[: a.size - 4] += difference[1:] * a[4:]
    return difference


def numbered_rows(m, b):
    weighted = m * np.arange(m.shape[0])[:, None]
    return weighted[1:] - weighted[:-1] + np.arange(m.shape[0] - 1)[:, None] + b[0]


def one_row_for_all(m, b):
    row = m[:1] * 2.0
    return row + m, row[:, 1:] - row[:, :-1]


def check_between(a, b):
    smooth = 0.5 * (a[1:] + a[:-1])
    b[: smooth.size] = smooth[::-1]
    a[:-2] = smooth[1:] + b[:-2]
    return smooth[:3] + b[: a.size - 6]


def neighbours_in_rows(m, b):
    lap = m[1:-1, 2:] + m[1:-1, :-2] + m[2:, 1:-1] + m[:-2, 1:-1] - 4 * m[1:-1, 1:-1]
    five = m[:, 4:] - 2 * m[:, 3:-1] + 3 * m[:, 2:-2] - 4 * m[:, 1:-3] + 5 * m[:, :-4]
    with_gaps = m[::2, 6:] * m[::2, :-6] - m[::2, 5:-1] - m[::2, 1:-5]
    other_rows = m[1:, 1:] - m[:-1, :-1]
    m[1:-1, 1:-1] += lap
    return lap, five, with_gaps, other_rows


def neighbours_of_a_line(a, b):
    smooth = np.zeros_like(a)
    for k in range(2):
        smooth[1:-1] = a[2:] + a[:-2] - a[1:-1] * b[1:-1]
        a[2:-2] = smooth[2:-2] - smooth[1:-3] * smooth[3:-1] + a[2:-2] * k
    return smooth, b[1:] - b[:-1]


def neighbours_in_one_row(m, b):
    change = np.zeros(m.shape[1])
    for k in range(m.shape[0]):
        change[1:-1] += m[k, 2:] - m[k, 1:-1] * m[k, :-2]
    return change


def distances(m, b):
    apart = m[:, None, :] - m[None, :, :]
    d = np.sqrt(np.sum(apart**2, axis=2))
    far = np.max(np.abs(m[:, None, :] - m), axis=-1)
    # What may be one row, numbers of the outer dimension, and of the columns.
    mixed = np.sum(m[:, None, :] * m[: b.size] + b[:, None], axis=2)
    scaled = np.sum((m[:, None, :] - m) * b[:, None, None] - b[None, :, None], axis=2)
    four = np.sum(m[:2, None, None, :] + m[:, None, :] * m, axis=3)
    return d, far, mixed, scaled, four, np.mean(apart * apart, axis=2), d.min()


def products(m, b):
    halved = m @ m.T / 2
    kept = m.T @ m
    also = kept * 2
    power = m.T @ m
    for k in range(3):
        power = power @ kept / (k + 10)
    return np.maximum(m @ m.T + m[:, 0], 0.1), halved, kept, also, power, (m.T @ m)[::-1] - 1


POINTS = np.cos(np.arange(70.0 * 17).reshape(70, 17) ** 2)

PROGRAMS = [
    (products, (M, B)),
    (products, (M.T, B)),
    (products, (POINTS, B)),
    (distances, (POINTS[:, :3], POINTS[:, 3])),
    (distances, (POINTS[:, 1:4].copy(), POINTS[:, 0].copy())),
    (distances, (np.rint(POINTS[:, ::2] * 4).astype(np.float32), POINTS[:, 0].copy())),
    (distances, (POINTS[:, 1:], POINTS[:, 0])),
    (distances, (POINTS, POINTS[:, 0])),
    (distances, (POINTS[:20, :1], POINTS[:20, 0])),
    (distances, (POINTS[:1, :2], POINTS[:1, 0])),
    (distances, (POINTS[:20, :0], POINTS[:20, 0])),
    (distances, (POINTS[:0, :3], POINTS[:0, 0])),
    (distances, (POINTS[:, :3] * 1j, POINTS[:, 3])),
    (distances, (np.asfortranarray(POINTS[:, :4]), POINTS[:, 3])),
    (distances, ((POINTS[:, :5] * 100).astype(np.int32), np.arange(70))),
    (neighbours_in_rows, (WIDE, B)),
    (neighbours_in_rows, (WIDE[:, :40].astype(np.float32), B)),
    (neighbours_in_rows, ((WIDE * 100).astype(np.int32), B)),
    (neighbours_in_rows, (WIDE.T, B)),
    (neighbours_in_rows, (WIDE[::2, 2:], B)),
    (neighbours_in_rows, (M, B)),
    (neighbours_of_a_line, (A, B)),
    (neighbours_of_a_line, (A[:9], B[:9])),
    (neighbours_in_one_row, (WIDE, B)),
    (neighbours_in_one_row, (WIDE.T, B)),
    (small_parts_met, (M, B)),
    (small_parts_met, (M.T, B)),
    (distant_items, (M, B)),
    (distant_items, (M.T.copy(), B)),
    (divided_in_each_row, (M, B[:7])),
    (divided_in_each_row, (M.T, B[:9])),
    (divided_in_each_row, (M, B[:1])),
    (empty_columns, (M, B[:7])),
    (masked, (A, B)),
    (masked, (A[::2].copy(), B[::2])),
    (masked_in_place, (A, B)),
    (masked_in_place, (M, np.cos(M))),
    (masked_in_place, (M.T, np.cos(M).T.copy())),
    (masked_twice, (A, B)),
    (masked_of_another_size, (A, B)),
    (masked_from_one_value, (A, B)),
    (masked_complex, (A, B)),
    (masked_complex, (M, np.cos(M.T).T)),
    (masked_rows, (M, B[:7])),
    (reduced_into_parts, (M, B[:7])),
    (reduced_into_parts, (np.asfortranarray(M), B[:7].copy())),
    (rows_of_one_array, (M, B[:7])),
    (rows_of_one_array, (M.T, B[:9])),
    (loads_from_what_is_stored, (A, B)),
    (handed_on, (A, B)),
    (begun_again, (A, B)),
    (two_rounds_at_once, (A, B)),
    (kept_in_a_list, (A, B)),
    (previous_and_new, (A, B)),
    (shape_that_changes, (A, B)),
    (looked_at_through_a_view, (A, B)),
    (one_way_only, (A, B)),
    (two_for_one, (A, B)),
    (reductions, (A, B)),
    (reductions, (A, B[:1])),
    (kept_and_used, (A, B)),
    (kept_and_used, (A, B[:1])),
    (stored_in_turn, (A, B)),
    (new_array_written_again, (A, B)),
    (by_row, (M, B)),
    (by_column, (M, B[:7])),
    (by_column, (M, B[:1])),
    (by_column, (M.T, B[:9])),
    (made_twice, (M, B)),
    (made_twice, (M.T, B)),
    (made_twice_and_changed, (M, B)),
    (sums_of_rows, (M, B)),
    (sums_of_rows, (M[:3], B)),
    (sums_of_rows, (M[:8, 1:], B)),
    (sums_of_rows, (M.T, B)),
    (sums_of_rows, (M[:, :0], B)),
    (error_between, (A, B)),
    (empty, (A, B)),
    (scalar_in_between, (A, B)),
    (stencil_of_stencil, (A, B)),
    (stored_where_it_is_read, (A, B)),
    (rows_then_what_is_made_of_them, (M, B)),
    (rows_then_what_is_made_of_them, (M.T, B)),
    (upwards, (A, B)),
    (numbered_rows, (M, B)),
    (one_row_for_all, (M, B)),
    (check_between, (A, B)),
]


def outcome(function, arguments, overlap):
    arguments = [np.copy(a, order="K") for a in arguments]
    if overlap and arguments[0].shape == arguments[1].shape:
        base = np.concatenate((arguments[0], arguments[1][:1]))
        arguments = [base[1:], base[:-1]]
    try:
        result = function(*arguments)
    except (ValueError, IndexError) as error:
        result = type(error).__name__
    if not isinstance(result, tuple):
        result = (result,)
    return [*result, *arguments]


@pytest.mark.parametrize("without", [(), *((name,) for name in sorted(_options.REWRITES)), True])
@pytest.mark.parametrize("overlap", [False, True])
def test_results_are_those_of_numpy(without, overlap):
    for program, arguments in PROGRAMS:
        compiled = njit(no_rewrites=without)(program)
        wanted = outcome(program, arguments, overlap)
        before = runtime.stats()
        got = outcome(compiled, arguments, overlap)
        for g, w in zip(got, wanted, strict=True):
            if isinstance(w, str) or w is None:
                assert g == w
            else:
                np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-12, err_msg=program.__name__)
        del got, g
        after = runtime.stats()
        made, freed = (after[key] - before[key] for key in ("alloc", "free"))
        assert made == freed, program.__name__


def test_unknown_rewrites_are_refused():
    with pytest.raises(ValueError, match="no rewrite speed; there are bands, block, carry, "):
        njit(no_rewrites={"speed"})(reductions)


BOUNDS = (
    "k:",
    "k + 1:",
    ":k",
    ":k + 1",
    "k:k + 1",
    "1:",
    ":-1",
    "k:k + 3",
    "k + 3:k + 6",
    "::2",
)


def parts_of(texts):
    """`a[s] += a[t]` for each two of these indices, as functions of a and k."""
    scope = {}
    for s in texts:
        for t in texts:
            source = f"def f(a, k):\n    a[{s}] = a[{s}] + a[{t}] * 2\n    return a[{t}].sum()\n"
            exec(source, scope)
            yield scope["f"], source


@pytest.mark.parametrize(
    "texts",
    [
        BOUNDS,
        [f":, {b}" for b in BOUNDS[:6]],
        ["k + 1:, k + 1:", "k + 1:, k:k + 1", "k:k + 1, k + 1:"],
        ["k + 1:, k", "k + 1:, k - 1", "k + 1:, 0", "k + 1:, -1"],
    ],
)
def test_parts_of_one_array_are_read_before_they_are_written(texts):
    for f, source in parts_of(texts):
        compiled = njit(source=source)(f)
        for k in range(7):
            arrays = [np.arange(8.0) if texts is BOUNDS else np.arange(64.0).reshape(8, 8)] * 2
            arrays = [a.copy() for a in arrays]
            outcomes = []
            for g, a in zip((f, compiled), arrays, strict=True):
                try:
                    outcomes.append(g(a, k))
                except ValueError:
                    outcomes.append("ValueError")
            assert outcomes[0] == outcomes[1], (source, k)
            np.testing.assert_array_equal(*arrays, err_msg=f"{source} {k}")


def butterfly(a, k):
    even = a[k] * 2.0
    odd = a[k + 1] * 3.0
    a[k] = even + odd
    a[k + 1] = even - odd


def column_of_the_column_before(a, k):
    a[:, k + 1] = a[:, k] * 2.0 + a[:, k + 1]


def rows_below(a, k):
    a[k + 1 :, 1] = a[k : k + 1, 0] + a[k + 1 :, 0]


@pytest.mark.parametrize("f", [butterfly, column_of_the_column_before, rows_below])
def test_windows_that_overlap_share_items(f):
    for k in range(4):
        windows = [as_strided(np.arange(12.0), (6, 6), (8, 8)) for _ in range(2)]
        f(windows[0], k)
        njit(f)(windows[1], k)
        np.testing.assert_array_equal(*windows)
