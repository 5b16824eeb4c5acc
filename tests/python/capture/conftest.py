"""What the tests of finding source texts share."""

import contextlib
import functools
import importlib.util
import os
import sys

import pytest
from ferdelance import _capture

_recordings = []


def _record(event, arguments):
    if event == "compile" and _recordings:
        text, filename = arguments
        if isinstance(text, bytes) and isinstance(filename, str) and not os.path.isfile(filename):
            with contextlib.suppress(UnicodeDecodeError):
                _recordings[-1].setdefault(filename, []).insert(0, text.decode())


@functools.cache
def _install_recorder():
    sys.addaudithook(_record)  # for good: there is no way to remove a hook


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """No test sees what another one has left in the caches."""
    for cache in ("_known", "_files", "_texts"):
        monkeypatch.setattr(_capture, cache, {})
    monkeypatch.setattr(_capture, "_recent_sources", lambda name: [])


@pytest.fixture
def load(tmp_path):
    """`load(text or bytes)`: imports it as a module from a file."""
    count = 0

    def load(content, name="module"):
        nonlocal count
        count += 1
        path = tmp_path / f"{name}{count}.py"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def recorded(monkeypatch):
    """Stands for the core's audit hook: keeps what is compiled under the name of no file."""
    _install_recorder()
    texts = {}
    monkeypatch.setattr(_capture, "_recent_sources", lambda name: texts.get(name, []))
    _recordings.append(texts)
    yield texts
    _recordings.remove(texts)


@pytest.fixture
def compiled(monkeypatch):
    """The texts that were compiled to compare code objects."""
    texts = []
    original = _capture._compile

    def count(source, *arguments):
        texts.append(source)
        return original(source, *arguments)

    monkeypatch.setattr(_capture, "_compile", count)
    return texts
