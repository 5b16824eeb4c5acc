//! Fusion: what an operation on whole arrays makes is computed where it is used.
//!
//! A new array that is only read by other nests, or by nobody, need not be made: each reader computes the items that it
//! wants from what they are made of. The reader may see the array through views; the views move on to the
//! inputs. The program computes the same as before because
//!
//! * the array is made whenever the reader runs, and nothing can go between them but on the way of an
//!   error: a chain of blocks with one predecessor each leads from one to the other;
//! * nothing on that way may change what the array is made of;
//! * a reader that stores gets no input that shares the memory it writes, unless each item is stored where
//!   it was read. What cannot be decided here is checked when the code runs (`Nest::guards`).

use ferdelance_abi::settings::Rewrites;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::analysis::{Analysis, Place, nest_at};
use super::block::peel::peel;
use super::body::{read_once, substitute, tidy};
use super::items::Parts;
use super::land;
use super::masks;
use super::merge;
use super::pack::pack;
use super::parts;
use super::prune::{prune, settle};
use super::reuse::reuse;
use super::twins;
use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Along, Axis, Input, Item, Nest, OutputKind, Source, Stretch, Subview,
};
use crate::tir::pass::number::{Key, Numbers, number};
use crate::tir::pass::simplify::{Renaming, remove_unreachable, simplify};
use crate::tir::{
    Bin, Block, BlockId, Cmp, Function, Inst, Op, Part, Program, Target, Term, Type, Un, Value,
};
use crate::types::Layout;

/// The weight of a division.
const DIVISION: usize = 6;

/// Fuses in every function of a program.
pub fn fuse(program: &mut Program) {
    for f in &mut program.functions {
        let nests = f
            .blocks
            .iter()
            .flat_map(|b| &b.insts)
            .filter(|i| matches!(i.op, Op::Nest(_)))
            .count();
        if nests == 0 {
            continue;
        }
        settle_shapes(f);
        let without = f.options.without;
        let mut changed = false;
        while step(f, without) {
            changed = true;
        }
        if changed {
            prune(f);
            simplify(f);
            settle_shapes(f);
        }
        if !without.has(Rewrites::REUSE) {
            reuse_memory(f);
            if !without.has(Rewrites::BLOCK) {
                peel(f, reuse_memory);
            }
        }
        if !without.has(Rewrites::COPY) {
            pack(f);
        }
    }
}

/// Lets new arrays take the memory of old ones, which decides some questions of what shares memory.
fn reuse_memory(f: &mut Function) -> bool {
    let changed = reuse(f);
    if changed {
        simplify(f);
        settle_guards(f);
        settle_shapes(f);
    }
    changed
}

/// Carries out the first rewrite that there is.
fn step(f: &mut Function, without: Rewrites) -> bool {
    let a = Analysis::new(f);
    if !without.has(Rewrites::FUSE)
        && let Some(plan) = a.plan()
    {
        apply(f, &plan);
        drop_idle(f);
        return true;
    }
    if !without.has(Rewrites::FUSE)
        && let Some(landing) = land::find(&a)
    {
        landing.apply(f);
        return true;
    }
    let with_masks = !without.has(Rewrites::MASKS);
    if with_masks && let Some(same) = masks::same(&a) {
        same.apply(f);
        // Checks of sizes that are one now go.
        number(f);
        return true;
    }
    if !without.has(Rewrites::MERGE)
        && let Some(twins) = twins::find(&a)
    {
        twins.apply(f);
        return true;
    }
    if !without.has(Rewrites::MERGE)
        && let Some(merge) = merge::find(&a)
    {
        merge.apply(f);
        return true;
    }
    if with_masks && let Some(plan) = masks::plan(&a) {
        plan.apply(f);
        return true;
    }
    false
}

/// Notes which dimensions are certainly not stretched, and reads each input once.
fn settle_shapes(f: &mut Function) {
    let mut numbers = Numbers::new(f);
    let parts = Parts::new(f);
    let Function { blocks, values, .. } = f;
    for inst in blocks.iter_mut().flat_map(|b| &mut b.insts) {
        let Op::Nest(nest) = &mut inst.op else {
            continue;
        };
        let extents = nest.extents.clone();
        let stored = nest.outputs.iter_mut().filter_map(|o| match &mut o.kind {
            OutputKind::Store(access) => Some(access),
            _ => None,
        });
        for access in nest.inputs.iter_mut().map(|i| &mut i.access).chain(stored) {
            for (k, along) in access.dims.iter_mut().enumerate() {
                if along.stretch != Stretch::Maybe {
                    continue;
                }
                let extent = extents[usize::from(along.dim)];
                let size = numbers.size(access.array, k);
                if size == numbers.get(extent) {
                    along.stretch = Stretch::No;
                } else if parts::at_most(&numbers, size, 1) {
                    along.stretch = Stretch::One;
                }
            }
        }
        let before = nest.inputs.len();
        read_once(nest, &numbers);
        parts.join(nest, &mut numbers, |v| values[v.index()]);
        if nest.inputs.len() < before {
            tidy(nest, |v| values[v.index()]);
        }
    }
}

/// Removes questions whether arrays share memory that can be answered now.
fn settle_guards(f: &mut Function) {
    let mut settled: Vec<(Place, Vec<(u32, u32)>)> = vec![];
    {
        let a = Analysis::new(f);
        for (block, body) in f.blocks.iter().enumerate() {
            for (inst, i) in body.insts.iter().enumerate() {
                let Op::Nest(nest) = &i.op else { continue };
                let open = |(i, o): &&(u32, u32)| {
                    let target = nest.outputs[*o as usize].target();
                    let read = nest.inputs[*i as usize].access.array;
                    target.is_none_or(|target| !a.disjoint(read, target))
                };
                let left: Vec<(u32, u32)> = nest.guards.iter().filter(open).copied().collect();
                if left.len() < nest.guards.len() {
                    settled.push((Place { block, inst }, left));
                }
            }
        }
    }
    // What follows the last nest of a block that may raise is its check.
    for (at, left) in settled.into_iter().rev() {
        if let Op::Nest(nest) = &mut f.blocks[at.block].insts[at.inst].op {
            nest.guards = left;
            settle(f, at.block, at.inst, true);
        }
    }
    remove_unreachable(f);
}

/// Removes nests that only store items where they read them: the second half of `a[i:j] += b`.
fn drop_idle(f: &mut Function) {
    for block in &mut f.blocks {
        block.insts.retain(|i| match &i.op {
            Op::Nest(nest) => !is_idle(nest),
            _ => true,
        });
    }
}

fn is_idle(nest: &Nest) -> bool {
    let ([input], [output]) = (&nest.inputs[..], &nest.outputs[..]) else {
        return false;
    };
    let OutputKind::Store(store) = &output.kind else {
        return false;
    };
    let read = &input.access;
    // What is stored to is not stretched, whatever the accesses say.
    let dims = |access: &Access| {
        access
            .dims
            .iter()
            .map(|d| d.dim)
            .collect::<SmallVec<[u8; 4]>>()
    };
    store.array == read.array
        && dims(store) == dims(read)
        && store.item == read.item
        && nest.insts.is_empty()
        && output.values == input.elements
        && nest.guards.is_empty()
}

/// A use of a new array by a nest: which nest, which of its inputs, and what the input sees of the array.
struct Use {
    reader: Place,
    input: usize,
    seen: Vec<Seen>,
}

/// What is seen of a dimension of an array.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// One index.
    At(Value),
    /// All of it, along a dimension of the view.
    Whole(usize),
    /// A part, along a dimension of the view.
    Part {
        axis: usize,
        start: Value,
        count: Value,
        step: Value,
    },
}

/// An array that is not made any more, and what its readers take in its place.
struct Plan {
    producer: Place,
    uses: Vec<Replacement>,
}

/// Why an array is made after all. Places are those of readers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// This needs it as an array.
    Needed(Place),
    /// It is seen in a way that its items cannot be computed for.
    Unclear(Place),
    /// Several read it, and to compute its items for each would take longer than to keep them.
    Costly,
    /// The reader may run several times for it, or not at all.
    NotAlways(Place),
    /// What it is made of may change before it is read.
    Changed(Place),
    /// The reader stores to what it is made of.
    Overlaps(Place),
}

/// The arrays that a function makes though only array operations might read them, and why.
pub(super) fn refusals(f: &Function) -> Vec<(Value, Place, Refusal)> {
    let a = Analysis::new(f);
    let refused = a.candidates().filter_map(|(at, nest)| {
        let refusal = a.plan_for(at, nest).err()?;
        Some((a.inst(at).results[0], at, refusal))
    });
    refused.collect()
}

struct Replacement {
    reader: Place,
    input: usize,
    seen: Vec<Seen>,
    hazards: Hazards,
}

/// What the reader's stores may have to do with the inputs of a producer.
#[derive(Default)]
struct Hazards {
    /// Inputs of the producer and outputs of the reader to be kept apart when the code runs.
    guards: Vec<(usize, usize)>,
    /// Arrays that the producer's body loads from, and outputs, likewise.
    sources: Vec<Source>,
    /// Inputs of the producer that are met, and small enough to be copied first.
    copied: Vec<usize>,
}

impl Hazards {
    fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.sources.is_empty() && self.copied.is_empty()
    }
}

impl Analysis<'_> {
    /// The first array that need not be made.
    fn plan(&self) -> Option<Plan> {
        self.candidates()
            .find_map(|(at, nest)| self.plan_for(at, nest).ok())
    }

    /// The nests that make one array and nothing else.
    fn candidates(&self) -> impl Iterator<Item = (Place, &Nest)> {
        self.places().filter_map(|at| {
            let nest = self.nest(at)?;
            let [output] = &nest.outputs[..] else {
                return None;
            };
            matches!(output.kind, OutputKind::New(_)).then_some((at, nest))
        })
    }

    fn plan_for(&self, producer: Place, nest: &Nest) -> Result<Plan, Refusal> {
        let array = self.inst(producer).results[0];
        let mut uses = vec![];
        let whole: Vec<Seen> = (0..nest.extents.len()).map(Seen::Whole).collect();
        self.collect(array, &whole, &mut uses)?;
        if !worth_it(nest, uses.len()) {
            return Err(Refusal::Costly);
        }
        let mut plan = Plan {
            producer,
            uses: vec![],
        };
        let alone = uses.len() == 1;
        for u in uses {
            let at = u.reader;
            let reader = self.nest(at).ok_or(Refusal::Needed(at))?;
            let way = self.way(producer, at).ok_or(Refusal::NotAlways(at))?;
            if self.changes(&way, nest) {
                return Err(Refusal::Changed(at));
            }
            let access = &reader.inputs[u.input].access;
            if !nest.indices.is_empty() && access.dims.iter().any(|d| d.stretch != Stretch::No) {
                return Err(Refusal::Unclear(at));
            }
            if !self.f.options.without.has(Rewrites::KEEP) && computed_again(nest, reader, access) {
                return Err(Refusal::Costly);
            }
            let hazards = self.hazards(nest, reader, u.input, &u.seen);
            let hazards = hazards.ok_or(Refusal::Overlaps(at))?;
            // Whoever may keep results aside may raise: with the producer's check, which there is once.
            if !hazards.is_empty() && !alone && !reader.allocates() {
                return Err(Refusal::Overlaps(at));
            }
            plan.uses.push(Replacement {
                reader: at,
                input: u.input,
                seen: u.seen,
                hazards,
            });
        }
        Ok(plan)
    }

    /// The nests that read an array, also through views; an error if anything else needs it.
    fn collect(&self, array: Value, seen: &[Seen], out: &mut Vec<Use>) -> Result<(), Refusal> {
        let mut places = self.uses[array.index()].clone();
        places.sort_unstable();
        places.dedup();
        for at in places {
            if at.inst == usize::MAX {
                return Err(Refusal::Needed(at));
            }
            let inst = self.inst(at);
            match &inst.op {
                Op::ArrayPart(_, Part::Shape(_)) => {}
                Op::Subview(view) => {
                    let seen = seen
                        .iter()
                        .map(|s| through(*s, view))
                        .collect::<Option<Vec<_>>>()
                        .ok_or(Refusal::Unclear(at))?;
                    self.collect(inst.results[0], &seen, out)?;
                }
                Op::Nest(nest) => {
                    let mut needed = nest.outputs.iter().any(|o| o.target() == Some(array));
                    nest.for_each_source(|source| needed |= source == array);
                    if needed {
                        return Err(Refusal::Needed(at));
                    }
                    let inputs = nest
                        .inputs
                        .iter()
                        .enumerate()
                        .filter(|(_, i)| i.access.array == array);
                    out.extend(inputs.map(|(input, _)| Use {
                        reader: at,
                        input,
                        seen: seen.to_vec(),
                    }));
                }
                _ => return Err(Refusal::Needed(at)),
            }
        }
        Ok(())
    }

    /// What the reader's stores have to do with the producer's inputs; `None` if a store certainly gets in
    /// the way of reading.
    fn hazards(
        &self,
        producer: &Nest,
        reader: &Nest,
        input: usize,
        seen: &[Seen],
    ) -> Option<Hazards> {
        let mut hazards = Hazards::default();
        for (o, output) in reader.outputs.iter().enumerate() {
            let Some(target) = output.target() else {
                continue;
            };
            let mut sources = vec![];
            producer.for_each_source(|source| {
                if !self.disjoint(source, target) {
                    sources.push(source);
                }
            });
            if !sources.is_empty() && matches!(output.kind, OutputKind::Reduce(_)) {
                return None;
            }
            for source in sources {
                let array = self.array_of(source)?;
                if self.roots.of(array) == self.roots.of(target) {
                    let OutputKind::Scatter(scatter) = &output.kind else {
                        return None;
                    };
                    if !masks::same_items(self, producer, array, reader, scatter) {
                        return None;
                    }
                    continue;
                }
                hazards.sources.push(Source {
                    array,
                    size: self.reach(producer, source),
                    output: o as u32,
                });
            }
            for (i, read) in producer.inputs.iter().enumerate() {
                if read.copied || self.disjoint(read.access.array, target) {
                    continue;
                }
                let through = &reader.inputs[input].access;
                if let OutputKind::Store(store) = &output.kind
                    && self.same_items(producer, &read.access, store, through, seen)
                {
                    continue;
                }
                if matches!(output.kind, OutputKind::Reduce(_)) {
                    return None;
                }
                if self.roots.of(read.access.array) != self.roots.of(target) {
                    hazards.guards.push((i, o));
                    continue;
                }
                let copy = !self.f.options.without.has(Rewrites::COPY)
                    && is_smaller(&read.access, seen, through, reader.extents.len());
                if !copy {
                    return None;
                }
                hazards.copied.push(i);
            }
        }
        Some(hazards)
    }

    /// How many bytes of an item are loaded through an address, from its beginning on.
    fn reach(&self, nest: &Nest, source: Value) -> u32 {
        let mut most = 0;
        for inst in &nest.insts {
            let Op::Load { mut ptr, .. } = inst.op else {
                continue;
            };
            let mut end = i64::from(self.f.ty(inst.results[0]).bytes());
            while let Some(step) = nest.definition(ptr) {
                ptr = match *step {
                    Op::Offset { base, offset } => {
                        match (
                            nest.definition(offset),
                            self.numbers.key(self.numbers.get(offset)),
                        ) {
                            (Some(Op::Int(n)), _) | (None, Some(Key::Int(_, n))) => end += n,
                            _ => {}
                        }
                        base
                    }
                    Op::Element { base, .. } => base,
                    _ => break,
                };
            }
            if ptr == source {
                most = most.max(end);
            }
        }
        most as u32
    }

    /// Whether each item is stored where it was read, or to other memory: the same array, or rows of one
    /// array, met in the same way. Its dimensions are the reader's, since it is stored to; so it is not
    /// stretched, whatever the accesses say.
    fn same_items(
        &self,
        producer: &Nest,
        read: &Access,
        store: &Access,
        through: &Access,
        seen: &[Seen],
    ) -> bool {
        // Stretching makes no difference: if the array had one item here and the nest several, what is stored
        // would not fill it.
        let whole = seen.iter().all(|s| matches!(s, Seen::Whole(_)));
        let composed = read
            .dims
            .iter()
            .map(|along| match seen[usize::from(along.dim)] {
                Seen::Whole(axis) => through.dims[axis].dim,
                _ => along.dim,
            });
        whole
            && read.dims.len() == producer.extents.len()
            && (self.numbers.equal(read.array, store.array)
                || self.are_aligned(read.array, store.array))
            && store.dims.iter().all(|d| d.stretch == Stretch::No)
            && composed.eq(store.dims.iter().map(|d| d.dim))
    }
}

/// What is seen of a dimension through one more view.
fn through(seen: Seen, view: &Subview) -> Option<Seen> {
    let (dim, inner) = match seen {
        Seen::At(index) => return Some(Seen::At(index)),
        Seen::Whole(dim) => (dim, None),
        Seen::Part {
            axis,
            start,
            count,
            step,
        } => (axis, Some((start, count, step))),
    };
    if let Some(&(_, index)) = view.at.iter().find(|(d, _)| usize::from(*d) == dim) {
        // An index into a part would have to be computed.
        return inner.is_none().then_some(Seen::At(index));
    }
    let axis = view.axes.iter().position(
        |a| matches!(*a, Axis::Whole(d) | Axis::Part { dim: d, .. } if usize::from(d) == dim),
    )?;
    match (view.axes[axis], inner) {
        (Axis::Whole(_), None) => Some(Seen::Whole(axis)),
        (Axis::Whole(_), Some((start, count, step))) => Some(Seen::Part {
            axis,
            start,
            count,
            step,
        }),
        (
            Axis::Part {
                start, count, step, ..
            },
            None,
        ) => Some(Seen::Part {
            axis,
            start,
            count,
            step,
        }),
        _ => None,
    }
}

/// Whether an array, as a reader sees it through an access, has fewer items than the reader has indices.
fn is_smaller(read: &Access, seen: &[Seen], through: &Access, rank: usize) -> bool {
    let varies = |dim: usize| {
        read.dims.iter().any(|along| {
            let axis = match seen[usize::from(along.dim)] {
                Seen::At(_) => return false,
                Seen::Whole(axis) | Seen::Part { axis, .. } => axis,
            };
            let outer = through.dims[axis];
            usize::from(outer.dim) == dim && along.stretch.within(outer.stretch) != Stretch::One
        })
    };
    (0..rank).any(|dim| !varies(dim))
}

/// Whether computing the items anew for each of several readers costs less than keeping them.
fn worth_it(nest: &Nest, readers: usize) -> bool {
    let computing = nest.inputs.len() + computing(nest);
    readers <= 1 || computing * (readers - 1) <= 3 * (readers + 1)
}

/// Whether a reader would compute the items again in each round of an outer loop, though that costs more
/// than to read them. (What stays the same in the inner loop is computed outside of it.)
fn computed_again(nest: &Nest, reader: &Nest, through: &Access) -> bool {
    let rank = reader.extents.len();
    let inner = rank.checked_sub(1);
    inner.is_some_and(|inner| through.varies(inner))
        && (0..rank).any(|dim| !through.varies(dim))
        && computing(nest) >= DIVISION
}

/// About how many cycles the body of a nest takes for an item, in units of an addition.
pub(super) fn computing(nest: &Nest) -> usize {
    nest.insts.iter().map(|i| weight(&i.op)).sum()
}

/// About how many cycles an instruction takes, in units of an addition.
fn weight(op: &Op) -> usize {
    match op {
        Op::Int(_) | Op::Float(_) | Op::Null | Op::Undef => 0,
        Op::Binary {
            op: Bin::FDiv | Bin::FDivExact | Bin::SDiv | Bin::UDiv | Bin::SRem | Bin::URem,
            ..
        }
        | Op::Unary(Un::Sqrt, _) => DIVISION,
        Op::Binary { op: Bin::FRem, .. } | Op::Rt { .. } | Op::Rare { .. } | Op::Call { .. } => 20,
        _ => 1,
    }
}

/// Carries out a plan.
fn apply(f: &mut Function, plan: &Plan) {
    let mut b = Builder::resume(std::mem::replace(f, Function::empty()));
    let producer = plan.producer;
    let inst = b.func.blocks[producer.block].insts[producer.inst].clone();
    let Op::Nest(source) = &inst.op else { return };
    // The last reader of a block comes first: what is inserted moves those behind it. Likewise its inputs.
    let mut uses: Vec<&Replacement> = plan.uses.iter().collect();
    uses.sort_by_key(|u| std::cmp::Reverse((u.reader, u.input)));
    let reader = |u: &&Replacement| nest_at(&b.func, u.reader);
    let raised = uses.first().and_then(reader).is_some_and(Nest::allocates);
    let mut moved = (producer, 0);
    for u in &uses {
        if moved.0 != u.reader {
            moved = (u.reader, 0);
        }
        let at = Place {
            inst: u.reader.inst + moved.1,
            ..u.reader
        };
        moved.1 += inline(&mut b, source, at, u);
    }
    let check = match &uses[..] {
        [u] if !u.hazards.is_empty() && !raised => Some(Place {
            inst: u.reader.inst + moved.1,
            ..u.reader
        }),
        _ => None,
    };
    let array = inst.results[0];
    replace_shape(&mut b.func, array, &source.extents);
    remove(&mut b.func, producer.block, &inst.results, check);
    drop_dead_views(&mut b.func, array);
    *f = b.func;
}

/// Has everything that asks for the shape of an array take it from somewhere else.
pub(super) fn replace_shape(f: &mut Function, array: Value, extents: &[Value]) {
    let mut renaming = Renaming::new(f);
    for block in &mut f.blocks {
        block.insts.retain(|i| match i.op {
            Op::ArrayPart(a, Part::Shape(dim)) if a == array => {
                renaming.set(i.results[0], extents[usize::from(dim)]);
                false
            }
            _ => true,
        });
    }
    renaming.apply(f);
}

/// Removes a nest and the check of its error; a reader that may have to keep its results aside, and had
/// nothing to raise so far, takes the check over.
pub(super) fn remove(f: &mut Function, block: usize, results: &[Value], reader: Option<Place>) {
    let body = &mut f.blocks[block];
    let Some(at) = body
        .insts
        .iter()
        .position(|i| i.results.as_slice() == results)
    else {
        return;
    };
    let check = body.insts.split_off(at).split_off(1);
    let term = std::mem::take(&mut body.term);
    let Term::Branch {
        cond,
        then,
        other,
        hint,
    } = term
    else {
        return;
    };
    let term_loc = body.term_loc;
    body.term = Term::Jump(other);
    if let Some(reader) = reader {
        let body = &mut f.blocks[reader.block];
        let rest = body.insts.split_off(reader.inst + 1);
        body.insts[reader.inst]
            .results
            .extend(results.last().copied());
        body.insts.extend(check);
        let next = BlockId(f.blocks.len() as u32);
        let body = &mut f.blocks[reader.block];
        let after = Term::Branch {
            cond,
            then,
            other: Target {
                block: next,
                args: smallvec![],
            },
            hint,
        };
        let rest = Block {
            params: vec![],
            insts: rest,
            term: std::mem::replace(&mut body.term, after),
            term_loc: body.term_loc,
            ..Block::default()
        };
        body.term_loc = term_loc;
        f.blocks.push(rest);
    }
    // They use what is gone.
    remove_unreachable(f);
}

/// Removes the views of an array that is gone; what they were asked for is known otherwise.
fn drop_dead_views(f: &mut Function, array: Value) {
    let mut gone = vec![array];
    let mut at = 0;
    while at < gone.len() {
        for block in &mut f.blocks {
            block.insts.retain(|i| {
                let dead = matches!(&i.op, Op::Subview(view) if view.base == gone[at]);
                if dead {
                    gone.push(i.results[0]);
                }
                !dead
            });
        }
        at += 1;
    }
}

/// Puts the body of `source` in the place of an input of a reader. Gives the number of instructions that
/// were put before the reader.
fn inline(b: &mut Builder, source: &Nest, reader: Place, replaced: &Replacement) -> usize {
    let Replacement {
        input,
        seen,
        hazards,
        ..
    } = replaced;
    let input = *input;
    let block = BlockId(reader.block as u32);
    let tail = b.func.blocks[reader.block].insts.split_off(reader.inst);
    let term = std::mem::take(&mut b.func.blocks[reader.block].term);
    b.switch_to(block);
    let mut tail = tail.into_iter();
    let Some(mut inst) = tail.next() else {
        return 0;
    };
    b.set_loc_id(inst.loc);
    if let Op::Nest(nest) = &mut inst.op {
        let gone = nest.inputs.remove(input);
        for (i, _) in &mut nest.guards {
            *i -= u32::from(*i as usize > input);
        }
        let mut map: FxHashMap<Value, Value> = FxHashMap::default();
        let first = nest.inputs.len();
        for (i, from) in source.inputs.iter().enumerate() {
            let access = seen_through(b, &from.access, seen, &gone.access);
            let elements = from
                .elements
                .iter()
                .map(|&v| fresh(b, v, &mut map))
                .collect();
            nest.inputs.push(Input {
                access,
                elements,
                copied: from.copied || gone.copied || hazards.copied.contains(&i),
            });
        }
        nest.sources.extend(&hazards.sources);
        let guards = hazards.guards.iter();
        nest.guards
            .extend(guards.map(|&(i, o)| ((first + i) as u32, o as u32)));
        let mut body = vec![];
        if !source.indices.is_empty() {
            indices(b, source, nest, seen, &gone.access, &mut map, &mut body);
        }
        for i in &source.insts {
            let mut op = i.op.clone();
            op.for_each_operand_mut(&mut |v| *v = map.get(v).copied().unwrap_or(*v));
            let results = i.results.iter().map(|&v| fresh(b, v, &mut map)).collect();
            body.push(Inst {
                op,
                results,
                loc: i.loc,
            });
        }
        body.append(&mut nest.insts);
        nest.insts = body;
        let values: SmallVec<[Value; 2]> = source.outputs[0]
            .values
            .iter()
            .map(|v| map.get(v).copied().unwrap_or(*v))
            .collect();
        substitute(nest, &gone.elements, &values);
        tidy(nest, |v| b.ty(v));
    }
    let body = &mut b.func.blocks[reader.block];
    let added = body.insts.len() - reader.inst;
    body.insts.push(inst);
    body.insts.extend(tail);
    body.term = term;
    added
}

/// A new value in the place of another one.
fn fresh(b: &mut Builder, v: Value, map: &mut FxHashMap<Value, Value>) -> Value {
    let new = b.value(b.ty(v));
    map.insert(v, new);
    new
}

/// The index of a dimension that was seen through a view, in terms of the reader's indices.
fn indices(
    b: &mut Builder,
    source: &Nest,
    nest: &mut Nest,
    seen: &[Seen],
    through: &Access,
    map: &mut FxHashMap<Value, Value>,
    body: &mut Vec<Inst>,
) {
    if nest.indices.is_empty() {
        nest.indices = nest.extents.iter().map(|_| b.value(Type::I64)).collect();
    }
    let loc = b.loc_id();
    for (&index, s) in source.indices.iter().zip(seen) {
        let value = match *s {
            Seen::At(at) => at,
            Seen::Whole(axis) => nest.indices[usize::from(through.dims[axis].dim)],
            Seen::Part {
                axis, start, step, ..
            } => {
                let i = nest.indices[usize::from(through.dims[axis].dim)];
                let (scaled, moved) = (b.value(Type::I64), b.value(Type::I64));
                body.push(Inst {
                    op: Op::Binary {
                        op: Bin::Mul,
                        a: i,
                        b: step,
                        nsw: true,
                    },
                    results: smallvec![scaled],
                    loc,
                });
                body.push(Inst {
                    op: Op::Binary {
                        op: Bin::Add,
                        a: start,
                        b: scaled,
                        nsw: true,
                    },
                    results: smallvec![moved],
                    loc,
                });
                moved
            }
        };
        map.insert(index, value);
    }
}

/// An input of a nest as its reader sees it: the views of the result become views of the input.
fn seen_through(b: &mut Builder, access: &Access, seen: &[Seen], through: &Access) -> Access {
    let whole = access
        .dims
        .iter()
        .all(|d| matches!(seen[usize::from(d.dim)], Seen::Whole(_)));
    let mut view = Subview {
        base: access.array,
        at: smallvec![],
        axes: smallvec![],
        item: access.item,
    };
    let mut dims: SmallVec<[Along; 4]> = smallvec![];
    for (k, along) in access.dims.iter().enumerate() {
        let k = k as u8;
        // Where the input is stretched, every index means its only item.
        let only = |b: &mut Builder, one: i64, otherwise: Value| match along.stretch {
            Stretch::No => otherwise,
            Stretch::One => b.i64(one),
            Stretch::Maybe => {
                let n = b.part(access.array, Part::Shape(k));
                let (single, one) = (b.i64(1), b.i64(one));
                let stretched = b.cmp(Cmp::Eq, n, single);
                b.select(stretched, one, otherwise)
            }
        };
        let axis = match seen[usize::from(along.dim)] {
            Seen::At(index) => {
                view.at.push((k, only(b, 0, index)));
                continue;
            }
            Seen::Whole(axis) => {
                view.axes.push(Axis::Whole(k));
                axis
            }
            Seen::Part {
                axis,
                start,
                count,
                step,
            } => {
                view.axes.push(Axis::Part {
                    dim: k,
                    start: only(b, 0, start),
                    count: only(b, 1, count),
                    step,
                });
                axis
            }
        };
        let outer = through.dims[axis];
        dims.push(Along {
            dim: outer.dim,
            stretch: along.stretch.within(outer.stretch),
        });
    }
    if whole {
        return Access {
            array: access.array,
            dims,
            item: access.item,
        };
    }
    let array = b.subview(view);
    Access {
        array,
        dims,
        item: Item {
            layout: Layout::A,
            ..access.item
        },
    }
}
