"""np.ndindex, np.ndenumerate, np.nditer and a.flat: what loops over them see, in which order."""

import numpy as np
import pytest
from ferdelance import njit
from ferdelance.errors import TypingError

X = np.arange(24).reshape(2, 3, 4)
ARRAYS = [
    X,
    np.asfortranarray(X),
    X.transpose(1, 0, 2),
    X[::-1, :, ::-2],
    X[:, :0],
    X[0],
    X[0, 1],
    X[0, 1, ::-1],
    np.array(7),
    X[:, 1:2],
    np.broadcast_to(X[0], (2, 3, 4)),
]


@pytest.mark.parametrize("a", ARRAYS)
def test_elements_are_seen_in_numpys_order(a):
    def indices(a):
        return [ix for ix in np.ndindex(a.shape)]

    def enumerated(a):
        return [(ix, x) for ix, x in np.ndenumerate(a)]

    def flat(a):
        return [x for x in a.flat]

    def in_memory(a):
        return [x.item() for x in np.nditer(a, flags=["zerosize_ok"])]

    def in_c_order(a):
        return [x.item() for x in np.nditer(a, flags=("zerosize_ok",), order="C")]

    for f in (indices, enumerated, flat, in_memory, in_c_order):
        assert njit(f)(a) == f(a)


@pytest.mark.parametrize("b", [X, X.T.copy().T, X[::-1], X[:1], X[0, 0], X[:, ::-1, :1], 5, 2.5])
@pytest.mark.parametrize("a", [X, np.asfortranarray(X), X[:, :, ::-1]])
def test_several_operands_are_visited_together(a, b):
    def f(a, b):
        return [(x.item(), y.item()) for x, y in np.nditer((a, b))]

    assert njit(f)(a, b) == f(a, b)


def test_operands_are_written_to():
    @njit
    def compiled(a, b):
        out = np.zeros((3, 4))
        for x, y, z in np.nditer([a, b, out], op_flags=[["readonly"], ["readonly"], ["writeonly"]]):
            z[...] = x * y + 1
        return out

    a, b = np.arange(4), np.arange(3.0)[:, None]
    np.testing.assert_array_equal(compiled(a, b), compiled.py_func(a, b))

    @njit
    def double(a):
        for x in np.nditer(a, op_flags=["readwrite"]):
            x[...] = 2 * x

    c = X[:, ::2].copy()
    double(c[::-1])
    np.testing.assert_array_equal(c, 2 * X[:, ::2])
    with pytest.raises(TypingError, match="read-only"):
        double(np.broadcast_to(X[0], (2, 3, 4)))


def test_nothing_to_visit_is_an_error_unless_it_is_allowed():
    @njit
    def f(a):
        return [x.item() for x in np.nditer(a)]

    with pytest.raises(ValueError, match="zero-sized"):
        f(np.zeros((2, 0)))
    with pytest.raises(TypingError, match="external_loop"):
        njit(lambda a: [x for x in np.nditer(a, flags=["external_loop"])])(X)


def test_control_flow_leaves_all_the_loops_at_once():
    def f(a, wanted):
        seen = 0
        last = -1
        for ix, x in np.ndenumerate(a):
            if x % 2:
                continue
            seen += 1
            last = x
            if x == wanted:
                where = ix
                break
        else:
            where = (-1, -1, -1)
            seen = -seen
        return where, seen, last

    def returns(a, wanted):
        for ix in np.ndindex(a.shape):
            for y in a[ix[0]].flat:
                if y == wanted:
                    return ix
        return (-1, -1, -1)

    def caught(a, wanted):
        n = 0
        for ix in np.ndindex(a.shape):
            try:
                n += 100 // int(a[ix] - wanted)
            except ZeroDivisionError:
                n += 1000
        return n

    def guarded(a, wanted):
        n = 0
        try:
            for _ix, x in np.ndenumerate(a):
                n += x
                if x == wanted:
                    raise ValueError
        except ValueError:
            n = -n
        return n

    for g in (f, returns, caught, guarded):
        compiled = njit(g)
        for wanted in (0, 14, 23, 99):
            for a in (X, X.T, X[:0]):
                assert compiled(a, wanted) == g(a, wanted)


def test_iterators_in_others_step_over_all_dimensions():
    def values(a, b):
        return [x - y for x, y in zip(a.T.flat, b.T.flat)]  # noqa: B905

    @njit
    def compiled(a, b):
        out = []
        for n, (ix, (i, y)) in enumerate(zip(np.ndindex(a.shape), np.ndenumerate(b))):  # noqa: B905
            out.append((n, ix[0], ix[1], ix[2], i[0], i[1], i[2], y))
        return out

    wanted = [
        (n, *ix, *i, y)
        for n, (ix, (i, y)) in enumerate(
            zip(np.ndindex(X.shape), np.ndenumerate(X[::-1]), strict=True)
        )
    ]
    assert compiled(X, X[::-1]) == wanted
    assert njit(values)(X, X[::-1]) == values(X, X[::-1])
