//! The compiler without Python: what `cargo dev` and the snapshot tests share.
//!
//! * [`file`]: a `.py` file as a host for the compiler. * [`signature`]: types of arguments from
//!   text. * [`dump`]: the program after each stage. * [`tokens`]: the little of Python's syntax that
//!   the others read themselves.

pub mod dump;
pub mod file;
pub mod signature;
mod tokens;
