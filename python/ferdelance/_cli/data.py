"""``fdl data``: run a program and count its calls by the types and shapes of their arguments."""

import argparse
import sys

from . import Failure

EXAMPLES = """\
examples:
  fdl data script.py --its --arguments
  fdl data -o a.fdl --top 40 -m package.module
  fdl export -f pstats a.fdl
"""


def add_arguments(parser):
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "fdl data [options] script.py [argument ...]\n"
        "       fdl data [options] -m module [argument ...]\n"
        "       fdl data [options] -- command [argument ...]"
    )
    add_common(parser)
    parser.add_argument("-b", "--builtins", action="store_true", help="count functions of C, too")
    parser.add_argument(
        "--no-signatures", action="store_true", help="by function alone, as cProfile does"
    )
    parser.add_argument(
        "--raw", action="store_true", help="times as they passed, with what counting itself costs"
    )
    add_command(parser)


def add_common(parser):
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the recording")
    parser.add_argument(
        "--top", type=int, default=25, metavar="N", help="rows of the table (default: 25)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print no table")
    parser.add_argument("--no-sources", action="store_true", help="leave sources out of the file")


def add_command(parser):
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments):
    request = {
        "mode": "data",
        "builtins": arguments.builtins,
        "signatures": not arguments.no_signatures,
        "correct": not arguments.raw,
    }
    return run_counted(arguments, request, {"top": max(arguments.top, 1)})


def run_counted(arguments, request, shown):
    """Run the command, write the recording, print what it tells on stderr; the exit status."""
    from ..profiler import _counting
    from .record import command_of, end_by

    command, name = command_of(arguments)
    path = arguments.output or f"{name}.{request['mode']}.fdl"
    try:
        status, recording = _counting.run(command, path, request, sources=not arguments.no_sources)
    except OSError as error:
        print(f"fdl: {error.filename or path}: {error.strerror or error}", file=sys.stderr)
        # As shells say that there is no such command.
        return 127 if error.filename == command[0] else 126
    except ValueError as error:
        raise Failure(str(error)) from None
    is_empty = len(recording.calls) + len(recording.lines) == 0
    if not arguments.quiet and not is_empty:
        print(recording.report(**shown), end="", file=sys.stderr)
    for line in said(recording, path, request["mode"]):
        print(f"fdl: {line}", file=sys.stderr)
    if status < 0:
        end_by(-status)
    return status


def said(recording, path, mode):
    """What there is to be said of a recording of counts, as lines."""
    processes = recording.processes
    of = f"{len(processes):,} process{'es' if len(processes) != 1 else ''}"
    if mode == "data":
        calls = int(recording.calls["calls"].sum())
        yield f"{path}: {calls:,} calls of {of}, {len(recording.calls):,} kinds of calls"
    else:
        lines = recording.lines
        yield f"{path}: {int(lines['hits'].sum()):,} hits of {len(lines):,} lines, {of}"
        if len(lines) == 0:
            yield "no line was counted: choose functions with -f, or decorate them with @profile"
        yield from dict.fromkeys(recording.log["text"])
    for pid, reason in zip(processes["pid"], processes["reason"], strict=True):
        if reason:
            yield f"process {pid} is missing: {reason}"
    yield f"next: fdl report {path}"
