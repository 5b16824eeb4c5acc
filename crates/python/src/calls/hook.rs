//! Callables for `sys.monitoring`: objects that are called without any of Python's detours.

use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};
use core::ptr;
use std::sync::OnceLock;

use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

/// A vectorcall: the callable, arguments, how many, names of the last ones.
pub type Function = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;

#[repr(C)]
struct Hook {
    header: [usize; 2],
    vectorcall: Option<Function>,
}

unsafe extern "C" {
    // Exported by all versions, but not part of the stable ABI of 3.10.
    fn PyVectorcall_Call(
        callable: *mut PyObject,
        args: *mut PyObject,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;
}

struct Class(*mut PyTypeObject);

// SAFETY: a class that lives for good.
unsafe impl Send for Class {}
// SAFETY: as above.
unsafe impl Sync for Class {}

fn class(py: Python<'_>) -> PyResult<*mut PyTypeObject> {
    static CLASS: OnceLock<Class> = OnceLock::new();
    if let Some(class) = CLASS.get() {
        return Ok(class.0);
    }
    const HAVE_VECTORCALL: core::ffi::c_ulong = 1 << 11;
    const READ_ONLY: c_int = 1;
    let members: &'static mut [ffi::PyMemberDef; 2] = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__vectorcalloffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset_of!(Hook, vectorcall) as ffi::Py_ssize_t,
            flags: READ_ONLY,
            doc: ptr::null(),
        },
        ffi::PyMemberDef::default(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_call, PyVectorcall_Call as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"ferdelance._core.Hook".as_ptr(),
        basicsize: size_of::<Hook>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | HAVE_VECTORCALL) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification is complete, and what it points to lives long enough.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    Ok(CLASS.get_or_init(|| Class(class.into_ptr().cast())).0)
}

/// A callable that is this function.
pub fn new(py: Python<'_>, function: Function) -> PyResult<Bound<'_, PyAny>> {
    let class = class(py)?;
    // SAFETY: a class of ours, whose instances are zeroed.
    unsafe {
        let object = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))?;
        (*object.as_ptr().cast::<Hook>()).vectorcall = Some(function);
        Ok(object)
    }
}
