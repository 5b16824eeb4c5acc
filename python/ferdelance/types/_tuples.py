"""Tuples and named tuples."""

from ._base import Callable, ConstSized, Dummy, Hashable, Sequence, Type


def _check_items(types):
    types = tuple(types)
    for ty in types:
        if not isinstance(ty, Type):
            raise TypeError(f"the items of a tuple type are types, not {ty!r}")
    return types


class BaseTuple(ConstSized, Hashable):
    """All tuples.

    A tuple type is itself a sequence of its items' types: `len`, iteration and indexing work.
    """

    @classmethod
    def from_types(cls, types, pyclass=None):
        """The type of a tuple with items of these types.

        `pyclass` is its class where that is a named tuple.
        """
        types = _check_items(types)
        uniform = bool(types) and all(ty == types[0] for ty in types)
        if pyclass is not None and pyclass is not tuple:
            return (
                NamedUniTuple(types[0], len(types), pyclass)
                if uniform
                else NamedTuple(types, pyclass)
            )
        return UniTuple(types[0], len(types)) if uniform else Tuple(types)

    def __len__(self):
        return self.count

    def __bool__(self):
        return True

    def __iter__(self):
        return iter(self.types)

    def __getitem__(self, index):
        """An item's type by number, or as for every type an array type."""
        if isinstance(index, int):
            return self.types[index]
        return super().__getitem__(index)


class BaseAnonymousTuple(BaseTuple):
    """Tuples without names."""


class HomogeneousTuple(Sequence, BaseTuple):
    """Tuples whose items are of one type, `dtype`."""

    @property
    def types(self):
        return (self.dtype,) * self.count


class UniTuple(BaseAnonymousTuple, HomogeneousTuple):
    """`count` items of type `dtype`."""

    def __init__(self, dtype, count):
        self.dtype = _check_items((dtype,))[0]
        self.count = count
        super().__init__(f"{type(self).__name__}({dtype} x {count})")

    @property
    def key(self):
        return self.dtype, self.count


class Tuple(BaseAnonymousTuple):
    """Items of the given types; `Tuple((int64, int64))` is `UniTuple(int64, 2)`."""

    def __new__(cls, types=()):
        types = tuple(types)
        if cls is Tuple and types and all(ty == types[0] for ty in types):
            return UniTuple(types[0], len(types))
        return super().__new__(cls)

    def __init__(self, types):
        self.types = _check_items(types)
        self.count = len(self.types)
        super().__init__(f"{type(self).__name__}({', '.join(map(str, self.types))})")

    @property
    def key(self):
        return self.types


class StarArgTuple(Tuple):
    """What a `*args` parameter holds, items of different types."""


class StarArgUniTuple(UniTuple):
    """What a `*args` parameter holds, items of one type."""


class BaseNamedTuple(BaseTuple):
    """Named tuples; `instance_class` is the Python class, `fields` the names."""

    @property
    def fields(self):
        return self.instance_class._fields


class NamedUniTuple(BaseNamedTuple, HomogeneousTuple):
    """A named tuple whose items are of one type."""

    def __init__(self, dtype, count, cls):
        self.dtype = _check_items((dtype,))[0]
        self.count = count
        self.instance_class = cls
        super().__init__(f"{cls.__name__}({dtype} x {count})")

    @property
    def key(self):
        return self.instance_class, self.dtype, self.count


class NamedTuple(BaseNamedTuple):
    """A named tuple."""

    def __init__(self, types, cls):
        self.types = _check_items(types)
        self.count = len(self.types)
        self.instance_class = cls
        super().__init__(f"{cls.__name__}({', '.join(map(str, self.types))})")

    @property
    def key(self):
        return self.instance_class, self.types


class NamedTupleClass(Callable, Dummy):
    """The type of a named tuple's class."""

    def __init__(self, instance_class):
        self.instance_class = instance_class
        super().__init__(f"class({instance_class.__name__})")

    @property
    def key(self):
        return self.instance_class


class Pair(Type):
    """Two values; what some iterators yield inside the compiler."""

    def __init__(self, first_type, second_type):
        self.first_type = first_type
        self.second_type = second_type
        super().__init__(f"pair<{first_type}, {second_type}>")

    @property
    def key(self):
        return self.first_type, self.second_type
