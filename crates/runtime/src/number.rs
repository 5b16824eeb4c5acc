//! Integer and float functions where Python's meaning differs from the machine's or the C library's.

use crate::format::exact_digits;
use crate::libm;

// ---- float16 -------------------------------------------------------------------------------------

/// The value of a float16, given by its bits.
pub fn half_to_single(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, mantissa) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let size = match exponent {
        // 2**-24 is the smallest.
        0 => (mantissa as f32 * 2f32.powi(-24)).to_bits(),
        31 => 255 << 23 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | size)
}

/// The bits of the nearest float16, of two equally near ones the even one.
pub fn single_to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, size) = ((bits >> 16 & 0x8000) as u16, bits & 0x7fff_ffff);
    // 65520 is halfway between the largest number and the next.
    let half = if size > 255 << 23 {
        0x7e00 | (size >> 13 & 1023) as u16
    } else if size >= 65520f32.to_bits() {
        0x7c00
    } else if size >= 113 << 23 {
        let odd = size >> 13 & 1;
        ((size - (112 << 23) + 0xfff + odd) >> 13) as u16
    } else {
        // Adding a number whose last place is 2**-24 rounds to multiples of that.
        let aligned = f32::from_bits(size) + 0.5;
        (aligned.to_bits() - 0.5f32.to_bits()) as u16
    };
    sign | half
}

/// `np.nextafter(x, towards)` of two float16.
pub extern "C" fn half_nextafter(x: f32, towards: f32) -> f32 {
    if x.is_nan() || towards.is_nan() {
        return f32::NAN;
    }
    if x == towards {
        return x;
    }
    let bits = single_to_half(x);
    half_to_single(if x == 0.0 {
        single_to_half(0f32.copysign(towards)) | 1
    } else if (towards > x) == (x > 0.0) {
        bits + 1
    } else {
        bits - 1
    })
}

/// `np.spacing(x)` of a float16: unlike that of others the distance to the next greater number, also below
/// zero.
pub extern "C" fn half_spacing(x: f32) -> f32 {
    if x.is_finite() {
        half_nextafter(x, f32::INFINITY) - x
    } else {
        f32::NAN
    }
}

// ---- integers ------------------------------------------------------------------------------------

/// `a ** b` modulo 2**64. For a negative exponent 1 / a**-b truncated: 1 for a = 1, ±1 for a = -1, 0
/// for larger magnitudes, and the smallest integer for a = 0 (a division by zero that cannot be
/// raised here; it is what Numba's ufunc gives).
pub extern "C" fn ipow(a: i64, b: i64) -> i64 {
    match u64::try_from(b) {
        Ok(b) => power(a.cast_unsigned(), b).cast_signed(),
        Err(_) => match a {
            0 => i64::MIN,
            1 => 1,
            -1 => {
                if b & 1 == 0 {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        },
    }
}

/// `a ** b` modulo 2**64 of unsigned integers.
pub extern "C" fn upow(a: i64, b: i64) -> i64 {
    power(a.cast_unsigned(), b.cast_unsigned()).cast_signed()
}

fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1_u64;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}

/// Greatest common divisor of the magnitudes. The one result that does not fit, 2**63 (from the
/// smallest integer and itself or 0), comes out as the smallest integer.
pub extern "C" fn gcd(a: i64, b: i64) -> i64 {
    ugcd(
        a.unsigned_abs().cast_signed(),
        b.unsigned_abs().cast_signed(),
    )
}

/// The same of unsigned numbers, by Stein's binary algorithm.
pub extern "C" fn ugcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.cast_unsigned(), b.cast_unsigned());
    if a == 0 || b == 0 {
        return (a | b).cast_signed();
    }
    let twos = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        (a, b) = (a.min(b), a.abs_diff(b));
    }
    (a << twos).cast_signed()
}

// ---- powers --------------------------------------------------------------------------------------

/// Python's `a ** b` on floats, without its exceptions: a negative number to a fractional power is nan
/// (Python gives a complex number), zero to a negative power is infinite, overflow is infinite.
///
/// Python's special cases are those of C99's `pow`, which the C libraries follow by now.
pub extern "C" fn fpow(a: f64, b: f64) -> f64 {
    libm::pow(a, b)
}

/// [`fpow`] in single precision.
pub extern "C" fn fpowf(a: f32, b: f32) -> f32 {
    libm::powf(a, b)
}

/// `x ** n` for an integer n: as Python, which converts n to a float. Repeated multiplication would be
/// less accurate for large n and not faster than `pow` for small ones that are not known.
pub extern "C" fn fpowi(x: f64, n: i64) -> f64 {
    libm::pow(x, n as f64)
}

// ---- division ------------------------------------------------------------------------------------

/// Python's `a // b` on floats (b is not zero).
pub extern "C" fn ffloordiv(a: f64, b: f64) -> f64 {
    let remainder = libm::fmod(a, b);
    // a - remainder is nearly a multiple of b, so the quotient is nearly an integer.
    let mut quotient = (a - remainder) / b;
    if remainder != 0.0 && (b < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    }
}

/// Python's `a % b` on floats (b is not zero): the result has the sign of b, zeros too.
pub extern "C" fn fmod_py(a: f64, b: f64) -> f64 {
    let remainder = libm::fmod(a, b);
    if remainder == 0.0 {
        0.0_f64.copysign(b)
    } else if (b < 0.0) != (remainder < 0.0) {
        remainder + b
    } else {
        remainder
    }
}

// ---- rounding ------------------------------------------------------------------------------------

/// Powers of ten that are exact in a double.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// `round(x, ndigits)` as CPython rounds: the exact decimal value of x to the nearest multiple of
/// 10**-ndigits, ties to even, then to the nearest double. A result that is too large (an
/// OverflowError in Python) is infinite.
pub extern "C" fn round_digits(x: f64, ndigits: i64) -> f64 {
    // Beyond these no double has digits to lose, or none that stay.
    if !x.is_finite() || x == 0.0 || ndigits > 323 {
        return x;
    }
    if ndigits < -308 {
        return 0.0_f64.copysign(x);
    }
    round_fast(x, ndigits).unwrap_or_else(|| round_exactly(x, ndigits))
}

/// The common case: scale, round, scale back. The second scaling divides two exact numbers, hence
/// rounds correctly. The first is off by half a unit in the last place at most, which matters only
/// where the scaled number is a tie: then the sign of the error decides.
fn round_fast(x: f64, ndigits: i64) -> Option<f64> {
    let power = *POWERS.get(usize::try_from(ndigits).ok()?)?;
    let x_abs = x.abs();
    let scaled = x_abs * power;
    // Below 2**52 a half is a multiple of the unit in the last place.
    if scaled >= 4_503_599_627_370_496.0 {
        return None;
    }
    let floor = scaled.floor();
    let above = scaled - floor - 0.5;
    let up = if above == 0.0 {
        let error = x_abs.mul_add(power, -scaled);
        error > 0.0 || error == 0.0 && floor % 2.0 != 0.0
    } else {
        above > 0.0
    };
    let rounded = if up { floor + 1.0 } else { floor };
    Some((rounded / power).copysign(x))
}

/// By the exact decimal digits.
fn round_exactly(x: f64, ndigits: i64) -> f64 {
    // |x| = 0.d1 d2 d3 ... * 10**point
    let (mut digits, mut point) = exact_digits(x.abs());
    let keep = i64::from(point) + ndigits;
    if keep >= digits.len() as i64 {
        return x;
    }
    // The digit after the last that is kept, and what follows it, decide.
    let up = match usize::try_from(keep) {
        // Below a tenth of the unit: nothing is left.
        Err(_) => false,
        Ok(keep) => {
            let last_is_odd = keep
                .checked_sub(1)
                .and_then(|i| digits.get(i))
                .is_some_and(|digit| digit & 1 != 0);
            match digits.get(keep) {
                Some(b'6'..=b'9') => true,
                // Trailing zeros have been cut off, so any further digit means "more than a half".
                Some(b'5') => digits.len() > keep + 1 || last_is_odd,
                _ => false,
            }
        }
    };
    digits.truncate(usize::try_from(keep).unwrap_or(0));
    if up {
        loop {
            match digits.pop() {
                Some(b'9') => {}
                Some(digit) => {
                    digits.push(digit + 1);
                    break;
                }
                None => {
                    digits.push(b'1');
                    point += 1;
                    break;
                }
            }
        }
    }
    if digits.is_empty() {
        return 0.0_f64.copysign(x);
    }
    let mut text = String::with_capacity(digits.len() + 8);
    text.push_str("0.");
    text.extend(digits.iter().map(|&digit| char::from(digit)));
    text.push('e');
    text.push_str(&point.to_string());
    text.parse().unwrap_or(x).copysign(x)
}

// ---- gamma ---------------------------------------------------------------------------------------

/// `(n - 1)!` for n from 1: the factorials that are exact in a double.
const FACTORIALS: [f64; 23] = {
    let mut table = [1.0; 23];
    let mut n = 1;
    while n < 23 {
        table[n] = table[n - 1] * n as f64;
        n += 1;
    }
    table
};

/// `math.gamma`. Where Python raises: nan at negative integers and -inf, an infinity with the sign of x
/// at zeros, inf on overflow.
pub extern "C" fn gamma(x: f64) -> f64 {
    if !x.is_finite() {
        return if x == f64::NEG_INFINITY { f64::NAN } else { x };
    }
    if x == 0.0 {
        return f64::INFINITY.copysign(x);
    }
    if x == x.floor() {
        if x < 0.0 {
            return f64::NAN;
        }
        if let Some(&factorial) = FACTORIALS.get(x as usize - 1) {
            return factorial;
        }
    }
    // 1/x is the first term of the series at 0, and all of it there.
    if x.abs() < 1e-20 {
        return 1.0 / x;
    }
    if x > 200.0 {
        return f64::INFINITY;
    }
    if x < -200.0 {
        // Below the smallest double; the sign alternates between the poles.
        return if x.floor() % 2.0 == 0.0 { 0.0 } else { -0.0 };
    }
    libm::tgamma(x)
}

/// `math.lgamma`: the logarithm of |gamma(x)|; inf at the poles, where Python raises.
pub extern "C" fn lgamma(x: f64) -> f64 {
    if !x.is_finite() {
        return x.abs();
    }
    if x == x.floor() && x <= 2.0 {
        return if x <= 0.0 { f64::INFINITY } else { 0.0 };
    }
    let mut sign = 0;
    // SAFETY: `sign` is writable.
    unsafe { libm::lgamma_r(x, &mut sign) }
}

// ---- representation ------------------------------------------------------------------------------

/// `math.frexp`: x = mantissa * 2**exponent, 0.5 <= |mantissa| < 1; zeros, infinities and nan come back
/// with exponent 0.
///
/// # Safety
/// `mantissa` and `exponent` are writable.
pub unsafe extern "C" fn frexp(x: f64, mantissa: *mut f64, exponent: *mut i64) {
    let (m, e) = split(x);
    // SAFETY: as promised.
    unsafe {
        *mantissa = m;
        *exponent = e;
    }
}

fn split(x: f64) -> (f64, i64) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    // Subnormal numbers are scaled by 2**64 first.
    let (x, scaled) = if x.is_subnormal() {
        (x * 18_446_744_073_709_551_616.0, 64)
    } else {
        (x, 0)
    };
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff).cast_signed();
    let mantissa = f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52);
    (mantissa, biased - 1022 - scaled)
}

/// `math.ldexp`: x * 2**n; overflow gives an infinity, where Python raises.
pub extern "C" fn ldexp(x: f64, n: i64) -> f64 {
    // No double survives more than 2200 doublings or halvings.
    libm::ldexp(x, n.clamp(-5000, 5000) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float16_goes_through_float32() {
        for bits in 0..=u16::MAX {
            let value = half_to_single(bits);
            let back = single_to_half(value);
            if value.is_nan() {
                assert!(half_to_single(back).is_nan());
            } else {
                assert_eq!(back, bits);
            }
        }
        assert_eq!(half_nextafter(0.0, -1.0), -2f32.powi(-24));
        assert_eq!(half_nextafter(65504.0, f32::INFINITY), f32::INFINITY);
        assert_eq!(half_nextafter(-1.0, 1.0), -0.999_511_7);
        assert_eq!(half_spacing(-2.0), half_spacing(1.0));
        assert!(half_spacing(f32::NEG_INFINITY).is_nan());
        assert_eq!(half_to_single(0x3c01), 1.000_976_6);
        assert_eq!(single_to_half(65519.0), 0x7bff);
        assert_eq!(single_to_half(65520.0), 0x7c00);
        assert_eq!(single_to_half(2f32.powi(-25)), 0);
        assert_eq!(single_to_half(1.000_488_3), 0x3c00);
    }

    #[test]
    fn negative_exponents_of_integers() {
        assert_eq!(ipow(1, -7), 1);
        assert_eq!(ipow(-1, -7), -1);
        assert_eq!(ipow(-1, i64::MIN), 1);
        assert_eq!(ipow(2, -1), 0);
        assert_eq!(ipow(i64::MIN, -1), 0);
        assert_eq!(ipow(0, -1), i64::MIN);
        assert_eq!(upow(3, -1), power(3, u64::MAX).cast_signed());
    }

    #[test]
    fn gcd_of_the_smallest_integer() {
        assert_eq!(gcd(i64::MIN, 0), i64::MIN);
        assert_eq!(gcd(i64::MIN, i64::MIN), i64::MIN);
        assert_eq!(gcd(i64::MIN, 6), 2);
    }

    #[test]
    fn results_instead_of_errors() {
        let same = |found: f64, expected: f64| {
            assert!(
                found.is_nan() && expected.is_nan() || found.to_bits() == expected.to_bits(),
                "{found} {expected}"
            );
        };
        same(fpow(-8.0, 1.0 / 3.0), f64::NAN);
        same(fpow(0.0, -1.5), f64::INFINITY);
        same(fpow(-0.0, -3.0), f64::NEG_INFINITY);
        same(fpow(-0.0, -2.0), f64::INFINITY);
        same(fpow(1e200, 2.0), f64::INFINITY);
        same(fpow(1.0, f64::NAN), 1.0);
        same(fpow(f64::NAN, 0.0), 1.0);
        same(f64::from(fpowf(-0.0, -3.0)), f64::NEG_INFINITY);
        same(fpowi(0.0, -1), f64::INFINITY);
        same(gamma(0.0), f64::INFINITY);
        same(gamma(-0.0), f64::NEG_INFINITY);
        same(gamma(-3.0), f64::NAN);
        same(gamma(f64::NEG_INFINITY), f64::NAN);
        same(gamma(172.0), f64::INFINITY);
        same(gamma(1e300), f64::INFINITY);
        same(gamma(-1e300), f64::NAN);
        same(lgamma(0.0), f64::INFINITY);
        same(lgamma(-7.0), f64::INFINITY);
        same(lgamma(f64::NEG_INFINITY), f64::INFINITY);
        same(lgamma(1e306), f64::INFINITY);
        same(ldexp(1.0, i64::MAX), f64::INFINITY);
        same(ldexp(-1.0, 1024), f64::NEG_INFINITY);
        same(round_digits(1.5e308, -308), f64::INFINITY);
    }

    #[test]
    fn both_ways_of_rounding_agree() {
        let check = |x: f64| {
            for ndigits in [0, 1, 2, 5, 10] {
                if let Some(fast) = round_fast(x, ndigits) {
                    let exact = round_exactly(x, ndigits);
                    assert_eq!(fast.to_bits(), exact.to_bits(), "{x} {ndigits}");
                }
            }
        };
        let mut x = 0.000_123;
        for i in 0..5_000 {
            x = x * 1.004 + f64::from(i % 7) / 8.0;
            check(x);
            // Ties, and what is nearly one.
            let tie = f64::from(i) / 16.0;
            let nearly = f64::from(10 * i + 5) / 1000.0;
            for x in [tie, nearly, nearly.next_up(), -nearly.next_down()] {
                check(x);
            }
        }
    }
}
