//! Objects of the runtime that Python sees as they are: there is one Python object for each, so that one
//! that goes through compiled code comes back as itself.

use std::sync::{Mutex, PoisonError};

use pyo3::ffi::{self, PyObject};
use rustc_hash::FxHashMap;

/// The Python objects, by the addresses of the runtime's. Each removes itself when it dies.
static LIVING: Mutex<Option<FxHashMap<usize, usize>>> = Mutex::new(None);

fn with<T>(f: impl FnOnce(&mut FxHashMap<usize, usize>) -> T) -> T {
    let mut guard = LIVING.lock().unwrap_or_else(PoisonError::into_inner);
    f(guard.get_or_insert_default())
}

/// The Python object of an object of the runtime, with one reference more, if it has one.
///
/// # Safety
/// The GIL is held.
pub unsafe fn find(address: usize) -> Option<*mut PyObject> {
    let known = with(|living| living.get(&address).copied())?;
    let known = core::ptr::with_exposed_provenance_mut(known);
    // SAFETY: what is registered is alive.
    unsafe { ffi::Py_IncRef(known) };
    Some(known)
}

/// Notes that an object of the runtime has a Python object.
pub fn add(address: usize, object: *mut PyObject) {
    with(|living| living.insert(address, object.expose_provenance()));
}

pub fn remove(address: usize) {
    with(|living| living.remove(&address));
}
