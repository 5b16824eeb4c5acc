"""What a fresh process takes to import the module named on the command line and to compile x + 1.

Prints seconds as JSON: NumPy's import, the module's on top of it, and the first result after that.
"""

import importlib
import json
import sys
import time

t0 = time.perf_counter()
import numpy  # noqa: E402, F401

t1 = time.perf_counter()
module = importlib.import_module(sys.argv[1])
t2 = time.perf_counter()


@module.njit
def increment(x):
    return x + 1


answer = increment(1)
t3 = time.perf_counter()
assert answer == 2
print(json.dumps({"numpy": t1 - t0, "import": t2 - t1, "first": t3 - t2}))
