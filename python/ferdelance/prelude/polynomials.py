"""Polynomials: numpy.polynomial.polynomial, whose coefficients begin with the lowest power, and the
functions of NumPy itself (np.polyval and others), whose coefficients begin with the highest.
"""

import numpy as np

# series, the lowest power first -------------------------------------------------------------------


def numpy_polynomial_polyutils_trimseq(seq):
    """polyutils.trimseq(seq)"""
    a = np.asarray(seq)
    n = a.size
    while n > 1 and a[n - 1] == 0:
        n -= 1
    return a[:n]


def _series(c):
    """Coefficients as floats, in one dimension."""
    a = np.atleast_1d(c)
    if a.size == 0:
        raise ValueError("Coefficient array is empty")
    if a.ndim != 1:
        np._refuse("Coefficient array is not 1-d")
    if a.dtype.kind == "f" or a.dtype.kind == "c":
        return a
    return a.astype(np.float64)


def numpy_polynomial_polyutils_as_series(alist, trim=True):
    """polyutils.as_series(alist, trim=True)"""
    if isinstance(alist, tuple):
        return _each_as_series(alist, alist, trim)
    return [_as_series(row, trim) for row in alist]


def _as_series(c, trim):
    a = _series(c)
    if trim:
        return np.copy(numpy_polynomial_polyutils_trimseq(a))
    return np.copy(a)


def _each_as_series(arrays, left, trim):
    """A list of the series of a tuple, all of one type."""
    dtype = np.result_type(*_all_series(arrays))
    return [_as_series(a, trim).astype(dtype) for a in _all_series(left)]


def _all_series(arrays):
    if len(arrays) == 0:
        return ()
    return (_series(arrays[0]),) + _all_series(arrays[1:])


def _trimmed(c):
    return np.copy(numpy_polynomial_polyutils_trimseq(_series(c)))


def numpy_polynomial_polynomial_polyadd(c1, c2):
    """polynomial.polyadd(c1, c2)"""
    a = _trimmed(c1)
    b = _trimmed(c2)
    result = np.zeros(max(a.size, b.size), np.result_type(a, b))
    result[: a.size] += a
    result[: b.size] += b
    return numpy_polynomial_polyutils_trimseq(result)


def numpy_polynomial_polynomial_polysub(c1, c2):
    """polynomial.polysub(c1, c2)"""
    return numpy_polynomial_polynomial_polyadd(c1, -_trimmed(c2))


def numpy_polynomial_polynomial_polymul(c1, c2):
    """polynomial.polymul(c1, c2)"""
    return numpy_polynomial_polyutils_trimseq(np.convolve(_trimmed(c1), _trimmed(c2)))


def numpy_polynomial_polynomial_polymulx(c):
    """polynomial.polymulx(c)"""
    a = _trimmed(c)
    if a.size == 1 and a[0] == 0:
        return a
    result = np.zeros(a.size + 1, a.dtype)
    result[1:] = a
    return result


def numpy_polynomial_polynomial_polydiv(c1, c2):
    """polynomial.polydiv(c1, c2)"""
    a = _trimmed(c1)
    b = _trimmed(c2)
    if b[-1] == 0:
        raise ZeroDivisionError()
    rest = a.astype(np.result_type(a, b))
    if a.size < b.size:
        return rest[:1] * 0, rest
    if b.size == 1:
        return rest / b[-1], rest[:1] * 0
    scale = b[-1]
    divisor = b[:-1] / scale
    n = divisor.size
    for i in range(a.size - b.size, -1, -1):
        rest[i : i + n] -= divisor * rest[i + n]
    return rest[n:] / scale, numpy_polynomial_polyutils_trimseq(rest[:n])


def numpy_polynomial_polynomial_polyval(x, c, tensor: "literal" = True):
    """polynomial.polyval(x, c, tensor=True)"""
    series = np.atleast_1d(c)
    if series.dtype.kind != "f" and series.dtype.kind != "c":
        series = series.astype(np.float64)
    if np.ndim(x) == 0:
        return _horner(x, series)
    points = np.asarray(x)
    if tensor:
        return _horner(points, series[(...,) + (None,) * points.ndim])
    return _horner(points, series)


def _horner(x, c):
    value = c[-1] + x * 0
    for i in range(2, len(c) + 1):
        value = c[-i] + value * x
    return value


def numpy_polynomial_polynomial_polyder(c, m=1, scl=1, axis: "literal" = 0):
    """polynomial.polyder(c, m=1, scl=1, axis=0)"""
    if m < 0:
        raise ValueError("The order of derivation must be non-negative")
    rows = np.moveaxis(_inexact(np.atleast_1d(c)), axis, 0)
    values = np.array(rows, order="C")
    for _ in range(min(m, len(values))):
        n = len(values) - 1
        if n == 0:
            values = values * 0
        else:
            factors = np.arange(1.0, n + 1)[(...,) + (None,) * (values.ndim - 1)].astype(
                values.dtype
            )
            values = np.array(values[1:] * factors * scl, values.dtype, order="C")
    return np.moveaxis(values, 0, axis)


def numpy_polynomial_polynomial_polyint(c, m=1, k=None, lbnd=0, scl=1, axis: "literal" = 0):
    """polynomial.polyint(c, m=1, k=[], lbnd=0, scl=1, axis=0)"""
    if m < 0:
        raise ValueError("The order of integration must be non-negative")
    rows = np.moveaxis(_inexact(np.atleast_1d(c)), axis, 0)
    values = np.array(rows, order="C")
    constants = np.zeros(m, values.dtype)
    if k is not None:
        given = np.atleast_1d(k)
        if given.size > m:
            raise ValueError("Too many integration constants")
        constants[: given.size] = given
    for i in range(m):
        n = len(values)
        values = values * np.array(scl).astype(values.dtype)
        if n == 1 and np.all(values[0] == 0):
            values[0] += constants[i]
        else:
            longer = np.zeros((n + 1,) + values.shape[1:], values.dtype)
            for j in range(n):
                longer[j + 1] = values[j] / (j + 1)
            longer[0] += constants[i] - _horner(lbnd, longer)
            values = longer
    return np.moveaxis(values, 0, axis)


def numpy_polynomial_polynomial_polyroots(c):
    """polynomial.polyroots(c); roots of real polynomials must be real"""
    a = _trimmed(c)
    if a.size < 3:
        if a.size < 2:
            return np.zeros(0, a.dtype)
        return np.full(1, -a[0] / a[1])
    n = a.size - 1
    companion = np.zeros((n, n), a.dtype)
    for i in range(1, n):
        companion[i, i - 1] = 1
    companion[:, n - 1] -= a[:-1] / a[-1]
    return np.sort(np.linalg.eigvals(companion[::-1, ::-1]))


def numpy_polynomial_polynomial_polyvander(x, deg):
    """polynomial.polyvander(x, deg)"""
    if deg < 0:
        raise ValueError("deg must be non-negative")
    points = _inexact(np.atleast_1d(x))
    powers = np.empty((deg + 1,) + points.shape, points.dtype)
    powers[0] = points * 0 + 1
    for i in range(1, deg + 1):
        powers[i] = powers[i - 1] * points
    return np.moveaxis(powers, 0, -1)


def _inexact(a):
    if a.dtype.kind == "f" or a.dtype.kind == "c":
        return a
    return a.astype(np.float64)


# the highest power first --------------------------------------------------------------------------


def numpy_polyval(p, x):
    """np.polyval(p, x)"""
    c = np.asarray(p)
    if np.ndim(x) == 0:
        value = x * 0 * _one_like(c)
        for k in range(c.size):
            value = value * x + c[k]
        return value
    points = np.asarray(x)
    values = np.zeros(points.shape, np.result_type(points, c))
    for k in range(c.size):
        values = values * points + c[k]
    return values


def _one_like(c):
    """A number of the type of the items of an array."""
    return np.ones(1, c.dtype)[0]


def _aligned(a, n):
    """With zeros for the powers that it has not."""
    result = np.zeros(n, a.dtype)
    result[n - a.size :] = a
    return result


def numpy_polyadd(a1, a2):
    """np.polyadd(a1, a2)"""
    a = np.atleast_1d(a1)
    b = np.atleast_1d(a2)
    n = max(a.size, b.size)
    return _aligned(a, n) + _aligned(b, n)


def numpy_polysub(a1, a2):
    """np.polysub(a1, a2)"""
    a = np.atleast_1d(a1)
    b = np.atleast_1d(a2)
    n = max(a.size, b.size)
    return _aligned(a, n) - _aligned(b, n)


def numpy_polymul(a1, a2):
    """np.polymul(a1, a2)"""
    return np.convolve(a1, a2)


def numpy_polydiv(u, v):
    """np.polydiv(u, v)"""
    a = np.atleast_1d(u) + 0.0
    b = np.atleast_1d(v) + 0.0
    m = a.size - 1
    n = b.size - 1
    scale = 1.0 / b[0]
    quotient = np.zeros(max(m - n + 1, 1), np.result_type(a, b))
    rest = a.astype(np.result_type(a, b))
    for k in range(m - n + 1):
        d = scale * rest[k]
        quotient[k] = d
        rest[k : k + n + 1] -= d * b
    start = 0
    while start < rest.size - 1 and np.abs(rest[start]) <= 1e-8:
        start += 1
    return quotient, rest[start:]


def numpy_polyder(p, m=1):
    """np.polyder(p, m=1)"""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    values = np.atleast_1d(p) * np.ones(1, np.int64)
    for _ in range(m):
        n = max(values.size - 1, 0)
        values = values[:n] * np.arange(n, 0, -1)
    return values


def numpy_polyint(p, m=1, k=None):
    """np.polyint(p, m=1, k=None)"""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    values = _inexact(np.atleast_1d(p))
    values = np.array(values * np.ones(1), order="C")
    constants = np.zeros(m, values.dtype)
    if k is not None:
        given = np.atleast_1d(k)
        if given.size == 1:
            constants[:] = given[0]
        elif given.size < m:
            raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
        else:
            constants[:] = given[:m]
    for i in range(m):
        longer = np.empty(values.size + 1, values.dtype)
        longer[:-1] = values / np.arange(values.size, 0, -1)
        longer[-1] = constants[i]
        values = longer
    return values


def numpy_poly(seq_of_zeros):
    """np.poly(seq_of_zeros)"""
    zeros = np.atleast_1d(seq_of_zeros)
    if zeros.ndim == 2:
        if zeros.shape[0] != zeros.shape[1]:
            raise ValueError("input must be 1d or non-empty square 2d array.")
        return numpy_poly(np.linalg.eigvals(zeros))
    factors = _inexact(zeros)
    result = np.zeros(factors.size + 1, factors.dtype)
    result[0] = 1
    for k in range(factors.size):
        for i in range(k + 1, 0, -1):
            result[i] -= factors[k] * result[i - 1]
    return result


def numpy_roots(p):
    """np.roots(p); roots of real polynomials must be real"""
    c = _inexact(np.atleast_1d(p))
    if c.ndim != 1:
        np._refuse("Input must be a rank-1 array.")
    used = np.nonzero(c)[0]
    if used.size == 0:
        return np.zeros(0, c.dtype)
    factors = c[used[0] : used[-1] + 1]
    n = factors.size - 1
    result = np.zeros(c.size - 1 - used[0], c.dtype)
    if n > 0:
        companion = np.zeros((n, n), c.dtype)
        for i in range(1, n):
            companion[i, i - 1] = 1
        companion[0] = -factors[1:] / factors[0]
        result[:n] = np.linalg.eigvals(companion)
    return result


def numpy_polyfit(x, y, deg, rcond=None, full: "literal" = False, w=None, cov: "literal" = False):
    """np.polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False)"""
    points = np.asarray(x) + 0.0
    values = np.asarray(y) + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if points.ndim != 1:
        np._refuse("expected 1D vector for x")
    if points.size == 0:
        raise TypeError("expected non-empty vector for x")
    if values.ndim < 1 or values.ndim > 2:
        np._refuse("expected 1D or 2D array for y")
    if points.shape[0] != values.shape[0]:
        raise TypeError("expected x and y to have same length")
    order = deg + 1
    cutoff = len(points) * np.finfo(points.dtype).eps if rcond is None else rcond
    left = np.vander(points, order)
    right = values
    if w is not None:
        weights = np.asarray(w) + 0.0
        if weights.ndim != 1:
            np._refuse("expected a 1-d array for weights")
        if weights.shape[0] != values.shape[0]:
            raise TypeError("expected w and y to have the same length")
        left = left * weights[:, None]
        right = values * weights[(...,) + (None,) * (values.ndim - 1)]
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    c, residuals, rank, s = np.linalg.lstsq(left, right, cutoff)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, s, cutoff
    if cov:
        base = np.linalg.inv(left.T @ left) / np.outer(scale, scale)
        if isinstance(cov, str):
            factor = np.ones(1)
        else:
            if len(points) <= order:
                raise ValueError(
                    "the number of data points must exceed order to scale the covariance matrix"
                )
            factor = residuals / (len(points) - order)
        if values.ndim == 1:
            return c, base * factor
        return c, base[:, :, None] * factor
    return c
