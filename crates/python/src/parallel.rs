//! The team of threads, seen from Python; warnings about loops that run in order.

use ferdelance_compiler::hir;
use ferdelance_compiler::tir::Program;
use ferdelance_runtime::team;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::wrap_pyfunction;

pub fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(set_most_threads, module)?)?;
    module.add_function(wrap_pyfunction!(num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(thread_id, module)?)?;
    module.add_function(wrap_pyfunction!(chunk_size, module)?)?;
    module.add_function(wrap_pyfunction!(set_chunk_size, module)?)?;
    module.add_function(wrap_pyfunction!(set_split_worth, module)?)?;
    module.add_function(wrap_pyfunction!(team_was_used, module)?)?;
    Ok(())
}

#[pyfunction]
fn set_most_threads(n: u32) {
    team::set_most_threads(n);
}

#[pyfunction]
fn num_threads() -> i64 {
    team::num_threads()
}

#[pyfunction]
fn set_num_threads(n: i64) -> PyResult<()> {
    raise(team::set_num_threads(n))
}

#[pyfunction]
fn thread_id() -> i64 {
    team::thread_id()
}

#[pyfunction]
fn chunk_size() -> i64 {
    team::chunk_size()
}

#[pyfunction]
fn set_chunk_size(n: i64) -> PyResult<i64> {
    let mut before = 0;
    // SAFETY: writable.
    raise(unsafe { team::set_chunk_size(n, &raw mut before) })?;
    Ok(before)
}

/// For tests.
#[pyfunction]
fn set_split_worth(work: i64) -> i64 {
    team::set_worth(work)
}

#[pyfunction]
fn team_was_used() -> bool {
    team::was_used()
}

/// A setting that is refused, as an exception.
fn raise(error: *mut ferdelance_runtime::Error) -> PyResult<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: an error of the runtime that nobody else has.
    let error = unsafe { ferdelance_runtime::take(error) };
    Err(PyValueError::new_err(error.message().unwrap_or_default()))
}

/// Warns about `prange` loops that run in order, and where there is nothing to run in parallel.
pub fn warn(py: Python<'_>, program: &Program, module: &hir::Module) -> PyResult<()> {
    let refused = program.parallel.iter().filter_map(|l| {
        let why = l.refused.as_ref().filter(|_| l.asked)?;
        let text = format!("the prange loop runs in order, on one thread: {why}");
        Some((l.loc.source.file.to_string(), l.loc.line, text))
    });
    let refused: Vec<(String, u32, String)> = refused.collect();
    if refused.is_empty() && !program.parallel.is_empty() {
        return Ok(());
    }
    let function = &module.functions[0];
    let source = &module.source;
    let (line, _) = source.position(function.span.start);
    py.import("ferdelance._parallel")?.call_method1(
        "_warn",
        (&*function.name, source.file.to_string(), line, refused),
    )?;
    Ok(())
}
