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


# fuse: f8[::1]
def reductions_over_the_same_items(a):
    return a.min(), a.max(), np.sum(a * a)


# fuse: f8[::1]
def made_twice(a):
    return a.sum() / a.size, a.sum() * 2.0


# fuse: f8[:, ::1]
def kept_and_added_up(a):
    t = np.abs(a)
    return t, np.sum(t, axis=1)


# fuse: f8[::1], f8[::1]
def two_new_arrays(a, b):
    return a + b, a - b


# fuse: f8[::1], f8[::1]
def stored_before_a_check(a, b):
    a[:] = a * 2.0
    b[:] = a + 1.0


# fuse: f8[::1]
def changed_before_it_is_read_again(a):
    t = a + 1.0
    s = np.max(a)
    a[0] = s
    return t, np.sum(a)


# fuse: f8[:, ::1], i8
def parts_that_are_apart(a, k):
    for i in range(a.shape[0]):
        a[i + 1 :, i + 1 :] -= a[i + 1 :, i : i + 1] * a[i : i + 1, i + 1 :]
    a[:, -1] = a[:, -2]


# fuse: f8[::1], i8
def parts_that_may_meet(a, k):
    a[k:] = a[: a.size - k]


# fuse: f8[::1], f8[::1]
def handed_on_round_a_loop(x, c):
    y = np.zeros_like(x)
    for k in range(c.size):
        y = y * x + c[k]
    return y


# fuse: f8[::1]
def kept_for_later(x):
    e = np.exp(x)
    f = np.exp(e)
    return e, f
# fuse: f8[::1], f8[::1]
def joined_without_temporaries(a, b):
    return np.stack([a * 2.0, b], axis=1)
# lower: f8[:, :], f8
def loop_over_several_dimensions(a, most):
    total = 0.0
    for (i, j), x in np.ndenumerate(a):
        if x > most:
            break
        total += x * i + j
    return total


# fuse: f8[:, ::1]
def column_and_row_copied_first(path):
    for k in range(path.shape[0]):
        path[:] = np.minimum(path, path[:, k : k + 1] + path[k : k + 1, :])


# fuse: f8[:, ::1]
def distant_items_copied_first(pos):
    x = pos[:, 0]
    return np.sum(np.abs(x[:, None] - x), axis=1)


# fuse: f8[:, ::1]
def divided_once_for_all_rows(a):
    return a / np.sqrt(np.sum(a * a, axis=0))


# fuse: f8[::1], f8[::1]
def chosen_by_a_mask(x, y):
    m = x > 0.5
    x[m] = y[m] * 2.0
    v = y[~m]
    return np.sum(v), np.max(v), v.size


# expand: f8[:, ::1], f8[::1]
def outside_of_the_inner_loop(a, x):
    return a * np.exp(x)[:, None]


# fuse: f8[::1], i8[::1]
def loads_kept_apart_from_stores(a, i):
    b = np.empty(i.size)
    b[:] = a[i]
    return b


# fuse: f8[:, ::1], f8[:, ::1]
def reduced_into_a_row(a, b):
    out = np.empty((2, b.shape[1]))
    out[1, :] = np.sum(a * b, axis=0)
    return out


# fuse: f8[::1], i8
def rows_written_in_one_loop(x, half):
    out = np.empty((2 * half, x.size))
    for k in range(half):
        out[k] = x + k
        out[k + half] = x - k
    return out


# expand: f8[:,::1], f8[:,::1]
def neighbours(a, out):
    out[:, 1:-1] = a[:, 2:] + a[:, :-2] - 2.0 * a[:, 1:-1]


# tile: f8[::1], f8[::1]
def rounds_for_a_block(y, c):
    for k in range(c.size):
        y *= 2.0
        y += c[k]


# tile: c16[::1], i8
def blocks_that_end_early(c, limit):
    z = np.zeros_like(c)
    for _ in range(limit):
        z = np.where(z.real < 4.0, z * z + c, z)
    return z


# fuse: f8[::1], i8
def first_round_apart(x, rounds):
    for _ in range(rounds):
        x = x * 0.5
    return x


# tile: f8[:,::1]
def rows_at_a_time(a):
    difference = a[1:] - a[:-1]
    a[1:-1] = 0.5 * (difference[1:] - difference[:-1])


# expand: f8[:, ::1], f8[:, ::1]
def short_last_dimension(a, b):
    return np.sum(a[:, None, :] * b, axis=2)
