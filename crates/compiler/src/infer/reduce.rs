//! Typing of reductions over axes of an array: `np.sum(a, axis)`, `a.max()` and so on.

use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::numpy::{Args, dtype};
use super::op::{plain, ty_of};
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::{ArrayTy, Kind, Layout, Ty};

/// What is done with the elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReduceOp {
    Sum,
    Prod,
    /// A NaN wins.
    Min,
    Max,
    /// A NaN loses.
    NanMin,
    NanMax,
    Any,
    All,
    /// The first index of the smallest or largest.
    ArgMin,
    ArgMax,
    CountNonzero,
}

/// A reduction.
#[derive(Clone, PartialEq, Debug)]
pub struct Reduce {
    pub op: ReduceOp,
    /// The axes that are reduced, as bits; of one that is known at run time only, the last.
    pub over: u32,
    /// The axis is an argument, after the array.
    pub axis_at_run_time: bool,
    pub keepdims: bool,
    /// The type that is computed in, and of the result's elements.
    pub dtype: Ty,
    /// Whether an initial value, a mask, an output array follow the array among the arguments.
    pub initial: bool,
    pub mask: bool,
    pub out: bool,
}

/// The reduction that a function of NumPy, or a method of arrays, is.
fn operation(name: &str, method: bool) -> Option<ReduceOp> {
    Some(match name {
        "sum" => ReduceOp::Sum,
        "prod" => ReduceOp::Prod,
        "min" => ReduceOp::Min,
        "max" => ReduceOp::Max,
        "any" => ReduceOp::Any,
        "all" => ReduceOp::All,
        "argmin" => ReduceOp::ArgMin,
        "argmax" => ReduceOp::ArgMax,
        "amin" if !method => ReduceOp::Min,
        "amax" if !method => ReduceOp::Max,
        "count_nonzero" if !method => ReduceOp::CountNonzero,
        "nanmin" if !method => ReduceOp::NanMin,
        "nanmax" if !method => ReduceOp::NanMax,
        _ => return None,
    })
}

/// The names of the parameters after the array.
fn parameters(op: ReduceOp, method: bool) -> &'static [&'static str] {
    match op {
        ReduceOp::Sum | ReduceOp::Prod => &["axis", "dtype", "out", "keepdims", "initial", "where"],
        ReduceOp::Min | ReduceOp::Max | ReduceOp::NanMin | ReduceOp::NanMax => {
            &["axis", "out", "keepdims", "initial", "where"]
        }
        ReduceOp::Any | ReduceOp::All => &["axis", "out", "keepdims", "where"],
        ReduceOp::ArgMin | ReduceOp::ArgMax => &["axis", "out", "keepdims"],
        ReduceOp::CountNonzero if !method => &["axis", "keepdims"],
        ReduceOp::CountNonzero => &[],
    }
}

impl Session<'_> {
    /// `numpy.<name>(array, ...)`, or a method; `None` if it is no reduction of an array.
    pub(super) fn reduction(
        &mut self,
        frame: &Frame,
        name: &str,
        array: &AbsVal,
        receiver: Option<&ArgRef>,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let method = receiver.is_none();
        let (Some(op), Kind::Array(a)) = (operation(name, method), plain(ty_of(array)).kind())
        else {
            return Ok(None);
        };
        let given = Args {
            names: parameters(op, method),
            args,
            keywords,
        };
        if let Some(what) = given.unknown() {
            return Err(frame.error(Code::BadArguments, format!("np.{name}() takes no {what}")));
        }
        let axis = given.get("axis");
        let axis_at_run_time =
            axis.is_some_and(|g| g.ty().is_integral() && g.abs.constant.is_none());
        let over = if axis_at_run_time {
            1 << (a.ndim.max(1) - 1)
        } else {
            axes(frame, name, axis, a.ndim)?
        };
        let one_axis = over.count_ones() == 1
            || a.ndim == 0
            || given.get("axis").is_none_or(|g| g.ty().is_none());
        if matches!(op, ReduceOp::ArgMin | ReduceOp::ArgMax) && !one_axis {
            return Err(frame.error(Code::BadArguments, format!("np.{name}() takes one axis")));
        }
        let keepdims = match given.get("keepdims").map(|g| (&g.abs.constant, g.ty())) {
            None => false,
            Some((Some(Const::Bool(keep)), _)) => *keep,
            Some((Some(Const::Int(keep)), _)) => *keep != 0,
            Some(_) => {
                return Err(frame
                    .error(
                        Code::NotConstant,
                        format!("the keepdims of np.{name}() must be a constant"),
                    )
                    .help("it decides how many dimensions the result has: write True or False"));
            }
        };
        if axis_at_run_time && a.ndim == 0 {
            return Err(frame.error(
                Code::BadIndex,
                format!("np.{name}() of an array without dimensions takes no axis"),
            ));
        }
        let Some(default) = default_dtype(op, a.dtype) else {
            return Err(frame.error(
                Code::BadArguments,
                format!(
                    "np.{name}() of elements of type {} cannot be compiled",
                    a.dtype
                ),
            ));
        };
        let dtype = dtype(frame, given.get("dtype"), default)?;
        let there = |name: &str| given.get(name).filter(|g| !g.ty().is_none());
        let mut list: Vec<ArgRef> = receiver.into_iter().cloned().collect();
        let (initial, mask, out) = (there("initial"), there("where"), there("out"));
        for (what, is_right) in [
            (initial, initial.is_none_or(|v| plain(v.ty()).is_scalar())),
            (mask, mask.is_none_or(|v| is_mask(v.ty(), a.ndim))),
        ] {
            if let (Some(v), false) = (what, is_right) {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("np.{name}() does not take a value of type {} here", v.ty()),
                ));
            }
        }
        if axis_at_run_time {
            list.extend(axis.cloned());
        }
        let reduce = Reduce {
            op,
            over,
            axis_at_run_time,
            keepdims,
            dtype,
            initial: initial.is_some(),
            mask: mask.is_some(),
            out: out.is_some(),
        };
        list.extend([initial, mask, out].into_iter().flatten().cloned());
        let ndim = if keepdims {
            a.ndim
        } else {
            a.ndim - over.count_ones() as u8
        };
        let ty = if ndim == 0 {
            dtype
        } else {
            Ty::array(dtype, ndim, Layout::C)
        };
        let ty = match out.map(|o| (o.ty(), o.ty().as_array())) {
            None => ty,
            Some((
                array,
                Some(ArrayTy {
                    ndim: n,
                    readonly: false,
                    ..
                }),
            )) if n == ndim => array,
            Some((other, _)) => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("np.{name}() cannot write its result to {other}"),
                ));
            }
        };
        let what = Intrinsic::Reduce(Box::new(reduce));
        Ok(Some((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what,
                args: list,
                keywords: vec![],
            },
        )))
    }
}

fn is_mask(ty: Ty, ndim: u8) -> bool {
    ty.is_bool()
        || ty
            .as_array()
            .is_some_and(|m| m.dtype.is_bool() && m.ndim <= ndim)
}

/// The axes that an argument names, as bits.
fn axes(frame: &Frame, name: &str, axis: Option<&ArgRef>, ndim: u8) -> Result<u32> {
    let all = (1u64 << ndim) as u32 - 1;
    let Some(axis) = axis else { return Ok(all) };
    let listed: Vec<i128> = match &axis.abs.constant {
        _ if axis.ty().is_none() => return Ok(all),
        Some(Const::Int(i)) => vec![*i],
        Some(Const::Tuple(items)) if items.iter().all(|i| matches!(i, Const::Int(_))) => items
            .iter()
            .map(|i| if let Const::Int(i) = i { *i } else { 0 })
            .collect(),
        _ => {
            return Err(frame
                .error(
                    Code::NotConstant,
                    format!("the axis of np.{name}() must be a constant"),
                )
                .note(format!("it is a value of type {}", axis.ty()))
                .help("write the axis as a literal, or pass it through `literally`"));
        }
    };
    let mut over = 0;
    for i in listed {
        let at = if i < 0 { i + i128::from(ndim) } else { i };
        if !(0..i128::from(ndim)).contains(&at) {
            return Err(frame.error(
                Code::BadIndex,
                format!("axis {i} is out of bounds for array of dimension {ndim}"),
            ));
        }
        if over >> at & 1 == 1 {
            return Err(frame.error(Code::BadArguments, "duplicate value in 'axis'"));
        }
        over |= 1 << at;
    }
    Ok(over)
}

/// The element type of the result, as NumPy has it.
fn default_dtype(op: ReduceOp, element: Ty) -> Option<Ty> {
    Some(match op {
        ReduceOp::Sum | ReduceOp::Prod => match *element.kind() {
            Kind::Bool => Ty::int(64, true),
            Kind::Int { signed, .. } => Ty::int(64, signed),
            _ if element.is_number() => element,
            Kind::Time { delta: true, .. } if op == ReduceOp::Sum => element,
            _ => return None,
        },
        ReduceOp::Any | ReduceOp::All => Ty::bool(),
        ReduceOp::ArgMin | ReduceOp::ArgMax | ReduceOp::CountNonzero => Ty::int(64, true),
        ReduceOp::NanMin | ReduceOp::NanMax if element.is_time() => return None,
        _ => element,
    })
    .filter(|_| element.is_scalar() || element.is_time())
}
