//! Every operation on every type that it takes.

use crate::common::*;
use ferdelance_abi::settings::FastMath;
use ferdelance_compiler::tir::*;

const INTS: [Type; 4] = [Type::I8, Type::I16, Type::I32, Type::I64];

/// `value` as a signed number of the type's width.
fn wrap(ty: Type, value: i128) -> i64 {
    match ty {
        Type::I1 => (value & 1) as i64,
        Type::I8 => i64::from(value as i8),
        Type::I16 => i64::from(value as i16),
        Type::I32 => i64::from(value as i32),
        _ => value as i64,
    }
}

/// `value` as an unsigned number of the type's width.
fn unsigned(ty: Type, value: i64) -> u64 {
    value as u64 & (u64::MAX >> (64 - ty.bits()))
}

fn int_result(op: Bin, ty: Type, a: i64, b: i64) -> i64 {
    let (ua, ub) = (unsigned(ty, a), unsigned(ty, b));
    let (wa, wb) = (i128::from(a), i128::from(b));
    let value = match op {
        Bin::Add => wa + wb,
        Bin::Sub => wa - wb,
        Bin::Mul => wa * wb,
        Bin::SDiv => wa / wb,
        Bin::UDiv => i128::from(ua / ub),
        Bin::SRem => wa % wb,
        Bin::URem => i128::from(ua % ub),
        Bin::And => wa & wb,
        Bin::Or => wa | wb,
        Bin::Xor => wa ^ wb,
        Bin::Shl => wa << wb,
        Bin::AShr => wa >> wb,
        Bin::LShr => i128::from(ua >> ub),
        Bin::SMin => wa.min(wb),
        Bin::SMax => wa.max(wb),
        Bin::UMin => i128::from(ua.min(ub)),
        Bin::UMax => i128::from(ua.max(ub)),
        _ => unreachable!(),
    };
    wrap(ty, value)
}

/// One function with a result for each of `ops`, on two parameters.
fn table<T: Copy>(
    ty: Type,
    result: Type,
    ops: &[T],
    make: impl Fn(&mut Build, T, Value, Value) -> Value,
) -> Program {
    let mut b = Build::new("table", &[ty, ty], &vec![result; ops.len()]);
    let (x, y) = (b.arg(0), b.arg(1));
    let values: Vec<Value> = ops.iter().map(|&op| make(&mut b, op, x, y)).collect();
    b.ret(&values);
    b.program()
}

#[test]
fn integers() {
    let ops = [
        Bin::Add,
        Bin::Sub,
        Bin::Mul,
        Bin::SDiv,
        Bin::UDiv,
        Bin::SRem,
        Bin::URem,
        Bin::And,
        Bin::Or,
        Bin::Xor,
        Bin::SMin,
        Bin::SMax,
        Bin::UMin,
        Bin::UMax,
    ];
    for ty in INTS {
        let code = loaded(&table(ty, ty, &ops, |b, op, x, y| b.bin(op, x, y)));
        for (a, b) in [(7, 3), (-7, 3), (7, -3), (-100, 100), (127, 2), (-128, 3)] {
            let got = call(&code.entries[0], &[a as u64, b as u64], ops.len()).unwrap();
            for (op, got) in ops.iter().zip(got) {
                assert_eq!(got as i64, int_result(*op, ty, a, b), "{ty} {a} {op} {b}");
            }
        }
    }
}

#[test]
fn shifts() {
    let ops = [Bin::Shl, Bin::AShr, Bin::LShr];
    for ty in INTS {
        let code = loaded(&table(ty, ty, &ops, |b, op, x, y| b.bin(op, x, y)));
        for (a, b) in [(1, 3), (-100, 2), (-1, 7), (77, 0)] {
            let got = call(&code.entries[0], &[a as u64, b as u64], ops.len()).unwrap();
            for (op, got) in ops.iter().zip(got) {
                assert_eq!(got as i64, int_result(*op, ty, a, b), "{ty} {a} {op} {b}");
            }
        }
    }
}

#[test]
fn comparisons_of_integers() {
    let ops = [
        Cmp::Eq,
        Cmp::Ne,
        Cmp::SLt,
        Cmp::SLe,
        Cmp::SGt,
        Cmp::SGe,
        Cmp::ULt,
        Cmp::ULe,
        Cmp::UGt,
        Cmp::UGe,
    ];
    for ty in INTS {
        let code = loaded(&table(ty, Type::I1, &ops, |b, op, x, y| b.cmp(op, x, y)));
        for (a, b) in [(1_i64, 1), (1, 2), (2, 1), (-1, 1), (1, -1)] {
            let (ua, ub) = (unsigned(ty, a), unsigned(ty, b));
            let want = [
                a == b,
                a != b,
                a < b,
                a <= b,
                a > b,
                a >= b,
                ua < ub,
                ua <= ub,
                ua > ub,
                ua >= ub,
            ];
            let got = call(&code.entries[0], &[a as u64, b as u64], ops.len()).unwrap();
            assert_eq!(got, want.map(u64::from), "{ty} {a} {b}");
        }
    }
}

#[test]
fn booleans() {
    let ops = [Bin::And, Bin::Or, Bin::Xor];
    let code = loaded(&table(Type::I1, Type::I1, &ops, |b, op, x, y| {
        b.bin(op, x, y)
    }));
    for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let got = call(&code.entries[0], &[a, b], 3).unwrap();
        assert_eq!(got, [a & b, a | b, a ^ b]);
    }
    let mut b = Build::new(
        "not",
        &[Type::I1],
        &[Type::I1, Type::I64, Type::I64, Type::F64],
    );
    let x = b.arg(0);
    let not = b.un(Un::Not, x);
    let zext = b.op(Op::Cast(Cast::ZExt, x), Type::I64);
    let sext = b.op(Op::Cast(Cast::SExt, x), Type::I64);
    let float = b.op(Op::Cast(Cast::UIToFP, x), Type::F64);
    b.ret(&[not, zext, sext, float]);
    let code = loaded(&b.program());
    assert_eq!(
        call(&code.entries[0], &[1], 4).unwrap(),
        [0, 1, u64::MAX, 1f64.to_bits()]
    );
    assert_eq!(call(&code.entries[0], &[0], 4).unwrap(), [1, 0, 0, 0]);
}

#[test]
fn unary_integers() {
    let ops = [Un::Neg, Un::Not, Un::IAbs, Un::PopCount];
    for ty in INTS {
        let code = loaded(&table(ty, ty, &ops, |b, op, x, _| b.un(op, x)));
        for a in [0_i64, 1, -1, 77, -128] {
            let ones = i64::from(unsigned(ty, a).count_ones());
            let want = [-a, !a, a.abs(), ones].map(|v| wrap(ty, i128::from(v)) as u64);
            assert_eq!(
                call(&code.entries[0], &[a as u64, 0], 4).unwrap(),
                want,
                "{ty} {a}"
            );
        }
    }
}

fn float_result(op: Bin, a: f64, b: f64) -> f64 {
    match op {
        Bin::FAdd => a + b,
        Bin::FSub => a - b,
        Bin::FMul => a * b,
        Bin::FDiv => a / b,
        Bin::FRem => a % b,
        Bin::CopySign => a.copysign(b),
        Bin::FMinNum => a.min(b),
        Bin::FMaxNum => a.max(b),
        Bin::FMinimum if a.is_nan() || b.is_nan() => f64::NAN,
        Bin::FMaximum if a.is_nan() || b.is_nan() => f64::NAN,
        Bin::FMinimum => a.min(b),
        Bin::FMaximum => a.max(b),
        _ => unreachable!(),
    }
}

#[test]
fn floats() {
    let ops = [
        Bin::FAdd,
        Bin::FSub,
        Bin::FMul,
        Bin::FDiv,
        Bin::FRem,
        Bin::CopySign,
        Bin::FMinNum,
        Bin::FMaxNum,
        Bin::FMinimum,
        Bin::FMaximum,
    ];
    let pairs = [
        (7.5, 2.0),
        (-7.5, 2.0),
        (1.5, -0.25),
        (f64::NAN, 1.0),
        (1.0, f64::NAN),
        (1.0, 0.0),
        (f64::INFINITY, 3.0),
    ];
    let f64_code = loaded(&table(Type::F64, Type::F64, &ops, |b, op, x, y| {
        b.bin(op, x, y)
    }));
    let f32_code = loaded(&table(Type::F32, Type::F32, &ops, |b, op, x, y| {
        b.bin(op, x, y)
    }));
    for (a, b) in pairs {
        let got = call(&f64_code.entries[0], &[a.to_bits(), b.to_bits()], ops.len()).unwrap();
        for (op, got) in ops.iter().zip(got) {
            let (got, want) = (f64::from_bits(got), float_result(*op, a, b));
            assert!(
                got == want || (got.is_nan() && want.is_nan()),
                "{a} {op} {b}: {got} {want}"
            );
        }
        let args = [(a as f32).to_bits(), (b as f32).to_bits()].map(u64::from);
        let got = call(&f32_code.entries[0], &args, ops.len()).unwrap();
        for (op, got) in ops.iter().zip(got) {
            assert_eq!(got >> 32, 0, "high half of a float32 slot");
            let (got, want) = (f32::from_bits(got as u32), float_result(*op, a, b) as f32);
            assert!(
                got == want || (got.is_nan() && want.is_nan()),
                "f32 {a} {op} {b}: {got} {want}"
            );
        }
    }
}

#[test]
fn unary_floats() {
    let ops = [
        Un::FNeg,
        Un::FAbs,
        Un::Sqrt,
        Un::Floor,
        Un::Ceil,
        Un::Trunc,
        Un::RoundEven,
    ];
    let result = |op, a: f64| match op {
        Un::FNeg => -a,
        Un::FAbs => a.abs(),
        Un::Sqrt => a.sqrt(),
        Un::Floor => a.floor(),
        Un::Ceil => a.ceil(),
        Un::Trunc => a.trunc(),
        _ => a.round_ties_even(),
    };
    let code = loaded(&table(Type::F64, Type::F64, &ops, |b, op, x, _| {
        b.un(op, x)
    }));
    let narrow = loaded(&table(Type::F32, Type::F32, &ops, |b, op, x, _| {
        b.un(op, x)
    }));
    for a in [0.0, -0.0, 2.5, 3.5, -2.5, 0.4999, 1e300, 16.0] {
        let want = ops.map(|op| result(op, a));
        let got: Vec<f64> = call(&code.entries[0], &[a.to_bits(), 0], ops.len())
            .unwrap()
            .into_iter()
            .map(f64::from_bits)
            .collect();
        let same = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
        assert!(got.iter().zip(&want).all(same), "{a}: {got:?} {want:?}");
        if a < 1e38 {
            let a = a as f32;
            let got = call(&narrow.entries[0], &[u64::from(a.to_bits()), 0], ops.len()).unwrap();
            assert_eq!(f32::from_bits(got[3] as u32), a.floor());
            assert_eq!(f32::from_bits(got[6] as u32), a.round_ties_even());
        }
    }
}

#[test]
fn comparisons_of_floats() {
    let ops = [Cmp::FEq, Cmp::FNe, Cmp::FLt, Cmp::FLe, Cmp::FGt, Cmp::FGe];
    for ty in [Type::F64, Type::F32] {
        let code = loaded(&table(ty, Type::I1, &ops, |b, op, x, y| b.cmp(op, x, y)));
        for (a, b) in [
            (1.0, 1.0),
            (1.0, 2.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, -0.0),
        ] {
            let slot = |x: f64| {
                if ty == Type::F64 {
                    x.to_bits()
                } else {
                    u64::from((x as f32).to_bits())
                }
            };
            let want = [a == b, a != b, a < b, a <= b, a > b, a >= b].map(u64::from);
            assert_eq!(
                call(&code.entries[0], &[slot(a), slot(b)], 6).unwrap(),
                want,
                "{ty} {a} {b}"
            );
        }
    }
}

/// A function of one conversion.
fn cast(op: Cast, from: Type, to: Type) -> ferdelance_jit::Loaded {
    let mut b = Build::new("cast", &[from], &[to]);
    let value = b.op(Op::Cast(op, b.arg(0)), to);
    b.ret(&[value]);
    loaded(&b.program())
}

#[test]
fn conversions_between_integers() {
    for from in INTS {
        for to in INTS.into_iter().chain([Type::I1]) {
            let a: i64 = -77;
            if to.bits() < from.bits() {
                let code = cast(Cast::Trunc, from, to);
                let got = call(&code.entries[0], &[a as u64], 1).unwrap()[0];
                assert_eq!(got as i64, wrap(to, i128::from(a)), "{from} {to}");
            } else if to.bits() > from.bits() {
                let code = cast(Cast::SExt, from, to);
                assert_eq!(call(&code.entries[0], &[a as u64], 1).unwrap()[0] as i64, a);
                let code = cast(Cast::ZExt, from, to);
                assert_eq!(
                    call(&code.entries[0], &[a as u64], 1).unwrap()[0],
                    unsigned(from, a)
                );
            }
        }
    }
}

#[test]
fn conversions_with_floats() {
    for int in INTS {
        let code = cast(Cast::SIToFP, int, Type::F64);
        assert_eq!(
            call(&code.entries[0], &[-77_i64 as u64], 1).unwrap()[0],
            (-77.0_f64).to_bits()
        );
        let code = cast(Cast::UIToFP, int, Type::F64);
        let want = unsigned(int, -77) as f64;
        assert_eq!(
            call(&code.entries[0], &[-77_i64 as u64], 1).unwrap()[0],
            want.to_bits()
        );
        let code = cast(Cast::FPToSI, Type::F64, int);
        assert_eq!(
            call(&code.entries[0], &[(-77.9_f64).to_bits()], 1).unwrap()[0] as i64,
            -77
        );
        let code = cast(Cast::FPToUI, Type::F64, int);
        assert_eq!(
            call(&code.entries[0], &[77.9_f64.to_bits()], 1).unwrap()[0] & 0xff,
            77
        );
    }
    let code = cast(Cast::FPToSI, Type::F64, Type::I64);
    for outside in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
        assert_eq!(
            call(&code.entries[0], &[outside.to_bits()], 1).unwrap()[0] as i64,
            i64::MIN
        );
    }
    let code = cast(Cast::FPToUI, Type::F64, Type::I64);
    assert_eq!(
        call(&code.entries[0], &[1.5e19_f64.to_bits()], 1).unwrap()[0],
        15_000_000_000_000_000_000
    );
    let code = cast(Cast::FPTrunc, Type::F64, Type::F32);
    assert_eq!(
        call(&code.entries[0], &[0.1_f64.to_bits()], 1).unwrap()[0],
        u64::from(0.1_f32.to_bits())
    );
    let code = cast(Cast::FPExt, Type::F32, Type::F64);
    assert_eq!(
        call(&code.entries[0], &[u64::from(0.1_f32.to_bits())], 1).unwrap()[0],
        f64::from(0.1_f32).to_bits()
    );
    let code = cast(Cast::Bits, Type::F64, Type::I64);
    assert_eq!(call(&code.entries[0], &[42], 1).unwrap()[0], 42);
    let code = cast(Cast::Bits, Type::I32, Type::F32);
    assert_eq!(
        call(&code.entries[0], &[u64::from(1f32.to_bits())], 1).unwrap()[0],
        u64::from(1f32.to_bits())
    );
    let code = cast(Cast::IntToPtr, Type::I64, Type::Ptr);
    assert_eq!(call(&code.entries[0], &[0x1234], 1).unwrap()[0], 0x1234);
    let code = cast(Cast::PtrToInt, Type::Obj, Type::I64);
    assert_eq!(call(&code.entries[0], &[0x1234], 1).unwrap()[0], 0x1234);
}

#[test]
fn constants() {
    let types = [
        Type::I1,
        Type::I8,
        Type::I64,
        Type::F32,
        Type::F64,
        Type::Ptr,
        Type::F64,
        Type::Array(1),
    ];
    let mut b = Build::new("constants", &[], &types);
    let values = [
        b.int(Type::I1, 1),
        b.int(Type::I8, -5),
        b.i64(i64::MIN),
        b.op(Op::Float(f64::from(0.1_f32).to_bits()), Type::F32),
        b.f64(0.1),
        b.op(Op::Null, Type::Ptr),
        b.op(Op::Undef, Type::F64),
        b.op(Op::Undef, Type::Array(1)),
    ];
    b.ret(&values);
    let want = [
        1,
        -5_i64 as u64,
        i64::MIN as u64,
        u64::from(0.1_f32.to_bits()),
        0.1_f64.to_bits(),
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    assert_eq!(run(&b.program(), &[], 11), want);
}

#[test]
fn select() {
    let mut b = Build::new(
        "pick",
        &[Type::I1, Type::Array(1), Type::Array(1)],
        &[Type::Array(1)],
    );
    let op = Op::Select {
        cond: b.arg(0),
        then: b.arg(1),
        other: b.arg(2),
    };
    let picked = b.op(op, Type::Array(1));
    b.ret(&[picked]);
    let code = loaded(&b.program());
    let args = |cond| [cond, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(call(&code.entries[0], &args(1), 4).unwrap(), [1, 2, 3, 4]);
    assert_eq!(call(&code.entries[0], &args(0), 4).unwrap(), [5, 6, 7, 8]);
}

#[test]
fn fused_multiplication_and_addition_rounds_once() {
    let mut b = Build::new("fused", &[Type::F64; 3], &[Type::F64, Type::F64]);
    let (x, y, z) = (b.arg(0), b.arg(1), b.arg(2));
    let fused = b.op(Op::Fma { a: x, b: y, c: z }, Type::F64);
    let product = b.bin(Bin::FMulExact, x, y);
    let sum = b.bin(Bin::FAddExact, product, z);
    b.ret(&[fused, sum]);
    // The square of 1 + e is 1 + 2e + e * e, whose last term only the fused operation keeps.
    let e = f64::EPSILON;
    let args = [1.0 + e, 1.0 + e, -1.0 - 2.0 * e].map(f64::to_bits);
    let got = run(&b.program(), &args, 2);
    assert_eq!(
        got.into_iter().map(f64::from_bits).collect::<Vec<_>>(),
        [e * e, 0.0]
    );
}

#[test]
fn exact_operations_ignore_fastmath() {
    let mut b = Build::new("error_of_sum", &[Type::F64; 2], &[Type::F64]);
    b.f.options.fastmath = FastMath(FastMath::REASSOC);
    let (x, y) = (b.arg(0), b.arg(1));
    let sum = b.bin(Bin::FAddExact, x, y);
    let rest = b.bin(Bin::FSubExact, x, sum);
    let error = b.bin(Bin::FAddExact, rest, y);
    b.ret(&[error]);
    let got = run(&b.program(), &[1.0, 1e-20].map(f64::to_bits), 1);
    assert_eq!(f64::from_bits(got[0]), 1e-20);
}
