"""A method, or an inner function, that computes: what it does becomes a function of its own.

    class Heat:                                   @njit
        def step(self, dt):                       def heat_step(u, flow, dt):
            for i in range(1, len(self.u)):           for i in range(1, len(u)):
                self.flow[i] = ... * dt     ─▶            flow[i] = ... * dt

                                                  class Heat:
                                                      def step(self, dt):
                                                          heat_step(self.u, self.flow, dt)

So an object needs not be known to the compiler, and arrays that inner functions share are not made
constants of compiled code. Attributes that a method assigns to are variables of the function, which
returns them, and are assigned to where it was called.
"""

import ast

from . import sources
from .parts import Outside, Part, can_move, new_name, parameters, place
from .sources import NotFound


def find(file, scope, active=()):
    """All that a method or an inner function does, as a part.

    Parameters
    ----------
    file : sources.File
    scope : sources.Scope
    active : tuple of sources.Scope
        Those that call it, and are being moved.

    Returns
    -------
    Part

    Raises
    ------
    sources.NotFound
        If it cannot be moved, with the reason.
    """
    node = scope.node
    if isinstance(node, ast.AsyncFunctionDef):
        raise NotFound("it is a coroutine")
    for decorator in node.decorator_list:
        if ast.unparse(decorator) != "staticmethod":
            raise NotFound(f"`{node.name}` is decorated, in line {decorator.lineno}")
    first = node.body[0]
    has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = node.body[1:] if has_text else node.body
    if not body or not can_move(file.text, body):
        raise NotFound("its lines cannot be moved as they stand")
    # What is called by others assigns to nothing of theirs.
    outside = Outside(file, scope, body, assigns=None if active else "kept")
    visitor = sources._Names(file)
    visitor.local.update(outside.free, outside.functions)
    visitor.visit_function(node)
    if visitor.foreign:
        line, what = min(visitor.foreign.items())
        raise NotFound(f"{what}, in line {line}")
    others = others_of(file, outside, (*active, scope))
    _check_assigned(outside, body, others)
    own = [name for name in parameters(node) if name != scope.receiver]
    owner = scope.owner.name if scope.owner else scope.around.node.name
    part = Part(
        name=new_name(file, f"{owner.lower()}_{node.name.strip('_')}"),
        owner=scope.name,
        lines=scope.lines,
        first=sources.first_line(body[0]),
        last=body[-1].end_lineno,
        place=place(file, node.lineno),
        column=body[0].col_offset,
        parameters=[*outside.given, *own],
        arguments=[*outside.given.values(), *own],
        callees=callees_of(file, visitor.callees),
        prefix=(body[0].lineno, body[0].lineno - 1),
        of_owner=parameters(node),
        attributes=outside.attributes,
        free=outside.free,
        whole="return" if _returns(node) else "call",
        defaults=_defaults(node),
        others=unique_parts(others),
    )
    part.edits = outside.edits({id(node): part, **others})
    if outside.assigned:
        _return_assigned(part, outside, body)
    return part


def _check_assigned(outside, body, others):
    """Raises NotFound if attributes that are assigned to cannot be returned, once all is done."""
    if not outside.assigned:
        return
    receiver = outside.scope.receiver
    for _, scope in outside.calls:
        if scope is outside.scope:
            raise NotFound(f"it assigns to attributes of `{receiver}`, and calls itself")
    for part in unique_parts(others):
        for attribute in outside.assigned:
            if attribute in part.attributes:
                path = f"{receiver}.{attribute}"
                raise NotFound(f"it assigns to `{path}`, which `{part.owner}` uses as well")
    for statement in body:
        for node in _own_nodes(statement):
            if isinstance(node, ast.Return) and node is not body[-1]:
                path = f"{receiver}.{next(iter(outside.assigned))}"
                raise NotFound(f"it assigns to `{path}`, and returns early, in line {node.lineno}")


def _return_assigned(part, outside, body):
    """Has a part return the attributes that it assigns to."""
    names = list(outside.assigned.values())
    part.assigned = [f"{outside.scope.receiver}.{attribute}" for attribute in outside.assigned]
    part.targets = list(part.assigned)
    last = body[-1]
    if not isinstance(last, ast.Return):
        part.results = names
        return
    value, more = last.value, ", ".join(names)
    if value is None:
        part.edits.append((last.end_lineno, last.end_col_offset, last.end_col_offset, f" {more}"))
        return
    part.edits.append((value.lineno, value.col_offset, value.col_offset, "("))
    part.edits.append((value.end_lineno, value.end_col_offset, value.end_col_offset, f"), {more}"))
    result = "result"
    while result in outside.identifiers:
        result += "_"
    part.targets.insert(0, result)


def others_of(file, outside, active):
    """Methods and inner functions that are called, as parts, by their nodes' identities.

    What these get, their callers must have.
    """
    others = {}
    for _, scope in outside.calls:
        if scope is active[-1] or id(scope.node) in others:
            continue
        if scope in active:
            raise NotFound(f"`{scope.node.name}` and `{active[-1].node.name}` call each other")
        try:
            part = find(file, scope, active)
        except NotFound as reason:
            raise NotFound(f"it calls `{scope.node.name}`: {reason}") from None
        outside.add(part)
        others[id(scope.node)] = part
    return others


def unique_parts(others):
    return list({part.name: part for other in others.values() for part in other.all}.values())


def callees_of(file, names):
    """Functions of the top level that are to be compiled for these. Raises NotFound."""
    callees = []
    for name in sorted(names):
        unit = file.unit_of(name)
        if unit.foreign:
            raise NotFound(unit.why_not())
        callees += [n for n in unit.to_compile if n not in callees]
    return callees


def _returns(node):
    """Whether a function returns a value, by itself."""
    nodes = (one for statement in node.body for one in _own_nodes(statement))
    return any(isinstance(one, ast.Return) and one.value is not None for one in nodes)


def _own_nodes(statement):
    """The nodes of a statement that are not those of functions in it."""
    waiting = [statement]
    while waiting:
        one = waiting.pop()
        yield one
        if not isinstance(one, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(one))


def _defaults(node):
    """Texts of defaults by parameter: others may call it without."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    given = arguments.defaults
    pairs = [*zip(plain[len(plain) - len(given) :], given, strict=True)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d]
    for argument, value in pairs:
        if not isinstance(value, (ast.Constant, ast.UnaryOp)):
            raise NotFound(f"the default of `{argument.arg}` is no constant")
    return {argument.arg: ast.unparse(value) for argument, value in pairs}
