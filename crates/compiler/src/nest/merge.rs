//! Merging: operations over the same indices become one, which goes through memory once.
//!
//! ```python
//! low, high = a.min(), a.max()        # one loop with two reductions
//! e = np.exp(x)                       # one loop that keeps e and adds it up
//! s = e.sum()
//! ```
//!
//! Of two nests that have an array in common, one moves to the other. Item by item, the merged nest does
//! first what the first one does and then what the second one does, so
//!
//! * what the first one writes and the second one reads, or writes as well, has to be the same item;
//!   then the value is passed on in the body;
//! * what the first one reads and the second one writes has to be the same item, or other memory. Where
//!   this cannot be decided here, it is checked when the code runs (`Nest::guards`);
//! * on the way of the one that moves, nothing may change what it reads; and if it stores, nothing may
//!   look at memory, raise or leave.
//!
//! The first one moves *down* to the second one, if nothing needs its results before (scalars that are
//! computed from them move along), or the second one moves *up*: only past checks that an allocation has
//! succeeded, because other checks may be what makes its accesses valid.

use ferdelance_abi::rtfn::RtFn;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::analysis::{Analysis, Place, Way, nest_at};
use super::body::{operations, read_once, substitute, tidy};
use crate::tir::dominators::Dominators;
use crate::tir::nest::{Access, Input, Nest, OutputKind, Reduction, Source, Stretch};
use crate::tir::pass::number::Numbers;
use crate::tir::pass::simplify::remove_unreachable;
use crate::tir::{Block, BlockId, Cmp, Function, Inst, LocId, Op, Target, Term, Type, Value};
use crate::types::Layout;

/// A merged nest goes through at most so many arrays: prefetchers follow about as many.
const MOST_ARRAYS: usize = 14;
/// Number of operations from which a body does not have all values in registers: then merging has to
/// save some of them.
const LARGE: usize = 80;

/// Two nests that can become one.
pub(super) struct Merge {
    first: Place,
    second: Place,
    down: bool,
    /// Instructions between the two that move: down, behind the merged nest; up, before it.
    moved: Vec<Place>,
    /// Inputs of the second one and the outputs of the first one that they are.
    passed: Vec<(usize, usize)>,
    /// Outputs of the first one, all items of which an output of the second one replaces.
    replaced: Vec<(usize, usize)>,
    /// Inputs of the first one and outputs of the second one to be kept apart when the code runs.
    guards: Vec<(usize, usize)>,
}

/// The first two nests that can be merged.
pub(super) fn find(a: &Analysis<'_>) -> Option<Merge> {
    let tree = Dominators::new(a.f);
    let mut nests: Vec<Place> = vec![];
    for block in a.f.reverse_postorder() {
        let block = block.index();
        let insts = a.f.blocks[block].insts.iter().enumerate();
        for (inst, _) in insts.filter(|(_, i)| matches!(i.op, Op::Nest(_))) {
            let second = Place { block, inst };
            // The nearest one first.
            let found = nests.iter().rev().find_map(|&first| {
                let way = a.way(first, second)?;
                Pair {
                    a,
                    tree: &tree,
                    first,
                    second,
                    way,
                }
                .merge()
            });
            if found.is_some() {
                return found;
            }
            nests.push(second);
        }
    }
    None
}

struct Pair<'a, 'f> {
    a: &'a Analysis<'f>,
    tree: &'a Dominators,
    first: Place,
    second: Place,
    way: Way,
}

impl Pair<'_, '_> {
    fn merge(&self) -> Option<Merge> {
        let (x, y) = (self.a.nest(self.first)?, self.a.nest(self.second)?);
        if !self.alike(x, y) {
            return None;
        }
        let passed = self.passed(x, y)?;
        let replaced = self.replaced(x, y)?;
        let guards = self.kept_apart(x, y)?;
        if !guards.is_empty() && !x.allocates() && !y.allocates() {
            return None;
        }
        let shares = |input: &Input| {
            x.inputs.iter().any(|other| {
                self.a.numbers.equal(other.access.array, input.access.array)
                    && other.access.dims == input.access.dims
            })
        };
        if passed.is_empty() && replaced.is_empty() && !y.inputs.iter().any(shares) {
            return None;
        }
        let checked = [(x, self.first), (y, self.second)]
            .iter()
            .all(|(nest, place)| !nest.allocates() || self.a.leaves(*place));
        if !checked {
            return None;
        }
        let (down, moved) = match self.down(x) {
            Some(moved) => (true, moved),
            None => (false, self.up(y)?),
        };
        let merge = Merge {
            first: self.first,
            second: self.second,
            down,
            moved,
            passed,
            replaced,
            guards,
        };
        let before = operations(x) + operations(y);
        let saves = || {
            let merged = merge.merged(self.a.f, &self.a.numbers, x.clone(), y.clone());
            operations(&merged) * 10 <= before * 9
        };
        (before < LARGE || saves()).then_some(merge)
    }

    /// Whether two nests go through the same indices, and it pays to go through them once.
    fn alike(&self, x: &Nest, y: &Nest) -> bool {
        let a = self.a;
        let same_space = !x.extents.is_empty()
            && x.extents.len() == y.extents.len()
            && x.extents
                .iter()
                .zip(&y.extents)
                .all(|(&n, &m)| a.numbers.equal(n, m));
        if !same_space {
            return false;
        }
        let mut over: Vec<u32> = vec![];
        for output in x.outputs.iter().chain(&y.outputs) {
            match &output.kind {
                OutputKind::Scatter(_) | OutputKind::Select(_) => return false,
                OutputKind::Reduce(r) if r.target.is_some() => return false,
                OutputKind::Reduce(r) => over.push(r.over),
                OutputKind::New(_) | OutputKind::Store(_) => {}
            }
        }
        over.dedup();
        let calls = |n: &Nest| n.insts.iter().any(|i| matches!(i.op, Op::Call { .. }));
        over.len() <= 1
            && x.inputs.len() + x.outputs.len() + y.inputs.len() + y.outputs.len() <= MOST_ARRAYS
            && !calls(x)
            && !calls(y)
            && vectorises(x)
            && vectorises(y)
            && !against(x, y)
            && !against(y, x)
    }

    /// Inputs of the second nest that are what the first one makes or stores, item by item. `None` if it
    /// reads something else of that memory.
    fn passed(&self, x: &Nest, y: &Nest) -> Option<Vec<(usize, usize)>> {
        let mut passed = vec![];
        for (o, output) in x.outputs.iter().enumerate() {
            let Some(written) = self.written(x, self.first, o) else {
                continue;
            };
            let mut apart = true;
            y.for_each_source(|source| apart &= self.a.disjoint(source, written.array));
            if !apart {
                return None;
            }
            for (i, input) in y.inputs.iter().enumerate() {
                if self.a.disjoint(input.access.array, written.array) {
                    continue;
                }
                let types = |values: &[Value]| -> Vec<Type> {
                    values.iter().map(|&v| self.a.f.ty(v)).collect()
                };
                if !self.same_items(&written, &input.access)
                    || types(&output.values) != types(&input.elements)
                {
                    return None;
                }
                // Of several outputs, the last one stays.
                passed.retain(|(input, _)| *input != i);
                passed.push((i, o));
            }
        }
        Some(passed)
    }

    /// Outputs of the first nest all items of which the second one writes again. `None` if both write the
    /// same memory in another way.
    fn replaced(&self, x: &Nest, y: &Nest) -> Option<Vec<(usize, usize)>> {
        let mut replaced = vec![];
        for (o, output) in x.outputs.iter().enumerate() {
            let Some(written) = self.written(x, self.first, o) else {
                continue;
            };
            for (p, other) in y.outputs.iter().enumerate() {
                let OutputKind::Store(store) = &other.kind else {
                    continue;
                };
                if self.a.disjoint(written.array, store.array) || self.aligned(&written, store) {
                    continue;
                }
                if !self.same_items(&written, store) {
                    return None;
                }
                if matches!(output.kind, OutputKind::Reduce(_)) {
                    return None;
                }
                replaced.push((o, p));
            }
        }
        // One store for one array.
        let once = |(o, p): &(usize, usize)| {
            replaced.iter().filter(|(q, r)| q == o || r == p).count() == 1
        };
        replaced.iter().all(once).then_some(replaced)
    }

    /// Pairs of inputs of the first nest and stores of the second one that may share memory. `None` if they
    /// certainly do.
    fn kept_apart(&self, x: &Nest, y: &Nest) -> Option<Vec<(usize, usize)>> {
        let mut guards = vec![];
        for (o, output) in y.outputs.iter().enumerate() {
            let OutputKind::Store(store) = &output.kind else {
                continue;
            };
            let mut apart = true;
            x.for_each_source(|source| apart &= self.a.disjoint(source, store.array));
            if !apart {
                return None;
            }
            for (i, input) in x.inputs.iter().enumerate() {
                if input.copied
                    || self.a.disjoint(input.access.array, store.array)
                    || self.same_items(store, &input.access)
                    || self.aligned(store, &input.access)
                {
                    continue;
                }
                if self.a.roots.of(input.access.array) == self.a.roots.of(store.array) {
                    return None;
                }
                guards.push((i, o));
            }
        }
        Some(guards)
    }

    /// How a nest's output is written: the items of an array.
    fn written(&self, nest: &Nest, at: Place, output: usize) -> Option<Access> {
        let range = nest.result_ranges()[output].clone();
        let result = || self.a.inst(at).results[range.start];
        let rank = nest.extents.len();
        match &nest.outputs[output].kind {
            OutputKind::Store(access) => Some(access.clone()),
            OutputKind::New(item) => Some(Access::whole(result(), rank, *item)),
            OutputKind::Reduce(
                r @ Reduction {
                    item: Some(item), ..
                },
            ) => Some(Access::along(result(), r.kept(rank), *item)),
            OutputKind::Reduce(_) | OutputKind::Scatter(_) | OutputKind::Select(_) => None,
        }
    }

    /// Whether what is read are the items that are written, at the same indices.
    fn same_items(&self, written: &Access, read: &Access) -> bool {
        self.a.numbers.equal(written.array, read.array) && self.same_indices(written, read)
    }

    /// Whether what two accesses have in common are the items at the same indices of the nest.
    fn aligned(&self, x: &Access, y: &Access) -> bool {
        self.same_indices(x, y) && self.a.are_aligned(x.array, y.array)
    }

    /// Whether the indices of the nest mean the same indices of the arrays, and each one a single item.
    fn same_indices(&self, written: &Access, other: &Access) -> bool {
        let all = |access: &Access| {
            let nest_rank = self.a.nest(self.second).map(|n| n.extents.len());
            Some(access.dims.len()) == nest_rank
        };
        all(written)
            && all(other)
            && written.item.size == other.item.size
            && written.dims.iter().all(|d| d.stretch == Stretch::No)
            && written
                .dims
                .iter()
                .zip(&other.dims)
                .all(|(w, o)| w.dim == o.dim)
    }

    // ---- moving ----

    /// Whether an instruction that is passed by a store neither sees it nor has effects.
    fn ignores(&self, inst: &Inst, nest: &Nest) -> bool {
        let apart = |v: Value| {
            nest.outputs
                .iter()
                .filter_map(|o| o.target())
                .all(|target| self.a.disjoint(v, target))
        };
        match &inst.op {
            Op::Load { .. } | Op::Rt { .. } => false,
            Op::Nest(other) => {
                let mut all = inst.op.is_pure();
                all &= other.inputs.iter().all(|i| apart(i.access.array));
                other.for_each_source(|source| all &= apart(source));
                all
            }
            op => op.is_pure(),
        }
    }

    /// Whether the first nest can move down to the second one: what moves along, behind it.
    fn down(&self, x: &Nest) -> Option<Vec<Place>> {
        let a = self.a;
        if a.changes(&self.way, x) {
            return None;
        }
        let own_check = x.allocates().then_some(self.first.block);
        if x.stores() {
            let straight = a.on(&self.way).all(|(_, i)| self.ignores(i, x));
            let blocks = self.way.0.iter().map(|(block, _)| *block);
            let exits = blocks
                .filter(|b| *b != self.second.block && Some(*b) != own_check)
                .any(|b| !matches!(a.f.blocks[b].term, Term::Jump(_)));
            if !straight || exits {
                return None;
            }
        }
        // What depends on the results moves along.
        let mut dependent: FxHashSet<Value> = a.inst(self.first).results.iter().copied().collect();
        let err = x
            .allocates()
            .then(|| a.inst(self.first).results.last().copied());
        let err = err.flatten();
        err.map(|e| dependent.remove(&e));
        let mut moved = vec![];
        for (place, inst) in a.on(&self.way) {
            let mut depends = false;
            inst.op
                .for_each_operand(|v| depends |= dependent.contains(&v));
            if !depends {
                continue;
            }
            if !inst.op.is_pure()
                || matches!(
                    inst.op,
                    Op::Load { .. } | Op::Rt { .. } | Op::Nest(_) | Op::Subview(_)
                )
            {
                return None;
            }
            dependent.extend(&inst.results);
            moved.push(place);
        }
        // The second nest may have new arrays as inputs, and nothing else of the results.
        let y = a.nest(self.second)?;
        let mut needs = false;
        let arrays: Vec<Value> = y
            .inputs
            .iter()
            .map(|i| i.access.array)
            .chain(y.outputs.iter().filter_map(|o| o.target()))
            .collect();
        y.for_each_operand(|v| needs |= dependent.contains(&v) && !arrays.contains(&v));
        if needs
            || arrays
                .iter()
                .any(|v| dependent.contains(v) && !a.inst(self.first).results.contains(v))
        {
            return None;
        }
        // Everything else that needs them comes later.
        let behind = |p: &Place| {
            moved.contains(p)
                || *p == self.second
                || p.block == self.second.block && p.inst > self.second.inst
                || p.block != self.second.block && self.tree.dominates(self.second.block, p.block)
        };
        let later = dependent
            .iter()
            .all(|v| a.uses[v.index()].iter().all(behind));
        later.then_some(moved)
    }

    /// Whether the second nest can move up to the first one: what it needs moves along, before it.
    fn up(&self, y: &Nest) -> Option<Vec<Place>> {
        let a = self.a;
        if a.changes(&self.way, y) || y.stores() {
            return None;
        }
        for (block, _) in &self.way.0 {
            let end = &a.f.blocks[*block];
            let passes = *block == self.second.block
                || matches!(end.term, Term::Jump(_))
                || checks_allocation(end);
            if !passes {
                return None;
            }
        }
        let mut between: FxHashMap<Value, Place> = FxHashMap::default();
        for (place, inst) in a.on(&self.way) {
            between.extend(inst.results.iter().map(|&v| (v, place)));
        }
        let results = &a.inst(self.first).results;
        let params: Vec<Value> = self.way.0[1..]
            .iter()
            .flat_map(|(block, _)| a.f.blocks[*block].params.iter().copied())
            .collect();
        let passed: Vec<Value> = y
            .inputs
            .iter()
            .map(|i| i.access.array)
            .filter(|v| results.contains(v))
            .collect();
        let mut needed: Vec<Value> = vec![];
        y.for_each_operand(|v| {
            if !passed.contains(&v) {
                needed.push(v);
            }
        });
        let mut moved: Vec<Place> = vec![];
        while let Some(v) = needed.pop() {
            if results.contains(&v) || params.contains(&v) {
                return None;
            }
            let Some(&place) = between.get(&v) else {
                continue;
            };
            if moved.contains(&place) {
                continue;
            }
            let inst = a.inst(place);
            if !inst.op.is_pure()
                || matches!(inst.op, Op::Load { .. } | Op::Rt { .. } | Op::Nest(_))
            {
                return None;
            }
            moved.push(place);
            inst.op.for_each_operand(|v| needed.push(v));
        }
        let position = |p: &Place| {
            let piece = self.way.0.iter().position(|(b, _)| *b == p.block);
            (piece, p.inst)
        };
        moved.sort_by_key(position);
        Some(moved)
    }
}

impl Merge {
    pub fn apply(&self, f: &mut Function) {
        let (Some(x), Some(y)) = (nest_at(f, self.first), nest_at(f, self.second)) else {
            return;
        };
        let (x, y) = (x.clone(), y.clone());
        let inst = |f: &Function, at: Place| f.blocks[at.block].insts[at.inst].clone();
        let (first, second) = (inst(f, self.first), inst(f, self.second));
        let moved: Vec<Inst> = self.moved.iter().map(|&at| inst(f, at)).collect();
        // What moves, and where to; the check that stays, and the one that goes or moves.
        let (from, to) = if self.down {
            (self.first, self.second)
        } else {
            (self.second, self.first)
        };
        let (mover, stays) = if self.down { (&x, &y) } else { (&y, &x) };
        let mut gone: FxHashSet<Place> = self.moved.iter().copied().collect();
        gone.insert(from);
        let mut check = None;
        if mover.allocates() {
            let body = &mut f.blocks[from.block];
            let places = (from.inst + 1..body.insts.len()).map(|inst| Place {
                block: from.block,
                inst,
            });
            gone.extend(places);
            let insts = body.insts[from.inst + 1..].to_vec();
            if let Term::Branch { other, .. } = &body.term {
                let onward = Term::Jump(other.clone());
                let term = std::mem::replace(&mut body.term, onward);
                check = (!stays.allocates()).then_some((insts, term, body.term_loc));
            }
        }
        let mut results: SmallVec<[Value; 2]> = smallvec![];
        for (nest, inst) in [(&x, &first), (&y, &second)] {
            let arrays = inst.results.len() - usize::from(nest.allocates());
            results.extend(inst.results[..arrays].iter().copied());
        }
        let checked = if stays.allocates() { to } else { from };
        if x.allocates() || y.allocates() {
            let inst = if checked == self.first {
                &first
            } else {
                &second
            };
            results.extend(inst.results.last().copied());
        }
        let merged = Inst {
            op: Op::Nest(Box::new(self.merged(f, &Numbers::new(f), x, y))),
            results,
            loc: if self.down { second.loc } else { first.loc },
        };
        self.place(f, to, &gone, merged, moved, check);
        remove_unreachable(f);
    }

    /// Writes the merged nest where the one was that stays.
    fn place(
        &self,
        f: &mut Function,
        to: Place,
        gone: &FxHashSet<Place>,
        merged: Inst,
        moved: Vec<Inst>,
        check: Option<(Vec<Inst>, Term, LocId)>,
    ) {
        let mut blocks: Vec<usize> = gone.iter().map(|p| p.block).chain([to.block]).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let (mut rest, mut merged, mut moved) = (vec![], Some(merged), moved);
        for block in blocks {
            let mut kept = vec![];
            let mut behind = false;
            for (inst, i) in std::mem::take(&mut f.blocks[block].insts)
                .into_iter()
                .enumerate()
            {
                let at = Place { block, inst };
                if at == to {
                    if !self.down {
                        kept.append(&mut moved);
                    }
                    kept.extend(merged.take());
                    behind = true;
                } else if !gone.contains(&at) {
                    if behind { &mut rest } else { &mut kept }.push(i);
                }
            }
            f.blocks[block].insts = kept;
        }
        let next = BlockId(f.blocks.len() as u32);
        let onward = Target {
            block: next,
            args: smallvec![],
        };
        let body = &mut f.blocks[to.block];
        let raises =
            matches!(body.insts.last(), Some(Inst { op: Op::Nest(n), .. }) if n.allocates());
        let mut after = Block {
            term_loc: body.term_loc,
            ..Block::default()
        };
        match check {
            // The check of the one that moved: what follows goes on behind it.
            Some((insts, mut term, loc)) => {
                body.insts.extend(insts);
                if let Term::Branch { other, .. } = &mut term {
                    *other = onward;
                }
                after.term = std::mem::replace(&mut body.term, term);
                body.term_loc = loc;
                after.rounds = std::mem::take(&mut body.rounds);
                moved.append(&mut rest);
            }
            // What follows is the check.
            None if raises => {
                body.insts.append(&mut rest);
                if let Term::Branch { other, .. } = &mut body.term {
                    after.term = Term::Jump(std::mem::replace(other, onward));
                }
            }
            None => {
                body.insts.append(&mut moved);
                body.insts.append(&mut rest);
                return;
            }
        }
        after.insts = moved;
        f.blocks.push(after);
    }

    /// The merged nest.
    fn merged(&self, f: &Function, numbers: &Numbers, x: Nest, mut y: Nest) -> Nest {
        let mut nest = x;
        for &(i, o) in &self.passed {
            let elements = y.inputs[i].elements.clone();
            let values = nest.outputs[o].values.clone();
            substitute(&mut y, &elements, &values);
        }
        if nest.indices.is_empty() {
            nest.indices = std::mem::take(&mut y.indices);
        } else {
            let own = std::mem::take(&mut y.indices);
            let common = nest.indices.clone();
            substitute(&mut y, &own, &common);
        }
        // Numbers of inputs and outputs of the second one in the merged nest.
        let (first_input, first_output) = (nest.inputs.len(), nest.outputs.len());
        let number = |first: usize, gone: &[usize], k: usize| -> Option<u32> {
            let before = gone.iter().filter(|&&g| g < k).count();
            (!gone.contains(&k)).then(|| (first + k - before) as u32)
        };
        let passed: Vec<usize> = self.passed.iter().map(|&(i, _)| i).collect();
        let replaced: Vec<usize> = self.replaced.iter().map(|&(_, p)| p).collect();
        let output = |p: usize| {
            let first = self.replaced.iter().find(|(_, q)| *q == p);
            first.map_or_else(
                || number(first_output, &replaced, p),
                |&(o, _)| Some(o as u32),
            )
        };
        for &(i, o) in &y.guards {
            let input = number(first_input, &passed, i as usize);
            nest.guards.extend(input.zip(output(o as usize)));
        }
        for &source in &y.sources {
            let output = output(source.output as usize);
            nest.sources
                .extend(output.map(|output| Source { output, ..source }));
        }
        for &(i, o) in &self.guards {
            nest.guards.extend(output(o).map(|o| (i as u32, o)));
        }
        // Of two writings the first one stays, with the values of the second one.
        for &(o, p) in &self.replaced {
            nest.outputs[o].values = y.outputs[p].values.clone();
        }
        let kept = |gone: &[usize], k: usize| !gone.contains(&k);
        let inputs = y.inputs.into_iter().enumerate();
        nest.inputs
            .extend(inputs.filter(|(k, _)| kept(&passed, *k)).map(|(_, i)| i));
        nest.insts.append(&mut y.insts);
        let outputs = y.outputs.into_iter().enumerate();
        nest.outputs
            .extend(outputs.filter(|(k, _)| kept(&replaced, *k)).map(|(_, o)| o));
        read_once(&mut nest, numbers);
        tidy(&mut nest, |v| f.ty(v));
        nest
    }
}

/// Whether a block ends with the check that an allocation has succeeded.
fn checks_allocation(block: &Block) -> bool {
    let Term::Branch { cond, .. } = block.term else {
        return false;
    };
    let error = block.insts.iter().rev().find_map(|i| match i.op {
        Op::Compare(Cmp::Ne, err, _) if i.results[0] == cond => Some(err),
        _ => None,
    });
    let source = block
        .insts
        .iter()
        .rev()
        .find(|i| error.is_some() && i.results.last().copied() == error);
    source.is_some_and(|i| {
        matches!(
            i.op,
            Op::Nest(_)
                | Op::Rt {
                    func: RtFn::buffer_alloc | RtFn::buffer_zeroed,
                    ..
                }
        )
    })
}

/// Whether the loops of a nest are vectorised whatever else is in them: each reduction is one operation.
fn vectorises(nest: &Nest) -> bool {
    nest.outputs.iter().all(|output| {
        let OutputKind::Reduce(r) = &output.kind else {
            return true;
        };
        r.accumulators
            .iter()
            .zip(&output.values)
            .all(|(acc, value)| {
                let mut uses = 0;
                for inst in &nest.insts {
                    inst.op.for_each_operand(|v| uses += usize::from(v == *acc));
                }
                uses == 1
                    && nest.insts.iter().any(|i| {
                        i.results.contains(value)
                            && matches!(i.op, Op::Binary { a, b, .. } if a == *acc || b == *acc)
                    })
            })
    })
}

/// Whether one nest goes through arrays in the order of C, and another in that of Fortran.
fn against(x: &Nest, y: &Nest) -> bool {
    let has = |nest: &Nest, layout: Layout| {
        let stored = nest.outputs.iter().filter_map(|o| match &o.kind {
            OutputKind::Store(access) => Some(access),
            _ => None,
        });
        nest.inputs
            .iter()
            .map(|i| &i.access)
            .chain(stored)
            .any(|a| a.dims.len() > 1 && a.item.layout == layout)
    };
    has(x, Layout::C) && has(y, Layout::F)
}
