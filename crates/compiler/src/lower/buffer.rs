//! Objects that show memory: `bytes` and its like. Their values are arrays.

use ferdelance_abi::rtfn::RtFn;
use smallvec::smallvec;

use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::buffer::{slices_are_copies, text};
use crate::infer::index::indexing;
use crate::tir::{Cmp, Part, Type, Value};
use crate::types::{Exporter, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// A buffer as the array that it is; other values as they are.
    pub(super) fn memory(&self, value: &Typed) -> Typed {
        match value.ty.as_buffer() {
            Some((_, a)) => Typed::new(a.ty(), value.vals.clone()),
            None => value.clone(),
        }
    }

    /// A text of a fixed size as a value of its own; other values as they are.
    pub(super) fn text(&mut self, value: &Typed) -> Result<Typed> {
        let ty = text(value.ty);
        if ty == value.ty {
            return Ok(value.clone());
        }
        Ok(Typed::new(ty, self.cast(value, ty)?))
    }

    /// `buffer[index]`; slices of what may change under them are copies in any case.
    pub(super) fn buffer_item(
        &mut self,
        buffer: &Typed,
        index: &Typed,
        changes: bool,
    ) -> Result<Vals> {
        let Some((exporter, a)) = buffer.ty.as_buffer() else {
            return Err(self.bug("items of no buffer"));
        };
        if a.ndim == 1 && !matches!(index.ty.kind(), Kind::Slice(_)) {
            let at = self.buffer_index(buffer, index)?;
            return Ok(self.item_in_bounds(buffer, at)?.vals);
        }
        let part = indexing(a, index.ty).map_err(|m| self.bug(m))?.result;
        let vals = self.get_item(&self.memory(buffer), index, part)?;
        match part.as_array() {
            Some(slice) if changes || slices_are_copies(exporter, slice) => {
                let copy = Ty::array(slice.dtype, slice.ndim, Layout::C);
                self.new_from(&Typed::new(part, vals), copy)
            }
            _ => Ok(vals),
        }
    }

    /// An index into a buffer of one dimension, counted from the start; unlike those of arrays it is always
    /// checked, as Python's sequences do.
    pub(super) fn buffer_index(&mut self, buffer: &Typed, index: &Typed) -> Result<Value> {
        let len = self.sequence_len(buffer)?;
        let index = self.unwrap(index)?;
        let index = self.index_value(&index)?;
        let at = self.wrap_index(index, len);
        let outside = self.b.cmp(Cmp::UGe, at, len);
        self.raise_if(outside, "IndexError", "index out of range")?;
        Ok(at)
    }

    /// Raises what Python raises for an integer that the items of a buffer cannot have.
    pub(super) fn check_buffer_item(&mut self, buffer: &Typed, new: &Typed) -> Result<()> {
        let Some((exporter, a)) = buffer.ty.as_buffer() else {
            return Err(self.bug("items of no buffer"));
        };
        let new = self.unwrap(new)?;
        if !a.dtype.is_int() || !new.ty.is_int() {
            return Ok(());
        }
        let wide = Ty::int(64, new.ty.is_signed());
        let value = Typed {
            vals: self.cast(&new, wide)?,
            ty: wide,
            constant: new.constant,
        };
        let outside = self.is_outside(&value, a.dtype)?;
        let (class, message) = match exporter {
            Exporter::PyArray => ("OverflowError", "integer out of range for the array"),
            Exporter::MemoryView => ("ValueError", "memoryview: invalid value for format"),
            _ => ("ValueError", "byte must be in range(0, 256)"),
        };
        self.raise_if(outside, class, message)
    }

    /// The bytes of a text of a fixed size, where they are.
    pub(super) fn chars_to_bytes(&mut self, value: &Typed) -> Value {
        let len = self.chars_len(value);
        let one = self.b.i64(1);
        let data = self.b.part(value.vals[0], Part::Data);
        self.b.view(value.vals[0], data, &[len], &[one])
    }

    /// Bytes as such a text, in memory of this function.
    pub(super) fn chars_of_bytes(&mut self, bytes: Value, ty: Ty) -> Vals {
        let made = self.new_chars(ty);
        let [address, count, _] = self.chars_parts(&Typed::one(ty, made));
        let (data, len) = (
            self.b.part(bytes, Part::Data),
            self.b.part(bytes, Part::Shape(0)),
        );
        self.b
            .rt(RtFn::chars_from_bytes, &[address, count, data, len]);
        smallvec![made]
    }

    /// Memory of this function for a text of a fixed size.
    pub(super) fn new_chars(&mut self, ty: Ty) -> Value {
        let (owner, data) = (
            self.b.null(Type::Owner),
            self.b.stack_slot(ty.itemsize().max(1), 8),
        );
        self.b.make_array(owner, data, &[], &[])
    }

    /// `hash(b)`
    pub(super) fn hash_bytes(&mut self, bytes: Value) -> Value {
        let (data, len) = (
            self.b.part(bytes, Part::Data),
            self.b.part(bytes, Part::Shape(0)),
        );
        self.b.rt1(RtFn::bytes_hash, &[data, len])
    }
}
