"""What a Python does when it starts with ``FERDELANCE_RECORD=path`` in its environment.

Or as a process of a program whose calls or lines are counted (``FERDELANCE_COUNT``), or of one that
``fdl advise`` has started (``FERDELANCE_CAPTURE``), which keeps arguments of calls.
"""

import os

#: Names a file: the program is recorded, as by ``fdl record -o FILE``.
VARIABLE = "FERDELANCE_RECORD"


#: Has a request of ``fdl data`` or ``fdl lines``.
COUNT = "FERDELANCE_COUNT"
#: Names a directory, for arguments of calls.
CAPTURE = "FERDELANCE_CAPTURE"


def start():
    if COUNT in os.environ:
        from .profiler import _counting

        _counting.begin(os.environ[COUNT])
    if CAPTURE in os.environ:
        # It stays there: processes that this one starts are of the program as well.
        directory = os.environ[CAPTURE]
        if os.path.isdir(directory):
            from .profiler.advice import capture

            capture.start(directory)
    path = os.environ.get(VARIABLE)
    # Who has an agent already is a process of a program that is recorded.
    if not path or "FERDELANCE_AGENT" in os.environ:
        return
    import atexit
    import sys

    from .profiler import _session

    try:
        session = _session.Session(path)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"ferdelance: not recorded: {error}", file=sys.stderr)
        return

    def finish():
        if session.is_own:
            session.stop()

    atexit.register(finish)
