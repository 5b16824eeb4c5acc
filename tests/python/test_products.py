"""Products of arrays of any rank, type and layout: against NumPy, error texts included."""

import itertools

import numpy as np
import pytest
from ferdelance import njit, runtime
from ferdelance.errors import TypingError
from ferdelance.np.extensions import cross2d

LIVE = ("live_buffers", "live_bytes", "live_objects", "live_errors")
RNG = np.random.default_rng(7)


def numbers(shape, dtype="f8"):
    """Small whole numbers, whose products and sums are exact in any order."""
    values = RNG.integers(0 if dtype[0] in "ub?" else -4, 5, shape)
    if dtype[0] == "c":
        return (values + 1j * RNG.integers(-3, 4, shape)).astype(dtype)
    return values.astype(dtype)


def layouts(a):
    """The same values in memory in different ways."""
    yield a
    yield np.asfortranarray(a)
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)[(slice(None, None, 2),) * a.ndim]
    wide[...] = a
    yield wide
    yield np.flip(np.flip(a).copy())
    fixed = a.copy()
    fixed.flags.writeable = False
    yield fixed


def check(function, *args, exact=True):
    """Results, their types and errors are as without compiling; nothing leaks."""
    compiled = njit(function)
    before = runtime.stats()
    try:
        wanted = function(*args)
    except ValueError as error:
        with pytest.raises(ValueError) as raised:
            compiled(*args)
        assert str(raised.value).split() == str(error).split()
        del raised
    else:
        found = compiled(*args)
        if np.ndim(wanted) > 0:
            assert found.dtype == wanted.dtype
        assert np.shape(found) == np.shape(wanted)
        if exact:
            np.testing.assert_array_equal(found, wanted)
        else:
            np.testing.assert_allclose(found, wanted, rtol=1e-12)
        del found
    after = runtime.stats()
    assert {k: after[k] for k in LIVE} == {k: before[k] for k in LIVE}


def matmul(a, b):
    return a @ b


def dot(a, b):
    return np.dot(a, b)


def inner(a, b):
    return np.inner(a, b)


SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((2, 1, 3, 2, 2), (4, 1, 2, 2)),
    ((2, 0), (0, 3)),
    ((5, 2, 0), (5, 0, 3)),
    ((0, 2, 3), (3, 4)),
    ((4, 0, 3), (4, 3, 2)),
    ((9, 10), (10, 11)),
    ((3, 9, 10), (10, 11)),
    ((3, 9, 10), (3, 10, 11)),
]
WRONG = [
    ((3,), (4,)),
    ((2, 3), (4,)),
    ((3,), (4, 3)),
    ((2, 3), (4, 5)),
    ((5, 2, 3), (4, 3)),
    ((5, 2, 3), (4, 3, 2)),
    ((5, 2, 3), (4, 5, 2)),
    ((6, 5, 2, 3), (4, 3, 2)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES + WRONG)
def test_matmul_of_any_rank(a, b):
    check(matmul, numbers(a), numbers(b))
    check(matmul, numbers(a, "i4"), numbers(b, "i4"))


@pytest.mark.parametrize(("a", "b"), SHAPES + WRONG + [((2, 3), (2, 4, 3, 5)), ((2, 2, 3), (3, 3))])
def test_dot_of_any_rank(a, b):
    check(dot, numbers(a), numbers(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), (4, 3)), ((5, 2, 3), (4, 3)),
     ((2, 3), (5, 4, 3)), ((5, 2, 3), (4, 2, 3)), ((2, 3), (4, 2)), ((2, 0), (3, 0))],
)  # fmt: skip
def test_inner_of_any_rank(a, b):
    check(inner, numbers(a), numbers(b))


TYPES = ["?", "i1", "u1", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]


@pytest.mark.parametrize("left", TYPES)
def test_products_of_all_types(left):
    for right in TYPES:
        for a, b in [((2, 3), (3, 2)), ((4, 2, 3), (3,)), ((4, 2, 3), (4, 3, 3))]:
            check(matmul, numbers(a, left), numbers(b, right))


def test_products_of_float16():
    check(matmul, numbers((2, 3), "f2"), numbers((3, 4), "f2"))
    check(matmul, numbers((2, 3), "f2"), numbers(3, "f4"))


@pytest.mark.parametrize("size", [3, 12])
@pytest.mark.parametrize("dtype", ["f8", "c8", "i4"])
def test_products_of_any_layout(size, dtype):
    a, b = numbers((size, size), dtype), numbers((size, size + 1), dtype)
    for x, y in itertools.product(layouts(a), layouts(b)):
        check(matmul, x, y)
    for x in layouts(numbers((2, size, size), dtype)):
        check(matmul, x, b)
        check(matmul, x.transpose(0, 2, 1), b)
        check(matmul, x[::-1], x)


@pytest.mark.parametrize("n", range(1, 10))
def test_small_sizes(n):
    for m, k in [(n, n), (2, n), (n, 3)]:
        for dtype in ("f4", "f8", "c8", "c16"):
            check(matmul, numbers((3, m, k), dtype), numbers((3, k, n), dtype))


def test_products_in_loops():
    def chain(a, b):
        result = np.zeros_like(a)
        for i in range(len(a)):
            result[i] = a[i] @ b[i] + (a[i].T @ b[i])
        return result

    check(chain, numbers((20, 3, 3)), numbers((20, 3, 3)))
    check(chain, numbers((3, 12, 12)), numbers((3, 12, 12)))


def test_a_product_into_an_array():
    def into(a, b, out):
        r = np.matmul(a, b, out=out)
        r[0] += 1
        return out

    for a, b, shape in [
        ((2, 3), (3, 4), (2, 4)),
        ((5, 2, 3), (3, 4), (5, 2, 4)),
        ((2, 3), (3,), (2,)),
    ]:
        check(into, numbers(a), numbers(b), np.zeros(shape))
        check(into, numbers(a, "f4"), numbers(b, "f4"), np.zeros(shape))
        check(into, numbers(a, "i4"), numbers(b, "i4"), np.zeros(shape, "i8"))

    for shape in [(2, 5), (3, 4)]:
        check(into, numbers((2, 3)), numbers((3, 4)), np.zeros(shape))
    with pytest.raises(ValueError, match="another stack"):
        njit(into)(numbers((5, 2, 3)), numbers((3, 4)), np.zeros((6, 2, 4)))
    check(lambda a, b, out: np.dot(a, b, out), numbers((2, 3)), numbers((3, 4)), np.zeros((2, 4)))
    check(lambda a, b, out: np.dot(a, b, out), numbers((2, 3)), numbers((3, 4)), np.zeros((2, 5)))

    def over_itself(a):
        np.matmul(a, a, out=a)
        return a

    def over_another(a, b):
        np.matmul(a, b, out=b.T)
        return b

    for size in (4, 12):
        a = numbers((size, size))
        wanted = a @ a
        assert (njit(over_itself)(a) == wanted).all()
        b = numbers((size, size))
        wanted = over_another(a, b.copy())
        assert (njit(over_another)(a, b) == wanted).all()
    stack = numbers((3, 4, 4))
    wanted = np.matmul(stack, stack)
    assert (njit(over_itself)(stack) == wanted).all()


def test_in_place_products():
    def in_place(a, b):
        a = a.copy()
        a @= b
        return a

    check(in_place, numbers((3, 3)), numbers((3, 3)))
    check(in_place, numbers((5, 3, 3)), numbers((3, 3)))


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match="Input operand 0 does not have enough dimensions"):
        njit(lambda a: np.matmul(2.0, a))(numbers((2, 2)))
    with pytest.raises(TypingError, match="cannot write"):
        njit(lambda a, out: np.dot(a, a, out))(numbers((2, 2)), np.zeros((2, 2), "f4"))


@pytest.mark.parametrize("dtype", ["f8", "i8", "c16"])
def test_tensordot(dtype):
    a, b = numbers((2, 3, 4), dtype), numbers((4, 3, 2), dtype)
    check(lambda a, b: np.tensordot(a, b, axes=1), a, b)
    check(lambda a, b: np.tensordot(a, b), a, b.transpose(1, 0, 2).copy())
    check(lambda a, b: np.tensordot(a, b, 0), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=([0, 1], [2, 1])), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=([1, 0], [1, 2])), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=((2,), (0,))), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=(2, 0)), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=(-1, -3)), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=([0, 1, 2], [2, 1, 0])), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=([0], [0])), a, b)
    check(lambda a, b: np.tensordot(a, b, axes=1), a[:, :, :0], b[:0])


def test_vdot_outer_kron():
    check(lambda a, b: np.vdot(a, b), numbers((2, 3), "c16"), numbers((2, 3), "c16"))
    check(lambda a, b: np.vdot(a, b), numbers(3), numbers(4))
    check(lambda a, b: np.outer(a, b), numbers((2, 3), "i2"), numbers(4, "f4"))
    check(lambda a, b: np.outer(a, b, np.zeros((6, 4))), numbers((2, 3)), numbers(4))
    check(lambda a, b: np.kron(a, b), numbers((2, 3)), numbers((4, 1, 2)))
    check(lambda a, b: np.matvec(a, b), numbers((5, 2, 3)), numbers(3))
    check(lambda a, b: np.vecmat(a, b), numbers((5, 2), "c16"), numbers((5, 2, 3), "c16"))
    check(lambda a, b: np.vecdot(a, b), numbers((5, 3), "c16"), numbers(3, "c16"))
    check(lambda a, b: np.vecdot(a, b, axis=0), numbers((5, 3), "i2"), numbers((5, 3), "i2"))
    check(lambda a, b: np.vecdot(a, b), numbers((3, 3)), numbers((2, 2)))


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")
def test_cross():
    check(lambda a, b: np.cross(a, b), numbers((5, 3)), numbers((5, 3)))
    check(lambda a, b: np.cross(a, b), numbers((5, 2)), numbers((5, 3)))
    check(lambda a, b: np.cross(a, b), numbers((5, 3)), numbers(2))
    check(lambda a, b: np.cross(a, b, axis=0), numbers((3, 5)), numbers((3, 5)))
    check(lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), numbers((3, 5)), numbers((5, 3)))
    check(lambda a, b: np.cross(a, b), numbers((5, 4)), numbers((5, 3)))
    with pytest.raises(ValueError, match="is a number"):
        njit(lambda a, b: np.cross(a, b))(numbers(2), numbers(2))


EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj->ki", (2, 3), (4, 3)),
    ("ij,jk->ki", (12, 13), (13, 14)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bij,bjk->ikb", (5, 2, 3), (5, 3, 4)),
    ("bij,jk->bik", (5, 2, 3), (3, 4)),
    ("ijk,jkl->il", (2, 3, 4), (3, 4, 5)),
    ("ijk,kl->ijl", (2, 3, 4), (4, 5)),
    ("abij,abjk->abik", (2, 3, 2, 3), (2, 3, 3, 2)),
    ("i,i", (4,), (4,)),
    ("i,j", (4,), (3,)),
    ("i,j->ji", (4,), (3,)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,j->i", (2, 3), (3,)),
    ("ij,i->j", (2, 3), (2,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("ij->ji", (2, 3)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk", (6, 1, 2, 3), (5, 3, 4)),
    ("i...->...", (2, 3, 4)),
    ("...,...->...", (2, 3), (2, 3)),
    ("...a->...", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("ij,kj,kl,lm->im", (2, 3), (4, 3), (4, 5), (5, 2)),
    ("i,ij,i->j", (2,), (2, 3), (2,)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)),
    ("ij,ij->ij", (2, 3), (1, 3)),
    # Errors
    ("ij,jk->ik", (2, 3), (4, 5)),
    ("ii->i", (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EINSUM, ids=lambda c: "-".join(str(x).replace(" ", "") for x in c))
@pytest.mark.parametrize("dtype", ["f8", "i4", "c8", "?"])
def test_einsum(case, dtype):
    text, *shapes = case
    source = f"lambda *a: np.einsum({text!r}, *a)"
    check(eval(source), *[numbers(s, dtype) for s in shapes])


def test_cross2d():
    check(lambda a, b: cross2d(a, b), numbers(2), numbers(2))
    check(lambda a, b: cross2d(a, b), numbers((5, 2), "i4"), numbers((5, 2)))
    check(lambda a, b: cross2d(a, b), numbers(2), numbers(3))


def test_einsum_of_mixed_types_layouts_and_into_an_array():
    a, b = numbers((4, 3)), numbers((3, 5), "i4")
    for x, y in itertools.product(layouts(a), layouts(b)):
        check(lambda a, b: np.einsum("ij,jk->ki", a, b), x, y)
    check(lambda a, b: np.einsum("ij,jk->ik", a, b, out=np.zeros((4, 5))), a, b)
    check(lambda a: np.einsum(a, [0, 1], a, [2, 1], [0, 2]), a)
    check(lambda a: np.einsum("i,j,->ij", a[0], a[1], 2.0), a)


@pytest.mark.parametrize(
    ("text", "message"),
    [("ij->ik", "never appeared"), ("ijk", "too many subscripts"), ("i", "no '...' ellipsis")],
)
def test_wrong_subscripts_are_said_when_compiling(text, message):
    with pytest.raises(TypingError, match=message):
        njit(eval(f"lambda a: np.einsum({text!r}, a)"))(numbers((2, 2)))


def test_subscripts_must_be_constant():
    with pytest.raises(TypingError, match="must be constants"):
        njit(lambda s, a: np.einsum(s, a))("ij", numbers((2, 2)))


def test_what_is_read_before_a_product_is_written_is_what_was_there():
    def f(a, b, out):
        before = out * 2
        np.matmul(a, b, out=out)
        after = out + before
        inverse = np.linalg.inv(after + 9 * np.eye(3))
        after[...] = 0
        return before + 1, out.copy(), inverse

    a, b, out = numbers((3, 3)), numbers((3, 3)), numbers((3, 3))
    wanted, found = f(a, b, out.copy()), njit(f)(a, b, out.copy())
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-13)
