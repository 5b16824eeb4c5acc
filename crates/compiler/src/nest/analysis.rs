//! What the array passes know of a function.

use ferdelance_abi::rtfn::Effect;
use ferdelance_abi::settings::Rewrites;

use super::alias::Roots;
use super::parts;
use crate::tir::nest::Nest;
use crate::tir::pass::number::Numbers;
use crate::tir::pass::simplify::predecessor_counts;
use crate::tir::{Bin, Function, Inst, Mem, Op, Part, Term, Type, Value};

/// The place of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Place {
    pub block: usize,
    pub inst: usize,
}

pub(super) struct Analysis<'f> {
    pub f: &'f Function,
    pub roots: Roots,
    pub numbers: Numbers,
    /// Where each value is used (by number of the instruction; `usize::MAX` for terminators).
    pub uses: Vec<Vec<Place>>,
    /// The only predecessor of a block.
    pub before: Vec<Option<usize>>,
}

impl<'f> Analysis<'f> {
    pub fn new(f: &'f Function) -> Analysis<'f> {
        let mut a = Analysis {
            f,
            roots: Roots::new(f),
            numbers: Numbers::new(f),
            uses: vec![vec![]; f.values.len()],
            before: vec![None; f.blocks.len()],
        };
        let counts = predecessor_counts(f);
        for (block, body) in f.blocks.iter().enumerate() {
            for (inst, i) in body.insts.iter().enumerate() {
                let place = Place { block, inst };
                i.op.for_each_operand(|v| a.uses[v.index()].push(place));
            }
            let end = Place {
                block,
                inst: usize::MAX,
            };
            body.term.for_each_operand(|v| a.uses[v.index()].push(end));
            for target in body.term.targets() {
                target.args.iter().for_each(|v| a.uses[v.index()].push(end));
                a.before[target.block.index()] = Some(block);
            }
        }
        for (before, count) in a.before.iter_mut().zip(counts) {
            if count != 1 {
                *before = None;
            }
        }
        a
    }

    /// The places of all instructions.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<'f> {
        let blocks = self.f.blocks.iter().enumerate();
        blocks
            .flat_map(|(block, body)| (0..body.insts.len()).map(move |inst| Place { block, inst }))
    }

    pub fn inst(&self, at: Place) -> &'f Inst {
        &self.f.blocks[at.block].insts[at.inst]
    }

    pub fn nest(&self, at: Place) -> Option<&'f Nest> {
        nest_at(self.f, at)
    }

    /// The one way from an instruction to another, if there is only one.
    pub fn way(&self, from: Place, to: Place) -> Option<Way> {
        let mut pieces = vec![];
        let (mut block, mut end) = (to.block, to.inst);
        loop {
            if block == from.block {
                if end <= from.inst {
                    return None;
                }
                pieces.push((block, from.inst + 1..end));
                pieces.reverse();
                return Some(Way(pieces));
            }
            pieces.push((block, 0..end));
            block = self.before[block]?;
            end = self.f.blocks[block].insts.len();
        }
    }

    /// The instructions on a way.
    pub fn on<'w>(&'w self, way: &'w Way) -> impl Iterator<Item = (Place, &'f Inst)> + 'w {
        way.0.iter().flat_map(|(block, range)| {
            let insts = self.f.blocks[*block].insts[range.clone()].iter();
            let place = |inst| Place {
                block: *block,
                inst,
            };
            range.clone().map(place).zip(insts)
        })
    }

    /// The array whose data an address is.
    pub fn array_of(&self, address: Value) -> Option<Value> {
        if matches!(self.f.ty(address), Type::Array(_)) {
            return Some(address);
        }
        let mut insts = self.f.blocks.iter().flat_map(|b| &b.insts);
        insts.find_map(|i| match i.op {
            Op::ArrayPart(array, Part::Data) if i.results[0] == address => Some(array),
            _ => None,
        })
    }

    /// Whether two arrays certainly share no memory.
    pub fn disjoint(&self, x: Value, y: Value) -> bool {
        self.roots.disjoint(x, y)
            || !self.f.options.without.has(Rewrites::PARTS)
                && parts::apart(&self.numbers, self.numbers.get(x), self.numbers.get(y))
    }

    /// Whether two arrays are rows of one array, so that what they have in common are the items at the same
    /// indices.
    pub fn are_aligned(&self, x: Value, y: Value) -> bool {
        !self.f.options.without.has(Rewrites::PARTS)
            && parts::aligned(&self.numbers, self.numbers.get(x), self.numbers.get(y))
    }

    /// Whether an instruction may change the items of an array.
    fn may_write(&self, inst: &Inst, array: Value) -> bool {
        match &inst.op {
            Op::Store {
                ptr,
                mem: Mem::Elements | Mem::Any,
                ..
            } => !self.disjoint(*ptr, array),
            Op::Nest(nest) => nest.outputs.iter().any(|o| {
                o.target()
                    .is_some_and(|target| !self.disjoint(target, array))
            }),
            Op::Call { .. } | Op::CallIndirect { .. } | Op::CallC { .. } | Op::Parallel { .. } => {
                true
            }
            Op::Rt { func, args }
                if matches!(func.info().effect, Effect::Effect | Effect::Raises) =>
            {
                args.iter().any(|&a| {
                    matches!(self.f.ty(a), Type::Ptr | Type::Array(_)) && !self.disjoint(a, array)
                })
            }
            _ => false,
        }
    }

    /// Whether the error of a nest leaves the function, without looking at anything else.
    pub fn leaves(&self, at: Place) -> bool {
        let body = &self.f.blocks[at.block];
        let err = self.inst(at).results.last().copied();
        let Term::Branch { then, .. } = &body.term else {
            return false;
        };
        if body.insts[at.inst + 1..].len() > 2 {
            return false;
        }
        let mut own: Vec<Value> = err.into_iter().collect();
        let mut target = then;
        for _ in 0..self.f.blocks.len() {
            let block = self.f.block(target.block);
            let mut alone = target.args.iter().all(|v| own.contains(v));
            own.extend(&block.params);
            for inst in &block.insts {
                inst.op.for_each_operand(|v| alone &= own.contains(&v));
                own.extend(&inst.results);
            }
            match &block.term {
                _ if !alone => return false,
                Term::Throw(thrown) => return own.contains(thrown),
                Term::Jump(next) => target = next,
                _ => return false,
            }
        }
        false
    }

    /// Whether something on a way may change what a nest reads.
    pub fn changes(&self, way: &Way, nest: &Nest) -> bool {
        let changed = |read: Value| self.on(way).any(|(_, i)| self.may_write(i, read));
        let mut any = nest.inputs.iter().any(|input| changed(input.access.array));
        nest.for_each_source(|source| any |= changed(source));
        any
    }
}

/// Whether an operation gives the same wherever it stands.
pub(super) fn moves(op: &Op) -> bool {
    match op {
        Op::Nest(_) | Op::Load { .. } | Op::Rt { .. } | Op::StackSlot { .. } => false,
        // Checks keep zero away from these.
        Op::Binary { op, .. } => !matches!(op, Bin::SDiv | Bin::UDiv | Bin::SRem | Bin::URem),
        op => op.is_pure(),
    }
}

/// What lies between two instructions: stretches of blocks, in order.
pub(super) struct Way(pub Vec<(usize, std::ops::Range<usize>)>);

pub(super) fn nest_at(f: &Function, at: Place) -> Option<&Nest> {
    match &f.blocks[at.block].insts.get(at.inst)?.op {
        Op::Nest(nest) => Some(nest),
        _ => None,
    }
}
