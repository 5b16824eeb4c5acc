"""Names of the public interface whose implementation is still to come.

Using one is an `UnsupportedError`.
"""

from .errors import UnsupportedError


def pending(name, instead):
    """A stand-in for a function; `instead` says what to do without it."""

    def stand_in(*args, **kwargs):
        raise UnsupportedError(f"{name} is not implemented yet; {instead}")

    stand_in.__name__ = stand_in.__qualname__ = name
    stand_in.__doc__ = f"Not implemented yet: raises UnsupportedError ({instead})."
    return stand_in


def pending_class(name, instead, constructors=()):
    """A stand-in for a class.

    Neither the class nor its class methods `constructors` make an object.
    """
    refuse = pending(name, instead)
    body = {"__new__": refuse, "__doc__": refuse.__doc__}
    return type(
        name, (), {**body, **{constructor: staticmethod(refuse) for constructor in constructors}}
    )


_LOOP = "write the loop in an @njit function"
_DEBUGGER = "attach gdb to the process"

vectorize = pending("vectorize", _LOOP)
guvectorize = pending("guvectorize", _LOOP)
stencil = pending("stencil", _LOOP)
generated_jit = pending("generated_jit", "branch on types with isinstance in an @njit function")
gdb = pending("gdb", _DEBUGGER)
gdb_init = pending("gdb_init", _DEBUGGER)
gdb_breakpoint = pending("gdb_breakpoint", _DEBUGGER)
