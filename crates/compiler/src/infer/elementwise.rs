//! Typing of operators on whole arrays: NumPy's element types, broadcasting of ranks.

use smallvec::SmallVec;

use super::creation::of_operand;
use super::op::{plain, ty_of};
use super::{AbsVal, record};
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::types::{Kind, Layout, Ty};
use crate::ufunc::{self, Operand, Row};

/// An operand of an element-wise operation: its element type and its rank (0 for a scalar).
pub(super) fn element(ty: Ty) -> Option<(Ty, u8)> {
    match *ty.kind() {
        Kind::Array(a) => Some((a.dtype, a.ndim)),
        _ if ty.is_scalar() || ty.is_time() => Some((ty, 0)),
        _ => None,
    }
}

pub(super) fn result(dtype: Ty, operands: &[Ty]) -> Ty {
    let ndim = operands
        .iter()
        .filter_map(|t| element(*t))
        .map(|(_, n)| n)
        .max()
        .unwrap_or(0);
    if ndim == 0 {
        return dtype;
    }
    // The result is laid out in C order, unless every operand that has its rank is in F order.
    let full: Vec<Layout> = operands
        .iter()
        .filter_map(|t| t.as_array())
        .filter(|a| a.ndim == ndim)
        .map(|a| a.layout)
        .collect();
    let layout = if ndim > 1 && full.iter().all(|l| *l == Layout::F) {
        Layout::F
    } else {
        Layout::C
    };
    Ty::array(dtype, ndim, layout)
}

fn has_array(types: &[Ty]) -> bool {
    types.iter().any(|t| t.as_array().is_some())
}

/// The result of a row for these values if one of them is an array, a date or a duration and there is a loop.
fn apply(row: Option<&'static Row>, values: &[&AbsVal]) -> Option<AbsVal> {
    let mut types: SmallVec<[Ty; 2]> = values.iter().map(|v| plain(ty_of(v))).collect();
    if has_array(&types) {
        for ty in &mut types {
            *ty = of_operand(*ty);
        }
    } else if !types.iter().any(|t| t.is_time()) {
        return None;
    }
    let operands: Option<SmallVec<[Operand; 2]>> = types
        .iter()
        .zip(values)
        .map(|(&t, v)| Operand::of(t, v.constant.as_ref()))
        .collect();
    let found = ufunc::resolve(row?, &operands?, None).ok()?;
    Some(AbsVal::of(result(found.outputs[0], &types)))
}

/// `a op b` if one of them is an array.
pub(super) fn binary(op: BinaryOp, a: &AbsVal, b: &AbsVal) -> Option<AbsVal> {
    apply(ufunc::of_binary(op), &[a, b])
}

/// `a op= b` for an array `a`: a itself, if the result may be stored there.
pub(super) fn in_place(op: BinaryOp, a: &AbsVal, b: &AbsVal) -> Option<Result<AbsVal, String>> {
    let ty = ty_of(a);
    let target = ty.as_array()?;
    let computed = match op {
        BinaryOp::MatMul => AbsVal::of(super::linalg::product(
            plain(ty),
            of_operand(plain(ty_of(b))),
        )?),
        _ => apply(ufunc::of_binary(op), &[a, b])?,
    };
    let dtype = element(ty_of(&computed))?.0;
    Some(
        if op == BinaryOp::MatMul
            && ty_of(&computed).as_array().map(|a| a.ndim) != Some(target.ndim)
        {
            Err(format!(
                "a product with fewer dimensions cannot be stored in {ty}"
            ))
        } else if target.readonly {
            Err(format!("cannot change a read-only array in place: {ty}"))
        } else if !ufunc::same_kind(dtype, target.dtype) {
            Err(format!(
                "cannot store {dtype} in the elements of {ty}: it is of a higher kind"
            ))
        } else {
            Ok(AbsVal::of(ty))
        },
    )
}

/// A comparison if one operand is an array.
pub(super) fn compare(op: CompareOp, a: &AbsVal, b: &AbsVal) -> Option<AbsVal> {
    apply(ufunc::of_compare(op), &[a, b])
}

/// `==` or `!=` of arrays of the same records, or of one with a record.
pub(super) fn compare_records(op: CompareOp, x: Ty, y: Ty) -> Option<AbsVal> {
    let dtype = |t: Ty| {
        t.as_array()
            .map_or_else(|| record::item(t, false), |a| a.dtype)
    };
    let same = dtype(x) == dtype(y)
        && record::has_equality(dtype(x))
        && matches!(op, CompareOp::Eq | CompareOp::Ne);
    let ndim = [x, y]
        .iter()
        .filter_map(|t| t.as_array())
        .map(|a| a.ndim)
        .max()?;
    (same && ndim > 0).then(|| AbsVal::of(Ty::array(Ty::bool(), ndim, Layout::C)))
}

/// `op a` for an array.
pub(super) fn unary(op: UnaryOp, a: &AbsVal) -> Option<AbsVal> {
    apply(ufunc::of_unary(op), &[a])
}
