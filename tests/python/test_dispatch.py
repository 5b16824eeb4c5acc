"""Calls of jitted functions: which version runs, how arguments get in."""

import collections
import copy
import gc
import os
import sys
import threading
import weakref

import ferdelance as fd
import numpy as np
import pytest
from ferdelance import _core, njit, types

Point = collections.namedtuple("Point", "x y")


def identity():
    return njit(lambda x: x)


def names(f):
    return [", ".join(map(str, sig)) for sig in f.signatures]


# ---- layouts ------------------------------------------------------------------------------------


def test_objects_are_read_directly():
    stats = _core.runtime_stats()
    assert all(stats[f"direct_{what}"] for what in ("int", "small_int", "str", "float", "tuple"))


# ---- types of arguments -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "int64"),
        (-(2**63), "int64"),
        (2**63 - 1, "int64"),
        (2**63, "uint64"),
        (2**64 - 1, "uint64"),
        (True, "bool"),
        (1.5, "float64"),
        (1j, "complex128"),
        ("text", "unicode_type"),
        (None, "none"),
        (np.int8(-3), "int8"),
        (np.uint16(3), "uint16"),
        (np.uint64(2**63), "uint64"),
        (np.longlong(5), "int64"),
        (np.float32(0.5), "float32"),
        (np.float64(0.5), "float64"),
        (np.complex64(1 + 2j), "complex64"),
        (np.complex128(1 + 2j), "complex128"),
        (np.bool_(True), "bool"),
        ((), "Tuple()"),
        ((1, 2), "UniTuple(int64 x 2)"),
        ((1, (2.5, "a")), "Tuple(int64, Tuple(float64, unicode_type))"),
        (Point(1, 2.5), "Point(int64, float64)"),
    ],
    ids=repr,
)
def test_type_of_an_argument(value, name):
    f = identity()
    assert f(value) == value
    assert f(value) == value  # the warm way
    assert names(f) == [name]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: np.zeros(3), "array(float64, 1d, C)"),
        (lambda: np.zeros((2, 3), np.int32), "array(int32, 2d, C)"),
        (lambda: np.zeros((2, 3)).T, "array(float64, 2d, F)"),
        (lambda: np.zeros((4, 6))[::2, ::3], "array(float64, 2d, A)"),
        (lambda: np.array(3), "array(int64, 0d, C)"),
        (lambda: np.zeros(0, bool), "array(bool, 1d, C)"),
        (lambda: np.broadcast_to(np.zeros(3), (2, 3)), "readonly array(float64, 2d, A)"),
        (lambda: np.zeros(17, np.uint8)[1:].view(np.float64), "unaligned array(float64, 1d, C)"),
    ],
)
def test_type_of_an_array(make, name):
    f, a = identity(), make()
    assert f(a) is a and f(a) is a
    assert names(f) == [name]


def test_array_classes_and_dtypes_that_mean_the_same():
    class Mine(np.ndarray):
        pass

    f = njit(lambda a: a.size)
    plain = np.zeros(3)
    for a in (plain, plain.view(Mine), np.zeros(3, np.dtype("f8").newbyteorder("=")), np.memmap):
        if a is not np.memmap:
            assert f(a) == 3 and f(a) == 3
    assert names(f) == ["array(float64, 1d, C)"]
    longs = njit(lambda a: a.size)
    assert longs(np.zeros(2, np.longlong)) == longs(np.zeros(2, np.int64)) == 2
    assert len(longs.signatures) == 1


@pytest.mark.parametrize(
    "value", [object(), 2**64, -(2**63) - 1, np.zeros(2, ">f8"), np.zeros(2, object), (1, object())]
)
def test_arguments_without_a_type(value):
    f = identity()
    with pytest.raises(fd.errors.TypingError, match=r"argument 1 \(`x`\)"):
        f(value)
    with pytest.raises(ValueError, match="cannot determine the type"):
        _core.typeof(value)
    assert f(5) == 5


def test_masked_arrays_are_refused():
    with pytest.raises(fd.errors.TypingError, match="MaskedArray"):
        identity()(np.ma.masked_array([1.0, 2.0], [0, 1]))


def test_functions_classes_and_modules_are_their_own_types():
    f = identity()
    g = identity()
    for thing in (g, np.float32, int, np, len, np.sin, ValueError, Point):
        assert f(thing) is thing and f(thing) is thing


def test_an_int_too_big_for_a_warm_version():
    f = identity()
    values = [1, 2**63, 1, 2**64 - 1, -1, 2**62]
    assert [f(v) for v in values] == values
    assert names(f) == ["int64", "uint64"]


def test_one_version_per_types_in_order():
    f = njit(lambda x, y: y)
    for args in ((1, 2), (1.5, 2), (3, 4), (1j, np.float32(2))):
        f(*args)
    assert names(f) == ["int64, int64", "float64, int64", "complex128, float32"]


def test_numbers_of_python_and_numpy_look_alike():
    f = identity()
    assert f(1) == f(np.int64(1)) == 1
    assert names(f) == ["int64"]


def test_more_types_than_are_kept_in_front():
    f = identity()
    values = [np.dtype(code).type(1) for code in "bhilBHILfdFD"] + [1, 1.0, 1j, "a", True, None]
    for _ in range(3):
        for v in values:
            assert f(v) == v


def test_many_arguments():
    arguments = ", ".join(f"a{i}" for i in range(90))
    namespace = {}
    exec(f"def f({arguments}):\n    return a0 + a89, a45", namespace)
    f = njit(namespace["f"])
    assert f(*range(90)) == (89, 45)
    assert f(*map(float, range(90))) == (89.0, 45.0)


# ---- binding ------------------------------------------------------------------------------------


def example(a, b=2, *rest, k=3):
    return a, b, rest, k


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 5), {}),
        ((1, 5, 6, 7.5), {}),
        ((1, 5, 6), {"k": 8}),
        ((), {"b": 4, "a": 2}),
        ((1,), {"k": "x"}),
        ((1, None), {}),
    ],
    ids=str,
)
def test_arguments_go_where_python_puts_them(args, kwargs):
    f = njit(example)
    for _ in range(2):
        assert f(*args, **kwargs) == example(*args, **kwargs)


def test_a_default_and_the_same_value_passed():
    @njit
    def f(x, y=2, z=None):
        if z is None:
            return x * 10 + y
        return x * 10 + y + z

    for _ in range(2):
        assert f(1) == 12 and f(1, 3) == 13 and f(1, 3, 100) == 113 and f(1, z=100) == 112
    assert isinstance(f.signatures[0][1], types.Omitted)


def test_keywords_that_are_not_interned():
    f = njit(lambda first, second: first - second)
    name = "".join(["sec", "ond"])
    assert f(5, **{name: 3}) == 2


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1, 2, 3), {}),
        ((1,), {"w": 3}),
        ((1,), {"x": 3}),
        ((), {"y": 3}),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", [lambda x, y: x, lambda x, y=1: x, lambda x, y, /: x])
def test_wrong_calls_are_worded_as_python_words_them(function, args, kwargs):
    with pytest.raises(TypeError) as expected:
        function(*args, **kwargs)
    with pytest.raises(TypeError) as found:
        njit(function)(*args, **kwargs)
    assert str(found.value) == str(expected.value)


def test_wrong_calls_with_keyword_only_and_positional_only_parameters():
    def f(a, /, b, *, k, m=1):
        return a

    jitted = njit(f)
    for args, kwargs in (
        ((1, 2), {}),
        ((1, 2, 3), {"k": 1}),
        ((1, 2, 3, 4), {"k": 1, "m": 2}),
        ((), {"a": 1, "b": 2, "k": 3}),
        ((1,), {"k": 3}),
    ):
        with pytest.raises(TypeError) as expected:
            f(*args, **kwargs)
        with pytest.raises(TypeError) as found:
            jitted(*args, **kwargs)
        assert str(found.value) == str(expected.value)


# ---- explicit signatures ------------------------------------------------------------------------


def test_arguments_are_converted_to_a_signature():
    f = njit("float64(float64, int32)")(lambda x, n: x * n)
    assert f(2, 3) == 6.0
    assert f(np.float32(0.5), np.int64(4)) == 2.0
    assert f(True, np.uint8(7)) == 7.0
    assert f(1.5, 2.9) == 3.0
    assert len(f.signatures) == 1


def test_values_that_do_not_fit_a_signature():
    f = njit("int64(int8)")(lambda x: x)
    assert f(127) == 127 and f(-128) == -128 and f(np.int64(5)) == 5
    for bad in (128, -129, np.int64(300), 1e9):
        with pytest.raises(OverflowError, match="int8"):
            f(bad)
    for bad in (float("nan"), float("inf")):
        with pytest.raises((ValueError, OverflowError)):
            f(bad)
    unsigned = njit("uint64(uint64)")(lambda x: x)
    assert unsigned(2**64 - 1) == 2**64 - 1
    with pytest.raises(OverflowError):
        unsigned(-1)


@pytest.mark.parametrize("bad", [1j, "a", None, np.arange(3), (1,), [1], 2**70], ids=repr)
def test_arguments_that_do_not_convert(bad):
    f = njit("int64(int64)")(lambda x: x + 1)
    with pytest.raises(TypeError, match="No matching definition"):
        f(bad)
    assert f(1) == 2


def test_the_best_signature_is_chosen():
    f = njit(["int64(int32)", "float64(float64)"])(lambda x: x)
    found = [type(f(v)) for v in (np.int8(1), np.int32(1), 1.5, np.float32(1))]
    assert found == [int, int, float, float]
    assert type(f(1)) is float  # int64 to float64 is safe, to int32 not


def test_no_signature_is_best():
    f = njit(["int64(int32, int64)", "int64(int64, int32)"])(lambda x, y: x)
    with pytest.raises(TypeError, match="Ambiguous overloading"):
        f(np.int32(1), np.int32(1))


def test_layouts_of_a_signature():
    anything = njit("float64(float64[:,:])")(lambda a: a[0, 1])
    a = np.arange(6.0).reshape(2, 3)
    assert anything(a) == 1.0 and anything(np.asfortranarray(a)) == 1.0
    assert anything(a[::-1, ::2]) == 5.0
    contiguous = njit("int64(float64[::1])")(lambda a: a.size)
    assert contiguous(np.zeros(3)) == 3
    for bad in (np.zeros(6)[::2], np.zeros(3, np.float32), np.zeros((3, 1))):
        with pytest.raises(TypeError, match="No matching definition"):
            contiguous(bad)


def test_optional_parameters():
    f = njit("int64(optional(int64))")(lambda x: 0 if x is None else x)
    assert f(None) == 0 and f(4) == 4 and f(np.int8(3)) == 3


def test_defaults_with_a_signature():
    @njit("int64(int64, int64)")
    def f(x, y=5):
        return x * y

    assert f(2, 3) == 6
    assert f(2) == 10


def test_disable_compile():
    f = identity()
    f(1)
    f.disable_compile()
    assert f(2) == 2
    with pytest.raises(TypeError):
        f(1j)
    f.disable_compile(False)
    assert f(1j) == 1j


# ---- threads, collection, re-entry --------------------------------------------------------------


def test_compiling_from_many_threads():
    @njit
    def f(x, y):
        s = x * 0
        for i in range(10):
            s += x * i + y
        return s

    values = [1, 1.5, 2j, np.float32(2), np.int8(1), True]
    start = threading.Barrier(6)
    wrong = []

    def work():
        start.wait()
        for x in values:
            if f(x, x) != 55 * x:
                wrong.append(x)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(f.signatures) == len(values)


def test_compiling_different_functions_from_many_threads():
    def make(k):
        return njit(lambda x: x * k)

    functions = [make(k) for k in range(12)]
    wrong = []

    def work(k):
        if functions[k](2) != 2 * k or functions[(k + 1) % 12](1.5) != 1.5 * ((k + 1) % 12):
            wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_compiles():
    f = identity()
    assert f(1) == 1
    busy = threading.Thread(target=lambda: [identity()(i) for i in range(20)])
    busy.start()
    child = os.fork()
    if child == 0:
        os._exit(0 if f(1) == 1 and f(2.5) == 2.5 and identity()(3) == 3 else 1)
    busy.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_global_whose_attribute_compiles():
    inner = identity()

    class Meta(type):
        @property
        def value(cls):
            return inner(7)

    class Namespace(metaclass=Meta):
        pass

    def f(x):
        return x + Namespace.value

    jitted = njit(f)
    try:
        assert jitted(1) == 8
    except fd.errors.TypingError:
        # Attributes of ordinary classes may be refused; the lock must be free again.
        pass
    assert identity()(1) == 1


def test_nogil_calls_overlap_with_python():
    @njit(nogil=True)
    def spin(n):
        x = 1
        for i in range(n):
            x = x * 3 + (x >> 7) + i
        return x

    spin(1)
    thread = threading.Thread(target=spin, args=(300_000_000,))
    thread.start()
    # With the GIL held, `join` could not time out while the loop runs.
    thread.join(0.02)
    assert thread.is_alive()
    thread.join()


def test_dispatchers_are_collected():
    f = identity()
    assert f(1) == 1 and f((1, 2)) == (1, 2)
    r = weakref.ref(f)
    del f
    gc.collect()
    assert r() is None


def test_dispatchers_in_cycles_are_collected():
    namespace = {"njit": njit}
    exec(
        "@njit\ndef even(n):\n    return True if n == 0 else odd(n - 1)\n"
        "@njit\ndef odd(n):\n    return False if n == 0 else even(n - 1)\n",
        namespace,
    )
    assert namespace["even"](10) is True
    references = [weakref.ref(namespace[name]) for name in ("even", "odd")]
    del namespace
    for _ in range(3):
        gc.collect()
    assert [r() for r in references] == [None, None]


def test_globals_live_as_long_as_the_code():
    class Error(Exception):
        pass

    namespace = {"njit": njit, "Error": Error}
    exec("@njit\ndef f(x):\n    if x: raise Error(x)\n    return 0\n", namespace)
    f = namespace["f"]
    assert f(0) == 0
    reference = weakref.ref(Error)
    del Error, namespace["Error"]
    gc.collect()
    with pytest.raises(Exception) as caught:  # noqa: B017
        f(3)
    assert type(caught.value) is reference() and caught.value.args == (3,)
    del f, namespace, caught
    for _ in range(3):
        gc.collect()
    assert reference() is None


def test_arguments_are_not_kept():
    f = njit(lambda a, s: (a, a.size))
    a, s = np.arange(3.0), "a string of its own"
    f(a, s)
    before = sys.getrefcount(a), sys.getrefcount(s)
    for _ in range(100):
        f(a, s)
    assert (sys.getrefcount(a), sys.getrefcount(s)) == before


def test_recompile_while_old_code_stays_valid():
    namespace = {"K": 1}
    exec("def f(x):\n    return x + K\n", namespace)
    f = njit(namespace["f"])
    assert f(1) == 2 and f(1.5) == 2.5
    namespace["K"] = 10
    assert f(1) == 2
    f.recompile()
    assert f(1) == 11 and f(1.5) == 11.5
    assert len(f.signatures) == 2


def test_recompile_with_functions_as_arguments():
    f = identity()
    for thing in (np.sin, len, int, np, ValueError, ...):
        assert f(thing) is thing
    f.recompile()
    assert f(np.sin) is np.sin and len(f.signatures) == 6


def test_routes_change_while_they_are_searched():
    f = njit(lambda x, *rest: (x, rest))
    values = [1, 1.5, 1j, "a", True, None, np.int8(1), (1,)]
    wrong = []

    def work(shift):
        for i in range(len(values) * 20):
            v = values[(i * shift) % len(values)]
            if f(v, v) != (v, (v,)):
                wrong.append(v)

    threads = [threading.Thread(target=work, args=(shift,)) for shift in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_failed_compile_leaves_no_trace():
    f = njit(lambda x: x.nothing_of_the_kind)
    for _ in range(2):
        with pytest.raises(fd.errors.TypingError, match="nothing_of_the_kind"):
            f(1)
    assert f.signatures == []


# ---- as an object -------------------------------------------------------------------------------


def test_binding_to_instances():
    class C:
        method = njit(lambda self, x: x)
        static = staticmethod(identity())

    assert C.method is C.__dict__["method"]
    assert C.static(3) == 3 and C().static(2.5) == 2.5
    with pytest.raises(fd.errors.TypingError, match="`self`"):
        C().method(1)
    point = Point(1.0, 2.0)
    bound = njit(lambda self, k: self.x * k + self.y).__get__(point, Point)
    assert bound.__self__ is point and bound(3) == 5.0


def test_attributes_and_copies():
    f = identity()
    f.note = "mine"
    assert f.note == "mine" and f.__dict__["note"] == "mine"
    assert copy.copy(f) is f
    assert len({f, identity(), f}) == 2


def test_called_through_every_protocol():
    f = njit(lambda x, y: x * 10 + y)
    assert f(*[1, 2]) == 12
    assert f.__call__(1, 2) == 12
    assert list(map(f, [1, 2], [3, 4])) == [13, 24]
    assert type(f).__call__(f, 1, y=2) == 12


# ---- inspection ---------------------------------------------------------------------------------


def test_texts_about_a_version():
    f = identity()
    f(1)
    for what in ("types", "hir", "tir", "cfg", "llvm", "asm"):
        assert len(f._inspect(0, what)) > 10, what
    assert isinstance(f._inspect(0, "explain"), str)
    metadata = f.get_metadata(f.signatures[0])
    assert metadata["code_bytes"] > 0 and metadata["compile_seconds"] > 0
    with pytest.raises(IndexError):
        f._inspect(1, "types")
    with pytest.raises(RuntimeError):
        f._inspect(0, "no such text")


def test_compilations_are_counted():
    before = _core.runtime_stats()["compilations"]
    f = identity()
    f(1), f(2), f(1.5)
    assert _core.runtime_stats()["compilations"] == before + 2
