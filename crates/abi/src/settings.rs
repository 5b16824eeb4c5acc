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

/// Rewrites of operations on whole arrays, as bits. Each is right by itself, and can be left out to find
/// the one that is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rewrites(pub u16);

impl Rewrites {
    /// What an array is made of is computed where the array is used.
    pub const FUSE: u16 = 1;
    /// Operations over the same indices become one.
    pub const MERGE: u16 = 2;
    /// New arrays take the memory of arrays that are not needed any more.
    pub const REUSE: u16 = 4;
    /// Parts of one array are seen to be apart.
    pub const PARTS: u16 = 8;
    /// What stores would meet, or loops go through again and again at distant places, is copied first.
    pub const COPY: u16 = 16;
    /// Small arrays that would be computed again in each round of an outer loop are made.
    pub const KEEP: u16 = 32;
    /// What stays the same in an inner loop is computed outside of it.
    pub const HOIST: u16 = 64;
    /// What is computed of chosen items is computed where the choice is made.
    pub const MASKS: u16 = 128;
    /// Loops over the same items go from block to block of them.
    pub const BLOCK: u16 = 1024;
    /// Operations that follow each other run together, some rows at a time.
    pub const BANDS: u16 = 256;
    /// What pays on some machines, or for some sizes, is done there only; without it, always: for tests.
    pub const WHOLE: u16 = 512;
    /// Sums of rows take several rows at a time.
    pub const JAM: u16 = 2048;
    /// Loops over columns become operations on all columns.
    pub const RAISE: u16 = 4096;
    /// What loops read again in the next round is kept.
    pub const CARRY: u16 = 8192;
    /// What is read along a short dimension that is reduced is turned around.
    pub const TURN: u16 = 16384;
    pub const ALL: u16 = 32767;

    pub const NAMES: &[(&str, u16)] = &[
        ("fuse", Self::FUSE),
        ("merge", Self::MERGE),
        ("reuse", Self::REUSE),
        ("parts", Self::PARTS),
        ("copy", Self::COPY),
        ("keep", Self::KEEP),
        ("hoist", Self::HOIST),
        ("masks", Self::MASKS),
        ("block", Self::BLOCK),
        ("bands", Self::BANDS),
        ("whole", Self::WHOLE),
        ("jam", Self::JAM),
        ("raise", Self::RAISE),
        ("carry", Self::CARRY),
        ("turn", Self::TURN),
    ];

    /// The rewrite called `name`.
    pub fn named(name: &str) -> Option<u16> {
        let found = Self::NAMES.iter().find(|(n, _)| *n == name);
        found.map(|(_, bit)| *bit)
    }

    pub fn has(self, rewrite: u16) -> bool {
        self.0 & rewrite != 0
    }
}

/// What runs on several threads, as bits: `parallel=True` or parts of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Parallel(pub u8);

impl Parallel {
    /// `prange` loops.
    pub const PRANGE: u8 = 1;
    /// Operations on arrays that make new ones.
    pub const NUMPY: u8 = 2;
    /// Stores into arrays.
    pub const SETITEM: u8 = 4;
    /// Reductions of arrays.
    pub const REDUCTION: u8 = 8;
    /// What stores to arrays, new or not.
    pub const ARRAYS: u8 = Self::NUMPY | Self::SETITEM;
    pub const ALL: u8 = 15;
    /// However little there is to do: for tests.
    pub const ALWAYS: u8 = 16;

    /// What the parts of a dict are, by name; what is not here has no effect of its own.
    pub const NAMES: &[(&str, u8)] = &[
        ("prange", Self::PRANGE),
        ("numpy", Self::NUMPY),
        ("setitem", Self::SETITEM),
        ("reduction", Self::REDUCTION),
    ];

    pub fn has(self, part: u8) -> bool {
        self.0 & part != 0
    }

    pub fn any(self) -> bool {
        self.0 != 0
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
    pub parallel: Parallel,
    /// Full debug information and less optimisation.
    pub debug: bool,
    /// Run without the GIL.
    pub nogil: bool,
    /// `no_rewrites`: what is not done with operations on whole arrays.
    pub without: Rewrites,
}
