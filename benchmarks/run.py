#!/usr/bin/env python3
"""Measures ferdelance beside Numba and C, and beside NumPy and Pythran, in one run.

    make bench                                  everything
    make bench BENCH=--quick                    few repetitions, nothing written
    make bench BENCH="--part arrays"            one part
    make bench BENCH="--only jacobi_2d --size m"    some array programs, nothing written

Every engine works in a process of its own. The rounds are interleaved: one repetition of each
engine, then the next, so that whatever else the machine does meets all of them alike. Reported are
medians, and medians of the ratios within a round. The results go to docs/benchmarks.md and, with
all figures, to benchmarks/results/.
"""

import argparse
import sys

import array_report
import arrays
import report
import scalars
from array_kernels import KERNELS
from engines import HERE, machine, numba_python, versions

REPORTS = {"scalars": report, "arrays": array_report}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions, nothing written")
    parser.add_argument("--module", default="ferdelance", help="measure another module instead")
    parser.add_argument("--part", choices=list(REPORTS), help="only this part")
    parser.add_argument(
        "--only", action="append", choices=list(KERNELS), metavar="NAME", help="an array program"
    )
    parser.add_argument(
        "--size", action="append", choices=arrays.SIZES, help="a size of array programs"
    )
    return parser.parse_args()


def main():
    options = parse()
    some = options.only or options.size
    parts = ["arrays"] if some else [options.part] if options.part else list(REPORTS)
    numba = numba_python()
    pythons = {options.module: sys.executable, "numba": numba}
    if options.module == "numba":
        pythons = {"numba": numba}
    found = {"machine": machine(), "engine": options.module}
    found["versions"] = versions({**pythons, "pythran": numba})

    if "scalars" in parts:
        found["scalars"] = scalars.measure(3 if options.quick else 15, pythons)
    if "arrays" in parts:
        found["arrays"] = arrays.measure(
            options.module,
            pythons[options.module],
            numba,
            options.quick,
            options.only,
            options.size,
        )

    texts = {part: REPORTS[part].render(found) for part in parts}
    heading = report.heading(found)
    print("\n".join([heading, *texts.values()]))
    if not (options.quick or some):
        for part, text in texts.items():
            print(report.write(found, part, f"{heading}\n{text}", HERE))


if __name__ == "__main__":
    main()
