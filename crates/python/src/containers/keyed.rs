//! Dict displays of known keys and values of different types, as results.

use ferdelance_abi::layout::List;
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::{list, object};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Cell;
use crate::boxing::{self, Context};
use crate::handles::Pins;

/// How to box such a dict.
pub struct KeyedPlan {
    /// The keys, pinned.
    keys: Box<[*mut PyObject]>,
    values: Box<[boxing::Plan]>,
    cell: Cell,
}

impl KeyedPlan {
    /// `None` if the type is another, or its values cannot be in a container.
    pub fn new(py: Python<'_>, ty: Ty, pins: &mut Pins) -> PyResult<Option<KeyedPlan>> {
        let Kind::Keyed(keys, types) = ty.kind() else {
            return Ok(None);
        };
        let keys = keys.iter().map(|key| {
            let key = PyString::new(py, key);
            pins.add(&key);
            key.as_ptr()
        });
        let keys = keys.collect();
        let values: PyResult<Box<[boxing::Plan]>> = types
            .iter()
            .map(|&ty| boxing::Plan::new(py, ty, pins))
            .collect();
        let values = values?;
        // The values are the only item of a list.
        let list = Ty::list(Ty::tuple(types));
        Ok(Cell::of(list).map(|cell| KeyedPlan { keys, values, cell }))
    }

    /// A new Python dict; takes over a reference to the values. Null, with an exception, on failure.
    ///
    /// # Safety
    /// `values` is of the plan's type; the GIL is held.
    pub unsafe fn make(&self, values: *mut List, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as promised; the keys are pinned.
        unsafe {
            let dict = ffi::PyDict_New();
            // Boxing takes over what the item holds; the list goes on holding it.
            list::retain_item(values, 0);
            let slots = self.cell.read(list::item_address(values, 0));
            object::obj_release(values.cast());
            let mut slots = slots.as_ptr();
            let mut done = !dict.is_null();
            for (&key, plan) in self.keys.iter().zip(&self.values) {
                let value = plan.make(&mut slots, cx);
                done = done && !value.is_null() && ffi::PyDict_SetItem(dict, key, value) == 0;
                ffi::Py_DecRef(value);
            }
            if !done {
                ffi::Py_DecRef(dict);
                return core::ptr::null_mut();
            }
            dict
        }
    }
}
