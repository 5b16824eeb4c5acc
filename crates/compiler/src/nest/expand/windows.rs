//! Windows: neighbouring items of a row are read once.
//!
//! ```python
//! lap = u[1:-1, 2:] + u[1:-1, :-2] - 2 * u[1:-1, 1:-1]
//! ```
//!
//! The three views are one row of `u`, an item apart from each other: what is furthest ahead in a round is
//! what the next rounds read again. The innermost loop loads that item alone and carries it along, which LLVM
//! makes shuffles of vectors of. That counts where vectors are as long as cache lines: of three loads at
//! neighbouring addresses two go across the end of a line, and take twice as long.

use super::*;
use crate::nest::parts::Linear;
use crate::tir::Un;
use crate::tir::pass::number::Numbers;

/// Items that are carried, at most.
const WIDEST: usize = 4;
/// Bytes of a line of a cache, and of a vector.
const LINE: i64 = 64;
/// Smaller items are not worth shuffles.
const SMALLEST: u32 = 4;

/// Inputs of a nest that read the same row, each an item further than the one before.
pub(super) struct Window {
    /// By number, the one that is behind first.
    pub inputs: SmallVec<[usize; 4]>,
}

/// Views by indices, and what is equal in them.
pub(super) struct Views {
    views: FxHashMap<Value, Subview>,
    numbers: Numbers,
}

/// Where the items of an array lie in what it is a view of.
struct Place {
    root: u32,
    /// Of the first item, along each dimension of the root.
    start: SmallVec<[Linear; 4]>,
    /// Along each dimension that an access goes through.
    along: SmallVec<[Direction; 4]>,
}

/// How an access goes along a dimension: that of the nest, that of the root, the distance in items of the
/// root, the number of items where it is not all of them, and whether it is stretched if that is one.
struct Direction {
    dim: u8,
    root: usize,
    step: i64,
    count: Option<u32>,
    stretch: Stretch,
}

/// Inputs that read the same row.
struct Row {
    place: Place,
    /// The dimension of the root that it goes along.
    dim: usize,
    /// How far each is ahead of `place`, and its number.
    inputs: SmallVec<[(i64, usize); 8]>,
}

impl Views {
    /// The views of a function, if there are rows of which more than one item is read in a round.
    pub fn new(f: &Function) -> Option<Views> {
        let insts = || f.blocks.iter().flat_map(|b| &b.insts);
        let mut views = FxHashMap::default();
        for inst in insts() {
            if let Op::Subview(view) = &inst.op {
                views.insert(inst.results[0], (**view).clone());
            }
        }
        let root = |mut array: Value| {
            while let Some(view) = views.get(&array) {
                array = view.base;
            }
            array
        };
        let reads_twice = |nest: &Nest| {
            let mut roots: SmallVec<[Value; 8]> = SmallVec::new();
            for input in &nest.inputs {
                if views.contains_key(&input.access.array) {
                    roots.push(root(input.access.array));
                }
            }
            roots.sort_unstable();
            roots.windows(2).any(|pair| pair[0] == pair[1])
        };
        let any = insts().any(|i| matches!(&i.op, Op::Nest(nest) if reads_twice(nest)));
        any.then(|| Views {
            views,
            numbers: Numbers::new(f),
        })
    }

    /// The windows of a nest whose innermost loop goes along a dimension, item by item.
    pub fn windows(&self, nest: &Nest, inner: usize) -> Vec<Window> {
        let is_small =
            |input: &Input| input.elements.len() != 1 || input.access.item.size < SMALLEST;
        let mut rows: Vec<Row> = vec![];
        for (number, input) in nest.inputs.iter().enumerate() {
            if is_small(input) || !self.views.contains_key(&input.access.array) {
                continue;
            }
            let Some(place) = self.place(&input.access) else {
                continue;
            };
            let mut along = place.along.iter().filter(|d| usize::from(d.dim) == inner);
            let (Some(&Direction { root, step: 1, .. }), None) = (along.next(), along.next())
            else {
                continue;
            };
            let row = rows.iter_mut().find_map(|row| {
                let ahead = (row.dim == root)
                    .then(|| row.place.to(&place, root))
                    .flatten()?;
                Some((&mut row.inputs, ahead))
            });
            match row {
                Some((inputs, ahead)) => inputs.push((ahead, number)),
                None => rows.push(Row {
                    place,
                    dim: root,
                    inputs: smallvec![(0, number)],
                }),
            }
        }
        let mut windows = vec![];
        for Row { mut inputs, .. } in rows {
            inputs.sort_unstable();
            for run in inputs.chunk_by(|(x, _), (y, _)| x + 1 == *y) {
                for part in run.chunks(WIDEST + 1).filter(|part| part.len() > 1) {
                    let inputs = part.iter().map(|(_, number)| *number).collect();
                    windows.push(Window { inputs });
                }
            }
        }
        windows
    }

    fn place(&self, access: &Access) -> Option<Place> {
        let numbers = &self.numbers;
        let linear = |v: Value| Linear::of(numbers, numbers.get(v));
        let mut along: SmallVec<[Direction; 4]> = SmallVec::new();
        for (k, along_dim) in access.dims.iter().enumerate() {
            along.push(Direction {
                dim: along_dim.dim,
                root: k,
                step: 1,
                count: None,
                stretch: along_dim.stretch,
            });
        }
        let mut array = access.array;
        // By dimension of the array that we have come to.
        let mut start = vec![Linear::default(); access.dims.len()];
        while let Some(view) = self.views.get(&array) {
            let mut of_base: Vec<Linear> = vec![];
            let mut put = |dim: u8, at: Linear| {
                let dim = usize::from(dim);
                of_base.resize(of_base.len().max(dim + 1), Linear::default());
                of_base[dim] = at;
            };
            for &(dim, index) in &view.at {
                put(dim, linear(index));
            }
            let mut into: SmallVec<[Option<(usize, i64)>; 4]> = SmallVec::new();
            for (k, axis) in view.axes.iter().enumerate() {
                let within = start.get(k).cloned().unwrap_or_default();
                match *axis {
                    Axis::New => into.push(None),
                    Axis::Whole(dim) => {
                        put(dim, within);
                        into.push(Some((usize::from(dim), 1)));
                    }
                    Axis::Part {
                        dim,
                        start: first,
                        count,
                        step,
                    } => {
                        let step = linear(step).as_constant()?;
                        put(dim, linear(first).plus(&within.times(step)));
                        into.push(Some((usize::from(dim), step)));
                        for d in along.iter_mut().filter(|d| d.root == k) {
                            d.count.get_or_insert(numbers.get(count));
                        }
                    }
                }
            }
            for d in &mut along {
                let (root, step) = (*into.get(d.root)?)?;
                d.root = root;
                d.step = d.step.checked_mul(step)?;
            }
            start = of_base;
            array = view.base;
        }
        Some(Place {
            root: numbers.get(array),
            start: start.into(),
            along,
        })
    }
}

impl Place {
    /// How far the other place is ahead along a dimension of the root, if that is the only difference.
    fn to(&self, other: &Place, dim: usize) -> Option<i64> {
        let alike = |(x, y): (&Direction, &Direction)| {
            // The loop along the row goes through as many items of each.
            (x.dim, x.root, x.step) == (y.dim, y.root, y.step)
                && (x.root == dim || (x.count, x.stretch) == (y.count, y.stretch))
        };
        if self.root != other.root
            || self.along.len() != other.along.len()
            || !self.along.iter().zip(&other.along).all(alike)
        {
            return None;
        }
        let none = Linear::default();
        let mut ahead = 0;
        for k in 0..self.start.len().max(other.start.len()) {
            let start = |place: &Place| place.start.get(k).unwrap_or(&none).clone();
            let difference = start(other).minus(&start(self)).as_constant()?;
            if k == dim {
                ahead = difference;
            } else if difference != 0 {
                return None;
            }
        }
        Some(ahead)
    }
}

/// What a loop waits for, rather than for items; or what is not there in one version of it.
pub(super) fn takes_long(op: &Op) -> bool {
    matches!(
        op,
        Op::Rare { .. }
            | Op::Binary {
                op: Bin::FDiv | Bin::FDivExact,
                ..
            }
            | Op::Unary(Un::Sqrt, _)
    )
}

impl Expander {
    /// The innermost loop, which carries the items of windows along: for as many rounds as are whole vectors.
    /// What is left over would be one item after the other; it is vectorised in another loop.
    pub(super) fn windowed(
        &mut self,
        loops: &Loops<'_>,
        (n, dim): (Value, usize),
        lane: &Lane,
        round: &mut dyn FnMut(&mut Self, Value),
    ) {
        let items = loops.windows.iter().map(|w| {
            let input = &loops.nest.inputs[w.inputs[0]];
            i64::from(input.access.item.size)
        });
        let lanes = items.min().map_or(1, |size| LINE / size);
        let (zero, some, mask) = (self.b.i64(0), self.b.i64(lanes - 1), self.b.i64(-lanes));
        let whole = self.b.binary(Bin::And, n, mask);
        let any = self.b.cmp(Cmp::SGt, whole, zero);
        let (inside, rest) = (self.b.new_block(), self.b.new_block());
        self.b.branch(any, inside, rest, Hint::Likely);
        self.b.switch_to(inside);
        let mut first = Vals::new();
        for window in &loops.windows {
            for &input in &window.inputs[..window.inputs.len() - 1] {
                first.extend(self.item(loops, lane, input, dim, zero));
            }
        }
        self.innermost(loops, (zero, whole), first, &mut |e, i, carried| {
            let mut carried = carried.into_iter();
            let mut next = Vals::new();
            for window in &loops.windows {
                let (&ahead, behind) = window.inputs.split_last().unwrap_or((&0, &[]));
                let behind: Vals = carried.by_ref().take(behind.len()).collect();
                let all = behind.into_iter().chain(e.item(loops, lane, ahead, dim, i));
                let all: Vals = all.collect();
                next.extend_from_slice(&all[1..]);
                e.read.extend(window.inputs.iter().copied().zip(all));
            }
            round(e, i);
            e.read.clear();
            next
        });
        self.b.jump(rest, &[]);
        self.b.switch_to(rest);
        let left = self.b.binary(Bin::And, n, some);
        self.innermost(loops, (zero, left), smallvec![], &mut |e, i, _| {
            let i = e.b.binary_nsw(Bin::Add, whole, i);
            round(e, i);
            smallvec![]
        });
    }

    /// The item that an input reads in a round of the innermost loop.
    fn item(&mut self, loops: &Loops<'_>, lane: &Lane, input: usize, dim: usize, i: Value) -> Vals {
        let (Some(walk), Some(ptr)) = (&loops.walks[input], lane.pointers[input]) else {
            return Vals::new();
        };
        let input = &loops.nest.inputs[input];
        let types: SmallVec<[Type; 2]> = input.elements.iter().map(|&v| self.b.ty(v)).collect();
        match self.advance(walk, ptr, dim, i) {
            Some(ptr) => self.load(ptr, input.access.item, &types, loops.mem()),
            None => Vals::new(),
        }
    }
}
