"""datetime64 and timedelta64: NumPy is the reference."""

import numpy as np
import pytest
from ferdelance import njit, types
from ferdelance.errors import TypingError

UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
DATES = {u: np.array([0, 5, -7, 40_000], f"M8[{u}]") for u in UNITS}
DATES["D"] = np.array(["2020-02-29", "NaT", "1969-12-31", "1600-03-01"], "M8[D]")
SPANS = {u: np.array([3, -7, 0, "NaT"], f"m8[{u}]") for u in UNITS}
CALENDAR = {"Y", "M"}


def same(a, b):
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
        return
    assert np.asarray(a).dtype == np.asarray(b).dtype
    np.testing.assert_array_equal(a, b)


def check(function, *args):
    compiled = njit(function)
    with np.errstate(all="ignore"):
        expected = function(*args)
    same(compiled(*args), expected)


@pytest.mark.parametrize("unit", UNITS)
def test_values_go_in_and_come_out(unit):
    for value in (*DATES[unit][:2], *SPANS[unit][2:]):
        result = njit(lambda x: x)(value)
        assert type(result) is type(value)
        assert result.dtype == value.dtype
        np.testing.assert_equal(result, value)


@pytest.mark.parametrize("other", ["M", "D", "s", "ns"])
@pytest.mark.parametrize("unit", ["Y", "W", "D", "h", "ms"])
def test_operands_meet_in_the_finer_unit(unit, other):
    def dates(a, b):
        return a - b, a < b, a == b, a != b, np.maximum(a, b), np.fmin(a, b)

    check(dates, DATES[unit], DATES[other])
    check(dates, DATES[unit][0], DATES[other])
    if (other in CALENDAR) == (unit in CALENDAR):

        def spans(a, b):
            return (
                a + b,
                a - b,
                a < b,
                a >= b,
                a / b,
                a // b,
                a % b,
                np.minimum(a, b),
                np.fmax(a, b),
            )

        check(spans, SPANS[unit], SPANS[other][::-1].copy())
        check(spans, SPANS[unit][1], SPANS[other])
    if other not in CALENDAR or unit in CALENDAR:
        check(lambda a, b: (a + b, b + a, a - b), DATES[unit], SPANS[other])


@pytest.mark.parametrize("number", [2, -3, 0, 2.5, np.float64("inf"), np.int8(4)])
def test_spans_and_numbers(number):
    check(lambda a, n: (a * n, n * a, a / n, a // n), SPANS["s"], number)
    check(lambda a, n: (a * n, n * a, a / n, a // n), SPANS["s"][1], number)


def test_unary_functions_of_spans():
    def f(a):
        return -a, +a, abs(a), np.sign(a), np.isnat(a), np.isfinite(a), np.isnan(a)

    check(f, SPANS["ms"])


def test_reductions():
    check(lambda a: (a.min(), a.max(), a.argmin(), a.argmax()), DATES["D"])
    check(lambda a: (a.min(), a.max(), a.argmin(), a.argmax()), DATES["s"])
    check(lambda a: (a.sum(), a.min(), a.max(), a.any()), SPANS["D"])
    check(lambda a: (a.sum(), a.mean(), a.max()), SPANS["h"][:3])
    check(lambda a: (a.sum(axis=0), a.max(axis=1)), np.arange(6).astype("m8[s]").reshape(2, 3))


def test_constants_are_read_when_compiling():
    def f():
        return (
            np.datetime64("2020-02-29"),
            np.datetime64("1969-07-20T20:17:40", "D"),
            np.datetime64("2001-01-01T00:00:00.123456789"),
            np.datetime64("NaT", "s"),
            np.timedelta64(5, "D"),
            np.timedelta64(7),
            np.datetime64("2024-05"),
        )

    check(f)


def test_values_are_made_of_integers_and_of_other_units():
    check(lambda n: (np.datetime64(n, "s"), np.timedelta64(n, "ms")), -5)
    check(lambda d: (np.datetime64(d, "M"), np.datetime64(d, "ns")), np.datetime64("2020-02-29"))


@pytest.mark.parametrize("other", UNITS)
@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h"])
def test_dates_convert_to_every_unit(unit, other):
    # Past nanoseconds, these dates do not fit.
    if other in ("ps", "fs", "as"):
        return
    name = f"M8[{other}]"
    dates = DATES[unit][1:3]
    out = np.zeros(2, name)

    @njit
    def f(a, out):
        for i in range(len(a)):
            out[i] = a[i]

    f(dates, out)
    np.testing.assert_array_equal(out, dates.astype(name))


def test_items_are_read_and_written():
    @njit
    def f(a, v):
        a[1] = v
        a[2:] = a[0]
        return a[0] - v

    a = DATES["s"].copy()
    v = np.datetime64("2000-01-01")
    assert f(a, v) == DATES["s"][0] - v
    assert a[1] == v
    assert (a[2:] == a[0]).all()


def test_signatures():
    f = njit(types.NPTimedelta("s")(types.NPDatetime("s"), types.NPDatetime("s")))(
        lambda a, b: a - b
    )
    assert f(DATES["s"][1], DATES["s"][0]) == np.timedelta64(5, "s")
    assert f.signatures == [(types.NPDatetime("s"), types.NPDatetime("s"))]


def test_what_has_no_meaning_is_refused():
    day, year = np.timedelta64(1, "D"), np.timedelta64(1, "Y")
    with pytest.raises(TypingError, match="timedelta64"):
        njit(lambda a, b: a + b)(day, year)
    with pytest.raises(TypingError, match="datetime64"):
        njit(lambda a, b: a + b)(np.datetime64("2020"), np.datetime64("2021"))
    with pytest.raises(TypingError, match="needs a unit"):
        njit(lambda n: np.datetime64(n))(5)
