//! Typing of operators on whole arrays: NumPy's element types, broadcasting of ranks.

use super::AbsVal;
use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::types::{Kind, Layout, Ty, promote};

/// An operand of an element-wise operation: its element type and its rank (0 for a scalar).
fn element(ty: Ty) -> Option<(Ty, u8)> {
    match *ty.kind() {
        Kind::Array(a) => Some((a.dtype, a.ndim)),
        _ if ty.is_scalar() => Some((ty, 0)),
        _ => None,
    }
}

fn result(dtype: Ty, operands: &[Ty]) -> Ty {
    let ndim = operands.iter().filter_map(|t| element(*t)).map(|(_, n)| n).max().unwrap_or(0);
    if ndim == 0 {
        return dtype;
    }
    // The result is laid out in C order, unless every operand that has its rank is in F order.
    let full: Vec<Layout> = operands.iter().filter_map(|t| t.as_array()).filter(|a| a.ndim == ndim).map(|a| a.layout).collect();
    let layout = if ndim > 1 && full.iter().all(|l| *l == Layout::F) { Layout::F } else { Layout::C };
    Ty::array(dtype, ndim, layout)
}

fn has_array(types: &[Ty]) -> bool {
    types.iter().any(|t| t.as_array().is_some())
}

/// `a op b` if one of them is an array.
pub(super) fn binary(op: BinaryOp, a: Ty, b: Ty) -> Option<AbsVal> {
    if !has_array(&[a, b]) {
        return None;
    }
    let dtype = promote::elements(op, element(a)?.0, element(b)?.0)?;
    Some(AbsVal::of(result(dtype, &[a, b])))
}

/// `a op= b` for an array `a`: a itself, if the result may be stored there.
pub(super) fn in_place(op: BinaryOp, a: Ty, b: Ty) -> Option<Result<AbsVal, String>> {
    let target = a.as_array()?;
    let (dtype, ndim) = element(b)?;
    let computed = promote::elements(op, target.dtype, dtype)?;
    let rank = |t: Ty| match t.kind() {
        Kind::Bool => 0,
        Kind::Int { .. } => 1,
        Kind::Float { .. } => 2,
        _ => 3,
    };
    Some(if target.readonly {
        Err(format!("cannot change a read-only array in place: {a}"))
    } else if rank(computed) > rank(target.dtype) {
        Err(format!("cannot store {computed} in the elements of {a}: it is of a higher kind"))
    } else if ndim > target.ndim {
        Err(format!("cannot store a {ndim}-dimensional result in {a}"))
    } else {
        Ok(AbsVal::of(a))
    })
}

/// A comparison if one operand is an array.
pub(super) fn compare(op: CompareOp, a: Ty, b: Ty) -> Option<AbsVal> {
    let ordered = !matches!(op, CompareOp::Eq | CompareOp::Ne);
    let (x, y) = (element(a)?.0, element(b)?.0);
    if !has_array(&[a, b]) || matches!(op, CompareOp::Is | CompareOp::IsNot | CompareOp::In | CompareOp::NotIn) || ordered && (x.is_complex() || y.is_complex()) {
        return None;
    }
    Some(AbsVal::of(result(Ty::bool(), &[a, b])))
}

/// `op a` for an array.
pub(super) fn unary(op: UnaryOp, a: Ty) -> Option<AbsVal> {
    let dtype = a.as_array()?.dtype;
    let legal = match op {
        UnaryOp::Neg | UnaryOp::Pos => !dtype.is_bool(),
        UnaryOp::Invert => dtype.is_integral(),
        UnaryOp::Not => false,
    };
    legal.then(|| AbsVal::of(result(dtype, &[a])))
}
