//! Strings: immutable, reference-counted, stored as CPython stores them (1, 2 or 4 bytes a character,
//! the narrowest that holds all of them), so that text crosses the boundary by copying.
//!
//! Because the narrowest width is always used, equal strings have equal bytes. Single characters
//! below 256 and the empty string exist once and live forever.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::fmt;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicI64, AtomicUsize};
use std::hash::Hasher;
use std::panic::catch_unwind;
use std::sync::OnceLock;

use ferdelance_abi::layout::{IMMORTAL, Str};

use crate::error::{Error, Kind};
use crate::hash::not_minus_one;
use crate::memory::{Event, count};
use crate::object::{is_immortal, obj_release, obj_retain};

// ---- characters ----------------------------------------------------------------------------------

/// The characters of a string.
#[derive(Clone, Copy, Debug)]
pub enum Chars<'a> {
    One(&'a [u8]),
    Two(&'a [u16]),
    Four(&'a [u32]),
}

/// Runs the same code for each width of characters.
macro_rules! each_width {
    ($chars:expr, $units:ident => $body:expr) => {
        match $chars {
            Chars::One($units) => $body,
            Chars::Two($units) => $body,
            Chars::Four($units) => $body,
        }
    };
}

fn widened(unit: impl Into<u32>) -> u32 {
    unit.into()
}

impl<'a> Chars<'a> {
    /// Characters in the form in which CPython gives them.
    ///
    /// # Safety
    /// `data` points to `len` aligned units of `kind` bytes (1, 2 or 4) that live for `'a`.
    pub unsafe fn new(kind: u32, data: *const u8, len: usize) -> Chars<'a> {
        if len == 0 {
            return Chars::One(&[]);
        }
        // SAFETY: as promised.
        unsafe {
            match kind {
                1 => Chars::One(slice::from_raw_parts(data, len)),
                2 => Chars::Two(slice::from_raw_parts(data.cast(), len)),
                _ => Chars::Four(slice::from_raw_parts(data.cast(), len)),
            }
        }
    }

    pub fn len(self) -> usize {
        each_width!(self, units => units.len())
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The code point at `i`, if there is one.
    pub fn get(self, i: usize) -> Option<u32> {
        each_width!(self, units => units.get(i).map(|&unit| widened(unit)))
    }

    /// The code points.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.len()).map_while(move |i| self.get(i))
    }

    /// The bytes as they lie in memory.
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: the bytes of initialised integers.
        each_width!(self, units => unsafe { slice::from_raw_parts(units.as_ptr().cast(), size_of_val(units)) })
    }

    /// An upper bound of the code points, exact up to the limits that decide width and `ascii`.
    fn bound(self) -> u32 {
        each_width!(self, units => units.iter().fold(0, |all, &unit| all | widened(unit)))
    }
}

/// Bytes a character that code points up to `bound` need. A bitwise or of code points will do as well:
/// it has as many bits as the largest.
fn kind_for(bound: u32) -> u32 {
    match bound {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

// ---- making strings ------------------------------------------------------------------------------

const HEADER: usize = size_of::<Str>();

/// Bytes of text of a string.
///
/// # Safety
/// `s` is a live string.
unsafe fn text_size(s: *const Str) -> usize {
    // SAFETY: as promised. The product was checked when the string was made.
    unsafe { (*s).len * (*s).kind as usize }
}

/// The first byte of the text.
fn text(s: *const Str) -> *mut u8 {
    s.cast_mut().wrapping_add(1).cast()
}

/// A string with count 1 whose text is not written yet; `None` if there is no memory.
fn allocate(len: usize, bound: u32) -> Option<NonNull<Str>> {
    let kind = kind_for(bound);
    let size = len.checked_mul(kind as usize)?;
    let total = size
        .checked_add(HEADER)
        .filter(|&total| isize::try_from(total).is_ok())?;
    // SAFETY: the size is not zero.
    let s = NonNull::new(unsafe { libc::malloc(total) })?.cast::<Str>();
    let header = Str {
        count: AtomicUsize::new(1),
        len,
        kind,
        ascii: u32::from(bound < 128),
        hash: -1,
    };
    // SAFETY: new memory that is large enough and aligned for everything.
    unsafe { s.as_ptr().write(header) };
    count(Event::ObjectMade(size));
    Some(s)
}

/// Writes characters into a string that is being made, from character `at` on.
///
/// # Safety
/// `s` was made by [`allocate`] with room for them, and a bound that covers them.
unsafe fn write(s: NonNull<Str>, at: usize, chars: Chars<'_>) {
    let s = s.as_ptr();
    // SAFETY: there is room for all characters at the string's width, which is not narrower.
    unsafe {
        let kind = (*s).kind;
        match (kind, chars) {
            (1, Chars::One(units)) => {
                ptr::copy_nonoverlapping(units.as_ptr(), text(s).add(at), units.len())
            }
            (2, Chars::Two(units)) => {
                ptr::copy_nonoverlapping(
                    units.as_ptr(),
                    text(s).cast::<u16>().add(at),
                    units.len(),
                );
            }
            (4, Chars::Four(units)) => {
                ptr::copy_nonoverlapping(
                    units.as_ptr(),
                    text(s).cast::<u32>().add(at),
                    units.len(),
                );
            }
            _ => {
                for (i, unit) in chars.iter().enumerate() {
                    put(s, at + i, unit);
                }
            }
        }
    }
}

/// Writes one character.
///
/// # Safety
/// As [`write`].
unsafe fn put(s: *mut Str, at: usize, unit: u32) {
    // SAFETY: as promised; the casts lose nothing, because the width covers the character.
    unsafe {
        match (*s).kind {
            1 => *text(s).add(at) = unit as u8,
            2 => *text(s).cast::<u16>().add(at) = unit as u16,
            _ => *text(s).cast::<u32>().add(at) = unit,
        }
    }
}

/// A string of the characters: a new one, or one of those that live forever.
fn make(chars: Chars<'_>) -> Option<NonNull<Str>> {
    if let Some(known) = known(chars.len(), || chars.get(0)) {
        return Some(known);
    }
    let s = allocate(chars.len(), chars.bound())?;
    // SAFETY: as large and as wide as the characters.
    unsafe { write(s, 0, chars) };
    Some(s)
}

/// The immortal string of `len` characters, if `len` is small enough and the character too.
fn known(len: usize, first: impl FnOnce() -> Option<u32>) -> Option<NonNull<Str>> {
    match len {
        0 => NonNull::new(EMPTY.0.get()),
        1 => Some(SINGLES.get(first()? as usize)?.pointer()),
        _ => None,
    }
}

/// Ends the process where there is no memory and no way to say so.
fn or_die(s: Option<NonNull<Str>>) -> *mut Str {
    match s {
        Some(s) => s.as_ptr(),
        None => std::alloc::handle_alloc_error(std::alloc::Layout::new::<Str>()),
    }
}

const fn immortal_header(len: usize, ascii: bool) -> Str {
    Str {
        count: AtomicUsize::new(IMMORTAL),
        len,
        kind: 1,
        ascii: ascii as u32,
        hash: -1,
    }
}

struct Empty(UnsafeCell<Str>);
// SAFETY: what changes in a string (count, hash) is changed atomically.
unsafe impl Sync for Empty {}
static EMPTY: Empty = Empty(UnsafeCell::new(immortal_header(0, true)));

/// A string of one character below 256.
struct Single(UnsafeCell<SingleLayout>);
#[repr(C)]
struct SingleLayout {
    header: Str,
    text: u8,
}
// SAFETY: as for `Empty`.
unsafe impl Sync for Single {}

impl Single {
    fn pointer(&'static self) -> NonNull<Str> {
        // The header is the first field.
        NonNull::from(&self.0).cast()
    }
}

static SINGLES: [Single; 256] = {
    let mut all = [const {
        Single(UnsafeCell::new(SingleLayout {
            header: immortal_header(1, true),
            text: 0,
        }))
    }; 256];
    let mut i = 0;
    while i < 256 {
        all[i] = Single(UnsafeCell::new(SingleLayout {
            header: immortal_header(1, i < 128),
            text: i as u8,
        }));
        i += 1;
    }
    all
};

/// A new string, owned by the caller. Ends the process if there is no memory.
pub fn str_new(text: &str) -> *mut Str {
    or_die(if text.is_ascii() {
        make(Chars::One(text.as_bytes()))
    } else {
        make_wide(text)
    })
}

fn make_wide(text: &str) -> Option<NonNull<Str>> {
    let units: Vec<u32> = text.chars().map(u32::from).collect();
    make(Chars::Four(&units))
}

/// A string that is never freed: for literals, whose code may outlive every count. Not in
/// [`crate::memory::Stats`].
pub fn str_immortal(text: &str) -> *mut Str {
    let s = str_new(text);
    // SAFETY: nobody else has the string yet, unless it is immortal already.
    unsafe {
        if !is_immortal(s.cast()) {
            count(Event::ObjectFreed(text_size(s)));
            (*s).count.store(IMMORTAL, Relaxed);
        }
    }
    s
}

/// A string of the characters that CPython stores as `len` units of `kind` bytes, owned by the caller;
/// null if there is no memory. They need not be in the narrowest width.
///
/// # Safety
/// `data` points to `len` aligned, initialised units of `kind` bytes (1, 2 or 4).
pub unsafe fn str_from_ucs(kind: u32, data: *const u8, len: usize) -> *mut Str {
    // SAFETY: passed on.
    make(unsafe { Chars::new(kind, data, len) }).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// The characters of a string.
///
/// # Safety
/// `s` is a string that lives for `'a`.
pub unsafe fn chars<'a>(s: *const Str) -> Chars<'a> {
    // SAFETY: the text lies behind the header.
    unsafe { Chars::new((*s).kind, text(s), (*s).len) }
}

/// Width, address and length of a string's text, as `PyUnicode_FromKindAndData` takes them.
///
/// # Safety
/// `s` is a live string.
pub unsafe fn str_parts(s: *const Str) -> (u32, *const u8, usize) {
    // SAFETY: as promised.
    unsafe { ((*s).kind, text(s).cast_const(), (*s).len) }
}

// ---- references ----------------------------------------------------------------------------------

/// One reference to a string more.
///
/// # Safety
/// `s` is null or a live string.
pub unsafe fn retain(s: *mut Str) {
    // SAFETY: as promised; a string begins as every object does.
    unsafe { obj_retain(s.cast()) }
}

/// One reference to a string less.
///
/// # Safety
/// `s` is null or a live string, of which the caller gives up a reference.
pub unsafe fn release(s: *mut Str) {
    // SAFETY: as promised; a string begins as every object does.
    unsafe { obj_release(s.cast()) }
}

/// Frees a string.
///
/// # Safety
/// `s` has no references left.
pub(crate) unsafe fn free(s: *mut Str) {
    // SAFETY: as promised.
    unsafe {
        count(Event::ObjectFreed(text_size(s)));
        libc::free(s.cast::<c_void>());
    }
}

/// A reference to a string, as Rust likes it.
pub struct StrRef(NonNull<Str>);

// SAFETY: a string does not change, except for its count and hash, which are changed atomically.
unsafe impl Send for StrRef {}
// SAFETY: as above.
unsafe impl Sync for StrRef {}

impl StrRef {
    /// A reference more to a string that somebody else holds.
    ///
    /// # Safety
    /// `s` is a live string, not null.
    pub unsafe fn borrowed(s: *mut Str) -> StrRef {
        // SAFETY: as promised.
        unsafe {
            retain(s);
            StrRef(NonNull::new_unchecked(s))
        }
    }

    /// Takes over a reference.
    ///
    /// # Safety
    /// `s` is a live string, not null, and the caller gives up a reference to it.
    pub unsafe fn from_raw(s: *mut Str) -> StrRef {
        // SAFETY: as promised.
        StrRef(unsafe { NonNull::new_unchecked(s) })
    }

    /// Gives the reference to the caller.
    pub fn into_raw(self) -> *mut Str {
        let s = self.0.as_ptr();
        core::mem::forget(self);
        s
    }

    pub fn as_ptr(&self) -> *mut Str {
        self.0.as_ptr()
    }

    pub fn chars(&self) -> Chars<'_> {
        // SAFETY: this reference keeps the string alive.
        unsafe { chars(self.0.as_ptr()) }
    }

    /// Appends the text; lone surrogates, which Rust's strings cannot hold, become U+FFFD.
    pub fn push_to(&self, out: &mut String) {
        match self.chars() {
            Chars::One(units) if units.is_ascii() => {
                out.push_str(str::from_utf8(units).unwrap_or_default());
            }
            chars => out.extend(chars.iter().map(to_char)),
        }
    }
}

fn to_char(unit: u32) -> char {
    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
}

impl From<&str> for StrRef {
    fn from(text: &str) -> StrRef {
        // SAFETY: a new string, not null.
        unsafe { StrRef::from_raw(str_new(text)) }
    }
}

impl Clone for StrRef {
    fn clone(&self) -> StrRef {
        // SAFETY: this reference keeps the string alive.
        unsafe { StrRef::borrowed(self.as_ptr()) }
    }
}

impl Drop for StrRef {
    fn drop(&mut self) {
        // SAFETY: gives up the reference of `self`.
        unsafe { release(self.as_ptr()) }
    }
}

impl PartialEq for StrRef {
    fn eq(&self, other: &StrRef) -> bool {
        equal(self.chars(), other.chars())
    }
}

impl fmt::Display for StrRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for StrRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

// ---- operations ----------------------------------------------------------------------------------

/// Hands out the result of an operation that may fail.
///
/// # Safety
/// `out` is writable.
unsafe fn give(out: *mut *mut Str, result: Result<NonNull<Str>, (Kind, &str)>) -> *mut Error {
    let (s, error) = match result {
        Ok(s) => (s.as_ptr(), ptr::null_mut()),
        Err((kind, message)) => (ptr::null_mut(), Error::raised(kind, message)),
    };
    // SAFETY: as promised.
    unsafe { *out = s };
    error
}

/// A reference more, as a result.
///
/// # Safety
/// `s` is a live string.
unsafe fn again(s: *mut Str) -> NonNull<Str> {
    // SAFETY: as promised.
    unsafe {
        retain(s);
        NonNull::new_unchecked(s)
    }
}

const NO_MEMORY: (Kind, &str) = (Kind::MemoryError, "out of memory for a string");

/// Whether a length is one that CPython's strings may have.
fn in_range(len: Option<usize>) -> Option<usize> {
    len.filter(|&len| isize::try_from(len).is_ok())
}

/// `a + b`
///
/// # Safety
/// `a` and `b` are live strings, `out` is writable.
pub unsafe extern "C" fn str_concat(a: *mut Str, b: *mut Str, out: *mut *mut Str) -> *mut Error {
    // SAFETY: as promised; the new string has room for both.
    unsafe {
        let (left, right) = (chars(a), chars(b));
        if left.is_empty() {
            return give(out, Ok(again(b)));
        }
        if right.is_empty() {
            return give(out, Ok(again(a)));
        }
        let Some(len) = in_range(left.len().checked_add(right.len())) else {
            return give(
                out,
                Err((Kind::OverflowError, "strings are too large to concat")),
            );
        };
        let made = allocate(len, width_bound(a) | width_bound(b));
        if let Some(s) = made {
            write(s, 0, left);
            write(s, left.len(), right);
        }
        give(out, made.ok_or(NO_MEMORY))
    }
}

/// A code point as wide as the string's widest: enough to choose width and `ascii` without reading.
///
/// # Safety
/// `s` is a live string.
unsafe fn width_bound(s: *const Str) -> u32 {
    // SAFETY: as promised.
    match unsafe { ((*s).ascii, (*s).kind) } {
        (1, _) => 0x7f,
        (_, 1) => 0xff,
        (_, 2) => 0xffff,
        _ => 0x10_ffff,
    }
}

/// `s * n`; a negative n gives "".
///
/// # Safety
/// `s` is a live string, `out` is writable.
pub unsafe extern "C" fn str_repeat(s: *mut Str, n: i64, out: *mut *mut Str) -> *mut Error {
    // SAFETY: as promised; the new string has room for n times the text.
    unsafe {
        let once = chars(s);
        let n = usize::try_from(n).unwrap_or(0);
        if n == 1 {
            return give(out, Ok(again(s)));
        }
        if n == 0 || once.is_empty() {
            return give(out, make(Chars::One(&[])).ok_or(NO_MEMORY));
        }
        let Some(len) = in_range(once.len().checked_mul(n)) else {
            return give(
                out,
                Err((Kind::OverflowError, "repeated string is too long")),
            );
        };
        let made = allocate(len, width_bound(s));
        if let Some(new) = made {
            write(new, 0, once);
            // Doubles what is there.
            let (start, size) = (text(new.as_ptr()), text_size(new.as_ptr()));
            let mut done = once.bytes().len();
            while done < size {
                let more = done.min(size - done);
                ptr::copy_nonoverlapping(start, start.add(done), more);
                done += more;
            }
        }
        give(out, made.ok_or(NO_MEMORY))
    }
}

fn equal(a: Chars<'_>, b: Chars<'_>) -> bool {
    // The narrowest width is always used, so equal strings have the same.
    match (a, b) {
        (Chars::One(a), Chars::One(b)) => a == b,
        (Chars::Two(a), Chars::Two(b)) => a == b,
        (Chars::Four(a), Chars::Four(b)) => a == b,
        _ => false,
    }
}

/// `a == b`
///
/// # Safety
/// `a` and `b` are live strings.
pub unsafe extern "C" fn str_eq(a: *mut Str, b: *mut Str) -> u8 {
    // SAFETY: as promised.
    u8::from(a == b || unsafe { equal(chars(a), chars(b)) })
}

/// -1, 0 or 1 by code points.
///
/// # Safety
/// `a` and `b` are live strings.
pub unsafe extern "C" fn str_cmp(a: *mut Str, b: *mut Str) -> i64 {
    // SAFETY: as promised.
    let (a, b) = unsafe { (chars(a), chars(b)) };
    let order = match (a, b) {
        (Chars::One(a), Chars::One(b)) => a.cmp(b),
        (Chars::Two(a), Chars::Two(b)) => a.cmp(b),
        (Chars::Four(a), Chars::Four(b)) => a.cmp(b),
        _ => a.iter().cmp(b.iter()),
    };
    order as i64
}

/// Number of characters.
///
/// # Safety
/// `s` is a live string.
pub unsafe extern "C" fn str_len(s: *mut Str) -> i64 {
    // SAFETY: as promised. No object is longer than the signed range.
    unsafe { (*s).len as i64 }
}

/// `part in whole`
///
/// # Safety
/// `whole` and `part` are live strings.
pub unsafe extern "C" fn str_contains(whole: *mut Str, part: *mut Str) -> u8 {
    // SAFETY: as promised.
    let found = unsafe {
        let (all, sought) = (chars(whole), chars(part));
        match (all, sought) {
            // Text below 128 is UTF-8, for which the standard library has a fast search.
            (Chars::One(all), Chars::One(sought)) if (*whole).ascii == 1 && (*part).ascii == 1 => {
                str::from_utf8_unchecked(all).contains(str::from_utf8_unchecked(sought))
            }
            _ if (*part).kind > (*whole).kind => false,
            _ => contains(all, sought),
        }
    };
    u8::from(found)
}

/// Knuth, Morris and Pratt's search: linear, and indifferent to widths.
fn contains(all: Chars<'_>, sought: Chars<'_>) -> bool {
    let sought: Vec<u32> = sought.iter().collect();
    let Some(&first) = sought.first() else {
        return true;
    };
    if sought.len() == 1 {
        return all.iter().any(|unit| unit == first);
    }
    // borders[i]: length of the longest proper prefix of sought that ends at i.
    let mut borders = vec![0_usize; sought.len()];
    let step = |borders: &[usize], mut matched: usize, unit: u32| loop {
        if sought.get(matched) == Some(&unit) {
            return matched + 1;
        }
        match matched.checked_sub(1).and_then(|last| borders.get(last)) {
            Some(&border) => matched = border,
            None => return 0,
        }
    };
    let mut matched = 0;
    for i in 1..sought.len() {
        matched = step(&borders, matched, sought[i]);
        borders[i] = matched;
    }
    matched = 0;
    all.iter().any(|unit| {
        matched = step(&borders, matched, unit);
        matched == sought.len()
    })
}

/// The characters of an item of an array up to the last that is not NUL; what is no character is replaced.
///
/// # Safety
/// `data` points to `count` units of `width` bytes (1 or 4), aligned or not.
unsafe fn item_chars(data: *const u8, count: i64, width: i64) -> Vec<u32> {
    let unit = |i: usize| {
        // SAFETY: as promised.
        let unit = unsafe {
            if width == 1 {
                u32::from(*data.add(i))
            } else {
                data.add(4 * i).cast::<u32>().read_unaligned()
            }
        };
        if unit > 0x10_ffff { 0xfffd } else { unit }
    };
    let mut all: Vec<u32> = (0..usize::try_from(count).unwrap_or(0)).map(unit).collect();
    while all.last() == Some(&0) {
        all.pop();
    }
    all
}

/// Number of characters of an item of an array.
///
/// # Safety
/// `data` points to `count` units of `width` bytes (1 or 4).
pub unsafe extern "C" fn chars_len(data: *mut c_void, count: i64, width: i64) -> i64 {
    // SAFETY: passed on.
    unsafe { item_chars(data.cast(), count, width) }.len() as i64
}

/// An item of an array as a string.
///
/// # Safety
/// `data` points to `count` units of `width` bytes (1 or 4).
pub unsafe extern "C" fn str_from_chars(data: *mut c_void, count: i64, width: i64) -> *mut Str {
    // SAFETY: passed on.
    or_die(make(Chars::Four(&unsafe {
        item_chars(data.cast(), count, width)
    })))
}

/// Writes a string into an item of an array, cut or filled up with NUL.
///
/// # Safety
/// `data` points to room for `count` units of `width` bytes (1 or 4); `s` is a live string.
pub unsafe extern "C" fn chars_from_str(data: *mut c_void, count: i64, width: i64, s: *mut Str) {
    // SAFETY: as promised.
    unsafe {
        let data = data.cast::<u8>();
        let mut units = chars(s).iter();
        for i in 0..usize::try_from(count).unwrap_or(0) {
            let unit = units.next().unwrap_or(0);
            if width == 1 {
                *data.add(i) = unit as u8;
            } else {
                data.add(4 * i).cast::<u32>().write_unaligned(unit);
            }
        }
    }
}

/// Writes bytes into an item of an array of bytes, cut or filled up with NUL.
///
/// # Safety
/// `data` points to room for `count` bytes, `bytes` to `len` bytes.
pub unsafe extern "C" fn chars_from_bytes(
    data: *mut c_void,
    count: i64,
    bytes: *mut c_void,
    len: i64,
) {
    let size = |n: i64| usize::try_from(n).unwrap_or(0);
    let taken = size(count).min(size(len));
    // SAFETY: as promised; an item may be written to itself.
    unsafe {
        let data = data.cast::<u8>();
        ptr::copy(bytes.cast::<u8>(), data, taken);
        ptr::write_bytes(data.add(taken), 0, size(count) - taken);
    }
}

/// The character at `i` as a string; "" if there is none.
///
/// # Safety
/// `s` is a live string.
pub unsafe extern "C" fn str_char(s: *mut Str, i: i64) -> *mut Str {
    // SAFETY: as promised.
    let unit = usize::try_from(i)
        .ok()
        .and_then(|i| unsafe { chars(s) }.get(i));
    or_die(match unit {
        Some(unit) => make(Chars::Four(&[unit])),
        None => make(Chars::One(&[])),
    })
}

/// `count` characters from `start` in steps of `step`. What would lie outside is left out.
///
/// # Safety
/// `s` is a live string.
pub unsafe extern "C" fn str_slice(s: *mut Str, start: i64, count: i64, step: i64) -> *mut Str {
    // SAFETY: as promised.
    let whole = unsafe { chars(s) };
    let len = whole.len();
    let count = usize::try_from(count).unwrap_or(0).min(len);
    if step == 1 {
        let start = usize::try_from(start).unwrap_or(len).min(len);
        let end = start.saturating_add(count).min(len);
        if end - start == len {
            // SAFETY: as promised.
            return unsafe { again(s) }.as_ptr();
        }
        return or_die(make(match whole {
            Chars::One(units) => Chars::One(units.get(start..end).unwrap_or_default()),
            Chars::Two(units) => Chars::Two(units.get(start..end).unwrap_or_default()),
            Chars::Four(units) => Chars::Four(units.get(start..end).unwrap_or_default()),
        }));
    }
    let units: Vec<u32> = (0..count as i64)
        .map_while(|i| {
            let at = i.checked_mul(step)?.checked_add(start)?;
            whole.get(usize::try_from(at).ok()?)
        })
        .collect();
    or_die(make(Chars::Four(&units)))
}

// ---- hash ----------------------------------------------------------------------------------------

/// Hashes the bytes of a string's text.
pub type StrHash = fn(&[u8]) -> i64;

static HASH: OnceLock<StrHash> = OnceLock::new();

/// Says how strings are hashed (CPython's hash has a random key). The first call counts, and must
/// come before the first hash; false for later ones. Without one the key is zero, as under
/// `PYTHONHASHSEED=0`.
pub fn set_str_hash(hash: StrHash) -> bool {
    HASH.set(hash).is_ok()
}

/// CPython's hash of a text, from its bytes.
fn hash_bytes(bytes: &[u8]) -> i64 {
    if bytes.is_empty() {
        return 0;
    }
    let hash = match HASH.get() {
        Some(hash) => catch_unwind(|| hash(bytes)).unwrap_or(0),
        None => {
            // SipHash-1-3 with a key of zeros, on all platforms and versions so far.
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(bytes);
            hasher.finish().cast_signed()
        }
    };
    not_minus_one(hash)
}

/// `hash(s)`, kept in the string.
///
/// # Safety
/// `s` is a live string.
pub unsafe extern "C" fn str_hash(s: *mut Str) -> i64 {
    // SAFETY: as promised; everybody reads and writes the hash atomically.
    unsafe {
        let kept = AtomicI64::from_ptr(&raw mut (*s).hash);
        let hash = kept.load(Relaxed);
        if hash != -1 {
            return hash;
        }
        let hash = hash_bytes(chars(s).bytes());
        kept.store(hash, Relaxed);
        hash
    }
}

/// `hash(b)` of bytes.
///
/// # Safety
/// `data` points to `len` bytes.
pub unsafe extern "C" fn bytes_hash(data: *mut c_void, len: i64) -> i64 {
    // SAFETY: as promised. Empty slices have an address of their own.
    let bytes = unsafe {
        match usize::try_from(len) {
            Ok(len) if len > 0 => slice::from_raw_parts(data.cast::<u8>(), len),
            _ => &[],
        }
    };
    hash_bytes(bytes)
}

// ---- repr ----------------------------------------------------------------------------------------

/// `repr(s)`
///
/// # Safety
/// `s` is a live string.
pub unsafe extern "C" fn str_repr(s: *mut Str) -> *mut Str {
    // SAFETY: as promised.
    let text = unsafe { chars(s) };
    let mut out = Vec::with_capacity(text.len() + 2);
    let has = |quote: char| text.iter().any(|unit| unit == u32::from(quote));
    let quote = u32::from(if has('\'') && !has('"') { '"' } else { '\'' });
    let mut put = |escape: &str| out.extend(escape.chars().map(u32::from));
    put(if quote == u32::from('"') { "\"" } else { "'" });
    for unit in text.iter() {
        match char::from_u32(unit) {
            Some('\\') => put("\\\\"),
            Some('\t') => put("\\t"),
            Some('\n') => put("\\n"),
            Some('\r') => put("\\r"),
            Some(c) if unit == quote => put(if c == '"' { "\\\"" } else { "\\'" }),
            Some(c) if is_printable(c) => put(c.encode_utf8(&mut [0; 4])),
            _ => put(&match unit {
                0..=0xff => format!("\\x{unit:02x}"),
                0x100..=0xffff => format!("\\u{unit:04x}"),
                _ => format!("\\U{unit:08x}"),
            }),
        }
    }
    put(if quote == u32::from('"') { "\"" } else { "'" });
    or_die(make(Chars::Four(&out)))
}

/// `c.isprintable()`, by the Unicode version of Rust's standard library: other versions know more or
/// fewer characters.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // The library keeps the table of these categories (Other and Separator) to itself, but escapes by
    // it. Behind another character it does not escape marks that would combine with a quote.
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_both_ways() {
        for text in ["", "a", "ÿ", "abc", "naïve", "Ā", "日本語", "a😀"] {
            assert_eq!(StrRef::from(text).to_string(), text);
        }
    }

    #[test]
    fn single_characters_and_the_empty_string_exist_once() {
        for text in ["", "a", "é"] {
            assert_eq!(str_new(text), str_new(text));
            assert_eq!(str_immortal(text), str_new(text));
        }
        let text = StrRef::from("banana");
        // SAFETY: the string is alive; single characters live forever.
        unsafe {
            assert_eq!(str_char(text.as_ptr(), 1), str_char(text.as_ptr(), 3));
            assert_eq!(str_char(text.as_ptr(), 1), str_new("a"));
            assert_eq!(str_char(text.as_ptr(), 6), str_new(""));
            assert_eq!(str_char(text.as_ptr(), -1), str_new(""));
        }
    }

    #[test]
    fn wide_storage_is_narrowed() {
        let wide = [0x61_u16, 0xe9];
        // SAFETY: two units of two bytes; the result is owned.
        let s = unsafe { StrRef::from_raw(str_from_ucs(2, wide.as_ptr().cast(), 2)) };
        // SAFETY: alive.
        let (kind, data, len) = unsafe { str_parts(s.as_ptr()) };
        assert_eq!((kind, len), (1, 2));
        // SAFETY: two bytes.
        assert_eq!(unsafe { slice::from_raw_parts(data, len) }, b"a\xe9");
        assert_eq!(s, StrRef::from("aé"));
    }

    #[test]
    fn unchanged_strings_are_not_copied() {
        let (text, empty) = (StrRef::from("text"), StrRef::from(""));
        let mut out = ptr::null_mut();
        // SAFETY: the strings are alive; each result is a reference to `text` that is given back.
        unsafe {
            for operation in 0..4 {
                match operation {
                    0 => assert!(str_concat(text.as_ptr(), empty.as_ptr(), &mut out).is_null()),
                    1 => assert!(str_concat(empty.as_ptr(), text.as_ptr(), &mut out).is_null()),
                    2 => assert!(str_repeat(text.as_ptr(), 1, &mut out).is_null()),
                    _ => out = str_slice(text.as_ptr(), 0, 4, 1),
                }
                assert_eq!(out, text.as_ptr());
                assert_eq!((*out).count.load(Relaxed), 2);
                release(out);
            }
        }
    }

    #[test]
    fn slices_stay_inside() {
        let text = StrRef::from("abc");
        for (start, count, step) in [
            (0, 9, 1),
            (9, 1, 1),
            (-1, 2, 1),
            (0, -1, 1),
            (2, 9, 2),
            (i64::MAX, 3, i64::MAX),
            (0, 3, i64::MIN),
        ] {
            // SAFETY: the string is alive; the result is owned.
            let part = unsafe { StrRef::from_raw(str_slice(text.as_ptr(), start, count, step)) };
            assert!(part.chars().len() <= 3);
        }
    }

    #[test]
    fn immortal_strings_ignore_counting() {
        let s = str_immortal("a literal of the program");
        // SAFETY: it lives forever.
        unsafe {
            for _ in 0..3 {
                release(s);
            }
            retain(s);
            assert_eq!((*s).count.load(Relaxed), IMMORTAL);
            retain(ptr::null_mut());
            release(ptr::null_mut());
        }
    }

    #[test]
    fn long_searches_are_linear() {
        let whole = StrRef::from("é".repeat(40_000).as_str());
        let part = StrRef::from(format!("{}x", "é".repeat(20_000)).as_str());
        // SAFETY: alive.
        assert_eq!(unsafe { str_contains(whole.as_ptr(), part.as_ptr()) }, 0);
        let part = StrRef::from("é".repeat(20_000).as_str());
        // SAFETY: alive.
        assert_eq!(unsafe { str_contains(whole.as_ptr(), part.as_ptr()) }, 1);
    }

    #[test]
    fn a_hash_is_computed_once_for_all_threads() {
        let text = StrRef::from("shared between threads");
        let hashes: Vec<i64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                // SAFETY: the string outlives the scope.
                .map(|_| scope.spawn(|| unsafe { str_hash(text.as_ptr()) }))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(hashes.iter().all(|&hash| hash == hashes[0] && hash != -1));
    }
}
