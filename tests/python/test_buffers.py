"""Bytes and the other objects that show memory, and texts of a fixed size.

CPython and NumPy are the reference.
"""

import array
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from ferdelance import njit, runtime, typeof, types
from ferdelance.errors import TypingError
from ferdelance.types import float64

BYTES = [b"", b"a", b"hello", b"\x00\xff\x80", b"aXa" * 40]


def check(function, *args):
    ours, theirs = njit(function)(*args), function(*args)
    assert ours == theirs
    assert type(ours) is type(theirs)
    return ours


# ---- bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", BYTES)
def test_bytes_are_sequences_of_numbers(b):
    def f(b):
        total = 0
        for k, c in enumerate(b):
            total += (k + 1) * c
        return total, len(b), [c for c in reversed(b)], list(b), bool(b), hash(b)

    check(f, b)


@pytest.mark.parametrize("b", BYTES)
def test_slices_of_bytes(b):
    check(lambda b: (b[:2], b[1:], b[-2:], b[::2], b[::-1], b[3:1]), b)


@pytest.mark.parametrize("a", BYTES)
@pytest.mark.parametrize("b", BYTES)
def test_comparisons_and_sums_of_bytes(a, b):
    check(lambda a, b: (a == b, a != b, a < b, a <= b, a > b, a >= b, a + b, a in b), a, b)


def test_an_index_outside_raises():
    @njit
    def f(b, i):
        return b[i]

    assert f(b"abc", -1) == 99
    with pytest.raises(IndexError):
        f(b"abc", 3)


def test_literals_and_globals():
    def f(n):
        s = b"ab\x00" + b"\xff" * n
        s += b"!"
        return s, b"x" * 0, GLOBAL[1:], 98 in s, 200 not in s, s.hex(), b"b\x00" in s

    check(f, 3)


GLOBAL = b"global"


def test_a_text_is_no_bytes():
    with pytest.raises(TypingError, match="no operator `==`"):
        njit(lambda b: b == "abc")(b"abc")
    with pytest.raises(TypingError, match="cannot assign to an item"):

        @njit
        def f(b):
            b[0] = 1

        f(b"abc")


@pytest.mark.parametrize("b", [b"abc", bytearray(b"abc"), array.array("d", [1.0, 2.0])])
def test_what_is_passed_through_comes_back_as_itself(b):
    assert njit(lambda b: b)(b) is b
    assert njit(lambda b: (b, 1))(b)[0] is b


def test_bytes_in_lists_tuples_and_optionals():
    def f(items, b, flag):
        items.append(b[1:])
        return (items[0] + b, items, b if flag else None)

    for flag in (True, False):
        assert njit(f)([b"x"], b"yz", flag) == f([b"x"], b"yz", flag)


def test_conversions_to_bytes():
    def f(b, a, n):
        return bytes(b), bytes(a), bytes(n), bytes([1, 2, n]), bytearray(b), memoryview(a)[1]

    b, a = bytearray(b"xyz"), np.arange(3, dtype=np.int16)
    assert njit(f)(b, a, 4) == f(b, a, 4)

    @njit
    def g(values):
        return bytes(values)

    with pytest.raises(ValueError, match=r"range\(0, 256\)"):
        g([1, 256])


def test_signatures_with_bytes():
    @njit(types.uint8(types.bytes_type))
    def f(b):
        return b[0]

    assert f(b"A") == 65
    assert f.signatures == [(types.bytes_type,)]
    assert str(types.bytes_type) == "readonly bytes(uint8, 1d, C)"


def test_isinstance_knows_the_classes():
    def f(b):
        return isinstance(b, bytes), isinstance(b, (bytearray, memoryview)), isinstance(b, str)

    for b in (b"x", bytearray(b"x"), memoryview(b"x")):
        check(f, b)


# ---- other objects that show memory -------------------------------------------------------------

EXPORTERS = [
    bytearray(b"abcdef"),
    memoryview(bytearray(b"abcdef")),
    array.array("d", [1.5, 2.5, -3.0]),
    array.array("i", [1, 2, 3, 4]),
]


@pytest.mark.parametrize("b", EXPORTERS, ids=lambda b: typeof(b).name)
def test_items_can_be_changed(b):
    @njit
    def f(b):
        b[0] = b[1]
        b[-1] += 1
        return b[0], len(b), b[1:]

    copy = memoryview(bytearray(b)).cast(memoryview(b).format)
    first, length, rest = f(b)
    assert first == copy[1] == b[0]
    assert length == len(copy)
    assert rest == b[1:]
    assert b[-1] == copy[-1] + 1
    assert type(rest) is type(b)


@pytest.mark.parametrize("value", [0, 127, 128, 255, 256, -1, 2**40, np.int8(-1), np.uint8(200)])
def test_items_have_to_fit(value):
    def f(b, value):
        b[1] = value
        return b[1]

    compiled = njit(f)
    for make in (
        lambda: bytearray(b"abc"),
        lambda: memoryview(bytearray(b"abc")),
        lambda: array.array("b", [1, 2]),
    ):
        try:
            wanted = f(make(), value)
        except (ValueError, OverflowError) as error:
            with pytest.raises(type(error)):
                compiled(make(), value)
        else:
            assert compiled(make(), value) == wanted


@pytest.mark.parametrize("b", EXPORTERS, ids=lambda b: typeof(b).name)
def test_only_slices_of_memoryviews_are_views(b):
    @njit
    def f(b):
        part = b[1:]
        part[0] = 9
        return part

    before = b[1]
    part = f(b)
    assert part[0] == 9
    assert b[1] == (9 if isinstance(b, memoryview) else before)


def test_attributes_of_memoryviews():
    def f(m):
        return m.shape, m.strides, m.ndim, m.itemsize, m.nbytes, m.readonly, m.c_contiguous

    for m in (
        memoryview(b"abc"),
        memoryview(np.zeros((2, 3)))[::1],
        memoryview(np.arange(8, dtype=np.int16))[::2],
    ):
        check(f, m)


def test_arrays_of_buffers():
    def f(b):
        return np.asarray(b) * 2, np.array(b), np.asarray(b).sum()

    for b in EXPORTERS:
        for ours, theirs in zip(njit(f)(b), f(b), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_memory_that_is_read_only_stays_so():
    with pytest.raises(TypingError, match="read-only"):

        @njit
        def f(m):
            m[0] = 1

        f(memoryview(b"abc"))


def test_a_mapped_file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:

        @njit
        def f(m):
            m[0] = 57
            return m[1:4], len(m)

        assert f(mapped) == (b"123", 10)
        assert mapped[:2] == b"91"


# ---- np.frombuffer ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, np.complex64])
def test_frombuffer_views_the_memory(dtype):
    def f(b):
        return np.frombuffer(b, dtype)

    content = bytes(range(48))
    for b in (content, bytearray(content), memoryview(content), np.frombuffer(content, "i2")):
        ours, theirs = njit(f)(b), f(b)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
        assert ours.flags.writeable == theirs.flags.writeable
        assert ours.ctypes.data == theirs.ctypes.data


@pytest.mark.parametrize(
    ("count", "offset"), [(-1, 0), (2, 0), (-1, 8), (1, 16), (0, 24), (4, 0), (-1, 3), (1, 25)]
)
def test_frombuffer_takes_what_numpy_takes(count, offset):
    def f(b, count, offset):
        return np.frombuffer(b, np.float64, count, offset)

    content = np.arange(3.0).tobytes()
    try:
        expected = f(content, count, offset)
    except ValueError:
        with pytest.raises(ValueError):
            njit(f)(content, count, offset)
    else:
        np.testing.assert_array_equal(njit(f)(content, count, offset), expected)


def test_an_array_over_a_buffer_keeps_it():
    @njit
    def f(b):
        return np.frombuffer(b, np.uint8)[1:]

    b = bytearray(b"abc")
    view = f(b)
    with pytest.raises(BufferError):
        b.append(1)
    view[0] = 120
    assert b == b"axc"
    del view
    b.append(1)


def test_nothing_holds_a_buffer_after_the_call():
    @njit
    def f(b, i):
        part = b[1:]
        return part[i]

    content, memory = b"abc" * 10, bytearray(b"abc" * 10)
    for b in (content, memory):
        f(b, 0)
        before = sys.getrefcount(b)
        for _ in range(20):
            f(b, 1)
            with pytest.raises(IndexError):
                f(b, 99)
        assert sys.getrefcount(b) == before
    memory.append(1)


# ---- tobytes, real and imag ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "a",
    [
        np.arange(6, dtype=np.int32),
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12, dtype=np.int8)[::-3],
        np.array(1 + 2j),
        np.zeros((0, 3)),
        np.array([(1, 2.5)], dtype=[("a", "i1"), ("b", "f8")]),
    ],
)
def test_tobytes(a):
    check(lambda a: (a.tobytes(), a.tobytes("F"), a.tobytes(order="C")), a)


def test_only_numbers_have_real_parts():
    for a in (np.zeros(2, "M8[s]"), np.zeros(2, "U3"), np.zeros(2, [("x", float64.name)])):
        with pytest.raises(TypingError, match="has no attribute `real`"):
            njit(lambda a: a.real)(a)
        with pytest.raises(TypingError, match="has no attribute `imag`"):
            njit(lambda a: a.imag)(a)


# ---- texts of a fixed size ----------------------------------------------------------------------

UNICODE = np.array(["ab", "", "xyz", "ab"])
BINARY = np.array([b"ab", b"", b"x\x00z", b"ab"])


@pytest.mark.parametrize(("a", "s"), [(UNICODE, "ab"), (BINARY, b"ab")], ids=["U", "S"])
def test_items_count_as_texts(a, s):
    def f(a, s):
        return [(x + s, x * 2, x[:1], hash(x), bool(x), x == s, x < s, len(x)) for x in a]

    check(f, a, s)


@pytest.mark.parametrize(("a", "s"), [(UNICODE, "ab"), (BINARY, b"ab")], ids=["U", "S"])
def test_arrays_of_texts_are_compared_item_by_item(a, s):
    def f(a, b, s):
        return a == b, a != b, a < b, a <= b, a > s, s >= a, a[:, None] == b, np.equal(a, s)

    for ours, theirs in zip(njit(f)(a, a[::-1], s), f(a, a[::-1], s), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_texts_are_cut_to_size():
    def f(n):
        a, b = np.zeros(n, "U3"), np.zeros(n, "S2")
        a[0] = "abcdef"
        b[1] = b"q"
        b[2:] = b"xyz"
        return a, b, np.where(np.array([True, False, True]), a, a[::-1])

    for ours, theirs in zip(njit(f)(3), f(3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


# ---- memory and cache ---------------------------------------------------------------------------


def test_nothing_is_left_of_bytes():
    @njit
    def f(b, n):
        part = b[::2] + b"literal" * n
        if len(part) > 20:
            raise ValueError("long")
        return part, bytes(part[1:]), np.frombuffer(part, np.uint8)

    f(b"abc", 1)
    before = runtime.stats()
    for _ in range(500):
        f(b"abc", 1)
        with pytest.raises(ValueError, match="long"):
            f(b"abc", 9)
    after = runtime.stats()
    for name in ("live_buffers", "live_objects", "live_errors", "live_bytes"):
        assert after[name] == before[name]


def test_bytes_in_cached_code(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import ferdelance\n"
        "G = b'global\\x00'\n"
        "@ferdelance.njit(cache=True)\n"
        "def f(b):\n"
        "    return b + b'literal\\xff' + G\n"
        "print(f(b'x'), sum(f.stats.cache_hits.values()))\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    for hits in (0, 1):
        out = subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, check=True
        )
        assert (
            out.stdout.strip()
            == f"{b'x' + b'literal' + bytes([255]) + b'global' + bytes(1)} {hits}"
        )
