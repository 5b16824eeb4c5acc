"""Random programs that are hard on whatever watches them: threads, forks, exceptions, generators,
coroutines, deep recursion, new code, objects that do not want to be touched, odd ends."""

import os
import random
import re
import subprocess
import sys
import textwrap

from recording import fdl

#: An object's class that notices whatever code of it runs.
HOSTILE = """
    class Hostile:
        def __getattribute__(self, name): raise RuntimeError("getattr")
        def __len__(self): raise RuntimeError("len")
        def __repr__(self): raise RuntimeError("repr")
        def __hash__(self): raise RuntimeError("hash")
        def __eq__(self, other): raise RuntimeError("eq")
        def __bool__(self): raise RuntimeError("bool")
        def __str__(self): raise RuntimeError("str")
        __class__ = property(lambda self: 1 / 0)
"""

PIECES = {
    "loop": "total += sum(i * i for i in range({n}))",
    "recursion": """
        def down(n): return 0 if n == 0 else 1 + down(n - 1)
        total += down({n} % 300)
    """,
    "exception": """
        def fail(i): raise KeyError(i)
        for i in range({n} % 50):
            try: fail(i)
            except KeyError as error: total += error.args[0]
    """,
    "thread": """
        import threading
        box = []
        def put(k): box.append(k)
        workers = [threading.Thread(target=put, args=(k,)) for k in range({n} % 7)]
        for w in workers: w.start()
        for w in workers: w.join()
        total += sum(box)
    """,
    "exec": "exec('def g(x): return x + {n}'); total += locals().get('g', globals().get('g'))(1)",
    "generator": """
        def count(n):
            try:
                for i in range(n): yield i
            finally:
                pass
        g = count({n} % 40 + 3)
        next(g); next(g)
        g.close()
        total += sum(count({n} % 100))
    """,
    "async": """
        import asyncio
        async def tick(n):
            await asyncio.sleep(0)
            return n
        async def main(): return sum(await asyncio.gather(*[tick(i) for i in range({n} % 20)]))
        total += asyncio.run(main())
    """,
    "hostile": textwrap.dedent(HOSTILE)
    + """
def take(a, *args, **kw): return 1
h = Hostile()
total += sum(take(h, h, x=h) for _ in range({n} % 30))
""",
    "class": """
        class C:
            def __init__(self, x): self.x = x
            def __add__(self, other): return C(self.x + other)
            def __del__(self): pass
        c = C(0)
        for i in range({n}): c = c + i
        total += c.x
    """,
    "fork": """
        import os
        pid = os.fork()
        if pid == 0: os._exit({n} % 100)
        total += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "profile": """
        import sys
        seen = []
        sys.settrace(lambda *a: seen.append(1))
        def traced(): return 1
        total += traced()
        sys.settrace(None)
        total += len(seen) > 0
    """,
    "sort": "total += sorted(range({n}), key=lambda x: -x)[0]",
    "process": """
        import subprocess, sys
        code = "print(sum(range({n})))"
        total += int(subprocess.run([sys.executable, "-c", code], capture_output=True).stdout)
    """,
    "memory": "total += len([bytearray(1000) for _ in range({n} % 500)])",
    "file": """
        import tempfile
        with tempfile.TemporaryFile() as f:
            f.write(b"x" * {n})
            total += f.tell()
    """,
    "sleep": "import time; time.sleep({n} / 1e6)",
    "deep": """
        import sys
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(20000)
        def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
        total += deep(3000)
        sys.setrecursionlimit(before)
    """,
}
ENDS = {
    "return": "",
    "exit": "sys.exit({n} % 120)",
    "os exit": "import os; sys.stdout.flush(); os._exit({n} % 120)",
    "error": "raise RuntimeError(total)",
    "term": "import os; sys.stdout.flush(); os.kill(os.getpid(), 15)",
}


def random_program(seed):
    """A program, and calls by name that there are in it."""
    rng = random.Random(seed)
    lines = ["import sys", "total = 0"]
    expected = {}
    for _ in range(rng.randint(2, 6)):
        kind, n = rng.choice(sorted(PIECES)), rng.randint(1, 3000)
        piece = textwrap.dedent(PIECES[kind].replace("{n}", str(n)))
        lines += [line for line in piece.splitlines() if line.strip()]
        for name, count in {
            "recursion": {"down": n % 300 + 1},
            "exception": {"fail": n % 50},
            "thread": {"put": n % 7},
            "hostile": {"take": n % 30},
            "deep": {"deep": 3001},
            "async": {"tick": 2 * (n % 20)},
            "generator": {"count": 3 + n % 100 + 1},
        }.get(kind, {}).items():
            expected[name] = expected.get(name, 0) + count
    lines.append("print(total)")
    lines.append(ENDS[rng.choice(sorted(ENDS))].replace("{n}", str(rng.randint(0, 1000))))
    return "\n".join(lines), expected


def run_both(folder, text, *words):
    """Runs a program alone, and by a command of ours, with a recording; both must end alike.

    Returns
    -------
    pathlib.Path
        Of the recording.
    """
    program = folder / "program.py"
    program.write_text(text)
    # Whether a process that forks has threads is not certain when they have just been joined.
    env = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    alone = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=120, env=env
    )
    path = folder / "a.fdl"
    command, *options = words
    done = fdl(command, "-o", path, *options, program, env=env)
    assert done.returncode == alone.returncode, text
    if command == "advise":
        # The advice comes after what the program prints.
        assert done.stdout.startswith(alone.stdout), text
    else:
        assert done.stdout == alone.stdout, text
    hide = re.compile("0x[0-9a-f]{6,}")
    own = [line for line in done.stderr.splitlines() if not line.startswith("fdl: ")]
    assert [hide.sub("0x", line) for line in own] == [
        hide.sub("0x", line) for line in alone.stderr.splitlines()
    ], text
    return path
