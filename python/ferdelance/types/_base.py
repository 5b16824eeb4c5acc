"""`Type`, the root of the hierarchy; interning; the abstract kinds of types.

Types are immutable values: two types of one class with equal keys are equal, and as a rule the same
object.
"""

from weakref import WeakValueDictionary

from ._signature import Signature

_interned = WeakValueDictionary()


def intern_type(ty):
    """The one object that stands for all types equal to `ty`."""
    if not ty._interned:
        return ty
    return _interned.setdefault((type(ty), ty.key), ty)


def _restore(cls, state):
    """Undo `Type.__reduce__`."""
    ty = cls.__new__(cls)
    ty.__dict__.update(state)
    return intern_type(ty)


class TypeMeta(type):
    """Calling a type class gives an interned object."""

    def __call__(cls, *args, **kwargs):
        return intern_type(super().__call__(*args, **kwargs))


class Type(metaclass=TypeMeta):
    """A type of the compiler.

    To define a type, derive from this class and hand a unique name to `Type.__init__`; override
    `key` where the name alone does not say when two types are equal. Types are values: don't change
    them once made.

    - `T(U, V)` with types is a signature, `T(x)` with a value converts it where the type can do
      that;
    - `T[:]`, `T[:, ::1]`, `T[::1, :]` are array types with items of type T, of any, C or Fortran
      layout.
    """

    #: Whether values of the type can change.
    mutable = False
    #: Whether changes made by compiled code are copied back into the Python object.
    reflected = False
    _interned = True

    # Indexing makes array types, so Python would take every type for a sequence.
    __iter__ = None

    def __init__(self, name):
        self.name = name

    @property
    def key(self):
        """What tells the types of one class apart: hashable."""
        return self.name

    def is_precise(self):
        """Whether the type is fully known."""
        return True

    def unify(self, typingctx, other):
        """The type that holds values of this type and of `other`.

        None leaves the question to `other`.
        """
        return None

    def can_convert_to(self, typingctx, other):
        """How values of this type convert to `other`; None if they do not."""
        return None

    def can_convert_from(self, typingctx, other):
        """How values of `other` convert to this type; None if they do not."""
        return None

    def cast_python_value(self, value):
        """A Python value converted to the type.

        Raises NotImplementedError for types without such a conversion.
        """
        raise NotImplementedError(f"type {self} does not convert Python values")

    def __call__(self, *args):
        if len(args) == 1 and not isinstance(args[0], Type):
            return self.cast_python_value(args[0])
        for arg in args:
            if not isinstance(arg, Type):
                raise TypeError(f"a signature is made of types, not of {arg!r}")
        return Signature(self, args)

    def __getitem__(self, index):
        from ._buffers import Array

        ndim, layout = _shape_of_index(index)
        return Array(self, ndim, layout)

    def __eq__(self, other):
        return self is other or (type(self) is type(other) and self.key == other.key)

    def __hash__(self):
        return hash(self.key)

    def __repr__(self):
        return self.name

    def __str__(self):
        return self.name

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return _restore, (type(self), self.__dict__)


def _shape_of_index(index):
    """(ndim, layout) that `T[index]` asks for."""
    items = index if isinstance(index, tuple) else (index,)
    steps = []
    for item in items:
        if (
            not isinstance(item, slice)
            or item.start is not None
            or item.stop is not None
            or item.step not in (None, 1)
        ):
            raise TypeError(
                f"array types are T[:], T[:, ::1] or T[::1, :]; {item!r} has no meaning there"
            )
        steps.append(item.step)
    if not steps:
        raise TypeError("an array type needs a dimension: T[:]; for ndim=0 write Array(T, 0, 'C')")
    contiguous = steps.count(1)
    if contiguous == 0:
        return len(steps), "A"
    if contiguous == 1 and steps[-1] == 1:
        return len(steps), "C"
    if contiguous == 1 and steps[0] == 1:
        return len(steps), "F"
    raise TypeError(
        "only the last (C) or the first (Fortran) dimension of an array type may be ::1"
    )


# ---- abstract kinds -----------------------------------------------------------------------------


class Dummy(Type):
    """A type whose values carry no data."""


class Hashable(Type):
    """A type whose values have a hash."""


class Number(Hashable):
    """Integers, floats and complex numbers (not booleans)."""


class Callable(Type):
    """A type whose values can be called."""


class DTypeSpec(Type):
    """A type that stands for a dtype; `dtype` is the type of the items."""


class IterableType(Type):
    """A type whose values can be iterated over; `iterator_type` is what `iter()` gives."""


class IteratorType(IterableType):
    """An iterator; `yield_type` is what `next()` gives."""

    @property
    def iterator_type(self):
        return self


class SimpleIterableType(IterableType):
    """An iterable that is told its iterator's type."""

    def __init__(self, name, iterator_type):
        self._iterator_type = iterator_type
        super().__init__(name)

    @property
    def iterator_type(self):
        return self._iterator_type


class SimpleIteratorType(IteratorType):
    """An iterator that is told the type of its items."""

    def __init__(self, name, yield_type):
        self.yield_type = yield_type
        super().__init__(name)


class Sized(Type):
    """A type whose values have a length."""


class ConstSized(Sized):
    """A type that fixes the length of its values."""

    def __len__(self):
        raise NotImplementedError


class Container(Sized, IterableType):
    """A collection of values."""


class Sequence(Container):
    """An indexable collection."""


class MutableSequence(Sequence):
    """An indexable collection that can change."""

    mutable = True


class ArrayCompatible(Type):
    """A type that behaves as an array in expressions; `as_array` is that array's type."""

    @property
    def as_array(self):
        raise NotImplementedError


class InitialValue:
    """Mixin of containers that know the constant they were made from."""

    def __init__(self, initial_value):
        self._initial_value = initial_value

    @property
    def initial_value(self):
        return self._initial_value


class Literal(Type):
    """A type that holds one value, `literal_value`; `literal_type` is the type without the value.

    Made by `literal()`.
    """

    def __init__(self, value):
        if type(self) is Literal:
            raise TypeError("literal types are made by types.literal(value)")
        self._literal_value = value
        Type.__init__(self, f"Literal[{type(value).__name__}]({value})")

    @property
    def literal_value(self):
        return self._literal_value

    @property
    def literal_type(self):
        from .._typeof import typeof

        return typeof(self._literal_value)

    @property
    def key(self):
        return type(self._literal_value), self._literal_value


class TypeRef(Dummy):
    """The type of a type used as a value in compiled code; `instance_type` is the type itself."""

    def __init__(self, instance_type):
        self.instance_type = instance_type
        super().__init__(f"typeref[{instance_type}]")

    @property
    def key(self):
        return self.instance_type
