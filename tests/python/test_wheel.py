"""The wheel: built, looked into, and installed where nothing else is."""

import os
import re
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

OLDEST_GLIBC = (2, 34)  # Ubuntu 22.04, RHEL 9
# The C library, and the unwinder that comes with every Linux.
SYSTEM = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = ["build", "--release", "--compatibility", "manylinux_2_34", "--out", out]
    run(sys.executable, "-m", "maturin", *build, cwd=ROOT)
    [file] = out.iterdir()
    return file


@pytest.fixture(scope="module", params=["_core.abi3.so", "_agent.so"])
def extension(request, wheel, tmp_path_factory):
    with zipfile.ZipFile(wheel) as archive:
        folder = tmp_path_factory.mktemp("unpacked")
        return archive.extract(f"ferdelance/{request.param}", folder)


def test_name_and_contents(wheel):
    assert re.fullmatch(r"ferdelance-[\d.]+-cp310-abi3-manylinux_2_34_x86_64\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    roots = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert roots - {"ferdelance-0.1.0.data"} == {"ferdelance"}
    assert "ferdelance/_agent.so" in names
    assert "ferdelance-0.1.0.data/purelib/ferdelance_record.pth" in names
    assert not [name for name in names if "__pycache__" in name]
    for text in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md"):
        assert any(name.endswith(f".dist-info/licenses/{text}") for name in names), text
    assert wheel.stat().st_size < 40e6


def test_needs_only_the_c_library(extension):
    dynamic = run("readelf", "--dynamic", "--wide", extension)
    assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)) <= SYSTEM


def test_needs_no_new_glibc(extension):
    symbols = run("readelf", "--dyn-syms", "--wide", extension)
    wanted = re.findall(r"UND (\S+?)@+GLIBC_(\d+)\.(\d+)", symbols)
    assert wanted
    newer = [name for name, *version in wanted if tuple(map(int, version)) > OLDEST_GLIBC]
    assert not newer


def test_exports_little(extension):
    symbols = run("readelf", "--dyn-syms", "--wide", extension)
    exported = set(re.findall(r"(?:GLOBAL|WEAK)\s+DEFAULT\s+\d+ (\w+)", symbols))
    # What gdb looks for under fixed names, to learn about compiled code.
    gdb = {"__jit_debug_register_code", "__jit_debug_descriptor"}
    # What the agent and the extension module call each other by.
    agent = {"ferdelance_agent_start", "ferdelance_agent_stop", "ferdelance_describe_code_1"}
    known = {"PyInit__core", "arc4random"} | gdb | agent
    assert exported <= known | {n for n in exported if n[:3] == "fd_"}


def test_works_in_an_empty_environment(wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(python, *install, wheel, "--constraint", ROOT / "requirements-test.txt")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import mandelbrot, ferdelance, numpy as np\n"
        "assert sys.prefix in ferdelance.__file__, ferdelance.__file__\n"
        "mandelbrot.HEIGHT, mandelbrot.WIDTH = 30, 40\n"
        "expected, _ = mandelbrot.best_of(mandelbrot.create_fractal, 1)\n"
        "image, *_ = mandelbrot.compiled(ferdelance.njit)\n"
        "assert np.array_equal(image, expected)\n"
        "print('equal')\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [python, "-c", program, ROOT / "examples"]
    assert run(*command, cwd=tmp_path, env=environment) == "equal\n"

    # The command line, and the hook that the environment asks for.
    script = tmp_path / "script.py"
    script.write_text("import time\nwhile time.thread_time() < 0.5: sum(range(1000))\nprint(1)\n")
    fdl = tmp_path / "venv" / "bin" / "fdl"
    assert run(fdl, "record", script, cwd=tmp_path, env=environment) == "1\n"
    assert "script.py" in run(fdl, "report", "script.fdl", cwd=tmp_path, env=environment)
    environment["FERDELANCE_RECORD"] = "hook.fdl"
    assert run(python, script, cwd=tmp_path, env=environment) == "1\n"
    del environment["FERDELANCE_RECORD"]
    assert "script.py" in run(fdl, "report", "hook.fdl", cwd=tmp_path, env=environment)
