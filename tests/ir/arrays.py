"""Who owns arrays: where references are taken and dropped."""

import numpy as np


# lower: i8
# count: i8
def created_and_returned(n):
    return np.zeros(n)


# count: i8
def created_and_dropped(n):
    a = np.zeros(n)
    return a[0]


# count: i8
def never_used(n):
    np.zeros(n)
    return n


# count: f8[::1]
def argument_returned(a):
    return a


# count: f8[::1]
def view_of_an_argument(a):
    return a[1:]


# count: i8
def view_of_a_new_array(n):
    a = np.zeros(n)
    return a[1:]


# count: i8
def array_and_its_view(n):
    a = np.zeros(n)
    return a, a[1:]


# count: i8
def returned_twice(n):
    a = np.zeros(n)
    return a, a


# count: i8, b1
def either_of_two(n, first):
    a = np.zeros(n)
    b = np.ones(n)
    return a if first else b


# count: f8[::1], b1
def new_or_argument(a, fresh):
    if fresh:
        a = np.zeros(3)
    return a


# count: i8, i8
def replaced_in_a_loop(n, times):
    a = np.zeros(n)
    for i in range(times):
        a = np.full(n, float(i))
    return a


# count: i8, i8
def dropped_in_a_loop(n, times):
    total = 0.0
    for i in range(times):
        a = np.full(n, float(i))
        total += a[0]
    return total


# count: i8, i8
def left_by_break(n, times):
    for i in range(times):
        a = np.zeros(n)
        if a[0] == i:
            break
    else:
        return 0
    return 1
