//! The agent as a whole: started, stopped, carried through forks.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use ferdelance_abi::spool::{Bytes, Spool, kind};

use crate::clocks::{self, Clocks};
use crate::intern::Interned;
use crate::modules::Modules;
use crate::python::Python;
use crate::slots::Slots;
use crate::{compiled, environment, hooks, signals, spool, sys};

/// The environment variable that says where the recorder is: `RATE:CLOCK:SOCKET`.
const VARIABLE: &CStr = c"FERDELANCE_AGENT";
const ARRAY: &[u8] = b"numpy.ndarray";

pub struct Agent {
    pub slots: Slots,
    pub clocks: Clocks,
    pub modules: Modules,
    pub interned: Interned,
    spool: AtomicPtr<Spool>,
    python: AtomicPtr<Python>,
    is_running: AtomicBool,
    /// Where the recorder is.
    socket: AtomicPtr<Vec<u8>>,
    /// Tells of a thread's end.
    key: AtomicU32,
}

static AGENT: AtomicPtr<Agent> = AtomicPtr::new(std::ptr::null_mut());

impl Agent {
    pub fn get() -> Option<&'static Agent> {
        // SAFETY: set once it is complete, and never freed.
        unsafe { AGENT.load(Ordering::Acquire).as_ref() }
    }

    pub fn spool(&self) -> &'static Spool {
        // SAFETY: a mapping that stays; in the child of a fork it is replaced before anybody uses it.
        unsafe { &*self.spool.load(Ordering::Acquire) }
    }

    pub fn python(&self) -> Option<&'static Python> {
        // SAFETY: set once it is complete, and never freed.
        unsafe { self.python.load(Ordering::Acquire).as_ref() }
    }

    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
            && self.spool().header.stop.load(Ordering::Relaxed) == 0
    }

    /// Whether a class, by number, is NumPy's of arrays.
    pub fn is_array(&self, class: u32) -> bool {
        let spool = self.spool();
        let Some(entry) = spool.types.get(class as usize) else {
            return false;
        };
        let name = Bytes::from_word(entry.name.load(Ordering::Relaxed));
        let start = name.offset as usize;
        let bytes = spool.bytes.get(start..start + name.len as usize);
        bytes.is_some_and(|bytes| {
            bytes.len() == ARRAY.len()
                && bytes
                    .iter()
                    .zip(ARRAY)
                    .all(|(a, b)| a.load(Ordering::Relaxed) == *b)
        })
    }

    /// Looks at what was loaded since the last time.
    pub fn look_at_modules(&self) {
        if !self.is_running() {
            return;
        }
        let mut is_any = false;
        self.modules.update(self.spool(), |file| {
            hooks::patch(file);
            compiled::look_at(file);
            is_any = true;
        });
        if is_any {
            self.look_for_python();
        }
    }

    fn look_for_python(&self) {
        if self.python.load(Ordering::Relaxed).is_null()
            && let Some(python) = Python::find(self.spool())
        {
            python.write_down(self.spool());
            let python = Box::into_raw(Box::new(python));
            self.python.store(python, Ordering::Release);
        }
    }

    /// The thread that calls this is sampled from now on.
    pub fn enter_thread(&self) {
        let key = self.key.load(Ordering::Relaxed);
        if self.is_running()
            && let Some(index) = self.take_in(sys::gettid())
        {
            // SAFETY: the key is valid; the value is a number, not an address.
            unsafe {
                libc::pthread_setspecific(key, std::ptr::without_provenance(index + 1));
            }
        }
    }

    fn take_in(&self, tid: i32) -> Option<usize> {
        let Some((index, slot)) = self.slots.take(tid) else {
            self.spool().header.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        slot.write_times(self.spool(), index, kind::THREAD);
        self.clocks.start(slot, index, self.spool());
        Some(index)
    }

    /// A thread ends, or is not sampled any more.
    fn let_go(&self, index: usize) {
        if let Some(slot) = self.slots.get(index) {
            self.clocks.stop(slot);
            slot.write_times(self.spool(), index, kind::END);
            self.slots.give_back(index);
        }
    }

    /// Stops the clocks of the thread that calls this, if it is this process's; says which slot it has.
    pub fn pause_thread(&self) -> Option<usize> {
        let tid = sys::gettid();
        // After `vfork`, another process looks at this memory.
        if !self.is_running() || self.spool().header.pid != sys::getpid() {
            return None;
        }
        let (index, slot) = self
            .slots
            .used()
            .find(|(_, s)| s.tid.load(Ordering::Relaxed) == tid)?;
        self.clocks.stop(slot);
        slot.write_times(self.spool(), index, kind::END);
        Some(index)
    }

    pub fn resume_thread(&self, index: usize) {
        if let Some(slot) = self.slots.get(index) {
            slot.write_times(self.spool(), index, kind::THREAD);
            self.clocks.start(slot, index, self.spool());
        }
    }

    /// Takes in the threads that are there and not sampled.
    fn take_in_all(&self) {
        let Ok(entries) = std::fs::read_dir("/proc/self/task") else {
            self.take_in(sys::gettid());
            return;
        };
        for entry in entries.flatten() {
            let tid = std::str::from_utf8(entry.file_name().as_bytes())
                .ok()
                .and_then(|name| name.parse().ok());
            let is_in = |tid: i32| {
                self.slots
                    .used()
                    .any(|(_, s)| s.tid.load(Ordering::Relaxed) == tid)
            };
            if let Some(tid) = tid.filter(|&tid| !is_in(tid)) {
                self.take_in(tid);
            }
        }
    }

    fn stop(&self) {
        if self.is_running.swap(false, Ordering::AcqRel) {
            for (index, _) in self.slots.used() {
                self.let_go(index);
            }
        }
    }
}

/// Starts sampling this process, for the recorder that listens at `socket`.
fn start(socket: &[u8], rate: f64, with_perf: bool) -> bool {
    let period = (1e9 / rate.clamp(1.0, 20_000.0)) as u64;
    if let Some(agent) = Agent::get() {
        return start_again(agent, socket, period);
    }
    let (Some(slots), Some(interned)) = (Slots::new(), Interned::new()) else {
        return false;
    };
    if !hooks::find() {
        return false;
    }
    let Some(spool) = spool::open(socket, period) else {
        return false;
    };
    let mut key = 0;
    // SAFETY: the functions have the right signatures and stay, as this library is never unloaded.
    unsafe {
        libc::pthread_key_create(&raw mut key, Some(thread_ends));
        libc::pthread_atfork(None, None, Some(in_child));
        libc::atexit(finish);
    }
    let agent = Agent {
        slots,
        clocks: Clocks::new(with_perf),
        modules: Modules::new(),
        interned,
        spool: AtomicPtr::new(std::ptr::from_ref(spool).cast_mut()),
        python: AtomicPtr::new(std::ptr::null_mut()),
        is_running: AtomicBool::new(true),
        socket: kept(socket),
        key: AtomicU32::new(key),
    };
    let agent = &*Box::leak(Box::new(agent));
    AGENT.store(std::ptr::from_ref(agent).cast_mut(), Ordering::Release);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        signals::give_up();
        before(info);
    }));
    signals::install();
    agent.look_at_modules();
    agent.look_for_python();
    agent.take_in_all();
    true
}

/// Sampling was stopped and starts again, into another spool.
fn start_again(agent: &'static Agent, socket: &[u8], period: u64) -> bool {
    if agent.is_running() {
        return false;
    }
    let Some(spool) = spool::open(socket, period) else {
        return false;
    };
    agent.stop();
    agent
        .socket
        .store(kept(socket).into_inner(), Ordering::Release);
    agent.interned.clear();
    let old = agent
        .spool
        .swap(std::ptr::from_ref(spool).cast_mut(), Ordering::AcqRel);
    // SAFETY: a mapping of that size, to which a handler that comes late may still write.
    unsafe { sys::empty(old.cast(), size_of::<Spool>()) };
    agent.modules.after_fork(spool);
    if let Some(python) = agent.python() {
        python.write_down(spool);
    }
    agent.is_running.store(true, Ordering::Release);
    agent.look_at_modules();
    agent.take_in_all();
    true
}

/// Kept for good, since the child of a fork may look at it at any time.
fn kept(socket: &[u8]) -> AtomicPtr<Vec<u8>> {
    AtomicPtr::new(Box::into_raw(Box::new(socket.to_vec())))
}

extern "C" fn thread_ends(value: *mut c_void) {
    if let (Some(agent), Some(index)) = (Agent::get(), value.addr().checked_sub(1))
        && let Some(slot) = agent.slots.get(index)
        && slot.tid.load(Ordering::Relaxed) == sys::gettid()
    {
        agent.let_go(index);
    }
}

/// The process ends.
pub extern "C" fn finish() {
    if let Some(agent) = Agent::get()
        && agent.spool().header.pid == sys::getpid()
    {
        agent.stop();
    }
}

/// After a fork, in the child: it is a process of its own, with one thread and no clocks.
extern "C" fn in_child() {
    let Some(agent) = Agent::get() else {
        return;
    };
    let was_running = agent.is_running();
    agent.is_running.store(false, Ordering::Relaxed);
    agent.slots.forget_all();
    agent.interned.clear();
    if !was_running {
        return;
    }
    // SAFETY: set when the agent is made, and never freed.
    let socket = unsafe { &*agent.socket.load(Ordering::Acquire) };
    // As it is now for the parent.
    let Some(spool) = spool::open(socket, clocks::period(agent.spool())) else {
        return;
    };
    let old = agent
        .spool
        .swap(std::ptr::from_ref(spool).cast_mut(), Ordering::AcqRel);
    // SAFETY: the parent's; the only thread of this process has just let go of it.
    unsafe { libc::munmap(old.cast(), size_of::<Spool>()) };
    if let Some(python) = agent.python() {
        python.write_down(spool);
    }
    agent.modules.after_fork(spool);
    agent.is_running.store(true, Ordering::Release);
    agent.enter_thread();
}

/// Runs when the library is loaded: starts, if the environment says where the recorder is.
extern "C" fn on_load() {
    // SAFETY: the name is a C string; the environment does not change yet.
    let value = unsafe {
        let value = libc::getenv(VARIABLE.as_ptr());
        if value.is_null() {
            return;
        }
        CStr::from_ptr(value).to_bytes()
    };
    environment::keep();
    let mut parts = value.splitn(3, |&b| b == b':');
    if let (Some(rate), Some(clock), Some(socket)) = (parts.next(), parts.next(), parts.next())
        && let Some(rate) = std::str::from_utf8(rate).ok().and_then(|r| r.parse().ok())
    {
        start(socket, rate, clock != b"timer");
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = on_load;

/// Starts sampling this process `rate` times a second of CPU time, for the recorder that listens at `socket`.
///
/// Returns whether it has started: not if it runs already, or if there is no recorder.
///
/// # Safety
///
/// `socket` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ferdelance_agent_start(
    socket: *const c_char,
    rate: f64,
    with_perf: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    let socket = unsafe { CStr::from_ptr(socket) };
    c_int::from(start(socket.to_bytes(), rate, with_perf != 0))
}

/// Stops sampling this process.
#[unsafe(no_mangle)]
pub extern "C" fn ferdelance_agent_stop() {
    finish();
}
