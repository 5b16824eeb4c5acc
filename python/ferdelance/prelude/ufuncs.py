"""Methods of element-wise functions: along an axis of an array, or at some of its elements."""

import numpy as np


def ufunc_at(ufunc, a, indices, b):
    """ufunc.at(a, indices, b): every index counts, those that are repeated, too"""
    places = np.asarray(np.arange(a.size).reshape(a.shape)[indices])
    values = np.broadcast_to(b, places.shape)
    for k in range(places.size):
        at = places.flat[k]
        a.flat[at] = ufunc(a.flat[at], values.flat[k])


def _folded_dtype(ufunc, a, dtype):
    """The type that results of a function are kept in when it is applied again and again."""
    if dtype is not None:
        return np.dtype(dtype)
    if ufunc is np.add or ufunc is np.multiply:
        return np.sum(a[:0], axis=0, keepdims=True).dtype
    return ufunc(np.ravel(a)[:0], np.ravel(a)[:0]).dtype


def ufunc_reduce(
    ufunc,
    array,
    axis: "literal" = 0,
    dtype=None,
    out=None,
    keepdims: "literal" = False,
    initial=None,
    where=None,
):
    """ufunc.reduce(array, axis=0, dtype=None, out=None, keepdims=False, initial=None)"""
    a = np.asarray(array)
    if ufunc is np.add:
        return np.sum(a, axis, dtype, out, keepdims, initial, where)
    if ufunc is np.multiply:
        return np.prod(a, axis, dtype, out, keepdims, initial, where)
    if ufunc is np.maximum:
        return np.max(a, axis, out, keepdims, initial, where)
    if ufunc is np.minimum:
        return np.min(a, axis, out, keepdims, initial, where)
    if ufunc is np.logical_and:
        return np.all(a, axis, out, keepdims, where)
    if ufunc is np.logical_or:
        return np.any(a, axis, out, keepdims, where)
    if initial is not None or where is not None:
        np._refuse("reduce() of this function takes no `initial` and no `where`")
    if axis is None:
        folded = _folded(ufunc, np.ravel(a), 0, dtype)
    else:
        folded = _folded(ufunc, a, axis, dtype)
    if keepdims:
        return np._into(out, np._expanded(np.asarray(folded), axis, a.ndim))
    return np._into(out, folded)


def _folded(ufunc, a, axis: "literal", dtype):
    rows = np.moveaxis(a, axis, 0)
    if rows.shape[0] == 0:
        raise ValueError("zero-size array to reduction operation which has no identity")
    result = np.empty((1, *rows.shape[1:]), _folded_dtype(ufunc, a, dtype))
    result[0] = rows[0]
    for i in range(1, rows.shape[0]):
        result[0] = ufunc(result[0], rows[i])
    return result[0]


def ufunc_accumulate(ufunc, array, axis: "literal" = 0, dtype=None, out=None):
    """ufunc.accumulate(array, axis=0, dtype=None, out=None)"""
    a = np.asarray(array)
    result = np.empty(a.shape, _folded_dtype(ufunc, a, dtype))
    rows = np.moveaxis(a, axis, 0)
    totals = np.moveaxis(result, axis, 0)
    for i in range(rows.shape[0]):
        if i == 0:
            totals[0] = rows[0]
        else:
            totals[i] = ufunc(totals[i - 1], rows[i])
    return np._into(out, result)


def ufunc_reduceat(ufunc, array, indices, axis: "literal" = 0, dtype=None, out=None):
    """ufunc.reduceat(array, indices, axis=0, dtype=None, out=None)"""
    a = np.asarray(array)
    starts = np.asarray(indices)
    rows = np.moveaxis(a, axis, 0)
    totals = np.empty((starts.size, *rows.shape[1:]), _folded_dtype(ufunc, a, dtype))
    for k in range(starts.size):
        first = starts[k]
        if first < 0 or first >= rows.shape[0]:
            raise IndexError("index out of bounds in reduceat")
        end = starts[k + 1] if k + 1 < starts.size else rows.shape[0]
        totals[k] = rows[first]
        for i in range(first + 1, end):
            totals[k] = ufunc(totals[k], rows[i])
    return np._into(out, np.moveaxis(totals, 0, axis))
