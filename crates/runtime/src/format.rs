//! Numbers as text, as CPython's `str` and `repr` write them.
//!
//! Rust's formatter gives the shortest digits that read back as the same number, which is also what
//! CPython asks for; only the arrangement (when an exponent is written, and how) is Python's.

use core::fmt::{LowerExp, Write};

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

/// Appends `text`. A `String` takes everything.
fn put(out: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Appends a finite number: in positional notation if its exponent is in -4..16, and then, if `point`,
/// with ".0" behind an integer.
fn put_finite(out: &mut String, x: impl LowerExp, negative: bool, point: bool) {
    let (digits, exponent) = split(&format!("{x:e}"));
    let digits = str::from_utf8(&digits).unwrap_or_default();
    if negative {
        out.push('-');
    }
    if (-4..16).contains(&exponent) {
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
        put_finite(out, x.abs(), x.is_sign_negative(), point);
    }
}

/// `repr(x)` of a float.
pub fn repr_f64(x: f64) -> String {
    let mut out = String::with_capacity(24);
    put_f64(&mut out, x, true);
    out
}

/// `str(x)` of a `numpy.float32`: the same arrangement of the digits that tell float32 numbers apart.
pub fn repr_f32(x: f32) -> String {
    if !x.is_finite() {
        return repr_f64(f64::from(x));
    }
    let mut out = String::with_capacity(24);
    put_finite(&mut out, x.abs(), x.is_sign_negative(), true);
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
