"""Tables of the array programs."""

import math
import statistics
import textwrap

from report import cell, middle, ratio, table, times, values

GROUPS = ("memory", "transcendental", "compute")
UNITS = {"s": ("us", 1e6), "m": ("us", 1e6), "l": ("ms", 1e3)}
PLACES = {"s": "the first-level cache", "m": "the second-level cache", "l": "memory"}
NEARLY, WORST = 0.95, 5
TWICE, OF_BANDWIDTH = 2, 0.9


def geometric_mean(factors):
    factors = [f for f in factors if f]
    return math.exp(statistics.mean(map(math.log, factors))) if factors else None


def factor(value):
    return "" if value is None else f"{value:.{2 if value < 10 else 0}f}x"


class Kernel:
    """The figures of one kernel."""

    def __init__(self, name, found, engine):
        self.name, self.engine = name, engine
        self.group, self.first = found["group"], found["first"]
        self.single, self.double = found["single"], found["double"]

    def seconds(self, engine, size):
        """One figure a round, or None where there is no result or a wrong one."""
        answers = self.single.get(size, {}).get(engine, [])
        return None if answers and answers[0].get("differs") else values(answers, "seconds")

    def best(self, family, size):
        """The form of another engine that is the fastest one: its name and seconds."""
        forms = {
            engine: seconds
            for engine in self.single.get(size, {})
            if engine.split()[0] == family and (seconds := self.seconds(engine, size))
        }
        best = min(forms, key=lambda engine: middle(forms[engine]), default=None)
        return best, forms.get(best)

    def over(self, family, size):
        """How many times as fast as the best form of another engine."""
        return ratio(self.best(family, size)[1], self.seconds(self.engine, size))

    def first_ratio(self):
        return ratio(values(self.first["numba"], "seconds"), self.first_seconds(self.engine))

    def first_seconds(self, engine):
        return values(self.first.get(engine, []), "seconds")

    def by_memory(self, size):
        """Whether it takes what the memory takes, whoever compiled it."""
        return self.group == "memory" and size == "l"

    def reaches_its_goal(self, size, limits):
        """Whether it is twice as fast as the other compiler's best form, or bound by memory."""
        over, share = self.over("numba", size), self.of_bandwidth(size, limits)
        return (over or 0) >= TWICE or (share or 0) >= OF_BANDWIDTH

    def of_bandwidth(self, size, limits):
        """The bytes that it has to move, over those that np.add moves in the time it takes."""
        seconds = middle(self.seconds(self.engine, size))
        # Calls take much of the time that the first-level cache leaves.
        if seconds is None or self.group != "memory" or size == "s":
            return None
        facts = self.single[size]["numpy"][0]
        return facts["bytes"] / seconds / bandwidth_at(limits, facts["working_set"])


def bandwidth_at(limits, working_set):
    """Bytes a second with out=, between the working sets that were measured."""
    points = [(math.log(b["working_set"]), middle(b["out"])) for b in limits["bandwidth"]]
    at = min(max(math.log(working_set), points[0][0]), points[-1][0])
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    raise AssertionError("the last point is not below itself")


def summary(found, kernels, sizes):
    head = ["", *(f"NumPy {s}" for s in sizes), *(f"Numba {s}" for s in sizes), "first call"]
    rows = []
    for group in (*GROUPS, "all"):
        chosen = [k for k in kernels if group in (k.group, "all")]
        if not chosen:
            continue
        row = [f"{group} ({len(chosen)})"]
        row += [factor(geometric_mean(k.over("numpy", s) for k in chosen)) for s in sizes]
        for size in sizes:
            counted = [k for k in chosen if group != "all" or not k.by_memory(size)]
            row.append(factor(geometric_mean(k.over("numba", size) for k in counted)))
        row.append(factor(geometric_mean(k.first_ratio() for k in chosen)))
        rows.append(row)
    title = "Array programs: times as fast as NumPy, as Numba's best form, and first calls"
    text = table(title, head, rows)
    lines = [
        "Geometric means; the last row leaves out, beside Numba, kernels that memory bounds.",
        *slower("Numba's best", kernels, sizes, "numba"),
        *slower("NumPy", kernels, sizes, "numpy"),
        f"{TWICE} times Numba's best, or {100 * OF_BANDWIDTH:.0f} % of np.add's bandwidth:",
        *(f"    {line}" for line in goals(found, kernels, sizes)),
        "Compiled unchanged, with NumPy's results:",
        *(f"    {line}" for line in unchanged(kernels, sizes)),
    ]
    return text + "\n".join(lines) + "\n"


def slower(whom, kernels, sizes, family):
    """How many are slower than another engine, and the worst of them."""
    ratios = sorted(
        (over, f"{k.name} {s} ({k.best(family, s)[0]})")
        for k in kernels
        for s in sizes
        if not (family == "numba" and k.by_memory(s)) and (over := k.over(family, s)) is not None
    )
    below = [f"    {factor(over)}  {where}" for over, where in ratios if over < NEARLY]
    return [f"Below {NEARLY} of {whom}: {len(below)} of {len(ratios)}, the worst:", *below[:WORST]]


def goals(found, kernels, sizes):
    """How many kernels reach their goal at each size, of those that the other compiler can run."""
    for size in sizes:
        chosen = [k for k in kernels if k.over("numba", size) is not None]
        reached = sum(k.reaches_its_goal(size, found["limits"]) for k in chosen)
        yield f"{reached} of {len(chosen)} at size {size}"


def unchanged(kernels, sizes):
    """How many programs each engine runs as they are."""
    engines = dict.fromkeys(e for k in kernels for e in (*k.first, *k.single[sizes[0]]))
    forms = [e for e in engines if "loops" not in e and e not in ("numpy", "pythran xsimd")]
    counts = {
        engine: sum(all(k.seconds(engine, s) for s in sizes) for k in kernels) for engine in forms
    }
    return [f"{count} of {len(kernels)} by {engine}" for engine, count in counts.items()]


def grouped(kernels):
    return [k for group in GROUPS for k in kernels if k.group == group]


def size_table(found, kernels, size, engine):
    unit, scale = UNITS[size]
    head = ["", "numpy", engine, "vs numpy", "vs numba", "its form", "vs pythran"]
    head += ["% of add"] if size != "s" else []
    rows = []
    for k in grouped(kernels):
        form = k.best("numba", size)[0]
        share = k.of_bandwidth(size, found["limits"])
        rows.append(
            [
                k.name,
                cell(middle(k.seconds("numpy", size), scale)),
                cell(middle(k.seconds(engine, size), scale)),
                factor(k.over("numpy", size)),
                factor(k.over("numba", size)),
                "" if form is None else form.partition(" ")[2] or "plain",
                factor(k.over("pythran", size)),
                *([] if size == "s" else ["" if share is None else f"{100 * share:.0f}"]),
            ]
        )
    return table(f"Arrays in {PLACES[size]} ({size}): {unit}", head, rows)


def first_table(kernels, engine, sizes):
    own = f"{engine} loops"
    head = ["", engine, "numba", "vs numba", "parallel", "loops", "own loops", *sizes]
    rows = []
    for k in grouped(kernels):
        row = [k.name]
        row += [cell(middle(k.first_seconds(e), 1e3), 1) for e in (engine, "numba")]
        row.append(factor(k.first_ratio()))
        others = ("numba parallel", "numba loops", own)
        row += [cell(middle(k.first_seconds(e), 1e3), 1) for e in others]
        row += [times(k.seconds(own, s), k.seconds(engine, s)) for s in sizes]
        rows.append(row)
    title = "First calls, ms of processor time; s, m, l: times as fast as our own loops"
    return table(title, head, rows)


def double_table(kernels, engine):
    head = ["", "numpy", engine, "speed-up", "vs numpy", "numba", "vs numba"]
    rows = []
    for k in grouped(kernels):
        answers = k.double.get("l", {})
        numpy, ours, numba = (
            None
            if (given := answers.get(e, [])) and given[0].get("differs")
            else values(given, "seconds")
            for e in ("numpy", f"{engine} parallel", "numba parallel")
        )
        alone = k.seconds(engine, "l")
        row = [k.name, cell(middle(numpy, 1e3)), cell(middle(ours, 1e3)), times(alone, ours)]
        rows.append([*row, times(numpy, ours), cell(middle(numba, 1e3)), times(numba, ours)])
    return table("Two threads, parallel=True, size l: ms", head, rows)


def limits_table(found):
    rows = [
        [
            f"{b['working_set'] / 1024:.0f} KiB",
            cell(middle(b["out"], 1e-9), 1),
            cell(middle(b["new"], 1e-9), 1),
        ]
        for b in found["limits"]["bandwidth"]
    ]
    rate = middle(found["limits"]["multiply_adds"], 1e-9)
    title = "What the machine allows, one thread: GB/s of np.add by working set"
    return (
        table(title, ["", "out=", "new array"], rows)
        + f"Products of matrices by NumPy's BLAS: {rate:.1f} multiply-adds a ns\n"
    )


def expression_table(found, engine):
    rows = []
    for e in found["expressions"]:
        numpy, ours = (
            [e["bytes"] / s for s in seconds]
            if (seconds := values(e["answers"][name], "seconds"))
            else None
            for name in ("numpy", engine)
        )
        share = ratio(ours, e["bandwidth"])
        rows.append(
            [
                e["expression"],
                e["dtype"],
                e["form"],
                *(cell(middle(v, 1e-9), 1) for v in (numpy, ours, e["bandwidth"])),
                "" if share is None else f"{100 * share:.0f}",
            ]
        )
    head = ["", "type", "into", "numpy", engine, "np.add", "%"]
    return table("Expressions that no cache holds: GB/s, beside np.add's", head, rows)


def function_table(found, engine, count):
    rows = []
    for name, types in found["functions"].items():
        row = [name]
        for dtype in ("float64", "float32"):
            numpy, ours = (values(types[dtype][e], "seconds") for e in ("numpy", engine))
            row += [cell(middle(v, 1e9 / count)) for v in (numpy, ours)] + [times(numpy, ours)]
        rows.append(row)
    head = ["", "numpy f8", f"{engine} f8", "", "numpy f4", f"{engine} f4", ""]
    return table(f"Functions of {count} items: ns for each", head, rows)


def trouble(kernels):
    """What failed and what is not NumPy's: engine and error, and for which kernels."""
    places = {}
    for k in kernels:
        for answers in (k.first, *k.single.values(), *k.double.values()):
            for engine, given in answers.items():
                for answer in given:
                    what = answer.get("differs") or answer.get("error", "").partition(":")[0]
                    if what:
                        places.setdefault(f"{engine}: {what}", {})[k.name] = None
    lines = [f"{what}: {', '.join(names)}" for what, names in places.items()]
    return [part for line in lines for part in textwrap.wrap(line, 98, subsequent_indent="    ")]


def render(found):
    engine, figures = found["engine"], found["arrays"]
    kernels = [Kernel(name, k, engine) for name, k in figures["kernels"].items()]
    sizes = list(kernels[0].single)
    parts = [summary(figures, kernels, sizes)]
    parts += [size_table(figures, kernels, size, engine) for size in sizes]
    parts.append(first_table(kernels, engine, sizes))
    if any(k.double.get("l") for k in kernels):
        parts.append(double_table(kernels, engine))
    parts.append(limits_table(figures))
    if "expressions" in figures:
        parts.append(expression_table(figures, engine))
        parts.append(function_table(figures, engine, figures["function_size"]))
    if lines := trouble(kernels):
        parts.append("What failed or differs\n----------------------\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)
