//! Compiled functions by address, readable from a signal handler.
//!
//! A tree over the numbers of pages, as a processor's page tables, whose leaves list the functions with code in a
//! page, newest first. Nodes and entries are added by compare-and-swap and never freed, so readers need
//! acquire loads only: no lock, no allocation, no syscall. An entry whose code was unloaded is marked dead.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// A row of a line table: from `offset` on (relative to the function's start), code belongs to `line`
/// of the function `scope` (an index into [`Entry::scopes`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRow {
    pub offset: u32,
    pub line: u32,
    pub scope: u32,
}

/// A function that code belongs to: the compiled function itself (index 0), or one inlined into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub name: Box<str>,
    pub file: Box<str>,
    /// Line of the definition.
    pub line: u32,
    /// Where it was inlined: the caller's scope and line.
    pub inlined_at: Option<(u32, u32)>,
}

/// A compiled function.
#[derive(Debug)]
pub struct Entry {
    /// First address and size in bytes.
    pub start: usize,
    pub size: usize,
    /// Linker symbol.
    pub symbol: Box<str>,
    /// Sorted by offset.
    pub lines: Box<[LineRow]>,
    /// Scope 0 is the function itself.
    pub scopes: Box<[Scope]>,
    dead: AtomicBool,
}

impl Entry {
    pub fn new(
        start: usize,
        size: usize,
        symbol: &str,
        lines: Vec<LineRow>,
        scopes: Vec<Scope>,
    ) -> Entry {
        Entry {
            start,
            size,
            symbol: symbol.into(),
            lines: lines.into(),
            scopes: scopes.into(),
            dead: AtomicBool::new(false),
        }
    }

    /// The line-table row for an address in this function.
    pub fn row(&self, address: usize) -> Option<&LineRow> {
        let offset = u32::try_from(address.checked_sub(self.start)?).ok()?;
        let after = self.lines.partition_point(|row| row.offset <= offset);
        after.checked_sub(1).map(|i| &self.lines[i])
    }

    /// The code is gone; the entry stays for readers that already hold it.
    pub fn retire(&self) {
        self.dead.store(true, Ordering::Release);
    }
}

/// The name of a function that libraries with compiled code export; the number is that of [`Entry::encode`]'s
/// format.
pub const DESCRIBE: &core::ffi::CStr = c"ferdelance_describe_code_1";

/// Finds the compiled function that an address lies in, and writes its [encoding](Entry::encode) to `into`, as
/// far as it fits in `room` bytes. Async-signal-safe.
pub type Describe =
    unsafe extern "C" fn(address: usize, into: *mut u8, room: usize, found: *mut Described) -> bool;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Described {
    pub start: usize,
    pub size: usize,
    /// Of the function, and of no other one for the life of the process.
    pub identity: usize,
    /// Of its encoding, in bytes.
    pub length: usize,
}

impl Entry {
    /// Scopes and lines as bytes, for other processes; numbers have four bytes, low ones first.
    ///
    /// Number of scopes; for each: line, the scope that it was inlined into (`u32::MAX`: none), the line there,
    /// and two texts (name and file), each with its length before it. Number of rows; for each: offset, line,
    /// scope. Async-signal-safe, if `push` is.
    pub fn encode(&self, mut push: impl FnMut(u8)) {
        let mut bytes = |bytes: &[u8]| bytes.iter().for_each(|&b| push(b));
        bytes(&(self.scopes.len() as u32).to_le_bytes());
        for scope in &self.scopes {
            let (outer, line) = scope.inlined_at.unwrap_or((u32::MAX, 0));
            for number in [scope.line, outer, line] {
                bytes(&number.to_le_bytes());
            }
            for text in [&scope.name, &scope.file] {
                bytes(&(text.len() as u32).to_le_bytes());
                bytes(text.as_bytes());
            }
        }
        bytes(&(self.lines.len() as u32).to_le_bytes());
        for row in &self.lines {
            for number in [row.offset, row.line, row.scope] {
                bytes(&number.to_le_bytes());
            }
        }
    }

    /// What [`Entry::encode`] wrote; none if it is not that.
    pub fn decode(mut bytes: &[u8]) -> Option<(Vec<Scope>, Vec<LineRow>)> {
        let bytes = &mut bytes;
        let number = |bytes: &mut &[u8]| {
            let (first, rest) = bytes.split_first_chunk::<4>()?;
            *bytes = rest;
            Some(u32::from_le_bytes(*first))
        };
        let text = |bytes: &mut &[u8]| {
            let length = number(bytes)? as usize;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Some(Box::from(core::str::from_utf8(text).ok()?))
        };
        let (mut scopes, mut lines) = (vec![], vec![]);
        for _ in 0..number(bytes)? {
            let (line, outer, at) = (number(bytes)?, number(bytes)?, number(bytes)?);
            scopes.push(Scope {
                name: text(bytes)?,
                file: text(bytes)?,
                line,
                inlined_at: (outer != u32::MAX).then_some((outer, at)),
            });
        }
        for _ in 0..number(bytes)? {
            lines.push(LineRow {
                offset: number(bytes)?,
                line: number(bytes)?,
                scope: number(bytes)?,
            });
        }
        Some((scopes, lines))
    }
}

/// Bits of an address within a page.
const PAGE: u32 = 12;
/// Bits of a page's number for each level of the tree. Pages that differ in higher bits only share a list.
const FAN: u32 = 9;
const LEVELS: u32 = 4;

/// What lies under the same upper bits: a node, or in the last level a [`Link`]; null if nothing does.
struct Node([AtomicPtr<()>; 1 << FAN]);

/// An entry in the list of a page.
struct Link {
    entry: &'static Entry,
    next: *const Link,
}

/// The root of the tree.
#[derive(Debug)]
pub struct CodeMap {
    root: AtomicPtr<()>,
}

/// The process's code map.
pub static CODE_MAP: CodeMap = CodeMap::new();

impl CodeMap {
    pub const fn new() -> CodeMap {
        CodeMap {
            root: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Makes a function visible; it stays allocated for the life of the process.
    pub fn publish(&self, entry: Entry) -> &'static Entry {
        let entry: &'static Entry = Box::leak(Box::new(entry));
        let last = entry.start + entry.size.max(1) - 1;
        for page in entry.start >> PAGE..=last >> PAGE {
            let Some(list) = self.list(page, true) else {
                continue;
            };
            let link = Box::leak(Box::new(Link {
                entry,
                next: core::ptr::null(),
            }));
            let mut head = list.load(Ordering::Acquire);
            loop {
                link.next = head.cast();
                let new = core::ptr::from_mut(link).cast();
                match list.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(now) => head = now,
                }
            }
        }
        entry
    }

    /// Of a page; where the tree does not reach it, only if it is to grow.
    fn list(&self, page: usize, grows: bool) -> Option<&AtomicPtr<()>> {
        let mut at = &self.root;
        for level in (0..LEVELS).rev() {
            let mut node = at.load(Ordering::Acquire).cast::<Node>();
            if node.is_null() && grows {
                let empty = [const { AtomicPtr::new(core::ptr::null_mut()) }; 1 << FAN];
                let fresh = Box::into_raw(Box::new(Node(empty)));
                let null = core::ptr::null_mut();
                let swapped =
                    at.compare_exchange(null, fresh.cast(), Ordering::AcqRel, Ordering::Acquire);
                node = fresh;
                if let Err(other) = swapped {
                    // SAFETY: made above, and nobody has seen it.
                    drop(unsafe { Box::from_raw(fresh) });
                    node = other.cast();
                }
            }
            // SAFETY: null or a leaked box that was published with release ordering and is never freed.
            let node = unsafe { node.as_ref() }?;
            at = &node.0[page >> (level * FAN) & ((1 << FAN) - 1)];
        }
        Some(at)
    }

    /// What [`Describe`] does.
    ///
    /// # Safety
    ///
    /// There are `room` bytes at `into`.
    pub unsafe fn describe(
        &self,
        address: usize,
        into: *mut u8,
        room: usize,
        found: &mut Described,
    ) -> bool {
        let Some(entry) = self.find(address) else {
            return false;
        };
        let mut length = 0;
        entry.encode(|byte| {
            if length < room {
                // SAFETY: within what the caller says there is.
                unsafe { into.add(length).write(byte) };
            }
            length += 1;
        });
        *found = Described {
            start: entry.start,
            size: entry.size,
            identity: core::ptr::from_ref(entry).addr(),
            length,
        };
        true
    }

    /// The function that `address` lies in. Async-signal-safe.
    pub fn find(&self, address: usize) -> Option<&'static Entry> {
        let list = self.list(address >> PAGE, false)?;
        let mut at = list.load(Ordering::Acquire).cast::<Link>();
        loop {
            // SAFETY: what a page's list holds is null or a link, a leaked box that was published with release
            // ordering and is never freed.
            let link = unsafe { at.as_ref() }?;
            let entry = link.entry;
            if address.wrapping_sub(entry.start) < entry.size && !entry.dead.load(Ordering::Acquire)
            {
                return Some(entry);
            }
            at = link.next.cast_mut();
        }
    }
}

impl Default for CodeMap {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_processes_read_what_was_written() {
        let scope = |name: &str, inlined_at| Scope {
            name: name.into(),
            file: "a.py".into(),
            line: 7,
            inlined_at,
        };
        let scopes = vec![scope("f", None), scope("größer", Some((0, 9)))];
        let row = |offset, line, scope| LineRow {
            offset,
            line,
            scope,
        };
        let lines = vec![row(0, 8, 0), row(16, 12, 1)];
        let entry = Entry::new(0x1000, 0x100, "f", lines.clone(), scopes.clone());
        let mut bytes = vec![];
        entry.encode(|b| bytes.push(b));
        assert_eq!(Entry::decode(&bytes), Some((scopes, lines)));
        for length in 0..bytes.len() {
            assert_eq!(Entry::decode(&bytes[..length]), None);
        }
    }

    #[test]
    fn finds_what_was_published_until_it_is_retired() {
        let map = CodeMap::new();
        let row = |offset, line| LineRow {
            offset,
            line,
            scope: 0,
        };
        map.publish(Entry::new(
            0x1000,
            0x100,
            "f",
            vec![row(0, 1), row(0x10, 2)],
            vec![],
        ));
        let g = map.publish(Entry::new(0x2000, 0x10, "g", vec![], vec![]));
        let f = map.find(0x1011).expect("f");
        assert_eq!(
            (
                &*f.symbol,
                f.row(0x1011).map(|r| r.line),
                f.row(0x100f).map(|r| r.line)
            ),
            ("f", Some(2), Some(1))
        );
        assert!(map.find(0x1100).is_none() && map.find(0xfff).is_none());
        assert_eq!(map.find(0x2000).map(|e| &*e.symbol), Some("g"));
        g.retire();
        assert!(map.find(0x2000).is_none());
    }

    #[test]
    fn finds_functions_of_many_pages_and_of_all_of_memory() {
        let map = CodeMap::new();
        let publish = |start, size| map.publish(Entry::new(start, size, "f", vec![], vec![]));
        let found = |address| map.find(address).map(|e| e.start);
        publish(0x7fff_ffff_0ff0, 0x2020);
        publish(0x12_3456_7000, 8);
        // The same page but for bits that the tree does not look at.
        publish(0x1_0012_3456_7000, 8);
        for address in [0x7fff_ffff_0ff0, 0x7fff_ffff_1800, 0x7fff_ffff_300f] {
            assert_eq!(found(address), Some(0x7fff_ffff_0ff0));
        }
        assert_eq!(found(0x7fff_ffff_3010), None);
        assert_eq!(found(0x12_3456_7007), Some(0x12_3456_7000));
        assert_eq!(found(0x1_0012_3456_7007), Some(0x1_0012_3456_7000));
        // Code that is written where other code was.
        map.find(0x12_3456_7000).expect("published").retire();
        publish(0x12_3456_6ffc, 16);
        assert_eq!(found(0x12_3456_7000), Some(0x12_3456_6ffc));
    }
}
