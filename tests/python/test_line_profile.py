"""The line profiler: hits and time of the lines of chosen functions."""

import pickle
import subprocess
import sys
import threading
import types

import ferdelance
import pytest
from ferdelance import profiler
from recording import fdl, write

pytestmark = pytest.mark.alone


def counted(function):
    """Hits by line, from the first line of the function on."""
    first = function.__code__.co_firstlineno
    for file, line, name, rows in profiler.lines.tables():
        if (file, line, name.rpartition(".")[2]) == (__file__, first, function.__name__):
            return {number - first: hits for number, hits, _ in rows}
    return {}


def test_hits_are_those_of_the_program():
    @profiler.lines
    def collatz(n):
        steps = 0
        while n != 1:
            if n % 2:
                n = 3 * n + 1
            else:
                n //= 2
            steps += 1
        return steps

    assert isinstance(collatz, types.FunctionType)
    assert collatz(6) == 8
    hits = counted(collatz)
    assert (hits[2], hits[5], hits[7], hits[8], hits[9]) == (1, 2, 6, 8, 1)
    assert hits[3] == 9 and hits[4] == 8


def test_recursion_threads_and_generators_are_counted():
    @profiler.lines
    def fact(n):
        if n == 0:
            return 1
        return n * fact(n - 1)

    @profiler.lines
    def count(n):
        for i in range(n):  # noqa: UP028
            yield i

    @profiler.lines
    def fail(n):
        raise ValueError(n)

    threads = [threading.Thread(target=fact, args=(5,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(zip(count(3), count(2), strict=False)) == [(0, 0), (1, 1)]
    for _ in range(3):
        with pytest.raises(ValueError):
            fail(1)
    assert counted(fact) == {2: 24, 3: 4, 4: 20}
    assert counted(count)[3] == 5
    assert counted(fail) == {2: 3}


def test_time_is_that_of_the_line_with_what_it_calls():
    import time

    @profiler.lines
    def sleepy():
        time.sleep(0.02)
        for _ in range(10):
            pass

    sleepy()
    first = sleepy.__code__.co_firstlineno
    rows = next(t for t in profiler.lines.tables() if t[1] == first and t[0] == __file__)[3]
    times = {number - first: time for number, _, time in rows}
    assert 0.02 <= times[2] < 0.5
    assert sum(t for line, t in times.items() if line != 2) < 0.01


def test_parts_of_classes_are_decorated():
    class Thing:
        @profiler.lines
        @staticmethod
        def plain(x):
            return x

        @profiler.lines
        @property
        def value(self):
            return 1

    assert (Thing.plain(3), Thing().value) == (3, 1)
    with pytest.raises(TypeError, match="has no lines that could be counted"):
        profiler.lines(len)


def test_compiled_functions_are_told_of(capsys):
    @profiler.lines
    @ferdelance.njit
    def compiled(x):
        return x + 1

    assert compiled(1) == 2
    profiler.lines.print_stats()
    out = capsys.readouterr().out
    assert (
        "compiled is compiled: its lines are not counted. fdl record samples them."
        in out.replace("test_compiled_functions_are_told_of.<locals>.", "")
    )
    profiler.lines.compiled.clear()


PROGRAM = """
import multiprocessing as mp
def square(x):
    y = x * x
    return y
def work(n):
    return sum(square(i) for i in range(n))
if __name__ == "__main__":
    print(work(10))
    with mp.get_context("fork").Pool(2) as pool:
        print(pool.map(work, [5, 6]))
"""


def test_a_program_and_its_children(tmp_path):
    program = write(tmp_path, PROGRAM)
    path = tmp_path / "a.fdl"
    done = fdl("lines", "-f", "program.square", "-o", path, program)
    assert (done.returncode, done.stdout) == (0, "285\n[30, 55]\n"), done.stderr
    lines = profiler.load(path).lines
    rows = dict(zip(lines["line"], lines["hits"], strict=True))
    assert rows == {4: 21, 5: 21}
    assert set(lines["name"]) == {"square"}
    shown = fdl("report", path).stdout
    assert "y = x * x" in shown
    assert "y = x * x" in done.stderr


def test_functions_may_be_chosen_behind_the_script(tmp_path):
    program = write(
        tmp_path, "import sys\ndef chosen():\n    return sys.argv[1:]\nprint(chosen())\n"
    )
    for words, wanted in [
        ((program, "-f", "chosen", "a"), "['a']\n"),
        (("-f", "chosen", program, "-f", "x"), "['-f', 'x']\n"),
        (("-f", "chosen", "--", sys.executable, program, "-f", "x"), "['-f', 'x']\n"),
    ]:
        done = fdl("lines", "-o", tmp_path / "a.fdl", *words)
        assert (done.returncode, done.stdout) == (0, wanted), done.stderr
        assert profiler.load(tmp_path / "a.fdl").lines["hits"].tolist() == [1]


def test_functions_are_decorated_without_an_import(tmp_path):
    program = write(tmp_path, "@profile\ndef f():\n    return 1\nprint(f())\n")
    path = tmp_path / "a.fdl"
    done = fdl("lines", "-q", "-o", path, program)
    assert done.stdout == "1\n", done.stderr
    assert list(profiler.load(path).lines["hits"]) == [1]


def test_a_program_without_chosen_functions_is_told(tmp_path):
    program = write(tmp_path, "print(1)\n")
    done = fdl("lines", "-q", "-o", tmp_path / "a.fdl", program)
    assert "no line was counted: choose functions with -f" in done.stderr


def test_compiled_functions_that_were_chosen_are_told_of(tmp_path):
    program = write(
        tmp_path,
        """
        import ferdelance
        @ferdelance.njit
        def quick(x): return x + 1
        print(quick(1))
        """,
    )
    done = fdl("lines", "-f", "quick", "-o", tmp_path / "a.fdl", program)
    assert "quick is compiled: its lines are not counted. fdl record samples them." in done.stderr


def test_line_profiler_opens_the_export(tmp_path):
    program = write(tmp_path, PROGRAM)
    path, out = tmp_path / "a.fdl", tmp_path / "a.lprof"
    fdl("lines", "-q", "-f", "square", "-o", path, program)
    done = fdl("export", "-f", "lprof", "-o", out, path)
    assert done.returncode == 0, done.stderr

    class LineStats:
        pass

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            assert (module, name) == ("line_profiler.line_profiler", "LineStats")
            return LineStats

    with open(out, "rb") as file:
        stats = Unpickler(file).load()
    assert stats.unit == 1e-9
    rows = stats.timings[(str(program), 3, "square")]
    assert [(line, hits) for line, hits, _ in rows] == [(4, 21), (5, 21)]
    try:
        import line_profiler
    except ImportError:
        return
    assert line_profiler.load_stats(str(out)).timings == stats.timings


def test_other_recordings_have_no_lines_to_export(tmp_path):
    program = write(tmp_path, "print(1)\n")
    path = tmp_path / "a.fdl"
    fdl("data", "-q", "-o", path, program)
    done = fdl("export", "-f", "lprof", "-o", tmp_path / "a.lprof", path)
    assert done.returncode == 1 and "fdl lines makes such recordings" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 all code is traced")
def test_other_functions_run_at_full_speed(tmp_path):
    program = write(
        tmp_path,
        """
        import time
        from ferdelance import profiler
        def run(n):
            x = 0
            for i in range(n):
                x += i
            return x
        def timed():
            start = time.process_time()
            run(300_000)
            return time.process_time() - start
        before = min(timed() for _ in range(7))
        @profiler.lines
        def other(): pass
        other()
        print(min(timed() for _ in range(7)) / before)
        """,
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5
