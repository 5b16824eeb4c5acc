//! `log`, `log2`, `log10`, `log1p`.

use super::coefficients::{
    INVERSE, LN_HIGH, LN_LOW, LN_OF_2, LOG, LOG_NEAR, LOG2_HIGH, LOG2_LOW, LOG2_NEAR, LOG2_OF_2,
    LOG10_HIGH, LOG10_LOW, LOG10_NEAR, LOG10_OF_2,
};
use super::{Math, Parts, Poly};
use crate::tir::{Bin, Cmp, Table, Value};

/// `1 / log(2)`, `1 / log(10)`.
pub(super) const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];
const LOG10_E: [f64; 2] = [std::f64::consts::LOG10_E, 1.098319650216765e-17];

/// What logarithms to a base are made of.
struct Base {
    /// The logarithm of 2.
    two: &'static Parts,
    /// The logarithm of e, if it is not 1.
    e: Option<[f64; 2]>,
    /// For [`Reduced`] numbers: the logarithm of `1 / c` in parts, and that of `1 + r` less the
    /// first term, divided by the square of r.
    high: &'static Table,
    low: &'static Table,
    near: &'static Poly,
}

const NATURAL: Base = Base {
    two: &LN_OF_2,
    e: None,
    high: &LN_HIGH,
    low: &LN_LOW,
    near: &LOG_NEAR,
};
const BINARY: Base = Base {
    two: &LOG2_OF_2,
    e: Some(LOG2_E),
    high: &LOG2_HIGH,
    low: &LOG2_LOW,
    near: &LOG2_NEAR,
};
const DECIMAL: Base = Base {
    two: &LOG10_OF_2,
    e: Some(LOG10_E),
    high: &LOG10_HIGH,
    low: &LOG10_LOW,
    near: &LOG10_NEAR,
};

/// `2**exponent * (1 + r) / c`, where tables have what belongs to c. Numbers from 31/32 to 17/16 have a c of
/// 1, and no exponent.
pub(super) struct Reduced {
    pub exponent: Value,
    pub index: Value,
    pub c: Value,
    pub r: Value,
}

/// `log(1 + f) = f - half * f + correction`.
struct Log1 {
    half: Value,
    half_square: Value,
    correction: Value,
}

impl Math<'_> {
    /// The exponent and f of `2**exponent * (1 + f)`, with f from -1/4 to 1/2.
    pub(super) fn split(&mut self, x: Value) -> (Value, Value) {
        let exponent = self.exponent(x);
        let mantissa = self.mantissa(x);
        (exponent, self.add_c(mantissa, -1.0))
    }

    /// The remainder is exact.
    pub(super) fn reduce(&mut self, x: Value) -> Reduced {
        let exponent = self.exponent(x);
        let mantissa = self.mantissa(x);
        let bits = self.bits(mantissa);
        let index = self.int_op(Bin::LShr, bits, self.fraction() - 4);
        let c = self.lookup(&INVERSE, index);
        let minus = self.c(-1.0);
        Reduced {
            exponent,
            index,
            c,
            r: self.fma(mantissa, c, minus),
        }
    }

    /// The exponents of zeros and infinities are infinite, and so is their logarithm.
    fn log_of_reduced(&mut self, x: &Reduced, base: &Base) -> Value {
        let high = self.lookup(base.high, x.index);
        let mut low = self.lookup(base.low, x.index);
        let [two, two_low] = self.pick(base.two.double, base.two.single);
        let (two, two_low) = (self.c(two), self.c(two_low));
        let high = self.fma(x.exponent, two, high);
        // Of 2 itself there is no second part, and infinity times 0 is a NaN.
        if base.two.double[1] != 0.0 {
            low = self.fma(x.exponent, two_low, low);
        }
        let mut first = x.r;
        if let Some(e) = base.e {
            let [e, e_low] = self.parts(e).map(|c| self.c(c));
            let product = self.product(x.r, e);
            first = product.hi;
            low = self.add(low, product.lo);
            low = self.fma(x.r, e_low, low);
        }
        let near = self.poly(base.near, x.r);
        let square = self.mul(x.r, x.r);
        let low = self.fma(square, near, low);
        let y = self.add(first, low);
        self.add(high, y)
    }

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

    pub(super) fn log(&mut self, x: Value) -> Value {
        if self.target.tables {
            let x = self.reduce(x);
            return self.log_of_reduced(&x, &NATURAL);
        }
        let (exponent, f) = self.split(x);
        self.log_sum(exponent, f, None)
    }

    /// `exponent * log(2) + log(1 + f) + small`.
    fn log_sum(&mut self, exponent: Value, f: Value, small: Option<Value>) -> Value {
        let [high, low] = self.pick(LN_OF_2.double, LN_OF_2.single);
        let (high, low) = (self.c(high), self.c(low));
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

    /// The logarithm to another base than e.
    fn log_to(&mut self, x: Value, base: &Base) -> Value {
        if self.target.tables {
            let x = self.reduce(x);
            return self.log_of_reduced(&x, base);
        }
        let (exponent, f) = self.split(x);
        let Log1 {
            half, correction, ..
        } = self.log_reduced(f);
        let hi = self.fnma(half, f, f);
        let rest = self.sub(f, hi);
        let rest = self.fnma(half, f, rest);
        let lo = self.add(rest, correction);
        let [e, e_low] = self.parts(base.e.unwrap_or([1.0, 0.0])).map(|c| self.c(c));
        let log = self.product(hi, e);
        let rest = self.fma(hi, e_low, log.lo);
        let rest = self.fma(lo, e, rest);
        let [two, two_low] = self.pick(base.two.double, base.two.single);
        let (two, two_low) = (self.c(two), self.c(two_low));
        let high = self.mul(exponent, two);
        let rest = self.fma(exponent, two_low, rest);
        let sum = self.fast_sum(high, log.hi);
        let low = self.add(sum.lo, rest);
        let y = self.add(sum.hi, low);
        self.or_infinite(y, exponent)
    }

    /// Where the exponent is infinite, it is the result.
    fn or_infinite(&mut self, y: Value, exponent: Value) -> Value {
        let number = self.cmp(Cmp::FEq, y, y);
        self.select(number, y, exponent)
    }

    pub(super) fn log2(&mut self, x: Value) -> Value {
        self.log_to(x, &BINARY)
    }

    pub(super) fn log10(&mut self, x: Value) -> Value {
        self.log_to(x, &DECIMAL)
    }

    /// The logarithm of `1 + x` as rounded, and what the rounding has taken away.
    pub(super) fn log1p(&mut self, x: Value) -> Value {
        let one = self.c(1.0);
        let u = self.sum(one, x);
        let (y, exponent) = if self.target.tables {
            let mut reduced = self.reduce(u.hi);
            let down = self.neg(reduced.exponent);
            let lost = self.scale(u.lo, down);
            reduced.r = self.fma(lost, reduced.c, reduced.r);
            let y = self.log_of_reduced(&reduced, &NATURAL);
            (y, reduced.exponent)
        } else {
            let (exponent, f) = self.split(u.hi);
            let inverse = self.reciprocal(u.hi);
            let lost = self.mul(u.lo, inverse);
            let unscaled = self.cmp_c(Cmp::FEq, exponent, 0.0);
            let f = self.select(unscaled, x, f);
            let lost = self.select_c(unscaled, 0.0, lost);
            (self.log_sum(exponent, f, Some(lost)), exponent)
        };
        let y = self.or_infinite(y, exponent);
        self.copysign(y, x)
    }
}
