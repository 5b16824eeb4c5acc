// The kernels of kernels.py as a C programmer would write them. An array comes as its address
// followed by its extents. Nothing is declared `restrict`: the other engines may assume nothing
// of the kind either.
#include <math.h>
#include <stdint.h>

typedef int64_t i64;

static i64 escape(double re, double im, i64 limit) {
    double x = 0, y = 0;
    for (i64 i = 0; i < limit; i++) {
        double t = x * x - y * y + re;
        y = x * y + y * x + im;
        x = t;
        if (x * x + y * y >= 4) return i;
    }
    return limit;
}

void mandelbrot(uint8_t *image, i64 height, i64 width, i64 limit) {
    for (i64 y = 0; y < height; y++)
        for (i64 x = 0; x < width; x++)
            image[y * width + x] = escape(-2.0 + x * (3.0 / width), -1.0 + y * (2.0 / height), limit);
}

double n_body(const double *start, i64 n, i64 s1, const double *speed, i64 v0, i64 v1,
              const double *mass, i64 m0, double *pos, i64 p0, i64 p1, double *vel, i64 w0, i64 w1,
              i64 steps) {
    for (i64 i = 0; i < 3 * n; i++) pos[i] = start[i], vel[i] = speed[i];
    double dt = 0.001;
    for (i64 step = 0; step < steps; step++) {
        for (i64 i = 0; i < n; i++)
            for (i64 j = i + 1; j < n; j++) {
                double dx = pos[3 * i] - pos[3 * j];
                double dy = pos[3 * i + 1] - pos[3 * j + 1];
                double dz = pos[3 * i + 2] - pos[3 * j + 2];
                double d2 = dx * dx + dy * dy + dz * dz;
                double mag = dt / (d2 * sqrt(d2));
                double mi = mass[i] * mag, mj = mass[j] * mag;
                vel[3 * i] -= dx * mj;
                vel[3 * i + 1] -= dy * mj;
                vel[3 * i + 2] -= dz * mj;
                vel[3 * j] += dx * mi;
                vel[3 * j + 1] += dy * mi;
                vel[3 * j + 2] += dz * mi;
            }
        for (i64 i = 0; i < 3 * n; i++) pos[i] += dt * vel[i];
    }
    double energy = 0;
    for (i64 i = 0; i < n; i++) {
        const double *v = vel + 3 * i;
        energy += 0.5 * mass[i] * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    }
    return energy;
}

static double element(i64 i, i64 j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const double *v, double *out, i64 n) {
    for (i64 i = 0; i < n; i++) {
        double s = 0;
        for (i64 j = 0; j < n; j++) s += element(i, j) * v[j];
        out[i] = s;
    }
}

static void times_transposed(const double *v, double *out, i64 n) {
    for (i64 i = 0; i < n; i++) {
        double s = 0;
        for (i64 j = 0; j < n; j++) s += element(j, i) * v[j];
        out[i] = s;
    }
}

double spectral_norm(double *u, i64 n, double *v, i64 nv, double *t, i64 nt, i64 rounds) {
    for (i64 i = 0; i < n; i++) u[i] = 1;
    for (i64 round = 0; round < rounds; round++) {
        times(u, t, n);
        times_transposed(t, v, n);
        times(v, t, n);
        times_transposed(t, u, n);
    }
    double uv = 0, vv = 0;
    for (i64 i = 0; i < n; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    return sqrt(uv / vv);
}

static i64 min(i64 a, i64 b) { return a < b ? a : b; }

i64 levenshtein(const i64 *a, i64 na, const i64 *b, i64 nb, i64 *row, i64 nrow) {
    for (i64 j = 0; j <= nb; j++) row[j] = j;
    for (i64 i = 0; i < na; i++) {
        i64 diagonal = row[0];
        row[0] = i + 1;
        for (i64 j = 0; j < nb; j++) {
            i64 best = diagonal;
            if (a[i] != b[j]) best = min(min(diagonal, row[j]), row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[nb];
}

void matrix_product(const double *a, i64 n, i64 m, const double *b, i64 m2, i64 p, double *c,
                    i64 c0, i64 c1) {
    for (i64 i = 0; i < n; i++)
        for (i64 j = 0; j < p; j++) {
            double s = 0;
            for (i64 k = 0; k < m; k++) s += a[i * m + k] * b[k * p + j];
            c[i * p + j] = s;
        }
}

i64 prime_sieve(uint8_t *composite, i64 n) {
    for (i64 i = 0; i < n; i++) composite[i] = 0;
    i64 count = 0;
    for (i64 i = 2; i < n; i++)
        if (!composite[i]) {
            count++;
            for (i64 j = i * i; j < n; j += i) composite[j] = 1;
        }
    return count;
}

i64 collatz(i64 limit) {
    i64 longest = 0;
    for (i64 start = 1; start < limit; start++) {
        i64 n = start, steps = 0;
        while (n != 1) {
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
            steps++;
        }
        if (steps > longest) longest = steps;
    }
    return longest;
}

void horner(const double *c, i64 nc, const double *x, i64 n, double *out, i64 nout) {
    for (i64 i = 0; i < n; i++) {
        double s = 0;
        for (i64 k = 0; k < nc; k++) s = s * x[i] + c[k];
        out[i] = s;
    }
}

static void sweep(const double *a, double *b, i64 n, i64 m) {
    for (i64 i = 1; i < n - 1; i++)
        for (i64 j = 1; j < m - 1; j++)
            b[i * m + j] = 0.25 * (a[(i - 1) * m + j] + a[(i + 1) * m + j] + a[i * m + j - 1]
                                   + a[i * m + j + 1]);
}

void stencil(const double *start, i64 n, i64 m, double *a, i64 a0, i64 a1, double *b, i64 b0,
             i64 b1, i64 rounds) {
    for (i64 i = 0; i < n * m; i++) a[i] = b[i] = start[i];
    for (i64 round = 0; round < rounds; round++) {
        sweep(a, b, n, m);
        sweep(b, a, n, m);
    }
}

double running_statistics(const double *x, i64 n, double *smooth, i64 ns, double weight) {
    double mean = 0, m2 = 0, low = x[0], high = x[0], average = x[0];
    for (i64 i = 0; i < n; i++) {
        double v = x[i], delta = v - mean;
        mean += delta / (i + 1);
        m2 += delta * (v - mean);
        if (v < low) low = v;
        if (v > high) high = v;
        average = weight * v + (1 - weight) * average;
        smooth[i] = average;
    }
    return m2 / n + (high - low);
}
