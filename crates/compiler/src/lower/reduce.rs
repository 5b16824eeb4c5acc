//! Reductions over axes of arrays.

use smallvec::{SmallVec, smallvec};

use super::elementwise::item;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::infer::reduce::{Reduce, ReduceOp};
use crate::tir::nest::{Axis, Output, OutputKind, Reduction, Subview};
use crate::tir::{Bin, Cmp, Part, Type, Value};
use crate::types::time::NAT;
use crate::types::{ArrayTy, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// A reduction of the first argument; the others are those that `reduce` names, in its order.
    pub(super) fn reduce(&mut self, reduce: &Reduce, args: &[Typed], ty: Ty) -> Result<Vals> {
        if reduce.dtype.is_half() {
            return self.reduce_halves(reduce, args, ty);
        }
        let mut array = self.unwrap(&args[0])?;
        let mut rest = args[1..].iter().cloned();
        let Kind::Array(mut a) = *array.ty.kind() else {
            return Err(self.bug("a reduction of no array"));
        };
        let mut axis = None;
        if reduce.axis_at_run_time
            && let Some(given) = rest.next()
        {
            let at = self.axis_argument(&given, a.ndim)?;
            a.layout = Layout::A;
            array = Typed::one(a.ty(), self.axis_to_the_end(array.vals[0], a.ndim, at));
            axis = Some(at);
        }
        let initial = if reduce.initial { rest.next() } else { None };
        let mask = if reduce.mask { rest.next() } else { None };
        let out = if reduce.out { rest.next() } else { None };
        let shape = self.shape(array.vals[0], a.ndim);
        let kept: Vals = (0..usize::from(a.ndim))
            .filter(|d| reduce.over >> d & 1 == 0)
            .map(|d| shape[d])
            .collect();
        let initial = match initial {
            Some(v) => {
                let v = self.unwrap(&v)?;
                Some(self.cast(&v, reduce.dtype)?)
            }
            None => None,
        };
        if initial.is_none() {
            self.check_reducible(reduce, &shape)?;
        }
        let mut operands = vec![array];
        operands.extend(mask);
        let result = ArrayTy {
            dtype: reduce.dtype,
            ndim: kept.len() as u8,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let vals = match reduce.op {
            ReduceOp::ArgMin | ReduceOp::ArgMax => {
                self.arg_extreme(reduce, &operands, a, &shape, result)?
            }
            _ => self.fold(reduce, &operands, &shape, initial, result)?,
        };
        let vals = if reduce.keepdims && reduce.over != 0 {
            self.keep_dims(reduce, a, axis, vals, result)?
        } else {
            vals
        };
        match out {
            None => Ok(vals),
            Some(out) => {
                let ndim = if reduce.keepdims { a.ndim } else { result.ndim };
                let made = if ndim == 0 {
                    reduce.dtype
                } else {
                    Ty::array(reduce.dtype, ndim, Layout::C)
                };
                self.store_result(&out, &Typed::new(made, vals))?;
                self.cast(&out, ty)
            }
        }
    }

    /// The same in float32, rounded at the end.
    fn reduce_halves(&mut self, reduce: &Reduce, args: &[Typed], ty: Ty) -> Result<Vals> {
        let single = Ty::float(32);
        let wide = Reduce {
            dtype: single,
            ..reduce.clone()
        };
        if reduce.out {
            return self.reduce(&wide, args, ty);
        }
        let made = ty
            .as_array()
            .map_or(single, |a| ArrayTy { dtype: single, ..a }.ty());
        let vals = Typed::new(made, self.reduce(&wide, args, made)?);
        if ty.as_array().is_none() {
            return self.cast(&vals, ty);
        }
        self.map(&[vals], ty, |body, x, to| body.cast(&x[0], to))
    }

    /// A view whose last axis is one that is known at run time.
    fn axis_to_the_end(&mut self, array: Value, ndim: u8, axis: Value) -> Value {
        let sizes = self.shape(array, ndim);
        let steps: Vals = (0..ndim)
            .map(|d| self.b.part(array, Part::Stride(d)))
            .collect();
        let moved = |body: &mut Self, all: &[Value]| {
            let mut out = Vals::new();
            let mut last = all[0];
            for (d, &value) in all.iter().enumerate().skip(1) {
                let k = body.b.i64(d as i64);
                // Those from the axis on move up by one.
                let before = body.b.cmp(Cmp::SLt, axis, k);
                out.push(body.b.select(before, value, all[d - 1]));
                let here = body.b.cmp(Cmp::Eq, axis, k);
                last = body.b.select(here, value, last);
            }
            out.push(last);
            out
        };
        let (shape, strides) = (moved(self, &sizes), moved(self, &steps));
        let data = self.b.part(array, Part::Data);
        self.b.view(array, data, &shape, &strides)
    }

    /// The smallest of nothing is an error.
    fn check_reducible(&mut self, reduce: &Reduce, shape: &[Value]) -> Result<()> {
        let message = match reduce.op {
            ReduceOp::Min | ReduceOp::NanMin => {
                "zero-size array to reduction operation minimum which has no identity"
            }
            ReduceOp::Max | ReduceOp::NanMax => {
                "zero-size array to reduction operation maximum which has no identity"
            }
            ReduceOp::ArgMin => "attempt to get argmin of an empty sequence",
            ReduceOp::ArgMax => "attempt to get argmax of an empty sequence",
            _ => return Ok(()),
        };
        let zero = self.b.i64(0);
        let mut nothing = self.b.bool(false);
        for d in (0..shape.len()).filter(|d| reduce.over >> d & 1 == 1) {
            let is = self.b.cmp(Cmp::Eq, shape[d], zero);
            nothing = self.b.binary(Bin::Or, nothing, is);
        }
        self.raise_if(nothing, "ValueError", message)
    }

    /// Reductions whose steps combine two values of one type.
    fn fold(
        &mut self,
        reduce: &Reduce,
        operands: &[Typed],
        shape: &[Value],
        initial: Option<Vals>,
        result: ArrayTy,
    ) -> Result<Vals> {
        let dtype = reduce.dtype;
        let identity = self.identity(reduce.op, dtype);
        let init = initial.unwrap_or_else(|| identity.clone());
        self.nest(shape, operands, |body, elements| {
            let x = &elements[0];
            let mut value: Vals = match reduce.op {
                ReduceOp::Any | ReduceOp::All => smallvec![body.nonzero(x)],
                ReduceOp::CountNonzero => {
                    let nonzero = body.nonzero(x);
                    body.cast_number(&Typed::one(Ty::bool(), nonzero), dtype)
                }
                _ => body.cast(x, dtype)?,
            };
            if let Some(mask) = elements.get(1) {
                let identity = body.identity(reduce.op, dtype);
                value = value
                    .iter()
                    .zip(&identity)
                    .map(|(&v, &i)| body.b.select(mask.vals[0], v, i))
                    .collect();
            }
            let accumulators: SmallVec<[Value; 2]> = machine(dtype)
                .into_iter()
                .map(|t| body.b.value(t))
                .collect();
            let values = body.combine(reduce.op, dtype, &accumulators, &value)?;
            let reduction = Reduction {
                over: reduce.over,
                accumulators,
                init: init.into_iter().collect(),
                pairwise: matches!(reduce.op, ReduceOp::Sum)
                    && (dtype.is_float() || dtype.is_complex()),
                item: (result.ndim > 0).then(|| item(result)),
                target: None,
            };
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::Reduce(reduction),
            }])
        })
    }

    /// Whether something holds for any element of an array.
    pub(super) fn any(
        &mut self,
        shape: &[Value],
        array: &Typed,
        holds: impl FnOnce(&mut Self, &Typed) -> Value,
    ) -> Result<Value> {
        let init = self.b.bool(false);
        let results = self.nest(shape, std::slice::from_ref(array), |body, x| {
            let found = holds(body, &x[0]);
            let before = body.b.value(Type::I1);
            let value = body.b.binary(Bin::Or, before, found);
            let over = (1u64 << shape.len()) as u32 - 1;
            let reduction = Reduction {
                over,
                accumulators: smallvec![before],
                init: smallvec![init],
                pairwise: false,
                item: None,
                target: None,
            };
            Ok(vec![Output {
                values: smallvec![value],
                kind: OutputKind::Reduce(reduction),
            }])
        })?;
        Ok(results[0])
    }

    /// What a reduction starts with.
    fn identity(&mut self, op: ReduceOp, dtype: Ty) -> Vals {
        let number = |body: &mut Self, value: f64| {
            machine(dtype)
                .into_iter()
                .enumerate()
                .map(|(i, t)| {
                    let value = if i == 0 { value } else { 0.0 };
                    if t.is_float() {
                        body.b.float(t, value)
                    } else {
                        body.b.int(t, value as i64)
                    }
                })
                .collect()
        };
        match (op, dtype.kind()) {
            (ReduceOp::Prod | ReduceOp::All, _) => number(self, 1.0),
            (ReduceOp::Min | ReduceOp::NanMin, Kind::Bool) => smallvec![self.b.bool(true)],
            (ReduceOp::Max | ReduceOp::NanMax, Kind::Bool) => smallvec![self.b.bool(false)],
            (ReduceOp::Min | ReduceOp::NanMin, Kind::Int { bits, signed, .. }) => {
                let most = if *signed { i64::MAX >> (64 - bits) } else { -1 };
                smallvec![self.b.int(Type::int(u32::from(*bits)), most)]
            }
            (ReduceOp::Max | ReduceOp::NanMax, Kind::Int { bits, signed, .. }) => {
                let least = if *signed { i64::MIN >> (64 - bits) } else { 0 };
                smallvec![self.b.int(Type::int(u32::from(*bits)), least)]
            }
            (ReduceOp::Min, Kind::Time { .. }) => smallvec![self.b.i64(i64::MAX)],
            // Above NaT.
            (ReduceOp::Max, Kind::Time { .. }) => smallvec![self.b.i64(NAT + 1)],
            (ReduceOp::NanMin | ReduceOp::NanMax, _) => machine(dtype)
                .into_iter()
                .map(|t| self.b.float(t, f64::NAN))
                .collect(),
            (ReduceOp::Min, _) => machine(dtype)
                .into_iter()
                .map(|t| self.b.float(t, f64::INFINITY))
                .collect(),
            (ReduceOp::Max, _) => machine(dtype)
                .into_iter()
                .map(|t| self.b.float(t, f64::NEG_INFINITY))
                .collect(),
            _ => number(self, 0.0),
        }
    }

    fn combine(&mut self, op: ReduceOp, dtype: Ty, acc: &[Value], x: &[Value]) -> Result<Vals> {
        let signed = dtype.is_signed();
        let one = |body: &mut Self, op: Bin| -> Vals { smallvec![body.b.binary(op, acc[0], x[0])] };
        Ok(match (op, dtype.kind()) {
            (ReduceOp::Any, _) | (ReduceOp::Max | ReduceOp::NanMax | ReduceOp::Sum, Kind::Bool) => {
                one(self, Bin::Or)
            }
            (ReduceOp::All, _)
            | (ReduceOp::Min | ReduceOp::NanMin | ReduceOp::Prod, Kind::Bool) => {
                one(self, Bin::And)
            }
            (ReduceOp::Sum | ReduceOp::CountNonzero, Kind::Int { .. }) => one(self, Bin::Add),
            (ReduceOp::Sum, Kind::Time { .. }) => smallvec![self.time_sum(Bin::Add, acc[0], x[0])],
            (ReduceOp::Min | ReduceOp::Max, Kind::Time { .. }) => {
                smallvec![self.time_extreme(op == ReduceOp::Max, acc[0], x[0])]
            }
            (ReduceOp::Sum, _) => acc
                .iter()
                .zip(x)
                .map(|(&a, &x)| self.b.binary(Bin::FAddAnyOrder, a, x))
                .collect(),
            (ReduceOp::Prod, Kind::Int { .. }) => one(self, Bin::Mul),
            (ReduceOp::Prod, Kind::Float { .. }) => one(self, Bin::FMulAnyOrder),
            (ReduceOp::Prod, _) => {
                let (a, x) = (Typed::new(dtype, acc), Typed::new(dtype, x));
                self.binary(crate::hir::BinaryOp::Mul, &a, &x, dtype)?
            }
            (ReduceOp::Min | ReduceOp::NanMin, Kind::Int { .. }) => {
                one(self, if signed { Bin::SMin } else { Bin::UMin })
            }
            (ReduceOp::Max | ReduceOp::NanMax, Kind::Int { .. }) => {
                one(self, if signed { Bin::SMax } else { Bin::UMax })
            }
            (ReduceOp::Min, Kind::Float { .. }) => one(self, Bin::FMinimum),
            (ReduceOp::Max, Kind::Float { .. }) => one(self, Bin::FMaximum),
            (ReduceOp::NanMin, Kind::Float { .. }) => one(self, Bin::FMinNum),
            (ReduceOp::NanMax, Kind::Float { .. }) => one(self, Bin::FMaxNum),
            // Complex numbers, by real part first.
            _ => {
                let better = self.precedes(op, acc, x);
                acc.iter()
                    .zip(x)
                    .map(|(&a, &x)| self.b.select(better, x, a))
                    .collect()
            }
        })
    }

    /// Whether a new complex number takes the place of the best so far: it is smaller (or larger), or a
    /// NaN where there was none.
    fn precedes(&mut self, op: ReduceOp, best: &[Value], x: &[Value]) -> Value {
        let less = if matches!(op, ReduceOp::Min | ReduceOp::NanMin | ReduceOp::ArgMin) {
            Cmp::FLt
        } else {
            Cmp::FGt
        };
        let first = self.b.cmp(less, x[0], best[0]);
        let equal = self.b.cmp(Cmp::FEq, x[0], best[0]);
        let second = self.b.cmp(less, x[1], best[1]);
        let second = self.b.binary(Bin::And, equal, second);
        let better = self.b.binary(Bin::Or, first, second);
        let (was, is) = (self.complex_nan(best), self.complex_nan(x));
        let (known, real) = (self.b.not(was), self.b.not(is));
        if matches!(op, ReduceOp::NanMin | ReduceOp::NanMax) {
            let better = self.b.binary(Bin::And, better, real);
            return self.b.binary(Bin::Or, better, was);
        }
        let turns = self.b.binary(Bin::And, known, is);
        let better = self.b.binary(Bin::And, better, known);
        self.b.binary(Bin::Or, better, turns)
    }

    /// Whether a part of a complex number is NaN.
    fn complex_nan(&mut self, z: &[Value]) -> Value {
        let re = self.b.cmp(Cmp::FNe, z[0], z[0]);
        let im = self.b.cmp(Cmp::FNe, z[1], z[1]);
        self.b.binary(Bin::Or, re, im)
    }

    /// The first index of the smallest or largest element: along an axis, or of all in C order.
    fn arg_extreme(
        &mut self,
        reduce: &Reduce,
        operands: &[Typed],
        a: ArrayTy,
        shape: &[Value],
        result: ArrayTy,
    ) -> Result<Vals> {
        let min = reduce.op == ReduceOp::ArgMin;
        let extreme = if min { ReduceOp::Min } else { ReduceOp::Max };
        let worst = self.identity(extreme, a.dtype);
        // So that whatever comes first takes its place.
        let none = self.b.i64(i64::MAX);
        let rank = shape.len();
        let indices: SmallVec<[Value; 4]> = (0..rank).map(|_| self.b.value(Type::I64)).collect();
        let steps: Vec<usize> = (0..rank).filter(|d| reduce.over >> d & 1 == 1).collect();
        let results = self.indexed_nest(shape, operands, &indices, |body, elements| {
            let x = &elements[0];
            let mut at = body.b.i64(0);
            for &d in &steps {
                at = body.b.binary_nsw(Bin::Mul, at, shape[d]);
                at = body.b.binary_nsw(Bin::Add, at, indices[d]);
            }
            let best: SmallVec<[Value; 2]> = machine(a.dtype)
                .into_iter()
                .map(|t| body.b.value(t))
                .collect();
            let best_at = body.b.value(Type::I64);
            let before = body.b.cmp(Cmp::SLt, at, best_at);
            let better = body.better(extreme, a.dtype, &best, &x.vals, before);
            let taken: SmallVec<[Value; 2]> = best
                .iter()
                .zip(&x.vals)
                .map(|(&b, &x)| body.b.select(better, x, b))
                .collect();
            let taken_at = body.b.select(better, at, best_at);
            let carry = |values: SmallVec<[Value; 2]>, accumulators, init, dtype: Ty| {
                let part = ArrayTy {
                    dtype: if dtype.is_half() {
                        Ty::float(32)
                    } else {
                        dtype
                    },
                    ..result
                };
                let item = (result.ndim > 0).then(|| item(part));
                Output {
                    values,
                    kind: OutputKind::Reduce(Reduction {
                        over: reduce.over,
                        accumulators,
                        init,
                        pairwise: false,
                        item,
                        target: None,
                    }),
                }
            };
            let extreme = carry(taken, best, worst.into_iter().collect(), a.dtype);
            Ok(vec![
                extreme,
                carry(
                    smallvec![taken_at],
                    smallvec![best_at],
                    smallvec![none],
                    Ty::int(64, true),
                ),
            ])
        })?;
        // The index comes last, after the extreme itself.
        Ok(results.last().copied().into_iter().collect())
    }

    /// Whether an element takes the place of the best so far; of equal ones, and of NaNs, the first does.
    fn better(
        &mut self,
        op: ReduceOp,
        dtype: Ty,
        best: &[Value],
        x: &[Value],
        before: Value,
    ) -> Value {
        let min = op == ReduceOp::Min;
        match dtype.kind() {
            Kind::Complex { .. } => {
                let better = self.precedes(op, best, x);
                let re = self.b.cmp(Cmp::FEq, x[0], best[0]);
                let im = self.b.cmp(Cmp::FEq, x[1], best[1]);
                let equal = self.b.binary(Bin::And, re, im);
                let (is, was) = (self.complex_nan(x), self.complex_nan(best));
                let both = self.b.binary(Bin::And, is, was);
                let alike = self.b.binary(Bin::Or, equal, both);
                let first = self.b.binary(Bin::And, alike, before);
                self.b.binary(Bin::Or, better, first)
            }
            Kind::Float { .. } => {
                let strictly = self
                    .b
                    .cmp(if min { Cmp::FLt } else { Cmp::FGt }, x[0], best[0]);
                let equal = self.b.cmp(Cmp::FEq, x[0], best[0]);
                let (is, was) = (
                    self.b.cmp(Cmp::FNe, x[0], x[0]),
                    self.b.cmp(Cmp::FNe, best[0], best[0]),
                );
                let both = self.b.binary(Bin::And, is, was);
                let alike = self.b.binary(Bin::Or, equal, both);
                let first = self.b.binary(Bin::And, alike, before);
                let better = self.b.binary(Bin::Or, strictly, first);
                let known = self.b.not(was);
                let turns = self.b.binary(Bin::And, is, known);
                self.b.binary(Bin::Or, better, turns)
            }
            _ => {
                let (x, best) = match dtype.kind() {
                    Kind::Time { .. } if !min => ([self.nat_last(x[0])], [self.nat_last(best[0])]),
                    _ => ([x[0]], [best[0]]),
                };
                let less = match (dtype.is_signed() || dtype.is_time(), min) {
                    (true, true) => Cmp::SLt,
                    (true, false) => Cmp::SGt,
                    (false, true) => Cmp::ULt,
                    (false, false) => Cmp::UGt,
                };
                let strictly = self.b.cmp(less, x[0], best[0]);
                let equal = self.b.cmp(Cmp::Eq, x[0], best[0]);
                let first = self.b.binary(Bin::And, equal, before);
                self.b.binary(Bin::Or, strictly, first)
            }
        }
    }

    /// A result with the axes that were reduced as dimensions of one item.
    fn keep_dims(
        &mut self,
        reduce: &Reduce,
        a: ArrayTy,
        axis: Option<Value>,
        vals: Vals,
        result: ArrayTy,
    ) -> Result<Vals> {
        let array = if result.ndim == 0 {
            let one = self.b.i64(1);
            let shape: Vals = smallvec![one; usize::from(a.ndim)];
            let ty = Ty::array(reduce.dtype, a.ndim, Layout::C);
            return self.filled(&shape, ty, &Typed::new(reduce.dtype, vals));
        } else {
            vals[0]
        };
        if let Some(axis) = axis {
            return Ok(smallvec![self.with_axis(array, result, axis)]);
        }
        let mut next = 0;
        let axes = (0..a.ndim)
            .map(|d| {
                if reduce.over >> d & 1 == 1 {
                    return Axis::New;
                }
                next += 1;
                Axis::Whole(next - 1)
            })
            .collect();
        Ok(smallvec![self.b.subview(Subview {
            base: array,
            at: smallvec![],
            axes,
            item: item(result),
        })])
    }
}
