//! `ferdelance._core`: the extension module. The only crate that names CPython, NumPy and PyO3.
//!
//! * the boundary itself: [`layouts`], [`numpy`] (how objects lie in memory), [`unbox`], [`boxing`]
//!   (objects to slots and back), [`errors`];
//! * dispatchers: [`dispatcher`] (the class), [`dispatch`] (calls), [`overloads`] (which code),
//!   [`binding`] (arguments to parameters), [`num`] (conversions), [`options`], [`lock`];
//! * what the compiler asks: [`host`], [`handles`] (objects by number), [`types`], [`typeof_`],
//!   [`known`] (functions and classes by name), [`functions`] (as values), [`generators`], [`capture`] and [`audit`]
//!   (source texts);
//! * [`engine`]: the compiler and the code generator behind one interface; [`cache`]: code of earlier
//!   processes; [`inspect`]: texts about code; [`hooks`]: what the runtime asks of Python;
//! * [`record`], [`profile`]: recordings of programs, made and read; [`calls`]: the deterministic profilers.
//!
//! Memory is read by layout only in [`layouts`], [`numpy`], [`unbox`], [`boxing`], [`dispatcher`] and [`calls`],
//! and code is entered only in [`dispatch`] and [`generators`]. What else is `unsafe` are calls of the C API
//! with objects that are known to be alive, and of functions of the first group.

mod audit;
mod binding;
mod boxing;
mod buffers;
mod cache;
mod calls;
mod capture;
mod containers;
mod dispatch;
mod dispatcher;
mod dtypes;
mod engine;
mod errors;
mod functions;
mod generators;
mod handles;
mod hooks;
mod host;
mod inspect;
mod known;
mod layouts;
mod living;
mod lock;
mod num;
mod numpy;
mod options;
mod overloads;
mod parallel;
mod profile;
mod record;
mod typed;
mod typeof_;
mod types;
mod unbox;

use ferdelance_abi::settings::Rewrites;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The encoding of an object's type. Raises ValueError for objects that compiled code has no type for.
#[pyfunction(name = "typeof")]
fn typeof_object<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let mut pins = handles::Pins::default();
    match typeof_::type_of(object, &mut pins)? {
        Some(ty) => types::encode(object.py(), ty),
        None => Err(PyValueError::new_err(format!(
            "cannot determine the type of {}",
            typeof_::blame(object)
        ))),
    }
}

/// Counters of the runtime and of the compiler, by name.
#[pyfunction]
fn runtime_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // Objects that wait for the GIL are released first, so that the numbers are exact.
    dispatch::drain();
    let stats = ferdelance_runtime::stats();
    let dict = PyDict::new(py);
    for (name, value) in [
        ("alloc", stats.alloc),
        ("free", stats.free),
        ("object_alloc", stats.object_alloc),
        ("object_free", stats.object_free),
        ("error_alloc", stats.error_alloc),
        ("error_free", stats.error_free),
        ("live_bytes", stats.live_bytes),
        ("live_buffers", stats.live_buffers()),
        ("live_objects", stats.live_objects()),
        ("live_errors", stats.live_errors()),
    ] {
        dict.set_item(name, value)?;
    }
    let totals = engine::totals();
    dict.set_item("compilations", totals.count)?;
    dict.set_item("compile_seconds", totals.seconds)?;
    dict.set_item("llvm_seconds", totals.llvm_seconds)?;
    dict.set_item("code_bytes", totals.code_bytes)?;
    for (name, in_use) in layouts::in_use() {
        dict.set_item(format!("direct_{name}"), in_use)?;
    }
    Ok(dict)
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::keep_panics();
    layouts::init();
    numpy::init(module.py())?;
    hooks::install(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let rewrites = Rewrites::NAMES.iter().map(|(name, _)| *name);
    module.add("REWRITES", rewrites.collect::<Vec<_>>())?;
    module.add_function(wrap_pyfunction!(dispatcher::_make_dispatcher_type, module)?)?;
    module.add_class::<generators::Generator>()?;
    module.add_class::<typed::TypedDict>()?;
    module.add_class::<profile::Recording>()?;
    module.add_class::<record::Recorder>()?;
    module.add_class::<record::Attached>()?;
    calls::add(module)?;
    module.add_function(wrap_pyfunction!(typeof_object, module)?)?;
    module.add_function(wrap_pyfunction!(runtime_stats, module)?)?;
    module.add_function(wrap_pyfunction!(audit::_install_audit_hook, module)?)?;
    module.add_function(wrap_pyfunction!(audit::_recent_sources, module)?)?;
    module.add_function(wrap_pyfunction!(errors::set_error_factory, module)?)?;
    parallel::add_functions(module)?;
    Ok(())
}
