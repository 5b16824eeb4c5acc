"""What both parts of the benchmark share: engines in processes of their own, asked in turn."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE / ".venv-numba"


def numba_python():
    """The interpreter with Numba; its environment is made when it is not there.

    What is in requirements-optional.txt may fail to install: its columns stay empty.
    """
    python = VENV / "bin" / "python"
    required, optional = HERE / "requirements.txt", HERE / "requirements-optional.txt"
    wanted = required.read_text() + optional.read_text()
    stamp = VENV / ".stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"--- installing the peers into {VENV.relative_to(HERE.parent)}")
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
        subprocess.run([*install, required], check=True)
        subprocess.run([*install, optional, "-c", required], check=False)
        stamp.write_text(wanted)
    return str(python)


class Worker:
    """An engine's process. One that dies costs one answer and is started again."""

    def __init__(self, *command, **environment):
        self.command, self.environment = command, os.environ | environment
        self.process = None

    def ask(self, **request):
        if self.process is None:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=HERE,
                env=self.environment,
            )
            if not self.process.stdout.readline():
                return self.died()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return self.died()
        line = self.process.stdout.readline()
        return json.loads(line) if line else self.died()

    def died(self):
        _, errors = self.process.communicate()
        status, self.process = self.process.returncode, None
        last = errors.strip().splitlines()[-1:] or ["no message"]
        return {"error": f"the process ended with status {status}: {last[0]}"}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def rounds(count, workers, **request):
    """`count` rounds of one request to every engine: engine -> its answers.

    The order turns around from round to round. An engine that gave an error is left alone after.
    """
    answers = {name: [] for name in workers}
    for number in range(count):
        for name in list(workers)[:: 1 if number % 2 == 0 else -1]:
            if not (answers[name] and "error" in answers[name][-1]):
                asked = {k: v(number) if callable(v) else v for k, v in request.items()}
                answers[name].append(workers[name].ask(**asked))
    return answers


def dot():
    print(".", end="", flush=True)


def machine():
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        text = pathlib.Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"model name\s*:\s*(.*)", text)[1].strip()
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(pythons):
    code = "import sys, numpy; m = __import__(sys.argv[1]); print(m.__version__, numpy.__version__)"
    found = {}
    for name, python in pythons.items():
        done = subprocess.run([python, "-c", code, name], capture_output=True, text=True)
        found[name], found["numpy"] = (done.stdout.split() or ["?", found.get("numpy", "?")])[:2]
    clang = shutil.which("clang-22") or shutil.which("clang")
    if clang:
        text = subprocess.run([clang, "--version"], capture_output=True, text=True).stdout
        found["clang"] = re.search(r"version (\S+)", text)[1]
    return found
