//! Every function with a counterpart in Python against what CPython 3.11 gives: the tables beside this
//! file, which `reference.py` writes.

use std::ffi::c_void;

use ferdelance_abi::layout::Str;
use ferdelance_runtime::complex::{self, Complex};
use ferdelance_runtime::format::{repr_complex, repr_f32, repr_f64};
use ferdelance_runtime::string::{self, StrRef};
use ferdelance_runtime::{Error, hash, number, take};

/// Calls `check` with the name and the other cells of each line; it gives what is wrong, if anything.
fn each_line(table: &str, check: impl Fn(&str, &[&str]) -> Result<(), String>) {
    let mut failures = Vec::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        if let Err(found) = check(cells[0], &cells[1..]) {
            failures.push(format!("{line}   found {found}"));
        }
    }
    let shown = failures
        .iter()
        .take(40)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(failures.is_empty(), "{} differ:\n{shown}", failures.len());
}

fn float(cell: &str) -> f64 {
    cell.parse()
        .unwrap_or_else(|_| panic!("not a float: {cell}"))
}

fn int(cell: &str) -> i64 {
    cell.parse()
        .unwrap_or_else(|_| panic!("not an integer: {cell}"))
}

/// Equal, signs of zeros included, or as many units in the last place apart.
fn close(found: f64, expected: f64, ulps: u64) -> bool {
    if expected.is_nan() || found.is_nan() {
        return expected.is_nan() && found.is_nan();
    }
    if found.is_sign_negative() != expected.is_sign_negative() {
        return false;
    }
    found.to_bits().abs_diff(expected.to_bits()) <= ulps
}

fn check(found: f64, expected: &str, ulps: u64) -> Result<(), String> {
    if close(found, float(expected), ulps) {
        Ok(())
    } else {
        Err(repr_f64(found))
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

#[test]
fn complex_functions() {
    each_line(include_str!("complex.tsv"), |name, cells| {
        let x: Vec<f64> = cells.iter().map(|cell| float(cell)).collect();
        let z = Complex { re: x[0], im: x[1] };
        let w = Complex {
            re: x[x.len() - 4],
            im: x[x.len() - 3],
        };
        let found = match name {
            "exp" => complex::exp(z),
            "log" => complex::log(z),
            "log10" => complex::log10(z),
            "sqrt" => complex::sqrt(z),
            "sin" => complex::sin(z),
            "cos" => complex::cos(z),
            "tan" => complex::tan(z),
            "sinh" => complex::sinh(z),
            "cosh" => complex::cosh(z),
            "tanh" => complex::tanh(z),
            "asin" => complex::asin(z),
            "acos" => complex::acos(z),
            "atan" => complex::atan(z),
            "asinh" => complex::asinh(z),
            "acosh" => complex::acosh(z),
            "atanh" => complex::atanh(z),
            "rect" => complex::rect(z.re, z.im),
            "div" => complex::div(z, w),
            "pow" => complex::pow(z, w),
            _ => panic!("{name}"),
        };
        let expected = &x[x.len() - 2..];
        if close(found.re, expected[0], 4) && close(found.im, expected[1], 4) {
            Ok(())
        } else {
            Err(format!("{} {}", repr_f64(found.re), repr_f64(found.im)))
        }
    });
}

#[test]
fn numbers() {
    each_line(include_str!("numbers.tsv"), |name, cells| {
        match (name, cells) {
            ("floordiv", [a, b, r]) => check(number::ffloordiv(float(a), float(b)), r, 0),
            ("mod", [a, b, r]) => check(number::fmod_py(float(a), float(b)), r, 0),
            ("pow", [a, b, r]) => check(number::fpow(float(a), float(b)), r, 1),
            ("powi", [a, n, r]) => check(number::fpowi(float(a), int(n)), r, 1),
            ("round", [x, n, r]) => check(number::round_digits(float(x), int(n)), r, 0),
            ("gamma" | "lgamma", [x, r]) => {
                let (x, expected) = (float(x), float(r));
                let found = if name == "gamma" {
                    number::gamma(x)
                } else {
                    number::lgamma(x)
                };
                // CPython's own lgamma cancels near its zeros.
                let tolerance = 1e-13 * expected.abs() + if name == "gamma" { 0.0 } else { 1e-14 };
                if close(found, expected, 0) || (found - expected).abs() <= tolerance {
                    Ok(())
                } else {
                    Err(repr_f64(found))
                }
            }
            ("frexp", [x, m, e]) => {
                let (mut mantissa, mut exponent) = (0.0, 0);
                // SAFETY: both results are writable.
                unsafe { number::frexp(float(x), &mut mantissa, &mut exponent) };
                check(mantissa, m, 0)?;
                equal(exponent, int(e))
            }
            ("ldexp", [x, n, r]) => check(number::ldexp(float(x), int(n)), r, 0),
            ("gcd", [a, b, r]) => equal(number::gcd(int(a), int(b)), int(r)),
            ("ipow", [a, b, r]) => equal(number::ipow(int(a), int(b)), int(r)),
            ("upow", [a, b, r]) => equal(number::upow(int(a), int(b)), int(r)),
            ("hash_i64", [n, r]) => equal(hash::hash_i64(int(n)), int(r)),
            ("hash_u64", [n, r]) => equal(hash::hash_u64(int(n)), int(r)),
            ("hash_f64", [x, r]) => equal(hash::hash_f64(float(x)), int(r)),
            ("hash_complex", [re, im, r]) => {
                equal(hash::hash_complex(float(re), float(im)), int(r))
            }
            ("hash_tuple", [items @ .., r]) => {
                let state = items.iter().fold(hash::TUPLE_HASH_START, |state, item| {
                    hash::hash_tuple_step(state, hash::hash_i64(int(item)))
                });
                equal(hash::hash_tuple_end(state, items.len() as i64), int(r))
            }
            _ => panic!("{name} {cells:?}"),
        }
    });
}

/// The string of a cell: code points in hexadecimal.
fn text(cell: &str) -> StrRef {
    let points: Vec<u32> = cell
        .split_whitespace()
        .map(|point| u32::from_str_radix(point, 16).unwrap())
        .collect();
    // SAFETY: four bytes a code point; the result is owned.
    unsafe {
        StrRef::from_raw(string::str_from_ucs(
            4,
            points.as_ptr().cast(),
            points.len(),
        ))
    }
}

/// The cell of a string.
fn cell(s: &StrRef) -> String {
    s.chars()
        .iter()
        .map(|point| format!("{point:x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Takes over the result of an operation.
fn owned(s: *mut Str) -> StrRef {
    // SAFETY: results are owned by the receiver.
    let s = unsafe { StrRef::from_raw(s) };
    // The invariant on which equality rests: narrowest width, right flag.
    let largest = s.chars().iter().max().unwrap_or(0);
    // SAFETY: alive.
    let (kind, ascii) = unsafe { ((*s.as_ptr()).kind, (*s.as_ptr()).ascii) };
    assert_eq!(
        kind,
        if largest < 0x100 {
            1
        } else if largest < 0x10000 {
            2
        } else {
            4
        },
        "{s}"
    );
    assert_eq!(ascii, u32::from(largest < 128), "{s}");
    s
}

/// Takes over the result of an operation that may fail.
fn ok(operation: impl FnOnce(*mut *mut Str) -> *mut Error) -> StrRef {
    let mut s = std::ptr::null_mut();
    let error = operation(&mut s);
    assert!(error.is_null());
    owned(s)
}

#[test]
fn texts() {
    // SAFETY, for all operations below: the strings are alive, and results are writable.
    each_line(include_str!("text.tsv"), |name, cells| {
        match (name, cells) {
            ("f64", [x, r]) => equal(repr_f64(float(x)), r.to_string()),
            ("f32", [x, r]) => equal(repr_f32(float(x) as f32), r.to_string()),
            ("complex", [re, im, r]) => equal(repr_complex(float(re), float(im)), r.to_string()),
            ("repr", [s, r]) => {
                let s = text(s);
                // SAFETY: see above.
                equal(
                    cell(&owned(unsafe { string::str_repr(s.as_ptr()) })),
                    r.to_string(),
                )
            }
            ("hash", [s, r]) => {
                let s = text(s);
                // SAFETY: see above.
                let (first, second) =
                    unsafe { (string::str_hash(s.as_ptr()), string::str_hash(s.as_ptr())) };
                equal(first, int(r))?;
                equal(second, first)
            }
            ("compare", [a, b, r]) => {
                let (a, b) = (text(a), text(b));
                // SAFETY: see above.
                let (order, same) = unsafe {
                    (
                        string::str_cmp(a.as_ptr(), b.as_ptr()),
                        string::str_eq(a.as_ptr(), b.as_ptr()),
                    )
                };
                equal(order, int(r))?;
                equal(same == 1, order == 0)
            }
            ("contains", [a, b, r]) => {
                let (a, b) = (text(a), text(b));
                // SAFETY: see above.
                equal(
                    i64::from(unsafe { string::str_contains(a.as_ptr(), b.as_ptr()) }),
                    int(r),
                )
            }
            ("concat", [a, b, r]) => {
                let (a, b) = (text(a), text(b));
                // SAFETY: see above.
                let found = ok(|out| unsafe { string::str_concat(a.as_ptr(), b.as_ptr(), out) });
                equal(cell(&found), r.to_string())
            }
            ("repeat", [s, n, r]) => {
                let s = text(s);
                // SAFETY: see above.
                let found = ok(|out| unsafe { string::str_repeat(s.as_ptr(), int(n), out) });
                equal(cell(&found), r.to_string())
            }
            ("slice", [s, start, count, step, r]) => {
                let s = text(s);
                // SAFETY: see above.
                let found =
                    unsafe { string::str_slice(s.as_ptr(), int(start), int(count), int(step)) };
                equal(cell(&owned(found)), r.to_string())
            }
            _ => panic!("{name} {cells:?}"),
        }
    });
}

#[test]
fn strings_that_are_too_large_are_errors() {
    let s = text("61 62 63");
    let mut out = std::ptr::dangling_mut::<c_void>().cast();
    // SAFETY: the string is alive, the result writable, the errors are ours.
    unsafe {
        let error = take(string::str_repeat(s.as_ptr(), i64::MAX, &mut out));
        assert_eq!(error.message().unwrap(), "repeated string is too long");
        assert!(out.is_null());
        let error = take(string::str_repeat(s.as_ptr(), 1 << 60, &mut out));
        assert_eq!(error.kind, ferdelance_runtime::Kind::MemoryError);
    }
}
