"""NumPy's element-wise functions that are compositions of others.

The compiler knows the others by a table (`ufunc`). It also has `np._where`, which unlike `np.where`
leaves scalars scalars, and the kernels `np._copy`, `np._clip` and `np._round`. `np._typestr(x)` is
the element type of an array or the type of a scalar, a constant such as "f8". What is here takes
arrays and scalars alike.
"""

import numpy as np


def numpy_clip(a, a_min=None, a_max=None, out=None, min=None, max=None):
    """np.clip(a, a_min, a_max, out=None)"""
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    if low is None:
        if high is None:
            return np._copy(a, out)
        return np.minimum(a, high, out)
    if high is None:
        return np.maximum(a, low, out)
    return np._clip(a, low, high, out)


def array_clip(array, min=None, max=None, out=None):
    """array.clip(min, max, out=None)"""
    return numpy_clip(array, min, max, out)


def numpy_round(a, decimals=0, out=None):
    """np.round(a, decimals=0, out=None)"""
    return np._round(a, decimals, out)


def numpy_around(a, decimals=0, out=None):
    """np.around(a, decimals=0, out=None)"""
    return np._round(a, decimals, out)


def array_round(array, decimals=0, out=None):
    """array.round(decimals=0, out=None)"""
    return np._round(array, decimals, out)


def array_conj(array):
    """array.conj()"""
    if np._typestr(array) == "c8" or np._typestr(array) == "c16":
        return np.conjugate(array)
    return array


def array_conjugate(array):
    """array.conjugate()"""
    return array_conj(array)


def numpy_real(val):
    """np.real(val)"""
    return val.real


def numpy_imag(val):
    """np.imag(val)"""
    return val.imag


def numpy_angle(z, deg=False):
    """np.angle(z, deg=False)"""
    a = np.arctan2(np.imag(z), np.real(z))
    if deg:
        return a * 57.29577951308232
    return a


def numpy_iscomplex(x):
    """np.iscomplex(x)"""
    if np.iscomplexobj(x):
        return np.not_equal(np.imag(x), 0)
    return np.logical_and(x, False)


def numpy_isreal(x):
    """np.isreal(x)"""
    if np.iscomplexobj(x):
        return np.equal(np.imag(x), 0)
    return np.logical_or(x, True)


def numpy_isposinf(x, out=None):
    """np.isposinf(x, out=None)"""
    return np.logical_and(np.isinf(x), np.logical_not(np.signbit(x)), out)


def numpy_isneginf(x, out=None):
    """np.isneginf(x, out=None)"""
    return np.logical_and(np.isinf(x), np.signbit(x), out)


def numpy_sinc(x):
    """np.sinc(x): sin(pi x) / (pi x)"""
    y = np.multiply(3.141592653589793, x)
    if np._typestr(y) == "f4":
        y = np._where(y, y, 1.1920928955078125e-07)
    elif np._typestr(y) == "f8":
        y = np._where(y, y, 2.220446049250313e-16)
    else:
        y = np._where(y, y, 1e-20)
    return np.divide(np.sin(y), y)


def numpy_nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """np.nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None)"""
    if np.iscomplexobj(x):
        real = _without_nan(np.real(x), nan, posinf, neginf)
        imag = _without_nan(np.imag(x), nan, posinf, neginf)
        result = np.add(real, np.multiply(imag, 1j))
    else:
        result = _without_nan(x, nan, posinf, neginf)
    if not copy and isinstance(x, np.ndarray):
        np._copy(result, x)
    return result


def _without_nan(x, nan, posinf, neginf):
    if np._typestr(x) == "f4":
        return _replaced(x, nan, posinf, neginf, 3.4028234663852886e38)
    if np._typestr(x) == "f8":
        return _replaced(x, nan, posinf, neginf, 1.7976931348623157e308)
    return np._copy(x)


def _replaced(x, nan, posinf, neginf, largest):
    above = largest if posinf is None else posinf
    below = -largest if neginf is None else neginf
    result = np._where(np.isnan(x), _like(x, nan), x)
    result = np._where(np.isposinf(x), _like(x, above), result)
    return np._where(np.isneginf(x), _like(x, below), result)


def _like(x, value):
    # Values are stored in an array of x's type, whatever their own.
    if np._typestr(x) == "f4":
        return np.multiply(value, np.float32(1.0), dtype=np.float32)
    return np.multiply(value, 1.0)


def numpy_isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """np.isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)"""
    if not np.iscomplexobj(b):
        b = np.multiply(b, 1.0)
    limit = np.add(atol, np.multiply(rtol, np.absolute(b)))
    near = np.logical_and(np.less_equal(np.absolute(np.subtract(a, b)), limit), np.isfinite(b))
    close = np.logical_or(near, np.equal(a, b))
    if equal_nan:
        return np.logical_or(close, np.logical_and(np.isnan(a), np.isnan(b)))
    return close


def numpy_allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """np.allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False)"""
    return _every(np.isclose(a, b, rtol, atol, equal_nan))


def _every(mask):
    if isinstance(mask, np.ndarray):
        for part in mask:
            if not _every(part):
                return False
        return True
    return mask


def numpy_array_equal(a1, a2, equal_nan: "literal" = False):
    """np.array_equal(a1, a2, equal_nan=False)"""
    if np.ndim(a1) != np.ndim(a2):
        return False
    if np.shape(a1) != np.shape(a2):
        return False
    same = np.equal(a1, a2)
    if equal_nan:
        same = np.logical_or(same, np.logical_and(np.isnan(a1), np.isnan(a2)))
    return _every(same)


def numpy_array_equiv(a1, a2):
    """np.array_equiv(a1, a2)"""
    try:
        same = np.equal(a1, a2)
    except ValueError:
        return False
    return _every(same)


def numpy_interp(x, xp, fp, left=None, right=None, period=None):
    """np.interp(x, xp, fp, left=None, right=None), without a period"""
    if period is not None:
        raise NotImplementedError("np.interp() with a period")
    if len(xp) != len(fp):
        raise ValueError("fp and xp are not of the same length.")
    if len(xp) == 0:
        raise ValueError("array of sample points is empty")
    if np.iscomplexobj(fp):
        values = np._copy(fp, dtype=np.complex128)
    else:
        values = np._copy(fp, dtype=np.float64)
    points = np._copy(xp, dtype=np.float64)
    before = values[0] if left is None else left
    after = values[len(values) - 1] if right is None else right
    if np.ndim(x) > 0:
        places = np.asarray(x)
        if np.iscomplexobj(fp):
            out = np.empty(places.shape, np.complex128)
        else:
            out = np.empty(places.shape, np.float64)
        _interpolate_all(places, points, values, before, after, out)
        return out
    return _interpolate(x, points, values, before, after)


def _interpolate_all(x, points, values, before, after, out):
    for i in range(x.shape[0]):
        if x.ndim == 1:
            out[i] = _interpolate(x[i], points, values, before, after)
        else:
            _interpolate_all(x[i], points, values, before, after, out[i])


def _interpolate(x, points, values, before, after):
    last = len(points) - 1
    if x != x:
        return np._where(True, x, values[0])
    if x > points[last]:
        return np._where(True, after, values[0])
    if x < points[0]:
        return np._where(True, before, values[0])
    low = 0
    high = last + 1
    while high - low > 1:
        middle = (low + high) // 2
        if x >= points[middle]:
            low = middle
        else:
            high = middle
    if low == last or points[low] == x:
        return values[low]
    slope = (values[low + 1] - values[low]) / (points[low + 1] - points[low])
    result = slope * (x - points[low]) + values[low]
    if np.isnan(result):
        # An infinity among the points: from the other side.
        result = slope * (x - points[low + 1]) + values[low + 1]
        if np.isnan(result) and values[low] == values[low + 1]:
            result = values[low]
    return result


def numpy_unwrap(p, discont=None, axis=None, period=6.283185307179586):
    """np.unwrap(p, discont=None, axis=-1, *, period=2 * pi)"""
    jump = period / 2 if discont is None else discont
    if np._typestr(p) == "f4":
        out = np._copy(p)
    else:
        out = np._copy(p, dtype=np.float64)
    along = p.ndim - 1 if axis is None else axis
    if along < 0:
        along += p.ndim
    _unwrap(p, along, jump, period, out)
    return out


def _unwrap(p, axis, jump, period, out):
    if p.ndim > 1:
        if axis == 0:
            for i in range(p.shape[1]):
                _unwrap(p[:, i], 0, jump, period, out[:, i])
        else:
            for i in range(p.shape[0]):
                _unwrap(p[i], axis - 1, jump, period, out[i])
        return
    half = period / 2
    correction = 0.0
    for i in range(1, len(p)):
        step = np.subtract(p[i], p[i - 1])
        turned = np.remainder(step + half, period) - half
        if turned == -half and step > 0:
            turned = half
        if abs(step) >= jump:
            correction += turned - step
        out[i] = p[i] + correction


def numpy_copyto(dst, src, casting=None, where=True):
    """np.copyto(dst, src, casting="same_kind", where=True)"""
    if casting is not None and casting != "same_kind":
        raise NotImplementedError("np.copyto() casts to the same kind only")
    np._copy(src, out=dst, where=where)


def scalar_conj(x):
    """x.conj()"""
    return np.conjugate(x)


def scalar_round(x, decimals=0):
    """x.round(decimals=0)"""
    return np._round(x, decimals)


def scalar_clip(x, min=None, max=None):
    """x.clip(min, max)"""
    return numpy_clip(x, min, max)


def scalar_min(x):
    """x.min()"""
    return x


def scalar_max(x):
    """x.max()"""
    return x


def scalar_is_integer(x):
    """x.is_integer()"""
    return bool(np.logical_and(np.isfinite(x), np.equal(np.floor(x), x)))


def scalar_bit_count(x):
    """x.bit_count()"""
    return int(np.bitwise_count(x))


def scalar_as_integer_ratio(x):
    """x.as_integer_ratio(), of parts that 64 bits hold"""
    if np.isinf(x):
        raise OverflowError("cannot convert Infinity to integer ratio")
    if np.isnan(x):
        raise ValueError("cannot convert NaN to integer ratio")
    top = np.multiply(x, 1.0)
    bottom = 1
    while top != np.floor(top):
        if bottom >= 4611686018427387904:
            raise OverflowError("as_integer_ratio() of a number that 64 bits do not hold")
        top = top * 2
        bottom = bottom * 2
    if abs(top) >= 9.2e18:
        raise OverflowError("as_integer_ratio() of a number that 64 bits do not hold")
    return int(top), bottom
