//! Iteration over several dimensions: `np.ndindex`, `np.ndenumerate`, `np.nditer`, `a.flat`.
//!
//! A loop over one of these is a loop for each dimension (`hir::unroll::nest`). What is part of `zip` and
//! the like has a state: the value, the index along each dimension, and whether there is an item.

use ferdelance_abi::rtfn::RtFn;
use smallvec::smallvec;

use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::walk::{visited, walked};
use crate::tir::{Bin, Cmp, Hint, Mem, Part, Type, Value};
use crate::types::{ArrayTy, Facet, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// `np.ndindex(...)`: its lengths.
    pub(super) fn nd_index(&mut self, args: &[Typed]) -> Result<Vals> {
        let parts: Vec<Typed> = args.iter().flat_map(|a| self.index_parts(a)).collect();
        let (zero, mut lengths) = (self.b.i64(0), Vals::new());
        let mut bad = self.b.bool(false);
        for part in &parts {
            let part = self.unwrap(part)?;
            let n = self.index_value(&part)?;
            let negative = self.b.cmp(Cmp::SLt, n, zero);
            bad = self.b.binary(Bin::Or, bad, negative);
            lengths.push(n);
        }
        self.raise_if(bad, "ValueError", "negative dimensions are not allowed")?;
        Ok(lengths)
    }

    /// `np.nditer(...)`: views of the operands, of one shape, along the dimensions in which they are visited.
    pub(super) fn nd_iter(
        &mut self,
        args: &[Typed],
        types: &[Ty],
        in_c_order: bool,
        empty: bool,
    ) -> Result<Vals> {
        let mut arrays = vec![];
        for arg in args {
            let (array, a) = self.as_array(arg)?;
            arrays.push((array, a));
        }
        let ndim = types[0].as_array().map_or(0, |a| a.ndim);
        let operands: Vec<Typed> = arrays.iter().map(|(v, a)| Typed::one(a.ty(), *v)).collect();
        let shape = self.broadcast_shape(&operands, ndim)?;
        if !empty {
            let any = self.is_any(&shape);
            let none = self.b.not(any);
            let message = "Iteration of zero-sized operands is not enabled";
            self.raise_if(none, "ValueError", message)?;
        }
        let ordered = arrays
            .iter()
            .all(|(_, a)| a.layout == Layout::C || a.ndim == 0);
        let strides: Vec<Vals> = arrays
            .iter()
            .map(|&(array, a)| match arrays.len() {
                1 => self.strides(array, a),
                _ => self.stretched(array, a, &shape),
            })
            .collect();
        let views = if ordered || in_c_order {
            let data: Vals = arrays
                .iter()
                .map(|(v, _)| self.b.part(*v, Part::Data))
                .collect();
            (data, shape, strides)
        } else {
            self.in_memory_order(&arrays, &shape, &strides)
        };
        let (data, shape, strides) = views;
        Ok((0..arrays.len())
            .map(|i| self.b.view(arrays[i].0, data[i], &shape, &strides[i]))
            .collect())
    }

    /// Operands along their dimensions in the order of memory: where they begin, shape and strides.
    fn in_memory_order(
        &mut self,
        arrays: &[(Value, ArrayTy)],
        shape: &[Value],
        strides: &[Vals],
    ) -> (Vals, Vals, Vec<Vals>) {
        let ndim = shape.len();
        // As the runtime has it: the shape, then for each operand its strides and an offset.
        let zero = self.b.i64(0);
        let mut words: Vals = shape.into();
        for strides in strides {
            words.extend(strides.iter().copied());
            words.push(zero);
        }
        let slot = self.words_on_stack(&words);
        let (dims, count) = (self.b.i64(ndim as i64), self.b.i64(arrays.len() as i64));
        self.b.rt(RtFn::memory_order, &[dims, count, slot]);
        let mut load = |i: usize| {
            let at = self.b.i64(8 * i as i64);
            let ptr = self.b.offset(slot, at);
            self.b.load(Type::I64, ptr, 8, Mem::Stack)
        };
        let shape: Vals = (0..ndim).map(&mut load).collect();
        let (mut offsets, mut sorted) = (Vals::new(), vec![]);
        for k in 0..arrays.len() {
            let first = ndim + k * (ndim + 1);
            sorted.push((first..first + ndim).map(&mut load).collect::<Vals>());
            offsets.push(load(first + ndim));
        }
        let data = arrays
            .iter()
            .zip(&offsets)
            .map(|(&(array, _), &offset)| {
                let data = self.b.part(array, Part::Data);
                self.b.offset(data, offset)
            })
            .collect();
        (data, shape, sorted)
    }

    /// Whether there is any index in a shape.
    fn is_any(&mut self, shape: &[Value]) -> Value {
        let zero = self.b.i64(0);
        let mut any = self.b.bool(true);
        for &n in shape {
            let some = self.b.cmp(Cmp::SGt, n, zero);
            any = self.b.binary(Bin::And, any, some);
        }
        any
    }

    /// The lengths of the dimensions that are walked.
    fn walk_lengths(&mut self, over: Ty, ndim: u8, state: &[Value]) -> Vals {
        match over.kind() {
            Kind::NdIndex(_) => state[..usize::from(ndim)].into(),
            _ => self.shape(state[0], ndim),
        }
    }

    pub(super) fn walk_start(&mut self, value: &Typed, ndim: u8) -> Vals {
        let lengths = self.walk_lengths(value.ty, ndim, &value.vals);
        let zero = self.b.i64(0);
        let mut state = value.vals.clone();
        state.extend(lengths.iter().map(|_| zero));
        state.push(self.is_any(&lengths));
        state
    }

    /// The indices along a dimension, a range.
    pub(super) fn walk_range(&mut self, over: &Typed, dim: usize) -> Result<Vals> {
        let Some(ndim) = walked(over.ty) else {
            return Err(self.bug(format!("dimensions of {}", over.ty)));
        };
        let length = self.walk_lengths(over.ty, ndim, &over.vals)[dim];
        Ok(smallvec![self.b.i64(0), length])
    }

    pub(super) fn walk_item(&mut self, over: &Typed, indices: &[Value]) -> Result<Typed> {
        let index = Typed::new(Ty::tuple(&vec![Ty::py_int(); indices.len()]), indices);
        let values = &over.vals;
        Ok(match over.ty.kind() {
            Kind::NdIndex(_) => index,
            Kind::Facet(facet, array) => {
                let Kind::Array(a) = *array.kind() else {
                    return Err(self.bug("elements of no array"));
                };
                let address = self.element_address(values[0], a, &index, false)?;
                let item = self.item_at(values[0], address, a);
                let ty = crate::infer::record::item(a.dtype, a.readonly);
                if *facet == Facet::Flat {
                    return Ok(Typed::new(ty, item));
                }
                let mut vals = index.vals;
                vals.extend(item);
                Typed::new(Ty::tuple(&[index.ty, ty]), vals)
            }
            Kind::NdIter(arrays) => {
                let mut vals = Vals::new();
                for (&array, ty) in values.iter().zip(arrays) {
                    let Kind::Array(a) = *ty.kind() else {
                        return Err(self.bug("elements of no array"));
                    };
                    let address = self.element_address(array, a, &index, false)?;
                    vals.push(self.b.view(array, address, &[], &[]));
                }
                Typed::new(visited(arrays), vals)
            }
            _ => return Err(self.bug(format!("items of {}", over.ty))),
        })
    }

    pub(super) fn walk_next(&mut self, over: Ty, ndim: u8, state: &mut Vals) {
        let lengths = self.walk_lengths(over, ndim, state);
        let first = state.len() - 1 - usize::from(ndim);
        let done = self.b.new_block();
        let params: Vals = lengths
            .iter()
            .map(|_| Type::I64)
            .chain([Type::I1])
            .map(|ty| self.b.add_param(done, ty))
            .collect();
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let mut next: Vals = state[first..].into();
        for dim in (0..usize::from(ndim)).rev() {
            next[dim] = self.b.binary_nsw(Bin::Add, next[dim], one);
            let inside = self.b.cmp(Cmp::SLt, next[dim], lengths[dim]);
            let (again, carry) = (self.b.new_block(), self.b.new_block());
            self.b.branch(inside, again, carry, Hint::None);
            self.b.switch_to(again);
            self.b.jump(done, &next);
            self.b.switch_to(carry);
            next[dim] = zero;
        }
        next[usize::from(ndim)] = self.b.bool(false);
        self.b.jump(done, &next);
        self.b.switch_to(done);
        state.truncate(first);
        state.extend(params);
    }
}
