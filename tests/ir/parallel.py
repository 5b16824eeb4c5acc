"""Loops that run on several threads, and the regions that are made of them."""

import numpy as np
from ferdelance import njit, prange


# parallel: f8[::1]
@njit(parallel=True)
def reduction(a):
    s = 0.0
    for i in prange(a.size):
        if a[i] > 0.5:
            s += a[i]
    return s


# parallel: f8[::1], f8[::1]
@njit(parallel=True)
def raises(a, out):
    for i in prange(1, a.size):
        if a[i] < 0:
            raise ValueError("negative")
        out[i] = a[i]


# parallel: f8[::1]
@njit(parallel=True)
def in_order(a):
    for i in prange(1, a.size):
        a[i] += a[i - 1]


# parallel: f8[::1], f8[::1]
@njit(parallel=True)
def nest(a, b):
    return a * 2.0 + np.sqrt(b)
