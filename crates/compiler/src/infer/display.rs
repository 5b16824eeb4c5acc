//! List displays that are tuples.
//!
//! In `np.stack([a, b])` nobody sees the list but NumPy's function, and that takes a tuple as well: so
//! it is one. Its items may have different types, and are known one by one where the function is
//! compiled, which lets arrays among them be fused into it. So is `["x", "y"]` as an index into records, and
//! a list in a tuple that nobody else sees: `np.tensordot(a, b, ([0], [1]))`.

use rustc_hash::FxHashMap;

use super::op::ty_of;
use super::solve::Frame;
use crate::hir::{Arg, Function, Op, Value};
use crate::types::Kind;

/// Displays with more items, those of displays in them included, stay lists.
const MOST_ITEMS: usize = 64;

/// Where a display goes.
#[derive(Clone, Copy)]
enum Use {
    /// It is an argument of a call of this value, or an index into it.
    Argument(Value),
    /// It is an item of this display, of a list or of a tuple.
    Item(Value),
    /// Somebody else may see it.
    Other,
}

/// The displays of a function that are seen by one call only, and what is called.
pub(super) fn arguments(f: &Function) -> FxHashMap<Value, Value> {
    let mut displays: FxHashMap<Value, (Option<Use>, usize)> = FxHashMap::default();
    let mut lists = vec![];
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        let (Op::List(args) | Op::Tuple(args)) = &inst.op else {
            continue;
        };
        if args.iter().all(|a| matches!(a, Arg::Plain(_))) {
            displays.insert(inst.result, (None, args.len()));
            if matches!(inst.op, Op::List(_)) {
                lists.push(inst.result);
            }
        }
    }
    if lists.is_empty() {
        return FxHashMap::default();
    }
    let mut used = |v: Value, how: Use| {
        if let Some((found, _)) = displays.get_mut(&v) {
            *found = Some(found.map_or(how, |_| Use::Other));
        }
    };
    for block in &f.blocks {
        for inst in &block.insts {
            match &inst.op {
                Op::Call {
                    callee,
                    args,
                    keywords,
                } => {
                    used(*callee, Use::Other);
                    for arg in args {
                        match *arg {
                            Arg::Plain(v) => used(v, Use::Argument(*callee)),
                            Arg::Star(v) => used(v, Use::Other),
                        }
                    }
                    for (_, v) in keywords {
                        used(*v, Use::Argument(*callee));
                    }
                }
                Op::List(args) | Op::Tuple(args) => {
                    for arg in args {
                        match *arg {
                            Arg::Plain(v) => used(v, Use::Item(inst.result)),
                            Arg::Star(v) => used(v, Use::Other),
                        }
                    }
                }
                Op::GetItem(value, index) => {
                    used(*value, Use::Other);
                    used(*index, Use::Argument(*value));
                }
                op => op.for_each_operand(|v| used(v, Use::Other)),
            }
        }
        let passed = block.edges().flat_map(|t| &t.args).copied();
        passed
            .chain(block.term.operand())
            .for_each(|v| used(v, Use::Other));
    }
    let callee = |display: Value| {
        let (mut at, mut count) = (display, 0);
        loop {
            let (how, items) = displays.get(&at)?;
            count += items;
            match how {
                Some(Use::Argument(callee)) if count <= MOST_ITEMS => return Some(*callee),
                Some(Use::Item(outer)) => at = *outer,
                _ => return None,
            }
        }
    };
    lists
        .into_iter()
        .filter_map(|display| callee(display).map(|callee| (display, callee)))
        .collect()
}

fn all_are_texts(frame: &Frame, args: &[Arg]) -> bool {
    args.iter().all(|a| match *a {
        Arg::Plain(v) => ty_of(frame.val(v)).is_str(),
        Arg::Star(_) => false,
    })
}

/// Whether a display of these items is a tuple.
pub(super) fn is_tuple(frame: &Frame, display: Value, args: &[Arg]) -> bool {
    let Some(&callee) = frame.displays.get(&display) else {
        return false;
    };
    match ty_of(frame.val(callee)).kind() {
        Kind::Builtin(name) => name.starts_with("numpy."),
        Kind::Method(receiver, _) => receiver.as_array().is_some(),
        // Names of fields.
        Kind::Array(a) => a.dtype.as_record().is_some() && all_are_texts(frame, args),
        _ => false,
    }
}
