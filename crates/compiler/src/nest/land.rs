//! Landing: results of a reduction are written where they are stored, and not to a new array first.
//!
//! ```python
//! out[i, j, :] = np.sum(patch[..., None] * weights, axis=(0, 1, 2))
//! ```

use super::analysis::{Analysis, Place};
use super::fuse::{remove, replace_shape};
use crate::tir::nest::{Access, Nest, OutputKind};
use crate::tir::{Function, Op, Part};

/// A reduction, and the nest that only stores its results.
pub(super) struct Landing {
    reduction: Place,
    store: Place,
}

/// The first such pair.
pub(super) fn find(a: &Analysis<'_>) -> Option<Landing> {
    a.places().find_map(|at| {
        let nest = a.nest(at)?;
        let [output] = &nest.outputs[..] else {
            return None;
        };
        let OutputKind::Reduce(r) = &output.kind else {
            return None;
        };
        if !r.makes_array() || !nest.guards.is_empty() || nest.inputs.iter().any(|i| i.copied) {
            return None;
        }
        let array = a.inst(at).results[0];
        let mut store = None;
        for &user in &a.uses[array.index()] {
            if user.inst == usize::MAX {
                return None;
            }
            match &a.inst(user).op {
                Op::ArrayPart(_, Part::Shape(_)) => {}
                Op::Nest(reader) if store.is_none() && stored(reader).is_some() => {
                    store = Some(user);
                }
                _ => return None,
            }
        }
        let store = store?;
        let target = stored(a.nest(store)?)?.array;
        let way = a.way(at, store)?;
        let mut apart = !a.changes(&way, nest);
        apart &= (nest.inputs.iter()).all(|i| a.disjoint(i.access.array, target));
        nest.for_each_source(|source| apart &= a.disjoint(source, target));
        apart.then_some(Landing {
            reduction: at,
            store,
        })
    })
}

/// Where a nest stores an array item by item, if it does nothing else.
fn stored(nest: &Nest) -> Option<&Access> {
    let ([input], [output]) = (&nest.inputs[..], &nest.outputs[..]) else {
        return None;
    };
    let OutputKind::Store(store) = &output.kind else {
        return None;
    };
    let copies = nest.insts.is_empty()
        && output.values == input.elements
        && !input.copied
        && input.access.item.size == store.item.size;
    let rank = nest.extents.len();
    (copies && nest.guards.is_empty() && input.access.is_whole(rank) && store.is_whole(rank))
        .then_some(store)
}

impl Landing {
    pub fn apply(&self, f: &mut Function) {
        let inst = f.blocks[self.reduction.block].insts[self.reduction.inst].clone();
        let (Op::Nest(mut nest), Op::Nest(store)) = (
            inst.op.clone(),
            &f.blocks[self.store.block].insts[self.store.inst].op,
        ) else {
            return;
        };
        let Some(access) = stored(store).cloned() else {
            return;
        };
        let rank = nest.extents.len();
        if let OutputKind::Reduce(r) = &mut nest.outputs[0].kind {
            let kept = r.kept(rank);
            r.target = Some(Access::along(access.array, kept, access.item));
            r.item = Some(access.item);
        }
        let extents: Vec<_> = match &nest.outputs[0].kind {
            OutputKind::Reduce(r) => r.kept(rank).map(|d| nest.extents[d]).collect(),
            _ => vec![],
        };
        f.blocks[self.store.block].insts[self.store.inst].op = Op::Nest(nest);
        replace_shape(f, inst.results[0], &extents);
        remove(f, self.reduction.block, &inst.results, None);
    }
}
