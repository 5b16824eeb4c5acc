"""Functions of `math` and `cmath` that are compositions of simpler ones.

A function `math_xxx` here is what `math.xxx` compiles to. Integers are 64 bits wide.
All of it also runs under CPython.
"""

import math


def math_log(x, base):
    """math.log(x, base)"""
    return math.log(x) / math.log(base)


def math_modf(x):
    """math.modf(x): fractional and integer part, both with the sign of x."""
    if math.isinf(x):
        return math.copysign(0.0, x), float(x)
    whole = math.copysign(1.0, x) * math.floor(abs(x)) * 1.0
    if abs(x) >= 4503599627370496.0:
        whole = float(x)
    return math.copysign(x - whole, x), math.copysign(whole, x)


def math_lcm(*values):
    """math.lcm(*integers)"""
    result = 1
    for value in values:
        if value == 0:
            return 0
        result = abs(result // math.gcd(result, value) * value)
    return result


def math_isqrt(n):
    """math.isqrt(n): floor of the square root, exact."""
    if n < 0:
        raise ValueError("isqrt() argument must be nonnegative")
    root = int(math.sqrt(n))
    while root > 3037000499 or root * root > n:
        root -= 1
    while root < 3037000499 and (root + 1) * (root + 1) <= n:
        root += 1
    return root


def math_factorial(n):
    """math.factorial(n); OverflowError past 20, where 64 bits end."""
    if n < 0:
        raise ValueError("factorial() not defined for negative values")
    if n > 20:
        raise OverflowError("factorial() of more than 20 does not fit 64 bits")
    result = 1
    for i in range(2, n + 1):
        result *= i
    return result


def math_comb(n, k):
    """math.comb(n, k); results past 64 bits wrap around."""
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if k < 0:
        raise ValueError("k must be a non-negative integer")
    if k > n:
        return 0
    k = min(k, n - k)
    result = 1
    for i in range(k):
        factor = n - i
        divisor = i + 1
        common = math.gcd(result, divisor)
        result = result // common * (factor // (divisor // common))
    return result


def math_perm(n, *length):
    """math.perm(n, k=None); results past 64 bits wrap around."""
    if len(length) == 0:
        k = n
    else:
        k = length[0]
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if k < 0:
        raise ValueError("k must be a non-negative integer")
    if k > n:
        return 0
    result = 1
    for i in range(k):
        result *= n - i
    return result


def math_isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0):
    """math.isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0)"""
    if rel_tol < 0.0 or abs_tol < 0.0:
        raise ValueError("tolerances must be non-negative")
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    difference = abs(b - a)
    return difference <= abs(rel_tol * b) or difference <= abs(rel_tol * a) or difference <= abs_tol


def math_remainder(x, y):
    """math.remainder(x, y): IEEE 754 remainder, exact as CPython computes it."""
    if math.isfinite(x) and math.isfinite(y):
        if y == 0.0:
            raise ValueError("math domain error")
        absx = math.fabs(x)
        absy = math.fabs(y)
        m = math.fmod(absx, absy)
        c = absy - m
        if m < c:
            r = m
        elif m > c:
            r = -c
        else:
            r = m - 2.0 * math.fmod(0.5 * (absx - m), absy)
        return math.copysign(1.0, x) * r
    if math.isnan(x) or math.isnan(y):
        return x + y
    if math.isinf(x):
        raise ValueError("math domain error")
    return float(x)


def math_ulp(x):
    """math.ulp(x): the value of the least significant bit."""
    if math.isnan(x):
        return float(x)
    size = math.fabs(x)
    if math.isinf(size):
        return size
    above = math.nextafter(size, math.inf)
    if math.isinf(above):
        return size - math.nextafter(size, -math.inf)
    return above - size


def math_dist(p, q):
    """math.dist(p, q) of two points, tuples of one length."""
    if len(p) != len(q):
        raise ValueError("both points must have the same number of dimensions")
    largest = 0.0
    for i in range(len(p)):
        difference = abs(p[i] - q[i])
        if difference > largest or difference != difference:
            largest = difference * 1.0
    if largest == 0.0 or math.isinf(largest):
        return largest
    total = 0.0
    for i in range(len(p)):
        scaled = (p[i] - q[i]) / largest
        total += scaled * scaled
    return largest * math.sqrt(total)


def math_prod(values):
    """math.prod(values)"""
    result = 1
    for value in values:
        result = result * value
    return result


def math_fsum(values):
    """math.fsum(values): exactly rounded in all but pathological cases (compensated twice,
    Klein 2006)."""
    total = 0.0
    first = 0.0
    second = 0.0
    for value in values:
        t = total + value
        if abs(total) >= abs(value):
            c = (total - t) + value
        else:
            c = (value - t) + total
        total = t
        t = first + c
        if abs(first) >= abs(c):
            cc = (first - t) + c
        else:
            cc = (c - t) + first
        first = t
        second += cc
    return total + (first + second)


def cmath_isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0):
    """cmath.isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0)"""
    if rel_tol < 0.0 or abs_tol < 0.0:
        raise ValueError("tolerances must be non-negative")
    if a == b:
        return True
    if math.isinf(abs(a)) or math.isinf(abs(b)):
        return False
    difference = abs(a - b)
    return difference <= rel_tol * abs(b) or difference <= rel_tol * abs(a) or difference <= abs_tol


def math_gcd(*values):
    """math.gcd of any number of integers."""
    result = 0
    for value in values:
        result = math.gcd(result, value)
    return result


def math_hypot(*values):
    """math.hypot of any number of coordinates, scaled against overflow."""
    largest = 0.0
    for value in values:
        size = abs(value) * 1.0
        if size > largest or size != size:
            largest = size
    if largest == 0.0 or math.isinf(largest):
        return largest
    total = 0.0
    for value in values:
        scaled = value / largest
        total += scaled * scaled
    return largest * math.sqrt(total)
