//! Operations on whole arrays: nests ([`crate::tir::nest`]) over the broadcast shape around a scalar
//! operation. Nothing is fused here; what this computes is what fusion must preserve.

use smallvec::{SmallVec, smallvec};

use super::linalg::shape_text;
use super::value::item_types;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::hir::CompareOp;
use crate::infer::record;
use crate::tir::nest::{Access, Along, Input, Item, Output, OutputKind, Stretch};
use crate::tir::{Bin, BlockId, Cast, Cmp, Nest, Op, Part, Term, Type, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};
use crate::ufunc;

impl Body<'_, '_, '_> {
    /// A comparison of scalars, tuples and so on, or element by element.
    pub(super) fn comparison(
        &mut self,
        op: CompareOp,
        a: &Typed,
        b: &Typed,
        ty: Ty,
    ) -> Result<Vals> {
        if ty.as_array().is_some() {
            let operands = [self.unwrap(a)?, self.unwrap(b)?];
            if operands[0]
                .ty
                .as_array()
                .map_or(operands[0].ty, |a| a.dtype)
                .as_record()
                .is_some()
            {
                return self.compare_records(op, &operands[0], &operands[1], ty);
            }
            return self.array_operator(ufunc::of_compare(op), &operands, ty);
        }
        if let (CompareOp::In | CompareOp::NotIn, Kind::Array(array)) = (op, b.ty.kind()) {
            let wanted = self.unwrap(a)?;
            let shape = self.shape(b.vals[0], array.ndim);
            let found = if wanted.ty.is_time() {
                let ty = Ty::array(Ty::bool(), array.ndim, Layout::C);
                let same = self.array_operator(
                    ufunc::of_compare(CompareOp::Eq),
                    &[b.clone(), wanted],
                    ty,
                )?;
                self.any(&shape, &Typed::new(ty, same), |_, x| x.vals[0])?
            } else {
                self.any(&shape, b, |body, x| {
                    body.compare_numbers(CompareOp::Eq, x, &wanted)
                })?
            };
            return Ok(smallvec![if op == CompareOp::In {
                found
            } else {
                self.b.not(found)
            }]);
        }
        let (a, b) = (self.item_of_zero_dim(a), self.item_of_zero_dim(b));
        Ok(smallvec![self.compare(op, &a, &b)?])
    }

    /// The element of an array without dimensions; other values as they are.
    pub(super) fn item_of_zero_dim(&mut self, value: &Typed) -> Typed {
        match *value.ty.kind() {
            Kind::Array(a) if a.ndim == 0 => {
                let address = self.b.part(value.vals[0], Part::Data);
                Typed::new(
                    record::item(a.dtype, a.readonly),
                    self.item_at(value.vals[0], address, a),
                )
            }
            _ => value.clone(),
        }
    }

    /// A new array of type `ty` whose elements are `scalar` of the operands' elements.
    pub(super) fn map(
        &mut self,
        operands: &[Typed],
        ty: Ty,
        scalar: impl FnOnce(&mut Self, &[Typed], Ty) -> Result<Vals>,
    ) -> Result<Vals> {
        let Kind::Array(result) = *ty.kind() else {
            return Err(self.bug("an element-wise result that is no array"));
        };
        let shape = self.broadcast_shape(operands, result.ndim)?;
        self.nest(&shape, operands, |body, elements| {
            let values = scalar(body, elements, result.dtype)?;
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::New(item(result)),
            }])
        })
    }

    /// Assigns an array or a scalar to every element of an array (a view of the target).
    pub(super) fn assign_elements(
        &mut self,
        target: Value,
        ty: ArrayTy,
        new: &Typed,
    ) -> Result<()> {
        let mut source = new.clone();
        if new.ty.is_weak() && new.ty.is_int() && ty.dtype.is_int() {
            self.check_holds(new, ty.dtype)?;
        }
        if let Kind::Array(from) = *new.ty.kind()
            && from.ndim > 0
        {
            // NumPy reads the right side before it writes: both may share memory.
            let copy = ArrayTy {
                layout: Layout::C,
                readonly: false,
                aligned: true,
                ..from
            }
            .ty();
            source = Typed::new(
                copy,
                self.map(std::slice::from_ref(new), copy, |_, x, _| {
                    Ok(x[0].vals.clone())
                })?,
            );
        }
        self.write_elements(target, ty, source)
    }

    /// A new array of this shape, with one value everywhere.
    pub(super) fn filled(&mut self, shape: &[Value], ty: Ty, value: &Typed) -> Result<Vals> {
        let Kind::Array(a) = *ty.kind() else {
            return Err(self.bug("filling no array"));
        };
        let value = &self.as_element(value);
        self.nest(shape, &[], |body, _| {
            let values = body.cast(value, a.dtype)?;
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::New(item(a)),
            }])
        })
    }

    /// The same for what shares no memory with the target.
    pub(super) fn write_elements(
        &mut self,
        target: Value,
        ty: ArrayTy,
        source: Typed,
    ) -> Result<()> {
        let shape = self.shape(target, ty.ndim);
        if let Kind::Array(from) = *source.ty.kind() {
            self.check_assignable(&shape, source.vals[0], from)?;
        }
        let access = Access::whole(target, shape.len(), item(ty));
        self.nest(&shape, &[source], |body, elements| {
            let values = body.cast(&elements[0], ty.dtype)?;
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::Store(access),
            }])
        })?;
        Ok(())
    }

    /// A nest over `shape`, to which the operands are broadcast: `body` is given an element of each, and
    /// says what becomes of what it computes. The values are those of the instruction.
    pub(super) fn nest(
        &mut self,
        shape: &[Value],
        operands: &[Typed],
        body: impl FnOnce(&mut Self, &[Typed]) -> Result<Vec<Output>>,
    ) -> Result<Vals> {
        self.indexed_nest(shape, operands, &[], body)
    }

    /// The same for a body that uses the index in each dimension: values that the nest is to define.
    pub(super) fn indexed_nest(
        &mut self,
        shape: &[Value],
        operands: &[Typed],
        indices: &[Value],
        body: impl FnOnce(&mut Self, &[Typed]) -> Result<Vec<Output>>,
    ) -> Result<Vals> {
        let mut inputs = vec![];
        let mut elements = vec![];
        for operand in operands {
            self.operand(shape, operand, &mut inputs, &mut elements);
        }
        self.nest_with(shape, inputs, indices, |b| body(b, &elements))
    }

    /// Makes an operand that is broadcast to a shape one of the inputs of a nest, and gives its element; a
    /// scalar is its own element.
    pub(super) fn operand(
        &mut self,
        shape: &[Value],
        operand: &Typed,
        inputs: &mut Vec<Input>,
        elements: &mut Vec<Typed>,
    ) {
        let Kind::Array(a) = *operand.ty.kind() else {
            let element = self.as_element(operand);
            elements.push(element);
            return;
        };
        let access = self.broadcast_access(operand.vals[0], a, shape);
        let (values, element) = self.element_of(a.dtype);
        elements.push(element);
        inputs.push(Input::new(access, values));
    }

    /// An element of the next nest: what is read, and its value.
    pub(super) fn element_of(&mut self, dtype: Ty) -> (SmallVec<[Value; 2]>, Typed) {
        let read: SmallVec<[Value; 2]> = item_types(dtype)
            .into_iter()
            .map(|t| self.b.value(t))
            .collect();
        if !dtype.is_half() {
            let value = Typed::new(dtype, read.as_slice());
            return (read, value);
        }
        let wide = self.b.value(Type::F32);
        self.halves.push((read[0], wide));
        (read, Typed::one(dtype, wide))
    }

    /// Values of float16 as their items have them.
    fn narrow(&mut self, outputs: &mut [Output]) {
        for output in outputs {
            let size = match &output.kind {
                OutputKind::New(item) => item.size,
                OutputKind::Select(selection) => selection.item.size,
                OutputKind::Store(access) => access.item.size,
                OutputKind::Scatter(scatter) => scatter.item.size,
                OutputKind::Reduce(_) => continue,
            };
            for v in &mut output.values {
                if size == Type::F16.bytes() && self.b.ty(*v) == Type::F32 {
                    *v = self.b.cast(Cast::FPTrunc, *v, Type::F16);
                }
            }
        }
    }

    /// A nest with these inputs around what `body` writes.
    pub(super) fn nest_with(
        &mut self,
        shape: &[Value],
        inputs: Vec<Input>,
        indices: &[Value],
        body: impl FnOnce(&mut Self) -> Result<Vec<Output>>,
    ) -> Result<Vals> {
        let outside = self.b.current();
        let inside = self.b.new_block();
        self.b.switch_to(inside);
        for (read, wide) in std::mem::take(&mut self.halves) {
            self.b.define(wide, Op::Cast(Cast::FPExt, read));
        }
        let nested = std::mem::replace(&mut self.in_nest, true);
        let outputs = body(self);
        self.in_nest = nested;
        let mut outputs = outputs?;
        self.narrow(&mut outputs);
        if self.b.current() != inside {
            return self.branching_nest(shape, &inputs, (outside, inside), &outputs);
        }
        let insts = self.b.take_insts(inside);
        self.b.terminate(Term::Unreachable);
        self.b.switch_to(outside);
        let nest = Nest {
            extents: shape.into(),
            inputs,
            indices: indices.into(),
            insts,
            outputs,
            guards: vec![],
            sources: vec![],
        };
        self.push_nest(nest)
    }

    /// Loops around a body that has been written, and has branches: from `region.1` to the current block.
    fn branching_nest(
        &mut self,
        shape: &[Value],
        inputs: &[Input],
        region: (BlockId, BlockId),
        outputs: &[Output],
    ) -> Result<Vals> {
        let exit = self.b.current();
        self.b.switch_to(region.0);
        let (mut targets, mut results) = (vec![], Vals::new());
        for output in outputs {
            let access = match &output.kind {
                OutputKind::New(item) => {
                    let array = self.allocate(item.size, item.layout, shape, false)?;
                    results.push(array);
                    Access::whole(array, shape.len(), *item)
                }
                OutputKind::Store(access) => access.clone(),
                OutputKind::Scatter(scatter) => Access {
                    array: scatter.array,
                    dims: smallvec![],
                    item: scatter.item,
                },
                OutputKind::Reduce(_) | OutputKind::Select(_) => {
                    return Err(self.bug("a reduction that branches"));
                }
            };
            targets.push(access);
        }
        let mut indices = Vals::new();
        let mut open = vec![];
        for &n in shape {
            let (index, loop_) = self.begin_loop(n);
            indices.push(index);
            open.push(loop_);
        }
        let mut elements = Vals::new();
        for input in inputs {
            let address = self.accessed_element(&input.access, &indices);
            let types: SmallVec<[Type; 2]> = input.elements.iter().map(|&v| self.b.ty(v)).collect();
            elements.extend(self.load_parts(address, &types, input.access.item.align));
        }
        for &v in inputs.iter().flat_map(|i| &i.elements) {
            self.b.adopt_param(region.1, v);
        }
        self.b.jump(region.1, &elements);
        self.b.switch_to(exit);
        for (output, access) in outputs.iter().zip(&targets) {
            let mut address = self.accessed_element(access, &indices);
            if let OutputKind::Scatter(scatter) = &output.kind {
                address = self.b.offset(address, scatter.at);
            }
            self.store_parts(address, &output.values, access.item.align);
        }
        while let Some(loop_) = open.pop() {
            self.end_loop(loop_);
        }
        Ok(results)
    }

    /// The address of the item of an array that meets an index of a nest.
    fn accessed_element(&mut self, access: &Access, indices: &[Value]) -> Value {
        let mut address = self.b.part(access.array, Part::Data);
        for (dim, along) in access.dims.iter().enumerate() {
            let mut index = indices[usize::from(along.dim)];
            if along.stretch != Stretch::No {
                let n = self.b.part(access.array, Part::Shape(dim as u8));
                let (zero, one) = (self.b.i64(0), self.b.i64(1));
                let stretched = self.b.cmp(Cmp::Eq, n, one);
                index = self.b.select(stretched, zero, index);
            }
            let stride = self.b.part(access.array, Part::Stride(dim as u8));
            let offset = self.b.binary_nsw(Bin::Mul, index, stride);
            address = self.b.offset(address, offset);
        }
        address
    }

    /// Appends a nest and the check of its error.
    fn push_nest(&mut self, nest: Nest) -> Result<Vals> {
        let raises = nest.allocates();
        let types = nest.result_types(|v| self.b.ty(v));
        let mut results = self.b.push(Op::Nest(Box::new(nest)), &types);
        if raises {
            let Some(err) = results.pop() else {
                return Err(self.bug("a nest without an error"));
            };
            self.check_error(err, true)?;
        }
        Ok(results.into_iter().collect())
    }

    /// How an array meets the indices of the shape that it is broadcast to.
    fn broadcast_access(&mut self, array: Value, a: ArrayTy, shape: &[Value]) -> Access {
        let skip = shape.len() - usize::from(a.ndim);
        let dims = (0..a.ndim)
            .map(|dim| Along {
                dim: dim + skip as u8,
                stretch: Stretch::Maybe,
            })
            .collect();
        Access {
            array,
            dims,
            item: item(a),
        }
    }

    /// Raises ValueError unless an array broadcasts to a shape.
    pub(super) fn check_assignable(
        &mut self,
        shape: &[Value],
        array: Value,
        ty: ArrayTy,
    ) -> Result<()> {
        let one = self.b.i64(1);
        let mut bad = self.b.bool(false);
        for dim in 0..usize::from(ty.ndim) {
            let n = self.b.part(array, Part::Shape(dim as u8));
            let wanted = shape[shape.len() - usize::from(ty.ndim) + dim];
            let other = self.b.cmp(Cmp::Ne, n, wanted);
            let many = self.b.cmp(Cmp::Ne, n, one);
            let wrong = self.b.binary(Bin::And, other, many);
            bad = self.b.binary(Bin::Or, bad, wrong);
        }
        let own: Vals = (0..ty.ndim)
            .map(|dim| self.b.part(array, Part::Shape(dim)))
            .collect();
        let message = format!(
            "could not broadcast input array from shape {} into shape {}",
            shape_text(own.len(), own.len()),
            shape_text(shape.len(), shape.len())
        );
        self.raise_numbers_if(bad, "ValueError", &message, &[&own, shape].concat())
    }

    /// The shape that the operands broadcast to; raises ValueError when they do not.
    pub(super) fn broadcast_shape(&mut self, operands: &[Typed], ndim: u8) -> Result<Vals> {
        let (shape, bad) = self.common_shape(operands, ndim);
        let mut message = "operands could not be broadcast together with shapes ".to_owned();
        let mut numbers: Vals = smallvec![];
        for operand in operands {
            let own = match *operand.ty.kind() {
                Kind::Array(a) => usize::from(a.ndim),
                _ => 0,
            };
            for dim in 0..own {
                numbers.push(self.b.part(operand.vals[0], Part::Shape(dim as u8)));
            }
            message += &shape_text(own, own);
            message.push(' ');
        }
        self.raise_numbers_if(bad, "ValueError", &message, &numbers)?;
        Ok(shape)
    }

    /// The same with another error.
    pub(super) fn broadcast_shape_or(
        &mut self,
        operands: &[Typed],
        ndim: u8,
        class: &str,
        message: &str,
    ) -> Result<Vals> {
        let (shape, bad) = self.common_shape(operands, ndim);
        self.raise_if(bad, class, message)?;
        Ok(shape)
    }

    /// The shape that the operands broadcast to, and whether they do not.
    fn common_shape(&mut self, operands: &[Typed], ndim: u8) -> (Vals, Value) {
        let one = self.b.i64(1);
        let mut shape: Vals = smallvec![one; usize::from(ndim)];
        let mut bad = self.b.bool(false);
        for operand in operands {
            let Kind::Array(a) = *operand.ty.kind() else {
                continue;
            };
            for dim in 0..a.ndim {
                let at = usize::from(ndim - a.ndim + dim);
                let n = self.b.part(operand.vals[0], Part::Shape(dim));
                let before = shape[at];
                let wrong = self.b.cmp(Cmp::Unfit, before, n);
                bad = self.b.binary(Bin::Or, bad, wrong);
                shape[at] = self.b.binary(Bin::Fit, before, n);
            }
        }
        (shape, bad)
    }
}

/// The items of an array type.
pub(super) fn item(ty: ArrayTy) -> Item {
    Item {
        size: ty.dtype.itemsize(),
        align: element_align(ty),
        layout: ty.layout,
    }
}

/// The alignment of the parts of an element.
pub(super) fn element_align(ty: ArrayTy) -> u8 {
    match ty.dtype.kind() {
        _ if !ty.aligned => 1,
        Kind::Complex { bits, .. } => bits / 16,
        // Of records and texts, nothing is known.
        Kind::Record(_) | Kind::Chars { .. } => 1,
        _ => ty.dtype.itemsize() as u8,
    }
}
