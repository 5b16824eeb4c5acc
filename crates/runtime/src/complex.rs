//! Complex arithmetic and the functions of `cmath`, in double precision.
//!
//! The formulas are the known careful ones: Kahan, "Branch cuts for complex elementary functions" (1987),
//! and Hull, Fairgrieve, Tang, "Implementing the complex arcsine and arccosine functions using exception
//! handling" (1997). Arguments too large for a square are scaled; infinities and nan follow Annex G of
//! the C standard, as CPython's tables do. Where CPython raises ValueError or OverflowError, these
//! functions give what the annex says or the overflowed value.

use core::f64::consts::{FRAC_PI_2, LN_2, LN_10, LOG2_E};

use crate::libm;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Numbers whose sum of four does not overflow.
const LARGE: f64 = f64::MAX / 4.0;
/// ln(LARGE): hyperbolic functions of larger numbers are scaled.
const LOG_LARGE: f64 = 708.396_418_532_264_1;
/// sqrt(LARGE): larger numbers are not squared.
const SQRT_LARGE: f64 = 6.703_903_964_971_298e153;
/// sqrt of the smallest normal number.
const SQRT_MIN: f64 = 1.491_668_146_240_041_3e-154;

/// A complex number.
#[derive(Clone, Copy, Debug)]
pub struct Complex {
    pub re: f64,
    pub im: f64,
}

const fn c(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

impl Complex {
    const ONE: Complex = c(1.0, 0.0);

    fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }

    /// i z
    fn times_i(self) -> Complex {
        c(-self.im, self.re)
    }

    /// -i z
    fn over_i(self) -> Complex {
        c(self.im, -self.re)
    }

    fn negated(self) -> Complex {
        c(-self.re, -self.im)
    }

    fn times(self, other: Complex) -> Complex {
        c(
            self.re * other.re - self.im * other.im,
            self.re * other.im + self.im * other.re,
        )
    }
}

/// Whether the sign bit is set.
fn negative(x: f64) -> bool {
    x.is_sign_negative()
}

fn scale(x: f64, n: i32) -> f64 {
    libm::ldexp(x, n)
}

// ---- arithmetic ----------------------------------------------------------------------------------

/// a / b by Smith's method: numerator and denominator are divided by the larger part of b, so that
/// |b|**2 neither overflows nor vanishes. nan + nan i for b = 0.
pub fn div(a: Complex, b: Complex) -> Complex {
    if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 {
            return c(NAN, NAN);
        }
        let ratio = b.im / b.re;
        let denominator = b.re + b.im * ratio;
        c(
            (a.re + a.im * ratio) / denominator,
            (a.im - a.re * ratio) / denominator,
        )
    } else if b.im.abs() >= b.re.abs() {
        let ratio = b.re / b.im;
        let denominator = b.re * ratio + b.im;
        c(
            (a.re * ratio + a.im) / denominator,
            (a.im * ratio - a.re) / denominator,
        )
    } else {
        c(NAN, NAN)
    }
}

/// a ** b. Integer exponents up to 100 by repeated squaring, others through polar coordinates; 0 ** 0 is
/// 1, and zero to a negative or complex power, where Python raises, is nan + nan i.
pub fn pow(a: Complex, b: Complex) -> Complex {
    if b.im == 0.0 && b.re.abs() <= 100.0 && b.re == b.re.floor() {
        // At most 100: exact.
        let n = b.re as i32;
        let positive = power(a, n.unsigned_abs());
        return if n > 0 {
            positive
        } else {
            div(Complex::ONE, positive)
        };
    }
    if a.re == 0.0 && a.im == 0.0 {
        return if b.im != 0.0 || b.re < 0.0 {
            c(NAN, NAN)
        } else {
            c(0.0, 0.0)
        };
    }
    let magnitude = libm::hypot(a.re, a.im);
    let angle = libm::atan2(a.im, a.re);
    let mut length = libm::pow(magnitude, b.re);
    let mut phase = angle * b.re;
    if b.im != 0.0 {
        length /= libm::exp(angle * b.im);
        phase += b.im * libm::log(magnitude);
    }
    c(length * libm::cos(phase), length * libm::sin(phase))
}

fn power(mut base: Complex, mut exponent: u32) -> Complex {
    let mut result = Complex::ONE;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = result.times(base);
        }
        base = base.times(base);
        exponent >>= 1;
    }
    result
}

/// The number with polar coordinates (r, phi).
pub fn rect(r: f64, phi: f64) -> Complex {
    if r.is_finite() && phi.is_finite() {
        // Keeps the sign of a zero angle, and infinities out of the product.
        return if phi == 0.0 {
            c(r, r * phi)
        } else {
            c(r * libm::cos(phi), r * libm::sin(phi))
        };
    }
    if phi == 0.0 {
        // r is infinite or nan; the imaginary part is a zero with the sign of r * phi.
        let zero = if r.is_nan() { 0.0 } else { phi * r.signum() };
        return c(r, zero);
    }
    if phi.is_finite() {
        if r.is_nan() {
            return c(r, r);
        }
        return c(r * libm::cos(phi), r * libm::sin(phi));
    }
    if r == 0.0 {
        return c(0.0, 0.0);
    }
    if r.is_infinite() {
        c(INF, NAN)
    } else {
        c(NAN, NAN)
    }
}

// ---- exponential and logarithm -------------------------------------------------------------------

pub fn exp(z: Complex) -> Complex {
    if z.is_finite() {
        return if z.im == 0.0 {
            c(libm::exp(z.re), z.im)
        } else if z.re > LOG_LARGE + 1.0 {
            // It is finite for tiny sines only.
            let half = libm::exp(z.re * 0.5);
            c(half * libm::cos(z.im) * half, half * libm::sin(z.im) * half)
        } else if z.re > LOG_LARGE {
            // e**x may overflow where the product with the cosine does not.
            let length = libm::exp(z.re - 1.0);
            let e = core::f64::consts::E;
            c(length * libm::cos(z.im) * e, length * libm::sin(z.im) * e)
        } else {
            let length = libm::exp(z.re);
            c(length * libm::cos(z.im), length * libm::sin(z.im))
        };
    }
    if z.re.is_nan() {
        return if z.im == 0.0 { z } else { c(NAN, NAN) };
    }
    if z.re.is_finite() {
        return c(NAN, NAN);
    }
    // The length is 0 or infinite; the angle says the signs.
    let length = if z.re > 0.0 { INF } else { 0.0 };
    if z.im == 0.0 {
        c(length, z.im)
    } else if z.im.is_finite() {
        c(
            length.copysign(libm::cos(z.im)),
            length.copysign(libm::sin(z.im)),
        )
    } else {
        c(length, if z.re > 0.0 { NAN } else { 0.0 })
    }
}

pub fn log(z: Complex) -> Complex {
    c(log_abs(z), libm::atan2(z.im, z.re))
}

/// ln |z|
fn log_abs(z: Complex) -> f64 {
    let (ax, ay) = (z.re.abs(), z.im.abs());
    if ax.is_infinite() || ay.is_infinite() {
        return INF;
    }
    if ax > LARGE || ay > LARGE {
        return libm::log(libm::hypot(ax / 2.0, ay / 2.0)) + LN_2;
    }
    if ax < f64::MIN_POSITIVE && ay < f64::MIN_POSITIVE {
        return if ax > 0.0 || ay > 0.0 {
            libm::log(libm::hypot(scale(ax, 53), scale(ay, 53))) - 53.0 * LN_2
        } else {
            -INF
        };
    }
    let h = libm::hypot(ax, ay);
    if (0.71..=1.73).contains(&h) {
        // Near 1 the rounding of h would be all of the result: ln |z| = ln(1 + (|z|**2 - 1)) / 2.
        let (larger, smaller) = (ax.max(ay), ax.min(ay));
        libm::log1p((larger - 1.0) * (larger + 1.0) + smaller * smaller) / 2.0
    } else {
        libm::log(h)
    }
}

pub fn log10(z: Complex) -> Complex {
    let z = log(z);
    c(z.re / LN_10, z.im / LN_10)
}

// ---- square root ---------------------------------------------------------------------------------

pub fn sqrt(z: Complex) -> Complex {
    if z.im.is_infinite() {
        return c(INF, z.im);
    }
    if z.re.is_infinite() {
        return match (z.re > 0.0, z.im.is_nan()) {
            (true, true) => c(INF, NAN),
            (true, false) => c(INF, 0.0_f64.copysign(z.im)),
            (false, true) => c(NAN, INF),
            (false, false) => c(0.0, INF.copysign(z.im)),
        };
    }
    if z.re.is_nan() || z.im.is_nan() {
        return c(NAN, NAN);
    }
    if z.re == 0.0 && z.im == 0.0 {
        return c(0.0, z.im);
    }
    let (mut ax, ay) = (z.re.abs(), z.im.abs());
    // s = sqrt((|x| + |z|) / 2), scaled against overflow and the few bits of subnormal numbers.
    let s = if ax < f64::MIN_POSITIVE && ay < f64::MIN_POSITIVE {
        ax = scale(ax, 53);
        scale((ax + libm::hypot(ax, scale(ay, 53))).sqrt(), -27)
    } else {
        ax /= 8.0;
        2.0 * (ax + libm::hypot(ax, ay / 8.0)).sqrt()
    };
    let d = ay / (2.0 * s);
    if z.re >= 0.0 {
        c(s, d.copysign(z.im))
    } else {
        c(d, s.copysign(z.im))
    }
}

// ---- hyperbolic functions ------------------------------------------------------------------------

pub fn cosh(z: Complex) -> Complex {
    if z.is_finite() {
        return if z.re.abs() > LOG_LARGE {
            let x = z.re - 1.0_f64.copysign(z.re);
            let e = core::f64::consts::E;
            c(
                libm::cos(z.im) * libm::cosh(x) * e,
                libm::sin(z.im) * libm::sinh(x) * e,
            )
        } else {
            c(
                libm::cos(z.im) * libm::cosh(z.re),
                libm::sin(z.im) * libm::sinh(z.re),
            )
        };
    }
    if z.re.is_infinite() {
        if z.im == 0.0 {
            return c(INF, if negative(z.re) { -z.im } else { z.im });
        }
        if z.im.is_finite() {
            let im = INF.copysign(libm::sin(z.im));
            return c(
                INF.copysign(libm::cos(z.im)),
                if negative(z.re) { -im } else { im },
            );
        }
        return c(INF, NAN);
    }
    if z.re == 0.0 {
        return c(NAN, 0.0);
    }
    if z.re.is_nan() && z.im == 0.0 {
        c(NAN, 0.0)
    } else {
        c(NAN, NAN)
    }
}

pub fn sinh(z: Complex) -> Complex {
    if z.is_finite() {
        return if z.re.abs() > LOG_LARGE {
            let x = z.re - 1.0_f64.copysign(z.re);
            let e = core::f64::consts::E;
            c(
                libm::cos(z.im) * libm::sinh(x) * e,
                libm::sin(z.im) * libm::cosh(x) * e,
            )
        } else {
            c(
                libm::cos(z.im) * libm::sinh(z.re),
                libm::sin(z.im) * libm::cosh(z.re),
            )
        };
    }
    if z.re.is_infinite() {
        if z.im == 0.0 {
            return z;
        }
        if z.im.is_finite() {
            let re = INF.copysign(libm::cos(z.im));
            return c(
                if negative(z.re) { -re } else { re },
                INF.copysign(libm::sin(z.im)),
            );
        }
        return c(INF, NAN);
    }
    if z.re == 0.0 {
        return c(0.0, NAN);
    }
    if z.re.is_nan() && z.im == 0.0 {
        z
    } else {
        c(NAN, NAN)
    }
}

pub fn tanh(z: Complex) -> Complex {
    if z.is_finite() {
        if z.re.abs() > LOG_LARGE {
            // |tanh| is 1, and the imaginary part 4 sin y cos y e**(-2|x|).
            let im = 4.0 * libm::sin(z.im) * libm::cos(z.im) * libm::exp(-2.0 * z.re.abs());
            return c(1.0_f64.copysign(z.re), im);
        }
        let tx = libm::tanh(z.re);
        let ty = libm::tan(z.im);
        let cx = 1.0 / libm::cosh(z.re);
        let product = tx * ty;
        let denominator = 1.0 + product * product;
        return c(
            tx * (1.0 + ty * ty) / denominator,
            ((ty / denominator) * cx) * cx,
        );
    }
    if z.re.is_infinite() {
        let im = if z.im == 0.0 {
            z.im
        } else if z.im.is_finite() {
            0.0_f64.copysign(2.0 * libm::sin(z.im) * libm::cos(z.im))
        } else {
            0.0
        };
        return c(1.0_f64.copysign(z.re), im);
    }
    if z.re.is_nan() && z.im == 0.0 {
        z
    } else {
        c(NAN, NAN)
    }
}

pub fn sin(z: Complex) -> Complex {
    sinh(z.times_i()).over_i()
}

pub fn cos(z: Complex) -> Complex {
    cosh(z.times_i())
}

pub fn tan(z: Complex) -> Complex {
    tanh(z.times_i()).over_i()
}

// ---- inverse functions ---------------------------------------------------------------------------

/// Whether a part is so large that z**2 + 1 is z**2 and would overflow.
fn large(z: Complex) -> bool {
    z.re.abs() > LARGE || z.im.abs() > LARGE
}

/// ln(2 |z|) of a large z.
fn log_twice(z: Complex) -> f64 {
    libm::log(libm::hypot(z.re / 2.0, z.im / 2.0)) + 2.0 * LN_2
}

pub fn acos(z: Complex) -> Complex {
    if z.re.is_infinite() || z.im.is_infinite() {
        let im = if z.im.is_nan() {
            INF
        } else {
            INF.copysign(-z.im)
        };
        return c(libm::atan2(z.im.abs(), z.re), im);
    }
    if z.re.is_nan() || z.im.is_nan() {
        return c(if z.re == 0.0 { FRAC_PI_2 } else { NAN }, NAN);
    }
    if large(z) {
        return c(libm::atan2(z.im.abs(), z.re), log_twice(z).copysign(-z.im));
    }
    let s1 = sqrt(c(1.0 - z.re, -z.im));
    let s2 = sqrt(c(1.0 + z.re, z.im));
    c(
        2.0 * libm::atan2(s1.re, s2.re),
        libm::asinh(s2.re * s1.im - s2.im * s1.re),
    )
}

pub fn acosh(z: Complex) -> Complex {
    if z.re.is_infinite() || z.im.is_infinite() {
        return c(INF, libm::atan2(z.im, z.re));
    }
    if z.re.is_nan() || z.im.is_nan() {
        return c(NAN, NAN);
    }
    if large(z) {
        return c(log_twice(z), libm::atan2(z.im, z.re));
    }
    let s1 = sqrt(c(z.re - 1.0, z.im));
    let s2 = sqrt(c(z.re + 1.0, z.im));
    c(
        libm::asinh(s1.re * s2.re + s1.im * s2.im),
        2.0 * libm::atan2(s1.im, s2.re),
    )
}

pub fn asin(z: Complex) -> Complex {
    asinh(z.times_i()).over_i()
}

pub fn asinh(z: Complex) -> Complex {
    if z.re.is_infinite() || z.im.is_infinite() {
        let re = if z.re.is_nan() {
            INF
        } else {
            INF.copysign(z.re)
        };
        return c(re, libm::atan2(z.im, z.re.abs()));
    }
    if z.re.is_nan() || z.im.is_nan() {
        return c(NAN, if z.im == 0.0 { z.im } else { NAN });
    }
    if large(z) {
        return c(log_twice(z).copysign(z.re), libm::atan2(z.im, z.re.abs()));
    }
    let s1 = sqrt(c(1.0 + z.im, -z.re));
    let s2 = sqrt(c(1.0 - z.im, z.re));
    c(
        libm::asinh(s1.re * s2.im - s2.re * s1.im),
        libm::atan2(z.im, s1.re * s2.re - s1.im * s2.im),
    )
}

pub fn atan(z: Complex) -> Complex {
    atanh(z.times_i()).over_i()
}

pub fn atanh(z: Complex) -> Complex {
    // Odd: work in the right half plane.
    if negative(z.re) && !z.re.is_nan() {
        return atanh_right(z.negated()).negated();
    }
    atanh_right(z)
}

/// [`atanh`] of a z whose real part has no sign.
fn atanh_right(z: Complex) -> Complex {
    let ay = z.im.abs();
    if z.im.is_infinite() {
        return c(0.0, FRAC_PI_2.copysign(z.im));
    }
    if z.re.is_infinite() {
        return c(
            0.0,
            if z.im.is_nan() {
                NAN
            } else {
                FRAC_PI_2.copysign(z.im)
            },
        );
    }
    if z.re.is_nan() || z.im.is_nan() {
        return c(if z.re == 0.0 { z.re } else { NAN }, NAN);
    }
    if z.re > SQRT_LARGE || ay > SQRT_LARGE {
        let h = libm::hypot(z.re / 2.0, z.im / 2.0);
        return c(z.re / 4.0 / h / h, FRAC_PI_2.copysign(z.im));
    }
    if z.re == 1.0 && ay < SQRT_MIN {
        if ay == 0.0 {
            return c(INF, z.im);
        }
        let re = -libm::log(ay.sqrt() / libm::hypot(ay, 2.0).sqrt());
        return c(re, (libm::atan2(2.0, -ay) / 2.0).copysign(z.im));
    }
    let left = 1.0 - z.re;
    c(
        libm::log1p(4.0 * z.re / (left * left + ay * ay)) / 4.0,
        -libm::atan2(-2.0 * z.im, left * (1.0 + z.re) - ay * ay) / 2.0,
    )
}

// ---- NumPy's, composed as NumPy does ---------------------------------------------------------------

/// a ** b: integer exponents below 100 by repeated squaring, others as exp(b log(a)). 0 to a power with a
/// positive real part is 0, to others nan + nan i.
pub fn pow_numpy(a: Complex, b: Complex) -> Complex {
    if b.re == 0.0 && b.im == 0.0 {
        return Complex::ONE;
    }
    if a.re == 0.0 && a.im == 0.0 {
        return if b.re > 0.0 { c(0.0, 0.0) } else { c(NAN, NAN) };
    }
    if b.im == 0.0 && b.re.abs() < 100.0 && b.re == b.re.trunc() {
        // Without a factor 1, which is nan for infinities.
        match b.re {
            1.0 => return a,
            2.0 => return a.times(a),
            3.0 => return a.times(a.times(a)),
            _ => {}
        }
        // Below 100: exact.
        let positive = power(a, (b.re as i32).unsigned_abs());
        return if b.re > 0.0 {
            positive
        } else {
            div(Complex::ONE, positive)
        };
    }
    exp(product(b, log(a)))
}

/// A product as C has it: the parts that are infinite decide where the formula gives nan.
fn product(a: Complex, b: Complex) -> Complex {
    let plain = a.times(b);
    let infinite = |z: Complex| z.re.is_infinite() || z.im.is_infinite();
    if !(plain.re.is_nan() && plain.im.is_nan()) || !(infinite(a) || infinite(b)) {
        return plain;
    }
    let limit = |x: f64, other: bool| match (x.is_nan(), other) {
        (true, _) => 0.0_f64.copysign(x),
        (false, true) => f64::from(u8::from(x.is_infinite())).copysign(x),
        (false, false) => x,
    };
    let boxed = |z: Complex| c(limit(z.re, infinite(z)), limit(z.im, infinite(z)));
    let p = boxed(a).times(boxed(b));
    c(INF * p.re, INF * p.im)
}

/// 2**z.
pub fn exp2(z: Complex) -> Complex {
    exp(c(z.re * LN_2, z.im * LN_2))
}

/// exp(z) - 1.
pub fn expm1(z: Complex) -> Complex {
    let half = libm::sin(z.im / 2.0);
    c(
        libm::expm1(z.re) * libm::cos(z.im) - 2.0 * half * half,
        libm::exp(z.re) * libm::sin(z.im),
    )
}

/// The logarithm to base 2.
pub fn log2(z: Complex) -> Complex {
    let l = log(z);
    c(l.re * LOG2_E, l.im * LOG2_E)
}

/// log(1 + z).
pub fn log1p(z: Complex) -> Complex {
    let re = z.re + 1.0;
    c(libm::log(libm::hypot(re, z.im)), libm::atan2(z.im, re))
}

// ---- the table's functions -----------------------------------------------------------------------

/// The functions of one complex number, by their name in the table.
macro_rules! export {
    ($($name:ident = $function:ident;)*) => {$(
        /// # Safety
        /// `re_out` and `im_out` are writable.
        pub unsafe extern "C" fn $name(re: f64, im: f64, re_out: *mut f64, im_out: *mut f64) {
            let result = $function(c(re, im));
            // SAFETY: as promised.
            unsafe {
                *re_out = result.re;
                *im_out = result.im;
            }
        }
    )*};
}

export! {
    cexp = exp;
    clog = log;
    clog10 = log10;
    cexp2 = exp2;
    cexpm1 = expm1;
    clog2 = log2;
    clog1p = log1p;
    csqrt = sqrt;
    csin = sin;
    ccos = cos;
    ctan = tan;
    csinh = sinh;
    ccosh = cosh;
    ctanh = tanh;
    casin = asin;
    cacos = acos;
    catan = atan;
    casinh = asinh;
    cacosh = acosh;
    catanh = atanh;
}

/// The functions of two complex numbers.
macro_rules! export_binary {
    ($($name:ident = $function:ident;)*) => {$(
        /// # Safety
        /// `re_out` and `im_out` are writable.
        pub unsafe extern "C" fn $name(
            a_re: f64,
            a_im: f64,
            b_re: f64,
            b_im: f64,
            re_out: *mut f64,
            im_out: *mut f64,
        ) {
            let result = $function(c(a_re, a_im), c(b_re, b_im));
            // SAFETY: as promised.
            unsafe {
                *re_out = result.re;
                *im_out = result.im;
            }
        }
    )*};
}

export_binary! {
    cdiv = div;
    cpow = pow;
    cpow_numpy = pow_numpy;
}

pub extern "C" fn cexp_real(re: f64, im: f64) -> f64 {
    exp(c(re, im)).re
}

pub extern "C" fn cexp_imag(re: f64, im: f64) -> f64 {
    exp(c(re, im)).im
}

/// `cmath.rect`.
///
/// # Safety
/// `re_out` and `im_out` are writable.
pub unsafe extern "C" fn crect(r: f64, phi: f64, re_out: *mut f64, im_out: *mut f64) {
    let result = rect(r, phi);
    // SAFETY: as promised.
    unsafe {
        *re_out = result.re;
        *im_out = result.im;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(found: Complex, re: f64, im: f64) {
        let equal = |a: f64, b: f64| a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits();
        assert!(
            equal(found.re, re) && equal(found.im, im),
            "{found:?}, not {re} {im}"
        );
    }

    #[test]
    fn results_instead_of_errors() {
        same(div(c(1.0, 2.0), c(0.0, 0.0)), NAN, NAN);
        same(pow(c(0.0, 0.0), c(0.0, 0.0)), 1.0, 0.0);
        same(pow(c(0.0, 0.0), c(-1.0, 0.0)), NAN, NAN);
        same(pow(c(0.0, 0.0), c(-0.5, 0.0)), NAN, NAN);
        same(pow(c(0.0, 0.0), c(1.0, 1.0)), NAN, NAN);
        same(pow(c(0.0, 0.0), c(2.5, 0.0)), 0.0, 0.0);
        same(log(c(0.0, 0.0)), -INF, 0.0);
        same(log(c(-0.0, -0.0)), -INF, -core::f64::consts::PI);
        same(atanh(c(1.0, 0.0)), INF, 0.0);
        same(atanh(c(-1.0, -0.0)), -INF, -0.0);
        same(exp(c(1.0, INF)), NAN, NAN);
        same(exp(c(-INF, INF)), 0.0, 0.0);
        same(exp(c(1000.0, 1.0)), INF, INF);
        same(exp(c(1000.0, -0.0)), INF, -0.0);
        same(exp(c(2000.0, 1e-320)), INF, INF);
        same(sin(c(INF, 0.0)), NAN, -0.0);
        same(tan(c(INF, 1.0)), NAN, NAN);
        same(cosh(c(0.0, INF)), NAN, 0.0);
    }

    #[test]
    fn the_sides_of_branch_cuts() {
        same(sqrt(c(-4.0, 0.0)), 0.0, 2.0);
        same(sqrt(c(-4.0, -0.0)), 0.0, -2.0);
        assert!(acos(c(2.0, 0.0)).im < 0.0 && acos(c(2.0, -0.0)).im > 0.0);
        assert!(asin(c(2.0, 0.0)).im > 0.0 && asin(c(2.0, -0.0)).im < 0.0);
        assert!(atanh(c(2.0, 0.0)).im > 0.0 && atanh(c(2.0, -0.0)).im < 0.0);
        assert!(acosh(c(-2.0, 0.0)).im > 0.0 && acosh(c(-2.0, -0.0)).im < 0.0);
        assert!(asinh(c(0.0, 2.0)).re > 0.0 && asinh(c(-0.0, 2.0)).re < 0.0);
        assert!(atan(c(0.0, 2.0)).re > 0.0 && atan(c(-0.0, 2.0)).re < 0.0);
    }

    #[test]
    fn the_constants_are_what_they_say() {
        assert_eq!(LOG_LARGE, libm::log(LARGE));
        assert_eq!(SQRT_LARGE, LARGE.sqrt());
        assert_eq!(SQRT_MIN, f64::MIN_POSITIVE.sqrt());
    }
}
