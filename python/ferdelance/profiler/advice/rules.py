"""The rules: each looks at facts for one cause of slowness, and says what to do about it."""

import ast
import collections
import dataclasses
import re

from . import sources
from .facts import ARRAYS, arrays_in

#: Of the program's CPU time: what is less is not spoken of.
LEAST = 0.1
#: A change that makes the whole program this much faster is worth it.
WORTH = 1.08
#: How much faster the interpreter's part becomes, where nobody has tried: loops gain 10 to 100.
USUAL = 20
#: Types that a function is compiled for, before that is spoken of.
VERSIONS = 3
#: Bytes of an array that no cache holds.
LARGE = 8 << 20


class Advice:
    """Something to change.

    Attributes
    ----------
    rule : str
        compile, small arrays, temporaries, object arrays, types, specialise, float32, GPU,
        parallel, threads or workers.
    title : str
        What to do, in a line.
    function, file, line
        Where; empty if it is about the whole program.
    share : float
        The part of the CPU time that it is about, from 0 to 1.
    gain : float or None
        How much faster the whole program becomes; None if that cannot be told.
    clock : {"CPU", "elapsed"}
        The time that becomes less by that: CPU time, or, of the same work on more CPUs, elapsed
        time.
    evidence : list of str
        What it is concluded from.
    compiled : list of str
        The functions of the file that are to be compiled.
    part : parts.Part or None
        What is to be a function of its own before.
    shared : list of str
        The functions a loop of which threads are to share.
    diff : str
        That change, as a unified diff; empty if there is no such function.
    trial : trial.Trial or None
    """

    def __init__(self, rule, title, facts, *, function=None, share=0.0, gain=None, evidence=()):
        self.rule = rule
        self.title = title
        self.function = function.name if function else ""
        self.file = function.file if function else ""
        self.line = function.line if function else 0
        self.share = share
        self.gain = gain
        self.clock = "CPU"
        self.evidence = list(evidence)
        self.compiled = []
        self.part = None
        self.shared = []
        self.diff = ""
        self.trial = None

    def __repr__(self):
        gain = f", {self.gain:.2g} times as fast" if self.gain else ""
        return f"<Advice: {self.title}{gain}>"

    def as_dict(self):
        """What JSON is made of."""
        fields = dict(self.__dict__)
        fields["trial"] = dict(self.trial.__dict__) if self.trial else None
        fields["part"] = dataclasses.asdict(self.part) if self.part else None
        return fields


def percent(share):
    return f"{100 * share:.0f} %"


def duration(seconds):
    """A time with three digits."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 0.9995:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def whole(facts, time, factor, more=0.0):
    """How much faster the program becomes if a part of its time is divided by a factor."""
    cpu = facts.cpu + facts.unseen
    left = cpu - time + time / factor + more
    return cpu / left if left > 0 else 1.0


# ---- types of arguments --------------------------------------------------------------------------


def object_arrays(facts):
    """Arrays of Python objects, which NumPy treats one by one."""
    for function in facts.functions:
        if not function.is_users or not with_objects(function):
            continue
        # With what functions of libraries do for it: `a.sum()` is one in Python.
        below = facts.below(function).items()
        time = sum(t for f, t in below if f is function or not f.is_users)
        share = facts.share(time * min(with_objects(function) / (function.own or time), 1.0))
        if share >= LEAST:
            yield Advice(
                "object arrays",
                f"give `{function.name}` arrays of numbers, not of objects",
                facts,
                function=function,
                share=share,
                gain=whole(facts, share * facts.cpu, USUAL / 2),
                evidence=[
                    f"{percent(share)} of the CPU time is spent in it with arrays of dtype object, "
                    "of which each element is a Python object",
                    f"called with {next(iter(function.types), '?')}",
                    "convert them once, where they are made: `np.asarray(a, dtype=np.float64)`",
                ],
            )


def with_objects(function):
    """The time for which a function had arrays of objects."""
    has_objects = (
        time
        for text, time in function.types.items()
        if any(array.dtype == "object" for array in arrays_in(text))
    )
    return sum(has_objects)


def unstable_types(facts):
    """Compiled functions that are compiled again and again, for ever other types."""
    every = sum(len(types) for types in facts.versions.values())
    for (file, line, name), types in facts.versions.items():
        if len(types) < VERSIONS:
            continue
        time = facts.compiling * len(types) / every
        share = facts.share(time)
        if share < LEAST:
            continue
        advice = Advice(
            "types",
            f"call `{name}` with one type of arguments",
            facts,
            share=share,
            gain=whole(facts, time, len(types)),
            evidence=[
                f"{percent(facts.share(facts.compiling))} of the CPU time is spent on compiling; "
                f"this function was compiled {len(types)} times, each time for other types",
                *(f"for {types}" for types in types[:4]),
                "convert what it gets to one type, where it is called: "
                "`np.ascontiguousarray(a, dtype=np.float64)`, `float(x)`",
            ],
        )
        advice.function, advice.file, advice.line = name, file, line
        yield advice


def kinds_of_types(function):
    """How many types, but for shapes, a function is called with that take a tenth of its time."""
    kinds = collections.Counter()
    for text, time in function.types.items():
        kinds[re.sub(r"\(\d[^)]*\)|\(\)", "(...)", text)] += time
    return max(sum(time >= 0.1 * kinds.total() for time in kinds.values()), 1)


def narrower_floats(facts):
    """Large arrays of float64 whose operations wait for memory."""
    for function in facts.functions:
        in_arrays = sum(t for o, t in function.operations.items() if ARRAYS.match(o))
        if not function.is_users or facts.share(in_arrays) < 0.4:
            continue
        large = [a for a, _ in function.arrays() if a.dtype == "float64" and a.size * 8 >= LARGE]
        if large:
            share = facts.share(in_arrays)
            yield Advice(
                "float32",
                f"use float32 in `{function.name}`, if seven digits are enough",
                facts,
                function=function,
                share=share,
                gain=whole(facts, in_arrays, 2),
                evidence=[
                    f"{percent(share)} of the CPU time is spent in NumPy's loops over arrays of "
                    f"float64 of up to {max(a.size for a in large) * 8 / 1e6:.0f} MB, which no "
                    "cache holds: half the bytes take half the time",
                ],
            )


def generic_code(facts):
    """Functions that look at ranks and shapes, and meet the same one nearly always."""
    for function in facts.functions:
        if not function.is_users or facts.share(function.total) < LEAST:
            continue
        ranks = collections.Counter()
        for array, time in function.arrays():
            ranks[len(array.shape)] += time
        total = sum(ranks.values())
        if not total or not _looks_at_ranks(facts, function):
            continue
        rank, time = ranks.most_common(1)[0]
        if time >= 0.8 * total:
            yield Advice(
                "specialise",
                f"write a version of `{function.name}` for arrays of {rank} "
                f"dimension{'s' if rank != 1 else ''}",
                facts,
                function=function,
                share=facts.share(function.total),
                evidence=[
                    f"it has branches for other ranks or shapes, but {percent(time / total)} of "
                    f"its time goes into arrays of {rank} dimension{'s' if rank != 1 else ''}",
                    f"called with {next(iter(function.types))}",
                ],
            )


def _looks_at_ranks(facts, function):
    """Whether a function branches by the rank or shape of arrays."""
    try:
        node = facts.file(function.file).scope(function.name, function.line).node
    except sources.NotFound:
        return False
    tests = [n.test for n in ast.walk(node) if isinstance(n, (ast.If, ast.IfExp))]
    parts = (part for test in tests for part in ast.walk(test))
    return any(isinstance(p, ast.Attribute) and p.attr in ("ndim", "shape") for p in parts)


def for_a_gpu(facts):
    """Large arrays, on which much is computed."""
    for function in facts.functions:
        in_arrays = sum(t for o, t in function.operations.items() if ARRAYS.match(o))
        sizes = [array.size * array.itemsize for array, _ in function.arrays()]
        if (
            function.is_users
            and facts.share(in_arrays) >= 0.5
            and max(sizes, default=0) >= 4 * LARGE
        ):
            yield Advice(
                "GPU",
                f"`{function.name}` is a candidate for a GPU",
                facts,
                function=function,
                share=facts.share(in_arrays),
                evidence=[
                    f"{percent(facts.share(in_arrays))} of the CPU time is spent in operations on "
                    f"arrays of up to {max(sizes) / 1e6:.0f} MB: that is worth the transfer, if "
                    "they stay there from operation to operation",
                ],
            )


# ---- threads and processes -----------------------------------------------------------------------


def pickling(facts):
    """Processes that spend their time on passing data to each other."""
    share = facts.share(facts.passing)
    if share >= 0.15 and facts.has_forked_workers:
        yield Advice(
            "threads",
            "use threads in place of processes, or shared memory: passing data costs too much",
            facts,
            share=share,
            gain=whole(facts, share * facts.cpu, USUAL),
            evidence=[
                f"{percent(share)} of the CPU time is spent on starting processes "
                f"({facts.python_processes} of them), and on pickling and passing data between "
                "them",
                f"what else there is takes {facts.cpu - facts.passing:.2f} s of CPU time, and the "
                f"program took {facts.elapsed:.2f} s: Python code of threads runs one at a time",
                "compiled functions with `nogil=True` run in threads side by side; arrays can be "
                "shared by `multiprocessing.shared_memory`",
            ],
        )


def too_many_workers(facts):
    """More threads that want to run than there are CPUs."""
    queued = facts.time_in_state("queued")
    wanted = (facts.cpu + queued) / facts.elapsed if facts.elapsed else 0.0
    if queued >= 0.5 * facts.cpu and facts.cpus and wanted > 1.25 * facts.cpus:
        yield Advice(
            "workers",
            f"use {int(facts.cpus)} workers: more than {int(facts.cpus)} cannot run at a time",
            facts,
            share=facts.share(queued),
            evidence=[
                f"threads were ready to run but had no CPU for {queued:.1f} s, while "
                f"{facts.cpu:.1f} s of CPU time were used: on average {wanted:.1f} wanted to run, "
                f"on {facts.cpus:g} CPUs",
            ],
        )


#: In no order: advice is ordered by what it brings.
RULES = (
    object_arrays,
    unstable_types,
    generic_code,
    narrower_floats,
    for_a_gpu,
    pickling,
    too_many_workers,
)
