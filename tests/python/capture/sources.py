"""Helpers of the tests of finding source texts."""

import ast
import json
import os
import pathlib
import subprocess
import sys
import time

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
