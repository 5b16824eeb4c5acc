"""What `explain` says, and that it is so."""

import ferdelance as fd
import numpy as np
import pytest


def remarks(function, *args, **options):
    """topic -> texts by line, counted from the function's first one."""
    f = fd.njit(**options)(function)
    f(*args)
    first = function.__code__.co_firstlineno
    return {
        line["line"] - first: [(r["topic"], r["text"]) for r in line["remarks"]]
        for line in f.explain(f.signatures[0], data=True)
    }


def topics(lines, line):
    return [topic for topic, _ in lines.get(line, ())]


def texts(lines, line, topic):
    return [text for t, text in lines.get(line, ()) if t == topic]


def test_what_is_fused_is_told_and_where():
    def f(a, b):
        d = a - b
        s = np.sum(d * d)
        return s

    lines = remarks(f, np.ones(9), np.ones(9))
    (text,) = texts(lines, 1, "fused")
    assert "`d` is not made" in text and f"line {f.__code__.co_firstlineno + 2}" in text
    assert "memory" not in topics(lines, 1) + topics(lines, 2)
    (text,) = texts(lines, 2, "loop")
    assert "reads `a`, `b`, reduces to a number" in text


def test_why_arrays_are_made_is_told():
    def f(a, b, n):
        t = a + b
        for i in range(n):
            b[i] = t.sum()
        a[1:] = a[:-1] * 2
        w = a * 2
        w[0] = 1
        x = np.exp(a) + b
        return w, np.sqrt(x) - x.mean(), a * b

    lines = remarks(f, np.ones(9), np.ones(9), 3, no_rewrites={"reuse"})
    first = f.__code__.co_firstlineno
    said = {line: " ".join(texts(lines, line, "memory")) for line in lines}
    assert f"`t` is made: line {first + 3} may read it several times" in said[1]
    assert f"line {first + 4} stores to what it is computed from" in said[4]
    assert "`w` is made" in said[5]
    assert f"line {first + 8} returns it" in said[8]
    assert "`x` is made" in " ".join(text for _, text in lines[7])


def test_a_mean_asks_for_no_memory():
    def f(a):
        return a.mean(), np.nanmean(a), a.std()

    lines = remarks(f, np.ones(9))
    assert not [t for t in texts(lines, 1, "memory")]


def test_memory_is_told_with_its_size():
    def f(a, n):
        z = np.zeros(n)
        for _ in range(n):
            z += a * 2.0
        return a + z

    lines = remarks(f, np.ones(9), 9)
    assert texts(lines, 1, "memory") == ["8 * n bytes"]
    assert not any("round" in text for text in texts(lines, 3, "memory"))
    assert any("a new array" in text for text in texts(lines, 4, "memory"))


def test_an_array_that_is_made_in_each_round_is_told():
    def f(u, steps):
        for _ in range(steps):
            u[1:-1] = u[2:] + u[:-2]

    lines = remarks(f, np.ones(9), 3)
    assert [t for t in texts(lines, 2, "memory") if "8 bytes for each item" in t]


def test_a_store_that_depends_on_addresses_is_told():
    def f(a, out):
        out[:] = a * 2.0

    (text,) = texts(remarks(f, np.ones(9), np.ones(9)), 1, "memory")
    assert "`out` and `a` share no memory" in text


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_vector_width_is_told(dtype):
    def f(a, out):
        out[:] = a + a

    (text,) = texts(remarks(f, np.ones(9, dtype), np.ones(9, dtype)), 1, "vector")
    width, name = text.split()[:2]
    assert int(width) > 1 and name == np.dtype(dtype).name


def test_loops_of_the_user_are_told_when_vectorised_and_products():
    def f(a, b):
        for i in range(1, a.shape[0]):
            a[i, 0] = a[i - 1, 0] * 2.0
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                a[i, j] += 2.0
        return a @ b

    lines = remarks(f, np.ones((4, 4)), np.ones((4, 4)))
    assert "vector" not in topics(lines, 2) and "vector" in topics(lines, 5)
    assert "library" in topics(lines, 6)


def test_the_text_fits_the_terminal_and_shows_the_source():
    def f(a, b, c):
        return (a + b) * c

    f = fd.njit(f)
    f(np.ones(3), np.ones(3), np.ones(3))
    text = f.explain(f.signatures[0])
    assert "return (a + b) * c" in text and "no array is made" in text
    assert max(map(len, text.splitlines())) <= 100
    assert f.explain() == {f.signatures[0]: text}
    g = fd.njit(lambda x: x + 1)
    g(1)
    assert "No operations on whole arrays" in g.explain(g.signatures[0])


def test_operators_in_place_need_no_memory():
    def whole(a, b):
        a += b * 2.0

    def part(a, b):
        a[1:-1] *= b[1:-1] + 1.0

    def spelled_out(a, b):
        a[1:-1] = a[1:-1] + b[2:]

    for function in (whole, part, spelled_out):
        lines = remarks(function, np.ones(9), np.ones(9))
        assert not [t for t in texts(lines, 1, "memory") if "new array" in t], function
        a, b = np.arange(9.0), np.arange(9.0) * 3
        expected = a.copy()
        function(expected, b)
        fd.njit(function)(a, b)
        np.testing.assert_array_equal(a, expected)
        # Memory that is shared in other ways than item by item.
        x, y = np.arange(20.0), np.arange(20.0)
        function(x[:9], x[1:10])
        fd.njit(function)(y[:9], y[1:10])
        np.testing.assert_array_equal(y, x)


def test_broadcasting_in_place():
    def f(a, b):
        a += b

    compiled = fd.njit(f)
    a = np.ones((3, 4))
    compiled(a, np.arange(4.0).reshape(1, 4))
    np.testing.assert_array_equal(a, np.ones((3, 4)) + np.arange(4.0))
    b = np.ones((1, 4))
    compiled(b, np.arange(4.0).reshape(1, 4))
    np.testing.assert_array_equal(b[0], 1 + np.arange(4.0))
    with pytest.raises(ValueError, match="broadcast"):
        compiled(np.ones((1, 4)), np.ones((3, 4)))


def test_without_optimisation_nothing_is_vectorised(monkeypatch):
    def f(a, out):
        out[:] = a + a

    monkeypatch.setattr(fd.config, "OPT", 0)
    lines = remarks(f, np.ones(9), np.ones(9))
    assert "loop" in topics(lines, 1) and "vector" not in topics(lines, 1)
