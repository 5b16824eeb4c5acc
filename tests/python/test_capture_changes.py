"""Finding source texts of what was changed, or is not alone on its line."""

import contextlib
import functools
import linecache
import os
import pathlib
import sys
import types
import warnings

import pytest
from capturing import LONG, age, segment, source_of
from ferdelance import _capture
from ferdelance._capture import Found, find

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("fresh")]

# ---- files that are edited after their import ---------------------------------------------------


@pytest.mark.parametrize("before", ["", LONG])
def test_edit_above(load, before):
    module = load(before + "def f(x):\n    return x\n")
    text = "# a new line\n" + before + "def f(x):\n    return x\n"
    pathlib.Path(module.__file__).write_text(text)
    assert find(module.f) == Found(text, module.__file__, 1, 0, "def", text.count("\n") - 1, "f")


@pytest.mark.parametrize("before", ["", LONG])
@pytest.mark.parametrize(
    "edited",
    [
        "def f(x):\n    return -x\n",
        "def f(x, y):\n    return x\n",
        "def f(x):\n    return 1.0\n",
        "def g(x):\n    return 1\n",
        "f = 1\n",
        "",
    ],
)
def test_edited_function_is_not_believed(load, before, edited):
    module = load(before + "def f(x):\n    return 1\n")
    pathlib.Path(module.__file__).write_text(before + "\n" * 3 + edited)
    with pytest.raises(LookupError, match="source="):
        find(module.f)


def test_message_about_an_edited_function(load):
    module = load("def f(x):\n    return x\n")
    pathlib.Path(module.__file__).write_text("\ndef f(x):\n    return -x\n")
    with pytest.raises(LookupError) as error:
        find(module.f)
    assert str(error.value) == (
        f"cannot find the source text of f ({module.__file__}, line 1). Tried: the file "
        f"{module.__file__}: its function f in line 2 is another one, or something has changed its "
        "code. Pass source= to the decorator, with the text of the function; if the file was "
        "edited, import it again"
    )


def test_old_text_in_linecache(load):
    module = load("def f(x):\n    return x\n")
    linecache.getlines(module.__file__)
    pathlib.Path(module.__file__).write_text("def f(x):\n    return -x\n")
    assert source_of(module.f) == "def f(x):\n    return x"


def test_stale_text_in_linecache(load):
    module = load("def f(x):\n    return x\n")
    linecache.cache[module.__file__] = (1, 1.0, ["def f(x):\n", "    return -x\n"], module.__file__)
    assert source_of(module.f) == "def f(x):\n    return x"


@pytest.mark.parametrize("before", ["", LONG])
def test_half_edited_file(load, before):
    text = before + "def f(x):\n    return x\n\ndef g(x):\n    return x\n"
    module = load(text)
    pathlib.Path(module.__file__).write_text(text.replace("def g(x):", "def g(x"))
    found = find(module.f)
    assert found.text == "def f(x):\n    return x\n\n"
    assert found.first_line == found.line == before.count("\n") + 1
    with pytest.raises(LookupError, match="does not compile"):
        find(module.g)


def test_file_that_was_removed(load):
    module = load("def f(x):\n    return x\n")
    os.remove(module.__file__)
    with pytest.raises(LookupError, match=r"module1\.py.*No such file"):
        find(module.f)


# ---- lambdas ------------------------------------------------------------------------------------

LAMBDAS = [
    "fs = [lambda x: x + 1, lambda x: x + 2, lambda y: y, lambda: 0]",
    "fs = [lambda x: lambda y: x + y, lambda x: lambda y: x - y, lambda y: lambda x: x - y]",
    "fs = [lambda a, b=lambda c: c: b(a), lambda c: c + 1]",
    "fs = [lambda x: x if x else 1, lambda x: x if x else 2, lambda x: x and 1 or 2]",
    "fs = [lambda x=1: x, lambda y=1: y, lambda *x: x, lambda **x: x, lambda *, x: x]",
    "fs = [lambda s: s.a, lambda s: s.b, lambda s: s.a()]",
    "fs = [lambda x: 0.0, lambda x: -0.0, lambda x: 0, lambda x: False, lambda x: 0j]",
    "fs = [lambda x: [y for y in x], lambda x: [z for z in x], lambda x: (y for y in x)]",
    "fs = [lambda x: (x,\n  1), lambda x: (x,\n  2), lambda x: 3]",
    "fs = [lambda x: (\n  x + 1\n), lambda x: x + 1, lambda x: x - 1]",
    "é = '日本'; fs = [lambda x: é + x, lambda x: 'lambda', lambda x: 'é' + é]",
    "\N{GREEK SMALL LETTER ALPHA} = '\N{ROCKET}' ; fs = [lambda x: 'one on its line']",
    "'lambda'; fs = [lambda x: 'lambda']",
    "if 1:\n\t'é' ; fs = [lambda x: x*1 , lambda x: x*2]",
    "class C:\n    fs = [lambda s: s.__a, lambda s: s.__b, lambda __s: __s]\nfs = C.fs",
    "def make(k): return [lambda x: x + k, lambda x: x - k, lambda k: k]\nfs = make(1)",
    "def make():\n    a = b = 1\n    return [lambda: a, lambda: b, lambda: (a, b)]\nfs = make()",
    "fs = [(lambda x: x)(lambda y: y + 1), (lambda x: lambda y: y * x)(1)]",
    "class C:\n def fs(self): return [lambda: super().a(), lambda: self.__x]\nfs = C().fs()",
    "def f(g=lambda x: x, h=lambda x: -x): return [g, h]\nfs = f()",
    "\\\n\\\nfs = [lambda x: 1 , lambda x: 2]",
    "fs = [\nlambda x: 1 , lambda x: 2\n]; fs += [lambda: 3]",
]


def _lambdas(functions):
    """The functions, and those that they return."""
    for function in functions:
        yield function
        if "MAKE_FUNCTION" in _opnames(function) and function.__code__.co_argcount == 1:
            with contextlib.suppress(TypeError):
                inner = function(1)
                if isinstance(inner, types.FunctionType):
                    yield inner


def _opnames(function):
    import dis

    return {instruction.opname for instruction in dis.get_instructions(function)}


@pytest.mark.parametrize("before", ["", LONG])
@pytest.mark.parametrize("text", LAMBDAS)
def test_lambdas_of_one_line(load, before, text):
    module = load(before + text + "\n")
    age(module)
    for function in _lambdas(module.fs):
        found = find(function)
        assert found.kind == "lambda"
        # The text of just the lambda has the same code, put where its names mean the same.
        again = _lambda_alone(segment(found), function)
        assert _capture._equivalent(again.__code__, function.__code__)


def _lambda_alone(text, function):
    """The lambda with that text, in a class and with free variables like those of `function`."""
    free = [name for name in function.__code__.co_freevars if name != "__class__"]
    namespace = {}
    exec(f"class C:\n def f({', '.join(free)}):\n  return ({text})", namespace)
    return namespace["C"].f(*free)


def test_lambdas_that_are_alike(load):
    module = load("fs = [lambda x: x, lambda x: x, lambda x: x]\n")
    columns = [find(f).name_or_col for f in module.fs]
    assert columns == ([6, 19, 32] if sys.version_info >= (3, 11) else [6, 6, 6])


def test_columns_are_bytes(load):
    module = load("é = '日本'; f = lambda x: x\n")
    assert find(module.f).name_or_col == len("é = '日本'; f = ".encode())
    module = load("é = '日本'; f = [lambda x: x, lambda x: 1]\n")
    assert find(module.f[0]).name_or_col == len("é = '日本'; f = [".encode())


# ---- code objects that were changed -------------------------------------------------------------


def test_code_of_another_function(load):
    module = load("def f(x):\n    return x\n\ndef g(x):\n    return -x\n")
    other = load("def h(x):\n    return 0\n")
    module.f.__code__ = module.g.__code__
    assert find(module.f)[4:] == ("def", 4, "g")
    module.f.__code__ = other.h.__code__
    assert find(module.f)[1:] == (other.__file__, 1, 0, "def", 1, "h")


def test_code_with_another_name(load):
    module = load("def f(x):\n    return x\n\ng = lambda x: -x\n")
    module.f.__code__ = module.f.__code__.replace(co_name="other")
    module.g.__code__ = module.g.__code__.replace(co_name="other")
    assert find(module.f)[4:] == ("def", 1, "f")
    assert find(module.g)[4:] == ("lambda", 4, 4)


def test_code_with_another_line(load):
    module = load("def f(x):\n    return x\n")
    module.f.__code__ = module.f.__code__.replace(co_firstlineno=7)
    assert find(module.f)[4:] == ("def", 1, "f")


@pytest.mark.parametrize(
    "change",
    [
        lambda code: {"co_consts": (None, -0.0, *code.co_consts[2:])},
        lambda code: {"co_names": ("cos",)},
        lambda code: {"co_varnames": ("y",)},
        lambda code: {"co_code": code.co_code + code.co_code[-2:]},
    ],
)
def test_code_that_does_something_else(load, change):
    module = load("def f(x):\n    return sin(x) + 0.0\n")
    code = module.f.__code__
    module.f.__code__ = code.replace(**change(code))
    with pytest.raises(LookupError, match="something has changed its code"):
        find(module.f)


def test_code_that_is_in_use(load):
    """Specialised, traced and monitored bytecode."""
    text = "def f(x):\n    y = 0\n    for i in range(50):\n        y += x * i\n    return y\n"
    module = load(text)
    for _ in range(200):
        module.f(2)
    assert find(module.f).line == 1
    traced = load(text)
    before = sys.gettrace()
    sys.settrace(lambda *_: lambda *_: None)
    try:
        traced.f(1)
        assert find(traced.f).line == 1
    finally:
        sys.settrace(before)
    if sys.version_info >= (3, 12):
        monitored, tool = load(text), sys.monitoring.PROFILER_ID
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "test")
        try:
            sys.monitoring.set_events(tool, events.LINE | events.INSTRUCTION | events.CALL)
            monitored.f(1)
            assert find(monitored.f).line == 1
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)


def test_equal_code_of_another_file(load):
    # Code objects are equal whatever their file is.
    text = "def f(x):\n    return x\n"
    first, second = load(text), load(text + "# second\n")
    assert first.f.__code__ == second.f.__code__
    assert find(first.f).filename == first.__file__
    assert find(second.f).filename == second.__file__
    assert find(second.f).text.endswith("# second\n")


@pytest.mark.parametrize("obj", [len, dict, 3, functools.partial(len), str.upper])
def test_what_is_not_written_in_python(obj):
    with pytest.raises(LookupError, match="not written in Python"):
        find(obj)


# ---- warnings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", LONG])
def test_no_warnings_are_repeated(load, before):
    text = before + "def f(x):\n    '\\d'\n    return [x is 1, lambda: 1, lambda: 2]\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = load(text)
    age(module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        find(module.f)
        find(module.f(1)[2])
        assert warnings.filters == filters
    assert caught == []
    _capture._known.clear()
    _capture._files.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find(module.f)
