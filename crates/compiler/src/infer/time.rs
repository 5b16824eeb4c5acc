//! Typing of what makes dates and durations: `np.datetime64(...)`, `np.timedelta64(...)`.

use super::AbsVal;
use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::numpy::Args;
use super::op::plain;
use super::solve::Frame;
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::time::{self, NAT};
use crate::types::{Kind, Ty, Unit};

/// `np.datetime64(value, unit)`, or (`delta`) `np.timedelta64(value, unit)`.
pub(super) fn construct(
    frame: &Frame,
    delta: bool,
    args: &[ArgRef],
    keywords: &[(Name, ArgRef)],
) -> Result<(AbsVal, Resolution)> {
    let name = if delta {
        "np.timedelta64"
    } else {
        "np.datetime64"
    };
    let a = Args {
        names: &["value", "unit"],
        args,
        keywords,
    };
    if let Some(what) = a.unknown() {
        return Err(frame.error(Code::BadArguments, format!("{name}() takes no {what}")));
    }
    let unit = match a.get("unit").map(|u| (u.ty(), &u.abs.constant)) {
        None => None,
        Some((_, Some(Const::Str(unit)))) => Some(Unit::by_name(unit).ok_or_else(|| {
            frame
                .error(
                    Code::BadArguments,
                    format!("`{unit}` is no unit of {name}()"),
                )
                .help("units are Y, M, W, D, h, m, s, ms, us, ns, ps, fs and as")
        })?),
        Some((ty, _)) => {
            return Err(frame.error(
                Code::NotConstant,
                format!("the unit of {name}() must be a constant text, not a value of type {ty}"),
            ));
        }
    };
    let known = |value: i64, unit: Unit| {
        let value = AbsVal::constant(Ty::time(delta, unit), Const::Int(value.into()));
        Ok((
            value,
            Resolution::Intrinsic {
                what: Intrinsic::Known,
                args: vec![],
                keywords: vec![],
            },
        ))
    };
    let Some(value) = a.get("value") else {
        return known(if delta { 0 } else { NAT }, unit.unwrap_or(Unit::Generic));
    };
    let ty = plain(value.ty());
    let refused = || {
        frame.error(
            Code::BadArguments,
            format!("{name}() does not take a value of type {ty}"),
        )
    };
    let target = match (ty.kind(), &value.abs.constant) {
        (Kind::None, _) => return known(NAT, unit.unwrap_or(Unit::Generic)),
        (Kind::Str, Some(Const::Str(text))) => {
            let no_date = || {
                frame.error(
                    Code::BadArguments,
                    format!("`{text}` is nothing that {name}() reads"),
                )
            };
            let (value, precise) = match text.parse() {
                Ok(number) if delta => (number, Unit::Generic),
                _ => time::parse(text)
                    .filter(|(v, _)| !delta || *v == NAT)
                    .ok_or_else(no_date)?,
            };
            let unit = unit.unwrap_or(precise);
            return known(
                time::convert(delta, value, precise, unit).ok_or_else(no_date)?,
                unit,
            );
        }
        (
            Kind::Time {
                delta: other,
                unit: from,
            },
            _,
        ) if *other == delta => {
            let to = unit.unwrap_or(*from);
            time::conversion(delta, *from, to).ok_or_else(refused)?;
            Ty::time(delta, to)
        }
        _ if ty.is_integral() && (delta || unit.is_some_and(|u| u != Unit::Generic)) => {
            Ty::time(delta, unit.unwrap_or(Unit::Generic))
        }
        _ if ty.is_integral() => {
            return Err(frame
                .error(
                    Code::BadArguments,
                    format!("{name}() of an integer needs a unit"),
                )
                .help("say what the number counts: np.datetime64(n, 's')"));
        }
        _ => return Err(refused()),
    };
    // Values that are known stay so.
    let constant = match (ty.as_time(), &value.abs.constant) {
        (Some((_, from)), Some(Const::Int(v))) => {
            let to = target.as_time().map_or(from, |(_, to)| to);
            i64::try_from(*v)
                .ok()
                .and_then(|v| time::convert(delta, v, from, to))
                .map(|v| Const::Int(v.into()))
        }
        (None, Some(Const::Int(v))) => i64::try_from(*v).ok().map(|v| Const::Int(v.into())),
        _ => None,
    };
    let what = Intrinsic::Convert(target);
    Ok((
        AbsVal {
            ty: Some(target),
            constant,
        },
        Resolution::Intrinsic {
            what,
            args: vec![value.clone()],
            keywords: vec![],
        },
    ))
}

/// The type that `M8[D]`, `timedelta64[ns]` and the like name.
pub(super) fn by_name(name: &str) -> Option<Ty> {
    let (kind, unit) = match name.split_once('[') {
        Some((kind, unit)) => (kind, unit.strip_suffix(']')?),
        None => (name, ""),
    };
    let delta = match kind {
        "M8" | "datetime64" => false,
        "m8" | "timedelta64" => true,
        _ => return None,
    };
    Unit::by_name(unit).map(|unit| Ty::time(delta, unit))
}
