"""Loops over tuples whose items have different types: each iteration has types of its own."""
# Compiled code does not take the keyword `strict`.
# ruff: noqa: B905

import collections

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import njit

Pair = collections.namedtuple("Pair", "name size")


def outcome(f, args):
    try:
        return f(*args)
    except (ValueError, ZeroDivisionError) as error:
        return type(error), str(error)


def check(f, *calls):
    jitted = njit(f)
    for args in calls:
        found, expected = outcome(jitted, args), outcome(f, args)
        assert found == expected, args
        assert type(found) is type(expected), args


# ---- control flow -------------------------------------------------------------------------------


def test_numbers_keep_their_types():
    def f(t):
        text = ""
        for x in t:
            text += str(x) + " "
        return text

    check(f, [(1, 2.5, True)], [(1, 1.0)], [(2, 3)], [()], [Pair("a", 1)])


def test_sums_join_types():
    def f(t):
        s = 0
        for x in t:
            s += x
        return s

    check(f, [(1, 2.5, True)], [(True, 3)], [(1, 2j)])


def test_break_with_the_value_of_that_moment():
    def f(t, n):
        s = 0
        for x in t:
            if s > n:
                break
            s += len(x) if isinstance(x, str) else int(x)
        return s

    check(f, *[((1, "abc", 2.5), n) for n in (0, 3, 100)])


def test_else_and_continue():
    def f(t, n):
        s = i = 0
        for _ in t:
            if i == n:
                r = 10 + i
                break
            i += 1
            if i == 2:
                continue
            s += 1
        else:
            r = -1
        return r, i, s

    check(f, *[((1, "a", 2.5), n) for n in range(5)])


def test_return_from_an_iteration():
    def f(t, n):
        i = 0
        for x in t:
            if i == n:
                return str(x)
            i += 1
        return "none"

    check(f, *[((1, "a", 2.5), n) for n in range(4)])


def test_a_body_that_never_repeats():
    def f(t):
        for x in t:
            return x
        return -1

    check(f, [(3, "a")], [(5,)], [()])


def test_loops_in_loops():
    def f(t, u):
        out = ""
        for x in t:
            for y in u:
                if isinstance(y, str):
                    continue
                if isinstance(x, str) and y:
                    break
                out += str(x) + str(y)
            else:
                out += "|"
        return out

    check(f, ((1, "a", True), ("x", 2, 0)), ((1, "a"), (0, "y")))


def test_inside_other_loops():
    def f(t, n):
        s = 0
        for i in range(n):
            for x in t:
                if isinstance(x, str):
                    s += len(x)
                elif x > i:
                    break
                s += 1
            else:
                s += 100
        while s > 300:
            for _ in t:
                s -= 1
                if s % 7 == 0:
                    break
            else:
                continue
            s -= 10
        return s

    check(f, *[((1, "a", 2.5), n) for n in (0, 1, 7)])


def test_the_last_item_lives_on():
    def f(t):
        seen = "none"
        for x in t:
            seen = str(x) + seen
        return x, seen

    check(f, [(1, "a", 2.5)])


def test_inner_functions_in_the_body():
    def f(t):
        s = 0
        out = ""
        for x in t:

            def add(v):
                nonlocal s
                s += 1
                return str(v)

            out += add(x)
        return s

    check(f, [(1, "a", 2.5)])


# ---- exceptions ---------------------------------------------------------------------------------


def test_raising_in_an_iteration():
    def f(t):
        for x in t:
            if x == 2.5:
                raise ValueError("two and a half")
        return 0

    check(f, [(1, 2.5)], [(1, 2.0)])


def test_in_a_try():
    def f(t):
        n = 0.0
        try:
            for x in t:
                n += 1
                if x == -1:
                    raise ValueError("no")
                n += 10 // x
        except ValueError:
            return -n
        except ZeroDivisionError:
            return -100.0
        return n

    check(f, [(1, 2.0)], [(1, 0.0, 5)], [(True, 3)], [(1, -1.0)])


def test_a_try_in_the_body():
    def f(t):
        n = 0.0
        for x in t:
            try:
                n += 10 // x
            except ZeroDivisionError:
                n += 1000
                continue
            finally:
                n += 1
        return n

    check(f, [(1, 0.0, 5)], [(False, 3.0)])


def test_zip_in_a_try_in_a_loop():
    def f(t, u):
        n = 0.0
        for x in t:
            try:
                for a, b in zip(t, u):
                    if b == 3:
                        raise ValueError
                    n += a * b + x
            except ValueError:
                n += 1000
        return n

    check(f, ((1, 0.5, 5), (1, 2, 2.5)), ((1, 0.5, 5), (1, 2, 3, 2.5)))


# ---- what is looped over ------------------------------------------------------------------------


def test_enumerate_zip_and_reversed():
    def f(t, u, n):
        out = ""
        for i, x in enumerate(t):
            out += str(i) + str(x)
        for i, x in enumerate(t, n):
            out += str(i) + str(x)
        for x, y in zip(t, u):
            out += str(x) + str(y)
        for i, (x, y) in enumerate(zip(t, u), 2):
            out += str(i) + str(x) + str(y)
        for x in reversed(t):
            out += str(x)
        for i, x in enumerate(reversed(u)):
            out += str(i) + str(x)
        return out

    check(f, ((1, "a", True), ("x", 2), 5), ((1, "a", True), (3, 2), -1))


def test_star_arguments():
    def f(*args):
        text = ""
        for a in args:
            text += str(a)
        return text

    check(f, (1, "a", 2.5), (1, 2), ())


def test_functions():
    inc, double = njit(lambda x: x + 1), njit(lambda x: x * 2)

    def f(x):
        for g in (inc, double, abs):
            x = g(x)
        return x

    assert njit(f)(-10) == 18


def test_literal_unroll_makes_items_constants():
    @njit
    def f(t):
        s = 0.0
        for i in fd.literal_unroll((0, 2)):
            s += t[i]
        return s

    assert f((1, "a", 2.5)) == 3.5


def test_arrays_of_different_dtypes():
    def f(t):
        s = 0.0
        for a in t:
            for i in range(a.size):
                s += float(a[i])
        return s

    check(f, [(np.arange(3), np.ones(2), np.array([True, False]))])


# ---- errors -------------------------------------------------------------------------------------


def refusal(f, *args):
    with pytest.raises(fd.TypingError) as caught:
        njit(f)(*args)
    return str(caught.value)


def test_errors_say_for_which_item():
    def f(t):
        for x in t:
            x + 1

    text = refusal(f, (1, "a"))
    assert "no operator `+` (add) for unicode_type and int64" in text
    assert "note: for item 1 of the tuple: unicode_type" in text

    def g(t):
        for x in t:
            for y in t:
                x + y

    text = refusal(g, (1, "a"))
    assert text.index("for item 1 of the tuple, `y`: unicode_type") < text.index(
        "for item 0 of the tuple, `x`: int64"
    )


def test_there_is_a_limit():
    def f(t):
        n = 0
        for _ in t:
            n += 1
        return n

    assert njit(f)((1, "a") * 128) == 256
    text = refusal(f, (1, "a") * 129)
    assert "its items have different types" in text
    assert "more than 256" in text
