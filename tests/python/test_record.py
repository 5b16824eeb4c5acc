"""Recording programs: what is seen of them, and that they do not notice."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import ferdelance
import numpy as np
import pytest
from ferdelance import profiler
from recording import SPIN, cpu, fdl, own_lines, record, stacks, totals, write

pytestmark = pytest.mark.alone

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def build(folder, text, *options, name="library.so"):
    source = write(folder, text, name + ".c")
    output = folder / name
    subprocess.run([COMPILER, "-O1", "-g", "-w", *options, "-o", output, source], check=True)
    return output


# ---- what is seen ------------------------------------------------------------------------------


def test_shares_of_python_functions(tmp_path):
    program = (
        SPIN
        + """
def a(s): spin(s)
def b(s): spin(s)
def c(s): spin(s)

for _ in range(30):
    a(0.03); b(0.015); c(0.005)
"""
    )
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    found = totals(recording, kind="python")
    shares = [100 * found[name] / cpu(recording) for name in "abc"]
    # 750 samples: a standard deviation of 1.8 points.
    assert shares == pytest.approx([60, 30, 10], abs=7)
    assert found["<module>"] == pytest.approx(cpu(recording), rel=0.15)


@needs_compiler
def test_python_native_and_compiled_frames_are_in_order(tmp_path):
    build(
        tmp_path,
        """
        double spin(double seconds_of_work) {
            volatile double x = 1;
            for (long i = 0; i < 3000000; i++) x = x * 1.0000001;
            return x;
        }
        double outer(double (*callback)(double)) { return callback(1) + 1; }
        """,
        "-shared",
        "-fPIC",
    )
    program = f"""
import ctypes
import numpy as np
from ferdelance import njit

library = ctypes.PyDLL({str(tmp_path / "library.so")!r})
kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
library.spin.argtypes, library.spin.restype = [ctypes.c_double], ctypes.c_double
library.outer.argtypes, library.outer.restype = [kind], ctypes.c_double

@njit
def inner(x):
    s = 0.0
    for k in range(800):
        for i in range(x.size):
            s += x[i] * x[i]
    return s

@njit
def numeric(x):
    return inner(x) + 1.0

x = np.ones(5000)
numeric(x)

def back(value):
    numeric(x)
    return library.spin(value)

callback = kind(back)

def caller():
    library.outer(callback)

for _ in range(60):
    caller()
"""
    recording, done = record(tmp_path, program, options=["-r", "999"])
    assert done.returncode == 0, done.stderr
    seen = stacks(recording)

    def in_order(stack, *names):
        rest = iter(stack)
        return all(name in rest for name in names)

    native = [s for s in seen if s[-1] == "spin"]
    compiled = [s for s in seen if s[-1] in ("inner", "numeric")]
    assert len(native) > 50 and len(compiled) > 50
    root = "_start"
    for stack in native:
        assert in_order(stack, root, "<module>", "caller", "outer", "back", "spin"), stack
    # The call that compiles it is the module's own.
    for stack in (s for s in compiled if "caller" in s):
        assert in_order(stack, root, "<module>", "caller", "outer", "back", "numeric"), stack
    assert sum("caller" in s for s in compiled) > 0.8 * len(compiled)
    functions = recording.functions
    kinds = zip(functions["name"], functions["kind"], functions["line"].tolist(), strict=True)
    assert ("inner", "compiled", 12) in kinds


def test_more_threads_than_descriptors(tmp_path):
    program = """
import os
import resource
import threading

resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
threading.stack_size(256 << 10)
started = threading.Semaphore(0)
go = threading.Event()

def work():
    started.release()
    go.wait()
    assert sum(range(20_000)) == 199_990_000

threads = [threading.Thread(target=work) for _ in range(2200)]
for thread in threads: thread.start()
for thread in threads: started.acquire()
own = []
try:
    while True: own.append(os.open("/dev/null", os.O_RDONLY))
except OSError: pass
go.set()
for thread in threads: thread.join()
print(len(own))
"""
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    # Three quarters are the program's, but for what every program has open.
    assert int(done.stdout) > 170
    assert not [text for text in recording.log["text"] if "not sampled" in text]
    threads = recording.threads
    used = threads["user"] + threads["kernel"]
    is_worker = np.array(["(work)" in name for name in threads["name"]])
    assert len(used) == 2201 and np.all(used > 0)
    # Who runs for less than a tick of the clock without descriptors may be neither met nor named.
    assert is_worker.sum() > 50


def test_threads_their_names_and_what_they_wait_for(tmp_path):
    program = (
        SPIN
        + """
import threading

started = threading.Event()

def sleeper():
    started.set()
    time.sleep(0.6)

threads = [
    threading.Thread(target=spin, args=(0.3,), name="a thread with a rather long name"),
    threading.Thread(target=spin, args=(0.3,), name="second"),
    threading.Thread(target=sleeper, name="sleeper"),
]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    )
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    threads = recording.threads
    used = dict(zip(threads["name"], threads["user"] + threads["kernel"], strict=True))
    assert used["a thread with a rather long name"] == pytest.approx(0.3, abs=0.05)
    assert used["second"] == pytest.approx(0.3, abs=0.05)
    assert used["sleeper"] < 0.05
    samples = recording.samples
    wait = {}
    for name, state, seconds in zip(
        samples["thread_name"], samples["state"], samples["wait"], strict=True
    ):
        wait[name, state] = wait.get((name, state), 0.0) + seconds
    assert wait["sleeper", "waiting"] == pytest.approx(0.6, abs=0.15)
    assert wait["MainThread", "waiting"] > 0.3
    # Two threads and one lock.
    gil = sum(w for (_, state), w in wait.items() if state == "waiting for GIL")
    queued = sum(w for (_, state), w in wait.items() if state == "queued")
    assert gil + queued > 0.1
    where = [s for s in stacks(recording) if "sleeper" in s and "nanosleep" in s[-1] + s[-2]]
    assert where or any(s[-1] in ("pselect6", "select") for s in stacks(recording))


def test_kernel_time_is_the_callers(tmp_path):
    program = (
        SPIN
        + """
import mmap, os, resource

def faults(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        with mmap.mmap(-1, 1 << 22) as memory:
            for i in range(0, 1 << 22, 4096): memory[i] = 1

for _ in range(25):
    faults(0.04); spin(0.02)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime, used.ru_stime)
"""
    )
    recording, done = record(tmp_path, program)
    user, kernel = map(float, done.stdout.split())
    processes = recording.processes
    assert float(processes["user"].sum()) == pytest.approx(user, abs=0.05)
    assert float(processes["kernel"].sum()) == pytest.approx(kernel, abs=0.05)
    found = totals(recording)
    # The system counts at its ticks, which is far off where others want the CPU, too.
    assert found["kernel"] == pytest.approx(kernel, rel=0.4)
    assert found["faults"] == pytest.approx(1.0, rel=0.2)
    assert found["spin"] == pytest.approx(0.5, rel=0.25)


def test_types_of_arguments(tmp_path):
    program = (
        SPIN
        + """
import numpy as np

def top(a, b, c, *rest):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        (lambda: c)

for _ in range(8):
    spin(0.02)
    top(np.ones(7)[::2], 1, "s", 2.0)
"""
    )
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    arguments = recording.signatures["arguments"]
    assert "seconds: float" in arguments
    found = [
        a for a in arguments if a.startswith("a: ndarray(float64, (4,), strided), b: int, c: ")
    ]
    assert found and all(a.endswith(", rest: tuple") for a in found)
    if sys.version_info >= (3, 11):
        # What inner functions use is in a cell; 3.10 has it elsewhere than among the arguments.
        assert "c: str" in found[0]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes(tmp_path, method):
    program = (
        SPIN
        + f"""
import multiprocessing, os, resource
from concurrent.futures import ProcessPoolExecutor

def part(seconds):
    spin(seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return os.getpid(), used.ru_utime + used.ru_stime

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        for pid, used in dict(pool.map(part, [0.1] * 9)).items():
            print(pid, used)
"""
    )
    recording, done = record(tmp_path, program)
    assert done.returncode == 0 and own_lines(done) == [], done.stderr
    workers = {int(p): float(t) for p, t in map(str.split, done.stdout.splitlines())}
    processes = recording.processes
    used = processes["user"] + processes["kernel"]
    recorded = dict(zip(processes["pid"].tolist(), used.tolist(), strict=True))
    assert workers and workers.keys() <= recorded.keys()
    for pid, seconds in workers.items():
        # Of a forked one, what it had used when it was made is its parent's.
        assert recorded[pid] == pytest.approx(seconds, abs=0.06)
    assert totals(recording)["part"] == pytest.approx(0.9, rel=0.15)


def test_processes_of_other_programs(tmp_path):
    program = (
        SPIN
        + """
import os, subprocess, sys

code = "import time\\nend = time.thread_time() + 0.1\\nwhile time.thread_time() < end: pass"
subprocess.run([sys.executable, "-c", code])
subprocess.run([sys.executable, "-I", "-c", code], env={})
subprocess.run(["env", "-i", sys.executable, "-S", "-c", code])
subprocess.run(["/bin/sh", "-c", f"{sys.executable} -c '{code}'"])
os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", code], {}), 0)
"""
    )
    recording, done = record(tmp_path, program)
    assert own_lines(done) == []
    processes = recording.processes
    used = processes["user"] + processes["kernel"]
    commands = zip(processes["command"], used, strict=True)
    spun = [seconds for command, seconds in commands if "time.thread_time" in command]
    assert sum(seconds > 0.08 for seconds in spun) == 5


@needs_compiler
def test_processes_that_cannot_be_recorded_are_listed(tmp_path):
    build(
        tmp_path,
        "#include <time.h>\n"
        "int main() { clock_t e = clock() + CLOCKS_PER_SEC / 2; while (clock() < e); }",
        "-static",
        name="static",
    )
    program = f"import subprocess; subprocess.run([{str(tmp_path / 'static')!r}])"
    recording, done = record(tmp_path, program)
    reasons = [r for r in recording.processes["reason"] if r]
    assert len(reasons) == 1 and "statically" in reasons[0]
    assert "was not recorded" in done.stderr and "statically" in done.stderr


# ---- that the program does not notice ----------------------------------------------------------


def same(folder, command, options=(), environment=None):
    """Runs a command without and with recording; everything about it is the same."""
    environment = {**os.environ, **(environment or {})}
    plain = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    path = folder / "same.fdl"
    recorded = fdl(
        "record", "-r", "1000", "-o", path, *options, "--", *command, cwd=folder, env=environment
    )
    assert recorded.returncode == plain.returncode
    assert recorded.stdout == plain.stdout
    hide = re.compile("0x[0-9a-f]{6,}")
    lines = [hide.sub("0x", line) for line in own_lines(recorded)]
    assert lines == [hide.sub("0x", line) for line in plain.stderr.splitlines()]
    return profiler.load(path)


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(7)",
        "raise ValueError('x')",
        "import os; print('out', flush=True); os._exit(3)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)",
        "import sys; print(sys.argv, sys.flags, __name__, __file__)",
    ],
)
def test_ends_are_the_same(tmp_path, program):
    text = SPIN + "\nspin(0.1)\n" + program
    recording = same(tmp_path, [sys.executable, str(write(tmp_path, text))])
    # Whatever the end, what was before it is there.
    assert totals(recording)["spin"] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("flags", [["-W", "error"], ["-I"], ["-S"], ["-X", "faulthandler"], ["-O"]])
def test_ways_to_start_are_the_same(tmp_path, flags):
    text = """
import os
if hasattr(os, "closerange"):
    os.closerange(3, 4096)
import concurrent.futures, multiprocessing
def square(x): return sum(i * x for i in range(30_000))
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        print(list(pool.map(square, range(10))))
    print([os.open(os.devnull, os.O_RDONLY) for _ in range(5)])
"""
    same(tmp_path, [sys.executable, *flags, str(write(tmp_path, text))])


def test_the_programs_own_profiling_signals(tmp_path):
    text = (
        SPIN
        + """
import signal
seen = []
signal.signal(signal.SIGPROF, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
spin(0.4)
signal.setitimer(signal.ITIMER_PROF, 0)
print(len(seen) > 10, callable(signal.getsignal(signal.SIGPROF)))
"""
    )
    recording = same(tmp_path, [sys.executable, str(write(tmp_path, text))])
    assert totals(recording)["spin"] == pytest.approx(0.4, abs=0.1)


CALLS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
int main(int count, char **words) {
    long interrupted = 0, rounds = atol(words[1]);
    sem_t sem;
    sem_init(&sem, 0, 0);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {AF_UNIX};
    snprintf(address.sun_path + 1, 60, "fdl-test-%ld", (long)&address + time(0));
    bind(s, (struct sockaddr *)&address, sizeof address);
    listen(s, 4);
    struct timeval limit = {0, 1};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    volatile unsigned x = 1;
    for (long i = 0; i < rounds; i++) {
        struct timespec t = {0, 1};
        struct timeval none = {0, 0};
        for (int k = 0; k < 300; k++) x = x * 3 + k;
        errno = 0;
        switch (i % 5) {
        case 0: poll(0, 0, 0); break;
        case 1: select(0, 0, 0, 0, &none); break;
        case 2: nanosleep(&t, 0); break;
        case 3: if (i % 100 == 3) accept(s, 0, 0); break;
        case 4:
            clock_gettime(CLOCK_REALTIME, &t);
            sem_timedwait(&sem, &t);
            break;
        }
        interrupted += errno == EINTR;
    }
    printf("%ld\n", interrupted);
    return 0;
}
"""


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("clock", ["perf", "timer"])
def test_no_call_is_interrupted(tmp_path, clock):
    program = build(tmp_path, CALLS, name="calls")
    done = fdl(
        "record", "-r", "1000", "--clock", clock, "-o", tmp_path / "a.fdl", "--", program, 40_000
    )
    assert done.stdout == "0\n", done.stderr


def test_no_program_is_killed_by_a_late_signal(tmp_path):
    program = """
import os
bad = 0
for i in range(150):
    pid = os.fork()
    if pid == 0:
        for k in range(3000): pass
        os.execv("/bin/true", ["true"])
    bad += os.waitpid(pid, 0)[1] != 0
print(bad)
"""
    _, done = record(tmp_path, program, options=["-r", "1000"])
    assert done.stdout == "0\n", done.stderr


def test_an_interrupt_keeps_what_was_recorded(tmp_path):
    program = write(tmp_path, SPIN + "\nprint('ready', flush=True)\nspin(30)")
    path = tmp_path / "a.fdl"
    command = [sys.executable, "-m", "ferdelance", "record", "-o", path, program]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    # As the program itself ends after it.
    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert totals(profiler.load(path))["spin"] > 0.2


def test_code_that_cannot_be_started(tmp_path):
    missing = fdl("record", "-o", tmp_path / "a.fdl", "--", "/no/such/program")
    assert missing.returncode == 127 and "/no/such/program" in missing.stderr
    assert not (tmp_path / "a.fdl").exists()
    script = fdl("record", tmp_path / "none.py")
    assert script.returncode == 1 and "no script" in script.stderr
    rate = fdl("record", "-r", "5", write(tmp_path, "pass"))
    assert rate.returncode == 1 and "from 10 to 10000 Hz" in rate.stderr
    output = fdl("record", "-o", tmp_path / "no" / "a.fdl", write(tmp_path, "print(1)"))
    assert output.returncode == 126 and output.stdout == ""


def test_modules_durations_and_secrets(tmp_path):
    write(tmp_path, SPIN + "\nimport sys\nspin(0.6)\nprint(sys.argv[1:])", "tool.py")
    path = tmp_path / "a.fdl"
    words = ["record", "-o", path, "-d", "0.3", "-m", "tool", "--password", "x", "--token=y", "z"]
    done = fdl(*words, cwd=tmp_path)
    assert done.stdout == "['--password', 'x', '--token=y', 'z']\n", done.stderr
    recording = profiler.load(path)
    assert 0.25 < recording.meta["elapsed"] < 0.6
    assert recording.meta["command"][2:] == ["tool", "--password", "***", "--token=***", "z"]
    assert all("token=y" not in command for command in recording.processes["command"])


def test_formats_and_sizes(tmp_path):
    program = write(tmp_path, SPIN + "\nspin(1.0)")
    path = tmp_path / "out.txt"
    done = fdl("record", "-f", "collapsed", "-o", path, program)
    assert "next:" not in done.stderr and sorted(p.name for p in tmp_path.iterdir()) == [
        "out.txt",
        "program.py",
    ]
    values = [line.rsplit(" ", 1) for line in path.read_text().splitlines()]
    assert sum(int(value) for _, value in values) == pytest.approx(1.0e6, rel=0.2)
    [thread] = {stack.split(";")[1] for stack, _ in values}
    assert thread == "thread MainThread"
    assert any(re.search(r";spin \(.*program.py:4\)(;|$)", stack) for stack, _ in values)
    wrong = fdl("record", "-f", "nothing", program)
    assert wrong.returncode == 1 and "no format 'nothing'" in wrong.stderr

    path = tmp_path / "a.fdl"
    small = fdl("record", "-r", "5000", "--max-size", "0.02", "-o", path, program)
    assert "the rate was halved" in small.stderr
    recording = profiler.load(path)
    assert len(recording.samples) < 2500
    assert totals(recording)["spin"] == pytest.approx(1.0, rel=0.1)


def test_sources_that_are_left_out_are_no_lower_rate(tmp_path):
    program = (
        SPIN + "\nimport ferdelance, numpy, asyncio, unittest, decimal, xml.dom.minidom\nspin(0.5)"
    )
    recording, done = record(tmp_path, program, options=["-r", "5000"])
    assert any("sources of" in text and "left out" in text for text in recording.log["text"])
    assert "halved" not in done.stderr


# ---- within the program ------------------------------------------------------------------------


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def test_recording_oneself(tmp_path):
    path = tmp_path / "own.fdl"
    with profiler.record(path) as own:
        spin(0.2)
        with pytest.raises(RuntimeError, match="recorded already"):
            profiler.start()
        with pytest.raises(RuntimeError, match="not over"):
            own.recording  # noqa: B018
    assert totals(own.recording)["spin"] == pytest.approx(0.2, abs=0.05)
    assert "LD_PRELOAD" not in os.environ and "FERDELANCE_AGENT" not in os.environ
    with pytest.raises(RuntimeError, match="nothing is being recorded"):
        profiler.stop()

    @profiler.record()
    def decorated(n):
        """Doc."""
        spin(0.1)
        return n

    assert decorated(3) == 3 and decorated.__doc__ == "Doc."
    found = totals(decorated.recorded.recording)
    assert found["spin"] == pytest.approx(0.1, abs=0.05)
    assert any(name.endswith("decorated") for name in found)
    profiler.start(tmp_path / "again.fdl", rate=2000)
    subprocess.run([sys.executable, "-c", SPIN + "spin(0.2)"], check=True)
    assert profiler.stop() == str(tmp_path / "again.fdl")
    again = profiler.load(tmp_path / "again.fdl")
    assert len(again.processes) == 2 and totals(again)["spin"] == pytest.approx(0.2, abs=0.06)
    with pytest.raises(ValueError, match="rate must be"):
        profiler.start(rate=1e6)


def test_the_environment_asks_for_a_recording(tmp_path):
    program = write(tmp_path, SPIN + "\nspin(0.2)\nprint('done')")
    code = "import sys, runpy, ferdelance._startup as s; s.start(); runpy.run_path(sys.argv[1])"
    path = tmp_path / "a.fdl"
    done = subprocess.run(
        [sys.executable, "-c", code, program],
        capture_output=True,
        text=True,
        env={**os.environ, "FERDELANCE_RECORD": str(path)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)
    assert totals(profiler.load(path))["spin"] == pytest.approx(0.2, abs=0.06)


# ---- from outside ------------------------------------------------------------------------------


def test_attaching_to_a_running_program(tmp_path):
    text = (
        SPIN
        + """
import threading
def a(s): spin(s)
def b(s): spin(s)
def sleeper(): time.sleep(60)
threading.Thread(target=sleeper, name="lazy", daemon=True).start()
print("ready", flush=True)
while True:
    a(0.03); b(0.01); time.sleep(0.01)
"""
    )
    process = subprocess.Popen(
        [sys.executable, write(tmp_path, text)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        dump = fdl("dump", process.pid)
        if "may not be looked at" in dump.stderr:
            pytest.skip("this system does not let one look at other processes")
        assert re.search(r"Thread \d+ \(waiting, \w+\): lazy\n +sleeper \(", dump.stdout), dump
        assert re.search(rf"Thread {process.pid} \(.*\): MainThread\n", dump.stdout)
        path = tmp_path / "a.fdl"
        done = fdl("record", "-p", process.pid, "-d", "3", "-r", "200", "-o", path)
        assert done.returncode == 0, done.stderr
        recording = profiler.load(path)
        found = totals(recording)
        share = found["a"] / (found["a"] + found["b"])
        assert share == pytest.approx(0.75, abs=0.1)
        samples = recording.samples
        lazy = np.array(samples["thread_name"]) == "lazy"
        assert samples["wait"][lazy].sum() == pytest.approx(3, abs=0.5)
        top = fdl("top", "-n", "1", "-i", "0.5", process.pid)
        assert re.search(r"own %.*function\n(.*\n)* .* spin \(", top.stdout), top
    finally:
        process.kill()
        process.wait()
    gone = fdl("dump", process.pid)
    assert gone.returncode == 1 and "no process" in gone.stderr


needs_remote_exec = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="programs can be asked to run something since 3.14"
)


@contextlib.contextmanager
def running(tmp_path, text, *options):
    """A program that has said that it is ready; skips where one may not look at others."""
    process = subprocess.Popen(
        [sys.executable, *options, write(tmp_path, text)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        if "may not be looked at" in fdl("dump", process.pid).stderr:
            pytest.skip("this system does not let one look at other processes")
        yield process
    finally:
        process.kill()
        process.communicate()


@needs_remote_exec
def test_a_running_program_loads_the_agent(tmp_path):
    text = (
        SPIN
        + """
import hashlib, os, select, threading
before = dict(os.environ)
def digest(data): hashlib.sha256(data).digest()
def child():
    spin(0.1)
    os._exit(0)
def late(): spin(0.2)
print("ready", flush=True)
data = b"x" * 10_000_000
while not select.select([0], [], [], 0)[0]:
    spin(0.02); digest(data)
    thread = threading.Thread(target=late, name="late"); thread.start(); thread.join()
    if os.fork() == 0: child()
    os.wait()
print("over", os.environ == before, flush=True)
"""
    )
    with running(tmp_path, text) as process:
        for path in (tmp_path / "a.fdl", tmp_path / "b.fdl"):
            done = fdl("record", "-p", process.pid, "-d", "2", "-o", path)
            assert done.returncode == 0, done.stderr
            assert "sampled from within" in done.stderr
            recording = profiler.load(path)
            found = totals(recording)
            assert {"spin", "digest", "late"} <= set(found)
            assert len(recording.processes) > 1, "children that are forked are recorded"
            thread = np.array(recording.samples["thread_name"])
            assert "late" in thread
            native = [s for s in stacks(recording) if "digest" in s and s[-1] != "digest"]
            assert native, "native frames, called by Python's"
            assert sum(recording.processes["kernel"]) > 0
        out, err = process.communicate("\n")
        assert out == "over True\n" and err == "" and process.returncode == 0


@needs_remote_exec
@pytest.mark.parametrize(
    "options, main, reason",
    [
        ((), "threading.Event().wait()", "main thread was in one call"),
        (("-X", "disable-remote-debug"), "spin(60)", "not enabled"),
    ],
)
def test_a_running_program_that_does_not_load_the_agent(tmp_path, options, main, reason):
    text = (
        SPIN
        + f"""
import threading
threading.Thread(target=spin, args=(60,), daemon=True).start()
print("ready", flush=True)
{main}
"""
    )
    with running(tmp_path, text, *options) as process:
        path = tmp_path / "a.fdl"
        done = fdl("record", "-p", process.pid, "-d", "1", "-o", path)
        assert done.returncode == 0, done.stderr
        assert re.search(f"seen from outside: .*{reason}", done.stderr), done.stderr
        assert totals(profiler.load(path))["spin"] > 0.5


def test_top_runs_a_command(tmp_path):
    program = write(tmp_path, SPIN + "\nspin(20)")
    top = fdl("top", "-n", "2", "-i", "0.4", program)
    assert top.returncode == 0 and top.stdout.count("Python ") == 2
    assert "spin (" in top.stdout


def test_reading_what_is_no_recording(tmp_path):
    path = tmp_path / "a.fdl"
    path.write_bytes(b"something")
    with pytest.raises(ValueError, match="not a recording"):
        profiler.load(path)
    with pytest.raises(FileNotFoundError):
        profiler.load(tmp_path / "none.fdl")
    wrong = fdl("export", "-f", "svg", path)
    assert wrong.returncode == 1 and "not a recording" in wrong.stderr


def test_a_recording_that_is_cut_off(tmp_path):
    recording, _ = record(tmp_path, SPIN + "\nspin(0.2)")
    data = (tmp_path / "program.fdl").read_bytes()
    cut = tmp_path / "cut.fdl"
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.warns(UserWarning, match="cut off"):
        part = profiler.load(cut)
    assert len(part.functions) <= len(recording.functions)


def test_the_package_knows_the_profiler():
    assert ferdelance.profiler is profiler
