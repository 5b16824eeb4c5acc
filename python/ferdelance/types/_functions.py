"""The types of what can be called: functions, dispatchers, pointers to functions."""

from ._base import Callable, Dummy, Type
from ._signature import Signature


class WrapperAddressProtocol:
    """Base of Python classes whose objects stand for native functions.

    Define `__wrapper_address__(self)`, which gives the function's address as an integer, and
    `signature(self)`, which gives its `Signature`.
    """

    def __wrapper_address__(self):
        raise NotImplementedError(f"{type(self).__name__} does not say where its code is")

    def signature(self):
        raise NotImplementedError(f"{type(self).__name__} does not say what its signature is")


class FunctionPrototype(Type):
    """The shape of a native function: return type `rtype` and argument types `atypes`."""

    def __init__(self, rtype, atypes):
        self.rtype = rtype
        self.atypes = tuple(atypes)
        super().__init__(f"{rtype}({', '.join(map(str, self.atypes))})")

    @property
    def key(self):
        return self.rtype, self.atypes


class FunctionType(Callable):
    """Functions of one signature as values: jitted ones and C functions."""

    def __init__(self, signature):
        if not isinstance(signature, Signature):
            raise TypeError(
                f"a function type is made from a signature, like int64(float64), not {signature!r}"
            )
        self.signature = signature
        self.ftype = FunctionPrototype(signature.return_type, signature.args)
        super().__init__(f"FunctionType[{self.ftype}]")

    @property
    def key(self):
        return self.signature

    @property
    def nargs(self):
        """Number of arguments."""
        return len(self.signature.args)

    def get_call_signatures(self):
        """([signature], False): the signatures, and whether they may differ from call to call."""
        return [self.signature], False


class Dispatcher(Callable, Dummy):
    """The type of one jitted function, `dispatcher`."""

    # An entry in the table of interned types would keep the function alive.
    _interned = False

    def __init__(self, dispatcher):
        self.dispatcher = dispatcher
        super().__init__(f"type({dispatcher!r})")

    @property
    def key(self):
        return id(self.dispatcher)


class ObjModeDispatcher(Dispatcher):
    """The type of one function that runs in the interpreter."""


class ExternalFunction(Callable, Dummy):
    """A native function that is known by its symbol."""

    def __init__(self, symbol, sig):
        self.symbol = symbol
        self.sig = sig
        super().__init__(f"ExternalFunction({symbol})")

    @property
    def key(self):
        return self.symbol, self.sig


class ExternalFunctionPointer(Callable, Dummy):
    """A native function behind a Python object; `get_pointer(object)` gives its address."""

    def __init__(self, sig, get_pointer, cconv=None):
        self.sig = sig
        self.get_pointer = get_pointer
        self.cconv = cconv
        super().__init__(f"ExternalFunctionPointer({sig})")

    @property
    def key(self):
        return self.sig, self.cconv, self.get_pointer
