//! Simplification: what costs LLVM time and is easy to see here.
//!
//! * branches on constants become jumps;
//! * blocks that cannot be reached go; a block with one predecessor that only jumps to it is merged;
//! * block parameters that always get the same value go (loop-carried arrays, bounds);
//! * index corrections of values known not to be negative go;
//! * instructions whose results are not used go.
//!
//! A parameter that catches an error stays, even if it always gets the same one or nobody reads it:
//! parameters own errors, results of calls do not ([`count`](super::count)).

use smallvec::SmallVec;

use crate::tir::{Bin, Block, BlockId, Cast, Cmp, Function, Op, Part, Term, Type, Value};

/// Runs all of it to a fixpoint (in practice, two rounds).
pub fn simplify(f: &mut Function) {
    loop {
        let mut changed = decide_branches(f);
        changed |= remove_unreachable(f);
        changed |= remove_trivial_params(f);
        changed |= merge_blocks(f);
        changed |= drop_index_corrections(f);
        changed |= remove_unused(f);
        if !changed {
            return;
        }
    }
}

/// A substitution of values, with path compression.
pub(crate) struct Renaming(Vec<Value>);

impl Renaming {
    pub fn new(f: &Function) -> Renaming {
        Renaming((0..f.values.len() as u32).map(Value).collect())
    }
    pub fn find(&mut self, v: Value) -> Value {
        let mut root = v;
        while self.0[root.index()] != root {
            root = self.0[root.index()];
        }
        let mut at = v;
        while self.0[at.index()] != root {
            at = std::mem::replace(&mut self.0[at.index()], root);
        }
        root
    }
    pub fn set(&mut self, from: Value, to: Value) {
        self.0[from.index()] = to;
    }
    pub fn apply(&mut self, f: &mut Function) {
        for block in &mut f.blocks {
            for inst in &mut block.insts {
                inst.op.for_each_operand_mut(&mut |v| *v = self.find(*v));
            }
            for_each_term_operand(&mut block.term, |v| *v = self.find(*v));
        }
    }
}

/// Every operand of a terminator, arguments of targets included.
pub(crate) fn for_each_term_operand(term: &mut Term, mut f: impl FnMut(&mut Value)) {
    match term {
        Term::Branch { cond: v, .. } | Term::Switch { value: v, .. } | Term::Throw(v) => f(v),
        Term::Return(vs) => vs.iter_mut().for_each(&mut f),
        _ => {}
    }
    for target in term.targets_mut() {
        target.args.iter_mut().for_each(&mut f);
    }
}

/// Jumps where a branch always goes.
fn decide_branches(f: &mut Function) -> bool {
    let known = constants(f);
    let mut changed = false;
    for block in &mut f.blocks {
        let Some(constant) = block.term.decided_by().and_then(|v| known[v.index()]) else {
            continue;
        };
        block.term = match std::mem::take(&mut block.term).decide(constant) {
            Some(target) => Term::Jump(target),
            None => Term::Unreachable,
        };
        changed = true;
    }
    changed
}

/// The values that are integer constants.
pub(crate) fn constants(f: &Function) -> Vec<Option<i64>> {
    let mut constants = vec![None; f.values.len()];
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        if let (Op::Int(value), [v]) = (&inst.op, &inst.results[..]) {
            constants[v.index()] = Some(*value);
        }
    }
    constants
}

/// Empties the blocks that the entry does not reach, and closes the gaps.
pub(crate) fn remove_unreachable(f: &mut Function) -> bool {
    let mut seen = vec![false; f.blocks.len()];
    let mut stack = vec![BlockId(0)];
    while let Some(b) = stack.pop() {
        if !std::mem::replace(&mut seen[b.index()], true) {
            stack.extend(f.block(b).term.targets().iter().map(|t| t.block));
        }
    }
    if seen.iter().all(|&s| s) {
        return false;
    }
    let mut new_ids = vec![BlockId(0); f.blocks.len()];
    let mut kept = 0;
    for (i, &s) in seen.iter().enumerate() {
        if s {
            new_ids[i] = BlockId(kept);
            kept += 1;
        }
    }
    let blocks = std::mem::take(&mut f.blocks);
    f.blocks = blocks
        .into_iter()
        .zip(&seen)
        .filter(|(_, s)| **s)
        .map(|(b, _)| b)
        .collect();
    for block in &mut f.blocks {
        for target in block.term.targets_mut() {
            target.block = new_ids[target.block.index()];
        }
    }
    true
}

/// For each value: is it a parameter of a block?
fn are_params(f: &Function) -> Vec<bool> {
    let mut out = vec![false; f.values.len()];
    for &param in f.blocks.iter().flat_map(|b| &b.params) {
        out[param.index()] = true;
    }
    out
}

/// Whether a parameter is where an error is caught.
fn catches(f: &Function, param: Value, arg: Value, are_params: &[bool]) -> bool {
    f.ty(param) == Type::Err && !are_params[arg.index()]
}

fn remove_trivial_params(f: &mut Function) -> bool {
    let mut renaming = Renaming::new(f);
    let are_params = are_params(f);
    let mut any = false;
    loop {
        let mut changed = false;
        // For each parameter: the one value it gets besides itself, if there is one.
        let mut incoming: Vec<Vec<Option<Option<Value>>>> = f
            .blocks
            .iter()
            .map(|b| vec![None; b.params.len()])
            .collect();
        for block in &f.blocks {
            for target in block.term.targets() {
                for (i, &arg) in target.args.iter().enumerate() {
                    let arg = renaming.find(arg);
                    let param = f.block(target.block).params[i];
                    if arg == param {
                        continue;
                    }
                    let slot = &mut incoming[target.block.index()][i];
                    *slot = match *slot {
                        None => Some(Some(arg)),
                        Some(Some(before)) if before == arg => Some(Some(arg)),
                        Some(_) => Some(None),
                    };
                }
            }
        }
        for (b, slots) in incoming.iter().enumerate().skip(1) {
            let is_trivial = |(slot, &param): (&Option<Option<Value>>, &Value)| matches!(*slot, Some(Some(arg)) if !catches(f, param, arg, &are_params));
            let trivial: Vec<bool> = slots
                .iter()
                .zip(&f.blocks[b].params)
                .map(is_trivial)
                .collect();
            if !trivial.contains(&true) {
                continue;
            }
            changed = true;
            for ((&param, slot), _) in f.blocks[b]
                .params
                .iter()
                .zip(slots)
                .zip(&trivial)
                .filter(|(_, t)| **t)
            {
                if let Some(Some(value)) = *slot {
                    let value = renaming.find(value);
                    if value != param {
                        renaming.set(param, value);
                    }
                }
            }
            let mut keep = trivial.iter().map(|t| !t);
            f.blocks[b].params.retain(|_| keep.next().unwrap_or(true));
            for block in &mut f.blocks {
                for target in block
                    .term
                    .targets_mut()
                    .into_iter()
                    .filter(|t| t.block.index() == b)
                {
                    let mut keep = trivial.iter().map(|t| !t);
                    target.args.retain(|_| keep.next().unwrap_or(true));
                }
            }
        }
        any |= changed;
        if !changed {
            break;
        }
    }
    if any {
        renaming.apply(f);
    }
    any
}

pub(crate) fn predecessor_counts(f: &Function) -> Vec<u32> {
    let mut counts = vec![0; f.blocks.len()];
    counts[0] = 1;
    for block in &f.blocks {
        for target in block.term.targets() {
            counts[target.block.index()] += 1;
        }
    }
    counts
}

/// Appends blocks to their only predecessors where those just jump to them.
fn merge_blocks(f: &mut Function) -> bool {
    let counts = predecessor_counts(f);
    let are_params = are_params(f);
    let mut renaming = Renaming::new(f);
    let mut changed = false;
    let mut gone = vec![false; f.blocks.len()];
    for b in 0..f.blocks.len() {
        if gone[b] {
            continue;
        }
        while let Term::Jump(target) = &f.blocks[b].term {
            let next = target.block.index();
            if next == b || next == 0 || counts[next] != 1 {
                break;
            }
            let args = target.args.clone();
            if f.blocks[next]
                .params
                .iter()
                .zip(&args)
                .any(|(&param, &arg)| catches(f, param, arg, &are_params))
            {
                break;
            }
            let absorbed = std::mem::take(&mut f.blocks[next]);
            for (&param, &arg) in absorbed.params.iter().zip(&args) {
                let arg = renaming.find(arg);
                renaming.set(param, arg);
            }
            let block = &mut f.blocks[b];
            block.insts.extend(absorbed.insts);
            block.term = absorbed.term;
            block.term_loc = absorbed.term_loc;
            block.rounds = absorbed.rounds;
            gone[next] = true;
            changed = true;
        }
    }
    if changed {
        for (block, _) in f.blocks.iter_mut().zip(&gone).filter(|(_, g)| **g) {
            *block = Block {
                term: Term::Unreachable,
                ..Block::default()
            };
        }
        renaming.apply(f);
        remove_unreachable(f);
    }
    changed
}

/// `i < 0 ? i + n : i` is `i` where i cannot be negative.
fn drop_index_corrections(f: &mut Function) -> bool {
    let candidates: Vec<(Value, Value, Value)> = corrections(f);
    if candidates.is_empty() {
        return false;
    }
    let natural = natural_numbers(f);
    let mut renaming = Renaming::new(f);
    let mut changed = false;
    for (result, index, _) in candidates {
        if natural[index.index()] {
            let index = renaming.find(index);
            renaming.set(result, index);
            changed = true;
        }
    }
    if changed {
        renaming.apply(f);
    }
    changed
}

/// Selects that correct an index: result, index, length.
fn corrections(f: &Function) -> Vec<(Value, Value, Value)> {
    let mut definitions: Vec<Option<&Op>> = vec![None; f.values.len()];
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        if let [v] = inst.results[..] {
            definitions[v.index()] = Some(&inst.op);
        }
    }
    let is_zero = |v: Value| matches!(definitions[v.index()], Some(Op::Int(0)));
    let mut out = vec![];
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        let Op::Select { cond, then, other } = inst.op else {
            continue;
        };
        let Some(Op::Compare(Cmp::SLt, i, zero)) = definitions[cond.index()] else {
            continue;
        };
        let Some(Op::Binary {
            op: Bin::Add, a, b, ..
        }) = definitions[then.index()]
        else {
            continue;
        };
        if *i == other && *a == other && is_zero(*zero) {
            out.push((inst.results[0], other, *b));
        }
    }
    out
}

/// Which integer values are certainly not negative. Optimistic: a loop counter that starts at zero and
/// grows without overflow is one.
fn natural_numbers(f: &Function) -> Vec<bool> {
    let mut natural = vec![true; f.values.len()];
    for &param in &f.blocks[0].params {
        natural[param.index()] = false;
    }
    loop {
        let mut changed = false;
        let mut lower = |v: Value, is: bool, natural: &mut Vec<bool>| {
            if natural[v.index()] && !is {
                natural[v.index()] = false;
                changed = true;
            }
        };
        for block in &f.blocks {
            for inst in &block.insts {
                for &result in &inst.results {
                    let is = stays_natural(&inst.op, &natural);
                    lower(result, is, &mut natural);
                }
            }
            for target in block.term.targets() {
                for (&param, &arg) in f.block(target.block).params.iter().zip(&target.args) {
                    let is = natural[arg.index()];
                    lower(param, is, &mut natural);
                }
            }
        }
        if !changed {
            return natural;
        }
    }
}

fn stays_natural(op: &Op, natural: &[bool]) -> bool {
    let is = |v: Value| natural[v.index()];
    match *op {
        Op::Int(i) => i >= 0,
        Op::ArrayPart(_, Part::Shape(_)) | Op::Cast(Cast::ZExt, _) => true,
        Op::Cast(Cast::SExt, a) => is(a),
        Op::Select { then, other, .. } => is(then) && is(other),
        Op::Binary { op, a, b, nsw } => match op {
            Bin::Add | Bin::Mul => nsw && is(a) && is(b),
            Bin::And => is(a) || is(b),
            Bin::Or | Bin::Xor | Bin::SMin | Bin::SDiv | Bin::Fit => is(a) && is(b),
            Bin::SMax => is(a) || is(b),
            Bin::SRem | Bin::AShr => is(a),
            Bin::URem | Bin::UDiv => is(a) && is(b),
            _ => false,
        },
        _ => false,
    }
}

/// Removes pure instructions whose results are not used, and parameters that nobody reads.
fn remove_unused(f: &mut Function) -> bool {
    let mut used = vec![false; f.values.len()];
    let mut work: Vec<Value> = vec![];
    let mark = |v: Value, used: &mut Vec<bool>, work: &mut Vec<Value>| {
        if !std::mem::replace(&mut used[v.index()], true) {
            work.push(v);
        }
    };
    #[derive(Clone, Copy)]
    enum Def {
        None,
        Inst(u32, u32),
        Param(u32, u32),
    }
    let mut defs = vec![Def::None; f.values.len()];
    let mut predecessors: Vec<Vec<(u32, u32)>> = vec![vec![]; f.blocks.len()];
    for (b, block) in f.blocks.iter().enumerate() {
        for (i, &p) in block.params.iter().enumerate() {
            defs[p.index()] = Def::Param(b as u32, i as u32);
        }
        for (i, inst) in block.insts.iter().enumerate() {
            for &r in &inst.results {
                defs[r.index()] = Def::Inst(b as u32, i as u32);
            }
            if !inst.op.is_pure() {
                inst.op.for_each_operand(|v| mark(v, &mut used, &mut work));
                for &r in &inst.results {
                    mark(r, &mut used, &mut work);
                }
            }
        }
        block
            .term
            .for_each_operand(|v| mark(v, &mut used, &mut work));
        for (t, target) in block.term.targets().iter().enumerate() {
            predecessors[target.block.index()].push((b as u32, t as u32));
        }
    }
    for (b, block) in f.blocks.iter().enumerate() {
        for &p in block
            .params
            .iter()
            .filter(|&&p| b == 0 || f.ty(p) == Type::Err)
        {
            mark(p, &mut used, &mut work);
        }
    }
    while let Some(v) = work.pop() {
        match defs[v.index()] {
            Def::Inst(b, i) => {
                let inst = &f.blocks[b as usize].insts[i as usize];
                inst.op.for_each_operand(|o| mark(o, &mut used, &mut work));
            }
            Def::Param(b, i) => {
                for &(p, t) in &predecessors[b as usize] {
                    let arg = f.blocks[p as usize].term.targets()[t as usize].args[i as usize];
                    mark(arg, &mut used, &mut work);
                }
            }
            Def::None => {}
        }
    }
    let mut changed = false;
    for (b, sources) in predecessors.iter().enumerate() {
        let block = &mut f.blocks[b];
        let before = block.insts.len();
        block
            .insts
            .retain(|i| !i.op.is_pure() || i.results.iter().any(|r| used[r.index()]));
        changed |= block.insts.len() != before;
        if b == 0 || block.params.iter().all(|p| used[p.index()]) {
            continue;
        }
        changed = true;
        let keep: SmallVec<[bool; 8]> = block.params.iter().map(|p| used[p.index()]).collect();
        let mut flags = keep.iter();
        block.params.retain(|_| *flags.next().unwrap_or(&true));
        for &(p, t) in sources {
            let mut targets = f.blocks[p as usize].term.targets_mut();
            let mut flags = keep.iter();
            targets[t as usize]
                .args
                .retain(|_| *flags.next().unwrap_or(&true));
        }
    }
    changed
}
