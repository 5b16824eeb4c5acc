"""`cache=True`: what is kept, when it is used, and what happens to files."""

import math
import os
import pathlib
import random
import subprocess
import sys
import textwrap
import time
import zipfile

import ferdelance as fd
import numpy as np
import pytest

pytestmark = pytest.mark.alone

PACKAGE = str(pathlib.Path(fd.__file__).parents[1])
PRELUDE = f"""
import sys
sys.path.insert(0, {PACKAGE!r})
import numpy as np
import ferdelance as fd
from ferdelance import _core

def counts(*functions):
    hits = sum(sum(f.stats.cache_hits.values()) for f in functions)
    misses = sum(sum(f.stats.cache_misses.values()) for f in functions)
    return f"{{hits}}/{{misses}}"

def compilations():
    return _core.runtime_stats()["compilations"]
"""


def environment(**env):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FERDELANCE_", "NUMBA_"))}
    kept.pop("PYTHONPYCACHEPREFIX", None)
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **env}


class Project:
    """Files in a folder, and a script among them that is run in fresh processes."""

    def __init__(self, folder, text, name="script.py"):
        self.folder = folder
        self.name = name
        self.home = folder / "home"
        self.write(name, text)

    def write(self, name, text):
        path = self.folder / name
        # Later than whatever is in the cache, also on file systems with coarse times.
        path.write_text(PRELUDE + textwrap.dedent(text))
        return path

    def start(self, *args, **env):
        env = environment(HOME=str(self.home), XDG_CACHE_HOME=str(self.home), **env)
        command = [sys.executable, str(self.folder / self.name), *map(str, args)]
        return subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process):
        out, self.errors = process.communicate(timeout=120)
        assert process.returncode == 0, self.errors
        return out.split()

    def run(self, *args, **env):
        return self.finish(self.start(*args, **env))

    def files(self, where=None):
        where = where or self.folder
        return sorted(p for p in where.rglob("*") if p.suffix in (".fdi", ".fdo"))


@pytest.fixture
def project(tmp_path):
    return lambda text, name="script.py": Project(tmp_path, text, name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fd.config, "CACHE_DIR", str(tmp_path))
    return lambda suffix="": sorted(f for f in tmp_path.rglob("*" + suffix) if f.is_file())


ONE = """
    @fd.njit(cache=True)
    def f(x):
        return x * 2 + 1

    print(f(3), f(1.5), counts(f), compilations())
"""


# ---- hits ---------------------------------------------------------------------------------------


def test_a_second_process_does_not_compile(project):
    p = project(ONE)
    assert p.run() == ["7", "4.0", "0/2", "2"]
    files = p.files()
    assert len(files) == 4 and all(f.parent == p.folder / "__pycache__" for f in files)
    assert all(f.name.startswith("script.f.") for f in files)
    assert p.run() == ["7", "4.0", "2/0", "0"]
    assert p.files() == files and not p.home.exists()


def test_a_hit_reads_no_source_and_parses_nothing(project):
    p = project("""
        @fd.njit(cache=True)
        def f(x):
            return x * 2 + 1

        f(3)
        print(counts(f), "ferdelance._capture" in sys.modules, compilations())
    """)
    assert p.run() == ["0/1", "True", "1"]
    assert p.run() == ["1/0", "False", "0"]


def test_signatures_are_found_one_by_one(project):
    p = project("""
        @fd.njit(cache=True)
        def f(x):
            return x + x

        for a in sys.argv[1:]:
            f({"i": 1, "f": 1.5, "c": 1j, "s": "a", "a": np.ones(3), "g": np.float64(1)}[a])
        print(counts(f))
    """)
    assert p.run("i", "f") == ["0/2"]
    assert p.run("i", "c") == ["1/1"]
    assert p.run("s", "c", "f", "i") == ["3/1"]
    # The same type to Python, but another origin.
    assert p.run("g") == ["0/1"]
    assert p.run("i", "f", "c", "s") == ["4/0"]


def test_explicit_signatures(project):
    p = project("""
        @fd.njit(["int64(int64)", "float32(float64)"], cache=True)
        def f(x):
            return x * 2

        print(f(3), f(1.5), counts(f), f.nopython_signatures[1].return_type)
    """)
    assert p.run() == ["6", "3.0", "0/2", "float32"]
    assert p.run() == ["6", "3.0", "2/0", "float32"]


def test_lambdas_closures_and_functions_of_one_name(project):
    p = project("""
        def make(k):
            @fd.njit(cache=True)
            def f(x):
                return x * k
            return f

        double, triple = fd.njit(cache=True)(lambda x: 2 * x), fd.njit(cache=True)(lambda x: 3 * x)

        @fd.njit(cache=True)
        def g(x):
            return x + 1

        first = g

        @fd.njit(cache=True)
        def g(x):
            return x + 100

        fs = [make(2), make(3), make(2), double, triple, first, g]
        print(*[f(10) for f in fs], counts(*fs))
    """)
    answers = ["20", "30", "20", "20", "30", "11", "110"]
    # The third one is the first one again.
    assert p.run() == [*answers, "1/6"]
    assert p.run() == [*answers, "7/0"]


def test_recursion(project):
    p = project("""
        @fd.njit(cache=True)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        @fd.njit(cache=True)
        def even(n):
            return True if n == 0 else odd(n - 1)

        @fd.njit(cache=True)
        def odd(n):
            return False if n == 0 else even(n - 1)

        print(fib(15), even(10), odd(7), counts(fib, even, odd))
    """)
    assert p.run() == ["610", "True", "True", "0/3"]
    assert p.run() == ["610", "True", "True", "3/0"]


def test_functions_as_arguments(project):
    p = project("""
        @fd.njit(cache=True)
        def inc(x):
            return x + K

        K = int(sys.argv[1])

        @fd.njit(cache=True)
        def apply(f, x):
            return f(x)

        print(apply(inc, 4), counts(apply))
    """)
    assert p.run(1) == ["5", "0/1"]
    assert p.run(1) == ["5", "1/0"]
    # A global of the function that is passed.
    assert p.run(2) == ["6", "0/1"]
    assert p.run(1) == ["5", "1/0"]


def test_globals_arrays_modules_named_tuples_and_defaults(project):
    p = project("""
        import math
        from collections import namedtuple

        K = 7
        TABLE = np.array([1.0, 2.0, 3.0])
        NAMES = ("a", "bc")
        P = namedtuple("P", "x y")

        @fd.njit(cache=True)
        def f(p, i=1):
            return P(TABLE[i] * K + math.floor(math.pi) + len(NAMES[1]), p.y)

        print(*f(P(1, 2)), f(P(1, 2), 2).x, type(f(P(1, 2))).__name__, counts(f))
    """)
    answers = ["19.0", "2", "26.0", "P"]
    assert p.run() == [*answers, "0/2"]
    assert p.run() == [*answers, "2/0"]


def test_strings_and_user_exceptions(project):
    p = project("""
        class Odd(ValueError):
            pass

        @fd.njit(cache=True)
        def f(x):
            if x % 2 == 1:
                raise Odd("odd", x)
            return "even"

        print(f(2))
        try:
            f(3)
        except Odd as error:
            print(error.args, counts(f))
    """)
    assert p.run() == ["even", "('odd',", "3)", "0/1"]
    assert p.run() == ["even", "('odd',", "3)", "1/0"]


def test_inspection_of_a_hit(project):
    p = project("""
        import contextlib, io

        @fd.njit(cache=True)
        def f(x):
            y = x * 2.5
            return y

        f(3)
        hit = bool(f.stats.cache_hits)
        (metadata,) = f.get_metadata().values()
        before = compilations()
        for text in (f.inspect_llvm, f.inspect_asm, f.explain):
            (result,) = text().values()
            assert len(result) > 20, result
        with contextlib.redirect_stdout(io.StringIO()) as out:
            f.inspect_types()
        assert "y: float64" in out.getvalue()
        assert "digraph" in str(f.inspect_cfg((fd.int64,)))
        print(hit, metadata["code_bytes"] > 0, before == compilations(), f(4))
    """)
    assert p.run() == ["False", "True", "True", "10.0"]
    assert p.run() == ["True", "True", "True", "10.0"]


def test_enable_caching_and_recompile(project):
    p = project("""
        K = 1

        @fd.njit
        def f(x):
            return x + K

        assert f.stats.cache_path is None
        f.enable_caching()
        print(f(1), counts(f), f.stats.cache_path)
        f.recompile()
        print(f(1), counts(f))
    """)
    folder = str(p.folder / "__pycache__")
    assert p.run() == ["2", "0/1", folder, "2", "0/1"]
    assert p.run() == ["2", "1/0", folder, "2", "0/1"]


def test_without_the_option_there_are_no_files(project):
    p = project(ONE.replace("(cache=True)", ""))
    assert p.run() == ["7", "4.0", "0/2", "2"]
    assert not p.files() and not (p.folder / "__pycache__").exists()


# ---- what must be noticed -----------------------------------------------------------------------


def test_an_edit_of_the_function(project):
    p = project(ONE)
    p.run()
    for k in (3, 4):
        time.sleep(0.02)
        p.write("script.py", ONE.replace("x * 2", f"x * {k}"))
        assert p.run() == [str(3 * k + 1), str(1.5 * k + 1), "0/2", "2"]
    assert p.run() == ["13", "7.0", "2/0", "0"]
    assert len(p.files()) == 4, "what belonged to older texts is gone"


def test_an_edit_elsewhere_keeps_the_cache_and_moves_the_lines(project):
    text = """
        @fd.njit(cache=True)
        def inner(x):
            if x < 0:
                raise ValueError("negative")
            return x

        @fd.njit(cache=True)
        def f(x):
            y = x + 1
            return inner(y)

        import traceback
        try:
            f(-5)
        except ValueError as error:
            places = [(t.name, t.line) for t in traceback.extract_tb(error.__traceback__)]
            print(*places[1:], counts(f))
    """
    frames = "('f', 'return inner(y)') ('inner', 'raise ValueError(\"negative\")')".split()
    p = project(text)
    assert p.run() == [*frames, "0/1"]
    p.write("script.py", "# a line\n\ndef unrelated():\n    pass\n" + textwrap.dedent(text))
    assert p.run() == [*frames, "1/0"]
    lines = textwrap.dedent(text).split("\n\n")
    lines.insert(1, "# between the two functions")
    p.write("script.py", "\n\n".join(lines))
    assert p.run() == [*frames, "1/0"]


def test_a_moved_folder(tmp_path):
    text = """
        @fd.njit(cache=True)
        def f(x):
            if x < 0:
                raise ValueError("negative")
            return x

        try:
            f(-5)
        except ValueError as error:
            print(error.__traceback__.tb_next.tb_frame.f_code.co_filename, counts(f))
    """
    (tmp_path / "a").mkdir()
    p = Project(tmp_path / "a", text)
    assert p.run() == [str(tmp_path / "a" / "script.py"), "0/1"]
    (tmp_path / "a").rename(tmp_path / "b")
    p = Project(tmp_path / "b", text)
    assert p.run() == [str(tmp_path / "b" / "script.py"), "1/0"]


LIBRARY = """
    SCALE = 1

    @fd.njit
    def helper(x):
        return x * 3 * SCALE

    def plain():
        pass
"""
USER = """
    import lib

    @fd.njit(cache=True)
    def f(x):
        return lib.helper(x) + 1

    print(f(4), counts(f))
"""


def test_a_function_in_another_file(project):
    p = project(USER)
    p.write("lib.py", LIBRARY)
    assert p.run() == ["13", "0/1"]
    assert p.run() == ["13", "1/0"]
    for edit, answer in [("x * 3", "x * 5"), 21], [("SCALE = 1", "SCALE = 2"), 25]:
        p.write("lib.py", LIBRARY.replace(*edit))
        assert p.run() == [str(answer), "0/1"]
        assert p.run() == [str(answer), "1/0"]
    # What does not matter to it.
    p.write("lib.py", LIBRARY.replace("pass", "return 1"))
    assert p.run() == ["13", "1/0"]
    # Options of the called function.
    p.write("lib.py", LIBRARY.replace("@fd.njit", "@fd.njit(fastmath=True)"))
    assert p.run() == ["13", "0/1"]


def test_functions_that_are_called_by_what_is_called(project):
    p = project("""
        STEP = int(sys.argv[1])

        @fd.njit
        def deepest(x):
            return x + STEP

        @fd.njit
        def deeper(x):
            return deepest(x)

        @fd.njit(cache=True)
        def f(x):
            return deeper(x)

        print(f(1), counts(f))
    """)
    assert p.run(1) == ["2", "0/1"]
    assert p.run(2) == ["3", "0/1"]
    assert p.run(1) == ["2", "1/0"]


@pytest.mark.parametrize(
    ("values", "use"),
    [
        ([2, 3, 2.0, True, 1 << 40], "K + x"),
        ([(1, 2), (1, 3), (1, 2.0)], "K[1] + x"),
        (["a", "bb"], "len(K) + x"),
        ([0.0, -0.0], "(-1.0 if math.copysign(1.0, K) < 0 else 1.0) + x"),
        ([np.arange(3), np.arange(3.0), np.arange(6).reshape(2, 3).T[0]], "K[1] + x"),
        ([np.int8(100), np.int64(100)], "K + x"),
        ([abs, fd.njit(lambda x: x + 7), fd.njit(lambda x: x + 8)], "K(x)"),
    ],
)
def test_globals(folder, values, use):
    def hit(value):
        scope = {"K": value, "math": math}
        exec(f"def f(x):\n    return {use}\n", scope)
        f = fd.njit(cache=True)(scope["f"])
        assert f(1) == f.py_func(1)
        return bool(f.stats.cache_hits)

    assert not any(map(hit, values))
    assert all(map(hit, values))


def test_the_contents_of_arrays_are_no_part_of_the_code(project):
    p = project("""
        TABLE = np.arange(4) * int(sys.argv[1])

        @fd.njit(cache=True)
        def f(i):
            return TABLE[i]

        print(f(3), counts(f))
    """)
    assert p.run(2) == ["6", "0/1"]
    assert p.run(3) == ["9", "1/0"]


def test_closure_variables(project):
    p = project("""
        def make(k):
            def f(x):
                return x * k
            return fd.njit(cache=True)(f)

        f = make(eval(sys.argv[1]))
        print(f(10), counts(f))
    """)
    for value, answer in [("2", "20"), ("3", "30"), ("0.5", "5.0")]:
        assert p.run(value) == [answer, "0/1"]
        assert p.run(value) == [answer, "1/0"]


def test_defaults(project):
    p = project("""
        @fd.njit(cache=True)
        def f(x, k=eval(sys.argv[1])):
            return x * k

        print(f(10), f(10, 1), counts(f))
    """)
    assert p.run("2") == ["20", "10", "0/2"]
    # With the argument given, the default is of no interest.
    assert p.run("3") == ["30", "10", "1/1"]
    assert p.run("2") == ["20", "10", "2/0"]


def test_names_that_come_and_go(project):
    p = project("""
        if len(sys.argv) > 1:
            def abs(x):
                return 7
            abs = fd.njit(abs)

        @fd.njit(cache=True)
        def f(x):
            return abs(x)

        print(f(-3), counts(f))
    """)
    assert p.run() == ["3", "0/1"]
    assert p.run("own") == ["7", "0/1"]
    assert p.run() == ["3", "1/0"]


def test_attributes_of_modules(project):
    p = project("""
        import settings

        @fd.njit(cache=True)
        def f(x):
            return x * settings.SCALE

        print(f(10), counts(f))
    """)
    p.write("settings.py", "SCALE = 2\nOTHER = 1\n")
    assert p.run() == ["20", "0/1"]
    p.write("settings.py", "SCALE = 2\nOTHER = 2\n")
    assert p.run() == ["20", "1/0"]
    p.write("settings.py", "SCALE = 3\n")
    assert p.run() == ["30", "0/1"]


def test_options(project):
    p = project("""
        @fd.njit(cache=True, error_model=sys.argv[1], boundscheck=sys.argv[2] == "1")
        def f(a, i):
            return a[i] / 0.0

        try:
            print(f(np.ones(3), 5))
        except (ZeroDivisionError, IndexError) as error:
            print(type(error).__name__)
        print(counts(f))
    """)
    runs = [("numpy", 1, "IndexError"), ("python", 1, "IndexError")]
    for model, check, answer in runs:
        assert p.run(model, check) == [answer, "0/1"]
    for model, check, answer in runs:
        assert p.run(model, check) == [answer, "1/0"]


def test_another_processor_is_another_key(project):
    p = project(ONE)
    p.run()
    assert p.run(FERDELANCE_CPU_NAME="x86-64")[2] == "0/2"
    assert p.run(FERDELANCE_CPU_NAME="x86-64")[2] == "2/0"
    assert p.run()[2] == "2/0"


# ---- files --------------------------------------------------------------------------------------


def test_writers_at_once(project):
    p = project("""
        @fd.njit(cache=True)
        def f(x):
            t = x * 0
            for i in range(10):
                t += x * i
            return t

        print(f(2), f(0.5), f(1j), sum(map(int, counts(f).split("/"))))
    """)
    processes = [p.start() for _ in range(8)]
    for process in processes:
        assert p.finish(process) == ["90", "22.5", "45j", "3"]
    left = [f.name for f in (p.folder / "__pycache__").iterdir()]
    assert len(left) == len(p.files()) == 6, left


def test_writers_at_once_keep_each_others_variants(project):
    # The same code, with other globals: variants of one key.
    p = project("""
        TEXT = "def f(x):\\n    return x + K\\n"
        done = []
        for k in map(int, sys.argv[1:]):
            scope = {"K": k, "__file__": __file__}
            exec(compile(TEXT, __file__, "exec"), scope)
            f = fd.njit(cache=True, source=TEXT)(scope["f"])
            assert f(1) == k + 1
            done.append(f)
        print(counts(*done))
    """)
    numbers = range(100, 124)
    processes = [p.start(*numbers[i::2]) for i in range(2)]
    assert [p.finish(process) for process in processes] == [["0/12"], ["0/12"]]
    assert p.run(*numbers) == ["24/0"]


def plain(x):
    return x * 2 + 1


def cached():
    """A new dispatcher of the same function; whether its code came from the cache."""
    f = fd.njit(cache=True)(plain)
    assert f(3) == 7
    return bool(f.stats.cache_hits)


def damaged(data):
    noise = random.Random(1).randbytes(len(data))
    for at in (0, 9, 13, 30, len(data) // 3, len(data) - 1):
        yield data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
    yield from (b"", data[:10], data[: len(data) // 2], data[:-1], data + b"\0", noise)


@pytest.mark.parametrize("suffix", [".fdi", ".fdo"])
def test_damaged_files(folder, suffix):
    assert not cached() and cached()
    (file,) = folder(suffix)
    data = file.read_bytes()
    for spoiled in damaged(data):
        file.write_bytes(spoiled)
        assert not cached() and cached()
        assert file.read_bytes() == data
    file.unlink()
    assert not cached() and cached()


def test_files_of_another_kind_in_the_place(folder):
    assert not cached()
    (index,), (code,) = folder(".fdi"), folder(".fdo")
    index_data, code_data = index.read_bytes(), code.read_bytes()
    index.write_bytes(code_data)
    code.write_bytes(index_data)
    assert not cached() and cached()


def test_the_same_input_gives_the_same_files(project):
    text = """
        import math
        from collections import namedtuple

        P = namedtuple("P", "x y")
        K, T = 3, np.ones(3)

        @fd.njit
        def helper(x, y=2):
            return x * y + K

        @fd.njit(cache=True)
        def f(a, p, s):
            t = 0.0
            for i in range(len(a)):
                t += helper(a[i]) + T[i % 3] + math.sqrt(abs(p.x))
            if t < 0:
                raise ValueError("negative")
            return P(t, s + "x"), p

        f(np.ones(4), P(1, 2.5), "s")
        f(np.ones(4, np.float32), P(1j, (2, 3)), "s")
        print(id(T), compilations())
    """
    p = project(text)
    contents, addresses = [], set()
    for seed in range(3):
        address, made = p.run(PYTHONHASHSEED=str(seed), NUMBA_CACHE_DIR=str(p.folder / str(seed)))
        assert made == "2"
        addresses.add(address)
        files = p.files(p.folder / str(seed))
        contents.append({f.name: f.read_bytes() for f in files})
    assert len(contents[0]) == 4
    assert contents[0] == contents[1] == contents[2]
    assert len(addresses) > 1, "processes lie at different addresses"


def test_size_is_bounded(project):
    p = project("""
        def make(k):
            @fd.njit(cache=True)
            def f(a):
                t = 0.0
                for i in range(len(a)):
                    t += a[i] * k
                return t
            return f

        size = int(sys.argv[1])
        fs = [make(k / 2) for k in range(size)]
        print(sum(f(np.ones(2)) for f in fs), counts(*fs))
    """)
    count = 120
    p.run(count)
    total = sum(f.stat().st_size for f in p.files())
    assert len(p.files()) <= 65, "variants of one function are bounded"
    for f in p.files():
        f.unlink()
    _, found = p.run(4)
    assert found == "0/4" and total > 100_000


def test_the_limit_of_a_folder(folder, monkeypatch):
    monkeypatch.setattr(fd.config, "CACHE_SIZE", 1)
    text = "def f(x):\n" + "".join(f"    if x == {i}: x = x * {i} % 1000\n" for i in range(150))
    limit = 1 << 20
    for i in range(40):
        scope = {}
        exec(text + f"    return x + {i}\n", scope)
        f = fd.njit(cache=True)(scope["f"])
        f(3)
        assert sum(file.stat().st_size for file in folder()) <= limit
    assert len(folder(".fdo")) < 40 and f.stats.cache_misses
    g = fd.njit(cache=True)(scope["f"])
    g(3)
    assert g.stats.cache_hits, "the newest stays"


def test_nothing_is_kept_where_there_is_no_room(folder, monkeypatch):
    monkeypatch.setattr(fd.config, "CACHE_SIZE", 0)
    with pytest.warns(fd.errors.NumbaWarning, match="cannot cache plain: its code takes"):
        assert not cached()
    assert not folder()


def test_temporary_files_that_were_left_behind(folder, monkeypatch):
    assert not cached()
    (index,) = folder(".fdi")
    old, young = index.with_suffix(".1.fdtmp"), index.with_suffix(".2.fdtmp")
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    script = f"""
        import sys
        sys.path.insert(0, {PACKAGE!r})
        import ferdelance as fd

        def f(x):
            return x

        fd.njit(cache=True)(f)(1)
    """
    path = index.parent.parent / "other.py"
    path.write_text(textwrap.dedent(script))
    # A process of its own: each looks at a folder once.
    (folder_of_path,) = {locate(path)}
    os.renames(index.parent, folder_of_path)
    subprocess.run(
        [sys.executable, path],
        check=True,
        env=environment(NUMBA_CACHE_DIR=str(index.parent.parent)),
    )
    left = [f.name for f in folder(".fdtmp")]
    assert left == [young.name]


def locate(path):
    from ferdelance import _cache

    code = compile("def f(): pass", str(path), "exec")
    scope = {}
    exec(code, scope)
    return _cache.locate(scope["f"])[0][0]


# ---- places -------------------------------------------------------------------------------------


def test_a_directory_by_environment(project):
    p = project(ONE.replace("compilations()", "f.stats.cache_path"))
    for variable in ("NUMBA_CACHE_DIR", "FERDELANCE_CACHE_DIR"):
        where = p.folder / variable
        *answers, path = p.run(**{variable: str(where)})
        assert answers == ["7", "4.0", "0/2"]
        assert pathlib.Path(path).parent == where
        assert [f.parent for f in p.files(where)] == [pathlib.Path(path)] * 4
        where.rename(p.folder / "moved")
        assert p.run(**{variable: str(p.folder / "moved")})[2] == "2/0"
        (p.folder / "moved").rename(p.folder / f"{variable}-done")
    assert not (p.folder / "__pycache__").exists()


def test_where_python_keeps_bytecode(project):
    p = project(ONE)
    prefix = p.folder / "prefix"
    assert p.run(PYTHONPYCACHEPREFIX=str(prefix))[2] == "0/2"
    assert len(p.files(prefix)) == 4 and not (p.folder / "__pycache__").exists()
    assert p.run(PYTHONPYCACHEPREFIX=str(prefix))[2] == "2/0"


def test_a_folder_that_cannot_be_written_to(project):
    """A file is in the place of `__pycache__`, which stops root, too."""
    p = project(ONE)
    (p.folder / "__pycache__").write_text("")
    assert p.run() == ["7", "4.0", "0/2", "2"]
    assert len(p.files(p.home / "ferdelance")) == 4
    assert p.run() == ["7", "4.0", "2/0", "0"]
    assert not p.errors


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(project):
    p = project(ONE)
    p.home.mkdir()
    p.folder.chmod(0o500)
    try:
        assert p.run()[2] == "0/2"
        assert p.run()[2] == "2/0"
    finally:
        p.folder.chmod(0o700)


def test_code_that_was_made_beforehand_in_a_folder_that_cannot_be_written_to(project):
    p = project(ONE)
    p.run()
    (p.folder / "__pycache__").chmod(0o500)
    try:
        assert p.run()[2] == "2/0"
    finally:
        (p.folder / "__pycache__").chmod(0o700)


def test_no_place_at_all(project):
    p = project(ONE)
    for name in ("__pycache__", "home"):
        (p.folder / name).write_text("")
    assert p.run() == ["7", "4.0", "0/2", "2"]
    assert p.errors.count("NumbaWarning: cannot cache f: ") == 1, p.errors


def test_archives(project):
    p = project("""
        sys.path.insert(0, sys.argv[1])
        import packed

        print(packed.f(3), counts(packed.f), packed.f.stats.cache_path)
    """)
    archive = p.folder / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "packed.py",
            "import ferdelance as fd\n\n@fd.njit(cache=True)\n" + "def f(x):\n    return x * 7\n",
        )
    *answer, path = p.run(archive)
    assert answer == ["21", "0/1"]
    assert pathlib.Path(path).parent == p.home / "ferdelance"
    assert p.run(archive)[1] == "1/0"
    archive.rename(p.folder / "renamed.zip")
    assert p.run(p.folder / "renamed.zip")[1] == "0/1", "each archive has a folder of its own"


def test_code_without_a_file(project):
    p = project("""
        import linecache

        def define(name):
            text = "@fd.njit(cache=True)\\ndef f(x):\\n    return x + 5\\n"
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            scope = {"fd": fd}
            exec(compile(text, name, "exec"), scope)
            return scope["f"]

        f, g = define("<string>"), define(f"/tmp/ipykernel_{np.random.randint(10**9)}/1.py")
        print(f(1), g(2), counts(f, g), f.stats.cache_path)
    """)
    folder = str(p.home / "ferdelance" / "code")
    # The second one has the first one's code.
    assert p.run() == ["6", "7", "1/1", folder]
    assert p.run() == ["6", "7", "2/0", folder]


def test_code_that_tools_have_changed_is_not_kept(folder):
    code = plain.__code__
    constants = tuple(object() if c is None else c for c in code.co_consts)
    f = type(plain)(code.replace(co_consts=(*constants, object())), globals(), "plain")
    f = fd.njit(cache=True, source="def plain(x):\n    return x * 2 + 1\n")(f)
    with pytest.warns(fd.errors.NumbaWarning, match="cannot cache plain: its code holds an object"):
        assert f(3) == 7
    assert not folder()


# ---- cached code is code ------------------------------------------------------------------------


def test_tracebacks_and_code_map(project):
    p = project("""
        import traceback

        @fd.njit
        def inner(x):
            if x < 0:
                raise ValueError("negative", x)
            return x

        @fd.njit(cache=True)
        def f(x):
            y = inner(x)
            return y + 1

        f(1)
        try:
            f(-1)
        except ValueError as error:
            for t in traceback.extract_tb(error.__traceback__)[1:]:
                print(t.filename, t.lineno, t.name)
        print(counts(f))
    """)
    first, second = p.run(), p.run()
    assert first[-1] == "0/1" and second[-1] == "1/0"
    assert first[:-1] == second[:-1]
    lines = (p.folder / "script.py").read_text().splitlines()
    path = str(p.folder / "script.py")
    at = lines.index("    y = inner(x)") + 1
    raised = lines.index('        raise ValueError("negative", x)') + 1
    assert first[:-1] == [path, str(at), "f", path, str(raised), "inner"]


def test_arrays_are_kept_alive(project):
    p = project("""
        import gc

        TABLE = np.arange(5.0)

        @fd.njit(cache=True)
        def f():
            return TABLE

        first = f()
        del TABLE
        gc.collect()
        junk = [np.full(5, -1.0) for _ in range(100)]
        print(f().sum(), counts(f))
    """)
    assert p.run() == ["10.0", "0/1"]
    assert p.run() == ["10.0", "1/0"]


def test_functions_die_with_their_code(project):
    p = project("""
        import gc, weakref

        def make(k):
            @fd.njit(cache=True)
            def f(x):
                return x * k
            return f

        f = make(3)
        f(1)
        before = len(gc.get_objects())
        for _ in range(20):
            g = make(3)
            assert g(2) == 6 and g.stats.cache_hits
            gone = weakref.ref(g)
            del g
            gc.collect()
            assert gone() is None
        print("freed")
    """)
    assert p.run() == ["freed"]
