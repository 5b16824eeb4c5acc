"""Booleans, numbers, dates, enumerations and the literal types of scalars."""

import numpy as np

from ._base import Callable, DTypeSpec, Dummy, Hashable, Literal, Number, Type

# ---- numbers ------------------------------------------------------------------------------------


class Boolean(Hashable):
    """True and False."""

    def cast_python_value(self, value):
        return bool(value)


class Integer(Number):
    """A machine integer.

    `bitwidth` and `signed` are read from a name such as "int32" when they are not given.
    """

    def __init__(self, name, bitwidth=None, signed=None):
        super().__init__(name)
        if bitwidth is None:
            bitwidth = int(name.lstrip("uint"))
        if signed is None:
            signed = name.startswith("int")
        self.bitwidth = bitwidth
        self.signed = signed

    @classmethod
    def from_bitwidth(cls, bitwidth, signed=True):
        """The integer type of that width."""
        return cls(("int" if signed else "uint") + str(bitwidth), bitwidth, signed)

    @property
    def minval(self):
        """The smallest value."""
        return -(1 << self.bitwidth - 1) if self.signed else 0

    @property
    def maxval(self):
        """The largest value."""
        return (1 << self.bitwidth - self.signed) - 1

    def cast_python_value(self, value):
        # As compiled code does: towards zero, modulo 2**bitwidth.
        return np.asarray(value).astype(self.name)[()]

    def __lt__(self, other):
        if not isinstance(other, Integer) or other.signed is not self.signed:
            return NotImplemented
        return self.bitwidth < other.bitwidth


class Float(Number):
    """An IEEE floating-point number."""

    def __init__(self, name):
        super().__init__(name)
        self.bitwidth = int(name.removeprefix("float"))

    def cast_python_value(self, value):
        return getattr(np, self.name)(value)

    def __lt__(self, other):
        return self.bitwidth < other.bitwidth if isinstance(other, Float) else NotImplemented


class Complex(Number):
    """A complex number; `underlying_float` is the type of its two parts, `bitwidth` counts both."""

    def __init__(self, name, underlying_float):
        super().__init__(name)
        self.underlying_float = underlying_float
        self.bitwidth = 2 * underlying_float.bitwidth

    def cast_python_value(self, value):
        return getattr(np, self.name)(value)

    def __lt__(self, other):
        return self.bitwidth < other.bitwidth if isinstance(other, Complex) else NotImplemented


class NumberClass(Callable, DTypeSpec, Dummy):
    """The type of a number's class used as a value, such as `np.int32` in compiled code."""

    def __init__(self, instance_type):
        self.instance_type = instance_type
        super().__init__(f"class({instance_type})")

    @property
    def key(self):
        return self.instance_type

    @property
    def dtype(self):
        return self.instance_type


class DType(DTypeSpec, Dummy):
    """The type of a NumPy dtype object; `dtype` is the type of the items it describes."""

    def __init__(self, dtype):
        self._dtype = dtype
        super().__init__(f"dtype({dtype})")

    @property
    def key(self):
        return self._dtype

    @property
    def dtype(self):
        return self._dtype


# ---- literals -----------------------------------------------------------------------------------


class BooleanLiteral(Literal, Boolean):
    """True or False, known when compiling."""


class IntegerLiteral(Literal, Integer):
    """An integer known when compiling."""

    def __init__(self, value):
        Literal.__init__(self, value)
        plain = self.literal_type
        self.bitwidth, self.signed = plain.bitwidth, plain.signed

    def cast_python_value(self, value):
        return self.literal_type.cast_python_value(value)


# ---- dates --------------------------------------------------------------------------------------


class NPDatetimeBase(Type):
    """What NumPy dates and durations share: a `unit` ("" for the generic one)."""

    def __init__(self, unit):
        self.unit = unit
        super().__init__(f"{self._prefix}[{unit}]" if unit else self._prefix)

    def cast_python_value(self, value):
        kind = getattr(np, self._prefix)
        return kind(value, self.unit) if self.unit else kind(value)

    def __lt__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return np.can_cast(self.name, other.name, "safe") and self.unit != other.unit


class NPDatetime(NPDatetimeBase):
    """`np.datetime64` of a unit: `NPDatetime("D")`."""

    _prefix = "datetime64"


class NPTimedelta(NPDatetimeBase):
    """`np.timedelta64` of a unit: `NPTimedelta("ns")`."""

    _prefix = "timedelta64"


# ---- enumerations -------------------------------------------------------------------------------


class EnumClass(Dummy):
    """The type of an `enum.Enum` class; `dtype` is the type of its members' values."""

    _display = "Enum class"

    def __init__(self, cls, dtype):
        self.instance_class = cls
        self.dtype = dtype
        super().__init__(f"{self._display}<{dtype}>({cls.__name__})")

    @property
    def key(self):
        return self.instance_class, self.dtype

    @property
    def member_type(self):
        """The type of the members."""
        return EnumMember(self.instance_class, self.dtype)


class IntEnumClass(EnumClass):
    """The type of an `enum.IntEnum` class."""

    _display = "IntEnum class"

    @property
    def member_type(self):
        return IntEnumMember(self.instance_class, self.dtype)


class EnumMember(Type):
    """The type of the members of an `enum.Enum` class."""

    _display = "Enum"
    _class_type = EnumClass

    def __init__(self, cls, dtype):
        self.instance_class = cls
        self.dtype = dtype
        super().__init__(f"{self._display}<{dtype}>({cls.__name__})")

    @property
    def key(self):
        return self.instance_class, self.dtype

    @property
    def class_type(self):
        """The type of the class that the members belong to."""
        return self._class_type(self.instance_class, self.dtype)


class IntEnumMember(EnumMember):
    """The type of the members of an `enum.IntEnum` class."""

    _display = "IntEnum"
    _class_type = IntEnumClass
