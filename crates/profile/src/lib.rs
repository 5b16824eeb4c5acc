//! Recordings of running programs: what they are, how they get written and read, what is made of them.
//!
//! ```text
//!  agents ──spools──▶ recorder ──▶ Recording ──▶ file ──▶ Recording ──▶ report, diff, exports
//!  (in the programs)               (model)                (model)
//! ```
//!
//! [`model`] is the hub: a recording as tables that refer to each other by index. Whatever makes one fills
//! these tables, whatever shows one reads them; nothing else passes between the two.

pub mod attach;
pub mod calls;
mod debug;
pub mod diff;
pub mod export;
pub mod focus;
pub mod format;
mod intern;
mod json;
pub mod labels;
pub mod lines;
mod machine;
pub mod model;
mod proc;
pub mod recorder;
pub mod remote;
pub mod report;
mod secrets;
mod sources;
mod symbols;
#[cfg(test)]
mod testing;
pub mod tree;
