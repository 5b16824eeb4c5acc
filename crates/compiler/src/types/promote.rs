//! Result types of operators on scalars, as the peer has them: integers compute in 64 bits, a float
//! and an integer in the float that holds both, division of integers in float64.
//!
//! Also which conversions are possible without asking (assignment, arguments of explicit signatures).

use super::join::{float_bits_for, join};
use super::{Kind, Ty, time};
use crate::hir::BinaryOp;

/// The type that both operands of an arithmetic or bitwise operator are converted to and the type of
/// the result; `None` when the operator is not defined for them. `Pow` has its own rule in inference.
pub fn binary(op: BinaryOp, a: Ty, b: Ty) -> Option<Ty> {
    if !a.is_scalar() || !b.is_scalar() {
        return None;
    }
    let weak = a.is_weak() && b.is_weak();
    let integral = a.is_integral() && b.is_integral();
    match op {
        BinaryOp::And | BinaryOp::Or | BinaryOp::Xor if a.is_bool() && b.is_bool() => {
            Some(Ty::bool())
        }
        BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => integral.then(|| int_result(a, b, weak)),
        // The left operand decides: shifting by an unsigned amount keeps a signed value signed.
        BinaryOp::LShift | BinaryOp::RShift => integral.then(|| int_result(a, a, weak)),
        BinaryOp::TrueDiv if integral => Some(Ty::new(Kind::Float { bits: 64, weak })),
        BinaryOp::FloorDiv | BinaryOp::Mod if a.is_complex() || b.is_complex() => None,
        BinaryOp::MatMul => None,
        _ if integral => Some(int_result(a, b, weak)),
        _ => inexact(a, b),
    }
}

fn int_result(a: Ty, b: Ty, weak: bool) -> Ty {
    let unsigned = |t: Ty| matches!(t.kind(), Kind::Int { signed: false, .. });
    Ty::new(Kind::Int {
        bits: 64,
        signed: !(unsigned(a) && unsigned(b)),
        weak,
    })
}

/// The float or complex type of an operation of which at least one operand is one.
fn inexact(a: Ty, b: Ty) -> Option<Ty> {
    let weak = a.is_weak() && b.is_weak();
    let bits = float_bits_for(a).max(float_bits_for(b));
    let kind = if a.is_complex() || b.is_complex() {
        Kind::Complex {
            bits: bits.max(32) * 2,
            weak,
        }
    } else {
        Kind::Float { bits, weak }
    };
    Some(Ty::new(kind))
}

/// NumPy's result type of two operands, either of which may be a weak Python scalar.
pub fn common_dtype(a: Ty, b: Ty) -> Ty {
    if a.is_time() || b.is_time() {
        return join(a, b).unwrap_or(if a.is_time() { a } else { b });
    }
    let rank = |t: Ty| match t.kind() {
        Kind::Bool => 0,
        Kind::Int { .. } => 1,
        Kind::Float { .. } => 2,
        _ => 3,
    };
    let with_weak = |strong: Ty, weak: Ty| {
        if rank(weak) <= rank(strong) {
            return strong;
        }
        match weak.kind() {
            Kind::Complex { .. } if strong.is_float() && strong.bits() <= 32 => Ty::complex(64),
            _ => weak.strong(),
        }
    };
    match (a.is_weak(), b.is_weak()) {
        (false, true) => with_weak(a, b),
        (true, false) => with_weak(b, a),
        _ => join(a, b).unwrap_or(a).strong(),
    }
}

/// The float type that a function of a real number computes in: float32 for float32, else float64.
pub fn real_function(t: Ty) -> Option<Ty> {
    match *t.kind() {
        Kind::Float { .. } => Some(t),
        Kind::Bool | Kind::Int { .. } => Some(Ty::new(Kind::Float {
            bits: 64,
            weak: t.is_weak() || t.is_bool(),
        })),
        _ => None,
    }
}

/// How well an argument of type `from` fits a parameter of type `to`. Smaller is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fit {
    Exact,
    /// Widening within a kind, or a layout made general.
    Promote,
    /// Loses nothing in common cases: int to float64, T to Optional(T).
    Safe,
    /// May lose: float64 to float32, int64 to int32, float to int.
    Unsafe,
}

/// Whether a value of type `from` may be converted to `to` when a signature or an assignment asks for
/// it, and how well it fits.
pub fn fit(from: Ty, to: Ty) -> Option<Fit> {
    if from == to || from.strong() == to.strong() {
        return Some(Fit::Exact);
    }
    if from.is_scalar() && to.is_scalar() {
        return fit_numbers(from, to);
    }
    let plain = |t: Ty| t.is_scalar() || t.is_time();
    if plain(from) && plain(to) {
        return fit_times(from, to);
    }
    match (from.kind(), to.kind()) {
        (Kind::None, Kind::Optional(_)) => Some(Fit::Safe),
        (Kind::Optional(a), Kind::Optional(b)) => fit(*a, *b),
        (_, Kind::Optional(b)) => fit(from, *b).map(|f| f.max(Fit::Safe)),
        (Kind::Optional(a), _) => fit(*a, to).map(|_| Fit::Unsafe),
        (Kind::Chars { unicode: true, .. }, Kind::Str) => Some(Fit::Safe),
        (Kind::Chars { unicode: false, .. }, Kind::Buffer(..)) if to.is_bytes() => Some(Fit::Safe),
        (Kind::Record(a), Kind::Record(b)) => a.has_fields_of(b).then_some(Fit::Promote),
        (Kind::Array(a), Kind::Array(b)) => {
            let general = join(from, to) == Some(to);
            (general && a.dtype == b.dtype).then_some(Fit::Promote)
        }
        (Kind::Buffer(..), Kind::Buffer(..)) => {
            (join(from, to) == Some(to)).then_some(Fit::Promote)
        }
        (Kind::Tuple(a), Kind::Tuple(b)) => fit_items(a, b),
        (Kind::NamedTuple(c, a), Kind::NamedTuple(d, b)) if c.class == d.class => fit_items(a, b),
        // A function without explicit signatures is compiled for the one that is asked for.
        (Kind::Dispatcher(_, signatures), Kind::Function(_)) => {
            (signatures.is_empty() || signatures.contains(&to)).then_some(Fit::Promote)
        }
        (Kind::Foreign(_, ty), Kind::Function(_)) => (*ty == to).then_some(Fit::Promote),
        (Kind::Range(..) | Kind::Iter(_) | Kind::Generator(_), _) => {
            (join(from, to) == Some(to)).then_some(Fit::Promote)
        }
        _ => None,
    }
}

/// Dates and durations convert to other units, integers to durations.
fn fit_times(from: Ty, to: Ty) -> Option<Fit> {
    match (from.as_time(), to.as_time()) {
        (Some((a, x)), Some((b, y))) => (a == b && time::conversion(a, x, y).is_some())
            .then_some(if x <= y { Fit::Safe } else { Fit::Unsafe }),
        (None, Some((true, _))) if from.is_integral() => Some(Fit::Unsafe),
        _ => None,
    }
}

fn fit_items(a: &[Ty], b: &[Ty]) -> Option<Fit> {
    if a.len() != b.len() {
        return None;
    }
    a.iter().zip(b).try_fold(Fit::Exact, |worst, (x, y)| {
        fit(*x, *y).map(|f| worst.max(f))
    })
}

fn fit_numbers(from: Ty, to: Ty) -> Option<Fit> {
    let rank = |t: Ty| match t.kind() {
        Kind::Bool => 0,
        Kind::Int { .. } => 1,
        Kind::Float { .. } => 2,
        _ => 3,
    };
    if from.is_complex() && !to.is_complex() {
        return None;
    }
    Some(match rank(from).cmp(&rank(to)) {
        std::cmp::Ordering::Greater => Fit::Unsafe,
        std::cmp::Ordering::Equal => match (from.kind(), to.kind()) {
            (
                Kind::Int {
                    bits: a, signed: s, ..
                },
                Kind::Int {
                    bits: b, signed: t, ..
                },
            ) => {
                if (s == t && a <= b) || (!s && *t && a < b) {
                    Fit::Promote
                } else {
                    Fit::Unsafe
                }
            }
            _ if from.bits() <= to.bits() => Fit::Promote,
            _ => Fit::Unsafe,
        },
        std::cmp::Ordering::Less => {
            let holds = from.is_bool()
                || match *to.kind() {
                    Kind::Float { bits, .. } => bits == 64 || from.bits() <= u32::from(bits) / 2,
                    Kind::Complex { bits, .. } => {
                        bits == 128 || from.bits() <= 16 || from.is_float() && from.bits() == 32
                    }
                    _ => true,
                };
            if holds { Fit::Safe } else { Fit::Unsafe }
        }
    })
}
