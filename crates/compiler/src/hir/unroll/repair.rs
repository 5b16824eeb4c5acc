//! Values of the loop's header that are used behind the loop have become several: one for each copy of
//! the header. Where paths from different copies meet, a block parameter brings them together.
//!
//! Values of the body need no repair: their uses are in the body, too.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Copy;
use super::shape::{Loop, dominated};
use crate::hir::{BlockId, Function, Value};

/// Repairs `out`, whose blocks belong to the copies that `versions` says; `f` is what it was before.
pub(super) fn repair(
    out: &mut Function,
    f: &Function,
    shape: &Loop,
    copies: &[Copy],
    versions: &[Option<usize>],
) {
    let under_header = dominated(f, shape.header);
    let is_after =
        |b: BlockId| versions[b.index()].is_none() && under_header.get(b.index()) == Some(&true);
    // Blocks that are not reached do not count as predecessors.
    let reached = out.reverse_postorder();
    let after: Vec<BlockId> = reached.iter().copied().filter(|b| is_after(*b)).collect();
    let mut preds: FxHashMap<BlockId, Vec<BlockId>> = FxHashMap::default();
    for &from in &reached {
        for target in out.block(from).edges().filter(|t| is_after(t.block)) {
            preds.entry(target.block).or_default().push(from);
        }
    }
    let header = f.block(shape.header);
    let values = header
        .params
        .iter()
        .copied()
        .chain(header.insts.iter().map(|i| i.result));
    for value in values.filter(|v| !shape.is_iterator(*v)) {
        if after.iter().any(|b| uses(out, *b, value)) {
            let versions = versions
                .iter()
                .map(|k| k.map(|k| copies[k].value(value)))
                .collect();
            Repair {
                value,
                after: &after,
                preds: &preds,
                versions,
                entry: FxHashMap::default(),
                params: FxHashMap::default(),
            }
            .run(out);
        }
    }
}

fn uses(f: &Function, block: BlockId, value: Value) -> bool {
    let block = f.block(block);
    let mut used =
        block.term.operand() == Some(value) || block.edges().any(|t| t.args.contains(&value));
    for inst in &block.insts {
        inst.op.for_each_operand(|v| used |= v == value);
    }
    used
}

/// The repair of one value.
struct Repair<'r> {
    value: Value,
    /// The blocks behind the loop, in reverse postorder.
    after: &'r [BlockId],
    preds: &'r FxHashMap<BlockId, Vec<BlockId>>,
    /// For each block: what the value is called in the copy of the loop that it belongs to.
    versions: Vec<Option<Value>>,
    /// What the value is called at the start of a block behind the loop.
    entry: FxHashMap<BlockId, Value>,
    /// The parameters that stand for the value.
    params: FxHashMap<BlockId, Value>,
}

impl Repair<'_> {
    fn run(mut self, out: &mut Function) {
        self.place(out);
        let used = self.used(out);
        for &id in self.after {
            let Some(&new) = self.entry.get(&id) else {
                continue;
            };
            let block = &mut out.blocks[id.index()];
            let rename = |v: &mut Value| {
                if *v == self.value {
                    *v = new;
                }
            };
            block
                .insts
                .iter_mut()
                .for_each(|inst| inst.op.for_each_operand_mut(rename));
            block.term.operand_mut().map(rename);
            block
                .edges_mut()
                .for_each(|t| t.args.iter_mut().for_each(rename));
        }
        for (&id, &param) in self.params.iter().filter(|(id, _)| used.contains(*id)) {
            out.blocks[id.index()].params.push(param);
            // A predecessor that gets there on two edges is listed twice.
            let mut froms = self.preds[&id].clone();
            froms.dedup();
            for from in froms {
                let Some(arg) = self.at_end(from) else {
                    continue;
                };
                for target in out.blocks[from.index()]
                    .edges_mut()
                    .filter(|t| t.block == id)
                {
                    target.args.push(arg);
                }
            }
        }
    }

    /// Finds what the value is called in each block, and makes a parameter where that is not the same on
    /// all paths. Names flow forward until nothing changes; a parameter once made stays.
    fn place(&mut self, out: &mut Function) {
        loop {
            let mut changed = false;
            for &block in self.after {
                if self.params.contains_key(&block) {
                    continue;
                }
                let mut names: Vec<Value> = self.preds[&block]
                    .iter()
                    .filter_map(|&p| self.at_end(p))
                    .collect();
                names.sort_unstable();
                names.dedup();
                let name = match names[..] {
                    [] => continue,
                    [one] => one,
                    _ => {
                        out.values.push(out.values[self.value.index()].clone());
                        let param = Value(out.values.len() as u32 - 1);
                        self.params.insert(block, param);
                        param
                    }
                };
                changed |= self.entry.insert(block, name) != Some(name);
            }
            if !changed {
                return;
            }
        }
    }

    /// What the value is called at the end of a block.
    fn at_end(&self, block: BlockId) -> Option<Value> {
        self.versions[block.index()].or_else(|| self.entry.get(&block).copied())
    }

    /// The blocks whose parameters are needed: by a use, or by a parameter that is needed.
    fn used(&self, out: &Function) -> FxHashSet<BlockId> {
        let owner: FxHashMap<Value, BlockId> = self.params.iter().map(|(&b, &v)| (v, b)).collect();
        let users = self.after.iter().filter(|b| uses(out, **b, self.value));
        let mut work: Vec<Value> = users.filter_map(|b| self.entry.get(b).copied()).collect();
        let mut used = FxHashSet::default();
        while let Some(value) = work.pop() {
            let Some(&block) = owner.get(&value) else {
                continue;
            };
            if used.insert(block) {
                work.extend(self.preds[&block].iter().filter_map(|&p| self.at_end(p)));
            }
        }
        used
    }
}
