"""Dicts: against CPython, what the caller sees, memory, what inference says of keys and values."""

import copy

import numpy as np
import pytest
from conftest import live
from ferdelance import _core, njit
from ferdelance.errors import TypingError


def outcome(function, arguments):
    try:
        return function(*arguments)
    except Exception as e:
        return type(e), e.args


def check(function, *arguments):
    """The function does to equal arguments what CPython does, order and exceptions included."""
    mine, theirs = copy.deepcopy(arguments), copy.deepcopy(arguments)
    wanted = outcome(function, theirs)
    assert repr(outcome(njit(function), mine)) == repr(wanted)
    assert repr(mine) == repr(theirs)


# ---- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        [1, -1, 0, 2**62, -(2**63)],
        [2**63, 2**64 - 1],
        [True, False],
        [0.5, -0.0, float("inf"), 1e300, 5e-324],
        [1j, 0j, 1 - 2j],
        ["", "a", "é", "日", "\U0001f40d"],
        [b"", b"a", b"ab"],
        [(1, 2), (2, 1), (1, 1)],
        [(1, "a", 0.5), (1, "b", 0.5)],
        [((1, 2), ("x",)), ((1, 2), ("y",))],
    ],
    ids=repr,
)
def test_keys_of_every_kind(keys):
    def f(keys, other):
        d = {}
        for i in range(len(keys)):
            d[keys[i]] = i
        e = d.copy()
        del e[keys[0]]
        return d, e, keys[0] in d, keys[0] in e, other in d, d[keys[1]]

    check(f, keys, keys[-1])


def test_keys_from_python_are_found_by_compiled_code_and_the_other_way_round():
    for d in ({1: 0.5, -3: 1.5}, {0.25: "x"}, {"k": (1, 2)}, {(1, "a"): 3}, {2j: 1}, {b"ab": 1}):
        find = njit(lambda d, k: (d[k], k in d))
        for key, value in d.items():
            assert find(d, key) == (value, True)
        back = njit(lambda d: {k: v for k, v in d.items()})(d)
        assert back == d and list(back) == list(d)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int32, np.uint64, np.float32, np.complex64]
)
def test_numpy_keys(dtype):
    array = np.array([100, 1, 100, 7], dtype)

    @njit
    def f(a):
        d = {}
        for x in a:
            d[x] = d.get(x, 0) + 1
        return d

    assert f(array) == {100: 2, 1: 1, 7: 1}
    assert njit(lambda d, x: d[x])({dtype(3): 4}, dtype(3)) == 4


def test_texts_and_dates_of_arrays_as_keys():
    def count(a):
        d = {}
        for x in a:
            d[x] = d.get(x, 0) + 1
        return list(d.values())

    for array in (np.array(["a", "bc", "a"]), np.array(["2020-01-01", "2021"] * 2, "M8[D]")):
        assert njit(count)(array) == count(array)


def test_equal_keys_are_one():
    def f(zero, one):
        d = {zero: 1}
        d[-zero] = 2
        e = {one: "x", 2: "y"}
        return d, 0 in d, 1.0 in e, 1.5 in e, True in e, e[1.0], e.get(2.5, "none")

    check(f, 0.0, 1)


def test_nan_is_no_key_that_can_be_found():
    @njit
    def f(x):
        d = {x: 1}
        d[x] = 2
        return len(d), x in d

    assert f(float("nan")) == (2, False)


def test_none_and_optional_keys():
    def f(n):
        x = None if n > 3 else n
        d = {None: "none"}
        d[n] = "n"
        return d.get(x), x in d, None in d, n in d, n + 1 in d, d[None], len(d)

    check(f, 2)
    check(f, 5)


def test_what_is_unhashable_or_of_another_type_is_an_error_at_the_line():
    with pytest.raises(TypingError, match=r"unhashable type.*list"):
        njit(lambda n: {[n]: 1})(1)
    with pytest.raises(TypingError, match=r"cannot be a key of dict\(int64, int64\)"):
        njit(lambda d: d["x"])({1: 2})
    with pytest.raises(
        TypingError, match="the dict has keys of type int64 and values of type int64"
    ):

        @njit
        def f(d):
            d["x"] = 1

        f({1: 2})
    with pytest.raises(TypingError, match="nothing is ever put into it"):
        njit(lambda: len({}))()


# ---- operations --------------------------------------------------------------------------------


def test_reading_and_writing():
    def f(d, k):
        d[k] = d.get(k, 10) + 1
        d["z"] = 5
        a = d.setdefault(k, 100), d.setdefault("new", 7)
        b = d.pop("z"), d.pop("z", -1), d.pop(k, None), d.get(k), d.get("new")
        return a, b, d.popitem(), len(d), bool(d), "new" in d, k not in d

    check(f, {"a": 1, "b": 2}, "a")
    check(f, {"a": 1, "b": 2}, "c")


@pytest.mark.parametrize("key", [9, -1])
def test_missing_keys_raise_with_the_key(key):
    def get(d, k):
        return d[k]

    def delete(d, k):
        d[1] = 0
        del d[k]

    def pop(d, k):
        return d.pop(k)

    def popitem(d, k):
        d.clear()
        return d.popitem()

    for f in (get, delete, pop, popitem):
        check(f, {1: 2, 3: 4}, key)
    check(get, {"a": 1}, "b")
    check(get, {(1, "a"): 1}, (1, "b"))
    check(get, {0.5: 1}, 1.5)
    check(get, {True: 1}, False)


def test_a_caught_key_error():
    def f(d, k):
        try:
            return d[k]
        except KeyError:
            return -1

    check(f, {1: 2}, 1)
    check(f, {1: 2}, 5)


def test_views():
    def f(d):
        return (
            (list(d), list(d.keys()), list(d.values()), list(d.items())),
            (len(d.keys()), len(d.values()), len(d.items())),
            (3 in d.keys(), 9 in d.values(), (3, 9) in d.items(), (3, 8) in d.items()),
            (sum(d.values()), max(d), min(d.values()), max(d, key=d.get), sorted(d)),
            (sorted(d.items(), reverse=True), list(reversed(d)), list(reversed(d.items()))),
            (list(enumerate(d)), list(zip(d, d.values())), [k for k in d.keys()]),  # noqa: B905
            (sum(v for v in d.values() if v % 2), [k for k in d]),
            (sorted(d.keys() & {1, 2}), sorted(d.keys() | {77}), d.keys() == {3}),
        )

    check(f, {3: 9, 1: 1, 2: 4, 5: 25})


def test_making_dicts():
    def f(pairs, keys, values):
        a = dict(pairs)
        b = dict(zip(keys, values))  # noqa: B905
        c = dict(b)
        c[9] = 0.5
        return (
            (a, b, c, {**b, **c, 10: 1.0}, dict(x=1, y=2)),
            (dict.fromkeys(keys), dict.fromkeys("ab", 1), dict.fromkeys((1, 2), 0.5)),
            {k: v for k, v in pairs if v > 1},
            {i: {j: i * j for j in range(2)} for i in range(2)},
        )

    check(f, [("a", 1), ("b", 2), ("a", 3)], [1, 2], [0.5, 1.5])


def test_updates():
    def f(d, e):
        m = d | e
        d.update(e)
        d.update([("p", 5), ("q", 6)])
        d.update(zip(["r"], [7]))  # noqa: B905
        d.update(s=8, t=9)
        d |= {"u": 10}
        d.update(d)
        d |= d
        return m, d, d == m, m == d | m, m != e

    check(f, {"a": 1}, {"b": 2, "a": 3})


def test_copies_are_independent():
    def f(d):
        c = d.copy()
        c[7] = 7
        d.clear()
        return c, d, len(d), not d

    check(f, {1: 2, 3: 4})


def test_order_survives_removal_and_growth():
    def f(n):
        d = {}
        for i in range(n):
            d[i * 7919 % 1009] = i
            if i % 3 == 0:
                del d[i * 7919 % 1009]
            if i % 5 == 0:
                d[i // 2] = -i
        while len(d) > n // 2:
            d.popitem()
        return d, list(reversed(d))

    check(f, 1000)
    check(f, 7)


def test_a_queue_does_not_grow():
    def f(n):
        d = {0: 0}
        for i in range(1, n):
            d[i] = i
            del d[i - 1]
        return d

    njit(f)(10)
    before = _core.runtime_stats()["live_bytes"]
    assert njit(f)(100_000) == {99_999: 99_999}
    assert _core.runtime_stats()["live_bytes"] == before


def test_changing_the_size_while_iterating_raises():
    def add(d):
        for k in d:
            d[k + 100] = 1

    def remove(d):
        for k, _ in d.items():
            del d[k]

    def clear(d):
        for _ in d.values():
            d.clear()

    def reverse(d):
        for k in reversed(d):
            d[k + 100] = 1

    def late(d):
        for k in d:
            if k == 5:
                d[k + 100] = 1

    def stop(d):
        for k in d:
            d[k + 100] = 1
            break
        return d

    def values(d):
        for k in d:
            d[k] = d[k] * 2
        return d

    for f in (add, remove, clear, reverse, late, stop, values):
        check(f, {1: 2, 3: 4, 5: 6})


def test_printing(capfd):
    @njit
    def f(d, e):
        e.clear()
        print(d, {(1, "x"): [0.5]}, {1: {"a": True}}, e)

    f({"it's": 1}, {1: 2})
    assert capfd.readouterr().out == """{"it's": 1} {(1, 'x'): [0.5]} {1: {'a': True}} {}\n"""


def operate(steps, keys):
    """Does what the steps say to a dict and a set, and tells what it sees."""
    d = {keys[0]: 0}
    s = {keys[0]}
    log = [0]
    for step, at, value in steps:
        k = keys[at]
        if step == 0:
            d[k] = value
            s.add(k)
        elif step == 1:
            d[k] = d.get(k, 0) + value
        elif step == 2:
            log.append(d.pop(k, -1))
            s.discard(k)
        elif step == 3 and k in d:
            del d[k]
        elif step == 4 and len(d) > 0:
            log.append(d.popitem()[1])
        elif step == 5:
            log.append(d.setdefault(k, value))
        elif step == 6 and value == 0:
            d.clear()
        elif step == 7:
            d = d.copy()
            s ^= {k, keys[value]}
        elif step == 8:
            d.update({k: value, keys[value]: at})
            s = s | {keys[value]}
        log.append(len(d) * 1000 + len(s))
        log.append(sum(d.values()))
    return d, sorted(s), log, list(reversed(d.items()))


@pytest.mark.parametrize("seed", range(4))
def test_random_operations(seed):
    random = np.random.default_rng(seed)
    count = [5, 20, 60, 200][seed]
    steps = [
        (int(random.integers(9)), int(random.integers(count)), int(random.integers(5)))
        for _ in range(2000)
    ]
    numbers = [int(n) for n in random.integers(-(2**62), 2**62, count)]
    for keys in (
        list(range(count)),
        numbers,
        [n << 40 for n in range(count)],
        [n / 3 for n in numbers],
        [str(n) for n in numbers],
        [(n % 3, str(n)) for n in numbers],
    ):
        before = live()
        check(operate, steps, keys)
        assert live() == before


# ---- inference ---------------------------------------------------------------------------------


def test_what_is_put_in_decides():
    def grouped(words):
        by_length = {}
        for word in words:
            by_length.setdefault(len(word), []).append(word)
        return by_length

    def nested(n):
        table = {}
        for i in range(n):
            if i % 3 not in table:
                table[i % 3] = {}
            table[i % 3][i] = i * 0.5
        return table

    def counted(words):
        count = {}
        for word in words:
            count[word] = count.get(word, 0) + 1
        return count

    def inverse(d):
        out = dict()
        for k, v in d.items():
            out[v] = k
        return out

    words = ["a", "bc", "d", "a", "efg"]
    check(grouped, words)
    check(counted, words)
    check(nested, 7)
    check(inverse, {1: "x", 2: "y"})


def test_numbers_become_wide_enough():
    @njit
    def f(n):
        d = {1: 2}
        d[n] = n * 0.5
        e = {1: 2}
        e[n * 0.5] = 3
        return d, e

    d, e = f(3)
    assert d == {1: 2.0, 3: 1.5} and e == {1.0: 2, 1.5: 3}


def test_values_of_different_types_under_known_keys():
    def f(n):
        d = {"name": "x", "count": n, "ratio": 0.5, "list": [n]}
        e = d
        e["count"] += 1
        d["list"].append(2)
        d["name"] = "y" + str(n)
        t = 0
        for k, _ in d.items():
            t += len(k)
        seen = d["name"] + "!", d["count"], e["ratio"] * 2, len(d), "a" in d, "name" in d, t
        return seen, d.values(), list(d.keys()), bool(d), isinstance(d, dict), d, e

    def chosen(n):
        d = {"a": 1, "b": "x"}
        if n > 2:
            d = {"a": n, "b": "y"}
        return d["a"], d

    seen, values, *rest = njit(f)(3)
    wanted, wanted_values, *wanted_rest = f(3)
    assert seen == wanted and values == tuple(wanted_values) and rest == wanted_rest
    check(chosen, 1)
    check(chosen, 5)
    before = live()
    njit(f)(3)
    assert live() == before
    for function, message in (
        (lambda n: {"a": 1, "b": "x"}["c"], 'has no key "c"'),
        (lambda n: {"a": 1, "b": "x"}[str(n)], "known when compiling"),
    ):
        with pytest.raises(TypingError, match=message):
            njit(function)(1)


def test_dicts_go_through_functions_branches_and_tuples():
    @njit
    def put(d, k):
        d[k] = d.get(k, 0) + 1

    @njit
    def f(n, flag):
        d = {0: 0} if flag else {5: 5}
        for i in range(n):
            put(d, i % 3)
        pair = (d, n)
        pair[0][99] = n
        return d, pair[1], d is pair[0]

    assert f(7, True) == ({0: 3, 1: 2, 2: 2, 99: 7}, 7, True)
    assert f(2, False) == ({5: 5, 0: 1, 1: 1, 99: 2}, 2, True)


def test_functions_that_fill_empty_containers():
    @njit
    def fill(d, items, seen, n):
        for i in range(n):
            d[str(i)] = i * 0.5
            items.append(i)
            seen.add(-i)

    @njit
    def f(n):
        d, items, seen = {}, [], set()
        fill(d, items, seen, n)
        return d, items, seen

    def inner(x):
        def put(out, k):
            for v in x:
                out[v] = v**k

        d = {}
        put(d, 2)
        put(d, 3)
        return d

    assert f(3) == ({"0": 0.0, "1": 0.5, "2": 1.0}, [0, 1, 2], {0, -1, -2})
    check(inner, [1, 2, 3])


# ---- the boundary ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "d",
    [
        {1: 0.5},
        {"a": [1, 2], "b": []},
        {"a": {"n": 1}, "b": {}},
        {(1, 2): "x", (3, 4): "y"},
        {True: None},
        {"a": None, "b": 2},
        {1: ["x"], 2: None, None: []},
    ],
    ids=repr,
)
def test_dicts_come_back_as_themselves(d):
    assert njit(lambda d: d)(d) is d
    copied = njit(lambda d: d.copy())(d)
    assert copied == d and copied is not d and list(copied) == list(d)


def test_changes_are_seen_also_after_an_exception():
    @njit
    def f(d, fail):
        d["x"] = [1.5]
        d["a"].append(2.5)
        if fail:
            raise ValueError("no")

    d = {"a": [0.5]}
    inner = d["a"]
    with pytest.raises(ValueError, match="no"):
        f(d, True)
    assert d == {"a": [0.5, 2.5], "x": [1.5]} and d["a"] is inner


def test_an_unchanged_dict_is_left_alone():
    d = {10**6 + i: 10**9 + i for i in range(5)}
    ids = [(id(k), id(v)) for k, v in d.items()]
    njit(lambda d: sum(d.values()))(d)
    assert [(id(k), id(v)) for k, v in d.items()] == ids


def test_arrays_in_a_dict_are_shared():
    d = {"w": np.ones(3), "b": np.zeros(2)}

    @njit
    def f(d):
        d["b"] += 1
        d["c"] = d["w"] * 2
        d["w"][0] = 5
        return d["w"]

    w = d["w"]
    assert f(d) is w
    assert w[0] == 5 and d["b"].tolist() == [1, 1] and d["c"].tolist() == [2, 2, 2]


def test_mixed_and_empty_dicts_have_no_type():
    f = njit(lambda d: len(d))
    for mixed in ({1: 1, "a": 2}, {1: 1, 2: "a"}, {1: 1, True + 1: 2.5}, {1: [1], 2: 3}):
        with pytest.raises(TypeError, match="heterogeneous dict"):
            f(mixed)
    with pytest.raises(ValueError, match="empty dict"):
        f({})


# ---- memory ------------------------------------------------------------------------------------


def use_everything(d, n):
    made = {str(i): [str(i)] for i in range(n)}
    made.setdefault("0", []).append("more")
    made["x"] = made["1"]
    made.update({"y": ["z"]})
    both = made | d
    taken = both.pop("1"), both.popitem(), both.get("2"), both.get("none")
    for key, value in both.items():
        if key == "3":
            taken[0].append(value[0])
    del both["3"]
    copied = both.copy()
    both.clear()
    if n > 5:
        raise ValueError(str(n))
    return copied, taken, [v for v in made.values()], made == copied


def looked_up(d, key):
    for k, v in d.items():
        if v[0] == key:
            return k, d[key]
    return "", d[key]


def changed_while_iterating(d, key):
    for k in d:
        d[k + key] = [key]


@pytest.mark.parametrize("function", [use_everything, looked_up, changed_while_iterating])
def test_nothing_leaks(function):
    compiled = njit(function)
    arguments = {
        use_everything: [({"q": ["w"]}, 4), ({"q": ["w"]}, 6)],
        looked_up: [({"a": ["b"], "b": ["c"]}, "b"), ({"a": ["b"]}, "none")],
        changed_while_iterating: [({"a": ["b"]}, "c")],
    }[function]
    for args in arguments:
        check(function, *args)
        outcome(compiled, copy.deepcopy(args))
        before = live()
        for _ in range(20):
            outcome(compiled, copy.deepcopy(args))
        assert live() == before


def test_an_item_outlives_its_dict():
    @njit
    def f(n):
        d = {i: [str(i)] for i in range(n)}
        item = d[1]
        d.clear()
        d[1] = ["other"]
        return item

    assert f(3) == ["1"]
