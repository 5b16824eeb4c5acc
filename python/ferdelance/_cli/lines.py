"""``fdl lines``: run a program and count the lines of chosen functions."""

import argparse
import re

from . import Failure
from .data import add_command, add_common, run_counted

EXAMPLES = """\
examples:
  fdl lines -f solve script.py --its --arguments
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


def run(arguments):
    for pattern in arguments.function:
        try:
            re.compile(pattern)
        except re.error as error:
            raise Failure(f"--function {pattern}: {error}") from None
    request = {"mode": "lines", "functions": arguments.function}
    return run_counted(arguments, request, {"lines": True})
