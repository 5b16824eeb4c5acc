//! The vocabulary that compiled code, compiler, runtime and profiler share.
//!
//! Tables, not logic: what a runtime function is called and takes ([`rtfn`]), how values lie in
//! memory when they cross between Python, compiled code and the runtime ([`layout`]), which options
//! exist ([`settings`]), which diagnostics exist ([`codes`]), which loops of NumPy are called
//! ([`gufunc`]), and how a signal handler finds out
//! which compiled function an address belongs to ([`codemap`]).
//!
//! This crate depends on nothing, so that both sides of every boundary can depend on it.

pub mod codemap;
pub mod codes;
pub mod gufunc;
pub mod layout;
pub mod rtfn;
pub mod settings;
pub mod spool;
