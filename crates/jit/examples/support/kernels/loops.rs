//! Loops over vectors.

use super::*;

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
