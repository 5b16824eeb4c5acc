"""``fdl dump``: what the threads of a running Python are at."""

from . import Failure


def add_arguments(parser):
    parser.add_argument("pid", type=int, help="of a running Python process")


def attach(pid):
    """The process, looked at from outside; a failure says what to do."""
    from .._core import Attached

    try:
        return Attached(pid)
    except OSError as error:
        raise Failure(str(error)) from None


def run(arguments):
    process = attach(arguments.pid)
    print(f"Process {arguments.pid}: {process.command}")
    print(f"Python {process.version}")
    for thread in process.dump():
        state = thread["state"]
        if state == "waiting" and thread["call"]:
            state += f", {thread['call']}"
        print(f"\nThread {thread['tid']} ({state}): {thread['name']}")
        for function, file, line in thread["frames"]:
            print(f"    {function} ({file}:{line})")
