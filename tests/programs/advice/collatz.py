"""Whole numbers only, in `main` itself. Planted: a loop that must first become a function."""

import sys


def main(limit):
    longest, best = 0, 0
    for start in range(1, limit):
        n, steps = start, 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        if steps > longest:
            longest, best = steps, start
    sys.stdout.write(f"{best} {longest}\n")


if __name__ == "__main__":
    main(60_000)
