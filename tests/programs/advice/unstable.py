"""Readings of many sensors, smoothed by one compiled function. Planted: ever other types."""

import numpy as np
from ferdelance import njit


@njit
def smooth(values, width, scale):
    out = np.empty(len(values))
    for i in range(len(values)):
        total, count = 0.0, 0
        for j in range(max(i - width, 0), min(i + width + 1, len(values))):
            total += values[j] * scale
            count += 1
        out[i] = total / count
    return out


def main():
    rng = np.random.default_rng(5)
    total = 0.0
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "float32", "float64"):
        for step in (1, 2):
            readings = (rng.random(20_000) * 100).astype(kind)[::step]
            for scale in (1, 0.5, np.float32(0.25)):
                total += float(smooth(readings, 20, scale).sum())
    print(round(total, 3))


if __name__ == "__main__":
    main()
