import numpy as np


# lower: f8, f8
def a_nan_stays(a, b):
    return np.maximum(a, b)


# lower: f4, f8
def loops_hold_all_operands(a, b):
    return np.hypot(a, b)


# lower: u1, i8
def a_python_integer_has_to_fit(a, n):
    return np.add(a, int(n))


# lower: f8
def choices_are_selects(x):
    return np.heaviside(x, np.spacing(x))
