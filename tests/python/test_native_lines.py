"""Lines of native code, in recordings of a library that was compiled with debug information."""

import json
import shutil
import subprocess

import pytest
from ferdelance import profiler
from recording import fdl, record, stacks, write

LIBRARY = """\
static inline __attribute__((always_inline)) long mixed(long x) {
    for (int i = 0; i < 20000; i++)
        x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
}

__attribute__((noinline)) long kernel(long rounds) {
    long x = 1;
    for (long i = 0; i < rounds; i++)
        x = mixed(x);
    return x;
}
"""

PROGRAM = """
import ctypes, time
library = ctypes.CDLL("./liblines.so")
library.kernel.restype = ctypes.c_long

def call():
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        library.kernel(100)

call()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("lines")
    write(folder, LIBRARY, "lines.c")
    command = [compiler, "-g", "-O1", "-fPIC", "-shared", "-o", "liblines.so", "lines.c"]
    subprocess.run(command, cwd=folder, check=True)
    recording, done = record(folder, PROGRAM)
    assert done.returncode == 0, done.stderr
    assert len(recording.samples) > 100
    return folder


@pytest.fixture(scope="module")
def recording(folder):
    return profiler.load(folder / "program.fdl")


def test_native_functions_have_files_and_lines(folder, recording):
    functions = recording.functions
    # The time in the kernel of the system has that name, too.
    named = zip(functions["name"], functions["module"], strict=True)
    rows = {name: i for i, (name, module) in enumerate(named) if module == "liblines.so"}
    assert {"kernel", "mixed"} <= set(rows)
    defined = LIBRARY.splitlines()
    for name in ("kernel", "mixed"):
        i = rows[name]
        assert functions["kind"][i] == "native"
        assert functions["file"][i] == str(folder / "lines.c")
        assert f" {name}(" in defined[functions["line"][i] - 1]
    frames = recording.frames
    of_mixed = frames["function"] == rows["mixed"]
    assert set(frames["line"][of_mixed]) <= {2, 3, 4}


def test_functions_that_were_inlined_are_frames(recording):
    found = [s for s in stacks(recording) if "kernel" in s]
    inlined = [s for s in found if s[-1] == "mixed"]
    assert len(inlined) > 0.9 * len(found) > 50
    assert all(s[s.index("mixed") - 1] == "kernel" for s in inlined)


def test_reports_and_exports_say_where_native_code_is(folder, recording):
    text = recording.report(native=True)
    assert "mixed (lines.c:1)" in text
    lines = json.loads(recording.report(native=True, lines=True, json=True))["lines"]
    hot = lines[0]
    assert hot["file"] == str(folder / "lines.c") and hot["line"] in (2, 3)
    assert recording.report().count("lines.c") == 0
    out = folder / "out"
    recording.export(out, "speedscope")
    shared = json.loads(out.read_text())["shared"]["frames"]
    kernel = next(f for f in shared if f["name"].startswith("kernel ("))
    assert kernel["file"] == str(folder / "lines.c") and kernel["line"] in (7, 8)
    recording.export(out, "callgrind")
    assert "lines.c" in out.read_text()
    # Tools that take stacks apart know native code by its module.
    done = fdl("export", folder / "program.fdl", "--format", "collapsed", "-o", "-")
    assert ";kernel (liblines.so);mixed (liblines.so) " in done.stdout
