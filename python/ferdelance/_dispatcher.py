"""What a jitted function offers to Python besides being called.

`DispatcherMethods` is the base of two classes: `Dispatcher`, made by the compiler, whose calls run
machine code, and `ObjModeDispatcher`, whose calls run the Python function.
"""

import sys
import threading
import types as python_types
from collections import Counter, namedtuple

from . import _options, _sigutils, errors, types
from ._params import bind_types
from .types._encoding import decode, decode_all, encode, encode_all
from .types._signature import Signature

#: Counts of signatures: `cache_hits` were loaded from the cache in `cache_path`, `cache_misses`
#: compiled.
Stats = namedtuple("Stats", "cache_path cache_hits cache_misses")


class _Version:
    """A compiled version: its number in the compiler's list, return type and origin."""

    __slots__ = ("from_cache", "index", "return_type")

    def __init__(self, index, return_type, from_cache):
        self.index = index
        self.return_type = return_type
        self.from_cache = from_cache


_COPIED = (
    "__module__",
    "__name__",
    "__qualname__",
    "__doc__",
    "__annotations__",
    "__defaults__",
    "__kwdefaults__",
    "__code__",
)


class _State:
    """What a dispatcher remembers on the Python side."""

    __slots__ = ("caching", "compiling", "enabled", "filled", "given", "pickle_id", "returns")

    def __init__(self, given):
        #: the options as the user wrote them
        self.given = given
        #: whether code is kept in files
        self.caching = bool(given.get("cache"))
        #: whether calls may compile
        self.enabled = True
        #: number of `compile` calls in progress
        self.compiling = 0
        #: return types that explicit signatures impose, encoded, by index of the version
        self.returns = {}
        #: what tells this function from others when it comes back from a pickle
        self.pickle_id = None
        #: whether the function is complete; while it is being unpickled, it is not
        self.filled = True


class CompileResult:
    """One compiled version of a function.

    signature
        its `Signature`
    entry_point
        a callable that runs it
    """

    objectmode = False

    def __init__(self, dispatcher, index, signature):
        self._dispatcher = dispatcher
        self._index = index
        self.signature = signature

    @property
    def entry_point(self):
        return self._dispatcher

    @property
    def metadata(self):
        """Facts about the compilation: a dict."""
        return self._dispatcher._metadata(self._index)

    def __repr__(self):
        return f"<{self._dispatcher.__name__} compiled for {self.signature}>"


class ControlFlowGraph:
    """A control-flow graph in the DOT language.

    `str()` is its text; Jupyter shows it where graphviz is installed.
    """

    def __init__(self, dot):
        self.dot = dot

    def __str__(self):
        return self.dot

    def _repr_svg_(self):
        import shutil
        import subprocess

        if shutil.which("dot") is None:
            return None
        return subprocess.run(
            ["dot", "-Tsvg"], input=self.dot, capture_output=True, text=True, check=True
        ).stdout


class DispatcherMethods:
    """The methods of jitted functions.

    A subclass provides `__call__` and `__get__`, and these primitives: `_compile(args, ret) ->
    index`, `_overloads() -> [(args, ret, from_cache)]`, `_inspect(index, what) -> str`,
    `_set_can_compile(flag)`, `_set_cache(mode)`, `_clear()`; types are encoded as
    `types._encoding` says.
    """

    __slots__ = ()

    # ---- compiled versions ----------------------------------------------------------------------

    def _versions(self):
        """The compiled versions by argument types, in order of compilation.

        Versions that differ only in where a number came from look alike to Python: the first stands
        for all.
        """
        versions = {}
        for index, (args, ret, from_cache) in enumerate(self._overloads()):
            versions.setdefault(decode_all(args), _Version(index, decode(ret), from_cache))
        return versions

    @property
    def signatures(self):
        """Argument types of the compiled versions, in order of compilation.

        A list of tuples of types; changing it changes nothing.
        """
        return list(self._versions())

    @property
    def nopython_signatures(self):
        """The `Signature`s of the compiled versions."""
        return [Signature(version.return_type, args) for args, version in self._versions().items()]

    @property
    def overloads(self):
        """The compiled versions: a dict from argument types to `CompileResult`."""
        return {
            args: CompileResult(self, version.index, Signature(version.return_type, args))
            for args, version in self._versions().items()
        }

    @property
    def stats(self):
        """How often versions were loaded from the cache, and compiled: see `Stats`."""
        hits, misses = Counter(), Counter()
        for args, version in self._versions().items():
            (hits if version.from_cache else misses)[args] += 1
        return Stats(self._cache_path(), hits, misses)

    def _cache_path(self):
        """Directory that new files of the cache are put into, or None."""
        if not self._state.caching:
            return None
        from . import _cache

        return _cache.path(self.py_func)

    def enable_caching(self):
        """Keep code in files and look for it there from now on, as the option `cache` does."""
        self._state.caching = True
        self._set_cache("on")

    def compile(self, sig):
        """Compile a version now, unless it exists; returns a callable that runs it.

        `sig` may be a string, a tuple of argument types, or a `Signature`, whose return type is
        then imposed. Raises RuntimeError when compiling was disabled.
        """
        args, ret = _sigutils.normalize_signature(sig)
        args = bind_types(self.py_func, args)
        if args in self._versions():
            return self
        if not self._state.enabled:
            raise RuntimeError(
                f"{self.__name__} is not compiled for {args}, and compiling it was disabled"
            )
        self._compile_encoded(encode_all(args), None if ret is None else encode(ret))
        return self

    def _compile_encoded(self, args, ret):
        state = self._state
        state.compiling += 1
        try:
            index = self._compile(args, ret)
        finally:
            state.compiling -= 1
        if ret is not None:
            state.returns[index] = ret

    def recompile(self):
        """Compile all versions again, with the present values of globals and closure variables.

        The cache is not asked, but filled.
        """
        state = self._state
        versions = list(self._imposed())
        enabled = state.enabled
        self._clear()
        state.returns.clear()
        self.disable_compile(False)
        if state.caching:
            self._set_cache("renew")
        try:
            for args, ret in versions:
                self._compile_encoded(args, ret)
        finally:
            if state.caching:
                self._set_cache("on")
            self.disable_compile(not enabled)

    def disable_compile(self, val=True):
        """Let calls with new argument types raise TypeError instead of compiling.

        With False, they compile again.
        """
        self._state.enabled = not val
        self._set_can_compile(not val)

    @property
    def is_compiling(self):
        """Whether `compile` or `recompile` is at work."""
        return self._state.compiling > 0

    def _explicit_versions(self):
        """The signatures that the function is restricted to, or None where calls may compile."""
        if self._state.enabled:
            return None
        return [
            decode_all(args) if ret is None else Signature(decode(ret), decode_all(args))
            for args, ret in self._imposed()
        ]

    def _imposed(self):
        """(argument types, return type or None where it was inferred) of the versions, encoded."""
        for index, (args, _, _) in enumerate(self._overloads()):
            yield args, self._state.returns.get(index)

    def _find(self, signature):
        """(argument types, version) of a signature in any form.

        Raises KeyError where it was not compiled.
        """
        args, _ = _sigutils.normalize_signature(signature)
        return args, self._versions()[args]

    def get_overload(self, sig):
        """A callable that runs the version for `sig`. Raises KeyError where it was not compiled."""
        return self.get_compile_result(sig).entry_point

    def get_compile_result(self, sig):
        """The `CompileResult` for `sig`. Raises KeyError where it was not compiled."""
        args, version = self._find(sig)
        return CompileResult(self, version.index, Signature(version.return_type, args))

    # ---- inspection -----------------------------------------------------------------------------

    def _inspect_as(self, show, signature):
        """`show(index)` of one version, or a dict of all by argument types."""
        if signature is not None:
            return show(self._find(signature)[1].index)
        return {args: show(version.index) for args, version in self._versions().items()}

    def inspect_llvm(self, signature=None):
        """LLVM IR, after optimisation: a str for one signature, otherwise a dict by argument types.

        Raises KeyError for a signature that was not compiled, as all `inspect_*` methods do.
        """
        return self._inspect_as(lambda index: self._inspect(index, "llvm"), signature)

    def inspect_asm(self, signature=None):
        """Assembly: a str for one signature, otherwise a dict by argument types."""
        return self._inspect_as(lambda index: self._inspect(index, "asm"), signature)

    def inspect_cfg(self, signature=None, show_wrapper=None, **kwargs):
        """The `ControlFlowGraph` of one signature, otherwise a dict of them by argument types."""
        return self._inspect_as(
            lambda index: ControlFlowGraph(self._inspect(index, "cfg")), signature
        )

    def inspect_types(self, file=None, signature=None, pretty=False, style="default", **kwargs):
        """Print the source with the types of its variables, for one signature or for all.

        Raises UnsupportedError with `pretty`.
        """
        if pretty:
            raise errors.UnsupportedError(
                "inspect_types(pretty=True) is not supported; print to a file instead"
            )
        file = sys.stdout if file is None else file
        versions = self._versions() if signature is None else dict([self._find(signature)])
        for args, version in versions.items():
            heading = f"{self.__name__} ({', '.join(map(str, args))})"
            print(
                heading,
                "-" * 80,
                self._inspect(version.index, "types"),
                "=" * 80,
                sep="\n",
                file=file,
            )

    def explain(self, signature=None, *, data=False):
        """What the compiler did with array operations and loops, and why, line by line.

        A text for one signature, otherwise a dict of texts by argument types. With `data`, in
        place of each text a list of dicts: "file", "function", "line", "source", and "remarks", a
        list of dicts with "topic" ("fused", "loop", "memory", "library", "vector", "parallel") and
        "text".
        """

        def explained(index):
            import json

            from ._explain import Explanation

            lines = json.loads(self._inspect(index, "explain"))
            return lines if data else Explanation(self.__name__, self.signatures[index], lines)

        return self._inspect_as(explained, signature)

    def parallel_diagnostics(self, signature=None, level=1):
        """Print what became of parallel loops, for one signature or for all.

        `level` is accepted; there is one level of detail.
        """
        report = self.explain(signature)
        for text in report.values() if isinstance(report, dict) else [report]:
            print(text)

    def get_metadata(self, signature=None):
        """Facts about the compilation.

        A dict for one signature, otherwise a dict of them by argument types.
        """
        return self._inspect_as(self._metadata, signature)

    def _metadata(self, index):
        import json

        return json.loads(self._inspect(index, "metadata"))

    # ---- the function ---------------------------------------------------------------------------

    @property
    def targetoptions(self):
        """The options that the function was decorated with: a dict."""
        return {"nopython": True, **self._state.given}

    @property
    def func_code(self):
        """The code object of the Python function."""
        return self.py_func.__code__

    @property
    def doc(self):
        """The docstring."""
        return self.__doc__

    @property
    def _numba_type_(self):
        return types.Dispatcher(self)

    @property
    def _type(self):
        return self._numba_type_

    def __repr__(self):
        return f"{type(self).__name__}({self.py_func!r})"

    # As for functions: a copy would be the same thing.

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        from ._pickle import reduce_dispatcher

        return reduce_dispatcher(self)


class ObjModeDispatcher(DispatcherMethods):
    """A function with `forceobj=True`: calls run the Python function.

    Signatures are accepted and ignored.
    """

    def __init__(self, py_func, given):
        _adopt(self, py_func, given)

    def __call__(self, *args, **kwargs):
        return self.py_func(*args, **kwargs)

    def __get__(self, obj, owner=None):
        return self if obj is None else python_types.MethodType(self, obj)

    @property
    def targetoptions(self):
        """The options that the function was decorated with: a dict."""
        return {"forceobj": True, **self._state.given}

    @property
    def _numba_type_(self):
        return types.ObjModeDispatcher(self)

    def _compile(self, args, ret):
        return 0

    def _overloads(self):
        return []

    def _set_can_compile(self, flag):
        """Nothing is ever compiled."""

    def _set_cache(self, mode):
        """Nothing is ever compiled."""

    def _cache_path(self):
        return None

    def _clear(self):
        """Nothing is ever compiled."""


# ---- making dispatchers -------------------------------------------------------------------------

_lock = threading.Lock()
_dispatcher_class = None


def dispatcher_class():
    """The class `Dispatcher`; loads the compiler when it is asked for the first time."""
    global _dispatcher_class
    with _lock:
        if _dispatcher_class is None:
            from . import _core

            _core.set_error_factory(errors._from_diagnostic)
            _dispatcher_class = _core._make_dispatcher_type(DispatcherMethods)
        return _dispatcher_class


def make_dispatcher(py_func, given, for_c=False):
    """The dispatcher of a Python function with the options that the user gave.

    With `for_c`, each compiled version has a function for C, too.

    Raises TypeError or ValueError for impossible options.
    """
    options = _options.normalise(given)
    if options["forceobj"]:
        return ObjModeDispatcher(py_func, given)
    dispatcher = dispatcher_class()(py_func, options | {"for_c": for_c})
    _adopt(dispatcher, py_func, given)
    return dispatcher


def _adopt(dispatcher, py_func, given):
    """Make a dispatcher look like its function."""
    attributes = dispatcher.__dict__
    attributes.update(py_func.__dict__)
    for name in _COPIED:
        attributes[name] = getattr(py_func, name)
    attributes["py_func"] = attributes["__wrapped__"] = py_func
    attributes["_state"] = _State(given)


def dispatcher_type(obj):
    """The type of a dispatcher."""
    return obj._numba_type_
