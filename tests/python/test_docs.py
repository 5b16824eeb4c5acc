"""The documentation: links lead somewhere, tables are what the code says, examples run."""

import linecache
import re
import subprocess
import sys

import pytest
from conftest import ROOT

PAGES = [
    "README.md",
    "docs/user/getting-started.md",
    "docs/user/caching.md",
    "docs/user/generators.md",
    "docs/user/parallel.md",
]


@pytest.mark.slow
def test_links_and_tables():
    command = [sys.executable, ROOT / "scripts" / "docs.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.setattr("ferdelance.config.CACHE_DIR", str(tmp_path))
    scope = {"__name__": page}
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        if "compat.install" in block:
            continue  # would hide the real module from the tests that follow
        file = f"<{page}, example {number}>"
        linecache.cache[file] = (len(block), None, block.splitlines(keepends=True), file)
        exec(compile(block, file, "exec"), scope)
