"""See where time goes, have it changed, see again: the loop that ferdelance is made for.

    make demo

A slow program (`terrain.py`) is recorded; the report shows where its time goes; `fdl advise` names
what to compile, tries that, and prints the change; a changed copy runs, and draws the same picture.
"""

import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "out"
PROGRAM = HERE / "terrain.py"
FDL = [sys.executable, "-m", "ferdelance"]


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, **options)


def fdl(*words, **options):
    return run(*FDL, *words, **options)


def timed(program, *arguments):
    start = time.perf_counter()
    run(sys.executable, program, *arguments)
    return time.perf_counter() - start


def main():
    OUT.mkdir(exist_ok=True)
    slow, fast, fine = (OUT / f"terrain-{name}.png" for name in ("slow", "fast", "fine"))
    changed = OUT / "terrain_compiled.py"
    say("1. A program that is too slow, recorded: fdl record terrain.py")
    fdl("record", "-o", OUT / "terrain.fdl", PROGRAM, slow)
    say("2. Where its time goes: fdl report --functions terrain.fdl")
    fdl("report", "--functions", "--top", 4, OUT / "terrain.fdl")
    say("3. What to do about it, tried: fdl advise --apply terrain_compiled.py terrain.py")
    fdl("advise", "--apply", changed, PROGRAM, slow)
    say("4. The changed copy, recorded as well")
    fdl("record", "-o", OUT / "terrain-compiled.fdl", changed, fast, stderr=subprocess.DEVNULL)
    fdl("report", "--functions", "--top", 4, OUT / "terrain-compiled.fdl")
    if slow.read_bytes() != fast.read_bytes():
        sys.exit("the pictures differ")
    before, after = timed(PROGRAM, slow), timed(changed, fast)
    say(
        f"{before:.2f} s before, {after:.2f} s now, start and compiling included: "
        f"{before / after:.0f} times as fast, and the same picture."
    )
    drops = 400_000
    seconds = timed(changed, fine, drops)
    print(f"There is time for {drops:,} drops in place of 20,000 now: {seconds:.1f} s.")
    print(f"Pictures: {slow.relative_to(HERE.parent)}, {fine.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
