//! Operations on the parts of floats, with the instructions of this machine and with those of any.

use crate::common::*;
use ferdelance_compiler::tir::*;
use ferdelance_jit::{Cpu, LoadOptions, Settings, compile, load};

static SQUARES: Table = Table {
    name: "squares",
    double: [
        0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0, 100.0, 121.0, 144.0, 169.0, 196.0,
        225.0,
    ],
    single: [
        0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0, 100.0, 121.0, 144.0, 169.0, 196.0,
        225.0,
    ],
};

/// Exponent, mantissa and reciprocal of x, `x * 2**y`, and what the table has for an integer.
fn program(ty: Type) -> Program {
    let int = Type::int(ty.bits());
    let mut b = Build::new("floats", &[ty, ty, int], &[ty; 5]);
    let (x, y, index) = (b.arg(0), b.arg(1), b.arg(2));
    let mut results = [Un::Exponent, Un::Mantissa, Un::Reciprocal]
        .map(|op| b.un(op, x))
        .to_vec();
    results.push(b.bin(Bin::Scale, x, y));
    let table = &SQUARES;
    results.push(b.op(Op::Lookup { table, index }, ty));
    b.ret(&results);
    b.program()
}

/// What the program gives on this machine and on any.
fn both(ty: Type, x: f64, y: f64, index: u64) -> [Vec<f64>; 2] {
    let slot = |v: f64| match ty {
        Type::F64 => v.to_bits(),
        _ => u64::from((v as f32).to_bits()),
    };
    let number = |slot: u64| match ty {
        Type::F64 => f64::from_bits(slot),
        _ => f64::from(f32::from_bits(slot as u32)),
    };
    let any = Cpu {
        name: "x86-64".into(),
        features: String::new(),
    };
    [Cpu::host().clone(), any].map(|cpu| {
        let settings = Settings {
            cpu,
            ..Settings::default()
        };
        let object = compile(&program(ty), &settings).unwrap();
        let code = load(&object, &Stubs, &mut Pool, &LoadOptions::default()).unwrap();
        let results = call(&code.entries[0], &[slot(x), slot(y), index], 5).unwrap();
        results.into_iter().map(number).collect()
    })
}

#[test]
fn positive_numbers_are_their_mantissa_and_exponent() {
    let edges = [0.75, 1.0, 1.5, 1.4999999, 3.0, 0.1, 7.25, 1e30, 1e-30];
    let doubles = [
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1e-310,
        1.5f64.next_down(),
    ];
    let singles = [f32::MAX, f32::MIN_POSITIVE, 1e-45, 1e-40].map(f64::from);
    for (ty, own) in [(Type::F64, &doubles[..]), (Type::F32, &singles)] {
        for &x in edges.iter().chain(own) {
            let x = if ty == Type::F32 {
                f64::from(x as f32)
            } else {
                x
            };
            for got in both(ty, x, 0.0, 0) {
                let (exponent, mantissa) = (got[0], got[1]);
                assert!((0.75..1.5).contains(&mantissa), "{ty} {x}: {mantissa}");
                assert_eq!(exponent.fract(), 0.0, "{ty} {x}");
                // In two steps: the power alone may be no normal number.
                let half = (exponent / 2.0).trunc() as i32;
                let rest = exponent as i32 - half;
                assert_eq!(mantissa * 2f64.powi(half) * 2f64.powi(rest), x, "{ty}");
                if x < 1e37 && x > 1e-37 {
                    assert!((got[2] * x - 1.0).abs() < 2f64.powi(-13), "{ty} {x}");
                }
            }
        }
    }
}

#[test]
fn exponents_of_other_numbers_are_what_logarithms_need() {
    for ty in [Type::F64, Type::F32] {
        for (x, exponent) in [
            (0.0, f64::NEG_INFINITY),
            (-0.0, f64::NEG_INFINITY),
            (f64::INFINITY, f64::INFINITY),
        ] {
            for got in both(ty, x, 0.0, 0) {
                assert_eq!(got[0], exponent, "{ty} {x}");
                assert!(got[1].is_finite(), "{ty} {x}: {}", got[1]);
            }
        }
        for x in [-1.0, -1e-40, f64::NEG_INFINITY, f64::NAN] {
            for got in both(ty, x, 0.0, 0) {
                assert!(got[0].is_nan(), "{ty} {x}: {}", got[0]);
            }
        }
    }
}

#[test]
fn scaling_rounds_once_and_overflows() {
    for (ty, x, k, want) in [
        (Type::F64, 1.5, 4.0, 24.0),
        (Type::F64, -1.25, -1074.0, -5e-324),
        (Type::F64, 1.0, 1024.0, f64::INFINITY),
        (Type::F64, 1.0, -1080.0, 0.0),
        (Type::F64, f64::MIN_POSITIVE, 2000.0, 2f64.powi(978)),
        (Type::F32, 1.5, 4.0, 24.0),
        (Type::F32, 1.0, -149.0, f64::from(f32::from_bits(1))),
        (Type::F32, 1.0, 128.0, f64::INFINITY),
    ] {
        for got in both(ty, x, k, 0) {
            assert_eq!(got[3], want, "{ty} {x} {k}");
        }
    }
}

#[test]
fn four_bits_of_an_integer_are_a_place_in_a_table() {
    for ty in [Type::F64, Type::F32] {
        for index in (0..16).chain([16 + 3, 0x7ff0_00a7]) {
            for got in both(ty, 1.0, 0.0, index) {
                assert_eq!(got[4], ((index % 16) * (index % 16)) as f64, "{ty} {index}");
            }
        }
    }
}
