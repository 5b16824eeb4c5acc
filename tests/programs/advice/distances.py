"""Pairwise distances, row by row. Planted: many calls of NumPy with three elements each."""

import numpy as np


def distance(a, b):
    d = a - b
    return np.sqrt(np.sum(d * d))


def pairwise(points):
    n = len(points)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            out[i, j] = out[j, i] = distance(points[i], points[j])
    return out


def main():
    points = np.random.default_rng(4).random((500, 3))
    print(round(float(pairwise(points).sum()), 6))


if __name__ == "__main__":
    main()
