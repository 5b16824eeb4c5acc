//! Functions of C: which objects are such, and what they are called.

use std::ffi::CStr;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::arguments::{MOST_BASES, TYPE_BASE};
use crate::layouts::{class, field};

/// A function of C that is called.
#[derive(Clone, Copy)]
pub struct Native {
    /// Where its definition is: what makes it the same function.
    pub definition: usize,
    /// The function, or a descriptor of a method.
    pub object: *mut PyObject,
}

const FUNCTION_DEFINITION: usize = 16;
const FUNCTION_SELF: usize = 24;
const FUNCTION_MODULE: usize = 32;
const DESCRIPTOR_DEFINITION: usize = 40;

/// The function of C that an object is, as cProfile takes it; `has_self`: whether it was called with arguments.
///
/// # Safety
/// An object that is alive.
#[inline(always)]
pub unsafe fn c_function(object: *mut PyObject, has_self: bool) -> Option<Native> {
    // SAFETY: alive; functions and descriptors have their definitions there in all versions.
    unsafe {
        let ty = class(object);
        let definition = if ty == &raw mut ffi::PyCFunction_Type || ty == classes().method {
            field(object, FUNCTION_DEFINITION)
        } else if ty == classes().descriptor && has_self {
            field(object, DESCRIPTOR_DEFINITION)
        } else {
            return None;
        };
        Some(Native { definition, object })
    }
}

struct Classes {
    /// Of builtin methods that know their class.
    method: *mut ffi::PyTypeObject,
    descriptor: *mut ffi::PyTypeObject,
}

// SAFETY: addresses of classes that live for good.
unsafe impl Send for Classes {}
// SAFETY: as above.
unsafe impl Sync for Classes {}

fn classes() -> &'static Classes {
    static CLASSES: std::sync::OnceLock<Classes> = std::sync::OnceLock::new();
    CLASSES.get_or_init(|| {
        // SAFETY: variables of CPython, looked up by name.
        let find = |name: &CStr| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()).cast() };
        Classes {
            method: find(c"PyCMethod_Type"),
            descriptor: find(c"PyMethodDescr_Type"),
        }
    })
}

/// What cProfile calls a function of C.
pub fn native_name(object: *mut PyObject) -> String {
    Python::attach(|py| {
        let pending = PyErr::take(py);
        // SAFETY: alive, and checked to be one of these.
        let name = unsafe { Bound::from_borrowed_ptr(py, object) };
        let name = described(&name);
        if let Some(pending) = pending {
            pending.restore(py);
        }
        name
    })
}

/// Whether objects of a class are printed by CPython's own code.
fn is_plain(ty: *mut ffi::PyTypeObject) -> bool {
    ty == classes().descriptor
        || ty == &raw mut ffi::PyCFunction_Type
        || ty == &raw mut ffi::PyClassMethodDescr_Type
        || ty == &raw mut ffi::PyWrapperDescr_Type
}

fn described(object: &Bound<'_, PyAny>) -> String {
    let py = object.py();
    let text = |object: &Bound<'_, PyAny>| {
        object
            .repr()
            .map_or_else(|_| "<?>".to_owned(), |t| t.to_string())
    };
    // SAFETY: functions of C have these fields, descriptors are printed by CPython's own code.
    unsafe {
        if class(object.as_ptr()) == classes().descriptor {
            return text(object);
        }
        let definition: *const ffi::PyMethodDef = field(object.as_ptr(), FUNCTION_DEFINITION);
        let name = CStr::from_ptr((*definition).ml_name).to_string_lossy();
        let this: *mut PyObject = field(object.as_ptr(), FUNCTION_SELF);
        let module: *mut PyObject = field(object.as_ptr(), FUNCTION_MODULE);
        let module = Bound::from_borrowed_ptr_or_opt(py, module);
        let module = module.and_then(|m| m.cast_exact::<PyString>().ok().map(|m| m.to_string()));
        if this.is_null() {
            return match module.as_deref() {
                Some("builtins") | None => format!("<{name}>"),
                Some(module) => format!("<{module}.{name}>"),
            };
        }
        // The class that it is a method of, whatever classes derived from it have under the name.
        let mut ty = class(this);
        for _ in 0..MOST_BASES {
            if ty.is_null() {
                break;
            }
            if let Some(found) = lookup(ty, &name)
                && is_plain(class(found))
            {
                return text(&Bound::from_borrowed_ptr(py, found));
            }
            ty = field(ty.cast(), TYPE_BASE);
        }
        match module {
            Some(module) => format!("<built-in method {module}.{name}>"),
            None => format!("<built-in method {name}>"),
        }
    }
}

/// What a class or one of its ancestors has under a name, borrowed.
///
/// # Safety
/// A class; the GIL is held.
unsafe fn lookup(ty: *mut ffi::PyTypeObject, name: &str) -> Option<*mut PyObject> {
    unsafe extern "C" {
        // Exported by all versions, but not part of the stable ABI.
        fn _PyType_Lookup(ty: *mut ffi::PyTypeObject, name: *mut PyObject) -> *mut PyObject;
    }
    // SAFETY: as promised.
    unsafe {
        let name =
            ffi::PyUnicode_FromStringAndSize(name.as_ptr().cast(), name.len() as ffi::Py_ssize_t);
        if name.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let found = _PyType_Lookup(ty, name);
        ffi::Py_DecRef(name);
        (!found.is_null()).then_some(found)
    }
}
