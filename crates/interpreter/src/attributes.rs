//! Attributes of instances, found where CPython keeps them: no code of the object runs.

use crate::layout::Layout;
use crate::memory::Memory;
use crate::objects;

const TYPE_BASICSIZE: u64 = 32;
const TYPE_FLAGS: u64 = 168;
const TYPE_DICTOFFSET: u64 = 288;
const INLINE_VALUES: u64 = 1 << 2;
const DICT_KEYS: u64 = 32;
const DICT_VALUES: u64 = 40;
/// Instances have few attributes; tables that say otherwise are not believed.
const MOST: u64 = 256;

/// Where instances of ordinary classes have their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 3.10: in a dict, at an offset that the class says.
    Dict,
    /// 3.11: an array of values, or a dict, whose addresses stand before the object.
    TwoBefore,
    /// 3.12: the same in one word: the address of the array, less one, or that of the dict.
    OneBefore,
    /// From 3.13 on: an array within the object, or a dict whose address stands before it.
    Within,
}

/// The keys that an array of values goes with, and where the values are; 0 if they are with the keys.
struct Table {
    keys: u64,
    values: u64,
}

/// The value of an instance's own attribute.
pub fn get(layout: &Layout, object: u64, name: &str, memory: &mut impl Memory) -> Option<u64> {
    let table = table(layout, object, memory)?;
    let keys = table.keys;
    let log2 = |at: u64, memory: &mut _| u64::from(Memory::u8(memory, keys + at).unwrap_or(0));
    let (count, first, size) = match layout.attributes {
        Storage::Dict => {
            let slots = memory.word(keys + 8)?;
            let index = if slots <= 0xff { 1 } else { 2 };
            (memory.word(keys + 32)?, keys + 40 + slots * index, 24)
        }
        _ => {
            // Keys that are all strings have no hashes with them.
            let size = if memory.u8(keys + 10)? == 0 { 24 } else { 16 };
            let indices = 1 << log2(9, memory).min(16);
            (memory.word(keys + 24)?, keys + 32 + indices, size)
        }
    };
    for i in 0..count.min(MOST) {
        let entry = first + i * size;
        let key = memory.word(entry + size - 16)?;
        if key != 0 && objects::is_string(layout, key, name, memory) {
            return match table.values {
                0 => memory.pointer(entry + size - 8),
                values => memory.pointer(values + i * 8),
            };
        }
    }
    None
}

fn table(layout: &Layout, object: u64, memory: &mut impl Memory) -> Option<Table> {
    let class = objects::class(object, memory)?;
    let shared = |values: u64, memory: &mut _| {
        let keys = Memory::pointer(memory, class + layout.cached_keys)?;
        Some(Table { keys, values })
    };
    let dict = match layout.attributes {
        Storage::Dict => {
            let offset = memory.word(class + TYPE_DICTOFFSET)?;
            memory.pointer(object + u64::from(offset as u16))?
        }
        Storage::TwoBefore => match memory.word(object - 32)? {
            0 => memory.pointer(object - 24)?,
            values => return shared(values, memory),
        },
        Storage::OneBefore => match memory.word(object - 24)? {
            word if word & 1 == 1 => return shared(word + 1, memory),
            dict => dict,
        },
        Storage::Within => {
            let values = object + memory.word(class + TYPE_BASICSIZE)?;
            if memory.word(class + TYPE_FLAGS)? & INLINE_VALUES != 0 && memory.u8(values + 3)? != 0
            {
                return shared(values + 8, memory);
            }
            memory.pointer(object - 24)?
        }
    };
    let values = memory.word(dict + DICT_VALUES)?;
    let is_headed = layout.attributes == Storage::Within && values != 0;
    Some(Table {
        keys: memory.pointer(dict + DICT_KEYS)?,
        values: if is_headed { values + 8 } else { values },
    })
}

/// Where the name of a thread is, a string: of a frame of `Thread._bootstrap`, the outermost one of each thread
/// that `threading` has started. None for other frames.
pub fn thread_name(
    layout: &Layout,
    frame: u64,
    code: u64,
    memory: &mut impl Memory,
) -> Option<u64> {
    let code = objects::Code::read(layout, code, memory)?;
    let is_bootstrap = ["Thread._bootstrap", "_bootstrap"]
        .iter()
        .any(|name| objects::is_string(layout, code.name, name, memory));
    if !is_bootstrap {
        return None;
    }
    let thread = memory.reference(frame + layout.frame.locals)?;
    get(layout, thread, "_name", memory)
}
