//! Operations on whole arrays as single instructions.
//!
//! A [`Nest`] says what is computed for each index of an index space, not how the loops run: the passes
//! of `crate::nest` merge nests, and expand those that are left into blocks. A [`Subview`] is a view by
//! indices instead of addresses, so that the passes can look through it at arrays that are never made.

use smallvec::{SmallVec, smallvec};

use super::{Bin, Cast, Inst, LocId, Op, Part, Type, Value};
use crate::types::Layout;

/// The items of an array as memory has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// In bytes.
    pub size: u32,
    pub align: u8,
    /// What is known of the array's strides.
    pub layout: Layout,
}

/// How a dimension of an array runs along with the nest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Along {
    /// The nest's dimension.
    pub dim: u8,
    pub stretch: Stretch,
}

/// Whether an array stays at its only item while the nest goes along a dimension (broadcasting).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// It has as many items as the nest has indices.
    No,
    /// If it has one item: the running code finds out.
    Maybe,
    /// It has one item, or none, and then the nest has no indices.
    One,
}

impl Stretch {
    /// Seen through a dimension that is itself stretched, or not.
    pub fn within(self, outer: Stretch) -> Stretch {
        match (self, outer) {
            (Stretch::One, _) | (_, Stretch::One) => Stretch::One,
            (Stretch::No, Stretch::No) => Stretch::No,
            _ => Stretch::Maybe,
        }
    }
}

/// The part that an array plays in a nest.
#[derive(Clone, PartialEq, Debug)]
pub struct Access {
    pub array: Value,
    /// One for each dimension of the array; no dimension of the nest twice.
    pub dims: SmallVec<[Along; 4]>,
    pub item: Item,
}

/// An array that is read.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    pub access: Access,
    /// Defines the values of the item in the body.
    pub elements: SmallVec<[Value; 2]>,
    /// The items are copied before the nest begins: it stores to their memory, or would go through
    /// distant ones again and again.
    pub copied: bool,
}

impl Input {
    pub fn new(access: Access, elements: SmallVec<[Value; 2]>) -> Input {
        Input {
            access,
            elements,
            copied: false,
        }
    }
}

/// What becomes of values that the body computes.
#[derive(Clone, PartialEq, Debug)]
pub enum OutputKind {
    /// They fill a new array, whose dimensions are the nest's. A result of the instruction.
    New(Item),
    /// They are written to an array that exists. No result.
    Store(Access),
    /// They are written to items of an array that exists, which the body finds. No result.
    Scatter(Scatter),
    /// Those that are chosen fill a new array of one dimension. A result of the instruction.
    Select(Selection),
    Reduce(Reduction),
}

/// Items that are written in the order of the indices, the last dimension first: of several values for one
/// item the last one stays.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scatter {
    pub array: Value,
    /// The distance of the item from the array's first one, in bytes: a value of the body.
    pub at: Value,
    pub item: Item,
}

/// Values that are taken, in the order of the indices, the last dimension first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Selection {
    /// Whether those of an index are taken: a value of the body.
    pub when: Value,
    pub item: Item,
}

/// A value that is carried from one index to the next.
#[derive(Clone, PartialEq, Debug)]
pub struct Reduction {
    /// The dimensions that are reduced, as bits.
    pub over: u32,
    /// Defines the accumulated values in the body.
    pub accumulators: SmallVec<[Value; 2]>,
    /// What they start with: values from outside.
    pub init: SmallVec<[Value; 2]>,
    /// The values are floating-point sums, whose terms are added in any order, in small groups first.
    pub pairwise: bool,
    /// Where dimensions are left: the new array that the results fill, a result of the instruction.
    /// Otherwise the values themselves are its results.
    pub item: Option<Item>,
    /// Instead of a new array, one that exists; it shares no memory with what the nest reads.
    pub target: Option<Access>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Values of the body (or from outside). None for a new array that something else fills.
    pub values: SmallVec<[Value; 2]>,
    pub kind: OutputKind,
}

/// A computation for each index of an index space, in any order unless an output says otherwise.
/// All inputs are read as they were before the nest began.
///
/// Results: for each output in order its array or its values; then, if there are
/// new arrays, copies or guards, an error.
#[derive(Clone, PartialEq, Debug)]
pub struct Nest {
    /// Number of indices in each dimension.
    pub extents: SmallVec<[Value; 4]>,
    pub inputs: Vec<Input>,
    /// Defines the index in each dimension, for bodies that need it; otherwise empty.
    pub indices: SmallVec<[Value; 4]>,
    /// The body: defines values in terms of elements, accumulators, indices and values from outside. Pure,
    /// besides loads.
    pub insts: Vec<Inst>,
    pub outputs: Vec<Output>,
    /// Inputs and outputs (stores) by number that share no memory if the caller keeps to it: checked when
    /// the code runs, and if they do, the results are kept aside before they are stored.
    pub guards: Vec<(u32, u32)>,
    /// The same for arrays that the body loads from.
    pub sources: Vec<Source>,
}

/// An array that a nest's body loads from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Source {
    pub array: Value,
    /// How much of an item is loaded, from its beginning, in bytes.
    pub size: u32,
    /// The output (a store), by number, with which it shares no memory if the caller keeps to it.
    pub output: u32,
}

/// A dimension of a [`Subview`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Axis {
    /// One item.
    New,
    /// A dimension of the base.
    Whole(u8),
    /// Every `step`-th item of a dimension of the base, inside of it.
    Part {
        dim: u8,
        start: Value,
        count: Value,
        step: Value,
    },
}

/// A view by indices. The dimensions of the base that are not among the axes are fixed by `at`.
#[derive(Clone, PartialEq, Debug)]
pub struct Subview {
    pub base: Value,
    pub at: SmallVec<[(u8, Value); 2]>,
    pub axes: SmallVec<[Axis; 4]>,
    /// Of the base.
    pub item: Item,
}

impl Subview {
    /// Calls `f` with each value that says which items of a dimension of the base are seen.
    pub fn for_each_bound(&self, mut f: impl FnMut(Value)) {
        for axis in &self.axes {
            if let Axis::Part {
                start, count, step, ..
            } = *axis
            {
                [start, count, step].into_iter().for_each(&mut f);
            }
        }
    }
}

/// The dimension whose stride is the size of an item.
pub fn unit_dim(layout: Layout, rank: usize) -> Option<usize> {
    match layout {
        Layout::C => rank.checked_sub(1),
        Layout::F => (rank > 0).then_some(0),
        Layout::A => None,
    }
}

impl Access {
    /// Whether items differ along a dimension of the nest.
    pub fn varies(&self, dim: usize) -> bool {
        let along = |d: &Along| usize::from(d.dim) == dim && d.stretch != Stretch::One;
        self.dims.iter().any(along)
    }

    /// Whether each index of a nest of `rank` means the item of the array at this index.
    pub fn is_whole(&self, rank: usize) -> bool {
        let mut dims = self.dims.iter().enumerate();
        self.dims.len() == rank
            && dims.all(|(k, d)| usize::from(d.dim) == k && d.stretch == Stretch::No)
    }

    /// All of an array whose dimensions are those of the nest.
    pub fn whole(array: Value, rank: usize, item: Item) -> Access {
        Access::along(array, 0..rank, item)
    }

    /// All of an array whose dimensions are these of the nest.
    pub fn along(array: Value, dims: impl IntoIterator<Item = usize>, item: Item) -> Access {
        let along = |dim| Along {
            dim: dim as u8,
            stretch: Stretch::No,
        };
        Access {
            array,
            dims: dims.into_iter().map(along).collect(),
            item,
        }
    }
}

impl Nest {
    /// A nest without operations: what it reads is what it makes or stores.
    pub fn plain(extents: SmallVec<[Value; 4]>, inputs: Vec<Input>, output: Output) -> Nest {
        Nest {
            extents,
            inputs,
            indices: smallvec![],
            insts: vec![],
            outputs: vec![output],
            guards: vec![],
            sources: vec![],
        }
    }

    /// The types of the instruction's results, given those of values.
    pub fn result_types(&self, ty: impl Fn(Value) -> Type) -> Vec<Type> {
        let rank = self.extents.len();
        let mut types = vec![];
        for output in &self.outputs {
            match &output.kind {
                OutputKind::New(_) => types.push(Type::Array(rank as u8)),
                OutputKind::Select(_) => types.push(Type::Array(1)),
                OutputKind::Store(_) | OutputKind::Scatter(_) => {}
                OutputKind::Reduce(r) if r.target.is_some() => {}
                OutputKind::Reduce(r) if r.item.is_some() => {
                    types.push(Type::Array(r.kept(rank).count() as u8));
                }
                OutputKind::Reduce(_) => types.extend(output.values.iter().map(|&v| ty(v))),
            }
        }
        types.extend(self.allocates().then_some(Type::Err));
        types
    }

    /// Calls `f` with each value that the nest defines inside of itself.
    pub fn for_each_local_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        self.inputs
            .iter_mut()
            .flat_map(|i| &mut i.elements)
            .for_each(&mut f);
        self.indices.iter_mut().for_each(&mut f);
        self.insts
            .iter_mut()
            .flat_map(|i| &mut i.results)
            .for_each(&mut f);
        for output in &mut self.outputs {
            if let OutputKind::Reduce(r) = &mut output.kind {
                r.accumulators.iter_mut().for_each(&mut f);
            }
        }
    }

    /// The operation of the body whose only result is this value.
    pub fn definition(&self, v: Value) -> Option<&Op> {
        let inst = self.insts.iter().find(|i| i.results[..] == [v])?;
        Some(&inst.op)
    }

    pub fn locals(&self) -> Vec<Value> {
        let accumulators = self.outputs.iter().filter_map(|o| match &o.kind {
            OutputKind::Reduce(r) => Some(&r.accumulators),
            _ => None,
        });
        let all = self
            .inputs
            .iter()
            .map(|i| &i.elements)
            .chain(accumulators)
            .flatten();
        all.chain(&self.indices)
            .chain(self.insts.iter().flat_map(|i| &i.results))
            .copied()
            .collect()
    }

    /// Calls `f` with each value that is used, those that the nest defines included.
    pub fn for_each_use_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        self.extents.iter_mut().for_each(&mut f);
        self.inputs.iter_mut().for_each(|i| f(&mut i.access.array));
        self.sources.iter_mut().for_each(|s| f(&mut s.array));
        for inst in &mut self.insts {
            inst.op.for_each_operand_mut(&mut f);
        }
        for output in &mut self.outputs {
            output.values.iter_mut().for_each(&mut f);
            match &mut output.kind {
                OutputKind::New(_) => {}
                OutputKind::Store(access) => f(&mut access.array),
                OutputKind::Scatter(scatter) => {
                    f(&mut scatter.array);
                    f(&mut scatter.at);
                }
                OutputKind::Select(selection) => f(&mut selection.when),
                OutputKind::Reduce(r) => {
                    r.target.iter_mut().for_each(|t| f(&mut t.array));
                    r.init.iter_mut().for_each(&mut f);
                }
            }
        }
    }

    /// Calls `f` with each value from outside that is used.
    pub fn for_each_operand(&self, mut f: impl FnMut(Value)) {
        let locals = self.locals();
        let mut outside = |v: Value| {
            if !locals.contains(&v) {
                f(v);
            }
        };
        self.extents.iter().for_each(|v| outside(*v));
        self.inputs.iter().for_each(|i| outside(i.access.array));
        self.sources.iter().for_each(|s| outside(s.array));
        for inst in &self.insts {
            inst.op.for_each_operand(&mut outside);
        }
        for output in &self.outputs {
            output.values.iter().for_each(|v| outside(*v));
            match &output.kind {
                OutputKind::New(_) => {}
                OutputKind::Store(access) => outside(access.array),
                OutputKind::Scatter(scatter) => {
                    outside(scatter.array);
                    outside(scatter.at);
                }
                OutputKind::Select(selection) => outside(selection.when),
                OutputKind::Reduce(r) => {
                    r.target.iter().for_each(|t| outside(t.array));
                    r.init.iter().for_each(|v| outside(*v));
                }
            }
        }
    }

    /// Writes memory that others see.
    pub fn stores(&self) -> bool {
        self.outputs.iter().any(|o| o.target().is_some())
    }

    /// Calls `f` with each address or array from outside that the body reads memory through.
    pub fn for_each_source(&self, mut f: impl FnMut(Value)) {
        if !self.insts.iter().any(|i| matches!(i.op, Op::Load { .. })) {
            return;
        }
        let locals = self.locals();
        for inst in &self.insts {
            if let Op::Offset { base, .. }
            | Op::Element { base, .. }
            | Op::Load { ptr: base, .. }
            | Op::ArrayPart(base, Part::Data) = inst.op
                && !locals.contains(&base)
            {
                f(base);
            }
        }
    }

    /// Makes new arrays or copies, or may have to keep results aside, and so may raise.
    pub fn allocates(&self) -> bool {
        self.outputs.iter().any(Output::makes_array)
            || !self.guards.is_empty()
            || !self.sources.is_empty()
            || self.inputs.iter().any(|i| i.copied)
    }

    /// Adds an output: how often a condition holds, counted from `zero`. The new values are 1 or 0, and the
    /// counts before and after an index.
    pub fn count(&mut self, when: Value, zero: Value, new: [Value; 3], loc: LocId) {
        let [one, before, after] = new;
        let inst = |op, result| Inst {
            op,
            results: smallvec![result],
            loc,
        };
        self.insts.push(inst(Op::Cast(Cast::ZExt, when), one));
        let sum = Op::Binary {
            op: Bin::Add,
            a: before,
            b: one,
            nsw: false,
        };
        self.insts.push(inst(sum, after));
        self.outputs.push(Output {
            values: smallvec![after],
            kind: OutputKind::Reduce(Reduction {
                over: (1u64 << self.extents.len()) as u32 - 1,
                accumulators: smallvec![before],
                init: smallvec![zero],
                pairwise: false,
                item: None,
                target: None,
            }),
        });
    }

    /// Where in the instruction's results those of each output begin, and how many there are.
    pub fn result_ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut at = 0;
        self.outputs
            .iter()
            .map(|o| {
                let start = at;
                at += match &o.kind {
                    OutputKind::New(_) | OutputKind::Select(_) => 1,
                    OutputKind::Store(_) | OutputKind::Scatter(_) => 0,
                    OutputKind::Reduce(r) if r.target.is_some() => 0,
                    OutputKind::Reduce(r) if r.item.is_some() => 1,
                    OutputKind::Reduce(_) => o.values.len(),
                };
                start..at
            })
            .collect()
    }
}

impl Output {
    pub fn makes_array(&self) -> bool {
        match &self.kind {
            OutputKind::New(_) | OutputKind::Select(_) => true,
            OutputKind::Store(_) | OutputKind::Scatter(_) => false,
            OutputKind::Reduce(r) => r.makes_array(),
        }
    }

    /// The array that is written.
    pub fn target(&self) -> Option<Value> {
        match &self.kind {
            OutputKind::Store(access) => Some(access.array),
            OutputKind::Scatter(scatter) => Some(scatter.array),
            OutputKind::Reduce(r) => r.target.as_ref().map(|t| t.array),
            OutputKind::New(_) | OutputKind::Select(_) => None,
        }
    }
}

impl Reduction {
    /// Its results fill a new array.
    pub fn makes_array(&self) -> bool {
        self.item.is_some() && self.target.is_none()
    }

    /// The dimensions that are left, of a nest of `rank`.
    pub fn kept(&self, rank: usize) -> impl Iterator<Item = usize> {
        let over = self.over;
        (0..rank).filter(move |d| over >> d & 1 == 0)
    }
}
