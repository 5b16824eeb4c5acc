"""The exact change to make: a decorator on each of some functions, as a unified diff."""

import difflib


def compiled(text, nodes, imports):
    """The text of a file in which functions are compiled.

    Parameters
    ----------
    text : str
    nodes : list of ast.FunctionDef
        The functions.
    imports : dict
        The names that its imports bind, by name: (path, statement).
    """
    lines = text.splitlines(keepends=True)
    name = "njit"
    has_import = imports.get(name, ("",))[0] in ("ferdelance.njit", "numba.njit")
    for node in sorted(nodes, key=lambda n: -n.lineno):
        indent = " " * node.col_offset
        lines.insert(node.lineno - 1, f"{indent}@{name}\n")
    if not has_import:
        lines.insert(_first_import(text), "from ferdelance import njit\n")
    return "".join(lines)


def _first_import(text):
    """Before which line (from 0) an import stands well: after the last of those at the top."""
    import ast

    place = 0
    for statement in ast.parse(text).body:
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
