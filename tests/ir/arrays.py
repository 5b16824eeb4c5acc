"""Who owns arrays: where references are taken and dropped."""

import numpy as np
from ferdelance import njit


# lower: i8
# count: i8
def created_and_returned(n):
    return np.zeros(n)


@njit(inline="never")
def new(n):
    return np.zeros(n)


# count: i8
def created_and_dropped(n):
    a = new(n)
    return a[0]


# count: i8
def never_used(n):
    new(n)
    return n


# count: f8[::1]
def argument_returned(a):
    return a


# count: f8[::1]
def view_of_an_argument(a):
    return a[1:]


# count: i8
def view_of_a_new_array(n):
    a = new(n)
    return a[1:]


# count: i8
def array_and_its_view(n):
    a = new(n)
    return a, a[1:]


# count: i8
def returned_twice(n):
    a = new(n)
    return a, a


# count: i8, b1
def either_of_two(n, first):
    a = new(n)
    b = new(n)
    return a if first else b


# count: f8[::1], b1
def new_or_argument(a, fresh):
    if fresh:
        a = new(3)
    return a


# count: i8, i8
def replaced_in_a_loop(n, times):
    a = new(n)
    for i in range(times):
        a = new(n)
    return a


# count: i8, i8
def dropped_in_a_loop(n, times):
    total = 0.0
    for i in range(times):
        a = new(n)
        total += a[0]
    return total


# count: i8, i8
def left_by_break(n, times):
    for i in range(times):
        a = new(n)
        if a[0] == i:
            break
    else:
        return 0
    return 1
