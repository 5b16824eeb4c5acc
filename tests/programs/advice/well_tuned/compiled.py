"""Already compiled, and in parallel."""

import math

import numpy as np
from ferdelance import njit, prange


@njit(parallel=True)
def field(out, n):
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            s = 0.0
            for k in range(n):
                s += math.sin(0.001 * (i + k)) * math.cos(0.001 * j)
            out[i, j] = s


def main():
    out = np.empty((600, 600))
    field(out, 60)
    print(round(float(out.sum()), 6))


if __name__ == "__main__":
    main()
