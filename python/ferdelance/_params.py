"""The parameters of Python functions, read from their code objects."""

from . import types
from .errors import TypingError

_VARARGS = 0x04  # inspect.CO_VARARGS; importing inspect takes longer than all of this


def bind_types(function, args):
    """One type for each parameter of a function, from the types of a signature.

    Parameters with a default may be missing from the signature and become `Omitted`; what is left
    over goes into the tuple of a `*args` parameter. Raises TypingError where the numbers do not
    fit.
    """
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_rest = bool(code.co_flags & _VARARGS)
    if takes_rest and len(args) == len(names) + 1 and isinstance(args[-1], types.BaseTuple):
        return args
    taken = code.co_argcount if takes_rest else len(names)
    if len(args) > taken and not takes_rest:
        raise TypingError(
            f"{function.__name__} has {len(names)} parameters, the signature {len(args)}: {args}"
        )
    head, rest = args[:taken], args[taken:]
    missing = tuple(_omitted(function, name) for name in names[len(head) :])
    return head + missing + ((types.BaseTuple.from_types(rest),) if takes_rest else ())


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
