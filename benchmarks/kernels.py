"""The loop kernels that run in every engine.

Each kernel is a function that takes the decorator and gives back the compiled function, together
with its arguments. The functions use scalars, loops and array elements only, and write every
element of their output arrays, so that a call can be repeated. `kernels.c` has the same in C.
"""

import math

import numpy as np

KERNELS = {}


def kernel(result, *, arguments):
    """Registers a kernel: `result` is its C return type, `arguments` makes the arguments."""

    def register(build):
        KERNELS[build.__name__] = (build, result, arguments)
        return build

    return register


def random(seed=1):
    return np.random.default_rng(seed)


@kernel("void", arguments=lambda: (np.zeros((240, 360), np.uint8), 60))
def mandelbrot(njit):
    @njit
    def escape(c, limit):
        z = 0.0j
        for i in range(limit):
            z = z * z + c
            if z.real * z.real + z.imag * z.imag >= 4:
                return i
        return limit

    @njit
    def mandelbrot(image, limit):
        height, width = image.shape
        for y in range(height):
            for x in range(width):
                c = complex(-2.0 + x * (3.0 / width), -1.0 + y * (2.0 / height))
                image[y, x] = escape(c, limit)

    return mandelbrot


def planets():
    start = random().normal(size=(5, 3)) * 10
    speed = random(2).normal(size=(5, 3)) * 0.1
    mass = random(3).uniform(0.1, 1.0, 5)
    return start, speed, mass, np.empty((5, 3)), np.empty((5, 3)), 50_000


@kernel("double", arguments=planets)
def n_body(njit):
    @njit
    def n_body(start, speed, mass, pos, vel, steps):
        n = start.shape[0]
        for i in range(n):
            for k in range(3):
                pos[i, k] = start[i, k]
                vel[i, k] = speed[i, k]
        dt = 0.001
        for _ in range(steps):
            for i in range(n):
                for j in range(i + 1, n):
                    dx = pos[i, 0] - pos[j, 0]
                    dy = pos[i, 1] - pos[j, 1]
                    dz = pos[i, 2] - pos[j, 2]
                    d2 = dx * dx + dy * dy + dz * dz
                    mag = dt / (d2 * math.sqrt(d2))
                    mi = mass[i] * mag
                    mj = mass[j] * mag
                    vel[i, 0] -= dx * mj
                    vel[i, 1] -= dy * mj
                    vel[i, 2] -= dz * mj
                    vel[j, 0] += dx * mi
                    vel[j, 1] += dy * mi
                    vel[j, 2] += dz * mi
            for i in range(n):
                for k in range(3):
                    pos[i, k] += dt * vel[i, k]
        energy = 0.0
        for i in range(n):
            v2 = vel[i, 0] * vel[i, 0] + vel[i, 1] * vel[i, 1] + vel[i, 2] * vel[i, 2]
            energy += 0.5 * mass[i] * v2
        return energy

    return n_body


@kernel("double", arguments=lambda: (np.empty(250), np.empty(250), np.empty(250), 10))
def spectral_norm(njit):
    @njit
    def element(i, j):
        return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)

    @njit
    def times(v, out):
        for i in range(v.shape[0]):
            s = 0.0
            for j in range(v.shape[0]):
                s += element(i, j) * v[j]
            out[i] = s

    @njit
    def times_transposed(v, out):
        for i in range(v.shape[0]):
            s = 0.0
            for j in range(v.shape[0]):
                s += element(j, i) * v[j]
            out[i] = s

    @njit
    def spectral_norm(u, v, t, rounds):
        n = u.shape[0]
        for i in range(n):
            u[i] = 1.0
        for _ in range(rounds):
            times(u, t)
            times_transposed(t, v)
            times(v, t)
            times_transposed(t, u)
        uv = 0.0
        vv = 0.0
        for i in range(n):
            uv += u[i] * v[i]
            vv += v[i] * v[i]
        return math.sqrt(uv / vv)

    return spectral_norm


def words():
    return random().integers(0, 4, 1500), random(2).integers(0, 4, 1500), np.empty(1501, np.int64)


@kernel("int64_t", arguments=words)
def levenshtein(njit):
    @njit
    def levenshtein(a, b, row):
        for j in range(b.shape[0] + 1):
            row[j] = j
        for i in range(a.shape[0]):
            diagonal = row[0]
            row[0] = i + 1
            for j in range(b.shape[0]):
                best = diagonal
                if a[i] != b[j]:
                    best = min(diagonal, row[j], row[j + 1]) + 1
                diagonal = row[j + 1]
                row[j + 1] = best
        return row[b.shape[0]]

    return levenshtein


def matrices():
    return random().normal(size=(220, 220)), random(2).normal(size=(220, 220)), np.empty((220, 220))


@kernel("void", arguments=matrices)
def matrix_product(njit):
    @njit
    def matrix_product(a, b, c):
        for i in range(a.shape[0]):
            for j in range(b.shape[1]):
                s = 0.0
                for k in range(a.shape[1]):
                    s += a[i, k] * b[k, j]
                c[i, j] = s

    return matrix_product


@kernel("int64_t", arguments=lambda: (np.empty(2_000_000, np.uint8),))
def prime_sieve(njit):
    @njit
    def prime_sieve(composite):
        n = composite.shape[0]
        for i in range(n):
            composite[i] = 0
        count = 0
        for i in range(2, n):
            if composite[i] == 0:
                count += 1
                for j in range(i * i, n, i):
                    composite[j] = 1
        return count

    return prime_sieve


@kernel("int64_t", arguments=lambda: (60_000,))
def collatz(njit):
    @njit
    def collatz(limit):
        longest = 0
        for start in range(1, limit):
            n = start
            steps = 0
            while n != 1:
                if n % 2 == 0:
                    n = n // 2
                else:
                    n = 3 * n + 1
                steps += 1
            longest = max(longest, steps)
        return longest

    return collatz


@kernel(
    "void",
    arguments=lambda: (random().normal(size=12), np.linspace(-1, 1, 500_000), np.empty(500_000)),
)
def horner(njit):
    @njit
    def horner(coefficients, x, out):
        for i in range(x.shape[0]):
            s = 0.0
            for k in range(coefficients.shape[0]):
                s = s * x[i] + coefficients[k]
            out[i] = s

    return horner


def grid():
    return random().normal(size=(400, 400)), np.empty((400, 400)), np.empty((400, 400)), 20


@kernel("void", arguments=grid)
def stencil(njit):
    @njit
    def sweep(a, b):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])

    @njit
    def stencil(start, a, b, rounds):
        for i in range(start.shape[0]):
            for j in range(start.shape[1]):
                a[i, j] = start[i, j]
                b[i, j] = start[i, j]
        for _ in range(rounds):
            sweep(a, b)
            sweep(b, a)

    return stencil


@kernel("double", arguments=lambda: (random().normal(size=500_000), np.empty(500_000), 0.1))
def running_statistics(njit):
    @njit
    def running_statistics(x, smooth, weight):
        mean = 0.0
        m2 = 0.0
        low = x[0]
        high = x[0]
        average = x[0]
        for i in range(x.shape[0]):
            v = x[i]
            delta = v - mean
            mean += delta / (i + 1)
            m2 += delta * (v - mean)
            low = min(low, v)
            high = max(high, v)
            average = weight * v + (1 - weight) * average
            smooth[i] = average
        return m2 / x.shape[0] + (high - low)

    return running_statistics
