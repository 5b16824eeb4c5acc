"""Parallel loops and threads, seen from Python.

Compiled code has a team of threads of its own; how many of them take part, and in which pieces, is
a setting of the thread that calls.
"""

import contextlib

import numpy as np

from . import _core, config


class prange:
    """`range`, whose iterations may run in any order and at once with `parallel=True`.

    `prange(stop)`, `prange(start, stop)` or `prange(start, stop, step)`. In interpreted code it
    gives a `range`.
    """

    def __new__(cls, *args):
        return range(*args)


class pndindex:
    """`np.ndindex`, whose iterations may run in any order and at once with `parallel=True`."""

    def __new__(cls, *shape):
        return np.ndindex(*shape)


def get_num_threads():
    """Number of threads that parallel code started from this thread uses.

    At first `config.NUMBA_NUM_THREADS`.
    """
    return _core.num_threads()


def set_num_threads(n):
    """Set the number of threads for parallel code started from this thread.

    Raises TypeError unless `n` is an integer, and ValueError unless 1 <= n <=
    `config.NUMBA_NUM_THREADS`.
    """
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"the number of threads is an integer, not {n!r}")
    if not 1 <= n <= config.NUMBA_NUM_THREADS:
        raise ValueError(
            f"the number of threads must be between 1 and {config.NUMBA_NUM_THREADS}, not {n}"
        )
    _core.set_num_threads(int(n))


def get_thread_id():
    """Number of the thread within the parallel region, from 0; 0 outside of one."""
    return _core.thread_id()


def threading_layer():
    """Name of what runs parallel code.

    Raises ValueError until parallel code has run.
    """
    if not _core.team_was_used():
        raise ValueError("no threading layer is active: no parallel code has run")
    return "ferdelance"


def get_parallel_chunksize():
    """Number of iterations that a thread takes at a time; 0: as many as share the work evenly."""
    return _core.chunk_size()


def set_parallel_chunksize(n):
    """Set how many iterations a thread takes at a time; 0 leaves it open.

    It holds for parallel code started from this thread. Returns the number that was set before.
    Raises TypeError unless `n` is an integer, ValueError when it is negative.
    """
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"the chunk size is an integer, not {n!r}")
    if n < 0:
        raise ValueError(f"the chunk size must not be negative: {n}")
    return _core.set_chunk_size(int(n))


@contextlib.contextmanager
def parallel_chunksize(n):
    """`with parallel_chunksize(n):` holds the chunk size at `n` inside the block."""
    before = set_parallel_chunksize(n)
    try:
        yield
    finally:
        set_parallel_chunksize(before)


def _warn(function, file, line, loops):
    """Warn that loops (file, line, why) of a function run in order, or that nothing is parallel.

    Called by the compiler.
    """
    if config.DISABLE_PERFORMANCE_WARNINGS:
        return
    import warnings

    from .errors import NumbaPerformanceWarning

    if not loops:
        text = f"parallel=True has no effect: nothing in {function} can run on several threads"
        loops = [(file, line, text)]
    for file, line, text in loops:
        warnings.warn_explicit(text, NumbaPerformanceWarning, file, line)
