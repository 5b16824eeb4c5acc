//! The only door to Python: everything a stage after parsing wants to know about Python objects.
//!
//! Implemented by the `python` crate, faked in tests. A call may run Python code and may re-enter the
//! compiler (a descriptor, an extension), so nothing is locked or borrowed across one (invariant I1).

use std::sync::Arc;

use ferdelance_abi::settings::Options;

use crate::diag::Result;
use crate::hir;
use crate::types::{PyRef, Ty};

/// A constant: the value of a global, a default, a literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    None,
    Bool(bool),
    /// An integer that fits int64, or (past it) uint64.
    Int(i128),
    Float(f64),
    Complex(f64, f64),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    Tuple(Arc<[Const]>),
    /// An array that is frozen into the code (read-only).
    Array(PyRef),
    /// Anything whose type says it all.
    Object(PyRef),
}

impl Const {
    /// Equality by bits, so that NaN equals itself and -0.0 differs from 0.0: what joins must use.
    pub fn same(&self, other: &Const) -> bool {
        match (self, other) {
            (Const::Float(a), Const::Float(b)) => a.to_bits() == b.to_bits(),
            (Const::Complex(a, b), Const::Complex(c, d)) => {
                a.to_bits() == c.to_bits() && b.to_bits() == d.to_bits()
            }
            (Const::Tuple(a), Const::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(x, y)| x.same(y))
            }
            _ => self == other,
        }
    }
}

/// An object as the compiler sees it.
#[derive(Clone, Debug)]
pub struct Described {
    pub ty: Ty,
    /// Present for everything that can be frozen into the code.
    pub constant: Option<Const>,
}

/// A jitted function as a callee.
#[derive(Clone, Debug)]
pub struct Callee {
    pub module: Arc<hir::Module>,
    pub options: Options,
    /// Types of locals that the option `locals` fixes.
    pub locals: Arc<[(Arc<str>, Ty)]>,
    /// Explicit signatures, if it may not be compiled for others: argument types and return type.
    pub signatures: Option<Vec<(Vec<Ty>, Option<Ty>)>>,
}

/// Python, as far as the compiler needs it.
pub trait Host {
    /// The object that `name` means in the global scope of `function` (a Python function), builtins included.
    fn global(&self, function: PyRef, name: &str) -> Option<PyRef>;
    /// The content of the closure cell `name` of `function`.
    fn free(&self, function: PyRef, name: &str) -> Option<PyRef>;
    /// An attribute of a module, class or other object that is constant.
    fn attribute(&self, object: PyRef, name: &str) -> Option<PyRef>;
    /// Type and constant value of an object; `Err` with the object's class name when it has none.
    fn describe(&self, object: PyRef) -> std::result::Result<Described, String>;
    /// A jitted function's code.
    fn callee(&self, dispatcher: PyRef) -> Result<Callee>;
    /// The default value of parameter `index` of a Python function.
    fn default(&self, function: PyRef, index: usize) -> Option<PyRef>;
    /// Text that names an object in messages.
    fn repr(&self, object: PyRef) -> String;
    /// The exception class called `name`, a builtin one or one of NumPy's.
    fn exception(&self, name: &str) -> Option<PyRef>;
    /// A module's name if the object is one (`numpy`, `math`): for `Kind::Module` types.
    fn module(&self, name: &str) -> Option<PyRef>;
}
