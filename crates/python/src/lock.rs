//! The compile lock: one compile at a time in a process, whichever thread it is on.
//!
//! It is re-entrant, because a compile may run Python code (an attribute of a global, say) that calls a
//! jitted function. Who waits lets go of the GIL, since the holder needs it. A forked child that did not
//! inherit the holding thread starts with a new lock.
//!
//! LLVM runs without the GIL and has locks of its own, which a fork in another thread would leave
//! locked in the child for good; so a fork waits until LLVM is done ([`native`]).

use core::cell::UnsafeCell;
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
        // SAFETY: the handlers lock and unlock, allocate and store.
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
    });
    // SAFETY: set above, never freed.
    unsafe { &*LOCK.load(Ordering::Acquire) }
}

unsafe extern "C" fn before_fork() {
    NATIVE.lock();
}

unsafe extern "C" fn after_fork() {
    NATIVE.unlock();
}

/// The threads that held or awaited the lock do not exist here.
unsafe extern "C" fn in_child() {
    NATIVE.unlock();
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

/// A lock that one call takes and another releases, as fork handlers must.
struct Native(UnsafeCell<libc::pthread_mutex_t>);
// SAFETY: mutexes are made to be shared.
unsafe impl Sync for Native {}

static NATIVE: Native = Native(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

impl Native {
    fn lock(&self) {
        // SAFETY: initialised, never moved nor destroyed.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }
    fn unlock(&self) {
        // SAFETY: as above; the calling thread (in a child: its copy) has locked it.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) };
    }
}

/// Runs `f`, which neither needs nor waits for the GIL, so that no fork happens meanwhile.
pub fn native<T>(f: impl FnOnce() -> T) -> T {
    struct Unlock;
    impl Drop for Unlock {
        fn drop(&mut self) {
            NATIVE.unlock();
        }
    }
    NATIVE.lock();
    let _unlock = Unlock;
    f()
}
