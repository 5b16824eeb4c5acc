//! Puts straight lines of blocks together, drops what cannot be reached, numbers what is left anew.

use rustc_hash::FxHashMap;

use crate::hir::{BlockId, Function, Terminator, Value};

pub(super) fn tidy(f: &mut Function) {
    let mut renamed = FxHashMap::default();
    merge_lines(f, &mut renamed);
    renumber(f, &renamed);
}

/// Appends blocks to their only predecessor if that only jumps to them. Their parameters are the
/// arguments of that jump from now on.
fn merge_lines(f: &mut Function, renamed: &mut FxHashMap<Value, Value>) {
    let order = f.reverse_postorder();
    let mut preds = vec![0; f.blocks.len()];
    for &block in &order {
        f.block(block)
            .edges()
            .for_each(|t| preds[t.block.index()] += 1);
    }
    for &id in &order {
        while let Terminator::Jump(target) = &f.block(id).term {
            let to = target.block;
            let (block, next) = (f.block(id), f.block(to));
            // An instruction that may raise stays the last one before its handler, and none from
            // outside a `try` gets in; nor does one into an iteration that it is not part of.
            let keeps_handler =
                block.handler.is_none() && (next.handler.is_none() || !block.may_raise());
            let keeps_iteration = block.insts.is_empty() || block.iterations == next.iterations;
            if preds[to.index()] != 1 || to == id || !keeps_handler || !keeps_iteration {
                break;
            }
            renamed.extend(next.params.iter().copied().zip(target.args.iter().copied()));
            let next = std::mem::take(&mut f.blocks[to.index()]);
            let block = &mut f.blocks[id.index()];
            block.insts.extend(next.insts);
            block.term = next.term;
            block.term_span = next.term_span;
            block.handler = next.handler;
            block.iterations = next.iterations;
        }
    }
}

fn renumber(f: &mut Function, renamed: &FxHashMap<Value, Value>) {
    let order = f.reverse_postorder();
    let mut blocks = vec![BlockId(u32::MAX); f.blocks.len()];
    let mut numbers = vec![Value(u32::MAX); f.values.len()];
    let mut values = vec![];
    for (i, &b) in order.iter().enumerate() {
        blocks[b.index()] = BlockId(i as u32);
        let block = f.block(b);
        for v in block
            .params
            .iter()
            .copied()
            .chain(block.insts.iter().map(|i| i.result))
        {
            numbers[v.index()] = Value(values.len() as u32);
            values.push(f.values[v.index()].clone());
        }
    }
    let rename = |v: &mut Value| {
        while let Some(&other) = renamed.get(v) {
            *v = other;
        }
        *v = numbers[v.index()];
    };
    let mut ordered = Vec::with_capacity(order.len());
    for &b in &order {
        let mut block = std::mem::take(&mut f.blocks[b.index()]);
        block.params.iter_mut().for_each(rename);
        for inst in &mut block.insts {
            rename(&mut inst.result);
            inst.op.for_each_operand_mut(rename);
        }
        if let Some(v) = block.term.operand_mut() {
            rename(v);
        }
        for target in block.edges_mut() {
            target.block = blocks[target.block.index()];
            target.args.iter_mut().for_each(rename);
        }
        block
            .iterations
            .iter_mut()
            .for_each(|i| rename(&mut i.item));
        ordered.push(block);
    }
    f.blocks = ordered;
    f.values = values;
}
