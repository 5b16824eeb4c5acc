"""Programs that are recorded by the tests."""

import contextlib
import io
import os
import subprocess
import sys
import textwrap
import time

from ferdelance import profiler

#: Spins for some seconds of the thread's CPU time: what is expected depends on no machine.
SPIN = """
import time

def spin(seconds):
    end = time.thread_time() + seconds
    x = 0
    while time.thread_time() < end:
        for i in range(300):
            x = (x * 3 + i) & 0xFFFF
"""


def write(folder, text, name="program.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def idle_cpus():
    """How many CPUs have nothing to do, over some tenths of a second."""

    def idle():
        with open("/proc/stat") as file:
            return int(file.readline().split()[4]) / os.sysconf("SC_CLK_TCK")

    start, before = time.monotonic(), idle()
    time.sleep(0.4)
    return (idle() - before) / (time.monotonic() - start)


def fdl(*words, **options):
    """The command line; its output as text."""
    command = [sys.executable, "-m", "ferdelance", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def record(folder, text, *arguments, options=(), environment=None):
    """Records a program; the recording, and what the program did."""
    program = write(folder, text)
    path = folder / "program.fdl"
    done = fdl(
        "record",
        "-o",
        path,
        *options,
        program,
        *arguments,
        env={**os.environ, **(environment or {})},
        cwd=folder,
    )
    return profiler.load(path), done


def own_lines(done):
    """What the program itself wrote on stderr."""
    return [line for line in done.stderr.splitlines() if not line.startswith("fdl: ")]


def totals(recording, **where):
    """CPU time by function's name, with what it called, in seconds."""
    functions = recording.functions
    result = {}
    for i, name in enumerate(functions["name"]):
        if all(functions[column][i] == value for column, value in where.items()):
            result[name] = result.get(name, 0.0) + functions["total"][i]
    return result


def cpu(recording):
    """All of it, in seconds."""
    return float((recording.processes["user"] + recording.processes["kernel"]).sum())


def stacks(recording):
    """For each sample that has one: its stack as names of functions, the outermost first."""
    frames, functions = recording.frames, recording.functions["name"]
    parent, frame = recording.stacks["parent"], recording.stacks["frame"]
    names = []
    for i, up in enumerate(parent):
        own = functions[frames["function"][frame[i]]]
        names.append([*(names[up] if up >= 0 else []), own])
    return [names[s] for s in recording.samples["stack"] if s >= 0]


def output(text):
    """What a program prints that runs in this process."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(text, "program.py", "exec"), {"__name__": "__main__"})
    return stream.getvalue()
