//! What the runtime asks of Python: how strings are hashed, where printed text goes, what `except`
//! catches, who hears of errors that nobody can catch.

use std::panic::catch_unwind;
use std::sync::OnceLock;

use ferdelance_runtime::error::Error;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// The hash that `str` and `bytes` use, with the process's key, from the bytes of the text.
type HashBytes = unsafe extern "C" fn(*const core::ffi::c_void, ffi::Py_ssize_t) -> ffi::Py_hash_t;

/// Exported by all versions, under one of two names; none is part of the stable ABI of 3.10.
fn hash_bytes() -> Option<HashBytes> {
    static FOUND: OnceLock<Option<HashBytes>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        [c"Py_HashBuffer", c"_Py_HashBytes"]
            .into_iter()
            .find_map(|name| {
                // SAFETY: a lookup by name; both functions have this signature.
                unsafe {
                    let address = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
                    (!address.is_null())
                        .then(|| core::mem::transmute::<*mut core::ffi::c_void, HashBytes>(address))
                }
            })
    })
}

fn str_hash(bytes: &[u8]) -> i64 {
    let len = bytes.len() as ffi::Py_ssize_t;
    match hash_bytes() {
        // SAFETY: reads the bytes only.
        Some(hash) => unsafe { hash(bytes.as_ptr().cast(), len) as i64 },
        // Equal bytes have the same hash as `bytes` and as `str`.
        None => Python::attach(|py| PyBytes::new(py, bytes).hash().map_or(0, |hash| hash as i64)),
    }
}

/// Writes text to `sys.stdout`, whoever that is. Takes the GIL if the thread does not hold it.
fn print(text: &str) -> *mut Error {
    Python::attach(|py| {
        let written = py.import("sys").and_then(|sys| {
            let stdout = sys.getattr("stdout")?;
            // Without a standard output (a windowed program), print writes nowhere.
            if stdout.is_none() {
                Ok(())
            } else {
                stdout.call_method1("write", (text,)).map(drop)
            }
        });
        match written {
            Ok(()) => core::ptr::null_mut(),
            Err(error) => Error::from_instance(error.into_value(py).into_ptr().cast()),
        }
    })
}

/// Hands an error of a function that C called to `sys.unraisablehook`. Takes the GIL if the thread does
/// not hold it.
fn report(error: *mut Error, object: *mut core::ffi::c_void) {
    let reported = catch_unwind(|| {
        Python::attach(|py| {
            // C may call while an exception is on its way.
            let pending = PyErr::take(py);
            // SAFETY: an error of compiled code, which is running; the code's constant pool keeps the
            // object alive.
            unsafe {
                errors::raise(py, error.cast(), None);
                ffi::PyErr_WriteUnraisable(object.cast());
            }
            if let Some(pending) = pending {
                pending.restore(py);
            }
        });
    });
    // A panic here has been printed; C must not see it.
    drop(reported);
}

/// Whether an exception class catches an error. Reads the classes' bases only, so it needs no GIL.
fn matches(error: &Error, class: *mut core::ffi::c_void) -> bool {
    let raised: *mut ffi::PyObject = if !error.instance.is_null() {
        // SAFETY: the error keeps the exception alive.
        unsafe { ffi::Py_TYPE(error.instance.cast()).cast() }
    } else if !error.class.is_null() {
        error.class.cast()
    } else {
        match builtin_class(error.kind.name()) {
            Some(found) => found,
            None => return false,
        }
    };
    // SAFETY: both are classes: the compiler lets nothing else into `except` and `raise`.
    unsafe { ffi::PyType_IsSubtype(raised.cast(), class.cast()) != 0 }
}

/// A builtin exception class that the runtime itself raises.
fn builtin_class(name: &str) -> Option<*mut ffi::PyObject> {
    // SAFETY: the addresses are read from variables that Python sets once, before any of our code runs.
    unsafe {
        Some(match name {
            "ValueError" => ffi::PyExc_ValueError,
            "MemoryError" => ffi::PyExc_MemoryError,
            "RecursionError" => ffi::PyExc_RecursionError,
            "ZeroDivisionError" => ffi::PyExc_ZeroDivisionError,
            "OverflowError" => ffi::PyExc_OverflowError,
            "IndexError" => ffi::PyExc_IndexError,
            "KeyError" => ffi::PyExc_KeyError,
            "TypeError" => ffi::PyExc_TypeError,
            "RuntimeError" => ffi::PyExc_RuntimeError,
            "OSError" => ffi::PyExc_OSError,
            "SystemError" => ffi::PyExc_SystemError,
            _ => return None,
        })
    }
}

/// Registers them; once in a process.
pub fn install(_py: Python<'_>) -> PyResult<()> {
    ferdelance_runtime::set_str_hash(str_hash);
    ferdelance_runtime::set_print_hook(print);
    ferdelance_runtime::error::set_match_hook(matches);
    ferdelance_runtime::error::set_report_hook(report);
    Ok(())
}
