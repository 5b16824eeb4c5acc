//! Large blocks that wait for the next request of about their size, those of all threads together.
//!
//! Fresh memory is dear: the kernel clears each page when it is first touched, which can take longer than
//! what is computed there, and the C library soon gives back what is free at the end of its heap. So a few
//! freed blocks are kept, up to [`LIMIT`] bytes; who frees more drives out those that wait longest.
//!
//! Nothing here locks, because a lock could be held by a thread that a fork leaves behind.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicUsize};

use super::{Block, give_back};

/// Bytes that may wait.
const LIMIT: usize = 128 << 20;

/// The largest block that is kept: two of them may wait.
const LARGEST: usize = LIMIT / 2;

const SLOTS: usize = 16;

struct Slot {
    block: AtomicPtr<Block>,
    /// Bytes of its payload: a hint, since threads may exchange the block at any time.
    capacity: AtomicUsize,
}

/// Blocks in slots are initialised, and nobody refers to them.
static KEPT: [Slot; SLOTS] = [const {
    Slot {
        block: AtomicPtr::new(ptr::null_mut()),
        capacity: AtomicUsize::new(0),
    }
}; SLOTS];

/// Bytes of the payloads that wait.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The slot that is emptied next if there is no room.
static HAND: AtomicUsize = AtomicUsize::new(0);

impl Slot {
    /// Takes out the block.
    fn take(&self) -> Option<NonNull<Block>> {
        let block = NonNull::new(self.block.swap(ptr::null_mut(), Acquire))?;
        // SAFETY: initialised, and ours alone from here on.
        HELD.fetch_sub(unsafe { (*block.as_ptr()).capacity }, Relaxed);
        Some(block)
    }

    /// Puts a block in; false if there is one already.
    fn put(&self, block: NonNull<Block>, capacity: usize) -> bool {
        if !self.block.load(Relaxed).is_null() {
            return false;
        }
        HELD.fetch_add(capacity, Relaxed);
        self.capacity.store(capacity, Relaxed);
        let put = self
            .block
            .compare_exchange(ptr::null_mut(), block.as_ptr(), Release, Relaxed);
        if put.is_err() {
            HELD.fetch_sub(capacity, Relaxed);
        }
        put.is_ok()
    }
}

/// Whether a block serves a request without wasting much.
fn serves(capacity: usize, size: usize) -> bool {
    capacity >= size && capacity - size <= size / 4
}

/// A block with room for `size` bytes.
pub(super) fn take(size: usize) -> Option<NonNull<Block>> {
    for slot in &KEPT {
        if !serves(slot.capacity.load(Relaxed), size) {
            continue;
        }
        if let Some(block) = slot.take() {
            // SAFETY: initialised, and ours alone.
            if serves(unsafe { (*block.as_ptr()).capacity }, size) {
                return Some(block);
            }
            // SAFETY: nobody refers to it.
            unsafe { give_back(block) };
        }
    }
    None
}

/// Keeps a block; false if it is too large.
///
/// # Safety
/// `block` is initialised and the caller gives it up if the answer is true.
pub(super) unsafe fn put(block: NonNull<Block>) -> bool {
    // SAFETY: as promised.
    let capacity = unsafe { (*block.as_ptr()).capacity };
    if capacity > LARGEST {
        return false;
    }
    for _ in 0..SLOTS {
        let room = HELD.load(Relaxed) + capacity <= LIMIT;
        if room && KEPT.iter().any(|slot| slot.put(block, capacity)) {
            return true;
        }
        drop_one();
    }
    false
}

/// Frees what waits: for when there is no memory otherwise.
pub(super) fn clear() {
    for _ in 0..SLOTS {
        drop_one();
    }
}

/// Frees the block in the next slot, if there is one.
fn drop_one() {
    let slot = &KEPT[HAND.fetch_add(1, Relaxed) % SLOTS];
    if let Some(block) = slot.take() {
        // SAFETY: nobody refers to it.
        unsafe { give_back(block) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{buffer_new, owner_release};

    fn make(size: usize) -> *mut ferdelance_abi::layout::Buffer {
        buffer_new(size, false).unwrap().as_ptr()
    }

    #[test]
    fn a_block_serves_requests_of_about_its_size() {
        let first = make(3_000_000);
        // SAFETY: the only reference.
        unsafe { owner_release(first) };
        let smaller = make(2_000_000);
        assert_ne!(smaller, first);
        let again = make(2_900_000);
        assert_eq!(again, first);
        for buffer in [smaller, again] {
            // SAFETY: the only reference.
            unsafe { owner_release(buffer) };
        }
    }

    #[test]
    fn threads_never_get_the_same_block_and_the_limit_holds() {
        std::thread::scope(|scope| {
            for mark in 1..5_u8 {
                // A small stack: the C library hands the stacks of threads on to other tests'.
                let builder = std::thread::Builder::new().stack_size(256 << 10);
                let work = move || {
                    for round in 0..300 {
                        let size = (1 << 20) * (1 + (round * usize::from(mark)) % 40);
                        let buffer = make(size);
                        // SAFETY: a buffer of `size` bytes, ours alone.
                        unsafe {
                            let ends = [(*buffer).data, (*buffer).data.add(size - 1)];
                            ends.iter().for_each(|p| **p = mark);
                            std::thread::yield_now();
                            assert!(ends.iter().all(|p| **p == mark));
                            owner_release(buffer);
                        }
                        // Each thread may have counted a block that it does not put in after all.
                        assert!(HELD.load(Relaxed) <= LIMIT + 4 * LARGEST);
                    }
                };
                builder.spawn_scoped(scope, work).unwrap();
            }
        });
    }
}
