//! Arithmetic on numbers, tuples and strings.

use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::{Body, Typed, Vals, machine, vector_math};
use crate::diag::Result;
use crate::hir::{BinaryOp, UnaryOp};
use crate::tir::{Bin, Cast, Cmp, Hint, Part, Target, Term, Type, Un, Value};
use crate::types::{Kind, Ty};
use crate::ufunc;

/// Largest constant exponent that is written as multiplications.
const MOST_MULTIPLIED: i64 = 64;

impl Body<'_, '_, '_> {
    pub(super) fn unary(&mut self, op: UnaryOp, a: &Typed, ty: Ty) -> Result<Vals> {
        if op == UnaryOp::Not {
            let truth = self.truth(a)?;
            return Ok(smallvec![self.b.not(truth)]);
        }
        let a = self.unwrap(a)?;
        if ty.as_array().is_some() || ty.is_time() {
            return self.array_operator(ufunc::of_unary(op), &[a], ty);
        }
        let a = self.item_of_zero_dim(&a);
        let vals = self.cast(&a, ty)?;
        Ok(match (op, ty.kind()) {
            (UnaryOp::Neg, Kind::Int { .. }) => smallvec![self.b.unary(Un::Neg, vals[0])],
            (UnaryOp::Neg, _) => vals
                .into_iter()
                .map(|v| self.b.unary(Un::FNeg, v))
                .collect(),
            (UnaryOp::Invert, _) => smallvec![self.b.unary(Un::Not, vals[0])],
            _ => vals,
        })
    }

    /// `bool(x)`.
    pub(super) fn truth(&mut self, a: &Typed) -> Result<Value> {
        Ok(match a.ty.kind() {
            Kind::Array(array) => {
                let size = self.size(a.vals[0], array.ndim);
                let one = self.b.i64(1);
                let wrong = self.b.cmp(Cmp::Ne, size, one);
                self.raise_if(wrong, "ValueError", "The truth value of an array with other than one element is ambiguous. Use a.any() or a.all()")?;
                let data = self.b.part(a.vals[0], Part::Data);
                let element = Typed::new(array.dtype, self.load(data, *array));
                self.nonzero(&element)
            }
            Kind::Str => {
                let len = self.b.rt1(RtFn::str_len, &[a.vals[0]]);
                let zero = self.b.i64(0);
                self.b.cmp(Cmp::Ne, len, zero)
            }
            Kind::Optional(inner) => {
                let content = Typed::new(*inner, &a.vals[1..]);
                // The content of an absent value is zero or null, and nothing that is null has a length.
                if inner.is_scalar() {
                    let truth = self.truth(&content)?;
                    self.b.binary(Bin::And, a.vals[0], truth)
                } else {
                    let (present, next) = (self.b.new_block(), self.b.new_block());
                    let result = self.b.add_param(next, Type::I1);
                    let none = Target {
                        block: next,
                        args: smallvec![self.b.bool(false)],
                    };
                    let some = Target {
                        block: present,
                        args: smallvec![],
                    };
                    self.b.terminate(Term::Branch {
                        cond: a.vals[0],
                        then: some,
                        other: none,
                        hint: Hint::None,
                    });
                    self.b.switch_to(present);
                    let truth = self.truth(&content)?;
                    self.b.jump(next, &[truth]);
                    self.b.switch_to(next);
                    result
                }
            }
            Kind::Time { delta: true, .. } => self.nonzero(a),
            Kind::Range(..)
            | Kind::List(_)
            | Kind::Dict { .. }
            | Kind::Set { .. }
            | Kind::View(..)
            | Kind::Buffer(..)
            | Kind::Chars { .. } => {
                let len = self.sequence_len(a)?;
                let zero = self.b.i64(0);
                self.b.cmp(Cmp::Ne, len, zero)
            }
            _ if a.ty.is_scalar() => self.nonzero(a),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => self.b.bool(!items.is_empty()),
            Kind::None => self.b.bool(false),
            _ => self.b.bool(true),
        })
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: &Typed, b: &Typed, ty: Ty) -> Result<Vals> {
        let (a, b) = (self.unwrap(a)?, self.unwrap(b)?);
        if op == BinaryOp::MatMul {
            return self.array_product(&[a, b], false, ty);
        }
        if [&a, &b]
            .iter()
            .any(|x| x.ty.as_array().is_some() || x.ty.is_time())
        {
            return self.array_operator(ufunc::of_binary(op), &[a, b], ty);
        }
        let (a, b) = (self.text(&a)?, self.text(&b)?);
        match (a.ty.kind(), b.ty.kind()) {
            (Kind::Str, Kind::Str) => {
                return Ok(self.rt_raising(RtFn::str_concat, &[a.vals[0], b.vals[0]])?[..1].into());
            }
            (Kind::Str, _) => {
                let n = self.cast(&b, Ty::int(64, true))?;
                return Ok(self.rt_raising(RtFn::str_repeat, &[a.vals[0], n[0]])?[..1].into());
            }
            (_, Kind::Str) => {
                let n = self.cast(&a, Ty::int(64, true))?;
                return Ok(self.rt_raising(RtFn::str_repeat, &[b.vals[0], n[0]])?[..1].into());
            }
            (Kind::Tuple(_), _) | (_, Kind::Tuple(_)) if op == BinaryOp::Mul => {
                let tuple = if a.ty.tuple_items().is_some() { a } else { b };
                let count = machine(ty).len() / machine(tuple.ty).len().max(1);
                return Ok(tuple.vals.repeat(count).into());
            }
            (Kind::Tuple(_) | Kind::NamedTuple(..), _) => {
                return Ok(a.vals.iter().chain(&b.vals).copied().collect());
            }
            _ => {}
        }
        if op == BinaryOp::Pow {
            return self.power(&a, &b, ty);
        }
        let x = self.cast(&a, ty)?;
        match ty.kind() {
            Kind::Complex { .. } => {
                let y = self.cast(&b, ty)?;
                self.complex_binary(op, &x, &y, ty)
            }
            Kind::Float { .. } => {
                let y = self.cast(&b, ty)?;
                let result = self.float_binary(op, x[0], y[0])?;
                Ok(smallvec![self.rounded(ty, result)])
            }
            Kind::Bool => {
                let y = self.cast(&b, ty)?;
                Ok(smallvec![self.int_binary(op, x[0], y[0], false)?])
            }
            _ if matches!(op, BinaryOp::LShift | BinaryOp::RShift) => {
                let amount = self.cast(&b, ty)?;
                Ok(smallvec![self.shift(op, x[0], amount[0], ty.is_signed())])
            }
            _ => {
                let y = self.cast(&b, ty)?;
                Ok(smallvec![self.int_binary(
                    op,
                    x[0],
                    y[0],
                    ty.is_signed()
                )?])
            }
        }
    }

    fn int_binary(&mut self, op: BinaryOp, x: Value, y: Value, signed: bool) -> Result<Value> {
        let bin = match op {
            BinaryOp::Add => Bin::Add,
            BinaryOp::Sub => Bin::Sub,
            BinaryOp::Mul => Bin::Mul,
            BinaryOp::And => Bin::And,
            BinaryOp::Or => Bin::Or,
            BinaryOp::Xor => Bin::Xor,
            BinaryOp::FloorDiv => return Ok(self.int_divide(x, y, signed)?.0),
            BinaryOp::Mod => return Ok(self.int_divide(x, y, signed)?.1),
            _ => return Err(self.bug(format!("integer {op:?}"))),
        };
        Ok(self.b.binary(bin, x, y))
    }

    /// Floor division and modulo of integers with Python's signs; zero divisors as the error model says.
    pub(super) fn int_divide(
        &mut self,
        x: Value,
        y: Value,
        signed: bool,
    ) -> Result<(Value, Value)> {
        let ty = self.b.ty(x);
        if let Some(d) = self.b.as_int(y).filter(|&d| d > 0) {
            return Ok(self.divide_by_constant(x, y, d, signed));
        }
        let zero = self.b.int(ty, 0);
        let is_zero = self.b.cmp(Cmp::Eq, y, zero);
        let one = self.b.int(ty, 1);
        if !self.numpy_errors {
            self.raise_if(
                is_zero,
                "ZeroDivisionError",
                "integer division or modulo by zero",
            )?;
        }
        if !signed {
            let d = if self.numpy_errors {
                self.b.select(is_zero, one, y)
            } else {
                y
            };
            let (q, r) = (
                self.b.binary(Bin::UDiv, x, d),
                self.b.binary(Bin::URem, x, d),
            );
            return Ok(if self.numpy_errors {
                (
                    self.b.select(is_zero, zero, q),
                    self.b.select(is_zero, zero, r),
                )
            } else {
                (q, r)
            });
        }
        // The minimum divided by -1 traps; -1 is handled as a negation.
        let minus_one = self.b.int(ty, -1);
        let negates = self.b.cmp(Cmp::Eq, y, minus_one);
        let mut special = negates;
        if self.numpy_errors {
            special = self.b.binary(Bin::Or, negates, is_zero);
        }
        let d = self.b.select(special, one, y);
        let (q, r) = self.floor_adjusted(x, d);
        let negated = self.b.unary(Un::Neg, x);
        let mut q = self.b.select(negates, negated, q);
        let mut r = self.b.select(negates, zero, r);
        if self.numpy_errors {
            q = self.b.select(is_zero, zero, q);
            r = self.b.select(is_zero, zero, r);
        }
        Ok((q, r))
    }

    /// Truncated division made floored: one less and the divisor more where the signs differ.
    fn floor_adjusted(&mut self, x: Value, d: Value) -> (Value, Value) {
        let ty = self.b.ty(x);
        let (q, r) = (
            self.b.binary(Bin::SDiv, x, d),
            self.b.binary(Bin::SRem, x, d),
        );
        let zero = self.b.int(ty, 0);
        let inexact = self.b.cmp(Cmp::Ne, r, zero);
        let mixed = self.b.binary(Bin::Xor, r, d);
        let mixed = self.b.cmp(Cmp::SLt, mixed, zero);
        let adjust = self.b.binary(Bin::And, inexact, mixed);
        let one = self.b.cast(Cast::ZExt, adjust, ty);
        let floored = self.b.binary(Bin::Sub, q, one);
        let sum = self.b.binary(Bin::Add, r, d);
        (floored, self.b.select(adjust, sum, r))
    }

    fn divide_by_constant(&mut self, x: Value, y: Value, d: i64, signed: bool) -> (Value, Value) {
        let ty = self.b.ty(x);
        if d & (d - 1) == 0 {
            let shift = self.b.int(ty, i64::from(d.trailing_zeros()));
            let mask = self.b.int(ty, d - 1);
            let q = self
                .b
                .binary(if signed { Bin::AShr } else { Bin::LShr }, x, shift);
            return (q, self.b.binary(Bin::And, x, mask));
        }
        if signed {
            self.floor_adjusted(x, y)
        } else {
            (
                self.b.binary(Bin::UDiv, x, y),
                self.b.binary(Bin::URem, x, y),
            )
        }
    }

    /// Shifts by any amount: past the width, zeros (or signs) are left.
    fn shift(&mut self, op: BinaryOp, x: Value, amount: Value, signed: bool) -> Value {
        let ty = self.b.ty(x);
        let bits = i64::from(ty.bits());
        let right = if signed { Bin::AShr } else { Bin::LShr };
        if let Some(n) = self.b.as_int(amount)
            && (0..bits).contains(&n)
        {
            return self.b.binary(
                if op == BinaryOp::LShift {
                    Bin::Shl
                } else {
                    right
                },
                x,
                amount,
            );
        }
        let width = self.b.int(ty, bits);
        let inside = self.b.cmp(Cmp::ULt, amount, width);
        let zero = self.b.int(ty, 0);
        if op == BinaryOp::RShift && signed {
            let last = self.b.int(ty, bits - 1);
            let n = self.b.select(inside, amount, last);
            return self.b.binary(Bin::AShr, x, n);
        }
        let n = self.b.select(inside, amount, zero);
        let shifted = self.b.binary(
            if op == BinaryOp::LShift {
                Bin::Shl
            } else {
                right
            },
            x,
            n,
        );
        self.b.select(inside, shifted, zero)
    }

    /// Raises ZeroDivisionError for a zero divisor, unless the error model is NumPy's.
    fn check_divisor(&mut self, y: &[Value], message: &str) -> Result<()> {
        if self.numpy_errors {
            return Ok(());
        }
        let mut zero = None;
        for &v in y {
            let ty = self.b.ty(v);
            let null = self.b.float(ty, 0.0);
            let part = self.b.cmp(Cmp::FEq, v, null);
            zero = Some(match zero {
                None => part,
                Some(before) => self.b.binary(Bin::And, before, part),
            });
        }
        match zero {
            Some(zero) => self.raise_if(zero, "ZeroDivisionError", message),
            None => Ok(()),
        }
    }

    fn float_binary(&mut self, op: BinaryOp, x: Value, y: Value) -> Result<Value> {
        let bin = match op {
            BinaryOp::Add => Bin::FAdd,
            BinaryOp::Sub => Bin::FSub,
            BinaryOp::Mul => Bin::FMul,
            BinaryOp::TrueDiv => {
                self.check_divisor(&[y], "division by zero")?;
                Bin::FDiv
            }
            BinaryOp::FloorDiv => return Ok(self.float_divide(x, y)?.0),
            BinaryOp::Mod => return Ok(self.float_divide(x, y)?.1),
            _ => return Err(self.bug(format!("float {op:?}"))),
        };
        Ok(self.b.binary(bin, x, y))
    }

    /// Python's float floor division and modulo.
    pub(super) fn float_divide(&mut self, x: Value, y: Value) -> Result<(Value, Value)> {
        self.check_divisor(
            &[y],
            "float floor division or modulo by zero: division by zero",
        )?;
        if self.numpy_errors {
            return Ok(self.float_divide_numpy(x, y));
        }
        Ok(self.float_divide_nonzero(x, y))
    }

    /// The same where the divisor may be zero: NumPy's infinities and NaNs.
    fn float_divide_numpy(&mut self, x: Value, y: Value) -> (Value, Value) {
        let ty = self.b.ty(x);
        let zero = self.b.float(ty, 0.0);
        let is_zero = self.b.cmp(Cmp::FEq, y, zero);
        let ratio = self.b.binary(Bin::FDiv, x, y);
        let nan = self.b.float(ty, f64::NAN);
        let (q, r) = self.float_divide_nonzero(x, y);
        (
            self.b.select(is_zero, ratio, q),
            self.b.select(is_zero, nan, r),
        )
    }

    fn float_divide_nonzero(&mut self, x: Value, y: Value) -> (Value, Value) {
        let narrow = self.b.ty(x) == Type::F32;
        let mut widen = |v| {
            if narrow {
                self.b.cast(Cast::FPExt, v, Type::F64)
            } else {
                v
            }
        };
        let args = [widen(x), widen(y)];
        let quotient = self.b.rt1(RtFn::ffloordiv, &args);
        let remainder = self.b.rt1(RtFn::fmod_py, &args);
        if narrow {
            return (
                self.b.cast(Cast::FPTrunc, quotient, Type::F32),
                self.b.cast(Cast::FPTrunc, remainder, Type::F32),
            );
        }
        (quotient, remainder)
    }

    fn complex_binary(&mut self, op: BinaryOp, x: &[Value], y: &[Value], ty: Ty) -> Result<Vals> {
        Ok(match op {
            BinaryOp::Add => (0..2)
                .map(|i| self.b.binary(Bin::FAdd, x[i], y[i]))
                .collect(),
            BinaryOp::Sub => (0..2)
                .map(|i| self.b.binary(Bin::FSub, x[i], y[i]))
                .collect(),
            BinaryOp::Mul => self.complex_multiply(x, y),
            BinaryOp::TrueDiv => {
                self.check_divisor(y, "complex division by zero")?;
                let args = [x[0], x[1], y[0], y[1]];
                self.complex_call(RtFn::cdiv, &args, ty)
            }
            _ => return Err(self.bug(format!("complex {op:?}"))),
        })
    }

    pub(super) fn complex_multiply(&mut self, x: &[Value], y: &[Value]) -> Vals {
        let mut product = |i: usize, j: usize| self.b.binary(Bin::FMul, x[i], y[j]);
        let (rr, ii, ri, ir) = (product(0, 0), product(1, 1), product(0, 1), product(1, 0));
        smallvec![
            self.b.binary(Bin::FSub, rr, ii),
            self.b.binary(Bin::FAdd, ri, ir)
        ]
    }

    /// A runtime function on double parts that gives a complex number of type `ty`.
    pub(super) fn complex_call(&mut self, func: RtFn, args: &[Value], ty: Ty) -> Vals {
        let wide: Vals = args
            .iter()
            .map(|&v| {
                if self.b.ty(v) == Type::F32 {
                    self.b.cast(Cast::FPExt, v, Type::F64)
                } else {
                    v
                }
            })
            .collect();
        let written = if self.in_nest {
            vector_math::complex_function(&mut self.b, self.cx.session.target, func, &wide)
        } else {
            None
        };
        let results = match written {
            Some(parts) => SmallVec::from(parts),
            None => self.b.rt(func, &wide),
        };
        let part = machine(ty)[0];
        results
            .iter()
            .map(|&v| {
                if part == Type::F32 {
                    self.b.cast(Cast::FPTrunc, v, Type::F32)
                } else {
                    v
                }
            })
            .collect()
    }

    /// `a ** b`.
    fn power(&mut self, a: &Typed, b: &Typed, ty: Ty) -> Result<Vals> {
        let x = self.cast(a, ty)?;
        if let Some(n) = b
            .as_int()
            .filter(|n| n.abs() <= MOST_MULTIPLIED && !b.ty.is_float())
        {
            let result = self.constant_power(&x, n, ty)?;
            return Ok(result.into_iter().map(|v| self.rounded(ty, v)).collect());
        }
        match ty.kind() {
            Kind::Int { signed, .. } => {
                let wide = Ty::int(64, *signed);
                let args = [self.cast(a, wide)?[0], self.cast(b, wide)?[0]];
                let result = self
                    .b
                    .rt1(if *signed { RtFn::ipow } else { RtFn::upow }, &args);
                Ok(self.cast_number(&Typed::one(wide, result), ty))
            }
            Kind::Float { bits, .. } => {
                let y = self.cast(b, ty)?;
                let result = self.b.rt1(
                    if *bits <= 32 { RtFn::fpowf } else { RtFn::fpow },
                    &[x[0], y[0]],
                );
                Ok(smallvec![self.rounded(ty, result)])
            }
            _ => {
                let y = self.cast(b, ty)?;
                Ok(self.complex_call(RtFn::cpow, &[x[0], x[1], y[0], y[1]], ty))
            }
        }
    }

    /// `x ** n` by repeated squaring; the reciprocal for a negative n.
    fn constant_power(&mut self, x: &[Value], n: i64, ty: Ty) -> Result<Vals> {
        let mut base: Vals = x.into();
        let mut result: Option<Vals> = None;
        let mut k = n.unsigned_abs();
        while k > 0 {
            if k & 1 == 1 {
                result = Some(match result {
                    None => base.clone(),
                    Some(r) => self.multiply(&r, &base, ty),
                });
            }
            k >>= 1;
            if k > 0 {
                base = self.multiply(&base, &base, ty);
            }
        }
        let one: Vals = {
            let types = machine(ty);
            types
                .iter()
                .enumerate()
                .map(|(i, &t)| {
                    if t.is_int() {
                        self.b.int(t, 1)
                    } else {
                        self.b.float(t, if i == 0 { 1.0 } else { 0.0 })
                    }
                })
                .collect()
        };
        let Some(result) = result else { return Ok(one) };
        if n >= 0 {
            return Ok(result);
        }
        match ty.kind() {
            Kind::Complex { .. } => self.complex_binary(BinaryOp::TrueDiv, &one, &result, ty),
            _ => Ok(smallvec![self.float_binary(
                BinaryOp::TrueDiv,
                one[0],
                result[0]
            )?]),
        }
    }

    fn multiply(&mut self, x: &[Value], y: &[Value], ty: Ty) -> Vals {
        match ty.kind() {
            Kind::Complex { .. } => self.complex_multiply(x, y),
            Kind::Float { .. } => smallvec![self.b.binary(Bin::FMul, x[0], y[0])],
            _ => smallvec![self.b.binary(Bin::Mul, x[0], y[0])],
        }
    }
}
