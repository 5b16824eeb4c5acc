"""The exact change to make: a decorator on each of some functions, as a unified diff."""

import ast
import difflib

from . import parts, rounds
from .sources import File


def compiled(text, names):
    """The text of a file in which functions of these names are compiled."""
    file = File(text)
    lines = text.splitlines(keepends=True)
    for node in sorted((file.functions[name] for name in names), key=lambda n: -n.lineno):
        lines.insert(node.lineno - 1, f"{' ' * node.col_offset}@njit\n")
    known = file.imports.get("njit", ("",))[0]
    if known not in ("ferdelance.njit", "numba.njit"):
        lines.insert(_first_import(file.tree), "from ferdelance import njit\n")
    return "".join(lines)


def changed(text, names, moved=(), shared=()):
    """The text of a file in which parts are functions, and functions of these names compiled; with
    loops of some that threads share."""
    text = compiled(parts.moved(text, moved), names)
    for name in shared:
        text = parallel(text, name)
    return text


def parallel(text, name):
    """The text of a file in which a loop of a compiled function is shared by threads."""
    file = File(text)
    node = file.functions[name]
    (decorator,) = node.decorator_list
    text = rounds.find(file, node).changed(text)
    end = decorator.end_col_offset
    if isinstance(decorator, ast.Call):
        comma = ", " if decorator.args or decorator.keywords else ""
        text = _with(text, decorator.end_lineno, end - 1, f"{comma}parallel=True")
    else:
        text = _with(text, decorator.end_lineno, end, "(parallel=True)")
    if file.imports.get("prange", ("",))[0] in ("ferdelance.prange", "numba.prange"):
        return text
    module = "ferdelance"
    for statement in file.tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module in ("ferdelance", "numba"):
            last = statement.names[-1]
            if last.name != "*":
                return _with(text, last.end_lineno, last.end_col_offset, ", prange")
        elif isinstance(statement, ast.Import) and statement.names[0].name == "numba":
            module = "numba"
    lines = parts.lines_of(text)
    lines.insert(_first_import(file.tree), f"from {module} import prange\n")
    return "".join(lines)


def _with(text, number, column, more):
    """The text with more of it in a line, after so many bytes."""
    lines = parts.lines_of(text)
    line = lines[number - 1].encode()
    lines[number - 1] = (line[:column] + more.encode() + line[column:]).decode()
    return "".join(lines)


def _first_import(tree):
    """Before which line (from 0) an import stands well: after the last of those at the top."""
    place = 0
    for statement in tree.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if isinstance(statement, (ast.Import, ast.ImportFrom)) or (is_text and place == 0):
            place = statement.end_lineno
        else:
            break
    return place


def diff(file, before, after):
    """A unified diff, which ``patch -p0`` takes."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), file, file, n=1
        )
    )
