"""The deterministic profiler of calls: ``Profile``, ``run``, ``runctx``, ``plot``."""

import functools
import os
import time

from .. import _core


def call_name(name, arguments):
    """What a call is listed as: ``dot(a:ndarray(dtype=float32, shape=(16,)), n:int)``.

    Parameters
    ----------
    name : str
        The function's.
    arguments : sequence of (str, str), or None
        Names of parameters and what was passed; of a method, the first one is ``self``, whose class
        goes before the name.

    Returns
    -------
    str
    """
    if arguments is None:
        return name
    if arguments and arguments[0][0] == "self":
        owner = arguments[0][1].partition("(")[0].partition("[")[0]
        name = owner if name == "__init__" else f"{owner}.{name}"
        arguments = arguments[1:]
    return f"{name}({', '.join(f'{a}:{t}' if a else t for a, t in arguments)})"


class Profile(_core.CallProfiler):
    """Counts every call of a function, by the types, dtypes, shapes and lengths of its arguments.

    As :class:`cProfile.Profile`, from :meth:`enable` to :meth:`disable`, within ``with``, or around
    the calls of a function that is decorated with it; but in all threads of the interpreter. Times
    are those that passed, the hooks' own included, as cProfile's are.

    >>> p = Profile()
    >>> p.run("dot(a, b)")
    >>> p.print_stats()

    Parameters
    ----------
    custom_timer : callable, optional
        Called for the time, without arguments; default: a clock of real time.
    time_unit : float, optional
        What the custom timer's integers count, in seconds; without it, it returns seconds.
    subcalls : bool
        Whether calls are counted by caller, too.
    builtins : bool
        Whether calls of functions of C count.
    signatures : bool
        Whether functions are told apart by their arguments. A function has at most 64 signatures;
        after that, shapes and lengths are told apart by rank and size alone, then not at all.
    correct : bool
        Whether what the profiler itself costs, as measured once, is taken off the times. Then they
        are nearer to those of the program without it, but estimates.

    Attributes
    ----------
    stats : dict
        As :mod:`pstats` has it, made by :meth:`create_stats` and :meth:`snapshot_stats`.
    mechanism : str
        How calls are watched, while they are.

    Raises
    ------
    ValueError
        By :meth:`enable`, if another profiler of calls is active.
    RuntimeError
        By :meth:`enable`, if this version of Python is not known well enough.
    """

    def __new__(
        cls,
        custom_timer=None,
        time_unit=None,
        subcalls=True,
        builtins=True,
        signatures=True,
        correct=False,
    ):
        self = super().__new__(cls, custom_timer, time_unit, subcalls, builtins, signatures)
        self._correct = correct and custom_timer is None
        self._depth = 0
        return self

    def __enter__(self):
        self.enable()
        return self

    def __exit__(self, *_):
        self.disable()

    def __call__(self, function):
        @functools.wraps(function)
        def profiled(*args, **kwargs):
            return self.runcall(function, *args, **kwargs)

        return profiled

    def run(self, cmd):
        """Run a statement in ``__main__``; returns the profile."""
        import __main__

        return self.runctx(cmd, __main__.__dict__, __main__.__dict__)

    def runctx(self, cmd, globals, locals):
        """Run a statement in these namespaces; returns the profile."""
        self.enable()
        try:
            exec(cmd, globals, locals)
        finally:
            self.disable()
        return self

    def runcall(self, func, /, *args, **kw):
        """Call a function, and return what it returns. Calls within profiled calls belong to these."""
        self._depth += 1
        if self._depth == 1:
            self.enable()
        try:
            return func(*args, **kw)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.disable()

    def print_stats(self, sort=-1):
        """Print the table, sorted as :meth:`pstats.Stats.sort_stats` does."""
        import pstats

        sort = sort if isinstance(sort, tuple) else (sort,)
        pstats.Stats(self).strip_dirs().sort_stats(*sort).print_stats()

    def dump_stats(self, file):
        """Write a file that :class:`pstats.Stats` reads. Raises OSError."""
        import marshal

        self.create_stats()
        with open(file, "wb") as out:
            marshal.dump(self.stats, out)

    def create_stats(self):
        """End counting, and make :attr:`stats`."""
        self.disable()
        self.snapshot_stats()

    def snapshot_stats(self):
        """Make :attr:`stats` of what was counted so far."""
        self.stats = stats_of(self.tables())

    def tables(self):
        """What was counted so far: ``functions``, ``calls`` and ``callers``, as lists of tuples."""
        counts = self.counts()
        if self._correct:
            correct(counts, hook_cost(counts["builtins"]))
        return counts

    def plot(self, file=None):
        """See :func:`plot`."""
        return plot(self, file)


def stats_of(counts):
    """The dict that :mod:`pstats` reads, of a profile's tables."""
    functions, calls = counts["functions"], counts["calls"]
    has_signatures = any(signature is not None for _, signature, *_ in calls)
    stats, keys = {}, []

    def add(old, new):
        return tuple(a + b for a, b in zip(old, new, strict=True))

    for function, signature, n, recursive, own, total, *_ in calls:
        file, line, short, _, _, all_calls, all_recursive, all_total, _ = functions[function]
        key = (file, line, call_name(short, signature))
        keys.append(key)
        if n == 0:
            continue
        row = (n - recursive, n, own, total)
        if not has_signatures:
            row = (all_calls - all_recursive, all_calls, own, all_total)
        if key in stats:
            old, callers = stats[key][:4], stats[key][4]
            stats[key] = (*add(old, row), callers)
        else:
            stats[key] = (*row, {})
    for caller, callee, n, recursive, own, total, *_ in counts["callers"]:
        if n == 0 or keys[callee] not in stats:
            continue
        callers = stats[keys[callee]][4]
        row = (n, n - recursive, own, total)
        callers[keys[caller]] = add(callers.get(keys[caller], (0, 0, 0.0, 0.0)), row)
    return stats


def _nothing():
    pass


def _call_often(times):
    for _ in times:
        _nothing()


@functools.cache
def hook_cost(builtins=False):
    """What counting a call costs, in seconds: within the time of the call itself, and around it."""
    rounds = range(2000)
    profile = _core.CallProfiler(builtins=builtins)
    inner, outer = [], []
    for _ in range(5):
        start = time.perf_counter()
        _call_often(rounds)
        plain = time.perf_counter() - start
        profile.clear()
        profile.enable()
        start = time.perf_counter()
        _call_often(rounds)
        traced = time.perf_counter() - start
        profile.disable()
        counts = profile.counts()
        for function, _, calls, _, own, *_ in counts["calls"]:
            if counts["functions"][function][2] == "_nothing" and calls:
                # What an empty function takes by itself is counted as cost: some nanoseconds.
                inner.append(own / calls)
                outer.append(max((traced - plain) / calls - own / calls, 0.0))
    return min(inner), min(outer)


def correct(counts, cost):
    """Take what counting costs off the times in a profile's tables."""
    inner, outer = cost
    both = inner + outer

    def corrected(own, total, calls, recursive, made, below):
        own = max(own - calls * inner - made * outer, 0.0)
        return own, max(total - (calls - recursive) * inner - below * both, own)

    for i, row in enumerate(counts["calls"]):
        n, recursive, own, total, made, below = row[2:]
        own, total = corrected(own, total, n, recursive, made, below)
        counts["calls"][i] = (*row[:4], own, total, made, below)
    for i, row in enumerate(counts["callers"]):
        n, recursive, own, total, made, below = row[2:]
        own, total = corrected(own, total, n, recursive, made, below)
        counts["callers"][i] = (*row[:4], own, total, made, below)
    for i, row in enumerate(counts["functions"]):
        n, recursive, total, below = row[5:]
        total = max(total - (n - recursive) * inner - below * both, 0.0)
        counts["functions"][i] = (*row[:7], total, below)


def _show(profile, filename, sort):
    if filename is not None:
        profile.dump_stats(filename)
    else:
        profile.print_stats(sort)


def run(statement, filename=None, sort=-1):
    """Run a statement in ``__main__`` under a :class:`Profile`, and print or write what it tells.

    Parameters
    ----------
    statement : str or code
    filename : str, optional
        Where to write the statistics, for :class:`pstats.Stats`; default: print them.
    sort : str or int
        As for :meth:`pstats.Stats.sort_stats`.
    """
    import __main__

    runctx(statement, __main__.__dict__, __main__.__dict__, filename, sort)


def runctx(statement, globals, locals, filename=None, sort=-1):
    """As :func:`run`, in these namespaces."""
    profile = Profile()
    try:
        profile.runctx(statement, globals, locals)
    except SystemExit:
        pass
    finally:
        _show(profile, filename, sort)


def plot(profile, file=None):
    """Draw a profile: who calls whom, and for how long.

    Parameters
    ----------
    profile : Profile
    file : str or os.PathLike, optional
        Where to write the picture, an SVG; default: in a notebook it is shown, elsewhere it is
        ``profile.svg`` in the current directory.

    Returns
    -------
    object or str
        In a notebook what shows the picture, elsewhere the path of the file, which is printed, too.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If nothing was counted.
    """
    from . import _plot

    picture = _plot.svg(profile.tables())
    if file is None and _plot.in_notebook():
        from IPython.display import SVG

        return SVG(picture)
    path = os.path.abspath(os.fspath(file or "profile.svg"))
    with open(path, "w", encoding="utf-8") as out:
        out.write(picture)
    print(f"{path}: open it in a browser")
    return path
