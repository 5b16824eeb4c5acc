"""The sampler under programs that are hard on it: no crash, no hang, nothing changed.

At 5 kHz and more, over recursion, generators, coroutines, exceptions, new code, threads, libraries
that come and go, forks, other programs, signals, compiled functions; and short random programs.
"""

import random
import re
import sys

import pytest
from conftest import ROOT
from ferdelance import profiler
from recording import fdl, own_lines, write

STRESS = ROOT / "tests" / "programs" / "stress.py"


@pytest.mark.parametrize("rate", [5000, pytest.param(9999, marks=pytest.mark.slow)])
def test_hard_programs(tmp_path, rate):
    path = tmp_path / "a.fdl"
    done = fdl("record", "-r", rate, "-o", path, STRESS, "12")
    assert (done.stdout, done.returncode, own_lines(done)) == ("done True\n", 0, []), done.stderr
    processes = profiler.load(path).processes
    taken, lost = processes["taken"].sum(), processes["lost"].sum()
    assert taken > 3000 and len(processes) > 20
    assert lost <= taken * 0.01
    # A sample is given up where memory changes while it is read, or that has not been seen before.
    assert processes["abandoned"].sum() <= taken * 0.001 + 1
    assert processes["unplaced"].sum() <= taken * 0.01 + 5


@pytest.mark.slow
def test_compiled_functions_come_and_go(tmp_path):
    path = tmp_path / "a.fdl"
    done = fdl("record", "-r", 5000, "-o", path, STRESS, "12", "compiled", "arrays", "threads")
    assert (done.stdout, done.returncode, own_lines(done)) == ("done True\n", 0, []), done.stderr
    functions = profiler.load(path).functions
    assert "compiled" in functions["kind"]


# ---- random programs ---------------------------------------------------------------------------

PIECES = {
    "loop": "total += sum(i * i for i in range({n}))",
    "recursion": """
        def down(n): return 0 if n == 0 else 1 + down(n - 1)
        total += down({n} % 300)
    """,
    "exception": """
        for i in range({n} % 50):
            try: raise KeyError(i)
            except KeyError as error: total += error.args[0]
    """,
    "sort": "total += sorted(range({n}), key=lambda x: -x)[0]",
    "thread": """
        import threading
        box = []
        workers = [threading.Thread(target=lambda k=k: box.append(k)) for k in range({n} % 7)]
        for w in workers: w.start()
        for w in workers: w.join()
        total += sum(box)
    """,
    "process": """
        import subprocess, sys
        code = "print(sum(range({n})))"
        total += int(subprocess.run([sys.executable, "-c", code], capture_output=True).stdout)
    """,
    "fork": """
        import os
        pid = os.fork()
        if pid == 0: os._exit({n} % 100)
        total += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "exec": "exec('def g(x): return x + {n}'); total += locals().get('g', globals().get('g'))(1)",
    "generator": """
        def count():
            yield from range({n})
        total += sum(count())
    """,
    "class": """
        class C:
            def __init__(self, x): self.x = x
            def __add__(self, other): return C(self.x + other)
            def __del__(self): pass
        c = C(0)
        for i in range({n}): c = c + i
        total += c.x
    """,
    "memory": "total += len([bytearray(1000) for _ in range({n} % 500)])",
    "file": """
        import tempfile
        with tempfile.TemporaryFile() as f:
            f.write(b"x" * {n})
            total += f.tell()
    """,
    "sleep": "import time; time.sleep({n} / 1e6)",
}
ENDS = {
    "return": "",
    "exit": "import sys; sys.exit({n} % 120)",
    "os exit": "import os; sys.stdout.flush(); os._exit({n} % 120)",
    "error": "raise RuntimeError(total)",
    "signal": "import os; sys.stdout.flush(); os.kill(os.getpid(), 15)",
}


def random_program(seed):
    rng = random.Random(seed)
    lines = ["import sys", "total = 0"]
    for _ in range(rng.randint(2, 6)):
        piece = PIECES[rng.choice(sorted(PIECES))].format(n=rng.randint(1, 3000))
        indented = [line for line in piece.splitlines() if line.strip()]
        margin = min(len(line) - len(line.lstrip()) for line in indented)
        lines += [line[margin:] for line in indented]
    lines.append("print(total)")
    lines.append(ENDS[rng.choice(sorted(ENDS))].format(n=rng.randint(0, 1000)))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(tmp_path, seed):
    import subprocess

    program = write(tmp_path, random_program(seed))
    plain = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    path = tmp_path / "a.fdl"
    done = fdl("record", "-r", "5000", "-o", path, program)
    hide = re.compile("0x[0-9a-f]{6,}")
    assert done.returncode == plain.returncode, program.read_text()
    assert done.stdout == plain.stdout
    lines = [hide.sub("0x", line) for line in plain.stderr.splitlines()]
    assert [hide.sub("0x", line) for line in own_lines(done)] == lines
    assert len(profiler.load(path).processes) >= 1
