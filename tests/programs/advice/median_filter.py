"""A 3x3 median filter by loops. Planted: loops that want compiling."""

import numpy as np


def median_filter(image, out):
    height, width = image.shape
    window = np.empty(9)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            n = 0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    value = image[y + dy, x + dx]
                    k = n
                    while k > 0 and window[k - 1] > value:
                        window[k] = window[k - 1]
                        k -= 1
                    window[k] = value
                    n += 1
            out[y, x] = window[4]


def main():
    image = np.random.default_rng(3).random((260, 260))
    out = image.copy()
    median_filter(image, out)
    print(round(float(out.sum()), 6))


if __name__ == "__main__":
    main()
