"""Between the types of this package and NumPy's dtypes."""

import re

import numpy as np

from .. import types
from ..errors import NumbaNotImplementedError, NumbaValueError

#: NumPy's version as (major, minor).
numpy_version = tuple(int(part) for part in np.__version__.split(".")[:2])

_FROM_DTYPE = {
    np.dtype(name): getattr(types, "boolean" if name == "bool" else name)
    for name in (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
}
_TO_DTYPE = {ty: dtype for dtype, ty in _FROM_DTYPE.items()}
_FROM_SCALAR_CLASS = {dtype.type: ty for dtype, ty in _FROM_DTYPE.items()}
_FROM_SCALAR_CLASS |= {np.longlong: types.longlong, np.ulonglong: types.ulonglong}
_UNIT = re.compile(r"\[(\w+)\]")


def scalar_class_type(cls):
    """The type of a scalar class such as `np.float32`, or None where a class is not of one type."""
    return _FROM_SCALAR_CLASS.get(cls)


def from_dtype(dtype):
    """The type of items with a NumPy dtype.

    Records become `Record`, sub-arrays `NestedArray`. Raises NumbaNotImplementedError for dtypes
    that have no type, and NumbaValueError for byte-swapped ones.
    """
    dtype = np.dtype(dtype)
    known = _FROM_DTYPE.get(dtype)
    if known is not None:
        return known
    if not dtype.isnative:
        raise NumbaValueError(
            f"dtype {dtype.str!r} has the other byte order; convert with .astype({dtype.name!r})"
        )
    if dtype.kind in "mM":
        unit = _UNIT.search(dtype.str)
        if unit and not unit.group(1).isalpha():
            raise NumbaNotImplementedError(
                f"dtype {dtype}: dates in multiples of a unit have no type"
            )
        return (types.NPDatetime if dtype.kind == "M" else types.NPTimedelta)(
            unit.group(1) if unit else ""
        )
    if dtype.char == "S":
        return types.CharSeq(dtype.itemsize)
    if dtype.char == "U":
        return types.UnicodeCharSeq(dtype.itemsize // 4)
    if dtype.names is not None:
        return from_struct_dtype(dtype)
    if dtype.subdtype is not None:
        item, shape = dtype.subdtype
        return types.NestedArray(from_dtype(item), shape)
    raise NumbaNotImplementedError(f"values of dtype {dtype} cannot be used in compiled code")


def from_struct_dtype(dtype):
    """The `Record` of a structured dtype."""
    if dtype.hasobject:
        raise NumbaNotImplementedError(
            f"{dtype}: records with Python objects cannot be used in compiled code"
        )
    fields = []
    for name in dtype.names:
        field, offset, *title = dtype.fields[name]
        parts = {"type": from_dtype(field), "offset": offset, "title": title[0] if title else None}
        fields.append((name, {**parts, "alignment": field.alignment}))
    return types.Record(fields, dtype.itemsize, dtype.isalignedstruct)


def as_dtype(ty):
    """The NumPy dtype of items with a type.

    Raises NumbaNotImplementedError for types that no array can hold.
    """
    ty = types.unliteral(ty)
    known = _TO_DTYPE.get(ty)
    if known is not None:
        return known
    if isinstance(ty, (types.NPDatetime, types.NPTimedelta)):
        return np.dtype(ty.name)
    if isinstance(ty, types.CharSeq):
        return np.dtype(f"S{ty.count}")
    if isinstance(ty, types.UnicodeCharSeq):
        return np.dtype(f"U{ty.count}")
    if isinstance(ty, types.EnumMember):
        return as_dtype(ty.dtype)
    if isinstance(ty, types.Record):
        return as_struct_dtype(ty)
    if isinstance(ty, types.NestedArray):
        return np.dtype((as_dtype(ty.dtype), ty.shape))
    if isinstance(ty, (types.DType, types.NumberClass)):
        return as_dtype(ty.dtype)
    raise NumbaNotImplementedError(f"{ty} has no NumPy dtype")


def as_struct_dtype(record):
    """The structured dtype of a `Record`."""
    names, fields = zip(*record.fields.items(), strict=True) if record.fields else ((), ())
    parts = {
        "names": list(names),
        "formats": [as_dtype(field.type) for field in fields],
        "offsets": [field.offset for field in fields],
        "itemsize": record.size,
    }
    if record.has_titles():
        parts["titles"] = [field.title for field in fields]
    return np.dtype(parts, align=record.aligned)


def map_layout(array):
    """ "C", "F" or "A": how the items of an array lie."""
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else "A"


def is_array(obj):
    """Whether `obj` is a NumPy array."""
    return isinstance(obj, np.ndarray)
