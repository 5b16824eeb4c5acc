"""Arguments of functions, kept while a program runs: what trials run on.

This runs in the program, which is not to notice. Of each function of the user's own files the 1st,
2nd, 4th, ... 64th call is looked at, and the longest of these kept: copies of its arguments,
before and after, and of its result - if all of them are plain data, whose types are known exactly,
so that no code of theirs runs. A program that starts with `VARIABLE` in its environment does this
by itself.
"""

import atexit
import collections
import contextlib
import fcntl
import os
import re
import sys
import threading
import time
import types

#: Names the directory, of the user's alone, that files are written to.
VARIABLE = "FERDELANCE_CAPTURE"
#: A file in it says what became of watching: it is empty if calls are watched.
STATE = "watched"
#: One has the types that compiled functions were compiled for.
VERSIONS = "versions"
#: And one the bytes of all copies.
ROOM = "copied"
#: Bytes of all copies together, and of a module's variables.
MOST = 256 << 20
GLOBALS = 1 << 20
#: Objects in a list or other container.
OBJECTS = 100_000
DEPTH = 20
#: Calls of a function that are looked at, the 1st, 2nd, 4th and so on of them; and the bytes of all
#: copies of its arguments, after which no more calls are.
CALLS = 64
COPIED = 1 << 20

PLAIN = frozenset([int, float, complex, bool, str, bytes, type(None)])
SMALL_FLAGS = 0x20 | 0x80 | 0x100 | 0x200  # generators, coroutines
#: Files that are read if a program uses a compiler, or other packages, which may need NumPy.
NEEDS = re.compile(
    r"/ferdelance/(?!profiler/|__init__\.py|_startup\.py)"
    r"|/(?:site|dist)-packages/(?!numpy/|_distutils_hack/)"
)
#: Files that are loaded to watch a program.
WATCH = re.compile(r"/ferdelance/(?:profiler/|__init__\.py$|_startup\.py$)")
LIBRARY = re.compile(r"^<|/site-packages/|/dist-packages/|/lib/python3\.")
#: This package's own folder.
OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep


class NotData(Exception):
    """An object is not plain data, or there is too much of it."""


class MissingAttribute(Exception):
    """An attribute is asked for that was not copied."""


class Attributes:
    """An object of which some attributes are copied: the first argument of a method."""

    def __init__(self, values):
        self.__dict__.update(values)

    def __getattr__(self, name):
        # Only what is not there comes here. `copy` and `pickle` ask for methods that may be.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(name)


#: Stands for a compiled function among copies.
Function = collections.namedtuple("Function", "file line name")


class Copier:
    """Copies data, as long as there is room."""

    def __init__(self, room):
        self.room = room
        self.objects = OBJECTS
        self.depth = DEPTH

    def copy(self, value):
        """A copy that shares nothing with the value.

        Raises
        ------
        NotData
        """
        kind = type(value)
        self.objects -= 1
        if self.objects < 0:
            raise NotData
        if kind in PLAIN:
            if kind in (str, bytes):
                self._take(len(value))
            return value
        if kind in (list, tuple, set, frozenset):
            return kind(self._items(value))
        if kind is dict:
            return dict(zip(self._items(value), self._items(value.values()), strict=True))
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "generic"):
            if kind is numpy.ndarray and value.dtype.kind in "biufcmMSU":
                self._take(value.nbytes)
                return value.copy(order="K")
            # Objects may say that they are of another class, by code of theirs.
            if numpy.generic in _bases(kind) and kind.__module__ == "numpy":
                return value
        if kind is Attributes:
            return Attributes(self.copy_all(value.__dict__))
        if kind is Function:
            return value
        if is_compiled(kind) and value.py_func.__closure__ is None:
            code = value.py_func.__code__
            return Function(code.co_filename, code.co_firstlineno, code.co_name)
        raise NotData

    def copy_all(self, values):
        """Copies of those of the values, by name, that are plain data."""
        copies = {}
        for name, value in values.items():
            with contextlib.suppress(NotData):
                copies[name] = self.copy(value)
        return copies

    def _items(self, values):
        if self.depth == 0:
            raise NotData
        self.depth -= 1
        try:
            return [self.copy(value) for value in values]
        finally:
            self.depth += 1

    def _take(self, size):
        self.room -= size
        if self.room < 0:
            raise NotData


def attributes_of(value, code):
    """The attributes of an object that a method of its class refers to, and those that it calls.

    None if it is no such method. No code of the object's runs.
    """
    bases = _bases(type(value))
    functions = [_found(bases, code.co_name)]
    if getattr(functions[0], "__code__", None) is not code:
        return None
    names = {}
    for function in functions:
        for name in function.__code__.co_names:
            if name not in names:
                names[name] = found = _found(bases, name)
                if type(found) is types.FunctionType:
                    functions.append(found)
    # Objects with nothing but slots have no such dict; a class may have something else by the name.
    has_own = type(_found(bases, "__dict__")) is types.GetSetDescriptorType
    own = object.__getattribute__(value, "__dict__") if has_own else {}
    attributes = {}
    for name, found in names.items():
        if type(found) is types.MemberDescriptorType:
            # One of `__slots__`, which may be empty.
            with contextlib.suppress(AttributeError):
                attributes[name] = found.__get__(value)
        elif _found(_bases(type(found)), "__get__") is None:
            # No property, no method: nothing that computes.
            if name in own or found is not None:
                attributes[name] = own.get(name, found)
    return attributes


def _bases(kind):
    return type.__dict__["__mro__"].__get__(kind)


def _found(bases, name):
    """What a class, given its bases, has by a name; None if it has none."""
    own = type.__dict__["__dict__"]
    return next((own.__get__(base)[name] for base in bases if name in own.__get__(base)), None)


def with_inner(free):
    """Values of variables of functions around, with those that inner functions among them use."""
    values, waiting = {}, list(free.items())
    while waiting:
        name, value = waiting.pop()
        if name in values:
            continue
        values[name] = value
        if type(value) is types.FunctionType:
            waiting.extend(cells_of(value.__code__, value.__closure__))
    return values


def cells_of(code, cells):
    """Names and values of a function's free variables, as far as they have one."""
    for name, cell in zip(code.co_freevars, cells or (), strict=True):
        with contextlib.suppress(ValueError):
            yield name, cell.cell_contents


def is_compiled(kind):
    """Whether instances of a class are functions that this package has compiled."""
    dispatchers = sys.modules.get("ferdelance._dispatcher")
    return dispatchers is not None and dispatchers.DispatcherMethods in _bases(kind)


def example(value):
    """A value of the same type, with little in it. Raises NotData."""
    numpy = sys.modules.get("numpy")
    kind = type(value)
    if numpy is not None and hasattr(numpy, "ndarray") and kind is numpy.ndarray:
        if not value.flags.forc or value.dtype.kind not in "biufc":
            raise NotData
        order = "C" if value.flags.c_contiguous else "F"
        return numpy.zeros((2,) * value.ndim, value.dtype, order)
    if kind is list:
        return [example(value[0])] if value else []
    if kind is bytearray:
        return bytearray(1)
    return Copier(GLOBALS).copy(value)


class Room:
    """The bytes that the copies of all processes of a program take, kept in a file."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()

    def take(self, size):
        """Takes so many bytes, if there are; how many are left then, or None if there are not."""
        # A signal's handler may come here while its thread is here already: it does not wait.
        if not self.lock.acquire(blocking=False):
            return None
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Closing the file gives it back.
                fcntl.lockf(file, fcntl.LOCK_EX)
                taken = int(os.pread(file, 20, 0) or b"0") + size
                if taken > MOST:
                    return None
                if size:
                    os.pwrite(file, b"%020d" % taken, 0)
                return MOST - taken
            finally:
                os.close(file)
        finally:
            self.lock.release()


class Call:
    """A call that is looked at: what it gets, and copies of that."""

    __slots__ = (
        "arguments",
        "before",
        "code",
        "copied",
        "free",
        "is_method",
        "owner",
        "spent",
        "start",
    )

    def __init__(self, code, arguments, free, owner):
        self.code = code
        self.arguments = list(arguments)
        self.free = with_inner(free)
        self.owner = owner
        first = self.arguments[0] if self.arguments else None
        self.is_method = type(first) not in PLAIN and attributes_of(first, code) is not None

    def values(self):
        """Its arguments, of an object only attributes; and its free variables."""
        if not self.is_method:
            return self.arguments, self.free
        attributes = attributes_of(self.arguments[0], self.code) or {}
        return [Attributes(attributes), *self.arguments[1:]], self.free

    def copies(self, copier):
        """Copies of these, as they are now. Raises NotData."""
        arguments, free = self.values()
        return copier.copy(arguments), copier.copy_all(free)

    @property
    def shares_memory(self):
        """Whether two arrays of it may overlap: copies would not."""
        arguments, free = self.values()
        values = [*arguments, *free.values()]
        if self.is_method:
            values += arguments[0].__dict__.values()
        return _share_memory(values)


class Capture:
    """What is kept of the calls of a program, in one of its processes."""

    def __init__(self, directory, namespaces, *, is_first):
        self.directory = directory
        #: Of files that no module is of, as the cells of a notebook.
        self.namespaces = namespaces
        self.room = Room(os.path.join(directory, ROOM))
        #: Bytes that were copied so far, by code.
        self.copied = {}
        #: Time that was spent here: it is none of the calls'.
        self.spent = 0.0
        self.begin(is_first)

    def begin(self, is_first):
        """In this process nothing has been kept: it may be the child of a fork."""
        self.owner = os.getpid()
        self.is_first = is_first
        self.room.lock = threading.Lock()
        self.kept = {}
        self.globals = {}

    def is_wanted(self, code):
        file = code.co_filename
        return (
            (file in self.namespaces or not LIBRARY.search(file))
            and not file.startswith(OWN)
            and not code.co_flags & SMALL_FLAGS
            and not code.co_name.startswith("<")
        )

    def enter(self, code, arguments, free):
        """A call begins: of what, its arguments, and its free variables, by name.

        Returns
        -------
        Call or None
            None if it is not kept.
        """
        if self.copied.get(code, 0) > COPIED:
            return None
        start = time.perf_counter()
        try:
            call = Call(code, arguments, free, self.owner)
            copier = Copier(self._most())
            room = copier.room
            try:
                call.before = call.copies(copier)
            finally:
                call.copied = room - copier.room
                self.copied[code] = self.copied.get(code, 0) + call.copied
            if call.shares_memory:
                return None
        except NotData:
            return None
        finally:
            self.spent += time.perf_counter() - start
        self._keep_globals(code)
        call.spent = self.spent
        call.start = time.perf_counter()
        return call

    def leave(self, call, result):
        """A call has ended, not by an exception."""
        end = time.perf_counter()
        seconds = end - call.start - (self.spent - call.spent)
        key = (call.code.co_filename, call.code.co_firstlineno, call.code.co_name)
        known = self.kept.get(key)
        # In the child of a fork, calls of its parent end as well.
        if call.owner == self.owner and (known is None or seconds > known["seconds"]):
            with contextlib.suppress(NotData):
                self._keep(key, known, call, result, seconds)
        self.spent += time.perf_counter() - end

    def _keep(self, key, known, call, result, seconds):
        copier = Copier(self._most())
        room = copier.room
        after, free = call.copies(copier)
        result = copier.copy(result)
        size = call.copied + room - copier.room
        if self._take(size - (known["bytes"] if known else 0)) is None:
            return
        self.kept[key] = kept = {
            "file": call.code.co_filename,
            "line": call.code.co_firstlineno,
            "name": call.code.co_name,
            "before": call.before[0],
            "after": after,
            "free": (call.before[1], free),
            "result": result,
            "seconds": seconds,
            "bytes": size,
            "globals": self.globals.get(call.code.co_filename, {}),
        }
        if not self.is_first:
            # Processes of a pool are ended when they are not expecting it.
            self._write(list(self.kept).index(key), kept)

    def _take(self, size):
        try:
            return self.room.take(size)
        except OSError:
            # The session is over, and its directory gone: nobody waits for this process.
            return None

    def _most(self):
        """The bytes that a call's copies may take."""
        return min(self._take(0) or 0, MOST // 2)

    def _keep_globals(self, code):
        """The plain data among the variables of a function's module, at its first call."""
        file = code.co_filename
        if file in self.globals:
            return
        copied = self.globals[file] = {}
        for name, value in list(self._namespace(file).items()):
            if name.startswith("__"):
                continue
            try:
                copied[name] = Copier(GLOBALS).copy(value)
            except NotData:
                continue

    def _namespace(self, file):
        if file in self.namespaces:
            return self.namespaces[file]
        for module in list(sys.modules.values()):
            namespace = getattr(module, "__dict__", None)
            if namespace is not None and namespace.get("__file__") == file:
                return namespace
        return {}

    def _script(self):
        """Examples of the variables of the script itself, whose loops may become functions."""
        namespace = getattr(sys.modules.get("__main__"), "__dict__", {})
        # CPython takes `__file__` away as the script ends.
        file = namespace.get("__file__") or getattr(namespace.get("__loader__"), "path", None)
        if type(file) is not str:
            return
        examples = {}
        for name, value in list(namespace.items()):
            if not name.startswith("__"):
                try:
                    examples[name] = example(value)
                except NotData:
                    continue
        yield {"file": file, "line": 1, "name": "<module>", "globals": examples}

    def write(self):
        """Writes what was kept, each call to a file of its own."""
        if os.getpid() != self.owner or not self.is_first:
            return
        for number, kept in enumerate([*self.kept.values(), *self._script()]):
            self._write(number, kept)
        import json

        versions = list(self._versions())
        path = os.path.join(self.directory, VERSIONS)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as output:
            json.dump(versions, output)

    def _versions(self):
        """Compiled functions of the user's own files, with the types they were compiled for."""
        for module in list(sys.modules.values()):
            for value in list(getattr(module, "__dict__", {}).values()):
                if not is_compiled(type(value)):
                    continue
                code = value.py_func.__code__
                if value.__module__ == module.__name__ and self.is_wanted(code):
                    place = (code.co_filename, code.co_firstlineno, code.co_name)
                    types = [", ".join(map(str, types)) for types in value.signatures]
                    yield *place, types

    def _write(self, number, kept):
        # At the program's end: it may have loaded that itself.
        import pickle

        path = os.path.join(self.directory, f"{self.owner}.{number}")
        try:
            file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "wb") as output:
                pickle.dump(kept, output, protocol=5)
            os.rename(f"{path}.new", f"{path}.call")
        except FileNotFoundError:
            # The session is over.
            pass


def _share_memory(arguments):
    """Whether two arrays among the arguments may overlap: copies would not."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return False
    arrays = [a for a in arguments if type(a) is numpy.ndarray]
    return any(numpy.may_share_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def _monitor(capture):
    """Watches calls by `sys.monitoring`, of CPython 3.12 and later. What ends that."""
    monitoring = sys.monitoring
    events = monitoring.events
    tool = next((i for i in (4, 3, 5) if monitoring.get_tool(i) is None), None)
    if tool is None:
        return None
    monitoring.use_tool_id(tool, "ferdelance advise")
    counts = {}
    # By the frame that runs: calls nest, and threads run side by side.
    running = {}

    def start(code, offset):
        count = counts.get(code)
        if count is None:
            if not capture.is_wanted(code):
                return monitoring.DISABLE
            monitoring.set_local_events(tool, code, events.PY_START | events.PY_RETURN)
            count = 0
        counts[code] = count = count + 1
        if count > CALLS:
            monitoring.set_local_events(tool, code, 0)
            return monitoring.DISABLE
        if count & (count - 1) == 0:
            frame = sys._getframe(1)
            parameters = code.co_argcount + code.co_kwonlyargcount
            parameters += bool(code.co_flags & 4) + bool(code.co_flags & 8)
            names = code.co_varnames[:parameters]
            values = frame.f_locals
            if all(name in values for name in names):
                free = {name: values[name] for name in code.co_freevars if name in values}
                call = capture.enter(code, [values[name] for name in names], free)
                if call is not None:
                    running[id(frame)] = call
        return None

    def finish(code, offset, result):
        call = running.pop(id(sys._getframe(1)), None)
        if call is not None and call.code is code:
            capture.leave(call, result)

    def fail(code, offset, error):
        # What a call got that ended so cannot be compared with anything.
        if running:
            running.pop(id(sys._getframe(1)), None)

    monitoring.register_callback(tool, events.PY_UNWIND, fail)
    monitoring.register_callback(tool, events.PY_START, start)
    monitoring.register_callback(tool, events.PY_RETURN, finish)
    # That calls end by exceptions is told of all functions, or of none.
    monitoring.set_events(tool, events.PY_START | events.PY_UNWIND)

    def stop():
        monitoring.set_events(tool, 0)
        for code in counts:
            monitoring.set_local_events(tool, code, 0)
        monitoring.free_tool_id(tool)

    return stop


def _evaluate(capture):
    """Watches calls by the hook for evaluating frames, of CPython 3.10 and 3.11. What ends that."""
    from ... import _core

    def enter(code, arguments, cells):
        return capture.enter(code, arguments, dict(cells_of(code, cells)))

    _core._watch_calls(capture.is_wanted, enter, capture.leave, CALLS)
    return _core._unwatch_calls


def _listen(capture):
    """Watches calls of compiled functions, which run no frame. What ends that."""
    from ... import _core

    wanted = {}

    def enter(function, arguments, names):
        code = function.__code__
        if code not in wanted:
            wanted[code] = capture.is_wanted(code)
        values = _bound(function, arguments, names or ()) if wanted[code] else None
        if values is None:
            return None
        return capture.enter(code, values, dict(cells_of(code, function.__closure__)))

    _core._watch_compiled(enter, capture.leave, CALLS)
    return _core._unwatch_compiled


def _bound(function, arguments, names):
    """The values of a function's parameters, in the order of its variables; None if it has others
    than plain ones, or its call is wrong."""
    code = function.__code__
    if code.co_flags & (4 | 8):
        return None
    count = code.co_argcount
    parameters = code.co_varnames[: count + code.co_kwonlyargcount]
    defaults = function.__defaults__ or ()
    given = dict(zip(parameters[count - len(defaults) : count], defaults, strict=True))
    given |= function.__kwdefaults__ or {}
    plain = arguments[: len(arguments) - len(names)]
    given |= dict(zip(parameters, plain, strict=False))
    given |= dict(zip(names, arguments[len(plain) :], strict=True))
    if len(plain) > count or given.keys() != set(parameters):
        return None
    return [given[name] for name in parameters]


class Session:
    """A capture of the process that runs this, until it is stopped, and of those that it forks.

    Parameters
    ----------
    directory : str
        Where what was kept is written to.
    namespaces : dict
        Of files that no module is of: their variables, by name.
    is_first : bool
        Whether this is the program's first process.
    """

    def __init__(self, directory, namespaces=(), *, is_first=True):
        self._capture = Capture(directory, dict(namespaces), is_first=is_first)
        self._stops = []
        for watch in (_monitor if sys.version_info >= (3, 12) else _evaluate, _listen):
            try:
                self._stops.append(watch(self._capture))
            except RuntimeError:
                # Somebody else watches such calls: there will be no trials of them.
                self._stops.append(None)
        self.is_watching = self._stops[0] is not None
        os.register_at_fork(after_in_child=self._child)

    def _child(self):
        self._capture.begin(is_first=False)

    def stop(self):
        for stop in filter(None, self._stops):
            stop()
        self._stops = []
        self._capture.write()


_session = None


def start(directory):
    """Begins, in a process of the program; what was kept is in the directory at its end.

    Python may read its start files twice.
    """
    global _session
    if _session is not None:
        return
    path = os.path.join(directory, STATE)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # A process of the program's has begun before.
        _session = Session(directory, is_first=False)
        return
    _session = Session(directory)
    atexit.register(_session.stop)
    with os.fdopen(file, "w") as state:
        state.write("" if _session.is_watching else "something else watches its calls already")


def why_nothing(directory):
    """Why no calls were watched, in words; empty if they were.

    A program that is started without the package, or with a start file of an older version of it,
    does not know that it is to watch.
    """
    try:
        with open(os.path.join(directory, STATE)) as file:
            return file.read()
    except FileNotFoundError:
        return (
            "it did not run ferdelance's start file, ferdelance_record.pth: that is missing or old "
            "in its environment, or it was started with -S or -I"
        )


def without_itself(recording):
    """A recording without the time that was spent here."""
    from .. import Recording

    package = __name__.replace(".", "/")
    files = [f"/{package}.py", "/ferdelance/_startup.py"]
    loaded = recording.functions["file"]
    has_started = any(f.endswith(tuple(files)) for f in loaded)
    if has_started and not any(map(NEEDS.search, loaded)):
        texts = zip(recording.sources["file"], recording.sources["text"], strict=True)
        own = [text for file, text in texts if not LIBRARY.search(file) and not WATCH.search(file)]
        if not any("numpy" in text for text in own):
            # Else the program loads what the package loads, NumPy, without this, too.
            files.append("/ferdelance/__init__.py")
    return Recording(recording._inner.leave_out(files))


def versions(directory):
    """The types that functions were compiled for, as texts, by file, line and name."""
    import json

    try:
        with open(os.path.join(directory, VERSIONS)) as file:
            return {tuple(place): types for *place, types in json.load(file)}
    except FileNotFoundError:
        # Nothing was watched, or the program was killed.
        return {}


def load(directory):
    """The files of the calls that a program has left in a directory, by file, line and name.

    The files are pickles, which this process's user has written: nobody else may write there.
    """
    import pickle

    calls, longest = {}, {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".call"):
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                kept = pickle.load(file)
            # What is in it is read again by the process of a trial.
            key = (kept["file"], kept["line"], kept["name"])
            seconds = kept.get("seconds", 0.0)
            # Several processes may have called a function.
            if key not in calls or seconds > longest[key]:
                calls[key], longest[key] = path, seconds
    return calls
