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
//! | str               | 1: pointer to [`Str`]                                          |
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

/// The trampoline's type: slots in, slots out, an error pointer (null when none) back.
pub type Trampoline = unsafe extern "C" fn(args: *const u64, results: *mut u64) -> *mut core::ffi::c_void;
