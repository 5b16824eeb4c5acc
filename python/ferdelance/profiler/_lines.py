"""The profiler of lines: hits and time of every line of chosen functions."""

import os
import resource
import sys
import time

from .. import _core
from ._recording import Recording


class LineProfile:
    """Counts how often the lines of functions run, and for how long.

    ``ferdelance.profiler.lines`` is the only one. Called with a function it begins to count its
    lines, in all threads, and returns the function as it is: so it decorates. A line's time goes
    on until the next line of the same call begins, with all that is called meanwhile.

    From Python 3.12 on only the chosen functions become slower; before, every line of the program
    does, and a program that sets a trace function of its own ends the counting.

    Compiled functions have no lines that could be counted: ``fdl record`` samples them.

    >>> @lines
    ... def solve(n): ...
    >>> solve(3)
    >>> lines.print_stats()
    """

    def __init__(self):
        self.compiled = []
        self._started = time.time()

    def __call__(self, function):
        """Begin to count the lines of a function, and return it.

        Parameters
        ----------
        function : callable
            A function; the function of a method, classmethod, staticmethod, property or partial.

        Raises
        ------
        TypeError
            If there is no function in it that is written in Python.
        RuntimeError
            If lines cannot be counted in this Python.
        """
        found = list(_functions(function))
        if not found:
            raise TypeError(f"{function!r} has no lines that could be counted")
        for one in found:
            code = getattr(one, "__code__", None)
            if _is_compiled(one):
                self.compiled.append(_compiled_name(one))
            elif code is not None:
                _core._lines_add(code)
        return function

    def clear(self):
        """Forget what was counted."""
        _core._lines_clear()

    def tables(self):
        """What was counted: (file, first line, name, [(line, hits, seconds)]) of each function."""
        rows = []
        for code, counted in _core._lines_counts():
            name = getattr(code, "co_qualname", code.co_name)
            rows.append((code.co_filename, code.co_firstlineno, name, list(counted)))
        return rows

    def recording(self):
        """What was counted, as a :class:`Recording`."""
        return recording_of(lines=self.tables(), log=self.notes(), started=self._started)

    def notes(self):
        """What there is to be said besides, as sentences."""
        return [
            f"{name} is compiled: its lines are not counted. fdl record samples them."
            for name in self.compiled
        ]

    def print_stats(self, stream=None):
        """Print the lines with their hits and times to a stream (default: the standard output)."""
        print(self.recording().report(lines=True), end="", file=stream or sys.stdout)
        for note in self.notes():
            print(note, file=stream or sys.stdout)

    def dump_stats(self, path):
        """Write what was counted: as line_profiler does if the name ends in ``.lprof``, otherwise
        as a recording. Raises OSError."""
        path = os.fspath(path)
        if path.endswith(".lprof"):
            self.recording().export(path, "lprof")
        else:
            self.recording().save(path)


#: Counts lines of the functions that it decorates.
lines = LineProfile()


def recording_of(*, counts=None, lines=(), log=(), started=None, sources=True):
    """A recording of what this process has counted."""
    started = time.time() if started is None else started
    meta = {
        "command": [sys.executable, *sys.orig_argv[1:]],
        "directory": os.getcwd(),
        "started": started,
        "elapsed": max(time.time() - started, 0.0),
        "exit_status": None,
    }
    used = resource.getrusage(resource.RUSAGE_SELF)
    times = (round(used.ru_utime * 1e6), round(used.ru_stime * 1e6))
    version = ".".join(map(str, sys.version_info[:3]))
    inner = _core._recording_of_counts(
        meta, (os.getpid(), *times), version, counts, list(lines), list(log), sources
    )
    return Recording(inner)


def _is_compiled(function):
    return any(c.__name__ in ("Dispatcher", "_DispatcherBase") for c in type(function).__mro__)


def _compiled_name(function):
    return getattr(function, "__qualname__", None) or getattr(function, "__name__", "?")


def _functions(thing):
    """The functions in a decorated thing."""
    import functools
    import types

    if isinstance(thing, (classmethod, staticmethod)):
        yield from _functions(thing.__func__)
    elif isinstance(thing, property):
        for part in (thing.fget, thing.fset, thing.fdel):
            if part is not None:
                yield from _functions(part)
    elif isinstance(thing, functools.partial):
        yield from _functions(thing.func)
    elif isinstance(thing, types.MethodType):
        yield from _functions(thing.__func__)
    elif isinstance(thing, functools.cached_property):
        yield from _functions(thing.func)
    elif isinstance(thing, types.FunctionType) or _is_compiled(thing):
        yield thing
