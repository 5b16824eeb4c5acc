//! The memory through which an agent, inside a program, hands samples to the recorder, outside of it.
//!
//! One [`Spool`] a process, in a memfd: it outlives the program, however that ends.
//! The agent maps it and writes; the recorder reads the file. All tables only grow; an entry is valid when
//! its last field to be written, named `ready` or described so, is not zero. Only the ring is used again:
//! the agent writes a record where the first word is zero, the recorder reads it and clears the word.
//!
//! A stack is a node in a tree, as in the recording: a frame and what called it. So a sample is 32 bytes
//! here, whatever its depth.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

pub const MAGIC: u64 = u64::from_le_bytes(*b"fdlspool");
/// Of the layout: an agent and a recorder that do not agree do not talk.
pub const VERSION: u32 = 2;

pub const RECORDS: usize = 1 << 17;
pub const NODES: usize = 1 << 20;
pub const CODES: usize = 1 << 15;
pub const UNITS: usize = 1 << 14;
pub const MODULES: usize = 1 << 12;
pub const TYPES: usize = 1 << 12;
pub const SIGNATURES: usize = 1 << 13;
pub const BYTES: usize = 16 << 20;
pub const COSTS: usize = 96;

#[repr(C)]
pub struct Spool {
    pub header: Header,
    pub modules: [Module; MODULES],
    pub codes: [Code; CODES],
    pub units: [Unit; UNITS],
    pub types: [TypeName; TYPES],
    pub signatures: [Signature; SIGNATURES],
    pub records: [Record; RECORDS],
    pub nodes: [Node; NODES],
    pub bytes: [AtomicU8; BYTES],
}

#[repr(C, align(4096))]
pub struct Header {
    pub magic: u64,
    pub version: u32,
    pub pid: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds: when the agent began.
    pub start: u64,
    /// Nanoseconds of CPU time between samples. The recorder may change it.
    pub period: AtomicU64,
    /// `PY_VERSION_HEX`; 0 as long as no Python is seen.
    pub python: AtomicU32,
    /// [`clock`] in use.
    pub clock: AtomicU32,
    /// Where Python has its runtime (`_PyRuntime`), and the class of code objects.
    pub runtime: AtomicU64,
    pub code_type: AtomicU64,

    /// Where the next record goes; a record's place is its number modulo [`RECORDS`].
    pub next_record: AtomicU64,
    /// Entries in use, counting those that are not ready yet. Node 0 is the root.
    pub next_node: AtomicU32,
    pub next_code: AtomicU32,
    pub next_unit: AtomicU32,
    pub next_module: AtomicU32,
    pub next_type: AtomicU32,
    pub next_signature: AtomicU32,
    pub next_byte: AtomicU32,

    /// Set by the recorder: sampling is to stop. By the agent, too, when the recorder has taken nothing for
    /// long.
    pub stop: AtomicU32,
    /// Since when the ring is full, on the clock of `start`; 0 if it is not.
    pub full: AtomicU64,

    /// Samples for which there was no room.
    pub lost: AtomicU64,
    /// Samples that were given up because of a fault.
    pub abandoned: AtomicU64,
    /// Samples with Python frames that were not placed among the native ones.
    pub unplaced: AtomicU64,
    /// Stacks without their root.
    pub cut: AtomicU64,
    /// The time that handling signals took, in nanoseconds.
    pub cost: AtomicU64,
    /// Threads that could not be sampled.
    pub refused: AtomicU64,
    /// How many signals there were of each [`cost_class`].
    pub costs: [AtomicU32; COSTS],
}

/// The class of a time in nanoseconds: four to each power of two, from 256 ns on.
pub const fn cost_class(time: u64) -> usize {
    if time < 256 {
        return 0;
    }
    let power = time.ilog2();
    let class = 4 * (power as usize - 8) + (time >> (power - 2) & 3) as usize + 1;
    if class < COSTS { class } else { COSTS - 1 }
}

/// The times of a class are below this.
pub const fn cost_limit(class: usize) -> u64 {
    (256 * (4 + class as u64 % 4)) << (class / 4) >> 2
}

/// What makes signals for samples.
pub mod clock {
    pub const NONE: u32 = 0;
    /// Only timers on the CPU time of threads, at most at the rate of the system's tick.
    pub const TIMER: u32 = 1;
    /// Besides, perf's clock of CPU time in user mode, at any rate.
    pub const PERF: u32 = 2;
}

/// 32 bytes of the ring. The first word is written last.
#[repr(C)]
pub struct Record {
    pub head: AtomicU64,
    pub time: AtomicU64,
    pub a: AtomicU64,
    pub b: AtomicU64,
}

/// The first word of a record: kind, flags, slot of the thread, signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: u8,
    pub flags: u8,
    pub slot: u16,
    pub signature: u32,
}

impl Head {
    pub const fn to_word(self) -> u64 {
        self.kind as u64
            | (self.flags as u64) << 8
            | (self.slot as u64) << 16
            | (self.signature as u64) << 32
    }

    pub const fn from_word(word: u64) -> Head {
        Head {
            kind: word as u8,
            flags: (word >> 8) as u8,
            slot: (word >> 16) as u16,
            signature: (word >> 32) as u32,
        }
    }
}

/// Kinds of records.
pub mod kind {
    /// `a`: node | n << 32. Of the kernel, n is what of the thread's CPU time was the kernel's, in tens of
    /// microseconds; of user code, how much CPU time the sample stands for, in hundreds of nanoseconds.
    /// `b`: the thread's CPU time, in nanoseconds.
    pub const SAMPLE: u8 = 1;
    /// A thread uses a slot from now on. `a`: its id | what of its CPU time was the kernel's << 32, in tens
    /// of microseconds. `b`: its CPU time, in nanoseconds.
    pub const THREAD: u8 = 2;
    /// `a`, `b`: 16 bytes of the name of the slot's thread.
    pub const NAME: u8 = 3;
    /// The slot's thread ends; as `THREAD`.
    pub const END: u8 = 4;
    /// Python's name of the slot's thread. `a`: [`Bytes`], as a word.
    pub const PYTHON_NAME: u8 = 6;
    /// Reserved and then not needed.
    pub const NOTHING: u8 = 5;
}

/// Flags of samples.
pub mod flag {
    /// The thread holds the interpreter's lock.
    pub const GIL: u8 = 1;
    /// The CPU time was the kernel's: a system call, or an instruction that faulted.
    pub const KERNEL: u8 = 2;
    /// Frames are missing towards the root.
    pub const CUT: u8 = 4;
}

/// A stack.
#[repr(C)]
pub struct Node {
    /// A [`Frame`]. Written last.
    pub frame: AtomicU64,
    pub parent: AtomicU32,
    /// The agent's: the next one in its bucket.
    pub next: AtomicU32,
}

/// A frame in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An address in a module: of the instruction that runs, or of one byte before where a call returns to.
    Native(u64),
    /// A Python function and where it is, in bytes of its code.
    Python { code: u32, offset: u32 },
    /// A compiled function and where it is, in bytes of its code.
    Compiled { unit: u32, offset: u32 },
    /// Frames that are missing between the ones before and after.
    Gap,
}

const TAG: u32 = 60;

impl Frame {
    pub const fn to_word(self) -> u64 {
        match self {
            Frame::Native(address) => 1 << TAG | address & ((1 << TAG) - 1),
            Frame::Python { code, offset } => 2 << TAG | (code as u64) << 32 | offset as u64,
            Frame::Compiled { unit, offset } => 3 << TAG | (unit as u64) << 32 | offset as u64,
            Frame::Gap => 4 << TAG,
        }
    }

    /// None if there is none.
    pub const fn from_word(word: u64) -> Option<Frame> {
        let index = (word >> 32) as u32 & 0x0fff_ffff;
        Some(match word >> TAG {
            1 => Frame::Native(word & ((1 << TAG) - 1)),
            2 => Frame::Python {
                code: index,
                offset: word as u32,
            },
            3 => Frame::Compiled {
                unit: index,
                offset: word as u32,
            },
            4 => Frame::Gap,
            _ => return None,
        })
    }
}

/// A part of [`Spool::bytes`]: offset | length << 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub offset: u32,
    pub len: u32,
}

impl Bytes {
    pub const fn to_word(self) -> u64 {
        self.offset as u64 | (self.len as u64) << 32
    }

    pub const fn from_word(word: u64) -> Bytes {
        Bytes {
            offset: word as u32,
            len: (word >> 32) as u32,
        }
    }
}

/// A loaded file with code. Texts are [`Bytes`], as words.
#[repr(C)]
pub struct Module {
    pub start: AtomicU64,
    pub end: AtomicU64,
    /// What to subtract from an address to get one of the file.
    pub bias: AtomicU64,
    pub path: AtomicU64,
    pub ready: AtomicU64,
}

/// A code object of Python.
#[repr(C)]
pub struct Code {
    pub name: AtomicU64,
    pub file: AtomicU64,
    /// `co_linetable`, in the format of the Python at hand.
    pub lines: AtomicU64,
    /// Names of parameters, each followed by a zero byte.
    pub parameters: AtomicU64,
    pub first_line: AtomicU32,
    pub ready: AtomicU32,
}

/// A function that was compiled by ferdelance.
#[repr(C)]
pub struct Unit {
    /// Its scopes and its table of lines, see [`crate::codemap::Entry::encode`].
    pub table: AtomicU64,
    pub start: AtomicU64,
    pub size: AtomicU32,
    pub ready: AtomicU32,
}

/// A class.
#[repr(C)]
pub struct TypeName {
    pub name: AtomicU64,
    pub ready: AtomicU64,
}

/// The types of a function's arguments.
#[repr(C)]
pub struct Signature {
    /// For each argument, words: see the agent.
    pub arguments: AtomicU64,
    pub code: AtomicU32,
    pub ready: AtomicU32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_went_in() {
        let frames = [
            Frame::Native(0x7fff_1234_5678),
            Frame::Python {
                code: 77,
                offset: 12,
            },
            Frame::Compiled {
                unit: 3,
                offset: 0xffff_ffff,
            },
            Frame::Gap,
        ];
        for frame in frames {
            assert_eq!(Frame::from_word(frame.to_word()), Some(frame));
        }
        assert_eq!(Frame::from_word(0), None);
        let head = Head {
            kind: kind::SAMPLE,
            flags: flag::GIL,
            slot: 513,
            signature: 0xdead_beef,
        };
        assert_eq!(Head::from_word(head.to_word()), head);
    }

    #[test]
    fn times_are_within_the_limits_of_their_classes() {
        for time in [
            0,
            255,
            256,
            300,
            319,
            320,
            1000,
            4095,
            4096,
            50_000,
            1 << 30,
        ] {
            let class = cost_class(time);
            assert!(time < cost_limit(class), "{time} {class}");
            assert!(
                class == 0 || time >= cost_limit(class - 1),
                "{time} {class}"
            );
        }
        assert_eq!(cost_class(u64::MAX), COSTS - 1);
    }

    #[test]
    fn a_spool_is_within_its_budget() {
        assert!(size_of::<Spool>() <= 64 << 20);
        assert_eq!(size_of::<Record>(), 32);
    }
}
