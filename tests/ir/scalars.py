"""What arithmetic becomes."""

from math import sqrt

import numpy as np
from ferdelance import njit

SCALE = 3


# lower: i8, i8
def floor_division(a, b):
    return a // b


# lower: i8
# count: i8
def constants_fold(n):
    return n * SCALE + 2 * 3


# count: f8, f8
def hypotenuse(x, y):
    return sqrt(x * x + y * y)


# count: i8
def sum_of_squares(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


# count: f8, i8
@njit(error_model="numpy")
def division_without_errors(x, n):
    return x / n


# count: f8
def dead_branch(x):
    if SCALE == 3:
        return x
    return np.no_such_function(x)


# count: (i8, f8), i8
def tuples_come_apart(pair, n):
    a, b = pair
    return b, a + n


# count: c16, c16
def complex_product(a, b):
    return a * b


# count: i8
def maybe(n):
    if n > 0:
        return n
    return None


# speculate: f8[:], i8
@njit(fastmath=True)
def runs_ahead_of_its_check(x, n):
    s = 0.0
    for i in range(n):
        s += 1.0 / x[i]
    return s


# speculate: f8[:], f8[:]
@njit(fastmath=True)
def has_an_effect(x, out):
    for i in range(len(x)):
        out[i] = 1.0 / x[i]
