"""The agent: a library that takes samples inside of the programs that are recorded."""

import ctypes
import os
from pathlib import Path

LIBRARY = Path(__file__).parent.parent / "_agent.so"

#: Where a program's agent finds the recorder: ``RATE:CLOCK:SOCKET``.
VARIABLE = "FERDELANCE_AGENT"

#: Samples for each second of CPU time.
RATE = 499
RATES = (10, 10_000)

CLOCKS = ("perf", "timer")


def check(rate, clock):
    """The clock to use. Raises ValueError for a rate or a clock that there is not."""
    clock = clock or os.environ.get("FERDELANCE_CLOCK") or "perf"
    if clock not in CLOCKS:
        raise ValueError(f"clock must be one of {', '.join(CLOCKS)}, not {clock!r}")
    check_rate(rate)
    if not LIBRARY.exists():
        raise RuntimeError(f"{LIBRARY} is missing: this installation cannot record programs")
    return clock


def check_rate(rate):
    least, most = RATES
    if not least <= rate <= most:
        raise ValueError(f"rate must be from {least} to {most} Hz, not {rate:g}")


def variables(socket, rate, clock, directory):
    """What the environment of a program that is recorded has besides its own, as a dict.

    ``directory`` is for a link to the library, should the library's own path have characters that
    the loader takes for separators.
    """
    library = str(LIBRARY)
    if " " in library or ":" in library:
        library = os.path.join(directory, "_agent.so")
        if not os.path.lexists(library):
            os.symlink(LIBRARY, library)
    others = os.environ.get("LD_PRELOAD", "").split()
    return {
        "LD_PRELOAD": ":".join([library, *others]),
        VARIABLE: f"{rate:g}:{clock}:{socket}",
    }


def start(socket, rate, clock):
    """Start sampling this process; whether that worked."""
    library = ctypes.CDLL(str(LIBRARY))
    begin = library.ferdelance_agent_start
    begin.argtypes = (ctypes.c_char_p, ctypes.c_double, ctypes.c_int)
    return bool(begin(os.fsencode(socket), rate, clock == "perf"))


def stop():
    """Stop sampling this process."""
    ctypes.CDLL(str(LIBRARY)).ferdelance_agent_stop()
