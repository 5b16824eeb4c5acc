"""Products of arrays that are compositions of simpler ones."""

import numpy as np


def _numbers(shape):
    """The number of items of an array of this shape."""
    n = 1
    for extent in shape:
        n *= extent
    return n


def _shape_text(shape):
    text = "(" + str(shape[0]) + ","
    for k in range(1, len(shape)):
        text += str(shape[k]) + ("," if k < len(shape) - 1 else "")
    return text + ")"


def numpy_matmul(x1, x2, out=None):
    """np.matmul where one of the two is no array."""
    a = np.asarray(x1)
    b = np.asarray(x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(
            "matmul: Input operand "
            + ("0" if a.ndim == 0 else "1")
            + " does not have enough dimensions (has 0, gufunc core with signature "
            "(n?,k),(k,m?)->(n?,m?) requires 1)"
        )
    return np.matmul(a, b, out)


def numpy_dot(a, b, out=None):
    """np.dot where one of the two is a number or a sequence, or the second has many dimensions."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np._into(out, np.multiply(a, b))
    x = np.asarray(a)
    y = np.asarray(b)
    if y.ndim < 3:
        return np.dot(x, y, out)
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(
            "shapes " + _shape_text(x.shape) + " and " + _shape_text(y.shape) + " not aligned: "
            + str(x.shape[-1]) + " (dim " + str(x.ndim - 1) + ") != "
            + str(y.shape[-2]) + " (dim " + str(y.ndim - 2) + ")"
        )  # fmt: skip
    return np._into(out, _contracted(x, np._axes_last(y, (-2,)), 1))


def _contracted(a, b, count: "literal"):
    """The sums of products over the last `count` dimensions of both, which are equal."""
    rows = a.shape[: a.ndim - count]
    columns = b.shape[: b.ndim - count]
    n = _numbers(a.shape[a.ndim - count :])
    left = np.ascontiguousarray(a).reshape(_numbers(rows), n)
    right = np.ascontiguousarray(b).reshape(_numbers(columns), n)
    product = left @ right.T
    if a.ndim + b.ndim == 2 * count:
        return product[0, 0]
    return product.reshape(rows + columns)


def array_dot(array, other, out=None):
    """array.dot(other, out=None)"""
    return np.dot(array, other, out)


def numpy_outer(a, b, out=None):
    """np.outer: the products of all pairs of elements."""
    return np._into(out, np.ravel(a)[:, None] * np.ravel(b)[None, :])


def numpy_vdot(a, b):
    """np.vdot: the product of the flattened arrays, the first conjugated."""
    x = np.ravel(a)
    y = np.ravel(b)
    if x.size != y.size:
        raise ValueError(
            "cannot reshape array of size " + str(y.size) + " into shape (" + str(x.size) + ",)"
        )
    return np.dot(np.conj(x), y)


def numpy_inner(a, b):
    """np.inner: sums of products over the last dimensions."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    x = np.asarray(a)
    y = np.asarray(b)
    if y.ndim < 3:
        return np.dot(x, y.T)
    return np.dot(x, np.swapaxes(y, -1, -2))


def numpy_tensordot(a, b, axes: "literal" = 2):
    """np.tensordot(a, b, axes=2)"""
    x = np.asarray(a)
    y = np.asarray(b)
    if isinstance(axes, int):
        if x.ndim < axes or y.ndim < axes:
            raise ValueError("shape-mismatch for sum")
        # The first dimensions of the second array come last.
        return _tensor_product(x, np._rotated(y, axes), axes)
    return _tensor_product_over(x, y, axes[0], axes[1])


def _tensor_product_over(a, b, first: "literal", second: "literal"):
    if isinstance(first, int):
        return _tensor_product_over(a, b, (first,), second)
    if isinstance(second, int):
        return _tensor_product_over(a, b, first, (second,))
    if len(first) != len(second):
        raise ValueError("shape-mismatch for sum")
    return _tensor_product(np._axes_last(a, first), np._axes_last(b, second), len(first))


def _tensor_product(a, b, count: "literal"):
    if a.shape[a.ndim - count :] != b.shape[b.ndim - count :]:
        raise ValueError("shape-mismatch for sum")
    return _contracted(a, b, count)


def numpy_vecdot(x1, x2, axis: "literal" = -1):
    """np.vecdot(x1, x2, /, *, axis=-1)"""
    a = np.asarray(x1)
    b = np.asarray(x2)
    if a.shape[axis] != b.shape[axis]:
        raise ValueError(
            "vecdot: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            "(n),(n)->() (size "
            + str(b.shape[axis])
            + " is different from "
            + str(a.shape[axis])
            + ")"
        )
    product = np._axes_last(np.conj(a), (axis,)) * np._axes_last(b, (axis,))
    if product.dtype == np.bool_:
        return np.any(product, axis=-1)
    return np.sum(product, axis=-1, dtype=product.dtype)


def numpy_matvec(x1, x2):
    """np.matvec(x1, x2, /)"""
    return np.matmul(x1, np.asarray(x2)[..., None])[..., 0]


def numpy_vecmat(x1, x2):
    """np.vecmat(x1, x2, /)"""
    return np.matmul(np.conj(np.asarray(x1))[..., None, :], x2)[..., 0, :]


def numpy_cross(
    a,
    b,
    axisa: "literal" = -1,
    axisb: "literal" = -1,
    axisc: "literal" = -1,
    axis: "literal" = None,
):
    """np.cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None)"""
    if axis is not None:
        return numpy_cross(a, b, axis, axis, axis)
    x = np._axes_last(np.asarray(a), (axisa,))
    y = np._axes_last(np.asarray(b), (axisb,))
    n = x.shape[-1]
    m = y.shape[-1]
    if n < 2 or n > 3 or m < 2 or m > 3:
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if n == 2 and m == 2:
        raise ValueError(
            "the cross product of vectors of two dimensions is a number, that of others a vector: "
            "compiled code has to know which; use cross2d of ferdelance.np.extensions"
        )
    shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1]) + (3,)
    result = np.empty(shape, (x[..., 0] * y[..., 0]).dtype)
    if n == 3 and m == 3:
        result[..., 0] = x[..., 1] * y[..., 2] - x[..., 2] * y[..., 1]
        result[..., 1] = x[..., 2] * y[..., 0] - x[..., 0] * y[..., 2]
    elif n == 3:
        result[..., 0] = -(x[..., 2] * y[..., 1])
        result[..., 1] = x[..., 2] * y[..., 0]
    else:
        result[..., 0] = x[..., 1] * y[..., 2]
        result[..., 1] = -(x[..., 0] * y[..., 2])
    result[..., 2] = x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
    return np.moveaxis(result, -1, axisc)


def ferdelance_np_extensions_cross2d(a, b):
    """cross2d(a, b) of ferdelance.np.extensions"""
    x = np.asarray(a)
    y = np.asarray(b)
    if x.shape[-1] != 2 or y.shape[-1] != 2:
        raise ValueError(
            "Incompatible dimensions for 2D cross product\n(dimension must be 2 for both inputs)"
        )
    return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
