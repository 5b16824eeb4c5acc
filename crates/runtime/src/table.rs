//! The address table, checked against the rows of [`ferdelance_abi::rtfn`] at compile time.

use core::ffi::c_void;

use ferdelance_abi::for_each_rtfn;
use ferdelance_abi::layout::{Buffer, Dict, List, Object, Str};
use ferdelance_abi::rtfn::RtFn;

use crate::error::Error;

/// Everything that a row marked `fd` may name.
mod fd {
    pub(super) use crate::complex::*;
    pub(super) use crate::dict::*;
    pub(super) use crate::error::*;
    pub(super) use crate::format::*;
    pub(super) use crate::generator::*;
    pub(super) use crate::hash::*;
    pub(super) use crate::linalg::*;
    pub(super) use crate::list::*;
    pub(super) use crate::memory::*;
    pub(super) use crate::number::*;
    pub(super) use crate::object::*;
    pub(super) use crate::order::*;
    pub(super) use crate::print::*;
    pub(super) use crate::sort::*;
    pub(super) use crate::special::*;
    pub(super) use crate::stack::*;
    pub(super) use crate::string::*;
    pub(super) use crate::team::*;
}

/// The Rust type of a machine type in a signature.
macro_rules! machine_type {
    (I1) => { u8 };
    (I32) => { i32 };
    (I64) => { i64 };
    (F32) => { f32 };
    (F64) => { f64 };
    (Ptr) => { *mut c_void };
    (Obj) => { *mut Str };
    (List) => { *mut List };
    (Dict) => { *mut Dict };
    (Any) => { *mut Object };
    (Owner) => { *mut Buffer };
    (Err) => { *mut Error };
}

/// The function type of a row: see the head of `abi::rtfn` for the convention.
macro_rules! signature {
    (($($p:ident),*) -> ($($r:ident),*) raises) => {
        unsafe extern "C" fn($(machine_type!($p),)* $(*mut machine_type!($r),)*) -> *mut Error
    };
    (($($p:ident),*) -> () $effect:ident) => {
        unsafe extern "C" fn($(machine_type!($p),)*)
    };
    (($($p:ident),*) -> ($r:ident) $effect:ident) => {
        unsafe extern "C" fn($(machine_type!($p),)*) -> machine_type!($r)
    };
    (($($p:ident),*) -> ($($r:ident),+) $effect:ident) => {
        unsafe extern "C" fn($(machine_type!($p),)* $(*mut machine_type!($r),)*)
    };
}

/// Where the function of a row lives.
macro_rules! function {
    (fd $name:ident) => {
        fd::$name
    };
    (libm $name:ident) => {
        crate::libm::$name
    };
}

macro_rules! addresses {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($p:ident),*) -> ($($r:ident),*) $effect:ident;)*) => {
        /// The address of a runtime function, for the linker of compiled code.
        pub fn address(function: RtFn) -> usize {
            match function {
                $(RtFn::$name => {
                    let function: signature!(($($p),*) -> ($($r),*) $effect) = function!($kind $name);
                    function as usize
                })*
            }
        }
    };
}
for_each_rtfn!(addresses);

#[cfg(test)]
mod tests {
    use super::*;
    use ferdelance_abi::rtfn::TABLE;
    use std::collections::HashMap;

    #[test]
    fn every_row_has_an_address_of_its_own() {
        let mut seen = HashMap::new();
        for row in TABLE {
            let address = address(row.func);
            assert_ne!(address, 0, "{}", row.name);
            // Identical functions may be merged by the linker, but none of ours are identical in effect.
            if let Some(other) = seen.insert(address, row.name) {
                panic!("{} and {other} share an address", row.name);
            }
        }
    }

    #[test]
    fn the_library_rows_are_the_c_library() {
        // SAFETY: the row says that `sin` takes and gives a double.
        let sin: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(address(RtFn::sin)) };
        assert_eq!(sin(1.0), 1.0_f64.sin());
    }
}
