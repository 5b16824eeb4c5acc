"""Element-wise updates of large float64 arrays in place. Planted: half the bytes would do."""

import numpy as np


def step(u, v, t):
    np.multiply(u, 0.999, out=t)
    np.add(t, v, out=v)
    np.subtract(v, t, out=u)
    np.maximum(u, v, out=t)


def main():
    rng = np.random.default_rng(8)
    u, v = rng.random((2, 3_000_000))
    t = np.empty_like(u)
    for _ in range(60):
        step(u, v, t)
    print(bool(np.isfinite(u).all()))


if __name__ == "__main__":
    main()
