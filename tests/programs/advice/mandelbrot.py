"""A picture in bands, by a pool of processes. Planted: what runs in these is the interpreter's."""

import sys
from concurrent.futures import ProcessPoolExecutor

WIDTH, HEIGHT = 240, 160


def band(first, last, limit):
    """For each point of some rows, how long it stays near."""
    counts = []
    for row in range(first, last):
        for column in range(WIDTH):
            c = complex(-2.2 + 3.2 * column / WIDTH, -1.2 + 2.4 * row / HEIGHT)
            z, count = 0j, 0
            while count < limit and z.real * z.real + z.imag * z.imag < 4.0:
                z = z * z + c
                count += 1
            counts.append(count)
    return counts


def main():
    firsts = range(0, HEIGHT, 20)
    with ProcessPoolExecutor(2) as pool:
        bands = [pool.submit(band, first, first + 20, 600) for first in firsts]
        sys.stdout.write(f"{sum(sum(one.result()) for one in bands)}\n")


if __name__ == "__main__":
    main()
