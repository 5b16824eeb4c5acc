//! Loops over tuples whose items have different types: the body is cloned for each item, before typing.
//!
//! A loop, as [`build`](super::build) makes it,
//!
//! ```text
//!   %3 = iter %0
//!   jump b1(%3, ...)
//! b1(%4, ...):
//!   %5 = itermore %4
//!   branch %5 -> b2 else b3
//! b2:
//!   %6 = iteritem %4
//!   %7 = iternext %4
//!   ...
//!   jump b1(%7, ...)
//! ```
//!
//! has a *header* (`b1`) and a *body*: `b2` and every block that only `b2` leads to, which takes in what
//! comes before a `break` or `return`. Header and body are copied for each item, and the header once
//! more for the end; the copies are strung together, and the iterator disappears.
//!
//! Loops over the elements of arrays have their own way to become several: [`nest`].
//!
//! * [`shape`]: finds such a loop. * [`repair`]: brings values of the headers together behind the loop.
//! * [`tidy`]: merges and numbers blocks.

mod nest;
mod repair;
mod shape;
#[cfg(test)]
mod tests;
mod tidy;

use rustc_hash::FxHashMap;

pub use self::nest::nest;
use self::shape::Loop;
use super::{
    Arg, BinaryOp, Block, BlockId, Function, Inst, Iteration, Literal, Op, Target, Terminator,
    Value, ValueData,
};
use crate::source::Span;

/// Tuples with more items are not unrolled.
pub const MOST_ITEMS: usize = 256;

/// Functions that would get more values are not unrolled.
const MOST_VALUES: usize = 30_000;

/// What a loop goes over.
#[derive(Clone, Debug, PartialEq)]
pub enum Items {
    Tuple {
        tuple: Value,
        len: usize,
    },
    /// `reversed(tuple)`.
    Reversed {
        tuple: Value,
        len: usize,
    },
    Enumerate {
        items: Box<Items>,
        start: Option<Value>,
    },
    Zip(Vec<Items>),
}

impl Items {
    pub fn len(&self) -> usize {
        match self {
            Items::Tuple { len, .. } | Items::Reversed { len, .. } => *len,
            Items::Enumerate { items, .. } => items.len(),
            Items::Zip(parts) => parts.iter().map(Items::len).min().unwrap_or(0),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The function with the loop unrolled that `iter`, the result of an [`Op::Iter`] over `items`, starts.
/// `None` if the iterator is used in another way than by one loop, or the result would be too large.
pub fn unroll(f: &Function, iter: Value, items: &Items) -> Option<Function> {
    let count = items.len();
    let shape = Loop::find(f, iter)?;
    let size: usize = shape
        .blocks()
        .map(|b| f.block(b).params.len() + f.block(b).insts.len())
        .sum();
    if count > MOST_ITEMS || f.values.len() + size * count > MOST_VALUES {
        return None;
    }
    let mut unroller = Unroller {
        shape: &shape,
        items,
        out: f.clone(),
        copies: vec![],
        versions: vec![None; f.blocks.len()],
    };
    unroller.run(f, count);
    let Unroller {
        mut out,
        copies,
        versions,
        ..
    } = unroller;
    for block in &mut out.blocks {
        block.insts.retain(|inst| inst.result != iter);
        if !block.may_raise() {
            block.handler = None;
        }
    }
    if shape.param.is_some() {
        repair::repair(&mut out, f, &shape, &copies, &versions);
    }
    tidy::tidy(&mut out);
    debug_assert_eq!(
        super::verify::verify(&out),
        Ok(()),
        "after unrolling:\n{out}"
    );
    Some(out)
}

/// What the blocks and values of the loop are called in one of its copies. The first copy is the loop
/// itself: it keeps all names.
#[derive(Default)]
struct Copy {
    blocks: FxHashMap<BlockId, BlockId>,
    values: FxHashMap<Value, Value>,
}

impl Copy {
    fn block(&self, b: BlockId) -> BlockId {
        self.blocks.get(&b).copied().unwrap_or(b)
    }
    fn value(&self, v: Value) -> Value {
        self.values.get(&v).copied().unwrap_or(v)
    }
}

struct Unroller<'l> {
    shape: &'l Loop,
    items: &'l Items,
    out: Function,
    copies: Vec<Copy>,
    /// For each block of `out`: which copy of the loop it belongs to.
    versions: Vec<Option<usize>>,
}

impl Unroller<'_> {
    fn run(&mut self, f: &Function, count: usize) {
        // Without a way back to the header there is one iteration at most.
        let (iterations, headers) = match self.shape.param {
            Some(_) => (count, count + 1),
            None => (count.min(1), 1),
        };
        for k in 0..headers {
            let copy = self.name_copy(f, k, k < iterations);
            self.copies.push(copy);
        }
        for k in 0..headers {
            self.copy_block(f, self.shape.header, k, count);
            if k < iterations {
                for &b in &self.shape.body {
                    self.copy_block(f, b, k, count);
                }
            }
        }
        for (i, block) in f.blocks.iter().enumerate() {
            if !self.shape.contains(BlockId(i as u32)) {
                for (target, old) in self.out.blocks[i].edges_mut().zip(block.edges()) {
                    self.shape.drop_state(target, old.block);
                }
            }
        }
    }

    fn name_copy(&mut self, f: &Function, k: usize, with_body: bool) -> Copy {
        let mut copy = Copy::default();
        if k == 0 {
            return copy;
        }
        let body: &[BlockId] = if with_body { &self.shape.body } else { &[] };
        for &b in [self.shape.header].iter().chain(body) {
            copy.blocks.insert(b, self.new_block());
            let block = f.block(b);
            for v in block
                .params
                .iter()
                .copied()
                .chain(block.insts.iter().map(|i| i.result))
            {
                if !self.shape.is_iterator(v) {
                    copy.values
                        .insert(v, self.new_value(f.values[v.index()].clone()));
                }
            }
        }
        copy
    }

    fn new_block(&mut self) -> BlockId {
        self.out.blocks.push(Block::default());
        self.versions.push(None);
        BlockId(self.out.blocks.len() as u32 - 1)
    }

    fn new_value(&mut self, data: ValueData) -> Value {
        self.out.values.push(data);
        Value(self.out.values.len() as u32 - 1)
    }

    /// Writes copy `k` of a block of the loop.
    fn copy_block(&mut self, f: &Function, id: BlockId, k: usize, count: usize) {
        let block = f.block(id);
        let is_header = id == self.shape.header;
        let mut to = self.copies[k].block(id);
        let mut new = Block {
            term_span: block.term_span,
            ..Block::default()
        };
        for (i, &param) in block.params.iter().enumerate() {
            if !(is_header && self.shape.param == Some(i)) {
                new.params.push(self.copies[k].value(param));
            }
        }
        new.handler = block.handler.as_ref().map(|t| self.edge(t, k, is_header));
        new.iterations = block
            .iterations
            .iter()
            .map(|i| Iteration {
                item: self.copies[k].value(i.item),
                ..*i
            })
            .collect();
        if let (false, Some(item)) = (is_header, self.shape.first_item) {
            new.iterations.push(Iteration {
                index: k as u32,
                item: self.copies[k].value(item),
            });
        }
        for inst in &block.insts {
            match inst.op {
                Op::IterMore(it) | Op::IterNext(it) if it == self.shape.state => {}
                Op::IterItem(it) if it == self.shape.state => {
                    let mut insts = vec![];
                    let result = self.copies[k].value(inst.result);
                    let items = self.items;
                    self.item(items, k, Some(result), &mut insts, inst.span);
                    for inst in insts {
                        to = self.push(to, &mut new, inst, k);
                    }
                }
                _ => {
                    let mut inst = inst.clone();
                    inst.result = self.copies[k].value(inst.result);
                    inst.op
                        .for_each_operand_mut(|v| *v = self.copies[k].value(*v));
                    to = self.push(to, &mut new, inst, k);
                }
            }
        }
        if is_header {
            let target = if k < count {
                &self.shape.then
            } else {
                &self.shape.other
            };
            new.term = Terminator::Jump(self.edge(target, k, true));
        } else {
            new.term = block.term.clone();
            new.term
                .targets_mut()
                .for_each(|t| *t = self.edge(t, k, false));
            if let Some(v) = new.term.operand_mut() {
                *v = self.copies[k].value(*v);
            }
        }
        self.finish_block(to, new, k);
    }

    /// An edge of copy `k`: within it, to the next copy's header, or out of the loop.
    fn edge(&self, old: &Target, k: usize, from_header: bool) -> Target {
        let mut args = old.args.clone();
        args.iter_mut().for_each(|v| *v = self.copies[k].value(*v));
        let next = old.block == self.shape.header && self.shape.param.is_some() && !from_header;
        let block = self.copies[if next { k + 1 } else { k }].block(old.block);
        let mut target = Target { block, args };
        self.shape.drop_state(&mut target, old.block);
        target
    }

    /// Appends an instruction. In a block with a handler nothing follows one that may raise, so a new
    /// block takes it; returns the block that is being written.
    fn push(&mut self, at: BlockId, block: &mut Block, inst: Inst, k: usize) -> BlockId {
        if block.handler.is_none() || !block.may_raise() {
            block.insts.push(inst);
            return at;
        }
        let next = self.new_block();
        let rest = Block {
            params: vec![],
            insts: vec![inst],
            ..block.clone()
        };
        let mut full = std::mem::replace(block, rest);
        full.term = Terminator::Jump(Target {
            block: next,
            args: vec![],
        });
        self.finish_block(at, full, k);
        next
    }

    fn finish_block(&mut self, at: BlockId, block: Block, k: usize) {
        self.out.blocks[at.index()] = block;
        self.versions[at.index()] = Some(k);
    }

    /// Writes the instructions that get item `k`; the last one has the result that is asked for.
    fn item(
        &mut self,
        items: &Items,
        k: usize,
        result: Option<Value>,
        insts: &mut Vec<Inst>,
        span: Span,
    ) -> Value {
        let op = match items {
            Items::Tuple { tuple, .. } => {
                let index = self.literal(k, insts, span);
                Op::GetItem(*tuple, index)
            }
            Items::Reversed { tuple, len } => {
                let index = self.literal(len - 1 - k, insts, span);
                Op::GetItem(*tuple, index)
            }
            Items::Enumerate { items, start } => {
                let item = self.item(items, k, None, insts, span);
                let mut index = self.literal(k, insts, span);
                if let Some(start) = *start {
                    index = self.emit(Op::Binary(BinaryOp::Add, start, index), None, insts, span);
                }
                Op::Tuple(vec![Arg::Plain(index), Arg::Plain(item)])
            }
            Items::Zip(parts) => {
                let items = parts
                    .iter()
                    .map(|part| Arg::Plain(self.item(part, k, None, insts, span)));
                Op::Tuple(items.collect())
            }
        };
        self.emit(op, result, insts, span)
    }

    fn literal(&mut self, value: usize, insts: &mut Vec<Inst>, span: Span) -> Value {
        self.emit(Op::Literal(Literal::Int(value as i128)), None, insts, span)
    }

    fn emit(&mut self, op: Op, result: Option<Value>, insts: &mut Vec<Inst>, span: Span) -> Value {
        let result = result.unwrap_or_else(|| self.new_value(ValueData::default()));
        insts.push(Inst { result, op, span });
        result
    }
}
