//! Which overload takes a call whose types were not seen before: one for exactly these types, a new one,
//! or, where calls may not compile, the one that the arguments convert to with the least loss.

use core::ptr;

use ferdelance_compiler::diag::{Code, Diagnostic};
use ferdelance_compiler::host::Host;
use ferdelance_compiler::trace::Recorder;
use ferdelance_compiler::types::{Kind, Signature, Ty};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

use crate::binding::Binding;
use crate::boxing::{self, Frozen};
use crate::dispatch::{Overload, Route, State};
use crate::engine::{Asked, Unit};
use crate::handles::Pins;
use crate::host::PyHost;
use crate::num::{self, Rank, slots};
use crate::{cache, engine, errors, lock, typeof_, unbox};

impl State {
    /// A route for arguments that no existing one takes.
    pub(crate) fn new_route(
        &self,
        py: Python<'_>,
        binding: &Binding,
        objects: &[*mut PyObject],
    ) -> PyResult<*const Route> {
        let mut pins = Pins::default();
        let (types, mut own) = self.argument_types(py, binding, objects)?;
        let overload = match self.find_exact(&types) {
            Some(overload) => overload,
            None if self.can_compile.get() => {
                // Arguments by themselves keep the objects that their types name.
                let mut kept = Pins::default();
                own.drain(..).for_each(|pins| kept.merge(pins));
                self.compile(py, types.clone(), None, false, kept)?
            }
            None => self.find_best(binding, &types, objects)?,
        };
        // SAFETY: overloads live as long as the dispatcher.
        let params = unsafe { &(*overload).params };
        let mut plans = Vec::with_capacity(params.len());
        for (i, (&object, &param)) in objects.iter().zip(params).enumerate() {
            let (actual, default) = match types[i].kind() {
                Kind::Omitted(_) => (
                    self.default_type(py, binding, i, &mut pins)?,
                    binding.default(i),
                ),
                _ => (types[i], ptr::null_mut()),
            };
            // SAFETY: arguments and defaults are alive.
            match unsafe { unbox::Plan::new(py, object, default, actual, param, &mut pins) } {
                Some(plan) => {
                    // What is passed by address is not what the route is for.
                    if let (Some(own), false) = (own.get_mut(i), plan.is_function()) {
                        pins.merge(core::mem::take(own));
                    }
                    plans.push(plan);
                }
                None => {
                    return Err(PyTypeError::new_err(format!(
                        "argument {} of {}(): a value of type {} cannot be passed from Python",
                        i + 1,
                        binding.function(),
                        types[i]
                    )));
                }
            }
        }
        let slots = params.iter().map(|&param| slots(param)).sum();
        let route = Box::new(Route {
            // SAFETY: as above.
            plain: Route::is_plain(&plans, slots, unsafe { &*overload }),
            plans: plans.into(),
            slots,
            overload,
            pins,
        });
        let address: *const Route = &*route;
        self.routes.borrow_mut().push(route);
        // SAFETY: just stored.
        self.to_front(unsafe { &*address });
        Ok(address)
    }

    /// The types of arguments, and for each the objects that its type names.
    fn argument_types(
        &self,
        py: Python<'_>,
        binding: &Binding,
        objects: &[*mut PyObject],
    ) -> PyResult<(Vec<Ty>, Vec<Pins>)> {
        let mut types = Vec::with_capacity(objects.len());
        let mut pinned = Vec::with_capacity(objects.len());
        for (i, &object) in objects.iter().enumerate() {
            pinned.push(Pins::default());
            let pins = &mut pinned[i];
            let default = binding.params[i].default.as_ref();
            if let (true, Some(default)) = (object.is_null(), default) {
                types.push(Ty::new(Kind::Omitted(pins.add(default.bind(py)))));
                continue;
            }
            // SAFETY: arguments are alive; a missing one without default was refused before.
            let object = unsafe { Bound::from_borrowed_ptr(py, object) };
            match typeof_::type_of(&object, pins)? {
                Some(ty) => types.push(ty),
                None if self.can_compile.get() => {
                    return Err(unsupported(py, i, binding.name(i), &object));
                }
                None => return Err(errors::no_matching(&typeof_::blame(&object))),
            }
        }
        Ok((types, pinned))
    }

    fn default_type(
        &self,
        py: Python<'_>,
        binding: &Binding,
        index: usize,
        pins: &mut Pins,
    ) -> PyResult<Ty> {
        let Some(default) = binding.params[index].default.as_ref() else {
            return Ok(Ty::none());
        };
        let default = default.bind(py);
        // A default without a type goes only to code that was compiled for it.
        Ok(typeof_::type_of(default, pins)?.unwrap_or(Ty::none()))
    }

    /// The overload for exactly these types. An explicit signature also takes numbers of Python.
    fn find_exact(&self, types: &[Ty]) -> Option<*const Overload> {
        let overloads = self.overloads.borrow();
        let same = overloads.iter().find(|overload| overload.params == types);
        let found = same.or_else(|| {
            overloads.iter().find(|overload| {
                overload.explicit
                    && overload.params.len() == types.len()
                    && overload
                        .params
                        .iter()
                        .zip(types)
                        .all(|(&param, &ty)| param == ty.strong())
            })
        });
        found.map(|overload| ptr::from_ref::<Overload>(overload))
    }

    /// The overload that the types convert to with the least loss.
    fn find_best(
        &self,
        binding: &Binding,
        types: &[Ty],
        objects: &[*mut PyObject],
    ) -> PyResult<*const Overload> {
        // SAFETY: the slow path holds the GIL.
        let py = unsafe { Python::assume_attached() };
        let mut pins = Pins::default();
        let mut actual = Vec::with_capacity(types.len());
        for (i, &ty) in types.iter().enumerate() {
            actual.push(if objects[i].is_null() {
                self.default_type(py, binding, i, &mut pins)?
            } else {
                ty
            });
        }
        let overloads = self.overloads.borrow();
        let mut best: Option<([usize; 3], *const Overload)> = None;
        let mut ambiguous = false;
        for overload in overloads.iter() {
            let Some(losses) = losses(types, &actual, &overload.params) else {
                continue;
            };
            match best {
                Some((known, _)) if known < losses => {}
                Some((known, _)) if known == losses => ambiguous = true,
                _ => {
                    best = Some((losses, &**overload));
                    ambiguous = false;
                }
            }
        }
        let listed = actual
            .iter()
            .map(Ty::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        match best {
            Some((_, overload)) if !ambiguous => Ok(overload),
            Some(_) => Err(PyTypeError::new_err(format!(
                "Ambiguous overloading for {}({listed})",
                binding.function()
            ))),
            None => Err(errors::no_matching(&listed)),
        }
    }

    /// Compiles an overload, unless it exists.
    pub fn compile(
        &self,
        py: Python<'_>,
        types: Vec<Ty>,
        result: Option<Ty>,
        explicit: bool,
        pins: Pins,
    ) -> PyResult<*const Overload> {
        let _lock = lock::acquire(py);
        // While this thread waited, another may have compiled it.
        if let Some(overload) = self.find_exact(&types) {
            return Ok(overload);
        }
        let overload = self.build(py, types, self.asked(result, explicit), explicit, pins)?;
        let address: *const Overload = &*overload;
        self.overloads.borrow_mut().push(overload);
        Ok(address)
    }

    fn asked(&self, result: Option<Ty>, as_value: bool) -> Asked {
        Asked {
            result,
            as_value,
            for_c: self.options.for_c,
        }
    }

    /// Compiles code for a signature. The compile lock is held.
    fn build(
        &self,
        py: Python<'_>,
        types: Vec<Ty>,
        asked: Asked,
        explicit: bool,
        pins: Pins,
    ) -> PyResult<Box<Overload>> {
        // A compile may run Python code, and makes the functions whose addresses it needs.
        if self.compiling.borrow().contains(&types) {
            let binding = self.binding(py)?;
            let text = format!(
                "{}() is needed while it is being compiled for the same types",
                binding.function()
            );
            let diagnostic = Diagnostic::new(Code::RecursiveType, text)
                .note("compiled code may call itself, but not use itself as a value")
                .help("give the function an explicit signature, or pass another one");
            return Err(errors::diagnostic(py, &diagnostic));
        }
        self.compiling.borrow_mut().push(types.clone());
        let built = self.build_now(py, types, asked, explicit, pins);
        self.compiling.borrow_mut().pop();
        built
    }

    fn build_now(
        &self,
        py: Python<'_>,
        types: Vec<Ty>,
        asked: Asked,
        explicit: bool,
        pins: Pins,
    ) -> PyResult<Box<Overload>> {
        let binding = self.binding(py)?;
        if types.len() != binding.params.len() {
            return Err(PyTypeError::new_err(format!(
                "{}() has {} parameters, but the signature has {} types",
                binding.function(),
                binding.params.len(),
                types.len()
            )));
        }
        let mut pins = pins;
        pins.add(self.function.bind(py));
        binding.pin_defaults(py, &mut pins);
        let host = PyHost::new(py, pins);
        let request = self.cache.request(py, self, &types, asked)?;
        let known = request.as_ref().and_then(|request| request.find(py, &host));
        let from_cache = known.is_some();
        let (unit, mut pins) = match known {
            Some(unit) => (unit, host.finish()?),
            None => self.make(py, host, &types, asked, request)?,
        };
        let result_plan = boxing::Plan::new(py, unit.result, &mut pins)?;
        Ok(Box::new(Overload {
            result: unit.result,
            params: types,
            explicit,
            from_cache,
            result_plan,
            result_slots: slots(unit.result),
            nogil: self.options.compiler.nogil,
            frozen: Frozen::new(&pins),
            unit,
            pins,
        }))
    }

    /// The function types that the explicit signatures are; none if calls may compile.
    pub fn explicit_types(&self) -> Vec<Ty> {
        let mut types = Vec::new();
        if !self.can_compile.get() {
            for overload in self.overloads.borrow().iter() {
                let ty = overload.function_type();
                if !types.contains(&ty) {
                    types.push(ty);
                }
            }
        }
        types
    }

    /// The address of the function as a value of a function type; `None` if its explicit signatures are
    /// others. `this` is the dispatcher.
    pub fn function_address(
        &self,
        py: Python<'_>,
        this: *mut PyObject,
        ty: Ty,
    ) -> PyResult<Option<usize>> {
        if let Some((known, address)) = self.last_address.get()
            && known == ty
        {
            return Ok(Some(address));
        }
        let address = match self.known_address(ty) {
            Some(address) => address,
            None => {
                let Some(signature) = ty.signature() else {
                    return Ok(None);
                };
                if !self.can_compile.get() && !self.explicit_types().contains(&ty) {
                    return Ok(None);
                }
                let _lock = lock::acquire(py);
                // While this thread waited, another may have compiled it.
                match self.known_address(ty) {
                    Some(address) => address,
                    None => self.compile_as_value(py, signature)?,
                }
            }
        };
        self.published.borrow_mut().add(address, this);
        self.last_address.set(Some((ty, address)));
        Ok(Some(address))
    }

    /// The address, if there is code for it. Explicit signatures have it at once; for others it is made
    /// when it is asked for, since most functions are never values.
    fn known_address(&self, ty: Ty) -> Option<usize> {
        let (overloads, values) = (self.overloads.borrow(), self.values.borrow());
        let mut all = overloads.iter().chain(&*values);
        all.find_map(|o| o.unit.pointer.filter(|_| o.function_type() == ty))
    }

    fn compile_as_value(&self, py: Python<'_>, signature: &Signature) -> PyResult<usize> {
        let asked = self.asked(Some(signature.result), true);
        let params = signature.args.to_vec();
        let overload = self.build(py, params, asked, false, Pins::default())?;
        let address = overload.unit.pointer;
        self.values.borrow_mut().push(overload);
        address.ok_or_else(|| errors::internal(py, "code without an address"))
    }

    /// Compiles a signature; gives the code and the objects that it refers to.
    fn make(
        &self,
        py: Python<'_>,
        host: PyHost<'_>,
        types: &[Ty],
        asked: Asked,
        request: Option<cache::Request<'_>>,
    ) -> PyResult<(Unit, Pins)> {
        let module = self
            .module(py)?
            .map_err(|diagnostic| errors::diagnostic(py, &diagnostic))?;
        let compile = |host: &dyn Host, symbol| {
            engine::compile(py, host, module, types, asked, &self.options, symbol)
        };
        let Some(request) = request else {
            let made = compile(&host, None);
            let pins = host.finish()?;
            let (unit, _) = made.map_err(|failure| failure.into_exception(py))?;
            return Ok((unit, pins));
        };
        let recorder = Recorder::new(&host, &request.roots, request.place.clone());
        let made = compile(&recorder, Some(request.symbol()));
        let recorded = recorder.finish();
        let pins = host.finish()?;
        let (unit, object) = made.map_err(|failure| failure.into_exception(py))?;
        request.save(py, recorded, &object, unit.result)?;
        Ok((unit, pins))
    }

    /// Sees to it that texts about an overload can be made: code from the cache comes without.
    pub fn examine(&self, py: Python<'_>, index: usize) -> PyResult<()> {
        let overload = self.with_overload(index, ptr::from_ref::<Overload>);
        // SAFETY: overloads live as long as the dispatcher, which the caller holds.
        let Some(overload) = overload.map(|overload| unsafe { &*overload }) else {
            return Ok(());
        };
        if overload.unit.is_examined() {
            return Ok(());
        }
        let _lock = lock::acquire(py);
        let module = self
            .module(py)?
            .map_err(|diagnostic| errors::diagnostic(py, &diagnostic))?;
        let mut pins = Pins::default();
        self.binding(py)?.pin_defaults(py, &mut pins);
        let host = PyHost::new(py, pins);
        let examined = overload
            .unit
            .examine(&host, module, &overload.params, &self.options);
        host.finish()?;
        examined.map_err(|failure| failure.into_exception(py))
    }

    /// The index of an overload.
    pub fn index(&self, overload: *const Overload) -> PyResult<usize> {
        let index = self
            .overloads
            .borrow()
            .iter()
            .position(|known| ptr::eq(&raw const **known, overload));
        index.ok_or_else(|| {
            PyRuntimeError::new_err("the overload was removed while it was compiled")
        })
    }
}

impl Overload {
    /// The type of the code as a value. Equal types take and give the same: origins and parameters that
    /// were left to their defaults are not passed.
    fn function_type(&self) -> Ty {
        let passed = self.params.iter().copied();
        let passed = passed.filter(|param| !matches!(param.kind(), Kind::Omitted(_)));
        Ty::function(self.result, &passed.collect::<Vec<_>>())
    }
}

/// How much is lost when arguments are passed: numbers of unsafe, safe and promoting conversions.
fn losses(types: &[Ty], actual: &[Ty], params: &[Ty]) -> Option<[usize; 3]> {
    if types.len() != params.len() {
        return None;
    }
    let mut losses = [0; 3];
    for ((&ty, &actual), &param) in types.iter().zip(actual).zip(params) {
        if ty == param {
            continue;
        }
        match num::rank(actual, param)? {
            Rank::Exact => {}
            Rank::Promote => losses[2] += 1,
            Rank::Safe => losses[1] += 1,
            Rank::Unsafe => losses[0] += 1,
        }
    }
    Some(losses)
}

fn unsupported(py: Python<'_>, index: usize, name: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let text = format!(
        "cannot determine the type of argument {} (`{name}`): {}",
        index + 1,
        typeof_::blame(object)
    );
    let mut diagnostic = Diagnostic::new(Code::UnsupportedValue, text);
    if object.hasattr("__code__").unwrap_or(false) {
        diagnostic = diagnostic.help("decorate the function with @njit");
    }
    errors::diagnostic(py, &diagnostic)
}
