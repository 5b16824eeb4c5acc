"""k-means by loops over points and centres. Planted: loops that want compiling."""

import numpy as np


def nearest(point, centres):
    best, least = 0, float("inf")
    for k in range(centres.shape[0]):
        d = 0.0
        for j in range(centres.shape[1]):
            diff = point[j] - centres[k, j]
            d += diff * diff
        if d < least:
            best, least = k, d
    return best


def assign(points, centres, labels):
    changed = 0
    for i in range(points.shape[0]):
        k = nearest(points[i], centres)
        if k != labels[i]:
            labels[i] = k
            changed += 1
    return changed


def update(points, labels, k):
    sums = np.zeros((k, points.shape[1]))
    counts = np.zeros(k)
    np.add.at(sums, labels, points)
    np.add.at(counts, labels, 1)
    return sums / np.maximum(counts, 1)[:, None]


def main():
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(c, 1.0, (2000, 3)) for c in (0.0, 4.0, 8.0)])
    centres = points[[0, 1, 2]].copy()
    labels = np.full(len(points), -1)
    for _ in range(8):
        assign(points, centres, labels)
        centres = update(points, labels, len(centres))
    print(np.round(centres, 3).tolist())


if __name__ == "__main__":
    main()
