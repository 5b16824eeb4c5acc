"""Types, their encodings, `typeof`, dtypes. The conformance area `types_api` covers the rest."""

import array
import collections
import copy
import datetime
import enum
import gc
import pickle
import typing
import weakref

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import errors, types
from ferdelance.np import numpy_support
from ferdelance.types import _base

Point = collections.namedtuple("Point", "x y")
Colour = enum.Enum("Colour", "RED GREEN")
Level = enum.IntEnum("Level", "LOW HIGH")
RECORD = np.dtype([("a", "i4"), ("b", "f8", (2, 3)), ("c", [("u", "i2")])])

EXAMPLES = [
    types.none,
    types.boolean,
    *sorted(types.integer_domain, key=str),
    types.float32,
    types.complex64,
    types.unicode_type,
    types.bytes_type,
    types.int64[:],
    types.float64[:, ::1],
    types.complex128[::1, :],
    types.Array(types.int8, 0, "C", readonly=True),
    types.Array(types.int8, 1, "A", aligned=False),
    types.Tuple(()),
    types.UniTuple(types.int64, 3),
    types.Tuple((types.int64, types.Tuple((types.float32, types.boolean)))),
    types.NamedTuple((types.int64, types.float64), Point),
    types.NamedUniTuple(types.int64, 2, Point),
    types.optional(types.int64),
    types.Omitted(2.5),
    types.FunctionType(types.int64(types.float64)),
    types.Module(np),
    types.NumberClass(types.int32),
    types.TypeRef(types.unicode_type),
    types.PythonClass(list),
    types.ExceptionClass(ValueError),
    types.NamedTupleClass(Point),
    types.EnumClass(Colour, types.int64),
    types.DType(types.float32),
    types.slice2_type,
    types.slice3_type,
    types.NPDatetime("D"),
    types.NPTimedelta(""),
    types.CharSeq(3),
    types.bytes_type,
    types.MemoryView(types.float64, 2, "F", readonly=True),
    types.PyArray(types.int32, 1, "C"),
    types.UnicodeCharSeq(4),
    fd.from_dtype(RECORD),
    types.range_state64_type,
    types.literal(3),
    types.literal(True),
    types.literal("a"),
    types.List(types.int64),
    types.DictType(types.unicode_type, types.ListType(types.float64)),
    types.EnumMember(Colour, types.int64),
    types.CPointer(types.int8),
]


@pytest.mark.parametrize("ty", EXAMPLES, ids=str)
def test_encodings_round_trip(ty):
    assert types._decode(types._encode(ty)) == ty


@pytest.mark.parametrize("ty", EXAMPLES, ids=str)
def test_types_pickle_to_the_same_object(ty):
    assert pickle.loads(pickle.dumps(ty)) is ty
    assert copy.deepcopy([ty])[0] is ty


def test_encodings():
    assert types._encode(types.uint8) == ("int", 8, False, False)
    parts = (("float", 64, False), 2, "C", False, True)
    assert types._encode(types.float64[:, ::1]) == ("array", parts)
    parts = (("int", 8, False, False), 1, "C", True, True)
    assert types._encode(types.bytes_type) == ("buffer", "bytes", parts)
    assert types._decode(("int", 64, True, True)) is types.int64  # weak or strong: one object
    assert types._decode(("complex", 64, True)) is types.complex64
    assert types._decode(("class", np.float32)) == types.NumberClass(types.float32)
    assert types._encode(types.voidptr) == ("py", types.voidptr)
    with pytest.raises(TypeError):
        types._encode("int64")
    with pytest.raises(ValueError):
        types._decode(("bogus",))


def test_equal_types_are_one_object():
    assert types.int64[:, ::1] is types.Array(types.int64, 2, "C")
    assert types.Integer("int64") is types.int64
    assert types.Tuple((types.int8, types.int8)) is types.UniTuple(types.int8, 2)


def test_types_are_not_kept_alive():
    class Item:
        pass

    ty = types.PythonClass(Item)
    alive = weakref.ref(Item)
    del Item, ty
    gc.collect()
    assert alive() is None


def test_defaults_that_are_equal_but_not_the_same():
    for a, b in ((0.0, -0.0), ((1,), (True,)), (1, True), (1, 1.0)):
        assert types.Omitted(a) != types.Omitted(b)
    shared = [1]
    assert types.Omitted(shared) == types.Omitted(shared) != types.Omitted([1])


def test_array_types_that_do_not_exist():
    for index in (0, "x", None, slice(1, None), slice(None, None, 2), (), (slice(None), 1)):
        with pytest.raises(TypeError):
            types.float64[index]
    with pytest.raises(TypeError, match="first"):
        types.float64[::1, ::1]
    with pytest.raises(ValueError, match="layout"):
        types.Array(types.float64, 1, "X")
    with pytest.raises(TypeError):
        types.float64[:][:]
    with pytest.raises(TypeError):
        iter(types.float64)


def test_conversions_wrap_as_compiled_code_does():
    assert types.int8(300.7) == 44 and types.uint8(-1) == 255 and types.int64(-3.7) == -3
    assert types.boolean(2) is True
    assert types.NPDatetime("D")("2020-01-02") == np.datetime64("2020-01-02")
    with pytest.raises(NotImplementedError):
        types.unicode_type("a")
    with pytest.raises(TypeError):
        types.int64(types.int8, 3)


def test_user_types():
    class Interval(types.Type):
        def __init__(self, closed):
            self.closed = closed
            super().__init__(f"Interval({closed})")

    assert Interval(True) is Interval(True) and Interval(True) != Interval(False)
    assert types._decode(types._encode(Interval(True))) is Interval(True)
    assert isinstance(Interval(True)[:], types.Array)


def test_literals():
    assert types.literal(3).literal_type is types.int64
    assert types.literal(slice(1, 2)).literal_value == slice(1, 2)
    assert types.maybe_literal(2.5) is None
    assert types.literal(1) != types.literal(True)
    for bad in (2.5, None, types.int64):
        with pytest.raises(errors.LiteralTypingError):
            types.literal(bad)
    with pytest.raises(TypeError):
        _base.Literal(3)


def test_signatures():
    sig = types.int64(types.float64, types.int8)
    assert sig.as_method().recvr is types.float64 and sig.as_method().as_function() == sig
    assert sig.replace(return_type=types.int8) == types.int8(types.float64, types.int8)
    assert sig.is_precise() and not types.undefined(types.int8).is_precise()
    assert str(sig) == "(float64, int8) -> int64"
    with pytest.raises(TypeError, match="bogus"):
        sig.replace(bogus=1)


# ---- typeof -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "ty"),
    [
        (2**63, types.uint64),
        (np.str_("ab"), types.UnicodeCharSeq(2)),
        (np.bytes_(b"abc"), types.CharSeq(3)),
        (np.longlong(1), types.int64),
        (Level.LOW, types.IntEnumMember(Level, types.int64)),
        (Colour, types.EnumClass(Colour, types.int64)),
        (Point(1, 2.5), types.NamedTuple((types.int64, types.float64), Point)),
        (Point, types.NamedTupleClass(Point)),
        (array.array("d", [1.0]), types.PyArray(types.float64, 1, "C")),
        (memoryview(np.zeros((2, 2)).T), types.MemoryView(types.float64, 2, "F")),
        (np, types.Module(np)),
        (int, types.PythonClass(int)),
        (np.int16, types.NumberClass(types.int16)),
        (np.number, types.PythonClass(np.number)),
        (types.int16, types.NumberClass(types.int16)),
        (types.unicode_type, types.TypeRef(types.unicode_type)),
        (KeyError, types.ExceptionClass(KeyError)),
        (..., types.ellipsis),
        (range(3), types.range_state64_type),
        (slice(None, None, 1), types.slice3_type),
        (np.random.PCG64(), types.npy_bitgen),
        (np.zeros(2, RECORD)[0], fd.from_dtype(RECORD)),
        (np.zeros(2, RECORD).view(np.recarray)[0], fd.from_dtype(RECORD)),
        (np.array(3.0), types.Array(types.float64, 0, "C")),
        (np.frombuffer(b"x" * 9, "u1")[1:].view("f8"), types.Array(types.float64, 1, "C", True)),
    ],
    ids=lambda x: str(x).partition(" at 0x")[0][:30],
)
def test_typeof(value, ty):
    if isinstance(ty, types.Array) and ty.ndim == 1:
        ty = types.Array(ty.dtype, 1, "C", readonly=True, aligned=value.flags.aligned)
    assert fd.typeof(value) == ty


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ([], "empty list"),
        (set(), "empty set"),
        ({}, "dict"),
        (object(), "object"),
        (lambda: 0, "njit"),
        (len, "builtin"),
        (datetime.date(2020, 1, 1), "datetime.date"),
        (np.zeros(2, ">f8"), "byte order"),
        (np.zeros(2, object), "object"),
        (np.zeros(2, "M8[25s]"), "multiples"),
        (np.longdouble(1), "longdouble|float128"),
        (np.ma.zeros(2), "masked"),
        (enum.Enum("Mixed", {"A": 1, "B": "b"}).A, "different types"),
        (enum.Enum("Empty", {}), "no members"),
    ],
    ids=lambda x: str(x).partition(" at 0x")[0][:30],
)
def test_typeof_refuses(value, text):
    with pytest.raises(ValueError, match=text):
        fd.typeof(value)


def test_objects_that_say_their_type():
    class Mine:
        _numba_type_ = types.float64

    assert fd.typeof(Mine()) is types.float64


# ---- dtypes and annotations ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["?", "i1", "u8", "f2", "f8", "c8", "M8[D]", "m8", "S3", "U4"])
def test_dtypes_round_trip(text):
    assert numpy_support.as_dtype(fd.from_dtype(np.dtype(text))) == np.dtype(text)


def test_record_layouts_round_trip():
    for dtype in (
        RECORD,
        np.dtype([("a", "i1"), ("b", "f8")], align=True),
        np.dtype({"names": ["b", "a"], "formats": ["f4", "i2"], "offsets": [8, 1], "itemsize": 16}),
        np.dtype([(("a title", "a"), "i4")]),
        np.dtype([]),
    ):
        back = numpy_support.as_dtype(fd.from_dtype(dtype))
        assert back == dtype and back.isalignedstruct == dtype.isalignedstruct
    nested = fd.from_dtype(RECORD).typeof("b")
    assert (nested.shape, nested.nitems, nested.size, nested.strides) == ((2, 3), 6, 48, (24, 8))


def test_types_without_a_dtype():
    for ty in (types.unicode_type, types.none, types.int64[:], types.Tuple(())):
        with pytest.raises(errors.NumbaNotImplementedError):
            numpy_support.as_dtype(ty)


def test_as_numba_type():
    as_type = fd.extending.as_numba_type
    assert as_type(int | None) == types.optional(types.int64)
    assert as_type(typing.Union[None, float]) == types.optional(types.float64)  # noqa: UP007
    assert as_type(set[int]) == types.Set(types.int64)
    for bad in (object, np.ndarray, int | str, list, tuple[int, ...], 3, []):
        with pytest.raises(errors.TypingError):
            as_type(bad)


def test_as_numba_type_is_extensible():
    class Mine:
        pass

    as_type = type(fd.extending.as_numba_type)()
    as_type.register(Mine, types.int8)
    as_type.register(lambda py_type: types.int16 if py_type is bytes else None)
    assert as_type(Mine) is types.int8 and as_type(bytes) is types.int16
    with pytest.raises(TypeError):
        as_type.register(Mine)
    with pytest.raises(TypeError):
        as_type.register(Mine, "int8")
