//! Nests of loops over matrices.

use super::*;

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
