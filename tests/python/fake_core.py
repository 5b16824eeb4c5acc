"""A stand-in for the compiler: tests of the Python layer run without the extension module.

`FakeDispatcher` has the primitives that `DispatcherMethods` needs. Its calls run the Python
function, and "compile" a version for the argument types that they see.
"""

import types as python_types

from ferdelance import errors, types
from ferdelance._dispatcher import DispatcherMethods
from ferdelance._typeof import typeof


class FakeDispatcher(DispatcherMethods):
    def __init__(self, py_func, options):
        self._options = options
        self._made = []
        self._may_compile = True

    def __call__(self, *args):
        encodings = tuple(types._encode(typeof(arg)) for arg in args)
        if encodings not in [made[0] for made in self._made]:
            if not self._may_compile:
                raise TypeError(f"no matching definition for {encodings}")
            self._compile(encodings, None)
        return self.py_func(*args)

    def __get__(self, obj, owner=None):
        return self if obj is None else python_types.MethodType(self, obj)

    def _compile(self, args, ret):
        if ("str",) in args:
            raise errors._from_diagnostic("TypingError", "strings are refused", "a-code")
        self._made.append((args, ret or ("int", 64, True, True), False))
        return len(self._made) - 1

    def _overloads(self):
        return list(self._made)

    def _inspect(self, index, what):
        return {
            "metadata": f'{{"index": {index}}}',
            "cfg": "digraph { a -> b }",
            "explain": "[]",
        }.get(what, f"{what} of {self.__name__} #{index}")

    def _set_can_compile(self, flag):
        self._may_compile = flag

    def _set_cache(self, mode):
        self._cache_mode = mode

    def _clear(self):
        self._made.clear()
