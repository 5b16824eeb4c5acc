"""Arrays and the other objects that expose memory."""

import math

from ._base import ArrayCompatible, Hashable, IterableType, Sequence, Type

LAYOUTS = frozenset("CFA")


class Buffer(IterableType, ArrayCompatible):
    """Typed memory with a shape.

    dtype
        type of the items
    ndim
        number of dimensions
    layout
        "C", "F" or "A" (any strides)
    readonly
        whether compiled code may not write to it
    """

    mutable = True
    aligned = True
    _display = "buffer"

    def __init__(self, dtype, ndim, layout, readonly=False, name=None):
        if not isinstance(dtype, Type):
            raise TypeError(f"the items of an array have a type of ferdelance.types, not {dtype!r}")
        if isinstance(dtype, Buffer):
            raise TypeError(f"arrays of arrays do not exist: the items cannot be {dtype}")
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be 'C', 'F' or 'A', not {layout!r}")
        self.dtype = dtype
        self.ndim = ndim
        self.layout = layout
        if readonly:
            self.mutable = False
        super().__init__(name or f"{self._prefix()}{self._display}({dtype}, {ndim}d, {layout})")

    def _prefix(self):
        return "" if self.mutable else "readonly "

    @property
    def key(self):
        return self.dtype, self.ndim, self.layout, self.mutable, self.aligned

    @property
    def is_c_contig(self):
        return self.layout == "C" or (self.ndim <= 1 and self.layout == "F")

    @property
    def is_f_contig(self):
        return self.layout == "F" or (self.ndim <= 1 and self.layout == "C")

    @property
    def is_contig(self):
        return self.layout in ("C", "F")

    @property
    def as_array(self):
        return self


class Array(Buffer):
    """`np.ndarray`; `float64[:, ::1]` is short for `Array(float64, 2, "C")`."""

    _display = "array"

    def __init__(self, dtype, ndim, layout, readonly=False, name=None, aligned=True):
        if not aligned:
            self.aligned = False
        super().__init__(dtype, ndim, layout, readonly, name)

    def _prefix(self):
        return super()._prefix() + ("" if self.aligned else "unaligned ")

    def copy(self, dtype=None, ndim=None, layout=None, readonly=None):
        """The type with some parts changed."""
        return Array(
            self.dtype if dtype is None else dtype,
            self.ndim if ndim is None else ndim,
            self.layout if layout is None else layout,
            not self.mutable if readonly is None else readonly,
            aligned=self.aligned,
        )

    @property
    def as_array(self):
        return self


class ByteArray(Buffer):
    """`bytearray`."""

    _display = "bytearray"


class Bytes(Hashable, Buffer):
    """`bytes`; read-only."""

    mutable = False
    _display = "bytes"


class PyArray(Buffer):
    """`array.array`."""

    _display = "array.array"


class MemoryView(Buffer):
    """`memoryview`."""

    _display = "memoryview"


class MemoryMap(Buffer):
    """`mmap.mmap`."""

    _display = "mmap"


class NestedArray(Array):
    """An array of fixed shape that is part of a record."""

    def __init__(self, dtype, shape):
        if isinstance(dtype, NestedArray):
            shape = tuple(shape) + dtype.shape
            dtype = dtype.dtype
        self._shape = tuple(shape)
        super().__init__(dtype, len(self._shape), "C", name=f"nestedarray({dtype}, {self._shape})")

    @property
    def key(self):
        return self.dtype, self._shape

    @property
    def shape(self):
        return self._shape

    @property
    def nitems(self):
        """Number of items."""
        return math.prod(self._shape)

    @property
    def size(self):
        """Size in bytes."""
        from ..np.numpy_support import as_dtype

        return as_dtype(self.dtype).itemsize * self.nitems

    @property
    def strides(self):
        """Bytes from item to item, for each dimension."""
        from ..np.numpy_support import as_dtype

        strides, step = [], as_dtype(self.dtype).itemsize
        for n in reversed(self._shape):
            strides.append(step)
            step *= n
        return tuple(reversed(strides))


class CharSeq(Hashable, Sequence):
    """An item of an array with dtype "S<count>"."""

    def __init__(self, count):
        self.count = count
        super().__init__(f"[char x {count}]")

    @property
    def key(self):
        return self.count


class UnicodeCharSeq(Hashable, Sequence):
    """An item of an array with dtype "U<count>"."""

    def __init__(self, count):
        self.count = count
        super().__init__(f"[unichr x {count}]")

    @property
    def key(self):
        return self.count
