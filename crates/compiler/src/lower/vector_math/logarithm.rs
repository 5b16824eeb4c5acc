//! `log`, `log2`, `log10`, `log1p`.

use super::coefficients::{LOG, LOG_DIRECT};
use super::exponential::LN2;
use super::{Math, Pair};
use crate::tir::{Bin, Cmp, Value};

/// `1 / log(2)`, `1 / log(10)`, `log10(2)`.
pub(super) const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];
const LOG10_E: [f64; 2] = [std::f64::consts::LOG10_E, 1.098319650216765e-17];
const LOG10_2: [f64; 2] = [std::f64::consts::LOG10_2, -2.8037281277851704e-18];

/// `x = 2**exponent * (1 + f)` with `1 + f` between `sqrt(1/2)` and `sqrt(2)`.
pub(super) struct Split {
    pub exponent: Value,
    pub f: Value,
}

/// `log(1 + f) = f - half_square + correction`.
struct Log1 {
    half_square: Value,
    correction: Value,
}

impl Math<'_> {
    /// Takes a positive number apart (others give anything).
    pub(super) fn split(&mut self, x: Value) -> Split {
        let (least, up) = self.pick((f64::MIN_POSITIVE, 54), (f64::from(f32::MIN_POSITIVE), 25));
        let subnormal = self.cmp_c(Cmp::FLt, x, least);
        let scaled = self.mul_c(x, (1i64 << up) as f64);
        let x = self.select(subnormal, scaled, x);
        self.split_scaled(x, Some((subnormal, up)))
    }

    /// The same for normal numbers, which may have been multiplied by a power of two.
    pub(super) fn split_scaled(&mut self, x: Value, scaled: Option<(Value, i64)>) -> Split {
        let fraction = self.fraction();
        let root = self.pattern(std::f64::consts::FRAC_1_SQRT_2);
        // Keeps exponents positive.
        let offset = self.pick(1100, 160);
        let bits = self.bits(x);
        let relative = self.int_op(Bin::Add, bits, (offset << fraction) - root);
        let raised = self.int_op(Bin::LShr, relative, fraction);
        let unit = (1i64 << fraction) as f64;
        let raised = self.int_op(Bin::Or, raised, self.pattern(unit));
        let raised = self.of_bits(raised);
        let mut base = self.c(unit + offset as f64);
        if let Some((subnormal, up)) = scaled {
            base = self.select_c(subnormal, unit + (offset + up) as f64, base);
        }
        let exponent = self.sub(raised, base);
        let low = self.int_op(Bin::And, relative, (1 << fraction) - 1);
        let mantissa = self.int_op(Bin::Add, low, root);
        let mantissa = self.of_bits(mantissa);
        Split {
            exponent,
            f: self.add_c(mantissa, -1.0),
        }
    }

    /// With `s = f / (2 + f)`: `log(1 + f) = 2s + s**3 * LOG(s*s) = f - s * (f - s*s * LOG(s*s))`.
    /// For singles a polynomial in f is shorter than the division.
    fn log_reduced(&mut self, f: Value) -> Log1 {
        if self.is_single() {
            let square = self.mul(f, f);
            let cube = self.mul(square, f);
            let tail = self.poly(&LOG_DIRECT, f);
            return Log1 {
                half_square: self.mul_c(square, 0.5),
                correction: self.mul(cube, tail),
            };
        }
        let double = self.add_c(f, 2.0);
        let s = self.div(f, double);
        let square = self.mul(s, s);
        let tail = self.poly(&LOG, square);
        let half = self.mul_c(f, 0.5);
        let half_square = self.mul(half, f);
        let inner = self.fma(square, tail, half_square);
        Log1 {
            half_square,
            correction: self.mul(s, inner),
        }
    }

    /// Of all numbers but the positive finite ones.
    fn log_special(&mut self, x: Value, at: f64, y: Value) -> Value {
        let finite = self.cmp_c(Cmp::FLt, x, f64::INFINITY);
        let y = self.select(finite, y, x);
        let outside = self.cmp_c(Cmp::FLt, x, at);
        let y = self.select_c(outside, f64::NAN, y);
        let pole = self.cmp_c(Cmp::FEq, x, at);
        self.select_c(pole, f64::NEG_INFINITY, y)
    }

    pub(super) fn log(&mut self, x: Value) -> Value {
        let Split { exponent, f } = self.split(x);
        let y = self.log_sum(exponent, f, None);
        self.log_special(x, 0.0, y)
    }

    /// `exponent * log(2) + log(1 + f) + small`.
    fn log_sum(&mut self, exponent: Value, f: Value, small: Option<Value>) -> Value {
        let [high, low] = self.parts(LN2).map(|c| self.c(c));
        let Log1 {
            half_square,
            correction,
        } = self.log_reduced(f);
        let mut y = self.fma(exponent, low, correction);
        if let Some(small) = small {
            y = self.add(y, small);
        }
        let rest = self.sub(half_square, y);
        let y = self.sub(f, rest);
        self.fma(exponent, high, y)
    }

    /// `log(1 + f)` with a relative error of a fraction of an ulp, times a constant.
    fn log_times(&mut self, f: Value, factor: [f64; 2]) -> Pair {
        let Log1 { correction, .. } = self.log_reduced(f);
        let half = self.mul_c(f, 0.5);
        let hi = self.fnma(half, f, f);
        let rest = self.sub(f, hi);
        let rest = self.fnma(half, f, rest);
        let lo = self.add(rest, correction);
        let [high, low] = self.parts(factor).map(|c| self.c(c));
        let product = self.product(hi, high);
        let small = self.mul(hi, low);
        let small = self.fma(lo, high, small);
        Pair {
            hi: product.hi,
            lo: self.add(product.lo, small),
        }
    }

    pub(super) fn log2(&mut self, x: Value) -> Value {
        let Split { exponent, f } = self.split(x);
        let log = self.log_times(f, LOG2_E);
        let sum = self.fast_sum(exponent, log.hi);
        let low = self.add(sum.lo, log.lo);
        let y = self.add(sum.hi, low);
        self.log_special(x, 0.0, y)
    }

    pub(super) fn log10(&mut self, x: Value) -> Value {
        let Split { exponent, f } = self.split(x);
        let log = self.log_times(f, LOG10_E);
        let [high, low] = self.parts(LOG10_2).map(|c| self.c(c));
        let whole = self.product(exponent, high);
        let sum = self.fast_sum(whole.hi, log.hi);
        let rest = self.fma(exponent, low, whole.lo);
        let rest = self.add(rest, log.lo);
        let low = self.add(sum.lo, rest);
        let y = self.add(sum.hi, low);
        self.log_special(x, 0.0, y)
    }

    /// The logarithm of `1 + x` as rounded, and what the rounding has taken away, divided by it.
    pub(super) fn log1p(&mut self, x: Value) -> Value {
        let one = self.c(1.0);
        let u = self.sum(one, x);
        let Split { exponent, f } = self.split_scaled(u.hi, None);
        let lost = self.div(u.lo, u.hi);
        let unscaled = self.cmp_c(Cmp::FEq, exponent, 0.0);
        let f = self.select(unscaled, x, f);
        let lost = self.select_c(unscaled, 0.0, lost);
        let y = self.log_sum(exponent, f, Some(lost));
        let y = self.log_special(x, -1.0, y);
        self.copysign(y, x)
    }
}
