"""Lists, sets, dictionaries, ranges and slices."""

from ._base import (
    Container,
    Hashable,
    InitialValue,
    IterableType,
    Literal,
    MutableSequence,
    Sequence,
    SimpleIterableType,
    SimpleIteratorType,
    Sized,
    Type,
)


def _check_item(ty, what):
    if not isinstance(ty, Type):
        raise TypeError(f"{what} is a type, not {ty!r}")
    return ty


# ---- Python's own containers --------------------------------------------------------------------


class List(MutableSequence, InitialValue):
    """`list` with items of type `dtype`.

    `reflected` ones came from Python, and changes go back there.
    """

    def __init__(self, dtype, reflected=False, initial_value=None):
        self.dtype = _check_item(dtype, "the items' type of a list")
        self.reflected = reflected
        InitialValue.__init__(self, initial_value)
        super().__init__(
            f"{'reflected list' if reflected else 'list'}({dtype})<iv={initial_value}>"
        )

    @property
    def key(self):
        return self.dtype, self.reflected, str(self.initial_value)

    def copy(self, dtype=None, reflected=None):
        """The type with some parts changed."""
        return List(
            self.dtype if dtype is None else dtype,
            self.reflected if reflected is None else reflected,
            self.initial_value,
        )


class LiteralList(Literal, Sequence, Hashable):
    """A list display with items of different types: immutable, indexed with constants."""

    mutable = False

    def __init__(self, literal_value):
        self.types = tuple(literal_value)
        self.count = len(self.types)
        Literal.__init__(self, self.types)
        self.name = f"LiteralList({', '.join(map(str, self.types))})"

    @property
    def literal_type(self):
        return self

    @property
    def key(self):
        return self.types

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.types)


class Set(Container):
    """`set` with items of type `dtype`.

    `reflected` ones came from Python, and changes go back there.
    """

    mutable = True

    def __init__(self, dtype, reflected=False):
        self.dtype = _check_item(dtype, "the items' type of a set")
        self.reflected = reflected
        super().__init__(f"{'reflected set' if reflected else 'set'}({dtype})")

    @property
    def key(self):
        return self.dtype, self.reflected

    def copy(self, dtype=None, reflected=None):
        """The type with some parts changed."""
        return Set(
            self.dtype if dtype is None else dtype,
            self.reflected if reflected is None else reflected,
        )


class FrozenSet(Container):
    """`frozenset` with items of type `dtype`."""

    mutable = False

    def __init__(self, dtype):
        self.dtype = _check_item(dtype, "the items' type of a frozenset")
        super().__init__(f"frozenset({dtype})")

    @property
    def key(self):
        return self.dtype


class Dict(Container):
    """`dict` with keys of type `key_type` and values of type `value_type`."""

    mutable = True

    def __init__(self, keyty, valty):
        self.key_type = _check_item(keyty, "the keys' type of a dict")
        self.value_type = _check_item(valty, "the values' type of a dict")
        super().__init__(f"dict({keyty}, {valty})")

    @property
    def key(self):
        return self.key_type, self.value_type


class LiteralStrKeyDict(Literal, Sized, Hashable):
    """A dict display with constant string keys and values of different types: read-only."""

    mutable = False

    def __init__(self, literal_value, value_index=None):
        self.keys = tuple(literal_value)
        self.types = tuple(literal_value.values())
        self.count = len(self.types)
        self.value_index = value_index
        Literal.__init__(self, literal_value)
        self.name = (
            f"LiteralStrKey[Dict]({{{', '.join(f'{k}: {v}' for k, v in literal_value.items())}}})"
        )

    @property
    def literal_type(self):
        return self

    @property
    def key(self):
        return self.keys, self.types

    def __len__(self):
        return self.count


# ---- typed containers ---------------------------------------------------------------------------


class ListType(MutableSequence):
    """`ferdelance.typed.List` with items of type `item_type`."""

    def __init__(self, itemty):
        self.item_type = self.dtype = _check_item(itemty, "the items' type of a list")
        super().__init__(f"ListType[{itemty}]")

    @property
    def key(self):
        return self.item_type

    def is_precise(self):
        return self.item_type.is_precise()


class DictType(IterableType, Sized, InitialValue):
    """`ferdelance.typed.Dict` with keys of type `key_type` and values of type `value_type`."""

    mutable = True

    def __init__(self, keyty, valty, initial_value=None):
        self.key_type = _check_item(keyty, "the keys' type of a dict")
        self.value_type = _check_item(valty, "the values' type of a dict")
        InitialValue.__init__(self, initial_value)
        iv = "" if initial_value is None else f"<iv={initial_value}>"
        super().__init__(f"DictType[{keyty},{valty}]{iv}")

    @property
    def keyvalue_type(self):
        """The type of an item: (key, value)."""
        from ._tuples import BaseTuple

        return BaseTuple.from_types((self.key_type, self.value_type))

    @property
    def key(self):
        return self.key_type, self.value_type, str(self.initial_value)

    def is_precise(self):
        return self.key_type.is_precise() and self.value_type.is_precise()


class SetType(Container):
    """`ferdelance.typed.Set` with items of type `item_type`."""

    mutable = True

    def __init__(self, itemty):
        self.item_type = self.dtype = _check_item(itemty, "the items' type of a set")
        super().__init__(f"SetType[{itemty}]")

    @property
    def key(self):
        return self.item_type

    def is_precise(self):
        return self.item_type.is_precise()


# ---- ranges, slices, generators -----------------------------------------------------------------


class RangeType(SimpleIterableType):
    """`range` over integers of type `dtype`."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"range_state_{dtype}", RangeIteratorType(dtype))

    @property
    def key(self):
        return self.dtype


class RangeIteratorType(SimpleIteratorType):
    """The iterator of a `range`."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"range_iter_{dtype}", dtype)


class SliceType(Type):
    """`slice`; `members` is 3 when it has a step, otherwise 2."""

    def __init__(self, name, members):
        self.members = members
        super().__init__(name)

    @property
    def key(self):
        return self.members

    @property
    def has_step(self):
        return self.members >= 3


class SliceLiteral(Literal, SliceType):
    """A slice known when compiling."""

    def __init__(self, value):
        Literal.__init__(self, value)
        self.members = 2 if value.step is None else 3

    @property
    def key(self):
        value = self.literal_value
        return value.start, value.stop, value.step


class Generator(SimpleIteratorType):
    """A generator of a compiled function; `yield_type` is the type of its items."""

    def __init__(self, gen_func, yield_type, arg_types, state_types, has_finalizer):
        self.gen_func = gen_func
        self.arg_types = tuple(arg_types)
        self.state_types = tuple(state_types)
        self.has_finalizer = has_finalizer
        super().__init__(
            f"{yield_type} generator(func={gen_func}, args={self.arg_types})", yield_type
        )

    @property
    def key(self):
        return self.gen_func, self.arg_types, self.yield_type, self.has_finalizer, self.state_types
