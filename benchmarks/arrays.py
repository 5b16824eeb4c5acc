"""The second part: array programs beside NumPy, Numba and Pythran, and what the machine allows."""

import concurrent.futures
import contextlib
import os
import re
import sys

import pythran_modules
from array_kernels import KERNELS
from engines import HERE, Worker, dot, rounds

SIZES = ("s", "m", "l")
WORKER = str(HERE / "array_worker.py")

# Working sets in bytes for which the bandwidth is measured: three arrays of equal size.
WORKING_SETS = [3 * 2**k for k in range(13, 28, 2)]
ADD = {
    "out": "def f(x, y, out):\n    np.add(x, y, out)\n",
    "new": "def f(x, y):\n    return np.add(x, y)\n",
}
MATMUL = "def f(x, y, out):\n    np.matmul(x, y, out)\n"
MATMUL_SIZE = 768

# Expressions of arrays that no cache holds, each evaluated into an array that exists and into a
# new one; and the arrays' type.
EXPRESSION_SIZE = 4_000_000
EXPRESSIONS = [
    ("x + y", "float64"),
    ("x + y", "float32"),
    ("2.5 * x + y - z * 0.5", "float64"),
    ("np.sqrt(x * x + y * y)", "float64"),
    ("np.abs(x - y) / (x + y)", "float64"),
    ("np.where(x > y, x - y, y)", "float64"),
    ("np.minimum(np.maximum(x, 0.2), 0.8)", "float64"),
    ("np.exp(-x * x)", "float64"),
]
REDUCTIONS = [("np.sum(x)", "float64"), ("np.sum(x * y)", "float64"), ("np.max(x)", "float64")]

FUNCTION_SIZE = 4096
FUNCTIONS = {
    "sqrt": (0, 100),
    "exp": (-20, 20),
    "exp2": (-20, 20),
    "expm1": (-2, 2),
    "log": (1e-3, 1e3),
    "log2": (1e-3, 1e3),
    "log10": (1e-3, 1e3),
    "log1p": (-0.9, 10),
    "sin": (-20, 20),
    "cos": (-20, 20),
    "tan": (-20, 20),
    "arcsin": (-1, 1),
    "arccos": (-1, 1),
    "arctan": (-10, 10),
    "sinh": (-10, 10),
    "cosh": (-10, 10),
    "tanh": (-3, 3),
    "arcsinh": (-10, 10),
    "arccosh": (1, 10),
    "arctanh": (-0.99, 0.99),
    "cbrt": (-100, 100),
    "power": (0.1, 10),
    "arctan2": (-10, 10),
    "hypot": (-10, 10),
}
BINARY = {"power", "arctan2", "hypot"}


def environment(threads):
    variables = ("OMP", "OPENBLAS", "NUMBA", "FERDELANCE")
    limits = {f"{name}_NUM_THREADS": str(threads) for name in variables}
    return {**limits, "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def fresh(workers):
    """Has copies of the processes answer that know nothing of earlier programs."""
    for worker in workers.values():
        worker.ask(fresh=True)
    try:
        yield
    finally:
        for worker in workers.values():
            worker.ask(done=True)


class Method:
    """How array programs are measured: by which engines, how often, how long."""

    def __init__(self, module, python, numba, modules, quick):
        self.module, self.quick = module, quick
        self.rounds = 2 if quick else 5
        self.budget = 0.003 if quick else 0.02

        def worker(python, *arguments, threads=1):
            return Worker(python, WORKER, *arguments, **environment(threads))

        self.numpy = {"numpy": worker(sys.executable, "numpy")}
        ours = worker(python, module, "array")
        # NumPy and the engine under test, for programs that are given as text.
        self.pair = self.numpy | {module: ours}
        self.jits = {
            module: ours,
            f"{module} loops": worker(python, module, "loops"),
            "numba": worker(numba, "numba", "array"),
            "numba loops": worker(numba, "numba", "loops"),
            "numba parallel": worker(numba, "numba", "array", "parallel"),
        }
        self.pythran = {}
        for variant, files in modules.items():
            pairs = [f"{name}={file}" for name, file in files.items()]
            self.pythran[f"pythran {variant}".strip()] = worker(numba, "pythran", *pairs)
        self.double = {
            "numpy": worker(sys.executable, "numpy", threads=2),
            f"{module} parallel": worker(python, module, "array", "parallel", threads=2),
            "numba parallel": worker(numba, "numba", "array", "parallel", threads=2),
        }

    def close(self):
        for worker in (self.numpy | self.jits | self.pythran | self.double).values():
            worker.close()

    def time(self, workers, **request):
        return rounds(self.rounds, workers, seconds=self.budget, **request)

    def first(self, workers, name):
        """First calls, as many at once as there are cores: processor time is what counts."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            asked = {engine: pool.submit(w.ask, first=name) for engine, w in workers.items()}
        return {engine: [task.result()] for engine, task in asked.items()}

    def sizes(self, workers, name, sizes):
        """First calls, and the times at each size of those that could be called."""
        with fresh(workers):
            first = self.first(workers, name)
            able = {e: worker for e, worker in workers.items() if "error" not in first[e][0]}
            return first, {s: self.time(able, kernel=name, size=s) for s in sizes}

    def kernel(self, name, sizes):
        first, single = self.sizes(self.numpy | self.jits | self.pythran, name, sizes)
        double = {}
        if not self.quick:
            double = self.sizes(self.double, name, [s for s in sizes if s != "s"])[1]
        dot()
        return {"group": KERNELS[name].group, "first": first, "single": single, "double": double}

    def limits(self):
        """What the machine can do: bytes moved and multiply-adds, a second."""
        with fresh(self.numpy):
            bandwidth = [
                {"working_set": size, **{f: self.bandwidth(f, size // 24) for f in ADD}}
                for size in WORKING_SETS
            ]
            square = ["float64", [MATMUL_SIZE, MATMUL_SIZE], 0, 1]
            product = self.time(self.numpy, program=MATMUL, arrays=[square] * 3)
        return {
            "bandwidth": bandwidth,
            "multiply_adds": [MATMUL_SIZE**3 / a["seconds"] for a in product["numpy"]],
        }

    def bandwidth(self, form, items):
        """Bytes that np.add moves in a second, in each round."""
        arrays = [["float64", [items], 0, 1]] * (3 if form == "out" else 2)
        answers = self.time(self.numpy, program=ADD[form], arrays=arrays)["numpy"]
        return [24 * items / a["seconds"] for a in answers]

    def expression(self, expression, dtype, form):
        """An expression and, in the same moment, what np.add does."""
        inputs = sorted(set(re.findall(r"\b[xyz]\b", expression)))
        given = inputs + ["out"] * (form == "out")
        action = "out[:] =" if form == "out" else "return"
        text = f"def f({', '.join(given)}):\n    {action} {expression}\n"
        arrays = [[dtype, [EXPRESSION_SIZE], 0.1, 1]] * len(given)
        moved = len(inputs) + (form != "reduction")
        return {
            "expression": expression,
            "dtype": dtype,
            "form": form,
            "bytes": moved * EXPRESSION_SIZE * int(dtype.removeprefix("float")) // 8,
            "answers": self.time(self.pair, program=text, arrays=arrays),
            "bandwidth": self.bandwidth("new" if form == "new" else "out", EXPRESSION_SIZE),
        }

    def expressions(self):
        found = []
        with fresh(self.pair):
            for form, expressions in (
                ("out", EXPRESSIONS),
                ("new", EXPRESSIONS),
                ("reduction", REDUCTIONS),
            ):
                for expression, dtype in expressions:
                    found.append(self.expression(expression, dtype, form))
                    dot()
        return found

    def functions(self):
        """Function -> type -> answers, for arrays that fit the cache."""
        found = {}
        with fresh(self.pair):
            for name, (low, high) in FUNCTIONS.items():
                names = "x, y" if name in BINARY else "x"
                text = f"def f({names}, out):\n    np.{name}({names}, out)\n"
                found[name] = {
                    dtype: self.time(
                        self.pair,
                        program=text,
                        arrays=[[dtype, [FUNCTION_SIZE], low, high]] * (2 + (name in BINARY)),
                    )
                    for dtype in ("float64", "float32")
                }
                dot()
        return found


def measure(module, python, numba, quick, names=None, sizes=None):
    """All figures of this part; with `names` or `sizes`, only those of kernels."""
    kernels = names or list(KERNELS)
    print("pythran ", end="", flush=True)
    modules = pythran_modules.make_all(numba, [KERNELS[name] for name in kernels])
    with contextlib.closing(Method(module, python, numba, modules, quick)) as method:
        print("\narrays ", end="", flush=True)
        found = {"limits": method.limits()}
        found["kernels"] = {name: method.kernel(name, sizes or SIZES) for name in kernels}
        if names is None and sizes is None:
            print("\nexpressions ", end="", flush=True)
            found["expressions"] = method.expressions()
            print("\nfunctions ", end="", flush=True)
            found["functions"] = method.functions()
            found["function_size"] = FUNCTION_SIZE
    print("\n")
    return found
