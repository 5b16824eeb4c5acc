"""Methods and inner functions that advice makes functions of the top level: they mean the same, or
are left alone, and are tried on what they got, in whatever process that was."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from ferdelance.profiler.advice import bodies, capture, edit, loops, parts, sources
from random_programs import random_program, run_both
from recording import fdl, output, write

pytestmark = pytest.mark.alone


def find(text, name):
    file = sources.File(text)
    (scope,) = (s for s in file.scopes if s.name == name)
    return bodies.find(file, scope)


MOVED = {
    "a method": """
        class C:
            scale = 2
            def __init__(self, k): self.k, self.__seen = k, [0]
            def f(self, x, y=3, *, z=1):
                '''Text.'''
                # A comment.
                self.__seen[0] += 1
                return (x + y) * self.k * z * self.scale + self.__seen[0]
        c = C(5)
        print(c.f(1), c.f(1, 2), c.f(x=4, z=7))
        """,
    "a method that calls others, and itself": """
        import math
        def g(x): return math.floor(x) + 1
        class C:
            def __init__(self): self.k, self.x = 2, 10
            def twice(self, x, more=0): return_value = 2 * x + self.k + more
            def once(self, x):
                return g(x) + self.k
            @staticmethod
            def plain(y):
                return y * 3
            def f(self, n):
                x = n
                if n == 0:
                    return self.x
                return (self.once(x) + self.f(n - 1) + self.once(
                    n) + self.plain(4))
        print(C().f(5))
        """,
    "names that are taken": """
        k = 100
        class C:
            def __init__(self): self.k, self.x, self.sum = 2, 3, 4
            def f(self, x):
                return self.x * x + self.k + k + self.sum + sum([x])
        print(C().f(5))
        """,
    "attributes that are assigned to": """
        class C:
            scale: float = 2.0
            def __init__(self): self.n, self.energy, self.x = 3, 0.5, [1, 2]
            def f(self, k):
                energy = k
                for i in range(self.n):
                    self.x[0] += i
                    energy += self.x[0] * self.scale
                    if energy > 7:
                        self.scale, self.n = self.n, 4
                self.new = energy + self.n
                self.energy += self.new
        c = C()
        for k in range(3):
            print(c.f(k), sorted(vars(c).items()), c.scale)
        """,
    "an attribute that is assigned to, and a result": """
        class C:
            def __init__(self): self.n = 3
            def f(self, result):
                "Doc."
                self.n += result
                if self.n > 5:
                    self.n = -self.n
                return self.n, result * 2
        c = C()
        print(c.f(1), c.f(2), c.f(result=3), vars(c))
        """,
    "an attribute that is assigned to, and a long result": """
        class C:
            def f(self, a):
                self.n = a
                return (a
                        + self.n)
        c = C()
        print(c.f(1), vars(c))
        """,
    "an attribute that is assigned to, and nothing": """
        class C:
            def twice(self, a):
                return a * 2
            def f(self, a):
                self.n = self.twice(a)
                return
        c = C()
        print(c.f(1), vars(c))
        """,
    "an inner function": """
        def outer(a, k):
            total = [0]
            def add(x):
                total[0] += x
                return total[0] * k
            def f(n, *rest):
                for i in range(n):
                    add(i + a)
                return add(len(rest))
            k += 1
            return f
        print(outer(3, 4)(5, 6, 7), outer(1, 1)(2))
        """,
    "an inner function that calls itself": """
        def outer(k):
            def f(n):
                return k if n < 2 else f(n - 1) + f(n - 2)
            return f(9)
        print(outer(2))
        """,
    "within a method": """
        class C:
            def outer(self, a):
                b = a * 2
                def f(x):
                    return x + b
                return f(1)
        print(C().outer(4))
        """,
    "words of other alphabets": """
        class C:
            def __init__(self): self.größe = 3
            def f(self, ä):
                return "äöü"[ä] + str(self.größe + ä) + "ü" + str(self.größe)
        print(C().f(1))
        """,
}


@pytest.mark.parametrize("text", MOVED.values(), ids=MOVED)
def test_what_is_moved_means_the_same(text):
    text = textwrap.dedent(text)
    (name,) = (s.name for s in sources.File(text).scopes if s.node.name == "f")
    part = find(text, name)
    after = parts.moved(text, [part])
    for one in part.all:
        assert f"\ndef {one.name}(" in after
    assert output(after) == output(text) != ""
    # What is shown is what is tried.
    assert "".join(part.definition(parts.lines_of(text))) in part.alone(text)
    assert "@njit\ndef " in edit.changed(text, part.compiled, [part])


LEFT = {
    "self.x += a": "`self.x` may not be there before line",
    "if a: self.x = a": "`self.x` may not be there before line",
    "self.x = self.x + a": "`self.x` may not be there before line",
    "del self.x": "it deletes `self.x`, in line",
    "self.there = a; return self.sets(a)": "it calls `sets`: it assigns to `self.there`, in line",
    "self.there = a; return self.uses(a)": "it assigns to `self.there`, which `Base.uses` uses",
    "self.there = a; return self.f(a)": "it assigns to attributes of `self`, and calls itself",
    "while a: return 1\n                self.there = a": "it assigns to `self.there`, and returns",
    "self.computed = a": "`self.computed` is computed by a method",
    "self.other = a": "it assigns to `self.other`, a method, in line",
    "return g(self)": "it uses `self` as a whole, in line",
    "return self.other": "it uses the method `self.other` as a value, in line",
    "return self.computed": "`self.computed` is computed by a method",
    "return self.changed()": "`self.changed` may be that of the class `Heir`",
    "return self.saves()": "it calls `saves`: it calls `open`, in line",
    "return super().x": "it uses `super`",
    "print(self.x)": "it calls `print`, in line",
    "yield self.x": "it is a generator, in line",
    "return f'{self.x}'": "it formats `self` as a text, in line",
    "self.f2(a)": "it calls `f2`: `f` and `f2` call each other",
}


@pytest.mark.parametrize("body", LEFT)
def test_what_is_not_sure_is_left_alone(body):
    text = textwrap.dedent(f"""
        def g(x):
            return x
        class Base:
            def other(self):
                return 1
            @property
            def computed(self):
                return 1
            def changed(self):
                return 1
            def __init__(self):
                self.there = 1
            def sets(self, a):
                self.there = a
            def uses(self, a):
                return self.there
            def saves(self):
                return open(self.path)
            def f2(self, a):
                return self.f(a)
            def f(self, a):
                {body}
        class Heir(Base):
            def changed(self):
                return 2
        """)
    with pytest.raises(sources.NotFound) as caught:
        find(text, "Base.f")
    assert str(caught.value).startswith(LEFT[body])


def test_one_line_coroutines_and_decorated_functions_are_left_alone():
    for text, reason in {
        "class C:\n    def f(self): return 1\n": "its lines cannot be moved as they stand",
        "class C:\n    async def f(self):\n        return 1\n": "it is a coroutine",
        "class C:\n    @cache\n    def f(self):\n        return 1\n": "`f` is decorated",
        "class C:\n    def f(self, x=[]):\n        return 1\n": "the default of `x` is no constant",
    }.items():
        with pytest.raises(sources.NotFound, match=reason):
            find(text, "C.f")


LOOPS = {
    "of a method, with attributes": """
        class C:
            def __init__(self): self.a, self.k, self.n = [1, 2, 3], 4, 0
            def half(self, x):
                return x // 2 + self.k
            def f(self, n):
                total = 0
                for i in range(n):
                    self.a[i % 3] += self.half(i) * self.k
                    total += self.a[0]
                self.n += 1
                print(self.a, total, self.n)
        c = C()
        c.f(7)
        c.f(2)
        """,
    "of an inner function": """
        def outer(k):
            a = [0, 1, 2]
            def f(n):
                s = 0
                for i in range(n):
                    s += a[i % 3] * k
                print(s)
            return f
        outer(3)(9)
        """,
    "that calls an inner function": """
        def f(n):
            k = 3
            def scaled(x):
                return x * k
            total = 0
            for i in range(n):
                total += scaled(i)
            print(total)
        f(5)
        """,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_is_moved_means_the_same(text):
    text = textwrap.dedent(text)
    file = sources.File(text)
    (scope,) = (s for s in file.scopes if s.node.name == "f")
    loop = loops.find(file, scope, dict.fromkeys(range(100), 1.0))
    after = parts.moved(text, [loop])
    assert f"def {loop.name}(" in after
    assert output(after) == output(text) != ""


def test_several_parts_of_a_file_are_moved_at_once():
    text = textwrap.dedent("""
        class C:
            def __init__(self): self.k = 2
            def g(self, x):
                return x * self.k
            def f(self, n):
                s = 0
                for i in range(n):
                    s += self.g(i)
                print(s)
            def h(self, n):
                return n + self.g(n)
        C().f(4)
        print(C().h(3))
        """)
    file = sources.File(text)
    scopes = {s.node.name: s for s in file.scopes}
    loop = loops.find(file, scopes["f"], dict.fromkeys(range(100), 1.0))
    after = parts.moved(text, [loop, find(text, "C.h")])
    assert after.count("def c_g(") == 1
    assert output(after) == output(text)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_do_not_notice(tmp_path, seed):
    run_both(tmp_path, random_program(seed)[0], "advise")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 60))
def test_more_random_programs_do_not_notice(tmp_path, seed):
    run_both(tmp_path, random_program(seed)[0], "advise")


# ---- what is kept of a call ----------------------------------------------------------------------


def test_attributes_are_read_and_no_code_of_the_object_runs():
    class Base:
        __slots__ = ("slot", "empty")
        constant = 3

        def helper(self):
            return self.more

    class C(Base):
        def __init__(self):
            self.a, self.more, self.other, self.slot = np.arange(3), 5, 6, 7

        def __getattribute__(self, name):
            raise SystemExit("touched")

        @property
        def computed(self):
            raise SystemExit("touched")

        def f(self):
            return self.a, self.slot, self.empty, self.constant, self.computed, self.helper()

    # Its own methods would be touched by assigning.
    c = object.__new__(C)
    object.__getattribute__(c, "__dict__").update(a=np.arange(3), more=5, other=6)
    Base.slot.__set__(c, 7)
    found = capture.attributes_of(c, C.f.__code__)
    assert {k: v for k, v in found.items() if k != "a"} == {"slot": 7, "constant": 3, "more": 5}
    assert found["a"].tolist() == [0, 1, 2]
    assert capture.attributes_of(c, find.__code__) is None


def test_what_is_no_plain_data_is_named(tmp_path):
    text = """
        class Thing: pass
        class C:
            def __init__(self): self.thing = Thing()
            def f(self, n):
                s = 0
                for i in range(n):
                    s += i & 3
                    if s < 0: s += self.thing.x
                return s
        c = C()
        for _ in range(5): c.f(700_000)
        """
    done = fdl("advise", write(tmp_path, text))
    assert "tried as it stands: the attribute `thing` could not be copied" in done.stdout


def advice_for(program, *options):
    done = fdl("advise", "--json", *options, program)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout[done.stdout.index("[\n") :]), done


METHODS = """
class C:
    def __init__(self):
        self.table = [float(i) for i in range(100)]
        self.calls = 0
    def work(self, n):
        s = 0.0
        for i in range(n):
            s += self.table[i % 100] * i
        self.calls += 1
        return s
    def whole(self, n):
        s = 0.0
        for i in range(n):
            s += self.table[i % 100] * i
        return s
c = C()
for _ in range(5):
    c.NAME(1_500_000)
print(c.calls)
"""


@pytest.mark.parametrize("name", ["work", "whole"])
def test_a_method_is_tried(tmp_path, name):
    advice, done = advice_for(write(tmp_path, METHODS.replace("NAME", name)))
    assert advice[0]["trial"]["same"] == "same", advice
    assert advice[0]["part"]["owner"] == f"C.{name}"
    assert any("`self.calls` are there once all is done" in e for e in advice[0]["evidence"]) == (
        name == "work"
    )


STATES = """
import numpy as np
class Particles:
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.x, self.v = rng.random(n), np.zeros(n)
        self.energy, self.steps, self.far = 0.0, 0, None
    def step(self, dt):
        n, energy = len(self.x), 0.0
        for i in range(n):
            f = 0.0
            for j in range(n):
                if i != j:
                    d = self.x[j] - self.x[i]
                    f += d / (abs(d) + 0.1)
            self.v[i] += f * dt
            energy += 0.5 * self.v[i] ** 2
        self.x = self.x + self.v * dt
        self.v *= 0.999
        self.energy = energy
        self.steps += 1
        return energy + self.steps
p = Particles(100)
total = sum(p.step(0.01) for _ in range(60))
print(f"{total:.9g} {p.energy:.9g}", p.steps, p.x[:3])
"""


def test_a_method_that_assigns_to_attributes_is_tried(tmp_path):
    changed = tmp_path / "changed.py"
    advice, done = advice_for(write(tmp_path, STATES), "--apply", changed)
    assert advice[0]["trial"]["same"] == "same", advice
    assert advice[0]["part"]["owner"] == "Particles.step"
    assert "particles_step(" in changed.read_text()
    after = subprocess.run([sys.executable, changed], capture_output=True, text=True, check=True)
    assert after.stdout == done.stdout[: done.stdout.index("\n") + 1]


def test_attributes_are_compared(tmp_path):
    text = """
        class Hash:
            def __init__(self): self.value, self.count = 1, 2
            def add(self, n):
                value = self.value
                for i in range(n):
                    value = (value * 31 + i) % 1_000_003
                # Larger than what compiled code has for integers.
                self.value, self.large = value, 2 ** (self.count + 62)
                self.count += 1
        h = Hash()
        for _ in range(6):
            h.add(1_000_000)
        """
    advice, _ = advice_for(write(tmp_path, text))
    assert all(one["trial"] is None or one["trial"]["same"] != "same" for one in advice), advice
    assert any("in place of" in e for one in advice for e in one["evidence"]), advice


FUNCTIONS = """
import math
from ferdelance import njit
SCALE = 2.0
@njit
def wave(x):
    return math.sin(x) * SCALE
def make(f, low):
    def integrate(high, n):
        total, step = 0.0, (high - low) / n
        for i in range(n):
            total += f(low + i * step) * step
        return total
    return integrate
def apply(f, n):
    s = 0.0
    for i in range(n):
        s += f(i * 0.001)
    return s
g = make(wave, 0.0)
for k in range(1, 7):
    g(float(k), 300_000)
    apply(wave, 300_000)
"""


def test_compiled_functions_may_be_passed_and_be_variables_of_others(tmp_path):
    advice, _ = advice_for(write(tmp_path, FUNCTIONS))
    done = {one["function"].rpartition(".")[2]: one["trial"] for one in advice}
    assert done["integrate"]["same"] == done["apply"]["same"] == "same", advice


def test_a_function_that_reads_files_is_not_run_because_it_is_passed(tmp_path):
    text = FUNCTIONS.replace("@njit\ndef wave(x):", "@njit(forceobj=True)\ndef wave(x):\n    open")
    text = text.replace("g(float", "pass  # ")
    advice, _ = advice_for(write(tmp_path, text))
    said = [line for one in advice for line in one["evidence"]]
    assert not any(one["trial"] for one in advice)
    assert any("of the function `wave`: it calls `open`, in line 7" in line for line in said), said


CHILDREN = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
def work(n, k):
    s = 0
    for i in range(n):
        s += i % k
    return s
def main(how):
    if how == "fork":
        if os.fork() == 0:
            for _ in range(5): work(4_000_000, 3)
            os._exit(0)
        os.wait()
    elif how == "executor":
        with ProcessPoolExecutor(2) as pool:
            print(sum(pool.map(work, [4_000_000] * 6, [3] * 6)))
    elif how == "terminated":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(sum(pool.starmap(work, [(4_000_000, 3)] * 6)))
    else:
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(sum(pool.starmap(work, [(4_000_000, 3)] * 6)))
if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver", "executor", "terminated"])
def test_functions_of_child_processes_are_tried(tmp_path, how):
    program = write(tmp_path, CHILDREN)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = fdl("advise", program, how, env=environment)
    assert "Compile `work`" in done.stdout, done.stdout + done.stderr
    assert "times as fast (tried)" in done.stdout and "the same result" in done.stdout
    assert os.listdir(temporary) == []


def test_copies_of_all_processes_together_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "MOST", 1000)
    room = capture.Room(str(tmp_path / "room"))
    other = capture.Room(str(tmp_path / "room"))
    assert room.take(600) == 400
    assert other.take(500) is None
    assert other.take(400) == 0
    assert room.take(-600) == 600
    assert os.stat(tmp_path / "room").st_mode & 0o777 == 0o600
    with other.lock:
        assert other.take(1) is None


def test_files_of_children_are_of_the_user_alone(tmp_path):
    taken = capture.Capture(str(tmp_path), {}, is_first=False)
    call = taken.enter(add.__code__, (1, 2), {})
    taken.leave(call, add(1, 2))
    (path,) = tmp_path.glob("*.call")
    assert path.stat().st_mode & 0o777 == 0o600
    (kept,) = capture.load(str(tmp_path)).values()
    assert kept == str(path)


def add(a, b):
    return a + b


def test_a_call_that_fails_is_not_kept(tmp_path):
    text = """
        def work(n):
            s = 0
            for i in range(n):
                s += i & 3
            if n % 2 == 0:
                raise ValueError(s)
            return s
        for n in range(8):
            try: work(1_500_000 + n * 2)
            except ValueError: pass
        work(700_001)
        """
    advice, done = advice_for(write(tmp_path, text))
    # Only the call that returned is kept: the longer ones did not.
    assert advice[0]["trial"] is None or advice[0]["trial"]["same"] == "same", advice
    text = text.replace("work(700_001)", "")
    advice, done = advice_for(write(tmp_path, text))
    assert advice[0]["trial"] is None
