//! How deep compiled code may recurse on this thread.
//!
//! A recursive compiled function compares its stack pointer with [`stack_limit`] and raises
//! RecursionError below it. The limit leaves a margin for what runs without the check: the C library,
//! this crate, and the interpreter when it makes the exception.

use core::cell::Cell;
use core::ffi::c_void;

/// Bytes above the end of the stack that compiled code leaves alone.
const MARGIN: usize = 256 * 1024;
/// What an unlimited or unknown stack is taken to have below the frame that asks first.
const ASSUMED: usize = 8 * 1024 * 1024;

thread_local! {
    /// The limit of this thread; 0 before the first call.
    static LIMIT: Cell<usize> = const { Cell::new(0) };
}

/// Lowest stack address that compiled code may use on this thread.
pub extern "C" fn stack_limit() -> *mut c_void {
    // A `Cell` without a destructor: the access cannot fail, not even while the thread ends.
    let known = LIMIT.get();
    let limit = if known != 0 {
        known
    } else {
        let limit = find_limit();
        LIMIT.set(limit);
        limit
    };
    core::ptr::without_provenance_mut(limit)
}

#[cold]
fn find_limit() -> usize {
    let here = {
        let mark = 0_u8;
        (&raw const mark).addr()
    };
    match bounds() {
        // The frame that asks lies in the stack, else something switched stacks: then assume.
        Some((low, high)) if low < here && here <= high => low + MARGIN.min((high - low) / 4),
        _ => here.saturating_sub(ASSUMED - MARGIN).max(1),
    }
}

/// The lowest and highest address of this thread's stack; `None` if it has no end that is known.
#[cfg(target_os = "linux")]
fn bounds() -> Option<(usize, usize)> {
    // SAFETY: plain system calls without arguments.
    let main_thread =
        unsafe { libc::syscall(libc::SYS_gettid) } == i64::from(unsafe { libc::getpid() });
    if main_thread {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is writable.
        if unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } != 0
            || limit.rlim_cur == libc::RLIM_INFINITY
        {
            return None;
        }
    }
    let mut attr = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: initialises `attr`, which is destroyed below, when it gives 0.
    if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut low, mut size, mut guard) = (core::ptr::null_mut(), 0, 0);
    // SAFETY: `attr` is initialised and the results are writable.
    let failed = unsafe {
        libc::pthread_attr_getguardsize(attr.as_ptr(), &mut guard)
            | libc::pthread_attr_getstack(attr.as_ptr(), &mut low, &mut size)
    };
    // SAFETY: initialised above and not used again.
    unsafe { libc::pthread_attr_destroy(attr.as_mut_ptr()) };
    let low = low.addr();
    let high = low.checked_add(size)?;
    // Whether `low` lies above or below the guard depends on the library's version.
    let low = if main_thread {
        low
    } else {
        low.checked_add(guard)?
    };
    (failed == 0 && low != 0 && low < high).then_some((low, high))
}

#[cfg(target_vendor = "apple")]
fn bounds() -> Option<(usize, usize)> {
    // SAFETY: asks about the calling thread.
    let (high, size) = unsafe {
        let this = libc::pthread_self();
        (
            libc::pthread_get_stackaddr_np(this).addr(),
            libc::pthread_get_stacksize_np(this),
        )
    };
    let low = high.checked_sub(size)?;
    (low != 0 && size != 0).then_some((low, high))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn bounds() -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> usize {
        let mark = 0_u8;
        (&raw const mark).addr()
    }

    #[test]
    fn a_thread_may_use_its_stack_up_to_the_margin() {
        for megabytes in [1, 8, 64] {
            let size = megabytes << 20;
            std::thread::Builder::new()
                .stack_size(size)
                .spawn(move || {
                    let limit = stack_limit().addr();
                    let room = here() - limit;
                    assert!(room < size, "{room} of {size}");
                    assert!(room > size - MARGIN - 128 * 1024, "{room} of {size}");
                    assert_eq!(stack_limit().addr(), limit);
                })
                .unwrap()
                .join()
                .unwrap();
        }
    }

    #[test]
    fn a_small_stack_keeps_a_smaller_margin() {
        std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(|| assert!(here() - stack_limit().addr() > 64 * 1024))
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn the_limit_is_writable_memory() {
        fn descend(limit: usize, depth: usize) -> usize {
            let block = std::hint::black_box([depth as u8; 4096]);
            if here() < limit + 8192 {
                depth
            } else {
                descend(limit, depth + 1) + usize::from(block[17] == 0) / 2
            }
        }
        let limit = stack_limit().addr();
        assert!(descend(limit, 0) > 16);
    }
}
