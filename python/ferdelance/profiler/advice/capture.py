"""Arguments of functions, kept while a program runs: what trials run on.

This runs in the program, which is not to notice. Of each function of the user's own files the 1st,
2nd, 4th, ... 64th call is looked at, and the longest of these kept: copies of its arguments,
before and after, and of its result - if all of them are plain data, whose types are known exactly,
so that no code of theirs runs. A program that starts with `VARIABLE` in its environment does this
by itself.
"""

import atexit
import os
import pickle
import re
import sys
import time

#: Names the directory, of the user's alone, that files are written to.
VARIABLE = "FERDELANCE_CAPTURE"
#: A file in it says what became of watching: it is empty if calls are watched.
STATE = "watched"
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
LIBRARY = re.compile(r"^<|/site-packages/|/dist-packages/|/lib/python3\.")
#: This package's own folder.
OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep


class NotData(Exception):
    """An object is not plain data, or there is too much of it."""


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
            if isinstance(value, numpy.generic) and kind.__module__ == "numpy":
                return value
        raise NotData

    def _items(self, values):
        self.depth -= 1
        if self.depth < 0:
            raise NotData
        items = [self.copy(value) for value in values]
        self.depth += 1
        return items

    def _take(self, size):
        self.room -= size
        if self.room < 0:
            raise NotData


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


class Call:
    """A call that is looked at."""

    __slots__ = ("arguments", "before", "code", "copied", "spent", "start")

    def __init__(self, code, arguments, before, copied):
        self.code = code
        self.arguments = arguments
        self.before = before
        self.copied = copied


class Capture:
    """What is kept of the calls of a program."""

    def __init__(self, directory, namespaces):
        self.directory = directory
        #: Of files that no module is of, as the cells of a notebook.
        self.namespaces = namespaces
        self.owner = os.getpid()
        self.kept = {}
        self.globals = {}
        self.bytes = 0
        #: Bytes that were copied so far, by code.
        self.copied = {}
        #: Time that was spent here: it is none of the calls'.
        self.spent = 0.0

    def is_wanted(self, code):
        file = code.co_filename
        return (
            (file in self.namespaces or not LIBRARY.search(file))
            and not file.startswith(OWN)
            and not code.co_flags & SMALL_FLAGS
            and not code.co_name.startswith("<")
        )

    def enter(self, code, arguments):
        if self.copied.get(code, 0) > COPIED:
            return None
        start = time.perf_counter()
        copier = Copier(min(MOST - self.bytes, MOST // 2))
        room = copier.room
        try:
            before = copier.copy(list(arguments))
        except NotData:
            return None
        finally:
            self.copied[code] = self.copied.get(code, 0) + room - copier.room
            self.spent += time.perf_counter() - start
        if _share_memory(arguments):
            return None
        call = Call(code, arguments, before, room - copier.room)
        self._keep_globals(code)
        call.spent = self.spent
        call.start = time.perf_counter()
        return call

    def leave(self, call, result):
        end = time.perf_counter()
        seconds = end - call.start - (self.spent - call.spent)
        key = (call.code.co_filename, call.code.co_firstlineno, call.code.co_name)
        known = self.kept.get(key)
        if known is None or seconds > known["seconds"]:
            copier = Copier(min(MOST - self.bytes - call.copied, MOST // 2))
            room = copier.room
            try:
                after = copier.copy(list(call.arguments))
                result = copier.copy(result)
            except NotData:
                after = None
            if after is not None:
                size = call.copied + room - copier.room
                self.bytes += size - (known["bytes"] if known else 0)
                self.kept[key] = {
                    "file": call.code.co_filename,
                    "line": call.code.co_firstlineno,
                    "name": call.code.co_name,
                    "before": call.before,
                    "after": after,
                    "result": result,
                    "seconds": seconds,
                    "bytes": size,
                }
        self.spent += time.perf_counter() - end

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
        if os.getpid() != self.owner:
            return
        for kept in self.kept.values():
            kept["globals"] = self.globals.get(kept["file"], {})
        for number, kept in enumerate([*self.kept.values(), *self._script()]):
            path = os.path.join(self.directory, f"{number}.call")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                pickle.dump(kept, file, protocol=5)


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
                call = capture.enter(code, [values[name] for name in names])
                if call is not None:
                    running[id(frame)] = call
        return None

    def finish(code, offset, result):
        call = running.pop(id(sys._getframe(1)), None)
        if call is not None and call.code is code:
            capture.leave(call, result)

    monitoring.register_callback(tool, events.PY_START, start)
    monitoring.register_callback(tool, events.PY_RETURN, finish)
    monitoring.set_events(tool, events.PY_START)

    def stop():
        monitoring.set_events(tool, 0)
        for code in counts:
            monitoring.set_local_events(tool, code, 0)
        monitoring.free_tool_id(tool)

    return stop


def _evaluate(capture):
    """Watches calls by the hook for evaluating frames, of CPython 3.10 and 3.11. What ends that."""
    from ... import _core

    _core._watch_calls(capture.is_wanted, capture.enter, capture.leave)
    return _core._unwatch_calls


class Session:
    """A capture of the process that runs this, until it is stopped.

    Parameters
    ----------
    directory : str
        Where what was kept is written to.
    namespaces : dict
        Of files that no module is of: their variables, by name.
    """

    def __init__(self, directory, namespaces=()):
        self._capture = Capture(directory, dict(namespaces))
        try:
            watch = _monitor if sys.version_info >= (3, 12) else _evaluate
            self._stop = watch(self._capture)
        except RuntimeError:
            # Somebody else watches calls: there will be no trials.
            self._stop = None
        if self._stop is not None:
            os.register_at_fork(after_in_child=self._end)

    @property
    def is_watching(self):
        return self._stop is not None

    def _end(self):
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def stop(self):
        self._end()
        self._capture.write()


def start(directory):
    """Begins, in the program; at its end, what was kept is in the directory."""
    session = Session(directory)
    atexit.register(session.stop)
    path = os.path.join(directory, STATE)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("" if session.is_watching else "something else watches its calls already")


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
        if not any("numpy" in text for file, text in texts if not LIBRARY.search(file)):
            # Else the program loads what the package loads, NumPy, without this, too.
            files.append("/ferdelance/__init__.py")
    return Recording(recording._inner.leave_out(files))


def load(directory):
    """The files of the calls that a program has left in a directory, by file, line and name.

    The files are pickles, which this process's user has written: nobody else may write there.
    """
    calls = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".call"):
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                kept = pickle.load(file)
            # What is in it is read again by the process of a trial.
            key = (kept["file"], kept["line"], kept["name"])
            calls[key] = path
    return calls
