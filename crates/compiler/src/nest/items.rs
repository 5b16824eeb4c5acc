//! Items of which parts are read beside the whole: the parts come with it.
//!
//! ```python
//! z = np.where(z.real > 0.0, z * z, z)        # reads z, and z.real as a part of each item
//! ```

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::body::substitute;
use crate::tir::nest::{Access, Input, Nest, unit_dim};
use crate::tir::pass::number::Numbers;
use crate::tir::{Function, Op, Part, Type, Value};

/// What may be a view of a part of each item of another array, and its address.
pub(super) struct Parts(FxHashMap<Value, Op>);

impl Parts {
    pub fn new(f: &Function) -> Parts {
        let insts = || f.blocks.iter().flat_map(|b| &b.insts);
        if !insts().any(|i| matches!(i.op, Op::View { .. })) {
            return Parts(FxHashMap::default());
        }
        let of_interest = insts().filter(|i| {
            matches!(
                i.op,
                Op::View { .. } | Op::Offset { .. } | Op::ArrayPart(_, Part::Data) | Op::Int(_)
            )
        });
        Parts(of_interest.map(|i| (i.results[0], i.op.clone())).collect())
    }

    /// Has a nest take parts of items out of the items that it reads anyway.
    pub fn join(&self, nest: &mut Nest, numbers: &mut Numbers, ty: impl Fn(Value) -> Type) {
        let mut at = 0;
        while at < nest.inputs.len() {
            let part = &nest.inputs[at];
            let found = nest.inputs.iter().enumerate().find_map(|(k, whole)| {
                let place = self.place(part, whole, numbers)?;
                (ty(whole.elements[place]) == ty(part.elements[0])).then_some((k, place))
            });
            let Some((whole, place)) = found else {
                at += 1;
                continue;
            };
            let from = nest.inputs[at].elements.clone();
            let to = [nest.inputs[whole].elements[place]];
            substitute(nest, &from, &to);
            let moved = |k: u32| k - u32::from(k as usize > at);
            nest.inputs.remove(at);
            for (input, _) in &mut nest.guards {
                let now = if *input as usize == at {
                    whole as u32
                } else {
                    *input
                };
                *input = moved(now);
            }
            nest.guards.sort_unstable();
            nest.guards.dedup();
        }
    }

    /// Which value of an item of one input another input is.
    fn place(&self, part: &Input, whole: &Input, numbers: &mut Numbers) -> Option<usize> {
        let Some(Op::View {
            base,
            data,
            shape,
            strides,
        }) = self.0.get(&part.access.array)
        else {
            return None;
        };
        let Access {
            array,
            item,
            ref dims,
        } = whole.access;
        let size = part.access.item.size;
        let values: SmallVec<[Value; 2]> = whole.elements.clone();
        if array != *base
            || part.access.dims != *dims
            || part.copied
            || whole.copied
            || part.elements.len() != 1
            || size * values.len() as u32 != item.size
        {
            return None;
        }
        let unit = unit_dim(item.layout, dims.len());
        for (k, (&n, &stride)) in shape.iter().zip(strides).enumerate() {
            let is_size =
                matches!(self.0.get(&stride), Some(Op::Int(s)) if *s == i64::from(item.size));
            let same = numbers.get(stride) == numbers.stride(array, k);
            let known = same || unit == Some(k) && is_size;
            if numbers.get(n) != numbers.size(array, k) || !known {
                return None;
            }
        }
        let (start, offset) = match self.0.get(data)? {
            Op::Offset { base, offset } => match self.0.get(offset)? {
                Op::Int(n) => (*base, *n),
                _ => return None,
            },
            _ => (*data, 0),
        };
        let begins = matches!(self.0.get(&start)?, Op::ArrayPart(a, Part::Data) if *a == array);
        let place = usize::try_from(offset).ok()? / size as usize;
        let fits = offset % i64::from(size) == 0 && place < values.len();
        (begins && fits).then_some(place)
    }
}
