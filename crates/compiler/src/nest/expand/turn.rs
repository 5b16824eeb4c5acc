//! Reductions over a short last dimension.
//!
//! ```python
//! d = np.sum((a[:, None, :] - b[None, :, :]) ** 2, axis=2)   # distances of points in the plane
//! ```
//!
//! Along the last dimension there is too little to do for vectors, and along the one before it, that of the
//! results of a row, the items that are read lie apart. These are copied, some columns at a time, so that they
//! follow each other along the results, and then the nest goes along these innermost. Arrays that are read so
//! are those that the outer dimensions read again and again, so that copying them costs little.

use super::*;

/// Items of the last dimension, at most.
pub(in crate::nest) const SHORT: i64 = 16;
/// Columns at a time, and how many there have to be at least; how often they are to be read.
pub(in crate::nest) const COLUMNS: i64 = 64;
const FEWEST: i64 = 16;
const OFTEN: i64 = 8;
/// Arrays that are copied, and the size of their items.
const MOST_TURNED: usize = 2;
const LARGEST: u32 = 16;

impl Expander {
    /// The loops of a nest that reduces a last dimension, in a version for a short one and one for all others;
    /// whether it is such a nest.
    pub(super) fn short(&mut self, nest: &Nest, written: &[Option<Access>]) -> bool {
        let options = &self.b.func.options;
        let without = options.without;
        if !self.often || !may_turn(options, nest, |v| self.b.as_int(v)) {
            return false;
        }
        let [outer @ .., columns, last] = &nest.extents[..] else {
            return false;
        };
        let least = |n| if without.has(Rewrites::WHOLE) { 1 } else { n };
        let most = self.b.i64(SHORT);
        let fewest = self.b.i64(least(FEWEST));
        let often = self.b.i64(least(OFTEN));
        let times = outer
            .iter()
            .copied()
            .reduce(|a, b| self.b.binary_nsw(Bin::Mul, a, b));
        let mut pays = self.b.cmp(Cmp::SLe, *last, most);
        let rest = [(*columns, fewest), (times.unwrap_or(often), often)];
        for (n, least) in rest {
            let enough = self.b.cmp(Cmp::SGe, n, least);
            pays = self.b.binary(Bin::And, pays, enough);
        }
        let (turned, plain, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        self.b.branch(pays, turned, plain, Hint::None);
        self.b.switch_to(plain);
        self.run(nest, written, true);
        self.b.jump(done, &[]);
        self.b.switch_to(turned);
        let (zero, columns) = (self.b.i64(0), *columns);
        let head = self.b.func.blocks.len();
        let spread = self.spread(nest, true, false);
        self.counted(
            zero,
            columns,
            COLUMNS,
            Rounds::Unknown,
            smallvec![],
            |e, from, _| {
                let some = e.b.i64(COLUMNS);
                let left = e.b.binary_nsw(Bin::Sub, columns, from);
                let count = e.b.binary(Bin::SMin, left, some);
                e.turned(nest, written, (from, count));
                smallvec![]
            },
        );
        self.b.func.blocks[head].spread = spread;
        self.b.jump(done, &[]);
        self.b.switch_to(done);
        true
    }

    /// The loops for some columns.
    fn turned(&mut self, nest: &Nest, written: &[Option<Access>], columns: (Value, Value)) {
        let rank = nest.extents.len();
        let (inner, middle) = (rank - 1, rank - 2);
        let turn = |access: &mut Access| {
            for along in &mut access.dims {
                along.dim = match usize::from(along.dim) {
                    d if d == inner => middle as u8,
                    d if d == middle => inner as u8,
                    _ => along.dim,
                };
            }
        };
        let mut turned = nest.clone();
        turned.extents[middle] = nest.extents[inner];
        turned.extents[inner] = columns.1;
        for input in &mut turned.inputs {
            let is_apart = input.access.varies(inner) && input.access.varies(middle);
            input.access = self.columns(&input.access, middle, columns);
            turn(&mut input.access);
            if is_apart {
                input.access = self.aside_in_columns(&turned.extents, input);
            }
        }
        let mut kept = vec![];
        for (output, access) in turned.outputs.iter_mut().zip(written) {
            let access = access.as_ref().map(|access| {
                let mut part = self.columns(access, middle, columns);
                turn(&mut part);
                part
            });
            if let OutputKind::Reduce(r) = &mut output.kind {
                r.over = 1 << middle;
                r.target = access.clone();
            }
            kept.push(access);
        }
        self.run(&turned, &kept, true);
    }

    /// Some of the items along a dimension of the nest.
    fn columns(&mut self, access: &Access, dim: usize, (from, count): (Value, Value)) -> Access {
        let moves = |along: &Along| usize::from(along.dim) == dim && along.stretch != Stretch::One;
        if !access.dims.iter().any(moves) {
            return access.clone();
        }
        let rank = access.dims.len();
        let mut data = self.part(access.array, Part::Data);
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for (k, along) in access.dims.iter().enumerate() {
            let n = self.part(access.array, Part::Shape(k as u8));
            let stride = self.stride(access.array, access.item, rank, k);
            strides.push(stride);
            if !moves(along) {
                shape.push(n);
                continue;
            }
            let (mut from, mut count) = (from, count);
            if along.stretch == Stretch::Maybe {
                let (zero, one) = (self.b.i64(0), self.b.i64(1));
                let stays = self.b.cmp(Cmp::Eq, n, one);
                from = self.b.select(stays, zero, from);
                count = self.b.select(stays, one, count);
            }
            shape.push(count);
            let offset = self.b.binary_nsw(Bin::Mul, from, stride);
            data = self.b.offset(data, offset);
        }
        let array = self.view(access.array, data, shape, strides);
        Access {
            array,
            dims: access.dims.clone(),
            item: Item {
                layout: Layout::A,
                ..access.item
            },
        }
    }

    /// A copy of the items of some columns, in which the columns follow each other, on the stack.
    fn aside_in_columns(&mut self, extents: &[Value], input: &Input) -> Access {
        let rank = extents.len();
        let item = Item {
            layout: Layout::A,
            ..input.access.item
        };
        let size = i64::from(item.size);
        let bytes = SHORT * COLUMNS * size;
        let data = self.b.stack_slot(bytes as u32, 64);
        let strides: Vals = smallvec![self.b.i64(COLUMNS * size), self.b.i64(size)];
        let shape: Vals = extents[rank - 2..].into();
        let own = self.view(input.access.array, data, shape, strides);
        let own = Access::along(own, rank - 2..rank, item);
        let elements = self.like(&input.elements);
        let stored = Output {
            values: elements.clone(),
            kind: OutputKind::Store(own.clone()),
        };
        let one = self.b.i64(1);
        let mut once: Vals = extents.into();
        once[..rank - 2].fill(one);
        let copy = Nest::plain(
            once,
            vec![Input::new(input.access.clone(), elements)],
            stored,
        );
        self.run(&copy, &[Some(own.clone())], false);
        own
    }
}

/// Whether all that a nest makes are reductions of its last dimension, and some arrays are read again for each
/// index of the outer ones, apart along the results of a row.
pub(in crate::nest) fn may_turn(
    options: &Options,
    nest: &Nest,
    as_int: impl Fn(Value) -> Option<i64>,
) -> bool {
    if options.without.has(Rewrites::TURN) {
        return false;
    }
    let rank = nest.extents.len();
    if rank < 3 || !nest.indices.is_empty() || !nest.guards.is_empty() || !nest.sources.is_empty() {
        return false;
    }
    let (inner, middle) = (rank - 1, rank - 2);
    let known = |dim: usize| as_int(nest.extents[dim]);
    if known(inner).is_some_and(|n| n > SHORT) || known(middle).is_some_and(|n| n < FEWEST) {
        return false;
    }
    let reduces = |o: &Output| matches!(&o.kind, OutputKind::Reduce(r) if r.over == 1 << inner && r.item.is_some());
    let is_simple = |i: &Inst| i.op.is_pure() && !matches!(i.op, Op::Rare { .. } | Op::Load { .. });
    if !nest.outputs.iter().all(reduces) || !nest.insts.iter().all(is_simple) {
        return false;
    }
    let mut turned = 0;
    for input in &nest.inputs {
        let access = &input.access;
        if access.varies(inner) && access.varies(middle) {
            turned += 1;
            if access.item.size > LARGEST || (0..middle).any(|dim| access.varies(dim)) {
                return false;
            }
        }
    }
    (1..=MOST_TURNED).contains(&turned)
}
