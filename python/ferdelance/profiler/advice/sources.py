"""A function and all that it calls, taken from the texts of files: what a trial compiles and runs.

A trial runs code of the user's by itself, out of its program. So only functions that compute are
let in: that refer to nothing but their parameters, constants, functions of the same kind, and
modules of which everything computes. What else there is to a function is named, as *foreign*.
"""

import ast
import builtins
import dataclasses
import functools

#: Modules whose functions compute; other names of them are foreign.
MODULES = ("numpy", "math", "cmath", "ferdelance", "numba")
#: Decorators that compile.
COMPILERS = frozenset(["ferdelance.njit", "ferdelance.jit", "numba.njit", "numba.jit"])
#: Functions of NumPy, and methods of arrays, that read and write files, or run other code.
FILES = frozenset(
    """
    save savez savez_compressed savetxt load loadtxt genfromtxt fromfile memmap fromregex tofile
    dump dumps DataSource open_memmap test ctypeslib f2py distutils vectorize frompyfunc
    apply_along_axis apply_over_axes fromfunction piecewise
    """.split()
)
#: Functions of NumPy that loops over elements need, too.
MAKERS = frozenset(
    """
    array arange empty empty_like eye full full_like linspace ones ones_like zeros zeros_like
    float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128 bool_
    """.split()
)
#: Builtins that compute.
BUILTINS = frozenset(
    """
    abs all any bool bytes chr complex dict divmod enumerate filter float frozenset hash int
    isinstance iter len list map max min next ord pow range reversed round set slice sorted str sum
    tuple type zip True False None ArithmeticError AssertionError Exception IndexError KeyError
    OverflowError RuntimeError StopIteration TypeError ValueError ZeroDivisionError
    """.split()
)


class NotFound(Exception):
    """The text of a function is not there, or not what it was."""


@dataclasses.dataclass
class Unit:
    """A function with the functions that it calls.

    Attributes
    ----------
    name : str
    functions : list of ast.FunctionDef
        It, and those that it calls, each after those that it calls itself as far as that goes.
    imports : list of str
        Statements.
    ready : set of str
        Those of the functions that are compiled as they stand.
    constants : set of str
        Global names of the module whose values are needed.
    foreign : dict
        What a trial may not do, in words, by line.
    is_random : bool
        Whether it draws random numbers.
    has_array_operations : bool
        Whether it calls functions of NumPy that take arrays.
    """

    name: str
    functions: list = dataclasses.field(default_factory=list)
    imports: list = dataclasses.field(default_factory=list)
    ready: set = dataclasses.field(default_factory=set)
    constants: set = dataclasses.field(default_factory=set)
    foreign: dict = dataclasses.field(default_factory=dict)
    is_random: bool = False
    has_array_operations: bool = False

    @property
    def names(self):
        return [f.name for f in self.functions]

    @property
    def to_compile(self):
        return [name for name in self.names if name not in self.ready]

    def why_not(self):
        """Why it is not tried; empty if it may be."""
        if not self.foreign:
            return ""
        line, what = min(self.foreign.items())
        return f"{what}, in line {line}"


@dataclasses.dataclass
class Scope:
    """A function of a file, wherever it is defined.

    Attributes
    ----------
    node : ast.FunctionDef
    name : str
        As ``__qualname__`` has it.
    owner : ast.ClassDef or None
        The class that it is a method of.
    around : Scope or None
        The function that it, or its class, is defined in.
    """

    node: ast.FunctionDef
    name: str
    owner: ast.ClassDef | None
    around: object

    @property
    def lines(self):
        """The lines in which it begins: with its decorators, and without."""
        return first_line(self.node), self.node.lineno

    @property
    def receiver(self):
        """The name of the parameter that is the object of a method; empty if there is none."""
        arguments = [*self.node.args.posonlyargs, *self.node.args.args]
        is_static = any(ast.unparse(d) == "staticmethod" for d in self.node.decorator_list)
        return arguments[0].arg if self.owner and arguments and not is_static else ""


class File:
    """The text of a file."""

    def __init__(self, text):
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise NotFound(f"its file cannot be read: {error}") from None
        self.text = text
        self.functions = {}
        self.classes = set()
        self.imports = {}
        self.others = set()
        for statement in self.tree.body:
            self._take(statement)

    def _take(self, statement):
        match statement:
            case ast.FunctionDef():
                self.functions[statement.name] = statement
            case ast.AsyncFunctionDef() | ast.ClassDef():
                self.classes.add(statement.name)
            case ast.Import():
                for alias in statement.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imports[name] = (alias.name, ast.unparse(ast.Import([alias])))
            case ast.ImportFrom():
                for alias in statement.names:
                    path = f"{statement.module or '.'}.{alias.name}"
                    one = ast.ImportFrom(statement.module, [alias], statement.level)
                    self.imports[alias.asname or alias.name] = (path, ast.unparse(one))
            case ast.If() | ast.Try() | ast.With():
                for inner in ast.iter_child_nodes(statement):
                    if isinstance(inner, ast.stmt):
                        self._take(inner)
            case _:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        self.others.add(node.id)

    @functools.cached_property
    def scopes(self):
        """All its functions, outer ones first."""
        found = []

        def look(nodes, prefix, owner, around):
            for node in nodes:
                match node:
                    case ast.FunctionDef() | ast.AsyncFunctionDef():
                        scope = Scope(node, prefix + node.name, owner, around)
                        found.append(scope)
                        look(node.body, f"{scope.name}.<locals>.", None, scope)
                    case ast.ClassDef():
                        look(node.body, f"{prefix}{node.name}.", node, around)
                    case _:
                        look(ast.iter_child_nodes(node), prefix, owner, around)

        look(self.tree.body, "", None, None)
        return found

    def scope(self, name, line):
        """The function whose definition, or first decorator, is at a line.

        Its name may lack what it is defined in: before CPython 3.11, code does not know that.

        Raises
        ------
        NotFound
            If there is no such function.
        """
        name = name.rpartition(".")[2]
        if name.startswith("<"):
            raise NotFound("it is no function that is defined by `def`")
        for scope in self.scopes:
            if scope.node.name == name and line in scope.lines:
                return scope
        raise NotFound("its file has changed, or it is defined by code that makes code")

    def is_compiled(self, node):
        """Whether a function's decorator compiles it."""
        (decorator,) = node.decorator_list if len(node.decorator_list) == 1 else (None,)
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        root, _, rest = ((call is not None and _path(call)) or "").partition(".")
        path = self.imports.get(root, ("",))[0]
        return f"{path}.{rest}".strip(".") in COMPILERS

    def unit_of(self, name):
        """A function of the top level, and what it calls."""
        unit = Unit(name)
        self._add(unit, name, set())
        return unit

    def _add(self, unit, name, active):
        node = self.functions[name]
        active.add(name)
        visitor = _Names(self)
        visitor.visit_function(node)
        if self.is_compiled(node):
            unit.ready.add(name)
            for decorator in node.decorator_list:
                visitor.visit(decorator)
        else:
            for decorator in node.decorator_list:
                unit.foreign[decorator.lineno] = f"`{name}` is decorated"
        unit.is_random |= visitor.is_random
        unit.has_array_operations |= visitor.has_array_operations
        unit.foreign.update(visitor.foreign)
        for path in sorted(visitor.used_imports):
            statement = self.imports[path][1]
            if statement not in unit.imports:
                unit.imports.append(statement)
        unit.constants |= visitor.constants
        for callee in sorted(visitor.callees):
            if callee not in active and callee not in unit.names:
                self._add(unit, callee, active)
        if node not in unit.functions:
            unit.functions.append(node)


def first_line(node):
    """The line in which a definition begins, with its decorators."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


class _Names(ast.NodeVisitor):
    """What a function's names refer to."""

    def __init__(self, file):
        self.file = file
        self.local = set()
        self.used_imports = set()
        self.callees = set()
        self.constants = set()
        self.foreign = {}
        self.is_random = False
        self.has_array_operations = False

    def visit_function(self, node):
        arguments = node.args
        for argument in [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *filter(None, [arguments.vararg, arguments.kwarg]),
        ]:
            self.local.add(argument.arg)
        for inner in ast.walk(node):
            match inner:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    self.local.add(name)
                case ast.FunctionDef(name=name) if inner is not node:
                    self.local.add(name)
                    self.local.update(a.arg for a in inner.args.args)
                case ast.Lambda(args=args):
                    self.local.update(a.arg for a in args.args)
                case ast.ExceptHandler(name=str() as name):
                    self.local.add(name)
        for inner in ast.walk(node):
            match inner:
                case ast.Global(names=names) | ast.Nonlocal(names=names):
                    self.note(inner, f"it assigns to `{names[0]}`, which is not its own")
                case ast.Yield() | ast.YieldFrom() | ast.Await():
                    self.note(inner, "it is a generator")
                case ast.Import() | ast.ImportFrom():
                    self.note(inner, "it imports")
        for part in [*arguments.defaults, *filter(None, arguments.kw_defaults), *node.body]:
            self.visit(part)

    def note(self, node, what):
        self.foreign.setdefault(node.lineno, what)

    def visit_Call(self, node):
        root, _, name = (_path(node.func) or "").partition(".")
        module = self.file.imports.get(root, ("",))[0]
        if module == "numpy" and name and name not in MAKERS and root not in self.local:
            self.has_array_operations = True
        self.generic_visit(node)

    def visit_Attribute(self, node):
        path = _path(node)
        if node.attr in FILES:
            self.note(node, f"it uses `{path or node.attr}`")
        if path and path.partition(".")[0] not in self.local and ".random." in f"{path}.":
            self.is_random = True
        self.generic_visit(node)

    def visit_Name(self, node):
        name = node.id
        if isinstance(node.ctx, ast.Load) and name not in self.local:
            self.refer(node, name)

    def refer(self, node, name):
        file = self.file
        if name in file.functions:
            self.callees.add(name)
        elif name in file.imports:
            path = file.imports[name][0]
            if path.partition(".")[0] in MODULES and path.rpartition(".")[2] not in FILES:
                self.used_imports.add(name)
                self.is_random |= ".random" in path
            else:
                self.note(node, f"it uses `{name}`, of {path.rpartition('.')[0] or path}")
        elif name in file.classes:
            self.note(node, f"it uses the class `{name}`")
        elif name in file.others:
            self.constants.add(name)
        elif name in BUILTINS:
            pass
        elif hasattr(builtins, name):
            self.note(node, f"it calls `{name}`")
        else:
            self.note(node, f"`{name}` is not known")


def operations(unit, name):
    """How many operations the longest expression of a unit's function has; at least one."""
    found = [1]
    for node in unit.functions:
        statements = ast.walk(node) if node.name == name else ()
        for statement in statements:
            if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr)):
                parts = list(ast.walk(statement))
                found.append(sum(isinstance(p, (ast.BinOp, ast.UnaryOp)) for p in parts))
    return max(found)


def _path(node):
    """`np.random.rand` of the nodes that stand for it; None if it begins with something else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])
