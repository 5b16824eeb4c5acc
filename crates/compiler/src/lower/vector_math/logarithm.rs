//! `log`, `log2`, `log10`, `log1p`.

use super::Math;
use super::coefficients::LOG;
use super::exponential::LN2;
use crate::tir::{Cmp, Value};

/// `1 / log(2)`, `1 / log(10)`.
pub(super) const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];
const LOG10_E: [f64; 2] = [std::f64::consts::LOG10_E, 1.098319650216765e-17];
/// `log10(2)`, of which the first part times any exponent is exact, for doubles and for singles.
const LOG10_2: [[f64; 2]; 2] = [
    [0.30102999566395283, 2.8363394551044964e-14],
    [0.301025390625, 4.605039066518657e-06],
];

/// `log(1 + f) = f - half * f + correction`.
struct Log1 {
    half: Value,
    half_square: Value,
    correction: Value,
}

impl Math<'_> {
    /// With `s = f / (2 + f)`: `log(1 + f) = 2s + s**3 * LOG(s*s) = f - s * (f - s*s * LOG(s*s))`.
    fn log_reduced(&mut self, f: Value) -> Log1 {
        let double = self.add_c(f, 2.0);
        let s = self.div(f, double);
        let square = self.mul(s, s);
        let tail = self.poly(&LOG, square);
        let half = self.mul_c(f, 0.5);
        let half_square = self.mul(half, f);
        let inner = self.fma(square, tail, half_square);
        Log1 {
            half,
            half_square,
            correction: self.mul(s, inner),
        }
    }

    /// Exponents of zeros and infinities are infinite, and so is the logarithm.
    pub(super) fn log(&mut self, x: Value) -> Value {
        let exponent = self.exponent(x);
        let mantissa = self.mantissa(x);
        let f = self.add_c(mantissa, -1.0);
        self.log_sum(exponent, f, None)
    }

    /// `exponent * log(2) + log(1 + f) + small`.
    fn log_sum(&mut self, exponent: Value, f: Value, small: Option<Value>) -> Value {
        let [high, low] = self.parts(LN2).map(|c| self.c(c));
        let Log1 {
            half_square,
            correction,
            ..
        } = self.log_reduced(f);
        let mut y = self.fma(exponent, low, correction);
        if let Some(small) = small {
            y = self.add(y, small);
        }
        let rest = self.sub(half_square, y);
        let y = self.sub(f, rest);
        self.fma(exponent, high, y)
    }

    /// `base + low * exponent + factor * log(1 + f)`, where base is 0 or not smaller than the logarithm.
    /// Where the exponent is infinite, it is the result.
    fn log_times(
        &mut self,
        x: Value,
        factor: [f64; 2],
        base: impl FnOnce(&mut Self, Value) -> (Value, Option<Value>),
    ) -> Value {
        let exponent = self.exponent(x);
        let mantissa = self.mantissa(x);
        let f = self.add_c(mantissa, -1.0);
        let Log1 {
            half, correction, ..
        } = self.log_reduced(f);
        let curve = self.fnma(half, f, correction);
        let [high, low] = self.parts(factor).map(|c| self.c(c));
        let line = self.product(f, high);
        let rest = self.fma(f, low, line.lo);
        let mut rest = self.fma(curve, high, rest);
        let (base, small) = base(self, exponent);
        if let Some(small) = small {
            rest = self.fma(exponent, small, rest);
        }
        let sum = self.fast_sum(base, line.hi);
        let low = self.add(sum.lo, rest);
        let y = self.add(sum.hi, low);
        let number = self.cmp(Cmp::FEq, y, y);
        self.select(number, y, exponent)
    }

    pub(super) fn log2(&mut self, x: Value) -> Value {
        self.log_times(x, LOG2_E, |_, exponent| (exponent, None))
    }

    pub(super) fn log10(&mut self, x: Value) -> Value {
        self.log_times(x, LOG10_E, |m, exponent| {
            let [high, low] = m.pick(LOG10_2[0], LOG10_2[1]).map(|c| m.c(c));
            (m.mul(exponent, high), Some(low))
        })
    }

    /// The logarithm of `1 + x` as rounded, and what the rounding has taken away, divided by it.
    pub(super) fn log1p(&mut self, x: Value) -> Value {
        let one = self.c(1.0);
        let u = self.sum(one, x);
        let exponent = self.exponent(u.hi);
        let mantissa = self.mantissa(u.hi);
        let f = self.add_c(mantissa, -1.0);
        let inverse = self.reciprocal(u.hi);
        let lost = self.mul(u.lo, inverse);
        let unscaled = self.cmp_c(Cmp::FEq, exponent, 0.0);
        let f = self.select(unscaled, x, f);
        let lost = self.select_c(unscaled, 0.0, lost);
        let y = self.log_sum(exponent, f, Some(lost));
        let number = self.cmp(Cmp::FEq, y, y);
        let y = self.select(number, y, exponent);
        self.copysign(y, x)
    }
}
