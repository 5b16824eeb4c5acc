"""None, optionals, strings, pointers, modules, classes and what is opaque to compiled code."""

import importlib

from ._base import Callable, Dummy, Hashable, Literal, Sequence, Type

# ---- None and optional values -------------------------------------------------------------------


class Opaque(Dummy):
    """A type that compiled code can pass around and nothing else."""


class Phantom(Dummy):
    """A type of which no value exists at run time."""


class Undefined(Dummy):
    """The type of what has no value yet."""

    def is_precise(self):
        return False


class NoneType(Opaque):
    """`None`."""


class EllipsisType(Opaque):
    """`...`."""


class PyObject(Dummy):
    """Any Python object, seen from interpreted code."""

    def is_precise(self):
        return False


class RawPointer(Type):
    """An address."""


class Optional(Type):
    """A value of type `type`, or None."""

    def __init__(self, typ):
        if not isinstance(typ, Type):
            raise TypeError(f"optional(T) takes a type, not {typ!r}")
        if isinstance(typ, (Optional, NoneType)):
            raise TypeError(f"optional({typ}) adds nothing to {typ}")
        self.type = unliteral(typ)
        super().__init__(f"OptionalType({self.type})")

    @property
    def key(self):
        return self.type

    def cast_python_value(self, value):
        return None if value is None else self.type.cast_python_value(value)


class Omitted(Opaque):
    """An argument that was left out; `value` is the parameter's default."""

    def __init__(self, default):
        self._value = default
        super().__init__(f"omitted(default={default!r})")

    @property
    def value(self):
        return self._value

    @property
    def key(self):
        try:
            hash(self._value)
        except TypeError:
            return type(self._value), id(self._value)
        # 0.0 and -0.0 are equal, and so are (1,) and (True,); their reprs are not.
        return type(self._value), self._value, repr(self._value)


# ---- strings ------------------------------------------------------------------------------------


class UnicodeType(Hashable, Sequence):
    """`str`."""


class StringLiteral(Literal, Dummy):
    """A string known when compiling."""


# ---- pointers and memory ------------------------------------------------------------------------


class CPointer(Type):
    """A pointer to values of type `dtype`."""

    mutable = True

    def __init__(self, dtype, addrspace=None):
        self.dtype = dtype
        self.addrspace = addrspace
        super().__init__(f"{dtype}*" if addrspace is None else f"{dtype}_{addrspace}*")

    @property
    def key(self):
        return self.dtype, self.addrspace


class EphemeralPointer(CPointer):
    """A pointer that is good until the function returns."""


class MemInfoPointer(Type):
    """A counted reference to a block of memory that holds a `dtype`."""

    mutable = True

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"memory-managed *{dtype}")

    @property
    def key(self):
        return self.dtype


# ---- modules, classes and other objects ---------------------------------------------------------


class Module(Dummy):
    """The type of one Python module, `pymod`."""

    def __init__(self, pymod):
        self.pymod = pymod
        super().__init__(f"Module({pymod.__name__})")

    @property
    def key(self):
        return self.pymod

    def __reduce__(self):
        return _module_type, (self.pymod.__name__,)


def _module_type(name):
    """Undo `Module.__reduce__`: modules pickle by name."""
    return Module(importlib.import_module(name))


class PythonClass(Callable, Opaque):
    """The type of a Python class that has no special meaning to the compiler."""

    def __init__(self, instance_class):
        self.instance_class = instance_class
        super().__init__(f"class({instance_class.__name__})")

    @property
    def key(self):
        return self.instance_class


class ExceptionClass(Callable, Phantom):
    """The type of one exception class, `exc_class`."""

    def __init__(self, exc_class):
        self.exc_class = exc_class
        super().__init__(exc_class.__name__)

    @property
    def key(self):
        return self.exc_class


class ExceptionInstance(Phantom):
    """The type of the exceptions of one class, `exc_class`."""

    def __init__(self, exc_class):
        self.exc_class = exc_class
        super().__init__(f"{exc_class.__name__}(...)")

    @property
    def key(self):
        return self.exc_class


class ContextManager(Callable, Phantom):
    """The type of an object for the `with` statement, `cm`."""

    def __init__(self, cm):
        self.cm = cm
        super().__init__(f"ContextManager({cm})")

    @property
    def key(self):
        return self.cm


class NumPyRandomBitGeneratorType(Type):
    """`np.random.BitGenerator`."""


class NumPyRandomGeneratorType(Type):
    """`np.random.Generator`."""


class PolynomialType(Type):
    """`np.polynomial.Polynomial`.

    `coef`, `domain` and `window` are the types of its arrays.
    """

    def __init__(self, coef, domain=None, window=None, n_args=1):
        self.coef = coef
        self.domain = domain
        self.window = window
        self.n_args = n_args
        super().__init__(f"PolynomialType({coef}, {domain}, {window})")

    @property
    def key(self):
        return self.coef, self.domain, self.window, self.n_args


# ---- types that are completed later -------------------------------------------------------------


class DeferredType(Type):
    """A stand-in for a type that is named before it exists, as in recursive classes.

    `define(T)` says what it stands for, once; `get()` gives that type.
    """

    _interned = False

    def __init__(self):
        self._type = None
        super().__init__(f"DeferredType#{id(self)}")

    @property
    def key(self):
        return id(self)

    def get(self):
        """The type it stands for. Raises RuntimeError when that has not been said."""
        if self._type is None:
            raise RuntimeError("a deferred type is used before define() was called on it")
        return self._type

    def define(self, typ):
        """Say which type it stands for.

        Raises TypeError the second time, and for what is not a type.
        """
        if self._type is not None:
            raise TypeError(f"this deferred type is already defined, as {self._type}")
        if not isinstance(typ, Type):
            raise TypeError(f"define() takes a type, not {typ!r}")
        self._type = typ

    def is_precise(self):
        return self._type is not None and self._type.is_precise()


class StructRef(Type):
    """Base of mutable structures that are passed by reference: `StructRef([("x", int64), ...])`."""

    mutable = True

    def __init__(self, fields):
        fields = tuple((name, self.preprocess_field_type(name, ty)) for name, ty in fields)
        for name, ty in fields:
            if not isinstance(name, str) or not isinstance(ty, Type):
                raise TypeError(f"a field is a name and a type, not ({name!r}, {ty!r})")
        self._fields = self.preprocess_fields(fields)
        super().__init__(f"{type(self).__name__}{self._fields}")

    @property
    def key(self):
        return self._fields

    @property
    def field_dict(self):
        """The fields' types by name."""
        return dict(self._fields)

    def preprocess_fields(self, fields):
        """A subclass may change the fields here."""
        return fields

    def preprocess_field_type(self, name, ty):
        """Every field's type as it is stored: without literals."""
        return unliteral(ty) if isinstance(ty, Type) else ty


def unliteral(ty):
    """The type without its value when it is a literal type, otherwise the type itself."""
    return ty.literal_type if isinstance(ty, Literal) else ty
