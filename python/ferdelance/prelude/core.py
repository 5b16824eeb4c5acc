"""Builtins and array methods that are compositions of simpler ones.

A function here is what the builtin of its name compiles to (see the prelude module of the compiler).
All of it also runs under CPython.
"""

import math

import numpy as np


def builtins_sum(values, *start):
    """sum(values[, start]): items from the left, as CPython adds them up."""
    if len(start) == 0:
        total = 0
    else:
        total = start[0]
    for value in values:
        total = total + value
    return total


def builtins_any(values):
    """any(values)"""
    for value in values:
        if value:
            return True
    return False


def builtins_all(values):
    """all(values)"""
    for value in values:
        if not value:
            return False
    return True


def math_log(x, base):
    """math.log(x, base)"""
    return math.log(x) / math.log(base)


def array_fill(array, value):
    """array.fill(value)"""
    if array.ndim == 1:
        for i in range(array.shape[0]):
            array[i] = value
    else:
        for row in array:
            array_fill(row, value)


def array_sum(array):
    """array.sum() over all elements, row by row."""
    total = array.dtype.type(0) + 0
    if array.ndim == 1:
        for i in range(array.shape[0]):
            total = total + array[i]
    else:
        for row in array:
            total = total + array_sum(row)
    return total


def array_min(array):
    """array.min() over all elements; NaN if there is one."""
    if array.size == 0:
        raise ValueError("zero-size array to reduction operation minimum which has no identity")
    if array.ndim == 1:
        best = array[0]
        for i in range(1, array.shape[0]):
            value = array[i]
            if value < best or value != value:
                best = value
    else:
        best = array_min(array[0])
        for row in array:
            value = array_min(row)
            if value < best or value != value:
                best = value
    return best


def array_max(array):
    """array.max() over all elements; NaN if there is one."""
    if array.size == 0:
        raise ValueError("zero-size array to reduction operation maximum which has no identity")
    if array.ndim == 1:
        best = array[0]
        for i in range(1, array.shape[0]):
            value = array[i]
            if value > best or value != value:
                best = value
    else:
        best = array_max(array[0])
        for row in array:
            value = array_max(row)
            if value > best or value != value:
                best = value
    return best


def builtins_min(values):
    """min(iterable)"""
    return _extreme(values, False)


def builtins_max(values):
    """max(iterable)"""
    return _extreme(values, True)


def _extreme(values, largest):
    if len(values) == 0:
        raise ValueError("the argument of min() or max() is an empty sequence")
    best = values[0]
    for value in values:
        if largest:
            if value > best:
                best = value
        elif value < best:
            best = value
    return best


def builtins_list(values):
    """list(iterable)"""
    items = []
    for value in values:
        items.append(value)
    return items


def sorted_upwards(values):
    """sorted(iterable)"""
    items = builtins_list(values)
    items.sort()
    return items


def sorted_either_way(values, reverse):
    """sorted(iterable, reverse=...)"""
    items = builtins_list(values)
    items.sort(reverse=reverse)
    return items


def sorted_by_key(values, key, reverse):
    """sorted(iterable, key=..., reverse=...)"""
    items = builtins_list(values)
    list_sort_by_key(items, key, reverse)
    return items


def list_eq(a, b):
    """a == b"""
    if len(a) != len(b):
        return False
    for i in range(len(a)):
        if not (a[i] == b[i]):
            return False
    return True


def list_ne(a, b):
    """a != b"""
    return not list_eq(a, b)


def _first_difference(a, b):
    count = min(len(a), len(b))
    for i in range(count):
        if not (a[i] == b[i]):
            return i
    return count


def list_lt(a, b):
    """a < b"""
    i = _first_difference(a, b)
    if i < len(a) and i < len(b):
        return a[i] < b[i]
    return len(a) < len(b)


def list_le(a, b):
    """a <= b"""
    i = _first_difference(a, b)
    if i < len(a) and i < len(b):
        return a[i] <= b[i]
    return len(a) <= len(b)


def list_gt(a, b):
    """a > b"""
    return list_lt(b, a)


def list_ge(a, b):
    """a >= b"""
    return list_le(b, a)


def list_contains(value, items):
    """value in items"""
    for item in items:
        if item == value:
            return True
    return False


def list_lacks(value, items):
    """value not in items"""
    return not list_contains(value, items)


def list_extend(items, values):
    """items.extend(values), where values are no list"""
    for value in values:
        items.append(value)


def list_index(items, value):
    """items.index(value)"""
    for i in range(len(items)):
        if items[i] == value:
            return i
    raise ValueError("list.index(x): x not in list")


def list_index_from(items, value, start):
    """items.index(value, start)"""
    return list_index_between(items, value, start, len(items))


def list_index_between(items, value, start, stop):
    """items.index(value, start, stop)"""
    count = len(items)
    first = start if start >= 0 else max(start + count, 0)
    last = min(stop if stop >= 0 else stop + count, count)
    for i in range(first, last):
        if items[i] == value:
            return i
    raise ValueError("list.index(x): x not in list")


def list_count(items, value):
    """items.count(value)"""
    found = 0
    for item in items:
        if item == value:
            found += 1
    return found


def list_remove(items, value):
    """items.remove(value)"""
    for i in range(len(items)):
        if items[i] == value:
            del items[i]
            return
    raise ValueError("list.remove(x): x not in list")


def list_sort_items(items, reverse):
    """items.sort(reverse=...) of items that only compiled code can compare"""
    _rearrange(items, items.copy(), reverse)


def list_sort_by_key(items, key, reverse):
    """items.sort(key=..., reverse=...)"""
    keys = []
    for item in items:
        keys.append(key(item))
    _rearrange(items, keys, reverse)


def _rearrange(items, keys, reverse):
    # A merge sort of positions from the bottom up: stable, and no item moves more than once.
    count = len(items)
    order = builtins_list(range(count))
    other = order.copy()
    width = 1
    while width < count:
        for start in range(0, count, 2 * width):
            middle = min(start + width, count)
            end = min(start + 2 * width, count)
            left = start
            right = middle
            for at in range(start, end):
                if left == middle:
                    second = True
                elif right == end:
                    second = False
                elif reverse:
                    second = keys[order[left]] < keys[order[right]]
                else:
                    second = keys[order[right]] < keys[order[left]]
                if second:
                    other[at] = order[right]
                    right += 1
                else:
                    other[at] = order[left]
                    left += 1
        order, other = other, order
        width *= 2
    before = items.copy()
    for at in range(count):
        items[at] = before[order[at]]
