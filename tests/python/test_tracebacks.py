"""Exceptions of compiled code: class, arguments, and the user's own lines in the traceback."""

import gc
import pathlib
import sys
import traceback

import ferdelance as fd
import pytest
from ferdelance import _core, njit


class Custom(Exception):
    pass


class Strange(Exception):
    def __new__(cls, *args):
        return super().__new__(cls, *args)

    def __init__(self, *args):
        raise RuntimeError("cannot be made")


@njit
def innermost(x):
    if x < 0:
        raise ValueError("negative")  # the line
    return x


@njit
def middle(x):
    y = innermost(x)  # called here
    return y + 1


@njit
def outermost(x):
    return middle(x) * 2


def raised(f, *args):
    with pytest.raises(Exception) as caught:  # noqa: B017
        f(*args)
    return caught.value


def frames(error):
    return traceback.extract_tb(error.__traceback__)


def test_the_line_of_the_raise():
    error = raised(innermost, -1)
    assert type(error) is ValueError and error.args == ("negative",)
    last = frames(error)[-1]
    assert last.name == "innermost" and last.line.endswith("# the line")
    assert pathlib.Path(last.filename) == pathlib.Path(__file__)


def test_the_lines_of_the_callers():
    error = raised(outermost, -1)
    found = [(frame.name, frame.line) for frame in frames(error)][-3:]
    assert [name for name, _ in found] == ["outermost", "middle", "innermost"]
    assert found[1][1].endswith("# called here")
    text = "".join(traceback.format_exception(error))
    assert text.rstrip().endswith("ValueError: negative")
    assert "return middle(x) * 2" in text


def test_the_frame_has_the_globals_of_the_function():
    error = raised(innermost, -1)
    tb = error.__traceback__
    while tb.tb_next is not None:
        tb = tb.tb_next
    assert tb.tb_frame.f_globals is globals()
    assert tb.tb_frame.f_code.co_name == "innermost"
    if sys.version_info >= (3, 11):
        assert tb.tb_frame.f_code.co_qualname.endswith("innermost")


def test_the_exception_is_new_each_time():
    first, second = raised(innermost, -1), raised(innermost, -2)
    assert first is not second
    assert len(frames(first)) == len(frames(second))


def test_recursion_shows_every_call():
    @njit
    def down(n):
        if n == 0:
            raise ValueError("bottom")
        return 0 if n > 100 else down(n - 1) + 1

    names = [frame.name for frame in frames(raised(down, 3))]
    assert names[-4:] == ["down"] * 4


def test_an_error_of_the_language():
    error = raised(njit(lambda a, b: a // b), 1, 0)
    assert type(error) is ZeroDivisionError
    assert frames(error)[-1].name == "<lambda>"


def test_classes_and_arguments():
    @njit
    def f(kind, x, s):
        if kind == 0:
            raise Custom
        if kind == 1:
            raise Custom(x, 2.5, s)
        if kind == 2:
            raise Custom((x, (s, None)), True)
        if kind == 3:
            raise KeyError(x)
        return x

    assert raised(f, 0, 1, "a").args == ()
    assert raised(f, 1, 7, "text").args == (7, 2.5, "text")
    assert raised(f, 2, 7, "text").args == ((7, ("text", None)), True)
    assert type(raised(f, 3, 7, "")) is KeyError
    assert f(4, 5, "") == 5


def test_a_class_that_cannot_be_made():
    @njit
    def f(x):
        if x:
            raise Strange("text")
        return 0

    error = raised(f, True)
    assert type(error) is RuntimeError and str(error) == "cannot be made"


def test_errors_leave_nothing_behind():
    @njit
    def f(s, x):
        if x:
            raise Custom(s, x)
        return 0

    raised(f, "some text", 1)
    gc.collect()
    before = _core.runtime_stats()
    for _ in range(20):
        raised(f, "some text", 1)
    gc.collect()
    after = _core.runtime_stats()
    for name in ("live_errors", "live_objects", "live_buffers"):
        assert after[name] == before[name]


def test_an_error_without_the_gil():
    @njit(nogil=True)
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return x

    assert f(1) == 1
    assert str(raised(f, -1)) == "negative"


def test_an_error_inside_an_except_block_is_chained():
    try:
        try:
            raise KeyError("first")
        except KeyError:
            innermost(-1)
    except ValueError as error:
        assert isinstance(error.__context__, KeyError)


# ---- errors of the compiler ---------------------------------------------------------------------


def test_a_diagnostic_points_at_the_users_line():
    @njit
    def f(x):
        return x.no_such_thing  # here

    error = raised(f, 1)
    assert isinstance(error, fd.errors.TypingError) and error.code == "unknown-attribute"
    text = str(error)
    assert "no_such_thing" in text and pathlib.Path(__file__).name in text and "# here" in text


def test_functions_without_source():
    namespace = {}
    exec(compile("x = 1\ndef f(x):\n    return x\n", "<nowhere to be found>", "exec"), namespace)
    function = namespace["f"].__class__(
        namespace["f"].__code__.replace(co_filename="<changed>", co_name="g", co_consts=(None, 5)),
        {},
    )
    error = raised(njit(function), 1)
    assert isinstance(error, fd.errors.UnsupportedError) and error.code == "no-source"
