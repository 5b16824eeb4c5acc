//! Inlining: the blocks of a small callee take the place of its call.
//!
//! Generators become state machines on the way: see [`generator`](super::generator).
//!
//! `Return` becomes a jump to the continuation of the call, with the results; `Throw` a jump to the
//! cold block that the caller branches to when the call gave an error.

use smallvec::SmallVec;

use super::generator;
use super::simplify::{for_each_term_operand, simplify};
use super::thread::thread;
use crate::diag::Result;
use crate::tir::{
    Block, BlockId, FuncId, Function, Inst, Loc, LocId, Op, Program, Target, Term, Value,
};

/// Callees up to this many instructions are always inlined.
const SMALL: usize = 40;
/// Callees with one call site are inlined up to this size.
const SINGLE_USE: usize = 400;
/// A caller does not grow past this by inlining (forced inlining excepted).
const LARGEST: usize = 4000;
/// Blocks of a function that are looked at to thread the edges to them, for each generator.
const MOST_THREADED: usize = 64;

/// Inlines in all functions of a program and drops those that are not called any more.
pub fn inline(program: &mut Program) -> Result<()> {
    let mut calls = call_counts(program);
    // Callees come after their callers in the list (they are reserved when first called, but lowered
    // completely before the caller goes on), except in recursions, which are not inlined.
    for caller in (0..program.functions.len()).rev() {
        let mut f = std::mem::replace(&mut program.functions[caller], Function::empty());
        if inline_calls(&mut f, caller, program, &calls) {
            simplify(&mut f);
        }
        while generator::keep_in_values(&mut f, program, &mut calls) {
            inline_calls(&mut f, caller, program, &calls);
            simplify(&mut f);
            for _ in 0..MOST_THREADED {
                if !thread(&mut f) {
                    break;
                }
                simplify(&mut f);
            }
        }
        generator::check_lifetimes(&f)?;
        generator::split(&mut f)?;
        if f.generator.is_some() {
            simplify(&mut f);
        }
        program.functions[caller] = f;
    }
    generator::keep_in_objects(program);
    drop_uncalled(program);
    Ok(())
}

/// Inlines the calls in a function; false if there are none to inline.
fn inline_calls(f: &mut Function, caller: usize, program: &Program, calls: &[u32]) -> bool {
    let mut changed = false;
    let mut at = 0;
    while at < f.blocks.len() {
        let found = f.blocks[at].insts.iter().position(|i| match i.op {
            Op::Call { func, .. } => {
                func.index() != caller
                    && wants_inlining(
                        &program.functions[func.index()],
                        calls[func.index()],
                        f.size(),
                    )
            }
            _ => false,
        });
        match found {
            Some(index) => {
                splice(f, BlockId(at as u32), index, program);
                changed = true;
            }
            None => at += 1,
        }
    }
    changed
}

fn wants_inlining(callee: &Function, calls: u32, caller_size: usize) -> bool {
    if callee.recursive || callee.options.never_inline {
        return false;
    }
    let size = callee.size();
    // Of a state machine, what a place needs is a part.
    if callee.generator.is_some() && caller_size < LARGEST {
        return size * calls as usize <= SINGLE_USE;
    }
    callee.options.always_inline
        || caller_size < LARGEST && (size <= SMALL || calls == 1 && size <= SINGLE_USE)
}

fn call_counts(program: &Program) -> Vec<u32> {
    let mut counts = vec![0; program.functions.len()];
    for f in &program.functions {
        for_each_call(f, |func| counts[func.index()] += 1);
    }
    counts
}

/// Calls `visit` with each function that `f` calls or makes generators of, in the bodies of nests, too.
fn for_each_call(f: &Function, mut visit: impl FnMut(FuncId)) {
    for inst in f.blocks.iter().flat_map(|b| &b.insts) {
        let insts = match &inst.op {
            Op::Nest(nest) => &nest.insts[..],
            _ => std::slice::from_ref(inst),
        };
        for inst in insts {
            if let Op::Call { func, .. }
            | Op::NewGenerator { func, .. }
            | Op::FunctionAddress { func, .. } = inst.op
            {
                visit(func);
            }
        }
    }
}

/// Replaces the call at `index` of `block` by the callee's body.
fn splice(f: &mut Function, block: BlockId, index: usize, program: &Program) {
    let mut rest = f.blocks[block.index()].insts.split_off(index);
    let call = rest.remove(0);
    let Op::Call { func, args } = call.op else {
        return;
    };
    let callee = &program.functions[func.index()];

    let old = &mut f.blocks[block.index()];
    let term = std::mem::take(&mut old.term);
    let term_loc = old.term_loc;
    let exits = if callee.may_raise {
        // `null; cond = err != null; branch cond -> cold, next` follows every call that may raise.
        let Term::Branch {
            then: cold,
            other: next,
            ..
        } = term
        else {
            unreachable!("a call without its error branch")
        };
        let (&err, results) = call.results.split_last().unwrap_or((&Value(0), &[]));
        let ok = push_block(f, results.to_vec(), vec![], Term::Jump(next), term_loc);
        let failed = push_block(f, vec![err], vec![], Term::Jump(cold), term_loc);
        Exits {
            ok,
            failed: Some(failed),
        }
    } else {
        Exits {
            ok: push_block(f, call.results.to_vec(), rest, term, term_loc),
            failed: None,
        }
    };

    let first_block = f.blocks.len() as u32;
    let first_value = f.values.len() as u32;
    let first_loc = f.locs.len() as u32;
    f.values.extend(&callee.values);
    f.locs.extend(
        callee
            .locs
            .iter()
            .map(|loc| inlined(loc, first_loc, call.loc)),
    );
    let value = |v: &mut Value| v.0 += first_value;
    let loc = |l: LocId| LocId(l.0 + first_loc);
    for source in &callee.blocks {
        let mut new = source.clone();
        new.params.iter_mut().for_each(value);
        for inst in &mut new.insts {
            inst.op.for_each_operand_mut(&mut |v| value(v));
            inst.results.iter_mut().for_each(value);
            inst.loc = loc(inst.loc);
            if let Op::Nest(nest) = &mut inst.op {
                nest.for_each_local_mut(value);
                nest.insts
                    .iter_mut()
                    .for_each(|inst| inst.loc = loc(inst.loc));
            }
        }
        for_each_term_operand(&mut new.term, value);
        for target in new.term.targets_mut() {
            target.block.0 += first_block;
        }
        new.term_loc = loc(new.term_loc);
        f.blocks.push(new);
    }
    for new in &mut f.blocks[first_block as usize..] {
        leave(new, &exits);
    }
    f.blocks[block.index()].term = Term::Jump(Target {
        block: BlockId(first_block),
        args,
    });
    f.blocks[block.index()].term_loc = call.loc;
}

/// Where an inlined body leaves to.
struct Exits {
    ok: BlockId,
    failed: Option<BlockId>,
}

fn push_block(
    f: &mut Function,
    params: Vec<Value>,
    insts: Vec<Inst>,
    term: Term,
    term_loc: LocId,
) -> BlockId {
    f.blocks.push(Block {
        params,
        insts,
        term,
        term_loc,
        ..Block::default()
    });
    BlockId(f.blocks.len() as u32 - 1)
}

/// Makes the end of an inlined block that leaves the callee a jump.
fn leave(block: &mut Block, exits: &Exits) {
    block.term = match (std::mem::take(&mut block.term), exits.failed) {
        (Term::Return(args), _) => Term::Jump(Target {
            block: exits.ok,
            args,
        }),
        (Term::Throw(err), Some(failed)) => Term::Jump(Target {
            block: failed,
            args: SmallVec::from_slice(&[err]),
        }),
        (other, _) => other,
    };
}

/// A callee's location as seen from the caller.
fn inlined(loc: &Loc, first_loc: u32, call: LocId) -> Loc {
    let at = match loc.inlined_at {
        Some(outer) => LocId(outer.0 + first_loc),
        None => call,
    };
    Loc {
        inlined_at: Some(at),
        ..loc.clone()
    }
}

/// Drops functions that the entries do not reach.
fn drop_uncalled(program: &mut Program) {
    let mut keep = vec![false; program.functions.len()];
    let mut work = program.entries.clone();
    work.extend(&program.pointers);
    work.extend(program.c_entries.iter().map(|entry| entry.func));
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut keep[id.index()], true) {
            continue;
        }
        for_each_call(&program.functions[id.index()], |func| work.push(func));
    }
    if keep.iter().all(|&k| k) {
        return;
    }
    let mut new_ids = vec![FuncId(0); keep.len()];
    let mut next = 0;
    for (i, &k) in keep.iter().enumerate() {
        if k {
            new_ids[i] = FuncId(next);
            next += 1;
        }
    }
    program.generators.retain(|id| keep[id.index()]);
    let mut flags = keep.iter();
    program.functions.retain(|_| *flags.next().unwrap_or(&true));
    for inst in program
        .functions
        .iter_mut()
        .flat_map(|f| &mut f.blocks)
        .flat_map(|b| &mut b.insts)
    {
        let nested = match &mut inst.op {
            Op::Call { func, .. } | Op::FunctionAddress { func, .. } => {
                *func = new_ids[func.index()];
                continue;
            }
            Op::Nest(nest) => &mut nest.insts,
            _ => continue,
        };
        for inst in nested {
            if let Op::Call { func, .. } = &mut inst.op {
                *func = new_ids[func.index()];
            }
        }
    }
    for entry in program
        .entries
        .iter_mut()
        .chain(&mut program.pointers)
        .chain(&mut program.generators)
        .chain(program.c_entries.iter_mut().map(|entry| &mut entry.func))
    {
        *entry = new_ids[entry.index()];
    }
}
