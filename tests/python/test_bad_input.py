"""Whatever is thrown at it: a clear exception, and a process that goes on working."""

import subprocess
import sys
import textwrap
import threading
import time

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import errors, njit

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1


@pytest.fixture(autouse=True)
def usable_afterwards():
    yield
    assert njit(lambda x: x + 1)(1) == 2


def defined(text):
    """The function `f` that a text defines; the text is its source."""
    text = textwrap.dedent(text).lstrip("\n")
    namespace = {"np": np, "njit": njit, "fd": fd}
    exec(compile(text, "<text>", "exec"), namespace)
    return namespace["f"], text


def jitted(text, **options):
    function, source = defined(text)
    return njit(source=source, **options)(function)


# ---- syntax -------------------------------------------------------------------------------------

UNSUPPORTED = {
    "async for": "async def f(x):\n    async for i in x:\n        pass",
    "async with": "async def f(x):\n    async with x:\n        pass",
    "await": "async def f(x):\n    await x",
    "coroutine": "async def f(x):\n    return x",
    "inner coroutine": "def f(x):\n    async def g():\n        pass\n    return x",
    "async comprehension": "async def f(x):\n    return [i async for i in x]",
    "class": "def f(x):\n    class C:\n        pass\n    return x",
    "import": "def f(x):\n    import os\n    return x",
    "from import": "def f(x):\n    from os import path\n    return x",
    "global assignment": "def f(x):\n    global counter\n    counter = x",
    "del name": "def f(x):\n    del x\n    return x",
    "del attribute": "def f(x):\n    del x.y",
    "with": "def f(x):\n    with x:\n        pass",
    "with as": "def f(x):\n    with x as y:\n        pass",
    "star in a display": "def f(x):\n    return [*x]",
    "double star in a dict": "def f(x):\n    return {**x}",
    "double star in a call": "def f(x):\n    return dict(**x)",
    "double star parameter": "def f(x, **y):\n    return y",
    "exception group": "def f(x):\n    try:\n        pass\n    except* ValueError:\n        pass",
    "attribute assignment": "def f(x):\n    x.attr = 1",
    "matrix product": "def f(x):\n    return x @ x",
    "bytes in f-string": "def f(x):\n    return f'{x!a:>{x}}'",
    "eval": "def f(x):\n    return eval('x')",
    "exec": "def f(x):\n    exec('x')",
    "open": "def f(x):\n    return open(x)",
    "locals": "def f(x):\n    return locals()",
    "globals": "def f(x):\n    return globals()",
    "super": "def f(x):\n    return super().f(x)",
    "class pattern": "def f(x):\n    match x:\n        case object(y=1):\n            return 1",
    "mapping pattern": "def f(x):\n    match x:\n        case {'a': 1}:\n            return 1",
    "yield from": "def f(x):\n    yield from x",
    "async generator": "async def f(x):\n    yield x",
    "inner class": "def f(x):\n    def g():\n        class C:\n            pass\n    return g()",
    "getattr by a variable": "def f(x):\n    return getattr(x, str(x))",
    "print to a file": "def f(x):\n    print(x, file=x)",
    "chained attribute": "def f(x):\n    return x.a.b.c",
    "unknown decorator": "def f(x):\n    @unknown\n    def g():\n        return 1\n    return g()",
    "set of functions": "def f(x):\n    return {len, abs}",
    "function attribute": "def f(x):\n    def g():\n        return 1\n    g.attr = x\n    return g",
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_unsupported_syntax(kind):
    text = UNSUPPORTED[kind]
    try:
        f = jitted(text)
    except SyntaxError:
        pytest.skip("this Python has no such syntax")
    with pytest.raises((errors.NumbaError, SyntaxError)) as caught:
        f(1)
    error = caught.value
    assert not isinstance(error, errors.InternalError), error
    first = str(error).splitlines()[0]
    assert first.endswith("]") and len(first) < 200
    assert "<text>:" in str(error), "no place is shown"


# ---- types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: x + "text", (1,)),
        (lambda x: x[0], (1,)),
        (lambda x: x.nothing, (1,)),
        (lambda x: x(), (1,)),
        (lambda x: len(x), (1,)),
        (lambda x: -x, ("text",)),
        (lambda x, y: x < y, (1, "text")),
        (lambda x: x[1.5], (np.zeros(3),)),
        (lambda x: x["a"], (np.zeros(3),)),
        (lambda x: x[0, 0, 0], (np.zeros(3),)),
        (lambda x: x[5], ((1, 2),)),
        (lambda x: undefined + x, (1,)),  # noqa: F821
        (lambda x: np.undefined(x), (1,)),
        (lambda x: np.zeros(x, dtype="no dtype"), (1,)),
        (lambda x: np.zeros(x), ("text",)),
        (lambda x: int(x, x, x), (1,)),
        (lambda x: range(x), (1.5,)),
        (lambda x: abs(x), ("text",)),
        (lambda x: x if x else "text", (1,)),
    ],
)
def test_wrong_types(function, args):
    f = njit(function)
    for _ in range(2):
        with pytest.raises(errors.TypingError) as caught:
            f(*args)
        assert __file__ in str(caught.value)


@pytest.mark.parametrize(
    "value", [object(), [object()], {1: object()}, 2**100, np.zeros(2, object), lambda: 0, type]
)
def test_values_without_a_type(value):
    f = njit(lambda x: x + 1)
    with pytest.raises((errors.TypingError, TypeError)):
        f(value)
    assert f(1) == 2


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1,), {}), ((1, 2, 3, 4), {}), ((1, 2), {"x": 1}), ((1, 2), {"unknown": 1})],
)
def test_wrong_counts(args, kwargs):
    f = njit(lambda x, y, z=3: x + y + z)
    with pytest.raises(TypeError) as caught:
        f(*args, **kwargs)
    with pytest.raises(TypeError) as expected:
        f.py_func(*args, **kwargs)
    assert str(caught.value) == str(expected.value)
    assert f(1, 2) == 6


def test_missing_source():
    namespace = {}
    exec("def f(x):\n    return x + 8761", namespace)
    function = namespace["f"]
    function.__code__ = function.__code__.replace(co_filename="<not a place>", co_firstlineno=77)
    with pytest.raises(errors.UnsupportedError, match=r"\[no-source\]") as caught:
        njit(function)(1)
    first, *others = str(caught.value).splitlines()
    assert "source=" not in first
    assert [line for line in others if "source=" in line] == others[-1:], "the advice, once"


@pytest.mark.parametrize(
    "text", ["def f(x:\n    return x", "return 1", "", "\0", "def g(x): return x"]
)
def test_bad_source(text):
    with pytest.raises((SyntaxError, errors.NumbaError, ValueError)) as caught:
        njit(source=text)(lambda x: x)(1)
    assert str(caught.value).count("source=") == 1, "no advice to do what was done"


@pytest.mark.parametrize("thing", [len, int, 3, "text", None, type("C", (), {}), np.sin])
def test_what_is_no_function(thing):
    with pytest.raises((TypeError, errors.NumbaError)):
        njit(thing)(1)


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("i", [3, -4, 2**40, INT_MIN, INT_MAX])
def test_index_errors(i):
    read = njit(boundscheck=True)(lambda a, i: a[i])
    write = njit(boundscheck=True)(store)
    for dtype in (np.float64, np.int8):
        a = np.arange(3).astype(dtype)
        with pytest.raises(IndexError):
            read(a, i)
        with pytest.raises(IndexError):
            write(a, i)
        assert a.tolist() == [0, 1, 2] and read(a, -1) == 2
    both = njit(boundscheck=True)(lambda a, i, j: a[i, j])
    for at in ((0, i), (i, 0), (i, i)):
        with pytest.raises(IndexError):
            both(np.zeros((3, 3)), *at)


def store(a, i):
    a[i] = 7


def test_empty_arrays_have_no_element():
    f = njit(boundscheck=True)(lambda a: a[0])
    with pytest.raises(IndexError):
        f(np.zeros(0))
    with pytest.raises(IndexError):
        f(np.zeros((0, 3)))


@pytest.mark.parametrize("size", [-1, INT_MIN, INT_MAX, 2**60, 2**61])
def test_impossible_sizes(size):
    for make in (lambda n: np.zeros(n), lambda n: np.ones((2, n)), lambda n: np.empty(n, np.int8)):
        with pytest.raises((ValueError, MemoryError)):
            njit(make)(size)


def test_sizes_whose_product_overflows():
    f = njit(lambda n, m: np.zeros((n, m, 2)))
    for n, m in ((2**32, 2**32), (2**31, 2**33), (2**62, 2), (3, INT_MAX)):
        with pytest.raises((ValueError, MemoryError)):
            f(n, m)
    assert f(0, 5).shape == (0, 5, 2)


def test_integers_wrap_around():
    assert njit(lambda a, b: a + b)(INT_MAX, 1) == INT_MIN
    assert njit(lambda a, b: a * b)(2**62, 4) == 0
    assert njit(lambda a: -a)(INT_MIN) == INT_MIN
    assert njit(lambda a: abs(a))(INT_MIN) == INT_MIN


def test_division_never_traps():
    for function in (lambda a, b: a // b, lambda a, b: a % b, divmod_of):
        f, g = njit(function), njit(error_model="numpy")(function)
        f(INT_MIN, -1)
        g(INT_MIN, -1)
        g(INT_MIN, 0)
        with pytest.raises(ZeroDivisionError):
            f(INT_MIN, 0)
    assert njit(lambda a, b: a % b)(INT_MIN, -1) == 0
    small = njit(lambda a, b: a // b)
    small(np.int8(-128), np.int8(-1))
    small(np.int32(-(2**31)), np.int32(-1))


def divmod_of(a, b):
    return divmod(a, b)


@pytest.mark.parametrize("count", [-1, 63, 64, 65, 1000, INT_MIN])
def test_shifts_never_trap(count):
    njit(lambda a, n: (a << n, a >> n))(-5, count)


@pytest.mark.parametrize("x", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
def test_floats_that_are_no_integers(x):
    try:
        njit(lambda x: int(x))(x)
    except (ValueError, OverflowError):
        pass


def test_range_at_the_ends():
    f = njit(lambda a, b, c: len(range(a, b, c)))
    f(0, INT_MIN, -1)  # too long for CPython
    f(INT_MIN, INT_MAX, -1)
    for args in (
        (INT_MAX - 1, INT_MAX, 1),
        (INT_MIN, INT_MIN, -1),
        (0, INT_MAX, INT_MAX),
        (5, 0, 1),
    ):
        assert f(*args) == len(range(*args))
    with pytest.raises(ValueError):
        f(0, 1, 0)


def test_slices_never_leave_the_array():
    f = njit(lambda a, i, j, k: a[i:j:k])
    a = np.arange(5)
    for i in (INT_MIN, -6, -1, 0, 4, 6, INT_MAX):
        for j in (INT_MIN, -6, 0, 3, 6, INT_MAX):
            for k in (INT_MIN, -2, -1, 1, 3, INT_MAX):
                assert f(a, i, j, k).tolist() == a[i:j:k].tolist(), (i, j, k)
    with pytest.raises(ValueError):
        f(a, 0, 1, 0)


# ---- recursion ----------------------------------------------------------------------------------


@njit
def endless(n):
    return endless(n + 1) + 1 if n >= 0 else 0


@njit
def ping(n):
    return pong(n + 1) + 1 if n >= 0 else 0


@njit
def pong(n):
    return ping(n + 1) + 1 if n >= 0 else 0


@njit
def with_arrays(n):
    a = np.ones(3)
    return with_arrays(n + 1) + a[0] if n >= 0 else 0.0


RUNAWAYS = [endless, ping, with_arrays]


@pytest.mark.parametrize("f", RUNAWAYS, ids=lambda f: f.__name__)
def test_runaway_recursion(f):
    assert f(-1) == 0
    for _ in range(3):
        with pytest.raises(RecursionError):
            f(0)
    assert f(-1) == 0


@pytest.mark.parametrize("size", [128, 512, 8192])
def test_runaway_recursion_in_threads(size):
    outcomes = []

    def work():
        for f in RUNAWAYS:
            try:
                f(0)
            except RecursionError:
                outcomes.append(f.__name__)

    for f in RUNAWAYS:
        f(-1)
    before = threading.stack_size(size * 1024)
    try:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.stack_size(before)
    assert sorted(outcomes) == sorted(2 * ["endless", "ping", "with_arrays"])


def test_types_that_never_settle():
    @njit
    def f(x):
        return f((x, x))

    with pytest.raises(errors.TypingError):
        f(1)


def test_recursion_without_a_result():
    @njit
    def f(x):
        return f(x)

    with pytest.raises((errors.TypingError, RecursionError)):
        f(1)


# ---- threads ------------------------------------------------------------------------------------


def test_compile_errors_in_threads():
    f = njit(lambda x: x.nothing)
    g = njit(lambda x: x + 1)
    outcomes = []

    def work(i):
        try:
            f(i)
        except errors.TypingError:
            outcomes.append(g(i))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == list(range(1, 9))


# ---- size ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [50, 150])
def test_deep_parentheses(depth):
    f = jitted("def f(x):\n    return " + "(" * depth + "x" + ")" * depth)
    assert f(3) == 3


@pytest.mark.parametrize(
    "expression",
    [
        lambda n: "x" + " + 1" * n,
        lambda n: "-" * n + "x",
        lambda n: "not " * n + "x",
        lambda n: "x if x else " * n + "x",
        lambda n: "(" * n + "x" + ",)" * n,
        lambda n: " and ".join(["x"] * n),
        lambda n: " < ".join(["x"] * n),
        lambda n: "abs(" * n + "x" + ")" * n,
    ],
    ids=["sum", "minus", "not", "if", "tuple", "and", "less", "call"],
)
@pytest.mark.parametrize("count", [90, 900])
def test_deep_expressions(expression, count):
    text = f"def f(x):\n    return {expression(count)}\n"
    try:
        function, source = defined(text)
    except (MemoryError, RecursionError, SyntaxError):
        pytest.skip("CPython does not compile it")
    try:
        value = njit(source=source)(function)(1)
    except (errors.NumbaError, RecursionError, SyntaxError) as error:
        assert count > 100 and not isinstance(error, errors.InternalError), error
        return
    assert value == function(1)


def test_deep_blocks():
    lines = ["def f(x):"]
    lines += ["    " * (i + 1) + f"if x > {i}:" for i in range(80)]
    lines += ["    " * 81 + "return 1", "    return 0"]
    f = jitted("\n".join(lines))
    assert (f(100), f(50)) == (1, 0)


def test_deep_loops():
    lines = ["def f(n):", "    total = 0"]
    lines += ["    " * (i + 1) + f"for i{i} in range(n):" for i in range(18)]
    lines += ["    " * 19 + "total += 1", "    return total"]
    f = jitted("\n".join(lines))
    assert (f(0), f(1)) == (0, 1)


def test_many_arguments():
    names = [f"a{i}" for i in range(300)]
    f = jitted(f"def f({', '.join(names)}):\n    return {' + '.join(names)}\n")
    assert f(*range(300)) == sum(range(300))
    assert f(*[0.5] * 300) == 150.0
    with pytest.raises(TypeError):
        f(*range(299))


def test_many_inner_functions():
    lines = ["def f(x):"]
    for i in range(100):
        lines += [f"    def g{i}(y):", f"        return y + {i}"]
    lines += ["    return " + " + ".join(f"g{i}(x)" for i in range(100))]
    assert jitted("\n".join(lines))(1) == 100 + sum(range(100))


def test_wide_tuples():
    f = jitted(f"def f(x):\n    return ({', '.join(['x'] * 200)})\n")
    assert f(1) == (1,) * 200


def test_long_functions():
    body = [f"    x = x * 3 + {i} if x > {i % 7} else x - {i}" for i in range(1000)]
    function, source = defined("def f(x):\n" + "\n".join(body) + "\n    return x\n")
    assert njit(source=source)(function)(1.0) == function(1.0)


@pytest.mark.slow
def test_a_very_long_function_compiles_in_bounded_time():
    body = [f"    a[{i % 10}] = a[{(i * 7) % 10}] * 0.5 + {i}" for i in range(5000)]
    function, source = defined("def f(a):\n" + "\n".join(body) + "\n    return a[0]\n")
    f = njit(source=source)(function)
    start = time.perf_counter()
    assert f(np.ones(10)) == function(np.ones(10))
    assert time.perf_counter() - start < 60


def test_names_of_all_kinds():
    f = jitted(
        "def f(größe, π, 変数, _, __x, ｆｕｌｌ):\n    return größe + π + 変数 + _ + __x + full\n"
    )
    assert f(1, 2, 3, 4, 5, 6) == 21
    long = "a" * 5000
    assert jitted(f"def f({long}):\n    return {long} + 1\n")(1) == 2


def test_strange_strings():
    f = njit(lambda a, b: a + b)
    for text in ("", "\0", "a\0b", "\U0001f600", "ÿ", "\n", "x" * 100_000):
        assert f(text, "!") == text + "!"
        assert f(text, text) == text * 2
    try:
        assert f("\ud800", "a") == "\ud800a"
    except (UnicodeError, errors.NumbaError, TypeError, ValueError):
        pass


# ---- LLVM ---------------------------------------------------------------------------------------


def test_when_llvm_ends_the_process_it_is_said_for_which_function():
    text = """
    import ferdelance as fd
    fd.config.CPU_NAME = "i386"  # on which LLVM knows no 64-bit code, and exits

    def half(x):
        return x * 0.5

    fd.njit(half, source="def half(x):\\n    return x * 0.5\\n")(1.0)
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode > 0
    first, second = process.stderr.splitlines()
    assert "compiling `half`" in first and "64-bit code" in first
    assert "report" in second
