"""``fdl export``: a recording as a file of another tool."""

import os
import sys

from . import Failure, load


def add_arguments(parser):
    parser.add_argument("recording", help="a file that `fdl record` has written")
    parser.add_argument(
        "-f",
        "--format",
        help="callgrind, chrome, collapsed, dot, firefox, lprof, pprof, pstats, speedscope, svg "
        "(default: as the ending of OUT tells)",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="the file to write; - is the standard output"
    )
    parser.add_argument(
        "--unit",
        choices=("us", "samples"),
        default="us",
        help="what counts, where a format has one number: us of CPU time (default), or samples",
    )


def run(arguments):
    from .._core import Recording

    formats = {name: (ending, about) for name, ending, about in Recording.formats()}
    format = arguments.format or of_ending(arguments.output, formats)
    if format not in formats:
        known = "\n".join(f"  {name:<11} {about}" for name, (_, about) in formats.items())
        wrong = f"no format {format!r}" if format else "which format? --format is one of these"
        raise Failure(f"{wrong}:\n{known}")
    recording = load(arguments.recording)
    output = arguments.output
    if output is None:
        output = os.path.splitext(arguments.recording)[0] + "." + formats[format][0]
    if output == "-":
        sys.stdout.flush()
        recording.export("/dev/stdout", format, arguments.unit)
        return
    try:
        recording.export(output, format, arguments.unit)
    except OSError as error:
        raise Failure(f"{output}: {error.strerror or error}") from None
    print(f"{output}: {formats[format][1]}", file=sys.stderr)


def of_ending(output, formats):
    """The format that a file's name asks for."""
    endings = {name: ending for name, (ending, _) in formats.items()}
    for name, ending in sorted(endings.items(), key=lambda item: -len(item[1])):
        is_shared = sum(other == ending for other in endings.values()) > 1
        if output and output.endswith("." + ending) and not is_shared:
            return name
    return None
