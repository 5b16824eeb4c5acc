"""A recording that was made: tables, and what is made of them."""

import functools
import os
import re
import warnings

from .. import _core


def load(path):
    """The recording in a file.

    Nothing in the file is executed, and no other file is opened. A file that is damaged or
    incomplete is read as far as it goes, with a warning.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Recording

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no recording, or one of a newer version.
    """
    inner, missing = _core.Recording.load(os.fspath(path))
    for sentence in missing:
        warnings.warn(f"{path}: {sentence}", stacklevel=2)
    return Recording(inner)


class Table:
    """Columns of the same length, by name: arrays of numbers, lists of texts.

    ``table["name"]`` is a column, ``len(table)`` the number of rows, and iteration is over the
    names of columns, so that ``dict(table)`` is what pandas makes a frame of.
    """

    def __init__(self, name, columns):
        self.name = name
        self._columns = columns

    def __getitem__(self, column):
        return self._columns[column]

    def __iter__(self):
        return iter(self._columns)

    def keys(self):
        return self._columns.keys()

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def __repr__(self):
        return f"<{self.name}: {len(self):,} rows of {', '.join(self._columns)}>"

    def to_pandas(self):
        """The table as a :class:`pandas.DataFrame`. Raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame(dict(self._columns))


def _column(column):
    if isinstance(column, list):
        return column
    import numpy as np

    dtype, data = column
    return np.frombuffer(data, dtype)


class Recording:
    """Samples of a program, and all that they refer to.

    Times are in seconds, those of day excepted since the recording began. Where a column refers to
    rows of another table, -1 is none.

    Attributes
    ----------
    meta : dict
        What was run (``command``, ``directory``, ``exit_status``), when (``started``, seconds since
        1970; ``elapsed``), how (``rate``, in Hz), and where (``host``, ``system``, ``cpu``,
        ``target_cpus``: how many CPUs the program might use).
    samples : Table
        ``time``; ``thread``, ``stack``, ``signature``: rows of these tables; ``state``; ``user``,
        ``kernel``: CPU time that the sample stands for; ``wait``: time that the thread waited;
        besides, ``pid``, ``tid``, ``thread_name``, ``function`` (the innermost one's name) and
        ``arguments`` (types of the innermost Python function's), of the rows referred to.
    functions : Table
        ``name``, ``file``, ``line`` (of the definition), ``module``, ``kind`` (python, native,
        compiled, kernel, unknown), ``own`` and ``total`` CPU time, ``samples``.
    frames : Table
        Places in functions: ``function``, ``line``, ``column``, ``end_line``, ``end_column`` (of
        the expression, in bytes from 1; 0 is not known), ``address``.
    stacks : Table
        ``parent``: what called it; ``frame``. Callers come before what they call.
    calls : Table
        What the profiler of calls has counted: ``name`` (with the arguments), ``function``,
        ``signature`` (-1: none), ``calls``, ``primitive`` (calls that are not within another one of
        the same row), ``own`` and ``total`` time.
    callers : Table
        ``caller`` and ``callee``, rows of `calls`; ``calls``, ``primitive``, ``own``, ``total``.
    lines : Table
        What the profiler of lines has counted: ``function``, ``name``, ``file``, ``line``,
        ``hits``, ``time`` with all that is called.
    threads, processes, signatures, sources, log : Table
    hot : Table
        Functions as ``fdl report`` has them: ``function``; ``own`` CPU time, with that of the
        native code that they call; ``total``; ``samples``.
    operations : Table
        What that native code did: ``function`` (-1 where none called it), ``operation`` in words,
        ``time``.
    types : Table
        CPU time by types of arguments: ``function``, ``signature``, ``time``.
    hot_lines : Table
        ``function``, ``file``, ``line``, ``own`` CPU time, with that of the library code that the
        line calls, and ``total``.
    """

    def __init__(self, inner):
        self._inner = inner

    def __repr__(self):
        meta = self.meta
        return (
            f"<Recording of {' '.join(meta['command']) or '?'}: {len(self.samples):,} samples, "
            f"{len(self.processes)} processes, {meta['elapsed']:.2f} s>"
        )

    @functools.cached_property
    def meta(self):
        return self._inner.meta()

    def _table(self, name):
        return {k: _column(v) for k, v in self._inner.table(name).items()}

    @functools.cached_property
    def samples(self):
        import numpy as np

        columns = self._table("samples")
        threads, processes = self.threads, self.processes
        thread = columns["thread"]
        process = threads["process"][thread]
        columns["pid"] = processes["pid"][process]
        columns["tid"] = threads["tid"][thread]
        columns["thread_name"] = [threads["name"][i] for i in thread]
        functions = [*self.functions["name"], ""]
        frame = np.append(self.stacks["frame"], -1)[columns["stack"]]
        function = np.append(self.frames["function"], -1)[frame]
        columns["function"] = [functions[i] for i in function]
        arguments = [*self.signatures["arguments"], ""]
        columns["arguments"] = [arguments[i] for i in columns["signature"]]
        return Table("samples", columns)

    def save(self, path, sources=True):
        """Write it to a file, which :func:`load` reads.

        Parameters
        ----------
        path : str or os.PathLike
        sources : bool
            Whether the texts of source files go with it.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        self._inner.save(os.fspath(path), sources)

    def report(
        self,
        *,
        top=15,
        process=None,
        thread=None,
        function=None,
        functions=False,
        lines=False,
        callers=False,
        tree=False,
        native=False,
        color=False,
        json=False,
    ):
        """What ``fdl report`` prints: where the time went, as text of at most 100 columns.

        Parameters
        ----------
        top : int
            Rows of each table.
        process : int, optional
            Only this process, by its number.
        thread : str, optional
            Only threads of this name.
        function : str, optional
            Only samples with a function on the stack of which this regular expression matches some
            part of ``module.name``.
        functions, lines, callers, tree : bool
            Only these parts: the hot functions; the lines; the hot functions with who called
            them; the tree of calls.
        native : bool
            All frames as functions of their own: those of the interpreter and of libraries, too.
        color : bool
            With the escape sequences of terminals.
        json : bool
            The same data as JSON, all rows of it: `top` and `color` do not matter.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If `function` is no regular expression, or there is no such function.
        """
        return self._inner.report(
            top=top,
            process=process,
            thread=thread,
            functions=None if function is None else self._matching(function),
            hot=functions,
            lines=lines,
            callers=callers,
            tree=tree,
            native=native,
            color=color,
            json=json,
        )

    def _matching(self, pattern):
        """The functions whose module and name a regular expression matches, in any part."""
        try:
            search = re.compile(pattern).search
        except re.error as error:
            raise ValueError(f"{pattern}: {error}") from None
        columns = zip(*(self.functions[name] for name in ("kind", "module", "name")), strict=True)
        found = [
            i
            for i, (kind, module, name) in enumerate(columns)
            if kind != "kernel" and search(f"{module}.{name}")
        ]
        if not found:
            raise ValueError(f"{pattern}: there is no such function in the recording")
        return found

    def diff(self, other, *, top=15, lines=False, color=False):
        """What ``fdl diff`` prints: what became slower or faster from this recording to another.

        Functions are listed whose own CPU time differs by clearly more than chance makes likely.

        Parameters
        ----------
        other : Recording
        top : int
            Rows of each table.
        lines : bool
            Lines instead of functions.
        color : bool
            With the escape sequences of terminals.

        Returns
        -------
        str
        """
        return self._inner.diff(other._inner, top=top, lines=lines, color=color)

    def export(self, path, format, unit="us"):
        """Write it as a file of another tool.

        Parameters
        ----------
        path : str or os.PathLike
        format : str
            callgrind, chrome, collapsed, dot, firefox, lprof, pprof, pstats, speedscope or svg.
        unit : {"us", "samples"}
            What counts, where a format has one number: microseconds of CPU time, or samples.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If there is no such format or unit.
        """
        self._inner.export(os.fspath(path), format, unit)


def _plain(name):
    @functools.cached_property
    def table(self):
        return Table(name, self._table(name))

    table.__set_name__(Recording, name)
    return table


for _name in (
    "functions frames stacks threads processes signatures calls callers lines sources log "
    "hot operations types hot_lines"
).split():
    setattr(Recording, _name, _plain(_name))
