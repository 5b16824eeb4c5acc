//! A process whose calls are counted writes them down when it is ended by SIGTERM, as pools end their workers.
//!
//! A handler of Python's runs only when the interpreter comes to it. One that waits for a lock is woken by a signal
//! that comes while it waits, but not by one that came a moment before. So the signal is sent again, until Python's
//! handler has run; after some seconds it does what it would have done without us.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Nanoseconds between signals, and how many there are at most.
const AGAIN: i64 = 20_000_000;
const MOST: u32 = 250;

static TIMER: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(core::ptr::null_mut());
static SENT: AtomicU32 = AtomicU32::new(0);
/// Python's own handler, by address.
static PYTHONS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(number: c_int) {
    let sent = SENT.fetch_add(1, Ordering::Relaxed);
    if sent >= MOST {
        // SAFETY: both are allowed in handlers; the process ends.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
        return;
    }
    let pythons = PYTHONS.load(Ordering::Acquire);
    if pythons > 1 {
        // SAFETY: the address of a handler of this kind, which was installed.
        unsafe { core::mem::transmute::<usize, extern "C" fn(c_int)>(pythons)(number) };
    }
    send_again();
}

/// Has the signal come once more, in a while.
fn send_again() {
    let time = |tv_nsec| libc::timespec { tv_sec: 0, tv_nsec };
    let when = libc::itimerspec {
        it_interval: time(0),
        it_value: time(AGAIN),
    };
    // SAFETY: allowed in handlers. If there is no such timer, nothing happens.
    unsafe {
        libc::timer_settime(
            TIMER.load(Ordering::Acquire),
            0,
            &raw const when,
            core::ptr::null_mut(),
        )
    };
}

/// Puts this before Python's handler of SIGTERM, which has to be there; again in the child of a fork. Raises OSError.
#[pyfunction]
pub fn _insist_on_termination() -> PyResult<()> {
    let failed = || PyOSError::new_err(std::io::Error::last_os_error().to_string());
    let mut event = MaybeUninit::<libc::sigevent>::zeroed();
    let mut timer = core::ptr::null_mut();
    // SAFETY: a zeroed structure is valid; the timer is written on success. One of the parent's does not exist in a
    // child.
    unsafe {
        let event = event.assume_init_mut();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGTERM;
        if libc::timer_create(libc::CLOCK_MONOTONIC, event, &raw mut timer) != 0 {
            return Err(failed());
        }
    }
    TIMER.store(timer, Ordering::Release);
    // What came to a child at once, before it had a timer, Python has forgotten.
    if SENT.load(Ordering::Acquire) > 0 {
        send_again();
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the structures are valid, and the handler stays.
    unsafe {
        let action = action.assume_init_mut();
        if libc::sigaction(libc::SIGTERM, core::ptr::null(), action) != 0 {
            return Err(failed());
        }
        let own = handle as extern "C" fn(c_int) as usize;
        if action.sa_sigaction != own {
            PYTHONS.store(action.sa_sigaction, Ordering::Release);
            action.sa_sigaction = own;
            if libc::sigaction(libc::SIGTERM, action, core::ptr::null_mut()) != 0 {
                return Err(failed());
            }
        }
    }
    Ok(())
}
