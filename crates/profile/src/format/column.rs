//! Tables as columns.
//!
//! ```text
//! table    index of its first row, number of rows, number of columns (varints), columns
//! column   name (varint length, UTF-8), type (1 byte), length in bytes (varint), items
//! ```
//!
//! Every item takes a byte or more, so the number of rows is never more than the bytes that are there.

use std::collections::HashMap;

/// How the items of a column are written. All numbers are varints: seven bits in a byte, the lowest first,
/// the top bit set in all bytes but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// Numbers.
    Unsigned = 0,
    /// Differences to the row before (to 0 in the first), modulo 2^64, sign in the lowest bit.
    Delta = 1,
    /// 0 for none, or a number plus 1.
    Optional = 2,
    /// 8 bytes, IEEE 754, the lowest first.
    Float = 3,
    /// Length in bytes, then UTF-8.
    Text = 4,
    /// How many, then numbers.
    Unsigneds = 5,
    /// How many, then texts.
    Texts = 6,
}

impl Type {
    fn of(byte: u8) -> Option<Type> {
        use Type::*;
        [Unsigned, Delta, Optional, Float, Text, Unsigneds, Texts]
            .into_iter()
            .find(|t| *t as u8 == byte)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A table that is being written.
pub struct Table {
    first: usize,
    rows: usize,
    count: u64,
    columns: Vec<u8>,
}

impl Table {
    pub fn new(first: usize, rows: usize) -> Self {
        Table {
            first,
            rows,
            count: 0,
            columns: vec![],
        }
    }

    pub fn finish(self) -> Vec<u8> {
        let mut out = vec![];
        put(&mut out, self.first as u64);
        put(&mut out, self.rows as u64);
        put(&mut out, self.count);
        out.extend_from_slice(&self.columns);
        out
    }

    fn column(&mut self, name: &str, kind: Type, items: &[u8]) {
        self.count += 1;
        put_text(&mut self.columns, name);
        self.columns.push(kind as u8);
        put(&mut self.columns, items.len() as u64);
        self.columns.extend_from_slice(items);
    }

    pub fn unsigned<N: Into<u64>>(&mut self, name: &str, items: impl Iterator<Item = N>) {
        let mut out = vec![];
        items.for_each(|n| put(&mut out, n.into()));
        self.column(name, Type::Unsigned, &out);
    }

    pub fn delta<N: Into<u64>>(&mut self, name: &str, items: impl Iterator<Item = N>) {
        let mut out = vec![];
        let mut before = 0;
        for item in items {
            let item = item.into();
            let difference = item.wrapping_sub(before) as i64;
            put(&mut out, ((difference << 1) ^ (difference >> 63)) as u64);
            before = item;
        }
        self.column(name, Type::Delta, &out);
    }

    pub fn optional(&mut self, name: &str, items: impl Iterator<Item = Option<u32>>) {
        let mut out = vec![];
        items.for_each(|n| put(&mut out, n.map_or(0, |n| u64::from(n) + 1)));
        self.column(name, Type::Optional, &out);
    }

    pub fn float(&mut self, name: &str, items: impl Iterator<Item = f64>) {
        let out: Vec<u8> = items.flat_map(f64::to_le_bytes).collect();
        self.column(name, Type::Float, &out);
    }

    pub fn text<'a>(&mut self, name: &str, items: impl Iterator<Item = &'a str>) {
        let mut out = vec![];
        items.for_each(|text| put_text(&mut out, text));
        self.column(name, Type::Text, &out);
    }

    pub fn unsigneds<I: Iterator<Item = u32>>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = (usize, I)>,
    ) {
        let mut out = vec![];
        for (count, numbers) in items {
            put(&mut out, count as u64);
            numbers.for_each(|n| put(&mut out, u64::from(n)));
        }
        self.column(name, Type::Unsigneds, &out);
    }

    pub fn texts<'a>(&mut self, name: &str, items: impl Iterator<Item = &'a [String]>) {
        let mut out = vec![];
        for texts in items {
            put(&mut out, texts.len() as u64);
            texts.iter().for_each(|text| put_text(&mut out, text));
        }
        self.column(name, Type::Texts, &out);
    }
}

/// Bytes that are read from the start.
struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (i, &byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
            if byte < 0x80 {
                self.0 = &self.0[i + 1..];
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let count = usize::try_from(count).ok()?;
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        Some(String::from_utf8_lossy(self.bytes(length)?).into_owned())
    }

    /// A number of things that take a byte or more each.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }
}

/// A table that is being read. Columns that are not there, or are not as they should be, read as zeros,
/// nothing, or empty texts; the latter are remembered.
pub struct Columns<'a> {
    pub first: u64,
    pub rows: usize,
    columns: HashMap<&'a [u8], (u8, &'a [u8])>,
    pub bad: Vec<&'static str>,
}

impl<'a> Columns<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut items = Items(bytes);
        let first = items.number()?;
        let rows = items.count()?;
        let count = items.count()?;
        let mut columns = HashMap::new();
        for _ in 0..count {
            let length = items.number()?;
            let name = items.bytes(length)?;
            let kind = items.bytes(1)?[0];
            let length = items.number()?;
            columns.insert(name, (kind, items.bytes(length)?));
        }
        Some(Columns {
            first,
            rows,
            columns,
            bad: vec![],
        })
    }

    /// The column decoded by `item`, if it is of a type for which there is one.
    fn decode<T: Clone>(
        &mut self,
        name: &'static str,
        default: T,
        item: impl FnOnce(Type) -> Option<fn(&mut Items<'a>, &mut u64) -> Option<T>>,
    ) -> Vec<T> {
        let rows = self.rows;
        let Some(&(kind, bytes)) = self.columns.get(name.as_bytes()) else {
            return vec![default; rows];
        };
        let decoded = Type::of(kind).and_then(item).and_then(|item| {
            let mut items = Items(bytes);
            let mut before = 0;
            // No more rows than bytes, so that nothing is allocated that the file does not pay for.
            let mut out = Vec::with_capacity(rows.min(bytes.len()));
            for _ in 0..rows {
                out.push(item(&mut items, &mut before)?);
            }
            Some(out)
        });
        decoded.unwrap_or_else(|| {
            self.bad.push(name);
            vec![default; rows]
        })
    }

    pub fn numbers(&mut self, name: &'static str) -> Vec<u64> {
        self.decode(name, 0, |kind| match kind {
            Type::Unsigned => Some(|items, _| items.number()),
            Type::Delta => Some(|items, before| {
                let coded = items.number()?;
                let difference = (coded >> 1) ^ (coded & 1).wrapping_neg();
                *before = before.wrapping_add(difference);
                Some(*before)
            }),
            _ => None,
        })
    }

    /// Numbers of 32 bits; what is larger becomes `u32::MAX`, which is no valid index.
    pub fn words(&mut self, name: &'static str) -> Vec<u32> {
        let numbers = self.numbers(name);
        numbers.into_iter().map(word).collect()
    }

    pub fn optional(&mut self, name: &'static str) -> Vec<Option<u32>> {
        self.decode(name, None, |kind| match kind {
            Type::Optional => Some(|items, _| Some(items.number()?.checked_sub(1).map(word))),
            _ => None,
        })
    }

    pub fn floats(&mut self, name: &'static str) -> Vec<f64> {
        self.decode(name, 0.0, |kind| match kind {
            Type::Float => Some(|items, _| {
                let bytes = items.bytes(8)?.try_into().ok()?;
                Some(f64::from_le_bytes(bytes))
            }),
            _ => None,
        })
    }

    pub fn text(&mut self, name: &'static str) -> Vec<String> {
        self.decode(name, String::new(), |kind| match kind {
            Type::Text => Some(|items, _| items.text()),
            _ => None,
        })
    }

    pub fn unsigneds(&mut self, name: &'static str) -> Vec<Vec<u32>> {
        self.decode(name, vec![], |kind| match kind {
            Type::Unsigneds => Some(|items, _| {
                let count = items.count()?;
                (0..count).map(|_| items.number().map(word)).collect()
            }),
            _ => None,
        })
    }

    pub fn texts(&mut self, name: &'static str) -> Vec<Vec<String>> {
        self.decode(name, vec![], |kind| match kind {
            Type::Texts => Some(|items, _| {
                let count = items.count()?;
                (0..count).map(|_| items.text()).collect()
            }),
            _ => None,
        })
    }
}

fn word(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_whatever_their_order() {
        let numbers = [0, 1, 127, 128, u64::MAX, 5];
        let mut table = Table::new(3, numbers.len());
        table.delta("d", numbers.iter().copied());
        table.unsigned("u", numbers.iter().copied());
        let lists = [vec![], vec![1, 2], vec![], vec![u32::MAX], vec![], vec![]];
        table.unsigneds("l", lists.iter().map(|l| (l.len(), l.iter().copied())));
        table.optional("o", [None, Some(0), Some(9), None, None, None].into_iter());
        let bytes = table.finish();
        let mut columns = Columns::parse(&bytes).unwrap();
        assert_eq!((columns.first, columns.rows), (3, 6));
        assert_eq!(columns.unsigneds("l"), lists);
        assert_eq!(columns.numbers("u"), numbers);
        assert_eq!(columns.numbers("d"), numbers);
        assert_eq!(columns.optional("o")[1..4], [Some(0), Some(9), None]);
        assert_eq!(columns.numbers("missing"), [0; 6]);
        assert!(columns.bad.is_empty());
    }

    #[test]
    fn a_column_of_another_type_reads_as_defaults_and_is_named() {
        let mut table = Table::new(0, 1);
        table.text("t", ["x"].into_iter());
        let bytes = table.finish();
        let mut columns = Columns::parse(&bytes).unwrap();
        assert_eq!(columns.numbers("t"), [0]);
        assert_eq!(columns.bad, ["t"]);
    }

    #[test]
    fn more_rows_than_bytes_are_no_table() {
        let mut bytes = vec![];
        for number in [0, 1 << 40, 0] {
            put(&mut bytes, number);
        }
        assert!(Columns::parse(&bytes).is_none());
    }
}
