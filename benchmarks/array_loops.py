"""The programs of array_kernels.py as explicit loops: the form in which the peer is fastest.

They are what somebody writes who knows the peer well: one pass where one is enough, no array that
is not needed, rows kept aside where an update in place would overwrite what is still read, indices
that are seen not to be negative. Results are those of the array programs, but for rounding.

Sums of floats in the order of the loop are not vectorised. NumPy does not add in that order
either, so loops with such sums are compiled with leave to reorder: `reorder=True`. Products of
matrices stay products, which are BLAS's.
"""

import math

import numpy as np

LOOPS = {}


class Loops:
    """A program of loops and the options with which it is compiled."""

    def __init__(self, function, options):
        self.function, self.options = function, options


def loops(reorder=False):
    """Registers the loops for the kernel of the same name."""

    def register(function):
        # Without a check of each division for zero, which NumPy does not have either.
        options = {"error_model": "numpy"}
        if reorder:
            options["fastmath"] = {"reassoc", "nsz"}
        LOOPS[function.__name__] = Loops(function, options)
        return function

    return register


# ---- element-wise -------------------------------------------------------------------------------


@loops()
def axpy_chain(a, x, y, z, out):
    for i in range(out.size):
        out[i] = a * x[i] + y[i] - z[i] * 0.5


@loops()
def black_scholes(price, strike, years, rate, vol):
    call = np.empty_like(price)
    put = np.empty_like(price)
    for i in range(price.size):
        root = vol * math.sqrt(years[i])
        d1 = (math.log(price[i] / strike[i]) + (rate + 0.5 * vol * vol) * years[i]) / root
        d2 = d1 - root
        n1 = 1.0 / (1.0 + math.exp(-1.702 * d1))
        n2 = 1.0 / (1.0 + math.exp(-1.702 * d2))
        discounted = strike[i] * math.exp(-rate * years[i])
        call[i] = price[i] * n1 - discounted * n2
        put[i] = call[i] - price[i] + discounted
    return call, put


@loops()
def haversine(lat1, lon1, lat2, lon2):
    out = np.empty_like(lat1)
    for i in range(out.size):
        slat = math.sin((lat2[i] - lat1[i]) * 0.5)
        slon = math.sin((lon2[i] - lon1[i]) * 0.5)
        a = slat * slat + math.cos(lat1[i]) * math.cos(lat2[i]) * (slon * slon)
        out[i] = 2.0 * 6371.0 * math.asin(math.sqrt(a))
    return out


@loops(reorder=True)
def rosenbrock(x):
    total = 0.0
    for i in range(x.size - 1):
        d = x[i + 1] - x[i] * x[i]
        e = 1.0 - x[i]
        total += 100.0 * (d * d) + e * e
    return total


@loops()
def mandelbrot(n, limit):
    x = np.linspace(-2.0, 0.5, n)
    y = np.linspace(-1.25, 1.25, n)
    count = np.zeros((n, n), np.int64)
    for i in range(n):
        for j in range(n):
            re, im = 0.0, 0.0
            steps = 0
            while steps < limit and re * re + im * im < 4.0:
                re, im = re * re - im * im + x[j], 2.0 * re * im + y[i]
                steps += 1
            count[i, j] = steps
    return count


@loops()
def relative_change(a, b):
    out = np.empty_like(a)
    for i in range(a.size):
        out[i] = abs(a[i] - b[i]) / (abs(a[i]) + abs(b[i]) + 1e-12)
    return out


@loops()
def clip_and_scale(a, low, high):
    out = np.empty_like(a)
    width = high - low
    for i in range(a.size):
        b = a[i]
        if b < low:
            b = low
        if b > high:
            b = high
        out[i] = (b - low) / width
    return out


@loops()
def gelu(x):
    out = np.empty_like(x)
    for i in range(x.size):
        v = x[i]
        out[i] = 0.5 * v * (1.0 + math.tanh(0.7978845608 * (v + 0.044715 * v * v * v)))
    return out


@loops()
def rgb_to_gray(image):
    n = image.shape[0]
    out = np.empty(n)
    for i in range(n):
        out[i] = 0.2126 * image[i, 0] + 0.7152 * image[i, 1] + 0.0722 * image[i, 2]
    return out


# ---- reductions ---------------------------------------------------------------------------------


@loops(reorder=True)
def distance(a, b):
    total = 0.0
    top = 0.0
    for i in range(a.size):
        d = a[i] - b[i]
        total += d * d
        d = abs(d)
        top = d if d > top else top
    return math.sqrt(total) + top


@loops()
def standardise(data):
    rows, columns = data.shape
    mean = np.zeros(columns)
    std = np.zeros(columns)
    for i in range(rows):
        for j in range(columns):
            mean[j] += data[i, j]
    for j in range(columns):
        mean[j] /= rows
    for i in range(rows):
        for j in range(columns):
            d = data[i, j] - mean[j]
            std[j] += d * d
    for j in range(columns):
        std[j] = math.sqrt(std[j] / rows) + 1e-9
    out = np.empty_like(data)
    for i in range(rows):
        for j in range(columns):
            out[i, j] = (data[i, j] - mean[j]) / std[j]
    return out


@loops(reorder=True)
def softmax(x):
    rows, columns = x.shape
    out = np.empty_like(x)
    for i in range(rows):
        top = x[i, 0]
        for j in range(columns):
            top = x[i, j] if x[i, j] > top else top
        total = 0.0
        for j in range(columns):
            e = math.exp(x[i, j] - top)
            out[i, j] = e
            total += e
        for j in range(columns):
            out[i, j] /= total
    return out


@loops(reorder=True)
def log_sum_exp(x):
    rows, columns = x.shape
    out = np.empty(rows)
    for i in range(rows):
        top = x[i, 0]
        for j in range(columns):
            top = x[i, j] if x[i, j] > top else top
        total = 0.0
        for j in range(columns):
            total += math.exp(x[i, j] - top)
        out[i] = top + math.log(total)
    return out


@loops(reorder=True)
def row_norms(a):
    rows, columns = a.shape
    out = np.empty(rows)
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            total += a[i, j] * a[i, j]
        out[i] = math.sqrt(total)
    return out


@loops(reorder=True)
def skewness(x):
    n = x.size
    total = 0.0
    for i in range(n):
        total += x[i]
    mean = total / n
    m2 = 0.0
    m3 = 0.0
    for i in range(n):
        d = x[i] - mean
        m2 += d * d
        m3 += d * d * d
    return (m3 / n) / (m2 / n) ** 1.5


@loops()
def fraction_above(a, level):
    above = 0
    below = 0
    for i in range(a.size):
        above += a[i] > level
        below += a[i] < -level
    return above / a.size + below / a.size


@loops(reorder=True)
def layer_norm(x, gamma, beta):
    rows, columns = x.shape
    out = np.empty_like(x)
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            total += x[i, j]
        mean = total / columns
        total = 0.0
        for j in range(columns):
            d = x[i, j] - mean
            total += d * d
        std = math.sqrt(total / columns + 1e-5)
        for j in range(columns):
            out[i, j] = (x[i, j] - mean) / std * gamma[j] + beta[j]
    return out


# ---- stencils -----------------------------------------------------------------------------------


@loops()
def jacobi_1d(steps, a, b):
    for _ in range(steps):
        for i in range(a.size - 2):
            b[i + 1] = (a[i] + a[i + 1] + a[i + 2]) / 3.0
        for i in range(a.size - 2):
            a[i + 1] = (b[i] + b[i + 1] + b[i + 2]) / 3.0


@loops()
def jacobi_2d(steps, a, b):
    rows, columns = a.shape
    for _ in range(steps):
        for i in range(rows - 2):
            for j in range(columns - 2):
                b[i + 1, j + 1] = 0.2 * (
                    a[i + 1, j + 1] + a[i + 1, j] + a[i + 1, j + 2] + a[i + 2, j + 1] + a[i, j + 1]
                )
        for i in range(rows - 2):
            for j in range(columns - 2):
                a[i + 1, j + 1] = 0.2 * (
                    b[i + 1, j + 1] + b[i + 1, j] + b[i + 1, j + 2] + b[i + 2, j + 1] + b[i, j + 1]
                )


@loops()
def heat_3d(steps, a, b):
    planes, rows, columns = a.shape
    for _ in range(steps):
        for i in range(planes - 2):
            for j in range(rows - 2):
                for k in range(columns - 2):
                    c = a[i + 1, j + 1, k + 1]
                    b[i + 1, j + 1, k + 1] = (
                        0.125 * (a[i + 2, j + 1, k + 1] - 2.0 * c + a[i, j + 1, k + 1])
                        + 0.125 * (a[i + 1, j + 2, k + 1] - 2.0 * c + a[i + 1, j, k + 1])
                        + 0.125 * (a[i + 1, j + 1, k + 2] - 2.0 * c + a[i + 1, j + 1, k])
                        + c
                    )
        for i in range(planes - 2):
            for j in range(rows - 2):
                for k in range(columns - 2):
                    a[i + 1, j + 1, k + 1] = b[i + 1, j + 1, k + 1]


@loops()
def wave_2d(steps, u, u_old, c):
    rows, columns = u.shape
    new, old = u, u_old
    for _ in range(steps):
        # The new field takes the place of the old one, item by item.
        new, old = old, new
        for i in range(rows - 2):
            for j in range(columns - 2):
                lap = old[i + 2, j + 1] + old[i, j + 1] + old[i + 1, j + 2] + old[i + 1, j]
                lap -= 4.0 * old[i + 1, j + 1]
                new[i + 1, j + 1] = 2.0 * old[i + 1, j + 1] - new[i + 1, j + 1] + c * lap
        for j in range(columns):
            new[0, j] = old[0, j]
            new[rows - 1, j] = old[rows - 1, j]
        for i in range(rows):
            new[i, 0] = old[i, 0]
            new[i, columns - 1] = old[i, columns - 1]
    if steps % 2 == 1:
        for i in range(rows):
            for j in range(columns):
                u[i, j], u_old[i, j] = u_old[i, j], u[i, j]


@loops()
def horizontal_diffusion(field, coeff):
    rows, columns = field.shape
    # Three rows of the Laplacian and two of the flux between rows are alive at a time.
    lap = np.empty((3, columns - 2))
    flx = np.empty((2, columns - 4))
    fly = np.empty(columns - 3)
    out = np.empty((rows - 4, columns - 4))
    for i in range(rows - 2):
        now = i % 3
        for j in range(columns - 2):
            lap[now, j] = 4.0 * field[i + 1, j + 1] - (
                field[i + 2, j + 1] + field[i, j + 1] + field[i + 1, j + 2] + field[i + 1, j]
            )
        if i == 0:
            continue
        before = (i - 1) % 3
        side = i % 2
        for j in range(columns - 4):
            f = lap[now, j + 1] - lap[before, j + 1]
            g = f * (field[i + 1, j + 2] - field[i, j + 2])
            flx[side, j] = 0.0 if g > 0 else f
        if i == 1:
            continue
        for j in range(columns - 3):
            f = lap[before, j + 1] - lap[before, j]
            g = f * (field[i, j + 2] - field[i, j + 1])
            fly[j] = 0.0 if g > 0 else f
        other = 1 - side
        for j in range(columns - 4):
            out[i - 2, j] = field[i, j + 2] - coeff[i, j + 2] * (
                flx[side, j] - flx[other, j] + fly[j + 1] - fly[j]
            )
    return out


@loops()
def gray_scott(steps, u, v, f, k):
    rows, columns = u.shape
    u_above, v_above = np.empty(columns), np.empty(columns)
    lu, lv = np.empty(columns), np.empty(columns)
    for _ in range(steps):
        for j in range(columns):
            u_above[j] = u[0, j]
            v_above[j] = v[0, j]
        for i in range(rows - 2):
            # A few arrays in each loop: of many, it is not checked whether they meet.
            for j in range(columns - 2):
                lu[j] = u[i + 2, j + 1] + u_above[j + 1] + u[i + 1, j + 2] + u[i + 1, j]
                lu[j] -= 4.0 * u[i + 1, j + 1]
            for j in range(columns - 2):
                lv[j] = v[i + 2, j + 1] + v_above[j + 1] + v[i + 1, j + 2] + v[i + 1, j]
                lv[j] -= 4.0 * v[i + 1, j + 1]
            for j in range(columns):
                u_above[j] = u[i + 1, j]
                v_above[j] = v[i + 1, j]
            for j in range(columns - 2):
                uc = u[i + 1, j + 1]
                vc = v[i + 1, j + 1]
                uvv = uc * vc * vc
                u[i + 1, j + 1] = uc + 0.16 * lu[j] - uvv + f * (1.0 - uc)
                v[i + 1, j + 1] = vc + 0.08 * lv[j] + uvv - (f + k) * vc


@loops()
def fdtd_2d(steps, ex, ey, hz):
    rows, columns = hz.shape
    for t in range(steps):
        for j in range(columns):
            ey[0, j] = t
        for i in range(rows - 1):
            for j in range(columns):
                ey[i + 1, j] -= 0.5 * (hz[i + 1, j] - hz[i, j])
        for i in range(rows):
            for j in range(columns - 1):
                ex[i, j + 1] -= 0.5 * (hz[i, j + 1] - hz[i, j])
        for i in range(rows - 1):
            for j in range(columns - 1):
                hz[i, j] -= 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])


@loops()
def sobel(image):
    rows, columns = image.shape
    out = np.empty((rows - 2, columns - 2))
    for i in range(rows - 2):
        for j in range(columns - 2):
            gx = (image[i, j + 2] + 2.0 * image[i + 1, j + 2] + image[i + 2, j + 2]) - (
                image[i, j] + 2.0 * image[i + 1, j] + image[i + 2, j]
            )
            gy = (image[i + 2, j] + 2.0 * image[i + 2, j + 1] + image[i + 2, j + 2]) - (
                image[i, j] + 2.0 * image[i, j + 1] + image[i, j + 2]
            )
            out[i, j] = math.sqrt(gx * gx + gy * gy)
    return out


@loops()
def cavity_pressure(steps, p, b, dx, dy):
    rows, columns = p.shape
    above = np.empty(columns)
    here = np.empty(columns)
    dx2, dy2 = dx**2, dy**2
    weight = dx2 * dy2 / (2 * (dx2 + dy2))
    for _ in range(steps):
        for j in range(columns):
            here[j] = p[0, j]
        for i in range(rows - 2):
            above, here = here, above
            for j in range(columns):
                here[j] = p[i + 1, j]
            for j in range(columns - 2):
                p[i + 1, j + 1] = (
                    (here[j + 2] + here[j]) * dy2 + (p[i + 2, j + 1] + above[j + 1]) * dx2
                ) / (2 * (dx2 + dy2)) - weight * b[i + 1, j + 1]
        for i in range(rows):
            p[i, columns - 1] = p[i, columns - 2]
        for j in range(columns):
            p[0, j] = p[1, j]
        for i in range(rows):
            p[i, 0] = p[i, 1]
        for j in range(columns):
            p[rows - 1, j] = 0.0


@loops(reorder=True)
def moving_average(x, width):
    out = np.empty(x.size - width + 1)
    for i in range(out.size):
        total = 0.0
        for k in range(width):
            total += x[i + k]
        out[i] = total / width
    return out


@loops()
def burgers(steps, u, nu, dt, dx):
    n = u.size
    un = np.empty(n)
    left, right = dt / dx, nu * dt / dx**2
    for _ in range(steps):
        for i in range(n):
            un[i] = u[i]
        for i in range(n - 2):
            c = un[i + 1]
            u[i + 1] = c - c * left * (c - un[i]) + right * (un[i + 2] - 2 * c + un[i])
    return u


# ---- broadcasting -------------------------------------------------------------------------------


@loops(reorder=True)
def nbody_forces(pos, mass):
    n = pos.shape[0]
    x, y, z = pos[:, 0].copy(), pos[:, 1].copy(), pos[:, 2].copy()
    ax, ay, az = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        sx, sy, sz = 0.0, 0.0, 0.0
        for j in range(n):
            dx = x[j] - x[i]
            dy = y[j] - y[i]
            dz = z[j] - z[i]
            r2 = dx * dx + dy * dy + dz * dz + 0.01
            pull = mass[j] / (r2 * math.sqrt(r2))
            sx += dx * pull
            sy += dy * pull
            sz += dz * pull
        ax[i], ay[i], az[i] = sx, sy, sz
    return ax, ay, az


@loops(reorder=True)
def pairwise_distances(a, b):
    out = np.empty((a.shape[0], b.shape[0]))
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            total = 0.0
            for k in range(a.shape[1]):
                d = a[i, k] - b[j, k]
                total += d * d
            out[i, j] = math.sqrt(total)
    return out


@loops()
def outer_sum(a, b, c):
    out = np.empty_like(c)
    for i in range(a.size):
        for j in range(b.size):
            out[i, j] = a[i] * b[j] + c[i, j]
    return out


@loops()
def rbf_kernel(x, y, gamma):
    out = np.empty((x.size, y.size))
    for i in range(x.size):
        for j in range(y.size):
            d = x[i] - y[j]
            out[i, j] = math.exp(-gamma * d * d)
    return out


@loops()
def polynomial(x, c):
    y = np.empty_like(x)
    for start in range(0, x.size, 512):
        # A block stays in the first-level cache for all coefficients.
        xs = x[start : start + 512]
        ys = y[start : start + 512]
        for i in range(ys.size):
            ys[i] = 0.0
        for k in range(c.size):
            for i in range(ys.size):
                ys[i] = ys[i] * xs[i] + c[k]
    return y


# ---- linear algebra by slices -------------------------------------------------------------------


@loops(reorder=True)
def cholesky(a):
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            total = 0.0
            for k in range(j):
                total += a[i, k] * a[j, k]
            a[i, j] = (a[i, j] - total) / a[j, j]
        total = 0.0
        for k in range(i):
            total += a[i, k] * a[i, k]
        a[i, i] = math.sqrt(a[i, i] - total)
    return a


@loops()
def lu_by_rows(a):
    n = a.shape[0]
    for k in range(n):
        pivot = a[k, k + 1 :].copy()
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k] = factor
            row = a[i, k + 1 :]
            for j in range(pivot.size):
                row[j] -= factor * pivot[j]
    return a


@loops()
def gram_schmidt(a):
    rows, n = a.shape
    q = np.zeros_like(a)
    r = np.zeros((n, n))
    for k in range(n):
        total = 0.0
        for i in range(rows):
            total += a[i, k] * a[i, k]
        r[k, k] = math.sqrt(total)
        # By rows of `a`, which lie in a piece, instead of by its columns.
        products = r[k, k + 1 :]
        for i in range(rows):
            factor = a[i, k] / r[k, k]
            q[i, k] = factor
            row = a[i, k + 1 :]
            for j in range(products.size):
                products[j] += factor * row[j]
        for i in range(rows):
            factor = q[i, k]
            row = a[i, k + 1 :]
            for j in range(products.size):
                row[j] -= factor * products[j]
    return q, r


@loops()
def floyd_warshall(path):
    n = path.shape[0]
    for k in range(n):
        for i in range(n):
            first = path[i, k]
            for j in range(n):
                through = first + path[k, j]
                path[i, j] = through if through < path[i, j] else path[i, j]
    return path


@loops(reorder=True)
def trisolv(low, b):
    x = np.empty_like(b)
    for i in range(b.size):
        total = 0.0
        for j in range(i):
            total += low[i, j] * x[j]
        x[i] = (b[i] - total) / low[i, i]
    return x


@loops(reorder=True)
def atax(a, x):
    rows, columns = a.shape
    y = np.zeros(columns)
    for i in range(rows):
        total = 0.0
        for j in range(columns):
            total += a[i, j] * x[j]
        for j in range(columns):
            y[j] += a[i, j] * total
    return y


@loops(reorder=True)
def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    n = a.shape[0]
    product = np.zeros(n)
    for i in range(n):
        for j in range(n):
            a[i, j] += u1[i] * v1[j] + u2[i] * v2[j]
            product[j] += a[i, j] * y[i]
    for i in range(n):
        x[i] += beta * product[i] + z[i]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += a[i, j] * x[j]
        w[i] += alpha * total
    return w


@loops(reorder=True)
def mlp(x, w1, b1, w2, b2):
    hidden = x @ w1
    for i in range(hidden.shape[0]):
        for j in range(hidden.shape[1]):
            v = hidden[i, j] + b1[j]
            hidden[i, j] = v if v > 0.0 else 0.0
    scores = hidden @ w2
    for i in range(scores.shape[0]):
        top = scores[i, 0] + b2[0]
        for j in range(scores.shape[1]):
            scores[i, j] += b2[j]
            top = max(top, scores[i, j])
        total = 0.0
        for j in range(scores.shape[1]):
            scores[i, j] = math.exp(scores[i, j] - top)
            total += scores[i, j]
        for j in range(scores.shape[1]):
            scores[i, j] /= total
    return scores


@loops()
def two_mm(alpha, beta, a, b, c, d):
    product = a @ b @ c
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            d[i, j] = alpha * product[i, j] + beta * d[i, j]


@loops()
def covariance(data):
    rows, columns = data.shape
    mean = np.zeros(columns)
    for i in range(rows):
        for j in range(columns):
            mean[j] += data[i, j]
    for j in range(columns):
        mean[j] /= rows
    centred = np.empty_like(data)
    for i in range(rows):
        for j in range(columns):
            centred[i, j] = data[i, j] - mean[j]
    out = centred.T @ centred
    for i in range(columns):
        for j in range(columns):
            out[i, j] /= rows - 1.0
    return out


@loops()
def convolution(image, weights):
    size, _, channels, filters = weights.shape
    n = image.shape[0] - size + 1
    out = np.zeros((n, n, filters))
    for i in range(n):
        for j in range(n):
            for p in range(size):
                for q in range(size):
                    for c in range(channels):
                        v = image[i + p, j + q, c]
                        for f in range(filters):
                            out[i, j, f] += v * weights[p, q, c, f]
    return out


# ---- indexing -----------------------------------------------------------------------------------


@loops(reorder=True)
def spmv(values, columns, starts, x):
    y = np.empty(starts.size - 1)
    for i in range(y.size):
        total = 0.0
        for k in range(starts[i], starts[i + 1]):
            total += values[k] * x[columns[k]]
        y[i] = total
    return y


@loops()
def histogram(x, bins):
    low = high = x[0]
    for i in range(x.size):
        low = x[i] if x[i] < low else low
        high = x[i] if x[i] > high else high
    counts = np.zeros(bins, np.int64)
    for i in range(x.size):
        counts[int((x[i] - low) / (high - low) * (bins - 1))] += 1
    return counts


@loops(reorder=True)
def masked_update(x, y):
    total = 0.0
    for i in range(x.size):
        above = x[i] > 0.5
        total += 0.0 if above else x[i]
        x[i] = y[i] * 2.0 if above else x[i]
    return total


@loops()
def fft_by_slices(x):
    n = x.size
    data = x.copy()
    other = np.empty_like(data)
    step = n // 2
    while step >= 1:
        count = n // (2 * step)
        for k in range(count):
            angle = -math.pi * k / count
            twiddle = complex(math.cos(angle), math.sin(angle))
            for s in range(step):
                even = data[2 * k * step + s]
                odd = twiddle * data[(2 * k + 1) * step + s]
                other[k * step + s] = even + odd
                other[(k + count) * step + s] = even - odd
        data, other = other, data
        step //= 2
    return data


@loops()
def life(steps, board):
    rows, columns = board.shape
    above = np.empty_like(board[0])
    count = np.empty_like(board[0])
    for _ in range(steps):
        for j in range(columns):
            above[j] = board[0, j]
        for i in range(rows - 2):
            for j in range(columns - 2):
                n = above[j] + above[j + 1] + above[j + 2] + board[i + 1, j] + board[i + 1, j + 2]
                n += board[i + 2, j] + board[i + 2, j + 1] + board[i + 2, j + 2]
                count[j] = n
            for j in range(columns):
                above[j] = board[i + 1, j]
            for j in range(columns - 2):
                alive = (count[j] == 3) | ((above[j + 1] == 1) & (count[j] == 2))
                board[i + 1, j + 1] = alive
    return board


@loops()
def lorenz_ensemble(steps, x, y, z, dt):
    ox, oy, oz = np.empty_like(x), np.empty_like(y), np.empty_like(z)
    for i in range(x.size):
        a, b, c = x[i], y[i], z[i]
        for _ in range(steps):
            da = 10.0 * (b - a)
            db = a * (28.0 - c) - b
            dc = a * b - 8.0 / 3.0 * c
            a += dt * da
            b += dt * db
            c += dt * dc
        ox[i], oy[i], oz[i] = a, b, c
    return ox, oy, oz


@loops(reorder=True)
def logistic_gradient(x, y, w):
    gradient = 0.0
    loss = 0.0
    for i in range(x.size):
        p = 1.0 / (1.0 + math.exp(-(x[i] * w)))
        gradient += (p - y[i]) * x[i]
        loss += y[i] * math.log(p) + (1.0 - y[i]) * math.log(1.0 - p)
    return gradient / x.size, -loss / x.size
