"""Advice as text, for a terminal of 100 columns."""

import textwrap

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
            f"   compiled in {_time(trial.compile)} for the types that it has; it was not run by "
            "itself"
        )
    elif trial is not None:
        same = "the same result" if trial.same == "same" else "random results are not compared"
        what = "the loop" if advice.part and not advice.part.whole else "one call"
        yield (
            f"   {what}: {_time(trial.plain)} -> {_time(trial.compiled)}, "
            f"{trial.speedup:.3g} times as fast; compiled in {_time(trial.compile)}; {same}"
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


def _time(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 0.9995:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
