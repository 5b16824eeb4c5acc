//! Code that others have compiled while the program ran: by Numba, by what else is built on LLVM, by JITs that
//! write maps for `perf`.
//!
//! LLVM registers what it loads for debuggers, in the way that "JIT Compilation Interface" in the manual of GDB
//! describes: a variable, `__jit_debug_descriptor`, leads to a list of objects in memory, whose symbols have the
//! addresses that they were loaded at. The list is looked at while the process runs, as its memory is gone
//! afterwards. Maps for `perf` are files, which stay.

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustix::fs::OFlags;

use super::spool::SpoolFile;
use crate::remote::Foreign;
use crate::symbols;

const DESCRIPTOR: &str = "__jit_debug_descriptor";
/// More than programs have, of objects, of bytes of one, of functions, and of bytes of a map.
const OBJECTS: usize = 1 << 16;
const OBJECT: u64 = 64 << 20;
const FUNCTIONS: usize = 1 << 20;
const MAP: u64 = 256 << 20;

/// Where the variable is in files that may have it, from the start of the file's image.
#[derive(Default)]
pub struct Descriptors(HashMap<String, Option<u64>>);

impl Descriptors {
    fn find(&mut self, path: &str) -> Option<u64> {
        let base = path.rsplit('/').next().unwrap_or(path);
        if !base.to_ascii_lowercase().contains("llvm") {
            return None;
        }
        if let Some(known) = self.0.get(path) {
            return *known;
        }
        let found = symbols::variable(path, DESCRIPTOR);
        self.0.insert(path.to_owned(), found);
        found
    }
}

/// What others have compiled in a process.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Modules of the process that were looked at.
    modules: usize,
    /// Addresses of the variable, in each module that has it.
    descriptors: Vec<u64>,
    /// Entries of the lists, with the address and size of their objects.
    seen: HashSet<(u64, u64, u64)>,
    functions: Vec<Function>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub start: u64,
    /// 0 if it is not known.
    pub size: u64,
    pub name: Box<str>,
}

impl Others {
    /// Looks for what is new in a process that runs.
    pub fn look(&mut self, spool: &SpoolFile, memory: &Foreign, known: &mut Descriptors) {
        let modules = spool.modules(self.modules);
        self.modules += modules.len();
        for (bias, path) in modules {
            self.descriptors
                .extend(known.find(&path).and_then(|at| at.checked_add(bias)));
        }
        for at in self.descriptors.clone() {
            self.look_at(at, memory);
        }
    }

    fn look_at(&mut self, descriptor: u64, memory: &Foreign) {
        // Version and action in one word, the entry that changed last, the first one.
        let Some([_, _, mut entry]) = words(memory, descriptor) else {
            return;
        };
        let mut new = vec![];
        while entry != 0 && new.len() < OBJECTS {
            let Some([next, _, start, size]) = words(memory, entry) else {
                break;
            };
            // New ones are put in front.
            if !self.seen.insert((entry, start, size)) {
                break;
            }
            new.push((start, size));
            entry = next;
        }
        for (start, size) in new.into_iter().rev() {
            if size <= OBJECT
                && let Some(object) = memory.read(start, size as usize)
            {
                self.add(functions_of(&object));
            }
        }
    }

    /// Reads the map that the process may have written for `perf`, when it is over.
    pub fn read_map(&mut self, pid: u32) {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags as i32)
            .open(format!("/tmp/perf-{pid}.map"));
        let Ok(file) = file else {
            return;
        };
        // Of another user, or no file at all, it is none of ours.
        let own = rustix::process::getuid().as_raw();
        if !file.metadata().is_ok_and(|m| m.is_file() && m.uid() == own) {
            return;
        }
        let mut text = vec![];
        if file.take(MAP).read_to_end(&mut text).is_ok() {
            self.add(functions_in(&String::from_utf8_lossy(&text)));
        }
    }

    fn add(&mut self, functions: Vec<Function>) {
        let room = FUNCTIONS.saturating_sub(self.functions.len());
        self.functions.extend(functions.into_iter().take(room));
    }

    /// Makes [`Others::find`] possible: nothing more comes.
    pub fn finish(&mut self) {
        // Memory may have been used again: of functions at the same place the last one counts.
        self.functions.reverse();
        self.functions.sort_by_key(|f| f.start);
        self.functions.dedup_by_key(|f| f.start);
    }

    /// The function that an address belongs to.
    pub fn find(&self, address: u64) -> Option<&Function> {
        let after = self.functions.partition_point(|f| f.start <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (address - function.start < function.size).then_some(function)
    }
}

fn words<const N: usize>(memory: &Foreign, address: u64) -> Option<[u64; N]> {
    let bytes = memory.read(address, 8 * N)?;
    let mut words = bytes.chunks_exact(8).map(|w| {
        // Chunks have that size.
        w.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b))
    });
    Some(std::array::from_fn(|_| words.next().unwrap_or(0)))
}

/// The functions of an object that was loaded.
fn functions_of(object: &[u8]) -> Vec<Function> {
    let Ok(object) = object::File::parse(object) else {
        return vec![];
    };
    let symbols = object.symbols();
    let functions = symbols.filter(|s| s.is_definition() && s.kind() == SymbolKind::Text);
    // Where its sections were loaded stands in their headers; symbols may count from there.
    let is_relative = object.kind() == object::ObjectKind::Relocatable;
    functions
        .filter_map(|s| {
            let section = s.section_index().filter(|_| is_relative);
            let section = section.and_then(|i| object.section_by_index(i).ok());
            let base = section.map_or(0, |s| s.address());
            Some(Function {
                start: s.address().checked_add(base)?,
                size: s.size(),
                name: s.name().ok()?.into(),
            })
        })
        .collect()
}

/// The functions that a map for `perf` lists. Python's own are left out: its frames are read elsewhere.
fn functions_in(map: &str) -> Vec<Function> {
    let function = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let mut number = || {
            let digits = parts.next()?;
            u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
        };
        let (start, size) = (number()?, number()?);
        let name = parts.next()?.trim();
        (!name.starts_with("py::")).then(|| Function {
            start,
            size,
            name: name.into(),
        })
    };
    map.lines().filter_map(function).collect()
}

/// The module and name of a function that Numba compiled, from its symbol.
///
/// Numba mangles as C++ does: a length and a name for each part of the module's and the function's name, then
/// tags (`B`, a length and a text), which C++ has only seldom. Characters that may not be in names are written
/// as `_` and two digits. What calls the function from Python has a part more, `cpython`, or stands before the
/// mangled name.
pub fn numba_name(symbol: &str) -> Option<(String, String)> {
    let mut rest = &symbol[symbol.find("_ZN")? + 3..];
    let mut parts = vec![];
    let mut tags = 0;
    loop {
        match rest.strip_prefix('B') {
            Some(tag) => {
                rest = tag;
                part(&mut rest)?;
                tags += 1;
            }
            None => match part(&mut rest) {
                Some(name) => parts.push(plain(name)),
                None => break,
            },
        }
    }
    if parts.first().is_some_and(|p| p == "cpython") {
        parts.remove(0);
    }
    if tags == 0 || parts.len() < 2 {
        return None;
    }
    // A function in a function has the names of both.
    let mut first = parts.len() - 1;
    while first >= 2 && parts[first - 1] == "<locals>" {
        first -= 2;
    }
    Some((parts[..first].join("."), parts[first..].join(".")))
}

/// The part that a mangled name begins with, after its length.
fn part<'n>(rest: &mut &'n str) -> Option<&'n str> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let length: usize = rest.get(..digits)?.parse().ok()?;
    let part = rest.get(digits..digits.checked_add(length)?)?;
    *rest = &rest[digits + length..];
    Some(part)
}

/// A part of a name as it was before it was mangled, as far as that can be told.
fn plain(part: &str) -> String {
    // A number, by which functions of the same name are told apart.
    let part = match part.rsplit_once("_24") {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => part,
    };
    part.replace("_3c", "<").replace("_3e", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbas_functions_have_their_names() {
        let name = |symbol: &str| {
            let (module, name) = numba_name(symbol)?;
            Some(format!("{module}:{name}"))
        };
        let tags = "B2v2B38c8tJTIeFIjxB2IKSgI4CrvQClQZ6FczSBAA_3dEx";
        let of = |parts: &str| name(&format!("_ZN{parts}{tags}"));
        assert_eq!(of("8__main__8slow_sum"), Some("__main__:slow_sum".into()));
        assert_eq!(of("7cpython8__main__3sum"), Some("__main__:sum".into()));
        assert_eq!(of("3pkg3mod5f_241"), Some("pkg.mod:f".into()));
        assert_eq!(
            of("3mod5outer12_3clocals_3e5inner"),
            Some("mod:outer.<locals>.inner".into())
        );
        // C++, and what is cut off.
        assert_eq!(name("_ZN4llvm5Value3getEv"), None);
        assert_eq!(name("_ZN8__main__8slow"), None);
        assert_eq!(name("_ZN8__main__99999999999999999999slow"), None);
        assert_eq!(name("NRT_decref"), None);
    }

    #[test]
    fn of_functions_at_the_same_place_the_last_counts() {
        let mut others = Others::default();
        others.add(functions_in(
            "1000 10 old\n0x1000 20 new name\n2000 8 b\nnonsense\n3000 8 py::x:f.py\n",
        ));
        others.finish();
        let name = |at| others.find(at).map(|f| &*f.name);
        assert_eq!(name(0x101f), Some("new name"));
        assert_eq!(
            [name(0x1020), name(0xfff), name(0x3000)],
            [None, None, None]
        );
        assert_eq!(name(0x2007), Some("b"));
    }
}
