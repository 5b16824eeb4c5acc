"""Programs that do what is hard on a sampler: ``stress.py SECONDS [NAME ...]``.

Each part computes something that is checked, so that a changed result is seen.
"""

import ctypes
import ctypes.util
import gc
import os
import subprocess
import sys
import threading
import time


def deep_recursion():
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    sys.setrecursionlimit(20_000)
    assert down(900) == 900
    if sys.version_info >= (3, 11):
        # Python calls that take no C stack.
        assert down(8_000) == 8_000


def generators():
    def numbers(n):
        for i in range(n):
            k = yield i
            assert k is None

    def squares(n):
        yield from (x * x for x in numbers(n))

    assert sum(squares(3000)) == 8_995_500_500


def coroutines():
    import asyncio

    async def leaf(i):
        await asyncio.sleep(0)
        return i

    async def main():
        return sum(await asyncio.gather(*(leaf(i) for i in range(200))))

    assert asyncio.run(main()) == 19_900


def exceptions():
    def fails(n):
        if n == 0:
            raise ValueError("x")
        try:
            fails(n - 1)
        finally:
            gc.get_count()

    for _ in range(200):
        try:
            fails(20)
        except ValueError as error:
            assert error.args == ("x",)


def callbacks():
    words = [str(i) for i in range(2000)]
    assert sorted(words, key=lambda w: (len(w), w)) == words
    compare = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )
    libc = ctypes.CDLL(None)
    array = (ctypes.c_int * 300)(*reversed(range(300)))
    libc.qsort(array, 300, 4, compare(lambda a, b: a[0] - b[0]))
    assert list(array) == list(range(300))


def new_code():
    for i in range(100):
        scope = {}
        exec(f"def f(x):\n    return x + {i}\nvalue = [f(k) for k in range(50)]", scope)
        assert scope["value"] == list(range(i, i + 50))
    gc.collect()


def threads():
    total = []

    def work(k):
        total.append(sum(i * k for i in range(2000)))

    for _ in range(5):
        running = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    assert sum(total) == 5 * 28 * 1_999_000


def libraries():
    import _ctypes

    name = ctypes.util.find_library("z") or ctypes.util.find_library("m")
    for _ in range(20):
        handle = _ctypes.dlopen(name, 0)
        _ctypes.dlclose(handle)


def forks():
    for i in range(10):
        pid = os.fork()
        if pid == 0:
            os._exit(sum(range(i)) % 50)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == sum(range(i)) % 50


def programs():
    assert subprocess.run(["/bin/echo", "x"], capture_output=True).stdout == b"x\n"
    assert subprocess.run(["/bin/sh", "-c", "exit 3"]).returncode == 3


def signals():
    import signal

    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert seen


def collections():
    class Node:
        pass

    for _ in range(300):
        a, b = Node(), Node()
        a.other, b.other = b, a
    gc.collect()


def compiled():
    import ferdelance
    import numpy as np

    scope = {}
    exec("def f(a):\n    s = 0.0\n    for x in a:\n        s += x * x\n    return s", scope)
    f = ferdelance.njit(scope["f"])
    assert f(np.ones(20_000)) == 20_000.0


def arrays():
    import numpy as np

    a = np.arange(40_000.0).reshape(200, 200)
    assert (a @ np.eye(200) + np.sin(a) - np.sin(a)).shape == (200, 200)


PARTS = [
    deep_recursion, generators, coroutines, exceptions, callbacks, new_code, threads, libraries,
    forks, programs, signals, collections,
]  # fmt: skip
OPTIONAL = {"compiled": compiled, "arrays": arrays}


def main(seconds, names):
    parts = [p for p in PARTS if not names or p.__name__ in names]
    parts += [OPTIONAL[name] for name in names if name in OPTIONAL]
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        for part in parts:
            part()
        rounds += 1
    print(f"done {rounds > 0}")


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
