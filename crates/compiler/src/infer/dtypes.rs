//! What NumPy says about types: all of it is known when compiling.

use super::AbsVal;
use super::call::ArgRef;
use super::numpy::{dtype, typestr};
use super::op::{plain, ty_of};
use super::solve::Frame;
use crate::diag::{Code, Result};
use crate::host::Const;
use crate::types::{Kind, Ty, promote};
use crate::ufunc;

/// `np.issubdtype`, `result_type`, `promote_types` or `can_cast` of these arguments.
pub(super) fn relation(frame: &Frame, name: &str, args: &[ArgRef]) -> Result<Option<AbsVal>> {
    Ok(match (name, args) {
        ("issubdtype", [a, b]) => Some(AbsVal::bool(is_sub(frame, element(frame, a)?, b)?)),
        ("promote_types", [a, b]) => {
            let common =
                promote::common_dtype(element(frame, a)?.strong(), element(frame, b)?.strong());
            Some(AbsVal::of(Ty::new(Kind::Dtype(common))))
        }
        ("result_type", [first, rest @ ..]) => {
            // Python scalars adapt to the others, so they come last.
            let mut types = vec![element(frame, first)?];
            for arg in rest {
                types.push(element(frame, arg)?);
            }
            types.sort_by_key(|t| t.is_weak());
            let common = types
                .into_iter()
                .reduce(promote::common_dtype)
                .unwrap_or_else(|| Ty::float(64));
            Some(AbsVal::of(Ty::new(Kind::Dtype(common.strong()))))
        }
        ("can_cast", [a, b]) => Some(AbsVal::bool(ufunc::can_cast(
            element(frame, a)?.strong(),
            element(frame, b)?,
        ))),
        ("can_cast", [a, b, rule]) => {
            let (from, to) = (element(frame, a)?.strong(), element(frame, b)?.strong());
            Some(AbsVal::bool(match &rule.abs.constant {
                Some(Const::Str(rule)) if &**rule == "unsafe" => true,
                Some(Const::Str(rule)) if &**rule == "same_kind" => ufunc::same_kind(from, to),
                Some(Const::Str(rule)) if &**rule == "safe" => ufunc::can_cast(from, to),
                Some(Const::Str(rule)) if matches!(&**rule, "no" | "equiv") => from == to,
                _ => {
                    return Err(frame.error(
                        Code::NotConstant,
                        "the casting rule of np.can_cast() must be a constant",
                    ));
                }
            }))
        }
        _ => None,
    })
}

/// `dtype.kind` and the like.
pub(super) fn text(ty: Ty, name: &str) -> Option<AbsVal> {
    let short = typestr(ty);
    let text = match name {
        "name" => ty.to_string(),
        "kind" => short[..1].to_owned(),
        "char" => char::from(ufunc::letter(ty)).to_string(),
        "str" => format!("{}{short}", if ty.itemsize() == 1 { '|' } else { '<' }),
        _ => return None,
    };
    Some(AbsVal::literal(Const::Str(text.into())))
}

/// The type that an argument is or has: of a dtype, a class, a name, an array or a number.
fn element(frame: &Frame, arg: &ArgRef) -> Result<Ty> {
    let ty = plain(ty_of(&arg.abs));
    match ty.as_array() {
        Some(a) => Ok(a.dtype),
        None if ty.is_scalar() || ty.is_time() => Ok(ty),
        None => dtype(frame, Some(arg), Ty::float(64)),
    }
}

/// `np.issubdtype(ty, class)`: NumPy's abstract classes, or the very type.
fn is_sub(frame: &Frame, ty: Ty, class: &ArgRef) -> Result<bool> {
    Ok(match class.ty().kind() {
        Kind::Builtin(name) => match &**name {
            "numpy.generic" => true,
            "numpy.number" => ty.is_number(),
            "numpy.integer" => ty.is_int(),
            "numpy.signedinteger" => ty.is_signed(),
            "numpy.unsignedinteger" => ty.is_int() && !ty.is_signed(),
            "numpy.inexact" => ty.is_float() || ty.is_complex(),
            "numpy.floating" => ty.is_float(),
            "numpy.complexfloating" => ty.is_complex(),
            "numpy.datetime64" => ty.as_time().is_some_and(|(delta, _)| !delta),
            "numpy.timedelta64" => ty.as_time().is_some_and(|(delta, _)| delta),
            "numpy.flexible" | "numpy.character" | "numpy.bytes_" | "numpy.str_" | "numpy.void"
            | "numpy.object_" => false,
            _ => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("np.issubdtype() with {name} cannot be compiled"),
                ));
            }
        },
        _ => ty.strong() == element(frame, class)?.strong(),
    })
}
