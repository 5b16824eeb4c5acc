"""`Signature`: a return type and argument types."""

__all__ = ["Signature", "signature"]


class Signature:
    """The type of one compiled version of a function: `return_type` and `args`.

    Made by calling a type with types, `int64(float64, int8)`.
    Immutable, hashable, picklable; equal when return type, arguments and receiver are equal.

    `recvr` is the type of the object when the function is a bound method, otherwise None.
    `pysig` is an `inspect.Signature` or None; it takes no part in comparisons.
    """

    __slots__ = ("_args", "_pysig", "_recvr", "_return_type")

    def __init__(self, return_type, args, recvr=None, pysig=None):
        self._return_type = return_type
        self._args = tuple(args)
        self._recvr = recvr
        self._pysig = pysig

    @property
    def return_type(self):
        return self._return_type

    @property
    def args(self):
        return self._args

    @property
    def recvr(self):
        return self._recvr

    @property
    def pysig(self):
        return self._pysig

    def replace(self, **changes):
        """A copy with some of `return_type`, `args`, `recvr`, `pysig` changed."""
        parts = {
            "return_type": self._return_type,
            "args": self._args,
            "recvr": self._recvr,
            "pysig": self._pysig,
        }
        unknown = changes.keys() - parts.keys()
        if unknown:
            raise TypeError(f"a signature has no {', '.join(sorted(unknown))}")
        return Signature(**{**parts, **changes})

    def is_precise(self):
        """Whether the return type and all argument types are fully known."""
        return self._return_type.is_precise() and all(ty.is_precise() for ty in self._args)

    def as_method(self):
        """The first argument becomes the receiver."""
        if self._recvr is not None:
            return self
        return self.replace(args=self._args[1:], recvr=self._args[0])

    def as_function(self):
        """The receiver becomes the first argument."""
        if self._recvr is None:
            return self
        return self.replace(args=(self._recvr, *self._args), recvr=None)

    def __eq__(self, other):
        if not isinstance(other, Signature):
            return NotImplemented
        return (self._return_type, self._args, self._recvr) == (
            other._return_type,
            other._args,
            other._recvr,
        )

    def __hash__(self):
        return hash((self._return_type, self._args))

    def __reduce__(self):
        return Signature, (self._return_type, self._args, self._recvr, self._pysig)

    def __str__(self):
        return f"{self._args} -> {self._return_type}"

    __repr__ = __str__


def signature(return_type, *args, recvr=None):
    """A `Signature` from its parts: `signature(int64, float64, int8)`."""
    return Signature(return_type, args, recvr)
