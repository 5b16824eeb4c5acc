//! The source locations of an object's code, complete with inlining.

use std::sync::Arc;

/// A place in the source that some instruction comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub file: Box<str>,
    /// The function whose code it is, and the line of its definition.
    pub function: Arc<str>,
    pub function_line: u32,
    pub line: u32,
    /// 0: not known.
    pub column: u32,
    /// The row of the place where the function was inlined.
    pub inlined_at: Option<u32>,
}

/// All locations of an object. The line table names them by number, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationTable {
    pub rows: Vec<Location>,
}

impl LocationTable {
    /// Adds a row; gives its number.
    pub(crate) fn push(&mut self, location: Location) -> u32 {
        self.rows.push(location);
        self.rows.len() as u32
    }

    /// The row with a number; 0 is none.
    pub fn get(&self, number: u32) -> Option<&Location> {
        self.rows.get((number as usize).checked_sub(1)?)
    }
}
