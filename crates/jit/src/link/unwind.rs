//! Unwind tables, for exceptions and backtraces that pass through compiled frames.

use std::ffi::c_void;

unsafe extern "C" {
    /// libgcc's: `begin` is an `.eh_frame` section that ends with a zero word.
    fn __register_frame(begin: *const c_void);
    fn __deregister_frame(begin: *const c_void);
}

/// A registered table; stays registered when dropped.
#[derive(Debug)]
pub(super) struct Registered(usize);

impl Registered {
    /// Registers the table at `address`.
    ///
    /// # Safety
    /// A relocated `.eh_frame` section with a terminator lies there, and stays until
    /// [`Registered::remove`].
    pub unsafe fn new(address: usize) -> Registered {
        // SAFETY: as promised.
        unsafe { __register_frame(std::ptr::with_exposed_provenance(address)) };
        Registered(address)
    }

    /// Takes the table out again.
    pub fn remove(self) {
        // SAFETY: registered in `new` and not removed since (`self` is consumed).
        unsafe { __deregister_frame(std::ptr::with_exposed_provenance(self.0)) };
    }
}
