//! Errors on their way to Python: those of compiled code, diagnostics of the compiler, panics.
//!
//! An error of compiled code says which places it passed. Each becomes a traceback entry of the user's
//! own file: a frame of an empty code object that has the file, the function's name and, as its first
//! line, the line. (`traceback`, `pdb` and the interpreter itself show the source by those.)

use core::cell::RefCell;
use core::ffi::{c_char, c_int, c_void};
use std::ffi::CString;
use std::sync::{Mutex, OnceLock, PoisonError};

use ferdelance_abi::layout::Location;
use ferdelance_compiler::diag::Diagnostic;
use ferdelance_runtime::error::{Arg, Error, Kind};
use pyo3::exceptions::{PyBaseException, PySystemError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyDict, PyTuple};
use rustc_hash::FxHashMap;

use crate::layouts;

// ---- errors of compiled code ---------------------------------------------------------------------

/// Sets the exception for an error that compiled code returned.
///
/// # Safety
/// `error` comes from compiled code and is not used again; the code that made it is still loaded; the
/// GIL is held. `globals` are those of the dispatcher's function.
#[cold]
pub unsafe fn raise(py: Python<'_>, error: *mut c_void, globals: Option<&Bound<'_, PyDict>>) {
    // SAFETY: as promised.
    let mut error = unsafe { ferdelance_runtime::take(error.cast()) };
    let exception = match exception(py, &mut error) {
        Ok(exception) => exception,
        Err(failure) => return failure.restore(py),
    };
    // As `raise` does: an exception that is being handled becomes the context.
    // SAFETY: an exception and its class.
    unsafe { ffi::PyErr_SetObject(exception.get_type().as_ptr(), exception.as_ptr()) };
    // The place of the raise is the innermost; the trace holds the places outside of it.
    let own = (error.trace.first() != Some(&error.location)).then_some(error.location);
    for location in own.into_iter().chain(error.trace.iter().copied()) {
        if !location.is_null() {
            // SAFETY: locations live as long as the code.
            unsafe { add_traceback(py, &*location, globals) };
        }
    }
}

/// The exception that an error is.
fn exception<'py>(py: Python<'py>, error: &mut Error) -> PyResult<Bound<'py, PyAny>> {
    if error.kind == Kind::Instance && !error.instance.is_null() {
        let instance = core::mem::replace(&mut error.instance, core::ptr::null_mut());
        // SAFETY: the error's own reference.
        return Ok(unsafe { Bound::from_owned_ptr(py, instance.cast()) });
    }
    let class = match error.kind {
        // SAFETY: the constant pool of the code keeps the class alive.
        Kind::Class => unsafe { Bound::from_borrowed_ptr(py, error.class.cast()) },
        kind => py.import("builtins")?.getattr(match kind.name() {
            "" => "SystemError",
            name => name,
        })?,
    };
    let args = error
        .args
        .iter()
        .map(|arg| argument(py, arg))
        .collect::<PyResult<Vec<_>>>()?;
    let made = class.call1(PyTuple::new(py, args)?)?;
    if made.is_instance_of::<PyBaseException>() {
        return Ok(made);
    }
    Err(PySystemError::new_err(
        "compiled code raised something that is no exception",
    ))
}

fn argument<'py>(py: Python<'py>, arg: &Arg) -> PyResult<Bound<'py, PyAny>> {
    Ok(match arg {
        Arg::None => py.None().into_bound(py),
        Arg::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Arg::I64(value) => value.into_pyobject(py)?.into_any(),
        Arg::U64(value) => value.into_pyobject(py)?.into_any(),
        Arg::F64(value) => value.into_pyobject(py)?.into_any(),
        Arg::Complex(re, im) => PyComplex::from_doubles(py, *re, *im).into_any(),
        // SAFETY: a live string.
        Arg::Str(text) => unsafe {
            Bound::from_owned_ptr_or_err(py, layouts::str_from_runtime(text.as_ptr()))?
        },
        Arg::Tuple(items) => {
            let items = items
                .iter()
                .map(|item| argument(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, items)?.into_any()
        }
    })
}

// ---- traceback entries ---------------------------------------------------------------------------

/// Functions that are exported by every version but are not part of the stable ABI. Where one is
/// missing, tracebacks lack the lines of compiled code, and nothing else.
struct Frames {
    code_new_empty: unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> *mut PyObject,
    frame_new: unsafe extern "C" fn(
        *mut ffi::PyThreadState,
        *mut PyObject,
        *mut PyObject,
        *mut PyObject,
    ) -> *mut PyObject,
    thread_state: unsafe extern "C" fn() -> *mut ffi::PyThreadState,
}

fn frames() -> Option<&'static Frames> {
    static FRAMES: OnceLock<Option<Frames>> = OnceLock::new();
    FRAMES
        .get_or_init(|| {
            let find = |name: &core::ffi::CStr| {
                // SAFETY: a lookup by name.
                let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
                (!address.is_null()).then_some(address)
            };
            let (code, frame, state) = (
                find(c"PyCode_NewEmpty")?,
                find(c"PyFrame_New")?,
                find(c"PyThreadState_Get")?,
            );
            // SAFETY: these functions have had these signatures in all versions since 3.2.
            unsafe {
                Some(Frames {
                    code_new_empty: core::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> *mut PyObject,
                    >(code),
                    frame_new: core::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn(
                            *mut ffi::PyThreadState,
                            *mut PyObject,
                            *mut PyObject,
                            *mut PyObject,
                        ) -> *mut PyObject,
                    >(frame),
                    thread_state: core::mem::transmute::<
                        *mut c_void,
                        unsafe extern "C" fn() -> *mut ffi::PyThreadState,
                    >(state),
                })
            }
        })
        .as_ref()
}

/// Code objects by file, function and line. Few programs raise from many lines; where one does, the
/// store starts anew.
static CODES: Mutex<Option<Codes>> = Mutex::new(None);
type Codes = FxHashMap<(String, String, u32), Py<PyAny>>;
const MOST_CODES: usize = 4096;

fn code_object(
    py: Python<'_>,
    frames: &Frames,
    file: &str,
    function: &str,
    line: u32,
) -> Option<Py<PyAny>> {
    let key = (file.to_owned(), function.to_owned(), line);
    let known = CODES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .get(&key)
        .map(|code| code.clone_ref(py));
    if known.is_some() {
        return known;
    }
    // `f.<locals>.g` is the qualified name; the name is its last part.
    let name = function.rsplit('.').next().unwrap_or(function);
    let (file, name) = (CString::new(file).ok()?, CString::new(name).ok()?);
    let line_number = c_int::try_from(line).unwrap_or(c_int::MAX);
    // SAFETY: two terminated strings; a new code object or null with an exception.
    let code = unsafe {
        Bound::from_owned_ptr_or_opt(
            py,
            (frames.code_new_empty)(file.as_ptr(), name.as_ptr(), line_number),
        )
    };
    let Some(code) = code else {
        drop(PyErr::take(py));
        return None;
    };
    let kwargs = PyDict::new(py);
    let code = match kwargs
        .set_item("co_qualname", function)
        .and_then(|()| code.call_method("replace", (), Some(&kwargs)))
    {
        Ok(named) => named,
        // Code objects before 3.11 have no such field.
        Err(_) => code,
    };
    let code = code.unbind();
    let mut guard = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    let codes = guard.get_or_insert_default();
    let dropped = if codes.len() >= MOST_CODES {
        core::mem::take(codes)
    } else {
        FxHashMap::default()
    };
    codes.insert(key, code.clone_ref(py));
    drop(guard);
    // Not under the lock: freeing code objects may run other code.
    drop(dropped);
    Some(code)
}

/// Adds an entry to the traceback of the exception that is set.
///
/// # Safety
/// The location's texts are alive.
unsafe fn add_traceback(py: Python<'_>, location: &Location, globals: Option<&Bound<'_, PyDict>>) {
    let Some(frames) = frames() else { return };
    // SAFETY: as promised.
    let (file, function) = unsafe {
        (
            String::from_utf8_lossy(core::slice::from_raw_parts(
                location.file,
                location.file_len,
            )),
            String::from_utf8_lossy(core::slice::from_raw_parts(
                location.function,
                location.function_len,
            )),
        )
    };
    // What follows must not see, nor lose, the exception.
    let pending = PyErr::take(py);
    let code = code_object(py, frames, &file, &function, location.line);
    let globals = globals.cloned().unwrap_or_else(|| PyDict::new(py));
    if let Some(code) = code {
        // SAFETY: a code object and a dict; the frame takes references of its own.
        unsafe {
            let frame = (frames.frame_new)(
                (frames.thread_state)(),
                code.as_ptr(),
                globals.as_ptr(),
                core::ptr::null_mut(),
            );
            if let Some(error) = pending {
                error.restore(py);
            }
            if frame.is_null() {
                return;
            }
            ffi::PyTraceBack_Here(frame.cast());
            ffi::Py_DecRef(frame);
        }
    } else if let Some(error) = pending {
        error.restore(py);
    }
}

// ---- diagnostics ---------------------------------------------------------------------------------

/// `ferdelance.errors._from_diagnostic`, once the Python layer has handed it over.
static FACTORY: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Takes the function that makes exceptions of diagnostics.
#[pyfunction]
pub fn set_error_factory(factory: Py<PyAny>) {
    let old = FACTORY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(factory);
    drop(old);
}

/// The exception for a diagnostic.
pub fn diagnostic(py: Python<'_>, diagnostic: &Diagnostic) -> PyErr {
    named(
        py,
        diagnostic.code.class().name(),
        &diagnostic.render(),
        diagnostic.code.name(),
    )
}

fn named(py: Python<'_>, class: &str, message: &str, code: &str) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let factory = FACTORY
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|factory| factory.clone_ref(py));
        let factory = match factory {
            Some(factory) => factory.into_bound(py),
            None => py
                .import("ferdelance.errors")?
                .getattr("_from_diagnostic")?,
        };
        Ok(PyErr::from_value(factory.call1((class, message, code))?))
    };
    make().unwrap_or_else(|error| error)
}

/// The exception for a bug of ours.
pub fn internal(py: Python<'_>, message: &str) -> PyErr {
    named(
        py,
        "InternalError",
        &format!("{message}\nThis is a bug in ferdelance; please report it. [internal]"),
        "internal",
    )
}

thread_local! {
    /// What this thread's last panic said, and where.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the text of panics for [`panicked`] instead of printing it. This library has a copy of the
/// standard library of its own, so no other is affected.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        let text = match info.location() {
            Some(at) => format!("{text} ({}:{})", at.file(), at.line()),
            None => text.to_owned(),
        };
        let _ = PANIC.try_with(|kept| kept.replace(Some(text)));
    }));
}

/// The exception for a panic that this thread caught.
pub fn panicked(py: Python<'_>) -> PyErr {
    let text = PANIC.try_with(RefCell::take).ok().flatten();
    internal(py, text.as_deref().unwrap_or("the compiler panicked"))
}

/// No compiled signature takes the arguments, and calls may not compile.
pub fn no_matching(types: &str) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!(
        "No matching definition for argument type(s) {types}"
    ))
}
