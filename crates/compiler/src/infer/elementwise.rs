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
