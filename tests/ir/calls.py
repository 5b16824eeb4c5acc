"""Calls: what is inlined, and what passes between functions."""

import numpy as np
from ferdelance import njit


@njit(inline="never")
def new(n):
    return np.zeros(n)


@njit
def make(n):
    return new(n)


@njit
def first(a):
    return a[0]


@njit
def same(a):
    return a


@njit(inline="never")
def kept_out(a, scale=2.0):
    return a[0] * scale


# lower: i8
# inline: i8
# count: i8
def inlined_callees(n):
    return first(make(n))


# count: f8[::1]
def inlined_identity(a):
    return same(same(a))


# count: i8
def borrowed_by_a_call(n):
    a = new(n)
    return kept_out(a) + kept_out(a, 3.0)


# count: i8
@njit
def recursion(n):
    if n == 0:
        return new(1)
    a = recursion(n - 1)
    b = recursion(n - 1)
    return a if a[0] > b[0] else b


# count: i8
def closure_with_an_array(n):
    a = new(n)

    def get(i):
        return a[i]

    return get(0) + get(1)
