//! How CPython's frames, functions and objects lie in memory, and how to read them there.
//!
//! Nothing here calls Python or follows a pointer: all is read through [`Memory`], which may be this
//! process's own, as a signal handler sees it, or another one's. What is read may change meanwhile, so every
//! value is doubted: a wrong one ends in `None`, never in a fault. No allocation, no lock, no panic.

pub mod attributes;
pub mod frames;
pub mod layout;
pub mod memory;
pub mod objects;
pub mod threads;

pub use frames::{Item, Walk};
pub use layout::Layout;
pub use memory::Memory;
pub use threads::Threads;
