"""One function for all dtypes. Planted: ever other types of arguments."""

import numpy as np


def blend(a, b):
    return np.sqrt(a * 0.5 + b) + np.cos(a) - np.sin(b)


def main():
    rng = np.random.default_rng(7)
    base = rng.random(60_000)
    kinds = ["float64", "float32", "int32", "int64", "float16"]
    total = 0.0
    for _ in range(40):
        for kind in kinds:
            total += float(blend((base * 9).astype(kind), base.astype(kind)).sum())
    print(round(total, 1))


if __name__ == "__main__":
    main()
