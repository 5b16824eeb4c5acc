"""Stars that attract each other, as an object. Planted: the loops of its method."""

import numpy as np


class Galaxy:
    gravity = 1.0

    def __init__(self, stars, seed):
        rng = np.random.default_rng(seed)
        self.positions = rng.normal(size=(stars, 2))
        self.speeds = np.zeros((stars, 2))
        self.forces = np.zeros((stars, 2))
        self.masses = rng.random(stars)
        self.softening = 0.05
        self.time = 0.0

    def pull(self, squared, mass):
        """The force between two stars, by the square of their distance."""
        return self.gravity * mass / (squared + self.softening**2) ** 1.5

    def attract(self):
        """Sets the forces on all stars."""
        count = len(self.masses)
        for i in range(count):
            x, y = 0.0, 0.0
            for j in range(count):
                dx = self.positions[j, 0] - self.positions[i, 0]
                dy = self.positions[j, 1] - self.positions[i, 1]
                pull = self.pull(dx * dx + dy * dy, self.masses[j])
                x += pull * dx
                y += pull * dy
            self.forces[i, 0] = x
            self.forces[i, 1] = y

    def step(self, dt):
        self.attract()
        self.speeds += self.forces * dt
        self.positions += self.speeds * dt
        self.time += dt


def main():
    galaxy = Galaxy(130, 3)
    for _ in range(40):
        galaxy.step(0.001)
    print(round(galaxy.time, 3), round(float(np.abs(galaxy.speeds).sum()), 9))


if __name__ == "__main__":
    main()
