//! The types of Python objects: what a value is to compiled code.

use ferdelance_compiler::types::{Kind, Record, Ty, join};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyEllipsis, PyFloat, PyFrozenSet, PyInt, PyList, PyRange,
    PySet, PySlice, PyString, PyTuple,
};

use crate::handles::Pins;
use crate::numpy::{self, numpy};
use crate::{buffers, dtypes, functions, generators, known, layouts, typed, types};

/// The type of an object; `None` if compiled code has no type for it. Objects that the type refers to
/// are pinned.
pub fn type_of(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    if let Some(ty) = value_type(object, pins)? {
        return Ok(Some(ty));
    }
    known::type_of(object, pins)
}

/// The type of an object that is a value: a number, a string, a tuple, an array.
fn value_type(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    if object.is_none() {
        return Ok(Some(Ty::none()));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Some(Ty::bool()));
    }
    // SAFETY: alive.
    let class = unsafe { layouts::class(object.as_ptr()) };
    // SAFETY: both are classes.
    if unsafe { ffi::PyType_IsSubtype(class, numpy().generic) } != 0 {
        // Before float and complex, which np.float64 and np.complex128 derive from.
        return match numpy().scalar_num(class) {
            Some(num) => Ok(Some(num.ty())),
            None => scalar_type(object),
        };
    }
    if object.is_exact_instance_of::<PyInt>() || is_plain_subclass::<PyInt>(object) {
        return Ok(int_type(object));
    }
    if object.is_exact_instance_of::<PyFloat>() || is_plain_subclass::<PyFloat>(object) {
        return Ok(Some(Ty::py_float()));
    }
    if object.is_exact_instance_of::<PyComplex>() || is_plain_subclass::<PyComplex>(object) {
        return Ok(Some(Ty::py_complex()));
    }
    if object.is_exact_instance_of::<PyString>() || is_plain_subclass::<PyString>(object) {
        return Ok(Some(Ty::str()));
    }
    if object.is_exact_instance_of::<PyBytes>() {
        return Ok(Some(Ty::bytes()));
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return tuple_type(tuple, pins);
    }
    if let Some(ty) = typed::type_of(object) {
        return ty.map(Some);
    }
    if let Some(ty) = container_type(object, pins)? {
        return Ok(Some(ty));
    }
    // SAFETY: alive.
    if unsafe { numpy().is_array(object.as_ptr()) } {
        if class != numpy().ndarray && is_masked(object) {
            return Ok(None);
        }
        // SAFETY: an array.
        let array = unsafe { numpy().array_type(object.py(), object.as_ptr()) }?;
        return Ok(array.map(|array| array.ty()));
    }
    if let Some(generator) = generators::of(object) {
        return Ok(Some(generator.get().ty()));
    }
    if let Some(exporter) = buffers::exporter(object)? {
        return buffers::type_of(object, exporter);
    }
    if object.is_instance_of::<PyEllipsis>() {
        return Ok(Some(Ty::new(Kind::Ellipsis)));
    }
    if object.is_exact_instance_of::<PyRange>() {
        let range = Ty::new(Kind::Range(Ty::py_int(), None));
        return Ok(parts(object)?.map(|_| range));
    }
    if object.is_exact_instance_of::<PySlice>() {
        return Ok(parts(object)?.map(|given| Ty::new(Kind::Slice(given))));
    }
    Ok(None)
}

/// The type of a NumPy scalar that is no machine scalar: a date, a duration, a record.
fn scalar_type(object: &Bound<'_, PyAny>) -> PyResult<Option<Ty>> {
    let Ok(dtype) = object.getattr("dtype") else {
        return Ok(None);
    };
    let Some(ty) = dtypes::type_of(&dtype)? else {
        return Ok(None);
    };
    // Texts on their own are not of a fixed size.
    if let Kind::Chars { unicode, .. } = ty.kind() {
        return Ok(Some(if *unicode { Ty::str() } else { Ty::bytes() }));
    }
    let Some(record) = ty.as_record() else {
        return Ok(Some(ty));
    };
    // SAFETY: what has fields is a `np.void`.
    let (_, _, writeable) = unsafe { numpy::void_value(object.as_ptr()) };
    let record = Record {
        readonly: !writeable,
        ..record.clone()
    };
    Ok(Some(Ty::new(Kind::Record(Box::new(record)))))
}

/// Which of start, stop and step of a range or slice are not None; `None` if one is no int64.
fn parts(object: &Bound<'_, PyAny>) -> PyResult<Option<[bool; 3]>> {
    let mut given = [false; 3];
    for (name, given) in ["start", "stop", "step"].into_iter().zip(&mut given) {
        let part = object.getattr(name)?;
        *given = !part.is_none();
        if !*given {
            continue;
        }
        // SAFETY: read only if it is an int.
        let value = unsafe {
            if part.is_exact_instance_of::<PyInt>() {
                layouts::long_i64(part.as_ptr())
            } else {
                None
            }
        };
        if value.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(given))
}

/// An instance of a class derived from a builtin one, unless it is a member of an enumeration, which is
/// a value of another kind.
fn is_plain_subclass<T: pyo3::PyTypeInfo>(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<T>() && !object.get_type().hasattr("__members__").unwrap_or(true)
}

fn int_type(object: &Bound<'_, PyAny>) -> Option<Ty> {
    // SAFETY: an int.
    unsafe {
        if layouts::long_i64(object.as_ptr()).is_some() {
            Some(Ty::py_int())
        } else {
            layouts::long_u64(object.as_ptr()).map(|_| Ty::int(64, false).weak())
        }
    }
}

fn tuple_type(tuple: &Bound<'_, PyTuple>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    let class = if tuple.is_exact_instance_of::<PyTuple>() {
        None
    } else {
        match types::named_tuple_class(tuple.get_type().as_any(), pins) {
            Some(class) => Some(class),
            None => return Ok(None),
        }
    };
    let mut items = Vec::with_capacity(tuple.len());
    for item in tuple.iter() {
        match type_of(&item, pins)? {
            Some(ty) => items.push(ty),
            None => return Ok(None),
        }
    }
    Ok(Some(match class {
        None => Ty::tuple(&items),
        Some(class) => Ty::new(Kind::NamedTuple(class, items.into())),
    }))
}

/// The one type of the items of a container, of the keys of a dict or of its values; some may be None. What
/// an empty container could hold, nobody knows, unless it is an item beside others that are not empty.
fn item_type<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    what: &str,
    pins: &mut Pins,
) -> PyResult<Option<Ty>> {
    let (nones, mut items): (Vec<_>, Vec<_>) = items.partition(|item| item.is_none());
    if items.is_empty() {
        items.clone_from(&nones);
    }
    let class = |item: &Bound<'py, PyAny>| item.get_type();
    let heterogeneous = |a: &Bound<'py, PyAny>, b: &Bound<'py, PyAny>| {
        Err(PyTypeError::new_err(format!(
            "can't unbox heterogeneous {what}: {} != {} (all items of a {what} must have one type)",
            class_name(a),
            class_name(b)
        )))
    };
    let mut found: Option<(Ty, &Bound<'py, PyAny>)> = None;
    for item in &items {
        if is_empty_container(item) && items.len() > 1 {
            continue;
        }
        let Some(ty) = type_of(item, pins)? else {
            return Ok(None);
        };
        match found {
            None => found = Some((ty, item)),
            Some((known, first)) if known == ty && class(first).is(class(item)) => {}
            Some((_, first)) => return heterogeneous(first, item),
        }
    }
    let Some((ty, first)) = found else {
        return Err(PyValueError::new_err(format!(
            "cannot determine the type of an empty {what}: cannot compute fingerprint of empty {what}",
        )));
    };
    match items.iter().find(|item| !class(item).is(class(first))) {
        Some(other) => heterogeneous(first, other),
        None if nones.is_empty() => Ok(Some(ty)),
        None => match join::join(Ty::none(), ty) {
            Some(joined) => Ok(Some(joined)),
            None => heterogeneous(first, &nones[0]),
        },
    }
}

fn is_empty_container(object: &Bound<'_, PyAny>) -> bool {
    (object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyDict>()
        || object.is_exact_instance_of::<PySet>()
        || object.is_exact_instance_of::<PyFrozenSet>())
        && object.len().is_ok_and(|len| len == 0)
}

/// The type of a list, a dict, a set or a frozenset; `None` if it is none of these, or has items without a type.
fn container_type(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    Ok(if let Ok(list) = object.cast_exact::<PyList>() {
        item_type(list.iter(), "list", pins)?.map(Ty::list)
    } else if let Ok(set) = object.cast_exact::<PySet>() {
        item_type(set.iter(), "set", pins)?.map(Ty::set)
    } else if let Ok(set) = object.cast_exact::<PyFrozenSet>() {
        item_type(set.iter(), "frozenset", pins)?
            .map(|item| Ty::new(Kind::Set { item, frozen: true }))
    } else if let Ok(dict) = object.cast_exact::<PyDict>() {
        let key = item_type(dict.iter().map(|(key, _)| key), "dict", pins)?;
        let value = item_type(dict.iter().map(|(_, value)| value), "dict", pins)?;
        key.zip(value)
            .map(|(key, value)| Ty::dict(Ty::tuple(&[key, value])))
    } else {
        None
    })
}

/// Masked arrays are arrays by inheritance only.
fn is_masked(object: &Bound<'_, PyAny>) -> bool {
    object.get_type().mro().iter().any(|class| {
        let module = class
            .getattr("__module__")
            .ok()
            .and_then(|module| module.extract::<String>().ok());
        module.is_some_and(|module| module.starts_with("numpy.ma"))
    })
}

/// The class of an object as messages name it: the first item of a tuple that has no type, else itself.
pub fn blame(object: &Bound<'_, PyAny>) -> String {
    if let Ok(tuple) = object.cast::<PyTuple>() {
        let mut pins = Pins::default();
        for item in tuple.iter() {
            if !matches!(type_of(&item, &mut pins), Ok(Some(_))) {
                return format!("{} in a tuple", blame(&item));
            }
        }
    }
    if functions::is_untyped(object) {
        return "ctypes function whose argtypes are not set, or unknown to compiled code"
            .to_owned();
    }
    if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
        return "int that does not fit into 64 bits".to_owned();
    }
    // SAFETY: alive.
    if unsafe { numpy().is_array(object.as_ptr()) }
        && let Ok(dtype) = object
            .getattr("dtype")
            .and_then(|dtype| dtype.str()?.extract::<String>())
    {
        return format!("{} of dtype {dtype}", class_name(object));
    }
    class_name(object)
}

/// `re.Pattern`, `list`: the qualified name of an object's class.
pub fn class_name(object: &Bound<'_, PyAny>) -> String {
    let class = object.get_type();
    let name = class
        .qualname()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string());
    match class.module() {
        Ok(module) if module != "builtins" => format!("{module}.{name}"),
        _ => name,
    }
}
