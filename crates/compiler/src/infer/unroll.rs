//! Loops over tuples, item by item: which loops are unrolled, and what errors in them say.
//!
//! A loop whose items have different types has no types of its own. When typing meets one, the instance
//! gets a body in which it is unrolled ([`hir::unroll`]), and typing starts again.

use std::sync::Arc;

use super::index::tuple_item;
use super::op::ty_of;
use super::solve::Frame;
use super::walk::walked;
use super::{Intrinsic, Resolution, Session};
use crate::hir::unroll::{Items, nest, unroll};
use crate::hir::{Block, Function, Op, Value};
use crate::types::{Kind, Ty};

impl Session<'_> {
    /// Unrolls the loop that `iter`, an iterator over `over`, starts, or makes loops over dimensions of it, if
    /// it is one that needs it and can be.
    pub(super) fn unroll(&mut self, frame: &mut Frame, iter: Value, over: Value) -> bool {
        let ndim = walked(ty_of(frame.val(over))).filter(|ndim| *ndim > 0);
        if let Some(body) = ndim.and_then(|n| nest(frame.hir(), iter, over, usize::from(n))) {
            self.replace_body(frame, body);
            return true;
        }
        if !needs_unrolling(ty_of(frame.val(over))) && !is_asked_for(frame, over) {
            return false;
        }
        let Some(body) = items(frame, over).and_then(|items| unroll(frame.hir(), iter, &items))
        else {
            return false;
        };
        self.replace_body(frame, body);
        true
    }

    fn replace_body(&mut self, frame: &mut Frame, body: Function) {
        let cells = frame.hir().values.len() as u32;
        let instance = &mut self.instances[frame.id.0 as usize];
        instance.body = Some(Arc::new(body));
        instance.cells_from += cells;
        frame.replaced = true;
    }
}

/// Whether the items of an iterable have different types. Numbers of different types could be joined, but
/// a loop sees each as what it is.
fn needs_unrolling(ty: Ty) -> bool {
    match ty.kind() {
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
            items.windows(2).any(|w| w[0].strong() != w[1].strong())
                || !items.is_empty() && tuple_item(items).is_none()
        }
        Kind::Enumerate(inner) | Kind::Reversed(inner) => needs_unrolling(*inner),
        Kind::Zip(parts) => parts.iter().any(|t| needs_unrolling(*t)),
        _ => false,
    }
}

/// `literal_unroll(t)`, in `enumerate` and so on, too.
fn is_asked_for(frame: &Frame, over: Value) -> bool {
    let Some(Op::Call { callee, args, .. }) = definition(frame.hir(), over) else {
        return false;
    };
    match ty_of(frame.val(*callee)).kind() {
        Kind::Builtin(name) if &**name == "ferdelance.literal_unroll" => true,
        Kind::Builtin(name)
            if matches!(
                &**name,
                "builtins.enumerate" | "builtins.zip" | "builtins.reversed"
            ) =>
        {
            args.iter().any(|a| is_asked_for(frame, a.value()))
        }
        _ => false,
    }
}

/// How the items of `over` are made from tuples; `None` if they are not.
fn items(frame: &Frame, over: Value) -> Option<Items> {
    let ty = ty_of(frame.val(over));
    if let Some(items) = ty.tuple_items() {
        return Some(Items::Tuple {
            tuple: over,
            len: items.len(),
        });
    }
    let Some(Resolution::Intrinsic { what, args, .. }) = frame.typing.calls.get(&over) else {
        return None;
    };
    if args.iter().any(|a| a.item.is_some()) {
        return None;
    }
    match (what, &args[..]) {
        (Intrinsic::Reversed, [a]) => Some(Items::Reversed {
            tuple: a.value,
            len: a.ty().tuple_items()?.len(),
        }),
        (Intrinsic::Enumerate, [a, start @ ..]) => Some(Items::Enumerate {
            items: Box::new(items(frame, a.value)?),
            start: start.first().map(|s| s.value),
        }),
        (Intrinsic::Zip, parts) => Some(Items::Zip(
            parts
                .iter()
                .map(|a| items(frame, a.value))
                .collect::<Option<_>>()?,
        )),
        _ => None,
    }
}

pub(crate) fn definition(f: &Function, value: Value) -> Option<&Op> {
    f.blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find(|i| i.result == value)
        .map(|i| &i.op)
}

/// Adds to the errors from `from` on, which are about `block`, for which items of tuples they are.
pub(super) fn say_for_which_items(frame: &mut Frame, block: &Block, from: usize) {
    if frame.errors.len() == from {
        return;
    }
    for iteration in block.iterations.iter().rev() {
        let mut note = format!("for item {} of the tuple", iteration.index);
        let name = frame.hir().values[iteration.item.index()].name.as_deref();
        if let Some(name) = name.filter(|_| block.iterations.len() > 1) {
            note += &format!(", `{name}`");
        }
        if let Some(ty) = frame.val(iteration.item).ty {
            note += &format!(": {ty}");
        }
        let errors = frame.errors.split_off(from);
        frame
            .errors
            .extend(errors.into_iter().map(|e| e.note(&note)));
    }
}
