"""Signatures as users write them: types, tuples of types, strings.

A string is read as a Python expression over the names of `ferdelance.types`, of which only names,
calls, tuples, slices and constants have a meaning; nothing else of Python can be reached.
"""

from . import types
from .types._signature import Signature

_HINT = "a signature is 'int64(float64, int8)', '(float64, int8)', or the same made of types"


def is_signature(sig):
    """Whether `sig` may be handed to `normalize_signature`."""
    return isinstance(sig, (str, tuple, Signature))


def normalize_signature(sig):
    """(argument types, return type or None) of a signature in any of its forms.

    Raises TypeError for what is not a signature.
    """
    parsed = parse_signature(sig) if isinstance(sig, str) else sig
    if isinstance(parsed, Signature):
        return parsed.args, parsed.return_type
    if isinstance(parsed, tuple) and all(isinstance(ty, types.Type) for ty in parsed):
        return parsed, None
    if isinstance(parsed, types.Type):
        raise TypeError(f"invalid signature {sig!r}: it is a type; {_HINT}")
    raise TypeError(f"invalid signature {sig!r}: {_HINT}")


def parse_type(text):
    """The type that a string stands for. Raises TypeError where it is none."""
    ty = parse_signature(text)
    if not isinstance(ty, types.Type):
        raise TypeError(f"{text!r} is not a type")
    return ty


def parse_signature(text):
    """What a string stands for: a `Signature`, a tuple of types or a type.

    Raises TypeError that shows the string.
    """
    import ast

    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as e:
        raise TypeError(f"invalid signature {text!r}: {e.msg}") from None
    try:
        return _Reader(ast, text.strip()).read(tree.body)
    except (TypeError, ValueError, AttributeError) as e:
        raise TypeError(f"invalid signature {text!r}: {e}") from None


class _Reader:
    """Evaluates the allowed kinds of expressions."""

    def __init__(self, ast, text):
        self._text = text
        self._segment = ast.get_source_segment
        self._readers = {
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.Tuple: self._tuple,
            ast.List: self._list,
            ast.Slice: self._slice,
            ast.Constant: self._constant,
        }

    def read(self, node):
        reader = self._readers.get(type(node))
        if reader is None:
            raise TypeError(f"{self._segment(self._text, node)!r} has no meaning in a signature")
        return reader(node)

    def _name(self, node):
        return _lookup(node.id)

    def _attribute(self, node):
        # `types.int64` is what people write in code.
        if getattr(node.value, "id", None) != "types":
            raise TypeError(f"{self._segment(self._text, node)!r} has no meaning in a signature")
        return _lookup(node.attr)

    def _call(self, node):
        func = self.read(node.func)
        if not (isinstance(func, types.Type) or _is_type_constructor(func)):
            raise TypeError(f"{self._segment(self._text, node.func)!r} is not a type")
        args = [self.read(arg) for arg in node.args]
        keywords = {keyword.arg: self.read(keyword.value) for keyword in node.keywords}
        made = func(*args, **keywords)
        if not isinstance(made, (types.Type, Signature)):
            raise TypeError(f"{self._segment(self._text, node)!r} is not a type")
        return made

    def _subscript(self, node):
        value = self.read(node.value)
        if not isinstance(value, types.Type):
            raise TypeError(f"{self._segment(self._text, node.value)!r} is not a type")
        return value[self.read(node.slice)]

    def _tuple(self, node):
        return tuple(self.read(item) for item in node.elts)

    def _list(self, node):
        return [self.read(item) for item in node.elts]

    def _slice(self, node):
        parts = (node.lower, node.upper, node.step)
        return slice(*(part and self.read(part) for part in parts))

    def _constant(self, node):
        return node.value


def _is_type_constructor(obj):
    return isinstance(obj, type) and issubclass(obj, types.Type)


def _lookup(name):
    """What a name in a signature stands for. Raises TypeError with the nearest known name."""
    found = None if name.startswith("_") else getattr(types, name, None)
    if isinstance(found, types.Type) or _is_type_constructor(found):
        return found
    import difflib

    known = [
        n
        for n, obj in vars(types).items()
        if isinstance(obj, types.Type) or _is_type_constructor(obj)
    ]
    close = difflib.get_close_matches(name, known, 1, 0.75)
    raise TypeError(f"unknown type {name!r}" + (f", did you mean {close[0]!r}?" if close else ""))
