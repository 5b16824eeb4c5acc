//! `cbrt`, `hypot`.

use super::Math;
use super::coefficients::CBRT;
use crate::tir::{Cast, Cmp, Type, Value};

impl Math<'_> {
    /// With `|x| = 2**(3q + rest) * m`: the inverse root of `n = 2**rest * m` from a polynomial, for doubles
    /// with a step of third order, its root, and a step of Newton's, whose remainder is off by a third
    /// of an ulp at most.
    pub(super) fn cbrt(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        let exponent = self.exponent(size);
        let m = self.mantissa(size);
        let q = self.nearest_multiple(exponent, 1.0 / 3.0);
        let three = self.c(3.0);
        let rest = self.fnma(q.float, three, exponent);
        let (below, above) = (
            self.cmp_c(Cmp::FLt, rest, 0.0),
            self.cmp_c(Cmp::FGt, rest, 0.0),
        );
        let mut pick = |below_it: f64, above_it: f64| {
            let one = self.c(1.0);
            let factor = self.select_c(below, below_it, one);
            self.select_c(above, above_it, factor)
        };
        let (factor, inverse) = (pick(0.5, 2.0), pick(1.2599210498948732, 0.7937005259840998));
        let n = self.mul(m, factor);
        let y = self.poly(&CBRT, m);
        let mut y = self.mul(y, inverse);
        if !self.is_single() {
            // e = 1 - n * y**3, and y * (1 - e) ** (-1/3)
            let square = self.mul(y, y);
            let first = self.mul(n, y);
            let unity = self.c(1.0);
            let e = self.fnma(first, square, unity);
            let (third, more) = (self.c(1.0 / 3.0), self.c(2.0 / 9.0));
            let step = self.fma(e, more, third);
            let step = self.mul(step, e);
            y = self.fma(y, step, y);
        }
        let square = self.mul(y, y);
        let root = self.mul(n, square);
        let again = self.mul(root, root);
        let rest = self.fnma(again, root, n);
        let slope = self.mul_c(square, 1.0 / 3.0);
        let root = self.fma(rest, slope, root);
        let r = self.scale(root, q.float);
        let r = self.copysign(r, x);
        // No zero, infinity or NaN.
        let twice = self.add(size, size);
        let ordinary = self.cmp(Cmp::FGt, twice, size);
        self.select(ordinary, r, x)
    }

    pub(super) fn hypot(&mut self, x: Value, y: Value) -> Value {
        let (a, b) = (self.abs(x), self.abs(y));
        let infinite = [a, b].map(|v| self.cmp_c(Cmp::FEq, v, f64::INFINITY));
        let infinite = self.either(infinite[0], infinite[1]);
        let r = if self.is_single() {
            let [a, b] = [a, b].map(|v| self.b.cast(Cast::FPExt, v, Type::F64));
            let square = self.mul(b, b);
            let sum = self.fma(a, a, square);
            let root = self.sqrt(sum);
            self.b.cast(Cast::FPTrunc, root, Type::F32)
        } else {
            self.hypot_double(a, b)
        };
        self.select_c(infinite, f64::INFINITY, r)
    }

    /// The root of the sum of the squares, of which only the smaller one is rounded: the error is at most
    /// 0.75 ulp and that of the root. Large and small numbers are scaled.
    fn hypot_double(&mut self, a: Value, b: Value) -> Value {
        let larger = self.cmp(Cmp::FGt, b, a);
        let (most, least) = (self.select(larger, b, a), self.select(larger, a, b));
        let large = self.cmp_c(Cmp::FGt, most, 2f64.powi(500));
        let small = self.cmp_c(Cmp::FLt, most, 2f64.powi(-400));
        let one = self.c(1.0);
        let scale = self.select_c(large, 2f64.powi(-600), one);
        let scale = self.select_c(small, 2f64.powi(600), scale);
        let back = self.select_c(large, 2f64.powi(600), one);
        let back = self.select_c(small, 2f64.powi(-600), back);
        let (most, least) = (self.mul(most, scale), self.mul(least, scale));
        let square = self.mul(least, least);
        let sum = self.fma(most, most, square);
        let root = self.sqrt(sum);
        self.mul(root, back)
    }
}
