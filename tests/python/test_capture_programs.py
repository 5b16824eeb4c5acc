"""Finding source texts of what is in no file."""

import ast
import code as code_module
import doctest
import importlib.util
import json
import linecache
import os
import sys
import time
import types
import zipfile

import pytest
from capturing import (
    PACKAGES,
    PRELUDE,
    RECENT_SOURCES,
    run_python,
    source_of,
)
from ferdelance import _capture
from ferdelance._capture import Found, find

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("fresh")]

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
    monkeypatch.setattr(_capture, "_recent_sources", RECENT_SOURCES)
    core._install_audit_hook()
    exec("def f(x):\n    return x - 17\n", namespace := {})
    assert source_of(namespace["f"]) == "def f(x):\n    return x - 17"
    exec(compile("g = lambda x: x - 18", "<other>", "exec"), namespace)
    assert source_of(namespace["g"]) == "lambda x: x - 18"
