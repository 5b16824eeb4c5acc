//! Numbers as text, as CPython's `str` and `repr` write them.
//!
//! Rust's formatter gives the shortest digits that read back as the same number, which is also what
//! CPython asks for; only the arrangement (when an exponent is written, and how) is Python's.

use core::fmt::{LowerExp, Write};
use core::str::FromStr;

use ferdelance_abi::layout::Str;

use crate::string::str_new;

/// The exact decimal value of a positive finite number: its digits (as characters, without zeros at
/// either end) and the position of the point: 0.d1 d2 d3 ... * 10**point.
pub(crate) fn exact_digits(x: f64) -> (Vec<u8>, i32) {
    // No double has more than 767 significant digits.
    let (mut digits, exponent) = split(&format!("{x:.766e}"));
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    (digits, exponent + 1)
}

/// Digits and exponent of a number in Rust's scientific notation, sign left out.
fn split(text: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    (digits, exponent.parse().unwrap_or(0))
}

/// The two widths.
trait Float: LowerExp + FromStr + PartialEq + Copy {
    /// Decimals of this many digits read back as different numbers.
    const DIGITS: usize;
    fn value(self) -> f64;
}

impl Float for f64 {
    const DIGITS: usize = 15;
    fn value(self) -> f64 {
        self
    }
}

impl Float for f32 {
    const DIGITS: usize = 6;
    fn value(self) -> f64 {
        f64::from(self)
    }
}

/// The shortest digits that read back as `x` (positive and finite), the nearest to `x` among them, and
/// its decimal exponent.
///
/// If x lies in the middle between two such decimals, Python takes the even one and Rust's formatter
/// the larger one. All of x then has one digit more, and more than `DIGITS`, else it would be the only
/// one to read back as x.
fn shortest<F: Float>(x: F) -> (Vec<u8>, i32) {
    let (digits, exponent) = split(&format!("{x:e}"));
    if let Some((last, rest)) = digits.split_last()
        && last & 1 != 0
        && digits.len() >= F::DIGITS
        && in_the_middle(x.value(), digits.len())
    {
        let mut even = rest.to_vec();
        even.push(last - 1);
        // Below a power of two the interval of rounding is shorter, and may end before the middle.
        if value::<F>(&even, exponent) == Some(x) {
            return (even, exponent);
        }
    }
    (digits, exponent)
}

/// Whether `x` lies in the middle between two decimals of `len` digits.
fn in_the_middle(x: f64, len: usize) -> bool {
    let ends_in_five = |digits: &[u8]| digits.len() == len + 1 && digits.last() == Some(&b'5');
    // First the test that does not take all of x's digits, which is right nine times out of ten.
    ends_in_five(&split(&format!("{x:.len$e}")).0) && ends_in_five(&exact_digits(x).0)
}

/// The number d.ddd * 10**exponent.
fn value<F: Float>(digits: &[u8], exponent: i32) -> Option<F> {
    let digits = str::from_utf8(digits).ok()?;
    let places = i32::try_from(digits.len()).ok()?.checked_sub(1)?;
    format!("{digits}e{}", exponent - places).parse().ok()
}

/// Appends `text`. A `String` takes everything.
fn put(out: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Appends a finite number: in positional notation if `positional` (of its exponent), and then, if
/// `point`, with ".0" behind an integer.
fn put_finite<F: Float>(
    out: &mut String,
    x: F,
    negative: bool,
    positional: impl FnOnce(i32) -> bool,
    point: bool,
) {
    let (digits, exponent) = shortest(x);
    let digits = str::from_utf8(&digits).unwrap_or_default();
    if negative {
        out.push('-');
    }
    if positional(exponent) {
        match usize::try_from(exponent) {
            Err(_) => {
                out.push_str("0.");
                for _ in 0..-exponent - 1 {
                    out.push('0');
                }
                out.push_str(digits);
            }
            Ok(exponent) if digits.len() <= exponent + 1 => {
                out.push_str(digits);
                for _ in digits.len()..=exponent {
                    out.push('0');
                }
                if point {
                    out.push_str(".0");
                }
            }
            Ok(exponent) => {
                let (whole, fraction) = digits
                    .split_at_checked(exponent + 1)
                    .unwrap_or((digits, ""));
                put(out, format_args!("{whole}.{fraction}"));
            }
        }
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            put(out, format_args!(".{rest}"));
        }
        put(out, format_args!("e{exponent:+03}"));
    }
}

/// Appends a float as `repr` writes it, or without the ".0" of integers as `repr` of a complex number
/// does.
pub fn put_f64(out: &mut String, x: f64, point: bool) {
    if x.is_nan() {
        out.push_str("nan");
    } else if x.is_infinite() {
        out.push_str(if x < 0.0 { "-inf" } else { "inf" });
    } else {
        let positional = |exponent| (-4..16).contains(&exponent);
        put_finite(out, x.abs(), x.is_sign_negative(), positional, point);
    }
}

/// `repr(x)` of a float.
pub fn repr_f64(x: f64) -> String {
    let mut out = String::with_capacity(24);
    put_f64(&mut out, x, true);
    out
}

/// `str(x)` of a `numpy.float32` (NumPy 2.4): the digits that tell float32 numbers apart, with an
/// exponent from a million on and below 0.0001.
pub fn repr_f32(x: f32) -> String {
    if !x.is_finite() {
        return repr_f64(f64::from(x));
    }
    let mut out = String::with_capacity(24);
    let magnitude = x.abs();
    // By the number, not by its digits: the float32 nearest to 1e-4 lies below it.
    let positional = x == 0.0 || (1e-4..1e6).contains(&f64::from(magnitude));
    put_finite(
        &mut out,
        magnitude,
        x.is_sign_negative(),
        |_| positional,
        true,
    );
    out
}

/// `repr(z)` of a complex number.
pub fn repr_complex(re: f64, im: f64) -> String {
    let mut out = String::with_capacity(48);
    if re == 0.0 && re.is_sign_positive() {
        put_f64(&mut out, im, false);
        out.push('j');
        return out;
    }
    out.push('(');
    put_f64(&mut out, re, false);
    if im.is_nan() || im.is_sign_positive() {
        out.push('+');
    }
    put_f64(&mut out, im, false);
    out.push_str("j)");
    out
}

/// `str(x)` of a signed integer.
pub extern "C" fn str_from_i64(x: i64) -> *mut Str {
    str_new(&x.to_string())
}

/// `str(x)` of an unsigned integer (the bits of `x`).
pub extern "C" fn str_from_u64(x: i64) -> *mut Str {
    str_new(&x.cast_unsigned().to_string())
}

/// `str(x)` of a float.
pub extern "C" fn str_from_f64(x: f64) -> *mut Str {
    str_new(&repr_f64(x))
}

/// `str(x)` of a `numpy.float32`.
pub extern "C" fn str_from_f32(x: f32) -> *mut Str {
    str_new(&repr_f32(x))
}

/// `str(x)` of a bool.
pub extern "C" fn str_from_bool(x: u8) -> *mut Str {
    str_new(if x != 0 { "True" } else { "False" })
}

/// `str(z)` of a complex number.
pub extern "C" fn str_from_complex(re: f64, im: f64) -> *mut Str {
    str_new(&repr_complex(re, im))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_digits_are_all_of_them() {
        let digits = |x| {
            let (digits, point) = exact_digits(x);
            (String::from_utf8(digits).unwrap(), point)
        };
        assert_eq!(digits(1.0), ("1".into(), 1));
        assert_eq!(digits(1500.0), ("15".into(), 4));
        assert_eq!(digits(0.0625), ("625".into(), -1));
        assert_eq!(digits(0.1).0.len(), 55);
        assert_eq!(digits(f64::MIN_POSITIVE.next_down()).0.len(), 767);
    }

    #[test]
    fn the_even_one_of_two_nearest() {
        assert_eq!(repr_f64(2_f64.powi(50) + 0.25), "1125899906842624.2");
        assert_eq!(repr_f64(2_f64.powi(50) + 0.75), "1125899906842624.8");
        assert_eq!(repr_f32(2_427_707.0 + 0.25), "2.4277072e+06");
        // The lower one reads back as another number.
        assert_eq!(repr_f64(2_f64.powi(-24)), "5.960464477539063e-08");
    }

    #[test]
    fn what_reads_back() {
        let mut x = 1.234e-300_f64;
        while x.is_finite() {
            assert_eq!(repr_f64(x).parse::<f64>().unwrap().to_bits(), x.to_bits());
            x *= -1.37;
        }
    }
}
