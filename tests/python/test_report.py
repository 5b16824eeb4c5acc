"""What `fdl report` and `fdl diff` say."""

import re

import pytest
from ferdelance import profiler
from recording import SPIN, fdl, record

PROGRAM = (
    SPIN
    + """
import sys, threading
import numpy as np

def hot(seconds): spin(seconds)
def cold(seconds): spin(seconds)

def expression(seconds):
    x = np.linspace(0, 1, 20_000)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        y = np.exp(-x**2) * x + np.sin(x)

def recursive(n, seconds):
    if n: recursive(n - 1, seconds)
    else: spin(seconds)

def sleeper(): time.sleep(0.4)

share = float(sys.argv[1])
thread = threading.Thread(target=sleeper, name="lazy")
thread.start()
for _ in range(10):
    hot(0.06 * share); cold(0.02); recursive(20, 0.01)
expression(0.4)
thread.join()
"""
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    recording, done = record(folder, PROGRAM, "1", options=["-r", "999"])
    assert done.returncode == 0, done.stderr
    return folder / "program.fdl", recording


def test_a_report(recorded):
    path, _ = recorded
    done = fdl("report", path)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert max(map(len, text.splitlines())) <= 100
    assert "program.py 1" in text and "1 process" in text
    assert re.search(r"CPU time +\d+\.\d\d s +user", text)
    assert re.search(r"average \d\.\d\d, of \d+ that the program may use", text)
    # Own time by function, and what the native part of it was.
    [own] = re.findall(r"^ *(\d+\.\d) % ±.* expression \(program.py:\d+\)\n +(.*)$", text, re.M)
    assert 15 < float(own[0]) < 40
    assert "exp float64" in own[1] or "sin float64" in own[1]
    # Expressions of a line.
    [line] = re.findall(r"y = np\.exp\(-x\*\*2\) \* x \+ np\.sin\(x\)\n((?: {20,}.*\n)+)", text)
    assert re.search(r"\d+\.\d %  np\.sin\(x\)\n", line) and "np.exp(-x**2)" in line
    assert re.search(r"0\.\d\d s  (sleeper|Thread)", text)
    # The argument's type.
    assert "(seconds: float)" in text


def test_the_tree_folds_recursion(recorded):
    path, _ = recorded
    text = fdl("report", "--tree", path).stdout
    assert text.count("recursive (") == 1
    [line] = [line for line in text.splitlines() if "hot (" in line]
    total, own = re.findall(r"(\d+\.\d) %", line)
    assert float(total) > 25 and float(own) < 5


def test_some_of_a_recording(recorded):
    path, recording = recorded
    text = fdl("report", "--function", "hot", "--top", "3", path).stdout
    assert "cold (" not in text and "spin (" in text
    assert "hot (" not in fdl("report", "--thread", "lazy", path).stdout
    assert "_PyEval_EvalFrame" in fdl("report", "--native", "--tree", path).stdout
    assert recording.report(top=1).count("±") == 1
    assert "\x1b[1m" in recording.report(color=True)


def test_differences(recorded, tmp_path):
    path, _ = recorded
    _, done = record(tmp_path, PROGRAM, "0.3", options=["-r", "999"])
    assert done.returncode == 0, done.stderr
    text = fdl("diff", path, tmp_path / "program.fdl").stdout
    assert re.search(r"CPU time +\d+\.\d\d s → +\d+\.\d\d s +-", text)
    [change] = re.findall(r"^ *(-\d+\.\d\d) s ±.* spin \(program.py\)$", text, re.M)
    assert -0.6 < float(change) < -0.2
    same = fdl("diff", path, path).stdout
    assert "none" in same
    assert "none" in profiler.load(path).diff(profiler.load(path))
