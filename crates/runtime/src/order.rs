//! The order in which the elements of arrays lie in memory.

use core::ffi::c_void;
use core::slice;

/// Most dimensions that an array has.
const MOST_DIMS: usize = 64;

/// The dimensions that `np.nditer` visits, outermost first: NumPy's rules. `strides` gives the stride of an
/// operand along a dimension.
fn sorted_dims(
    ndim: usize,
    operands: usize,
    strides: impl Fn(usize, usize) -> i64,
) -> [u8; MOST_DIMS] {
    let mut order: [u8; MOST_DIMS] = core::array::from_fn(|d| d as u8);
    // From the innermost of C's order outwards, each dimension goes as far in as its strides are smaller than
    // those it passes. Where operands disagree, it stays.
    for at in (0..ndim.saturating_sub(1)).rev() {
        let dim = order[at];
        let mut to = at;
        for (inner, &other) in order.iter().enumerate().take(ndim).skip(at + 1) {
            let (mut compared, mut passes) = (false, false);
            for operand in 0..operands {
                let x = strides(operand, usize::from(dim)).unsigned_abs();
                let y = strides(operand, usize::from(other)).unsigned_abs();
                if x != 0 && y != 0 {
                    passes = y > x && (passes || !compared);
                    compared = true;
                }
            }
            if passes {
                to = inner;
            } else if compared {
                break;
            }
        }
        order.copy_within(at + 1..=to, at);
        order[to] = dim;
    }
    order
}

/// See the table.
///
/// # Safety
/// `words` leads to `ndim + operands * (ndim + 1)` integers.
pub unsafe extern "C" fn memory_order(ndim: i64, operands: i64, words: *mut c_void) {
    let (ndim, operands) = (ndim as usize, operands as usize);
    if ndim > MOST_DIMS {
        return;
    }
    let len = ndim + operands * (ndim + 1);
    // SAFETY: as promised.
    let words = unsafe { slice::from_raw_parts_mut(words.cast::<i64>(), len) };
    let (shape, strides) = words.split_at_mut(ndim);
    for row in strides.chunks_exact_mut(ndim + 1) {
        for (stride, n) in row.iter_mut().zip(&*shape) {
            if *n == 1 {
                *stride = 0;
            }
        }
    }
    let order = sorted_dims(ndim, operands, |operand, dim| {
        strides[operand * (ndim + 1) + dim]
    });
    let mut before = [0; MOST_DIMS];
    let mut permute = |part: &mut [i64]| {
        before[..ndim].copy_from_slice(&part[..ndim]);
        for (x, &dim) in part.iter_mut().zip(&order[..ndim]) {
            *x = before[usize::from(dim)];
        }
    };
    permute(shape);
    strides.chunks_exact_mut(ndim + 1).for_each(permute);
    // A dimension that all operands run through backwards is turned around.
    for (dim, n) in shape.iter().enumerate() {
        let mut along = strides.iter().skip(dim).step_by(ndim + 1);
        if along.clone().all(|s| *s <= 0) && along.any(|s| *s < 0) {
            for row in strides.chunks_exact_mut(ndim + 1) {
                row[ndim] += row[dim] * (n - 1);
                row[dim] = -row[dim];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ndim: usize, words: &[i64]) -> Vec<i64> {
        let mut words = words.to_vec();
        let operands = (words.len() - ndim) / (ndim + 1);
        // SAFETY: as many words as that.
        unsafe { memory_order(ndim as i64, operands as i64, words.as_mut_ptr().cast()) };
        words
    }

    #[test]
    fn one_array_is_visited_as_it_lies() {
        // (2, 3) in Fortran's order, and backwards along the first dimension.
        assert_eq!(order(2, &[2, 3, 8, 16, 0]), [3, 2, 16, 8, 0]);
        assert_eq!(order(2, &[2, 3, -24, 8, 0]), [2, 3, 24, 8, -24]);
        // A dimension of one element is no dimension.
        assert_eq!(order(2, &[1, 3, 8, 16, 0]), [1, 3, 0, 16, 0]);
    }

    #[test]
    fn where_arrays_disagree_the_order_is_that_of_c() {
        assert_eq!(
            order(2, &[2, 3, 24, 8, 0, 8, 16, 0]),
            [2, 3, 24, 8, 0, 8, 16, 0]
        );
        assert_eq!(
            order(2, &[2, 3, 8, 16, 0, 0, 8, 0]),
            [3, 2, 16, 8, 0, 8, 0, 0]
        );
    }
}
