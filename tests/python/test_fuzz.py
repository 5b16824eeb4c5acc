"""Random programs against CPython and NumPy, for a minute each; the same seeds in every run."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("programs", ["programs.py", "arrays.py"])
def test_random_programs(programs):
    command = [sys.executable, ROOT / "fuzz" / programs, "--seconds", "60", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    print("\n".join(done.stdout.strip().splitlines()[-6:]))
    assert done.returncode == 0, done.stdout + done.stderr
