//! The outside of a file: what it is, and a checksum. Files may be cut short by a full disk or a
//! crash, and changed by anybody; what does not fit is as good as absent.

use super::digest;

/// The format of the contents; files of another one are not read.
const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"\x89fdcode\n";
const HEADER: usize = MAGIC.len() + 4 + 4 + 16;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Index = 1,
    Code = 2,
}

/// The header of a file with these contents.
fn header(kind: Kind, contents: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(kind as u32).to_le_bytes());
    header[16..].copy_from_slice(&digest(contents).to_le_bytes());
    header
}

/// A file's contents with their header.
pub(super) fn wrap(kind: Kind, contents: &[u8]) -> Vec<u8> {
    [&header(kind, contents), contents].concat()
}

/// The contents of a file; None if it is not such a file, or damaged.
pub(super) fn unwrap(kind: Kind, file: &[u8]) -> Option<&[u8]> {
    let (found, contents) = file.split_at_checked(HEADER)?;
    (header(kind, contents) == *found).then_some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let file = wrap(Kind::Code, b"some contents");
        assert_eq!(unwrap(Kind::Code, &file), Some(&b"some contents"[..]));
        assert_eq!(unwrap(Kind::Index, &file), None);
        for len in 0..file.len() {
            assert_eq!(unwrap(Kind::Code, &file[..len]), None);
        }
        for i in 0..file.len() {
            let mut other = file.clone();
            other[i] ^= 0x10;
            assert_eq!(unwrap(Kind::Code, &other), None);
        }
    }
}
