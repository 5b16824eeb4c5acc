#!/usr/bin/env python3
"""Random programs of whole-array statements against NumPy.

    python fuzz/arrays.py --seconds 60            from seed 1 on, for a minute
    python fuzz/arrays.py --seed 123 --count 1    one program
    python fuzz/arrays.py --seed 123 --show       only print it

Every program is compiled three times, with all rewrites of array operations, without one of them,
and without any, and run on arrays of several sizes (0 and 1 among them), layouts and overlaps.
Results and what happened to the arguments must be NumPy's: bit for bit, sums within a few
roundings. Work is done in processes that a crash may cost; a program that fails is printed with its
arguments.
"""

import argparse
import multiprocessing
import random
import sys
import time
import warnings

import numpy as np

DTYPES = ("f8", "f8", "f8", "f4", "i8", "i4", "u1", "c16")
INTEGERS = ("i8", "i4", "u1")
#: Slices of one dimension that leave out two items, so that several fit together.
CUTS = (":-2", "1:-1", "2:")
INNER = ("::2", "1::2", "::-1", ":", ":3", "-3:", "1:-1", "2:", ":-1")


class Program:
    """The text of a function of the arrays a, b, c of one rank and a number x."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        pick = self.random
        self.rank = pick.choice((1, 1, 2, 2, 3))
        self.dtypes = [pick.choice(DTYPES) for _ in range(3)]
        # Floats that an unsigned integer cannot hold have no value there.
        if "u1" in self.dtypes:
            self.dtypes = [d if d in INTEGERS else "i8" for d in self.dtypes]
        #: Numbers among themselves are computed in 64 bits, which NumPy's scalars are not.
        self.wide = all(d.endswith(("8", "16")) for d in self.dtypes)
        #: Magnitudes of complex numbers differ in the last place, which whole numbers may show.
        self.magnitudes = "c16" not in self.dtypes or not set(self.dtypes) & set(INTEGERS)
        self.whole = ["a", "b", "c"]
        #: Arrays that lack two items in each dimension.
        self.cut = []
        self.lines = []
        self.results = []
        #: Numbers that were computed from arrays.
        self.numbers = []
        self.indent = ""
        #: It has loops that may run block by block, which shows with many items.
        self.large = False
        for _ in range(pick.randint(1, 7)):
            self.statement()
            if pick.random() < 0.15:
                self.loop()
            elif pick.random() < 0.15:
                self.rounds()
        names = self.whole[3:] + self.cut + self.results
        self.lines.append(f"return {', '.join(names) or 'None'}")
        body = "\n    ".join(self.lines)
        self.text = f"def f(a, b, c, x):\n    {body}\n"

    def add(self, line):
        self.lines.append(self.indent + line)

    def loop(self):
        """A loop around a few statements, whose arrays go with it."""
        before = len(self.whole), len(self.cut), len(self.results), len(self.numbers)
        self.add(f"for _ in range({self.random.randint(0, 3)}):")
        self.indent = "    "
        for _ in range(self.random.randint(1, 3)):
            self.statement()
        if self.lines[-1].startswith("for"):
            self.add("pass")
        self.indent = ""
        for names, count in zip(
            (self.whole, self.cut, self.results, self.numbers), before, strict=True
        ):
            del names[count:]

    def rounds(self):
        """A loop that goes through the same items in each round, with what is chosen by masks."""
        pick = self.random
        self.large = True
        # What is computed of all three can be stored into these.
        wide = self.whole[:3] if len(set(self.dtypes)) == 1 and self.wide else []
        names = [f"t{len(self.whole) + k}" for k in range(pick.randint(1, 2))]
        for name in names:
            self.add(
                f"{name} = {pick.choice(('(a + b + c)', '(a * b - c)'))} * {pick.choice('12x')}"
            )
        counter = f"n{len(self.lines)}"
        if pick.random() < 0.4:
            self.add(f"{counter} = np.zeros(a.shape, np.int64)")
            counts = True
        else:
            counts = False
        k = f"k{len(self.lines)}"
        self.add(f"for {k} in range({pick.choice(('0', '1', '2', '5', 'min(len(c), 3)'))}):")
        self.indent = "    "
        if pick.random() < 0.2:
            self.add(f"if {k} == 2:\n            {pick.choice(('break', 'continue'))}")
        row = (f"b[{k} % len(b)]",) if pick.random() < 0.2 else ()
        for _ in range(pick.randint(1, 3)):
            target = pick.choice((*names, *names, *wide))
            atoms = (*names, *names, *self.whole[:3], "x", k, "1", *row)
            value = f"({pick.choice(names)} {pick.choice('+-*')} {pick.choice(atoms)})"
            what = pick.random()
            order = "==" if "c16" in self.dtypes else pick.choice(("<", ">", "==", ">="))
            other = pick.choice((*self.whole[:3], "x", "1", k))
            mask = f"{pick.choice((target, target, *names))} {order} {other}"
            if what < 0.3:
                self.add(f"{target} {pick.choice('+-')}= {pick.choice((*atoms, value))}")
            elif what < 0.5 and target in names:
                self.add(f"{target} = {value}")
            elif what < 0.8:
                self.add(f"m{k} = {mask}")
                either = (f"{value}", target) if pick.random() < 0.8 else (target, value)
                self.add(f"{target}[...] = np.where(m{k}, {either[0]}, {either[1]})")
                if counts:
                    self.add(f"{counter} += m{k}")
            else:
                self.add(f"m{k} = {mask}")
                self.add(f"{target}[m{k}] = {value}[m{k}]")
        self.indent = ""
        self.whole += names
        self.results += [counter] * counts

    def part(self, name):
        """A part of the first dimension that ends or begins at a variable, and one beside it."""
        pick = self.random
        k = pick.choice(("1", "a.shape[0] // 2", "len(c) - 1"))
        rest = pick.choice((f"{k}:", f"{k} + 1:", f"-{k}:", f":{k}", f"{k}"))
        row = pick.choice((f"{k} - 1", "0", f":{k}", "-1", f"{k}:{k} + 1", ":1", f"{k}:"))
        if self.rank > 1 and pick.random() < 0.4:
            rest, row = f":, {rest}", f":, {row}"
        return f"{name}[{rest}]", f"{pick.choice((name, 'b'))}[{row}]"

    def sliced(self, name):
        """A view that lacks two items in each dimension."""
        return f"{name}[{', '.join(self.random.choice(CUTS) for _ in range(self.rank))}]"

    def atom(self, cut):
        pick = self.random
        if pick.random() < 0.15:
            return pick.choice(("x", "2", "3") if "u1" in self.dtypes else ("x", "2", "0.5", "-1"))
        if self.wide and self.numbers and pick.random() < 0.15:
            return pick.choice(self.numbers)
        if not cut:
            return pick.choice(self.whole)
        if self.cut and pick.random() < 0.3:
            return pick.choice(self.cut)
        return self.sliced(pick.choice(self.whole))

    def expression(self, depth, cut):
        pick = self.random
        if depth == 0 or pick.random() < 0.2:
            return self.atom(cut)
        kind = pick.random()
        left = self.expression(depth - 1, cut)
        if kind < 0.6:
            return f"({left} {pick.choice('+-*')} {self.expression(depth - 1, cut)})"
        if kind < 0.7:
            right = self.expression(depth - 1, cut)
            return f"np.where({left} == {right}, {self.atom(cut)}, {self.atom(cut)})"
        if kind < 0.8 and self.magnitudes:
            return f"np.abs({left})"
        if kind < 0.85:
            return f"({left} * np.ones_like({self.sliced('a') if cut else 'a'}))"
        return f"(-{left})" if "u1" not in self.dtypes else f"(2 * {left})"

    def array(self, depth, cut):
        """An expression that is an array of the full shape."""
        return f"({self.sliced('a') if cut else 'a'} + {self.expression(depth, cut)})"

    def reduction(self, cut):
        pick = self.random
        name = pick.choice(
            ("sum", "sum", "max", "min", "any", "all", "prod", "argmax", "count_nonzero")
        )
        if self.rank == 2 and pick.random() < 0.2:
            # Of all pairs of rows.
            some = pick.choice((":", ":3", ":16", "1:5", "::2", ":17"))
            one, other = pick.choice(self.whole), pick.choice(self.whole)
            new = pick.choice(("None, ", ""))
            pairs = f"{one}[:, None, {some}] {pick.choice('+-*')} {other}[{new}:, {some}]"
            if pick.random() < 0.5:
                pairs = f"({pairs}) {pick.choice('+-*')} {pick.choice(self.whole)}[:, :1]"
            return f"np.{name}({pairs}, axis=2)", False
        axis = pick.choice(("", f", axis={pick.randrange(self.rank)}"))
        return f"np.{name}({self.array(1, cut)}{axis})", not axis and name in ("sum", "max", "min")

    def chosen(self, target):
        """What is done with the items that a mask chooses."""
        pick = self.random
        orders = ("==", "!=") if "c16" in self.dtypes else ("==", "!=", "<", ">=")
        whole = pick.choice(self.whole)
        mask = f"({whole} {pick.choice(orders)} {pick.choice((*self.whole, 'x'))})"
        if pick.random() < 0.2:
            mask = f"np.nonzero{mask}"
        name = f"m{len(self.lines)}"
        self.add(f"{name} = {mask}")
        for _ in range(pick.randint(1, 3)):
            item = f"{pick.choice(self.whole)}[{name}]"
            value = pick.choice((item, f"({item} {pick.choice('+-*')} {pick.choice((item, 'x'))})"))
            what = pick.random()
            if what < 0.5:
                new = pick.choice((value, value, pick.choice("12x")))
                self.add(f"{target}[{name}] {pick.choice(('', '', '+', '-'))}= {new}")
            elif what < 0.9:
                function = pick.choice(("sum", "sum", "max", "min", "any", "prod", "size"))
                self.add(f"r{len(self.results)} = np.{function}({value})")
                self.results.append(f"r{len(self.results)}")
            else:
                self.add(f"r{len(self.results)} = {value}")
                self.results.append(f"r{len(self.results)}")

    def statement(self):
        pick = self.random
        cut = pick.random() < 0.5
        kind = pick.random()
        target = pick.choice(self.whole[:3])
        if kind < 0.3:
            names = self.cut if cut else self.whole
            before = names if cut else names[3:]
            if before and pick.random() < 0.35:
                name = pick.choice(before)
                self.add(f"{name} = ({name} {pick.choice('+-*')} {self.expression(1, cut)})")
                return
            name = f"{'u' if cut else 't'}{len(names)}"
            self.add(f"{name} = {self.array(2, cut)}")
            names.append(name)
            if pick.random() < 0.3:
                self.add(f"{name} {pick.choice('+-*')}= {self.atom(cut)}")
        elif kind < 0.5:
            place = self.sliced(target) if cut else f"{target}[...]"
            self.add(f"{place} = {self.expression(2, cut)}")
        elif kind < 0.6:
            place = self.sliced(target) if cut else target
            self.add(f"{place} {pick.choice('+-*')}= {self.atom(cut)}")
        elif kind < 0.64:
            place, other = self.part(target)
            # A row of one dimension is a number.
            times = pick.choice(("x", "2", "1")) if self.rank > 1 or self.wide else "1"
            self.add(f"{place} {pick.choice(('', '+', '-'))}= {other} * {times}")
        elif kind < 0.7:
            rows = pick.choice(INNER)
            self.add(f"{target}[{rows}] = {pick.choice(self.whole[:3])}[{rows}]")
        elif kind < 0.76:
            self.chosen(target)
        elif kind < 0.82:
            name = f"t{len(self.whole)}"
            view = pick.choice((f"{target}.T", f"{target}[::-1]", target))
            if view.endswith(".T"):
                self.results.append(f"({target}.T + 1)")
            else:
                self.add(f"{name} = {view} * 1")
                self.whole.append(name)
        elif kind < 0.95:
            name = f"r{len(self.results)}"
            value, is_number = self.reduction(cut)
            self.add(f"{name} = {value}")
            self.results.append(name)
            if is_number:
                self.numbers.append(name)
            if pick.random() < 0.5:
                # Another one over the same items.
                self.add(f"{name}b = {self.reduction(cut)[0]}")
                self.results.append(f"{name}b")
        else:
            row = pick.choice(("0", "-1"))
            self.add(f"if {target}.shape[0] > 0:\n    {self.indent}    {target}[{row}] = x")


def make_arguments(program, rng):
    """Arrays of one shape: separate, the same, or overlapping parts of one."""
    size = rng.choice((0, 1, 2, 3, 5, 9, 21))
    # The order of factors decides whether a large product meets 0 or overflows first.
    if program.large and "np.prod" not in program.text and rng.integers(2):
        size = rng.choice({1: (70, 1000, 3000), 2: (9, 40, 70), 3: (9, 13)}[program.rank])
    shape = tuple(int(rng.choice((size, size, 4))) for _ in range(program.rank))
    arrays = []
    for dtype in program.dtypes:
        kind = rng.integers(4)
        full = tuple(2 * n + 1 for n in shape)
        values = rng.integers(-4 if dtype[0] != "u" else 0, 5, full)
        base = values.astype(dtype)
        if dtype == "c16":
            base = base + 1j * values[::-1]
        if kind == 0:
            arrays.append(np.ascontiguousarray(base[tuple(slice(n) for n in shape)]))
        elif kind == 1:
            arrays.append(np.asfortranarray(base[tuple(slice(n) for n in shape)]))
        elif kind == 2:
            arrays.append(base[tuple(slice(0, 2 * n, 2) for n in shape)])
        else:
            arrays.append(base[tuple(slice(n, 0, -1) for n in shape)])
    overlap = rng.integers(4)
    if overlap == 0 and program.dtypes[1] == program.dtypes[0]:
        arrays[1] = arrays[0]
    if overlap == 1 and program.dtypes[1] == program.dtypes[0] and shape[0] > 0:
        long = np.concatenate([arrays[0], arrays[0][:1]])
        arrays[0], arrays[1] = long[1:], long[:-1]
    return arrays, rng.choice((1, 2, 3))


def copies(arrays):
    """Copies that overlap as the originals do, with their strides."""
    made, out = {}, []
    for a in arrays:
        base = a
        while base.base is not None:
            base = base.base
        if id(base) not in made:
            made[id(base)] = (base, base.copy(order="K"))
        base, copy = made[id(base)]
        offset = a.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        flat = copy.reshape(-1, order="A") if copy.size else copy
        out.append(
            np.lib.stride_tricks.as_strided(
                np.ndarray(a.shape, a.dtype, flat, offset, a.strides), a.shape, a.strides
            )
            if a.size
            else a.copy()
        )
    return out


class Nudged:
    """NumPy, but for magnitudes of complex numbers: these are a rounding or two off, up or down.

    They are promised to within a rounding only, of which a comparison, or a difference of nearly
    equal numbers, can make anything. A program that gives something else with these is such a one.
    """

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        return getattr(np, name)

    def abs(self, x):
        magnitudes = np.abs(x)
        if not np.iscomplexobj(x):
            return magnitudes
        return magnitudes * (1 + self.rng.choice((-4e-16, 4e-16), np.shape(magnitudes)))


def same(got, wanted, loose):
    if isinstance(wanted, str) or isinstance(got, str):
        return got is wanted or isinstance(got, str) and got == wanted
    if isinstance(wanted, tuple | list):
        return len(got) == len(wanted) and all(
            same(g, w, loose) for g, w in zip(got, wanted, strict=True)
        )
    if wanted is None:
        return got is None
    g, w = np.asarray(got), np.asarray(wanted)
    if g.shape != w.shape or np.ndim(wanted) and g.dtype != w.dtype:
        return False
    if w.dtype.kind in "fc":
        return np.allclose(
            g, w, rtol=1e-5 if loose else 1e-12, atol=1e-5 if loose else 1e-9, equal_nan=True
        )
    return np.array_equal(g.astype(w.dtype), w)


def run(function, arrays, x):
    arrays = copies(arrays)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore", invalid="warn"):
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "invalid value encountered in cast", RuntimeWarning)
            result = function(*arrays, x)
    except (ValueError, IndexError, OverflowError, ZeroDivisionError, RuntimeWarning) as error:
        return type(error).__name__, arrays
    return result, arrays


def check(seed):
    """`None`, or what is wrong with a seed's program; `skip: ...` for what cannot be compiled."""
    import ferdelance

    # What is tested comes before LLVM's passes; without them ten times as many programs are.
    ferdelance.config.OPT = 3 if seed % 20 == 0 else 0
    program = Program(seed)
    scope = {"np": np}
    exec(compile(program.text, f"<seed {seed}>", "exec"), scope)
    reference = scope["f"]
    nudged_scope = {"np": Nudged(seed)}
    exec(compile(program.text, f"<seed {seed}>", "exec"), nudged_scope)
    magnitudes = "c16" in program.dtypes and "np.abs" in program.text
    rng = np.random.default_rng(seed)
    loose = "f4" in program.dtypes
    # These arrays are too small for bands, unless these are asked for.
    bands = {"whole"} if seed % 4 else set()
    fused = ferdelance.njit(source=program.text, no_rewrites=bands)(reference)
    apart = ferdelance.njit(source=program.text, no_rewrites=True)(reference)
    name = random.Random(seed).choice(sorted(ferdelance._options.REWRITES))
    without = ferdelance.njit(source=program.text, no_rewrites={name} | bands)(reference)
    for _ in range(4):
        arrays, x = make_arguments(program, rng)
        try:
            wanted, after = run(reference, arrays, x)
            nudged = run(nudged_scope["f"], arrays, x) if magnitudes else (wanted, after)
        except TypeError as error:
            return f"skip: not valid: {type(error).__name__}"
        if isinstance(wanted, str) and wanted in ("IndexError", "RuntimeWarning"):
            # Indices are not checked in compiled code; no integer is infinite.
            continue
        if not same(nudged, (wanted, after), loose):
            # A rounding decides.
            continue
        for how, function in (("apart", apart), ("fused", fused), (f"without {name}", without)):
            try:
                got, changed = run(function, arrays, x)
            except ferdelance.errors.NumbaError as error:
                return f"skip: {str(error).splitlines()[0]}"
            if not same(got, wanted, loose) or not (
                isinstance(wanted, str) or same(changed, after, loose)
            ):
                shapes = [(a.dtype.str, a.shape, a.strides) for a in arrays]
                return (
                    f"{how} differs\n{program.text}\narguments {shapes}, x = {x}\n"
                    f"got    {got}\nwanted {wanted}\nargs   {changed}\nwanted {after}"
                )
    return None


def worker(pipe):
    while True:
        pipe.send(check(pipe.recv()))


def ask(process, pipe, seed, limit=60):
    """What the worker says of a seed; that it has died or hangs."""
    pipe.send(seed)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if pipe.poll(0.1):
            return pipe.recv()
        if not process.is_alive():
            return f"the process died with exit code {process.exitcode}\n{Program(seed).text}"
    return f"no answer for {limit} seconds\n{Program(seed).text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    if options.show:
        print(Program(options.seed).text)
        return 0
    context = multiprocessing.get_context("spawn")
    process = None
    started, done, failed, skipped = time.monotonic(), 0, 0, {}
    seed = options.seed
    while (options.count is None or done < options.count) and (
        options.seconds is None or time.monotonic() - started < options.seconds
    ):
        if process is None:
            pipe, end = context.Pipe()
            process = context.Process(target=worker, args=(end,), daemon=True)
            process.start()
            end.close()
        try:
            answer = ask(process, pipe, seed)
        except KeyboardInterrupt:
            break
        except (EOFError, OSError):
            process.join()
            answer = f"the process died with exit code {process.exitcode}\n{Program(seed).text}"
        if answer and answer.startswith(("the process", "no answer")):
            process.kill()
            process = None
        if answer and answer.startswith("skip"):
            skipped[answer] = skipped.get(answer, 0) + 1
        elif answer:
            failed += 1
            print(f"--- seed {seed}: {answer}", flush=True)
        done += 1
        seed += 1
    left_out = sum(skipped.values())
    print(f"{done} programs from seed {options.seed} on: {failed} failed, {left_out} not compiled")
    for reason, count in sorted(skipped.items(), key=lambda item: -item[1])[:5]:
        print(f"    {count} {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
