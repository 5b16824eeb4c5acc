"""A recording that is being made: of a command, or of the program that runs this."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import _agent

#: How long processes that the program leaves behind are waited for, in seconds.
GRACE = 0.5


def make_directory():
    """A directory of the user's alone, with a path short enough for a socket in it."""
    directory = tempfile.mkdtemp(prefix="fdl-")
    if len(os.fsencode(directory)) > 80:
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix="fdl-", dir="/tmp")
    return directory


@contextlib.contextmanager
def session_directory(path):
    """A directory while a file is being made, of which nothing is left if that fails."""
    # A file that cannot be written is known before the program has run; until then it stays.
    open(path, "ab").close()
    directory = make_directory()
    try:
        yield directory
    except BaseException:
        remove_empty(path)
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def remove_empty(path):
    """Removes a file into which nothing was written."""
    if os.path.exists(path) and os.path.getsize(path) == 0:
        os.unlink(path)


def make_recorder(directory, rate, max_size=None):
    """A recorder that listens in a directory; the recording is to have so many megabytes."""
    from .. import _core

    return _core.Recorder(directory, rate, int(max_size * 1e6) if max_size else None)


def save(recorder, path, *, command, rate, exit_status=None, sources=True):
    """Finish a recorder and write what it has recorded; what there is to be said of it."""
    return recorder.finish(
        path=path,
        command=[os.fspath(word) for word in command],
        directory=os.getcwd(),
        rate=float(rate),
        exit_status=exit_status,
        with_sources=sources,
    )


def run(command, path, *, rate=_agent.RATE, duration=None, clock=None, sources=True, max_size=None):
    """Run a command and record it.

    Returns
    -------
    int
        The command's status, as :attr:`subprocess.Popen.returncode`.
    dict
        What there is to be said of the recording.

    Raises
    ------
    OSError
        If the command cannot be started or the file cannot be written.
    ValueError
        If there is no such rate or clock.
    """
    clock = _agent.check(rate, clock)
    with session_directory(path) as directory:
        recorder = make_recorder(directory, rate, max_size)
        added = _agent.variables(recorder.socket, rate, clock, directory)
        process = subprocess.Popen(command, env={**os.environ, **added})
        end = time.monotonic() + duration if duration else float("inf")
        with _Signals(process):
            while process.poll() is None:
                recorder.step(0.1)
                if time.monotonic() >= end:
                    break
            else:
                wait_for_rest(recorder)
            summary = save(
                recorder,
                path,
                command=command,
                rate=rate,
                exit_status=process.returncode,
                sources=sources,
            )
            process.wait()
        return process.returncode, summary


def wait_for_rest(recorder):
    """Processes that end with the program are recorded to their end."""
    end = time.monotonic() + GRACE
    while recorder.is_busy and time.monotonic() < end:
        recorder.step(0.02)


class _Signals:
    """Signals while a command runs: the terminal's are the command's, others are passed on."""

    def __init__(self, process):
        self.process = process
        self.before = {}

    def __enter__(self):
        def wait(number, frame):
            pass

        def pass_on(number, frame):
            self.process.send_signal(number)

        try:
            for number in (signal.SIGINT, signal.SIGQUIT):
                self.before[number] = signal.signal(number, wait)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                self.before[number] = signal.signal(number, pass_on)
        except ValueError:
            # Only the main thread has handlers: in another one signals are not ours to handle.
            pass
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)


_COLLECT = "import sys, ferdelance.profiler._session as s; s.collect(sys.argv[1])"


class Session:
    """A recording of the program that runs this, and of the processes that it starts meanwhile.

    The recorder is a process of its own, which outlives the program if it has to: however the
    program ends, what was recorded is written.
    """

    def __init__(self, path, *, rate=_agent.RATE, clock=None, sources=True):
        clock = _agent.check(rate, clock)
        self.path = os.path.abspath(path)
        open(self.path, "ab").close()
        self.owner = os.getpid()
        self.directory = make_directory()
        request = {
            "path": self.path,
            "rate": rate,
            "sources": sources,
            "command": [sys.executable, *sys.orig_argv[1:]],
            "pid": self.owner,
        }
        environment = dict(os.environ)
        environment.pop("FERDELANCE_RECORD", None)
        started = subprocess.run(
            [sys.executable, "-c", _COLLECT, self.directory],
            input=json.dumps(request),
            env=environment,
            text=True,
            capture_output=True,
        )
        socket = os.path.join(self.directory, "agents")
        if started.returncode != 0 or not _agent.start(socket, rate, clock):
            self._clean()
            raise RuntimeError(
                "this process is being recorded already"
                if started.returncode == 0
                else f"the recorder could not be started: {started.stderr.strip()}"
            )
        added = _agent.variables(socket, rate, clock, self.directory)
        self.before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)

    @property
    def is_own(self):
        """Whether this process is the one that is recorded: the child of a fork is another one."""
        return os.getpid() == self.owner

    def stop(self):
        """Stop, and wait until the recording is written; what the recorder says of it."""
        _agent.stop()
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        # No pipe: a program may close descriptors that it does not know.
        open(os.path.join(self.directory, "stop"), "w").close()
        result = os.path.join(self.directory, "result")
        with open(os.path.join(self.directory, "pid")) as file:
            collector = int(file.read())
        while not os.path.exists(result):
            if not os.path.exists(f"/proc/{collector}"):
                self._clean()
                raise RuntimeError("the recorder has died: there is no recording")
            time.sleep(0.01)
        with open(result) as file:
            answer = json.load(file)
        self._clean()
        if "error" in answer:
            raise OSError(answer["error"])
        return answer

    def _clean(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = None
        remove_empty(self.path)


def collect(directory):
    """What the recorder of a :class:`Session` does: a process of its own, without a terminal."""
    request = json.load(sys.stdin)
    recorder = make_recorder(directory, request["rate"])
    if os.fork() != 0:
        # The program's child was this process, and nothing is left of it.
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _write(directory, "pid", str(os.getpid()))
    stop = os.path.join(directory, "stop")
    is_over = False
    while not is_over and not os.path.exists(stop):
        recorder.step(0.05)
        is_over = not os.path.exists(f"/proc/{request['pid']}")
    if is_over:
        wait_for_rest(recorder)
    try:
        answer = save(
            recorder,
            request["path"],
            command=request["command"],
            rate=request["rate"],
            sources=request["sources"],
        )
    except OSError as error:
        answer = {"error": f"{request['path']}: {error}"}
    if is_over:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        _write(directory, "result", json.dumps(answer))


def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)
