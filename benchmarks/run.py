#!/usr/bin/env python3
"""Measures ferdelance beside Numba and C, in one run.

    make bench                      everything: about ten minutes
    make bench BENCH=--quick        few repetitions, nothing written

Every engine works in a process of its own. The rounds are interleaved: one repetition of each
engine, then the next, so that whatever else the machine does meets all of them alike. Reported are
medians, and medians of the ratios within a round. The results go to docs/benchmarks.md and, with
all figures, to benchmarks/results/.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import report
from kernels import KERNELS
from programs import PROGRAMS
from worker import CALLS

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE / ".venv-numba"
C_FLAGS = ["-O3", "-march=native", "-shared", "-fPIC", "-lm"]


def numba_python():
    """The interpreter with Numba; its environment is made when it is not there."""
    python = VENV / "bin" / "python"
    requirements = HERE / "requirements.txt"
    stamp = VENV / ".stamp"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print(f"--- installing the peer into {VENV.relative_to(HERE.parent)}")
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return str(python)


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


class Worker:
    """An engine's process. One that dies costs one answer and is started again."""

    def __init__(self, *command):
        self.command = command
        self.process = None

    def ask(self, **request):
        if self.process is None:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=HERE,
            )
            if not self.process.stdout.readline():
                return self.died()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self.died()
        line = self.process.stdout.readline()
        return json.loads(line) if line else self.died()

    def died(self):
        _, errors = self.process.communicate()
        status, self.process = self.process.returncode, None
        last = errors.strip().splitlines()[-1:] or ["no message"]
        return {"error": f"the process ended with status {status}: {last[0]}"}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def rounds(count, workers, what, **request):
    """`count` rounds of one request to every engine: engine -> its answers.

    The order turns around from round to round. An engine that gave an error is left alone after.
    """
    answers = {name: [] for name in workers}
    for number in range(count):
        for name in list(workers)[:: 1 if number % 2 == 0 else -1]:
            if not (answers[name] and "error" in answers[name][-1]):
                asked = {k: v(number) if callable(v) else v for k, v in request.items()}
                answers[name].append(workers[name].ask(**asked))
    print(".", end="", flush=True)
    return answers


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
        print(".", end="", flush=True)
    return answers


def machine():
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        text = pathlib.Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"model name\s*:\s*(.*)", text)[1].strip()
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(pythons):
    code = "import sys, numpy; m = __import__(sys.argv[1]); print(m.__version__, numpy.__version__)"
    found = {}
    for name, python in pythons.items():
        done = subprocess.run([python, "-c", code, name], capture_output=True, text=True)
        found[name], found["numpy"] = (done.stdout.split() or ["?", found.get("numpy", "?")])[:2]
    clang = shutil.which("clang-22") or shutil.which("clang")
    if clang:
        text = subprocess.run([clang, "--version"], capture_output=True, text=True).stdout
        found["clang"] = re.search(r"version (\S+)", text)[1]
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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions, nothing written")
    parser.add_argument("--module", default="ferdelance", help="measure another module instead")
    options = parser.parse_args()

    numba = numba_python()
    pythons = {options.module: sys.executable, "numba": numba}
    if options.module == "numba":
        pythons = {"numba": numba}
    count = 3 if options.quick else 15
    found = {"machine": machine(), "engine": options.module}
    found["versions"] = versions(pythons)

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:

        def worker(*command):
            made = Worker(*command)
            stack.callback(made.close)
            return made

        jits = {n: worker(p, str(HERE / "worker.py"), n) for n, p in pythons.items()}
        plain = {"python": worker(sys.executable, str(HERE / "worker.py"), "python")}
        libraries = build_c(folder)
        c = (
            {"c": worker(sys.executable, str(HERE / "worker.py"), "c", *libraries)}
            if libraries
            else {}
        )

        print("start ", end="", flush=True)
        found["start"] = measure_start(count, pythons)
        print("\ncompile ", end="", flush=True)
        found["compile"] = {
            name: rounds(
                count, jits, name, compile=name, constant=lambda number: f"{number + 2}.0625"
            )
            for name in PROGRAMS
        }
        print("\ncalls ", end="", flush=True)
        found["calls"] = {name: rounds(count, plain | jits, name, call=name) for name in CALLS}
        print("\nkernels ", end="", flush=True)
        kernels = {
            fast: {name: rounds(count, c | jits, name, kernel=name, fast=fast) for name in KERNELS}
            for fast in (False, True)
        }
        found["kernels"], found["kernels_fastmath"] = kernels[False], kernels[True]
        found["complaints"] = check_equal(kernels)
        print("\n")

    text = report.render(found)
    print(text)
    if not options.quick:
        print(report.write(found, text, HERE))


if __name__ == "__main__":
    main()
