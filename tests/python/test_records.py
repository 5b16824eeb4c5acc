"""Structured arrays and records: NumPy is the reference."""

import numpy as np
import pytest
from ferdelance import from_dtype, njit
from ferdelance.errors import TypingError

POINT = np.dtype([("x", "f8"), ("n", "i4"), ("ok", "?")])
ALIGNED = np.dtype([("k", "i1"), ("x", "f8"), ("z", "c16"), ("h", "u2")], align=True)
NESTED = np.dtype([("p", POINT), ("v", "f4", (2, 3)), ("t", "M8[D]")])
A = np.array([(1.5, 2, True), (2.5, -3, False), (-0.5, 7, True)], POINT)
B = np.array([(1, 0.5, 1 + 2j, 9), (-2, 1.5, -3j, 65535)], ALIGNED)
C = np.zeros(3, NESTED)
C["v"] = np.arange(18).reshape(3, 2, 3)
C["p"] = A


def same(a, b):
    if isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            same(x, y)
        return
    np.testing.assert_array_equal(a, b)


def check(function, *args):
    """Results and what becomes of the arguments are NumPy's."""
    ours, theirs = [x.copy() for x in args], [x.copy() for x in args]
    same(njit(function)(*ours), function(*theirs))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x, y)


def test_fields_of_arrays_are_views():
    def f(a):
        a["x"][1:] = 9
        a["n"] += 1
        return a["x"], a["n"][::-1], a["ok"].sum()

    check(f, A)
    check(f, A[::-1])


def test_fields_of_records():
    def f(a):
        a[1]["x"] = a[0]["x"] + a[-1]["n"]
        r = a[2]
        r["n"] = 5
        s = 0.0
        for r in a:
            s += r["x"] * r["n"]
        return s, a[0][0], a[1][-1]

    check(f, A)


def test_aligned_fields():
    check(lambda a: (a["k"], a["x"], a["z"], a["h"], a[1]["z"], a.itemsize), B)


def test_nested_fields_and_sub_arrays():
    def f(c):
        c[0]["p"]["x"] = 8.25
        c["p"]["n"][1] = 40
        c[1]["v"][1, 2] = -1
        c["v"][2, 0] = 3
        c["t"] = np.datetime64("2020-02-29")
        return c["p"]["x"], c[0]["v"], c["v"][:, 1, ::2], c[1]["v"].sum(), c["t"]

    check(f, C)


def test_attributes_of_record_arrays():
    def f(a):
        a[1].x *= 2
        a.n[0] = 17
        a[0].ok = False
        return a.x.sum(), a.n, a[0].ok

    check(f, A.view(np.recarray))


def test_records_are_assigned():
    def f(a, b):
        a[0] = b[1]
        a[1:] = b[:2]
        a[1] = (10.0, 20, True)
        a[2] = 1
        t = a[0].copy()
        a[0] = a[2]
        a[2] = t
        return a[np.array([2, 0])], a[a["ok"]], a.copy()

    check(f, A, A[::-1].copy())


def test_records_compare_and_unpack():
    def f(a, b):
        x, n, _ = a[0]
        return a == b, a != b, a[0] == b[0], a[0] == b[2], x + n, tuple(a[1]), len(a[0])

    check(f, A, A[::-1].copy())


def test_records_go_in_and_out():
    r = A.copy()[1]

    @njit
    def f(r):
        r["x"] = 4.0
        return r, r.n

    out, n = f(r)
    assert isinstance(out, np.record)
    assert out.x == r["x"] == 4.0
    assert n == -3
    # A copy: its own memory.
    out.x = 5.0
    assert r["x"] == 4.0


def test_a_record_keeps_its_array_alive():
    @njit
    def make():
        a = np.zeros(3, POINT)
        a["x"] = 2.5
        return a[1]

    @njit
    def f():
        return make()["x"]

    assert f() == 2.5
    assert make().x == 2.5


def test_signatures_and_records_with_more_fields():
    t = from_dtype(np.dtype([("x", "f8")]))
    f = njit([(t,)])(lambda r: r["x"] * 2)
    assert f(A[1]) == 5.0
    assert len(f.signatures) == 1


def test_records_that_cannot_be_written_to():
    a = A.copy()
    a.flags.writeable = False

    def f(r):
        r["x"] = 1

    with pytest.raises(TypingError, match="read-only"):
        njit(f)(a[0])

    def g():
        A[0]["x"] = 1

    with pytest.raises(TypingError, match="read-only"):
        njit(g)()


def test_unknown_fields_are_refused():
    with pytest.raises(TypingError, match="no field `xx`"):
        njit(lambda a: a["xx"])(A)
    with pytest.raises(TypingError, match="no field `xx`"):
        njit(lambda a: a[0]["xx"])(A)
    with pytest.raises(TypingError, match="must be a constant"):
        njit(lambda a, name: a[name])(A, "x")


def test_texts_in_arrays():
    dtype = np.dtype([("name", "U5"), ("tag", "S3"), ("v", "f4")])
    a = np.array([("abc", b"xy", 1.5), ("h\u00e9llo", b"abc", 2.5)], dtype)

    def f(a):
        a[1]["name"] = "toolong"
        a["name"][0] = "x"
        return a["name"], a["tag"], a[::-1].copy(), a[np.array([1])]["v"]

    check(f, a)

    @njit
    def g(a):
        return (
            a[0]["name"] == "abc",
            str(a[1]["name"]),
            len(a[0]["tag"]),
            a[0]["name"] < "abd",
            a["name"][1],
        )

    same, text, length, less, item = g(a)
    assert (same, text, length, less, item) == (True, "h\u00e9llo", 2, True, "h\u00e9llo")
    assert type(item) is np.str_


def test_records_of_tuples():
    def f(rows):
        one = np.array((9.0, 8, True), dtype=POINT)
        return np.array([(1.0, 2, False), (3.5, 4, True)], dtype=POINT), one, np.array(rows, POINT)

    rows = [(0.5, 1, True)] * 3
    same(njit(f)(rows), f(rows))


def test_a_list_of_fields_is_a_dtype():
    def f(n):
        a = np.zeros(n, dtype=[("k", np.int8), ("v", "f4", (2, 3)), ("s", "U3"), ("m", "i8", 2)])
        a["v"][1] = 2
        a["s"][0] = "abcd"
        return a, a.itemsize, np.dtype([("x", np.float64)]).itemsize

    ours, theirs = njit(f)(2), f(2)
    assert ours[0].dtype == theirs[0].dtype
    same(ours, theirs)
    with pytest.raises(TypingError, match="list of fields"):
        njit(lambda n: np.zeros(n, dtype=[("x", "f8", 1.5)]))(1)


def test_several_fields_are_a_view():
    def f(a):
        part = a[["n", "x"]]
        part["n"][0] = 77
        return part["x"], part[1]["n"], len(part.dtype.names), a[["ok"]][0]["ok"]

    check(f, A)
    ours, theirs = njit(lambda a: a[["n", "x"]])(A), A[["n", "x"]]
    assert ours.dtype == theirs.dtype
    with pytest.raises(TypingError, match="no field `zzz`"):
        njit(lambda a: a[["x", "zzz"]])(A)


def test_records_as_lists_of_tuples():
    assert njit(lambda a: a.tolist())(A) == A.tolist()
    assert njit(lambda a: a.tolist())(A.reshape(3, 1)) == A.reshape(3, 1).tolist()
