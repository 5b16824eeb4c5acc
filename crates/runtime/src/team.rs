//! The team of threads that runs parallel regions.
//!
//! A region is a compiled function that runs some rounds of a loop. [`parallel_for`] splits the rounds
//! into chunks, whose number follows from the work and the number of threads alone, and gives chunk `c`
//! to thread `c % threads`, the caller being thread 0. There is no stealing: what a chunk computes, and
//! the order in which partial results are combined, are the same in each run with as many threads.
//!
//! A caller that has done its own part takes back what a thread has not begun yet, so that nobody waits for
//! a thread that is slow to wake.
//!
//! Between regions the threads wait for the next one, at first spinning, then parked. There is one team
//! in the process; a caller that finds it at work for another one runs all its chunks itself, one after
//! the other, with the same results. Regions inside of regions are one chunk, on the thread that is there.
//!
//! A forked child has none of these threads: its first region makes a team of its own.
//!
//! Nothing here touches Python: the caller may hold the GIL. What a region prints is kept, and written by
//! the caller at the end, in the order of the chunks.

use core::cell::{Cell, UnsafeCell};
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, Once, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ferdelance_abi::layout::{PARALLEL_WORTH, Trampoline};

use crate::error::{Error, Kind, error_drop};

/// Work from which regions are split; each chunk has half of it, at least. Smaller in tests.
static WORTH: AtomicI64 = AtomicI64::new(PARALLEL_WORTH);
/// How long threads look for the next region, or for the end of this one, before they sleep.
const SPIN: Duration = Duration::from_micros(60);
/// Slots of a region's frame that are copied to the stack; larger ones go through the heap.
const FRAME: usize = 64;
/// Stack of the team's threads, in bytes.
const STACK: usize = 8 << 20;

/// What belongs to one thread.
struct Local {
    /// Number of threads for regions that it starts; 0: as many as there may be.
    threads: Cell<u32>,
    /// Rounds that a chunk has; 0: as many as share the work evenly.
    chunk_size: Cell<i64>,
    /// Its number in the region that it runs a chunk of.
    id: Cell<u32>,
    /// The region that it runs a chunk of, and the chunk.
    job: Cell<*const Job>,
    chunk: Cell<usize>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            threads: Cell::new(0),
            chunk_size: Cell::new(0),
            id: Cell::new(0),
            job: Cell::new(core::ptr::null()),
            chunk: Cell::new(0),
        }
    };
}

/// The largest number of threads of a region.
static MOST: AtomicU32 = AtomicU32::new(1);
/// Somebody's region runs on the team.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Some region has run.
static USED: AtomicBool = AtomicBool::new(false);
/// The team, made when it is first needed and never freed.
static TEAM: AtomicPtr<Team> = AtomicPtr::new(core::ptr::null_mut());

// ---- settings ------------------------------------------------------------------------------------

/// Sets the largest number of threads, from the configuration.
pub fn set_most_threads(n: u32) {
    MOST.store(n.max(1), Ordering::Relaxed);
}

/// Sets the work from which regions are split, for tests; gives the one before.
pub fn set_worth(work: i64) -> i64 {
    WORTH.swap(work, Ordering::Relaxed)
}

/// That work.
pub fn worth() -> i64 {
    WORTH.load(Ordering::Relaxed)
}

/// Whether any region has run.
pub fn was_used() -> bool {
    USED.load(Ordering::Relaxed)
}

/// Number of threads for regions that the calling thread starts.
pub extern "C" fn num_threads() -> i64 {
    let most = MOST.load(Ordering::Relaxed);
    let own = LOCAL.with(|l| l.threads.get());
    i64::from(if own == 0 { most } else { own.min(most) })
}

/// Sets that number; ValueError unless it is between 1 and the largest.
pub extern "C" fn set_num_threads(n: i64) -> *mut Error {
    let most = MOST.load(Ordering::Relaxed);
    match u32::try_from(n) {
        Ok(n) if (1..=most).contains(&n) => {
            LOCAL.with(|l| l.threads.set(n));
            core::ptr::null_mut()
        }
        _ => Error::raised(
            Kind::ValueError,
            &format!("the number of threads must be between 1 and {most}, not {n}"),
        ),
    }
}

/// The number of the calling thread in the region that it runs, from 0; 0 outside.
pub extern "C" fn thread_id() -> i64 {
    i64::from(LOCAL.with(|l| l.id.get()))
}

/// Number of rounds of a chunk; 0: as many as share the work evenly.
pub extern "C" fn chunk_size() -> i64 {
    LOCAL.with(|l| l.chunk_size.get())
}

/// Sets that number and gives the one before; ValueError if it is negative.
///
/// # Safety
/// `before` is writable.
pub unsafe extern "C" fn set_chunk_size(n: i64, before: *mut i64) -> *mut Error {
    if n < 0 {
        return Error::raised(
            Kind::ValueError,
            &format!("the chunk size must not be negative: {n}"),
        );
    }
    let old = LOCAL.with(|l| l.chunk_size.replace(n));
    // SAFETY: as promised.
    unsafe { before.write(old) };
    core::ptr::null_mut()
}

// ---- regions -------------------------------------------------------------------------------------

/// A region that runs.
struct Job {
    region: Trampoline,
    /// Slots of its arguments, without the first and the last round.
    frame: *const u64,
    slots: usize,
    /// Slots of a chunk's results, and those of all chunks.
    results: usize,
    partials: *mut u64,
    rounds: i64,
    chunks: usize,
    threads: usize,
    /// What [`num_threads`] is inside.
    setting: u32,
    /// The lowest chunk that has raised an error so far: those behind it need not run.
    failed: AtomicUsize,
    error: Mutex<Option<Raised>>,
    /// What chunks have printed, line by line.
    output: Mutex<Vec<(usize, String)>>,
}

/// An error, and the chunk that raised it.
struct Raised {
    chunk: usize,
    error: *mut Error,
}

// SAFETY: an error is passed on from one thread to another, and used by one at a time.
unsafe impl Send for Raised {}
// SAFETY: frame and results are only read, or written each by one chunk; the rest is synchronised.
unsafe impl Sync for Job {}

impl Job {
    /// The rounds of a chunk.
    fn part(&self, chunk: usize) -> (i64, i64) {
        let at = |c: usize| {
            let part = i128::from(self.rounds) * c as i128 / self.chunks as i128;
            // No more than all rounds.
            i64::try_from(part).unwrap_or(self.rounds)
        };
        (at(chunk), at(chunk + 1))
    }

    /// Runs the chunks of one thread.
    fn run_thread(&self, id: usize, frame: &mut [u64]) {
        LOCAL.with(|l| l.id.set(id as u32));
        for chunk in (id..self.chunks).step_by(self.threads) {
            if self.failed.load(Ordering::Relaxed) < chunk {
                return;
            }
            self.run_chunk(chunk, frame);
        }
    }

    fn run_chunk(&self, chunk: usize, frame: &mut [u64]) {
        LOCAL.with(|l| l.chunk.set(chunk));
        let (begin, end) = self.part(chunk);
        [frame[0], frame[1]] = [begin.cast_unsigned(), end.cast_unsigned()];
        // SAFETY: each chunk has so many slots; a region takes such a frame.
        let error = unsafe {
            let results = self.partials.add(chunk * self.results);
            (self.region)(frame.as_ptr(), results)
        };
        if !error.is_null() {
            self.raised(chunk, error.cast());
        }
    }

    /// Keeps the error of the lowest chunk.
    #[cold]
    fn raised(&self, chunk: usize, error: *mut Error) {
        self.failed.fetch_min(chunk, Ordering::Relaxed);
        let mut kept = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let other = match &*kept {
            Some(first) if first.chunk < chunk => Some(error),
            _ => kept.replace(Raised { chunk, error }).map(|r| r.error),
        };
        if let Some(other) = other {
            // SAFETY: nobody else has it.
            unsafe { error_drop(other) };
        }
    }

    /// Calls `f` with a frame of its own, inside of the region.
    fn inside(&self, f: impl FnOnce(&mut [u64])) {
        let before = LOCAL.with(|l| (l.id.get(), l.job.replace(self), l.threads.get()));
        LOCAL.with(|l| l.threads.set(self.setting));
        let slots = self.slots + 2;
        let mut small = [0_u64; FRAME];
        let mut large = Vec::new();
        let frame = if slots <= FRAME {
            &mut small[..slots]
        } else {
            large.resize(slots, 0);
            &mut large[..]
        };
        // SAFETY: the caller's frame has so many slots.
        frame[2..].copy_from_slice(unsafe { slice(self.frame, self.slots) });
        f(frame);
        LOCAL.with(|l| {
            l.id.set(before.0);
            l.job.set(before.1);
            l.threads.set(before.2);
        });
    }

    /// Runs all chunks on this thread.
    fn run_all(&self) {
        self.inside(|frame| {
            for id in 0..self.threads {
                self.run_thread(id, frame);
            }
        });
    }
}

/// Keeps what a region prints for its end; false outside of one.
pub(crate) fn keep_output(text: &str) -> bool {
    LOCAL.with(|l| {
        // SAFETY: the region runs as long as it is this thread's.
        let Some(job) = (unsafe { l.job.get().as_ref() }) else {
            return false;
        };
        let mut output = job.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.push((l.chunk.get(), text.to_owned()));
        true
    })
}

/// Writes what the chunks have printed.
fn write_output(mut output: Vec<(usize, String)>) -> *mut Error {
    if output.is_empty() {
        return core::ptr::null_mut();
    }
    output.sort_by_key(|(chunk, _)| *chunk);
    let text: String = output.into_iter().map(|(_, text)| text).collect();
    // A region inside of another one is printed with that.
    if keep_output(&text) {
        return core::ptr::null_mut();
    }
    crate::print::write(&text)
}

/// # Safety
/// There are `len` slots at `data`.
unsafe fn slice<'a>(data: *const u64, len: usize) -> &'a [u64] {
    if len == 0 {
        return &[];
    }
    // SAFETY: as promised.
    unsafe { core::slice::from_raw_parts(data, len) }
}

/// Runs a loop of so many rounds in chunks. `region` is a trampoline that takes the number of the first
/// round, that behind the last one, and `slots` slots; it gives `results` slots. The frame has room for the
/// two numbers, then the slots, then room for the results of one chunk. `work` is what the whole loop costs,
/// in hundredths of a nanosecond.
///
/// Gives the results of the chunks, in order, and their number; [`parallel_free`] frees them. The error
/// is that of the lowest chunk that raised one.
///
/// # Safety
/// `region` is such a trampoline, which may run on several threads at once; there is such a frame;
/// `partials` and `count` are writable.
pub unsafe extern "C" fn parallel_for(
    region: *mut c_void,
    frame: *mut c_void,
    slots: i64,
    results: i64,
    rounds: i64,
    work: i64,
    partials: *mut *mut c_void,
    count: *mut i64,
) -> *mut Error {
    // SAFETY: a trampoline, as promised.
    let region = unsafe { core::mem::transmute::<*mut c_void, Trampoline>(region) };
    let (frame, slots) = (frame.cast::<u64>(), slots.max(0) as usize);
    if !USED.load(Ordering::Relaxed) {
        USED.store(true, Ordering::Relaxed);
    }
    let (threads, chunks) = split(rounds, work);
    if chunks <= 1 {
        // SAFETY: the frame has such room.
        unsafe {
            let results = frame.add(2 + slots);
            partials.write(results.cast());
            count.write(chunks as i64);
            if chunks == 0 {
                return core::ptr::null_mut();
            }
            frame.write(0);
            frame.add(1).write(rounds.cast_unsigned());
            return region(frame, results).cast();
        }
    }
    let results = results.max(0) as usize;
    let memory = allocate(chunks * results);
    let job = Job {
        region,
        // SAFETY: the slots begin there.
        frame: unsafe { frame.add(2) },
        slots,
        results,
        partials: memory,
        rounds,
        chunks,
        threads,
        setting: LOCAL.with(|l| l.threads.get()),
        failed: AtomicUsize::new(usize::MAX),
        error: Mutex::new(None),
        output: Mutex::new(Vec::new()),
    };
    run(&job);
    // SAFETY: writable, as promised.
    unsafe {
        partials.write(memory.cast());
        count.write(chunks as i64);
    }
    let output = job.output.into_inner();
    let mut error = write_output(output.unwrap_or_else(PoisonError::into_inner));
    let raised = job.error.into_inner();
    if let Some(raised) = raised.unwrap_or_else(PoisonError::into_inner) {
        if !error.is_null() {
            // SAFETY: nobody else has it.
            unsafe { error_drop(error) };
        }
        error = raised.error;
    }
    if !error.is_null() {
        // SAFETY: nobody looks at the results of a region that has raised.
        unsafe { parallel_free(memory.cast(), chunks as i64) };
    }
    error
}

/// Number of threads and of chunks.
fn split(rounds: i64, work: i64) -> (usize, usize) {
    let worth = WORTH.load(Ordering::Relaxed);
    if rounds <= 1 || work < worth {
        return (1, usize::from(rounds > 0));
    }
    let (nested, size) = LOCAL.with(|l| (!l.job.get().is_null(), l.chunk_size.get()));
    let most = num_threads().min(rounds).max(1) as usize;
    if nested || most == 1 {
        return (1, 1);
    }
    if size > 0 {
        let chunks = ((rounds - 1) / size + 1) as usize;
        return (most.min(chunks), chunks);
    }
    let enough = usize::try_from(work / (worth / 2).max(1)).unwrap_or(most);
    let threads = most.min(enough).max(1);
    (threads, threads)
}

/// Memory for so many slots; null for none.
fn allocate(slots: usize) -> *mut u64 {
    if slots == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: the size is not zero.
    let memory = unsafe { libc::calloc(slots, size_of::<u64>()) };
    if memory.is_null() {
        std::alloc::handle_alloc_error(core::alloc::Layout::new::<u64>());
    }
    memory.cast()
}

/// Frees the results that [`parallel_for`] gave.
///
/// # Safety
/// They are not used any more.
pub unsafe extern "C" fn parallel_free(partials: *mut c_void, count: i64) {
    // Those of one chunk are in the frame.
    if count > 1 {
        // SAFETY: allocated by `allocate`, or null.
        unsafe { libc::free(partials) };
    }
}

/// Runs a job on the team, or here if that is at work.
fn run(job: &Job) {
    if BUSY.swap(true, Ordering::Acquire) {
        return job.run_all();
    }
    let team = Team::get();
    // SAFETY: the team is ours as long as it is busy.
    let helpers = unsafe { team.start(job) };
    job.inside(|frame| {
        job.run_thread(0, frame);
        // What there were no threads for, or what they have not begun.
        for id in 1..job.threads {
            let ours = match helpers.get(id - 1) {
                Some(helper) => team.take_back(helper),
                None => true,
            };
            if ours {
                job.run_thread(id, frame);
            }
        }
    });
    team.finish();
    BUSY.store(false, Ordering::Release);
}

// ---- threads -------------------------------------------------------------------------------------

/// The threads, and how their caller waits for them. Lives as long as the process.
struct Team {
    /// Only whoever made the team busy looks at it.
    workers: UnsafeCell<Vec<&'static Worker>>,
    /// Threads that have not finished the current job.
    running: AtomicUsize,
    /// The caller sleeps, or is about to.
    waiting: AtomicBool,
    lock: Mutex<()>,
    finished: Condvar,
}

// SAFETY: `workers` belongs to one thread at a time, see there.
unsafe impl Sync for Team {}

/// One of the team's threads, seen by callers.
struct Worker {
    /// What it is to run.
    job: AtomicPtr<Job>,
    /// It sleeps, or is about to.
    parked: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A child has the thread that forked, and nothing of the team but its memory.
extern "C" fn forget_team() {
    TEAM.store(core::ptr::null_mut(), Ordering::Relaxed);
    BUSY.store(false, Ordering::Relaxed);
}

impl Team {
    /// The process's team. Only for whoever made it busy.
    fn get() -> &'static Team {
        static FORKS: Once = Once::new();
        // SAFETY: a function that only stores to atomics may run in a forked child.
        FORKS.call_once(|| unsafe {
            #[cfg(not(miri))]
            libc::pthread_atfork(None, None, Some(forget_team));
        });
        let known = TEAM.load(Ordering::Acquire);
        if !known.is_null() {
            // SAFETY: teams are never freed.
            return unsafe { &*known };
        }
        let team = Box::leak(Box::new(Team {
            workers: UnsafeCell::new(Vec::new()),
            running: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            lock: Mutex::new(()),
            finished: Condvar::new(),
        }));
        TEAM.store(team, Ordering::Release);
        team
    }

    /// Hands a job to as many threads as it wants besides the caller, and gives these: fewer if the system
    /// has no more threads.
    ///
    /// # Safety
    /// The caller has made the team busy, and keeps the job until [`Team::finish`].
    unsafe fn start(&'static self, job: &Job) -> &'static [&'static Worker] {
        // SAFETY: the team is the caller's.
        let workers = unsafe { &mut *self.workers.get() };
        let wanted = job.threads - 1;
        while workers.len() < wanted {
            match self.hire(workers.len() + 1) {
                Some(worker) => workers.push(worker),
                None => break,
            }
        }
        let helpers = &workers[..wanted.min(workers.len())];
        self.running.store(helpers.len(), Ordering::Relaxed);
        for worker in helpers {
            worker
                .job
                .store(core::ptr::from_ref(job).cast_mut(), Ordering::SeqCst);
            if worker.parked.load(Ordering::SeqCst)
                && let Some(thread) = worker.thread.get()
            {
                thread.unpark();
            }
        }
        helpers
    }

    fn hire(&'static self, id: usize) -> Option<&'static Worker> {
        let worker: &'static Worker = Box::leak(Box::new(Worker {
            job: AtomicPtr::new(core::ptr::null_mut()),
            parked: AtomicBool::new(false),
            thread: OnceLock::new(),
        }));
        let thread = thread::Builder::new()
            .name(format!("ferdelance-{id}"))
            .stack_size(STACK)
            .spawn(move || self.work(worker, id))
            .ok()?;
        // The thread is never joined: it ends with the process.
        let _ = worker.thread.set(thread.thread().clone());
        Some(worker)
    }

    /// What a thread of the team does.
    fn work(&self, worker: &Worker, id: usize) {
        reset_floating_point();
        loop {
            let job = worker.next();
            // SAFETY: the caller waits until this thread has said that it is done.
            let job = unsafe { &*job };
            job.inside(|frame| job.run_thread(id, frame));
            // From here on, the job may be gone.
            if self.running.fetch_sub(1, Ordering::SeqCst) == 1
                && self.waiting.load(Ordering::SeqCst)
            {
                let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
                self.finished.notify_one();
            }
        }
    }

    /// Takes a job back from a thread; false if the thread has begun.
    fn take_back(&self, worker: &Worker) -> bool {
        let ours = !worker.take().is_null();
        if ours {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        ours
    }

    /// Waits until all threads have finished.
    fn finish(&self) {
        if spin(|| self.running.load(Ordering::Acquire) == 0) {
            return;
        }
        self.waiting.store(true, Ordering::SeqCst);
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.running.load(Ordering::SeqCst) != 0 {
            held = self
                .finished
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.store(false, Ordering::Relaxed);
    }
}

impl Worker {
    /// What it is to run, which nobody else runs then; null for nothing.
    fn take(&self) -> *const Job {
        self.job.swap(core::ptr::null_mut(), Ordering::AcqRel)
    }

    /// Waits for something to do.
    fn next(&self) -> *const Job {
        loop {
            if spin(|| !self.job.load(Ordering::Relaxed).is_null()) {
                let job = self.take();
                if !job.is_null() {
                    return job;
                }
                continue;
            }
            // Whoever hands over a job looks at this after it, and we look for a job after this. Once awake,
            // it spins again, whether the job is still there or not: more may follow.
            self.parked.store(true, Ordering::SeqCst);
            if self.job.load(Ordering::SeqCst).is_null() {
                thread::park();
            }
            self.parked.store(false, Ordering::Relaxed);
        }
    }
}

/// Looks again and again for a while; whether it has come true.
fn spin(done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..64 {
            if done() {
                return true;
            }
            core::hint::spin_loop();
        }
        if start.elapsed() > SPIN {
            return false;
        }
    }
}

/// A thread inherits how its maker computes; the team computes as IEEE has it.
fn reset_floating_point() {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        /// Rounding to nearest, all exceptions masked, no flushing to zero.
        static DEFAULT: u32 = 0x1f80;
        // SAFETY: loads a valid value of the control register.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const DEFAULT) };
    }
}

#[cfg(test)]
mod tests;
