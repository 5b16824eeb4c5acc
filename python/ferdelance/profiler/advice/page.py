"""Advice as text, for a terminal of 100 columns."""

import textwrap

from .rules import duration

WIDTH = 100


def page(recording, advice, *, color=False):
    """What ``fdl advise`` prints."""
    bold = ("\033[1m", "\033[0m") if color else ("", "")
    meta = recording.meta
    samples = recording.samples
    cpu = float(samples["user"].sum() + samples["kernel"].sum())
    command = " ".join(meta["command"])
    lines = [
        bold[0] + _cut(command or "A recording") + bold[1],
        f"  {cpu:.2f} s of CPU time in {meta['elapsed']:.2f} s, {len(samples):,} samples",
    ]
    if not advice:
        lines.append("  Nothing to advise: no single change that is known here would bring much.")
    for number, one in enumerate(advice, 1):
        lines.append("")
        before = meta["elapsed"] if one.clock == "elapsed" else cpu
        lines.extend(_one(number, one, before, bold))
    return "\n".join(lines) + "\n"


def _one(number, advice, before, bold):
    place = f" ({advice.file.rpartition('/')[2]}:{advice.line})" if advice.file else ""
    title = f"{number}. {advice.title[0].upper()}{advice.title[1:]}{place}"
    yield from (bold[0] + line + bold[1] for line in _wrap(title, "", "   "))
    if advice.gain:
        is_tried = advice.trial is not None and advice.trial.compiled > 0
        tried = "tried" if is_tried else "estimated, not tried"
        clock = "of CPU time" if advice.clock == "CPU" else "elapsed"
        yield (
            f"   the program: {before:.2f} s -> {before / advice.gain:.2f} s {clock}, "
            f"{advice.gain:.2g} times as fast ({tried})"
        )
    trial = advice.trial
    if trial is not None and trial.same == "not run":
        yield (
            f"   compiled in {duration(trial.compile)} for the types that it has; it was not run "
            "by itself"
        )
    elif trial is not None:
        same = "the same result" if trial.same == "same" else "random results are not compared"
        what = "the loop" if advice.part and not advice.part.whole else "one call"
        before, after, compiling = trial.plain, trial.compiled, trial.compile
        if advice.shared:
            after, compiling = trial.parallel, trial.parallel_compile
        yield (
            f"   {what}: {duration(before)} -> {duration(after)}, {before / after:.3g} times as "
            f"fast; compiled in {duration(compiling)}; {same}"
        )
    for line in advice.evidence:
        # The compiler's messages show code: their lines stay.
        first, *others = line.splitlines()
        yield from _wrap(first, "   - ", "     ")
        yield from (_cut("     " + other) for other in others)
    if advice.diff:
        yield from ("   " + line for line in advice.diff.splitlines())


def _wrap(text, first, other):
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False
    )


def _cut(text):
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
