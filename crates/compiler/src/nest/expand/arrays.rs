//! Arrays that loops read and write: their parts, views by indices, new ones, what they share.

use super::*;
use crate::nest::body::tidy;
use crate::tir::nest::Scatter;

impl Expander {
    pub(super) fn part(&mut self, array: Value, part: Part) -> Value {
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
    pub(super) fn stride(&mut self, array: Value, item: Item, rank: usize, dim: usize) -> Value {
        if unit_dim(item.layout, rank) == Some(dim) {
            return self.b.i64(i64::from(item.size));
        }
        self.part(array, Part::Stride(dim as u8))
    }

    pub(super) fn subview(&mut self, view: &Subview) -> Value {
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
        self.view(view.base, data, shape, strides)
    }

    /// A view at an address.
    pub(super) fn view(&mut self, base: Value, data: Value, shape: Vals, strides: Vals) -> Value {
        let made = self.b.view(base, data, &shape, &strides);
        let descriptor = Descriptor {
            data: Some(data),
            shape,
            strides,
        };
        self.descriptors.insert(made, descriptor);
        made
    }

    /// New values of the types of others.
    pub(super) fn like(&mut self, values: &[Value]) -> SmallVec<[Value; 2]> {
        values.iter().map(|&v| self.b.value(self.b.ty(v))).collect()
    }

    /// A new contiguous array; an error goes to `failed`.
    pub(super) fn allocate(&mut self, item: Item, shape: &[Value], failed: BlockId) -> Value {
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
        let strides = self.b.contiguous_strides(size, item.layout, shape);
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

    /// A nest that reads copies of the inputs that are to be copied first.
    pub(super) fn with_copies<'n>(
        &mut self,
        nest: &'n Nest,
        failed: Option<BlockId>,
    ) -> Cow<'n, Nest> {
        let mut nest = Cow::Borrowed(nest);
        for i in 0..nest.inputs.len() {
            if let (true, Some(failed)) = (nest.inputs[i].copied, failed) {
                let access = self.copied(&nest.inputs[i], failed);
                nest.to_mut().inputs[i].access = access;
            }
        }
        nest
    }

    /// A nest that writes what is selected to new arrays, one after the other, and counts it. How much that
    /// will be is counted first.
    pub(super) fn with_selections<'n>(
        &mut self,
        nest: &'n Nest,
        results: &[Value],
        failed: Option<BlockId>,
    ) -> Cow<'n, Nest> {
        let selects = |o: &Output| matches!(o.kind, OutputKind::Select(_));
        let (true, Some(failed)) = (nest.outputs.iter().any(selects), failed) else {
            return Cow::Borrowed(nest);
        };
        let mut sequential = nest.clone();
        // Conditions, how many hold so far, and how many will.
        let mut counted: Vec<(Value, Value, Value)> = vec![];
        for (o, range) in nest.result_ranges().into_iter().enumerate() {
            let OutputKind::Select(selection) = nest.outputs[o].kind else {
                continue;
            };
            let known = counted.iter().find(|(when, ..)| *when == selection.when);
            let (before, count) = match known {
                Some(&(_, before, count)) => (before, count),
                None => {
                    let mut counting = Nest {
                        outputs: vec![],
                        ..nest.clone()
                    };
                    self.count(&mut counting, selection.when);
                    tidy(&mut counting, |v| self.b.ty(v));
                    let count = self.run(&counting, &[None], true)[0];
                    let before = self.count(&mut sequential, selection.when);
                    counted.push((selection.when, before, count));
                    (before, count)
                }
            };
            let one = self.b.i64(1);
            let room = self.b.binary_nsw(Bin::Add, count, one);
            // What is not chosen is written behind what is, and so has room for one item more.
            let room = self.allocate(selection.item, &[room], failed);
            let data = self.part(room, Part::Data);
            let size = self.b.i64(i64::from(selection.item.size));
            let view = self.view(room, data, smallvec![count], smallvec![size]);
            self.replace(results[range.start], view);
            let at = self.b.value(Type::I64);
            sequential.insts.push(Inst {
                op: Op::Binary {
                    op: Bin::Mul,
                    a: before,
                    b: size,
                    nsw: true,
                },
                results: smallvec![at],
                loc: self.b.loc_id(),
            });
            sequential.outputs[o].kind = OutputKind::Scatter(Scatter {
                array: view,
                at,
                item: selection.item,
            });
        }
        Cow::Owned(sequential)
    }

    /// Adds the count of how often a condition holds to a nest; what it is before each index.
    fn count(&mut self, nest: &mut Nest, when: Value) -> Value {
        let zero = self.b.i64(0);
        let (one, before, after) = (
            self.b.value(Type::I64),
            self.b.value(Type::I64),
            self.b.value(Type::I64),
        );
        nest.count(when, zero, [one, before, after], self.b.loc_id());
        before
    }

    /// A contiguous copy of an input's array, as the nest goes through it.
    fn copied(&mut self, input: &Input, failed: BlockId) -> Access {
        let access = &input.access;
        let mut order: SmallVec<[usize; 4]> = (0..access.dims.len()).collect();
        order.sort_by_key(|&k| {
            let along = access.dims[k];
            (along.stretch != Stretch::One, along.dim)
        });
        let shape: Vals = order
            .iter()
            .map(|&k| self.part(access.array, Part::Shape(k as u8)))
            .collect();
        let item = Item {
            layout: Layout::C,
            ..access.item
        };
        let array = self.allocate(item, &shape, failed);
        let place = |k: usize| order.iter().position(|&o| o == k);
        let from = Access::along(
            access.array,
            (0..order.len()).filter_map(place),
            access.item,
        );
        let elements = self.like(&input.elements);
        let target = Access::whole(array, order.len(), item);
        let stored = Output {
            values: elements.clone(),
            kind: OutputKind::Store(target.clone()),
        };
        let copy = Nest::plain(shape, vec![Input::new(from, elements)], stored);
        let unit = order.last().map(|&k| {
            let stride = self.stride(access.array, access.item, order.len(), k);
            self.b.as_int(stride) == Some(i64::from(item.size))
        });
        self.run(&copy, &[Some(target)], unit == Some(true));
        Access {
            array,
            dims: order.iter().map(|&k| access.dims[k]).collect(),
            item,
        }
    }

    /// Whether two arrays share memory other than item by item.
    pub(super) fn overlap(&mut self, nest: &Nest, read: &Access, store: &Access) -> Value {
        let shared = self
            .b
            .touch((read.array, read.item), (store.array, store.item));
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

    pub(super) fn base(&self, mut array: Value) -> Value {
        while let Some(&base) = self.bases.get(&array) {
            array = base;
        }
        array
    }
}
