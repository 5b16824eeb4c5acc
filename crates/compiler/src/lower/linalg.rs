//! Products of arrays, and the loops of `numpy.linalg`.
//!
//! Of matrices, the runtime makes products: by NumPy's own loops (BLAS), or by itself where they are small.
//! Where a vector is one of the factors, memory is what it waits for: such a product is a sum over a nest,
//! which fuses with what is around it. So are products of integers, which BLAS does not have.

use ferdelance_abi::gufunc::{self, LOOPS, MOST_OPERANDS};
use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::elementwise::item;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::BinaryOp;
use crate::infer::linalg::product;
use crate::tir::nest::{Axis, Output, OutputKind, Reduction, Subview};
use crate::tir::{Bin, Cmp, Mem, Part, Type, Value};
use crate::types::promote::common_dtype;
use crate::types::{ArrayTy, Kind, Layout, Ty};

/// An array in a call of a loop: how many of its dimensions, the last ones, are the loop's own.
type Operand = (Value, ArrayTy, usize);

impl Body<'_, '_, '_> {
    /// `a @ b` for arrays, into a new array or `out`.
    pub(super) fn array_product(&mut self, args: &[Typed], is_dot: bool, ty: Ty) -> Result<Vals> {
        let ((a, x), (b, y)) = (self.as_array(&args[0])?, self.as_array(&args[1])?);
        let (a, b) = (Typed::one(x.ty(), a), Typed::one(y.ty(), b));
        let dtype = common_dtype(x.dtype, y.dtype);
        if dtype.is_half() {
            return self.product_of_halves(&[a, b], args.get(2), is_dot, ty);
        }
        let (left, right) = (self.shape(a.vals[0], x.ndim), self.shape(b.vals[0], y.ndim));
        self.check_aligned(&left, &right, is_dot)?;
        let (m, k) = left.split_at(left.len() - 1);
        let n: Vals = if right.len() > 1 {
            right[right.len() - 1..].into()
        } else {
            Vals::new()
        };
        let stack = self.stack_shape(&left, &right)?;
        let result = ArrayTy {
            dtype,
            ndim: (stack.len() + m.len().min(1) + n.len()) as u8,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let vals = match (x.ndim, y.ndim) {
            (_, 1) => {
                let over = 1 << (x.ndim - 1);
                self.sum_of_products(&left, over, &[a, b], result)?
            }
            (1, _) => {
                let a = self.with_axes(&a, x, &[Axis::Whole(0), Axis::New]);
                let over = 1 << (y.ndim - 2);
                self.sum_of_products(&right, over, &[a, b], result)?
            }
            _ if !(dtype.is_float() || dtype.is_complex()) => {
                let mut shape = stack.clone();
                shape.extend([m[m.len() - 1], k[0], n[0]]);
                let whole = |range: std::ops::Range<u8>| range.map(Axis::Whole);
                let axes: Vec<Axis> = whole(0..x.ndim).chain([Axis::New]).collect();
                let a = self.with_axes(&a, x, &axes);
                let axes: Vec<Axis> = whole(0..y.ndim - 2)
                    .chain([Axis::New])
                    .chain(whole(y.ndim - 2..y.ndim))
                    .collect();
                let b = self.with_axes(&b, y, &axes);
                self.sum_of_products(&shape, 1 << (stack.len() + 1), &[a, b], result)?
            }
            _ => {
                let target = match args.get(2) {
                    Some(out) => {
                        self.check_out(out, &left, &right, &stack, is_dot)?;
                        out.ty.as_array().map(|o| (out.vals[0], o))
                    }
                    None => None,
                };
                let target = target.filter(|(_, o)| o.dtype.strong() == dtype && o.aligned);
                let vals = self.matrix_product(&a, &b, &stack, result, target)?;
                if target.is_some() {
                    return self.cast(&args[2], ty);
                }
                vals
            }
        };
        let Some(out) = args.get(2) else {
            return Ok(vals);
        };
        self.check_out(out, &left, &right, &stack, is_dot)?;
        self.store_result(out, &Typed::new(result.ty(), vals))?;
        self.cast(out, ty)
    }

    /// Raises ValueError unless an array has the shape of a product.
    fn check_out(
        &mut self,
        out: &Typed,
        left: &[Value],
        right: &[Value],
        stack: &[Value],
        is_dot: bool,
    ) -> Result<()> {
        let core: Vals = [
            left.len().checked_sub(2).map(|i| left[i]),
            right.len().checked_sub(2).map(|i| right[i + 1]),
        ]
        .into_iter()
        .flatten()
        .collect();
        let ndim = stack.len() + core.len();
        let shape = self.shape(out.vals[0], ndim as u8);
        let mut bad = self.b.bool(false);
        for (dim, &n) in stack.iter().chain(&core).enumerate() {
            let differ = self.b.cmp(Cmp::Ne, shape[dim], n);
            if !is_dot && dim >= stack.len() {
                let message = format!(
                    "matmul: Output operand 0 has a mismatch in its core dimension {}, with gufunc \
                     signature (n?,k),(k,m?)->(n?,m?) (size {{}} is different from {{}})",
                    dim - stack.len()
                );
                self.raise_numbers_if(differ, "ValueError", &message, &[shape[dim], n])?;
            } else {
                bad = self.b.binary(Bin::Or, bad, differ);
            }
        }
        let message = if is_dot {
            "output array has wrong dimensions"
        } else {
            "operands could not be broadcast together: the output has another stack of matrices"
        };
        self.raise_if(bad, "ValueError", message)
    }

    /// The same of float16, which sums are too long for: computed in float32.
    fn product_of_halves(
        &mut self,
        factors: &[Typed; 2],
        out: Option<&Typed>,
        is_dot: bool,
        ty: Ty,
    ) -> Result<Vals> {
        let in_single = |t: Ty| match t.as_array() {
            Some(a) => Ty::array(Ty::float(32), a.ndim, Layout::C),
            None => Ty::float(32),
        };
        let mut wide = vec![];
        for factor in factors {
            let to = in_single(factor.ty);
            let vals = self.map(std::slice::from_ref(factor), to, |body, x, dtype| {
                body.cast(&x[0], dtype)
            })?;
            wide.push(Typed::new(to, vals));
        }
        let Some(made) = product(wide[0].ty, wide[1].ty) else {
            return Err(self.bug("no product"));
        };
        let vals = self.array_product(&wide, is_dot, made)?;
        let made = Typed::new(made, vals);
        if let Some(out) = out {
            self.store_result(out, &made)?;
            return self.cast(out, ty);
        }
        if made.ty.as_array().is_none() {
            return self.cast(&made, ty);
        }
        self.map(&[made], ty, |body, x, dtype| body.cast(&x[0], dtype))
    }

    /// Raises ValueError unless the dimensions that are summed over are equal.
    fn check_aligned(&mut self, left: &[Value], right: &[Value], is_dot: bool) -> Result<()> {
        let (i, j) = (left.len() - 1, right.len().saturating_sub(2));
        let differ = self.b.cmp(Cmp::Ne, left[i], right[j]);
        if is_dot {
            let message = format!(
                "shapes {} and {} not aligned: {{}} (dim {i}) != {{}} (dim {j})",
                shape_text(left.len(), left.len()),
                shape_text(right.len(), right.len())
            );
            let numbers = [left, right, &[left[i], right[j]]].concat();
            self.raise_numbers_if(differ, "ValueError", &message, &numbers)
        } else {
            let message = "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc \
                           signature (n?,k),(k,m?)->(n?,m?) (size {} is different from {})";
            self.raise_numbers_if(differ, "ValueError", message, &[right[j], left[i]])
        }
    }

    /// What the dimensions before those of the matrices are broadcast to.
    fn stack_shape(&mut self, left: &[Value], right: &[Value]) -> Result<Vals> {
        let (a, b) = (
            &left[..left.len().saturating_sub(2)],
            &right[..right.len().saturating_sub(2)],
        );
        if a.is_empty() || b.is_empty() {
            return Ok([a, b].concat().into());
        }
        let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
        let skip = long.len() - short.len();
        let mut shape: Vals = long.into();
        let mut bad = self.b.bool(false);
        for (at, &n) in short.iter().enumerate() {
            let before = shape[skip + at];
            let wrong = self.b.cmp(Cmp::Unfit, before, n);
            bad = self.b.binary(Bin::Or, bad, wrong);
            shape[skip + at] = self.b.binary(Bin::Fit, before, n);
        }
        let remapped = |full: &[Value], stack: &[Value]| {
            let whole = shape_text(full.len(), full.len());
            format!("{whole}->{}", shape_text(stack.len(), full.len()))
        };
        let message = format!(
            "operands could not be broadcast together with remapped shapes [original->remapped]: {} {}  \
             and requested shape ({{}},{{}})",
            remapped(left, a),
            remapped(right, b)
        );
        let core = [left[left.len() - 2], right[right.len() - 1]];
        let numbers = [left, a, right, b, &core].concat();
        self.raise_numbers_if(bad, "ValueError", &message, &numbers)?;
        Ok(shape)
    }

    /// An array with other axes.
    pub(super) fn with_axes(&mut self, array: &Typed, a: ArrayTy, axes: &[Axis]) -> Typed {
        let view = Subview {
            base: array.vals[0],
            at: smallvec![],
            axes: axes.into(),
            item: item(a),
        };
        let ty = ArrayTy {
            ndim: axes.len() as u8,
            layout: Layout::A,
            ..a
        }
        .ty();
        Typed::one(ty, self.b.subview(view))
    }

    /// The sum of the products of arrays over some dimensions of a nest.
    pub(super) fn sum_of_products(
        &mut self,
        shape: &[Value],
        over: u32,
        factors: &[Typed],
        result: ArrayTy,
    ) -> Result<Vals> {
        let dtype = result.dtype;
        let zero = Typed {
            ty: Ty::py_int(),
            vals: smallvec![self.b.i64(0)],
            constant: None,
        };
        let init = self.cast(&zero, dtype)?;
        self.nest(shape, factors, |body, elements| {
            let product = body.product_of(elements, dtype)?;
            let accumulators: SmallVec<[Value; 2]> = machine(dtype)
                .into_iter()
                .map(|t| body.b.value(t))
                .collect();
            let add = match dtype.kind() {
                Kind::Bool => Bin::Or,
                Kind::Int { .. } => Bin::Add,
                _ => Bin::FAddAnyOrder,
            };
            let values = accumulators
                .iter()
                .zip(&product)
                .map(|(&a, &p)| body.b.binary(add, a, p))
                .collect();
            let reduction = Reduction {
                over,
                accumulators,
                init: init.into_iter().collect(),
                pairwise: dtype.is_float() || dtype.is_complex(),
                item: (result.ndim > 0).then(|| item(result)),
                target: None,
            };
            Ok(vec![Output {
                values,
                kind: OutputKind::Reduce(reduction),
            }])
        })
    }

    /// The product of numbers, of this type.
    pub(super) fn product_of(&mut self, factors: &[Typed], dtype: Ty) -> Result<Vals> {
        let mut product: Option<Typed> = None;
        for factor in factors {
            let factor = Typed::new(dtype, self.cast(factor, dtype)?);
            product = Some(match product {
                None => factor,
                Some(before) => {
                    let vals = match dtype.kind() {
                        Kind::Bool => {
                            let both = self.b.binary(Bin::And, before.vals[0], factor.vals[0]);
                            smallvec![both]
                        }
                        Kind::Int { .. } => {
                            let all = self.b.binary(Bin::Mul, before.vals[0], factor.vals[0]);
                            smallvec![all]
                        }
                        _ => self.binary(BinaryOp::Mul, &before, &factor, dtype)?,
                    };
                    Typed::new(dtype, vals)
                }
            });
        }
        product
            .map(|p| p.vals)
            .ok_or_else(|| self.bug("a product of nothing"))
    }

    /// Products of matrices by the runtime, into a new array or one of their shape.
    pub(super) fn matrix_product(
        &mut self,
        a: &Typed,
        b: &Typed,
        stack: &[Value],
        result: ArrayTy,
        target: Option<(Value, ArrayTy)>,
    ) -> Result<Vals> {
        let mut operands: SmallVec<[Operand; 3]> = smallvec![];
        for factor in [a, b] {
            let (array, f) = self.as_loops_take_it(factor, result.dtype)?;
            operands.push((array, f, 2));
        }
        let size = |body: &mut Self, (array, a, _): Operand, back: u8| {
            body.b.part(array, Part::Shape(a.ndim - back))
        };
        let sizes = [
            size(self, operands[0], 2),
            size(self, operands[0], 1),
            size(self, operands[1], 1),
        ];
        let mut shape: Vals = stack.into();
        shape.extend([sizes[0], sizes[2]]);
        let (c, ty) = match target {
            Some(target) => target,
            None => {
                let size = result.dtype.itemsize();
                (self.allocate(size, Layout::C, &shape, false)?, result)
            }
        };
        operands.push((c, ty, 2));
        let words = self.loop_words(stack, &sizes, &operands);
        let types = match (result.dtype.is_complex(), result.dtype.bits()) {
            (false, 32) => "fff",
            (false, _) => "ddd",
            (true, 64) => "FFF",
            (true, _) => "DDD",
        };
        let Some(number) = gufunc::Loop::number("matmul", types) else {
            return Err(self.bug("no loop of matmul"));
        };
        let number = self.b.i64(number as i64);
        let mut call: Vals = smallvec![number];
        call.extend(operands.iter().map(|o| self.b.part(o.0, Part::Data)));
        call.push(words);
        if target.is_some() {
            self.rt_raising(RtFn::matmul_into, &call)?;
        } else {
            self.b.rt(RtFn::matmul, &call);
        }
        Ok(smallvec![c])
    }

    /// An array of this type whose items are aligned: itself or a copy.
    fn as_loops_take_it(&mut self, array: &Typed, dtype: Ty) -> Result<(Value, ArrayTy)> {
        let Kind::Array(a) = *array.ty.kind() else {
            return Err(self.bug("an operand that is no array"));
        };
        if a.dtype.strong() == dtype && a.aligned {
            return Ok((array.vals[0], a));
        }
        let copy = ArrayTy {
            dtype,
            layout: if a.layout == Layout::F {
                Layout::F
            } else {
                Layout::C
            },
            readonly: false,
            aligned: true,
            ..a
        };
        let vals = self.map(std::slice::from_ref(array), copy.ty(), |body, x, dtype| {
            body.cast(&x[0], dtype)
        })?;
        Ok((vals[0], copy))
    }

    /// Runs a loop of `numpy.linalg` for each matrix of its operands; whether it failed.
    pub(super) fn call_gufunc(&mut self, number: usize, args: &[Typed]) -> Result<Value> {
        let cores: Vec<Vec<&str>> = LOOPS[number].cores().collect();
        let mut operands: SmallVec<[Operand; 3]> = smallvec![];
        let (mut names, mut sizes): (Vec<&str>, Vals) = (vec![], smallvec![]);
        for (arg, core) in args.iter().zip(&cores) {
            let own = arg.ty.as_array().map_or(arg.ty, |a| a.dtype);
            let (array, a) = self.as_loops_take_it(arg, own.strong())?;
            let outer = usize::from(a.ndim) - core.len();
            operands.push((array, a, core.len()));
            for (dim, name) in (outer..).zip(core) {
                if !names.contains(name) {
                    names.push(*name);
                    sizes.push(self.b.part(array, Part::Shape(dim as u8)));
                }
            }
        }
        // The results come last, and nothing is broadcast to them but operands.
        let Some(&(last, a, core)) = operands.last() else {
            return Err(self.bug("a loop without operands"));
        };
        let extents = self.shape(last, a.ndim - core as u8);
        let words = self.loop_words(&extents, &sizes, &operands);
        let number = self.b.i64(number as i64);
        let mut call: Vals = smallvec![number, words];
        call.extend(operands.iter().map(|o| self.b.part(o.0, Part::Data)));
        while call.len() < 2 + MOST_OPERANDS {
            call.push(self.b.null(Type::Ptr));
        }
        Ok(self.b.rt1(RtFn::gufunc, &call))
    }

    /// The words of a call of a loop, on the stack: see the runtime's `linalg`. Operands are broadcast to
    /// the extents.
    fn loop_words(&mut self, extents: &[Value], sizes: &[Value], operands: &[Operand]) -> Value {
        let mut words: Vals = [operands.len(), extents.len(), sizes.len()]
            .map(|n| self.b.i64(n as i64))
            .as_slice()
            .into();
        words.extend(extents.iter().chain(sizes).copied());
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        for &(array, a, core) in operands {
            words.push(self.b.i64(core as i64));
            let outer = usize::from(a.ndim) - core;
            words.extend(std::iter::repeat_n(zero, extents.len() - outer));
            for dim in 0..usize::from(a.ndim) {
                let stride = self.stride(array, a, dim);
                words.push(if dim < outer {
                    let n = self.b.part(array, Part::Shape(dim as u8));
                    let is_one = self.b.cmp(Cmp::Eq, n, one);
                    self.b.select(is_one, zero, stride)
                } else {
                    stride
                });
            }
        }
        self.words_on_stack(&words)
    }

    /// The address of these integers.
    pub(super) fn words_on_stack(&mut self, words: &[Value]) -> Value {
        let slot = self.b.stack_slot(8 * words.len().max(1) as u32, 8);
        for (i, &word) in words.iter().enumerate() {
            let at = self.b.i64(i as i64 * 8);
            let ptr = self.b.offset(slot, at);
            self.b.store(ptr, word, 8, Mem::Stack);
        }
        slot
    }
}

/// `({},{},newaxis)`: a shape of so many known dimensions and so many in all, as NumPy's errors have it.
pub(super) fn shape_text(known: usize, all: usize) -> String {
    let mut dims = vec!["{}"; known];
    dims.resize(all, "newaxis");
    shape_words(&dims)
}

/// The dimensions of a shape as NumPy's errors have it.
pub(super) fn shape_words(dims: &[&str]) -> String {
    match dims {
        [one] => format!("({one},)"),
        _ => format!("({})", dims.join(",")),
    }
}
