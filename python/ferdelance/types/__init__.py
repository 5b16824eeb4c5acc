"""The types of compiled code.

Scalars are objects of this module (`int64`, `float32`, `boolean`, ...); other types are made from
them: `float64[:, ::1]` is a C-ordered matrix, `Tuple((int64, float64))` a tuple, `optional(int64)`
an integer or None, `int64(float64, int8)` the signature of a function.
"""
# ruff: noqa: F401 - the names are what this module is for

import struct as _struct

from ._base import (
    ArrayCompatible,
    Callable,
    ConstSized,
    Container,
    DTypeSpec,
    Dummy,
    Hashable,
    InitialValue,
    IterableType,
    IteratorType,
    Literal,
    MutableSequence,
    Number,
    Sequence,
    SimpleIterableType,
    SimpleIteratorType,
    Sized,
    Type,
    TypeRef,
)
from ._buffers import (
    Array,
    Buffer,
    ByteArray,
    Bytes,
    CharSeq,
    MemoryMap,
    MemoryView,
    NestedArray,
    PyArray,
    UnicodeCharSeq,
)
from ._containers import (
    Dict,
    DictType,
    FrozenSet,
    Generator,
    List,
    ListType,
    LiteralList,
    LiteralStrKeyDict,
    RangeIteratorType,
    RangeType,
    Set,
    SetType,
    SliceLiteral,
    SliceType,
)
from ._encoding import decode as _decode
from ._encoding import encode as _encode
from ._functions import (
    Dispatcher,
    ExternalFunction,
    ExternalFunctionPointer,
    FunctionPrototype,
    FunctionType,
    ObjModeDispatcher,
    WrapperAddressProtocol,
)
from ._literals import literal, maybe_literal, unliteral
from ._misc import (
    ContextManager,
    CPointer,
    DeferredType,
    EllipsisType,
    EphemeralPointer,
    ExceptionClass,
    ExceptionInstance,
    MemInfoPointer,
    Module,
    NoneType,
    NumPyRandomBitGeneratorType,
    NumPyRandomGeneratorType,
    Omitted,
    Opaque,
    Optional,
    Phantom,
    PolynomialType,
    PyObject,
    PythonClass,
    RawPointer,
    StringLiteral,
    StructRef,
    Undefined,
    UnicodeType,
)
from ._records import Record
from ._scalars import (
    Boolean,
    BooleanLiteral,
    Complex,
    DType,
    EnumClass,
    EnumMember,
    Float,
    Integer,
    IntegerLiteral,
    IntEnumClass,
    IntEnumMember,
    NPDatetime,
    NPTimedelta,
    NumberClass,
)
from ._signature import Signature
from ._tuples import (
    BaseAnonymousTuple,
    BaseNamedTuple,
    BaseTuple,
    HomogeneousTuple,
    NamedTuple,
    NamedTupleClass,
    NamedUniTuple,
    Pair,
    StarArgTuple,
    StarArgUniTuple,
    Tuple,
    UniTuple,
)

# ---- scalars ------------------------------------------------------------------------------------

boolean = bool_ = Boolean("bool")

int8, int16, int32, int64 = (Integer(f"int{bits}") for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (Integer(f"uint{bits}") for bits in (8, 16, 32, 64))
float16, float32, float64 = (Float(f"float{bits}") for bits in (16, 32, 64))
complex64 = Complex("complex64", float32)
complex128 = Complex("complex128", float64)


def _c_integer(code, signed=True):
    """The type of a C integer, by its code in the `struct` module."""
    return Integer.from_bitwidth(8 * _struct.calcsize(code), signed)


intp = ssize_t = _c_integer("n")
uintp = size_t = _c_integer("N", signed=False)
intc, uintc = _c_integer("i"), _c_integer("I", signed=False)
long_, ulong = _c_integer("l"), _c_integer("L", signed=False)
longlong, ulonglong = _c_integer("q"), _c_integer("Q", signed=False)
char, short = int8, int16
byte = uchar = uint8
ushort = uint16
int_, uint = intp, uintp
float_, double = float32, float64

b1 = boolean
i1, i2, i4, i8 = int8, int16, int32, int64
u1, u2, u4, u8 = uint8, uint16, uint32, uint64
f2, f4, f8 = float16, float32, float64
c8, c16 = complex64, complex128

integer_domain = frozenset((int8, int16, int32, int64, uint8, uint16, uint32, uint64))
signed_domain = frozenset(ty for ty in integer_domain if ty.signed)
unsigned_domain = integer_domain - signed_domain
real_domain = frozenset((float32, float64))
complex_domain = frozenset((complex64, complex128))
number_domain = integer_domain | real_domain | complex_domain

# The names of the scalars of Python, NumPy and C, for code that tells them apart.
py_bool, py_int, py_float, py_complex = boolean, intp, float64, complex128
np_bool_, np_intp, np_uintp = boolean, intp, uintp
np_int8, np_int16, np_int32, np_int64 = int8, int16, int32, int64
np_uint8, np_uint16, np_uint32, np_uint64 = uint8, uint16, uint32, uint64
np_float16, np_float32, np_float64 = float16, float32, float64
np_complex64, np_complex128 = complex64, complex128
c_bool, c_intp, c_uintp = boolean, intp, uintp
c_int8, c_int16, c_int32, c_int64 = int8, int16, int32, int64
c_uint8, c_uint16, c_uint32, c_uint64 = uint8, uint16, uint32, uint64
c_float16, c_float32, c_float64 = float16, float32, float64

# ---- other types of which there is one ----------------------------------------------------------

none = void = NoneType("none")
unicode_type = string = UnicodeType("unicode_type")
ellipsis = EllipsisType("...")
pyobject = PyObject("pyobject")
voidptr = RawPointer("void*")
ffi = Opaque("ffi")
ffi_forced_object = Opaque("ffi_forced_object")
undefined = Undefined("undefined")
slice2_type = SliceType("slice<a2>", 2)
slice3_type = SliceType("slice<a3>", 3)
bytes_type = Bytes(uint8, 1, "C")
range_state32_type, range_state64_type = RangeType(int32), RangeType(int64)
unsigned_range_state64_type = RangeType(uint64)
range_iter32_type, range_iter64_type = RangeIteratorType(int32), RangeIteratorType(int64)
npy_rng = NumPyRandomGeneratorType("rng")
npy_bitgen = NumPyRandomBitGeneratorType("bitgen")

optional = Optional
deferred_type = DeferredType
