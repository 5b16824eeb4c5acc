//! Loop kernels as TIR, the way lowering writes them: C-ordered arrays, linear element indices.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::*;

use crate::common::*;

const F64_ARRAY: Type = Type::Array(1);

/// A C-ordered array of doubles: its data, shape, and the bytes of a row.
#[derive(Clone, Copy)]
struct Matrix {
    data: Value,
    shape: [Value; 2],
    row: Value,
}

fn matrix(b: &mut Build, v: Value) -> Matrix {
    Matrix {
        data: b.part(v, Part::Data),
        shape: [b.part(v, Part::Shape(0)), b.part(v, Part::Shape(1))],
        row: b.part(v, Part::Stride(0)),
    }
}

/// A vector: its data and length.
#[derive(Clone, Copy)]
struct Vector {
    data: Value,
    len: Value,
}

fn vector(b: &mut Build, v: Value) -> Vector {
    Vector {
        data: b.part(v, Part::Data),
        len: b.part(v, Part::Shape(0)),
    }
}

/// A negative index counts from the end.
fn wrapped(b: &mut Build, index: Value, len: Value) -> Value {
    let zero = b.i64(0);
    let negative = b.cmp(Cmp::SLt, index, zero);
    let from_end = b.nsw(Bin::Add, index, len);
    b.op(
        Op::Select {
            cond: negative,
            then: from_end,
            other: index,
        },
        Type::I64,
    )
}

fn address(b: &mut Build, m: Matrix, i: Value, j: Value) -> Value {
    let i = wrapped(b, i, m.shape[0]);
    let offset = b.nsw(Bin::Mul, i, m.row);
    let base = b.op(
        Op::Offset {
            base: m.data,
            offset,
        },
        Type::Ptr,
    );
    let j = wrapped(b, j, m.shape[1]);
    b.element(base, j, 8)
}

fn get2(b: &mut Build, m: Matrix, i: Value, j: Value) -> Value {
    let at = address(b, m, i, j);
    b.load(at, Type::F64)
}

fn set2(b: &mut Build, m: Matrix, i: Value, j: Value, x: Value) {
    let at = address(b, m, i, j);
    b.store(at, x);
}

/// The address of an item of `size` bytes.
fn item(b: &mut Build, v: Vector, i: Value, size: u32) -> Value {
    let i = wrapped(b, i, v.len);
    b.element(v.data, i, size)
}

fn get1(b: &mut Build, v: Vector, i: Value) -> Value {
    let at = item(b, v, i, 8);
    b.load(at, Type::F64)
}

fn set1(b: &mut Build, v: Vector, i: Value, x: Value) {
    let at = item(b, v, i, 8);
    b.store(at, x);
}

/// `x + 1`
pub fn increment() -> Program {
    let mut b = Build::new("increment", &[Type::I64], &[Type::I64]);
    b.line("bench.py", "increment", 12, None);
    let (x, one) = (b.arg(0), b.i64(1));
    let y = b.bin(Bin::Add, x, one);
    b.ret(&[y]);
    b.program()
}

/// `out[i] = a[i] * 3.0 + 1.0`
pub fn scale() -> Program {
    let mut b = Build::new("scale", &[F64_ARRAY, F64_ARRAY], &[]);
    b.line("bench.py", "scale", 22, None);
    let (out, a) = (b.arg(0), b.arg(1));
    let n = b.part(out, Part::Shape(0));
    let (to, from) = (vector(&mut b, out), vector(&mut b, a));
    let (three, one) = (b.f64(3.0), b.f64(1.0));
    b.count_to(n, &[], |b, i, _| {
        b.line("bench.py", "scale", 23, None);
        let x = get1(b, from, i);
        let y = b.bin(Bin::FMul, x, three);
        let y = b.bin(Bin::FAdd, y, one);
        set1(b, to, i, y);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// The sum of `a[i] * b[i]`, in order (or with fast-math flags).
pub fn dot(fast: bool) -> Program {
    let mut b = Build::new("dot", &[F64_ARRAY, F64_ARRAY], &[Type::F64]);
    b.line("bench.py", "dot", 32, None);
    if fast {
        b.f.options.fastmath = ferdelance_abi::settings::FastMath(127);
    }
    let (x, y) = (b.arg(0), b.arg(1));
    let n = b.part(x, Part::Shape(0));
    let (x, y) = (vector(&mut b, x), vector(&mut b, y));
    let zero = b.f64(0.0);
    let total = b.count_to(n, &[zero], |b, i, state| {
        b.line("bench.py", "dot", 33, None);
        let (p, q) = (get1(b, x, i), get1(b, y, i));
        let product = b.bin(Bin::FMul, p, q);
        vec![b.bin(Bin::FAdd, state[0], product)]
    });
    b.ret(&total);
    b.program()
}

/// `c = a @ b` by three loops, the innermost along rows.
pub fn matmul() -> Program {
    let mut b = Build::new("matmul", &[Type::Array(2); 3], &[]);
    b.line("bench.py", "matmul", 42, None);
    let (c, a, bb) = (b.arg(0), b.arg(1), b.arg(2));
    let (rows, inner, columns) = (
        b.part(c, Part::Shape(0)),
        b.part(a, Part::Shape(1)),
        b.part(c, Part::Shape(1)),
    );
    let (c, a, bb) = (matrix(&mut b, c), matrix(&mut b, a), matrix(&mut b, bb));
    b.count_to(rows, &[], |b, i, _| {
        b.count_to(inner, &[], |b, k, _| {
            let x = get2(b, a, i, k);
            b.count_to(columns, &[], |b, j, _| {
                b.line("bench.py", "matmul", 46, None);
                let y = get2(b, bb, k, j);
                let z = get2(b, c, i, j);
                let product = b.bin(Bin::FMul, x, y);
                let sum = b.bin(Bin::FAdd, z, product);
                set2(b, c, i, j, sum);
                vec![]
            });
            vec![]
        });
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Steps of a five-point stencil between two arrays, `steps` times.
pub fn jacobi() -> Program {
    let mut b = Build::new("jacobi", &[Type::Array(2), Type::Array(2), Type::I64], &[]);
    b.line("bench.py", "jacobi", 52, None);
    let (first, second, steps) = (b.arg(0), b.arg(1), b.arg(2));
    let (rows, columns) = (b.part(first, Part::Shape(0)), b.part(first, Part::Shape(1)));
    let two = b.i64(2);
    let (inner_rows, inner_columns) = (b.nsw(Bin::Sub, rows, two), b.nsw(Bin::Sub, columns, two));
    let (first, second) = (matrix(&mut b, first), matrix(&mut b, second));
    let (quarter, one) = (b.f64(0.25), b.i64(1));
    b.count_to(steps, &[], |b, _, _| {
        for (from, to) in [(first, second), (second, first)] {
            b.count_to(inner_rows, &[], |b, i0, _| {
                b.count_to(inner_columns, &[], |b, j0, _| {
                    b.line("bench.py", "jacobi", 56, None);
                    let (i, j) = (b.nsw(Bin::Add, i0, one), b.nsw(Bin::Add, j0, one));
                    let (i2, j2) = (b.nsw(Bin::Add, i, one), b.nsw(Bin::Add, j, one));
                    let north = get2(b, from, i0, j);
                    let south = get2(b, from, i2, j);
                    let west = get2(b, from, i, j0);
                    let east = get2(b, from, i, j2);
                    let sum = b.bin(Bin::FAdd, north, south);
                    let sum = b.bin(Bin::FAdd, sum, west);
                    let sum = b.bin(Bin::FAdd, sum, east);
                    let mean = b.bin(Bin::FMul, sum, quarter);
                    set2(b, to, i, j, mean);
                    vec![]
                });
                vec![]
            });
        }
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Shortest paths between all pairs: `d[i, j] = min(d[i, j], d[i, k] + d[k, j])`.
pub fn floyd() -> Program {
    let mut b = Build::new("floyd", &[Type::Array(2)], &[]);
    b.line("bench.py", "floyd", 62, None);
    let d = b.arg(0);
    let n = b.part(d, Part::Shape(0));
    let d = matrix(&mut b, d);
    b.count_to(n, &[], |b, k, _| {
        b.count_to(n, &[], |b, i, _| {
            b.count_to(n, &[], |b, j, _| {
                b.line("bench.py", "floyd", 66, None);
                let (x, y) = (get2(b, d, i, k), get2(b, d, k, j));
                let (old, new) = (get2(b, d, i, j), b.bin(Bin::FAdd, x, y));
                let less = b.cmp(Cmp::FLt, new, old);
                let best = b.op(
                    Op::Select {
                        cond: less,
                        then: new,
                        other: old,
                    },
                    Type::F64,
                );
                set2(b, d, i, j, best);
                vec![]
            });
            vec![]
        });
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Iterations until `z * z + c` escapes, for a grid of `n * n` points: the sum.
pub fn mandelbrot() -> Program {
    let mut b = Build::new("mandelbrot", &[Type::I64, Type::I64], &[Type::I64]);
    b.line("bench.py", "mandelbrot", 72, None);
    let (n, limit) = (b.arg(0), b.arg(1));
    let (zero, zero_f, four, three, two) =
        (b.i64(0), b.f64(0.0), b.f64(4.0), b.f64(3.0), b.f64(2.0));
    let (left, top) = (b.f64(-2.0), b.f64(-1.5));
    let width = b.op(Op::Cast(Cast::SIToFP, n), Type::F64);
    let total = b.count_to(n, &[zero], |b, i, total| {
        b.count_to(n, &[total[0]], |b, j, total| {
            b.line("bench.py", "mandelbrot", 76, None);
            let (fi, fj) = (
                b.op(Op::Cast(Cast::SIToFP, i), Type::F64),
                b.op(Op::Cast(Cast::SIToFP, j), Type::F64),
            );
            let (fi, fj) = (b.bin(Bin::FMul, fi, three), b.bin(Bin::FMul, fj, three));
            let (fi, fj) = (b.bin(Bin::FDiv, fi, width), b.bin(Bin::FDiv, fj, width));
            let (ci, cr) = (b.bin(Bin::FAdd, fi, top), b.bin(Bin::FAdd, fj, left));
            let head = b.block(&[Type::I64, Type::F64, Type::F64]);
            let (test, body, end) = (b.block(&[]), b.block(&[]), b.block(&[]));
            b.jump(head, &[zero, zero_f, zero_f]);
            b.at(head);
            let (k, zr, zi) = (b.param(head, 0), b.param(head, 1), b.param(head, 2));
            let more = b.cmp(Cmp::SLt, k, limit);
            b.branch(more, target(test, &[]), target(end, &[]));
            b.at(test);
            let (rr, ii) = (b.bin(Bin::FMul, zr, zr), b.bin(Bin::FMul, zi, zi));
            let size = b.bin(Bin::FAdd, rr, ii);
            let outside = b.cmp(Cmp::FGt, size, four);
            b.branch(outside, target(end, &[]), target(body, &[]));
            b.at(body);
            let one = b.i64(1);
            let ri = b.bin(Bin::FMul, zr, two);
            let ri = b.bin(Bin::FMul, ri, zi);
            let next_i = b.bin(Bin::FAdd, ri, ci);
            let next_r = b.bin(Bin::FSub, rr, ii);
            let next_r = b.bin(Bin::FAdd, next_r, cr);
            let next = b.nsw(Bin::Add, k, one);
            b.jump(head, &[next, next_r, next_i]);
            b.at(end);
            vec![b.bin(Bin::Add, total[0], k)]
        })
    });
    b.ret(&total);
    b.program()
}

/// Marks composites in a byte array; the number of primes.
pub fn sieve() -> Program {
    let mut b = Build::new("sieve", &[Type::Array(1)], &[Type::I64]);
    b.line("bench.py", "sieve", 82, None);
    let a = b.arg(0);
    let n = b.part(a, Part::Shape(0));
    let data = vector(&mut b, a);
    let (zero, one, two, marked) = (b.i64(0), b.i64(1), b.i64(2), b.int(Type::I8, 1));
    let clear = b.int(Type::I8, 0);
    b.count_to(n, &[], |b, i, _| {
        let p = item(b, data, i, 1);
        b.store(p, clear);
        vec![]
    });
    let head = b.block(&[Type::I64, Type::I64]);
    let (body, inner, crossed, next, end) = (
        b.block(&[]),
        b.block(&[Type::I64]),
        b.block(&[]),
        b.block(&[Type::I64]),
        b.block(&[]),
    );
    b.jump(head, &[two, zero]);
    b.at(head);
    let (i, count) = (b.param(head, 0), b.param(head, 1));
    let more = b.cmp(Cmp::SLt, i, n);
    b.branch(more, target(body, &[]), target(end, &[]));
    b.at(body);
    let p = item(&mut b, data, i, 1);
    let mark = b.load(p, Type::I8);
    let composite = b.cmp(Cmp::Ne, mark, clear);
    let first = b.nsw(Bin::Mul, i, i);
    let counted = b.nsw(Bin::Add, count, one);
    b.branch(composite, target(next, &[count]), target(inner, &[first]));
    b.at(inner);
    let j = b.param(inner, 0);
    let inside = b.cmp(Cmp::SLt, j, n);
    b.branch(inside, target(crossed, &[]), target(next, &[counted]));
    b.at(crossed);
    let p = item(&mut b, data, j, 1);
    b.store(p, marked);
    let j2 = b.nsw(Bin::Add, j, i);
    b.jump(inner, &[j2]);
    b.at(next);
    let i2 = b.nsw(Bin::Add, i, one);
    let count2 = b.param(next, 0);
    b.jump(head, &[i2, count2]);
    b.at(end);
    b.ret(&[count]);
    b.program()
}

/// Forces between bodies in three coordinate arrays: `acc += m * d / (d2 * sqrt(d2))`.
pub fn nbody() -> Program {
    let mut b = Build::new("nbody", &[Type::Array(1); 7], &[]);
    b.line("bench.py", "nbody", 92, None);
    let arrays: Vec<Value> = (0..7).map(|i| b.arg(i)).collect();
    let n = b.part(arrays[0], Part::Shape(0));
    let data: Vec<Vector> = arrays.iter().map(|&a| vector(&mut b, a)).collect();
    let (zero, soft) = (b.f64(0.0), b.f64(1e-3));
    b.count_to(n, &[], |b, i, _| {
        let own: Vec<Value> = (0..3).map(|k| get1(b, data[k], i)).collect();
        let acc = b.count_to(n, &[zero, zero, zero], |b, j, acc| {
            b.line("bench.py", "nbody", 95, None);
            let delta: Vec<Value> = (0..3)
                .map(|k| {
                    let other = get1(b, data[k], j);
                    b.bin(Bin::FSub, other, own[k])
                })
                .collect();
            let mut d2 = soft;
            for &d in &delta {
                let square = b.bin(Bin::FMul, d, d);
                d2 = b.bin(Bin::FAdd, d2, square);
            }
            let root = b.un(Un::Sqrt, d2);
            let cube = b.bin(Bin::FMul, d2, root);
            let mass = get1(b, data[3], j);
            let factor = b.bin(Bin::FDiv, mass, cube);
            (0..3)
                .map(|k| {
                    let term = b.bin(Bin::FMul, delta[k], factor);
                    b.bin(Bin::FAdd, acc[k], term)
                })
                .collect()
        });
        for k in 0..3 {
            set1(b, data[4 + k], i, acc[k]);
        }
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// `out[i] = exp(-a[i]) * sin(a[i])` with the C library.
pub fn elementary() -> Program {
    let mut b = Build::new("elementary", &[F64_ARRAY, F64_ARRAY], &[]);
    b.line("bench.py", "elementary", 102, None);
    let (out, a) = (b.arg(0), b.arg(1));
    let n = b.part(out, Part::Shape(0));
    let (to, from) = (vector(&mut b, out), vector(&mut b, a));
    b.count_to(n, &[], |b, i, _| {
        let x = get1(b, from, i);
        let minus = b.un(Un::FNeg, x);
        let e = b.rt(RtFn::exp, &[minus])[0];
        let s = b.rt(RtFn::sin, &[x])[0];
        let y = b.bin(Bin::FMul, e, s);
        set1(b, to, i, y);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// `out[j] = sum of a[i, j] * b[i, j]` on arrays with any strides.
pub fn columns() -> Program {
    let mut b = Build::new(
        "columns",
        &[Type::Array(2), Type::Array(2), Type::Array(1)],
        &[],
    );
    b.line("bench.py", "columns", 152, None);
    let (x, y, out) = (b.arg(0), b.arg(1), b.arg(2));
    let (rows, columns) = (b.part(x, Part::Shape(0)), b.part(x, Part::Shape(1)));
    let zero = b.f64(0.0);
    let at = |b: &mut Build, array: Value, index: &[Value]| {
        let mut base = b.part(array, Part::Data);
        for (axis, &i) in index.iter().enumerate() {
            let len = b.part(array, Part::Shape(axis as u8));
            let i = wrapped(b, i, len);
            let stride = b.part(array, Part::Stride(axis as u8));
            let offset = b.nsw(Bin::Mul, i, stride);
            base = b.op(Op::Offset { base, offset }, Type::Ptr);
        }
        base
    };
    b.count_to(columns, &[], |b, j, _| {
        let sum = b.count_to(rows, &[zero], |b, i, sum| {
            let (p, q) = (at(b, x, &[i, j]), at(b, y, &[i, j]));
            let (p, q) = (b.load(p, Type::F64), b.load(q, Type::F64));
            let product = b.bin(Bin::FMul, p, q);
            vec![b.bin(Bin::FAdd, sum[0], product)]
        });
        let p = at(b, out, &[j]);
        b.store(p, sum[0]);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// `h[a[i] & 255] += 1`
pub fn histogram() -> Program {
    let mut b = Build::new("histogram", &[F64_ARRAY, F64_ARRAY], &[]);
    b.line("bench.py", "histogram", 112, None);
    let (h, a) = (b.arg(0), b.arg(1));
    let n = b.part(a, Part::Shape(0));
    let (h, a) = (vector(&mut b, h), vector(&mut b, a));
    let (mask, one) = (b.i64(255), b.i64(1));
    b.count_to(n, &[], |b, i, _| {
        let p = item(b, a, i, 8);
        let x = b.load(p, Type::I64);
        let bin = b.bin(Bin::And, x, mask);
        let q = item(b, h, bin, 8);
        let old = b.load(q, Type::I64);
        let new = b.nsw(Bin::Add, old, one);
        b.store(q, new);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Sorts by insertion.
pub fn insertion_sort() -> Program {
    let mut b = Build::new("insertion_sort", &[F64_ARRAY], &[]);
    b.line("bench.py", "insertion_sort", 122, None);
    let a = b.arg(0);
    let n = b.part(a, Part::Shape(0));
    let data = vector(&mut b, a);
    let (zero, one) = (b.i64(0), b.i64(1));
    b.count_to(n, &[], |b, i, _| {
        let x = get1(b, data, i);
        let head = b.block(&[Type::I64]);
        let (test, shift, end) = (b.block(&[]), b.block(&[]), b.block(&[]));
        b.jump(head, &[i]);
        b.at(head);
        let j = b.param(head, 0);
        let more = b.cmp(Cmp::SGt, j, zero);
        b.branch(more, target(test, &[]), target(end, &[]));
        b.at(test);
        let before = b.nsw(Bin::Sub, j, one);
        let y = get1(b, data, before);
        let greater = b.cmp(Cmp::FGt, y, x);
        b.branch(greater, target(shift, &[]), target(end, &[]));
        b.at(shift);
        set1(b, data, j, y);
        b.jump(head, &[before]);
        b.at(end);
        set1(b, data, j, x);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Bilinear interpolation of an image at fractional positions: gathers and conversions.
pub fn bilinear() -> Program {
    let mut b = Build::new(
        "bilinear",
        &[
            Type::Array(2),
            Type::Array(1),
            Type::Array(1),
            Type::Array(1),
        ],
        &[],
    );
    b.line("bench.py", "bilinear", 132, None);
    let (image, ys, xs, out) = (b.arg(0), b.arg(1), b.arg(2), b.arg(3));
    let n = b.part(out, Part::Shape(0));
    let image = matrix(&mut b, image);
    let (ys, xs, out) = (vector(&mut b, ys), vector(&mut b, xs), vector(&mut b, out));
    let (one, one_f) = (b.i64(1), b.f64(1.0));
    b.count_to(n, &[], |b, k, _| {
        let (y, x) = (get1(b, ys, k), get1(b, xs, k));
        let (i, j) = (
            b.op(Op::Cast(Cast::FPToSI, y), Type::I64),
            b.op(Op::Cast(Cast::FPToSI, x), Type::I64),
        );
        let (fi, fj) = (
            b.op(Op::Cast(Cast::SIToFP, i), Type::F64),
            b.op(Op::Cast(Cast::SIToFP, j), Type::F64),
        );
        let (dy, dx) = (b.bin(Bin::FSub, y, fi), b.bin(Bin::FSub, x, fj));
        let (ey, ex) = (b.bin(Bin::FSub, one_f, dy), b.bin(Bin::FSub, one_f, dx));
        let (i2, j2) = (b.nsw(Bin::Add, i, one), b.nsw(Bin::Add, j, one));
        let mut total = None;
        for (row, wy) in [(i, ey), (i2, dy)] {
            for (column, wx) in [(j, ex), (j2, dx)] {
                let value = get2(b, image, row, column);
                let value = b.bin(Bin::FMul, value, wy);
                let value = b.bin(Bin::FMul, value, wx);
                total = Some(match total {
                    Some(sum) => b.bin(Bin::FAdd, sum, value),
                    None => value,
                });
            }
        }
        set1(b, out, k, total.unwrap());
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// `out[i] = clamp(a[i] * 3 - b[i])` on bytes, computed in 64 bits.
pub fn bytes() -> Program {
    let mut b = Build::new("bytes", &[Type::Array(1); 3], &[]);
    b.line("bench.py", "bytes", 182, None);
    let (out, x, y) = (b.arg(0), b.arg(1), b.arg(2));
    let n = b.part(out, Part::Shape(0));
    let (out, x, y) = (vector(&mut b, out), vector(&mut b, x), vector(&mut b, y));
    let (three, low, high) = (b.i64(3), b.i64(0), b.i64(255));
    b.count_to(n, &[], |b, i, _| {
        let wide = |b: &mut Build, data| {
            let p = item(b, data, i, 1);
            let v = b.load(p, Type::I8);
            b.op(Op::Cast(Cast::ZExt, v), Type::I64)
        };
        let (p, q) = (wide(b, x), wide(b, y));
        let p = b.bin(Bin::Mul, p, three);
        let d = b.bin(Bin::Sub, p, q);
        let small = b.cmp(Cmp::SLt, d, low);
        let d = b.op(
            Op::Select {
                cond: small,
                then: low,
                other: d,
            },
            Type::I64,
        );
        let big = b.cmp(Cmp::SGt, d, high);
        let d = b.op(
            Op::Select {
                cond: big,
                then: high,
                other: d,
            },
            Type::I64,
        );
        let narrow = b.op(Op::Cast(Cast::Trunc, d), Type::I8);
        let p = item(b, out, i, 1);
        b.store(p, narrow);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// `out = a * b` on complex numbers.
pub fn complex() -> Program {
    let mut b = Build::new("complex", &[Type::Array(1); 3], &[]);
    b.line("bench.py", "complex", 192, None);
    let (out, x, y) = (b.arg(0), b.arg(1), b.arg(2));
    let n = b.part(out, Part::Shape(0));
    let (out, x, y) = (vector(&mut b, out), vector(&mut b, x), vector(&mut b, y));
    let eight = b.i64(8);
    b.count_to(n, &[], |b, i, _| {
        let parts = |b: &mut Build, data| {
            let p = item(b, data, i, 16);
            let q = b.op(
                Op::Offset {
                    base: p,
                    offset: eight,
                },
                Type::Ptr,
            );
            (p, q)
        };
        let ((xr, xi), (yr, yi), (or, oi)) = (parts(b, x), parts(b, y), parts(b, out));
        let (xr, xi) = (b.load(xr, Type::F64), b.load(xi, Type::F64));
        let (yr, yi) = (b.load(yr, Type::F64), b.load(yi, Type::F64));
        let (rr, ii) = (b.bin(Bin::FMul, xr, yr), b.bin(Bin::FMul, xi, yi));
        let (ri, ir) = (b.bin(Bin::FMul, xr, yi), b.bin(Bin::FMul, xi, yr));
        let (re, im) = (b.bin(Bin::FSub, rr, ii), b.bin(Bin::FAdd, ri, ir));
        b.store(or, re);
        b.store(oi, im);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Distances between points of three coordinates: short inner loops.
pub fn distances() -> Program {
    let mut b = Build::new("distances", &[Type::Array(2), Type::Array(2)], &[]);
    b.line("bench.py", "distances", 202, None);
    let (out, x) = (b.arg(0), b.arg(1));
    let (n, dims) = (b.part(x, Part::Shape(0)), b.part(x, Part::Shape(1)));
    let (out, x) = (matrix(&mut b, out), matrix(&mut b, x));
    let zero = b.f64(0.0);
    b.count_to(n, &[], |b, i, _| {
        b.count_to(n, &[], |b, j, _| {
            let sum = b.count_to(dims, &[zero], |b, k, sum| {
                let (p, q) = (get2(b, x, i, k), get2(b, x, j, k));
                let d = b.bin(Bin::FSub, p, q);
                let d = b.bin(Bin::FMul, d, d);
                vec![b.bin(Bin::FAdd, sum[0], d)]
            });
            let root = b.un(Un::Sqrt, sum[0]);
            set2(b, out, i, j, root);
            vec![]
        });
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// A running sum, and a condition with two different branches.
pub fn scan() -> Program {
    let mut b = Build::new("scan", &[Type::Array(1), Type::Array(1)], &[Type::I64]);
    b.line("bench.py", "scan", 212, None);
    let (out, x) = (b.arg(0), b.arg(1));
    let n = b.part(out, Part::Shape(0));
    let (out, x) = (vector(&mut b, out), vector(&mut b, x));
    let (zero, zero_f, limit, half, one) =
        (b.i64(0), b.f64(0.0), b.f64(50.0), b.f64(0.5), b.i64(1));
    let results = b.count_to(n, &[zero_f, zero], |b, i, state| {
        let v = get1(b, x, i);
        let sum = b.bin(Bin::FAdd, state[0], v);
        let big = b.cmp(Cmp::FGt, sum, limit);
        let (over, end) = (b.block(&[]), b.block(&[Type::F64, Type::I64]));
        b.branch(big, target(over, &[]), target(end, &[sum, state[1]]));
        b.at(over);
        let less = b.bin(Bin::FMul, sum, half);
        let count = b.nsw(Bin::Add, state[1], one);
        b.jump(end, &[less, count]);
        b.at(end);
        let (sum, count) = (b.param(end, 0), b.param(end, 1));
        set1(b, out, i, sum);
        vec![sum, count]
    });
    b.ret(&[results[1]]);
    b.program()
}

/// Seven taps of a filter: the inner loop has a constant length.
pub fn taps() -> Program {
    let mut b = Build::new("taps", &[Type::Array(1); 3], &[]);
    b.line("bench.py", "taps", 222, None);
    let (out, x, weights) = (b.arg(0), b.arg(1), b.arg(2));
    let n = b.part(out, Part::Shape(0));
    let (out, x) = (vector(&mut b, out), vector(&mut b, x));
    let weights = vector(&mut b, weights);
    let (zero, seven) = (b.f64(0.0), b.i64(7));
    let six = b.i64(6);
    let n = b.nsw(Bin::Sub, n, six);
    b.count_to(n, &[], |b, i, _| {
        let sum = b.count_to(seven, &[zero], |b, k, sum| {
            let at = b.nsw(Bin::Add, i, k);
            let (v, w) = (get1(b, x, at), get1(b, weights, k));
            let product = b.bin(Bin::FMul, v, w);
            vec![b.bin(Bin::FAdd, sum[0], product)]
        });
        set1(b, out, i, sum[0]);
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// Game of life on 64-bit cells: many loads and integer comparisons.
pub fn life() -> Program {
    let mut b = Build::new("life", &[Type::Array(2), Type::Array(2)], &[]);
    b.line("bench.py", "life", 232, None);
    let (out, cells) = (b.arg(0), b.arg(1));
    let (rows, columns) = (b.part(cells, Part::Shape(0)), b.part(cells, Part::Shape(1)));
    let (out, cells) = (matrix(&mut b, out), matrix(&mut b, cells));
    let (zero, one, two, three) = (b.i64(0), b.i64(1), b.i64(2), b.i64(3));
    let (r, c) = (b.nsw(Bin::Sub, rows, two), b.nsw(Bin::Sub, columns, two));
    b.count_to(r, &[], |b, i0, _| {
        let i1 = b.nsw(Bin::Add, i0, one);
        let i2 = b.nsw(Bin::Add, i0, two);
        b.count_to(c, &[], |b, j0, _| {
            let j1 = b.nsw(Bin::Add, j0, one);
            let j2 = b.nsw(Bin::Add, j0, two);
            let mut sum = zero;
            let mut own = zero;
            for i in [i0, i1, i2] {
                for j in [j0, j1, j2] {
                    let at = address(b, cells, i, j);
                    let v = b.load(at, Type::I64);
                    if (i, j) == (i1, j1) {
                        own = v;
                    } else {
                        sum = b.bin(Bin::Add, sum, v);
                    }
                }
            }
            let is_three = b.cmp(Cmp::Eq, sum, three);
            let is_two = b.cmp(Cmp::Eq, sum, two);
            let alive = b.cmp(Cmp::Ne, own, zero);
            let stays = b.bin(Bin::And, is_two, alive);
            let lives = b.bin(Bin::Or, is_three, stays);
            let v = b.op(Op::Cast(Cast::ZExt, lives), Type::I64);
            let at = address(b, out, i1, j1);
            b.store(at, v);
            vec![]
        });
        vec![]
    });
    b.ret(&[]);
    b.program()
}

/// A polynomial of degree 12.
pub fn polynomial() -> Program {
    let mut b = Build::new("polynomial", &[Type::F64], &[Type::F64]);
    b.line("bench.py", "polynomial", 242, None);
    let x = b.arg(0);
    let mut sum = b.f64(0.1);
    for k in 1..13 {
        let c = b.f64(1.0 / f64::from(k));
        let product = b.bin(Bin::FMul, sum, x);
        sum = b.bin(Bin::FAdd, product, c);
    }
    b.ret(&[sum]);
    b.program()
}

/// Black and Scholes's price of a call, with branches and the C library.
pub fn option_price() -> Program {
    let mut b = Build::new("option_price", &[Type::F64; 5], &[Type::F64]).raises();
    b.line("bench.py", "option_price", 252, None);
    let (s, k, t, r, v) = (b.arg(0), b.arg(1), b.arg(2), b.arg(3), b.arg(4));
    let (half, zero) = (b.f64(0.5), b.f64(0.0));
    let bad = b.cmp(Cmp::FLe, t, zero);
    let (early, go) = (b.block(&[]), b.block(&[]));
    b.branch(bad, target(early, &[]), target(go, &[]));
    b.at(early);
    let gain = b.bin(Bin::FSub, s, k);
    let some = b.cmp(Cmp::FGt, gain, zero);
    let gain = b.op(
        Op::Select {
            cond: some,
            then: gain,
            other: zero,
        },
        Type::F64,
    );
    b.ret(&[gain]);
    b.at(go);
    let root = b.un(Un::Sqrt, t);
    let vr = b.bin(Bin::FMul, v, root);
    let ratio = b.bin(Bin::FDiv, s, k);
    let log = b.rt(RtFn::log, &[ratio])[0];
    let vv = b.bin(Bin::FMul, v, v);
    let vv = b.bin(Bin::FMul, vv, half);
    let drift = b.bin(Bin::FAdd, r, vv);
    let drift = b.bin(Bin::FMul, drift, t);
    let top = b.bin(Bin::FAdd, log, drift);
    let d1 = b.bin(Bin::FDiv, top, vr);
    let d2 = b.bin(Bin::FSub, d1, vr);
    let normal = |b: &mut Build, d: Value| {
        let scale = b.f64(std::f64::consts::FRAC_1_SQRT_2);
        let x = b.bin(Bin::FMul, d, scale);
        let minus = b.un(Un::FNeg, x);
        let e = b.rt(RtFn::tanh, &[minus])[0];
        b.bin(Bin::FMul, e, half)
    };
    let (n1, n2) = (normal(&mut b, d1), normal(&mut b, d2));
    let rt = b.bin(Bin::FMul, r, t);
    let rt = b.un(Un::FNeg, rt);
    let discount = b.rt(RtFn::exp, &[rt])[0];
    let kd = b.bin(Bin::FMul, k, discount);
    let (x, y) = (b.bin(Bin::FMul, s, n1), b.bin(Bin::FMul, kd, n2));
    let price = b.bin(Bin::FSub, x, y);
    b.ret(&[price]);
    b.program()
}

/// Ten integer branches, one after the other.
pub fn branches() -> Program {
    let mut b = Build::new("branches", &[Type::I64, Type::I64], &[Type::I64]);
    b.line("bench.py", "branches", 262, None);
    let (x, y) = (b.arg(0), b.arg(1));
    let mut sum = b.bin(Bin::Add, x, y);
    for k in 0..10 {
        let limit = b.i64(k * 3);
        let less = b.cmp(Cmp::SLt, sum, limit);
        let (then, end) = (b.block(&[]), b.block(&[Type::I64]));
        let other = b.bin(Bin::Xor, sum, y);
        b.branch(less, target(then, &[]), target(end, &[other]));
        b.at(then);
        let new = b.bin(Bin::Mul, sum, x);
        b.jump(end, &[new]);
        b.at(end);
        sum = b.param(end, 0);
    }
    b.ret(&[sum]);
    b.program()
}

/// A function of about fifty source lines: several nests, one after the other.
pub fn long_function() -> Program {
    let mut b = Build::new(
        "long",
        &[
            Type::Array(2),
            Type::Array(2),
            Type::Array(1),
            Type::Array(1),
        ],
        &[Type::F64],
    );
    b.line("bench.py", "long", 142, None);
    let (u, v, x, y) = (b.arg(0), b.arg(1), b.arg(2), b.arg(3));
    let (rows, columns) = (b.part(u, Part::Shape(0)), b.part(u, Part::Shape(1)));
    let (u, v) = (matrix(&mut b, u), matrix(&mut b, v));
    let (x, y) = (vector(&mut b, x), vector(&mut b, y));
    let (zero, half, limit) = (b.f64(0.0), b.f64(0.5), b.f64(10.0));
    // Row sums.
    b.count_to(rows, &[], |b, i, _| {
        b.line("bench.py", "long", 144, None);
        let sum = b.count_to(columns, &[zero], |b, j, s| {
            let p = get2(b, u, i, j);
            vec![b.bin(Bin::FAdd, s[0], p)]
        });
        set1(b, x, i, sum[0]);
        vec![]
    });
    // Subtract and square.
    b.count_to(rows, &[], |b, i, _| {
        b.line("bench.py", "long", 148, None);
        let mean = get1(b, x, i);
        b.count_to(columns, &[], |b, j, _| {
            let p = get2(b, u, i, j);
            let d = b.bin(Bin::FSub, p, mean);
            let q = b.bin(Bin::FMul, d, d);
            set2(b, v, i, j, q);
            vec![]
        });
        vec![]
    });
    // Column sums with a condition.
    b.count_to(columns, &[], |b, j, _| {
        b.line("bench.py", "long", 154, None);
        let sum = b.count_to(rows, &[zero], |b, i, s| {
            let p = get2(b, v, i, j);
            let big = b.cmp(Cmp::FGt, p, limit);
            let (more, end) = (b.block(&[]), b.block(&[Type::F64]));
            b.branch(big, target(end, &[s[0]]), target(more, &[]));
            b.at(more);
            let sum = b.bin(Bin::FAdd, s[0], p);
            b.jump(end, &[sum]);
            b.at(end);
            vec![b.param(end, 0)]
        });
        set1(b, y, j, sum[0]);
        vec![]
    });
    // A stencil.
    let (one, two) = (b.i64(1), b.i64(2));
    let (r, c) = (b.nsw(Bin::Sub, rows, two), b.nsw(Bin::Sub, columns, two));
    b.count_to(r, &[], |b, i0, _| {
        b.line("bench.py", "long", 162, None);
        let i = b.nsw(Bin::Add, i0, one);
        let i2 = b.nsw(Bin::Add, i, one);
        b.count_to(c, &[], |b, j0, _| {
            let j = b.nsw(Bin::Add, j0, one);
            let j2 = b.nsw(Bin::Add, j, one);
            let n = get2(b, v, i0, j);
            let s = get2(b, v, i2, j);
            let w = get2(b, v, i, j0);
            let e = get2(b, v, i, j2);
            let sum = b.bin(Bin::FAdd, n, s);
            let sum = b.bin(Bin::FAdd, sum, w);
            let sum = b.bin(Bin::FAdd, sum, e);
            let mean = b.bin(Bin::FMul, sum, half);
            set2(b, u, i, j, mean);
            vec![]
        });
        vec![]
    });
    // A reduction with square roots.
    let total = b.count_to(rows, &[zero], |b, i, total| {
        b.line("bench.py", "long", 170, None);
        let inner = b.count_to(columns, &[zero], |b, j, s| {
            let p = get2(b, u, i, j);
            let a = b.un(Un::FAbs, p);
            let root = b.un(Un::Sqrt, a);
            vec![b.bin(Bin::FAdd, s[0], root)]
        });
        vec![b.bin(Bin::FAdd, total[0], inner[0])]
    });
    b.ret(&total);
    b.program()
}
