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
    return np.true_divide(dtype.type(1), 1).dtype


def numpy_mean(
    a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False, where=None
):
    """np.mean: the sum over the number of elements, in floating point."""
    a = np.asarray(a)
    if dtype is None and a.dtype == np.float16:
        mean = numpy_mean(a, axis, np.float32, None, keepdims, where).astype(np.float16)
        return np._into(out, mean)
    if dtype is None and a.dtype == np.bool_:
        total = np.sum(a, axis, None, None, keepdims, where=where)
    elif dtype is None:
        total = np.sum(a, axis, _float(a.dtype), None, keepdims, where=where)
    else:
        total = np.sum(a, axis, dtype, None, keepdims, where=where)
    if where is None:
        # Of no elements it is NaN, as a division of arrays gives it.
        mean = np.true_divide(total, _count(a, axis, None))
    else:
        full = np.zeros(a.shape, np.bool_) | where
        mean = np.true_divide(total, np.sum(full, axis=axis, keepdims=keepdims))
    return np._into(out, mean)


def numpy_var(
    a,
    axis: "literal" = None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims: "literal" = False,
    where=None,
    mean=None,
    correction=None,
):
    """np.var: the mean of the squared distances from the mean; divided by N - ddof."""
    a = np.asarray(a)
    if dtype is None and a.dtype == np.float16:
        wide = a.astype(np.float32)
        var = numpy_var(wide, axis, None, None, ddof, keepdims, where, mean, correction)
        return np._into(out, var.astype(np.float16))
    if mean is None:
        distance = a - numpy_mean(a, axis, dtype, None, True, where)
    else:
        distance = a - mean
    missing = ddof if correction is None else correction
    if where is None:
        count = _count(a, axis, None) - missing
    else:
        full = np.zeros(a.shape, np.bool_) | where
        count = np.sum(full, axis=axis, keepdims=keepdims) - missing
    square = np.real(distance * np.conj(distance))
    total = np.sum(square, axis, None, None, keepdims, where=where)
    if where is None:
        # A degree of freedom less than none gives NaN or infinity, as NumPy's division does.
        var = np.true_divide(total, max(count, 0))
    else:
        var = np.true_divide(total, np.maximum(count, 0))
    return np._into(out, var)


def numpy_std(
    a,
    axis: "literal" = None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims: "literal" = False,
    where=None,
    mean=None,
    correction=None,
):
    """np.std: the square root of the variance."""
    std = np.sqrt(numpy_var(a, axis, dtype, None, ddof, keepdims, where, mean, correction))
    return np._into(out, std)


def numpy_ptp(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.ptp: the largest less the smallest."""
    spread = np.max(a, axis, None, keepdims) - np.min(a, axis, None, keepdims)
    return np._into(out, spread)


def array_mean(
    array, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False, where=None
):
    """array.mean()"""
    return numpy_mean(array, axis, dtype, out, keepdims, where)


def array_var(
    array,
    axis: "literal" = None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims: "literal" = False,
    where=None,
    mean=None,
):
    """array.var()"""
    return numpy_var(array, axis, dtype, out, ddof, keepdims, where, mean)


def array_std(
    array,
    axis: "literal" = None,
    dtype=None,
    out=None,
    ddof=0,
    keepdims: "literal" = False,
    where=None,
    mean=None,
):
    """array.std()"""
    return numpy_std(array, axis, dtype, out, ddof, keepdims, where, mean)


def array_ptp(array, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """array.ptp()"""
    return numpy_ptp(array, axis, out, keepdims)


def numpy_trace(
    a,
    offset=0,
    axis1: "literal" = 0,
    axis2: "literal" = 1,
    dtype: "literal" = None,
    out=None,
):
    """np.trace: the sum along diagonals."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1, dtype, out)


def array_trace(
    array,
    offset=0,
    axis1: "literal" = 0,
    axis2: "literal" = 1,
    dtype: "literal" = None,
    out=None,
):
    """array.trace()"""
    return numpy_trace(array, offset, axis1, axis2, dtype, out)


def numpy_average(
    a,
    axis: "literal" = None,
    weights=None,
    returned: "literal" = False,
    keepdims: "literal" = False,
):
    """np.average: the mean, with weights of the shape of the array."""
    a = np.asarray(a)
    if weights is None:
        mean = numpy_mean(a, axis, None, None, keepdims)
        total = _count(a, axis, None) + 0.0
    else:
        given = np.asarray(weights)
        if given.ndim == 1 and a.ndim > 1:
            if axis is None:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            full = _along(given, a, axis)
        else:
            if a.shape != given.shape:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            full = given
        total = np.sum(full + np.zeros(1), axis, None, None, keepdims)
        if np.any(total == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        mean = np.sum(a * full, axis, None, None, keepdims) / total
    if returned:
        return mean, total
    return mean


def _along(weights, a, axis: "literal"):
    """An array of one dimension, as one of the shape of another that varies along one axis only."""
    if axis is None:
        return np.broadcast_to(weights, a.shape)
    rows = np.moveaxis(a, axis, -1)
    if rows.shape[-1] != weights.size:
        raise ValueError("Length of weights not compatible with specified axis.")
    return np.moveaxis(np.broadcast_to(weights, rows.shape), -1, axis)


def numpy_nansum(a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False):
    """np.nansum: NaN counts as zero."""
    return np.sum(np.where(np.isnan(a), 0, a), axis, dtype, out, keepdims)


def numpy_nanprod(a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False):
    """np.nanprod: NaN counts as one."""
    return np.prod(np.where(np.isnan(a), 1, a), axis, dtype, out, keepdims)


def numpy_nanmean(a, axis: "literal" = None, dtype=None, out=None, keepdims: "literal" = False):
    """np.nanmean: the mean of what is not NaN."""
    count = np.sum(~np.isnan(a), axis, None, None, keepdims)
    mean = np.divide(numpy_nansum(a, axis, _float(a.dtype), None, keepdims), count)
    return np._into(out, mean)


def numpy_nanvar(
    a, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False
):
    """np.nanvar: the variance of what is not NaN."""
    known = ~np.isnan(a)
    distance = np.where(known, a - numpy_nanmean(a, axis, None, None, True), 0)
    count = np.sum(known, axis, None, None, keepdims) - ddof
    total = np.sum(np.real(distance * np.conj(distance)), axis, None, None, keepdims)
    var = np.divide(total, np.where(count > 0, count + 0.0, np.nan))
    return np._into(out, var)


def numpy_nanstd(
    a, axis: "literal" = None, dtype=None, out=None, ddof=0, keepdims: "literal" = False
):
    """np.nanstd: the square root of the variance of what is not NaN."""
    std = np.sqrt(numpy_nanvar(a, axis, dtype, None, ddof, keepdims))
    return np._into(out, std)


def _check_known(a, axis: "literal"):
    if np.any(np.all(np.isnan(a), axis=axis)):
        raise ValueError("All-NaN slice encountered")


def numpy_nanargmin(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.nanargmin: the first place of the smallest of what is not NaN."""
    a = np.asarray(a)
    if np.issubdtype(a.dtype, np.integer):
        return np.argmin(a, axis, out, keepdims)
    _check_known(a, axis)
    return np.argmin(np.where(np.isnan(a), np.inf, a), axis, out, keepdims)


def numpy_nanargmax(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.nanargmax: the first place of the largest of what is not NaN."""
    a = np.asarray(a)
    if np.issubdtype(a.dtype, np.integer):
        return np.argmax(a, axis, out, keepdims)
    _check_known(a, axis)
    return np.argmax(np.where(np.isnan(a), -np.inf, a), axis, out, keepdims)


def _running(a, axis: "literal", dtype, out, product: "literal"):
    """Sums or products of all elements up to each, along an axis or of the flattened array."""
    if axis is None:
        source = np.ravel(a)
        results = np.empty(source.size, np.sum(source[:0], dtype=dtype).dtype)
        total = results.dtype.type(1 if product else 0)
        for i in range(source.size):
            if product:
                total = results.dtype.type(total * source[i])
            else:
                total = results.dtype.type(total + source[i])
            results[i] = total
    else:
        results = np.empty(a.shape, np.sum(a, dtype=dtype).dtype)
        rows = np.moveaxis(results, axis, 0)
        source = np.moveaxis(a, axis, 0)
        for i in range(source.shape[0]):
            rows[i] = source[i]
            if i > 0:
                if product:
                    rows[i] *= rows[i - 1]
                else:
                    rows[i] += rows[i - 1]
    return np._into(out, results)


def numpy_cumsum(a, axis: "literal" = None, dtype=None, out=None):
    """np.cumsum: the sums of all elements up to each."""
    return _running(a, axis, dtype, out, False)


def numpy_cumprod(a, axis: "literal" = None, dtype=None, out=None):
    """np.cumprod: the products of all elements up to each."""
    return _running(a, axis, dtype, out, True)


def numpy_nancumsum(a, axis: "literal" = None, dtype=None, out=None):
    """np.nancumsum: NaN counts as zero."""
    return numpy_cumsum(np.where(np.isnan(a), 0, a), axis, dtype, out)


def numpy_nancumprod(a, axis: "literal" = None, dtype=None, out=None):
    """np.nancumprod: NaN counts as one."""
    return numpy_cumprod(np.where(np.isnan(a), 1, a), axis, dtype, out)


def _with_initial(totals, axis: "literal", first):
    """Running totals with what they begin with in front."""
    rows = np.moveaxis(totals, axis, 0)
    result = np.empty((rows.shape[0] + 1, *rows.shape[1:]), totals.dtype)
    result[0] = first
    result[1:] = rows
    return np.moveaxis(result, 0, axis)


def numpy_cumulative_sum(
    x, axis: "literal" = None, dtype=None, out=None, include_initial: "literal" = False
):
    """np.cumulative_sum(x, axis=None, dtype=None, out=None, include_initial=False)"""
    a = np.asarray(x)
    if axis is None:
        if a.ndim != 1:
            np._refuse("cumulative_sum() of an array of several dimensions needs an axis")
        totals = numpy_cumsum(a, 0, dtype)
        if include_initial:
            return np._into(out, _with_initial(totals, 0, 0))
        return np._into(out, totals)
    totals = numpy_cumsum(a, axis, dtype)
    if include_initial:
        return np._into(out, _with_initial(totals, axis, 0))
    return np._into(out, totals)


def numpy_cumulative_prod(
    x, axis: "literal" = None, dtype=None, out=None, include_initial: "literal" = False
):
    """np.cumulative_prod(x, axis=None, dtype=None, out=None, include_initial=False)"""
    a = np.asarray(x)
    if axis is None:
        if a.ndim != 1:
            np._refuse("cumulative_prod() of an array of several dimensions needs an axis")
        totals = numpy_cumprod(a, 0, dtype)
        if include_initial:
            return np._into(out, _with_initial(totals, 0, 1))
        return np._into(out, totals)
    totals = numpy_cumprod(a, axis, dtype)
    if include_initial:
        return np._into(out, _with_initial(totals, axis, 1))
    return np._into(out, totals)


def numpy_diff(a, n: "literal" = 1, axis: "literal" = -1, prepend=None, append=None):
    """np.diff(a, n=1, axis=-1, prepend=None, append=None)"""
    a = np.asarray(a)
    if prepend is not None:
        return numpy_diff(
            np.concatenate((_end_of(a, axis, prepend), a), axis), n, axis, None, append
        )
    if append is not None:
        return numpy_diff(np.concatenate((a, _end_of(a, axis, append)), axis), n, axis)
    if n == 0:
        return a
    if n < 0:
        raise ValueError("order must be non-negative but got " + str(n))
    rows = np.moveaxis(a, axis, 0)
    if a.dtype == np.bool_:
        steps = rows[1:] != rows[:-1]
    else:
        steps = rows[1:] - rows[:-1]
    return numpy_diff(np.moveaxis(steps, 0, axis), n - 1, axis)


def _end_of(a, axis: "literal", value):
    """What is put at an end of an array along an axis: an array, or a number that is repeated."""
    end = np.asarray(value)
    if end.ndim > 0:
        return end
    rest = np.moveaxis(a, axis, 0).shape[1:]
    return np.moveaxis(np.broadcast_to(end, (1, *rest)), 0, axis)


def array_cumsum(array, axis: "literal" = None, dtype=None, out=None):
    """array.cumsum()"""
    return numpy_cumsum(array, axis, dtype, out)


def array_cumprod(array, axis: "literal" = None, dtype=None, out=None):
    """array.cumprod()"""
    return numpy_cumprod(array, axis, dtype, out)


def numpy_sum(
    a,
    axis: "literal" = None,
    dtype=None,
    out=None,
    keepdims: "literal" = False,
    initial=None,
    where=None,
):
    """np.sum of a sequence or a number."""
    return np.sum(np.asarray(a), axis, dtype, out, keepdims, initial, where)


def numpy_prod(
    a,
    axis: "literal" = None,
    dtype=None,
    out=None,
    keepdims: "literal" = False,
    initial=None,
    where=None,
):
    """np.prod of a sequence or a number."""
    return np.prod(np.asarray(a), axis, dtype, out, keepdims, initial, where)


def numpy_min(
    a, axis: "literal" = None, out=None, keepdims: "literal" = False, initial=None, where=None
):
    """np.min of a sequence or a number."""
    return np.min(np.asarray(a), axis, out, keepdims, initial, where)


def numpy_max(
    a, axis: "literal" = None, out=None, keepdims: "literal" = False, initial=None, where=None
):
    """np.max of a sequence or a number."""
    return np.max(np.asarray(a), axis, out, keepdims, initial, where)


def numpy_any(a, axis: "literal" = None, out=None, keepdims: "literal" = False, where=None):
    """np.any of a sequence or a number."""
    return np.any(np.asarray(a), axis, out, keepdims, where)


def numpy_all(a, axis: "literal" = None, out=None, keepdims: "literal" = False, where=None):
    """np.all of a sequence or a number."""
    return np.all(np.asarray(a), axis, out, keepdims, where)


def numpy_argmin(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.argmin of a sequence or a number."""
    return np.argmin(np.asarray(a), axis, out, keepdims)


def numpy_argmax(a, axis: "literal" = None, out=None, keepdims: "literal" = False):
    """np.argmax of a sequence or a number."""
    return np.argmax(np.asarray(a), axis, out, keepdims)


def numpy_count_nonzero(a, axis: "literal" = None, keepdims: "literal" = False):
    """np.count_nonzero of a sequence or a number."""
    return np.count_nonzero(np.asarray(a), axis, keepdims)
