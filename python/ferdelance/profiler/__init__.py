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

# Where the public names live, by module: they are fetched when they are first used. A program that
# is watched loads no more than what watches it.
_HOMES = {
    "_api": "record start stop",
    "_lines": "lines",
    "_profile": "Profile plot run runctx",
    "_recording": "Recording Table load",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "advise"])


def __getattr__(name):
    import importlib

    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})


def advise(recording, **options):
    """What a recording says should be changed: see :func:`ferdelance.profiler.advice.advise`."""
    from . import advice

    return advice.advise(recording, **options)
