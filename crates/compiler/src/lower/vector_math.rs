//! Elementary functions of the elements of arrays, as straight code that vectorises at any width.
//!
//! A call of libm in a loop keeps LLVM from vectorising it. What is written here has no branches
//! or calls: arguments are reduced to a small interval, a polynomial is evaluated there, and special values
//! are put in by selects. The same code serves doubles and singles ([`Math`] knows the format), with
//! polynomials of their own ([`coefficients`]).
//!
//! Results are within 1 unit in the last place, powers and hyperbolic functions within 4
//! (`tests/python/test_vector_math.py`). That rests on IEEE arithmetic, so operations are the exact ones
//! (`Bin::FAddExact`), which fastmath leaves alone, and on fused multiplication and addition. Errors
//! are given in units in the last place ("ulp") of the result in the comments.
//!
//! Loops wait for results more than they are short of units: what counts is the longest chain, then the number
//! of operations. So a correction, which need not be exact, is multiplied by the estimate of a reciprocal.
//! Where tables are cheap ([`Target`]), logarithms, powers and arc tangents are reduced by what they say of
//! sixteen intervals, so that a short polynomial does the rest and nothing is divided.
//!
//! Where no such code is possible at a reasonable price (an angle of many turns), [`Op::Rare`] goes to libm.
//!
//! The methods are the classical ones: reduction of angles by multiples of pi/2 in parts after Cody and
//! Waite, `log(1 + f)` by `s = f / (2 + f)` as in Sun's fdlibm, error-free transformations after Dekker and
//! Knuth.
//!
//! [`Op::Rare`]: crate::tir::Op::Rare

use ferdelance_abi::rtfn::RtFn;

use crate::pipeline::Target;
use crate::tir::build::Builder;
use crate::tir::{Bin, Cast, Cmp, Table, Type, Un, Value};

#[allow(clippy::approx_constant, reason = "coefficients are what they are")]
mod coefficients;
mod exponential;
mod hyperbolic;
mod inverse;
mod logarithm;
mod power;
mod root;
mod trigonometry;

/// Number of coefficients from which a polynomial is evaluated in two parts.
const LONG: usize = 7;

/// A polynomial for each format.
struct Poly {
    double: &'static [f64],
    single: &'static [f64],
}

/// A constant as a sum of two numbers, for each format.
struct Parts {
    double: [f64; 2],
    single: [f64; 2],
}

/// A function of elements by its runtime function for doubles; `None` if there is only that.
pub(super) fn function(b: &mut Builder, target: Target, func: RtFn, x: &[Value]) -> Option<Value> {
    let mut m = Math::new(b, target, x[0]);
    let v = x[0];
    Some(match func {
        RtFn::exp => m.exp(v),
        RtFn::exp2 => m.exp2(v),
        RtFn::expm1 => m.expm1(v),
        RtFn::log => m.log(v),
        RtFn::log2 => m.log2(v),
        RtFn::log10 => m.log10(v),
        RtFn::log1p => m.log1p(v),
        RtFn::sin => m.sin(v),
        RtFn::cos => m.cos(v),
        RtFn::tan => m.tan(v),
        RtFn::asin => m.asin(v),
        RtFn::acos => m.acos(v),
        RtFn::atan => m.atan(v),
        RtFn::atan2 => m.atan2(v, x[1]),
        RtFn::sinh => m.sinh(v),
        RtFn::cosh => m.cosh(v),
        RtFn::tanh => m.tanh(v),
        RtFn::asinh => m.asinh(v),
        RtFn::acosh => m.acosh(v),
        RtFn::atanh => m.atanh(v),
        RtFn::cbrt => m.cbrt(v),
        RtFn::hypot => m.hypot(v, x[1]),
        RtFn::pow => m.pow(v, x[1]),
        _ => return None,
    })
}

/// A function of complex elements, in parts, by its runtime function; `None` if there is only that.
pub(super) fn complex_function(
    b: &mut Builder,
    target: Target,
    func: RtFn,
    z: &[Value],
) -> Option<[Value; 2]> {
    match (func, z) {
        (RtFn::cexp, &[re, im]) => Some(Math::new(b, target, re).complex_exp(re, im)),
        _ => None,
    }
}

/// `x ** y` for a constant y that needs no logarithm; `None` for others.
pub(super) fn constant_power(b: &mut Builder, x: Value, y: f64) -> Option<Value> {
    Math::new(b, Target::default(), x).simple_power(x, y)
}

/// Writes arithmetic in one format. Names of operations are short: formulas are made of them.
struct Math<'b> {
    b: &'b mut Builder,
    target: Target,
    ty: Type,
    floats: Vec<(u64, Value)>,
}

/// A number as the unevaluated sum of two, the second much smaller.
#[derive(Clone, Copy)]
struct Pair {
    hi: Value,
    lo: Value,
}

/// An integral number of a small range as a float and, in its lowest bits, as an integer.
#[derive(Clone, Copy)]
struct Integral {
    float: Value,
    bits: Value,
}

impl<'b> Math<'b> {
    fn new(b: &'b mut Builder, target: Target, like: Value) -> Math<'b> {
        let ty = b.ty(like);
        Math {
            b,
            target,
            ty,
            floats: vec![],
        }
    }

    // ---- the format ----

    fn is_single(&self) -> bool {
        self.ty == Type::F32
    }
    fn int_type(&self) -> Type {
        Type::int(self.ty.bits())
    }
    /// Bits of the fraction.
    fn fraction(&self) -> i64 {
        self.pick(52, 23)
    }
    fn bias(&self) -> i64 {
        self.pick(1023, 127)
    }
    fn pick<T>(&self, double: T, single: T) -> T {
        if self.is_single() { single } else { double }
    }
    /// A number whose unit in the last place is one: adding it rounds to an integer, which its lowest bits
    /// then show.
    fn magic(&self) -> f64 {
        self.pick(6755399441055744.0, 12582912.0)
    }
    /// The bits of a number in this format.
    fn pattern(&self, x: f64) -> i64 {
        if self.is_single() {
            i64::from((x as f32).to_bits() as i32)
        } else {
            x.to_bits() as i64
        }
    }
    /// A constant, the sum of the parts given, as a sum of parts in this format, all but the last rounded
    /// towards zero.
    fn parts<const N: usize>(&self, exact: [f64; N]) -> [f64; N] {
        if !self.is_single() {
            return exact;
        }
        let mut rest = exact[0];
        let mut out = [0.0; N];
        for (i, part) in out.iter_mut().enumerate() {
            let nearest = rest as f32;
            let over = i + 1 < N && f64::from(nearest).abs() > rest.abs();
            *part = f64::from(if over {
                f32::from_bits(nearest.to_bits() - 1)
            } else {
                nearest
            });
            rest = rest - *part
                + if i == 0 {
                    exact.get(1).copied().unwrap_or(0.0)
                } else {
                    0.0
                };
        }
        out
    }

    // ---- operations ----

    fn c(&mut self, x: f64) -> Value {
        if let Some(&(_, v)) = self.floats.iter().find(|(bits, _)| *bits == x.to_bits()) {
            return v;
        }
        let v = self.b.float(self.ty, x);
        self.floats.push((x.to_bits(), v));
        v
    }
    fn int(&mut self, x: i64) -> Value {
        self.b.int(self.int_type(), x)
    }
    fn add(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::FAddExact, x, y)
    }
    fn sub(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::FSubExact, x, y)
    }
    fn mul(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::FMulExact, x, y)
    }
    fn div(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::FDivExact, x, y)
    }
    fn add_c(&mut self, x: Value, y: f64) -> Value {
        let y = self.c(y);
        self.add(x, y)
    }
    fn mul_c(&mut self, x: Value, y: f64) -> Value {
        let y = self.c(y);
        self.mul(x, y)
    }
    /// `x * y + z`, rounded once.
    fn fma(&mut self, x: Value, y: Value, z: Value) -> Value {
        self.b.fma(x, y, z)
    }
    /// `z - x * y`, rounded once.
    fn fnma(&mut self, x: Value, y: Value, z: Value) -> Value {
        let x = self.neg(x);
        self.b.fma(x, y, z)
    }
    /// `x * y - z`, rounded once.
    fn fms(&mut self, x: Value, y: Value, z: Value) -> Value {
        let z = self.neg(z);
        self.b.fma(x, y, z)
    }
    fn neg(&mut self, x: Value) -> Value {
        self.b.unary(Un::FNeg, x)
    }
    fn abs(&mut self, x: Value) -> Value {
        self.b.unary(Un::FAbs, x)
    }
    fn sqrt(&mut self, x: Value) -> Value {
        self.b.unary(Un::Sqrt, x)
    }
    /// The parts of a number, as [`Un::Exponent`] has them.
    fn exponent(&mut self, x: Value) -> Value {
        self.b.unary(Un::Exponent, x)
    }
    fn mantissa(&mut self, x: Value) -> Value {
        self.b.unary(Un::Mantissa, x)
    }
    /// About `1 / x`, for corrections.
    fn reciprocal(&mut self, x: Value) -> Value {
        self.b.unary(Un::Reciprocal, x)
    }
    fn lookup(&mut self, table: &'static Table, index: Value) -> Value {
        self.b.lookup(self.ty, table, index)
    }
    fn copysign(&mut self, x: Value, sign: Value) -> Value {
        self.b.binary(Bin::CopySign, x, sign)
    }
    fn cmp(&mut self, op: Cmp, x: Value, y: Value) -> Value {
        self.b.cmp(op, x, y)
    }
    fn cmp_c(&mut self, op: Cmp, x: Value, y: f64) -> Value {
        let y = self.c(y);
        self.b.cmp(op, x, y)
    }
    fn select(&mut self, cond: Value, then: Value, other: Value) -> Value {
        self.b.select(cond, then, other)
    }
    /// `cond ? then : other` for a constant.
    fn select_c(&mut self, cond: Value, then: f64, other: Value) -> Value {
        let then = self.c(then);
        self.b.select(cond, then, other)
    }
    fn both(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::And, x, y)
    }
    fn either(&mut self, x: Value, y: Value) -> Value {
        self.b.binary(Bin::Or, x, y)
    }
    fn bits(&mut self, x: Value) -> Value {
        self.b.cast(Cast::Bits, x, self.int_type())
    }
    fn of_bits(&mut self, x: Value) -> Value {
        self.b.cast(Cast::Bits, x, self.ty)
    }
    fn int_op(&mut self, op: Bin, x: Value, y: i64) -> Value {
        let y = self.int(y);
        self.b.binary(op, x, y)
    }

    /// The polynomial at x. Of long ones, what is multiplied by x is two polynomials in `x*x`: half as many
    /// steps wait for each other, and the last step rounds as Horner's.
    fn poly(&mut self, poly: &Poly, x: Value) -> Value {
        let coefficients = self.pick(poly.double, poly.single);
        if coefficients.len() < LONG {
            return self.horner(coefficients, x);
        }
        let [even, odd] = [1, 2].map(|first| {
            coefficients
                .iter()
                .skip(first)
                .step_by(2)
                .copied()
                .collect::<Vec<f64>>()
        });
        let square = self.mul(x, x);
        let (even, odd) = (self.horner(&even, square), self.horner(&odd, square));
        let rest = self.fma(odd, x, even);
        let first = self.c(coefficients[0]);
        self.fma(rest, x, first)
    }

    fn horner(&mut self, coefficients: &[f64], x: Value) -> Value {
        let Some((&last, lower)) = coefficients.split_last() else {
            return self.c(0.0);
        };
        let mut sum = self.c(last);
        for &c in lower.iter().rev() {
            let c = self.c(c);
            sum = self.fma(sum, x, c);
        }
        sum
    }

    /// The nearest number between two; a NaN stays.
    fn clamp(&mut self, x: Value, low: f64, high: f64) -> Value {
        let below = self.cmp_c(Cmp::FLt, x, low);
        let x = self.select_c(below, low, x);
        self.at_most(x, high)
    }

    fn at_most(&mut self, x: Value, high: f64) -> Value {
        let above = self.cmp_c(Cmp::FGt, x, high);
        self.select_c(above, high, x)
    }

    /// The integer nearest to `x * factor`, which is far below `magic`.
    fn nearest_multiple(&mut self, x: Value, factor: f64) -> Integral {
        let (factor, magic) = (self.c(factor), self.c(self.magic()));
        let moved = self.fma(x, factor, magic);
        self.unmoved(moved)
    }

    fn nearest(&mut self, x: Value) -> Integral {
        let moved = self.add_c(x, self.magic());
        self.unmoved(moved)
    }

    fn unmoved(&mut self, moved: Value) -> Integral {
        let magic = self.c(self.magic());
        let float = self.sub(moved, magic);
        Integral {
            float,
            bits: self.bits(moved),
        }
    }

    /// The integer itself, plus an offset.
    fn integer(&mut self, k: Integral, offset: i64) -> Value {
        let offset = offset.wrapping_sub(self.pattern(self.magic()));
        self.int_op(Bin::Add, k.bits, offset)
    }

    /// The power of two with a biased exponent, which must be one of a normal number.
    fn power_of_two(&mut self, biased: Value) -> Value {
        let bits = self.int_op(Bin::Shl, biased, self.fraction());
        self.of_bits(bits)
    }

    /// `x * 2**k`, rounded once, for an integral k within twice the range of exponents.
    fn scale(&mut self, x: Value, k: Value) -> Value {
        self.b.binary(Bin::Scale, x, k)
    }

    /// Changes the sign where a bit of an integer is set.
    fn negate_if_bit(&mut self, x: Value, bits: Value, bit: i64) -> Value {
        let top = i64::from(self.ty.bits()) - 1;
        let moved = self.int_op(Bin::Shl, bits, top - bit);
        let sign = self.int_op(
            Bin::And,
            moved,
            if self.is_single() {
                i64::from(i32::MIN)
            } else {
                i64::MIN
            },
        );
        let x = self.bits(x);
        let x = self.b.binary(Bin::Xor, x, sign);
        self.of_bits(x)
    }

    /// Whether a bit of an integer is set.
    fn bit(&mut self, bits: Value, bit: i64) -> Value {
        let one = self.int_op(Bin::And, bits, 1 << bit);
        let zero = self.int(0);
        self.cmp(Cmp::Ne, one, zero)
    }

    // ---- error-free transformations ----

    /// `x + y` and its error, where x is 0 or not smaller than y.
    fn fast_sum(&mut self, x: Value, y: Value) -> Pair {
        let hi = self.add(x, y);
        let rest = self.sub(x, hi);
        Pair {
            hi,
            lo: self.add(rest, y),
        }
    }

    /// `x + y` and its error.
    fn sum(&mut self, x: Value, y: Value) -> Pair {
        let hi = self.add(x, y);
        let of_y = self.sub(hi, x);
        let of_x = self.sub(hi, of_y);
        let (x, y) = (self.sub(x, of_x), self.sub(y, of_y));
        Pair {
            hi,
            lo: self.add(x, y),
        }
    }

    /// `x * y` and its error.
    fn product(&mut self, x: Value, y: Value) -> Pair {
        let hi = self.mul(x, y);
        Pair {
            hi,
            lo: self.fms(x, y, hi),
        }
    }

    /// A quotient of sums of two numbers.
    fn quotient(&mut self, n: Pair, d: Pair) -> Pair {
        let one = self.c(1.0);
        let inverse = self.div(one, d.hi);
        let hi = self.mul(n.hi, inverse);
        let rest = self.fnma(hi, d.hi, n.hi);
        let low = self.fnma(hi, d.lo, n.lo);
        let rest = self.add(rest, low);
        Pair {
            hi,
            lo: self.mul(rest, inverse),
        }
    }
}
