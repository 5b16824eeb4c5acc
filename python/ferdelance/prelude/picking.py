"""NumPy's functions that take, put, leave out and insert elements by index or mask.

`a[index]` itself is the compiler's (`lower::index`): it checks arrays of indices, but no integers.
"""

import numpy as np


def _checked(indices, n, mode: "literal"):
    """Indices as `a[index]` takes them, of `n` items."""
    if isinstance(indices, int):
        index = int(indices)
    elif isinstance(indices, tuple) and len(indices) == 0:
        index = np.zeros(0, np.int64)
    else:
        index = np.asarray(indices)
        if index.dtype.kind == "f" or index.dtype.kind == "c":
            raise TypeError("indices must be integers")
        index = index.astype(np.int64, copy=False)
    if mode == "raise":
        if isinstance(index, int) and (index < -n or index >= n):
            raise IndexError("index is out of bounds for the axis")
        return index
    if n == 0:
        if np.size(index) > 0:
            raise IndexError("cannot do a non-empty take from an empty axes.")
        return index
    if mode == "wrap":
        return index % n
    if mode == "clip":
        return np.clip(index, 0, n - 1)
    raise ValueError("clipmode must be one of 'clip', 'raise', or 'wrap'")


def numpy_take(a, indices, axis: "literal" = None, out=None, mode: "literal" = "raise"):
    """np.take(a, indices, axis=None, out=None, mode="raise")"""
    if axis is None:
        flat = np.ravel(a)
        taken = flat[_checked(indices, flat.size, mode)]
    else:
        source = np.asarray(a)
        n = source.shape[np._wrapped(axis, source.ndim)]
        taken = np._along(source, _checked(indices, n, mode), axis)
    return np._into(out, taken)


def array_take(array, indices, axis: "literal" = None, out=None, mode: "literal" = "raise"):
    """array.take(indices, axis=None, out=None, mode="raise")"""
    return numpy_take(array, indices, axis, out, mode)


def numpy_put(a, ind, v, mode: "literal" = "raise"):
    """np.put(a, ind, v, mode="raise")"""
    places = np.ravel(_checked(ind, a.size, mode))
    values = np.ravel(v).astype(a.dtype)
    if values.size > 0:
        for k in range(places.size):
            a.flat[places[k]] = values[k % values.size]


def array_put(array, indices, values, mode: "literal" = "raise"):
    """array.put(indices, values, mode="raise")"""
    numpy_put(array, indices, values, mode)


def _everywhere_along(shape, index, axis: "literal", at: "literal"):
    """The index that takes items along an axis and stays where it is in the others."""
    if at == len(shape):
        return ()
    if at == axis:
        return (index,) + _everywhere_along(shape, index, axis, at + 1)
    here = np.arange(shape[at])[(None,) * at + (slice(None),) + (None,) * (len(shape) - 1 - at)]
    return (here,) + _everywhere_along(shape, index, axis, at + 1)


def _checked_along(a, indices, axis: "literal"):
    """The same along an axis."""
    if a.ndim != np.ndim(indices):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    return np.asarray(_checked(indices, a.shape[np._wrapped(axis, a.ndim)], "raise"))


def numpy_take_along_axis(arr, indices, axis: "literal" = -1):
    """np.take_along_axis(arr, indices, axis=-1)"""
    if axis is None:
        return numpy_take_along_axis(np.ravel(arr), np.asarray(indices), 0)
    a = np.asarray(arr)
    index = _checked_along(a, indices, axis)
    if np._is_constant(axis):
        return a[_everywhere_along(a.shape, index, axis % a.ndim, 0)]
    rows = np.moveaxis(a, axis, 0)
    taken = rows[_everywhere_along(rows.shape, np.moveaxis(index, axis, 0), 0, 0)]
    return np.ascontiguousarray(np.moveaxis(taken, 0, axis))


def numpy_put_along_axis(arr, indices, values, axis: "literal"):
    """np.put_along_axis(arr, indices, values, axis)"""
    if axis is None:
        places = _checked(np.ravel(indices), arr.size, "raise")
        new = np.broadcast_to(values, places.shape)
        for k in range(places.size):
            arr.flat[places[k]] = new[k]
    else:
        index = _checked_along(arr, indices, axis)
        if np._is_constant(axis):
            arr[_everywhere_along(arr.shape, index, axis % arr.ndim, 0)] = values
        else:
            new = np.moveaxis(np.broadcast_to(values, index.shape), axis, 0)
            rows = np.moveaxis(arr, axis, 0)
            rows[_everywhere_along(rows.shape, np.moveaxis(index, axis, 0), 0, 0)] = new


def numpy_place(arr, mask, vals):
    """np.place(arr, mask, vals)"""
    values = np.ravel(vals).astype(arr.dtype)
    chosen = np.ravel(mask)
    if chosen.size != arr.size:
        raise ValueError("place: mask and data must be the same size")
    at = 0
    for k in range(arr.size):
        if chosen[k]:
            if values.size == 0:
                raise ValueError("Cannot insert from an empty array!")
            arr.flat[k] = values[at]
            at += 1
            if at == values.size:
                at = 0


def numpy_putmask(a, mask, values):
    """np.putmask(a, mask, values)"""
    new = np.ravel(np.array(values)).astype(a.dtype)
    chosen = np.ravel(np.broadcast_to(mask, a.shape))
    if new.size > 0:
        for k in range(a.size):
            if chosen[k]:
                a.flat[k] = new[k % new.size]


def numpy_argwhere(a):
    """np.argwhere(a)"""
    if np.ndim(a) == 0:
        return np.zeros((1 if a else 0, 0), np.int64)
    return np.column_stack(np.nonzero(a))


def numpy_extract(condition, arr):
    """np.extract(condition, arr)"""
    return numpy_take(arr, np.flatnonzero(condition))


def numpy_compress(condition, a, axis: "literal" = None, out=None):
    """np.compress(condition, a, axis=None, out=None)"""
    return numpy_take(a, np.flatnonzero(condition), axis, out)


def array_compress(array, condition, axis: "literal" = None, out=None):
    """array.compress(condition, axis=None, out=None)"""
    return numpy_compress(condition, array, axis, out)


def _chosen(index, choices, at: "literal"):
    if at == len(choices) - 1:
        return choices[at]
    return np.where(index == at, choices[at], _chosen(index, choices, at + 1))


def numpy_choose(a, choices, out=None, mode: "literal" = "raise"):
    """np.choose(a, choices, out=None, mode="raise")"""
    n = len(choices)
    index = np.asarray(a)
    if mode == "raise":
        if np.any((index < 0) | (index >= n)):
            raise ValueError("invalid entry in choice array")
    else:
        index = np.asarray(_checked(index, n, mode))
    if isinstance(choices, tuple):
        if len(choices) == 1:
            shape = np.broadcast_shapes(index.shape, np.shape(choices[0]))
            return np._into(out, np.broadcast_to(choices[0], shape).copy())
        return np._into(out, _chosen(index, choices, 0))
    all_choices = np.stack(choices)
    shape = np.broadcast_shapes(index.shape, all_choices.shape[1:])
    full = np.broadcast_to(index, shape)[None, ...]
    missing = (None,) * (full.ndim - all_choices.ndim)
    spread = np.broadcast_to(all_choices[(slice(None),) + missing + (...,)], (n,) + shape)
    return np._into(out, numpy_take_along_axis(spread, full, 0)[0])


def array_choose(array, choices, out=None, mode: "literal" = "raise"):
    """array.choose(choices, out=None, mode="raise")"""
    return numpy_choose(array, choices, out, mode)


def _selected(conditions, choices, default):
    if len(conditions) == 0:
        return default
    return np.where(conditions[0], choices[0], _selected(conditions[1:], choices[1:], default))


def numpy_select(condlist, choicelist, default=0):
    """np.select(condlist, choicelist, default=0)"""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    if isinstance(condlist, tuple) and isinstance(choicelist, tuple):
        return _selected(condlist, choicelist, default)
    last = len(condlist) - 1
    result = np.where(condlist[last], choicelist[last], default)
    for k in range(last - 1, -1, -1):
        result = np.where(condlist[k], choicelist[k], result)
    return result


def _piece(x, result, condition, function):
    if callable(function):
        chosen = x[condition]
        if chosen.size > 0:
            result[condition] = function(chosen)
    else:
        result[condition] = function


def _pieces(x, result, conditions, functions, left):
    if len(conditions) > 0:
        _piece(x, result, conditions[0], functions[0])
        _pieces(x, result, conditions[1:], functions[1:], left & ~conditions[0])
    elif len(functions) == 1:
        _piece(x, result, left, functions[0])


def numpy_piecewise(x, condlist, funclist):
    """np.piecewise(x, condlist, funclist) of tuples, or lists that are written out"""
    x = np.asarray(x)
    conditions = condlist if isinstance(condlist, tuple) else (np.asarray(condlist),)
    if len(funclist) != len(conditions) and len(funclist) != len(conditions) + 1:
        raise ValueError("there are not as many functions as conditions, or one more")
    result = np.zeros_like(x)
    _pieces(x, result, conditions, funclist, np.ones(x.shape, np.bool_))
    return result


def numpy_apply_along_axis(func1d, axis, arr, *args):
    """np.apply_along_axis(func1d, axis, arr, *args)"""
    last = np.moveaxis(np.asarray(arr), axis, -1)
    outer = last.shape[:-1]
    rows = last.reshape(-1, last.shape[-1])
    if rows.shape[0] == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    first = func1d(rows[0], *args)
    item = np.asarray(first)
    results = np.empty((rows.shape[0],) + item.shape, item.dtype)
    results[0] = first
    for k in range(1, rows.shape[0]):
        results[k] = func1d(rows[k], *args)
    whole = results.reshape(outer + item.shape)
    if item.ndim == 0:
        return whole
    at = np._wrapped(axis, last.ndim)
    dims = np.arange(item.ndim)
    return np.moveaxis(whole, dims + (last.ndim - 1), dims + at)


def _over(func, a, axes: "literal"):
    if len(axes) == 0:
        return a
    reduced = func(a, axes[0])
    if reduced.ndim == a.ndim:
        return _over(func, reduced, axes[1:])
    return _over(func, np.expand_dims(reduced, axes[0] % a.ndim), axes[1:])


def numpy_apply_over_axes(func, a, axes: "literal"):
    """np.apply_over_axes(func, a, axes)"""
    if isinstance(axes, tuple):
        return _over(func, np.asarray(a), axes)
    return _over(func, np.asarray(a), (axes,))


def numpy_delete(arr, obj, axis: "literal" = None):
    """np.delete(arr, obj, axis=None)"""
    if axis is None:
        return numpy_delete(np.ravel(arr), obj, 0)
    a = np.asarray(arr)
    n = a.shape[np._wrapped(axis, a.ndim)]
    kept = np.ones(n, np.bool_)
    if isinstance(obj, slice):
        kept[obj] = False
    elif isinstance(obj, int):
        kept[_checked(obj, n, "raise")] = False
    else:
        gone = np.asarray(obj)
        if np._typestr(gone) == "b1":
            if gone.size != n:
                raise ValueError("boolean array argument obj to delete must be one dimensional")
            kept &= ~np.ravel(gone)
        elif gone.size > 0:
            kept[_checked(np.ravel(gone), n, "raise")] = False
    return np._along(a, np.nonzero(kept)[0], axis)


def _places(obj, n):
    """Where to insert, counted from the front."""
    if isinstance(obj, slice):
        places = np.arange(n)[obj]
    elif np._typestr(np.asarray(obj)) == "b1":
        places = np.flatnonzero(obj)
    else:
        places = np.ravel(np.array(obj)).astype(np.int64)
    for k in range(places.size):
        if places[k] < -n or places[k] > n:
            raise IndexError("index is out of bounds for the axis")
        if places[k] < 0:
            places[k] += n
    return places


def numpy_insert(arr, obj, values, axis: "literal" = None):
    """np.insert(arr, obj, values, axis=None)"""
    if axis is None:
        return numpy_insert(np.ravel(arr), obj, values, 0)
    a = np.asarray(arr)
    n = a.shape[np._wrapped(axis, a.ndim)]
    places = _places(obj, n)
    given = np.asarray(values).astype(a.dtype)
    new = given[(None,) * (a.ndim - given.ndim) + (...,)]
    if isinstance(obj, int):
        # With an integer for the place, values have the axis in front.
        new = np.moveaxis(new, 0, axis)
    if places.size == 1:
        # As many as there are values.
        at = places[0]
        count = new.shape[axis]
        result = np._new_along(a, n + count, axis)
        np._along(result, slice(0, at), axis)[...] = np._along(a, slice(0, at), axis)
        np._along(result, slice(at, at + count), axis)[...] = new
        np._along(result, slice(at + count, None), axis)[...] = np._along(a, slice(at, None), axis)
        return result
    result = np._new_along(a, n + places.size, axis)
    rows = np.moveaxis(a, axis, 0)
    target = np.moveaxis(result, axis, 0)
    new_rows = np.broadcast_to(np.moveaxis(new, axis, 0), (places.size,) + rows.shape[1:])
    # Several at one place keep their order.
    before = np.zeros(n + 2, np.int64)
    for k in range(places.size):
        before[places[k] + 1] += 1
    for k in range(n + 1):
        before[k + 1] += before[k]
    for k in range(n):
        target[k + before[k + 1]] = rows[k]
    for k in range(places.size):
        target[places[k] + before[places[k]]] = new_rows[k]
        before[places[k]] += 1
    return result


def _below(rows, columns, k):
    """Whether each element of a matrix is on a diagonal or below it."""
    return np.arange(rows)[:, None] >= np.arange(columns)[None, :] - k


def numpy_tril(m, k=0):
    """np.tril(m, k=0)"""
    a = np.asarray(m)
    rows = a.shape[0] if a.ndim == 1 else a.shape[-2]
    return np.where(_below(rows, a.shape[-1], k), a, a.dtype.type(0))


def numpy_triu(m, k=0):
    """np.triu(m, k=0)"""
    a = np.asarray(m)
    rows = a.shape[0] if a.ndim == 1 else a.shape[-2]
    return np.where(_below(rows, a.shape[-1], k - 1), a.dtype.type(0), a)


def numpy_tril_indices(n, k=0, m=None):
    """np.tril_indices(n, k=0, m=None)"""
    return np.nonzero(_below(n, n if m is None else m, k))


def numpy_triu_indices(n, k=0, m=None):
    """np.triu_indices(n, k=0, m=None)"""
    return np.nonzero(~_below(n, n if m is None else m, k - 1))


def numpy_tril_indices_from(arr, k=0):
    """np.tril_indices_from(arr, k=0)"""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return numpy_tril_indices(arr.shape[0], k, arr.shape[1])


def numpy_triu_indices_from(arr, k=0):
    """np.triu_indices_from(arr, k=0)"""
    if arr.ndim != 2:
        raise ValueError("input array must be 2-d")
    return numpy_triu_indices(arr.shape[0], k, arr.shape[1])


def numpy_mask_indices(n, mask_func, k=0):
    """np.mask_indices(n, mask_func, k=0)"""
    return np.nonzero(mask_func(np.ones((n, n), np.int64), k) != 0)


def numpy_diag_indices(n, ndim: "literal" = 2):
    """np.diag_indices(n, ndim=2)"""
    return (np.arange(n),) * ndim


def numpy_diag_indices_from(arr):
    """np.diag_indices_from(arr)"""
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    for n in arr.shape:
        if n != arr.shape[0]:
            raise ValueError("All dimensions of input must be of equal length")
    return numpy_diag_indices(arr.shape[0], arr.ndim)
