//! Objects of libraries, read by functions of `ferdelance.profiler._readers`, one a class.
//!
//! A reader runs code of the library alone, on objects of exactly its class; what it says is part of a call's
//! signature. A class is found by the names of its module and of itself, and is believed only if that module
//! has it.

use std::sync::OnceLock;

use pyo3::ffi::{PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// A class that is read: module, name, function.
struct Row {
    module: String,
    name: String,
    function: Py<PyAny>,
}

static ROWS: OnceLock<Vec<Row>> = OnceLock::new();

/// Reads the table of readers, once.
pub fn load(py: Python<'_>) -> PyResult<()> {
    if ROWS.get().is_some() {
        return Ok(());
    }
    let module = py.import("ferdelance.profiler._readers")?;
    let mut rows = vec![];
    for (key, function) in module.getattr("READERS")?.cast_into::<PyDict>()? {
        let (module, name) = key.extract()?;
        rows.push(Row {
            module,
            name,
            function: function.unbind(),
        });
    }
    let _ = ROWS.set(rows);
    Ok(())
}

/// The classes that are there by now, each with the number of its reader. They are to be held.
pub fn found(py: Python<'_>) -> Vec<(*mut PyTypeObject, u32)> {
    let find = |row: &Row| {
        let modules = py
            .import("sys")
            .ok()?
            .getattr("modules")
            .ok()?
            .cast_into_exact::<PyDict>()
            .ok()?;
        let module = modules.get_item(&row.module).ok()??;
        let module = module.cast_into_exact::<PyModule>().ok()?;
        let class = module
            .dict()
            .get_item(&row.name)
            .ok()??
            .cast_into::<PyType>()
            .ok()?;
        Some(class.into_ptr().cast())
    };
    let rows = ROWS.get().into_iter().flatten();
    let classes = (0..).zip(rows).filter_map(|(i, row)| Some((find(row)?, i)));
    classes.collect()
}

/// What a reader says of an object; none if it fails. A pending exception stays.
#[cold]
pub fn read(reader: u32, object: *mut PyObject) -> Option<String> {
    let row = ROWS.get()?.get(reader as usize)?;
    Python::attach(|py| {
        let pending = PyErr::take(py);
        // SAFETY: whoever calls this has an object that is alive.
        let object = unsafe { Bound::from_borrowed_ptr(py, object) };
        let text = row
            .function
            .bind(py)
            .call1((object,))
            .and_then(|text| text.extract())
            .ok();
        if let Some(pending) = pending {
            pending.restore(py);
        }
        text
    })
}
