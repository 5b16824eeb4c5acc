//! Dicts and sets: entries in the order in which they were put in, found by their hash.
//!
//! Compiled code hashes keys, looks for them in the index and compares them by itself: it alone knows
//! their type. Here is what changes the index: new entries, removed ones, room for more (see [`Dict`] for
//! what it looks like). The entries are the items of a list, so what lists do with references holds for
//! keys and values, too. A set is a dict without values.
//!
//! Dicts are not locked, as lists are not.

use core::mem::size_of;
use core::ptr::{self, NonNull};

use ferdelance_abi::layout::{Dict, List, TAG_DICT};

use crate::error::{Error, Kind};
use crate::list::{self, bytes, item, release_items};
use crate::memory::{Event, count};

/// Entries that a dict has room for when the first is put in.
const FIRST: usize = 8;

/// Most entries: their numbers plus 1 are cells of the index.
const MOST: usize = u32::MAX as usize - 1;

/// The index of a dict without room: nothing is found in it, and nothing is written to it.
static EMPTY: [u32; 2] = [0; 2];

const EMPTY_SHIFT: u64 = 63;

/// Number of cells of the index.
fn cells(dict: &Dict) -> usize {
    1 << (64 - dict.shift)
}

/// Bytes that the index takes.
fn index_bytes(dict: &Dict) -> usize {
    if dict.shift == EMPTY_SHIFT {
        0
    } else {
        cells(dict) * size_of::<u32>()
    }
}

/// The hash of entry `i`; 0 if it was removed.
///
/// # Safety
/// `dict` is live and has so many entries.
unsafe fn hash_at(dict: *const Dict, i: usize) -> u64 {
    // SAFETY: as promised; an entry begins with its hash.
    unsafe { item(dict.cast::<List>(), i).cast::<u64>().read() }
}

#[cold]
fn no_memory() -> *mut Error {
    Error::raised(Kind::MemoryError, "out of memory for a dict")
}

/// An empty dict with count 1; `None` if there is no memory.
pub fn new(entry_size: u32, objects: u64, owners: u64, capacity: usize) -> Option<NonNull<Dict>> {
    // SAFETY: the size is not zero.
    let dict = NonNull::new(unsafe { libc::malloc(size_of::<Dict>()) })?.cast::<Dict>();
    let header = Dict {
        entries: list::empty(TAG_DICT, entry_size, objects, owners),
        index: EMPTY.as_ptr().cast_mut(),
        shift: EMPTY_SHIFT,
        live: 0,
        filled: 0,
    };
    // SAFETY: new memory that is large enough and aligned for everything.
    unsafe { dict.as_ptr().write(header) };
    count(Event::ObjectMade(0));
    // SAFETY: just made.
    if capacity > 0 && !unsafe { resize(dict.as_ptr(), capacity) } {
        // SAFETY: the only reference.
        unsafe { free(dict.as_ptr()) };
        return None;
    }
    Some(dict)
}

/// Makes the index anew, with room for `capacity` entries at least, and closes the gaps that removed
/// entries have left; false, and nothing has changed, if there is no memory.
///
/// # Safety
/// `dict` is live and has at most so many entries that are there.
unsafe fn resize(dict: *mut Dict, capacity: usize) -> bool {
    if capacity > MOST / 2 {
        return false;
    }
    let capacity = capacity.max(FIRST).next_power_of_two();
    // At most every other cell is filled, so that searches are short.
    let cells = 2 * capacity;
    // SAFETY: the sizes are not zero; a dict that is live is what its header says.
    unsafe {
        let Some(index) = NonNull::new(libc::calloc(cells, size_of::<u32>())) else {
            return false;
        };
        let len = (*dict).entries.len;
        if !list::reserve(dict.cast(), capacity.saturating_sub(len), true) {
            libc::free(index.as_ptr());
            return false;
        }
        count(Event::ObjectGrown(
            (cells * size_of::<u32>()).saturating_sub(index_bytes(&*dict)),
        ));
        free_index(dict);
        (*dict).index = index.as_ptr().cast();
        (*dict).shift = u64::from(64 - cells.trailing_zeros());
        close_gaps(dict);
        for i in 0..(*dict).live {
            fill(dict, hash_at(dict, i), i);
        }
        (*dict).filled = (*dict).live;
        true
    }
}

/// Frees the index, which is replaced afterwards.
///
/// # Safety
/// `dict` is live.
unsafe fn free_index(dict: *mut Dict) {
    // SAFETY: as promised; all indices but the empty one are memory of the C library.
    unsafe {
        if (*dict).shift != EMPTY_SHIFT {
            libc::free((*dict).index.cast());
        }
    }
}

/// Moves the entries that are there to the front.
///
/// # Safety
/// `dict` is live; its index is made anew afterwards.
unsafe fn close_gaps(dict: *mut Dict) {
    // SAFETY: as promised; entries move down, to where none is left.
    unsafe {
        let len = (*dict).entries.len;
        if len == (*dict).live {
            return;
        }
        let size = bytes(&(*dict).entries, 1);
        let mut to = 0;
        for from in 0..len {
            if hash_at(dict, from) != 0 {
                if from != to {
                    let (source, target) = (item(dict.cast(), from), item(dict.cast(), to));
                    ptr::copy_nonoverlapping(source, target, size);
                }
                to += 1;
            }
        }
        (*dict).entries.len = to;
    }
}

/// Writes the number of an entry into the first cell for its hash that is empty.
///
/// # Safety
/// `dict` is live, and not all of its cells are filled.
unsafe fn fill(dict: *mut Dict, hash: u64, entry: usize) {
    // SAFETY: as promised; a number below the number of cells is inside the index.
    unsafe {
        let mask = cells(&*dict) - 1;
        let mut at = (hash >> (*dict).shift) as usize;
        while (*dict).index.add(at).read() != 0 {
            at = (at + 1) & mask;
        }
        (*dict).index.add(at).write(entry as u32 + 1);
    }
}

/// Adds an entry with this hash, all zero behind it; its position, or `None` if there is no memory.
///
/// # Safety
/// `dict` is live and has no entry with the key that is written into it next.
pub unsafe fn insert(dict: *mut Dict, hash: u64) -> Option<usize> {
    // SAFETY: as promised; there is room for an entry more, and an empty cell.
    unsafe {
        let capacity = (*dict).entries.capacity;
        if (*dict).filled == capacity || (*dict).entries.len == capacity {
            // Where many were removed, closing the gaps is room enough.
            let crowded = (*dict).live >= capacity / 2;
            let wanted = if crowded { capacity + 1 } else { capacity };
            if !resize(dict, wanted) {
                return None;
            }
        }
        let at = (*dict).entries.len;
        let entry = item(dict.cast(), at);
        entry.write_bytes(0, bytes(&(*dict).entries, 1));
        entry.cast::<u64>().write(hash);
        fill(dict, hash, at);
        (*dict).entries.len += 1;
        (*dict).live += 1;
        (*dict).filled += 1;
        Some(at)
    }
}

/// Frees a dict and what its entries refer to.
///
/// # Safety
/// `dict` has no references left.
pub(crate) unsafe fn free(dict: *mut Dict) {
    // SAFETY: as promised; removed entries have no references.
    unsafe {
        let entries = dict.cast::<List>();
        release_items(entries, 0, (*entries).len);
        let size = bytes(&*entries, (*entries).capacity) + index_bytes(&*dict);
        count(Event::ObjectFreed(size));
        free_index(dict);
        libc::free((*entries).data.cast());
        libc::free(dict.cast());
    }
}

// Positions in compiled code are those of entries.
#[expect(
    clippy::cast_sign_loss,
    reason = "not negative, as all callers promise"
)]
fn position(at: i64) -> usize {
    at as usize
}

// ---- for the boundary ----------------------------------------------------------------------------

/// Number of entries that are there.
///
/// # Safety
/// `dict` is live.
pub unsafe fn len(dict: *const Dict) -> usize {
    // SAFETY: as promised.
    unsafe { (*dict).live }
}

/// The positions of the entries that are there, in order.
///
/// # Safety
/// `dict` is live, and nobody changes it as long as the positions are used.
pub unsafe fn positions(dict: *const Dict) -> impl Iterator<Item = usize> {
    // SAFETY: as promised.
    let end = unsafe { (*dict).entries.len };
    // SAFETY: the same; only entries of it are asked for.
    (0..end).filter(move |&i| unsafe { hash_at(dict, i) } != 0)
}

// ---- for compiled code ---------------------------------------------------------------------------

/// Writes a new dict, or gives an error.
///
/// # Safety
/// `out` is writable.
unsafe fn give(out: *mut *mut Dict, made: Option<NonNull<Dict>>) -> *mut Error {
    // SAFETY: as promised.
    unsafe { *out = made.map_or(ptr::null_mut(), NonNull::as_ptr) };
    if made.is_some() {
        ptr::null_mut()
    } else {
        no_memory()
    }
}

/// An empty dict.
///
/// # Safety
/// `out` is writable.
pub unsafe extern "C" fn dict_new(
    entry_size: i64,
    objects: i64,
    owners: i64,
    capacity: i64,
    out: *mut *mut Dict,
) -> *mut Error {
    let size = u32::try_from(entry_size).unwrap_or(u32::MAX);
    let (objects, owners) = (objects.cast_unsigned(), owners.cast_unsigned());
    // SAFETY: passed on.
    unsafe { give(out, new(size, objects, owners, position(capacity))) }
}

/// A new entry.
///
/// # Safety
/// As [`insert`]; `out` is writable.
pub unsafe extern "C" fn dict_insert(dict: *mut Dict, hash: i64, out: *mut i64) -> *mut Error {
    // SAFETY: passed on.
    unsafe {
        let Some(at) = insert(dict, hash.cast_unsigned()) else {
            *out = 0;
            return no_memory();
        };
        *out = at.cast_signed() as i64;
        ptr::null_mut()
    }
}

/// Removes an entry.
///
/// # Safety
/// `dict` is live and has the entry.
pub unsafe extern "C" fn dict_remove(dict: *mut Dict, at: i64) {
    let at = position(at);
    // SAFETY: as promised.
    unsafe {
        let entries = dict.cast::<List>();
        let size = bytes(&*entries, 1);
        release_items(entries, at, 1);
        item(entries, at).write_bytes(0, size);
        (*dict).live -= 1;
        // The last entry is always there, so that it is found at once.
        while (*entries).len > 0 && hash_at(dict, (*entries).len - 1) == 0 {
            (*entries).len -= 1;
        }
    }
}

/// `dict.clear()`
///
/// # Safety
/// `dict` is live.
pub unsafe extern "C" fn dict_clear(dict: *mut Dict) {
    // SAFETY: as promised; an index of its own has so many cells.
    unsafe {
        let entries = dict.cast::<List>();
        release_items(entries, 0, (*entries).len);
        (*entries).len = 0;
        (*dict).live = 0;
        (*dict).filled = 0;
        if (*dict).shift != EMPTY_SHIFT {
            (*dict).index.write_bytes(0, cells(&*dict));
        }
    }
}

/// `dict.copy()`
///
/// # Safety
/// `dict` is live, `out` is writable.
pub unsafe extern "C" fn dict_copy(dict: *mut Dict, out: *mut *mut Dict) -> *mut Error {
    // SAFETY: as promised; the copy has room for all entries.
    unsafe {
        let header = &(*dict).entries;
        let made = new(
            header.item_size,
            header.objects,
            header.owners,
            (*dict).live,
        );
        if let Some(copy) = made {
            let copy = copy.as_ptr();
            for from in positions(dict) {
                list::append(copy.cast(), dict.cast(), from, 1);
                fill(copy, hash_at(dict, from), (*copy).entries.len - 1);
            }
            (*copy).live = (*dict).live;
            (*copy).filled = (*dict).live;
        }
        give(out, made)
    }
}

#[cfg(test)]
mod tests;
