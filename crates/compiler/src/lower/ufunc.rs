//! NumPy's element-wise functions (`crate::ufunc`): what each computes of one element, and how it is
//! applied to arrays and scalars.
//!
//! The code of one element is straight: choices are selects, and nothing raises, so that loops around it
//! vectorise. What NumPy checks (a Python integer that the elements cannot hold, a negative power of
//! integers) is checked before the loop.

use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::elementwise::item;
use super::{Body, Typed, Vals, machine, vector_math};
use crate::diag::Result;
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::host::Const;
use crate::infer::creation::{of_operand, of_sequence};
use crate::infer::intrinsic::{Class, UfuncCall};
use crate::infer::linalg::product;
use crate::tir::nest::{Output, OutputKind};
use crate::tir::{Bin, Cast, Cmp, Part, Type, Un, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};
use crate::ufunc::{self, Loop, Operand, Row, Scalar};

/// Largest constant exponent of floats that is written as multiplications: past it, more than pow's
/// rounding errors would add up.
const MOST_MULTIPLIED: i64 = 8;

/// The values of each result.
type Results = SmallVec<[Vals; 2]>;

impl Body<'_, '_, '_> {
    /// A call of a row: operands, then `out` for each result, then `where`.
    pub(super) fn ufunc(&mut self, call: &UfuncCall, args: &[Typed], ty: Ty) -> Result<Vals> {
        let UfuncCall {
            row,
            types,
            outs,
            masked,
        } = call;
        let (operands, rest) = args.split_at(row.operands());
        let (outs, mask) = rest.split_at(*outs);
        let operands = self.operands(row, types, operands)?;
        if !*masked && outs.is_empty() {
            return self.apply(row, types, &operands, ty);
        }
        let masked = *masked && !outs.is_empty();
        let mut all = operands;
        let mut results = Vals::new();
        if masked {
            let mask = self.unwrap(&mask[0])?;
            all.push(self.item_of_zero_dim(&mask));
        }
        for k in 0..row.results() {
            let mut all = all.clone();
            if masked {
                all.push(outs[k].clone());
            }
            let dtype = types.outputs[k];
            let n = row.operands();
            let one = |body: &mut Self, x: &[Typed]| -> Result<Vals> {
                let new = body.element(row, types, &x[..n])?.swap_remove(k);
                if !masked {
                    return Ok(new);
                }
                let chosen = body.truth(&x[n])?;
                let before = &x[n + 1];
                let new = body.cast_element(&Typed::new(dtype, new), before.ty)?;
                Ok(new
                    .iter()
                    .zip(&before.vals)
                    .map(|(&a, &b)| body.b.select(chosen, a, b))
                    .collect())
            };
            let dtype = if masked {
                outs[k].ty.as_array().map_or(dtype, |a| a.dtype)
            } else {
                dtype
            };
            let ndim = all
                .iter()
                .filter_map(|o| o.ty.as_array())
                .map(|a| a.ndim)
                .max()
                .unwrap_or(0);
            let new = if ndim == 0 {
                let items: Vec<Typed> = all.iter().map(|o| self.item_of_zero_dim(o)).collect();
                Typed::new(dtype, one(self, &items)?)
            } else {
                let ty = Ty::array(dtype, ndim, Layout::C);
                Typed::new(ty, self.map(&all, ty, |body, x, _| one(body, x))?)
            };
            match outs.get(k) {
                Some(out) => {
                    self.store_result(out, &new)?;
                    results.extend(out.vals.iter().copied());
                }
                None => results.extend(new.vals),
            }
        }
        Ok(results)
    }

    /// `np.<row>.outer(a, b)`: each element of `a` with all of `b`.
    pub(super) fn ufunc_outer(&mut self, call: &UfuncCall, args: &[Typed], ty: Ty) -> Result<Vals> {
        let (a, b) = (self.unwrap(&args[0])?, self.unwrap(&args[1])?);
        let (Kind::Array(x), Kind::Array(y)) = (a.ty.kind(), b.ty.kind()) else {
            return self.ufunc(call, &[a, b], ty);
        };
        // More dimensions of length 1 on the right.
        let array = a.vals[0];
        let data = self.b.part(array, Part::Data);
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for dim in 0..x.ndim {
            shape.push(self.b.part(array, Part::Shape(dim)));
            strides.push(self.stride(array, *x, usize::from(dim)));
        }
        for _ in 0..y.ndim {
            shape.push(self.b.i64(1));
            strides.push(self.b.i64(0));
        }
        let view = self.b.view(array, data, &shape, &strides);
        let ty_of_view = ArrayTy {
            ndim: x.ndim + y.ndim,
            layout: Layout::A,
            ..*x
        }
        .ty();
        self.ufunc(call, &[Typed::one(ty_of_view, view), b], ty)
    }

    /// An operator on operands of which at least one is an array.
    pub(super) fn array_operator(
        &mut self,
        row: Option<&'static Row>,
        operands: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        let (row, types) = self.operator_loop(row, operands)?;
        let operands = self.operands(row, &types, operands)?;
        self.apply(row, &types, &operands, ty)
    }

    /// `a op= b` for an array: the elements of `a` change, and the result is `a`.
    pub(super) fn in_place(&mut self, op: BinaryOp, a: &Typed, b: &Typed) -> Result<Vals> {
        let operands = [a.clone(), self.unwrap(b)?];
        if op == BinaryOp::MatMul {
            let ty = product(a.ty, of_operand(operands[1].ty)).unwrap_or(a.ty);
            let vals = self.array_product(&operands, false, ty)?;
            self.store_result(a, &Typed::new(ty, vals))?;
            return Ok(a.vals.clone());
        }
        let (row, types) = self.operator_loop(ufunc::of_binary(op), &operands)?;
        let call = UfuncCall {
            row,
            types,
            outs: 1,
            masked: false,
        };
        let [x, y] = operands;
        self.ufunc(&call, &[x, y, a.clone()], a.ty)
    }

    fn operator_loop(
        &self,
        row: Option<&'static Row>,
        operands: &[Typed],
    ) -> Result<(&'static Row, Loop)> {
        let types: Option<Vec<Operand>> = operands
            .iter()
            .map(|o| Operand::of(of_operand(o.ty), o.constant.as_ref()))
            .collect();
        let (Some(row), Some(types)) = (row, types) else {
            return Err(self.bug("an operator that is no ufunc"));
        };
        match ufunc::resolve(row, &types, None) {
            Ok(found) => Ok((row, found)),
            Err(_) => Err(self.bug("an operator without a loop")),
        }
    }

    /// The operands with what does not depend on the element done: scalars are checked and converted.
    fn operands(&mut self, row: &Row, types: &Loop, operands: &[Typed]) -> Result<Vec<Typed>> {
        let mut out = vec![];
        for (operand, &to) in operands.iter().zip(&types.inputs) {
            let operand = self.unwrap(operand)?;
            if let Some(a) = of_sequence(operand.ty) {
                let vals = self.new_from(&operand, a.ty())?;
                out.push(Typed::new(a.ty(), vals));
                continue;
            }
            let operand = self.item_of_zero_dim(&operand);
            if operand.ty.as_array().is_some() {
                out.push(operand);
                continue;
            }
            // (A choice casts what it gives, as NumPy has it.)
            if operand.ty.is_weak()
                && operand.ty.is_int()
                && to.is_int()
                && row.scalar != Scalar::Select
            {
                self.check_holds(&operand, to)?;
            }
            let vals = self.cast_element(&operand, to)?;
            out.push(Typed {
                ty: to,
                vals,
                constant: operand.constant,
            });
        }
        if let (Scalar::Binary(BinaryOp::Pow), [_, exponent]) = (row.scalar, &out[..])
            && types.inputs[1].is_signed()
        {
            let exponent = exponent.clone();
            self.check_exponent(&exponent)?;
        }
        Ok(out)
    }

    /// A function of prepared operands.
    fn apply(
        &mut self,
        row: &'static Row,
        types: &Loop,
        operands: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        if row.results() > 1 {
            let items = ty.tuple_items().unwrap_or_default();
            if items.iter().all(|t| t.as_array().is_some()) {
                return self.map_multi(operands, items, |body, x| body.element(row, types, x));
            }
        } else if ty.as_array().is_some() {
            return self.map(operands, ty, |body, x, _| {
                Ok(body.element(row, types, x)?.swap_remove(0))
            });
        }
        Ok(self
            .element(row, types, operands)?
            .into_iter()
            .flatten()
            .collect())
    }

    /// New arrays of these types, one for each result of `scalar`.
    fn map_multi(
        &mut self,
        operands: &[Typed],
        types: &[Ty],
        scalar: impl FnOnce(&mut Self, &[Typed]) -> Result<Results>,
    ) -> Result<Vals> {
        let arrays: Vec<ArrayTy> = types.iter().filter_map(|t| t.as_array()).collect();
        let shape = self.broadcast_shape(operands, arrays[0].ndim)?;
        self.nest(&shape, operands, |body, x| {
            let results = scalar(body, x)?;
            let output = |(values, &array): (Vals, &ArrayTy)| Output {
                values: values.into_iter().collect(),
                kind: OutputKind::New(item(array)),
            };
            Ok(results.into_iter().zip(&arrays).map(output).collect())
        })
    }

    /// Stores an array or a scalar in an `out` argument.
    pub(super) fn store_result(&mut self, out: &Typed, new: &Typed) -> Result<()> {
        let Kind::Array(target) = *out.ty.kind() else {
            return Err(self.bug("out is no array"));
        };
        if new.ty.as_array().is_some_and(|a| a.ndim > target.ndim) {
            let always = self.b.bool(true);
            return self.raise_if(
                always,
                "ValueError",
                "non-broadcastable output operand: the result has more dimensions",
            );
        }
        self.write_elements(out.vals[0], target, new.clone())
    }

    /// Raises OverflowError unless an integer type has the value of a Python integer.
    pub(super) fn check_holds(&mut self, value: &Typed, ty: Ty) -> Result<()> {
        let known = match value.constant {
            Some(Const::Int(known)) => format!(" {known}"),
            _ => String::new(),
        };
        let outside = self.is_outside(value, ty)?;
        let message = format!("Python integer{known} out of bounds for {ty}");
        self.raise_if(outside, "OverflowError", &message)
    }

    /// Whether an integer type does not have the value of an integer of 64 bits.
    pub(super) fn is_outside(&mut self, value: &Typed, ty: Ty) -> Result<Value> {
        if let Some(Const::Int(known)) = value.constant {
            return Ok(self.b.bool(!ufunc::holds(ty, known)));
        }
        let v = value.vals[0];
        if ty.bits() < 64 {
            let narrow = self.cast(value, ty)?;
            let back = self.cast(&Typed::new(ty, narrow), value.ty)?;
            return Ok(self.b.cmp(Cmp::Ne, back[0], v));
        }
        if ty.is_signed() == value.ty.is_signed() {
            return Ok(self.b.bool(false));
        }
        let zero = self.b.i64(0);
        Ok(self.b.cmp(Cmp::SLt, v, zero))
    }

    /// Raises ValueError if a signed integer, or an element of an array of them, is negative.
    fn check_exponent(&mut self, exponent: &Typed) -> Result<()> {
        const MESSAGE: &str = "Integers to negative integer powers are not allowed.";
        let negative = |body: &mut Self, v: Value| {
            let ty = body.b.ty(v);
            let zero = body.b.int(ty, 0);
            body.b.cmp(Cmp::SLt, v, zero)
        };
        let Kind::Array(a) = *exponent.ty.kind() else {
            let bad = negative(self, exponent.vals[0]);
            return self.raise_if(bad, "ValueError", MESSAGE);
        };
        if !a.dtype.is_signed() {
            return Ok(());
        }
        let shape = self.shape(exponent.vals[0], a.ndim);
        let bad = self.any(&shape, exponent, |body, x| negative(body, x.vals[0]))?;
        self.raise_if(bad, "ValueError", MESSAGE)
    }

    /// A conversion as NumPy makes it on the way into or out of a loop: the imaginary part may go.
    fn cast_element(&mut self, value: &Typed, to: Ty) -> Result<Vals> {
        if value.ty.is_complex() && !to.is_complex() && !to.is_bool() {
            return self.cast(&Typed::one(value.ty.part(), value.vals[0]), to);
        }
        self.cast(value, to)
    }

    /// The results of a row for one element of each operand.
    fn element(&mut self, row: &Row, types: &Loop, x: &[Typed]) -> Result<Results> {
        if types
            .inputs
            .iter()
            .chain(&types.outputs)
            .any(|t| t.is_half())
        {
            return self.half_element(row, types, x);
        }
        let mut typed: SmallVec<[Typed; 3]> = SmallVec::new();
        for (value, &to) in x.iter().zip(&types.inputs) {
            let vals = self.cast_element(value, to)?;
            typed.push(Typed {
                ty: to,
                vals,
                constant: value.constant.clone(),
            });
        }
        let x = typed;
        if types
            .inputs
            .iter()
            .chain(&types.outputs)
            .any(|t| t.is_time())
            && let Some(results) = self.time_element(row, types, &x)?
        {
            return Ok(results);
        }
        let (ty, out) = (types.inputs[0], types.outputs[0]);
        let v = x[0].vals[0];
        let one = |v: Value| -> Results { smallvec![smallvec![v]] };
        Ok(match row.scalar {
            Scalar::Binary(op) => smallvec![self.element_binary(op, &x[0], &x[1], out)?],
            Scalar::Unary(op) => smallvec![self.element_unary(op, &x[0].vals)],
            Scalar::Compare(op) => one(self.element_compare(op, &x[0], &x[1])),
            Scalar::Logical(op) => {
                let (a, b) = (self.nonzero(&x[0]), self.nonzero(&x[1]));
                let bin = match op {
                    BinaryOp::And => Bin::And,
                    BinaryOp::Or => Bin::Or,
                    _ => Bin::Xor,
                };
                one(self.b.binary(bin, a, b))
            }
            Scalar::LogicalNot => {
                let truth = self.nonzero(&x[0]);
                one(self.b.not(truth))
            }
            Scalar::Function(_, Some(complex)) if ty.is_complex() => {
                smallvec![self.complex_call(complex, &x[0].vals, out)]
            }
            Scalar::Function(func, _) => {
                let wide: Vec<Typed> = x
                    .iter()
                    .map(|a| Ok(Typed::new(out, self.cast(a, out)?)))
                    .collect::<Result<_>>()?;
                one(self.real(func, &wide, out)?)
            }
            Scalar::Rounding(un) if !ty.is_integral() => {
                smallvec![x[0].vals.iter().map(|&v| self.b.unary(un, v)).collect()]
            }
            Scalar::Rounding(_) => one(v),
            Scalar::Absolute if ty.is_bool() => one(v),
            Scalar::Absolute => one(self.absolute(&x[0], out)?),
            Scalar::Sign => smallvec![self.sign(&x[0])?],
            Scalar::Square => smallvec![self.product(&x[0].vals, &x[0].vals, ty)],
            Scalar::Reciprocal => smallvec![self.reciprocal(&x[0])?],
            Scalar::Conjugate if ty.is_complex() => {
                smallvec![smallvec![v, self.b.unary(Un::FNeg, x[0].vals[1])]]
            }
            Scalar::Conjugate => one(v),
            Scalar::Identity => smallvec![x[0].vals.clone()],
            Scalar::Fmod => one(self.c_remainder(ty, v, x[1].vals[0])),
            Scalar::DivMod => {
                let (q, r) = self.numpy_divmod(ty, v, x[1].vals[0])?;
                smallvec![smallvec![q], smallvec![r]]
            }
            Scalar::Gcd => one(self.gcd(ty, v, x[1].vals[0])),
            Scalar::Lcm => one(self.lcm(ty, v, x[1].vals[0])),
            Scalar::Heaviside => one(self.heaviside(v, x[1].vals[0])),
            Scalar::Extremum { max, keeps_nan } => {
                smallvec![self.extremum(max, keeps_nan, &x[0], &x[1])]
            }
            Scalar::LogAddExp { binary } => one(self.log_add_exp(binary, v, x[1].vals[0])),
            Scalar::Scale(factor) => {
                let t = self.b.ty(v);
                let factor = self.b.float(
                    t,
                    if t == Type::F32 {
                        f64::from(factor as f32)
                    } else {
                        factor
                    },
                );
                one(self.b.binary(Bin::FMul, v, factor))
            }
            Scalar::Classify(class) => one(self.classify(class, &x[0])?),
            Scalar::IsNat => one(self.is_nat(v)),
            Scalar::SignBit => one(self.sign_bit(v)),
            Scalar::Spacing => one(self.spacing(v)),
            Scalar::NextAfter => {
                let towards = [v, x[1].vals[0]];
                one(self.real_rt(RtFn::nextafter, RtFn::nextafterf, &towards))
            }
            Scalar::Modf => self.modf(v),
            Scalar::Frexp => {
                let wide = self.cast(&x[0], Ty::float(64))?;
                let parts = self.b.rt(RtFn::frexp, &wide);
                let mantissa = self.cast(&Typed::one(Ty::float(64), parts[0]), out)?;
                let exponent =
                    self.cast(&Typed::one(Ty::int(64, true), parts[1]), types.outputs[1])?;
                smallvec![mantissa, exponent]
            }
            Scalar::Ldexp => {
                let (m, n) = (
                    self.cast(&x[0], Ty::float(64))?,
                    self.cast(&x[1], Ty::int(64, true))?,
                );
                let r = self.b.rt1(RtFn::ldexp, &[m[0], n[0]]);
                smallvec![self.cast(&Typed::one(Ty::float(64), r), out)?]
            }
            Scalar::BitCount => {
                let size = if ty.is_signed() {
                    self.b.unary(Un::IAbs, v)
                } else {
                    v
                };
                let count = self.b.unary(Un::PopCount, size);
                smallvec![self.cast(&Typed::one(ty, count), out)?]
            }
            Scalar::Select => smallvec![
                x[1].vals
                    .iter()
                    .zip(&x[2].vals)
                    .map(|(&a, &b)| self.b.select(v, a, b))
                    .collect()
            ],
            Scalar::Clip => {
                let low = self.extremum(true, true, &x[0], &x[1]);
                smallvec![self.extremum(false, true, &Typed::new(ty, low), &x[2])]
            }
            Scalar::Round => smallvec![self.round(&x[0], x[1].vals[0])?],
        })
    }

    /// The same with float16: computed in float32, and rounded at the end.
    fn half_element(&mut self, row: &Row, types: &Loop, x: &[Typed]) -> Result<Results> {
        let single = |t: &Ty| if t.is_half() { Ty::float(32) } else { *t };
        let wide = Loop {
            inputs: types.inputs.iter().map(single).collect(),
            outputs: types.outputs.iter().map(single).collect(),
        };
        let mut operands = vec![];
        for (value, &to) in x.iter().zip(&types.inputs) {
            operands.push(Typed {
                ty: to,
                vals: self.cast_element(value, to)?,
                constant: value.constant.clone(),
            });
        }
        // Neighbours of a float16 are others than those of the float32 that is computed in.
        let neighbour = match row.scalar {
            Scalar::NextAfter => Some(RtFn::half_nextafter),
            Scalar::Spacing => Some(RtFn::half_spacing),
            _ => None,
        };
        if let Some(neighbour) = neighbour {
            let vals: Vals = operands.iter().map(|x| x.vals[0]).collect();
            return Ok(smallvec![smallvec![self.b.rt1(neighbour, &vals)]]);
        }
        let mut results = self.element(row, &wide, &operands)?;
        for (result, &ty) in results.iter_mut().zip(&types.outputs) {
            for v in result.iter_mut() {
                *v = self.rounded(ty, *v);
            }
        }
        Ok(results)
    }

    // ---- operators ----

    /// `x op y` of elements of one type; `+` and `*` of bools are `|` and `&`.
    fn element_binary(&mut self, op: BinaryOp, x: &Typed, y: &Typed, out: Ty) -> Result<Vals> {
        let (a, b) = (x.vals[0], y.vals[0]);
        let op = match (op, out.is_bool()) {
            (BinaryOp::Add, true) => BinaryOp::Or,
            (BinaryOp::Mul, true) => BinaryOp::And,
            (op, _) => op,
        };
        match op {
            BinaryOp::FloorDiv => return Ok(smallvec![self.numpy_divmod(out, a, b)?.0]),
            BinaryOp::Mod => return Ok(smallvec![self.numpy_divmod(out, a, b)?.1]),
            BinaryOp::Pow => return self.element_power(x, y, out),
            BinaryOp::TrueDiv if out.is_complex() => {
                return Ok(self.complex_divide(&x.vals, &y.vals));
            }
            _ => {}
        }
        let before = std::mem::replace(&mut self.numpy_errors, true);
        let result = self.binary(op, x, y, out);
        self.numpy_errors = before;
        result
    }

    fn element_unary(&mut self, op: UnaryOp, x: &[Value]) -> Vals {
        let is_float = self.b.ty(x[0]).is_float();
        let un = match op {
            UnaryOp::Neg if is_float => Un::FNeg,
            UnaryOp::Neg => Un::Neg,
            UnaryOp::Invert => Un::Not,
            _ => return x.into(),
        };
        x.iter().map(|&v| self.b.unary(un, v)).collect()
    }

    /// A comparison of elements of one type, or of a signed with an unsigned integer.
    fn element_compare(&mut self, op: CompareOp, x: &Typed, y: &Typed) -> Value {
        if x.ty != y.ty || x.ty.is_complex() && matches!(op, CompareOp::Eq | CompareOp::Ne) {
            return self.compare_numbers(op, x, y);
        }
        if x.ty.is_complex() {
            return self.complex_order(op, &x.vals, &y.vals);
        }
        let signed = x.ty.is_signed();
        let cmp = match op {
            _ if x.ty.is_float() => float_cmp(op),
            CompareOp::Eq => Cmp::Eq,
            CompareOp::Lt if signed => Cmp::SLt,
            CompareOp::Lt => Cmp::ULt,
            CompareOp::Le if signed => Cmp::SLe,
            CompareOp::Le => Cmp::ULe,
            CompareOp::Gt if signed => Cmp::SGt,
            CompareOp::Gt => Cmp::UGt,
            CompareOp::Ge if signed => Cmp::SGe,
            CompareOp::Ge => Cmp::UGe,
            _ => Cmp::Ne,
        };
        self.b.cmp(cmp, x.vals[0], y.vals[0])
    }

    /// Complex numbers are ordered by their real parts, equal ones by the imaginary parts; never with a NaN.
    fn complex_order(&mut self, op: CompareOp, x: &[Value], y: &[Value]) -> Value {
        let strict = if matches!(op, CompareOp::Lt | CompareOp::Le) {
            Cmp::FLt
        } else {
            Cmp::FGt
        };
        let first = self.b.cmp(strict, x[0], y[0]);
        let numbers = [x[1], y[1]].map(|v| self.b.cmp(Cmp::FEq, v, v));
        let numbers = self.b.binary(Bin::And, numbers[0], numbers[1]);
        let first = self.b.binary(Bin::And, first, numbers);
        let same = self.b.cmp(Cmp::FEq, x[0], y[0]);
        let second = self.b.cmp(float_cmp(op), x[1], y[1]);
        let second = self.b.binary(Bin::And, same, second);
        self.b.binary(Bin::Or, first, second)
    }

    fn product(&mut self, x: &[Value], y: &[Value], ty: Ty) -> Vals {
        if ty.is_complex() {
            return self.complex_multiply(x, y);
        }
        smallvec![
            self.b
                .binary(if ty.is_float() { Bin::FMul } else { Bin::Mul }, x[0], y[0])
        ]
    }

    /// A power; exponents of signed integers are not negative.
    fn element_power(&mut self, x: &Typed, y: &Typed, out: Ty) -> Result<Vals> {
        let known = match y.constant {
            Some(Const::Int(n)) => i64::try_from(n).ok(),
            Some(Const::Float(n)) if n.fract() == 0.0 && n.abs() <= 64.0 => Some(n as i64),
            _ => None,
        };
        let most = if out.is_int() { 64 } else { MOST_MULTIPLIED };
        if let Some(n) = known.filter(|n| (0..=most).contains(n) || *n == -1 && !out.is_int()) {
            return match n {
                -1 => self.reciprocal(x),
                _ => self.repeated_product(&x.vals, n, out),
            };
        }
        Ok(match *out.kind() {
            Kind::Int { signed, .. } => {
                let wide = Ty::int(64, signed);
                let args = [self.cast(x, wide)?[0], self.cast(y, wide)?[0]];
                let result = self
                    .b
                    .rt1(if signed { RtFn::ipow } else { RtFn::upow }, &args);
                self.cast(&Typed::one(wide, result), out)?
            }
            Kind::Float { .. } => {
                let (base, exponent) = (x.vals[0], y.vals[0]);
                let simple = match y.constant {
                    Some(Const::Float(n)) if self.in_nest => {
                        vector_math::constant_power(&mut self.b, base, n)
                    }
                    Some(Const::Int(n)) if self.in_nest => {
                        vector_math::constant_power(&mut self.b, base, n as f64)
                    }
                    _ => None,
                };
                smallvec![simple.unwrap_or_else(|| self.real_rt(
                    RtFn::pow,
                    RtFn::powf,
                    &[base, exponent]
                ))]
            }
            _ => self.complex_call(
                RtFn::cpow_numpy,
                &[x.vals[0], x.vals[1], y.vals[0], y.vals[1]],
                out,
            ),
        })
    }

    /// `x ** n` by repeated squaring.
    fn repeated_product(&mut self, x: &[Value], n: i64, ty: Ty) -> Result<Vals> {
        let mut base: Vals = x.into();
        let mut result: Option<Vals> = None;
        let mut k = n;
        while k > 0 {
            if k & 1 == 1 {
                result = Some(match result {
                    None => base.clone(),
                    Some(r) => self.product(&r, &base, ty),
                });
            }
            k >>= 1;
            if k > 0 {
                base = self.product(&base, &base, ty);
            }
        }
        match result {
            Some(result) => Ok(result),
            None => {
                let one = Typed::one(Ty::bool(), self.b.bool(true));
                self.cast(&one, ty)
            }
        }
    }

    /// Floor division and remainder as NumPy computes them.
    fn numpy_divmod(&mut self, ty: Ty, x: Value, y: Value) -> Result<(Value, Value)> {
        if ty.is_int() {
            let before = std::mem::replace(&mut self.numpy_errors, true);
            let result = self.int_divide(x, y, ty.is_signed());
            self.numpy_errors = before;
            return result;
        }
        let t = self.b.ty(x);
        let (zero, one, half) = (
            self.b.float(t, 0.0),
            self.b.float(t, 1.0),
            self.b.float(t, 0.5),
        );
        let ratio = self.b.binary(Bin::FDiv, x, y);
        let remainder = self.b.binary(Bin::FRem, x, y);
        let rest = self.b.binary(Bin::FSub, x, remainder);
        let quotient = self.b.binary(Bin::FDiv, rest, y);
        // The remainder has the divisor's sign, and the quotient is one less where that changes it.
        let exact = self.b.cmp(Cmp::FEq, remainder, zero);
        let (down, below) = (
            self.b.cmp(Cmp::FLt, y, zero),
            self.b.cmp(Cmp::FLt, remainder, zero),
        );
        let mixed = self.b.binary(Bin::Xor, down, below);
        let moved = self.b.binary(Bin::FAdd, remainder, y);
        let less = self.b.binary(Bin::FSub, quotient, one);
        let signed_zero = self.b.binary(Bin::CopySign, zero, y);
        let r = self.b.select(mixed, moved, remainder);
        let r = self.b.select(exact, signed_zero, r);
        let inexact = self.b.not(exact);
        let mixed = self.b.binary(Bin::And, mixed, inexact);
        let q = self.b.select(mixed, less, quotient);
        // The quotient is almost an integer: round it to that.
        let floor = self.b.unary(Un::Floor, q);
        let over = self.b.binary(Bin::FSub, q, floor);
        let over = self.b.cmp(Cmp::FGt, over, half);
        let next = self.b.binary(Bin::FAdd, floor, one);
        let rounded = self.b.select(over, next, floor);
        let no_quotient = self.b.cmp(Cmp::FEq, q, zero);
        let signed_zero = self.b.binary(Bin::CopySign, zero, ratio);
        let q = self.b.select(no_quotient, signed_zero, rounded);
        let by_zero = self.b.cmp(Cmp::FEq, y, zero);
        Ok((
            self.b.select(by_zero, ratio, q),
            self.b.select(by_zero, remainder, r),
        ))
    }

    /// The remainder of truncated division; 0 for a divisor 0 of integers.
    fn c_remainder(&mut self, ty: Ty, x: Value, y: Value) -> Value {
        if ty.is_float() {
            return self.b.binary(Bin::FRem, x, y);
        }
        let t = self.b.ty(x);
        let (zero, one) = (self.b.int(t, 0), self.b.int(t, 1));
        let mut trivial = self.b.cmp(Cmp::Eq, y, zero);
        if ty.is_signed() {
            // The minimum by -1 traps.
            let minus_one = self.b.int(t, -1);
            let negates = self.b.cmp(Cmp::Eq, y, minus_one);
            trivial = self.b.binary(Bin::Or, trivial, negates);
        }
        let divisor = self.b.select(trivial, one, y);
        self.b.binary(
            if ty.is_signed() { Bin::SRem } else { Bin::URem },
            x,
            divisor,
        )
    }

    // ---- numbers ----

    /// -1, 0 or 1, NaN for NaN; of a complex number, the number divided by its modulus.
    fn sign(&mut self, x: &Typed) -> Result<Vals> {
        let v = x.vals[0];
        let t = self.b.ty(v);
        if x.ty.is_complex() {
            return self.complex_sign(x);
        }
        let constant = |body: &mut Self, c: i64| {
            if t.is_float() {
                body.b.float(t, c as f64)
            } else {
                body.b.int(t, c)
            }
        };
        let (zero, one, minus) = (constant(self, 0), constant(self, 1), constant(self, -1));
        let null = Typed::one(x.ty, zero);
        let above = self.element_compare(CompareOp::Gt, x, &null);
        let below = self.element_compare(CompareOp::Lt, x, &null);
        let equal = self.element_compare(CompareOp::Eq, x, &null);
        // Neither holds of a NaN, which stays.
        let rest = self.b.select(equal, zero, v);
        let low = self.b.select(below, minus, rest);
        Ok(smallvec![self.b.select(above, one, low)])
    }

    /// A complex number divided by its modulus. Of an infinite one, the infinite part is left; NaN if
    /// both are infinite.
    fn complex_sign(&mut self, x: &Typed) -> Result<Vals> {
        let part = x.ty.part();
        let t = machine(part)[0];
        let (zero, one, nan) = (
            self.b.float(t, 0.0),
            self.b.float(t, 1.0),
            self.b.float(t, f64::NAN),
        );
        let size = self.absolute(x, part)?;
        let null = self.b.cmp(Cmp::FEq, size, zero);
        let is_infinite =
            |body: &mut Self, v: Value| body.classify(Class::Inf, &Typed::one(part, v));
        let infinite = is_infinite(self, size)?;
        let parts = [is_infinite(self, x.vals[0])?, is_infinite(self, x.vals[1])?];
        let both = self.b.binary(Bin::And, parts[0], parts[1]);
        let mut out = Vals::new();
        for (&v, part_infinite) in x.vals.iter().zip(parts) {
            let ratio = self.b.binary(Bin::FDiv, v, size);
            let unit = self.b.binary(Bin::CopySign, one, v);
            let limit = self.b.select(part_infinite, unit, zero);
            let limit = self.b.select(both, nan, limit);
            let r = self.b.select(infinite, limit, ratio);
            out.push(self.b.select(null, zero, r));
        }
        Ok(out)
    }

    fn reciprocal(&mut self, x: &Typed) -> Result<Vals> {
        let v = x.vals[0];
        let one = Typed::one(Ty::bool(), self.b.bool(true));
        if x.ty.is_complex() {
            let one = self.cast(&one, x.ty)?;
            return Ok(self.smith_quotient(&one, &x.vals));
        }
        // NumPy divides integers as doubles, too.
        let work = if x.ty.is_int() { Ty::float(64) } else { x.ty };
        let one = self.cast(&one, work)?[0];
        let v = self.cast(&Typed::one(x.ty, v), work)?[0];
        let quotient = self.b.binary(Bin::FDiv, one, v);
        let result = self.cast(&Typed::one(work, quotient), x.ty)?;
        if !x.ty.is_int() {
            return Ok(result);
        }
        // What the conversion of an infinity gives in C on x86.
        let t = machine(x.ty)[0];
        let zero = self.b.int(t, 0);
        let limit = if x.ty.is_signed() && t.bits() >= 32 {
            i64::MIN >> (64 - t.bits())
        } else {
            0
        };
        let limit = self.b.int(t, limit);
        let by_zero = self.b.cmp(Cmp::Eq, x.vals[0], zero);
        Ok(smallvec![self.b.select(by_zero, limit, result[0])])
    }

    /// A quotient; division by zero gives what the parts give.
    fn complex_divide(&mut self, x: &[Value], y: &[Value]) -> Vals {
        let quotient = self.smith_quotient(x, y);
        let t = self.b.ty(x[0]);
        let zero = self.b.float(t, 0.0);
        let size = self.b.unary(Un::FAbs, y[0]);
        let zeros = [y[0], y[1]].map(|v| self.b.cmp(Cmp::FEq, v, zero));
        let by_zero = self.b.binary(Bin::And, zeros[0], zeros[1]);
        let limits = [x[0], x[1]].map(|v| self.b.binary(Bin::FDiv, v, size));
        smallvec![
            self.b.select(by_zero, limits[0], quotient[0]),
            self.b.select(by_zero, limits[1], quotient[1])
        ]
    }

    /// A quotient by Smith's method: the parts are divided by the larger part of the divisor.
    fn smith_quotient(&mut self, x: &[Value], y: &[Value]) -> Vals {
        let t = self.b.ty(x[0]);
        let one = self.b.float(t, 1.0);
        let (re, im) = (self.b.unary(Un::FAbs, y[0]), self.b.unary(Un::FAbs, y[1]));
        let real = self.b.cmp(Cmp::FGe, re, im);
        let (large, small) = (
            self.b.select(real, y[0], y[1]),
            self.b.select(real, y[1], y[0]),
        );
        let (p, q) = (
            self.b.select(real, x[0], x[1]),
            self.b.select(real, x[1], x[0]),
        );
        let ratio = self.b.binary(Bin::FDiv, small, large);
        let part = self.b.binary(Bin::FMul, small, ratio);
        let sum = self.b.binary(Bin::FAdd, large, part);
        let scale = self.b.binary(Bin::FDiv, one, sum);
        let part = self.b.binary(Bin::FMul, q, ratio);
        let sum = self.b.binary(Bin::FAdd, p, part);
        let first = self.b.binary(Bin::FMul, sum, scale);
        let part = self.b.binary(Bin::FMul, p, ratio);
        let (above, below) = (
            self.b.binary(Bin::FSub, q, part),
            self.b.binary(Bin::FSub, part, q),
        );
        let difference = self.b.select(real, above, below);
        smallvec![first, self.b.binary(Bin::FMul, difference, scale)]
    }

    fn gcd(&mut self, ty: Ty, x: Value, y: Value) -> Value {
        let signed = ty.is_signed();
        let t = self.b.ty(x);
        let extend = if signed { Cast::SExt } else { Cast::ZExt };
        let args = [x, y].map(|v| {
            if t == Type::I64 {
                v
            } else {
                self.b.cast(extend, v, Type::I64)
            }
        });
        let r = self
            .b
            .rt1(if signed { RtFn::gcd } else { RtFn::ugcd }, &args);
        if t == Type::I64 {
            r
        } else {
            self.b.cast(Cast::Trunc, r, t)
        }
    }

    fn lcm(&mut self, ty: Ty, x: Value, y: Value) -> Value {
        let signed = ty.is_signed();
        let t = self.b.ty(x);
        let [a, b] = [x, y].map(|v| if signed { self.b.unary(Un::IAbs, v) } else { v });
        let divisor = self.gcd(ty, x, y);
        let (zero, one) = (self.b.int(t, 0), self.b.int(t, 1));
        let none = self.b.cmp(Cmp::Eq, divisor, zero);
        let divisor = self.b.select(none, one, divisor);
        // Magnitudes: the minimum is its own, read as unsigned.
        let quotient = self.b.binary(Bin::UDiv, a, divisor);
        self.b.binary(Bin::Mul, quotient, b)
    }

    /// The smaller or larger of two numbers; complex numbers by their order.
    fn extremum(&mut self, max: bool, keeps_nan: bool, x: &Typed, y: &Typed) -> Vals {
        if let ([a], [b], true) = (
            &x.vals[..],
            &y.vals[..],
            matches!(x.ty.kind(), Kind::Float { .. }),
        ) {
            // One instruction of the processor, but for a NaN: of two values that are not ordered it
            // gives the first.
            let order = if max { Cmp::FLt } else { Cmp::FGt };
            let second = self.b.cmp(order, *a, *b);
            let ordered = self.b.select(second, *b, *a);
            let asked = if keeps_nan { *b } else { *a };
            let nan = self.b.cmp(Cmp::FNe, asked, asked);
            return smallvec![self.b.select(nan, *b, ordered)];
        }
        let order = if max { CompareOp::Ge } else { CompareOp::Le };
        let mut first = self.element_compare(order, x, y);
        // A NaN is not ordered: the first is taken if it is one and that is what is wanted, or if the
        // second is one and that is not.
        let asked = if keeps_nan { x } else { y };
        if !x.ty.is_integral() {
            for &v in &asked.vals {
                let nan = self.b.cmp(Cmp::FNe, v, v);
                first = self.b.binary(Bin::Or, first, nan);
            }
        }
        x.vals
            .iter()
            .zip(&y.vals)
            .map(|(&a, &b)| self.b.select(first, a, b))
            .collect()
    }

    /// 0 below zero, 1 above, `y` at zero; NaN for NaN.
    fn heaviside(&mut self, x: Value, y: Value) -> Value {
        let t = self.b.ty(x);
        let (zero, one) = (self.b.float(t, 0.0), self.b.float(t, 1.0));
        let below = self.b.cmp(Cmp::FLt, x, zero);
        let above = self.b.cmp(Cmp::FGt, x, zero);
        let at = self.b.cmp(Cmp::FEq, x, zero);
        let r = self.b.select(at, y, x);
        let r = self.b.select(above, one, r);
        self.b.select(below, zero, r)
    }

    fn log_add_exp(&mut self, binary: bool, x: Value, y: Value) -> Value {
        let t = self.b.ty(x);
        let power_of = if binary {
            (RtFn::exp2, RtFn::exp2f)
        } else {
            (RtFn::exp, RtFn::expf)
        };
        let difference = self.b.binary(Bin::FSub, x, y);
        let zero = self.b.float(t, 0.0);
        let above = self.b.cmp(Cmp::FGt, difference, zero);
        let larger = self.b.select(above, x, y);
        let distance = self.b.unary(Un::FAbs, difference);
        let distance = self.b.unary(Un::FNeg, distance);
        let power = self.real_rt(power_of.0, power_of.1, &[distance]);
        let mut rest = self.real_rt(RtFn::log1p, RtFn::log1pf, &[power]);
        if binary {
            let log2_e = self.b.float(t, std::f64::consts::LOG2_E);
            rest = self.b.binary(Bin::FMul, rest, log2_e);
        }
        let sum = self.b.binary(Bin::FAdd, larger, rest);
        // Equal infinities have no difference.
        let same = self.b.cmp(Cmp::FEq, x, y);
        let twice = self
            .b
            .float(t, if binary { 1.0 } else { std::f64::consts::LN_2 });
        let doubled = self.b.binary(Bin::FAdd, x, twice);
        self.b.select(same, doubled, sum)
    }

    // ---- floating point ----

    fn bits(&mut self, x: Value) -> Value {
        let int = if self.b.ty(x) == Type::F32 {
            Type::I32
        } else {
            Type::I64
        };
        self.b.cast(Cast::Bits, x, int)
    }

    fn sign_bit(&mut self, x: Value) -> Value {
        let bits = self.bits(x);
        let t = self.b.ty(bits);
        let zero = self.b.int(t, 0);
        self.b.cmp(Cmp::SLt, bits, zero)
    }

    /// The distance to the next number away from zero, with the sign of `x`.
    fn spacing(&mut self, x: Value) -> Value {
        let t = self.b.ty(x);
        let bits = self.bits(x);
        let int = self.b.ty(bits);
        let one = self.b.int(int, 1);
        let next = self.b.binary(Bin::Add, bits, one);
        let zero = self.b.float(t, 0.0);
        let is_zero = self.b.cmp(Cmp::FEq, x, zero);
        let next = self.b.select(is_zero, one, next);
        let next = self.b.cast(Cast::Bits, next, t);
        let step = self.b.binary(Bin::FSub, next, x);
        let size = self.b.unary(Un::FAbs, x);
        let infinity = self.b.float(t, f64::INFINITY);
        let nan = self.b.float(t, f64::NAN);
        let finite = self.b.cmp(Cmp::FLt, size, infinity);
        self.b.select(finite, step, nan)
    }

    /// The fractional and the integral part.
    fn modf(&mut self, x: Value) -> Results {
        let t = self.b.ty(x);
        let whole = self.b.unary(Un::Trunc, x);
        let size = self.b.unary(Un::FAbs, x);
        let infinity = self.b.float(t, f64::INFINITY);
        let infinite = self.b.cmp(Cmp::FEq, size, infinity);
        let zero = self.b.float(t, 0.0);
        let fraction = self.b.binary(Bin::FSub, x, whole);
        let fraction = self.b.select(infinite, zero, fraction);
        let fraction = self.b.binary(Bin::CopySign, fraction, x);
        smallvec![smallvec![fraction], smallvec![whole]]
    }

    /// `np.round`: scaled by a power of ten, rounded half to even, scaled back.
    fn round(&mut self, x: &Typed, decimals: Value) -> Result<Vals> {
        let work = if x.ty.is_int() { Ty::float(64) } else { x.ty };
        let part = machine(work)[0];
        let zero = self.b.i64(0);
        let count = self.b.unary(Un::IAbs, decimals);
        let count = self.b.cast(Cast::SIToFP, count, Type::F64);
        let ten = self.b.float(Type::F64, 10.0);
        let power = self.b.rt1(RtFn::pow, &[ten, count]);
        let power = if part == Type::F32 {
            self.b.cast(Cast::FPTrunc, power, part)
        } else {
            power
        };
        let digits = self.b.cmp(Cmp::SGt, decimals, zero);
        let whole = self.b.cmp(Cmp::Eq, decimals, zero);
        let mut out = Vals::new();
        for v in self.cast(x, work)? {
            let plain = self.b.unary(Un::RoundEven, v);
            let (up, down) = (
                self.b.binary(Bin::FMul, v, power),
                self.b.binary(Bin::FDiv, v, power),
            );
            let scaled = self.b.select(digits, up, down);
            let rounded = self.b.unary(Un::RoundEven, scaled);
            let (up, down) = (
                self.b.binary(Bin::FMul, rounded, power),
                self.b.binary(Bin::FDiv, rounded, power),
            );
            let scaled = self.b.select(digits, down, up);
            out.push(self.b.select(whole, plain, scaled));
        }
        if !x.ty.is_int() {
            return Ok(out);
        }
        let tens = self.b.cmp(Cmp::SLt, decimals, zero);
        let rounded = self.cast(&Typed::new(work, out), x.ty)?;
        Ok(smallvec![self.b.select(tens, rounded[0], x.vals[0])])
    }
}

fn float_cmp(op: CompareOp) -> Cmp {
    match op {
        CompareOp::Eq => Cmp::FEq,
        CompareOp::Lt => Cmp::FLt,
        CompareOp::Le => Cmp::FLe,
        CompareOp::Gt => Cmp::FGt,
        CompareOp::Ge => Cmp::FGe,
        _ => Cmp::FNe,
    }
}
