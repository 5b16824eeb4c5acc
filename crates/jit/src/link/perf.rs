//! Names and lines of compiled code for `perf`.
//!
//! * A *map* is a text file `perf-<pid>.map` with a line for each function: `perf report` reads it.
//! * A *jit dump* is a binary file `jit-<pid>.dump` with code and lines, for `perf inject --jit`.
//!
//! Failing to write is no reason not to run: after the first failure nothing more is written.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr;

use ferdelance_abi::codemap::Entry;

use super::lock::ForkLock;

/// What to write for `perf`, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Perf {
    #[default]
    Off,
    /// `perf-<pid>.map` in this directory; `perf` looks in `/tmp`.
    Map(PathBuf),
    /// `jit-<pid>.dump` in this directory.
    JitDump(PathBuf),
}

/// An open file of this process.
struct Output {
    process: u32,
    /// None after a failure.
    file: Option<File>,
    /// Functions written so far.
    count: u64,
}

static MAP: ForkLock<Option<Output>> = ForkLock::new(None);
static DUMP: ForkLock<Option<Output>> = ForkLock::new(None);

/// Records functions; `code` gives the bytes of one.
pub(super) fn record(perf: &Perf, entries: &[&'static Entry]) {
    match perf {
        Perf::Off => {}
        Perf::Map(directory) => {
            let name = format!("perf-{}.map", std::process::id());
            with(
                &MAP,
                &directory.join(name),
                |_| Ok(()),
                |file, _| write_map(file, entries),
            );
        }
        Perf::JitDump(directory) => {
            let name = format!("jit-{}.dump", std::process::id());
            with(&DUMP, &directory.join(name), start_dump, |file, count| {
                entries
                    .iter()
                    .try_for_each(|entry| write_dump(file, entry, count))
            });
        }
    }
}

/// Writes to this process's file, which is opened first where need be.
fn with(
    output: &ForkLock<Option<Output>>,
    path: &Path,
    start: impl FnOnce(&mut File) -> io::Result<()>,
    write: impl FnOnce(&mut File, &mut u64) -> io::Result<()>,
) {
    let mut guard = output.lock();
    let process = std::process::id();
    if guard
        .as_ref()
        .is_none_or(|output| output.process != process)
    {
        let open = || {
            let mut file = File::options()
                .read(true)
                .append(true)
                .create(true)
                .open(path)?;
            start(&mut file).map(|()| file)
        };
        *guard = Some(Output {
            process,
            file: open().ok(),
            count: 0,
        });
    }
    if let Some(output) = guard.as_mut()
        && let Some(file) = output.file.as_mut()
        && write(file, &mut output.count).is_err()
    {
        output.file = None;
    }
}

/// `scale (bench.py:22)`: the function and where it is defined.
fn title(entry: &Entry) -> String {
    entry.scopes.first().map_or_else(
        || entry.symbol.to_string(),
        |scope| format!("{} ({}:{})", scope.name, scope.file, scope.line),
    )
}

fn write_map(file: &mut File, entries: &[&'static Entry]) -> io::Result<()> {
    let mut text = String::new();
    for entry in entries {
        use std::fmt::Write as _;
        let title = title(entry).replace('\n', " ");
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:x} {:x} {title}", entry.start, entry.size);
    }
    file.write_all(text.as_bytes())
}

/// Numbers of the jit dump format, from the kernel's `tools/perf/util/jitdump.h`.
mod jitdump {
    pub const MAGIC: u32 = 0x4a69_5444;
    pub const VERSION: u32 = 1;
    pub const HEADER_SIZE: u32 = 40;
    pub const MACHINE_X86_64: u32 = 62;
    pub const CODE_LOAD: u32 = 0;
    pub const DEBUG_INFO: u32 = 2;
    /// Record type, size and time.
    pub const PREFIX_SIZE: usize = 16;
}

/// Nanoseconds of the clock that `perf record -k mono` uses.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn start_dump(file: &mut File) -> io::Result<()> {
    let mut header = Vec::new();
    let process = std::process::id();
    let words = [
        jitdump::MAGIC,
        jitdump::VERSION,
        jitdump::HEADER_SIZE,
        jitdump::MACHINE_X86_64,
        0,
        process,
    ];
    words
        .iter()
        .for_each(|word| header.extend(word.to_le_bytes()));
    header.extend(now().to_le_bytes());
    header.extend(0_u64.to_le_bytes());
    file.write_all(&header)?;
    // `perf record` learns of the file by its being mapped as code.
    // SAFETY: a new mapping at an address that the kernel chooses; it stays for good.
    let mapped = unsafe {
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        libc::mmap(
            ptr::null_mut(),
            4096,
            protection,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A record: type, total size, time, contents.
fn write_record(file: &mut File, kind: u32, contents: &[u8]) -> io::Result<()> {
    let size = (jitdump::PREFIX_SIZE + contents.len()) as u32;
    let mut record = Vec::with_capacity(size as usize);
    record.extend(kind.to_le_bytes());
    record.extend(size.to_le_bytes());
    record.extend(now().to_le_bytes());
    record.extend(contents);
    file.write_all(&record)
}

fn write_dump(file: &mut File, entry: &Entry, count: &mut u64) -> io::Result<()> {
    // Lines come before the code that they belong to.
    if !entry.lines.is_empty() {
        let mut lines = Vec::new();
        lines.extend((entry.start as u64).to_le_bytes());
        lines.extend((entry.lines.len() as u64).to_le_bytes());
        for row in &entry.lines {
            lines.extend((entry.start as u64 + u64::from(row.offset)).to_le_bytes());
            lines.extend(row.line.to_le_bytes());
            lines.extend(0_u32.to_le_bytes());
            let scope = entry.scopes.get(row.scope as usize);
            lines.extend(scope.map_or("", |scope| &scope.file).as_bytes());
            lines.push(0);
        }
        write_record(file, jitdump::DEBUG_INFO, &lines)?;
    }
    let mut load = Vec::with_capacity(entry.size + 128);
    load.extend(std::process::id().to_le_bytes());
    // SAFETY: gives the calling thread's id.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    load.extend(thread.to_le_bytes());
    for word in [
        entry.start as u64,
        entry.start as u64,
        entry.size as u64,
        *count,
    ] {
        load.extend(word.to_le_bytes());
    }
    load.extend(title(entry).as_bytes());
    load.push(0);
    // SAFETY: the code of a function that was just loaded, mapped and readable.
    load.extend(unsafe {
        std::slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(entry.start), entry.size)
    });
    *count += 1;
    write_record(file, jitdump::CODE_LOAD, &load)
}
