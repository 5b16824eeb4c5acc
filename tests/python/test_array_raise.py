"""Loops over columns, which become operations on all columns: same results as round by round."""

import random

import ferdelance as fd
import numpy as np
import pytest
from array_kernels import KERNELS


class ColumnLoop:
    """A random loop over columns of q, a and r, k being a number; some depend on other rounds."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        pick = self.random.choice
        #: Whether rounds keep to their own column.
        self.apart = self.random.random() < 0.7
        self.scalars = []
        first, last = pick(("0", "1", "k", "k + 1")), pick(("n", "n - 1", "n", "k + 2"))
        lines = [f"for j in range({first}, {last}):"]
        for _ in range(self.random.randint(1, 4)):
            lines.append("    " + self.statement())
        fresh = pick(("", "q = q * 1.0", "r = np.zeros((n + 1, n + 1))", "a = a + 1.0"))
        body = "\n    ".join([fresh or "pass", *lines, "return q, a, r"])
        self.text = f"def f(q, a, r, k):\n    n = a.shape[1]\n    {body}\n"

    def column(self):
        pick = self.random.choice
        name, at = pick("qqaa"), pick(("j", "j", "j", "j", "k", "0", "j - 1", "-1"))
        return f"{name}[{pick((':', ':', ':', '1:', '::-1'))}, {at}]"

    def whole(self):
        pick = self.random.choice
        if self.apart:
            return pick(("q[:, k]", "a[:, j]", "a[:, j]"))
        return f"{pick('qa')}[:, {pick(('j', 'j', 'j', 'k', 'j - 1'))}]"

    def scalar(self):
        pick = self.random.choice
        if self.apart:
            return pick(("0.5", "r[k, j]", *self.scalars))
        return pick(("0.5", "r[k, j]", "r[j, k]", "r[j, j]", "1.5", *self.scalars))

    def product(self):
        return f"{self.whole()} {self.random.choice('*+-')} {self.whole()}"

    def statement(self):
        pick = self.random.choice
        kind = self.random.random()
        if kind < 0.3:
            target = "r[k, j]" if self.apart else pick(("r[k, j]", "r[j, k]", "r[j, j]"))
            function = pick(("sum", "sum", "max", "min"))
            return f"{target} = np.{function}({self.product()}) * {pick(('1.0', self.scalar()))}"
        if kind < 0.4:
            name = f"s{len(self.scalars)}"
            line = f"{name} = np.sum({self.product()})"
            self.scalars.append(name)
            return line
        target = f"{pick('qa')}[:, {pick(('j', 'j', 'j', 'j', 'k'))}]"
        if self.apart:
            target = "a[:, j]"
        if kind < 0.7:
            return f"{target} {pick(('-=', '+='))} {self.whole()} * {self.scalar()}"
        if kind < 0.8:
            return f"{target} = {self.column() if pick('ab') == 'a' else self.whole()}"
        return f"{target} = {self.product()} * {self.scalar()}"


def arguments(rng, kind):
    rows, n = (int(m) for m in rng.choice((1, 2, 3, 5, 8, 17, 40), 2))
    if rng.random() < 0.1:
        rows = 1100  # sums of several groups
    q, a = rng.random((rows, n)), rng.random((rows, n))
    r = rng.random((n + 1, n + 1))
    if kind == 1:
        a = q
    elif kind == 2:
        base = rng.random((rows, n + 1))
        q, a = base[:, 1:], base[:, :-1]
    elif kind == 3:
        q, a = np.asfortranarray(q), a[:, ::-1]
    elif kind == 4:
        base = rng.random((2 * rows, 2 * n + 2))
        q, a, r = base[::2, :n], base[1::2, n : 2 * n], base[: n + 1, : n + 1]
    return [q, a, r], int(rng.integers(0, n))


def copies(arrays):
    """Copies that overlap as the originals do."""
    made, out = {}, []
    for a in arrays:
        base = a if a.base is None else a.base
        if id(base) not in made:
            made[id(base)] = base.copy(order="K")
        offset = a.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        out.append(np.ndarray(a.shape, a.dtype, made[id(base)].data, offset, a.strides))
    return out


def outcome(function, arrays, k):
    arrays = copies(arrays)
    try:
        with np.errstate(all="ignore"):
            result = function(*arrays, k)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        return type(error).__name__, arrays
    return result, arrays


def same(got, wanted):
    if isinstance(wanted, str) or isinstance(got, str):
        return got is wanted or got == wanted
    return all(
        np.allclose(g, w, rtol=1e-9, atol=1e-9, equal_nan=True)
        for g, w in zip(got, wanted, strict=True)
    )


def check(seed):
    program = ColumnLoop(seed)
    scope = {"np": np}
    exec(program.text, scope)
    compiled = fd.njit(source=program.text)(scope["f"])
    rng = np.random.default_rng(seed)
    for kind in (0, 0, 1, 2, 3, 4):
        arrays, k = arguments(rng, kind)
        if arrays[2].shape[0] <= k + 1 or "k + 2" in program.text and k + 2 > arrays[1].shape[1]:
            continue  # indices are not checked in compiled code
        wanted, after = outcome(scope["f"], arrays, k)
        if wanted == "IndexError":
            continue
        got, changed = outcome(compiled, arrays, k)
        what = f"{program.text}\n{[(a.shape, a.strides) for a in arrays]}, k = {k}"
        assert same(got, wanted), what
        assert same(changed, after), what


@pytest.mark.parametrize("part", range(8))
def test_random_loops_over_columns(part):
    for seed in range(40 * part, 40 * part + 40):
        check(seed)


orthogonalise = KERNELS["gram_schmidt"].function


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (9, 5), (40, 33), (1500, 20)])
@pytest.mark.parametrize("without", [(), {"raise"}])
def test_orthogonal_columns(shape, without):
    a = np.random.default_rng(2).random(shape)
    wanted = orthogonalise(a.copy())
    got = fd.njit(no_rewrites=without)(orthogonalise)(a.copy())
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-7, atol=1e-9)


def test_explained():
    compiled = fd.njit(orthogonalise)
    compiled(np.eye(3))
    assert "column beside column" in str(next(iter(compiled.explain().values())))
