"""docs/errors has a page for every code, and its examples do what it says.

The first example of a page raises the error, the others show how to do without it, and run.
"""

import builtins
import linecache
import re

import pytest
from conftest import ROOT
from ferdelance import errors

PAGES = {path.stem: path for path in (ROOT / "docs" / "errors").glob("*.md")}
#: The class of each code, from the table of the compiler.
CLASSES = dict(
    re.findall(
        r'^    \w+ "([a-z-]+)" (\w+);', (ROOT / "crates/abi/src/codes.rs").read_text(), re.MULTILINE
    )
)
#: Nothing is known to raise these.
WITHOUT_EXAMPLES = {"internal"}


def examples(code):
    return re.findall(r"^```python\n(.*?)^```", PAGES[code].read_text(), re.MULTILINE | re.DOTALL)


def execute(text, name):
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), {"__name__": name})


def test_every_code_has_a_page_and_every_page_a_code():
    assert set(CLASSES) == set(PAGES) - {"index"}


@pytest.mark.parametrize("code", sorted(PAGES.keys() - {"index"}))
def test_form(code):
    title, meaning, *_ = PAGES[code].read_text().split("\n\n")
    assert title == f"# {code}"
    assert "\n" not in meaning and meaning.endswith(".")
    count = len(examples(code))
    assert count == 0 if code in WITHOUT_EXAMPLES else count >= 2


@pytest.mark.parametrize("code", sorted(CLASSES.keys() & PAGES.keys() - WITHOUT_EXAMPLES))
def test_first_example_raises(code):
    expected = getattr(errors, CLASSES[code], None) or getattr(builtins, CLASSES[code])
    with pytest.raises(Exception) as raised:
        execute(examples(code)[0], f"docs/errors/{code}.md, example 1")
    assert type(raised.value) is expected, raised.value
    assert str(raised.value).splitlines()[0].endswith(f"[{code}]")
    assert raised.value.code == code


@pytest.mark.parametrize("code", sorted(PAGES.keys() - {"index"} - WITHOUT_EXAMPLES))
def test_other_examples_run(code):
    for number, text in enumerate(examples(code)[1:], 2):
        execute(text, f"docs/errors/{code}.md, example {number}")
