"""Recording the program that runs this: ``record``, ``start``, ``stop``."""

import functools
import os
import sys
import tempfile

from . import _agent
from ._session import Session

_running = None


def _default_path():
    name = os.path.splitext(os.path.basename(sys.argv[0] or "python"))[0] or "python"
    return f"{name}-{os.getpid()}.fdl"


def start(path=None, *, rate=_agent.RATE, clock=None, sources=True):
    """Start recording this program, all its threads, and the processes that it starts from now on.

    Parameters
    ----------
    path : str or os.PathLike, optional
        Where :func:`stop` writes the recording; default: the program's name and its process id,
        with the ending ``.fdl``, in the current directory.
    rate : float
        Samples for each second of CPU time, in Hz, from 10 to 10,000.
    clock : {"perf", "timer"}, optional
        What makes samples. ``"perf"``, the default, comes at any rate; ``"timer"`` at most some
        hundred times a second, and is used where the system does not allow the other.
    sources : bool
        Whether the recording has the sources of the functions in it.

    Raises
    ------
    RuntimeError
        If this process is being recorded already.
    ValueError
        If there is no such rate or clock.
    OSError
        If the file cannot be written.
    """
    global _running
    if _running is not None and _running.is_own:
        raise RuntimeError(
            "this process is being recorded already: ferdelance.profiler.stop() ends that"
        )
    path = os.fspath(path) if path is not None else _default_path()
    _running = Session(path, rate=rate, clock=clock, sources=sources)


def stop():
    """Stop what :func:`start` has started, and write the recording.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    RuntimeError
        If nothing is being recorded.
    OSError
        If the file could not be written.
    """
    global _running
    session, _running = _running, None
    if session is None or not session.is_own:
        raise RuntimeError("nothing is being recorded: ferdelance.profiler.start() begins")
    session.stop()
    return session.path


class record:
    """Record what runs within, as a context manager or as a decorator.

    Takes the parameters of :func:`start`. Without a path, the recording is kept in memory alone.

    >>> with record("solve.fdl"):
    ...     solve()
    >>> with record() as r:
    ...     solve()
    >>> print(r.recording.report())
    >>> @record("steps.fdl")
    ... def step():
    ...     ...

    A decorated function that is called again writes its file again; a call within a recorded one is
    part of that recording.

    Attributes
    ----------
    path : str or None
    recording : Recording
        What was recorded, once that is over.
    """

    def __init__(self, path=None, *, rate=_agent.RATE, clock=None, sources=True):
        self.path = os.fspath(path) if path is not None else None
        self.options = {"rate": rate, "clock": clock, "sources": sources}
        self._recording = None
        self._file = None

    def __enter__(self):
        self._recording = None
        self._file = self.path
        if self._file is None:
            handle, self._file = tempfile.mkstemp(suffix=".fdl")
            os.close(handle)
        try:
            start(self._file, **self.options)
        except BaseException:
            if self.path is None and os.path.exists(self._file):
                os.unlink(self._file)
            raise
        return self

    def __exit__(self, *_):
        try:
            stop()
            if self.path is None:
                self._recording = self._load()
        finally:
            if self.path is None and os.path.exists(self._file):
                os.unlink(self._file)

    def _load(self):
        from . import load

        return load(self._file)

    @property
    def recording(self):
        if self._recording is None:
            if self._file is None or _running is not None:
                raise RuntimeError("the recording is not over")
            self._recording = self._load()
        return self._recording

    def __call__(self, function):
        @functools.wraps(function)
        def recorded(*args, **kwargs):
            if _running is not None and _running.is_own:
                return function(*args, **kwargs)
            with record(self.path, **self.options) as again:
                try:
                    return function(*args, **kwargs)
                finally:
                    recorded.recorded = again

        return recorded
