//! Python's containers to those of the runtime.

use ferdelance_abi::layout::List;
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::{dict, list};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

use super::{Cell, Lent, Shape, Slots, hash};
use crate::handles::Pins;
use crate::layouts::class;
use crate::num::slots;
use crate::unbox::{self, Made, Outcome};

/// How to recognise and unbox a container.
pub struct ContainerPlan {
    shape: Shape,
    ty: Ty,
    /// Of an item, or of a key.
    item: unbox::Plan,
    /// Of the values of a dict.
    value: Option<unbox::Plan>,
    cell: Cell,
    /// For the way back.
    boxing: super::ContainerPlan,
}

impl Shape {
    fn class(self) -> *mut PyTypeObject {
        match self {
            Shape::List => &raw mut ffi::PyList_Type,
            Shape::Dict => &raw mut ffi::PyDict_Type,
            Shape::Set => &raw mut ffi::PySet_Type,
            Shape::FrozenSet => &raw mut ffi::PyFrozenSet_Type,
        }
    }

    /// A container of the runtime with room for so many items; null if there is no memory.
    fn room(self, cell: &Cell, len: usize) -> *mut List {
        let (size, objects, owners) = (cell.form.size, cell.form.objects, cell.form.owners);
        let made = match self {
            Shape::List => list::new(size, objects, owners, len),
            Shape::Dict | Shape::Set | Shape::FrozenSet => {
                dict::new(size, objects, owners, len).map(|dict| dict.cast())
            }
        };
        made.map_or(core::ptr::null_mut(), |made| made.as_ptr())
    }
}

impl ContainerPlan {
    /// The plan for containers like `object`, which has an item.
    ///
    /// # Safety
    /// `object` is a container of this type, and alive.
    pub unsafe fn new(
        py: Python<'_>,
        object: *mut PyObject,
        ty: Ty,
        pins: &mut Pins,
    ) -> Option<ContainerPlan> {
        // SAFETY: as promised; the items are alive while their container is.
        let container = unsafe { Bound::from_borrowed_ptr(py, object) };
        let shape = Shape::of(ty)?;
        let item_type = ty.key().or(ty.list_item())?;
        let mut plan = |items: &Bound<'_, PyAny>, ty: Ty| {
            let (content, optional) = match *ty.kind() {
                Kind::Optional(content) => (content, true),
                _ => (ty, false),
            };
            let (object, nothing) = (example(items, content)?, core::ptr::null_mut());
            // SAFETY: alive.
            let plan =
                unsafe { unbox::Plan::new(py, object.as_ptr(), nothing, content, content, pins)? };
            Some(if optional {
                unbox::Plan::Either(Box::new(plan), slots(content))
            } else {
                plan
            })
        };
        let item = plan(&container, item_type)?;
        let value = match ty.dict_item() {
            Some((_, ty)) => Some(plan(&container.call_method0("values").ok()?, ty)?),
            None => None,
        };
        Some(ContainerPlan {
            shape,
            ty,
            item,
            value,
            cell: Cell::of(ty)?,
            boxing: super::ContainerPlan::new(py, ty, pins).ok()??,
        })
    }

    /// Copies the items of a container, unless that has been done for this call.
    ///
    /// # Safety
    /// `object` is alive; there is room for one slot.
    pub unsafe fn unbox(
        &self,
        object: *mut PyObject,
        out: &mut *mut u64,
        made: &mut Made,
    ) -> Outcome {
        // SAFETY: as promised; each item is alive while it is in the container, which nobody changes.
        unsafe {
            if class(object) != self.shape.class() {
                return Outcome::Miss;
            }
            if let Some(lent) = made.containers.find(object.addr()) {
                if lent.ty != self.ty {
                    return Outcome::Miss;
                }
                return put(lent.copy.addr(), out);
            }
            let py = Python::assume_attached();
            let len = ffi::PyObject_Size(object).max(0) as usize;
            let copy = self.shape.room(&self.cell, len);
            if copy.is_null() {
                PyMemoryError::new_err("out of memory for a container").restore(py);
                return Outcome::Raised;
            }
            let held = match (self.cell.form.owners, self.shape) {
                (0, _) => core::ptr::null_mut(),
                (_, Shape::Dict) => ffi::PyDict_Copy(object),
                _ => ffi::PySequence_Tuple(object),
            };
            let at = made.containers.add(Lent {
                object: Bound::from_borrowed_ptr(py, object).unbind(),
                copy,
                ty: self.ty,
                before: Box::default(),
                _held: Bound::from_owned_ptr_or_opt(py, held).map(Bound::unbind),
                plan: &raw const self.boxing,
            });
            let outcome = match self.shape {
                Shape::List => self.list(object, len, copy, made),
                Shape::Dict => self.dict(object, copy, made),
                Shape::Set | Shape::FrozenSet => self.set(object, copy, made),
            };
            if outcome != Outcome::Done {
                return outcome;
            }
            made.containers.note(at, list::contents(copy).into());
            put(copy.addr(), out)
        }
    }

    /// # Safety
    /// `object` is a list of this length, and the copy has room for its items.
    unsafe fn list(
        &self,
        object: *mut PyObject,
        len: usize,
        copy: *mut List,
        made: &mut Made,
    ) -> Outcome {
        let mut slots = Slots::from_elem(0, self.cell.slots.max(1));
        // SAFETY: as promised.
        unsafe {
            for i in 0..len {
                let item = ffi::PyList_GetItem(object, i as ffi::Py_ssize_t);
                if item.is_null() {
                    return Outcome::Raised;
                }
                let outcome = self.item.unbox(item, &mut slots.as_mut_ptr(), made);
                if outcome != Outcome::Done {
                    return outcome;
                }
                self.cell.write(list::item_address(copy, i), &slots);
                list::set_len(copy, i + 1);
                // Strings and containers among the items also belong to `made`, until the call is over.
                list::retain_item(copy, i);
            }
        }
        Outcome::Done
    }

    /// # Safety
    /// `object` is a dict.
    unsafe fn dict(&self, object: *mut PyObject, copy: *mut List, made: &mut Made) -> Outcome {
        let mut position = 0;
        let (mut key, mut value) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: as promised; unboxing runs no Python code that could change the dict.
        unsafe {
            while ffi::PyDict_Next(object, &mut position, &mut key, &mut value) != 0 {
                let outcome = self.entry(key, Some(value), copy, made);
                if outcome != Outcome::Done {
                    return outcome;
                }
            }
        }
        Outcome::Done
    }

    /// # Safety
    /// `object` is a set, frozen or not.
    unsafe fn set(&self, object: *mut PyObject, copy: *mut List, made: &mut Made) -> Outcome {
        // SAFETY: as promised; the iterator and its items are ours.
        unsafe {
            let items = ffi::PyObject_GetIter(object);
            if items.is_null() {
                return Outcome::Raised;
            }
            let mut outcome = Outcome::Done;
            while outcome == Outcome::Done {
                let item = ffi::PyIter_Next(items);
                if item.is_null() {
                    if !ffi::PyErr_Occurred().is_null() {
                        outcome = Outcome::Raised;
                    }
                    break;
                }
                outcome = self.entry(item, None, copy, made);
                ffi::Py_DecRef(item);
            }
            ffi::Py_DecRef(items);
            outcome
        }
    }

    /// Copies an entry of a dict, or an item of a set. Python has no two that are equal.
    ///
    /// # Safety
    /// The objects are alive.
    unsafe fn entry(
        &self,
        key: *mut PyObject,
        value: Option<*mut PyObject>,
        copy: *mut List,
        made: &mut Made,
    ) -> Outcome {
        let mut entry = Slots::from_elem(0, self.cell.slots);
        let key_type = self.ty.key().unwrap_or(self.ty);
        // SAFETY: as promised; an entry is a hash and the slots of key and value.
        unsafe {
            let mut out = entry.as_mut_ptr().add(1);
            let mut outcome = self.item.unbox(key, &mut out, made);
            if let (Outcome::Done, Some(plan), Some(value)) = (outcome, &self.value, value) {
                outcome = plan.unbox(value, &mut out, made);
            }
            if outcome != Outcome::Done {
                return outcome;
            }
            entry[0] = hash::of_key(key_type, &entry[1..=slots(key_type)]);
            let Some(at) = dict::insert(copy.cast(), entry[0]) else {
                let py = Python::assume_attached();
                PyMemoryError::new_err("out of memory for a container").restore(py);
                return Outcome::Raised;
            };
            self.cell.write(list::item_address(copy, at), &entry);
            // What it refers to also belongs to `made`, until the call is over.
            list::retain_item(copy, at);
        }
        Outcome::Done
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

/// An item that shows what all are like: not an empty container, and not None among others.
fn example<'py>(items: &Bound<'py, PyAny>, ty: Ty) -> Option<Bound<'py, PyAny>> {
    let is_container = Shape::of(ty).is_some();
    items
        .try_iter()
        .ok()?
        .filter_map(Result::ok)
        .filter(|item| ty.is_none() || !item.is_none())
        .find(|item| !is_container || item.len().is_ok_and(|len| len > 0))
}
