//! Reference counting: places retains and releases.
//!
//! Every managed value has a *root*: itself, or, for views and parts, the root of what it was made
//! from. A root is *borrowed* (parameters, constants, block parameters that only get borrowed values)
//! or *owned* (results of calls, new arrays, other block parameters). A use of a value is a use of its
//! root, so a view keeps its base alive without counting.
//!
//! An owned root is released after its last use, on every path; passing it to an owned block
//! parameter, returning it or making it an array's owner is a use that takes it over (a *move*) when
//! it is the last, and otherwise needs a retain first.
//!
//! Items of lists hold references of their own: reading one retains it, writing one takes over what is
//! written ([`Mem::Items`]). An item that is only looked at while nothing can take it out of its list is
//! not counted ([`super::peek`]): it is a part of the list.
//!
//! Errors that a handler caught (block parameters of type `Err`) are owned in the same way: thrown
//! again they are moved, otherwise dropped. They are never shared.

use ferdelance_abi::rtfn::RtFn;
use smallvec::SmallVec;

use super::peek::{base, borrowed_items};
use super::simplify::predecessor_counts;
use crate::tir::{Block, BlockId, Cmp, Function, Inst, LocId, Mem, Op, Target, Term, Type, Value};

/// A set of values.
type Set = Vec<u64>;

fn contains(set: &Set, v: Value) -> bool {
    set[v.index() / 64] >> (v.index() % 64) & 1 == 1
}
fn insert(set: &mut Set, v: Value) {
    set[v.index() / 64] |= 1 << (v.index() % 64);
}
fn remove(set: &mut Set, v: Value) {
    set[v.index() / 64] &= !(1 << (v.index() % 64));
}
fn members(set: &Set) -> impl Iterator<Item = Value> {
    set.iter().enumerate().flat_map(|(i, &word)| {
        (0..64u32)
            .filter(move |b| word >> b & 1 == 1)
            .map(move |b| Value(i as u32 * 64 + b))
    })
}

/// Places the retains and releases of a function.
pub fn count(f: &mut Function) {
    let borrowed = borrowed_items(f);
    let roots = Roots::of(f, &borrowed);
    let gives = |inst: &Inst| given_away(f, &inst.op).is_some();
    if !roots.owned.iter().any(|&o| o) && !f.blocks.iter().flat_map(|b| &b.insts).any(gives) {
        retain_returned(f, &roots);
        return;
    }
    let live_in = liveness(f, &roots);
    let blocks = f.blocks.len();
    for b in 0..blocks {
        rewrite(f, b, &roots, &live_in);
    }
    release_on_edges(f, &roots, &live_in, blocks);
}

/// The result of an instruction that is a reference more: a select between managed values may give either,
/// an item that is read stays in its list.
fn copied(inst: &Inst, roots: &Roots) -> Option<Value> {
    match (&inst.op, &inst.results[..]) {
        (
            Op::Select { .. }
            | Op::Load {
                mem: Mem::Items, ..
            },
            &[v],
        ) if roots.is_owned(v) => Some(v),
        _ => None,
    }
}

/// The managed operand that an instruction takes over, if it does so whoever owns it.
fn given_away(f: &Function, op: &Op) -> Option<Value> {
    match *op {
        Op::Store {
            value,
            mem: Mem::Items,
            ..
        } if f.ty(value).is_managed() => Some(value),
        Op::Exchange { value, .. } => Some(value),
        _ => None,
    }
}

/// What ends the life of an owned value.
fn release(f: &Function, v: Value) -> Op {
    match f.ty(v) {
        Type::Err => Op::Rt {
            func: RtFn::error_drop,
            args: SmallVec::from_slice(&[v]),
        },
        _ => Op::Release(v),
    }
}

fn effect(op: Op, loc: LocId) -> Inst {
    Inst {
        op,
        results: SmallVec::new(),
        loc,
    }
}

struct Roots {
    root: Vec<Value>,
    /// For roots.
    owned: Vec<bool>,
}

impl Roots {
    fn of(f: &Function, borrowed: &[bool]) -> Roots {
        let n = f.values.len();
        let mut root: Vec<Value> = (0..n as u32).map(Value).collect();
        let mut owned = vec![false; n];
        // Blocks are not in dominance order after inlining; a second round settles what is left.
        loop {
            let mut changed = false;
            for inst in f.blocks.iter().flat_map(|b| &b.insts) {
                let Some(&result) = inst.results.first() else {
                    continue;
                };
                let base = match inst.op {
                    Op::Load { ptr, .. } if borrowed[result.index()] => Some(ptr),
                    _ => base(f, inst),
                };
                if let Some(base) = base {
                    let r = root[base.index()];
                    changed |= std::mem::replace(&mut root[result.index()], r) != r;
                }
            }
            if !changed {
                break;
            }
        }
        for inst in f.blocks.iter().flat_map(|b| &b.insts) {
            for &v in &inst.results {
                let owns = matches!(
                    inst.op,
                    Op::Call { .. }
                        | Op::CallIndirect { .. }
                        | Op::Rt { .. }
                        | Op::Select { .. }
                        | Op::Exchange { .. }
                        | Op::Load {
                            mem: Mem::Items,
                            ..
                        }
                );
                if f.values[v.index()].is_managed() && owns && !borrowed[v.index()] {
                    owned[v.index()] = true;
                }
            }
        }
        // An array owns what its owner word owns; a block parameter owns if anything owned flows in.
        loop {
            let mut changed = false;
            let is_owned = |v: Value, owned: &[bool]| owned[root[v.index()].index()];
            for block in &f.blocks {
                for inst in &block.insts {
                    if let Op::MakeArray { owner, .. } = inst.op {
                        let v = inst.results[0];
                        if is_owned(owner, &owned) && !owned[v.index()] {
                            owned[v.index()] = true;
                            changed = true;
                        }
                    }
                }
                for target in block.term.targets() {
                    for (&param, &arg) in f.block(target.block).params.iter().zip(&target.args) {
                        let ty = f.values[param.index()];
                        let takes = ty == Type::Err || ty.is_managed() && is_owned(arg, &owned);
                        if takes && !owned[param.index()] {
                            owned[param.index()] = true;
                            changed = true;
                        }
                    }
                }
            }
            if !changed {
                return Roots { root, owned };
            }
        }
    }

    /// The owned root behind a value.
    fn owned_root(&self, v: Value) -> Option<Value> {
        let r = self.root[v.index()];
        self.owned[r.index()].then_some(r)
    }

    /// Whether the value itself is an owned root, so that it can be moved.
    fn is_owned(&self, v: Value) -> bool {
        self.root[v.index()] == v && self.owned[v.index()]
    }
}

/// A function without owned values gives away borrowed ones: the receiver gets a reference.
fn retain_returned(f: &mut Function, roots: &Roots) {
    for b in 0..f.blocks.len() {
        let loc = f.blocks[b].term_loc;
        if let Term::Return(values) = &f.blocks[b].term {
            let retained: Vec<Value> = values
                .iter()
                .copied()
                .filter(|v| f.values[v.index()].is_managed() && !roots.is_owned(*v))
                .collect();
            f.blocks[b]
                .insts
                .extend(retained.into_iter().map(|v| effect(Op::Retain(v), loc)));
        }
    }
}

/// Owned roots that are live at the start of each block.
fn liveness(f: &Function, roots: &Roots) -> Vec<Set> {
    let words = f.values.len().div_ceil(64);
    let mut live_in = vec![vec![0u64; words]; f.blocks.len()];
    loop {
        let mut changed = false;
        for b in (0..f.blocks.len()).rev() {
            let mut live = live_out(f, b, &live_in, words);
            use_terminator(&f.blocks[b].term, roots, &mut live);
            for inst in f.blocks[b].insts.iter().rev() {
                for &r in &inst.results {
                    remove(&mut live, r);
                }
                inst.op.for_each_operand(|v| use_value(v, roots, &mut live));
            }
            for &p in &f.blocks[b].params {
                remove(&mut live, p);
            }
            if live != live_in[b] {
                live_in[b] = live;
                changed = true;
            }
        }
        if !changed {
            return live_in;
        }
    }
}

fn use_value(v: Value, roots: &Roots, live: &mut Set) {
    if let Some(root) = roots.owned_root(v) {
        insert(live, root);
    }
}

fn use_terminator(term: &Term, roots: &Roots, live: &mut Set) {
    term.for_each_operand(|v| use_value(v, roots, live));
    for target in term.targets() {
        for &v in &target.args {
            use_value(v, roots, live);
        }
    }
}

fn live_out(f: &Function, b: usize, live_in: &[Set], words: usize) -> Set {
    let mut live = vec![0; words];
    for target in f.blocks[b].term.targets() {
        for (l, &other) in live.iter_mut().zip(&live_in[target.block.index()]) {
            *l |= other;
        }
    }
    live
}

/// Writes the retains and releases inside a block; those on its outgoing edges come later.
fn rewrite(f: &mut Function, b: usize, roots: &Roots, live_in: &[Set]) {
    let words = f.values.len().div_ceil(64);
    let mut live = live_out(f, b, live_in, words);
    for v in checked_results(&f.blocks[b], roots) {
        insert(&mut live, v);
    }
    let mut block = std::mem::take(&mut f.blocks[b]);
    let mut out: Vec<Inst> = vec![];
    if let Term::Return(values) = &block.term {
        let (retains, releases) = returned(f, values, roots);
        let effects = retains
            .into_iter()
            .map(Op::Retain)
            .chain(releases.into_iter().map(|v| release(f, v)));
        out.extend(effects.rev().map(|op| effect(op, block.term_loc)));
    }
    use_terminator(&block.term, roots, &mut live);
    // `out` is built backwards.
    for inst in std::mem::take(&mut block.insts).into_iter().rev() {
        for &r in &inst.results {
            if roots.is_owned(r) && !contains(&live, r) {
                out.push(effect(release(f, r), inst.loc));
            }
            remove(&mut live, r);
        }
        let mut dying: SmallVec<[Value; 4]> = SmallVec::new();
        let consumed = match inst.op {
            Op::MakeArray { owner, .. } if roots.is_owned(owner) => Some(owner),
            _ => None,
        };
        let given = given_away(f, &inst.op);
        // What is not ours to give is given as a reference more.
        let mut retained = given.filter(|&v| !roots.is_owned(v));
        let consumed = consumed.or(given.filter(|&v| roots.is_owned(v)));
        inst.op.for_each_operand(|v| {
            if let Some(root) = roots.owned_root(v)
                && !contains(&live, root)
                && !dying.contains(&root)
            {
                dying.push(root);
            }
        });
        if let Some(owner) = consumed {
            if contains(&live, owner) {
                retained = Some(owner);
            }
            dying.retain(|v| *v != owner);
        }
        for &root in &dying {
            out.push(effect(release(f, root), inst.loc));
        }
        // Before what it is a copy of may die.
        if let Some(v) = copied(&inst, roots) {
            out.push(effect(Op::Retain(v), inst.loc));
        }
        let loc = inst.loc;
        inst.op.for_each_operand(|v| use_value(v, roots, &mut live));
        out.push(inst);
        if let Some(owner) = retained {
            out.push(effect(Op::Retain(owner), loc));
        }
    }
    // Parameters that are never used.
    for &p in &block.params {
        if b != 0 && roots.is_owned(p) && !contains(&live, p) {
            out.push(effect(release(f, p), block.term_loc));
        }
    }
    out.reverse();
    block.insts = out;
    f.blocks[b] = block;
}

/// What a return retains and releases: each returned value takes a reference; the first mention of an
/// owned root moves it, and a root of which only views are returned is released after those.
fn returned(f: &Function, values: &[Value], roots: &Roots) -> (Vec<Value>, Vec<Value>) {
    let (mut moved, mut retains, mut releases): (Vec<Value>, Vec<Value>, Vec<Value>) =
        (vec![], vec![], vec![]);
    for &v in values {
        if !f.values[v.index()].is_managed() {
            continue;
        }
        if roots.is_owned(v) && !moved.contains(&v) {
            moved.push(v);
        } else {
            retains.push(v);
        }
    }
    for root in values.iter().filter_map(|&v| roots.owned_root(v)) {
        if !moved.contains(&root) && !releases.contains(&root) {
            releases.push(root);
        }
    }
    (retains, releases)
}

/// If a block ends in the branch on the error of its last call: the owned results of that call. They
/// have no value on the error's side (the branch's first target) and are released on the other side
/// when nothing uses them there.
fn checked_results(block: &Block, roots: &Roots) -> SmallVec<[Value; 2]> {
    let Term::Branch { cond, .. } = block.term else {
        return SmallVec::new();
    };
    let compared = block.insts.iter().rev().find_map(|i| match i.op {
        Op::Compare(Cmp::Ne, err, _) if i.results[0] == cond => Some(err),
        _ => None,
    });
    let call = block
        .insts
        .iter()
        .rev()
        .find(|i| compared.is_some() && i.results.last() == compared.as_ref());
    match call {
        Some(Inst {
            op: Op::Call { .. } | Op::CallIndirect { .. } | Op::Rt { .. },
            results,
            ..
        }) => results
            .iter()
            .copied()
            .filter(|&v| roots.is_owned(v))
            .collect(),
        _ => SmallVec::new(),
    }
}

/// Retains what is passed on without being moved, and releases what dies between two blocks.
fn release_on_edges(f: &mut Function, roots: &Roots, live_in: &[Set], blocks: usize) {
    let words = f.values.len().div_ceil(64);
    let counts = predecessor_counts(f);
    for b in 0..blocks {
        let mut live = live_out(f, b, live_in, words);
        for v in f.blocks[b].term.targets().iter().flat_map(|t| &t.args) {
            use_value(*v, roots, &mut live);
        }
        let checked = checked_results(&f.blocks[b], roots);
        for &v in &checked {
            insert(&mut live, v);
        }
        let targets = f.blocks[b].term.targets().len();
        for t in 0..targets {
            let target = f.blocks[b].term.targets()[t].clone();
            let (retains, mut releases) =
                edge_effects(f, roots, &live, &target, &live_in[target.block.index()]);
            if t == 0 {
                releases.retain(|v| !checked.contains(v));
            }
            if retains.is_empty() && releases.is_empty() {
                continue;
            }
            let loc = f.blocks[b].term_loc;
            let retains = retains.into_iter().map(Op::Retain);
            let releases = releases.into_iter().map(|v| release(f, v));
            let effects: Vec<Inst> = retains.chain(releases).map(|op| effect(op, loc)).collect();
            if targets == 1 {
                f.blocks[b].insts.extend(effects);
            } else if counts[target.block.index()] == 1 && target.args.is_empty() {
                f.blocks[target.block.index()].insts.splice(0..0, effects);
            } else {
                // Neither end belongs to this edge alone: a block of its own.
                let middle = BlockId(f.blocks.len() as u32);
                f.blocks.push(Block {
                    params: vec![],
                    insts: effects,
                    term: Term::Jump(target),
                    term_loc: loc,
                    ..Block::default()
                });
                *f.blocks[b].term.targets_mut()[t] = Target {
                    block: middle,
                    args: SmallVec::new(),
                };
            }
        }
    }
}

fn edge_effects(
    f: &Function,
    roots: &Roots,
    live: &Set,
    target: &Target,
    live_in: &Set,
) -> (Vec<Value>, Vec<Value>) {
    let params = &f.block(target.block).params;
    let mut moved: SmallVec<[Value; 4]> = SmallVec::new();
    let mut retains = vec![];
    for (&param, &arg) in params.iter().zip(&target.args) {
        if !roots.is_owned(param) {
            continue;
        }
        if roots.is_owned(arg) && !contains(live_in, arg) && !moved.contains(&arg) {
            moved.push(arg);
        } else if f.ty(arg) != Type::Err {
            retains.push(arg);
        }
    }
    let releases = members(live)
        .filter(|v| !contains(live_in, *v) && !moved.contains(v))
        .collect();
    (retains, releases)
}
