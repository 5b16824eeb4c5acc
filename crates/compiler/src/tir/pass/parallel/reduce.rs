//! Reductions: a value that a loop carries, and that its rounds do nothing with but apply one associative
//! operator to it.
//!
//! The value, what the operator gives, and the parameters of blocks that get these and nothing else are the
//! *chain*. Nothing else may use what is on the chain.

use rustc_hash::FxHashSet;

use super::Loop;
use crate::tir::build::Builder;
use crate::tir::{Bin, Cmp, Op, Type, Value};

/// How the results of chunks are combined.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Combine {
    Bin(Bin),
    /// `cmp(a, b) ? a : b`, or the other way round where `swapped`; the chain is `a` if `first`.
    Pick {
        cmp: Cmp,
        first: bool,
        swapped: bool,
    },
}

impl Combine {
    /// What a chunk begins with; operators for which twice is the same as once begin with what the loop
    /// begins with.
    pub fn start(self, b: &mut Builder, init: Value) -> Value {
        let ty = b.ty(init);
        match self {
            Combine::Bin(Bin::Add | Bin::Or | Bin::Xor) => b.int(ty, 0),
            Combine::Bin(Bin::And) => b.int(ty, -1),
            Combine::Bin(Bin::Mul) => b.int(ty, 1),
            // The only number that changes none.
            Combine::Bin(Bin::FAdd) => b.float(ty, -0.0),
            Combine::Bin(Bin::FMul) => b.float(ty, 1.0),
            _ => init,
        }
    }

    /// What was before a chunk, and what it gives.
    pub fn combine(self, b: &mut Builder, before: Value, part: Value) -> Value {
        match self {
            Combine::Bin(op) => b.binary(op, before, part),
            Combine::Pick {
                cmp,
                first,
                swapped,
            } => {
                let (x, y) = if first {
                    (before, part)
                } else {
                    (part, before)
                };
                let cond = b.cmp(cmp, x, y);
                let (then, other) = if swapped { (y, x) } else { (x, y) };
                b.select(cond, then, other)
            }
        }
    }

    /// That of an operator whose chain is its first operand, or the second.
    fn of(op: Bin, first: bool) -> Option<Combine> {
        Some(Combine::Bin(match op {
            Bin::Add | Bin::Mul | Bin::And | Bin::Or | Bin::Xor => op,
            Bin::SMin | Bin::SMax | Bin::UMin | Bin::UMax => op,
            Bin::FMinNum | Bin::FMaxNum | Bin::FMinimum | Bin::FMaximum => op,
            Bin::FAdd | Bin::FAddAnyOrder | Bin::FAddExact => Bin::FAdd,
            Bin::FMul | Bin::FMulAnyOrder | Bin::FMulExact => Bin::FMul,
            Bin::Sub if first => Bin::Add,
            Bin::FSub | Bin::FSubExact if first => Bin::FAdd,
            Bin::FDiv | Bin::FDivExact if first => Bin::FMul,
            _ => return None,
        }))
    }
}

/// The reduction that a parameter of the loop's head is.
pub(super) fn find(l: &Loop<'_>, k: usize) -> Option<Combine> {
    let start = l.params()[k];
    if l.f.ty(start) == Type::Ptr {
        return None;
    }
    let mut chain = Chain {
        l,
        start,
        values: FxHashSet::default(),
        work: vec![start],
        combine: None,
    };
    chain.values.insert(start);
    while let Some(v) = chain.work.pop() {
        chain.follow(v)?;
    }
    chain.check(k)?;
    chain.combine
}

struct Chain<'l, 'f> {
    l: &'l Loop<'f>,
    start: Value,
    values: FxHashSet<Value>,
    work: Vec<Value>,
    combine: Option<Combine>,
}

impl Chain<'_, '_> {
    fn add(&mut self, v: Value) {
        if self.values.insert(v) {
            self.work.push(v);
        }
    }

    fn applies(&mut self, combine: Combine) -> Option<()> {
        (*self.combine.get_or_insert(combine) == combine).then_some(())
    }

    /// Goes through the uses of a value on the chain.
    fn follow(&mut self, v: Value) -> Option<()> {
        let l = self.l;
        for (_, inst) in l.insts() {
            let mut used = false;
            inst.op.for_each_operand(|o| used |= o == v);
            if used {
                self.user(v, &inst.op, *inst.results.first()?)?;
            }
        }
        for &at in &l.blocks {
            let term = &l.f.blocks[at].term;
            let mut used = false;
            term.for_each_operand(|o| used |= o == v);
            if used {
                return None;
            }
            for target in term.targets() {
                let to = target.block.index();
                for (i, &arg) in target.args.iter().enumerate() {
                    if arg != v || !l.inside[to] {
                        continue;
                    }
                    let param = l.f.blocks[to].params[i];
                    if to == l.head && param != self.start {
                        return None;
                    }
                    self.add(param);
                }
            }
        }
        Some(())
    }

    /// An instruction that uses a value on the chain.
    fn user(&mut self, v: Value, op: &Op, result: Value) -> Option<()> {
        match *op {
            Op::Binary { op, a, b, .. } if a != b => {
                self.applies(Combine::of(op, a == v)?)?;
                self.add(result);
            }
            Op::Fma { a, b, c } if c == v && a != v && b != v => {
                self.applies(Combine::Bin(Bin::FAdd))?;
                self.add(result);
            }
            Op::Compare(cmp, a, b) if a != b => {
                // Its only use is to pick one of the two.
                for (_, inst) in self.l.insts() {
                    let mut used = false;
                    inst.op.for_each_operand(|o| used |= o == result);
                    if !used {
                        continue;
                    }
                    let Op::Select { cond, then, other } = inst.op else {
                        return None;
                    };
                    let picks = [then, other] == [a, b] || [then, other] == [b, a];
                    if cond != result || !picks {
                        return None;
                    }
                    self.applies(Combine::Pick {
                        cmp,
                        first: a == v,
                        swapped: then == b,
                    })?;
                    self.add(inst.results[0]);
                }
                let terms = self.l.blocks.iter().map(|&b| &self.l.f.blocks[b].term);
                for term in terms {
                    let mut used = term.targets().iter().any(|t| t.args.contains(&result));
                    term.for_each_operand(|o| used |= o == result);
                    if used {
                        return None;
                    }
                }
            }
            Op::Select { cond, .. } if cond != v => self.add(result),
            _ => return None,
        }
        Some(())
    }

    /// Whether everything on the chain comes from the chain, one operand at a time.
    fn check(&self, k: usize) -> Option<()> {
        let on = |v: Value| self.values.contains(&v);
        for &v in self.values.iter().filter(|v| **v != self.start) {
            let (block, inst) = self.l.defs[v.index()]?;
            let Some(inst) = inst else {
                let params = &self.l.f.blocks[block].params;
                let i = params.iter().position(|p| *p == v)?;
                if !self.l.given(block, i).into_iter().all(on) {
                    return None;
                }
                continue;
            };
            let fine = match self.l.f.blocks[block].insts[inst].op {
                Op::Binary { a, b, .. } => on(a) != on(b),
                Op::Fma { a, b, .. } => !on(a) && !on(b),
                Op::Select { cond, then, other } => match self.l.op(cond) {
                    // One of the two that were compared.
                    Some(Op::Compare(_, a, b)) if on(*a) || on(*b) => on(then) != on(other),
                    _ => on(then) && on(other),
                },
                _ => false,
            };
            if !fine {
                return None;
            }
        }
        self.l.given_back(k).into_iter().all(on).then_some(())
    }
}
