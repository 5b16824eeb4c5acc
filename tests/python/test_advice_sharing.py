"""Loops that threads can share: which are, which are not, and what becomes of those."""

import ast
import os
import pickle
import textwrap

import numpy as np
import pytest
from ferdelance.profiler.advice import capture, edit, rounds, sharing, sources, trial
from recording import fdl, write

pytestmark = pytest.mark.alone

HEAD = """
import math
import numpy as np
from random import random
def pure(x, k=2):
    y = np.zeros(3)
    y[0] = x * k
    return y[0]
def changing(a):
    a[0] = 1
def adding(a):
    a += 1
def calling(a):
    return changing(a)
"""


def find(body, parameters="a, b, n, out"):
    text = f"{HEAD}def f({parameters}):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    file = sources.File(text)
    return rounds.find(file, file.functions["f"])


INDEPENDENT = {
    "an element a round": "for i in range(n): out[i] = a[i] + a[i - 1]",
    "a sum": "t = 0.0\nfor i in range(n):\n    t += a[i]\nreturn t",
    "a product and a sum": """
        p = t = 1.0
        for i in range(n):
            p *= a[i]
            t -= a[i]
        return p, t
    """,
    "rows that change places": """
        for t in range(3):
            for i in range(1, n - 1):
                b[i] = a[i - 1] + a[i + 1]
            a, b = b, a
    """,
    "a row of its own": """
        for i in range(n):
            row = out[i]
            for j in range(n):
                row[j] = pure(a[i, j])
    """,
    "an array of its own": """
        for i in range(n):
            path = np.empty(4)
            path[0] = a[i]
            out[i] = path.sum()
    """,
    "a variable of its own": """
        for i in range(n):
            s = 0.0
            for j in range(i):
                if a[j] < s:
                    continue
                s += a[j]
                while s > 3:
                    s /= 2
                    if s < 1:
                        break
            out[i, 0] = s
        s = 2
        return s
    """,
    "beside the number": "for i in range(1, n): out[i + n] = a[i]\nfor i in range(n): b[i, 0] += 1",
    "by a condition": """
        for i in range(n):
            x = 1
            if a[i] > 0:
                x = 2
            out[i] = x
    """,
    "an array that is made before": """
        new = np.zeros_like(a)
        for i in range(len(new)):
            new[i] = a[i] ** 2
        return new
    """,
    "in a condition": "if n > 3:\n    for i in range(n): out[i] = 1\nelse:\n    n = 2",
}


@pytest.mark.parametrize("body", INDEPENDENT.values(), ids=INDEPENDENT)
def test_rounds_that_do_not_depend_on_each_other(body):
    assert find(body) is not None


DEPENDENT = {
    "the element before": "for i in range(1, n): a[i] = a[i - 1]",
    "the element behind": "for i in range(n): a[i] = a[i + 1] + a[i]",
    "a sum that is read": "t = 0\nfor i in range(n):\n    t += a[i]\n    out[i] = t",
    "a value of the round before": "s = 0\nfor i in range(n):\n    s = s * 2 + a[i]\nreturn s",
    "a sum and a product": "t = 1\nfor i in range(n):\n    t += a[i]\n    t *= 2\nreturn t",
    "what the last round leaves": "for i in range(n):\n    last = a[i]\nreturn last",
    "its number, later": "for i in range(n):\n    out[i] = 1\nreturn i",
    "what is read in the next round around": """
        x = 0
        for t in range(3):
            for i in range(n):
                if t:
                    out[i] = x
                x = a[i]
    """,
    "what may have no value": "for i in range(n):\n    if a[i]:\n        x = 1\n    out[i] = x",
    "an element by another array": "for i in range(n): out[b[i]] += 1",
    "an element that is the same": "for i in range(n): out[0] += a[i]",
    "an array that rounds share": """
        path = np.empty(3)
        for i in range(n):
            for k in range(3):
                path[k] = a[i, k]
            out[i] = path.sum()
    """,
    "a call that changes": "for i in range(n): changing(a)",
    "a call of a call that changes": "for i in range(n): calling(a)",
    "a call that adds": "for i in range(n): adding(a)",
    "a list": "for i in range(n): out.append(a[i])",
    "a list that is made before": "new = [0] * n\nfor i in range(n): new[i] = a[i]\nreturn new",
    "a break": "for i in range(n):\n    if a[i] > 0:\n        break\n    out[i] = 1",
    "a return": "for i in range(n):\n    if a[i] > 0:\n        return i",
    "an error": "for i in range(n):\n    assert a[i]\n    out[i] = 1",
    "random numbers": "for i in range(n): out[i] = np.random.rand()",
    "another module's function": "for i in range(n): out[i] = random()",
    "a function that is passed": "for i in range(n): out[i] = b(a[i])",
    "a view": "v = out[1:]\nfor i in range(n): out[i] = v[i]",
    "another name": "v = out\nfor i in range(n): out[i] = v[i - 1]",
    "a part with another name": "v = out.T\nfor i in range(n): v[i] = out[0, i]",
    "the array as a whole": "for i in range(n): out[i] = out.sum()",
    "a negative number": "for i in range(-1, n): out[i] = 1",
    "steps": "for i in range(0, n, 2): out[i] = 1",
    "not a range": "for i in a: out[i] = 1",
    "a slice": "for i in range(n): out[:i] = 1",
    "an output argument": "for i in range(n): np.add(a, b, out=out)",
    "a copy into": "for i in range(n): np.copyto(out, a)",
    "a row of an array in a variable": "for i in range(n):\n    r = b[0]\n    r[i, 0] = 1",
    "an attribute": "for i in range(n): a.x = i",
    "another index each time": "for i in range(n):\n    k = i + 1\n    out[i + k] = 1",
}


@pytest.mark.parametrize("body", DEPENDENT.values(), ids=DEPENDENT)
def test_what_is_not_sure_is_left_alone(body):
    assert find(body) is None


def test_what_is_added_to_must_be_numbers():
    loop = find("for i in range(n):\n    s = a\n    s += b[i, 0]\n    out[i] = s")
    assert (loop.arrays, loop.numbers) == (["b", "out"], {"a": 0})
    loop = find("for i in range(n):\n    s = a[i]\n    s += 1\n    out[i] = s")
    assert loop.numbers == {"a": 1}
    assert find("x = [a]\nfor i in range(n):\n    s = x[0]\n    s += 1\n    out[i] = s") is None


EDITS = {
    "from ferdelance import njit\n@njit\n": "from ferdelance import njit, prange\n"
    "@njit(parallel=True)\n",
    "from numba import (\n    njit,\n)\n@njit(fastmath=True)\n": "from numba import (\n    njit, "
    "prange,\n)\n@njit(fastmath=True, parallel=True)\n",
    "import numba\n@numba.njit()\n": "import numba\nfrom numba import prange\n"
    "@numba.njit(parallel=True)\n",
    "from numba import njit, prange\n@njit\n": "from numba import njit, prange\n"
    "@njit(parallel=True)\n",
}


@pytest.mark.parametrize("before", EDITS)
def test_the_edit_says_prange_and_parallel(before):
    body = "def f(a):\n    for i in range(len(a)):\n        a[i] = 1\n"
    after = edit.parallel(before + body, "f")
    assert after == EDITS[before] + body.replace("range", "prange")
    ast.parse(after)


ROWS = """
import math
from ferdelance import njit
@njit
def row(a):
    s = 0.0
    for x in a:
        s += math.sin(x)
    return s
@njit
def rows(a, out, start=0.0):
    for i in range(a.shape[0]):
        s = start
        s += row(a[i])
        out[i] = s
"""


def attempt(tmp_path, text, name, arguments, result, after):
    path = write(tmp_path, text)
    kept = {"before": arguments, "after": after, "result": result, "globals": {}, "seconds": 1.0}
    call = tmp_path / "0.call"
    call.write_bytes(pickle.dumps(kept))
    file = sources.File(path.read_text())
    return trial.run(file.unit_of(name), str(path), path.read_text(), str(call))


def test_a_loop_of_a_compiled_function_is_tried_with_threads(tmp_path, monkeypatch):
    # However busy the CPUs are.
    monkeypatch.setattr(trial, "SHARED", 0.0)
    a = np.random.default_rng(1).random((300, 1000))
    out = np.sin(a).sum(axis=1)
    done = attempt(tmp_path, ROWS, "rows", [a, np.zeros(300), 0.0], None, [a, out, 0.0])
    assert (done.error, done.same, done.not_shared) == ("", "same", "")
    if done.threads >= 2:
        assert done.shared == "rows" and done.parallel > 0
    # Lists are shared by no threads.
    done = attempt(tmp_path, ROWS, "rows", [a, [0.0] * 300, 0.0], None, [a, list(out), 0.0])
    assert done.shared == ""


def test_a_loop_of_a_function_that_is_called_is_tried_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SHARED", 0.0)
    text = """
    def fill(a, k):
        for i in range(len(a)):
            a[i] = i * k
    def f(a, n):
        for k in range(n):
            fill(a, k)
            if a[0] < 0:
                break
        return a[3]
    """
    a = np.zeros(1000)
    after = np.arange(1000.0) * 4
    done = attempt(tmp_path, textwrap.dedent(text), "f", [a, 5], 12.0, [after, 5])
    assert (done.error, done.same, done.not_shared) == ("", "same", "")
    assert done.shared == ("fill" if done.threads >= 2 else "")


def test_random_numbers_are_not_shared(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SHARED", 0.0)
    text = "import numpy as np\ndef f(out):\n    for i in range(len(out)):\n        out[i] = g(i)\n"
    text += "def g(x):\n    return np.random.random() + x\n"
    file = sources.File(text)
    assert rounds.find_in(file, file.unit_of("f")) is None


def test_calls_of_compiled_functions_are_kept(tmp_path):
    from ferdelance import _core, njit

    @njit
    def f(a, b=2, *, c=3):
        if a < 0:
            raise ValueError
        return a + b + c

    f(1)
    taken, left = [], []

    def enter(function, arguments, names):
        taken.append((function.__name__, capture._bound(function, arguments, names or ())))
        return len(taken)

    _core._watch_compiled(enter, lambda token, result: left.append((token, result)), 4)
    try:
        with pytest.raises(RuntimeError, match="watched already"):
            _core._watch_compiled(enter, enter, 4)
        assert [f(1), f(2, 3), f(3, c=1, b=5)] == [6, 8, 9]
        with pytest.raises(ValueError):
            f(-1)
        for _ in range(10):
            f(1)
    finally:
        _core._unwatch_compiled()
    f(1)
    # The 1st, 2nd and 4th; what ended by an exception has no result.
    assert taken == [("f", [1, 2, 3]), ("f", [2, 3, 3]), ("f", [-1, 2, 3])]
    assert left == [(1, 6), (2, 8)]
    assert capture._bound(lambda a, b: 0, (1, 2, 3), ()) is None
    assert capture._bound(lambda a, b: 0, (1,), ()) is None
    assert capture._bound(lambda *a: 0, (1,), ()) is None


class Facts:
    """A program of which a compiled function, or one to be compiled, takes nearly all time."""

    cpu = elapsed = 10.0
    cpus = 4
    unseen = 0.0
    processes = 1

    def processes_of(self, function):
        return self.processes, 0


class Function:
    total = 10.0


def done(parallel):
    return trial.Trial(
        shared="f",
        plain=10.0,
        compiled=1.0,
        serial=1.0,
        compile=0.1,
        parallel=parallel,
        parallel_compile=0.2,
    )


def test_threads_must_pay_for_the_whole_program():
    facts = Facts()
    assert sharing.is_worth_sharing(facts, Function, done(0.3), 9.0)
    # Compiling in parallel takes longer than that saves.
    assert not sharing.is_worth_sharing(facts, Function, done(0.95), 9.0)
    facts.processes = 4
    assert not sharing.is_worth_sharing(facts, Function, done(0.3), 9.0)
    facts.processes, facts.cpu = 1, 30.0
    assert not sharing.is_worth_sharing(facts, Function, done(0.3), 9.0)


def test_a_compiled_loop_is_advised_from_a_recording(tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one CPU")
    text = """
        import math
        import numpy as np
        from ferdelance import njit
        @njit
        def f(a, out):
            for i in range(len(a)):
                s = 0.0
                for j in range(1000):
                    s += math.sin(a[i] * j)
                out[i] = s
        @njit
        def g(a):
            for i in range(1, len(a)):
                for j in range(1000):
                    a[i] += math.sin(a[i - 1] * j)
        NAME
        """
    for call, expected in {
        "f(np.ones(60_000), np.zeros(60_000))": True,
        "g(np.ones(60_000))": False,
    }.items():
        path = tmp_path / "a.fdl"
        program = write(tmp_path, text.replace("NAME", call))
        fdl("record", "-o", path, program)
        out = fdl("advise", path).stdout
        assert ("Run `f` on all CPUs" in out) == expected, out
        assert ("+    for i in prange(len(a)):" in out) == expected
        assert ("Nothing to advise" in out) != expected
