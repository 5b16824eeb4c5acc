//! Lists across the boundary.
//!
//! A list argument becomes a list of the runtime, and when the call is over, also by an exception, the
//! Python list gets what has changed. Each Python list is copied once a call, however often it is passed,
//! and comes back as itself where the code returns it. Results that are no arguments become new lists.

use ferdelance_abi::layout::List;
use ferdelance_compiler::lower::ListForm;
use ferdelance_compiler::types::Ty;
use ferdelance_runtime::{list, object};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::boxing::{self, Context};
use crate::handles::Pins;
use crate::num::slots;

pub mod unboxing;

/// How items lie in lists, and what is put into slots.
struct Cell {
    form: ListForm,
    slots: usize,
    signed: bool,
}

/// The slots of an item.
type Slots = SmallVec<[u64; 8]>;

impl Cell {
    fn of(item: Ty) -> Option<Cell> {
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
    /// `item` is an item of such a list.
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
    /// There is room for an item of such a list.
    unsafe fn write(&self, item: *mut u8, slots: &[u64]) {
        let size = self.form.size as usize;
        // SAFETY: as promised. The low bytes of a slot come first; an item of its own size has one slot.
        unsafe { core::ptr::copy_nonoverlapping(slots.as_ptr().cast::<u8>(), item, size) };
    }
}

/// A Python list that a call works on a copy of.
pub struct Lent {
    object: Py<PyAny>,
    /// The copy; one reference is ours.
    list: *mut List,
    item: Ty,
    /// The copy's items as they were.
    before: Box<[u8]>,
    /// What keeps memory alive that the items borrow.
    _held: Option<Py<PyAny>>,
    plan: *const ListPlan,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { object::obj_release(self.list.cast()) };
    }
}

impl Lent {
    /// Whether items were put in, taken out or changed.
    fn has_changed(&self) -> bool {
        // SAFETY: the list is alive, and nobody is writing to it any more.
        unsafe { list::contents(self.list) != &*self.before }
    }
}

/// The lists of a call. Most calls have none, and pay for one word.
#[derive(Default)]
pub struct Lending(Option<Box<Lists>>);

#[derive(Default)]
struct Lists {
    all: Vec<Lent>,
    /// Where they are, by the addresses of the Python lists and of the copies.
    places: FxHashMap<usize, usize>,
}

impl Lending {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn all(&self) -> &[Lent] {
        self.0.as_ref().map_or(&[], |lists| &lists.all)
    }

    fn find(&self, address: usize) -> Option<&Lent> {
        let lists = self.0.as_ref()?;
        lists.places.get(&address).map(|&at| &lists.all[at])
    }

    /// Adds a list; where it is.
    fn add(&mut self, lent: Lent) -> usize {
        let lists = self.0.get_or_insert_default();
        let at = lists.all.len();
        lists.places.insert(lent.object.as_ptr().addr(), at);
        lists.places.insert(lent.list.addr(), at);
        lists.all.push(lent);
        at
    }

    /// Notes what a list is before the call.
    fn note(&mut self, at: usize, before: Box<[u8]>) {
        if let Some(lists) = &mut self.0 {
            lists.all[at].before = before;
        }
    }
}

/// Makes the Python lists of a call what their copies are now; false, with an exception, if that fails.
///
/// # Safety
/// The GIL is held, and the code that the lists were lent to has returned.
#[cold]
pub unsafe fn give_back(cx: &Context<'_>) -> bool {
    cx.lent
        .all()
        .iter()
        .filter(|lent| lent.has_changed())
        .all(|lent| {
            // SAFETY: the plan lives as long as the route that is being called.
            unsafe {
                let items = (*lent.plan).items(lent.list, cx);
                if items.is_null() {
                    return false;
                }
                let done =
                    ffi::PyList_SetSlice(lent.object.as_ptr(), 0, ffi::Py_ssize_t::MAX, items);
                ffi::Py_DecRef(items);
                done == 0
            }
        })
}

/// How to box a list.
pub struct ListPlan {
    item: boxing::Plan,
    cell: Cell,
}

impl ListPlan {
    /// `None` if items of this type cannot be in a list.
    pub fn new(py: Python<'_>, item: Ty, pins: &mut Pins) -> PyResult<Option<ListPlan>> {
        let plan = boxing::Plan::new(py, item, pins)?;
        Ok(Cell::of(item).map(|cell| ListPlan { item: plan, cell }))
    }

    /// The Python list that a runtime list came from, or a new one; takes over a reference to the list.
    ///
    /// # Safety
    /// `list` is a list of such items; the GIL is held.
    pub unsafe fn make(&self, list: *mut List, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            let object = match cx.lent.find(list.addr()) {
                Some(lent) => {
                    let object = lent.object.as_ptr();
                    ffi::Py_IncRef(object);
                    object
                }
                None => self.items(list, cx),
            };
            object::obj_release(list.cast());
            object
        }
    }

    /// A new Python list of the items; null, with an exception, if there is no memory.
    unsafe fn items(&self, list: *mut List, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as for `make`.
        unsafe {
            let len = list::len(list);
            let object = ffi::PyList_New(len as ffi::Py_ssize_t);
            if object.is_null() {
                return object;
            }
            for i in 0..len {
                // Boxing takes over what the item holds; the list goes on holding it.
                list::retain_item(list, i);
                let slots = self.cell.read(list::item_address(list, i));
                let item = self.item.make(&mut slots.as_ptr(), cx);
                if item.is_null() || ffi::PyList_SetItem(object, i as ffi::Py_ssize_t, item) != 0 {
                    ffi::Py_DecRef(object);
                    return core::ptr::null_mut();
                }
            }
            object
        }
    }
}
