"""Sums over columns that came from a table. Planted: arrays of dtype object."""

import numpy as np


def total(prices, amounts):
    return (prices * amounts).sum() + (prices + amounts).max()


def main():
    rng = np.random.default_rng(6)
    prices = np.array(rng.random(200_000).tolist(), dtype=object)
    amounts = np.array(rng.integers(1, 9, 200_000).tolist(), dtype=object)
    result = 0.0
    for _ in range(30):
        result += total(prices, amounts)
    print(round(result, 3))


if __name__ == "__main__":
    main()
