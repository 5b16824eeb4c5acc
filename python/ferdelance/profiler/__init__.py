"""Recordings of programs: where their time goes.

    from ferdelance import profiler

    with profiler.record() as r:
        solve()
    print(r.recording.functions.to_pandas().sort_values("own"))

``fdl record`` does the same from outside, and ``load`` reads what it writes.
"""

from ._api import record, start, stop
from ._recording import Recording, Table, load

__all__ = ["Recording", "Table", "advise", "load", "record", "start", "stop"]


def advise(recording, **options):
    """What a recording says should be changed: see :func:`ferdelance.profiler.advice.advise`."""
    from . import advice

    return advice.advise(recording, **options)
