//! Parallel loops: a loop whose rounds may run on several threads becomes a function of its own, a *region*,
//! and one instruction that has the runtime call it for chunks of the rounds ([`Op::Parallel`]).
//!
//! Marked are `prange` loops, by lowering, and the outermost loops of nests, by expansion
//! ([`Spread`](crate::tir::Spread)). A loop that is inside of another one that is taken stays as it is.
//!
//! What a round leaves to the next one must be
//!
//! * a number that grows by the same in each round: a chunk computes it from its first round;
//! * a *reduction* ([`reduce`]): a chunk begins with what changes nothing, and what the chunks give is
//!   combined in their order;
//! * a value that is only read after the loop: that of the last chunk is it.
//!
//! Anything else, and what rounds of a `prange` loop plainly do to each other through memory
//! ([`depend`]), leaves the loop as it is: it runs in order.
//!
//! A region borrows what it uses from outside. It may raise; what its chunks raise is thrown where the loop
//! was.

mod cost;
mod depend;
mod reduce;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use self::reduce::Combine;
use super::number::number;
use super::simplify::{constants, for_each_term_operand, simplify};
use crate::tir::build::Builder;
use crate::tir::dominators::Dominators;
use crate::tir::{
    Bin, BlockId, Cast, Cmp, FuncId, Function, Hint, Inst, Mem, Op, ParallelLoop, Program, Rounds,
    Spread, Target, Term, Type, Value,
};
use ferdelance_abi::layout::PARALLEL_WORTH;
use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::Parallel;

type Refused = &'static str;

/// Instructions of loops that stay beside their regions: a call would cost as much as they do.
const SMALL: usize = 24;

/// Makes regions of the loops of a program that may run on several threads.
pub fn parallel(program: &mut Program) {
    for id in 0..program.functions.len() {
        let marked = |f: &Function| f.blocks.iter().any(|b| b.spread != Spread::No);
        if !marked(&program.functions[id]) {
            continue;
        }
        let mut f = std::mem::replace(&mut program.functions[id], Function::empty());
        // What is the same is seen to be only within a function: so it is given once.
        number(&mut f);
        while let Some(head) = outermost(&f) {
            let spread = std::mem::take(&mut f.blocks[head].spread);
            let loc = f.outermost(f.blocks[head].term_loc).clone();
            let refused = outline(&mut f, head, spread, program).err();
            program.parallel.push(ParallelLoop {
                loc,
                asked: spread == Spread::Asked,
                refused: refused.map(Arc::from),
            });
        }
        simplify(&mut f);
        program.functions[id] = f;
    }
}

/// The first marked loop that is not inside of another one.
fn outermost(f: &Function) -> Option<usize> {
    let marked = |b: &BlockId| f.block(*b).spread != Spread::No;
    let found = f.reverse_postorder().into_iter().find(marked);
    found.map(BlockId::index)
}

/// Takes a loop out of a function.
fn outline(
    f: &mut Function,
    head: usize,
    spread: Spread,
    program: &mut Program,
) -> Result<(), Refused> {
    if f.generator.is_some() {
        return Err("it is in a generator");
    }
    let l = Loop::find(f, head)?;
    if spread == Spread::Asked {
        depend::check(&l)?;
    }
    let plan = Plan::new(&l)?;
    let costs = cost::Costs::new(&l);
    let func = FuncId(program.functions.len() as u32);
    let symbol = format!("{}.region{}", f.symbol, program.regions.len());
    let region = plan.region(&l, symbol.into());
    let rewritten = plan.caller(&l, &costs, func, region.may_raise);
    *f = rewritten;
    program.functions.push(region);
    program.regions.push(func);
    Ok(())
}

/// Where a value is defined: block and instruction; a parameter of a block has no instruction.
type Def = (usize, Option<usize>);

/// A loop, with the blocks that it leaves to only to raise.
struct Loop<'f> {
    f: &'f Function,
    head: usize,
    /// Blocks of the loop, and those.
    inside: Vec<bool>,
    /// The same, `head` first.
    blocks: Vec<usize>,
    /// Of `blocks`, those from which it goes on.
    natural: Vec<bool>,
    defs: Vec<Option<Def>>,
    ints: Vec<Option<i64>>,
    dominators: Dominators,
    /// Where the loop goes on when it ends.
    exit: Target,
    /// It is inside of another loop, so that what a region costs counts even where there is little to do.
    repeated: bool,
    /// It is small besides: it stays, for those times.
    stays: bool,
}

impl<'f> Loop<'f> {
    fn find(f: &'f Function, head: usize) -> Result<Loop<'f>, Refused> {
        let dominators = Dominators::new(f);
        let natural = dominators.natural_loop(head);
        let (exit, stays) = match &f.blocks[head].term {
            Term::Branch { then, other, .. } => (other.clone(), natural[then.block.index()]),
            _ => return Err("it has no count of rounds"),
        };
        if !stays || natural[exit.block.index()] {
            return Err("it has no count of rounds");
        }
        let mut inside = natural.clone();
        let within = natural.iter().zip(&f.blocks).enumerate();
        for (_, (_, block)) in within.filter(|&(b, (natural, _))| *natural && b != head) {
            for target in block.term.targets() {
                let to = target.block.index();
                if !inside[to] && !only_raises(f, to, &mut inside) {
                    return Err("it is left by `break`, `return` or to an exception handler");
                }
            }
        }
        let mut blocks: Vec<usize> = (0..f.blocks.len())
            .filter(|&b| inside[b] && b != head)
            .collect();
        blocks.insert(0, head);
        let mut defs = vec![None; f.values.len()];
        for (b, block) in f.blocks.iter().enumerate() {
            for &p in &block.params {
                defs[p.index()] = Some((b, None));
            }
            for (i, inst) in block.insts.iter().enumerate() {
                for &r in &inst.results {
                    defs[r.index()] = Some((b, Some(i)));
                }
            }
        }
        let size: usize = blocks.iter().map(|&b| f.blocks[b].insts.len()).sum();
        let is_outer = |&b: &usize| {
            b != head && dominators.dominates(b, head) && dominators.natural_loop(b)[head]
        };
        let repeated =
            !f.options.parallel.has(Parallel::ALWAYS) && (0..f.blocks.len()).any(|b| is_outer(&b));
        Ok(Loop {
            f,
            head,
            repeated,
            stays: repeated && size <= SMALL,
            inside,
            blocks,
            natural,
            defs,
            ints: constants(f),
            dominators,
            exit,
        })
    }

    fn params(&self) -> &'f [Value] {
        &self.f.blocks[self.head].params
    }

    /// The instruction that defines a value.
    fn inst(&self, v: Value) -> Option<&'f Inst> {
        let (block, inst) = self.defs[v.index()]?;
        Some(&self.f.blocks[block].insts[inst?])
    }

    fn op(&self, v: Value) -> Option<&'f Op> {
        self.inst(v).map(|i| &i.op)
    }

    fn int(&self, v: Value) -> Option<i64> {
        self.ints[v.index()]
    }

    /// Whether a value is there before the loop.
    fn is_outside(&self, v: Value) -> bool {
        self.defs[v.index()].is_none_or(|(block, _)| !self.inside[block])
    }

    /// Whether a value is a constant: those are written where they are needed.
    fn is_constant(&self, v: Value) -> bool {
        self.op(v).is_some_and(Op::is_constant)
    }

    /// Whether a value is the same in all rounds, and known before the first one.
    fn is_known(&self, v: Value) -> bool {
        self.is_outside(v) || self.is_constant(v)
    }

    /// What the edges from inside give to a parameter of the loop's head.
    fn given_back(&self, k: usize) -> Vec<Value> {
        self.given(self.head, k)
    }

    /// What edges inside of the loop give to a block's parameter.
    fn given(&self, block: usize, k: usize) -> Vec<Value> {
        let terms = self.blocks.iter().map(|&b| &self.f.blocks[b].term);
        let targets = terms.flat_map(|t| t.targets());
        targets
            .filter(|t| t.block.index() == block)
            .map(|t| t.args[k])
            .collect()
    }

    fn insts(&self) -> impl Iterator<Item = (usize, &'f Inst)> {
        let f = self.f;
        let blocks = self.blocks.iter();
        blocks.flat_map(move |&b| f.blocks[b].insts.iter().map(move |i| (b, i)))
    }
}

/// Whether every way from a block outside of the loop ends in an exception; its blocks are added.
fn only_raises(f: &Function, from: usize, inside: &mut [bool]) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while at < seen.len() {
        let term = &f.blocks[seen[at]].term;
        if matches!(term, Term::Return(_)) {
            return false;
        }
        for target in term.targets() {
            let to = target.block.index();
            // Others that only raise may go on to the same blocks.
            if !inside[to] && !seen.contains(&to) {
                seen.push(to);
            }
        }
        at += 1;
    }
    for b in seen {
        inside[b] = true;
    }
    true
}

/// What becomes of a value that a round leaves to the next one.
enum Carried {
    /// It grows by this in each round: a constant, or a value from outside.
    Counter(Step),
    Reduced(Combine),
    /// It is read after the loop only.
    Last,
}

#[derive(Clone, Copy)]
enum Step {
    By(i64),
    Value(Value),
}

/// How a loop is taken apart.
struct Plan {
    carried: Vec<Carried>,
    /// The parameter of the head that says whether there is a further round, how, and its bound.
    control: usize,
    cmp: Cmp,
    bound: Value,
    /// What the region is given from outside.
    captured: Vec<Value>,
    /// What it computes again from that, in order: constants, addresses and sizes. They cost little, and so
    /// it is seen in the region which of them are the same.
    again: Vec<Value>,
}

impl Plan {
    fn new(l: &Loop<'_>) -> Result<Plan, Refused> {
        let (control, cmp, bound) = condition(l).ok_or("it has no count of rounds")?;
        let mut carried = vec![];
        for k in 0..l.params().len() {
            carried.push(carry(l, k).ok_or("a round needs what the one before it has computed")?);
        }
        let counts = match (cmp, &carried[control]) {
            (Cmp::SLt, Carried::Counter(Step::By(step))) => *step > 0,
            (Cmp::ULt, Carried::Counter(Step::By(1)))
            | (Cmp::SGt | Cmp::UGt, Carried::Counter(Step::By(-1))) => true,
            (Cmp::Ne, Carried::Counter(Step::By(-1))) => l.int(bound) == Some(0),
            _ => false,
        };
        if !counts {
            return Err("it has no count of rounds");
        }
        let head = &l.f.blocks[l.head];
        if head.insts.iter().any(|i| !i.op.is_pure()) {
            return Err("asking for a further round has effects");
        }
        let (captured, again) = split_outside(l);
        if captured.iter().any(|&v| l.f.ty(v) == Type::Err) {
            return Err("an exception that was caught is used in it");
        }
        Ok(Plan {
            carried,
            control,
            cmp,
            bound,
            captured,
            again,
        })
    }

    /// The parameters of the head that chunks give results for.
    fn results(&self) -> impl Iterator<Item = usize> {
        let is_result = |c: &Carried| !matches!(c, Carried::Counter(_));
        let all = self.carried.iter().enumerate();
        all.filter(move |(_, c)| is_result(c)).map(|(k, _)| k)
    }

    // ---- the region ----

    fn region(&self, l: &Loop<'_>, symbol: Arc<str>) -> Function {
        let f = l.f;
        let head = &f.blocks[l.head];
        // First round, the one behind the last, what each parameter starts with, what is captured.
        let mut params = vec![Type::I64, Type::I64];
        params.extend(l.params().iter().map(|&p| f.ty(p)));
        params.extend(self.captured.iter().map(|&v| f.ty(v)));
        let results: Vec<Type> = self.results().map(|k| f.ty(l.params()[k])).collect();
        let mut b = Builder::new(symbol, f.name.clone(), &params, &results, f.options);
        b.func.locs.clone_from(&f.locs);
        b.set_loc_id(head.term_loc);
        let args = b.func.blocks[0].params.clone();
        let (rounds, rest) = args.split_at(2);
        let (starts, captured) = rest.split_at(l.params().len());
        let mut map: FxHashMap<Value, Value> = FxHashMap::default();
        map.extend(self.captured.iter().copied().zip(captured.iter().copied()));

        let mut blocks: FxHashMap<usize, BlockId> = FxHashMap::default();
        for &at in &l.blocks {
            let block = b.new_block();
            blocks.insert(at, block);
            for &p in &f.blocks[at].params {
                let new = b.add_param(block, f.ty(p));
                map.insert(p, new);
            }
            for &r in f.blocks[at].insts.iter().flat_map(|i| &i.results) {
                let new = b.value(f.ty(r));
                map.insert(r, new);
            }
        }
        b.switch_to(BlockId(0));
        for &v in &self.again {
            if let Some(op) = l.op(v) {
                let mut op = op.clone();
                op.for_each_operand_mut(&mut |v| *v = renamed(&map, *v));
                let new = b.push(op, &[f.ty(v)])[0];
                map.insert(v, new);
            }
        }
        let mut entry: SmallVec<[Value; 4]> = smallvec![];
        let mut bound = starts[self.control];
        for (k, carried) in self.carried.iter().enumerate() {
            entry.push(match carried {
                Carried::Counter(step) => {
                    let step = self.step(&mut b, l, k, *step, Some(&map));
                    if k == self.control {
                        bound = advanced(&mut b, starts[k], rounds[1], step);
                    }
                    advanced(&mut b, starts[k], rounds[0], step)
                }
                Carried::Reduced(combine) => combine.start(&mut b, starts[k]),
                Carried::Last => starts[k],
            });
        }
        b.jump(blocks[&l.head], &entry);

        let done = b.new_block();
        for &at in &l.blocks {
            let from = &f.blocks[at];
            let new = blocks[&at];
            let mut insts = from.insts.clone();
            for inst in &mut insts {
                inst.op
                    .for_each_operand_mut(&mut |v| *v = renamed(&map, *v));
                inst.results.iter_mut().for_each(|v| *v = renamed(&map, *v));
            }
            let mut term = from.term.clone();
            for_each_term_operand(&mut term, |v| *v = renamed(&map, *v));
            for target in term.targets_mut() {
                target.block = blocks.get(&target.block.index()).copied().unwrap_or(done);
            }
            if at == l.head
                && let Term::Branch { cond, other, .. } = &mut term
            {
                *other = Target {
                    block: done,
                    args: smallvec![],
                };
                *cond = b.value(Type::I1);
                let more = Op::Compare(self.cmp, map[&l.params()[self.control]], bound);
                insts.push(Inst {
                    op: more,
                    results: smallvec![*cond],
                    loc: from.term_loc,
                });
            }
            let block = &mut b.func.blocks[new.index()];
            block.insts = insts;
            block.term = term;
            block.term_loc = from.term_loc;
            block.rounds = from.rounds;
        }
        b.switch_to(done);
        let results = self.results().map(|k| map[&l.params()[k]]).collect();
        b.terminate(Term::Return(results));
        let mut region = b.func;
        let throws = |b: &crate::tir::Block| matches!(b.term, Term::Throw(_));
        region.may_raise = region.blocks.iter().any(throws);
        simplify(&mut region);
        region
    }

    /// A step as a value; in the region with what takes the place of values from outside.
    fn step(
        &self,
        b: &mut Builder,
        l: &Loop<'_>,
        k: usize,
        step: Step,
        map: Option<&FxHashMap<Value, Value>>,
    ) -> Value {
        match step {
            Step::By(n) => b.int(l.f.ty(l.params()[k]), n),
            Step::Value(v) => map.map_or(v, |map| renamed(map, v)),
        }
    }

    // ---- what takes the loop's place ----

    fn caller(&self, l: &Loop<'_>, costs: &cost::Costs, func: FuncId, raises: bool) -> Function {
        let (f, head) = (l.f, l.head);
        let mut b = Builder::resume(f.clone());
        b.set_loc_id(f.blocks[head].term_loc);
        let before = b.new_block();
        let starts: Vec<Value> = l
            .params()
            .iter()
            .map(|&p| b.add_param(before, f.ty(p)))
            .collect();
        for (at, block) in b.func.blocks.iter_mut().enumerate() {
            if l.inside.get(at) == Some(&true) {
                continue;
            }
            for target in block.term.targets_mut() {
                if target.block.index() == head {
                    target.block = before;
                }
            }
        }
        b.switch_to(before);
        // Constants that stand inside of the loop.
        let bound = match l.op(self.bound) {
            Some(op) if !l.is_outside(self.bound) => b.push(op.clone(), &[f.ty(self.bound)])[0],
            _ => self.bound,
        };
        let rounds = self.rounds(&mut b, starts[self.control], bound);
        let work = costs.work(&mut b, l, rounds);
        let mut args = starts.clone();
        args.extend(&self.captured);
        let after = b.new_block();
        if l.repeated {
            let worth = b.i64(PARALLEL_WORTH);
            let little = b.cmp(Cmp::SLt, work, worth);
            let (alone, split) = (b.new_block(), b.new_block());
            b.branch(little, alone, split, Hint::None);
            b.switch_to(alone);
            if l.stays {
                b.jump(BlockId(head as u32), &starts);
            } else {
                let results = self.called(&mut b, l, func, &starts, (rounds, &args), raises);
                b.jump(after, &results);
            }
            b.switch_to(split);
        }
        let made = b.parallel(func, rounds, work, &args);
        if raises {
            throw_if_raised(&mut b, made[2]);
        }
        let combined = self.combined(&mut b, l, &starts, made[0], made[1]);
        b.jump(after, &combined);
        b.switch_to(after);
        let combined: Vec<Value> = combined
            .iter()
            .map(|&v| b.add_param(after, b.ty(v)))
            .collect();
        let mut combined = combined.into_iter();
        let ends: Vec<Value> = self
            .carried
            .iter()
            .enumerate()
            .map(|(k, carried)| match carried {
                Carried::Counter(step) => {
                    let step = self.step(&mut b, l, k, *step, None);
                    advanced(&mut b, starts[k], rounds, step)
                }
                _ => combined.next().unwrap_or(starts[k]),
            })
            .collect();
        // Where the loop stays, these are values for which it ends.
        b.jump(BlockId(head as u32), &ends);
        if !l.stays {
            b.func.blocks[head].term = Term::Jump(l.exit.clone());
        }
        for &at in &l.blocks {
            b.func.blocks[at].spread = Spread::No;
        }
        b.func
    }

    /// The results of a region that is called as it is, for all rounds.
    fn called(
        &self,
        b: &mut Builder,
        l: &Loop<'_>,
        func: FuncId,
        starts: &[Value],
        (rounds, args): (Value, &[Value]),
        raises: bool,
    ) -> Vec<Value> {
        let mut all = vec![b.i64(0), rounds];
        all.extend(args);
        let types = self.results().map(|k| l.f.ty(l.params()[k]));
        let mut types: Vec<Type> = types.collect();
        types.extend(raises.then_some(Type::Err));
        let mut parts = b.call(func, &all, &types);
        if raises && let Some(error) = parts.pop() {
            throw_if_raised(b, error);
        }
        let results = self.results().zip(parts);
        results
            .map(|(k, part)| self.combine(b, k, starts[k], part))
            .collect()
    }

    /// Number of rounds from what the control starts with.
    fn rounds(&self, b: &mut Builder, start: Value, bound: Value) -> Value {
        let ty = b.ty(start);
        let zero = b.int(ty, 0);
        let rounds = match (self.cmp, &self.carried[self.control]) {
            (Cmp::SLt, Carried::Counter(Step::By(step))) => {
                let distance = b.binary(Bin::Sub, bound, start);
                let distance = b.binary(Bin::SMax, distance, zero);
                if *step == 1 {
                    distance
                } else {
                    let (less, step) = (b.int(ty, step - 1), b.int(ty, *step));
                    let rounded = b.binary(Bin::Add, distance, less);
                    b.binary(Bin::SDiv, rounded, step)
                }
            }
            (Cmp::SGt, _) => {
                let distance = b.binary(Bin::Sub, start, bound);
                b.binary(Bin::SMax, distance, zero)
            }
            (Cmp::ULt, _) => {
                let any = b.cmp(Cmp::ULt, start, bound);
                let distance = b.binary(Bin::Sub, bound, start);
                b.select(any, distance, zero)
            }
            (Cmp::UGt, _) => {
                let any = b.cmp(Cmp::UGt, start, bound);
                let distance = b.binary(Bin::Sub, start, bound);
                b.select(any, distance, zero)
            }
            _ => start,
        };
        if ty == Type::I64 {
            return rounds;
        }
        b.cast(Cast::SExt, rounds, Type::I64)
    }

    /// What was before a chunk, and what it gives.
    fn combine(&self, b: &mut Builder, k: usize, before: Value, part: Value) -> Value {
        match &self.carried[k] {
            Carried::Reduced(combine) => combine.combine(b, before, part),
            _ => part,
        }
    }

    /// What the chunks give, combined in their order.
    fn combined(
        &self,
        b: &mut Builder,
        l: &Loop<'_>,
        starts: &[Value],
        partials: Value,
        count: Value,
    ) -> Vec<Value> {
        let results: Vec<usize> = self.results().collect();
        if results.is_empty() {
            return vec![];
        }
        let (header, inside, after) = (b.new_block(), b.new_block(), b.new_block());
        let chunk = b.add_param(header, Type::I64);
        let so_far: Vec<Value> = results
            .iter()
            .map(|&k| b.add_param(header, l.f.ty(l.params()[k])))
            .collect();
        let mut args = vec![b.i64(0)];
        args.extend(results.iter().map(|&k| starts[k]));
        b.jump(header, &args);
        b.switch_to(header);
        let more = b.cmp(Cmp::SLt, chunk, count);
        b.branch(more, inside, after, Hint::None);
        b.switch_to(inside);
        let size = 8 * results.len() as u32;
        let at = b.element(partials, chunk, size);
        let one = b.i64(1);
        let mut args = vec![b.binary_nsw(Bin::Add, chunk, one)];
        for (i, &k) in results.iter().enumerate() {
            let offset = b.i64(8 * i as i64);
            let ptr = b.offset(at, offset);
            let part = b.load(b.ty(so_far[i]), ptr, 8, Mem::Any);
            args.push(self.combine(b, k, so_far[i], part));
        }
        b.jump(header, &args);
        b.set_rounds(Rounds::Rare);
        b.switch_to(after);
        b.rt(RtFn::parallel_free, &[partials, count]);
        so_far
    }
}

/// Throws an error, if it is one.
fn throw_if_raised(b: &mut Builder, error: Value) {
    let null = b.null(Type::Err);
    let raised = b.cmp(Cmp::Ne, error, null);
    if let Some((cold, next)) = b.cold_if(raised) {
        b.switch_to(cold);
        b.terminate(Term::Throw(error));
        b.switch_to(next);
    }
}

fn renamed(map: &FxHashMap<Value, Value>, v: Value) -> Value {
    map.get(&v).copied().unwrap_or(v)
}

/// `start + rounds * step`
fn advanced(b: &mut Builder, start: Value, rounds: Value, step: Value) -> Value {
    let ty = b.ty(start);
    let rounds = if ty == Type::I64 {
        rounds
    } else {
        b.cast(Cast::Trunc, rounds, ty)
    };
    let distance = b.binary(Bin::Mul, rounds, step);
    b.binary(Bin::Add, start, distance)
}

/// The condition of the loop: which parameter of its head is compared, how, and with what.
fn condition(l: &Loop<'_>) -> Option<(usize, Cmp, Value)> {
    let Term::Branch { cond, .. } = &l.f.blocks[l.head].term else {
        return None;
    };
    let Some(Op::Compare(cmp, a, bound)) = l.op(*cond) else {
        return None;
    };
    let control = l.params().iter().position(|p| p == a)?;
    l.is_known(*bound).then_some((control, *cmp, *bound))
}

/// What becomes of a parameter of the loop's head.
fn carry(l: &Loop<'_>, k: usize) -> Option<Carried> {
    if let Some(step) = step(l, k) {
        return Some(Carried::Counter(step));
    }
    let ty = l.f.ty(l.params()[k]);
    if ty.is_managed() || ty == Type::Err {
        return None;
    }
    if let Some(combine) = reduce::find(l, k) {
        return Some(Carried::Reduced(combine));
    }
    let p = l.params()[k];
    let mut used = false;
    for &b in &l.blocks {
        let block = &l.f.blocks[b];
        for inst in &block.insts {
            inst.op.for_each_operand(|v| used |= v == p);
        }
        block.term.for_each_operand(|v| used |= v == p);
        let targets = block.term.targets();
        let mut within = targets.iter().filter(|t| l.inside[t.block.index()]);
        used |= within.any(|t| t.args.contains(&p));
    }
    (!used).then_some(Carried::Last)
}

/// By how much a parameter grows in each round.
fn step(l: &Loop<'_>, k: usize) -> Option<Step> {
    let p = l.params()[k];
    if !l.f.ty(p).is_int() {
        return None;
    }
    let mut found: Option<Step> = None;
    for back in l.given_back(k) {
        let step = match *l.op(back)? {
            Op::Binary {
                op: Bin::Add, a, b, ..
            } => {
                let other = if a == p { b } else { a };
                if a != p && b != p || other == p {
                    return None;
                }
                match l.int(other) {
                    Some(n) => Step::By(n),
                    None if l.is_outside(other) => Step::Value(other),
                    None => return None,
                }
            }
            Op::Binary {
                op: Bin::Sub, a, b, ..
            } if a == p => Step::By(l.int(b)?.checked_neg()?),
            _ => return None,
        };
        found = match (found, step) {
            (None, step) => Some(step),
            (Some(Step::By(a)), Step::By(b)) if a == b => Some(Step::By(a)),
            (Some(Step::Value(a)), Step::Value(b)) if a == b => Some(Step::Value(a)),
            _ => return None,
        };
    }
    found
}

/// The values from outside that the loop uses, constants included, in a fixed order.
fn used_from_outside(l: &Loop<'_>) -> Vec<Value> {
    let (mut used, mut seen) = (vec![], FxHashSet::default());
    let mut add = |v: Value| {
        if l.is_outside(v) && seen.insert(v) {
            used.push(v);
        }
    };
    for &b in &l.blocks {
        let block = &l.f.blocks[b];
        for inst in &block.insts {
            inst.op.for_each_operand(&mut add);
        }
        block.term.for_each_operand(&mut add);
        for target in block.term.targets() {
            if l.inside[target.block.index()] {
                target.args.iter().copied().for_each(&mut add);
            }
        }
    }
    used
}

/// What of that a region is given, and what it computes again, operands first.
fn split_outside(l: &Loop<'_>) -> (Vec<Value>, Vec<Value>) {
    let (mut captured, mut again) = (vec![], vec![]);
    let mut seen = FxHashSet::default();
    // Values, and whether their operands are dealt with.
    let mut work: Vec<(Value, bool)> = used_from_outside(l)
        .into_iter()
        .map(|v| (v, false))
        .collect();
    work.reverse();
    while let Some((v, ready)) = work.pop() {
        if ready {
            again.push(v);
            continue;
        }
        if !seen.insert(v) {
            continue;
        }
        match l.op(v).filter(|op| is_repeated(l, op)) {
            Some(op) => {
                work.push((v, true));
                op.for_each_operand(|o| work.push((o, false)));
            }
            None => captured.push(v),
        }
    }
    (captured, again)
}

fn is_repeated(l: &Loop<'_>, op: &Op) -> bool {
    match *op {
        Op::ArrayPart(array, _) => !matches!(l.op(array), Some(Op::View { .. })),
        Op::Offset { offset: by, .. } | Op::Element { index: by, .. } => l.int(by).is_some(),
        _ => op.is_constant(),
    }
}
