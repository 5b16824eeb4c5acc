"""From a recording to advice."""

import os

from . import capture, compiling, rules, sources, trial
from .facts import Facts
from .rules import Advice

__all__ = ["Advice", "advise"]

#: From fewer samples nothing is concluded.
SAMPLES = 40


def advise(recording, *, calls=None, progress=None):
    """What a recording says should be changed, what brings most first.

    Parameters
    ----------
    recording : Recording, str or os.PathLike
    calls : dict, optional
        Recorded calls, as :func:`capture.load` gives them: functions are tried on these.
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
    facts = Facts(recording)
    calls = calls or {}

    def attempt(candidate):
        function = candidate.function
        call = calls.get((function.file, function.line, function.name))
        if call is None:
            return None
        if progress:
            progress(f"trying {function.label}")
        return trial.run(candidate.unit, function.file, facts.sources[function.file], call)

    def attempt_loop(function, loop):
        call = calls.get((function.file, function.line, function.name))
        if call is None or (loop.owner and loop.prefix is None):
            return None
        if progress:
            progress(f"trying the loop in {loop.place_in(function.file)}")
        text = loop.alone(facts.sources[function.file])
        file = sources.File(text)
        unit = file.unit_of(loop.name)
        if loop.owner:
            return trial.run(unit, function.file, text, call, prepare=file.unit_of(loop.prepare))
        return trial.run(unit, function.file, text, call, examples=loop.parameters)

    found = compiling.compile_functions(facts, attempt, attempt_loop)
    for rule in rules.RULES:
        found.extend(rule(facts))
    found = [a for a in found if a.gain is None or a.gain >= rules.WORTH]
    found.sort(key=lambda a: (a.gain is None, -(a.gain or 0.0), -a.share))
    # What is to be done before a function is compiled stands before that.
    for one in [a for a in found if a.rule == "types"]:
        same = [i for i, a in enumerate(found) if a.function == one.function and a is not one]
        if same:
            found.remove(one)
            found.insert(same[0], one)
    return found
