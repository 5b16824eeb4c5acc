"""NumPy-style programs, as users write them: what the array compiler is measured by.

A kernel is a plain function of arrays and numbers; `make(size)` gives its arguments, a fresh copy
at each call, for a working set that fits the first-level cache ("s"), the second ("m"), or neither
("l"). `loops`, where it is there, is the same program as explicit loops: the form in which the peer
is fastest.
"""

import math

import numpy as np

KERNELS = {}


class Kernel:
    """A program and how its arguments are made."""

    def __init__(self, function, make, group):
        self.function, self.make, self.group = function, make, group
        self.name = function.__name__
        self.loops = None


def kernel(group, **sizes):
    """Registers a function; `sizes` maps s, m, l to what its factory takes."""

    def register(function):
        def make(size):
            return FACTORIES[function.__name__](sizes[size], np.random.default_rng(7))

        KERNELS[function.__name__] = Kernel(function, make, group)
        return function

    return register


FACTORIES = {}


def arguments(function):
    """Registers what makes the arguments of the kernel of the same name, without its `make_`."""
    FACTORIES[function.__name__.removeprefix("make_")] = function
    return function


# ---- element-wise -------------------------------------------------------------------------------


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def axpy_chain(a, x, y, z, out):
    out[:] = a * x + y - z * 0.5


@arguments
def make_axpy_chain(n, rng):
    return 1.5, rng.random(n), rng.random(n), rng.random(n), np.empty(n)


@kernel("transcendental", s=500, m=10_000, l=1_000_000)
def black_scholes(price, strike, years, rate, vol):
    root = vol * np.sqrt(years)
    d1 = (np.log(price / strike) + (rate + 0.5 * vol * vol) * years) / root
    d2 = d1 - root
    n1 = 1.0 / (1.0 + np.exp(-1.702 * d1))
    n2 = 1.0 / (1.0 + np.exp(-1.702 * d2))
    call = price * n1 - strike * np.exp(-rate * years) * n2
    put = call - price + strike * np.exp(-rate * years)
    return call, put


@arguments
def make_black_scholes(n, rng):
    return rng.uniform(10, 50, n), rng.uniform(10, 50, n), rng.uniform(0.5, 2, n), 0.03, 0.2


@kernel("transcendental", s=500, m=10_000, l=1_000_000)
def haversine(lat1, lon1, lat2, lon2):
    dlat = (lat2 - lat1) * 0.5
    dlon = (lon2 - lon1) * 0.5
    a = np.sin(dlat) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin(dlon) ** 2
    return 2.0 * 6371.0 * np.arcsin(np.sqrt(a))


@arguments
def make_haversine(n, rng):
    return tuple(rng.uniform(-1.5, 1.5, n) for _ in range(4))


@kernel("transcendental", s=1_000, m=20_000, l=2_000_000)
def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@arguments
def make_rosenbrock(n, rng):
    return (rng.random(n),)


@kernel("compute", s=30, m=120, l=1_000)
def mandelbrot(n, limit):
    x = np.linspace(-2.0, 0.5, n)
    y = np.linspace(-1.25, 1.25, n)
    c = x + y[:, np.newaxis] * 1j
    z = np.zeros((n, n), np.complex128)
    count = np.zeros((n, n), np.int64)
    for _ in range(limit):
        inside = z.real * z.real + z.imag * z.imag < 4.0
        z = np.where(inside, z * z + c, z)
        count += inside
    return count


@arguments
def make_mandelbrot(n, rng):
    return n, 20


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def relative_change(a, b):
    return np.abs(a - b) / (np.abs(a) + np.abs(b) + 1e-12)


@arguments
def make_relative_change(n, rng):
    return rng.random(n), rng.random(n)


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def clip_and_scale(a, low, high):
    b = np.minimum(np.maximum(a, low), high)
    return (b - low) / (high - low)


@arguments
def make_clip_and_scale(n, rng):
    return rng.standard_normal(n), -1.0, 1.0


@kernel("transcendental", s=500, m=10_000, l=1_000_000)
def gelu(x):
    return 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


@arguments
def make_gelu(n, rng):
    return (rng.standard_normal(n),)


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def rgb_to_gray(image):
    return 0.2126 * image[:, 0] + 0.7152 * image[:, 1] + 0.0722 * image[:, 2]


@arguments
def make_rgb_to_gray(n, rng):
    return (rng.random((n // 3, 3)),)


# ---- reductions ---------------------------------------------------------------------------------


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def distance(a, b):
    return np.sqrt(np.sum((a - b) ** 2)) + np.max(np.abs(a - b))


@arguments
def make_distance(n, rng):
    return rng.random(n), rng.random(n)


@kernel("memory", s=32, m=150, l=2_000)
def standardise(data):
    mean = np.mean(data, axis=0)
    std = np.std(data, axis=0)
    return (data - mean) / (std + 1e-9)


@arguments
def make_standardise(n, rng):
    return (rng.random((n, n)),)


@kernel("transcendental", s=32, m=150, l=1_000)
def softmax(x):
    top = np.max(x, axis=1)
    e = np.exp(x - top[:, np.newaxis])
    return e / np.sum(e, axis=1)[:, np.newaxis]


@arguments
def make_softmax(n, rng):
    return (rng.standard_normal((n, n)),)


@kernel("transcendental", s=32, m=150, l=1_000)
def log_sum_exp(x):
    top = np.max(x, axis=-1)
    return top + np.log(np.sum(np.exp(x - top[:, None]), axis=-1))


@arguments
def make_log_sum_exp(n, rng):
    return (rng.standard_normal((n, n)),)


@kernel("memory", s=32, m=150, l=2_000)
def row_norms(a):
    return np.sqrt((a * a).sum(axis=1))


@arguments
def make_row_norms(n, rng):
    return (rng.random((n, n)),)


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def skewness(x):
    d = x - x.mean()
    m2 = np.mean(d * d)
    m3 = np.mean(d * d * d)
    return m3 / m2**1.5


@arguments
def make_skewness(n, rng):
    return (rng.random(n),)


@kernel("memory", s=1_000, m=20_000, l=4_000_000)
def fraction_above(a, level):
    return np.mean(a > level) + np.count_nonzero(a < -level) / a.size


@arguments
def make_fraction_above(n, rng):
    return rng.standard_normal(n), 0.5


@kernel("memory", s=32, m=150, l=2_000)
def layer_norm(x, gamma, beta):
    mean = np.mean(x, axis=-1)[:, None]
    var = np.mean((x - mean) ** 2, axis=-1)[:, None]
    return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta


@arguments
def make_layer_norm(n, rng):
    return rng.random((n, n)), rng.random(n), rng.random(n)


# ---- stencils -----------------------------------------------------------------------------------


@kernel("memory", s=1_000, m=20_000, l=2_000_000)
def jacobi_1d(steps, a, b):
    for _ in range(steps):
        b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) / 3.0
        a[1:-1] = (b[:-2] + b[1:-1] + b[2:]) / 3.0


@arguments
def make_jacobi_1d(n, rng):
    return 4, rng.random(n), rng.random(n)


@kernel("memory", s=32, m=150, l=1_500)
def jacobi_2d(steps, a, b):
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
        )
        a[1:-1, 1:-1] = 0.2 * (
            b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
        )


@arguments
def make_jacobi_2d(n, rng):
    return 4, rng.random((n, n)), rng.random((n, n))


@kernel("memory", s=10, m=28, l=150)
def heat_3d(steps, a, b):
    for _ in range(steps):
        b[1:-1, 1:-1, 1:-1] = (
            0.125 * (a[2:, 1:-1, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[:-2, 1:-1, 1:-1])
            + 0.125 * (a[1:-1, 2:, 1:-1] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, :-2, 1:-1])
            + 0.125 * (a[1:-1, 1:-1, 2:] - 2.0 * a[1:-1, 1:-1, 1:-1] + a[1:-1, 1:-1, :-2])
            + a[1:-1, 1:-1, 1:-1]
        )
        a[1:-1, 1:-1, 1:-1] = b[1:-1, 1:-1, 1:-1]


@arguments
def make_heat_3d(n, rng):
    return 2, rng.random((n, n, n)), rng.random((n, n, n))


@kernel("memory", s=32, m=150, l=1_500)
def wave_2d(steps, u, u_old, c):
    for _ in range(steps):
        lap = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        new = 2.0 * u[1:-1, 1:-1] - u_old[1:-1, 1:-1] + c * lap
        u_old[:] = u
        u[1:-1, 1:-1] = new


@arguments
def make_wave_2d(n, rng):
    return 4, rng.random((n, n)), rng.random((n, n)), 0.1


@kernel("memory", s=24, m=100, l=800)
def horizontal_diffusion(field, coeff):
    lap = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    flx = lap[1:, 1:-1] - lap[:-1, 1:-1]
    flx = np.where(flx * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0, 0.0, flx)
    fly = lap[1:-1, 1:] - lap[1:-1, :-1]
    fly = np.where(fly * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0, 0.0, fly)
    return field[2:-2, 2:-2] - coeff[2:-2, 2:-2] * (
        flx[1:, :] - flx[:-1, :] + fly[:, 1:] - fly[:, :-1]
    )


@arguments
def make_horizontal_diffusion(n, rng):
    return rng.random((n, n)), rng.random((n, n))


@kernel("memory", s=32, m=150, l=1_500)
def gray_scott(steps, u, v, f, k):
    for _ in range(steps):
        lu = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        lv = v[2:, 1:-1] + v[:-2, 1:-1] + v[1:-1, 2:] + v[1:-1, :-2] - 4.0 * v[1:-1, 1:-1]
        uc = u[1:-1, 1:-1]
        vc = v[1:-1, 1:-1]
        uvv = uc * vc * vc
        u[1:-1, 1:-1] = uc + 0.16 * lu - uvv + f * (1.0 - uc)
        v[1:-1, 1:-1] = vc + 0.08 * lv + uvv - (f + k) * vc


@arguments
def make_gray_scott(n, rng):
    return 4, rng.random((n, n)), rng.random((n, n)), 0.06, 0.062


@kernel("memory", s=32, m=150, l=1_000)
def fdtd_2d(steps, ex, ey, hz):
    for t in range(steps):
        ey[0, :] = t
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


@arguments
def make_fdtd_2d(n, rng):
    return 4, rng.random((n, n)), rng.random((n, n)), rng.random((n, n))


@kernel("memory", s=32, m=150, l=1_500)
def sobel(image):
    gx = (image[:-2, 2:] + 2.0 * image[1:-1, 2:] + image[2:, 2:]) - (
        image[:-2, :-2] + 2.0 * image[1:-1, :-2] + image[2:, :-2]
    )
    gy = (image[2:, :-2] + 2.0 * image[2:, 1:-1] + image[2:, 2:]) - (
        image[:-2, :-2] + 2.0 * image[:-2, 1:-1] + image[:-2, 2:]
    )
    return np.sqrt(gx * gx + gy * gy)


@arguments
def make_sobel(n, rng):
    return (rng.random((n, n)),)


@kernel("memory", s=32, m=100, l=500)
def cavity_pressure(steps, p, b, dx, dy):
    for _ in range(steps):
        pn = p.copy()
        p[1:-1, 1:-1] = (
            (pn[1:-1, 2:] + pn[1:-1, :-2]) * dy**2 + (pn[2:, 1:-1] + pn[:-2, 1:-1]) * dx**2
        ) / (2 * (dx**2 + dy**2)) - dx**2 * dy**2 / (2 * (dx**2 + dy**2)) * b[1:-1, 1:-1]
        p[:, -1] = p[:, -2]
        p[0, :] = p[1, :]
        p[:, 0] = p[:, 1]
        p[-1, :] = 0


@arguments
def make_cavity_pressure(n, rng):
    return 4, rng.random((n, n)), rng.random((n, n)), 0.05, 0.05


@kernel("memory", s=1_000, m=20_000, l=2_000_000)
def moving_average(x, width):
    out = np.zeros(x.size - width + 1)
    for k in range(width):
        out += x[k : k + out.size]
    return out / width


@arguments
def make_moving_average(n, rng):
    return rng.random(n), 5


@kernel("memory", s=1_000, m=20_000, l=2_000_000)
def burgers(steps, u, nu, dt, dx):
    for _ in range(steps):
        un = u.copy()
        u[1:-1] = (
            un[1:-1]
            - un[1:-1] * dt / dx * (un[1:-1] - un[:-2])
            + nu * dt / dx**2 * (un[2:] - 2 * un[1:-1] + un[:-2])
        )
    return u


@arguments
def make_burgers(n, rng):
    return 4, rng.random(n), 0.07, 0.001, 0.1


# ---- broadcasting -------------------------------------------------------------------------------


@kernel("compute", s=32, m=150, l=1_200)
def nbody_forces(pos, mass):
    x = pos[:, 0:1]
    y = pos[:, 1:2]
    z = pos[:, 2:3]
    dx = x.T - x
    dy = y.T - y
    dz = z.T - z
    inv = 1.0 / (dx * dx + dy * dy + dz * dz + 0.01) ** 1.5
    ax = np.sum(dx * inv * mass, axis=1)
    ay = np.sum(dy * inv * mass, axis=1)
    az = np.sum(dz * inv * mass, axis=1)
    return ax, ay, az


@arguments
def make_nbody_forces(n, rng):
    return rng.standard_normal((n, 3)), rng.random(n)


@kernel("compute", s=24, m=100, l=700)
def pairwise_distances(a, b):
    return np.sqrt(np.sum((a[:, None, :] - b[None, :, :]) ** 2, axis=2))


@arguments
def make_pairwise_distances(n, rng):
    return rng.random((n, 4)), rng.random((n, 4))


@kernel("memory", s=32, m=150, l=1_500)
def outer_sum(a, b, c):
    return a[:, None] * b[None, :] + c


@arguments
def make_outer_sum(n, rng):
    return rng.random(n), rng.random(n), rng.random((n, n))


@kernel("transcendental", s=24, m=100, l=700)
def rbf_kernel(x, y, gamma):
    d = x[:, None] - y[None, :]
    return np.exp(-gamma * d * d)


@arguments
def make_rbf_kernel(n, rng):
    return rng.random(n), rng.random(n), 0.5


@kernel("compute", s=500, m=10_000, l=500_000)
def polynomial(x, c):
    y = np.zeros_like(x)
    for k in range(c.size):
        y = y * x + c[k]
    return y


@arguments
def make_polynomial(n, rng):
    return rng.random(n), rng.random(8)


# ---- linear algebra by slices -------------------------------------------------------------------


@kernel("compute", s=24, m=80, l=400)
def cholesky(a):
    n = a.shape[0]
    a[0, 0] = np.sqrt(a[0, 0])
    for i in range(1, n):
        for j in range(i):
            a[i, j] -= np.sum(a[i, :j] * a[j, :j])
            a[i, j] /= a[j, j]
        a[i, i] -= np.sum(a[i, :i] * a[i, :i])
        a[i, i] = np.sqrt(a[i, i])
    return a


@arguments
def make_cholesky(n, rng):
    m = rng.random((n, n))
    return (m @ m.T + n * np.eye(n),)


@kernel("compute", s=24, m=80, l=400)
def lu_by_rows(a):
    n = a.shape[0]
    for k in range(n):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k : k + 1] * a[k : k + 1, k + 1 :]
    return a


@arguments
def make_lu_by_rows(n, rng):
    return (rng.random((n, n)) + n * np.eye(n),)


@kernel("compute", s=24, m=80, l=300)
def gram_schmidt(a):
    n = a.shape[1]
    q = np.zeros_like(a)
    r = np.zeros((n, n))
    for k in range(n):
        r[k, k] = np.sqrt(np.sum(a[:, k] * a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, n):
            r[k, j] = np.sum(q[:, k] * a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return q, r


@arguments
def make_gram_schmidt(n, rng):
    return (rng.random((n, n)) + np.eye(n),)


@kernel("compute", s=24, m=80, l=500)
def floyd_warshall(path):
    n = path.shape[0]
    for k in range(n):
        path[:] = np.minimum(path, path[:, k : k + 1] + path[k : k + 1, :])
    return path


@arguments
def make_floyd_warshall(n, rng):
    return (rng.random((n, n)) * 100,)


@kernel("compute", s=24, m=80, l=400)
def trisolv(low, b):
    x = np.zeros_like(b)
    for i in range(b.size):
        x[i] = (b[i] - np.sum(low[i, :i] * x[:i])) / low[i, i]
    return x


@arguments
def make_trisolv(n, rng):
    return rng.random((n, n)) + n * np.eye(n), rng.random(n)


@kernel("compute", s=32, m=120, l=1_000)
def atax(a, x):
    y = np.zeros(a.shape[1])
    for i in range(a.shape[0]):
        y += a[i, :] * np.sum(a[i, :] * x)
    return y


@arguments
def make_atax(n, rng):
    return rng.random((n, n)), rng.random(n)


@kernel("compute", s=32, m=120, l=1_000)
def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a += u1[:, None] * v1 + u2[:, None] * v2
    x += beta * (a.T @ y) + z
    w += alpha * (a @ x)
    return w


@arguments
def make_gemver(n, rng):
    return (1.5, 1.2, rng.random((n, n)), *(rng.random(n) for _ in range(8)))


@kernel("compute", s=20, m=60, l=400)
def mlp(x, w1, b1, w2, b2):
    hidden = np.maximum(x @ w1 + b1, 0.0)
    scores = hidden @ w2 + b2
    e = np.exp(scores - np.max(scores, axis=1)[:, None])
    return e / np.sum(e, axis=1)[:, None]


@arguments
def make_mlp(n, rng):
    return (
        rng.random((n, n)),
        rng.random((n, n)),
        rng.random(n),
        rng.random((n, 10)),
        rng.random(10),
    )


@kernel("compute", s=20, m=60, l=400)
def two_mm(alpha, beta, a, b, c, d):
    d[:] = alpha * a @ b @ c + beta * d


@arguments
def make_two_mm(n, rng):
    return 1.5, 1.2, *(rng.random((n, n)) for _ in range(4))


@kernel("compute", s=32, m=120, l=600)
def covariance(data):
    centred = data - np.mean(data, axis=0)
    return centred.T @ centred / (data.shape[0] - 1.0)


@arguments
def make_covariance(n, rng):
    return (rng.random((n, n)),)


@kernel("compute", s=6, m=14, l=40)
def convolution(image, weights):
    size = weights.shape[0]
    n = image.shape[0] - size + 1
    out = np.empty((n, n, weights.shape[3]))
    for i in range(n):
        for j in range(n):
            patch = image[i : i + size, j : j + size, :]
            out[i, j, :] = np.sum(patch[:, :, :, None] * weights, axis=(0, 1, 2))
    return out


@arguments
def make_convolution(n, rng):
    return rng.random((n + 2, n + 2, 4)), rng.random((3, 3, 4, 8))


# ---- indexing -----------------------------------------------------------------------------------


@kernel("compute", s=32, m=200, l=20_000)
def spmv(values, columns, starts, x):
    y = np.empty(starts.size - 1)
    for i in range(y.size):
        part = columns[starts[i] : starts[i + 1]]
        y[i] = np.sum(values[starts[i] : starts[i + 1]] * x[part])
    return y


@arguments
def make_spmv(n, rng):
    starts = np.arange(0, 16 * (n + 1), 16)
    return rng.random(16 * n), rng.integers(0, n, 16 * n), starts, rng.random(n)


@kernel("compute", s=1_000, m=20_000, l=1_000_000)
def histogram(x, bins):
    scaled = ((x - x.min()) / (x.max() - x.min()) * (bins - 1)).astype(np.int64)
    counts = np.zeros(bins, np.int64)
    for k in range(scaled.size):
        counts[scaled[k]] += 1
    return counts


@arguments
def make_histogram(n, rng):
    return rng.random(n), 64


@kernel("memory", s=1_000, m=20_000, l=2_000_000)
def masked_update(x, y):
    mask = x > 0.5
    x[mask] = y[mask] * 2.0
    return x[~mask].sum()


@arguments
def make_masked_update(n, rng):
    return rng.random(n), rng.random(n)


@kernel("transcendental", s=64, m=1_024, l=65_536)
def fft_by_slices(x):
    n = x.size
    data = x.copy()
    step = n // 2
    while step >= 1:
        count = n // (2 * step)
        twiddle = np.exp(-2j * math.pi * np.arange(count) / (2 * count))
        even = data.reshape(2 * count, -1)
        out = np.empty((2 * count, step), np.complex128)
        for k in range(count):
            odd = twiddle[k] * even[2 * k + 1]
            out[k] = even[2 * k] + odd
            out[k + count] = even[2 * k] - odd
        data = out.reshape(n)
        step //= 2
    return data


@arguments
def make_fft_by_slices(n, rng):
    return (rng.random(n) + 1j * rng.random(n),)


@kernel("memory", s=24, m=100, l=800)
def life(steps, board):
    for _ in range(steps):
        count = (
            board[:-2, :-2]
            + board[:-2, 1:-1]
            + board[:-2, 2:]
            + board[1:-1, :-2]
            + board[1:-1, 2:]
            + board[2:, :-2]
            + board[2:, 1:-1]
            + board[2:, 2:]
        )
        inner = board[1:-1, 1:-1]
        board[1:-1, 1:-1] = (count == 3) | ((inner == 1) & (count == 2))
    return board


@arguments
def make_life(n, rng):
    return 4, rng.integers(0, 2, (n, n))


@kernel("memory", s=500, m=10_000, l=1_000_000)
def lorenz_ensemble(steps, x, y, z, dt):
    for _ in range(steps):
        dx = 10.0 * (y - x)
        dy = x * (28.0 - z) - y
        dz = x * y - 8.0 / 3.0 * z
        x = x + dt * dx
        y = y + dt * dy
        z = z + dt * dz
    return x, y, z


@arguments
def make_lorenz_ensemble(n, rng):
    return 5, rng.random(n), rng.random(n), rng.random(n), 0.01


@kernel("transcendental", s=500, m=10_000, l=500_000)
def logistic_gradient(x, y, w):
    p = 1.0 / (1.0 + np.exp(-(x * w)))
    return np.sum((p - y) * x) / x.size, -np.mean(y * np.log(p) + (1.0 - y) * np.log(1.0 - p))


@arguments
def make_logistic_gradient(n, rng):
    return rng.standard_normal(n), rng.integers(0, 2, n).astype(np.float64), 0.3
