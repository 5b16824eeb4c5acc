//! Generators: what a generator function keeps between two yields, as an object.
//!
//! Compiled code takes the state out of the object, goes on with it, and puts the new one in; here, objects
//! are made and freed. An object does not keep its code: whoever takes it out of compiled code does.

use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;

use ferdelance_abi::layout::{Buffer, Generator, Object, TAG_GENERATOR, Trampoline};

use crate::error::{Error, Kind};
use crate::memory::{Event, count, owner_release};
use crate::object::obj_release;

/// Bytes of a generator's state.
fn bytes(slots: usize) -> usize {
    slots * size_of::<u64>()
}

/// A generator that has not begun; its slots are zero.
///
/// # Safety
/// `resume` and `enter` are functions that run generators with such a state on; `out` is writable.
pub unsafe extern "C" fn generator_new(
    slots: i64,
    objects: i64,
    owners: i64,
    resume: *mut core::ffi::c_void,
    enter: *mut core::ffi::c_void,
    out: *mut *mut Object,
) -> *mut Error {
    let slots = usize::try_from(slots).unwrap_or(0);
    let size = size_of::<Generator>() + bytes(slots);
    // SAFETY: the size is not zero.
    let memory = NonNull::new(unsafe { libc::calloc(1, size) });
    let Some(generator) = memory.map(NonNull::cast::<Generator>) else {
        return Error::raised(Kind::MemoryError, "out of memory for a generator");
    };
    // SAFETY: a trampoline, as promised; null is none.
    let enter =
        unsafe { core::mem::transmute::<*mut core::ffi::c_void, Option<Trampoline>>(enter) };
    let header = Generator {
        count: AtomicUsize::new(1),
        len: slots,
        tag: TAG_GENERATOR,
        resume,
        enter,
        at: 0,
        objects: objects.cast_unsigned(),
        owners: owners.cast_unsigned(),
        slots: [],
    };
    // SAFETY: new memory that is large enough and aligned for everything; `out` as promised.
    unsafe {
        generator.write(header);
        *out = generator.as_ptr().cast();
    }
    count(Event::ObjectMade(bytes(slots)));
    core::ptr::null_mut()
}

/// Frees a generator and what its state refers to.
///
/// # Safety
/// `generator` has no references left.
pub(crate) unsafe fn free(generator: *mut Generator) {
    // SAFETY: as promised; the sets say what the slots hold, null where there is nothing.
    unsafe {
        let slots = (&raw mut (*generator).slots).cast::<u64>();
        let mut rest = (*generator).objects;
        while rest != 0 {
            obj_release(
                *slots
                    .add(rest.trailing_zeros() as usize)
                    .cast::<*mut Object>(),
            );
            rest &= rest - 1;
        }
        let mut rest = (*generator).owners;
        while rest != 0 {
            owner_release(
                *slots
                    .add(rest.trailing_zeros() as usize)
                    .cast::<*mut Buffer>(),
            );
            rest &= rest - 1;
        }
        count(Event::ObjectFreed(bytes((*generator).len)));
        libc::free(generator.cast());
    }
}
