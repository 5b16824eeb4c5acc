"""The functions whose compile time is measured, from one operation to a nest of sixty lines.

Each is a text with `{K}` where a constant goes: every repetition compiles a function that was never
seen before, so that nothing can be answered from a store. `arguments` are what it is called with.
"""

import numpy as np

A = np.linspace(0.5, 2.0, 64)
M = A.reshape(8, 8)

PROGRAMS = {}


def program(name, text, *arguments):
    PROGRAMS[name] = (text.strip("\n"), arguments)


program(
    "x + 1",
    """
def f(x):
    return x + {K}
""",
    1,
)

program(
    "polynomial",
    """
def f(x):
    return ((x * 2.0 + {K}) * x - 1.5) * x + 0.25
""",
    0.5,
)

program(
    "branches",
    """
def f(x, y):
    if x > y:
        z = x - y
    elif x < {K}:
        z = x + y
    else:
        z = 0.0
    return z if z > 1.0 else -z
""",
    0.5,
    1.5,
)

program(
    "math functions",
    """
import math
def f(x):
    return math.sin(x) * math.exp(-x) + math.sqrt(x + {K}) + math.atan2(x, 2.0)
""",
    0.5,
)

program(
    "counted loop",
    """
def f(n):
    s = {K}
    for i in range(n):
        s += i * i
    return s
""",
    10,
)

program(
    "while loop",
    """
def f(n):
    steps = {K}
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps
""",
    27,
)

program(
    "complex loop",
    """
def f(x, y, limit):
    c = complex(x, y)
    z = 0.0j
    for i in range(limit):
        z = z * z + c
        if z.real * z.real + z.imag * z.imag >= 4.0:
            return i + {K}
    return limit
""",
    0.1,
    0.6,
    50,
)

program(
    "array element",
    """
def f(a, i):
    return a[i] + {K}
""",
    A,
    3,
)

program(
    "sum over an array",
    """
def f(a):
    s = 0.0
    for i in range(a.shape[0]):
        s += a[i] * {K}
    return s
""",
    A,
)

program(
    "matrix product",
    """
def f(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            c[i, j] = s * {K}
    return c[0, 0]
""",
    M,
    M,
    np.empty((8, 8)),
)

program(
    "edit distance",
    """
def f(a, b, row):
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
    return row[b.shape[0]] + {K}
""",
    np.arange(8) % 3,
    np.arange(9) % 4,
    np.empty(10, np.int64),
)

program(
    "nest of 60 lines",
    """
import math
def f(grid, work, flux, rounds):
    rows = grid.shape[0]
    columns = grid.shape[1]
    total = 0.0
    worst = -1.0
    row_of_worst = 0
    column_of_worst = 0
    for i in range(rows):
        for j in range(columns):
            work[i, j] = grid[i, j]
            flux[i, j] = 0.0
    for step in range(rounds):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                centre = work[i, j]
                north = work[i - 1, j]
                south = work[i + 1, j]
                west = work[i, j - 1]
                east = work[i, j + 1]
                gradient_x = 0.5 * (east - west)
                gradient_y = 0.5 * (south - north)
                steepness = math.sqrt(gradient_x * gradient_x + gradient_y * gradient_y)
                laplace = north + south + west + east - 4.0 * centre
                if steepness > 1.0:
                    conduct = 1.0 / (1.0 + steepness * {K})
                elif steepness > 0.1:
                    conduct = 1.0 - 0.5 * steepness
                else:
                    conduct = 1.0
                change = 0.2 * conduct * laplace
                if change > 0.5:
                    change = 0.5
                if change < -0.5:
                    change = -0.5
                flux[i, j] = change
                if abs(change) > worst:
                    worst = abs(change)
                    row_of_worst = i
                    column_of_worst = j
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                work[i, j] += flux[i, j]
        for i in range(rows):
            work[i, 0] = work[i, 1]
            work[i, columns - 1] = work[i, columns - 2]
        for j in range(columns):
            work[0, j] = work[1, j]
            work[rows - 1, j] = work[rows - 2, j]
        largest = 0.0
        for i in range(rows):
            line = 0.0
            for j in range(columns):
                line += abs(work[i, j])
            if line > largest:
                largest = line
        total += largest
        if worst < 1e-9:
            break
    return total + worst + row_of_worst + 0.5 * column_of_worst
""",
    M,
    np.empty((8, 8)),
    np.empty((8, 8)),
    3,
)
