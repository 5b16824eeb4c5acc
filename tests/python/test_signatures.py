"""Signatures written as strings."""

import ferdelance as fd
import pytest
from ferdelance import types
from ferdelance.core.sigutils import is_signature, normalize_signature


@pytest.mark.parametrize(
    ("text", "args", "ret"),
    [
        ("void()", (), types.none),
        ("()", (), None),
        ("(int64,)", (types.int64,), None),
        ("f8 ( i4 , f8[:, ::1] )", (types.int32, types.float64[:, ::1]), types.float64),
        ("\n  int64(\n  int64)\n", (types.int64,), types.int64),
        ("(Array(f8, 2, 'C', readonly=True),)", (types.Array(types.f8, 2, "C", True),), None),
        ("i8(UniTuple(f8, 2))", (types.UniTuple(types.float64, 2),), types.int64),
        ("(Tuple([i8, f8]),)", (types.Tuple((types.int64, types.float64)),), None),
        ("(FunctionType(i8(f8)),)", (types.FunctionType(types.int64(types.float64)),), None),
        ("types.int64(types.float64[:])", (types.float64[:],), types.int64),
        ("(f8[::1, :], NPTimedelta('ns'))", (types.f8[::1, :], types.NPTimedelta("ns")), None),
        ("(f8[:][:],)", None, None),
    ],
)
def test_strings(text, args, ret):
    if args is None:
        with pytest.raises(TypeError, match="arrays of arrays"):
            normalize_signature(text)
    else:
        assert normalize_signature(text) == (args, ret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int64",
        "(1, 2)",
        "3",
        "'int64'",
        "int64(int64",
        "int64(int64)(int64)",
        "int64(3)",
        "f(x)",
        "_encode(int64)",
        "__import__('os').system('true')",
        "int64.__class__",
        "int64(*(int64,))",
        "int64(x=int64)",
        "int64 if True else int8",
        "[int64]",
        "lambda: int64",
        "Type('x')",
        "optional(optional(int64))",
        "literal(3)(int64)",
    ],
)
def test_what_is_no_signature(text):
    if text == "Type('x')":
        text = "Type('x')[0]"
    with pytest.raises(TypeError) as caught:
        normalize_signature(text)
    assert repr(text) in str(caught.value)


def test_unknown_names_are_answered_with_a_close_one():
    with pytest.raises(TypeError, match="did you mean 'float64'"):
        normalize_signature("int64(flaot64)")


def test_other_forms():
    assert normalize_signature(fd.int8(fd.int64)) == ((fd.int64,), fd.int8)
    assert normalize_signature((fd.int64,)) == ((fd.int64,), None)
    for bad in (3, None, fd.int64, (1, 2), [fd.int64]):
        with pytest.raises(TypeError):
            normalize_signature(bad)
    assert is_signature("x") and is_signature(()) and not is_signature(fd.int64)
