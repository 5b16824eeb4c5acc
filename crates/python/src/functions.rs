//! Functions as values: from Python objects to addresses, and back.
//!
//! A value of a function type is an address of compiled code (`compiler::tir::data`). It comes from a
//! jitted function, whose overload it belongs to, or from a C function, for which an *adapter* is made:
//! code that calls the C function. An address needs no owner of its own. A jitted function is an
//! argument of the running call, or pinned by the code that refers to it, so it outlives every use of
//! its address: values of function types live no longer than the call. Adapters are never unloaded;
//! there is one for each C function and signature.

use std::sync::{Arc, Mutex, PoisonError};

use ferdelance_compiler::pipeline;
use ferdelance_compiler::types::{Kind, PyRef, Ty};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::handles::Pins;
use crate::{dispatcher, engine, types};

/// The helpers that are written in Python.
const MODULE: &str = "ferdelance._cfunc";

// ---- types ---------------------------------------------------------------------------------------

/// The type of an object that stands for a C function: a `cfunc`, a `WrapperAddressProtocol`, a `ctypes`
/// function. The first two have a function type, so that code which takes one takes them all; of
/// others the type says which one it is.
pub fn type_of(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    let Some((module, class)) = native_class(object)? else {
        return Ok(None);
    };
    let encoding = module.getattr("encoded_type")?.call1((object,))?;
    if encoding.is_none() {
        return Ok(None);
    }
    let ty = types::decode(&encoding, pins)?;
    Ok(Some(match class {
        Class::Ctypes => Ty::new(Kind::Foreign(pins.add(object), ty)),
        Class::CFunc | Class::Wrapper => ty,
    }))
}

/// Whether an object is a C function that does not say what it takes.
pub fn is_untyped(object: &Bound<'_, PyAny>) -> bool {
    let mut pins = Pins::default();
    matches!(native_class(object), Ok(Some((_, Class::Ctypes))))
        && matches!(type_of(object, &mut pins), Ok(None))
}

/// The type of an object that is known when code is compiled. A function with a function type is then
/// a jitted function or C function, which calls go to directly.
pub fn constant_type(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    Ok(match native_class(object)? {
        Some((_, Class::CFunc)) => {
            let dispatcher = object.getattr("_dispatcher")?;
            Some(dispatcher::type_of(&dispatcher, pins)?)
        }
        Some((_, Class::Wrapper)) => {
            let ty = type_of(object, pins)?;
            ty.map(|ty| Ty::new(Kind::Foreign(pins.add(object), ty)))
        }
        _ => None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    CFunc,
    Wrapper,
    Ctypes,
}

/// Which of the classes with C functions an object belongs to. Modules that were never imported have no
/// instances of their classes.
fn native_class<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<(Bound<'py, PyAny>, Class)>> {
    let py = object.py();
    let modules = py.import("sys")?.getattr("modules")?;
    let is_instance = |module: &str, class: &str| -> PyResult<bool> {
        match modules.get_item(module) {
            Ok(module) => object.is_instance(&module.getattr(class)?),
            Err(_) => Ok(false),
        }
    };
    let class = if is_instance(MODULE, "CFunc")? {
        Class::CFunc
    } else if is_instance("ferdelance.types", "WrapperAddressProtocol")? {
        Class::Wrapper
    } else if is_instance("_ctypes", "CFuncPtr")? {
        Class::Ctypes
    } else {
        return Ok(None);
    };
    Ok(Some((py.import(MODULE)?.into_any(), class)))
}

// ---- addresses -----------------------------------------------------------------------------------

/// The address of a function as a value of type `ty`; `None` if it is not of that type. A jitted function
/// without explicit signatures is compiled for it.
pub fn address(object: &Bound<'_, PyAny>, ty: Ty) -> PyResult<Option<usize>> {
    if dispatcher::is_dispatcher(object) {
        return dispatcher::function_address(object, ty);
    }
    let mut pins = Pins::default();
    match native_class(object)? {
        Some((_, Class::CFunc)) => {
            dispatcher::function_address(&object.getattr("_dispatcher")?, ty)
        }
        Some((_, class)) => {
            let own = match type_of(object, &mut pins)? {
                Some(own) if class == Class::Ctypes => own.function_types().first().copied(),
                own => own,
            };
            if own != Some(ty) {
                return Ok(None);
            }
            adapter(object.py(), foreign(object)?, ty).map(Some)
        }
        None => Ok(None),
    }
}

/// The address for an entry of a constant pool.
pub fn constant_address(object: &Bound<'_, PyAny>, ty: Ty) -> PyResult<usize> {
    address(object, ty)?.ok_or_else(|| {
        PyTypeError::new_err(format!(
            "{} cannot be used as {ty}",
            object
                .repr()
                .map_or_else(|_| "a function".to_owned(), |text| text.to_string(),)
        ))
    })
}

/// The address of the C function that an object stands for.
pub fn foreign(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    let address: usize = object
        .py()
        .import(MODULE)?
        .getattr("address_of")?
        .call1((object,))?
        .extract()?;
    if address == 0 {
        return Err(PyRuntimeError::new_err("a C function without an address"));
    }
    Ok(address)
}

// ---- adapters ------------------------------------------------------------------------------------

#[derive(Default)]
struct Adapters {
    /// Adapters by C function and type.
    made: FxHashMap<(usize, Ty), usize>,
    /// The way back.
    functions: FxHashMap<usize, (usize, Ty)>,
}

static ADAPTERS: Mutex<Option<Adapters>> = Mutex::new(None);

fn with_adapters<T>(f: impl FnOnce(&mut Adapters) -> T) -> T {
    let mut guard = ADAPTERS.lock().unwrap_or_else(PoisonError::into_inner);
    f(guard.get_or_insert_default())
}

/// The adapter of a C function.
fn adapter(py: Python<'_>, function: usize, ty: Ty) -> PyResult<usize> {
    if let Some(known) = with_adapters(|a| a.made.get(&(function, ty)).copied()) {
        return Ok(known);
    }
    let symbol: Arc<str> = format!("ferdelance.C.{function:x}.{ty}").into();
    // The handle is not looked up: there is one entry in the pool, and it is this function.
    let program = ty
        .signature()
        .and_then(|signature| pipeline::c_adapter(PyRef(0), signature, symbol))
        .ok_or_else(|| PyTypeError::new_err(format!("{ty} has no counterpart in C")))?;
    let made = engine::load_adapter(py, &program, function).map_err(|e| e.into_exception(py))?;
    Ok(with_adapters(|a| {
        a.functions.insert(made, (function, ty));
        // Another thread may have been faster.
        *a.made.entry((function, ty)).or_insert(made)
    }))
}

// ---- the way back --------------------------------------------------------------------------------

/// Jitted functions by the addresses that were given out for them. Each removes its own when it dies.
static PUBLISHED: Mutex<Option<FxHashMap<usize, usize>>> = Mutex::new(None);

fn with_published<T>(f: impl FnOnce(&mut FxHashMap<usize, usize>) -> T) -> T {
    let mut guard = PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    f(guard.get_or_insert_default())
}

/// Addresses that a jitted function has given out.
#[derive(Default)]
pub struct Published(Vec<usize>);

impl Published {
    /// Remembers that `address` is an overload of `function`.
    pub fn add(&mut self, address: usize, function: *mut PyObject) {
        with_published(|table| table.insert(address, function.expose_provenance()));
        self.0.push(address);
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        with_published(|table| {
            for address in &self.0 {
                table.remove(address);
            }
        });
    }
}

/// The Python object that an address stands for: the jitted function or the `cfunc` that it came from, or
/// an object that stands for the C function behind an adapter.
pub fn object(py: Python<'_>, address: usize) -> PyResult<Bound<'_, PyAny>> {
    let module = py.import(MODULE)?;
    if let Some(function) = with_published(|table| table.get(&address).copied()) {
        // SAFETY: a jitted function that an address in use belongs to is alive (see above), and dead ones
        // are not in the table.
        let function = unsafe {
            Bound::from_borrowed_ptr(py, core::ptr::with_exposed_provenance_mut(function))
        };
        return module.getattr("public")?.call1((function,));
    }
    if let Some((function, ty)) = with_adapters(|a| a.functions.get(&address).copied()) {
        let encoding = types::encode(py, ty)?;
        return module
            .getattr("NativeFunction")?
            .call1((function, encoding));
    }
    Err(PyRuntimeError::new_err(
        "a variable that was to hold a function was returned before it was assigned",
    ))
}
