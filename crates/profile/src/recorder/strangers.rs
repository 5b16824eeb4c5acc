//! Processes of the program that no agent is in, and why.
//!
//! The children of the processes that are known are looked at now and then. Most have an agent as soon as they
//! have loaded their libraries; what is left had none when it was last seen.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::proc;

/// A process without an agent.
#[derive(Clone, Debug)]
pub struct Stranger {
    pub pid: u32,
    pub parent: u32,
    pub command: String,
    pub reason: &'static str,
    /// `CLOCK_MONOTONIC`, in nanoseconds: when it was seen first and last.
    pub start: u64,
    pub end: u64,
    /// CPU time as it was last seen, in microseconds.
    pub user: u64,
    pub kernel: u64,
}

/// A process that starts has this long to load its libraries, in nanoseconds.
const SHORT: u64 = 150_000_000;

#[derive(Default)]
pub struct Strangers {
    seen: HashMap<u32, Stranger>,
}

impl Strangers {
    /// Looks at the children of these processes and of those that were found before. `is_known` says who has an
    /// agent.
    pub fn look(&mut self, parents: &[u32], is_known: impl Fn(u32) -> bool, now: u64) {
        let mut parents = parents.to_vec();
        parents.extend(self.seen.keys());
        for parent in parents {
            for pid in children(parent) {
                if is_known(pid) {
                    self.seen.remove(&pid);
                    continue;
                }
                let stranger = self.seen.entry(pid).or_insert_with(|| Stranger {
                    pid,
                    parent,
                    command: String::new(),
                    reason: "",
                    start: now,
                    end: now,
                    user: 0,
                    kernel: 0,
                });
                // What runs in a process may be replaced.
                stranger.command = proc::command(pid);
                stranger.reason = reason(pid);
                stranger.end = now;
                if let Some((user, kernel)) = proc::cpu_time(&pid.to_string()) {
                    (stranger.user, stranger.kernel) = (user, kernel);
                }
            }
        }
    }

    /// Those that were there for some time and never had an agent, in the order in which they were seen.
    pub fn finish(self, is_known: impl Fn(u32) -> bool) -> Vec<Stranger> {
        let mut left: Vec<Stranger> = self
            .seen
            .into_values()
            .filter(|s| !is_known(s.pid) && s.end - s.start >= SHORT)
            .collect();
        left.sort_by_key(|s| (s.start, s.pid));
        left
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return vec![];
    };
    let mut children = vec![];
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|w| w.parse::<u32>().ok()),
        );
    }
    children
}

/// Why there is no agent in a process.
fn reason(pid: u32) -> &'static str {
    let program = format!("/proc/{pid}/exe");
    let Ok(file) = fs::File::open(&program) else {
        return "it may not be looked at";
    };
    let mode = file.metadata().map_or(0, |m| m.permissions().mode());
    if mode & 0o6000 != 0 {
        return "it runs with the rights of its file's owner, where nothing may be preloaded";
    }
    let cache = object::ReadCache::new(file);
    match interpreter(&cache) {
        Linkage::Other => return "it is no program of this machine's own kind",
        Linkage::Static => return "it is linked statically, so that nothing can be preloaded",
        Linkage::Loader(path) if path.contains("musl") => {
            return "its C library is not the one that the agent needs (musl)";
        }
        Linkage::Loader(_) => {}
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let has = |name: &[u8]| environment.split(|&b| b == 0).any(|v| v.starts_with(name));
    if !has(b"FERDELANCE_AGENT=") || !has(b"LD_PRELOAD=") {
        return "its environment does not have what the agent needs";
    }
    "the agent could not start in it"
}

enum Linkage {
    Static,
    /// The path of the loader.
    Loader(String),
    /// Not an ELF file of 64 bits.
    Other,
}

fn interpreter<'d>(data: impl object::ReadRef<'d>) -> Linkage {
    let Ok(header) = elf::FileHeader64::<Endianness>::parse(data) else {
        return Linkage::Other;
    };
    let found = header.endian().and_then(|endian| {
        let headers = header.program_headers(endian, data)?;
        let mut paths = headers
            .iter()
            .filter_map(|h| h.interpreter(endian, data).ok().flatten());
        Ok(paths
            .next()
            .map(|p| String::from_utf8_lossy(p).into_owned()))
    });
    match found {
        Ok(Some(path)) => Linkage::Loader(path),
        Ok(None) => Linkage::Static,
        Err(_) => Linkage::Other,
    }
}
