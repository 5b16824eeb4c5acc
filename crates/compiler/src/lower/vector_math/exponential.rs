//! `exp`, also of complex numbers, `exp2`, `expm1`.

use ferdelance_abi::rtfn::RtFn;

use super::coefficients::{EXP, EXP2, EXPM1};
use super::{Integral, Math};
use crate::tir::{Bin, Cmp, Value};

pub(super) const LN2: [f64; 2] = [std::f64::consts::LN_2, 2.3190468138462996e-17];

impl Math<'_> {
    /// `x = k * log(2) + r` with `|r|` up to half of `log(2)`. The first product and difference are exact
    /// together: the result is a multiple of the last place of `log(2)`.
    pub(super) fn reduce_exp(&mut self, x: Value) -> (Integral, Value) {
        let k = self.nearest_multiple(x, std::f64::consts::LOG2_E);
        let [high, low] = self.parts(LN2).map(|c| self.c(c));
        let r = self.fnma(k.float, high, x);
        (k, self.fnma(k.float, low, r))
    }

    /// Beyond the limits the result is 0 or infinite.
    pub(super) fn exp(&mut self, x: Value) -> Value {
        let (low, high) = self.pick((-746.0, 710.0), (-104.5, 89.0));
        let x = self.clamp(x, low, high);
        let (k, r) = self.reduce_exp(x);
        let q = self.poly(&EXP, r);
        let half = self.c(0.5);
        let q = self.fma(q, r, half);
        let square = self.mul(r, r);
        let p = self.fma(square, q, r);
        let y = self.add_c(p, 1.0);
        self.scale(y, k.float)
    }

    /// The real and the imaginary part of `exp(re + im * 1j)`, which are doubles. What overflows or is not finite is
    /// the runtime's, as are angles of many turns.
    pub(super) fn complex_exp(&mut self, re: Value, im: Value) -> [Value; 2] {
        let length = self.exp(re);
        let [sin, cos] = self.sin_cos(im);
        let (exponent, angle) = (self.abs(re), self.abs(im));
        let moderate = self.cmp_c(Cmp::FLe, exponent, 700.0);
        let near = self.cmp_c(Cmp::FLe, angle, self.most_turned());
        let common = self.both(moderate, near);
        let rare = self.b.not(common);
        let parts = [(cos, RtFn::cexp_real), (sin, RtFn::cexp_imag)];
        parts.map(|(part, func)| {
            let y = self.mul(length, part);
            self.b.rare(rare, y, func, &[re, im])
        })
    }

    pub(super) fn exp2(&mut self, x: Value) -> Value {
        let (low, high) = self.pick((-1080.0, 1025.0), (-155.0, 129.0));
        let x = self.clamp(x, low, high);
        let k = self.nearest(x);
        let r = self.sub(x, k.float);
        self.exp2_reduced(r, k.float)
    }

    /// `2**(r + k)` for `|r|` up to 1/2.
    pub(super) fn exp2_reduced(&mut self, r: Value, k: Value) -> Value {
        let q = self.poly(&EXP2, r);
        let one = self.c(1.0);
        let y = self.fma(r, q, one);
        self.scale(y, k)
    }

    /// `2**k * ((exp(r) - 1) + (1 - 2**-k))`. The sums cancel, so they are kept with their errors.
    pub(super) fn expm1(&mut self, x: Value) -> Value {
        let (low, high) = self.pick((-40.0, 710.0), (-20.0, 89.0));
        let inside = self.clamp(x, low, high);
        let k = self.nearest_multiple(inside, std::f64::consts::LOG2_E);
        let [high, low] = self.parts(LN2).map(|c| self.c(c));
        let first = self.fnma(k.float, high, inside);
        let r = self.fnma(k.float, low, first);
        let lost = self.sub(first, r);
        let lost = self.fnma(k.float, low, lost);
        let q = self.poly(&EXPM1, r);
        let half = self.c(0.5);
        let q = self.fma(q, r, half);
        let square = self.mul(r, r);
        let tail = self.mul(square, q);
        let p = self.fast_sum(r, tail);
        // 1 - 2**-k; for large k, that is 1.
        let power = self.integer(k, 0);
        let most = self.int(self.pick(64, 32));
        let power = self.b.binary(Bin::SMin, power, most);
        let bias = self.int(self.bias());
        let biased = self.b.binary(Bin::Sub, bias, power);
        let power = self.power_of_two(biased);
        let one = self.c(1.0);
        let minus = self.neg(power);
        let rest = self.fast_sum(one, minus);
        let sum = self.fast_sum(rest.hi, p.hi);
        let low = self.add(p.lo, lost);
        let low = self.add(low, rest.lo);
        let low = self.add(low, sum.lo);
        let y = self.add(sum.hi, low);
        // In two steps: 2**k may be too large.
        let biased = self.integer(k, self.bias() - 1);
        let scale = self.power_of_two(biased);
        let y = self.mul(y, scale);
        let y = self.add(y, y);
        let unscaled = self.cmp_c(Cmp::FEq, k.float, 0.0);
        let y = self.select(unscaled, p.hi, y);
        self.copysign(y, x)
    }
}
