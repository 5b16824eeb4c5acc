"""From a recording to advice."""

import contextlib
import os

from . import capture, compiling, rules, sharing, sources, trial
from .facts import Facts
from .rules import Advice

__all__ = ["Advice", "advise"]

#: From fewer samples nothing is concluded.
SAMPLES = 40


def advise(recording, *, calls=None, versions=None, unseen=0.0, progress=None):
    """What a recording says should be changed, what brings most first.

    Parameters
    ----------
    recording : Recording, str or os.PathLike
    calls : dict, optional
        Recorded calls, as :func:`capture.load` gives them: functions are tried on these.
    versions : dict, optional
        What functions were compiled for, as :func:`capture.versions` gives it.
    unseen : float
        CPU time of the program that is in no sample, in seconds.
    progress : callable, optional
        Told, in a line, what is being tried.

    Returns
    -------
    list of Advice

    Raises
    ------
    OSError, ValueError
        As :func:`ferdelance.profiler.load`.
    """
    if isinstance(recording, (str, os.PathLike)):
        from .. import load

        recording = capture.without_itself(load(recording))
    if len(recording.samples) < SAMPLES:
        return []
    facts = Facts(recording, versions, unseen)
    calls = calls or {}

    def call_of(function):
        # Recordings may know more of a name than code does; code begins with its decorators.
        name = function.name.rpartition(".")[2]
        lines = [function.line]
        with contextlib.suppress(sources.NotFound):
            lines += facts.file(function.file).scope(name, function.line).lines
        found = (calls.get((function.file, line, name)) for line in lines)
        return next(filter(None, found), None)

    def attempt(candidate):
        function, part = candidate.function, candidate.part
        call = call_of(function)
        if call is None:
            return None
        if progress:
            progress(f"trying {function.label}")
        text = facts.sources[function.file]
        if part is None:
            return trial.run(candidate.unit, function.file, text, call)
        return trial.run_part(part, function.file, text, call)

    def attempt_loop(function, loop):
        call = call_of(function)
        if call is None or (loop.owner and loop.prefix is None):
            return None
        if progress:
            progress(f"trying the loop in {loop.place_in(function.file)}")
        return trial.run_part(loop, function.file, facts.sources[function.file], call)

    def attempt_shared(function, unit):
        call = call_of(function)
        if call is None:
            return None
        if progress:
            progress(f"trying {function.label} with threads")
        return trial.run(unit, function.file, facts.sources[function.file], call)

    found = compiling.compile_functions(facts, attempt, attempt_loop)
    found.extend(sharing.share_loops(facts, attempt_shared))
    for rule in rules.RULES:
        found.extend(rule(facts))
    found = [a for a in found if a.gain is None or a.gain >= rules.WORTH]
    found.sort(key=lambda a: (a.gain is None, -(a.gain or 0.0), -a.share))
    return found
