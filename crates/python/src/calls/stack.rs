//! How far the stack of this thread goes.

/// What is left free for functions of C that are called at the deepest place.
const RESERVE: usize = 512 << 10;

/// The address below which hooks that nest must not go; 0 if it is not known.
pub fn lowest() -> usize {
    // SAFETY: the attributes are filled in before they are read, and destroyed.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return 0;
        }
        let (mut start, mut size) = (std::ptr::null_mut(), 0);
        let got = libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
        if got != 0 {
            return 0;
        }
        start.addr() + RESERVE.min(size / 4)
    }
}

/// About where the stack is now.
#[inline(always)]
pub fn here() -> usize {
    let local = 0u8;
    std::hint::black_box(&raw const local).addr()
}
