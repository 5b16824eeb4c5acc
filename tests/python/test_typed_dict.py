"""`typed.Dict`: one dict, seen by Python and by compiled code."""

import gc
import pickle
import weakref

import numpy as np
import pytest
from conftest import live
from ferdelance import njit, typed, typeof, types
from ferdelance.errors import TypingError


def made(key, value, items):
    d = typed.Dict.empty(key, value)
    d.update(items)
    return d


@pytest.mark.parametrize(
    "key,value,items",
    [
        (types.int64, types.float64, {1: 0.5, -2: 1.5}),
        (types.unicode_type, types.int64, {"a": 1, "é": 2}),
        (types.UniTuple(types.int64, 2), types.unicode_type, {(1, 2): "x", (2, 1): "y"}),
        (types.float64, types.boolean, {0.5: True, 1e300: False}),
        (types.int8, types.uint8, {-128: 255, 127: 0}),
    ],
    ids=repr,
)
def test_it_is_a_mapping(key, value, items):
    d = made(key, value, items)
    first, *_, last = items
    assert dict(d) == items and d == items and list(d) == list(items) and len(d) == len(items)
    assert list(d.items()) == list(items.items()) and list(d.values()) == list(items.values())
    assert list(reversed(d)) == list(reversed(items)) and repr(d) == repr(items)
    assert first in d and d[first] == items[first] and d.get(first) == items[first]
    copied = d.copy()
    assert copied == d and copied is not d and isinstance(copied, typed.Dict)
    assert d.popitem() == (last, items[last]) and last not in d and last in copied
    with pytest.raises(KeyError):
        d[last]
    assert d.pop(last, None) is None and d.setdefault(last, items[last]) == items[last]
    del d[first]
    d.clear()
    assert not d and len(copied) == len(items)


def test_both_sides_see_what_either_puts_in():
    @njit
    def f(d, k):
        d[k] = d["a"] * 2
        return d, len(d)

    d = made(types.unicode_type, types.float64, {"a": 1})
    back, n = f(d, "b")
    assert back is d and n == 2 and d["b"] == 2.0


def test_numbers_are_converted_to_its_types():
    d = made(types.float64, types.int32, {1: 7})
    assert list(d.items()) == [(1.0, 7)] and type(next(iter(d))) is float


def test_the_first_item_gives_the_types():
    d = typed.Dict()
    assert len(d) == 0 and not d and 1 not in d and list(d) == [] and d.copy() == {}
    with pytest.raises(TypeError, match="types of an empty typed.Dict"):
        njit(lambda d: len(d))(d)
    d["x"] = 2.5
    assert typeof(d) == types.DictType(types.unicode_type, types.float64)
    with pytest.raises(TypingError, match=r"cannot put .* int64 under a key of type int64"):
        d[1] = 2


def test_dicts_made_in_compiled_code():
    inner = types.DictType(types.int64, types.int64)

    @njit
    def f(n):
        d = typed.Dict.empty(types.unicode_type, inner)
        for i in range(n):
            e = typed.Dict()
            e[i] = i * 10
            d[str(i)] = e
        return d

    d = f(2)
    assert isinstance(d, typed.Dict) and d["1"] == {1: 10}
    d["1"][5] = 50
    assert d["1"][5] == 50 and d["1"] is d["1"]
    inner = d["1"]
    del d
    assert inner[5] == 50


def test_a_type_in_a_signature():
    ty = types.DictType(types.unicode_type, types.int64)

    @njit(types.int64(ty, types.unicode_type))
    def f(d, k):
        return d[k] if k in d else -1

    d = made(types.unicode_type, types.int64, {"a": 4})
    assert f(d, "a") == 4 and f(d, "b") == -1
    with pytest.raises(TypeError):
        f({"a": 4}, "a")


def test_arrays_in_it_are_kept():
    d = typed.Dict.empty(types.int64, types.float64[:])

    @njit
    def put(d, k, a, fail):
        d[k] = a
        d[k + 1] = a[1:]
        if fail:
            raise ValueError("no")

    array = np.arange(3.0)
    gone = weakref.ref(array)
    put(d, 0, array, False)
    with pytest.raises(ValueError):
        put(d, 10, np.arange(1000.0), True)
    put(d, 20, np.ones(4), False)
    d[30] = np.full(5, 7.0)
    array[0] = 9
    del array
    gc.collect()
    junk = [np.full(1000, -1.0) for _ in range(100)]
    assert d[0].tolist() == [9, 1, 2] and d[1].tolist() == [1, 2]
    assert d[11][-1] == 999 and d[20].sum() == 4 and d[30].tolist() == [7] * 5
    assert gone() is not None
    del junk
    d.clear()
    njit(lambda x: x)(1)
    gc.collect()
    assert gone() is None


def test_arrays_that_a_generator_puts_in_are_kept():
    d = typed.Dict.empty(types.int64, types.float64[:])

    @njit
    def put(d, a):
        for i in range(len(a)):
            d[i] = a[i:]
            yield i

    assert list(put(d, np.arange(1000.0))) == list(range(1000))
    junk = [np.full(1000, -1.0) for _ in range(100)]
    assert [d[i][0] for i in range(1000)] == list(range(1000))
    del junk


def test_pickling_gives_an_equal_dict():
    d = made(types.unicode_type, types.float64, {"a": 1, "b": 2})
    again = pickle.loads(pickle.dumps(d))
    assert again == d and typeof(again) == typeof(d)


def test_nothing_leaks():
    @njit
    def f(d, k):
        d["new" + k] = [k]
        e = d.copy()
        e.clear()
        return d[k]

    def use():
        d = typed.Dict.empty(types.unicode_type, types.List(types.unicode_type))
        d["a"] = ["b"]
        f(d, "a")
        with pytest.raises(KeyError):
            f(d, "none")
        d.copy().popitem()
        return list(d.items())

    use()
    before = live()
    for _ in range(10):
        use()
    assert live() == before
