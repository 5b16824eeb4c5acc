//! The debugger's interface for code made at run time: GDB (and LLDB) stop at
//! `__jit_debug_register_code` and read the list in `__jit_debug_descriptor`.

use std::ptr;

use super::image::Image;
use super::lock::ForkLock;
use crate::error::Error;

/// An element of the debugger's list of object files.
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    prev: *mut CodeEntry,
    file: *const u8,
    size: u64,
}

#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut CodeEntry,
    first: *mut CodeEntry,
}

/// Actions of [`Descriptor`].
const NOTHING: u32 = 0;
const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// The debugger stops here when the list changes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // Keeps calls from being optimised away.
    std::hint::black_box(());
}

#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor = Descriptor {
    version: 1,
    action: NOTHING,
    relevant: ptr::null_mut(),
    first: ptr::null_mut(),
};

/// Guards the list.
static LIST: ForkLock<()> = ForkLock::new(());

/// An object file that debuggers know; they keep knowing it when this is dropped.
#[derive(Debug)]
pub(super) struct Registered(*mut CodeEntry);

// SAFETY: the entry is reached under the lock only, and by the debugger while the process stands still.
unsafe impl Send for Registered {}
// SAFETY: as above; `&Registered` gives access to nothing.
unsafe impl Sync for Registered {}

/// Offsets in the ELF-64 header and in section headers.
mod offset {
    pub const SECTION_TABLE: usize = 0x28;
    pub const SECTION_SIZE: usize = 0x3a;
    pub const SECTION_ADDRESS: usize = 0x10;
}

/// The object with the addresses that its sections have in memory.
fn with_addresses(bytes: &[u8], image: &Image) -> Result<Box<[u8]>, Error> {
    let mut copy: Box<[u8]> = bytes.into();
    let field = |at: usize, size: usize| {
        let bytes = bytes.get(at..at + size);
        let value = bytes.map(|b| {
            b.iter()
                .rev()
                .fold(0_usize, |n, &b| n << 8 | usize::from(b))
        });
        value.ok_or_else(|| Error::link("a truncated ELF header"))
    };
    let table = field(offset::SECTION_TABLE, 8)?;
    let size = field(offset::SECTION_SIZE, 2)?;
    for (&index, &address) in &image.sections {
        let at = table + index * size + offset::SECTION_ADDRESS;
        let slot = copy
            .get_mut(at..at + 8)
            .ok_or_else(|| Error::link("a truncated section table"))?;
        slot.copy_from_slice(&(address as u64).to_le_bytes());
    }
    Ok(copy)
}

impl Registered {
    /// Tells debuggers about a loaded object.
    pub fn new(bytes: &[u8], image: &Image) -> Result<Registered, Error> {
        let file = Box::leak(with_addresses(bytes, image)?);
        let _guard = LIST.lock();
        // SAFETY: the list is changed under the lock; its elements are leaked boxes.
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            let first = (*list).first;
            let entry = Box::into_raw(Box::new(CodeEntry {
                next: first,
                prev: ptr::null_mut(),
                file: file.as_ptr(),
                size: file.len() as u64,
            }));
            if !first.is_null() {
                (*first).prev = entry;
            }
            (*list).first = entry;
            announce(entry, REGISTER);
            Ok(Registered(entry))
        }
    }

    /// Takes the object out of the list.
    pub fn remove(self) {
        let _guard = LIST.lock();
        // SAFETY: under the lock; the entry was made by `new` and is removed once (`self` is consumed).
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            let CodeEntry {
                next,
                prev,
                file,
                size,
            } = *self.0;
            if prev.is_null() {
                (*list).first = next;
            } else {
                (*prev).next = next;
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
            announce(self.0, UNREGISTER);
            drop(Box::from_raw(self.0));
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(
                file.cast_mut(),
                size as usize,
            )));
        }
    }
}

/// # Safety
/// Under the lock, with a live entry.
unsafe fn announce(entry: *mut CodeEntry, action: u32) {
    // SAFETY: nobody else changes the descriptor.
    unsafe {
        let list = &raw mut __jit_debug_descriptor;
        (&raw mut (*list).relevant).write_volatile(entry);
        (&raw mut (*list).action).write_volatile(action);
        __jit_debug_register_code();
        (&raw mut (*list).action).write_volatile(NOTHING);
        (&raw mut (*list).relevant).write_volatile(ptr::null_mut());
    }
}
