//! The C side of TIR: what C functions take and give.

use smallvec::{SmallVec, smallvec};

use super::{FuncId, PoolId, Type};

/// A type as C passes it by value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CType {
    /// Results only.
    Void,
    Bool,
    Int {
        bits: u8,
        signed: bool,
    },
    F32,
    F64,
    /// `float complex`, `double complex`.
    Complex64,
    Complex128,
    Ptr,
}

/// The type of a C function.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CSignature {
    pub params: Vec<CType>,
    pub result: CType,
}

/// A C function to be made of a function of the program: its parameters and results are those of the
/// signature. C has no exceptions: an error is reported by `error_unraisable`, and zero returned.
#[derive(Clone, Debug)]
pub struct CEntry {
    pub func: FuncId,
    pub signature: CSignature,
    /// The Python object that the report is about.
    pub blame: PoolId,
}

impl CType {
    /// The machine values that a value of this type is.
    pub fn machine(self) -> SmallVec<[Type; 2]> {
        match self {
            CType::Void => smallvec![],
            CType::Bool => smallvec![Type::I1],
            CType::Int { bits, .. } => smallvec![Type::int(u32::from(bits))],
            CType::F32 => smallvec![Type::F32],
            CType::F64 => smallvec![Type::F64],
            CType::Complex64 => smallvec![Type::F32; 2],
            CType::Complex128 => smallvec![Type::F64; 2],
            CType::Ptr => smallvec![Type::Ptr],
        }
    }
}

impl CSignature {
    /// The machine values of all parameters.
    pub fn params(&self) -> Vec<Type> {
        self.params.iter().flat_map(|p| p.machine()).collect()
    }
}
