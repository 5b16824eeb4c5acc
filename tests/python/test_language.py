"""The supported part of Python, by subject: each function runs in CPython and compiled; both agree.

A case is a function and the arguments it is called with. Agreement is on the value, its type, and
the class and arguments of an exception. Where compiled code differs by design (SUPPORT.md says
where), the cases stay away from it.

PYTEST_DONT_REWRITE: the assertions in the functions have to be Python's.
"""

import math
import sys

import numpy as np
import pytest
from ferdelance import njit
from ferdelance.errors import TypingError

CASES = []


def case(*calls):
    """Registers a function with the argument tuples to call it with."""

    def register(function):
        CASES.append(pytest.param(function, calls, id=function.__name__))
        return function

    return register


def run(function, args):
    """The outcome of a call: a value, or an exception by class and arguments."""
    copies = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
    try:
        with np.errstate(all="ignore"):
            value = function(*copies)
    except ZeroDivisionError as error:  # whose texts depend on Python's version
        return ("raised", type(error)), copies
    except NameError as error:
        if sys.version_info < (3, 11):  # that has other texts
            return ("raised", type(error)), copies
        return ("raised", type(error), error.args), copies
    except Exception as error:
        return ("raised", type(error), error.args), copies
    return ("returned", value), copies


def same(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and bool(((a == b) | ((a != a) & (b != b))).all())
        )
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.generic):  # compiled code returns Python's numbers
        a = a.item()
    if isinstance(b, np.generic):
        b = b.item()
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    return a == b


# ---- numbers ------------------------------------------------------------------------------------

INTS = [(0, 1), (7, 2), (-7, 2), (7, -2), (-7, -2), (2**40, 3), (5, 5)]
FLOATS = [(0.0, 1.0), (-0.0, 2.0), (7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (1e300, 1e-3), (0.1, 0.2)]


@case(*INTS, *FLOATS, (True, 2), (3, 0.5))
def arithmetic(a, b):
    return a + b, a - b, a * b, a / b, a // b, a % b, divmod(a, b)


@case((1, 0), (1.0, 0.0), (0, 0), (True, False))
def true_division_by_zero(a, b):
    return a / b


@case((1, 0), (5, 0))
def floor_division_by_zero(a, b):
    return a // b


@case((1, 0))
def remainder_by_zero(a, b):
    return a % b


@case((2, 10), (-3, 3), (7, 0), (0, 0))
def integer_power(a, b):
    return a**b, a**2


@case((2.0, 0.5), (2.0, -1.0), (0.0, 0.0), (-2.0, 3.0), (1e10, 2.0))
def float_power(a, b):
    return a**b, a**2, a**0.5 if a >= 0 else 0.0


@case((1 + 2j, 3 - 1j), (0j, 1j), (-1.5 + 0j, 2 + 2j))
def complex_arithmetic(a, b):
    return a + b, a - b, a * b, -a, a == b, a.real, a.imag, a.conjugate()


@case((12, 10), (-1, 5), (0, 0), (2**40, 3))
def bit_operations(a, b):
    return a & b, a | b, a ^ b, ~a, a << 3, a >> 2


@case((True, False), (True, True), (False, False))
def bool_operations(a, b):
    return a & b, a | b, a ^ b, a and b, a or b, not a, a + b, a == b, a < b, -a, +a


@case(*INTS, *FLOATS, (1, 1.0), (True, 1))
def comparisons(a, b):
    return a < b, a <= b, a > b, a >= b, a == b, a != b


@case((1, 2, 3), (1, 3, 2), (2, 2, 2), (1.0, 2, 3.5))
def chained_comparison(a, b, c):
    return a < b < c, a <= b <= c, a == b == c, a < b > c, not a < b < c


@case((float("nan"), 1.0), (1.0, float("nan")), (float("nan"), float("nan")))
def nan_compares_unequal(a, b):
    return a < b, a >= b, a == b, a != b, not (a < b)


@case((3,), (-3,), (2.5,), (-0.0,), (3 + 4j,), (True,))
def absolute_value(x):
    return abs(x)


@case((3,), (-3,), (2.5,), (-2.5,))
def unary_operators(x):
    return -x, +x, not x


@case((2.5,), (3.5,), (-2.5,), (2.4,), (-7.9,))
def conversions_of_floats(x):
    return int(x), float(x), bool(x), round(x), complex(x)


@case((3,), (0,), (-2,))
def conversions_of_ints(n):
    return int(n), float(n), bool(n), complex(n), n == float(n)


@case((3, 7), (-1, 1), (2, 2))
def smallest_and_largest(a, b):
    return min(a, b), max(a, b), min(a, b, 0), max(a, 5, b)


@case((3.7,), (-3.7,), (0.5,))
def mathematical_functions(x):
    return (
        math.floor(x),
        math.ceil(x),
        math.sin(x),
        math.exp(x),
        math.atan2(x, 2.0),
        math.hypot(x, 1.0),
        math.fabs(x),
        math.copysign(2.0, x),
        math.isnan(x),
        math.isinf(x),
    )


@case(())
def number_literals():
    return 1_000, 0xFF, 0b101, 0o17, 1e3, 1_0.5, 2j, -0.0, True, None


@case(())
def folded_constants():
    return 2**10, 7 // 2, -7 % 3, 1 / 4, (1 + 2) * 3, not 1, 1 < 2, "a" + "b"


# ---- truth --------------------------------------------------------------------------------------


@case((0,), (1,), (-1,), (0.0,), (0.5,), (float("nan"),), (0j,), (True,), ("",), ("a",))
def truth(x):
    if x:
        a = 1
    else:
        a = 2
    return a, not x, 3 if x else 4, bool(x)


@case((0, 5), (3, 5), (3, 0))
def short_circuit_gives_operands(a, b):
    return a and b, a or b, a and b or 7, (a or 2) and (b or 3)


@case((0,), (2,))
def right_side_is_not_evaluated(d):
    return d != 0 and 10 // d > 1, d == 0 or 10 // d > 1


@case((None,), (3,))
def identity_with_none(x):
    return x is None, x is not None


@case((0,), (5,))
def optional_result(n):
    if n > 0:
        return n
    return None


@case((5,), (-5,))
def implicit_none(n):
    if n > 100:
        return
    n += 1


# ---- assignment ---------------------------------------------------------------------------------


@case((1, 2))
def multiple_targets(a, b):
    x = y = a + b
    x += 1
    return x, y


@case((1, 2))
def exchange(a, b):
    a, b = b, a
    (a, b), c = (b, a), a
    return a, b, c


@case((10, 3))
def augmented(a, b):
    x = a
    x += b
    x -= 1
    x *= b
    x //= 2
    x %= 7
    x <<= 2
    x |= 1
    x ^= 3
    x &= 0xFF
    x **= 2
    x >>= 1
    y = float(x)
    y /= 4
    return x, y


@case((4,))
def walrus(n):
    if (m := n * 2) > 5:
        return m, n
    return n, m


@case((4,))
def annotated(n: int):
    x: float = n + 0.5
    y: int
    y = 3
    return x, y


@case((3,), (5,))
def types_of_a_variable_may_change(n):
    x = n
    y = x + 1
    x = 2.5
    return x + y


@case((True,), (False,))
def int_and_float_meet(flag):
    if flag:
        x = 1.0
    else:
        x = 2.5
    return x


# ---- branches and loops -------------------------------------------------------------------------


@case((-5,), (0,), (3,), (50,))
def if_chain(n):
    if n < 0:
        return "negative"
    elif n == 0:
        return "zero"
    elif n < 10:
        text = "small"
    else:
        text = "large"
    return text


@case((0,), (1,), (10,))
def while_loop(n):
    total = i = 0
    while i < n:
        i += 1
        if i % 3 == 0:
            continue
        if i > 8:
            break
        total += i
    else:
        total += 1000
    return total, i


@case((0,), (5,), (20,))
def for_else(n):
    for i in range(n):
        if i * i > 50:
            found = i
            break
    else:
        found = -1
    return found


@case((5,), (1,))
def loop_variable_survives(n):
    for i in range(n):  # noqa: B007
        pass
    return i


@case((3, 4), (0, 2), (2, 0))
def nested_loops(n, m):
    count = 0
    for i in range(n):
        for j in range(m):
            if j > i:
                break
            if (i + j) % 2:
                continue
            count += i * 10 + j
    return count


@case(
    (2**63 - 10, 2**63 - 1, 3),
    (2**63 - 10, 2**63 - 1, 2**62),
    (-(2**63) + 10, -(2**63), -3),
    (-(2**63) + 10, -(2**63), -(2**62)),
    (-(2**63), 2**63 - 1, 2**61 + 1),
    (2**63 - 1, -(2**63), -(2**63)),
    (2**63 - 3, 2**63 - 1, 1),
    (3, 2**63 - 1, -5),
    (-(2**63), 2**63 - 1, 2**63 - 1),
)
def ranges_at_the_ends_of_the_type(start, stop, step):
    forward = backward = position = 0
    for i in range(start, stop, step):
        forward = forward * 2 + i % 1000
    for i in reversed(range(start, stop, step)):
        backward = backward * 2 + i % 1000
    for k, (i, _) in enumerate(zip(range(start, stop, step), range(9))):  # noqa: B905
        position += k * (i % 10)
    items = range(start, stop, step)
    return forward, backward, position, len(items), start in items, stop in items, 7 in items


@case((2**63 - 10, 2**63 - 1), (-(2**63), -(2**63) + 8), (5, 4), (0, 100))
def ranges_with_constant_steps_at_the_ends_of_the_type(start, stop):
    up = down = back = 0
    for i in range(start, stop, 4):
        up += i % 1000
    for i in range(stop, start, -4):
        down += i % 1000
    for i in reversed(range(start, stop, 4)):
        back = back * 3 + i % 1000
    return up, down, back


@case((7, 2**64 - 1), (2**63, 2**63))
def ranges_over_unsigned_numbers(start, stop):
    count = 0
    for i in range(np.uint64(start), np.uint64(stop), np.uint64(2**60)):
        count += 1 + int(i) % 2
    return count


@case((0, 10, 3), (10, 0, -3), (0, 10, -1), (5, 5, 1), (-3, 4, 2))
def ranges(start, stop, step):
    total, last = 0, -1
    for i in range(start, stop, step):
        total = total * 7 + i
        last = i
    return total, last, len(range(start, stop, step))


@case((0,), (1,))
def zero_step(step):
    total = 0
    for i in range(0, 5, step):
        total += i
    return total


@case((4,))
def changing_the_loop_variable_changes_nothing(n):
    count = 0
    for i in range(n):
        i += 100
        count += i
    return count


@case((5,))
def bounds_are_evaluated_once(n):
    count = 0
    for _ in range(n):
        n += 10
        count += 1
    return count, n


@case(((1, 2, 3),), ((4.5, 5.5),))
def over_a_tuple(items):
    total = 0.0
    for x in items:
        total = total * 2 + x
    return total


@case(((1, 2.5, "x"),))
def enumerate_and_zip(items):
    total = 0
    for i, x in enumerate((10, 20, 30), 1):
        total += i * x
    for a, b in zip((1, 2, 3), (4.0, 5.0)):  # noqa: B905
        total += int(a * b)
    return total, items[2], len(items)


@case(("añ€",), ("",))
def over_a_string(text):
    out = ""
    for c in text:
        out = c + out
    return out, len(text)


@case((3,))
def matching(n):
    result = 0
    for i in range(n + 3):
        match i:
            case 0:
                result += 1
            case 1 | 2:
                result += 10
            case x if x > 3:
                result += 100 * x
            case _:
                result += 1000
    return result


# ---- tuples -------------------------------------------------------------------------------------


@case(((1, 2.5),))
def tuple_access(t):
    a, b = t
    return t[0], t[-1], a, b, len(t), t[::-1], t[1:], t + (3,)


@case(((1, 2), (1, 3)), ((1, 2), (1, 2)), ((2, 0), (1, 9)))
def tuple_comparison(a, b):
    return a == b, a != b, a < b, a <= b, a > b, a >= b


@case(((5, 6, 7), 6), ((5, 6, 7), 9))
def membership(t, x):
    return x in t, x not in t


@case(((1, 2, 3), 1), ((1, 2, 3), -1))
def tuple_with_a_variable_index(t, i):
    return t[i]


@case(((1, (2, (3.5, "x"))),))
def nested_tuples(t):
    a, (b, (c, d)) = t
    return d, c, b, a, t[1][1][0]


@case(())
def empty_tuple():
    t = ()
    return t, len(t), not t


# ---- strings ------------------------------------------------------------------------------------


@case(("ab", "cd"), ("", "x"), ("ä", "€"), ("same", "same"))
def string_operators(a, b):
    return a + b, a == b, a < b, a != b, len(a + b), a in a + b, b * 2


@case(("hello", 1), ("hällo", -1))
def string_index(text, i):
    return text[i], text[1:3], text[::-1], text[:-1]


@case((5, 2.5), (-3, 0.1), (10**15, 1e300))
def text_of_numbers(n, x):
    return str(n), str(x), repr(n)


# ---- functions ----------------------------------------------------------------------------------


@njit
def defaults(a, b=10, *, c=100):
    return a + b + c


@case((1,))
def calls_with_defaults(n):
    return defaults(n), defaults(n, 2), defaults(n, c=3), defaults(b=1, a=n)


@njit
def collects(first, *rest):
    total = first
    for x in rest:
        total += x
    return total


@case((1,))
def variadic_calls(n):
    return collects(n), collects(n, 2, 3), collects(*(n, 5, 6))


@case((4,))
def closures(n):
    def scaled(x, k=n):
        return x * k

    square = lambda x: x * x  # noqa: E731
    return scaled(2), scaled(2, 3), square(n)


@case((4,))
def nonlocal_variables(n):
    count = 0

    def step(by):
        nonlocal count
        count += by
        return count

    step(n)
    step(2)
    return count


@case((10,), (1,), (0,))
def inner_recursion(n):
    return factorial(n)


@njit
def factorial(n):
    return 1 if n <= 1 else n * factorial(n - 1)


@njit
def is_even(n):
    return True if n == 0 else is_odd(n - 1)


@njit
def is_odd(n):
    return False if n == 0 else is_even(n - 1)


@case((10,), (7,))
def mutual_recursion(n):
    return is_even(n), is_odd(n)


@njit
def generic(x):
    return x + x


@case((2,))
def one_callee_many_types(n):
    return generic(n), generic(n + 0.5), generic("a"), generic((n,))


GLOBAL = (3, "text")


@case((2,))
def globals_are_constants(n):
    return GLOBAL[0] + n, GLOBAL[1], math.pi


# ---- exceptions ---------------------------------------------------------------------------------


@case((1,), (-1,))
def raised_instance(n):
    if n < 0:
        raise ValueError("negative", n)
    return n


@case((1,))
def raised_class(n):
    raise KeyError


@case((1,), (0,))
def assertion(n):
    assert n > 0, "must be positive"
    return n


@case((0,))
def assertion_without_a_message(n):
    assert n
    return n


@case((0,), (1,), (2,), (3,))
def handlers_in_order(n):
    try:
        if n == 1:
            raise ValueError("one")
        if n == 2:
            raise IndexError("two")
        if n == 3:
            raise RuntimeError("three")
        result = "none"
    except ValueError:
        result = "value"
    except (KeyError, LookupError):
        result = "lookup"
    else:
        result += ", else"
    finally:
        done = True
    return result, done


@case((0,), (1,))
def base_classes_catch(n):
    try:
        return 1 // n
    except ArithmeticError:
        return -1


@case((0,), (1,))
def bare_handler(n):
    try:
        return 10 // n
    except:  # noqa: E722
        return -1


@case((3,), (0,))
def finally_overrides_a_return(n):
    for _ in range(2):
        try:
            if n:
                return n
        finally:
            n += 1
    return -n


@case((0,), (1,), (2,))
def nested_handlers(n):
    trace = 0
    try:
        try:
            if n == 1:
                raise KeyError("inner")
            if n == 2:
                raise ValueError("outer")
        except KeyError:
            trace += 1
            raise ValueError("from the handler") from None
        finally:
            trace += 10
    except ValueError:
        trace += 100
    return trace


@case((5,))
def variables_in_handlers(n):
    x = 0
    for i in range(n):
        try:
            x += i
            if i % 2:
                raise ValueError
            x += 10
        except ValueError:
            x -= 1
    return x, i


@njit(inline="never")
def checked(n):
    if n > 2:
        raise ValueError(n)
    return n


@case((5,), (1,))
def errors_of_callees(n):
    total = 0
    for i in range(n):
        try:
            total += checked(i)
        except ValueError:
            total += 100
    return total


@case((5,), (1,))
def errors_pass_through(n):
    return checked(n) + 1


# ---- arrays -------------------------------------------------------------------------------------


@case((np.arange(5.0),), (np.arange(6),), (np.arange(10.0)[::2],))
def array_elements(a):
    a[0] = a[1] + a[-1]
    a[1] += 2
    a[-2] *= 3
    return a[0], len(a), a.size, a.shape, a.ndim


@case((np.arange(6.0).reshape(2, 3),), (np.arange(6).reshape(3, 2).T,))
def two_axes(a):
    total = a[0, 0]
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * (i + 2 * j)
    return total, a[1][2], a[-1, -1]


@case((np.arange(7.0),))
def array_slices(a):
    b = a[1:-1]
    b[0] = 100.0
    return a[0], a[1], b[::2], a[::-1], a[5:2], a[-3:], a[:100]


@case((np.arange(12.0).reshape(3, 4),))
def array_views(a):
    row = a[1]
    row[0] = -1.0
    return a[1, 0], a[:, 1], a[0:2, ::2], a.T[0]


@case((4,), (0,))
def array_creation(n):
    a = np.zeros(n)
    b = np.ones((n, 2), dtype=np.int64)
    c = np.full(n, 2.5)
    d = np.arange(n)
    for i in range(n):
        a[i] = b[i, 0] + c[i] + d[i]
    return a, b, d


@case((np.arange(5.0),), (np.arange(5),), (np.zeros(0),))
def over_an_array(a):
    total = 0.0
    for x in a:
        total += x
    for i, x in enumerate(a):
        total += i * x
    return total


@case((np.array([True, False]),), (np.array([1, 0], np.int8),), (np.array([1.5, 2.5], np.float32),))
def element_types(a):
    x = a[0]
    a[1] = a[0]
    return x, a


# ---- variables without a value ------------------------------------------------------------------


@case((0,), (1,))
def unbound_text(n):
    if n:
        a = "abc" + str(n)
    return a + "x"


@case((0,), (3,))
def unbound_array(n):
    for i in range(n):
        a = np.ones(n) * i
    return a


@case((0,), (3,))
def unbound_loop_variable(n):
    for i in range(n):  # noqa: B007
        pass
    return i


@case((0,), (3,))
def unbound_in_else(n):
    while n > 0:
        y = n
        n -= 1
    else:
        z = 4
    return y + z


@case((0,), (1,), (7,))
def unbound_on_some_iterations(n):
    s = 0
    for i in range(n):
        if i % 3 == 1:
            t = i
        if i > 1:
            s += t
            s += t
    return s + t


@case((0,), (1,), (5,), (7,))
def deleted_in_a_loop(n):
    s, x = 0, 1
    for i in range(n):
        s += x
        del x
        if i != 3:
            x = i
    return s + x


@case((0,), (3,))
def deleted_twice(n):
    x = n
    if n:
        del x
    del x
    return 1


@case((0,), (3,))
def unbound_and_augmented(n):
    if n:
        x = 1
    x += 2
    return x


@case((0,), (3,))
def unbound_and_copied(n):
    if n:
        x = str(n)
    y = x if n < 5 else "y"
    z = y + x
    return z


@case((0,), (3,))
def unbound_and_caught(n):
    if n:
        a = "q" + str(n)
    try:
        return a + "x"
    except UnboundLocalError:
        return "none"


@case((0,), (3,))
def unbound_and_finally(n):
    if n:
        a = np.ones(n)
    c = 0
    try:
        try:
            b = a.sum()
        finally:
            c += 5
        return b + c
    except NameError:
        return -1.0 * c


@case((0,), (3,))
def unbound_behind_a_handler(n):
    try:
        if n:
            raise ValueError("x")
        y = "v" + str(n)
    except ValueError:
        pass
    finally:
        z = 1
    return y + str(z)


@case((0,), (2,))
def unbound_name_of_an_exception(n):
    e = "text"
    try:
        if n:
            raise ValueError(n)
    except ValueError as e:  # noqa: F841
        pass
    return e


@case((0,), (5,), (6,))
def unbound_in_match(n):
    match n:
        case 5:
            r = "five"
        case 6:
            q = 3  # noqa: F841
    return r


@case((0,), (3,))
def unbound_unpacked(n):
    if n:
        a, b = "x" + str(n), np.ones(n)
    return a, len(b)


@case((0,), (3,))
def unbound_list(n):
    if n:
        a = [n, 2]
    a.append(3)
    return len(a)


@case((0,), (3,))
def unbound_in_a_loop_over_a_tuple(n):
    for x in (1, 2.5):
        if n:
            z = 3
        w = z + x
    return w


@case((0, 0), (0, 1), (1, 1))
def unbound_and_captured(n, k):
    if n:
        a = n * 2

    def g():
        return (lambda: a + 1)()

    return g() if k else -1


@case((0, 0), (0, 1), (1, 1), (1, 0))
def unbound_and_shared(n, k):
    def g():
        return a + 1

    if k:
        a = 5
    return g() if n else a


@case((0.5,), (-0.5,))
def made_again_with_another_kind_of_number(x):
    y = x
    for i in range(3):
        f = lambda k: y * k  # noqa: B023, E731
        x = np.float64(2.0) + i
        g = lambda k: x + k  # noqa: B023, E731
        y = f(1) + g(2)
    return f(2) + y


@case((0,), (5,))
def bound_by_an_inner_function(n):
    def g():
        nonlocal c
        c = 7

    if n:
        g()
    return c  # noqa: F821
    c = 0


# ---- odds and ends ------------------------------------------------------------------------------


@case((1,))
def documented(n):
    """A docstring, and statements without effect."""
    "text"
    n  # noqa: B018
    ...
    pass
    return n


@case((3,))
def keyword_names_and_unicode(größe):
    π = 3
    return größe * π


@case((7,))
def deep_expression(n):
    return ((((((n + 1) * 2 - 3) // 2) % 5) << 3) | (n & (n - 1))) ^ (~n + (n if n > 3 else -n))


@case((3,))
def long_conditions(n):
    return "a" if n == 1 else "b" if n == 2 else "c" if n in (3, 4) else "d"


@pytest.mark.parametrize(("function", "calls"), CASES)
def test_agrees_with_cpython(function, calls):
    compiled = njit(function)
    for args in calls:
        expected, expected_args = run(function, args)
        found, found_args = run(compiled, args)
        assert found[0] == expected[0], (args, expected, found)
        assert same(expected[1:], found[1:]), (args, expected, found)
        assert all(same(a, b) for a, b in zip(expected_args, found_args, strict=True)), args


def test_nothing_is_computed_of_what_has_no_value_on_any_path():
    @njit
    def f():
        try:
            while (0j / v) == 0j:  # noqa: F821
                pass
            else:
                g = lambda: v != 0j  # noqa: E731, F841
        except:  # noqa: E722
            v -= 0j  # noqa: F821
        return 1

    with pytest.raises((UnboundLocalError, NameError)):
        f()


@pytest.mark.parametrize("step", [1, 3, -1, -4])
def test_indices_of_slices(step):
    def f(lo, hi, step, n):
        return slice(lo, hi, step).indices(n), slice(lo, hi).indices(n), slice(hi).indices(n)

    compiled = njit(f)
    for lo in (-20, -3, 0, 2, 30):
        for hi in (-20, -1, 5, 30):
            for n in (0, 1, 10):
                assert compiled(lo, hi, step, n) == f(lo, hi, step, n)
    with pytest.raises(ValueError, match="negative"):
        compiled(0, 1, step, -1)
    with pytest.raises(ValueError, match="zero"):
        compiled(0, 1, 0, 3)


def test_numbers_in_texts_that_are_known():
    @njit
    def f():
        return float("inf"), float("-Infinity"), float(" 2.5e3 "), float("nan")

    a, b, c, d = f()
    assert (a, b, c) == (math.inf, -math.inf, 2500.0) and math.isnan(d)

    @njit
    def g():
        return float("five")

    with pytest.raises(TypingError, match="cannot make a value of type float64"):
        g()
