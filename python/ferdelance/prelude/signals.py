"""Sampled functions: convolution, windows, differences, integrals, covariance."""

import math

import numpy as np

# convolution --------------------------------------------------------------------------------------


def _convolved(a, v, start, count):
    """Items `start` .. `start + count` of the convolution, of which `v` is the shorter part."""
    result = np.zeros(count, np.result_type(a, v))
    n = a.size
    m = v.size
    if m == 0 or n == 0:
        raise ValueError("a cannot be empty" if n == 0 else "v cannot be empty")
    # Each item of the shorter array adds a multiple of the other one.
    for j in range(m):
        first = max(start, j)
        last = min(start + count, n + j)
        if first < last:
            result[first - start : last - start] += a[first - j : last - j] * v[j]
    return result


def _window_of(mode, n, m, swapped):
    """Which items of a convolution a mode keeps: the first, and how many."""
    if mode == "full":
        return 0, n + m - 1
    if mode == "same":
        return (m // 2 if swapped else (m - 1) // 2), n
    if mode == "valid":
        return m - 1, n - m + 1
    raise ValueError("mode must be one of 'valid', 'same', or 'full' (got '" + mode + "')")


def numpy_convolve(a, v, mode="full"):
    """np.convolve(a, v, mode="full")"""
    x = np.atleast_1d(a)
    y = np.atleast_1d(v)
    if y.size > x.size:
        start, count = _window_of(mode, y.size, x.size, False)
        return _convolved(y, x, start, count)
    start, count = _window_of(mode, x.size, y.size, False)
    return _convolved(x, y, start, count)


def numpy_correlate(a, v, mode="valid"):
    """np.correlate(a, v, mode="valid")"""
    x = np.atleast_1d(a)
    y = np.conj(np.atleast_1d(v))[::-1]
    if y.size > x.size:
        start, count = _window_of(mode, y.size, x.size, True)
        return _convolved(y, x, start, count)
    start, count = _window_of(mode, x.size, y.size, False)
    return _convolved(x, y, start, count)


# windows ------------------------------------------------------------------------------------------


def _centred(M):
    """The places of a window: 1 - M, 3 - M .. M - 1."""
    return np.arange(1.0 - M, M, 2)


def numpy_bartlett(M):
    """np.bartlett(M)"""
    if M == 1:
        return np.ones(1)
    n = _centred(M)
    return np.where(n <= 0, 1 + n / (M - 1), 1 - n / (M - 1))


def numpy_blackman(M):
    """np.blackman(M)"""
    if M == 1:
        return np.ones(1)
    n = _centred(M)
    angle = np.pi * n / (M - 1)
    return 0.42 + 0.5 * np.cos(angle) + 0.08 * np.cos(2.0 * np.pi * n / (M - 1))


def numpy_hamming(M):
    """np.hamming(M)"""
    if M == 1:
        return np.ones(1)
    return 0.54 + 0.46 * np.cos(np.pi * _centred(M) / (M - 1))


def numpy_hanning(M):
    """np.hanning(M)"""
    if M == 1:
        return np.ones(1)
    return 0.5 + 0.5 * np.cos(np.pi * _centred(M) / (M - 1))


def _bessel_i0(x):
    """The modified Bessel function of order 0: a series of positive terms, (x / 2)**2k / k!**2."""
    square = x * x / 4
    term = 1.0
    total = 1.0
    k = 1
    while term > total * 1e-17:
        term *= square / (k * k)
        total += term
        k += 1
    return total


def numpy_i0(x):
    """np.i0(x)"""
    values = np.array(x, np.float64)
    flat = np.ravel(values)
    for k in range(flat.size):
        flat[k] = _bessel_i0(flat[k])
    return flat.reshape(values.shape)[()]


def numpy_kaiser(M, beta):
    """np.kaiser(M, beta)"""
    if M == 1:
        return np.ones(1)
    window = np.arange(0.0, M)
    alpha = (M - 1) / 2.0
    total = _bessel_i0(float(beta))
    for k in range(window.size):
        inner = 1 - ((k - alpha) / alpha) ** 2.0
        window[k] = _bessel_i0(beta * math.sqrt(inner)) / total
    return window


# differences and integrals ------------------------------------------------------------------------


def numpy_ediff1d(ary, to_end=None, to_begin=None):
    """np.ediff1d(ary, to_end=None, to_begin=None)"""
    a = np.ravel(ary)
    steps = a[1:] - a[:-1]
    if to_begin is not None and to_end is not None:
        return np.concatenate((_as_items(to_begin, a), steps, _as_items(to_end, a)))
    if to_begin is not None:
        return np.concatenate((_as_items(to_begin, a), steps))
    if to_end is not None:
        return np.concatenate((steps, _as_items(to_end, a)))
    return steps


def _as_items(values, a):
    if not np.can_cast(np.asarray(values).dtype, a.dtype, "same_kind"):
        np._refuse("dtype of `to_begin` or `to_end` must be compatible with input `ary`")
    return np.ravel(values).astype(a.dtype)


def numpy_trapezoid(y, x=None, dx=1.0, axis: "literal" = -1):
    """np.trapezoid(y, x=None, dx=1.0, axis=-1)"""
    values = np._axes_last(np.asarray(y), (axis,))
    pairs = values[..., 1:] + values[..., :-1]
    if x is None:
        return np.sum(dx * pairs / 2.0, axis=-1)
    places = np.asarray(x)
    if places.ndim > 1:
        places = np._axes_last(places, (axis,))
    return np.sum((places[..., 1:] - places[..., :-1]) * pairs / 2.0, axis=-1)


def numpy_trapz(y, x=None, dx=1.0, axis: "literal" = -1):
    """np.trapz, as np.trapezoid was called"""
    return numpy_trapezoid(y, x, dx, axis)


def numpy_gradient(f, *varargs, axis: "literal" = None, edge_order: "literal" = 1):
    """np.gradient(f, *varargs, axis=None, edge_order=1); a tuple for several axes"""
    a = _inexact(np.asarray(f))
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if axis is None:
        if a.ndim == 1:
            return _gradient_along(a, _distance(varargs, 0, 1), 0, edge_order)
        return _gradients(a, varargs, 0, edge_order)
    if isinstance(axis, tuple):
        return _gradients_along(a, varargs, axis, 0, edge_order)
    return _gradient_along(a, _distance(varargs, 0, 1), axis, edge_order)


def _inexact(a):
    if a.dtype.kind == "f" or a.dtype.kind == "c":
        return a
    return a.astype(np.float64)


def _distance(distances, at: "literal", axes: "literal"):
    if len(distances) == 0:
        return 1.0
    if len(distances) == 1 and axes > 1:
        if np.ndim(distances[0]) > 0:
            np._refuse(
                "np.gradient() takes one distance for all axes, or something for each of them"
            )
        return distances[0]
    if len(distances) != axes:
        np._refuse("np.gradient() takes one distance for all axes, or something for each of them")
    return distances[at]


def _gradients(a, distances, at: "literal", edge_order: "literal"):
    if at == a.ndim:
        return ()
    first = _gradient_along(a, _distance(distances, at, a.ndim), at, edge_order)
    return (first,) + _gradients(a, distances, at + 1, edge_order)


def _gradients_along(a, distances, axes: "literal", at: "literal", edge_order: "literal"):
    if at == len(axes):
        return ()
    first = _gradient_along(a, _distance(distances, at, len(axes)), axes[at], edge_order)
    return (first,) + _gradients_along(a, distances, axes, at + 1, edge_order)


def _gradient_along(a, distance, axis: "literal", edge_order: "literal"):
    result = np.empty_like(a)
    # Views whose first dimension is the axis.
    f = np.moveaxis(a, axis, 0)
    g = np.moveaxis(result, axis, 0)
    n = f.shape[0]
    if n < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    if np.ndim(distance) == 0:
        _even_gradient(f, g, distance, edge_order)
    else:
        places = np.asarray(distance)
        if places.size != n:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        steps = np.diff(places) * 1.0
        if np.all(steps == steps[0]):
            _even_gradient(f, g, steps[0], edge_order)
        else:
            _uneven_gradient(f, g, steps, edge_order)
    return result


def _even_gradient(f, g, h, edge_order: "literal"):
    g[1:-1] = (f[2:] - f[:-2]) / (2.0 * h)
    if edge_order == 1:
        g[0] = (f[1] - f[0]) / h
        g[-1] = (f[-1] - f[-2]) / h
    else:
        g[0] = -1.5 / h * f[0] + 2.0 / h * f[1] + -0.5 / h * f[2]
        g[-1] = 0.5 / h * f[-3] + -2.0 / h * f[-2] + 1.5 / h * f[-1]


def _uneven_gradient(f, g, steps, edge_order: "literal"):
    for i in range(1, f.shape[0] - 1):
        h = steps[i - 1]
        k = steps[i]
        g[i] = (
            -k / (h * (h + k)) * f[i - 1] + (k - h) / (h * k) * f[i] + h / (k * (h + k)) * f[i + 1]
        )
    if edge_order == 1:
        g[0] = (f[1] - f[0]) / steps[0]
        g[-1] = (f[-1] - f[-2]) / steps[-1]
    else:
        h = steps[0]
        k = steps[1]
        g[0] = (
            -(2.0 * h + k) / (h * (h + k)) * f[0]
            + (h + k) / (h * k) * f[1]
            - h / (k * (h + k)) * f[2]
        )
        h = steps[-2]
        k = steps[-1]
        g[-1] = (
            k / (h * (h + k)) * f[-3]
            - (k + h) / (h * k) * f[-2]
            + (2.0 * k + h) / (k * (h + k)) * f[-1]
        )


# covariance ---------------------------------------------------------------------------------------


def _variables(m, rowvar, by_rows: "literal"):
    """The variables as the rows of a matrix."""
    a = np.asarray(m)
    if a.ndim > 2:
        np._refuse("m has more than 2 dimensions")
    if a.dtype.kind == "U" or a.dtype.kind == "S":
        np._refuse("np.cov() takes numbers: the dtype of the array is that of texts")
    if np.iscomplexobj(a):
        x = a.astype(np.complex128)
    else:
        x = a.astype(np.float64)
    if x.ndim == 1:
        return x[None, :]
    if rowvar:
        return np.array(x, order="C")
    if by_rows and x.shape[0] == 1:
        return np.array(x, order="C")
    return np.array(x.T, order="C")


def _both_variables(m, y, rowvar):
    if y is None:
        return _variables(m, rowvar, False)
    return np.concatenate((_variables(m, rowvar, False), _variables(y, rowvar, True)), axis=0)


def numpy_cov(
    m,
    y=None,
    rowvar=True,
    bias=False,
    ddof=None,
    fweights=None,
    aweights=None,
    dtype: "literal" = None,
):
    """np.cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, ...)"""
    c = _covariance(_both_variables(m, y, rowvar), bias, ddof, fweights, aweights)
    if dtype is not None:
        c = c.astype(dtype)
    if np.ndim(m) < 2 and y is None:
        return c[0, 0:1].reshape(())
    return c


def _covariance(x, bias, ddof, fweights, aweights):
    if x.shape[0] == 0:
        return np.zeros((0, 0), x.dtype)
    if ddof is not None:
        missing = ddof
    elif bias:
        missing = 0
    else:
        missing = 1
    if fweights is None and aweights is None:
        factor = float(x.shape[1] - missing)
        centred = x - np.mean(x, axis=1, keepdims=True)
        weighted = centred
    else:
        w = _weights(x, fweights, aweights)
        total = np.sum(w)
        if missing == 0:
            factor = total
        elif aweights is None:
            factor = total - missing
        else:
            factor = total - missing * np.sum(w * np.asarray(aweights)) / total
        centred = x - (np.sum(x * w, axis=1, keepdims=True) / total)
        weighted = centred * w
    c = centred @ np.conj(weighted.T)
    return c * (1 / np.maximum(factor, 0.0))


def _weights(x, fweights, aweights):
    w = np.ones(x.shape[1])
    if fweights is not None:
        w = w * _checked_weights(x, fweights)
    if aweights is not None:
        w = w * _checked_weights(x, aweights)
    return w


def _checked_weights(x, weights):
    w = np.asarray(weights)
    if w.ndim > 1:
        np._refuse("cannot handle multidimensional weights")
    if w.shape[0] != x.shape[1]:
        raise RuntimeError("incompatible numbers of samples and weights")
    if np.any(w < 0):
        raise ValueError("weights cannot be negative")
    return w


def numpy_corrcoef(x, y=None, rowvar=True, dtype: "literal" = None):
    """np.corrcoef(x, y=None, rowvar=True, dtype=None)"""
    c = _covariance(_both_variables(x, y, rowvar), False, None, None, None)
    if np.ndim(x) < 2 and y is None:
        return (c[0, 0] / c[0, 0]) + 0.0
    deviation = np.sqrt(np.copy(np.real(np.diagonal(c))))
    r = c / deviation[:, None] / deviation[None, :]
    if np.iscomplexobj(r):
        r = np.clip(r.real, -1, 1) + 1j * np.clip(r.imag, -1, 1)
    else:
        r = np.clip(r, -1, 1)
    if dtype is not None:
        return r.astype(dtype)
    return r
