"""Lists: what is made of simpler operations on them, and builtins that go through sequences.

A function `list_index` here is what the method `index` of lists compiles to, `builtins_min` what
the builtin does; the compiler's `infer::list` says which others it calls. All of it also runs under
CPython.
"""


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


def min_of_items(values):
    """min(iterable), of an iterable that is no sequence"""
    return _extreme_item(values, False)


def max_of_items(values):
    """max(iterable), likewise"""
    return _extreme_item(values, True)


def _extreme_item(values, largest):
    items = iter(values)
    for best in items:
        for value in items:
            if largest:
                if value > best:
                    best = value
            elif value < best:
                best = value
        return best
    raise ValueError("the argument of min() or max() is an empty sequence")


def min_or_default(values, default):
    """min(iterable, default=...)"""
    return _extreme_or_default(values, default, False)


def max_or_default(values, default):
    """max(iterable, default=...)"""
    return _extreme_or_default(values, default, True)


def _extreme_or_default(values, default, largest):
    items = iter(values)
    for best in items:
        for value in items:
            if largest:
                if value > best:
                    best = value
            elif value < best:
                best = value
        return best
    return default


def min_by_key(values, key):
    """min(iterable, key=...)"""
    return _extreme_by_key(values, key, False)


def max_by_key(values, key):
    """max(iterable, key=...)"""
    return _extreme_by_key(values, key, True)


def _extreme_by_key(values, key, largest):
    items = iter(values)
    for best in items:
        lead = key(best)
        for value in items:
            other = key(value)
            if (other > lead) if largest else (other < lead):
                best = value
                lead = other
        return best
    raise ValueError("the argument of min() or max() is an empty sequence")


def min_by_key_or_default(values, key, default):
    """min(iterable, key=..., default=...)"""
    return _extreme_by_key_or_default(values, key, default, False)


def max_by_key_or_default(values, key, default):
    """max(iterable, key=..., default=...)"""
    return _extreme_by_key_or_default(values, key, default, True)


def _extreme_by_key_or_default(values, key, default, largest):
    items = iter(values)
    for best in items:
        lead = key(best)
        for value in items:
            other = key(value)
            if (other > lead) if largest else (other < lead):
                best = value
                lead = other
        return best
    return default


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
