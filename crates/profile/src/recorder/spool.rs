//! An agent's spool, read from outside through its file.

use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};

use ferdelance_abi::spool::{
    Bytes, Code, Head, Header, MAGIC, Module, Node, RECORDS, Record, Signature, Spool, TypeName,
    Unit, VERSION,
};

/// A record of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw {
    pub head: Head,
    pub time: u64,
    pub a: u64,
    pub b: u64,
}

/// Records that are read at once.
const BATCH: usize = 4096;
const RECORD: usize = size_of::<Record>();
/// Memory that is provided at once, in bytes.
const AHEAD: usize = 64 << 10;

pub struct SpoolFile {
    file: File,
    pub pid: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub start: u64,
    next: u64,
    /// Up to where, in the file, there is memory for records, nodes and bytes.
    ahead: [usize; 3],
}

/// A field of the header, by name.
macro_rules! field {
    ($self:ident, $name:ident) => {
        $self.number(offset_of!(Spool, header) + offset_of!(Header, $name))
    };
}

/// A column of a table: a number of 4 or 8 bytes of each entry.
fn column(table: &[u8], entry: usize, offset: usize, size: usize) -> Vec<u64> {
    let number = |entry: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&entry[offset..offset + size]);
        u64::from_le_bytes(bytes)
    };
    table.chunks_exact(entry).map(number).collect()
}

macro_rules! columns {
    ($table:expr, $entry:ty: $($field:ident $size:literal),*) => {
        ($(column(&$table, size_of::<$entry>(), offset_of!($entry, $field), $size)),*)
    };
}

impl SpoolFile {
    /// None if it is no spool, or one of another version.
    pub fn new(file: File) -> Option<SpoolFile> {
        let mut spool = SpoolFile {
            file,
            pid: 0,
            start: 0,
            next: 0,
            ahead: [0; 3],
        };
        let size = spool.file.metadata().ok()?.len();
        if size != size_of::<Spool>() as u64
            || field!(spool, magic) != MAGIC
            || field!(spool, version) as u32 != VERSION
        {
            return None;
        }
        spool.pid = field!(spool, pid) as u32;
        spool.start = field!(spool, start);
        spool.make_room();
        Some(spool)
    }

    /// Has the system provide the memory that the agent will write to next: it would do so at the first write,
    /// which is in a signal handler.
    fn make_room(&mut self) {
        let parts = [
            (
                field!(self, next_record) as usize,
                size_of::<Record>(),
                offset_of!(Spool, records),
                RECORDS,
            ),
            (
                field!(self, next_node) as u32 as usize,
                size_of::<Node>(),
                offset_of!(Spool, nodes),
                ferdelance_abi::spool::NODES,
            ),
            (
                field!(self, next_byte) as u32 as usize,
                1,
                offset_of!(Spool, bytes),
                ferdelance_abi::spool::BYTES,
            ),
        ];
        for (ahead, (used, size, start, most)) in self.ahead.iter_mut().zip(parts) {
            let end = start + most * size;
            let from = (*ahead).max(start);
            let wanted = (start + used.min(most) * size + AHEAD / 2).min(end);
            if from < wanted {
                let length = (wanted - from + AHEAD).min(end - from);
                // Without it, the agent's writes do it.
                let _ = fallocate(
                    &self.file,
                    FallocateFlags::empty(),
                    from as u64,
                    length as u64,
                );
                *ahead = from + length;
            }
        }
    }

    /// Eight bytes; 0 if they cannot be read.
    fn number(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        let read = self.file.read_exact_at(&mut bytes, offset as u64);
        read.map_or(0, |()| u64::from_le_bytes(bytes))
    }

    fn bytes(&self, offset: usize, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        match self.file.read_exact_at(&mut bytes, offset as u64) {
            Ok(()) => bytes,
            Err(_) => vec![],
        }
    }

    /// Takes the records that are complete.
    pub fn drain(&mut self, into: &mut Vec<Raw>) {
        self.make_room();
        loop {
            let place = self.next as usize % RECORDS;
            let room = BATCH.min(RECORDS - place);
            let offset = offset_of!(Spool, records) + place * RECORD;
            let words = |bytes: &[u8]| -> Vec<[u64; 4]> {
                let word =
                    |r: &[u8], i: usize| u64::from_le_bytes(std::array::from_fn(|k| r[i * 8 + k]));
                let records = bytes.chunks_exact(RECORD);
                records
                    .map(|r| std::array::from_fn(|i| word(r, i)))
                    .collect()
            };
            let seen = words(&self.bytes(offset, room * RECORD));
            let count = seen.iter().take_while(|r| r[0] != 0).count();
            if count == 0 {
                return;
            }
            // Their first words were written last: now all of them is there.
            let complete = words(&self.bytes(offset, count * RECORD));
            into.extend(complete.iter().map(|&[head, time, a, b]| Raw {
                head: Head::from_word(head),
                time,
                a,
                b,
            }));
            let zeros = vec![0; count * RECORD];
            if self.file.write_all_at(&zeros, offset as u64).is_err() {
                return;
            }
            self.next += count as u64;
            if count < room && room == BATCH {
                return;
            }
        }
    }

    /// Takes the rest, of a process that is gone: records that were being written are left out.
    pub fn drain_all(&mut self, into: &mut Vec<Raw>) {
        let end = field!(self, next_record);
        loop {
            self.drain(into);
            if self.next >= end {
                return;
            }
            self.next += 1;
        }
    }

    /// The version of the Python in the process, the address of its runtime, and that of the class of code
    /// objects.
    pub fn python(&self) -> Option<(u32, u64, u64)> {
        let runtime = field!(self, runtime);
        let found = (
            field!(self, python) as u32,
            runtime,
            field!(self, code_type),
        );
        (runtime != 0).then_some(found)
    }

    /// The modules after the first so many, up to the first one that is not described yet: how far they are from
    /// where their files say, and the paths of these.
    pub fn modules(&self, first: usize) -> Vec<(u64, String)> {
        let known = field!(self, next_module) as u32 as usize;
        let known = known.min(ferdelance_abi::spool::MODULES);
        let module = |i: usize| {
            let at = offset_of!(Spool, modules) + i * size_of::<Module>();
            let number = |offset| self.number(at + offset);
            let path = Bytes::from_word(number(offset_of!(Module, path)));
            let start = offset_of!(Spool, bytes).checked_add(path.offset as usize)?;
            let text = self.bytes(start, path.len as usize);
            let is_ready = number(offset_of!(Module, ready)) != 0;
            let path = String::from_utf8_lossy(&text).into_owned();
            is_ready.then(|| (number(offset_of!(Module, bias)), path))
        };
        (first..known).map_while(module).collect()
    }

    /// Asks the agent for samples no more often than with this period, in nanoseconds.
    pub fn slow_to(&self, period: u64) {
        let offset = offset_of!(Spool, header) + offset_of!(Header, period);
        if field!(self, period) < period {
            // If that fails, the process is gone.
            let _ = self.file.write_all_at(&period.to_le_bytes(), offset as u64);
        }
    }

    /// Asks the agent to stop.
    pub fn stop(&self) {
        let offset = offset_of!(Spool, header) + offset_of!(Header, stop);
        // If that fails, the process is gone.
        let _ = self.file.write_all_at(&[1, 0, 0, 0], offset as u64);
    }

    /// Everything but the records.
    pub fn tables(&self) -> Tables {
        let count = |n: u64, most: usize| (n as u32 as usize).min(most);
        let spool = offset_of!(Spool, nodes);
        let nodes = count(field!(self, next_node), ferdelance_abi::spool::NODES);
        let codes = count(field!(self, next_code), ferdelance_abi::spool::CODES);
        let units = count(field!(self, next_unit), ferdelance_abi::spool::UNITS);
        let modules = count(field!(self, next_module), ferdelance_abi::spool::MODULES);
        let types = count(field!(self, next_type), ferdelance_abi::spool::TYPES);
        let signatures = count(
            field!(self, next_signature),
            ferdelance_abi::spool::SIGNATURES,
        );
        let bytes = count(field!(self, next_byte), ferdelance_abi::spool::BYTES);

        let table = self.bytes(spool, nodes * size_of::<Node>());
        let (frames, parents) = columns!(table, Node: frame 8, parent 4);
        let table = self.bytes(offset_of!(Spool, codes), codes * size_of::<Code>());
        let (names, files, lines, parameters, first_lines, ready) = columns!(
            table, Code: name 8, file 8, lines 8, parameters 8, first_line 4, ready 4);
        let code = |i: usize| CodeEntry {
            name: Bytes::from_word(names[i]),
            file: Bytes::from_word(files[i]),
            lines: Bytes::from_word(lines[i]),
            parameters: Bytes::from_word(parameters[i]),
            first_line: first_lines[i] as u32,
            is_ready: ready[i] != 0,
        };
        let table = self.bytes(offset_of!(Spool, units), units * size_of::<Unit>());
        let (descriptions, ready) = columns!(table, Unit: table 8, ready 4);
        let table = self.bytes(offset_of!(Spool, modules), modules * size_of::<Module>());
        let (starts, ends, biases, paths, is_ready) =
            columns!(table, Module: start 8, end 8, bias 8, path 8, ready 8);
        let module = |i: usize| ModuleEntry {
            start: starts[i],
            end: ends[i],
            bias: biases[i],
            path: Bytes::from_word(paths[i]),
        };
        let table = self.bytes(offset_of!(Spool, types), types * size_of::<TypeName>());
        let classes = column(&table, size_of::<TypeName>(), offset_of!(TypeName, name), 8);
        let table = self.bytes(
            offset_of!(Spool, signatures),
            signatures * size_of::<Signature>(),
        );
        let (arguments, of) = columns!(table, Signature: arguments 8, code 4);
        Tables {
            python: field!(self, python) as u32,
            clock: field!(self, clock) as u32,
            nodes: frames
                .into_iter()
                .zip(parents)
                .map(|(f, p)| (f, p as u32))
                .collect(),
            codes: (0..codes.min(names.len())).map(code).collect(),
            units: descriptions
                .into_iter()
                .zip(ready)
                .map(|(d, ready)| (ready != 0).then(|| Bytes::from_word(d)))
                .collect(),
            modules: (0..modules.min(starts.len()))
                .filter(|&i| is_ready[i] != 0)
                .map(module)
                .collect(),
            classes: classes.into_iter().map(Bytes::from_word).collect(),
            signatures: arguments
                .into_iter()
                .zip(of)
                .map(|(a, code)| (Bytes::from_word(a), code as u32))
                .collect(),
            counts: crate::model::Counts {
                taken: 0,
                lost: field!(self, lost),
                abandoned: field!(self, abandoned),
                unplaced: field!(self, unplaced),
                cut: field!(self, cut),
                cost: field!(self, cost),
            },
            costs: column(
                &self.bytes(
                    offset_of!(Spool, header) + offset_of!(Header, costs),
                    4 * ferdelance_abi::spool::COSTS,
                ),
                4,
                0,
                4,
            ),
            refused: field!(self, refused),
            bytes: self.bytes(offset_of!(Spool, bytes), bytes),
        }
    }
}

/// What a spool says besides its records, unchecked.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub python: u32,
    pub clock: u32,
    /// Frame and parent, as words.
    pub nodes: Vec<(u64, u32)>,
    pub codes: Vec<CodeEntry>,
    pub units: Vec<Option<Bytes>>,
    pub modules: Vec<ModuleEntry>,
    pub classes: Vec<Bytes>,
    /// Words of arguments, and the code that they belong to.
    pub signatures: Vec<(Bytes, u32)>,
    pub counts: crate::model::Counts,
    /// How many samples there were of each class of costs.
    pub costs: Vec<u64>,
    pub refused: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub struct CodeEntry {
    pub name: Bytes,
    pub file: Bytes,
    pub lines: Bytes,
    pub parameters: Bytes,
    pub first_line: u32,
    pub is_ready: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ModuleEntry {
    pub start: u64,
    pub end: u64,
    pub bias: u64,
    pub path: Bytes,
}

impl Tables {
    /// Empty if there are no such bytes.
    pub fn bytes(&self, part: Bytes) -> &[u8] {
        let start = part.offset as usize;
        self.bytes
            .get(start..start.saturating_add(part.len as usize))
            .unwrap_or_default()
    }

    pub fn text(&self, part: Bytes) -> String {
        String::from_utf8_lossy(self.bytes(part)).into_owned()
    }
}
