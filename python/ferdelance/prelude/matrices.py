"""numpy.linalg: what NumPy's functions do around the loops of `numpy.linalg._umath_linalg`.

`np._gufunc(name, *operands, *results)` runs a loop and says whether it failed; results have the
full shape, operands are broadcast to it. As in NumPy, all is computed in double precision.
"""

import numpy as np
from numpy.linalg import LinAlgError
from numpy.linalg._linalg import EighResult, EigResult, QRResult, SlogdetResult, SVDResult


def _check_stacked(a):
    if a.ndim == 0:
        np._refuse("0-dimensional array given. Array must be at least two-dimensional")
    if a.ndim == 1:
        np._refuse("1-dimensional array given. Array must be at least two-dimensional")


def _check_matrix(a):
    if a.ndim != 2:
        np._refuse("np.linalg.lstsq() takes a matrix and a vector or matrix of two dimensions")


def _check_finite(a):
    if not np.all(np.isfinite(a)):
        raise LinAlgError("Array must not contain infs or NaNs")


def _in_double(a):
    """As the loops take it: float64 or complex128."""
    if np._typestr(a) == "f2":
        raise TypeError("array type float16 is unsupported in linalg")
    if np.iscomplexobj(a):
        return a.astype(np.complex128, copy=False)
    return a.astype(np.float64, copy=False)


def _copy_in_double(a):
    return np.array(_in_double(a), order="C")


def _stacked(a):
    """A stack of matrices as the loops take it."""
    x = np.asarray(a)
    _check_stacked(x)
    return _in_double(x)


def _stacked_square(a):
    x = _stacked(a)
    if x.shape[-1] != x.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    return x


def _in_single(x):
    if np.iscomplexobj(x):
        return np.complex64(x)
    return np.float32(x)


def _precise_as(x, a):
    """A result in the precision of the array that it comes from."""
    if np._typestr(a) == "f4" or np._typestr(a) == "c8":
        return _in_single(x)
    return x


def _precise_as_both(x, a, b):
    if np._typestr(a) == "f4" or np._typestr(a) == "c8":
        return _precise_as(x, b)
    return x


def _epsilon(a):
    if np._typestr(a) == "f4" or np._typestr(a) == "c8":
        return np.finfo(np.float32).eps
    return np.finfo(np.float64).eps


# equations ----------------------------------------------------------------------------------------


def numpy_linalg_solve(a, b):
    """np.linalg.solve(a, b)"""
    left = np.asarray(a)
    right = np.asarray(b)
    x = _stacked_square(left)
    y = _in_double(right)
    if np.iscomplexobj(x) and not np.iscomplexobj(y):
        return _precise_as_both(_solve(x, y.astype(np.complex128)), left, right)
    if np.iscomplexobj(y) and not np.iscomplexobj(x):
        return _precise_as_both(_solve(x.astype(np.complex128), y), left, right)
    return _precise_as_both(_solve(x, y), left, right)


def _sizes_differ(found, expected):
    return " (size " + str(found) + " is different from " + str(expected) + ")"


def _solve(a, b):
    n = a.shape[-1]
    if b.ndim == 1:
        if b.shape[0] != n:
            raise ValueError(
                "solve1: Input operand 1 has a mismatch in its core dimension 0, with gufunc "
                "signature (m,m),(m)->(m)" + _sizes_differ(b.shape[0], n)
            )
        x = np.empty(a.shape[:-1], a.dtype)
        failed = np._gufunc("solve1", a, b, x)
    else:
        if b.shape[-2] != n:
            raise ValueError(
                "solve: Input operand 1 has a mismatch in its core dimension 0, with gufunc "
                "signature (m,m),(m,n)->(m,n)" + _sizes_differ(b.shape[-2], n)
            )
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        x = np.empty(stack + b.shape[-2:], a.dtype)
        failed = np._gufunc("solve", a, b, x)
    if failed:
        raise LinAlgError("Singular matrix")
    return x


def numpy_linalg_inv(a):
    """np.linalg.inv(a)"""
    return _precise_as(_inverse(_stacked_square(a)), np.asarray(a))


def _inverse(x):
    inverse = np.empty(x.shape, x.dtype)
    if np._gufunc("inv", x, inverse):
        raise LinAlgError("Singular matrix")
    return inverse


def _product(shape):
    n = 1
    for extent in shape:
        n *= extent
    return n


def numpy_linalg_tensorinv(a, ind: "literal" = 2):
    """np.linalg.tensorinv(a, ind=2)"""
    x = np.asarray(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    n = _product(x.shape[ind:])
    inverse = numpy_linalg_inv(np.ascontiguousarray(x).reshape(-1, n))
    return inverse.reshape(x.shape[ind:] + x.shape[:ind])


def numpy_linalg_tensorsolve(a, b, axes: "literal" = None):
    """np.linalg.tensorsolve(a, b, axes=None)"""
    x = np.asarray(a)
    y = np.asarray(b)
    if axes is not None:
        return numpy_linalg_tensorsolve(np._axes_last(x, axes), y)
    shape = x.shape[y.ndim - x.ndim :]
    if y.ndim == x.ndim:
        return numpy_linalg_tensorsolve(x[..., None], y)[..., 0]
    n = _product(shape)
    if x.size != n * n:
        raise LinAlgError(
            "Input arrays must satisfy the requirement "
            "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    solution = numpy_linalg_solve(np.ascontiguousarray(x).reshape(n, n), np.ravel(y))
    return solution.reshape(shape)


def numpy_linalg_lstsq(a, b, rcond=None):
    """np.linalg.lstsq(a, b, rcond=None)"""
    left = np.asarray(a)
    right = np.asarray(b)
    if right.ndim == 1:
        x, residuals, rank, s = _least_squares(left, right[:, None], rcond)
        return x[:, 0], residuals, rank, s
    return _least_squares(left, right, rcond)


def _least_squares(a, b, rcond):
    _check_matrix(a)
    _check_matrix(b)
    m, n = a.shape
    columns = b.shape[1]
    if m != b.shape[0]:
        raise LinAlgError("Incompatible dimensions")
    if rcond is None:
        cutoff = np.finfo(np.float64).eps * max(n, m)
    else:
        cutoff = float(rcond)
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        x = a.astype(np.complex128)
        y = b.astype(np.complex128)
    else:
        x = _in_double(a)
        y = _in_double(b)
    # LAPACK takes no right side without columns.
    width = max(columns, 1)
    if columns == 0:
        y = np.zeros((m, 1), x.dtype)
    solution = np.empty((n, width), x.dtype)
    residuals = np.empty(width, np.float64)
    rank = np.empty((), np.int32)
    s = np.empty(min(m, n), np.float64)
    if np._gufunc("lstsq", x, y, np.array(cutoff), solution, residuals, rank, s):
        raise LinAlgError("SVD did not converge in Linear Least Squares")
    if m == 0:
        solution[...] = 0
    if rank[()] != n or m <= n:
        width = 0
    else:
        width = columns
    return (
        _precise_as_both(solution[:, :columns], a, b),
        _precise_as_both(residuals[:width], a, b),
        rank[()],
        _precise_as_both(s, a, b),
    )


def numpy_linalg_pinv(a, rcond=None, hermitian: "literal" = False, rtol=None):
    """np.linalg.pinv(a, rcond=None, hermitian=False, *, rtol=...)"""
    x = np.asarray(a)
    _check_stacked(x)
    if rcond is not None:
        cutoff = np.asarray(rcond)
    elif rtol is not None:
        cutoff = np.asarray(rtol)
    else:
        cutoff = np.asarray(1e-15)
    if x.size == 0:
        return np.swapaxes(_precise_as(_in_double(x), x), -1, -2).copy()
    u, s, vh = numpy_linalg_svd(np.conj(x), False, True, hermitian)
    large = s > cutoff[..., None] * np.max(s, axis=-1, keepdims=True)
    factors = np.where(large, 1 / np.where(large, s, 1), 0).astype(s.dtype)
    return np.swapaxes(vh, -1, -2) @ (factors[..., None] * np.swapaxes(u, -1, -2))


# determinants, ranks, norms -----------------------------------------------------------------------


def numpy_linalg_det(a):
    """np.linalg.det(a)"""
    x = _stacked_square(a)
    determinant = np.empty(x.shape[:-2], x.dtype)
    np._gufunc("det", x, determinant)
    return _precise_as(determinant[()], np.asarray(a))


def numpy_linalg_slogdet(a):
    """np.linalg.slogdet(a)"""
    x = _stacked_square(a)
    sign = np.empty(x.shape[:-2], x.dtype)
    logarithm = np.empty(x.shape[:-2], np.float64)
    np._gufunc("slogdet", x, sign, logarithm)
    source = np.asarray(a)
    return SlogdetResult(_precise_as(sign[()], source), _single_or_not(logarithm[()], source))


def _single_or_not(x, a):
    """A real result in the precision of the array that it comes from."""
    if np._typestr(a) == "f4" or np._typestr(a) == "c8":
        return np.float32(x)
    return x


def numpy_linalg_matrix_rank(A, tol=None, hermitian: "literal" = False, rtol=None):
    """np.linalg.matrix_rank(A, tol=None, hermitian=False, *, rtol=None)"""
    x = np.asarray(A)
    if x.ndim < 2:
        return 0 if np.all(x == 0) else 1
    s = _singular_values(x, hermitian)
    if tol is not None:
        return np.count_nonzero(s > np.asarray(tol)[..., None], axis=-1)
    if rtol is not None:
        limit = np.asarray(rtol)[..., None]
        return np.count_nonzero(s > np.max(s, axis=-1, keepdims=True) * limit, axis=-1)
    limit = max(x.shape[-1], x.shape[-2]) * _epsilon(s)
    return np.count_nonzero(s > np.max(s, axis=-1, keepdims=True, initial=0) * limit, axis=-1)


def numpy_linalg_cond(x, p=None):
    """np.linalg.cond(x, p=None)"""
    a = np.asarray(x)
    _check_stacked(a)
    if a.size == 0:
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None:
        s = _singular_values(a, False)
        r = s[..., 0] / s[..., -1]
    elif not isinstance(p, str) and (p == 2 or p == -2):
        s = _singular_values(a, False)
        if p == -2:
            r = s[..., -1] / s[..., 0]
        else:
            r = s[..., 0] / s[..., -1]
    else:
        matrix = _stacked_square(a)
        inverse = np.empty(matrix.shape, matrix.dtype)
        if np._gufunc("inv", matrix, inverse):
            inverse[...] = np.nan
        norms = _matrix_norm(a, p, -2, -1, False)
        r = _single_or_not(norms * _matrix_norm(inverse, p, -2, -1, False), a)
    unknown = np.isnan(r) & ~np.any(np.isnan(a), axis=(-2, -1))
    return np.where(unknown, _infinity_like(r), r)[()]


def _infinity_like(r):
    if np._typestr(r) == "f4":
        return np.float32(np.inf)
    return np.float64(np.inf)


def _inexact(a):
    if a.dtype.kind == "f" or a.dtype.kind == "c":
        return a
    return a.astype(np.float64)


def _sum_of_squares(x, axis: "literal", keepdims: "literal"):
    if np.iscomplexobj(x):
        return np.sum(x.real * x.real + x.imag * x.imag, axis=axis, keepdims=keepdims)
    return np.sum(x * x, axis=axis, keepdims=keepdims)


def numpy_linalg_norm(x, ord=None, axis: "literal" = None, keepdims: "literal" = False):
    """np.linalg.norm(x, ord=None, axis=None, keepdims=False)"""
    a = _inexact(np.asarray(x))
    if axis is None:
        if ord is None:
            return np.sqrt(_sum_of_squares(a, None, keepdims))
        if a.ndim == 1:
            return _vector_norm(a, ord, 0, keepdims)
        if a.ndim == 2:
            return _matrix_norm(a, ord, 0, 1, keepdims)
        raise ValueError("Improper number of dimensions to norm.")
    if not isinstance(axis, tuple):
        return _vector_norm(a, ord, axis, keepdims)
    if len(axis) == 1:
        return _vector_norm(a, ord, axis[0], keepdims)
    if len(axis) == 2:
        return _matrix_norm(a, ord, axis[0], axis[1], keepdims)
    raise ValueError("Improper number of dimensions to norm.")


def _vector_norm(x, ord, axis: "literal", keepdims: "literal"):
    if ord is None:
        return np.sqrt(_sum_of_squares(x, axis, keepdims))
    if isinstance(ord, str):
        raise ValueError("Invalid norm order '" + ord + "' for vectors")
    if ord == 2:
        return np.sqrt(_sum_of_squares(x, axis, keepdims))
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0).astype(x.real.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    power = float(ord)
    return np.sum(np.abs(x) ** power, axis=axis, keepdims=keepdims) ** (1 / power)


def _matrix_norm(x, ord, row: "literal", column: "literal", keepdims: "literal"):
    norms = _norms_of_matrices(np._axes_last(x, (row, column)), ord)
    if keepdims:
        return np._expanded(norms, (row, column), x.ndim)
    return norms


def _norms_of_matrices(x, ord):
    """The norms of matrices in the last two dimensions."""
    if ord is None:
        return np.sqrt(_sum_of_squares(x, (-2, -1), False))
    if isinstance(ord, str):
        if ord == "fro" or ord == "f":
            return np.sqrt(_sum_of_squares(x, (-2, -1), False))
        if ord == "nuc":
            return np.sum(_singular_values(x, False), axis=-1)
        raise ValueError("Invalid norm order for matrices.")
    if ord == 1:
        return np.max(np.sum(np.abs(x), axis=-2), axis=-1, initial=0)
    if ord == np.inf:
        return np.max(np.sum(np.abs(x), axis=-1), axis=-1, initial=0)
    if ord == -1:
        return np.min(np.sum(np.abs(x), axis=-2), axis=-1)
    if ord == -np.inf:
        return np.min(np.sum(np.abs(x), axis=-1), axis=-1)
    if ord == 2:
        return np.max(_singular_values(x, False), axis=-1, initial=0)
    if ord == -2:
        return np.min(_singular_values(x, False), axis=-1)
    raise ValueError("Invalid norm order for matrices.")


def numpy_linalg_vector_norm(x, axis: "literal" = None, keepdims: "literal" = False, ord=2):
    """np.linalg.vector_norm(x, *, axis=None, keepdims=False, ord=2)"""
    a = _inexact(np.asarray(x))
    if axis is None:
        norm = _vector_norm(np.ravel(a), ord, 0, False)
        if keepdims:
            return np.reshape(np.asarray(norm), (1,) * a.ndim)
        return norm
    if isinstance(axis, tuple):
        if len(axis) == 1:
            return _vector_norm(a, ord, axis[0], keepdims)
        last = np._axes_last(a, axis)
        rest = last.ndim - len(axis)
        joined = np.ascontiguousarray(last).reshape(last.shape[:rest] + (-1,))
        norms = _vector_norm(joined, ord, -1, False)
        if keepdims:
            return np._expanded(norms, axis, a.ndim)
        return norms
    return _vector_norm(a, ord, axis, keepdims)


def numpy_linalg_matrix_norm(x, keepdims: "literal" = False, ord="fro"):
    """np.linalg.matrix_norm(x, *, keepdims=False, ord="fro")"""
    return _matrix_norm(_inexact(np.asarray(x)), ord, -2, -1, keepdims)


# powers and chains --------------------------------------------------------------------------------


def numpy_linalg_matrix_power(a, n):
    """np.linalg.matrix_power(a, n)"""
    x = np.asarray(a)
    _check_stacked(x)
    if x.shape[-1] != x.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    power = abs(n)
    base = np.copy(x, order="C")
    if n < 0:
        if x.dtype.kind == "f" or x.dtype.kind == "c":
            base = numpy_linalg_inv(base)
        else:
            raise ValueError(
                "a negative power of a matrix of integers is none: convert the matrix to floats"
            )
    result = np.zeros(x.shape, x.dtype)
    for k in range(x.shape[-1]):
        result[..., k, k] = 1
    started = False
    while power > 0:
        if power % 2 == 1:
            result = result @ base if started else base
            started = True
        power = power // 2
        if power > 0:
            base = base @ base
    return result


def numpy_linalg_multi_dot(arrays, out=None):
    """np.linalg.multi_dot(arrays, *, out=None)"""
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    product = _chain(arrays)
    if out is None:
        return product
    out[...] = product
    return out


def _chain(arrays):
    if len(arrays) == 2:
        return np.dot(arrays[0], arrays[1])
    if len(arrays) == 3 and np.ndim(arrays[0]) == 2 and np.ndim(arrays[2]) == 2:
        return _chain_of_three(np.asarray(arrays[0]), np.asarray(arrays[1]), np.asarray(arrays[2]))
    if np.ndim(arrays[0]) == 1:
        return _chain((np.dot(arrays[0], arrays[1]),) + arrays[2:])
    if np.ndim(arrays[-1]) == 1:
        return _chain(arrays[:-2] + (np.dot(arrays[-2], arrays[-1]),))
    return _chain_in_order(_as_matrices(arrays))


def _chain_of_three(a, b, c):
    left = a.shape[0] * b.shape[1] * (a.shape[1] + c.shape[1])
    right = a.shape[1] * c.shape[1] * (b.shape[1] + a.shape[0])
    if left < right:
        return np.dot(np.dot(a, b), c)
    return np.dot(a, np.dot(b, c))


def _as_matrices(arrays):
    """A list of the arrays, all of one type."""
    dtype = np.result_type(*arrays)
    return [np.array(a, dtype, order="C") for a in arrays]


def _chain_in_order(matrices):
    """The product in the order that costs least (Cormen et al., 15.2)."""
    n = len(matrices)
    cost = np.zeros((n, n))
    split = np.zeros((n, n), np.int64)
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j] = np.inf
            for k in range(i, j):
                ends = matrices[i].shape[0] * matrices[k].shape[1] * matrices[j].shape[1]
                total = cost[i, k] + cost[k + 1, j] + ends
                if total < cost[i, j]:
                    cost[i, j] = total
                    split[i, j] = k
    return _chain_part(matrices, split, 0, n - 1)


def _chain_part(matrices, split, i, j):
    if i == j:
        return matrices[i]
    k = split[i, j]
    return np.dot(_chain_part(matrices, split, i, k), _chain_part(matrices, split, k + 1, j))


# decompositions -----------------------------------------------------------------------------------


def numpy_linalg_cholesky(a, upper: "literal" = False):
    """np.linalg.cholesky(a, /, *, upper=False)"""
    x = _stacked_square(a)
    factor = np.empty(x.shape, x.dtype)
    if upper:
        failed = np._gufunc("cholesky_up", x, factor)
    else:
        failed = np._gufunc("cholesky_lo", x, factor)
    if failed:
        raise LinAlgError("Matrix is not positive definite")
    return _precise_as(factor, np.asarray(a))


def numpy_linalg_qr(a, mode: "literal" = "reduced"):
    """np.linalg.qr(a, mode="reduced")"""
    x = np.asarray(a)
    _check_stacked(x)
    work = _copy_in_double(x)
    m, n = x.shape[-2:]
    least = min(m, n)
    tau = np.empty(x.shape[:-2] + (least,), work.dtype)
    if np._gufunc("qr_r_raw", work, tau):
        raise LinAlgError("Incorrect argument found while performing QR factorization")
    if mode == "r":
        return _precise_as(np.triu(work[..., :least, :]), x)
    if mode == "raw":
        return _precise_as(np.swapaxes(work, -1, -2), x), _precise_as(tau, x)
    if mode != "reduced" and mode != "complete":
        raise ValueError("Unrecognized mode '" + mode + "'")
    columns = least
    if mode == "complete":
        columns = m
    q = np.empty(x.shape[:-1] + (columns,), work.dtype)
    if columns > least:
        failed = np._gufunc("qr_complete", work, tau, q)
    else:
        failed = np._gufunc("qr_reduced", work, tau, q)
    if failed:
        raise LinAlgError("Incorrect argument found while performing QR factorization")
    return QRResult(_precise_as(q, x), _precise_as(np.triu(work[..., :columns, :]), x))


def numpy_linalg_svd(
    a,
    full_matrices: "literal" = True,
    compute_uv: "literal" = True,
    hermitian: "literal" = False,
):
    """np.linalg.svd(a, full_matrices=True, compute_uv=True, hermitian=False)"""
    x = np.asarray(a)
    if not compute_uv:
        return _singular_values(x, hermitian)
    if hermitian:
        return _svd_of_hermitian(x)
    matrix = _stacked(x)
    m, n = matrix.shape[-2:]
    least = min(m, n)
    stack = matrix.shape[:-2]
    s = np.empty(stack + (least,), np.float64)
    if full_matrices:
        u = np.empty(stack + (m, m), matrix.dtype)
        vh = np.empty(stack + (n, n), matrix.dtype)
        failed = np._gufunc("svd_f", matrix, u, s, vh)
    else:
        u = np.empty(stack + (m, least), matrix.dtype)
        vh = np.empty(stack + (least, n), matrix.dtype)
        failed = np._gufunc("svd_s", matrix, u, s, vh)
    if failed:
        raise LinAlgError("SVD did not converge")
    return SVDResult(_precise_as(u, x), _single_or_not(s, x), _precise_as(vh, x))


def _svd_of_hermitian(x):
    values, vectors = numpy_linalg_eigh(x)
    sign = np.sign(values)
    order = np.argsort(np.abs(values), axis=-1)[..., ::-1]
    s = np.take_along_axis(np.abs(values), order, axis=-1)
    u = np.take_along_axis(vectors, order[..., None, :], axis=-1)
    sign = np.take_along_axis(sign, order, axis=-1)
    vh = np.conj(np.swapaxes(u * sign[..., None, :], -1, -2))
    return SVDResult(u, s, vh)


def _singular_values(a, hermitian: "literal"):
    if hermitian:
        values = np.abs(numpy_linalg_eigvalsh(a))
        return np.sort(values, axis=-1)[..., ::-1]
    x = _stacked(a)
    s = np.empty(x.shape[:-2] + (min(x.shape[-1], x.shape[-2]),), np.float64)
    if np._gufunc("svd", x, s):
        raise LinAlgError("SVD did not converge")
    return _single_or_not(s, a)


def numpy_linalg_svdvals(x):
    """np.linalg.svdvals(x, /)"""
    return _singular_values(np.asarray(x), False)


def _real_or_error(w):
    """Eigenvalues of a real matrix, which compiled code has to know as real before it sees them."""
    if np.any(w.imag != 0):
        raise ValueError(
            "the eigenvalues of this real matrix are complex: convert the matrix to complex"
        )
    return np.copy(w.real)


def numpy_linalg_eig(a):
    """np.linalg.eig(a); eigenvalues of real matrices must be real"""
    x = _stacked_square(a)
    _check_finite(x)
    w = np.empty(x.shape[:-1], np.complex128)
    v = np.empty(x.shape, np.complex128)
    if np._gufunc("eig", x, w, v):
        raise LinAlgError("Eigenvalues did not converge")
    source = np.asarray(a)
    if np.iscomplexobj(source):
        return EigResult(_precise_as(w, source), _precise_as(v, source))
    return EigResult(_precise_as(_real_or_error(w), source), _precise_as(np.copy(v.real), source))


def numpy_linalg_eigvals(a):
    """np.linalg.eigvals(a); those of real matrices must be real"""
    x = _stacked_square(a)
    _check_finite(x)
    w = np.empty(x.shape[:-1], np.complex128)
    if np._gufunc("eigvals", x, w):
        raise LinAlgError("Eigenvalues did not converge")
    source = np.asarray(a)
    if np.iscomplexobj(source):
        return _precise_as(w, source)
    return _precise_as(_real_or_error(w), source)


def _is_upper(UPLO):
    if UPLO == "U" or UPLO == "u":
        return True
    if UPLO == "L" or UPLO == "l":
        return False
    raise ValueError("UPLO argument must be 'L' or 'U'")


def numpy_linalg_eigh(a, UPLO="L"):
    """np.linalg.eigh(a, UPLO="L")"""
    upper = _is_upper(UPLO)
    x = _stacked_square(a)
    w = np.empty(x.shape[:-1], np.float64)
    v = np.empty(x.shape, x.dtype)
    if upper:
        failed = np._gufunc("eigh_up", x, w, v)
    else:
        failed = np._gufunc("eigh_lo", x, w, v)
    if failed:
        raise LinAlgError("Eigenvalues did not converge")
    source = np.asarray(a)
    return EighResult(_single_or_not(w, source), _precise_as(v, source))


def numpy_linalg_eigvalsh(a, UPLO="L"):
    """np.linalg.eigvalsh(a, UPLO="L")"""
    upper = _is_upper(UPLO)
    x = _stacked_square(a)
    w = np.empty(x.shape[:-1], np.float64)
    if upper:
        failed = np._gufunc("eigvalsh_up", x, w)
    else:
        failed = np._gufunc("eigvalsh_lo", x, w)
    if failed:
        raise LinAlgError("Eigenvalues did not converge")
    return _single_or_not(w, np.asarray(a))


# other names of functions of NumPy ----------------------------------------------------------------


def numpy_linalg_matrix_transpose(x):
    """np.linalg.matrix_transpose(x, /)"""
    return np.matrix_transpose(x)


def numpy_linalg_diagonal(x, offset=0):
    """np.linalg.diagonal(x, /, *, offset=0)"""
    return np.diagonal(x, offset, -2, -1)


def numpy_linalg_trace(x, offset=0, dtype: "literal" = None):
    """np.linalg.trace(x, /, *, offset=0, dtype=None)"""
    return np.trace(x, offset, -2, -1, dtype)


def numpy_linalg_matmul(x1, x2):
    """np.linalg.matmul(x1, x2, /)"""
    return np.matmul(x1, x2)


def numpy_linalg_outer(x1, x2):
    """np.linalg.outer(x1, x2, /)"""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError("Input arrays must be one-dimensional")
    return np.outer(x1, x2)


def numpy_linalg_tensordot(x1, x2, axes: "literal" = 2):
    """np.linalg.tensordot(x1, x2, /, *, axes=2)"""
    return np.tensordot(x1, x2, axes)


def numpy_linalg_vecdot(x1, x2, axis: "literal" = -1):
    """np.linalg.vecdot(x1, x2, /, *, axis=-1)"""
    return np.vecdot(x1, x2, axis=axis)


def numpy_linalg_cross(x1, x2, axis: "literal" = -1):
    """np.linalg.cross(x1, x2, /, *, axis=-1)"""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return np.cross(x1, x2, axis=axis)
