//! A group of nests becomes a loop over bands.

use smallvec::smallvec;

use super::*;
use crate::tir::build::Builder;
use crate::tir::nest::Output;
use crate::tir::pass::simplify::Renaming;
use crate::tir::{Block, BlockId, Cmp};

type Vals = smallvec::SmallVec<[Value; 4]>;

/// What the rows of a band that the nests touch take, in bytes: they are to stay in the second-level cache
/// until the last nest has seen them.
const BAND: i64 = 1 << 17;
/// Groups whose arrays are not larger than so many bands run in one.
const FEW: i64 = 4;
/// The least rows of a band, where rows are long.
const LEAST: i64 = 4;

/// What is computed before the loop.
struct Head {
    /// The number of rows of a band.
    band: Value,
    /// For each member and input whose rows may stay: whether they do.
    stays: FxHashMap<(usize, usize), Value>,
}

impl Group {
    /// Rewrites the function. The blocks of the loop.
    pub(super) fn apply(&self, f: &mut Function) -> Vec<usize> {
        let mut b = Builder::resume(std::mem::replace(f, Function::empty()));
        let first = self.members[0].at;
        let (enter, exit) = self.cut_out(&mut b);
        let mut blocks = self.blocks.clone();
        blocks[0] = enter.index();
        let head = BlockId(first.block as u32);
        b.switch_to(head);
        self.hoist(&mut b, &blocks);
        let nests: Vec<(Nest, Inst)> = blocks
            .iter()
            .flat_map(|block| &b.func.blocks[*block].insts)
            .filter_map(|i| match &i.op {
                Op::Nest(nest) => Some((nest.as_ref().clone(), i.clone())),
                _ => None,
            })
            .collect();
        b.set_loc_id(nests[0].1.loc);
        let (zero, one) = (b.i64(0), b.i64(1));
        let mut total = one;
        for (member, (nest, _)) in self.members.iter().zip(&nests) {
            let shift = b.i64(member.shift);
            let end = b.binary_nsw(Bin::Add, nest.extents[0], shift);
            // A single band at least: there may be checks.
            total = b.binary(Bin::SMax, total, end);
        }
        let head = self.head(&mut b, &nests, total);
        self.allocate(&mut b, &blocks, &nests, head.band);
        let (header, latch) = (b.new_block(), b.new_block());
        b.jump(header, &[zero]);
        b.switch_to(header);
        let from = b.add_param(header, Type::I64);
        let more = b.cmp(Cmp::SLt, from, total);
        b.terminate(Term::Branch {
            cond: more,
            then: Target {
                block: enter,
                args: smallvec![],
            },
            other: exit,
            hint: Hint::None,
        });
        let mut k = 0;
        for &block in &blocks {
            let insts = b.take_insts(BlockId(block as u32));
            let mut term = std::mem::take(&mut b.func.blocks[block].term);
            b.switch_to(BlockId(block as u32));
            for inst in insts {
                if !matches!(inst.op, Op::Nest(_)) {
                    b.func.blocks[block].insts.push(inst);
                    continue;
                }
                self.nest(&mut b, k, &nests[k], from, &head);
                k += 1;
                let latch = (k == nests.len()).then(|| Target {
                    block: latch,
                    args: smallvec![],
                });
                let Term::Branch { other, .. } = &mut term else {
                    term = latch.map_or(term, Term::Jump);
                    continue;
                };
                if nests[k - 1].0.allocates() {
                    // What follows is the check of its error.
                    *other = latch.unwrap_or_else(|| other.clone());
                    let body = &b.func.blocks[block].insts;
                    if body.last().is_some_and(|i| i.results.is_empty()) {
                        term = Term::Jump(other.clone());
                        break;
                    }
                }
            }
            b.func.blocks[block].term = term;
        }
        b.switch_to(latch);
        let next = b.binary_nsw(Bin::Add, from, head.band);
        self.keep(&mut b, &nests, next, total, &head);
        b.jump(header, &[next]);
        *f = b.func;
        blocks.extend([header.index(), latch.index()]);
        blocks
    }

    /// Cuts the block of the first nest before it, and that of the last one behind it: where the loop begins,
    /// and what follows it.
    fn cut_out(&self, b: &mut Builder) -> (BlockId, Target) {
        let (first, last) = (self.members[0].at, self.members[self.members.len() - 1].at);
        let enter = b.new_block();
        let blocks = &mut b.func.blocks;
        let head = &mut blocks[first.block];
        let mut insts = head.insts.split_off(first.inst);
        let (mut term, mut term_loc) = (std::mem::take(&mut head.term), head.term_loc);
        let mut rounds = std::mem::take(&mut head.rounds);
        let (mut at, mut block) = (last.inst, last.block);
        if last.block == first.block {
            (at, block) = (at - first.inst, enter.index());
        } else {
            blocks[enter.index()].insts = std::mem::take(&mut insts);
            blocks[enter.index()].term = term;
            blocks[enter.index()].term_loc = term_loc;
            let body = &mut blocks[last.block];
            insts = std::mem::take(&mut body.insts);
            (term, term_loc) = (std::mem::take(&mut body.term), body.term_loc);
            rounds = std::mem::take(&mut body.rounds);
        }
        let raises = matches!(&insts[at].op, Op::Nest(nest) if nest.allocates());
        let after = match (&term, raises) {
            (Term::Branch { other, .. }, true) => other.clone(),
            _ => {
                blocks.push(Block {
                    params: vec![],
                    insts: insts.split_off(at + 1),
                    term: std::mem::take(&mut term),
                    term_loc,
                    rounds,
                });
                Target {
                    block: BlockId(blocks.len() as u32 - 1),
                    args: smallvec![],
                }
            }
        };
        blocks[block].insts = insts;
        blocks[block].term = term;
        (enter, after)
    }

    /// Moves what lies between the nests before the loop. Shapes of arrays that they make are those of the
    /// nests; views of what is kept are made anew for each band.
    fn hoist(&self, b: &mut Builder, blocks: &[usize]) {
        let mut renaming = Renaming::new(&b.func);
        let mut made: FxHashMap<Value, Vals> = FxHashMap::default();
        let mut moved = vec![];
        for &block in blocks {
            for inst in b.take_insts(BlockId(block as u32)) {
                if let Op::Nest(nest) = &inst.op {
                    for (output, range) in nest.outputs.iter().zip(nest.result_ranges()) {
                        if let Some(&array) = inst.results[range].first() {
                            made.insert(
                                array,
                                dims(nest, &output.kind)
                                    .iter()
                                    .map(|&d| nest.extents[d])
                                    .collect(),
                            );
                        }
                    }
                }
                if let Op::ArrayPart(array, Part::Shape(dim)) = inst.op
                    && let Some(shape) = made.get(&array)
                {
                    renaming.set(inst.results[0], shape[usize::from(dim)]);
                } else if inst
                    .results
                    .first()
                    .is_some_and(|v| self.hoisted.contains(v))
                {
                    moved.push(inst);
                } else if !self.is_view(&inst) {
                    b.func.blocks[block].insts.push(inst);
                }
            }
        }
        let head = b.current();
        b.func.blocks[head.index()].insts.append(&mut moved);
        renaming.apply(&mut b.func);
    }

    fn is_view(&self, inst: &Inst) -> bool {
        let mut views = self.kept.iter().flat_map(|k| &k.views);
        inst.results
            .first()
            .is_some_and(|v| views.any(|(view, _)| view == v))
    }

    /// How large a band is.
    fn head(&self, b: &mut Builder, nests: &[(Nest, Inst)], total: Value) -> Head {
        let mut whole = b.bool(false);
        for &cond in &self.checks {
            whole = b.binary(Bin::Or, whole, cond);
        }
        for &[x, y] in &self.apart {
            let meet = b.touch(x, y);
            whole = b.binary(Bin::Or, whole, meet);
        }
        let mut stays = FxHashMap::default();
        for (m, (member, (nest, _))) in self.members.iter().zip(nests).enumerate() {
            for (i, reading) in member.inputs.iter().enumerate() {
                let Some(reading) = reading.as_ref().filter(|r| r.may_stay) else {
                    continue;
                };
                let array = nest.inputs[i].access.array;
                let size = self.size(b, nests, array, reading.dim);
                let stay = b.cmp(Cmp::Ne, size, nest.extents[0]);
                if reading.written {
                    whole = b.binary(Bin::Or, whole, stay);
                }
                stays.insert((m, i), stay);
            }
        }
        let mut bytes = b.i64(1);
        let mut seen = FxHashSet::default();
        for (member, (nest, _)) in self.members.iter().zip(nests) {
            for touch in &member.touches {
                if touch.rows.as_ref().is_some_and(|r| seen.insert(r.base)) {
                    let mut row = b.i64(i64::from(touch.item.size));
                    for &n in &nest.extents[1..] {
                        row = b.binary(Bin::Mul, row, n);
                    }
                    bytes = b.binary(Bin::Add, bytes, row);
                }
            }
        }
        let least = self.kept.iter().map(|k| k.rows).fold(LEAST, i64::max);
        let least = b.i64(least);
        let mut band = least;
        if !b.func.options.without.has(Rewrites::WHOLE) {
            let one = b.i64(1);
            let bytes = b.binary(Bin::SMax, bytes, one);
            let room = b.i64(BAND);
            let rows = b.binary(Bin::SDiv, room, bytes);
            let few = b.i64(FEW);
            let small = b.binary_nsw(Bin::Mul, rows, few);
            let fits = b.cmp(Cmp::SLe, total, small);
            whole = b.binary(Bin::Or, whole, fits);
            band = b.binary(Bin::SMax, rows, least);
        }
        let band = b.select(whole, total, band);
        Head { band, stays }
    }

    /// The size of an array's dimension; of one that is not there yet, from what makes it.
    fn size(&self, b: &mut Builder, nests: &[(Nest, Inst)], array: Value, dim: usize) -> Value {
        let Some((kept, view)) = self.kept(array) else {
            return b.part(array, Part::Shape(dim as u8));
        };
        let own = |dim: usize| {
            let nest = &nests[kept.member].0;
            nest.extents[dims(nest, &nest.outputs[kept.output].kind)[dim]]
        };
        match view.map(|v| v.axes[dim]) {
            None => own(dim),
            Some(Axis::Whole(dim)) => own(usize::from(dim)),
            Some(Axis::Part { count, .. }) => count,
            Some(Axis::New) => b.i64(1),
        }
    }

    /// The array of which there are bands that this one is, or is a view of.
    fn kept(&self, array: Value) -> Option<(&Kept, Option<&Subview>)> {
        self.kept.iter().find_map(|kept| {
            if kept.array == array {
                return Some((kept, None));
            }
            let view = kept.views.iter().find(|(v, _)| *v == array)?;
            Some((kept, Some(&view.1)))
        })
    }

    /// Makes the arrays that the nests fill.
    fn allocate(&self, b: &mut Builder, blocks: &[usize], nests: &[(Nest, Inst)], band: Value) {
        for (m, (nest, inst)) in nests.iter().enumerate() {
            let err = inst.results.last().copied();
            for (output, range) in nest.outputs.iter().zip(nest.result_ranges()) {
                let (Some(item), Some(&array)) = (new(&output.kind), inst.results[range].first())
                else {
                    continue;
                };
                let dims = dims(nest, &output.kind);
                let mut extents: Vals = dims.iter().map(|&d| nest.extents[d]).collect();
                if let Some(kept) = self.kept.iter().find(|k| k.array == array) {
                    let before = b.i64(kept.rows);
                    extents[0] = b.binary_nsw(Bin::Add, band, before);
                }
                b.set_loc_id(inst.loc);
                let raised = b.value(Type::Err);
                let head = b.current().index();
                b.func.blocks[head].insts.push(Inst {
                    op: Op::Nest(Box::new(Nest {
                        extents,
                        inputs: vec![],
                        indices: smallvec![],
                        insts: vec![],
                        outputs: vec![Output {
                            values: smallvec![],
                            kind: OutputKind::New(item),
                        }],
                        guards: vec![],
                        sources: vec![],
                    })),
                    results: smallvec![array, raised],
                    loc: inst.loc,
                });
                let null = b.null(Type::Err);
                let failed = b.cmp(Cmp::Ne, raised, null);
                let (next, leave) = (b.new_block(), b.new_block());
                b.branch(failed, leave, next, Hint::Unlikely);
                self.leave(b, blocks, m, err, raised, leave);
                b.switch_to(next);
            }
        }
    }

    /// Leaves the function with an error as the check behind a nest does.
    fn leave(
        &self,
        b: &mut Builder,
        blocks: &[usize],
        member: usize,
        err: Option<Value>,
        raised: Value,
        block: BlockId,
    ) {
        let at = self
            .blocks
            .iter()
            .position(|&k| k == self.members[member].at.block);
        let Some(Term::Branch { then, .. }) = at.map(|k| b.func.blocks[blocks[k]].term.clone())
        else {
            return;
        };
        let mut names: FxHashMap<Value, Value> = err.map(|e| (e, raised)).into_iter().collect();
        let body = b.func.block(then.block).clone();
        for mut inst in body.insts {
            inst.op.for_each_operand_mut(&mut |v: &mut Value| {
                *v = names.get(v).copied().unwrap_or(*v)
            });
            for result in &mut inst.results {
                let ty = b.ty(*result);
                let new = b.value(ty);
                names.insert(std::mem::replace(result, new), new);
            }
            b.func.blocks[block.index()].insts.push(inst);
        }
        let own = &mut b.func.blocks[block.index()];
        own.term = Term::Throw(raised);
        own.term_loc = body.term_loc;
    }

    /// A nest, for a band that begins at row `from`.
    fn nest(
        &self,
        b: &mut Builder,
        m: usize,
        (nest, inst): &(Nest, Inst),
        from: Value,
        head: &Head,
    ) {
        b.set_loc_id(inst.loc);
        let mut nest = nest.clone();
        let (zero, rows) = (b.i64(0), nest.extents[0]);
        let shift = b.i64(self.members[m].shift);
        // Where the band begins, counted in rows of this nest.
        let begin = b.binary_nsw(Bin::Sub, from, shift);
        let end = b.binary_nsw(Bin::Add, begin, head.band);
        let low = b.binary(Bin::SMax, begin, zero);
        let low = b.binary(Bin::SMin, low, rows);
        let high = b.binary(Bin::SMax, end, zero);
        let high = b.binary(Bin::SMin, high, rows);
        let count = b.binary_nsw(Bin::Sub, high, low);
        nest.extents[0] = count;
        if let Some(index) = nest.indices.first_mut() {
            let whole = std::mem::replace(index, b.value(Type::I64));
            let shifted = Inst {
                op: Op::Binary {
                    op: Bin::Add,
                    a: low,
                    b: *index,
                    nsw: true,
                },
                results: smallvec![whole],
                loc: inst.loc,
            };
            nest.insts.insert(0, shifted);
        }
        for (i, reading) in self.members[m].inputs.iter().enumerate() {
            let Some(reading) = reading else { continue };
            let access = &mut nest.inputs[i].access;
            let (mut start, mut size) = (low, count);
            if let Some(&stays) = head.stays.get(&(m, i)) {
                let one = b.i64(1);
                start = b.select(stays, zero, low);
                size = b.select(stays, one, count);
            }
            self.narrow(b, access, reading.dim, start, size, from);
        }
        let ranges = nest.result_ranges();
        let rank = nest.extents.len();
        for (output, range) in nest.outputs.iter_mut().zip(ranges) {
            let item = new(&output.kind);
            match (&mut output.kind, item) {
                (kind @ OutputKind::New(_), Some(item)) => {
                    let access = Access::whole(inst.results[range.start], rank, item);
                    *kind = OutputKind::Store(access);
                }
                (OutputKind::Reduce(r), Some(item)) => {
                    let kept = r.kept(rank);
                    r.target = Some(Access::along(inst.results[range.start], kept, item));
                }
                _ => {}
            }
            let target = match &mut output.kind {
                OutputKind::Store(access) => Some(access),
                OutputKind::Reduce(r) => r.target.as_mut(),
                _ => None,
            };
            if let Some(access) = target
                && let Some(dim) = access.dims.iter().position(|d| d.dim == 0)
            {
                self.narrow(b, access, dim, low, count, from);
            }
        }
        let results = if nest.allocates() {
            inst.results.last().copied().into_iter().collect()
        } else {
            smallvec![]
        };
        let block = b.current().index();
        b.func.blocks[block].insts.push(Inst {
            op: Op::Nest(Box::new(nest)),
            results,
            loc: inst.loc,
        });
    }

    /// Makes an access one to a band of the array: `count` rows from `low` on.
    fn narrow(
        &self,
        b: &mut Builder,
        access: &mut Access,
        dim: usize,
        low: Value,
        count: Value,
        from: Value,
    ) {
        let one = b.i64(1);
        let rank = access.dims.len();
        let part = |of: usize, start: Value| Axis::Part {
            dim: of as u8,
            start,
            count,
            step: one,
        };
        let mut view = Subview {
            base: access.array,
            at: smallvec![],
            axes: (0..rank as u8).map(Axis::Whole).collect(),
            item: access.item,
        };
        let mut start = low;
        if let Some((kept, seen)) = self.kept(access.array) {
            // What is there of the array begins some rows before the band.
            let before = b.i64(kept.rows + self.members[kept.member].shift);
            let there = b.binary_nsw(Bin::Sub, from, before);
            start = b.binary_nsw(Bin::Sub, low, there);
            if let Some(seen) = seen {
                view = seen.clone();
            }
        }
        match &mut view.axes[dim] {
            Axis::Part { start: first, .. } => {
                let first = *first;
                start = b.binary_nsw(Bin::Add, first, start);
            }
            _ => {}
        }
        let of = match view.axes[dim] {
            Axis::Whole(of) | Axis::Part { dim: of, .. } => usize::from(of),
            Axis::New => return,
        };
        view.axes[dim] = part(of, start);
        access.array = b.subview(view);
    }

    /// Moves the last rows of a band before those of the next one.
    fn keep(
        &self,
        b: &mut Builder,
        nests: &[(Nest, Inst)],
        next: Value,
        total: Value,
        head: &Head,
    ) {
        let more = b.cmp(Cmp::SLt, next, total);
        let zero = b.i64(0);
        for kept in self.kept.iter().filter(|k| k.rows > 0) {
            let (nest, inst) = &nests[kept.member];
            b.set_loc_id(inst.loc);
            let kind = &nest.outputs[kept.output].kind;
            let Some(item) = new(kind) else { continue };
            let dims = dims(nest, kind);
            let rows = b.i64(kept.rows);
            let rows = b.select(more, rows, zero);
            let mut extents: Vals = dims.iter().map(|&d| nest.extents[d]).collect();
            extents[0] = rows;
            let part = |b: &mut Builder, start: Value| {
                let one = b.i64(1);
                let mut axes: smallvec::SmallVec<[Axis; 4]> =
                    (0..dims.len() as u8).map(Axis::Whole).collect();
                axes[0] = Axis::Part {
                    dim: 0,
                    start,
                    count: rows,
                    step: one,
                };
                let array = b.subview(Subview {
                    base: kept.array,
                    at: smallvec![],
                    axes,
                    item,
                });
                Access::whole(array, dims.len(), item)
            };
            let (read, store) = (part(b, head.band), part(b, zero));
            let elements = nest.outputs[kept.output]
                .values
                .iter()
                .map(|&v| b.ty(v))
                .collect::<Vec<_>>();
            let elements: smallvec::SmallVec<[Value; 2]> =
                elements.into_iter().map(|ty| b.value(ty)).collect();
            b.push(
                Op::Nest(Box::new(Nest {
                    extents,
                    inputs: vec![Input::new(read, elements.clone())],
                    indices: smallvec![],
                    insts: vec![],
                    outputs: vec![Output {
                        values: elements,
                        kind: OutputKind::Store(store),
                    }],
                    guards: vec![],
                    sources: vec![],
                })),
                &[],
            );
        }
    }
}

/// The item of a new array.
fn new(kind: &OutputKind) -> Option<Item> {
    match kind {
        OutputKind::New(item) => Some(*item),
        OutputKind::Reduce(r) if r.makes_array() => r.item,
        _ => None,
    }
}

/// The dimensions of a nest that a new array has.
fn dims(nest: &Nest, kind: &OutputKind) -> Vec<usize> {
    let rank = nest.extents.len();
    match kind {
        OutputKind::Reduce(r) => r.kept(rank).collect(),
        _ => (0..rank).collect(),
    }
}
