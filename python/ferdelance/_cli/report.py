"""`fdl report`: what a recording tells, as text or as JSON."""

from . import Failure, add_color, load, wants_color


def add_arguments(parser):
    add_color(parser)
    parser.add_argument("recording", help="a file that `fdl record` has written")
    parser.add_argument(
        "--top", type=int, metavar="N", help="rows of each table (default: 15; with --json all)"
    )
    parser.add_argument("--process", type=int, metavar="PID", help="only this process")
    parser.add_argument("--thread", metavar="NAME", help="only threads of this name")
    parser.add_argument(
        "--function", metavar="REGEX", help="only samples with such a function on the stack"
    )
    parser.add_argument("--functions", action="store_true", help="only the hot functions")
    parser.add_argument("--lines", action="store_true", help="only the hot lines")
    parser.add_argument(
        "--callers", action="store_true", help="only the hot functions with who called them"
    )
    parser.add_argument("--tree", action="store_true", help="only the tree of calls")
    parser.add_argument(
        "--native",
        action="store_true",
        help="show all frames: those of the interpreter and of libraries too",
    )
    parser.add_argument("--json", action="store_true", help="all rows, as JSON for programs")


def run(arguments):
    if arguments.json and arguments.top is not None:
        raise Failure("--top is for text: --json has all rows")
    recording = load(arguments.recording)
    try:
        text = recording.report(
            top=15 if arguments.top is None else max(arguments.top, 1),
            process=arguments.process,
            thread=arguments.thread,
            function=arguments.function,
            functions=arguments.functions,
            lines=arguments.lines,
            callers=arguments.callers,
            tree=arguments.tree,
            native=arguments.native,
            color=wants_color(arguments),
            json=arguments.json,
        )
    except ValueError as error:
        raise Failure(f"--function {error}") from None
    print(text, end="")
