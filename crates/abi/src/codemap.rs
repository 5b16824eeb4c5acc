//! The list of compiled functions by address, readable from a signal handler.
//!
//! Writers (the linker) append under a lock of theirs; readers walk a singly linked list of immutable
//! entries with acquire loads only: no lock, no allocation, no syscall.
//! Entries are never freed; an entry whose code was unloaded is marked dead.

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
    next: AtomicPtr<Entry>,
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
            next: AtomicPtr::new(core::ptr::null_mut()),
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

/// The head of the list.
#[derive(Debug)]
pub struct CodeMap {
    head: AtomicPtr<Entry>,
}

/// The process's code map.
pub static CODE_MAP: CodeMap = CodeMap::new();

impl CodeMap {
    pub const fn new() -> CodeMap {
        CodeMap {
            head: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Makes a function visible; it stays allocated for the life of the process.
    pub fn publish(&self, entry: Entry) -> &'static Entry {
        let entry: &'static Entry = Box::leak(Box::new(entry));
        let new = core::ptr::from_ref(entry).cast_mut();
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            entry.next.store(head, Ordering::Relaxed);
            match self
                .head
                .compare_exchange_weak(head, new, Ordering::Release, Ordering::Acquire)
            {
                Ok(_) => return entry,
                Err(now) => head = now,
            }
        }
    }

    /// All live entries, newest first. Async-signal-safe.
    pub fn iter(&self) -> impl Iterator<Item = &'static Entry> {
        let mut at = self.head.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            loop {
                // SAFETY: entries are leaked boxes, published with release ordering, never freed.
                let entry: &'static Entry = unsafe { at.as_ref() }?;
                at = entry.next.load(Ordering::Acquire);
                if !entry.dead.load(Ordering::Acquire) {
                    return Some(entry);
                }
            }
        })
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
        self.iter().find(|e| address.wrapping_sub(e.start) < e.size)
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
}
