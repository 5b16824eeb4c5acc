"""The processes that are started while a profile is enabled: they count, too, and it has the sum.

What is forked goes on with the profile that it has inherited; another Python, as `spawn` starts it,
finds a request in its environment, as under ``fdl data``. Each writes what it has counted into the
profile's directory when it ends, and the profile reads that when it is asked.
"""

import json
import marshal
import os
import shutil
import weakref

from .._startup import COUNT


class Children:
    """What the processes have counted that are started while a profile is enabled.

    Parameters
    ----------
    request : dict
        What other Pythons are to count, as :mod:`._counting` takes it; None if they cannot.
    """

    def __init__(self, request):
        self.request = request
        self.directory = None

    def watch(self, profile):
        """From now on processes that are started count."""
        global _watched
        if COUNT in os.environ:
            # They are a program's that is counted as a whole.
            return
        if self.directory is None:
            from ._session import make_directory

            self.directory = make_directory()
            weakref.finalize(self, _remove, self.directory, os.getpid())
        _at_fork()
        _watched = weakref.ref(profile)
        if self.request is not None:
            os.environ[COUNT] = json.dumps({**self.request, "directory": self.directory})

    def unwatch(self):
        global _watched
        if _watched is not None:
            _watched = None
            os.environ.pop(COUNT, None)

    def tables(self):
        """What those that have ended have counted: of each what :meth:`Profile.tables` gives."""
        for name in self._names():
            if name.endswith(".counts"):
                with open(os.path.join(self.directory, name), "rb") as file:
                    yield marshal.load(file)

    def missing(self):
        """Of those that have not: sentences."""
        from ._counting import missing_in

        found = missing_in(self.directory) if self._names() else ()
        return [f"process {pid} is missing: {reason}" for pid, _, reason in found]

    def clear(self):
        """Forgets what was counted."""
        for name in self._names():
            if name.endswith(".counts"):
                os.unlink(os.path.join(self.directory, name))

    def _names(self):
        return sorted(os.listdir(self.directory)) if self.directory is not None else []


#: The profile that is enabled, if its children count: a weak reference.
_watched = None
_is_told = False


def _at_fork():
    global _is_told
    if not _is_told:
        os.register_at_fork(after_in_child=_in_child)
        _is_told = True


def _in_child():
    """This is the child of a fork: what its parent has counted is its parent's."""
    global _watched
    profile = _watched() if _watched is not None else None
    _watched = None
    if profile is not None:
        from . import _counting

        directory = profile.leave_children()
        # A signal may end this process while it gets ready.
        profile.clear(child=True)
        _counting.go_on(profile, {"tables": True, "directory": directory})
        # With what this was.
        profile.clear(child=True)


def _remove(directory, owner):
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def merged(tables):
    """One profile's tables of several's: what is called the same is the same."""
    functions, calls, callers = {}, {}, {}
    builtins = False
    for one in tables:
        builtins = builtins or one["builtins"]
        numbers = [functions.setdefault(f, len(functions)) for f in map(tuple, one["functions"])]
        keys = []
        for function, signature, *counts in one["calls"]:
            signature = signature if signature is None else tuple(map(tuple, signature))
            key = (numbers[function], signature)
            keys.append(key)
            calls[key] = _sums(calls.get(key), counts)
        for caller, callee, *counts in one["callers"]:
            key = (keys[caller], keys[callee])
            callers[key] = _sums(callers.get(key), counts)
    places = {key: number for number, key in enumerate(calls)}
    return {
        "functions": list(functions),
        "calls": [(*key, *counts) for key, counts in calls.items()],
        "callers": [(places[a], places[b], *counts) for (a, b), counts in callers.items()],
        "builtins": builtins,
    }


def _sums(old, new):
    return new if old is None else [a + b for a, b in zip(old, new, strict=True)]
