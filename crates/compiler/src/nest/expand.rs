//! Expansion: nests become loops, views by indices become views by addresses.
//!
//! A nest runs in one loop over all items where every array is contiguous, otherwise in one loop for
//! each dimension. Where it depends on shapes and strides that are known at run time only, there are two
//! versions: a fast one whose innermost loop goes through memory item by item, and one for the rest.

use std::borrow::Cow;

use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::{Options, Parallel, Rewrites};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::body::operations;
use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Along, Axis, Input, Item, Nest, Output, OutputKind, Reduction, Stretch, Subview,
    unit_dim,
};
use crate::tir::pass::simplify::Renaming;
use crate::tir::{
    Bin, BlockId, Cast, Cmp, Function, Hint, Inst, Mem, Op, Part, Program, Rounds, Spread, Target,
    Term, Type, Value,
};
use crate::types::Layout;
use windows::{Views, Window};

mod arrays;
mod loops;
pub(super) mod turn;
mod windows;

/// Largest number of bytes that is tried to allocate.
const MOST_BYTES: f64 = (1u64 << 60) as f64;
/// Sums are made of partial sums of this many terms, and of so many of those: the error grows as that of
/// NumPy's pairwise summation does, up to a constant. Powers of two.
pub(super) const GROUP: i64 = 1 << 10;
const GROUPS: i64 = 1 << 7;
/// Items of which threads add up the same number, or a multiple of it.
const PIECE: i64 = 1 << 13;
/// Items that are computed before it is looked whether a rare case was among them.
const CHUNK: i64 = 256;
/// Bodies of which several rounds run together: arrays that are read, and operations.
const MOST_JAMMED: usize = 3;
const LARGEST_JAMMED: usize = 12;
/// Number of operations from which a body keeps a processor waiting for their results; more where rare cases
/// are looked for, because loops for those are code three times.
const LONG: usize = 30;
const LONG_WITH_RARE: usize = 50;

type Vals = SmallVec<[Value; 4]>;

/// Expands every nest of a program.
pub fn expand(program: &mut Program) {
    let wide = program.wide;
    let functions = program.functions.iter_mut();
    functions.for_each(|f| expand_function(f, wide));
}

fn is_array_operation(inst: &Inst) -> bool {
    matches!(inst.op, Op::Nest(_) | Op::Subview(_) | Op::Rare { .. })
}

fn expand_function(f: &mut Function, wide: bool) {
    if !f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .any(is_array_operation)
    {
        return;
    }
    let without = f.options.without;
    let carry = (wide || without.has(Rewrites::WHOLE)) && !without.has(Rewrites::CARRY);
    let views = carry.then(|| Views::new(f)).flatten();
    let taken = std::mem::replace(f, Function::empty());
    let descriptors = taken
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .filter_map(Descriptor::of)
        .collect();
    let bases = taken
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .filter_map(|i| match &i.op {
            Op::Subview(view) => Some((i.results[0], view.base)),
            _ => None,
        });
    let bases = bases.collect();
    let mut e = Expander {
        b: Builder::resume(taken),
        descriptors,
        bases,
        views,
        renamed: vec![],
        read: FxHashMap::default(),
        rare: Rare::Called,
        looking: false,
        often: true,
    };
    let mut seldom = seldom(&e.b.func);
    let mut at = 0;
    while at < e.b.func.blocks.len() {
        match e.b.func.blocks[at]
            .insts
            .iter()
            .position(is_array_operation)
        {
            Some(index) => {
                e.often = !seldom[at];
                e.expand(BlockId(at as u32), index);
                seldom.resize(e.b.func.blocks.len(), !e.often);
            }
            None => at += 1,
        }
    }
    let mut renaming = Renaming::new(&e.b.func);
    for (from, to) in e.renamed {
        renaming.set(from, to);
    }
    renaming.apply(&mut e.b.func);
    *f = e.b.func;
}

/// The blocks that lie on ways that are hardly ever taken only.
fn seldom(f: &Function) -> Vec<bool> {
    let mut seldom = vec![true; f.blocks.len()];
    seldom[0] = false;
    for block in f.reverse_postorder() {
        let block = block.index();
        let term = &f.blocks[block].term;
        let unlikely = matches!(
            term,
            Term::Branch {
                hint: Hint::Unlikely,
                ..
            }
        );
        for (k, target) in term.targets().iter().enumerate() {
            seldom[target.block.index()] &= seldom[block] || unlikely && k == 0;
        }
    }
    seldom
}

/// What an array is made of, where that can be seen.
#[derive(Clone)]
struct Descriptor {
    /// Of views. The data of an array that owns its memory is a part of the array: its use keeps the
    /// array alive.
    data: Option<Value>,
    shape: SmallVec<[Value; 4]>,
    strides: SmallVec<[Value; 4]>,
}

impl Descriptor {
    fn of(inst: &Inst) -> Option<(Value, Descriptor)> {
        match &inst.op {
            Op::MakeArray { shape, strides, .. } => Some((
                inst.results[0],
                Descriptor {
                    data: None,
                    shape: shape.clone(),
                    strides: strides.clone(),
                },
            )),
            Op::View {
                data,
                shape,
                strides,
                ..
            } => Some((
                inst.results[0],
                Descriptor {
                    data: Some(*data),
                    shape: shape.clone(),
                    strides: strides.clone(),
                },
            )),
            _ => None,
        }
    }
}

struct Expander {
    b: Builder,
    descriptors: FxHashMap<Value, Descriptor>,
    /// What views are views of.
    bases: FxHashMap<Value, Value>,
    /// Where rows of arrays may be read by windows.
    views: Option<Views>,
    /// Results of expanded instructions, and what takes their place.
    renamed: Vec<(Value, Value)>,
    /// The items of inputs, by number, that are there in this round of the innermost loop.
    read: FxHashMap<usize, Value>,
    rare: Rare,
    /// Bodies are written for the flag alone.
    looking: bool,
    /// The nest is worth a fast version.
    often: bool,
}

/// What becomes of [`Op::Rare`] in a copy of a nest's body.
#[derive(Clone, Copy, PartialEq)]
enum Rare {
    /// The function is called when it occurs.
    Called,
    /// The case is taken not to occur.
    Fast,
    /// The same; whether it did occur is gathered in this value.
    Flagged(Value),
}

/// An array as the loops walk through it.
struct Walk {
    data: Value,
    /// For each dimension of the nest: the distance between items in bytes; none where it stays in place.
    strides: SmallVec<[Option<Value>; 4]>,
    item: Item,
}

/// Loops around a body.
struct Loops<'n> {
    nest: &'n Nest,
    /// The arrays of inputs, then those of outputs (absent for reductions to scalars).
    walks: Vec<Option<Walk>>,
    /// The loops, outermost first: number of rounds and dimension of the nest. A single loop over all
    /// items of contiguous arrays has none.
    levels: Vec<(Value, Option<usize>)>,
    /// The level below which reductions begin anew and end with writing their results: for reductions
    /// that leave dimensions.
    restart: Option<usize>,
    /// Reductions are carried in memory, that is in the array of their results.
    in_memory: bool,
    /// The loop, not the innermost one, of which several rounds run together inside of the others: what is carried
    /// in memory is then read and written once for all of them.
    jammed: Option<usize>,
    /// Of the innermost loop.
    windows: Vec<Window>,
    /// Of the innermost loop.
    rounds: Rounds,
    /// Of the outermost loop.
    spread: Spread,
    depths: Depths,
}

/// A round of the loops around a body.
struct Lane {
    /// The addresses of the arrays' items, those of inputs first.
    pointers: Vec<Option<Value>>,
    /// The values of the body so far.
    map: FxHashMap<Value, Value>,
}

/// Inside of how many loops the inputs and instructions of a body belong.
struct Depths {
    inputs: Vec<usize>,
    insts: Vec<usize>,
}

impl Loops<'_> {
    fn mem(&self) -> Mem {
        if self.rounds == Rounds::Independent {
            Mem::Independent
        } else {
            Mem::Elements
        }
    }

    /// Whether a part of the body belongs outside of a loop.
    fn hoists(&self, k: usize) -> bool {
        let depths = self.depths.inputs.iter().chain(&self.depths.insts);
        self.restart.is_none_or(|restart| k >= restart) && depths.copied().any(|d| d == k)
    }

    /// The innermost one of the loops over what is added up, if a small body is all that is in it. What takes
    /// longer than an addition, a maximum of floats for instance, would be waited for.
    fn to_jam(&self, as_int: impl Fn(Value) -> Option<i64>) -> Option<usize> {
        let nest = self.nest;
        let rare = |i: &Inst| matches!(i.op, Op::Rare { .. } | Op::Load { .. });
        let is_quick = |output: &Output| {
            let OutputKind::Reduce(r) = &output.kind else {
                return true;
            };
            let mut steps = r.accumulators.iter().zip(&output.values);
            steps.all(|(acc, &value)| match nest.definition(value) {
                Some(&Op::Binary { op, a, b, .. }) => {
                    (a == *acc || b == *acc)
                        && matches!(
                            op,
                            Bin::Add | Bin::FAdd | Bin::FAddAnyOrder | Bin::And | Bin::Or
                        )
                }
                _ => false,
            })
        };
        if !self.in_memory
            || nest.inputs.len() > MOST_JAMMED
            || operations(nest) > LARGEST_JAMMED
            || nest.insts.iter().any(rare)
            || !nest.outputs.iter().all(is_quick)
        {
            return None;
        }
        let over = |dim: usize| {
            let mut reductions = carried(nest, false);
            reductions.all(|r| r.over >> dim & 1 == 1)
        };
        let outer = &self.levels[..self.levels.len().saturating_sub(1)];
        outer.iter().rposition(|&(n, dim)| {
            dim.is_some_and(over) && as_int(n).is_none_or(|n| n >= loops::JAM)
        })
    }

    /// The windows of the innermost loop, if nothing else is carried along in it and it is one round after the
    /// other.
    fn find_windows(&self, views: &Views, inner: usize) -> Vec<Window> {
        let (all, outermost) = (self.levels.len(), self.levels.len() == 1);
        if self.jammed.is_some()
            || self.restart.is_some()
            || self
                .levels
                .last()
                .is_none_or(|(_, dim)| *dim != Some(inner))
            || outermost && self.spread != Spread::No
            || carried(self.nest, self.in_memory).next().is_some()
            || self.nest.insts.iter().any(|i| windows::takes_long(&i.op))
        {
            return vec![];
        }
        let mut windows = views.windows(self.nest, inner);
        windows.retain(|w| w.inputs.iter().all(|&i| self.depths.inputs[i] == all));
        windows
    }

    /// Each part of the body belongs inside of the loops along which it changes, and not further in.
    fn find_depths(&mut self) {
        let nest = self.nest;
        let (all, least) = (self.levels.len(), self.restart.unwrap_or(0));
        // What accumulates changes in each round of the innermost loop.
        let mut known: FxHashMap<Value, usize> =
            nest.locals().into_iter().map(|v| (v, all)).collect();
        let mut depths = Depths {
            inputs: vec![],
            insts: vec![],
        };
        for (input, walk) in nest.inputs.iter().zip(&self.walks) {
            let moves = |dim: &Option<usize>| {
                let walk = walk.as_ref();
                walk.is_none_or(|w| w.strides[dim.unwrap_or(0)].is_some())
            };
            let depth = self.levels.iter().rposition(|(_, dim)| moves(dim));
            let depth = depth.map_or(0, |k| k + 1).max(least);
            depths.inputs.push(depth);
            known.extend(input.elements.iter().map(|&v| (v, depth)));
        }
        for (k, (_, dim)) in self.levels.iter().enumerate() {
            known.extend(dim.and_then(|d| nest.indices.get(d)).map(|&i| (i, k + 1)));
        }
        for inst in &nest.insts {
            let mut depth = least;
            let stays = inst.op.is_pure() && !matches!(inst.op, Op::Rare { .. } | Op::Load { .. });
            inst.op
                .for_each_operand(|v| depth = depth.max(known.get(&v).copied().unwrap_or(0)));
            let depth = if stays { depth } else { all };
            depths.insts.push(depth);
            known.extend(inst.results.iter().map(|&v| (v, depth)));
        }
        self.depths = depths;
    }
}

impl Expander {
    fn expand(&mut self, block: BlockId, index: usize) {
        let body = &mut self.b.func.blocks[block.index()];
        let mut rest = body.insts.split_off(index);
        let term = std::mem::take(&mut body.term);
        let term_loc = body.term_loc;
        let inst = rest.remove(0);
        self.b.switch_to(block);
        self.b.set_loc_id(inst.loc);
        match inst.op {
            Op::Subview(view) => {
                let made = self.subview(&view);
                self.replace(inst.results[0], made);
                let body = &mut self.b.func.blocks[block.index()];
                body.insts.append(&mut rest);
                body.term = term;
            }
            Op::Rare {
                cond,
                fast,
                func,
                ref args,
            } => {
                let made = self.called(cond, fast, func, args);
                self.replace(inst.results[0], made);
                let body = &mut self.b.func.blocks[block.index()];
                body.insts.append(&mut rest);
                body.term = term;
            }
            Op::Nest(nest) => {
                let failed = nest.allocates().then(|| self.failure(&inst.results, &term));
                self.nest(&nest, &inst.results, failed);
                let last = self.b.current();
                match term {
                    // What follows an instruction that may raise is the check of its error.
                    Term::Branch { other, .. } if failed.is_some() => {
                        self.b.terminate(Term::Jump(other))
                    }
                    term => {
                        let body = &mut self.b.func.blocks[last.index()];
                        body.insts.append(&mut rest);
                        body.term = term;
                    }
                }
                self.b.func.blocks[last.index()].term_loc = term_loc;
            }
            _ => {}
        }
    }

    fn replace(&mut self, old: Value, new: Value) {
        if let Some(descriptor) = self.descriptors.get(&new).cloned() {
            self.descriptors.insert(old, descriptor);
        }
        self.renamed.push((old, new));
    }

    /// The block that an error goes to: it passes it on as the branch that followed the nest did.
    fn failure(&mut self, results: &[Value], term: &Term) -> BlockId {
        let block = self.b.new_block();
        if let (Term::Branch { then, .. }, Some(&err)) = (term, results.last()) {
            self.b.adopt_param(block, err);
            let loc = self.b.loc_id();
            let body = &mut self.b.func.blocks[block.index()];
            body.term = Term::Jump(then.clone());
            body.term_loc = loc;
        }
        block
    }

    // ---- nests ----

    fn nest(&mut self, nest: &Nest, results: &[Value], failed: Option<BlockId>) {
        let rank = nest.extents.len();
        let ranges = nest.result_ranges();
        let nest = &*self.with_copies(nest, failed);
        let nest = &*self.with_selections(nest, results, failed);
        // The arrays that are written.
        let mut written: Vec<Option<Access>> = vec![];
        for (o, output) in nest.outputs.iter().enumerate() {
            let (item, dims): (Item, Vec<usize>) = match &output.kind {
                OutputKind::Store(access) => {
                    written.push(Some(access.clone()));
                    continue;
                }
                OutputKind::Scatter(scatter) => {
                    written.push(Some(Access {
                        array: scatter.array,
                        dims: smallvec![],
                        item: scatter.item,
                    }));
                    continue;
                }
                OutputKind::New(item) => (*item, (0..rank).collect()),
                OutputKind::Reduce(Reduction {
                    target: Some(access),
                    ..
                }) => {
                    written.push(Some(access.clone()));
                    continue;
                }
                OutputKind::Reduce(
                    r @ Reduction {
                        item: Some(item), ..
                    },
                ) => (*item, r.kept(rank).collect()),
                OutputKind::Reduce(_) | OutputKind::Select(_) => {
                    written.push(None);
                    continue;
                }
            };
            let (Some(failed), Some(range)) = (failed, ranges.get(o)) else {
                continue;
            };
            let shape: Vals = dims.iter().map(|&d| nest.extents[d]).collect();
            let array = self.allocate(item, &shape, failed);
            self.replace(results[range.start], array);
            written.push(Some(Access::along(array, dims, item)));
        }
        if nest.outputs.iter().all(|o| o.values.is_empty()) {
            return;
        }
        if self.short(nest, &written) {
            return;
        }
        let sums = self.guarded(nest, &written, failed);
        let scalars = nest
            .outputs
            .iter()
            .zip(&ranges)
            .filter(|(o, _)| matches!(&o.kind, OutputKind::Reduce(r) if r.item.is_none()));
        for (old, new) in scalars.flat_map(|(_, range)| range.clone()).zip(sums) {
            self.replace(results[old], new);
        }
    }

    /// The loops of a nest. Where stores meet memory that is read, which is looked at when the code runs,
    /// results are kept aside until all is read.
    fn guarded(
        &mut self,
        nest: &Nest,
        written: &[Option<Access>],
        failed: Option<BlockId>,
    ) -> Vals {
        let mut overlap = None;
        let mut seen = vec![];
        let sources = nest.sources.iter().map(|s| {
            let item = Item {
                size: s.size,
                align: 1,
                layout: Layout::A,
            };
            (Access::along(s.array, [], item), s.output)
        });
        let inputs = nest.guards.iter();
        let inputs = inputs.map(|&(i, o)| (nest.inputs[i as usize].access.clone(), o));
        for (read, o) in inputs.chain(sources) {
            let (Some(store), read) = (&written[o as usize], &read) else {
                continue;
            };
            // All views of an array are dealt with at once; only whole arrays may be met item by item.
            let bases = (self.base(read.array), self.base(store.array));
            let pair = (bases, bases == (read.array, store.array));
            if seen.contains(&pair) {
                continue;
            }
            seen.push(pair);
            let shared = if pair.1 {
                self.overlap(nest, read, store)
            } else {
                self.b.touch((bases.0, read.item), (bases.1, store.item))
            };
            overlap = Some(match overlap {
                Some(before) => self.b.binary(Bin::Or, before, shared),
                None => shared,
            });
        }
        let (Some(overlap), Some(failed)) = (overlap, failed) else {
            return self.run(nest, written, self.often);
        };
        let (aside, direct, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.branch(overlap, aside, direct, Hint::Unlikely);
        self.b.switch_to(direct);
        let sums = self.run(nest, written, self.often);
        self.b.jump(done, &sums);
        self.b.switch_to(aside);
        let mut reading = nest.clone();
        let mut kept: Vec<Option<Access>> = written.to_vec();
        let mut copies = vec![];
        for (o, output) in nest.outputs.iter().enumerate() {
            let (Some(_), Some(target)) = (output.target(), &written[o]) else {
                continue;
            };
            let (own, input) = self.aside(nest, &output.values, target.item, failed);
            let mut copied = Output {
                values: input.elements.clone(),
                kind: output.kind.clone(),
            };
            let mut inputs = vec![input];
            reading.outputs[o].kind = OutputKind::Store(own.clone());
            kept[o] = Some(own);
            if let OutputKind::Scatter(scatter) = &mut copied.kind {
                let item = Item {
                    size: 8,
                    align: 8,
                    layout: Layout::C,
                };
                let (own, input) = self.aside(nest, &[scatter.at], item, failed);
                reading.outputs.push(Output {
                    values: smallvec![scatter.at],
                    kind: OutputKind::Store(own.clone()),
                });
                kept.push(Some(own));
                scatter.at = input.elements[0];
                inputs.push(input);
            }
            copies.push((inputs, copied, target.clone()));
        }
        let sums_aside = self.run(&reading, &kept, false);
        for (inputs, output, target) in copies {
            let copy = Nest::plain(nest.extents.clone(), inputs, output);
            self.run(&copy, &[Some(target)], false);
        }
        self.b.jump(done, &sums_aside);
        self.b.switch_to(done);
        sums.iter()
            .map(|&v| self.b.add_param(done, self.b.ty(v)))
            .collect()
    }

    /// A new array that keeps values of a nest aside, and how they are read from there.
    fn aside(
        &mut self,
        nest: &Nest,
        values: &[Value],
        item: Item,
        failed: BlockId,
    ) -> (Access, Input) {
        let item = Item {
            layout: Layout::C,
            ..item
        };
        let array = self.allocate(item, &nest.extents, failed);
        let own = Access::whole(array, nest.extents.len(), item);
        let elements = self.like(values);
        (own.clone(), Input::new(own, elements))
    }

    /// The loops of a nest, in one or two versions (only the slow one where `often` is false); the values
    /// of reductions to scalars.
    fn run(&mut self, nest: &Nest, written: &[Option<Access>], often: bool) -> Vals {
        let accesses: Vec<Option<&Access>> = nest
            .inputs
            .iter()
            .map(|i| Some(&i.access))
            .chain(written.iter().map(Option::as_ref))
            .collect();
        let rank = nest.extents.len();
        let present: Vec<&Access> = accesses.iter().copied().flatten().collect();
        let partial = nest.outputs.iter().find_map(|o| match &o.kind {
            OutputKind::Reduce(r) if r.item.is_some() => Some(r),
            _ => None,
        });
        let in_order = |a: &&Access| {
            a.dims.len() == rank
                && a.dims
                    .iter()
                    .enumerate()
                    .all(|(k, d)| usize::from(d.dim) == k && d.stretch != Stretch::One)
        };
        let all_are = |layout: Layout| {
            present.iter().filter(|a| !a.dims.is_empty()).all(|a| {
                in_order(a) && (a.item.layout == layout || rank == 1 && a.item.layout != Layout::A)
            })
        };
        let in_sequence = nest
            .outputs
            .iter()
            .any(|o| matches!(o.kind, OutputKind::Scatter(_)));
        let flat = rank > 0
            && partial.is_none()
            && (nest.indices.is_empty() || rank == 1)
            && (all_are(Layout::C) || !in_sequence && all_are(Layout::F));
        let backwards = !in_sequence
            && present.iter().any(|a| a.item.layout == Layout::F)
            && !present
                .iter()
                .any(|a| a.dims.len() > 1 && a.item.layout == Layout::C);
        let mut order: Vec<usize> = if backwards {
            (0..rank).rev().collect()
        } else {
            (0..rank).collect()
        };
        let (mut restart, mut in_memory) = (None, false);
        if let Some(r) = partial {
            match order.last() {
                Some(last) if r.over >> last & 1 == 0 => in_memory = true,
                _ => {
                    order.sort_by_key(|d| r.over >> d & 1);
                    restart = Some(r.kept(rank).count());
                }
            }
        }
        // What the fast version needs, and cannot be seen here.
        let mut conditions: Vec<Value> = vec![];
        let mut may_be_apart = false;
        let inner = order.last().copied();
        for access in &present {
            for (k, along) in access.dims.iter().enumerate() {
                let dim = usize::from(along.dim);
                if !flat && Some(dim) != inner {
                    continue;
                }
                let n = self.part(access.array, Part::Shape(k as u8));
                let extent = nest.extents[dim];
                let fixed = self.b.as_int(n) == Some(1);
                let equal = n == extent || fixed && self.b.as_int(extent) == Some(1);
                if along.stretch == Stretch::One {
                    continue;
                }
                let stretch = along.stretch == Stretch::Maybe;
                if stretch && !equal && (flat || !fixed) {
                    conditions.push(self.b.cmp(Cmp::Eq, n, extent));
                }
                if !(flat || stretch && fixed) {
                    let stride = self.stride(access.array, access.item, access.dims.len(), k);
                    let size = self.b.i64(i64::from(access.item.size));
                    if self.b.as_int(stride) != Some(i64::from(access.item.size)) {
                        conditions.push(self.b.cmp(Cmp::Eq, stride, size));
                        may_be_apart = true;
                    }
                }
            }
        }
        if in_memory {
            self.fill_results(nest, written);
        }
        let version = |e: &mut Self, fast: bool| {
            let walks = accesses
                .iter()
                .map(|a| a.map(|a| e.walk(nest, a, fast.then_some(inner).flatten(), fast && flat)))
                .collect();
            let levels: Vec<(Value, Option<usize>)> = if fast && flat {
                let total = nest
                    .extents
                    .iter()
                    .copied()
                    .reduce(|a, b| e.b.binary_nsw(Bin::Mul, a, b));
                total
                    .map(|n| (n, (rank == 1).then_some(0)))
                    .into_iter()
                    .collect()
            } else {
                order.iter().map(|&d| (nest.extents[d], Some(d))).collect()
            };
            // Stores meet what is read item by item, if at all: `Nest::guards`.
            let rounds = if fast {
                Rounds::Independent
            } else {
                Rounds::Rare
            };
            let mut loops = Loops {
                depths: Depths {
                    inputs: vec![levels.len(); nest.inputs.len()],
                    insts: vec![levels.len(); nest.insts.len()],
                },
                nest,
                walks,
                levels,
                restart,
                in_memory,
                jammed: None,
                windows: vec![],
                rounds,
                // Where it is there for stretched arrays only, the slow version is not worth more code.
                spread: if fast || may_be_apart {
                    e.spread(nest, often, in_memory)
                } else {
                    Spread::No
                },
            };
            if !e.b.func.options.without.has(Rewrites::HOIST) {
                loops.find_depths();
            }
            if fast && !e.b.func.options.without.has(Rewrites::JAM) {
                loops.jammed = loops.to_jam(|n| e.b.as_int(n));
            }
            if let (true, Some(views), Some(inner)) = (fast, &e.views, inner) {
                loops.windows = loops.find_windows(views, inner);
            }
            loops
        };
        let init: Vals = carried(nest, in_memory || restart.is_some())
            .flat_map(|r| r.init.iter().copied())
            .collect();
        if !often {
            let loops = version(self, false);
            return self.start(&loops, init);
        }
        let Some(all) = conditions
            .into_iter()
            .reduce(|a, b| self.b.binary(Bin::And, a, b))
        else {
            let loops = version(self, true);
            return self.start(&loops, init);
        };
        let (fast, slow, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.branch(all, fast, slow, Hint::Likely);
        for (block, is_fast) in [(fast, true), (slow, false)] {
            self.b.switch_to(block);
            let loops = version(self, is_fast);
            let sums = self.start(&loops, init.clone());
            self.b.jump(done, &sums);
        }
        self.b.switch_to(done);
        init.iter()
            .map(|&v| self.b.add_param(done, self.b.ty(v)))
            .collect()
    }

    /// Whether the outermost loop of a nest may run on several threads.
    fn spread(&self, nest: &Nest, often: bool, in_memory: bool) -> Spread {
        let options = self.b.func.options.parallel;
        let wanted = nest.outputs.iter().all(|o| match o.kind {
            OutputKind::New(_) => options.has(Parallel::NUMPY),
            OutputKind::Store(_) => options.has(Parallel::SETITEM),
            OutputKind::Reduce(_) => options.has(Parallel::REDUCTION) && !in_memory,
            // In the order of the indices.
            OutputKind::Scatter(_) | OutputKind::Select(_) => false,
        });
        if wanted && often && options.any() {
            Spread::Offered
        } else {
            Spread::No
        }
    }

    /// Writes the initial values of reductions that are carried in memory.
    fn fill_results(&mut self, nest: &Nest, written: &[Option<Access>]) {
        for (output, access) in nest.outputs.iter().zip(written) {
            let (OutputKind::Reduce(r), Some(access)) = (&output.kind, access) else {
                continue;
            };
            let kept: Vals = r
                .kept(nest.extents.len())
                .map(|d| nest.extents[d])
                .collect();
            if r.target.is_some() {
                let dims = 0..kept.len();
                let access = Access::along(access.array, dims, access.item);
                let filled = Output {
                    values: r.init.iter().copied().collect(),
                    kind: OutputKind::Store(access.clone()),
                };
                let fill = Nest::plain(kept, vec![], filled);
                self.run(&fill, &[Some(access)], true);
                continue;
            }
            let Some(total) = kept
                .into_iter()
                .reduce(|a, b| self.b.binary_nsw(Bin::Mul, a, b))
            else {
                continue;
            };
            let data = self.part(access.array, Part::Data);
            let zero = self.b.i64(0);
            self.counted(zero, total, 1, Rounds::Unknown, smallvec![], |e, i, _| {
                let ptr = e.b.element(data, i, access.item.size);
                e.store(ptr, access.item, &r.init, Mem::Elements);
                smallvec![]
            });
        }
    }

    /// How loops walk through an array. Along `unit`, items follow each other; in `flat` loops there is
    /// nothing else.
    fn walk(&mut self, nest: &Nest, access: &Access, unit: Option<usize>, flat: bool) -> Walk {
        let data = self.part(access.array, Part::Data);
        let mut strides: SmallVec<[Option<Value>; 4]> = smallvec![None; nest.extents.len().max(1)];
        let size = self.b.i64(i64::from(access.item.size));
        if flat {
            strides[0] = (!access.dims.is_empty()).then_some(size);
            return Walk {
                data,
                strides,
                item: access.item,
            };
        }
        for (k, along) in access.dims.iter().enumerate() {
            let dim = usize::from(along.dim);
            let n = self.part(access.array, Part::Shape(k as u8));
            let stretch = along.stretch == Stretch::Maybe;
            if along.stretch == Stretch::One || stretch && self.b.as_int(n) == Some(1) {
                continue;
            }
            strides[dim] = Some(if unit == Some(dim) {
                size
            } else {
                let stride = self.stride(access.array, access.item, access.dims.len(), k);
                if stretch && n != nest.extents[dim] {
                    let (zero, one) = (self.b.i64(0), self.b.i64(1));
                    let stretched = self.b.cmp(Cmp::Eq, n, one);
                    self.b.select(stretched, zero, stride)
                } else {
                    stride
                }
            });
        }
        Walk {
            data,
            strides,
            item: access.item,
        }
    }
}

/// The reductions whose values loops carry from the outside; with `scalars_only`, those to scalars.
fn carried(nest: &Nest, scalars_only: bool) -> impl Iterator<Item = &Reduction> {
    nest.outputs.iter().filter_map(move |o| match &o.kind {
        OutputKind::Reduce(r) if !scalars_only || r.item.is_none() => Some(r),
        _ => None,
    })
}
