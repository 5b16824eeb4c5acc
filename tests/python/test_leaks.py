"""Memory is counted: after any number of calls nothing is left, whichever way they ended."""

import gc
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from conftest import ROOT
from ferdelance import njit, runtime

CALLS = 2000
COUNTERS = ("live_buffers", "live_objects", "live_errors", "live_bytes")


def live():
    gc.collect()
    stats = runtime.stats()
    return {name: stats[name] for name in COUNTERS}


def outcome(f, *args):
    try:
        f(*args)
    except Exception as error:
        return type(error)
    return None


def assert_nothing_is_left(f, *calls):
    """Calls `f` with each tuple of arguments in turn, CALLS times altogether."""
    expected = [outcome(f, *args) for args in calls]  # compiles
    before = live()
    for i in range(CALLS):
        args = calls[i % len(calls)]
        assert outcome(f, *args) is expected[i % len(calls)]
    assert live() == before
    return expected


# ---- arrays -------------------------------------------------------------------------------------


def created_and_returned(n):
    return np.zeros(n)


def created_and_dropped(n):
    a = np.zeros(n)
    return a[0] + n


def never_used(n):
    np.zeros(n)
    return n


def returned_twice(n):
    a = np.zeros(n)
    return a, a


def with_its_view(n):
    a = np.zeros(n)
    return a, a[1:]


def view_only(n):
    a = np.zeros(n)
    return a[1:]


def two_views(n):
    a = np.zeros(n)
    return a[1:], a[:-1]


def view_of_a_view(n):
    return np.zeros(n)[1:][1:]


def either(n):
    a = np.zeros(n)
    b = np.ones(n)
    return a if n % 2 else b


def swapped(n):
    a, b = np.zeros(n), np.ones(n)
    for _ in range(n):
        a, b = b, a
    return a


def replaced_in_a_loop(n):
    a = np.zeros(n)
    for i in range(n):
        a = np.full(n, float(i))
    return a


def dropped_in_a_loop(n):
    total = 0.0
    for i in range(n):
        a = np.full(n, float(i))
        total += a[0]
    return total


def left_by_break(n):
    a = np.zeros(1)
    for i in range(n):
        b = np.full(2, float(i))
        if i == 3:
            a = b
            break
    return a


def left_by_continue(n):
    a = np.zeros(1)
    for i in range(n):
        b = np.zeros(i)
        if i % 2:
            continue
        a = b
    return a


def left_by_return(n):
    for i in range(n):
        a = np.zeros(n)
        for j in range(n):
            b = np.ones(j + 1)
            if i + j == 2:
                return b if n % 2 else a
    return np.zeros(0)


def maybe_an_array(n):
    if n % 2:
        return np.zeros(n)
    return None


def in_a_tuple(n):
    pair = (np.zeros(n), (n, np.ones(n)))
    return pair[1]


def tuples_in_a_loop(n):
    pair = (np.zeros(n), 0)
    for i in range(n):
        pair = (np.zeros(n), pair[1] + i)
    return pair


def in_a_closure(n):
    a = np.zeros(n)

    def get(i):
        return a[i:]

    return get(1)


@njit
def make(n):
    return np.zeros(n)


@njit(inline="never")
def make_outside(n):
    return np.zeros(n)


@njit(inline="never")
def pass_on(a):
    return a


def through_callees(n):
    a = pass_on(make(n))
    return pass_on(pass_on(make_outside(n))), a[0]


def element_of_a_new_array(n):
    return make_outside(n)[0]


def created_alike(n):
    a = np.zeros(n)
    return np.empty_like(a), np.ones_like(a[1:])


def iterated(n):
    total = 0.0
    for x in np.ones(n):
        total += x
    for row in np.zeros((2, n)):
        total += row[0]
    return total


@njit
def deep(n):
    a = np.zeros(2)
    if n == 0:
        return a
    b = deep(n - 1)
    return a if a[0] > b[0] else b


ARRAYS = [
    created_and_returned,
    created_and_dropped,
    never_used,
    returned_twice,
    with_its_view,
    view_only,
    two_views,
    view_of_a_view,
    either,
    swapped,
    replaced_in_a_loop,
    dropped_in_a_loop,
    left_by_break,
    left_by_continue,
    left_by_return,
    maybe_an_array,
    in_a_tuple,
    tuples_in_a_loop,
    in_a_closure,
    through_callees,
    element_of_a_new_array,
    created_alike,
    iterated,
    deep.py_func,
]


@pytest.mark.parametrize("function", ARRAYS, ids=lambda f: f.__name__)
def test_new_arrays(function):
    f = deep if function is deep.py_func else njit(function)
    assert_nothing_is_left(f, (5,), (6,))


def test_results_live_as_long_as_python_wants():
    f = njit(view_only)
    f(2)
    before = live()
    kept = [f(1000) for _ in range(10)]
    assert live()["live_bytes"] >= before["live_bytes"] + 10 * 1000 * 8
    assert all((a == 0).all() for a in kept)
    del kept
    assert live() == before


# ---- arguments ----------------------------------------------------------------------------------


def argument_returned(a):
    return a


def view_returned(a):
    return a[1:], a


def replaced(a):
    b = a
    if a.size % 2:
        a = np.zeros(3)
    for _ in range(3):
        a, b = b, a
    return b


def passed_on(a):
    return pass_on(a[1:])


def failing(a):
    if a.size % 2:
        raise ValueError(a.size)
    return a


@pytest.mark.parametrize(
    "function",
    [argument_returned, view_returned, replaced, passed_on, failing],
    ids=lambda f: f.__name__,
)
def test_arguments_keep_their_count(function):
    f = njit(function)
    arrays = [np.zeros(5), np.zeros(6)]
    before = [sys.getrefcount(a) for a in arrays]
    assert_nothing_is_left(f, *((a,) for a in arrays))
    gc.collect()
    assert [sys.getrefcount(a) for a in arrays] == before


def test_other_arguments_keep_their_count():
    f = njit(lambda text, pair, number: (pair, text, number))
    args = ["".join(["some ", "text"]), (10**12, 1.5e300), float("1e200")]
    before = [sys.getrefcount(arg) for arg in args]
    assert_nothing_is_left(f, tuple(args))
    assert [sys.getrefcount(arg) for arg in args] == before


# ---- strings ------------------------------------------------------------------------------------


def joined(a, n):
    return a + a


def joined_in_a_loop(a, n):
    out = ""
    for _ in range(n):
        out += a
    return out


def compared(a, n):
    return a + "x" == "yx"


def formatted(a, n):
    return a + ": " + str(n) + repr(n)


def in_tuples(a, n):
    return (a + "!", n), a


def chosen(a, n):
    return a if n % 2 else a + "?"


def failing_with_text(a, n):
    if n % 2:
        raise ValueError(a + "!")
    return a + "."


@pytest.mark.parametrize(
    "function",
    [joined, joined_in_a_loop, compared, formatted, in_tuples, chosen, failing_with_text],
    ids=lambda f: f.__name__,
)
def test_strings(function):
    assert_nothing_is_left(njit(function), ("some text", 5), ("täxt", 6))


# ---- errors -------------------------------------------------------------------------------------


def raised_with_arrays_alive(n):
    a = np.zeros(n)
    b = a[1:]
    if n % 2:
        raise ValueError("odd")
    return b


def raised_in_a_loop(n):
    a = np.zeros(n)
    for i in range(n):
        b = np.full(n, float(i))
        if i == 4 and n % 2:
            raise ValueError(i)
        a = b
    return a


def division(n):
    a = np.zeros(n)
    return a, 1 // (n % 2)


@njit(inline="never")
def may_fail(n):
    a = np.ones(n)
    if n % 2:
        raise ValueError("odd", n)
    return a


@njit
def may_fail_inlined(n):
    if n % 2:
        raise KeyError(n)
    return np.ones(n)


def in_a_callee(n):
    a = np.zeros(n)
    return a, may_fail(n)


def in_an_inlined_callee(n):
    a = np.zeros(n)
    return a, may_fail_inlined(n)


def negative_size(n):
    a = np.zeros(2)
    return a, np.zeros(-n if n % 2 else n)


def caught(n):
    a = np.zeros(n)
    try:
        return may_fail(n)
    except ValueError:
        return a


def caught_in_a_loop(n):
    total = 0.0
    for i in range(n):
        a = np.ones(2)
        try:
            total += may_fail(i + 1)[0]
        except ValueError:
            total += a[0]
    return total


def not_caught(n):
    a = np.zeros(n)
    try:
        b = may_fail(n)
    except KeyError:
        return a
    return b


def raised_again(n):
    a = np.zeros(n)
    try:
        a = may_fail(n)
    except ValueError:
        raise
    return a


def another_one_raised(n):
    try:
        a = may_fail(n)
    except ValueError:
        raise KeyError("other") from None
    return a


def caught_whatever_it_is(n):
    try:
        return may_fail(n)
    except:  # noqa: E722
        return np.zeros(1)


def division_caught_whatever_it_is(n):
    try:
        return 10 // (n - 5)
    except:  # noqa: E722
        return -1


def caught_inside_a_handler(n):
    try:
        return may_fail(n)
    except ValueError:
        a = np.zeros(3)
        try:
            return may_fail(n + 2)
        except ValueError:
            return a


def named_and_used(n):
    try:
        may_fail(n)
    except ValueError as error:
        if n == 5:
            raise error
        return 1
    return 0


def finally_after_an_error(n):
    a = np.zeros(2)
    try:
        may_fail(n)
    finally:
        a[0] = 1.0
    return a


def finally_swallows(n):
    for _ in range(2):
        try:
            may_fail(n)
        finally:
            break  # noqa: B012
    return n


def else_branch(n):
    try:
        a = may_fail(n)
    except ValueError:
        a = np.zeros(1)
    else:
        a = a[1:]
    return a


def matched_by_the_second_handler(n):
    a = np.zeros(1)
    try:
        a = may_fail_inlined(n)
    except (ValueError, IndexError):
        a = np.zeros(2)
    except KeyError:
        a = np.zeros(3)
    return a


ERRORS = [
    raised_with_arrays_alive,
    raised_in_a_loop,
    division,
    in_a_callee,
    in_an_inlined_callee,
    negative_size,
    caught,
    caught_in_a_loop,
    caught_whatever_it_is,
    division_caught_whatever_it_is,
    not_caught,
    raised_again,
    another_one_raised,
    caught_inside_a_handler,
    named_and_used,
    finally_after_an_error,
    finally_swallows,
    else_branch,
    matched_by_the_second_handler,
]


@pytest.mark.parametrize("function", ERRORS, ids=lambda f: f.__name__)
def test_errors(function):
    calls = [(5,), (6,), (7,), (8,)]
    with np.errstate(all="ignore"):
        expected = [outcome(function, *args) for args in calls]
    assert assert_nothing_is_left(njit(function), *calls) == expected


def test_index_errors():
    @njit(boundscheck=True)
    def f(n, i):
        a = np.zeros(n)
        b = a[1:]
        return b[i], a

    assert assert_nothing_is_left(f, (5, 3), (5, 4)) == [None, IndexError]


def test_recursion_errors():
    @njit
    def f(n):
        a = np.zeros(2)
        if n == 0:
            return a
        b = f(n - 1)
        return a if a[0] > b[0] else b

    assert f(10).size == 2
    before = live()
    for _ in range(5):
        with pytest.raises(RecursionError):
            f(-1)
    assert live() == before


def test_kept_exceptions_keep_no_run_time_errors():
    @njit
    def f(n):
        raise ValueError("odd", n)

    before = live()
    kept = []
    for i in range(100):
        with pytest.raises(ValueError, match="odd") as caught_error:
            f(i)
        kept.append(caught_error.value)
    assert live()["live_errors"] == before["live_errors"]
    assert [error.args[1] for error in kept] == list(range(100))


# ---- the process --------------------------------------------------------------------------------


def test_threads_count_exactly():
    f = njit(nogil=True)(caught_in_a_loop)
    g = njit(nogil=True)(raised_in_a_loop)
    f(4)
    g(4)
    before = live()

    def work():
        for i in range(300):
            f(6)
            outcome(g, i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live() == before


def test_memory_of_a_process_is_bounded():
    program = """
        import resource, sys
        import numpy as np
        from ferdelance import njit

        @njit
        def fails(n, flag):
            a = np.ones(n)
            if flag:
                raise ValueError("flag", n)
            return a[1:]

        @njit
        def catches(n):
            total = 0.0
            for i in range(4):
                a = np.ones(n)
                try:
                    total += fails(n, i % 2 == 0)[0] + a[0]
                except ValueError:
                    total += 1.0
            return total, "text" + str(n)

        def work(times):
            for _ in range(times):
                catches(20_000)
                fails(20_000, False)
                try:
                    fails(20_000, True)
                except ValueError:
                    pass
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        first = work(200)
        print(work(2000) - first)
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": str(ROOT / "python"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    # One array is 160 KB; 2000 rounds make ten each. A few pages come and go anyway.
    assert int(out.stdout) < 2000
