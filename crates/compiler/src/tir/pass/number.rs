//! Value numbering: which values are certainly equal.
//!
//! Sizes of arrays are asked for again and again, through views, through arrays that are made of others;
//! equal numbers say that the answers are the same, and checks of shapes go.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::simplify::{Renaming, predecessor_counts, simplify};
use crate::tir::dominators::Dominators;
use crate::tir::nest::{Axis, OutputKind};
use crate::tir::{Bin, Cast, Cmp, Function, Inst, Op, Part, PoolId, Target, Term, Type, Un, Value};
use crate::types::Layout;

/// Computes each thing once, where it was computed before on every way, and what is constant not at all.
pub fn number(f: &mut Function) {
    let numbers = Numbers::new(f);
    let tree = Dominators::new(f);
    let mut renaming = Renaming::new(f);
    // The first value of each number, by block.
    let mut first: FxHashMap<u32, Vec<(usize, Value)>> = FxHashMap::default();
    let mut changed = false;
    for id in f.reverse_postorder() {
        let block = id.index();
        for &param in &f.blocks[block].params {
            first
                .entry(numbers.get(param))
                .or_default()
                .push((block, param));
        }
        for inst in &mut f.blocks[block].insts {
            let [result] = inst.results[..] else { continue };
            let number = numbers.get(result);
            if let (Some(Key::Int(_, value)), false) = (
                &numbers.keys[number as usize],
                matches!(inst.op, Op::Int(_)),
            ) && inst.op.is_pure()
            {
                inst.op = Op::Int(*value);
                changed = true;
            }
            if matches!(inst.op, Op::Int(_) | Op::Float(_) | Op::Pool(_)) {
                continue;
            }
            let known = first.entry(number).or_default();
            match known.iter().find(|(b, _)| tree.dominates(*b, block)) {
                Some(&(_, before)) => {
                    renaming.set(result, before);
                    changed = true;
                }
                None => known.push((block, result)),
            }
        }
    }
    if changed {
        renaming.apply(f);
    }
    if decide(f, &numbers, &tree) || changed {
        simplify(f);
    }
}

/// Branches on conditions that were decided on the way: checks of shapes, mostly.
fn decide(f: &mut Function, numbers: &Numbers, tree: &Dominators) -> bool {
    let counts = predecessor_counts(f);
    // What is known of a condition from a block on.
    let mut known: FxHashMap<u32, Vec<(usize, bool)>> = FxHashMap::default();
    for block in &f.blocks {
        if let Term::Branch {
            cond, then, other, ..
        } = &block.term
            && then.block != other.block
        {
            for (target, holds) in [(then, true), (other, false)] {
                let at = target.block.index();
                if counts[at] == 1 {
                    known
                        .entry(numbers.get(*cond))
                        .or_default()
                        .push((at, holds));
                }
            }
        }
    }
    let mut changed = false;
    for b in 0..f.blocks.len() {
        let Term::Branch { cond, .. } = f.blocks[b].term else {
            continue;
        };
        let Some(facts) = known.get(&numbers.get(cond)) else {
            continue;
        };
        let Some(&(_, holds)) = facts.iter().find(|(at, _)| tree.dominates(*at, b)) else {
            continue;
        };
        let decided = f.new_value(Type::I1);
        let block = &mut f.blocks[b];
        block.insts.push(Inst {
            op: Op::Int(i64::from(holds)),
            results: smallvec![decided],
            loc: block.term_loc,
        });
        if let Term::Branch { cond, .. } = &mut block.term {
            *cond = decided;
        }
        changed = true;
    }
    changed
}

/// What a number stands for, in terms of other numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Key {
    Int(Type, i64),
    Float(Type, u64),
    Pool(PoolId),
    Part(u32, Part),
    /// How often a condition in a nest holds.
    Chosen(u32),
    Binary(Bin, u32, u32),
    /// What several sizes are broadcast to, in order.
    Fit(SmallVec<[u32; 4]>),
    Unary(Un, u32),
    Fma(u32, u32, u32),
    Compare(Cmp, u32, u32),
    Select(u32, u32, u32),
    Cast(Cast, u32, Type),
    /// Base, fixed dimensions, axes.
    Subview(u32, Vec<(u8, u32)>, Vec<AxisKey>),
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub enum AxisKey {
    New,
    Whole(u8),
    Part(u8, u32, u32, u32),
}

/// The shape of an array, where its definition says it: numbers.
type Shape = SmallVec<[u32; 4]>;

/// Numbers of a function's values: equal numbers, equal values (each in its own iteration).
pub struct Numbers {
    of: Vec<u32>,
    table: FxHashMap<Key, u32>,
    shapes: FxHashMap<u32, Shape>,
    /// Arrays whose items are certainly apart in memory.
    distinct: FxHashSet<u32>,
    keys: Vec<Option<Key>>,
}

impl Numbers {
    pub fn new(f: &Function) -> Numbers {
        // Arrays that go round a loop are taken to keep their shapes, until it is seen that they do not.
        let mut changing = vec![];
        loop {
            let before = changing.len();
            let numbers = Numbers::assuming(f, &mut changing);
            if changing.len() == before {
                return numbers;
            }
        }
    }

    /// The numbers if all arrays that are parameters of blocks, but for those that are `changing`, have the
    /// shapes with which they come there first. Adds to `changing` where that is wrong.
    fn assuming(f: &Function, changing: &mut Vec<Value>) -> Numbers {
        let mut numbers = Numbers {
            of: vec![u32::MAX; f.values.len()],
            table: FxHashMap::default(),
            shapes: FxHashMap::default(),
            distinct: FxHashSet::default(),
            keys: vec![],
        };
        let mut incoming: Vec<Vec<(usize, &Target)>> = vec![vec![]; f.blocks.len()];
        for (b, block) in f.blocks.iter().enumerate() {
            for target in block.term.targets() {
                incoming[target.block.index()].push((b, target));
            }
        }
        let mut done = vec![false; f.blocks.len()];
        let mut assumed: Vec<(Value, Shape, Value)> = vec![];
        for id in f.reverse_postorder() {
            let block = f.block(id);
            for (k, &param) in block.params.iter().enumerate() {
                numbers.of[param.index()] = numbers.fresh();
                if id.index() == 0 || !matches!(f.ty(param), Type::Array(_)) {
                    continue;
                }
                let (mut first, mut alike) = (None, !changing.contains(&param));
                for (_, target) in incoming[id.index()].iter().filter(|(b, _)| done[*b]) {
                    let shape = numbers.shape_of(f, target.args[k]);
                    alike &= first.get_or_insert_with(|| shape.clone()) == &shape;
                }
                if let (Some(shape), true) = (first, alike) {
                    numbers
                        .shapes
                        .insert(numbers.of[param.index()], shape.clone());
                    let later = incoming[id.index()].iter().filter(|(b, _)| !done[*b]);
                    let args = later.map(|(_, target)| target.args[k]);
                    assumed.extend(args.map(|arg| (param, shape.clone(), arg)));
                }
            }
            done[id.index()] = true;
            for inst in &block.insts {
                numbers.define(f, &inst.op, &inst.results);
            }
        }
        for v in 0..f.values.len() {
            if numbers.of[v] == u32::MAX {
                numbers.of[v] = numbers.fresh();
            }
        }
        for (param, shape, arg) in assumed {
            if numbers.shape_of(f, arg) != shape && !changing.contains(&param) {
                changing.push(param);
            }
        }
        numbers
    }

    pub fn get(&self, v: Value) -> u32 {
        self.of[v.index()]
    }

    pub fn equal(&self, a: Value, b: Value) -> bool {
        self.get(a) == self.get(b)
    }

    /// The number of the size of an array's dimension.
    pub fn size(&mut self, array: Value, dim: usize) -> u32 {
        self.part(self.get(array), Part::Shape(dim as u8))
    }

    /// The number of the distance between items along an array's dimension.
    pub fn stride(&mut self, array: Value, dim: usize) -> u32 {
        self.part(self.get(array), Part::Stride(dim as u8))
    }

    /// What a number stands for, if it is known.
    pub fn key(&self, number: u32) -> Option<&Key> {
        self.keys[number as usize].as_ref()
    }

    /// The number of an array's size in a dimension, if there is one.
    pub fn shape(&self, array: u32, dim: u8) -> Option<u32> {
        match self.shapes.get(&array) {
            Some(shape) => shape.get(usize::from(dim)).copied(),
            None => self.table.get(&Key::Part(array, Part::Shape(dim))).copied(),
        }
    }

    /// Whether different indices of an array, by number, certainly mean different memory. `as_strided` makes
    /// arrays of which that is not true.
    pub fn is_distinct(&self, array: u32) -> bool {
        self.distinct.contains(&array)
    }

    fn fresh(&mut self) -> u32 {
        self.keys.push(None);
        self.keys.len() as u32 - 1
    }

    fn number(&mut self, key: Key) -> u32 {
        if let Some(&number) = self.table.get(&key) {
            return number;
        }
        let number = self.fresh();
        self.keys[number as usize] = Some(key.clone());
        self.table.insert(key, number);
        number
    }

    fn part(&mut self, array: u32, part: Part) -> u32 {
        if let (Part::Shape(dim), Some(shape)) = (part, self.shapes.get(&array)) {
            return shape[usize::from(dim)];
        }
        self.number(Key::Part(array, part))
    }

    /// The sizes of an array.
    fn shape_of(&mut self, f: &Function, array: Value) -> Shape {
        let Type::Array(rank) = f.ty(array) else {
            return Shape::new();
        };
        let number = self.operand(array);
        (0..rank)
            .map(|dim| self.part(number, Part::Shape(dim)))
            .collect()
    }

    /// An operand; values of loops that are not seen yet get a number of their own.
    fn operand(&mut self, v: Value) -> u32 {
        if self.of[v.index()] == u32::MAX {
            self.of[v.index()] = self.fresh();
        }
        self.of[v.index()]
    }

    /// The integer that a number stands for.
    fn int(&self, number: u32) -> Option<i64> {
        match self.keys[number as usize] {
            Some(Key::Int(_, value)) => Some(value),
            _ => None,
        }
    }

    /// An operation that needs no instruction.
    fn fold(&mut self, op: Bin, ty: Type, a: u32, b: u32) -> Option<u32> {
        let zero = |x: u32| self.int(x) == Some(0);
        match op {
            Bin::Or | Bin::Add | Bin::Xor if zero(a) => Some(b),
            Bin::Or | Bin::Add | Bin::Xor | Bin::Sub if zero(b) => Some(a),
            Bin::And | Bin::Mul if zero(a) => Some(a),
            Bin::And | Bin::Mul if zero(b) => Some(b),
            Bin::And if ty == Type::I1 && self.int(a) == Some(1) => Some(b),
            Bin::And if ty == Type::I1 && self.int(b) == Some(1) => Some(a),
            Bin::And | Bin::Or | Bin::SMin | Bin::SMax if a == b => Some(a),
            Bin::Mul if self.int(a) == Some(1) => Some(b),
            Bin::Mul if self.int(b) == Some(1) => Some(a),
            _ => None,
        }
    }

    /// An operation on two operands. Sums of a value and constants have one constant, and what is clamped to
    /// zero twice, on its way down, is clamped once: the size of `a[1:][1:]` is that of `a[2:]`.
    fn binary(&mut self, op: Bin, ty: Type, a: u32, b: u32) -> u32 {
        if let Some(known) = self.fold(op, ty, a, b) {
            return known;
        }
        if let (Type::I64, Some(constant)) = (ty, self.int(b)) {
            let sum = match self.keys[a as usize] {
                Some(Key::Binary(Bin::Add, x, y)) => self.int(y).map(|first| (x, first)),
                _ => None,
            };
            match (op, sum) {
                (Bin::Add, Some((x, first))) => {
                    if let Some(both) = first.checked_add(constant) {
                        let both = self.number(Key::Int(ty, both));
                        return self.binary(op, ty, x, both);
                    }
                }
                (Bin::SMax, Some((x, first))) if constant == 0 && first <= 0 => {
                    if let Some(Key::Binary(Bin::SMax, y, zero)) = self.keys[x as usize]
                        && self.int(zero) == Some(0)
                    {
                        let first = self.number(Key::Int(ty, first));
                        let sum = self.binary(Bin::Add, ty, y, first);
                        return self.binary(op, ty, sum, b);
                    }
                }
                _ => {}
            }
        }
        self.number(Key::Binary(op, a, b))
    }

    /// The sizes of which one is the broadcast of, without those that are 1.
    fn fitted(&self, number: u32) -> SmallVec<[u32; 4]> {
        match &self.keys[number as usize] {
            Some(Key::Fit(sizes)) => sizes.clone(),
            Some(Key::Int(_, 1)) => SmallVec::new(),
            _ => smallvec![number],
        }
    }

    /// What sizes are broadcast to. It has a meaning only where they fit, which is checked before it is
    /// used: then the order does not matter, and a constant among them is it.
    fn fit(&mut self, a: u32, b: u32) -> u32 {
        let mut sizes = self.fitted(a);
        sizes.extend(self.fitted(b));
        sizes.sort_unstable();
        sizes.dedup();
        let constant = sizes.iter().find(|&&n| self.int(n).is_some());
        match (constant, &sizes[..]) {
            (Some(&n), _) | (None, &[n]) => n,
            (None, []) => a,
            _ => self.number(Key::Fit(sizes)),
        }
    }

    /// Whether a size has been broadcast with the other one before.
    fn fits(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.fitted(a), self.fitted(b));
        a.iter().all(|n| b.contains(n)) || b.iter().all(|n| a.contains(n))
    }

    fn define(&mut self, f: &Function, op: &Op, results: &[Value]) {
        let number = match (op, results) {
            (Op::Nest(nest), _) => {
                for (output, range) in nest.outputs.iter().zip(nest.result_ranges()) {
                    let shape: Shape = match &output.kind {
                        OutputKind::New(_) => {
                            nest.extents.iter().map(|&n| self.operand(n)).collect()
                        }
                        // Selections by one condition are of one size.
                        OutputKind::Select(selection) => {
                            let number = self.operand(selection.when);
                            smallvec![self.number(Key::Chosen(number))]
                        }
                        OutputKind::Reduce(r) if r.makes_array() => r
                            .kept(nest.extents.len())
                            .map(|d| self.operand(nest.extents[d]))
                            .collect(),
                        _ => continue,
                    };
                    let number = self.operand(results[range.start]);
                    self.shapes.insert(number, shape);
                }
                return;
            }
            (_, &[result]) => match self.simple(f, op, result) {
                Some(number) => number,
                None => return,
            },
            _ => return,
        };
        self.of[results[0].index()] = number;
    }

    fn simple(&mut self, f: &Function, op: &Op, result: Value) -> Option<u32> {
        let ty = f.ty(result);
        let key = match op {
            Op::Int(value) => Key::Int(ty, *value),
            Op::Float(bits) => Key::Float(ty, *bits),
            Op::Pool(id) => Key::Pool(*id),
            Op::ArrayPart(array, part) => {
                let array = self.operand(*array);
                return Some(self.part(array, *part));
            }
            Op::Binary { op, a, b, .. } => {
                let (a, b) = (self.operand(*a), self.operand(*b));
                if *op == Bin::Fit {
                    return Some(self.fit(a, b));
                }
                return Some(self.binary(*op, ty, a, b));
            }
            Op::Unary(op, a) => {
                let a = self.operand(*a);
                match (op, self.int(a)) {
                    (Un::Not, Some(x)) if ty == Type::I1 => Key::Int(ty, x ^ 1),
                    _ => Key::Unary(*op, a),
                }
            }
            Op::Compare(op, a, b) => {
                let (x, y) = (self.operand(*a), self.operand(*b));
                match op {
                    Cmp::Eq | Cmp::SLe | Cmp::SGe | Cmp::ULe | Cmp::UGe if x == y => {
                        Key::Int(ty, 1)
                    }
                    Cmp::Ne | Cmp::SLt | Cmp::SGt | Cmp::ULt | Cmp::UGt if x == y => {
                        Key::Int(ty, 0)
                    }
                    Cmp::Unfit if self.fits(x, y) => Key::Int(ty, 0),
                    Cmp::Unfit => Key::Compare(*op, x.min(y), x.max(y)),
                    _ => Key::Compare(*op, x, y),
                }
            }
            Op::Fma { a, b, c } => Key::Fma(self.operand(*a), self.operand(*b), self.operand(*c)),
            Op::Cast(op, a) => Key::Cast(*op, self.operand(*a), ty),
            Op::Select { cond, then, other } => {
                let (cond, then, other) = (
                    self.operand(*cond),
                    self.operand(*then),
                    self.operand(*other),
                );
                // `x == y ? y : x` is x.
                let same = matches!(&self.keys[cond as usize], Some(Key::Compare(Cmp::Eq, x, y)) if (*x, *y) == (other, then) || (*y, *x) == (other, then));
                match self.int(cond) {
                    Some(c) => return Some(if c & 1 == 1 { then } else { other }),
                    None if then == other || same => return Some(other),
                    None => {}
                }
                Key::Select(cond, then, other)
            }
            Op::MakeArray { shape, .. } | Op::View { shape, .. } => {
                let shape = shape.iter().map(|&n| self.operand(n)).collect();
                let number = self.operand(result);
                self.shapes.insert(number, shape);
                return None;
            }
            Op::Subview(view) => {
                let base = self.operand(view.base);
                if view.item.layout != Layout::A {
                    self.distinct.insert(base);
                }
                let mut at: Vec<(u8, u32)> = view
                    .at
                    .iter()
                    .map(|&(dim, index)| (dim, self.operand(index)))
                    .collect();
                at.sort_unstable();
                let mut shape = Shape::new();
                let mut axes = vec![];
                for axis in &view.axes {
                    match *axis {
                        Axis::New => {
                            shape.push(self.number(Key::Int(Type::I64, 1)));
                            axes.push(AxisKey::New);
                        }
                        Axis::Whole(dim) => {
                            shape.push(self.part(base, Part::Shape(dim)));
                            axes.push(AxisKey::Whole(dim));
                        }
                        Axis::Part {
                            dim,
                            start,
                            count,
                            step,
                        } => {
                            let (start, count, step) =
                                (self.operand(start), self.operand(count), self.operand(step));
                            shape.push(count);
                            let all = self.int(start) == Some(0)
                                && self.int(step) == Some(1)
                                && self.part(base, Part::Shape(dim)) == count;
                            axes.push(if all {
                                AxisKey::Whole(dim)
                            } else {
                                AxisKey::Part(dim, start, count, step)
                            });
                        }
                    }
                }
                let whole = |(i, axis): (usize, &AxisKey)| *axis == AxisKey::Whole(i as u8);
                if at.is_empty() && axes.iter().enumerate().all(whole) {
                    return Some(base);
                }
                let number = self.number(Key::Subview(base, at, axes));
                self.shapes.insert(number, shape);
                if self.is_distinct(base) {
                    self.distinct.insert(number);
                }
                return Some(number);
            }
            _ => return None,
        };
        Some(self.number(key))
    }
}
