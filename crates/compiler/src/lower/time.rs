//! Dates and durations: conversions, and what element-wise functions compute of them.
//!
//! The code is straight, as that of all elements. NaT is looked for where it would not come out by itself:
//! it is the smallest integer, so the smaller of two numbers is NaT if one is, and its negative is NaT.

use smallvec::{SmallVec, smallvec};

use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::infer::intrinsic::Class;
use crate::tir::{Bin, Cast, Cmp, Type, Un, Value};
use crate::types::time::{NAT, Step, conversion};
use crate::types::{Kind, Ty};
use crate::ufunc::{Loop, Row, Scalar};

impl Body<'_, '_, '_> {
    /// Converts dates and durations to other units and to numbers, and integers to them.
    pub(super) fn cast_time(&mut self, value: &Typed, to: Ty) -> Result<Vals> {
        let Kind::Time { delta, unit } = *to.kind() else {
            let (Type::F32 | Type::F64) = machine(to)[0] else {
                return Ok(self.cast_number(&Typed::new(Ty::int(64, true), value.vals.clone()), to));
            };
            let v = value.vals[0];
            let number = self.cast_number(&Typed::one(Ty::int(64, true), v), to);
            let nat = self.is_nat(v);
            let nan = self.b.float(self.b.ty(number[0]), f64::NAN);
            return Ok(number.iter().map(|&n| self.b.select(nat, nan, n)).collect());
        };
        let Some((_, from)) = value.ty.as_time() else {
            return Ok(self.cast_number(value, Ty::int(64, true)));
        };
        let Some(steps) = conversion(delta, from, unit) else {
            return Err(self.bug(format!("no conversion from {} to {to}", value.ty)));
        };
        let v = value.vals[0];
        if steps.is_empty() {
            return Ok(smallvec![v]);
        }
        let mut converted = v;
        for step in steps {
            converted = match step {
                Step::Times(n) => {
                    let n = self.b.i64(n);
                    self.b.binary(Bin::Mul, converted, n)
                }
                Step::Per(n) => self.floor_parts(converted, n).0,
                Step::MonthsToDays => self.days_of_month(converted),
                Step::DaysToMonths => self.month_of_day(converted),
            };
        }
        let nat = self.is_nat(v);
        Ok(smallvec![self.b.select(nat, v, converted)])
    }

    /// The quotient rounded down, and the remainder, of division by a positive constant.
    fn floor_parts(&mut self, x: Value, n: i64) -> (Value, Value) {
        let (n, zero) = (self.b.i64(n), self.b.i64(0));
        let quotient = self.b.binary(Bin::SDiv, x, n);
        let remainder = self.b.binary(Bin::SRem, x, n);
        let below = self.b.cmp(Cmp::SLt, remainder, zero);
        let one = self.b.cast(Cast::ZExt, below, Type::I64);
        let moved = self.b.binary(Bin::Add, remainder, n);
        (
            self.b.binary(Bin::Sub, quotient, one),
            self.b.select(below, moved, remainder),
        )
    }

    /// `x * factor + offset`.
    fn affine(&mut self, x: Value, factor: i64, offset: i64) -> Value {
        let (factor, offset) = (self.b.i64(factor), self.b.i64(offset));
        let product = self.b.binary(Bin::Mul, x, factor);
        self.b.binary(Bin::Add, product, offset)
    }

    /// `x / n` of what is not negative.
    fn part_of(&mut self, x: Value, n: i64) -> Value {
        let n = self.b.i64(n);
        self.b.binary(Bin::SDiv, x, n)
    }

    /// [`crate::types::time::days_of_month`].
    fn days_of_month(&mut self, month: Value) -> Value {
        let from_march = self.affine(month, 1, -2);
        let (year, month) = self.floor_parts(from_march, 12);
        let year = self.affine(year, 1, 1970);
        let mut days = self.affine(year, 365, -719_468);
        for (n, op) in [(4, Bin::Add), (100, Bin::Sub), (400, Bin::Add)] {
            let leaps = self.floor_parts(year, n).0;
            days = self.b.binary(op, days, leaps);
        }
        let of_year = self.affine(month, 153, 2);
        let of_year = self.part_of(of_year, 5);
        self.b.binary(Bin::Add, days, of_year)
    }

    /// [`crate::types::time::month_of_day`].
    fn month_of_day(&mut self, day: Value) -> Value {
        let day = self.affine(day, 1, 719_468);
        let (era, of_era) = self.floor_parts(day, 146_097);
        let mut ordinary = of_era;
        for (n, op) in [(1460, Bin::Sub), (36_524, Bin::Add), (146_096, Bin::Sub)] {
            let leaps = self.part_of(of_era, n);
            ordinary = self.b.binary(op, ordinary, leaps);
        }
        let year = self.part_of(ordinary, 365);
        let mut before = self.affine(year, 365, 0);
        for (n, op) in [(4, Bin::Add), (100, Bin::Sub)] {
            let leaps = self.part_of(year, n);
            before = self.b.binary(op, before, leaps);
        }
        let of_year = self.b.binary(Bin::Sub, of_era, before);
        let month = self.affine(of_year, 5, 2);
        let month = self.part_of(month, 153);
        let years = self.affine(era, 400, -1970);
        let years = self.b.binary(Bin::Add, years, year);
        let months = self.affine(years, 12, 2);
        self.b.binary(Bin::Add, months, month)
    }

    fn nat(&mut self) -> Value {
        self.b.i64(NAT)
    }

    pub(super) fn is_nat(&mut self, v: Value) -> Value {
        let nat = self.nat();
        self.b.cmp(Cmp::Eq, v, nat)
    }

    fn either_nat(&mut self, a: Value, b: Value) -> Value {
        let (x, y) = (self.is_nat(a), self.is_nat(b));
        self.b.binary(Bin::Or, x, y)
    }

    /// A sum or difference, NaT if one operand is.
    pub(super) fn time_sum(&mut self, op: Bin, a: Value, b: Value) -> Value {
        let sum = self.b.binary(op, a, b);
        let (lost, nat) = (self.either_nat(a, b), self.nat());
        self.b.select(lost, nat, sum)
    }

    /// The later or longer of two, NaT if one is: as if NaT came last.
    pub(super) fn time_extreme(&mut self, max: bool, a: Value, b: Value) -> Value {
        if !max {
            return self.b.binary(Bin::SMin, a, b);
        }
        let (x, y) = (self.nat_last(a), self.nat_last(b));
        let larger = self.b.binary(Bin::SMax, x, y);
        let one = self.b.i64(1);
        self.b.binary(Bin::Add, larger, one)
    }

    /// A number by which dates are ordered, NaT last.
    pub(super) fn nat_last(&mut self, v: Value) -> Value {
        let one = self.b.i64(1);
        self.b.binary(Bin::Sub, v, one)
    }

    /// The results of a row for elements among which there are dates or durations; `None` if they are
    /// treated as all others.
    pub(super) fn time_element(
        &mut self,
        row: &Row,
        types: &Loop,
        x: &[Typed],
    ) -> Result<Option<SmallVec<[Vals; 2]>>> {
        let v = x[0].vals[0];
        let second = x.get(1).map_or(v, |y| y.vals[0]);
        let one = match row.scalar {
            Scalar::Binary(op @ (BinaryOp::Add | BinaryOp::Sub)) => self.time_sum(
                if op == BinaryOp::Add {
                    Bin::Add
                } else {
                    Bin::Sub
                },
                v,
                second,
            ),
            Scalar::Binary(op) => {
                return self.time_binary(op, types, x).map(|v| Some(smallvec![v]));
            }
            Scalar::DivMod => {
                let (q, r) = self.duration_divmod(v, second);
                return Ok(Some(smallvec![smallvec![q], smallvec![r]]));
            }
            Scalar::Unary(UnaryOp::Neg) => self.b.unary(Un::Neg, v),
            Scalar::Unary(_) => v,
            Scalar::Absolute => self.b.unary(Un::IAbs, v),
            Scalar::Sign => {
                let (zero, unit, minus) = (self.b.i64(0), self.b.i64(1), self.b.i64(-1));
                let above = self.b.cmp(Cmp::SGt, v, zero);
                let below = self.b.cmp(Cmp::SLt, v, zero);
                let rest = self.b.select(below, minus, zero);
                self.b.select(above, unit, rest)
            }
            Scalar::Compare(op) => {
                let holds = self.b.cmp(super::compare::signed(op), v, second);
                let lost = self.either_nat(v, second);
                if op == CompareOp::Ne {
                    self.b.binary(Bin::Or, lost, holds)
                } else {
                    let known = self.b.not(lost);
                    self.b.binary(Bin::And, known, holds)
                }
            }
            Scalar::Extremum {
                max,
                keeps_nan: true,
            } => self.time_extreme(max, v, second),
            Scalar::Extremum { max: true, .. } => self.b.binary(Bin::SMax, v, second),
            Scalar::Extremum { .. } => {
                let (a, b) = (self.nat_last(v), self.nat_last(second));
                let smaller = self.b.binary(Bin::SMin, a, b);
                let unit = self.b.i64(1);
                self.b.binary(Bin::Add, smaller, unit)
            }
            Scalar::Clip => {
                let low = self.time_extreme(true, v, second);
                self.time_extreme(false, low, x[2].vals[0])
            }
            Scalar::IsNat | Scalar::Classify(Class::Nan) => self.is_nat(v),
            Scalar::Classify(Class::Inf) => self.b.bool(false),
            Scalar::Classify(Class::Finite) => {
                let nat = self.is_nat(v);
                self.b.not(nat)
            }
            _ => return Ok(None),
        };
        Ok(Some(smallvec![smallvec![one]]))
    }

    /// Products and quotients of durations.
    fn time_binary(&mut self, op: BinaryOp, types: &Loop, x: &[Typed]) -> Result<Vals> {
        let (a, b) = (x[0].vals[0], x[1].vals[0]);
        let floats = types.inputs.iter().any(|t| t.is_float());
        let is_duration = |i: usize| types.inputs[i].is_time();
        Ok(smallvec![match op {
            BinaryOp::Mul | BinaryOp::TrueDiv | BinaryOp::FloorDiv if floats => {
                let bin = if op == BinaryOp::Mul {
                    Bin::FMul
                } else {
                    Bin::FDiv
                };
                let duration = if is_duration(0) { a } else { b };
                let [p, q] = [(0, a), (1, b)].map(|(i, v)| {
                    if is_duration(i) {
                        self.b.cast(Cast::SIToFP, v, Type::F64)
                    } else {
                        v
                    }
                });
                let result = self.b.binary(bin, p, q);
                let finite = self.classify(Class::Finite, &Typed::one(Ty::float(64), result))?;
                let whole = self.b.cast(Cast::FPToSI, result, Type::I64);
                let (lost, nat) = (self.is_nat(duration), self.nat());
                let whole = self.b.select(finite, whole, nat);
                self.b.select(lost, nat, whole)
            }
            BinaryOp::Mul => {
                let product = self.b.binary(Bin::Mul, a, b);
                let (lost, nat) = (self.is_nat(if is_duration(0) { a } else { b }), self.nat());
                self.b.select(lost, nat, product)
            }
            // By an integer, towards zero.
            BinaryOp::TrueDiv | BinaryOp::FloorDiv if !is_duration(1) => {
                let (zero, unit) = (self.b.i64(0), self.b.i64(1));
                let by_zero = self.b.cmp(Cmp::Eq, b, zero);
                let lost = self.is_nat(a);
                let lost = self.b.binary(Bin::Or, lost, by_zero);
                let divisor = self.b.select(lost, unit, b);
                let quotient = self.b.binary(Bin::SDiv, a, divisor);
                let nat = self.nat();
                self.b.select(lost, nat, quotient)
            }
            BinaryOp::TrueDiv => {
                let [p, q] = [a, b].map(|v| self.b.cast(Cast::SIToFP, v, Type::F64));
                let ratio = self.b.binary(Bin::FDiv, p, q);
                let nan = self.b.float(Type::F64, f64::NAN);
                let lost = self.either_nat(a, b);
                self.b.select(lost, nan, ratio)
            }
            BinaryOp::FloorDiv => self.duration_divmod(a, b).0,
            BinaryOp::Mod => self.duration_divmod(a, b).1,
            _ => return Err(self.bug("an operator of durations that is none")),
        }])
    }

    /// Quotient (a number) and remainder (a duration): 0 and NaT where there is none.
    fn duration_divmod(&mut self, a: Value, b: Value) -> (Value, Value) {
        let (zero, unit, nat) = (self.b.i64(0), self.b.i64(1), self.nat());
        let lost = self.either_nat(a, b);
        let by_zero = self.b.cmp(Cmp::Eq, b, zero);
        let lost = self.b.binary(Bin::Or, lost, by_zero);
        let divisor = self.b.select(lost, unit, b);
        let dividend = self.b.select(lost, zero, a);
        let quotient = self.b.binary(Bin::SDiv, dividend, divisor);
        let remainder = self.b.binary(Bin::SRem, dividend, divisor);
        // The remainder has the divisor's sign.
        let inexact = self.b.cmp(Cmp::Ne, remainder, zero);
        let signs = self.b.binary(Bin::Xor, remainder, divisor);
        let differ = self.b.cmp(Cmp::SLt, signs, zero);
        let moved = self.b.binary(Bin::And, inexact, differ);
        let step = self.b.cast(Cast::ZExt, moved, Type::I64);
        let quotient = self.b.binary(Bin::Sub, quotient, step);
        let larger = self.b.binary(Bin::Add, remainder, divisor);
        let remainder = self.b.select(moved, larger, remainder);
        (
            self.b.select(lost, zero, quotient),
            self.b.select(lost, nat, remainder),
        )
    }
}
