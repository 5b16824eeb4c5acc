"""`parallel=True`: loops and array code on several threads.

Here every region is split, however small, and there are more threads than this machine may have.
"""

import functools
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import ferdelance as fd
import numpy as np
import pytest
from conftest import live
from ferdelance import _core, config, njit, pndindex, prange
from ferdelance.errors import NumbaError, NumbaPerformanceWarning

THREADS = 4


@pytest.fixture(autouse=True)
def split_everything():
    _core.set_most_threads(THREADS)
    worth = _core.set_split_worth(0)
    yield
    _core.set_num_threads(THREADS)
    _core.set_split_worth(worth)
    _core.set_most_threads(config.NUMBA_NUM_THREADS)


def in_parallel(function, *args, **options):
    """What a function gives, compiled in parallel; a loop that runs in order is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", NumbaPerformanceWarning)
        return njit(parallel=True, **options)(function)(*args)


def in_order(function, *args):
    """The same of a function with a loop that runs in order, which has to be said."""
    f = njit(parallel=True)(function)
    with pytest.warns(NumbaPerformanceWarning, match="runs in order") as caught:
        result = f(*args)
    return result, str(caught[0].message)


# ---- rounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 100, 1001])
def test_every_round_runs_once(n):
    def f(n):
        out = np.zeros(n, np.int64)
        for i in prange(n):
            out[i] += i + 1
        return out

    np.testing.assert_array_equal(in_parallel(f, n), np.arange(1, n + 1))


@pytest.mark.parametrize("start, stop", [(0, 10), (-7, 5), (5, 5), (9, 2), (-20, -3)])
def test_ranges(start, stop):
    def up(a, b):
        s, n = 0, 0
        for i in prange(a, b):
            s += i * i
            n += 1
        return s, n

    def steps(a, b):
        s = 0
        for i in prange(a, b, 3):
            s += i * i
        for i in prange(b, a, -2):
            s += i * 1000
        return s

    for f in (up, steps):
        assert in_parallel(f, start, stop) == f(start, stop)


def test_unsigned_and_small_ranges():
    def f(n):
        s = np.uint64(0)
        for i in prange(n):
            s += i
        return s

    for n in (np.uint64(1000), np.uint8(200), np.int32(77)):
        assert in_parallel(f, n) == sum(range(int(n)))


def test_several_dimensions():
    def f(shape):
        out = np.zeros(shape, np.int64)
        for i, j, k in pndindex(shape):
            out[i, j, k] += i * 100 + j * 10 + k
        return out

    i, j, k = np.indices((3, 4, 5))
    np.testing.assert_array_equal(in_parallel(f, (3, 4, 5)), i * 100 + j * 10 + k)


def test_loops_in_loops():
    def f(m, n, times):
        a = np.zeros((m, n))
        for t in range(times):
            for i in prange(m):
                for j in prange(n):
                    a[i, j] += i * j + t
        return a

    np.testing.assert_array_equal(in_parallel(f, 5, 6, 3), f(5, 6, 3))


def test_counters_after_the_loop():
    def f(n, step):
        k = 100
        last = -1
        for i in prange(n):
            k += step
            last = i * 2
        return k, last

    for n in (0, 1, 10, 11):
        assert in_parallel(f, n, 3) == f(n, 3)


def test_a_counter_inside_of_the_loop():
    def f(n):
        out = np.zeros(n, np.int64)
        k = 5
        for i in prange(n):
            out[i] = k
            k += 2
        return out, k

    for a, b in zip(in_parallel(f, 50), f(50), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- reductions ---------------------------------------------------------------------------------


def add(a, s):
    for i in prange(a.size):
        s += a[i]
    return s


def subtract(a, s):
    for i in prange(a.size):
        s -= a[i]
    return s


def multiply(a, s):
    for i in prange(a.size):
        s *= a[i]
    return s


def divide(a, s):
    for i in prange(a.size):
        s = s / a[i]
    return s


def largest(a, s):
    for i in prange(a.size):
        s = max(s, a[i])
    return s


def smallest(a, s):
    for i in prange(a.size):
        s = min(a[i], s)
    return s


def on_some_ways(a, s):
    for i in prange(a.size):
        if i % 3 == 0:
            continue
        s += a[i]
        if i % 2:
            s -= 1
        else:
            for _ in range(2):
                s += a[i]
    return s


DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 3, 50])
@pytest.mark.parametrize(
    "f", [add, subtract, multiply, largest, smallest, on_some_ways], ids=lambda f: f.__name__
)
def test_reductions(f, dtype, n):
    a = (np.random.default_rng(n).integers(1, 4, n)).astype(dtype)
    start = np.int64(2) if dtype[0] in "iu" else np.float64(2)
    want = njit(f)(a, start)
    got = njit(parallel=True)(f)(a, start)
    assert type(got) is type(want)
    np.testing.assert_allclose(got, want, rtol=1e-12 if dtype != "f4" else 1e-6)


@pytest.mark.parametrize("f", [add, multiply, divide], ids=lambda f: f.__name__)
def test_reductions_that_are_parallel(f):
    a = np.random.default_rng(1).random(101) + 0.5
    np.testing.assert_allclose(in_parallel(f, a, 3.0), njit(f)(a, 3.0), rtol=1e-12)


@pytest.mark.parametrize("f", [largest, smallest, on_some_ways], ids=lambda f: f.__name__)
def test_reductions_that_are_parallel_and_exact(f):
    a = np.random.default_rng(2).integers(-50, 50, 101)
    assert in_parallel(f, a, 3) == f(a, 3)


def test_bits():
    def f(a):
        x, y, z = 0, -1, 0
        for i in prange(a.size):
            x |= a[i]
            y &= a[i]
            z ^= a[i]
        return x, y, z

    a = np.random.default_rng(3).integers(0, 1 << 40, 77)
    assert in_parallel(f, a) == f(a)


def test_complex_sums():
    def f(a):
        s = 1j
        for i in prange(a.size):
            s += a[i]
        return s

    a = np.arange(30) * (1 + 2j)
    assert in_parallel(f, a) == f(a)


def test_sums_are_the_same_each_time():
    f = njit(parallel=True)(add)
    a = np.random.default_rng(4).random(10_007)
    first = f(a, 0.0)
    assert all(f(a, 0.0) == first for _ in range(50))


def test_negative_zero_is_kept():
    assert str(in_parallel(add, np.full(10, -0.0), -0.0)) == "-0.0"


def test_reductions_over_two_loops():
    def f(a):
        s = 0.0
        for i in prange(a.shape[0]):
            for j in prange(a.shape[1]):
                s += a[i, j]
        return s

    a = np.random.default_rng(5).random((9, 11))
    np.testing.assert_allclose(in_parallel(f, a), a.sum())


# ---- loops that run in order --------------------------------------------------------------------


def test_a_running_sum():
    def f(a):
        out = np.empty_like(a)
        s = 0.0
        for i in prange(a.size):
            s += a[i]
            out[i] = s
        return out

    a = np.arange(100.0)
    result, why = in_order(f, a)
    np.testing.assert_array_equal(result, np.cumsum(a))
    assert "the one before" in why


def test_break_and_return():
    def f(a):
        c = 0
        for i in prange(a.size):
            if a[i] > 20:
                break
            c += 1
        return c

    def g(a):
        for i in prange(a.size):
            if a[i] == 17:
                return i
        return -1

    for function in (f, g):
        result, why = in_order(function, np.arange(100))
        assert result == function(np.arange(100)) and "`break`" in why


def test_rounds_that_write_the_same_item():
    def modulo(a, n):
        y = np.zeros(n)
        for i in prange(a.size):
            y[i % n] += a[i]
        return y

    def histogram(a, n):
        y = np.zeros(n)
        for i in prange(a.size):
            y[int(a[i]) % n] += 1
        return y

    def always(a, n):
        y = np.zeros(n)
        for i in prange(a.size):
            y[1] += a[i]
        return y

    for f in (modulo, histogram, always):
        result, _ = in_order(f, np.arange(1000.0), 4)
        np.testing.assert_array_equal(result, f(np.arange(1000.0), 4))


def test_rounds_that_read_what_others_write():
    def f(a):
        for i in prange(1, a.size):
            a[i] = a[i] + a[i - 1]
        return a

    def g(a):
        for i in prange(1, a.shape[0]):
            for j in range(a.shape[1]):
                a[i, j] += a[i - 1, j]
        return a

    for function, shape in ((f, 1000), (g, (50, 20))):
        result, why = in_order(function, np.ones(shape))
        np.testing.assert_array_equal(result, np.cumsum(np.ones(shape), axis=0))
        assert "another one writes" in why


def test_independent_items_of_one_array():
    def eliminate(a):
        n = a.shape[0]
        for k in range(n):
            for i in prange(k + 1, n):
                factor = a[i, k] / a[k, k]
                for j in range(k, n):
                    a[i, j] -= factor * a[k, j]
        return a

    def scatter(a, where):
        out = np.zeros(a.size)
        for i in prange(a.size):
            out[where[i]] = a[i]
        return out

    a = np.random.default_rng(6).random((12, 12)) + np.eye(12) * 5
    np.testing.assert_allclose(in_parallel(eliminate, a.copy()), eliminate(a.copy()), rtol=1e-9)
    where = np.random.default_rng(7).permutation(100)
    np.testing.assert_array_equal(
        in_parallel(scatter, np.arange(100.0), where), scatter(np.arange(100.0), where)
    )


def test_appending():
    def f(n):
        out = [0]
        for i in prange(n):
            out.append(i)
        return out

    result, why = in_order(f, 1000)
    assert result == [0, *range(1000)] and "list" in why


def test_a_step_that_varies_is_refused():
    @njit(parallel=True)
    def f(n, step):
        s = 0
        for i in prange(0, n, step):
            s += i
        return s

    with pytest.raises(NumbaError, match="step of prange"):
        f(10, 2)


def test_nothing_to_run_in_parallel():
    with pytest.warns(NumbaPerformanceWarning, match="has no effect"):
        assert njit(lambda x: x + 1, parallel=True)(1) == 2


# ---- what bodies may do -------------------------------------------------------------------------


def test_arrays_containers_and_calls():
    @njit
    def helper(x):
        t = np.zeros(8)
        for k in range(8):
            t[k] = x * k
        return t

    def f(n):
        out = np.zeros(n)
        for i in prange(n):
            t = helper(i) + 1.0
            names = [str(i), "a" * (i % 5)]
            names.append(names[0] + names[1])
            d = {1: t, 2: t * 2}
            out[i] = t.sum() + len(names[2]) + d[2][3]
        return out

    want = f(300)
    g = njit(parallel=True)(f)
    np.testing.assert_allclose(g(300), want)
    before = live()
    for _ in range(5):
        g(300)
    assert live() == before


def test_captured_objects_stay_alive():
    def f(n):
        a = np.arange(n) * 1.0
        rows = a.reshape(n // 10, 10)
        words = ["x" * k for k in range(n)]
        out = np.zeros(n, np.int64)
        for i in prange(n):
            out[i] = len(words[i] + words[n - 1 - i]) + int(rows[i // 10, i % 10])
        return out, words[3]

    g = njit(parallel=True)(f)
    want = f(100)
    got = g(100)
    np.testing.assert_array_equal(got[0], want[0])
    assert got[1] == want[1]
    del got
    before = live()
    g(100)
    assert live() == before


def test_functions_with_parallel_code_inside():
    inner = njit(parallel=True)(add)

    @njit(parallel=True)
    def outer(m):
        out = np.zeros(m.shape[0])
        for i in prange(m.shape[0]):
            out[i] = inner(m[i], 0.0) + (m[i] * 2).sum()
        return out

    @njit
    def serial(m):
        return outer(m).sum() + inner(m[0], 1.0)

    m = np.random.default_rng(8).random((20, 30))
    np.testing.assert_allclose(outer(m), 3 * m.sum(axis=1))
    np.testing.assert_allclose(serial(m), 3 * m.sum() + m[0].sum() + 1)


def test_printing(capsys):
    @njit(parallel=True)
    def f(n):
        for i in prange(n):
            print("round", i)

    f(50)
    assert capsys.readouterr().out == "".join(f"round {i}\n" for i in range(50))


# ---- exceptions ---------------------------------------------------------------------------------


def test_the_first_exception_is_raised():
    @njit(parallel=True)
    def f(a):
        for i in prange(a.size):
            if a[i] < 0:
                raise ValueError("negative item", i)
            a[i] = np.sqrt(a[i])
        return a.sum()

    a = np.ones(1000)
    assert f(a) == 1000
    a[[120, 700, 950]] = -1
    before = live()
    for _ in range(100):
        with pytest.raises(ValueError) as caught:
            f(a.copy())
        assert caught.value.args == ("negative item", 120)
        del caught
    assert live() == before


def test_an_exception_names_the_line():
    @njit(parallel=True, boundscheck=True)
    def f(a, n):
        for i in prange(n):
            a[i] = i  # here

    f(np.zeros(10), 10)
    with pytest.raises(IndexError) as caught:
        f(np.zeros(10), 20)
    assert "# here" in str(caught.traceback[-1].statement)


def test_a_handler_around_the_loop():
    @njit(parallel=True)
    def f(a):
        try:
            for i in prange(a.size):
                if a[i] < 0:
                    raise ValueError("negative")
                a[i] += 1
        except ValueError:
            return -1.0
        return a.sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        assert f(np.ones(10)) == 20
        assert f(-np.ones(10)) == -1


def test_a_handler_in_the_body():
    def f(a):
        out = np.zeros(a.size)
        for i in prange(a.size):
            try:
                if a[i] < 0:
                    raise ValueError("negative")
                out[i] = a[i]
            except ValueError:
                out[i] = 100
        return out

    a = np.arange(40.0) - 10
    np.testing.assert_array_equal(in_parallel(f, a), f(a))


# ---- arrays -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(0,), (1,), (5,), (1000,), (40_001,), (7, 9), (200, 300), (3, 0)]
)
@pytest.mark.parametrize("strided", [False, True])
def test_array_statements(shape, strided):
    def elementwise(a, b):
        c = a * 2 + b
        c[...] = c - np.sqrt(b)
        return c

    def reductions(a, b):
        return (a * b).sum(), a.mean(), (a > b).sum(), (a - b).var()

    def extremes(a, b):
        return a.max(), b.min(), a.argmax(), b.argmin()

    def along(a, b):
        return a.sum(axis=0), (a * b).sum(axis=-1), a.max(axis=-1)

    rng = np.random.default_rng(9)
    a, b = rng.random((2, *shape))
    if strided:
        a, b = a[..., ::2], b[..., ::2]
    functions = [elementwise, reductions]
    if a.size:
        functions += [extremes, along]
    with np.errstate(all="ignore"):
        for f in functions:
            got, want = njit(parallel=True)(f)(a, b), njit(f)(a, b)
            for x, y in zip(got, want, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-10)


def test_stencils_and_stores_that_overlap():
    def f(a, times):
        b = np.zeros_like(a)
        for _ in range(times):
            b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) / 3
            a[1:] = b[:-1] + 1
            a[::2] = a[1::2] * 2
        return a, b

    a = np.random.default_rng(10).random(1000)
    for x, y in zip(njit(parallel=True)(f)(a.copy(), 5), f(a.copy(), 5), strict=True):
        np.testing.assert_allclose(x, y)


def test_sums_are_accurate():
    f = njit(parallel=True)(lambda a: a.sum())
    a = np.full(1 << 22, 0.1)
    assert abs(f(a) / (0.1 * a.size) - 1) < 1e-14


def test_parts_of_parallel():
    def f(a):
        s = 0.0
        for i in prange(a.size):
            s += a[i]
        return a * 2, s

    def remarks(**parts):
        g = njit(parallel=parts)(f)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaPerformanceWarning)
            g(np.ones(3))
        return str(g.explain(g.signatures[0]))

    assert "rounds of the loop run in parallel" in remarks()
    assert "if there is enough to do" in remarks()
    assert "rounds of the loop run in parallel" not in remarks(prange=False)
    assert "if there is enough to do" not in remarks(numpy=False)


# ---- threads ------------------------------------------------------------------------------------


def ids(n):
    return compiled_ids()(n)


@functools.cache
def compiled_ids():
    # Compiled inside of a test: it is then that everything is split.
    @njit(parallel=True)
    def ids(n):
        out = np.full(n, -1)
        for i in prange(n):
            out[i] = fd.get_thread_id()
        return out

    return ids


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_chunks_follow_from_the_number_of_threads(threads):
    fd.set_num_threads(1)
    _core.set_num_threads(threads)
    got = ids(100)
    want = np.concatenate([np.full(len(part), k) for k, part in enumerate(np.array_split(got, 1))])
    assert want.size == 100
    assert sorted(set(got)) == list(range(threads))
    assert (np.diff(got) >= 0).all()
    assert fd.get_thread_id() == 0


def test_more_threads_than_rounds():
    assert list(ids(2)) == [0, 1]
    assert list(ids(1)) == [0]


def test_chunk_sizes():
    with fd.parallel_chunksize(5):
        got = ids(40)
    assert [list(got[k : k + 5]) for k in range(0, 40, 5)] == [[k % 4] * 5 for k in range(8)]


def test_settings_in_compiled_code():
    @njit(parallel=True)
    def f(n):
        before = fd.get_num_threads()
        fd.set_num_threads(n)
        old = fd.set_parallel_chunksize(3)
        inside = np.zeros(4, np.int64)
        for i in prange(4):
            inside[i] = fd.get_num_threads()
        size = fd.get_parallel_chunksize()
        fd.set_parallel_chunksize(old)
        fd.set_num_threads(before)
        return before, inside, size

    before, inside, size = f(2)
    assert (before, list(inside), size) == (4, [2, 2, 2, 2], 3)
    for bad in (0, 5, -1):
        with pytest.raises(ValueError, match="number of threads"):
            f(bad)


def test_buffers_of_threads():
    def f(a, bins):
        parts = np.zeros((fd.get_num_threads(), bins), np.int64)
        for i in prange(a.size):
            parts[fd.get_thread_id(), a[i]] += 1
        return parts.sum(axis=0)

    a = np.random.default_rng(11).integers(0, 10, 5000)
    np.testing.assert_array_equal(in_parallel(f, a, 10), np.bincount(a, minlength=10))


@pytest.mark.parametrize("nogil", [False, True])
def test_many_python_threads(nogil):
    @njit(parallel=True, nogil=nogil)
    def f(a, k):
        out = np.empty_like(a)
        s = 0.0
        for i in prange(a.size):
            out[i] = a[i] * k
            s += a[i]
        return out, s, (a * k).sum()

    a = np.arange(2000.0)
    want = f(a, 3.0)
    wrong = []

    def work():
        for _ in range(100):
            got = f(a, 3.0)
            if not (np.array_equal(got[0], want[0]) and got[1:] == want[1:]):
                wrong.append(got)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_names_of_threads():
    ids(1000)
    tasks = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else None
    if tasks is None:
        pytest.skip("no /proc")
    names = [open(f"/proc/self/task/{t}/comm").read().strip() for t in tasks]
    assert {f"ferdelance-{k}" for k in range(1, THREADS)} <= set(names)


# ---- processes ----------------------------------------------------------------------------------


def in_child(n):
    return int(ids(n).max())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_children(method):
    assert in_child(1000) == THREADS - 1
    script = f"""
        import multiprocessing
        import ferdelance as fd
        from ferdelance import _core
        _core.set_split_worth(0)

        @fd.njit(parallel=True)
        def f(n):
            s = 0
            for i in fd.prange(n):
                s += i
            return s

        if __name__ == "__main__":
            assert f(100) == 4950
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                assert pool.map(f, [10, 100, 1000]) == [45, 4950, 499500]
            assert f(1000) == 499500
            print("fine")
    """
    run_script(script)


def run_script(text):
    env = {**os.environ, "NUMBA_NUM_THREADS": str(THREADS)}
    script = textwrap.dedent(text)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script.py")
        with open(path, "w") as file:
            file.write(script)
        done = subprocess.run(
            [sys.executable, path], env=env, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0 and done.stdout.strip() == "fine", done.stderr


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forks_while_others_compute():
    stop = threading.Event()

    def work():
        while not stop.is_set():
            ids(1000)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(5):
            child = context.Process(target=in_child, args=(1000,))
            child.start()
            child.join(30)
            assert child.exitcode == 0
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_exit_with_threads_at_work():
    run_script(
        """
        import threading
        import ferdelance as fd
        from ferdelance import _core
        _core.set_split_worth(0)

        @fd.njit(parallel=True, nogil=True)
        def f(n):
            s = 0.0
            for i in fd.prange(n):
                s += i * 0.5
            return s

        f(10)
        threading.Thread(target=f, args=(10**10,), daemon=True).start()
        print("fine")
        """
    )


# ---- reports ------------------------------------------------------------------------------------


def test_explanations():
    @njit(parallel=True)
    def f(a):
        s = 0.0
        for i in prange(a.size):
            s += a[i]
        for i in prange(a.size):
            if a[i] > 100:
                break
        return np.sin(a), s

    with pytest.warns(NumbaPerformanceWarning):
        f(np.ones(3))
    text = str(f.explain(f.signatures[0]))
    assert "the rounds of the loop run in parallel" in text
    assert "in order, on one thread: it is left by `break`" in text
    assert "in parallel, if there is enough to do" in text
