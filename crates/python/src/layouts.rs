//! Where CPython keeps the values of its objects.
//!
//! One build serves CPython 3.10 and later, whose structures differ. What a call reads directly from an
//! object is described by a table here, chosen by version and then *tested* when the module is imported:
//! a few objects are made and what the table finds is compared with what the C API says. A table that
//! does not pass is not used; the readers then take the C API, which is slower and always right.
//!
//! The header of every object (count and class, 16 bytes) is the same in all versions with a GIL.

use core::ffi::{c_int, c_long, c_longlong, c_ulonglong};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed};

use ferdelance_abi::layout::Str;
use pyo3::ffi;
use pyo3::ffi::PyObject;

/// How an `int` is stored.
const LONG_API: u8 = 0;
/// Up to 3.11: signed number of digits, then the digits.
const LONG_SIZE: u8 = 1;
/// From 3.12: a tag (number of digits * 8 + sign: 0 positive, 1 zero, 2 negative), then the digits.
const LONG_TAG: u8 = 2;

/// How a `str` is stored.
const STR_API: u8 = 0;
/// Text 48 bytes (ASCII) or 72 bytes (other) behind the start, up to 3.11.
const STR_48: u8 = 1;
/// 40 or 56 bytes, from 3.12.
const STR_40: u8 = 2;

static LONG: AtomicU8 = AtomicU8::new(LONG_API);
static STR: AtomicU8 = AtomicU8::new(STR_API);
/// `float` and `complex` hold their value behind the header.
static FLOAT: AtomicU8 = AtomicU8::new(0);
/// Where a `tuple`, which has its length behind the header, has its items; 0 if that is not known.
static TUPLE: AtomicU8 = AtomicU8::new(0);

/// How references to the small integers are counted.
static SMALL: AtomicU8 = AtomicU8::new(SMALL_API);
/// The integers of which there is one object each, from [`FIRST_SMALL`]; null where `SMALL` says so.
static SMALL_INTS: [AtomicPtr<PyObject>; 262] = [const { AtomicPtr::new(ptr::null_mut()) }; 262];

/// Not known: they are asked for.
const SMALL_API: u8 = 0;
/// In the first word of the header.
const SMALL_COUNTED: u8 = 1;
/// Not at all, from 3.12: they are immortal.
const SMALL_IMMORTAL: u8 = 2;
const FIRST_SMALL: i64 = -5;

/// Size of the header.
pub const HEADER: usize = 16;
/// Bits of a digit of an `int`.
const DIGIT: u32 = 30;

/// Reads a field of an object.
///
/// # Safety
/// The object has a `T` at `offset`.
#[inline(always)]
pub unsafe fn field<T: Copy>(object: *mut PyObject, offset: usize) -> T {
    // SAFETY: as promised; fields are aligned as C aligns them.
    unsafe { object.cast::<u8>().add(offset).cast::<T>().read() }
}

/// The class of an object.
///
/// # Safety
/// `object` is alive.
#[inline(always)]
pub unsafe fn class(object: *mut PyObject) -> *mut ffi::PyTypeObject {
    // SAFETY: the header is the same everywhere.
    unsafe { field(object, 8) }
}

// ---- int -----------------------------------------------------------------------------------------

/// The value of an `int`, or `None` if it does not fit.
///
/// # Safety
/// `object` is an `int` (or of a class derived from it).
#[inline(always)]
pub unsafe fn long_i64(object: *mut PyObject) -> Option<i64> {
    // SAFETY: the layout was tested.
    unsafe {
        match LONG.load(Relaxed) {
            LONG_TAG => {
                let tag: usize = field(object, HEADER);
                if tag < 2 << 3 {
                    let sign = 1 - (tag & 3) as i64;
                    return Some(sign * i64::from(field::<u32>(object, HEADER + 8)));
                }
            }
            LONG_SIZE => {
                let size: isize = field(object, HEADER);
                if (-1..=1).contains(&size) {
                    // Zero has one digit's room, whose content is not defined: the product is 0.
                    return Some(size as i64 * i64::from(field::<u32>(object, HEADER + 8)));
                }
            }
            _ => {}
        }
        long_i64_slow(object)
    }
}

#[inline(never)]
unsafe fn long_i64_slow(object: *mut PyObject) -> Option<i64> {
    // SAFETY: the layout was tested.
    let (digits, negative) = unsafe {
        match LONG.load(Relaxed) {
            LONG_TAG => {
                let tag: usize = field(object, HEADER);
                (tag >> 3, tag & 3 == 2)
            }
            LONG_SIZE => {
                let size: isize = field(object, HEADER);
                (size.unsigned_abs(), size < 0)
            }
            _ => (usize::MAX, false),
        }
    };
    if digits == 2 {
        // SAFETY: there are two digits.
        let value = unsafe {
            i64::from(field::<u32>(object, HEADER + 8))
                | i64::from(field::<u32>(object, HEADER + 12)) << DIGIT
        };
        return Some(if negative { -value } else { value });
    }
    let mut overflow: c_int = 0;
    // SAFETY: an int: no error is possible.
    let value: c_longlong = unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow) };
    (overflow == 0).then_some(value)
}

/// An `int`; null with an exception if there is no memory. The GIL is held.
#[inline(always)]
pub fn int(value: i64) -> *mut PyObject {
    let small = SMALL_INTS.get(value.wrapping_sub(FIRST_SMALL).cast_unsigned() as usize);
    if let Some(small) = small {
        let object = small.load(Relaxed);
        match SMALL.load(Relaxed) {
            SMALL_IMMORTAL => return object,
            SMALL_COUNTED => {
                // SAFETY: the table holds a reference to it; where the count is was tested.
                unsafe { *object.cast::<isize>() += 1 };
                return object;
            }
            _ => {}
        }
    }
    // SAFETY: the GIL is held.
    unsafe { ffi::PyLong_FromLongLong(value) }
}

/// The value of a non-negative `int` that fits 64 bits.
///
/// # Safety
/// `object` is an `int`.
pub unsafe fn long_u64(object: *mut PyObject) -> Option<u64> {
    // SAFETY: an int.
    unsafe {
        if let Some(value) = long_i64(object) {
            return u64::try_from(value).ok();
        }
        let value: c_ulonglong = ffi::PyLong_AsUnsignedLongLong(object);
        if value == c_ulonglong::MAX && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(value)
    }
}

// ---- float, complex ------------------------------------------------------------------------------

/// The value of a `float`.
///
/// # Safety
/// `object` is a `float`.
#[inline(always)]
pub unsafe fn float(object: *mut PyObject) -> f64 {
    // SAFETY: tested.
    unsafe {
        if FLOAT.load(Relaxed) != 0 {
            field(object, HEADER)
        } else {
            ffi::PyFloat_AsDouble(object)
        }
    }
}

/// The parts of a `complex`.
///
/// # Safety
/// `object` is a `complex`.
#[inline(always)]
pub unsafe fn complex(object: *mut PyObject) -> (f64, f64) {
    // SAFETY: tested.
    unsafe {
        if FLOAT.load(Relaxed) != 0 {
            (field(object, HEADER), field(object, HEADER + 8))
        } else {
            (
                ffi::PyComplex_RealAsDouble(object),
                ffi::PyComplex_ImagAsDouble(object),
            )
        }
    }
}

// ---- tuple ---------------------------------------------------------------------------------------

/// Number of items of a tuple.
///
/// # Safety
/// `object` is a tuple.
#[inline(always)]
pub unsafe fn tuple_len(object: *mut PyObject) -> usize {
    // SAFETY: tested.
    unsafe {
        if TUPLE.load(Relaxed) != 0 {
            field(object, HEADER)
        } else {
            ffi::PyTuple_Size(object) as usize
        }
    }
}

/// An item of a tuple, borrowed.
///
/// # Safety
/// `object` is a tuple that has the item.
#[inline(always)]
pub unsafe fn tuple_item(object: *mut PyObject, index: usize) -> *mut PyObject {
    // SAFETY: tested.
    unsafe {
        let items = usize::from(TUPLE.load(Relaxed));
        if items != 0 {
            field(object, items + 8 * index)
        } else {
            ffi::PyTuple_GetItem(object, index as ffi::Py_ssize_t)
        }
    }
}

// ---- str -----------------------------------------------------------------------------------------

/// Width, address and length of a string's text, if the table knows where they are.
///
/// # Safety
/// `object` is a `str`.
unsafe fn str_text(object: *mut PyObject) -> Option<(u32, *const u8, usize)> {
    let (ascii_offset, compact_offset) = match STR.load(Relaxed) {
        STR_48 => (48, 72),
        STR_40 => (40, 56),
        _ => return None,
    };
    // SAFETY: tested. `state`: two bits of interning, three of width, then "compact" and "ASCII"; where
    // interning takes more room the test fails, and this is not reached.
    unsafe {
        let len: usize = field(object, HEADER);
        let state: u32 = field(object, HEADER + 16);
        let (kind, compact, ascii) = (state >> 2 & 7, state >> 5 & 1 == 1, state >> 6 & 1 == 1);
        if !compact {
            return None;
        }
        Some((
            kind,
            object
                .cast::<u8>()
                .add(if ascii { ascii_offset } else { compact_offset }),
            len,
        ))
    }
}

/// A string of the runtime with the text of a `str`, owned by the caller; null, with an exception, if
/// there is no memory.
///
/// # Safety
/// `object` is a `str`.
pub unsafe fn str_to_runtime(object: *mut PyObject) -> *mut Str {
    // SAFETY: where the table does not know, the text is copied out through the C API.
    unsafe {
        let made = match str_text(object) {
            Some((kind, data, len)) => ferdelance_runtime::string::str_from_ucs(kind, data, len),
            None => {
                let len = ffi::PyUnicode_GetLength(object);
                let units = ffi::PyUnicode_AsUCS4Copy(object);
                if units.is_null() {
                    return ptr::null_mut();
                }
                let made = ferdelance_runtime::string::str_from_ucs(4, units.cast(), len as usize);
                ffi::PyMem_Free(units.cast());
                made
            }
        };
        if made.is_null() {
            ffi::PyErr_NoMemory();
        }
        made
    }
}

unsafe extern "C" {
    // In the C API since 3.3, but not in the stable ABI: exported by all versions.
    fn PyUnicode_FromKindAndData(
        kind: c_int,
        buffer: *const core::ffi::c_void,
        size: ffi::Py_ssize_t,
    ) -> *mut PyObject;
}

/// A `str` with the text of a string of the runtime; null with an exception if that fails.
///
/// # Safety
/// `text` is a live string; the GIL is held.
pub unsafe fn str_from_runtime(text: *mut Str) -> *mut PyObject {
    // SAFETY: the parts of a live string.
    unsafe {
        let (kind, data, len) = ferdelance_runtime::string::str_parts(text);
        PyUnicode_FromKindAndData(kind as c_int, data.cast(), len as ffi::Py_ssize_t)
    }
}

// ---- the self-test -------------------------------------------------------------------------------

/// Chooses and tests the tables. Called once, when the module is imported.
pub fn init() {
    // SAFETY: the GIL is held; every object is checked and released.
    unsafe {
        let version = ffi::Py_GetVersion();
        let text = core::ffi::CStr::from_ptr(version).to_str().unwrap_or("");
        let mut numbers = text
            .split('.')
            .map(|part| part.trim().parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        for layout in if version >= (3, 12) {
            [LONG_TAG, LONG_SIZE]
        } else {
            [LONG_SIZE, LONG_TAG]
        } {
            if with_layout(&LONG, layout, LONG_API, || long_works()) {
                break;
            }
        }
        for layout in if version >= (3, 12) {
            [STR_40, STR_48]
        } else {
            [STR_48, STR_40]
        } {
            if with_layout(&STR, layout, STR_API, || str_works()) {
                break;
            }
        }
        init_small_ints();
        with_layout(&FLOAT, 1, 0, || float_works());
        // From 3.14 on they have their hash before the items.
        for items in [24, 32] {
            if with_layout(&TUPLE, items, 0, || tuple_works()) {
                break;
            }
        }
        ffi::PyErr_Clear();
    }
}

/// Sets a table and takes it back if its test fails.
fn with_layout(table: &AtomicU8, layout: u8, none: u8, works: impl FnOnce() -> bool) -> bool {
    table.store(layout, Relaxed);
    let works = works();
    if !works {
        table.store(none, Relaxed);
    }
    works
}

/// Fills the table of small integers, which keeps a reference to each, and sees how they are counted.
unsafe fn init_small_ints() {
    let mut counting = None;
    for (value, small) in (FIRST_SMALL..).zip(&SMALL_INTS) {
        // SAFETY: the GIL is held; a count is the first word of a header.
        unsafe {
            let object = ffi::PyLong_FromLongLong(value);
            if object.is_null() {
                return;
            }
            small.store(object, Relaxed);
            let before: isize = field(object, 0);
            let again = ffi::PyLong_FromLongLong(value);
            let counted: isize = field(object, 0);
            ffi::Py_XDECREF(again);
            let found = match counted.wrapping_sub(before) {
                _ if again != object => SMALL_API,
                0 => SMALL_IMMORTAL,
                1 => SMALL_COUNTED,
                _ => SMALL_API,
            };
            if *counting.get_or_insert(found) != found {
                return;
            }
        }
    }
    SMALL.store(counting.unwrap_or(SMALL_API), Relaxed);
}

/// Which tables are in use, for `runtime_stats`.
pub fn in_use() -> [(&'static str, bool); 5] {
    [
        ("int", LONG.load(Relaxed) != LONG_API),
        ("small_int", SMALL.load(Relaxed) != SMALL_API),
        ("str", STR.load(Relaxed) != STR_API),
        ("float", FLOAT.load(Relaxed) != 0),
        ("tuple", TUPLE.load(Relaxed) != 0),
    ]
}

unsafe fn long_works() -> bool {
    let samples = [
        0_i64,
        1,
        -1,
        5,
        255,
        -255,
        (1 << 30) - 1,
        1 << 30,
        -(1 << 30),
        (1 << 45) + 12345,
        -(1 << 59) - 7,
        i64::MAX,
        i64::MIN,
    ];
    samples.iter().all(|&sample| {
        // SAFETY: a new int; the layouts only differ in a word that every int has.
        unsafe {
            let object = ffi::PyLong_FromLongLong(sample);
            if object.is_null() {
                return false;
            }
            // The size word first: a wrong layout must not lead to digits that are not there.
            let word: usize = field(object, HEADER);
            let bits = 64 - sample.unsigned_abs().leading_zeros();
            let digits = bits.div_ceil(DIGIT) as usize;
            let same = match LONG.load(Relaxed) {
                LONG_SIZE => word == (digits as isize * sample.signum() as isize) as usize,
                // Bit 2 of the tag marks immortal objects in some versions.
                _ => {
                    word & !4
                        == digits << 3 | usize::from(sample == 0) | if sample < 0 { 2 } else { 0 }
                }
            };
            let same = same && long_i64(object) == Some(sample);
            ffi::Py_DecRef(object);
            same
        }
    })
}

unsafe fn float_works() -> bool {
    // SAFETY: new objects.
    unsafe {
        let x = ffi::PyFloat_FromDouble(-1234.5678);
        let z = ffi::PyComplex_FromDoubles(0.1, -7e300);
        let works =
            !x.is_null() && !z.is_null() && float(x) == -1234.5678 && complex(z) == (0.1, -7e300);
        ffi::Py_XDECREF(x);
        ffi::Py_XDECREF(z);
        works
    }
}

unsafe fn tuple_works() -> bool {
    // SAFETY: new objects.
    unsafe {
        let tuple = ffi::PyTuple_New(3);
        if tuple.is_null() {
            return false;
        }
        for i in 0..3 {
            ffi::PyTuple_SetItem(tuple, i, ffi::PyLong_FromLong(i as c_long + 1000));
        }
        let works = tuple_len(tuple) == 3
            && (0..3)
                .all(|i| tuple_item(tuple, i) == ffi::PyTuple_GetItem(tuple, i as ffi::Py_ssize_t));
        ffi::Py_DecRef(tuple);
        works
    }
}

unsafe fn str_works() -> bool {
    let samples = [
        "",
        "a",
        "plain ascii",
        "\u{e9}t\u{e9}",
        "\u{3b1}\u{3b2}\u{3b3}",
        "\u{1f40d} snake",
        "x\u{7f}",
        "\u{80}\u{ff}",
    ];
    samples.iter().all(|sample| {
        // SAFETY: a new str; its header is at least 56 bytes in every version, so a wrong layout reads
        // bytes of the object only.
        unsafe {
            let object = ffi::PyUnicode_FromStringAndSize(
                sample.as_ptr().cast(),
                sample.len() as ffi::Py_ssize_t,
            );
            if object.is_null() {
                return false;
            }
            let units: Vec<u32> = sample.chars().map(u32::from).collect();
            let bound = units.iter().copied().max().unwrap_or(0);
            let kind = if bound < 0x100 {
                1
            } else if bound < 0x10000 {
                2
            } else {
                4
            };
            let same = match str_text(object) {
                Some((found, data, len)) => {
                    found == kind
                        && len == units.len()
                        && ferdelance_runtime::string::Chars::new(found, data, len)
                            .iter()
                            .eq(units.iter().copied())
                }
                None => false,
            };
            ffi::Py_DecRef(object);
            same
        }
    })
}
