"""NumPy's functions that show arrays in other axes and shapes, or in parts: compositions of views.

Axes that are constants are the compiler's (`infer::views`); here are those that are known at run
time only. Tuples whose length depends on a number of dimensions are made by recursion.
"""

import numpy as np
from numpy.exceptions import AxisError


def numpy__into(out, value):
    """A result, written to `out` if there is one."""
    if out is None:
        return value
    out[...] = value
    return out


def numpy__wrapped(axis, ndim):
    """An axis counted from the front; for other files, too."""
    if axis < -ndim or axis >= ndim:
        raise AxisError("axis is out of bounds for the array")
    if axis < 0:
        return axis + ndim
    return axis


def numpy__along(a, index, axis: "literal"):
    """a[..., index, ...], the index being that of an axis: a view for an integer or a slice."""
    at = np._wrapped(axis, a.ndim)
    if np._is_constant(axis):
        return a[(slice(None),) * (axis % a.ndim) + (index,)]
    picked = np.moveaxis(a, at, 0)[index]
    if isinstance(index, int):
        return picked
    if isinstance(index, slice):
        return np.moveaxis(picked, 0, at)
    dims = np.arange(np.ndim(index))
    return np.ascontiguousarray(np.moveaxis(picked, dims, dims + at))


def _shape_with(shape, n, axis: "literal"):
    return shape[:axis] + (n,) + shape[axis + 1 :]


def numpy__new_along(a, n, axis: "literal"):
    """A new array like another one, but with `n` items along an axis."""
    if np._is_constant(axis):
        return np.empty(_shape_with(a.shape, n, axis % a.ndim), a.dtype)
    rows = np.empty((n,) + np.moveaxis(a, axis, 0).shape[1:], a.dtype)
    return np.moveaxis(rows, 0, axis)


def _wrapped_all(axes, ndim):
    """An axis or several, counted from the front, as an array."""
    wrapped = np.ravel(np.array(axes))
    found = np.zeros(ndim, np.bool_)
    for k in range(wrapped.size):
        wrapped[k] = np._wrapped(wrapped[k], ndim)
        if found[wrapped[k]]:
            raise ValueError("repeated axis")
        found[wrapped[k]] = True
    return wrapped


def numpy_moveaxis(a, source, destination):
    """np.moveaxis(a, source, destination)"""
    a = np.asarray(a)
    origin = _wrapped_all(source, a.ndim)
    target = _wrapped_all(destination, a.ndim)
    if origin.size != target.size:
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = np.full(a.ndim, -1)
    moved = np.zeros(a.ndim, np.bool_)
    for k in range(origin.size):
        order[target[k]] = origin[k]
        moved[origin[k]] = True
    at = 0
    for axis in range(a.ndim):
        if not moved[axis]:
            while order[at] >= 0:
                at += 1
            order[at] = axis
    return np.transpose(a, order)


def numpy_rollaxis(a, axis, start=0):
    """np.rollaxis(a, axis, start=0)"""
    a = np.asarray(a)
    origin = np._wrapped(axis, a.ndim)
    target = np._wrapped(start, a.ndim + 1) if start >= 0 else np._wrapped(start, a.ndim)
    if origin < target:
        target -= 1
    return numpy_moveaxis(a, origin, target)


def numpy_swapaxes(a, axis1, axis2):
    """np.swapaxes(a, axis1, axis2)"""
    a = np.asarray(a)
    first = np._wrapped(axis1, a.ndim)
    second = np._wrapped(axis2, a.ndim)
    order = np.arange(a.ndim)
    order[first] = second
    order[second] = first
    return np.transpose(a, order)


def array_swapaxes(array, axis1, axis2):
    """array.swapaxes(axis1, axis2)"""
    return numpy_swapaxes(array, axis1, axis2)


def numpy_expand_dims(a, axis):
    """np.expand_dims(a, axis)"""
    a = np.asarray(a)
    if isinstance(axis, tuple):
        axes = _wrapped_all(axis, a.ndim + len(axis))
        return np.moveaxis(
            a[(...,) + (None,) * len(axis)], np.arange(a.ndim, a.ndim + axes.size), axes
        )
    return np.moveaxis(a[..., None], -1, axis)


def numpy_squeeze(a, axis):
    """np.squeeze(a, axis)"""
    a = np.asarray(a)
    axes = _wrapped_all(axis, a.ndim)
    for k in axes:
        if a.shape[k] != 1:
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    moved = np.moveaxis(a, axes, np.arange(axes.size))
    if isinstance(axis, tuple):
        return moved[(0,) * len(axis)]
    return moved[0]


def array_squeeze(array, axis):
    """array.squeeze(axis)"""
    return numpy_squeeze(array, axis)


def numpy_flip(m, axis):
    """np.flip(m, axis)"""
    if isinstance(axis, tuple):
        if len(axis) == 0:
            return np.asarray(m)[...]
        _wrapped_all(axis, np.ndim(m))
        return numpy_flip(numpy_flip(m, axis[0]), axis[1:])
    return np.moveaxis(np.moveaxis(m, axis, 0)[::-1], 0, axis)


def numpy_rot90(m, k=1, axes=None):
    """np.rot90(m, k=1, axes=(0, 1))"""
    if axes is None:
        return numpy_rot90(m, k, (0, 1))
    front = np.moveaxis(m, axes, (0, 1))
    turns = k % 4
    if turns == 0:
        turned = np.rot90(front, 0)
    elif turns == 1:
        turned = np.rot90(front, 1)
    elif turns == 2:
        turned = np.rot90(front, 2)
    else:
        turned = np.rot90(front, 3)
    return np.moveaxis(turned, (0, 1), axes)


def _each(function, values):
    """A function of each item of a tuple."""
    if len(values) == 0:
        return ()
    return (function(values[0]),) + _each(function, values[1:])


def numpy_atleast_1d(*arys):
    """np.atleast_1d(*arys) of several arrays"""
    return _each(np.atleast_1d, arys)


def numpy_atleast_2d(*arys):
    """np.atleast_2d(*arys) of several arrays"""
    return _each(np.atleast_2d, arys)


def numpy_atleast_3d(*arys):
    """np.atleast_3d(*arys) of several arrays"""
    return _each(np.atleast_3d, arys)


def _broadcast_two(s, t):
    if len(s) < len(t):
        return _broadcast_two((1,) * (len(t) - len(s)) + s, t)
    if len(s) > len(t):
        return _broadcast_two(s, (1,) * (len(s) - len(t)) + t)
    if len(s) == 0:
        return ()
    n = s[0]
    m = t[0]
    if n != m and n != 1 and m != 1:
        raise ValueError("shape mismatch: objects cannot be broadcast to a single shape")
    return (m if n == 1 else n,) + _broadcast_two(s[1:], t[1:])


def numpy_broadcast_shapes(*args):
    """np.broadcast_shapes(*args)"""
    if len(args) == 0:
        return ()
    first = args[0] if isinstance(args[0], tuple) else (args[0],)
    return _broadcast_two(first, numpy_broadcast_shapes(*args[1:]))


def _broadcast_each(arrays, shape):
    if len(arrays) == 0:
        return ()
    return (np.broadcast_to(arrays[0], shape),) + _broadcast_each(arrays[1:], shape)


def numpy_broadcast_arrays(*args):
    """np.broadcast_arrays(*args)"""
    return _broadcast_each(args, numpy_broadcast_shapes(*_each(np.shape, args)))


def _bounds(where, n, equal: "literal"):
    """Where the parts of a split begin, and where the last one ends."""
    if isinstance(where, int):
        if where <= 0:
            raise ValueError("number sections must be larger than 0.")
        if equal and n % where != 0:
            raise ValueError("array split does not result in an equal division")
        bounds = np.empty(where + 1, np.int64)
        for k in range(where + 1):
            bounds[k] = k * (n // where) + min(k, n % where)
        return bounds
    places = np.asarray(where, np.int64)
    bounds = np.empty(places.size + 2, np.int64)
    bounds[0] = 0
    bounds[1:-1] = places
    bounds[-1] = n
    return bounds


def _parts(a, where, axis: "literal", equal: "literal"):
    bounds = _bounds(where, a.shape[np._wrapped(axis, a.ndim)], equal)
    parts = range(bounds.size - 1)
    return [np._along(a, slice(bounds[k], bounds[k + 1]), axis) for k in parts]


def numpy_array_split(ary, indices_or_sections, axis: "literal" = 0):
    """np.array_split(ary, indices_or_sections, axis=0)"""
    return _parts(np.asarray(ary), indices_or_sections, axis, False)


def numpy_split(ary, indices_or_sections, axis: "literal" = 0):
    """np.split(ary, indices_or_sections, axis=0)"""
    return _parts(np.asarray(ary), indices_or_sections, axis, True)


def numpy_vsplit(ary, indices_or_sections):
    """np.vsplit(ary, indices_or_sections)"""
    if np.ndim(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return numpy_split(ary, indices_or_sections, 0)


def numpy_hsplit(ary, indices_or_sections):
    """np.hsplit(ary, indices_or_sections)"""
    if np.ndim(ary) == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    if np.ndim(ary) == 1:
        return numpy_split(ary, indices_or_sections, 0)
    return numpy_split(ary, indices_or_sections, 1)


def numpy_dsplit(ary, indices_or_sections):
    """np.dsplit(ary, indices_or_sections)"""
    if np.ndim(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return numpy_split(ary, indices_or_sections, 2)


def numpy_unstack(x, axis: "literal" = 0):
    """np.unstack(x, axis=0), as a list"""
    return [row for row in np.moveaxis(x, axis, 0)]


def _windows(x, window, axis):
    """The windows along one axis, in a new last dimension."""
    if window < 0:
        raise ValueError("`window_shape` cannot contain negative values")
    last = np.moveaxis(x, axis, -1)
    n = last.shape[-1]
    if window > n:
        raise ValueError("window shape cannot be larger than input array shape")
    windows = np.lib.stride_tricks.as_strided(
        last, last.shape[:-1] + (n - window + 1, window), last.strides + (last.strides[-1],)
    )
    return np.moveaxis(windows, -2, axis)


def _all_windows(x, window, axes):
    if len(window) == 0:
        return x[...]
    return _all_windows(_windows(x, window[0], axes[0]), window[1:], axes[1:])


def _counted(ndim: "literal"):
    """(0, 1, .. ndim - 1)"""
    if ndim == 0:
        return ()
    return _counted(ndim - 1) + (ndim - 1,)


def _wrapped_each(axes, ndim):
    if len(axes) == 0:
        return ()
    return (np._wrapped(axes[0], ndim),) + _wrapped_each(axes[1:], ndim)


def numpy_lib_stride_tricks_sliding_window_view(
    x, window_shape, axis=None, subok=False, writeable: "literal" = False
):
    """sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False)"""
    x = np.asarray(x)
    window = window_shape if isinstance(window_shape, tuple) else (window_shape,)
    if axis is None:
        axes = _counted(x.ndim)
    else:
        axes = _wrapped_each(axis if isinstance(axis, tuple) else (axis,), x.ndim)
    if len(window) != len(axes):
        raise ValueError("Must provide one window for each axis")
    view = _all_windows(x, window, axes)
    if writeable:
        return view
    return np.lib.stride_tricks.as_strided(view, writeable=False)


def numpy_resize(a, new_shape):
    """np.resize(a, new_shape)"""
    source = np.ravel(a)
    shape = new_shape if isinstance(new_shape, tuple) else (new_shape,)
    total = 1
    for n in shape:
        if n < 0:
            raise ValueError("all elements of `new_shape` must be non-negative")
        total *= n
    result = np.zeros(total, source.dtype)
    if source.size > 0:
        for start in range(0, total, source.size):
            n = min(source.size, total - start)
            result[start : start + n] = source[:n]
    return result.reshape(shape)


def numpy_roll(a, shift, axis: "literal" = None):
    """np.roll(a, shift, axis=None)"""
    a = np.asarray(a)
    if axis is None:
        if isinstance(shift, tuple):
            return numpy_roll(a, sum(shift))
        return numpy_roll(np.ravel(a), shift, 0).reshape(a.shape)
    if isinstance(axis, tuple) or isinstance(shift, tuple):
        axes = axis if isinstance(axis, tuple) else (axis,)
        shifts = shift if isinstance(shift, tuple) else (shift,)
        if len(shifts) == 1:
            return _roll_axes(a, shifts * len(axes), axes)
        if len(axes) == 1:
            return _roll_axes(a, shifts, axes * len(shifts))
        if len(axes) != len(shifts):
            raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
        return _roll_axes(a, shifts, axes)
    result = np.empty_like(a)
    n = a.shape[np._wrapped(axis, a.ndim)]
    if n > 0:
        k = shift % n
        np._along(result, slice(k, None), axis)[...] = np._along(a, slice(0, n - k), axis)
        np._along(result, slice(0, k), axis)[...] = np._along(a, slice(n - k, None), axis)
    return result


def _roll_axes(a, shifts, axes: "literal"):
    if len(axes) == 0:
        return np.copy(a)
    return _roll_axes(numpy_roll(a, shifts[0], axes[0]), shifts[1:], axes[1:])


def numpy_trim_zeros(filt, trim="fb"):
    """np.trim_zeros(filt, trim="fb") of one dimension"""
    a = np.asarray(filt)
    if a.ndim != 1:
        raise ValueError("trim_zeros() of more than one dimension")
    start = 0
    stop = a.size
    if "f" in trim or "F" in trim:
        while start < stop and a[start] == 0:
            start += 1
    if "b" in trim or "B" in trim:
        while stop > start and a[stop - 1] == 0:
            stop -= 1
    return a[start:stop]


def _offsets(index, dims, mode: "literal"):
    """The position of indices in C order."""
    if len(dims) == 0:
        return 0
    last = index[-1]
    n = dims[-1]
    if mode == "wrap":
        here = last % n
    elif mode == "clip":
        here = np.clip(last, 0, n - 1)
    else:
        if np.any((np.asarray(last) < 0) | (np.asarray(last) >= n)):
            raise ValueError("invalid entry in coordinates array")
        here = last
    return here + n * _offsets(index[:-1], dims[:-1], mode)


def numpy_ravel_multi_index(multi_index, dims, mode: "literal" = "raise", order: "literal" = "C"):
    """np.ravel_multi_index(multi_index, dims, mode="raise", order="C")"""
    shape = dims if isinstance(dims, tuple) else (dims,)
    if order == "F":
        return _offsets(multi_index[::-1], shape[::-1], mode)
    return _offsets(multi_index, shape, mode)


def _unraveled(index, shape):
    if len(shape) == 1:
        return (index,)
    return _unraveled(index // shape[-1], shape[:-1]) + (index % shape[-1],)


def numpy_unravel_index(indices, shape, order: "literal" = "C"):
    """np.unravel_index(indices, shape, order="C")"""
    dims = shape if isinstance(shape, tuple) else (shape,)
    size = 1
    for n in dims:
        size *= n
    index = indices if isinstance(indices, int) else np.asarray(indices)
    if np.any((np.asarray(index) < 0) | (np.asarray(index) >= size)):
        raise ValueError("index is out of bounds for the array's size")
    if order == "F":
        return _unraveled(index, dims[::-1])[::-1]
    return _unraveled(index, dims)
