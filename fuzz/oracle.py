"""Runs programs in both texts and says whether they agree.

As a program it is the fuzzer's second process: a JSON line {"plain", "reference", "arguments"} in,
a JSON line {"kind", "detail", "expected"} out, so that a crash takes only this process along.

    python oracle.py MODULE
"""

import copy
import ctypes
import importlib
import json
import linecache
import math
import sys

import numpy as np

LIBM = ctypes.CDLL("libm.so.6")


def c_function(name, arity):
    """A function of the C library: nan or inf where Python's `math` raises."""
    function = LIBM[name]
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * arity
    return function


def wrap(bits, signed=True):
    half, full = (1 << (bits - 1) if signed else 0), 1 << bits
    return lambda value: (int(value) + half) % full - half


def augment(array, index, change):
    array[index] = change(array[index])


def reference_scope():
    from generate import MATH, MATH_TWO

    scope = {"math": math, "_w": wrap(64), "_w32": wrap(32), "_w8": wrap(8, signed=False)}
    # Comparing tuples, CPython takes identical objects for equal: a nan with itself. Compiled code
    # has no identity of numbers.
    scope["_new"] = lambda x: x * 1.0 if isinstance(x, float) else x
    scope["_div"] = lambda a, b: float(a) / float(b)
    scope["_aug"] = augment
    scope |= {f"_{name}": c_function(name, 1) for name in MATH}
    scope |= {f"_{name}": c_function(name, 2) for name in MATH_TWO}
    scope["_abs"] = lambda z: scope["_hypot"](z.real, z.imag)
    return scope


def define(text, scope, file):
    """Runs `text` in `scope` and gives its function `main`; the source stays findable."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), scope)
    return scope["main"]


def bits(value):
    """A text that is equal for equal results: by type, floats bit for bit, all nans alike."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(map(bits, value.ravel().tolist()))}"
    if isinstance(value, tuple):
        return f"({', '.join(map(bits, value))})"
    if isinstance(value, complex):
        return f"complex({bits(value.real)}, {bits(value.imag)})"
    if isinstance(value, float):
        if value != value:
            return "nan"
        return f"{value!r}" if value else f"{math.copysign(1, value):.0f} * 0.0"
    return f"{value!r}"


def outcome(function, arguments):
    """What a call does: result or error, and what it leaves in the arguments."""
    arguments = copy.deepcopy(arguments)
    try:
        with np.errstate(all="ignore"):
            text = bits(function(*arguments))
    except Exception as error:
        # Where the reference has a function around it, a local without a value is a free variable.
        kind = NameError if isinstance(error, NameError) else type(error)
        text, failure = f"raises {kind.__name__}", error
    else:
        failure = None
    arrays = [bits(a) for a in arguments if isinstance(a, np.ndarray)]
    return text + "".join(f"; {a}" for a in arrays), failure


class Oracle:
    def __init__(self, name):
        self.module = importlib.import_module(name)
        self.count = 0

    def judge(self, plain, reference, arguments):
        self.count += 1
        values = {"np": np, "nan": math.nan, "inf": math.inf}
        with np.errstate(all="ignore"):
            arguments = [eval(text, values) for text in arguments]
        expected = []
        try:
            main = define(reference, reference_scope(), f"<reference {self.count}>")
        except SyntaxError as error:
            return {"kind": "invalid", "detail": str(error)}
        for given in arguments:
            text, failure = outcome(main, given)
            if isinstance(failure, NameError | SyntaxError | AttributeError | TypeError):
                # Not one that the program raises itself, nor a local without a value.
                if not str(failure).isdigit() and "cannot access" not in str(failure):
                    return {"kind": "invalid", "detail": f"{type(failure).__name__}: {failure}"}
            expected.append(text)
        scope = {"math": math, "njit": self.module.njit}
        try:
            main = define(plain, scope, f"<program {self.count}>")
        except Exception as error:
            return self.rejected(error, expected)
        for given, want in zip(arguments, expected, strict=True):
            before = self.live()
            got, failure = outcome(main, given)
            if failure and type(failure).__module__.split(".")[0] == self.module.__name__:
                return self.rejected(failure, expected)
            if got != want:
                return {
                    "kind": "differs",
                    "detail": f"{got}\n    wanted {want}",
                    "expected": expected,
                }
            failure = None
            if self.live() != before:
                detail = f"{before} before, {self.live()} after"
                return {"kind": "leaks", "detail": detail, "expected": expected}
        return {"kind": "same"}

    def live(self):
        """How much memory of compiled code is in use, where the module can say."""
        runtime = getattr(self.module, "runtime", None)
        return runtime and {
            name: value for name, value in runtime.stats().items() if name.startswith("live_")
        }

    def rejected(self, error, expected):
        detail = f"{type(error).__name__}: {error}"
        if "[unbound-variable]" in detail:
            return {"kind": "same"}  # a variable without a value on any path is refused by design
        return {"kind": "rejected", "detail": detail, "expected": expected}


def main():
    oracle = Oracle(sys.argv[1])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(oracle.judge(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
