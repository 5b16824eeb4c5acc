"""``fdl top``: what a running Python spends its time on, as it runs."""

import argparse
import os
import subprocess
import sys
import time

from . import Failure

HELP = "q quit   1-4 sort   l lines   t threads   / filter   r reset   p pause"
COLUMNS = ("own %", "total %", "own s", "total s")


def add_arguments(parser):
    parser.usage = "fdl top [options] PID\n       fdl top [options] -- command [argument ...]"
    parser.add_argument("-r", "--rate", type=float, default=100, help="samples a second (100)")
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds a table (1)")
    parser.add_argument("-n", "--tables", type=int, help="end after so many tables")
    parser.add_argument("--lines", action="store_true", help="by line, not by function")
    parser.add_argument("--output", metavar="FILE", help="where a command's own output goes")
    parser.add_argument("what", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments):
    words = arguments.what
    is_command = words[:1] == ["--"]
    words = words[1:] if is_command else words
    if not words:
        raise Failure("give the number of a process, a script, or -- and a command")
    child = None
    if len(words) == 1 and words[0].isdigit() and not is_command:
        pid = int(words[0])
    else:
        command = words if is_command else [sys.executable, *words]
        output = open(arguments.output or os.devnull, "wb")
        try:
            child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}") from None
        pid = child.pid
    table = Table(attached(pid, child), arguments)
    try:
        if sys.stdout.isatty() and sys.stdin.isatty():
            import curses

            curses.wrapper(table.show)
        else:
            table.print()
    except KeyboardInterrupt:
        pass
    finally:
        if child is not None and child.poll() is None:
            child.terminate()
            child.wait()
    return 0


def attached(pid, child):
    """The process; a command that was started has a moment to become a Python."""
    from .dump import attach

    end = time.monotonic() + (2.0 if child is not None else 0.0)
    while True:
        try:
            return attach(pid)
        except Failure:
            if time.monotonic() >= end or child.poll() is not None:
                raise
            time.sleep(0.02)


class Table:
    """Functions, lines or threads of a process, and how they are shown."""

    def __init__(self, process, options):
        self.process = process
        self.options = options
        self.by_line = options.lines
        self.sort = 0
        self.filter = ""
        self.shows_threads = False
        self.is_paused = False
        self.reset()

    def reset(self):
        self.sums = {}
        self.interval = {"elapsed": 1e-9, "gil": 0.0, "rows": [], "threads": []}
        self.elapsed = 0.0

    def collect(self, until, is_wanted=lambda: True):
        """Take samples for a time; whether the process is still there."""
        while time.monotonic() < until and is_wanted():
            start = time.monotonic()
            if not self.process.sample():
                return False
            spent = time.monotonic() - start
            time.sleep(max(1 / self.options.rate - spent, spent))
        return True

    def add(self):
        """Adds what was collected."""
        self.interval = self.process.interval(self.by_line)
        self.elapsed += self.interval["elapsed"]
        for place, own, total in self.interval["rows"]:
            sums = self.sums.setdefault(place, [0.0, 0.0])
            sums[0] += own
            sums[1] += total

    def rows(self):
        """(own %, total %, own s, total s, what) of the last interval and of all, sorted."""
        now = {place: (own, total) for place, own, total in self.interval["rows"]}
        elapsed = self.interval["elapsed"]
        rows = []
        for (name, file, line), (own_sum, total_sum) in self.sums.items():
            own, total = now.get((name, file, line), (0.0, 0.0))
            what = f"{name} ({short(file)}:{line})"
            if self.filter in what:
                rows.append((100 * own / elapsed, 100 * total / elapsed, own_sum, total_sum, what))
        rows.sort(key=lambda row: (-row[self.sort], -row[3], row[4]))
        return rows

    def head(self):
        elapsed = self.interval["elapsed"]
        busy = sum(thread[2] for thread in self.interval["threads"])
        return [
            f"{self.process.command}",
            f"Python {self.process.version}   CPU {100 * busy / elapsed:.0f} %   "
            f"GIL {100 * self.interval['gil'] / elapsed:.0f} %   "
            f"threads {len(self.interval['threads'])}   {self.elapsed:.0f} s",
        ]

    def body(self):
        if self.shows_threads:
            elapsed = self.interval["elapsed"]
            lines = [f"{'CPU %':>7} {'thread':>8}  name, and what it does"]
            threads = sorted(self.interval["threads"], key=lambda t: -t[2])
            lines += [
                f"{100 * cpu / elapsed:7.1f} {tid:8}  {name} ({state or 'idle'})"
                for tid, name, cpu, state in threads
                if self.filter in name
            ]
            return lines
        names = [f"[{c}]" if i == self.sort else c for i, c in enumerate(COLUMNS)]
        what = "line" if self.by_line else "function"
        lines = [" ".join(f"{name:>9}" for name in names) + f"  {what}"]
        lines += [
            f"{own:9.1f} {total:9.1f} {own_sum:9.2f} {total_sum:9.2f}  {what}"
            for own, total, own_sum, total_sum, what in self.rows()
        ]
        return lines

    def print(self):
        """Tables one after the other, where there is no terminal."""
        count = 0
        is_there = True
        while is_there and (self.options.tables is None or count < self.options.tables):
            is_there = self.collect(time.monotonic() + self.options.interval)
            self.add()
            print("\n".join([*self.head(), *self.body()[:30], ""]), flush=True)
            count += 1

    # ---- on a terminal ----

    def show(self, screen):
        import curses

        curses.curs_set(0)
        screen.timeout(0)
        count = 0
        is_there = True
        while self.options.tables is None or count < self.options.tables:
            if is_there and not self.is_paused:
                end = time.monotonic() + self.options.interval
                is_there = self.collect(end, lambda: not self.is_asked(screen))
                if time.monotonic() >= end or not is_there:
                    self.add()
                    count += 1
            self.draw(screen, is_there)
            if not is_there or self.is_paused:
                screen.timeout(200)
            key = self.key if self.key is not None else screen.getch()
            self.key = None
            screen.timeout(0)
            if not self.obey(screen, key):
                return

    key = None

    def is_asked(self, screen):
        """Whether a key was pressed, which is kept."""
        key = screen.getch()
        if key != -1:
            self.key = key
        return self.key is not None

    def obey(self, screen, key):
        """Does what a key says; False to quit."""
        if key in (ord("q"), 27):
            return False
        if ord("1") <= key <= ord("4"):
            self.sort = key - ord("1")
        elif key == ord("l"):
            self.by_line = not self.by_line
            self.process.interval(self.by_line)
            self.reset()
        elif key == ord("t"):
            self.shows_threads = not self.shows_threads
        elif key == ord("r"):
            self.reset()
        elif key == ord("p"):
            self.is_paused = not self.is_paused
        elif key == ord("/"):
            self.ask(screen)
        return True

    def ask(self, screen):
        import curses

        rows, _ = screen.getmaxyx()
        screen.move(rows - 1, 0)
        screen.clrtoeol()
        screen.addstr(rows - 1, 0, "filter: ")
        curses.echo()
        screen.timeout(-1)
        self.filter = screen.getstr(rows - 1, 8, 60).decode("utf-8", "replace")
        curses.noecho()
        screen.timeout(0)

    def draw(self, screen, is_there):
        import curses

        screen.erase()
        rows, columns = screen.getmaxyx()
        state = "" if is_there else "   (it has ended)"
        state = "   (paused)" if self.is_paused else state
        head = self.head()
        head[1] += state + (f"   filter: {self.filter}" if self.filter else "")
        body = self.body()
        lines = [*head, "", *body][: rows - 1]
        for i, line in enumerate(lines):
            style = curses.A_REVERSE if i == len(head) + 1 else curses.A_NORMAL
            screen.addnstr(i, 0, line.ljust(columns - 1), columns - 1, style)
        screen.addnstr(rows - 1, 0, HELP, columns - 1, curses.A_DIM)
        screen.refresh()


def short(file):
    """The end of a path."""
    return "/".join(file.split("/")[-2:])
