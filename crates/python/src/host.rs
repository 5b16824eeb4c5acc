//! Python as the compiler sees it: the implementation of [`Host`].
//!
//! Every object that is handed out is pinned for the whole compile; what compiled code may refer to
//! stays pinned by the overload. Calls may run Python code, so nothing is borrowed across one.

use std::cell::RefCell;
use std::sync::Arc;

use ferdelance_compiler::diag;
use ferdelance_compiler::host::{Callee, Const, Described, Host};
use ferdelance_compiler::trace::{Identify, Identity};
use ferdelance_compiler::types::{Kind, PyRef, Ty};
use pyo3::exceptions::{PyBaseException, PyException};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyComplex, PyDict, PyFloat, PyInt, PyList, PyModule, PyString, PyTuple, PyType,
};
use rustc_hash::FxHashMap;

use crate::handles::{self, Pins};
use crate::numpy::{self, numpy};
use crate::{dispatcher, functions, layouts, typeof_};

pub struct PyHost<'py> {
    py: Python<'py>,
    pins: RefCell<Pins>,
    /// Modules that were met and are not in `sys.modules`, by name.
    modules: RefCell<FxHashMap<String, PyRef>>,
    /// An interrupt that came while Python code ran.
    interrupted: RefCell<Option<PyErr>>,
}

impl<'py> PyHost<'py> {
    pub fn new(py: Python<'py>, pins: Pins) -> PyHost<'py> {
        PyHost {
            py,
            pins: RefCell::new(pins),
            modules: RefCell::default(),
            interrupted: RefCell::new(None),
        }
    }

    /// What was pinned; fails if an interrupt came.
    pub fn finish(self) -> PyResult<Pins> {
        match self.interrupted.into_inner() {
            Some(interrupt) => Err(interrupt),
            None => Ok(self.pins.into_inner()),
        }
    }

    fn pin(&self, object: &Bound<'py, PyAny>) -> PyRef {
        self.pins.borrow_mut().add(object)
    }

    fn object(&self, handle: PyRef) -> Option<Bound<'py, PyAny>> {
        handles::lookup(self.py, handle)
    }

    /// The value, or nothing; what is no `Exception` (an interrupt) is kept for the end of the compile.
    fn ok<T>(&self, result: PyResult<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !error.is_instance_of::<PyException>(self.py) {
                    self.interrupted.borrow_mut().get_or_insert(error);
                }
                None
            }
        }
    }

    fn find_global(&self, function: PyRef, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(function) = self.object(function) else {
            return Ok(None);
        };
        let globals = function.getattr("__globals__")?.cast_into::<PyDict>()?;
        if let Some(value) = globals.get_item(name)? {
            return Ok(Some(value));
        }
        let builtins = match globals.get_item("__builtins__")? {
            Some(builtins) => builtins,
            None => self.py.import("builtins")?.into_any(),
        };
        if let Ok(builtins) = builtins.cast::<PyDict>() {
            return builtins.get_item(name);
        }
        builtins.getattr_opt(name)
    }

    fn find_free(&self, function: PyRef, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(function) = self.object(function) else {
            return Ok(None);
        };
        let names = function
            .getattr("__code__")?
            .getattr("co_freevars")?
            .cast_into::<PyTuple>()?;
        let Some(index) = names
            .iter()
            .position(|free| free.extract::<String>().is_ok_and(|free| free == name))
        else {
            return Ok(None);
        };
        let cell = function.getattr("__closure__")?.get_item(index)?;
        // An empty cell raises ValueError.
        Ok(cell.getattr("cell_contents").ok())
    }

    fn describe_object(&self, object: &Bound<'py, PyAny>) -> PyResult<Result<Described, String>> {
        let mut pins = Pins::default();
        let found = if object.is_exact_instance_of::<PyList>() {
            Ok(None)
        } else {
            typeof_::type_of(object, &mut pins)
        };
        // A list of the outside could change after it was frozen.
        let found = found.and_then(|ty| match ty.filter(|&ty| !is_changeable(ty)) {
            Some(ty) => frozen(object, ty, &mut pins).map(Some),
            None => Ok(None),
        });
        self.pins.borrow_mut().merge(pins);
        let Some(ty) = found? else {
            if object.is_exact_instance_of::<PyInt>() || functions::is_untyped(object) {
                return Ok(Err(typeof_::blame(object)));
            }
            if let Ok(module) = object.cast::<PyModule>()
                && let Some(name) = self.unlisted(module)
            {
                let ty = Ty::new(Kind::Module(name.into()));
                let constant = Some(Const::Object(self.pin(object)));
                return Ok(Ok(Described { ty, constant }));
            }
            let handle = self.pin(object);
            let class = object.get_type().qualname()?.to_string();
            let ty = Ty::new(Kind::Opaque(handle, class.into()));
            return Ok(Ok(Described {
                ty,
                constant: Some(Const::Object(handle)),
            }));
        };
        if let Kind::Array(array) = *ty.kind() {
            let constant = Const::Array(self.pin(object));
            return Ok(Ok(Described {
                ty: array.ty(),
                constant: Some(constant),
            }));
        }
        let constant = self.constant(object, ty)?;
        Ok(Ok(Described { ty, constant }))
    }

    /// The constant that an object of a type is.
    fn constant(&self, object: &Bound<'py, PyAny>, ty: Ty) -> PyResult<Option<Const>> {
        if ty.is_time() {
            // SAFETY: of one of these classes, as its type says.
            let (value, _) = unsafe { numpy::time_value(object.as_ptr()) };
            return Ok(Some(Const::Int(value.into())));
        }
        // NumPy scalars, as the Python numbers that they are equal to.
        // SAFETY: alive.
        let class = unsafe { layouts::class(object.as_ptr()) };
        let plain = if numpy().scalar_num(class).is_some() {
            object.call_method0("item")?
        } else {
            object.clone()
        };
        Ok(Some(match ty.kind() {
            Kind::None => Const::None,
            Kind::Bool => Const::Bool(plain.is_truthy()?),
            Kind::Int { .. } => Const::Int(int(&plain)?),
            Kind::Float { .. } => Const::Float(plain.cast::<PyFloat>()?.value()),
            Kind::Complex { .. } => {
                use pyo3::types::PyComplexMethods as _;
                let plain = plain.cast::<PyComplex>()?;
                Const::Complex(plain.real(), plain.imag())
            }
            Kind::Str => match plain.cast::<PyString>()?.to_cow() {
                Ok(text) => Const::Str(Arc::from(&*text)),
                // Lone surrogates: no constant.
                Err(_) => return Ok(None),
            },
            Kind::Buffer(..) => Const::Bytes(plain.extract::<&[u8]>()?.into()),
            Kind::Tuple(types) | Kind::NamedTuple(_, types) => {
                let mut items = Vec::with_capacity(types.len());
                for (item, &ty) in object.cast::<PyTuple>()?.iter().zip(types.iter()) {
                    let constant = match ty.kind() {
                        Kind::Array(_) => Some(Const::Array(self.pin(&item))),
                        _ => self.constant(&item, ty)?,
                    };
                    match constant {
                        Some(constant) => items.push(constant),
                        None => return Ok(None),
                    }
                }
                Const::Tuple(items.into())
            }
            Kind::Range(..) | Kind::Slice(_) => return Ok(None),
            _ => Const::Object(self.pin(object)),
        }))
    }

    /// The name of a module that was made by hand; none if another one of that name is known already.
    fn unlisted(&self, module: &Bound<'py, PyModule>) -> Option<String> {
        let name = module.name().ok()?.to_string();
        let listed = self.py.import("sys").ok()?.getattr("modules").ok()?;
        if listed.contains(&name).ok()? {
            return None;
        }
        let handle = self.pin(module.as_any());
        let known = *self
            .modules
            .borrow_mut()
            .entry(name.clone())
            .or_insert(handle);
        (known == handle).then_some(name)
    }

    fn find_default(&self, function: PyRef, index: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(function) = self.object(function) else {
            return Ok(None);
        };
        let binding = crate::binding::Binding::of(&function)?;
        Ok(binding
            .params
            .get(index)
            .and_then(|param| param.default.as_ref())
            .map(|default| default.bind(self.py).clone()))
    }
}

/// Whether a value of the type has parts that may change: lists, records, memory that is not frozen.
fn is_changeable(ty: Ty) -> bool {
    match ty.kind() {
        Kind::List(_)
        | Kind::Dict { .. }
        | Kind::Set { .. }
        | Kind::Record(_)
        | Kind::Chars { .. } => true,
        Kind::Buffer(..) => !ty.is_bytes(),
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
            items.iter().any(|&item| is_changeable(item))
        }
        _ => false,
    }
}

/// The type of a frozen value of type `ty`: arrays in it are read-only, functions are known.
fn frozen(object: &Bound<'_, PyAny>, ty: Ty, pins: &mut Pins) -> PyResult<Ty> {
    let mut items_of = |items: &[Ty]| -> PyResult<Vec<Ty>> {
        let objects = object.cast::<PyTuple>()?;
        let pairs = objects.iter().zip(items);
        pairs
            .map(|(item, &ty)| frozen(&item, ty, pins))
            .collect::<PyResult<Vec<Ty>>>()
    };
    Ok(match ty.kind() {
        Kind::Array(array) => {
            let mut array = *array;
            array.readonly = true;
            array.ty()
        }
        Kind::Tuple(items) => Ty::tuple(&items_of(items)?),
        Kind::NamedTuple(class, items) => {
            Ty::new(Kind::NamedTuple(class.clone(), items_of(items)?.into()))
        }
        Kind::Function(_) => functions::constant_type(object, pins)?.unwrap_or(ty),
        _ => ty,
    })
}

fn int(object: &Bound<'_, PyAny>) -> PyResult<i128> {
    if object.is_instance_of::<PyBool>() {
        return Ok(i128::from(object.is_truthy()?));
    }
    // SAFETY: an int, as its type says.
    unsafe {
        match layouts::long_i64(object.as_ptr()) {
            Some(value) => Ok(value.into()),
            None => Ok(layouts::long_u64(object.as_ptr()).unwrap_or(0).into()),
        }
    }
}

impl Identify for PyHost<'_> {
    fn identify(&self, dispatcher: PyRef) -> Result<Identity, String> {
        let object = self.object(dispatcher);
        let identity = dispatcher::identity(&object.ok_or("a jitted function is gone")?);
        self.ok(identity)
            .unwrap_or_else(|| Err("the code of a function it calls cannot be read".to_owned()))
    }
}

impl Host for PyHost<'_> {
    fn global(&self, function: PyRef, name: &str) -> Option<PyRef> {
        self.ok(self.find_global(function, name))?
            .map(|object| self.pin(&object))
    }

    fn free(&self, function: PyRef, name: &str) -> Option<PyRef> {
        self.ok(self.find_free(function, name))?
            .map(|object| self.pin(&object))
    }

    fn attribute(&self, object: PyRef, name: &str) -> Option<PyRef> {
        let object = self.object(object)?;
        self.ok(object.getattr(name)).map(|value| self.pin(&value))
    }

    fn describe(&self, object: PyRef) -> Result<Described, String> {
        let Some(object) = self.object(object) else {
            return Err("object".to_owned());
        };
        self.ok(self.describe_object(&object))
            .unwrap_or_else(|| Err(typeof_::class_name(&object)))
    }

    fn callee(&self, dispatcher: PyRef) -> diag::Result<Callee> {
        let gone = || diag::Diagnostic::new(diag::Code::Internal, "a jitted function is gone");
        let object = self.object(dispatcher).ok_or_else(gone)?;
        dispatcher::callee(&object)
    }

    fn default(&self, function: PyRef, index: usize) -> Option<PyRef> {
        self.ok(self.find_default(function, index))?
            .map(|object| self.pin(&object))
    }

    fn repr(&self, object: PyRef) -> String {
        let Some(object) = self.object(object) else {
            return "object".to_owned();
        };
        if let Some(Some(name)) = self.ok(crate::known::canonical_name(&object)) {
            return name;
        }
        if let Ok(name) = object
            .getattr("__qualname__")
            .and_then(|name| name.extract::<String>())
            && (object.is_instance_of::<PyType>() || object.is_callable())
        {
            return name;
        }
        if let Ok(module) = object.cast::<PyModule>()
            && let Ok(name) = module.name()
        {
            return name.to_string();
        }
        let text = self.ok(object.repr().map(|text| text.to_string()));
        let text = text.unwrap_or_else(|| typeof_::class_name(&object));
        if text.chars().count() > 80 {
            text.chars().take(77).chain("...".chars()).collect()
        } else {
            text
        }
    }

    fn exception(&self, name: &str) -> Option<PyRef> {
        let of = |module| self.py.import(module).and_then(|m| m.getattr(name));
        let class = self.ok(of("builtins")
            .or_else(|_| of("numpy.exceptions"))
            .or_else(|_| of("numpy.linalg")))?;
        let is_exception = class
            .cast::<PyType>()
            .ok()?
            .is_subclass_of::<PyBaseException>()
            .ok()?;
        is_exception.then(|| self.pin(&class))
    }

    fn module(&self, name: &str) -> Option<PyRef> {
        if let Some(&module) = self.modules.borrow().get(name) {
            return Some(module);
        }
        self.ok(self.py.import(name))
            .map(|module| self.pin(module.as_any()))
    }
}
