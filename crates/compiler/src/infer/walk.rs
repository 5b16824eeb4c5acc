//! Typing of what visits the elements of arrays, or their indices: `np.ndindex`, `np.ndenumerate`,
//! `np.nditer`. They are iterables as `range` is; what a loop over one does is in `lower::walk`.

use std::sync::Arc;

use super::AbsVal;
use super::call::{ArgRef, Resolution};
use super::creation::as_array;
use super::intrinsic::Intrinsic;
use super::numpy::{Args, order};
use super::op::plain;
use super::solve::Frame;
use super::unroll::definition;
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{Arg, Name, Op};
use crate::host::Const;
use crate::types::{ArrayTy, Facet, Kind, Layout, Ty};

/// The flags of `np.nditer` under which it visits elements as it does without.
const FLAGS: &[&str] = &["refs_ok", "zerosize_ok", "common_dtype"];

/// The number of dimensions of what is iterated over by an index along each; `None` if there is a simpler
/// way.
pub fn walked(over: Ty) -> Option<u8> {
    match over.kind() {
        Kind::NdIndex(ndim) => Some(*ndim),
        Kind::Facet(Facet::Enumerated, array) => array.as_array().map(|a| a.ndim),
        Kind::Facet(Facet::Flat, array) => array
            .as_array()
            .filter(|a| a.ndim > 1 && a.layout != Layout::C)
            .map(|a| a.ndim),
        Kind::NdIter(arrays) => arrays.first()?.as_array().map(|a| a.ndim),
        _ => None,
    }
}

/// `np.ndindex(...)`, `np.ndenumerate(a)`, `np.nditer(...)`.
pub(super) fn construct(
    frame: &Frame,
    name: &str,
    args: &[ArgRef],
    keywords: &[(Name, ArgRef)],
) -> Result<(AbsVal, Resolution)> {
    let refused =
        |message: String| frame.error(Code::BadArguments, format!("np.{name}() {message}"));
    let (ty, what, args) = match name {
        "nditer" => return nditer(frame, args, keywords),
        _ if !keywords.is_empty() => return Err(refused("takes no keyword arguments".into())),
        "ndindex" => {
            let lengths = match args {
                [one] => one.ty().tuple_items().map(<[Ty]>::to_vec),
                _ => None,
            };
            let lengths = lengths.unwrap_or_else(|| args.iter().map(|a| plain(a.ty())).collect());
            if let Some(other) = lengths.iter().find(|t| !t.is_integral()) {
                return Err(refused(format!("takes integers, not {other}")));
            }
            let ty = Ty::new(Kind::NdIndex(lengths.len() as u8));
            (ty, Intrinsic::NdIndex, args.to_vec())
        }
        _ => {
            let [array] = args else {
                return Err(refused(format!(
                    "takes one array, not {} arguments",
                    args.len()
                )));
            };
            let Some(a) = as_array(array.ty()) else {
                return Err(refused(format!("takes an array, not {}", array.ty())));
            };
            let ty = Ty::new(Kind::Facet(Facet::Enumerated, a.ty()));
            (ty, Intrinsic::NdEnumerate, args.to_vec())
        }
    };
    Ok((
        AbsVal::of(ty),
        Resolution::Intrinsic {
            what,
            args,
            keywords: vec![],
        },
    ))
}

/// The type of what a loop over `np.nditer` gets: arrays without dimensions.
pub fn visited(arrays: &[Ty]) -> Ty {
    let elements: Vec<Ty> = arrays
        .iter()
        .filter_map(|t| t.as_array())
        .map(|a| {
            ArrayTy {
                ndim: 0,
                layout: Layout::C,
                ..a
            }
            .ty()
        })
        .collect();
    match elements[..] {
        [one] => one,
        _ => Ty::tuple(&elements),
    }
}

fn nditer(
    frame: &Frame,
    args: &[ArgRef],
    keywords: &[(Name, ArgRef)],
) -> Result<(AbsVal, Resolution)> {
    let given = Args {
        names: &["op", "flags", "op_flags", "op_dtypes", "order", "casting"],
        args,
        keywords,
    };
    let refused = |message: String| -> Box<Diagnostic> {
        frame.error(Code::BadArguments, format!("np.nditer() {message}"))
    };
    if let Some(what) = given.unknown() {
        return Err(refused(format!("takes no {what}")));
    }
    let there = |name: &str| given.get(name).filter(|g| !g.ty().is_none());
    let Some(op) = given.get("op") else {
        return Err(refused("misses its argument `op`".into()));
    };
    if there("op_dtypes").is_some() {
        return Err(refused("takes no op_dtypes in compiled functions".into()));
    }
    let flags = texts(frame, there("flags"), "flags")?;
    if let Some(flag) = flags.iter().find(|f| !FLAGS.contains(&&***f)) {
        return Err(refused(format!(
            "takes no flag '{flag}' in compiled functions"
        )));
    }
    let operands = items(frame, op)
        .filter(|list| list.iter().any(|a| a.ty().as_array().is_some()))
        .unwrap_or_else(|| vec![op.clone()]);
    let mut arrays: Vec<ArrayTy> = vec![];
    for operand in &operands {
        let Some(a) = as_array(operand.ty()) else {
            return Err(refused(format!(
                "cannot visit a value of type {}",
                operand.ty()
            )));
        };
        arrays.push(a);
    }
    let order = order(frame, "np.nditer", given.get("order"))?;
    if order == Some(Layout::F) {
        return Err(refused("takes no order='F' in compiled functions".into())
            .help("visit the transposed arrays"));
    }
    let ndim = arrays.iter().map(|a| a.ndim).max().unwrap_or(0);
    let access = access(frame, there("op_flags"), arrays.len())?;
    for (i, a) in arrays.iter_mut().enumerate() {
        if access[i] && a.readonly {
            return Err(frame.error(
                Code::ReadOnly,
                format!(
                    "np.nditer() cannot write to operand {i}, a read-only array: {}",
                    a.ty()
                ),
            ));
        }
        // Alone, it is visited from one end of its memory to the other.
        let layout = match a.layout {
            Layout::C | Layout::F
                if operands.len() == 1 && (order.is_none() || a.layout == Layout::C) =>
            {
                Layout::C
            }
            _ => Layout::A,
        };
        *a = ArrayTy {
            ndim,
            layout,
            readonly: !access[i],
            ..*a
        };
    }
    let types = arrays.into_iter().map(ArrayTy::ty).collect();
    let what = Intrinsic::NdIter {
        in_c_order: order == Some(Layout::C),
        empty: flags.iter().any(|f| &**f == "zerosize_ok"),
    };
    Ok((
        AbsVal::of(Ty::new(Kind::NdIter(types))),
        Resolution::Intrinsic {
            what,
            args: operands,
            keywords: vec![],
        },
    ))
}

/// The items of a tuple or of a display, as arguments of their own.
fn items(frame: &Frame, arg: &ArgRef) -> Option<Vec<ArgRef>> {
    if arg.item.is_some() {
        return None;
    }
    if let Some(Op::List(args) | Op::Tuple(args)) = definition(frame.hir(), arg.value) {
        let plain = |arg: &Arg| match *arg {
            Arg::Plain(value) => Some(ArgRef {
                value,
                item: None,
                abs: frame.val(value).clone(),
            }),
            Arg::Star(_) => None,
        };
        return args.iter().map(plain).collect();
    }
    let types = arg.ty().tuple_items()?;
    let item = |(i, ty): (usize, &Ty)| ArgRef {
        value: arg.value,
        item: Some(i as u32),
        abs: AbsVal {
            ty: Some(*ty),
            constant: match &arg.abs.constant {
                Some(Const::Tuple(constants)) => constants.get(i).cloned(),
                _ => None,
            },
        },
    };
    Some(types.iter().enumerate().map(item).collect())
}

/// The constant texts of a list display or a tuple.
fn texts(frame: &Frame, arg: Option<&ArgRef>, name: &str) -> Result<Vec<Arc<str>>> {
    let Some(arg) = arg else { return Ok(vec![]) };
    let text = |a: ArgRef| match a.abs.constant {
        Some(Const::Str(text)) => Some(text),
        _ => None,
    };
    items(frame, arg)
        .and_then(|list| list.into_iter().map(text).collect())
        .ok_or_else(|| not_constant(frame, name))
}

fn not_constant(frame: &Frame, name: &str) -> Box<Diagnostic> {
    frame
        .error(
            Code::NotConstant,
            format!("the {name} of np.nditer() must be constants"),
        )
        .help("write them as a list of literals")
}

/// Which operands are written to: `op_flags`, for all of them or a list for each.
fn access(frame: &Frame, arg: Option<&ArgRef>, count: usize) -> Result<Vec<bool>> {
    let Some(arg) = arg else {
        return Ok(vec![false; count]);
    };
    let writes = |flags: Vec<Arc<str>>| {
        flags
            .iter()
            .any(|f| matches!(&**f, "readwrite" | "writeonly"))
    };
    let Some(each) = items(frame, arg) else {
        return Err(not_constant(frame, "op_flags"));
    };
    if each.iter().all(|a| a.ty().is_str()) {
        return Ok(vec![writes(texts(frame, Some(arg), "op_flags")?); count]);
    }
    if each.len() != count {
        return Err(frame.error(
            Code::BadArguments,
            format!(
                "np.nditer() got op_flags for {} operands, not {count}",
                each.len()
            ),
        ));
    }
    each.iter()
        .map(|flags| Ok(writes(texts(frame, Some(flags), "op_flags")?)))
        .collect()
}
