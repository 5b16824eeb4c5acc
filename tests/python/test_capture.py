"""Finding the source text of functions (`ferdelance._capture`)."""

import ast
import code as code_module
import contextlib
import doctest
import functools
import importlib.util
import json
import linecache
import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
import zipfile

import pytest
from ferdelance import _capture
from ferdelance._capture import Found, find

pytestmark = pytest.mark.alone

recent_sources_of_the_core = _capture._recent_sources
PACKAGES = str(pathlib.Path(_capture.__file__).parents[1])

# ---- helpers ------------------------------------------------------------------------------------


def segment(found):
    """The source of just the function, read from where `found` says that it is."""
    line = found.line - found.first_line + 1
    (node,) = (
        node
        for node in ast.walk(ast.parse(found.text))
        if (
            found.kind == "def"
            and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and (node.lineno, node.name) == (line, found.name_or_col)
        )
        or (
            found.kind == "lambda"
            and isinstance(node, ast.Lambda)
            and (node.lineno, node.col_offset) == (line, found.name_or_col)
        )
    )
    return ast.get_source_segment(found.text, node)


def source_of(function, override=None):
    return segment(find(function, override))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """No test sees what another one has left in the caches."""
    for cache in ("_known", "_files", "_texts"):
        monkeypatch.setattr(_capture, cache, {})
    monkeypatch.setattr(_capture, "_recent_sources", lambda name: [])


@pytest.fixture
def load(tmp_path):
    """`load(text or bytes)`: imports it as a module from a file."""
    count = 0

    def load(content, name="module"):
        nonlocal count
        count += 1
        path = tmp_path / f"{name}{count}.py"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def age(module):
    """Make a module's file look as if it was written before the program began."""
    os.utime(module.__file__, (time.time() - 1e6, time.time() - 1e6))


_recordings = []


def _record(event, arguments):
    if event == "compile" and _recordings:
        text, filename = arguments
        if isinstance(text, bytes) and isinstance(filename, str) and not os.path.isfile(filename):
            with contextlib.suppress(UnicodeDecodeError):
                _recordings[-1].setdefault(filename, []).insert(0, text.decode())


@functools.cache
def _install_recorder():
    sys.addaudithook(_record)  # for good: there is no way to remove a hook


@pytest.fixture
def recorded(monkeypatch):
    """Stands for the core's audit hook: keeps what is compiled under the name of no file."""
    _install_recorder()
    texts = {}
    monkeypatch.setattr(_capture, "_recent_sources", lambda name: texts.get(name, []))
    _recordings.append(texts)
    yield texts
    _recordings.remove(texts)


def run_python(*arguments, **options):
    """Run the interpreter with this package; returns what it prints, as JSON."""
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    process = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, **options
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


PRELUDE = """\
import json
from ferdelance._capture import find
def show(function):
    try:
        print(json.dumps(find(function)))
    except LookupError as error:
        print(json.dumps(str(error)))
"""

# ---- files --------------------------------------------------------------------------------------


def test_file(load):
    text = "import math\n\ndef f(x):\n    return math.sin(x)\n"
    module = load(text)
    assert find(module.f) == Found(text, module.__file__, 1, 0, "def", 3, "f")


def test_nested_functions_and_closures(load):
    module = load("""
def outer(k):
    def middle(x):
        def inner(y):
            return x + y + k
        return inner
    return middle
""")
    middle = module.outer(1)
    assert source_of(middle).startswith("def middle")
    assert source_of(middle(2)).startswith("def inner")
    assert find(module.outer(3)) == find(middle)


def test_decorators_are_excluded(load):
    module = load(
        '''
import functools

def noop(*args, **kwargs):
    return lambda f: f

@noop("def f(x):",
      doc="""
def f(x):
    pass
""")
# def f(x):
@noop(
    """)""", [
        "(",
    ]
) ; \\
'''.replace(") ; \\\n", ")\n")
        + '''
@functools.lru_cache(maxsize=None)

@noop()  # the last one: """
def f(x):
    return x

@noop("float64(float64)", fastmath=True)
@noop(
    key=lambda f: f,
)
async def g(x):
    return x
'''
    )
    assert source_of(module.f.__wrapped__) == "def f(x):\n    return x"
    assert source_of(module.g) == "async def g(x):\n    return x"


def test_odd_definitions(load):
    module = load("""
def \\
        f(x):
    return x

def  g  (x): return x

if True:
    def h(
        x,
    ): return x
else:
    def h(x): return -x
""")
    assert find(module.f)[4:] == ("def", 2, "f")
    assert find(module.g)[4:] == ("def", 6, "g")
    assert find(module.h)[4:] == ("def", 9, "h")


def test_methods(load):
    module = load("""
class A:
    def f(self):
        return self.__x

    @staticmethod
    def g(x):
        return x

    class B:
        def __f(self):
            return __x
        h = __f

def f(self):
    return self.__x
""")
    assert find(module.A.f).line == 3
    assert find(module.A().f).line == 3
    assert find(module.A.g).line == 7
    assert find(module.A.B.h)[4:] == ("def", 11, "__f")
    assert find(module.f).line == 15


def test_same_text_in_several_places(load):
    body = "def f(x):\n    return x\n"
    module = load(f"{body}a = f\n\n{body}b = f\nif f:\n{textwrap.indent(body, '    ')}c = f\n")
    assert [find(f).line for f in (module.a, module.b, module.c)] == [1, 5, 9]


@pytest.mark.parametrize(
    "content, line",
    [
        (b"def f(x):\r\n\treturn 'a'\r\n\r\n\treturn x\r\n", 1),
        (b"\r\rdef f(x):\r\treturn x\r", 3),
        (b"\xef\xbb\xbfdef f(x):\n return '\xc3\xa9'\n", 1),
        (
            b"# -*- coding: latin-1 -*-\n\n'\xe9'; g = lambda: '\xe9'\ndef f(x):\n return '\xe9'\n",
            4,
        ),
        (b"#!python\n# vim: set fileencoding=cp1252 :\r\ndef f(x):\r\n return '\x80'\r\n", 3),
        (b"\xef\xbb\xbf# coding: utf-8\ndef f(x):\n  return x\n", 2),
        (b"x = 1\n\x0c\n\x0cdef f(x):\n\x0c    \x0c  return x\n", 3),
        ("d = '\x1c\x85\u2028'\ndef f(x): return '\u2028', x\n".encode(), 2),
        (b"def f(x): return x", 1),
        (b"def f(x): return x\n    # indented\n", 1),
        ("def f(x): return x".encode("utf-8-sig"), 1),
    ],
)
def test_spelling_of_files(load, content, line):
    module = load(content)
    found = find(module.f)
    assert found[4:] == ("def", line, "f")
    assert "\r" not in found.text and "\ufeff" not in found.text
    assert segment(found).startswith("def f(x):")


def test_names_are_normalized(load):
    module = load("def \ufb01(x): return x\n")  # a ligature: Python reads "fi"
    assert find(module.fi)[4:] == ("def", 1, "fi")


def test_future_statements(load):
    filler = "# " + "x" * 100 + "\n"
    module = load(
        '"""Module."""\nfrom __future__ import annotations, division\n'
        + filler * 100
        + "def f(x: unknown) -> 1 + 1:\n    y: unknown\n    return x\n"
    )
    age(module)
    assert find(module.f)[4:] == ("def", 103, "f")


def test_optimised_code(tmp_path):
    (tmp_path / "optimised.py").write_text(
        '"""Module."""\n'
        'def f(x):\n    """Doc."""\n    assert x\n    return x\n'
        'def g(x):\n    """Doc."""\n'
        'class C:\n    """Doc."""\n    def h(self):\n        "Doc."\n        if __debug__: pass\n'
        "        return lambda: self\n"
    )
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
{PRELUDE}
from optimised import *
print(json.dumps([find(x)[4:] for x in (f, g, C.h, C().h())]))
"""
    expected = [["def", 2, "f"], ["def", 6, "g"], ["def", 10, "h"], ["lambda", 13, 15]]
    for option in ("-O", "-OO"):
        assert run_python(option, "-c", program) == expected


@pytest.mark.parametrize("optimize", [0, 1, 2])
def test_other_optimisation_than_the_process(tmp_path, optimize):
    text = 'def f(x):\n    """Doc."""\n    assert x\n    return x\n'
    path = tmp_path / "file.py"
    path.write_text(text)
    namespace = {}
    exec(compile(text, str(path), "exec", optimize=optimize), namespace)
    assert find(namespace["f"])[4:] == ("def", 1, "f")


def test_asserts_that_pytest_has_rewritten():
    def asserted(x):
        assert x > 0, "positive"
        return x

    assert source_of(asserted).splitlines()[1].strip() == 'assert x > 0, "positive"'


def test_import_hook_that_changes_the_tree(tmp_path):
    class Loader(importlib.machinery.SourceFileLoader):
        def get_code(self, name):
            return self.source_to_code(self.get_data(self.path), self.path)

        def source_to_code(self, data, path):
            tree = ast.parse(data)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    check = ast.parse("print('checked')").body[0]
                    node.body.insert(0, ast.copy_location(check, node))
            return compile(ast.fix_missing_locations(tree), path, "exec")

    path = tmp_path / "hooked.py"
    path.write_text("def f(x):\n    return x\ng = lambda x: x\n")
    loader = Loader("hooked", str(path))
    spec = importlib.util.spec_from_file_location("hooked", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert "print" in module.f.__code__.co_names
    assert source_of(module.f) == "def f(x):\n    return x"
    assert source_of(module.g) == "lambda x: x"


def test_file_that_is_no_longer_where_it_was(load, tmp_path, monkeypatch):
    # Relative paths in code objects go astray when the program changes its directory.
    module = load("def f(x): return x\n")
    module.f.__code__ = module.f.__code__.replace(co_filename="module1.py")
    monkeypatch.chdir("/")
    found = find(module.f)
    assert (found.filename, segment(found)) == ("module1.py", "def f(x): return x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_not_opened(tmp_path):
    path = tmp_path / "pipe.py"
    os.mkfifo(path)
    namespace = {}
    exec(compile("def f(x): return x", str(path), "exec"), namespace)
    with pytest.raises(LookupError, match="not a regular file"):
        find(namespace["f"])


# ---- long files ---------------------------------------------------------------------------------

LONG = "".join(f"def f{i}(x):\n    return x + {i}\n\n" for i in range(500))


@pytest.fixture
def compiled(monkeypatch):
    """The texts that were compiled to compare code objects."""
    texts = []
    original = _capture._compile

    def count(source, *arguments):
        texts.append(source)
        return original(source, *arguments)

    monkeypatch.setattr(_capture, "_compile", count)
    return texts


def test_a_short_file_is_compiled_once(load, compiled):
    module = load(LONG[:4000].rpartition("def")[0])
    age(module)
    functions = [f for f in vars(module).values() if isinstance(f, types.FunctionType)]
    assert len({find(f).line for f in functions}) == len(functions) > 80
    assert len(compiled) == 1


def test_a_long_file_is_compiled_in_part(load, compiled):
    module = load(LONG + "class C:\n    def f(self): pass\n    def g(self): pass\n")
    age(module)
    for i in (0, 250, 499):
        found = find(getattr(module, f"f{i}"))
        assert found[4:] == ("def", 3 * i + 1, f"f{i}")
        assert found.text is find(module.f0).text
    assert [find(module.C.f).line, find(module.C.g).line] == [1502, 1503]
    assert [len(text.strip()) for text in compiled] == [27, 31, 31, 52]


def test_a_long_file_is_compiled_once_for_many(load, compiled):
    module = load(LONG)
    age(module)
    for i in range(500):
        assert find(getattr(module, f"f{i}"))[4:] == ("def", 3 * i + 1, f"f{i}")
    assert sum(len(text.strip()) for text in compiled) < len(LONG) * 1.1


def test_statements_are_guessed_right(load, compiled):
    text = (
        LONG
        + """
def keep(*args):
    return lambda f: f

@keep(
    [1, 2],
)
# a comment
@keep(lambda x: x)
def a(x):
    try:
        return x
# another

    except ValueError:
        return 0

b = keep(
    1)(lambda x: x
)

if a:
    def c(x): return x
else:
    def c(x): return -x
try:
    raise KeyError
except KeyError:
    def d(x): return x
finally:
    def e(x): return x
with __import__("contextlib").suppress():
\tdef f(x):
\t\treturn x
"""
    )
    module = load(text)
    age(module)
    for name in "abcdef":
        function = getattr(module, name)
        assert find(function).kind == ("lambda" if name == "b" else "def")
    assert len(compiled) == 5  # d and e are in one statement
    assert max(len(text.strip()) for text in compiled) < 250


IMPORTS = '''
import math, os.path  # a comment, with a comma
import json as j
from os import (
    path as p,  # another
    sep,
)
try:
    import sys
except ImportError:
    from os import sys

def lazily():
    """What it does:

import everything, and in the end
import if, nothing
    """
    import re
'''


def test_imports_of_the_module_are_minded(load, compiled):
    # They make a difference to the code of functions that call something in a module.
    names = ("math", "os", "j", "p", "sep", "sys", "re", "json", "path")
    functions = "".join(f"def call_{name}(x):\n    return {name}.f(x)\n" for name in names)
    module = load(IMPORTS + LONG + functions)
    age(module)
    for name in names:
        assert find(getattr(module, f"call_{name}")).name_or_col == f"call_{name}"
    # The docstring hides that `re` is not the module's; it costs one compile more to find that out.
    assert len(names) <= len(compiled) <= len(names) + 1


def test_imports_that_are_somewhere_else(load, recorded):
    # What travels in pickles is one statement of a module.
    text = "\n\ndef f(x):\n    return math.sin(x) + [a.f() for a in x][0]\n"
    whole = load(IMPORTS + text)
    function = without_file(text)
    function.__code__ = whole.f.__code__.replace(co_filename="/nowhere/file.py")
    function.__globals__["math"] = whole.math
    part = "\n" * (find(whole.f).line - 3) + text
    lines = part.splitlines(keepends=True)
    linecache.cache["/nowhere/file.py"] = (len(part), None, lines, "/nowhere/file.py")
    try:
        assert find(function)[4:] == find(whole.f)[4:]
    finally:
        del linecache.cache["/nowhere/file.py"]
    assert find(function, text)[4:] == find(whole.f)[4:]
    place = Found(text, "/nowhere/file.py", part.count("\n") - 3, 0, "def", 0, "f")
    function.__ferdelance_source__ = place
    assert find(function)[4:] == find(whole.f)[4:]


def test_statements_that_are_guessed_wrong(load):
    module = load(
        LONG
        + '''
def a(x):
    """
Text at the left margin.

def a(x):
    return x
"""
    return x

b = [
1,
lambda x: x,
]

def c(x):
    y = 1 + \\
x
    return y
'''
    )
    age(module)
    assert find(module.a)[4:] == ("def", 1502, "a")
    assert find(module.b[1])[4:] == ("lambda", 1513, 0)
    assert find(module.c)[4:] == ("def", 1516, "c")


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


# ---- notebooks, doctest, archives ---------------------------------------------------------------


def run_cell(text, filename, flags=0):
    """Run a cell as IPython does: parse it, compile it statement by statement."""
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace = {}
    tree = compile(text, filename, "exec", ast.PyCF_ONLY_AST | flags)
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            code = compile(ast.Interactive([statement]), filename, "single", flags)
        else:
            code = compile(ast.Module([statement], []), filename, "exec", flags)
        result = eval(code, namespace)
        if isinstance(result, types.CoroutineType):
            result.close()
    return namespace


@pytest.mark.parametrize("name", ["<ipython-input-3-0123abc>", "/tmp/ipykernel_99/1234567.py"])
def test_notebook_cell(name):
    text = "\nx = 1\ndef f(x):\n    return [lambda: x, lambda: 1]\n\n2\ng = lambda x: x"
    namespace = run_cell(text, name)
    assert find(namespace["f"]) == Found(text, name, 1, 0, "def", 3, "f")
    assert source_of(namespace["f"](0)[0]) == "lambda: x"
    assert source_of(namespace["g"]) == "lambda x: x"


def test_notebook_cell_with_import():
    # Each statement is a module of its own there, so `math` is not imported by that of `f`.
    text = (
        "import math\n\ndef f(x):\n    return math.sin(x)\n"
        "fs = [lambda x: math.sin(x), lambda x: math.cos(x)]; import os; g = lambda: os.stat(1)\n"
    )
    namespace = run_cell(text, "<ipython-input-6-0>")
    assert find(namespace["f"])[4:] == ("def", 3, "f")
    assert source_of(namespace["fs"][1]) == "lambda x: math.cos(x)"
    assert source_of(namespace["g"]) == "lambda: os.stat(1)"


def test_notebook_cell_with_await():
    text = "import asyncio\ndef f(x): return x\nif 0:\n    await asyncio.sleep(0)\n"
    namespace = run_cell(text, "<ipython-input-4-0>", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert find(namespace["f"]).line == 2


def test_notebook_with_future_statement_in_an_earlier_cell():
    flags = __import__("__future__").annotations.compiler_flag
    namespace = run_cell("def f(x: nothing): return x\n", "<ipython-input-5-0>", flags)
    assert find(namespace["f"]).line == 1


def test_timed_cell(recorded):
    # IPython's %%time: parsed under one name, compiled under another.
    tree = ast.parse("f = lambda x: x + 1")
    namespace = {}
    exec(compile(tree, "<timed exec>", "exec"), namespace)
    assert source_of(namespace["f"]) == "lambda x: x + 1"


def test_doctest():
    text = '''
    >>> def f(x):
    ...     """Doc."""
    ...     return x + 1
    >>> source_of(f).splitlines()[0]
    'def f(x):'
    >>> g = [lambda x: 1, lambda x: 2][1]; found = find(g)
    >>> found.kind, found.line, found.name_or_col
    ('lambda', 1, 18)
    '''
    test = doctest.DocTestParser().get_doctest(
        text, {"source_of": source_of, "find": find}, "name", "name.txt", 0
    )
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test)
    assert runner.summarize(verbose=False) == (0, 4)


def test_archive(tmp_path, monkeypatch):
    text = "def f(x):\n    return 'é'\n\ng = lambda x: x\n"
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped_package/__init__.py", "")
        file.writestr("zipped_package/inside.py", text)
    monkeypatch.syspath_prepend(str(archive))
    from zipped_package import inside

    try:
        assert find(inside.f) == Found(text, inside.__file__, 1, 0, "def", 1, "f")
        assert find(inside.g).kind == "lambda"
    finally:
        del sys.modules["zipped_package"], sys.modules["zipped_package.inside"]


def test_archive_that_is_the_program(tmp_path):
    archive = tmp_path / "program.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", PRELUDE + "show(show)\n")
    assert run_python(str(archive))[4:] == ["def", 3, "show"]


# ---- programs that have no file -----------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["-c"],
        ["-B", "-c"],
        ["-Bsc"],
        ["-W", "ignore", "-Xutf8", "-X", "dev", "-c"],
        ["-Wignore", "--check-hash-based-pycs", "never", "-c"],
    ],
)
def test_command(options):
    program = f"\n{PRELUDE}import sys\ndef f(x): return 'é', x\nshow(f)"
    found = run_python(*options, program, "argument", "-c", "other")
    assert found == [program + "\n", "<string>", 1, 0, "def", 10, "f"]


def test_command_beside_its_option():
    assert run_python(f"-c{PRELUDE}show(lambda x: 1)")[4:] == ["lambda", 8, 5]


@pytest.mark.parametrize(
    "options, command",
    [
        ([], None),
        (["file.py", "-c", "x"], None),
        (["-", "-c", "x"], None),
        (["-m", "module", "-c", "x"], None),
        (["-mmodule", "-c", "x"], None),
        (["-Bmmodule", "-c", "x"], None),
        (["-c"], None),
        (["-Ic", "x", "-c", "y"], "x"),
        (["-cx"], "x"),
        (["-BXdev", "-c", "x"], "x"),
        (["-BX", "-c", "-c", "x"], "x"),
        (["--check-hash-based-pycs", "-c", "-c", "x"], "x"),
    ],
)
def test_command_line(options, command):
    assert _capture._command(["python", *options]) == command


@pytest.mark.parametrize("arguments", [["-"], []])
def test_standard_input_from_a_file(tmp_path, arguments):
    program = f"# coding: latin-1\n{PRELUDE}def f(x): return 'é'\nshow(f)\n"
    path = tmp_path / "program"
    path.write_bytes(program.encode("latin-1"))
    with path.open() as file:
        found = run_python(*arguments, stdin=file)
    assert found == [program, "<stdin>", 1, 0, "def", 9, "f"]


def test_standard_input_is_not_consumed(tmp_path):
    path = tmp_path / "program"
    path.write_text("data\n" * 3)
    program = f"{PRELUDE}namespace = {{}}\nfind.__globals__['_recent_sources'] = lambda name: []\n"
    program += "exec(compile('def f(x): return x', '<stdin>', 'exec'), namespace)\n"
    program += "try: find(namespace['f'])\nexcept LookupError as error: message = str(error)\n"
    program += "print(json.dumps([input(), message]))"
    with path.open() as file:
        data, message = run_python("-c", program, stdin=file)
    assert data == "data"
    assert "standard input: it has no function f" in message


def test_standard_input_from_a_pipe():
    message = run_python("-", input=f"{PRELUDE}show(show)\n")
    assert "standard input is not a regular file" in message
    assert message.endswith("text of the function, or put the program into a file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_interactive_interpreter(tmp_path):
    import pty
    import select

    script = tmp_path / "startup.py"
    script.write_text(PRELUDE)
    environment = {
        **os.environ,
        "PYTHONPATH": PACKAGES,
        "PYTHONSTARTUP": str(script),
        "HOME": str(tmp_path),
        "PYTHON_HISTORY": str(tmp_path / "history"),
        "PYTHON_BASIC_REPL": "1",
        "TERM": "dumb",
    }
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-q"], environment)

    def read_until(end):
        output, deadline = b"", time.monotonic() + 30
        while not output.endswith(end):
            assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], output
            output += os.read(terminal, 65536)
        return output.decode()

    def say(line):
        os.write(terminal, line.encode() + b"\r")
        return read_until(b"... " if line.endswith(":") or line.startswith("  ") else b">>> ")

    read_until(b">>> ")
    for line in ("def f(x):", "  return x + 1", "", "def f(x):", "  y = x", "  return y", ""):
        say(line)
    found = json.loads(say("show(f)").splitlines()[1])
    assert found[0].rstrip() == "def f(x):\n  y = x\n  return y"
    assert found[4:] == ["def", 1, "f"]
    found = json.loads(say("1; g = [lambda x: x, lambda x: 1]; show(g[1])").splitlines()[2])
    assert found[4:] == ["lambda", 1, 21]
    os.write(terminal, b"exit()\r")
    os.waitpid(child, 0)
    os.close(terminal)


def test_history_of_the_line_editor(monkeypatch):
    lines = [
        "def f(x):",
        "    return x",
        "@keep",
        "def f(x):",
        "    def g(y):",
        "        return y",
        "    return g",
        "h = f(",
        "lambda x: x",
        ")",
        "f(1)",
        "def f(x): pass",
    ]
    readline = types.SimpleNamespace(
        get_current_history_length=lambda: len(lines), get_history_item=lambda i: lines[i - 1]
    )
    monkeypatch.setitem(sys.modules, "readline", readline)
    namespace = {"keep": lambda f: f}

    def interpret(statement):
        exec(compile(statement, "<stdin>", "single"), namespace)

    interpret("\n".join(lines[:2]) + "\n")
    first = namespace["f"]
    assert find(first)[:1] == ("\n".join(lines[:2]) + "\n",)
    interpret("\n".join(lines[2:7]) + "\n")
    assert find(namespace["f"])[4:] == ("def", 2, "f")
    assert find(namespace["f"](1))[4:] == ("def", 3, "g")
    assert namespace["f"](1) and source_of(namespace["f"](1)) == "def g(y):\n        return y"
    namespace["f"] = lambda x: x
    interpret("\n".join(lines[7:10]) + "\n")
    assert find(namespace["h"]) == Found(
        "h = f(\nlambda x: x\n)\n", "<stdin>", 1, 0, "lambda", 2, 0
    )
    interpret("def other(x): pass\n")
    with pytest.raises(LookupError, match=r"history of interactive input \(12 lines\)"):
        find(namespace["other"])


# ---- exec, eval, compile ------------------------------------------------------------------------


def test_exec(recorded):
    namespace = {}
    text = "\ndef f(x):\n    return 'é', x\n"
    exec(text, namespace)
    assert find(namespace["f"]) == Found(text, "<string>", 1, 0, "def", 2, "f")


def test_many_texts_of_one_name(recorded):
    functions = []
    for i in range(100):
        namespace = {}
        exec(f"def f(x):\n    return x + {i}\n", namespace)
        functions.append(namespace["f"])
    for i, function in enumerate(functions):
        assert source_of(function).endswith(f"x + {i}")


@pytest.mark.parametrize("text", ["lambda x: x + 1", "  [lambda x: x + 1, lambda x: x + 2][0]"])
def test_eval(recorded, text):
    assert source_of(eval(text)) == "lambda x: x + 1"


def test_compile(recorded):
    namespace = {}
    for mode in ("exec", "single"):
        exec(compile("def f(x): return x\n", "<generated>", mode), namespace)
        assert find(namespace["f"])[1:] == ("<generated>", 1, 0, "def", 1, "f")
    exec(compile("def f(x): return 'é'\r\n".encode(), "/nowhere.py", "exec"), namespace)
    assert find(namespace["f"])[:2] == ("def f(x): return 'é'\n", "/nowhere.py")
    namespace["__file__"] = __file__
    exec(compile("def f(x): return 'o'", "nowhere.py", "exec"), namespace)
    assert find(namespace["f"])[:2] == ("def f(x): return 'o'", "nowhere.py")


def test_console(recorded):
    # Debuggers and many a shell: `compile` in mode "single".
    console = code_module.InteractiveConsole({})
    for line in ("def f(x):", "    return x", "", "g = lambda x: x"):
        console.push(line)
    assert source_of(console.locals["f"]) == "def f(x):\n    return x"
    assert source_of(console.locals["g"]) == "lambda x: x"


def test_text_that_is_gone():
    namespace = {}
    exec(compile("def f(x): return x", "<nowhere>", "exec"), namespace)
    with pytest.raises(LookupError) as error:
        find(namespace["f"])
    assert str(error.value) == (
        "cannot find the source text of f (<nowhere>, line 1). Tried: linecache has no text of "
        "this name. Pass source= to the decorator, with the text of the function, or put the text "
        "into linecache.cache under this name"
    )


def test_tree_that_was_no_text(recorded):
    tree = ast.parse("def f(x): return x")
    tree.body[0].body[0].value = ast.Constant(3, lineno=1, col_offset=1)
    namespace = {}
    exec(compile(ast.fix_missing_locations(tree), "<tree>", "exec"), namespace)
    with pytest.raises(LookupError, match="<unknown>.*something has changed its code"):
        find(namespace["f"])
    assert source_of(namespace["f"], ast.unparse(tree)) == "def f(x):\n    return 3"


def test_own_compiling_leaves_no_texts(recorded):
    exec("def f(x): return [lambda: x, lambda: 1]", namespace := {})
    before = json.dumps(recorded, default=repr)
    find(namespace["f"](1)[0])
    assert json.dumps(recorded, default=repr) == before
    assert os.path.isfile(_capture.COMPILED_AS)


def test_recorded_by_the_core(monkeypatch):
    try:
        core = importlib.import_module("ferdelance._core")
    except ImportError as error:
        pytest.skip(f"no compiler: {error}")
    monkeypatch.setattr(_capture, "_recent_sources", recent_sources_of_the_core)
    core._install_audit_hook()
    exec("def f(x):\n    return x - 17\n", namespace := {})
    assert source_of(namespace["f"]) == "def f(x):\n    return x - 17"
    exec(compile("g = lambda x: x - 18", "<other>", "exec"), namespace)
    assert source_of(namespace["g"]) == "lambda x: x - 18"


# ---- texts that functions carry -----------------------------------------------------------------


def without_file(text, name="f"):
    """A function whose text is nowhere."""
    namespace = {}
    exec(compile(text, "/nowhere/file.py", "exec"), namespace)
    return namespace[name]


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


# ---- caches -------------------------------------------------------------------------------------


def test_results_are_kept_by_code_object(load, compiled):
    module = load("def make():\n    def f(x):\n        return x\n    return f\n")
    assert find(module.make()) is find(module.make())
    assert len(compiled) == 1


def test_caches_are_bounded(load):
    for i in range(40):
        find(load(f"def f(x): return {i}\n").f)
    assert len(_capture._files) <= 32
    for i in range(1100):
        _capture._remember(_capture._known, i, None, 1024)
    assert len(_capture._known) <= 1024


def test_threads(load):
    modules = [load(f"def f(x):\n    return [lambda: {i}, lambda: -{i}, x]\n") for i in range(40)]
    results = [[] for _ in range(8)]

    def work(result):
        for module in modules:
            result.append((find(module.f), find(module.f(1)[1]).name_or_col))

    threads = [threading.Thread(target=work, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == results[0] and len(result) == 40 for result in results)
    assert _capture._IGNORE not in warnings.filters
