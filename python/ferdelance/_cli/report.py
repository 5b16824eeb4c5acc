"""`fdl report`: what a recording tells, as text."""

import re

from . import Failure, add_color, load, wants_color


def add_arguments(parser):
    add_color(parser)
    parser.add_argument("recording", help="a file that `fdl record` has written")
    parser.add_argument(
        "--top", type=int, default=15, metavar="N", help="rows of each table (default: 15)"
    )
    parser.add_argument("--process", type=int, metavar="PID", help="only this process")
    parser.add_argument("--thread", metavar="NAME", help="only threads of this name")
    parser.add_argument(
        "--function", metavar="REGEX", help="only samples with such a function on the stack"
    )
    parser.add_argument("--lines", action="store_true", help="only the hot lines")
    parser.add_argument("--tree", action="store_true", help="only the tree of calls")
    parser.add_argument(
        "--native",
        action="store_true",
        help="show all frames: those of the interpreter and of libraries too",
    )


def run(arguments):
    recording = load(arguments.recording)
    parts = [part for part in ("lines", "tree") if getattr(arguments, part)]
    text = recording.report(
        top=max(arguments.top, 1),
        parts=parts or None,
        process=arguments.process,
        thread=arguments.thread,
        functions=matching(recording, arguments.function),
        native=arguments.native,
        color=wants_color(arguments),
    )
    print(text, end="")


def matching(recording, pattern):
    """The functions whose module and name a regular expression matches, in any part."""
    if pattern is None:
        return None
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise Failure(f"--function {pattern}: {error}") from None
    functions = recording.table("functions")
    columns = (functions[name] for name in ("kind", "module", "name"))
    found = [
        i
        for i, (kind, module, name) in enumerate(zip(*columns, strict=True))
        if kind != "kernel" and search(f"{module}.{name}")
    ]
    if not found:
        raise Failure(f"--function {pattern}: there is no such function in the recording")
    return found
