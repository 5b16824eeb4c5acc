//! TIR: typed, monomorphic SSA; the machine's types, no Python.
//!
//! * [`data`]: the structures and what each instruction means. * [`foreign`]: C functions. * [`nest`]: operations on whole arrays. * [`build`]: the builder that lowering
//!   uses. * [`print`]: the text form. * [`verify`]: what well-formed means.
//!   [`dominators`]. * [`pass`]: rewrites.

pub mod build;
pub mod data;
pub mod dominators;
pub mod foreign;
pub mod nest;
pub mod pass;
pub mod print;
pub mod verify;

pub use data::*;
pub use foreign::{CEntry, CSignature, CType};
pub use nest::Nest;
