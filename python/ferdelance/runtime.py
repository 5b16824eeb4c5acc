"""The run time of compiled code."""


def stats():
    """Counters of the run time since the process began: a dict from names to numbers.

    Comparing them before and after shows whether memory is leaked.
    """
    from . import _core

    return _core.runtime_stats()
