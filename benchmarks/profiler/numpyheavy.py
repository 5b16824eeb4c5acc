"""Array operations, large and small. Prints the CPU time that it took, in seconds."""

import os
import sys
import time

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import numpy as np  # noqa: E402


def stencil(u, rounds):
    for _ in range(rounds):
        v = u.copy()
        v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u = v
    return u


def small(n):
    a = np.ones(16)
    for _ in range(n):
        a = a * 0.5 + np.sqrt(a)
    return a


def main(rounds):
    u = np.random.default_rng(1).random((400, 400))
    total = 0.0
    for _ in range(rounds):
        total += stencil(u, 3)[200, 200] + small(2_000)[0]
        total += (u @ u)[3, 3] + np.sort(u, axis=1)[7, 7]
    return total


if __name__ == "__main__":
    main(1)
    start = time.process_time()
    main(int(sys.argv[1]))
    print(time.process_time() - start)
