"""Parallel loops and threads, seen from Python.

Generated code runs on the calling thread for now: a `prange` loop is an ordinary loop, and the
number of threads and the chunk size are kept for the day they have an effect.
"""

import contextlib
import threading

import numpy as np

from . import config


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


class _Local(threading.local):
    num_threads = None
    chunksize = 0


_local = _Local()


def get_num_threads():
    """Number of threads that parallel code started from this thread uses.

    At first `config.NUMBA_NUM_THREADS`.
    """
    return _local.num_threads or config.NUMBA_NUM_THREADS


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
    _local.num_threads = int(n)


def get_thread_id():
    """Number of the thread within the parallel region, from 0; 0 outside of one."""
    return 0


def threading_layer():
    """Name of what runs parallel code.

    Raises ValueError until parallel code has run.
    """
    raise ValueError("no threading layer is active: no parallel code has run")


def get_parallel_chunksize():
    """Number of iterations that a thread takes at a time; 0: as many as share the work evenly."""
    return _local.chunksize


def set_parallel_chunksize(n):
    """Set how many iterations a thread takes at a time; 0 leaves it open.

    It holds for parallel code started from this thread. Returns the number that was set before.
    Raises TypeError unless `n` is an integer, ValueError when it is negative.
    """
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"the chunk size is an integer, not {n!r}")
    if n < 0:
        raise ValueError(f"the chunk size must not be negative: {n}")
    before, _local.chunksize = _local.chunksize, int(n)
    return before


@contextlib.contextmanager
def parallel_chunksize(n):
    """`with parallel_chunksize(n):` holds the chunk size at `n` inside the block."""
    before = set_parallel_chunksize(n)
    try:
        yield
    finally:
        set_parallel_chunksize(before)
