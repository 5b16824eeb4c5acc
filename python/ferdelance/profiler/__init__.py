"""Recordings of programs: where their time goes.

    from ferdelance import profiler

    with profiler.record() as r:
        solve()
    print(r.recording.functions.to_pandas().sort_values("own"))

``fdl record`` does the same from outside, and ``load`` reads what it writes.

    p = profiler.Profile()
    p.run("solve()")
    p.print_stats()

counts every call by the types and shapes of its arguments; ``lines`` decorates functions whose
lines are to be counted.
"""

from ._api import record, start, stop
from ._lines import lines
from ._profile import Profile, plot, run, runctx
from ._recording import Recording, Table, load

__all__ = [
    "Profile",
    "Recording",
    "Table",
    "advise",
    "lines",
    "load",
    "plot",
    "record",
    "run",
    "runctx",
    "start",
    "stop",
]


def advise(recording, **options):
    """What a recording says should be changed: see :func:`ferdelance.profiler.advice.advise`."""
    from . import advice

    return advice.advise(recording, **options)
