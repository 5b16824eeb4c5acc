//! Records: fields of structured arrays and of their items.
//!
//! A record as a value is an array without dimensions: an address in memory that it keeps alive. Where it is
//! an element among others, it is its bytes, in pieces ([`super::value::item_types`]).

use ferdelance_abi::rtfn::RtFn;
use smallvec::smallvec;

use super::value::item_types;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::hir::{BinaryOp, CompareOp};
use crate::infer::record::{field_type, indexed_field};
use crate::tir::{Part, Type, Value};
use crate::types::{ArrayTy, Field, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// An item of an array at an address: a record stays where it is.
    pub(super) fn item_at(&mut self, array: Value, address: Value, a: ArrayTy) -> Vals {
        if a.dtype.is_reference() {
            return smallvec![self.b.view(array, address, &[], &[])];
        }
        self.load(address, a)
    }

    /// A value as an element: the bytes of a record.
    pub(super) fn as_element(&mut self, value: &Typed) -> Typed {
        let is_reference = value
            .vals
            .first()
            .is_some_and(|&v| matches!(self.b.ty(v), Type::Array(0)));
        if !value.ty.is_reference() || !is_reference {
            return value.clone();
        }
        let address = self.b.part(value.vals[0], Part::Data);
        Typed::new(value.ty, self.load_parts(address, &item_types(value.ty), 1))
    }

    /// The field that an index says, if it is one of a record or of an array of records.
    pub(super) fn field_by(&self, value: &Typed, index: &Typed) -> Option<&'static Field> {
        if value.ty.as_array().is_some() && !index.ty.is_str() {
            return None;
        }
        indexed_field(value.ty, &index.constant)
    }

    /// A field: a value, or a view.
    pub(super) fn field(&mut self, value: &Typed, field: &Field) -> Result<Vals> {
        let ty = field_type(value.ty, field);
        let base = value.vals[0];
        let data = self.b.part(base, Part::Data);
        let offset = self.b.i64(i64::from(field.offset));
        let address = self.b.offset(data, offset);
        let Kind::Array(result) = *ty.kind() else {
            let one = ArrayTy {
                aligned: false,
                ..whole(ty)
            };
            return Ok(self.item_at(base, address, one));
        };
        let outer = value.ty.as_array().map_or(0, |a| a.ndim);
        let mut shape: Vals = (0..outer)
            .map(|d| self.b.part(base, Part::Shape(d)))
            .collect();
        let mut strides: Vals = match *value.ty.kind() {
            Kind::Array(a) => (0..usize::from(outer))
                .map(|d| self.stride(base, a, d))
                .collect(),
            _ => Vals::new(),
        };
        let mut stride = i64::from(result.dtype.itemsize());
        let mut inner = vec![];
        for &n in field.shape.iter().rev() {
            inner.push((n, stride));
            stride *= i64::from(n);
        }
        for (n, stride) in inner.into_iter().rev() {
            shape.push(self.b.i64(i64::from(n)));
            strides.push(self.b.i64(stride));
        }
        Ok(smallvec![self.b.view(base, address, &shape, &strides)])
    }

    /// Assigns to a field.
    pub(super) fn set_field(&mut self, value: &Typed, field: &Field, new: &Typed) -> Result<()> {
        let ty = field_type(value.ty, field);
        let new = self.unwrap(new)?;
        let new = self.as_record(&new, field.ty)?;
        if let Kind::Array(part) = *ty.kind() {
            let view = self.field(value, field)?;
            return self.assign_elements(view[0], part, &new);
        }
        let data = self.b.part(value.vals[0], Part::Data);
        let offset = self.b.i64(i64::from(field.offset));
        let address = self.b.offset(data, offset);
        let new = self.item_of_zero_dim(&new);
        let vals = self.cast(&new, field.ty)?;
        self.store(
            address,
            ArrayTy {
                aligned: false,
                ..whole(field.ty)
            },
            &vals,
        );
        Ok(())
    }

    /// The values of all fields.
    pub(super) fn record_items(&mut self, value: &Typed) -> Result<Vals> {
        let mut all = Vals::new();
        for field in value.ty.as_record().map_or(&[][..], |r| &r.fields) {
            all.extend(self.field(value, field)?);
        }
        Ok(all)
    }

    /// A record in memory of its own.
    pub(super) fn record_copy(&mut self, value: &Typed) -> Result<Vals> {
        let dtype = crate::infer::record::item(value.ty, false);
        let copy = self.allocate(dtype.itemsize(), Layout::C, &[], false)?;
        let data = self.b.part(copy, Part::Data);
        self.store(data, whole(dtype), &value.vals);
        Ok(smallvec![copy])
    }

    /// A tuple or a number as a record, in memory of this function; other values as they are.
    pub(super) fn as_record(&mut self, value: &Typed, dtype: Ty) -> Result<Typed> {
        if matches!(dtype.kind(), Kind::Chars { .. }) && (value.ty.is_str() || value.ty.is_bytes())
        {
            return Ok(Typed::new(dtype, self.cast(value, dtype)?));
        }
        let Some(record) = dtype.as_record() else {
            return Ok(value.clone());
        };
        if value.ty.as_record().is_some() || value.ty.as_array().is_some() {
            return Ok(value.clone());
        }
        let (owner, data) = (
            self.b.null(Type::Owner),
            self.b.stack_slot(record.size.max(1), 8),
        );
        let made = Typed::one(dtype, self.b.make_array(owner, data, &[], &[]));
        for (i, field) in record.fields.iter().enumerate() {
            let part = if value.ty.tuple_items().is_some() {
                self.item(value, i)
            } else {
                value.clone()
            };
            self.set_field(&made, field, &part)?;
        }
        Ok(made)
    }

    /// Address, number of characters and width of a text in an array.
    pub(super) fn chars_parts(&mut self, value: &Typed) -> [Value; 3] {
        let (count, width) = match *value.ty.kind() {
            Kind::Chars { unicode, count } => (count, if unicode { 4 } else { 1 }),
            _ => (0, 1),
        };
        [
            self.b.part(value.vals[0], Part::Data),
            self.b.i64(i64::from(count)),
            self.b.i64(width),
        ]
    }

    pub(super) fn chars_len(&mut self, value: &Typed) -> Value {
        let parts = self.chars_parts(value);
        self.b.rt1(RtFn::chars_len, &parts)
    }

    pub(super) fn chars_to_str(&mut self, value: &Typed) -> Value {
        let parts = self.chars_parts(value);
        self.b.rt1(RtFn::str_from_chars, &parts)
    }

    /// A string as such a text, in memory of this function.
    pub(super) fn chars_of(&mut self, text: Value, ty: Ty) -> Vals {
        let made = self.new_chars(ty);
        let [address, count, width] = self.chars_parts(&Typed::one(ty, made));
        self.b
            .rt(RtFn::chars_from_str, &[address, count, width, text]);
        smallvec![made]
    }

    /// Whether records, or the items of arrays of them, are equal: a value, or an array.
    pub(super) fn compare_records(
        &mut self,
        op: CompareOp,
        a: &Typed,
        b: &Typed,
        ty: Ty,
    ) -> Result<Vals> {
        let dtype = a.ty.as_array().map_or(a.ty, |x| x.dtype);
        let Some(record) = dtype.as_record() else {
            return Err(self.bug("a comparison of no records"));
        };
        let always = self.b.bool(op == CompareOp::Eq);
        let mut result: Option<Typed> = None;
        for field in &record.fields {
            let [x, y] = [a, b].map(|v| field_type(v.ty, field));
            let (x, y) = (
                Typed::new(x, self.field(a, field)?),
                Typed::new(y, self.field(b, field)?),
            );
            let one = Typed::new(ty, self.comparison(op, &x, &y, ty)?);
            result = Some(match result {
                None => one,
                Some(before) => {
                    let combine = if op == CompareOp::Eq {
                        BinaryOp::And
                    } else {
                        BinaryOp::Or
                    };
                    Typed::new(ty, self.binary(combine, &before, &one, ty)?)
                }
            });
        }
        Ok(result.map_or_else(|| smallvec![always], |r| r.vals))
    }
}

/// The array without dimensions that has an item.
fn whole(dtype: Ty) -> ArrayTy {
    ArrayTy {
        dtype,
        ndim: 0,
        layout: Layout::C,
        readonly: false,
        aligned: true,
    }
}
