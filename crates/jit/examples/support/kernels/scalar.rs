//! Functions of a few numbers.

use super::*;

/// `x + 1`
pub fn increment() -> Program {
    let mut b = Build::new("increment", &[Type::I64], &[Type::I64]);
    b.line("bench.py", "increment", 12, None);
    let (x, one) = (b.arg(0), b.i64(1));
    let y = b.bin(Bin::Add, x, one);
    b.ret(&[y]);
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
