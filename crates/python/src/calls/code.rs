//! What a code object says of its function: names, place, parameters.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arguments::{Kind, Parameter};

const CO_VARARGS: u32 = 4;
const CO_VARKEYWORDS: u32 = 8;
/// Generators, coroutines, and asynchronous generators.
pub const CO_SUSPENDS: u32 = 0x20 | 0x80 | 0x200;

/// What a function is called, and where it is defined.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// Qualified, if the Python knows it.
    pub name: String,
    /// As the code object has it.
    pub short: String,
    pub file: String,
    pub line: u32,
    pub is_native: bool,
}

/// What a code object says.
#[derive(Default)]
pub struct Read {
    pub name: Name,
    pub flags: u32,
    pub parameters: Vec<Parameter>,
    pub names: Vec<String>,
}

/// Reads a code object: attributes of an exact class of CPython's.
pub fn read_code(code: &Bound<'_, PyAny>) -> PyResult<Read> {
    let py = code.py();
    let number = |name: &str| code.getattr(name)?.extract::<u32>();
    let text = |name: &str| -> PyResult<String> {
        let text = code.getattr(name)?;
        Ok(text.str()?.to_string_lossy().into_owned())
    };
    let short = text("co_name")?;
    let name = Name {
        name: text("co_qualname").unwrap_or_else(|_| short.clone()),
        short,
        file: text("co_filename")?,
        line: number("co_firstlineno")?,
        is_native: false,
    };
    let flags = number("co_flags")?;
    let (positional, keyword_only) = (number("co_argcount")?, number("co_kwonlyargcount")?);
    let names: Vec<String> = code.getattr("co_varnames")?.extract()?;
    let cells: Vec<String> = code
        .getattr("co_cellvars")?
        .cast_into::<PyTuple>()?
        .extract()?;
    let variables = code.getattr("co_nlocals")?.extract::<usize>()?;
    // Up to 3.10 a parameter that is in a cell has left its place for one behind the variables.
    let moves = py.version_info() < (3, 11);
    let mut read = Read {
        name,
        flags,
        ..Read::default()
    };
    let mut add = |slot: u32, kind: Kind| {
        let name = names.get(slot as usize).cloned().unwrap_or_default();
        let cell = cells.iter().position(|cell| *cell == name);
        let kind = match (kind, cell) {
            (Kind::Plain, Some(_)) => Kind::Cell,
            (kind, _) => kind,
        };
        let slot = match cell {
            Some(cell) if moves => variables + cell,
            _ => slot as usize,
        };
        read.parameters.push(Parameter {
            slot: u16::try_from(slot).unwrap_or(u16::MAX),
            kind,
        });
        read.names.push(name);
    };
    let variadic = positional + keyword_only;
    let has_args = flags & CO_VARARGS != 0;
    (0..positional).for_each(|slot| add(slot, Kind::Plain));
    if has_args {
        add(variadic, Kind::Args);
    }
    (positional..variadic).for_each(|slot| add(slot, Kind::Plain));
    if flags & CO_VARKEYWORDS != 0 {
        add(variadic + u32::from(has_args), Kind::Keywords);
    }
    Ok(read)
}
