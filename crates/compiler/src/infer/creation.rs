//! Typing of arrays made of other values: numbers, tuples and lists, nested or not, and arrays.

use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::numpy::{Args, dtype, order};
use super::op::plain;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::types::{ArrayTy, Exporter, Kind, Layout, Ty, promote};

/// The element type and the number of dimensions of the array that a value is made into.
pub fn nested(ty: Ty) -> Option<(Ty, u8)> {
    match ty.kind() {
        Kind::Array(a) => Some((a.dtype, a.ndim)),
        // To NumPy, bytes are a text.
        Kind::Buffer(exporter, a) if *exporter != Exporter::Bytes => Some((a.dtype, a.ndim)),
        Kind::List(item) => nested(*item).map(|(dtype, ndim)| (dtype, ndim + 1)),
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
            let Some((first, rest)) = items.split_first() else {
                return Some((Ty::float(64), 1));
            };
            let join = |(dtype, ndim), item: &Ty| {
                let (other, n) = nested(*item)?;
                (n == ndim).then(|| (promote::common_dtype(dtype, other), ndim))
            };
            let (dtype, ndim) = rest.iter().try_fold(nested(*first)?, join)?;
            Some((dtype, ndim + 1))
        }
        Kind::Optional(inner) => nested(*inner),
        Kind::Record(_) => Some((super::record::item(ty, false), 0)),
        _ => (ty.is_scalar() || ty.is_time()).then(|| (ty.strong(), 0)),
    }
}

/// The array that functions of arrays take a value as: itself, or a new one.
pub fn as_array(ty: Ty) -> Option<ArrayTy> {
    let (dtype, ndim) = nested(ty)?;
    if let Some(a) = plain(ty).memory() {
        return Some(a);
    }
    Some(ArrayTy {
        dtype,
        ndim,
        layout: Layout::C,
        readonly: false,
        aligned: true,
    })
}

/// The array that a sequence counts as among the operands of element-wise functions.
pub fn of_sequence(ty: Ty) -> Option<ArrayTy> {
    let sequence = ty.list_item().is_some() || ty.tuple_items().is_some();
    sequence.then(|| as_array(ty)).flatten()
}

/// The type that a value has as such an operand.
pub fn of_operand(ty: Ty) -> Ty {
    of_sequence(ty).map_or(ty, ArrayTy::ty)
}

/// The memory order of a copy that keeps it.
pub fn kept_layout(a: ArrayTy) -> Layout {
    if a.layout == Layout::F {
        Layout::F
    } else {
        Layout::C
    }
}

/// A new array like another one.
pub fn new_like(a: ArrayTy, dtype: Ty, layout: Layout) -> ArrayTy {
    ArrayTy {
        dtype,
        layout: if a.ndim <= 1 { Layout::C } else { layout },
        readonly: false,
        aligned: true,
        ..a
    }
}

impl Session<'_> {
    /// `np.array` and its like; `None` if `name` is none of them.
    pub(super) fn make_array(
        &self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let names: &[&str] = match name {
            "array" => &["object", "dtype", "copy", "order", "subok", "ndmin"],
            "asarray" | "asanyarray" | "ascontiguousarray" | "asfortranarray" => {
                &["a", "dtype", "order"]
            }
            "copy" => &["a", "order"],
            _ => return Ok(None),
        };
        let a = Args {
            names,
            args,
            keywords,
        };
        if let Some(what) = a.unknown() {
            return Err(frame.error(Code::BadArguments, format!("np.{name}() takes no {what}")));
        }
        let Some(object) = a.get(names[0]) else {
            return Err(frame.error(
                Code::ArgumentCount,
                format!("np.{name}() misses its argument `{}`", names[0]),
            ));
        };
        let Some(mut array) = as_array(object.ty()) else {
            return Err(frame.error(
                Code::BadArguments,
                format!("np.{name}() cannot make an array of {}", object.ty()),
            ));
        };
        // More dimensions than the object has are the prelude's.
        let least = a.get("ndmin").and_then(|n| n.abs.as_int()).unwrap_or(0);
        if least > i64::from(array.ndim) {
            return Ok(None);
        }
        let dtype = dtype(frame, a.get("dtype"), array.dtype)?;
        let is_array = plain(object.ty()).memory().is_some();
        if name == "array" && !is_array && dtype.as_record().is_some() {
            // Tuples as records are the prelude's, too.
            return Ok(None);
        }
        if dtype != array.dtype
            && (dtype.as_record().is_some() || array.dtype.as_record().is_some())
        {
            return Err(frame
                .error(
                    Code::BadArguments,
                    format!(
                        "np.{name}() cannot make items of type {dtype} of {}",
                        object.ty()
                    ),
                )
                .help("make the array with np.zeros() and assign to its items"));
        }
        let exact = array.dtype == dtype && is_array;
        let wanted = match name {
            "ascontiguousarray" => Some(Layout::C),
            "asfortranarray" => Some(Layout::F),
            _ => order(frame, name, a.get("order"))?,
        };
        if matches!(name, "ascontiguousarray" | "asfortranarray") && array.ndim == 0 {
            array = ArrayTy {
                ndim: 1,
                layout: Layout::C,
                ..array
            };
        }
        let layout = wanted.unwrap_or_else(|| kept_layout(array));
        let copies = match name {
            "array" => a.get("copy").is_none_or(|c| c.abs.as_bool() == Some(true)),
            "copy" => true,
            _ => false,
        };
        let (ty, what) = if copies || !exact {
            (new_like(array, dtype, layout).ty(), Intrinsic::NewFrom)
        } else {
            match wanted {
                None => (array.ty(), Intrinsic::AsArray),
                Some(layout) => {
                    let layout = if array.ndim <= 1 { Layout::C } else { layout };
                    (ArrayTy { layout, ..array }.ty(), Intrinsic::Contiguous)
                }
            }
        };
        Ok(Some((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what,
                args: vec![object.clone()],
                keywords: vec![],
            },
        )))
    }
}
