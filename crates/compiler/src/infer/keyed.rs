//! Typing of dict displays whose keys are known texts and whose values have nothing in common.
//!
//! In `{"name": "x", "count": 1}` each value has a type of its own, and is found when compiling. No key is
//! added or removed later, and which one is meant has to be known: such a dict is read and written by
//! constants.

use super::AbsVal;
use super::op::ty_of;
use super::solve::Frame;
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{CompareOp, Inst, Op, Value};
use crate::host::Const;
use crate::types::promote::{self, Fit};
use crate::types::{Kind, Ty, join};

/// Methods that give tuples, one item for each key.
pub(super) const METHODS: &[&str] = &["items", "keys", "values"];

/// Where a key is among those of a dict.
pub fn position(dict: Ty, key: &Option<Const>) -> Option<usize> {
    match (dict.kind(), key) {
        (Kind::Keyed(keys, _), Some(Const::Str(key))) => keys.iter().position(|k| **k == **key),
        _ => None,
    }
}

/// What a method gives.
pub(super) fn shown(dict: Ty, method: &str) -> Option<Ty> {
    let Kind::Keyed(keys, values) = dict.kind() else {
        return None;
    };
    let items = values.iter().map(|value| Ty::tuple(&[Ty::str(), *value]));
    Some(match method {
        "keys" => Ty::tuple(&vec![Ty::str(); keys.len()]),
        "values" => Ty::tuple(values),
        "items" => Ty::tuple(&items.collect::<Vec<_>>()),
        _ => return None,
    })
}

/// The type of a display, if it is such a dict: with texts as keys, each once, and values that differ.
fn display(frame: &Frame, items: &[(Value, Value)]) -> Option<Ty> {
    let mut keys: Vec<Box<str>> = vec![];
    let mut values = vec![];
    let mut common = Some(Ty::new(Kind::Unknown));
    for (key, value) in items {
        match &frame.val(*key).constant {
            Some(Const::Str(key)) if !keys.iter().any(|k| **k == **key) => {
                keys.push((**key).into())
            }
            _ => return None,
        }
        let value = ty_of(frame.val(*value));
        common = common.and_then(|common| join::join(common, value));
        values.push(value);
    }
    let differ = common.is_none() && values.iter().all(|t| t.is_known());
    differ.then(|| Ty::new(Kind::Keyed(keys.into(), values.into())))
}

/// Instructions on such dicts; `None` if it is none.
pub(super) fn inst(frame: &Frame, inst: &Inst) -> Result<Option<AbsVal>> {
    let ty = |v: Value| ty_of(frame.val(v));
    let value_type = |dict: Value, key: Value| match (ty(dict).kind(), &frame.val(key).constant) {
        (Kind::Keyed(_, values), constant) => match position(ty(dict), constant) {
            Some(at) => Ok(Some(values[at])),
            None => Err(no_such_key(frame, ty(dict), frame.val(key))),
        },
        _ => Ok(None),
    };
    let nothing = AbsVal::of(Ty::none());
    match &inst.op {
        Op::Dict(items) => Ok(display(frame, items).map(AbsVal::of)),
        // A part of the display.
        Op::DictSet(dict, ..) if matches!(ty(*dict).kind(), Kind::Keyed(..)) => Ok(Some(nothing)),
        Op::GetItem(dict, key) => Ok(value_type(*dict, *key)?.map(AbsVal::of)),
        Op::SetItem(dict, key, new) => {
            let Some(there) = value_type(*dict, *key)? else {
                return Ok(None);
            };
            match promote::fit(ty(*new), there) {
                Some(Fit::Exact | Fit::Promote | Fit::Safe) => Ok(Some(nothing)),
                _ => {
                    let message = format!(
                        "cannot put (setitem) a value of type {} into {}, which has a value of type \
                         {there} under this key",
                        ty(*new),
                        ty(*dict)
                    );
                    Err(frame.error(Code::CannotUnify, message))
                }
            }
        }
        Op::Compare(op @ (CompareOp::In | CompareOp::NotIn), key, dict)
            if matches!(ty(*dict).kind(), Kind::Keyed(..)) =>
        {
            let constant = &frame.val(*key).constant;
            if !matches!(constant, Some(Const::Str(_))) {
                return Err(no_such_key(frame, ty(*dict), frame.val(*key)));
            }
            let is_there = position(ty(*dict), constant).is_some();
            Ok(Some(AbsVal::bool(is_there == (*op == CompareOp::In))))
        }
        _ => Ok(None),
    }
}

fn no_such_key(frame: &Frame, dict: Ty, key: &AbsVal) -> Box<Diagnostic> {
    let Some(Const::Str(key)) = &key.constant else {
        let message = format!("the keys of {dict} have to be known when compiling");
        return frame
            .error(Code::NotConstant, message)
            .note("its values have different types, so which one is meant decides on the type")
            .help("use a dict whose values have one type");
    };
    frame
        .error(Code::BadIndex, format!("{dict} has no key {key:?}"))
        .note("a dict of values of different types has the keys of its display")
}
