"""A long expression over large arrays. Planted: temporary arrays, whose memory is new each time."""

import numpy as np


def energy(x, y, z):
    return 0.5 * (x * x + y * y + z * z) + 2.0 * x * y - 3.0 * y * z + 0.25 * (x - y) * (y - z)


def main():
    rng = np.random.default_rng(5)
    x, y, z = rng.random((3, 2_000_000))
    total = 0.0
    for k in range(40):
        total += energy(x, y, z)[k]
    print(round(float(total), 9))


if __name__ == "__main__":
    main()
