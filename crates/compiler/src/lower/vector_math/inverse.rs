//! `arcsin`, `arccos`, `arctan`, `arctan2`.

use ferdelance_abi::rtfn::RtFn;

use super::coefficients::{ASIN, ATAN};
use super::trigonometry::HALF_PI;
use super::{Math, Pair};
use crate::tir::{Cmp, Value};

/// `arcsin(y) = y + tail` for y up to 1/2.
struct Arcsine {
    /// `|x|` is at most 1/2; otherwise y is `sqrt((1 - |x|) / 2)`.
    small: Value,
    y: Value,
    /// Holds y's rounding error, too.
    tail: Value,
}

const TAN_EIGHTH: f64 = std::f64::consts::SQRT_2 - 1.0;

impl Math<'_> {
    fn half_pi(&mut self) -> Pair {
        let [hi, lo, _] = self.parts(HALF_PI).map(|c| self.c(c));
        Pair { hi, lo }
    }

    fn arcsine(&mut self, x: Value) -> Arcsine {
        let size = self.abs(x);
        let small = self.cmp_c(Cmp::FLe, size, 0.5);
        let square = self.mul(x, x);
        let (half, minus) = (self.c(0.5), self.c(-0.5));
        let other = self.fma(size, minus, half);
        let z = self.select(small, square, other);
        let root = self.sqrt(other);
        let y = self.select(small, size, root);
        // What rounding took from the root.
        let rest = self.fnma(root, root, other);
        let twice = self.add(root, root);
        let null = self.cmp_c(Cmp::FEq, twice, 0.0);
        let twice = self.select_c(null, 1.0, twice);
        let inverse = self.reciprocal(twice);
        let lost = self.mul(rest, inverse);
        let zero = self.c(0.0);
        let lost = self.select(small, zero, lost);
        let tail = self.poly(&ASIN, z);
        let tail = self.mul(tail, z);
        let tail = self.fma(tail, y, lost);
        Arcsine { small, y, tail }
    }

    /// `arcsin(|x|) = pi/2 - 2 * arcsin(sqrt((1 - |x|) / 2))`.
    pub(super) fn asin(&mut self, x: Value) -> Value {
        let Arcsine { small, y, tail } = self.arcsine(x);
        let near = self.add(y, tail);
        let half_pi = self.half_pi();
        let (twice, tails) = (self.add(y, y), self.add(tail, tail));
        let twice = self.neg(twice);
        let far = self.fast_sum(half_pi.hi, twice);
        let low = self.add(far.lo, half_pi.lo);
        let low = self.sub(low, tails);
        let far = self.add(far.hi, low);
        let r = self.select(small, near, far);
        self.copysign(r, x)
    }

    /// `pi/2 - arcsin(x)` for small x; otherwise `2 * arcsin(...)` as above, or pi less that.
    pub(super) fn acos(&mut self, x: Value) -> Value {
        let Arcsine { small, y, tail } = self.arcsine(x);
        let half_pi = self.half_pi();
        let negative = self.cmp_c(Cmp::FLt, x, 0.0);
        // pi/2 - (y + tail), with the sign of x.
        let (y1, tail1) = (self.copysign(y, x), self.signed(tail, negative));
        let minus = self.neg(y1);
        let sum = self.fast_sum(half_pi.hi, minus);
        let low = self.add(sum.lo, half_pi.lo);
        let low = self.sub(low, tail1);
        let near = self.add(sum.hi, low);
        let far = self.add(y, tail);
        // pi/2 - (y + tail), for pi less twice that.
        let minus = self.neg(y);
        let sum = self.fast_sum(half_pi.hi, minus);
        let low = self.add(sum.lo, half_pi.lo);
        let low = self.sub(low, tail);
        let below = self.add(sum.hi, low);
        let far = self.select(negative, below, far);
        let far = self.add(far, far);
        self.select(small, near, far)
    }

    fn signed(&mut self, x: Value, negative: Value) -> Value {
        let minus = self.neg(x);
        self.select(negative, minus, x)
    }

    /// `base + arctan(n / d)`, for a quotient of size up to tan(pi/8).
    fn arctan(&mut self, base: Pair, t: Pair) -> Pair {
        let z = self.mul(t.hi, t.hi);
        let tail = self.poly(&ATAN, z);
        let tail = self.mul(tail, z);
        let tail = self.fma(tail, t.hi, t.lo);
        let sum = self.fast_sum(base.hi, t.hi);
        let low = self.add(base.lo, tail);
        Pair {
            hi: sum.hi,
            lo: self.add(sum.lo, low),
        }
    }

    /// `arctan(|x|)` is `arctan((|x| - 1) / (|x| + 1)) + pi/4` in the middle and `pi/2 + arctan(-1 / |x|)`
    /// for large x.
    pub(super) fn atan(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        // Arctangents of larger numbers are the same, and infinities would make NaNs.
        let size = self.at_most(size, self.pick((1i64 << 60) as f64, (1i64 << 30) as f64));
        let middle = self.cmp_c(Cmp::FGt, size, TAN_EIGHTH);
        let large = self.cmp_c(Cmp::FGt, size, 1.0 / TAN_EIGHTH);
        let (one, minus) = (self.c(1.0), self.c(-1.0));
        let zero = self.c(0.0);
        // Where they are used, between tan(pi/8) and its inverse, their errors are exact in this order, too.
        let below = self.fast_sum(minus, size);
        let above = self.fast_sum(one, size);
        let half_pi = self.half_pi();
        let quarter = Pair {
            hi: self.mul_c(half_pi.hi, 0.5),
            lo: self.mul_c(half_pi.lo, 0.5),
        };
        let pick = |m: &mut Self, large_value: Value, middle_value: Value, small_value: Value| {
            let v = m.select(middle, middle_value, small_value);
            m.select(large, large_value, v)
        };
        let n = Pair {
            hi: pick(self, minus, below.hi, size),
            lo: pick(self, zero, below.lo, zero),
        };
        let d = Pair {
            hi: pick(self, size, above.hi, one),
            lo: pick(self, zero, above.lo, zero),
        };
        let base = Pair {
            hi: pick(self, half_pi.hi, quarter.hi, zero),
            lo: pick(self, half_pi.lo, quarter.lo, zero),
        };
        let t = self.quotient(n, d);
        let y = self.arctan(base, t);
        let y = self.add(y.hi, y.lo);
        self.copysign(y, x)
    }

    /// The arctangent of the smaller part over the larger, and the octant.
    pub(super) fn atan2(&mut self, y: Value, x: Value) -> Value {
        let (x_size, y_size) = (self.abs(x), self.abs(y));
        let steep = self.cmp(Cmp::FGt, y_size, x_size);
        let a = self.select(steep, x_size, y_size);
        let larger = self.select(steep, y_size, x_size);
        // Remainders of small numbers would vanish.
        let small = self.cmp_c(Cmp::FLt, larger, 1.0);
        let one = self.c(1.0);
        let scale = self.select_c(small, self.pick(2f64.powi(200), 2f64.powi(75)), one);
        let (a, b) = (self.mul(a, scale), self.mul(larger, scale));
        let zero = self.c(0.0);
        let limit = self.mul_c(b, TAN_EIGHTH);
        let middle = self.cmp(Cmp::FGt, a, limit);
        // (a - b) / (a + b)
        let minus = self.neg(b);
        let below = self.fast_sum(minus, a);
        let above = self.fast_sum(b, a);
        let n = Pair {
            hi: self.select(middle, below.hi, a),
            lo: self.select(middle, below.lo, zero),
        };
        let d = Pair {
            hi: self.select(middle, above.hi, b),
            lo: self.select(middle, above.lo, zero),
        };
        let null = self.cmp_c(Cmp::FEq, d.hi, 0.0);
        let divisor = Pair {
            hi: self.select_c(null, 1.0, d.hi),
            lo: d.lo,
        };
        let t = self.quotient(n, divisor);
        let half_pi = self.half_pi();
        let quarter = Pair {
            hi: self.mul_c(half_pi.hi, 0.5),
            lo: self.mul_c(half_pi.lo, 0.5),
        };
        let base = Pair {
            hi: self.select(middle, quarter.hi, zero),
            lo: self.select(middle, quarter.lo, zero),
        };
        let angle = self.arctan(base, t);
        // Above the diagonal: pi/2 less the angle; left: pi less that. That is, plus or minus the angle
        // and a number of quarter turns.
        let sign = self.bits(x);
        let null = self.int(0);
        let left = self.cmp(Cmp::SLt, sign, null);
        let turned = self.b.binary(crate::tir::Bin::Xor, steep, left);
        let hi = self.signed(angle.hi, turned);
        let lo = self.signed(angle.lo, turned);
        let pi = Pair {
            hi: self.add(half_pi.hi, half_pi.hi),
            lo: self.add(half_pi.lo, half_pi.lo),
        };
        let side = Pair {
            hi: self.select(left, pi.hi, zero),
            lo: self.select(left, pi.lo, zero),
        };
        let base = Pair {
            hi: self.select(steep, half_pi.hi, side.hi),
            lo: self.select(steep, half_pi.lo, side.lo),
        };
        let sum = self.fast_sum(base.hi, hi);
        let low = self.add(base.lo, lo);
        let low = self.add(sum.lo, low);
        let r = self.add(sum.hi, low);
        let r = self.copysign(r, y);
        let both = self.add(x, y);
        let nan = self.cmp(Cmp::FNe, both, both);
        let r = self.select(nan, both, r);
        // Sums overflow, and infinities have no quotient.
        let far = self.cmp_c(Cmp::FGt, larger, self.pick(1e300, 1e38));
        let func = self.pick(RtFn::atan2, RtFn::atan2f);
        self.b.rare(far, r, func, &[y, x])
    }
}
