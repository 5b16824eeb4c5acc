//! Calls of compiled functions: they run no frame, so their dispatchers say what is called.
//!
//! Ours ask whether a session is active. Numba's have a slot for calls in their class; it is replaced by a
//! function that counts and calls the one that was there.

use core::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::session::{Passed, Session, Thread};
use super::{stack, watch};
use crate::layouts::class;

unsafe extern "C" {
    // Exported by all versions, but not part of the stable ABI.
    fn PyFunction_GetCode(function: *mut PyObject) -> *mut PyObject;
    static mut PyFunction_Type: c_void;
}

/// Whether somebody wants to know of calls of compiled functions.
#[inline(always)]
pub fn are_of_interest() -> bool {
    !super::active().is_null() || watch::are_compiled_watched()
}

/// Calls a compiled function, and counts that, and tells who watches.
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
    let passed = Passed {
        args,
        count,
        keywords,
    };
    // SAFETY: as promised.
    let token = catch_unwind(|| unsafe { watch::enter_compiled(function, passed) });
    // SAFETY: as promised.
    let begun = unsafe { begin(function, passed) };
    let result = run();
    // SAFETY: as promised.
    unsafe { end(begun) };
    if let Ok(Some(token)) = token {
        // SAFETY: as promised; the result belongs to this.
        let left = catch_unwind(AssertUnwindSafe(|| unsafe {
            watch::leave_compiled(token, result);
        }));
        debug_assert!(left.is_ok());
    }
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

/// Arguments of a call, with the values of keywords after them; and the names of these, as a tuple that belongs to
/// who called, or null.
///
/// # Safety
/// A tuple, and a dict or null; the GIL is held.
unsafe fn in_a_row(
    args: *mut PyObject,
    keywords: *mut PyObject,
) -> (Vec<*mut PyObject>, *mut PyObject) {
    // SAFETY: as promised; what is borrowed lives as long as the tuple and the dict.
    unsafe {
        let count = ffi::PyTuple_Size(args).max(0);
        let mut row: Vec<_> = (0..count).map(|i| ffi::PyTuple_GetItem(args, i)).collect();
        if keywords.is_null() || ffi::PyDict_Size(keywords) <= 0 {
            return (row, ptr::null_mut());
        }
        let names = ffi::PyTuple_New(ffi::PyDict_Size(keywords));
        if names.is_null() {
            ffi::PyErr_Clear();
            return (row, names);
        }
        let (mut at, mut name, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        while ffi::PyDict_Next(keywords, &raw mut at, &raw mut name, &raw mut value) != 0 {
            ffi::Py_IncRef(name);
            ffi::PyTuple_SetItem(names, row.len() as ffi::Py_ssize_t - count, name);
            row.push(value);
        }
        (row, names)
    }
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
        if super::active().is_null() {
            return own(this, args, keywords);
        }
        let function = ffi::PyObject_GetAttrString(this, c"py_func".as_ptr());
        if function.is_null() {
            ffi::PyErr_Clear();
            return own(this, args, keywords);
        }
        let (args_and_values, names) = in_a_row(args, keywords);
        let passed = Passed {
            args: args_and_values.as_ptr(),
            count: ffi::PyTuple_Size(args).max(0) as usize,
            keywords: names,
        };
        let begun = begin(function, passed);
        ffi::Py_DecRef(names);
        let result = own(this, args, keywords);
        end(begun);
        ffi::Py_DecRef(function);
        result
    }
}
