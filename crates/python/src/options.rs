//! The options of a dispatcher, from the dict that `python/ferdelance/_options.py` makes.

use std::sync::Arc;

use ferdelance_abi::settings::{FastMath, Options, Parallel, Rewrites};
use ferdelance_compiler::types::Ty;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::handles::Pins;
use crate::types;

pub struct DispatcherOptions {
    /// What the compiler sees.
    pub compiler: Options,
    /// Keep the code in files.
    pub cache: bool,
    /// Source text given by the user.
    pub source: Option<String>,
    /// Types of local variables by name.
    pub locals: Arc<[(Arc<str>, Ty)]>,
    /// Their names.
    pub coerced: Vec<Arc<str>>,
    /// Objects that those types refer to.
    pub locals_pins: Pins,
    /// Make functions for C, too.
    pub for_c: bool,
}

impl DispatcherOptions {
    pub fn of(options: &Bound<'_, PyDict>) -> PyResult<DispatcherOptions> {
        let flag = |name: &str| -> PyResult<bool> {
            match options.get_item(name)? {
                Some(value) => value.is_truthy(),
                None => Ok(false),
            }
        };
        let mut fastmath = FastMath::default();
        if let Some(flags) = options.get_item("fastmath")? {
            for name in flags.try_iter()? {
                let name: String = name?.extract()?;
                let flag = FastMath::flag(&name);
                fastmath.0 |= flag.ok_or_else(|| {
                    PyValueError::new_err(format!("fastmath has no flag {name:?}"))
                })?;
            }
        }
        let mut without = Rewrites::default();
        if let Some(names) = options.get_item("no_rewrites")? {
            for name in names.try_iter()? {
                let name: String = name?.extract()?;
                let bit = Rewrites::named(&name);
                without.0 |= bit.ok_or_else(|| {
                    PyValueError::new_err(format!("there is no rewrite {name:?}"))
                })?;
            }
        }
        let parts = options.get_item("parallel_parts")?;
        let is_off = |part: &str| -> PyResult<bool> {
            let Some(parts) = &parts else {
                return Ok(false);
            };
            let on = parts.cast::<PyDict>()?.get_item(part)?;
            on.map_or(Ok(false), |on| Ok(!on.is_truthy()?))
        };
        if is_off("fusion")? {
            without.0 |= Rewrites::FUSE | Rewrites::MERGE;
        }
        let mut parallel = Parallel(if flag("parallel")? { Parallel::ALL } else { 0 });
        for (part, bit) in Parallel::NAMES {
            if is_off(part)? {
                parallel.0 &= !bit;
            }
        }
        if parallel.any() && ferdelance_runtime::team::worth() == 0 {
            parallel.0 |= Parallel::ALWAYS;
        }
        let text = |name: &str| -> PyResult<Option<String>> {
            match options.get_item(name)? {
                // `inline` may also be a function that decides call by call: neither always nor never.
                Some(value) => Ok(value.cast::<PyString>().ok().map(|text| text.to_string())),
                None => Ok(None),
            }
        };
        let inline = text("inline")?;
        let mut locals_pins = Pins::default();
        let mut locals = Vec::new();
        if let Some(given) = options.get_item("locals")?
            && let Ok(given) = given.cast_into::<PyDict>()
        {
            for (name, encoding) in given.iter() {
                let name: String = name.extract()?;
                locals.push((
                    Arc::from(name.as_str()),
                    types::decode(&encoding, &mut locals_pins)?,
                ));
            }
        }
        Ok(DispatcherOptions {
            compiler: Options {
                fastmath,
                numpy_errors: text("error_model")?.as_deref() == Some("numpy"),
                boundscheck: flag("boundscheck")?,
                always_inline: inline.as_deref() == Some("always") || flag("forceinline")?,
                // "never" is the default of the peer and does not mean what it says; the compiler decides.
                never_inline: false,
                parallel,
                debug: flag("debug")?,
                nogil: flag("nogil")?,
                without,
            },
            cache: flag("cache")?,
            source: text("source")?,
            coerced: locals
                .iter()
                .map(|(name, _): &(Arc<str>, Ty)| name.clone())
                .collect(),
            locals: locals.into(),
            locals_pins,
            for_c: flag("for_c")?,
        })
    }
}
