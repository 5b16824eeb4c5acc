//! The array compiler: merges operations on whole arrays and turns them into loops.
//!
//! * [`fuse`]: what a nest makes is computed where it is used.
//! * [`land`]: results of reductions are written where they are stored.
//! * [`masks`]: what is computed of chosen items is computed where the choice is made.
//! * [`merge`]: nests over the same indices become one.
//! * [`alias`]: what may share memory; [`parts`]: which parts of one array are apart.
//! * [`pack`]: distant items that are read again and again are copied first.
//! * [`reuse`]: new arrays take the memory of old ones.
//! * [`prune`]: results that nobody needs are not made.
//! * [`bands`]: nests that follow each other run together, some rows at a time.
//! * [`expand`]: nests that are left become blocks.
//! * [`explain`]: tells the user.

pub mod alias;
mod analysis;
mod bands;
mod body;
pub mod expand;
pub mod explain;
pub mod fuse;
mod land;
mod masks;
mod merge;
mod pack;
mod parts;
mod prune;
mod reuse;

pub use bands::bands;
pub use expand::expand;
pub use fuse::fuse;
