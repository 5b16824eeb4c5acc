"""The sampler under programs that are hard on it: no crash, no hang, nothing changed.

At 5 kHz and more, over recursion, generators, coroutines, exceptions, new code, threads, libraries
that come and go, forks, other programs, signals, compiled functions; and short random programs.
"""

import pytest
from conftest import ROOT
from ferdelance import profiler
from random_programs import random_program, run_both
from recording import fdl, own_lines

pytestmark = pytest.mark.alone

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


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(tmp_path, seed):
    text, _ = random_program(seed)
    assert len(profiler.load(run_both(tmp_path, text, "record", "-r", 5000)).processes) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24, 100))
def test_more_random_programs(tmp_path, seed):
    test_random_programs(tmp_path, seed)
