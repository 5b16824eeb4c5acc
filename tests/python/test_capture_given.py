"""Source texts that functions carry, and that users give."""

import functools

import pytest
from capturing import segment, source_of, without_file
from ferdelance._capture import Found, find

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("fresh")]

# ---- texts that functions carry -----------------------------------------------------------------


def test_carried_text():
    text = "\ndef f(x):\n    return x\n"
    function = without_file(text)
    function.__ferdelance_source__ = text
    assert find(function) == Found(text, "/nowhere/file.py", 1, 0, "def", 2, "f")


def test_carried_place():
    # A part of a file, with the line that it begins in.
    function = without_file("\n" * 10 + "x = 1\ndef f(x):\n    return [lambda: 1, lambda: 2]\n")
    part = Found(
        "def f(x):\n    return [lambda: 1, lambda: 2]\n", "/nowhere/file.py", 12, 0, "def", 12, "f"
    )
    function.__ferdelance_source__ = tuple(part)
    assert find(function) == part
    inner = function(1)[1]
    inner.__ferdelance_source__ = part
    assert find(inner) == part._replace(kind="lambda", line=13, name_or_col=23)


def test_carried_text_of_another_function(load):
    module = load("def f(x):\n    return x\n")

    @functools.wraps(module.f)
    def wrapper(x):
        return module.f(x)

    module.f.__ferdelance_source__ = "def f(x):\n    return x\n"
    wrapper = functools.wraps(module.f)(wrapper)
    assert wrapper.__ferdelance_source__ == module.f.__ferdelance_source__
    assert "return module.f(x)" in source_of(wrapper)


# ---- texts that the user gives ------------------------------------------------------------------

MODULE = """
import math

def f(x):
    '''Text
at the margin'''
    return math.sin(x)

class A:
    @staticmethod
    def g(x):
        '''Text
at the margin'''
        return x.__y

    def h(self):
        return super().__repr__()

def outer(k):
    def inner(x):
        '''Text
at the margin'''
        return x + k
    return inner
"""
A_G = MODULE[MODULE.index("    @staticmethod") : MODULE.index("    def h")]
A_H = MODULE[MODULE.index("    def h") : MODULE.index("def outer")]
INNER = MODULE[MODULE.index("    def inner") : MODULE.index("    return inner")]
UNINDENTED_INNER = "def inner(x):\n    '''Text\nat the margin'''\n    return x + k\n"


@pytest.fixture
def nowhere():
    """The functions of MODULE, without its text."""
    namespace = {}
    exec(compile(MODULE, "/nowhere/file.py", "exec"), namespace)
    a = namespace["A"]
    return {"f": namespace["f"], "g": a.g, "h": a.h, "inner": namespace["outer"](1)}


@pytest.mark.parametrize(
    "name, line, source",
    [
        ("f", 4, MODULE),
        ("g", 11, MODULE),
        ("inner", 20, MODULE),
        ("f", 4, MODULE[MODULE.index("def f") : MODULE.index("class")]),
        ("f", 4, "# some lines\n" * 3 + MODULE[MODULE.index("def f") :]),
        ("f", 4, MODULE.replace("\n", "\r\n")),
        ("g", 11, A_G),
        ("h", 16, A_H),
        ("h", 16, A_H.replace("    def", "def").replace("     return", " return")),
        ("inner", 20, INNER),
        ("inner", 20, UNINDENTED_INNER),
    ],
)
def test_override(nowhere, name, line, source):
    found = find(nowhere[name], source)
    assert (found.filename, found.line, found.name_or_col) == ("/nowhere/file.py", line, name)
    assert segment(found).startswith(f"def {name}(")
    if name != "h":
        assert "'''Text\nat the margin'''" in found.text


def test_override_is_not_kept(nowhere):
    find(nowhere["f"], MODULE)
    with pytest.raises(LookupError):
        find(nowhere["f"])


def test_override_that_is_not_equal(nowhere):
    # Code that a tool has changed: the name and the parameters decide.
    source = "def g(x): pass\ndef f(x, y): pass\n@g\n\ndef f(x): return 1\n"
    found = find(nowhere["f"], source)
    assert segment(found) == "def f(x): return 1"
    assert (found.line, found.first_line) == (6, 2)


def test_override_of_a_lambda():
    function = without_file("\n\nf = lambda x, *a, y=1, **k: x")
    assert source_of(function, "g = lambda x, *a, y=1, **k: x") == "lambda x, *a, y=1, **k: x"
    assert source_of(function, "lambda x, *a, y, **k: 2") == "lambda x, *a, y, **k: 2"
    assert source_of(function, "[lambda: 1, lambda x, *a, y, **k: 2]").endswith("**k: 2")
    with pytest.raises(LookupError, match=r"exactly one lambda .* \(x, y, \*a, \*\*k\)"):
        find(function, "lambda x: x")


@pytest.mark.parametrize(
    "source, message",
    [
        ("", r"exactly one function f with the parameters \(x\)"),
        ("def f(y): return y", "exactly one function f"),
        ("def f(x): return 1\ndef f(x): return 2", "exactly one function f"),
        ("def f(x: return", r"does not compile: .* \(line 1\)"),
        ("x\0y", "does not compile"),
    ],
)
def test_bad_override(nowhere, source, message):
    with pytest.raises(LookupError, match=message):
        find(nowhere["f"], source)
