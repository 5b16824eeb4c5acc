"""Writes the reference values of the tests beside it, as CPython 3.11 computes them.

    PYTHONHASHSEED=0 python3.11 reference.py      (with NumPy 2.4, for the text of float32)

One line a case: function, arguments, results, separated by tabs; floats as `repr` writes them.
Cases for which Python raises are left out.
"""

import cmath
import math
import operator
import os
import pathlib
import random
import sys
from itertools import product

import numpy as np

HERE = pathlib.Path(__file__).parent
inf, nan = math.inf, math.nan
random.seed(20)

assert sys.version_info[:2] == (3, 11) and os.environ.get("PYTHONHASHSEED") == "0", __doc__


class Table:
    """The lines of one file."""

    def __init__(self, name):
        self.name = name
        self.lines = []

    def row(self, *cells):
        flat = []
        for cell in cells:
            if isinstance(cell, complex):
                flat += [cell.real, cell.imag]
            elif isinstance(cell, tuple):
                flat += cell
            else:
                flat.append(cell)
        self.lines.append("\t".join(map(str, flat)))

    def call(self, name, function, *arguments):
        try:
            result = function(*arguments)
        except (ValueError, OverflowError, ZeroDivisionError):
            return
        if isinstance(result, complex) and not any(isinstance(a, complex) for a in arguments):
            if name != "rect":
                return  # a negative float to a fractional power
        self.row(name, *arguments, result)

    def write(self):
        (HERE / self.name).write_text("\n".join(self.lines) + "\n", encoding="ascii")


def numbers(text):
    return [float(word) for word in text.split()]


def pairs(text):
    values = numbers(text)
    return [complex(re, im) for re, im in zip(values[::2], values[1::2], strict=True)]


def number(low, high):
    sign = random.choice((-1, 1))
    return math.copysign(random.uniform(1, 2) * 2.0 ** random.randint(low, high), sign)


# ---- complex -------------------------------------------------------------------------------------

table = Table("complex.tsv")
grid = numbers("-inf -1.5 -1 -0.0 0 1 1.5 inf nan")
points = [complex(re, im) for re, im in product(grid, grid)]
hard = pairs("""
    1e308 1e308  1.7e308 1  1 1.7e308  1e-310 1e-310  5e-324 0  0 5e-324  1e-310 1e-300  710 0.5
    0.5 710  709.5 1.5  30 1  1e-8 1e-8  1e-200 1e200  1 1e-160  1 1e-150  1.0000001 1e-9
    0.9999999 1e-9  0.6 0.8  0.7 0.7  2 0  0.5 0  0 2  0 0.5  4 0  1e155 1e155  1e18 1  1e-20 3
""")
points += hard + [complex(-z.real, -z.imag) for z in hard]
points += pairs("-4 -0.0  -4 0  -2 0  2 -0.0  -0.0 -2  0 -2  -0.0 2")
points += [complex(number(-3, 3), number(-3, 3)) for _ in range(10)]
points += [complex(number(-40, 8), number(-40, 8)) for _ in range(8)]
names = "exp log log10 sqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh"
for name, z in product(names.split(), points):
    table.call(name, getattr(cmath, name), z)
for z in points:
    table.call("rect", cmath.rect, z.real, z.imag)

values = pairs("""
    0 0  1 0  -1 0  0 1  0 -1  -0.0 -0.0  2 3  -2.5 0.5  1e200 1e200  1e-200 -1e-200  1e308 1e-308
    inf 1  1 -inf  nan 1  3 0
""")
values += [complex(number(-3, 3), number(-3, 3)) for _ in range(4)]
for a, b in product(values, values):
    table.call("div", operator.truediv, a, b)
    table.call("pow", operator.pow, a, b)
exponents = numbers("0 1 2 3 7 31 99 100 -1 -2 -5 -100 101 -101 0.5 -0.5")
for a, n in product(values, exponents):
    if abs(a) < 100:
        table.call("pow", operator.pow, a, complex(n))
table.write()

# ---- numbers -------------------------------------------------------------------------------------

table = Table("numbers.tsv")
special = numbers(
    "0 -0.0 1 -1 0.5 -0.5 -1.5 2 2.5 -3 0.1 -0.1 1e16 1e308 5e-324 -5e-324 inf -inf nan"
)
for a, b in product(special, special):
    table.call("floordiv", operator.floordiv, a, b)
    table.call("mod", operator.mod, a, b)
    table.call("pow", operator.pow, a, b)
for _ in range(100):
    a, b = number(-20, 20), number(-20, 20)
    table.call("floordiv", operator.floordiv, a, b)
    table.call("mod", operator.mod, a, b)
exponents = [0, 1, 2, 3, 10, 63, 64, 1000, 10**6, 10**6 + 1, 2**53 + 1, 2**62]
exponents += [-1, -2, -3, -(2**62) - 1]
for a, n in product([*special, 0.999999, 1.0000001], exponents):
    table.call("powi", operator.pow, a, n)

floats = special + numbers("""
    1.5 -2 3 7 0.3 -1e16 1e22 1e23 1e100 1.7976931348623157e308 2.2250738585072014e-308 1e-5 1e-4
    123456789.125 9007199254740993 4503599627370496.5 1e15 999999999999999.9 100 12345.678
""")
floats += [1 / 3, *(number(-60, 60) for _ in range(20))]
ties = numbers("""
    -2.5 0.25 0.125 0.375 0.0625 2.675 1.005 1.015 1.025 0.15 0.35 5 15 25 50 49.99999999999999 150
    250 1000000000000000.5 4503599627370495.5 9.995 99.995 9.5 99.5
""")
places = [-400, -308, -20, -2, -1, 0, 1, 2, 3, 8, 16, 22, 23, 30, 323, 324]
for x, n in product([*floats, *ties, *(round(number(-5, 20), 3) for _ in range(20))], places):
    table.call("round", round, x, n)
for x, n in product(numbers("5e307 8e307 1.5e308 9e307 1.4999999e308"), [-308, -307, -306]):
    table.call("round", round, x, n)

hard = numbers("""
    170.5 171.6 -0.5 -2.5 -170.5 -190.5 -200.5 -201.5 -10000000000.5 1e-300 -1e-300 1e-21 4.9e-308
    1e300 0.999 1.001 150.25 -20.000001 -3.9999999
""")
for x in [*floats, *hard, *map(float, range(1, 30))]:
    table.call("gamma", math.gamma, x)
    table.call("lgamma", math.lgamma, x)
for x in [*floats, 1e-310, -3e-320]:
    table.call("frexp", math.frexp, x)
    for n in [0, 1, -1, -1074, 1023, 2000, -2000, 2**40, -(2**63)]:
        table.call("ldexp", math.ldexp, x, n)


def wrap(n):
    return (n + 2**63) % 2**64 - 2**63


ints = [0, 1, -1, 2, -2, 3, 6, 7, -7, 10, 12, -18, 1000, 2**40, 123456789123456789]
ints += [2**61 - 1, 2**61 - 2, 2**61, 1 - 2**61, -(2**61), 2**62, 2**63 - 1, -(2**63)]
for a, b in product(ints, ints):
    table.row("gcd", a, b, wrap(math.gcd(a, b)))
    if b >= 0:
        table.row("ipow", a, b, wrap(pow(a, b, 2**64)))
    table.row("upow", a, b, wrap(pow(a % 2**64, b % 2**64, 2**64)))
for n in [*ints, 314159, 2**53, -(2**53)]:
    table.row("hash_i64", n, hash(n))
    table.row("hash_u64", n, hash(n % 2**64))
for x in [*floats, *(number(-1070, 1020) for _ in range(60)), *map(float, ints)]:
    if not math.isnan(x):
        table.row("hash_f64", x, hash(x))
for z in values:
    if not cmath.isnan(z):
        table.row("hash_complex", z, hash(z))
for t in [(), (0,), (1, 2, 3), (-1,), tuple(range(20)), (2**63 - 1, -(2**63)), (-5, 7)]:
    table.row("hash_tuple", t, hash(t))
table.write()

# ---- text ----------------------------------------------------------------------------------------

table = Table("text.tsv")


def code_points(text):
    return " ".join(format(ord(c), "x") for c in text)


many = [*floats, *(number(-1070, 1020) for _ in range(100))]
many += [10.0**n for n in range(-12, 25)] + [1.5 * 10.0**n for n in range(-8, 25)]
# In the middle between two decimals that both read back.
many += [n + f for n in (2**50 + 1, 2**50 + 2, 15 * 10**14) for f in (0.25, 0.75)]
many += [2.0**89, 2.0**-20, 2.0**-24, 2.0**-44]
singles = numbers("999999.94 1e6 1e-4 1.0001e-4 2427707.25 2427707.75 16777216 123456.78")
singles += [2.0**-149, 2.0**100, 2.0**-44, *(number(-140, 127) for _ in range(150))]
for x in many:
    table.row("f64", x, str(x))
with np.errstate(all="ignore"):
    for x in map(np.float32, many + singles):
        table.row("f32", float(x), str(x))
parts = numbers("0 -0.0 1 -1.5 inf -inf nan 1e16 1e-7")
for re, im in product(parts, parts):
    table.row("complex", re, im, str(complex(re, im)))

texts = [
    "",
    "a",
    "abc",
    "'",
    '"',
    "'\"",
    "it's",
    'say "x"',
    "a\\b",
    "\t\n\r\0\x1b\x7f",
    "é",
    "naïve",
]
texts += ["\x80\x9f\xa0\xad\xff", "日本語", "\u0100", "\u200b\u2028\u2029\u202e", "\u3000", "ß'"]
texts += ["\ud800", "a\udfff", "e\u0301", "\u0301", "😀", "x" * 40 + "é"]
texts += ["\U000e0001\U0010ffff\ue000\ufffe", "\u0378"]
for s in texts:
    table.row("repr", code_points(s), code_points(repr(s)))
    table.row("hash", code_points(s), hash(s))
samples = ["", "a", "b", "ab", "abc", "aab", "aabaaab", "é", "aé", "日本", "本", "日", "\uffff"]
samples += ["😀", "a😀", "😀😀", "aa"]
for a, b in product(samples, samples):
    table.row("compare", code_points(a), code_points(b), (a > b) - (a < b))
    table.row("contains", code_points(a), code_points(b), int(b in a))
    table.row("concat", code_points(a), code_points(b), code_points(a + b))
for s in samples:
    for n in (-1, 0, 1, 2, 3, 7):
        table.row("repeat", code_points(s), n, code_points(s * n))
    for start, stop, step in product((None, 0, 1, -1, 2), (None, 0, 3, -1), (1, 2, -1, -2)):
        indices = range(len(s))[start:stop:step]
        sliced = code_points(s[start:stop:step])
        table.row("slice", code_points(s), indices.start, len(indices), step, sliced)
table.write()
