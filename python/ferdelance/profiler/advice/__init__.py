"""Advice: what a recording says should be changed, and what that would bring.

    recording ─▶ facts ─▶ rules ─▶ Advice, by gain ─▶ page
                            ▲
    program ─▶ capture ─▶ trial: compiled, run on recorded arguments, compared

``facts`` is what ``rules`` look at. ``compiling`` and ``sharing`` are the rules with a cure that is
tried: for the one, ``loops`` and ``bodies`` make functions of the top level of loops, methods and
inner functions, as ``parts``; for the other, ``rounds`` finds loops that threads can share.
``sources`` finds a function and what it calls in the
texts of files. ``capture`` runs in the program, ``trial`` in a process of its own. Nothing here
runs code of the user's but a trial, and that only functions that compute: see :mod:`.sources`.
"""

__all__ = ["Advice", "advise"]


def __getattr__(name):
    # The program in which arguments are captured needs none of the rest.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _advise

    return getattr(_advise, name)
