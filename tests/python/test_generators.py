"""Generators, generator expressions, and iterators as values, against CPython."""

import gc
import itertools
import sys

import numpy as np
import pytest
from conftest import live
from ferdelance import njit, types
from ferdelance._core import runtime_stats
from ferdelance.errors import TypingError, UnsupportedError


@njit
def count_up(n):
    for i in range(n):
        yield i


@njit
def total(items):
    s = 0
    for x in items:
        s += x
    return s


def same(f, *args):
    """What the compiled function gives is what the function gives, types included."""
    got, want = njit(f)(*args), f(*args)
    assert got == want and type(got) is type(want)


# ---- generators that Python drives ---------------------------------------------------------------


def test_protocol():
    g = count_up(2)
    assert iter(g) is g
    assert [next(g), next(g)] == [0, 1]
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(g)
    assert list(g) == []


def test_body_begins_with_the_first_item_that_is_asked_for():
    @njit
    def gen(a):
        a[0] = 1
        yield 0
        a[0] = 2

    a = np.zeros(1)
    g = gen(a)
    assert a[0] == 0
    next(g)
    assert a[0] == 1
    assert list(g) == [] and a[0] == 2


def test_state_is_of_every_kind():
    @njit
    def gen(a, name, pair, items, x, flag, small):
        z = x * 1j
        rows = [np.full(2, 1.0)]
        for i in range(3):
            rows.append(rows[-1] + a[:2])
            name += "!"
            yield name, pair[1] + i, items[i], rows[i].sum(), z, flag, small
            small += small
            z *= 2
            flag = not flag

    def plain(a, name, pair, items, x, flag, small):
        z = x * 1j
        rows = [np.full(2, 1.0)]
        for i in range(3):
            rows.append(rows[-1] + a[:2])
            name += "!"
            yield name, pair[1] + i, items[i], rows[i].sum(), z, flag, small
            small += small
            z *= 2
            flag = not flag

    args = (np.arange(4.0), "né", (1, 2.5), ["a", "b", "c"], 2.0, True, 3)
    assert list(gen(*args)) == list(plain(*args))


def test_arguments_live_as_long_as_the_generator():
    @njit
    def gen(a):
        for x in a:
            yield x

    a = np.arange(100.0)
    before = sys.getrefcount(a)
    g = gen(a)
    assert sys.getrefcount(a) > before
    next(g)
    del g
    assert sys.getrefcount(a) == before


def test_yielded_views_keep_their_base():
    @njit
    def gen(n):
        a = np.arange(n * 2.0).reshape(n, 2)
        for row in a:
            yield row

    rows = list(gen(50))
    assert np.array_equal(np.array(rows), np.arange(100.0).reshape(50, 2))


def test_generator_outlives_its_function():
    def make():
        @njit
        def gen(n):
            for i in range(n):
                yield i * 2

        return gen(3)

    g = make()
    gc.collect()
    assert list(g) == [0, 2, 4]


def test_return_value_is_that_of_stop_iteration():
    @njit
    def gen(n):
        for i in range(n):
            yield i
        return n * 1.5

    g = gen(1)
    next(g)
    with pytest.raises(StopIteration) as caught:
        next(g)
    assert caught.value.value == 1.5


def test_exception_ends_the_generator_and_names_the_line():
    @njit
    def gen(n):
        for i in range(n):
            if i == 1:
                raise ValueError("one")
            yield i

    g = gen(3)
    assert next(g) == 0
    with pytest.raises(ValueError, match="one") as caught:
        next(g)
    assert caught.traceback[-1].name == "gen"
    assert list(g) == []


def test_stop_iteration_inside_is_a_runtime_error():
    @njit
    def gen():
        it = iter([1])
        while True:
            yield next(it)

    g = gen()
    assert next(g) == 1
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        next(g)

    @njit
    def f():
        s = 0
        for x in gen():
            s += x
        return s

    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        f()


def test_send():
    @njit
    def average():
        s, n, mean = 0.0, 0, 0.0
        while True:
            x = yield mean
            if x is not None:
                s += x
                n += 1
                mean = s / n

    g = average()
    with pytest.raises(TypeError, match="just-started"):
        g.send(1.0)
    assert next(g) == 0.0
    assert [g.send(10.0), g.send(20), next(g)] == [10.0, 15.0, 15.0]
    with pytest.raises(TypeError, match="cannot send"):
        g.send("text")


def test_what_nobody_looks_at_can_be_anything():
    g = count_up(3)
    next(g)
    assert g.send("ignored") == 1


def test_close_runs_what_is_due():
    @njit
    def gen(log):
        try:
            for i in range(10):
                yield i
        finally:
            log[0] += 1

    log = np.zeros(1)
    g = gen(log)
    next(g)
    g.close()
    assert log[0] == 1 and list(g) == []
    g.close()
    gen(log).close()
    assert log[0] == 1


def test_generator_that_ignores_being_closed():
    @njit
    def gen():
        while True:
            try:
                yield 1
            except Exception:
                yield 2

    g = gen()
    next(g)
    g.close()

    @njit
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            pass
        yield 2

    g = stubborn()
    next(g)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        g.close()


def test_one_object_for_a_generator():
    @njit
    def same_one(g):
        return g

    g = count_up(5)
    assert same_one(g) is g
    assert same_one(same_one(g)) is g
    assert next(g) == 0 and total(g) == 10 and list(g) == []


def test_generator_inside_a_generator_from_python():
    @njit
    def doubled(source):
        for x in source:
            yield 2 * x

    g = count_up(4)
    next(g)
    h = doubled(doubled(g))
    del g
    gc.collect()
    assert list(h) == [4, 8, 12]


def test_type():
    from ferdelance import typeof

    ty = typeof(count_up(3))
    assert isinstance(ty, types.Generator) and ty.yield_type == types.int64


def test_generators_of_one_type_share_compiled_code():
    @njit
    def other(n):
        yield n
        yield n

    assert total(count_up(3)) == 3 and total(other(4)) == 8
    assert sum(1 for s in total.signatures if isinstance(s[0], types.Generator)) == 1


# ---- generators in compiled code -----------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 5])
def test_loops(n):
    def f(n):
        def pairs(n):
            for i in range(n):
                for j in range(i):
                    yield i, j
                if i % 2:
                    continue
                yield i, -1
            else:
                yield -1, n

        out = [(0, 0)]
        for a, b in pairs(n):
            if a == 4:
                break
            out.append((a, b))
        else:
            out.append((7, 7))
        return out

    same(f, n)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_pipeline(n):
    def f(n):
        def numbers():
            for i in range(n):
                yield i

        def odd(source):
            for x in source:
                if x % 2:
                    yield x

        def running(source):
            s = 0
            for x in source:
                s += x
                yield s, x

        return [a * b for a, b in running(odd(numbers()))], sum(odd(numbers()))

    same(f, n)


def test_two_names_are_one_generator():
    def f():
        def gen():
            for i in range(6):
                yield i

        g = gen()
        h = g
        return next(g), next(h), next(g), [x for x in h], [x for x in g]

    got, want = njit(f)(), f()
    assert got[:4] == want[:4]


def test_generator_in_a_loop():
    def f(n):
        def gen(k):
            for i in range(k):
                yield i

        s = 0
        for k in range(n):
            g = gen(k)
            if k % 2:
                s += next(g)
            for x in g:
                s = s * 3 + x
        return s

    same(f, 7)


def test_one_of_two_generators():
    def f(flag, n):
        def up(n):
            for i in range(n):
                yield i

        def down(n):
            while n > 0:
                yield n
                n -= 1

        g = up(n) if flag else down(n)
        return list(g)

    same(f, True, 3)
    same(f, False, 3)


def test_generators_in_a_list():
    def f(n):
        def gen(k):
            i = 0
            while True:
                yield i * k
                i += 1

        all = [gen(k) for k in range(n)]
        s = 0
        for _ in range(4):
            for g in all:
                s = s * 7 + next(g)
        return s

    same(f, 3)


def test_zip_asks_none_after_the_first_that_is_finished():
    def f(n, m):
        def gen(k, step):
            for i in range(k):
                yield i * step

        a, b = gen(n, 1), gen(m, 10)
        out = [(0, 0, 0)]
        for (x, y), z in zip(zip(a, b), range(10)):
            out.append((x, y, z))
        return out, next(a, -1), next(b, -1)

    same(f, 3, 5)
    same(f, 5, 3)


def test_zip_reads_an_item_before_the_next_generator_takes_it_away():
    def dropped(items):
        for i in range(10):
            if len(items) > 0:
                items.pop()
            yield i

    def replaced(entries):
        for i in range(10):
            entries.pop(i)
            entries[i + 100] = "new"
            yield i

    def function():
        items = [str(i) * 30 for i in range(6)]
        pairs = [(x, i) for x, i in zip(items, dropped(items))]
        items = [str(i) * 30 for i in range(6)]
        triples = [(j, x, i) for (j, x), i in zip(enumerate(items), dropped(items))]
        entries = {i: "old" for i in range(6)}
        found = []
        for key, i in zip(entries, replaced(entries)):
            found.append((key, i))
            if len(found) == 2:
                break
        return pairs, triples, found

    expected = function()
    dropped, replaced = njit(dropped), njit(replaced)
    assert njit(function)() == expected


def test_zip_of_one_iterator_gives_pairs():
    def f(n):
        it = iter(range(n))
        return list(zip(it, it))

    same(f, 5)
    same(f, 6)


def test_yield_from():
    def f(n):
        def inner(k):
            for i in range(k):
                yield i
            return k * 100

        def outer():
            r = yield from inner(n)
            yield r
            yield from [7, 8]
            yield from range(2)
            yield from (i * i for i in range(3))

        return list(outer())

    same(f, 0)
    same(f, 3)


def test_recursion():
    @njit
    def tree(lo, hi):
        if lo < hi:
            mid = (lo + hi) // 2
            yield from tree(lo, mid)
            yield mid
            yield from tree(mid + 1, hi)

    assert list(tree(0, 20)) == list(range(20))


def test_endless_recursion_is_a_recursion_error():
    @njit
    def gen(n):
        yield from gen(n + 1)
        yield n

    with pytest.raises(RecursionError):
        next(gen(0))


def test_send_and_close_in_compiled_code():
    @njit
    def echo(scale):
        x = 0
        try:
            while True:
                y = yield x
                if y is None:
                    x = -1
                else:
                    x = y * 10
        finally:
            scale[0] = 0

    @njit
    def f(values):
        scale = np.ones(1)
        g = echo(scale)
        out = [next(g)]
        for v in values:
            out.append(g.send(v))
        g.close()
        return out, next(g, -5), scale[0]

    assert f([3, 4]) == ([0, 30, 40], -5, 0.0)


def test_try_around_yields():
    def f(n):
        def gen(n):
            for i in range(n):
                try:
                    if i % 2:
                        raise ValueError("odd")
                    yield i
                except ValueError:
                    yield -i
                else:
                    yield 100 + i

        return list(gen(n))

    same(f, 4)


def test_exception_inside_is_caught_outside():
    @njit
    def gen(n):
        for i in range(n):
            if i == 2:
                raise ValueError("two")
            yield i

    @njit
    def f(n):
        g = gen(n)
        s = 0
        try:
            for x in g:
                s += x
        except ValueError:
            s += 100
        return s, next(g, -1)

    assert f(2) == (1, -1) and f(5) == (101, -1)


# ---- iter and next -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.arange(4.0),
        np.arange(4.0)[::-1],
        [1, 2, 3],
        ["a", "b"],
        (1, 2, 3),
        range(2, 9, 3),
        "né",
        [(1, 2.5)],
    ],
    ids=repr,
)
def test_iter_and_next(values):
    @njit
    def f(values):
        it = iter(values)
        first = next(it)
        rest = [x for x in it]
        return first, len(rest), next(it, first)

    items = list(values)
    assert f(values) == (items[0], len(items) - 1, items[0])


def test_iterators_go_on_where_they_were():
    def f(n):
        out = [0]
        for make in range(3):
            e = enumerate([5, 6, 7, 8])
            if make > 0:
                out.append(next(e)[1])
            for i, x in e:
                out.append(i * x)
                if i == make:
                    break
            for _, x in e:
                out.append(-x)
        return out

    same(f, 0)


def test_next_of_builtin_iterators():
    def f(a):
        z, r = zip(a, a), reversed(a)
        return next(z), next(z), next(r), next(r), next(zip(a, "xyz")), next(enumerate(a, 5))

    same(f, [1, 2, 3])


def test_stop_iteration_is_raised():
    def f(n):
        it = iter(range(n))
        s = 0
        try:
            while True:
                s = s * 10 + next(it)
        except StopIteration:
            s = -s
        return s, next(it, 7)

    same(f, 4)
    same(f, 0)

    @njit
    def g():
        return next(iter([1][:0]))

    with pytest.raises(StopIteration):
        g()


def test_iterators_pass_through_functions():
    @njit
    def skip(it, n):
        for _ in range(n):
            next(it)
        return it

    @njit
    def f(a):
        it = skip(iter(a), 2)
        return next(it), total(it)

    assert f([1, 2, 3, 4, 5]) == (3, 9)
    assert f(np.arange(5)) == (2, 7)


def test_iterators_come_out_to_python():
    @njit
    def f(a):
        return iter(a)

    assert list(f([1, 2, 3])) == [1, 2, 3]
    assert list(f("abc")) == ["a", "b", "c"]


# ---- generator expressions -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5])
def test_generator_expressions_in_calls(n):
    def f(n, a):
        m = n
        m += 1
        return (
            sum(i * i for i in range(m)),
            sum((x for x in a if x > 1), 0.5),
            min(x * x - 3 for x in a),
            max((-i for i in range(n)), default=5),
            max((i for i in range(0)), default=-1),
            any(x > 3 for x in a),
            all(i < n for i in range(n)),
            list(i * j for i in range(n) for j in range(i) if i != j),
            sorted(-x for x in a),
            [i + x for i, x in zip((k * 2 for k in range(n)), (x for x in a))],
            [i * x for i, x in enumerate(x + 1 for x in a)],
        )

    same(f, n, [0.5, 2.0, 4.0])


def test_keys_and_defaults_of_extremes():
    def f(a):
        return (
            min(a, key=lambda x: -x),
            max(a, key=lambda x: x % 3),
            max((x for x in a), key=lambda x: x % 3),
            min((x for x in a if x > 100), default=0),
            max((x for x in a if x > 100), key=lambda x: x, default=0),
        )

    same(f, [4, 8, 1, 5])


def test_empty_extreme():
    @njit
    def f(n):
        return max(i for i in range(n))

    assert f(3) == 2
    with pytest.raises(ValueError, match="empty"):
        f(0)


def test_fromiter():
    @njit
    def f(n):
        return np.fromiter((i * 0.5 for i in range(n)), np.float64, n)

    assert f(4).tolist() == [0.0, 0.5, 1.0, 1.5]


def test_first_iterable_is_evaluated_at_once_and_the_rest_late():
    def f():
        a = [1, 2]
        k = 1
        g = (x * k for x in a)
        k = 10
        a = [5]
        return list(g), a, k

    same(f)


# ---- nothing leaks -------------------------------------------------------------------------------


@njit
def full(n, a, name):
    items = [name]
    for i in range(n):
        b = a + i
        items.append(name + str(i))
        if i == 5:
            raise ValueError(name)
        yield b, items[-1], items


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 6, 7])
def test_nothing_leaks_from_generators_of_python(steps):
    before = live()
    for n in (4, 8):
        g = full(n, np.arange(3.0), "x")
        try:
            for _ in range(steps):
                next(g)
        except (StopIteration, ValueError):
            pass
        del g
    assert live() == before


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 6, 7])
def test_nothing_leaks_in_compiled_code(steps):
    @njit
    def in_values(n, steps, a, name):
        s = 0.0
        k = 0
        for b, text, items in full(n, a, name):
            if k == steps:
                break
            s += b.sum() + len(text) + len(items)
            k += 1
        return s

    @njit
    def in_objects(n, steps, a, name):
        gs = [full(n, a, name), full(n, a, name + "y")]
        s = 0.0
        for _ in range(steps):
            for g in gs:
                b, text, items = next(g)
                s += b.sum() + len(text) + len(items)
        return s

    before = live()
    for f, n in itertools.product((in_values, in_objects), (4, 8)):
        try:
            f(n, steps, np.arange(3.0), "x")
        except (StopIteration, ValueError):
            pass
    assert live() == before


def test_generators_consumed_at_once_are_no_objects():
    @njit
    def f(n):
        s = sum(i * i for i in range(n))
        for x in count_up(n):
            s += x
        it = iter(range(n))
        return s + next(it) + next(it)

    f(3)
    before = runtime_stats()["object_alloc"]
    assert f(10) == 285 + 45 + 1
    assert runtime_stats()["object_alloc"] == before


def test_yield_while_an_exception_is_kept():
    @njit
    def gen():
        try:
            yield 1
        finally:
            yield 2

    with pytest.raises(UnsupportedError, match="while an exception waits"):
        list(gen())


# ---- refusals ------------------------------------------------------------------------------------


def test_yields_that_do_not_unify():
    @njit
    def gen(n):
        yield n
        yield "text"

    with pytest.raises(
        TypingError, match="cannot unify int64 and unicode_type for what `gen` yields"
    ):
        gen(1)


def test_next_of_what_is_no_iterator():
    @njit
    def f(a):
        return next(a)

    with pytest.raises(TypingError, match="takes an iterator"):
        f([1])


def test_walrus_in_a_generator_expression():
    @njit
    def f(n):
        return sum((k := i) for i in range(n))  # noqa: F841

    with pytest.raises(UnsupportedError, match="`:=` in a generator expression"):
        f(1)


def test_generator_that_shares_a_variable_does_not_get_out():
    @njit
    def f(n):
        k = n
        g = (i + k for i in range(n))
        k += 1
        return g

    with pytest.raises(UnsupportedError, match="reads a variable"):
        f(1)
