"""A compiled loop over independent rows. Planted: it runs on one CPU of several."""

import math

import numpy as np
from ferdelance import njit


@njit
def rows(a, out):
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(a.shape[1]):
            s += math.sin(a[i, j]) * math.cos(a[i, j])
        out[i] = s


def main():
    a = np.random.default_rng(9).random((3000, 3000))
    out = np.empty(len(a))
    for _ in range(10):
        rows(a, out)
    print(round(float(out.sum()), 6))


if __name__ == "__main__":
    main()
