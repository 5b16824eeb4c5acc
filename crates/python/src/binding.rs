//! Which argument goes to which parameter: keywords, defaults, `*args`, and CPython's words for what is
//! wrong with a call.

use core::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use smallvec::SmallVec;

use crate::handles::{Pin, Pins};
use crate::layouts;

const CO_VARARGS: usize = 0x04;

/// A parameter, in the order of HIR: positional ones, `*args`, keyword-only ones.
pub struct Param {
    /// The interned name.
    name: Py<PyString>,
    text: String,
    pub default: Option<Pin>,
}

/// The parameters of a Python function.
pub struct Binding {
    /// `__qualname__`, for messages.
    function: String,
    pub params: Vec<Param>,
    positional_only: usize,
    /// Parameters that positional arguments go to, positional-only ones included.
    positional: usize,
    /// Whether the parameter after those is `*args`.
    star: bool,
}

/// The arguments of a call by parameter; null where none was passed.
pub struct Bound {
    pub objects: SmallVec<[*mut PyObject; 16]>,
    /// The tuple for `*args`, alive as long as this.
    _star: Option<Py<PyAny>>,
}

impl Binding {
    /// Reads the parameters of a function. Its defaults are pinned.
    pub fn of(function: &pyo3::Bound<'_, PyAny>) -> PyResult<Binding> {
        let code = function.getattr("__code__")?;
        let number = |name: &str| -> PyResult<usize> { code.getattr(name)?.extract() };
        let (positional, positional_only, keyword_only) = (
            number("co_argcount")?,
            number("co_posonlyargcount")?,
            number("co_kwonlyargcount")?,
        );
        let star = number("co_flags")? & CO_VARARGS != 0;
        let names = code.getattr("co_varnames")?.cast_into::<PyTuple>()?;
        let defaults = function
            .getattr("__defaults__")?
            .cast_into::<PyTuple>()
            .ok();
        let keyword_defaults = function
            .getattr("__kwdefaults__")?
            .cast_into::<PyDict>()
            .ok();
        let first_default = positional
            - defaults
                .as_ref()
                .map_or(0, |defaults| defaults.len().min(positional));
        let param = |index: usize, default: Option<pyo3::Bound<'_, PyAny>>| -> PyResult<Param> {
            let name = names.get_item(index)?.cast_into::<PyString>()?;
            // Names in code objects are interned, and so are those of keywords.
            Ok(Param {
                text: name.to_string(),
                name: name.unbind(),
                default: default.map(|default| Pin::new(&default)),
            })
        };
        let mut params = Vec::with_capacity(names.len());
        for i in 0..positional {
            let default = match (&defaults, i.checked_sub(first_default)) {
                (Some(defaults), Some(at)) => Some(defaults.get_item(at)?),
                _ => None,
            };
            params.push(param(i, default)?);
        }
        if star {
            params.push(param(positional + keyword_only, None)?);
        }
        for i in positional..positional + keyword_only {
            let name = names.get_item(i)?;
            let default = match &keyword_defaults {
                Some(defaults) => defaults.get_item(name)?,
                None => None,
            };
            params.push(param(i, default)?);
        }
        let function = function.getattr("__qualname__")?.to_string();
        Ok(Binding {
            function,
            params,
            positional_only,
            positional,
            star,
        })
    }

    /// The number of arguments of calls that need no binding: if the parameters are positional only.
    pub fn simple_arity(&self) -> Option<usize> {
        (self.params.len() == self.positional).then_some(self.positional)
    }

    /// Binds the arguments of a call.
    ///
    /// # Safety
    /// The arguments are those of a vectorcall: `count` positional ones, then the values of `keywords`.
    pub unsafe fn bind(
        &self,
        py: Python<'_>,
        args: *const *mut PyObject,
        count: usize,
        keywords: *mut PyObject,
    ) -> PyResult<Bound> {
        // SAFETY: as promised.
        unsafe {
            let mut objects: SmallVec<[*mut PyObject; 16]> =
                SmallVec::from_elem(ptr::null_mut(), self.params.len());
            for i in 0..count.min(self.positional) {
                objects[i] = *args.add(i);
            }
            let mut star = None;
            if self.star {
                let rest = (self.positional..count)
                    .map(|i| pyo3::Bound::from_borrowed_ptr(py, *args.add(i)));
                let rest = PyTuple::new(py, rest.collect::<Vec<_>>())?.into_any();
                objects[self.positional] = rest.as_ptr();
                star = Some(rest.unbind());
            }
            if !keywords.is_null() {
                for i in 0..layouts::tuple_len(keywords) {
                    let keyword = layouts::tuple_item(keywords, i);
                    let at = self.find(py, keyword)?;
                    if !objects[at].is_null() {
                        return Err(self.error(format!(
                            "got multiple values for argument '{}'",
                            self.params[at].text
                        )));
                    }
                    objects[at] = *args.add(count + i);
                }
            }
            if count > self.positional && !self.star {
                let keyword_only = objects[self.positional..]
                    .iter()
                    .filter(|object| !object.is_null())
                    .count();
                return Err(self.too_many(count, keyword_only));
            }
            self.check_missing(&objects, 0..self.positional, "positional")?;
            self.check_missing(
                &objects,
                self.positional + usize::from(self.star)..self.params.len(),
                "keyword-only",
            )?;
            Ok(Bound {
                objects,
                _star: star,
            })
        }
    }

    /// The parameter that a keyword names.
    unsafe fn find(&self, py: Python<'_>, keyword: *mut PyObject) -> PyResult<usize> {
        let takes = |i: usize| i >= self.positional_only && !(self.star && i == self.positional);
        if let Some(i) =
            (0..self.params.len()).find(|&i| takes(i) && self.params[i].name.as_ptr() == keyword)
        {
            return Ok(i);
        }
        // SAFETY: keywords are strings.
        let name = unsafe { pyo3::Bound::from_borrowed_ptr(py, keyword) };
        let text: String = name.extract()?;
        if let Some(i) = (0..self.params.len()).find(|&i| takes(i) && self.params[i].text == text) {
            return Ok(i);
        }
        if self.params[..self.positional_only]
            .iter()
            .any(|param| param.text == text)
        {
            return Err(self.error(format!(
                "got some positional-only arguments passed as keyword arguments: '{text}'"
            )));
        }
        Err(self.error(format!("got an unexpected keyword argument '{text}'")))
    }

    fn check_missing(
        &self,
        objects: &[*mut PyObject],
        range: core::ops::Range<usize>,
        kind: &str,
    ) -> PyResult<()> {
        let missing: Vec<String> = range
            .filter(|&i| objects[i].is_null() && self.params[i].default.is_none())
            .map(|i| format!("'{}'", self.params[i].text))
            .collect();
        let names = match missing.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            [first, second] => format!("{first} and {second}"),
            [most @ .., last] => format!("{}, and {last}", most.join(", ")),
        };
        let s = if missing.len() == 1 { "" } else { "s" };
        Err(self.error(format!(
            "missing {} required {kind} argument{s}: {names}",
            missing.len()
        )))
    }

    fn too_many(&self, count: usize, keyword_only: usize) -> PyErr {
        let optional = self.params[..self.positional]
            .iter()
            .filter(|param| param.default.is_some())
            .count();
        let least = self.positional - optional;
        let takes = if optional > 0 {
            format!("from {least} to {}", self.positional)
        } else {
            self.positional.to_string()
        };
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let s = if optional > 0 {
            "s"
        } else {
            plural(self.positional)
        };
        let given = if keyword_only > 0 {
            format!(
                "{count} positional argument{} (and {keyword_only} keyword-only argument{}) were",
                plural(count),
                plural(keyword_only)
            )
        } else {
            format!("{count} {}", if count == 1 { "was" } else { "were" })
        };
        self.error(format!(
            "takes {takes} positional argument{s} but {given} given"
        ))
    }

    fn error(&self, text: String) -> PyErr {
        PyTypeError::new_err(format!("{}() {text}", self.function))
    }

    /// The name of a parameter.
    pub fn name(&self, index: usize) -> &str {
        self.params.get(index).map_or("", |param| &param.text)
    }

    /// What the function is called in messages.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The default of a parameter, borrowed; null if it has none.
    pub fn default(&self, index: usize) -> *mut PyObject {
        self.params
            .get(index)
            .and_then(|param| param.default.as_ref())
            .map_or(ptr::null_mut(), Pin::as_ptr)
    }

    /// Pins the default values, for a compile that may freeze them.
    pub fn pin_defaults(&self, py: Python<'_>, pins: &mut Pins) {
        for param in &self.params {
            if let Some(default) = &param.default {
                pins.add(default.bind(py));
            }
        }
    }

    /// Visits the objects that the binding holds.
    ///
    /// # Safety
    /// Called by the garbage collector.
    pub unsafe fn traverse(
        &self,
        visit: ffi::visitproc,
        arg: *mut core::ffi::c_void,
    ) -> core::ffi::c_int {
        for param in &self.params {
            if let Some(default) = &param.default {
                // SAFETY: an object that this holds a reference to.
                let stop = unsafe { visit(default.as_ptr(), arg) };
                if stop != 0 {
                    return stop;
                }
            }
        }
        0
    }
}
