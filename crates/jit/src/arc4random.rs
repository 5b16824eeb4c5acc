//! Our own `arc4random`, so that the extension asks for no symbol of a newer C library.
//!
//! Debian 12's static LLVM calls `arc4random` (GLIBC_2.36) for the names of temporary files.
//! With a definition in the program the linker binds that call here, and the wheel loads
//! wherever GLIBC_2.34 is found.

use std::time::SystemTime;

/// Four random bytes, as `arc4random(3)` gives them.
#[unsafe(no_mangle)]
extern "C" fn arc4random() -> u32 {
    let mut bytes = [0_u8; 4];
    // SAFETY: `bytes` is four writable bytes. A request of this size is answered whole or not at all.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == 4 {
        return u32::from_ne_bytes(bytes);
    }
    // No entropy (an old kernel, a filter on system calls): different names are all LLVM needs.
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |time| time.subsec_nanos());
    now.wrapping_mul(0x9E37_79B9) ^ std::process::id()
}
