"""A trial: a function is compiled, run on recorded arguments, and compared: in its own process."""

import builtins
import contextlib
import dataclasses
import inspect
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
import types

from . import rounds
from .capture import Copier, Function, MissingAttribute
from .sources import File

#: Wall time of a trial and memory of its process, at most.
SECONDS = 60
MEMORY = 8 << 30
#: Runs are repeated: at least three times and for so long, but no more than for the other time.
SHORT, LONG = 0.2, 2.0
NOT_COPIED = "could not be copied: it is no plain data, or too much of it"
#: What is less faster than that is measured once more.
CLOSE = 2.0
#: How much less time a call has to take for a loop to be shared by threads.
SHARED = 1.25
#: Results of floating point may differ as much, in units of the type's precision.
ULPS = 64


class Trial:
    """What came of a trial.

    Attributes
    ----------
    plain, compiled : float
        CPU time of one call, in seconds: it hardly depends on what else the machine does.
    compile, start, numpy : float
        Times of compiling, and of loading the compiler and NumPy, in seconds.
    same : str
        How results compare: "same", "random" (not compared), "not run" (compiled only), or what
        differs.
    error : str
        Why there are no times: the compiler's message, or what went wrong.
    shared : str
        The function a loop of which is better shared by threads; empty if none is.
    not_shared : str
        What went wrong when that was tried.
    elapsed : float
        How long a call takes before, in seconds.
    threads : int
    serial, parallel, parallel_cpu, parallel_compile : float
        How long a call takes without and with that; with it, its CPU time, and compiling, in
        seconds.
    """

    def __init__(self, **fields):
        self.plain = self.compiled = self.compile = self.start = self.numpy = 0.0
        self.elapsed = self.serial = self.parallel = self.parallel_cpu = self.parallel_compile = 0.0
        self.threads = 0
        self.same = ""
        self.error = ""
        self.shared = self.not_shared = ""
        self.__dict__.update(fields)

    @property
    def is_good(self):
        return not self.error and self.same in ("same", "random", "not run")

    @property
    def speedup(self):
        """How much less time a call takes, by its CPU time and by the clock: the less of both, as
        libraries with threads of their own spend CPU time on waiting where CPUs are busy."""
        if not self.compiled:
            return 0.0
        ratio = self.plain / self.compiled
        return min(ratio, self.elapsed / self.serial) if self.serial else ratio


def run(unit, file, text, call, *, part=None, around=(), limit=SECONDS):
    """Try a unit on a recorded call.

    Parameters
    ----------
    unit : sources.Unit
    file, text : str
        The name of the file that the functions are in, and its text.
    call : str
        The file of the recorded call.
    part : parts.Part, optional
        What the unit is made of, if it is no function of the program.
    around : list of sources.Unit, optional
        What the call's arguments are given to: the first one returns those of the function.

    Returns
    -------
    Trial
    """
    units = [unit, *around]
    job = {
        "prepare": around[0].name if around else None,
        "helpers": [name for one in around for name in one.names],
        "free": part.free if part is not None else [],
        "whole": part is None or bool(part.whole),
        "assigned": part.attributes_after if part is not None and part.assigned else None,
        "returns": part is not None and part.whole == "return",
        # Attributes that are assigned to are results: what they were before is not compared.
        "replaced": [
            n
            for n, argument in enumerate(part.arguments if part is not None else ())
            if argument in part.assigned
        ],
        # A script's own code is in no function: it is compiled for the types of its variables.
        "examples": part.parameters if part is not None and not part.owner else None,
        "file": file,
        "text": text,
        "name": unit.name,
        "functions": unit.names,
        "imports": list(dict.fromkeys(i for u in units for i in u.imports)),
        "constants": sorted(set().union(*(u.constants for u in units))),
        "random": unit.is_random,
        "call": call,
        "rounds": None,
    }
    found = rounds.find_in(File(text), unit)
    if found is not None and job["examples"] is None:
        more = {"text": found.changed(text), "gain": SHARED}
        job["rounds"] = dataclasses.asdict(found) | more
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD",)}
    environment = {k: v for k, v in environment.items() if not k.startswith("FERDELANCE_")}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(job).encode(), timeout=limit)
        except subprocess.TimeoutExpired:
            return Trial(error=f"it took longer than {limit:.0f} s")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if process.returncode != 0 or not lines:
        return Trial(error=f"its process ended with status {process.returncode}")
    return Trial(**json.loads(lines[-1]))


def run_part(part, file, text, call):
    """Try a part on a recorded call of the function that it is in; or compile it, if in none."""
    text = part.alone(text)
    alone = File(text)
    around = [alone.unit_of(part.prepare)] if part.owner else []
    if part.assigned:
        around.append(alone.unit_of(part.attributes_after))
    return run(alone.unit_of(part.name), file, text, call, part=part, around=around)


# What the compiler loads comes with the change; of that, most programs have NumPy already.
_CHILD = """
import time
start = time.process_time()
import numpy
middle = time.process_time()
from ferdelance import njit
end = time.process_time()
from ferdelance.profiler.advice import trial
trial.main({"numpy": middle - start, "start": end - middle})
"""


def main(loading):
    """What the process of a trial does: reads its job, prints what came of it."""
    job = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Should nobody be there to end it. A limit of CPU time would make the clock of that coarse.
    signal.alarm(2 * SECONDS)
    # What a function prints is not the answer.
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        fields = _try(job)
        fields.update(loading)
    except Exception as error:
        fields = {"error": _said(error)}
    os.write(answer, json.dumps(fields).encode())


def _said(error):
    """An error in a line or two, as the user is to see it."""
    lines = [line.rstrip() for line in str(error).splitlines() if line.strip()]
    return "\n".join(lines[:6]) or type(error).__name__


def _try(job):
    with open(job["call"], "rb") as file:
        kept = pickle.load(file)
    if job["examples"] is not None:
        return _compile(job, kept)
    _find_functions(job, kept)
    namespace = _namespace(job, kept)
    plain = namespace[job["name"]]
    before, after, result = kept["before"], kept["after"], kept["result"]
    if job["prepare"]:
        prepare = namespace[job["prepare"]]
        if job["assigned"]:
            given = _prepared(job, namespace[job["assigned"]], after, kept["free"][1])
            given = [result, *given] if job["returns"] else given
            result = tuple(given) if len(given) > 1 else given[0]
        before = _prepared(job, prepare, before, kept["free"][0])
        after = _prepared(job, prepare, after, kept["free"][1])
        if not job["whole"]:
            # The program has run this as part of another function: what it gave is not known.
            after = _copy(before)
            result = _copy(_called(plain, plain, after))
    # What ran in the program is repeated here: both times are of the machine as it is now.
    seconds, elapsed, first_result, first_after = _timed(plain, before)
    if not job["random"]:
        differs = _differs(job, (first_result, first_after), (result, after))
        if differs:
            return {"error": f"it does not always give the same: {differs}"}
    compiled = _compiled(job, kept)[job["name"]]
    found, arguments, first = _first(compiled, plain, before)
    same = "random"
    if not job["random"]:
        same = _differs(job, (found, arguments), (result, after)) or "same"
    quick, serial, _, _ = _timed(compiled, before, plain)
    if seconds < CLOSE * quick:
        # In turns, so that both have had the machine at its best.
        again = _timed(plain, before)
        seconds, elapsed = min(seconds, again[0]), min(elapsed, again[1])
        again = _timed(compiled, before, plain)
        quick, serial = min(quick, again[0]), min(serial, again[1])
    fields = {
        "plain": seconds,
        "compiled": quick,
        "elapsed": elapsed,
        "serial": serial,
        "compile": max(first - quick, 0.0),
        "same": same,
    }
    if job["rounds"] is not None and same == "same":
        fields.update(_shared(job, kept, plain, before, (result, after), serial))
    return fields


def _first(compiled, plain, before):
    """What the first call gives, its arguments afterwards, and how long it takes."""
    arguments = _copy(before)
    start = time.process_time()
    found = _called(compiled, plain, arguments)
    return found, arguments, time.process_time() - start


def _shared(job, kept, plain, before, expected, serial):
    """What there is to say of a loop that threads share, if that is better than without."""
    loop = job["rounds"]
    threads = len(os.sched_getaffinity(0))
    if threads < 2 or not _may_share(job, kept, plain, before):
        return {}
    try:
        compiled = _compiled({**job, "text": loop["text"]}, kept, loop["function"])[job["name"]]
        found, arguments, first = _first(compiled, plain, before)
        if _differs(job, (found, arguments), expected):
            return {}
        # For longer: the CPUs may have other work now and then.
        cpu, seconds, _, _ = _timed(compiled, before, plain, short=5 * SHORT)
    except Exception as error:
        # It stays as it is, which works.
        return {"not_shared": _said(error)}
    if serial < loop["gain"] * seconds:
        return {}
    return {
        "shared": loop["function"],
        "threads": threads,
        "parallel": seconds,
        "parallel_cpu": cpu,
        "parallel_compile": max(first - cpu, 0.0),
    }


def _may_share(job, kept, plain, before):
    """Whether what the function with the loop gets are arrays and numbers where they must be."""
    import numpy as np

    loop = job["rounds"]
    namespace = _namespace(job, kept)
    function, values = namespace[loop["function"]], before
    if loop["function"] != job["name"]:
        calls = []

        def noted(*args, **keywords):
            bound = inspect.signature(function).bind(*args, **keywords)
            bound.apply_defaults()
            calls.append(list(bound.arguments.values()))
            return function(*args, **keywords)

        namespace[loop["function"]] = noted
        outer = namespace[job["name"]]
        if not isinstance(outer, types.FunctionType):
            # Compiled code is not to be listened to.
            return False
        _called(outer, plain, _copy(before))
        if not calls:
            return False
        values = calls[0]
    names = getattr(function, "py_func", function).__code__.co_varnames
    given = dict(zip(names, values, strict=False))
    return all(isinstance(given[name], np.ndarray) for name in loop["arrays"]) and all(
        np.ndim(given[name]) <= most for name, most in loop["numbers"].items()
    )


def _compile(job, kept):
    """Compiles a function for the types of examples."""
    from ... import typeof

    namespace = _compiled(job, kept)
    missing = [name for name in job["examples"] if name not in kept["globals"]]
    if missing:
        return {"error": f"the type of `{missing[0]}` is not one that is known here"}
    types = tuple(typeof(kept["globals"][name]) for name in job["examples"])
    start = time.perf_counter()
    namespace[job["name"]].compile(types)
    return {"compile": time.perf_counter() - start, "same": "not run"}


#: Compiled functions among what functions get, by what stands for them in copies.
_functions = {}


def _find_functions(job, kept):
    """Compiles the functions that others get as arguments, or have as variables."""
    file = File(job["text"])
    free, _ = kept.get("free", ({}, {}))
    for one in [*kept["before"], *kept["after"], *free.values()]:
        if type(one) is not Function:
            continue
        node = file.functions.get(one.name)
        if one.file != job["file"] or node is None or not file.is_compiled(node):
            raise LookupError(f"the function `{one.name}` is not of its file's top level")
        unit = file.unit_of(one.name)
        if unit.foreign:
            raise LookupError(f"of the function `{one.name}`: {unit.why_not()}")
        more = {
            "functions": unit.names,
            "helpers": [],
            "imports": unit.imports,
            "constants": unit.constants,
        }
        _functions[one] = _compiled({**job, **more}, kept)[one.name]


def _with_functions(values):
    return [_functions[value] if type(value) is Function else value for value in values]


def _prepared(job, prepare, arguments, free):
    """What a part gets, of what its function got."""
    missing = [name for name in job["free"] if name not in free]
    if missing:
        raise LookupError(f"`{missing[0]}` {NOT_COPIED}")
    try:
        return prepare(*(free[name] for name in job["free"]), *arguments)
    except MissingAttribute as missing:
        raise LookupError(f"the attribute `{missing}` {NOT_COPIED}") from None


def _compiled(job, kept, shared=""):
    """The namespace of a unit, with its functions compiled; one of them for threads."""
    from ... import njit, prange

    namespace = _namespace(job, kept)
    namespace.setdefault("prange", prange)
    for name in job["functions"]:
        function = namespace[name]
        if name == shared:
            namespace[name] = njit(parallel=True)(getattr(function, "py_func", function))
        elif isinstance(function, types.FunctionType):
            namespace[name] = njit(function)
        elif type(function).__module__.startswith("numba."):
            namespace[name] = njit(function.py_func)
    return namespace


def _namespace(job, kept):
    """The functions of a unit, in a namespace that has what they refer to, and no more.

    Their code is that of the file, of which nothing else runs.
    """
    import ast
    import linecache

    text = job["text"]
    # The compiler looks there for the text, as tracebacks do.
    linecache.cache[job["file"]] = (len(text), None, text.splitlines(keepends=True), job["file"])
    file = File(text)
    # As a module has it; the compiler looks there.
    namespace = {"__name__": "__fdl_trial__", "__file__": job["file"], "__builtins__": builtins}
    for statement in job["imports"]:
        exec(statement, namespace)
    for name in job["constants"]:
        if name not in kept["globals"]:
            raise LookupError(f"the value of `{name}` is no plain data")
        namespace[name] = kept["globals"][name]

    def value(node):
        return eval(compile(ast.Expression(node), job["file"], "eval"), namespace)

    body = compile(file.tree, job["file"], "exec")
    codes = {c.co_name: c for c in body.co_consts if isinstance(c, types.CodeType)}
    for name in dict.fromkeys([*job["functions"], *job["helpers"]]):
        node = file.functions[name].args
        defaults = tuple(value(d) for d in node.defaults)
        function = types.FunctionType(codes[name], namespace, name, defaults)
        pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        function.__kwdefaults__ = {a.arg: value(d) for a, d in pairs if d is not None}
        for decorator in file.functions[name].decorator_list:
            function = value(decorator)(function)
        namespace[name] = function
    return namespace


def _copy(values):
    return Copier(1 << 62).copy(values)


def _called(function, plain, values):
    """Calls a function with values in the order in which its frames, as Python, have them."""
    values = _with_functions(values)
    code = getattr(plain, "py_func", plain).__code__
    count, flags = code.co_argcount, code.co_flags
    names = code.co_varnames[count : count + code.co_kwonlyargcount]
    rest = list(values[count + len(names) :])
    positional = [*values[:count], *(rest.pop(0) if flags & inspect.CO_VARARGS else ())]
    keywords = dict(zip(names, values[count:], strict=False))
    return function(*positional, **keywords, **(rest[0] if flags & inspect.CO_VARKEYWORDS else {}))


def _timed(function, arguments, plain=None, short=SHORT):
    """The CPU time of a call, how long it takes (of several the least), its result, and its
    arguments afterwards."""
    times, cpu = [], []
    while True:
        copies = _copy(arguments)
        start, used = time.perf_counter(), time.process_time()
        result = _called(function, plain or function, copies)
        cpu.append(time.process_time() - used)
        times.append(time.perf_counter() - start)
        spent, runs = sum(times), len(times)
        if spent > LONG or runs >= 50 or (runs >= 3 and spent > short):
            return min(cpu), min(times), result, copies


def _differs(job, found, expected):
    """What differs of a result, and of the arguments afterwards."""
    pairs = [
        (result, [None if n in job["replaced"] else a for n, a in enumerate(arguments)])
        for result, arguments in (found, expected)
    ]
    return _compare(*pairs)


def _compare(found, expected):
    """What differs, in words; empty if nothing does.

    Numbers may differ by rounding: compiled code adds up in another order.
    """
    import numpy as np

    if isinstance(expected, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(expected):
            return f"{_short(found)} in place of {_short(expected)}"
        parts = (_compare(f, e) for f, e in zip(found, expected, strict=True))
        return next(filter(None, parts), "")
    if isinstance(expected, dict):
        if not hasattr(found, "items") or set(found) != set(expected):
            return f"{_short(found)} in place of {_short(expected)}"
        return next(filter(None, (_compare(found[k], expected[k]) for k in expected)), "")
    if isinstance(expected, (set, frozenset)):
        return "" if set(found) == set(expected) else "another set"
    if isinstance(expected, (bool, int, float, complex, np.generic, np.ndarray)):
        found, expected = np.asarray(found), np.asarray(expected)
        if found.shape != expected.shape:
            return f"the shape {found.shape} in place of {expected.shape}"
        if expected.dtype.kind not in "fc":
            is_same = np.array_equal(found, expected)
        else:
            eps = np.finfo(expected.dtype).eps
            scale = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
            size = max(expected.size, 1) ** 0.5
            is_same = np.allclose(
                found, expected, rtol=ULPS * size * eps, atol=ULPS * eps * scale, equal_nan=True
            )
        return "" if is_same else f"{_short(found)} in place of {_short(expected)}"
    return "" if found == expected else f"{_short(found)} in place of {_short(expected)}"


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else text[:37] + "..."
