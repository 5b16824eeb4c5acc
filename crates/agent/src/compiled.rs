//! Functions that ferdelance's compiler made in this process.
//!
//! The compiler is in another library, which may or may not be loaded. It is asked through a function of
//! its own, which may be called in a signal handler.

use std::sync::atomic::{AtomicUsize, Ordering};

use ferdelance_abi::codemap::{DESCRIBE, Describe, Described};

use crate::agent::Agent;
use crate::modules::File;
use crate::spool::Writer;

static COMPILER: AtomicUsize = AtomicUsize::new(0);

/// Looks whether a file that was loaded is the compiler.
pub fn look_at(file: &File) {
    if !file.path.ends_with(b"/_core.abi3.so") {
        return;
    }
    let mut path = file.path.clone();
    path.push(0);
    // SAFETY: the path and the name are C strings; the file is loaded already, so nothing runs, and giving
    // the handle back unloads nothing.
    let found = unsafe {
        let handle = libc::dlopen(path.as_ptr().cast(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if handle.is_null() {
            return;
        }
        let found = libc::dlsym(handle, DESCRIBE.as_ptr());
        libc::dlclose(handle);
        found
    };
    COMPILER.store(found.expose_provenance(), Ordering::Release);
}

/// The compiled function that an address lies in, and where.
pub fn find(agent: &Agent, address: u64) -> Option<(u32, u32)> {
    let describe = COMPILER.load(Ordering::Acquire);
    if describe == 0 {
        return None;
    }
    // SAFETY: the compiler's function of that name has this signature; it is there as long as the process,
    // since extension modules are not unloaded.
    let describe = unsafe { std::mem::transmute::<usize, Describe>(describe) };
    let mut found = Described::default();
    // SAFETY: there is room for nothing, so nothing is written but `found`.
    if !unsafe { describe(address as usize, std::ptr::null_mut(), 0, &raw mut found) } {
        return None;
    }
    let spool = agent.spool();
    let Described {
        start,
        size,
        identity,
        ..
    } = found;
    let written = || {
        let Some(writer) = Writer::new(spool, found.length as u32) else {
            return 0;
        };
        writer.fill(|into, room| {
            // SAFETY: `into` has that much room.
            unsafe { describe(address as usize, into, room, &raw mut found) };
            found.length
        })
    };
    let unit = agent
        .interned
        .unit(spool, identity as u64, start as u64, size as u32, written)?;
    Some((unit, (address - start as u64) as u32))
}
