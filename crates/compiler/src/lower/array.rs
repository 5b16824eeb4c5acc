//! Indexing of arrays, tuples and strings; new arrays.

use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::elementwise::{element_align, item};
use super::value::item_types;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::CompareOp;
use crate::host::Const;
use crate::infer::attribute::field_attribute;
use crate::infer::index::{IndexItem, flattened, index_items, indexing, slice_positions};
use crate::infer::intrinsic::{Fill, ShapeFrom};
use crate::infer::record::several_fields;
use crate::tir::nest::{Axis, Output, OutputKind, Subview, unit_dim};
use crate::tir::{Bin, BlockId, Cast, Cmp, Hint, Mem, Part, Type, Value};
use crate::types::{ArrayTy, Facet, Kind, Layout, Ty};

/// Largest number of elements times their size that is tried to allocate.
const MOST_BYTES: f64 = (1u64 << 60) as f64;

/// A loop whose body is being written.
pub(super) struct OpenLoop {
    header: BlockId,
    after: BlockId,
    index: Value,
}

impl Body<'_, '_, '_> {
    /// An integer used as an index: int64; an absent part of a slice is no value.
    pub(super) fn index_value(&mut self, index: &Typed) -> Result<Value> {
        Ok(self.cast(index, Ty::int(64, true))?[0])
    }

    /// A slice of these parts; those that are None are no values.
    pub(super) fn slice(&mut self, parts: &[Typed], ty: Ty) -> Result<Vals> {
        let there = parts.iter().filter(|p| !p.ty.is_none());
        if matches!(ty.kind(), Kind::Grid(_)) {
            return Ok(there.flat_map(|p| p.vals.iter().copied()).collect());
        }
        there.map(|p| self.index_value(p)).collect()
    }

    pub(super) fn get_item(&mut self, value: &Typed, index: &Typed, ty: Ty) -> Result<Vals> {
        if let Some(field) = self.field_by(value, index) {
            return self.field(value, field);
        }
        if let Some(a) = value.ty.as_array()
            && several_fields(a, &index.constant).is_some()
        {
            return Ok(value.vals.clone());
        }
        match value.ty.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                self.tuple_item(value, items, index, ty)
            }
            Kind::Array(array) => {
                let indexing = indexing(*array, index.ty).map_err(|m| self.bug(m))?;
                if indexing.picked.is_some() {
                    let parts = self.index_parts(index);
                    return self.gather(value.vals[0], *array, &indexing, &parts, ty);
                }
                if ty.as_array().is_some() {
                    return Ok(smallvec![self.subview(
                        value.vals[0],
                        *array,
                        index,
                        true
                    )?]);
                }
                let address = self.element_address(value.vals[0], *array, index, true)?;
                Ok(self.item_at(value.vals[0], address, *array))
            }
            Kind::Facet(_, array) if ty.as_array().is_some() => {
                let all =
                    self.flattened(Layout::C, false, &Typed::new(*array, value.vals.clone()))?;
                let view = flattened(*array);
                let part = indexing(view, index.ty).map_err(|m| self.bug(m))?.result;
                let part = Typed::new(
                    part,
                    self.get_item(&Typed::new(view.ty(), all), index, part)?,
                );
                self.new_from(&part, ty)
            }
            Kind::Facet(_, array) => {
                let (array, a, at) = self.flat_index(value, *array, index)?;
                let address = self.flat_address(array, a, at);
                Ok(self.item_at(array, address, a))
            }
            Kind::Str => self.str_item(value, index),
            Kind::Buffer(..) => self.buffer_item(value, index, false),
            Kind::Chars { .. } => {
                let text = self.text(value)?;
                if text.ty.is_str() {
                    self.str_item(&text, index)
                } else {
                    self.buffer_item(&text, index, true)
                }
            }
            Kind::List(item) => self.list_get(value.vals[0], *item, index),
            _ => Err(self.bug(format!("items of {}", value.ty))),
        }
    }

    pub(super) fn set_item(&mut self, value: &Typed, index: &Typed, new: &Typed) -> Result<()> {
        if let Some(field) = self.field_by(value, index) {
            return self.set_field(value, field, new);
        }
        if let Kind::List(item) = *value.ty.kind() {
            return self.list_set(value.vals[0], item, index, new);
        }
        if let Kind::Facet(_, array) = *value.ty.kind() {
            let (array, a, at) = self.flat_index(value, array, index)?;
            let address = self.flat_address(array, a, at);
            let new = self.unwrap(new)?;
            let new = self.item_of_zero_dim(&new);
            let vals = self.cast(&new, a.dtype)?;
            self.store(address, a, &vals);
            return Ok(());
        }
        let Some(array) = value.ty.memory() else {
            return Err(self.bug(format!("items of {}", value.ty)));
        };
        if value.ty.as_buffer().is_some() && array.ndim == 1 && index.ty.is_integral() {
            self.buffer_index(value, index)?;
            self.check_buffer_item(value, new)?;
        }
        let indexing = indexing(array, index.ty).map_err(|m| self.bug(m))?;
        let sequence = matches!(
            new.ty.kind(),
            Kind::List(_) | Kind::Tuple(_) | Kind::NamedTuple(..)
        );
        let made = self.as_record(new, array.dtype)?;
        let (sequence, new) = (sequence && array.dtype.as_record().is_none(), &made);
        let new = &if sequence {
            self.converted(new)?
        } else {
            let new = self.unwrap(new)?;
            self.memory(&new)
        };
        if indexing.picked.is_some() {
            let parts = self.index_parts(index);
            return self.scatter(value.vals[0], array, &indexing, &parts, new);
        }
        if let Kind::Array(part) = *indexing.result.kind() {
            let target = self.subview(value.vals[0], array, index, true)?;
            return self.assign_elements(target, part, new);
        }
        let address = self.element_address(value.vals[0], array, index, true)?;
        let new = self.item_of_zero_dim(new);
        let vals = self.cast(&new, array.dtype)?;
        self.store(address, array, &vals);
        Ok(())
    }

    /// The item of a sequence at an index known to be inside.
    pub(super) fn item_in_bounds(&mut self, sequence: &Typed, index: Value) -> Result<Typed> {
        let at = Typed::one(Ty::py_int(), index);
        match sequence.ty.kind() {
            Kind::Array(array) | Kind::Buffer(_, array) => {
                let indexing = indexing(*array, Ty::py_int()).map_err(|m| self.bug(m))?;
                let vals = if indexing.result.as_array().is_some() {
                    smallvec![self.subview(sequence.vals[0], *array, &at, false)?]
                } else {
                    let address = self.element_address(sequence.vals[0], *array, &at, false)?;
                    self.item_at(sequence.vals[0], address, *array)
                };
                Ok(Typed::new(indexing.result, vals))
            }
            Kind::Facet(_, array) => {
                let Kind::Array(a) = *array.kind() else {
                    return Err(self.bug("flat of no array"));
                };
                let address = self.flat_address(sequence.vals[0], a, index);
                Ok(Typed::new(
                    a.dtype,
                    self.item_at(sequence.vals[0], address, a),
                ))
            }
            Kind::List(item) => Ok(Typed::new(
                *item,
                self.load_item(sequence.vals[0], *item, index)?,
            )),
            Kind::Str => Ok(Typed::one(
                Ty::str(),
                self.b.rt1(RtFn::str_char, &[sequence.vals[0], index]),
            )),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                let Some(ty) = crate::infer::index::tuple_item(items) else {
                    return Ok(Typed::new(Ty::none(), Vals::new()));
                };
                let vals = self.select_item(sequence, items, index, ty)?;
                Ok(Typed::new(ty, vals))
            }
            _ => Err(self.bug(format!("items of {}", sequence.ty))),
        }
    }

    // ---- tuples and strings ----

    fn tuple_item(
        &mut self,
        tuple: &Typed,
        items: &'static [Ty],
        index: &Typed,
        ty: Ty,
    ) -> Result<Vals> {
        let n = items.len() as i64;
        if let (Kind::Slice(_), Some(Const::Tuple(parts))) = (index.ty.kind(), &index.constant) {
            let part = |i: usize| match parts[i] {
                Const::Int(v) => i64::try_from(v).ok(),
                _ => None,
            };
            let picked =
                slice_positions(items.len(), part(0), part(1), part(2)).unwrap_or_default();
            return Ok(picked
                .into_iter()
                .flat_map(|i| self.item(tuple, i).vals)
                .collect());
        }
        if let Some(i) = index.as_int() {
            let at = if i < 0 { i + n } else { i };
            if (0..n).contains(&at) {
                return Ok(self.item(tuple, at as usize).vals);
            }
        }
        let i = self.index_value(index)?;
        let len = self.b.i64(n);
        let at = self.wrap_index(i, len);
        let outside = self.b.cmp(Cmp::UGe, at, len);
        self.raise_if(outside, "IndexError", "tuple index out of range")?;
        self.select_item(tuple, items, at, ty)
    }

    /// The item of a homogeneous tuple at a run-time index: a chain of selects.
    fn select_item(&mut self, tuple: &Typed, items: &[Ty], index: Value, ty: Ty) -> Result<Vals> {
        let mut result: Option<Vals> = None;
        for i in 0..items.len() {
            let item = self.item(tuple, i);
            let vals = self.cast(&item, ty)?;
            result = Some(match result {
                None => vals,
                Some(before) => {
                    let k = self.b.i64(i as i64);
                    let here = self.b.cmp(Cmp::Eq, index, k);
                    vals.iter()
                        .zip(&before)
                        .map(|(&a, &b)| self.b.select(here, a, b))
                        .collect()
                }
            });
        }
        Ok(result.unwrap_or_default())
    }

    fn str_item(&mut self, value: &Typed, index: &Typed) -> Result<Vals> {
        let s = value.vals[0];
        let len = self.b.rt1(RtFn::str_len, &[s]);
        if let Kind::Slice(parts) = *index.ty.kind() {
            let (start, count, step) = self.slice_indices(&index.vals, parts, len)?;
            return Ok(smallvec![
                self.b.rt1(RtFn::str_slice, &[s, start, count, step])
            ]);
        }
        let i = self.index_value(index)?;
        let at = self.wrap_index(i, len);
        let outside = self.b.cmp(Cmp::UGe, at, len);
        self.raise_if(outside, "IndexError", "string index out of range")?;
        Ok(smallvec![self.b.rt1(RtFn::str_char, &[s, at])])
    }

    // ---- a.flat ----

    /// The position that an index of `a.flat` names.
    fn flat_index(
        &mut self,
        flat: &Typed,
        array: Ty,
        index: &Typed,
    ) -> Result<(Value, ArrayTy, Value)> {
        let Kind::Array(a) = *array.kind() else {
            return Err(self.bug("flat of no array"));
        };
        let size = self.size(flat.vals[0], a.ndim);
        let index = self.unwrap(index)?;
        let index = self.index_value(&index)?;
        let at = self.wrap_index(index, size);
        let outside = self.b.cmp(Cmp::UGe, at, size);
        self.raise_if(
            outside,
            "IndexError",
            "index is out of bounds for the array's size",
        )?;
        Ok((flat.vals[0], a, at))
    }

    /// The address of the element at a position in C order.
    fn flat_address(&mut self, array: Value, a: ArrayTy, position: Value) -> Value {
        let mut address = self.b.part(array, Part::Data);
        if a.layout == Layout::C || a.ndim == 0 {
            return self.b.element(address, position, a.dtype.itemsize());
        }
        let mut rest = position;
        for dim in (0..usize::from(a.ndim)).rev() {
            let mut index = rest;
            if dim > 0 {
                let n = self.b.part(array, Part::Shape(dim as u8));
                index = self.b.binary(Bin::URem, rest, n);
                rest = self.b.binary(Bin::UDiv, rest, n);
            }
            let stride = self.stride(array, a, dim);
            let offset = self.b.binary_nsw(Bin::Mul, index, stride);
            address = self.b.offset(address, offset);
        }
        address
    }

    // ---- arrays ----

    /// A negative index counts from the end.
    pub(super) fn wrap_index(&mut self, index: Value, len: Value) -> Value {
        if let Some(i) = self.b.as_int(index) {
            return if i < 0 {
                self.b.binary_nsw(Bin::Add, index, len)
            } else {
                index
            };
        }
        let zero = self.b.i64(0);
        let negative = self.b.cmp(Cmp::SLt, index, zero);
        let from_end = self.b.binary_nsw(Bin::Add, index, len);
        self.b.select(negative, from_end, index)
    }

    /// The distance between elements along a dimension: constant where the layout says so.
    pub(super) fn stride(&mut self, array: Value, ty: ArrayTy, dim: usize) -> Value {
        if unit_dim(ty.layout, usize::from(ty.ndim)) == Some(dim) {
            return self.b.i64(i64::from(ty.dtype.itemsize()));
        }
        self.b.part(array, Part::Stride(dim as u8))
    }

    /// The address of the element that an index of integers takes. With `wrap`, negative indices count from
    /// the end and bounds are checked if asked for.
    pub(super) fn element_address(
        &mut self,
        array: Value,
        ty: ArrayTy,
        index: &Typed,
        wrap: bool,
    ) -> Result<Value> {
        let parts = self.index_parts(index);
        let itemsize = ty.dtype.itemsize();
        let mut base = self.b.part(array, Part::Data);
        // The contiguous dimension comes last, so that the address is `base + i * itemsize`.
        let mut unit_index = None;
        for (dim, part) in parts
            .iter()
            .filter(|p| !matches!(p.ty.kind(), Kind::Ellipsis))
            .enumerate()
        {
            let at = self.bounded_index(array, part, dim, wrap)?;
            let stride = self.stride(array, ty, dim);
            if self.b.as_int(stride) == Some(i64::from(itemsize)) {
                unit_index = Some(at);
            } else {
                let offset = self.b.binary_nsw(Bin::Mul, at, stride);
                base = self.b.offset(base, offset);
            }
        }
        Ok(match unit_index {
            Some(at) => self.b.element(base, at, itemsize),
            None => base,
        })
    }

    /// The view that a basic index takes.
    fn subview(&mut self, array: Value, ty: ArrayTy, index: &Typed, wrap: bool) -> Result<Value> {
        let indexing = indexing(ty, index.ty).map_err(|m| self.bug(m))?;
        let parts = self.index_parts(index);
        let mut view = Subview {
            base: array,
            at: smallvec![],
            axes: smallvec![],
            item: item(ty),
        };
        let mut dim = 0;
        for (item, source) in indexing.items.iter().zip(&indexing.source) {
            let part = || {
                source
                    .map(|s| parts[s].clone())
                    .ok_or("an index without a value")
            };
            match *item {
                IndexItem::NewAxis => {
                    view.axes.push(Axis::New);
                    continue;
                }
                IndexItem::Int => {
                    let part = part().map_err(|m| self.bug(m))?;
                    let at = self.bounded_index(array, &part, usize::from(dim), wrap)?;
                    view.at.push((dim, at));
                }
                IndexItem::Slice([false, false, false]) => view.axes.push(Axis::Whole(dim)),
                IndexItem::Slice(present) => {
                    let part = part().map_err(|m| self.bug(m))?;
                    let len = self.b.part(array, Part::Shape(dim));
                    let (start, count, step) = self.array_slice(&part.vals, present, len)?;
                    view.axes.push(Axis::Part {
                        dim,
                        start,
                        count,
                        step,
                    });
                }
                IndexItem::Ellipsis | IndexItem::Array(_) | IndexItem::Mask(_) => {
                    return Err(self.bug("a part of an index that a view does not have"));
                }
            }
            dim += 1;
        }
        Ok(self.b.subview(view))
    }

    /// The items of an index expression, each with its values.
    pub(super) fn index_parts(&mut self, index: &Typed) -> Vec<Typed> {
        match index.ty.kind() {
            Kind::Tuple(_) | Kind::NamedTuple(..) => (0..index_items(index.ty).len())
                .map(|i| self.item(index, i))
                .collect(),
            _ => vec![index.clone()],
        }
    }

    pub(super) fn bounded_index(
        &mut self,
        array: Value,
        part: &Typed,
        dim: usize,
        wrap: bool,
    ) -> Result<Value> {
        let part = self.unwrap(part)?;
        let signed = part.ty.is_signed();
        let index = self.index_value(&part)?;
        if !wrap {
            return Ok(index);
        }
        let at = if signed && self.b.as_int(index).is_none_or(|i| i < 0) {
            let len = self.b.part(array, Part::Shape(dim as u8));
            self.wrap_index(index, len)
        } else {
            index
        };
        if self.info.options.boundscheck {
            let len = self.b.part(array, Part::Shape(dim as u8));
            let outside = self.b.cmp(Cmp::UGe, at, len);
            self.raise_if(outside, "IndexError", "index is out of bounds")?;
        }
        Ok(at)
    }

    /// The same for a dimension of an array. `[s:]` and `[s:-e]` with constants leave out s + e items; they
    /// are written so that `[1:-1]`, `[2:]` and `[:-2]` are seen to have the same length. (The start of an
    /// empty slice does not matter.)
    pub(super) fn array_slice(
        &mut self,
        vals: &[Value],
        present: [bool; 3],
        len: Value,
    ) -> Result<(Value, Value, Value)> {
        let constant = |body: &Self, there: bool, at: usize| {
            if there {
                body.b.as_int(vals[at])
            } else {
                Some(0)
            }
        };
        let first = constant(self, present[0], 0).filter(|s| (0..1 << 32).contains(s));
        let last = constant(self, present[1], usize::from(present[0]))
            .filter(|e| (-1 << 32..i64::from(!present[1])).contains(e));
        let (Some(first), Some(last), false) = (first, last, present[2]) else {
            return self.slice_indices(vals, present, len);
        };
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let change = self.b.i64(last - first);
        let left = self.b.binary_nsw(Bin::Add, len, change);
        let count = if first == last {
            len
        } else {
            self.b.binary(Bin::SMax, left, zero)
        };
        Ok((self.b.i64(first), count, one))
    }

    /// Start, count and step of a slice of a sequence of `len` items, as `slice.indices` gives them.
    pub(super) fn slice_indices(
        &mut self,
        vals: &[Value],
        present: [bool; 3],
        len: Value,
    ) -> Result<(Value, Value, Value)> {
        let mut given = vals.iter().copied();
        let mut part = |there: bool| if there { given.next() } else { None };
        let (start, stop, step) = (part(present[0]), part(present[1]), part(present[2]));
        let zero = self.b.i64(0);
        let one = self.b.i64(1);
        let step = step.unwrap_or(one);
        if self.b.as_int(step).is_none() {
            let bad = self.b.cmp(Cmp::Eq, step, zero);
            self.raise_if(bad, "ValueError", "slice step cannot be zero")?;
        }
        // Backwards, positions run from len - 1 down to -1.
        let back = self.b.cmp(Cmp::SLt, step, zero);
        let minus_one = self.b.i64(-1);
        let last = self.b.binary_nsw(Bin::Sub, len, one);
        let low = self.b.select(back, minus_one, zero);
        let high = self.b.select(back, last, len);
        let clamp = |body: &mut Self, v: Value| {
            let wrapped = body.wrap_index(v, len);
            let v = body.b.binary(Bin::SMax, wrapped, low);
            body.b.binary(Bin::SMin, v, high)
        };
        let start = match start {
            Some(v) => clamp(self, v),
            None => self.b.select(back, high, low),
        };
        let stop = match stop {
            Some(v) => clamp(self, v),
            None => self.b.select(back, low, high),
        };
        let count = self.count_steps(Ty::py_int(), start, stop, step);
        Ok((start, count, step))
    }

    pub(super) fn load(&mut self, address: Value, ty: ArrayTy) -> Vals {
        let mut vals = self.load_parts(address, &item_types(ty.dtype), element_align(ty));
        if ty.dtype.is_half() {
            vals[0] = self.b.cast(Cast::FPExt, vals[0], Type::F32);
        }
        vals
    }

    pub(super) fn store(&mut self, address: Value, ty: ArrayTy, vals: &[Value]) {
        let mut element = self.as_element(&Typed::new(ty.dtype, vals));
        if ty.dtype.is_half() {
            element.vals[0] = self.b.cast(Cast::FPTrunc, element.vals[0], Type::F16);
        }
        self.store_parts(address, &element.vals, element_align(ty));
    }

    /// The parts of an item of an array, one after the other in memory.
    pub(super) fn load_parts(&mut self, address: Value, types: &[Type], align: u8) -> Vals {
        self.b.load_parts(address, types, align, Mem::Elements)
    }

    pub(super) fn store_parts(&mut self, address: Value, vals: &[Value], align: u8) {
        self.b.store_parts(address, vals, align, Mem::Elements);
    }

    /// Number of elements.
    pub(super) fn size(&mut self, array: Value, ndim: u8) -> Value {
        let mut size = self.b.i64(1);
        for dim in 0..ndim {
            let n = self.b.part(array, Part::Shape(dim));
            size = self.b.binary_nsw(Bin::Mul, size, n);
        }
        size
    }

    /// An attribute of a number, array, named tuple, range or dtype.
    pub(super) fn attribute(&mut self, value: &Typed, name: &str, ty: Ty) -> Result<Vals> {
        if matches!(ty.kind(), Kind::Method(..)) {
            return Ok(value.vals.clone());
        }
        let field = match value.ty.kind() {
            Kind::Record(record) => record.field(name),
            Kind::Array(a) => field_attribute(*a, name),
            _ => None,
        };
        if let Some(field) = field {
            return self.field(value, field);
        }
        match value.ty.kind() {
            // Known by type.
            _ if value.ty.is_scalar() && !matches!(name, "real" | "imag") => Ok(Vals::new()),
            Kind::Complex { .. } => Ok(smallvec![value.vals[usize::from(name == "imag")]]),
            Kind::Bool | Kind::Int { .. } | Kind::Float { .. } => {
                if name == "imag" {
                    let zero = Typed {
                        ty: Ty::bool(),
                        vals: smallvec![self.b.bool(false)],
                        constant: None,
                    };
                    return self.cast(&zero, ty);
                }
                self.cast(value, ty)
            }
            Kind::NamedTuple(class, _) => {
                let index = class.fields.iter().position(|f| **f == *name);
                let Some(index) = index else {
                    return Err(self.bug(format!("no field {name}")));
                };
                Ok(self.item(value, index).vals)
            }
            Kind::Range(..) => match name {
                "start" => Ok(smallvec![value.vals[0]]),
                "stop" => Ok(smallvec![value.vals[1]]),
                _ => Ok(smallvec![self.range_step(value)?]),
            },
            Kind::Array(a) => self.array_attribute(value.vals[0], *a, name),
            Kind::Buffer(_, a) if name.ends_with("contiguous") => {
                Ok(smallvec![self.flag(value.vals[0], *a, name)])
            }
            Kind::Buffer(_, a) => self.array_attribute(value.vals[0], *a, name),
            Kind::Slice(parts) => {
                let index = slice_part(name);
                let at = parts[..index].iter().filter(|p| **p).count();
                Ok(if parts[index] {
                    smallvec![value.vals[at]]
                } else {
                    Vals::new()
                })
            }
            Kind::Grid(parts) => {
                let index = slice_part(name);
                let widths = parts.map(|t| machine(t).len());
                let at = widths[..index].iter().sum::<usize>();
                Ok(value.vals[at..at + widths[index]].into())
            }
            Kind::Facet(Facet::Ctypes, _) => {
                let data = self.b.part(value.vals[0], Part::Data);
                Ok(smallvec![self.b.cast(Cast::PtrToInt, data, Type::I64)])
            }
            Kind::Facet(Facet::Flags, array) => {
                let Kind::Array(a) = *array.kind() else {
                    return Err(self.bug("flags of no array"));
                };
                Ok(smallvec![self.flag(value.vals[0], a, name)])
            }
            _ => Ok(Vals::new()),
        }
    }

    fn array_attribute(&mut self, array: Value, a: ArrayTy, name: &str) -> Result<Vals> {
        Ok(match name {
            "shape" => self.shape(array, a.ndim),
            "strides" => (0..a.ndim)
                .map(|d| self.b.part(array, Part::Stride(d)))
                .collect(),
            "size" => smallvec![self.size(array, a.ndim)],
            "nbytes" => {
                let size = self.size(array, a.ndim);
                let itemsize = self.b.i64(i64::from(a.dtype.itemsize()));
                smallvec![self.b.binary_nsw(Bin::Mul, size, itemsize)]
            }
            "T" => {
                let axes = (0..a.ndim).rev().map(Axis::Whole).collect();
                smallvec![self.b.subview(Subview {
                    base: array,
                    at: smallvec![],
                    axes,
                    item: item(a)
                })]
            }
            "mT" => {
                let mut axes: SmallVec<[Axis; 4]> = (0..a.ndim).map(Axis::Whole).collect();
                let n = axes.len();
                axes.swap(n - 1, n - 2);
                smallvec![self.b.subview(Subview {
                    base: array,
                    at: smallvec![],
                    axes,
                    item: item(a)
                })]
            }
            "flat" | "flags" | "ctypes" => smallvec![array],
            "real" | "imag" if a.dtype.is_complex() => {
                let mut data = self.b.part(array, Part::Data);
                if name == "imag" {
                    let offset = self.b.i64(i64::from(a.dtype.itemsize() / 2));
                    data = self.b.offset(data, offset);
                }
                let (shape, strides) = (self.shape(array, a.ndim), self.strides(array, a));
                smallvec![self.b.view(array, data, &shape, &strides)]
            }
            "real" => smallvec![array],
            "imag" => {
                let shape = self.shape(array, a.ndim);
                smallvec![self.allocate(a.dtype.itemsize(), Layout::C, &shape, true)?]
            }
            // dtype, ndim, itemsize: known by type.
            _ => Vals::new(),
        })
    }

    // ---- new arrays ----

    /// np.empty, zeros, ones, full and their `_like` forms.
    pub(super) fn new_array(
        &mut self,
        fill: Fill,
        shape: ShapeFrom,
        args: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        let Kind::Array(a) = *ty.kind() else {
            return Err(self.bug(format!("a new array of type {ty}")));
        };
        let dims: Vals = match shape {
            ShapeFrom::Like => {
                let (like, _) = self.as_array(&args[0])?;
                self.shape(like, a.ndim)
            }
            ShapeFrom::Argument => {
                let parts = self.index_parts(&args[0]);
                let mut dims = Vals::new();
                for p in &parts {
                    dims.push(self.index_value(p)?);
                }
                dims
            }
        };
        let array = self.allocate(a.dtype.itemsize(), a.layout, &dims, fill == Fill::Zero)?;
        match fill {
            Fill::Nothing | Fill::Zero => {}
            Fill::One => {
                let one = Typed {
                    ty: Ty::py_int(),
                    vals: smallvec![self.b.i64(1)],
                    constant: None,
                };
                let vals = self.cast(&one, a.dtype)?;
                self.fill(array, a, &vals)?;
            }
            Fill::Value => {
                let vals = self.cast(&args[1], a.dtype)?;
                self.fill(array, a, &vals)?;
            }
        }
        Ok(smallvec![array])
    }

    /// A new contiguous array of this shape.
    pub(super) fn allocate(
        &mut self,
        size: u32,
        layout: Layout,
        dims: &[Value],
        zeroed: bool,
    ) -> Result<Value> {
        let zero = self.b.i64(0);
        let itemsize = self.b.i64(i64::from(size));
        let (mut bytes, mut approximate) = (itemsize, self.b.float(Type::F64, f64::from(size)));
        let mut any_negative = self.b.bool(false);
        for &n in dims {
            let negative = self.b.cmp(Cmp::SLt, n, zero);
            any_negative = self.b.binary(Bin::Or, any_negative, negative);
            bytes = self.b.binary(Bin::Mul, bytes, n);
            // The product in floating point cannot overflow unnoticed.
            let n = self.b.cast(Cast::SIToFP, n, Type::F64);
            approximate = self.b.binary(Bin::FMul, approximate, n);
        }
        self.raise_if(
            any_negative,
            "ValueError",
            "negative dimensions are not allowed",
        )?;
        let most = self.b.float(Type::F64, MOST_BYTES);
        let too_big = self.b.cmp(Cmp::FGt, approximate, most);
        self.raise_if(too_big, "MemoryError", "array is too big")?;
        let func = if zeroed {
            RtFn::buffer_zeroed
        } else {
            RtFn::buffer_alloc
        };
        let buffer = self.rt_raising(func, &[bytes])?;
        let strides = self.b.contiguous_strides(itemsize, layout, dims);
        Ok(self.b.make_array(buffer[0], buffer[1], dims, &strides))
    }

    /// Writes one value into every element of a contiguous array.
    fn fill(&mut self, array: Value, a: ArrayTy, vals: &[Value]) -> Result<()> {
        let size = self.size(array, a.ndim);
        let data = self.b.part(array, Part::Data);
        self.count_loop(size, |body, i| {
            let ptr = body.b.element(data, i, a.dtype.itemsize());
            body.store(ptr, a, vals);
            Ok(())
        })
    }

    /// `for i in range(n)` with `n >= 0` around what `body` writes.
    pub(super) fn count_loop(
        &mut self,
        n: Value,
        body: impl FnOnce(&mut Self, Value) -> Result<()>,
    ) -> Result<()> {
        let (i, loop_) = self.begin_loop(n);
        body(self, i)?;
        self.end_loop(loop_);
        Ok(())
    }

    /// The same with an integer that each round makes of the one before; what the last one made.
    pub(super) fn fold_loop(
        &mut self,
        n: Value,
        start: Value,
        body: impl FnOnce(&mut Self, Value, Value) -> Result<Value>,
    ) -> Result<Value> {
        let (header, inside, after) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let (i, carried) = (
            self.b.add_param(header, Type::I64),
            self.b.add_param(header, Type::I64),
        );
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        self.b.jump(header, &[zero, start]);
        self.b.switch_to(header);
        let more = self.b.cmp(Cmp::SLt, i, n);
        self.b.branch(more, inside, after, Hint::None);
        self.b.switch_to(inside);
        let made = body(self, i, carried)?;
        let next = self.b.binary_nsw(Bin::Add, i, one);
        self.b.jump(header, &[next, made]);
        self.b.switch_to(after);
        Ok(carried)
    }

    /// Opens a loop over `0 <= i < n`; what follows is its body.
    pub(super) fn begin_loop(&mut self, n: Value) -> (Value, OpenLoop) {
        let (header, inside, after) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let i = self.b.add_param(header, Type::I64);
        let zero = self.b.i64(0);
        self.b.jump(header, &[zero]);
        self.b.switch_to(header);
        let more = self.b.cmp(Cmp::SLt, i, n);
        self.b.branch(more, inside, after, Hint::None);
        self.b.switch_to(inside);
        (
            i,
            OpenLoop {
                header,
                after,
                index: i,
            },
        )
    }

    /// Ends a loop's body; what follows comes after the loop.
    pub(super) fn end_loop(&mut self, loop_: OpenLoop) {
        let one = self.b.i64(1);
        let next = self.b.binary_nsw(Bin::Add, loop_.index, one);
        self.b.jump(loop_.header, &[next]);
        self.b.switch_to(loop_.after);
    }

    /// `np.arange`.
    pub(super) fn arange(&mut self, args: &[Typed], ty: Ty) -> Result<Vals> {
        let Kind::Array(a) = *ty.kind() else {
            return Err(self.bug("arange"));
        };
        let floating = args.iter().any(|x| x.ty.is_float());
        let work = if floating {
            Ty::float(64)
        } else {
            Ty::int(64, true)
        };
        let mut bounds = vec![];
        for x in args {
            let x = self.unwrap(x)?;
            bounds.push(self.cast(&x, work)?[0]);
        }
        let constant = |body: &mut Self, v: i64| {
            if floating {
                body.b.float(Type::F64, v as f64)
            } else {
                body.b.i64(v)
            }
        };
        let (zero, one) = (constant(self, 0), constant(self, 1));
        let (start, stop) = if bounds.len() == 1 {
            (zero, bounds[0])
        } else {
            (bounds[0], bounds[1])
        };
        let step = bounds.get(2).copied().unwrap_or(one);
        let is_zero = self
            .b
            .cmp(if floating { Cmp::FEq } else { Cmp::Eq }, step, zero);
        self.raise_if(
            is_zero,
            "ZeroDivisionError",
            "division by zero: arange() with a step of zero",
        )?;
        let count = if floating {
            let span = self.b.binary(Bin::FSub, stop, start);
            let steps = self.b.binary(Bin::FDiv, span, step);
            let steps = self.b.unary(crate::tir::Un::Ceil, steps);
            let most = self.b.float(Type::F64, MOST_BYTES);
            let fits = self.b.cmp(Cmp::FLt, steps, most);
            let too_many = self.b.not(fits);
            self.raise_if(too_many, "ValueError", "arange: cannot compute the length")?;
            let n = self.b.cast(Cast::FPToSI, steps, Type::I64);
            let none = self.b.i64(0);
            self.b.binary(Bin::SMax, n, none)
        } else {
            self.count_steps(work, start, stop, step)
        };
        let i = self.b.value(Type::I64);
        self.indexed_nest(&[count], &[], &[i], |body, _| {
            let value = if floating {
                // start + i * delta, delta being the rounded difference of the first two items, as NumPy does.
                let second = body.b.binary(Bin::FAdd, start, step);
                let delta = body.b.binary(Bin::FSub, second, start);
                let k = body.b.cast(Cast::SIToFP, i, Type::F64);
                let distance = body.b.binary(Bin::FMul, k, delta);
                body.b.binary(Bin::FAdd, start, distance)
            } else {
                let distance = body.b.binary(Bin::Mul, i, step);
                body.b.binary(Bin::Add, start, distance)
            };
            let values = body.cast(&Typed::one(work, value), a.dtype)?;
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::New(item(a)),
            }])
        })
    }

    /// Checks that a sequence has as many items as there are targets.
    pub(super) fn unpack(&mut self, value: &Typed, wanted: u32) -> Result<Vals> {
        if matches!(value.ty.kind(), Kind::Array(_) | Kind::List(_)) {
            let len = self.sequence_len(value)?;
            let n = self.b.i64(i64::from(wanted));
            let many = self.b.cmp(Cmp::SGt, len, n);
            self.raise_if(
                many,
                "ValueError",
                &format!("too many values to unpack (expected {wanted})"),
            )?;
            let few = self.b.cmp(Cmp::SLt, len, n);
            self.raise_if(
                few,
                "ValueError",
                &format!("not enough values to unpack (expected {wanted})"),
            )?;
        }
        Ok(value.vals.clone())
    }

    /// `tuple.index(x)` and `tuple.count(x)`.
    pub(super) fn tuple_search(
        &mut self,
        tuple: &Typed,
        wanted: &Typed,
        count: bool,
    ) -> Result<Vals> {
        let items = tuple.ty.tuple_items().unwrap_or_default();
        let start = self.b.i64(if count { 0 } else { -1 });
        let mut result = start;
        for i in (0..items.len()).rev() {
            let item = self.item(tuple, i);
            let same = self.compare(CompareOp::Eq, &item, wanted)?;
            result = if count {
                let one = self.b.cast(Cast::ZExt, same, Type::I64);
                self.b.binary(Bin::Add, result, one)
            } else {
                let at = self.b.i64(i as i64);
                self.b.select(same, at, result)
            };
        }
        if !count {
            let zero = self.b.i64(0);
            let missing = self.b.cmp(Cmp::SLt, result, zero);
            self.raise_if(missing, "ValueError", "tuple.index(x): x not in tuple")?;
        }
        Ok(smallvec![result])
    }
}

/// Which part of a slice an attribute is.
fn slice_part(name: &str) -> usize {
    match name {
        "start" => 0,
        "stop" => 1,
        _ => 2,
    }
}
