//! Hand-made programs, compiled and run. One binary, since each one links LLVM.

mod arithmetic;
mod common;
mod control;
mod debug;
mod floats;
mod foreign;
mod inspect;
mod load;
mod memory;
