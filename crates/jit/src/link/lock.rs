//! A lock that a forked child can take although a thread that held it is gone.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

/// A spinning lock for short critical sections.
///
/// It remembers the process that holds it. A child that was forked while another thread held the
/// lock takes it over; the value may then be in the middle of a change, which the users of this
/// module allow for: at worst they lose the memory that the other thread was about to use.
pub(super) struct ForkLock<T> {
    /// The process id of the holder; 0 for none.
    holder: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through a guard only, and there is one guard at a time.
unsafe impl<T: Send> Sync for ForkLock<T> {}

/// Access to the value of a lock.
pub(super) struct Guard<'a, T>(&'a ForkLock<T>);

impl<T> ForkLock<T> {
    pub const fn new(value: T) -> Self {
        ForkLock {
            holder: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    pub fn lock(&self) -> Guard<'_, T> {
        let me = std::process::id();
        let mut tries = 0_u32;
        loop {
            let holder =
                match self
                    .holder
                    .compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed)
                {
                    Ok(_) => return Guard(self),
                    Err(holder) => holder,
                };
            if holder != me && holder != 0 {
                // Its holder lives in the parent, on the parent's copy.
                let taken =
                    self.holder
                        .compare_exchange(holder, me, Ordering::Acquire, Ordering::Relaxed);
                if taken.is_ok() {
                    return Guard(self);
                }
            }
            tries += 1;
            if tries.is_multiple_of(64) {
                std::thread::yield_now()
            } else {
                std::hint::spin_loop()
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.holder.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        static LOCK: ForkLock<u64> = ForkLock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| *LOCK.lock() += 1));
            }
        });
        assert_eq!(*LOCK.lock(), 40_000);
    }

    #[test]
    fn a_child_takes_over() {
        let lock = ForkLock::new(7);
        let guard = lock.lock();
        // As in a child: another process id holds it.
        lock.holder.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(*lock.lock(), 7);
        std::mem::forget(guard);
    }
}
