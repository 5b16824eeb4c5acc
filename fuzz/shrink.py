"""Makes a failing program small: takes parts away for as long as it still fails in the same way."""

import copy

from generate import Expr, is_array

SMALLEST = {
    "int": ("0", "1"),
    "float": ("0.0", "1.0"),
    "bool": ("False", "True"),
    "complex": ("0j",),
}


def shrink(program, still_fails, attempts=1500):
    """The smallest program found; `still_fails` judges candidates, at most `attempts` of them."""
    left = attempts
    progress = True
    while progress:
        progress = False
        for candidate in candidates(program):
            if left == 0:
                return program
            left -= 1
            if still_fails(candidate):
                program = candidate
                progress = True
                break
    return program


def candidates(program):
    """Programs with one thing less, the boldest cuts first."""
    for i in range(len(program.arguments)):
        if len(program.arguments) > 1:
            yield edited(
                program, lambda p, i=i: p.arguments.__setitem__(slice(None), [p.arguments[i]])
            )
    for i in range(len(program.functions) - 1):
        yield edited(program, lambda p, i=i: p.functions.pop(i))
    for i, line in enumerate(program.constants):
        if not any(line.split()[0] in text for text in texts(program)):
            yield edited(program, lambda p, i=i: p.constants.pop(i))
    for at, block in enumerate(blocks(program)):
        size = len(block)
        if any(block is function.body for function in program.functions):
            size -= 1  # the return at the end decides the type of the function
        width = size
        while width:
            for start in range(0, size, width):

                def cut(p, at=at, start=start, width=width, size=size):
                    del nth(blocks(p), at)[start : min(start + width, size)]

                yield edited(program, cut)
            width //= 2
    for at, (block, i) in enumerate(places(program)):
        for b in range(len(block[i].blocks)):

            def unwrap(p, at=at, b=b):
                block, i = nth(places(p), at)
                block[i : i + 1] = block[i].blocks[b]

            yield edited(program, unwrap)
    for at, (parts, i) in enumerate(expressions(program)):
        for replacement in simpler(parts[i]):

            def replace(p, at=at, replacement=replacement):
                parts, i = nth(expressions(p), at)
                parts[i] = copy.deepcopy(replacement)

            yield edited(program, replace)
    for i, (name, kind) in enumerate(program.functions[-1].params):
        if is_array(kind) or name in program.functions[-1].defaults:
            continue
        # A scalar parameter becomes a constant: only its name is left to look for.
        if not any(name in text for text in texts(program)):
            yield edited(program, lambda p, i=i: drop_parameter(p, i))


def edited(program, change):
    candidate = copy.deepcopy(program)
    change(candidate)
    return candidate


def simpler(expr):
    """Constants and the parts of the same type."""
    constants = [t for t in SMALLEST[expr.type] if t != expr.plain]
    if not expr.parts and expr.plain in SMALLEST[expr.type]:
        constants = []
    yield from (Expr(expr.type, text, text) for text in constants)
    yield from descendants(expr, expr.type)


def descendants(expr, kind):
    for part in expr.parts:
        if part.type == kind:
            yield part
        yield from descendants(part, kind)


def blocks(program):
    """All lists of statements, outer ones first."""

    def inside(block):
        yield block
        for stmt in block:
            for inner in stmt.blocks:
                yield from inside(inner)

    for function in reversed(program.functions):
        yield from inside(function.body)


def places(program):
    """Every statement with blocks, as its list and its position."""
    for block in blocks(program):
        for i, stmt in enumerate(block):
            if stmt.blocks:
                yield block, i


def expressions(program):
    """Every expression, as the list it is in and its position, outer ones first."""

    def inside(parts):
        for i, part in enumerate(parts):
            yield parts, i
            yield from inside(part.parts)

    for block in blocks(program):
        for stmt in block:
            yield from inside(stmt.parts)


def texts(program):
    for block in blocks(program):
        for stmt in block:
            yield stmt.plain
    for parts, i in expressions(program):
        yield parts[i].plain


def drop_parameter(program, i):
    main = program.functions[-1]
    del main.params[i]
    program.arguments = [without_item(text, i) for text in program.arguments]


def without_item(text, i):
    """The text of a tuple without its item `i`."""
    import ast

    tuple_ = ast.parse(text, mode="eval").body
    del tuple_.elts[i]
    return ast.unparse(tuple_)


def nth(items, n):
    for i, item in enumerate(items):
        if i == n:
            return item
    raise IndexError(n)
