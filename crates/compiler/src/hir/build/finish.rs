//! From the graph to the blocks of a finished function: superfluous parameters and dead values go,
//! straight lines of blocks become one, everything is numbered in reverse postorder.

use super::ssa::{ENTRY, Graph, Node, Way};
use crate::hir::{Arg, Block, BlockId, Inst, Op, Terminator, Value, ValueData};

/// Where a value that may turn out to be unused comes from.
#[derive(Clone, Copy)]
enum Origin {
    Needed,
    Phi(BlockId, u32),
    Inst(BlockId, u32),
}

impl Graph {
    pub(super) fn finish(mut self) -> (Vec<Block>, Vec<ValueData>) {
        let prologue = std::mem::take(&mut self.prologue);
        self.nodes[ENTRY.index()].insts.splice(0..0, prologue);
        let order = self.reverse_postorder();
        self.merge_checked(&order);
        self.remove_trivial_phis(&order);
        self.resolve_operands(&order);
        self.answer_bound(&order);
        let used = self.used_values(&order);
        self.drop_unused(&order, &used);
        let order = self.merge_lines(order);
        self.number(&order)
    }

    fn reverse_postorder(&self) -> Vec<BlockId> {
        let mut visited = vec![false; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![(ENTRY, 0)];
        visited[ENTRY.index()] = true;
        while let Some((block, next)) = stack.last_mut() {
            // The last one visited comes first: what follows a condition stays close to it, loops
            // before what comes after them, handlers at the end.
            let node = &self.nodes[block.index()];
            let child = match (&node.term, *next) {
                (_, 0) => Some(node.handler),
                (Terminator::Jump(to), 1) => Some(Some(to.block)),
                (Terminator::Branch { other, .. }, 1) => Some(Some(other.block)),
                (Terminator::Branch { then, .. }, 2) => Some(Some(then.block)),
                _ => None,
            };
            *next += 1;
            match child {
                Some(Some(to)) if !visited[to.index()] => {
                    visited[to.index()] = true;
                    stack.push((to, 0));
                }
                Some(_) => {}
                None => {
                    order.push(*block);
                    stack.pop();
                }
            }
        }
        order.reverse();
        order
    }

    /// A parameter whose arguments are all one value (or itself) is that value. One removal can
    /// make another possible around a loop, so this repeats. What is left in a reducible graph is
    /// minimal, and Python's statements make no other graphs.
    fn remove_trivial_phis(&mut self, order: &[BlockId]) {
        loop {
            let mut changed = false;
            for &block in order {
                for i in 0..self.nodes[block.index()].phis.len() {
                    let phi = &self.nodes[block.index()].phis[i];
                    let value = phi.value;
                    if self.values[value.index()].same_as != value {
                        continue;
                    }
                    let mut only = None;
                    let mut trivial = true;
                    for k in 0..phi.args.len() {
                        let arg = self.nodes[block.index()].phis[i].args[k];
                        let arg = self.resolve(arg);
                        if arg != value {
                            trivial &= only.is_none_or(|o| o == arg);
                            only = Some(arg);
                        }
                    }
                    if let (true, Some(only)) = (trivial, only) {
                        self.values[value.index()].same_as = only;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn resolve_operands(&mut self, order: &[BlockId]) {
        for &block in order {
            let mut node = std::mem::take(&mut self.nodes[block.index()]);
            for phi in &mut node.phis {
                for arg in &mut phi.args {
                    *arg = self.resolve(*arg);
                }
            }
            node.phis
                .retain(|phi| self.values[phi.value.index()].same_as == phi.value);
            for inst in &mut node.insts {
                inst.op.for_each_operand_mut(|v| *v = self.resolve(*v));
            }
            if let Some(v) = node.term.operand_mut() {
                *v = self.resolve(*v);
            }
            self.nodes[block.index()] = node;
        }
    }

    fn used_values(&self, order: &[BlockId]) -> Vec<bool> {
        let mut origin = vec![Origin::Needed; self.values.len()];
        let mut used = vec![false; self.values.len()];
        let mut work = Vec::new();
        for &block in order {
            let node = &self.nodes[block.index()];
            for (i, phi) in node.phis.iter().enumerate() {
                origin[phi.value.index()] = Origin::Phi(block, i as u32);
            }
            for (i, inst) in node.insts.iter().enumerate() {
                if is_removable(&inst.op) {
                    origin[inst.result.index()] = Origin::Inst(block, i as u32);
                } else {
                    inst.op.for_each_operand(|v| work.push(v));
                }
            }
            work.extend(node.term.operand());
        }
        while let Some(value) = work.pop() {
            if std::mem::replace(&mut used[value.index()], true) {
                continue;
            }
            match origin[value.index()] {
                Origin::Needed => {}
                Origin::Phi(block, i) => {
                    work.extend_from_slice(&self.nodes[block.index()].phis[i as usize].args);
                }
                Origin::Inst(block, i) => {
                    let op = &self.nodes[block.index()].insts[i as usize].op;
                    op.for_each_operand(|v| work.push(v));
                }
            }
        }
        used
    }

    fn drop_unused(&mut self, order: &[BlockId], used: &[bool]) {
        for &block in order {
            let node = &mut self.nodes[block.index()];
            node.phis.retain(|phi| used[phi.value.index()]);
            node.insts
                .retain(|inst| used[inst.result.index()] || !is_removable(&inst.op));
        }
    }

    /// Appends blocks to their only predecessor if that only jumps to them. Returns what is left of
    /// the order.
    fn merge_lines(&mut self, order: Vec<BlockId>) -> Vec<BlockId> {
        let mut gone = vec![false; self.nodes.len()];
        for &block in &order {
            if gone[block.index()] {
                continue;
            }
            while let Terminator::Jump(to) = &self.nodes[block.index()].term {
                let to = to.block;
                let (node, next) = (&self.nodes[block.index()], &self.nodes[to.index()]);
                // An instruction that may raise stays the last one before its handler, and none
                // from outside a `try` gets in.
                let raising = node.handler.is_some() || next.handler.is_some() && node.raises;
                if next.preds.len() != 1 || raising || to == block {
                    break;
                }
                let next = std::mem::take(&mut self.nodes[to.index()]);
                let node = &mut self.nodes[block.index()];
                node.insts.extend(next.insts);
                node.term = next.term;
                node.term_span = next.term_span;
                node.handler = next.handler;
                node.raises |= next.raises;
                gone[to.index()] = true;
                self.redirect(to, block);
            }
        }
        order.into_iter().filter(|b| !gone[b.index()]).collect()
    }

    /// The edges that left `from` leave `to` now.
    fn redirect(&mut self, from: BlockId, to: BlockId) {
        let node = &self.nodes[to.index()];
        let (then, other) = match &node.term {
            Terminator::Jump(t) => (Some(t.block), None),
            Terminator::Branch { then, other, .. } => (Some(then.block), Some(other.block)),
            _ => (None, None),
        };
        for target in [then, other, node.handler].into_iter().flatten() {
            for pred in &mut self.nodes[target.index()].preds {
                if pred.0 == from {
                    pred.0 = to;
                }
            }
        }
    }

    fn number(mut self, order: &[BlockId]) -> (Vec<Block>, Vec<ValueData>) {
        const NONE: u32 = u32::MAX;
        let mut block_numbers = vec![NONE; self.nodes.len()];
        let mut numbers = vec![NONE; self.values.len()];
        let mut values = Vec::new();
        let mut number = |value: Value, graph: &mut Graph| {
            numbers[value.index()] = values.len() as u32;
            values.push(ValueData {
                name: graph.values[value.index()].name.take(),
            });
        };
        for (i, &block) in order.iter().enumerate() {
            block_numbers[block.index()] = i as u32;
            let node = std::mem::take(&mut self.nodes[block.index()]);
            node.fixed.iter().for_each(|&v| number(v, &mut self));
            node.phis
                .iter()
                .for_each(|phi| number(phi.value, &mut self));
            node.insts
                .iter()
                .for_each(|inst| number(inst.result, &mut self));
            self.nodes[block.index()] = node;
        }
        let renamed = |value: Value| Value(numbers[value.index()]);
        let mut blocks: Vec<Block> = Vec::with_capacity(order.len());
        for &block in order {
            let node = &mut self.nodes[block.index()];
            let mut insts = std::mem::take(&mut node.insts);
            let mut term = std::mem::take(&mut node.term);
            for Inst { result, op, .. } in &mut insts {
                *result = renamed(*result);
                op.for_each_operand_mut(|v| *v = renamed(*v));
            }
            if let Some(v) = term.operand_mut() {
                *v = renamed(*v);
            }
            let params = node
                .fixed
                .iter()
                .copied()
                .chain(node.phis.iter().map(|p| p.value));
            blocks.push(Block {
                params: params.map(renamed).collect(),
                insts,
                term,
                term_span: node.term_span,
                handler: node.handler.map(|h| crate::hir::Target {
                    block: h,
                    args: Vec::new(),
                }),
                iterations: Vec::new(),
            });
        }
        // Arguments: from the parameters' side, where they are, to the edges.
        for &block in order {
            let Node { phis, preds, .. } = &self.nodes[block.index()];
            let number = BlockId(block_numbers[block.index()]);
            for (k, &(pred, way)) in preds.iter().enumerate() {
                let from = &mut blocks[block_numbers[pred.index()] as usize];
                let target = match (&mut from.term, way) {
                    (_, Way::Handler) => from.handler.as_mut(),
                    (Terminator::Jump(t), Way::Then) => Some(t),
                    (Terminator::Branch { then, .. }, Way::Then) => Some(then),
                    (Terminator::Branch { other, .. }, Way::Other) => Some(other),
                    _ => None,
                };
                let Some(target) = target else { continue };
                target.block = number;
                target.args = phis.iter().map(|phi| renamed(phi.args[k])).collect();
            }
        }
        (blocks, values)
    }
}

/// Whether an instruction without users can go: no effect, and nothing to report about it.
fn is_removable(op: &Op) -> bool {
    match op {
        Op::Literal(_) | Op::Unbound(_) | Op::Slice(_) | Op::Closure { .. } => true,
        Op::Tuple(items) => items.iter().all(|item| matches!(item, Arg::Plain(_))),
        _ => false,
    }
}
