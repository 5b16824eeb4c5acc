"""Products of arrays: what is the runtime's, and what is a nest."""

import numpy as np


# fuse: f8[::1,:], f8[:,::1]
def matrices(a, b):
    return a @ b


# fuse: f8[:,:,::1], f8[:,::1]
def stack_into(a, b):
    np.matmul(a, b, out=a)


# fuse: f8[:,::1], f8[::1]
def vector_is_fused(a, v):
    return np.sqrt(a @ v + v)


# fuse: f8[:,::1], f8[:,::1]
def sum_of_row_products(a, b):
    return np.einsum("ij,ij->i", a, b)
