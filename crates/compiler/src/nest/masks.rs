//! Masks: what is computed of chosen items is computed where the choice is made.
//!
//! ```python
//! x[m] = y[m] * 2.0       # one loop over x, y and m
//! v = data[m]
//! return v.mean()         # one loop over data and m
//! ```
//!
//! An index by a mask is lowered to the indices at which the mask holds ([`OutputKind::Select`]), and what is
//! done with the items there. Then
//!
//! * of two operations that select the same by the same mask, there is one ([`same`]);
//! * where all that is done with what was selected can be done for each index of the mask's, whether it is
//!   chosen or not, nothing is selected ([`dissolve`]): reductions leave out what is not chosen, stores write
//!   back what was there, new arrays select their own items.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::analysis::{Analysis, Place, nest_at};
use super::body::{copy, read_once, substitute, tidy};
use super::fuse::{computing, remove};
use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Input, Item, Nest, OutputKind, Reduction, Scatter, Selection, Stretch, unit_dim,
};
use crate::tir::pass::number::{Key, Numbers};
use crate::tir::pass::simplify::Renaming;
use crate::tir::{Bin, Function, Inst, Op, Part, Type, Value};
use crate::types::Layout;

/// Bodies that take longer are computed for what is chosen only.
const MOST_COMPUTING: usize = 40;
/// Loops over the mask's indices that are worth it.
const MOST_READERS: usize = 4;

/// Two nests that select the same.
pub(super) struct Same {
    first: Place,
    second: Place,
}

/// The first two nests that select the same.
pub(super) fn same(a: &Analysis<'_>) -> Option<Same> {
    let selecting: Vec<(Place, &Nest)> = selections(a).collect();
    selecting.iter().enumerate().find_map(|(k, second)| {
        let first = selecting[..k].iter().find(|first| {
            is_same(&a.numbers, first.1, second.1)
                && (a.way(first.0, second.0)).is_some_and(|way| !a.changes(&way, second.1))
        })?;
        Some(Same {
            first: first.0,
            second: second.0,
        })
    })
}

impl Same {
    /// Makes one of them.
    pub fn apply(&self, f: &mut Function) {
        let results = |at: Place| f.blocks[at.block].insts[at.inst].results.clone();
        let (kept, gone) = (results(self.first), results(self.second));
        let mut renaming = Renaming::new(f);
        // But for the error, whose check goes.
        for (&old, &new) in gone.iter().zip(&kept).take(kept.len() - 1) {
            renaming.set(old, new);
        }
        remove(f, self.second.block, &gone, None);
        renaming.apply(f);
    }
}

/// The nests that do nothing but to select, by one condition.
fn selections<'a>(a: &'a Analysis<'_>) -> impl Iterator<Item = (Place, &'a Nest)> {
    let order = a.f.reverse_postorder();
    let places = order.into_iter().flat_map(|block| {
        let block = block.index();
        (0..a.f.blocks[block].insts.len()).map(move |inst| Place { block, inst })
    });
    places.filter_map(|at| {
        let nest = a.nest(at)?;
        condition(nest).map(|_| (at, nest))
    })
}

/// The condition by which everything is selected that a nest makes.
fn condition(nest: &Nest) -> Option<Value> {
    let mut when = None;
    for output in &nest.outputs {
        let OutputKind::Select(selection) = output.kind else {
            return None;
        };
        if *when.get_or_insert(selection.when) != selection.when {
            return None;
        }
    }
    when
}

/// Whether two nests are the same but for the names of what they define.
fn is_same(numbers: &Numbers, x: &Nest, y: &Nest) -> bool {
    let alike = x.extents.len() == y.extents.len()
        && x.inputs.len() == y.inputs.len()
        && x.insts.len() == y.insts.len()
        && x.outputs.len() == y.outputs.len()
        && x.indices.len() == y.indices.len()
        && x.extents
            .iter()
            .zip(&y.extents)
            .all(|(&n, &m)| numbers.equal(n, m));
    if !alike {
        return false;
    }
    let mut names: FxHashMap<Value, Value> = FxHashMap::default();
    names.extend(y.indices.iter().copied().zip(x.indices.iter().copied()));
    for (i, j) in x.inputs.iter().zip(&y.inputs) {
        let same = numbers.equal(i.access.array, j.access.array)
            && i.access.dims == j.access.dims
            && i.access.item == j.access.item
            && i.copied == j.copied;
        if !same {
            return false;
        }
        names.extend(j.elements.iter().copied().zip(i.elements.iter().copied()));
    }
    for (i, j) in x.insts.iter().zip(&y.insts) {
        let mut op = j.op.clone();
        op.for_each_operand_mut(&mut |v| *v = names.get(v).copied().unwrap_or(*v));
        if op != i.op || !op.is_pure() {
            return false;
        }
        names.extend(j.results.iter().copied().zip(i.results.iter().copied()));
    }
    let name = |v: Value| names.get(&v).copied().unwrap_or(v);
    x.outputs.iter().zip(&y.outputs).all(|(i, j)| {
        let (OutputKind::Select(s), OutputKind::Select(t)) = (&i.kind, &j.kind) else {
            return false;
        };
        s.when == name(t.when)
            && s.item == t.item
            && i.values.len() == j.values.len()
            && i.values.iter().zip(&j.values).all(|(&v, &w)| v == name(w))
    })
}

/// A nest that selects, and the nests that need not have it selected.
pub(super) struct Plan {
    selecting: Place,
    readers: Vec<Reader>,
    /// Values that are the number of what is selected.
    counts: Vec<Value>,
}

/// An array whose items at the index are loaded: the values of their parts that are needed.
struct Loaded {
    access: Access,
    part: Type,
    values: Vec<Option<Value>>,
}

struct Reader {
    at: Place,
    /// Which input is which of the selected arrays.
    selected: Vec<(usize, usize)>,
    /// The loads of the body.
    loads: Vec<Loaded>,
    /// What is stored item by item, by output.
    stores: Vec<(usize, Access)>,
    /// Inputs of the selecting nest, then loads, and stores to be kept apart when the code runs.
    guards: Vec<(usize, usize)>,
    /// It raises for the first time, with the check of the selecting nest.
    takes_check: bool,
}

/// The first selection that can be done without.
pub(super) fn plan(a: &Analysis<'_>) -> Option<Plan> {
    selections(a).find_map(|(at, nest)| plan_for(a, at, nest))
}

/// Whether all that a nest loads from an array are the items to which another one stores, for one mask:
/// each chosen item is stored where it was loaded.
pub(super) fn same_items(
    a: &Analysis<'_>,
    producer: &Nest,
    array: Value,
    reader: &Nest,
    scatter: &Scatter,
) -> bool {
    selections(a).any(|(at, nest)| {
        let results = &a.inst(at).results;
        let walked = |reader| Walked {
            a,
            arrays: &results[..results.len() - 1],
            nest,
            reader,
        };
        let (from, to) = (walked(producer), walked(reader));
        let Some(stored) = to.stored(scatter, &to.selected()) else {
            return false;
        };
        let is_target = a.numbers.equal(stored.array, array);
        let selected = from.selected();
        let same = |inst: &Inst| {
            let Op::Load { ptr, align, .. } = inst.op else {
                return true;
            };
            let loaded = from.loaded(ptr, align, a.f.ty(inst.results[0]), &selected);
            loaded.is_some_and(|(access, _)| !a.numbers.equal(access.array, array) || is_target)
        };
        producer.insts.iter().all(same)
    })
}

fn plan_for(a: &Analysis<'_>, selecting: Place, nest: &Nest) -> Option<Plan> {
    let results = &a.inst(selecting).results;
    let arrays = &results[..results.len() - 1];
    let mut plan = Plan {
        selecting,
        readers: vec![],
        counts: vec![],
    };
    let mut places: Vec<Place> = arrays
        .iter()
        .flat_map(|v| &a.uses[v.index()])
        .copied()
        .collect();
    places.sort_unstable();
    places.dedup();
    for at in places {
        if at.inst == usize::MAX {
            return None;
        }
        match &a.inst(at).op {
            Op::ArrayPart(_, Part::Shape(_)) => plan.counts.push(a.inst(at).results[0]),
            Op::Nest(reader) => {
                let reader = Walked {
                    a,
                    arrays,
                    nest,
                    reader,
                }
                .reader(selecting, at)?;
                plan.readers.push(reader);
            }
            _ => return None,
        }
    }
    let any = (1..=MOST_READERS).contains(&plan.readers.len());
    let checks = plan.readers.iter().filter(|r| r.takes_check).count();
    (any && checks <= 1).then_some(plan)
}

/// A nest that reads what another one has selected.
struct Walked<'p, 'f> {
    a: &'p Analysis<'f>,
    /// The selected arrays.
    arrays: &'p [Value],
    nest: &'p Nest,
    reader: &'p Nest,
}

impl Walked<'_, '_> {
    /// How it can go through the indices of the mask.
    fn reader(&self, selecting: Place, at: Place) -> Option<Reader> {
        let (a, nest, reader) = (self.a, self.nest, self.reader);
        let fits = reader.extents.len() == 1
            && reader.indices.is_empty()
            && reader.guards.is_empty()
            && !reader.inputs.iter().any(|i| i.copied)
            && computing(nest) + computing(reader) <= MOST_COMPUTING
            && reader.insts.iter().all(|i| i.op.is_pure());
        let way = a.way(selecting, at)?;
        if !fits || a.changes(&way, nest) {
            return None;
        }
        let count = a.numbers.shape(a.numbers.get(self.arrays[0]), 0)?;
        if a.numbers.get(reader.extents[0]) != count {
            return None;
        }
        let selected = self.selected();
        for (i, input) in reader.inputs.iter().enumerate() {
            let stays = input.access.dims.iter().all(|d| d.stretch == Stretch::One);
            if !stays && selected.iter().all(|(k, _)| *k != i) {
                return None;
            }
        }
        let mut stores = vec![];
        for (o, output) in reader.outputs.iter().enumerate() {
            match &output.kind {
                OutputKind::New(_) => {}
                OutputKind::Reduce(r) if r.item.is_none() => {}
                OutputKind::Scatter(scatter) => {
                    stores.push((o, self.stored(scatter, &selected)?));
                }
                _ => return None,
            }
        }
        let mut loads: Vec<Loaded> = vec![];
        for inst in &reader.insts {
            let Op::Load { ptr, align, .. } = inst.op else {
                continue;
            };
            let ty = a.f.ty(inst.results[0]);
            let (access, part) = self.loaded(ptr, align, ty, &selected)?;
            let parts = access.item.size / ty.bytes();
            // Numbers and complex numbers, no records.
            let loaded = match loads.iter_mut().find(|l| l.access == access) {
                Some(loaded) if loaded.part != ty => return None,
                Some(loaded) => loaded,
                None if !(1..=2).contains(&parts) => return None,
                None => {
                    loads.push(Loaded {
                        access,
                        part: ty,
                        values: vec![None; parts as usize],
                    });
                    loads.last_mut()?
                }
            };
            // One value for one part: the body computes each thing once.
            if loaded
                .values
                .get_mut(part)?
                .replace(inst.results[0])
                .is_some()
            {
                return None;
            }
        }
        // Items are stored where the same item was read, or nothing was.
        let mut guards = vec![];
        for &(o, ref store) in &stores {
            let read = nest.inputs.iter().map(|i| &i.access);
            for (k, access) in read.chain(loads.iter().map(|l| &l.access)).enumerate() {
                let same = a.numbers.equal(access.array, store.array)
                    && access.is_whole(nest.extents.len());
                if same || a.disjoint(access.array, store.array) {
                    continue;
                }
                if a.roots.of(access.array) == a.roots.of(store.array) {
                    return None;
                }
                guards.push((k, o));
            }
            let mut met = false;
            nest.for_each_source(|source| met |= !a.disjoint(source, store.array));
            let others = reader.inputs.iter().enumerate();
            met |= others
                .filter(|(i, _)| selected.iter().all(|(k, _)| k != i))
                .any(|(_, input)| !a.disjoint(input.access.array, store.array));
            let mut targets = stores
                .iter()
                .filter(|(_, s)| !a.disjoint(s.array, store.array));
            if met || targets.nth(1).is_some() {
                return None;
            }
        }
        Some(Reader {
            at,
            selected,
            loads,
            stores,
            takes_check: !guards.is_empty() && !reader.allocates(),
            guards,
        })
    }

    /// Which inputs of the reader are which of the selected arrays.
    fn selected(&self) -> Vec<(usize, usize)> {
        let inputs = self.reader.inputs.iter().enumerate();
        inputs
            .filter_map(|(i, input)| {
                let k = self.arrays.iter().position(|&v| v == input.access.array);
                Some((i, k?))
            })
            .collect()
    }

    /// The dimension whose index in the mask a value of the reader is.
    fn dim_of(&self, v: Value, selected: &[(usize, usize)]) -> Option<usize> {
        let (_, k) = selected
            .iter()
            .find(|(i, _)| self.reader.inputs[*i].elements[..] == [v])?;
        let [index] = self.nest.outputs[*k].values[..] else {
            return None;
        };
        self.nest.indices.iter().position(|&i| i == index)
    }

    /// The array whose item at the index in the mask is stored.
    fn stored(&self, scatter: &Scatter, selected: &[(usize, usize)]) -> Option<Access> {
        let mut steps = vec![];
        let mut terms = vec![scatter.at];
        while let Some(term) = terms.pop() {
            match self.reader.definition(term)? {
                Op::Binary {
                    op: Bin::Add, a, b, ..
                } => terms.extend([*a, *b]),
                Op::Binary {
                    op: Bin::Mul, a, b, ..
                } => steps.push((*a, Step::Bytes(*b))),
                _ => return None,
            }
        }
        self.whole(scatter.array, scatter.item, &steps, selected)
    }

    /// The array whose item at the index in the mask is loaded, and which part of the item.
    fn loaded(
        &self,
        mut ptr: Value,
        align: u8,
        ty: Type,
        selected: &[(usize, usize)],
    ) -> Option<(Access, usize)> {
        let mut steps = vec![];
        let mut within = 0;
        loop {
            match self.reader.definition(ptr) {
                Some(&Op::Element { base, index, size }) => {
                    steps.push((index, Step::Size(size)));
                    ptr = base;
                }
                Some(&Op::Offset { base, offset }) => {
                    match self.reader.definition(offset) {
                        Some(&Op::Binary {
                            op: Bin::Mul, a, b, ..
                        }) => steps.push((a, Step::Bytes(b))),
                        Some(&Op::Int(n)) => within += n,
                        None => within += self.int(offset)?,
                        _ => return None,
                    }
                    ptr = base;
                }
                _ => break,
            }
        }
        let array = self.a.array_of(ptr)?;
        let rank = self.nest.extents.len();
        let unit = steps.iter().find_map(|(index, step)| match *step {
            Step::Size(size) => Some((*index, size)),
            Step::Bytes(n) => Some((*index, u32::try_from(self.int(n)?).ok()?)),
        });
        let dim = unit.and_then(|(index, _)| self.dim_of(index, selected));
        let layout = match dim {
            Some(dim) if dim + 1 == rank => Layout::C,
            Some(0) => Layout::F,
            _ => Layout::A,
        };
        let item = Item {
            size: unit.map_or(ty.bytes(), |(_, size)| size),
            align,
            layout,
        };
        let part = usize::try_from(within).ok()? / ty.bytes() as usize;
        let access = self.whole(array, item, &steps, selected)?;
        Some((access, part))
    }

    /// The value of a constant from outside.
    fn int(&self, v: Value) -> Option<i64> {
        let numbers = &self.a.numbers;
        match numbers.key(numbers.get(v)) {
            Some(Key::Int(_, n)) => Some(*n),
            _ => None,
        }
    }

    /// An array of the mask's shape, if these steps lead to its item at the index.
    fn whole(
        &self,
        array: Value,
        item: Item,
        steps: &[(Value, Step)],
        selected: &[(usize, usize)],
    ) -> Option<Access> {
        let (numbers, rank) = (&self.a.numbers, self.nest.extents.len());
        let number = numbers.get(array);
        let mut dims: SmallVec<[usize; 4]> = smallvec![];
        for (index, step) in steps {
            let dim = self.dim_of(*index, selected)?;
            let right = match *step {
                Step::Size(size) => unit_dim(item.layout, rank) == Some(dim) && size == item.size,
                Step::Bytes(stride) => {
                    let of_array = Key::Part(number, Part::Stride(dim as u8));
                    match numbers.key(numbers.get(stride)) {
                        Some(Key::Int(_, n)) => {
                            unit_dim(item.layout, rank) == Some(dim) && *n == i64::from(item.size)
                        }
                        key => key == Some(&of_array),
                    }
                }
            };
            if !right || dims.contains(&dim) {
                return None;
            }
            dims.push(dim);
        }
        let extents = self.nest.extents.iter().enumerate();
        let same_shape = self.a.f.ty(array) == Type::Array(rank as u8)
            && extents
                .clone()
                .all(|(dim, &n)| numbers.shape(number, dim as u8) == Some(numbers.get(n)));
        (dims.len() == rank && same_shape).then(|| Access::whole(array, rank, item))
    }
}

/// The distance from one item to the next one.
enum Step {
    Size(u32),
    Bytes(Value),
}

impl Plan {
    pub fn apply(&self, f: &mut Function) {
        let mut b = Builder::resume(std::mem::replace(f, Function::empty()));
        let at = self.selecting;
        let inst = b.func.blocks[at.block].insts[at.inst].clone();
        let Op::Nest(nest) = &inst.op else { return };
        let numbers = Numbers::new(&b.func);
        for reader in &self.readers {
            let Some(old) = nest_at(&b.func, reader.at).cloned() else {
                continue;
            };
            let mut new = walked(&mut b, nest, old, reader);
            read_once(&mut new, &numbers);
            tidy(&mut new, |v| b.ty(v));
            b.func.blocks[reader.at.block].insts[reader.at.inst].op = Op::Nest(Box::new(new));
        }
        let is_count = |i: &Inst| i.results.first().is_some_and(|n| self.counts.contains(n));
        // What raises for the first time is in another block than the nest whose check it takes.
        let check = self.readers.iter().find(|r| r.takes_check).map(|r| {
            let before = &b.func.blocks[r.at.block].insts[..r.at.inst];
            let gone = before.iter().filter(|i| is_count(i)).count();
            Place {
                inst: r.at.inst - gone,
                ..r.at
            }
        });
        let count = (!self.counts.is_empty()).then(|| counted(&mut b, nest, at));
        let mut renaming = Renaming::new(&b.func);
        for &old in &self.counts {
            count.into_iter().for_each(|new| renaming.set(old, new));
        }
        for block in &mut b.func.blocks {
            block.insts.retain(|i| !is_count(i));
        }
        remove(&mut b.func, at.block, &inst.results, check);
        renaming.apply(&mut b.func);
        *f = b.func;
    }
}

/// Counts what would have been selected, before it is.
fn counted(b: &mut Builder, nest: &Nest, before: Place) -> Value {
    let zero = b.value(Type::I64);
    let block = &mut b.func.blocks[before.block];
    let loc = block.insts[before.inst].loc;
    let mut counting = copy(b, nest);
    let when = condition(&counting);
    counting.outputs.clear();
    let new = [(); 3].map(|()| b.value(Type::I64));
    if let Some(when) = when {
        counting.count(when, zero, new, loc);
    }
    tidy(&mut counting, |v| b.ty(v));
    let count = b.value(Type::I64);
    let insts = [(Op::Int(0), zero), (Op::Nest(Box::new(counting)), count)];
    let block = &mut b.func.blocks[before.block];
    for (k, (op, result)) in insts.into_iter().enumerate() {
        let inst = Inst {
            op,
            results: smallvec![result],
            loc,
        };
        block.insts.insert(before.inst + k, inst);
    }
    count
}

/// What a nest does with selected items, as a nest over the indices of the mask.
fn walked(b: &mut Builder, nest: &Nest, mut reader: Nest, plan: &Reader) -> Nest {
    let mut new = copy(b, nest);
    let selections = std::mem::take(&mut new.outputs);
    let Some(&OutputKind::Select(Selection { when, .. })) = selections.first().map(|o| &o.kind)
    else {
        return reader;
    };
    let rank = new.extents.len();
    for &(input, k) in &plan.selected {
        let elements = reader.inputs[input].elements.clone();
        substitute(&mut reader, &elements, &selections[k].values);
    }
    let others = std::mem::take(&mut reader.inputs).into_iter().enumerate();
    let others = others.filter(|(i, _)| plan.selected.iter().all(|(k, _)| k != i));
    let own = new.inputs.len();
    new.inputs.extend(others.map(|(_, input)| input));
    let loaded = new.inputs.len() - own;
    let guards = plan.guards.iter();
    new.guards = guards
        .map(|&(k, o)| (if k < own { k } else { k + loaded } as u32, o as u32))
        .collect();
    for loaded in &plan.loads {
        let values = loaded.values.iter();
        let elements = values.map(|v| v.unwrap_or_else(|| b.value(loaded.part)));
        let elements = elements.collect();
        new.inputs.push(Input::new(loaded.access.clone(), elements));
    }
    let is_input = |i: &Inst| matches!(i.op, Op::Load { .. });
    new.insts
        .extend(reader.insts.into_iter().filter(|i| !is_input(i)));
    for (o, mut output) in reader.outputs.into_iter().enumerate() {
        match &mut output.kind {
            OutputKind::New(item) => {
                output.kind = OutputKind::Select(Selection { when, item: *item });
            }
            OutputKind::Reduce(r) => {
                r.over = (1u64 << rank) as u32 - 1;
                leave_out(b, &mut new.insts, r, &mut output.values, when);
            }
            _ => {}
        }
        if let Some((_, access)) = plan.stores.iter().find(|(k, _)| *k == o) {
            let old: SmallVec<[Value; 2]> =
                output.values.iter().map(|&v| b.value(b.ty(v))).collect();
            for (value, &old) in output.values.iter_mut().zip(&old) {
                *value = chosen(b, &mut new.insts, when, *value, old);
            }
            new.inputs.push(Input::new(access.clone(), old));
            output.kind = OutputKind::Store(access.clone());
        }
        new.outputs.push(output);
    }
    new
}

/// One value or another, in a body.
fn chosen(b: &mut Builder, insts: &mut Vec<Inst>, when: Value, then: Value, other: Value) -> Value {
    let value = b.value(b.ty(then));
    insts.push(Inst {
        op: Op::Select {
            cond: when,
            then,
            other,
        },
        results: smallvec![value],
        loc: b.loc_id(),
    });
    value
}

/// Has a reduction leave out what is not chosen. Where it adds or multiplies, or takes the larger one, it
/// does so with what makes no difference: such reductions are vectorised.
fn leave_out(
    b: &mut Builder,
    insts: &mut Vec<Inst>,
    r: &Reduction,
    values: &mut SmallVec<[Value; 2]>,
    when: Value,
) {
    for (k, value) in values.iter_mut().enumerate() {
        let acc = r.accumulators[k];
        let at = insts.iter().position(|i| i.results[..] == [*value]);
        let mut uses = 0;
        for inst in insts.iter() {
            inst.op.for_each_operand(|v| uses += usize::from(v == acc));
        }
        let combined = match at.map(|at| (at, &insts[at].op)) {
            Some((at, &Op::Binary { op, a, b: x, .. })) if uses == 1 && a == acc => {
                neutral(op, b.ty(x), r.init[k]).map(|neutral| (at, x, neutral))
            }
            _ => None,
        };
        let Some((at, x, neutral)) = combined else {
            *value = chosen(b, insts, when, *value, acc);
            continue;
        };
        let loc = insts[at].loc;
        let (term, none) = (b.value(b.ty(x)), b.value(b.ty(x)));
        let (none, constant) = match neutral {
            Neutral::Constant(op) => (none, Some(op)),
            Neutral::Start(v) => (v, None),
        };
        let select = Op::Select {
            cond: when,
            then: x,
            other: none,
        };
        let inst = |op, result| Inst {
            op,
            results: smallvec![result],
            loc,
        };
        if let Op::Binary { b: x, .. } = &mut insts[at].op {
            *x = term;
        }
        insts.insert(at, inst(select, term));
        if let Some(op) = constant {
            insts.insert(at, inst(op, none));
        }
    }
}

/// What makes no difference to a reduction.
enum Neutral {
    Constant(Op),
    /// What it starts with.
    Start(Value),
}

fn neutral(op: Bin, ty: Type, init: Value) -> Option<Neutral> {
    let float = |x: f64| {
        let bits = match ty {
            Type::F32 => u64::from((x as f32).to_bits()),
            _ => x.to_bits(),
        };
        Neutral::Constant(Op::Float(bits))
    };
    Some(match op {
        Bin::FAdd | Bin::FAddAnyOrder => float(-0.0),
        Bin::FMul | Bin::FMulAnyOrder => float(1.0),
        Bin::Add | Bin::Or | Bin::Xor => Neutral::Constant(Op::Int(0)),
        Bin::Mul => Neutral::Constant(Op::Int(1)),
        Bin::SMin | Bin::SMax | Bin::UMin | Bin::UMax | Bin::FMinimum | Bin::FMaximum => {
            Neutral::Start(init)
        }
        _ => return None,
    })
}
