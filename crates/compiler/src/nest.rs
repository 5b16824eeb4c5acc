//! The array compiler: merges operations on whole arrays and turns them into loops.
//!
//! * [`expand`]: nests that are left become blocks.

pub mod expand;

pub use expand::expand;
