//! Retirement: blocks in which nothing will change any more.
//!
//! ```python
//! inside = abs(z) < 2.0
//! z = np.where(inside, z * z + c, z)
//! count += inside
//! ```
//!
//! If each store writes back what was there wherever its mask does not hold, and the masks are computed of
//! nothing but what stays the same in all rounds and of the items that are stored in this way, then a round
//! in which no mask holds changes nothing, and so neither does any round after it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Candidate, Kind, Touch};
use crate::tir::nest::{Nest, OutputKind};
use crate::tir::{Bin, Cast, Op, Type, Un, Value};

/// When the only nest of a loop changes something: where one of these values of its body is as said.
pub(super) struct Retirement {
    pub masks: Vec<(Value, bool)>,
}

impl Retirement {
    pub fn find(c: &Candidate<'_, '_>, touches: &[Touch<'_>]) -> Option<Retirement> {
        let mut nests = c.nests();
        let (nest, _) = nests.next()?;
        let rows = touches.iter().any(|t| t.written && t.kind != Kind::Fixed);
        let rare = nest.insts.iter().any(|i| matches!(i.op, Op::Rare { .. }));
        if nests.next().is_some() || nest.allocates() || rows || rare {
            return None;
        }
        let lasting = lasting(c, nest);
        let bools = nest.insts.iter().flat_map(|i| &i.results);
        let bools: Vec<Value> = bools
            .copied()
            .filter(|v| c.a.f.ty(*v) == Type::I1 && lasting.contains(v))
            .collect();
        let mut masks = vec![];
        for output in 0..nest.outputs.len() {
            let candidates = bools.iter().flat_map(|&v| [(v, true), (v, false)]);
            let mask = candidates
                .into_iter()
                .find(|&(mask, holds)| keeps(c, nest, output, mask, !holds))?;
            if !masks.contains(&mask) {
                masks.push(mask);
            }
        }
        Some(Retirement { masks })
    }
}

/// The values of a nest's body that are computed of nothing but items of arrays that are the same in each
/// round, indices, and what is known before the loop.
fn lasting(c: &Candidate<'_, '_>, nest: &Nest) -> FxHashSet<Value> {
    let mut lasting: FxHashSet<Value> = nest.indices.iter().copied().collect();
    let fixed = nest.inputs.iter().filter(|i| c.is_fixed(i.access.array));
    lasting.extend(fixed.flat_map(|i| &i.elements));
    let locals: FxHashSet<Value> = nest.locals().into_iter().collect();
    for inst in &nest.insts {
        let mut all = true;
        inst.op.for_each_operand(|v| {
            all &= lasting.contains(&v) || !locals.contains(&v) && c.is_fixed(v);
        });
        if all {
            lasting.extend(&inst.results);
        }
    }
    lasting
}

/// What a value is if a mask is as assumed.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Int(i64),
    Same(Value),
}

/// Whether an output writes back what was there if `mask` is as `assumed`.
fn keeps(c: &Candidate<'_, '_>, nest: &Nest, output: usize, mask: Value, assumed: bool) -> bool {
    let output = &nest.outputs[output];
    let OutputKind::Store(store) = &output.kind else {
        return false;
    };
    let numbers = &c.a.numbers;
    let Some(old) = nest.inputs.iter().find(|i| {
        numbers.equal(i.access.array, store.array)
            && i.access.dims == store.dims
            && i.access.item == store.item
            && i.elements.len() == output.values.len()
    }) else {
        return false;
    };
    let mut known: FxHashMap<Value, Known> = FxHashMap::default();
    let value = |known: &FxHashMap<Value, Known>, v: Value| {
        let constant = || match c.defined.get(&v)?.op {
            Op::Int(n) => Some(Known::Int(n)),
            _ => None,
        };
        let found = known.get(&v).copied().or_else(constant);
        found.unwrap_or(Known::Same(v))
    };
    for inst in &nest.insts {
        let [result] = inst.results[..] else { continue };
        let get = |v: Value| value(&known, v);
        let is = match inst.op {
            _ if result == mask => Known::Int(i64::from(assumed)),
            Op::Int(n) => Known::Int(n),
            Op::Select { cond, then, other } => match get(cond) {
                Known::Int(holds) => get(if holds & 1 == 1 { then } else { other }),
                Known::Same(_) if get(then) == get(other) => get(then),
                Known::Same(_) => continue,
            },
            Op::Unary(Un::Not, x) if c.a.f.ty(result) == Type::I1 => match get(x) {
                Known::Int(x) => Known::Int(!x & 1),
                Known::Same(_) => continue,
            },
            Op::Cast(Cast::ZExt, x) => match get(x) {
                // Of a narrow integer, the sign is not known here.
                Known::Int(n) if c.a.f.ty(x) == Type::I1 => Known::Int(n & 1),
                _ => continue,
            },
            Op::Binary { op, a, b, .. } => match combined(op, get(a), get(b)) {
                Some(known) => known,
                None => continue,
            },
            _ => continue,
        };
        known.insert(result, is);
    }
    let stored = output.values.iter().zip(&old.elements);
    stored
        .into_iter()
        .all(|(&new, &old)| value(&known, new) == Known::Same(old))
}

/// An operation on integers, if it has no effect, or gives a constant.
fn combined(op: Bin, a: Known, b: Known) -> Option<Known> {
    let zero = Known::Int(0);
    match op {
        Bin::Add | Bin::Or | Bin::Xor | Bin::Sub | Bin::Shl | Bin::AShr | Bin::LShr
            if b == zero =>
        {
            Some(a)
        }
        Bin::Add | Bin::Or | Bin::Xor if a == zero => Some(b),
        Bin::And | Bin::Mul if a == zero || b == zero => Some(zero),
        Bin::Mul if b == Known::Int(1) => Some(a),
        Bin::Mul if a == Known::Int(1) => Some(b),
        Bin::And | Bin::Or | Bin::SMin | Bin::SMax | Bin::UMin | Bin::UMax if a == b => Some(a),
        _ => None,
    }
}
