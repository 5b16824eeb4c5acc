"""Recordings in the formats of other tools, read by these tools where they are installed."""

import collections
import gzip
import importlib.util
import json
import pathlib
import pstats
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import ferdelance
import pytest
from ferdelance import profiler

pytestmark = pytest.mark.alone

FORMATS = "callgrind chrome collapsed dot firefox pprof pstats speedscope svg".split()

# Recursion, native code in a thread of its own, and a name that means something to each format.
PROGRAM = r'''
import threading, time, zlib

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        fib(14)

def compress(seconds):
    data = bytes(range(256)) * 400
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        zlib.compress(data)

def hostile(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

name = """]]></title><script>alert("1")</script>;\\N{x} 'on\n1' &amp;"""
change = {"co_name": name, "co_filename": "<b>\n\"x\";.py"}
if hasattr(hostile.__code__, "co_qualname"):
    change["co_qualname"] = name
hostile.__code__ = hostile.__code__.replace(**change)

thread = threading.Thread(target=compress, args=(0.3,), name="pool;1")
thread.start()
work(0.4)
hostile(0.2)
time.sleep(0.2)
thread.join()
'''


def run(*words, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fdl(*words, **options):
    root = pathlib.Path(ferdelance.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-m", "ferdelance", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=root,
        **options,
    )


def program(name, package):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (package {package})")
    return path


def module(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed (requirements-dev.txt)")
    return sys.executable, "-m", name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recording and its exports, by name of the format."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "program.py").write_text(PROGRAM)
    done = fdl(
        "record", "-r", 1000, "-o", folder / "it.fdl", "--", sys.executable, folder / "program.py"
    )
    assert done.returncode == 0, done.stderr
    recording = profiler.load(folder / "it.fdl")
    for name in FORMATS:
        recording.export(folder / name, name)
    return folder


@pytest.fixture(scope="module")
def recording(folder):
    return profiler.load(folder / "it.fdl")


@pytest.fixture(scope="module")
def cpu(recording):
    """The CPU time of all samples, in microseconds."""
    samples = recording.samples
    cpu = round(1e6 * float((samples["user"] + samples["kernel"]).sum()))
    assert cpu > 500_000
    return cpu


@pytest.fixture(scope="module")
def native(recording):
    """The native function that took most of the time, as `symbol (module)`."""
    table = recording.functions
    rows = zip(table["kind"], table["own"], table["name"], table["module"], strict=True)
    _, name, module = max(
        (own, name, module) for kind, own, name, module in rows if kind == "native"
    )
    return f"{name} ({module})"


def test_collapsed_stacks_add_up_to_the_sampled_cpu_time(folder, recording, cpu, native):
    lines = (folder / "collapsed").read_text().splitlines()
    stacks = dict(line.rsplit(" ", 1) for line in lines)
    assert len(stacks) == len(lines)
    assert sum(map(int, stacks.values())) == cpu
    pid = recording.processes["pid"][0]
    for stack in stacks:
        process, thread, *_ = stack.split(";")
        assert process == f"process {pid}"
        assert thread in ("thread MainThread", "thread pool,1")
    program = folder / "program.py"
    fib = sum(
        int(v)
        for k, v in stacks.items()
        if f"work ({program}:7);" in k and f"fib ({program}:4)" in k
    )
    assert fib > 200_000
    assert any(f";{native}" in stack for stack in stacks)


def test_collapsed_samples_are_those_that_run(folder, recording):
    recording.export(folder / "samples", "collapsed", unit="samples")
    counts = [int(line.rsplit(" ", 1)[1]) for line in (folder / "samples").read_text().splitlines()]
    samples = recording.samples
    runs = [s.startswith("running") for s in samples["state"]] | (
        samples["user"] + samples["kernel"] > 0
    )
    assert sum(counts) == runs.sum()


def stats_of(stats, name):
    return next(value for key, value in stats.stats.items() if key[2] == name)


def test_pstats_opens_it(folder, cpu):
    stats = pstats.Stats(str(folder / "pstats"))
    assert stats.total_tt == pytest.approx(cpu / 1e6)
    primitive, calls, own, total, callers = stats_of(stats, "fib")
    # Recursive: more frames than samples, but time counts once.
    assert calls > primitive > 100
    assert 0 < own <= total < cpu / 1e6
    assert callers
    _, _, _, all_time, nobody = stats_of(stats, "<recording>")
    assert all_time == pytest.approx(cpu / 1e6)
    assert nobody == {}
    for function, (primitive, calls, own, total, callers) in stats.stats.items():
        assert calls >= primitive, function
        assert total >= own - 1e-9, function
        assert all(caller in stats.stats for caller in callers)


def test_pstats_prints_and_merges(folder, native, capsys):
    stats = pstats.Stats(str(folder / "pstats"))
    stats.add(str(folder / "pstats"))
    stats.sort_stats("cumulative").print_stats()
    stats.print_callers("fib")
    stats.print_callees("fib")
    printed = capsys.readouterr().out
    assert "(fib)" in printed
    assert f"{{{native}}}" in printed


def test_snakeviz_shows_pstats(folder):
    module("snakeviz")
    from snakeviz.stats import json_stats, table_rows

    stats = pstats.Stats(str(folder / "pstats"))
    assert len(table_rows(stats)) == len(stats.stats)
    assert any(name.endswith("(fib)") for name in json_stats(stats))


@pytest.mark.parametrize("name", ["pstats", "callgrind"])
def test_gprof2dot_reads_it(folder, name):
    out = run(*module("gprof2dot"), "-f", name, "-n", 0, "-e", 0, folder / name)
    assert out.startswith("digraph")
    assert "fib" in out


def test_callgrind_annotate_sees_the_times_of_pstats(folder, cpu):
    annotate = program("callgrind_annotate", "valgrind")
    out = run(annotate, "--inclusive=yes", "--auto=no", "--threshold=100", folder / "callgrind")
    lines = [line.split() for line in out.splitlines()]
    (totals,) = [line for line in lines if line[-2:] == ["PROGRAM", "TOTALS"]]
    assert int(totals[0].replace(",", "")) == cpu
    stats = pstats.Stats(str(folder / "pstats"))
    for name in ("fib", "work"):
        (line,) = [
            line for line in lines if any(word.endswith(f"program.py:{name}") for word in line)
        ]
        micros = int(line[0].replace(",", ""))
        assert micros == round(stats_of(stats, name)[3] * 1e6)


def fields(data):
    """The fields of a Protocol Buffers message: numbers, and bytes."""

    def varint(at):
        number = shift = 0
        while True:
            byte = data[at]
            number |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return number, at

    at = 0
    while at < len(data):
        tag, at = varint(at)
        if tag & 7 == 0:
            value, at = varint(at)
        else:
            assert tag & 7 == 2
            length, at = varint(at)
            value, at = data[at : at + length], at + length
        yield tag >> 3, value


def packed(data):
    # Numbers without tags: each is read as the tag of an empty field.
    number = shift = 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def test_pprof_is_a_profile(folder, recording, cpu, native):
    message = collections.defaultdict(list)
    for field, value in fields(gzip.decompress((folder / "pprof").read_bytes())):
        message[field].append(value)
    strings = [text.decode() for text in message[6]]
    assert strings[0] == ""
    types = [dict(fields(value)) for value in message[1]]
    named = [(strings[t[1]], strings[t[2]]) for t in types]
    expected = [("samples", "count"), ("cpu", "nanoseconds"), ("wall", "nanoseconds")]
    assert named == expected[: len(named)]
    assert len(named) == (3 if (recording.samples["wait"] > 0).any() else 2)
    locations = {dict(fields(value))[1]: value for value in message[4]}
    functions = {dict(fields(value))[1]: dict(fields(value)) for value in message[5]}
    mappings = {dict(fields(value))[1] for value in message[3]}
    assert len(locations) == len(message[4]) and len(functions) == len(message[5])
    for location in locations.values():
        lines = [dict(fields(value)) for field, value in fields(location) if field == 4]
        assert lines and all(line[1] in functions for line in lines)
        assert dict(fields(location))[2] in mappings
    names = {strings[f[2]] for f in functions.values()}
    assert {"fib", "work", native.split(" (")[0]} <= names
    sums = [0] * len(named)
    labels = collections.defaultdict(set)
    for sample in message[2]:
        sample = list(fields(sample))
        (places,) = [value for field, value in sample if field == 1]
        (values,) = [value for field, value in sample if field == 2]
        assert set(packed(places)) <= set(locations)
        sums = [a + b for a, b in zip(sums, packed(values), strict=True)]
        for label in [dict(fields(value)) for field, value in sample if field == 3]:
            labels[strings[label[1]]].add(strings[label[2]] if 2 in label else label[3])
    assert sums[1] == cpu * 1000
    assert labels["pid"] == set(recording.processes["pid"])
    assert labels["tid"] <= set(recording.threads["tid"])
    assert labels["thread"] == {"MainThread", "pool;1"}
    assert any("n: int" in arguments for arguments in labels["arguments"])
    (default,) = message[14]
    assert strings[default] == "cpu"


def test_go_reads_pprof(folder):
    go = program("go", "golang-go")
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PPROF_TMPDIR": str(folder)}
    out = run(go, "tool", "pprof", "-top", folder / "pprof", env=environment)
    assert "Type: cpu" in out
    assert " fib" in out


def test_speedscope_is_as_its_schema_demands(folder, cpu):
    file = json.loads((folder / "speedscope").read_text())
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = file["shared"]["frames"]
    for frame in frames:
        assert isinstance(frame["name"], str) and frame["name"]
        assert isinstance(frame.get("file", ""), str)
        assert isinstance(frame.get("line", 1), int)
        assert set(frame) <= {"name", "file", "line", "col"}
    assert len(file["profiles"]) == 2
    total = 0
    for profile in file["profiles"]:
        assert set(profile) == {
            *("type", "name", "unit", "startValue", "endValue", "samples", "weights")
        }
        assert profile["type"] == "sampled" and profile["unit"] == "microseconds"
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= frame < len(frames) for stack in profile["samples"] for frame in stack)
        assert sum(profile["weights"]) == profile["endValue"] - profile["startValue"]
        total += profile["endValue"]
    assert total == cpu


def test_firefox_tables_refer_to_each_other(folder, recording, cpu):
    profile = json.loads((folder / "firefox").read_text())
    meta = profile["meta"]
    assert meta["preprocessedProfileVersion"] == 55
    assert meta["interval"] == pytest.approx(1000 / recording.meta["rate"])
    total = 0
    for thread in profile["threads"]:
        for table in [value for value in thread.values() if isinstance(value, dict)]:
            columns = [value for value in table.values() if isinstance(value, list)]
            assert all(len(column) == table["length"] for column in columns)
        strings, samples, stacks = thread["stringArray"], thread["samples"], thread["stackTable"]
        functions, frames = thread["funcTable"], thread["frameTable"]
        assert all(0 <= stack < stacks["length"] for stack in samples["stack"])
        assert all(p is None or p < i for i, p in enumerate(stacks["prefix"]))
        assert all(0 <= frame < frames["length"] for frame in stacks["frame"])
        assert all(0 <= function < functions["length"] for function in frames["func"])
        assert all(0 <= c < len(meta["categories"]) for c in frames["category"])
        assert all(0 <= name < len(strings) for name in functions["name"])
        assert all(-1 <= r < thread["resourceTable"]["length"] for r in functions["resource"])
        assert samples["time"] == sorted(samples["time"])
        assert sum(samples["weight"]) * 1000 == pytest.approx(sum(samples["threadCPUDelta"]))
        total += sum(samples["threadCPUDelta"])
    assert total == cpu
    assert sorted(t["name"] for t in profile["threads"]) == ["MainThread", "pool;1"]


def test_chrome_events_are_nested(folder, recording):
    events = json.loads((folder / "chrome").read_text())["traceEvents"]
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert {"MainThread", "pool;1"} <= names
    open_events = collections.defaultdict(list)
    last = collections.defaultdict(float)
    running = collections.Counter()
    for event in events:
        if event["ph"] == "M":
            continue
        lane = event["pid"], event["tid"]
        assert event["ts"] >= last[lane]
        last[lane] = event["ts"]
        if event["ph"] == "B":
            open_events[lane].append(event)
            continue
        begin = open_events[lane].pop()
        assert event["ph"] == "E" and event["name"] == begin["name"]
        if not open_events[lane]:
            running[lane] += event["ts"] - begin["ts"]
    assert not any(open_events.values())
    assert len(running) == 2
    assert all(length > 200_000 for length in running.values())
    assert any(e["name"] == "waiting" for e in events) == ("waiting" in recording.samples["state"])


def test_svg_is_one_file_in_which_names_are_text(folder):
    root = ElementTree.parse(folder / "svg").getroot()
    svg = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{svg}svg"
    assert len(root.findall(f".//{svg}script")) == 1
    for element in root.iter():
        assert element.tag.removeprefix(svg) in (
            "svg",
            "style",
            "rect",
            "text",
            "g",
            "title",
            "script",
        )
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    titles = [title.text for title in root.iter(f"{svg}title")]
    assert titles[0].startswith("all\n")
    assert any(title.startswith("fib (") for title in titles)
    assert any('<script>alert("1")</script>' in title for title in titles)
    for rect in root.findall(f".//{svg}g/{svg}rect"):
        assert float(rect.get("x")) + float(rect.get("width")) <= 1210.1


def test_graphviz_draws_dot(folder):
    out = run(program("dot", "graphviz"), "-Tsvg", folder / "dot")
    titles = [e.text for e in ElementTree.fromstring(out).iter("{http://www.w3.org/2000/svg}text")]
    assert "fib" in titles


def test_command_writes_what_export_writes(folder, tmp_path):
    for name in FORMATS:
        path = tmp_path / name
        done = fdl("export", folder / "it.fdl", "--format", name, "-o", path)
        assert done.returncode == 0, done.stderr
        assert path.read_bytes() == (folder / name).read_bytes()


def test_command_knows_formats_by_endings(folder, tmp_path):
    done = fdl("export", folder / "it.fdl", "-o", tmp_path / "it.svg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "it.svg").read_bytes() == (folder / "svg").read_bytes()
    done = fdl("export", folder / "it.fdl", "-f", "collapsed", "-o", "-")
    assert done.stdout == (folder / "collapsed").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "perf"], "no format 'perf'"),
        (["-o", "it.json"], "which format?"),
        (["--format", "svg", "-o", "/nowhere/it.svg"], "/nowhere/it.svg: No such file"),
    ],
)
def test_command_says_what_is_wrong(folder, words, message):
    done = fdl("export", folder / "it.fdl", *words)
    assert done.returncode == 1
    assert done.stderr.startswith("fdl: ") and message in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_names_are_value_errors(recording, tmp_path):
    for arguments in [("perf",), ("svg", "minutes")]:
        with pytest.raises(ValueError, match="no (format|unit)"):
            recording.export(tmp_path / "it", *arguments)
    assert not (tmp_path / "it").exists()
    with pytest.raises(OSError):
        recording.export(tmp_path / "none" / "it", "svg")
