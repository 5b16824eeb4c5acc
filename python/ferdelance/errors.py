"""Errors and warnings.

Everything that compiling a function raises is a `NumbaError`; the names are those that programs
written for Numba catch.
"""

import builtins

# ---- warnings -----------------------------------------------------------------------------------


class NumbaWarning(Warning):
    """Base of all warnings of this package. `loc` is the place in the source, where it is known."""

    def __init__(self, msg, loc=None, highlighting=True):
        self.msg = str(msg)
        self.loc = loc
        super().__init__(self.msg if loc is None else f"{self.msg}\n{loc}")


class NumbaPerformanceWarning(NumbaWarning):
    """The code will run slower than its author may expect."""


class NumbaDeprecationWarning(NumbaWarning, DeprecationWarning):
    """A feature that will go away."""


class NumbaPendingDeprecationWarning(NumbaWarning, PendingDeprecationWarning):
    """A feature that will be deprecated."""


class NumbaParallelSafetyWarning(NumbaWarning):
    """Parallel code that may depend on the order of execution."""


class NumbaTypeSafetyWarning(NumbaWarning):
    """A conversion of types that may lose information."""


class NumbaExperimentalFeatureWarning(NumbaWarning):
    """A feature whose behaviour may still change."""


class NumbaDebugInfoWarning(NumbaWarning):
    """Debug information that is incomplete."""


class NumbaSystemWarning(NumbaWarning):
    """Something about the machine or its configuration."""


class NumbaPedanticWarning(NumbaWarning):
    """A detail that matters to authors of extensions."""


class NumbaIRAssumptionWarning(NumbaPedanticWarning):
    """A transformation that broke an assumption of the compiler."""


class NumbaInvalidConfigWarning(NumbaWarning):
    """A setting that has no meaning."""


# ---- errors -------------------------------------------------------------------------------------


def _restore_error(cls, args, state):
    """Undo `NumbaError.__reduce__`."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class NumbaError(Exception):
    """Base of all errors of this package.

    msg
        the text, as `str()` gives it
    loc
        the place in the source, where it was given
    code
        which diagnostic this is, such as "unknown-attribute", each explained in the documentation;
        or None
    """

    code = None

    def __init__(self, msg="", loc=None, highlighting=True):
        self.msg = str(msg)
        self.loc = loc
        self.contexts = []
        super().__init__(self.msg if loc is None else f"{self.msg}\n{loc}")

    def patch_message(self, new_message):
        """Replace the text."""
        self.msg = new_message
        self.args = (new_message, *self.args[1:])

    def add_context(self, msg):
        """Add a line that says what was being done; returns the error."""
        self.contexts.append(msg)
        self.args = (f"{self.args[0]}\nDuring: {msg}", *self.args[1:])
        return self

    def __reduce__(self):
        return _restore_error, (type(self), self.args, self.__dict__)


class UnsupportedError(NumbaError):
    """Python that has a meaning but cannot be compiled."""


class UnsupportedRewriteError(UnsupportedError):
    """A transformation that does not apply."""


class UnsupportedBytecodeError(Exception):
    """Bytecode that cannot be compiled."""


class UnsupportedParforsError(NumbaError):
    """A parallel loop that cannot be compiled."""


class IRError(NumbaError):
    """The program's internal form is wrong."""


class RedefinedError(IRError):
    """A name is defined twice."""


class NotDefinedError(IRError):
    """A variable is used before it has a value; `name` is the variable."""

    def __init__(self, name, loc=None):
        self.name = name
        super().__init__(f"variable {name!r} is used before it is defined", loc)


class VerificationError(IRError):
    """The program's internal form breaks its rules."""


class DeprecationError(NumbaError):
    """A feature that has gone away."""


class LoweringError(NumbaError):
    """A typed program that cannot be turned into code."""


class ForbiddenConstruct(LoweringError):
    """Python that must not appear where it does."""


class TypingError(NumbaError):
    """Operations and types that do not fit together."""


class UntypedAttributeError(TypingError):
    """An attribute that values of a type do not have."""

    def __init__(self, value, attr, loc=None):
        super().__init__(f"Unknown attribute '{attr}' of type {value}", loc)


class ByteCodeSupportError(NumbaError):
    """Bytecode that cannot be read."""


class CompilerError(NumbaError):
    """A failure in the compiler's own steps."""


class ConstantInferenceError(NumbaError):
    """A value that has to be known when compiling and is not."""

    def __init__(self, value, loc=None):
        self.value = value
        super().__init__(f"Cannot make a constant from: {value}", loc)


class InternalError(NumbaError):
    """A mistake in the compiler; please report it.

    `old_exception` is its cause, where there is one.
    """

    def __init__(self, exception, loc=None):
        self.old_exception = exception if isinstance(exception, BaseException) else None
        super().__init__(str(exception), loc)


class InternalTargetMismatchError(InternalError):
    """A feature that belongs to another kind of hardware."""

    def __init__(self, kind, target_hw, hw_clazz, loc=None):
        super().__init__(
            f"{kind} is registered for {target_hw}, which is not part of {hw_clazz}", loc
        )


class NonexistentTargetError(InternalError):
    """Unknown hardware."""


class RequireLiteralValue(TypingError):
    """A constant is needed where a variable stands."""


class LiteralTypingError(TypingError):
    """A value that has no literal type."""


class NumbaValueError(TypingError):
    """A value that makes no sense, found when compiling."""


class NumbaTypeError(TypingError):
    """A type that makes no sense, found when compiling."""


class NumbaAttributeError(TypingError):
    """A missing attribute, found when compiling."""


class NumbaAssertionError(TypingError):
    """A broken expectation, found when compiling."""


class NumbaNotImplementedError(TypingError):
    """Something that is not implemented, found when compiling."""


class NumbaKeyError(TypingError):
    """A missing key, found when compiling."""


class NumbaIndexError(TypingError):
    """An index out of range, found when compiling."""


class NumbaRuntimeError(NumbaError):
    """A failure of the support code, when running."""


class ForceLiteralArg(NumbaError):
    """Asks for the compilation to be repeated with the values of some arguments.

    requested_args
        a frozenset of the arguments' numbers
    """

    def __init__(self, arg_indices, fold_arguments=None, loc=None):
        self.requested_args = frozenset(arg_indices)
        self.fold_arguments = fold_arguments
        super().__init__(f"arguments {sorted(self.requested_args)} have to be constants", loc)

    def bind_fold_arguments(self, fold_arguments):
        """The same request in terms of the call's arguments before folding.

        Raises TypeError the second time.
        """
        if self.fold_arguments is not None:
            raise TypeError("fold_arguments is already bound")
        return ForceLiteralArg(self.requested_args, fold_arguments, self.loc)

    def combine(self, other):
        """The union of two requests."""
        if not isinstance(other, ForceLiteralArg):
            raise TypeError(
                f"only another ForceLiteralArg combines with this one, not {type(other).__name__}"
            )
        return ForceLiteralArg(self.requested_args | other.requested_args)

    __or__ = combine


__all__ = sorted(name for name, obj in globals().items() if isinstance(obj, type))


def _from_diagnostic(class_name, message, code):
    """An error that the compiler found; its class, here or a builtin, is given by name."""
    cls = globals().get(class_name) or getattr(builtins, class_name)
    # Not every class here takes a text, but every builtin one does.
    if issubclass(cls, NumbaError):
        error = cls.__new__(cls)
        NumbaError.__init__(error, message)
    else:
        error = cls(message)
    error.code = code
    return error
