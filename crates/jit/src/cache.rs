//! Compiled code in files, for later processes.
//!
//! An entry is found in two steps. The *key* covers what is known before anything is looked up: the
//! function's text, argument types, options, processor, versions. It names an index file, which lists
//! *variants*: traces of compiles with this key ([`trace`](ferdelance_compiler::trace)), each of other
//! globals, closure variables or called functions. The variant whose trace holds now names the file
//! with the code.
//!
//! * [`frame`]: what makes damage visible. * [`stored`]: code as bytes. * [`moves`]: code whose source
//!   text is elsewhere now. * [`store`]: the files.

mod frame;
mod moves;
mod store;
mod stored;

pub use moves::Moves;
pub use store::{Key, Store, Variant};
pub use stored::Stored;

/// A hash that tells contents apart: 128 bits, the same in every process. Not meant against people who
/// choose the contents: whoever can write to the cache can have any code run anyway.
pub fn digest(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

/// Version of LLVM, as it is part of keys.
pub fn llvm_version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("{major}.{minor}.{patch}")
}
