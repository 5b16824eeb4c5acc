//! Packing: items that a nest goes through again and again are copied first, if they lie far apart.
//!
//! ```python
//! x = pos[:, 0]
//! d = np.sum((x[:, None] - x) ** 2, axis=1)   # every row reads all of x
//! ```

use rustc_hash::FxHashMap;

use crate::tir::nest::{Access, Axis, Stretch, Subview, unit_dim};
use crate::tir::{Function, Op, Type, Value};

/// Marks the inputs that are copied first, of nests that may raise as it is.
pub(super) fn pack(f: &mut Function) {
    let views: FxHashMap<Value, Subview> = f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .filter_map(|i| match &i.op {
            Op::Subview(view) => Some((i.results[0], view.as_ref().clone())),
            _ => None,
        })
        .collect();
    let mut blocks = std::mem::take(&mut f.blocks);
    for inst in blocks.iter_mut().flat_map(|b| &mut b.insts) {
        let Op::Nest(nest) = &mut inst.op else {
            continue;
        };
        if !nest.allocates() {
            continue;
        }
        let rank = nest.extents.len();
        for input in &mut nest.inputs {
            if let Some(dim) = read_again(rank, &input.access) {
                input.copied |= is_distant(f, &views, input.access.array, dim);
            }
        }
    }
    f.blocks = blocks;
}

/// The dimension of an array through whose items the innermost loop goes in each round of an outer one.
fn read_again(rank: usize, access: &Access) -> Option<usize> {
    let inner = rank.checked_sub(1)?;
    let dim = access
        .dims
        .iter()
        .position(|d| usize::from(d.dim) == inner && d.stretch != Stretch::One)?;
    (0..inner).any(|dim| !access.varies(dim)).then_some(dim)
}

/// Whether items along a dimension of an array do not follow each other in memory.
fn is_distant(
    f: &Function,
    views: &FxHashMap<Value, Subview>,
    mut array: Value,
    mut dim: usize,
) -> bool {
    while let Some(view) = views.get(&array) {
        dim = match view.axes[dim] {
            Axis::Whole(dim) | Axis::Part { dim, .. } => usize::from(dim),
            Axis::New => return false,
        };
        let Type::Array(rank) = f.ty(view.base) else {
            return false;
        };
        if unit_dim(view.item.layout, usize::from(rank)).is_some_and(|unit| unit != dim) {
            return true;
        }
        array = view.base;
    }
    false
}
