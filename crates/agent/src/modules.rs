//! The files with code that are loaded: where they are, and how their functions are unwound.
//!
//! Looked at when the program loads one (see `hooks`), never in a signal handler: that reads a list that is
//! made anew and published. Lists that were replaced are kept, since a handler may be in one.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ferdelance_abi::spool::Spool;

use crate::cfi::Tables;
use crate::spool;

/// What a signal handler needs of the loaded files.
pub struct Loaded {
    /// Another one for each list.
    pub generation: u64,
    /// By address: ranges of code, and the tables for it.
    files: Vec<((u64, u64), Option<Tables>)>,
}

impl Loaded {
    pub fn contains(&self, address: u64) -> bool {
        self.tables(address).is_some()
    }

    /// The tables for the code at an address, if it has any; none if there is no code.
    pub fn tables(&self, address: u64) -> Option<&Option<Tables>> {
        let after = self.files.partition_point(|(range, _)| range.0 <= address);
        let (range, tables) = self.files.get(after.checked_sub(1)?)?;
        (address < range.1).then_some(tables)
    }
}

/// A file as the loader sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub path: Vec<u8>,
    pub bias: u64,
    /// All of it, and the part that is code.
    pub range: (u64, u64),
    /// Where its tables for unwinding begin, and where the memory that they lie in ends.
    unwind: Option<(u64, u64)>,
    pub dynamic: Option<u64>,
    /// What the loader made read-only when it had written to it.
    pub read_only: Option<(u64, u64)>,
}

#[derive(Default)]
struct State {
    /// What the loader said last: files that were ever added, and removed.
    counts: Option<(u64, u64)>,
    files: Vec<File>,
    generation: u64,
}

pub struct Modules {
    /// Somebody looks. Not a lock: nobody waits for it, and the child of a fork takes it away from who had it.
    is_busy: AtomicBool,
    state: UnsafeCell<State>,
    loaded: AtomicPtr<Loaded>,
}

// SAFETY: the state is touched by who set `is_busy`, or in the child of a fork, which has one thread.
unsafe impl Sync for Modules {}

impl Modules {
    pub fn new() -> Modules {
        Modules {
            is_busy: AtomicBool::new(false),
            state: UnsafeCell::default(),
            loaded: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// For signal handlers.
    pub fn loaded(&self) -> Option<&'static Loaded> {
        // SAFETY: published lists are never freed.
        unsafe { self.loaded.load(Ordering::Acquire).as_ref() }
    }

    /// Looks whether files were loaded or unloaded since the last time. Calls `f` with each that is new.
    pub fn update(&self, spool: &Spool, mut f: impl FnMut(&File)) {
        // Who comes second need not look.
        if self.is_busy.swap(true, Ordering::Acquire) {
            return;
        }
        // SAFETY: `is_busy` was set here.
        let new = self.replace(unsafe { &mut *self.state.get() });
        self.is_busy.store(false, Ordering::Release);
        for file in &new {
            file.write_down(spool);
            f(file);
        }
    }

    /// Makes the list anew, if it is not true any more; returns the files that are new in it.
    fn replace(&self, state: &mut State) -> Vec<File> {
        let counts = counts();
        if state.counts == Some(counts) {
            return vec![];
        }
        state.counts = Some(counts);
        state.generation += 1;
        let files = files();
        let is_new = |file: &&File| !state.files.contains(file);
        let new: Vec<File> = files.iter().filter(is_new).cloned().collect();
        state.files = files;
        let mut loaded = Loaded {
            generation: state.generation,
            files: state.files.iter().map(|f| (f.range, f.tables())).collect(),
        };
        loaded.files.sort_unstable_by_key(|(range, _)| *range);
        self.loaded
            .store(Box::into_raw(Box::new(loaded)), Ordering::Release);
        new
    }

    /// In the child of a fork: the files are written down again.
    pub fn after_fork(&self, spool: &Spool) {
        if self.is_busy.swap(false, Ordering::Relaxed) {
            // Who was at it is not here: what it left is left alone.
            // SAFETY: there is one thread.
            unsafe { self.state.get().write(State::default()) };
        }
        // SAFETY: there is one thread.
        for file in unsafe { &(*self.state.get()).files } {
            file.write_down(spool);
        }
    }
}

fn counts() -> (u64, u64) {
    extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid structure; `out` is what was passed to it below.
        unsafe { *out.cast::<(u64, u64)>() = ((*info).dlpi_adds, (*info).dlpi_subs) };
        1
    }
    let mut counts = (0, 0);
    // SAFETY: the callback has the right signature, and its argument is alive for the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut counts).cast()) };
    counts
}

fn files() -> Vec<File> {
    extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid structure; `out` is what was passed to it below.
        let (info, files) = unsafe { (&*info, &mut *out.cast::<Vec<File>>()) };
        files.extend(File::of(info));
        0
    }
    let mut files: Vec<File> = Vec::new();
    // SAFETY: the callback has the right signature, and its argument is alive for the call.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut files).cast()) };
    files
}

impl File {
    fn of(info: &libc::dl_phdr_info) -> Option<File> {
        const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
        const PT_GNU_RELRO: u32 = 0x6474_e552;
        let bias = info.dlpi_addr;
        // SAFETY: the loader's table of the file's segments, and its name.
        let (segments, name) = unsafe {
            (
                std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
                CStr::from_ptr(info.dlpi_name),
            )
        };
        let span = |s: &libc::Elf64_Phdr| (bias + s.p_vaddr, bias + s.p_vaddr + s.p_memsz);
        let loads = || segments.iter().filter(|s| s.p_type == libc::PT_LOAD);
        let code = loads().filter(|s| s.p_flags & libc::PF_X != 0).map(span);
        let range = code.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let of_kind = |kind| segments.iter().find(|s| s.p_type == kind);
        let unwind = of_kind(PT_GNU_EH_FRAME).map(span).and_then(|(start, _)| {
            let around = loads().map(span).find(|s| s.0 <= start && start < s.1)?;
            Some((start, around.1))
        });
        Some(File {
            path: match name.to_bytes() {
                [] => std::fs::read_link("/proc/self/exe")
                    .map(|p| p.as_os_str().as_bytes().to_vec())
                    .unwrap_or_default(),
                name => name.to_vec(),
            },
            bias,
            range,
            unwind,
            dynamic: of_kind(libc::PT_DYNAMIC).map(|s| bias + s.p_vaddr),
            read_only: of_kind(PT_GNU_RELRO).map(span),
        })
    }

    fn tables(&self) -> Option<Tables> {
        let (header, end) = self.unwind?;
        let frames = frames_of(header).filter(|&frames| header < end && frames < end)?;
        Tables::new(
            (header, memory(header, end)),
            (frames, memory(frames, end)),
            self.range.0,
        )
    }

    fn write_down(&self, spool: &Spool) {
        if let Some((_, module)) = spool::entry(&spool.header.next_module, &spool.modules) {
            module.start.store(self.range.0, Ordering::Relaxed);
            module.end.store(self.range.1, Ordering::Relaxed);
            module.bias.store(self.bias, Ordering::Relaxed);
            module
                .path
                .store(spool::keep(spool, &self.path), Ordering::Relaxed);
            module.ready.store(1, Ordering::Release);
        }
    }
}

/// A file's memory. It is there until the file is unloaded; after that, until the list is made anew, a fault
/// in it gives the sample up.
fn memory(start: u64, end: u64) -> &'static [u8] {
    // SAFETY: a part of a loaded segment that may be read.
    unsafe {
        std::slice::from_raw_parts(
            std::ptr::with_exposed_provenance(start as usize),
            (end - start) as usize,
        )
    }
}

/// Where `.eh_frame` is, which follows from `.eh_frame_hdr`: usually relative to the field that says it.
fn frames_of(header: u64) -> Option<u64> {
    const RELATIVE_4: u8 = 0x1b;
    match *memory(header, header + 8) {
        [1, RELATIVE_4, _, _, a, b, c, d] => {
            let offset = i32::from_le_bytes([a, b, c, d]);
            (header + 4).checked_add_signed(i64::from(offset))
        }
        _ => None,
    }
}
