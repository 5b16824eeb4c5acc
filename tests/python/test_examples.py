"""The demo runs, and shows what it promises."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow


def test_mandelbrot():
    demo = ROOT / "examples" / "mandelbrot.py"
    done = subprocess.run([sys.executable, demo], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "images are equal" in done.stdout
    assert 'return y + "text"' in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
