"""`literal` and its inverse."""

from ._base import Literal, Type
from ._containers import SliceLiteral
from ._misc import StringLiteral, unliteral
from ._scalars import BooleanLiteral, IntegerLiteral

_LITERAL_CLASSES = {
    bool: BooleanLiteral,
    int: IntegerLiteral,
    str: StringLiteral,
    slice: SliceLiteral,
}


def literal(value):
    """The literal type of an int, bool, str or slice.

    Raises LiteralTypingError for other values, and for types.
    """
    made = maybe_literal(value)
    if made is None:
        from ..errors import LiteralTypingError

        what = (
            "it is a type, not a value"
            if isinstance(value, Type)
            else f"{type(value).__name__} has no literal types"
        )
        raise LiteralTypingError(f"{value!r} cannot be made a literal type: {what}")
    return made


def maybe_literal(value):
    """The literal type of a value, or None where there is none."""
    cls = _LITERAL_CLASSES.get(type(value))
    return cls and cls(value)


__all__ = ["Literal", "literal", "maybe_literal", "unliteral"]
