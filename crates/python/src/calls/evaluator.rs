//! Hooks on 3.10 and 3.11: a frame evaluator (PEP 523), which CPython calls for each run of a Python function
//! in place of its own.
//!
//! It makes Python calls nest on the C stack; where that gets short, CPython's own evaluator takes over, and
//! what is called from there is not counted.

use core::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi::{self, PyObject, PyThreadState};
use pyo3::prelude::*;

use super::frames::Frames;
use super::session::{Session, Thread};

/// Takes a thread's state, a frame, and whether it goes on with an exception.
pub type Evaluator = unsafe extern "C" fn(*mut PyThreadState, *mut c_void, c_int) -> *mut PyObject;
type Get = unsafe extern "C" fn(*mut ffi::PyInterpreterState) -> Option<Evaluator>;
type Set = unsafe extern "C" fn(*mut ffi::PyInterpreterState, Option<Evaluator>);

/// CPython's own evaluator.
static DEFAULT: AtomicUsize = AtomicUsize::new(0);
static SET: AtomicUsize = AtomicUsize::new(0);

fn symbol(name: &core::ffi::CStr) -> usize {
    // SAFETY: a look-up by name.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.addr()
}

/// CPython's evaluator.
pub fn default() -> Option<Evaluator> {
    let address = DEFAULT.load(Ordering::Relaxed);
    // SAFETY: 0, or the address of the function of that name, which has this type.
    unsafe { std::mem::transmute::<usize, Option<Evaluator>>(address) }
}

pub fn set(evaluator: Option<Evaluator>) {
    let address = SET.load(Ordering::Relaxed);
    // SAFETY: 0, or the address of the function of that name, which has this type; the GIL is held.
    unsafe {
        if let Some(set) = std::mem::transmute::<usize, Option<Set>>(address) {
            set(ffi::PyInterpreterState_Get(), evaluator);
        }
    }
}

/// Puts the one that counts in place, unless another one is there; whether that worked.
pub fn watch(py: Python<'_>) -> bool {
    replace(py, evaluate)
}

/// Puts an evaluator in the place of CPython's, unless another one is there; whether that worked.
pub fn replace(_py: Python<'_>, evaluator: Evaluator) -> bool {
    let get = symbol(c"_PyInterpreterState_GetEvalFrameFunc");
    DEFAULT.store(symbol(c"_PyEval_EvalFrameDefault"), Ordering::Relaxed);
    SET.store(
        symbol(c"_PyInterpreterState_SetEvalFrameFunc"),
        Ordering::Relaxed,
    );
    if get == 0 || SET.load(Ordering::Relaxed) == 0 {
        return false;
    }
    // SAFETY: the function of that name has this type; the GIL is held.
    let current = unsafe { std::mem::transmute::<usize, Get>(get)(ffi::PyInterpreterState_Get()) };
    let is_free = current.is_some_and(|f| f as usize == DEFAULT.load(Ordering::Relaxed));
    if is_free {
        set(Some(evaluator));
    }
    is_free
}

/// Puts CPython's back.
pub fn unwatch(_py: Python<'_>) {
    set(default());
}

unsafe extern "C" fn evaluate(
    state: *mut PyThreadState,
    frame: *mut c_void,
    throws: c_int,
) -> *mut PyObject {
    // SAFETY: CPython calls this as it calls its own evaluator, which is called in turn, whatever happens.
    unsafe {
        let begun = catch_unwind(AssertUnwindSafe(|| begin(state, frame)));
        let begun = begun.unwrap_or_else(|_| {
            super::give_up();
            None
        });
        let Some(own) = default() else {
            unreachable!("there is an evaluator where this one was put in place");
        };
        let Some((session, thread)) = begun else {
            return own(state, frame, throws);
        };
        let is_here = (*thread).room.is_known_here()
            || Session::skipping(session, || (*thread).room.renewed());
        if !is_here {
            (*session).was_deep = true;
            set(default());
            let result = own(state, frame, throws);
            if super::active() == session {
                set(Some(evaluate));
            }
            finish(session, state, frame, result);
            return result;
        }
        let result = own(state, frame, throws);
        finish(session, state, frame, result);
        result
    }
}

/// Begins to count a run, if it is to be counted.
#[inline(always)]
unsafe fn begin(
    state: *mut PyThreadState,
    frame: *mut c_void,
) -> Option<(*mut Session, *mut Thread)> {
    let session = super::active();
    if session.is_null() {
        return None;
    }
    // SAFETY: an active session; the frame is one that begins to run, and the GIL is held.
    unsafe {
        let thread = Session::thread(session, state);
        if (*thread).is_busy {
            return None;
        }
        let known = &(*session).frames;
        let frames = known.as_ref()?;
        if frames.is_suspended(state) {
            return None;
        }
        let frame = frame.addr();
        let code = frames.code_of(frame);
        (*thread).is_busy = true;
        let is_first = || is_first(frames, frame);
        let has_begun = Session::start_or_resume(session, thread, frame, code, is_first);
        (*thread).is_busy = false;
        if !has_begun {
            return None;
        }
        Some((session, thread))
    }
}

#[inline(always)]
unsafe fn finish(
    session: *mut Session,
    state: *mut PyThreadState,
    frame: *mut c_void,
    result: *mut PyObject,
) {
    let end = || {
        // SAFETY: as for `begin`; a session that is not active any more has counted all its calls.
        unsafe {
            if super::active() != session {
                return;
            }
            let thread = Session::thread(session, state);
            (*thread).is_busy = true;
            Session::end_frame(session, thread, frame.addr(), !result.is_null());
            (*thread).is_busy = false;
        }
    };
    if catch_unwind(AssertUnwindSafe(end)).is_err() {
        super::give_up();
    }
}

/// Whether the frame of a generator runs for the first time; none if the function that runs is the one that
/// makes the generator.
unsafe fn is_first(frames: &Frames, frame: usize) -> Option<bool> {
    /// Who has a frame that belongs to a generator, and the instruction after which it waits for its first run.
    const GENERATOR: u8 = 1;
    const RETURN_GENERATOR: u8 = 75;
    // SAFETY: a frame, as laid out in this version.
    unsafe {
        let instruction = (frame + frames.instruction) as *const usize;
        if frames.owner == 0 {
            // 3.10: the number of the last instruction, negative before the first one.
            return Some(instruction.cast::<i32>().read() < 0);
        }
        let is_own = *((frame + frames.owner) as *const u8) == GENERATOR;
        is_own.then(|| **instruction.cast::<*const u8>() == RETURN_GENERATOR)
    }
}
