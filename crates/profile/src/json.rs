//! Parts of JSON.

use std::io::{self, Write};

use crate::labels::is_command;

/// A text in quotes. What a terminal would take as a command is escaped, as JSON is looked at in terminals.
pub fn string(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = text;
    let special = |c: char| matches!(c, '"' | '\\') || is_command(c);
    while let Some(at) = rest.find(special) {
        out.write_all(&rest.as_bytes()[..at])?;
        let mut after = rest[at..].chars();
        match after.next() {
            Some(c @ ('"' | '\\')) => write!(out, "\\{c}")?,
            // None is beyond 16 bits.
            Some(other) => write!(out, "\\u{:04x}", u32::from(other))?,
            None => {}
        }
        rest = after.as_str();
    }
    out.write_all(rest.as_bytes())?;
    out.write_all(b"\"")
}

/// Writes what `item` writes for each, with commas between.
pub fn list<T, W: Write>(
    out: &mut W,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (i, it) in items.into_iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        item(out, it)?;
    }
    out.write_all(b"]")
}

/// A number: faster than formatting, which matters where there are tens of millions.
pub fn number(out: &mut impl Write, mut number: u64) -> io::Result<()> {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.write_all(&digits[at..])
}

/// A number with `places` digits behind the point, all of which are in it.
pub fn scaled(out: &mut impl Write, value: u64, places: u32) -> io::Result<()> {
    let one = 10u64.pow(places);
    number(out, value / one)?;
    match value % one {
        0 => Ok(()),
        rest => write!(out, ".{rest:0width$}", width = places as usize),
    }
}
