"""Recordings that were made: what is read, shown and compared of them."""

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from ferdelance import profiler
from recording import SPIN, fdl, record, write

pytestmark = pytest.mark.alone

PROGRAM = (
    SPIN
    + """
import os, sys, threading, time
import numpy as np

def hot(x, w):
    return np.exp(-x**2) * w + np.sqrt(np.abs(x))

def numeric():
    x = np.linspace(0, 1, 200_000)
    for _ in range(int(sys.argv[1])):
        hot(x, x)

def pure():
    spin(0.2)

worker = threading.Thread(target=numeric, name="numeric")
worker.start()
pure()
worker.join()
if os.fork() == 0:
    pure()
    os._exit(0)
os.wait()
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two recordings: `before.fdl` and `after.fdl`, with more of the numeric work."""
    folder = tmp_path_factory.mktemp("recordings")
    program = write(folder, PROGRAM)
    for name, rounds in ("before.fdl", 100), ("after.fdl", 300):
        done = fdl("record", "-o", folder / name, "-r", "997", program, str(rounds))
        assert done.returncode == 0, done.stderr
    return folder


def report(folder, *options, name="before.fdl"):
    done = fdl("report", folder / name, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- tables ------------------------------------------------------------------------------------


def test_tables_refer_to_each_other(folder):
    recording = profiler.load(folder / "before.fdl")
    samples = recording.samples
    assert len(samples) > 100
    assert samples["thread"].max() < len(recording.threads)
    assert samples["stack"].max() < len(recording.stacks)
    assert recording.stacks["frame"].max() < len(recording.frames)
    assert recording.frames["function"].max() < len(recording.functions)
    assert (recording.stacks["parent"] < np.arange(len(recording.stacks))).all()
    assert set(samples["pid"]) == set(recording.processes["pid"])
    assert {"MainThread", "numeric"} <= set(samples["thread_name"])
    assert samples["user"].sum() + samples["kernel"].sum() == pytest.approx(
        recording.processes["user"].sum() + recording.processes["kernel"].sum(), rel=0.1
    )
    assert recording.functions["own"].sum() == pytest.approx(
        samples["user"].sum() + samples["kernel"].sum(), rel=0.01
    )
    assert "before" not in repr(recording) and "samples" in repr(recording)
    assert "rows of time" in repr(samples)


def test_a_table_is_what_pandas_takes(folder, monkeypatch):
    table = profiler.load(folder / "before.fdl").functions
    assert {"name", "file", "line", "module", "kind", "own", "total"} <= set(dict(table))
    assert {len(table[name]) for name in table} == {len(table)}
    try:
        import pandas
    except ImportError:
        with pytest.raises(ImportError, match="pandas"):
            table.to_pandas()
    else:
        assert list(table.to_pandas().columns) == list(table)
        assert isinstance(table.to_pandas(), pandas.DataFrame)


def test_sources_are_left_out_when_that_is_wanted(folder, tmp_path):
    recording = profiler.load(folder / "before.fdl")
    assert any("def hot" in text for text in recording.sources["text"])
    recording.save(tmp_path / "with.fdl")
    recording.save(tmp_path / "without.fdl", sources=False)
    again = profiler.load(tmp_path / "with.fdl")
    assert (again.samples["time"] == recording.samples["time"]).all()
    without = profiler.load(tmp_path / "without.fdl")
    assert len(without.sources) == 0 and len(without.samples) == len(recording.samples)
    assert "np.exp(" not in report(tmp_path, name="without.fdl")
    size = (tmp_path / "without.fdl").stat().st_size
    assert size < (tmp_path / "with.fdl").stat().st_size


def test_a_damaged_recording_is_read_as_far_as_it_goes(folder, tmp_path):
    data = (folder / "before.fdl").read_bytes()
    whole = profiler.load(folder / "before.fdl")
    damaged = tmp_path / "damaged.fdl"
    for end in len(data) // 2, len(data) - 20:
        damaged.write_bytes(data[:end])
        with pytest.warns(UserWarning, match="damaged.fdl: the file is cut off"):
            recording = profiler.load(damaged)
        assert len(recording.samples) <= len(whole.samples)
        done = fdl("report", damaged)
        assert done.returncode == 0 and "cut off" in done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profiler.load(folder / "before.fdl")


def test_what_is_no_recording_is_refused(tmp_path):
    other = write(tmp_path, "this is text", "other.fdl")
    with pytest.raises(ValueError, match="not a recording"):
        profiler.load(other)
    with pytest.raises(OSError):
        profiler.load(tmp_path / "missing.fdl")
    for name, message in ("other.fdl", "not a recording"), ("missing.fdl", "No such file"):
        done = fdl("report", tmp_path / name)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"fdl: {tmp_path / name}: ") and message in done.stderr


# ---- the report --------------------------------------------------------------------------------


def test_the_report_says_where_the_time_went(folder):
    text = report(folder)
    headings = "CPU use|Processes|Hot functions|Native code|Hot lines|Calls|How it was recorded"
    assert re.findall(f"^({headings})", text, re.M) == headings.split("|")
    assert re.search(r"2 processes, \d threads", text)
    assert re.search(r"\d+ % +.* hot \(script\.py:\d+\)|hot \(", text)
    assert re.search(r"NumPy exp float64", text)
    assert "with x: ndarray(float64, (200000,), C), w: ndarray(float64, (200000,), C)" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not know expressions")
def test_lines_are_taken_apart_into_expressions(folder):
    text = report(folder, "--lines", name="after.fdl")
    line = text.index("return np.exp(-x**2) * w + np.sqrt(np.abs(x))")
    assert text.startswith("Hot lines")
    parts = text[line:].splitlines()[1:6]
    shares = dict(
        (text, float(share)) for share, text in re.findall(r" ([\d.]+) %  (.+)", "\n".join(parts))
    )
    exp = next(share for text, share in shares.items() if text.startswith("np.exp("))
    assert 15 < exp < 95


def test_a_report_of_a_part(folder):
    recording = profiler.load(folder / "before.fdl")
    tree = report(folder, "--tree")
    assert tree.startswith("Calls") and "Hot" not in tree
    numeric = report(folder, "--thread", "numeric")
    assert "pure (" not in numeric and "hot (" in numeric
    child = max(recording.processes["pid"])
    of_child = report(folder, "--process", str(child))
    assert "hot (" not in of_child and "spin (" in of_child
    pure = report(folder, "--function", r"\.pure$")
    assert "spin (" in pure and "hot (" not in pure
    native = report(folder, "--native", "--top", "40")
    # The interpreter: by its library, or by its source files where there is debug information.
    assert re.search(r"DOUBLE_exp|exp", native)
    assert re.search(r"\((libpython|python|(ceval|longobject|obmalloc)\.c:)", native)
    assert report(folder, "--process", "1").count("No samples of running code") == 1
    assert recording.report(tree=True) == tree
    with pytest.raises(ValueError, match="no such function"):
        recording.report(function="no_such_function")


def test_what_is_asked_for_wrongly_is_one_line(folder):
    for options, message in (
        (["--function", "no_such_function"], "there is no such function"),
        (["--function", "("], "--function (: "),
    ):
        done = fdl("report", folder / "before.fdl", *options)
        assert done.returncode == 1 and done.stdout == ""
        assert message in done.stderr and done.stderr.count("\n") == 1


def test_colours_only_on_a_terminal_or_when_asked_for(folder, monkeypatch):
    assert "\x1b" not in report(folder)
    assert "\x1b[1m" in report(folder, "--color", "always")
    from ferdelance import _cli

    arguments = type("Arguments", (), {"color": "auto"})
    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert _cli.wants_color(arguments)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not _cli.wants_color(arguments)


def test_a_reader_that_stops_is_no_error(folder):
    command = [sys.executable, "-m", "ferdelance", "report", str(folder / "before.fdl")]
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, text=True)
    os.close(written)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


# ---- the report as JSON ------------------------------------------------------------------------


def test_json_has_what_the_report_has(folder):
    found = json.loads(report(folder, "--json"))
    recording = profiler.load(folder / "before.fdl")
    assert (found["format"], found["version"]) == ("ferdelance report", 1)
    summary, functions = found["summary"], found["functions"]
    assert summary["samples"] == recording.processes["taken"].sum()
    assert summary["cpu"] == pytest.approx(summary["user"] + summary["kernel"])
    assert summary["command"][-1] == "100"
    used = found["usage"]["seconds_by_cpus"]
    assert sum(used) == pytest.approx(summary["elapsed"])
    # All of the time is some function's, or of none.
    outside = sum(o["cpu"] for o in found["operations"] if o["function"] is None)
    assert sum(f["self"] for f in functions) + outside == pytest.approx(summary["shown"])
    assert [f["self"] for f in functions] == sorted((f["self"] for f in functions), reverse=True)
    hot = next(i for i, f in enumerate(functions) if f["name"] == "hot")
    assert functions[hot]["kind"] == "python" and functions[hot]["file"].endswith("program.py")
    assert any(o["operation"] == "NumPy exp float64" for o in found["operations"])
    assert any("x: ndarray" in t["arguments"] for t in found["types"] if t["function"] == hot)
    line = next(line for line in found["lines"] if line["function"] == hot)
    assert line["text"].strip().startswith("return np.exp(-x**2)")
    if sys.version_info >= (3, 11):
        expressions = line["expressions"]
        assert sum(e["cpu"] for e in expressions) <= line["self"] + 1e-9
        exp = next(e for e in expressions if e["text"] == "np.exp(-x**2)")
        assert line["text"].encode()[exp["column"] - 1 : exp["end_column"] - 1] == b"np.exp(-x**2)"
    callers = [row for row in found["callers"] if row["function"] == hot]
    assert sum(row["cpu"] for row in callers) == pytest.approx(functions[hot]["self"])
    assert functions[callers[0]["callers"][0]]["name"] == "numeric"
    assert {found["processes"][t["process"]]["pid"] for t in found["threads"]} == set(
        recording.processes["pid"]
    )
    roots = [node for node in found["tree"] if node["parent"] is None]
    assert sum(node["total"] for node in roots) == pytest.approx(summary["shown"])
    for i, node in enumerate(found["tree"]):
        assert node["parent"] is None or node["parent"] < i
        assert (node["function"] is None) != (node["operation"] is None)


def test_json_has_the_keys_that_are_documented(folder):
    def keys(value):
        if isinstance(value, dict):
            return set(value) | set().union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    profile = profiler.Profile()
    profile.runcall(max, 1, 2)
    counted = json.loads(profile.recording().report(json=True))
    assert [counted["functions"][c["function"]]["name"] for c in counted["calls"]]
    assert counted["functions"] and counted["lines"] == []
    found = keys(json.loads(report(folder, "--json"))) | keys(counted)
    page = (Path(__file__).parents[2] / "docs/report-json.md").read_text()
    documented = set(re.findall(r"`(\w+)`", page))
    assert found <= documented, found - documented


def test_json_of_a_part(folder):
    def keys(*options):
        return set(json.loads(report(folder, "--json", *options)))

    common = {"format", "version", "functions"}
    assert keys("--lines") == common | {"lines", "counted_lines"}
    assert keys("--callers") == common | {"callers"}
    assert keys("--tree", "--functions") == common | {"tree", "operations", "types", "calls"}
    numeric = json.loads(report(folder, "--json", "--thread", "numeric"))
    names = {f["name"] for f in numeric["functions"] if f["self"]}
    assert "hot" in names and "spin" not in names
    assert numeric["summary"]["not_sampled"] is None
    assert 0 < numeric["summary"]["shown"] < numeric["summary"]["cpu"]
    native = json.loads(report(folder, "--json", "--native"))
    assert "native" in {f["kind"] for f in native["functions"]}
    nothing = json.loads(report(folder, "--json", "--process", "1"))
    assert nothing["functions"] == [] and nothing["tree"] == []


def test_json_has_all_rows(folder):
    done = fdl("report", folder / "before.fdl", "--json", "--top", "3")
    assert done.returncode == 1 and "--top is for text" in done.stderr


def test_json_gives_terminals_no_commands(tmp_path):
    name = "odd\x1b[31m\x9b\u202e.py"
    program = write(tmp_path, SPIN + "spin(0.1)", name)
    done = fdl("record", "-o", tmp_path / "odd.fdl", program)
    assert done.returncode == 0, done.stderr
    text = report(tmp_path, "--json", name="odd.fdl")
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    assert any((f["file"] or "").endswith(name) for f in json.loads(text)["functions"])


# ---- the diff ----------------------------------------------------------------------------------


def test_a_diff_says_what_became_slower(folder):
    done = fdl("diff", folder / "before.fdl", folder / "after.fdl")
    assert done.returncode == 0, done.stderr
    functions = done.stdout.split("\n\n")[2]
    assert re.search(r"\+\d.* hot \(", functions) and "pure (" not in functions
    assert max(map(len, done.stdout.splitlines())) <= 100
    lines = fdl("diff", "--lines", folder / "before.fdl", folder / "after.fdl").stdout
    assert "return np.exp(-x**2) * w" in lines
    same = fdl("diff", folder / "before.fdl", folder / "before.fdl").stdout
    assert same.count("  none\n") == 2
    before, after = (profiler.load(folder / f"{name}.fdl") for name in ("before", "after"))
    assert before.diff(after) == done.stdout


# ---- the command line --------------------------------------------------------------------------


def test_help_imports_nothing_heavy():
    text = (
        "import sys; sys.argv = ['fdl', '--help']\n"
        "from ferdelance._cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'numpy', 'ferdelance._core'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("report", "diff", "record", "export"):
        assert command in done.stdout


def test_wrong_words_are_explained():
    done = fdl("no-such-command")
    assert done.returncode == 2 and "no-such-command" in done.stderr
    assert fdl().returncode == 2
    assert re.fullmatch(r"ferdelance \d+\.\d+\.\d+\n", fdl("--version").stdout)


def test_recursion_is_one_row_and_threads_that_wait_are_shown(tmp_path):
    program = (
        SPIN
        + """
import threading

def recursive(n, seconds):
    if n: recursive(n - 1, seconds)
    else: spin(seconds)

def sleeper(): time.sleep(0.4)

threading.Thread(target=sleeper, name="lazy").start()
recursive(20, 0.2)
"""
    )
    recording, done = record(tmp_path, program)
    assert done.returncode == 0, done.stderr
    tree = recording.report(tree=True)
    assert tree.count("recursive (") == 1
    text = recording.report()
    assert re.search(r"0\.\d\d s|\d+ ms  in sleeper \(program.py:\d+\), thread lazy", text)
    assert "with seconds: float" in text
    assert "\x1b[1m" in recording.report(color=True)


def test_a_recording_takes_few_bytes_with_its_sources(tmp_path):
    program = SPIN + "import numpy, json, argparse, inspect\nspin(1.5)\n"
    recording, done = record(tmp_path, program, options=["-r", "9000"])
    assert done.returncode == 0, done.stderr
    assert len(recording.samples) > 5000
    assert (tmp_path / "program.fdl").stat().st_size <= 24 * max(10_000, len(recording.samples))
    assert str(tmp_path / "program.py") in recording.sources["file"]
