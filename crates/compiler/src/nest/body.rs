//! The bodies of nests: each item is read once, each value computed once.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::tir::build::Builder;
use crate::tir::nest::{Input, Nest, OutputKind};
use crate::tir::pass::number::Numbers;
use crate::tir::{Inst, Op, Type, Value};

/// Merges inputs that are the same items of the same array.
pub(super) fn read_once(nest: &mut Nest, numbers: &Numbers) {
    let mut at = 1;
    while at < nest.inputs.len() {
        let input = &nest.inputs[at];
        let same = |other: &Input| {
            numbers.equal(other.access.array, input.access.array)
                && other.access.dims == input.access.dims
                && other.access.item == input.access.item
        };
        let guarded = nest.guards.iter().any(|(i, _)| *i as usize == at);
        match nest.inputs[..at].iter().position(same) {
            Some(first) if !guarded => {
                let gone = nest.inputs.remove(at);
                for (i, _) in &mut nest.guards {
                    *i -= u32::from(*i as usize > at);
                }
                nest.inputs[first].copied |= gone.copied;
                let kept = nest.inputs[first].elements.clone();
                substitute(nest, &gone.elements, &kept);
            }
            _ => at += 1,
        }
    }
}

/// A copy of a nest with names of its own.
pub(super) fn copy(b: &mut Builder, nest: &Nest) -> Nest {
    let mut copy = nest.clone();
    let mut names: FxHashMap<Value, Value> = FxHashMap::default();
    copy.for_each_local_mut(|v| {
        let new = b.value(b.ty(*v));
        names.insert(*v, new);
        *v = new;
    });
    copy.for_each_use_mut(|v| *v = names.get(v).copied().unwrap_or(*v));
    copy
}

/// Puts values in the place of others in a nest.
pub(super) fn substitute(nest: &mut Nest, from: &[Value], to: &[Value]) {
    nest.for_each_use_mut(|v| {
        if let Some(k) = from.iter().position(|w| w == v) {
            *v = to[k];
        }
    });
}

/// Computes each thing in a body once, and what is not needed not at all.
pub(super) fn tidy(nest: &mut Nest, ty: impl Fn(Value) -> Type) {
    let mut same: FxHashMap<Value, Value> = FxHashMap::default();
    let mut kept: Vec<Inst> = Vec::with_capacity(nest.insts.len());
    for mut inst in std::mem::take(&mut nest.insts) {
        inst.op
            .for_each_operand_mut(&mut |v| *v = same.get(v).copied().unwrap_or(*v));
        let again = inst.results.len() == 1 && inst.op.is_pure();
        let equal = |k: &&Inst| {
            k.results.len() == 1 && k.op == inst.op && ty(k.results[0]) == ty(inst.results[0])
        };
        match kept.iter().find(|k| again && equal(k)) {
            Some(first) => {
                same.insert(inst.results[0], first.results[0]);
            }
            _ => kept.push(inst),
        }
    }
    nest.insts = kept;
    if !same.is_empty() {
        nest.for_each_use_mut(|v| *v = same.get(v).copied().unwrap_or(*v));
    }
    drop_unused(nest);
}

/// Number of operations of a body.
pub(super) fn operations(nest: &Nest) -> usize {
    let is_constant = |i: &&Inst| matches!(i.op, Op::Int(_) | Op::Float(_));
    nest.insts.iter().filter(|i| !is_constant(i)).count()
}

/// Removes what no output needs.
fn drop_unused(nest: &mut Nest) {
    let mut needed: FxHashSet<Value> = FxHashSet::default();
    for output in &nest.outputs {
        needed.extend(&output.values);
        match &output.kind {
            OutputKind::Scatter(scatter) => needed.insert(scatter.at),
            OutputKind::Select(selection) => needed.insert(selection.when),
            _ => false,
        };
    }
    for inst in nest.insts.iter().rev() {
        if !inst.op.is_pure() || inst.results.iter().any(|r| needed.contains(r)) {
            inst.op.for_each_operand(|v| {
                needed.insert(v);
            });
        }
    }
    nest.insts
        .retain(|i| !i.op.is_pure() || i.results.iter().any(|r| needed.contains(r)));
    if !nest.indices.iter().any(|i| needed.contains(i)) {
        nest.indices.clear();
    }
    let mut at = 0;
    while at < nest.inputs.len() {
        let guarded = nest.guards.iter().any(|(i, _)| *i as usize == at);
        if guarded || nest.inputs[at].elements.iter().any(|e| needed.contains(e)) {
            at += 1;
            continue;
        }
        nest.inputs.remove(at);
        for (i, _) in &mut nest.guards {
            *i -= u32::from(*i as usize > at);
        }
    }
}
