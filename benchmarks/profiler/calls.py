"""What counting costs: the data profiler beside cProfile, the line profiler beside line_profiler.

    .venv/bin/python benchmarks/profiler/calls.py [PYTHON ...] [--docs]

For each interpreter (default: this one), in one process: a loop of calls runs plainly, under
cProfile and under ours, in turns. A round gives the added time of both for a call, and their
ratio; the table has medians of rounds. Both count the same calls, with their callers; ours has
the types, dtypes and shapes of all arguments besides. Times are CPU times of the thread.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 31
CALLS = 20_000
HERE = Path(__file__).resolve()
DOCS = HERE.parents[2] / "docs" / "data-profile.md"
MARKS = ("<!-- calls.py -->", "<!-- end -->")


def f(a, b):
    return a


def scale(self, *args, **kw):
    return args


Thing = type("Thing", (), {"scale": scale})


def drive_plain(n):
    for _ in range(n):
        f(1, 2.0)


def drive_method(n):
    scale = Thing().scale
    for _ in range(n):
        scale(1, 2.0, k="x")


def drive_arrays(n):
    import numpy as np

    a, b = np.zeros(16, np.float32), np.zeros((4, 4))
    for _ in range(n):
        f(a, b)


def drive_shapes(n):
    import numpy as np

    a, b = np.zeros(16, np.float32), np.zeros((4, 4))
    for _ in range(n // 2):
        f(a, b)
        f(b, a)


def drive_callers(n):
    for _ in range(n // 4):
        drive_four()


def drive_four():
    f(1, 2.0), f(1, 2.0), f(2.0, 1), f(1, 2.0)


CASES = {
    "f(a, b)": drive_plain,
    "method, *args and **kw": drive_method,
    "array arguments": drive_arrays,
    "two shapes in turn": drive_shapes,
    "nested calls": drive_callers,
}


def lines(n):
    total = 0
    for i in range(n):
        total += i
        total ^= 3
        total &= 0xFFFF
    return total


def timed(drive, n, profile=None):
    if profile is not None:
        profile.enable()
    start = time.thread_time_ns()
    drive(n)
    taken = time.thread_time_ns() - start
    if profile is not None:
        profile.disable()
    return taken


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def measure_calls(drive, builtins):
    import cProfile

    from ferdelance import profiler

    theirs = cProfile.Profile(builtins=builtins)
    ours = profiler.Profile(builtins=builtins)
    for profile in (theirs, ours, None):
        timed(drive, CALLS, profile)
    rows = []
    for _ in range(ROUNDS):
        plain = timed(drive, CALLS)
        their = (timed(drive, CALLS, theirs) - plain) / CALLS
        our = (timed(drive, CALLS, ours) - plain) / CALLS
        rows.append((their, our, our / their))
    return [median(column) for column in zip(*rows, strict=True)]


def measure_lines():
    """Before 3.12 all lines of the program are traced, so plain runs come first."""
    from ferdelance import profiler

    count = 3 * CALLS
    plain = median([timed(lines, CALLS) for _ in range(ROUNDS)])
    try:
        import line_profiler
    except ImportError:
        their = float("nan")
    else:
        theirs = line_profiler.LineProfiler()
        wrapped = theirs(type(lines)(lines.__code__.replace(co_name="copy"), lines.__globals__))
        their = (median([timed(wrapped, CALLS) for _ in range(ROUNDS)]) - plain) / count
    profiler.lines(lines)
    our = (median([timed(lines, CALLS) for _ in range(ROUNDS)]) - plain) / count
    return their, our, our / their


def measure():
    rows = {}
    for builtins in (False, True):
        for name, drive in CASES.items():
            rows[f"{name}, builtins {'on' if builtins else 'off'}"] = measure_calls(drive, builtins)
    rows["a line"] = measure_lines()
    return rows


def main(words):
    if words == ["--measure"]:
        print(json.dumps(measure()))
        return
    pythons = [word for word in words if not word.startswith("--")] or [sys.executable]
    results = {}
    for python in pythons:
        code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
        version = subprocess.check_output([python, "-c", code], text=True).strip()
        out = subprocess.check_output([python, HERE, "--measure"], text=True)
        results[version] = json.loads(out)
    # The peer is cProfile, of lines line_profiler.
    head = ["ns added"]
    for version in results:
        head += [f"{version}: peer", "ours", "ratio"]
    table = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in next(iter(results.values())):
        cells = [name]
        for rows in results.values():
            their, our, ratio = rows[name]
            known = their == their
            cells += [f"{their:.0f}" if known else "-", f"{our:.0f}"]
            cells += [f"{ratio:.2f}" if known else "-"]
        table.append("| " + " | ".join(cells) + " |")
    text = "\n".join(table)
    print(text)
    if "--docs" in words:
        page = DOCS.read_text()
        start = page.index(MARKS[0]) + len(MARKS[0])
        DOCS.write_text(page[:start] + "\n\n" + text + "\n\n" + page[page.index(MARKS[1]) :])


if __name__ == "__main__":
    main(sys.argv[1:])
