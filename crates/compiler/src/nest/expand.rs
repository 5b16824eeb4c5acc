//! Expansion: nests become loops, views by indices become views by addresses.
//!
//! A nest runs in one loop over all items where every array is contiguous, otherwise in one loop for
//! each dimension. Where it depends on shapes and strides that are known at run time only, there are two
//! versions: a fast one whose innermost loop goes through memory item by item, and one for the rest.

use ferdelance_abi::rtfn::RtFn;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use crate::tir::build::Builder;
use crate::tir::nest::{
    Access, Along, Axis, Input, Item, Nest, Output, OutputKind, Reduction, Subview, unit_dim,
};
use crate::tir::pass::simplify::Renaming;
use crate::tir::{
    Bin, BlockId, Cast, Cmp, Function, Hint, Inst, Mem, Op, Part, Program, Rounds, Target, Term,
    Type, Value,
};
use crate::types::Layout;

/// Largest number of bytes that is tried to allocate.
const MOST_BYTES: f64 = (1u64 << 60) as f64;
/// Sums are made of partial sums of this many terms, and those again: the error grows as that of NumPy's
/// pairwise summation does, up to a constant.
const GROUPS: [i64; 2] = [1 << 17, 1 << 10];
/// Items that are computed before it is looked whether a rare case was among them.
const CHUNK: i64 = 256;
/// Number of operations from which a body keeps a processor waiting for their results.
const LONG: usize = 50;

type Vals = SmallVec<[Value; 4]>;

/// Expands every nest of a program.
pub fn expand(program: &mut Program) {
    program.functions.iter_mut().for_each(expand_function);
}

fn is_array_operation(inst: &Inst) -> bool {
    matches!(inst.op, Op::Nest(_) | Op::Subview(_) | Op::Rare { .. })
}

fn expand_function(f: &mut Function) {
    if !f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .any(is_array_operation)
    {
        return;
    }
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
        renamed: vec![],
        rare: Rare::Called,
        looking: false,
    };
    let mut at = 0;
    while at < e.b.func.blocks.len() {
        match e.b.func.blocks[at]
            .insts
            .iter()
            .position(is_array_operation)
        {
            Some(index) => e.expand(BlockId(at as u32), index),
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
    /// Results of expanded instructions, and what takes their place.
    renamed: Vec<(Value, Value)>,
    rare: Rare,
    /// Bodies are written for the flag alone.
    looking: bool,
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
    /// Of the innermost loop.
    rounds: Rounds,
}

impl Loops<'_> {
    fn mem(&self) -> Mem {
        if self.rounds == Rounds::Independent {
            Mem::Independent
        } else {
            Mem::Elements
        }
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

    // ---- arrays ----

    fn part(&mut self, array: Value, part: Part) -> Value {
        match (self.descriptors.get(&array), part) {
            (
                Some(Descriptor {
                    data: Some(data), ..
                }),
                Part::Data,
            ) => *data,
            (Some(d), Part::Shape(dim)) => d.shape[usize::from(dim)],
            (Some(d), Part::Stride(dim)) => d.strides[usize::from(dim)],
            _ => self.b.part(array, part),
        }
    }

    /// The distance between items along a dimension; a constant where the layout says so.
    fn stride(&mut self, array: Value, item: Item, rank: usize, dim: usize) -> Value {
        if unit_dim(item.layout, rank) == Some(dim) {
            return self.b.i64(i64::from(item.size));
        }
        self.part(array, Part::Stride(dim as u8))
    }

    fn subview(&mut self, view: &Subview) -> Value {
        let Type::Array(rank) = self.b.ty(view.base) else {
            return view.base;
        };
        let rank = usize::from(rank);
        let mut data = self.part(view.base, Part::Data);
        // The offset along the contiguous dimension comes last: it is added by the addressing of loads.
        let unit = unit_dim(view.item.layout, rank);
        let mut unit_offset = None;
        let mut advance = |e: &mut Self, data: &mut Value, dim: u8, index: Value| {
            if unit == Some(usize::from(dim)) {
                unit_offset = Some(index);
            } else {
                let stride = e.stride(view.base, view.item, rank, usize::from(dim));
                let offset = e.b.binary_nsw(Bin::Mul, index, stride);
                *data = e.b.offset(*data, offset);
            }
        };
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for &(dim, index) in &view.at {
            advance(self, &mut data, dim, index);
        }
        for axis in &view.axes {
            match *axis {
                Axis::New => {
                    shape.push(self.b.i64(1));
                    strides.push(self.b.i64(0));
                }
                Axis::Whole(dim) => {
                    shape.push(self.part(view.base, Part::Shape(dim)));
                    let stride = self.stride(view.base, view.item, rank, usize::from(dim));
                    strides.push(stride);
                }
                Axis::Part {
                    dim,
                    start,
                    count,
                    step,
                } => {
                    advance(self, &mut data, dim, start);
                    shape.push(count);
                    let stride = self.stride(view.base, view.item, rank, usize::from(dim));
                    // A step past the end may be any number.
                    strides.push(self.b.binary(Bin::Mul, stride, step));
                }
            }
        }
        if let Some(index) = unit_offset {
            data = self.b.element(data, index, view.item.size);
        }
        let made = self.b.view(view.base, data, &shape, &strides);
        self.descriptors.insert(
            made,
            Descriptor {
                data: Some(data),
                shape,
                strides,
            },
        );
        made
    }

    /// A new contiguous array; an error goes to `failed`.
    fn allocate(&mut self, item: Item, shape: &[Value], failed: BlockId) -> Value {
        let size = self.b.i64(i64::from(item.size));
        let mut bytes = size;
        if shape.len() > 1 {
            let mut approximate = self.b.float(Type::F64, f64::from(item.size));
            for &n in shape {
                bytes = self.b.binary(Bin::Mul, bytes, n);
                // The product in floating point cannot overflow unnoticed.
                let n = self.b.cast(Cast::SIToFP, n, Type::F64);
                approximate = self.b.binary(Bin::FMul, approximate, n);
            }
            let most = self.b.float(Type::F64, MOST_BYTES);
            let too_big = self.b.cmp(Cmp::FGt, approximate, most);
            let impossible = self.b.i64(i64::MAX);
            bytes = self.b.select(too_big, impossible, bytes);
        } else {
            for &n in shape {
                bytes = self.b.binary_nsw(Bin::Mul, bytes, n);
            }
        }
        let buffer = self.b.rt(RtFn::buffer_alloc, &[bytes]);
        let null = self.b.null(Type::Err);
        let raised = self.b.cmp(Cmp::Ne, buffer[2], null);
        let next = self.b.new_block();
        let then = Target {
            block: failed,
            args: smallvec![buffer[2]],
        };
        let other = Target {
            block: next,
            args: smallvec![],
        };
        self.b.terminate(Term::Branch {
            cond: raised,
            then,
            other,
            hint: Hint::Unlikely,
        });
        self.b.switch_to(next);
        let zero = self.b.i64(0);
        let mut strides: Vals = smallvec![zero; shape.len()];
        let mut stride = size;
        let order: Vec<usize> = if item.layout == Layout::F {
            (0..shape.len()).collect()
        } else {
            (0..shape.len()).rev().collect()
        };
        for (k, &dim) in order.iter().enumerate() {
            strides[dim] = stride;
            if k + 1 < order.len() {
                stride = self.b.binary_nsw(Bin::Mul, stride, shape[dim]);
            }
        }
        let made = self.b.make_array(buffer[0], buffer[1], shape, &strides);
        self.descriptors.insert(
            made,
            Descriptor {
                data: None,
                shape: shape.into(),
                strides,
            },
        );
        made
    }

    // ---- nests ----

    fn nest(&mut self, nest: &Nest, results: &[Value], failed: Option<BlockId>) {
        let rank = nest.extents.len();
        let ranges = nest.result_ranges();
        // The arrays that are written.
        let mut written: Vec<Option<Access>> = vec![];
        for (output, range) in nest.outputs.iter().zip(&ranges) {
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
                    item: Some(item),
                    over,
                    ..
                }) => (*item, (0..rank).filter(|d| over >> d & 1 == 0).collect()),
                OutputKind::Reduce(_) => {
                    written.push(None);
                    continue;
                }
            };
            let Some(failed) = failed else { continue };
            let shape: Vals = dims.iter().map(|&d| nest.extents[d]).collect();
            let array = self.allocate(item, &shape, failed);
            self.replace(results[range.start], array);
            let dims = dims
                .into_iter()
                .map(|dim| Along {
                    dim: dim as u8,
                    stretch: false,
                })
                .collect();
            written.push(Some(Access { array, dims, item }));
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
        for &(i, o) in &nest.guards {
            let Some(store) = &written[o as usize] else {
                continue;
            };
            let read = &nest.inputs[i as usize].access;
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
                self.touch((bases.0, read.item), (bases.1, store.item))
            };
            overlap = Some(match overlap {
                Some(before) => self.b.binary(Bin::Or, before, shared),
                None => shared,
            });
        }
        let (Some(overlap), Some(failed)) = (overlap, failed) else {
            return self.run(nest, written, true);
        };
        let (aside, direct, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.branch(overlap, aside, direct, Hint::Unlikely);
        self.b.switch_to(direct);
        let sums = self.run(nest, written, true);
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
            let copy = Nest {
                extents: nest.extents.clone(),
                inputs,
                indices: smallvec![],
                insts: vec![],
                outputs: vec![output],
                guards: vec![],
            };
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
        let dims: SmallVec<[Along; 4]> = (0..nest.extents.len() as u8)
            .map(|dim| Along {
                dim,
                stretch: false,
            })
            .collect();
        let own = Access { array, dims, item };
        let elements: SmallVec<[Value; 2]> =
            values.iter().map(|&v| self.b.value(self.b.ty(v))).collect();
        (
            own.clone(),
            Input {
                access: own,
                elements,
            },
        )
    }

    /// Whether two arrays share memory other than item by item.
    fn overlap(&mut self, nest: &Nest, read: &Access, store: &Access) -> Value {
        let shared = self.touch((read.array, read.item), (store.array, store.item));
        let alike = read.dims.len() == store.dims.len()
            && read.dims.len() == nest.extents.len()
            && read.item.size == store.item.size;
        if !alike
            || read
                .dims
                .iter()
                .zip(&store.dims)
                .any(|(a, b)| a.dim != b.dim)
        {
            return shared;
        }
        // The same items in the same order do no harm.
        let (x, y) = (
            self.part(read.array, Part::Data),
            self.part(store.array, Part::Data),
        );
        let mut same = self.b.cmp(Cmp::Eq, x, y);
        for dim in 0..read.dims.len() {
            let part = Part::Shape(dim as u8);
            let (n, m) = (self.part(read.array, part), self.part(store.array, part));
            let equal = self.b.cmp(Cmp::Eq, n, m);
            same = self.b.binary(Bin::And, same, equal);
            let x = self.stride(read.array, read.item, read.dims.len(), dim);
            let y = self.stride(store.array, store.item, store.dims.len(), dim);
            let equal = self.b.cmp(Cmp::Eq, x, y);
            same = self.b.binary(Bin::And, same, equal);
        }
        let other = self.b.not(same);
        self.b.binary(Bin::And, shared, other)
    }

    /// Whether the stretches of memory that two arrays lie in have bytes in common.
    fn touch(&mut self, a: (Value, Item), b: (Value, Item)) -> Value {
        let ((low_a, high_a), (low_b, high_b)) = (self.bounds(a), self.bounds(b));
        let before = self.b.cmp(Cmp::ULt, low_a, high_b);
        let after = self.b.cmp(Cmp::ULt, low_b, high_a);
        self.b.binary(Bin::And, before, after)
    }

    /// The addresses between which an array's items lie, at least.
    fn bounds(&mut self, (array, item): (Value, Item)) -> (Value, Value) {
        let Type::Array(rank) = self.b.ty(array) else {
            return (array, array);
        };
        let data = self.part(array, Part::Data);
        let mut low = self.b.cast(Cast::PtrToInt, data, Type::I64);
        let size = self.b.i64(i64::from(item.size));
        let mut high = self.b.binary(Bin::Add, low, size);
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        for dim in 0..rank {
            let (n, stride) = (
                self.part(array, Part::Shape(dim)),
                self.part(array, Part::Stride(dim)),
            );
            let last = self.b.binary(Bin::Sub, n, one);
            let span = self.b.binary(Bin::Mul, last, stride);
            let (down, up) = (
                self.b.binary(Bin::SMin, span, zero),
                self.b.binary(Bin::SMax, span, zero),
            );
            low = self.b.binary(Bin::Add, low, down);
            high = self.b.binary(Bin::Add, high, up);
        }
        (low, high)
    }

    fn base(&self, mut array: Value) -> Value {
        while let Some(&base) = self.bases.get(&array) {
            array = base;
        }
        array
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
                    .all(|(k, d)| usize::from(d.dim) == k)
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
                if along.stretch && !equal && (flat || !fixed) {
                    conditions.push(self.b.cmp(Cmp::Eq, n, extent));
                }
                if !(flat || along.stretch && fixed) {
                    let stride = self.stride(access.array, access.item, access.dims.len(), k);
                    let size = self.b.i64(i64::from(access.item.size));
                    if self.b.as_int(stride) != Some(i64::from(access.item.size)) {
                        conditions.push(self.b.cmp(Cmp::Eq, stride, size));
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
            let levels = if fast && flat {
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
            Loops {
                nest,
                walks,
                levels,
                restart,
                in_memory,
                rounds,
            }
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
            if along.stretch && self.b.as_int(n) == Some(1) {
                continue;
            }
            strides[dim] = Some(if unit == Some(dim) {
                size
            } else {
                let stride = self.stride(access.array, access.item, access.dims.len(), k);
                if along.stretch && n != nest.extents[dim] {
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

    // ---- loops ----

    fn start(&mut self, loops: &Loops<'_>, init: Vals) -> Vals {
        let pointers = loops
            .walks
            .iter()
            .map(|w| w.as_ref().map(|w| w.data))
            .collect::<Vec<_>>();
        let mut indices = vec![None; loops.nest.extents.len()];
        self.level(loops, 0, &pointers, &mut indices, init)
    }

    /// The loops from one on, with the arrays' addresses so far; takes and gives what is carried.
    fn level(
        &mut self,
        loops: &Loops<'_>,
        k: usize,
        pointers: &[Option<Value>],
        indices: &mut Vec<Option<Value>>,
        carried_in: Vals,
    ) -> Vals {
        if loops.restart == Some(k) && carried_in.is_empty() {
            let init: Vals = carried(loops.nest, false)
                .flat_map(|r| r.init.iter().copied())
                .collect();
            let sums = self.level(loops, k, pointers, indices, init);
            let outputs = &pointers[loops.nest.inputs.len()..];
            let mut at = 0;
            for (o, output) in loops.nest.outputs.iter().enumerate() {
                if let (OutputKind::Reduce(r), Some(ptr)) = (&output.kind, outputs[o]) {
                    let n = output.values.len();
                    if let Some(item) = r.item {
                        self.store(ptr, item, &sums[at..at + n], Mem::Elements);
                    }
                    at += n;
                }
            }
            return smallvec![];
        }
        let Some(&(n, dim)) = loops.levels.get(k) else {
            return self.body(loops, pointers, indices, &carried_in);
        };
        let zero = self.b.i64(0);
        let inner = k + 1 == loops.levels.len();
        let mut round = |e: &mut Self, i: Value, carried: Vals| {
            let next: Vec<Option<Value>> = loops
                .walks
                .iter()
                .zip(pointers)
                .map(|(w, p)| e.advance(w.as_ref()?, (*p)?, dim.unwrap_or(0), i))
                .collect();
            if let Some(dim) = dim {
                indices[dim] = Some(i);
            }
            e.level(loops, k + 1, &next, indices, carried)
        };
        let sums: Vec<bool> = carried(loops.nest, false)
            .flat_map(|r| r.init.iter().map(|_| r.pairwise))
            .collect();
        if inner
            && !carried_in.is_empty()
            && sums.contains(&true)
            && self.b.as_int(n).is_none_or(|n| n > GROUPS[1])
        {
            return self.grouped(loops, (zero, n), &GROUPS, &sums, carried_in, &mut round);
        }
        if inner {
            return self.innermost(loops, (zero, n), carried_in, &mut round);
        }
        self.counted(zero, n, 1, Rounds::Unknown, carried_in, round)
    }

    /// The innermost loop. Where there are rare cases and it is to be vectorised, it runs in chunks, at first
    /// as if they did not occur, and again with the calls if one did.
    fn innermost(
        &mut self,
        loops: &Loops<'_>,
        (from, to): (Value, Value),
        start: Vals,
        round: &mut dyn FnMut(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let nest = loops.nest;
        let is_constant = |i: &Inst| matches!(i.op, Op::Int(_) | Op::Float(_));
        let long = nest.insts.iter().filter(|i| !is_constant(i)).count() >= LONG;
        let rounds = if long && loops.rounds == Rounds::Independent {
            Rounds::Chained
        } else {
            loops.rounds
        };
        if rounds == Rounds::Rare || !nest.insts.iter().any(|i| matches!(i.op, Op::Rare { .. })) {
            return self.counted(from, to, 1, rounds, start, round);
        }
        self.counted(from, to, CHUNK, Rounds::Unknown, start, |e, i, before| {
            let size = e.b.i64(CHUNK);
            let end = e.b.binary_nsw(Bin::Add, i, size);
            let end = e.b.binary(Bin::SMin, end, to);
            let none = e.b.bool(false);
            let mut with_flag: Vals = smallvec![none];
            with_flag.extend(before.iter().copied());
            // What is stored may take the place of what is read, or be added to what is there: then the cases are looked for first.
            let look_first = nest.stores() || loops.in_memory;
            let looked = if look_first {
                smallvec![none]
            } else {
                with_flag
            };
            let found = e.counted(i, end, 1, rounds, looked, |e, i, carried| {
                e.rare = Rare::Flagged(carried[0]);
                let mut next = Vals::new();
                if look_first {
                    e.looking = true;
                    round(e, i, before.clone());
                    e.looking = false;
                } else {
                    next = round(e, i, carried[1..].into());
                }
                if let Rare::Flagged(flag) = e.rare {
                    next.insert(0, flag);
                }
                e.rare = Rare::Called;
                next
            });
            let (calls, fast, done) = (e.b.new_block(), e.b.new_block(), e.b.new_block());
            e.b.branch(found[0], calls, fast, Hint::Unlikely);
            e.b.switch_to(calls);
            let sums = e.counted(i, end, 1, Rounds::Rare, before.clone(), &mut *round);
            e.b.jump(done, &sums);
            e.b.switch_to(fast);
            let sums = if look_first {
                e.rare = Rare::Fast;
                let sums = e.counted(i, end, 1, rounds, before.clone(), &mut *round);
                e.rare = Rare::Called;
                sums
            } else {
                found[1..].into()
            };
            e.b.jump(done, &sums);
            e.b.switch_to(done);
            before
                .iter()
                .map(|&v| e.b.add_param(done, e.b.ty(v)))
                .collect()
        })
    }

    /// [`Op::Rare`] with its call on a way of its own: what follows is in another block.
    fn branched(&mut self, cond: Value, fast: Value, func: RtFn, args: &[Value]) -> Value {
        let (slow, next) = (self.b.new_block(), self.b.new_block());
        let result = self.b.add_param(next, self.b.ty(fast));
        let then = Target {
            block: slow,
            args: smallvec![],
        };
        let other = Target {
            block: next,
            args: smallvec![fast],
        };
        self.b.terminate(Term::Branch {
            cond,
            then,
            other,
            hint: Hint::Unlikely,
        });
        self.b.switch_to(slow);
        let value = self.b.rt1(func, args);
        self.b.jump(next, &[value]);
        self.b.switch_to(next);
        result
    }

    /// [`Op::Rare`] with its call.
    fn called(&mut self, cond: Value, fast: Value, func: RtFn, args: &[Value]) -> Value {
        let slow = self.b.rt1(func, args);
        self.b.select(cond, slow, fast)
    }

    /// A loop whose sums are made of partial sums.
    fn grouped(
        &mut self,
        loops: &Loops<'_>,
        (from, to): (Value, Value),
        groups: &[i64],
        sums: &[bool],
        start: Vals,
        round: &mut dyn FnMut(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let Some((&size, smaller)) = groups.split_first() else {
            return self.innermost(loops, (from, to), start, round);
        };
        self.counted(from, to, size, Rounds::Unknown, start, |e, i, before| {
            let size = e.b.i64(size);
            let end = e.b.binary_nsw(Bin::Add, i, size);
            let end = e.b.binary(Bin::SMin, end, to);
            let fresh = before
                .iter()
                .zip(sums)
                .map(|(&v, &sum)| if sum { e.b.float(e.b.ty(v), -0.0) } else { v })
                .collect();
            let part = e.grouped(loops, (i, end), smaller, sums, fresh, round);
            before
                .iter()
                .zip(&part)
                .zip(sums)
                .map(|((&a, &b), &sum)| if sum { e.b.binary(Bin::FAdd, a, b) } else { b })
                .collect()
        })
    }

    /// `for i in range(from, to, step)`, carrying values from round to round.
    fn counted(
        &mut self,
        from: Value,
        to: Value,
        step: i64,
        rounds: Rounds,
        start: Vals,
        round: impl FnOnce(&mut Self, Value, Vals) -> Vals,
    ) -> Vals {
        let (header, inside, after) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let i = self.b.add_param(header, Type::I64);
        let carried: Vals = start
            .iter()
            .map(|&v| self.b.add_param(header, self.b.ty(v)))
            .collect();
        let mut args: Vals = smallvec![from];
        args.extend(start);
        self.b.jump(header, &args);
        self.b.switch_to(header);
        let more = self.b.cmp(Cmp::SLt, i, to);
        self.b.branch(more, inside, after, Hint::None);
        self.b.switch_to(inside);
        let next = round(self, i, carried.clone());
        let step = self.b.i64(step);
        let mut args: Vals = smallvec![self.b.binary_nsw(Bin::Add, i, step)];
        args.extend(next);
        self.b.jump(header, &args);
        self.b.set_rounds(rounds);
        self.b.switch_to(after);
        carried
    }

    /// The address of an array's item one level further in.
    fn advance(&mut self, walk: &Walk, ptr: Value, dim: usize, i: Value) -> Option<Value> {
        let Some(stride) = walk.strides[dim] else {
            return Some(ptr);
        };
        if self.b.as_int(stride) == Some(i64::from(walk.item.size)) {
            return Some(self.b.element(ptr, i, walk.item.size));
        }
        let offset = self.b.binary_nsw(Bin::Mul, i, stride);
        Some(self.b.offset(ptr, offset))
    }

    /// A copy of the body: what is carried before and after.
    fn body(
        &mut self,
        loops: &Loops<'_>,
        pointers: &[Option<Value>],
        indices: &[Option<Value>],
        carried_in: &[Value],
    ) -> Vals {
        let nest = loops.nest;
        let mut map: FxHashMap<Value, Value> = FxHashMap::default();
        for (input, &ptr) in nest.inputs.iter().zip(pointers) {
            let Some(ptr) = ptr else { continue };
            let types: SmallVec<[Type; 2]> = input.elements.iter().map(|&v| self.b.ty(v)).collect();
            let values = self.load(ptr, input.access.item, &types, loops.mem());
            map.extend(input.elements.iter().copied().zip(values));
        }
        map.extend(
            nest.indices
                .iter()
                .zip(indices)
                .filter_map(|(&v, &i)| Some((v, i?))),
        );
        let outputs = &pointers[nest.inputs.len()..];
        let mut incoming = carried_in.iter().copied();
        for (output, &ptr) in nest.outputs.iter().zip(outputs) {
            let OutputKind::Reduce(r) = &output.kind else {
                continue;
            };
            match (r.item, ptr) {
                (Some(item), Some(ptr)) if loops.in_memory => {
                    let types: SmallVec<[Type; 2]> = r.init.iter().map(|&v| self.b.ty(v)).collect();
                    let values = self.load(ptr, item, &types, loops.mem());
                    map.extend(r.accumulators.iter().copied().zip(values));
                }
                _ => map.extend(r.accumulators.iter().copied().zip(incoming.by_ref())),
            }
        }
        let outer = self.b.loc_id();
        for inst in &nest.insts {
            self.b.set_loc_id(inst.loc);
            let mut op = inst.op.clone();
            op.for_each_operand_mut(&mut |v| *v = map.get(v).copied().unwrap_or(*v));
            if let Op::Rare {
                cond,
                fast,
                func,
                args,
            } = op
            {
                let value = match self.rare {
                    Rare::Called => self.branched(cond, fast, func, &args),
                    Rare::Fast => fast,
                    Rare::Flagged(before) => {
                        self.rare = Rare::Flagged(self.b.binary(Bin::Or, before, cond));
                        fast
                    }
                };
                map.insert(inst.results[0], value);
                continue;
            }
            let types: SmallVec<[Type; 2]> = inst.results.iter().map(|&v| self.b.ty(v)).collect();
            let results = self.b.push(op, &types);
            map.extend(inst.results.iter().copied().zip(results));
        }
        self.b.set_loc_id(outer);
        if self.looking {
            return Vals::new();
        }
        let value = |v: &Value| map.get(v).copied().unwrap_or(*v);
        let mut carried_out = Vals::new();
        for (output, &ptr) in nest.outputs.iter().zip(outputs) {
            let values: Vals = output.values.iter().map(value).collect();
            match (&output.kind, ptr) {
                (OutputKind::Scatter(scatter), Some(ptr)) => {
                    let ptr = self.b.offset(ptr, value(&scatter.at));
                    self.store(ptr, scatter.item, &values, Mem::Elements);
                }
                (OutputKind::New(item) | OutputKind::Store(Access { item, .. }), Some(ptr)) => {
                    self.store(ptr, *item, &values, loops.mem())
                }
                (
                    OutputKind::Reduce(Reduction {
                        item: Some(item), ..
                    }),
                    Some(ptr),
                ) if loops.in_memory => self.store(ptr, *item, &values, loops.mem()),
                _ => carried_out.extend(values),
            }
        }
        carried_out
    }

    fn load(&mut self, ptr: Value, item: Item, types: &[Type], mem: Mem) -> Vals {
        let mut offset = 0;
        types
            .iter()
            .map(|&ty| {
                let at = self.b.i64(offset);
                let ptr = self.b.offset(ptr, at);
                offset += i64::from(ty.bytes());
                self.b.load(ty, ptr, item.align, mem)
            })
            .collect()
    }

    fn store(&mut self, ptr: Value, item: Item, values: &[Value], mem: Mem) {
        let mut offset = 0;
        for &v in values {
            let at = self.b.i64(offset);
            let ptr = self.b.offset(ptr, at);
            offset += i64::from(self.b.ty(v).bytes());
            self.b.store(ptr, v, item.align, mem);
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
