//! From a Python function to its source text and HIR.

use std::sync::Arc;

use ferdelance_compiler::diag::{self, Code, Diagnostic};
use ferdelance_compiler::source::Source;
use pyo3::exceptions::PyLookupError;
use pyo3::prelude::*;

/// Where a function is in a text.
pub struct Place {
    pub source: Arc<Source>,
    pub at: At,
    pub qualname: String,
    pub free: Vec<Arc<str>>,
}

/// The `def` or `lambda` itself.
pub enum At {
    Def { line: u32, name: String },
    Lambda { line: u32, column: u32 },
}

/// Finds the source of a function; `text` is what the user gave as the `source` option.
pub fn find(function: &Bound<'_, PyAny>, text: Option<&str>) -> PyResult<diag::Result<Place>> {
    let py = function.py();
    let code = function.getattr("__code__")?;
    let qualname: String = function.getattr("__qualname__")?.extract()?;
    let free: Vec<String> = code.getattr("co_freevars")?.extract()?;
    let found = match py
        .import("ferdelance._capture")?
        .getattr("find")?
        .call1((function, text))
    {
        Ok(found) => found,
        Err(error) if error.is_instance_of::<PyLookupError>(py) => {
            let args: Vec<String> = error.value(py).getattr("args")?.extract()?;
            let mut args = args.into_iter();
            let why = args
                .next()
                .unwrap_or_else(|| format!("the source of {qualname} cannot be found"));
            let diagnostic = Diagnostic::new(Code::NoSource, why);
            // The second one, if there is one, is what to do about it.
            return Ok(Err(match args.next() {
                Some(advice) => diagnostic.help(advice),
                None => diagnostic,
            }));
        }
        Err(error) => return Err(error),
    };
    let (text, file, first_line, indent): (String, String, u32, u32) = (
        found.get_item(0)?.extract()?,
        found.get_item(1)?.extract()?,
        found.get_item(2)?.extract()?,
        found.get_item(3)?.extract()?,
    );
    let kind: String = found.get_item(4)?.extract()?;
    let line: u32 = found.get_item(5)?.extract()?;
    let at = if kind == "lambda" {
        At::Lambda {
            line,
            column: found.get_item(6)?.extract()?,
        }
    } else {
        At::Def {
            line,
            name: found.get_item(6)?.extract()?,
        }
    };
    let source = Arc::new(Source::new(&file, &text, first_line, indent));
    Ok(Ok(Place {
        source,
        at,
        qualname,
        free: free.into_iter().map(Arc::from).collect(),
    }))
}
