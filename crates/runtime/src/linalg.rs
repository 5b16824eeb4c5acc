//! Linear algebra by the loops that NumPy itself runs: the same BLAS and LAPACK, bit for bit the same
//! results, and no need of the GIL. [`set_loops`] says where they are.
//!
//! A call comes as *words*: how many operands, outer dimensions and core dimensions there are; the
//! outer extents; the core sizes in the order of the loop's signature; and for each operand the number
//! of its core dimensions and its strides in bytes, outer ones first. Addresses come as arguments of
//! their own, so that compiled code keeps what they belong to alive.
//!
//! Products of small matrices, which a call of BLAS would cost more than they do, are made here
//! ([`small`]).

mod small;

use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use std::sync::OnceLock;

use ferdelance_abi::gufunc::{LOOPS, MOST_OPERANDS};

use crate::error::{Error, Kind};

/// A loop of a NumPy ufunc: arrays, sizes, strides in bytes, what it was registered with.
pub type Loop = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);

/// The loops of [`LOOPS`] in their order, each with its data; `None` for what this NumPy has not.
#[derive(Debug)]
pub struct Loops(pub Vec<Option<(Loop, *mut c_void)>>);

// SAFETY: addresses of code and constants of modules that stay loaded.
unsafe impl Send for Loops {}
// SAFETY: as above.
unsafe impl Sync for Loops {}

static FOUND: OnceLock<Loops> = OnceLock::new();

/// Says where the loops are; the first answer stays.
pub fn set_loops(loops: Loops) {
    let _ = FOUND.set(loops);
}

fn find(number: i64) -> Option<(Loop, *mut c_void)> {
    *FOUND.get()?.0.get(usize::try_from(number).ok()?)?
}

/// More core dimensions than the operands of any loop have together.
const MOST_STEPS: usize = 2 * MOST_OPERANDS;
/// More dimensions than arrays have.
const MOST_DIMS: usize = 64;

/// Where an operand's items are.
#[derive(Clone, Copy, Debug, Default)]
struct Operand<'a> {
    /// The strides of the outer dimensions, and of the loop's own.
    outer: &'a [isize],
    core: &'a [isize],
}

/// A call of a loop for each index of the outer dimensions.
#[derive(Debug)]
struct Call<'a, const N: usize> {
    extents: &'a [isize],
    sizes: &'a [isize],
    /// Those that there are come first.
    operands: [Operand<'a>; N],
    count: usize,
}

impl<'a, const N: usize> Call<'a, N> {
    /// # Safety
    /// `words` leads to a call as the head of this file describes it, unchanged for `'a`.
    unsafe fn read(words: *const isize) -> Call<'a, N> {
        let mut at = words;
        let mut take = |n: isize| {
            let n = usize::try_from(n).unwrap_or(0);
            // SAFETY: there are as many words as those before say.
            unsafe {
                let part = core::slice::from_raw_parts(at, n);
                at = at.add(n);
                part
            }
        };
        let head = take(3);
        let (count, rank, cores) = (head[0], head[1], head[2]);
        let (extents, sizes) = (take(rank), take(cores));
        let count = usize::try_from(count).unwrap_or(0).min(N);
        let mut operands = [Operand::default(); N];
        for operand in &mut operands[..count] {
            let own = take(1)[0];
            *operand = Operand {
                outer: take(rank),
                core: take(own),
            };
        }
        Call {
            extents,
            sizes,
            operands,
            count,
        }
    }

    /// Calls `run` with the addresses at each index of the outer dimensions but the last, and with
    /// the extent and the strides of the last.
    fn for_each(
        &self,
        addresses: [*mut c_char; N],
        mut run: impl FnMut([*mut c_char; N], isize, [isize; N]),
    ) {
        if self.extents.contains(&0) {
            return;
        }
        let mut steps = [0; N];
        let Some((&inner, outer)) = self.extents.split_last() else {
            run(addresses, 1, steps);
            return;
        };
        for (step, operand) in steps.iter_mut().zip(&self.operands[..self.count]) {
            *step = operand.outer[outer.len()];
        }
        let mut index = [0_isize; MOST_DIMS];
        let mut here = addresses;
        loop {
            run(here, inner, steps);
            // The next index, as an odometer counts.
            let mut dim = outer.len();
            loop {
                if dim == 0 {
                    return;
                }
                dim -= 1;
                index[dim] += 1;
                let back = index[dim] == outer[dim];
                let by = if back { 1 - outer[dim] } else { 1 };
                for (address, operand) in here.iter_mut().zip(&self.operands[..self.count]) {
                    *address = address.wrapping_offset(by * operand.outer[dim]);
                }
                if !back {
                    break;
                }
                index[dim] = 0;
            }
        }
    }

    /// # Safety
    /// As the loop has it: the operands are where the addresses and strides say, of the loop's types.
    unsafe fn run(&self, (run, data): (Loop, *mut c_void), addresses: [*mut c_char; N]) {
        let mut sizes = [0; MOST_STEPS];
        sizes[1..=self.sizes.len()].copy_from_slice(self.sizes);
        let mut steps = [0; MOST_STEPS + MOST_OPERANDS];
        let cores = self.operands[..self.count].iter().flat_map(|o| o.core);
        for (step, &core) in steps[self.count..].iter_mut().zip(cores) {
            *step = core;
        }
        self.for_each(addresses, |mut here, inner, outer| {
            sizes[0] = inner;
            steps[..self.count].copy_from_slice(&outer[..self.count]);
            // SAFETY: the caller's promise; the sizes begin with that of the outer dimension, the
            // strides with those along it.
            unsafe { run(here.as_mut_ptr(), sizes.as_ptr(), steps.as_ptr(), data) };
        });
    }
}

/// The flag that says that a loop failed.
const FE_INVALID: c_int = 1;

unsafe extern "C" {
    fn feclearexcept(excepts: c_int) -> c_int;
    fn fetestexcept(excepts: c_int) -> c_int;
    fn feraiseexcept(excepts: c_int) -> c_int;
}

/// Runs a loop of `numpy.linalg`; whether it failed (a singular matrix, no convergence).
///
/// # Safety
/// `words` describes the call as the head of this file says, in the types of the loop; results are
/// writable and share no memory with the others.
pub unsafe extern "C" fn gufunc(
    number: i64,
    words: *mut c_void,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
    d: *mut c_void,
    e: *mut c_void,
    f: *mut c_void,
    g: *mut c_void,
) -> u8 {
    let Some(found) = find(number) else {
        return 1;
    };
    // SAFETY: the caller's promise. The flags belong to this thread, and are as before afterwards.
    unsafe {
        let call = Call::<MOST_OPERANDS>::read(words.cast());
        let before = fetestexcept(FE_INVALID);
        feclearexcept(FE_INVALID);
        let mut failed = 0;
        // The loops clear the flag when they begin unless it is set, and set it if one matrix fails.
        call.run(found, [a, b, c, d, e, f, g].map(<*mut c_void>::cast));
        failed |= fetestexcept(FE_INVALID);
        feclearexcept(FE_INVALID);
        feraiseexcept(before);
        u8::from(failed != 0)
    }
}

/// A product of (m, k) and (k, n) items whose m * k * n is at most this is made by [`small`]: BLAS takes as
/// long for about 9 * 9 * 9 real numbers, or 5 * 5 * 5 complex ones.
fn most_items(number: i64) -> isize {
    if number < 2 { 512 } else { 128 }
}

/// `c = a @ b` for each pair of matrices of two stacks.
///
/// # Safety
/// `words` describes the call of a loop of `np.matmul` as the head of this file says; `number` is that
/// of the loop, and so says what the items are. `c` is writable and shares no memory with the others.
pub unsafe extern "C" fn matmul(
    number: i64,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
    words: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        multiply(
            number,
            [a, b, c].map(<*mut c_void>::cast),
            &Call::read(words.cast()),
        )
    };
}

/// # Safety
/// As [`matmul`].
unsafe fn multiply(number: i64, mut addresses: [*mut c_char; 3], call: &Call<'_, 3>) {
    let (&[m, k, n], [x, y, z]) = (call.sizes, call.operands) else {
        return;
    };
    if m.saturating_mul(k).saturating_mul(n) <= most_items(number)
        && let Some(product) = small::product(number)
    {
        let cores = [x, y, z].map(|o| [o.core[0], o.core[1]]);
        call.for_each(addresses, |here, count, steps| {
            let stack = small::Stack {
                count,
                steps,
                sizes: [m, k, n],
                cores,
            };
            // SAFETY: the caller's promise.
            unsafe { product(&stack, here.map(<*mut c_char>::cast)) };
        });
        return;
    }
    let Some(found) = find(number) else {
        return;
    };
    let item = item_size(number);
    // The rows of a stack that lie one behind the other are those of one matrix, if all are
    // multiplied by the same.
    let (mut sizes, mut extents) = ([m, k, n], call.extents);
    while let Some((&extent, rest)) = extents.split_last() {
        let d = rest.len();
        let is_one = y.outer[d] == 0
            && x.outer[d] == sizes[0] * x.core[0]
            && z.outer[d] == sizes[0] * z.core[0];
        if !is_one && extent != 1 {
            break;
        }
        sizes[0] *= extent;
        extents = rest;
    }
    // What BLAS cannot take as it lies is copied.
    let mut copies = [Vec::new(), Vec::new()];
    let mut strides = [[0; 2]; 2];
    let mut call = Call {
        extents,
        sizes: &sizes,
        ..*call
    };
    if call.extents.is_empty() && sizes.iter().all(|&s| s > 0) {
        let shapes = [[sizes[0], sizes[1]], [sizes[1], sizes[2]]];
        for i in 0..2 {
            let core = call.operands[i].core;
            let (shape, core) = (shapes[i], [core[0], core[1]]);
            if is_blas_matrix(core, shape, item) {
                continue;
            }
            // SAFETY: the operand has a matrix of this shape there.
            if let Some(copy) = unsafe { packed(addresses[i], core, shape, item) } {
                copies[i] = copy;
                strides[i] = [shape[1] * item, item];
            }
        }
        for i in 0..2 {
            if !copies[i].is_empty() {
                addresses[i] = copies[i].as_mut_ptr().cast();
                call.operands[i].core = &strides[i];
            }
        }
    }
    // SAFETY: the caller's promise, and what was made of it.
    unsafe { call.run(found, addresses) };
}

/// [`matmul`] into an array that may share memory with the others.
///
/// # Safety
/// As [`matmul`], but for that.
pub unsafe extern "C" fn matmul_into(
    number: i64,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
    words: *mut c_void,
) -> *mut Error {
    // SAFETY: the caller's promise.
    let call = unsafe { Call::<3>::read(words.cast()) };
    let (&[m, k, n], [x, y, z]) = (call.sizes, call.operands) else {
        return ptr::null_mut();
    };
    let item = item_size(number);
    let [a_at, b_at, c_at] = [(a, x, [m, k]), (b, y, [k, n]), (c, z, [m, n])]
        .map(|(data, operand, core)| span(data.addr(), operand, call.extents, core, item));
    if !(meet(&a_at, &c_at) || meet(&b_at, &c_at)) {
        // SAFETY: the caller's promise, and what was found out.
        unsafe { multiply(number, [a, b, c].map(<*mut c_void>::cast), &call) };
        return ptr::null_mut();
    }
    // The same call with results that lie one behind the other.
    let mut strides = vec![item; z.outer.len() + 2];
    let mut size = item;
    let shape: Vec<isize> = call.extents.iter().chain(&[m, n]).copied().collect();
    for (stride, &extent) in strides.iter_mut().zip(&shape).rev() {
        *stride = size;
        size = size.saturating_mul(extent);
    }
    let mut results: Vec<u128> = Vec::new();
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(16);
    if results.try_reserve_exact(wanted).is_err() {
        return Error::raised(Kind::MemoryError, "no memory for a product of matrices");
    }
    results.resize(wanted, 0);
    let kept = results.as_mut_ptr().cast::<c_char>();
    // SAFETY: the results have room for all items; then each goes where it belongs.
    unsafe {
        let (outer, core) = strides.split_at(call.extents.len());
        let aside = Operand { outer, core };
        let call = Call {
            operands: [x, y, aside],
            ..call
        };
        multiply(number, [a.cast(), b.cast(), kept], &call);
        let copies = Call {
            extents: call.extents,
            sizes: &[],
            operands: [aside, z],
            count: 2,
        };
        copies.for_each([kept, c.cast()], |here, count, steps| {
            for (i, j, l) in indices(count, m, n) {
                let [from, to] = core::array::from_fn(|o| {
                    let core = copies.operands[o].core;
                    here[o].offset(i * steps[o] + j * core[0] + l * core[1])
                });
                ptr::copy_nonoverlapping(from, to, item.unsigned_abs());
            }
        });
    }
    ptr::null_mut()
}

/// The addresses between which an operand's items lie.
fn span(
    data: usize,
    operand: Operand<'_>,
    extents: &[isize],
    core: [isize; 2],
    item: isize,
) -> core::ops::Range<usize> {
    let mut range = data..data.wrapping_add_signed(item);
    let outer = operand.outer.iter().zip(extents);
    for (&stride, &extent) in outer.chain(operand.core.iter().zip(&core)) {
        let length = stride * (extent - 1);
        if extent == 0 {
            return data..data;
        } else if length < 0 {
            range.start = range.start.wrapping_add_signed(length);
        } else {
            range.end = range.end.wrapping_add_signed(length);
        }
    }
    range
}

/// All indices of a stack of matrices.
fn indices(count: isize, m: isize, n: isize) -> impl Iterator<Item = (isize, isize, isize)> {
    (0..count).flat_map(move |i| (0..m).flat_map(move |j| (0..n).map(move |l| (i, j, l))))
}

fn meet(a: &core::ops::Range<usize>, b: &core::ops::Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// The size of the items of a loop of `np.matmul`.
fn item_size(number: i64) -> isize {
    let row = usize::try_from(number).ok().and_then(|i| LOOPS.get(i));
    match row.map(|row| row.types.as_bytes()) {
        Some([b'f', ..]) => 4,
        Some([b'D', ..]) => 16,
        _ => 8,
    }
}

/// Whether BLAS takes a matrix as it lies, or its transpose.
fn is_blas_matrix(strides: [isize; 2], shape: [isize; 2], item: isize) -> bool {
    let rows = |far: isize, near: isize, length: isize| {
        near == item && far % item == 0 && far >= length * item
    };
    rows(strides[0], strides[1], shape[1]) || rows(strides[1], strides[0], shape[0])
}

/// The items of a matrix row by row; `None` if there is no memory.
///
/// # Safety
/// There is such a matrix.
unsafe fn packed(
    from: *const c_char,
    strides: [isize; 2],
    shape: [isize; 2],
    item: isize,
) -> Option<Vec<u128>> {
    let bytes = shape[0].checked_mul(shape[1])?.checked_mul(item)?;
    let mut copy: Vec<u128> = Vec::new();
    let words = usize::try_from(bytes).ok()?.div_ceil(16);
    copy.try_reserve_exact(words).ok()?;
    let mut to = copy.as_mut_ptr().cast::<u8>();
    // SAFETY: the matrix is there, and the copy has room for it; it is full afterwards.
    unsafe {
        *copy.as_mut_ptr().add(words - 1) = 0;
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                let item_at = from.cast::<u8>().offset(i * strides[0] + j * strides[1]);
                ptr::copy_nonoverlapping(item_at, to, item.unsigned_abs());
                to = to.offset(item);
            }
        }
        copy.set_len(words);
    }
    Some(copy)
}

#[cfg(test)]
mod tests;
