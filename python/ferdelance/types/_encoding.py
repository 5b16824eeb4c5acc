"""Types as nested tuples: how they cross between Python and the compiler.

The first item is a tag, the rest are the parts; `crates/python/src/types.rs` is the other side.

    ("none",) ("bool",) ("str",) ("int", bits, signed, weak) ("float", bits, weak)
    ("complex", bits, weak) ("tuple", items) ("namedtuple", class, items) ("optional", T)
    ("list", T, reflected) ("dict", K, V, typed) ("set", T, reflected) ("frozenset", T, _)
    ("range", bits) ("slice", members)
    ("array", (dtype, ndim, layout, readonly, aligned)) ("buffer", class name, the same tuple)
    ("record", numpy dtype) ("dtype", T)
    ("datetime", unit) ("timedelta", unit) ("charseq", count) ("unicodecharseq", count)
    ("omitted", default) ("literal", value) ("dispatcher", object)
    ("generator", yielded, sent, returned)
    ("functiontype", return type, arguments) ("module", object) ("class", object)
    ("py", type object)

`weak` says that a number came from a Python scalar; it is not shown in Python, where `int64` is one
object. Types built in Python are strong. ("py", ...) carries any type that has no tag of its own.
"""

import enum

import numpy as np

from . import _buffers, _containers, _functions, _misc, _scalars, _tuples
from ._base import Type, TypeRef
from ._literals import literal
from ._records import Record
from ._signature import Signature

_none = _misc.NoneType("none")
_bool = _scalars.Boolean("bool")
_str = _misc.UnicodeType("unicode_type")


def encode(ty):
    """The encoding of a type."""
    if not isinstance(ty, Type):
        raise TypeError(f"{ty!r} is not a type")
    for cls in type(ty).__mro__:
        encoder = _ENCODERS.get(cls)
        if encoder is not None:
            return encoder(ty)
    return "py", ty


def encode_all(types):
    """The encodings of several types."""
    return tuple(map(encode, types))


def decode(encoding):
    """The type that an encoding stands for."""
    tag, *parts = encoding
    try:
        decoder = _DECODERS[tag]
    except KeyError:
        raise ValueError(f"{encoding!r} does not encode a type") from None
    return decoder(*parts)


def decode_all(encodings):
    """The types that several encodings stand for."""
    return tuple(map(decode, encodings))


def _encode_array(ty):
    return "array", _array_parts(ty)


def _encode_buffer(ty):
    return "buffer", ty._display, _array_parts(ty)


def _array_parts(ty):
    return encode(ty.dtype), ty.ndim, ty.layout, not ty.mutable, ty.aligned


def _encode_record(ty):
    return "record", ty.dtype


def _encode_opaque(ty):
    return "py", ty


_ENCODERS = {
    _misc.NoneType: lambda ty: ("none",),
    _scalars.Boolean: lambda ty: ("bool",),
    _scalars.Integer: lambda ty: ("int", ty.bitwidth, ty.signed, False),
    _scalars.Float: lambda ty: ("float", ty.bitwidth, False),
    _scalars.Complex: lambda ty: ("complex", ty.bitwidth, False),
    _misc.UnicodeType: lambda ty: ("str",),
    _tuples.BaseAnonymousTuple: lambda ty: ("tuple", encode_all(ty.types)),
    _tuples.BaseNamedTuple: lambda ty: ("namedtuple", ty.instance_class, encode_all(ty.types)),
    _buffers.NestedArray: _encode_opaque,
    _buffers.Array: _encode_array,
    _buffers.Buffer: _encode_buffer,
    _containers.List: lambda ty: ("list", encode(ty.dtype), ty.reflected),
    _containers.Dict: lambda ty: ("dict", encode(ty.key_type), encode(ty.value_type), False),
    _containers.DictType: lambda ty: ("dict", encode(ty.key_type), encode(ty.value_type), True),
    _containers.FrozenSet: lambda ty: ("frozenset", encode(ty.dtype), True),
    _containers.Set: lambda ty: ("set", encode(ty.dtype), ty.reflected),
    _containers.Generator: lambda ty: (
        "generator",
        encode(ty.yield_type),
        ("none",),
        ("none",),
    ),
    _misc.Optional: lambda ty: ("optional", encode(ty.type)),
    _misc.Omitted: lambda ty: ("omitted", ty.value),
    _functions.Dispatcher: lambda ty: ("dispatcher", ty.dispatcher),
    _functions.ObjModeDispatcher: _encode_opaque,
    _functions.FunctionType: lambda ty: (
        "functiontype",
        encode(ty.signature.return_type),
        encode_all(ty.signature.args),
    ),
    _misc.Module: lambda ty: ("module", ty.pymod),
    TypeRef: lambda ty: ("class", ty.instance_type),
    _scalars.NumberClass: lambda ty: ("class", ty.instance_type),
    _scalars.EnumClass: lambda ty: ("class", ty.instance_class),
    _tuples.NamedTupleClass: lambda ty: ("class", ty.instance_class),
    _misc.ExceptionClass: lambda ty: ("class", ty.exc_class),
    _misc.PythonClass: lambda ty: ("class", ty.instance_class),
    _scalars.DType: lambda ty: ("dtype", encode(ty.dtype)),
    _containers.SliceType: lambda ty: ("slice", ty.members),
    _scalars.NPDatetime: lambda ty: ("datetime", ty.unit),
    _scalars.NPTimedelta: lambda ty: ("timedelta", ty.unit),
    _buffers.CharSeq: lambda ty: ("charseq", ty.count),
    _buffers.UnicodeCharSeq: lambda ty: ("unicodecharseq", ty.count),
    Record: _encode_record,
    _containers.RangeType: lambda ty: ("range", ty.dtype.bitwidth),
    _scalars.BooleanLiteral: lambda ty: ("literal", ty.literal_value),
    _scalars.IntegerLiteral: lambda ty: ("literal", ty.literal_value),
    _misc.StringLiteral: lambda ty: ("literal", ty.literal_value),
    _containers.SliceLiteral: lambda ty: ("literal", ty.literal_value),
}


def class_type(obj):
    """The type of a class, or of a type of this package, that is used as a value."""
    if isinstance(obj, Type):
        number = isinstance(obj, (_scalars.Number, _scalars.Boolean, _scalars.NPDatetimeBase))
        return _scalars.NumberClass(obj) if number else TypeRef(obj)
    if issubclass(obj, np.generic):
        from ..np.numpy_support import scalar_class_type

        ty = scalar_class_type(obj)
        return _misc.PythonClass(obj) if ty is None else _scalars.NumberClass(ty)
    if issubclass(obj, BaseException):
        return _misc.ExceptionClass(obj)
    if issubclass(obj, enum.Enum):
        from .._typeof import enum_class_type

        return enum_class_type(obj)
    if issubclass(obj, tuple) and hasattr(obj, "_fields"):
        return _tuples.NamedTupleClass(obj)
    return _misc.PythonClass(obj)


def _decode_complex(bits, weak):
    return _scalars.Complex(f"complex{bits}", _scalars.Float(f"float{bits // 2}"))


def _decode_array(parts):
    dtype, ndim, layout, readonly, aligned = parts
    return _buffers.Array(decode(dtype), ndim, layout, readonly, aligned=aligned)


def _decode_buffer(name, parts):
    dtype, ndim, layout, readonly, _ = parts
    return _BUFFERS[name](decode(dtype), ndim, layout, readonly)


_BUFFERS = {
    cls._display: cls
    for cls in (
        _buffers.Bytes,
        _buffers.ByteArray,
        _buffers.MemoryView,
        _buffers.PyArray,
        _buffers.MemoryMap,
    )
}


def _decode_record(dtype):
    from ..np.numpy_support import from_dtype

    return from_dtype(dtype)


def _decode_dispatcher(obj):
    from .._dispatcher import dispatcher_type

    return dispatcher_type(obj)


_DECODERS = {
    "none": lambda: _none,
    "bool": lambda: _bool,
    "int": lambda bits, signed, weak: _scalars.Integer.from_bitwidth(bits, signed),
    "float": lambda bits, weak: _scalars.Float(f"float{bits}"),
    "complex": _decode_complex,
    "str": lambda: _str,
    "tuple": lambda items: _tuples.BaseTuple.from_types(decode_all(items)),
    "namedtuple": lambda cls, items: _tuples.BaseTuple.from_types(decode_all(items), cls),
    "array": _decode_array,
    "buffer": _decode_buffer,
    "list": lambda item, reflected: _containers.List(decode(item), reflected),
    "dict": lambda key, value, typed: (_containers.DictType if typed else _containers.Dict)(
        decode(key), decode(value)
    ),
    "frozenset": lambda item, _: _containers.FrozenSet(decode(item)),
    "set": lambda item, reflected: _containers.Set(decode(item), reflected),
    "generator": lambda item, sent, result: _containers.Generator(
        None, decode(item), (), (), False
    ),
    "optional": lambda item: _misc.Optional(decode(item)),
    "omitted": _misc.Omitted,
    "dispatcher": _decode_dispatcher,
    "functiontype": lambda ret, args: _functions.FunctionType(
        Signature(decode(ret), decode_all(args))
    ),
    "module": _misc.Module,
    "class": class_type,
    "dtype": lambda item: _scalars.DType(decode(item)),
    "slice": lambda members: _containers.SliceType(f"slice<a{members}>", members),
    "datetime": _scalars.NPDatetime,
    "timedelta": _scalars.NPTimedelta,
    "charseq": _buffers.CharSeq,
    "unicodecharseq": _buffers.UnicodeCharSeq,
    "record": _decode_record,
    "range": lambda bits: _containers.RangeType(_scalars.Integer.from_bitwidth(bits)),
    "literal": literal,
    "py": lambda ty: ty,
}
