//! Reuse: what a nest makes takes the memory of an array that nothing needs afterwards.
//!
//! ```python
//! e = np.exp(x - top)
//! return e / e.sum()          # takes the memory of e
//! for c in coefficients:
//!     y = y * x + c           # takes the memory of the y before
//! ```
//!
//! A new array becomes a store into an array `v`, whose name it takes, if
//!
//! * `v` was made in this function and is known to it alone: it is only read, written and looked at through
//!   views, or handed on to the next round of a loop;
//! * no way leads from the nest to a use of `v`;
//! * it has the shape, item size and layout of the new array;
//! * the nest reads `v` not at all, or each item where it writes it.

use ferdelance_abi::rtfn::RtFn;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::analysis::{Analysis, Place, nest_at};
use super::prune::settle;
use crate::tir::dominators::Dominators;
use crate::tir::nest::{Access, Input, Item, Nest, OutputKind};
use crate::tir::pass::simplify::{Renaming, remove_unreachable};
use crate::tir::{BlockId, Function, Inst, Op, Part, Term, Type, Value};
use crate::types::Layout;

/// Rounds of looking for arrays in a function.
const MOST: usize = 64;

/// Does it for a function, as often as there is something to reuse.
pub(super) fn reuse(f: &mut Function) -> bool {
    let mut changed = false;
    for _ in 0..MOST {
        let Some(found) = find(&Analysis::new(f)) else {
            break;
        };
        found.apply(f);
        changed = true;
    }
    changed
}

/// A new array, and the one whose memory it takes.
struct Reuse {
    nest: Place,
    output: usize,
    array: Value,
    item: Item,
}

/// Where an array comes from.
#[derive(Clone, Copy)]
enum Source {
    Inst(Place),
    /// It is handed on to a block.
    Param(BlockId),
}

fn find(a: &Analysis<'_>) -> Option<Reuse> {
    let tree = Dominators::new(a.f);
    let mut arrays: Vec<(Value, Source)> = vec![];
    for (b, block) in
        a.f.blocks
            .iter()
            .enumerate()
            .filter(|(b, _)| tree.reachable(*b))
    {
        let is_array = |v: &&Value| matches!(a.f.ty(**v), Type::Array(_));
        if b > 0 {
            let from = Source::Param(BlockId(b as u32));
            arrays.extend(block.params.iter().filter(is_array).map(|&v| (v, from)));
        }
        for (inst, i) in block.insts.iter().enumerate() {
            if matches!(i.op, Op::Nest(_) | Op::MakeArray { .. }) {
                let from = Source::Inst(Place { block: b, inst });
                arrays.extend(i.results.iter().filter(is_array).map(|&v| (v, from)));
            }
        }
    }
    let mut made: Vec<(Place, &Nest, usize, Item, Value)> = vec![];
    for (block, body) in a.f.blocks.iter().enumerate() {
        for (inst, i) in body.insts.iter().enumerate() {
            let Op::Nest(nest) = &i.op else { continue };
            for (output, range) in nest.result_ranges().into_iter().enumerate() {
                if let OutputKind::New(item) = nest.outputs[output].kind {
                    let result = i.results[range.start];
                    made.push((Place { block, inst }, nest, output, item, result));
                }
            }
        }
    }
    // First of all, what goes round a loop stays in its place; otherwise two arrays might change places in
    // each round.
    let next = |new: Value, array: Value| {
        let targets = a.f.blocks.iter().flat_map(|b| b.term.targets());
        targets.into_iter().any(|t| {
            let params = &a.f.block(t.block).params;
            let mut pairs = t.args.iter().zip(params);
            pairs.any(|(&arg, &param)| arg == new && param == array)
        })
    };
    for in_place in [true, false] {
        for &(at, nest, output, item, new) in &made {
            let array = arrays.iter().find(|(v, from)| {
                let before = match *from {
                    Source::Inst(p) if p.block == at.block => p.inst < at.inst,
                    Source::Inst(p) => tree.dominates(p.block, at.block),
                    Source::Param(b) => tree.dominates(b.index(), at.block),
                };
                before
                    && (!in_place || matches!(from, Source::Param(_)) && next(new, *v))
                    && fits(a, nest, &item, *v, *from)
                    && is_free(a, nest, *v, *from, at)
            });
            if let Some(&(array, _)) = array {
                return Some(Reuse {
                    nest: at,
                    output,
                    array,
                    item,
                });
            }
        }
    }
    None
}

/// Whether an array could be the new one, and the nest gets along with that.
fn fits(a: &Analysis<'_>, nest: &Nest, item: &Item, array: Value, from: Source) -> bool {
    // Where rare cases are looked for before anything is stored, a store costs more than a new array.
    let rare = |i: &Inst| matches!(i.op, Op::Rare { .. });
    if nest.outputs.iter().any(|o| o.target() == Some(array)) || nest.insts.iter().any(rare) {
        return false;
    }
    let rank = nest.extents.len();
    let whole = |access: &Access| access.array == array && access.is_whole(rank);
    // What it is known to look like: from where it is made, or as the nest reads it.
    let mut known = nest
        .inputs
        .iter()
        .find(|i| whole(&i.access))
        .map(|i| i.access.item);
    if let Source::Inst(p) = from
        && let Some(maker) = a.nest(p)
    {
        let results = &a.inst(p).results;
        for (output, range) in maker.outputs.iter().zip(maker.result_ranges()) {
            if let OutputKind::New(item) = output.kind
                && results[range.start] == array
            {
                known = Some(item);
            }
        }
    }
    let alike = known.is_some_and(|k| {
        k.size == item.size
            && k.align == item.align
            && k.layout == item.layout
            && (k.layout == Layout::C || k.layout == Layout::F)
    });
    let number = a.numbers.get(array);
    let same_shape = a.f.ty(array) == Type::Array(rank as u8)
        && nest
            .extents
            .iter()
            .enumerate()
            .all(|(k, &n)| a.numbers.shape(number, k as u8) == Some(a.numbers.get(n)));
    let as_written = |i: &Input| i.access.array != array || whole(&i.access);
    alike && same_shape && rank > 0 && nest.inputs.iter().all(as_written)
}

/// An array with what is made of it: views and addresses. `None` if something else gets hold of it; jumps
/// that hand it on are in `handed`.
fn family(
    a: &Analysis<'_>,
    array: Value,
    data: Option<Value>,
    handed: &mut Vec<(usize, usize)>,
) -> Option<FxHashSet<Value>> {
    let mut all: FxHashSet<Value> = [array].into_iter().chain(data).collect();
    let mut work: Vec<Value> = all.iter().copied().collect();
    while let Some(v) = work.pop() {
        for &at in &a.uses[v.index()] {
            if at.inst == usize::MAX {
                let term = &a.f.blocks[at.block].term;
                let mut elsewhere = v != array;
                term.for_each_operand(|o| elsewhere |= o == v && !matches!(term, Term::Return(_)));
                if elsewhere {
                    return None;
                }
                for (t, target) in term.targets().iter().enumerate() {
                    let times = target.args.iter().filter(|&&arg| arg == v).count();
                    if times > 1 {
                        return None;
                    }
                    handed.extend((times == 1).then_some((at.block, t)));
                }
                continue;
            }
            let inst = a.inst(at);
            let made = match &inst.op {
                Op::ArrayPart(_, Part::Shape(_) | Part::Stride(_)) => continue,
                Op::ArrayPart(_, Part::Data) | Op::Subview(_) | Op::View { .. } => true,
                Op::Offset { .. } | Op::Element { .. } => true,
                Op::Load { .. } | Op::Nest(_) => false,
                // Products of matrices keep no addresses.
                Op::Rt {
                    func: RtFn::matmul | RtFn::matmul_into,
                    ..
                } => false,
                Op::Store { value, .. } if *value != v => false,
                Op::MakeArray { owner, .. } if *owner != v && inst.results[0] == array => false,
                _ => return None,
            };
            if made && all.insert(inst.results[0]) {
                work.push(inst.results[0]);
            }
        }
    }
    Some(all)
}

/// The data of an array that is made from a buffer, if nothing else has the buffer.
fn own_buffer(a: &Analysis<'_>, at: Place) -> Option<Option<Value>> {
    let Op::MakeArray { owner, data, .. } = a.inst(at).op else {
        return Some(None);
    };
    let from_buffer = a.f.blocks.iter().flat_map(|b| &b.insts).any(|i| {
        matches!(
            i.op,
            Op::Rt {
                func: RtFn::buffer_alloc | RtFn::buffer_zeroed,
                ..
            }
        ) && i.results[0] == owner
            && i.results[1] == data
    });
    (from_buffer && a.uses[owner.index()].len() == 1).then_some(Some(data))
}

/// Whether an array's memory is known to this function alone and not needed once a nest has run, which
/// sees nothing of it but the array itself.
fn is_free(a: &Analysis<'_>, nest: &Nest, array: Value, from: Source, at: Place) -> bool {
    let data = match from {
        Source::Inst(p) => own_buffer(a, p),
        Source::Param(_) => Some(None),
    };
    let mut handed = vec![];
    let Some(all) = data.and_then(|data| family(a, array, data, &mut handed)) else {
        return false;
    };
    if let Source::Param(block) = from
        && !is_always_new(a, array, block, &mut vec![array])
    {
        return false;
    }
    let view = |v: Value| v != array && all.contains(&v);
    let mut seen_else = nest.inputs.iter().any(|i| view(i.access.array));
    nest.for_each_source(|source| seen_else |= all.contains(&source));
    // Whoever gets the array must not come to the nest with it.
    let none = FxHashSet::default();
    let kept = handed.iter().any(|&(b, t)| {
        let to = a.f.blocks[b].term.targets()[t].block;
        !matches!(from, Source::Param(own) if own == to)
            && reaches(a, &none, from, (to.index(), 0), Some(at))
    });
    !kept && !seen_else && !reaches(a, &all, from, (at.block, at.inst + 1), Some(at))
}

/// Whether all who hand an array to a block have made it, or were given it, for this alone. `open` are those
/// for which this is being asked.
fn is_always_new(a: &Analysis<'_>, array: Value, block: BlockId, open: &mut Vec<Value>) -> bool {
    let Some(index) = a.f.block(block).params.iter().position(|&p| p == array) else {
        return false;
    };
    let targets = a.f.blocks.iter().flat_map(|b| b.term.targets());
    let mut args = targets.filter(|t| t.block == block).map(|t| t.args[index]);
    args.all(|arg| arg == array || is_handed_over(a, arg, block, open))
}

/// Whether an array is new, and not needed any more by those who hand it to a block.
fn is_handed_over(a: &Analysis<'_>, array: Value, block: BlockId, open: &mut Vec<Value>) -> bool {
    let (from, data) = match (maker(a, array), taker(a, array)) {
        (Some(at), _) => (Source::Inst(at), own_buffer(a, at)),
        (_, Some(own)) => (Source::Param(own), Some(None)),
        _ => return false,
    };
    let mut handed = vec![];
    let Some(all) = data.and_then(|data| family(a, array, data, &mut handed)) else {
        return false;
    };
    let only_there = handed.iter().all(|&(b, t)| {
        let to = a.f.blocks[b].term.targets()[t].block;
        to == block || matches!(from, Source::Param(own) if own == to)
    });
    if !only_there || reaches(a, &all, from, (block.index(), 0), None) {
        return false;
    }
    let Source::Param(own) = from else {
        return true;
    };
    if open.contains(&array) {
        return true;
    }
    open.push(array);
    is_always_new(a, array, own, open)
}

/// The block whose parameter an array is.
fn taker(a: &Analysis<'_>, array: Value) -> Option<BlockId> {
    let block =
        a.f.blocks
            .iter()
            .skip(1)
            .position(|b| b.params.contains(&array))?;
    Some(BlockId(block as u32 + 1))
}

/// The instruction that makes an array.
fn maker(a: &Analysis<'_>, array: Value) -> Option<Place> {
    a.f.blocks.iter().enumerate().find_map(|(block, b)| {
        let inst = b.insts.iter().position(|i| i.results.contains(&array))?;
        let makes = matches!(b.insts[inst].op, Op::Nest(_) | Op::MakeArray { .. });
        makes.then_some(Place { block, inst })
    })
}

/// Whether a way leads from a place to a use of one of these values, or to `again`, without passing where
/// they are made.
fn reaches(
    a: &Analysis<'_>,
    values: &FxHashSet<Value>,
    from: Source,
    start: (usize, usize),
    again: Option<Place>,
) -> bool {
    let mut seen = vec![false; a.f.blocks.len()];
    let mut work = vec![start];
    'blocks: while let Some((b, first)) = work.pop() {
        let block = &a.f.blocks[b];
        for (inst, i) in block.insts.iter().enumerate().skip(first) {
            if matches!(from, Source::Inst(p) if p == Place { block: b, inst }) {
                continue 'blocks;
            }
            let mut used = again == Some(Place { block: b, inst });
            i.op.for_each_operand(|v| used |= values.contains(&v));
            if used {
                return true;
            }
        }
        let mut used = false;
        block.term.for_each_operand(|v| used |= values.contains(&v));
        let targets: SmallVec<[_; 2]> = block.term.targets();
        if used
            || targets
                .iter()
                .flat_map(|t| &t.args)
                .any(|v| values.contains(v))
        {
            return true;
        }
        for target in targets {
            let next = target.block.index();
            let anew = matches!(from, Source::Param(p) if p == target.block);
            if !anew && !std::mem::replace(&mut seen[next], true) {
                work.push((next, 0));
            }
        }
    }
    false
}

impl Reuse {
    fn apply(&self, f: &mut Function) {
        let Some(nest) = nest_at(f, self.nest) else {
            return;
        };
        let rank = nest.extents.len();
        let result = nest.result_ranges()[self.output].start;
        let body = &mut f.blocks[self.nest.block];
        let inst = &mut body.insts[self.nest.inst];
        let new = inst.results.remove(result);
        let Op::Nest(nest) = &mut inst.op else { return };
        nest.outputs[self.output].kind =
            OutputKind::Store(Access::whole(self.array, rank, self.item));
        settle(f, self.nest.block, self.nest.inst, true);
        let mut renaming = Renaming::new(f);
        renaming.set(new, self.array);
        renaming.apply(f);
        remove_unreachable(f);
    }
}
