//! Raising: a loop over columns becomes operations on all columns.
//!
//! ```python
//! for j in range(k + 1, n):                 # one nest over (i, j) that adds up over i,
//!     r[k, j] = np.sum(q[:, k] * a[:, j])   # and one over (i, j) that stores
//!     a[:, j] -= q[:, k] * r[k, j]
//! ```
//!
//! Columns of an array that lies in rows are walked through in large steps, and nothing vectorises. As an
//! operation on all columns, the innermost loop goes along the rows. The rounds of such a loop run side
//! by side: first all of them up to the end of their first operation, then up to the end of the second one.
//! That is the same if
//!
//! * no round writes what another one reads or writes: an array that is written is touched at the index of
//!   the round only. Other accesses are to other memory, or to other columns; where this cannot be seen
//!   here, it is looked at before the loop ([`Plan::apart`], [`Plan::beside`]);
//! * a round cannot end early: what it might leave the loop for is the same in each round, and is looked at
//!   before the loop;
//! * scalars that a round computes are found again where the round stores them.
//!
//! The loop as it was is the other version: for what is seen to meet, for few rounds, and for sums so long
//! that they are to be made of partial sums.

use ferdelance_abi::rtfn::Effect;
use ferdelance_abi::settings::Rewrites;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::analysis::{Analysis, moves};
use super::block::loops::{self, Loop};
use crate::tir::dominators::Dominators;
use crate::tir::nest::{Access, Axis, Item, Nest, OutputKind, unit_dim};
use crate::tir::{
    Bin, BlockId, Cmp, Function, Inst, LocId, Mem, Op, Part, Spread, Target, Term, Type, Value,
};
use crate::types::Layout;

mod apply;

/// Raises the loops of a function.
pub(super) fn raise(f: &mut Function) {
    for plan in plans(f) {
        plan.apply(f);
    }
}

/// A loop whose rounds become a dimension.
pub(super) struct Plan {
    header: BlockId,
    blocks: Vec<BlockId>,
    /// The header's parameter.
    counter: Value,
    /// The number before which it ends.
    end: Value,
    /// Conditions on which the first round would leave the loop: when they are this.
    exits: Vec<(Value, bool)>,
    /// Arrays that share no memory.
    apart: Vec<[(Value, Item); 2]>,
    /// Parts of one array that are apart in one of its dimensions.
    beside: Vec<[Region; 2]>,
    steps: Vec<Step>,
    /// What the loop computes, and what of it is the same in each round.
    defined: FxHashMap<Value, Op>,
    fixed: FxHashSet<Value>,
    /// Of the first nest.
    pub loc: LocId,
}

/// Something that all rounds do, before they go on.
struct Step {
    work: Work,
    /// Where scalars that it uses are found.
    found: FxHashMap<Value, Region>,
    loc: LocId,
}

enum Work {
    /// With the places of its reductions' results, by output.
    Nest(Box<Nest>, Vec<Option<Region>>),
    /// Puts a scalar to its place.
    Store(Region, Value),
}

/// The items of an array that an access may touch in one round.
#[derive(Clone, PartialEq, Debug)]
struct Region {
    /// The same in each round.
    base: Value,
    item: Item,
    /// For each dimension of the base.
    dims: SmallVec<[Range; 4]>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Range {
    Whole,
    At(Value),
    Part {
        start: Value,
        count: Value,
    },
    /// At an index that goes with the round.
    Round(Value),
}

impl Region {
    /// The dimension along which the rounds go.
    fn along(&self) -> Option<(usize, Value)> {
        let mut dims = self.dims.iter().enumerate();
        dims.find_map(|(k, range)| match range {
            Range::Round(index) => Some((k, *index)),
            _ => None,
        })
    }

    /// Whether items of neighbouring rounds are neighbours.
    fn is_dense(&self) -> bool {
        let unit = unit_dim(self.item.layout, self.dims.len());
        unit.is_some() && self.along().map(|(k, _)| k) == unit
    }

    /// All of it that is one item in each round.
    fn is_spot(&self) -> bool {
        let one = |r: &Range| matches!(r, Range::At(_) | Range::Round(_));
        self.dims.iter().all(one)
    }
}

/// An access of a round: at which of its instructions, and to what.
struct Touch {
    at: usize,
    written: bool,
    region: Region,
}

/// The loops that can be raised, and are worth it.
pub(super) fn plans(f: &Function) -> Vec<Plan> {
    let writes = |i: &Inst| match &i.op {
        Op::Nest(nest) => nest.outputs.iter().any(|o| {
            o.target().is_some() || matches!(&o.kind, OutputKind::Reduce(r) if r.item.is_none())
        }),
        _ => false,
    };
    let columns = |i: &Inst| matches!(&i.op, Op::Subview(view) if !view.at.is_empty());
    if f.options.without.has(Rewrites::RAISE)
        || f.generator.is_some()
        || !f.blocks.iter().any(|b| b.insts.iter().any(writes))
    {
        return vec![];
    }
    let tree = Dominators::new(f);
    let mut loops = loops::find(f, &tree);
    loops.retain(|l| {
        let insts = || l.blocks.iter().flat_map(|b| &f.block(*b).insts);
        l.inner.is_empty() && insts().any(writes) && insts().any(columns)
    });
    if loops.is_empty() {
        return vec![];
    }
    let a = Analysis::new(f);
    let plan = |l| Candidate::new(&a, l).and_then(Candidate::plan);
    loops.iter().filter_map(plan).collect()
}

/// A loop that is looked at.
struct Candidate<'a, 'f> {
    a: &'a Analysis<'f>,
    header: BlockId,
    blocks: Vec<BlockId>,
    counter: Value,
    end: Value,
    exits: Vec<(Value, bool)>,
    /// The instructions of a round, in order.
    insts: Vec<&'f Inst>,
    defined: FxHashMap<Value, &'f Inst>,
    /// What is computed in the loop.
    own: FxHashSet<Value>,
    fixed: FxHashSet<Value>,
    touches: Vec<Touch>,
    apart: Vec<[(Value, Item); 2]>,
    beside: Vec<[Region; 2]>,
}

impl<'a, 'f> Candidate<'a, 'f> {
    /// A loop that counts, and whose rounds are one chain of blocks.
    fn new(a: &'a Analysis<'f>, l: &Loop) -> Option<Candidate<'a, 'f>> {
        let f = a.f;
        let header = f.block(l.header);
        let &[counter] = &header.params[..] else {
            return None;
        };
        let inside = |t: &Target| l.blocks.contains(&t.block);
        let Term::Branch {
            cond, then, other, ..
        } = &header.term
        else {
            return None;
        };
        if header.spread != Spread::No || !inside(then) || inside(other) {
            return None;
        }
        let mut c = Candidate {
            a,
            header: l.header,
            blocks: l.blocks.clone(),
            counter,
            end: counter,
            exits: vec![],
            insts: header.insts.iter().collect(),
            defined: FxHashMap::default(),
            own: FxHashSet::from_iter([counter]),
            fixed: FxHashSet::default(),
            touches: vec![],
            apart: vec![],
            beside: vec![],
        };
        for inst in f.blocks.iter().flat_map(|b| &b.insts) {
            c.defined.extend(inst.results.iter().map(|&v| (v, inst)));
        }
        let mut at = then;
        let mut seen = 1;
        let mut branches = vec![];
        loop {
            let block = f.block(at.block);
            if !block.params.is_empty() || a.before[at.block.index()].is_none() {
                return None;
            }
            seen += 1;
            c.insts.extend(&block.insts);
            at = match &block.term {
                Term::Jump(next) if next.block == l.header => {
                    c.counts(next)?;
                    break;
                }
                Term::Jump(next) if inside(next) => next,
                Term::Branch {
                    cond, then, other, ..
                } => match (inside(then), inside(other)) {
                    (true, false) if then.block != l.header => {
                        branches.push((*cond, false));
                        then
                    }
                    (false, true) if other.block != l.header => {
                        branches.push((*cond, true));
                        other
                    }
                    _ => return None,
                },
                _ => return None,
            };
        }
        if seen != l.blocks.len() {
            return None;
        }
        for inst in &c.insts {
            c.own.extend(&inst.results);
        }
        c.find_fixed();
        let Some(&Op::Compare(Cmp::SLt, x, end)) = c.op(*cond) else {
            return None;
        };
        if x != counter || !c.is_fixed(end) || other.args.iter().any(|v| c.own.contains(v)) {
            return None;
        }
        c.end = end;
        for (cond, leaves) in branches {
            if c.is_fixed(cond) {
                c.exits.push((cond, leaves));
            } else if !c.checks_nest(cond) {
                return None;
            }
        }
        // The loop is left with nothing but what was there before.
        let (uses, header) = (&a.uses, l.header.index());
        let kept = header_values(f, header).all(|v| {
            let places = &mut uses[v.index()].iter();
            places.all(|p| l.blocks.iter().any(|b| b.index() == p.block))
        });
        kept.then_some(c)
    }

    /// A jump back with the next number.
    fn counts(&self, back: &Target) -> Option<()> {
        let next = back.args.first()?;
        let Some(&Op::Binary {
            op: Bin::Add, a, b, ..
        }) = self.op(*next)
        else {
            return None;
        };
        (a == self.counter && self.as_int(b) == Some(1)).then_some(())
    }

    /// Whether a condition is that a nest has failed.
    fn checks_nest(&self, cond: Value) -> bool {
        let Some(&Op::Compare(Cmp::Ne, err, null)) = self.op(cond) else {
            return false;
        };
        let nest = self.defined.get(&err).is_some_and(|i| {
            matches!(&i.op, Op::Nest(nest) if nest.allocates()) && i.results.last() == Some(&err)
        });
        nest && matches!(self.op(null), Some(Op::Null))
    }

    fn op(&self, v: Value) -> Option<&'f Op> {
        self.defined.get(&v).map(|i| &i.op)
    }

    fn as_int(&self, v: Value) -> Option<i64> {
        match self.op(v) {
            Some(Op::Int(n)) => Some(*n),
            _ => None,
        }
    }

    fn ty(&self, v: Value) -> Type {
        self.a.f.ty(v)
    }

    fn find_fixed(&mut self) {
        for &inst in &self.insts {
            let mut all = moves(&inst.op) && !matches!(inst.op, Op::Rare { .. });
            match inst.op {
                Op::ArrayPart(array, Part::Shape(k)) => all &= self.has_fixed_size(array, k),
                ref op => op.for_each_operand(|v| all &= self.is_fixed(v)),
            }
            if all {
                self.fixed.extend(&inst.results);
            }
        }
    }

    /// Whether a value is the same in each round.
    fn is_fixed(&self, v: Value) -> bool {
        !self.own.contains(&v) || self.fixed.contains(&v)
    }

    fn has_fixed_size(&self, array: Value, dim: u8) -> bool {
        if self.is_fixed(array) {
            return true;
        }
        let Some(Op::Subview(view)) = self.op(array) else {
            return false;
        };
        match view.axes[usize::from(dim)] {
            Axis::New => true,
            Axis::Whole(dim) => self.has_fixed_size(view.base, dim),
            Axis::Part { count, .. } => self.is_fixed(count),
        }
    }

    // ---- regions ----

    /// Whether an index is the round's number, or apart from it by the same in each round.
    fn goes_along(&self, index: Value) -> bool {
        match self.op(index) {
            _ if index == self.counter => true,
            Some(&Op::Binary {
                op: Bin::Add | Bin::Sub,
                a,
                b,
                ..
            }) => self.own.contains(&index) && self.is_fixed(b) && self.goes_along(a),
            _ => false,
        }
    }

    fn range(&self, index: Value) -> Option<Range> {
        match () {
            () if self.is_fixed(index) => Some(Range::At(index)),
            () if self.goes_along(index) => Some(Range::Round(index)),
            () => None,
        }
    }

    /// What an array is of another one that is the same in each round.
    fn region(&self, array: Value, item: Item) -> Option<Region> {
        let rank = |array| match self.ty(array) {
            Type::Array(rank) => usize::from(rank),
            _ => 0,
        };
        let Some(Op::Subview(view)) = self.op(array) else {
            let dims = std::iter::repeat_n(Range::Whole, rank(array)).collect();
            return self.is_fixed(array).then_some(Region {
                base: array,
                item,
                dims,
            });
        };
        let mut region = Region {
            base: view.base,
            item: view.item,
            dims: std::iter::repeat_n(Range::Whole, rank(view.base)).collect(),
        };
        if !self.is_fixed(view.base) {
            return None;
        }
        for &(dim, index) in &view.at {
            region.dims[usize::from(dim)] = self.range(index)?;
        }
        for axis in &view.axes {
            let Axis::Part {
                dim,
                start,
                count,
                step,
            } = *axis
            else {
                continue;
            };
            if ![start, count, step].iter().all(|&v| self.is_fixed(v)) {
                return None;
            }
            if self.as_int(step) == Some(1) {
                region.dims[usize::from(dim)] = Range::Part { start, count };
            }
        }
        let rounds = region.dims.iter().filter(|r| matches!(r, Range::Round(_)));
        (rounds.count() <= 1).then_some(region)
    }

    /// The item of an array that an address is.
    fn spot(&self, mut address: Value, ty: Type, align: u8) -> Option<Region> {
        let number = matches!(
            ty,
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::F32 | Type::F64
        );
        let mut dense = None;
        let mut strided: Vec<(Value, Value)> = vec![];
        let array = loop {
            match *self.op(address)? {
                Op::Element { base, index, size } if dense.is_none() && size == ty.bytes() => {
                    dense = Some(index);
                    address = base;
                }
                Op::Offset { base, offset } => {
                    let &Op::Binary {
                        op: Bin::Mul, a, b, ..
                    } = self.op(offset)?
                    else {
                        return None;
                    };
                    strided.push((a, b));
                    address = base;
                }
                Op::ArrayPart(array, Part::Data) => break array,
                _ => return None,
            }
        };
        let Type::Array(rank) = self.ty(array) else {
            return None;
        };
        let rank = usize::from(rank);
        if !number || !self.is_fixed(array) || strided.len() + 1 != rank {
            return None;
        }
        let mut dims: SmallVec<[Option<Range>; 4]> = SmallVec::from_elem(None, rank);
        for (index, stride) in strided {
            let &Op::ArrayPart(of, Part::Stride(dim)) = self.op(stride)? else {
                return None;
            };
            if !self.a.numbers.equal(of, array) {
                return None;
            }
            let dim = &mut dims[usize::from(dim)];
            if dim.is_some() {
                return None;
            }
            *dim = Some(self.range(index)?);
        }
        let unit = dims.iter().position(Option::is_none)?;
        dims[unit] = Some(self.range(dense?)?);
        // Only along the last dimension, or the first one, items are known to follow each other.
        let layout = match unit {
            _ if unit + 1 == rank => Layout::C,
            0 => Layout::F,
            _ => return None,
        };
        let item = Item {
            size: ty.bytes(),
            align,
            layout,
        };
        let dims: SmallVec<[Range; 4]> = dims.into_iter().flatten().collect();
        let rounds = dims.iter().filter(|r| matches!(r, Range::Round(_)));
        (rounds.count() <= 1).then_some(Region {
            base: array,
            item,
            dims,
        })
    }

    /// Whether different indices of a region's array mean different items.
    fn is_distinct(&self, region: &Region) -> bool {
        let numbers = &self.a.numbers;
        region.item.layout != Layout::A || numbers.is_distinct(numbers.get(region.base))
    }

    /// Whether two ranges of a dimension might be apart.
    fn may_differ(&self, x: Range, y: Range) -> bool {
        match (x, y) {
            (Range::Whole, _) | (_, Range::Whole) => false,
            (Range::At(i), Range::At(j)) | (Range::Round(i), Range::Round(j)) => {
                !self.a.numbers.equal(i, j)
            }
            (Range::Part { start: i, count: n }, Range::Part { start: j, count: m }) => {
                !(self.a.numbers.equal(i, j) && self.a.numbers.equal(n, m))
            }
            _ => true,
        }
    }

    /// Sees to it that what is written does not meet another access: in another round, or (`always`) in
    /// any. None if they do.
    fn keep_apart(&mut self, written: &Region, other: &Region, always: bool) -> Option<()> {
        let (x, y) = (written.base, other.base);
        let roots = &self.a.roots;
        if roots.disjoint(x, y) {
            return Some(());
        }
        if self.a.numbers.equal(x, y) {
            if !self.is_distinct(written) && !self.is_distinct(other) {
                return None;
            }
            let same_round = match (written.along(), other.along()) {
                (Some((k, i)), Some((l, j))) => k == l && self.a.numbers.equal(i, j),
                _ => false,
            };
            if same_round && !always {
                return Some(());
            }
            let mut dims = written.dims.iter().zip(&other.dims);
            if !dims.any(|(&x, &y)| self.may_differ(x, y)) {
                return None;
            }
            let pair = [written.clone(), other.clone()];
            let turned = [other.clone(), written.clone()];
            if ![&pair, &turned].iter().any(|p| self.beside.contains(p)) {
                self.beside.push(pair);
            }
            return Some(());
        }
        if roots.of(x) == roots.of(y) {
            return None;
        }
        let pair = [(x, written.item), (y, other.item)];
        let turned = [pair[1], pair[0]];
        if ![pair, turned].iter().any(|p| self.apart.contains(p)) {
            self.apart.push(pair);
        }
        Some(())
    }

    // ---- what a round does ----

    fn plan(mut self) -> Option<Plan> {
        let steps = self.steps()?;
        self.check_rounds()?;
        if !self.pays(&steps) {
            return None;
        }
        let nest = |s: &Step| matches!(s.work, Work::Nest(..)).then_some(s.loc);
        let loc = steps.iter().find_map(nest)?;
        let own = self.defined.iter().filter(|(v, _)| self.own.contains(v));
        Some(Plan {
            header: self.header,
            counter: self.counter,
            end: self.end,
            loc,
            steps,
            defined: own.map(|(&v, inst)| (v, inst.op.clone())).collect(),
            blocks: self.blocks,
            exits: self.exits,
            apart: self.apart,
            beside: self.beside,
            fixed: self.fixed,
        })
    }

    /// What a round does, in order.
    fn steps(&mut self) -> Option<Vec<Step>> {
        // Places of scalars, and since when they are there.
        let mut places: FxHashMap<Value, Vec<(usize, Region)>> = FxHashMap::default();
        let mut steps = vec![];
        let mut taken: FxHashSet<usize> = FxHashSet::default();
        // Nests whose results are found at their places before these are stored there.
        let mut homes: Vec<(usize, usize, Region)> = vec![];
        let mut uses: Vec<(usize, bool, usize, Region)> = vec![];
        for (at, &inst) in self.insts.clone().iter().enumerate() {
            let work = match &inst.op {
                Op::Load {
                    ptr,
                    align,
                    mem: Mem::Elements,
                } => {
                    let region = self.spot(*ptr, self.ty(inst.results[0]), *align)?;
                    self.touch(at, false, &region);
                    let place = places.entry(inst.results[0]).or_default();
                    place.push((at, region));
                    continue;
                }
                Op::Store {
                    ptr,
                    value,
                    align,
                    mem: Mem::Elements,
                } => {
                    let region = self.spot(*ptr, self.ty(*value), *align)?;
                    self.touch(at, true, &region);
                    Work::Store(region, *value)
                }
                Op::Nest(nest) => {
                    let found = self.homes(at, inst, nest, &mut taken)?;
                    for (o, home) in found.iter().enumerate() {
                        let Some((until, region)) = home else {
                            continue;
                        };
                        let result = inst.results[nest.result_ranges()[o].start];
                        places.entry(result).or_default().push((at, region.clone()));
                        homes.push((at, *until, region.clone()));
                    }
                    let found = found.into_iter().map(|h| h.map(|(_, region)| region));
                    self.touch_nest(at, nest)?;
                    Work::Nest(nest.clone(), found.collect())
                }
                op if op.is_pure() && !matches!(op, Op::Load { .. } | Op::StackSlot { .. }) => {
                    continue;
                }
                _ => return None,
            };
            let mut found: FxHashMap<Value, (usize, Region)> = FxHashMap::default();
            for v in scalars(&work) {
                self.find(v, &places, &mut found)?;
            }
            let whole = matches!(work, Work::Nest(..));
            for (since, region) in found.values() {
                uses.push((at, whole, *since, region.clone()));
            }
            if let Work::Store(region, value) = &work {
                let place = places.entry(*value).or_default();
                place.push((at, region.clone()));
            }
            let found = found.into_iter().map(|(v, (_, region))| (v, region));
            let step = Step {
                found: found.collect(),
                loc: inst.loc,
                work,
            };
            // What is at its place already.
            let there = match &step.work {
                Work::Store(region, value) => step.found.get(value) == Some(region),
                Work::Nest(..) => false,
            };
            if !there {
                steps.push(step);
            }
        }
        self.check_places(&homes, &uses)?;
        Some(steps)
    }

    fn touch(&mut self, at: usize, written: bool, region: &Region) {
        self.touches.push(Touch {
            at,
            written,
            region: region.clone(),
        });
    }

    /// What a nest touches. None if it is none that can have one more dimension.
    fn touch_nest(&mut self, at: usize, nest: &Nest) -> Option<()> {
        let pure = |i: &Inst| match &i.op {
            Op::Rt { func, .. } => func.info().effect == Effect::Pure,
            op => op.is_pure(),
        };
        if !nest.sources.is_empty()
            || nest.inputs.iter().any(|i| i.copied)
            || !nest.insts.iter().all(pure)
            || !nest.extents.iter().all(|&n| self.is_fixed(n))
        {
            return None;
        }
        let mut loads = vec![];
        nest.for_each_source(|source| loads.push(source));
        for source in loads {
            if !self.is_fixed(source)
                || self.insts.iter().copied().any(|i| self.may_meet(i, source))
            {
                return None;
            }
        }
        let mut read = vec![];
        for input in &nest.inputs {
            let region = self.region(input.access.array, input.access.item)?;
            self.touch(at, false, &region);
            read.push(region);
        }
        for (o, output) in nest.outputs.iter().enumerate() {
            let access = match &output.kind {
                OutputKind::Store(access) => access,
                OutputKind::Reduce(r) => match &r.target {
                    Some(access) => access,
                    None => continue,
                },
                _ => return None,
            };
            let region = self.region(access.array, access.item)?;
            // Reductions store to memory that they do not read, and so do nests that look at it first.
            let guarded = |i: usize| nest.guards.contains(&(i as u32, o as u32));
            let reduces = matches!(output.kind, OutputKind::Reduce(_));
            for (i, read) in read.iter().enumerate() {
                if guarded(i) || reduces {
                    self.keep_apart(&region, read, true)?;
                }
            }
            self.touch(at, true, &region);
        }
        Some(())
    }

    /// Whether an instruction may write memory that the bodies of nests load from.
    fn may_meet(&self, inst: &Inst, source: Value) -> bool {
        let roots = &self.a.roots;
        match &inst.op {
            Op::Nest(nest) => nest.outputs.iter().any(|o| {
                o.target()
                    .is_some_and(|target| !roots.disjoint(target, source))
            }),
            Op::Store { ptr, .. } => !roots.disjoint(*ptr, source),
            _ => false,
        }
    }

    /// For each output of a nest that is a scalar: where it is stored, or what is made of it, and when.
    fn homes(
        &self,
        at: usize,
        inst: &Inst,
        nest: &Nest,
        taken: &mut FxHashSet<usize>,
    ) -> Option<Vec<Option<(usize, Region)>>> {
        let all = (1u64 << nest.extents.len()) as u32 - 1;
        let ranges = nest.result_ranges();
        let mut homes = vec![];
        for (output, range) in nest.outputs.iter().zip(ranges) {
            let OutputKind::Reduce(r) = &output.kind else {
                homes.push(None);
                continue;
            };
            let fixed = r.init.iter().all(|&v| self.is_fixed(v));
            if r.target.is_some() && fixed && nest.outputs.len() == 1 {
                homes.push(None);
                continue;
            }
            if r.item.is_some() || r.over != all || all == 0 || range.len() != 1 || !fixed {
                return None;
            }
            let result = inst.results[range.start];
            let later = self.insts.iter().enumerate().skip(at + 1);
            let home = later.into_iter().find_map(|(k, store)| {
                let &Op::Store {
                    ptr, value, align, ..
                } = &store.op
                else {
                    return None;
                };
                let fits = !taken.contains(&k)
                    && self.ty(value) == self.ty(result)
                    && self.depends(value, result);
                let region = fits.then(|| self.spot(ptr, self.ty(value), align))??;
                Some((k, region))
            })?;
            taken.insert(home.0);
            homes.push(Some(home));
        }
        Some(homes)
    }

    /// Whether a scalar is computed from another one.
    fn depends(&self, v: Value, on: Value) -> bool {
        if v == on {
            return true;
        }
        let Some(op) = self.op(v) else { return false };
        if !self.own.contains(&v) || !op.is_pure() || matches!(op, Op::Nest(_) | Op::Load { .. }) {
            return false;
        }
        let mut any = false;
        op.for_each_operand(|w| any |= self.depends(w, on));
        any
    }

    /// Where a step finds a scalar, or what it is computed from.
    fn find(
        &self,
        v: Value,
        places: &FxHashMap<Value, Vec<(usize, Region)>>,
        found: &mut FxHashMap<Value, (usize, Region)>,
    ) -> Option<()> {
        if self.is_fixed(v) || v == self.counter || found.contains_key(&v) {
            return Some(());
        }
        // The latest place is the one that is not written again soonest.
        if let Some(place) = places.get(&v).and_then(|p| p.last()) {
            found.insert(v, place.clone());
            return Some(());
        }
        let op = self.op(v)?;
        let computed = op.is_pure()
            && !matches!(
                op,
                Op::Nest(_) | Op::Load { .. } | Op::Rt { .. } | Op::StackSlot { .. }
            )
            && !matches!(self.ty(v), Type::Array(_))
            && !self.ty(v).is_pointer();
        if !computed {
            return None;
        }
        let mut all = Some(());
        op.for_each_operand(|w| all = all.and_then(|()| self.find(w, places, found)));
        all
    }

    // ---- conditions ----

    /// What one round writes, no other one touches.
    fn check_rounds(&mut self) -> Option<()> {
        let touches = std::mem::take(&mut self.touches);
        for w in touches.iter().filter(|t| t.written) {
            for t in &touches {
                self.keep_apart(&w.region, &t.region, false)?;
            }
        }
        self.touches = touches;
        Some(())
    }

    /// Scalars are still at their places where they are needed, and what was there before is not.
    fn check_places(
        &mut self,
        homes: &[(usize, usize, Region)],
        uses: &[(usize, bool, usize, Region)],
    ) -> Option<()> {
        let mut touches = std::mem::take(&mut self.touches);
        // Between the reduction and the store, nothing else is there.
        for (from, until, home) in homes {
            let between = |at: usize| *from <= at && at < *until;
            for t in touches.iter().filter(|t| between(t.at)) {
                self.keep_apart(home, &t.region, true)?;
            }
            for (at, _, other) in homes.iter().filter(|(at, _, _)| between(*at)) {
                if (at, other) != (from, home) {
                    self.keep_apart(home, other, true)?;
                }
            }
        }
        touches.extend(homes.iter().map(|(at, _, region)| Touch {
            at: *at,
            written: true,
            region: region.clone(),
        }));
        for (at, whole, since, region) in uses {
            // A nest reads a scalar for each item that it writes.
            let between = |t: &&Touch| *since < t.at && (t.at < *at || *whole && t.at == *at);
            for t in touches.iter().filter(|t| t.written).filter(between) {
                self.keep_apart(&t.region, region, true)?;
            }
        }
        self.touches = touches;
        Some(())
    }

    /// Whether the rounds go along the rows of arrays whose columns they walk through.
    fn pays(&self, steps: &[Step]) -> bool {
        let mut any = false;
        for step in steps {
            let Work::Nest(nest, _) = &step.work else {
                continue;
            };
            for access in accesses(nest) {
                let Some(region) = self.region(access.array, access.item) else {
                    return false;
                };
                if region.along().is_none() {
                    // What lies in columns would have the loops go down these.
                    if access.item.layout == Layout::F {
                        return false;
                    }
                } else if !region.is_spot() {
                    if !region.is_dense() {
                        return false;
                    }
                    any = true;
                }
            }
        }
        any
    }
}

/// What a block defines.
fn header_values(f: &Function, header: usize) -> impl Iterator<Item = Value> {
    let block = &f.blocks[header];
    let computed = block.insts.iter().flat_map(|i| &i.results);
    block.params.iter().chain(computed).copied()
}

/// The arrays of a nest that are there before it.
fn accesses(nest: &Nest) -> impl Iterator<Item = &Access> {
    let written = nest.outputs.iter().filter_map(|o| match &o.kind {
        OutputKind::Store(access) => Some(access),
        OutputKind::Reduce(r) => r.target.as_ref(),
        _ => None,
    });
    nest.inputs.iter().map(|i| &i.access).chain(written)
}

/// The values from outside that the items of a step are computed from.
fn scalars(work: &Work) -> Vec<Value> {
    let mut scalars = vec![];
    match work {
        Work::Store(_, value) => scalars.push(*value),
        Work::Nest(nest, _) => {
            let locals = nest.locals();
            let mut note = |v: Value| {
                if !locals.contains(&v) && !scalars.contains(&v) {
                    scalars.push(v);
                }
            };
            for inst in &nest.insts {
                inst.op.for_each_operand(&mut note);
            }
            nest.outputs
                .iter()
                .flat_map(|o| &o.values)
                .for_each(|&v| note(v));
        }
    }
    scalars
}
