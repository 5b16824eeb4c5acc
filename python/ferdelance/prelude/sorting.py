"""Sorting, searching, sets and counting.

What is done with a row of elements (`np._row_sort` and so on) is the runtime's; here are the rows,
and what is made of sorted arrays.
"""

import numpy as np


def _check_kind(kind: "literal"):
    """Any sort is stable here, so there is nothing to choose; the name has to be one of NumPy's."""
    if kind is not None and kind not in ("quicksort", "heapsort", "mergesort", "stable"):
        np._refuse("sort kind must be one of 'quicksort', 'heapsort', 'mergesort', or 'stable'")


def _positions_by_fields(row, order: "literal"):
    """The positions that sort a row of records by these fields, then by all in their order."""
    if row.dtype.kind != "V":
        np._refuse("Cannot specify order when the array has no fields.")
    positions = _sorted_by(row, row.dtype.names, np.arange(row.size))
    if order is None:
        return positions
    if isinstance(order, str):
        return _sorted_by(row, (order,), positions)
    return _sorted_by(row, order, positions)


def _sorted_by(row, names: "literal", positions):
    """Positions sorted by fields of a row, the first of which counts most; stable."""
    if len(names) == 0:
        return positions
    later = _sorted_by(row, names[1:], positions)
    return later[np.argsort(row[names[0]][later])]


def array_sort(
    array,
    axis: "literal" = -1,
    kind: "literal" = None,
    order: "literal" = None,
    stable: "literal" = None,
):
    """array.sort(axis=-1, kind=None, order=None)"""
    _check_kind(kind)
    rows = np.swapaxes(array, axis, -1)
    if array.dtype.kind == "V" or order is not None:
        for index in np.ndindex(rows.shape[:-1]):
            rows[index] = rows[index][_positions_by_fields(rows[index], order)]
    else:
        for index in np.ndindex(rows.shape[:-1]):
            np._row_sort(rows[index])


def numpy_sort(
    a,
    axis: "literal" = -1,
    kind: "literal" = None,
    order: "literal" = None,
    stable: "literal" = None,
):
    """np.sort(a, axis=-1, kind=None, order=None)"""
    if axis is None:
        result = np.asarray(a).flatten()
        array_sort(result, -1, kind, order)
    else:
        result = np.asarray(a).copy()
        array_sort(result, axis, kind, order)
    return result


def numpy_sort_complex(a):
    """np.sort_complex(a)"""
    result = np.asarray(a) + np.complex64(0)
    array_sort(result)
    return result


def _positions(a, axis: "literal", order: "literal"):
    result = np.empty(a.shape, np.int64)
    rows = np.swapaxes(a, axis, -1)
    out = np.swapaxes(result, axis, -1)
    if a.dtype.kind == "V" or order is not None:
        for index in np.ndindex(rows.shape[:-1]):
            out[index] = _positions_by_fields(rows[index], order)
    else:
        for index in np.ndindex(rows.shape[:-1]):
            np._row_sort_positions(rows[index], out[index])
    return result


def numpy_argsort(
    a,
    axis: "literal" = -1,
    kind: "literal" = None,
    order: "literal" = None,
    stable: "literal" = None,
):
    """np.argsort(a, axis=-1, kind=None, order=None)"""
    _check_kind(kind)
    if axis is None:
        return _positions(np.ravel(np.asarray(a)), -1, order)
    return _positions(np.asarray(a), axis, order)


def array_argsort(
    array,
    axis: "literal" = -1,
    kind: "literal" = None,
    order: "literal" = None,
    stable: "literal" = None,
):
    """array.argsort(axis=-1, kind=None, order=None)"""
    return numpy_argsort(array, axis, kind, order)


def numpy_lexsort(keys, axis: "literal" = -1):
    """np.lexsort(keys, axis=-1) for keys of one dimension: the last key counts most."""
    positions = np.argsort(keys[0], axis)
    for key in keys[1:]:
        positions = positions[np.argsort(key[positions], axis)]
    return positions


def _inside(kth, n):
    """The positions to select among `n`, counted from the start."""
    positions = np.asarray(kth).flatten().astype(np.int64)
    for i in range(positions.size):
        if positions[i] < 0:
            positions[i] += n
        if positions[i] < 0 or positions[i] >= n:
            raise ValueError("kth out of bounds")
    return positions


def _check_selection(kind: "literal", order: "literal"):
    if kind != "introselect":
        np._refuse("the kind of a partition must be 'introselect'")
    if order is not None:
        np._refuse("partitioning by fields (`order`) cannot be compiled")


def array_partition(
    array,
    kth,
    axis: "literal" = -1,
    kind: "literal" = "introselect",
    order: "literal" = None,
):
    """array.partition(kth, axis=-1)"""
    _check_selection(kind, order)
    rows = np.swapaxes(array, axis, -1)
    positions = _inside(kth, rows.shape[-1])
    for index in np.ndindex(rows.shape[:-1]):
        np._row_select(rows[index], positions)


def numpy_partition(
    a,
    kth,
    axis: "literal" = -1,
    kind: "literal" = "introselect",
    order: "literal" = None,
):
    """np.partition(a, kth, axis=-1)"""
    if axis is None:
        result = np.asarray(a).flatten()
        array_partition(result, kth, -1, kind, order)
    else:
        result = np.asarray(a).copy()
        array_partition(result, kth, axis, kind, order)
    return result


def _selected_positions(a, kth, axis: "literal"):
    result = np.empty(a.shape, np.int64)
    rows = np.swapaxes(a, axis, -1)
    out = np.swapaxes(result, axis, -1)
    positions = _inside(kth, rows.shape[-1])
    for index in np.ndindex(rows.shape[:-1]):
        np._row_select_positions(rows[index], positions, out[index])
    return result


def numpy_argpartition(
    a,
    kth,
    axis: "literal" = -1,
    kind: "literal" = "introselect",
    order: "literal" = None,
):
    """np.argpartition(a, kth, axis=-1)"""
    _check_selection(kind, order)
    if axis is None:
        return _selected_positions(np.ravel(np.asarray(a)), kth, -1)
    return _selected_positions(np.asarray(a), kth, axis)


def array_argpartition(
    array,
    kth,
    axis: "literal" = -1,
    kind: "literal" = "introselect",
    order: "literal" = None,
):
    """array.argpartition(kth, axis=-1)"""
    return numpy_argpartition(array, kth, axis, kind, order)


def _search(a, v, right):
    """Where the elements of `v` belong in the sorted array `a`."""
    values = np.asarray(v)
    dtype = np.result_type(a.dtype, values.dtype)
    row = np.asarray(values.reshape(values.size), dtype)
    found = np.empty(row.size, np.int64)
    np._row_search(np.asarray(a, dtype), row, found, right)
    if values.ndim == 0:
        return found[0]
    return found.reshape(values.shape)


def numpy_searchsorted(a, v, side: "literal" = "left", sorter=None):
    """np.searchsorted(a, v, side="left", sorter=None)"""
    if side != "left" and side != "right":
        np._refuse("the side of searchsorted() must be 'left' or 'right'")
    if sorter is None:
        return _search(np.asarray(a), v, side == "right")
    return _search(np.asarray(a)[np.asarray(sorter)], v, side == "right")


def array_searchsorted(array, v, side: "literal" = "left", sorter=None):
    """array.searchsorted(v, side="left", sorter=None)"""
    return numpy_searchsorted(array, v, side, sorter)


def numpy_digitize(x, bins, right=False):
    """np.digitize(x, bins, right=False)"""
    edges = np.asarray(bins)
    rising = True
    falling = True
    for i in range(1, edges.size):
        if edges[i] < edges[i - 1]:
            rising = False
        if edges[i] > edges[i - 1]:
            falling = False
    if rising:
        return _search(edges, x, not right)
    if falling:
        return edges.size - _search(edges[::-1], x, not right)
    raise ValueError("bins must be monotonically increasing or decreasing")


def _joined(a, b):
    """The elements of both arrays."""
    x = np.ravel(np.asarray(a))
    y = np.ravel(np.asarray(b))
    result = np.empty(x.size + y.size, np.result_type(x.dtype, y.dtype))
    result[: x.size] = x
    result[x.size :] = y
    return result


def _firsts(row, equal_nan):
    """Which elements of a sorted row differ from the one before."""
    first = np.empty(row.size, np.bool_)
    for i in range(row.size):
        if i == 0:
            first[i] = True
        else:
            x = row[i - 1]
            y = row[i]
            # What is not equal to itself is NaN.
            first[i] = x != y and not (equal_nan and x != x and y != y)
    return first


def numpy_unique(
    ar,
    return_index: "literal" = False,
    return_inverse: "literal" = False,
    return_counts: "literal" = False,
    axis: "literal" = None,
    equal_nan=True,
    sorted=True,
):
    """np.unique(ar, return_index=False, return_inverse=False, return_counts=False)"""
    if axis is not None:
        np._refuse("unique() along an axis cannot be compiled")
    a = np.asarray(ar)
    flat = a.flatten()
    if not (return_index or return_inverse):
        array_sort(flat)
        first = _firsts(flat, equal_nan)
        if return_counts:
            return flat[first], _run_lengths(first)
        return flat[first]
    order = np.argsort(flat)
    row = flat[order]
    first = _firsts(row, equal_nan)
    results = (row[first],)
    if return_index:
        results = (*results, order[first])
    if return_inverse:
        results = (*results, _ranks(first, order).reshape(a.shape))
    if return_counts:
        results = (*results, _run_lengths(first))
    return results


def _ranks(first, order):
    """For each element, which of the different ones it is."""
    ranks = np.empty(order.size, np.int64)
    rank = -1
    for i in range(order.size):
        if first[i]:
            rank += 1
        ranks[order[i]] = rank
    return ranks


def _run_lengths(first):
    starts = np.flatnonzero(first)
    lengths = np.empty(starts.size, np.int64)
    for i in range(starts.size):
        end = starts[i + 1] if i + 1 < starts.size else first.size
        lengths[i] = end - starts[i]
    return lengths


def numpy_unique_values(x):
    """np.unique_values(x)"""
    return numpy_unique(x, equal_nan=False)


def _elements(a, assume_unique):
    """The elements of an array without those that are there twice."""
    if assume_unique:
        return np.asarray(a).flatten()
    return numpy_unique(a)


def numpy_intersect1d(ar1, ar2, assume_unique=False, return_indices: "literal" = False):
    """np.intersect1d(ar1, ar2, assume_unique=False)"""
    if return_indices:
        np._refuse("intersect1d() with return_indices cannot be compiled")
    both = _joined(_elements(ar1, assume_unique), _elements(ar2, assume_unique))
    array_sort(both)
    twice = np.zeros(both.size, np.bool_)
    for i in range(1, both.size):
        twice[i] = both[i] == both[i - 1]
    return both[twice]


def numpy_union1d(ar1, ar2):
    """np.union1d(ar1, ar2)"""
    return numpy_unique(_joined(ar1, ar2))


def numpy_setxor1d(ar1, ar2, assume_unique=False):
    """np.setxor1d(ar1, ar2, assume_unique=False)"""
    both = _joined(_elements(ar1, assume_unique), _elements(ar2, assume_unique))
    array_sort(both)
    alone = np.ones(both.size, np.bool_)
    for i in range(1, both.size):
        if both[i] == both[i - 1]:
            alone[i] = False
            alone[i - 1] = False
    return both[alone]


def numpy_isin(element, test_elements, assume_unique=False, invert=False, kind: "literal" = None):
    """np.isin(element, test_elements, assume_unique=False, invert=False)"""
    a = np.asarray(element)
    wanted = np.asarray(test_elements).flatten()
    array_sort(wanted)
    at = np.ravel(np.asarray(_search(wanted, a, False)))
    flat = np.ravel(a)
    found = np.empty(flat.size, np.bool_)
    for i in range(flat.size):
        found[i] = (at[i] < wanted.size and wanted[at[i]] == flat[i]) != invert
    return found.reshape(a.shape)


def numpy_setdiff1d(ar1, ar2, assume_unique=False):
    """np.setdiff1d(ar1, ar2, assume_unique=False)"""
    a = _elements(ar1, assume_unique)
    return a[numpy_isin(a, ar2, True, True)]


def numpy_bincount(x, weights=None, minlength=0):
    """np.bincount(x, weights=None, minlength=0)"""
    a = np.asarray(x)
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    size = minlength
    for i in a:
        if i < 0:
            raise ValueError("'list' argument must have no negative elements")
        size = max(size, np.int64(i) + 1)
    if weights is None:
        counts = np.zeros(size, np.int64)
        for i in a:
            counts[i] += 1
        return counts
    w = np.asarray(weights)
    if w.size != a.size:
        raise ValueError("The weights and list don't have the same length.")
    totals = np.zeros(size, np.float64)
    for k in range(a.size):
        totals[a[k]] += w[k]
    return totals


def numpy_histogram(a, bins=10, range=None, density: "literal" = None, weights=None):
    """np.histogram(a, bins=10, range=None, density=None, weights=None)"""
    # Of so many items NumPy adds up the weights by themselves.
    block = 65536
    given = np.asarray(a)
    flat = np.ravel(given)
    if isinstance(bins, int):
        edges = _uniform_edges(flat, bins, range, (flat[:0] / 1).dtype)
        if weights is None:
            counts = _uniform_counts(flat, edges)
        else:
            counts = _uniform_sums(flat, _weights(weights, given), edges, block)
    else:
        edges = np.asarray(bins)
        if weights is None:
            counts = _counts(flat, edges)
        else:
            counts = _sums(flat, _weights(weights, given), edges, block)
    if density:
        widths = (edges[1:] - edges[:-1]).astype(np.float64)
        return counts / widths / np.sum(counts), edges
    return counts, edges


def _weights(weights, a):
    w = np.asarray(weights)
    if w.shape != a.shape:
        raise ValueError("weights should have the same shape as a.")
    return np.ravel(w)


def _uniform_edges(flat, bins, range, dtype):
    if bins < 1:
        raise ValueError("`bins` must be positive, when an integer")
    if range is not None:
        first = range[0] + 0.0
        last = range[1] + 0.0
        if first > last:
            raise ValueError("max must be larger than min in range parameter.")
    elif flat.size == 0:
        first = 0.0
        last = 1.0
    else:
        first = np.min(flat) + 0.0
        last = np.max(flat) + 0.0
    if not (np.isfinite(first) and np.isfinite(last)):
        raise ValueError("the range of a histogram is not finite")
    if first == last:
        first = first - 0.5
        last = last + 0.5
    if range is not None:
        return np.linspace(first, last, bins + 1).astype(dtype)
    # Computed in the type of the elements.
    edges = np.arange(bins + 1).astype(dtype) * dtype.type(dtype.type(last - first) / bins)
    edges += dtype.type(first)
    edges[bins] = last
    return edges


def _uniform_counts(flat, edges):
    counts = np.zeros(edges.size - 1, np.int64)
    for x in flat:
        i = _uniform_bin(x, edges)
        if i >= 0:
            counts[i] += 1
    return counts


def _uniform_sums(flat, weights, edges, block):
    sums = np.zeros(edges.size - 1, weights.dtype)
    wide = np.zeros(edges.size - 1, (weights[:0] * np.float64(1)).dtype)
    for start in range(0, flat.size, block):
        wide[:] = 0
        for k in range(start, min(start + block, flat.size)):
            i = _uniform_bin(flat[k], edges)
            if i >= 0:
                wide[i] += weights[k]
        sums += wide.astype(weights.dtype)
    return sums


def _uniform_bin(x, edges):
    """The number of the interval, or -1."""
    bins = edges.size - 1
    first = edges[0]
    last = edges[bins]
    if not (first <= x <= last):
        return -1
    i = int((x - first) / (last - first) * bins)
    if i == bins:
        i -= 1
    # The edges are rounded: they decide.
    if x < edges[i]:
        i -= 1
    elif x >= edges[i + 1] and i != bins - 1:
        i += 1
    return i


def _counts(flat, edges):
    _check_edges(edges)
    row = flat.copy()
    array_sort(row)
    n = edges.size - 1
    counts = np.empty(n, np.int64)
    before = _search(row, edges[0], False)
    for i in range(n):
        # The last interval has both its edges.
        after = _search(row, edges[i + 1], i == n - 1)
        counts[i] = after - before
        before = after
    return counts


def _sums(flat, weights, edges, block):
    _check_edges(edges)
    totals = np.zeros(edges.size, weights.dtype)
    for start in range(0, flat.size, block):
        part = flat[start : start + block]
        order = np.argsort(part)
        row = part[order]
        sums = np.cumsum(weights[start : start + block][order])
        for i in range(edges.size):
            at = _search(row, edges[i], i == edges.size - 1)
            if at > 0:
                totals[i] += sums[at - 1]
    return np.diff(totals)


def _check_edges(edges):
    for i in range(1, edges.size):
        if edges[i] < edges[i - 1]:
            raise ValueError("`bins` must increase monotonically, when an array")
