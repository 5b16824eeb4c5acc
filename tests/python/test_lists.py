"""Lists: what goes in and out, what the caller sees, memory, and what inference says of items."""

import ferdelance as fd
import numpy as np
import pytest
from conftest import live
from ferdelance import njit
from ferdelance.errors import TypingError


def check(function, *arguments):
    """The function does to equal arguments what CPython does."""
    import copy

    mine, theirs = copy.deepcopy(arguments), copy.deepcopy(arguments)
    wanted = function(*theirs)
    assert njit(function)(*mine) == wanted
    assert mine == theirs


# ---- the boundary -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        [1, -2],
        [2**63, 2**64 - 1],
        [0.5, float("inf")],
        [True, False],
        [1 + 2j],
        ["", "x", "αβγ", "\U0001f40d"],
        [(1, 0.5), (2, 1.5)],
        [(1, ("a", True))],
        [[1], [], [2, 3]],
        [[["deep"]], []],
        [None, None],
        [1, None, 3],
        [None, "x"],
        [[1], None, []],
    ],
    ids=repr,
)
def test_lists_come_back_as_themselves(items):
    assert njit(lambda x: x)(items) is items
    copied = njit(lambda x: x[:])(items)
    assert copied == items and copied is not items
    assert [type(x) for x in copied] == [type(x) for x in items]


@pytest.mark.parametrize("cls", [np.int8, np.uint8, np.int32, np.uint64, np.float32, np.complex64])
def test_numpy_scalars(cls):
    items = [cls(1), cls(100)]
    assert njit(lambda x: [x[1], x[0]])(items) == [100, 1]


def test_arrays_in_a_list_are_shared():
    arrays = [np.arange(3.0), np.ones(2)]

    @njit
    def f(items):
        items[0][1] = 7.0
        items.append(items[0])
        items.pop(0)

    first = arrays[0]
    f(arrays)
    assert first[1] == 7 and len(arrays) == 2 and arrays[1] is first


def test_changes_are_seen_also_after_an_exception():
    @njit
    def f(items, fail):
        items.append(1)
        if fail:
            raise ValueError("no")

    x = [0]
    with pytest.raises(ValueError, match="no"):
        f(x, True)
    assert x == [0, 1]


def test_an_unchanged_list_is_left_alone():
    big = [10**6 + i for i in range(5)]
    ids = [id(x) for x in big]
    njit(lambda x: sum(x))(big)
    assert [id(x) for x in big] == ids


def test_inner_lists_stay_the_same_objects():
    @njit
    def f(rows):
        rows[0].append(5)
        rows.append([9])
        rows[1], rows[0] = rows[0], rows[1]

    rows = [[1], [2]]
    first, second = rows
    f(rows)
    assert rows == [[2], [1, 5], [9]] and rows[0] is second and rows[1] is first


def test_mixed_and_empty_lists_have_no_type():
    f = njit(lambda x: len(x))
    for mixed in ([1, "a"], [1, 2.5], [1, None, "a"], [[1], 2], [True, 1]):
        with pytest.raises(TypeError, match="one type|heterogeneous"):
            f(mixed)
    with pytest.raises(ValueError, match="empty list"):
        f([])
    assert f([1]) == 1
    # Once there is code for lists, an empty one may have its items' type.
    assert f([]) == 0


def test_explicit_signatures():
    f = njit(fd.int64(fd.types.List(fd.int64, reflected=True)))(lambda x: x[0])
    assert f([3]) == 3
    with pytest.raises(TypeError):
        f([0.5])


# ---- inference ----------------------------------------------------------------------------------


def test_items_get_what_is_put_in_later():
    def f(n):
        out, names, rows = [], [], []
        zeros = [0] * n
        for i in range(n):
            out.append(i)
            row = []
            row.append(i)
            rows.append(row)
            names.append(("x", i))
            zeros[i] += 0.5
        out.append(2.5)
        rows[0] = [0.5]
        return out, names, zeros

    @njit
    def g(n):
        out, zeros = [], [0] * n
        for i in range(n):
            out.append(i)
            zeros[i] += 0.5
        out.append(2.5)
        return out, zeros

    out, zeros = g(2)
    assert out == [0, 1, 2.5] and zeros == [0.5, 0.5]
    with pytest.raises(TypingError, match="setitem"):
        njit(f)(2)


def test_lists_that_meet_have_one_type():
    def f(flag):
        a = [1]
        b = [0.5]
        c = a if flag else b
        c.append(2)
        return a, b, c is a

    check(f, True)
    check(f, False)


def test_a_recursive_function_may_return_lists():
    @njit
    def f(n):
        out = []
        if n > 0:
            for x in f(n - 1):
                out.append(x + 1)
        out.append(0)
        return out

    assert f(3) == [3, 2, 1, 0]


def test_what_cannot_be_typed_says_so():
    def never_filled():
        x = []
        return len(x)

    def endless():
        x = []
        x.append(x)
        return len(x)

    def text_too():
        x = [1]
        x.append("text")
        return x

    with pytest.raises(TypingError, match="undefined"):
        njit(never_filled)()
    with pytest.raises(TypingError, match="settle"):
        njit(endless)()
    with pytest.raises(TypingError, match="append"):
        njit(text_too)()


# ---- behaviour ----------------------------------------------------------------------------------


def test_starred_targets():
    def f(items, t):
        a, *b = items
        *c, d = items
        e, *g, h = t
        return a, b, c, d, e, g, h

    check(f, [1, 2, 3], (1, 2.5, 3.5, "x"))
    with pytest.raises(ValueError, match="at least 3"):

        @njit
        def g(items):
            a, *b, c, d = items
            return a + c + d + len(b)

        g([1, 2])


def test_slices_of_the_list_itself():
    def f(items):
        items[1:2] = items
        items[::-1] = items
        items[2:2] = items[:1]
        del items[::3]
        items += items
        items *= 2
        return items

    check(f, [1, 2, 3])
    check(f, ["a", "b", "c"])
    check(f, [[1], [2], [3]])


def test_shrinking_while_iterating():
    def f(items):
        seen = []
        for x in reversed(items):
            seen.append(x)
            items.pop()
            items.pop()
        for x in items:
            seen.append(x)
            items.clear()
        return seen

    check(f, list(range(9)))


def test_sorting_is_stable_in_all_forms():
    def f(items):
        a = sorted(items, key=lambda p: p[0])
        b = sorted(items, key=lambda p: p[0], reverse=True)
        c = sorted(items)
        d = sorted(items, reverse=True)
        return a, b, c, d

    check(f, [(i * 7 % 3, i) for i in range(50)])


def test_a_sequence_of_optional_items():
    def f(n):
        out = [None if i % 2 else i for i in range(n)]
        out.append(None)
        return out, [x is None for x in out]

    check(f, 5)


# ---- memory -------------------------------------------------------------------------------------


@njit
def exercise(n, rows, fail):
    text = "ab" * n
    parts = [text[i : i + 2] for i in range(n)]
    table = [(p, np.full(2, 0.5), [p]) for p in parts]
    for i in range(len(rows)):
        rows[i][0] += rows[i - 1][0]
        row = rows[i]
        row.append(i)
        row = rows[-1]
    rows.append([n])
    parts[0] = parts[1]
    parts.insert(1, text)
    last = table.pop()
    first = table.pop(0)
    table[0] = last
    del table[1:3]
    table.extend([first])
    table *= 2
    name, array, names = table[0]
    names.append(name)
    parts.sort()
    parts.remove(text)
    parts[1:2] = [text, name]
    joined = parts + names
    head, *rest = joined
    if fail == 1:
        raise ValueError(head)
    if fail == 2:
        return rest[n * 100]
    if fail == 3:
        return joined[joined.index("not there")]
    if fail == 4:
        return rest.pop(n * 100)
    try:
        rest.remove("nowhere")
    except ValueError:
        rest.append("caught")
    return rest[-1]


def test_nothing_is_left_behind():
    exercise(6, [[1], [2]], 0)
    for fail in (1, 2, 3, 4):
        with pytest.raises((ValueError, IndexError)):
            exercise(6, [[1], [2]], fail)
    before = live()
    for _ in range(20):
        assert exercise(6, [[1], [2]], 0) == "caught"
        for fail in (1, 2, 3, 4):
            with pytest.raises((ValueError, IndexError)):
                exercise(6, [[1], [2]], fail)
    assert live() == before


def test_results_and_arguments_leave_nothing_behind():
    @njit
    def f(items, arrays):
        items.append([items[0][0] + "!"])
        arrays[0], arrays[1] = arrays[1], np.zeros(3)
        return items, arrays[0], [arrays[1]], [items[0]] * 3

    f([["a"]], [np.ones(2), np.ones(2)])
    before = live()
    for _ in range(20):
        items = [["a"]]
        result = f(items, [np.ones(2), np.ones(2)])
        assert result[0] is items and result[3][0] is items[0]
        del result
    assert live() == before


def test_an_item_outlives_its_list():
    @njit
    def f(n):
        rows = [[i, i + 1] for i in range(n)]
        kept = rows[0]
        rows.clear()
        other = rows.copy()
        other.append([5])
        x = other[0]
        other[0] = kept
        return kept, x, len(rows)

    assert f(3) == ([0, 1], [5], 0)


def test_lists_are_printed(capsys):
    @njit
    def f(items, text):
        print(items, [text], [[1], [2, 3]], [(1, "a")], [text][:0])

    f([1, 2], "x")
    assert capsys.readouterr().out == "[1, 2] ['x'] [[1], [2, 3]] [(1, 'a')] []\n"


def test_a_list_may_be_absent():
    @njit
    def f(items, flag):
        x = items if flag else None
        if x:
            return len(x)
        return -1

    assert [f([1, 2], True), f([], True), f([1], False)] == [2, -1, -1]
