//! What can go wrong between a program and its code. All of it is a bug or a broken machine, never
//! the user's program.

use std::fmt;

/// A failure to compile or to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The step that failed.
    pub stage: Stage,
    pub message: String,
}

/// Where a failure happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The program is malformed.
    Verify,
    /// TIR to LLVM IR.
    Emit,
    /// LLVM's passes or its code generator.
    Llvm,
    /// Object file to memory.
    Link,
}

impl Error {
    pub(crate) fn new(stage: Stage, message: impl fmt::Display) -> Error {
        Error {
            stage,
            message: message.to_string(),
        }
    }
    pub(crate) fn link(message: impl fmt::Display) -> Error {
        Error::new(Stage::Link, message)
    }
    pub(crate) fn llvm(message: impl fmt::Display) -> Error {
        Error::new(Stage::Llvm, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Verify => "malformed TIR",
            Stage::Emit => "emission failed",
            Stage::Llvm => "LLVM failed",
            Stage::Link => "linking failed",
        };
        write!(f, "{stage}: {}", self.message)
    }
}

impl std::error::Error for Error {}
