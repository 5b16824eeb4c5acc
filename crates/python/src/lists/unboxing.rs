//! Python lists to lists of the runtime.

use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::list;
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::{Cell, Lent, Slots};
use crate::handles::Pins;
use crate::layouts::class;
use crate::unbox::{self, Made, Outcome};

/// How to recognise and unbox a list.
pub struct ListPlan {
    item: unbox::Plan,
    item_type: Ty,
    cell: Cell,
    /// For the way back.
    boxing: super::ListPlan,
}

impl ListPlan {
    /// The plan for lists like `object`, which has an item.
    ///
    /// # Safety
    /// `object` is a list, and alive.
    pub unsafe fn new(
        py: Python<'_>,
        object: *mut PyObject,
        item_type: Ty,
        pins: &mut Pins,
    ) -> Option<ListPlan> {
        // SAFETY: as promised; the item is alive while its list is.
        unsafe {
            let example = example(object, item_type)?;
            let nothing = core::ptr::null_mut();
            Some(ListPlan {
                item: unbox::Plan::new(py, example, nothing, item_type, item_type, pins)?,
                item_type,
                cell: Cell::of(item_type)?,
                boxing: super::ListPlan::new(py, item_type, pins).ok()??,
            })
        }
    }

    /// Copies the items of a list, unless that has been done for this call.
    ///
    /// # Safety
    /// `object` is alive; there is room for one slot.
    pub unsafe fn unbox(
        &self,
        object: *mut PyObject,
        out: &mut *mut u64,
        made: &mut Made,
    ) -> Outcome {
        // SAFETY: as promised; each item is alive while it is in the list.
        unsafe {
            if class(object) != &raw mut ffi::PyList_Type {
                return Outcome::Miss;
            }
            if let Some(lent) = made.lists.find(object.addr()) {
                if lent.item != self.item_type {
                    return Outcome::Miss;
                }
                return put(lent.list.addr(), out);
            }
            let py = Python::assume_attached();
            let len = ffi::PyList_Size(object).max(0) as usize;
            let form = &self.cell.form;
            let Some(list) = list::new(form.size, form.objects, form.owners, len) else {
                PyMemoryError::new_err("out of memory for a list").restore(py);
                return Outcome::Raised;
            };
            let list = list.as_ptr();
            let held = match form.owners {
                0 => core::ptr::null_mut(),
                _ => ffi::PyList_AsTuple(object),
            };
            let at = made.lists.add(Lent {
                object: Bound::from_borrowed_ptr(py, object).unbind(),
                list,
                item: self.item_type,
                before: Box::default(),
                _held: Bound::from_owned_ptr_or_opt(py, held).map(Bound::unbind),
                plan: &raw const self.boxing,
            });
            let mut slots = Slots::from_elem(0, self.cell.slots.max(1));
            for i in 0..len {
                let item = ffi::PyList_GetItem(object, i as ffi::Py_ssize_t);
                if item.is_null() {
                    return Outcome::Raised;
                }
                let outcome = self.item.unbox(item, &mut slots.as_mut_ptr(), made);
                if outcome != Outcome::Done {
                    return outcome;
                }
                self.cell.write(list::item_address(list, i), &slots);
                list::set_len(list, i + 1);
                // Strings and lists among the items also belong to `made`, until the call is over.
                list::retain_item(list, i);
            }
            made.lists.note(at, list::contents(list).into());
            put(list.addr(), out)
        }
    }
}

fn put(address: usize, out: &mut *mut u64) -> Outcome {
    // SAFETY: there is room.
    unsafe {
        **out = address as u64;
        *out = out.add(1);
    }
    Outcome::Done
}

/// An item of a list that shows what all are like: not an empty list.
unsafe fn example(list: *mut PyObject, item: Ty) -> Option<*mut PyObject> {
    // SAFETY: a list that is alive.
    unsafe {
        let items = (0..ffi::PyList_Size(list)).map(|i| ffi::PyList_GetItem(list, i));
        let is_list = matches!(item.kind(), Kind::List(_));
        items
            .into_iter()
            .find(|&item| !is_list || ffi::PyList_Size(item) > 0)
    }
}
