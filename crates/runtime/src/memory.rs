//! Reference-counted buffers: the memory behind arrays.
//!
//! A buffer is one block: a header of 64 bytes that begins with [`Buffer`], then the payload, aligned
//! to 64 bytes. Blocks come from the C library (`calloc` for zeroed ones, so that big arrays of zeros
//! cost nothing until they are touched). Small blocks that are freed wait in a list of their thread
//! for the next request of their size class, because a loop that makes small temporaries would
//! otherwise spend most of its time in the allocator; large ones wait in [`kept`].
//!
//! A buffer may belong to a Python object instead. Its last release may come from a thread that must
//! not touch Python objects, so the object is queued ([`drain_owners`] takes the queue, holding the
//! GIL). The queue is a linked stack through the headers themselves: queueing neither locks nor
//! allocates.
//!
//! Counts of everything that was made and freed are kept per thread (an atomic addition of all
//! threads to one counter would cost more than the allocation) and summed by [`stats`].

use core::cell::Cell;
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferdelance_abi::layout::{Buffer, OWNER_BORROWED};

use crate::error::{Error, Kind};

mod kept;

/// Alignment of payloads: a cache line, and the widest vector register.
pub const ALIGN: usize = 64;

/// The header of a block as the allocator sees it: [`Buffer`] and what it takes to give it back.
#[repr(C, align(64))]
struct Block {
    buffer: Buffer,
    /// What the C library's allocator gave (this header is aligned up from there).
    base: *mut c_void,
    /// The next block in a list of free blocks or in the queue of [`PENDING`].
    next: *mut Block,
    /// Index of the size class; [`UNCLASSED`] for a large block.
    class: usize,
    /// Bytes that the payload may have.
    capacity: usize,
}
const _: () = assert!(size_of::<Block>() == ALIGN);

// ---- size classes --------------------------------------------------------------------------------

/// Number of size classes: 64, 128, 192, 256, then four steps for each doubling up to 32 KiB.
const CLASSES: usize = 32;
const LARGEST_CLASS: usize = 32 * 1024;
const UNCLASSED: usize = usize::MAX;

/// The size class of a payload size, and the payload size of the class.
fn class_of(size: usize) -> Option<(usize, usize)> {
    if size > LARGEST_CLASS {
        return None;
    }
    if size <= 256 {
        let steps = size.div_ceil(64).max(1);
        return Some((steps - 1, steps * 64));
    }
    let last = size - 1;
    let exponent = last.ilog2() as usize;
    let quarter = (last >> (exponent - 2)) & 3;
    Some((
        4 + (exponent - 8) * 4 + quarter,
        (5 + quarter) << (exponent - 2),
    ))
}

/// How many free blocks of a class a thread keeps.
fn keeps(class: usize) -> u8 {
    // Classes below 12 are up to 1 KiB.
    if class < 12 { 16 } else { 4 }
}

// ---- counters ------------------------------------------------------------------------------------

/// How many things this process has made and freed, all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Buffers made.
    pub alloc: u64,
    /// Buffers freed (also those whose owner still waits in the queue of [`drain_owners`]).
    pub free: u64,
    /// Runtime objects (strings, lists) made, literals not included.
    pub object_alloc: u64,
    /// Runtime objects freed.
    pub object_free: u64,
    /// Errors made.
    pub error_alloc: u64,
    /// Errors dropped or taken.
    pub error_free: u64,
    /// Bytes that live buffers and runtime objects hold; headers and memory of Python objects not included.
    pub live_bytes: u64,
}

impl Stats {
    /// Buffers that are alive.
    pub fn live_buffers(&self) -> u64 {
        self.alloc.wrapping_sub(self.free)
    }

    /// Runtime objects that are alive.
    pub fn live_objects(&self) -> u64 {
        self.object_alloc.wrapping_sub(self.object_free)
    }

    /// Errors that are alive.
    pub fn live_errors(&self) -> u64 {
        self.error_alloc.wrapping_sub(self.error_free)
    }
}

/// The counters of one thread: only it writes them.
struct Counters {
    alloc: AtomicU64,
    free: AtomicU64,
    object_alloc: AtomicU64,
    object_free: AtomicU64,
    error_alloc: AtomicU64,
    error_free: AtomicU64,
    bytes_alloc: AtomicU64,
    bytes_free: AtomicU64,
}

/// What to count.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    BufferMade(usize),
    BufferFreed(usize),
    ObjectMade(usize),
    ObjectFreed(usize),
    /// An object holds so many bytes more.
    ObjectGrown(usize),
    ErrorMade,
    ErrorFreed,
}

impl Counters {
    const fn new() -> Counters {
        Counters {
            alloc: AtomicU64::new(0),
            free: AtomicU64::new(0),
            object_alloc: AtomicU64::new(0),
            object_free: AtomicU64::new(0),
            error_alloc: AtomicU64::new(0),
            error_free: AtomicU64::new(0),
            bytes_alloc: AtomicU64::new(0),
            bytes_free: AtomicU64::new(0),
        }
    }

    fn count(&self, event: Event) {
        // A plain addition: there is one writer, and `stats` only needs untorn values.
        let add = |counter: &AtomicU64, n: u64| {
            counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed)
        };
        match event {
            Event::BufferMade(size) => {
                add(&self.alloc, 1);
                add(&self.bytes_alloc, size as u64);
            }
            Event::BufferFreed(size) => {
                add(&self.free, 1);
                add(&self.bytes_free, size as u64);
            }
            Event::ObjectMade(size) => {
                add(&self.object_alloc, 1);
                add(&self.bytes_alloc, size as u64);
            }
            Event::ObjectFreed(size) => {
                add(&self.object_free, 1);
                add(&self.bytes_free, size as u64);
            }
            Event::ObjectGrown(size) => add(&self.bytes_alloc, size as u64),
            Event::ErrorMade => add(&self.error_alloc, 1),
            Event::ErrorFreed => add(&self.error_free, 1),
        }
    }

    /// Adds the counters of a thread that ended.
    fn absorb(&self, other: &Counters) {
        let add = |sum: &AtomicU64, n: &AtomicU64| {
            sum.store(sum.load(Relaxed).wrapping_add(n.load(Relaxed)), Relaxed);
        };
        add(&self.alloc, &other.alloc);
        add(&self.free, &other.free);
        add(&self.object_alloc, &other.object_alloc);
        add(&self.object_free, &other.object_free);
        add(&self.error_alloc, &other.error_alloc);
        add(&self.error_free, &other.error_free);
        add(&self.bytes_alloc, &other.bytes_alloc);
        add(&self.bytes_free, &other.bytes_free);
    }

    /// Adds these counters to `stats`. Wrapping: one thread may free what another made.
    fn add_to(&self, stats: &mut Stats) {
        let add =
            |sum: &mut u64, counter: &AtomicU64| *sum = sum.wrapping_add(counter.load(Relaxed));
        add(&mut stats.alloc, &self.alloc);
        add(&mut stats.free, &self.free);
        add(&mut stats.object_alloc, &self.object_alloc);
        add(&mut stats.object_free, &self.object_free);
        add(&mut stats.error_alloc, &self.error_alloc);
        add(&mut stats.error_free, &self.error_free);
        stats.live_bytes = stats
            .live_bytes
            .wrapping_add(self.bytes_alloc.load(Relaxed))
            .wrapping_sub(self.bytes_free.load(Relaxed));
    }
}

/// The counters of all threads.
struct Registry {
    threads: Vec<Arc<Counters>>,
    /// What the threads that have ended counted, and what threads count while they end.
    retired: Counters,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
        threads: Vec::new(),
        retired: Counters::new(),
    });
    // A poisoned lock would mean a panic in the few lines that hold it; the numbers are valid anyway.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sums over all threads. Exact when no other thread is at work.
pub fn stats() -> Stats {
    let registry = registry();
    let mut stats = Stats::default();
    registry.retired.add_to(&mut stats);
    for counters in &registry.threads {
        counters.add_to(&mut stats);
    }
    stats
}

/// Counts `event` for this thread.
pub(crate) fn count(event: Event) {
    if LOCAL.try_with(|local| local.counters.count(event)).is_err() {
        registry().retired.count(event);
    }
}

// ---- what each thread has ------------------------------------------------------------------------

/// Free blocks and counters of one thread.
struct Local {
    counters: Arc<Counters>,
    /// First free block of each class.
    free: [Cell<*mut Block>; CLASSES],
    /// Number of free blocks of each class.
    lengths: [Cell<u8>; CLASSES],
}

thread_local! {
    static LOCAL: Local = Local::new();
}

impl Local {
    fn new() -> Local {
        let counters = Arc::new(Counters::new());
        registry().threads.push(Arc::clone(&counters));
        Local {
            counters,
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            lengths: [const { Cell::new(0) }; CLASSES],
        }
    }

    /// A free block of the class.
    fn pop(&self, class: usize) -> Option<NonNull<Block>> {
        let list = self.free.get(class)?;
        let block = NonNull::new(list.get())?;
        // SAFETY: blocks in the list are ours alone and initialised.
        list.set(unsafe { (*block.as_ptr()).next });
        let length = self.lengths.get(class)?;
        length.set(length.get().saturating_sub(1));
        Some(block)
    }

    /// Keeps a block that nobody refers to any more; false if there are enough of its class.
    ///
    /// # Safety
    /// `block` is initialised and the caller gives it up if the answer is true.
    unsafe fn push(&self, block: NonNull<Block>) -> bool {
        // SAFETY: as promised.
        let class = unsafe { (*block.as_ptr()).class };
        let (Some(list), Some(length)) = (self.free.get(class), self.lengths.get(class)) else {
            return false;
        };
        if length.get() >= keeps(class) {
            return false;
        }
        // SAFETY: as promised.
        unsafe { (*block.as_ptr()).next = list.get() };
        list.set(block.as_ptr());
        length.set(length.get() + 1);
        true
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.pop(class) {
                // SAFETY: the block was in the list, so it is initialised and nobody refers to it.
                unsafe { give_back(block) };
            }
        }
        let mut registry = registry();
        registry
            .threads
            .retain(|other| !Arc::ptr_eq(other, &self.counters));
        registry.retired.absorb(&self.counters);
    }
}

// ---- blocks --------------------------------------------------------------------------------------

/// Slack for aligning what the C library gives, which is aligned to 16 at least.
const SLACK: usize = ALIGN - 16;

/// From here on the kernel is asked for huge pages.
const HUGE: usize = 4 << 20;

/// A block with count 1, no owner and a payload of `size` bytes; `None` if there is no memory.
fn make(size: usize, zeroed: bool) -> Option<NonNull<Block>> {
    let (class, capacity) = class_of(size).unwrap_or((UNCLASSED, size));
    let kept = if class != UNCLASSED {
        LOCAL.try_with(|local| local.pop(class)).ok().flatten()
    } else if zeroed && size >= HUGE {
        // The kernel has pages of zeros, and perhaps few of them are touched.
        None
    } else {
        kept::take(size)
    };
    let block = match kept {
        Some(block) => {
            if zeroed {
                // SAFETY: the payload may have `size` bytes and lies behind the header.
                unsafe { block.as_ptr().add(1).cast::<u8>().write_bytes(0, size) };
            }
            block
        }
        None => make_new(class, capacity, zeroed).or_else(|| {
            kept::clear();
            make_new(class, capacity, zeroed)
        })?,
    };
    // SAFETY: the block is initialised and ours alone.
    let buffer = unsafe { &mut (*block.as_ptr()).buffer };
    buffer.count = AtomicUsize::new(1);
    // SAFETY: one header further is still inside the allocation.
    buffer.data = unsafe { block.as_ptr().add(1).cast() };
    buffer.size = size;
    buffer.owner = ptr::null_mut();
    Some(block)
}

fn make_new(class: usize, capacity: usize, zeroed: bool) -> Option<NonNull<Block>> {
    let total = capacity.checked_add(size_of::<Block>() + SLACK)?;
    // The language allows no larger object, whatever the allocator says.
    isize::try_from(total).ok()?;
    // SAFETY: the size is not zero.
    let base = unsafe {
        if zeroed {
            libc::calloc(1, total)
        } else {
            libc::malloc(total)
        }
    };
    if base.is_null() {
        return None;
    }
    let offset = base.align_offset(ALIGN);
    debug_assert!(offset <= SLACK);
    // SAFETY: the slack pays for the offset.
    let block = unsafe { base.cast::<u8>().add(offset).cast::<Block>() };
    let header = Block {
        buffer: Buffer {
            count: AtomicUsize::new(0),
            data: ptr::null_mut(),
            size: 0,
            owner: ptr::null_mut(),
        },
        base,
        next: ptr::null_mut(),
        class,
        capacity,
    };
    // SAFETY: inside the allocation and aligned.
    unsafe { block.write(header) };
    #[cfg(target_os = "linux")]
    if capacity >= HUGE {
        const PAGE: usize = 4096;
        let skip = block.cast::<u8>().align_offset(PAGE);
        // SAFETY: a hint for whole pages inside the allocation; it changes no contents, and its
        // failure changes nothing.
        unsafe {
            let first = block.cast::<u8>().add(skip);
            libc::madvise(
                first.cast(),
                (capacity - skip) & !(PAGE - 1),
                libc::MADV_HUGEPAGE,
            );
        }
    }
    NonNull::new(block)
}

/// Keeps or frees the block.
///
/// # Safety
/// The block is initialised and nobody refers to it.
unsafe fn recycle(block: NonNull<Block>) {
    // SAFETY: initialised.
    let kept = if unsafe { (*block.as_ptr()).class } == UNCLASSED {
        // SAFETY: passed on.
        unsafe { kept::put(block) }
    } else {
        // SAFETY: passed on.
        LOCAL
            .try_with(|local| unsafe { local.push(block) })
            .unwrap_or(false)
    };
    if !kept {
        // SAFETY: passed on.
        unsafe { give_back(block) };
    }
}

/// Frees the block.
///
/// # Safety
/// The block is initialised and nobody refers to it.
unsafe fn give_back(block: NonNull<Block>) {
    // SAFETY: `base` is what `malloc` gave.
    unsafe { libc::free((*block.as_ptr()).base) };
}

// ---- buffers -------------------------------------------------------------------------------------

/// A new buffer of `size` bytes with count 1; `None` if there is no memory.
pub fn buffer_new(size: usize, zeroed: bool) -> Option<NonNull<Buffer>> {
    let block = make(size, zeroed)?;
    count(Event::BufferMade(size));
    // The buffer is the block's first field.
    Some(block.cast())
}

/// A new buffer with count 1 whose payload belongs to a Python object: `object`, of which it takes
/// over one reference. When the buffer dies the reference goes to [`drain_owners`].
///
/// Ends the process if there is no memory for the header (128 bytes).
pub fn buffer_from_object(object: *mut c_void, data: *mut u8, size: usize) -> *mut Buffer {
    let block = make_for(object);
    count(Event::BufferMade(0));
    // SAFETY: just made, ours alone.
    unsafe {
        (*block.as_ptr()).buffer.data = data;
        (*block.as_ptr()).buffer.size = size;
    }
    block.as_ptr().cast()
}

/// A block without payload that has an owner.
fn make_for(object: *mut c_void) -> NonNull<Block> {
    let Some(block) = make(0, false) else {
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<[Block; 2]>())
    };
    // SAFETY: just made, ours alone.
    unsafe { (*block.as_ptr()).buffer.owner = object };
    block
}

/// The buffer that an owner word means; `None` if it is static or borrowed.
fn managed(owner: *mut Buffer) -> Option<NonNull<Buffer>> {
    if owner.addr() & OWNER_BORROWED != 0 {
        None
    } else {
        NonNull::new(owner)
    }
}

/// Memory that cannot be had.
#[cold]
fn no_memory(size: i64) -> *mut Error {
    let Ok(size) = u64::try_from(size) else {
        return Error::raised(Kind::ValueError, "negative dimensions are not allowed");
    };
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (size.max(1).ilog2() / 10).min(6);
    let number = size as f64 / (1_u64 << (10 * unit)) as f64;
    // As NumPy words it: three digits.
    let digits = match number {
        _ if unit == 0 => 0,
        n if n < 10.0 => 2,
        n if n < 100.0 => 1,
        _ => 0,
    };
    let unit = units.get(unit as usize).unwrap_or(&"EiB");
    Error::raised(
        Kind::MemoryError,
        &format!("Unable to allocate {number:.digits$} {unit}"),
    )
}

/// # Safety
/// `owner` and `data` are writable.
unsafe fn alloc(
    size: i64,
    zeroed: bool,
    owner: *mut *mut Buffer,
    data: *mut *mut c_void,
) -> *mut Error {
    let made = usize::try_from(size)
        .ok()
        .and_then(|size| buffer_new(size, zeroed));
    // SAFETY: `owner` and `data` are writable, a new buffer is readable.
    unsafe {
        match made {
            Some(buffer) => {
                *owner = buffer.as_ptr();
                *data = (*buffer.as_ptr()).data.cast();
                ptr::null_mut()
            }
            None => {
                *owner = ptr::null_mut();
                *data = ptr::null_mut();
                no_memory(size)
            }
        }
    }
}

/// A new buffer of `size` bytes with count 1: its owner word and its data.
///
/// # Safety
/// `owner` and `data` are writable.
pub unsafe extern "C" fn buffer_alloc(
    size: i64,
    owner: *mut *mut Buffer,
    data: *mut *mut c_void,
) -> *mut Error {
    // SAFETY: passed on.
    unsafe { alloc(size, false, owner, data) }
}

/// As [`buffer_alloc`], zeroed.
///
/// # Safety
/// `owner` and `data` are writable.
pub unsafe extern "C" fn buffer_zeroed(
    size: i64,
    owner: *mut *mut Buffer,
    data: *mut *mut c_void,
) -> *mut Error {
    // SAFETY: passed on.
    unsafe { alloc(size, true, owner, data) }
}

/// One reference more; nothing for static and borrowed owners.
///
/// # Safety
/// `owner` is an owner word whose buffer, if any, is alive.
pub unsafe extern "C" fn owner_retain(owner: *mut Buffer) {
    if let Some(buffer) = managed(owner) {
        // SAFETY: alive, as promised. Relaxed: who makes a reference from one has it already.
        unsafe { (*buffer.as_ptr()).count.fetch_add(1, Relaxed) };
    }
}

/// One reference less; the last one frees.
///
/// # Safety
/// `owner` is an owner word; the caller gives up a reference to its buffer, if any.
pub unsafe extern "C" fn owner_release(owner: *mut Buffer) {
    if let Some(buffer) = managed(owner) {
        // SAFETY: alive until the caller's reference is given up.
        if unsafe { last_reference(&(*buffer.as_ptr()).count) } {
            // SAFETY: that was the last reference.
            unsafe { free(buffer.cast()) };
        }
    }
}

/// Takes one reference away and tells whether it was the last.
pub(crate) fn last_reference(count: &AtomicUsize) -> bool {
    // With one reference left it is ours, so nobody can add another: no write is needed.
    if count.load(Acquire) == 1 {
        return true;
    }
    if count.fetch_sub(1, Release) == 1 {
        fence(Acquire);
        return true;
    }
    false
}

/// # Safety
/// The block is a buffer without references.
#[cold]
#[inline(never)]
unsafe fn free_owned(block: NonNull<Block>) {
    count(Event::BufferFreed(0));
    // SAFETY: passed on.
    unsafe { queue(block) };
}

/// # Safety
/// The block is a buffer without references.
unsafe fn free(block: NonNull<Block>) {
    // SAFETY: initialised.
    let buffer = unsafe { &(*block.as_ptr()).buffer };
    if buffer.owner.is_null() {
        count(Event::BufferFreed(buffer.size));
        // SAFETY: passed on.
        unsafe { recycle(block) };
    } else {
        // SAFETY: passed on.
        unsafe { free_owned(block) };
    }
}

// ---- owners that wait for the GIL ----------------------------------------------------------------

/// Blocks whose owner is to be given back, linked through `next`.
static PENDING: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());

/// Puts a block with an owner in the queue.
///
/// # Safety
/// The block is initialised and nobody refers to it.
unsafe fn queue(block: NonNull<Block>) {
    let mut first = PENDING.load(Relaxed);
    loop {
        // SAFETY: ours alone until the exchange succeeds.
        unsafe { (*block.as_ptr()).next = first };
        // Only whole lists are ever taken, so a list that looks the same is the same.
        match PENDING.compare_exchange_weak(first, block.as_ptr(), Release, Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

/// Queues one reference to a Python object for [`drain_owners`]: for whoever holds one without the GIL.
pub fn queue_object(object: *mut c_void) {
    if !object.is_null() {
        // SAFETY: just made.
        unsafe { queue(make_for(object)) };
    }
}

/// Whether [`drain_owners`] has something to do: one load, for the boundary's fast path.
#[inline]
pub fn owners_pending() -> bool {
    !PENDING.load(Relaxed).is_null()
}

/// Gives each Python object that lost its buffer to `give`, which gets the buffer's reference to it.
/// The caller holds the GIL. `give` may run Python code that comes back here.
pub fn drain_owners(mut give: impl FnMut(*mut c_void)) {
    while owners_pending() {
        let mut next = PENDING.swap(ptr::null_mut(), Acquire);
        while let Some(block) = NonNull::new(next) {
            // SAFETY: what is in the queue is initialised, and it is ours since the swap.
            let owner = unsafe {
                next = (*block.as_ptr()).next;
                (*block.as_ptr()).buffer.owner
            };
            // SAFETY: nobody refers to it any more.
            unsafe { recycle(block) };
            give(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_in_order() {
        let mut last = 0;
        for size in 0..=LARGEST_CLASS {
            let (class, capacity) = class_of(size).unwrap();
            assert!(class == last || class == last + 1, "{size}");
            last = class;
            assert!(capacity >= size && capacity % ALIGN == 0, "{size}");
            assert!(
                capacity <= (size + size / 4).next_multiple_of(ALIGN).max(ALIGN),
                "{size}"
            );
            assert_eq!(class_of(capacity), Some((class, capacity)), "{size}");
        }
        assert_eq!(last, CLASSES - 1);
        assert_eq!(class_of(LARGEST_CLASS + 1), None);
    }

    fn alloc_ok(size: i64, zeroed: bool) -> (*mut Buffer, *mut u8) {
        let (mut owner, mut data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both results are writable.
        let error = unsafe {
            if zeroed {
                buffer_zeroed(size, &mut owner, &mut data)
            } else {
                buffer_alloc(size, &mut owner, &mut data)
            }
        };
        assert!(error.is_null());
        (owner, data.cast())
    }

    #[test]
    fn payloads_are_aligned_writable_and_zeroed_on_demand() {
        for round in 0..3 {
            for size in [
                0,
                1,
                8,
                63,
                64,
                65,
                1000,
                4096,
                32768,
                32769,
                1 << 20,
                9 << 20,
            ] {
                let zeroed = round != 1;
                let (owner, data) = alloc_ok(size, zeroed);
                assert_eq!(data.align_offset(ALIGN), 0);
                // SAFETY: a buffer of `size` bytes, zeroed or then written.
                unsafe {
                    assert_eq!((*owner).size, size as usize);
                    assert_eq!((*owner).data, data);
                    assert!((*owner).owner.is_null());
                    if zeroed {
                        let bytes = core::slice::from_raw_parts(data, size as usize);
                        assert!(bytes.iter().all(|&byte| byte == 0), "{size}");
                    }
                    data.write_bytes(0xa5, size as usize);
                    owner_release(owner);
                }
            }
        }
    }

    #[test]
    fn small_blocks_are_reused() {
        let (owner, _) = alloc_ok(777, false);
        // SAFETY: the only reference.
        unsafe { owner_release(owner) };
        let (again, _) = alloc_ok(800, false);
        assert_eq!(owner, again);
        // SAFETY: the only reference.
        unsafe { owner_release(again) };
    }

    #[test]
    fn counting_keeps_the_buffer_until_the_last_reference() {
        let (owner, data) = alloc_ok(64, true);
        // SAFETY: three references, given up one by one.
        unsafe {
            owner_retain(owner);
            owner_retain(owner);
            assert_eq!((*owner).count.load(Relaxed), 3);
            owner_release(owner);
            owner_release(owner);
            *data = 7;
            assert_eq!((*owner).count.load(Relaxed), 1);
            owner_release(owner);
        }
    }

    #[test]
    fn static_and_borrowed_owners_are_not_counted() {
        let object = 0x1234_5678_usize;
        for word in [
            ferdelance_abi::layout::OWNER_STATIC,
            object | OWNER_BORROWED,
        ] {
            // SAFETY: no buffer is behind these words.
            unsafe {
                owner_retain(ptr::without_provenance_mut(word));
                owner_release(ptr::without_provenance_mut(word));
            }
        }
    }

    fn failure(size: i64) -> (Kind, String) {
        let (mut owner, mut data) = (ptr::dangling_mut(), ptr::dangling_mut());
        // SAFETY: both results are writable; the error is ours.
        let error = unsafe { crate::error::take(buffer_alloc(size, &mut owner, &mut data)) };
        assert!(owner.is_null() && data.is_null());
        (error.kind, error.message().unwrap())
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let negative = (
            Kind::ValueError,
            "negative dimensions are not allowed".to_string(),
        );
        assert_eq!(failure(-1), negative);
        assert_eq!(failure(i64::MIN), negative);
        let huge = |text: &str| (Kind::MemoryError, format!("Unable to allocate {text}"));
        assert_eq!(failure(i64::MAX), huge("8.00 EiB"));
        assert_eq!(failure(1 << 60), huge("1.00 EiB"));
        assert_eq!(failure(800 << 50), huge("800 PiB"));
    }
}
