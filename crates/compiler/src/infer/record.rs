//! Typing of structured arrays and their records: fields by name.

use super::AbsVal;
use super::op::ty_of;
use super::solve::Frame;
use crate::diag::{Code, Diagnostic, Result};
use crate::host::Const;
use crate::types::{ArrayTy, Field, Kind, Layout, Record, Ty, promote};

/// The field that an index with a constant name (of a record, also a number) says.
pub fn indexed_field<'a>(ty: Ty, index: &Option<Const>) -> Option<&'a Field> {
    match (ty.kind(), index) {
        (_, Some(Const::Str(name))) => named_field(ty, name),
        (Kind::Record(record), Some(Const::Int(i))) => {
            let count = record.fields.len() as i128;
            usize::try_from(if *i < 0 { i + count } else { *i })
                .ok()
                .and_then(|i| record.fields.get(i))
        }
        _ => None,
    }
}

/// The field of a record, or of an array of records, by its name.
pub fn named_field<'a>(ty: Ty, name: &str) -> Option<&'a Field> {
    record_of(ty)?.field(name)
}

fn record_of(ty: Ty) -> Option<&'static Record> {
    ty.as_array().map_or(ty, |a| a.dtype).as_record()
}

/// The type of a field: of a record the value, of an array of records a view.
pub fn field_type(ty: Ty, field: &Field) -> Ty {
    let Some(record) = record_of(ty) else {
        return field.ty;
    };
    let aligned = record.aligned && ty.as_array().is_some_and(|a| a.aligned);
    let part = field.shape.len() as u8;
    match *ty.kind() {
        Kind::Array(a) => {
            let ndim = a.ndim + part;
            let layout = if ndim == 0 { Layout::C } else { Layout::A };
            ArrayTy {
                dtype: field.ty,
                ndim,
                layout,
                aligned,
                readonly: a.readonly,
            }
            .ty()
        }
        _ if part > 0 => ArrayTy {
            dtype: field.ty,
            ndim: part,
            layout: Layout::C,
            aligned,
            readonly: record.readonly,
        }
        .ty(),
        _ => item(field.ty, record.readonly),
    }
}

/// The type of a value that is an item of an array.
pub fn item(dtype: Ty, readonly: bool) -> Ty {
    match dtype.as_record() {
        Some(record) if readonly != record.readonly => Ty::new(Kind::Record(Box::new(Record {
            readonly,
            ..record.clone()
        }))),
        _ => dtype,
    }
}

/// Whether a value that is no array may be written into items of this type. A record takes the same record, a
/// tuple of as many values as it has fields, and a number for all fields; a text takes a string.
pub(super) fn fits_item(from: Ty, dtype: Ty) -> bool {
    if let Kind::Chars { .. } = dtype.kind() {
        return super::buffer::text(from) == super::buffer::text(dtype);
    }
    let Some(record) = dtype.as_record() else {
        return promote::fit(from, dtype).is_some();
    };
    let fields = || record.fields.iter();
    match from.kind() {
        Kind::Record(_) => item(from, false) == dtype,
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
            items.len() == record.fields.len()
                && items
                    .iter()
                    .zip(fields())
                    .all(|(t, f)| f.shape.is_empty() && fits_item(*t, f.ty))
        }
        _ => from.is_scalar() && fields().all(|f| fits_item(from, f.ty)),
    }
}

/// Whether records can be compared for equality, field by field.
pub(super) fn has_equality(ty: Ty) -> bool {
    let field = |f: &Field| {
        f.shape.is_empty() && (f.ty.is_scalar() || f.ty.is_time() || has_equality(f.ty))
    };
    ty.as_record().is_some_and(|r| r.fields.iter().all(field))
}

/// The packed record that a list of fields describes: `[("x", np.int8), ("y", "f8", (2,))]`.
pub(super) fn of_fields(frame: &Frame, items: &[Ty], constants: &[Const]) -> Result<Ty> {
    let refused = || {
        frame
            .error(
                Code::BadArguments,
                "a dtype is a list of fields only if each is a name, a type, and for arrays a shape",
            )
            .help("make the dtype outside of the function, as a global variable")
    };
    let (mut fields, mut size) = (vec![], 0);
    for (item, constant) in items.iter().zip(constants) {
        let (Some([_, ty, ..]), Const::Tuple(parts)) = (item.tuple_items(), constant) else {
            return Err(refused());
        };
        let (Const::Str(name), shape) = (&parts[0], parts.get(2)) else {
            return Err(refused());
        };
        let lengths = match shape {
            None => &[][..],
            Some(Const::Tuple(lengths)) => lengths,
            Some(length) => std::slice::from_ref(length),
        };
        let length = |c: &Const| match c {
            Const::Int(n) => u32::try_from(*n).ok(),
            _ => None,
        };
        let shape: Option<Box<[u32]>> = lengths.iter().map(length).collect();
        let shape = shape.ok_or_else(refused)?;
        let dtype = AbsVal {
            ty: Some(*ty),
            constant: Some(parts[1].clone()),
        };
        let ty = super::numpy::dtype_of(frame, &dtype, Ty::float(64))?;
        let bytes = shape
            .iter()
            .try_fold(ty.itemsize(), |bytes, n| bytes.checked_mul(*n));
        let offset = size;
        size = bytes
            .and_then(|bytes| bytes.checked_add(size))
            .ok_or_else(refused)?;
        fields.push(Field {
            name: (&**name).into(),
            title: None,
            ty,
            shape,
            offset,
        });
    }
    Ok(Ty::new(Kind::Record(Box::new(Record {
        fields: fields.into(),
        size,
        aligned: false,
        readonly: false,
    }))))
}

/// The fields of a record as a tuple.
pub(super) fn as_tuple(ty: Ty) -> Option<Ty> {
    let record = ty.as_record()?;
    let types: Vec<Ty> = record.fields.iter().map(|f| field_type(ty, f)).collect();
    Some(Ty::tuple(&types))
}

/// `dtype.names`
pub(super) fn names(dtype: Ty) -> Option<AbsVal> {
    let names = dtype
        .as_record()?
        .fields
        .iter()
        .map(|f| Const::Str((&*f.name).into()));
    Some(AbsVal::literal(Const::Tuple(names.collect())))
}

/// `value[name]` of a record or an array of records; `None` if it is no such index.
pub(super) fn get_field(frame: &Frame, value: &AbsVal, index: &AbsVal) -> Option<Result<AbsVal>> {
    let (ty, by) = (ty_of(value), ty_of(index));
    let record = record_of(ty)?;
    if ty.as_array().is_some() && !by.is_str() {
        return None;
    }
    Some(match indexed_field(ty, &index.constant) {
        Some(field) => Ok(AbsVal::of(field_type(ty, field))),
        None => Err(no_field(frame, record, ty, index)),
    })
}

/// `array[["x", "y"]]`: a view that knows these fields only; `None` if it is no such index.
pub fn several_fields(
    array: ArrayTy,
    index: &Option<Const>,
) -> Option<std::result::Result<ArrayTy, String>> {
    let (Some(record), Some(Const::Tuple(names))) = (array.dtype.as_record(), index) else {
        return None;
    };
    if names.is_empty() {
        return None;
    }
    let mut fields = vec![];
    for name in names.iter() {
        let Const::Str(name) = name else { return None };
        match record.field(name) {
            Some(field) => fields.push(field.clone()),
            None => return Some(Err(format!("no field `{name}` in {}", array.dtype))),
        }
    }
    let record = Record {
        fields: fields.into(),
        ..record.clone()
    };
    let dtype = Ty::new(Kind::Record(Box::new(record)));
    Some(Ok(ArrayTy { dtype, ..array }))
}

fn no_field(frame: &Frame, record: &Record, ty: Ty, index: &AbsVal) -> Box<Diagnostic> {
    let names: Vec<String> = record.fields.iter().map(|f| f.name.to_string()).collect();
    let error = match &index.constant {
        Some(Const::Str(name)) => {
            let error = frame.error(Code::BadIndex, format!("no field `{name}` in {ty}"));
            match super::attribute::nearest(name, &names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        }
        Some(Const::Int(i)) => frame.error(
            Code::BadIndex,
            format!("no field {i}: {ty} has {}", names.len()),
        ),
        _ => frame
            .error(
                Code::NotConstant,
                format!(
                    "the name of a field must be a constant, not a value of type {}",
                    ty_of(index)
                ),
            )
            .help("write the name as a literal, or loop over names with `literal_unroll`"),
    };
    error.note(format!("its fields are {}", names.join(", ")))
}

/// `value[name] = new`; `None` if it is no such index.
pub(super) fn set_field(
    frame: &Frame,
    value: &AbsVal,
    index: &AbsVal,
    new: &AbsVal,
) -> Option<Result<AbsVal>> {
    Some(get_field(frame, value, index)?.and_then(|field| check_field(frame, value, &field, new)))
}

/// `value.name = new`; `None` if there is no such field.
pub(super) fn set_attribute(
    frame: &Frame,
    value: &AbsVal,
    name: &str,
    new: &AbsVal,
) -> Option<Result<AbsVal>> {
    let ty = ty_of(value);
    let field = AbsVal::of(field_type(ty, named_field(ty, name)?));
    Some(check_field(frame, value, &field, new))
}

/// Whether a field, of the type that reading it would give, can be assigned to.
fn check_field(frame: &Frame, value: &AbsVal, field: &AbsVal, new: &AbsVal) -> Result<AbsVal> {
    let (ty, field, new) = (ty_of(value), ty_of(field), ty_of(new));
    let readonly = ty.as_array().map_or_else(
        || ty.as_record().is_some_and(|r| r.readonly),
        |a| a.readonly,
    );
    if readonly {
        return Err(frame
            .error(
                Code::ReadOnly,
                format!("cannot assign to a field (setitem) of a read-only value: {ty}"),
            )
            .help("pass the array as an argument, or write to a copy"));
    }
    let fits = match (field.as_array(), new.as_array()) {
        (Some(part), Some(new)) => new.ndim <= part.ndim && fits_item(new.dtype, part.dtype),
        (Some(part), None) => fits_item(new, part.dtype),
        (None, Some(new)) => new.ndim == 0 && fits_item(new.dtype, field),
        (None, None) => fits_item(new, item(field, false)),
    };
    if !fits {
        return Err(frame.error(
            Code::CannotConvert,
            format!("cannot convert {new} to {field}, the type of the field (setitem)"),
        ));
    }
    Ok(AbsVal::of(Ty::none()))
}
