//! Finds the loop that an iterator drives.

use crate::hir::{BlockId, Function, Inst, Op, Target, Terminator, Value};

/// A loop whose iterator is used by nothing else.
pub(super) struct Loop {
    iter: Value,
    pub(super) header: BlockId,
    /// Which of the header's parameters is the state of the iterator. `None`: nothing leads back to
    /// the header, and the state is the iterator itself.
    pub(super) param: Option<usize>,
    pub(super) state: Value,
    /// The condition of the header, and where it leads to if there is an item and if there is none.
    more: Value,
    pub(super) then: Target,
    pub(super) other: Target,
    /// The states that are passed back to the header.
    nexts: Vec<Value>,
    /// The blocks of the body.
    pub(super) body: Vec<BlockId>,
    /// The item, if it is taken where the body begins.
    pub(super) first_item: Option<Value>,
}

enum Use<'f> {
    Op(BlockId, &'f Inst),
    /// Of the block's terminator.
    End(BlockId),
    Argument {
        to: BlockId,
        param: usize,
    },
}

impl Loop {
    pub(super) fn find(f: &Function, iter: Value) -> Option<Loop> {
        let uses = uses(f, iter);
        let (header, param) = match uses.first()? {
            Use::Argument { to, param, .. } => (*to, Some(*param)),
            Use::Op(block, _) => (*block, None),
            Use::End(_) => return None,
        };
        let into_param = |u: &Use<'_>| matches!(u, Use::Argument { to, param: p, .. } if *to == header && Some(*p) == param);
        if param.is_some() && !uses.iter().all(into_param) {
            return None;
        }
        let state = param.map_or(iter, |i| f.block(header).params[i]);
        let (more, branch) = condition(f, header, state)?;
        let Terminator::Branch { then, other, .. } = &f.block(branch).term else {
            return None;
        };
        let inside = dominated(f, then.block);
        let is_inside = |b: BlockId| inside[b.index()];
        let mut nexts = vec![];
        for u in self::uses(f, state) {
            match u {
                Use::Op(_, inst) if inst.result == more => {}
                Use::Op(
                    block,
                    Inst {
                        op: Op::IterItem(_),
                        ..
                    },
                ) if is_inside(block) => {}
                Use::Op(
                    block,
                    Inst {
                        op: Op::IterNext(_),
                        result,
                        ..
                    },
                ) if is_inside(block) => nexts.push(*result),
                _ => return None,
            }
        }
        let only_passed_back = |v: &Value| self::uses(f, *v).iter().all(into_param);
        if !nexts.iter().all(only_passed_back)
            || inside[header.index()]
            || !entered_once(f, branch, then, &inside)
        {
            return None;
        }
        let passes_the_state = |(from, target): (BlockId, &Target)| {
            let Some(i) = param.filter(|_| target.block == header) else {
                return true;
            };
            let arg = argument(f, target, i);
            arg.is_some_and(|arg| {
                if is_inside(from) {
                    nexts.contains(&arg)
                } else {
                    arg == iter
                }
            })
        };
        if !edges(f).all(passes_the_state) {
            return None;
        }
        let item = |i: &&Inst| matches!(i.op, Op::IterItem(it) if it == state);
        Some(Loop {
            iter,
            header,
            param,
            state,
            more,
            then: then.clone(),
            other: other.clone(),
            nexts,
            body: ids(f).filter(|b| is_inside(*b)).collect(),
            first_item: f
                .block(then.block)
                .insts
                .iter()
                .find(item)
                .map(|i| i.result),
        })
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = BlockId> {
        [self.header].into_iter().chain(self.body.iter().copied())
    }

    pub(super) fn contains(&self, block: BlockId) -> bool {
        self.blocks().any(|b| b == block)
    }

    /// Whether a value goes when the loop is unrolled.
    pub(super) fn is_iterator(&self, v: Value) -> bool {
        v == self.iter || v == self.state || v == self.more || self.nexts.contains(&v)
    }

    /// Removes the argument for the iterator's state of an edge that led to `old`.
    pub(super) fn drop_state(&self, target: &mut Target, old: BlockId) {
        if let (Some(i), true) = (self.param, old == self.header) {
            target.args.remove(i);
        }
    }
}

/// The condition `itermore state` that ends the header, and the block that branches on it. That is
/// another one in a `try`, because `itermore` may raise.
fn condition(f: &Function, header: BlockId, state: Value) -> Option<(Value, BlockId)> {
    let last = f
        .block(header)
        .insts
        .last()
        .filter(|i| i.op == Op::IterMore(state))?;
    let branch = match &f.block(header).term {
        Terminator::Branch { .. } => header,
        Terminator::Jump(target) => {
            let block = f.block(target.block);
            let only_branches = block.params.is_empty() && block.insts.is_empty();
            let only_here = edges(f).filter(|(_, t)| t.block == target.block).count() == 1;
            (only_branches && only_here).then_some(target.block)?
        }
        _ => return None,
    };
    let is_only_use = matches!(uses(f, last.result)[..], [Use::End(block)] if block == branch);
    is_only_use.then_some((last.result, branch))
}

/// Whether the body is entered on one edge only.
fn entered_once(f: &Function, branch: BlockId, then: &Target, inside: &[bool]) -> bool {
    let enters = |&(from, target): &(BlockId, &Target)| {
        !inside[from.index()] && inside[target.block.index()]
    };
    let mut entries = edges(f).filter(enters);
    entries.next() == Some((branch, then)) && entries.next().is_none()
}

fn ids(f: &Function) -> impl Iterator<Item = BlockId> {
    (0..f.blocks.len() as u32).map(BlockId)
}

fn edges(f: &Function) -> impl Iterator<Item = (BlockId, &Target)> {
    ids(f).flat_map(|b| f.block(b).edges().map(move |t| (b, t)))
}

/// The argument for a parameter. A handler's first parameter, the exception, has none.
fn argument(f: &Function, target: &Target, param: usize) -> Option<Value> {
    let implicit = f.block(target.block).params.len() - target.args.len();
    target.args.get(param.checked_sub(implicit)?).copied()
}

fn uses(f: &Function, v: Value) -> Vec<Use<'_>> {
    let mut found = vec![];
    for from in ids(f) {
        let block = f.block(from);
        for inst in &block.insts {
            let mut used = false;
            inst.op.for_each_operand(|operand| used |= operand == v);
            if used {
                found.push(Use::Op(from, inst));
            }
        }
        if block.term.operand() == Some(v) {
            found.push(Use::End(from));
        }
        for target in block.edges() {
            let to = target.block;
            let implicit = f.block(to).params.len() - target.args.len();
            let args = target.args.iter().enumerate().filter(|(_, arg)| **arg == v);
            found.extend(args.map(|(i, _)| Use::Argument {
                to,
                param: i + implicit,
            }));
        }
    }
    found
}

/// For each block: does every path from the function's entry to it lead through `dominator`?
pub(super) fn dominated(f: &Function, dominator: BlockId) -> Vec<bool> {
    let mut found = vec![true; f.blocks.len()];
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        if block != dominator && std::mem::replace(&mut found[block.index()], false) {
            work.extend(f.block(block).edges().map(|t| t.block));
        }
    }
    found
}
