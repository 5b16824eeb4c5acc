//! Functions that LLVM itself calls: block moves, and arithmetic that a processor level lacks.

use std::ffi::c_int;

/// `x ** n` as the compiler's support library computes it.
extern "C" fn powi_f64(mut x: f64, n: c_int) -> f64 {
    let mut result = 1.0;
    let mut left = n.unsigned_abs();
    while left != 0 {
        if left & 1 != 0 {
            result *= x;
        }
        x *= x;
        left >>= 1;
    }
    if n < 0 { 1.0 / result } else { result }
}

extern "C" fn powi_f32(mut x: f32, n: c_int) -> f32 {
    let mut result = 1.0;
    let mut left = n.unsigned_abs();
    while left != 0 {
        if left & 1 != 0 {
            result *= x;
        }
        x *= x;
        left >>= 1;
    }
    if n < 0 { 1.0 / result } else { result }
}

/// Declares functions of the C library, by signature, and finds them by name.
macro_rules! library {
    ($($signature:tt { $($name:ident)* })*) => {
        mod c {
            use std::ffi::c_int;
            #[link(name = "m")]
            unsafe extern "C" {
                $($(declare!($signature $name);)*)*
            }
        }

        /// The address of a function that LLVM may call on its own.
        pub(super) fn address(name: &str) -> Option<usize> {
            Some(match name {
                $($(stringify!($name) => c::$name as *const () as usize,)*)*
                "memcpy" => libc::memcpy as *const () as usize,
                "memmove" => libc::memmove as *const () as usize,
                "memset" => libc::memset as *const () as usize,
                // `bcmp` promises less.
                "memcmp" | "bcmp" => libc::memcmp as *const () as usize,
                "__powidf2" => powi_f64 as *const () as usize,
                "__powisf2" => powi_f32 as *const () as usize,
                _ => return None,
            })
        }
    };
}

macro_rules! declare {
    ((f64) $name:ident) => {
        pub(super) safe fn $name(x: f64) -> f64;
    };
    ((f32) $name:ident) => {
        pub(super) safe fn $name(x: f32) -> f32;
    };
    ((f64, f64) $name:ident) => {
        pub(super) safe fn $name(x: f64, y: f64) -> f64;
    };
    ((f32, f32) $name:ident) => {
        pub(super) safe fn $name(x: f32, y: f32) -> f32;
    };
    ((f64, f64, f64) $name:ident) => {
        pub(super) safe fn $name(x: f64, y: f64, z: f64) -> f64;
    };
    ((f32, f32, f32) $name:ident) => {
        pub(super) safe fn $name(x: f32, y: f32, z: f32) -> f32;
    };
    ((f64, int) $name:ident) => {
        pub(super) safe fn $name(x: f64, n: c_int) -> f64;
    };
    ((f32, int) $name:ident) => {
        pub(super) safe fn $name(x: f32, n: c_int) -> f32;
    };
    ((f64, out) $name:ident) => {
        pub(super) fn $name(x: f64, n: *mut c_int) -> f64;
    };
    ((f32, out) $name:ident) => {
        pub(super) fn $name(x: f32, n: *mut c_int) -> f32;
    };
    ((f64, outs) $name:ident) => {
        pub(super) fn $name(x: f64, a: *mut f64, b: *mut f64);
    };
    ((f32, outs) $name:ident) => {
        pub(super) fn $name(x: f32, a: *mut f32, b: *mut f32);
    };
}

library! {
    (f64) {
        sqrt floor ceil trunc rint nearbyint round roundeven fabs exp10
        sin cos tan asin acos atan sinh cosh tanh exp exp2 log log2 log10
    }
    (f32) {
        sqrtf floorf ceilf truncf rintf nearbyintf roundf roundevenf fabsf exp10f
        sinf cosf tanf asinf acosf atanf sinhf coshf tanhf expf exp2f logf log2f log10f
    }
    (f64, f64) { fmod fmin fmax copysign atan2 pow }
    (f32, f32) { fmodf fminf fmaxf copysignf atan2f powf }
    (f64, f64, f64) { fma }
    (f32, f32, f32) { fmaf }
    (f64, int) { ldexp }
    (f32, int) { ldexpf }
    (f64, out) { frexp }
    (f32, out) { frexpf }
    (f64, outs) { sincos }
    (f32, outs) { sincosf }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_by_name() {
        let fmod = address("fmod").expect("fmod");
        // SAFETY: the C library's `fmod`.
        let fmod: extern "C" fn(f64, f64) -> f64 = unsafe { std::mem::transmute(fmod) };
        assert_eq!(fmod(7.5, 2.0), 1.5);
        assert!(address("system").is_none());
    }

    #[test]
    fn powers() {
        assert_eq!(
            (powi_f64(2.0, 10), powi_f64(2.0, -1), powi_f64(0.0, 0)),
            (1024.0, 0.5, 1.0)
        );
        assert_eq!((powi_f32(3.0, 3), powi_f32(2.0, c_int::MIN)), (27.0, 0.0));
    }
}
