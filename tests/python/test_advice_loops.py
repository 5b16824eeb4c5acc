"""Loops that advice makes functions of: they mean the same, or are left alone."""

import textwrap

import pytest
from ferdelance.profiler.advice import edit, loops, parts, sources
from recording import fdl, output, write

pytestmark = pytest.mark.alone


def find(text, owner="f"):
    file = sources.File(text)
    scope = next((s for s in file.scopes if s.name == owner), None)
    return loops.find(file, scope, dict.fromkeys(range(1, 1 + len(text.splitlines())), 1.0))


MOVED = {
    "results, and variables that only the loop has": """
        def f(n):
            total, last = 0, None
            last = -1
            for i in range(n):
                square = i * i
                total += square
                if square % 7 == 3:
                    last = i
            print(total, last)
        f(50)
        """,
    "a loop in a loop that prints": """
        def f(n):
            total = 0
            for k in range(3):
                for i in range(n):
                    total += i * k
                print(k, total)
        f(20)
        """,
    "a list that is changed, and a condition around": """
        def f(n, loud):
            a = [0] * n
            if loud:
                for i in range(n):
                    a[i] = sum(j * i for j in range(i))
            print(a, loud)
        f(9, True)
        f(9, False)
        """,
    "in try, with a break": """
        def f(n):
            i = 0
            try:
                while True:
                    i += 1
                    if n // (10 - i) < 0:
                        break
            except ZeroDivisionError:
                print("division")
            print("done")
        f(3)
        """,
    "functions that it calls, and constants": """
        STEP = 3
        def g(x):
            return x * STEP
        # About f.
        def f(n, *, start=4):
            s = start
            for i in range(n):
                s += g(i)
            print(s)
        f(10)
        f(10, start=1)
        """,
    "the script itself": """
        n = 100
        found = []
        i = 2
        while i < n:
            j, prime = 2, True
            while j * j <= i:
                prime = prime and i % j != 0
                j += 1
            if prime:
                found += [i]
            i += 1
        print(found, i)
        """,
    "the script's variables that functions read": """
        total = 0
        def show():
            print(total)
        for i in range(10):
            total += i
        show()
        """,
    "a function in it that reads what the loop gives": """
        def f(n):
            total = 0
            def show():
                print(total)
            for i in range(n):
                total += i
            show()
        f(10)
        """,
    "a variable's old value, should the loop not run": """
        def f(n):
            x = 5
            for i in range(n):
                x = i
            print(x)
        f(0)
        f(3)
        """,
}


@pytest.mark.parametrize("text", MOVED.values(), ids=MOVED)
def test_a_loop_that_is_moved_means_the_same(text):
    text = textwrap.dedent(text)
    loop = find(text, "f" if "def f(" in text else "")
    after = parts.moved(text, [loop])
    assert f"def {loop.name}(" in after
    assert output(after) == output(text) != ""
    # What is shown is what is tried.
    assert "".join(loop.definition(text.splitlines(keepends=True))) in loop.alone(text)
    assert "@njit\ndef " in edit.changed(text, loop.compiled, [loop])


LEFT = {
    "it prints": "for i in range(n):\n    print(i)",
    "it returns": "for i in range(n):\n    if i: return i",
    "it opens a file": "for i in range(n):\n    open(str(i))",
    "it may not have a value": "if n:\n    x = 1\nfor i in range(n):\n    x += i\nprint(x)",
    "its variable is read afterwards": "for i in range(n):\n    n + 1\nprint(i)",
    "it has an else": "for i in range(n):\n    n + 1\nelse:\n    n = 2",
    "it has a function": "for i in range(n):\n    g = lambda: i",
    "it has a long text": "for i in range(n):\n    x = '''a\nb'''",
    "what it did until an error is read": "x = 0\ntry:\n    for i in range(n): x += 1 // i\n"
    "except ZeroDivisionError:\n    print(x)",
    "its error may be suppressed": "x = 0\nwith c:\n    for i in range(n): x += i\nprint(x)",
    "it is a generator's": "for i in range(n):\n    yield i",
    "it uses another module": "for i in range(n):\n    os.getpid()",
    "it writes a variable of the module": "global m\nfor i in range(n):\n    m = i",
}


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_what_is_not_sure_is_left_alone(body):
    text = f"import os\nm = 0\ndef f(n):\n{textwrap.indent(body, '    ')}\n"
    assert find(text) is None


def test_a_loop_of_the_script_is_compiled_and_the_program_stays(tmp_path):
    text = """
        n = 1_500_000
        sieve = bytearray([1]) * (n + 1)
        i = 2
        while i * i <= n:
            if sieve[i]:
                j = i * i
                while j <= n:
                    sieve[j] = 0
                    j += i
            i += 1
        print(sum(sieve) - 2)
        """
    program, changed = write(tmp_path, text), tmp_path / "changed.py"
    done = fdl("advise", "--apply", changed, program)
    assert "Make a loop of the script itself a function, and compile that" in done.stdout
    assert "for the types that it has; it was not run by itself" in done.stdout
    assert "@njit\ndef loop(i, n, sieve):" in changed.read_text()
    assert max(map(len, done.stdout.splitlines())) <= 100
    ran = fdl("record", "-o", tmp_path / "a.fdl", changed)
    assert ran.stdout == "114155\n"


def test_a_loop_between_output_is_tried_on_what_it_got(tmp_path):
    text = """
        def main(limit):
            longest, best = 0, 0
            for start in range(1, limit):
                n, steps = start, 0
                while n != 1:
                    n = n // 2 if n % 2 == 0 else 3 * n + 1
                    steps += 1
                if steps > longest:
                    longest, best = steps, start
            print(best, longest)
        main(50_000)
        """
    done = fdl("advise", write(tmp_path, text))
    assert "times as fast (tried)" in done.stdout
    assert "the loop: " in done.stdout and "the same result" in done.stdout


def test_what_the_compiler_does_not_take_shows_its_message(tmp_path):
    text = """
        def work(n):
            total = 0.0
            for i in range(n):
                total += len([i, "a"])
            return total
        for _ in range(5):
            work(500_000)
        """
    done = fdl("advise", write(tmp_path, text))
    assert "Change `work` so that it can be compiled" in done.stdout
    assert "program.py:5:" in done.stdout
