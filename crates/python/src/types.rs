//! Types as nested tuples: how they cross between Python and the compiler.
//! `python/ferdelance/types/_encoding.py` is the other side and lists the forms.

use ferdelance_compiler::types::{
    ArrayTy, Exporter, Generator, Kind, Layout, NamedTuple, PyRef, Ty, Unit,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

use crate::handles::{self, Pins};
use crate::typeof_;
use crate::{dispatcher, dtypes, known};

/// The encoding of a type.
pub fn encode<'py>(py: Python<'py>, ty: Ty) -> PyResult<Bound<'py, PyAny>> {
    let tuple = match ty.kind() {
        Kind::None => ("none",).into_pyobject(py)?,
        Kind::Bool => ("bool",).into_pyobject(py)?,
        Kind::Str => ("str",).into_pyobject(py)?,
        Kind::Int { bits, signed, weak } => ("int", *bits, *signed, *weak).into_pyobject(py)?,
        Kind::Float { bits, weak } => ("float", *bits, *weak).into_pyobject(py)?,
        Kind::Complex { bits, weak } => ("complex", *bits, *weak).into_pyobject(py)?,
        Kind::Time { delta, unit } => {
            let tag = if *delta { "timedelta" } else { "datetime" };
            (tag, unit.name()).into_pyobject(py)?
        }
        Kind::Chars { unicode, count } => {
            let tag = if *unicode {
                "unicodecharseq"
            } else {
                "charseq"
            };
            (tag, *count).into_pyobject(py)?
        }
        Kind::Record(_) => ("record", dtypes::make(py, ty)?).into_pyobject(py)?,
        Kind::Tuple(items) => ("tuple", encode_all(py, items)?).into_pyobject(py)?,
        Kind::NamedTuple(class, items) => (
            "namedtuple",
            object(py, class.class)?,
            encode_all(py, items)?,
        )
            .into_pyobject(py)?,
        Kind::Array(array) => ("array", array_parts(py, *array)?).into_pyobject(py)?,
        Kind::Buffer(exporter, array) => {
            let parts = array_parts(py, *array)?;
            ("buffer", exporter.name(), parts).into_pyobject(py)?
        }
        // Which lists are reflected is not a matter of types here.
        Kind::List(item) => ("list", encode(py, *item)?, true).into_pyobject(py)?,
        Kind::Dict { typed, .. } if let Some((key, value)) = ty.dict_item() => {
            ("dict", encode(py, key)?, encode(py, value)?, *typed).into_pyobject(py)?
        }
        Kind::Set { item, frozen } => {
            let tag = if *frozen { "frozenset" } else { "set" };
            (tag, encode(py, *item)?, true).into_pyobject(py)?
        }
        Kind::Generator(generator) => (
            "generator",
            encode(py, generator.item)?,
            encode(py, generator.sent)?,
            encode(py, generator.result)?,
        )
            .into_pyobject(py)?,
        Kind::Optional(inner) => ("optional", encode(py, *inner)?).into_pyobject(py)?,
        Kind::Omitted(default) => ("omitted", object(py, *default)?).into_pyobject(py)?,
        Kind::Range(item, _) => ("range", item.bits()).into_pyobject(py)?,
        Kind::Slice(parts) => ("slice", if parts[2] { 3 } else { 2 }).into_pyobject(py)?,
        Kind::Dtype(inner) => ("dtype", encode(py, *inner)?).into_pyobject(py)?,
        Kind::Module(name) => ("module", py.import(&**name)?).into_pyobject(py)?,
        Kind::Dispatcher(dispatcher, _) => {
            ("dispatcher", object(py, *dispatcher)?).into_pyobject(py)?
        }
        Kind::Function(signature) => (
            "functiontype",
            encode(py, signature.result)?,
            encode_all(py, &signature.args)?,
        )
            .into_pyobject(py)?,
        Kind::Foreign(_, ty) => return encode(py, *ty),
        Kind::NamedTupleClass(class) => ("class", object(py, class.class)?).into_pyobject(py)?,
        Kind::ExcClass(class, _) => ("class", object(py, *class)?).into_pyobject(py)?,
        Kind::Class(inner) => ("class", python_type(py, *inner)?).into_pyobject(py)?,
        Kind::Ellipsis => {
            ("py", py.import("ferdelance.types")?.getattr("ellipsis")?).into_pyobject(py)?
        }
        _ => {
            // No form of its own: Python sees a type that has nothing but a name.
            let opaque = py
                .import("ferdelance.types")?
                .getattr("Opaque")?
                .call1((ty.to_string(),))?;
            ("py", opaque).into_pyobject(py)?
        }
    };
    Ok(tuple.into_any())
}

/// What the encoding of an array says after its tag: dtype, ndim, layout, readonly, aligned.
fn array_parts<'py>(py: Python<'py>, array: ArrayTy) -> PyResult<Bound<'py, PyTuple>> {
    let layout = match array.layout {
        Layout::C => "C",
        Layout::F => "F",
        Layout::A => "A",
    };
    let dtype = encode(py, array.dtype)?;
    (dtype, array.ndim, layout, array.readonly, array.aligned).into_pyobject(py)
}

/// The array that such parts stand for; `None` if arrays cannot have such items.
fn array_type(parts: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<ArrayTy>> {
    let (dtype, ndim, layout, readonly, aligned): (Bound<'_, PyAny>, u8, char, bool, bool) =
        parts.extract()?;
    let layout = match layout {
        'C' => Layout::C,
        'F' => Layout::F,
        'A' => Layout::A,
        _ => {
            let message = format!("`{layout}` is no memory layout");
            return Err(PyValueError::new_err(message));
        }
    };
    let dtype = decode(&dtype, pins)?.strong();
    Ok(dtype.is_item().then_some(ArrayTy {
        dtype,
        ndim,
        layout,
        readonly,
        aligned,
    }))
}

/// The encodings of several types, as a tuple.
pub fn encode_all<'py>(py: Python<'py>, types: &[Ty]) -> PyResult<Bound<'py, PyTuple>> {
    let items = types
        .iter()
        .map(|&ty| encode(py, ty))
        .collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, items)
}

/// The `ferdelance.types` object.
fn python_type<'py>(py: Python<'py>, ty: Ty) -> PyResult<Bound<'py, PyAny>> {
    py.import("ferdelance.types")?
        .getattr("_decode")?
        .call1((encode(py, ty)?,))
}

fn object(py: Python<'_>, handle: PyRef) -> PyResult<Bound<'_, PyAny>> {
    handles::lookup(py, handle)
        .ok_or_else(|| PyValueError::new_err("an object that a type refers to is gone"))
}

/// The type that an encoding stands for. Objects that the type refers to are pinned.
///
/// Raises TypeError for a type that compiled code does not have, and ValueError for what is no encoding.
pub fn decode(encoding: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Ty> {
    let malformed = || PyValueError::new_err(format!("{encoding} does not encode a type"));
    let parts = encoding.cast::<PyTuple>().map_err(|_| malformed())?;
    let tag = parts
        .get_item(0)?
        .cast_into::<PyString>()
        .map_err(|_| malformed())?;
    let part = |i: usize| parts.get_item(i);
    let unsupported = |what: &Bound<'_, PyAny>| {
        Err(PyTypeError::new_err(format!(
            "compiled code does not have the type {}",
            what.str()?
        )))
    };
    Ok(match &*tag.to_cow()? {
        "none" => Ty::none(),
        "bool" => Ty::bool(),
        "str" => Ty::str(),
        "int" => {
            let (bits, signed, weak): (u8, bool, bool) = (
                part(1)?.extract()?,
                part(2)?.extract()?,
                part(3)?.extract()?,
            );
            if ![8, 16, 32, 64].contains(&bits) {
                return unsupported(encoding);
            }
            Ty::new(Kind::Int { bits, signed, weak })
        }
        "float" => {
            let (bits, weak): (u8, bool) = (part(1)?.extract()?, part(2)?.extract()?);
            if ![16, 32, 64].contains(&bits) {
                return unsupported(&PyString::new(encoding.py(), &format!("float{bits}")));
            }
            Ty::new(Kind::Float { bits, weak })
        }
        "complex" => {
            let (bits, weak): (u8, bool) = (part(1)?.extract()?, part(2)?.extract()?);
            if ![64, 128].contains(&bits) {
                return unsupported(encoding);
            }
            Ty::new(Kind::Complex { bits, weak })
        }
        "datetime" | "timedelta" => match Unit::by_name(&part(1)?.extract::<String>()?) {
            Some(unit) => Ty::time(&*tag.to_cow()? == "timedelta", unit),
            None => return unsupported(encoding),
        },
        "charseq" | "unicodecharseq" => Ty::new(Kind::Chars {
            unicode: &*tag.to_cow()? == "unicodecharseq",
            count: part(1)?.extract()?,
        }),
        "record" => match dtypes::type_of(&part(1)?)? {
            Some(ty) => ty,
            None => return unsupported(&part(1)?),
        },
        "tuple" => Ty::tuple(&decode_all(&part(1)?, pins)?),
        "namedtuple" => {
            let class = named_tuple_class(&part(1)?, pins).ok_or_else(malformed)?;
            Ty::new(Kind::NamedTuple(class, decode_all(&part(2)?, pins)?.into()))
        }
        "array" => match array_type(&part(1)?, pins)? {
            Some(array) => array.ty(),
            None => return unsupported(encoding),
        },
        "buffer" => {
            let exporter = Exporter::by_name(&part(1)?.extract::<String>()?);
            match (exporter, array_type(&part(2)?, pins)?) {
                (Some(exporter), Some(array)) => Ty::new(Kind::Buffer(exporter, array)),
                _ => return unsupported(encoding),
            }
        }
        "list" => Ty::list(decode(&part(1)?, pins)?),
        "dict" => {
            let (key, value) = (decode(&part(1)?, pins)?, decode(&part(2)?, pins)?);
            let item = Ty::tuple(&[key.strong(), value.strong()]);
            Ty::new(Kind::Dict {
                item,
                typed: part(3)?.extract()?,
            })
        }
        tag @ ("set" | "frozenset") => Ty::new(Kind::Set {
            item: decode(&part(1)?, pins)?,
            frozen: tag == "frozenset",
        }),
        "generator" => Ty::new(Kind::Generator(Generator {
            item: decode(&part(1)?, pins)?,
            sent: decode(&part(2)?, pins)?,
            result: decode(&part(3)?, pins)?,
        })),
        "optional" => Ty::optional(decode(&part(1)?, pins)?),
        "omitted" => Ty::new(Kind::Omitted(pins.add(&part(1)?))),
        "dispatcher" => dispatcher::type_of(&part(1)?, pins)?,
        "functiontype" => Ty::function(decode(&part(1)?, pins)?, &decode_all(&part(2)?, pins)?),
        "dtype" => Ty::new(Kind::Dtype(decode(&part(1)?, pins)?)),
        "module" | "class" => {
            let object = part(1)?;
            match known::type_of(&object, pins)? {
                Some(ty) => ty,
                None => return unsupported(&object),
            }
        }
        "range" => Ty::new(Kind::Range(Ty::int(part(1)?.extract()?, true), None)),
        "literal" => {
            let value = part(1)?;
            match typeof_::type_of(&value, pins)? {
                Some(ty) => ty.strong(),
                None => return unsupported(&value),
            }
        }
        "slice" => {
            let members: usize = part(1)?.extract()?;
            Ty::new(Kind::Slice([true, true, members == 3]))
        }
        "py" => {
            let ty = part(1)?;
            // What `encode` gives for functions.
            let name = ty.str()?.to_string();
            let function = name
                .strip_prefix("Function(")
                .and_then(|name| name.strip_suffix(')'));
            match function.filter(|function| known::resolve(ty.py(), function).is_ok()) {
                Some(function) => Ty::builtin(function),
                None if name == "..." => Ty::new(Kind::Ellipsis),
                None => return unsupported(&ty),
            }
        }
        _ => return unsupported(encoding),
    })
}

/// The types of a tuple (or another sequence) of encodings.
pub fn decode_all(encodings: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Vec<Ty>> {
    encodings
        .try_iter()?
        .map(|encoding| decode(&encoding?, pins))
        .collect()
}

/// The description of a named tuple's class; `None` if it is none.
pub fn named_tuple_class(class: &Bound<'_, PyAny>, pins: &mut Pins) -> Option<NamedTuple> {
    let class = class.cast::<PyType>().ok()?;
    if !class.is_subclass_of::<PyTuple>().ok()? {
        return None;
    }
    let fields: Vec<String> = class.getattr_opt("_fields").ok()??.extract().ok()?;
    let name = class.name().ok()?.to_string();
    Some(NamedTuple {
        class: pins.add(class),
        name: name.into(),
        fields: fields.into_iter().map(Into::into).collect(),
    })
}
