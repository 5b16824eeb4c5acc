"""NumPy's element-wise functions against NumPy: every function of the compiler's table, every type.

The functions that are compiled are written here: one for each type of operands, which calls all the
ufuncs that take it, so that few functions are compiled.
"""

import warnings

import ferdelance
import numpy as np
import pytest
from ferdelance import njit

INTS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
TYPES = ["?", *INTS, "f2", "f4", "f8", "c8", "c16"]
nan, inf = np.nan, np.inf

UNARY = """
    negative positive absolute fabs sign square reciprocal conjugate sqrt cbrt logical_not
    invert bitwise_count exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan
    sinh cosh tanh arcsinh arccosh arctanh deg2rad radians rad2deg degrees floor ceil trunc
    rint isfinite isinf isnan signbit spacing modf frexp
""".split()
BINARY = """
    add subtract multiply divide floor_divide remainder power float_power fmod divmod gcd lcm
    heaviside equal not_equal less less_equal greater greater_equal logical_and logical_or
    logical_xor maximum minimum fmax fmin bitwise_and bitwise_or bitwise_xor left_shift
    right_shift logaddexp logaddexp2 arctan2 hypot copysign nextafter
""".split()

# Results that are computed by the same operations as NumPy's. Others may differ in the last places:
# NumPy promises 4 units, and so do we.
EXACT = set(
    """
    negative positive absolute fabs sign square reciprocal conjugate sqrt floor ceil trunc
    rint spacing modf frexp add subtract multiply divide floor_divide remainder fmod divmod
    heaviside maximum minimum fmax fmin copysign nextafter deg2rad radians
    """.split()
)
ULPS = 4


def values(t):
    """Values of a type: the edges, and some between."""
    t = np.dtype(t)
    if t.kind == "b":
        return np.array([True, False, True])
    if t.kind in "iu":
        info = np.iinfo(t)
        some = [0, 1, 2, 3, 5, 7, 12, 100, info.max, info.max - 1, info.min, info.min + 1]
        return np.array(some + [-1, -2, -7] * (t.kind == "i"), t)
    tiny = np.finfo(t).tiny
    real = [
        0.0,
        -0.0,
        1,
        -1,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        3.75,
        1e-3,
        7.3,
        -19.2,
        88.0,
        1e10,
        -1e30,
        nan,
        inf,
        -inf,
        tiny,
    ]
    if t.kind == "f":
        return np.array([*real, np.finfo(t).max, -np.finfo(t).max, tiny / 4], t)
    parts = [0.0, -0.0, 1.0, -2.5, 0.75, 13.0, inf, -inf, nan]
    return np.array([complex(a, b) for a in parts for b in parts], t)


def pairs(t, u):
    """All pairs of values of two types."""
    a, b = values(t), values(u)
    if len(a) * len(b) > 900:
        a, b = a[::2], b[::2]
    return np.repeat(a, len(b)), np.tile(b, len(a))


def outcome(f, *args):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return f(*args)
        except (TypeError, ValueError):
            return None


def same(name, got, want, of_complex=False):
    """Nothing, or in what `got` differs from `want`."""
    if isinstance(want, tuple):
        found = [same(name, g, w, of_complex) for g, w in zip(got, want, strict=True)]
        return next((f for f in found if f), None)
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if want.dtype.kind not in "fc":
        bad = got != want
    elif want.dtype.kind == "c":
        # Of infinite and undefined results, only what they are is compared.
        known = np.isfinite(want)
        bad = np.zeros(want.shape, bool)
        eps = np.finfo(want.dtype).eps
        with np.errstate(all="ignore"):
            limit = (500 if "power" in name else 16) * eps * np.abs(want) + np.finfo(
                want.dtype
            ).tiny
            bad[known] = ~(np.abs(got - want) <= limit)[known]
            bad[~known] = np.isinf(want[~known]) != np.isinf(got[~known])
            bad[~known] |= np.isfinite(got[~known])
    else:
        bits = want.dtype.str.replace("f", "i")
        a, b = got.view(bits).astype(np.int64), want.view(bits).astype(np.int64)
        least = np.int64(np.iinfo(bits).min)
        a, b = np.where(a < 0, least - a, a), np.where(b < 0, least - b, b)
        zero = np.signbit(got) != np.signbit(want)
        far = np.abs(a - b) > (0 if name in EXACT and not of_complex else ULPS)
        bad = np.where(np.isnan(want), ~np.isnan(got), far | np.isnan(got) | zero)
        if name in ("maximum", "minimum", "fmax", "fmin"):
            bad &= got != want
            bad |= np.isnan(got) != np.isnan(want)
    if not bad.any():
        return None
    return bad


def compile_all(names, parameters):
    lines = [f"    r{i} = np.{name}({parameters})" for i, name in enumerate(names)]
    results = ", ".join(f"r{i}" for i in range(len(names)))
    text = f"def f({parameters}):\n" + "\n".join(lines) + f"\n    return ({results},)\n"
    space = {"np": np}
    exec(text, space)
    return njit(space["f"])


def differences(names, *args):
    """What compiled code makes of a call of each, where it differs from NumPy."""
    wanted = {name: outcome(getattr(np, name), *args) for name in names}
    legal = [n for n in names if wanted[n] is not None]
    got = compile_all(legal, ", ".join("ab"[: len(args)]))(*args)
    found = []
    for name, g in zip(legal, got, strict=True):
        bad = same(name, g, wanted[name], args[0].dtype.kind == "c")
        if isinstance(bad, np.ndarray):
            at = np.flatnonzero(bad)[:3]
            want = wanted[name][-1] if isinstance(g, tuple) else wanted[name]
            got_one = g[-1] if isinstance(g, tuple) else g
            bad = ", ".join(f"{[a[i] for a in args]}: {got_one[i]!r}, not {want[i]!r}" for i in at)
        if bad:
            found.append(f"{name}: {bad}")
    refused = [n for n in names if n not in legal]
    for name in refused:
        try:
            compile_all([name], ", ".join("ab"[: len(args)]))(*args)
            found.append(f"{name} of {[str(a.dtype) for a in args]} is not refused")
        except (ferdelance.errors.TypingError, ValueError):
            pass
    return found


@pytest.mark.parametrize("t", TYPES)
def test_functions_of_one_operand(t):
    assert differences(UNARY, values(t)) == []


@pytest.mark.parametrize("t", TYPES)
def test_functions_of_two_operands_of_one_type(t):
    a, b = pairs(t, t)
    # Signed powers of negative exponents raise.
    names = [n for n in BINARY if not (n == "power" and np.dtype(t).kind == "i")]
    assert differences(names, a, b) == []


@pytest.mark.parametrize("t", TYPES)
def test_operands_of_two_types(t):
    a = np.array([1, 0, 1]).astype(t)
    for u in TYPES[TYPES.index(t) + 1 :]:
        names = ["add", "less", "copysign", "left_shift"]
        assert differences(names, a, np.array([0, 2, 1]).astype(u)) == []


@pytest.mark.parametrize("t", TYPES)
def test_python_scalars_adapt_to_arrays(t):
    def f(a, i, x, z):
        return a + i, i * a, a + x, a + z, a == i, np.maximum(a, i), np.heaviside(np.abs(a), x)

    a = np.array([1, 0, 1]).astype(t)
    want = outcome(f, a, 3, 2.5, 1j)
    got = njit(f)(a, 3, 2.5, 1j)
    assert [g.dtype for g in got] == [w.dtype for w in want]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)


def test_integers_of_python_that_do_not_fit():
    def plus(a, n):
        return a + n

    def constant(a):
        return a + 300

    def order(a, n):
        return a < n, a == n, a >= n, a < 300, a > -1

    a = np.array([1, 255, 7], np.uint8)
    for n in (-1, 256, 300):
        for f in (plus, njit(plus)):
            with pytest.raises(OverflowError, match="out of bounds for uint8"):
                f(a, n)
        for got, want in zip(njit(order)(a, n), order(a, n), strict=True):
            np.testing.assert_array_equal(got, want)
    for f in (constant, njit(constant)):
        with pytest.raises(OverflowError, match="Python integer 300 out of bounds for uint8"):
            f(a)
    with pytest.raises(OverflowError):
        njit(plus)(np.array([1], np.uint64), -1)
    np.testing.assert_array_equal(njit(plus)(a, 3), a + 3)


def test_negative_powers_of_integers_raise():
    def f(a, b):
        return a**b

    a = np.array([2, 3])
    np.testing.assert_array_equal(njit(f)(a, np.array([3, 0])), [8, 1])
    for b in (np.array([1, -1]), -2):
        for g in (f, njit(f)):
            with pytest.raises(ValueError, match="negative integer powers"):
                g(a, b)


def test_out_takes_the_result_and_is_the_result():
    def f(a, b, out):
        r = np.add(a, b, out=out)
        np.multiply(r, 2, out)
        np.sqrt(out, out=(out,))
        return r

    for out in (
        np.zeros((2, 3)),
        np.zeros((3, 2)).T,
        np.zeros((4, 6))[::2, ::-2],
        np.zeros((2, 3), np.complex64),
    ):
        a, b = np.arange(6.0).reshape(2, 3), np.arange(3)
        want, got = out.copy(), out.copy()
        f(a, b, want)
        result = njit(f)(a, b, got)
        np.testing.assert_array_equal(got, want)
        assert np.shares_memory(result, got)


def test_out_is_cast_to_its_kind_only():
    def f(a, out):
        np.add(a, 0.5, out=out)

    def unsafe(a, out):
        np.add(a, 0.5, out=out, casting="unsafe")

    with pytest.raises(ferdelance.errors.TypingError, match="same_kind"):
        njit(f)(np.ones(2), np.zeros(2, np.int64))
    out = np.zeros(2, np.int64)
    njit(unsafe)(np.ones(2) * 3, out)
    np.testing.assert_array_equal(out, [3, 3])
    out = np.zeros(2, np.float32)
    njit(f)(np.ones(2), out)
    np.testing.assert_array_equal(out, [1.5, 1.5])


def test_out_is_not_stretched():
    def f(a, out):
        np.add(a, 1, out=out)

    for out in (np.zeros(3), np.zeros((1, 3))):
        for g in (f, njit(f)):
            with pytest.raises(ValueError):
                g(np.ones((2, 3)), out)


def test_where_leaves_the_other_elements():
    def f(a, mask, out):
        np.divide(1, a, out=out, where=mask)
        return np.sqrt(a, out=out, where=a > 1)

    a = np.array([[0.0, 1.0, 4.0], [9.0, 0.0, 2.0]])
    for mask in (a != 0, np.array([True, False, True]), True, np.True_):
        with np.errstate(all="ignore"):
            want = f(a, mask, np.full(a.shape, -1.0))
        np.testing.assert_array_equal(njit(f)(a, mask, np.full(a.shape, -1.0)), want)


def test_dtype_chooses_the_loop():
    def f(a):
        return (
            np.add(a, 2, dtype=np.float32),
            np.multiply(a, a, dtype=np.complex128),
            np.add(a, 1, dtype="i2"),
        )

    def narrow(a):
        return np.add(a, 1.5, dtype=np.int8)

    a = np.arange(4)
    for g, w in zip(njit(f)(a), f(a), strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_array_equal(g, w)
    with pytest.raises(ferdelance.errors.TypingError, match="does not give int8"):
        njit(narrow)(a)


def test_functions_of_several_results():
    def f(a, q, r):
        np.divmod(a, 3, q, r)
        np.modf(a, out=(q, r))
        return divmod(a, 2), np.frexp(a), np.modf(a[0])

    a = np.array([7.5, -2.25, 0.0])
    got, want = (g(a, np.zeros(3), np.zeros(3)) for g in (njit(f), f))
    for x, y in zip(got, want, strict=True):
        np.testing.assert_array_equal(np.array(x), np.array(y))


SCALARS = [
    3,
    -2,
    2.5,
    0.0,
    True,
    np.int8(5),
    np.uint8(200),
    np.float32(0.3),
    np.complex64(1 - 2j),
    1.5j,
]


@pytest.mark.parametrize("x", SCALARS)
def test_scalars_give_scalars(x):
    wanted = {n: outcome(getattr(np, n), x) for n in UNARY}
    wanted = {n: w for n, w in wanted.items() if w is not None and not is_half_scalar(w)}
    got = compile_all(wanted, "a")(x)
    for (name, want), g in zip(wanted.items(), got, strict=True):
        assert plain_kind(g) == plain_kind(want), name
        np.testing.assert_allclose(g, want, rtol=1e-6 if isinstance(x, np.generic) else 1e-14)


def plain_kind(value):
    return np.array(value).dtype.kind.replace("u", "i")


def is_half_scalar(value):
    parts = value if isinstance(value, tuple) else (value,)
    return any(np.asarray(p).dtype == np.float16 for p in parts)


def test_where_clip_round_and_their_kin():
    def f(a, b, m):
        return (
            np.where(m, a, b),
            np.where(a, a, 0),
            np.where(m, 1, -1.5),
            np.clip(a, -1, 2),
            np.clip(a, None, 2),
            np.clip(a, b, None),
            a.clip(0, 3),
            np.clip(a, min=-1, max=b),
            np.round(a, 1),
            np.around(a),
            a.round(2),
            np.round(a * 1000, -2),
            np.fix(a),
            np.sinc(a),
            np.i0(a),
            np.nan_to_num(a),
            np.nan_to_num(a, nan=7, posinf=1.5, neginf=-2),
            np.isclose(a, b),
            np.isclose(a, a, equal_nan=True),
            np.isposinf(a),
            np.isneginf(a),
            np.angle(a),
            np.angle(a, deg=True),
            np.real(a),
            np.imag(a),
            np.iscomplex(a),
            np.isreal(a),
            np.select((m, a > 1), (a, b), 9),
            a.conj(),
            a.real,
            a.imag,
        )

    for t in ("f8", "f4"):
        a = np.array([0.0, -0.0, 0.15, 0.25, -2.5, 3.75, 1e5, 12.345, nan, inf, -inf], t)
        b = a[::-1].copy()
        want = outcome(f, a, b, a > 0)
        got = njit(f)(a, b, a > 0)
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            assert g.dtype == w.dtype, i
            rtol = 1e-6 if w.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(g, w, rtol=rtol, err_msg=str(i))


def test_parts_of_complex_arrays():
    def f(z):
        z.real[0] = 9
        return (
            z.real,
            z.imag,
            np.angle(z),
            np.iscomplex(z),
            np.isreal(z),
            np.round(z, 1),
            z.conj(),
            np.nan_to_num(z),
            np.where(z, z, 1),
            np.isclose(z, z + 1e-9),
            np.iscomplexobj(z),
            np.isrealobj(z),
            np.abs(z),
        )

    for t in ("c8", "c16"):
        z = np.array([1.25 + 2j, -0.75j, 3, complex(nan, inf), complex(-inf, 0)], t)
        with np.errstate(all="ignore"):
            want, got = f(z.copy()), njit(f)(z.copy())
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            assert np.asarray(g).dtype == np.asarray(w).dtype, i
            np.testing.assert_allclose(g, w, rtol=1e-6, err_msg=str(i))
        shared = z.copy()
        assert np.shares_memory(njit(lambda z: z.imag)(shared), shared)


def test_closeness_and_equality_of_whole_arrays():
    def f(a, b):
        return (
            np.allclose(a, b),
            np.allclose(a, b, 0, 1e-3, True),
            np.array_equal(a, b),
            np.array_equal(a, b, equal_nan=True),
            np.array_equiv(a, b),
            np.array_equal(a, a[:2]),
        )

    def g(a, b):
        return np.array_equal(a, b), np.array_equiv(a, b)

    a = np.array([[1.0, nan], [2.0, 3.0], [0.0, inf]])
    for b in (a, a + 1e-9, a + 1, a[:, :1], a[:2], np.zeros((2, 2))):
        if b.shape == a.shape:
            assert njit(f)(a, b) == f(a, b)
        assert njit(g)(a, b) == g(a, b)


def test_integers_are_rounded_to_tens():
    def f(a):
        return np.round(a, -1), np.round(a, 2), a.round(), np.nan_to_num(a)

    for t in INTS:
        a = np.array([0, 4, 5, 15, 25, 26, 120], t)
        for g, w in zip(njit(f)(a), f(a), strict=True):
            assert g.dtype == w.dtype
            np.testing.assert_array_equal(g, w)


def test_interpolation():
    def f(x, xp, fp):
        return np.interp(x, xp, fp), np.interp(x, xp, fp, -1.0, 7), np.interp(x, xp, fp, left=2)

    xp = np.array([0.0, 1, 2.5, 5])
    compiled = njit(f)
    for x in (
        np.linspace(-1, 6, 31),
        np.linspace(-1, 6, 12).reshape(3, 4),
        2.5,
        3,
        np.array([nan]),
    ):
        for fp in ([1.0, 4, 9, 16], [1, 4, 9, 16], [1j, 2, 3, 4], [inf, 1.0, 2.0, nan]):
            for got, want in zip(compiled(x, xp, np.array(fp)), f(x, xp, fp), strict=True):
                np.testing.assert_array_equal(got, want)


def test_unwrapped_phases():
    def f(p):
        return (
            np.unwrap(p),
            np.unwrap(p, period=4.0),
            np.unwrap(p, discont=5.0),
            np.unwrap(p, axis=0),
        )

    random = np.random.default_rng(1)
    phases = random.uniform(-9, 9, (3, 8))
    for p in (phases, phases[0], phases[0].astype(np.float32), np.arange(0, 40, 3), np.zeros(0)):
        for got, want in zip(njit(f)(p), f(p), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_limits_of_types():
    def f(a, x):
        i, e = np.iinfo(a.dtype), np.finfo(x)
        return (
            i.min,
            i.max,
            i.bits,
            e.eps,
            e.max,
            e.min,
            e.tiny,
            e.bits,
            e.smallest_subnormal,
            e.nexp,
        )

    for t, x in (("i1", 1.0), ("u8", np.float32(1)), ("i4", 1j)):
        a = np.zeros(1, t)
        assert njit(f)(a, x) == f(a, x)


def test_views_of_scalars():
    def f(x):
        return np.float64(x).view(np.uint64), np.float32(x).view("i4"), np.int8(x).view(np.uint8)

    for x in (1.5, -2.0, 0.0):
        assert njit(f)(x) == f(x)
    with pytest.raises(ferdelance.errors.TypingError, match="same size"):
        njit(lambda x: np.int64(x).view(np.int32))(1)


def test_where_of_scalars_is_an_array():
    def f(c, x, y):
        return np.where(c, x, y)

    for args in ((True, 1.0, 2.0), (0, 1, 2.5), (np.array(1), 2, 3)):
        got, want = njit(f)(*args), f(*args)
        assert type(got) is type(want) and got.dtype == want.dtype and got == want


def test_outer_pairs_all_elements():
    def f(a, b):
        return np.subtract.outer(a, b), np.maximum.outer(a, b), np.less.outer(a, b)

    a, b = np.arange(6).reshape(2, 3), np.array([1.5, 2.5])
    for args in ((a, b), (b, a), (a[::-1, 1:], a.T), (a, 2), (3.5, b)):
        for got, want in zip(njit(f)(*args), f(*args), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
    with pytest.raises(ferdelance.errors.TypingError, match="no attribute `outer`"):
        njit(lambda a: np.sin.outer(a, a))(a)


def test_copyto_casts_to_the_same_kind():
    def f(dst, src, mask):
        np.copyto(dst, src)
        np.copyto(dst, 7, where=mask)

    for t in ("f8", "f4", "c16"):
        got, want = np.zeros((2, 3), t), np.zeros((2, 3), t)
        mask = np.array([True, False, True])
        njit(f)(got, np.arange(3), mask)
        f(want, np.arange(3), mask)
        np.testing.assert_array_equal(got, want)
    with pytest.raises(ferdelance.errors.TypingError, match="same_kind"):
        njit(lambda d, s: np.copyto(d, s))(np.zeros(2, int), np.zeros(2))


def test_attributes_and_methods_of_scalars():
    def f(x):
        return x.itemsize, x.ndim, x.shape, x.size, x.astype(np.float32), x.dtype.name

    def g(x):
        return x.is_integer(), x.as_integer_ratio(), x.round(1), x.max(), x.conjugate()

    def h(n):
        return round(n, -2), round(n, -1), round(n, 3)

    for x in (np.int8(100), np.uint16(500), np.float32(0.25), np.complex128(1)):
        if x.dtype.kind != "c":
            assert njit(f)(x) == f(x)
    for x in (np.float64(2.25), np.float32(-0.75), np.float64(1e15)):
        assert njit(g)(x) == g(x)
    for n in (12345, -1550, 5, 250, 350, 0):
        assert njit(h)(n) == h(n)


def test_relations_of_types():
    def f(a, b):
        return (
            np.issubdtype(a.dtype, np.integer),
            np.issubdtype(a.dtype, np.signedinteger),
            np.issubdtype(a.dtype, np.floating),
            np.issubdtype(a.dtype, np.inexact),
            np.issubdtype(a.dtype, np.number),
            np.issubdtype(a.dtype, float),
            np.can_cast(a.dtype, b.dtype),
            np.can_cast(a.dtype, b.dtype, "same_kind"),
            np.result_type(a, b) == np.promote_types(a.dtype, b.dtype),
            np.result_type(1, a) == a.dtype,
            a.dtype == b.dtype,
            a.dtype != np.float64,
            a.dtype.kind,
            a.dtype.char,
            a.dtype.str,
            a.dtype.name,
        )

    def by_type(a):
        if np.issubdtype(a.dtype, np.complexfloating):
            return a.real.sum()
        if a.dtype == np.float64 or a.dtype.kind == "f":
            return a.sum() * 1.0
        return len(a)

    arrays = [np.zeros(2, t) for t in TYPES]
    for a, b in zip(arrays, arrays[3:] + arrays[:3], strict=True):
        assert njit(f)(a, b) == f(a, b)
    for a in arrays:
        assert njit(by_type)(a) == by_type(a)


def test_integers_out_of_bounds_are_not_stored_in_whole_arrays():
    a = np.zeros(3, np.uint8)

    @njit
    def constant(a):
        a[1:] = -1

    @njit
    def variable(a, x):
        a[...] = x

    with pytest.raises(OverflowError, match="-1 out of bounds for uint8"):
        constant(a)
    with pytest.raises(OverflowError):
        variable(a, 256)
    assert not a.any()
    variable(a, 255)
    assert (a == 255).all()


def test_matrix_product_in_place():
    @njit
    def f(a, b):
        a @= b
        return a

    a, b = np.arange(9.0).reshape(3, 3), np.ones((3, 3))
    expected = a @ b
    assert f(a, b) is a
    np.testing.assert_array_equal(a, expected)
    with pytest.raises(ferdelance.errors.TypingError, match="fewer dimensions"):
        f(a, np.ones(3))


@pytest.mark.parametrize("x", [[1, 2], (10, 20), [1.5, 2.0], ([1, 2], [3, 4])])
def test_operators_take_sequences_beside_arrays(x):
    def f(a, x):
        b = a * 1.0
        b += x
        return a + x, x * a, a > x, x == a, -a // x, b, a @ x, x @ a

    a = np.array([[1, 2], [3, 4]])
    for ours, theirs in zip(njit(f)(a, x), f(a, x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_errors_name_the_shapes_as_numpy_does():
    def add(a, b):
        return a + b

    def choose(a, b):
        return np.where(a > 0, b, 1.0)

    def assign(a, b):
        a[:] = b

    def assign_part(a, b):
        a[0, 1:] = b

    def chain(a, b):
        c = a * 2.0
        return np.sqrt(c - 1.0) * b

    def reshape(a, b):
        return a.reshape(b.size, 7)

    def reshape_open(a, b):
        return a.reshape(5, -1)

    vectors, matrices = (np.ones(3), np.ones(4)), (np.ones((2, 3)), np.ones(4))
    cases = [(add, vectors), (add, matrices), (add, (np.ones((2, 1, 5)), np.ones((3, 4))))]
    cases += [(choose, vectors), (assign, vectors), (assign, matrices), (assign_part, matrices)]
    cases += [(chain, matrices), (reshape, matrices), (reshape_open, matrices)]
    for function, arguments in cases:
        with pytest.raises(ValueError) as expected:
            function(*arguments)
        with pytest.raises(ValueError) as found:
            njit(function)(*arguments)
        assert str(found.value) == str(expected.value)
