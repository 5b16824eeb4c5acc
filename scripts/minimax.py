"""Computes the polynomials and tables of `crates/compiler/src/lower/vector_math/coefficients.rs`.

    pip install mpmath
    cd crates/compiler/src/lower/vector_math
    python ../../../../../scripts/minimax.py > coefficients.rs

Each approximates a function whose leading terms have been taken off, weighted by what it is
multiplied with: by least squares at Chebyshev's points, which loses less than a bit to the best
approximation. Coefficients are rounded one by one, lowest first, and the others fitted again around
what has been rounded. What is left as error goes to stderr.
"""

import struct
import sys

from mpmath import mp, mpf

mp.dps = 80
LN2 = mp.log(2)
POINTS = 200


def approximate(points, values, weights, count):
    """The coefficients of the polynomial with the smallest sum of squared weighted errors."""
    matrix = mp.matrix(count, count)
    right = mp.matrix(count, 1)
    sums = [mpf(0)] * (2 * count - 1)
    for x, y, w in zip(points, values, weights, strict=True):
        term = w * w
        for k in range(2 * count - 1):
            sums[k] += term
            if k < count:
                right[k] += term * y
            term *= x
    for i in range(count):
        for j in range(count):
            matrix[i, j] = sums[i + j]
    return list(mp.lu_solve(matrix, right))


def rounded(value, single):
    if single:
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    return float(value)


def fit(function, low, high, weight, count, single):
    middle, half = (mpf(low) + high) / 2, (mpf(high) - low) / 2
    points = [middle - half * mp.cos(mp.pi * (i + mpf(1) / 2) / POINTS) for i in range(POINTS)]
    values = [function(x) for x in points]
    weights = [abs(weight(x)) for x in points]
    out = []
    rest, scale = list(values), list(weights)
    while len(out) < count:
        best = approximate(points, rest, scale, count - len(out))
        out.append(rounded(best[0], single))
        rest = [(y - out[-1]) / x for x, y in zip(points, rest, strict=True)]
        scale = [w * abs(x) for w, x in zip(scale, points, strict=True)]
    errors = (
        abs((mp.polyval([mpf(c) for c in out[::-1]], x) - y) * w)
        for x, y, w in zip(points, values, weights, strict=True)
    )
    return out, max(errors)


def even(function):
    """A function of x as one of x * x."""
    return lambda z: function(mp.sqrt(z))


half_ln2 = LN2 / 2 * mpf("1.0001")
quarter = (mp.pi / 4 * mpf("1.0001")) ** 2
# s = (m - 1) / (m + 1) for m from 3/4 to 3/2, squared.
s2 = mpf("0.2") ** 2 * mpf("1.0001")
eighth = mp.tan(mp.pi / 8) ** 2 * mpf("1.0001")
# `(1 + r) / c` for a mantissa; c depends on its highest four bits, and has five itself.
NEAR = [mpf("-0.03711"), mpf("0.0625")]


def near_log(base, terms):
    """The logarithm of `1 + r` less the first terms of its series, divided by the power of r."""

    def function(r):
        rest = mp.log1p(r)
        for k in range(1, terms + 1):
            rest -= (-1) ** (k + 1) * r**k / k
        return rest / mp.log(base) / r ** (terms + 1)

    return function


TABLE = [
    # name, meaning, function, interval, weight, coefficients for doubles and singles
    (
        "EXP",
        "`(exp(r) - 1 - r - r*r/2) / r**3` for `|r| <= log(2)/2`",
        lambda r: (mp.exp(r) - 1 - r - r * r / 2) / r**3,
        -half_ln2,
        half_ln2,
        lambda r: r**3,
        10,
        5,
    ),
    (
        "EXPM1",
        "`(exp(r) - 1 - r - r*r/2) / r**3` for `|r| <= log(2)/2`, relative to r",
        lambda r: (mp.exp(r) - 1 - r - r * r / 2) / r**3,
        -half_ln2,
        half_ln2,
        lambda r: r**2,
        10,
        5,
    ),
    (
        "EXP2",
        "`(2**r - 1) / r` for `|r| <= 1/2`",
        lambda r: (2**r - 1) / r,
        mpf("-0.50001"),
        mpf("0.50001"),
        lambda r: r,
        12,
        7,
    ),
    (
        "LOG",
        "`(2 * atanh(s) - 2*s) / s**3` in `s*s`, for logarithms of 3/4 to 3/2",
        even(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3),
        mpf(0),
        s2,
        lambda z: z,
        8,
        4,
    ),
    (
        "LOG_TAIL",
        "`(atanh(s) / s - 1 - s*s/3) / s**4` in `s*s`, as above",
        even(lambda s: (mp.atanh(s) / s - 1 - s * s / 3) / s**4),
        mpf(0),
        s2,
        lambda z: z**2,
        8,
        1,
    ),
    *(
        (
            name,
            f"`(log(1 + r) - r) / r**2 / log({base})` for r near 0",
            near_log(base if base != "e" else mp.e, 1),
            *NEAR,
            lambda r: r,
            9,
            4,
        )
        for name, base in [("LOG_NEAR", "e"), ("LOG2_NEAR", 2), ("LOG10_NEAR", 10)]
    ),
    (
        "LOG2_TAIL",
        "`(log(1 + r) - r + r**2/2) / r**3 / log(2)`, as above",
        near_log(2, 2),
        *NEAR,
        lambda r: r**2,
        10,
        5,
    ),
    (
        "SIN",
        "`(sin(r) - r) / r**3` in `r*r`, for `|r| <= pi/4`",
        even(lambda r: (mp.sin(r) - r) / r**3),
        mpf(0),
        quarter,
        lambda z: z,
        6,
        3,
    ),
    (
        "COS",
        "`(cos(r) - 1 + r*r/2) / r**4` in `r*r`, for `|r| <= pi/4`",
        even(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4),
        mpf(0),
        quarter,
        lambda z: z**2,
        6,
        3,
    ),
    (
        "TAN",
        "`(tan(r) - r) / r**3` in `r*r`, for `|r| <= pi/4`",
        even(lambda r: (mp.tan(r) - r) / r**3),
        mpf(0),
        quarter,
        lambda z: z,
        15,
        7,
    ),
    (
        "SINH",
        "`(sinh(r) - r) / r**3` in `r*r`, for `|r| <= log(2)/2`",
        even(lambda r: (mp.sinh(r) - r) / r**3),
        mpf(0),
        half_ln2**2,
        lambda z: z,
        5,
        3,
    ),
    (
        "COSH",
        "`(cosh(r) - 1 - r*r/2) / r**4` in `r*r`, for `|r| <= log(2)/2`",
        even(lambda r: (mp.cosh(r) - 1 - r * r / 2) / r**4),
        mpf(0),
        half_ln2**2,
        lambda z: z**2,
        4,
        2,
    ),
    (
        "ASIN",
        "`(arcsin(y) / y - 1) / y**2` in `y*y`, for `|y| <= 1/2`",
        even(lambda y: (mp.asin(y) / y - 1) / y**2),
        mpf(0),
        mpf("0.25001"),
        lambda z: z,
        12,
        5,
    ),
    (
        "ATAN",
        "`(arctan(t) / t - 1) / t**2` in `t*t`, for `|t| <= tan(pi/8)`",
        even(lambda t: (mp.atan(t) / t - 1) / t**2),
        mpf(0),
        eighth,
        lambda z: z,
        11,
        5,
    ),
    (
        "ATAN_NEAR",
        "`(arctan(t) / t - 1) / t**2` in `t*t`, for `|t| <= 0.0387`",
        even(lambda t: (mp.atan(t) / t - 1) / t**2),
        mpf(0),
        mpf("0.0387") ** 2,
        lambda z: z,
        4,
        2,
    ),
    (
        "CBRT",
        "`m ** (-1/3)` for m from 3/4 to 3/2",
        lambda m: m ** (-mpf(1) / 3),
        mpf("0.75"),
        mpf("1.5"),
        lambda m: m ** (mpf(1) / 3),
        4,
        5,
    ),
]


# The inverses of mantissas from 3/4 to 3/2 in units of 1/32, by their highest four bits: those from
# 1 to 3/2, then the others.
INVERSES = [32, 29, 28, 26, 25, 24, 23, 22, 42, 40, 39, 37, 36, 35, 34, 32]
# Bits behind the point that leave room for sums with any exponent's product.
LOGARITHMS = [("LN", mp.e, 42, 16), ("LOG2", mpf(2), 41, 15), ("LOG10", mpf(10), 43, 17)]


def split(value, bits, single):
    """A number of so many bits behind the point, not larger, and the rest."""
    high = mp.floor(value * 2**bits) / 2**bits
    return float(high), rounded(value - high, single)


def tables():
    inverses = [mpf(c) / 32 for c in INVERSES]
    yield "INVERSE", "About the inverse of a mantissa", "inverse", [inverses, inverses]
    for name, base, *bits in LOGARITHMS:
        parts = [
            [split(-mp.log(c) / mp.log(base), b, single) for c in inverses]
            for b, single in zip(bits, [False, True], strict=True)
        ]
        for i, part in enumerate(["HIGH", "LOW"]):
            meaning = f"The {part.lower()} part of its logarithm, less the inverse's"
            values = [[pair[i] for pair in pairs] for pairs in parts]
            yield f"{name}_{part}", meaning, f"{name}_{part}".lower(), values
    sixteenths = [mpf(i) / 16 for i in range(16)]
    yield "SIXTEENTH", "The index divided by 16", "sixteenth", [sixteenths, sixteenths]
    parts = [
        [
            (high := rounded(mp.atan(c), single), rounded(mp.atan(c) - high, single))
            for c in sixteenths
        ]
        for single in [False, True]
    ]
    for i, part in enumerate(["HIGH", "LOW"]):
        meaning = f"The {part.lower()} part of its arc tangent"
        values = [[pair[i] for pair in pairs] for pairs in parts]
        yield f"ARCTAN_{part}", meaning, f"arctan_{part}".lower(), values


def main():
    print("//! Polynomials, lowest coefficient first, and tables, for doubles and for singles.")
    print("//! Made by `scripts/minimax.py`.")
    print()
    print("use super::{Parts, Poly};")
    print("use crate::tir::Table;")
    for name, meaning, function, low, high, weight, *counts in TABLE:
        sets = []
        for count, single in zip(counts, [False, True], strict=True):
            found, error = fit(function, low, high, weight, count, single)
            print(
                f"{name} {'single' if single else 'double'}: 2**{float(mp.log(error, 2)):.1f}",
                file=sys.stderr,
            )
            sets.append(found)
        print()
        print(f"/// {meaning}.")
        print("#[rustfmt::skip]")
        print(f"pub(super) const {name}: Poly = Poly {{")
        for field, found in zip(["double", "single"], sets, strict=True):
            print(f"    {field}: &[")
            for c in found:
                print(f"        {c!r},")
            print("    ],")
        print("};")
    for name, base, *bits in LOGARITHMS:
        double, single = (
            split(mp.log(2) / mp.log(base), b, single)
            for b, single in zip(bits, [False, True], strict=True)
        )
        print()
        print("/// The logarithm of 2 in parts; the first times an exponent is exact.")
        print(f"pub(super) const {name}_OF_2: Parts = Parts {{")
        print(f"    double: {list(double)},")
        print(f"    single: {list(single)},")
        print("};")
    for name, meaning, symbol, values in tables():
        print()
        print(f"/// {meaning}.")
        print("#[rustfmt::skip]")
        print(f"pub(super) static {name}: Table = Table {{")
        print(f'    name: "{symbol}",')
        for field, found in zip(["double", "single"], values, strict=True):
            print(f"    {field}: [")
            for c in found:
                print(f"        {float(c)!r},")
            print("    ],")
        print("};")


main()
