"""Functions beside NumPy's own."""

import numpy as np


def cross2d(a, b):
    """The cross product of vectors of two dimensions, a number for each pair of them."""
    x, y = np.asarray(a), np.asarray(b)
    if x.shape[-1] != 2 or y.shape[-1] != 2:
        raise ValueError(
            "Incompatible dimensions for 2D cross product\n(dimension must be 2 for both inputs)"
        )
    return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
