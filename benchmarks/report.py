"""Tables from the figures of a run: for the terminal, docs/benchmarks.md and the results folder."""

import json
import re
import statistics

FAILS = "fails"


def values(answers, key):
    """The figures of one engine, or None when it failed."""
    if not answers or any("error" in a for a in answers):
        return None
    return [a[key] for a in answers if key in a] or None


def middle(figures, scale=1.0):
    return None if figures is None else statistics.median(figures) * scale


def ratio(above, below):
    """The median of the ratios within each round."""
    if above is None or below is None:
        return None
    return statistics.median(a / b for a, b in zip(above, below, strict=False))


def times(theirs, ours):
    """How many times as fast as the other."""
    factor = ratio(theirs, ours)
    return "" if factor is None else f"{factor:.{2 if factor < 10 else 0}f}x"


def cell(value, digits=2):
    if value is None:
        return FAILS
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.{digits}f}"


def table(title, head, rows):
    """Plain columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [title, "-" * (sum(widths) + 2 * len(widths) - 2)]
    for row in [head, *rows]:
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines) + "\n"


def start_table(found, engine):
    rows = []
    for key, title in (
        ("import", "import, on top of NumPy"),
        ("first", "first result of x + 1 after that"),
    ):
        ours, peer = (values(found["start"].get(e, []), key) for e in (engine, "numba"))
        rows.append([title, cell(middle(ours, 1e3)), cell(middle(peer, 1e3)), times(peer, ours)])
    return table("Start: fresh processes, ms", ["", engine, "numba", "vs numba"], rows)


def compile_table(found, engine):
    rows = []
    for name, answers in found["compile"].items():
        ours, peer = (values(answers.get(e, []), "seconds") for e in (engine, "numba"))
        size = middle(values(answers.get(engine, []), "code_bytes"))
        row = [name, cell(middle(ours, 1e3)), cell(middle(peer, 1e3)), times(peer, ours)]
        row.append("" if size is None else f"{size:.0f}")
        for e in (engine, "numba"):
            share = ratio(
                values(answers.get(e, []), "llvm_seconds"), values(answers.get(e, []), "seconds")
            )
            row.append("" if share is None else f"{100 * share:.0f}")
        rows.append(row)
    head = ["", engine, "numba", "vs numba", "bytes", "LLVM %", "numba's LLVM %"]
    return table("Compiling: from njit to the first result, ms", head, rows)


def call_table(found, engine):
    rows = []
    for name, answers in found["calls"].items():
        plain, ours, peer = (values(answers.get(e, []), "ns") for e in ("python", engine, "numba"))
        row = [name, *(cell(middle(v), 0) for v in (plain, ours, peer)), times(peer, ours)]
        rows.append(row)
    return table("A call: ns", ["", "python", engine, "numba", "vs numba"], rows)


def kernel_table(found, engine, key, title):
    rows = []
    for name, answers in found[key].items():
        c, ours, peer = (values(answers.get(e, []), "seconds") for e in ("c", engine, "numba"))
        row = [name, *(cell(middle(v, 1e3)) for v in (c, ours, peer))]
        row += [times(c, ours), times(peer, ours)]
        rows.append(row)
    return table(title, ["", "C", engine, "numba", "vs C", "vs numba"], rows)


def failures(groups):
    """What an engine could not do, of group -> case -> engine -> answers: a line for each error."""
    places = {}
    for group, cases in groups.items():
        for name, answers in cases.items():
            for who, given in answers.items():
                error = next((a["error"] for a in given if "error" in a), None)
                if error:
                    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", error).split())
                    places.setdefault(f"{who}: {text}", []).append(f"{group} {name}".strip())
    lines = []
    for text, where in places.items():
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        lines += [text[:100], f"    in {', '.join(where[:3])}{more}"]
    return lines


def heading(found):
    machine, versions = found["machine"], found["versions"]
    return (
        f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['system']}\n"
        f"CPython {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "\n"
    )


def render(found):
    engine, figures = found["engine"], found["scalars"]
    parts = [
        start_table(figures, engine),
        compile_table(figures, engine),
        call_table(figures, engine),
        kernel_table(
            figures,
            engine,
            "kernels",
            "Kernels: ms; C is clang -O3 -march=native -ffp-contract=off",
        ),
        kernel_table(
            figures,
            engine,
            "kernels_fastmath",
            "Kernels with fastmath=True: ms; C is clang -ffast-math",
        ),
    ]
    groups = {"start": {"": figures["start"]}}
    groups |= {key: figures[key] for key in ("compile", "calls", "kernels", "kernels_fastmath")}
    trouble = failures(groups) + figures["complaints"]
    if trouble:
        parts.append("What failed\n-----------\n" + "\n".join(trouble) + "\n")
    return "\n".join(parts)


def write(found, part, text, here):
    """Replaces the results of a part in docs/benchmarks.md and keeps all figures; says where."""
    slug = re.sub(r"[^a-z0-9]+", "-", found["machine"]["cpu"].lower()).strip("-")
    raw = here / "results" / f"{found['machine']['date']}-{slug}" / f"{part}.json"
    raw.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: found[key] for key in ("machine", "engine", "versions", part)}
    raw.write_text(json.dumps(kept) + "\n")
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    page = here.parent / "docs" / "benchmarks.md"
    before, _, rest = page.read_text().partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n```text\n{text}```\n{end}{after}")
    root = here.parent
    return f"written: {page.relative_to(root)}, {raw.relative_to(root)}"
