//! The array compiler: merges operations on whole arrays and turns them into loops.
//!
//! * [`fuse`]: what a nest makes is computed where it is used.
//! * [`items`]: parts of items come with the items.
//! * [`land`]: results of reductions are written where they are stored.
//! * [`masks`]: what is computed of chosen items is computed where the choice is made.
//! * [`merge`]: nests over the same indices become one.
//! * [`twins`]: what one nest makes twice is made once.
//! * [`alias`]: what may share memory; [`parts`]: which parts of one array are apart.
//! * [`pack`]: distant items that are read again and again are copied first.
//! * [`reuse`]: new arrays take the memory of old ones.
//! * [`raise`](mod@raise): loops over columns become operations on all columns.
//! * [`block`](mod@block): loops over the same items run for one block of them after the other.
//! * [`prune`]: results that nobody needs are not made.
//! * [`bands`]: nests that follow each other run together, some rows at a time.
//! * [`expand`]: nests that are left become blocks.
//! * [`explain`]: tells the user.

pub mod alias;
mod analysis;
mod bands;
mod block;
mod body;
pub mod expand;
pub mod explain;
pub mod fuse;
mod items;
mod land;
mod masks;
mod merge;
mod pack;
mod parts;
mod prune;
mod raise;
mod reuse;
mod twins;

pub use expand::expand;
pub use fuse::fuse;

use crate::tir::Program;

/// Decides in which order items are gone through: loops over columns become operations on all columns, and what
/// is read and written again is found in the cache, as loops over the same items run block by block, nests that
/// follow each other some rows at a time.
pub fn tile(program: &mut Program) {
    for f in &mut program.functions {
        raise::raise(f);
        let blocked = block::block(f);
        bands::bands(f, blocked);
    }
}
