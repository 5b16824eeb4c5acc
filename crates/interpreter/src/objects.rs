//! Code objects, strings, bytes, classes and arrays.

use crate::layout::Layout;
use crate::memory::Memory;

const SIZE: u64 = 16;
const BYTES_DATA: u64 = 32;
const TYPE_NAME: u64 = 24;
const CELL_CONTENTS: u64 = 16;
const STRING_LENGTH: u64 = 16;
const STRING_STATE: u64 = 32;

const VARARGS: u32 = 4;
const VARKEYWORDS: u32 = 8;

/// What is needed of a code object: addresses of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub name: u64,
    pub file: u64,
    pub lines: u64,
    pub first_line: u32,
    /// A tuple of names.
    pub locals: u64,
    /// How many of these are parameters, `*args` and `**kwargs` included.
    pub parameters: u32,
}

impl Code {
    pub fn read(layout: &Layout, at: u64, memory: &mut impl Memory) -> Option<Code> {
        let l = &layout.code;
        let flags = memory.u32(at + l.flags)?;
        let variadic = u32::from(flags & VARARGS != 0) + u32::from(flags & VARKEYWORDS != 0);
        let counted = memory
            .u32(at + l.argcount)?
            .checked_add(memory.u32(at + l.kwonlyargcount)?)?;
        Some(Code {
            name: memory.pointer(at + l.name)?,
            file: memory.pointer(at + l.file)?,
            lines: memory.pointer(at + l.lines)?,
            first_line: memory.u32(at + l.first_line)?,
            locals: memory.pointer(at + l.locals)?,
            parameters: counted.checked_add(variadic)?,
        })
    }
}

/// The address of an item of a tuple.
pub fn tuple_item(
    layout: &Layout,
    tuple: u64,
    index: u32,
    memory: &mut impl Memory,
) -> Option<u64> {
    (u64::from(index) < memory.word(tuple + SIZE)?)
        .then(|| memory.pointer(tuple + layout.tuple_items + u64::from(index) * 8))?
}

/// Where the contents of a bytes object are, and how many there are.
pub fn bytes(object: u64, memory: &mut impl Memory) -> Option<(u64, u64)> {
    Some((object + BYTES_DATA, memory.word(object + SIZE)?))
}

/// What is in a cell.
pub fn cell_contents(cell: u64, memory: &mut impl Memory) -> Option<u64> {
    memory.pointer(cell + CELL_CONTENTS).filter(|o| o & 7 == 0)
}

/// The class of an object.
pub fn class(object: u64, memory: &mut impl Memory) -> Option<u64> {
    (object & 7 == 0).then(|| memory.pointer(object + 8))?
}

/// Where the name of a class is: characters up to a zero byte.
pub fn class_name(class: u64, memory: &mut impl Memory) -> Option<u64> {
    memory.pointer(class + TYPE_NAME)
}

/// Calls `f` with the bytes of a string in UTF-8, as far as there are `most`.
pub fn string(
    layout: &Layout,
    object: u64,
    most: usize,
    memory: &mut impl Memory,
    mut f: impl FnMut(u8),
) -> Option<()> {
    let length = memory.word(object + STRING_LENGTH)?;
    let state = memory.u32(object + STRING_STATE)?;
    let (kind, is_compact, is_ascii) = (state >> 2 & 7, state >> 5 & 1 == 1, state >> 6 & 1 == 1);
    if !is_compact || !matches!(kind, 1 | 2 | 4) {
        return None;
    }
    let start = object
        + if is_ascii {
            layout.ascii
        } else {
            layout.characters
        };
    let mut written = 0;
    for i in 0..length {
        let at = start + i * u64::from(kind);
        let c = match kind {
            1 => u32::from(memory.u8(at)?),
            2 => u32::from(memory.u16(at)?),
            _ => memory.u32(at)?,
        };
        let mut utf8 = [0; 4];
        let encoded = char::from_u32(c)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .encode_utf8(&mut utf8);
        written += encoded.len();
        if written > most {
            break;
        }
        encoded.bytes().for_each(&mut f);
    }
    Some(())
}

/// Whether a string is this one, of ASCII characters.
pub fn is_string(layout: &Layout, object: u64, text: &str, memory: &mut impl Memory) -> bool {
    let mut rest = text.bytes();
    let mut is_same = memory.word(object + STRING_LENGTH) == Some(text.len() as u64);
    let read = is_same
        && string(layout, object, text.len(), memory, |b| {
            is_same &= rest.next() == Some(b);
        })
        .is_some();
    read && is_same && rest.next().is_none()
}

/// An array of NumPy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    pub rank: u32,
    /// NumPy's number of the type of elements.
    pub dtype: u32,
    pub flags: u32,
    /// Where its shape is: a word a dimension.
    pub shape: u64,
}

impl Array {
    pub fn read(at: u64, memory: &mut impl Memory) -> Option<Array> {
        let rank = memory.u32(at + 24)?;
        if rank > 64 {
            return None;
        }
        let descr = memory.pointer(at + 56)?;
        Some(Array {
            rank,
            dtype: memory.u32(descr + 28)?,
            flags: memory.u32(at + 64)?,
            shape: memory.word(at + 32)?,
        })
    }
}
