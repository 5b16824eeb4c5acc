//! A group of nests becomes a loop over bands.

use std::collections::BTreeMap;

use smallvec::{SmallVec, smallvec};

use super::*;
use crate::nest::body::copy;
use crate::tir::build::Builder;
use crate::tir::nest::{Along, Output};
use crate::tir::pass::simplify::{Renaming, for_each_term_operand};
use crate::tir::{Block, BlockId, Cmp, Spread};

type Vals = SmallVec<[Value; 4]>;

/// What the rows of a band that the nests touch take, in bytes: they are to stay in the second-level cache
/// until the last nest has seen them.
const BAND: i64 = 1 << 17;
/// Groups whose arrays are not larger than so many bands run in one.
const FEW: i64 = 4;
/// The least rows of a band, where rows are long.
const LEAST: i64 = 8;

/// The nests of a group, with the instructions that they are.
type Nests = Vec<(Nest, Inst)>;

impl Group {
    /// Rewrites the function. The blocks of the group and of the loop over bands.
    pub(super) fn apply(&self, f: &mut Function) -> Vec<usize> {
        let mut b = Builder::resume(std::mem::replace(f, Function::empty()));
        let head = BlockId(self.members[0].at.block as u32);
        let (mut blocks, exit) = self.cut_out(&mut b);
        b.switch_to(head);
        let shapes = self.hoist(&mut b, &blocks);
        let nests: Nests = blocks
            .iter()
            .flat_map(|block| &b.func.blocks[*block].insts)
            .filter_map(|i| match &i.op {
                Op::Nest(nest) => Some((nest.as_ref().clone(), i.clone())),
                _ => None,
            })
            .collect();
        b.set_loc_id(nests[0].1.loc);
        let mut total = b.i64(0);
        for (member, (nest, _)) in self.members.iter().zip(&nests) {
            let shift = b.i64(member.shift);
            let end = b.binary_nsw(Bin::Add, nest.extents[0], shift);
            total = b.binary(Bin::SMax, total, end);
        }
        let (unusual, bytes) = self.size(&mut b, &nests, &shapes);
        let first = b.new_block();
        b.branch(unusual, BlockId(blocks[0] as u32), first, Hint::Unlikely);
        b.switch_to(first);
        let band = self.band(&mut b, bytes, total);
        let mut made = self.allocate(&mut b, &blocks, &nests, band);
        // What is there as a whole in the end, whichever way was taken.
        let whole = made
            .iter()
            .filter(|(array, _)| self.kept(**array).is_none());
        let (whole, filled): (Vec<Value>, Vec<Value>) = whole.map(|(x, y)| (*x, *y)).unzip();
        self.view(&mut b, &blocks, &mut made);
        let (body, several) = (b.new_block(), b.new_block());
        let zero = b.i64(0);
        b.jump(body, &[zero]);
        b.switch_to(body);
        let from = b.add_param(body, Type::I64);
        for (m, nest) in nests.iter().enumerate() {
            self.nest(&mut b, m, nest, &made, (from, band));
        }
        let next = b.binary_nsw(Bin::Add, from, band);
        let more = b.cmp(Cmp::SLt, next, total);
        b.terminate(Term::Branch {
            cond: more,
            then: Target {
                block: several,
                args: smallvec![],
            },
            other: Target {
                block: exit,
                args: filled.into(),
            },
            // What it takes to go on to another band is not worth much code.
            hint: Hint::Unlikely,
        });
        b.switch_to(several);
        self.keep(&mut b, &nests, &made, band);
        b.jump(body, &[next]);
        self.join(&mut b, &blocks, exit, &whole);
        *f = b.func;
        blocks.extend([body.index(), several.index()]);
        blocks
    }

    /// Cuts the block of the first nest before it, and that of the last one behind it: the blocks of the
    /// group, and what follows it.
    fn cut_out(&self, b: &mut Builder) -> (Vec<usize>, BlockId) {
        let (first, last) = (self.members[0].at, self.members[self.members.len() - 1].at);
        let (enter, exit) = (b.new_block(), b.new_block());
        let mut group = self.blocks.clone();
        group[0] = enter.index();
        let blocks = &mut b.func.blocks;
        let tail = std::mem::take(&mut blocks[first.block]);
        let (before, mut inside) = (
            Block {
                params: tail.params.clone(),
                insts: tail.insts[..first.inst].to_vec(),
                spread: tail.spread,
                ..Block::default()
            },
            Block {
                params: vec![],
                spread: Spread::default(),
                ..tail
            },
        );
        inside.insts.drain(..first.inst);
        blocks[first.block] = before;
        blocks[enter.index()] = inside;
        let end = group[group.len() - 1];
        let at = if group.len() == 1 {
            last.inst - first.inst
        } else {
            last.inst
        };
        let onwards = Target {
            block: exit,
            args: smallvec![],
        };
        let body = &mut blocks[end];
        let raises = matches!(&body.insts[at].op, Op::Nest(nest) if nest.allocates());
        let after = match (&mut body.term, raises) {
            // What follows is the check of its error.
            (Term::Branch { other, .. }, true) => Block {
                term: Term::Jump(std::mem::replace(other, onwards)),
                term_loc: body.term_loc,
                ..Block::default()
            },
            _ => Block {
                insts: body.insts.split_off(at + 1),
                term: std::mem::replace(&mut body.term, Term::Jump(onwards)),
                term_loc: body.term_loc,
                rounds: std::mem::take(&mut body.rounds),
                ..Block::default()
            },
        };
        blocks[exit.index()] = after;
        (group, exit)
    }

    /// Moves what lies between the nests before both versions. The shapes of arrays that the nests make, and
    /// of views of them.
    fn hoist(&self, b: &mut Builder, blocks: &[usize]) -> FxHashMap<Value, Vals> {
        let head = b.current().index();
        let one = b.i64(1);
        let mut renaming = Renaming::new(&b.func);
        let mut shapes: FxHashMap<Value, Vals> = FxHashMap::default();
        for &block in blocks {
            for inst in b.take_insts(BlockId(block as u32)) {
                match &inst.op {
                    Op::Nest(nest) => {
                        for (output, range) in nest.outputs.iter().zip(nest.result_ranges()) {
                            if let Some(&array) = inst.results[range].first() {
                                shapes.insert(array, shape(nest, &output.kind));
                            }
                        }
                    }
                    Op::Subview(view) => {
                        if let Some(base) = shapes.get(&view.base) {
                            let size = |axis: &Axis| match *axis {
                                Axis::New => one,
                                Axis::Whole(dim) => base[usize::from(dim)],
                                Axis::Part { count, .. } => count,
                            };
                            let shape = view.axes.iter().map(size).collect();
                            shapes.insert(inst.results[0], shape);
                        }
                    }
                    Op::ArrayPart(array, Part::Shape(dim)) => {
                        if let Some(shape) = shapes.get(array) {
                            renaming.set(inst.results[0], shape[usize::from(*dim)]);
                            continue;
                        }
                    }
                    _ => {}
                }
                let moves = inst
                    .results
                    .first()
                    .is_some_and(|v| self.hoisted.contains(v));
                b.func.blocks[if moves { head } else { block }]
                    .insts
                    .push(inst);
            }
        }
        renaming.apply(&mut b.func);
        for size in shapes.values_mut().flatten() {
            *size = renaming.find(*size);
        }
        shapes
    }

    /// Whether the nests have to run as they were, and how many bytes the rows at an index take.
    fn size(
        &self,
        b: &mut Builder,
        nests: &Nests,
        shapes: &FxHashMap<Value, Vals>,
    ) -> (Value, Value) {
        let mut unusual = b.bool(false);
        for &cond in &self.checks {
            unusual = b.binary(Bin::Or, unusual, cond);
        }
        for &[x, y] in &self.apart {
            let meet = b.touch(x, y);
            unusual = b.binary(Bin::Or, unusual, meet);
        }
        for input in nests
            .iter()
            .flat_map(|(nest, _)| nest.inputs.iter().map(move |i| (nest, i)))
        {
            let (nest, access) = (input.0, &input.1.access);
            for (dim, along) in access.dims.iter().enumerate() {
                if along.stretch == Stretch::Maybe {
                    let size = match shapes.get(&access.array) {
                        Some(shape) => shape[dim],
                        None => b.part(access.array, Part::Shape(dim as u8)),
                    };
                    let stays = b.cmp(Cmp::Ne, size, nest.extents[usize::from(along.dim)]);
                    unusual = b.binary(Bin::Or, unusual, stays);
                }
            }
        }
        let mut bytes = b.i64(0);
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
        (unusual, bytes)
    }

    /// How many rows a band has, of which each takes so many bytes: all of them if that is not much.
    fn band(&self, b: &mut Builder, bytes: Value, total: Value) -> Value {
        let forced = b.func.options.without.has(Rewrites::WHOLE);
        let least = if forced { 1 } else { LEAST };
        let least = self.kept.iter().map(|k| k.rows).fold(least, i64::max);
        let least = b.i64(least);
        if forced {
            return least;
        }
        // The product may be anything where arrays are too large to be there.
        let all = b.binary(Bin::Mul, bytes, total);
        let (few, room, one) = (b.i64(FEW * BAND), b.i64(BAND), b.i64(1));
        let fits = b.cmp(Cmp::SLe, all, few);
        let bytes = b.binary(Bin::SMax, bytes, one);
        let rows = b.binary(Bin::SDiv, room, bytes);
        let rows = b.binary(Bin::SMax, rows, least);
        let total = b.binary(Bin::SMax, total, least);
        b.select(fits, total, rows)
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

    /// Makes the arrays that the nests fill; by the names that they have in the other version.
    fn allocate(
        &self,
        b: &mut Builder,
        blocks: &[usize],
        nests: &Nests,
        band: Value,
    ) -> BTreeMap<Value, Value> {
        let mut made = BTreeMap::new();
        for (m, (nest, inst)) in nests.iter().enumerate() {
            for (output, range) in nest.outputs.iter().zip(nest.result_ranges()) {
                let (Some(item), Some(&array)) = (new(&output.kind), inst.results[range].first())
                else {
                    continue;
                };
                let mut extents = shape(nest, &output.kind);
                if let Some((kept, _)) = self.kept(array) {
                    let before = b.i64(kept.rows);
                    extents[0] = b.binary_nsw(Bin::Add, band, before);
                }
                b.set_loc_id(inst.loc);
                let types = [Type::Array(extents.len() as u8), Type::Err];
                let empty = Output {
                    values: smallvec![],
                    kind: OutputKind::New(item),
                };
                let results = b.push(
                    Op::Nest(Box::new(Nest::plain(extents, vec![], empty))),
                    &types,
                );
                let null = b.null(Type::Err);
                let failed = b.cmp(Cmp::Ne, results[1], null);
                let (next, leave) = (b.new_block(), b.new_block());
                b.branch(failed, leave, next, Hint::Unlikely);
                self.leave(
                    b,
                    blocks,
                    m,
                    (inst.results.last().copied(), results[1]),
                    leave,
                );
                b.switch_to(next);
                made.insert(array, results[0]);
            }
        }
        made
    }

    /// Makes the views of arrays that the nests fill, but for those of which there are bands only.
    fn view(&self, b: &mut Builder, blocks: &[usize], made: &mut BTreeMap<Value, Value>) {
        let insts = blocks.iter().flat_map(|block| &b.func.blocks[*block].insts);
        let views = insts.filter_map(|i| match &i.op {
            Op::Subview(view) => Some((i.results[0], view.as_ref().clone())),
            _ => None,
        });
        for (seen, view) in views.collect::<Vec<_>>() {
            if let (Some(&base), None) = (made.get(&view.base), self.kept(seen)) {
                let view = b.subview(Subview { base, ..view });
                made.insert(seen, view);
            }
        }
    }

    /// Leaves the function with an error as the check behind a nest does.
    fn leave(
        &self,
        b: &mut Builder,
        blocks: &[usize],
        member: usize,
        (err, raised): (Option<Value>, Value),
        block: BlockId,
    ) {
        let at = self.members[member].at.block;
        let at = self.blocks.iter().position(|&k| k == at).map(|k| blocks[k]);
        let Some(Term::Branch { then, .. }) = at.map(|at| b.func.blocks[at].term.clone()) else {
            return;
        };
        let mut names: FxHashMap<Value, Value> = err.map(|e| (e, raised)).into_iter().collect();
        let body = b.func.block(then.block).clone();
        for (&param, arg) in body.params.iter().zip(&then.args) {
            names.insert(param, names[arg]);
        }
        for mut inst in body.insts {
            inst.op.for_each_operand_mut(&mut |v| *v = names[v]);
            for result in &mut inst.results {
                let new = b.value(b.ty(*result));
                names.insert(std::mem::replace(result, new), new);
            }
            b.func.blocks[block.index()].insts.push(inst);
        }
        let own = &mut b.func.blocks[block.index()];
        own.term_loc = body.term_loc;
        own.term = body.term;
        for_each_term_operand(&mut own.term, |v| *v = names[v]);
    }

    /// A nest, for a band that begins at row `from`. No two arrays meet that are not known to: nothing has
    /// to be kept aside.
    fn nest(
        &self,
        b: &mut Builder,
        m: usize,
        (nest, inst): &(Nest, Inst),
        made: &BTreeMap<Value, Value>,
        (from, band): (Value, Value),
    ) {
        b.set_loc_id(inst.loc);
        let mut nest = copy(b, nest);
        nest.guards.clear();
        let (zero, all) = (b.i64(0), nest.extents[0]);
        let shift = b.i64(self.members[m].shift);
        // Where the band begins and ends, counted in rows of this nest.
        let begin = b.binary_nsw(Bin::Sub, from, shift);
        let end = b.binary_nsw(Bin::Add, begin, band);
        let [low, high] = [begin, end].map(|row| {
            let row = b.binary(Bin::SMax, row, zero);
            b.binary(Bin::SMin, row, all)
        });
        let count = b.binary_nsw(Bin::Sub, high, low);
        nest.extents[0] = count;
        if let Some(index) = nest.indices.first_mut() {
            let counted = b.value(Type::I64);
            let shifted = Inst {
                op: Op::Binary {
                    op: Bin::Add,
                    a: low,
                    b: counted,
                    nsw: true,
                },
                results: smallvec![std::mem::replace(index, counted)],
                loc: inst.loc,
            };
            nest.insts.insert(0, shifted);
        }
        let rows = Band {
            from,
            low,
            count,
            made,
        };
        for access in nest.inputs.iter_mut().map(|i| &mut i.access) {
            for along in access
                .dims
                .iter_mut()
                .filter(|d| d.stretch == Stretch::Maybe)
            {
                along.stretch = Stretch::No;
            }
            self.narrow(b, access, &rows);
        }
        let ranges = nest.result_ranges();
        let rank = nest.extents.len();
        for (output, range) in nest.outputs.iter_mut().zip(ranges) {
            let item = new(&output.kind);
            match (&mut output.kind, item) {
                (kind @ OutputKind::New(_), Some(item)) => {
                    *kind = OutputKind::Store(Access::whole(inst.results[range.start], rank, item));
                }
                (OutputKind::Reduce(r), Some(item)) => {
                    let kept = r.kept(rank);
                    r.target = Some(Access::along(inst.results[range.start], kept, item));
                }
                _ => {}
            }
            match &mut output.kind {
                OutputKind::Store(access) => self.narrow(b, access, &rows),
                OutputKind::Reduce(r) => r.target.iter_mut().for_each(|t| self.narrow(b, t, &rows)),
                _ => {}
            }
        }
        b.push(Op::Nest(Box::new(nest)), &[]);
    }

    /// Makes an access one to a band of the array.
    fn narrow(&self, b: &mut Builder, access: &mut Access, rows: &Band<'_>) {
        let follows = |d: &Along| d.dim == 0 && d.stretch == Stretch::No;
        let Some(dim) = access.dims.iter().position(follows) else {
            return;
        };
        let own = |array: Value| rows.made.get(&array).copied().unwrap_or(array);
        let mut view = Subview {
            base: own(access.array),
            at: smallvec![],
            axes: (0..access.dims.len() as u8).map(Axis::Whole).collect(),
            item: access.item,
        };
        let mut start = rows.low;
        if let Some((kept, seen)) = self.kept(access.array) {
            // What is there of the array begins some rows before the band.
            let before = b.i64(kept.rows + self.members[kept.member].shift);
            let there = b.binary_nsw(Bin::Sub, rows.from, before);
            start = b.binary_nsw(Bin::Sub, start, there);
            if let Some(seen) = seen {
                view = Subview {
                    base: own(seen.base),
                    ..seen.clone()
                };
            }
        }
        let (of, first) = match view.axes[dim] {
            Axis::Whole(of) => (of, None),
            Axis::Part { dim, start, .. } => (dim, Some(start)),
            Axis::New => return,
        };
        if let Some(first) = first {
            start = b.binary_nsw(Bin::Add, first, start);
        }
        view.axes[dim] = Axis::Part {
            dim: of,
            start,
            count: rows.count,
            step: b.i64(1),
        };
        access.array = b.subview(view);
    }

    /// Moves the last rows of a band before those of the next one.
    fn keep(&self, b: &mut Builder, nests: &Nests, made: &BTreeMap<Value, Value>, band: Value) {
        for kept in self.kept.iter().filter(|k| k.rows > 0) {
            let (nest, inst) = &nests[kept.member];
            let output = &nest.outputs[kept.output];
            let Some(item) = new(&output.kind) else {
                continue;
            };
            b.set_loc_id(inst.loc);
            let mut extents = shape(nest, &output.kind);
            let (rank, zero, one) = (extents.len(), b.i64(0), b.i64(1));
            extents[0] = b.i64(kept.rows);
            let [read, store] = [band, zero].map(|start| {
                let mut axes: SmallVec<[Axis; 4]> = (0..rank as u8).map(Axis::Whole).collect();
                axes[0] = Axis::Part {
                    dim: 0,
                    start,
                    count: extents[0],
                    step: one,
                };
                let rows = b.subview(Subview {
                    base: made[&kept.array],
                    at: smallvec![],
                    axes,
                    item,
                });
                Access::whole(rows, rank, item)
            });
            let types: Vec<Type> = output.values.iter().map(|&v| b.ty(v)).collect();
            let elements: SmallVec<[Value; 2]> = types.into_iter().map(|ty| b.value(ty)).collect();
            let moved = Output {
                values: elements.clone(),
                kind: OutputKind::Store(store),
            };
            let moving = Nest::plain(extents, vec![Input::new(read, elements)], moved);
            b.push(Op::Nest(Box::new(moving)), &[]);
        }
    }

    /// Where the two versions meet, arrays are those of one or the other, and views are made anew.
    fn join(&self, b: &mut Builder, blocks: &[usize], exit: BlockId, arrays: &[Value]) {
        let mut names: FxHashMap<Value, Value> = FxHashMap::default();
        for &array in arrays {
            let ty = b.ty(array);
            names.insert(array, b.value(ty));
            b.adopt_param(exit, array);
        }
        let insts = blocks.iter().flat_map(|block| &b.func.blocks[*block].insts);
        let views = insts.filter(|i| matches!(i.op, Op::Subview(_)));
        let views: Vec<Inst> = views
            .filter(|i| self.kept(i.results[0]).is_none())
            .cloned()
            .collect();
        for view in &views {
            let ty = b.ty(view.results[0]);
            names.insert(view.results[0], b.value(ty));
        }
        b.func.blocks[exit.index()].insts.splice(0..0, views);
        let rename = |v: &mut Value| *v = names.get(v).copied().unwrap_or(*v);
        for &block in blocks {
            let body = &mut b.func.blocks[block];
            for inst in &mut body.insts {
                inst.results.iter_mut().for_each(rename);
                inst.op.for_each_operand_mut(&mut { rename });
            }
            for target in body.term.targets_mut() {
                if target.block == exit {
                    target.args = arrays.iter().map(|array| names[array]).collect();
                }
            }
        }
    }
}

/// A band as a nest sees it: where it begins, and the nest's rows in it.
struct Band<'m> {
    from: Value,
    low: Value,
    count: Value,
    made: &'m BTreeMap<Value, Value>,
}

/// The item of a new array.
fn new(kind: &OutputKind) -> Option<Item> {
    match kind {
        OutputKind::New(item) => Some(*item),
        OutputKind::Reduce(r) if r.makes_array() => r.item,
        _ => None,
    }
}

/// The shape of a new array that a nest makes.
fn shape(nest: &Nest, kind: &OutputKind) -> Vals {
    match kind {
        OutputKind::Reduce(r) => r
            .kept(nest.extents.len())
            .map(|d| nest.extents[d])
            .collect(),
        _ => nest.extents.clone(),
    }
}
