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
mod code;
mod describe;
mod evaluator;
mod frames;
mod hook;
pub mod jitted;
mod lines;
mod monitoring;
mod native;
mod profile_hook;
mod profiler;
mod readers;
mod recordings;
mod session;
mod stack;
mod table;
mod termination;
mod watch;

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use pyo3::ffi::{self, PyObject, PyThreadState};
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

/// Calls `with` for the state of each thread of the interpreter that runs this.
fn each_thread(mut with: impl FnMut(*mut PyThreadState)) {
    type First = unsafe extern "C" fn(*mut ffi::PyInterpreterState) -> *mut PyThreadState;
    type Next = unsafe extern "C" fn(*mut PyThreadState) -> *mut PyThreadState;
    let find = |name: &std::ffi::CStr| {
        // SAFETY: a look-up by name.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.addr()
    };
    // SAFETY: functions of these names have these types; the GIL is held, so that no thread ends meanwhile.
    unsafe {
        let first =
            std::mem::transmute::<usize, Option<First>>(find(c"PyInterpreterState_ThreadHead"));
        let next = std::mem::transmute::<usize, Option<Next>>(find(c"PyThreadState_Next"));
        let (Some(first), Some(next)) = (first, next) else {
            with(ffi::PyThreadState_Get());
            return;
        };
        let mut thread = first(ffi::PyInterpreterState_Get());
        while !thread.is_null() {
            with(thread);
            thread = next(thread);
        }
    }
}

pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<profiler::CallProfiler>()?;
    module.add_function(wrap_pyfunction!(recordings::_recording_of_counts, module)?)?;
    module.add_function(wrap_pyfunction!(recordings::_merge_recordings, module)?)?;
    module.add_function(wrap_pyfunction!(lines::_lines_add, module)?)?;
    module.add_function(wrap_pyfunction!(lines::_lines_choose, module)?)?;
    module.add_function(wrap_pyfunction!(lines::_lines_counts, module)?)?;
    module.add_function(wrap_pyfunction!(lines::_lines_clear, module)?)?;
    module.add_function(wrap_pyfunction!(
        termination::_insist_on_termination,
        module
    )?)?;
    module.add_function(wrap_pyfunction!(watch::_watch_calls, module)?)?;
    module.add_function(wrap_pyfunction!(watch::_unwatch_calls, module)?)?;
    module.add_function(wrap_pyfunction!(watch::_watch_compiled, module)?)?;
    module.add_function(wrap_pyfunction!(watch::_unwatch_compiled, module)?)
}
