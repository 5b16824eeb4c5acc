//! TIR to machine code. The only crate that names LLVM.

mod arc4random;
pub mod cache;
mod compile;
mod emit;
mod error;
mod fatal;
mod inspect;
mod link;
mod locations;
mod optimise;
mod session;

pub use compile::{Object, Settings, Timings, compile};
pub use error::{Error, Stage};
pub use inspect::{Vectorised, asm, cfg, llvm_ir, vectorised};
pub use link::{Entry, LoadOptions, Loaded, Perf, PoolResolver, Symbols, load};
pub use locations::{Location, LocationTable};
pub use session::Cpu;
