"""One engine in a process of its own: reads requests and writes answers, a JSON line each.

    python worker.py numba | ferdelance | python | c LIBRARY FAST_LIBRARY

Requests: {"compile": NAME, "constant": K}, {"call": NAME}, {"kernel": NAME, "fast": BOOL}.
What an engine cannot do is answered as {"error": TEXT}.
"""

import ctypes
import hashlib
import importlib
import json
import linecache
import pathlib
import sys
import time

import numpy as np
from kernels import KERNELS
from programs import PROGRAMS

HERE = pathlib.Path(__file__).resolve().parent

CALLS = {
    "scalar int": ("def f(x):\n    return x\n", (1,), {}),
    "one array": ("def f(a):\n    return 1\n", (np.zeros(4),), {}),
    "five arrays": ("def f(a, b, c, d, e):\n    return 1\n", (np.zeros(4),) * 5, {}),
    "keyword": ("def f(x):\n    return x\n", (), {"x": 1}),
}
CALL_COUNT = 20_000
KERNEL_RUNS = 3


def function_from(text, name, function="f", **scope):
    """The function that `text` defines; its source can be found as that of any function."""
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), scope)
    return scope[function]


class Jit:
    """Numba, ferdelance, or whatever has their API."""

    def __init__(self, name):
        self.module = importlib.import_module(name)
        self.kernels = {}
        self.function("def f(x):\n    return x + 0.5\n", "warm-up")(1.0)

    def function(self, text, name):
        return self.module.njit(function_from(text, name))

    def compile(self, name, constant):
        text, arguments = PROGRAMS[name]
        plain = function_from(text.replace("{K}", str(constant)), f"{name} {constant}")
        start = time.perf_counter()
        function = self.module.njit(plain)
        function(*arguments)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, **self.details(function)}

    def details(self, function):
        """Size of the code and time within LLVM, where the engine tells."""
        try:
            data = function.get_metadata(function.signatures[0])
        except Exception:
            return {}
        timers = data.get("timers", {})
        found = {
            "code_bytes": data.get("code_bytes"),
            "llvm_seconds": data.get("llvm_seconds", timers.get("llvm_lock")),
        }
        return {key: value for key, value in found.items() if value is not None}

    def kernel(self, name, fast):
        if (name, fast) not in self.kernels:
            build, _, arguments = KERNELS[name]
            options = {"fastmath": True} if fast else {}
            arguments = arguments()
            function = build(self.module.njit(**options))
            function(*arguments)
            self.kernels[name, fast] = function, arguments
        return self.kernels[name, fast]


class Python:
    """No engine: the yardstick for calls."""

    def function(self, text, name):
        return function_from(text, name)


class C:
    """The functions of kernels.c through ctypes; an array goes as its address and its extents."""

    def __init__(self, library, fast_library):
        self.libraries = {False: ctypes.CDLL(library), True: ctypes.CDLL(fast_library)}

    def kernel(self, name, fast):
        _, result, arguments = KERNELS[name]
        arguments = arguments()
        flat = []
        for value in arguments:
            if isinstance(value, np.ndarray):
                flat += [ctypes.c_void_p(value.ctypes.data), *map(ctypes.c_int64, value.shape)]
            else:
                flat.append(
                    (ctypes.c_double if isinstance(value, float) else ctypes.c_int64)(value)
                )
        function = self.libraries[fast][name]
        results = {"void": None, "double": ctypes.c_double, "int64_t": ctypes.c_int64}
        function.restype = results[result]
        return (lambda *_: function(*flat)), arguments


def time_calls(function, arguments, keywords):
    """Nanoseconds a call."""
    function(*arguments, **keywords)
    # Written out, so that the yardstick and the engines pay for the same loop and the same call.
    names = ", ".join([f"a{i}" for i in range(len(arguments))] + [f"{k}={k}" for k in keywords])
    scope = {"f": function, **keywords, **{f"a{i}": a for i, a in enumerate(arguments)}}
    exec(
        f"def loop(n, {', '.join(f'{k}={k}' for k in scope)}):\n for _ in range(n): f({names})",
        scope,
    )
    start = time.perf_counter_ns()
    scope["loop"](CALL_COUNT)
    return (time.perf_counter_ns() - start) / CALL_COUNT


def time_kernel(function, arguments):
    """Best of a few runs, and what they computed: exactly (a digest) and roughly (a sum).

    The time is the thread's own: of a machine that others use, a run may get but a slice at a time.
    """
    times = []
    for _ in range(KERNEL_RUNS):
        start = time.thread_time()
        result = function(*arguments)
        times.append(time.thread_time() - start)
    outputs = [np.asarray(v) for v in (*arguments, result) if v is not None]
    digest = hashlib.sha256(b"".join(v.tobytes() for v in outputs)).hexdigest()
    total = float(sum(np.abs(v.astype(float)).sum() for v in outputs))
    return {"seconds": min(times), "digest": digest, "sum": total}


def answer(engine, request, called):
    if "compile" in request:
        return engine.compile(request["compile"], request["constant"])
    if "call" in request:
        name = request["call"]
        text, arguments, keywords = CALLS[name]
        if name not in called:
            called[name] = engine.function(text, name)
        return {"ns": time_calls(called[name], arguments, keywords)}
    return time_kernel(*engine.kernel(request["kernel"], request["fast"]))


def serve(answer):
    """Answers requests until there are no more."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # whatever an engine raises is its answer
            text = str(error).replace(f"{HERE}/", "")
            reply = {"error": f"{type(error).__name__}: {text}"}
        print(json.dumps(reply), flush=True)


def main():
    name, *libraries = sys.argv[1:]
    if name == "c":
        engine = C(*libraries)
    elif name == "python":
        engine = Python()
    else:
        engine = Jit(name)
    called = {}
    serve(lambda request: answer(engine, request, called))


if __name__ == "__main__":
    main()
