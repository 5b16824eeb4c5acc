//! What compiled code calls: memory, errors, numbers, strings, lists, dicts, generators, threads.
//!
//! Each function of the table [`ferdelance_abi::rtfn`] is an `extern "C"` function in one of the
//! modules here, under the name of its row; [`address`] gives its address. The table is the only
//! authority on signatures: [`address`] coerces each function to the type that its row spells out,
//! so that a disagreement is a compile error.
//!
//! The same modules have a Rust interface for the Python boundary ([`error::take`],
//! [`memory::drain_owners`], [`string::str_from_ucs`], ...). Nothing here knows Python: exception
//! classes, objects that own memory, the hash of strings and `sys.stdout` come in as addresses and
//! hooks.
//!
//! No function lets a panic out: those that run foreign code (hooks) catch, the others are written
//! without panicking operations. Where a small block of memory that a function without an error result
//! needs cannot be had, the process ends, as in all of Rust.

pub mod complex;
pub mod dict;
pub mod error;
pub mod format;
pub mod generator;
pub mod hash;
mod libm;
pub mod linalg;
pub mod list;
pub mod memory;
pub mod number;
pub mod object;
pub mod order;
pub mod print;
pub mod sort;
pub mod special;
pub mod stack;
pub mod string;
mod table;
pub mod team;

pub use error::{Arg, Error, Kind, take};
pub use memory::{Stats, buffer_from_object, drain_owners, stats};
pub use print::set_print_hook;
pub use string::{StrRef, set_str_hash};
pub use table::address;
