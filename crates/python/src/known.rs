//! Functions, classes and modules that the compiler knows by name.
//!
//! An object is named only if looking the name up gives that very object, so that nobody can pass off
//! something else under a known name.

use ferdelance_compiler::types::{Kind, Ty};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyType};

use crate::handles::Pins;
use crate::numpy::numpy;
use crate::{dispatcher, dtypes, functions, types};

/// The type of a module, function, class, dtype or jitted function; `None` for other objects and for
/// those that the compiler has no name for. Objects that the type refers to are pinned.
pub fn type_of(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    let py = object.py();
    if dispatcher::is_dispatcher(object) {
        return dispatcher::type_of(object, pins).map(Some);
    }
    if let Some(ty) = functions::type_of(object, pins)? {
        return Ok(Some(ty));
    }
    if let Ok(module) = object.cast::<PyModule>() {
        return Ok(module_name(module)?.map(|name| Ty::new(Kind::Module(name.into()))));
    }
    if let Ok(class) = object.cast::<PyType>() {
        return class_type(class, pins);
    }
    // SAFETY: alive.
    if unsafe { pyo3::ffi::PyObject_TypeCheck(object.as_ptr(), numpy().dtype) } != 0 {
        return Ok(dtypes::type_of(object)?.map(|item| Ty::new(Kind::Dtype(item))));
    }
    if let Some(encode) = type_encoder(object)? {
        return Ok(match types::decode(&encode.call1((object,))?, pins) {
            Ok(ty) => Some(Ty::new(Kind::Class(ty))),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyTypeError>(py) => None,
            Err(error) => return Err(error),
        });
    }
    Ok(canonical_name(object)?.map(|name| Ty::builtin(&name)))
}

/// `ferdelance.types._encode`, if the object is a type of that module.
fn type_encoder<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    // If that module was never imported, the object is none of its types.
    let modules = py.import("sys")?.getattr("modules")?;
    let Ok(module) = modules.get_item("ferdelance.types") else {
        return Ok(None);
    };
    if object.is_instance(&module.getattr("Type")?)? {
        Ok(Some(module.getattr("_encode")?))
    } else {
        Ok(None)
    }
}

/// A module's own name, if importing that name gives it. A module object of a class of its own (a lazy
/// proxy, for instance) stands for the module that it is named after.
pub fn module_name(module: &Bound<'_, PyModule>) -> PyResult<Option<String>> {
    let Ok(name) = module.name() else {
        return Ok(None);
    };
    let modules = module.py().import("sys")?.getattr("modules")?;
    let proxy = !module.is_exact_instance_of::<PyModule>();
    let known = proxy || modules.get_item(&name).is_ok_and(|found| found.is(module));
    Ok(known.then(|| name.to_string()))
}

fn class_type(class: &Bound<'_, PyType>, pins: &mut Pins) -> PyResult<Option<Ty>> {
    let py = class.py();
    let plain = [
        (py.get_type::<pyo3::types::PyInt>(), Ty::py_int()),
        (py.get_type::<pyo3::types::PyFloat>(), Ty::py_float()),
        (py.get_type::<pyo3::types::PyComplex>(), Ty::py_complex()),
        (py.get_type::<pyo3::types::PyBool>(), Ty::bool()),
    ];
    if let Some((_, ty)) = plain.iter().find(|(known, _)| known.is(class)) {
        return Ok(Some(Ty::new(Kind::Class(*ty))));
    }
    if let Some(num) = numpy().scalar_num(class.as_ptr().cast()) {
        return Ok(Some(Ty::new(Kind::Class(num.ty()))));
    }
    if class.is_subclass_of::<PyBaseException>()? {
        let name = class.name()?.to_string();
        return Ok(Some(Ty::new(Kind::ExcClass(pins.add(class), name.into()))));
    }
    if let Some(class) = types::named_tuple_class(class, pins) {
        return Ok(Some(Ty::new(Kind::NamedTupleClass(class))));
    }
    Ok(canonical_name(class)?.map(|name| Ty::builtin(&name)))
}

/// `math.sin`, `numpy.linalg.norm`, `ferdelance.prange`: the name under which an object is known.
pub fn canonical_name(object: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let py = object.py();
    let Ok(name) = object.getattr("__name__") else {
        return unnamed(object);
    };
    let Ok(name) = name.cast_into::<PyString>() else {
        return Ok(None);
    };
    let own = match object.getattr("__module__") {
        Ok(module) => module.extract::<String>().ok(),
        Err(_) => None,
    };
    // A function of a C module is bound to the module; methods of instances (random.random) to the instance.
    let own = own.or_else(|| {
        let module = object.getattr("__self__").ok()?;
        module
            .cast_into::<PyModule>()
            .ok()?
            .name()
            .ok()?
            .extract()
            .ok()
    });
    let own = own.unwrap_or_default();
    let package = own.split('.').next().unwrap_or("");
    // `_operator` is a private twin of `operator`.
    let public = own.strip_prefix('_').unwrap_or(&own);
    let places: &[&str] = match package {
        "ferdelance" => &[
            "ferdelance",
            "ferdelance.extending",
            "ferdelance.np.extensions",
            "ferdelance.typed",
        ],
        // Ufuncs have no module; random functions are methods; others may live in private modules.
        "numpy" | "" => &[
            "numpy",
            "numpy.linalg",
            "numpy.random",
            "numpy.fft",
            "random",
            public,
        ],
        package if is_of_python(py, package)? => &[public, &own],
        _ => return Ok(None),
    };
    let modules = py.import("sys")?.getattr("modules")?;
    for place in places {
        let Ok(module) = modules.get_item(place) else {
            continue;
        };
        // What a package fetches when it is first asked for is in its dictionary once somebody has it.
        let Ok(module) = module.cast_into::<PyModule>() else {
            continue;
        };
        if module
            .dict()
            .get_item(&name)?
            .is_some_and(|found| found.is(object))
        {
            return Ok(Some(format!("{place}.{name}")));
        }
    }
    Ok(None)
}

/// Whether a package belongs to Python itself.
fn is_of_python(py: Python<'_>, package: &str) -> PyResult<bool> {
    py.import("sys")?
        .getattr("stdlib_module_names")?
        .contains(package)
}

/// Objects without a name that mean something, by their packages.
const UNNAMED: &[(&str, &[&str])] = &[
    ("ferdelance", &["objmode"]),
    ("numpy", &["mgrid", "ogrid", "r_", "c_", "s_", "index_exp"]),
];

fn unnamed(object: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let class = object.get_type();
    let Ok(module) = class.module() else {
        return Ok(None);
    };
    let module = module.to_string();
    let Some((package, names)) = UNNAMED
        .iter()
        .find(|(package, _)| module.split('.').next() == Some(package))
    else {
        return Ok(None);
    };
    let modules = object.py().import("sys")?.getattr("modules")?;
    let Ok(package_module) = modules.get_item(package) else {
        return Ok(None);
    };
    let Ok(package_module) = package_module.cast_into::<PyModule>() else {
        return Ok(None);
    };
    for name in *names {
        let found = package_module.dict().get_item(name)?;
        if found.is_some_and(|found| found.is(object)) {
            return Ok(Some(format!("{package}.{name}")));
        }
    }
    Ok(None)
}

/// The object that a canonical name means: for results that are functions.
pub fn resolve<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let (module, attribute) = name.rsplit_once('.').unwrap_or(("builtins", name));
    py.import(module)?.getattr(attribute)
}
