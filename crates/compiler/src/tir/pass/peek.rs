//! Which reads of lists' items need no reference of their own.
//!
//! `rows[i][j]` reads a list out of a list, only to look into it. As long as nothing can take the inner
//! list out of the outer one, or change hands with it, the outer one keeps it alive; counting it up and
//! down again would cost more than the rest of such a loop, and keep it from being vectorised.

use ferdelance_abi::rtfn::RtFn;

use crate::tir::{BlockId, Function, Inst, Mem, Op, Part, Type, Value};

/// Most reads that are looked at in a function: each is a walk through what follows it.
const MOST: usize = 256;

/// For each value: is it an item that may be borrowed from its list?
pub(super) fn borrowed_items(f: &Function) -> Vec<bool> {
    let mut borrowed = vec![false; f.values.len()];
    let mut reads = vec![];
    for (b, block) in f.blocks.iter().enumerate() {
        for (i, inst) in block.insts.iter().enumerate() {
            if let (
                Op::Load {
                    mem: Mem::Items, ..
                },
                [v],
            ) = (&inst.op, &inst.results[..])
                && f.ty(*v).is_managed()
            {
                reads.push((b, i, *v));
            }
        }
    }
    if reads.is_empty() || reads.len() > MOST {
        return borrowed;
    }
    let bases = bases(f);
    for (b, i, v) in reads {
        borrowed[v.index()] = Walk {
            f,
            bases: &bases,
            value: v,
            seen: vec![[false; 2]; f.blocks.len()],
        }
        .from(b, i);
    }
    borrowed
}

/// What each value is a view or a part of, if it is one.
pub(super) fn base(f: &Function, inst: &Inst) -> Option<Value> {
    match inst.op {
        Op::View { base, .. }
        | Op::ArrayPart(base, Part::Owner | Part::Data)
        | Op::Offset { base, .. }
        | Op::Element { base, .. } => Some(base),
        // The address of a list's items; its length is nobody's part.
        Op::Load {
            ptr,
            mem: Mem::Header,
            ..
        } if f.ty(inst.results[0]) == Type::Ptr => Some(ptr),
        _ => None,
    }
}

fn bases(f: &Function) -> Vec<Option<Value>> {
    let mut bases = vec![None; f.values.len()];
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        if let Some(&result) = inst.results.first() {
            bases[result.index()] = base(f, inst);
        }
    }
    bases
}

/// Whether an instruction may end the life of an item of some list.
fn takes_items(op: &Op) -> bool {
    match op {
        Op::Call { .. } | Op::CallIndirect { .. } | Op::Parallel { .. } | Op::Exchange { .. } => {
            true
        }
        Op::Rt { func, .. } => {
            matches!(
                func,
                RtFn::list_delete
                    | RtFn::list_replace
                    | RtFn::list_repeat_in_place
                    | RtFn::list_close
                    | RtFn::dict_remove
                    | RtFn::dict_clear
            )
        }
        _ => false,
    }
}

/// A walk through everything that may run after a read.
struct Walk<'f> {
    f: &'f Function,
    bases: &'f [Option<Value>],
    value: Value,
    /// Blocks that were entered, before and after an item may have been taken.
    seen: Vec<[bool; 2]>,
}

impl Walk<'_> {
    fn uses(&self, mut v: Value) -> bool {
        while v != self.value {
            match self.bases[v.index()] {
                Some(base) => v = base,
                None => return false,
            }
        }
        true
    }

    /// Whether nothing uses the value after items may have been taken.
    fn from(mut self, block: usize, inst: usize) -> bool {
        let mut work = vec![(block, inst + 1, false)];
        while let Some((b, from, mut taken)) = work.pop() {
            let block = &self.f.blocks[b];
            let mut again = false;
            for inst in &block.insts[from..] {
                if inst.results.contains(&self.value) {
                    // The next round of a loop reads it anew.
                    again = true;
                    break;
                }
                let mut used = false;
                inst.op.for_each_operand(|v| used |= self.uses(v));
                // A function that is given the item could take it from its list while using it.
                let keeps = matches!(
                    inst.op,
                    Op::Call { .. }
                        | Op::CallIndirect { .. }
                        | Op::Parallel { .. }
                        | Op::MakeArray { .. }
                );
                if used && (taken || keeps) {
                    return false;
                }
                taken |= takes_items(&inst.op);
            }
            if again {
                continue;
            }
            let mut used = false;
            block.term.for_each_operand(|v| used |= self.uses(v));
            let targets = block.term.targets();
            // A block's parameter would have to be known to be borrowed.
            if used && taken || targets.iter().flat_map(|t| &t.args).any(|&v| self.uses(v)) {
                return false;
            }
            for target in targets {
                let BlockId(next) = target.block;
                if !std::mem::replace(&mut self.seen[next as usize][usize::from(taken)], true) {
                    work.push((next as usize, 0, taken));
                }
            }
        }
        true
    }
}
