"""Reductions that are compositions of simpler ones: means, variances, those that leave out NaN.

The axis and keepdims are constants: each has code of its own.
"""

import numpy


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
    full = numpy.zeros(array.shape, numpy.bool_) | where
    return numpy.sum(full, axis=axis, keepdims=True)


def _float(dtype):
    """The type that means of elements of this type are computed in."""
    return (numpy.empty(0, dtype) / 1).dtype


def numpy_mean(a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False, where=None):
    """np.mean: the sum over the number of elements, in floating point."""
    if dtype is None:
        total = numpy.sum(a, axis, _float(a.dtype), None, keepdims, where=where)
    else:
        total = numpy.sum(a, axis, dtype, None, keepdims, where=where)
    if where is None:
        mean = total / _count(a, axis, None)
    else:
        full = numpy.zeros(a.shape, numpy.bool_) | where
        mean = total / numpy.sum(full, axis=axis, keepdims=keepdims)
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
        full = numpy.zeros(a.shape, numpy.bool_) | where
        count = numpy.sum(full, axis=axis, keepdims=keepdims) - ddof
    square = numpy.real(distance * numpy.conj(distance))
    total = numpy.sum(square, axis, None, None, keepdims, where=where)
    if where is None:
        # A degree of freedom less than none gives NaN or infinity, as NumPy's division does.
        var = total / max(count, 0)
    else:
        var = total / numpy.maximum(count, 0)
    if out is None:
        return var
    out[...] = var
    return out


def numpy_std(a, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False, where=None):
    """np.std: the square root of the variance."""
    std = numpy.sqrt(numpy_var(a, axis, dtype, None, ddof, keepdims, where))
    if out is None:
        return std
    out[...] = std
    return out


def numpy_ptp(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.ptp: the largest less the smallest."""
    spread = numpy.max(a, axis, None, keepdims) - numpy.min(a, axis, None, keepdims)
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
