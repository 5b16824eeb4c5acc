//! Linear algebra by the loops that NumPy itself runs: the same BLAS, bit for bit the same results, and
//! no need of the GIL. [`set_matmul`] says where they are.

use core::ffi::{c_char, c_void};
use core::ptr;
use std::sync::OnceLock;

/// A loop of a NumPy ufunc: arrays, sizes, strides in bytes, what it was registered with.
pub type Loop = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);

/// The loops of `np.matmul` for float32, float64, complex64 and complex128, each with its data.
#[derive(Clone, Copy, Debug)]
pub struct Matmul(pub [(Loop, *mut c_void); 4]);

// SAFETY: addresses of code and constants of a module that stays loaded.
unsafe impl Send for Matmul {}
// SAFETY: as above.
unsafe impl Sync for Matmul {}

static MATMUL: OnceLock<Matmul> = OnceLock::new();

/// Says where the loops of `np.matmul` are; the first answer stays.
pub fn set_matmul(loops: Matmul) {
    let _ = MATMUL.set(loops);
}

/// `c = a @ b` for matrices of (m, k), (k, n) and (m, n) items.
///
/// # Safety
/// `sizes` leads to m, k, n and the strides of the three matrices, whose items are where those say;
/// `c` is writable and shares no memory with the others; `dtype` is the type of all items.
pub unsafe extern "C" fn matmul(
    dtype: i64,
    a: *mut c_void,
    b: *mut c_void,
    c: *mut c_void,
    sizes: *mut c_void,
) {
    let Some(&(run, data)) = MATMUL
        .get()
        .and_then(|loops| loops.0.get(usize::try_from(dtype).ok()?))
    else {
        return;
    };
    // SAFETY: nine integers.
    let [m, k, n, strides @ ..] = unsafe { sizes.cast::<[isize; 9]>().read() };
    let mut arrays = [a.cast(), b.cast(), c.cast()];
    let extents = [1, m, k, n];
    let mut steps = [0; 9];
    steps[3..].copy_from_slice(&strides);
    // SAFETY: as the loop has it: one product, the matrices as the caller describes them.
    unsafe {
        run(
            arrays.as_mut_ptr(),
            ptr::from_ref(&extents).cast(),
            ptr::from_ref(&steps).cast(),
            data,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up what it is called with, as a loop would see it.
    unsafe extern "C" fn spy(
        arrays: *mut *mut c_char,
        extents: *const isize,
        steps: *const isize,
        _: *mut c_void,
    ) {
        // SAFETY: three arrays, four sizes, nine strides; the third array has room for two numbers.
        unsafe {
            let out = (*arrays.add(2)).cast::<i64>();
            *out = (0..4).map(|i| *extents.add(i) as i64).sum();
            *out.add(1) = (0..9).map(|i| *steps.add(i) as i64).sum();
        }
    }

    #[test]
    fn sizes_and_strides_arrive() {
        set_matmul(Matmul([(spy as Loop, ptr::null_mut()); 4]));
        let mut sizes = [2_i64, 3, 4, 24, 8, 32, 8, 32, 8];
        let mut out = [0_i64; 2];
        // SAFETY: nine integers, and a result of two.
        unsafe {
            matmul(
                1,
                ptr::null_mut(),
                ptr::null_mut(),
                out.as_mut_ptr().cast(),
                sizes.as_mut_ptr().cast(),
            );
        }
        assert_eq!(out, [10, 112]);
    }
}
