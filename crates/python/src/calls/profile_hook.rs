//! Hooks on 3.10 and 3.11 where functions of C count, too, or another frame evaluator is in place: the C
//! profile function that `sys.setprofile` is made of, in each thread.

use core::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::ffi::{self, PyObject, PyThreadState};
use pyo3::prelude::*;

use super::frames::Frames;
use super::native::c_function;
use super::session::Session;

type Function = unsafe extern "C" fn(*mut PyObject, *mut c_void, c_int, *mut PyObject) -> c_int;

unsafe extern "C" {
    // Exported by the versions that this is for, but not part of the stable ABI.
    fn PyEval_SetProfile(function: Option<Function>, object: *mut PyObject);
}

const CALL: c_int = 0;
const RETURN: c_int = 3;
const C_CALL: c_int = 4;
const C_EXCEPTION: c_int = 5;
const C_RETURN: c_int = 6;

/// Sets the hook in all threads that there are, and in those that `threading` starts.
pub fn watch(py: Python<'_>) -> PyResult<()> {
    let attach = wrap_pyfunction!(attach_thread, py)?;
    py.import("threading")?
        .call_method1("setprofile", (attach,))?;
    set_all(Some(profile));
    Ok(())
}

pub fn unwatch(py: Python<'_>) -> PyResult<()> {
    py.import("threading")?
        .call_method1("setprofile", (py.None(),))?;
    set_all(None);
    Ok(())
}

fn set_all(function: Option<Function>) {
    type Set = unsafe extern "C" fn(*mut PyThreadState, Option<Function>, *mut PyObject) -> c_int;
    // SAFETY: a function of that name has this type; the GIL is held.
    unsafe {
        let set = libc::dlsym(libc::RTLD_DEFAULT, c"_PyEval_SetProfile".as_ptr()).addr();
        match std::mem::transmute::<usize, Option<Set>>(set) {
            Some(set) => super::each_thread(|thread| {
                if set(thread, function, std::ptr::null_mut()) < 0 {
                    ffi::PyErr_Clear();
                }
            }),
            None => PyEval_SetProfile(function, std::ptr::null_mut()),
        }
    }
}

/// What `threading` calls in a new thread: sets the hook in it.
#[pyfunction]
#[pyo3(signature = (*_event))]
fn attach_thread(_event: &Bound<'_, pyo3::types::PyTuple>) {
    if !super::active().is_null() {
        // SAFETY: a function of the right type; the GIL is held.
        unsafe { PyEval_SetProfile(Some(profile), std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn profile(
    _: *mut PyObject,
    _: *mut c_void,
    what: c_int,
    argument: *mut PyObject,
) -> c_int {
    let session = super::active();
    if session.is_null() {
        return 0;
    }
    let hook = || {
        // SAFETY: an active session; CPython calls this in the thread that runs, which holds the GIL.
        unsafe { event(session, what, argument) };
    };
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        super::give_up();
    }
    0
}

#[inline(always)]
unsafe fn event(session: *mut Session, what: c_int, argument: *mut PyObject) {
    // SAFETY: as for `profile`.
    unsafe {
        let Some(frames) = &(*session).frames else {
            return;
        };
        let state = frames.thread();
        let thread = Session::thread(session, state);
        match what {
            CALL | RETURN => {
                let frame = frames.current(state);
                if frame == 0 {
                    return;
                }
                if what == RETURN {
                    Session::end_frame(session, thread, frame, !argument.is_null());
                    return;
                }
                let code = frames.code_of(frame);
                let is_first = || Some(is_first(frames, frame));
                Session::start_or_resume(session, thread, frame, code, is_first);
            }
            C_CALL => {
                if let Some(function) = c_function(argument, true) {
                    Session::start_native(session, thread, function);
                }
            }
            C_RETURN | C_EXCEPTION => {
                if let Some(function) = c_function(argument, true) {
                    Session::end_native(session, thread, function);
                }
            }
            _ => {}
        }
    }
}

/// Whether a generator's frame begins to run.
unsafe fn is_first(frames: &Frames, frame: usize) -> bool {
    // SAFETY: a frame, as laid out in this version.
    unsafe {
        let instruction = (frame + frames.instruction) as *const usize;
        if frames.owner == 0 {
            return instruction.cast::<i32>().read() < 0;
        }
        // At RESUME, whose argument is 0 at the beginning.
        *(*instruction.cast::<*const u8>()).add(1) == 0
    }
}
