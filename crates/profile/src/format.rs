//! The file of a recording: versioned, in chunks, with everything in it that is needed to show it.
//!
//! ```text
//! head    magic (8 bytes), version (2 × u16)
//! chunk   type (4 bytes), length, CRC-32 of the payload, CRC-32 of these 12 bytes; payload
//! chunk   …
//! ```
//!
//! A payload is a table, or some rows of one, as columns with names and types ([`column`]), deflated. What
//! a reader does not know it skips, what it misses has a default; so older and newer versions read each
//! other's files. A file without its end is read as far as it goes. `docs/recording-format.md` tells all that a reader in another language needs.
//!
//! What [`read`] promises, whatever the bytes are: it does not panic, it needs time and memory in
//! proportion to the size of the file, and in the recording that it returns all indices are valid, callers
//! come before what they call, and times are below [`LAST`].

mod check;
mod chunk;
mod column;
mod read;
mod texts;
mod write;

use std::fmt;

pub use read::read;
pub use texts::remove_sources;
pub use write::write;

/// How a file begins. No text file does, and a transfer that changes the ends of lines spoils it.
const MAGIC: [u8; 8] = *b"\x89FDLR\r\n\n";

/// Readers of one major version read all files of it.
const MAJOR: u16 = 1;
const MINOR: u16 = 1;

/// No time of a recording that was read is later: sums of two are no overflow.
pub const LAST: u64 = 1 << 61;

/// No amount of CPU time that was read is larger, in microseconds.
pub const MOST_CPU: u64 = 1 << 44;

/// The types of chunks.
mod types {
    pub const META: [u8; 4] = *b"META";
    pub const TEXTS: [u8; 4] = *b"TEXT";
    pub const PROCESSES: [u8; 4] = *b"PROC";
    pub const THREADS: [u8; 4] = *b"THRD";
    pub const FUNCTIONS: [u8; 4] = *b"FUNC";
    pub const FRAMES: [u8; 4] = *b"FRAM";
    pub const STACKS: [u8; 4] = *b"STCK";
    pub const SIGNATURES: [u8; 4] = *b"SIGN";
    pub const SAMPLES: [u8; 4] = *b"SMPL";
    pub const CALLS: [u8; 4] = *b"CALL";
    pub const CALLERS: [u8; 4] = *b"CLLR";
    pub const LINES: [u8; 4] = *b"LINE";
    pub const SOURCES: [u8; 4] = *b"SRCE";
    pub const LOG: [u8; 4] = *b"LOGS";
    /// How many rows each table has; a file without it was not finished.
    pub const END: [u8; 4] = *b"DONE";
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    NotARecording,
    /// Written by a version whose files this one cannot read.
    TooNew(u16, u16),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotARecording => write!(f, "this is not a recording of ferdelance"),
            Error::TooNew(major, minor) => write!(
                f,
                "the recording has format {major}.{minor}, which is newer than this version of \
                 ferdelance (it reads up to {MAJOR}.x)"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// What is missing in a recording that was read, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
