//! `arcsin`, `arccos`, `arctan`, `arctan2`.

use ferdelance_abi::rtfn::RtFn;

use super::coefficients::{ARCTAN_HIGH, ARCTAN_LOW, ASIN, ATAN, ATAN_NEAR, SIXTEENTH};
use super::trigonometry::HALF_PI;
use super::{Math, Pair, Poly};
use crate::tir::{Bin, Cmp, Value};

/// `arcsin(y) = y + tail` for y up to 1/2.
struct Arcsine {
    /// `|x|` is at most 1/2; otherwise y is `sqrt((1 - |x|) / 2)`.
    small: Value,
    y: Value,
    /// Holds y's rounding error, too.
    tail: Value,
}

/// `base + t + tail`: an angle from 0 to pi/4.
struct Arctangent {
    base: Pair,
    t: Value,
    /// Of t, and what its rounding took.
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

    /// `arctan(a / b)` for `0 <= a <= b` as `pi/4 + arctan((a - b) / (a + b))` if the quotient is large.
    fn arctan_of_quotient(&mut self, a: Value, b: Value, large: Value) -> Arctangent {
        let zero = self.c(0.0);
        let minus = self.neg(b);
        let below = self.fast_sum(minus, a);
        let above = self.fast_sum(b, a);
        let n = Pair {
            hi: self.select(large, below.hi, a),
            lo: self.select(large, below.lo, zero),
        };
        let d = Pair {
            hi: self.select(large, above.hi, b),
            lo: self.select(large, above.lo, zero),
        };
        let half_pi = self.half_pi();
        let base = Pair {
            hi: self.mul_c(half_pi.hi, 0.5),
            lo: self.mul_c(half_pi.lo, 0.5),
        };
        let base = Pair {
            hi: self.select(large, base.hi, zero),
            lo: self.select(large, base.lo, zero),
        };
        let t = self.corrected_quotient(n, d);
        self.arctan_series(base, t, &ATAN)
    }

    /// The rounded quotient, and what rounding took. Where inverses are infinite, there is nothing to correct.
    fn corrected_quotient(&mut self, n: Pair, d: Pair) -> Pair {
        let hi = self.div(n.hi, d.hi);
        let rest = self.fnma(hi, d.hi, n.hi);
        let low = self.fnma(hi, d.lo, n.lo);
        let rest = self.add(rest, low);
        let inverse = self.reciprocal(d.hi);
        let inverse = self.at_most(inverse, self.pick(1e300, 1e38));
        Pair {
            hi,
            lo: self.mul(rest, inverse),
        }
    }

    /// Whether arc tangents are by table: for singles the series is so short that looking up takes longer.
    fn looks_up_arctan(&self) -> bool {
        self.target.tables && !self.is_single()
    }

    /// The same by that of the nearest number c in a table, and of `(a - c*b) / (b + c*a)`, which loses
    /// nothing where it counts: if c is 0. The inverse of b must be a normal number.
    fn arctan_by_table(&mut self, a: Value, b: Value) -> Arctangent {
        let about = self.reciprocal(b);
        let about = self.mul(a, about);
        // c is a sixteenth of the index, which is at most 15.
        let index = self.nearest_multiple(about, 15.49).bits;
        let c = self.lookup(&SIXTEENTH, index);
        let base = Pair {
            hi: self.lookup(&ARCTAN_HIGH, index),
            lo: self.lookup(&ARCTAN_LOW, index),
        };
        let n = self.fnma(c, b, a);
        let d = self.fma(c, a, b);
        let t = self.div(n, d);
        let rest = self.fnma(t, d, n);
        let inverse = self.reciprocal(d);
        let t = Pair {
            hi: t,
            lo: self.mul(rest, inverse),
        };
        self.arctan_series(base, t, &ATAN_NEAR)
    }

    fn arctan_series(&mut self, base: Pair, t: Pair, series: &Poly) -> Arctangent {
        let square = self.mul(t.hi, t.hi);
        let cube = self.mul(square, t.hi);
        let tail = self.poly(series, square);
        Arctangent {
            base,
            t: t.hi,
            tail: self.fma(cube, tail, t.lo),
        }
    }

    /// An angle from a right one, in the other direction if it is turned.
    fn angle_from(&mut self, right: Pair, angle: &Arctangent, turned: Value) -> Value {
        let [hi, lo, t, tail] = [angle.base.hi, angle.base.lo, angle.t, angle.tail]
            .map(|part| self.signed(part, turned));
        let base = self.fast_sum(right.hi, hi);
        let low = self.add(right.lo, lo);
        let low = self.add(low, base.lo);
        let low = self.add(low, tail);
        let sum = self.fast_sum(base.hi, t);
        let low = self.add(sum.lo, low);
        self.add(sum.hi, low)
    }

    /// `pi/2 - arctan(1 / |x|)` for large x.
    pub(super) fn atan(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        // Arctangents of larger numbers are the same, and infinities would make NaNs.
        let size = self.at_most(size, self.pick((1i64 << 60) as f64, (1i64 << 30) as f64));
        let large = self.cmp_c(Cmp::FGt, size, 1.0);
        let (zero, one) = (self.c(0.0), self.c(1.0));
        let a = self.select(large, one, size);
        let b = self.select(large, size, one);
        let angle = if self.looks_up_arctan() {
            self.arctan_by_table(a, b)
        } else {
            let above = self.cmp_c(Cmp::FGt, size, TAN_EIGHTH);
            let below = self.cmp_c(Cmp::FLt, size, 1.0 / TAN_EIGHTH);
            let middle = self.both(above, below);
            self.arctan_of_quotient(a, b, middle)
        };
        let half_pi = self.half_pi();
        let base = Pair {
            hi: self.select(large, half_pi.hi, zero),
            lo: self.select(large, half_pi.lo, zero),
        };
        let y = self.angle_from(base, &angle, large);
        self.copysign(y, x)
    }

    /// The arctangent of the smaller part over the larger, and the octant.
    pub(super) fn atan2(&mut self, y: Value, x: Value) -> Value {
        let (x_size, y_size) = (self.abs(x), self.abs(y));
        let steep = self.cmp(Cmp::FGt, y_size, x_size);
        let a = self.select(steep, x_size, y_size);
        let larger = self.select(steep, y_size, x_size);
        // Sums overflow, and infinities have no quotient.
        let mut far = self.cmp_c(Cmp::FGt, larger, self.pick(1e300, 1e37));
        let (zero, one) = (self.c(0.0), self.c(1.0));
        let null = self.cmp(Cmp::FEq, larger, zero);
        let b = self.select(null, one, larger);
        let angle = if self.looks_up_arctan() {
            let tiny = self.cmp_c(Cmp::FLt, b, 1e-290);
            far = self.either(far, tiny);
            self.arctan_by_table(a, b)
        } else {
            let limit = self.mul_c(b, TAN_EIGHTH);
            let large = self.cmp(Cmp::FGt, a, limit);
            self.arctan_of_quotient(a, b, large)
        };
        // Above the diagonal: pi/2 less the angle; left: pi less that. That is, plus or minus the angle
        // and a number of quarter turns.
        let sign = self.bits(x);
        let positive = self.int(0);
        let left = self.cmp(Cmp::SLt, sign, positive);
        let turned = self.b.binary(Bin::Xor, steep, left);
        let half_pi = self.half_pi();
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
        let r = self.angle_from(base, &angle, turned);
        let r = self.copysign(r, y);
        let both = self.add(x, y);
        let nan = self.cmp(Cmp::FNe, both, both);
        let r = self.select(nan, both, r);
        let func = self.pick(RtFn::atan2, RtFn::atan2f);
        self.b.rare(far, r, func, &[y, x])
    }
}
