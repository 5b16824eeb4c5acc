"""``fdl advise``: what to change in a program so that it gets faster, and what that brings."""

import argparse
import json
import os
import resource
import shutil
import sys

from . import Failure, add_color, load, wants_color
from .record import command_of, end_by

EXAMPLES = """\
examples:
  fdl advise script.fdl                   # what a recording tells
  fdl advise script.py --its --arguments  # runs it, and tries what it advises
  fdl advise --apply faster.py script.py  # writes a copy that is changed as advised
"""


def add_arguments(parser):
    add_color(parser)
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "fdl advise [options] recording.fdl\n"
        "       fdl advise [options] script.py [argument ...]\n"
        "       fdl advise [options] -m module [argument ...]\n"
        "       fdl advise [options] -- command [argument ...]"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="keep the recording of the program")
    parser.add_argument(
        "--apply",
        metavar="COPY",
        help="write a copy of the file that most is advised for, changed as advised",
    )
    parser.add_argument("--json", action="store_true", help="the advice as JSON")
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments):
    words = arguments.words
    if arguments.module is None and len(words) == 1 and words[0].endswith(".fdl"):
        from ..profiler.advice import capture

        return show(arguments, capture.without_itself(load(words[0])))
    return run_program(arguments)


def run_program(arguments):
    """Record a program, with the arguments of its functions; then try them."""
    from ..profiler import _session, load
    from ..profiler.advice import capture

    command, _ = command_of(arguments)
    directory = _session.make_directory()
    os.environ[capture.VARIABLE] = directory
    path = arguments.output or os.path.join(directory, "recording.fdl")
    try:
        used = _used_by_children()
        try:
            status, _ = _session.run(command, path)
        except OSError as error:
            raise Failure(f"{error.filename or path}: {error.strerror or error}") from None
        finally:
            del os.environ[capture.VARIABLE]
        if status != 0:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            print(f"fdl: the program ended {how}", file=sys.stderr)
        reason = capture.why_nothing(directory)
        if reason:
            print(f"fdl: no function of the program can be tried: {reason}", file=sys.stderr)
        # What is advised goes where the program's own output did, after it.
        recording = load(path)
        processes = recording.processes
        seen = processes["user"].sum() + processes["kernel"].sum()
        show(
            arguments,
            capture.without_itself(recording),
            calls=capture.load(directory),
            versions=capture.versions(directory),
            unseen=max(_used_by_children() - used - float(seen), 0.0),
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if status < 0:
        end_by(-status)
    return status


def _used_by_children():
    """CPU time of processes that this one has waited for, and those these have, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(arguments, recording, **known):
    from ..profiler.advice import advise
    from ..profiler.advice.page import page

    def progress(text):
        print(f"fdl: {text}", file=sys.stderr)

    advice = advise(recording, progress=progress, **known)
    if arguments.json:
        print(json.dumps([one.as_dict() for one in advice], indent=2))
    else:
        print(page(recording, advice, color=wants_color(arguments)), end="")
    if arguments.apply:
        apply(arguments.apply, recording, advice)


def apply(path, recording, advice):
    """Writes a copy of the file that most is advised for, with its functions compiled."""
    from ..profiler.advice import edit

    changes = [one for one in advice if one.compiled]
    if not changes:
        raise Failure("there is no change to apply")
    file = changes[0].file
    changes = [one for one in changes if one.file == file]
    names = dict.fromkeys(name for one in changes for name in one.compiled)
    shared = [name for one in changes for name in one.shared]
    parts = [one.part for one in changes if one.part]
    sources = dict(zip(recording.sources["file"], recording.sources["text"], strict=True))
    try:
        with open(path, "w", encoding="utf-8") as output:
            output.write(edit.changed(sources[file], names, parts, shared))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    print(f"fdl: {path}: {file} with {', '.join(names)} compiled", file=sys.stderr)
