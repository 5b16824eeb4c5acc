"""Elementary functions of array elements: how far they are from the true values.

The reference is NumPy's extended precision: 64 bits, computed by the C library with an error of
about a unit there, which is 2**-10 units in the last place of a double.
"""

import os
import subprocess
import sys

import ferdelance as fd
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="the reference needs an extended long double"
)

# Largest error in units in the last place. 0.5 is correctly rounded.
UNARY = {
    "exp": 1,
    "exp2": 1,
    "expm1": 1,
    "log": 1,
    "log2": 1,
    "log10": 1,
    "log1p": 1,
    "sin": 1,
    "cos": 1,
    "tan": 1,
    "arcsin": 1,
    "arccos": 1,
    "arctan": 1,
    "sinh": 4,
    "cosh": 4,
    "tanh": 4,
    "arcsinh": 4,
    "arccosh": 4,
    "arctanh": 4,
    "cbrt": 1,
}
BINARY = {"arctan2": 1, "hypot": 1.25, "power": 4}
FLOATS = [np.float64, np.float32]


def special(dtype):
    info = np.finfo(dtype)
    sizes = [0, 0.5, 1, 2, 3, 7, 1e9, info.max, info.tiny, info.smallest_subnormal, np.inf]
    return np.array([s * v for v in sizes for s in (1, -1)] + [np.nan], dtype)


def samples(dtype, n=20000):
    """Numbers of all sizes, and more of those at which functions are difficult."""
    rng = np.random.default_rng(1)
    bits = np.dtype(dtype).itemsize * 8
    parts = [rng.integers(0, 2**bits, 4 * n, dtype=f"u{bits // 8}").view(dtype)]
    parts += [rng.uniform(-s, s, n) for s in (1e-3, 0.1, 1, 3, 10, 100, 700)]
    parts += [
        rng.uniform(0.5, 2, 2 * n),
        1 + rng.uniform(-1, 1, n) * 10.0 ** rng.uniform(-12, 0, n),
    ]
    parts += [np.arange(1, n) * (np.pi / 4), np.arange(1, n) * (np.log(2) / 2)]
    return np.concatenate([p.astype(dtype) for p in [*parts, special(dtype)]])


def pairs(dtype, n=20000):
    rng = np.random.default_rng(2)
    bits = np.dtype(dtype).itemsize * 8

    def any_bits():
        return rng.integers(0, 2**bits, 4 * n, dtype=f"u{bits // 8}").view(dtype)

    a, b = np.meshgrid(special(dtype), special(dtype))
    x = [
        any_bits(),
        rng.uniform(-3, 3, n),
        10 ** rng.uniform(-30, 30, n),
        1 + rng.uniform(-1, 1, n) / 1024,
    ]
    y = [any_bits(), rng.uniform(-3, 3, n), rng.uniform(-10, 10, n), rng.uniform(-30000, 30000, n)]
    x += [rng.integers(-99, 99, n), a.ravel()]
    y += [rng.integers(-20, 20, n), b.ravel()]
    return np.concatenate([v.astype(dtype) for v in x]), np.concatenate(
        [v.astype(dtype) for v in y]
    )


def distance(got, exact):
    """In units in the last place of the true values; infinite where special values differ."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        finite = np.isfinite(exact) & (exact != 0)
        _, exponent = np.frexp(np.where(finite, exact, np.longdouble(1)))
        unit = np.ldexp(
            np.longdouble(1), np.maximum(exponent - info.nmant - 1, info.minexp - info.nmant)
        )
        error = np.abs(got.astype(np.longdouble) - exact) / unit
        same = (got == rounded) & (np.signbit(got) == np.signbit(rounded))
        same |= np.isnan(got) & np.isnan(rounded)
        error = np.where(same & ~(finite & np.isfinite(rounded)), 0, error)
        # Past the largest number, the next is infinite.
        edge = np.isinf(got) & np.isfinite(rounded) & (np.abs(exact) >= info.max * (1 - info.eps))
        error = np.where(edge, 1, error)
        wrong = np.isnan(error) | (got == 0) & (exact == 0) & ~same
        return np.where(wrong, np.inf, error)


def worst(got, exact, *args):
    error = distance(got, exact)
    at = int(np.argmax(error))
    return error[at], f"of {[a[at] for a in args]}: {got[at]!r}, not {exact[at]!r}"


def function(name, arity=1, **options):
    names = "x, y"[: 3 * arity - 2]
    namespace = {"np": np}
    exec(f"def f({names}, out):\n    np.{name}({names}, out)\n", namespace)
    return fd.njit(**options)(namespace["f"])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_are_accurate_everywhere(name, dtype):
    x = samples(dtype)
    out = np.empty_like(x)
    function(name)(x, out)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble))
    error, what = worst(out, exact, x)
    assert error <= UNARY[name], what


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers_are_accurate_everywhere(name, dtype):
    x, y = pairs(dtype)
    out = np.empty_like(x)
    function(name, 2)(x, y, out)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble), y.astype(np.longdouble))
    error, what = worst(out, exact, x, y)
    assert error <= BINARY[name], what


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_exponentials_are_accurate_in_both_parts(dtype):
    real = np.dtype(dtype).type(0).real.dtype
    rng = np.random.default_rng(3)
    z = (rng.uniform(-80, 80, 20000) + 1j * rng.uniform(-1000, 1000, 20000)).astype(dtype)
    z[::100] = 1j * rng.uniform(-1e12, 1e12, 200)  # angles of many turns
    out = np.empty_like(z)
    function("exp")(z, out)
    exact = np.exp(z.astype(np.clongdouble))
    for part in ("real", "imag"):
        error, what = worst(getattr(out, part), getattr(exact, part), z)
        assert error <= 3, what
    # Special values, which the runtime computes.
    parts = special(real)
    with np.errstate(all="ignore"):
        z = np.array([complex(a, b) for a in parts for b in parts]).astype(dtype)
        out = np.empty_like(z)
        function("exp")(z, out)
        wanted = np.exp(z)
        for part in ("real", "imag"):
            got, want = getattr(out, part), getattr(wanted, part)
            assert np.allclose(got, want, rtol=8 * np.finfo(real).eps, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "exponent", [0.5, 1.5, 2.5, -0.5, -1.5, 2.0, 3.0, 5.0, -1.0, -2.0, -3.0, -4.0, 1.7]
)
def test_constant_powers_are_accurate_everywhere(exponent, dtype):
    namespace = {}
    exec(f"def f(x, out):\n    out[:] = x ** {exponent}\n", namespace)
    x = samples(dtype)
    if exponent == 0.5:
        # NumPy's versions differ: some take the square root.
        x = x[x != -np.inf]
    out = np.empty_like(x)
    fd.njit(namespace["f"])(x, out)
    with np.errstate(all="ignore"):
        exact = x.astype(np.longdouble) ** np.longdouble(dtype(exponent))
    error, what = worst(out, exact, x)
    assert error <= 4, what


@pytest.mark.parametrize("name", UNARY)
def test_fastmath_leaves_them_accurate(name):
    x = np.random.default_rng(3).uniform(0.01, 0.99, 20000)
    if name == "arccosh":
        x += 1
    out = np.empty_like(x)
    function(name, fastmath=True)(x, out)
    error, what = worst(out, getattr(np, name)(x.astype(np.longdouble)), x)
    assert error <= UNARY[name], what


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3"])
def test_functions_are_accurate_on_other_machines(cpu):
    # What code is made for is settled when a process begins.
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "everywhere", __file__],
        env={**os.environ, "FERDELANCE_CPU_NAME": cpu},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout


def check_rare(x, got):
    with np.errstate(invalid="ignore"):
        error, what = worst(got, np.sin(x.astype(np.longdouble)), x)
    assert error <= 1, what


@pytest.mark.parametrize("n", [1, 7, 255, 256, 257, 1000])
def test_rare_cases_anywhere_in_an_array(n):
    @fd.njit
    def new(x):
        return np.sin(x)

    @fd.njit
    def in_place(x):
        np.sin(x, x)

    for at in {0, n // 2, n - 1}:
        x = np.linspace(-10, 10, n)
        x[at] = 1e300
        check_rare(x, new(x))
        check_rare(x[::-1], new(x[::-1]))
        changed = x.copy()
        in_place(changed)
        check_rare(x, changed)
        changed = np.repeat(x, 2)
        in_place(changed[::2])
        check_rare(x, changed[::2].copy())
        assert np.array_equal(changed[1::2], x)


def test_rare_cases_in_reductions():
    @fd.njit
    def total(x):
        return np.sin(x).sum()

    @fd.njit
    def columns(x):
        return np.sin(x).sum(axis=0)

    @fd.njit
    def rows(x):
        return np.cos(x).max(axis=1)

    x = np.random.default_rng(4).uniform(-10, 10, (300, 700))
    for place in [(0, 0), (150, 350), (299, 699)]:
        x[place] = 1e200
        assert total(x) == pytest.approx(np.sin(x).sum(), rel=1e-12)
        assert columns(x) == pytest.approx(np.sin(x).sum(axis=0), rel=1e-12, abs=1e-13)
        assert np.allclose(rows(x), np.cos(x).max(axis=1), rtol=1e-15)


def test_rare_cases_that_depend_on_what_is_computed():
    @fd.njit
    def f(x, out):
        out[:] = np.sin(np.exp(x)) + np.cos(x)

    x = np.linspace(-5, 50, 1000)
    out = np.empty_like(x)
    f(x, out)
    # The argument of the sine is rounded, as NumPy's is.
    assert np.allclose(out[x < 3], (np.sin(np.exp(x)) + np.cos(x))[x < 3], rtol=1e-13)
    f(x, x)
    assert np.array_equal(out, x)


def test_scalars_and_elements_agree_about_special_values():
    @fd.njit
    def element(x):
        out = np.empty(1, np.float64)
        np.log(x, out)
        return out[0], np.log(x[0])

    for value in special(np.float64):
        vector, scalar = element(np.array([value]))
        assert np.allclose([vector], [scalar], rtol=1e-15, atol=0, equal_nan=True)
