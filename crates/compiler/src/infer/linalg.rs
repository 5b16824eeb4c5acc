//! Typing of products of arrays: `@`, `np.dot`, `np.matmul`.

use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::numpy::Args;
use super::op::plain;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::types::promote::common_dtype;
use crate::types::{ArrayTy, Layout, Ty};

/// The type of `a @ b`, if there is one.
pub(crate) fn product(a: Ty, b: Ty) -> Option<Ty> {
    let (x, y) = (a.as_array()?, b.as_array()?);
    if !(1..=2).contains(&x.ndim) || !(1..=2).contains(&y.ndim) {
        return None;
    }
    let dtype = common_dtype(x.dtype, y.dtype);
    if !dtype.is_scalar() || dtype.is_half() {
        return None;
    }
    Some(match x.ndim + y.ndim - 2 {
        0 => dtype,
        ndim => Ty::array(dtype, ndim, Layout::C),
    })
}

impl Session<'_> {
    /// `np.dot` and `np.matmul` of arrays of one or two dimensions; `None` for what is something else.
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
        let Some(ty) = product(plain(a.ty()), plain(b.ty())) else {
            return Ok(None);
        };
        let mut list = vec![a.clone(), b.clone()];
        let ty = match given.get("out").filter(|o| !o.ty().is_none()) {
            None => ty,
            Some(out) => {
                let fits = |o: ArrayTy| {
                    !o.readonly
                        && ty
                            .as_array()
                            .is_some_and(|t| t.ndim == o.ndim && t.dtype == o.dtype)
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
                what: Intrinsic::Product,
                args: list,
                keywords: vec![],
            },
        )))
    }
}
