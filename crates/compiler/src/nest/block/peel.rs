//! Peeling: the first round of a loop on its own, where that is what keeps it from running block by block.
//!
//! ```python
//! def f(x, rounds):
//!     for _ in range(rounds):
//!         x = x * 0.5         # the first round leaves the argument as it is, others may write where they read
//! ```

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::loops::{self, Loop};
use super::{Candidate, is_array, plans};
use crate::nest::analysis::Analysis;
use crate::tir::dominators::Dominators;
use crate::tir::nest::OutputKind;
use crate::tir::pass::simplify::for_each_term_operand;
use crate::tir::{Block, BlockId, Function, Inst, Op, Target, Term, Value};

/// Instructions of a loop that is worth a second copy.
const MOST: usize = 100;

/// Peels loops which then, once `reuse` has gone over the function, run block by block.
pub(in crate::nest) fn peel(f: &mut Function, reuse: impl Fn(&mut Function) -> bool) {
    let mut tried = 0;
    // A loop that was peeled gives its memory from round to round, and is no candidate any more.
    while let Some(peeled) = candidates(f).get(tried) {
        tried += 1;
        let mut trial = f.clone();
        let known = plans(f).len();
        if peeled.apply(&mut trial) && reuse(&mut trial) && plans(&trial).len() > known {
            *f = trial;
            tried = 0;
        }
    }
}

fn candidates(f: &Function) -> Vec<Peel> {
    let carries = |b: &Block| b.params.iter().any(|&p| is_array(f.ty(p)));
    let makes = |i: &Inst| matches!(&i.op, Op::Nest(nest) if nest.allocates());
    let blocks = || f.blocks.iter().skip(1);
    if !blocks().any(carries) || !blocks().any(|b| b.insts.iter().any(makes)) {
        return vec![];
    }
    let tree = Dominators::new(f);
    let mut loops = loops::find(f, &tree);
    loops.retain(|l| l.inner.is_empty() && carries(f.block(l.header)));
    if loops.is_empty() {
        return vec![];
    }
    let a = Analysis::new(f);
    let fit = loops
        .iter()
        .filter(|l| Candidate::new(&a, l, &[]).would_fit());
    fit.map(|l| Peel::new(f, &tree, l)).collect()
}

impl Candidate<'_, '_> {
    /// Whether the loop could run block by block if the arrays that it makes were there before.
    fn would_fit(&self) -> bool {
        let sizes = self.insts().map(|i| match &i.op {
            Op::Nest(nest) => nest.insts.len() + 1,
            _ => 1,
        });
        let harmless = |i: &Inst| match &i.op {
            Op::Nest(nest) => nest
                .outputs
                .iter()
                .all(|o| matches!(o.kind, OutputKind::New(_) | OutputKind::Store(_))),
            _ => self.is_harmless(i),
        };
        let mut params = self
            .around
            .blocks
            .iter()
            .flat_map(|&b| &self.a.f.block(b).params);
        self.one_space()
            && sizes.sum::<usize>() <= MOST
            && self.insts().all(harmless)
            && params.any(|&p| is_array(self.a.f.ty(p)))
    }
}

/// A loop, and what belongs to it: ways out that only throw.
struct Peel {
    header: BlockId,
    inside: FxHashSet<BlockId>,
    copied: Vec<BlockId>,
}

impl Peel {
    fn new(f: &Function, tree: &Dominators, l: &Loop) -> Peel {
        let mut copied = l.blocks.clone();
        for &block in &l.blocks {
            for target in f.block(block).term.targets() {
                let to = target.block;
                let throws = matches!(f.block(to).term, Term::Throw(_));
                // What others throw as well does not hang on a value of the loop.
                if throws && tree.dominates(block.index(), to.index()) && !copied.contains(&to) {
                    copied.push(to);
                }
            }
        }
        Peel {
            header: l.header,
            inside: l.blocks.iter().copied().collect(),
            copied,
        }
    }

    /// Puts a copy of the loop before it, from which the loop itself goes on after one round.
    fn apply(&self, f: &mut Function) -> bool {
        if !self.hand_over(f) {
            return false;
        }
        let first = f.blocks.len() as u32;
        let place = |b: BlockId| self.copied.iter().position(|c| *c == b);
        let copy_of = |b: BlockId| place(b).map_or(b, |k| BlockId(first + k as u32));
        for b in 0..f.blocks.len() {
            if self.inside.contains(&BlockId(b as u32)) {
                continue;
            }
            for target in f.blocks[b].term.targets_mut() {
                if target.block == self.header {
                    target.block = copy_of(self.header);
                }
            }
        }
        let mut copies: Vec<Block> = self.copied.iter().map(|&b| f.block(b).clone()).collect();
        let mut names: FxHashMap<Value, Value> = FxHashMap::default();
        for block in &mut copies {
            let mut rename = |v: &mut Value| {
                let new = f.new_value(f.ty(*v));
                names.insert(*v, new);
                *v = new;
            };
            block.params.iter_mut().for_each(&mut rename);
            for inst in &mut block.insts {
                inst.results.iter_mut().for_each(&mut rename);
                if let Op::Nest(nest) = &mut inst.op {
                    nest.for_each_local_mut(&mut rename);
                }
            }
        }
        let renamed = |v: &mut Value| *v = names.get(v).copied().unwrap_or(*v);
        for block in &mut copies {
            for inst in &mut block.insts {
                inst.op.for_each_operand_mut(&mut { renamed });
            }
            for_each_term_operand(&mut block.term, renamed);
            for target in block.term.targets_mut() {
                if target.block != self.header {
                    target.block = copy_of(target.block);
                }
            }
        }
        f.blocks.append(&mut copies);
        true
    }

    /// Has what is computed in the loop go out of it as arguments.
    fn hand_over(&self, f: &mut Function) -> bool {
        let tree = Dominators::new(f);
        let mut defined: FxHashSet<Value> = FxHashSet::default();
        for &block in &self.copied {
            let block = f.block(block);
            defined.extend(&block.params);
            defined.extend(block.insts.iter().flat_map(|i| &i.results));
        }
        let mut exits: Vec<BlockId> = vec![];
        for &block in &self.copied {
            for target in f.block(block).term.targets() {
                let to = target.block;
                if !self.copied.contains(&to) && !exits.contains(&to) {
                    exits.push(to);
                }
            }
        }
        // What is used behind each exit.
        let mut used: Vec<SmallVec<[Value; 4]>> = vec![SmallVec::new(); exits.len()];
        let mut behind: Vec<Vec<usize>> = vec![vec![]; exits.len()];
        for (b, block) in f.blocks.iter().enumerate() {
            if self.copied.contains(&BlockId(b as u32)) || !tree.reachable(b) {
                continue;
            }
            let mut here: SmallVec<[Value; 4]> = SmallVec::new();
            let mut note = |v: Value| {
                if defined.contains(&v) && !here.contains(&v) {
                    here.push(v);
                }
            };
            for inst in &block.insts {
                inst.op.for_each_operand(&mut note);
            }
            block.term.for_each_operand(&mut note);
            block
                .term
                .targets()
                .iter()
                .flat_map(|t| &t.args)
                .for_each(|&v| note(v));
            if here.is_empty() {
                continue;
            }
            let Some(k) = exits.iter().position(|e| tree.dominates(e.index(), b)) else {
                return false;
            };
            behind[k].push(b);
            here.retain(|v| !used[k].contains(v));
            used[k].extend(here);
        }
        for ((&exit, used), behind) in exits.iter().zip(&used).zip(&behind) {
            let mut way = Block::default();
            let passed: SmallVec<[Value; 4]> = {
                let params = f.block(exit).params.clone();
                params.iter().map(|&p| f.new_value(f.ty(p))).collect()
            };
            let own: Vec<Value> = used.iter().map(|&v| f.new_value(f.ty(v))).collect();
            way.params = passed.iter().chain(&own).copied().collect();
            way.term_loc = f.block(self.header).term_loc;
            way.term = Term::Jump(Target {
                block: exit,
                args: passed,
            });
            let renamed = |v: &mut Value| {
                if let Some(k) = used.iter().position(|u| u == v) {
                    *v = own[k];
                }
            };
            for &b in behind {
                let block = &mut f.blocks[b];
                for inst in &mut block.insts {
                    inst.op.for_each_operand_mut(&mut { renamed });
                }
                for_each_term_operand(&mut block.term, renamed);
            }
            f.blocks.push(way);
            let way = BlockId(f.blocks.len() as u32 - 1);
            for &block in &self.copied {
                for target in f.blocks[block.index()].term.targets_mut() {
                    if target.block == exit {
                        target.block = way;
                        target.args.extend(used.iter().copied());
                    }
                }
            }
        }
        true
    }
}
