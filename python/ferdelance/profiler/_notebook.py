"""``%fdl`` and ``%%fdl``: the profilers in IPython and in notebooks.

    %load_ext ferdelance

    %%fdl record
    solve(grid, 1000)

A command is a function of this module and a row of `COMMANDS`. Cells are called as people see them,
``Cell [3]``; what stands above a cell in a stack, and the threads by which a kernel talks to its
notebook, are left out. An interrupt ends the cell, and what was measured until then is shown.
"""

import argparse
import ast
import contextlib
import html
import linecache
import os
import shlex
import shutil
import sys
import tempfile
import threading

from . import _agent

_USAGE = """\
usage: %fdl COMMAND [options] STATEMENT
       %%fdl COMMAND [options]          (and the cell below it)

{}

%fdl COMMAND --help tells what options there are."""


class UsageError(Exception):
    """What was written cannot be done, as one line for the user."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{self.prog}: {message}")

    def exit(self, status=0, message=None):
        raise _HelpWasShown


class _HelpWasShown(Exception):
    pass


class Cell:
    """Code that a magic runs in the user's namespace."""

    def __init__(self, shell, source):
        self.shell = shell
        source = shell.transform_cell(source)
        self.number = _current_number(shell)
        self.file = shell.compile.cache(source, self.number, raw_code=source)
        tree = shell.transform_ast(ast.parse(source, self.file))
        self._last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            self._last = self._compile(ast.Expression(tree.body.pop().value), "eval")
        self._rest = self._compile(tree, "exec")

    def _compile(self, tree, mode):
        return compile(tree, self.file, mode, flags=self.shell.compile.flags, dont_inherit=True)

    def run(self, begin=lambda: None):
        """Runs it, after `begin`; returns the value of its last expression, which a cell shows."""
        namespace = self.shell.user_ns
        begin()
        exec(self._rest, namespace)
        return eval(self._last, namespace) if self._last is not None else None

    @property
    def title(self):
        return f"Cell [{self.number}]"


def _numbers(shell):
    """The numbers of cells, by the files that they are compiled as."""
    return getattr(shell.compile, "_filename_map", {})


def _current_number(shell):
    """The number of the cell that runs: versions of IPython count on before it runs, or after."""
    numbers = _numbers(shell)
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename not in numbers:
        frame = frame.f_back
    return shell.execution_count if frame is None else numbers[frame.f_code.co_filename]


def cell_names(shell):
    """The names of the files that cells are compiled as: by file, ``Cell [n]``."""
    return {file: f"Cell [{number}]" for file, number in _numbers(shell).items()}


def _service_threads():
    """Threads that were there before the cell and are not its own: those of a kernel."""
    me = threading.get_ident()
    threads = {t.native_id for t in threading.enumerate() if t.ident != me}
    for tid in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{tid}/comm") as file:
            if file.read().startswith("ZMQbg"):
                threads.add(tid)
    return threads


def focus(recording, cell, service_threads):
    """A recording of a cell, from one of the process that ran it."""
    threads = set(recording.threads["tid"].tolist()) - service_threads
    threads.discard(threading.get_native_id())
    return named(recording, cell, [cell.file], sorted(threads))


def named(recording, cell, files=(), threads=()):
    """A recording in which cells have their names and sources.

    Samples are left out but for those below the bodies of `files`, and in `threads`.
    """
    from . import Recording

    names = cell_names(cell.shell)
    seen = set(recording.functions["file"])
    sources = [
        (name, "".join(linecache.getlines(file))) for file, name in names.items() if file in seen
    ]
    inner = recording._inner.focus(
        cell.title, list(files), list(threads), list(names.items()), sources
    )
    return Recording(inner)


#: Of text: notebooks have the first font, but do not use it here by themselves.
STYLE = "line-height: 1.2; font-family: var(--jp-code-font-family, monospace), monospace"


class Shown:
    """A result as text and, where there is a place for it, as a picture."""

    def __init__(self, text, picture=None):
        self.text = text
        self.picture = picture

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        text = f'<pre style="{STYLE}">{html.escape(self.text)}</pre>'
        if self.picture is None:
            return text
        # A few deep stacks are to be scrolled to.
        return f'{text}<div style="max-height: 40em; overflow-y: auto">{self.picture}</div>'


def picture_of(recording):
    """A flame graph, as the source of an SVG."""
    handle, path = tempfile.mkstemp(suffix=".svg")
    os.close(handle)
    try:
        recording.export(path, "svg")
        with open(path, encoding="utf-8") as file:
            text = file.read()
    finally:
        os.unlink(path)
    return text[text.index("<svg") :]


def _display(shown):
    from IPython.display import display

    display(shown)


# ---- commands ------------------------------------------------------------------------------------


def _record_options(parser):
    parser.add_argument("-r", "--rate", type=float, default=_agent.RATE, help="samples a second")
    parser.add_argument("-o", "--output", help="keep the recording in a file")
    parser.add_argument("-f", "--function", help="only samples with such a function on the stack")
    parser.add_argument("--top", type=int, default=15, help="rows of each table")
    parser.add_argument("--native", action="store_true", help="show all frames")
    for part in ("functions", "lines", "callers", "tree"):
        parser.add_argument(f"--{part}", action="store_true", help=f"only the {part}")


def _record(cell, options):
    """Samples of where the cell's time goes: functions, lines, native code, threads, processes."""
    from . import record

    threads = _service_threads()
    recorder = record(rate=options.rate).__enter__()
    try:
        return cell.run()
    finally:
        recorder.__exit__()
        recording = focus(recorder.recording, cell, threads)
        if options.output:
            recording.save(options.output)
        shown = {
            name: getattr(options, name)
            for name in ("functions", "lines", "callers", "tree", "native")
        }
        text = recording.report(top=options.top, function=options.function, **shown)
        _display(Shown(text, picture_of(recording) if len(recording.samples) else None))


def _data_options(parser):
    parser.add_argument("-f", "--function", help="only functions whose module.name matches this")
    parser.add_argument("--builtins", action="store_true", help="functions of C, too")
    parser.add_argument("-o", "--output", help="keep what was counted in a recording")
    parser.add_argument("--top", type=int, default=15, help="rows of each table")


def _data(cell, options):
    """Every call by the types, dtypes and shapes of its arguments: how often, how long."""
    from . import Profile

    profile = Profile(builtins=options.builtins)
    try:
        return cell.run(profile.enable)
    finally:
        profile.disable()
        recording = named(profile.recording(), cell)
        if options.output:
            recording.save(options.output)
        shown = recording.report(functions=True, function=options.function, top=options.top)
        _display(Shown(shown))


def _lines_options(parser):
    parser.add_argument(
        "-f", "--function", action="append", default=[], help="a function; may be given often"
    )
    parser.add_argument("-o", "--output", help="keep what was counted in a recording")


def _lines(cell, options):
    """Hits and time of each line of chosen functions; by default of those that cells define."""
    from . import lines

    namespace = cell.shell.user_ns
    if options.function:
        try:
            functions = [eval(name, namespace) for name in options.function]
        except Exception as error:
            raise UsageError(f"%fdl lines: {error}") from None
    else:
        cells = _numbers(cell.shell)
        functions = [
            value
            for value in namespace.values()
            if getattr(getattr(value, "__code__", None), "co_filename", None) in cells
        ]
    if not functions:
        raise UsageError("%fdl lines: no cell has defined a function: name one, -f FUNCTION")
    lines.clear()
    for function in functions:
        lines(function)
    try:
        return cell.run()
    finally:
        recording = named(lines.recording(), cell)
        if options.output:
            recording.save(options.output)
        _display(Shown(recording.report(lines=True)))


def _advise_options(parser):
    parser.add_argument("-r", "--rate", type=float, default=_agent.RATE, help="samples a second")


def _advise(cell, options):
    """What to change so that the cell gets faster: the functions that it calls are tried."""
    from . import _session, record
    from .advice import advise, capture
    from .advice.page import page

    directory = _session.make_directory()
    threads = _service_threads()
    names = cell_names(cell.shell)
    calls = capture.Session(directory, dict.fromkeys(names, cell.shell.user_ns))
    recorder = record(rate=options.rate).__enter__()
    try:
        return cell.run()
    finally:
        calls.stop()
        recorder.__exit__()
        recording = focus(capture.without_itself(recorder.recording), cell, threads)
        try:
            kept = capture.load(directory).items()
            kept = {(names.get(file, file), *place): path for (file, *place), path in kept}
            found = capture.versions(directory).items()
            found = {(names.get(file, file), *place): types for (file, *place), types in found}
            advice = advise(recording, calls=kept, versions=found)
            _display(Shown(page(recording, advice)))
        finally:
            shutil.rmtree(directory, ignore_errors=True)


#: By name: what adds options, and what runs a cell with them and shows what came of it.
COMMANDS = {
    "record": (_record_options, _record),
    "data": (_data_options, _data),
    "lines": (_lines_options, _lines),
    "advise": (_advise_options, _advise),
}


def run(shell, line, source):
    """What the magics do: `line` is the command and its options, `source` the code.

    Without a `source`, the rest of the line is.
    """
    name, _, rest = line.strip().partition(" ")
    if name in ("", "-h", "--help"):
        rows = [
            f"  {name:<9}{function.__doc__.splitlines()[0]}"
            for name, (_, function) in COMMANDS.items()
        ]
        print(_USAGE.format("\n".join(rows)))
        return None
    if name not in COMMANDS:
        raise UsageError(f"no command {name!r}: there are {', '.join(COMMANDS)}")
    add_options, function = COMMANDS[name]
    parser = _Parser(prog=f"%fdl {name}", description=function.__doc__, allow_abbrev=False)
    add_options(parser)
    if source is None:
        words, source = _options_of(parser, rest)
    else:
        words = shlex.split(rest)
    try:
        options = parser.parse_args(words)
        _agent.check_rate(getattr(options, "rate", _agent.RATE))
    except _HelpWasShown:
        return None
    except ValueError as error:
        raise UsageError(f"%fdl {name}: {error}") from None
    if not source.strip():
        raise UsageError(f"%fdl {name}: there is no code to run")
    return function(Cell(shell, source), options)


def _options_of(parser, text):
    """The options that a line begins with, and the code after them."""
    words = []
    takes_value = False
    while takes_value or text.lstrip().startswith("-"):
        word, _, text = text.lstrip().partition(" ")
        if not word:
            break
        words.append(word)
        action = parser._option_string_actions.get(word)
        takes_value = not takes_value and action is not None and action.nargs is None
    return words, text


def register(shell):
    """Makes the magics of an IPython shell."""
    from IPython.core import error

    def fdl(line, cell=None):
        try:
            return run(shell, line, cell)
        except UsageError as mistake:
            raise error.UsageError(str(mistake)) from None

    shell.register_magic_function(fdl, "line_cell", "fdl")
