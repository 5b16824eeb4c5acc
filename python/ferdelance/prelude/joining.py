"""NumPy's functions that make larger arrays of smaller ones, made of simpler functions.

`np.concatenate` and those that differ from it in axes only are the compiler's (`infer::joining`).
"""

import numpy as np


def numpy_append(arr, values, axis: "literal" = None):
    """np.append(arr, values, axis=None)"""
    if axis is None:
        return np.concatenate((np.asarray(arr), np.asarray(values)), axis=None)
    return np.concatenate((np.asarray(arr), np.asarray(values)), axis)


def _levels(arrays):
    """A tuple of as many items as tuples are nested in each other."""
    if isinstance(arrays, tuple):
        return (0,) + _levels(arrays[0])
    return ()


def _longer(s, t):
    if len(s) >= len(t):
        return s
    return t


def _most_dimensions(arrays):
    """A tuple of as many items as any array in nested tuples has dimensions."""
    if isinstance(arrays, tuple):
        if len(arrays) == 0:
            return ()
        return _longer(_most_dimensions(arrays[0]), _most_dimensions(arrays[1:]))
    return (0,) * np.ndim(arrays)


def _block(arrays, dimensions, levels):
    if isinstance(arrays, tuple):
        return np.concatenate(_blocks(arrays, dimensions, levels[1:]), axis=-len(levels))
    a = np.asarray(arrays)
    return a[(None,) * (len(dimensions) - a.ndim) + (...,)]


def _blocks(arrays, dimensions, levels):
    if len(arrays) == 0:
        return ()
    first = _block(arrays[0], dimensions, levels)
    return (first,) + _blocks(arrays[1:], dimensions, levels)


def numpy_block(arrays):
    """np.block(arrays)"""
    levels = _levels(arrays)
    if len(levels) == 0:
        return np.copy(arrays)
    return _block(arrays, _longer(_most_dimensions(arrays), levels), levels)


def _interleaved(s, t):
    if len(s) == 0:
        return ()
    return (s[0], t[0]) + _interleaved(s[1:], t[1:])


def _products(s, t):
    if len(s) == 0:
        return ()
    return (s[0] * t[0],) + _products(s[1:], t[1:])


def numpy_tile(A, reps):
    """np.tile(A, reps)"""
    a = np.asarray(A)
    times = reps if isinstance(reps, tuple) else (reps,)
    if len(times) < a.ndim:
        times = (1,) * (a.ndim - len(times)) + times
    full = a[(None,) * (len(times) - a.ndim) + (...,)]
    whole = np.broadcast_to(
        full[(None, slice(None)) * len(times) + (...,)], _interleaved(times, full.shape)
    )
    return whole.copy().reshape(_products(times, full.shape))


def numpy_kron(a, b):
    """np.kron(a, b)"""
    x = np.asarray(a)
    y = np.asarray(b)
    if x.ndim < y.ndim:
        return numpy_kron(x[(None,) * (y.ndim - x.ndim) + (...,)], y)
    if y.ndim < x.ndim:
        return numpy_kron(x, y[(None,) * (x.ndim - y.ndim) + (...,)])
    product = np.multiply(
        x[(slice(None), None) * x.ndim + (...,)], y[(None, slice(None)) * x.ndim + (...,)]
    )
    return np.reshape(product, _products(x.shape, y.shape))


def numpy_repeat(a, repeats, axis: "literal" = None):
    """np.repeat(a, repeats, axis=None)"""
    if axis is None:
        return _repeated(np.ravel(a), repeats, 0)
    return _repeated(np.atleast_1d(a), repeats, axis)


def array_repeat(array, repeats, axis: "literal" = None):
    """array.repeat(repeats, axis=None)"""
    return numpy_repeat(array, repeats, axis)


def _repeated(a, repeats, axis: "literal"):
    rows = np.moveaxis(a, axis, 0)
    n = rows.shape[0]
    if isinstance(repeats, int):
        if repeats < 0 and n > 0:
            raise ValueError("repeats may not contain negative values.")
        count = max(repeats, 0)
        result = np.empty((n * count,) + rows.shape[1:], a.dtype)
        result.reshape((n, count) + rows.shape[1:])[...] = rows[:, None]
    else:
        counts = np.asarray(repeats, np.int64)
        if counts.size == 1:
            return _repeated(a, int(counts.flat[0]), axis)
        if counts.size != n:
            raise ValueError("operands could not be broadcast together")
        if np.any(counts < 0):
            raise ValueError("repeats may not contain negative values.")
        result = np.empty((np.sum(counts),) + rows.shape[1:], a.dtype)
        at = 0
        for k in range(n):
            result[at : at + counts[k]] = rows[k]
            at += counts[k]
    return np.ascontiguousarray(np.moveaxis(result, 0, axis))


def _pairs(values, ndim):
    """What np.pad takes for each side of each axis."""
    return np.broadcast_to(np.asarray(values), (ndim, 2))


def _padded_shape(shape, widths, axis: "literal"):
    if len(shape) == 0:
        return ()
    n = shape[0] + widths[axis, 0] + widths[axis, 1]
    return (n,) + _padded_shape(shape[1:], widths, axis + 1)


def _inside(shape, widths, axis: "literal"):
    if len(shape) == 0:
        return ()
    start = widths[axis, 0]
    return (slice(start, start + shape[0]),) + _inside(shape[1:], widths, axis + 1)


def numpy_pad(
    array,
    pad_width,
    mode: "literal" = "constant",
    stat_length=None,
    constant_values=0,
    end_values=0,
    reflect_type: "literal" = "even",
):
    """np.pad(array, pad_width, mode="constant", **kwargs)"""
    a = np.asarray(array)
    widths = _pairs(pad_width, a.ndim)
    if np.any(widths < 0):
        raise ValueError("index can't contain negative values")
    result = np.empty(_padded_shape(a.shape, widths, 0), a.dtype)
    result[_inside(a.shape, widths, 0)] = a
    if mode == "empty":
        return result
    for axis in range(a.ndim):
        # Corners are filled with the last axis that they belong to.
        rows = np.moveaxis(result, axis, 0)
        start = widths[axis, 0]
        stop = start + a.shape[axis]
        if mode == "constant":
            values = _pairs(constant_values, a.ndim)
            rows[:start] = values[axis, 0]
            rows[stop:] = values[axis, 1]
        else:
            if start == stop and widths[axis, 0] + widths[axis, 1] > 0:
                raise ValueError(
                    "can't extend empty axis using modes other than 'constant' or 'empty'"
                )
            if mode == "edge":
                _pad_edge(rows, start, stop)
            elif mode == "wrap":
                _pad_wrap(rows, start, stop)
            elif mode == "reflect":
                if stop - start == 1:
                    _pad_edge(rows, start, stop)
                else:
                    _pad_mirror(rows, start, stop, 0, reflect_type == "odd")
            elif mode == "symmetric":
                _pad_mirror(rows, start, stop, 1, reflect_type == "odd")
            elif mode == "linear_ramp":
                ends = _pairs(end_values, a.ndim)
                _pad_ramp(rows, start, stop, ends[axis, 0], ends[axis, 1])
            elif stat_length is None:
                _pad_statistic(rows, start, stop, stop - start, stop - start, mode)
            else:
                lengths = _pairs(stat_length, a.ndim)
                _pad_statistic(rows, start, stop, lengths[axis, 0], lengths[axis, 1], mode)
    return result


def _pad_edge(rows, start, stop):
    for k in range(start):
        rows[k] = rows[start]
    for k in range(stop, rows.shape[0]):
        rows[k] = rows[stop - 1]


def _pad_wrap(rows, start, stop):
    n = stop - start
    for k in range(start - 1, -1, -1):
        rows[k] = rows[k + n]
    for k in range(stop, rows.shape[0]):
        rows[k] = rows[k - n]


def _pad_mirror(rows, start, stop, again, odd):
    """Mirrored, the edge itself `again` or not; odd: the edge is the middle of both sides."""
    last = stop - 1
    n = last - start + again
    for k in range(1, start + 1):
        at = start - k
        if not odd:
            rows[at] = rows[start + k - again] if k <= n else rows[at + 2 * n]
        elif k <= n:
            rows[at] = rows[start] * 2 - rows[start + k - again]
        else:
            rows[at] = rows[at + 2 * n] - (rows[last] - rows[start]) * 2
    for k in range(1, rows.shape[0] - last):
        at = last + k
        if not odd:
            rows[at] = rows[last - k + again] if k <= n else rows[at - 2 * n]
        elif k <= n:
            rows[at] = rows[last] * 2 - rows[last - k + again]
        else:
            rows[at] = rows[at - 2 * n] + (rows[last] - rows[start]) * 2


def _pad_ramp(rows, start, stop, left, right):
    before = start
    after = rows.shape[0] - stop
    for k in range(before):
        rows[k : k + 1] = _as(rows, (rows[start : start + 1] * 1.0 - left) / before * k + left)
    for k in range(after):
        at = rows.shape[0] - 1 - k
        rows[at : at + 1] = _as(rows, (rows[stop - 1 : stop] * 1.0 - right) / after * k + right)


def _as(rows, values):
    """Values as items of an array: integers are rounded down."""
    if rows.dtype.kind == "i" or rows.dtype.kind == "u":
        return np.floor(values).astype(rows.dtype)
    return values.astype(rows.dtype)


def _pad_statistic(rows, start, stop, left, right, mode: "literal"):
    n = stop - start
    if left <= 0 or right <= 0:
        raise ValueError("stat_length of 0 yields no value for padding")
    first = _statistic(rows[start : start + min(left, n)], mode)
    last = _statistic(rows[stop - min(right, n) : stop], mode)
    for k in range(start):
        rows[k] = first
    for k in range(stop, rows.shape[0]):
        rows[k] = last


def _statistic(rows, mode: "literal"):
    if mode == "maximum":
        return np.max(rows, 0)
    if mode == "minimum":
        return np.min(rows, 0)
    if mode == "mean":
        return _rounded(rows, np.mean(rows, 0))
    if mode == "median":
        return _rounded(rows, np.median(rows, 0))
    raise ValueError("mode is not supported")


def _rounded(rows, values):
    if rows.dtype.kind == "i" or rows.dtype.kind == "u":
        return np.rint(values).astype(rows.dtype)
    return values
