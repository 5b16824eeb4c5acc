import numpy as np


# error: f8[:]
def bits_of_floats(a):
    return np.invert(a)


# error: f8[:], i8[:]
def out_of_a_lower_kind(a, out):
    return np.add(a, 1, out=out)


# error: f8[:]
def too_many_operands(a):
    return np.sin(a, a, a)


# error: f8[:], i8[:]
def a_mask_of_integers(a, mask):
    return np.sqrt(a, where=mask)


# error: b1[:], b1[:]
def a_difference_of_bools(a, b):
    return a - b


# error: i8
def limits_of_no_float(n):
    return np.finfo(n).eps
