//! The stream of chunks: heads, checksums, compression.

use std::io::{self, Read, Write};

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// The bytes before a payload.
pub const HEAD: usize = 16;

/// What a payload may be when it is inflated, in bytes: writers end a chunk after a megabyte of texts or
/// 65,536 rows.
pub const LARGEST: usize = 1 << 25;

/// How hard the writer tries to make it small.
const LEVEL: u32 = 6;

/// Writes a chunk whose payload is `bytes`, deflated.
pub fn write(out: &mut impl Write, kind: [u8; 4], bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > LARGEST {
        return Err(io::Error::other("a text of the recording is too long"));
    }
    let mut encoder = ZlibEncoder::new(vec![], Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    let payload = encoder.finish()?;
    // Deflating adds little to what cannot be made smaller.
    let length = payload.len() as u32;
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&kind);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..12].copy_from_slice(&crc(&payload).to_le_bytes());
    let check = crc(&head[..12]);
    head[12..].copy_from_slice(&check.to_le_bytes());
    out.write_all(&head)?;
    out.write_all(&payload)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What was found in a stream of chunks.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Chunk([u8; 4], &'a [u8]),
    /// The head is right, but the payload is not what was written.
    Damaged([u8; 4]),
    /// So many bytes that are no chunk.
    Junk(usize),
    /// The file ends within this chunk, or within a head.
    Truncated(Option<[u8; 4]>),
}

/// The chunks in some bytes. Each byte is looked at a bounded number of times: behind a head that is right
/// comes the next after its payload, and only bytes that are no such head are gone through one by one.
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Chunks { rest: bytes }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let all = self.rest;
        if all.is_empty() {
            return None;
        }
        let junk = (0..all.len()).find(|&at| all.len() - at < HEAD || head(&all[at..]).is_some());
        let junk = junk.unwrap_or(all.len());
        if junk > 0 && all.len() - junk >= HEAD {
            self.rest = &all[junk..];
            return Some(Found::Junk(junk));
        }
        let Some((kind, length, check)) = head(all) else {
            self.rest = &[];
            return Some(if junk == 0 {
                Found::Truncated(None)
            } else {
                Found::Junk(all.len())
            });
        };
        let payload = &all[HEAD..];
        if payload.len() < length {
            self.rest = &[];
            return Some(Found::Truncated(Some(kind)));
        }
        let (payload, rest) = payload.split_at(length);
        self.rest = rest;
        Some(if crc(payload) == check {
            Found::Chunk(kind, payload)
        } else {
            Found::Damaged(kind)
        })
    }
}

/// Type, length and checksum, if there is a head at the start of these bytes.
fn head(bytes: &[u8]) -> Option<([u8; 4], usize, u32)> {
    let head: &[u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if !head[..4].iter().all(u8::is_ascii_graphic) || crc(&head[..12]) != word(12) {
        return None;
    }
    let kind = [head[0], head[1], head[2], head[3]];
    Some((kind, word(4) as usize, word(8)))
}

/// What a payload is when it is inflated; nothing if it is no such stream or gives more than `limit` bytes.
pub fn inflate(payload: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    let mut limited = ZlibDecoder::new(payload).take(limit + 1);
    let read = limited.read_to_end(&mut bytes).ok()?;
    (read as u64 <= limit).then_some(bytes)
}

/// A type as it is shown.
pub fn shown(kind: [u8; 4]) -> String {
    kind.iter().map(|&b| char::from(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = vec![];
        write(&mut bytes, *b"ABCD", b"first").unwrap();
        write(&mut bytes, *b"EFGH", &[7; 1000]).unwrap();
        bytes
    }

    #[test]
    fn chunks_come_back() {
        let bytes = stream();
        let found: Vec<_> = Chunks::new(&bytes)
            .map(|f| match f {
                Found::Chunk(kind, payload) => (shown(kind), inflate(payload, 1000).unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found[0], ("ABCD".to_owned(), b"first".to_vec()));
        assert_eq!(found[1], ("EFGH".to_owned(), vec![7; 1000]));
    }

    #[test]
    fn behind_a_spoilt_head_the_next_chunk_is_found() {
        let mut bytes = stream();
        bytes[5] ^= 1;
        let found: Vec<_> = Chunks::new(&bytes).collect();
        assert!(matches!(found[0], Found::Junk(_)), "{found:?}");
        assert!(matches!(found[1], Found::Chunk([b'E', ..], _)));
    }

    #[test]
    fn a_payload_that_grows_beyond_its_limit_is_refused() {
        let bytes = stream();
        let Some(Found::Chunk(_, payload)) = Chunks::new(&bytes).nth(1) else {
            panic!();
        };
        assert_eq!(inflate(payload, 999), None);
    }
}
