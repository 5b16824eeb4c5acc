"""Products of arrays that are compositions of simpler ones."""

import numpy as np


def numpy_dot(a, b):
    """np.dot where one of the two is a number or a sequence."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.dot(np.asarray(a), np.asarray(b))


def array_dot(array, other):
    """array.dot(other)"""
    return np.dot(array, other)


def numpy_outer(a, b, out=None):
    """np.outer: the products of all pairs of elements."""
    product = np.ravel(a)[:, None] * np.ravel(b)[None, :]
    if out is None:
        return product
    out[...] = product
    return out


def numpy_vdot(a, b):
    """np.vdot: the product of the flattened arrays, the first conjugated."""
    return np.sum(np.conj(np.ravel(a)) * np.ravel(b))


def numpy_inner(a, b):
    """np.inner: sums of products over the last dimensions."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    x = np.asarray(a)
    y = np.asarray(b)
    if y.ndim == 1:
        return np.dot(x, y)
    return np.dot(x, y.T)
