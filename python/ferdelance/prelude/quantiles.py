"""Medians, quantiles and percentiles: elements at certain places of the sorted array.

The axis, keepdims and the method are constants: each has code of its own. Only the elements that
are asked for are brought to their places.
"""

import numpy as np


def _rows(a, axis: "literal"):
    """The elements that are reduced to one, as the rows of a new array."""
    last = np._reduced_last(a, axis)
    if axis is None:
        kept = ()
        count = a.size
    elif isinstance(axis, tuple):
        kept = last.shape[: a.ndim - len(axis)]
        count = _product(last.shape[a.ndim - len(axis) :])
    else:
        kept = last.shape[: a.ndim - 1]
        count = last.shape[a.ndim - 1]
    rows = np.empty((*kept, count), a.dtype)
    rows.reshape(last.shape)[...] = last
    return rows


def _product(shape):
    product = 1
    for n in shape:
        product *= n
    return product


def _known(row):
    """Moves what is not NaN to the front; how many elements that are."""
    n = 0
    for x in row:
        if x == x:  # noqa: PLR0124
            row[n] = x
            n += 1
    return n


def _median_of(row):
    """The median of a row, which is reordered."""
    n = row.size
    middle = n // 2
    first = middle if n % 2 == 1 else middle - 1
    np._row_select(row, np.array([first, middle, n - 1]))
    # NaN comes last.
    if row[n - 1] != row[n - 1]:
        return np.mean(row[n - 1 :])
    return np.mean(row[first : middle + 1])


def _medians(a, axis: "literal", out, keepdims: "literal", known: "literal"):
    rows = _rows(a, axis)
    result = np.empty(rows.shape[:-1], (rows[..., :0] / 1).dtype)
    for index in np.ndindex(rows.shape[:-1]):
        row = rows[index]
        n = _known(row) if known else row.size
        if n == 0:
            result[index] = np.nan
        else:
            result[index] = _median_of(row[:n])
    if keepdims:
        return np._into(out, np._expanded(result, axis, a.ndim))
    return np._into(out, result[()])


def numpy_median(
    a, axis: "literal" = None, out=None, overwrite_input=False, keepdims: "literal" = False
):
    """np.median(a, axis=None, out=None, overwrite_input=False, keepdims=False)"""
    return _medians(np.asarray(a), axis, out, keepdims, False)


def numpy_nanmedian(
    a, axis: "literal" = None, out=None, overwrite_input=False, keepdims: "literal" = False
):
    """np.nanmedian: the median of what is not NaN."""
    return _medians(np.asarray(a), axis, out, keepdims, True)


def _places(n, q, method: "literal"):
    """Where quantiles lie among `n` sorted elements: integers, or floats that lie between two."""
    if method == "linear":
        return (n - 1) * q
    if method == "lower":
        return np.floor((n - 1) * q).astype(np.int64)
    if method == "higher":
        return np.ceil((n - 1) * q).astype(np.int64)
    if method == "nearest":
        return np.round((n - 1) * q).astype(np.int64)
    if method == "midpoint":
        return 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))
    if method == "inverted_cdf":
        return np.maximum(np.ceil(n * q - 1), 0).astype(np.int64)
    if method == "averaged_inverted_cdf":
        return n * q - 1
    if method == "closest_observation":
        place = n * q - 1.5
        low = np.floor(place)
        keeps = (place == low) & (low % 2 == 1)
        return np.maximum(np.where(keeps, low, low + 1), 0).astype(np.int64)
    if method == "interpolated_inverted_cdf":
        return _place(n, q, 0, 1)
    if method == "hazen":
        return _place(n, q, 0.5, 0.5)
    if method == "weibull":
        return _place(n, q, 0, 0)
    if method == "median_unbiased":
        return _place(n, q, 1 / 3.0, 1 / 3.0)
    if method == "normal_unbiased":
        return _place(n, q, 3 / 8.0, 3 / 8.0)
    np._refuse("the method of a quantile must be one of those that NumPy has")


def _place(n, q, alpha, beta):
    return n * q + (alpha + q * (1 - alpha - beta)) - 1


def _quantile_dtype(dtype, q, method: "literal", own: "literal"):
    """The type of quantiles: that of the elements, where they are elements."""
    if np.issubdtype(_places(2, q, method).dtype, np.integer):
        return dtype
    if own:
        return (np.empty(0, dtype) / 1).dtype
    return (np.empty(0, dtype) / 1 * q[:0]).dtype


def _weights_between(place, low, method: "literal"):
    """How far quantiles are from the lower to the upper element."""
    between = place - low
    if method == "averaged_inverted_cdf":
        return np.where(between == 0, 0.5, 1.0).astype(between.dtype)
    if method == "midpoint":
        return np.where(place % 1 == 0, 0.0, 0.5).astype(between.dtype)
    return between


def _quantiles_of(row, q, method: "literal", own: "literal", out):
    """The quantiles of a row, which is reordered; with `own`, in the type of its elements."""
    n = row.size
    place = _places(n, q, method)
    if np.issubdtype(place.dtype, np.integer):
        at = place.astype(np.int64)
        _select(row, at, at)
        out[...] = row[at]
    else:
        below = np.floor(place)
        low = np.where(place >= n - 1, n - 1, np.where(place < 0, 0, below)).astype(np.int64)
        high = np.where(place >= n - 1, n - 1, np.where(place < 0, 0, below + 1)).astype(np.int64)
        _select(row, low, high)
        # Beyond the ends both elements are the same, and NumPy counts from the last one backwards.
        counted = np.where(place >= n - 1, -1, low)
        weight = _weights_between(place, counted, method)
        before = row[low]
        after = row[high]
        if own:
            dtype = (row[:0] / 1).dtype
            _interpolate(before, after, weight.astype(dtype), (1 - weight).astype(dtype), out)
        else:
            _interpolate(before, after, weight, 1 - weight, out)
    if row[n - 1] != row[n - 1]:
        out[...] = row[n - 1]


def _select(row, low, high):
    """Brings the elements of these positions there, and the last one, which may be NaN."""
    positions = np.empty(2 * low.size + 1, np.int64)
    positions[: low.size] = low
    positions[low.size : 2 * low.size] = high
    positions[2 * low.size] = row.size - 1
    np._row_select(row, positions)


def _interpolate(before, after, weight, rest, out):
    distance = after - before
    out[...] = np.where(weight >= 0.5, after - distance * rest, before + distance * weight)


def _weighted_quantiles_of(row, weights, q, out):
    """The quantiles of a row whose elements count as often as their weights say."""
    order = np.argsort(row)
    total = np.cumsum(weights[order] * 1.0)
    share = (total / total[-1]).astype((q[:0] * 1.0).dtype)
    if np.isnan(share[-1]):
        raise ValueError("Weights included NaN, inf or were all zero.")
    if share[0] == 0:
        share = np.where(share == 0, share.dtype.type(-1), share)
    at = np.minimum(np.searchsorted(share, q), row.size - 1)
    out[...] = row[order[at]]
    last = row[order[-1]]
    if last != last:
        out[...] = last


def _quantiles(
    a,
    q,
    axis: "literal",
    out,
    method: "literal",
    keepdims: "literal",
    weights,
    own: "literal",
    known: "literal",
):
    if np.iscomplexobj(a):
        np._refuse("the elements of a quantile must be real numbers")
    if weights is not None and method != "inverted_cdf":
        np._refuse("only the method 'inverted_cdf' supports weights")
    rows = _rows(a, axis)
    flat = np.ravel(q)
    kept = rows.shape[:-1]
    result = np.empty((*kept, flat.size), _quantile_dtype(a.dtype, flat, method, own))
    for index in np.ndindex(kept):
        row = rows[index]
        if weights is not None:
            _weighted_quantiles_of(row, _weights_of(a, weights, axis, index), flat, result[index])
        else:
            n = _known(row) if known else row.size
            if n == 0:
                if known:
                    result[index] = np.nan
                else:
                    raise IndexError("cannot take a quantile of no elements")
            else:
                _quantiles_of(row[:n], flat, method, own, result[index])
    if keepdims:
        return np._into(out, _shaped(np._expanded(result, axis, a.ndim), q))
    return np._into(out, _shaped(result, q))


def _weights_of(a, weights, axis: "literal", index):
    w = np.asarray(weights)
    if w.ndim == a.ndim:
        return _rows(w, axis)[index]
    return w


def _shaped(result, q):
    """The dimensions of `q`, which are the last one here, come first."""
    if q.ndim == 0:
        return result[..., 0][()]
    if q.ndim == 1:
        return np.moveaxis(result, -1, 0)
    return np.moveaxis(result, -1, 0).reshape(q.shape + result.shape[:-1])


def _check(q, message: "literal"):
    for x in np.ravel(q):
        if not (0 <= x <= 1):
            raise ValueError(message)


def numpy_quantile(
    a,
    q,
    axis: "literal" = None,
    out=None,
    overwrite_input=False,
    method: "literal" = "linear",
    keepdims: "literal" = False,
    weights=None,
):
    """np.quantile(a, q, axis=None, out=None, method="linear", keepdims=False, weights=None)"""
    given = np.asarray(q)
    _check(given, "Quantiles must be in the range [0, 1]")
    return _quantiles(
        np.asarray(a), given, axis, out, method, keepdims, weights, np._is_weak(q), False
    )


def numpy_percentile(
    a,
    q,
    axis: "literal" = None,
    out=None,
    overwrite_input=False,
    method: "literal" = "linear",
    keepdims: "literal" = False,
    weights=None,
):
    """np.percentile(a, q, axis=None, out=None, method="linear", keepdims=False, weights=None)"""
    given = np.asarray(np.asarray(q) / 100)
    _check(given, "Percentiles must be in the range [0, 100]")
    return _quantiles(
        np.asarray(a), given, axis, out, method, keepdims, weights, np._is_weak(q), False
    )


def numpy_nanquantile(
    a,
    q,
    axis: "literal" = None,
    out=None,
    overwrite_input=False,
    method: "literal" = "linear",
    keepdims: "literal" = False,
):
    """np.nanquantile: the quantiles of what is not NaN."""
    given = np.asarray(q)
    _check(given, "Quantiles must be in the range [0, 1]")
    return _quantiles(np.asarray(a), given, axis, out, method, keepdims, None, np._is_weak(q), True)


def numpy_nanpercentile(
    a,
    q,
    axis: "literal" = None,
    out=None,
    overwrite_input=False,
    method: "literal" = "linear",
    keepdims: "literal" = False,
):
    """np.nanpercentile: the percentiles of what is not NaN."""
    given = np.asarray(np.asarray(q) / 100)
    _check(given, "Percentiles must be in the range [0, 100]")
    return _quantiles(np.asarray(a), given, axis, out, method, keepdims, None, np._is_weak(q), True)
