"""Compiled code that runs on one CPU of several: a loop of it that threads can share."""

import ast

from . import edit, rounds, sources
from .rules import WORTH, Advice, duration, percent

#: Of what a loop takes on one CPU, threads save so much less than all but one part.
EVEN = 0.8


def is_worth_sharing(facts, function, trial, gain):
    """Whether threads that share a loop of a function make the program take less time, after it
    became so many times as fast by compiling; sets the trial's `shared` to what is to be."""
    if trial.shared:
        elapsed = facts.elapsed * (1.0 - (facts.cpu - facts.cpu / gain) / facts.cpu)
        saved = function.total / trial.plain * (trial.serial - trial.parallel)
        saved -= max(trial.parallel_compile - trial.compile, 0.0)
        if not _has_cpus(facts, function) or elapsed < WORTH * (elapsed - saved):
            trial.shared = ""
    return bool(trial.shared)


def evidence(trial):
    """Why threads should share a loop."""
    return (
        f"the rounds of a loop in `{trial.shared}` do not depend on each other, if the arrays that "
        f"it gets do not overlap: shared by {trial.threads} threads, a call takes "
        f"{duration(trial.parallel)} in place of {duration(trial.serial)}"
    )


def share_loops(facts, attempt):
    """Compiled functions with a loop that threads can share.

    ``attempt(function, unit)`` gives a Trial, or None if there are no recorded arguments.
    """
    for function in facts.functions:
        share = facts.share(function.own)
        if function.kind != "compiled" or share < 0.5 or not _has_cpus(facts, function):
            continue
        unit = _unit(facts, function)
        if unit is None:
            continue
        file = facts.file(function.file)
        loop = rounds.find_in(file, unit)
        if loop is None or loop.function not in unit.ready or _is_parallel(file, loop.function):
            continue
        trial = attempt(function, unit)
        if trial is not None and (trial.error or not trial.shared):
            continue
        cpus = int(facts.cpus)
        faster = trial.serial / trial.parallel if trial is not None else EVEN * cpus
        gain = facts.elapsed / max(facts.elapsed - function.own * (1 - 1 / faster), 1e-9)
        said = [
            f"{percent(share)} of the CPU time is spent in this compiled function, on one of "
            f"{cpus} CPUs"
        ]
        if trial is not None:
            said.append(evidence(trial))
        else:
            said.append(
                f"the rounds of a loop in `{loop.function}` do not depend on each other, if the "
                "arrays that it gets do not overlap"
            )
        advice = Advice(
            "parallel",
            f"run `{loop.function}` on all CPUs: `@njit(parallel=True)`, and `prange` in it",
            facts,
            function=function,
            share=share,
            gain=gain,
            evidence=said,
        )
        advice.clock = "elapsed"
        advice.trial = trial
        advice.shared = [loop.function]
        after = edit.changed(file.text, [], shared=advice.shared)
        advice.diff = edit.diff(function.file, file.text, after)
        yield advice


def _has_cpus(facts, function):
    """Whether CPUs idle while a function runs."""
    if facts.cpus < 2 or not facts.elapsed or facts.cpu / facts.elapsed > 1.2:
        return False
    processes, _ = facts.processes_of(function)
    return processes < 2


def _unit(facts, function):
    """A compiled function with what it calls, if its file is known, and it is of its top level."""
    name = function.name.rpartition(".")[2]
    try:
        file = facts.file(function.file)
    except sources.NotFound:
        return None
    node = file.functions.get(name)
    if node is None or not file.is_compiled(node):
        return None
    unit = file.unit_of(name)
    return None if unit.foreign else unit


def _is_parallel(file, name):
    """Whether a compiled function says that threads share its loops, or that it may not."""
    (decorator,) = file.functions[name].decorator_list
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else ()
    return any(keyword.arg in ("parallel", None) for keyword in keywords)
