//! Handles: how the compiler names Python objects.
//!
//! A [`PyRef`] is a serial number that is never used twice. The registry maps it to the object's
//! address, and the address back to the number, for as long as somebody *pins* the object: a compile in
//! progress, an overload whose code refers to it, a dispatcher for its own function. Each pin holds a
//! reference of its own, so that a dispatcher can show its pins to the garbage collector; the registry
//! itself holds none, so what nobody pins is not kept alive. An object that is pinned again after its
//! last pin went gets a new number: types that name it are then different types, which costs a compile
//! and is never wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ferdelance_compiler::types::PyRef;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

#[derive(Default)]
struct Registry {
    by_address: FxHashMap<usize, PyRef>,
    by_handle: FxHashMap<PyRef, Entry>,
    last: u64,
}

struct Entry {
    address: usize,
    owners: usize,
}

/// Held for a few instructions, always with the GIL, never across a call into Python.
fn registry() -> MutexGuard<'static, Option<Registry>> {
    static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The object's number, with one owner more.
fn register(address: usize) -> PyRef {
    let mut guard = registry();
    let registry = guard.get_or_insert_default();
    if let Some(&handle) = registry.by_address.get(&address) {
        if let Some(entry) = registry.by_handle.get_mut(&handle) {
            entry.owners += 1;
        }
        return handle;
    }
    registry.last += 1;
    let handle = PyRef(registry.last);
    registry.by_address.insert(address, handle);
    registry
        .by_handle
        .insert(handle, Entry { address, owners: 1 });
    handle
}

/// One owner less.
fn release(handle: PyRef) {
    let mut guard = registry();
    let registry = guard.get_or_insert_default();
    if let Some(entry) = registry.by_handle.get_mut(&handle) {
        entry.owners -= 1;
        if entry.owners == 0 {
            let address = entry.address;
            registry.by_handle.remove(&handle);
            registry.by_address.remove(&address);
        }
    }
}

/// Keeps an object alive and its number valid.
pub struct Pin {
    handle: PyRef,
    object: Py<PyAny>,
}

impl Pin {
    pub fn new(object: &Bound<'_, PyAny>) -> Pin {
        Pin {
            handle: register(object.as_ptr().expose_provenance()),
            object: object.clone().unbind(),
        }
    }
    pub fn handle(&self) -> PyRef {
        self.handle
    }
    pub fn as_ptr(&self) -> *mut PyObject {
        self.object.as_ptr()
    }
    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.object.bind(py)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Before the reference goes: afterwards the address may be another object's.
        release(self.handle);
    }
}

/// Keeps a number valid without keeping the object alive; its owner is the object itself.
pub struct Name(PyRef);

impl Name {
    pub fn of(object: *mut PyObject) -> Name {
        Name(register(object.expose_provenance()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// The object that a number means, if somebody still pins it.
pub fn lookup(py: Python<'_>, handle: PyRef) -> Option<Bound<'_, PyAny>> {
    let address = registry().as_ref()?.by_handle.get(&handle)?.address;
    // SAFETY: an entry exists only while its owners keep the object alive, and they give up the entry
    // before the object, holding the GIL.
    Some(unsafe { Bound::from_borrowed_ptr(py, core::ptr::with_exposed_provenance_mut(address)) })
}

/// Pins, each object once.
#[derive(Default)]
pub struct Pins(FxHashMap<PyRef, Pin>);

impl Pins {
    pub fn add(&mut self, object: &Bound<'_, PyAny>) -> PyRef {
        let pin = Pin::new(object);
        let handle = pin.handle();
        // A second pin would do no harm; it only takes room.
        self.0.entry(handle).or_insert(pin);
        handle
    }
    pub fn merge(&mut self, other: Pins) {
        self.0.extend(other.0);
    }
    pub fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.0.values()
    }
}
