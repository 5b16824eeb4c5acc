"""ferdelance's sampler beside py-spy, Austin and Scalene, in one run.

    python benchmarks/profiler/run.py [--seconds 25] [--pairs 30] [--only accuracy pi overhead]

Writes docs/profiler-benchmarks.md. The peers live in benchmarks/.venv-profilers, which is made if
it is missing; one that cannot be installed is left out, which the page says.

Truth is what the programs say of themselves: CPU time by their threads' clocks, and `getrusage`.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
VENV = ROOT / "benchmarks" / ".venv-profilers"
PAGE = ROOT / "docs" / "profiler-benchmarks.md"
PEERS = ("py-spy==0.4.3", "austin-dist==3.7.0", "scalene==2.4.0", "numpy")
ACCURACY = {
    "python": "60 / 30 / 10 in Python",
    "mixed": "50 Python, 30 C with the GIL, 20 C without, sleep",
    "threads": "three threads: Python, C without the GIL, sleep",
    "kernel": "50 page faults, 20 `read`, 30 Python",
    "compiled": "50 compiled, 50 Python",
}
RATE = 499


def progress(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def peers():
    """The programs of the peers, by name; what is missing is left out."""
    if not VENV.exists():
        progress(f"installing {', '.join(PEERS)}")
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        for peer in PEERS:
            subprocess.run([VENV / "bin" / "pip", "install", "-q", peer])
    found = {name: VENV / "bin" / name for name in ("py-spy", "austin", "scalene")}
    return {name: path for name, path in found.items() if path.exists()}


# ---- tools: each runs a program and gives its output, and CPU time by function -------------------


def fdl(program, rate, folder, children=False):
    path = folder / "a.fdl"
    command = [sys.executable, "-m", "ferdelance", "record", "-r", str(rate), "-o", path, "--"]
    done = run([*command, sys.executable, *program])
    sys.path.insert(0, str(ROOT / "python"))
    from ferdelance import profiler

    recording = profiler.load(path)
    functions = recording.functions
    kinds = set(zip(functions["name"], functions["file"], functions["total"], strict=True))
    totals = {}
    for name, file, seconds in kinds:
        if file:
            name = name.rsplit(".", 1)[-1]
            totals[name] = totals.get(name, 0.0) + float(seconds)
    return done, totals, len(set(recording.samples["pid"].tolist()))


def py_spy(program, rate, folder, children=False):
    path = folder / "pyspy.txt"
    command = [PEER["py-spy"], "record", "-r", str(rate), "-f", "raw", "-o", path]
    command += ["-s"] if children else []
    done = run([*command, "--", sys.executable, *program])
    frame = re.compile(r"^(?P<name>\S.*?) \(")
    return done, *collapsed(path, frame, scale=1 / rate, pid=re.compile(r"process (\d+)"))


def austin(program, rate, folder, children=False):
    path = folder / "austin.txt"
    interval = f"{1e6 / rate:.0f}us"
    command = [PEER["austin"], "-s", "-i", interval, "-o", path, *(["-C"] if children else [])]
    done = run([*command, sys.executable, *program])
    frame = re.compile(r"^[^:]*:(?P<name>[^:]+):\d+$")
    return done, *collapsed(path, frame, scale=1e-6, pid=re.compile(r"^P(\d+)"))


def scalene(program, rate, folder, children=False):
    path = folder / "scalene.json"
    interval = f"{1 / rate:.6f}"
    command = [PEER["scalene"].parent / "python", "-m", "scalene", "run", "--cpu-only"]
    command += ["--cpu-sampling-rate", interval, "-o", path]
    done = run([*command, *program])
    data = json.loads(path.read_text()) if path.exists() else {"files": {}}
    totals = {}
    for file in data["files"].values():
        for row in file["functions"]:
            share = sum(
                row[k] for k in ("n_cpu_percent_python", "n_cpu_percent_c", "n_sys_percent")
            )
            totals[row["line"]] = share * data.get("elapsed_time_sec", 1) / 100
    return done, totals, 1


def collapsed(path, frame, scale, pid):
    """Totals by function's name of a file with a line a stack; processes that are in it."""
    totals, pids = {}, set()
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        stack, _, value = line.rpartition(" ")
        if line.startswith("#") or not value.split(",")[0].isdigit():
            continue
        seconds = int(value.split(",")[0]) * scale
        frames = stack.split(";")
        pids.update(found[1] for f in frames if (found := pid.search(f)))
        names = {found["name"].rsplit(".", 1)[-1] for f in frames if (found := frame.match(f))}
        for name in names:
            totals[name] = totals.get(name, 0.0) + seconds
    return totals, len(pids)


TOOLS = {"ferdelance": fdl, "py-spy": py_spy, "austin": austin, "scalene": scalene}
PEER = {}


def run(command):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "python")}
    command = list(map(str, command))
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)


def tools():
    return {name: tool for name, tool in TOOLS.items() if name == "ferdelance" or name in PEER}


# ---- parts ---------------------------------------------------------------------------------------


def accuracy(options, folder):
    """Shares of the parts of programs, true and found, in points."""
    rows = []
    for name, about in ACCURACY.items():
        for tool, measure in tools().items():
            progress(f"accuracy: {name}, {tool}")
            program = [HERE / "accuracy.py", name, options.seconds]
            done, totals, _ = measure(program, RATE, folder)
            said = [line for line in done.stdout.splitlines() if line.startswith("{")]
            if not said:
                rows.append((about, tool, "failed", ""))
                continue
            truth = json.loads(said[-1])["parts"]
            all_true = sum(truth.values())
            all_found = sum(totals.get(part, 0.0) for part in truth) or 1.0
            cells, worst = [], 0.0
            for part, seconds in truth.items():
                true = 100 * seconds / all_true
                found = 100 * totals.get(part, 0.0) / all_found
                worst = max(worst, abs(true - found))
                cells.append(f"{part} {found:.1f} ({true:.1f})")
            rows.append((about, tool, ", ".join(cells), f"{worst:.1f}"))
    head = ("program", "tool", "found (true), %", "off by, points")
    return "## Shares of CPU time\n\n" + table(head, rows)


def pi(options, folder):
    """Pools of processes: who is seen, and the CPU time of their function."""
    rows = []
    for method in ("fork", "spawn"):
        for processes in (1, 2, 8, 32):
            program = [HERE / "pi.py", processes, method]
            for tool, measure in tools().items():
                progress(f"pi: {processes} by {method}, {tool}")
                done, totals, pids = measure(program, RATE, folder, children=True)
                found = totals.get("part", 0.0)
                true = cpu_time(done)
                rows.append((f"{processes} by {method}", tool, pids, f"{found:.2f}", f"{true:.2f}"))
    head = ("processes", "tool", "processes seen", "`part`, s", "CPU time of all, s")
    return "## Pools of processes\n\n" + table(head, rows)


def overhead(options, folder):
    """CPU time of programs with a tool over that without: each run between two plain ones."""
    programs = {
        "many small calls": [HERE / "callheavy.py", 300],
        "NumPy": [HERE / "numpyheavy.py", 100],
        "32 processes": [HERE / "pi.py", 32, "fork"],
    }
    empty = empty_handler(folder)

    def idle(program, rate, *_, **__):
        return [with_library(empty, rate, [sys.executable, *program])]

    rows = []
    for about, program in programs.items():
        measures = {**tools(), "empty handler": idle}
        if about == "32 processes":
            measures.pop("scalene", None)
        for rate in (100, 1000):
            progress(f"overhead: {about} at {rate} Hz")
            ratios = {tool: [] for tool in measures}
            before = cpu_time(run([sys.executable, *program]))
            for _ in range(options.pairs):
                for tool, measure in measures.items():
                    done = measure(program, rate, folder, children=True)[0]
                    after = cpu_time(run([sys.executable, *program]))
                    ratios[tool].append(cpu_time(done) / ((before + after) / 2))
                    before = after
            for tool, found in ratios.items():
                rows.append((about, f"{rate} Hz", tool, *summary(found)))
    head = ("program", "rate", "tool", "median", "mean", "95 % bound")
    return "## CPU time of the program, over that without a tool\n\n" + table(head, rows)


def advice(options, folder):
    """Programs with a planted cause: what is advised first, and what doing so brings."""
    from advice import page

    text, head, rows = page(progress)
    return "## Advice\n\n" + text + table(head, rows)


def summary(ratios):
    """Median, mean and the mean's upper bound at 95 %, as text."""
    ratios = [r for r in ratios if math.isfinite(r)]
    if len(ratios) < 2:
        return "failed", "", ""
    mean = statistics.mean(ratios)
    bound = mean + 1.7 * statistics.stdev(ratios) / math.sqrt(len(ratios))
    return f"{statistics.median(ratios):.3f}", f"{mean:.3f}", f"{bound:.3f}"


def cpu_time(done):
    """What the program has printed, among what tools print."""
    numbers = re.findall(r"^\d+\.\d+$", done.stdout, re.M)
    return float(numbers[-1]) if numbers else math.nan


def empty_handler(folder):
    """A library whose handler does nothing: what the system takes for the signals themselves."""
    library = folder / "libempty.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "empty.c"], check=True)
    return library


def with_library(library, rate, command):
    environment = {**os.environ, "LD_PRELOAD": str(library), "EMPTY_RATE": str(rate)}
    command = list(map(str, command))
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


PARTS = {"accuracy": accuracy, "pi": pi, "overhead": overhead, "advice": advice}


def sections(page, parts):
    """The sections of a page, of which those that were measured are new."""
    known = {}
    if page.exists():
        for text in re.split(r"^(?=## )", page.read_text(), flags=re.M)[1:]:
            known[text.partition("\n")[0]] = text
    known.update((part.partition("\n")[0], part) for part in parts)
    return [text.rstrip() + "\n" for text in known.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=25, help="of CPU time a program")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=pathlib.Path, default=PAGE)
    options = parser.parse_args()
    PEER.update(peers())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fdl-bench-"))
    try:
        parts = [PARTS[name](options, folder) for name in options.only]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    missing = [name for name in TOOLS if name not in PEER and name != "ferdelance"]
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in open("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        "?",
    )
    head = (
        "# The sampler beside its peers\n\n"
        f"{datetime.date.today()}, {cpu}, {os.cpu_count()} CPUs, CPython "
        f"{sys.version.split()[0]}. Programs: `benchmarks/profiler`. Samples at {RATE} Hz where no "
        "rate is said. Machines are noisy, and of several makes: only what stands in one table "
        "can be compared.\n"
    )
    if missing:
        head += f"\nNot installed here: {', '.join(missing)}.\n"
    options.output.write_text("\n".join([head, *sections(options.output, parts)]))
    print(options.output)


if __name__ == "__main__":
    main()
