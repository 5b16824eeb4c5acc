//! What threads do while they do not run: looked at from outside, a few times a second.
//!
//! A thread that waits makes no samples of its own, as these come with CPU time, and a signal would wake it. But
//! the system tells how long it ran and how long it stood in the queue for a CPU (`schedstat`), and at which
//! system call it waits (`syscall`); its Python frames are read from its memory. A thread that has not run
//! since the last look is still where it was, so that idle threads cost next to nothing.

use std::collections::HashMap;
use std::fs::File;

use super::spool::SpoolFile;
use crate::proc;
use crate::remote::{Foreign, Frame, Python};

/// Shorter waits are not told from noise, in nanoseconds.
const SHORT: u64 = 100_000;
/// Longer ones are cut, in nanoseconds, so that they fit in a sample.
const LONG: u64 = 60_000_000_000;

/// A thread that waited, or was queued.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// The thread, by the number of its record, and until when, `CLOCK_MONOTONIC` in nanoseconds.
    pub thread: u32,
    pub time: u64,
    /// In nanoseconds.
    pub length: u64,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// At a place, by number.
    Waits(u32),
    WaitsForGil(u32),
    Queued,
}

/// Where a thread waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Innermost first.
    pub python: Vec<Frame>,
    /// The instruction after the call of the system.
    pub address: u64,
    /// The number of that call; none if it waits for something else.
    pub call: Option<u64>,
}

/// The threads of a process.
#[derive(Default)]
pub struct Waits {
    pub waits: Vec<Wait>,
    pub places: Vec<Place>,
    numbers: HashMap<Place, u32>,
    /// By slot.
    threads: HashMap<u16, Watched>,
    pub python: Option<Python>,
    /// Python's names of threads, by their numbers.
    pub names: HashMap<u32, String>,
    /// Threads that were seen so far.
    count: u32,
}

struct Watched {
    number: u32,
    tid: u32,
    schedstat: File,
    call: File,
    /// When it was last looked at, and what had been: times in nanoseconds.
    time: u64,
    ran: u64,
    queued: u64,
    /// What it did then.
    what: Option<What>,
    /// How long it has waited at places that were not seen.
    owed: u64,
}

impl Waits {
    /// A thread begins.
    pub fn begin(&mut self, pid: u32, slot: u16, tid: u32, now: u64) {
        let number = self.count;
        self.count += 1;
        let open = |name: &str| File::open(format!("/proc/{pid}/task/{tid}/{name}"));
        let Ok((schedstat, call)) = open("schedstat").and_then(|s| Ok((s, open("syscall")?)))
        else {
            // It is over already.
            self.threads.remove(&slot);
            return;
        };
        let Some((ran, queued)) = proc::times(&schedstat) else {
            return;
        };
        let watched = Watched {
            number,
            tid,
            schedstat,
            call,
            time: now,
            ran,
            queued,
            what: None,
            owed: 0,
        };
        self.threads.insert(slot, watched);
    }

    /// A thread ends.
    pub fn end(&mut self, slot: u16) {
        self.threads.remove(&slot);
    }

    /// Looks at all threads of a process.
    pub fn look(&mut self, spool: &SpoolFile, now: u64) {
        if self.python.is_none()
            && let Some((version, runtime, code_type)) = spool.python()
            && let Ok(memory) = Foreign::of(spool.pid)
        {
            self.python = Python::new(memory, version, runtime, code_type);
        }
        if let Some(python) = &mut self.python {
            python.memory.forget();
        }
        let mut threads = std::mem::take(&mut self.threads);
        for watched in threads.values_mut() {
            self.look_at(watched, now);
        }
        self.threads = threads;
    }

    fn look_at(&mut self, watched: &mut Watched, now: u64) {
        let Some((ran, queued)) = proc::times(&watched.schedstat) else {
            return;
        };
        let elapsed = now.saturating_sub(watched.time);
        let (has_run, in_queue) = (
            ran.saturating_sub(watched.ran),
            queued.saturating_sub(watched.queued),
        );
        if has_run != 0 || in_queue != 0 || watched.what.is_none() {
            watched.what = self.what(watched);
        }
        (watched.time, watched.ran, watched.queued) = (now, ran, queued);
        if in_queue >= SHORT {
            self.push(watched.number, now, in_queue, What::Queued);
        }
        let waited = elapsed.saturating_sub(has_run).saturating_sub(in_queue) + watched.owed;
        match watched.what {
            Some(what) if waited >= SHORT => {
                watched.owed = 0;
                self.push(watched.number, now, waited, what);
            }
            Some(_) => {}
            // It runs: where it waited is not known, but it may come there again.
            None => watched.owed = waited,
        }
    }

    fn push(&mut self, thread: u32, time: u64, length: u64, what: What) {
        // A wait that goes on is one.
        let last = self.waits.iter_mut().rev().take(256);
        if let Some(last) = last.into_iter().find(|w| w.thread == thread)
            && last.what == what
            && what != What::Queued
            && last.time + length + SHORT >= time
            && last.length + length < LONG
        {
            last.time = time;
            last.length += length;
            return;
        }
        self.waits.push(Wait {
            thread,
            time,
            length,
            what,
        });
    }

    /// What a thread waits for; none if it runs.
    fn what(&mut self, watched: &Watched) -> Option<What> {
        let waiting = proc::call(&watched.call)?;
        let mut place = Place {
            python: vec![],
            address: waiting.address,
            call: waiting.number,
        };
        let mut is_for_gil = false;
        if let Some(python) = &mut self.python
            && let Some((thread, gil)) = python.find(watched.tid, waiting.sp)
        {
            place.python = python.frames(thread);
            if !place.python.is_empty() && !self.names.contains_key(&watched.number) {
                let name = python.name(thread).unwrap_or_default();
                self.names.insert(watched.number, name);
            }
            is_for_gil = waiting.is_for_lock_in(gil);
        }
        let next = self.places.len() as u32;
        let number = *self.numbers.entry(place.clone()).or_insert_with(|| {
            self.places.push(place);
            next
        });
        Some(match is_for_gil {
            true => What::WaitsForGil(number),
            false => What::Waits(number),
        })
    }
}
