"""What the tests of finding source texts share: helpers and fixtures."""

import ast
import contextlib
import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from ferdelance import _capture
from ferdelance._capture import find

LONG = "".join(f"def f{i}(x):\n    return x + {i}\n\n" for i in range(500))
PACKAGES = str(pathlib.Path(_capture.__file__).parents[1])
# Before a test stands in for it.
RECENT_SOURCES = _capture._recent_sources


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


def age(module):
    """Make a module's file look as if it was written before the program began."""
    os.utime(module.__file__, (time.time() - 1e6, time.time() - 1e6))


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


def without_file(text, name="f"):
    """A function whose text is nowhere."""
    namespace = {}
    exec(compile(text, "/nowhere/file.py", "exec"), namespace)
    return namespace[name]


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
def fresh(monkeypatch):
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


@pytest.fixture
def recorded(monkeypatch):
    """Stands for the core's audit hook: keeps what is compiled under the name of no file."""
    _install_recorder()
    texts = {}
    monkeypatch.setattr(_capture, "_recent_sources", lambda name: texts.get(name, []))
    _recordings.append(texts)
    yield texts
    _recordings.remove(texts)


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
