"""Pickling of jitted functions.

A function that can be imported by its name, from another module than `__main__`, is pickled as that
name. Any other is pickled whole: its code, the globals that the code names, its closure and its
source text, so that it runs in processes that have no file of it. Plain functions and modules that
it refers to are treated likewise. A function that comes back to a process where it exists is that
same function.

Objects are made empty and filled afterwards, so that functions may refer to themselves and to each
other.
"""

import importlib
import marshal
import os
import sys
import threading
import types as python_types
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from . import _capture

_known = WeakValueDictionary()  # dispatchers by pickle id
_known_lock = threading.RLock()
_wrappers = WeakKeyDictionary()  # the one `_FunctionByValue` of a function


# ---- dispatchers --------------------------------------------------------------------------------


def reduce_dispatcher(dispatcher):
    """`Dispatcher.__reduce__`."""
    name = _importable_name(dispatcher)
    if name is not None:
        return _import, name
    state = dispatcher._state
    with _known_lock:
        if state.pickle_id is None:
            state.pickle_id = os.urandom(16).hex()
            _known[state.pickle_id] = dispatcher
    made_of = (state.pickle_id, _skeleton(dispatcher.py_func), _portable(state.given))
    contents = (_contents(dispatcher.py_func), dispatcher._explicit_versions())
    return _make_dispatcher, made_of, contents, None, None, _fill_dispatcher


def _make_dispatcher(pickle_id, skeleton, given):
    """The dispatcher with that id: the one that exists, or a new one of an empty function."""
    from ._dispatcher import make_dispatcher

    with _known_lock:
        dispatcher = _known.get(pickle_id)
        if dispatcher is None:
            dispatcher = make_dispatcher(_make_function(*skeleton), given)
            dispatcher._state.pickle_id = pickle_id
            dispatcher._state.filled = False
            _known[pickle_id] = dispatcher
        return dispatcher


def _fill_dispatcher(dispatcher, contents):
    """Fill a new dispatcher's function, and compile what explicit signatures had compiled."""
    if dispatcher._state.filled:
        return
    function_contents, versions = contents
    _fill_function(dispatcher.py_func, function_contents)
    dispatcher._state.filled = True
    if versions is not None:
        for sig in versions:
            dispatcher.compile(sig)
        dispatcher.disable_compile()


# ---- plain functions and modules ----------------------------------------------------------------


class _FunctionByValue:
    """Stands in a pickle for a plain function that cannot be imported."""

    __slots__ = ("_function", "__weakref__")

    def __init__(self, function):
        self._function = ref(function)  # strong, it would keep its own key in `_wrappers` alive

    def __reduce__(self):
        function = self._function()
        return _make_function, _skeleton(function), _contents(function), None, None, _fill_function


class _ModuleByName:
    """Stands in a pickle for a module."""

    __slots__ = ("_name",)

    def __init__(self, module):
        self._name = module.__name__

    def __reduce__(self):
        return importlib.import_module, (self._name,)


def _portable(value):
    """A value that pickles as `value`, also where that has modules or local functions in it."""
    if isinstance(value, python_types.ModuleType):
        return _ModuleByName(value)
    if isinstance(value, python_types.FunctionType):
        if _importable_name(value) is not None:
            return value
        return _wrappers.setdefault(value, _FunctionByValue(value))
    if type(value) in (tuple, list):
        return type(value)(map(_portable, value))
    if type(value) is dict:
        return {key: _portable(item) for key, item in value.items()}
    return value


def _skeleton(function):
    """The arguments of `_make_function`."""
    code = function.__code__
    attributes = {
        name: getattr(function, name)
        for name in ("__name__", "__qualname__", "__module__", "__doc__")
    }
    defaults = _portable((function.__defaults__, function.__kwdefaults__))
    return (
        sys.implementation.cache_tag,
        marshal.dumps(code),
        attributes,
        defaults,
        _source(function),
    )


def _make_function(python, code, attributes, defaults, source):
    """A function without globals and with an empty closure.

    Raises RuntimeError for code from another version of Python.
    """
    if python != sys.implementation.cache_tag:
        raise RuntimeError(
            f"{attributes['__qualname__']} was pickled by {python}; "
            f"{sys.implementation.cache_tag} cannot load it"
        )
    code = marshal.loads(code)
    namespace = {"__name__": attributes["__module__"], "__builtins__": __builtins__}
    closure = tuple(python_types.CellType() for _ in code.co_freevars)
    function = python_types.FunctionType(code, namespace, attributes["__name__"], None, closure)
    for name, value in attributes.items():
        setattr(function, name, value)
    function.__defaults__, function.__kwdefaults__ = defaults
    if source is not None:
        function.__ferdelance_source__ = source
    return function


def _contents(function):
    """(globals that the code names, values of the closure, annotations, attributes)."""
    named = _named_globals(function.__code__)
    namespace = {name: value for name, value in function.__globals__.items() if name in named}
    closure = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    attributes = {k: v for k, v in function.__dict__.items() if k != "__ferdelance_source__"}
    return tuple(map(_portable, (namespace, closure, function.__annotations__, attributes)))


def _fill_function(function, contents):
    namespace, closure, annotations, attributes = contents
    function.__globals__.update(namespace)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name in closure:
            cell.cell_contents = closure[name]
    function.__annotations__ = annotations
    function.__dict__.update(attributes)


def _named_globals(code):
    """Names that a code object and those inside it may look up in the globals."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, python_types.CodeType):
            names |= _named_globals(constant)
    return names


def _source(function):
    """The text of the top-level statement that contains a function, or None.

    As (text, file name, number of its first line), which `_capture.find` looks for.
    """
    import ast

    try:
        found = _capture.find(function)
    except LookupError:
        return None
    line = function.__code__.co_firstlineno - found.first_line + 1
    for node in ast.parse(found.text).body:
        decorators = getattr(node, "decorator_list", ())
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        if first <= line <= node.end_lineno:
            lines = found.text.split("\n")[first - 1 : node.end_lineno]
            return "\n".join([*lines, ""]), found.filename, found.first_line + first - 1
    return found.text, found.filename, found.first_line


# ---- names --------------------------------------------------------------------------------------


def _importable_name(obj):
    """(module, qualified name) under which other processes can import `obj`, or None."""
    module, name = obj.__module__, obj.__qualname__
    if module in (None, "__main__", "__mp_main__") or module not in sys.modules:
        return None
    try:
        return (module, name) if _resolve(sys.modules[module], name) is obj else None
    except AttributeError:
        return None


def _import(module, name):
    return _resolve(importlib.import_module(module), name)


def _resolve(obj, name):
    for part in name.split("."):
        obj = getattr(obj, part)
    return obj
