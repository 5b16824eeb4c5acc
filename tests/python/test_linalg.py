"""numpy.linalg: bit for bit what NumPy gives, with its errors, of stacks and all types."""

import numpy as np
import pytest
from ferdelance import njit, runtime
from ferdelance.errors import TypingError

LIVE = ("live_buffers", "live_bytes", "live_objects", "live_errors")
RNG = np.random.default_rng(11)


def matrices(*shape, dtype="f8"):
    a = RNG.standard_normal(shape)
    if dtype[0] == "c":
        a = a + 1j * RNG.standard_normal(shape)
    elif dtype[0] == "i":
        a = RNG.integers(-5, 6, shape)
    return a.astype(dtype)


def positive(*shape, dtype="f8"):
    a = matrices(*shape, dtype=dtype)
    return (a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(shape[-1])).astype(a.dtype)


def same(found, wanted, rtol):
    if isinstance(wanted, tuple):
        assert type(found) is type(wanted)
        for x, y in zip(found, wanted, strict=True):
            same(x, y, rtol)
        return
    assert np.shape(found) == np.shape(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
    if rtol:
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
    else:
        np.testing.assert_array_equal(found, wanted)


def check(function, *args, rtol=0.0):
    """What a function gives or raises is as without compiling; arguments stay, nothing leaks."""
    compiled = njit(function)
    kept = [np.copy(a) for a in args]
    before = runtime.stats()
    try:
        wanted = function(*args)
    except (ValueError, TypeError) as error:
        with pytest.raises(type(error)) as raised:
            compiled(*args)
        assert str(raised.value) == str(error)
        del raised
    else:
        found = compiled(*args)
        same(found, wanted, rtol)
        del found
    for a, b in zip(args, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    after = runtime.stats()
    assert {k: after[k] for k in LIVE} == {k: before[k] for k in LIVE}


# Functions of a square matrix, or of a stack.
SQUARE = {
    "inv": lambda a: np.linalg.inv(a),
    "det": lambda a: np.linalg.det(a),
    "slogdet": lambda a: np.linalg.slogdet(a),
    "eigvalsh": lambda a: np.linalg.eigvalsh(a),
    "eigh": lambda a: np.linalg.eigh(a, "U"),
    "cholesky": lambda a: np.linalg.cholesky(a),
    "cholesky_upper": lambda a: np.linalg.cholesky(a, upper=True),
}
# Functions of any matrix.
ANY = {
    "svd": lambda a: np.linalg.svd(a),
    "svd_reduced": lambda a: np.linalg.svd(a, full_matrices=False),
    "svd_values": lambda a: np.linalg.svd(a, compute_uv=False),
    "svdvals": lambda a: np.linalg.svdvals(a),
    "qr": lambda a: np.linalg.qr(a),
    "qr_complete": lambda a: np.linalg.qr(a, "complete"),
    "qr_r": lambda a: np.linalg.qr(a, mode="r"),
    "matrix_rank": lambda a: np.linalg.matrix_rank(a),
}


@pytest.mark.parametrize("name", SQUARE)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_square_matrices(name, dtype):
    for shape in [(3, 3), (1, 1), (4, 3, 3), (2, 4, 2, 2), (0, 3, 3), (0, 0), (20, 20)]:
        a = positive(*shape, dtype=dtype)
        check(SQUARE[name], a)
        check(SQUARE[name], np.swapaxes(a, -1, -2))
        check(SQUARE[name], a[..., ::-1, ::-1])


@pytest.mark.parametrize("name", SQUARE)
def test_square_matrices_of_integers(name):
    check(SQUARE[name], np.array([[2, 1], [1, 3]]))
    check(SQUARE[name], np.array([[[2, 1], [1, 3]], [[4, 0], [0, 1]]], np.int8))


@pytest.mark.parametrize("name", SQUARE)
def test_what_is_not_square_raises(name):
    check(SQUARE[name], matrices(2, 3))
    with pytest.raises(TypingError, match="at least two-dimensional"):
        njit(SQUARE[name])(matrices(3))
    with pytest.raises(TypeError, match="float16 is unsupported"):
        njit(SQUARE[name])(matrices(2, 2, dtype="f2"))


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_any_matrices(name, dtype):
    for shape in [(3, 3), (2, 4), (4, 2), (3, 2, 4), (2, 3, 4, 2), (0, 2, 3), (12, 7)]:
        check(ANY[name], matrices(*shape, dtype=dtype))
        check(ANY[name], matrices(*shape, dtype=dtype).swapaxes(-1, -2))


def test_memory_of_any_kind():
    a = positive(3, 3)
    unaligned = np.zeros(9 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(3, 3)
    unaligned[...] = a
    fixed = a.copy()
    fixed.flags.writeable = False
    for matrix in (unaligned, fixed):
        for function in (*SQUARE.values(), *ANY.values()):
            check(function, matrix)


def test_singular_matrices():
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    stack = np.stack([np.eye(2), singular])
    for a in (singular, stack):
        check(lambda a: np.linalg.inv(a), a)
        check(lambda a: np.linalg.solve(a, a), a)
        check(lambda a: np.linalg.det(a), a)
        check(lambda a: np.linalg.slogdet(a), a)
        check(lambda a: np.linalg.cond(a), a)
    check(lambda a: np.linalg.cholesky(-a), np.eye(3))
    check(lambda a: np.linalg.matrix_power(a, -1), singular)


def test_an_error_is_caught_in_compiled_code():
    @njit
    def inverse_or_zero(a):
        results = np.zeros_like(a)
        failed = 0
        for i in range(len(a)):
            try:
                results[i] = np.linalg.inv(a[i])
            except np.linalg.LinAlgError:
                failed += 1
        return results, failed

    a = np.stack([np.eye(2), np.zeros((2, 2)), 2 * np.eye(2)])
    before = runtime.stats()
    results, failed = inverse_or_zero(a)
    assert failed == 1
    np.testing.assert_array_equal(results[2], np.eye(2) / 2)
    del results
    after = runtime.stats()
    assert {k: after[k] for k in LIVE} == {k: before[k] for k in LIVE}


def test_the_flag_of_a_failure_is_that_of_one_call():
    @njit
    def f(a, b):
        try:
            np.linalg.inv(a)
        except Exception:
            pass
        return np.linalg.inv(b)

    np.testing.assert_array_equal(f(np.zeros((2, 2)), np.eye(2)), np.eye(2))


@pytest.mark.parametrize("left", ["f4", "f8", "c8", "c16", "i4"])
@pytest.mark.parametrize("right", ["f4", "f8", "c8", "c16", "i4"])
def test_solve(left, right):
    a = (positive(3, 3) * 3).astype(left)
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(3, dtype=right))
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(3, 2, dtype=right))
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(5, 3, 2, dtype=right))


def test_solve_broadcasts():
    a = positive(5, 1, 3, 3)
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(1, 4, 3, 2))
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(3))
    check(lambda a, b: np.linalg.solve(a, b), a, matrices(3, 2))
    check(lambda a, b: np.linalg.solve(a, b), a[:0], matrices(3, 2))
    check(lambda a, b: np.linalg.solve(a, b), a[0, 0], matrices(2))
    check(lambda a, b: np.linalg.solve(a, b), a[0, 0], matrices(2, 2))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_lstsq(dtype):
    for shape in [(5, 3), (3, 5), (3, 3)]:
        a = matrices(*shape, dtype=dtype)
        for b in (matrices(shape[0], dtype=dtype), matrices(shape[0], 2, dtype=dtype)):
            check(lambda a, b: np.linalg.lstsq(a, b), a, b)
            check(lambda a, b: np.linalg.lstsq(a, b, rcond=None), a, b)
    check(lambda a, b: np.linalg.lstsq(a, b, rcond=0.5), a, matrices(3, dtype=dtype))
    check(lambda a, b: np.linalg.lstsq(a, b), a, matrices(4, dtype=dtype))
    check(lambda a, b: np.linalg.lstsq(a, b), a, matrices(3, 0, dtype=dtype))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_eig_of_real_eigenvalues(dtype):
    a = positive(3, 3, dtype=dtype)
    check(lambda a: np.linalg.eig(a), a)
    check(lambda a: np.linalg.eigvals(a), np.stack([a, a.T]))
    check(lambda a: np.linalg.eigvals(a), a * np.nan)


def test_eig_of_complex_matrices():
    check(lambda a: np.linalg.eig(a), matrices(3, 3, dtype="c16"))
    check(lambda a: np.linalg.eigvals(a), matrices(2, 3, 3, dtype="c16"))


def test_complex_eigenvalues_of_a_real_matrix_raise():
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    for f in (lambda a: np.linalg.eig(a)[0], lambda a: np.linalg.eigvals(a)):
        with pytest.raises(ValueError, match="convert the matrix to complex"):
            njit(f)(rotation)
    np.testing.assert_allclose(
        njit(lambda a: np.linalg.eigvals(a.astype(np.complex128)))(rotation), [1j, -1j]
    )


VECTOR_ORDERS = [None, 0, 1, 2, 3, 2.5, -1, -2, np.inf, -np.inf]
MATRIX_ORDERS = [None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc", 3]


@pytest.mark.parametrize("order", VECTOR_ORDERS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "i4"])
def test_norms_of_vectors(order, dtype):
    tolerance = 1e-5 if dtype in ("f4", "c8") else 1e-13
    check(lambda a, o=order: np.linalg.norm(a, o), matrices(5, dtype=dtype), rtol=tolerance)
    a = matrices(3, 4, dtype=dtype)
    check(lambda a, o=order: np.linalg.norm(a, o, axis=0), a, rtol=tolerance)
    check(lambda a, o=order: np.linalg.norm(a, o, axis=-1, keepdims=True), a, rtol=tolerance)
    if order is not None:
        check(lambda a, o=order: np.linalg.vector_norm(a, ord=o), a, rtol=tolerance)
        check(lambda a, o=order: np.linalg.vector_norm(a, axis=1, ord=o), a, rtol=tolerance)


@pytest.mark.parametrize("order", MATRIX_ORDERS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "i4"])
def test_norms_of_matrices(order, dtype):
    tolerance = 1e-5 if dtype in ("f4", "c8") else 1e-13
    a = matrices(3, 4, dtype=dtype)
    check(lambda a, o=order: np.linalg.norm(a, o), a, rtol=tolerance)
    stack = matrices(2, 3, 4, dtype=dtype)
    check(lambda a, o=order: np.linalg.norm(a, o, axis=(1, 2)), stack, rtol=tolerance)
    check(lambda a, o=order: np.linalg.norm(a, o, (2, 0), keepdims=True), stack, rtol=tolerance)


def test_norms_by_orders_that_are_known_when_it_runs():
    f = njit(lambda a, o: np.linalg.norm(a, o))
    a = matrices(3, 3)
    for order in (1, 2, -2, np.inf, "fro", "nuc"):
        np.testing.assert_allclose(f(a, order), np.linalg.norm(a, order), rtol=1e-13)
    with pytest.raises(ValueError, match="Invalid norm order for matrices"):
        f(a, 7)


def test_norm_of_all_elements():
    check(lambda a: np.linalg.norm(a), matrices(2, 3, 4), rtol=1e-13)
    check(lambda a: np.linalg.norm(a, keepdims=True), matrices(2, 3, 4), rtol=1e-13)
    check(lambda a: np.linalg.norm(a, 1), matrices(2, 3, 4))
    check(lambda a: np.linalg.norm(a), np.zeros((0, 3)))


@pytest.mark.parametrize("order", [None, 1, -1, 2, -2, np.inf, -np.inf, "fro"])
def test_cond(order):
    check(lambda a, p=order: np.linalg.cond(a, p), matrices(3, 3), rtol=1e-12)
    check(lambda a, p=order: np.linalg.cond(a, p), matrices(2, 3, 3), rtol=1e-12)
    check(lambda a, p=order: np.linalg.cond(a, p), matrices(3, 3, dtype="c8"), rtol=1e-3)


def test_pinv_and_rank():
    for dtype in ("f8", "c16"):
        check(lambda a: np.linalg.pinv(a), matrices(3, 5, dtype=dtype), rtol=1e-12)
        check(lambda a: np.linalg.pinv(a), matrices(2, 5, 3, dtype=dtype), rtol=1e-12)
    check(lambda a: np.linalg.pinv(a, 0.5), matrices(4, 4), rtol=1e-12)
    check(lambda a: np.linalg.pinv(a, hermitian=True), positive(3, 3), rtol=1e-12)
    check(lambda a: np.linalg.pinv(a), np.zeros((0, 3)))
    check(lambda a: np.linalg.matrix_rank(a), np.array([[1.0, 2.0], [2.0, 4.0]]))
    check(lambda a: np.linalg.matrix_rank(a, 10.0), positive(3, 3))
    check(lambda a: np.linalg.matrix_rank(a), np.zeros((2, 3, 3)))


def test_matrix_power():
    for n in (0, 1, 2, 3, 5, 8, -1, -3):
        check(lambda a, n=n: np.linalg.matrix_power(a, n), matrices(3, 3), rtol=1e-11)
        check(
            lambda a, n=n: np.linalg.matrix_power(a, n), matrices(2, 2, 2, dtype="c16"), rtol=1e-11
        )
    check(lambda a: np.linalg.matrix_power(a, 4), np.arange(4).reshape(2, 2))
    with pytest.raises(ValueError, match="integers"):
        njit(lambda a: np.linalg.matrix_power(a, -1))(np.eye(2, dtype=int))


def test_multi_dot():
    a, b, c, d = matrices(10, 2), matrices(2, 8), matrices(8, 3), matrices(3, 5)
    check(lambda a, b: np.linalg.multi_dot([a, b]), a, b, rtol=1e-13)
    check(lambda a, b, c: np.linalg.multi_dot((a, b, c)), a, b, c, rtol=1e-13)
    check(lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]), a, b, c, d, rtol=1e-13)
    check(lambda a, b, c, d: np.linalg.multi_dot([a[0], b, c, d]), a, b, c, d, rtol=1e-13)
    check(lambda a, b, c, d: np.linalg.multi_dot([a[0], b, c, d[:, 0]]), a, b, c, d, rtol=1e-13)


def test_tensor_equations():
    a = np.eye(6).reshape(2, 3, 6) + matrices(2, 3, 6) / 10
    check(lambda a, b: np.linalg.tensorsolve(a, b), a, matrices(2, 3), rtol=1e-12)
    check(lambda a: np.linalg.tensorinv(a), a, rtol=1e-12)
    check(lambda a: np.linalg.tensorinv(a, 1), a.reshape(6, 2, 3), rtol=1e-12)


def test_results_have_names():
    @njit
    def f(a):
        u = np.linalg.svd(a)
        w = np.linalg.eigh(a)
        q = np.linalg.qr(a)
        d = np.linalg.slogdet(a)
        return u.S, w.eigenvalues, q.R, d.logabsdet, np.linalg.eig(a).eigenvectors

    a = positive(3, 3)
    wanted = (
        np.linalg.svd(a).S,
        np.linalg.eigh(a).eigenvalues,
        np.linalg.qr(a).R,
        np.linalg.slogdet(a).logabsdet,
        np.linalg.eig(a).eigenvectors,
    )
    same(f(a), wanted, 0.0)


def test_many_calls_leave_nothing_behind():
    @njit
    def f(a, n):
        total = 0.0
        for i in range(n):
            u, s, vh = np.linalg.svd(a)
            x, residuals, rank, values = np.linalg.lstsq(a, a[0])
            total += s[0] + x[0] + rank + np.linalg.inv(a)[0, 0]
            if i % 3 == 0:
                try:
                    np.linalg.inv(a * 0)
                except np.linalg.LinAlgError:
                    total += 1
        return total

    a = positive(4, 4)
    f(a, 1)
    before = runtime.stats()
    f(a, 50)
    after = runtime.stats()
    assert {k: after[k] for k in LIVE} == {k: before[k] for k in LIVE}
