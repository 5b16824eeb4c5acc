"""A loop that computes, within code that does more: how it becomes a function of its own.

    def main(limit):                      @njit
        longest, best = 0, 0              def main_loop(limit, longest, best):
        for start in range(1, limit):         for start in range(1, limit):
            ...                    ─▶             ...
        print(best, longest)                  return longest, best

                                          def main(limit):
                                              longest, best = 0, 0
                                              longest, best = main_loop(limit, longest, best)
                                              print(best, longest)

Variables that the loop reads are parameters; those that it assigns to and that are read elsewhere
are results. Attributes of ``self`` and variables of functions around are parameters, too. Loops for
which this is not sure to mean the same are left alone.
"""

import ast
import dataclasses

from . import sources
from .bodies import callees_of, others_of, unique_parts
from .parts import Outside, Part, can_move, new_name, parameters, place

LOOPS = (ast.For, ast.While)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
#: What cannot be moved out of a function, or would mean something else there.
FIXED = (
    ast.Return,
    ast.Yield,
    ast.YieldFrom,
    ast.Await,
    ast.Global,
    ast.Nonlocal,
    ast.Delete,
    ast.Import,
    ast.ImportFrom,
    ast.NamedExpr,
    ast.AsyncFor,
    ast.AsyncWith,
    *SCOPES,
)


def find(file, scope, times):
    """The loop of a function, or of a script itself, that is best moved.

    Parameters
    ----------
    file : sources.File
    scope : sources.Scope or None
        The function; None for the code that is in none.
    times : dict
        CPU time by line.

    Returns
    -------
    Part or None
        The outermost of the loops that compute, with the most time.
    """
    node = scope.node if scope else file.tree
    found = []
    _look(Block(file, scope, node), node.body, [], found)

    def time(loop):
        return sum(times.get(number, 0.0) for number in range(loop.first, loop.last + 1))

    return max(found, key=time, default=None)


@dataclasses.dataclass
class Block:
    """Where a loop is: in a function or a script, in another loop, where errors are caught."""

    file: sources.File
    scope: sources.Scope | None
    node: ast.AST
    is_repeated: bool = False
    may_catch: bool = False

    def within(self, statement):
        return dataclasses.replace(
            self,
            is_repeated=self.is_repeated or isinstance(statement, LOOPS),
            may_catch=self.may_catch or isinstance(statement, (ast.Try, ast.With)),
        )


def _look(block, body, before, found):
    """Loops in a block, after some statements."""
    before = list(before)
    for statement in body:
        loop = _loop(block, statement, before) if isinstance(statement, LOOPS) else None
        if loop is not None:
            found.append(loop)
        elif not isinstance(statement, SCOPES):
            has_target = isinstance(statement, ast.For)
            inner_before = [*before, statement.target] if has_target else before
            for inner in _blocks(statement):
                _look(block.within(statement), inner, inner_before, found)
        before.append(statement)


def _blocks(statement):
    for field in ("body", "orelse", "finalbody"):
        block = getattr(statement, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block
    for handler in getattr(statement, "handlers", ()):
        yield handler.body


def _loop(block, statement, before):
    """A loop as one that can be moved; None if it cannot."""
    file, scope, node = block.file, block.scope, block.node
    if any(isinstance(part, FIXED) for part in ast.walk(statement)) or statement.orelse:
        return None
    if not can_move(file.text, [statement]):
        return None
    try:
        there = Outside(file, scope, [statement], inner=True) if scope else None
        others = others_of(file, there, (scope,)) if scope else {}
    except sources.NotFound:
        return None
    around = set(there.free) if scope else set()
    own = _names(statement)
    stored, loaded = own[ast.Store], own[ast.Load]
    bound = set(parameters(node)) if scope else set()
    bound |= around | {name for earlier in before for name in _bound(earlier)}
    outside = _outside(node, statement)
    if outside["not own"] & set(stored):
        return None
    known = set(file.functions) | set(file.imports) | file.classes
    assigned = bound | outside[ast.Store]
    local = (assigned if scope else assigned & file.others) - known
    if scope:
        local -= {scope.receiver, *there.functions}
    is_read_later = {
        name
        for name in stored
        if any(
            block.is_repeated or number > statement.end_lineno
            for number in outside["reads"].get(name, ())
        )
        or (not scope and _reads_elsewhere(file.tree, name))
    }
    results = [name for name in stored if name in is_read_later]
    if results and block.may_catch:
        # An error in the loop would leave what it has assigned until then.
        return None
    shared = there.shared if scope else []
    needed = list(dict.fromkeys([*(n for n in loaded if n in local), *shared, *results]))
    if not set(needed) <= bound:
        # Whether it has a value there cannot be told.
        return None
    visitor = sources._Names(file)
    visitor.local = set(needed) | set(stored) | own["inner"]
    if scope:
        visitor.local |= {scope.receiver, *there.functions}
    visitor.visit(statement)
    if visitor.foreign:
        return None
    try:
        callees = callees_of(file, visitor.callees)
    except sources.NotFound:
        return None
    given = there.given if scope else {}
    plain = [name for name in needed if name not in given]
    part = Part(
        name=new_name(file, f"{scope.node.name.strip('_')}_loop" if scope else "loop"),
        owner=scope.name if scope else "",
        lines=(),
        first=statement.lineno,
        last=statement.end_lineno,
        place=place(file, statement.lineno),
        column=statement.col_offset,
        parameters=[*given, *plain],
        arguments=[*given.values(), *plain],
        results=results,
        callees=callees,
        others=unique_parts(others),
    )
    if scope:
        part.edits = there.edits(others)
        _prepare(part, file, scope, statement, before, around=there.free)
    return part


def _names(node):
    """Names that a statement assigns to, and those that it reads, in order; without those of
    comprehensions, which are theirs alone (`inner`)."""
    comprehensions = [n for n in ast.walk(node) if isinstance(n, ast.comprehension)]
    inner = {
        part.id
        for comprehension in comprehensions
        for part in ast.walk(comprehension.target)
        if isinstance(part, ast.Name)
    }
    names = {ast.Store: [], ast.Load: [], "inner": inner}
    targets = {id(n) for c in comprehensions for n in ast.walk(c.target)}
    for part in ast.walk(node):
        if not isinstance(part, ast.Name) or id(part) in targets:
            continue
        kind = type(part.ctx)
        if kind in names:
            names[kind].append((part.lineno, part.col_offset, part.id))
        if isinstance(part.ctx, ast.Store):
            # `x += 1` reads, too.
            names[ast.Load] += [
                (part.lineno, part.col_offset, part.id)
                for statement in ast.walk(node)
                if isinstance(statement, ast.AugAssign) and statement.target is part
            ]
    for kind in (ast.Store, ast.Load):
        names[kind] = list(dict.fromkeys(name for _, _, name in sorted(names[kind])))
    return names


def _bound(statement):
    """Names that have a value for sure when a statement is over."""
    match statement:
        case ast.Assign(targets=targets):
            parts = targets
        case ast.AnnAssign(target=target, value=ast.expr()) | ast.AugAssign(target=target):
            parts = [target]
        case ast.With(items=items):
            for inner in statement.body:
                yield from _bound(inner)
            parts = [item.optional_vars for item in items if item.optional_vars]
        case ast.Name() | ast.Tuple():
            parts = [statement]
        case _:
            return
    for part in parts:
        for name in ast.walk(part):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                yield name.id


def _outside(scope, statement):
    """What the rest of a scope assigns to, the lines in which it reads names, and what is not its
    own. Functions in it read whenever they are called."""
    inside = {id(node) for node in ast.walk(statement)}
    found = {ast.Store: set(), "reads": {}, "not own": set()}
    later = {
        id(node)
        for part in ast.walk(scope)
        if isinstance(part, SCOPES) and part is not scope
        for node in ast.walk(part)
    }
    for node in ast.walk(scope):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found["not own"].update(node.names)
        if not isinstance(node, ast.Name) or id(node) in inside:
            continue
        if isinstance(node.ctx, ast.Store):
            found[ast.Store].add(node.id)
        else:
            line = float("inf") if id(node) in later else node.lineno
            found["reads"].setdefault(node.id, []).append(line)
    return found


def _reads_elsewhere(tree, name):
    """Whether functions of a file read a variable of the module, or may."""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for scope in ast.walk(tree)
        if isinstance(scope, SCOPES)
        for node in ast.walk(scope)
    )


def _prepare(part, file, scope, statement, before, around):
    """Adds the lines of a function before a loop, if these compute, too, and what they get."""
    if statement not in scope.node.body:
        return
    part.of_owner = parameters(scope.node)
    if any(isinstance(node, FIXED) for earlier in before for node in ast.walk(earlier)):
        return
    try:
        there = Outside(file, scope, [*before, statement], inner=True, assigns="ignored")
    except sources.NotFound:
        return
    visitor = sources._Names(file)
    visitor.local = {*part.of_owner, *there.free}
    for earlier in before:
        visitor.local |= set(_names(earlier)[ast.Store]) | _names(earlier)["inner"]
    for earlier in before:
        visitor.visit(earlier)
    if visitor.foreign or visitor.is_random:
        return
    called = Outside(file, scope, before, inner=True, assigns="ignored").calls
    if called:
        return
    part.free = list(dict.fromkeys([*there.free, *(n for n in part.parameters if n in around)]))
    part.prefix = (statement.lineno, statement.lineno - 1)
    if before:
        part.prefix = (before[0].lineno, before[-1].end_lineno)
