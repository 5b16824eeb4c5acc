//! Comparisons.

use ferdelance_abi::rtfn::RtFn;

use super::{Body, Typed, machine};
use crate::diag::Result;
use crate::hir::CompareOp;
use crate::tir::{Bin, Cmp, Type, Value};
use crate::types::{Kind, Ty, join};
use crate::ufunc;

impl Body<'_, '_, '_> {
    pub(super) fn compare(&mut self, op: CompareOp, a: &Typed, b: &Typed) -> Result<Value> {
        match op {
            CompareOp::Is | CompareOp::IsNot => {
                let same = self.identical(a, b)?;
                return Ok(if op == CompareOp::Is {
                    same
                } else {
                    self.b.not(same)
                });
            }
            CompareOp::In | CompareOp::NotIn => {
                let found = self.contains(b, a)?;
                return Ok(if op == CompareOp::In {
                    found
                } else {
                    self.b.not(found)
                });
            }
            _ => {}
        }
        match (a.ty.kind(), b.ty.kind()) {
            (Kind::Tuple(_) | Kind::NamedTuple(..), Kind::Tuple(_) | Kind::NamedTuple(..)) => {
                self.compare_tuples(op, a, b)
            }
            (Kind::Str, Kind::Str) => Ok(self.compare_strings(op, a, b)),
            (Kind::Chars { .. }, _) | (_, Kind::Chars { .. }) => {
                let mut text = |x: &Typed| Ok(Typed::new(Ty::str(), self.cast(x, Ty::str())?));
                let (a, b): (Result<Typed>, Result<Typed>) = (text(a), text(b));
                Ok(self.compare_strings(op, &a?, &b?))
            }
            (Kind::Record(_), Kind::Record(_)) => {
                Ok(self.compare_records(op, a, b, Ty::bool())?[0])
            }
            (Kind::Time { .. }, _) | (_, Kind::Time { .. }) => {
                let result = self.array_operator(
                    ufunc::of_compare(op),
                    &[a.clone(), b.clone()],
                    Ty::bool(),
                )?;
                Ok(result[0])
            }
            (Kind::Optional(_) | Kind::None, Kind::Optional(_) | Kind::None)
                if matches!(op, CompareOp::Eq | CompareOp::Ne) =>
            {
                self.compare_optionals(op, a, b)
            }
            (Kind::None, _) | (_, Kind::None) => Ok(self.b.bool(op == CompareOp::Ne)),
            (Kind::Optional(_), _) | (_, Kind::Optional(_))
                if matches!(op, CompareOp::Eq | CompareOp::Ne) =>
            {
                self.compare_optionals(op, a, b)
            }
            (Kind::Optional(_), _) | (_, Kind::Optional(_)) => {
                let (a, b) = (self.unwrap(a)?, self.unwrap(b)?);
                self.compare(op, &a, &b)
            }
            (Kind::Dtype(x) | Kind::Class(x), Kind::Dtype(y) | Kind::Class(y)) => Ok(self
                .b
                .bool((x.strong() == y.strong()) == (op == CompareOp::Eq))),
            _ => Ok(self.compare_numbers(op, a, b)),
        }
    }

    fn identical(&mut self, a: &Typed, b: &Typed) -> Result<Value> {
        match (a.ty.kind(), b.ty.kind()) {
            (Kind::Optional(_), Kind::None) => Ok(self.b.not(a.vals[0])),
            (Kind::None, Kind::Optional(_)) => Ok(self.b.not(b.vals[0])),
            _ if a.ty.is_scalar() && b.ty.is_scalar() => {
                Ok(self.compare_numbers(CompareOp::Eq, a, b))
            }
            (Kind::Time { .. }, Kind::Time { .. }) if a.ty == b.ty => {
                Ok(self.b.cmp(Cmp::Eq, a.vals[0], b.vals[0]))
            }
            (Kind::Str, Kind::Str) => Ok(self.compare_strings(CompareOp::Eq, a, b)),
            (Kind::List(_), Kind::List(_))
            | (Kind::Dict { .. }, Kind::Dict { .. })
            | (Kind::Set { .. }, Kind::Set { .. })
                if a.ty.strong() == b.ty.strong() =>
            {
                Ok(self.b.cmp(Cmp::Eq, a.vals[0], b.vals[0]))
            }
            _ => Ok(self.b.bool(a.ty == b.ty)),
        }
    }

    /// `value in container`.
    fn contains(&mut self, container: &Typed, value: &Typed) -> Result<Value> {
        match container.ty.kind() {
            Kind::Str => Ok(self
                .b
                .rt1(RtFn::str_contains, &[container.vals[0], value.vals[0]])),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                let mut found = self.b.bool(false);
                for i in 0..items.len() {
                    let item = self.item(container, i);
                    let same = self.compare(CompareOp::Eq, &item, value)?;
                    found = self.b.binary(Bin::Or, found, same);
                }
                Ok(found)
            }
            _ => self.range_contains(container, value),
        }
    }

    fn compare_optionals(&mut self, op: CompareOp, a: &Typed, b: &Typed) -> Result<Value> {
        let mut split = |x: &Typed| match *x.ty.kind() {
            Kind::Optional(inner) => (x.vals[0], Some(Typed::new(inner, &x.vals[1..]))),
            Kind::None => (self.b.bool(false), None),
            _ => (self.b.bool(true), Some(x.clone())),
        };
        let ((has_a, content_a), (has_b, content_b)) = (split(a), split(b));
        let alike = self.b.cmp(Cmp::Eq, has_a, has_b);
        let equal = match (content_a, content_b) {
            // What is not there must not be looked at.
            (Some(x), Some(y)) if machine(x.ty).iter().any(|t| t.is_managed()) => {
                let both = self.b.binary(Bin::And, has_a, has_b);
                let (look, next) = (self.b.new_block(), self.b.new_block());
                let equal = self.b.add_param(next, Type::I1);
                self.b.branch_with(both, (look, &[]), (next, &[alike]));
                self.b.switch_to(look);
                let same = self.compare(CompareOp::Eq, &x, &y)?;
                self.b.jump(next, &[same]);
                self.b.switch_to(next);
                equal
            }
            (Some(x), Some(y)) => {
                let same = self.compare(CompareOp::Eq, &x, &y)?;
                let absent = self.b.not(has_a);
                let fits = self.b.binary(Bin::Or, absent, same);
                self.b.binary(Bin::And, alike, fits)
            }
            _ => alike,
        };
        Ok(if op == CompareOp::Eq {
            equal
        } else {
            self.b.not(equal)
        })
    }

    fn compare_strings(&mut self, op: CompareOp, a: &Typed, b: &Typed) -> Value {
        let args = [a.vals[0], b.vals[0]];
        match op {
            CompareOp::Eq => self.b.rt1(RtFn::str_eq, &args),
            CompareOp::Ne => {
                let equal = self.b.rt1(RtFn::str_eq, &args);
                self.b.not(equal)
            }
            _ => {
                let order = self.b.rt1(RtFn::str_cmp, &args);
                let zero = self.b.i64(0);
                self.b.cmp(signed(op), order, zero)
            }
        }
    }

    /// Lexicographic comparison, item by item.
    fn compare_tuples(&mut self, op: CompareOp, a: &Typed, b: &Typed) -> Result<Value> {
        let lengths = [a, b].map(|t| t.ty.tuple_items().map_or(0, <[Ty]>::len));
        let common = lengths[0].min(lengths[1]);
        if matches!(op, CompareOp::Eq | CompareOp::Ne) {
            let mut equal = self.b.bool(lengths[0] == lengths[1]);
            if lengths[0] == lengths[1] {
                for i in 0..common {
                    let (x, y) = (self.item(a, i), self.item(b, i));
                    let same = self.compare(CompareOp::Eq, &x, &y)?;
                    equal = self.b.binary(Bin::And, equal, same);
                }
            }
            return Ok(if op == CompareOp::Eq {
                equal
            } else {
                self.b.not(equal)
            });
        }
        // From the back: the first items that differ decide.
        let (shorter, longer) = (
            matches!(op, CompareOp::Lt | CompareOp::Le),
            matches!(op, CompareOp::Gt | CompareOp::Ge),
        );
        let mut result = self.b.bool(match lengths[0].cmp(&lengths[1]) {
            std::cmp::Ordering::Less => shorter,
            std::cmp::Ordering::Greater => longer,
            std::cmp::Ordering::Equal => matches!(op, CompareOp::Le | CompareOp::Ge),
        });
        let strict = if shorter {
            CompareOp::Lt
        } else {
            CompareOp::Gt
        };
        for i in (0..common).rev() {
            let (x, y) = (self.item(a, i), self.item(b, i));
            let same = self.compare(CompareOp::Eq, &x, &y)?;
            let decided = self.compare(strict, &x, &y)?;
            result = self.b.select(same, result, decided);
        }
        Ok(result)
    }

    pub(super) fn compare_numbers(&mut self, op: CompareOp, a: &Typed, b: &Typed) -> Value {
        let unsigned = |t: Ty| t.is_bool() || matches!(t.kind(), Kind::Int { signed: false, .. });
        if a.ty.is_integral() && b.ty.is_integral() {
            let (ua, ub) = (unsigned(a.ty), unsigned(b.ty));
            let wide = |t: Ty| {
                matches!(
                    t.kind(),
                    Kind::Int {
                        bits: 64,
                        signed: false,
                        ..
                    }
                )
            };
            if ua != ub && (wide(a.ty) || wide(b.ty)) {
                return self.compare_mixed(op, a, b, ua);
            }
            // Unsigned values of up to 32 bits fit int64.
            let both_unsigned = ua && ub;
            let ty = Ty::int(64, !both_unsigned);
            let (x, y) = (self.cast_number(a, ty)[0], self.cast_number(b, ty)[0]);
            return self.b.cmp(
                if both_unsigned {
                    unsigned_cmp(op)
                } else {
                    signed(op)
                },
                x,
                y,
            );
        }
        let ty = join::join(a.ty, b.ty).unwrap_or_else(|| Ty::float(64));
        // Comparing an integer with a float happens in float64, whatever the float's width.
        let ty = if ty.is_float() && (a.ty.is_integral() || b.ty.is_integral()) {
            Ty::float(64)
        } else {
            ty
        };
        let (x, y) = (self.cast_number(a, ty), self.cast_number(b, ty));
        let cmp = match op {
            CompareOp::Eq => Cmp::FEq,
            CompareOp::Ne => Cmp::FNe,
            CompareOp::Lt => Cmp::FLt,
            CompareOp::Le => Cmp::FLe,
            CompareOp::Gt => Cmp::FGt,
            _ => Cmp::FGe,
        };
        let parts: Vec<Value> = x
            .iter()
            .zip(&y)
            .map(|(&p, &q)| self.b.cmp(cmp, p, q))
            .collect();
        match parts[..] {
            [one] => one,
            _ => self.b.binary(
                if op == CompareOp::Ne {
                    Bin::Or
                } else {
                    Bin::And
                },
                parts[0],
                parts[1],
            ),
        }
    }

    /// A signed against a uint64 value: by value, as Python does.
    fn compare_mixed(&mut self, op: CompareOp, a: &Typed, b: &Typed, a_unsigned: bool) -> Value {
        let x = self.cast_number(a, Ty::int(64, !a_unsigned))[0];
        let y = self.cast_number(b, Ty::int(64, a_unsigned))[0];
        let zero = self.b.i64(0);
        let negative = self.b.cmp(Cmp::SLt, if a_unsigned { y } else { x }, zero);
        let by_bits = self.b.cmp(unsigned_cmp(op), x, y);
        // The negative side is the smaller one.
        let known = match op {
            CompareOp::Eq => false,
            CompareOp::Ne => true,
            CompareOp::Lt | CompareOp::Le => !a_unsigned,
            _ => a_unsigned,
        };
        let known = self.b.bool(known);
        self.b.select(negative, known, by_bits)
    }
}

pub(super) fn signed(op: CompareOp) -> Cmp {
    match op {
        CompareOp::Eq => Cmp::Eq,
        CompareOp::Lt => Cmp::SLt,
        CompareOp::Le => Cmp::SLe,
        CompareOp::Gt => Cmp::SGt,
        CompareOp::Ge => Cmp::SGe,
        _ => Cmp::Ne,
    }
}

fn unsigned_cmp(op: CompareOp) -> Cmp {
    match op {
        CompareOp::Eq => Cmp::Eq,
        CompareOp::Lt => Cmp::ULt,
        CompareOp::Le => Cmp::ULe,
        CompareOp::Gt => Cmp::UGt,
        CompareOp::Ge => Cmp::UGe,
        _ => Cmp::Ne,
    }
}
