//! The agent: takes samples of the program that it is loaded into.
//!
//! ```text
//!  clocks (perf, timers) ──SIGPROF──▶ signals ──▶ sample ──▶ spool ─ ─ ─▶ recorder, another process
//!                                                  │  ├─ python   frames of the interpreter
//!  hooks: threads, signals, exec, dlopen           │  ├─ unwind   frames of native code
//!                                                  │  └─ stack    both, merged by address
//! ```
//!
//! It is preloaded into the processes of a recorded program (then it starts by itself, if the environment
//! says where the recorder is), or loaded by a program that records itself.
//!
//! What always holds:
//!
//! - In a signal handler nothing is allocated, no lock is taken, and nothing is read that may not be there
//!   but through [`memory`]; a fault or a panic in there gives the sample up, not the program.
//! - The program sees nothing of it: no thread, no Python code, no signal of ours, no output, `errno` as it
//!   was, its own handlers called. After a fork, the child is another process with a spool of its own.
//! - What cannot be done is counted, and the program runs on.

mod agent;
mod cfi;
mod clocks;
mod compiled;
mod environment;
mod hooks;
mod intern;
mod memory;
mod modules;
mod python;
mod sample;
mod signals;
mod signature;
mod slots;
mod spool;
mod stack;
mod sys;
mod unwind;

pub use agent::{ferdelance_agent_start, ferdelance_agent_stop};
