"""A program that runs already: it is made to load the agent, or looked at from outside."""

import os
import sys
import tempfile
import time

from . import _agent
from ._session import make_recorder, save, session_directory

#: Samples a second of a program that is looked at from outside.
RATE = 100

#: How long a program has for loading the agent, in seconds. Its main thread does that, between two
#: of its instructions.
PATIENCE = 3.0

#: What the program runs, in a namespace of its own. Its packages may lack this one, so that the
#: source is loaded by path. What goes wrong is said to who asked, not on the program's stderr.
_SCRIPT = """\
import os
try:
    space = {{"__name__": "ferdelance_agent", "__file__": {file!r}}}
    with open({file!r}) as file:
        exec(compile(file.read(), {file!r}, "exec"), space)
    is_started = space["start"]({socket!r}, {rate!r}, {clock!r})
    said = "" if is_started else "it is being recorded already"
except Exception as error:
    said = f"{{type(error).__name__}}: {{error}}"
try:
    with open({answer!r} + ".new", "w") as file:
        file.write(said)
    os.rename({answer!r} + ".new", {answer!r})
except OSError:
    pass  # Nobody waits any more.
"""


class CannotLoad(Exception):
    """A process does not load the agent; the text says why."""


def run(
    process, path, *, rate=None, duration=None, clock=None, sources=True, max_size=None, told=print
):
    """Record a process that runs already, until it ends, the time is over, or Ctrl-C.

    From Python 3.14 on it loads the agent, which then takes samples as in a program that was
    started to be recorded. Otherwise its memory is read from outside: Python frames alone.

    Parameters
    ----------
    process : _core.Attached
    path : str
        Where the recording goes.
    rate : float, optional
        Samples a second: of CPU time by the agent, of elapsed time from outside.
    told : callable
        Gets a line about what is going on.

    Returns
    -------
    dict
        What there is to be said of the recording.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If there is no such rate or clock.
    """
    clock = _agent.check(rate or RATE, clock)
    with session_directory(path) as directory:
        try:
            inside_rate = rate or _agent.RATE
            recorder = _enter(process, directory, inside_rate, clock, max_size)
        except CannotLoad as reason:
            told(f"Python frames alone, seen from outside: {reason}")
            process.begin()
            return _look(process, path, rate or RATE, duration, sources)
        told("sampled from within; Ctrl-C ends it" if duration is None else "sampled from within")
        end = time.monotonic() + duration if duration else float("inf")
        try:
            while recorder.is_busy and time.monotonic() < end:
                recorder.step(min(0.1, max(0.0, end - time.monotonic())))
        except KeyboardInterrupt:
            pass
        command = process.command.split()
        return save(recorder, path, command=command, rate=inside_rate, sources=sources)


def _look(process, path, rate, duration, sources):
    start = time.monotonic()
    end = start + duration if duration else float("inf")
    due = start
    try:
        while due < end and process.sample():
            due += 1 / rate
            now = time.monotonic()
            # What is late is left out, so that looking takes no more than half of the time.
            due = max(due, now + (now - due) / 2)
            time.sleep(max(0.0, min(due, end) - now))
    except KeyboardInterrupt:
        pass
    return process.save(path, process.command.split(), float(rate), sources)


def _enter(process, directory, rate, clock, max_size):
    """A recorder that has heard the process's agent."""
    _check(process)
    recorder = make_recorder(directory, rate, max_size)
    handle, script = tempfile.mkstemp(prefix="fdl-", suffix=".py")
    answer = os.path.join(directory, "answer")
    text = _SCRIPT.format(
        file=_agent.__file__, socket=str(recorder.socket), rate=rate, clock=clock, answer=answer
    )
    with open(handle, "w") as file:
        file.write(text)
    _give(process.pid, directory, recorder.socket, script)
    try:
        sys.remote_exec(process.pid, script)
    except (OSError, RuntimeError) as error:
        os.unlink(script)
        raise CannotLoad(str(error)) from None
    end = time.monotonic() + PATIENCE
    try:
        while not os.path.exists(answer):
            if time.monotonic() > end:
                raise CannotLoad(
                    f"its main thread was in one call for {PATIENCE:g} s, and only between calls "
                    "can it load the agent"
                )
            recorder.step(0.02)
    except BaseException:
        # The program may still come to it, and would complain if it were not there.
        with open(script, "w") as file:
            file.write(f"import os; os.unlink({script!r})")
        raise
    os.unlink(script)
    with open(answer) as file:
        said = file.read()
    if said:
        raise CannotLoad(said)
    recorder.step(0.0)
    recorder.begin()
    return recorder


def _check(process):
    version = tuple(map(int, process.version.split(".")[:2]))
    name = ".".join(map(str, version))
    if version < (3, 14):
        raise CannotLoad(f"Python {name} cannot be asked to load the agent, 3.14 and later can")
    if sys.version_info[:2] != version:
        raise CannotLoad(f"it runs Python {name}; native frames need an fdl of the same version")
    for space in ("mnt", "pid"):
        here, there = (os.readlink(f"/proc/{who}/ns/{space}") for who in ("self", process.pid))
        if here != there:
            raise CannotLoad("it is in another container")


def _give(pid, *paths):
    """What root has made is to be read by the process's user."""
    owner = os.stat(f"/proc/{pid}")
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)
