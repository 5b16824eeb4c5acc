"""`fdl diff`: what changed between two recordings, as text."""

from . import add_color, load, wants_color


def add_arguments(parser):
    add_color(parser)
    parser.add_argument("before", help="a recording")
    parser.add_argument("after", help="another one, of the same work")
    parser.add_argument(
        "--top", type=int, default=15, metavar="N", help="rows of each table (default: 15)"
    )
    parser.add_argument("--lines", action="store_true", help="lines instead of functions")


def run(arguments):
    before, after = load(arguments.before), load(arguments.after)
    text = before.diff(
        after, top=max(arguments.top, 1), lines=arguments.lines, color=wants_color(arguments)
    )
    print(text, end="")
