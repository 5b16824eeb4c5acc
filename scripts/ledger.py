#!/usr/bin/env python3
"""Brings tests/ledger.json, the expected failures of the conformance corpus, up to date.

    .venv/bin/python scripts/ledger.py                  run everything, strike what passes now
    .venv/bin/python scripts/ledger.py --only lists     one area
    .venv/bin/python scripts/ledger.py --accept         also enter cases that fail and did not

A case keeps the reason it was entered with. A reason that begins with "unstable" marks a case
that may pass or fail; such entries are never struck here.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEDGER = ROOT / "tests" / "ledger.json"
RUN = ROOT / "tests" / "conformance" / "run.py"
REASON_WIDTH = 90
JOBS = 2
LIMIT = 60.0


def read_ledger() -> dict[str, dict[str, str]]:
    return json.loads(LEDGER.read_text()) if LEDGER.exists() else {}


def run_corpus(
    only: str | None = None, jobs: int = JOBS, limit: float = LIMIT
) -> dict[str, dict[str, dict]]:
    """What run.py says: area -> case -> {"ok", "why"}."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, RUN, "--python", sys.executable, "--min", "0"]
        command += ["--jobs", str(jobs), "--limit", str(limit), "--json", out.name]
        command += ["--only", only] if only else []
        subprocess.run(command, check=True)
        return json.loads(pathlib.Path(out.name).read_text())


def shorten(why: str) -> str:
    """The message without the picture of the source that follows it."""
    line = " ".join(re.split(r"[|\s]*-->", why)[0].split())
    return line if len(line) <= REASON_WIDTH else line[: REASON_WIDTH - 1] + "…"


def unstable(reason: str) -> bool:
    return reason.startswith("unstable")


def compare(results: dict[str, dict], expected: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Of one area: the cases that fail and are not in the ledger (with why), and those that are in
    it and pass or are gone."""
    fails = {
        name: shorten(r["why"])
        for name, r in results.items()
        if not r["ok"] and name not in expected
    }
    passes = [
        name
        for name, reason in expected.items()
        if not unstable(reason) and results.get(name, {"ok": True})["ok"]
    ]
    return fails, passes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="AREA")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a case may take")
    parser.add_argument("--accept", action="store_true", help="enter new failures too")
    options = parser.parse_args()

    ledger = read_ledger()
    new, struck = 0, 0
    for area, results in run_corpus(options.only, options.jobs, options.limit).items():
        expected = ledger.setdefault(area, {})
        fails, passes = compare(results, expected)
        for name in passes:
            del expected[name]
        struck += len(passes)
        new += len(fails)
        for name, why in fails.items():
            if options.accept:
                expected[name] = why
            else:
                print(f"new failure: {area}::{name}: {why}")
    kept = {area: dict(sorted(cases.items())) for area, cases in sorted(ledger.items()) if cases}
    LEDGER.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    left = sum(map(len, kept.values()))
    print(f"struck {struck}, {'entered' if options.accept else 'not entered'} {new}, left {left}")
    return 1 if new and not options.accept else 0


if __name__ == "__main__":
    sys.exit(main())
