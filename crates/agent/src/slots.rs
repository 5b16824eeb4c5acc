//! A slot for each thread that is sampled.
//!
//! All slots lie in one array, reserved at once and touched where it is used, and their stacks in regions of
//! many, reserved as they are needed. So a signal finds its slot by a number that came with it, and a fault in
//! the handler is known by the stack that it happened on: neither needs thread-local variables, whose first
//! use allocates.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use ferdelance_abi::spool::{Head, Spool, kind};

use crate::stack::Scratch;
use crate::sys;

/// More threads than a process has, by the limits that systems come with.
const SLOTS: usize = REGIONS * REGION;
/// Stacks that are reserved together.
const REGION: usize = 1024;
const REGIONS: usize = 32;
/// Of the stack on which a thread's samples are taken: the handler uses some 10 KB of it.
pub const STACK: usize = 64 << 10;
const GUARD: usize = 4096;

/// The state of a thread that is sampled. The assembly of `signals` knows where the first two fields are.
#[repr(C)]
pub struct Slot {
    /// The stack pointer to go back to, once the handler runs on its own stack.
    pub saved: AtomicU64,
    /// The other end of the slot's stack.
    pub top: AtomicU64,
    /// The thread; 0 if the slot is free.
    pub tid: AtomicI32,
    /// A signal is being handled.
    pub is_inside: AtomicBool,
    /// Its clocks: a descriptor and perf's number for it, a timer; -1 if there is none.
    pub perf: AtomicI32,
    pub perf_id: AtomicU64,
    pub timer: AtomicI32,
    /// Times at the timer's last signal: all CPU time in nanoseconds, the kernel's in microseconds.
    pub ticked: AtomicU64,
    pub ticked_kernel: AtomicU64,
    /// CPU time at perf's last signal.
    pub sampled: AtomicU64,
    /// Its name was looked for.
    pub is_named: AtomicBool,
    /// Perf's clock has not fired yet.
    pub is_first: AtomicBool,
    /// For periods that are not all the same.
    pub random: AtomicU32,
    pub scratch: std::sync::atomic::AtomicPtr<Scratch>,
}

/// All slots.
pub struct Slots {
    slots: &'static [Slot],
    /// Where each region of stacks begins; 0 if it is not reserved.
    regions: [AtomicU64; REGIONS],
    /// No slot from here on was ever used.
    end: AtomicUsize,
    /// No slot before this one is free, but for those that others are just giving back.
    free: AtomicUsize,
}

impl Slots {
    pub fn new() -> Option<Slots> {
        let slots = sys::map(
            SLOTS * size_of::<Slot>(),
            libc::PROT_READ | libc::PROT_WRITE,
        )?;
        Some(Slots {
            // SAFETY: a fresh mapping of that size, page-aligned, never unmapped; all zero is valid for
            // every field.
            slots: unsafe { std::slice::from_raw_parts(slots.cast(), SLOTS) },
            regions: [const { AtomicU64::new(0) }; REGIONS],
            end: AtomicUsize::new(0),
            free: AtomicUsize::new(0),
        })
    }

    pub fn get(&self, index: usize) -> Option<&'static Slot> {
        self.slots.get(index)
    }

    pub fn used(&self) -> impl Iterator<Item = (usize, &'static Slot)> {
        let slots: &'static [Slot] = &self.slots[..self.end.load(Ordering::Acquire)];
        slots
            .iter()
            .enumerate()
            .filter(|(_, s)| s.tid.load(Ordering::Acquire) != 0)
    }

    /// The slot on whose stack an address lies.
    pub fn of_stack(&self, address: u64) -> Option<&'static Slot> {
        self.regions.iter().enumerate().find_map(|(i, region)| {
            let base = region.load(Ordering::Acquire);
            let offset = address.checked_sub(base).filter(|_| base != 0)? as usize;
            (offset < REGION * STACK).then(|| self.get(i * REGION + offset / STACK))?
        })
    }

    /// Gives a thread a slot. Not in a signal handler: this allocates when a slot is used for the first time.
    pub fn take(&self, tid: i32) -> Option<(usize, &'static Slot)> {
        let free = |s: &Slot| {
            s.tid
                .compare_exchange(0, tid, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        let first = self.free.load(Ordering::Acquire);
        let index = first + self.slots.get(first..)?.iter().position(free)?;
        // Not if somebody has given one back that is before.
        let _ = self
            .free
            .compare_exchange(first, index + 1, Ordering::AcqRel, Ordering::Relaxed);
        self.end.fetch_max(index + 1, Ordering::AcqRel);
        let slot = &self.slots[index];
        if slot.scratch.load(Ordering::Relaxed).is_null() && !self.equip(index, slot) {
            self.give_back(index);
            return None;
        }
        slot.is_inside.store(false, Ordering::Relaxed);
        slot.is_named.store(false, Ordering::Relaxed);
        slot.perf.store(-1, Ordering::Relaxed);
        slot.timer.store(-1, Ordering::Relaxed);
        slot.random
            .store(tid as u32 ^ sys::now() as u32 | 1, Ordering::Relaxed);
        Some((index, slot))
    }

    /// The slot is free again.
    pub fn give_back(&self, index: usize) {
        self.slots[index].tid.store(0, Ordering::Release);
        self.free.fetch_min(index, Ordering::AcqRel);
    }

    /// The stack of a slot, whose region is reserved if it is not.
    fn stack(&self, index: usize) -> Option<u64> {
        let region = &self.regions[index / REGION];
        let mut base = region.load(Ordering::Acquire);
        if base == 0 {
            let fresh = sys::map(REGION * STACK, libc::PROT_NONE)?;
            let address = fresh.expose_provenance() as u64;
            base = match region.compare_exchange(0, address, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => address,
                Err(other) => {
                    // SAFETY: mapped above, and nobody has seen it.
                    unsafe { libc::munmap(fresh.cast(), REGION * STACK) };
                    other
                }
            };
        }
        Some(base + (index % REGION * STACK) as u64)
    }

    /// Gives a slot its stack and its scratch memory.
    fn equip(&self, index: usize, slot: &Slot) -> bool {
        let Some(base) = self.stack(index) else {
            return false;
        };
        // SAFETY: a part of the region of stacks, which nobody else uses.
        let is_done = unsafe {
            libc::mprotect(
                std::ptr::with_exposed_provenance_mut::<libc::c_void>(base as usize + GUARD),
                STACK - GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
            ) == 0
        };
        match Scratch::new().filter(|_| is_done) {
            Some(scratch) => {
                slot.top.store(base + STACK as u64, Ordering::Relaxed);
                slot.scratch.store(scratch, Ordering::Release);
                true
            }
            None => false,
        }
    }

    /// In the child of a fork there is one thread, and no clock of its parent's.
    pub fn forget_all(&self) {
        for (index, slot) in self.used() {
            let fd = slot.perf.swap(-1, Ordering::Relaxed);
            // The descriptors are inherited; what a number means now may be another thing.
            if fd >= 0 && sys::perf_id(fd) == Some(slot.perf_id.load(Ordering::Relaxed)) {
                sys::close(fd);
            }
            slot.timer.store(-1, Ordering::Relaxed);
            self.give_back(index);
        }
    }
}

impl Slot {
    /// A number from 0 to before `below`; not a good one, but another one each time.
    pub fn random(&self, below: u64) -> u64 {
        // Xorshift (Marsaglia 2003, "Xorshift RNGs").
        let mut x = self.random.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.store(x, Ordering::Relaxed);
        (u64::from(x) * below) >> 32
    }

    /// Writes down how much CPU time the thread has used, as it begins or ends to be sampled.
    pub fn write_times(&self, spool: &Spool, index: usize, kind: u8) {
        let tid = self.tid.load(Ordering::Relaxed);
        let is_own = tid == sys::gettid();
        let total = sys::clock(sys::thread_clock(tid));
        let kernel = if is_own {
            sys::kernel_time()
        } else {
            self.ticked_kernel.load(Ordering::Relaxed)
        };
        self.ticked.store(total, Ordering::Relaxed);
        self.ticked_kernel.store(kernel, Ordering::Relaxed);
        self.sampled.store(total, Ordering::Relaxed);
        let head = |kind| Head {
            kind,
            flags: 0,
            slot: index as u16,
            signature: 0,
        };
        let now = sys::now();
        if let Some(room) = crate::spool::record(spool) {
            room.write(
                head(kind),
                now,
                tid as u32 as u64 | (kernel / 10) << 32,
                total,
            );
        }
        if let Some([a, b]) = crate::spool::thread_name(tid)
            && let Some(room) = crate::spool::record(spool)
        {
            room.write(head(kind::NAME), now, a, b);
        }
    }
}
