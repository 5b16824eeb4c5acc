//! What nests make and nobody needs.

use rustc_hash::FxHashSet;

use super::body::tidy;
use crate::tir::nest::{Nest, OutputKind};
use crate::tir::pass::simplify::remove_unreachable;
use crate::tir::{Function, Op, Term, Type, Value};

/// Removes results of nests that have no use, and nests without results that store nothing.
pub(super) fn prune(f: &mut Function) -> bool {
    let mut used = vec![false; f.values.len()];
    for block in &f.blocks {
        for inst in &block.insts {
            inst.op.for_each_operand(|v| used[v.index()] = true);
        }
        block.term.for_each_operand(|v| used[v.index()] = true);
        let args = block.term.targets().into_iter().flat_map(|t| &t.args);
        args.for_each(|v| used[v.index()] = true);
    }
    let types: Vec<Type> = (0..f.values.len() as u32).map(|v| f.ty(Value(v))).collect();
    let mut changed = false;
    for b in 0..f.blocks.len() {
        // What follows the last nest that may raise is its check.
        for i in (0..f.blocks[b].insts.len()).rev() {
            let inst = &mut f.blocks[b].insts[i];
            let Op::Nest(nest) = &mut inst.op else {
                continue;
            };
            let raised = nest.allocates();
            let ranges = nest.result_ranges();
            let mut any = false;
            for (o, range) in ranges.into_iter().enumerate().rev() {
                let needed = !is_result(nest, o)
                    || inst.results[range.clone()].iter().any(|v| used[v.index()])
                    || others_need(nest, o);
                if !needed {
                    nest.outputs.remove(o);
                    renumber(nest, o);
                    inst.results.drain(range);
                    any = true;
                }
            }
            if any {
                tidy(nest, |v| types[v.index()]);
                settle(f, b, i, raised);
                changed = true;
            }
        }
    }
    if changed {
        remove_unreachable(f);
    }
    changed
}

fn is_result(nest: &Nest, output: usize) -> bool {
    nest.outputs[output].target().is_none()
}

/// Whether other outputs depend on what a reduction has accumulated.
fn others_need(nest: &Nest, output: usize) -> bool {
    let OutputKind::Reduce(r) = &nest.outputs[output].kind else {
        return false;
    };
    let mut dependent: FxHashSet<Value> = r.accumulators.iter().copied().collect();
    for inst in &nest.insts {
        let mut depends = false;
        inst.op
            .for_each_operand(|v| depends |= dependent.contains(&v));
        if depends {
            dependent.extend(&inst.results);
        }
    }
    let others = nest
        .outputs
        .iter()
        .enumerate()
        .filter(|(o, _)| *o != output);
    others.into_iter().any(|(_, other)| {
        let place = match &other.kind {
            OutputKind::Scatter(scatter) => Some(scatter.at),
            OutputKind::Select(selection) => Some(selection.when),
            _ => None,
        };
        (other.values.iter().copied().chain(place)).any(|v| dependent.contains(&v))
    })
}

/// The numbers of outputs behind one that is gone.
fn renumber(nest: &mut Nest, gone: usize) {
    let outputs = nest.guards.iter_mut().map(|(_, o)| o);
    for o in outputs.chain(nest.sources.iter_mut().map(|s| &mut s.output)) {
        *o -= u32::from(*o as usize > gone);
    }
}

/// Removes the error of a nest, and its check, if nothing can fail any more.
pub(super) fn settle(f: &mut Function, block: usize, inst: usize, raised: bool) {
    let body = &mut f.blocks[block];
    if let Op::Nest(nest) = &body.insts[inst].op
        && raised
        && !nest.allocates()
    {
        body.insts[inst].results.pop();
        body.insts.truncate(inst + 1);
        if let Term::Branch { other, .. } = &body.term {
            body.term = Term::Jump(other.clone());
        }
    }
}
