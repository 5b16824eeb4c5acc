//! What a loop costs: an estimate in hundredths of a nanosecond, as a value that is computed before the loop.
//!
//! Numbers of rounds of inner loops are taken where they are known before the outer one begins; what is not
//! known is taken to be much, so that the loop is split.

use ferdelance_abi::rtfn::{Effect, RtFn};
use smallvec::SmallVec;

use super::Loop;
use crate::tir::build::Builder;
use crate::tir::{Bin, Cmp, Op, Rounds, Term, Value};

/// Rounds of an inner loop about which nothing is known.
const MANY: i64 = 1000;
/// A call of a function that is not seen.
const CALL: i64 = 1_000_000;

/// Number of rounds of an inner loop.
#[derive(Clone, Copy, PartialEq)]
enum Trips {
    Fixed(i64),
    /// `bound - start`, at least 0, in steps of so many.
    Distance(Value, Value, i64),
}

/// Costs of the parts of a round, each with the loops around it.
pub(super) struct Costs(Vec<(SmallVec<[Trips; 4]>, i64)>);

/// An inner loop.
struct Inner {
    blocks: Vec<bool>,
    trips: Trips,
    /// Its rounds are vectorised.
    wide: bool,
}

impl Costs {
    pub fn new(l: &Loop<'_>) -> Costs {
        let inner = inner_loops(l);
        let own = is_wide(l, l.head, &l.natural);
        let mut parts: Vec<(SmallVec<[Trips; 4]>, i64)> = vec![];
        for &b in l.blocks.iter().filter(|&&b| l.natural[b]) {
            let around: Vec<&Inner> = inner.iter().filter(|i| i.blocks[b]).collect();
            let wide = match around
                .iter()
                .min_by_key(|i| i.blocks.iter().filter(|x| **x).count())
            {
                Some(innermost) => innermost.wide,
                None => own,
            };
            let cost: i64 = l.f.blocks[b].insts.iter().map(|i| cost(&i.op, wide)).sum();
            let cost = cost + if wide { 0 } else { 10 };
            let trips: SmallVec<[Trips; 4]> = around.iter().map(|i| i.trips).collect();
            match parts.iter_mut().find(|(t, _)| *t == trips) {
                Some((_, sum)) => *sum += cost,
                None => parts.push((trips, cost)),
            }
        }
        Costs(parts)
    }

    /// The work of so many rounds.
    pub fn work(&self, b: &mut Builder, l: &Loop<'_>, rounds: Value) -> Value {
        let zero = b.i64(0);
        let mut total = zero;
        for (trips, cost) in &self.0 {
            let mut part = b.i64(*cost);
            for trips in trips {
                let n = match *trips {
                    Trips::Fixed(n) => b.i64(n),
                    Trips::Distance(start, bound, step) => {
                        let [start, bound] = [start, bound].map(|v| match l.int(v) {
                            Some(n) => b.i64(n),
                            None => v,
                        });
                        let distance = b.binary(Bin::Sub, bound, start);
                        let distance = b.binary(Bin::SMax, distance, zero);
                        let step = b.i64(step);
                        match b.as_int(step) {
                            Some(1) => distance,
                            _ => b.binary(Bin::SDiv, distance, step),
                        }
                    }
                };
                part = b.binary(Bin::Mul, part, n);
            }
            total = b.binary(Bin::Add, total, part);
        }
        b.binary(Bin::Mul, total, rounds)
    }
}

fn inner_loops(l: &Loop<'_>) -> Vec<Inner> {
    let heads = l.blocks.iter().copied().filter(|&b| b != l.head);
    let loops = heads.map(|head| (head, l.dominators.natural_loop(head)));
    loops
        .filter(|(head, blocks)| blocks[*head])
        .map(|(head, blocks)| Inner {
            trips: trips(l, head, &blocks).unwrap_or(Trips::Fixed(MANY)),
            wide: is_wide(l, head, &blocks),
            blocks,
        })
        .collect()
}

/// Whether a loop is one that is vectorised.
fn is_wide(l: &Loop<'_>, head: usize, blocks: &[bool]) -> bool {
    l.blocks.iter().any(|&b| {
        let block = &l.f.blocks[b];
        blocks[b]
            && matches!(block.rounds, Rounds::Independent | Rounds::Chained)
            && block.term.targets().iter().any(|t| t.block.index() == head)
    })
}

fn trips(l: &Loop<'_>, head: usize, blocks: &[bool]) -> Option<Trips> {
    let block = &l.f.blocks[head];
    let Term::Branch { cond, .. } = block.term else {
        return None;
    };
    let Some(&Op::Compare(Cmp::SLt, counter, bound)) = l.op(cond) else {
        return None;
    };
    let k = block.params.iter().position(|p| *p == counter)?;
    let (mut start, mut step) = (None, None);
    for &b in &l.blocks {
        for target in l.f.blocks[b].term.targets() {
            if target.block.index() != head {
                continue;
            }
            let arg = target.args[k];
            if !blocks[b] {
                start = Some(arg);
                continue;
            }
            let Some(&Op::Binary {
                op: Bin::Add,
                a,
                b: by,
                ..
            }) = l.op(arg)
            else {
                return None;
            };
            step = l.int(if a == counter { by } else { a });
        }
    }
    let (start, step) = (start?, step.filter(|s| *s > 0)?);
    if l.is_known(start) && l.is_known(bound) {
        return Some(Trips::Distance(start, bound, step));
    }
    // A part of a loop in groups: `min(start + n, bound)`.
    let Some(&Op::Binary {
        op: Bin::SMin,
        a: end,
        ..
    }) = l.op(bound)
    else {
        return None;
    };
    match l.op(end) {
        Some(&Op::Binary {
            op: Bin::Add, a, b, ..
        }) if a == start => Some(Trips::Fixed(l.int(b)? / step)),
        _ => None,
    }
}

/// An instruction in hundredths of a nanosecond; items of arrays are taken to be in a cache.
fn cost(op: &Op, wide: bool) -> i64 {
    let by = |narrow: i64, vector: i64| if wide { vector } else { narrow };
    match op {
        op if op.is_constant() => 0,
        Op::ArrayPart(..)
        | Op::Offset { .. }
        | Op::Element { .. }
        | Op::MakeArray { .. }
        | Op::View { .. }
        | Op::StackSlot { .. }
        | Op::Assume(_) => 0,
        Op::Load { .. } | Op::Store { .. } => by(15, 6),
        Op::Binary {
            op: Bin::FDiv | Bin::FDivExact | Bin::SDiv | Bin::UDiv | Bin::SRem | Bin::URem,
            ..
        } => by(300, 80),
        Op::Binary { op: Bin::FRem, .. } => 2000,
        Op::Unary(crate::tir::Un::Sqrt, _) => by(300, 80),
        Op::Rt { func, .. } => match func {
            RtFn::matmul | RtFn::matmul_into | RtFn::gufunc | RtFn::list_sort => CALL,
            RtFn::row_sort
            | RtFn::row_sort_positions
            | RtFn::row_select
            | RtFn::row_select_positions
            | RtFn::row_search => CALL,
            _ if func.info().effect == Effect::Pure => 1000,
            _ => 3000,
        },
        Op::Call { .. } | Op::CallIndirect { .. } | Op::CallC { .. } => CALL,
        _ => by(10, 2),
    }
}
