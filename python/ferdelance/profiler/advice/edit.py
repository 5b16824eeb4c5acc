"""The exact change to make: a decorator on each of some functions, as a unified diff."""

import ast
import difflib

from . import parts
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


def changed(text, names, moved=()):
    """The text of a file in which parts are functions, and functions of these names compiled."""
    return compiled(parts.moved(text, moved), names)


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
