//! Writes the operations on all columns, and when to take them.
//!
//! ```text
//! entry(first):  enough rounds? : loop as it was
//! check:         nothing meets, no round leaves? : loop as it was
//! raised:        the steps, each for all rounds; on to where the loop goes
//! ```

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::{Plan, Range, Region, Step, Work, scalars};
use crate::nest::block::loops::enter_through;
use crate::nest::body::{copy, substitute, tidy};
use crate::nest::expand::GROUP;
use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Along, Axis, Input, Item, Nest, Output, OutputKind, Stretch, Subview,
};
use crate::tir::{Bin, Cmp, Function, Hint, Inst, Mem, Op, Part, Target, Term, Type, Value};
use crate::types::Layout;

/// Fewer rounds are not worth it: the innermost loop would be as short.
const LEAST_ROUNDS: i64 = 8;

impl Plan {
    pub fn apply(&self, f: &mut Function) {
        let mut w = Writer {
            b: Builder::resume(std::mem::replace(f, Function::empty())),
            plan: self,
            moved: FxHashMap::default(),
            views: vec![],
            rounds: self.counter,
            first: self.counter,
        };
        w.b.set_loc_id(self.loc);
        w.enter();
        w.steps();
        w.leave();
        *f = w.b.func;
    }
}

struct Writer<'p> {
    b: Builder,
    plan: &'p Plan,
    /// Values of the loop that are the same in each round, and of the first round, before the loop.
    moved: FxHashMap<Value, Value>,
    /// Views that have the rounds as their last dimension: of what, along which dimension, from which index.
    views: Vec<((Subview, u8, Value), Value)>,
    /// How many rounds there are, and the number of the first one.
    rounds: Value,
    first: Value,
}

/// What is put before the body of a nest.
struct Prelude {
    nest: Box<Nest>,
    insts: Vec<Inst>,
    /// Scalars of a round, as the body has them.
    known: FxHashMap<Value, Value>,
}

impl Writer<'_> {
    // ---- which way to take ----

    fn enter(&mut self) {
        let header = self.plan.header;
        let entry = self.b.new_block();
        enter_through(&mut self.b.func, header, &self.plan.blocks, entry);
        self.first = self.b.add_param(entry, Type::I64);
        self.moved.insert(self.plan.counter, self.first);
        self.b.switch_to(entry);
        let end = self.before(self.plan.end);
        self.rounds = self.b.binary(Bin::Sub, end, self.first);
        let least = self.b.i64(LEAST_ROUNDS);
        let many = self.b.cmp(Cmp::SGe, self.rounds, least);
        self.go_if(many);
        let mut all: Option<Value> = None;
        for holds in self.conditions() {
            all = Some(match all {
                Some(before) => self.b.binary(Bin::And, before, holds),
                None => holds,
            });
        }
        if let Some(all) = all {
            self.go_if(all);
        }
    }

    /// Goes on in a new block, if a condition holds, otherwise to the loop as it was.
    fn go_if(&mut self, cond: Value) {
        let next = self.b.new_block();
        self.b.terminate(Term::Branch {
            cond,
            then: Target {
                block: next,
                args: smallvec![],
            },
            other: Target {
                block: self.plan.header,
                args: smallvec![self.first],
            },
            hint: Hint::None,
        });
        self.b.switch_to(next);
    }

    fn conditions(&mut self) -> Vec<Value> {
        let plan = self.plan;
        let mut conditions = vec![];
        for &(cond, leaves) in &plan.exits {
            let cond = self.before(cond);
            conditions.push(if leaves { self.b.not(cond) } else { cond });
        }
        for &[(x, mine), (y, other)] in &plan.apart {
            let (x, y) = (self.before(x), self.before(y));
            let meet = self.b.touch((x, mine), (y, other));
            conditions.push(self.b.not(meet));
        }
        for [x, y] in &plan.beside {
            let ranges = x.dims.iter().zip(&y.dims);
            let apart: Vec<Value> = ranges.filter_map(|(&x, &y)| self.beside(x, y)).collect();
            let any = apart
                .into_iter()
                .reduce(|a, b| self.b.binary(Bin::Or, a, b));
            conditions.extend(any);
        }
        for step in &plan.steps {
            conditions.extend(self.short_sums(step));
        }
        conditions
    }

    /// Whether two ranges of a dimension, over all rounds, are apart.
    fn beside(&mut self, x: Range, y: Range) -> Option<Value> {
        let ((a, n), (b, m)) = (self.bounds(x)?, self.bounds(y)?);
        let end = self.b.binary(Bin::Add, a, n);
        let before = self.b.cmp(Cmp::SLe, end, b);
        let end = self.b.binary(Bin::Add, b, m);
        let after = self.b.cmp(Cmp::SLe, end, a);
        Some(self.b.binary(Bin::Or, before, after))
    }

    fn bounds(&mut self, range: Range) -> Option<(Value, Value)> {
        Some(match range {
            Range::Whole => return None,
            Range::At(index) => (self.before(index), self.b.i64(1)),
            Range::Part { start, count } => (self.before(start), self.before(count)),
            Range::Round(index) => (self.before(index), self.rounds),
        })
    }

    /// Whether sums are short enough to be made of their terms one after the other.
    fn short_sums(&mut self, step: &Step) -> Option<Value> {
        let Work::Nest(nest, _) = &step.work else {
            return None;
        };
        let over = nest.outputs.iter().find_map(|o| match &o.kind {
            OutputKind::Reduce(r) if r.pairwise => Some(r.over),
            _ => None,
        })?;
        let dims = nest.extents.iter().enumerate();
        let summed: Vec<Value> = dims
            .filter(|(k, _)| over >> k & 1 == 1)
            .map(|(_, &n)| self.before(n))
            .collect();
        let terms = summed
            .into_iter()
            .reduce(|n, m| self.b.binary(Bin::Mul, n, m))?;
        let most = self.b.i64(GROUP);
        Some(self.b.cmp(Cmp::SLe, terms, most))
    }

    /// A value as it is before the loop: one that is the same in each round, or that of the first round.
    fn before(&mut self, v: Value) -> Value {
        if let Some(&moved) = self.moved.get(&v) {
            return moved;
        }
        let Some(op) = self.plan.defined.get(&v) else {
            return v;
        };
        let moved = match *op {
            Op::ArrayPart(array, Part::Shape(k)) => self.size(array, k),
            ref op => {
                let mut op = op.clone();
                op.for_each_operand_mut(&mut |v| *v = self.before(*v));
                let ty = self.b.ty(v);
                self.b.push(op, &[ty])[0]
            }
        };
        self.moved.insert(v, moved);
        moved
    }

    fn size(&mut self, array: Value, dim: u8) -> Value {
        match self.plan.defined.get(&array) {
            Some(Op::Subview(view)) => match view.axes[usize::from(dim)] {
                Axis::New => self.b.i64(1),
                Axis::Whole(dim) => self.size(view.base, dim),
                Axis::Part { count, .. } => self.before(count),
            },
            _ => {
                let array = self.before(array);
                self.b.part(array, Part::Shape(dim))
            }
        }
    }

    // ---- the steps ----

    fn steps(&mut self) {
        let plan = self.plan;
        for step in &plan.steps {
            self.b.set_loc_id(step.loc);
            let nest = match &step.work {
                Work::Nest(nest, homes) => self.nest(step, nest, homes),
                Work::Store(place, value) => self.store(step, place, *value),
            };
            self.b.push(Op::Nest(nest), &[]);
        }
    }

    /// A nest with one more dimension, the last one.
    fn nest(&mut self, step: &Step, nest: &Nest, homes: &[Option<Region>]) -> Box<Nest> {
        let rank = nest.extents.len();
        let mut nest = Box::new(copy(&mut self.b, nest));
        nest.guards.clear();
        for n in &mut nest.extents {
            *n = self.before(*n);
        }
        nest.extents.push(self.rounds);
        if !nest.indices.is_empty() {
            let index = self.b.value(Type::I64);
            nest.indices.push(index);
        }
        for input in &mut nest.inputs {
            self.raise(&mut input.access, rank);
        }
        for (output, home) in nest.outputs.iter_mut().zip(homes) {
            match &mut output.kind {
                OutputKind::Store(access) => self.raise(access, rank),
                OutputKind::Reduce(r) => {
                    for v in &mut r.init {
                        *v = self.before(*v);
                    }
                    if let Some(access) = &mut r.target {
                        self.raise(access, rank);
                    }
                    if let Some(home) = home {
                        let place = self.place(home, rank);
                        r.item = Some(place.item);
                        r.target = Some(place);
                    }
                }
                _ => {}
            }
        }
        let used = scalars(&Work::Nest(nest.clone(), vec![]));
        self.with_scalars(step, nest, &used)
    }

    /// Puts a scalar of each round to its place.
    fn store(&mut self, step: &Step, place: &Region, value: Value) -> Box<Nest> {
        let access = self.place(place, 0);
        let output = Output {
            values: smallvec![value],
            kind: OutputKind::Store(access),
        };
        let nest = Nest::plain(smallvec![self.rounds], vec![], output);
        self.with_scalars(step, Box::new(nest), &[value])
    }

    /// Has a nest compute the scalars of each round that it uses.
    fn with_scalars(&mut self, step: &Step, nest: Box<Nest>, used: &[Value]) -> Box<Nest> {
        let mut prelude = Prelude {
            nest,
            insts: vec![],
            known: FxHashMap::default(),
        };
        let own: Vec<Value> = used
            .iter()
            .map(|&v| self.scalar(step, v, &mut prelude))
            .collect();
        let mut nest = prelude.nest;
        substitute(&mut nest, used, &own);
        prelude.insts.append(&mut nest.insts);
        nest.insts = prelude.insts;
        tidy(&mut nest, |v| self.b.ty(v));
        nest
    }

    fn scalar(&mut self, step: &Step, v: Value, prelude: &mut Prelude) -> Value {
        if let Some(&known) = prelude.known.get(&v) {
            return known;
        }
        let rank = prelude.nest.extents.len() - 1;
        let own = if let Some(place) = step.found.get(&v) {
            match place.along() {
                Some(_) => {
                    let element = self.b.value(self.b.ty(v));
                    let access = self.place(place, rank);
                    let input = Input::new(access, smallvec![element]);
                    prelude.nest.inputs.push(input);
                    element
                }
                None => self.load(v),
            }
        } else if v == self.plan.counter {
            if prelude.nest.indices.is_empty() {
                prelude.nest.indices = (0..=rank).map(|_| self.b.value(Type::I64)).collect();
            }
            let number = Op::Binary {
                op: Bin::Add,
                a: prelude.nest.indices[rank],
                b: self.first,
                nsw: true,
            };
            self.compute(number, Type::I64, prelude)
        } else if let (Some(op), false) = (self.plan.defined.get(&v), self.plan.fixed.contains(&v))
        {
            let mut op = op.clone();
            op.for_each_operand_mut(&mut |w| *w = self.scalar(step, *w, prelude));
            let ty = self.b.ty(v);
            self.compute(op, ty, prelude)
        } else {
            self.before(v)
        };
        prelude.known.insert(v, own);
        own
    }

    fn compute(&mut self, op: Op, ty: Type, prelude: &mut Prelude) -> Value {
        let result = self.b.value(ty);
        prelude.insts.push(Inst {
            op,
            results: smallvec![result],
            loc: self.b.loc_id(),
        });
        result
    }

    /// What each round loads from the same address, which none writes to.
    fn load(&mut self, v: Value) -> Value {
        if let Some(&moved) = self.moved.get(&v) {
            return moved;
        }
        let Some(&Op::Load { ptr, align, .. }) = self.plan.defined.get(&v) else {
            return v;
        };
        let ptr = self.before(ptr);
        let ty = self.b.ty(v);
        let loaded = self.b.load(ty, ptr, align, Mem::Elements);
        self.moved.insert(v, loaded);
        loaded
    }

    // ---- arrays ----

    /// Has an access go along with the rounds.
    fn raise(&mut self, access: &mut Access, rank: usize) {
        let (defined, fixed) = (&self.plan.defined, &self.plan.fixed);
        let view = match defined.get(&access.array) {
            Some(Op::Subview(view)) if !fixed.contains(&access.array) => view,
            _ => {
                access.array = self.before(access.array);
                return;
            }
        };
        let goes_along = |&&(_, index): &&(u8, Value)| {
            defined.contains_key(&index) && !fixed.contains(&index) || index == self.plan.counter
        };
        let Some(&(dim, index)) = view.at.iter().find(goes_along) else {
            return;
        };
        let mut view = (**view).clone();
        view.at.retain(|(k, _)| *k != dim);
        access.array = self.rounds_of(view, dim, index);
        access.dims.push(along(rank));
        access.item.layout = Layout::A;
    }

    /// The items of all rounds, of which each has one.
    fn place(&mut self, region: &Region, rank: usize) -> Access {
        let mut view = Subview {
            base: region.base,
            at: smallvec![],
            axes: smallvec![],
            item: region.item,
        };
        let mut dims: SmallVec<[Along; 4]> = smallvec![];
        let mut rounds = None;
        for (k, range) in region.dims.iter().enumerate() {
            match *range {
                Range::At(index) => view.at.push((k as u8, index)),
                Range::Round(index) => rounds = Some((k as u8, index)),
                Range::Whole | Range::Part { .. } => {}
            }
        }
        let mut array = region.base;
        if let Some((dim, index)) = rounds {
            array = self.rounds_of(view, dim, index);
            dims.push(along(rank));
        }
        let layout = if region.is_dense() {
            Layout::C
        } else {
            Layout::A
        };
        Access {
            array,
            dims,
            item: Item {
                layout,
                ..region.item
            },
        }
    }

    /// A view that has the rounds as its last dimension, made of one that has its other dimensions.
    fn rounds_of(&mut self, view: Subview, dim: u8, index: Value) -> Value {
        let made_of = (view, dim, index);
        if let Some((_, known)) = self.views.iter().find(|(of, _)| *of == made_of) {
            return *known;
        }
        let start = self.before(index);
        let step = self.b.i64(1);
        // What says which items are seen is the same in each round.
        let mut op = Op::Subview(Box::new(made_of.0.clone()));
        op.for_each_operand_mut(&mut |v| *v = self.before(*v));
        if let Op::Subview(view) = &mut op {
            view.axes.push(Axis::Part {
                dim,
                start,
                count: self.rounds,
                step,
            });
        }
        let rank = match &op {
            Op::Subview(view) => view.axes.len() as u8,
            _ => 0,
        };
        let made = self.b.push(op, &[Type::Array(rank)])[0];
        self.views.push((made_of, made));
        made
    }

    /// On to where the loop goes.
    fn leave(&mut self) {
        let header = &self.b.func.block(self.plan.header).term;
        if let Term::Branch { other, .. } = header {
            let to = other.clone();
            self.b.terminate(Term::Jump(to));
        }
    }
}

fn along(dim: usize) -> Along {
    Along {
        dim: dim as u8,
        stretch: Stretch::No,
    }
}
