"""A minute of random programs against CPython; the same seeds in every run."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow


def test_random_programs():
    command = [sys.executable, ROOT / "fuzz" / "programs.py", "--seconds", "60", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout.strip().splitlines()[-1:])
    assert done.returncode == 0, done.stdout + done.stderr
