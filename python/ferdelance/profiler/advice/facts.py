"""What rules look at: the tables of a recording, by function."""

import functools
import re

from .capture import LIBRARY
from .sources import File, NotFound

#: Operations of NumPy and BLAS on the elements of arrays, as reports name them. The rest of NumPy's
#: time goes into calls, into scalars, and into making and freeing arrays.
ARRAYS = re.compile(
    r"^(BLAS|LAPACK|NumPy (?!scalar |calls|memory of arrays|arrays from Python objects|tolist))"
)
#: Those that memory takes longer for than arithmetic.
ELEMENTWISE = re.compile(
    r"^NumPy (add|subtract|multiply|divide|true_divide|negative|absolute|square|sqrt|reciprocal|"
    r"maximum|minimum|less|greater|equal|not_equal|logical|bitwise|where)"
)
#: What is done for the interpreter's sake: values as objects, calls of functions with them.
OVERHEAD = re.compile(
    r"^(NumPy (scalar |calls|memory of arrays|arrays from Python objects|tolist)"
    r"|C library: (math|memory)|memory|garbage)"
)
#: Files whose functions start processes and pass data between them.
PASSING = re.compile(r"/multiprocessing/\w+\.py$|/concurrent/futures/process\.py$")
#: Files of compilers that programs use; to be watched, a program loads some of ferdelance's.
COMPILER = re.compile(r"/ferdelance/(?!profiler/|__init__\.py|_startup\.py)|-packages/numba/")
#: What is done by this package's library, with and without symbols.
OWN = re.compile(r"^_core \(no symbols\)$|\(_core\)$")
PAGE_FAULTS = "kernel: page faults"
#: An array in a type, as recordings have it: dtype, shape, order.
ARRAY = re.compile(r"ndarray\((?P<dtype>[^,()]+), \((?P<shape>[^)]*)\)(?:, (?P<order>[^)]*))?\)")


class Array:
    """The type of an array that a function was called with."""

    def __init__(self, dtype, shape, order):
        self.dtype = dtype
        self.shape = shape
        self.order = order

    @property
    def size(self):
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def itemsize(self):
        """Bytes of an item, by the number in its dtype's name: 8 where there is none."""
        bits = re.search(r"\d+$", self.dtype)
        return int(bits[0]) // 8 if bits else 8


def arrays_in(types):
    """The arrays in the types of arguments."""
    found = []
    for match in ARRAY.finditer(types):
        shape = [int(n) for n in re.findall(r"\d+", match["shape"])]
        found.append(Array(match["dtype"], shape, match["order"] or ""))
    return found


class Function:
    """A Python function with the time that was spent in it, in seconds of CPU time."""

    def __init__(self, number, name, file, line, kind):
        self.number = number
        self.name = name
        self.file = file
        self.line = line
        self.kind = kind
        self.own = 0.0
        self.total = 0.0
        self.samples = 0
        #: What native code that it calls did, by operation.
        self.operations = {}
        #: Time by types of arguments, most first.
        self.types = {}

    @property
    def in_interpreter(self):
        """The part of its own time in which Python code ran, or calls were made."""
        other = sum(t for o, t in self.operations.items() if not OVERHEAD.match(o))
        return max(self.own - other, 0.0)

    @property
    def is_users(self):
        return self.kind == "python" and bool(self.file) and not LIBRARY.search(self.file)

    @property
    def label(self):
        return f"{self.name} ({self.file.rpartition('/')[2]}:{self.line})"

    def arrays(self):
        """The arrays among its arguments, with the time for which each stands."""
        return [(array, time) for text, time in self.types.items() for array in arrays_in(text)]


class Facts:
    """Of a recording.

    Attributes
    ----------
    cpu, elapsed : float
        CPU time of all processes, and how long it took, in seconds.
    functions : list of Function
        With the most time first, with all that they call.
    """

    def __init__(self, recording, versions=None, unseen=0.0):
        self.recording = recording
        #: CPU time of the program that is in no sample, as of its processes' very ends.
        self.unseen = unseen
        #: The types that functions were compiled for, as texts, by file, line and name.
        self.versions = versions or {}
        samples = recording.samples
        self.cpu = float(samples["user"].sum() + samples["kernel"].sum())
        self.elapsed = recording.meta["elapsed"]
        self.cpus = recording.meta["target_cpus"]
        self._files = {}
        self.functions = sorted(self._functions().values(), key=lambda f: -f.total)

    def _functions(self):
        r = self.recording
        rows = list(_rows(r.functions, "name", "file", "line", "kind"))
        functions = {}
        for number, own, total, samples in _rows(r.hot, "function", "own", "total", "samples"):
            functions[number] = function = Function(number, *rows[number])
            function.own, function.total, function.samples = own, total, samples
        for number, operation, time in _rows(r.operations, "function", "operation", "time"):
            if number in functions:
                operations = functions[number].operations
                operations[operation] = operations.get(operation, 0.0) + time
        arguments = r.signatures["arguments"]
        for number, signature, time in _rows(r.types, "function", "signature", "time"):
            if number in functions and arguments[signature]:
                functions[number].types[arguments[signature]] = time
        for function in functions.values():
            by_time = sorted(function.types.items(), key=lambda item: -item[1])
            function.types = dict(by_time)
        return functions

    @functools.cached_property
    def _stacks(self):
        """Of each stack: its parent, its function, the innermost function with a row, its time."""
        import numpy as np

        r = self.recording
        own = {f.number for f in self.functions}
        parents = r.stacks["parent"].tolist()
        numbers = r.frames["function"][r.stacks["frame"]].tolist()
        owners = []
        # Callers come before what they call.
        for parent, number in zip(parents, numbers, strict=True):
            owners.append(number if number in own else owners[parent] if parent >= 0 else -1)
        samples = r.samples
        has_stack = samples["stack"] >= 0
        times = np.bincount(
            samples["stack"][has_stack],
            weights=(samples["user"] + samples["kernel"])[has_stack],
            minlength=len(parents),
        )
        return parents, numbers, owners, times.tolist()

    def below(self, function):
        """CPU time within a function and all that it calls, by the function that it is own time of.

        Of functions that others call as well, only what belongs to this one.
        """
        by_number = {f.number: f for f in self.functions}
        times, is_below = {}, []
        for parent, number, owner, time in zip(*self._stacks, strict=True):
            within = number == function.number or (parent >= 0 and is_below[parent])
            is_below.append(within)
            if within and time and owner >= 0:
                owner = by_number[owner]
                times[owner] = times.get(owner, 0.0) + time
        return times

    def processes_of(self, function):
        """In how many processes a function ran, and how many of these had to start Python anew.

        What is forked has loaded what its parent has.
        """
        r = self.recording
        parents, numbers, _, _ = self._stacks
        is_below = []
        for parent, number in zip(parents, numbers, strict=True):
            is_below.append(number == function.number or (parent >= 0 and is_below[parent]))
        owners = r.threads["process"].tolist()
        found = {
            owners[thread]
            for thread, stack in _rows(r.samples, "thread", "stack")
            if stack >= 0 and is_below[stack]
        }
        commands, origins = r.processes["command"], r.processes["parent"].tolist()
        anew = [i for i in found if origins[i] >= 0 and commands[i] != commands[origins[i]]]
        return len(found), len(anew)

    @functools.cached_property
    def lines(self):
        """CPU time of lines, with what native code did for them: by file and number."""
        rows = _rows(self.recording.hot_lines, "file", "line", "own")
        return {(file, line): own for file, line, own in rows}

    @functools.cached_property
    def compiling(self):
        """CPU time in which this package's own code ran: it compiled, but for little."""
        return sum(
            time
            for function in self.functions
            for operation, time in function.operations.items()
            if OWN.search(operation)
        )

    @functools.cached_property
    def has_compiler(self):
        """Whether the program itself uses ferdelance, or Numba."""
        return any(f.kind == "compiled" or COMPILER.search(f.file) for f in self.functions)

    @functools.cached_property
    def has_numpy(self):
        """Whether the program loads NumPy."""
        return any(f.file.endswith("/numpy/__init__.py") for f in self.functions)

    def share(self, time):
        """Of all CPU time."""
        return time / self.cpu if self.cpu else 0.0

    @functools.cached_property
    def passing(self):
        """CPU time for processes as such: to start them, to pickle what they pass, to pass it.

        What functions of the user's do there is none of it, but freeing what was passed is.
        """
        kinds = {}
        for f in self.functions:
            if f.is_users:
                kinds[f.number] = False
            elif PASSING.search(f.file) and f.name != "<module>":
                kinds[f.number] = True
        passing, is_passing = 0.0, []
        for parent, number, _, time in zip(*self._stacks, strict=True):
            caller = parent >= 0 and is_passing[parent]
            is_passing.append(kinds.get(number, caller))
            passing += time if is_passing[-1] else 0.0
        return passing

    @functools.cached_property
    def sources(self):
        """Texts of files, by their names."""
        sources = self.recording.sources
        return dict(zip(sources["file"], sources["text"], strict=True))

    def file(self, name):
        """The contents of a source file. Raises sources.NotFound if they are not there."""
        if name not in self._files:
            if name not in self.sources:
                raise NotFound("the recording has no source of its file")
            self._files[name] = File(self.sources[name])
        return self._files[name]

    def time_in_state(self, state):
        """How long threads waited in a state, in seconds."""
        rows = _rows(self.recording.samples, "state", "wait")
        return sum((time for s, time in rows if s == state), 0.0)

    @functools.cached_property
    def python_processes(self):
        """How many processes ran Python, and used CPU time for it."""
        processes = self.recording.processes
        used = processes["user"] + processes["kernel"]
        return sum(
            bool(python) and time > 0.02 * self.cpu
            for python, time in zip(processes["python"], used, strict=True)
        )

    @functools.cached_property
    def has_forked_workers(self):
        """Whether there are processes that others of these have started."""
        return any(parent >= 0 for parent in self.recording.processes["parent"].tolist())


def _rows(table, *names):
    columns = (table[name] for name in names)
    columns = (c.tolist() if hasattr(c, "tolist") else c for c in columns)
    return zip(*columns, strict=True)
