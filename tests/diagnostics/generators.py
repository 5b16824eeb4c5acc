"""Generators and iterators."""

from ferdelance import njit


@njit
def gen(n):
    for i in range(n):
        yield i


# error: i8
def yields_of_two_kinds(n):
    yield n
    yield "text"


# error: f8[:]
def next_of_an_array(a):
    return next(a)


# error: i8
def default_of_another_kind(n):
    return next(gen(n), "none")


# error: i8
def sent_text(n):
    def echo():
        x = 0
        while True:
            x = yield x

    g = echo()
    next(g)
    return g.send("text")


# error: i8
def kept_exception(n):
    try:
        yield n
    finally:
        yield -1


# error: i8
def shared_variable(n):
    k = n
    g = (i + k for i in range(n))
    k += 1
    return g


# error: i8
def assignment_in_an_expression(n):
    return sum((k := i) for i in range(n))
