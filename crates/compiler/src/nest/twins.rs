//! Twins: what a nest makes twice is made once.
//!
//! ```python
//! mean, std = np.mean(a, axis=0), np.std(a, axis=0)       # std begins with the same sums
//! ```
//!
//! Merging brings such outputs into one nest. Of two arrays with the same items one is enough if both are
//! only read.

use super::analysis::Analysis;
use super::prune::prune;
use crate::tir::nest::{Nest, OutputKind};
use crate::tir::pass::simplify::Renaming;
use crate::tir::{Function, Op, Part, Type, Value};

/// Results of a nest, and the earlier ones that they are equal to.
pub(super) struct Twins {
    pairs: Vec<(Value, Value)>,
}

/// The first nest that makes something twice.
pub(super) fn find(a: &Analysis<'_>) -> Option<Twins> {
    a.places().find_map(|at| {
        let nest = a.nest(at)?;
        let results = &a.inst(at).results;
        let ranges = nest.result_ranges();
        for (second, later) in ranges.iter().enumerate() {
            for (first, earlier) in ranges[..second].iter().enumerate() {
                let needed = |v: &Value| !a.uses[v.index()].is_empty();
                if !results[later.clone()].iter().any(needed) || !same(a, nest, first, second) {
                    continue;
                }
                let pairs: Vec<(Value, Value)> = results[later.clone()]
                    .iter()
                    .copied()
                    .zip(results[earlier.clone()].iter().copied())
                    .collect();
                let free = |v: Value| !matches!(a.f.ty(v), Type::Array(_)) || only_read(a, v);
                if pairs.iter().all(|&(v, w)| free(v) && free(w)) {
                    return Some(Twins { pairs });
                }
            }
        }
        None
    })
}

/// Whether two outputs of a nest are the same.
fn same(a: &Analysis<'_>, nest: &Nest, first: usize, second: usize) -> bool {
    let (x, y) = (&nest.outputs[first], &nest.outputs[second]);
    match (&x.kind, &y.kind) {
        (OutputKind::New(item), OutputKind::New(other)) => {
            item == other && x.values == y.values && !x.values.is_empty()
        }
        (OutputKind::Reduce(r), OutputKind::Reduce(s)) => {
            let alike = r.over == s.over
                && r.pairwise == s.pairwise
                && r.item == s.item
                && r.target.is_none()
                && s.target.is_none()
                && r.init.len() == s.init.len()
                && r.init
                    .iter()
                    .zip(&s.init)
                    .all(|(&v, &w)| a.numbers.equal(v, w));
            // One operation each, of what has been accumulated and the same values.
            let step = |(&v, &w): (&Value, &Value)| {
                let (Some(op), Some(other)) = (nest.definition(v), nest.definition(w)) else {
                    return false;
                };
                let mut op = op.clone();
                op.for_each_operand_mut(&mut |operand: &mut Value| {
                    if let Some(k) = r.accumulators.iter().position(|acc| acc == operand) {
                        *operand = s.accumulators[k];
                    }
                });
                op == *other
            };
            alike && x.values.iter().zip(&y.values).all(step)
        }
        _ => false,
    }
}

/// Whether nothing but its readers knows an array.
fn only_read(a: &Analysis<'_>, array: Value) -> bool {
    a.uses[array.index()].iter().all(|&user| {
        if user.inst == usize::MAX {
            return false;
        }
        let inst = a.inst(user);
        match &inst.op {
            Op::ArrayPart(_, Part::Shape(_) | Part::Stride(_)) => true,
            Op::Subview(_) => only_read(a, inst.results[0]),
            Op::Nest(reader) => reader.outputs.iter().all(|o| o.target() != Some(array)),
            _ => false,
        }
    })
}

impl Twins {
    pub fn apply(&self, f: &mut Function) {
        let mut renaming = Renaming::new(f);
        for &(later, earlier) in &self.pairs {
            renaming.set(later, earlier);
        }
        renaming.apply(f);
        prune(f);
    }
}
