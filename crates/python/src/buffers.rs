//! Objects that show memory: `bytes`, `bytearray`, `memoryview`, `array.array`, `mmap.mmap`.
//!
//! The content of `bytes` is passed as it lies. For the others NumPy is asked for an array over their memory,
//! which keeps them from changing their size as long as it lives: it is the owner of the values in compiled
//! code, and what they are made of in Python again.

use ferdelance_abi::layout::OWNER_BORROWED;
use ferdelance_compiler::types::{Exporter, Kind, Ty};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use crate::numpy::numpy;

/// The class of objects other than `bytes` that show memory.
pub fn exporter(object: &Bound<'_, PyAny>) -> PyResult<Option<Exporter>> {
    if object.is_exact_instance_of::<PyByteArray>() {
        return Ok(Some(Exporter::ByteArray));
    }
    if object.is_exact_instance_of::<PyMemoryView>() {
        return Ok(Some(Exporter::MemoryView));
    }
    let class = object.get_type();
    for (module, name, exporter) in [
        ("array", "array", Exporter::PyArray),
        ("mmap", "mmap", Exporter::MemoryMap),
    ] {
        if class.name()? == name && class.module()? == module {
            return Ok(Some(exporter));
        }
    }
    Ok(None)
}

/// The type of such an object; `None` if NumPy has no array for its memory, or compiled code no type for it.
pub fn type_of(object: &Bound<'_, PyAny>, exporter: Exporter) -> PyResult<Option<Ty>> {
    let Ok(array) = array_of(object) else {
        return Ok(None);
    };
    // SAFETY: an array.
    let found = unsafe { numpy().array_type(object.py(), array.as_ptr()) }?;
    Ok(found
        .filter(|a| a.dtype.is_scalar())
        .map(|a| Ty::new(Kind::Buffer(exporter, a))))
}

/// An array over the memory of an object.
pub fn array_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let view = PyMemoryView::from(object)?;
    let asarray = object.py().import("numpy")?.getattr("asarray")?;
    asarray.call1((view,))
}

/// The content of a `bytes` object, or of one of a class derived from it.
///
/// # Safety
/// `object` is such an object, and alive.
pub unsafe fn content(object: *mut PyObject) -> (*mut u8, usize) {
    // SAFETY: as promised.
    unsafe {
        (
            ffi::PyBytes_AsString(object).cast(),
            ffi::PyBytes_Size(object).cast_unsigned(),
        )
    }
}

/// The `bytes` with this content: those that own the memory if it is all of theirs.
///
/// # Safety
/// `data` points to `len` bytes; a tagged owner is an object that is alive; the GIL is held.
pub unsafe fn make_bytes(owner: usize, data: *mut u8, len: usize) -> *mut PyObject {
    // SAFETY: as promised.
    unsafe {
        if owner & OWNER_BORROWED != 0 {
            let object =
                core::ptr::with_exposed_provenance_mut::<PyObject>(owner & !OWNER_BORROWED);
            let class = crate::layouts::class(object);
            if class == &raw mut ffi::PyBytes_Type && content(object) == (data, len) {
                ffi::Py_IncRef(object);
                return object;
            }
        }
        ffi::PyBytes_FromStringAndSize(data.cast(), len.cast_signed())
    }
}

/// An array as an object of a class: the one that it was made for, or a new one with its content.
pub fn object_of<'py>(
    array: &Bound<'py, PyAny>,
    exporter: Exporter,
) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    if let Ok(view) = array.getattr("base")?.cast_into::<PyMemoryView>() {
        let object = view.getattr("obj")?;
        if self::exporter(&object)? == Some(exporter) {
            return Ok(object);
        }
    }
    match exporter {
        Exporter::Bytes | Exporter::MemoryMap => Ok(array.call_method0("tobytes")?),
        Exporter::ByteArray => Ok(PyByteArray::from(array)?.into_any()),
        Exporter::MemoryView => Ok(PyMemoryView::from(array)?.into_any()),
        Exporter::PyArray => {
            let code = PyMemoryView::from(array)?.getattr("format")?;
            let content = array.call_method0("tobytes")?.cast_into::<PyBytes>()?;
            py.import("array")?.getattr("array")?.call1((code, content))
        }
    }
}
