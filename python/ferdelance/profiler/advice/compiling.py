"""Loops that the interpreter runs, many calls with small arrays, temporary arrays: one cure.

A function that only computes is compiled with those that it calls. Of one that does more, a loop
is, as a function of its own.
"""

import collections

from . import bodies, edit, loops, sharing, sources
from .facts import ARRAYS, ELEMENTWISE, PAGE_FAULTS
from .rules import LEAST, USUAL, WORTH, Advice, kinds_of_types, percent, whole, with_objects

#: Functions that are tried, at most.
TRIALS = 8
#: Array operations of one expression, where nobody has tried: memory is gone through once for all
#: of them, which gains no more than this.
FUSED = 4
#: What loading the compiler takes, loading NumPy, and compiling a function: CPU time in seconds,
#: where nobody has tried.
LOADING, NUMPY, COMPILING = 0.04, 0.07, 0.02
#: Arrays of fewer elements cost more for each operation than for each element.
SMALL = 2048
#: Why a script's own code is not compiled as it stands.
NO_FUNCTION = "it is in no function"


def starting(facts, function, compiling, trial=None):
    """CPU time for what the changed program does and the program does not, in seconds: compiling a
    function for all types and in each process that it runs in, and loading the compiler where that
    is not there."""
    processes, anew = facts.processes_of(function)
    time = compiling * max(processes, 1) * kinds_of_types(function)
    if facts.has_compiler:
        return time
    start, numpy = (trial.start, trial.numpy) if trial is not None else (LOADING, NUMPY)
    return time + (1 + anew) * (start + (0.0 if facts.has_numpy else numpy))


class Candidate:
    """A function, with what it calls, that might be compiled."""

    def __init__(self, facts, function, unit, part=None):
        self.function = function
        self.unit = unit
        #: What it becomes a function of the top level by, if it is none.
        self.part = part
        moved = {one.name: one for one in part.all} if part else {}
        #: Its lines in the file.
        self.ranges = []
        for node in unit.functions:
            one = moved.get(node.name)
            first = one.lines[0] if one else sources.first_line(node)
            self.ranges.append((first, one.last if one else node.end_lineno, node.name))
        #: The functions that time was spent in of these, with their names in the unit.
        self.parts = {}
        for found in facts.functions:
            if found.file == function.file:
                for first, last, name in self.ranges:
                    if first <= found.line <= last:
                        self.parts[found] = name
        self.interpreter = 0.0
        self.operations = collections.Counter()
        #: What array operations would take, were those of an expression done in one go.
        self.fused = 0.0
        for below, time in facts.below(function).items():
            if below.is_users and below not in self.parts:
                # It is called by value, and stays as it is.
                continue
            # Of functions of libraries that others call as well it is a share.
            share = min(time / below.own, 1.0) if below.own else 0.0
            self.interpreter += share * below.in_interpreter
            operations = {name: share * time for name, time in below.operations.items()}
            self.operations.update(operations)
            elementwise = sum(t for name, t in operations.items() if ELEMENTWISE.match(name))
            name = self.parts.get(below, "")
            self.fused += elementwise / min(sources.operations(unit, name), FUSED)
            self.fused += sum(t for n, t in operations.items() if ARRAYS.match(n)) - elementwise

    @property
    def arrays(self):
        return [pair for part in self.parts for pair in part.arrays()]

    def overlaps(self, other):
        """Whether it changes lines that another one changes as well."""
        return self.function.file == other.function.file and any(
            first <= last_of and first_of <= last
            for first, last, _ in self.ranges
            for first_of, last_of, _ in other.ranges
        )

    def small_arrays(self):
        """The part of the time with arrays in which they were small."""
        times = [(array.size <= SMALL, time) for array, time in self.arrays]
        total = sum(time for _, time in times)
        return sum(time for is_small, time in times if is_small) / total if total else 0.0

    @property
    def in_arrays(self):
        return sum(time for name, time in self.operations.items() if ARRAYS.match(name))

    def estimate(self):
        """The time that compiling is about, and the factor by which that becomes less."""
        faults = self.operations[PAGE_FAULTS]
        old = self.interpreter + self.in_arrays
        new = self.interpreter / USUAL + self.fused
        if self.fused < 0.7 * self.in_arrays:
            # Arrays that are not made need no memory.
            old, new = old + faults, new + faults * self.fused / self.in_arrays
        return old, old / max(new, 1e-9)


def candidates(facts):
    """Functions that might be compiled, outermost first; and those that cannot be, with why."""
    found, not_tried = [], []
    for function in facts.functions:
        if not function.is_users or facts.share(function.total) < LEAST:
            continue
        if function.name == "<module>" and facts.share(function.in_interpreter) >= LEAST:
            not_tried.append((function, NO_FUNCTION))
        if function.name.startswith("<") or function.file not in facts.sources:
            continue
        if with_objects(function) > 0.5 * sum(function.types.values(), start=1e-9):
            # That comes first.
            continue
        try:
            file = facts.file(function.file)
            scope = file.scope(function.name, function.line)
            if file.functions.get(scope.node.name) is scope.node:
                part, unit = None, file.unit_of(scope.node.name)
            else:
                part = bodies.find(file, scope)
                unit = sources.File(part.alone(file.text)).unit_of(part.name)
        except sources.NotFound as reason:
            if facts.share(function.in_interpreter) >= LEAST:
                not_tried.append((function, str(reason)))
            continue
        candidate = Candidate(facts, function, unit, part)
        to_gain = candidate.interpreter + candidate.operations[PAGE_FAULTS]
        if facts.share(to_gain + candidate.in_arrays / 2) < LEAST / 2:
            continue
        if unit.foreign:
            if facts.share(function.in_interpreter) >= LEAST:
                not_tried.append((function, unit.why_not()))
            continue
        found.append(candidate)
    return found, not_tried


def compile_functions(facts, attempt, attempt_loop):
    """Loops that the interpreter runs, many calls with small arrays, temporary arrays: one cure.

    ``attempt(candidate)`` gives a Trial, or None if there are no recorded arguments; so does
    ``attempt_loop(function, loop)`` for a loop of a function that is more than that.
    """
    found, not_tried = candidates(facts)
    chosen, covered = [], set()
    tried, failed = 0, []
    for candidate in found:
        function = candidate.function
        if function in covered:
            continue
        trial = attempt(candidate) if tried < TRIALS else None
        tried += trial is not None
        if trial is not None and not trial.is_good:
            failed.append((function, trial.error or f"compiled, it gives {trial.same}"))
            continue
        if trial is not None:
            more = starting(facts, function, trial.compile, trial)
            gain = whole(facts, function.total, trial.speedup, more)
            if sharing.is_worth_sharing(facts, function, trial, gain):
                more = starting(facts, function, trial.parallel_compile, trial)
                gain = whole(facts, function.total, trial.plain / trial.parallel_cpu, more)
        else:
            compiling = COMPILING * len(candidate.unit.to_compile)
            more = starting(facts, function, compiling)
            gain = whole(facts, *candidate.estimate(), more)
        if gain < WORTH:
            continue
        # Of a function and another one that it calls, what brings more: for a short program that
        # may be the inner one, as there is less to compile.
        same = [pair for pair in chosen if pair[1].overlaps(candidate)]
        if any(one.gain >= gain for one, _ in same):
            continue
        for pair in same:
            chosen.remove(pair)
        covered.update(candidate.parts)
        chosen.append((_of_candidate(facts, candidate, trial, gain), candidate))
    advice = [one for one, _ in chosen]
    for function, reason in [*not_tried, *failed]:
        if function in covered:
            continue
        share = facts.share(function.in_interpreter)
        if share >= LEAST and not any(a.gain and a.share >= share for a in advice):
            if (function, reason) in failed:
                one = _not_compilable(facts, function, reason)
            else:
                one = _not_compiled(facts, function, reason, attempt_loop)
            if one is not None:
                advice.append(one)
    return advice


def _of_candidate(facts, candidate, trial, gain):
    function, unit = candidate.function, candidate.unit
    faults = candidate.operations[PAGE_FAULTS]
    rule, what = "compile", "compile"
    evidence = []
    others = [name for name in unit.names if name != unit.name]
    share = facts.share(function.total)
    spent = f"{percent(share)} of the CPU time is spent in it"
    if others:
        spent += f" and in what it calls ({', '.join(f'`{n}`' for n in others[:3])})"
    evidence.append(f"{spent}: {percent(facts.share(candidate.interpreter))} in the interpreter")
    if candidate.in_arrays > 0:
        evidence[-1] += f", {percent(facts.share(candidate.in_arrays))} in NumPy's loops"
    if faults > 0.2 * function.total:
        rule, what = "temporaries", "compile, so that there are no temporary arrays:"
        evidence.append(
            f"{percent(facts.share(faults))} of the CPU time goes into memory that is touched for "
            "the first time, as by temporary arrays"
        )
    elif candidate.in_arrays > 0.5 * function.total:
        rule, what = "temporaries", "compile, so that arrays are gone through once:"
        evidence.append(
            "NumPy goes through its arrays for each operation anew, and keeps what is between in "
            "temporary arrays"
        )
    elif candidate.small_arrays() > 0.5 and unit.has_array_operations:
        rule, what = "small arrays", "compile, so that calls with small arrays cost nothing:"
        sizes = sorted({array.size for array, _ in candidate.arrays if array.size <= SMALL})
        evidence.append(
            f"its arrays have {_span(sizes)} elements: NumPy takes longer for a call than for those"
        )
        evidence.append(
            "or batch the calls: one with all of them, as rows of an array with a dimension more; "
            "one by one they are nothing for a GPU either, in a batch they may be"
        )
    types = next(iter(function.types), "")
    if types:
        evidence.append(f"called with {types}")
    if candidate.part is not None and candidate.part.assigned:
        names = " and ".join(f"`{name}`" for name in candidate.part.assigned)
        evidence.append(f"new values of {names} are there once all is done: not if it raises")
    shared = [trial.shared] if trial is not None and trial.shared else []
    if shared:
        evidence.append(sharing.evidence(trial))
    title = f"{what} `{function.name}`"
    if candidate.part is not None:
        title = f"make what `{function.name}` does a function, and {what.rstrip(':')} that"
    advice = Advice(
        rule,
        title,
        facts,
        function=function,
        share=share,
        gain=gain,
        evidence=evidence,
    )
    advice.compiled = unit.to_compile
    advice.part = candidate.part
    text = facts.sources[function.file]
    moved = [candidate.part] if candidate.part else []
    advice.shared = shared
    after = edit.changed(text, advice.compiled, moved, shared)
    advice.diff = edit.diff(function.file, text, after)
    advice.trial = trial
    return advice


def _span(sizes):
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


def _not_compilable(facts, function, reason):
    """A function that only computes, but not in a way that the compiler takes."""
    return Advice(
        "compile",
        f"change `{function.name}` so that it can be compiled",
        facts,
        function=function,
        share=facts.share(function.in_interpreter),
        evidence=[
            f"{percent(facts.share(function.in_interpreter))} of the CPU time is spent by the "
            "interpreter in this function, which only computes",
            f"tried as it stands: {reason}",
        ],
    )


def _not_compiled(facts, function, reason, attempt):
    """What there is to be said of a function that cannot be compiled as it stands."""
    is_script = function.name == "<module>"
    own = "the script itself" if is_script else f"`{function.name}`"
    evidence = [
        f"{percent(facts.share(function.in_interpreter))} of the CPU time is spent by the "
        f"interpreter in {'code of the script that is in no' if is_script else 'this'} function"
    ]
    if not is_script:
        evidence.append(f"as it stands it was not tried: {reason}")
    loop, time = _loop(facts, function)
    if loop is None:
        if is_script and not _has_loops(facts, function):
            return None
        return Advice(
            "compile",
            f"move the loops of {own} into a function that only computes, and compile that",
            facts,
            function=function,
            share=facts.share(function.own),
            evidence=evidence,
        )
    trial = attempt(function, loop)
    evidence.append(
        f"the loop in lines {loop.first} to {loop.last} only computes, in "
        f"{percent(facts.share(time))} of the CPU time: it can be a function"
    )
    advice = Advice(
        "compile",
        f"make a loop of {own} a function, and compile that",
        facts,
        function=function,
        share=facts.share(time),
        evidence=evidence,
    )
    if trial is not None and not trial.is_good:
        advice.evidence.append(f"tried as one: {trial.error or f'it gives {trial.same}'}")
        return advice
    advice.trial = trial
    if trial is not None and trial.compiled:
        more = starting(facts, function, trial.compile, trial)
        advice.gain = whole(facts, time, trial.speedup, more)
        if sharing.is_worth_sharing(facts, function, trial, advice.gain):
            more = starting(facts, function, trial.parallel_compile, trial)
            advice.gain = whole(facts, time, trial.plain / trial.parallel_cpu, more)
            advice.shared = [trial.shared]
            advice.evidence.append(sharing.evidence(trial))
    else:
        compiling = trial.compile if trial is not None else COMPILING
        advice.gain = whole(facts, time, USUAL, starting(facts, function, compiling, trial))
    advice.part = loop
    advice.line = loop.first if is_script else advice.line
    advice.compiled = loop.compiled
    text = facts.sources[function.file]
    after = edit.changed(text, advice.compiled, [loop], advice.shared)
    advice.diff = edit.diff(function.file, text, after)
    return advice


def _loop(facts, function):
    """A loop of a function that can be moved, with the time that the interpreter spends in it."""
    times = {n: time for (file, n), time in facts.lines.items() if file == function.file}
    try:
        file = facts.file(function.file)
        is_script = function.name == "<module>"
        scope = None if is_script else file.scope(function.name, function.line)
        loop = loops.find(file, scope, times)
    except sources.NotFound:
        return None, 0.0
    if loop is None or not function.own:
        return None, 0.0
    within = sum(times.get(n, 0.0) for n in range(loop.first, loop.last + 1))
    time = min(within * function.in_interpreter / function.own, function.in_interpreter)
    return (loop, time) if facts.share(time) >= LEAST else (None, 0.0)


def _has_loops(facts, function):
    try:
        nodes = facts.file(function.file).tree.body
    except sources.NotFound:
        return False
    return any(isinstance(node, loops.LOOPS) for node in nodes)
