//! Calls of compiled functions: they run no frame, so their dispatchers say what is called.
//!
//! Ours ask whether a session is active. Numba's have a slot for calls in their class; it is replaced by a
//! function that counts and calls the one that was there.

use core::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::session::{Passed, Session, Thread};
use super::stack;
use crate::layouts::class;

unsafe extern "C" {
    // Exported by all versions, but not part of the stable ABI.
    fn PyFunction_GetCode(function: *mut PyObject) -> *mut PyObject;
    static mut PyFunction_Type: c_void;
}

/// Whether calls of compiled functions are to be counted.
#[inline(always)]
pub fn are_counted() -> bool {
    !super::active().is_null()
}

/// Calls a compiled function, and counts that.
///
/// # Safety
/// A Python function that stands for it, and the arguments of a vectorcall; the GIL is held.
#[cold]
pub unsafe fn call(
    function: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
    run: impl FnOnce() -> *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as promised.
    let begun = unsafe {
        let passed = Passed {
            args,
            count,
            keywords,
        };
        begin(function, passed)
    };
    let result = run();
    // SAFETY: as promised.
    unsafe { end(begun) };
    result
}

/// A call that is counted.
struct Begun {
    session: *mut Session,
    thread: *mut Thread,
    mark: usize,
}

unsafe fn begin(function: *mut PyObject, passed: Passed) -> Option<Begun> {
    let session = super::active();
    if session.is_null() {
        return None;
    }
    // SAFETY: as for `call`; the session is active.
    let begin = || unsafe {
        if class(function).cast() != &raw mut PyFunction_Type {
            return None;
        }
        let thread = Session::thread(session, ffi::PyThreadState_Get());
        if (*thread).is_busy {
            return None;
        }
        (*thread).is_busy = true;
        // No frame is there.
        let mark = stack::here() | 1;
        Session::start_compiled(session, thread, mark, PyFunction_GetCode(function), passed);
        (*thread).is_busy = false;
        Some(Begun {
            session,
            thread,
            mark,
        })
    };
    catch_unwind(AssertUnwindSafe(begin)).unwrap_or_else(|_| {
        super::give_up();
        None
    })
}

unsafe fn end(begun: Option<Begun>) {
    let Some(begun) = begun else {
        return;
    };
    let end = || {
        if super::active() == begun.session {
            // SAFETY: the session is active, and its threads stay where they are.
            unsafe { Session::end_marked(begun.session, begun.thread, begun.mark) };
        }
    };
    if catch_unwind(AssertUnwindSafe(end)).is_err() {
        super::give_up();
    }
}

// ---- Numba ---------------------------------------------------------------------------------------

type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// Where a class has the function that calls its instances.
const TYPE_CALL: usize = 128;
/// Numba's own one.
static NUMBAS: AtomicUsize = AtomicUsize::new(0);

/// Puts ours before Numba's, if Numba is there.
pub fn watch_numba(py: Python<'_>) -> PyResult<()> {
    let modules = py
        .import("sys")?
        .getattr("modules")?
        .cast_into::<PyDict>()?;
    let Some(module) = modules.get_item("numba._dispatcher")? else {
        return Ok(());
    };
    let base = module.getattr("Dispatcher")?.cast_into::<PyType>()?;
    let mut classes = vec![base];
    while let Some(class) = classes.pop() {
        // SAFETY: a class has this slot, at the same place in all versions; ours has the slot's type, and calls
        // what was there.
        unsafe {
            let slot = class
                .as_ptr()
                .cast::<u8>()
                .add(TYPE_CALL)
                .cast::<*const c_void>();
            let found = (*slot).addr();
            let numbas = NUMBAS.load(Ordering::Relaxed);
            if numbas == 0 && found != 0 && found != numba_call as *const () as usize {
                NUMBAS.store(found, Ordering::Relaxed);
            }
            if found != 0 && found == NUMBAS.load(Ordering::Relaxed) {
                *slot = numba_call as *const c_void;
            }
        }
        for class in class.call_method0("__subclasses__")?.try_iter()? {
            classes.push(class?.cast_into::<PyType>()?);
        }
    }
    Ok(())
}

unsafe extern "C" fn numba_call(
    this: *mut PyObject,
    args: *mut PyObject,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: Python calls this as it calls Numba's function, whose address is there since this one is in use.
    unsafe {
        let numbas = NUMBAS.load(Ordering::Relaxed);
        let Some(own) = std::mem::transmute::<usize, Option<Call>>(numbas) else {
            unreachable!("the slot had a function before it had this one");
        };
        if !are_counted() {
            return own(this, args, keywords);
        }
        let function = ffi::PyObject_GetAttrString(this, c"py_func".as_ptr());
        if function.is_null() {
            ffi::PyErr_Clear();
            return own(this, args, keywords);
        }
        const ITEMS: usize = 24;
        let items = args.cast::<u8>().add(ITEMS).cast::<*mut PyObject>();
        // Keywords are bound by Numba, after this: their types are not told.
        let passed = Passed {
            args: items,
            count: ffi::PyTuple_Size(args).max(0) as usize,
            keywords: std::ptr::null_mut(),
        };
        let begun = begin(function, passed);
        let result = own(this, args, keywords);
        end(begun);
        ffi::Py_DecRef(function);
        result
    }
}
