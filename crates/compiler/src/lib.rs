//! From a function's source text to typed, monomorphic SSA. Pure: no IO, no Python, no LLVM.
//!
//! The stages are modules in the order of the pipeline: [`syntax`], [`hir`], [`infer`], [`lower`],
//! [`tir`]; [`pipeline`] runs them. [`host`] is the door to Python, [`diag`] what goes wrong, [`types`]
//! the types; [`encode`] and [`trace`] are for caches.

pub mod diag;
pub mod encode;
pub mod hir;
pub mod host;
pub mod infer;
pub mod lower;
pub mod nest;
pub mod pipeline;
pub mod prelude;
pub mod source;
pub mod syntax;
pub mod tir;
pub mod trace;
pub mod types;
pub mod ufunc;
