"""`as_numba_type`: from the types of annotations to those of compiled code."""

import collections.abc
import types as python_types
import typing

from . import types
from .errors import TypingError


class _AsNumbaType:
    """`as_numba_type(T)`: the type that compiled code gives values of a Python type.

    Takes int, float, complex, bool, str, None, types of this package, and of these list, dict, set,
    tuple, Optional and Union with None, in both spellings (`typing.List[int]`, `list[int]`). Raises
    TypingError for other types.

    `as_numba_type.register(T, nb_type)` adds a Python type; `as_numba_type.register(function)` adds
    a function that is asked about types: it gives a type, or None.
    """

    def __init__(self):
        self._known = {
            int: types.intp,
            float: types.float64,
            complex: types.complex128,
            bool: types.boolean,
            str: types.unicode_type,
            type(None): types.none,
            None: types.none,
        }
        self._asked = [_of_generic]

    def __call__(self, py_type):
        if isinstance(py_type, types.Type):
            return py_type
        try:
            known = self._known.get(py_type)
        except TypeError:  # not hashable, so not a type
            known = None
        if known is not None:
            return known
        for function in self._asked:
            found = function(py_type)
            if found is not None:
                return found
        raise TypingError(f"Python type {py_type!r} has no type in compiled code")

    def register(self, func_or_py_type, nb_type=None):
        """Add a Python type with its type, or a function that knows some.

        Raises TypeError unless the second argument is a type, or missing and the first is a
        function.
        """
        if nb_type is None:
            if isinstance(func_or_py_type, type) or not callable(func_or_py_type):
                raise TypeError(f"not a function, and no type is given for it: {func_or_py_type!r}")
            self._asked.append(func_or_py_type)
        elif isinstance(nb_type, types.Type):
            self._known[func_or_py_type] = nb_type
        else:
            raise TypeError(f"{nb_type!r} is not a type of ferdelance.types")
        return func_or_py_type


def _of_generic(py_type):
    """The type of a parametrised Python type, or None."""
    origin, args = typing.get_origin(py_type), typing.get_args(py_type)
    if origin in (typing.Union, python_types.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        return types.Optional(as_numba_type(rest[0])) if len(rest) == 1 and len(args) == 2 else None
    if origin in (list, collections.abc.MutableSequence) and len(args) == 1:
        return types.ListType(as_numba_type(args[0]))
    if origin in (dict, collections.abc.MutableMapping) and len(args) == 2:
        return types.DictType(*map(as_numba_type, args))
    if origin is set and len(args) == 1:
        return types.Set(as_numba_type(args[0]))
    if origin is tuple and Ellipsis not in args:
        return types.BaseTuple.from_types(map(as_numba_type, args))
    return None


as_numba_type = _AsNumbaType()
