"""Sets: against CPython, what the caller sees, memory."""

import copy

import numpy as np
import pytest
from conftest import live
from ferdelance import njit
from ferdelance.errors import TypingError


def outcome(function, arguments):
    try:
        return function(*arguments)
    except Exception as e:
        return type(e), e.args


def check(function, *arguments):
    """The function does to equal arguments what CPython does."""
    mine, theirs = copy.deepcopy(arguments), copy.deepcopy(arguments)
    wanted = outcome(function, theirs)
    assert outcome(njit(function), mine) == wanted
    assert mine == theirs


PAIRS = [({1, 2, 3}, {2, 3, 4}), ({1}, {2}), ({1, 2}, {1, 2, 3}), ({1, 2}, {1, 2}), ({"a"}, {"b"})]


@pytest.mark.parametrize("a,b", PAIRS, ids=repr)
def test_algebra(a, b):
    def operators(a, b):
        return (a | b, a & b, a - b, a ^ b), (a < b, a <= b, a > b, a >= b, a == b, a != b)

    def methods(a, b):
        return (
            (a.union(b), a.intersection(b), a.difference(b), a.symmetric_difference(b)),
            (a.issubset(b), a.issuperset(b), a.isdisjoint(b)),
            (a.union(), a.union(b, [*a], [*b]), a.intersection([*b]), a.difference([*b], b)),
            (a.issubset([*b]), a.issuperset([*b]), a.isdisjoint([*b])),
        )

    def in_place(a, b):
        c, d, e, f = a.copy(), a.copy(), a.copy(), a.copy()
        c |= b
        d &= b
        e -= b
        f ^= b
        return c, d, e, f

    def updates(a, b):
        c, d, e, f = a.copy(), a.copy(), a.copy(), a.copy()
        c.update(b, [*a])
        d.intersection_update(b)
        e.difference_update([*b])
        f.symmetric_difference_update([*b, *b])
        return c, d, e, f

    for function in (operators, methods, in_place, updates):
        check(function, a, b)


def test_a_set_and_itself():
    def f(a):
        b, c, d, e = a.copy(), a.copy(), a.copy(), a.copy()
        b |= b
        c &= c
        d -= d
        e ^= e
        return b, c, d, e, a.issubset(a), a < a

    check(f, {1, 2, 3})


def test_adding_and_taking():
    def f(s, x, y):
        s.add(x)
        s.add(x)
        s.discard(y)
        n = len(s)
        s.remove(x)
        return n, x in s, x not in s, len(s), bool(s)

    check(f, {1, 2}, 7, 1)
    check(f, {"a"}, "b", "c")
    check(f, {(1, "a")}, (2, "b"), (1, "a"))
    check(f, {0.5}, 1.5, 7.5)


def test_missing_items_raise():
    def remove(s, x):
        s.remove(x)

    def pop(s, x):
        s.clear()
        s.pop()

    check(remove, {1}, 5)
    check(remove, {"a"}, "b")
    check(pop, {1}, 1)


def test_pop_takes_all_in_the_end():
    @njit
    def f(n):
        s = set(range(n))
        t = 0
        while s:
            t += s.pop()
        return t, len(s)

    assert f(100) == (4950, 0)


def test_making_sets():
    def f(items, text):
        s = set()
        for x in items:
            s.add(x % 3)
        return (
            (s, set(items), set(range(4)), set(text), {*items, 100}, set(s)),
            ({x * 2 for x in items if x > 1}, {(x, str(x)) for x in items}, set((1, 2, 1))),
            len({x: 1 for x in items}.keys() & s),
        )

    check(f, [1, 2, 3, 2, 1], "hello")


def test_arrays_of_everything():
    for array in (np.array([1.5, 2, 1.5]), np.array(["a", "b", "a"]), np.arange(5, dtype="u1")):
        f = njit(lambda a: sorted(set(a)))
        assert f(array) == sorted(set(array.tolist()))


def test_iterating():
    def f(s):
        t = 0
        for x in s:
            t += x
        return t, sum(s), max(s), min(s), sorted(s), len(list(s)), sum([i for i, _ in enumerate(s)])

    def changed(s):
        for x in s:
            s.add(x + 100)

    check(f, {3, 1, 2})
    check(changed, {3, 1, 2})


def test_order_is_that_of_insertion():
    assert njit(lambda: [x for x in {5, 3, 9}])() == [5, 3, 9]


def test_frozen_sets():
    def f(s, b):
        f = frozenset(s)
        g = f
        g |= {7}
        return (
            (f, g, f == s, f | b, b | f, f & b, f - b, f ^ b, f < b, len(f), 1 in f, f.copy()),
            (f.union(b), f.intersection(b, [3]), f.difference(b), f.symmetric_difference(b)),
            (isinstance(f, frozenset), isinstance(f, set), [x for x in f]),
        )

    def keys(x, y):
        d = {frozenset(x): 1}
        d[frozenset(y)] = 2
        return d, frozenset(x) in d, {frozenset(x), frozenset(y)}

    def found(sets, s):
        return s in sets, len(sets), sorted([len(x) for x in sets])

    check(f, {1, 2, 3}, {3, 4})
    check(keys, [1, 2, 3], [3, 2, 1, 1])
    check(keys, ["a", "b"], ["b"])
    check(found, {frozenset({1}), frozenset({2, 3})}, frozenset({3, 2}))
    check(found, {frozenset({"a", "b"})}, frozenset({"c"}))
    with pytest.raises(TypingError, match="no attribute `add`"):
        njit(lambda s: s.add(1))(frozenset({1}))


def test_printing(capfd):
    @njit
    def f(s):
        s.clear()
        print({1}, {"a"}, {(1, 0.5)}, s, frozenset([1]))

    f({1})
    assert capfd.readouterr().out == "{1} {'a'} {(1, 0.5)} set() frozenset({1})\n"


def test_errors():
    with pytest.raises(TypingError, match="unhashable type"):
        njit(lambda n: {[n]})(1)
    with pytest.raises(TypingError, match="the set has items of type int64"):

        @njit
        def f(s):
            s.add("x")

        f({1})
    with pytest.raises(TypingError, match=r"no operator `\|`"):
        njit(lambda s: s | [1])({1})
    with pytest.raises(TypingError, match="nothing is ever put into it"):
        njit(lambda: len(set()))()
    with pytest.raises(TypeError, match="heterogeneous set"):
        njit(lambda s: len(s))({1, "a"})


def test_arguments_are_changed_and_come_back():
    @njit
    def f(s, fail):
        s.add(5)
        s.discard(1)
        if fail:
            raise ValueError("no")
        return s

    x = {1}
    assert f(x, False) is x and x == {5}
    with pytest.raises(ValueError, match="no"):
        f({1, 2}, True)
    nested = [{1, 2}, set()]
    njit(lambda x: x[1].add(3))(nested)
    assert nested == [{1, 2}, {3}]


def use_everything(s, n):
    made = {str(i) for i in range(n)}
    made.add("x" + str(n))
    made |= s
    both = made & s
    made -= both
    copied = made.copy()
    taken = [x for x in made if x != "0"]
    made.discard("1")
    made.symmetric_difference_update(taken)
    if n > 5:
        raise KeyError(made.pop())
    return copied, sorted(taken), made, both, copied == made


def test_nothing_leaks():
    compiled = njit(use_everything)
    check(use_everything, {"a", "0"}, 4)
    for n in (4, 6):
        outcome(compiled, ({"a", "0"}, n))
        before = live()
        for _ in range(20):
            outcome(compiled, ({"a", "0"}, n))
        assert live() == before
