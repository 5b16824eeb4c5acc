//! Bands: nests that follow each other run together, some rows at a time.
//!
//! ```python
//! lap = a[2:, 1:-1] + a[:-2, 1:-1] - 2 * a[1:-1, 1:-1]
//! out = lap[1:, :] - lap[:-1, :]       # needs two rows of `lap` at a time
//!
//! a[1:-1] = 0.5 * (a[2:] + a[:-2])     # a row can be stored when the row below it has been computed
//! ```
//!
//! A *row* is all that belongs to an index of a nest's first dimension. A group of nests becomes a loop over
//! bands of rows, in which each nest does its part. What one of them makes is still in the cache when the
//! next one needs it, and of an array that only the group reads no more than a band is ever there.
//!
//! A nest that needs rows, or replaces rows, with which one before it deals later than at the same row lags
//! behind by so many rows, its *shift*: in a band that begins at row `t` it does those from `t - shift`. All
//! rows that a nest before it would have done before are done then, and rows of an array go through the
//! nests in their order. That is a constant for views whose bounds differ by one.
//!
//! Where arrays fit the cache, one band is all. Where anything is not as it should be - arrays that share
//! memory by surprise, a check between the nests that fails - the nests run one after the other as before;
//! this version of them is not made fast. With `parallel=True`, threads share the rows of one nest after the
//! other, and there are no bands.

use ferdelance_abi::settings::{Parallel, Rewrites};
use rustc_hash::{FxHashMap, FxHashSet};

use super::analysis::{Analysis, Place, moves};
use super::body::operations;
use super::parts::Linear;
use crate::tir::nest::{Access, Along, Axis, Input, Item, Nest, OutputKind, Stretch, Subview};
use crate::tir::pass::simplify::remove_unreachable;
use crate::tir::{Bin, BlockId, Function, Hint, Inst, LocId, Op, Part, Target, Term, Type, Value};
use crate::types::Layout;

mod apply;

/// No nest lags further behind.
const MOST_SHIFT: i64 = 16;
/// Number of operations from which a body takes longer than getting its items from a slower cache.
const LONG: usize = 30;
/// A group has no more nests: each of them costs a little in each band.
const MOST_MEMBERS: usize = 8;

/// Runs groups of nests of a function in bands, but for those in certain blocks.
pub(super) fn bands(f: &mut Function, without: FxHashSet<usize>) {
    each(f, without, |_, _| {});
}

/// A group in words: where its nests are from, and the arrays of which bands are kept, with what makes them.
pub(super) struct Together {
    pub nests: Vec<LocId>,
    pub kept: Vec<(Value, LocId)>,
}

/// The groups of a function, for explanations.
pub(super) fn groups(f: &Function, without: FxHashSet<usize>) -> Vec<Together> {
    let mut groups = vec![];
    each(&mut f.clone(), without, |f, group| {
        let at = |m: &Member| f.blocks[m.at.block].insts[m.at.inst].loc;
        let nests: Vec<LocId> = group.members.iter().map(at).collect();
        let kept = group.kept.iter().map(|k| (k.array, nests[k.member]));
        groups.push(Together {
            kept: kept.collect(),
            nests,
        });
    });
    groups
}

/// Runs groups of nests in bands; `watch` sees each before.
fn each(f: &mut Function, mut done: FxHashSet<usize>, mut watch: impl FnMut(&Function, &Group)) {
    // Nests that threads share have no order among their rows.
    if f.options.without.has(Rewrites::BANDS) || f.options.parallel.has(Parallel::ARRAYS) {
        return;
    }
    // With the blocks of groups; blocks keep their numbers.
    while let Some(group) = find(f, &done) {
        watch(f, &group);
        done.extend(group.apply(f));
    }
    if !done.is_empty() {
        remove_unreachable(f);
    }
}

/// Nests that run together.
struct Group {
    members: Vec<Member>,
    /// Results of instructions between them that move before the loop.
    hoisted: Vec<Value>,
    /// Conditions between them on which something else happens.
    checks: Vec<Value>,
    /// Arrays that share no memory if the caller keeps to it.
    apart: Vec<[(Value, Item); 2]>,
    kept: Vec<Kept>,
    /// The blocks from the first nest to the last one.
    blocks: Vec<usize>,
}

struct Member {
    at: Place,
    shift: i64,
    /// It goes through items that are in the cache when it follows those before it closely.
    pays: bool,
    /// The largest number of dimensions of the nest along which items of an array differ.
    weight: usize,
    /// Memory is what it waits for.
    short: bool,
    touches: Vec<Touch>,
}

/// An array of which only a band is there at a time.
struct Kept {
    array: Value,
    /// Who makes it: the nest, and which of its outputs.
    member: usize,
    output: usize,
    /// The number of rows before a band that are still needed.
    rows: i64,
    /// Views of it that the group reads.
    views: Vec<(Value, Subview)>,
}

/// What a nest reads or writes.
struct Touch {
    array: Value,
    item: Item,
    writes: bool,
    /// What the array is a view of.
    base: Value,
    /// The number of dimensions of the nest along which items differ.
    weight: usize,
    /// The array's rows, if they follow the nest's.
    rows: Option<Rows>,
}

/// Row `r` of a nest deals with index `start + r` of a dimension of an array, by number.
struct Rows {
    base: u32,
    dim: usize,
    start: Linear,
}

impl Rows {
    fn along(&self, other: &Rows) -> bool {
        self.base == other.base && self.dim == other.dim
    }
}

/// The first group that is not in a block that is `done`.
fn find(f: &Function, done: &FxHashSet<usize>) -> Option<Group> {
    let nests = |b: &&BlockId| {
        let insts = &f.block(**b).insts;
        !done.contains(&b.index()) && insts.iter().any(|i| matches!(i.op, Op::Nest(_)))
    };
    let order = f.reverse_postorder();
    order.iter().find(nests)?;
    let a = Analysis::new(f);
    let views = f.blocks.iter().flat_map(|b| &b.insts);
    let views = views.filter_map(|i| match &i.op {
        Op::Subview(view) => Some((i.results[0], view.as_ref())),
        _ => None,
    });
    let finder = Finder {
        a: &a,
        views: views.collect(),
    };
    let blocks = order.iter().filter(nests).map(|b| b.index());
    let mut places = blocks
        .flat_map(|block| (0..f.blocks[block].insts.len()).map(move |inst| Place { block, inst }));
    places.find_map(|at| {
        let group = a.nest(at).map(|_| finder.group(at, done))?;
        (group.members.len() > 1).then_some(group)
    })
}

struct Finder<'a, 'f> {
    a: &'a Analysis<'f>,
    views: FxHashMap<Value, &'f Subview>,
}

impl Finder<'_, '_> {
    /// The nests from this one on that can run together.
    fn group(&self, start: Place, done: &FxHashSet<usize>) -> Group {
        let f = self.a.f;
        let mut group = Group {
            members: vec![],
            hoisted: vec![],
            checks: vec![],
            apart: vec![],
            kept: vec![],
            blocks: vec![],
        };
        // What the group gets once another nest has joined for which it pays.
        let mut certain = 0;
        let (mut hoisted, mut checks, mut blocks) = (vec![], vec![], vec![start.block]);
        // What is made by the nests, and what depends on that.
        let mut inside: FxHashSet<Value> = FxHashSet::default();
        let mut at = start;
        while group.members.len() < MOST_MEMBERS {
            let block = &f.blocks[at.block];
            let Some(inst) = block.insts.get(at.inst) else {
                let next = match &block.term {
                    Term::Jump(target) => target,
                    Term::Branch {
                        cond,
                        other,
                        hint: Hint::Unlikely,
                        ..
                    } => {
                        if !inside.contains(cond) {
                            checks.push(*cond);
                        }
                        other
                    }
                    _ => break,
                };
                let block = next.block.index();
                if self.a.before[block] != Some(at.block)
                    || !f.blocks[block].params.is_empty()
                    || done.contains(&block)
                {
                    break;
                }
                blocks.push(block);
                at = Place { block, inst: 0 };
                continue;
            };
            if let Op::Nest(nest) = &inst.op {
                if !self.join(&mut group, nest, at) {
                    break;
                }
                inside.extend(&inst.results);
                if group.members.len() == 1 || group.members.last().is_some_and(|m| m.pays) {
                    certain = group.members.len();
                    group.hoisted.append(&mut hoisted);
                    group.checks.append(&mut checks);
                    group.blocks.clone_from(&blocks);
                }
            } else if !moves(&inst.op) {
                break;
            } else {
                let mut depends = false;
                inst.op.for_each_operand(|v| depends |= inside.contains(&v));
                let is_shape = matches!(inst.op, Op::ArrayPart(_, Part::Shape(_)));
                if depends && !is_shape {
                    // Only views of what is made, and checks of errors.
                    if !matches!(inst.op, Op::Subview(_) | Op::Compare(..)) {
                        break;
                    }
                    inside.extend(&inst.results);
                } else {
                    hoisted.extend(&inst.results);
                }
            }
            at.inst += 1;
        }
        group.members.truncate(certain);
        self.settle(&mut group);
        group
    }

    /// Adds a nest to the group, if it may run along with the others.
    fn join(&self, group: &mut Group, nest: &Nest, at: Place) -> bool {
        let Some(touches) = self.touches(nest, at) else {
            return false;
        };
        let a = self.a;
        let weight = touches.iter().map(|t| t.weight).max().unwrap_or(0);
        let (mut shift, mut connected) = (0, group.members.is_empty());
        let short = operations(nest) < LONG;
        let mut pays = false;
        let mut apart = vec![];
        for earlier in &group.members {
            for x in &earlier.touches {
                for y in &touches {
                    let related = match (&x.rows, &y.rows) {
                        (Some(r), Some(q)) if r.along(q) => Some((r, q)),
                        _ => None,
                    };
                    connected |= related.is_some();
                    // What it saves is much of what it does.
                    let weights = [x.weight, y.weight, weight, earlier.weight];
                    let alike = weights.iter().all(|w| *w == weight);
                    pays |= related.is_some() && alike && short && earlier.short;
                    if !(x.writes || y.writes) || a.disjoint(x.array, y.array) {
                        continue;
                    }
                    if let Some((r, q)) = related {
                        let Some(further) = q.start.minus(&r.start).as_constant() else {
                            return false;
                        };
                        shift = shift.max(earlier.shift + further);
                    } else if a.roots.of(x.array) == a.roots.of(y.array) {
                        return false;
                    } else {
                        apart.push([(x.base, x.item), (y.base, y.item)]);
                    }
                }
            }
        }
        if !connected || shift > MOST_SHIFT {
            return false;
        }
        for &(i, o) in &nest.guards {
            let (read, stored) = (&nest.inputs[i as usize].access, &nest.outputs[o as usize]);
            let OutputKind::Store(store) = &stored.kind else {
                return false;
            };
            if a.roots.of(read.array) == a.roots.of(store.array) {
                return false;
            }
            let base = |access: &Access| (self.base(access.array), access.item);
            apart.push([base(read), base(store)]);
        }
        for pair in apart {
            let same =
                |known: &[(Value, Item); 2]| known[0].0 == pair[0].0 && known[1].0 == pair[1].0;
            if !group.apart.iter().any(same) {
                group.apart.push(pair);
            }
        }
        group.members.push(Member {
            at,
            shift,
            pays,
            weight,
            short,
            touches,
        });
        true
    }

    /// What a nest touches; `None` if it cannot run in bands at all.
    fn touches(&self, nest: &Nest, at: Place) -> Option<Vec<Touch>> {
        let a = self.a;
        if nest.extents.is_empty()
            || !nest.sources.is_empty()
            || nest.inputs.iter().any(|i| i.copied)
            || nest.insts.iter().any(|i| matches!(i.op, Op::Call { .. }))
            || nest.allocates() && !a.leaves(at)
        {
            return None;
        }
        let mut touches = vec![];
        for input in &nest.inputs {
            touches.push(self.touch(&input.access, false)?);
        }
        let ranges = nest.result_ranges();
        for (output, range) in nest.outputs.iter().zip(ranges) {
            let result = || a.inst(at).results[range.start];
            let rank = nest.extents.len();
            let weight = match &output.kind {
                OutputKind::Reduce(r) => r.kept(rank).count(),
                _ => rank,
            };
            let made = |item: Item| Touch {
                array: result(),
                item,
                writes: true,
                base: result(),
                weight,
                rows: Some(Rows {
                    base: a.numbers.get(result()),
                    dim: 0,
                    start: Linear::constant(0),
                }),
            };
            let touch = match &output.kind {
                OutputKind::New(item) if item.layout == Layout::C => made(*item),
                OutputKind::Store(access) => self.touch(access, true)?,
                OutputKind::Reduce(r) if r.over & 1 == 0 => match (&r.target, r.item) {
                    (Some(access), _) => self.touch(access, true)?,
                    (None, Some(item)) if item.layout == Layout::C => made(item),
                    _ => return None,
                },
                _ => return None,
            };
            touch.rows.as_ref()?;
            touches.push(touch);
        }
        let mut known = true;
        nest.for_each_source(|v| {
            let Some(array) = a.array_of(v) else {
                known = false;
                return;
            };
            touches.push(Touch {
                array: v,
                item: Item {
                    size: 1,
                    align: 1,
                    layout: Layout::A,
                },
                writes: false,
                base: self.base(array),
                weight: 0,
                rows: None,
            });
        });
        known.then_some(touches)
    }

    /// `None` if rows lie across the memory of an array.
    fn touch(&self, access: &Access, writes: bool) -> Option<Touch> {
        let along = |d: &Along| d.dim == 0 && d.stretch != Stretch::One;
        let dim = access.dims.iter().position(along);
        let rows = match dim {
            Some(dim) => {
                let (rows, layout) = self.rows(access, dim)?;
                let across = match layout {
                    Layout::C => access.dims.len() > 1 && dim + 1 == access.dims.len(),
                    Layout::F => access.dims.len() > 1,
                    Layout::A => false,
                };
                if across {
                    return None;
                }
                Some(rows)
            }
            None => None,
        };
        Some(Touch {
            array: access.array,
            item: access.item,
            writes,
            base: self.base(access.array),
            weight: access
                .dims
                .iter()
                .filter(|d| d.stretch != Stretch::One)
                .count(),
            rows,
        })
    }

    /// Where rows lie in what the array is a view of, and what is known of its strides. `None` if one is not
    /// next to the other there.
    fn rows(&self, access: &Access, dim: usize) -> Option<(Rows, Layout)> {
        let numbers = &self.a.numbers;
        let (mut array, mut dim, mut layout) = (access.array, dim, access.item.layout);
        let mut start = Linear::constant(0);
        while let Some(view) = self.views.get(&array) {
            dim = match view.axes[dim] {
                Axis::New => return None,
                Axis::Whole(dim) => usize::from(dim),
                Axis::Part {
                    dim,
                    start: first,
                    step,
                    ..
                } => {
                    if Linear::of(numbers, numbers.get(step)).as_constant() != Some(1) {
                        return None;
                    }
                    start = start.plus(&Linear::of(numbers, numbers.get(first)));
                    usize::from(dim)
                }
            };
            layout = view.item.layout;
            array = view.base;
        }
        let base = numbers.get(array);
        Some((Rows { base, dim, start }, layout))
    }

    fn base(&self, mut array: Value) -> Value {
        while let Some(view) = self.views.get(&array) {
            array = view.base;
        }
        array
    }

    /// Finds out which arrays are there in bands only.
    fn settle(&self, group: &mut Group) {
        for m in 0..group.members.len() {
            let at = group.members[m].at;
            let Some(nest) = self.a.nest(at) else {
                continue;
            };
            for (output, range) in nest.result_ranges().into_iter().enumerate() {
                if let Some(&array) = self.a.inst(at).results[range].first()
                    && let Some((views, rows)) = self.readers(group, m, array)
                {
                    group.kept.push(Kept {
                        array,
                        member: m,
                        output,
                        rows,
                        views,
                    });
                }
            }
        }
    }

    /// The views through which the group reads an array, and how many rows before a band it needs; `None`
    /// if anything else needs the array.
    fn readers(
        &self,
        group: &Group,
        maker: usize,
        array: Value,
    ) -> Option<(Vec<(Value, Subview)>, i64)> {
        let mut views = vec![];
        let mut rows = 0;
        let mut reads = |seen: Value, at: Place| {
            let member = group.members.iter().find(|m| m.at == at)?;
            let nest = self.a.nest(at)?;
            let elsewhere = nest.outputs.iter().any(|o| o.target() == Some(seen));
            let mut loaded = false;
            nest.for_each_source(|v| loaded |= v == seen);
            if elsewhere || loaded {
                return None;
            }
            for touch in member.touches.iter().filter(|t| t.array == seen) {
                let first = touch.rows.as_ref()?.start.as_constant()?;
                rows = rows.max(member.shift - group.members[maker].shift - first);
            }
            Some(())
        };
        for &at in &self.a.uses[array.index()] {
            if at.inst == usize::MAX {
                return None;
            }
            match &self.a.inst(at).op {
                Op::ArrayPart(_, Part::Shape(_)) => {}
                Op::Nest(_) => reads(array, at)?,
                Op::Subview(view) => {
                    let seen = self.a.inst(at).results[0];
                    for &at in &self.a.uses[seen.index()] {
                        if at.inst == usize::MAX || !matches!(self.a.inst(at).op, Op::Nest(_)) {
                            return None;
                        }
                        reads(seen, at)?;
                    }
                    views.push((seen, view.as_ref().clone()));
                }
                _ => return None,
            }
        }
        (!self.a.uses[array.index()].is_empty()).then_some((views, rows))
    }
}
