"""Several threads compile and call at once."""

import sys
import threading
import time

import numpy as np
import pytest
from ferdelance import njit

pytestmark = pytest.mark.alone

THREADS = 6


def together(work, count=THREADS):
    """Runs `work(0)`, `work(1)`, ... in threads that start at once; their results in order."""
    barrier = threading.Barrier(count)
    results = [None] * count

    def run(i):
        barrier.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@pytest.fixture(autouse=True, params=[5e-3, 1e-5], ids=["usual switching", "hectic switching"])
def switching(request):
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(before)


def test_one_function_is_compiled_once():
    f = njit(lambda x: x * 2 + 1)
    assert together(f) == [2 * i + 1 for i in range(THREADS)]
    assert len(f.signatures) == 1


def test_different_types_of_one_function():
    f = njit(lambda x: x + x)
    values = [1, 1.5, 2j, np.int8(3), np.float32(0.5), "text"]
    assert together(lambda i: f(values[i])) == [v + v for v in values]
    assert len(f.signatures) == len(values)


def test_each_thread_compiles_its_own():
    def work(i):
        f = njit(lambda x: x + i)
        return f(1), f(1.5)

    assert together(work) == [(i + 1, i + 1.5) for i in range(THREADS)]


def test_callees_are_shared():
    @njit
    def shared(x):
        return x * 3

    callers = [njit(lambda x: shared(x) + 1) for _ in range(THREADS)]
    assert together(lambda i: callers[i](i)) == [3 * i + 1 for i in range(THREADS)]


def test_mutual_recursion_compiled_from_both_ends():
    namespace = {"njit": njit}
    text = """
@njit
def even(n):
    return True if n == 0 else odd(n - 1)

@njit
def odd(n):
    return False if n == 0 else even(n - 1)
"""
    import linecache

    linecache.cache["<mutual>"] = (len(text), None, text.splitlines(keepends=True), "<mutual>")
    exec(compile(text, "<mutual>", "exec"), namespace)
    even, odd = namespace["even"], namespace["odd"]
    results = together(lambda i: (even if i % 2 else odd)(10))
    assert results == [bool(i % 2) for i in range(THREADS)]


def test_calls_see_their_own_arguments():
    @njit
    def f(a, k):
        total = 0.0
        for x in a:
            total += x * k
        return total, a[1:], "text" + str(k)

    f(np.zeros(2), 1)

    def work(i):
        a = np.full(100, float(i))
        return all(
            total == 100.0 * i * k and (view == i).all() and text == f"text{k}"
            for k in range(200)
            for total, view, text in [f(a, k)]
        )

    assert all(together(work))


def test_exceptions_stay_in_their_thread():
    @njit
    def f(n):
        if n % 2:
            raise ValueError("odd", n)
        return n

    def work(i):
        for k in range(300):
            n = 1000 * i + k
            try:
                assert f(n) == n and n % 2 == 0
            except ValueError as error:
                assert error.args == ("odd", n)
        return i

    assert together(work) == list(range(THREADS))


def test_without_the_gil_python_goes_on():
    @njit(nogil=True)
    def spin(n):
        x = 0.5
        for _ in range(n):
            x = 3.7 * x * (1.0 - x)
        return x

    spin(1)
    n = 1000
    while True:  # long enough to be seen
        start = time.perf_counter()
        spin(n)
        if time.perf_counter() - start > 0.2:
            break
        n *= 2
    done = threading.Event()

    def work():
        spin(n)
        done.set()

    thread = threading.Thread(target=work)
    ticks = 0
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    thread.join()
    assert ticks > 5


def test_memory_without_the_gil():
    @njit(nogil=True)
    def f(n):
        kept = np.zeros(1)
        for i in range(n):
            a = np.full(50, float(i))
            if i % 3 == 0:
                kept = a
        return kept

    f(1)
    results = together(lambda i: [f(100 + i)[0] for _ in range(50)])
    assert results == [[float((99 + i) // 3 * 3)] * 50 for i in range(THREADS)]


def test_compiling_while_others_call():
    f = njit(lambda x: x + 1)
    f(1)
    stop = threading.Event()
    counts = []

    def call():
        count = 0
        while not stop.is_set():
            assert f(count) == count + 1
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for i in range(8):
            assert njit(lambda x, k=i: x * k + 0.5)(2) == 2 * i + 0.5
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(count > 0 for count in counts)


def test_dispatchers_die_in_other_threads():
    def work(i):
        for k in range(3):
            f = njit(lambda x: x + k)  # noqa: B023
            assert f(i) == i + k
            del f
        return True

    assert all(together(work, 4))
