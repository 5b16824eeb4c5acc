//! Speculation: loops run ahead of their checks.
//!
//! ```python
//! for i in range(n):
//!     s += 1.0 / x[i]        # ZeroDivisionError
//! ```
//!
//! A loop that may be left in the middle is not vectorised. This one has no effect but its results, so
//! nobody can tell whether it was left at once: a copy of the body, without checks, computes a stretch of
//! iterations and only notes whether a check would have failed. If none would, the results are taken and
//! the next stretch follows; if one would, they are thrown away and the loop as it was does the rest,
//! with the error at its place.
//!
//! ```text
//! head(i, s, slowly):             while i < n:
//!   branch i < n, entry, exit
//! entry:                            if not slowly:
//!   branch slowly, body, plan
//! plan:                               end = min(i + STRETCH, n, lengths of the arrays)
//!   branch i < end, fast, body
//! fast(j, t, passed):                 for j in range(i, end): ...
//!   branch j < end, copy, check
//! check:                              if passed: take the results; continue
//!   branch passed, head(j, t, false), body
//! body: ...                         one iteration with checks; slowly = True
//!   jump head(i + 1, s', true)
//! ```
//!
//! An iteration that is run ahead may be one that the loop would never have reached. So it may only do
//! what cannot hurt: no calls, no stores, no division of integers; and what it reads is inside of the
//! arrays ([`Bound`]), which the unchecked loop leaves to the user. Stretches are short, so that an error
//! at the beginning of a long loop does not wait for its end.
//!
//! Only loops that gain from it are copied: those of functions whose sums of floats may be reordered.

use ferdelance_abi::settings::FastMath;
use smallvec::{SmallVec, smallvec};

use super::simplify::predecessor_counts;
use crate::tir::{
    Bin, Block, BlockId, Cmp, Function, Hint, Inst, LocId, Mem, Op, Part, Program, Rounds, Target,
    Term, Type, Un, Value,
};

/// Iterations that run ahead of a check.
const STRETCH: i64 = 1024;
/// Loops up to this many instructions are copied.
const LARGEST: usize = 200;

/// Does it for all loops of a program.
pub fn speculate(program: &mut Program) {
    for f in &mut program.functions {
        if f.options.fastmath.0 & FastMath::REASSOC == 0 || f.options.debug {
            continue;
        }
        for head in 1..f.blocks.len() {
            if let Some(found) = Loop::find(f, BlockId(head as u32)) {
                found.run_ahead(f);
            }
        }
    }
}

/// A counted loop with checks and without effects.
struct Loop {
    head: BlockId,
    /// The first block of the body.
    body: BlockId,
    exit: Target,
    /// The head, and the body's blocks, each of which goes on to the next one.
    blocks: Vec<BlockId>,
    /// The counter is the parameter of this number, and what it is compared with.
    counter: usize,
    limit: Value,
    /// What the last block passes to the head.
    next: SmallVec<[Value; 4]>,
    bounds: Vec<Bound>,
}

/// An index that has to be inside of an array for an element to be read.
#[derive(Clone, Copy, PartialEq)]
struct Bound {
    array: Value,
    dimension: u8,
    index: Index,
}

#[derive(Clone, Copy, PartialEq)]
enum Index {
    Counter,
    /// The same in all iterations.
    Value(Value),
    Constant(i64),
}

/// What defines the values of a function, if it is an instruction.
struct Definitions<'a>(Vec<Option<&'a Op>>);

impl<'a> Definitions<'a> {
    fn new(f: &'a Function) -> Definitions<'a> {
        let mut ops = vec![None; f.values.len()];
        for inst in f.blocks.iter().flat_map(|b| &b.insts) {
            for v in &inst.results {
                ops[v.index()] = Some(&inst.op);
            }
        }
        Definitions(ops)
    }
    fn op(&self, v: Value) -> Option<&'a Op> {
        self.0[v.index()]
    }
    fn int(&self, v: Value) -> Option<i64> {
        match self.op(v) {
            Some(Op::Int(i)) => Some(*i),
            _ => None,
        }
    }
}

/// The body's next block, the condition under which it is not reached, and whether that is its negation.
fn after(block: &Block) -> Option<(&Target, Option<(Value, bool)>)> {
    match &block.term {
        Term::Jump(next) => Some((next, None)),
        Term::Branch {
            cond,
            other,
            hint: Hint::Unlikely,
            ..
        } => Some((other, Some((*cond, false)))),
        Term::Branch {
            cond,
            then,
            hint: Hint::Likely,
            ..
        } => Some((then, Some((*cond, true)))),
        _ => None,
    }
}

impl Loop {
    fn find(f: &Function, head: BlockId) -> Option<Loop> {
        let Term::Branch {
            cond,
            then: body,
            other: exit,
            ..
        } = &f.block(head).term
        else {
            return None;
        };
        if !body.args.is_empty() {
            return None;
        }
        // Quick to see, and false for most blocks: whether the chain from here comes back.
        let (mut blocks, mut checks, mut size) = (vec![head], false, 0);
        let mut at = body.block;
        let next = loop {
            let block = f.block(at);
            size += block.insts.len();
            if blocks.contains(&at) || !block.params.is_empty() || size > LARGEST {
                return None;
            }
            blocks.push(at);
            let (target, check) = after(block)?;
            checks |= check.is_some();
            if target.block == head {
                break target.args.clone();
            }
            at = target.block;
        };
        let counts = predecessor_counts(f);
        if !checks
            || blocks.contains(&exit.block)
            || blocks[1..].iter().any(|b| counts[b.index()] != 1)
        {
            return None;
        }
        let definitions = Definitions::new(f);
        let mut inside = vec![false; f.values.len()];
        for &b in &blocks {
            let block = f.block(b);
            let results = block.insts.iter().flat_map(|inst| &inst.results);
            block
                .params
                .iter()
                .chain(results)
                .for_each(|v| inside[v.index()] = true);
        }
        let params = &f.block(head).params;
        let &Op::Compare(Cmp::SLt, i, limit) = definitions.op(*cond)? else {
            return None;
        };
        let counter = params.iter().position(|&p| p == i)?;
        let steps = match definitions.op(next[counter])? {
            Op::Binary {
                op: Bin::Add,
                a,
                b,
                nsw: true,
            } if *a == i => definitions.int(*b)?,
            _ => return None,
        };
        if f.ty(i) != Type::I64
            || !(1..=STRETCH).contains(&steps)
            || inside[limit.index()] && definitions.int(limit).is_none()
            || params
                .iter()
                .any(|&p| f.ty(p).is_managed() || f.ty(p) == Type::Err)
        {
            return None;
        }
        let mut found = Loop {
            head,
            body: body.block,
            exit: exit.clone(),
            blocks,
            counter,
            limit,
            next,
            bounds: vec![],
        };
        found.is_harmless(f, &definitions, &inside).then_some(found)
    }

    /// Whether iterations too many cannot hurt, if the bounds (which are gathered here) hold.
    fn is_harmless(
        &mut self,
        f: &Function,
        definitions: &Definitions<'_>,
        inside: &[bool],
    ) -> bool {
        let i = f.block(self.head).params[self.counter];
        for (b, inst) in self
            .blocks
            .iter()
            .flat_map(|&b| f.block(b).insts.iter().map(move |inst| (b, inst)))
        {
            match &inst.op {
                Op::Int(_)
                | Op::Float(_)
                | Op::Unary(..)
                | Op::Compare(..)
                | Op::Cast(..)
                | Op::Select { .. }
                | Op::Fma { .. }
                | Op::Lookup { .. }
                | Op::Offset { .. }
                | Op::Element { .. }
                | Op::ArrayPart(..) => {}
                Op::Binary {
                    op: Bin::SDiv | Bin::UDiv | Bin::SRem | Bin::URem,
                    b,
                    ..
                } if matches!(definitions.int(*b), None | Some(0 | -1)) => {
                    return false;
                }
                Op::Binary { .. } => {}
                // The head is also run for the counter at the end.
                Op::Load {
                    ptr,
                    mem: Mem::Elements,
                    ..
                } if b != self.head => {
                    let Some(bounds) = bounds(f, definitions, inside, i, *ptr) else {
                        return false;
                    };
                    for bound in bounds {
                        if !self.bounds.contains(&bound) {
                            self.bounds.push(bound);
                        }
                    }
                }
                _ => return false,
            }
        }
        !self.checks_quotients(f)
    }

    /// Whether a check looks at what a division gave: without the check before it, that is undefined where
    /// floats are not infinite by assumption.
    fn checks_quotients(&self, f: &Function) -> bool {
        let mut quotients = vec![false; f.values.len()];
        loop {
            for &b in &self.blocks {
                for inst in &f.block(b).insts {
                    let mut is = matches!(
                        inst.op,
                        Op::Binary {
                            op: Bin::FDiv | Bin::FRem,
                            ..
                        }
                    );
                    inst.op.for_each_operand(|v| is |= quotients[v.index()]);
                    inst.results.iter().for_each(|v| quotients[v.index()] = is);
                }
                if let Some((_, Some((cond, _)))) = after(f.block(b))
                    && b != self.head
                    && quotients[cond.index()]
                {
                    return true;
                }
            }
            let mut changed = false;
            for (param, next) in f.block(self.head).params.iter().zip(&self.next) {
                changed |= quotients[next.index()]
                    && !std::mem::replace(&mut quotients[param.index()], true);
            }
            if !changed {
                return false;
            }
        }
    }

    fn run_ahead(self, f: &mut Function) {
        let loc = f.block(self.head).term_loc;
        let number = |n: usize| BlockId((f.blocks.len() + n) as u32);
        let [entry, plan, fast, copy, check] = [0, 1, 2, 3, 4].map(number);
        let params = f.block(self.head).params.clone();

        // Whoever comes to the head says whether it goes on slowly.
        let last = self.blocks[self.blocks.len() - 1];
        for b in 0..f.blocks.len() {
            if f.blocks[b]
                .term
                .targets()
                .iter()
                .all(|t| t.block != self.head)
            {
                continue;
            }
            let mut ops = Ops::new(f, f.blocks[b].term_loc);
            let slowly = ops.int(Type::I1, i64::from(b == last.index()));
            let insts = ops.insts;
            let block = &mut f.blocks[b];
            block.insts.extend(insts);
            for target in block
                .term
                .targets_mut()
                .into_iter()
                .filter(|t| t.block == self.head)
            {
                target.args.push(slowly);
            }
        }
        let slowly = f.new_value(Type::I1);
        f.blocks[self.head.index()].params.push(slowly);
        let to = |block: BlockId| Target {
            block,
            args: smallvec![],
        };
        let Term::Branch { cond, hint, .. } = f.block(self.head).term else {
            return;
        };
        f.blocks[self.head.index()].term = Term::Branch {
            cond,
            then: to(entry),
            other: self.exit.clone(),
            hint,
        };
        let block = |params, insts, term| Block {
            params,
            insts,
            term,
            term_loc: loc,
            ..Block::default()
        };
        let branch = |cond, then, other, hint| Term::Branch {
            cond,
            then,
            other,
            hint,
        };
        f.blocks.push(block(
            vec![],
            vec![],
            branch(slowly, to(self.body), to(plan), Hint::Unlikely),
        ));

        let (insts, end, safe, passed) = self.plan(f, loc);
        let args = params.iter().copied().chain([passed]).collect();
        f.blocks.push(block(
            vec![],
            insts,
            branch(
                safe,
                Target { block: fast, args },
                to(self.body),
                Hint::Likely,
            ),
        ));

        // The copy, all checks in one.
        let mut copies: Vec<Value> = (0..f.values.len() as u32).map(Value).collect();
        let mut fast_params = vec![];
        for &p in &params {
            copies[p.index()] = f.new_value(f.ty(p));
            fast_params.push(copies[p.index()]);
        }
        let passed = f.new_value(Type::I1);
        let mut insts = self.copies(f, self.head, &mut copies);
        let mut ops = Ops::new(f, loc);
        let more = ops.add(
            Op::Compare(Cmp::SLt, fast_params[self.counter], end),
            Type::I1,
        );
        insts.extend(ops.insts);
        let taken: SmallVec<[Value; 4]> = fast_params.iter().copied().collect();
        fast_params.push(passed);
        f.blocks.push(block(
            fast_params,
            insts,
            branch(more, to(copy), to(check), Hint::None),
        ));

        // What passed, not what failed: a comparison under a mask is one instruction with AVX-512.
        let (mut insts, mut passes) = (vec![], passed);
        for &b in &self.blocks[1..] {
            insts.extend(self.copies(f, b, &mut copies));
            let Some((_, Some((cond, negated)))) = after(f.block(b)) else {
                continue;
            };
            let mut ops = Ops::new(f, f.block(b).term_loc);
            let mut cond = copies[cond.index()];
            if !negated {
                cond = ops.add(Op::Unary(Un::Not, cond), Type::I1);
            }
            passes = ops.binary(Bin::And, passes, cond, Type::I1);
            insts.extend(ops.insts);
        }
        let args = self
            .next
            .iter()
            .map(|v| copies[v.index()])
            .chain([passes])
            .collect();
        // Two divisions at a time keep the divider busy; more only make the rest longer, one by one.
        let divides = |inst: &Inst| {
            matches!(
                inst.op,
                Op::Binary {
                    op: Bin::FDiv | Bin::FDivExact,
                    ..
                } | Op::Unary(Un::Sqrt, _)
            )
        };
        let rounds = if insts.iter().any(divides) {
            Rounds::Chained
        } else {
            Rounds::Unknown
        };
        f.blocks.push(Block {
            rounds,
            ..block(vec![], insts, Term::Jump(Target { block: fast, args }))
        });

        let mut ops = Ops::new(f, loc);
        let quickly = ops.int(Type::I1, 0);
        let insts = ops.insts;
        let args = taken.into_iter().chain([quickly]).collect();
        let again = Target {
            block: self.head,
            args,
        };
        let term = branch(passed, again, to(self.body), Hint::Likely);
        f.blocks.push(block(vec![], insts, term));
    }

    /// Where the stretch ends, whether it may be run ahead, and the beginning of "all checks have passed".
    fn plan(&self, f: &mut Function, loc: LocId) -> (Vec<Inst>, Value, Value, Value) {
        let i = f.block(self.head).params[self.counter];
        let mut ops = Ops::new(f, loc);
        let stretch = ops.int(Type::I64, STRETCH);
        let far = ops.binary(Bin::Add, i, stretch, Type::I64);
        // Past the largest integer?
        let wrapped = ops.add(Op::Compare(Cmp::SLt, far, i), Type::I1);
        let near = ops.binary(Bin::SMin, far, self.limit, Type::I64);
        let mut end = ops.add(
            Op::Select {
                cond: wrapped,
                then: self.limit,
                other: near,
            },
            Type::I64,
        );
        let mut conditions = vec![];
        for bound in &self.bounds {
            let length = ops.add(
                Op::ArrayPart(bound.array, Part::Shape(bound.dimension)),
                Type::I64,
            );
            let index = match bound.index {
                Index::Counter => {
                    end = ops.binary(Bin::SMin, end, length, Type::I64);
                    i
                }
                Index::Value(v) => v,
                Index::Constant(c) => ops.int(Type::I64, c),
            };
            conditions.push(ops.add(Op::Compare(Cmp::ULt, index, length), Type::I1));
        }
        let mut safe = ops.add(Op::Compare(Cmp::SLt, i, end), Type::I1);
        for condition in conditions {
            safe = ops.binary(Bin::And, safe, condition, Type::I1);
        }
        let passed = ops.int(Type::I1, 1);
        (ops.insts, end, safe, passed)
    }

    /// A block's instructions once more, with results of their own.
    fn copies(&self, f: &mut Function, b: BlockId, copies: &mut [Value]) -> Vec<Inst> {
        let mut insts = f.block(b).insts.clone();
        for inst in &mut insts {
            inst.op
                .for_each_operand_mut(&mut |v| *v = copies[v.index()]);
            for v in &mut inst.results {
                let copy = f.new_value(f.ty(*v));
                copies[v.index()] = copy;
                *v = copy;
            }
        }
        insts
    }
}

/// The indices with which the element at `ptr` is read; `None` if it is addressed in another way.
fn bounds(
    f: &Function,
    definitions: &Definitions<'_>,
    inside: &[bool],
    i: Value,
    ptr: Value,
) -> Option<Vec<Bound>> {
    // From the last index to the first; the contiguous dimension has no stride.
    let (mut at, mut strided, mut contiguous) = (ptr, vec![], None);
    let array = loop {
        match *definitions.op(at)? {
            Op::ArrayPart(array, Part::Data) => break array,
            Op::Offset { base, offset } => {
                let Op::Binary {
                    op: Bin::Mul,
                    a,
                    b,
                    nsw: true,
                } = *definitions.op(offset)?
                else {
                    return None;
                };
                let Op::ArrayPart(array, Part::Stride(dimension)) = *definitions.op(b)? else {
                    return None;
                };
                strided.push((array, dimension, a));
                at = base;
            }
            Op::Element { base, index, .. } if contiguous.is_none() => {
                contiguous = Some(index);
                at = base;
            }
            _ => return None,
        }
    };
    let Type::Array(rank) = f.ty(array) else {
        return None;
    };
    if inside[array.index()] || strided.iter().any(|(of, ..)| *of != array) {
        return None;
    }
    if contiguous.is_some() && strided.len() + 1 != usize::from(rank) {
        return None;
    }
    let mut out = vec![];
    for dimension in 0..rank {
        let mut with = strided.iter().filter(|(_, d, _)| *d == dimension);
        let index = match (with.next(), with.next()) {
            (Some((.., index)), None) => Some(*index),
            (None, _) => contiguous.take(),
            _ => return None,
        };
        let index = match index {
            Some(v) if v == i => Index::Counter,
            Some(v) => match definitions.int(v) {
                Some(c) => Index::Constant(c),
                None if !inside[v.index()] => Index::Value(v),
                None => return None,
            },
            // An index of zero adds nothing to the address.
            None => Index::Constant(0),
        };
        out.push(Bound {
            array,
            dimension,
            index,
        });
    }
    Some(out)
}

/// New instructions of one place.
struct Ops<'a> {
    f: &'a mut Function,
    loc: LocId,
    insts: Vec<Inst>,
}

impl Ops<'_> {
    fn new(f: &mut Function, loc: LocId) -> Ops<'_> {
        Ops {
            f,
            loc,
            insts: vec![],
        }
    }
    fn add(&mut self, op: Op, ty: Type) -> Value {
        let result = self.f.new_value(ty);
        self.insts.push(Inst {
            op,
            results: smallvec![result],
            loc: self.loc,
        });
        result
    }
    fn int(&mut self, ty: Type, value: i64) -> Value {
        self.add(Op::Int(value), ty)
    }
    fn binary(&mut self, op: Bin, a: Value, b: Value, ty: Type) -> Value {
        self.add(
            Op::Binary {
                op,
                a,
                b,
                nsw: false,
            },
            ty,
        )
    }
}
