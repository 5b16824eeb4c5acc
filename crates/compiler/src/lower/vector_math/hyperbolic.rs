//! `sinh`, `cosh`, `tanh` and their inverses.

use super::coefficients::{COSH, SINH};
use super::{Integral, Math};
use crate::tir::{Bin, Cmp, Value};

/// Hyperbolic functions of `|x|`, divided by `2**(k - 1)`.
struct Scaled {
    sinh: Value,
    cosh: Value,
    k: Integral,
}

impl Math<'_> {
    /// With `|x| = k * log(2) + r` and `u = 2**(-2k)`:
    /// `sinh(x) = 2**(k-1) * ((1 - u) * cosh(r) + (1 + u) * sinh(r))`, and cosh the other way round.
    fn hyperbolic(&mut self, x: Value, most: f64) -> Scaled {
        let size = self.abs(x);
        let size = self.at_most(size, most);
        let (k, r) = self.reduce_exp(size);
        let square = self.mul(r, r);
        let tail = self.poly(&SINH, square);
        let cube = self.mul(r, square);
        let sinh = self.fma(cube, tail, r);
        let tail = self.poly(&COSH, square);
        let half = self.c(0.5);
        let tail = self.fma(tail, square, half);
        let one = self.c(1.0);
        let cosh = self.fma(square, tail, one);
        let power = self.integer(k, 0);
        let limit = self.int(self.pick(500, 60));
        let power = self.b.binary(Bin::SMin, power, limit);
        let twice = self.int_op(Bin::Shl, power, 1);
        let bias = self.int(self.bias());
        let biased = self.b.binary(Bin::Sub, bias, twice);
        let u = self.power_of_two(biased);
        let (below, above) = (self.sub(one, u), self.add(one, u));
        let (first, second) = (self.mul(above, sinh), self.mul(below, sinh));
        Scaled {
            sinh: self.fma(below, cosh, first),
            cosh: self.fma(above, cosh, second),
            k,
        }
    }

    /// `y * 2**(k - 1)`: in this order nothing is lost of subnormal numbers, and nothing overflows early.
    fn unscaled(&mut self, y: Value, k: Integral) -> Value {
        let biased = self.integer(k, self.bias() - 2);
        let scale = self.power_of_two(biased);
        let twice = self.add(y, y);
        self.mul(twice, scale)
    }

    pub(super) fn sinh(&mut self, x: Value) -> Value {
        let Scaled { sinh, k, .. } = self.hyperbolic(x, self.pick(711.0, 90.0));
        let y = self.unscaled(sinh, k);
        self.copysign(y, x)
    }

    pub(super) fn cosh(&mut self, x: Value) -> Value {
        let Scaled { cosh, k, .. } = self.hyperbolic(x, self.pick(711.0, 90.0));
        self.unscaled(cosh, k)
    }

    pub(super) fn tanh(&mut self, x: Value) -> Value {
        let Scaled { sinh, cosh, .. } = self.hyperbolic(x, self.pick(22.0, 10.0));
        let y = self.div(sinh, cosh);
        self.copysign(y, x)
    }

    /// `log(1 + v)`, or for large numbers `log(2 * v)`.
    fn log_of_sum(&mut self, v: Value, large: Value) -> Value {
        let y = self.log1p(v);
        let zero = self.c(0.0);
        let doubled = self.select_c(large, std::f64::consts::LN_2, zero);
        self.add(y, doubled)
    }

    /// The number past which `x*x + 1` is as good as `x*x`.
    fn large(&mut self, x: Value) -> Value {
        self.cmp_c(
            Cmp::FGt,
            x,
            self.pick((1i64 << 60) as f64, (1i64 << 30) as f64),
        )
    }

    /// `|x| + sqrt(x*x + 1) = 1 + |x| + x*x / (1 + sqrt(x*x + 1))`.
    pub(super) fn asinh(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        let large = self.large(size);
        let square = self.mul(size, size);
        let one = self.c(1.0);
        let root = self.add(square, one);
        let root = self.sqrt(root);
        let root = self.add_c(root, 1.0);
        let rest = self.div(square, root);
        let v = self.add(size, rest);
        let v = self.select(large, size, v);
        let y = self.log_of_sum(v, large);
        self.copysign(y, x)
    }

    /// With `t = x - 1`: `x + sqrt(x*x - 1) = 1 + t + sqrt(t * (t + 2))`.
    pub(super) fn acosh(&mut self, x: Value) -> Value {
        let large = self.large(x);
        let t = self.add_c(x, -1.0);
        let more = self.add_c(t, 2.0);
        let root = self.mul(t, more);
        let root = self.sqrt(root);
        let v = self.add(t, root);
        let v = self.select(large, x, v);
        let y = self.log_of_sum(v, large);
        let outside = self.cmp_c(Cmp::FLt, x, 1.0);
        self.select_c(outside, f64::NAN, y)
    }

    /// `log((1 + x) / (1 - x)) / 2 = log1p(2x / (1 - x)) / 2`; the argument of small x is written so that
    /// it is rounded once.
    pub(super) fn atanh(&mut self, x: Value) -> Value {
        let size = self.abs(x);
        let twice = self.add(size, size);
        let one = self.c(1.0);
        let rest = self.sub(one, size);
        let product = self.mul(twice, size);
        let small = self.cmp_c(Cmp::FLt, size, 0.5);
        let n = self.select(small, product, twice);
        let q = self.div(n, rest);
        let zero = self.c(0.0);
        let start = self.select(small, twice, zero);
        let v = self.add(start, q);
        let y = self.log1p(v);
        let y = self.mul_c(y, 0.5);
        self.copysign(y, x)
    }
}
