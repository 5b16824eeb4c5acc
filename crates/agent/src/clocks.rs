//! What makes signals: two clocks a thread.
//!
//! A timer on the thread's CPU time fires at the system's ticks, at most some hundred times a second, but in
//! the kernel too: then the signal arrives when the kernel is left, at the call or the instruction that led
//! into it. perf's clock fires at any rate, but not in the kernel (and may not, without privileges: a
//! signal that comes there can interrupt system calls, or outlive an `exec`).
//! So user code is sampled by perf's clock, what the kernel does by the timer; without perf's clock, both by
//! the timer.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use ferdelance_abi::spool::{Spool, clock};

use crate::slots::{Slot, Slots};
use crate::sys;

/// Of the timer: much shorter than any tick, since threads may have run for less than one when the next comes.
const TICK: u64 = 50_000;
/// Of perf's clock, in nanoseconds: interrupts that come faster may leave no time for anything else.
const SHORTEST: u64 = 100_000;
/// Descriptors that can be told apart.
const DESCRIPTORS: usize = 1 << 16;

pub struct Clocks {
    /// Comes with each of the timers' signals, in the upper half of its value.
    cookie: u32,
    /// Whether perf's clock is to be used; not any more once it was refused.
    perf: AtomicU32,
    /// The slot, plus one, of each of perf's descriptors.
    by_descriptor: Box<[AtomicU16]>,
}

/// Where a signal came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Perf,
    Timer,
}

/// Nanoseconds of CPU time between perf's signals.
pub fn period(spool: &Spool) -> u64 {
    spool.header.period.load(Ordering::Relaxed).max(1)
}

impl Clocks {
    pub fn new(with_perf: bool) -> Clocks {
        Clocks {
            cookie: (sys::now() as u32).wrapping_mul(0x9e37_79b9) | 1 << 31,
            perf: AtomicU32::new(u32::from(with_perf)),
            by_descriptor: (0..DESCRIPTORS).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Starts the clocks of a slot's thread.
    pub fn start(&self, slot: &Slot, index: usize, spool: &Spool) {
        let tid = slot.tid.load(Ordering::Relaxed);
        let value = (self.cookie as usize) << 32 | index;
        let timer = sys::timer(tid, value);
        if let Some(timer) = timer {
            slot.timer.store(timer, Ordering::Release);
            sys::set_timer(timer, TICK);
            spool
                .header
                .clock
                .fetch_max(clock::TIMER, Ordering::Relaxed);
        }
        let has_perf = self.perf.load(Ordering::Relaxed) != 0
            && self.start_perf(slot, index, tid, period(spool)).is_some();
        if has_perf {
            spool.header.clock.store(clock::PERF, Ordering::Relaxed);
        } else if spool.header.clock.load(Ordering::Relaxed) != clock::PERF {
            self.perf.store(0, Ordering::Relaxed);
        }
        if timer.is_none() && !has_perf {
            spool.header.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn start_perf(&self, slot: &Slot, index: usize, tid: i32, period: u64) -> Option<()> {
        // The first period is a random part of one: who runs for less than one is seen as often as it runs.
        let first = slot.random(period).max(period.min(SHORTEST));
        slot.is_first.store(true, Ordering::Relaxed);
        let low = sys::perf_clock(tid, first)?;
        let fd = out_of_the_way(low)?;
        const F_SETOWN_EX: i32 = 15;
        const F_SETSIG: i32 = 10;
        // SAFETY: the owner (a kind, F_OWNER_TID is 0; and a thread) is alive for the call.
        let is_directed = unsafe {
            let owner = [0, tid];
            libc::fcntl(fd, F_SETOWN_EX, owner.as_ptr()) == 0
                && libc::fcntl(fd, F_SETSIG, libc::SIGPROF) == 0
                && libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC) == 0
        };
        let known = self.by_descriptor.get(fd as usize);
        let (Some(known), true, Some(id)) = (known, is_directed, sys::perf_id(fd)) else {
            sys::close(fd);
            return None;
        };
        known.store(index as u16 + 1, Ordering::Release);
        slot.perf_id.store(id, Ordering::Relaxed);
        slot.perf.store(fd, Ordering::Release);
        sys::perf_ioctl(fd, sys::PERF_IOC_ENABLE, 0);
        Some(())
    }

    /// Stops the clocks of a slot's thread. A signal handler may do so: there are plain system calls only.
    pub fn stop(&self, slot: &Slot) {
        let timer = slot.timer.swap(-1, Ordering::AcqRel);
        if timer >= 0 {
            sys::delete_timer(timer);
        }
        let fd = slot.perf.swap(-1, Ordering::AcqRel);
        if fd >= 0 && sys::perf_id(fd) == Some(slot.perf_id.load(Ordering::Relaxed)) {
            sys::perf_ioctl(fd, sys::PERF_IOC_DISABLE, 0);
            self.by_descriptor[fd as usize].store(0, Ordering::Release);
            sys::close(fd);
        }
    }

    /// Whose signal it is, if it is one of ours.
    pub fn of_signal(
        &self,
        info: &libc::siginfo_t,
        slots: &Slots,
    ) -> Option<(usize, &'static Slot, Source)> {
        /// The part of the structure that `libc` has no names for.
        #[repr(C)]
        struct Poll {
            head: [i32; 4],
            band: i64,
            fd: i32,
        }
        const POLL_IN: i32 = 1;
        const POLL_HUP: i32 = 6;
        let (index, source) = match info.si_code {
            libc::SI_TIMER => {
                // SAFETY: a timer's signal has a value.
                let value = unsafe { info.si_value() }.sival_ptr.addr();
                if (value >> 32) as u32 != self.cookie {
                    return None;
                }
                (value & 0xffff_ffff, Source::Timer)
            }
            POLL_IN..=POLL_HUP => {
                // SAFETY: a descriptor's signal has a band and the descriptor, laid out like this.
                let fd = unsafe { (*std::ptr::from_ref(info).cast::<Poll>()).fd };
                let known = self.by_descriptor.get(usize::try_from(fd).ok()?)?;
                let index = known.load(Ordering::Acquire).checked_sub(1)?;
                (usize::from(index), Source::Perf)
            }
            _ => return None,
        };
        Some((index, slots.get(index)?, source))
    }

    /// Makes perf's next period another one after the first one, which was short, and then now and then: programs
    /// that do something at a fixed rate are not always met at the same place.
    pub fn vary(&self, slot: &Slot, spool: &Spool) {
        if slot.is_first.swap(false, Ordering::Relaxed) || slot.random(4) == 0 {
            let period = period(spool);
            let period = period - period / 8 + slot.random(period / 4);
            let fd = slot.perf.load(Ordering::Relaxed);
            if fd >= 0 {
                sys::perf_ioctl(fd, sys::PERF_IOC_PERIOD, period.max(1));
            }
        }
    }
}

/// The same descriptor under a high number, in the upper quarter of what a process may have: programs that close
/// descriptors, or count on their order, are less likely to meet it there, and they need the others for
/// themselves. None if that quarter is full.
fn out_of_the_way(fd: i32) -> Option<i32> {
    // SAFETY: the limit is filled in, or left as it is; descriptors are plain numbers.
    let high = unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 1024,
            rlim_max: 1024,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let most = limit.rlim_cur.min(DESCRIPTORS as u64) as i32;
        libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, most - most / 4)
    };
    sys::close(fd);
    (high >= 0).then_some(high)
}
