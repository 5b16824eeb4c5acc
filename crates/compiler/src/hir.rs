//! HIR: Python's semantics in SSA form, without types.
//!
//! * [`data`]: the structures. * [`build`]: AST → HIR. * [`print`]: the text form. * [`verify`]: what
//!   well-formed means. * [`unroll`]: loops over tuples, item by item.

pub mod build;
pub mod data;
pub mod print;
pub mod unroll;
pub mod verify;

pub use data::*;
