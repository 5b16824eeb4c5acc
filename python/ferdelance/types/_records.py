"""`Record`: a structured dtype."""

from collections import namedtuple

from ._base import Hashable, Type

_Field = namedtuple("_Field", "type offset alignment title", defaults=(None, None))


class Record(Hashable):
    """An item of a structured array.

    fields
        a list of (name, {"type": T, "offset": bytes, "alignment": bytes or None, "title": anything
        or None})
    size
        bytes from one record to the next
    aligned
        whether the fields lie as a C compiler would place them
    """

    mutable = True

    def __init__(self, fields, size, aligned):
        self.fields = {name: _Field(**parts) for name, parts in fields}
        for name, field in self.fields.items():
            if not isinstance(field.type, Type):
                raise TypeError(
                    f"field {name!r} of a record has no type of ferdelance.types but {field.type!r}"
                )
        self.size = size
        self.aligned = aligned
        items = ",".join(
            f"{name}[type={field.type};offset={field.offset}]"
            for name, field in self.fields.items()
        )
        super().__init__(f"Record({items};{size};{aligned})")

    @classmethod
    def make_c_struct(cls, name_types):
        """The record of (name, type) pairs, laid out as a C compiler does it."""
        from ..np.numpy_support import as_dtype

        fields, offset, widest = [], 0, 1
        for name, ty in name_types:
            dtype = as_dtype(ty)
            alignment = dtype.alignment
            offset += -offset % alignment
            widest = max(widest, alignment)
            fields.append((name, {"type": ty, "offset": offset, "alignment": alignment}))
            offset += dtype.itemsize
        return cls(fields, offset + -offset % widest, True)

    @property
    def key(self):
        fields = tuple(
            (name, field.type, field.offset, field.title) for name, field in self.fields.items()
        )
        return fields, self.size, self.aligned

    def __len__(self):
        return len(self.fields)

    def __bool__(self):
        return True

    @property
    def members(self):
        """(name, type) pairs in the order of the fields."""
        return [(name, field.type) for name, field in self.fields.items()]

    @property
    def bitwidth(self):
        return self.size * 8

    @property
    def dtype(self):
        """The NumPy dtype."""
        from ..np.numpy_support import as_dtype

        return as_dtype(self)

    def typeof(self, name):
        """The type of a field."""
        return self.fields[name].type

    def offset(self, name):
        """Where a field lies, in bytes from the start."""
        return self.fields[name].offset

    def alignment(self, name):
        """A field's alignment in bytes, or None."""
        return self.fields[name].alignment

    def has_titles(self):
        """Whether a field has a title besides its name."""
        return any(field.title is not None for field in self.fields.values())

    def is_title(self, name):
        """Whether `name` is the title of a field."""
        return any(field.title == name for field in self.fields.values())
