//! Lists, dicts and sets across the boundary.
//!
//! A container argument becomes a container of the runtime, and when the call is over, also by an
//! exception, the Python object gets what has changed. Each Python object is copied once a call, however
//! often it is passed, and comes back as itself where the code returns it. Results that are no arguments
//! become new objects.

use ferdelance_abi::layout::List;
use ferdelance_compiler::lower::{ListForm, dict_entry};
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::{dict, list, object};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::boxing::{self, Context};
use crate::handles::Pins;
use crate::num::slots;

mod hash;
pub mod keyed;
pub mod unboxing;

/// Which container it is. All of them are lists to the runtime; the items of a dict or a set are its
/// entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    List,
    Dict,
    Set,
    FrozenSet,
}

impl Shape {
    fn of(container: Ty) -> Option<Shape> {
        match container.kind() {
            Kind::List(_) => Some(Shape::List),
            Kind::Dict { typed: false, .. } => Some(Shape::Dict),
            Kind::Set { frozen: false, .. } => Some(Shape::Set),
            Kind::Set { frozen: true, .. } => Some(Shape::FrozenSet),
            _ => None,
        }
    }

    /// How many items are there.
    ///
    /// # Safety
    /// `container` is live and of this shape.
    unsafe fn len(self, container: *const List) -> usize {
        // SAFETY: as promised; a dict begins with the list of its entries.
        unsafe {
            match self {
                Shape::List => list::len(container),
                Shape::Dict | Shape::Set | Shape::FrozenSet => dict::len(container.cast()),
            }
        }
    }

    /// A new Python object without items; a list has room for so many that are written next.
    fn empty(self, len: usize) -> *mut PyObject {
        // SAFETY: the GIL is held wherever containers are made.
        unsafe {
            match self {
                Shape::List => ffi::PyList_New(len as ffi::Py_ssize_t),
                Shape::Dict => ffi::PyDict_New(),
                Shape::Set => ffi::PySet_New(core::ptr::null_mut()),
                // As long as nobody else has it, it can be added to.
                Shape::FrozenSet => ffi::PyFrozenSet_New(core::ptr::null_mut()),
            }
        }
    }

    /// Makes a Python object what another one is; false, with an exception, if that fails.
    ///
    /// # Safety
    /// Both are of this shape; the GIL is held.
    unsafe fn replace(self, object: *mut PyObject, new: *mut PyObject) -> bool {
        // SAFETY: as promised.
        unsafe {
            match self {
                Shape::List => ffi::PyList_SetSlice(object, 0, ffi::Py_ssize_t::MAX, new) == 0,
                Shape::Dict => {
                    ffi::PyDict_Clear(object);
                    ffi::PyDict_Update(object, new) == 0
                }
                // Nothing changes in there.
                Shape::FrozenSet => true,
                Shape::Set => {
                    let py = Python::assume_attached();
                    let (object, new) = (
                        Bound::from_borrowed_ptr(py, object),
                        Bound::from_borrowed_ptr(py, new),
                    );
                    let done = object
                        .call_method0("clear")
                        .and_then(|_| object.call_method1("update", (new,)));
                    done.map_err(|e| e.restore(py)).is_ok()
                }
            }
        }
    }
}

/// How items lie in containers, and what is put into slots.
struct Cell {
    form: ListForm,
    slots: usize,
    signed: bool,
}

/// The slots of an item.
type Slots = SmallVec<[u64; 8]>;

impl Cell {
    /// Of the items of a container: those of a dict or a set are a hash, a key and a value.
    fn of(container: Ty) -> Option<Cell> {
        let item = match dict_entry(container) {
            Some(entry) => entry,
            None => container.list_item()?,
        };
        let form = ListForm::of(item)?;
        let slots = slots(item);
        // One value of its own size, or slots.
        let fits = form.size < 8 && slots <= 1 || form.size as usize == 8 * slots;
        fits.then(|| Cell {
            form,
            slots,
            signed: item.is_signed(),
        })
    }

    /// # Safety
    /// `item` is an item of such a container.
    unsafe fn read(&self, item: *const u8) -> Slots {
        // SAFETY: as promised. Signs are extended where there are signs.
        unsafe {
            match (self.form.size, self.signed) {
                (1, true) => Slots::from_elem(i64::from(*item.cast::<i8>()).cast_unsigned(), 1),
                (2, true) => Slots::from_elem(i64::from(*item.cast::<i16>()).cast_unsigned(), 1),
                (4, true) => Slots::from_elem(i64::from(*item.cast::<i32>()).cast_unsigned(), 1),
                (1, false) => Slots::from_elem((*item).into(), 1),
                (2, false) => Slots::from_elem((*item.cast::<u16>()).into(), 1),
                (4, false) => Slots::from_elem((*item.cast::<u32>()).into(), 1),
                _ => core::slice::from_raw_parts(item.cast::<u64>(), self.slots).into(),
            }
        }
    }

    /// # Safety
    /// There is room for an item of such a container.
    unsafe fn write(&self, item: *mut u8, slots: &[u64]) {
        let size = self.form.size as usize;
        // SAFETY: as promised. The low bytes of a slot come first; an item of its own size has one slot.
        unsafe { core::ptr::copy_nonoverlapping(slots.as_ptr().cast::<u8>(), item, size) };
    }
}

/// A Python container that a call works on a copy of.
pub struct Lent {
    object: Py<PyAny>,
    /// The copy; one reference is ours.
    copy: *mut List,
    ty: Ty,
    /// The copy's items as they were.
    before: Box<[u8]>,
    /// What keeps memory alive that the items borrow.
    _held: Option<Py<PyAny>>,
    plan: *const ContainerPlan,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { object::obj_release(self.copy.cast()) };
    }
}

impl Lent {
    /// Whether items were put in, taken out or changed.
    fn has_changed(&self) -> bool {
        // SAFETY: the copy is alive, and nobody is writing to it any more.
        unsafe { list::contents(self.copy) != &*self.before }
    }
}

/// The containers of a call. Most calls have none, and pay for one word.
#[derive(Default)]
pub struct Lending(Option<Box<Containers>>);

#[derive(Default)]
struct Containers {
    all: Vec<Lent>,
    /// Where they are, by the addresses of the Python objects and of the copies.
    places: FxHashMap<usize, usize>,
}

impl Lending {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn all(&self) -> &[Lent] {
        self.0.as_ref().map_or(&[], |containers| &containers.all)
    }

    fn find(&self, address: usize) -> Option<&Lent> {
        let containers = self.0.as_ref()?;
        containers
            .places
            .get(&address)
            .map(|&at| &containers.all[at])
    }

    /// Adds a container; where it is.
    fn add(&mut self, lent: Lent) -> usize {
        let containers = self.0.get_or_insert_default();
        let at = containers.all.len();
        containers.places.insert(lent.object.as_ptr().addr(), at);
        containers.places.insert(lent.copy.addr(), at);
        containers.all.push(lent);
        at
    }

    /// Notes what a container is before the call.
    fn note(&mut self, at: usize, before: Box<[u8]>) {
        if let Some(containers) = &mut self.0 {
            containers.all[at].before = before;
        }
    }
}

/// Makes the Python containers of a call what their copies are now; false, with an exception, if that
/// fails.
///
/// # Safety
/// The GIL is held, and the code that the containers were lent to has returned.
#[cold]
pub unsafe fn give_back(cx: &Context<'_>) -> bool {
    cx.lent
        .all()
        .iter()
        .filter(|lent| lent.has_changed())
        .all(|lent| {
            // SAFETY: the plan lives as long as the route that is being called.
            unsafe {
                let plan = &*lent.plan;
                let new = plan.items(lent.copy, cx);
                if new.is_null() {
                    return false;
                }
                let done = plan.shape.replace(lent.object.as_ptr(), new);
                ffi::Py_DecRef(new);
                done
            }
        })
}

/// How to box a container.
pub struct ContainerPlan {
    shape: Shape,
    /// Of an item, or of a key.
    item: boxing::Plan,
    /// Of the values of a dict.
    value: Option<boxing::Plan>,
    cell: Cell,
}

impl ContainerPlan {
    /// `None` if the type is no container, or its items cannot be in one.
    pub fn new(py: Python<'_>, ty: Ty, pins: &mut Pins) -> PyResult<Option<ContainerPlan>> {
        let (Some(shape), Some(item)) = (Shape::of(ty), ty.key().or(ty.list_item())) else {
            return Ok(None);
        };
        let item = boxing::Plan::new(py, item, pins)?;
        let value = match ty.dict_item() {
            Some((_, value)) => Some(boxing::Plan::new(py, value, pins)?),
            None => None,
        };
        Ok(Cell::of(ty).map(|cell| ContainerPlan {
            shape,
            item,
            value,
            cell,
        }))
    }

    /// The Python object that a container came from, or a new one; takes over a reference to the container.
    ///
    /// # Safety
    /// `container` is one of the plan's type; the GIL is held.
    pub unsafe fn make(&self, container: *mut List, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            let object = match cx.lent.find(container.addr()) {
                Some(lent) => {
                    let object = lent.object.as_ptr();
                    ffi::Py_IncRef(object);
                    object
                }
                None => self.items(container, cx),
            };
            object::obj_release(container.cast());
            object
        }
    }

    /// A new Python object of the items; null, with an exception, if there is no memory.
    unsafe fn items(&self, container: *mut List, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as for `make`.
        unsafe {
            let len = self.shape.len(container);
            let object = self.shape.empty(len);
            if object.is_null() {
                return object;
            }
            let done = match self.shape {
                Shape::List => (0..len).all(|i| self.put(object, i, container, cx)),
                Shape::Dict | Shape::Set | Shape::FrozenSet => {
                    dict::positions(container.cast()).all(|i| self.put(object, i, container, cx))
                }
            };
            if !done {
                ffi::Py_DecRef(object);
                return core::ptr::null_mut();
            }
            object
        }
    }

    /// Puts the item at a position into a Python object; false, with an exception, if that fails.
    ///
    /// # Safety
    /// As for `make`; there is an item at the position.
    unsafe fn put(
        &self,
        object: *mut PyObject,
        at: usize,
        container: *mut List,
        cx: &Context<'_>,
    ) -> bool {
        // SAFETY: as promised.
        unsafe {
            // Boxing takes over what the item holds; the container goes on holding it.
            list::retain_item(container, at);
            let slots = self.cell.read(list::item_address(container, at));
            let mut slots = match self.shape {
                Shape::List => slots.as_ptr(),
                // Behind the hash.
                Shape::Dict | Shape::Set | Shape::FrozenSet => slots.as_ptr().add(1),
            };
            let item = self.item.make(&mut slots, cx);
            if let Some(plan) = &self.value {
                let value = plan.make(&mut slots, cx);
                let done = !item.is_null()
                    && !value.is_null()
                    && ffi::PyDict_SetItem(object, item, value) == 0;
                ffi::Py_DecRef(item);
                ffi::Py_DecRef(value);
                return done;
            }
            if item.is_null() {
                return false;
            }
            match self.shape {
                // Takes over the reference, also where it fails.
                Shape::List => ffi::PyList_SetItem(object, at as ffi::Py_ssize_t, item) == 0,
                Shape::Dict | Shape::Set | Shape::FrozenSet => {
                    let done = ffi::PySet_Add(object, item) == 0;
                    ffi::Py_DecRef(item);
                    done
                }
            }
        }
    }
}
