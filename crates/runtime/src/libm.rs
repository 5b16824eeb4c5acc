//! The C library's mathematical functions: those of the table (rows marked `libm`), whose symbols
//! LLVM knows, and the few more that this crate computes with.

use core::ffi::c_int;

unsafe extern "C" {
    pub(crate) safe fn sin(x: f64) -> f64;
    pub(crate) safe fn sinf(x: f32) -> f32;
    pub(crate) safe fn cos(x: f64) -> f64;
    pub(crate) safe fn cosf(x: f32) -> f32;
    pub(crate) safe fn tan(x: f64) -> f64;
    pub(crate) safe fn tanf(x: f32) -> f32;
    pub(crate) safe fn asin(x: f64) -> f64;
    pub(crate) safe fn asinf(x: f32) -> f32;
    pub(crate) safe fn acos(x: f64) -> f64;
    pub(crate) safe fn acosf(x: f32) -> f32;
    pub(crate) safe fn atan(x: f64) -> f64;
    pub(crate) safe fn atanf(x: f32) -> f32;
    pub(crate) safe fn atan2(y: f64, x: f64) -> f64;
    pub(crate) safe fn atan2f(y: f32, x: f32) -> f32;
    pub(crate) safe fn sinh(x: f64) -> f64;
    pub(crate) safe fn sinhf(x: f32) -> f32;
    pub(crate) safe fn cosh(x: f64) -> f64;
    pub(crate) safe fn coshf(x: f32) -> f32;
    pub(crate) safe fn tanh(x: f64) -> f64;
    pub(crate) safe fn tanhf(x: f32) -> f32;
    pub(crate) safe fn asinh(x: f64) -> f64;
    pub(crate) safe fn asinhf(x: f32) -> f32;
    pub(crate) safe fn acosh(x: f64) -> f64;
    pub(crate) safe fn acoshf(x: f32) -> f32;
    pub(crate) safe fn atanh(x: f64) -> f64;
    pub(crate) safe fn atanhf(x: f32) -> f32;
    pub(crate) safe fn exp(x: f64) -> f64;
    pub(crate) safe fn expf(x: f32) -> f32;
    pub(crate) safe fn exp2(x: f64) -> f64;
    pub(crate) safe fn exp2f(x: f32) -> f32;
    pub(crate) safe fn expm1(x: f64) -> f64;
    pub(crate) safe fn expm1f(x: f32) -> f32;
    pub(crate) safe fn log(x: f64) -> f64;
    pub(crate) safe fn logf(x: f32) -> f32;
    pub(crate) safe fn log2(x: f64) -> f64;
    pub(crate) safe fn log2f(x: f32) -> f32;
    pub(crate) safe fn log10(x: f64) -> f64;
    pub(crate) safe fn log10f(x: f32) -> f32;
    pub(crate) safe fn log1p(x: f64) -> f64;
    pub(crate) safe fn log1pf(x: f32) -> f32;
    pub(crate) safe fn cbrt(x: f64) -> f64;
    pub(crate) safe fn cbrtf(x: f32) -> f32;
    // glibc's `hypot` got a new version in 2.35 (no errno); under this name older ones have it too.
    #[cfg_attr(target_env = "gnu", link_name = "hypotf64")]
    pub(crate) safe fn hypot(x: f64, y: f64) -> f64;
    #[cfg_attr(target_env = "gnu", link_name = "hypotf32")]
    pub(crate) safe fn hypotf(x: f32, y: f32) -> f32;
    pub(crate) safe fn pow(x: f64, y: f64) -> f64;
    pub(crate) safe fn powf(x: f32, y: f32) -> f32;
    pub(crate) safe fn fmod(x: f64, y: f64) -> f64;
    pub(crate) safe fn fmodf(x: f32, y: f32) -> f32;
    pub(crate) safe fn erf(x: f64) -> f64;
    pub(crate) safe fn erff(x: f32) -> f32;
    pub(crate) safe fn erfc(x: f64) -> f64;
    pub(crate) safe fn erfcf(x: f32) -> f32;
    pub(crate) safe fn nextafter(x: f64, y: f64) -> f64;
    pub(crate) safe fn nextafterf(x: f32, y: f32) -> f32;

    // Not in the table.
    pub(crate) safe fn tgamma(x: f64) -> f64;
    pub(crate) safe fn ldexp(x: f64, n: c_int) -> f64;
    /// The logarithm of the magnitude of gamma; the sign goes through `sign`.
    pub(crate) fn lgamma_r(x: f64, sign: *mut c_int) -> f64;
}
