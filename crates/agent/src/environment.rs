//! The environment of programs that are started: the agent comes along, whatever the program passes on.
//!
//! Everything is on the stack, since after `vfork` memory is that of another process.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::agent::Agent;

/// Environments with more variables stay as they are.
const MOST: usize = 2000;
const PRELOAD: &[u8] = b"LD_PRELOAD=";
const AGENT: &[u8] = b"FERDELANCE_AGENT=";
/// The longest value of LD_PRELOAD that is added to.
const LENGTH: usize = 2048;

/// The variables that this process was started with, as in an environment: each a C string, kept for good.
static OURS: [AtomicPtr<c_char>; 2] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 2];

/// Keeps the variables with which this process was started.
pub fn keep() {
    for (ours, name) in OURS.iter().zip([PRELOAD, AGENT]) {
        // SAFETY: nobody changes the environment while libraries are loaded.
        let value = unsafe { find(environment(), name) };
        if let Some(value) = value {
            ours.store(value.to_owned().into_raw(), Ordering::Release);
        }
    }
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// The program's own.
pub fn environment() -> *const *const c_char {
    // SAFETY: the C library's variable; what it points to may change, as it may for anybody.
    unsafe { environ }
}

/// A variable with this name (and `=`).
///
/// # Safety
///
/// `all` is null or an environment: C strings, and null after the last one.
unsafe fn find<'e>(all: *const *const c_char, name: &[u8]) -> Option<&'e CStr> {
    if all.is_null() {
        return None;
    }
    for i in 0.. {
        // SAFETY: within the environment, as the one before was not its end.
        let text = unsafe {
            let entry = *all.add(i);
            if entry.is_null() {
                return None;
            }
            CStr::from_ptr(entry)
        };
        if text.to_bytes().starts_with(name) {
            return Some(text);
        }
    }
    None
}

/// Calls `run` with an environment that has what is needed for the agent to be loaded.
///
/// # Safety
///
/// `all` is null or an environment: C strings, and null after the last one.
pub unsafe fn with_agent<T>(
    all: *const *const c_char,
    run: impl FnOnce(*const *const c_char) -> T,
) -> T {
    let (preload, agent) = (
        OURS[0].load(Ordering::Acquire).cast_const(),
        OURS[1].load(Ordering::Acquire).cast_const(),
    );
    let is_running = Agent::get().is_some_and(Agent::is_running);
    if !is_running || preload.is_null() || agent.is_null() || all.is_null() {
        return run(all);
    }
    // SAFETY: as the caller promises; ours are C strings that stay.
    let (theirs, has_agent, ours) = unsafe {
        (
            find(all, PRELOAD),
            find(all, AGENT).is_some(),
            CStr::from_ptr(preload).to_bytes(),
        )
    };
    let has_preload = theirs.is_some_and(|t| t.to_bytes() == ours);
    if has_preload && has_agent {
        return run(all);
    }
    let mut text = [0u8; LENGTH];
    let mut entries = [std::ptr::null::<c_char>(); MOST];
    let mut used = 0;
    let mut push = |entry: *const c_char| {
        // The last one stays null.
        let has_room = used + 1 < MOST;
        if has_room {
            entries[used] = entry;
            used += 1;
        }
        has_room
    };
    let mut fits = has_agent || push(agent);
    if !has_preload {
        // Ours first, then what the program asks for.
        let rest = theirs.map_or(&[][..], |t| &t.to_bytes()[PRELOAD.len()..]);
        let all = ours.iter().chain(b":").chain(rest);
        fits &= ours.len() + rest.len() + 2 <= text.len();
        for (to, &from) in text[..LENGTH - 1].iter_mut().zip(all) {
            *to = from;
        }
        fits &= push(text.as_ptr().cast());
    }
    for i in 0.. {
        // SAFETY: within the environment, as the one before was not its end.
        let entry = unsafe { *all.add(i) };
        if entry.is_null() || !fits {
            break;
        }
        // SAFETY: a C string.
        let is_preload = unsafe { CStr::from_ptr(entry) }
            .to_bytes()
            .starts_with(PRELOAD);
        if !is_preload || has_preload {
            fits &= push(entry);
        }
    }
    run(if fits { entries.as_ptr() } else { all })
}
