//! What a call's arguments are, as a number: equal for calls of the same types, dtypes, shapes and lengths.
//!
//! Everything is read where CPython and NumPy keep it: no code of any object runs. What the number is made of
//! by address (classes, dtypes) is held by whoever keeps the number, so that an address cannot become
//! another thing's.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PySet, PyString, PyTuple};

use super::addresses::Addresses;
use super::frames::reference;
use super::readers;
use crate::layouts::{class, field, tuple_item};
use crate::numpy::{self, numpy};

const TYPE_BASICSIZE: usize = 32;
const TYPE_FLAGS: usize = 168;
pub const TYPE_BASE: usize = 256;
/// Where lists, tuples, strings, bytes and dicts have their number of items.
const LENGTH: usize = 16;
const SET_USED: usize = 24;
const LIST_ITEMS: usize = 24;
const CELL_CONTENTS: usize = 16;
const DESCR_BYTEORDER: usize = 26;
const DESCR_NUMBER: usize = 28;
const DESCR_ITEMSIZE: usize = 40;

const HEAP: usize = 1 << 9;
const LIST: usize = 1 << 25;
const TUPLE: usize = 1 << 26;
const BYTES: usize = 1 << 27;
const TEXT: usize = 1 << 28;
const DICT: usize = 1 << 29;

/// The size of an array; instances of smaller classes are none.
const ARRAY_SIZE: usize = 80;
/// Classes have few ancestors.
pub const MOST_BASES: usize = 64;
/// Of `*args` and `**kwargs`, so many are looked at.
pub const MOST_VARIADIC: usize = 16;

/// How a parameter is found among a frame's variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// An inner function uses it, so it may be in a cell.
    Cell,
    /// `*args`, `**kwargs`.
    Args,
    Keywords,
}

#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub slot: u16,
    pub kind: Kind,
}

/// How much of shapes and lengths is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Exact,
    /// Ranks, and sizes by powers of two.
    Coarse,
}

/// What an object is, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Array,
    List,
    Tuple,
    /// Of what the length is all that counts: strings, dicts.
    Sized,
    Set,
    /// A class with a reader: pandas' and such.
    Read(u32),
    Other,
}

/// Arguments as a vectorcall has them: names of the last ones in a tuple, or null.
#[derive(Clone, Copy)]
pub struct Passed {
    pub args: *const *mut PyObject,
    /// Those without a name.
    pub count: usize,
    pub keywords: *mut PyObject,
}

impl Passed {
    /// # Safety
    /// The names are alive.
    pub unsafe fn keyword_count(&self) -> usize {
        if self.keywords.is_null() {
            return 0;
        }
        // SAFETY: a tuple.
        unsafe { length(self.keywords) as usize }
    }

    /// The name of a keyword.
    ///
    /// # Safety
    /// There are so many.
    pub unsafe fn keyword(&self, index: usize) -> *mut PyObject {
        // SAFETY: a tuple with the item.
        unsafe { tuple_item(self.keywords, index) }
    }
}

/// Reads arguments.
pub struct Arguments {
    ndarray: *mut PyTypeObject,
    cell: *mut PyTypeObject,
    sets: [*mut PyTypeObject; 2],
    bytearray: *mut PyTypeObject,
    tuple: *mut PyTypeObject,
    dict: *mut PyTypeObject,
    /// Where a frame's variables begin.
    pub locals: usize,
    /// Classes with a reader, by address; held.
    pub readers: Addresses,
}

/// Odd numbers without a pattern.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xd6e8_feb8_6659_fd93;

/// Two words as one, of which each bit depends on all of theirs.
#[inline(always)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one ^ ODD) * u128::from(other ^ OTHER);
    (product as u64) ^ (product >> 64) as u64
}

/// A key with one more word. What words are made of does not wait for the key, which is a sum.
#[inline(always)]
pub fn mix(key: u64, word: u64) -> u64 {
    key.rotate_left(7).wrapping_add(word.wrapping_mul(ODD))
}

/// The least power of two that is more than a number, as its exponent: 0, 1, 2..3, 4..7.
pub fn size_class(size: u64) -> u32 {
    64 - size.leading_zeros()
}

impl Arguments {
    pub fn new(locals: usize) -> Arguments {
        // SAFETY: addresses of classes that always exist.
        let (cell, sets, bytearray) = unsafe {
            let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"PyCell_Type".as_ptr());
            (
                symbol.cast(),
                [&raw mut ffi::PySet_Type, &raw mut ffi::PyFrozenSet_Type],
                &raw mut ffi::PyByteArray_Type,
            )
        };
        Arguments {
            ndarray: numpy().ndarray,
            cell,
            sets,
            bytearray,
            tuple: &raw mut ffi::PyTuple_Type,
            dict: &raw mut ffi::PyDict_Type,
            locals,
            readers: Addresses::default(),
        }
    }

    /// The value of a parameter; null if there is none any more.
    ///
    /// # Safety
    /// A frame of a function with the parameter; the GIL is held.
    #[inline(always)]
    pub unsafe fn value(&self, frame: usize, parameter: Parameter) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            let at = frame + self.locals + usize::from(parameter.slot) * 8;
            let object = reference(at as *const *mut PyObject);
            match parameter.kind {
                Kind::Cell => self.inside(object),
                _ => object,
            }
        }
    }

    /// What is in a cell, or the object itself if it is none.
    ///
    /// # Safety
    /// An object or null.
    pub unsafe fn inside(&self, object: *mut PyObject) -> *mut PyObject {
        // SAFETY: alive; cells have their contents there.
        unsafe {
            if !object.is_null() && class(object) == self.cell {
                return field(object, CELL_CONTENTS);
            }
        }
        object
    }

    /// The key of a frame's arguments.
    ///
    /// # Safety
    /// As for [`Arguments::value`], for all parameters.
    #[inline(always)]
    pub unsafe fn key(&self, frame: usize, parameters: &[Parameter], detail: Detail) -> u64 {
        let mut key = 0x51;
        for &parameter in parameters {
            // SAFETY: as promised.
            unsafe {
                let object = self.value(frame, parameter);
                key = match parameter.kind {
                    Kind::Plain | Kind::Cell => self.add(key, object, detail),
                    _ => self.add_many(key, object, parameter.kind, detail),
                };
            }
        }
        key
    }

    /// The key of arguments that were passed: as if they were the parameters.
    ///
    /// # Safety
    /// The arguments of a vectorcall; the GIL is held.
    pub unsafe fn key_of_call(&self, passed: Passed, detail: Detail) -> u64 {
        let mut key = 0x52;
        // SAFETY: as promised.
        unsafe {
            for i in 0..passed.count {
                key = self.add(key, *passed.args.add(i), detail);
            }
            for i in 0..passed.keyword_count() {
                let name = name_hash(passed.keyword(i));
                key = self.add(mix(key, name), *passed.args.add(passed.count + i), detail);
            }
        }
        key
    }

    /// Adds what an object is.
    ///
    /// # Safety
    /// An object that is alive, or null; the GIL is held.
    #[inline(always)]
    pub unsafe fn add(&self, key: u64, object: *mut PyObject, detail: Detail) -> u64 {
        if object.is_null() {
            return mix(key, 1);
        }
        // SAFETY: alive; each sort of object is looked at as such.
        unsafe {
            let ty = class(object);
            let key = mix(key, ty as u64);
            if ty == self.ndarray {
                return self.add_array(key, object, detail);
            }
            let flags: usize = field(ty.cast(), TYPE_FLAGS);
            if flags & (LIST | TUPLE | BYTES | TEXT | DICT) != 0 {
                let key = mix(key, fold(scaled(length(object), detail), 1));
                if flags & (LIST | TUPLE) == 0 {
                    return key;
                }
                let sort = if flags & LIST != 0 {
                    Sort::List
                } else {
                    Sort::Tuple
                };
                let first = first_item(object, sort);
                return if first.is_null() {
                    key
                } else {
                    mix(key, class(first) as u64)
                };
            }
            if flags & HEAP == 0 && !self.has_length(ty) {
                return key;
            }
            self.add_rare(key, object, ty, detail)
        }
    }

    /// Whether a class without a mark in its flags has a length.
    #[inline(always)]
    fn has_length(&self, ty: *mut PyTypeObject) -> bool {
        ty == self.sets[0] || ty == self.sets[1] || ty == self.bytearray
    }

    /// Adds an instance of a class of a program, a set or a bytearray.
    ///
    /// # Safety
    /// As for [`Arguments::add`].
    #[inline]
    unsafe fn add_rare(
        &self,
        key: u64,
        object: *mut PyObject,
        ty: *mut PyTypeObject,
        detail: Detail,
    ) -> u64 {
        // SAFETY: as promised.
        unsafe {
            let sort = self.sort(ty);
            match sort {
                Sort::Array => self.add_array(key, object, detail),
                Sort::Set | Sort::Sized => {
                    mix(key, fold(scaled(length_of(object, sort), detail), 1))
                }
                Sort::Read(reader) => readers::read(reader, object).map_or(key, |text| {
                    text.bytes()
                        .fold(key, |key, byte| mix(key, u64::from(byte)))
                }),
                Sort::Other | Sort::List | Sort::Tuple => key,
            }
        }
    }

    /// What objects of a class are.
    ///
    /// # Safety
    /// A class.
    #[inline]
    pub unsafe fn sort(&self, ty: *mut PyTypeObject) -> Sort {
        // SAFETY: classes have these fields.
        unsafe {
            if ty == self.ndarray {
                return Sort::Array;
            }
            let flags: usize = field(ty.cast(), TYPE_FLAGS);
            if flags & LIST != 0 {
                return Sort::List;
            }
            if flags & TUPLE != 0 {
                return Sort::Tuple;
            }
            if flags & (BYTES | TEXT | DICT) != 0 {
                return Sort::Sized;
            }
            if ty == self.sets[0] || ty == self.sets[1] {
                return Sort::Set;
            }
            if flags & HEAP == 0 {
                return if ty == self.bytearray {
                    Sort::Sized
                } else {
                    Sort::Other
                };
            }
            if let Some(reader) = self.readers.get(ty as usize) {
                return Sort::Read(reader);
            }
            let size: usize = field(ty.cast(), TYPE_BASICSIZE);
            if size >= ARRAY_SIZE {
                let mut base = ty;
                for _ in 0..MOST_BASES {
                    base = field(base.cast(), TYPE_BASE);
                    if base.is_null() {
                        break;
                    }
                    if base == self.ndarray {
                        return Sort::Array;
                    }
                    if base == self.sets[0] || base == self.sets[1] {
                        return Sort::Set;
                    }
                }
            }
            Sort::Other
        }
    }

    /// # Safety
    /// An array, or an instance of a class derived from it.
    #[inline(always)]
    unsafe fn add_array(&self, key: u64, object: *mut PyObject, detail: Detail) -> u64 {
        // SAFETY: arrays are laid out so; NumPy's version was checked when this module was imported.
        unsafe {
            let array = &*object.cast::<numpy::Array>();
            let (rank, dtype) = (array.nd as usize, array.descr);
            let number: i32 = field(dtype, DESCR_NUMBER);
            let order: u8 = field(dtype, DESCR_BYTEORDER);
            let what = number as u32 as u64
                | (order as u64) << 32
                | (layout(array.flags) as u64) << 40
                | (rank as u64) << 48;
            let mut key = mix(key, fold(what, 0));
            if !is_simple(number) {
                key = add_dtype(key, dtype, number, detail);
            }
            if detail == Detail::Coarse {
                return mix(key, fold(u64::from(size_class(elements(array))), 3));
            }
            for i in 0..rank.min(64) {
                key = mix(key, fold(*array.shape.add(i) as u64, i as u64));
            }
            key
        }
    }

    /// Adds `*args` or `**kwargs`.
    ///
    /// # Safety
    /// What a frame has for such a parameter.
    #[inline]
    unsafe fn add_many(&self, key: u64, object: *mut PyObject, kind: Kind, detail: Detail) -> u64 {
        let mut key = mix(key, kind as u64);
        // SAFETY: the interpreter has made these objects; a function that put something else there is found out.
        unsafe {
            let object = self.inside(object);
            if object.is_null() {
                return key;
            }
            let ty = class(object);
            if kind == Kind::Args && ty == self.tuple {
                let length = length(object);
                for i in 0..(length as usize).min(MOST_VARIADIC) {
                    key = self.add(key, tuple_item(object, i), detail);
                }
                return mix(key, fold(scaled(length, detail), 2));
            }
            if kind == Kind::Keywords && ty == self.dict {
                let length = length(object);
                if length > 0 {
                    each(object, kind, |name, value| {
                        key = self.add(mix(key, name_hash(name)), value, detail);
                    });
                }
                return mix(key, fold(scaled(length, detail), 2));
            }
            self.add(key, object, detail)
        }
    }
}

/// Calls `with` for the first values of `*args`, or names and values of `**kwargs`.
///
/// # Safety
/// An object or null.
#[inline(always)]
pub unsafe fn each(
    object: *mut PyObject,
    kind: Kind,
    mut with: impl FnMut(*mut PyObject, *mut PyObject),
) {
    // SAFETY: exact tuples and dicts are gone through, in which no code of other objects runs.
    unsafe {
        if object.is_null() {
            return;
        }
        if kind == Kind::Args && class(object) == &raw mut ffi::PyTuple_Type {
            for i in 0..(length(object) as usize).min(MOST_VARIADIC) {
                with(std::ptr::null_mut(), tuple_item(object, i));
            }
        } else if kind == Kind::Keywords && class(object) == &raw mut ffi::PyDict_Type {
            if length(object) == 0 {
                return;
            }
            if each_name(object, &mut with) {
                return;
            }
            let mut at: ffi::Py_ssize_t = 0;
            let (mut name, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
            for _ in 0..MOST_VARIADIC.min(length(object) as usize) {
                if ffi::PyDict_Next(object, &mut at, &mut name, &mut value) == 0 {
                    break;
                }
                with(name, value);
            }
        }
    }
}

/// Goes through a dict of which all keys are strings and which no class shares, as dicts of keyword arguments
/// are, where its layout is known; whether it is.
///
/// # Safety
/// A dict.
#[inline(always)]
unsafe fn each_name(
    dict: *mut PyObject,
    with: &mut impl FnMut(*mut PyObject, *mut PyObject),
) -> bool {
    const KEYS: usize = 32;
    const VALUES: usize = 40;
    /// In the keys: how large the index is, what keys are there, how many entries are used, where the index is.
    const LOG2_INDEX: usize = 9;
    const KIND: usize = 10;
    const USED: usize = 24;
    const INDEX: usize = 32;
    if !HAS_KINDS.load(Ordering::Relaxed) {
        return false;
    }
    // SAFETY: the layout of 3.11 and later.
    unsafe {
        let keys: *mut PyObject = field(dict, KEYS);
        if field::<usize>(dict, VALUES) != 0 || field::<u8>(keys, KIND) == 0 {
            return false;
        }
        let entries = INDEX + (1usize << (field::<u8>(keys, LOG2_INDEX) & 31));
        for i in 0..field::<usize>(keys, USED).min(MOST_VARIADIC) {
            let (name, value) = (
                field(keys, entries + i * 16),
                field::<*mut PyObject>(keys, entries + i * 16 + 8),
            );
            if !value.is_null() {
                with(name, value);
            }
        }
        true
    }
}

/// Whether keys of dicts say what they are: from 3.11 on, as long as the layout is known.
pub static HAS_KINDS: AtomicBool = AtomicBool::new(false);

/// Whether what is read here is what the C API says, of objects that are made for this.
pub fn are_readable(py: Python<'_>) -> bool {
    let made = || {
        let items = PyList::new(py, [1, 2, 3]).ok()?;
        let pair = PyTuple::new(py, [1, 2]).ok()?;
        let names = PyDict::new(py);
        names.set_item("first", &items).ok()?;
        names.set_item("second", &pair).ok()?;
        let set = PySet::new(py, [1, 2, 3, 4]).ok()?;
        Some((items, pair, names, set))
    };
    let Some((items, pair, names, set)) = made() else {
        return false;
    };
    let (text, bytes) = (
        PyString::new(py, "h\u{e9}llo"),
        PyBytes::new(py, b"1234567"),
    );
    // SAFETY: objects that are alive, each read as what it is: at offsets that they have in all versions so far,
    // within their sizes.
    unsafe {
        let lengths = [
            length(items.as_ptr()),
            length(pair.as_ptr()),
            length(names.as_ptr()),
            length(text.as_ptr()),
            length(bytes.as_ptr()),
            length_of(set.as_ptr(), Sort::Set),
        ];
        let first = items.get_item(0).map_or(0, |item| item.as_ptr().addr());
        let mut seen = vec![];
        each(names.as_ptr(), Kind::Keywords, |name, value| {
            seen.push((name.addr(), value.addr(), name_hash(name)));
        });
        let values: Vec<usize> = seen.iter().map(|row| row.1).collect();
        let hashes = seen.iter().zip(["first", "second"]).all(|(row, name)| {
            let hash = PyString::new(py, name).hash();
            hash.is_ok_and(|hash| hash as i64 as u64 == row.2)
        });
        let class_of = |object: *mut PyObject| class(object).cast::<PyObject>();
        let flags = [items.as_ptr(), text.as_ptr(), set.as_ptr()]
            .iter()
            .all(|&object| {
                let ty = class_of(object);
                field::<usize>(ty, TYPE_FLAGS) == ffi::PyType_GetFlags(ty.cast()) as usize
            });
        let base: *mut PyTypeObject = field((&raw mut ffi::PyBool_Type).cast(), TYPE_BASE);
        lengths == [3, 2, 2, 5, 7, 4]
            && first_item(items.as_ptr(), Sort::List).addr() == first
            && first_item(pair.as_ptr(), Sort::Tuple).addr() == first
            && values == [items.as_ptr().addr(), pair.as_ptr().addr()]
            && hashes
            && flags
            && base == &raw mut ffi::PyLong_Type
    }
}

/// The hash of a name that is a key of a dict, and so has one. It depends on the text alone; an address might
/// become another name's.
///
/// # Safety
/// A string, or null.
unsafe fn name_hash(name: *mut PyObject) -> u64 {
    const HASH: usize = 24;
    if name.is_null() {
        return 0;
    }
    // SAFETY: strings have it there in all versions.
    unsafe { field(name, HASH) }
}

/// # Safety
/// A list, tuple, string, bytes object, bytearray or dict.
#[inline(always)]
pub unsafe fn length(object: *mut PyObject) -> u64 {
    // SAFETY: they all have it there.
    unsafe { field(object, LENGTH) }
}

/// The number of items of an object that has one.
///
/// # Safety
/// An object of the sort.
pub unsafe fn length_of(object: *mut PyObject, sort: Sort) -> u64 {
    // SAFETY: as promised.
    unsafe {
        match sort {
            Sort::Set => field(object, SET_USED),
            _ => length(object),
        }
    }
}

/// The first item of a list or tuple, or null.
///
/// # Safety
/// An object of the sort.
pub unsafe fn first_item(object: *mut PyObject, sort: Sort) -> *mut PyObject {
    // SAFETY: as promised; an empty one has no items to be read.
    unsafe {
        if length(object) == 0 {
            return std::ptr::null_mut();
        }
        if sort == Sort::Tuple {
            return tuple_item(object, 0);
        }
        let items: *const *mut PyObject = field(object, LIST_ITEMS);
        if items.is_null() {
            std::ptr::null_mut()
        } else {
            *items
        }
    }
}

#[inline(always)]
fn scaled(length: u64, detail: Detail) -> u64 {
    match detail {
        Detail::Exact => length,
        Detail::Coarse => u64::from(size_class(length)),
    }
}

/// 0: rows are contiguous. 1: not these, but columns. 2: neither.
#[inline(always)]
pub fn layout(flags: i32) -> u8 {
    match flags & (numpy::C_CONTIGUOUS | numpy::F_CONTIGUOUS) {
        0 => 2,
        numpy::F_CONTIGUOUS => 1,
        _ => 0,
    }
}

/// Whether a dtype is told by its number and its byte order: those of numbers and of objects.
#[inline(always)]
pub fn is_simple(number: i32) -> bool {
    (0..=17).contains(&number) || number == 23
}

/// # Safety
/// A dtype of NumPy.
unsafe fn add_dtype(key: u64, dtype: *mut PyObject, number: i32, detail: Detail) -> u64 {
    match number {
        // SAFETY: as promised.
        18 | 19 => unsafe { mix(key, field::<u64>(dtype, DESCR_ITEMSIZE)) },
        _ if detail == Detail::Exact => mix(key, dtype as u64),
        _ => key,
    }
}

/// # Safety
/// An array.
pub unsafe fn elements(array: &numpy::Array) -> u64 {
    (0..(array.nd as usize).min(64)).fold(1u64, |size, i| {
        // SAFETY: an array has as many dimensions as it says.
        size.wrapping_mul(unsafe { *array.shape.add(i) } as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_order() {
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
        assert_ne!(fold(2, 3), fold(3, 2));
        assert_eq!([0, 1, 2, 3, 4, 7, 8].map(size_class), [0, 1, 2, 2, 3, 3, 4]);
    }
}
