//! Threading: where a block only decides by one of its parameters, and an edge to it brings a constant,
//! the edge goes on to where the decision leads.
//!
//! It makes loops of state machines: the loop over a generator begins with the question where the
//! generator stopped, which is known where the loop is entered and where it closes. LLVM would do it,
//! but not through the head of a loop.

use smallvec::SmallVec;

use super::simplify::{constants, for_each_term_operand};
use super::variables::Variables;
use crate::tir::{Block, BlockId, Function, Inst, Op, Target, Term, Type, Value};

/// A block with more instructions is not copied.
const LARGEST: usize = 12;

/// An edge with a constant: the block it leaves, which of its targets it is, and the constant.
type Edge = (usize, usize, i64);

/// Threads the edges to one block; false if there are none.
pub(super) fn thread(f: &mut Function) -> bool {
    let constants = constants(f);
    let found = (1..f.blocks.len()).find_map(|b| {
        let param = decided_by(f, b)?;
        let edges = edges(f, b, param, &constants);
        (!edges.is_empty()).then_some((b, edges))
    });
    let Some((block, edges)) = found else {
        return false;
    };
    let mut copies = vec![];
    for (from, target, constant) in edges {
        copies.push(copy(f, block, from, target, constant));
    }
    repair(f, block, &copies);
    true
}

/// The parameter by which a block decides where to go, if that is all that it does.
fn decided_by(f: &Function, b: usize) -> Option<usize> {
    let block = &f.blocks[b];
    let value = block.term.decided_by()?;
    let is_simple = block.insts.len() <= LARGEST
        && block.insts.iter().all(|inst| is_copied(&inst.op))
        && block.params.iter().all(|&p| f.ty(p) != Type::Err);
    let param = block.params.iter().position(|&p| p == value)?;
    is_simple.then_some(param)
}

fn is_copied(op: &Op) -> bool {
    op.is_pure() && !matches!(op, Op::Nest(_) | Op::StackSlot { .. })
}

fn edges(f: &Function, b: usize, param: usize, constants: &[Option<i64>]) -> Vec<Edge> {
    let mut out = vec![];
    for (from, block) in f.blocks.iter().enumerate() {
        for (t, target) in block.term.targets().iter().enumerate() {
            if target.block.index() == b
                && let Some(constant) = constants[target.args[param].index()]
            {
                out.push((from, t, constant));
            }
        }
    }
    out
}

/// A copy of a block for one edge, and what the block's values are in it.
struct Copy {
    block: usize,
    values: Vec<(Value, Value)>,
}

fn copy(f: &mut Function, b: usize, from: usize, target: usize, constant: i64) -> Copy {
    let new = f.blocks.len();
    let original = f.blocks[b].clone();
    let edge = std::mem::replace(
        f.blocks[from].term.targets_mut()[target],
        Target {
            block: BlockId(new as u32),
            args: SmallVec::new(),
        },
    );
    let mut values: Vec<(Value, Value)> = original.params.into_iter().zip(edge.args).collect();
    let replace = |v: &mut Value, values: &[(Value, Value)]| {
        if let Some((_, new)) = values.iter().find(|(old, _)| old == v) {
            *v = *new;
        }
    };
    let mut insts = vec![];
    for inst in original.insts {
        let mut op = inst.op;
        op.for_each_operand_mut(&mut |v| replace(v, &values));
        let mut results = SmallVec::new();
        for &old in &inst.results {
            let new = f.new_value(f.ty(old));
            values.push((old, new));
            results.push(new);
        }
        insts.push(Inst {
            op,
            results,
            loc: inst.loc,
        });
    }
    let Some(mut goal) = original.term.decide(constant) else {
        unreachable!("a block that decides")
    };
    goal.args.iter_mut().for_each(|v| replace(v, &values));
    f.blocks.push(Block {
        insts,
        term: Term::Jump(goal),
        term_loc: original.term_loc,
        ..Block::default()
    });
    Copy { block: new, values }
}

/// What the block defines has further definitions in the copies.
fn repair(f: &mut Function, b: usize, copies: &[Copy]) {
    let mut variable = vec![None; f.values.len()];
    let mut variables = Variables::new(f);
    let block = &variables.f.blocks[b];
    let own: Vec<Value> = block
        .params
        .iter()
        .chain(block.insts.iter().flat_map(|i| &i.results))
        .copied()
        .collect();
    for &value in &own {
        let v = variables.add(variables.f.ty(value));
        variable[value.index()] = Some(v);
        variables.define(b, v, value);
    }
    let of = |value: Value| variable.get(value.index()).copied().flatten();
    for copy in copies {
        for &(old, new) in &copy.values {
            // An edge may bring what the block itself defined in an earlier round.
            let new = match of(new) {
                Some(v) => variables.at_start(copy.block, v),
                None => new,
            };
            if let Some(v) = of(old) {
                variables.define(copy.block, v, new);
            }
        }
    }
    rewrite_uses(&mut variables, |variables, at, value| {
        let v = of(value)?;
        (at != b).then(|| variables.at_start(at, v))
    });
    variables.finish();
}

/// Replaces operands: `replacement` gives what stands for a value in a block, if something does.
pub(super) fn rewrite_uses(
    variables: &mut Variables<'_>,
    mut replacement: impl FnMut(&mut Variables<'_>, usize, Value) -> Option<Value>,
) {
    for at in 0..variables.f.blocks.len() {
        let mut insts = std::mem::take(&mut variables.f.blocks[at].insts);
        let mut term = std::mem::take(&mut variables.f.blocks[at].term);
        let mut replace = |v: &mut Value| {
            if let Some(new) = replacement(variables, at, *v) {
                *v = new;
            }
        };
        for inst in &mut insts {
            inst.op.for_each_operand_mut(&mut replace);
        }
        for_each_term_operand(&mut term, &mut replace);
        // What was asked for meanwhile may have put something at the start.
        variables.f.blocks[at].insts.extend(insts);
        variables.f.blocks[at].term = term;
    }
}
