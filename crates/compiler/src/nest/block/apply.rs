//! Writes the loop over blocks around a loop.
//!
//! ```text
//! entry:             what is the same in each round; how many items a block has
//! next(at..):        the arrays of this block          <-----------+
//!   header: ...      the rounds, for the items of the block        |
//! left:              done? where the loop went : ------------------+
//! ```

use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};

use super::Plan;
use super::loops::enter_through;
use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Along, Item, Nest, Output, OutputKind, Reduction, Stretch, unit_dim,
};
use crate::tir::{
    Bin, BlockId, Cmp, Function, Hint, Inst, Op, Part, Target, Term, Type, Un, Value,
};
use crate::types::Layout;

type Vals = SmallVec<[Value; 4]>;

/// One block, as the code at its beginning knows it.
struct Current {
    /// For each dimension of the nests: the first index, how many there are, and how many in all blocks.
    at: Vals,
    count: Vals,
    extents: Vals,
    /// Whether it is the last one.
    last: Value,
    /// Where the one after it begins.
    following: Vals,
    no: Value,
    /// The block of code that goes through it.
    code: BlockId,
    /// The parts of arrays from before the loop.
    views: Vec<(Access, Access)>,
}

impl Plan {
    pub fn apply(&self, f: &mut Function) {
        let mut w = Writer {
            b: Builder::resume(std::mem::replace(f, Function::empty())),
            plan: self,
        };
        w.b.set_loc_id(self.loc);
        let (entry, params) = w.enter();
        w.hoist(entry);
        w.b.switch_to(entry);
        let mut current = w.begin();
        w.part_nests(&mut current);
        w.b.switch_to(current.code);
        w.b.jump(self.header, &params);
        w.leave(&current);
        if let [(block, inst)] = w.nests()[..]
            && self.retirement.is_some()
        {
            w.retire(&current, block, inst);
        }
        *f = w.b.func;
    }
}

struct Writer<'p> {
    b: Builder,
    plan: &'p Plan,
}

impl Writer<'_> {
    fn is_inside(&self, block: BlockId) -> bool {
        self.plan.blocks.contains(&block)
    }

    /// A block through which the loop is entered, and what the header's parameters are at first.
    fn enter(&mut self) -> (BlockId, Vals) {
        let header = self.plan.header;
        let entry = self.b.new_block();
        let types: Vec<Type> = {
            let params = &self.b.func.block(header).params;
            params.iter().map(|&p| self.b.ty(p)).collect()
        };
        let params = types.into_iter().map(|ty| self.b.add_param(entry, ty));
        let params = params.collect();
        enter_through(&mut self.b.func, header, &self.plan.blocks, entry);
        (entry, params)
    }

    /// Moves what is the same in each round before the loop.
    fn hoist(&mut self, entry: BlockId) {
        for &block in &self.plan.blocks {
            let insts = std::mem::take(&mut self.b.func.blocks[block.index()].insts);
            let moves = |i: &Inst| {
                !i.results.is_empty() && i.results.iter().all(|v| self.plan.invariant.contains(v))
            };
            let (moved, stay) = insts.into_iter().partition(moves);
            self.b.func.blocks[block.index()].insts = stay;
            self.b.func.blocks[entry.index()]
                .insts
                .append(&mut { moved });
        }
    }

    /// Whether some of the arrays that should be apart are not, and not the same items either.
    fn meet(&mut self) -> Option<Value> {
        let plan = self.plan;
        let pairs = plan.apart.iter();
        let pairs = pairs.map(|(x, y)| self.b.touch((x.array, x.item), (y.array, y.item)));
        let pairs: Vec<Value> = pairs.collect();
        pairs
            .into_iter()
            .reduce(|a, b| self.b.binary(Bin::Or, a, b))
    }

    /// Goes on to the first block.
    fn begin(&mut self) -> Current {
        let written = &self.plan.written;
        let mut extents: Vals = smallvec![Value(0); written.dims.len()];
        for (k, along) in written.dims.iter().enumerate() {
            extents[usize::from(along.dim)] = self.b.part(written.array, Part::Shape(k as u8));
        }
        if self.plan.flat {
            let total = extents.iter().copied();
            let total = total.reduce(|n, m| self.b.binary_nsw(Bin::Mul, n, m));
            extents = total.into_iter().collect();
        }
        let rank = extents.len();
        let mut order: Vec<usize> = (0..rank).collect();
        if !self.plan.backwards {
            order.reverse();
        }
        // As many indices of the inner dimensions as there is room for, and for each of those of the outer ones.
        let one = self.b.i64(1);
        let mut room = self.b.i64(self.plan.items);
        let mut steps: Vals = smallvec![one; rank];
        for (k, &dim) in order.iter().enumerate() {
            steps[dim] = room;
            if k + 1 < rank {
                let taken = self.b.binary(Bin::SMin, room, extents[dim]);
                let taken = self.b.binary(Bin::SMax, taken, one);
                room = self.b.binary(Bin::SDiv, room, taken);
            }
        }
        if let Some(meet) = self.meet() {
            for (step, &n) in steps.iter_mut().zip(&extents) {
                *step = self.b.select(meet, n, *step);
            }
        }
        let (zero, no) = (self.b.i64(0), self.b.bool(false));
        let first: Vals = smallvec![zero; rank];
        let code = self.b.new_block();
        self.b.jump(code, &first);
        self.b.switch_to(code);
        let at: Vals = (0..rank)
            .map(|_| self.b.add_param(code, Type::I64))
            .collect();
        let mut count = at.clone();
        let mut following = at.clone();
        let mut last: Option<Value> = None;
        for &dim in &order {
            let left = self.b.binary_nsw(Bin::Sub, extents[dim], at[dim]);
            count[dim] = self.b.binary(Bin::SMin, left, steps[dim]);
            let next = self.b.binary_nsw(Bin::Add, at[dim], steps[dim]);
            let ends = self.b.cmp(Cmp::SGe, next, extents[dim]);
            // The dimension goes on where the inner ones have come to their ends, and then they begin again.
            let wrapped = self.b.select(ends, zero, next);
            following[dim] = match last {
                Some(inner) => self.b.select(inner, wrapped, at[dim]),
                None => wrapped,
            };
            last = Some(match last {
                Some(inner) => self.b.binary(Bin::And, inner, ends),
                None => ends,
            });
        }
        Current {
            at,
            count,
            extents,
            last: last.unwrap_or(no),
            no,
            following,
            code,
            views: vec![],
        }
    }

    // ---- the nests of a block ----

    fn nests(&self) -> Vec<(BlockId, usize)> {
        let mut nests = vec![];
        for &block in &self.plan.blocks {
            let insts = self.b.func.block(block).insts.iter().enumerate();
            let found = insts.filter(|(_, i)| matches!(i.op, Op::Nest(_)));
            nests.extend(found.map(|(k, _)| (block, k)));
        }
        nests
    }

    /// Makes the nests go through one block.
    fn part_nests(&mut self, current: &mut Current) {
        let mut own: FxHashSet<Value> = FxHashSet::default();
        for &block in &self.plan.blocks {
            let block = self.b.func.block(block);
            own.extend(block.insts.iter().flat_map(|i| &i.results));
        }
        for &block in &self.plan.blocks {
            let insts = std::mem::take(&mut self.b.func.blocks[block.index()].insts);
            let term = std::mem::take(&mut self.b.func.blocks[block.index()].term);
            for mut inst in insts {
                if let Op::Nest(nest) = &mut inst.op {
                    self.part_nest(nest, current, block, &own);
                }
                self.b.func.blocks[block.index()].insts.push(inst);
            }
            self.b.func.blocks[block.index()].term = term;
        }
    }

    fn part_nest(
        &mut self,
        nest: &mut Nest,
        current: &mut Current,
        block: BlockId,
        own: &FxHashSet<Value>,
    ) {
        nest.extents.clone_from(&current.count);
        let stored = nest.outputs.iter_mut().filter_map(|o| match &mut o.kind {
            OutputKind::Store(access) => Some(access),
            _ => None,
        });
        for access in nest.inputs.iter_mut().map(|i| &mut i.access).chain(stored) {
            if access.dims.is_empty() {
                continue;
            }
            let known = current.views.iter().find(|(whole, _)| whole == access);
            if let Some((_, part)) = known {
                *access = part.clone();
                continue;
            }
            let made_in_loop = own.contains(&access.array);
            self.b
                .switch_to(if made_in_loop { block } else { current.code });
            let part = self.part(access, current);
            if !made_in_loop {
                current.views.push((access.clone(), part.clone()));
            }
            *access = part;
        }
        // Indices begin where the block does.
        self.b.switch_to(block);
        for (index, &at) in nest.indices.iter_mut().zip(&current.at) {
            let own = self.b.value(Type::I64);
            let sum = Op::Binary {
                op: Bin::Add,
                a: own,
                b: at,
                nsw: true,
            };
            nest.insts.insert(
                0,
                Inst {
                    op: sum,
                    results: smallvec![*index],
                    loc: self.plan.loc,
                },
            );
            *index = own;
        }
    }

    /// The part of an array that is in a block.
    fn part(&mut self, access: &Access, current: &Current) -> Access {
        let Access { array, item, .. } = *access;
        let mut data = self.b.part(array, Part::Data);
        let size = self.b.i64(i64::from(item.size));
        if self.plan.flat {
            let data = self.b.element(data, current.at[0], item.size);
            let view = self.b.view(array, data, &current.count, &[size]);
            let item = Item {
                layout: Layout::C,
                ..item
            };
            return Access::whole(view, 1, item);
        }
        let unit = unit_dim(item.layout, access.dims.len());
        let mut unit_offset = None;
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for (k, &Along { dim, stretch }) in access.dims.iter().enumerate() {
            let dim = usize::from(dim);
            let n = self.b.part(array, Part::Shape(k as u8));
            let stride = match unit == Some(k) {
                true => size,
                false => self.b.part(array, Part::Stride(k as u8)),
            };
            strides.push(stride);
            let (mut at, mut count) = (current.at[dim], current.count[dim]);
            if stretch == Stretch::One {
                shape.push(n);
                continue;
            }
            if stretch == Stretch::Maybe {
                // An array of one item stays there.
                let runs_along = self.b.cmp(Cmp::Eq, n, current.extents[dim]);
                let zero = self.b.i64(0);
                at = self.b.select(runs_along, at, zero);
                count = self.b.select(runs_along, count, n);
            }
            shape.push(count);
            if unit == Some(k) {
                unit_offset = Some(at);
            } else {
                let offset = self.b.binary_nsw(Bin::Mul, at, stride);
                data = self.b.offset(data, offset);
            }
        }
        // The one along the contiguous dimension comes last: loads and stores add it to their addresses.
        if let Some(at) = unit_offset {
            data = self.b.element(data, at, item.size);
        }
        let view = self.b.view(array, data, &shape, &strides);
        // A block has all of the inner dimensions, or one index of the outer ones: its items follow each
        // other if those of the array do so in the order of the blocks.
        let against = match item.layout {
            Layout::C => self.plan.backwards,
            Layout::F => !self.plan.backwards,
            Layout::A => false,
        };
        let layout = match against && access.dims.len() > 1 {
            true => Layout::A,
            false => item.layout,
        };
        Access {
            array: view,
            item: Item { layout, ..item },
            ..access.clone()
        }
    }

    // ---- the end of a block ----

    /// Leads the ways out of the loop to the next block, as long as there is one.
    fn leave(&mut self, current: &Current) {
        let failed = self.failed_nests();
        for &block in &self.plan.blocks {
            let term = std::mem::take(&mut self.b.func.blocks[block.index()].term);
            let error = term.decided_by().is_some_and(|v| failed.contains(&v));
            let mut term = term;
            for target in term.targets_mut() {
                // Where memory for results that are kept aside is missing, there is one block only.
                if self.is_inside(target.block) || error {
                    continue;
                }
                let left = self.b.new_block();
                let to = std::mem::replace(
                    target,
                    Target {
                        block: left,
                        args: smallvec![],
                    },
                );
                self.b.switch_to(left);
                self.b.terminate(Term::Branch {
                    cond: current.last,
                    then: to,
                    other: Target {
                        block: current.code,
                        args: current.following.clone(),
                    },
                    hint: Hint::None,
                });
            }
            self.b.func.blocks[block.index()].term = term;
        }
    }

    /// The conditions that an error of a nest in the loop has occurred.
    fn failed_nests(&self) -> FxHashSet<Value> {
        let mut failed = FxHashSet::default();
        for block in self.plan.blocks.iter().map(|&b| self.b.func.block(b)) {
            let mut error = None;
            for inst in &block.insts {
                match inst.op {
                    Op::Nest(ref nest) if nest.allocates() => error = inst.results.last().copied(),
                    Op::Compare(Cmp::Ne, x, _) if Some(x) == error => {
                        failed.insert(inst.results[0]);
                    }
                    _ => {}
                }
            }
        }
        failed
    }

    /// Has a block end where no mask holds, but for the last one: that leaves the loop as it would.
    fn retire(&mut self, current: &Current, block: BlockId, at: usize) {
        let Some(retirement) = &self.plan.retirement else {
            return;
        };
        let loc = self.plan.loc;
        let any = self.b.value(Type::I1);
        let body = &mut self.b.func.blocks[block.index()];
        let rest = body.insts.split_off(at + 1);
        let Some(mut inst) = body.insts.pop() else {
            return;
        };
        let term = std::mem::take(&mut body.term);
        let (term_loc, rounds) = (body.term_loc, std::mem::take(&mut body.rounds));
        if let Op::Nest(nest) = &mut inst.op {
            let accumulator = self.b.value(Type::I1);
            let mut sum = accumulator;
            for &(mask, holds) in &retirement.masks {
                let mut op = |op| {
                    let result = self.b.value(Type::I1);
                    nest.insts.push(Inst {
                        op,
                        results: smallvec![result],
                        loc,
                    });
                    result
                };
                let changes = match holds {
                    true => mask,
                    false => op(Op::Unary(Un::Not, mask)),
                };
                sum = op(Op::Binary {
                    op: Bin::Or,
                    a: sum,
                    b: changes,
                    nsw: false,
                });
            }
            nest.outputs.push(Output {
                values: smallvec![sum],
                kind: OutputKind::Reduce(Reduction {
                    over: (1u64 << nest.extents.len()) as u32 - 1,
                    accumulators: smallvec![accumulator],
                    init: smallvec![current.no],
                    pairwise: false,
                    item: None,
                    target: None,
                }),
            });
            inst.results.push(any);
        }
        self.b.func.blocks[block.index()].insts.push(inst);
        let goes_on = self.b.new_block();
        self.b.switch_to(block);
        let on = self.b.binary(Bin::Or, any, current.last);
        self.b.terminate(Term::Branch {
            cond: on,
            then: Target {
                block: goes_on,
                args: smallvec![],
            },
            other: Target {
                block: current.code,
                args: current.following.clone(),
            },
            hint: Hint::None,
        });
        let body = &mut self.b.func.blocks[goes_on.index()];
        (body.insts, body.term, body.term_loc, body.rounds) = (rest, term, term_loc, rounds);
    }
}
