//! `cbrt`, `hypot`.

use super::Math;
use super::coefficients::CBRT;
use crate::tir::{Bin, Cast, Cmp, Type, Value};

impl Math<'_> {
    /// With `|x| = 2**(3q + rest) * m`: the inverse root of `n = 2**rest * m` from a polynomial and a step
    /// of third order, its root, and a step of Newton's, whose remainder is off by a third
    /// of an ulp at most.
    pub(super) fn cbrt(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        let (least, up) = self.pick((f64::MIN_POSITIVE, 54), (f64::from(f32::MIN_POSITIVE), 24));
        let subnormal = self.cmp_c(Cmp::FLt, size, least);
        let scaled = self.mul_c(size, (1i64 << up) as f64);
        let normal = self.select(subnormal, scaled, size);
        let fraction = self.fraction();
        let bits = self.bits(normal);
        let raised = self.int_op(Bin::LShr, bits, fraction);
        let unit = (1i64 << fraction) as f64;
        let raised = self.int_op(Bin::Or, raised, self.pattern(unit));
        let raised = self.of_bits(raised);
        let bias = self.bias();
        let base = self.c(unit + bias as f64);
        let base = self.select_c(subnormal, unit + (bias + up) as f64, base);
        let exponent = self.sub(raised, base);
        let low = self.int_op(Bin::And, bits, (1 << fraction) - 1);
        let m = self.int_op(Bin::Or, low, self.pattern(1.0));
        let m = self.of_bits(m);
        // The quotient by 3, rounded down.
        let moved = self.add_c(exponent, -1.0);
        let q = self.nearest_multiple(moved, 1.0 / 3.0);
        let three = self.c(3.0);
        let rest = self.fnma(q.float, three, exponent);
        let (one, two) = (
            self.cmp_c(Cmp::FEq, rest, 1.0),
            self.cmp_c(Cmp::FEq, rest, 2.0),
        );
        let factor = self.c(1.0);
        let factor = self.select_c(one, 2.0, factor);
        let factor = self.select_c(two, 4.0, factor);
        let n = self.mul(m, factor);
        let inverse = self.c(1.0);
        let inverse = self.select_c(one, 0.7937005259840998, inverse);
        let inverse = self.select_c(two, 0.6299605249474366, inverse);
        let y = self.poly(&CBRT, m);
        let y = self.mul(y, inverse);
        // e = 1 - n * y**3, and y * (1 - e) ** (-1/3)
        let square = self.mul(y, y);
        let first = self.mul(n, y);
        let unity = self.c(1.0);
        let e = self.fnma(first, square, unity);
        let (third, more) = (self.c(1.0 / 3.0), self.c(2.0 / 9.0));
        let step = self.fma(e, more, third);
        let step = self.mul(step, e);
        let y = self.fma(y, step, y);
        let square = self.mul(y, y);
        let root = self.mul(n, square);
        let again = self.mul(root, root);
        let rest = self.fnma(again, root, n);
        let slope = self.mul_c(square, 1.0 / 3.0);
        let root = self.fma(rest, slope, root);
        let biased = self.integer(q, bias);
        let scale = self.power_of_two(biased);
        let r = self.mul(root, scale);
        let r = self.copysign(r, x);
        let finite = self.cmp_c(Cmp::FLt, size, f64::INFINITY);
        let r = self.select(finite, r, x);
        let null = self.cmp_c(Cmp::FEq, x, 0.0);
        self.select(null, x, r)
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

    /// The root of the sum of the exact squares, corrected by its remainder. Large and small numbers are
    /// scaled.
    fn hypot_double(&mut self, a: Value, b: Value) -> Value {
        let larger = self.cmp(Cmp::FGt, b, a);
        let most = self.select(larger, b, a);
        let large = self.cmp_c(Cmp::FGt, most, 2f64.powi(500));
        let small = self.cmp_c(Cmp::FLt, most, 2f64.powi(-400));
        let one = self.c(1.0);
        let scale = self.select_c(large, 2f64.powi(-600), one);
        let scale = self.select_c(small, 2f64.powi(600), scale);
        let back = self.select_c(large, 2f64.powi(600), one);
        let back = self.select_c(small, 2f64.powi(-600), back);
        let (a, b) = (self.mul(a, scale), self.mul(b, scale));
        let (p, q) = (self.product(a, a), self.product(b, b));
        let sum = self.sum(p.hi, q.hi);
        let low = self.add(p.lo, q.lo);
        let low = self.add(sum.lo, low);
        let root = self.sqrt(sum.hi);
        let rest = self.fnma(root, root, sum.hi);
        let rest = self.add(rest, low);
        let twice = self.add(root, root);
        let null = self.cmp_c(Cmp::FEq, twice, 0.0);
        let twice = self.select_c(null, 1.0, twice);
        let step = self.div(rest, twice);
        let root = self.add(root, step);
        self.mul(root, back)
    }
}
