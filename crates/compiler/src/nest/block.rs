//! Blocking: a loop whose rounds go through the same arrays, item by item, runs for one block of the
//! items after the other.
//!
//! ```python
//! for k in range(c.size):
//!     y = y * x + c[k]        # all rounds for the first items, which stay in the cache, then for the next
//! ```
//!
//! Which instructions a loop runs, and with which scalars, must not depend on what its nests store; then
//! the rounds are the same for each block. A loop is left, also with an error, where the last block
//! leaves it: at that time all blocks have done what one pass over whole arrays had done. The conditions:
//!
//! * the nests of the loop go through one index space, and do nothing but to store;
//! * what one access writes and another one reads or writes, in any round, is the same item at the same
//!   index, or other memory. Where this cannot be decided here, it is looked at when the code runs
//!   ([`Plan::apart`]), and if they meet, all items are one block;
//! * nothing else in the loop has effects, or reads what the nests write.
//!
//! Where masks decide what changes ([`retire`]), a block in which nothing will change any more is done
//! before the last round.

use ferdelance_abi::rtfn::Effect;
use ferdelance_abi::settings::{Parallel, Rewrites};
use rustc_hash::{FxHashMap, FxHashSet};

use super::analysis::{Analysis, moves};
use super::parts;
use crate::tir::dominators::Dominators;
use crate::tir::nest::{Access, Item, Nest, OutputKind, Stretch};
use crate::tir::{BlockId, Function, Inst, LocId, Op, Part, Type, Value};
use crate::types::Layout;

mod apply;
pub(super) mod loops;
pub(super) mod peel;
mod retire;

use loops::Loop;
use retire::Retirement;

/// What a block touches of arrays, in bytes: half of a small first-level cache.
const CACHED: u32 = 16 << 10;
/// Items of a block whose rounds may end early: few, because neighbours end together.
const FEW: i64 = 64;
/// An item is taken to be no smaller than this where only an address is known.
const LARGE_ITEM: u32 = 16;

/// Blocks the loops of a function: the blocks that these consist of.
pub(super) fn block(f: &mut Function) -> FxHashSet<usize> {
    let mut blocked = FxHashSet::default();
    for plan in plans(f) {
        blocked.extend(plan.covers());
        plan.apply(f);
    }
    blocked
}

/// A loop to be run block by block.
pub(super) struct Plan {
    header: BlockId,
    /// The blocks of the loop; definitions come before uses.
    blocks: Vec<BlockId>,
    /// What is computed in the loop and is the same in each round.
    invariant: FxHashSet<Value>,
    /// An array that is written, all dimensions of which run along with the nests.
    written: Access,
    /// All items of all arrays follow each other in the order of the indices.
    flat: bool,
    /// The first dimension is the innermost one.
    backwards: bool,
    /// Items of a block.
    pub items: i64,
    /// Arrays that share no memory if there is more than one block.
    apart: Vec<(Reach, Reach)>,
    retirement: Option<Retirement>,
    /// Of the first nest.
    pub loc: LocId,
}

impl Plan {
    /// The blocks of the loop, by number.
    pub fn covers(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|b| b.index())
    }

    /// Whether blocks may be done before the last round.
    pub fn retires(&self) -> bool {
        self.retirement.is_some()
    }
}

/// Memory that a loop may reach: that of an array which is there before the loop.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Reach {
    array: Value,
    item: Item,
}

/// The loops of a function that can be blocked, and are worth it. No two of them have blocks in common.
pub(super) fn plans(f: &Function) -> Vec<Plan> {
    let stores = |i: &Inst| matches!(&i.op, Op::Nest(nest) if nest.stores());
    // Nests that threads share go through all items.
    if f.options.without.has(Rewrites::BLOCK)
        || f.options.parallel.has(Parallel::ARRAYS)
        || !f.blocks.iter().any(|b| b.insts.iter().any(stores))
    {
        return vec![];
    }
    let tree = Dominators::new(f);
    let mut loops = loops::find(f, &tree);
    loops.retain(|l| {
        let mut insts = l.blocks.iter().flat_map(|b| &f.block(*b).insts);
        insts.any(stores)
    });
    if loops.is_empty() {
        return vec![];
    }
    let a = Analysis::new(f);
    let mut plans: Vec<Plan> = vec![];
    for l in &loops {
        let within = |p: &Plan| p.blocks.contains(&l.header);
        if !plans.iter().any(within) {
            plans.extend(Candidate::new(&a, l, &loops).plan());
        }
    }
    plans
}

/// How an array of an access depends on the round.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Not at all.
    Fixed,
    /// It is a row of one array, or the same part of a row: another one in another round.
    Row,
    Other,
}

/// An access in the loop.
struct Touch<'f> {
    access: &'f Access,
    kind: Kind,
    written: bool,
}

/// A loop that is looked at.
struct Candidate<'a, 'f> {
    a: &'a Analysis<'f>,
    around: &'a Loop,
    loops: &'a [Loop],
    defined: FxHashMap<Value, &'f Inst>,
    invariant: FxHashSet<Value>,
    /// What is computed, or is a parameter, in the loop.
    own: FxHashSet<Value>,
}

impl<'a, 'f> Candidate<'a, 'f> {
    fn new(a: &'a Analysis<'f>, around: &'a Loop, loops: &'a [Loop]) -> Self {
        let mut defined = FxHashMap::default();
        for inst in a.f.blocks.iter().flat_map(|b| &b.insts) {
            defined.extend(inst.results.iter().map(|&v| (v, inst)));
        }
        let mut c = Candidate {
            a,
            around,
            loops,
            defined,
            invariant: FxHashSet::default(),
            own: FxHashSet::default(),
        };
        for block in around.blocks.iter().map(|&b| a.f.block(b)) {
            c.own.extend(&block.params);
            c.own.extend(block.insts.iter().flat_map(|i| &i.results));
        }
        for inst in c.insts() {
            let mut all = moves(&inst.op) && !matches!(inst.op, Op::Rare { .. });
            inst.op.for_each_operand(|v| all &= c.is_fixed(v));
            if all && inst.results.iter().all(|&v| !is_owned(a.f.ty(v))) {
                c.invariant.extend(&inst.results);
            }
        }
        c
    }

    /// Whether a value is the same in each round.
    fn is_fixed(&self, v: Value) -> bool {
        !self.own.contains(&v) || self.invariant.contains(&v)
    }

    fn insts(&self) -> impl Iterator<Item = &'f Inst> + use<'a, 'f> {
        let (f, around) = (self.a.f, self.around);
        around.blocks.iter().flat_map(|&b| &f.block(b).insts)
    }

    fn nests(&self) -> impl Iterator<Item = (&'f Nest, LocId)> + use<'a, 'f> {
        self.insts().filter_map(|i| match &i.op {
            Op::Nest(nest) => Some((&**nest, i.loc)),
            _ => None,
        })
    }

    fn plan(self) -> Option<Plan> {
        let params = self
            .around
            .blocks
            .iter()
            .map(|&b| &self.a.f.block(b).params);
        if params
            .flatten()
            .any(|&p| is_owned(self.a.f.ty(p)) || is_array(self.a.f.ty(p)))
            || !self.insts().all(|i| self.is_harmless(i))
            || !self.inner_loops_are_blocked()
        {
            return None;
        }
        let touches = self.touches();
        let written = touches.iter().filter(|t| t.written);
        if !written.clone().all(|t| self.is_one_by_one(t)) {
            return None;
        }
        // Rows that are written once are not worth a block.
        let written = written
            .clone()
            .find(|t| t.kind == Kind::Fixed)?
            .access
            .clone();
        if !self.one_space() {
            return None;
        }
        let apart = self.apart(&touches)?;
        let rank = written.dims.len();
        let accesses = || {
            touches
                .iter()
                .map(|t| t.access)
                .filter(|a| !a.dims.is_empty())
        };
        let all_are =
            |layout: Layout| accesses().all(|a| a.is_whole(rank) && a.item.layout == layout);
        let indices = self.nests().any(|(n, _)| !n.indices.is_empty());
        let layout = |layout| accesses().any(|a| a.dims.len() > 1 && a.item.layout == layout);
        let retirement = Retirement::find(&self, &touches);
        let items = match retirement {
            Some(_) => FEW,
            None => self.items(&touches),
        };
        Some(Plan {
            header: self.around.header,
            flat: rank > 1 && !indices && (all_are(Layout::C) || all_are(Layout::F)),
            backwards: layout(Layout::F) && !layout(Layout::C),
            items,
            apart,
            retirement,
            loc: self.nests().next()?.1,
            written,
            blocks: self.around.blocks.clone(),
            invariant: self.invariant,
        })
    }

    /// Whether an instruction may run again for each block: a nest that only stores, or what has no effect.
    fn is_harmless(&self, inst: &Inst) -> bool {
        match &inst.op {
            Op::Nest(nest) => {
                let only_stores = |n: &Nest| {
                    let mut kinds = n.outputs.iter().map(|o| &o.kind);
                    kinds.all(|k| matches!(k, OutputKind::Store(_)))
                };
                !nest.extents.is_empty()
                    && only_stores(nest)
                    && !nest.inputs.iter().any(|i| i.copied)
                    && nest.insts.iter().all(|i| i.op.is_pure())
            }
            // What looks at objects could look at arrays.
            Op::Rt { func, .. } => func.info().effect == Effect::Pure,
            op => op.is_pure() && !inst.results.iter().any(|&v| is_owned(self.a.f.ty(v))),
        }
    }

    /// Whether inner loops do something block by block: others would do the same again for each block.
    fn inner_loops_are_blocked(&self) -> bool {
        let inner = &self.around.inner;
        inner
            .iter()
            .all(|h| self.loops.iter().any(|l| l.header == *h))
    }

    fn touches(&self) -> Vec<Touch<'f>> {
        let mut touches = vec![];
        for (nest, _) in self.nests() {
            let read = nest.inputs.iter().map(|i| (&i.access, false));
            let stored = nest.outputs.iter().filter_map(|o| match &o.kind {
                OutputKind::Store(access) => Some((access, true)),
                _ => None,
            });
            touches.extend(read.chain(stored).map(|(access, written)| Touch {
                access,
                kind: self.kind(access.array),
                written,
            }));
        }
        touches
    }

    fn kind(&self, array: Value) -> Kind {
        if self.is_fixed(array) {
            return Kind::Fixed;
        }
        match self.defined.get(&array).map(|i| &i.op) {
            Some(Op::Subview(view)) => {
                let mut fixed = self.is_fixed(view.base);
                view.for_each_bound(|v| fixed &= self.is_fixed(v));
                if fixed { Kind::Row } else { Kind::Other }
            }
            _ => Kind::Other,
        }
    }

    /// Whether what is written is another item for each index, and at the same place in each round, or in a
    /// row of its own.
    fn is_one_by_one(&self, t: &Touch<'_>) -> bool {
        let rank = self.nests().next().map(|(n, _)| n.extents.len());
        t.kind != Kind::Other
            && Some(t.access.dims.len()) == rank
            && t.access.dims.iter().all(|d| d.stretch == Stretch::No)
    }

    /// Whether all nests go through the same indices.
    fn one_space(&self) -> bool {
        let mut nests = self.nests().map(|(n, _)| n);
        let Some(first) = nests.next() else {
            return false;
        };
        nests.all(|n| {
            n.extents.len() == first.extents.len()
                && n.extents
                    .iter()
                    .zip(&first.extents)
                    .all(|(&n, &m)| self.a.numbers.equal(n, m))
        })
    }

    /// Items of a block such that what it touches stays in the cache.
    fn items(&self, touches: &[Touch<'_>]) -> i64 {
        let mut seen: Vec<u32> = vec![];
        let mut bytes = 0;
        for t in touches {
            let number = self.a.numbers.get(t.access.array);
            if !seen.contains(&number) {
                seen.push(number);
                bytes += t.access.item.size;
            }
        }
        i64::from(CACHED / bytes.max(1) / 64 * 64).max(64)
    }

    // ---- what shares memory ----

    /// The arrays that must not meet if there are several blocks. `None` if some certainly do.
    fn apart(&self, touches: &[Touch<'_>]) -> Option<Vec<(Reach, Reach)>> {
        let mut apart = vec![];
        let mut keep = |x: Option<Reach>, y: Option<Reach>| {
            let pair = (x?, y?);
            if !apart.contains(&pair) {
                apart.push(pair);
            }
            Some(())
        };
        for w in touches.iter().filter(|t| t.written) {
            for t in touches {
                if self.same_items(w, t) || self.disjoint(w, t) {
                    continue;
                }
                let roots = &self.a.roots;
                if roots.of(w.access.array) == roots.of(t.access.array) {
                    return None;
                }
                keep(self.reach(w.access), self.reach(t.access))?;
            }
            for (address, size) in self.loads() {
                if self.a.roots.disjoint(address, w.access.array) {
                    continue;
                }
                if self.a.roots.of(address) == self.a.roots.of(w.access.array) {
                    return None;
                }
                keep(self.reach(w.access), self.reach_from(address, size))?;
            }
        }
        Some(apart)
    }

    /// Whether what two accesses have in common, in any two rounds, is at the same index.
    fn same_items(&self, x: &Touch<'_>, y: &Touch<'_>) -> bool {
        let numbers = &self.a.numbers;
        let (i, j) = (numbers.get(x.access.array), numbers.get(y.access.array));
        let same = match (x.kind, y.kind) {
            (Kind::Fixed, Kind::Fixed) => i == j,
            (Kind::Row, Kind::Row) => parts::aligned(numbers, i, j),
            _ => false,
        };
        same && x.access.dims == y.access.dims && x.access.item.size == y.access.item.size
    }

    /// Whether two accesses share no memory, in any two rounds.
    fn disjoint(&self, x: &Touch<'_>, y: &Touch<'_>) -> bool {
        let (i, j) = (x.access.array, y.access.array);
        if x.kind == Kind::Fixed && y.kind == Kind::Fixed {
            self.a.disjoint(i, j)
        } else {
            self.a.roots.disjoint(i, j)
        }
    }

    /// The addresses through which the loop reads memory other than as inputs of nests, and how much from
    /// there, at most.
    fn loads(&self) -> Vec<(Value, u32)> {
        let mut loads = vec![];
        for inst in self.insts() {
            match &inst.op {
                Op::Load { ptr, .. } => {
                    loads.push((*ptr, self.a.f.ty(inst.results[0]).bytes()));
                }
                Op::Nest(nest) => nest.for_each_source(|v| {
                    let known = nest.sources.iter().find(|s| s.array == v);
                    loads.push((v, known.map_or(0, |s| s.size)));
                }),
                _ => {}
            }
        }
        loads
    }

    fn reach(&self, access: &Access) -> Option<Reach> {
        self.reach_of(access.array, access.item)
    }

    /// The memory of an array that is there before the loop and of which an array is a view.
    fn reach_of(&self, mut array: Value, mut item: Item) -> Option<Reach> {
        while !self.is_fixed(array) {
            match &self.defined.get(&array)?.op {
                Op::Subview(view) => (array, item) = (view.base, view.item),
                _ => return None,
            }
        }
        Some(Reach { array, item })
    }

    /// The memory of the array into which an address points.
    fn reach_from(&self, mut address: Value, size: u32) -> Option<Reach> {
        let mut largest = size.max(LARGE_ITEM);
        while !is_array(self.a.f.ty(address)) {
            address = match self.defined.get(&address)?.op {
                Op::Offset { base, .. } => base,
                Op::Element { base, size, .. } => {
                    largest = largest.max(size);
                    base
                }
                Op::ArrayPart(array, Part::Data) => array,
                _ => return None,
            };
        }
        let item = Item {
            size: largest,
            align: 1,
            layout: Layout::A,
        };
        self.reach_of(address, item)
    }
}

fn is_array(ty: Type) -> bool {
    matches!(ty, Type::Array(_))
}

/// Something that has one owner at a time.
fn is_owned(ty: Type) -> bool {
    matches!(ty, Type::Obj | Type::Owner)
}
