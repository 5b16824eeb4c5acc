"""Finding source texts in files."""

import ast
import importlib.util
import linecache
import os
import textwrap
import threading
import types
import warnings

import pytest
from capturing import (
    LONG,
    PRELUDE,
    age,
    run_python,
    segment,
    source_of,
    without_file,
)
from ferdelance import _capture
from ferdelance._capture import Found, find

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("fresh")]

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
