"""What advice is worth: programs with a planted cause, what is advised first, what doing so brings.

    .venv/bin/python benchmarks/profiler/run.py --parts advice

Where the advice comes with a diff, that is applied. Where it comes in words, the change that the
words ask for is one of `CURES`: texts of the program, and what they become.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Pairs of runs, before and after the change; the median of their ratios counts.
PAIRS = 7

CURES = {
    "collatz": [
        ("import sys\n", "import sys\n\nfrom ferdelance import njit\n"),
        ("def main(limit):\n", "@njit\ndef search(limit):\n"),
        (
            '    sys.stdout.write(f"{best} {longest}\\n")\n',
            "    return best, longest\n\n\ndef main(limit):\n    best, longest = search(limit)\n"
            '    sys.stdout.write(f"{best} {longest}\\n")\n',
        ),
    ],
    "crowd": [
        ("import threading\n", "from concurrent.futures import ThreadPoolExecutor\n"),
        (
            "    threads = [threading.Thread(target=work, args=(i,)) for i in range(24)]\n"
            "    for thread in threads:\n        thread.start()\n"
            "    for thread in threads:\n        thread.join()\n",
            "    with ThreadPoolExecutor(2) as pool:\n        list(pool.map(work, range(24)))\n",
        ),
    ],
    "doubles": [
        (
            "u, v = rng.random((2, 3_000_000))",
            "u, v = rng.random((2, 3_000_000), dtype=np.float32)",
        ),
    ],
    "log_parser": [
        ("import multiprocessing\n", "from multiprocessing.pool import ThreadPool\n"),
        ("multiprocessing.Pool(2)", "ThreadPool(2)"),
    ],
    "objects": [
        (".tolist(), dtype=object)", ".tolist(), dtype=np.float64)"),
    ],
    "unstable": [
        (
            "smooth(readings, 20, scale)",
            "smooth(np.ascontiguousarray(readings, dtype=np.float64), 20, float(scale))",
        ),
    ],
}


def cured(name, text):
    """The text of a program, changed as the words of the advice ask for."""
    for old, new in CURES[name]:
        if old not in text:
            raise ValueError(f"{name}: there is no {old!r} to change")
        text = text.replace(old, new)
    return text


def times(program):
    """CPU time and elapsed time of a run, with all its processes, in seconds."""
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, program], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return {
        "CPU": sum(after[2:4]) - sum(before[2:4]),
        "elapsed": time.perf_counter() - start,
    }


def ratio(before, after, clock):
    """How many times as fast one program is as the other."""
    ratios = [times(before)[clock] / times(after)[clock] for _ in range(PAIRS)]
    return statistics.median(ratios)


def measure(name, program, folder):
    """What is advised first for a program, with the gain that is promised and that there is."""
    from test_advice import advice_for

    changed = folder / f"{name}.py"
    recorded = folder / f"{name}.fdl"
    found, _ = advice_for(program, "-o", recorded)
    alone, _ = advice_for(recorded)
    first = found[0] if found else None
    row = {
        "first": first["rule"] if first else "none",
        "alone": alone[0]["rule"] if alone else "none",
        "promised": first["gain"] if first else None,
        "estimated": alone[0]["gain"] if alone else None,
        "tried": bool(first and first["trial"]),
        "clock": first["clock"] if first else "",
        "obtained": None,
    }
    if first and first["diff"]:
        done = subprocess.run(
            ["patch", "--silent", "--output", changed, program],
            input=first["diff"],
            text=True,
            capture_output=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: patch does not take the diff: {done.stdout}{done.stderr}")
    elif name in CURES:
        changed.write_text(cured(name, program.read_text()))
    if changed.exists():
        row["obtained"] = ratio(program, changed, row["clock"])
    return row


def agrees(row):
    """Whether the gain that was promised is the one obtained, within 30 %; None if none was."""
    promised, obtained = row["promised"], row["obtained"]
    if not promised or not obtained:
        return None
    return abs(promised - obtained) <= 0.3 * obtained


def rows(progress):
    """The measures of all programs, by name: those with a planted cause, then the well-tuned."""
    sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests" / "python")]
    from test_advice import PLANTED, PROGRAMS

    programs = [(name, cause, PROGRAMS / f"{name}.py") for name, cause in PLANTED.items()]
    tuned = sorted((PROGRAMS / "well_tuned").glob("*.py"))
    programs += [(path.stem, "none", path) for path in tuned]
    with tempfile.TemporaryDirectory() as folder:
        for name, cause, program in programs:
            progress(f"advice: {name}")
            yield name, cause, measure(name, program, pathlib.Path(folder))


def page(progress):
    """The section of the page: head, text and rows of its table, and what they come to."""
    found = list(rows(progress))
    planted = [row for row in found if row[1] != "none"]
    tuned = [row for row in found if row[1] == "none"]

    def count(cells):
        cells = [c for c in cells if c is not None]
        return f"{sum(cells)} of {len(cells)}"

    def number(gain):
        return f"{gain:.2f}" if gain else ""

    head = ("program", "planted", "first", "first, recording alone", "estimated")
    head += ("promised", "obtained", "of", "within 30 %")
    table = [
        (
            name,
            cause,
            row["first"],
            row["alone"],
            number(row["estimated"]),
            number(row["promised"]) + (" (tried)" if row["tried"] else ""),
            number(row["obtained"]),
            row["clock"] if row["obtained"] else "",
            {True: "yes", False: "**no**", None: ""}[agrees(row)],
        )
        for name, cause, row in found
    ]
    tried = [row for _, _, row in planted if row["tried"]]
    words = [row for _, _, row in planted if not row["tried"]]
    text = (
        "How many times as fast the whole program becomes: as `fdl advise` says from a recording "
        "alone (estimated) and after a run with trials (promised), and as measured with the "
        "change made (obtained: the median of "
        f"{PAIRS} pairs of runs). A diff is applied by `patch`; where advice is words, the change "
        "was made by hand as they say, and the promise is an estimate as well.\n\n"
        f"The planted cause first: {count(c == r['first'] for _, c, r in planted)}; from the "
        f"recording alone: {count(c == r['alone'] for _, c, r in planted)}. "
        f"Well-tuned programs without advice: {count(r['first'] == 'none' for _, _, r in tuned)}. "
        f"Promise kept within 30 %: tried {count(map(agrees, tried))}, "
        f"words {count(map(agrees, words))}.\n\n"
    )
    return text, head, table
