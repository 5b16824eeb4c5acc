"""Random programs in two texts: what the compiler gets, and a reference for CPython.

A program is a tree. Its nodes are templates, one for each text, so that generator, printer and
shrinker need no list of node kinds: an expression knows its type, its parts and how it is written.
The reference text differs where compiled code means something else by design: integers wrap at
64 bits (`_w`), true division of integers goes through floats, `math` is the C library's and gives
nan or inf instead of raising (`oracle.py` has these helpers).

A variable that a block assigns may be read behind it, where it has a value on some paths only.

Programs always end: loops count to small numbers or carry fuel. They may raise; then both texts
have to raise the same.
"""

import random
from dataclasses import dataclass, field

SCALARS = ("int", "float", "bool", "complex")
MATH = ("sqrt", "sin", "cos", "exp", "log", "atan", "tanh", "fabs", "log1p", "cosh")
MATH_TWO = ("atan2", "copysign", "fmod", "hypot")
# How an element becomes a Python number: in the reference, in compiled code (keeping -0.0).
WIDEN = {"int": ("int", "+ 0"), "float": ("float", "* 1.0")}
DTYPES = {"int": ("int64", "int32", "uint8"), "float": ("float64", "float32")}


@dataclass
class Expr:
    type: str
    plain: str
    reference: str
    parts: list["Expr"] = field(default_factory=list)

    def text(self, reference):
        template = self.reference if reference else self.plain
        return template.format(*(part.text(reference) for part in self.parts))


@dataclass
class Stmt:
    """`plain` (and `reference`, if it differs) with expressions in it, and the blocks below it.

    `heads` open the blocks after the first (`else:`); `lead` is a fixed first line of the first
    block (in both texts), which the shrinker cannot take away.
    """

    plain: str
    parts: list[Expr] = field(default_factory=list)
    blocks: list[list["Stmt"]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    reference: str = ""
    lead: tuple[str, str] | None = None

    def lines(self, reference):
        template = (self.reference or self.plain) if reference else self.plain
        yield from template.format(*(part.text(reference) for part in self.parts)).split("\n")
        for i, block in enumerate(self.blocks):
            if i > 0:
                if not block and self.heads[i - 1] == "else:":
                    continue
                yield self.heads[i - 1].format(*(part.text(reference) for part in self.parts))
            elif self.lead:
                yield "    " + self.lead[reference]
            body = [line for stmt in block for line in stmt.lines(reference)]
            yield from ("    " + line for line in body or ["pass"])


@dataclass
class Function:
    name: str
    params: list[tuple[str, str]]  # name, type: a scalar's, or "int64[1]" for an array
    result: tuple[str, ...]
    body: list[Stmt] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    recursive: bool = False  # its first parameter counts down to zero

    def text(self, reference):
        params = [
            f"{name}={self.defaults[name]}" if name in self.defaults else name
            for name, _ in self.params
        ]
        lines = [line for stmt in self.body for line in stmt.lines(reference)]
        head = [] if reference else ["@njit(boundscheck=True)"]
        head.append(f"def {self.name}({', '.join(params)}):")
        return "\n".join(head + ["    " + line for line in lines or ["pass"]]) + "\n"


@dataclass
class Program:
    functions: list[Function]  # the last one is called; the others are its helpers
    arguments: list[str]  # each the text of a tuple
    constants: list[str] = field(default_factory=list)  # assignments to global names

    def text(self, reference):
        constants = ["\n".join(self.constants) + "\n"] if self.constants else []
        return "\n\n".join(constants + [f.text(reference) for f in self.functions])


def assignable(name):
    """Parameters and variables, but not loop variables (i) and globals (g)."""
    return name[0] in "pv"


def is_array(type):
    return type.endswith("]")


def has_variable(expr):
    return expr.plain[0] in "abgvpi" and not expr.parts or any(map(has_variable, expr.parts))


def array_kind(type):
    """The scalar type of the elements of "int32[1]"."""
    return "float" if type.startswith("float") else "int"


class Generator:
    def __init__(self, seed, without=()):
        self.random = random.Random(seed)
        self.without = frozenset(without)
        self.scalars = [t for t in SCALARS if t not in self.without]
        # A variable that an inner function shares cannot be deleted.
        self.deletes = "unbound" not in self.without and self.chance(0.2)
        if self.deletes:
            self.without |= {"closures"}
        self.helpers = []
        self.globals = {kind: [] for kind in SCALARS}

    def program(self):
        constants = []
        for i in range(self.random.choice((0, 0, 1, 2))):
            kind = self.random.choice(self.scalars)
            self.globals[kind].append(f"g{i}")
            constants.append(f"g{i} = {self.literal(kind).plain}")
        for i in range(self.random.choice((0, 0, 1, 2))):
            self.helpers.append(self.helper(f"helper{i}"))
        params = [(f"p{i}", self.random.choice(self.scalars)) for i in range(self.below(1, 4))]
        if "arrays" not in self.without:
            for i in range(self.below(0, 2)):
                kind = self.random.choice(("int", "float"))
                dtype = self.random.choice((DTYPES[kind][0], *DTYPES[kind]))
                params.append((f"a{i}", f"{dtype}[{self.random.choice((1, 1, 2))}]"))
        result = tuple(self.random.choice(self.scalars) for _ in range(self.below(1, 3)))
        main = self.function("main", params, result, statements=self.below(3, 8))
        arguments = [self.arguments(params) for _ in range(4)]
        return Program([*self.helpers, main], arguments, constants)

    def known(self, names):
        return [name for name in names if name not in self.without]

    def below(self, low, high):
        return self.random.randint(low, high)

    def chance(self, probability):
        return self.random.random() < probability

    # Functions

    def helper(self, name):
        params = [(f"p{i}", self.random.choice(self.scalars)) for i in range(self.below(1, 3))]
        result = tuple(
            self.random.choice(self.scalars) for _ in range(self.random.choice((1, 1, 2)))
        )
        function = self.function(name, params, result, statements=self.below(1, 3))
        if "recursion" not in self.without and self.chance(0.25):
            self.make_recursive(function)
        elif self.chance(0.4):
            last, kind = params[-1]
            function.defaults[last] = self.literal(kind).plain
        return function

    def make_recursive(self, function):
        """A first parameter that counts down, and one call of itself before what it returns."""
        function.params.insert(0, ("n", "int"))
        function.recursive = True
        base = [self.literal(kind).plain for kind in function.result]
        words = ", ".join(f"{{{i}}}" for i in range(len(function.params) - 1))
        names = [self.fresh("v") for _ in base]
        call = f"{function.name}(n - 1, {words})"
        again = Stmt(
            f"{', '.join(names)} = {call}", [self.expr(k, 1) for _, k in function.params[1:]]
        )
        for name, kind in zip(names, function.result, strict=True):
            self.vars[kind].append(name)
        values = base[0] if len(base) == 1 else f"({', '.join(base)})"
        stop = Stmt("if n <= 0:", [], [[Stmt(f"return {values}")]])
        function.body[0:0] = [stop]
        function.body[-1:] = [again, self.return_statement()]

    def function(self, name, params, result, statements):
        self.vars = {kind: list(names) for kind, names in self.globals.items()}
        self.arrays = []
        self.names = self.loops = self.depth = 0
        self.current = result
        for param, kind in params:
            (self.arrays if is_array(kind) else self.vars[kind]).append(
                (param, kind) if is_array(kind) else param
            )
        body = []
        for _ in range(self.below(1, 4)):
            kind = self.random.choice(self.scalars)
            variable = self.fresh("v")
            value = self.big_literal() if kind == "int" and self.chance(0.3) else self.expr(kind, 1)
            body.append(Stmt(f"{variable} = {{0}}", [value]))
            self.vars[kind].append(variable)
        for _ in range(statements):
            body.append(self.statement())
        body.append(self.return_statement())
        return Function(name, params, result, body)

    def fresh(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def return_statement(self):
        parts = [self.expr(kind, 2) for kind in self.current]
        text = ", ".join(f"{{{i}}}" for i in range(len(parts)))
        return Stmt(f"return {text}" if len(parts) == 1 else f"return ({text})", parts)

    # Statements

    def block(self, count):
        self.depth += 1
        visible = {kind: list(names) for kind, names in self.vars.items()}
        block = [self.statement() for _ in range(count)]
        for kind, names in visible.items():
            names += [name for name in self.vars[kind] if name not in names and self.leaks(name)]
        self.vars = visible
        self.depth -= 1
        return block

    def leaks(self, name):
        """Whether a variable is read behind the block that it was assigned in."""
        return "unbound" not in self.without and name[0] in "iv" and self.chance(0.12)

    def statement(self):
        choices = [
            (6, self.assignment),
            (5, self.augmented),
            (1, self.swap),
            (1, self.unpacking),
            (1, self.chain),
        ]
        if "closures" not in self.without:
            choices.append((1, self.closure))
        if self.deletes:
            choices.append((1, self.delete))
        if self.arrays:
            choices.append((5, self.element_assignment))
        if self.depth < 3:
            choices += [(5, self.if_statement), (3, self.for_range), (2, self.while_statement)]
            choices.append((1, self.for_items))
            if any(type.endswith("[1]") for _, type in self.arrays):
                choices.append((2, self.for_array))
            if "try" not in self.without:
                choices.append((1, self.try_statement))
        if self.loops and self.depth:
            choices.append((1, self.jump))
        if self.depth:
            choices.append((1, self.leave))
        weights, makers = zip(*choices, strict=True)
        return self.random.choices(makers, weights)[0]()

    def target(self):
        """A variable to assign to, and its type."""
        kind = self.random.choice([k for k in self.scalars if self.vars[k]] or ["int"])
        if not self.vars[kind]:
            return None, kind
        names = [name for name in self.vars[kind] if assignable(name)]
        return (self.random.choice(names) if names else None), kind

    def assignment(self):
        variable, kind = self.target()
        if variable is None or (self.depth == 0 and self.chance(0.3)):
            # A new variable; inside a block it is forgotten when the block ends.
            variable = self.fresh("v")
            value = self.expr(kind, 3)
            self.vars[kind].append(variable)
            return Stmt(f"{variable} = {{0}}", [value])
        return Stmt(f"{variable} = {{0}}", [self.expr(kind, 3)])

    def augmented(self):
        variable, kind = self.target()
        if variable is None or kind == "bool":
            return self.assignment()
        if kind == "int":
            op = self.random.choice(("+", "-", "*", "&", "|", "^", "//", "%"))
            value = self.expr("int", 2)
            return Stmt(
                f"{variable} {op}= {{0}}",
                [value],
                reference=f"{variable} = _w({variable} {op} {{0}})",
            )
        op = self.random.choice(("+", "-", "*", "/"))
        return Stmt(f"{variable} {op}= {{0}}", [self.expr(kind, 2)])

    def swap(self):
        kind = self.random.choice(self.scalars)
        names = [name for name in self.vars[kind] if assignable(name)]
        if len(names) < 2:
            return self.assignment()
        a, b = self.random.sample(names, 2)
        return Stmt(f"{a}, {b} = {b}, {{0}}", [self.expr(kind, 1)])

    def chain(self):
        kind = self.random.choice(self.scalars)
        names = [self.fresh("v"), self.fresh("v")]
        value = self.expr(kind, 2)
        self.vars[kind] += names
        if self.chance(0.5):
            return Stmt(f"{names[0]} = {names[1]} = {{0}}", [value])
        return Stmt(f"{names[0]} = ({names[1]} := {{0}})", [value])

    def delete(self):
        variable, _ = self.target()
        return Stmt(f"del {variable}") if variable else self.assignment()

    def closure(self):
        """A lambda over the variables so far, and a call of it."""
        kind, result = self.random.choice(self.scalars), self.random.choice(self.scalars)
        argument, function, name = self.expr(kind, 1), self.fresh("f"), self.fresh("v")
        parameter = self.fresh("i")
        self.vars[kind].append(parameter)
        body = self.expr(result, 2)
        self.vars[kind].remove(parameter)
        self.vars[result].append(name)
        if "unbound" not in self.without and self.chance(0.3):
            # A call of what was perhaps not made.
            inner = [Stmt(f"{function} = lambda {parameter}: {{0}}", [body])]
            call = Stmt(f"{name} = {function}({{0}})", [argument])
            return Stmt("if {0}:", [self.condition(1)], [[*inner], [call]], ["if True:"])
        text = f"{function} = lambda {parameter}: {{0}}\n{name} = {function}({{1}})"
        return Stmt(text, [body, argument])

    def unpacking(self):
        pairs = [h for h in self.helpers if len(h.result) == 2]
        if pairs and self.chance(0.7):
            helper = self.random.choice(pairs)
            names = [self.fresh("v"), self.fresh("v")]
            call, parts = self.call(helper, 2)
            for name, kind in zip(names, helper.result, strict=True):
                self.vars[kind].append(name)
            return Stmt(f"{names[0]}, {names[1]} = {call}", parts)
        kinds = [self.random.choice(self.scalars) for _ in range(2)]
        parts = [self.expr(kind, 2) for kind in kinds]
        name = self.fresh("v")
        index = self.below(0, 1)
        self.vars[kinds[index]].append(name)
        return Stmt(f"t{name} = ({{0}}, {{1}})\n{name} = t{name}[{index}]", parts)

    def element_assignment(self):
        name, type = self.random.choice(self.arrays)
        kind = array_kind(type)
        indices, parts = self.index(name, type)
        place, value = len(parts), self.expr(kind, 2)
        dtype = type.partition("[")[0]
        wrap = {"int32": "_w32", "uint8": "_w8"}.get(dtype, "" if kind == "float" else "_w")
        if self.chance(0.4) and dtype in ("int64", "float64"):
            op = self.random.choice(("+", "-", "*"))
            convert = "int" if kind == "int" else "float"
            return Stmt(
                f"{name}[{indices}] {op}= {{{place}}}",
                [*parts, value],
                reference=f"_aug({name}, ({indices},), lambda old: "
                f"{wrap}({convert}(old) {op} {{{place}}}))",
            )
        return Stmt(
            f"{name}[{indices}] = {{{place}}}",
            [*parts, value],
            reference=f"{name}[{indices}] = {wrap}({{{place}}})",
        )

    def if_statement(self):
        condition = self.condition()
        then = self.block(self.below(1, 3))
        other = self.block(self.below(1, 2)) if self.chance(0.5) else []
        if self.chance(0.25):
            parts = [condition, self.condition(1)]
            return Stmt("if {0}:", parts, [then, self.block(1), other], ["elif {1}:", "else:"])
        return Stmt("if {0}:", [condition], [then, other], ["else:"])

    def condition(self, depth=2):
        if self.chance(0.15):
            return self.expr(self.random.choice(("int", "float")), depth - 1)  # its truth value
        return self.expr("bool", depth)

    def loop(self, head, parts, variable=None, lead=None, kind="int"):
        self.loops += 1
        visible = list(self.vars[kind])
        if variable:
            self.vars[kind].append(variable)
        body = self.block(self.below(1, 3))
        if variable and self.leaks(variable):
            visible.append(variable)
        self.vars[kind] = visible
        self.loops -= 1
        other = self.block(1) if self.chance(0.15) else []
        return Stmt(head, parts, [body, other], ["else:"], lead=lead)

    def for_range(self):
        variable = self.fresh("i")
        form = self.below(0, 3)
        if form == 0:
            return self.loop(f"for {variable} in range({self.below(0, 6)}):", [], variable)
        if form == 1:
            parts = [self.expr("int", 1)]
            return self.loop(f"for {variable} in range({{0}} & 7):", parts, variable)
        if form == 2:
            start, stop = self.below(-3, 3), self.below(-3, 6)
            step = self.random.choice((-2, -1, 1, 2, 3))
            head = f"for {variable} in range({start}, {stop}, {step}):"
            return self.loop(head, [], variable)
        parts = [self.expr("int", 1), self.expr("int", 1)]
        head = f"for {variable} in range({{0}} % 5, {{1}} % 7):"
        return self.loop(head, parts, variable)

    def while_statement(self):
        fuel = self.fresh("i")
        head = f"{fuel} = {self.below(1, 6)}\nwhile {fuel} > 0 and {{0}}:"
        return self.loop(head, [self.condition()], None, (f"{fuel} -= 1",) * 2)

    def for_items(self):
        """Over a tuple, or a range backwards."""
        variable = self.fresh("i")
        if self.chance(0.3) and "reversed" not in self.without:
            parts = [self.expr("int", 1)]
            return self.loop(f"for {variable} in reversed(range({{0}} & 7)):", parts, variable)
        kind = self.random.choice(self.scalars)
        parts = [self.expr(kind, 1) for _ in range(self.below(1, 3))]
        words = "".join(f"{{{i}}}, " for i in range(len(parts)))
        return self.loop(f"for {variable} in ({words}):", parts, variable, kind=kind)

    def for_array(self):
        flat = [a for a in self.arrays if a[1].endswith("[1]")]
        name, type = self.random.choice(flat)
        kind = array_kind(type)
        variable, element, other = self.fresh("i"), self.fresh("i"), self.fresh("i")
        convert, widen = WIDEN[kind]
        lead = (f"{variable} = {element} {widen}", f"{variable} = {convert}({element})")
        form = self.below(0, 2)
        if form == 0:
            head = f"for {element} in {name}:"
        elif form == 1:
            head = f"for {other}, {element} in enumerate({name}):"
        else:
            head = f"for {element}, {other} in zip({name}, {self.random.choice(flat)[0]}):"
        return self.loop(head, [], variable, lead, kind)

    def try_statement(self):
        body = self.block(self.below(1, 2))
        handler = self.block(1)
        catch = self.random.choice(("except:", "except Exception:"))
        if self.chance(0.3):
            return Stmt("try:", [], [body, handler, self.block(1)], [catch, "else:"])
        if self.chance(0.3):
            last = [self.assignment()]
            return Stmt("try:", [], [body, handler, last], [catch, "finally:"])
        return Stmt("try:", [], [body, handler], [catch])

    def jump(self):
        word = self.random.choice(("break", "continue"))
        return Stmt("if {0}:", [self.condition(1)], [[Stmt(word)]])

    def leave(self):
        if self.chance(0.4):
            error = self.random.choice(("ValueError", "TypeError", "IndexError", "RuntimeError"))
            inner = Stmt(f"raise {error}('{self.below(0, 9)}')")
        else:
            inner = self.return_statement()
        return Stmt("if {0}:", [self.condition(1)], [[inner]])

    # Expressions

    def expr(self, kind, depth):
        if depth <= 0 or self.chance(0.15):
            return self.leaf(kind)
        return getattr(self, f"{kind}_expr")(depth - 1)

    def leaf(self, kind):
        if self.vars[kind] and self.chance(0.75):
            name = self.random.choice(self.vars[kind])
            return Expr(kind, name, name)
        return self.literal(kind)

    def literal(self, kind):
        pick = self.random.choice
        if kind == "int":
            value = self.below(-9, 9) if self.chance(0.85) else pick((255, -256, 1000, 65536))
            text = str(value) if value >= 0 else f"({value})"
        elif kind == "float":
            value = pick((0.0, 0.5, 1.0, 2.0, 3.25, 1e10, 1e-3, 1e300, 5e-324, 0.1))
            text = repr(value) if self.chance(0.7) else f"(-{value!r})"
        elif kind == "bool":
            text = pick(("True", "False"))
        else:
            text = f"{pick((0.0, 0.5, 1.0, 3.0))}j"
        return Expr(kind, text, text)

    def big_literal(self):
        """Only assigned to variables: what is beyond 64 bits in an expression of literals alone is
        CPython's constant folding, not arithmetic."""
        value = self.random.choice((2**31, 2**32 + 1, 2**53 + 1, 2**62, 2**63 - 1, -(2**63) + 1))
        return Expr("int", str(value), str(value))

    def make(self, kind, plain, parts, reference=None):
        if kind == "int" and reference and not any(map(has_variable, parts)):
            return self.leaf("int")  # see big_literal
        return Expr(kind, plain, plain if reference is None else reference, parts)

    def shared(self, kind, depth):
        """Forms that every type has, or None."""
        form = self.random.random()
        if form < 0.08:
            parts = [self.condition(depth), self.expr(kind, depth), self.expr(kind, depth)]
            return self.make(kind, "({1} if {0} else {2})", parts)
        if form < 0.12:
            parts = [self.expr(kind, depth) for _ in range(3)]
            if self.chance(0.5):
                return self.make(kind, f"({{0}}, {{1}}, {{2}})[{self.below(0, 2)}]", parts)
            parts.append(self.expr("int", depth))
            return self.make(kind, "({0}, {1}, {2})[{3} % 3]", parts)
        if form < 0.25:
            fitting = [h for h in self.helpers if h.result == (kind,)]
            if fitting:
                call, parts = self.call(self.random.choice(fitting), depth)
                return self.make(kind, call, parts)
        return None

    def call(self, helper, depth):
        """The template of a call and its parts: positions, keywords, defaults."""
        params = list(helper.params)
        if helper.defaults and self.chance(0.4):
            params = [p for p in params if p[0] not in helper.defaults]
        parts = [self.expr(kind, depth - 1) for _, kind in params]
        words = [f"{{{i}}}" for i in range(len(parts))]
        if helper.recursive:
            words[0] = "{0} & 7"
        if self.chance(0.3):
            first = self.below(0, len(words))
            words[first:] = [f"{params[i][0]}={words[i]}" for i in range(first, len(words))]
        return f"{helper.name}({', '.join(words)})", parts

    def index(self, name, type):
        """Template and parts of an index: mostly inside, sometimes negative or out of bounds."""
        parts, words = [], []
        for axis in range(int(type[-2])):
            part = self.expr("int", 1)
            inside = f"{{{axis}}} % {name}.shape[{axis}]"
            words.append(inside if self.chance(0.93) else f"{{{axis}}}")
            parts.append(part)
        return ", ".join(words), parts

    def element(self, kind):
        """An array's element, or None when there is no such array."""
        fitting = [a for a in self.arrays if array_kind(a[1]) == kind]
        if not fitting:
            return None
        name, type = self.random.choice(fitting)
        index, parts = self.index(name, type)
        convert, widen = WIDEN[kind]
        wide = type.startswith(("int64", "float64"))
        plain = f"{name}[{index}]" if wide else f"({name}[{index}] {widen})"
        return self.make(kind, plain, parts, f"{convert}({name}[{index}])")

    def int_expr(self, depth):
        found = self.shared("int", depth)
        if found:
            return found

        def sub(kind="int"):
            return self.expr(kind, depth)

        form = self.below(0, 15)
        if form <= 3:
            op = self.random.choice(("+", "-", "*"))
            return self.make("int", f"({{0}} {op} {{1}})", [sub(), sub()], f"_w({{0}} {op} {{1}})")
        if form == 4:
            op = self.random.choice(("&", "|", "^"))
            return self.make("int", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form == 5:
            op = self.random.choice(("//", "%"))
            divisor = "{1}" if self.chance(0.25) else "({1} | 1)"
            text = f"({{0}} {op} {divisor})"
            return self.make("int", text, [sub(), sub()], f"_w{text}")
        if form == 6:
            op = self.random.choice(("<<", ">>"))
            text = f"({{0}} {op} ({{1}} & {self.random.choice((7, 63))}))"
            return self.make("int", text, [sub(), sub()], f"_w{text}")
        if form == 7:
            text = self.random.choice(("(-{0})", "(~{0})", "abs({0})"))
            return self.make("int", text, [sub()], f"_w({text})")
        if form == 8:
            text = self.random.choice(("min({0}, {1})", "max({0}, {1})", "max({0}, {1}, 3)"))
            return self.make("int", text, [sub(), sub()])
        if form == 9 and "bool" in self.scalars:
            if self.chance(0.5):
                return self.make("int", "int({0})", [sub("bool")])
            return self.make("int", "({0} + {1})", [sub("bool"), sub()], "_w({0} + {1})")
        if form == 10:
            power = self.below(0, 4)
            return self.make("int", f"({{0}} ** {power})", [sub()], f"_w({{0}} ** {power})")
        if form == 11 and self.vars["float"]:
            name = self.random.choice(self.vars["float"])
            call = self.random.choice(("int", "math.floor", "math.ceil", "round"))
            return self.make("int", f"({call}({name}) if -1e15 < {name} < 1e15 else 0)", [])
        if form == 12:
            part = self.below(0, 1)
            text = f"divmod({{0}}, {{1}} | 1)[{part}]"
            return self.make("int", text, [sub(), sub()], f"_w({text})")
        if form == 13:
            op = self.random.choice(("and", "or"))
            return self.make("int", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form == 14 and self.arrays:
            name, _ = self.random.choice(self.arrays)
            return self.make("int", self.random.choice((f"len({name})", f"{name}.size")), [])
        return self.element("int") or self.leaf("int")

    def float_expr(self, depth):
        found = self.shared("float", depth)
        if found:
            return found

        def sub(kind="float"):
            return self.expr(kind, depth)

        form = self.below(0, 13)
        if form <= 3:
            op = self.random.choice(("+", "-", "*"))
            return self.make("float", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form == 4:
            op = self.random.choice(("/", "//", "%"))
            divisor = "{1}" if self.chance(0.3) else "(abs({1}) + 0.5)"
            return self.make("float", f"({{0}} {op} {divisor})", [sub(), sub()])
        if form == 5:
            return self.make("float", "({0} / {1})", [sub("int"), sub("int")], "_div({0}, {1})")
        if form == 6:
            op = self.random.choice(("+", "-", "*"))
            parts = [sub("int"), sub()] if self.chance(0.5) else [sub(), sub("int")]
            return self.make("float", f"({{0}} {op} {{1}})", parts)
        if form == 7:
            return self.make("float", self.random.choice(("(-{0})", "abs({0})")), [sub()])
        if form == 8:
            return self.make("float", "float({0})", [sub("int")])
        if form == 9:
            text = self.random.choice(("min({0}, {1})", "max({0}, {1})"))
            return self.make("float", text, [sub(), sub()])
        if form == 10:
            name = self.random.choice(self.known(MATH))
            return self.make("float", f"math.{name}({{0}})", [sub()], f"_{name}({{0}})")
        if form == 11:
            name = self.random.choice(self.known(MATH_TWO))
            # The sign of a nan is nobody's promise: it must not decide anything.
            second = "signed if (signed := {1}) == signed else 1.0" if name == "copysign" else "{1}"
            words = f"{name}({{0}}, {second})"
            return self.make("float", f"math.{words}", [sub(), sub()], f"_{words}")
        if form == 12 and "complex" in self.scalars:
            if self.chance(0.3):
                return self.make("float", "abs({0})", [sub("complex")], "_abs({0})")
            text = self.random.choice(("({0}).real", "({0}).imag"))
            return self.make("float", text, [sub("complex")])
        return self.element("float") or self.leaf("float")

    def bool_expr(self, depth):
        found = self.shared("bool", depth)
        if found:
            return found

        def sub(kind="bool"):
            return self.expr(kind, depth)

        order = ("<", "<=", ">", ">=", "==", "!=")
        kind = self.random.choice(("int", "float"))
        form = self.below(0, 11)
        if form == 10:
            parts = [sub(kind) for _ in range(4)]
            new = "_new({0}) in (_new({1}), _new({2}), _new({3}))"
            return self.make("bool", "({0} in ({1}, {2}, {3}))", parts, f"({new})")
        if form == 11:
            op = self.random.choice(("&", "|", "^", "==", "!="))
            return self.make("bool", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form <= 3:
            op = self.random.choice(order)
            return self.make("bool", f"({{0}} {op} {{1}})", [sub(kind), sub(kind)])
        if form == 4:
            one, two = self.random.choice(order), self.random.choice(order)
            parts = [sub(kind), sub(kind), sub(kind)]
            return self.make("bool", f"({{0}} {one} {{1}} {two} {{2}})", parts)
        if form == 5:
            return self.make("bool", "(not {0})", [sub(self.random.choice(("bool", kind)))])
        if form == 6:
            op = self.random.choice(("and", "or"))
            return self.make("bool", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form == 7:
            test = self.random.choice(("math.isnan({0})", "math.isinf({0})", "bool({0})"))
            return self.make("bool", test, [sub("float")])
        if form == 8:
            op = self.random.choice(order)
            parts = [sub(kind) for _ in range(4)]
            new = f"((_new({{0}}), _new({{1}})) {op} (_new({{2}}), _new({{3}})))"
            return self.make("bool", f"(({{0}}, {{1}}) {op} ({{2}}, {{3}}))", parts, new)
        if "complex" in self.scalars:
            op = self.random.choice(("==", "!="))
            return self.make("bool", f"({{0}} {op} {{1}})", [sub("complex"), sub("complex")])
        return self.leaf("bool")

    def complex_expr(self, depth):
        found = self.shared("complex", depth)
        if found:
            return found

        def sub(kind="complex"):
            return self.expr(kind, depth)

        form = self.below(0, 6)
        if form <= 2:
            op = self.random.choice(("+", "-", "*", "/"))
            return self.make("complex", f"({{0}} {op} {{1}})", [sub(), sub()])
        if form == 3:
            op = self.random.choice(("+", "-", "*"))
            return self.make("complex", f"({{0}} {op} {{1}})", [sub(), sub("float")])
        if form == 4:
            return self.make("complex", "complex({0}, {1})", [sub("float"), sub("float")])
        if form == 5:
            text = self.random.choice(("(-{0})", "({0}).conjugate()"))
            return self.make("complex", text, [sub()])
        return self.leaf("complex")

    # Arguments

    def arguments(self, params):
        values = [self.array(t) if is_array(t) else self.argument(t) for _, t in params]
        return f"({', '.join(values)},)"

    def argument(self, kind):
        pick = self.random.choice
        if kind == "int":
            extremes = (2**63 - 1, -(2**63), 2**31, -1, 0, 1)
            return str(self.below(-20, 20) if self.chance(0.7) else pick(extremes))
        if kind == "float":
            extremes = ("0.0", "-0.0", "inf", "-inf", "nan", "1e308", "5e-324")
            return repr(self.random.uniform(-9, 9)) if self.chance(0.7) else pick(extremes)
        if kind == "bool":
            return pick(("True", "False"))
        return f"complex({self.argument('float')}, {self.argument('float')})"

    def array(self, type):
        dtype, axes = type.partition("[")[0], int(type[-2])
        shape = [self.below(1, 5) for _ in range(axes)]
        count = 1
        for extent in shape:
            count *= extent
        if dtype == "uint8":
            items = [str(self.below(0, 255)) for _ in range(count)]
        elif dtype == "int32":
            items = [str(self.below(-(2**31), 2**31 - 1)) for _ in range(count)]
        else:
            items = [self.argument(array_kind(type)) for _ in range(count)]
        reshape = f".reshape({', '.join(map(str, shape))})" if axes > 1 else ""
        return f"np.array([{', '.join(items)}], np.{dtype}){reshape}"
