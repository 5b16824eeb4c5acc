//! `np.finfo` and `np.iinfo`: objects without a value at run time, whose attributes are constants.
//!
//! Their type is a builtin name made of the function and the type that they describe, such as
//! `numpy.finfo(f8)`.

use super::AbsVal;
use super::call::ArgRef;
use super::numpy::{dtype, dtype_by_name, typestr};
use super::op::{plain, ty_of};
use super::solve::Frame;
use crate::diag::{Code, Result};
use crate::host::Const;
use crate::types::{Kind, Ty};

/// `np.finfo(x)` or `np.iinfo(x)` of a type or of a number.
pub(super) fn describe(frame: &Frame, name: &str, arg: &ArgRef) -> Result<AbsVal> {
    let given = plain(ty_of(&arg.abs));
    let ty = match given.as_array() {
        Some(a) => a.dtype,
        None if given.is_scalar() => given,
        None => dtype(frame, Some(arg), Ty::float(64))?,
    };
    let ty = if name == "finfo" { ty.part() } else { ty };
    if ty.is_float() != (name == "finfo") || !ty.is_number() {
        return Err(frame.error(
            Code::BadArguments,
            format!("np.{name}() does not take {ty}"),
        ));
    }
    Ok(AbsVal::of(Ty::builtin(&format!(
        "numpy.{name}({})",
        typestr(ty)
    ))))
}

/// An attribute of such an object, by the name of its type.
pub(super) fn attribute(object: &str, name: &str) -> Option<AbsVal> {
    let (kind, rest) = object.strip_prefix("numpy.")?.split_once('(')?;
    let ty = dtype_by_name(rest.strip_suffix(')')?)?;
    let int = |i: i64| Some(AbsVal::literal(Const::Int(i128::from(i))));
    match (kind, name) {
        ("finfo" | "iinfo", "bits") => int(i64::from(ty.bits())),
        ("finfo" | "iinfo", "dtype") => Some(AbsVal::of(Ty::new(Kind::Dtype(ty)))),
        ("iinfo", "min" | "max") => {
            let bits = ty.bits();
            let value = match (ty.is_signed(), name) {
                (true, "min") => -(1i128 << (bits - 1)),
                (true, _) => (1i128 << (bits - 1)) - 1,
                (false, "min") => 0,
                (false, _) => (1i128 << bits) - 1,
            };
            let result = if ty.is_signed() || bits < 64 {
                Ty::py_int()
            } else {
                Ty::int(64, false).weak()
            };
            Some(AbsVal::constant(result, Const::Int(value)))
        }
        ("finfo", _) => float_attribute(ty, name),
        _ => None,
    }
}

fn float_attribute(ty: Ty, name: &str) -> Option<AbsVal> {
    let (mantissa, exponent, precision) = match ty.bits() {
        16 => (10, 5, 3),
        32 => (23, 8, 6),
        _ => (52, 11, 15),
    };
    let bias = (1i32 << (exponent - 1)) - 1;
    let float = |x: f64| Some(AbsVal::constant(ty, Const::Float(x)));
    let int = |i: i32| Some(AbsVal::literal(Const::Int(i128::from(i))));
    let largest = match ty.bits() {
        16 => 65504.0,
        32 => f64::from(f32::MAX),
        _ => f64::MAX,
    };
    match name {
        "eps" => float(2f64.powi(-mantissa)),
        "epsneg" => float(2f64.powi(-mantissa - 1)),
        "max" => float(largest),
        "min" => float(-largest),
        "tiny" | "smallest_normal" => float(2f64.powi(1 - bias)),
        "smallest_subnormal" => float(if ty.bits() == 64 {
            f64::from_bits(1)
        } else {
            2f64.powi(1 - bias - mantissa)
        }),
        "resolution" => float(match ty.bits() {
            // As a float16 has it.
            16 => 0.001_000_404_357_910_156_2,
            32 => f64::from(1e-6f32),
            _ => 1e-15,
        }),
        "precision" => int(precision),
        "nmant" => int(mantissa),
        "nexp" | "iexp" => int(exponent),
        "maxexp" => int(bias + 1),
        "minexp" => int(1 - bias),
        "machep" => int(-mantissa),
        "negep" => int(-mantissa - 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_types() {
        let constant = |object: &str, name: &str| attribute(object, name).and_then(|v| v.constant);
        assert_eq!(
            constant("numpy.finfo(f8)", "eps"),
            Some(Const::Float(f64::EPSILON))
        );
        assert_eq!(
            constant("numpy.finfo(f8)", "tiny"),
            Some(Const::Float(f64::MIN_POSITIVE))
        );
        assert_eq!(
            constant("numpy.finfo(f4)", "tiny"),
            Some(Const::Float(f64::from(f32::MIN_POSITIVE)))
        );
        assert_eq!(constant("numpy.iinfo(i1)", "min"), Some(Const::Int(-128)));
        assert_eq!(
            constant("numpy.iinfo(u8)", "max"),
            Some(Const::Int(i128::from(u64::MAX)))
        );
        assert_eq!(constant("numpy.iinfo(i8)", "eps"), None);
    }
}
