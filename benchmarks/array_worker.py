"""One engine for array programs in a process of its own: a JSON line for each request and answer.

    python array_worker.py numpy
    python array_worker.py MODULE array|loops [OPTION ...]
    python array_worker.py pythran KERNEL=FILE ...

Requests: {"fresh": true}, after which a copy of the process answers, until {"done": true};
{"first": KERNEL}; {"kernel": KERNEL, "size": S, "seconds": BUDGET}; and {"program": TEXT,
"arrays": [[DTYPE, SHAPE, LOW, HIGH], ...], "seconds": BUDGET}, whose text defines a function `f` of
these arrays. What an engine cannot do is answered as {"error": TEXT}.
"""

import functools
import importlib
import importlib.util
import inspect
import math
import os
import pathlib
import sys
import time

import numpy as np
from array_kernels import KERNELS
from array_loops import LOOPS
from worker import function_from, serve

# Results of other engines may differ from NumPy's by this, relative to the largest item; integers
# and truth values not at all. Sums in order, of millions of items, are no better.
TOLERANCE = 1e-8
# Runs that are shorter are timed by the wall clock, whose reading costs less: the fastest of many
# has not been interrupted. Longer ones by the time of the thread alone.
LONG = 500e-6
FEWEST_RUNS, MOST_RUNS = 3, 1000
# What an engine loads for its first program is not counted as time of a kernel.
WARM_UP = "def f(x, out):\n    out[1:] = x[1:] * 0.5\n    return np.sum(x)\n"


class NumPy:
    """The yardstick: the programs as they are."""

    def warm_up(self):
        pass

    def kernel(self, name):
        return KERNELS[name].function

    def program(self, text):
        return function_from(text, text, np=np)


class Jit:
    """Numba, ferdelance, or whatever has their API."""

    def __init__(self, module, form, *options):
        self.njit = importlib.import_module(module).njit
        self.loops = form == "loops"
        self.options = dict.fromkeys(options, True)

    def warm_up(self):
        """Not with the options: to run in parallel would start threads, which are not copied."""
        self.njit(function_from(WARM_UP, WARM_UP, np=np))(np.ones(4), np.ones(4))

    @functools.cache  # noqa: B019 (the engine lives as long as the process)
    def kernel(self, name):
        """A fresh copy, under a name of its own: no store of compiled code knows it."""
        chosen = LOOPS[name] if self.loops else KERNELS[name]
        options = self.options | (chosen.options if self.loops else {})
        fresh = f"{name}_{os.getpid()}"
        text = inspect.getsource(chosen.function)
        text = text[text.index("def ") :].replace(f"def {name}(", f"def {fresh}(", 1)
        return self.njit(**options)(function_from(text, fresh, fresh, np=np, math=math))

    def program(self, text):
        return self.njit(**self.options)(function_from(text, text, np=np))


class Pythran:
    """Modules that Pythran has made."""

    def __init__(self, *modules):
        self.files = dict(module.split("=", 1) for module in modules)

    def warm_up(self):
        pass

    def kernel(self, name):
        if name not in self.files:
            raise ValueError("Pythran made no module of it")
        file = self.files[name]
        # The module knows itself by the name of its file.
        spec = importlib.util.spec_from_file_location(pathlib.Path(file).stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, name)


def aligned(array):
    """A copy that begins at a cache line: so that engines do not differ by the luck of malloc."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def arguments_of(name, size):
    return [aligned(a) if isinstance(a, np.ndarray) else a for a in KERNELS[name].make(size)]


def outputs(arguments, result):
    """All that a program may have computed: its arguments and results, as arrays."""
    results = result if isinstance(result, tuple) else () if result is None else (result,)
    return [np.asarray(value) for value in (*arguments, *results)]


def difference(name, size, found):
    """What is wrong with the outputs, or None."""
    arguments = arguments_of(name, size)
    expected = outputs(arguments, KERNELS[name].function(*arguments))
    if len(found) != len(expected):
        return f"{len(found)} outputs instead of {len(expected)}"
    for a, b in zip(found, expected, strict=True):
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return f"{a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}"
        if b.dtype.kind not in "fc":
            if not np.array_equal(a, b):
                return f"{np.mean(a != b):.2g} of the items differ"
        elif not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * np.max(np.abs(b))):
            return f"off by {np.max(np.abs(a - b)) / np.max(np.abs(b)):.2g}"
    return None


def changed_arguments(arguments, pristine):
    return [
        (a, b)
        for a, b in zip(arguments, pristine, strict=True)
        if isinstance(a, np.ndarray) and not np.array_equal(a, b)
    ]


def traffic(name, arguments, changed, result):
    """Bytes that have to be moved at least, and bytes of all arrays.

    Inputs are read once and outputs written once, in each step of a loop over time. An argument
    named `out` is not read.
    """
    names = inspect.signature(KERNELS[name].function).parameters
    named = dict(zip(names, arguments, strict=True))
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    results = outputs((), result)
    new = sum(r.nbytes for r in results if not any(np.may_share_memory(r, a) for a in arrays))
    read = sum(a.nbytes for key, a in named.items() if isinstance(a, np.ndarray) and key != "out")
    written = sum(a.nbytes for a, _ in changed) + new
    return {
        "bytes": (read + written) * named.get("steps", 1),
        "working_set": sum(a.nbytes for a in arrays) + new,
    }


class Timed:
    """A function with its arguments, and what has to be put right before each run."""

    def __init__(self, function, arguments, restored=()):
        self.function, self.arguments, self.restored = function, arguments, restored

    def run(self, clock):
        for array, pristine in self.restored:
            array[...] = pristine
        function, arguments = self.function, self.arguments
        start = clock()
        function(*arguments)
        return (clock() - start) * 1e-9

    def best(self, budget):
        """Seconds of the fastest run; runs go on until they have taken some `budget` seconds."""
        clock = time.perf_counter_ns
        first = self.run(clock)
        if first > LONG and os.environ["OMP_NUM_THREADS"] == "1":
            clock = time.thread_time_ns
        best, spent, runs = math.inf, 0.0, 0
        while runs < FEWEST_RUNS or (spent < budget and runs < MOST_RUNS):
            seconds = self.run(clock)
            best, spent, runs = min(best, seconds), spent + seconds, runs + 1
        return best


class Answers:
    """Answers to requests. What was asked for last is kept for the next round."""

    def __init__(self, engine):
        self.engine = engine
        self.fresh = False
        self.key, self.timed = None, None
        engine.warm_up()

    def __call__(self, request):
        if "fresh" in request:
            return self.fork()
        if "done" in request:
            return self.done()
        if not self.fresh:
            raise RuntimeError("the process has ended")
        if "first" in request:
            return self.first(request["first"])
        if "kernel" in request:
            details = self.prepare_kernel(request["kernel"], request["size"])
        else:
            details = self.prepare_program(request["program"], request["arrays"])
        return {"seconds": self.timed.best(request["seconds"]), **details}

    def fork(self):
        """A copy answers from here on. If it dies, its last question is answered here."""
        child = os.fork()
        if child == 0:
            self.fresh = True
            self.engine.warm_up()  # and have most of the memory copied before time is taken
            return {}
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {"error": f"the process ended with status {status}"} if status else {}

    def done(self):
        if self.fresh:
            os._exit(0)  # the answer comes from the process that waits
        return {}

    def first(self, name):
        """Processor time from the function to its first result."""
        arguments = arguments_of(name, "s")
        start = time.process_time()
        self.engine.kernel(name)(*arguments)
        return {"seconds": time.process_time() - start}

    def prepare_kernel(self, name, size):
        if self.key == (name, size):
            return {}
        self.key, self.timed = None, None
        function = self.engine.kernel(name)
        arguments, pristine = arguments_of(name, size), arguments_of(name, size)
        result = function(*arguments)
        details = {"differs": difference(name, size, outputs(arguments, result))}
        changed = changed_arguments(arguments, pristine)
        details |= traffic(name, arguments, changed, result)
        names = inspect.signature(KERNELS[name].function).parameters
        if "out" in names:  # it is written only: what is in it does not matter
            out = arguments[list(names).index("out")]
            changed = [(a, b) for a, b in changed if a is not out]
        self.key, self.timed = (name, size), Timed(function, arguments, changed)
        return details

    def prepare_program(self, text, arrays):
        if self.key != (text, arrays):
            self.key, self.timed = None, None
            rng = np.random.default_rng(7)
            arguments = [
                aligned(rng.uniform(low, high, shape).astype(dtype))
                for dtype, shape, low, high in arrays
            ]
            self.key, self.timed = (text, arrays), Timed(self.engine.program(text), arguments)
        return {}


def main():
    kind, *rest = sys.argv[1:]
    engines = {"numpy": NumPy, "pythran": Pythran}
    engine = engines[kind](*rest) if kind in engines else Jit(kind, *rest)
    serve(Answers(engine))


if __name__ == "__main__":
    main()
