"""Reductions that are compositions of simpler ones: means, variances, those that leave out NaN.

The axis and keepdims are constants: each has code of its own.
"""

import numpy as np


def _count(array, axis: "literal", where):
    """How many elements are reduced to one; with a mask, an array of the shape of the result."""
    if where is None:
        if axis is None:
            return array.size
        count = 1
        if isinstance(axis, tuple):
            for k in axis:
                count *= array.shape[k]
        else:
            count = array.shape[axis]
        return count
    full = np.zeros(array.shape, np.bool_) | where
    return np.sum(full, axis=axis, keepdims=True)


def _float(dtype):
    """The type that means of elements of this type are computed in."""
    return (np.empty(0, dtype) / 1).dtype


def numpy_mean(a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False, where=None):
    """np.mean: the sum over the number of elements, in floating point."""
    if dtype is None and a.dtype == np.float16:
        mean = numpy_mean(a, axis, np.float32, None, keepdims, where).astype(np.float16)
        if out is None:
            return mean
        out[...] = mean
        return out
    if dtype is None:
        total = np.sum(a, axis, _float(a.dtype), None, keepdims, where=where)
    else:
        total = np.sum(a, axis, dtype, None, keepdims, where=where)
    if where is None:
        mean = total / _count(a, axis, None)
    else:
        full = np.zeros(a.shape, np.bool_) | where
        mean = total / np.sum(full, axis=axis, keepdims=keepdims)
    if out is None:
        return mean
    out[...] = mean
    return out


def numpy_var(a, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False, where=None):
    """np.var: the mean of the squared distances from the mean; divided by N - ddof."""
    mean = numpy_mean(a, axis, dtype, None, True, where)
    if where is None:
        distance = a - mean
        count = _count(a, axis, None) - ddof
    else:
        distance = a - mean
        full = np.zeros(a.shape, np.bool_) | where
        count = np.sum(full, axis=axis, keepdims=keepdims) - ddof
    square = np.real(distance * np.conj(distance))
    total = np.sum(square, axis, None, None, keepdims, where=where)
    if where is None:
        # A degree of freedom less than none gives NaN or infinity, as NumPy's division does.
        var = total / max(count, 0)
    else:
        var = total / np.maximum(count, 0)
    if out is None:
        return var
    out[...] = var
    return out


def numpy_std(a, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False, where=None):
    """np.std: the square root of the variance."""
    std = np.sqrt(numpy_var(a, axis, dtype, None, ddof, keepdims, where))
    if out is None:
        return std
    out[...] = std
    return out


def numpy_ptp(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.ptp: the largest less the smallest."""
    spread = np.max(a, axis, None, keepdims) - np.min(a, axis, None, keepdims)
    if out is None:
        return spread
    out[...] = spread
    return out


def array_mean(array, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False, where=None):
    """array.mean()"""
    return numpy_mean(array, axis, dtype, out, keepdims, where)


def array_var(array, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False, where=None):
    """array.var()"""
    return numpy_var(array, axis, dtype, out, ddof, keepdims, where)


def array_std(array, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False, where=None):
    """array.std()"""
    return numpy_std(array, axis, dtype, out, ddof, keepdims, where)


def array_ptp(array, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """array.ptp()"""
    return numpy_ptp(array, axis, out, keepdims)
