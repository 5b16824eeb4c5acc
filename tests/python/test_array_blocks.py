"""Loops over the same items run block by block: nothing else about them may change."""

import functools
import itertools

import numpy as np
import pytest
from ferdelance import njit, runtime

#: Items in all, with blocks of at most 1024 and at least 64 of them.
SIZES = (0, 1, 63, 64, 65, 700, 1024, 1025, 5000)


def remarks(function, *arguments):
    compiled = njit(function)
    compiled(*arguments)
    lines = compiled.explain(compiled.signatures[0], data=True)
    return [r["text"] for line in lines for r in line["remarks"]]


def runs_in_blocks(function, *arguments):
    return any("all rounds of the loop" in text for text in remarks(function, *arguments))


def leaves_early(function, *arguments):
    return any("is left early" in text for text in remarks(function, *arguments))


def as_arrays(result):
    return result if isinstance(result, tuple) else (result,)


def copied(arguments):
    """Copies that share memory as the originals do."""
    bases, out = {}, []
    for a in arguments:
        if not isinstance(a, np.ndarray):
            out.append(a)
            continue
        base = a if a.base is None else a.base
        copy = bases.setdefault(id(base), base.copy(order="K"))
        offset = a.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        out.append(
            np.ndarray(a.shape, a.dtype, copy.data, offset, a.strides) if a.size else a.copy()
        )
    return out


@functools.cache
def compiled(function, *without):
    return njit(no_rewrites=set(without))(function)


def outcome(function, arguments):
    arguments = copied(arguments)
    try:
        result = as_arrays(function(*arguments))
    except (ValueError, IndexError, ZeroDivisionError) as error:
        result = (type(error).__name__,)
    return [*result, *arguments]


def check(function, *arguments, exact=True):
    """The same as without blocks, bit for bit, and what NumPy makes of it."""
    wanted = outcome(function, arguments)
    before = runtime.stats()
    got = outcome(compiled(function), arguments)
    apart = outcome(compiled(function, "block"), arguments)
    for g, a, w in zip(got, apart, wanted, strict=True):
        if isinstance(w, str):
            assert g == a == w
            continue
        np.testing.assert_array_equal(np.asarray(g), np.asarray(a))
        if exact:
            np.testing.assert_array_equal(np.asarray(g), np.asarray(w))
        else:
            np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-12, atol=1e-12)
    del got, apart, g, a
    after = runtime.stats()
    assert after["alloc"] - before["alloc"] == after["free"] - before["free"]


def numbers(*shape, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(-8, 9, shape) / 8).astype(dtype)


# ---- rounds over new arrays --------------------------------------------------------------------


def polynomial(x, c):
    y = np.zeros_like(x)
    for k in range(c.size):
        y = y * x + c[k]
    return y


def several(x, c):
    y = np.zeros_like(x)
    z = np.ones_like(x)
    k = 0
    while k < c.size:
        y = y * x + c[k]
        z = z * x - y
        k += 1
    return y, z, k


def known_before(x, c):
    y = x * 2.0
    for a in c:
        y *= x
        y += a
    y -= x
    return y.sum(), y


def in_nested_loops(x, c):
    y = np.zeros_like(x)
    for i in range(3):
        for k in range(c.size):
            y = y * x + c[k]
        y = y + float(i)
    return y


def left_early(x, c):
    y = np.zeros_like(x)
    for k in range(c.size):
        if c[k] > 0.8:
            break
        if c[k] < -0.5:
            continue
        y = y * x + c[k]
    else:
        y += 1.0
    return y


def returned_early(x, c):
    y = np.zeros_like(x)
    for k in range(c.size):
        y = y * x + c[k]
        if c[k] > 0.8:
            return y, k
    return y, -1


def raised_in_between(x, c):
    x *= 2.0
    for k in range(c.size):
        x += 1.0
        if c[k] > 0.8:
            raise ValueError("large")
    return x


def caught(x, c):
    where = -1
    try:
        for k in range(c.size):
            x *= 0.5
            if c[k] > 0.8:
                raise ValueError("large")
            where = k
    except ValueError:
        x += 100.0
    return where


ROUNDS = (
    polynomial,
    several,
    known_before,
    in_nested_loops,
    left_early,
    returned_early,
    raised_in_between,
    caught,
)


@pytest.mark.parametrize("function", ROUNDS)
def test_rounds_over_new_arrays(function):
    assert runs_in_blocks(function, numbers(5), numbers(3))
    for size in SIZES:
        for rounds in (0, 1, 2, 9):
            x, c = numbers(size), numbers(rounds, seed=1)
            check(function, x, c, exact=function is not known_before)
            check(function, x[::-1], c, exact=function is not known_before)


def test_rounds_in_two_and_three_dimensions():
    for shape in ((0, 9), (9, 0), (1, 1), (70, 70), (3, 2000), (2000, 3), (1100, 1), (7, 30, 11)):
        x = numbers(*shape)
        views = [x, np.asfortranarray(x), x.T, x[::2], x[..., ::2], x[..., ::-1]]
        for view in views:
            check(polynomial, view, numbers(4, seed=2))
            check(in_place_with_rows, view.copy(), numbers(shape[-1], seed=3), 3)


def in_place_with_rows(x, row, rounds):
    if row.size == x.shape[-1]:
        for _ in range(rounds):
            x *= row
            x += 1.0


def two_nests(x, y, z, rounds):
    for _ in range(rounds):
        x[...] = x * y
        x[...] = z - np.abs(x)


def test_arrays_in_different_orders():
    for shape in ((40, 40), (3, 900), (900, 3), (9, 11, 13)):
        for orders in itertools.product("CF", repeat=3):
            arrays = [np.array(numbers(*shape, seed=k), order=o) for k, o in enumerate(orders)]
            check(two_nests, *arrays, 3)


def test_nan_and_infinity_stay():
    x = numbers(3000)
    x[::7], x[1::7], x[2::7] = np.nan, np.inf, -0.0
    check(polynomial, x, numbers(5, seed=1))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i2", "u1", "c16", "?"])
def test_types_of_items(dtype):
    def f(x, y, rounds):
        for _ in range(rounds):
            x[:] = x ^ y if dtype == "?" else x + y * x
        return x

    for size in (5, 3000):
        x = (np.arange(size) % 5 < 3).astype(dtype) if dtype == "?" else numbers(size).astype(dtype)
        check(f, x, x[::-1].copy(), 4)


# ---- memory that may be shared -----------------------------------------------------------------


def arguments_only(x, y, c):
    for k in range(c.size):
        x *= y
        x += c[k]


def test_arguments_that_may_share_memory():
    assert runs_in_blocks(arguments_only, numbers(5), numbers(5), numbers(3))
    for size in (1, 500, 5000):
        base = numbers(size + 2)
        one, other = base[1:-1], numbers(size, seed=1)
        c = numbers(4, seed=2)
        check(arguments_only, one, other, c)
        check(arguments_only, one, one, c)
        check(arguments_only, one, base[2:], c)
        check(arguments_only, one, base[:-2], c)
        check(arguments_only, one, one[::-1], c)
        # The numbers that each round takes are among what it changes.
        check(arguments_only, one, other, base[:5])
        check(arguments_only, one, other, base[-3:])


def neighbours(x, rounds):
    for _ in range(rounds):
        x[1:] += x[:-1]


def shifted(x, rounds):
    for _ in range(rounds):
        x[1:] = x[1:] * 0.5
        x[:-1] += 1.0


def by_number(x, rounds):
    for _ in range(rounds):
        x *= x[3]


def reversed_view(x, rounds):
    y = x[::-1]
    for _ in range(rounds):
        x += y


@pytest.mark.parametrize("function", [neighbours, shifted, by_number, reversed_view])
def test_views_of_what_is_written(function):
    assert not runs_in_blocks(function, numbers(9), 2)
    for size in (9, 5000):
        check(function, numbers(size), 3)


def rows_of_their_own(x, out, rounds):
    y = x * 1.0
    for k in range(rounds):
        y = y * x + 0.5
        out[k] = y
    return y


def rows_before(x, out, rounds):
    for k in range(1, rounds):
        x += out[k - 1]
        out[k] = out[k - 1] * x


def moving_part(x, out, rounds):
    for k in range(1, rounds):
        x[: x.size - 9] += 1.0
        out[0, k : k + x.size - 9] = x[: x.size - 9]


def test_rows_that_change_with_the_round():
    for size in (10, 3000):
        for function in (rows_of_their_own, rows_before, moving_part):
            check(function, numbers(size), numbers(5, size, seed=1), 5)
            check(function, numbers(size), np.asfortranarray(numbers(5, size, seed=1)), 5)


def rows_read(x, table):
    for row in table:
        x = np.maximum(x, row) * 0.5
    for k in range(len(table)):
        x += table[k, ::-1]
    return x


def test_rows_that_are_read():
    for size in (9, 3000):
        check(rows_read, numbers(size), numbers(6, size, seed=1))


# ---- what must not run in blocks ---------------------------------------------------------------


def until_small(x):
    rounds = 0
    while np.abs(x).max() > 0.01:
        x *= 0.5
        rounds += 1
    return rounds


def said(x):
    for k in range(3):
        x += 1.0
        print(k)


def with_a_sum(x, rounds):
    total = 0.0
    for _ in range(rounds):
        x = x * 0.5
        total += x[0]
    return total


def of_another_size(x, rounds):
    y = x[: x.size // 2]
    for _ in range(rounds):
        x += 1.0
        y *= 2.0


def test_loops_that_depend_on_what_they_store(capfd):
    for function, *rest in ((until_small,), (said,), (with_a_sum, 4), (of_another_size, 4)):
        assert not runs_in_blocks(function, numbers(9), *rest)
        capfd.readouterr()
        check(function, numbers(3000), *rest)


def shapes_in_between(x, y, rounds):
    for _ in range(rounds):
        x += 1.0
        x += y


def test_an_error_in_a_round():
    for size, other in ((3000, 3000), (3000, 7), (3000, 1)):
        check(shapes_in_between, numbers(size), numbers(other, seed=1), 3)


# ---- blocks that end early ---------------------------------------------------------------------


def escapes(c, limit):
    z = np.zeros_like(c)
    count = np.zeros(c.shape, np.int64)
    for _ in range(limit):
        inside = z.real * z.real + z.imag * z.imag < 4.0
        z = np.where(inside, z * z + c, z)
        count += inside
    return z, count


def halved(x, limit):
    steps = np.zeros(x.shape, np.int64)
    k = 0
    while k < limit:
        large = np.abs(x) > 0.1
        x = np.where(large, x * 0.5, x)
        steps = np.where(large, steps + 1, steps)
        k += 1
    return x, steps, k


def until_done(x, limit):
    y = x * 1.0
    for _ in range(limit):
        done = np.abs(y) < 0.1
        y = np.where(done, y, y * 0.5)
    return y


def chosen_items(x, limit):
    for _ in range(limit):
        active = x > 0.1
        x[active] = x[active] * 0.5
    return x


@pytest.mark.parametrize("function", [escapes, halved, until_done, chosen_items])
def test_blocks_end_early(function):
    dtype = "c16" if function is escapes else "f8"
    assert leaves_early(function, numbers(5).astype(dtype), 9)
    for size in SIZES:
        x = numbers(size).astype(dtype)
        if function is escapes:
            x = 2.0 * x + 1.5j * numbers(size, seed=1)
        # Whole blocks are done at once, others with their last items only.
        calm = x.copy()
        calm[: size // 2] = 0.01
        calm[-1:] = 1.0
        for limit in (0, 1, 2, 20):
            check(function, x, limit, exact=function is not escapes)
            check(function, calm, limit, exact=function is not escapes)


def another_mask_each_round(x, c):
    for k in range(c.size):
        x = np.where(x > c[k], x - 0.5, x)
    return x


def counts_all(x, limit):
    y = x * 1.0
    n = np.zeros(x.shape, np.int64)
    for _ in range(limit):
        y = np.where(y > 0.1, y * 0.5, y)
        n += 1
    return y, n


def other_array_decides(x, limit):
    y = x * 1.0
    z = x - 0.5
    for _ in range(limit):
        y = np.where(z > 0.0, y + 1.0, y)
        z = z + 0.25
    return y, z


def adds_nothing(x, limit):
    y = x * 1.0
    for _ in range(limit):
        # Negative zero and zero are positive zero.
        y = y + np.where(y > 0.5, -0.25, 0.0)
    return y


def two_masks(x, limit):
    y = x * 1.0
    z = x * 2.0
    for _ in range(limit):
        p, q = y > 0.1, z < -0.1
        y = np.where(p, y * 0.5, y)
        z = np.where(q, z * 0.25, z)
    return y, z


def new_when_idle(x, limit):
    y = x * 1.0
    for _ in range(limit):
        y = np.where(y > 0.1, y * 0.5, y + 0.01)
    return y


def test_masks_that_may_hold_again():
    c = np.array([9.0, 9.0, 0.0, 0.5, 9.0, -1.0])
    for function, argument in (
        (another_mask_each_round, c),
        (counts_all, 9),
        (other_array_decides, 9),
        (adds_nothing, 9),
        (two_masks, 9),
        (new_when_idle, 9),
    ):
        assert runs_in_blocks(function, numbers(5), argument)
        assert not leaves_early(function, numbers(5), argument)
        x = numbers(3000)
        x[::5] = -0.0
        check(function, x, argument)
