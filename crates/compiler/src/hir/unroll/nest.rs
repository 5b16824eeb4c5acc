//! Loops over several dimensions become a loop for each. `for x in np.nditer(a)` over two dimensions,
//!
//! ```text
//!   %3 = iter %0
//!   jump b1(%3, ...)
//! b1(%4, ...):
//!   %5 = itermore %4
//!   branch %5 -> body else after
//! ```
//!
//! where the body takes `iteritem %4`, becomes
//!
//! ```text
//!   %20 = walkrange 0 of %0
//!   %3 = iter %20
//!   jump b10(%3, ...)
//! b10(%10, ...):
//!   %11 = itermore %10
//!   branch %11 -> b11 else after
//! b11:
//!   %12 = iteritem %10
//!   %13 = walkrange 1 of %0
//!   %14 = iter %13
//!   jump b1(%14, ...)
//! b1(%4, ...):
//!   %5 = itermore %4
//!   branch %5 -> body else b12
//! b12:
//!   %15 = iternext %10
//!   jump b10(%15, ...)
//! ```
//!
//! and the body takes `iteritem %4`, an index, and `walkitem %0 (%12, ...)`. The header that was there is
//! that of the innermost loop, so that the body stays as it is.

use super::shape::Loop;
use super::{Copy, repair, tidy};
use crate::hir::{Block, BlockId, Function, Inst, Op, Target, Terminator, Value, ValueData};
use crate::source::Span;

/// The function with the loop that `iter` starts, the result of an [`Op::Iter`] over a value of `ndim`
/// dimensions, as so many loops. `None` if the iterator is used in another way than by one loop.
pub fn nest(f: &Function, iter: Value, over: Value, ndim: usize) -> Option<Function> {
    let shape = Loop::find(f, iter)?;
    let header = f.block(shape.header);
    let is_plain = matches!(header.term, Terminator::Branch { .. }) && header.insts.len() == 1;
    let param = shape
        .param
        .filter(|_| is_plain && header.handler.is_none())?;
    let mut nester = Nester {
        shape: &shape,
        param,
        over,
        span: header.insts[0].span,
        headers: vec![],
        items: vec![],
        versions: (0..f.blocks.len() as u32)
            .map(|b| shape.contains(BlockId(b)).then_some(ndim - 1))
            .collect(),
        out: f.clone(),
    };
    nester.begin(iter);
    let blocks: Vec<BlockId> = (0..ndim - 1).map(|dim| nester.block(f, dim)).collect();
    for (dim, &block) in blocks.iter().enumerate() {
        let next = blocks.get(dim + 1).copied().unwrap_or(shape.header);
        nester.outer(f, dim, block, next);
    }
    nester.inner(f, ndim);
    let Nester {
        mut out,
        headers,
        versions,
        ..
    } = nester;
    let copies: Vec<Copy> = headers.into_iter().map(|h| h.copy).collect();
    repair::repair(&mut out, f, &shape, &copies, &versions);
    tidy::tidy(&mut out);
    debug_assert_eq!(super::super::verify::verify(&out), Ok(()), "nested:\n{out}");
    Some(out)
}

/// The header of one of the loops: its block, the state of its iterator, and what the others of the
/// parameters are called there.
struct Header {
    block: BlockId,
    state: Value,
    copy: Copy,
}

struct Nester<'l> {
    shape: &'l Loop,
    /// Which parameter of a header is the state.
    param: usize,
    over: Value,
    span: Span,
    headers: Vec<Header>,
    /// The index along each dimension but the last.
    items: Vec<Value>,
    /// For each block: which of the headers' names it uses.
    versions: Vec<Option<usize>>,
    out: Function,
}

impl Nester<'_> {
    fn value(&mut self) -> Value {
        self.out.values.push(ValueData::default());
        Value(self.out.values.len() as u32 - 1)
    }

    fn block(&mut self, f: &Function, version: usize) -> BlockId {
        self.out.blocks.push(Block {
            iterations: f.block(self.shape.header).iterations.clone(),
            term_span: f.block(self.shape.header).term_span,
            ..Block::default()
        });
        self.versions.push(Some(version));
        BlockId(self.out.blocks.len() as u32 - 1)
    }

    fn emit(&mut self, block: BlockId, op: Op) -> Value {
        let result = self.value();
        self.out.blocks[block.index()].insts.push(Inst {
            result,
            op,
            span: self.span,
        });
        result
    }

    /// Has the iterator go over the first dimension.
    fn begin(&mut self, iter: Value) {
        let range = self.value();
        let over = self.over;
        for block in &mut self.out.blocks {
            if let Some(at) = block.insts.iter().position(|i| i.result == iter) {
                let span = block.insts[at].span;
                block.insts[at].op = Op::Iter(range);
                let walk = Inst {
                    result: range,
                    op: Op::WalkRange(over, 0),
                    span,
                };
                block.insts.insert(at, walk);
                return;
            }
        }
    }

    /// The arguments for a header of the parameters that another one has, and a state.
    fn pass(&self, f: &Function, from: &Copy, state: Value, to: BlockId) -> Terminator {
        let params = &f.block(self.shape.header).params;
        let args = params.iter().enumerate().map(|(i, v)| {
            if i == self.param {
                state
            } else {
                from.value(*v)
            }
        });
        Terminator::Jump(Target {
            block: to,
            args: args.collect(),
        })
    }

    /// The loop over a dimension that is not the last one.
    fn outer(&mut self, f: &Function, dim: usize, block: BlockId, next: BlockId) {
        let mut copy = Copy::default();
        let state = self.value();
        for (i, &v) in f.block(self.shape.header).params.iter().enumerate() {
            let mut param = state;
            if i != self.param {
                self.out.values.push(f.values[v.index()].clone());
                param = Value(self.out.values.len() as u32 - 1);
                copy.values.insert(v, param);
            }
            self.out.blocks[block.index()].params.push(param);
        }
        let more = self.emit(block, Op::IterMore(state));
        let inside = self.block(f, dim);
        let item = self.emit(inside, Op::IterItem(state));
        self.items.push(item);
        let range = self.emit(inside, Op::WalkRange(self.over, dim as u32 + 1));
        let first = self.emit(inside, Op::Iter(range));
        self.out.blocks[inside.index()].term = self.pass(f, &copy, first, next);
        let other = self.leave(f, dim, &copy);
        self.out.blocks[block.index()].term = Terminator::Branch {
            cond: more,
            then: Target {
                block: inside,
                args: vec![],
            },
            other,
        };
        self.headers.push(Header { block, state, copy });
    }

    /// Where a loop leads to at its end: on in the one around it.
    fn leave(&mut self, f: &Function, dim: usize, copy: &Copy) -> Target {
        let Some(around) = dim.checked_sub(1) else {
            let mut target = self.shape.other.clone();
            target.args.iter_mut().for_each(|v| *v = copy.value(*v));
            return target;
        };
        let (to, state) = (self.headers[around].block, self.headers[around].state);
        let block = self.block(f, dim);
        let next = self.emit(block, Op::IterNext(state));
        self.out.blocks[block.index()].term = self.pass(f, copy, next, to);
        Target {
            block,
            args: vec![],
        }
    }

    /// The innermost loop, whose header and body are those that were there.
    fn inner(&mut self, f: &Function, ndim: usize) {
        let header = self.shape.header;
        let names = Copy::default();
        let leave = self.leave(f, ndim - 1, &names);
        if let Terminator::Branch { other, .. } = &mut self.out.blocks[header.index()].term {
            *other = leave;
        }
        self.headers.push(Header {
            block: header,
            state: self.shape.state,
            copy: names,
        });
        // Into the outermost loop instead.
        let outermost = self.headers[0].block;
        for (i, block) in self.out.blocks.iter_mut().enumerate().take(f.blocks.len()) {
            if !self.shape.contains(BlockId(i as u32)) {
                for target in block.edges_mut().filter(|t| t.block == header) {
                    target.block = outermost;
                }
            }
        }
        for &body in &self.shape.body {
            let insts = std::mem::take(&mut self.out.blocks[body.index()].insts);
            for mut inst in insts {
                if inst.op == Op::IterItem(self.shape.state) {
                    let last = self.emit(body, Op::IterItem(self.shape.state));
                    let indices = self.items.iter().copied().chain([last]).collect();
                    inst.op = Op::WalkItem(self.over, indices);
                }
                self.out.blocks[body.index()].insts.push(inst);
            }
        }
    }
}
