"""The command line: `fdl COMMAND ...`.

A command is a module of this folder and a row of `COMMANDS`. The module has two functions:

    def add_arguments(parser): ...      # to an `argparse.ArgumentParser`
    def run(arguments): ...             # returns the exit status; None is 0

Only the module of the command that is meant is imported, and each imports what is slow (NumPy, the
extension module) when it runs, so that help appears at once.
"""

import argparse
import importlib
import os
import sys

# In the order in which help shows them.
COMMANDS = {
    "record": "run a program and record where its time goes",
    "data": "run a program and count its calls by types and shapes of arguments",
    "lines": "run a program and count the lines of chosen functions",
    "top": "show what a running Python spends its time on, as it runs",
    "dump": "show what the threads of a running Python are at",
    "report": "show what a recording tells: where the time went",
    "advise": "say what to change in a program, try it, and show what it brings",
    "export": "write a recording as a file of another tool",
    "diff": "compare two recordings: what became slower or faster",
}


class Failure(Exception):
    """What cannot be done, as one line for the user; the exit status is 1."""


def main(words=None):
    """Runs a command; returns the exit status."""
    words = sys.argv[1:] if words is None else words
    try:
        parser = argparse.ArgumentParser(
            prog="fdl", description="Shows where the time of Python programs goes."
        )
        parser.add_argument("--version", action="store_true", help="show the version and exit")
        commands = parser.add_subparsers(dest="command", metavar="COMMAND")
        meant = next((word for word in words if not word.startswith("-")), None)
        for name, summary in COMMANDS.items():
            command = commands.add_parser(name, help=summary, description=_sentence(summary))
            if name == meant:
                module = importlib.import_module(f".{name}", __name__)
                module.add_arguments(command)
        arguments = parser.parse_args(words)
        if arguments.version:
            from .. import __version__

            print(f"ferdelance {__version__}")
            return 0
        if arguments.command is None:
            parser.print_help()
            return 2
        status = module.run(arguments)
        sys.stdout.flush()
        return status or 0
    except Failure as failure:
        print(f"fdl: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads has seen enough (`fdl report ... | head`). Nothing more is written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _sentence(summary):
    return summary[0].upper() + summary[1:] + "."


def add_color(parser):
    """Adds the option that `wants_color` looks at."""
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours: on a terminal (the default; NO_COLOR is obeyed), always, or never",
    )


def wants_color(arguments):
    """Whether what goes to the standard output is to have colours."""
    if arguments.color != "auto":
        return arguments.color == "always"
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def load(path):
    """The recording in a file; what is missing in it is said on the standard error."""
    from .._core import Recording as Inner
    from ..profiler import Recording

    try:
        recording, warnings = Inner.load(path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise Failure(f"{path}: {error}") from None
    for warning in warnings:
        print(f"fdl: {path}: {warning}", file=sys.stderr)
    return Recording(recording)
