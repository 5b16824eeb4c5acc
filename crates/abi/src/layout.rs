//! How values lie in memory at the boundaries: defined once, used by every side.
//!
//! # The slot convention
//!
//! Python enters compiled code through a *trampoline*
//! `extern "C" fn(args: *const u64, results: *mut u64) -> *mut Error` (null: no error).
//! A value is a run of 8-byte slots:
//!
//! | value             | slots                                                          |
//! |-------------------|----------------------------------------------------------------|
//! | None, functions, modules, constants carried by type | none                         |
//! | function of a `FunctionType` | 1: its address, see `compiler::tir::data`            |
//! | bool              | 1: 0 or 1                                                      |
//! | (u)int8..64       | 1: sign- or zero-extended to 64 bits                           |
//! | float32 / float64 | 1: the bits, in the low 4 / all 8 bytes                        |
//! | complex           | 2: real, imaginary, each as a float of its width               |
//! | optional(T)       | 1 (0: None, 1: present) followed by T's slots (zero when None) |
//! | tuple             | the items' slots, one after the other                          |
//! | array, ndim = n   | 2 + 2n: owner, data, shape[0..n], strides[0..n] (in bytes)     |
//! | bytes and the like | as the array of their memory                                  |
//! | str               | 1: pointer to [`Str`]                                          |
//! | list              | 1: pointer to [`List`]                                         |
//! | dict, set         | 1: pointer to [`Dict`]                                         |
//! | generator         | 1: pointer to [`Generator`]                                    |
//!
//! # Owners
//!
//! The `owner` word of an array says who keeps its memory alive: [`OWNER_STATIC`] nobody needs to;
//! low bit set ([`OWNER_BORROWED`]): the rest is a `PyObject*` that the caller keeps alive for the
//! duration of the call (arguments), no counting needed; otherwise a [`Buffer`] with a count.
//! Arguments are borrowed by the callee; results are owned by the receiver.

use core::sync::atomic::AtomicUsize;

/// Owner word of memory that is never freed.
pub const OWNER_STATIC: usize = 0;
/// Tag of an owner word that is a borrowed `PyObject*`.
pub const OWNER_BORROWED: usize = 1;

/// A reference-counted block of memory; what the `owner` word of an array points to.
#[repr(C)]
pub struct Buffer {
    /// Number of references; freed when it falls to zero.
    pub count: AtomicUsize,
    /// First byte of the payload (64-byte aligned).
    pub data: *mut u8,
    /// Payload size in bytes.
    pub size: usize,
    /// A `PyObject*` that owns the payload instead of us, or null.
    pub owner: *mut core::ffi::c_void,
}

/// A string object of the runtime, immutable and reference-counted.
///
/// The text is stored as UTF-32 code points in the narrowest width that holds them, as CPython does
/// (`kind` 1, 2 or 4 bytes a character), directly behind this header.
#[repr(C)]
pub struct Str {
    /// Number of references; [`IMMORTAL`] for literals.
    pub count: AtomicUsize,
    /// Length in characters.
    pub len: usize,
    /// Bytes a character: 1, 2 or 4.
    pub kind: u32,
    /// 1 when every character is below 128.
    pub ascii: u32,
    /// CPython's hash, or -1 when it has not been asked for.
    pub hash: i64,
}

/// What every runtime object begins with: enough to count it, and to tell what it is.
#[repr(C)]
pub struct Object {
    /// Number of references.
    pub count: AtomicUsize,
    /// Length, in characters or items.
    pub len: usize,
    /// [`TAG_LIST`], [`TAG_GENERATOR`], [`TAG_DICT`]; of a string, the bytes a character (1, 2 or 4).
    pub tag: u32,
}

/// The tag of lists.
pub const TAG_LIST: u32 = 16;

/// A list of the runtime: items of one type, one after the other.
///
/// An item that is one machine value has that value's size (a bool is a byte); any other lies as the
/// slots of the convention above. Which slots hold references to runtime objects, and which hold owner
/// words of arrays, is said by two sets of bits, so that the runtime can count for the items without
/// knowing their type. Such slots are null where an optional item is None.
#[repr(C)]
pub struct List {
    pub count: AtomicUsize,
    pub len: usize,
    /// [`TAG_LIST`].
    pub tag: u32,
    /// Bytes of an item.
    pub item_size: u32,
    /// The items; null as long as there is no room for any.
    pub data: *mut u8,
    /// How many items there is room for.
    pub capacity: usize,
    /// Bit `i`: slot `i` of each item is a runtime object.
    pub objects: u64,
    /// Bit `i`: slot `i` of each item is an owner word.
    pub owners: u64,
}

/// Where compiled code finds the parts of a [`List`].
pub const LIST_LEN: usize = core::mem::offset_of!(List, len);
pub const LIST_DATA: usize = core::mem::offset_of!(List, data);
pub const LIST_CAPACITY: usize = core::mem::offset_of!(List, capacity);

/// The tag of dicts and sets.
pub const TAG_DICT: u32 = 18;

/// A dict or a set of the runtime: entries in the order in which they were put in, and an index to find
/// them by their hash.
///
/// An entry is an item of a list: its hash, the slots of the key and, in a dict, those of the value. A
/// hash is odd ([`dict_hash_end`]); an entry that was removed is all zero. A cell of the index is 0, or
/// the number of an entry plus 1. The cell of a hash is the first one, from that of its highest bits on
/// and round the end, that leads to an entry with this hash and an equal key; an empty cell on the way
/// says that there is none. Removing an entry leaves its cell as it is: the entry matches no hash.
#[repr(C)]
pub struct Dict {
    /// The entries, removed ones included, which its `len` and `capacity` count too.
    pub entries: List,
    /// A power of two of cells, more than are ever filled.
    pub index: *mut u32,
    /// 64 less the binary logarithm of their number.
    pub shift: u64,
    /// Number of entries that are there.
    pub live: usize,
    /// Number of cells that are not 0.
    pub filled: usize,
}

/// Where compiled code finds the parts of a [`Dict`], besides those of its entries.
pub const DICT_INDEX: usize = core::mem::offset_of!(Dict, index);
pub const DICT_SHIFT: usize = core::mem::offset_of!(Dict, shift);
pub const DICT_LIVE: usize = core::mem::offset_of!(Dict, live);

/// Keys are hashed word by word: `h = (rotate_left(h, DICT_HASH_ROTATION) ^ word) * DICT_HASH_FACTOR`,
/// from 0 on. The factor is odd and has no structure (2**64 divided by the golden ratio), so the highest
/// bits depend on all of the word.
pub const DICT_HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
pub const DICT_HASH_ROTATION: u32 = 29;

/// The next step of hashing a key.
pub const fn dict_hash_step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(DICT_HASH_ROTATION) ^ word).wrapping_mul(DICT_HASH_FACTOR)
}

/// The last one: hashes in entries are odd.
pub const fn dict_hash_end(hash: u64) -> u64 {
    hash | 1
}

/// The tag of generators.
pub const TAG_GENERATOR: u32 = 17;

/// A generator of the runtime: where it stopped, and what it keeps until it goes on.
#[repr(C)]
pub struct Generator {
    pub count: AtomicUsize,
    /// Number of slots.
    pub len: usize,
    /// [`TAG_GENERATOR`].
    pub tag: u32,
    /// Runs it on: for compiled code, with the convention of calls by address.
    pub resume: *const core::ffi::c_void,
    /// The same for everybody else: the generator, whether to close it, what is sent; whether it has
    /// yielded, what, and what it returns.
    pub enter: Option<Trampoline>,
    /// Where it stopped.
    pub at: i64,
    /// Bit `i`: slot `i` is a runtime object.
    pub objects: u64,
    /// Bit `i`: slot `i` is an owner word.
    pub owners: u64,
    /// Its state, slot after slot.
    pub slots: [u64; 0],
}

/// Where compiled code finds the parts of a [`Generator`].
pub const GENERATOR_RESUME: usize = core::mem::offset_of!(Generator, resume);
pub const GENERATOR_AT: usize = core::mem::offset_of!(Generator, at);
pub const GENERATOR_SLOTS: usize = core::mem::offset_of!(Generator, slots);

/// How items are compared: by `list_sort`, and by the functions that sort rows of arrays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i64)]
pub enum Order {
    Signed,
    Unsigned,
    Float,
    Str,
    Complex,
    /// Dates and durations: NaT comes last.
    Time,
    /// Texts of fixed size: of bytes, and of characters of four bytes.
    Bytes,
    Text,
}

const _: () = {
    use core::mem::offset_of;
    assert!(
        offset_of!(Object, count) == offset_of!(Str, count)
            && offset_of!(Object, count) == offset_of!(List, count)
            && offset_of!(Object, count) == offset_of!(Generator, count)
    );
    assert!(
        offset_of!(Object, len) == offset_of!(Str, len)
            && offset_of!(Object, len) == offset_of!(List, len)
    );
    assert!(
        offset_of!(Object, tag) == offset_of!(Str, kind)
            && offset_of!(Object, tag) == offset_of!(List, tag)
            && offset_of!(Object, tag) == offset_of!(Generator, tag)
    );
    // A dict can be taken for the list of its entries.
    assert!(offset_of!(Dict, entries) == 0);
};

/// Reference count of objects that are never freed.
pub const IMMORTAL: usize = usize::MAX / 2;

/// Number of slots of an array of rank `ndim`.
pub const fn array_slots(ndim: usize) -> usize {
    2 + 2 * ndim
}

/// A source location as error objects and tracebacks use it. Lives as long as the code that names it.
#[repr(C)]
pub struct Location {
    /// File name, UTF-8, not terminated.
    pub file: *const u8,
    pub file_len: usize,
    /// Name of the function.
    pub function: *const u8,
    pub function_len: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
}

/// Work of a loop, in hundredths of a nanosecond, from which it pays to wake other threads: 20 µs.
pub const PARALLEL_WORTH: i64 = 2_000_000;

/// The trampoline's type: slots in, slots out, an error pointer (null when none) back.
pub type Trampoline =
    unsafe extern "C" fn(args: *const u64, results: *mut u64) -> *mut core::ffi::c_void;
