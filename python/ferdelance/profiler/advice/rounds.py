"""Loops whose rounds do not depend on each other, so that threads can share them.

    for i in range(len(a)):               for i in prange(len(a)):
        s = 0.0                               s = 0.0
        for j in range(a.shape[1]):           for j in range(a.shape[1]):
            s += a[i, j]              ─▶          s += a[i, j]
        out[i] = s                            out[i] = s
        total += s                            total += s

Variables are set anew in each round, or only added to; of an array that is written to, a round
touches what has its own number as an index. That different parameters are different arrays cannot
be seen here. Loops for which all this is not sure are left alone.
"""

import ast
import dataclasses

from . import sources
from .parts import lines_of, parameters

#: What ends a round early, or is no statement of compiled code that threads share.
FIXED = (
    ast.Return,
    ast.Yield,
    ast.YieldFrom,
    ast.Await,
    ast.Try,
    ast.With,
    ast.Raise,
    ast.Assert,
    ast.Global,
    ast.Nonlocal,
    ast.NamedExpr,
    ast.Delete,
    ast.FunctionDef,
    ast.Lambda,
    ast.ClassDef,
)
#: Functions of NumPy that change an argument.
CHANGING = frozenset("copyto fill_diagonal put place putmask put_along_axis nan_to_num at".split())
#: Methods that change nothing.
READING = frozenset(
    """
    all any argmax argmin astype conj copy cumsum dot item max mean min nonzero prod real round std
    sum tolist trace var
    """.split()
)
#: Attributes that are no data.
SHAPES = frozenset(["shape", "size", "ndim", "dtype", "itemsize", "nbytes"])
#: Functions of NumPy that return an array of their own.
FRESH = sources.MAKERS - {"array"}


@dataclasses.dataclass
class Rounds:
    """A loop whose rounds are independent.

    Attributes
    ----------
    function : str
        In which it is.
    line, column : int
        Where its `range` is, in bytes.
    arrays : list of str
        Parameters of which it uses elements: these must be arrays.
    numbers : dict
        Parameters that must be numbers, or arrays of so many dimensions at most: else, what is
        added to a variable of a round's own would change them.
    """

    function: str
    line: int
    column: int
    arrays: list
    numbers: dict

    def changed(self, text):
        """The text of the file with the loop in parallel, but for the decorator."""
        lines = lines_of(text)
        line = lines[self.line - 1].encode()
        lines[self.line - 1] = (line[: self.column] + b"p" + line[self.column :]).decode()
        return "".join(lines)


def find_in(file, unit):
    """The loop of a unit, of its outermost function if there, that threads can share; or None."""
    if unit.is_random:
        # Threads draw other numbers.
        return None
    names = [unit.name, *(name for name in reversed(unit.names) if name != unit.name)]
    found = (find(file, file.functions[name]) for name in names)
    return next(filter(None, found), None)


def find(file, node):
    """The loop of a function that threads can share; of several, that with most loops in it.

    Parameters
    ----------
    file : sources.File
    node : ast.FunctionDef

    Returns
    -------
    Rounds or None
    """
    found = []
    _look(file, node, node.body, [], found)
    loop = max(found, key=_depth, default=None)
    if loop is None:
        return None
    name = loop.iter.func
    used = {name for name, _ in _accesses(loop)}
    arrays = [n for n in parameters(node) if n in used]
    return Rounds(node.name, name.lineno, name.col_offset, arrays, _numbers(node, loop))


def _depth(node):
    inner = [_depth(n) for n in ast.walk(node) if n is not node and isinstance(n, ast.For)]
    return 1 + max(inner, default=0)


def _look(file, function, body, after, found):
    """Loops in a block, given what runs after it: blocks, the next one first."""
    for i, statement in enumerate(body):
        rest = [body[i + 1 :], *after]
        if isinstance(statement, ast.For) and _is_independent(file, function, statement, rest):
            found.append(statement)
            continue
        if isinstance(statement, (ast.For, ast.While)):
            _look(file, function, statement.body, [[statement], *rest], found)
        elif isinstance(statement, ast.If):
            _look(file, function, statement.body, rest, found)
            _look(file, function, statement.orelse, rest, found)


def _is_independent(file, function, loop, after):
    if not _is_counted(function, loop) or any(isinstance(n, FIXED) for n in ast.walk(loop)):
        return False
    if _breaks(loop.body):
        return False
    index = loop.target.id
    stored = {
        n.id
        for statement in loop.body
        for n in ast.walk(statement)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    if index in stored or any(
        isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load) for n in ast.walk(loop)
    ):
        return False
    sums = {name for name in stored if _is_sum(loop, name)}
    private = stored - sums
    if _numbers(function, loop) is None:
        return False
    flow = _Flow(private)
    flow.run(loop.body, set())
    if flow.early:
        return False
    # What the last round leaves is nobody's.
    later, known = _Flow({*private, index}), set()
    for block in after:
        known = later.run(block, known)
    if later.early:
        return False
    return _calls_only_read(file, function, loop) and _writes_its_own(
        function, loop, index, private, stored
    )


def _is_counted(function, loop):
    """Whether a loop is one over `range`, by ones."""
    call = loop.iter
    if not (
        isinstance(loop.target, ast.Name)
        and isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "range"
        and not call.keywords
        and not loop.orelse
    ):
        return False
    if any(isinstance(a, ast.UnaryOp) for a in call.args):
        # Counted from the end, two numbers may be those of one element.
        return False
    if len(call.args) == 3:
        step = call.args[2]
        return isinstance(step, ast.Constant) and step.value == 1
    return not any(isinstance(a, ast.Starred) for a in call.args)


def _breaks(body):
    """Whether a loop with this body is left by `break`."""
    for statement in body:
        if isinstance(statement, ast.Break):
            return True
        if not isinstance(statement, (ast.For, ast.While)) and any(
            _breaks(block) for block in (getattr(statement, f, []) for f in ("body", "orelse"))
        ):
            return True
    return False


def _is_sum(loop, name):
    """Whether a variable is only added to, subtracted from, or multiplied."""
    changes = [
        n
        for n in ast.walk(loop)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name) and n.target.id == name
    ]
    names = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == name]
    kinds = {"sum" if isinstance(c.op, (ast.Add, ast.Sub)) else type(c.op) for c in changes}
    return len(names) == len(changes) and kinds in ({"sum"}, {ast.Mult})


class _Flow:
    """Which of some variables are read before they are set, in some statements."""

    def __init__(self, names):
        self.names = names
        self.early = set()

    def run(self, body, known):
        """Goes through a block; what is set for sure after it."""
        known = set(known)
        for statement in body:
            self._one(statement, known)
        return known

    def _one(self, statement, known):
        match statement:
            case ast.For(target=target, iter=iterable, body=body, orelse=orelse):
                self._read(iterable, known)
                self.run(body, known | _names(target, ast.Store))
                self.run(orelse, known)
            case ast.While(test=test, body=body, orelse=orelse):
                self._read(test, known)
                self.run(body, known)
                self.run(orelse, known)
            case ast.If(test=test, body=body, orelse=orelse):
                self._read(test, known)
                known |= self.run(body, known) & self.run(orelse, known)
            case ast.AugAssign(target=target, value=value):
                self._read(value, known)
                self._read(target, known)
                if isinstance(target, ast.Name) and target.id not in known:
                    self.early |= {target.id} & self.names
            case ast.Assign(targets=targets, value=value):
                self._read(value, known)
                for target in targets:
                    self._read(target, known)
                    known |= _names(target, ast.Store)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._read(value, known)
                    known |= _names(target, ast.Store)
            case _:
                self._read(statement, known)

    def _read(self, node, known):
        # Variables of comprehensions are theirs alone.
        inner = {
            name
            for n in ast.walk(node)
            if isinstance(n, ast.comprehension)
            for name in _names(n.target, ast.Store)
        }
        self.early |= (_names(node, ast.Load) - known - inner) & self.names


def _names(node, context):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


# ---- arrays --------------------------------------------------------------------------------------


def _accesses(loop):
    """Elements of arrays that a loop reads and writes: the array's name, and the indices."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            index = node.slice
            yield node.value.id, index.elts if isinstance(index, ast.Tuple) else [index]


def _numbers(function, loop):
    """Parameters that must be numbers for what is added to variables to change nothing else, with
    the dimensions that they may have; None if that is not sure."""
    origins, given = _origins(function), parameters(function)
    numbers, seen = {}, set()
    waiting = [
        node.target.id
        for node in ast.walk(loop)
        if isinstance(node, ast.AugAssign)
        and isinstance(node.target, ast.Name)
        and not _is_sum(loop, node.target.id)
    ]
    while waiting:
        name = waiting.pop()
        if name in given:
            numbers[name] = 0
        if name in seen:
            continue
        seen.add(name)
        for value in origins.get(name, ()):
            match value:
                case None:
                    return None
                case ast.Name(id=other):
                    waiting.append(other)
                case ast.Subscript(value=ast.Name(id=other), slice=index) if other in given:
                    count = len(index.elts) if isinstance(index, ast.Tuple) else 1
                    numbers[other] = min(count, numbers.get(other, count))
                case ast.Subscript() | ast.IfExp() | ast.BoolOp():
                    return None
    return numbers


def _writes_its_own(function, loop, index, private, stored):
    """Whether each round writes elements that no other one touches."""
    stores = [n for n in ast.walk(loop) if isinstance(n, ast.Subscript)]
    stores = [n for n in stores if not isinstance(n.ctx, ast.Load)]
    if not all(isinstance(n.value, ast.Name) for n in stores):
        return False
    origins = _origins(loop)
    written = set()
    for name in {n.value.id for n in stores}:
        if name not in private:
            written.add(name)
            continue
        for value in origins.get(name, [None]):
            of = _view_of(value, index, stored)
            if of is not None:
                # A row: `row = out[i]`.
                written.add(of)
            elif not _is_fresh(value):
                return False
    everywhere = _origins(function)
    for name in written:
        values = everywhere.get(name, [])
        if not all(map(_is_fresh, values)) or not (values or name in parameters(function)):
            return False
        common = None
        for accessed, indices in _accesses(loop):
            if accessed == name:
                own = {
                    (place, ast.unparse(i))
                    for place, i in enumerate(indices)
                    if _is_own(i, index, stored)
                }
                if any(isinstance(i, ast.Constant) and i.value is ... for i in indices):
                    own = set()
                common = own if common is None else common & own
        if not common or not _is_only_indexed(loop, name) or not _is_alone(function, name, loop):
            return False
    return True


def _is_own(node, index, stored):
    """Whether an index is the number of the round, or that and something that stays the same."""
    match node:
        case ast.Name(id=name):
            return name == index
        case ast.BinOp(left=ast.Name(id=name), op=ast.Add() | ast.Sub(), right=other):
            pass
        case ast.BinOp(left=other, op=ast.Add(), right=ast.Name(id=name)):
            pass
        case _:
            return False
    is_same = isinstance(other, ast.Constant) or (
        isinstance(other, ast.Name) and other.id != index and other.id not in stored
    )
    return name == index and is_same


def _origins(loop):
    """What is assigned to variables in a loop."""
    origins = {}
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign) and not _is_exchange(node):
            for target in node.targets:
                for name in _names(target, ast.Store):
                    whole = isinstance(target, ast.Name)
                    origins.setdefault(name, []).append(node.value if whole else None)
        elif isinstance(node, (ast.For, ast.comprehension)):
            for name in _names(node.target, ast.Store):
                origins.setdefault(name, []).append(None)
    return origins


def _is_exchange(node):
    """Whether an assignment is one like `a, b = b, a`."""
    return (
        isinstance(node.value, ast.Tuple)
        and all(isinstance(e, ast.Name) for e in node.value.elts)
        and all(_names(t, ast.Store) == _names(node.value, ast.Load) for t in node.targets)
    )


def _view_of(value, index, stored):
    """The array of which a value is the round's own row; None if it is not known to be one."""
    match value:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=indices)):
            return name if any(_is_own(i, index, stored) for i in indices) else None
        case ast.Subscript(value=ast.Name(id=name), slice=one):
            return name if _is_own(one, index, stored) else None
    return None


def _is_fresh(value):
    """Whether a value is a new array."""
    if not isinstance(value, ast.Call):
        return False
    path = sources._path(value.func) or ""
    root, _, name = path.rpartition(".")
    return bool(root) and (name in FRESH or name == "copy")


def _is_only_indexed(loop, name):
    """Whether of an array only elements, and its shape, are used in a loop."""
    fine = set()
    for node in ast.walk(loop):
        match node:
            case ast.Subscript(value=ast.Name() as value):
                fine.add(id(value))
            case ast.Attribute(value=ast.Name() as value, attr=attribute) if attribute in SHAPES:
                fine.add(id(value))
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name() as value]):
                fine.add(id(value))
    return all(id(n) in fine for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == name)


def _is_alone(function, name, loop):
    """Whether no other variable of a function is the same array, or a part of it."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or _is_exchange(node):
            continue
        targets = set().union(*(_names(t, ast.Store) for t in node.targets))
        read = _read_as_a_whole(node.value)
        if name in targets and read and not _is_fresh(node.value):
            return False
        if name in read and name not in targets and not _is_computed(node.value):
            is_row = _view_of(node.value, loop.target.id, set()) == name
            if not (is_row and loop.lineno <= node.lineno <= loop.end_lineno):
                return False
    return True


def _read_as_a_whole(value):
    """Names in an expression that may be arrays whose memory the value has."""
    skipped = {
        id(n)
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute) and node.attr in SHAPES
        for n in ast.walk(node)
    }
    return {n.id for n in ast.walk(value) if isinstance(n, ast.Name) and id(n) not in skipped}


def _is_computed(value):
    """Whether a value has memory of its own, or none: what arithmetic, a comparison or an index of
    numbers gives."""
    if isinstance(value, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Constant)):
        return True
    if isinstance(value, ast.Subscript):
        parts = value.slice.elts if isinstance(value.slice, ast.Tuple) else [value.slice]
        return not any(isinstance(p, (ast.Slice, ast.Starred)) for p in parts) and len(parts) > 1
    if isinstance(value, ast.Call):
        path = sources._path(value.func) or ""
        return path in ("len", "float", "int", "abs", "min", "max") or path.startswith("math.")
    return False


# ---- calls ---------------------------------------------------------------------------------------


def _calls_only_read(file, function, loop, active=()):
    """Whether what a loop, or a function, calls changes nothing, and draws no random numbers."""
    local = {*parameters(function), *_names(function, ast.Store)}
    for call in ast.walk(loop):
        if isinstance(call, ast.Call) and not _only_reads(file, call, local, active):
            return False
    return True


def _only_reads(file, call, local, active):
    if any(keyword.arg in ("out", None) for keyword in call.keywords):
        return False
    path = sources._path(call.func)
    root, _, rest = (path or "").partition(".")
    if path and root not in local:
        if root in file.imports:
            full = f"{file.imports[root][0]}.{rest}".strip(".").split(".")
            is_known = full[0] in ("numpy", "math", "cmath")
            return is_known and "random" not in full and full[-1] not in CHANGING
        if root in file.functions and not rest:
            callee = file.functions[root]
            if callee in active:
                return True
            return _is_pure(file, callee, (*active, callee))
        return not rest and root in sources.BUILTINS and root != "next"
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in READING
    return False


def _is_pure(file, function, active):
    """Whether a function changes none of its arguments."""
    origins = _origins(function)
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom)):
            return False
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            return False
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            kinds = (ast.Name, ast.Subscript, ast.IfExp, ast.BoolOp, type(None))
            if name in parameters(function) or any(
                isinstance(value, kinds) for value in origins.get(name, ())
            ):
                # It might be an array.
                return False
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            name = node.value.id if isinstance(node.value, ast.Name) else ""
            values = origins.get(name)
            if name in parameters(function) or not values or not all(map(_is_fresh, values)):
                return False
    return _calls_only_read(file, function, function, active)
