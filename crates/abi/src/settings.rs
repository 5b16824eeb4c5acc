//! The options that influence code, as the compiler and the back end see them.

/// Fast-math flags, LLVM's names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FastMath(pub u8);

impl FastMath {
    pub const NNAN: u8 = 1;
    pub const NINF: u8 = 2;
    pub const NSZ: u8 = 4;
    pub const ARCP: u8 = 8;
    pub const CONTRACT: u8 = 16;
    pub const AFN: u8 = 32;
    pub const REASSOC: u8 = 64;
    pub const FAST: u8 = 127;

    /// The flag called `name`.
    pub fn flag(name: &str) -> Option<u8> {
        Some(match name {
            "nnan" => Self::NNAN,
            "ninf" => Self::NINF,
            "nsz" => Self::NSZ,
            "arcp" => Self::ARCP,
            "contract" => Self::CONTRACT,
            "afn" => Self::AFN,
            "reassoc" => Self::REASSOC,
            "fast" => Self::FAST,
            _ => return None,
        })
    }
}

/// What a function is compiled with; all of it is part of the cache key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Options {
    pub fastmath: FastMath,
    /// `error_model='numpy'`: division by zero gives inf or nan (0 for integers) instead of raising.
    pub numpy_errors: bool,
    /// Check array indices.
    pub boundscheck: bool,
    /// `inline='always'` or `forceinline=True`.
    pub always_inline: bool,
    /// `inline='never'`.
    pub never_inline: bool,
    pub parallel: bool,
    /// Full debug information and less optimisation.
    pub debug: bool,
    /// Run without the GIL.
    pub nogil: bool,
    /// `no_rewrites=True`: operations on whole arrays are not fused.
    pub unfused: bool,
}
