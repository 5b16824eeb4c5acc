//! Nothing leaks: what was made is freed, on whatever thread, and Python's objects come back.
//!
//! The counters are the process's, so the tests of this file run one at a time.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferdelance_abi::layout::{Buffer, Str};
use ferdelance_runtime::memory::{self, owner_release, owner_retain, owners_pending, queue_object};
use ferdelance_runtime::string::{
    release as obj_release, str_char, str_concat, str_immortal, str_new, str_repr,
};
use ferdelance_runtime::{
    Error, StrRef, buffer_from_object, drain_owners, error, format, stats, take,
};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn alloc(size: i64) -> *mut Buffer {
    let (mut owner, mut data) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: both results are writable.
    assert!(unsafe { memory::buffer_alloc(size, &mut owner, &mut data) }.is_null());
    owner
}

/// An address that stands for a Python object; it is only compared.
fn object(n: usize) -> *mut c_void {
    ptr::without_provenance_mut(0x1000 + 16 * n)
}

#[test]
fn buffers() {
    let _alone = alone();
    let before = stats();
    let sizes = [0, 1, 100, 5000, 40_000, 3 << 20];
    let owners: Vec<_> = sizes.iter().map(|&size| alloc(size)).collect();
    let during = stats();
    assert_eq!(during.alloc - before.alloc, sizes.len() as u64);
    assert_eq!(
        during.live_buffers() - before.live_buffers(),
        sizes.len() as u64
    );
    assert_eq!(
        during.live_bytes - before.live_bytes,
        sizes.iter().sum::<i64>() as u64
    );
    for owner in owners {
        // SAFETY: two references, both given up.
        unsafe {
            owner_retain(owner);
            owner_release(owner);
            owner_release(owner);
        }
    }
    let after = stats();
    assert_eq!(after.live_buffers(), before.live_buffers());
    assert_eq!(after.live_bytes, before.live_bytes);
}

#[test]
fn buffers_that_change_threads() {
    let _alone = alone();
    let before = stats();
    let (send, receive) = std::sync::mpsc::sync_channel::<usize>(64);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..20_000_i64 {
                let owner = alloc(i % 3000);
                // SAFETY: alive.
                unsafe { owner_retain(owner) };
                send.send(owner.expose_provenance()).unwrap();
                // SAFETY: one of two references.
                unsafe { owner_release(owner) };
            }
        });
        scope.spawn(move || {
            for owner in receive {
                // SAFETY: the other reference.
                unsafe { owner_release(ptr::with_exposed_provenance_mut(owner)) };
            }
        });
    });
    let after = stats();
    assert_eq!(after.alloc - before.alloc, 20_000);
    assert_eq!(after.live_buffers(), before.live_buffers());
    assert_eq!(after.live_bytes, before.live_bytes);
}

#[test]
fn shared_buffers() {
    let _alone = alone();
    let before = stats();
    let owner = alloc(1000).expose_provenance();
    let owner = move || ptr::with_exposed_provenance_mut::<Buffer>(owner);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // SAFETY: the first reference is given up last.
            unsafe { owner_retain(owner()) };
            scope.spawn(move || {
                for _ in 0..10_000 {
                    // SAFETY: this thread has a reference.
                    unsafe {
                        owner_retain(owner());
                        owner_release(owner());
                    }
                }
                // SAFETY: this thread's reference.
                unsafe { owner_release(owner()) };
            });
        }
    });
    assert_eq!(stats().live_buffers(), before.live_buffers() + 1);
    // SAFETY: the first reference.
    unsafe { owner_release(owner()) };
    assert_eq!(stats().live_buffers(), before.live_buffers());
}

#[test]
fn python_objects_come_back_once() {
    let _alone = alone();
    let before = stats();
    let mut data = [0_u8; 8];
    let buffers: Vec<_> = (0..100)
        .map(|n| buffer_from_object(object(n), data.as_mut_ptr(), data.len()).expose_provenance())
        .collect();
    // SAFETY: alive.
    unsafe {
        let first = ptr::with_exposed_provenance::<Buffer>(buffers[0]);
        assert_eq!(((*first).data, (*first).size), (data.as_mut_ptr(), 8));
    }
    assert_eq!(stats().live_bytes, before.live_bytes);
    assert!(!owners_pending());
    std::thread::scope(|scope| {
        for part in buffers.chunks(25) {
            scope.spawn(move || {
                for &buffer in part {
                    // SAFETY: the only reference.
                    unsafe { owner_release(ptr::with_exposed_provenance_mut(buffer)) };
                }
            });
        }
    });
    assert!(owners_pending());
    let mut given = Vec::new();
    drain_owners(|object| {
        // What is queued in the meantime is given too.
        if given.len() == 50 {
            queue_object(self::object(100));
        }
        given.push(object.addr());
    });
    given.sort_unstable();
    assert_eq!(
        given,
        (0..101).map(|n| object(n).addr()).collect::<Vec<_>>()
    );
    drain_owners(|_| panic!("nothing is left"));
    assert_eq!(stats().live_buffers(), before.live_buffers());
}

#[test]
fn strings() {
    let _alone = alone();
    let before = stats();
    // SAFETY: all strings are alive until they are released, all results writable.
    unsafe {
        let (a, b) = (str_new("some text"), str_new("naïve 日本"));
        let mut sum = ptr::null_mut();
        assert!(str_concat(a, b, &mut sum).is_null());
        let repr = str_repr(sum);
        let made: [*mut Str; 9] = [
            a,
            b,
            sum,
            repr,
            str_char(b, 6),
            format::str_from_f64(1.5),
            format::str_from_i64(-3),
            format::str_from_complex(0.0, 1.0),
            format::str_from_bool(1),
        ];
        assert_eq!(
            stats().live_objects() - before.live_objects(),
            made.len() as u64
        );
        assert_eq!(StrRef::borrowed(repr).to_string(), "'some textnaïve 日本'");
        for s in made {
            obj_release(s);
        }
        str_immortal("not counted");
    }
    let after = stats();
    assert_eq!(after.live_objects(), before.live_objects());
    assert_eq!(after.live_bytes, before.live_bytes);
}

#[test]
fn errors() {
    let _alone = alone();
    let before = stats();
    // SAFETY: each error is used by nobody else, and dropped or taken once.
    unsafe {
        let text = str_new("argument");
        for dropped in [true, false] {
            let error = error::error_new(object(0), ptr::null_mut());
            error::error_arg_tuple(error);
            error::error_arg_str(error, text);
            error::error_arg_end(error);
            error::error_arg_str(error, text);
            if dropped {
                error::error_drop(error);
            } else {
                let error = take(error);
                assert_eq!(error.args.len(), 2);
                assert_eq!((*text).count.load(std::sync::atomic::Ordering::Relaxed), 3);
            }
        }
        assert_eq!((*text).count.load(std::sync::atomic::Ordering::Relaxed), 1);
        obj_release(text);

        // An exception of Python's that compiled code caught goes back to Python.
        error::error_drop(Error::from_instance(object(1)));
        // One that reached the boundary was handed over.
        let mut error = take(Error::from_instance(object(2)));
        assert_eq!(
            std::mem::replace(&mut error.instance, ptr::null_mut()),
            object(2)
        );
    }
    let mut given = Vec::new();
    drain_owners(|object| given.push(object));
    assert_eq!(given, [object(1)]);
    let after = stats();
    assert_eq!(after.error_alloc - before.error_alloc, 4);
    assert_eq!(after.live_errors(), before.live_errors());
    assert_eq!(after.live_objects(), before.live_objects());
}

#[test]
fn counts_outlive_their_threads() {
    let _alone = alone();
    let before = stats();
    let owner = std::thread::spawn(|| alloc(500).expose_provenance())
        .join()
        .unwrap();
    assert_eq!(stats().live_buffers(), before.live_buffers() + 1);
    assert_eq!(stats().live_bytes, before.live_bytes + 500);
    // SAFETY: the only reference.
    unsafe { owner_release(ptr::with_exposed_provenance_mut(owner)) };
    assert_eq!(stats().live_buffers(), before.live_buffers());
    assert_eq!(stats().live_bytes, before.live_bytes);
}
