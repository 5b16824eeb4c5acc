"""Errors as values: who drops what on the way out."""

import numpy as np
from ferdelance import njit


# lower: i8, i8
# count: i8, i8
def array_dropped_by_an_error(n, d):
    a = np.zeros(n)
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


@njit(inline="never")
def may_fail(n):
    if n < 0:
        raise ValueError(n)
    return np.zeros(n)


# count: i8
def caught_error_is_dropped(n):
    try:
        return may_fail(n)[0]
    except ValueError:
        return -1.0


# count: i8
def other_errors_go_on(n):
    a = np.ones(3)
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
    a = np.zeros(2)
    try:
        may_fail(n)
    finally:
        a[0] = n
    return a
