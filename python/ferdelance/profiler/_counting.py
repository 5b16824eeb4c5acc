"""Counting a whole program: what ``fdl data`` and ``fdl lines`` ask, and what its processes do.

The command runs the program with a request in its environment, which every Python of it obeys when
it starts. Each process writes what it has counted into the session's directory when it ends, as a
recording of its own; the command puts them together.
"""

import functools
import json
import marshal
import os
import re
import signal
import subprocess
import sys
import time

from .._startup import COUNT
from ._recording import Recording

#: Why a process that has begun has written nothing.
ENDED = "it was killed, or became another program, before it could write"

#: How long processes that the program leaves behind are waited for, in seconds.
GRACE = 1.0


def run(command, path, request, *, sources=True):
    """Run a command and count its calls or lines.

    Parameters
    ----------
    command : list of str
    path : str
        Where the recording is written.
    request : dict
        ``mode`` (data, lines), and the options of this mode.
    sources : bool
        Whether the recording has the texts of source files.

    Returns
    -------
    int
        The command's status, as :attr:`subprocess.Popen.returncode`.
    Recording

    Raises
    ------
    OSError
        If the command cannot be started or the file cannot be written.
    """
    from ._session import _Signals, session_directory

    with session_directory(path) as directory:
        environment = {**os.environ, COUNT: json.dumps({**request, "directory": directory})}
        started = time.time()
        process = subprocess.Popen(command, env=environment)
        with _Signals(process):
            process.wait()
        elapsed = time.time() - started
        _wait_for_rest(directory)
        meta = {
            "command": [os.fspath(word) for word in command],
            "directory": os.getcwd(),
            "started": started,
            "elapsed": elapsed,
            "exit_status": process.returncode % 256 if process.returncode >= 0 else None,
        }
        recording = _merged(directory, meta, sources)
        recording.save(path)
        return process.returncode, recording


def _begun(directory):
    """Process ids and commands of processes that have begun and not ended."""
    for name in sorted(os.listdir(directory)):
        if name.endswith(".begun"):
            with open(os.path.join(directory, name), errors="replace") as file:
                yield int(name.split(".")[0]), file.read()


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _wait_for_rest(directory):
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(_is_alive(pid) for pid, _ in _begun(directory)):
        time.sleep(0.02)


def _merged(directory, meta, sources):
    from .. import _core

    parts, log = [], []
    for name in sorted(os.listdir(directory)):
        if name.endswith(".fdl"):
            part, warnings = _core.Recording.load(os.path.join(directory, name))
            parts.append(part)
            log += warnings
    missing = missing_in(directory)
    return Recording(_core._merge_recordings(meta, parts, missing, sources))


def missing_in(directory):
    """Processes that have begun and written nothing: number, command, and why."""
    return [
        (pid, command, "it still runs" if _is_alive(pid) else ENDED)
        for pid, command in _begun(directory)
    ]


# ---- in the processes of the program -------------------------------------------------------------


def begin(request):
    """Begin to count in this process, as a request says, unless it does already: Python may read
    its start files twice. What goes wrong is no concern of the program's: it is told on stderr, and
    the program runs."""
    global _count
    if _count is not None:
        return
    try:
        _count = _Count(json.loads(request))
        _count.begin()
    except Exception as error:
        print(f"ferdelance: not counted: {error}", file=sys.stderr)


def go_on(profile, request):
    """In the child of a fork, in which a profile is enabled: this writes what it counts here."""
    global _count
    if _count is not None:
        return
    _count = _Count({"mode": "data", "correct": False, **request}, profile)
    try:
        _count.prepare()
    except OSError:
        # The parent has ended: nobody waits for this process.
        _count.pid = None


_count = None


class _Count:
    """What counts this process, and writes at its end what was counted.

    Parameters
    ----------
    request : dict
        ``mode`` and ``directory``, and the options of the mode; ``tables``: it is for a profile,
        which wants tables in place of a recording.
    profile : Profile, optional
        One that is enabled already.
    """

    def __init__(self, request, profile=None):
        self.request = request
        self.directory = request["directory"]
        self.profile = profile
        self.pid = None
        self.started = time.time()

    def prepare(self):
        """Has the end of this process, and its forks, told."""
        import atexit

        # Pools end their workers by this signal. Who has a handler has taken care of the end.
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminated)
            self._insist()
        self._mark()
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._child)
        # What ends a process without its exit functions; multiprocessing's children end so.
        for name in ("_exit", "execv", "execve"):
            setattr(os, name, self._before(getattr(os, name)))

    def begin(self):
        self.prepare()
        if self.request["mode"] == "data":
            from ._profile import Profile, hook_cost

            options = {"builtins": self.request["builtins"]}
            if self.request["correct"]:
                hook_cost(options["builtins"])
            self.profile = Profile(
                signatures=self.request["signatures"],
                correct=self.request["correct"],
                children=False,
                **options,
            )
            self.profile.be_whole()
            self.profile.enable()
        else:
            self._begin_lines()

    def _begin_lines(self):
        import builtins

        from .. import _core
        from ._lines import lines

        builtins.profile = lines
        patterns = [re.compile(pattern) for pattern in self.request["functions"]]
        if not patterns:
            return
        own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

        def is_chosen(code):
            name = getattr(code, "co_qualname", code.co_name)
            file = code.co_filename
            if file.startswith((own, "<frozen")):
                return False
            module = os.path.splitext(os.path.basename(file))[0]
            return any(p.search(f"{module}.{name}") for p in patterns)

        _core._lines_choose(is_chosen)

    def _insist(self):
        """Python's handler is to run even if the signal comes just before a lock is waited for."""
        from .. import _core

        if signal.getsignal(signal.SIGTERM) == self._terminated:
            _core._insist_on_termination()

    def _terminated(self, number, frame):
        # It may come again.
        signal.signal(number, signal.SIG_IGN)
        self.finish()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _before(self, function):
        @functools.wraps(function)
        def finishing(*args, **kwargs):
            self.finish()
            # A call of `exec` that fails comes back.
            try:
                return function(*args, **kwargs)
            finally:
                self._mark()

        return finishing

    def _mark(self):
        self.pid = os.getpid()
        with open(self._path("begun"), "w") as file:
            file.write(" ".join(sys.orig_argv))

    def _path(self, ending):
        return os.path.join(self.directory, f"{self.pid}.{ending}")

    def _child(self):
        """This is the child of a fork: what its parent has counted is its parent's."""
        try:
            # Before it is marked as one that writes: a signal may end it while it gets ready.
            self._forget()
            self._mark()
            self._insist()
            self.started = time.time()
            # With what this was.
            self._forget()
        except OSError:
            # The session is over: nobody waits for this process.
            self.pid = None

    def _forget(self):
        if self.profile is not None:
            self.profile.clear(child=True)
        else:
            from ._lines import lines

            lines.clear()

    def finish(self):
        """Write what was counted so far; once more replaces it."""
        if self.pid != os.getpid():
            return
        try:
            if self.request["mode"] == "data" and self.profile is None:
                # It ends before anything could be counted.
                os.unlink(self._path("begun"))
                return
            from ._lines import lines, recording_of

            if self.request.get("tables"):
                self.profile.disable()
                with open(self._path("new"), "wb") as file:
                    marshal.dump(self.profile.tables(), file)
                os.rename(self._path("new"), self._path("counts"))
                os.unlink(self._path("begun"))
                return
            if self.profile is not None:
                log = []
                if self.profile.was_deep:
                    log = ["calls beyond the depth for which the stack has room were not counted"]
                if self.request["correct"]:
                    inner, outer = _cost(self.request)
                    log.append(
                        f"what counting costs was taken off the times: {inner * 1e9:.0f} ns within "
                        f"a call and {outer * 1e9:.0f} ns around it, as measured"
                    )
                self.profile.disable()
                recording = recording_of(
                    counts=self.profile.tables(), log=log, started=self.started, sources=False
                )
            else:
                self._find_compiled(lines)
                recording = recording_of(
                    lines=lines.tables(), log=lines.notes(), started=self.started, sources=False
                )
            recording.save(self._path("new"))
            os.rename(self._path("new"), self._path("fdl"))
            os.unlink(self._path("begun"))
        except OSError:
            # The session is over: nobody waits for this process.
            pass
        except Exception as error:
            print(f"ferdelance: not counted: {error}", file=sys.stderr)

    def _find_compiled(self, lines):
        """Compiled functions of the main module that were chosen by name."""
        from ._lines import _compiled_name, _is_compiled

        patterns = [re.compile(pattern) for pattern in self.request["functions"]]
        main = sys.modules.get("__main__")
        for name, value in list(vars(main).items()) if main else ():
            if type(value).__module__.startswith(("ferdelance", "numba")) and _is_compiled(value):
                if any(p.search(f"__main__.{name}") for p in patterns):
                    name = _compiled_name(value)
                    if name not in lines.compiled:
                        lines.compiled.append(name)


def _cost(request):
    from ._profile import hook_cost

    return hook_cost(request["builtins"])
