"""The parameters of Python functions, read from their code objects."""

from . import types
from .errors import TypingError

_VARARGS = 0x04  # inspect.CO_VARARGS; importing inspect takes longer than all of this


def bind_types(function, args):
    """One type for each parameter of a function, from the types of a signature.

    The order is the compiler's: positional parameters, `*args`, keyword-only ones. Parameters with
    a default may be missing from the signature and become `Omitted`; what is left over goes into
    the tuple of `*args`.
    Raises TypingError where the numbers do not fit.
    """
    code = function.__code__
    split, end = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[:end]
    if not code.co_flags & _VARARGS:
        if len(args) > end:
            raise TypingError(
                f"{function.__name__} has {end} parameters, the signature {len(args)}: {args}"
            )
        return args + tuple(_omitted(function, name) for name in names[len(args) :])
    if len(args) == end + 1 and isinstance(args[split], types.BaseTuple):
        return args  # bound already
    head, rest = args[:split], args[split:]
    missing = tuple(_omitted(function, name) for name in names[len(head) : split])
    keyword_only = tuple(_omitted(function, name) for name in names[split:])
    return head + missing + (types.BaseTuple.from_types(rest),) + keyword_only


def _omitted(function, name):
    """The type of a parameter that a signature leaves out.

    Raises TypingError unless it has a default.
    """
    code = function.__code__
    defaults = function.__defaults__ or ()
    with_default = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    values = {**dict(zip(with_default, defaults, strict=True)), **(function.__kwdefaults__ or {})}
    if name not in values:
        raise TypingError(
            f"the signature has no type for the parameter {name!r} of {function.__name__}"
        )
    return types.Omitted(values[name])
