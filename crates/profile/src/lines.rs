//! Where an instruction of Python comes from: `co_linetable`, in the formats of CPython's versions.

/// A place in a source file; lines from 1, columns in bytes from 1; 0 is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

/// The place of the instruction at `offset`, in bytes of code. `version` is `PY_VERSION_HEX`.
pub fn place(table: &[u8], first_line: u32, offset: u32, version: u32) -> Place {
    let place = if version >= 0x030b_0000 {
        locations(table, first_line, offset)
    } else {
        lines(table, first_line, offset)
    };
    place.unwrap_or_default()
}

/// 3.11 and later: entries with the number of instructions, and the span in the text (PEP 626, PEP 657;
/// CPython's `Objects/locations.md`).
fn locations(table: &[u8], first_line: u32, offset: u32) -> Option<Place> {
    let mut bytes = table.iter().copied();
    let mut line = i64::from(first_line);
    let mut end = 0u32;
    loop {
        let first = bytes.next()?;
        end = end.checked_add((u32::from(first & 7) + 1) * 2)?;
        let code = first >> 3 & 15;
        let mut place = Place::default();
        match code {
            15 => {}
            13 | 14 => {
                line += signed(&mut bytes)?;
                place.line = line as u32;
                place.end_line = line as u32;
                if code == 14 {
                    place.end_line = (line as u32).checked_add(varint(&mut bytes)?)?;
                    place.column = varint(&mut bytes)?;
                    place.end_column = varint(&mut bytes)?;
                }
            }
            10..=12 => {
                line += i64::from(code) - 10;
                place.line = line as u32;
                place.end_line = line as u32;
                place.column = u32::from(bytes.next()?) + 1;
                place.end_column = u32::from(bytes.next()?) + 1;
            }
            short => {
                let second = bytes.next()?;
                place.line = line as u32;
                place.end_line = line as u32;
                place.column = (u32::from(short) << 3 | u32::from(second >> 4)) + 1;
                place.end_column = place.column + u32::from(second & 15);
            }
        }
        if offset < end {
            return Some(place);
        }
    }
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..30).step_by(6) {
        let byte = bytes.next()?;
        value |= u32::from(byte & 63) << shift;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = i64::from(varint(bytes)?);
    Some(if value & 1 == 1 {
        -(value >> 1)
    } else {
        value >> 1
    })
}

/// 3.10: pairs of the number of bytes and how far the line is from the one before (-128: no line).
fn lines(table: &[u8], first_line: u32, offset: u32) -> Option<Place> {
    let mut line = i64::from(first_line);
    let mut end = 0u32;
    for pair in table.chunks_exact(2) {
        end = end.checked_add(u32::from(pair[0]))?;
        let delta = pair[1] as i8;
        if delta != i8::MIN {
            line += i64::from(delta);
        }
        if offset < end {
            let is_known = delta != i8::MIN && line > 0;
            return is_known.then_some(Place {
                line: line as u32,
                ..Place::default()
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `co_linetable` of CPython 3.11 and 3.13, and what `co_positions()` says of it:
    ///
    /// ```python
    /// def f(x):
    ///     y = x + 1
    ///     return (y *
    ///       x)
    /// ```
    const V311: &[u8] = b"\x80\x00\xd8\x08\t\x88A\x89\x05\x80A\xd8\x0c\r\xd8\x06\x07\xf1\x03\x01\r\x08\xf0\x00\x01\x05\t";

    #[test]
    fn spans_of_3_11() {
        let at = |offset| {
            let p = place(V311, 1, offset, 0x030b_07f0);
            (p.line, p.end_line, p.column, p.end_column)
        };
        assert_eq!(at(0), (1, 1, 1, 1));
        assert_eq!(at(2), (2, 2, 9, 10));
        assert_eq!(at(4), (2, 2, 13, 14));
        assert_eq!(at(8), (2, 2, 9, 14));
        assert_eq!(at(10), (2, 2, 5, 6));
        assert_eq!(at(14), (4, 4, 7, 8));
        assert_eq!(at(16), (3, 4, 13, 8));
        assert_eq!(at(20), (3, 4, 5, 9));
        assert_eq!(at(999), (0, 0, 0, 0));
    }

    /// The same program's `co_linetable` in CPython 3.10.
    const V310: &[u8] = b"\x08\x01\x02\x01\x02\x01\x04\xff";

    #[test]
    fn lines_of_3_10() {
        let at = |offset| place(V310, 1, offset, 0x030a_0d00).line;
        assert_eq!(
            (at(0), at(7), at(8), at(10), at(12), at(99)),
            (2, 2, 3, 4, 3, 0)
        );
        let no_line = place(&[8, 1, 2, 0x80], 1, 8, 0x030a_0d00);
        assert_eq!(no_line, Place::default());
    }
}
