//! Tables in which handlers on several threads look things up and put them in, without locks.
//!
//! All are chains from buckets; an entry is filled in before it is linked. Two threads that meet the same
//! thing at the same moment put it in twice, which costs an entry and means the same.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ferdelance_abi::spool::{CODES, Frame, NODES, SIGNATURES, Spool, TYPES, UNITS};
use ferdelance_interpreter::{Layout, Memory, objects};

use crate::memory::Own;
use crate::spool::{self, Writer};
use crate::sys;

/// The longest name that is kept, in bytes, and the longest table of lines.
const NAME: usize = 400;
const LINES: u64 = 64 << 10;

/// An entry of a table that is this process's alone; its number is that of the one in the spool.
#[repr(C)]
struct Known {
    keys: [AtomicU64; 3],
    next: AtomicU32,
}

/// The beginnings of chains. A process that sees little touches one page of them: the first entries have few
/// buckets, the next ones four times as many, and so on.
struct Buckets {
    all: &'static [AtomicU32],
    /// Above the numbers of all entries.
    end: AtomicU32,
}

/// Entries, and buckets, of the first level.
const FIRST: u32 = 1024;

impl Buckets {
    /// For so many entries.
    fn new(most: usize) -> Option<Self> {
        let levels = Self::level(most as u32 - 1) + 1;
        Some(Buckets {
            all: zeroed(Self::start(levels))?,
            end: AtomicU32::new(0),
        })
    }

    /// The level that an entry belongs to.
    fn level(index: u32) -> u32 {
        let mut level = 0;
        while index >= FIRST << (2 * level) {
            level += 1;
        }
        level
    }

    /// Where a level begins: the sizes of those before it are 1, 4, 16, ... times that of the first.
    fn start(level: u32) -> usize {
        FIRST as usize * ((1 << (2 * level)) - 1) / 3
    }

    fn bucket(&self, hash: u64, level: u32) -> &'static AtomicU32 {
        let size = (FIRST as u64) << (2 * level);
        &self.all[Self::start(level) + ((hash ^ hash >> 32) % size) as usize]
    }

    /// The first entries of the chains that an entry with this hash may be in; 0 is none. What is seen often was
    /// mostly seen early.
    fn chains(&self, hash: u64) -> impl Iterator<Item = u32> {
        let end = self.end.load(Ordering::Acquire);
        let levels = end.checked_sub(1).map_or(0, |last| Self::level(last) + 1);
        (0..levels).map(move |level| self.bucket(hash, level).load(Ordering::Acquire))
    }

    /// Puts an entry in front of its chain, which goes by `index + 1`.
    fn push(&self, hash: u64, next: &AtomicU32, index: u32) {
        let bucket = self.bucket(hash, Self::level(index));
        let mut first = bucket.load(Ordering::Relaxed);
        loop {
            next.store(first, Ordering::Relaxed);
            let exchanged = bucket.compare_exchange_weak(
                first,
                index + 1,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match exchanged {
                Ok(_) => break,
                Err(now) => first = now,
            }
        }
        self.end.fetch_max(index + 1, Ordering::Release);
    }

    fn clear(&self) {
        clear(self.all);
        self.end.store(0, Ordering::Relaxed);
    }
}

struct Table<const N: usize> {
    buckets: Buckets,
    entries: &'static [Known],
}

fn zeroed<T>(n: usize) -> Option<&'static [T]> {
    let at = sys::map(n * size_of::<T>(), libc::PROT_READ | libc::PROT_WRITE)?;
    // SAFETY: a fresh mapping of that size, page-aligned, never unmapped; used for atomic integers, for
    // which all zero is valid.
    Some(unsafe { std::slice::from_raw_parts(at.cast(), n) })
}

/// Makes a table that [`zeroed`] made all zero again; nobody else may be using it.
fn clear<T>(table: &[T]) {
    // SAFETY: a private anonymous mapping of its own: its pages come back as zeros.
    unsafe {
        libc::madvise(
            table.as_ptr().cast_mut().cast(),
            size_of_val(table),
            libc::MADV_DONTNEED,
        )
    };
}

fn hash(a: u64, b: u64) -> u64 {
    let x = (a ^ b.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ b
}

impl<const N: usize> Table<N> {
    fn new() -> Option<Self> {
        Some(Table {
            buckets: Buckets::new(N)?,
            entries: zeroed(N)?,
        })
    }

    fn find(&self, keys: [u64; 3]) -> Option<u32> {
        for mut at in self.buckets.chains(hash(keys[0], keys[1])) {
            while let Some(index) = at.checked_sub(1) {
                let known = self.entries.get(index as usize)?;
                if (0..3).all(|i| known.keys[i].load(Ordering::Relaxed) == keys[i]) {
                    return Some(index);
                }
                at = known.next.load(Ordering::Relaxed);
            }
        }
        None
    }

    fn add(&self, index: u32, keys: [u64; 3]) {
        let known = &self.entries[index as usize];
        for (to, from) in known.keys.iter().zip(keys) {
            to.store(from, Ordering::Relaxed);
        }
        self.buckets
            .push(hash(keys[0], keys[1]), &known.next, index);
    }

    fn clear(&self) {
        self.buckets.clear();
        clear(self.entries);
    }
}

pub struct Interned {
    nodes: Buckets,
    codes: Table<CODES>,
    units: Table<UNITS>,
    types: Table<TYPES>,
    signatures: Table<SIGNATURES>,
}

impl Interned {
    pub fn new() -> Option<Interned> {
        Some(Interned {
            nodes: Buckets::new(NODES)?,
            codes: Table::new()?,
            units: Table::new()?,
            types: Table::new()?,
            signatures: Table::new()?,
        })
    }

    /// In the child of a fork, whose spool is empty.
    pub fn clear(&self) {
        self.nodes.clear();
        self.codes.clear();
        self.units.clear();
        self.types.clear();
        self.signatures.clear();
    }

    /// The stack of a frame that is called from another one; none if the table is full.
    pub fn node(&self, spool: &Spool, parent: u32, frame: Frame) -> Option<u32> {
        let word = frame.to_word();
        let hash = hash(word, u64::from(parent));
        for mut at in self.nodes.chains(hash) {
            while let Some(index) = at.checked_sub(1) {
                let node = spool.nodes.get(index as usize)?;
                if node.frame.load(Ordering::Relaxed) == word
                    && node.parent.load(Ordering::Relaxed) == parent
                {
                    return Some(index);
                }
                at = node.next.load(Ordering::Relaxed);
            }
        }
        let (index, node) = spool::entry(&spool.header.next_node, &spool.nodes)?;
        node.parent.store(parent, Ordering::Relaxed);
        node.frame.store(word, Ordering::Release);
        self.nodes.push(hash, &node.next, index);
        Some(index)
    }

    /// A code object, by its address: its names are copied when it is first seen, since a frame keeps it alive
    /// then.
    pub fn code(&self, spool: &Spool, layout: &Layout, at: u64) -> Option<u32> {
        let code = objects::Code::read(layout, at, &mut Own)?;
        // Another code object may come to lie at the same address, but not with the same parts.
        let keys = [
            at,
            code.name ^ code.file.rotate_left(20),
            code.lines ^ u64::from(code.first_line),
        ];
        if let Some(index) = self.codes.find(keys) {
            return Some(index);
        }
        let (index, entry) = spool::entry(&spool.header.next_code, &spool.codes)?;
        entry.first_line.store(code.first_line, Ordering::Relaxed);
        for (field, object) in [(&entry.name, code.name), (&entry.file, code.file)] {
            field.store(text(spool, layout, object), Ordering::Relaxed);
        }
        entry
            .lines
            .store(contents(spool, code.lines), Ordering::Relaxed);
        entry
            .parameters
            .store(parameters(spool, layout, &code), Ordering::Relaxed);
        entry.ready.store(1, Ordering::Release);
        self.codes.add(index, keys);
        Some(index)
    }

    /// A compiled function, by what identifies it; `describe` writes down what is to be known of it.
    pub fn unit(
        &self,
        spool: &Spool,
        identity: u64,
        start: u64,
        size: u32,
        describe: impl FnOnce() -> u64,
    ) -> Option<u32> {
        let keys = [identity, start, 0];
        if let Some(index) = self.units.find(keys) {
            return Some(index);
        }
        let (index, entry) = spool::entry(&spool.header.next_unit, &spool.units)?;
        entry.start.store(start, Ordering::Relaxed);
        entry.size.store(size, Ordering::Relaxed);
        entry.table.store(describe(), Ordering::Relaxed);
        entry.ready.store(1, Ordering::Release);
        self.units.add(index, keys);
        Some(index)
    }

    /// A class, by its address.
    pub fn class(&self, spool: &Spool, at: u64) -> Option<u32> {
        let name = objects::class_name(at, &mut Own)?;
        let keys = [at, name, 0];
        if let Some(index) = self.types.find(keys) {
            return Some(index);
        }
        let mut writer = Writer::new(spool, 128)?;
        Own.bytes(name, |byte| byte != 0 && writer.push(byte))?;
        let (index, entry) = spool::entry(&spool.header.next_type, &spool.types)?;
        entry.name.store(writer.finish(), Ordering::Relaxed);
        entry.ready.store(1, Ordering::Release);
        self.types.add(index, keys);
        Some(index)
    }

    /// The types of a function's arguments, in the words that say them. 0 is kept for none.
    pub fn signature(&self, spool: &Spool, code: u32, words: &[u64]) -> Option<u32> {
        let digest = words.iter().fold(0, |h, &w| hash(h, w));
        let check = words.iter().fold(u64::from(code), |h, &w| {
            (h ^ w).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
        });
        let keys = [digest, u64::from(code), check];
        if let Some(index) = self.signatures.find(keys) {
            return Some(index);
        }
        let (index, entry) = spool::entry(&spool.header.next_signature, &spool.signatures)?;
        let mut writer = Writer::new(spool, (words.len() * 8) as u32)?;
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .all(|byte| writer.push(byte));
        entry.arguments.store(writer.finish(), Ordering::Relaxed);
        entry.code.store(code, Ordering::Relaxed);
        entry.ready.store(1, Ordering::Release);
        self.signatures.add(index, keys);
        Some(index)
    }
}

/// Keeps a string; 0 if there is no room.
pub fn text(spool: &Spool, layout: &Layout, object: u64) -> u64 {
    let mut length = 0;
    let measured = objects::string(layout, object, NAME, &mut Own, |_| length += 1);
    let Some(mut writer) = measured.and_then(|()| Writer::new(spool, length)) else {
        return 0;
    };
    let copied = objects::string(layout, object, NAME, &mut Own, |byte| {
        writer.push(byte);
    });
    copied.map_or(0, |()| writer.finish())
}

/// Keeps the contents of a bytes object.
fn contents(spool: &Spool, object: u64) -> u64 {
    let Some((start, length)) = objects::bytes(object, &mut Own).filter(|b| b.1 <= LINES) else {
        return 0;
    };
    let Some(mut writer) = Writer::new(spool, length as u32) else {
        return 0;
    };
    if length > 0 {
        let mut left = length;
        let copied = Own.bytes(start, |byte| {
            left -= 1;
            writer.push(byte) && left > 0
        });
        if copied.is_none() {
            return 0;
        }
    }
    writer.finish()
}

/// Keeps the names of a function's parameters, each with a zero byte.
fn parameters(spool: &Spool, layout: &Layout, code: &objects::Code) -> u64 {
    const MOST: u32 = 32;
    let mut names = [0u8; 512];
    let mut used = 0;
    for i in 0..code.parameters.min(MOST) {
        let name = objects::tuple_item(layout, code.locals, i, &mut Own);
        let room = names.len() - used;
        let start = used;
        let written = name.and_then(|name| {
            objects::string(layout, name, room.saturating_sub(1), &mut Own, |byte| {
                if let Some(to) = names.get_mut(used) {
                    *to = byte;
                    used += 1;
                }
            })
        });
        if written.is_none() || used >= names.len() {
            used = start;
            break;
        }
        names[used] = 0;
        used += 1;
    }
    spool::keep(spool, names.get(..used).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_room_for_their_entries() {
        let level = Buckets::level;
        assert_eq!([0, 1023, 1024, 5000].map(level), [0, 0, 1, 2]);
        assert_eq!([0, 1, 2].map(Buckets::start), [0, 1024, 1024 + 4096]);
    }

    #[test]
    fn what_was_added_is_found_again() {
        let table: Table<CODES> = Table::new().expect("there is memory");
        let keys = |i: u32| [u64::from(i) * 64, u64::from(i % 7), 3];
        for i in 0..10_000 {
            assert_eq!(table.find(keys(i)), None);
            table.add(i, keys(i));
        }
        assert!((0..10_000).all(|i| table.find(keys(i)) == Some(i)));
        table.clear();
        assert_eq!(table.find(keys(5)), None);
    }
}
