"""``fdl lines``: run a program and count the lines of chosen functions."""

import argparse
import re

from . import Failure
from .data import add_command, add_common, run_counted

EXAMPLES = """\
examples:
  fdl lines -f solve script.py --its --arguments
  fdl lines script.py -f solve         # the same, where none is given before the script
  fdl lines script.py                  # of functions decorated with @profile
  fdl export -f lprof script.lines.fdl # for line_profiler
"""


def add_arguments(parser):
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "fdl lines [options] script.py [argument ...]\n"
        "       fdl lines [options] -m module [argument ...]\n"
        "       fdl lines [options] -- command [argument ...]"
    )
    parser.add_argument(
        "-f",
        "--function",
        action="append",
        default=[],
        metavar="REGEX",
        help="functions of which this matches a part of module.name; may be given several times",
    )
    add_common(parser)
    add_command(parser)


def take_functions(arguments):
    """Options right behind the script are meant for this command, if there are none before it."""
    words = arguments.words
    if arguments.function or arguments.module is not None or words[:1] == ["--"]:
        return
    while len(words) > 2 and words[1] in ("-f", "--function"):
        arguments.function.append(words[2])
        del words[1:3]


def run(arguments):
    take_functions(arguments)
    for pattern in arguments.function:
        try:
            re.compile(pattern)
        except re.error as error:
            raise Failure(f"--function {pattern}: {error}") from None
    request = {"mode": "lines", "functions": arguments.function}
    return run_counted(arguments, request, {"lines": True})
