"""Calls and recursion."""

import math

from ferdelance import njit


@njit
def callee(a, b=1):
    return a + b


@njit
def fails_inside(x):
    return x.real_part


# error: i8
def too_many_arguments(n):
    return callee(n, 2, 3)


# error: i8
def unknown_keyword(n):
    return callee(n, c=3)


# error: i8
def missing_argument(n):
    return callee(b=n)


# error: i8
def error_in_a_callee(n):
    return fails_inside(n)


# error: str
def arguments_of_a_builtin(text):
    return math.sin(text)


# error: i8
@njit
def never_returns(n):
    return never_returns(n + 1)


# error: i8
@njit
def ever_new_types(x):
    return ever_new_types((x, x))


# error: i8
def raises_a_number(n):
    raise n


# error: i8
def catches_a_number(n):
    try:
        return 1 // n
    except n:
        return 0


def plain(n):
    return n


# error: i8
def calls_a_plain_function(n):
    return plain(n)
