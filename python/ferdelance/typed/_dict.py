"""`typed.Dict`: a dict with one type of keys and one of values, without copies at calls."""

from collections.abc import MutableMapping

from .. import _core
from .._jit import njit
from .._typeof import typeof
from ..types import DictType, _decode, _encode

# What the methods do is compiled, once for each type of dict.


@njit
def _len(d):
    return len(d)


@njit
def _getitem(d, key):
    return d[key]


@njit
def _setitem(d, key, value):
    d[key] = value


@njit
def _delitem(d, key):
    del d[key]


@njit
def _contains(d, key):
    return key in d


@njit
def _keys(d):
    return list(d)


@njit
def _values(d):
    return list(d.values())


@njit
def _items(d):
    return list(d.items())


@njit
def _popitem(d):
    return d.popitem()


@njit
def _clear(d):
    d.clear()


@njit
def _copy(d):
    return d.copy()


@njit
def _equal(a, b):
    return a == b


class Dict(_core.TypedDict, MutableMapping):
    """A dict whose keys have one type, and whose values have one type.

    Both types are given to `empty`, or are those of the first item. Compiled code gets and gives
    the dict itself: what either side puts in, the other side sees.
    """

    def __init__(self, *args, **kwargs):
        if args or kwargs:
            self.update(*args, **kwargs)

    @classmethod
    def empty(cls, key_type, value_type, n_keys=0):
        """An empty dict with keys and values of these types."""
        made = cls()
        made._begin(_encode(DictType(key_type, value_type)))
        return made

    @property
    def _numba_type_(self):
        """The type as compiled code has it; None if it is not known yet."""
        encoding = self._type()
        return None if encoding is None else _decode(encoding)

    def _is_typed(self):
        return self._type() is not None

    def __getitem__(self, key):
        if not self._is_typed():
            raise KeyError(key)
        return _getitem(self, key)

    def __setitem__(self, key, value):
        if not self._is_typed():
            self._begin(_encode(DictType(typeof(key), typeof(value))))
        _setitem(self, key, value)

    def __delitem__(self, key):
        if not self._is_typed():
            raise KeyError(key)
        _delitem(self, key)

    def __contains__(self, key):
        return self._is_typed() and _contains(self, key)

    def __len__(self):
        return _len(self) if self._is_typed() else 0

    def __iter__(self):
        return iter(self._snapshot(_keys))

    def __reversed__(self):
        return reversed(self._snapshot(_keys))

    def _snapshot(self, what):
        return what(self) if len(self) > 0 else []

    def __eq__(self, other):
        if isinstance(other, Dict) and self._is_typed() and self._type() == other._type():
            return _equal(self, other)
        return MutableMapping.__eq__(self, other)

    __hash__ = None

    def __repr__(self):
        return repr(dict(self))

    def __reduce__(self):
        return _rebuild, (self._numba_type_, dict(self))

    def keys(self):
        return dict.fromkeys(self).keys()

    def values(self):
        return dict(enumerate(self._snapshot(_values))).values()

    def items(self):
        return dict(self._snapshot(_items)).items()

    def popitem(self):
        if len(self) == 0:
            raise KeyError("popitem(): dictionary is empty")
        return _popitem(self)

    def clear(self):
        if self._is_typed():
            _clear(self)

    def copy(self):
        """A dict of its own with the same items."""
        return _copy(self) if self._is_typed() else Dict()


def _rebuild(ty, items):
    made = Dict() if ty is None else Dict.empty(ty.key_type, ty.value_type)
    made.update(items)
    return made
