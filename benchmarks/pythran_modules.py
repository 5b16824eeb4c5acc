"""Modules that Pythran makes of the array kernels. Each is made once: names hold a digest."""

import concurrent.futures
import hashlib
import inspect
import os
import re
import subprocess

import numpy as np
from engines import HERE, dot

FOLDER = HERE / "out" / "pythran"
FLAGS = ["--config", "compiler.blas=scipy-openblas", "-O3", "-march=native"]
# With its own vectorised loops and with those of the C++ compiler: either may be faster.
VARIANTS = {"": [], "xsimd": ["-DUSE_XSIMD"]}


def type_of(value):
    """As it is written in an export."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}[{','.join(':' * value.ndim)}]"
    return type(value).__name__


def text_of(kernel):
    source = inspect.getsource(kernel.function)
    types = ", ".join(map(type_of, kernel.make("s")))
    return (
        f"import math\nimport numpy as np\n\n#pythran export {kernel.name}({types})\n"
        + source[source.index("def ") :]
    )


def make(pythran, version, kernel, variant):
    """The file of the module, or None where there is none; what went wrong stays beside."""
    text = text_of(kernel)
    flags = [*FLAGS, *VARIANTS[variant]]
    digest = hashlib.sha256("\n".join([text, *flags, version]).encode()).hexdigest()[:12]
    stem = re.sub(r"__+", "_", f"{kernel.name}_{variant}_{digest}")
    source, module = FOLDER / f"{stem}.py", FOLDER / f"{stem}.so"
    failure = FOLDER / f"{stem}.failed"
    if not module.exists() and not failure.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        done = subprocess.run(
            [pythran, *flags, source, "-o", module], capture_output=True, text=True, cwd=FOLDER
        )
        if done.returncode:
            failure.write_text(done.stdout + done.stderr)
        dot()
    return str(module) if module.exists() else None


def make_all(python, kernels):
    """Variant -> kernel -> file of its module, for those of which one could be made."""
    pythran = os.path.join(os.path.dirname(python), "pythran")
    if not os.path.exists(pythran):
        return {}
    version = subprocess.run([pythran, "--version"], capture_output=True, text=True).stdout
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = {
            variant: {k.name: pool.submit(make, pythran, version, k, variant) for k in kernels}
            for variant in VARIANTS
        }
    return {
        variant: {name: file for name, task in tasks.items() if (file := task.result())}
        for variant, tasks in made.items()
    }
