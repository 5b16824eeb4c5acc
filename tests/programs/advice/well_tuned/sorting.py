"""Sorting, which NumPy does as well as anyone."""

import numpy as np


def ranks(a):
    return np.sort(a, axis=1)[:, ::100]


def main():
    rng = np.random.default_rng(2)
    total = 0.0
    for _ in range(10):
        total += ranks(rng.random((400, 4000), dtype=np.float32)).sum()
    print(total > 0)


if __name__ == "__main__":
    main()
