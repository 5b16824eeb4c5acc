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
are results. Loops for which this is not sure to mean the same are left alone.
"""

import ast
import dataclasses

from . import sources

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


@dataclasses.dataclass
class Loop:
    """A loop that can be moved.

    Attributes
    ----------
    name : str
        Of the function that it becomes.
    owner : str
        The function that it is in; empty for a script's own code.
    first, last : int
        Its lines in the file.
    place : int
        Before which line the function goes.
    column : int
        How far it is indented.
    parameters, results : list of str
    callees : list of str
        Functions of the file that it calls, which are to be compiled, too.
    prefix : tuple of int or None
        The lines before it in its function, should they compute as well: with them, what the
        loop gets follows from the function's arguments.
    """

    name: str
    owner: str
    first: int
    last: int
    place: int
    column: int
    parameters: list
    results: list
    callees: list
    prefix: tuple | None

    def definition(self, lines):
        """The lines of the function."""
        body = [line[self.column :] if line.strip() else line for line in self._text(lines)]
        yield f"def {self.name}({', '.join(self.parameters)}):\n"
        yield from ("    " + line if line.strip() else line for line in body)
        if self.results:
            yield f"    return {', '.join(self.results)}\n"

    def call(self):
        """The line that takes its place."""
        call = f"{self.name}({', '.join(self.parameters)})\n"
        results = f"{', '.join(self.results)} = " if self.results else ""
        return " " * self.column + results + call

    def moved(self, text):
        """The text of the file with the loop as a function."""
        lines = _lines(text)
        definition = [*self.definition(lines), "\n", "\n"]
        lines[self.first - 1 : self.last] = [self.call()]
        place = self.place - 1
        while place > 0 and lines[place - 1].startswith("#"):
            place -= 1
        if place > 0 and lines[place - 1].strip():
            definition = ["\n", "\n", *definition]
        lines[place:place] = definition
        return "".join(lines)

    def alone(self, text):
        """The text of the file with the loop as a function besides, at its end.

        If it has a prefix, that is one as well, `prepare`: it returns what the loop gets. Lines
        are those of the file, for who reads messages about them.
        """
        lines = _lines(text)
        more = ["\n", "\n", *self.definition(lines)]
        if self.prefix is not None:
            first, last = self.prefix
            file = sources.File(text)
            arguments = ast.unparse(file.functions[self.owner].args)
            more += ["\n", "\n", f"def {self.prepare}({arguments}):\n"]
            before = lines[first - 1 : last]
            more += ["    " + line[self.column :] if line.strip() else line for line in before]
            more.append(f"    return [{', '.join(self.parameters)}]\n")
        return "".join([*lines, *more])

    def place_in(self, file):
        """Where it is, in words."""
        where = f"`{self.owner}`" if self.owner else "the script itself"
        return f"{where} ({file.rpartition('/')[2]}:{self.first})"

    @property
    def prepare(self):
        return f"{self.name}_prepare"

    def _text(self, lines):
        return lines[self.first - 1 : self.last]


def find(file, owner, line, times):
    """The loop of a function, or of a script itself, that is best moved.

    Parameters
    ----------
    file : sources.File
    owner : str
        The function's name; empty for the code that is in none.
    line : int
        Where it is defined.
    times : dict
        CPU time by line.

    Returns
    -------
    Loop or None
        The outermost of the loops that compute, with the most time.

    Raises
    ------
    sources.NotFound
        If there is no such function.
    """
    scope = file.function(owner, line) if owner else file.tree
    found = []
    _look(Block(file, owner, scope), scope.body, [], found)

    def time(loop):
        return sum(times.get(number, 0.0) for number in range(loop.first, loop.last + 1))

    return max(found, key=time, default=None)


@dataclasses.dataclass
class Block:
    """Where a loop is: in a function or a script, in another loop, where errors are caught."""

    file: sources.File
    owner: str
    scope: ast.AST
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
    file, owner, scope = block.file, block.owner, block.scope
    if any(isinstance(node, FIXED) for node in ast.walk(statement)) or statement.orelse:
        return None
    lines = _lines(file.text)
    text = lines[statement.lineno - 1 : statement.end_lineno]
    column = statement.col_offset
    if any(line.strip() and line[:column].strip(" ") for line in text):
        # Tabs, or a text that begins at the line's beginning.
        return None
    if any(_is_long_text(node) for node in ast.walk(statement)):
        return None
    own = _names(statement)
    stored, loaded = own[ast.Store], own[ast.Load]
    parameters = _parameters(scope)
    bound = parameters | {name for earlier in before for name in _bound(earlier)}
    outside = _outside(scope, statement)
    if outside["not own"] & set(stored):
        return None
    known = set(file.functions) | set(file.imports) | file.classes
    assigned = bound | outside[ast.Store]
    local = (assigned if owner else assigned & file.others) - known
    is_read_later = {
        name
        for name in stored
        if any(
            block.is_repeated or number > statement.end_lineno
            for number in outside["reads"].get(name, ())
        )
        or (not owner and _reads_elsewhere(file.tree, name))
    }
    results = [name for name in stored if name in is_read_later]
    if results and block.may_catch:
        # An error in the loop would leave what it has assigned until then.
        return None
    needed = list(dict.fromkeys([*(n for n in loaded if n in local), *results]))
    if not set(needed) <= bound:
        # Whether it has a value there cannot be told.
        return None
    visitor = sources._Names(file)
    visitor.local = set(needed) | set(stored) | own["inner"]
    visitor.visit(statement)
    if visitor.foreign:
        return None
    callees = []
    for name in sorted(visitor.callees):
        unit = file.unit(name, file.functions[name].lineno)
        if unit.foreign:
            return None
        callees += [n for n in unit.names if n not in callees]
    return Loop(
        name=_new_name(file, f"{owner}_loop" if owner else "loop"),
        owner=owner,
        first=statement.lineno,
        last=statement.end_lineno,
        place=_place(file, statement),
        column=column,
        parameters=needed,
        results=results,
        callees=callees,
        prefix=_prefix(file, owner, scope, statement, before),
    )


def _lines(text):
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def _is_long_text(node):
    is_text = isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )
    return is_text and node.end_lineno != node.lineno


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


def _parameters(scope):
    if isinstance(scope, ast.Module):
        return set()
    arguments = scope.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += filter(None, [arguments.vararg, arguments.kwarg])
    return {argument.arg for argument in every}


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


def _new_name(file, name):
    taken = {*file.functions, *file.imports, *file.classes, *file.others}
    while name in taken:
        name += "_"
    return name


def _place(file, statement):
    """The first line of what a statement is in, at the top level of the file."""
    for top in file.tree.body:
        if top.lineno <= statement.lineno <= top.end_lineno:
            decorators = getattr(top, "decorator_list", ())
            return min([top.lineno, *(d.lineno for d in decorators)])
    return statement.lineno


def _prefix(file, owner, scope, statement, before):
    """The lines of a function before a loop, if these compute, too; else None."""
    if not owner or statement not in scope.body:
        return None
    if not before:
        return (statement.lineno, statement.lineno - 1)
    if any(isinstance(node, FIXED) for earlier in before for node in ast.walk(earlier)):
        return None
    visitor = sources._Names(file)
    visitor.local = _parameters(scope)
    for earlier in before:
        visitor.local |= set(_names(earlier)[ast.Store]) | _names(earlier)["inner"]
    for earlier in before:
        visitor.visit(earlier)
    if visitor.foreign or visitor.is_random:
        return None
    return (before[0].lineno, before[-1].end_lineno)
