//! Rewrites of TIR, in the order of `pipeline::PASSES`. None changes the type of a value; each leaves a
//! function that verifies.

pub mod count;
mod generator;
pub mod inline;
pub mod number;
pub mod parallel;
mod peek;
pub mod simplify;
pub mod speculate;
mod thread;
mod variables;
