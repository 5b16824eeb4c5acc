"""The magics `%fdl` and `%%fdl`, in a shell of IPython."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.alone

pytest.importorskip("IPython")


def notebook(*cells, before=""):
    """What cells print, each after a line with its number, as in a notebook."""
    program = textwrap.dedent(before) + textwrap.dedent(
        """
        import sys
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance(colors="nocolor")
        shell.run_cell("%load_ext ferdelance")
        for i, cell in enumerate(CELLS, 1):
            print(f"=== {i}", flush=True)
            shell.run_cell(cell, store_history=True)
        """
    )
    program = f"CELLS = {[textwrap.dedent(cell).strip() for cell in cells]!r}\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    parts = done.stdout.split("=== ")[1:]
    return [part.partition("\n")[2] for part in parts]


SPIN = """
import time
def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))
    return 42
"""


def test_a_cell_is_recorded_without_what_is_around_it():
    _, text = notebook(SPIN, "%%fdl record -r 999\nx = spin(0.3)\nx + 1")
    report, _, value = text.rpartition("Out[2]: ")
    assert value.strip() == "43"
    assert report.startswith("Cell [2]\n")
    # Functions of other cells by their names, nothing of IPython, lines with their source.
    assert "spin (Cell [1]:2)" in report
    assert "while time.thread_time() < end:" in report
    assert "interactiveshell" not in report
    assert "run_cell" not in report
    tree = report[report.index("Calls:") :].splitlines()
    assert "<module> (Cell [2]:" in tree[1]


def test_a_statement_on_one_line():
    _, text, again = notebook(SPIN, '%fdl record --callers y = spin(0.2), "a  b"', "print(y)")
    assert "Callers:" in text and "Hot lines" not in text
    assert again.strip() == "(42, 'a  b')"


def test_an_interrupt_keeps_what_was_recorded():
    cell = """
    %%fdl record -r 999
    import _thread, threading
    threading.Timer(1.0, _thread.interrupt_main).start()
    spin(20)
    """
    _, text, after = notebook(SPIN, cell, "print('alive')")
    assert "spin (Cell [1]:2)" in text
    assert "KeyboardInterrupt" in text
    assert after.strip() == "alive"


def test_threads_of_the_cell_are_in_it_and_others_are_not():
    before = """
    import threading, time
    def service():
        while True:
            sum(range(1000))
            time.sleep(0.0001)
    threading.Thread(target=service, daemon=True).start()
    """
    cell = """
    %%fdl record -r 999
    import threading
    threads = [threading.Thread(target=spin, args=(0.2,)) for _ in range(2)]
    for t in threads: t.start()
    for t in threads: t.join()
    """
    _, text = notebook(SPIN, cell, before=before)
    assert "spin (Cell [1]:2)" in text
    assert "service" not in text


@pytest.mark.parametrize(
    ("magic", "message"),
    [
        ("%fdl nonsense x", "no command 'nonsense'"),
        ("%fdl record", "there is no code to run"),
        ("%%fdl record --rat 5\n1", "unrecognized arguments"),
        ("%%fdl record -r 99999\n1", "from 10 to 10000 Hz"),
    ],
)
def test_mistakes_are_named(magic, message):
    (text,) = notebook(magic)
    assert message in text


def test_functions_of_cells_are_tried():
    cell = """
    LIMIT = 3
    def work(n):
        s = 0
        for i in range(n):
            s += i & LIMIT
        return s
    """
    _, text = notebook(cell, "%%fdl advise\nwork(4_000_000) + work(6_000_000)")
    assert "Compile `work` (Cell [1]:2)" in text
    assert "the same result" in text
    assert "+@njit" in text
    assert "Out[2]: 15000000" in text


WORK = """
import numpy as np
def dot(a, b):
    s = 0.0
    for i in range(len(a)):
        s += a[i] * b[i]
    return s
"""


def test_calls_of_a_cell_by_their_arguments():
    cell = """
    %%fdl data -f dot
    for n in (16, 16, 32):
        dot(np.ones(n, np.float32), np.ones(n, np.float32))
    """
    _, text = notebook(WORK, cell)
    rows = [line for line in text.splitlines() if "shape=(16,)" in line]
    assert rows[0].split()[0] == "2", text
    assert "_notebook.py" not in text and "interactiveshell.py" not in text
    assert "dot" in rows[0]


def test_lines_of_functions_of_cells():
    _, text, chosen, wrong = notebook(
        WORK,
        "%fdl lines dot(np.ones(100), np.ones(100))",
        "%fdl lines -f dot dot(np.ones(10), np.ones(10))",
        "%fdl lines -f nothing 1",
    )
    assert "Cell [1]" in text
    (row,) = [line for line in text.splitlines() if "s += a[i] * b[i]" in line]
    assert "100" in row
    (row,) = [line for line in chosen.splitlines() if "s += a[i] * b[i]" in line]
    assert "10" in row.split() and "110" not in row.split()
    assert "name 'nothing' is not defined" in wrong


def test_help():
    general, special = notebook("%fdl", "%fdl record --help")
    assert "record" in general and "%%fdl" in general
    assert "--rate" in special


def test_it_is_a_picture_too():
    pytest.importorskip("IPython")
    from ferdelance.profiler import _notebook

    shown = _notebook.Shown("a < b", "<svg></svg>")
    assert repr(shown) == "a < b"
    assert shown._repr_html_() == (
        '<pre style="line-height: 1.2; font-family: var(--jp-code-font-family, monospace), '
        'monospace">a &lt; b</pre><div style="max-height: 40em; overflow-y: auto"><svg></svg></div>'
    )
