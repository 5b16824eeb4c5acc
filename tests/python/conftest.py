"""What the suites share."""

import gc
import importlib
import pathlib
import sys

from capturing import compiled, fresh, load, recorded  # noqa: F401 (fixtures)

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The scripts are programs, not a package; the tests use their parts.
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "benchmarks"))


def live():
    """Buffers, objects, errors and bytes that compiled code has made and not freed."""
    gc.collect()
    stats = importlib.import_module("ferdelance._core").runtime_stats()
    return stats["live_buffers"], stats["live_objects"], stats["live_errors"], stats["live_bytes"]


def pytest_report_header():
    """Which build is under test."""
    try:
        core = importlib.import_module("ferdelance._core")
    except ImportError as error:
        return f"ferdelance._core does not import: {error}"
    return f"ferdelance._core: {core.__file__}"
