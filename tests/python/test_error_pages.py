"""docs/errors has a page for every code, and its examples do what it says.

The first example of a page raises the error, the others run.
"""

import linecache
import re

import pytest
from conftest import ROOT

PAGES = {path.stem: path for path in (ROOT / "docs" / "errors").glob("*.md")}
CODES = re.findall(
    r'^    \w+ "([a-z-]+)" \w+;', (ROOT / "crates/abi/src/codes.rs").read_text(), re.MULTILINE
)


def examples(code):
    return re.findall(r"^```python\n(.*?)^```", PAGES[code].read_text(), re.MULTILINE | re.DOTALL)


def execute(text, name):
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), {"__name__": name})


def test_every_code_has_a_page_and_every_page_a_code():
    assert set(CODES) == set(PAGES) - {"index"}


@pytest.mark.parametrize("code", [code for code in CODES if code in PAGES and examples(code)])
def test_page(code):
    first, *others = examples(code)
    with pytest.raises(Exception) as raised:  # a builtin class for some codes
        execute(first, f"docs/errors/{code}.md, example 1")
    assert getattr(raised.value, "code", None) == code, raised.value
    for number, text in enumerate(others, 2):
        execute(text, f"docs/errors/{code}.md, example {number}")
