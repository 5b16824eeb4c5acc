//! The compile lock: one compile at a time in a process, whichever thread it is on.
//!
//! It is re-entrant, because a compile may run Python code (an attribute of a global, say) that calls a
//! jitted function. Who waits lets go of the GIL, since the holder needs it. A forked child that did not
//! inherit the holding thread starts with a new lock.

use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::thread::ThreadId;

use pyo3::prelude::*;

#[derive(Default)]
struct Lock {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    holder: Option<ThreadId>,
    depth: usize,
}

static LOCK: AtomicPtr<Lock> = AtomicPtr::new(core::ptr::null_mut());

fn lock() -> &'static Lock {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        LOCK.store(Box::into_raw(Box::default()), Ordering::Release);
        // SAFETY: the handler only allocates and stores.
        unsafe { libc::pthread_atfork(None, None, Some(renew)) };
    });
    // SAFETY: set above, never freed.
    unsafe { &*LOCK.load(Ordering::Acquire) }
}

/// In a forked child: the threads that held or awaited the old lock do not exist.
unsafe extern "C" fn renew() {
    // The old one is left alone: it may be locked.
    LOCK.store(Box::into_raw(Box::default()), Ordering::Release);
}

/// The lock, held until this is dropped.
pub struct Guard {
    lock: &'static Lock,
}

/// Waits for the lock.
pub fn acquire(py: Python<'_>) -> Guard {
    let lock = lock();
    let me = std::thread::current().id();
    {
        let mut state = lock.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.holder.is_none() || state.holder == Some(me) {
            state.holder = Some(me);
            state.depth += 1;
            return Guard { lock };
        }
    }
    py.detach(|| {
        let mut state = lock.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.holder.is_some() {
            state = lock
                .free
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.holder = Some(me);
        state.depth = 1;
    });
    Guard { lock }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self
            .lock
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.depth = state.depth.saturating_sub(1);
        if state.depth == 0 {
            state.holder = None;
            self.lock.free.notify_one();
        }
    }
}
