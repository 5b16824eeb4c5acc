"""The conformance corpus against the ledger of expected failures.

tests/conformance is a verbatim copy of a corpus that other projects share; tests/ledger.json names
the cases that fail today and why. Both an unexpected failure and an unexpected pass fail here, so
the ledger always tells the truth. scripts/ledger.py brings it up to date.
"""

import filecmp

import ledger
import pytest

pytestmark = pytest.mark.slow

CORPUS = ledger.RUN.parent
ORIGINAL = ledger.ROOT.parent / "shared" / "conformance"
AREAS = sorted(path.stem for path in (CORPUS / "cases").glob("*.py"))


@pytest.fixture(scope="session")
def results(request):
    """Area -> case -> {"ok", "why"}, of one run over the selected areas."""
    wanted = {
        item.callspec.params["area"]
        for item in request.session.items
        if "results" in getattr(item, "fixturenames", ())
    }
    only = wanted.pop() if len(wanted) == 1 else None
    return ledger.run_corpus(only)


@pytest.mark.parametrize("area", AREAS)
def test_area(area, results):
    fails, passes = ledger.compare(results[area], ledger.read_ledger().get(area, {}))
    report = [f"{area}::{name} fails: {why}" for name, why in fails.items()]
    report += [f"{area}::{name} passes: remove it from the ledger" for name in passes]
    if report:
        advice = f"scripts/ledger.py --only {area} strikes what passes"
        pytest.fail("\n".join([*report, advice]), pytrace=False)


def test_ledger_names_only_areas_that_exist():
    assert set(ledger.read_ledger()) <= set(AREAS)


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original corpus is not beside this checkout")
def test_copy_is_up_to_date():
    def files(folder):
        return {
            p.relative_to(folder)
            for p in folder.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }

    changed = files(ORIGINAL) ^ files(CORPUS)
    _, different, _ = filecmp.cmpfiles(
        ORIGINAL, CORPUS, files(ORIGINAL) & files(CORPUS), shallow=False
    )
    assert not changed and not different, (
        "tests/conformance is stale: copy the corpus anew, then run scripts/ledger.py"
    )
