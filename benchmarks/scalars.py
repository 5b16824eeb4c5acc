"""The first part: scalar programs. Start, compiling, calls, and kernels beside Numba and C."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile

from engines import HERE, Worker, dot, rounds
from kernels import KERNELS
from programs import PROGRAMS
from worker import CALLS

C_FLAGS = ["-O3", "-march=native", "-shared", "-fPIC", "-lm"]


def build_c(folder):
    """The two libraries of kernels.c (strict, fast-math), or nothing without clang."""
    clang = shutil.which("clang-22") or shutil.which("clang")
    if not clang:
        return None
    libraries = []
    for name, flag in (("strict", "-ffp-contract=off"), ("fast", "-ffast-math")):
        library = f"{folder}/{name}.so"
        subprocess.run([clang, HERE / "kernels.c", "-o", library, flag, *C_FLAGS], check=True)
        libraries.append(library)
    return libraries


def measure_start(count, pythons):
    """Fresh processes: engine -> what start.py printed, once a round."""
    answers = {name: [] for name in pythons}
    for number in range(count + 1):
        for name, python in pythons.items():
            command = [python, HERE / "start.py", name]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                answers[name] = [{"error": (done.stderr.strip().splitlines() or ["?"])[-1]}]
            elif number:  # the first round only warms the file cache
                answers[name].append(json.loads(done.stdout))
        dot()
    return answers


def measure(count, pythons):
    """All figures of this part. `pythons`: engine -> its interpreter."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:

        def worker(python, *arguments):
            made = Worker(python, str(HERE / "worker.py"), *arguments)
            stack.callback(made.close)
            return made

        def asked(workers, **request):
            dot()
            return rounds(count, workers, **request)

        jits = {name: worker(python, name) for name, python in pythons.items()}
        plain = {"python": worker(sys.executable, "python")}
        libraries = build_c(folder)
        c = {"c": worker(sys.executable, "c", *libraries)} if libraries else {}

        print("start ", end="", flush=True)
        found["start"] = measure_start(count, pythons)
        print("\ncompile ", end="", flush=True)
        found["compile"] = {
            name: asked(jits, compile=name, constant=lambda number: f"{number + 2}.0625")
            for name in PROGRAMS
        }
        print("\ncalls ", end="", flush=True)
        found["calls"] = {name: asked(plain | jits, call=name) for name in CALLS}
        print("\nkernels ", end="", flush=True)
        kernels = {
            fast: {name: asked(c | jits, kernel=name, fast=fast) for name in KERNELS}
            for fast in (False, True)
        }
        found["kernels"], found["kernels_fastmath"] = kernels[False], kernels[True]
        found["complaints"] = check_equal(kernels)
        print("\n")
    return found


def check_equal(kernels):
    """Notes where an engine computed something else than the others."""
    complaints = []
    for fast in (False, True):
        for name, answers in kernels[fast].items():
            good = {e: a[-1] for e, a in answers.items() if a and "error" not in a[-1]}
            first = next(iter(good.values()), None)
            for engine, last in good.items():
                same = (
                    last["digest"] == first["digest"]
                    if not fast
                    else (abs(last["sum"] - first["sum"]) <= 1e-4 * abs(first["sum"]))
                )
                if not same:
                    complaints.append(f"{name}{' (fastmath)' if fast else ''}: {engine} differs")
    return complaints
