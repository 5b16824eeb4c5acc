"""``fdl record``: run a command and record where its time goes."""

import argparse
import os
import resource
import signal
import sys

from . import Failure

EXAMPLES = """\
examples:
  fdl record script.py --its --arguments
  fdl record -o a.fdl -m package.module
  fdl record -r 2000 -- pytest -q tests
"""


def add_arguments(parser):
    from ..profiler import _agent

    least, most = _agent.RATES
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "fdl record [options] script.py [argument ...]\n"
        "       fdl record [options] -m module [argument ...]\n"
        "       fdl record [options] -- command [argument ...]\n"
        "       fdl record [options] -p PID"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the recording")
    parser.add_argument(
        "-r",
        "--rate",
        type=float,
        metavar="HZ",
        help=f"samples for each second of CPU time, {least} to {most} (default: {_agent.RATE})",
    )
    parser.add_argument(
        "-p",
        "--pid",
        type=int,
        help="a running Python (before 3.14: its Python frames alone, at 100 Hz)",
    )
    parser.add_argument(
        "-d", "--duration", type=float, metavar="SEC", help="record no longer than this"
    )
    parser.add_argument(
        "-f", "--format", help="write this format instead of a recording (see fdl export)"
    )
    parser.add_argument(
        "--max-size", type=float, metavar="MB", help="halve the rate as the file becomes so large"
    )
    parser.add_argument("--no-sources", action="store_true", help="leave sources out of the file")
    parser.add_argument(
        "--clock",
        choices=_agent.CLOCKS,
        help="perf: any rate (default); timer: at most some hundred Hz, where perf is not allowed",
    )
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def command_of(arguments):
    """The command to run, and a name for it."""
    if arguments.module is not None:
        if not arguments.module:
            raise Failure("-m needs the name of a module")
        return [sys.executable, "-m", *arguments.module], arguments.module[0].rsplit(".")[-1]
    words = arguments.words
    is_command = words[:1] == ["--"]
    if is_command:
        words = words[1:]
    if not words:
        raise Failure("nothing to run: give a script, -m and a module, or -- and a command")
    name = os.path.splitext(os.path.basename(words[0]))[0]
    if is_command:
        return words, name
    if not os.path.exists(words[0]):
        raise Failure(f"there is no script {words[0]!r}; commands come after --")
    return [sys.executable, *words], name


def run(arguments):
    from ..profiler import _agent, _session

    if arguments.pid is not None:
        return run_attached(arguments)
    command, name = command_of(arguments)
    target = Target(arguments, name)
    path = target.path
    try:
        status, summary = _session.run(
            command,
            path,
            rate=arguments.rate or _agent.RATE,
            duration=arguments.duration,
            clock=arguments.clock,
            sources=not arguments.no_sources,
            max_size=arguments.max_size,
        )
    except (ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        print(f"fdl: {error.filename or path}: {error.strerror or error}", file=sys.stderr)
        # As shells say that there is no such command.
        return 127 if error.filename == command[0] else 126
    target.finish(summary)
    if status < 0:
        end_by(-status)
    return status


def run_attached(arguments):
    """Record a process that runs already, until it ends, the time is over, or Ctrl-C."""
    from ..profiler import _attached
    from .dump import attach

    if arguments.words or arguments.module:
        raise Failure("-p records a process that runs: there is no command to give")
    process = attach(arguments.pid)
    target = Target(arguments, str(arguments.pid))
    path = target.path
    try:
        summary = _attached.run(
            process,
            path,
            rate=arguments.rate,
            duration=arguments.duration,
            clock=arguments.clock,
            sources=not arguments.no_sources,
            max_size=arguments.max_size,
            told=lambda line: print(f"fdl: process {arguments.pid}: {line}", file=sys.stderr),
        )
    except (ValueError, RuntimeError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from None
    target.finish(summary)
    return 0


class Target:
    """What is written: a recording, or another tool's file that is made of one."""

    def __init__(self, arguments, name):
        self.format = arguments.format
        if self.format is None:
            self.output = self.path = arguments.output or f"{name}.fdl"
            return
        from .._core import Recording

        endings = {format: ending for format, ending, _ in Recording.formats()}
        if self.format not in endings:
            raise Failure(f"no format {self.format!r}; there are {', '.join(endings)}")
        self.output = arguments.output or f"{name}.{endings[self.format]}"
        self.path = f"{self.output}.fdl"

    def finish(self, summary):
        """Says what was recorded, on stderr: stdout is the program's."""
        if self.format is not None:
            from ..profiler import load

            load(self.path).export(self.output, self.format)
            os.unlink(self.path)
        processes = summary["processes"]
        lines = [
            f"{self.output}: {summary['samples']:,} samples of {processes:,} "
            f"process{'es' if processes != 1 else ''}, {summary['cpu']:.2f} s of CPU time in "
            f"{summary['elapsed']:.2f} s ({summary['rate']:.0f} Hz), "
            f"{os.path.getsize(self.output) / 1e6:.2f} MB",
            *summary["warnings"],
        ]
        if self.format is None:
            lines.append(f"next: fdl report {self.output}")
        for line in lines:
            print(f"fdl: {line}", file=sys.stderr)


def end_by(number):
    """End as the program did: by a signal, but without a second memory dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
