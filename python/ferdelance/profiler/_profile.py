"""The deterministic profiler of calls: ``Profile``, ``run``, ``runctx``, ``plot``."""

import collections
import functools
import os
import time

from .. import _core
from ._children import Children, merged
from ._lines import recording_of


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


Entry = collections.namedtuple("Entry", "code callcount reccallcount totaltime inlinetime calls")


class Profile(_core.CallProfiler):
    """Counts every call of a function, by the types, dtypes, shapes and lengths of its arguments.

    As :class:`cProfile.Profile`, from :meth:`enable` to :meth:`disable`, within ``with``, or around
    the calls of a function that is decorated with it; but in all threads of the interpreter, and in
    processes that are started meanwhile, from their start to their end. Times are those that
    passed, the hooks' own included, as cProfile's are.

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
    children : bool
        Whether processes that are started while it is enabled count, too. They find a request in
        their environment. Of those that have ended the profile has what they have counted.

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
        children=True,
    ):
        self = super().__new__(cls, custom_timer, time_unit, subcalls, builtins, signatures)
        self._correct = correct and custom_timer is None
        request = {
            "mode": "data",
            "tables": True,
            "builtins": builtins,
            "signatures": signatures,
            "correct": correct,
        }
        self._children = None
        if children:
            # Another Python has not this one's clock.
            self._children = Children(request if custom_timer is None else None)
        self._depth = 0
        self._started = time.time()
        return self

    def _begins(self):
        if self._children is not None:
            self._children.watch(self)

    def _ended(self):
        if self._children is not None:
            self._children.unwatch()

    def clear(self, *, child=False):
        """Forget what was counted."""
        super().clear(child=child)
        if self._children is not None:
            self._children.clear()

    def leave_children(self):
        """In the child of a fork: other children are the parent's. Where to write what this one
        counts."""
        children, self._children = self._children, None
        return children.directory

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
        """Call a function, and return what it returns; calls within it belong to it."""
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

    def getstats(self):
        """What was counted so far, as :meth:`cProfile.Profile.getstats` has it.

        Returns
        -------
        list
            Of entries with ``code`` (file, line and name), ``callcount``, ``reccallcount``,
            ``totaltime``, ``inlinetime`` and ``calls`` (the same of what it called, or None).
        """
        counts = self.tables()
        entries = []
        for function, signature, n, recursive, own, total, _ in counts["calls"]:
            file, line, short, *_ = counts["functions"][function]
            code = (file, line, call_name(short, signature))
            entries.append(Entry(code, n, recursive, total, own, []))
        for caller, callee, n, recursive, own, total in counts["callers"]:
            part = Entry(entries[callee].code, n, recursive, total, own, None)
            entries[caller].calls.append(part)
        return [entry for entry in entries if entry.callcount]

    def tables(self):
        """What was counted so far: ``functions``, ``calls`` and ``callers``, as lists of tuples."""
        counts = self.counts()
        if self._correct:
            correct(counts, hook_cost(counts["builtins"]))
        others = list(self._children.tables()) if self._children is not None else []
        return merged([counts, *others]) if others else counts

    def recording(self):
        """What was counted so far, as a :class:`Recording`: tables, reports, exports."""
        log = self._children.missing() if self._children is not None else []
        return recording_of(counts=self.tables(), log=log, started=self._started)

    def plot(self, file=None):
        """See :func:`plot`."""
        return plot(self, file)


def stats_of(counts):
    """The dict that :mod:`pstats` reads, of a profile's tables."""
    functions, calls = counts["functions"], counts["calls"]
    stats, keys = {}, []

    def add(old, new):
        return tuple(a + b for a, b in zip(old, new, strict=True))

    for function, signature, n, recursive, own, total, *_ in calls:
        file, line, short, *_ = functions[function]
        key = (file, line, call_name(short, signature))
        keys.append(key)
        if n == 0:
            continue
        row = (n - recursive, n, own, total)
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
    calls, callers = counts["calls"], counts["callers"]
    made = [0] * len(calls)
    for caller, _, n, *_ in callers:
        made[caller] += n
    kept = []
    for i, (*row, n, recursive, own, total, below) in enumerate(calls):
        less = max(own - n * inner - made[i] * outer, 0.0)
        rest = max(total - (n - recursive) * inner - below * (inner + outer), less)
        kept.append((less / own if own else 1.0, rest / total if total else 1.0))
        calls[i] = (*row, n, recursive, less, rest, below)
    for i, (caller, callee, n, recursive, own, total) in enumerate(callers):
        of_own, of_total = kept[callee]
        callers[i] = (caller, callee, n, recursive, own * of_own, total * of_total)


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
    recording = profile.recording()
    if len(recording.calls) == 0:
        raise ValueError("nothing was counted: run something under the profile first")
    if file is None and _in_notebook():
        import tempfile

        from IPython.display import HTML

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "profile.svg")
            recording.export(path, "svg")
            with open(path, encoding="utf-8") as picture:
                return HTML(_framed(picture.read()))
    path = os.path.abspath(os.fspath(file or "profile.svg"))
    recording.export(path, "svg")
    print(f"{path}: open it in a browser")
    return path


def _in_notebook():
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _framed(picture):
    """A picture with scripts in a page: in a frame of its own, which sees nothing of the page."""
    import html

    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(picture)}" '
        'style="width: 100%; height: 480px; border: 0"></iframe>'
    )
