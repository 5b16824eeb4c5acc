"""Error and warning classes, and errors made from the compiler's diagnostics."""

import pickle

import ferdelance as fd
import pytest
from ferdelance import errors

SAMPLES = [
    errors.TypingError("text"),
    errors.TypingError("text", "file.py:3"),
    errors.UntypedAttributeError(fd.int64, "shape"),
    errors.NotDefinedError("x"),
    errors.ConstantInferenceError("x"),
    errors.InternalError(ValueError("inner")),
    errors.InternalTargetMismatchError("overload", "cuda", "cpu"),
    errors.ForceLiteralArg([1, 0]),
    errors._from_diagnostic("LoweringError", "line 1\n  | ^", "some-code"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_pickle(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and back.code == error.code


def test_diagnostics_become_errors():
    error = errors._from_diagnostic("TypingError", "a\n  --> f.py:1:2\n", "unknown-name")
    assert type(error) is errors.TypingError
    assert (str(error), error.msg, error.code) == ((error.args[0],) * 2 + ("unknown-name",))
    assert type(errors._from_diagnostic("UntypedAttributeError", "t", "c")).__mro__[1] is (
        errors.TypingError
    )
    assert type(errors._from_diagnostic("OverflowError", "t", "c")) is OverflowError
    assert type(errors._from_diagnostic("UnsupportedBytecodeError", "t", "c")) is (
        errors.UnsupportedBytecodeError
    )


def test_contexts():
    error = errors.TypingError("text")
    assert str(error.add_context("typing of f")) == "text\nDuring: typing of f"
    error.patch_message("other")
    assert str(error) == "other"


def test_requests_for_literals_combine():
    both = errors.ForceLiteralArg([0]) | errors.ForceLiteralArg([2])
    assert both.requested_args == {0, 2}
    bound = both.bind_fold_arguments(len)
    assert bound.fold_arguments is len
    with pytest.raises(TypeError):
        bound.bind_fold_arguments(len)
    with pytest.raises(TypeError):
        both | 3


def test_all_are_at_the_top_level_but_none_other():
    for name in errors.__all__:
        assert getattr(fd, name) is getattr(errors, name)
        assert issubclass(getattr(errors, name), (Exception, Warning))
    assert fd._HOME_OF["TypingError"] == "errors"
    assert {name for name, home in fd._HOME_OF.items() if home == "errors"} == set(errors.__all__)
