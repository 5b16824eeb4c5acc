"""Generators: state machines, in values and in objects."""

import numpy as np
from ferdelance import njit


@njit
def squares(n):
    for i in range(n):
        yield i * i


@njit
def rows(a, name):
    for row in a:
        yield row, name
    yield a[0], name + "!"


# inline: i8
def loop_over_a_generator(n):
    s = 0
    for x in squares(n):
        s += x
    return s


# inline: f8[:]
def generator_expression(a):
    return sum(x * x for x in a)


# inline: f8[:]
def iterator(a):
    it = iter(a)
    first = next(it)
    for x in it:
        first += x
    return first


# lower: f8[:,:]
# count: f8[:,:]
def left_early(a):
    for row, name in rows(a, "row"):
        if row[0] > 1:
            return name
    return ""


# count: bool, i8
def one_of_two(flag, n):
    g = squares(n) if flag else squares(n + 1)
    return next(g)
