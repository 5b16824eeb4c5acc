//! Columns: arrays of which each round takes other items from the same cache lines.
//!
//! ```python
//! for j in range(1, n):
//!     y[:, j] = x[:, j] + b * y[:, j - 1]     # all columns of a few rows, then those of the next rows
//! ```
//!
//! A round that goes down a column of an array in C order touches one item of each cache line, and the next
//! round wants the neighbours of these. If the array exceeds the cache, they are gone by then. So blocks are
//! small: as many rows as there are cache lines and pages in reach. Strides and sizes are known when the code
//! runs; where items follow each other, or everything stays in the cache anyway, blocks are as they would be
//! without columns.

use super::{Candidate, Kind, Touch};
use crate::tir::build::Builder;
use crate::tir::nest::{Axis, Item, unit_dim};
use crate::tir::{Bin, Cmp, Op, Part, Value};

/// Items of a block that goes down columns: a multiple of those in a cache line.
pub(super) const ROWS: i64 = 16;
/// The distance from which items count as lying apart, in bytes: a cache line.
const APART: i64 = 64;
/// Arrays of this size together, in bytes, stay in the second-level cache.
const LARGE: i64 = 512 << 10;

/// How the nests' innermost dimension goes through an array of which each round has a part of its own.
#[derive(PartialEq)]
pub(super) struct Walk {
    /// The array of which it is a part, from before the loop.
    base: Value,
    rank: u8,
    item: Item,
    /// The dimension of that array, and how many of its items are one step.
    dim: u8,
    step: Option<Value>,
}

impl Walk {
    /// The walks of a loop that may go down columns.
    pub fn find(c: &Candidate<'_, '_>, touches: &[Touch<'_>], innermost: usize) -> Vec<Walk> {
        let mut walks = vec![];
        for touch in touches.iter().filter(|t| t.kind == Kind::Row) {
            let walk = Walk::of(c, touch, innermost);
            walks.extend(walk.filter(|w| !walks.contains(w)));
        }
        walks
    }

    fn of(c: &Candidate<'_, '_>, touch: &Touch<'_>, innermost: usize) -> Option<Walk> {
        let Op::Subview(view) = &c.defined.get(&touch.access.array)?.op else {
            return None;
        };
        let mut dims = touch.access.dims.iter();
        let k = dims.position(|d| usize::from(d.dim) == innermost)?;
        let (dim, step) = match view.axes[k] {
            Axis::Whole(dim) => (dim, None),
            Axis::Part { dim, step, .. } => (dim, Some(step)),
            Axis::New => return None,
        };
        let rank = view.at.len() + view.axes.iter().filter(|a| **a != Axis::New).count();
        let follows = unit_dim(view.item.layout, rank) == Some(usize::from(dim));
        (!follows).then_some(Walk {
            base: view.base,
            rank: rank as u8,
            item: view.item,
            dim,
            step,
        })
    }
}

/// Whether a loop goes down columns of arrays that exceed the cache.
pub(super) fn are_worth_it(b: &mut Builder, walks: &[Walk]) -> Option<Value> {
    let apart = walks.iter().map(|w| {
        let stride = b.part(w.base, Part::Stride(w.dim));
        let stride = match w.step {
            Some(step) => b.binary(Bin::Mul, stride, step),
            None => stride,
        };
        // Backwards as well as forwards.
        let (near, far) = (b.i64(APART - 1), b.i64(2 * (APART - 1)));
        let moved = b.binary(Bin::Add, stride, near);
        b.cmp(Cmp::UGt, moved, far)
    });
    let apart: Vec<Value> = apart.collect();
    let apart = apart.into_iter().reduce(|x, y| b.binary(Bin::Or, x, y))?;
    let mut bases: Vec<&Walk> = vec![];
    for walk in walks {
        if !bases.iter().any(|w| w.base == walk.base) {
            bases.push(walk);
        }
    }
    let sizes = bases.iter().map(|w| {
        let item = b.i64(i64::from(w.item.size));
        (0..w.rank).fold(item, |bytes, dim| {
            let n = b.part(w.base, Part::Shape(dim));
            b.binary(Bin::Mul, bytes, n)
        })
    });
    let sizes: Vec<Value> = sizes.collect();
    let bytes = sizes.into_iter().reduce(|x, y| b.binary(Bin::Add, x, y))?;
    let most = b.i64(LARGE);
    let large = b.cmp(Cmp::SGt, bytes, most);
    Some(b.binary(Bin::And, apart, large))
}
