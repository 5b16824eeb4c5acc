"""A curve is fitted by a search. Planted: the inner function that the search calls is slow."""

import math

import numpy as np


def search(error, low, high, rounds):
    """Where a function of one variable is least, by golden section."""
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = error(a), error(b)
    for _ in range(rounds):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = error(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = error(b)
    return (low + high) / 2.0


def calibrate(times, values, weight):
    """The rate of decay that fits best."""

    def error(rate):
        total = 0.0
        for i in range(len(times)):
            difference = math.exp(-rate * times[i]) - values[i]
            total += difference * difference
        return weight * total

    return search(error, 0.0, 3.0, 40)


def main():
    rng = np.random.default_rng(11)
    times = np.linspace(0.0, 4.0, 40_000)
    values = np.exp(-1.3 * times) + rng.normal(0.0, 0.01, len(times))
    print(round(calibrate(times, values, 1.0 / len(times)), 6))


if __name__ == "__main__":
    main()
