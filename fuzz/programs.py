#!/usr/bin/env python3
"""Random programs against CPython.

    python fuzz/programs.py --seconds 60            from seed 1 on, for a minute
    python fuzz/programs.py --seed 123 --count 1    one program
    python fuzz/programs.py --seed 123 --show       only print it

Every program is compiled and run on a few argument tuples; results (bit for bit), errors and what
happened to arrays must be CPython's. A program that fails is made small and written to fuzz/out as
a file that shows the difference when it is run. The same seed gives the same program.
"""

import argparse
import json
import os
import pathlib
import re
import select
import subprocess
import sys
import time

from generate import MATH, MATH_TWO, Generator
from shrink import shrink

HERE = pathlib.Path(__file__).resolve().parent
FEATURES = (
    "arrays",
    "bool",
    "closures",
    "complex",
    "recursion",
    "reversed",
    "try",
    "unbound",
    *MATH,
    *MATH_TWO,
)


class Judge:
    """The oracle in a process of its own, started again when a program crashes or hangs it."""

    def __init__(self, module, limit):
        self.module, self.limit = module, limit
        self.process = None

    def __call__(self, program):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "oracle.py", self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            if not self.process.stdout.readline():
                sys.exit(f"the oracle does not start:\n{self.process.communicate()[1]}")
        request = {
            "plain": program.text(reference=False),
            "reference": program.text(reference=True),
            "arguments": program.arguments,
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], self.limit)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.process.kill()
        errors = self.process.communicate()[1].strip().splitlines()[-1:]
        status, self.process = self.process.returncode, None
        if not ready:
            return {"kind": "hangs", "detail": f"no answer in {self.limit} s"}
        return {"kind": "crashes", "detail": f"status {status} {''.join(errors)}"}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def family(verdict):
    """What must stay the same while a program is made small."""
    detail = verdict.get("detail", "")
    if verdict["kind"] == "rejected":
        return "rejected", re.sub(r"[^A-Za-z ]", "", detail.splitlines()[0])[:30]
    return verdict["kind"], "raises" in detail


def write_reproduction(folder, seed, program, verdict, module):
    folder.mkdir(exist_ok=True)
    path = folder / f"seed_{seed}.py"
    expected = verdict.get("expected", ["?"] * len(program.arguments))
    rows = zip(program.arguments, expected, strict=True)
    calls = "\n".join(f"    ({arguments}, {text!r})," for arguments, text in rows)
    detail = "\n".join(f"# {line}".rstrip() for line in verdict["detail"].splitlines()[:40])
    path.write_text(
        f"# Seed {seed}: {verdict['kind']}\n{detail}\n"
        f"import math\nimport sys\n\nimport numpy as np\nfrom {module} import njit\n\n"
        f"inf, nan = math.inf, math.nan\n\n\n{program.text(reference=False)}\n\n"
        f"# Arguments, and what CPython makes of them.\nCALLS = [\n{calls}\n]\n\n"
        f'if __name__ == "__main__":\n'
        f"    sys.path.insert(0, {os.path.relpath(HERE)!r})\n"
        f"    from oracle import outcome\n\n"
        f"    for arguments, expected in CALLS:\n"
        f'        print(f"got      {{outcome(main, arguments)[0]}}\\nexpected {{expected}}\\n")\n'
    )
    return path


def fuzz(options):
    """Runs programs until time, count or patience is over: how many ran, how many failed.

    A program that is rejected as one before it was is counted, but not looked into again.
    """
    judge = Judge(options.module, options.limit)
    end = time.monotonic() + options.seconds
    done = failures = 0
    rejections = set()
    while time.monotonic() < end and done != options.count and failures < options.failures:
        seed = options.seed + done
        done += 1
        program = Generator(seed, options.without).program()
        verdict = judge(program)
        if verdict["kind"] == "same":
            continue
        failures += 1
        kind = family(verdict)
        if kind in rejections:
            print(f"seed {seed}: rejected as before", flush=True)
            continue
        if verdict["kind"] == "rejected":
            rejections.add(kind)
        print(f"seed {seed}: {verdict['kind']}: {verdict['detail']}", flush=True)
        if not options.no_shrink and verdict["kind"] != "invalid":
            smaller = shrink(program, lambda one, kind=kind: family(judge(one)) == kind)
            again = judge(smaller)
            if family(again) == kind:
                program, verdict = smaller, again
            else:
                print("    but not when run again", flush=True)
        path = write_reproduction(HERE / "out", seed, program, verdict, options.module)
        print(f"    {os.path.relpath(path)}", flush=True)
    judge.close()
    return done, failures


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, help="stop after so many programs")
    parser.add_argument("--without", nargs="*", default=[], choices=FEATURES, metavar="WORD")
    parser.add_argument("--failures", type=int, default=5, help="stop after so many failures")
    parser.add_argument("--limit", type=float, default=20, help="seconds a program may take")
    parser.add_argument("--module", default="ferdelance", help="the compiler under test")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--show", action="store_true", help="print the program of --seed")
    options = parser.parse_args()

    if options.show:
        program = Generator(options.seed, options.without).program()
        print(program.text(reference=False), *program.arguments, sep="\n")
        return 0

    done, failures = fuzz(options)
    print(f"{done} programs from seed {options.seed} on: {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
