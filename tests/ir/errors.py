"""Errors as values: who drops what on the way out."""

import numpy as np
from ferdelance import njit


@njit(inline="never")
def new(n):
    return np.zeros(n)


@njit(inline="never")
def may_fail(n):
    if n < 0:
        raise ValueError(n)
    return new(n)


# lower: i8, i8
# count: i8, i8
def array_dropped_by_an_error(n, d):
    a = new(n)
    return a[0] + 1 // d


# count: i8
def raised(n):
    if n < 0:
        raise ValueError("negative")
    return n


# count: f8[::1], i8
@njit(boundscheck=True)
def checked_index(a, i):
    return a[i]


# count: i8
def caught_error_is_dropped(n):
    try:
        return may_fail(n)[0]
    except ValueError:
        return -1.0


# count: i8
def other_errors_go_on(n):
    a = new(3)
    try:
        b = may_fail(n)
    except KeyError:
        return a
    return b


# count: i8
def raised_again(n):
    try:
        return may_fail(n)[0]
    except ValueError:
        raise


# count: i8
def finally_runs_on_both_ways(n):
    a = new(2)
    try:
        may_fail(n)
    finally:
        a[0] = n
    return a
