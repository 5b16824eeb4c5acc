"""Builtins and array methods that are compositions of simpler ones.

A function here is what the builtin of its name compiles to (see the compiler's prelude module).
All of it also runs under CPython.
"""


def builtins_sum(values, *start):
    """sum(values[, start]): items from the left, as CPython adds them up."""
    if len(start) == 0:
        total = 0
    else:
        total = start[0]
    for value in values:
        total = total + value
    return total


def builtins_any(values):
    """any(values)"""
    for value in values:
        if value:
            return True
    return False


def builtins_all(values):
    """all(values)"""
    for value in values:
        if not value:
            return False
    return True


def builtins_round(number, ndigits):
    """round(number, ndigits) of an integer, half to even"""
    if ndigits >= 0:
        return number
    if ndigits < -18:
        return number * 0
    unit = 10**-ndigits
    quotient, rest = divmod(number, unit)
    if rest > unit - rest or (rest == unit - rest and quotient % 2 == 1):
        quotient += 1
    return quotient * unit


def iterator_iter(values):
    """iter(values)"""
    yield from values


def iterator_enumerate(values, start=0):
    """enumerate(values, start), as an iterator that is used more than once"""
    yield from enumerate(values, start)


def iterator_reversed(values):
    """reversed(values), likewise"""
    yield from reversed(values)


def iterator_zip(*values):
    """zip(*values), likewise"""
    yield from zip(*values)  # noqa: B905


def slice_indices(part, length):
    """slice.indices(length)"""
    if length < 0:
        raise ValueError("length should not be negative")
    step = 1 if part.step is None else part.step
    if step == 0:
        raise ValueError("slice step cannot be zero")
    low = 0 if step > 0 else -1
    high = length if step > 0 else length - 1
    if part.start is None:
        start = low if step > 0 else high
    else:
        start = part.start + length if part.start < 0 else part.start
        start = min(max(start, low), high)
    if part.stop is None:
        stop = high if step > 0 else low
    else:
        stop = part.stop + length if part.stop < 0 else part.stop
        stop = min(max(stop, low), high)
    return start, stop, step
