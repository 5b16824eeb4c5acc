// The kernels of kernels.rs in C, with the same semantics: no restrict, 64-bit indices.
#include <math.h>
#include <stdint.h>
#include <string.h>

void scale(double *to, const double *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = from[i] * 3.0 + 1.0;
}

double dot(const double *x, const double *y, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

double dot_fast(const double *x, const double *y, int64_t n) {
#pragma clang fp reassociate(on) contract(fast)
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

void matmul(double *c, const double *a, const double *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++) {
            double x = a[i * n + k];
            for (int64_t j = 0; j < n; j++) c[i * n + j] += x * b[k * n + j];
        }
}

static void step(const double *from, double *to, int64_t n) {
    for (int64_t i = 1; i < n - 1; i++)
        for (int64_t j = 1; j < n - 1; j++)
            to[i * n + j] = (from[(i - 1) * n + j] + from[(i + 1) * n + j] + from[i * n + j - 1] +
                             from[i * n + j + 1]) * 0.25;
}

void jacobi(double *a, double *b, int64_t n, int64_t steps) {
    for (int64_t s = 0; s < steps; s++) {
        step(a, b, n);
        step(b, a, n);
    }
}

void floyd(double *d, int64_t n) {
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                double x = d[i * n + k] + d[k * n + j], old = d[i * n + j];
                d[i * n + j] = x < old ? x : old;
            }
}

int64_t mandelbrot(int64_t n, int64_t limit) {
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double ci = i * 3.0 / n + -1.5, cr = j * 3.0 / n + -2.0, zr = 0, zi = 0;
            int64_t k = 0;
            for (; k < limit; k++) {
                double rr = zr * zr, ii = zi * zi;
                if (rr + ii > 4.0) break;
                zi = zr * 2.0 * zi + ci;
                zr = rr - ii + cr;
            }
            total += k;
        }
    return total;
}

int64_t sieve(int8_t *data, int64_t n) {
    for (int64_t i = 0; i < n; i++) data[i] = 0;
    int64_t count = 0;
    for (int64_t i = 2; i < n; i++)
        if (data[i] == 0) {
            count++;
            for (int64_t j = i * i; j < n; j += i) data[j] = 1;
        }
    return count;
}

void nbody(double **a, int64_t n) {
    double *x = a[0], *y = a[1], *z = a[2], *m = a[3], *ax = a[4], *ay = a[5], *az = a[6];
    for (int64_t i = 0; i < n; i++) {
        double sx = 0, sy = 0, sz = 0, xi = x[i], yi = y[i], zi = z[i];
        for (int64_t j = 0; j < n; j++) {
            double dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
            double d2 = 1e-3 + dx * dx + dy * dy + dz * dz;
            double f = m[j] / (d2 * sqrt(d2));
            sx += dx * f;
            sy += dy * f;
            sz += dz * f;
        }
        ax[i] = sx;
        ay[i] = sy;
        az[i] = sz;
    }
}

void elementary(double *to, const double *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = exp(-from[i]) * sin(from[i]);
}

void columns(const char *x, int64_t rows, int64_t columns, int64_t xs, int64_t xt, const char *y,
             int64_t ys, int64_t yt, char *out, int64_t os) {
    for (int64_t j = 0; j < columns; j++) {
        double s = 0;
        for (int64_t i = 0; i < rows; i++)
            s += *(const double *)(x + i * xs + j * xt) * *(const double *)(y + i * ys + j * yt);
        *(double *)(out + j * os) = s;
    }
}

void histogram(int64_t *h, const int64_t *a, int64_t n) {
    for (int64_t i = 0; i < n; i++) h[a[i] & 255]++;
}

void insertion_sort(double *a, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double x = a[i];
        int64_t j = i;
        while (j > 0 && a[j - 1] > x) {
            a[j] = a[j - 1];
            j--;
        }
        a[j] = x;
    }
}

void bilinear(const double *image, int64_t columns, const double *ys, const double *xs, double *out, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        int64_t i = (int64_t)ys[k], j = (int64_t)xs[k];
        double dy = ys[k] - i, dx = xs[k] - j, ey = 1.0 - dy, ex = 1.0 - dx;
        out[k] = image[i * columns + j] * ey * ex + image[i * columns + j + 1] * ey * dx +
                 image[(i + 1) * columns + j] * dy * ex + image[(i + 1) * columns + j + 1] * dy * dx;
    }
}

double long_function(double *u, double *v, double *x, double *y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; i++) {
        double s = 0;
        for (int64_t j = 0; j < columns; j++) s += u[i * columns + j];
        x[i] = s;
    }
    for (int64_t i = 0; i < rows; i++) {
        double mean = x[i];
        for (int64_t j = 0; j < columns; j++) {
            double d = u[i * columns + j] - mean;
            v[i * columns + j] = d * d;
        }
    }
    for (int64_t j = 0; j < columns; j++) {
        double s = 0;
        for (int64_t i = 0; i < rows; i++) {
            double p = v[i * columns + j];
            if (!(p > 10.0)) s += p;
        }
        y[j] = s;
    }
    for (int64_t i = 1; i < rows - 1; i++)
        for (int64_t j = 1; j < columns - 1; j++)
            u[i * columns + j] = (v[(i - 1) * columns + j] + v[(i + 1) * columns + j] +
                                  v[i * columns + j - 1] + v[i * columns + j + 1]) * 0.5;
    double total = 0;
    for (int64_t i = 0; i < rows; i++) {
        double s = 0;
        for (int64_t j = 0; j < columns; j++) s += sqrt(fabs(u[i * columns + j]));
        total += s;
    }
    return total;
}

void bytes(uint8_t *out, const uint8_t *x, const uint8_t *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int64_t d = (int64_t)x[i] * 3 - (int64_t)y[i];
        d = d < 0 ? 0 : d;
        out[i] = (uint8_t)(d > 255 ? 255 : d);
    }
}

void complex_(double *out, const double *x, const double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double xr = x[2 * i], xi = x[2 * i + 1], yr = y[2 * i], yi = y[2 * i + 1];
        out[2 * i] = xr * yr - xi * yi;
        out[2 * i + 1] = xr * yi + xi * yr;
    }
}

void distances(double *out, const double *x, int64_t n, int64_t dims) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double s = 0;
            for (int64_t k = 0; k < dims; k++) {
                double d = x[i * dims + k] - x[j * dims + k];
                s += d * d;
            }
            out[i * n + j] = sqrt(s);
        }
}

int64_t scan(double *out, const double *x, int64_t n) {
    double s = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        s += x[i];
        if (s > 50.0) {
            s *= 0.5;
            count++;
        }
        out[i] = s;
    }
    return count;
}

void taps(double *out, const double *x, const double *w, int64_t n) {
    for (int64_t i = 0; i < n - 6; i++) {
        double s = 0;
        for (int64_t k = 0; k < 7; k++) s += x[i + k] * w[k];
        out[i] = s;
    }
}

void life(int64_t *out, const int64_t *c, int64_t n) {
    for (int64_t i = 0; i < n - 2; i++)
        for (int64_t j = 0; j < n - 2; j++) {
            int64_t s = 0;
            for (int64_t di = 0; di < 3; di++)
                for (int64_t dj = 0; dj < 3; dj++)
                    if (di != 1 || dj != 1) s += c[(i + di) * n + j + dj];
            out[(i + 1) * n + j + 1] = s == 3 || (s == 2 && c[(i + 1) * n + j + 1]);
        }
}
