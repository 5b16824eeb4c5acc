//! Typing of what the prelude calls on rows of arrays (arrays of one dimension): sorting and searching,
//! which the runtime does.

use ferdelance_abi::rtfn::RtFn;

use super::AbsVal;
use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::op::plain;
use super::solve::Frame;
use crate::diag::{Code, Result};
use crate::types::{Kind, Ty};

/// The runtime function that a private name of the prelude means.
pub(super) fn function(name: &str) -> Option<RtFn> {
    Some(match name {
        "_row_sort" => RtFn::row_sort,
        "_row_sort_positions" => RtFn::row_sort_positions,
        "_row_select" => RtFn::row_select,
        "_row_select_positions" => RtFn::row_select_positions,
        "_row_search" => RtFn::row_search,
        _ => return None,
    })
}

/// Whether elements have an order.
fn is_ordered(dtype: Ty) -> bool {
    dtype.is_scalar() || dtype.is_time() || matches!(dtype.kind(), Kind::Chars { .. })
}

pub(super) fn call(frame: &Frame, func: RtFn, args: &[ArgRef]) -> Result<(AbsVal, Resolution)> {
    for arg in args {
        let ty = plain(arg.ty());
        match ty.as_array() {
            Some(a) if a.ndim != 1 || !is_ordered(a.dtype) => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("elements of type {} have no order", a.dtype),
                ));
            }
            Some(a) if a.readonly && matches!(func, RtFn::row_sort | RtFn::row_select) => {
                return Err(frame.error(
                    Code::ReadOnly,
                    format!(
                        "cannot reorder the elements of a read-only array: {}",
                        a.ty()
                    ),
                ));
            }
            None if !ty.is_integral() => {
                return Err(frame.error(Code::Internal, format!("no row: {ty}")));
            }
            _ => {}
        }
    }
    Ok((
        AbsVal::of(Ty::none()),
        Resolution::Intrinsic {
            what: Intrinsic::Rows(func),
            args: args.to_vec(),
            keywords: vec![],
        },
    ))
}
