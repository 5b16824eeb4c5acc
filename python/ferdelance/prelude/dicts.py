"""Dicts and sets: what is made of simpler operations on entries.

A function `dict_get` here is what the method `get` of dicts compiles to, `set_add` what `add` of
sets does; the compiler's `infer::dict` says which others it calls. `np._dict_hash` and the like
are the compiler's own (`infer::dict::DictOp`); they work on sets as well.
"""

import numpy as np

# ---- looking for keys ----------------------------------------------------------------------------


def _find_hashed(d, key, hash):
    """The entry of a key of the dict's own type; -1 if there is none."""
    cell = np._dict_cell(d, hash)
    while True:
        at = np._dict_entry(d, cell)
        if at < 0:
            return -1
        if np._dict_has_hash(d, at, hash) and np._dict_key(d, at) == key:
            return at
        cell = np._dict_next(d, cell)


def _find(d, key):
    """The entry of anything that may be equal to a key; -1 if there is none."""
    if np._dict_takes(d, key):
        own = np._dict_as_key(d, key)
        return _find_hashed(d, own, np._dict_hash(d, own))
    if key is None:
        return -1
    narrow = np._dict_as_key(d, key)
    if narrow == key:
        return _find_hashed(d, narrow, np._dict_hash(d, narrow))
    return -1


# ---- dicts ---------------------------------------------------------------------------------------


def dict_getitem(d, key):
    """d[key]"""
    at = _find(d, key)
    if at < 0:
        raise KeyError(key)
    return np._dict_value(d, at)


def dict_setitem(d, key, value):
    """d[key] = value"""
    own = np._dict_as_key(d, key)
    hash = np._dict_hash(d, own)
    at = _find_hashed(d, own, hash)
    if at < 0:
        np._dict_insert(d, hash, own, value)
    else:
        np._dict_set_value(d, at, value)


def dict_delitem(d, key):
    """del d[key]"""
    at = _find(d, key)
    if at < 0:
        raise KeyError(key)
    np._dict_remove(d, at)


def dict_contains(key, d):
    """key in d"""
    return _find(d, key) >= 0


def dict_lacks(key, d):
    """key not in d"""
    return _find(d, key) < 0


def dict_get(d, key, default=None):
    """d.get(key, default=None)"""
    at = _find(d, key)
    if at < 0:
        return default
    return np._dict_value(d, at)


def dict_setdefault(d, key, default=None):
    """d.setdefault(key, default=None)"""
    own = np._dict_as_key(d, key)
    hash = np._dict_hash(d, own)
    at = _find_hashed(d, own, hash)
    if at < 0:
        np._dict_insert(d, hash, own, default)
        at = np._dict_end(d) - 1
    return np._dict_value(d, at)


def dict_pop(d, key, *default):
    """d.pop(key[, default])"""
    at = _find(d, key)
    if at < 0:
        if len(default) == 0:
            raise KeyError(key)
        return default[0]
    value = np._dict_value(d, at)
    np._dict_remove(d, at)
    return value


def dict_popitem(d):
    """d.popitem()"""
    if len(d) == 0:
        raise KeyError("popitem(): dictionary is empty")
    at = np._dict_end(d) - 1
    item = (np._dict_key(d, at), np._dict_value(d, at))
    np._dict_remove(d, at)
    return item


def dict_clear(d):
    """d.clear()"""
    np._dict_clear(d)


def dict_update(d, more):
    """d.update(more), of a dict or of pairs"""
    _update(d, more)


def _update(d, more):
    if np._dict_is_dict(more):
        # A dict that is updated by itself does not change.
        if more is not d:
            for key, value in more.items():
                d[key] = value
    else:
        for key, value in more:
            d[key] = value


def dict_update_by_keywords(d, keys, values):
    """d.update(key=value, ...)"""
    for i in range(len(keys)):
        d[keys[i]] = values[i]


def dict_merge(d, more):
    """d |= more"""
    _update(d, more)


def dict_or(a, b):
    """a | b"""
    both = {}
    for key, value in a.items():
        both[key] = value
    for key, value in b.items():
        both[key] = value
    return both


def dict_of_pairs(pairs):
    """dict(pairs)"""
    d = {}
    for key, value in pairs:
        d[key] = value
    return d


def dict_of_keywords(keys, values):
    """dict(key=value, ...)"""
    d = {}
    for i in range(len(keys)):
        d[keys[i]] = values[i]
    return d


def dict_fromkeys(keys, value=None):
    """dict.fromkeys(keys, value=None)"""
    d = {}
    for key in keys:
        d[key] = value
    return d


def dict_eq(a, b):
    """a == b"""
    if len(a) != len(b):
        return False
    for key, value in a.items():
        at = _find(b, key)
        if at < 0 or not (np._dict_value(b, at) == value):
            return False
    return True


def dict_ne(a, b):
    """a != b"""
    return not dict_eq(a, b)


# ---- what dicts show -----------------------------------------------------------------------------


def keys_contain(key, keys):
    """key in d.keys()"""
    return _find(np._dict_shown(keys), key) >= 0


def keys_lack(key, keys):
    """key not in d.keys()"""
    return _find(np._dict_shown(keys), key) < 0


def items_contain(item, items):
    """(key, value) in d.items()"""
    d = np._dict_shown(items)
    at = _find(d, item[0])
    return at >= 0 and np._dict_value(d, at) == item[1]


def items_lack(item, items):
    """(key, value) not in d.items()"""
    return not items_contain(item, items)


# ---- sets ----------------------------------------------------------------------------------------


def set_add(s, item):
    """s.add(item)"""
    own = np._dict_as_key(s, item)
    hash = np._dict_hash(s, own)
    if _find_hashed(s, own, hash) < 0:
        np._dict_insert(s, hash, own)


def set_discard(s, item):
    """s.discard(item)"""
    at = _find(s, item)
    if at >= 0:
        np._dict_remove(s, at)


def set_remove(s, item):
    """s.remove(item)"""
    at = _find(s, item)
    if at < 0:
        raise KeyError(item)
    np._dict_remove(s, at)


def set_pop(s):
    """s.pop()"""
    if len(s) == 0:
        raise KeyError("pop from an empty set")
    at = np._dict_end(s) - 1
    item = np._dict_key(s, at)
    np._dict_remove(s, at)
    return item


def set_clear(s):
    """s.clear()"""
    np._dict_clear(s)


def set_of_items(values):
    """set(iterable)"""
    s = set()
    for value in values:
        s.add(value)
    return s


def frozen_set_of_items(values):
    """frozenset(iterable)"""
    return np._dict_frozen(set_of_items(values))


def _add_all(s, values):
    for value in values:
        s.add(value)


def _remove_all(s, values):
    for value in values:
        s.discard(value)


def _keep_only(s, others):
    for at in range(np._dict_end(s)):
        if np._dict_is_there(s, at) and np._dict_key(s, at) not in others:
            np._dict_remove(s, at)


def _as_set(values):
    """Something to ask what is in it."""
    if np._dict_is_set(values):
        return values
    return set_of_items(values)


def set_merge(s, more):
    """s |= more"""
    if s is not more:
        _add_all(s, more)


def set_subtract(s, other):
    """s -= other"""
    if s is other:
        np._dict_clear(s)
    else:
        _remove_all(s, other)


def set_intersect(s, other):
    """s &= other"""
    _keep_only(s, _as_set(other))


def set_update(s, *others):
    """s.update(*others)"""
    for other in others:
        set_merge(s, other)


def set_difference_update(s, *others):
    """s.difference_update(*others)"""
    for other in others:
        set_subtract(s, other)


def set_intersection_update(s, *others):
    """s.intersection_update(*others)"""
    for other in others:
        set_intersect(s, other)


def set_symmetric_difference_update(s, other):
    """s.symmetric_difference_update(other)"""
    # A set of its own: each item once, and unaffected by what happens to `s`.
    for item in set_of_items(other):
        at = _find(s, item)
        if at < 0:
            s.add(item)
        else:
            np._dict_remove(s, at)


def set_or(a, b):
    """a | b"""
    both = set()
    for item in a:
        both.add(item)
    for item in b:
        both.add(item)
    return np._dict_like(a, both)


def set_and(a, b):
    """a & b"""
    return np._dict_like(a, {item for item in a if item in b})


def set_sub(a, b):
    """a - b"""
    return np._dict_like(a, {item for item in a if item not in b})


def set_xor(a, b):
    """a ^ b"""
    either = set()
    for item in a:
        if item not in b:
            either.add(item)
    for item in b:
        if item not in a:
            either.add(item)
    return np._dict_like(a, either)


def set_union(s, *others):
    """s.union(*others)"""
    both = np._dict_thawed(np._dict_copy(s))
    for other in others:
        _add_all(both, other)
    return np._dict_like(s, both)


def set_intersection(s, *others):
    """s.intersection(*others)"""
    both = np._dict_thawed(np._dict_copy(s))
    for other in others:
        _keep_only(both, _as_set(other))
    return np._dict_like(s, both)


def set_difference(s, *others):
    """s.difference(*others)"""
    rest = np._dict_thawed(np._dict_copy(s))
    for other in others:
        _remove_all(rest, other)
    return np._dict_like(s, rest)


def set_symmetric_difference(s, other):
    """s.symmetric_difference(other)"""
    return set_xor(s, _as_set(other))


def set_le(a, b):
    """a <= b"""
    if len(a) > len(b):
        return False
    for item in a:
        if item not in b:
            return False
    return True


def set_lt(a, b):
    """a < b"""
    return len(a) < len(b) and set_le(a, b)


def set_ge(a, b):
    """a >= b"""
    return set_le(b, a)


def set_gt(a, b):
    """a > b"""
    return set_lt(b, a)


def set_eq(a, b):
    """a == b"""
    return len(a) == len(b) and set_le(a, b)


def set_ne(a, b):
    """a != b"""
    return not set_eq(a, b)


def set_issubset(s, other):
    """s.issubset(other)"""
    return set_le(s, _as_set(other))


def set_issuperset(s, other):
    """s.issuperset(other)"""
    return _has_all(s, other)


def _has_all(s, values):
    for value in values:
        if value not in s:
            return False
    return True


def set_isdisjoint(s, other):
    """s.isdisjoint(other)"""
    for value in other:
        if value in s:
            return False
    return True
