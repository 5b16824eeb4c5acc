"""The data profiler: every call counted as cProfile counts it, by the types of its arguments."""

import asyncio
import cProfile
import gc
import os
import pstats
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import ferdelance
import numpy as np
import pytest
from conftest import ROOT
from ferdelance import profiler
from random_programs import HOSTILE, random_program, run_both
from recording import fdl, write

# ---- programs whose calls are counted ------------------------------------------------------------


def plain():
    def add(a, b=2, *rest, c=3, **named):
        return a + b + c + len(rest) + len(named)

    return add(1) + add(1, 2.5, 3, 4, c=5, d=6) + add(b=1, a=2)


def recursion():
    def fact(n):
        return 1 if n == 0 else n * fact(n - 1)

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    return fact(10), even(9)


def generators():
    def count(n):
        for i in range(n):  # noqa: UP028
            yield i

    def twice(n):
        yield from count(n)
        yield from count(n)

    a, b = count(3), count(4)
    return sum(twice(3)), list(zip(a, b, strict=False)), [x for x in count(5)]


def exceptions():
    def bad(x):
        if x > 2:
            raise ValueError(x)
        return bad(x + 1)

    caught = 0
    for _ in range(3):
        try:
            bad(0)
        except ValueError:
            caught += 1
    try:
        int("x")
    except ValueError:
        caught += 1
    return caught


def coroutines():
    async def inner(n):
        for _ in range(n):
            await asyncio.sleep(0)
        return n

    async def outer():
        return await inner(1) + await inner(2)

    return asyncio.run(outer())


def executed():
    space = {}
    text = "def f(x): return x\nclass C:\n    y = f(1)\n    def g(self): return f(self)"
    exec(compile(text, "<text>", "exec"), space)
    return eval("f(2)", space), space["C"]().g()


def comprehensions():
    return [x for x in range(3)], {x: str(x) for x in range(3)}, sorted([3, 1], key=lambda x: -x)


def methods():
    class Base:
        def __init__(self, x):
            self.x = x

        @classmethod
        def make(cls):
            return cls(1)

        @staticmethod
        def plain(x):
            return x

        @property
        def twice(self):
            return self.x * 2

        def __len__(self):
            return 3

    class Derived(Base):
        def __init__(self, x):
            super().__init__(x)

    thing = Derived.make()
    return thing.twice + len(thing) + thing.plain(1)


PROGRAMS = [
    plain,
    recursion,
    generators,
    exceptions,
    coroutines,
    executed,
    comprehensions,
    methods,
]


CLOSE = "<method 'close' of '_socket.socket' objects>"


def counts(profile):
    """Calls and callers, without the profilers' own."""
    profile.create_stats()
    own = re.compile("'(disable|_lsprof|set_events|register_callback|free_tool_id)")

    def is_own(key):
        return own.search(key[2]) or key[2].startswith("<built-in method sys.monitoring")

    def named(key):
        # What a class overrides has an address in cProfile's name of it.
        return (*key[:2], re.sub("<function socket.close at .*", CLOSE, key[2]))

    return {
        named(key): (row[:2], {named(c): r[:2] for c, r in row[4].items() if not is_own(c)})
        for key, row in profile.stats.items()
        if not is_own(key)
    }


@pytest.mark.parametrize("builtins", [False, True])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_counts_are_those_of_cprofile(program, builtins, request):
    program()
    # What the collector ends, such as generators of others, would be counted in one of the two.
    gc.collect()
    gc.disable()
    request.addfinalizer(gc.enable)
    theirs = cProfile.Profile()
    theirs.enable(builtins=builtins)  # 3.14 forgets here what the constructor was told
    program()
    theirs.disable()
    ours = profiler.Profile(builtins=builtins, signatures=False)
    ours.enable()
    program()
    ours.disable()
    assert counts(ours) == counts(theirs)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_calls_by_signature_add_up(program):
    program()
    theirs = cProfile.Profile()
    theirs.enable(builtins=False)
    program()
    theirs.disable()
    ours = profiler.Profile(builtins=False)
    ours.runcall(program)

    def totals(profile):
        profile.create_stats()
        out = {}
        for (file, line, name), row in profile.stats.items():
            if "_profile.py" in file or name.startswith(("<method 'disable'", "Profile.")):
                continue
            key = (file, line)
            out[key] = out.get(key, 0) + row[1]
        return out

    assert totals(ours) == totals(theirs)


def test_a_generator_that_is_thrown_into_is_counted_once_more():
    def count():
        try:
            yield 1
            yield 2
        except KeyError:
            yield 3

    p = profiler.Profile(builtins=False)
    p.enable()
    g = count()
    next(g)
    g.throw(KeyError())
    g.close()
    p.disable()
    calls = {name: n for _, name, n in listed(p)}
    assert calls["count()"] == 3


def listed(profile):
    """(file, name, calls) of each row."""
    profile.create_stats()
    return [(file, name, row[1]) for (file, _, name), row in profile.stats.items()]


def names(function, *args, **kwargs):
    """What a call with these arguments is listed as."""
    p = profiler.Profile(builtins=False)
    p.enable()
    function(*args, **kwargs)
    p.disable()
    return sorted(name for file, name, _ in listed(p) if file == __file__)


# ---- signatures ----------------------------------------------------------------------------------


def dot(a, b):
    return a


ARRAYS = [
    (np.arange(16, dtype=np.float32), "ndarray(dtype=float32, shape=(16,))"),
    (np.zeros((2, 3)), "ndarray(dtype=float64, shape=(2, 3))"),
    (np.zeros((2, 3), order="F"), "ndarray(dtype=float64, shape=(2, 3), order=F)"),
    (np.zeros((4, 6))[:, ::2], "ndarray(dtype=float64, shape=(4, 3), strided)"),
    (np.zeros(()), "ndarray(dtype=float64, shape=())"),
    (np.zeros(2, ">i4"), "ndarray(dtype=>int32, shape=(2,))"),
    (np.array(["ab", "c"]), "ndarray(dtype=<U2, shape=(2,))"),
    (np.zeros(2, "M8[s]"), "ndarray(dtype=datetime64[s], shape=(2,))"),
    (np.zeros(2, object), "ndarray(dtype=object, shape=(2,))"),
    (np.matrix([[1.0]]), "matrix(dtype=float64, shape=(1, 1))"),
    (np.float32(1), "float32"),
    (3, "int"),
    (None, "None"),
    ("text", "str(len=4)"),
    (b"ab", "bytes(len=2)"),
    ([1, 2, 3], "list[int](len=3)"),
    ([], "list(len=0)"),
    ((1.0, 2), "tuple[float](len=2)"),
    ({"a": 1}, "dict(len=1)"),
    ({1, 2}, "set(len=2)"),
    (frozenset([1]), "frozenset(len=1)"),
    (bytearray(5), "bytearray(len=5)"),
    (threading.Event, "type"),
    (range(3), "range"),
]


@pytest.mark.parametrize("value, text", ARRAYS, ids=[text for _, text in ARRAYS])
def test_an_argument_is_named(value, text):
    assert names(dot, value, 1) == [f"dot(a:{text}, b:int)"]


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, bytes, bytearray], ids=str)
def test_lengths_are_told_apart(make):
    def f(a):
        pass

    p = profiler.Profile(builtins=False)
    p.enable()
    for n in (1, 2, 2, 3):
        f(make(range(n)))
    p.disable()
    rows = sorted(n for file, _, n in listed(p) if file == __file__)
    assert rows == [1, 1, 2]


def test_the_documented_example():
    a = np.arange(16, dtype=np.float32)
    array = "ndarray(dtype=float32, shape=(16,))"
    assert names(dot, a, a) == [f"dot(a:{array}, b:{array})"]
    p = profiler.Profile(signatures=False)
    p.runctx("dot(a, a)", globals(), {"a": a})
    assert "dot" in [name for _, name, _ in listed(p)]


class Thing:
    def __init__(self, x):
        self.x = x

    def meth(self, y):
        return y


def test_a_method_is_named_after_its_class():
    p = profiler.Profile(builtins=False)
    p.enable()
    Thing(1).meth(2.5)
    p.disable()
    got = sorted(name for file, name, _ in listed(p) if file == __file__)
    assert got == ["Thing(x:int)", "Thing.meth(y:float)"]


def test_variadic_arguments_are_listed():
    def f(a, *args, k, **kw):
        pass

    assert names(f, 1, 2.0, "x", k=None, z=[1], y=b"") == [
        "f(a:int, *args:(float, str(len=1)), k:None, **kw:(z=list[int](len=1), y=bytes(len=0)))"
    ]


def test_arguments_in_cells_are_read():
    def outer(a, b):
        def inner():
            return a

        return inner()

    got = names(outer, 1, 2.0)
    assert "outer(a:int, b:float)" in got


def test_a_generator_keeps_the_signature_that_it_began_with():
    def count(n):
        n = float(n)
        while n > 0:
            yield n
            n = str(n) and n - 1

    p = profiler.Profile(builtins=False)
    p.enable()
    list(count(3))
    p.disable()
    assert [(name, n) for file, name, n in listed(p) if file == __file__] == [("count(n:int)", 4)]


def test_many_shapes_are_told_apart_by_size():
    def f(a):
        pass

    p = profiler.Profile(builtins=False)
    p.enable()
    for n in range(1, 1000):
        f(np.zeros(n))
    for n in range(1, 60):
        f(np.zeros(n))
    p.disable()
    rows = {name: n for file, name, n in listed(p) if file == __file__}
    assert len(rows) <= 64 + 10
    assert rows["f(a:ndarray(dtype=float64, shape=(5,)))"] == 2
    assert rows["f(a:ndarray(dtype=float64, ndim=1, size=512..1023))"] == 488
    assert sum(rows.values()) == 999 + 59


def test_classes_that_come_and_go_are_not_mistaken():
    def f(a):
        pass

    p = profiler.Profile(builtins=False)
    p.enable()
    for i in range(300):
        f(type(f"C{i}", (), {})())
    p.disable()
    rows = {name: n for file, name, n in listed(p) if file == __file__}
    assert sum(rows.values()) == 300
    assert all(n == 1 for name, n in rows.items() if name != "f(…)")


def test_structured_dtypes_are_bounded():
    def f(a):
        pass

    p = profiler.Profile(builtins=False)
    p.enable()
    for i in range(1000):
        f(np.zeros(1, np.dtype([("x", "f8"), (f"y{i % 3}", "i4")])))
    p.disable()
    rows = [n for file, _, n in listed(p) if file == __file__]
    assert sum(rows) == 1000 and len(rows) < 10


def test_no_code_of_an_object_runs():
    space = {}
    exec(textwrap.dedent(HOSTILE), space)
    hostile = space["Hostile"]()

    class Strange(list):
        def __len__(self):
            raise RuntimeError("len")

    def f(a, *args, **kw):
        pass

    got = names(f, hostile, Strange([1, 2]), x=hostile)
    assert got == ["f(a:Hostile, *args:(Strange[int](len=2)), **kw:(x=Hostile))"]


def test_jitted_functions_are_counted_with_their_arguments():
    @ferdelance.njit
    def total(a, k):
        return a.sum() * k

    total(np.zeros(3), 2)
    p = profiler.Profile(builtins=False)
    p.enable()
    total(np.zeros(3), 2)
    total(np.zeros(4), k=2)
    with pytest.raises(ferdelance.errors.TypingError):
        total("text", object())
    p.disable()
    rows = {name: n for file, name, n in listed(p) if file == __file__}
    assert rows["total(a:ndarray(dtype=float64, shape=(3,)), k:int)"] == 1
    assert rows["total(a:ndarray(dtype=float64, shape=(4,)), k:int)"] == 1


def test_keyword_arguments_of_numbas_functions_are_told(tmp_path):
    python = ROOT / "benchmarks" / ".venv-numba" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no environment with Numba in benchmarks")
    program = write(
        tmp_path,
        """
        import numba, numpy as np
        from ferdelance import profiler
        @numba.njit
        def f(a, k=2, scale=1.0): return a.sum() * k * scale
        a = np.ones(3)
        calls = [lambda: f(a, 5), lambda: f(a, k=3), lambda: f(a, scale=2.0, k=3), lambda: f(a=a)]
        found = [call() for call in calls]
        p = profiler.Profile(builtins=False)
        with p:
            assert [call() for call in calls] == found
            for wrong in ({"a": a, "b": 1}, {}):
                try: f(**wrong)
                except TypeError: pass
        for e in p.getstats():
            if e.code[2].startswith("f("): print(e.code[2], e.callcount)
        """,
    )
    path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")])
    done = run([python, program], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    a = "ndarray(dtype=float64, shape=(3,))"
    assert done.stdout.splitlines() == [
        f"f(a:{a}, k:int) 2",
        f"f(a:{a}, scale:float, k:int) 1",
        f"f(a:{a}) 1",
        f"f(a:{a}, b:int) 1",
        "f() 1",
    ]


# ---- the interface -------------------------------------------------------------------------------


def test_all_threads_are_counted():
    def work(n):
        return sum(step(i) for i in range(n))

    def step(i):
        return i

    for builtins in (False, True):
        p = profiler.Profile(builtins=builtins, signatures=False)
        p.enable()
        threads = [threading.Thread(target=work, args=(100,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        p.disable()
        rows = {name: n for file, name, n in listed(p) if file == __file__}
        assert (rows["work"], rows["step"]) == (4, 400)


def test_statistics_are_written_for_pstats(tmp_path, capsys):
    p = profiler.Profile(builtins=False)
    assert p.runcall(dot, np.zeros(2), 1) is not None
    path = tmp_path / "a.pstats"
    p.dump_stats(path)
    stats = pstats.Stats(str(path)).stats
    key = (
        __file__,
        dot.__code__.co_firstlineno,
        "dot(a:ndarray(dtype=float64, shape=(2,)), b:int)",
    )
    assert stats[key][:2] == (1, 1)
    p.print_stats("cumulative")
    assert "dot(a:ndarray(dtype=float64, shape=(2,)), b:int)" in capsys.readouterr().out


def test_a_custom_timer_is_used():
    ticks = iter(range(0, 10**6, 5))
    p = profiler.Profile(lambda: next(ticks), 0.001, builtins=False)
    p.runcall(dot, 1, 2)
    p.create_stats()
    rows = {key[2]: row for key, row in p.stats.items()}
    assert rows["dot(a:int, b:int)"][2] == pytest.approx(0.005)


def test_only_one_is_active():
    with profiler.Profile() as p:
        with pytest.raises(ValueError, match="another profiler of calls is active"):
            profiler.Profile().enable()
        p.enable()
    p.disable()


def test_cprofile_works_beside_it():
    if sys.version_info < (3, 12):
        pytest.skip("before 3.12 there is one profile function")
    theirs = cProfile.Profile()
    with profiler.Profile() as p:
        theirs.runcall(dot, 1, 2)
    theirs.create_stats()
    assert any(key[2] == "dot" for key in theirs.stats)
    assert any(name == "dot(a:int, b:int)" for _, name, _ in listed(p))


def test_it_decorates():
    p = profiler.Profile(builtins=False)

    @p
    def f(n):
        return n if n == 0 else f(n - 1)

    assert f(3) == 0
    assert f.__name__ == "f"
    rows = {name: n for file, name, n in listed(p) if file == __file__}
    assert rows == {"f(n:int)": 4}


def test_what_it_costs_can_be_taken_off():
    def f(n):
        pass

    def drive():
        for i in range(20_000):
            f(i)

    times = {}
    for correct in (False, True) * 3:
        p = profiler.Profile(builtins=False, correct=correct)
        p.runcall(drive)
        p.create_stats()
        rows = {key[2]: row for key, row in p.stats.items()}
        times[correct] = min(rows["drive()"][3], times.get(correct, 1e9))
        assert rows["f(n:int)"][1] == 20_000
    assert times[True] < times[False]


def test_a_profile_is_drawn_and_tabled(tmp_path, capsys):
    p = profiler.Profile(builtins=False)
    p.runcall(recursion)
    path = profiler.plot(p, tmp_path / "a.svg")
    assert "<svg" in open(path).read(200)
    assert str(path) in capsys.readouterr().out
    recording = p.recording()
    assert "fact(n:int)" in recording.calls["name"]
    assert "fact(n:int)" in recording.report()
    recording.save(tmp_path / "a.fdl")
    again = profiler.load(tmp_path / "a.fdl")
    assert list(again.calls["calls"]) == list(recording.calls["calls"])
    again.export(tmp_path / "a.pstats", "pstats")
    rows = {key[2]: row for key, row in pstats.Stats(str(tmp_path / "a.pstats")).stats.items()}
    assert rows["fact(n:int)"][:2] == (1, 11)


def test_the_example_of_a_notebook(capsys):
    space = {}
    exec(
        textwrap.dedent("""
        import numpy as np
        from ferdelance import profiler
        def mul(a, b): return a * b
        def sinmulti(x, n):
            for _ in range(n): x = mul(np.sin(x), x)
            return x
        p = profiler.Profile()
        p.enable()
        sinmulti(np.ones((3, 4)), 5)
        p.disable()
        p.print_stats()
        """),
        space,
    )
    out = capsys.readouterr().out
    array = "ndarray(dtype=float64, shape=(3, 4))"
    assert f"sinmulti(x:{array}, n:int)" in out and f"mul(a:{array}, b:{array})" in out


# ---- whole programs ------------------------------------------------------------------------------


def run(words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_are_in_one_result(tmp_path, method):
    program = write(
        tmp_path,
        """
        import multiprocessing as mp, os, sys
        def square(x): return x * x
        def worker(n): return sum(square(i) for i in range(n))
        if __name__ == "__main__":
            with mp.get_context(sys.argv[1]).Pool(2) as pool:
                print(pool.map(worker, [10, 20, 30]))
            pid = os.fork()
            if pid == 0:
                square(2.5)
                os._exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            sys.exit(7)
        """,
    )
    path = tmp_path / "a.fdl"
    done = fdl("data", "-o", path, program, method)
    assert (done.returncode, done.stdout) == (7, "[285, 2470, 8555]\n3\n"), done.stderr
    assert "missing" not in done.stderr
    calls = profiler.load(path).calls
    rows = dict(zip(calls["name"], calls["calls"], strict=True))
    assert rows["square(x:int)"] == 60
    assert rows["square(x:float)"] == 1
    assert "square(x:int)" in fdl("report", "--top", 10000, path).stdout


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "executor"])
def test_a_profile_has_what_its_children_count(tmp_path, method):
    program = write(
        tmp_path,
        """
        import multiprocessing as mp, os, sys
        from concurrent.futures import ProcessPoolExecutor
        from ferdelance import profiler
        def square(x): return x * x
        def worker(n): return sum(square(i) for i in range(n))
        def pool(how):
            if how == "executor":
                with ProcessPoolExecutor(2) as executor:
                    return list(executor.map(worker, [10, 20, 30]))
            with mp.get_context(how).Pool(2) as pool:
                return pool.map(worker, [10, 20, 30])
        if __name__ == "__main__":
            p = profiler.Profile(builtins=False)
            worker(7)
            before = dict(os.environ)
            with p:
                worker(5)
                print(pool(sys.argv[1]))
                pid = os.fork()
                if pid == 0:
                    square(2.5)
                    p.disable()
                    rows = p.recording().calls
                    print(dict(zip(rows["name"], rows["calls"].tolist()))["square(x:float)"])
                    sys.stdout.flush()
                    os._exit(3)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            assert os.environ == before
            if os.fork() == 0:
                square(2.5)
                os._exit(0)
            os.wait()
            for _ in range(2):
                rows = p.recording().calls
                rows = dict(zip(rows["name"], rows["calls"].tolist()))
                print(rows["square(x:int)"], rows["square(x:float)"], rows["worker(n:int)"])
            p.snapshot_stats()
            print(sum(row[1] for key, row in p.stats.items() if key[2] == "square(x:int)"))
            print(sum(e.callcount for e in p.getstats() if e.code[2] == "worker(n:int)"))
            p.clear()
            print(p.recording().calls["name"])
        """,
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # Executors have threads, and newer versions warn of forks then.
    env = {**os.environ, "TMPDIR": str(temporary), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    done = run([sys.executable, program, method], env=env)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:3] == ["[45, 190, 435]", "1", "3"] or lines[:3] == ["[285, 2470, 8555]", "1", "3"]
    assert lines[3:] == ["65 1 4", "65 1 4", "65", "4", "[]"]
    assert os.listdir(temporary) == []


def test_a_profile_may_leave_its_children_alone():
    p = profiler.Profile(builtins=False, children=False)
    with p:
        assert "FERDELANCE_COUNT" not in os.environ
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    assert p.recording().meta["command"]


def test_a_killed_child_of_a_profile_is_told_of():
    p = profiler.Profile(builtins=False)
    with p:
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
    assert f"process {pid} is missing: it was killed" in p.recording().report()


def test_tensors_are_read_without_code_of_the_user():
    torch = pytest.importorskip("torch")
    run = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            run.append(function)
            return function(*args, **(kwargs or {}))

    def take(x):
        pass

    tensors = [
        (torch.zeros(3, 4), "Tensor(dtype=float32, shape=(3, 4))"),
        (torch.zeros((), dtype=torch.int64), "Tensor(dtype=int64, shape=())"),
        (torch.nn.Parameter(torch.ones(2)), "Parameter(dtype=float32, shape=(2,))"),
        (torch.zeros(2, device="meta"), "Tensor(dtype=float32, shape=(2,), device=meta)"),
    ]
    for tensor, text in tensors:
        p = profiler.Profile(builtins=False)
        p.runcall(take, tensor)
        assert f"take(x:{text})" in p.recording().calls["name"]
    with Mode():
        p.runcall(take, tensors[0][0])
    assert run == [] and "take(x:Tensor)" in p.recording().calls["name"]


def test_what_the_profiler_does_at_first_sight_is_nobodys_time():
    functions = {}
    for k in range(300):
        exec(f"def f{k}(a, b, c): pass", functions)

    def calls_all():
        for k in range(300):
            functions[f"f{k}"](1, "two", 3.0)

    times = []
    for _ in range(3):
        p = profiler.Profile(builtins=False)
        p.runcall(calls_all)
        rows = p.recording().calls
        times.append(dict(zip(rows["name"], rows["own"].tolist(), strict=True)))
    # Describing a signature takes ten times as long as all of this.
    best = min(t for row in times for name, t in row.items() if "calls_all" in name)
    assert best < 300e-6


def test_a_child_that_ends_at_once_does_not_count_what_its_parent_has():
    def once(x):
        return x

    p = profiler.Profile(builtins=False)
    with p:
        once(1)
        for k in range(100):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            time.sleep(k * 5e-5)
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    rows = p.recording().calls
    assert dict(zip(rows["name"], rows["calls"].tolist(), strict=True))["once(x:int)"] == 1


def test_what_several_processes_have_counted_is_added_up():
    f, g = ("a.py", 1, "f", "f", False), ("a.py", 5, "g", "g", False)
    one = {
        "functions": [f, g],
        "calls": [(0, (("x", "int"),), 3, 1, 0.5, 1.0, 2), (1, None, 2, 0, 0.1, 0.1, 0)],
        "callers": [(0, 1, 2, 0, 0.1, 0.1)],
        "builtins": False,
    }
    other = {
        "functions": [g, f],
        "calls": [(0, None, 1, 0, 0.2, 0.2, 0), (1, (("x", "str"),), 1, 0, 0.3, 0.3, 0)],
        "callers": [(1, 0, 1, 0, 0.2, 0.2)],
        "builtins": True,
    }
    from ferdelance.profiler._children import merged

    both = merged([one, other])
    assert both["functions"] == [f, g] and both["builtins"]
    assert both["calls"] == [
        (0, (("x", "int"),), 3, 1, 0.5, 1.0, 2),
        (1, None, 3, 0, pytest.approx(0.3), pytest.approx(0.3), 0),
        (0, (("x", "str"),), 1, 0, 0.3, 0.3, 0),
    ]
    assert both["callers"] == [(0, 1, 2, 0, 0.1, 0.1), (2, 1, 1, 0, 0.2, 0.2)]


def test_a_killed_child_is_listed(tmp_path):
    program = write(
        tmp_path,
        """
        import os, signal, time
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        print(pid)
        """,
    )
    done = fdl("data", "-q", "-o", tmp_path / "a.fdl", program)
    pid = done.stdout.strip()
    assert f"process {pid} is missing: it was killed" in done.stderr


def test_a_program_may_have_a_profile_of_its_own(tmp_path):
    program = write(
        tmp_path,
        """
        from ferdelance import profiler
        def f(x): return x
        f(1)
        with profiler.Profile(builtins=False) as p:
            f(2.5)
        f(1)
        print([n for n in p.recording().calls["name"] if n.startswith("f(")])
        """,
    )
    path = tmp_path / "a.fdl"
    done = fdl("data", "-q", "-o", path, program)
    assert (done.stdout, done.returncode) == ("['f(x:float)']\n", 0), done.stderr
    calls = profiler.load(path).calls
    rows = dict(zip(calls["name"], calls["calls"], strict=True))
    assert rows["f(x:int)"] == 2 and "f(x:float)" not in rows


def test_recordings_of_calls_are_compared(tmp_path):
    program = write(
        tmp_path,
        """
        import sys
        def f(x): return x
        for i in range(int(sys.argv[1])): f(i)
        """,
    )
    for n in (10, 30):
        fdl("data", "-q", "-o", tmp_path / f"{n}.fdl", program, str(n))
    out = fdl("diff", tmp_path / "10.fdl", tmp_path / "30.fdl").stdout
    assert re.search(r"10 +30 .*f\(x:int\)", out), out


def check_random_program(tmp_path, seed, mode):
    text, expected = random_program(seed)
    options = ["-f", "program"] if mode == "lines" else []
    recording = profiler.load(run_both(tmp_path, text, mode, "-q", *options))
    program = tmp_path / "program.py"
    if mode == "data":
        found = {}
        functions = recording.functions
        for function, n in zip(recording.calls["function"], recording.calls["calls"], strict=True):
            if functions["file"][function] == str(program):
                name = functions["name"][function].rpartition(".")[2]
                found[name] = found.get(name, 0) + int(n)
        wrong = {name: (found.get(name, 0), n) for name, n in expected.items() if n}
        wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
        assert not wrong, f"{wrong} (found, expected)\n{text}"


@pytest.mark.parametrize("seed", range(16))
def test_random_programs(tmp_path, seed):
    check_random_program(tmp_path, seed, "lines" if seed % 4 == 3 else "data")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16, 200))
def test_more_random_programs(tmp_path, seed):
    check_random_program(tmp_path, seed, "lines" if seed % 4 == 3 else "data")
