//! Arguments in words, at first sight: `ndarray(dtype=float32, shape=(16,))`, `list[int](len=3)`.

use core::ffi::{CStr, c_char};

use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

use super::arguments::{
    self, Arguments, Detail, Kind, Parameter, Passed, Sort, elements, first_item, is_simple,
    size_class,
};
use super::readers;
use crate::layouts::{class, field};
use crate::numpy;

const TYPE_NAME: usize = 24;
const DESCR_BYTEORDER: usize = 26;
const DESCR_NUMBER: usize = 28;
const DESCR_ITEMSIZE: usize = 40;

/// The names of NumPy's types of numbers, by its numbers of them.
#[rustfmt::skip]
const DTYPES: [&str; 24] = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "longlong",
    "ulonglong", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble", "object",
    "bytes", "str", "void", "datetime64", "timedelta64", "float16",
];

/// Arguments in words, and the objects whose addresses are in their key.
#[derive(Debug, Default)]
pub struct Described {
    /// By parameter: its name and what it is.
    pub arguments: Vec<(String, String)>,
    pub held: Vec<*mut PyObject>,
}

impl Described {
    /// # Safety
    /// An object that is alive, or null.
    pub unsafe fn add(
        &mut self,
        all: &Arguments,
        name: &str,
        object: *mut PyObject,
        detail: Detail,
    ) {
        // SAFETY: as promised.
        let text = unsafe { self.describe(all, object, detail) };
        self.arguments.push((name.to_owned(), text));
    }

    /// Adds the arguments of a frame.
    ///
    /// # Safety
    /// A frame of a function with these parameters; the GIL is held.
    pub unsafe fn add_frame(
        &mut self,
        all: &Arguments,
        frame: usize,
        parameters: &[Parameter],
        names: &[String],
        detail: Detail,
    ) {
        for (&parameter, name) in parameters.iter().zip(names) {
            // SAFETY: as promised.
            unsafe {
                let object = all.value(frame, parameter);
                match parameter.kind {
                    Kind::Plain | Kind::Cell => self.add(all, name, object, detail),
                    kind => {
                        let text = self.describe_many(all, object, kind, detail);
                        let stars = if kind == Kind::Args { "*" } else { "**" };
                        self.arguments.push((format!("{stars}{name}"), text));
                    }
                }
            }
        }
    }

    /// Adds arguments that were passed, with the names of the parameters.
    ///
    /// # Safety
    /// The arguments of a vectorcall; the GIL is held.
    pub unsafe fn add_call(
        &mut self,
        all: &Arguments,
        passed: Passed,
        names: &[String],
        detail: Detail,
    ) {
        // SAFETY: as promised.
        unsafe {
            for i in 0..passed.count {
                let name = names.get(i).map_or("", String::as_str);
                self.add(all, name, *passed.args.add(i), detail);
            }
            for i in 0..passed.keyword_count() {
                let name = string(passed.keyword(i));
                self.add(all, &name, *passed.args.add(passed.count + i), detail);
            }
        }
    }

    unsafe fn describe_many(
        &mut self,
        all: &Arguments,
        object: *mut PyObject,
        kind: Kind,
        detail: Detail,
    ) -> String {
        let mut parts = vec![];
        // SAFETY: as `arguments::each` asks for.
        unsafe {
            let object = all.inside(object);
            arguments::each(object, kind, |name, value| {
                let text = self.describe(all, value, detail);
                parts.push(match name.is_null() {
                    true => text,
                    false => format!("{}={text}", string(name)),
                });
            });
            let length = if object.is_null() {
                0
            } else {
                arguments::length(object)
            };
            if length as usize > parts.len() {
                parts.push(format!("…, {}", size("len", length, detail)));
            }
        }
        format!("({})", parts.join(", "))
    }

    unsafe fn describe(
        &mut self,
        all: &Arguments,
        object: *mut PyObject,
        detail: Detail,
    ) -> String {
        if object.is_null() {
            return "<unknown>".to_owned();
        }
        // SAFETY: alive; each sort is read as such.
        unsafe {
            if object == ffi::Py_None() {
                return "None".to_owned();
            }
            let ty = class(object);
            self.held.push(ty.cast());
            let name = type_name(ty);
            let sort = all.sort(ty);
            match sort {
                Sort::Other => name,
                Sort::Array => self.array(&name, object, detail),
                Sort::Read(reader) => readers::read(reader, object).unwrap_or(name),
                _ => {
                    let length = arguments::length_of(object, sort);
                    let mut item = String::new();
                    if matches!(sort, Sort::List | Sort::Tuple) {
                        let first = first_item(object, sort);
                        if !first.is_null() {
                            let ty = class(first);
                            self.held.push(ty.cast());
                            item = format!("[{}]", type_name(ty));
                        }
                    }
                    format!("{name}{item}({})", size("len", length, detail))
                }
            }
        }
    }

    unsafe fn array(&mut self, name: &str, object: *mut PyObject, detail: Detail) -> String {
        // SAFETY: an array.
        unsafe {
            let array = &*object.cast::<numpy::Array>();
            let number: i32 = field(array.descr, DESCR_NUMBER);
            if !is_simple(number) {
                self.held.push(array.descr);
            }
            let dtype = dtype_name(array.descr, number);
            let shape = match detail {
                Detail::Coarse => format!(
                    "ndim={}, {}",
                    array.nd,
                    size("size", elements(array), detail)
                ),
                Detail::Exact => {
                    let sizes =
                        (0..(array.nd as usize).min(64)).map(|i| (*array.shape.add(i)).to_string());
                    let sizes: Vec<String> = sizes.collect();
                    let comma = if sizes.len() == 1 { "," } else { "" };
                    format!("shape=({}{comma})", sizes.join(", "))
                }
            };
            let order = match arguments::layout(array.flags) {
                0 => "",
                1 => ", order=F",
                _ => ", strided",
            };
            format!("{name}(dtype={dtype}, {shape}{order})")
        }
    }
}

/// `len=3`, or `len=2..3` where sizes are told apart by powers of two only.
fn size(what: &str, size: u64, detail: Detail) -> String {
    if detail == Detail::Exact || size < 2 {
        return format!("{what}={size}");
    }
    let class = size_class(size);
    let first = 1u64 << (class - 1);
    format!("{what}={first}..{}", first - 1 + first)
}

/// The name of a class, without its module.
///
/// # Safety
/// A class.
pub unsafe fn type_name(ty: *mut PyTypeObject) -> String {
    // SAFETY: a class has a name there, as C has texts.
    let name = unsafe {
        let name: *const c_char = field(ty.cast(), TYPE_NAME);
        if name.is_null() {
            return "<unknown>".to_owned();
        }
        CStr::from_ptr(name)
    };
    let name = name.to_string_lossy();
    name.rsplit('.').next().unwrap_or(&name).to_owned()
}

/// The name of a dtype: of those that users define, the name of their class only.
///
/// # Safety
/// A dtype of NumPy; the GIL is held.
unsafe fn dtype_name(dtype: *mut PyObject, number: i32) -> String {
    // SAFETY: dtypes are laid out so.
    let (order, bytes) = unsafe {
        (
            field::<u8>(dtype, DESCR_BYTEORDER),
            field::<u64>(dtype, DESCR_ITEMSIZE),
        )
    };
    let known = usize::try_from(number).ok().and_then(|i| DTYPES.get(i));
    match (number, known) {
        (18, _) => format!("|S{bytes}"),
        (19, _) => format!(
            "{}U{}",
            char::from(if order == b'=' { b'<' } else { order }),
            bytes / 4
        ),
        // Texts that NumPy makes of its own dtypes.
        // SAFETY: an object.
        (20..=22, Some(known)) => unsafe { text_of(dtype) }.unwrap_or_else(|| (*known).to_owned()),
        (_, Some(known)) if order == b'>' => format!(">{known}"),
        (_, Some(known)) => (*known).to_owned(),
        // SAFETY: an object has a class.
        _ => unsafe { type_name(class(dtype)) },
    }
}

/// `str(object)`; what is pending or goes wrong stays as it was.
///
/// # Safety
/// An object whose class is NumPy's.
unsafe fn text_of(object: *mut PyObject) -> Option<String> {
    Python::attach(|py| {
        let pending = PyErr::take(py);
        // SAFETY: as promised.
        let object = unsafe { Bound::from_borrowed_ptr(py, object) };
        let text = object
            .str()
            .ok()
            .map(|text| text.to_string_lossy().into_owned());
        if let Some(pending) = pending {
            pending.restore(py);
        }
        text
    })
}

/// # Safety
/// A string.
unsafe fn string(object: *mut PyObject) -> String {
    Python::attach(|py| {
        // SAFETY: as promised.
        let object = unsafe { Bound::from_borrowed_ptr(py, object) };
        match object.cast_exact::<pyo3::types::PyString>() {
            Ok(text) => text.to_string_lossy().into_owned(),
            Err(_) => "?".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_classes() {
        let texts: Vec<String> = [0, 1, 2, 3, 16, 31]
            .map(|n| size("len", n, Detail::Coarse))
            .to_vec();
        assert_eq!(
            texts,
            [
                "len=0",
                "len=1",
                "len=2..3",
                "len=2..3",
                "len=16..31",
                "len=16..31"
            ]
        );
        assert_eq!(size("len", 31, Detail::Exact), "len=31");
    }
}
