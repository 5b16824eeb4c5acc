"""Many calls of small functions. Prints the CPU time that it took, in seconds."""

import sys
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def tiny(a):
    return a + 1


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, d):
        return Point(self.x + d, self.y - d)


def loops(n):
    x = 0
    for i in range(n):
        x = tiny(x) ^ i
    return x


def objects(n):
    p = Point(0, 0)
    for _ in range(n):
        p = p.moved(1)
    return p.x


def main(rounds):
    total = 0
    for _ in range(rounds):
        total += fib(19) + loops(20_000) + objects(5_000)
    return total


if __name__ == "__main__":
    start = time.process_time()
    main(int(sys.argv[1]))
    print(time.process_time() - start)
