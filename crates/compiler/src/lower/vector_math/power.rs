//! `x ** y`.

use super::coefficients::{EXP2, LOG, LOG_TAIL, LOG2_HIGH, LOG2_LOW, LOG2_TAIL};
use super::logarithm::LOG2_E;
use super::{Math, Pair};
use crate::tir::{Cast, Cmp, Type, Un, Value};

impl Math<'_> {
    pub(super) fn pow(&mut self, x: Value, y: Value) -> Value {
        let size = self.abs(x);
        let power = if self.is_single() && !self.target.tables {
            let [x, y] = [size, y].map(|v| self.b.cast(Cast::FPExt, v, Type::F64));
            let mut wide = Math::new(self.b, self.target, x);
            let power = wide.power_of_singles(x, y);
            self.b.cast(Cast::FPTrunc, power, Type::F32)
        } else {
            self.power_in_pairs(size, y)
        };
        self.power_special(x, size, y, power)
    }

    /// What logarithm and exponential do not give.
    fn power_special(&mut self, x: Value, size: Value, y: Value, power: Value) -> Value {
        let one = self.c(1.0);
        let unit = self.cmp(Cmp::FEq, size, one);
        let flat = self.cmp_c(Cmp::FEq, y, 0.0);
        let trivial = self.either(unit, flat);
        let r = self.select(trivial, one, power);
        // Negative x: the sign of an odd power; none of one that is no integer.
        let whole = self.b.unary(Un::Trunc, y);
        let integral = self.cmp(Cmp::FEq, whole, y);
        let half = self.mul_c(y, 0.5);
        let half_whole = self.b.unary(Un::Trunc, half);
        let even = self.cmp(Cmp::FEq, half_whole, half);
        let even = self.b.not(even);
        let odd = self.both(integral, even);
        let signed = self.copysign(r, x);
        let r = self.select(odd, signed, r);
        // Negative and finite.
        let twice = self.add(x, x);
        let negative = self.cmp(Cmp::FLt, twice, x);
        let fraction = self.b.not(integral);
        let undefined = self.both(negative, fraction);
        self.select_c(undefined, f64::NAN, r)
    }

    /// The logarithm to base 2 of a positive number, with a relative error below 2**-61; the second part may be
    /// a thousandth of the first.
    ///
    /// With what tables say of c: `log(1 + r) = r - r**2/2 + r**3 * LOG2_TAIL(r)`, the first two terms in pairs.
    fn log2_pair_by_table(&mut self, x: Value) -> Pair {
        let x = self.reduce(x);
        let [high, low] = [&LOG2_HIGH, &LOG2_LOW].map(|table| self.lookup(table, x.index));
        let base = self.add(x.exponent, high);
        let [e, e_low] = self.parts(LOG2_E).map(|c| self.c(c));
        let line = self.product(x.r, e);
        let line_low = self.fma(x.r, e_low, line.lo);
        let half = self.mul_c(x.r, -0.5);
        let curve = self.product(line.hi, half);
        let tail = self.poly(&LOG2_TAIL, x.r);
        let square = self.mul(x.r, x.r);
        let cube = self.mul(square, x.r);
        let first = self.fast_sum(base, line.hi);
        let second = self.fast_sum(first.hi, curve.hi);
        let rest = self.add(line_low, low);
        let more = self.fma(line_low, half, curve.lo);
        let rest = self.add(rest, more);
        let rest = self.fma(cube, tail, rest);
        let rest = self.add(rest, first.lo);
        let rest = self.add(rest, second.lo);
        // Of an infinite exponent, the rest is a NaN.
        let size = self.abs(x.exponent);
        let finite = self.cmp_c(Cmp::FLt, size, f64::INFINITY);
        let zero = self.c(0.0);
        Pair {
            hi: second.hi,
            lo: self.select(finite, rest, zero),
        }
    }

    /// The same; the parts are a rounded sum and its error.
    ///
    /// With `s = f / (2 + f)`: `log(1 + f) = 2s * (1 + s**2/3 + s**4 * LOG_TAIL(s**2))`.
    fn log2_pair_by_quotient(&mut self, x: Value) -> Pair {
        let (exponent, f) = self.split(x);
        let two = self.c(2.0);
        let d = self.fast_sum(two, f);
        let zero = self.c(0.0);
        let s = self.quotient(Pair { hi: f, lo: zero }, d);
        let z = self.product(s.hi, s.hi);
        let twice = self.add(s.hi, s.hi);
        let z_low = self.fma(twice, s.lo, z.lo);
        let tail = self.poly(&LOG_TAIL, z.hi);
        let tail = self.mul(tail, z.hi);
        let [third, third_low] = [1.0 / 3.0, 1.850371707708594e-17].map(|c| self.c(c));
        let q = self.fast_sum(third, tail);
        let q_low = self.add(q.lo, third_low);
        let u = self.product(z.hi, q.hi);
        let low = self.fma(z_low, q.hi, u.lo);
        let u_low = self.fma(z.hi, q_low, low);
        let v = self.product(s.hi, u.hi);
        let low = self.fma(s.lo, u.hi, v.lo);
        let v_low = self.fma(s.hi, u_low, low);
        let sum = self.fast_sum(s.hi, v.hi);
        let low = self.add(s.lo, v_low);
        let low = self.add(sum.lo, low);
        let [factor, factor_low] = LOG2_E.map(|c| self.c(2.0 * c));
        let log = self.product(sum.hi, factor);
        let rest = self.fma(sum.hi, factor_low, log.lo);
        let log_low = self.fma(low, factor, rest);
        let total = self.fast_sum(exponent, log.hi);
        Pair {
            hi: total.hi,
            lo: self.add(total.lo, log_low),
        }
    }

    fn power_in_pairs(&mut self, x: Value, y: Value) -> Value {
        if self.target.tables {
            let log = self.log2_pair_by_table(x);
            return self.exp2_of_product(log, y);
        }
        let log = self.log2_pair_by_quotient(x);
        let exact = self.mul(log.hi, y);
        let high = self.clamp(exact, -1080.0, 1030.0);
        let inside = self.cmp(Cmp::FEq, exact, high);
        let low = self.fms(log.hi, y, exact);
        let low = self.fma(log.lo, y, low);
        let zero = self.c(0.0);
        let low = self.select(inside, low, zero);
        let k = self.nearest(high);
        let r = self.sub(high, k.float);
        let r = self.add(r, low);
        self.exp2_reduced(r, k.float)
    }

    /// Where the product is no number that has a power, scaling by its integral part gives the result,
    /// whatever the rest is.
    fn exp2_of_product(&mut self, log: Pair, y: Value) -> Value {
        // The largest number does as well as infinity, and times 0 is 0.
        let most = self.pick(f64::MAX, f64::from(f32::MAX));
        let y = self.clamp(y, -most, most);
        let power = self.mul(log.hi, y);
        let power = self.fma(log.lo, y, power);
        let k = self.b.unary(Un::RoundEven, power);
        let r = self.fms(log.hi, y, k);
        let r = self.fma(log.lo, y, r);
        // In this order a NaN becomes a number.
        let one = self.c(1.0);
        let less = self.cmp_c(Cmp::FLt, r, 1.0);
        let r = self.select(less, r, one);
        let minus = self.c(-1.0);
        let more = self.cmp_c(Cmp::FGt, r, -1.0);
        let r = self.select(more, r, minus);
        self.exp2_reduced(r, k)
    }

    /// Of singles as doubles: the polynomials for singles are good enough, and there is room to spare.
    fn power_of_singles(&mut self, x: Value, y: Value) -> Value {
        let (exponent, f) = self.split(x);
        let double = self.add_c(f, 2.0);
        let s = self.div(f, double);
        let square = self.mul(s, s);
        let tail = self.horner(LOG.single, square);
        let two = self.c(2.0);
        let log = self.fma(tail, square, two);
        let log = self.mul(log, s);
        let factor = self.c(std::f64::consts::LOG2_E);
        let log = self.fma(log, factor, exponent);
        let power = self.mul(log, y);
        let power = self.clamp(power, -200.0, 200.0);
        let k = self.nearest(power);
        let r = self.sub(power, k.float);
        let q = self.horner(EXP2.single, r);
        let one = self.c(1.0);
        let r = self.fma(r, q, one);
        self.scale(r, k.float)
    }

    /// Halves by a square root, small negative integers by the reciprocal.
    pub(super) fn simple_power(&mut self, x: Value, y: f64) -> Option<Value> {
        let one = self.c(1.0);
        if y.fract() == 0.0 {
            if !(-3.0..=-2.0).contains(&y) {
                return None;
            }
            let inverse = self.div(one, x);
            let power = self.mul(inverse, inverse);
            return Some(if y == -3.0 {
                self.mul(power, inverse)
            } else {
                power
            });
        }
        if ![0.5, 1.5, 2.5, -0.5, -1.5].contains(&y) {
            return None;
        }
        let root = self.sqrt(x);
        let size = self.abs(root);
        let power = if y == 0.5 {
            size
        } else if y == 1.5 {
            self.mul(x, root)
        } else if y == 2.5 {
            let square = self.mul(x, x);
            self.mul(square, size)
        } else if y == -0.5 {
            self.div(one, size)
        } else {
            // In this order nothing overflows or vanishes early.
            let inverse = self.div(one, x);
            let power = self.div(inverse, root);
            self.abs(power)
        };
        let infinite = self.cmp_c(Cmp::FEq, x, f64::NEG_INFINITY);
        Some(self.select_c(infinite, if y > 0.0 { f64::INFINITY } else { 0.0 }, power))
    }
}
