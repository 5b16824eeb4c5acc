//! What a function's text is known by: its code object.
//!
//! Reading the source and making sure that it is the function's takes milliseconds; the code object is
//! at hand, cannot be out of date, and says what the text says. Lines count from the function's first
//! one, and the file's name is left out: a function that has moved is the same function.

use ferdelance_compiler::encode::Encoder;
use ferdelance_compiler::trace::Place;
use ferdelance_jit::cache::digest;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyEllipsis, PyFloat, PyFrozenSet, PyInt, PyString, PyTuple,
};

/// A function's text.
#[derive(Clone, Debug)]
pub struct Code {
    pub digest: u128,
    pub place: Place,
}

/// Integers that say what a code object is.
const NUMBERS: [&str; 4] = [
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
];
/// Lists of names.
const NAMES: [&str; 4] = ["co_names", "co_varnames", "co_freevars", "co_cellvars"];
/// Instructions, lines and columns, handlers (from 3.11 on).
const TABLES: [&str; 3] = ["co_code", "co_linetable", "co_exceptiontable"];

/// The text of a function with this code object; `source` is what the user gave as the `source` option.
/// Or why it has no meaning in other processes.
pub fn of(
    function: &Bound<'_, PyAny>,
    code: &Bound<'_, PyAny>,
    source: Option<&str>,
) -> PyResult<Result<Code, String>> {
    let py = function.py();
    let mut out = Encoder::default();
    // Bytecode means something in one version of Python only.
    let implementation = py.import("sys")?.getattr("implementation")?;
    out.str(&implementation.getattr("cache_tag")?.str()?.to_string());
    out.str(&function.getattr("__qualname__")?.extract::<String>()?);
    out.option(source, Encoder::str);
    let line: u32 = code.getattr("co_firstlineno")?.extract()?;
    if let Err(why) = object(&mut out, code, line.into())? {
        return Ok(Err(why));
    }
    let file: String = code.getattr("co_filename")?.extract()?;
    let place = Place {
        file: file.into(),
        line,
    };
    Ok(Ok(Code {
        digest: digest(&out.bytes),
        place,
    }))
}

/// A code object; lines count from `base`.
fn object(out: &mut Encoder, code: &Bound<'_, PyAny>, base: i64) -> PyResult<Result<(), String>> {
    let line: i64 = code.getattr("co_firstlineno")?.extract()?;
    out.u64((line - base).cast_unsigned());
    text(out, &code.getattr("co_name")?)?;
    for name in NUMBERS {
        out.u64(code.getattr(name)?.extract::<i64>()?.cast_unsigned());
    }
    for name in NAMES {
        let names = code.getattr(name)?.cast_into::<PyTuple>()?;
        out.length(names.len());
        for name in names.iter() {
            text(out, &name)?;
        }
    }
    for name in TABLES {
        match code.getattr_opt(name)? {
            Some(table) => out.raw(table.cast::<PyBytes>()?.as_bytes()),
            None => out.length(0),
        }
    }
    let constants = code.getattr("co_consts")?.cast_into::<PyTuple>()?;
    out.length(constants.len());
    for value in constants.iter() {
        if let Err(why) = constant(out, &value, line)? {
            return Ok(Err(why));
        }
    }
    Ok(Ok(()))
}

/// A constant of a code object.
fn constant(
    out: &mut Encoder,
    value: &Bound<'_, PyAny>,
    base: i64,
) -> PyResult<Result<(), String>> {
    if value.is_none() {
        out.u8(0);
    } else if value.is_instance_of::<PyEllipsis>() {
        out.u8(1);
    } else if let Ok(value) = value.cast_exact::<PyBool>() {
        out.u8(2);
        out.bool(value.is_true());
    } else if value.is_exact_instance_of::<PyInt>() {
        out.u8(3);
        // In hexadecimal, which has no limit of digits.
        text(out, &value.call_method1("__format__", ("x",))?)?;
    } else if let Ok(value) = value.cast_exact::<PyFloat>() {
        out.u8(4);
        out.u64(value.value().to_bits());
    } else if let Ok(value) = value.cast_exact::<PyComplex>() {
        out.u8(5);
        out.u64(value.real().to_bits());
        out.u64(value.imag().to_bits());
    } else if value.is_exact_instance_of::<PyString>() {
        out.u8(6);
        text(out, value)?;
    } else if let Ok(value) = value.cast_exact::<PyBytes>() {
        out.u8(7);
        out.raw(value.as_bytes());
    } else if let Ok(items) = value.cast_exact::<PyTuple>() {
        out.u8(8);
        out.length(items.len());
        for item in items.iter() {
            if let Err(why) = constant(out, &item, base)? {
                return Ok(Err(why));
            }
        }
    } else if let Ok(items) = value.cast_exact::<PyFrozenSet>() {
        out.u8(9);
        // In an order that does not depend on hashes, which differ from process to process.
        let mut encoded = Vec::with_capacity(items.len());
        for item in items.iter() {
            let mut item_out = Encoder::default();
            if let Err(why) = constant(&mut item_out, &item, base)? {
                return Ok(Err(why));
            }
            encoded.push(item_out.bytes);
        }
        encoded.sort();
        out.length(encoded.len());
        encoded.iter().for_each(|item| out.raw(item));
    } else if value.hasattr("co_code")? {
        out.u8(10);
        return object(out, value, base);
    } else {
        // Put there by a tool that changes code.
        let class = value.get_type().qualname()?;
        return Ok(Err(format!("its code holds an object of class {class}")));
    }
    Ok(Ok(()))
}

/// A string, which may have lone surrogates.
fn text(out: &mut Encoder, text: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(text) = text.cast::<PyString>()?.to_cow() {
        out.str(&text);
    } else {
        let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
        out.raw(bytes.cast::<PyBytes>()?.as_bytes());
    }
    Ok(())
}
