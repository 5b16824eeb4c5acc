//! `typed.Dict`: a dict of the runtime that Python sees as it is.
//!
//! The Python object has a reference to the dict, and what is put into it by either side is seen by the
//! other. Its methods are compiled code (`ferdelance.typed`). What compiled code borrows for a call (the
//! memory of arrays) must not stay in such a dict: after each call that has touched it, it gets
//! references of its own ([`own`]).

use core::cell::Cell;
use core::ptr;

use ferdelance_abi::layout::{Dict, OWNER_BORROWED, OWNER_STATIC, Object};
use ferdelance_compiler::lower::{ListForm, dict_entry};
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::{dict, list, memory, object};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::boxing::Frozen;
use crate::handles::Pins;
use crate::{living, types};

/// What is used with the GIL held only.
struct Held<T>(T);

// SAFETY: Python calls methods, and drops objects, with the GIL held.
unsafe impl<T> Send for Held<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Held<T> {}

/// What an object stands for.
#[derive(Clone, Copy)]
struct Content {
    ty: Ty,
    /// One reference is ours.
    dict: *mut Dict,
}

/// The base of `typed.Dict`: a reference to a dict, once its types are known.
#[pyclass(module = "ferdelance.typed", subclass, frozen)]
pub struct TypedDict(Held<Cell<Option<Content>>>);

impl Drop for TypedDict {
    fn drop(&mut self) {
        if let Some(content) = self.0.0.get() {
            living::remove(content.dict.addr());
            // SAFETY: ours.
            unsafe { object::obj_release(content.dict.cast()) };
        }
    }
}

#[pymethods]
impl TypedDict {
    #[new]
    #[pyo3(signature = (*_args, **_keywords))]
    fn new(_args: &Bound<'_, PyAny>, _keywords: Option<&Bound<'_, PyAny>>) -> TypedDict {
        TypedDict(Held(Cell::new(None)))
    }

    /// Makes it an empty dict of a type, given as its encoding.
    fn _begin(this: &Bound<'_, Self>, encoding: &Bound<'_, PyAny>) -> PyResult<()> {
        let ty = types::decode(encoding, &mut Pins::default())?;
        let form = dict_entry(ty).and_then(ListForm::of);
        let (Some(form), Kind::Dict { typed: true, .. }) = (form, ty.kind()) else {
            return Err(PyTypeError::new_err(format!(
                "there are no dicts of type {ty}"
            )));
        };
        let Some(dict) = dict::new(form.size, form.objects, form.owners, 0) else {
            return Err(PyMemoryError::new_err("out of memory for a dict"));
        };
        TypedDict::adopt(this, ty, dict.as_ptr())
    }

    /// The encoding of its type; None if that is not known yet.
    fn _type<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let content = self.0.0.get();
        content
            .map(|content| types::encode(py, content.ty))
            .transpose()
    }
}

impl TypedDict {
    /// Takes over a reference to a dict.
    fn adopt(this: &Bound<'_, Self>, ty: Ty, dict: *mut Dict) -> PyResult<()> {
        let content = &this.get().0.0;
        if content.get().is_some() {
            // SAFETY: taken over.
            unsafe { object::obj_release(dict.cast()) };
            return Err(PyRuntimeError::new_err(
                "the types of this dict are known already",
            ));
        }
        content.set(Some(Content { ty, dict }));
        living::add(dict.expose_provenance(), this.as_ptr());
        Ok(())
    }
}

/// The type of a `typed.Dict`; `None` if the object is none, an error if it has no type yet.
pub fn type_of(object: &Bound<'_, PyAny>) -> Option<PyResult<Ty>> {
    let dict = object.cast::<TypedDict>().ok()?;
    Some(match dict.get().0.0.get() {
        Some(content) => Ok(content.ty),
        None => Err(PyTypeError::new_err(
            "the types of an empty typed.Dict() are not known: put something in first, or make it with \
             typed.Dict.empty(key_type, value_type)",
        )),
    })
}

/// The dict of a `typed.Dict` that may borrow memory; `None` if the object is something else.
pub fn borrowing(object: &Bound<'_, PyAny>) -> Option<*mut Dict> {
    let content = object.cast::<TypedDict>().ok()?.get().0.0.get()?;
    may_borrow(content.ty).then_some(content.dict)
}

/// The dict of a `typed.Dict` of a type; `None` if the object is something else.
///
/// # Safety
/// `object` is alive; the GIL is held.
pub unsafe fn of(object: *mut PyObject, ty: Ty) -> Option<*mut Dict> {
    // SAFETY: as promised.
    let object = unsafe { Bound::from_borrowed_ptr(Python::assume_attached(), object) };
    let content = object.cast::<TypedDict>().ok()?.get().0.0.get()?;
    (content.ty == ty).then_some(content.dict)
}

/// How to box a dict.
pub struct Plan {
    ty: Ty,
    /// `typed.Dict`, pinned.
    class: *mut PyObject,
    borrows: bool,
}

impl Plan {
    pub fn new(py: Python<'_>, ty: Ty, pins: &mut Pins) -> PyResult<Plan> {
        let class = py.import("ferdelance.typed")?.getattr("Dict")?;
        pins.add(&class);
        Ok(Plan {
            ty: ty.strong(),
            class: class.as_ptr(),
            borrows: may_borrow(ty),
        })
    }

    /// The Python object of a dict; takes over a reference to it. Null, with an exception, on failure.
    ///
    /// # Safety
    /// `dict` is of the plan's type; the GIL is held.
    pub unsafe fn make(&self, dict: *mut Dict, frozen: &Frozen) -> *mut PyObject {
        // SAFETY: as promised; the class is pinned.
        unsafe {
            if let Some(known) = living::find(dict.addr()) {
                object::obj_release(dict.cast());
                return known;
            }
            if self.borrows {
                own(dict, frozen);
            }
            let py = Python::assume_attached();
            let class = Bound::from_borrowed_ptr(py, self.class);
            let made = class.call0().and_then(|made| {
                let made = made.cast_into::<TypedDict>()?;
                TypedDict::adopt(&made, self.ty, dict)?;
                Ok(made)
            });
            match made {
                Ok(made) => made.into_ptr(),
                Err(error) => {
                    error.restore(py);
                    ptr::null_mut()
                }
            }
        }
    }
}

/// Whether values of a type may refer to memory that is borrowed for a call.
pub fn may_borrow(ty: Ty) -> bool {
    match *ty.kind() {
        Kind::Array(_) | Kind::Buffer(..) | Kind::Record(_) | Kind::Chars { .. } => true,
        Kind::Generator(_) => true,
        Kind::List(item) | Kind::Optional(item) => may_borrow(item),
        Kind::Dict { item, .. } | Kind::Set { item, .. } => may_borrow(item),
        Kind::Tuple(ref items) | Kind::NamedTuple(_, ref items) => {
            items.iter().any(|&item| may_borrow(item))
        }
        _ => false,
    }
}

/// Has a dict own what it borrows.
///
/// # Safety
/// The dict is live, and what it borrows is still there; the GIL is held.
pub unsafe fn own(dict: *mut Dict, frozen: &Frozen) {
    // SAFETY: as promised; the address of the memory follows the owner word of an array.
    unsafe {
        list::each_owner(dict.cast::<Object>(), &mut |word| {
            let data = *word.add(1).cast::<*mut u8>();
            let owner = *word;
            let object = if owner & OWNER_BORROWED != 0 {
                ptr::with_exposed_provenance_mut::<PyObject>(owner & !OWNER_BORROWED)
            } else if owner == OWNER_STATIC
                && let Some(object) = frozen.find(data)
            {
                object
            } else {
                return;
            };
            ffi::Py_IncRef(object);
            let buffer = memory::buffer_from_object(object.cast(), data, 0);
            *word = buffer.expose_provenance();
        });
    }
}
