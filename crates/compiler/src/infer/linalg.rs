//! Typing of products of arrays (`@`, `np.dot`, `np.matmul`) and of the loops of `numpy.linalg`.

use ferdelance_abi::gufunc;

use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::numpy::Args;
use super::op::plain;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::promote::common_dtype;
use crate::types::{ArrayTy, Kind, Layout, Ty};
use crate::ufunc;

/// The named tuples that functions of `numpy.linalg` return.
pub(super) const RESULTS: &[&str] = &[
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
];

/// The type of `a @ b`, if there is one.
pub(crate) fn product(a: Ty, b: Ty) -> Option<Ty> {
    let (x, y) = (a.as_array()?, b.as_array()?);
    if x.ndim == 0 || y.ndim == 0 {
        return None;
    }
    let dtype = common_dtype(x.dtype, y.dtype);
    if !dtype.is_scalar() {
        return None;
    }
    // A vector has no dimension that stays; of stacks, the longer decides.
    let stack = x.ndim.max(y.ndim).saturating_sub(2);
    Some(match stack + u8::from(x.ndim > 1) + u8::from(y.ndim > 1) {
        0 => dtype,
        ndim => Ty::array(dtype, ndim, Layout::C),
    })
}

/// The loop of `numpy.linalg` that a call in the prelude means: `np._gufunc("inv", a, inverse)`. Whether
/// it failed is the result.
pub(super) fn call_gufunc(frame: &Frame, args: &[ArgRef]) -> Result<(AbsVal, Resolution)> {
    let types: Option<String> = args[1..]
        .iter()
        .map(|a| type_character(plain(a.ty()).as_array()?.dtype))
        .collect();
    let number = match (&args[0].abs.constant, types) {
        (Some(Const::Str(name)), Some(types)) => gufunc::Loop::number(name, &types),
        _ => None,
    };
    let Some(number) = number else {
        let types = super::call::signature(&args.iter().map(ArgRef::ty).collect::<Vec<_>>());
        return Err(frame.error(Code::Internal, format!("no loop for {types}")));
    };
    Ok((
        AbsVal::of(Ty::bool()),
        Resolution::Intrinsic {
            what: Intrinsic::Gufunc(number),
            args: args[1..].to_vec(),
            keywords: vec![],
        },
    ))
}

/// NumPy's character of a type, as far as loops have it.
fn type_character(dtype: Ty) -> Option<char> {
    Some(match (dtype.kind(), dtype.bits()) {
        (Kind::Int { signed: true, .. }, 32) => 'i',
        (Kind::Float { .. }, 32) => 'f',
        (Kind::Float { .. }, 64) => 'd',
        (Kind::Complex { .. }, 64) => 'F',
        (Kind::Complex { .. }, 128) => 'D',
        _ => return None,
    })
}

impl Session<'_> {
    /// `np.matmul` of arrays, and `np.dot` where it means the same; `None` for what is something else.
    pub(super) fn call_product(
        &mut self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let given = Args {
            names: &["a", "b", "out"],
            args,
            keywords,
        };
        if let Some(what) = given.unknown() {
            return Err(frame.error(Code::BadArguments, format!("np.{name}() takes no {what}")));
        }
        let (Some(a), Some(b)) = (given.get("a"), given.get("b")) else {
            return Ok(None);
        };
        let is_dot = name == "dot";
        let of_stacks = plain(b.ty()).as_array().is_some_and(|b| b.ndim > 2);
        let Some(ty) = product(plain(a.ty()), plain(b.ty())).filter(|_| !(is_dot && of_stacks))
        else {
            return Ok(None);
        };
        let mut list = vec![a.clone(), b.clone()];
        let ty = match given.get("out").filter(|o| !o.ty().is_none()) {
            None => ty,
            Some(out) => {
                let fits = |o: ArrayTy| {
                    let (dtype, ndim) = ty.as_array().map_or((ty, 0), |t| (t.dtype, t.ndim));
                    let is_storable = if is_dot {
                        dtype == o.dtype
                    } else {
                        ufunc::same_kind(dtype, o.dtype)
                    };
                    !o.readonly && ndim == o.ndim && is_storable
                };
                if !out.ty().as_array().is_some_and(fits) {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("np.{name}() cannot write {ty} to {}", out.ty()),
                    ));
                }
                list.push(out.clone());
                out.ty()
            }
        };
        Ok(Some((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what: Intrinsic::Product { is_dot },
                args: list,
                keywords: vec![],
            },
        )))
    }
}
