"""Pi by processes. Prints their CPU time, in seconds: ``pi.py PROCESSES [fork|spawn]``."""

import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

STEPS = 8_000_000


def part(first, count, step):
    total = 0.0
    for i in range(first, first + count):
        x = (i + 0.5) * step
        total += 4.0 / (1.0 + x * x)
    return total


def main(processes, method):
    count = STEPS // processes
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = [pool.submit(part, k * count, count, 1 / STEPS) for k in range(processes)]
        return sum(p.result() for p in parts) / STEPS


if __name__ == "__main__":
    start = time.process_time()
    main(int(sys.argv[1]), (sys.argv[2:] or ["fork"])[0])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(time.process_time() - start + used.ru_utime + used.ru_stime)
