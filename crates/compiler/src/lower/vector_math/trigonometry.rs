//! `sin`, `cos`, `tan`.

use ferdelance_abi::rtfn::RtFn;

use super::coefficients::{COS, SIN, TAN};
use super::{Math, Pair};
use crate::tir::{Bin, Cmp, Value};

/// pi/2 in parts.
pub(super) const HALF_PI: [f64; 3] = [
    std::f64::consts::FRAC_PI_2,
    6.123233995736766e-17,
    -1.4973849048591833e-33,
];

/// An angle `r + low` up to pi/4, and a number of quarter turns, in the lowest bits.
struct Turned {
    r: Value,
    low: Value,
    turns: Value,
}

/// Sine and cosine of an angle less a number of quarter turns.
struct Quarter {
    sin: Pair,
    cos: Pair,
    /// The number of quarter turns, in the lowest bits.
    turns: Value,
}

impl Math<'_> {
    /// `x - k * pi/2` is exact for the first part of pi/2: it is a multiple of that part's last place. The
    /// parts together are good for angles up to [`Math::most_turned`], also where the difference is small.
    fn turned(&mut self, x: Value) -> Turned {
        let k = self.nearest_multiple(x, std::f64::consts::FRAC_2_PI);
        let [p1, p2, p3] = self.parts(HALF_PI).map(|c| self.c(c));
        let r1 = self.fnma(k.float, p1, x);
        // Of the second part too, where much may cancel: r1 is a multiple of the last place of the product.
        let second = self.product(k.float, p2);
        let minus = self.neg(second.hi);
        let Pair { hi: r, lo: low } = self.fast_sum(r1, minus);
        let low = self.sub(low, second.lo);
        let low = self.fnma(k.float, p3, low);
        Turned {
            r,
            low,
            turns: k.bits,
        }
    }

    fn quarter(&mut self, x: Value) -> Quarter {
        let Turned { r, low, turns } = self.turned(x);
        let square = self.mul(r, r);
        // cos(r + low) = 1 - r**2 / 2 + r**4 * COS(r**2) - r * low
        let one = self.c(1.0);
        let half = self.mul_c(square, 0.5);
        let main = self.sub(one, half);
        let rest = self.sub(one, main);
        let rest = self.sub(rest, half);
        let rest = self.fnma(r, low, rest);
        let fourth = self.mul(square, square);
        let tail = self.poly(&COS, square);
        let cos = Pair {
            hi: main,
            lo: self.fma(fourth, tail, rest),
        };
        // sin(r + low) = r + r**3 * SIN(r**2) + low * cos(r)
        let cube = self.mul(square, r);
        let tail = self.poly(&SIN, square);
        let small = self.mul(low, main);
        let sin = Pair {
            hi: r,
            lo: self.fma(cube, tail, small),
        };
        Quarter { sin, cos, turns }
    }

    /// The angle beyond which libm has to help.
    pub(super) fn most_turned(&self) -> f64 {
        self.pick(f64::from(1 << 30), f64::from(1 << 16))
    }

    fn unless_turned(&mut self, x: Value, y: Value, double: RtFn, single: RtFn) -> Value {
        let size = self.abs(x);
        let far = self.cmp_c(Cmp::FGt, size, self.most_turned());
        let func = self.pick(double, single);
        self.b.rare(far, y, func, &[x])
    }

    /// A pair as one number. The sum of a zero and an error loses the zero's sign.
    fn sine(&mut self, sin: Pair) -> Value {
        let y = self.add(sin.hi, sin.lo);
        self.copysign(y, sin.hi)
    }

    /// What to select from: sine and cosine of the quarter as numbers, and whether turns are odd.
    fn choices(&mut self, quarter: &Quarter) -> [Value; 3] {
        let (sine, cosine) = (
            self.sine(quarter.sin),
            self.add(quarter.cos.hi, quarter.cos.lo),
        );
        [sine, cosine, self.bit(quarter.turns, 0)]
    }

    fn turned_sine(&mut self, [sine, cosine, odd]: [Value; 3], turns: Value) -> Value {
        let y = self.select(odd, cosine, sine);
        self.negate_if_bit(y, turns, 1)
    }

    fn turned_cosine(&mut self, [sine, cosine, odd]: [Value; 3], turns: Value) -> Value {
        let y = self.select(odd, sine, cosine);
        let next = self.int_op(Bin::Add, turns, 1);
        self.negate_if_bit(y, next, 1)
    }

    /// Sine and cosine, for angles up to [`Math::most_turned`].
    pub(super) fn sin_cos(&mut self, x: Value) -> [Value; 2] {
        let quarter = self.quarter(x);
        let choices = self.choices(&quarter);
        let sine = self.turned_sine(choices, quarter.turns);
        [sine, self.turned_cosine(choices, quarter.turns)]
    }

    pub(super) fn sin(&mut self, x: Value) -> Value {
        let quarter = self.quarter(x);
        let choices = self.choices(&quarter);
        let y = self.turned_sine(choices, quarter.turns);
        self.unless_turned(x, y, RtFn::sin, RtFn::sinf)
    }

    pub(super) fn cos(&mut self, x: Value) -> Value {
        let quarter = self.quarter(x);
        let choices = self.choices(&quarter);
        let y = self.turned_cosine(choices, quarter.turns);
        self.unless_turned(x, y, RtFn::cos, RtFn::cosf)
    }

    /// With `tan(r + low) = r + r**3 * TAN(r**2) + low * (1 + tan(r)**2)`, after an odd number of quarter turns
    /// minus the inverse of that.
    pub(super) fn tan(&mut self, x: Value) -> Value {
        let Turned { r, low, turns } = self.turned(x);
        let square = self.product(r, r);
        let cube = self.product(square.hi, r);
        let cube_low = self.fma(square.lo, r, cube.lo);
        let tail = self.poly(&TAN, square.hi);
        let rest = self.fma(square.hi, low, low);
        let rest = self.fma(cube_low, tail, rest);
        let tail = self.fma(cube.hi, tail, rest);
        let t = self.fast_sum(r, tail);
        let one = self.c(1.0);
        let inverse = self.div(one, t.hi);
        let rest = self.fnma(inverse, t.hi, one);
        let rest = self.fnma(inverse, t.lo, rest);
        let inverse = self.fma(rest, inverse, inverse);
        let odd = self.bit(turns, 0);
        let y = self.select(odd, inverse, t.hi);
        let y = self.copysign(y, r);
        let y = self.negate_if_bit(y, turns, 0);
        self.unless_turned(x, y, RtFn::tan, RtFn::tanf)
    }
}
