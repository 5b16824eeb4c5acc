"""Programs whose split of CPU time is known: ``accuracy.py NAME SECONDS``.

Each part is a function; the program prints, as JSON, what CPU time each has used by the clock of
its thread, and the process's user and kernel time by ``getrusage``.
"""

import ctypes
import json
import mmap
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

NATIVE = r"""
#include <stdint.h>
#include <time.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
__attribute__((noinline)) uint64_t inner_kernel(uint64_t x) {
    for (int i = 0; i < 20000; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    return x;
}
uint64_t native_spin(double seconds) {
    double end = now() + seconds;
    uint64_t x = 1;
    while (now() < end) x = inner_kernel(x);
    return x;
}
"""
used = {}


def timed(name, function, seconds):
    start = time.thread_time()
    function(seconds)
    used[name] = used.get(name, 0.0) + time.thread_time() - start


# Three copies, for tools that tell the functions apart in which the time was spent, not who called.


def spin_a(seconds):
    end = time.thread_time() + seconds
    x = 0
    while time.thread_time() < end:
        for i in range(2000):
            x = (x * 3 + i) & 0xFFFF


def spin_b(seconds):
    end = time.thread_time() + seconds
    x = 0
    while time.thread_time() < end:
        for i in range(2000):
            x = (x * 3 + i) & 0xFFFF


def spin_c(seconds):
    end = time.thread_time() + seconds
    x = 0
    while time.thread_time() < end:
        for i in range(2000):
            x = (x * 3 + i) & 0xFFFF


def sleeper(seconds):
    time.sleep(seconds)


def library():
    folder = pathlib.Path(tempfile.gettempdir()) / f"fdl-accuracy-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    path = folder / "libspin.so"
    if not path.exists():
        source = folder / "spin.c"
        source.write_text(NATIVE)
        subprocess.run(["cc", "-O2", "-g", "-fPIC", "-shared", "-o", path, source], check=True)
    return path


def native(kind):
    function = kind(str(library())).native_spin
    function.argtypes, function.restype = [ctypes.c_double], ctypes.c_uint64
    return function


def python(seconds):
    """60 / 30 / 10 in Python."""
    for _ in range(int(seconds / 0.05)):
        timed("spin_a", spin_a, 0.03)
        timed("spin_b", spin_b, 0.015)
        timed("spin_c", spin_c, 0.005)


def mixed(seconds):
    """50 Python, 30 C with the GIL, 20 C without it, and sleep."""
    with_gil, without = native(ctypes.PyDLL), native(ctypes.CDLL)

    def c_gil(seconds):
        with_gil(seconds)

    def c_nogil(seconds):
        without(seconds)

    for _ in range(int(seconds / 0.05)):
        timed("spin_a", spin_a, 0.025)
        timed("c_gil", c_gil, 0.015)
        timed("c_nogil", c_nogil, 0.01)
        timed("sleeper", sleeper, 0.005)


def threads(seconds):
    """A thread in Python, one in C, one that sleeps."""
    without = native(ctypes.CDLL)

    def c_nogil(seconds):
        without(seconds)

    parts = [("spin_a", spin_a), ("c_nogil", c_nogil), ("sleeper", sleeper)]
    running = [threading.Thread(target=timed, args=(*p, seconds / 2)) for p in parts]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def kernel(seconds):
    """50 page faults, 20 reads, 30 Python."""
    zero = os.open("/dev/zero", os.O_RDONLY)
    buffer = bytearray(1 << 20)

    def faults(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            with mmap.mmap(-1, 1 << 22) as memory:
                for i in range(0, 1 << 22, 4096):
                    memory[i] = 1

    def reads(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            os.readv(zero, [buffer])

    for _ in range(int(seconds / 0.1)):
        timed("faults", faults, 0.05)
        timed("reads", reads, 0.02)
        timed("spin_a", spin_a, 0.03)


def rel_diff(seconds):
    """NumPy's temporaries, whose pages the kernel makes."""
    import numpy as np

    x = np.random.default_rng(1).random(10_000_000)
    y = x[::-1].copy()

    def difference(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            2 * (x - y) / (x + y)

    timed("difference", difference, seconds)


def compiled(seconds):
    """50 Python, 50 compiled."""
    import numpy as np
    from ferdelance import njit

    @njit
    def inner(x):
        s = 0.0
        for i in range(x.size):
            s += x[i] * x[i] / (1.0 + s)
        return s

    x = np.ones(10_000)
    inner(x)

    def outer(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            inner(x)

    for _ in range(int(seconds / 0.05)):
        timed("outer", outer, 0.025)
        timed("spin_a", spin_a, 0.025)


PROGRAMS = [python, mixed, threads, kernel, rel_diff, compiled]

if __name__ == "__main__":
    {f.__name__: f for f in PROGRAMS}[sys.argv[1]](float(sys.argv[2]))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"parts": used, "user": usage.ru_utime, "kernel": usage.ru_stime}))
