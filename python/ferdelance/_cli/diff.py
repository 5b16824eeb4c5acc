"""`fdl diff`: what changed between two recordings, as text."""

from . import load


def add_arguments(parser):
    parser.add_argument("before", help="a recording")
    parser.add_argument("after", help="another one, of the same work")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="rows (default: 20)")
    parser.add_argument("--native", action="store_true", help="native functions, too")


def run(arguments):
    before, after = load(arguments.before), load(arguments.after)
    print(before.diff(after, top=max(arguments.top, 1), native=arguments.native), end="")
