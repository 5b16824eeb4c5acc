"""An Asian option priced by Monte Carlo. Planted: loops that want compiling."""

import math

import numpy as np

STRIKE = 100.0


def payoff(path):
    total = 0.0
    for x in path:
        total += x
    return max(total / len(path) - STRIKE, 0.0)


def simulate(noise, s0, mu, sigma, dt):
    n, steps = noise.shape
    result = 0.0
    path = np.empty(steps)
    for i in range(n):
        s = s0
        for k in range(steps):
            s *= math.exp((mu - 0.5 * sigma * sigma) * dt + sigma * math.sqrt(dt) * noise[i, k])
            path[k] = s
        result += payoff(path)
    return result / n


def main():
    rng = np.random.default_rng(1)
    prices = []
    for sigma in (0.1, 0.2, 0.3):
        noise = rng.standard_normal((5000, 100))
        prices.append(simulate(noise, 100.0, 0.05, sigma, 0.01))
    print(prices)


if __name__ == "__main__":
    main()
