//! Operations on whole arrays: a new array, and a loop nest over the broadcast shape around the scalar
//! operation. Nothing is fused here; what this computes is what fusion must preserve.

use smallvec::smallvec;

use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::hir::CompareOp;
use crate::tir::{Bin, Cmp, Part, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};
use crate::ufunc;

impl Body<'_, '_, '_> {
    /// A comparison of scalars, tuples and so on, or element by element.
    pub(super) fn comparison(&mut self, op: CompareOp, a: &Typed, b: &Typed, ty: Ty) -> Result<Vals> {
        if ty.as_array().is_some() {
            let operands = [self.unwrap(a)?, self.unwrap(b)?];
            return self.array_operator(ufunc::of_compare(op), &operands, ty);
        }
        let (a, b) = (self.item_of_zero_dim(a), self.item_of_zero_dim(b));
        Ok(smallvec![self.compare(op, &a, &b)?])
    }

    /// The element of an array without dimensions; other values as they are.
    pub(super) fn item_of_zero_dim(&mut self, value: &Typed) -> Typed {
        match *value.ty.kind() {
            Kind::Array(a) if a.ndim == 0 => {
                let address = self.b.part(value.vals[0], Part::Data);
                Typed::new(a.dtype, self.load(address, a))
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
        let Kind::Array(result) = *ty.kind() else { return Err(self.bug("an element-wise result that is no array")) };
        let shape = self.broadcast_shape(operands, result.ndim)?;
        let array = self.allocate(result, &shape, false)?;
        self.nest(&shape, result.layout, |body, indices| {
            let mut elements = vec![];
            for operand in operands {
                elements.push(body.broadcast_element(operand, &shape, indices));
            }
            let vals = scalar(body, &elements, result.dtype)?;
            body.write_element(array, result, indices, &vals);
            Ok(())
        })?;
        Ok(smallvec![array])
    }

    /// Assigns an array or a scalar to every element of an array (a view of the target).
    pub(super) fn assign_elements(&mut self, target: Value, ty: ArrayTy, new: &Typed) -> Result<()> {
        let shape: Vals = (0..ty.ndim).map(|d| self.b.part(target, Part::Shape(d))).collect();
        let mut source = new.clone();
        if let Kind::Array(from) = *new.ty.kind() {
            self.check_assignable(&shape, new.vals[0], from)?;
            // NumPy reads the right side before it writes: a copy, since both may share memory.
            let copy = ArrayTy { layout: Layout::C, readonly: false, aligned: true, ..from }.ty();
            source = Typed::new(copy, self.map(&[new.clone()], copy, |_, x, _| Ok(x[0].vals.clone()))?);
        }
        self.nest(&shape, ty.layout, |body, indices| {
            let element = body.broadcast_element(&source, &shape, indices);
            let vals = body.cast(&element, ty.dtype)?;
            body.write_element(target, ty, indices, &vals);
            Ok(())
        })
    }

    /// Raises ValueError unless an array broadcasts to a shape.
    fn check_assignable(&mut self, shape: &[Value], array: Value, ty: ArrayTy) -> Result<()> {
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
        self.raise_if(bad, "ValueError", "cannot assign: the shapes do not broadcast together")
    }

    /// The shape that the operands broadcast to; raises ValueError when they do not.
    fn broadcast_shape(&mut self, operands: &[Typed], ndim: u8) -> Result<Vals> {
        let one = self.b.i64(1);
        let mut shape: Vals = smallvec![one; usize::from(ndim)];
        let mut bad = self.b.bool(false);
        for operand in operands {
            let Kind::Array(a) = *operand.ty.kind() else { continue };
            for dim in 0..a.ndim {
                let at = usize::from(ndim - a.ndim + dim);
                let n = self.b.part(operand.vals[0], Part::Shape(dim));
                let before = shape[at];
                if self.b.as_int(before) == Some(1) {
                    shape[at] = n;
                    continue;
                }
                // One of them is 1, or they are equal.
                let stretches = self.b.cmp(Cmp::Eq, before, one);
                let different = self.b.cmp(Cmp::Ne, before, n);
                let long = self.b.cmp(Cmp::Ne, n, one);
                let wrong = self.b.binary(Bin::And, different, long);
                let fixed = self.b.not(stretches);
                let wrong = self.b.binary(Bin::And, wrong, fixed);
                bad = self.b.binary(Bin::Or, bad, wrong);
                shape[at] = self.b.select(stretches, n, before);
            }
        }
        self.raise_if(bad, "ValueError", "operands could not be broadcast together")?;
        Ok(shape)
    }

    /// Loops over all indices of a shape, the contiguous dimension innermost.
    fn nest(&mut self, shape: &[Value], layout: Layout, body: impl FnOnce(&mut Self, &[Value]) -> Result<()>) -> Result<()> {
        let order: Vec<usize> =
            if layout == Layout::F { (0..shape.len()).rev().collect() } else { (0..shape.len()).collect() };
        let zero = self.b.i64(0);
        let mut indices: Vals = smallvec![zero; shape.len()];
        let mut open = vec![];
        for dim in order {
            let (index, loop_) = self.begin_loop(shape[dim]);
            indices[dim] = index;
            open.push(loop_);
        }
        body(self, &indices)?;
        while let Some(loop_) = open.pop() {
            self.end_loop(loop_);
        }
        Ok(())
    }

    /// The element of an operand that meets an index of the broadcast shape.
    fn broadcast_element(&mut self, operand: &Typed, shape: &[Value], indices: &[Value]) -> Typed {
        let Kind::Array(a) = *operand.ty.kind() else { return operand.clone() };
        let array = operand.vals[0];
        let skip = shape.len() - usize::from(a.ndim);
        let mut picked = Vals::new();
        for dim in 0..usize::from(a.ndim) {
            let n = self.b.part(array, Part::Shape(dim as u8));
            let index = indices[skip + dim];
            if n == shape[skip + dim] {
                picked.push(index);
                continue;
            }
            let one = self.b.i64(1);
            let zero = self.b.i64(0);
            let stretched = self.b.cmp(Cmp::Eq, n, one);
            picked.push(self.b.select(stretched, zero, index));
        }
        let address = self.element_address(array, a, &picked);
        Typed::new(a.dtype, self.load(address, a))
    }

    fn write_element(&mut self, array: Value, ty: ArrayTy, indices: &[Value], vals: &[Value]) {
        let address = self.element_address(array, ty, indices);
        self.store(address, ty, vals);
    }
}
