"""A part of a program that becomes a function of its own, at the top level of its file.

What it gets from where it was - variables, attributes of ``self`` - are parameters, for which its
call passes them. :mod:`.loops` makes parts of loops, :mod:`.bodies` of methods and inner functions.
"""

import ast
import builtins
import dataclasses
import symtable

from . import sources
from .sources import NotFound


@dataclasses.dataclass
class Part:
    """What is moved.

    Attributes
    ----------
    name : str
        Of the function that it becomes.
    owner : str
        The function that it is in, as ``__qualname__`` has it; empty for a script's own code.
    lines : tuple of int
        Where that begins: with its decorators, and its definition.
    first, last : int
        Its lines in the file.
    place : int
        Before which line the function goes.
    column : int
        How far it is indented.
    parameters, arguments : list of str
        What the function gets: names, and the expressions that its call passes for them.
    results : list of str
        What it returns behind its lines: a loop, or a body that assigns to attributes.
    targets : list of str
        What its call assigns to, if not to variables called as the results are.
    callees : list of str
        Functions of the file that it calls, which are to be compiled, too.
    prefix : tuple of int or None
        The lines before it in its function, should they compute as well: with them, what the
        part gets follows from what its function gets.
    of_owner : list of str
        What that function gets: its parameters.
    attributes : dict
        Parameters for attributes of the object whose method it is in, by attribute.
    assigned : list of str
        The attributes, as expressions, that its call assigns to: it returns them, behind what else
        it returns.
    free : list of str
        Variables of functions around its function that it uses, which are parameters, too.
    whole : str
        Of all that a function does: how its call is a statement, "return" or "call".
    defaults : dict
        Texts of defaults, by parameter.
    edits : list of tuple
        Texts that replace others in it: line, first and last column, in bytes, and the text.
    others : list of Part
        Methods and inner functions that it calls: these are moved, too.
    """

    name: str
    owner: str
    lines: tuple
    first: int
    last: int
    place: int
    column: int
    parameters: list
    arguments: list
    results: list = dataclasses.field(default_factory=list)
    targets: list = dataclasses.field(default_factory=list)
    callees: list = dataclasses.field(default_factory=list)
    prefix: tuple | None = None
    of_owner: list = dataclasses.field(default_factory=list)
    attributes: dict = dataclasses.field(default_factory=dict)
    assigned: list = dataclasses.field(default_factory=list)
    free: list = dataclasses.field(default_factory=list)
    whole: str = ""
    defaults: dict = dataclasses.field(default_factory=dict)
    edits: list = dataclasses.field(default_factory=list)
    others: list = dataclasses.field(default_factory=list)

    @property
    def all(self):
        """It, after the others that it calls."""
        return [*self.others, self]

    @property
    def compiled(self):
        """The functions that are to be compiled with it."""
        callees = [name for part in self.all for name in part.callees]
        return [*dict.fromkeys(callees), *(part.name for part in self.all)]

    def definition(self, lines):
        """The lines of the function."""
        given = [f"{p}={self.defaults[p]}" if p in self.defaults else p for p in self.parameters]
        yield f"def {self.name}({', '.join(given)}):\n"
        yield from _indented(_edited(lines, self)[self.first - 1 : self.last], self.column)
        if self.results:
            yield f"    return {', '.join(self.results)}\n"

    def call(self):
        """What takes its place: a line, or two."""
        call = f"{self.name}({', '.join(self.arguments)})\n"
        margin = " " * self.column
        targets = self.targets or self.results
        if self.whole == "return" and not targets:
            return f"{margin}return {call}"
        assigned = f"{', '.join(targets)} = " if targets else ""
        more = f"{margin}return {targets[0]}\n" if self.whole == "return" else ""
        return margin + assigned + call + more

    def alone(self, text):
        """The text of the file with the functions besides, at its end.

        If there is a prefix, that is one as well, `prepare`: it returns what the part gets; and
        one returns the attributes that are assigned to. Lines are those of the file, for who reads
        messages about them.
        """
        lines = lines_of(text)
        more = []
        for part in self.all:
            more += ["\n", "\n", *part.definition(lines)]
        if self.prefix is not None:
            first, last = self.prefix
            given = ", ".join([*self.free, *self.of_owner])
            more += ["\n", "\n", f"def {self.prepare}({given}):\n"]
            more += _indented(lines[first - 1 : last], self.column)
            more.append(f"    return [{', '.join(self.arguments)}]\n")
            if self.assigned:
                more += ["\n", "\n", f"def {self.attributes_after}({given}):\n"]
                more.append(f"    return [{', '.join(self.assigned)}]\n")
        return "".join([*lines, *more])

    def place_in(self, file):
        """Where it is, in words."""
        where = f"`{self.owner}`" if self.owner else "the script itself"
        return f"{where} ({file.rpartition('/')[2]}:{self.first})"

    @property
    def prepare(self):
        return f"{self.name}_prepare"

    @property
    def attributes_after(self):
        return f"{self.name}_attributes"


def moved(text, parts):
    """The text of a file with parts as functions."""
    lines = lines_of(text)
    unique = {part.name: part for one in parts for part in one.all}.values()
    new = {}
    for part in unique:
        place = part.place - 1
        while place > 0 and lines[place - 1].startswith("#"):
            place -= 1
        new.setdefault(place, []).append(part)
    changes = []
    for place, those in new.items():
        added = []
        for part in those:
            added += [*part.definition(lines), "\n", "\n"]
        if place > 0 and lines[place - 1].strip():
            added = ["\n", "\n", *added]
        changes.append((place, place, added))
    changes += [(part.first - 1, part.last, [part.call()]) for part in unique]
    # From the last one, so that lines before it stay where they are.
    for start, end, by in sorted(changes, key=lambda change: change[:2], reverse=True):
        lines[start:end] = by
    return "".join(lines)


def lines_of(text):
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def _indented(lines, column):
    return [
        "    " + line[column:] if line[:column].strip(" ") == "" != line.strip() else line
        for line in lines
    ]


def _edited(lines, part):
    lines = list(lines)
    for number, start, end, text in sorted(part.edits, reverse=True):
        line = lines[number - 1].encode()
        lines[number - 1] = (line[:start] + text.encode() + line[end:]).decode()
    return lines


def can_move(text, statements):
    """Whether the lines of statements are theirs alone, and can be indented otherwise."""
    lines = lines_of(text)
    first, last = sources.first_line(statements[0]), statements[-1].end_lineno
    column = statements[0].col_offset
    if any(line.strip() and line[:column].strip(" ") for line in lines[first - 1 : last]):
        # Tabs, another statement on its line, or a text that begins at the line's beginning.
        return False
    return not any(_is_long_text(node) for one in statements for node in ast.walk(one))


def _is_long_text(node):
    is_text = isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )
    return is_text and node.end_lineno != node.lineno


def new_name(file, name):
    """A name that the file has not at its top level."""
    taken = {*file.functions, *file.imports, *file.classes, *file.others}
    while name in taken:
        name += "_"
    return name


def place(file, line):
    """The first line of what a line is in, at the top level of the file."""
    for top in file.tree.body:
        first = sources.first_line(top)
        if first <= line <= top.end_lineno:
            return first
    return line


def parameters(node):
    """The names of a function's parameters, in the order in which its frames have them."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += filter(None, [arguments.vararg, arguments.kwarg])
    return [argument.arg for argument in every]


class Outside:
    """What code of a method or an inner function refers to that is not its own.

    Attributes
    ----------
    attributes : dict
        Names of parameters for attributes of the object, by the attribute.
    free : list of str
        Variables of functions around.
    shared : list of str
        Its function's own variables that inner functions use which it calls.
    functions : dict
        Inner functions among such variables, by name.
    calls : list of tuple
        Calls of other methods, or of inner functions: node and scope.
    identifiers : set of str
        All names in it.
    assigned : dict
        Names of variables for attributes that are assigned to, by the attribute; with what is
        read before that, they are parameters, too.

    Raises
    ------
    NotFound
        If it needs more than that.
    """

    def __init__(self, file, scope, nodes, *, inner=False, assigns=None):
        # With `inner`, functions that are defined in the same function are outside as well. What
        # assigns to attributes is looked at none the less with `assigns`: "ignored", or "kept" in
        # variables.
        self._assigns = assigns
        self.assigned = {}
        self._writes = []
        self._new = _assigned_first(nodes, scope.receiver) if assigns == "kept" else set()
        self._has_inner = inner
        self.file = file
        self.scope = scope
        self.attributes = {}
        self.calls = []
        self.shared = []
        table = _table(file, scope)
        free = set(table.get_frees())
        if "__class__" in free:
            raise NotFound("it uses `super`")
        self.identifiers = _identifiers(table)
        self._local = set(table.get_locals())
        self.functions = self._functions_around(free, scope.around)
        if inner:
            self.functions |= self._functions_around(self._local, scope)
        self._reads = []
        self._seen = set()
        names = set()
        for node in nodes:
            self._check_texts(node)
            # Outer nodes come first.
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    names.add(inner.id)
                if id(inner) not in self._seen:
                    self._look(inner)
        self.free = [n for n in sorted(free & names) if n not in self.functions]

    @property
    def given(self):
        """Parameters, with what is passed for them."""
        receiver = self.scope.receiver
        given = {name: f"{receiver}.{a}" for a, name in self.attributes.items()}
        return given | {name: name for name in self.free}

    def add(self, part):
        """Have what a part gets that is called."""
        for attribute in part.attributes:
            self._parameter_for(attribute)
        for name in part.free:
            if name not in self._local:
                self.free += [name] if name not in self.free else []
            elif self._has_inner and part.owner.startswith(f"{self.scope.name}.<locals>."):
                self.shared += [name] if name not in self.shared else []
            else:
                raise NotFound(f"it has a variable `{name}`, as what it calls does")

    def edits(self, parts):
        """The edits of its text, given the parts that are called, by their nodes' identities."""
        found = [
            (n.lineno, n.col_offset, n.end_col_offset, self._names()[n.attr])
            for n in [*self._reads, *self._writes]
        ]
        for call, scope in self.calls:
            part, function = parts[id(scope.node)], call.func
            found.append((function.lineno, function.col_offset, function.end_col_offset, part.name))
            before = [*(self.attributes[a] for a in part.attributes), *part.free]
            if before:
                line, column = _after_parenthesis(self.file.text, call)
                comma = ", " if call.args or call.keywords else ""
                found.append((line, column, column, ", ".join(before) + comma))
        return found

    def _functions_around(self, names, around):
        """Functions among variables, which nothing but their definition assigns to."""
        found = {}
        while around is not None:
            own = [s for s in self.file.scopes if s.around is around and s.owner is None]
            for name in names - found.keys():
                scopes = [s for s in own if s.node.name == name]
                stores = [
                    n
                    for n in ast.walk(around.node)
                    if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)
                ]
                if len(scopes) == 1 and not stores:
                    found[name] = scopes[0]
            around = around.around
        return found

    def _check_texts(self, node):
        """Where the parts of formatted texts are is not known before CPython 3.12."""
        texts = [n for n in ast.walk(node) if isinstance(n, ast.JoinedStr)]
        for inner in (n for text in texts for n in ast.walk(text)):
            if isinstance(inner, ast.Name) and inner.id in (self.scope.receiver, *self.functions):
                raise NotFound(f"it formats `{inner.id}` as a text, in line {node.lineno}")

    def _look(self, node):
        receiver = self.scope.receiver
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name)) as function) if (
                receiver and name == receiver
            ):
                method = self._method(function.attr)
                if method is not None:
                    self._seen.update((id(function), id(function.value)))
                    self.calls.append((node, method))
            case ast.Call(func=ast.Name(id=name) as function) if name in self.functions:
                self._seen.add(id(function))
                self.calls.append((node, self.functions[name]))
            case ast.Attribute(value=ast.Name(id=name)) if receiver and name == receiver:
                self._seen.add(id(node.value))
                self._attribute(node)
            case ast.Name(id=name) if receiver and name == receiver:
                raise NotFound(f"it uses `{name}` as a whole, in line {node.lineno}")
            case ast.Name(id=name) if name in self.functions:
                raise NotFound(f"it uses the function `{name}` as a value, in line {node.lineno}")

    def _attribute(self, node):
        name, path = node.attr, f"{self.scope.receiver}.{node.attr}"
        is_read = isinstance(node.ctx, ast.Load)
        if not is_read and self._assigns == "ignored":
            return
        if not is_read and (self._assigns is None or isinstance(node.ctx, ast.Del)):
            what = "deletes" if isinstance(node.ctx, ast.Del) else "assigns to"
            raise NotFound(f"it {what} `{path}`, in line {node.lineno}")
        if self._method(name) is not None:
            how = (
                f"uses the method `{path}` as a value"
                if is_read
                else f"assigns to `{path}`, a method"
            )
            raise NotFound(f"it {how}, in line {node.lineno}")
        if node.lineno != node.end_lineno:
            raise NotFound(f"`{path}` is written on two lines")
        if not is_read and name not in self.assigned:
            if self._method("__setattr__") is not None:
                raise NotFound(f"it assigns to `{path}`, and its class has a `__setattr__`")
            if name not in self._new and not self._is_there(name):
                raise NotFound(f"`{path}` may not be there before line {node.lineno} assigns to it")
            self.assigned[name] = self._name_for(name)
        if name not in self._new:
            self._parameter_for(name)
        (self._reads if is_read else self._writes).append(node)

    def _is_there(self, attribute):
        """Whether objects of the class have an attribute from the beginning."""
        owner = self.scope.owner
        for statement in owner.body if owner is not None else ():
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)) if name == attribute:
                    return True
                case ast.Assign(targets=targets) if any(
                    isinstance(t, ast.Name) and t.id == attribute for t in targets
                ):
                    return True
        begin = [s for s in self.file.scopes if s.owner is owner and s.node.name == "__init__"]
        for scope in begin:
            for node in ast.walk(scope.node):
                match node:
                    case ast.Attribute(attr=name, value=ast.Name(id=of), ctx=ast.Store()) if (
                        name == attribute and of == scope.receiver
                    ):
                        return True
        return False

    def _names(self):
        return self.assigned | self.attributes

    def _parameter_for(self, attribute):
        if attribute not in self.attributes:
            self.attributes[attribute] = self._name_for(attribute)

    def _name_for(self, attribute):
        known = self._names()
        if attribute not in known:
            taken = self.identifiers | set(known.values()) | set(self.file.imports)
            taken |= {*self.file.functions, *self.file.classes, *self.file.others}
            plain = attribute.lstrip("_")
            if plain in taken or hasattr(builtins, plain):
                plain = f"{self.scope.receiver}_{plain}"
            return plain
        return known[attribute]

    def _method(self, name):
        """The method of this name in the class, if there is one."""
        found = [s for s in self.file.scopes if s.owner is self.scope.owner and s.node.name == name]
        if not found:
            return None
        if len(found) > 1 or found[0].node.decorator_list:
            if any(ast.unparse(d) == "staticmethod" for d in found[0].node.decorator_list):
                return found[0]
            raise NotFound(f"`{self.scope.receiver}.{name}` is computed by a method")
        heirs = [
            node.name
            for node in ast.walk(self.file.tree)
            if isinstance(node, ast.ClassDef)
            and any(ast.unparse(base) == self.scope.owner.name for base in node.bases)
            and any(isinstance(n, ast.FunctionDef) and n.name == name for n in node.body)
        ]
        if heirs:
            raise NotFound(f"`{self.scope.receiver}.{name}` may be that of the class `{heirs[0]}`")
        return found[0]


def _assigned_first(nodes, receiver):
    """Attributes that statements assign to before anything can read them."""
    seen, found = set(), set()
    for statement in nodes:
        own = [
            node
            for node in ast.walk(statement)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == receiver
        ]
        read = {node.attr for node in own if isinstance(node.ctx, ast.Load)}
        if isinstance(statement, ast.Assign):
            targets = [n for target in statement.targets for n in _parts_of(target)]
            found |= {n.attr for n in own if n in targets} - read - seen
        seen |= {node.attr for node in own}
    return found


def _parts_of(target):
    if isinstance(target, (ast.Tuple, ast.List)):
        return [one for element in target.elts for one in _parts_of(element)]
    return [target]


def _table(file, scope):
    """The symbols of a function."""
    waiting = [symtable.symtable(file.text, "<file>", "exec")]
    lines = (scope.node.lineno, sources.first_line(scope.node))
    while waiting:
        table = waiting.pop()
        if (
            isinstance(table, symtable.Function)
            and table.get_name() == scope.node.name
            and table.get_lineno() in lines
        ):
            return table
        waiting.extend(table.get_children())
    raise NotFound("its file has changed")


def _identifiers(table):
    found = set(table.get_identifiers())
    for child in table.get_children():
        found |= _identifiers(child)
    return found


def _after_parenthesis(text, call):
    """Where the arguments of a call begin: line and column, in bytes."""
    lines = lines_of(text)
    number, column = call.func.end_lineno, call.func.end_col_offset
    while True:
        rest = lines[number - 1].encode()[column:]
        found = rest.find(b"(")
        if found >= 0:
            return number, column + found + 1
        number, column = number + 1, 0
