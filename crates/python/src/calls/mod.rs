//! The deterministic profilers: every call by function and argument types, every line of chosen functions.
//!
//! ```text
//! monitoring (3.12+) ┐                        ┌ arguments: types and shapes as a number (each call)
//! evaluator (3.10/11) ├─▶ session ─▶ table    ├ describe, readers: the same in words (at first sight)
//! profile_hook       ┘                        └ clock
//! ```
//!
//! One profiler of calls is active in a process at a time; the hooks find it here. All of this runs with the
//! GIL held.

mod addresses;
mod arguments;
mod clock;
mod describe;
mod evaluator;
mod frames;
mod hook;
mod monitoring;
mod profile_hook;
mod profiler;
mod readers;
mod session;
mod stack;
mod table;

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use session::Session;

/// The session whose calls are counted, or null.
static ACTIVE: AtomicPtr<Session> = AtomicPtr::new(ptr::null_mut());
/// A hook has panicked.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);
/// What `sys.monitoring` passes for an argument that there is not.
static MISSING: AtomicPtr<PyObject> = AtomicPtr::new(ptr::null_mut());

#[inline(always)]
fn active() -> *mut Session {
    ACTIVE.load(Ordering::Relaxed)
}

#[inline(always)]
fn missing() -> *mut PyObject {
    MISSING.load(Ordering::Relaxed)
}

/// Stops counting after a panic, which was printed. The hooks stay, and do nothing.
#[cold]
fn give_up() {
    ACTIVE.store(ptr::null_mut(), Ordering::Relaxed);
    HAS_FAILED.store(true, Ordering::Relaxed);
}

pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<profiler::CallProfiler>()
}
