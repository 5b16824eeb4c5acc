"""The Mandelbrot set, pixel by pixel: in CPython, NumPy, Numba, C and ferdelance.

    make demo

The two functions are ordinary Python. Every engine computes the same image from them (NumPy and C
from a transcription); the images are compared, and the last one is written as a picture.
"""

import argparse
import ctypes
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
WIDTH, HEIGHT, ITERATIONS = 1500, 1000, 20
WINDOW = (-2.0, 1.0, -1.0, 1.0)


def mandel(x, y, max_iters):
    """After how many steps z = z*z + c leaves the circle of radius 2, for c = x + iy."""
    c = complex(x, y)
    z = 0.0j
    for i in range(max_iters):
        z = z * z + c
        if z.real * z.real + z.imag * z.imag >= 4:
            return i
    return max_iters


def create_fractal(min_x, max_x, min_y, max_y, image, iters):
    height, width = image.shape
    pixel_size_x = (max_x - min_x) / width
    pixel_size_y = (max_y - min_y) / height
    for x in range(width):
        real = min_x + x * pixel_size_x
        for y in range(height):
            imag = min_y + y * pixel_size_y
            image[y, x] = mandel(real, imag, iters)


def create_fractal_numpy(min_x, max_x, min_y, max_y, image, iters):
    """The same with whole arrays; points that left are taken out after each step."""
    height, width = image.shape
    real = min_x + np.arange(width) * ((max_x - min_x) / width)
    imag = min_y + np.arange(height) * ((max_y - min_y) / height)
    c = (real + 1j * imag[:, np.newaxis]).ravel()
    z = np.zeros_like(c)
    inside = np.arange(c.size)
    image[...] = iters
    pixels = image.reshape(-1)
    for i in range(iters):
        z = z * z + c
        left = z.real * z.real + z.imag * z.imag >= 4
        pixels[inside[left]] = i
        z, c, inside = z[~left], c[~left], inside[~left]


C_SOURCE = """
#include <stdint.h>
static int64_t mandel(double x, double y, int64_t max_iters) {
    double re = 0.0, im = 0.0;
    for (int64_t i = 0; i < max_iters; i++) {
        double t = re * re - im * im + x;
        im = re * im + im * re + y;
        re = t;
        if (re * re + im * im >= 4) return i;
    }
    return max_iters;
}
void create_fractal(double min_x, double max_x, double min_y, double max_y,
                    uint8_t *image, int64_t height, int64_t width, int64_t iters) {
    double pixel_size_x = (max_x - min_x) / width, pixel_size_y = (max_y - min_y) / height;
    for (int64_t x = 0; x < width; x++) {
        double real = min_x + x * pixel_size_x;
        for (int64_t y = 0; y < height; y++)
            image[y * width + x] = mandel(real, min_y + y * pixel_size_y, iters);
    }
}
"""
C_FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]


def best_of(function, runs=3):
    """The image and the shortest time; `function` fills the image it is given."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function(*WINDOW, image, ITERATIONS)
        times.append(time.perf_counter() - start)
    return image, min(times)


def compiled(njit):
    """Image, seconds and compile time with the decorator `njit` of Numba or ferdelance."""
    scope = globals()
    plain = mandel
    scope["mandel"] = njit(mandel)
    try:
        function = njit(create_fractal)
        start = time.perf_counter()
        function(*WINDOW, np.zeros((HEIGHT, WIDTH), np.uint8), ITERATIONS)
        first = time.perf_counter() - start
        image, seconds = best_of(function)
    finally:
        scope["mandel"] = plain
    return image, seconds, first - seconds


def run_cpython():
    return f"CPython {platform.python_version()}", *best_of(create_fractal, 1), None


def run_numpy():
    return f"NumPy {np.__version__}, whole arrays", *best_of(create_fractal_numpy), None


def run_c():
    clang = next(filter(None, map(shutil.which, ("clang-22", "clang"))), None)
    if not clang:
        return "C: no clang on this machine"
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder, "mandel.c"), pathlib.Path(folder, "mandel.so")
        source.write_text(C_SOURCE)
        start = time.perf_counter()
        subprocess.run([clang, *C_FLAGS, source, "-o", library], check=True)
        compile_time = time.perf_counter() - start
        function = ctypes.CDLL(str(library)).create_fractal
    double, size = ctypes.c_double, ctypes.c_int64
    function.argtypes = [double] * 4 + [ctypes.c_void_p] + [size] * 3
    function.restype = None

    def call(min_x, max_x, min_y, max_y, image, iters):
        function(min_x, max_x, min_y, max_y, image.ctypes.data, *image.shape, iters)

    return "C, clang -O3 -march=native", *best_of(call), compile_time


def run_numba():
    """In a process of its own: Numba may live in another environment."""
    python = sys.executable
    if not importlib.util.find_spec("numba"):
        python = HERE.parent / "benchmarks" / ".venv-numba" / "bin" / "python"
        if not python.exists():
            return "Numba: not installed (`make bench` brings it)"
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        command = [python, __file__, "--numba-into", file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        name, seconds, compile_time = json.loads(done.stdout)
        return name, np.load(file.name), seconds, compile_time


def numba_into(path):
    import numba

    image, seconds, compile_time = compiled(numba.njit)
    np.save(path, image)
    print(json.dumps([f"Numba {numba.__version__}", seconds, compile_time]))


def run_ferdelance():
    import ferdelance

    return f"ferdelance {ferdelance.__version__}", *compiled(ferdelance.njit)


def write_png(path, image):
    """An 8-bit picture with a palette: dark blue over gold to white, and black inside the set."""
    height, width = image.shape
    t = np.linspace(0, 1, ITERATIONS)[:, np.newaxis] ** 0.6
    low, middle, high = np.array([[8, 16, 64], [230, 150, 30], [255, 255, 240]])
    colours = np.where(
        t < 0.6, low + (middle - low) * t / 0.6, middle + (high - middle) * (t - 0.6) / 0.4
    )
    palette = np.vstack([colours, [[0, 0, 0]]]).astype(np.uint8)
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter, 0 for none
    rows[:, 1:] = image

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", palette.tobytes())
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


def show_an_error():
    from ferdelance import errors, njit

    @njit
    def shift(x):
        y = 2 * x
        return y + "text"

    try:
        shift(1.5)
    except errors.TypingError as error:
        print(error)


def main():
    parser = argparse.ArgumentParser(description="The Mandelbrot set with several engines.")
    parser.add_argument("--numba-into", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.numba_into:
        return numba_into(options.numba_into)

    print(f"The Mandelbrot set: {WIDTH} x {HEIGHT} pixels, {ITERATIONS} iterations, one thread\n")
    print(f"  {'engine':<30}{'seconds':>10}{'compiling':>12}{'speed-up':>11}")
    images, base = [], None
    for run in (run_cpython, run_numpy, run_numba, run_c, run_ferdelance):
        row = run()
        if isinstance(row, str):
            print(f"  {row}")
            continue
        name, image, seconds, compile_time = row
        base = base or seconds
        images.append((name, image))
        compiling = "" if compile_time is None else f"{compile_time:.3f}"
        print(f"  {name:<30}{seconds:>10.4f}{compiling:>12}{base / seconds:>10.1f}x", flush=True)

    for name, image in images:
        if not np.array_equal(image, images[0][1]):
            sys.exit(f"\n{name}: the image differs from CPython's")
    picture = HERE / "out" / "mandelbrot.png"
    write_png(picture, images[-1][1])
    print(f"\nAll {len(images)} images are equal. The picture: {os.path.relpath(picture)}")

    print("\nAnd what a mistake looks like (a number plus a string):\n")
    show_an_error()


if __name__ == "__main__":
    main()
