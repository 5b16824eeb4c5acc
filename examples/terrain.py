"""Mountains that rain has worn down: a terrain is made, drops of water run over it, it is drawn.

    python examples/terrain.py [picture.png [drops]]

An ordinary program of an ordinary scientist, and slow: `examples/loop.py` finds out why, and has it
changed. The erosion is a simplified form of the one in Hans Theobald Beyer, "Implementation of a
method for hydraulic erosion" (TU München, 2015).
"""

import math
import pathlib
import struct
import sys
import zlib

import numpy as np

SIZE = 400
LIFE = 40
INERTIA, CAPACITY, EROSION, DEPOSITION, EVAPORATION = 0.3, 1.0, 0.2, 0.2, 0.02


def make_terrain(size, seed):
    """Heights between 0 and 1: noise whose spectrum falls off as that of mountains does."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.fftfreq(size)
    radius = np.hypot(frequencies[:, None], frequencies[None, :])
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((size, size))) / radius**2.2
    height = np.fft.ifft2(spectrum).real
    return (height - height.min()) / (height.max() - height.min())


def slope(height, x, y):
    """Height and gradient at a point, interpolated between the four cells around it."""
    i, j = int(x), int(y)
    u, v = x - i, y - j
    a, b = height[i, j], height[i + 1, j]
    c, d = height[i, j + 1], height[i + 1, j + 1]
    level = a * (1 - u) * (1 - v) + b * u * (1 - v) + c * (1 - u) * v + d * u * v
    return level, (b - a) * (1 - v) + (d - c) * v, (c - a) * (1 - u) + (d - b) * u


def put(height, x, y, amount):
    """Soil is laid down at a point, or taken from there: divided among the four cells around it."""
    i, j = int(x), int(y)
    u, v = x - i, y - j
    height[i, j] += amount * (1 - u) * (1 - v)
    height[i + 1, j] += amount * u * (1 - v)
    height[i, j + 1] += amount * (1 - u) * v
    height[i + 1, j + 1] += amount * u * v


def drop(height, x, y):
    """A drop of water runs downhill, takes soil with it where it is fast, and leaves it behind."""
    edge = height.shape[0] - 2
    dx = dy = 0.0
    speed, water, soil = 1.0, 1.0, 0.0
    for _ in range(LIFE):
        level, gx, gy = slope(height, x, y)
        dx = dx * INERTIA - gx * (1 - INERTIA)
        dy = dy * INERTIA - gy * (1 - INERTIA)
        length = math.sqrt(dx * dx + dy * dy)
        if length < 1e-9:
            return
        old_x, old_y = x, y
        x += dx / length
        y += dy / length
        if not (1 <= x < edge and 1 <= y < edge):
            return
        fall = slope(height, x, y)[0] - level
        room = max(-fall, 0.001) * speed * water * CAPACITY
        if fall > 0 or soil > room:
            amount = min(fall, soil) if fall > 0 else (soil - room) * DEPOSITION
        else:
            amount = -min((room - soil) * EROSION, -fall)
        soil -= amount
        put(height, old_x, old_y, amount)
        speed = math.sqrt(max(speed * speed - fall * 9.81, 0.0))
        water *= 1 - EVAPORATION


def erode(height, starts):
    for x, y in starts:
        drop(height, x, y)


def shade(height, light, picture):
    """Brightness of each cell in the light of the sun, as on a map."""
    size = height.shape[0]
    for i in range(1, size - 1):
        for j in range(1, size - 1):
            gx = (height[i + 1, j] - height[i - 1, j]) * size * 0.25
            gy = (height[i, j + 1] - height[i, j - 1]) * size * 0.25
            norm = math.sqrt(gx * gx + gy * gy + 1.0)
            bright = (light[0] * -gx + light[1] * -gy + light[2]) / norm
            picture[i, j] = int(255 * min(max(0.1 + 0.8 * bright, 0.0), 1.0))


def write_png(path, picture):
    height, width = picture.shape

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    pathlib.Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def main(path, drops):
    height = make_terrain(SIZE, seed=7)
    starts = np.random.default_rng(8).uniform(2, SIZE - 4, (drops, 2))
    erode(height, starts)
    picture = np.zeros((SIZE, SIZE), np.uint8)
    shade(height, (-0.55, -0.35, 0.76), picture)
    write_png(path, picture)


if __name__ == "__main__":
    path, drops = [*sys.argv[1:], *["terrain.png", "20000"][len(sys.argv) - 1 :]]
    main(path, int(drops))
