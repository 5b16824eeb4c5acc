"""Operations on whole arrays: as lowered, and what fusion makes of them."""

import numpy as np


# simplify: f8[::1], f8[::1]
# fuse: f8[::1], f8[::1]
def chain(a, b):
    return a * b + 1.0


# fuse: f8[::1]
def through_views(a):
    t = a + 1.0
    return t[1:] * t[:-1]


# fuse: f8[::1], f8[::1]
def stored_with_a_guard(a, b):
    a[:] = b * 2.0


# fuse: f8[::1]
def stored_where_it_was_read(a):
    a += a * 2.0


# fuse: f8[::1]
def stored_beside_where_it_was_read(a):
    a[1:] = a[:-1]


# fuse: f8[:, ::1]
def sum_of_squares_by_row(a):
    return np.sum(a * a, axis=1)


# fuse: f8[::1], f8[::1]
def changed_in_between(a, b):
    t = a + b
    a[0] = 1.0
    return t * 2.0


# fuse: f8[::1]
def returned_and_used(a):
    t = a + 1.0
    return t, t * 2.0


# expand: f8[::1], f8
def loop_over_all_items(a, x):
    return a + x


# fuse: f8[::1]
# fuse: f4[::1]
def elementary_function(a):
    return np.exp(a)


# fuse: f8[::1]
def rare_case(a):
    return np.sin(a)


# fuse: f8[::1]
def power_by_roots(a):
    return a**1.5


# fuse: f8[::1], f8[::1]
def joined_without_temporaries(a, b):
    return np.stack([a * 2.0, b], axis=1)
