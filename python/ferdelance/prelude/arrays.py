"""NumPy's functions and methods that make arrays and describe them, made of simpler ones.

What shows an array in another shape, and `np.array` itself, is the compiler's (`infer::views`,
`infer::creation`).
"""

import numpy as np


def numpy_shape(a):
    """np.shape(a)"""
    return np.asarray(a).shape


def numpy_size(a):
    """np.size(a)"""
    return np.asarray(a).size


def array_fill(array, value):
    """array.fill(value)"""
    array[...] = value


def array_nonzero(array):
    """array.nonzero()"""
    return np.nonzero(array)


def array_item(array, *index):
    """array.item(*index)"""
    if len(index) == 0:
        if array.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return array.flat[0]
    if len(index) == 1:
        return _item_at(array, index[0])
    return array[index]


def _item_at(array, index):
    if isinstance(index, tuple):
        return array[index]
    return array.flat[index]


def array_tolist(array):
    """array.tolist()"""
    if array.ndim == 0:
        return array.flat[0]
    if array.ndim == 1:
        if array.dtype.kind == "V":
            return [x.item() for x in array]
        return [x for x in array]
    return [array_tolist(row) for row in array]


def array_tobytes(array, order: "literal" = "C"):
    """array.tobytes(order="C")"""
    return np._buffer(array.flatten(order).view(np.uint8), "bytes")


def array_byteswap(array):
    """array.byteswap()"""
    width = array.itemsize
    if np.iscomplexobj(array):
        width = width // 2
    swapped = array.flatten().view(np.uint8).reshape(-1, width)[:, ::-1].copy()
    return swapped.reshape(-1).view(array.dtype).reshape(array.shape)


def numpy_flatnonzero(a):
    """np.flatnonzero(a)"""
    return np.nonzero(np.ravel(a))[0]


def numpy_asarray_chkfinite(a, dtype: "literal" = None, order: "literal" = None):
    """np.asarray_chkfinite(a, dtype=None, order=None)"""
    result = np.asarray(a, dtype, order)
    if not np.all(np.isfinite(result)):
        raise ValueError("array must not contain infs or NaNs")
    return result


def numpy_fromiter(iter, dtype: "literal", count=-1):
    """np.fromiter(iter, dtype, count=-1)"""
    values = [x for x in iter]
    if count > len(values):
        raise ValueError("iterator too short: expected more items")
    result = np.empty(len(values) if count < 0 else count, dtype)
    for k in range(result.size):
        result[k] = values[k]
    return result


def numpy_linspace(
    start,
    stop,
    num=50,
    endpoint: "literal" = True,
    retstep: "literal" = False,
    dtype: "literal" = None,
    axis: "literal" = 0,
):
    """np.linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0)"""
    if num < 0:
        raise ValueError("Number of samples must be non-negative.")
    first = _number_or_array(start)
    last = _number_or_array(stop)
    div = num - 1 if endpoint else num
    delta = last * 1.0 - first
    counted = np.empty(num)
    counted[:] = np.arange(num)
    steps = counted[(slice(None),) + (None,) * np.ndim(delta)]
    if div > 0:
        step = delta / div
        if np.any(step == 0):
            values = steps / div * delta + first
        else:
            values = steps * step + first
    else:
        step = delta * np.nan
        values = steps * delta + first
    if endpoint and num > 1:
        values[num - 1] = last
    values = np.moveaxis(values, 0, axis)
    if dtype is not None:
        result = _to_dtype(values, dtype)
    else:
        result = values
    if retstep:
        return result, step
    return result


def _number_or_array(x):
    if np.ndim(x) == 0:
        return x
    return np.asarray(x)


def _to_dtype(values, dtype: "literal"):
    if np.dtype(dtype).kind == "i" or np.dtype(dtype).kind == "u":
        return np.floor(values).astype(dtype)
    return values.astype(dtype)


def numpy_logspace(
    start, stop, num=50, endpoint: "literal" = True, base=10.0, dtype: "literal" = None
):
    """np.logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None)"""
    values = np.power(base, numpy_linspace(start, stop, num, endpoint))
    if dtype is not None:
        return values.astype(dtype)
    return values


def numpy_geomspace(start, stop, num=50, endpoint: "literal" = True, dtype: "literal" = None):
    """np.geomspace(start, stop, num=50, endpoint=True, dtype=None)"""
    if start == 0 or stop == 0:
        raise ValueError("Geometric sequence cannot include zero")
    first = start * 1.0
    last = stop * 1.0
    sign = first / abs(first)
    first = first / sign
    last = last / sign
    values = np.power(10.0, numpy_linspace(np.log10(first), np.log10(last), num, endpoint))
    if num > 0:
        values[0] = first
        if endpoint and num > 1:
            values[num - 1] = last
    values = values * sign
    if dtype is not None:
        return values.astype(dtype)
    return values


def numpy_eye(N, M=None, k=0, dtype: "literal" = "f8", order: "literal" = "C"):
    """np.eye(N, M=None, k=0, dtype=float, order="C")"""
    columns = N if M is None else M
    result = np.zeros((N, columns), dtype, order)
    for row in range(max(0, -k), min(N, columns - k)):
        result[row, row + k] = 1
    return result


def numpy_identity(n, dtype: "literal" = None):
    """np.identity(n, dtype=None)"""
    return numpy_eye(n, None, 0, dtype)


def numpy_tri(N, M=None, k=0, dtype: "literal" = "f8"):
    """np.tri(N, M=None, k=0, dtype=float)"""
    columns = N if M is None else M
    result = np.zeros((N, columns), dtype)
    for row in range(N):
        for column in range(min(columns, max(0, row + k + 1))):
            result[row, column] = 1
    return result


def numpy_diag(v, k=0):
    """np.diag(v, k=0)"""
    a = np.asarray(v)
    if a.ndim == 1:
        n = a.size + abs(k)
        result = np.zeros((n, n), a.dtype)
        for i in range(a.size):
            result[i + max(0, -k), i + max(0, k)] = a[i]
        return result
    return np.diagonal(a, k)


def numpy_diagflat(v, k=0):
    """np.diagflat(v, k=0)"""
    return numpy_diag(np.ravel(v), k)


def numpy_fill_diagonal(a, val, wrap=False):
    """np.fill_diagonal(a, val, wrap=False)"""
    values = np.ravel(val)
    if a.ndim == 2:
        step = a.shape[1] + 1
        end = a.size if wrap else min(a.size, a.shape[1] * a.shape[1])
    else:
        step = 1
        count = 1
        for n in a.shape:
            if n != a.shape[0]:
                raise ValueError("All dimensions of input must be of equal length")
        for _ in range(a.ndim - 1):
            count = count * a.shape[0]
            step = step + count
        end = a.size
    at = 0
    for i in range(0, end, step):
        a.flat[i] = values[at]
        at = at + 1
        if at == values.size:
            at = 0


def numpy_vander(x, N=None, increasing=False):
    """np.vander(x, N=None, increasing=False)"""
    x = np.asarray(x)
    columns = x.size if N is None else N
    result = np.ones((x.size, columns), np.promote_types(x.dtype, np.int64))
    for i in range(x.size):
        for j in range(1, columns):
            if increasing:
                result[i, j] = result[i, j - 1] * x[i]
            else:
                result[i, columns - 1 - j] = result[i, columns - j] * x[i]
    return result


def _open_grid(xi, at: "literal", ndim: "literal"):
    """Arrays along one axis each."""
    if at == ndim:
        return ()
    first = np.ravel(xi[at])[(None,) * at + (slice(None),) + (None,) * (ndim - 1 - at)]
    return (first,) + _open_grid(xi, at + 1, ndim)


def _copies(arrays):
    if len(arrays) == 0:
        return ()
    return (np.copy(arrays[0]),) + _copies(arrays[1:])


def _swapped(arrays):
    """With the first two dimensions exchanged."""
    if len(arrays) == 0:
        return ()
    return (np.swapaxes(arrays[0], 0, 1),) + _swapped(arrays[1:])


def numpy_meshgrid(
    *xi, copy: "literal" = True, sparse: "literal" = False, indexing: "literal" = "xy"
):
    """np.meshgrid(*xi, copy=True, sparse=False, indexing="xy")"""
    grid = _open_grid(xi, 0, len(xi))
    if indexing == "xy" and len(xi) > 1:
        grid = _swapped(grid)
    if not sparse:
        grid = np.broadcast_arrays(*grid)
    if copy:
        return _copies(grid)
    return grid


def _ranges(dimensions, dtype: "literal"):
    if len(dimensions) == 0:
        return ()
    return (np.arange(dimensions[0]).astype(dtype),) + _ranges(dimensions[1:], dtype)


def numpy_indices(dimensions, dtype: "literal" = "i8", sparse: "literal" = False):
    """np.indices(dimensions, dtype=int, sparse=False)"""
    grid = _open_grid(_ranges(dimensions, dtype), 0, len(dimensions))
    if sparse:
        return grid
    return np.stack(np.broadcast_arrays(*grid))


def numpy_fromfunction(function, shape, dtype: "literal" = "f8"):
    """np.fromfunction(function, shape, dtype=float)"""
    grid = _open_grid(_ranges(shape, dtype), 0, len(shape))
    return function(*np.broadcast_arrays(*grid))


def _positions(index):
    a = np.asarray(index)
    if a.ndim != 1:
        raise ValueError("Cross index must be 1 dimensional")
    if np._typestr(a) == "b1":
        return np.nonzero(a)[0]
    return a


def _all_positions(args):
    if len(args) == 0:
        return ()
    return (_positions(args[0]),) + _all_positions(args[1:])


def numpy_ix_(*args):
    """np.ix_(*args)"""
    return _open_grid(_all_positions(args), 0, len(args))


def numpy_array(
    object,
    dtype: "literal" = None,
    copy: "literal" = True,
    order: "literal" = None,
    subok=False,
    ndmin: "literal" = 0,
):
    """np.array(object) of tuples as records, or with more dimensions than the object has"""
    if dtype is not None and np.dtype(dtype).kind == "V" and not isinstance(object, np.ndarray):
        a = _records(object, dtype)
    else:
        a = np.array(object, dtype, copy=copy, order=order)
    return a[(None,) * (ndmin - a.ndim) + (...,)]


def _records(object, dtype: "literal"):
    if np.ndim(object) == 1:
        result = np.empty((), dtype)
        result[()] = object
    else:
        result = np.empty(len(object), dtype)
        for i in range(len(object)):
            result[i] = object[i]
    return result


def numpy_full(shape, fill_value, dtype: "literal" = None, order: "literal" = "C"):
    """np.full(shape, fill_value) with an array"""
    values = np.asarray(fill_value, dtype)
    result = np.empty(shape, values.dtype, order)
    result[...] = values
    return result


def numpy_full_like(
    a, fill_value, dtype: "literal" = None, order: "literal" = "K", subok=True, shape=None
):
    """np.full_like(a, fill_value) with an array"""
    result = np.empty_like(a, dtype, order, subok, shape)
    result[...] = fill_value
    return result


def _flat_items(arrays):
    if len(arrays) == 0:
        return ()
    return (np.ravel(arrays[0]),) + _flat_items(arrays[1:])


def _items_at(arrays, k):
    if len(arrays) == 0:
        return ()
    return (arrays[0][k],) + _items_at(arrays[1:], k)


def numpy_vectorize(pyfunc):
    """np.vectorize(pyfunc) of a function with a single result"""

    def vectorized(*args):
        arrays = np.broadcast_arrays(*args)
        items = _flat_items(arrays)
        if items[0].size == 0:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        first = pyfunc(*_items_at(items, 0))
        results = np.full(items[0].size, first)
        for k in range(1, results.size):
            results[k] = pyfunc(*_items_at(items, k))
        return results.reshape(arrays[0].shape)

    return vectorized
