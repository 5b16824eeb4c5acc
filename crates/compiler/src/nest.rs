//! The array compiler: merges operations on whole arrays and turns them into loops.
//!
//! * [`fuse`]: what a nest makes is computed where it is used.
//! * [`alias`]: what may share memory.
//! * [`expand`]: nests that are left become blocks.
//! * [`explain`]: tells the user.

pub mod alias;
pub mod expand;
pub mod explain;
pub mod fuse;

pub use expand::expand;
pub use fuse::fuse;
