//! What happens when a jitted function is called.
//!
//! A dispatcher has *overloads*, one for each compiled signature, and *routes*: ways into an overload
//! for arguments of certain types (one overload may have several, if arguments are converted). A warm
//! call tries the routes, most recently used first; each recognises and unboxes the arguments in one
//! pass ([`unbox`]). If none takes them, the types are worked out, an overload is found or compiled, and
//! a route to it is made.
//!
//! Everything here happens under the GIL, so tables are plain cells; but any call into Python may let
//! another thread in or come back to the same dispatcher, so no borrow is held across one. Overloads and
//! routes stay where they are until the dispatcher dies: a call holds a reference to it, so they can be
//! used by address while compiled code runs, also without the GIL.

use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use core::ptr;
use std::sync::Arc;

use ferdelance_compiler::diag::{Code, Diagnostic};
use ferdelance_compiler::hir;
use ferdelance_compiler::host::Callee;
use ferdelance_compiler::types::{Kind, Ty};
use ferdelance_runtime::memory;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::binding::Binding;
use crate::boxing::{self, Frozen};
use crate::engine::{self, Unit};
use crate::handles::{Name, Pin, Pins};
use crate::host::PyHost;
use crate::num::{self, Rank, slots};
use crate::options::DispatcherOptions;
use crate::unbox::{self, Made, Outcome};
use crate::{capture, errors, lock, typeof_};

/// Slots that fit on the stack.
const STACK_SLOTS: usize = 64;
/// Routes that are tried before the slow path looks at all of them.
const FRONT: usize = 8;

/// A compiled signature.
pub struct Overload {
    pub params: Vec<Ty>,
    pub result: Ty,
    /// Compiled for an explicit signature.
    explicit: bool,
    pub unit: Unit,
    result_plan: boxing::Plan,
    result_slots: usize,
    nogil: bool,
    frozen: Frozen,
    pins: Pins,
}

/// A way into an overload.
struct Route {
    plans: Box<[unbox::Plan]>,
    slots: usize,
    overload: *const Overload,
    pins: Pins,
}

/// The state of a dispatcher.
pub struct State {
    /// Number of arguments of calls that need no binding; `usize::MAX` if there are none such, or if the
    /// function has not been looked at.
    simple_arity: Cell<usize>,
    /// Most recently used routes first, null behind the last.
    front: [Cell<*const Route>; FRONT],
    function: Pin,
    /// `function`'s globals, for traceback entries.
    globals: Py<PyAny>,
    pub options: DispatcherOptions,
    binding: RefCell<Option<Arc<Binding>>>,
    module: RefCell<Option<Arc<hir::Module>>>,
    overloads: RefCell<Vec<Box<Overload>>>,
    routes: RefCell<Vec<Box<Route>>>,
    /// What `recompile` replaced: code that may still be running.
    retired: RefCell<(Vec<Box<Route>>, Vec<Box<Overload>>)>,
    can_compile: Cell<bool>,
    /// Keeps the dispatcher's own number valid.
    _name: Name,
}

impl State {
    pub fn new(this: *mut PyObject, function: &Bound<'_, PyAny>, options: DispatcherOptions) -> PyResult<State> {
        let globals = function.getattr("__globals__").map_err(|_| PyTypeError::new_err("a dispatcher is made of a Python function"))?;
        Ok(State {
            simple_arity: Cell::new(usize::MAX),
            front: [const { Cell::new(ptr::null()) }; FRONT],
            function: Pin::new(function),
            globals: globals.unbind(),
            options,
            binding: RefCell::new(None),
            module: RefCell::new(None),
            overloads: RefCell::new(Vec::new()),
            routes: RefCell::new(Vec::new()),
            retired: RefCell::default(),
            can_compile: Cell::new(true),
            _name: Name::of(this),
        })
    }

    pub fn set_can_compile(&self, can: bool) {
        self.can_compile.set(can);
    }

    /// Number of overloads.
    pub fn len(&self) -> usize {
        self.overloads.borrow().len()
    }

    /// Calls `f` with an overload; nothing may be compiled meanwhile, so `f` must not run Python code
    /// that could.
    pub fn with_overload<T>(&self, index: usize, f: impl FnOnce(&Overload) -> T) -> Option<T> {
        let overload = self.overloads.borrow().get(index).map(|overload| ptr::from_ref::<Overload>(overload));
        // SAFETY: overloads stay where they are until the dispatcher dies, and the caller holds it.
        overload.map(|overload| f(unsafe { &*overload }))
    }

    /// Forgets all overloads. Their code stays until the dispatcher dies.
    pub fn clear(&self) {
        for slot in &self.front {
            slot.set(ptr::null());
        }
        let (routes, overloads) = (self.routes.take(), self.overloads.take());
        let mut retired = self.retired.borrow_mut();
        retired.0.extend(routes);
        retired.1.extend(overloads);
    }

    fn binding(&self, py: Python<'_>) -> PyResult<Arc<Binding>> {
        if let Some(binding) = &*self.binding.borrow() {
            return Ok(binding.clone());
        }
        let binding = Arc::new(Binding::of(self.function.bind(py))?);
        self.simple_arity.set(binding.simple_arity().unwrap_or(usize::MAX));
        *self.binding.borrow_mut() = Some(binding.clone());
        Ok(binding)
    }

    /// The function's HIR, made at the first request.
    fn module(&self, py: Python<'_>) -> PyResult<Result<Arc<hir::Module>, Box<Diagnostic>>> {
        if let Some(module) = &*self.module.borrow() {
            return Ok(Ok(module.clone()));
        }
        let place = match capture::find(self.function.bind(py), self.options.source.as_deref())? {
            Ok(place) => place,
            Err(diagnostic) => return Ok(Err(diagnostic)),
        };
        let module = engine::parse(&place, self.function.handle(), &self.options.coerced);
        if let Ok(module) = &module {
            *self.module.borrow_mut() = Some(module.clone());
        }
        Ok(module)
    }

    /// The function as a callee of other compiled code.
    pub fn callee(&self, py: Python<'_>) -> Result<Callee, Box<Diagnostic>> {
        let module = self.module(py).unwrap_or_else(|error| {
            Err(Diagnostic::new(Code::NoSource, format!("the source of a called function cannot be read: {error}")))
        })?;
        let signatures = (!self.can_compile.get()).then(|| {
            self.overloads.borrow().iter().map(|overload| (overload.params.clone(), Some(overload.result))).collect()
        });
        Ok(Callee { module, options: self.options.compiler, locals: self.options.locals.clone(), signatures })
    }

    /// Visits every object that the state holds a reference to.
    ///
    /// # Safety
    /// Called by the garbage collector.
    pub unsafe fn traverse(&self, visit: ffi::visitproc, arg: *mut core::ffi::c_void) -> core::ffi::c_int {
        let see = |pin: &Pin| {
            // SAFETY: an object that the pin holds a reference to.
            unsafe { visit(pin.as_ptr(), arg) }
        };
        let mut stop = see(&self.function);
        // SAFETY: as above.
        stop = if stop != 0 { stop } else { unsafe { visit(self.globals.as_ptr(), arg) } };
        // A collection may start anywhere, also while a table is being changed; then nothing is reported,
        // which only keeps objects alive for longer.
        if let Ok(binding) = self.binding.try_borrow()
            && let Some(binding) = &*binding
            && Arc::strong_count(binding) == 1
            && stop == 0
        {
            // SAFETY: as above.
            stop = unsafe { binding.traverse(visit, arg) };
        }
        let mut each = |pins: &Pins| {
            for pin in pins.iter() {
                if stop == 0 {
                    stop = see(pin);
                }
            }
        };
        if let (Ok(overloads), Ok(routes), Ok(retired)) =
            (self.overloads.try_borrow(), self.routes.try_borrow(), self.retired.try_borrow())
        {
            overloads.iter().chain(&retired.1).for_each(|overload| each(&overload.pins));
            routes.iter().chain(&retired.0).for_each(|route| each(&route.pins));
        }
        self.options.locals_pins.iter().fold(stop, |stop, pin| if stop == 0 { see(pin) } else { stop })
    }
}

// ---- calls ---------------------------------------------------------------------------------------

/// Calls the function; null, with an exception, on failure.
///
/// # Safety
/// The arguments are those of a vectorcall; the caller holds a reference to the dispatcher, and the GIL.
#[inline(always)]
pub unsafe fn call(state: &State, args: *const *mut PyObject, count: usize, keywords: *mut PyObject) -> *mut PyObject {
    if count == state.simple_arity.get() && keywords.is_null() {
        for i in 0..FRONT {
            let route = state.front[i].get();
            if route.is_null() {
                break;
            }
            // SAFETY: routes live as long as the dispatcher; `simple_arity` is their number of plans.
            unsafe {
                if let Some(result) = (*route).call(state, |i| *args.add(i)) {
                    if i > 0 {
                        // One place forward each time: two types in turn do not fight for the first.
                        state.front[i].swap(&state.front[i - 1]);
                    }
                    return result;
                }
            }
        }
    }
    // SAFETY: passed on.
    unsafe { call_slowly(state, args, count, keywords) }
}

#[cold]
#[inline(never)]
unsafe fn call_slowly(state: &State, args: *const *mut PyObject, count: usize, keywords: *mut PyObject) -> *mut PyObject {
    // SAFETY: the caller holds the GIL.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: passed on.
    match unsafe { bind_and_call(py, state, args, count, keywords) } {
        Ok(result) => result,
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

unsafe fn bind_and_call(
    py: Python<'_>,
    state: &State,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> PyResult<*mut PyObject> {
    let binding = state.binding(py)?;
    // SAFETY: passed on.
    let bound = unsafe { binding.bind(py, args, count, keywords)? };
    let objects = &bound.objects;
    // All routes, not only those in front. A route that runs may change the list.
    let mut index = 0;
    while let Some(route) = state.routes.borrow().get(index).map(|route| ptr::from_ref::<Route>(route)) {
        // SAFETY: routes live as long as the dispatcher.
        let route = unsafe { &*route };
        index += 1;
        if route.plans.iter().zip(objects).any(|(plan, object)| plan.expects_nothing() != object.is_null()) {
            continue;
        }
        // SAFETY: one object for each plan.
        if let Some(result) = unsafe { route.call(state, |i| objects[i]) } {
            state.to_front(route);
            return Ok(result);
        }
    }
    let route = state.new_route(py, &binding, objects)?;
    // SAFETY: made for these objects, which are alive.
    match unsafe { (*route).call(state, |i| objects[i]) } {
        Some(result) => Ok(result),
        None => Err(errors::internal(py, "a new route does not take the arguments it was made for")),
    }
}

impl Route {
    /// Unboxes the arguments, calls the code and boxes the result; `None` if the arguments are not what
    /// the route is for.
    ///
    /// # Safety
    /// `argument(i)` gives live objects, null only where the plan expects nothing; the caller keeps the
    /// dispatcher alive and holds the GIL.
    #[inline(always)]
    unsafe fn call(&self, state: &State, argument: impl Fn(usize) -> *mut PyObject) -> Option<*mut PyObject> {
        let mut stack = [const { MaybeUninit::<u64>::uninit() }; STACK_SLOTS];
        let mut heap: Vec<u64> = Vec::new();
        let slots: *mut u64 = if self.slots <= STACK_SLOTS {
            stack.as_mut_ptr().cast()
        } else {
            heap.reserve_exact(self.slots);
            heap.as_mut_ptr()
        };
        let mut made = Made::default();
        let mut at = slots;
        for (i, plan) in self.plans.iter().enumerate() {
            // SAFETY: as promised; there is room for the slots of all parameters.
            match unsafe { plan.unbox(argument(i), &mut at, &mut made) } {
                Outcome::Done => {}
                Outcome::Miss => return None,
                Outcome::Raised => return Some(ptr::null_mut()),
            }
        }
        // SAFETY: the slots hold the arguments; the overload lives as long as the route.
        Some(unsafe { (*self.overload).run(state, slots) })
    }
}

impl Overload {
    /// Runs the code on unboxed arguments.
    #[inline(always)]
    unsafe fn run(&self, state: &State, args: *const u64) -> *mut PyObject {
        let mut stack = [const { MaybeUninit::<u64>::uninit() }; STACK_SLOTS];
        let mut heap: Vec<u64> = Vec::new();
        let results: *mut u64 = if self.result_slots <= STACK_SLOTS {
            stack.as_mut_ptr().cast()
        } else {
            heap.reserve_exact(self.result_slots);
            heap.as_mut_ptr()
        };
        let trampoline = self.unit.trampoline;
        // SAFETY: the slots are those of the signature that the code was compiled for; the code stays
        // loaded while the dispatcher lives.
        unsafe {
            let error = if self.nogil {
                let thread = ffi::PyEval_SaveThread();
                let error = trampoline(args, results);
                ffi::PyEval_RestoreThread(thread);
                error
            } else {
                trampoline(args, results)
            };
            if memory::owners_pending() {
                drain();
            }
            if !error.is_null() {
                let py = Python::assume_attached();
                errors::raise(py, error, state.globals.bind(py).cast::<PyDict>().ok());
                return ptr::null_mut();
            }
            self.result_plan.make(&mut results.cast_const(), &self.frozen)
        }
    }
}

/// Releases the objects whose buffers died on threads without the GIL.
#[cold]
pub fn drain() {
    // SAFETY: the queue holds a reference to each object; the GIL is held.
    memory::drain_owners(|object| unsafe { ffi::Py_DecRef(object.cast()) });
}

// ---- overloads and routes ------------------------------------------------------------------------

impl State {
    /// Makes a route the first to be tried.
    fn to_front(&self, route: &Route) {
        let route = ptr::from_ref(route);
        let at = self.front.iter().position(|slot| slot.get() == route || slot.get().is_null()).unwrap_or(FRONT - 1);
        for i in (0..at).rev() {
            self.front[i + 1].set(self.front[i].get());
        }
        self.front[0].set(route);
    }

    /// A route for arguments that no existing one takes.
    fn new_route(&self, py: Python<'_>, binding: &Binding, objects: &[*mut PyObject]) -> PyResult<*const Route> {
        let mut pins = Pins::default();
        let types = self.argument_types(py, binding, objects, &mut pins)?;
        let overload = match self.find_exact(&types) {
            Some(overload) => overload,
            None if self.can_compile.get() => {
                // Arguments by themselves keep the objects that their types name.
                let mut kept = Pins::default();
                core::mem::swap(&mut kept, &mut pins);
                self.compile(py, types.clone(), None, false, kept)?
            }
            None => self.find_best(binding, &types, objects)?,
        };
        // SAFETY: overloads live as long as the dispatcher.
        let params = unsafe { &(*overload).params };
        let mut plans = Vec::with_capacity(params.len());
        for (i, (&object, &param)) in objects.iter().zip(params).enumerate() {
            let (actual, default) = match types[i].kind() {
                Kind::Omitted(_) => (self.default_type(py, binding, i, &mut pins)?, binding.default(i)),
                _ => (types[i], ptr::null_mut()),
            };
            // SAFETY: arguments and defaults are alive.
            match unsafe { unbox::Plan::new(py, object, default, actual, param, &mut pins) } {
                Some(plan) => plans.push(plan),
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
        let route = Box::new(Route { plans: plans.into(), slots, overload, pins });
        let address: *const Route = &*route;
        self.routes.borrow_mut().push(route);
        // SAFETY: just stored.
        self.to_front(unsafe { &*address });
        Ok(address)
    }

    fn argument_types(&self, py: Python<'_>, binding: &Binding, objects: &[*mut PyObject], pins: &mut Pins) -> PyResult<Vec<Ty>> {
        let mut types = Vec::with_capacity(objects.len());
        for (i, &object) in objects.iter().enumerate() {
            let default = binding.params[i].default.as_ref();
            if let (true, Some(default)) = (object.is_null(), default) {
                types.push(Ty::new(Kind::Omitted(pins.add(default.bind(py)))));
                continue;
            }
            // SAFETY: arguments are alive; a missing one without default was refused before.
            let object = unsafe { Bound::from_borrowed_ptr(py, object) };
            match typeof_::type_of(&object, pins)? {
                Some(ty) => types.push(ty),
                None if self.can_compile.get() => return Err(unsupported(py, i, binding.name(i), &object)),
                None => return Err(errors::no_matching(&typeof_::blame(&object))),
            }
        }
        Ok(types)
    }

    fn default_type(&self, py: Python<'_>, binding: &Binding, index: usize, pins: &mut Pins) -> PyResult<Ty> {
        let Some(default) = binding.params[index].default.as_ref() else { return Ok(Ty::none()) };
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
                    && overload.params.iter().zip(types).all(|(&param, &ty)| param == ty.strong())
            })
        });
        found.map(|overload| ptr::from_ref::<Overload>(overload))
    }

    /// The overload that the types convert to with the least loss.
    fn find_best(&self, binding: &Binding, types: &[Ty], objects: &[*mut PyObject]) -> PyResult<*const Overload> {
        // SAFETY: the slow path holds the GIL.
        let py = unsafe { Python::assume_attached() };
        let mut pins = Pins::default();
        let mut actual = Vec::with_capacity(types.len());
        for (i, &ty) in types.iter().enumerate() {
            actual.push(if objects[i].is_null() { self.default_type(py, binding, i, &mut pins)? } else { ty });
        }
        let overloads = self.overloads.borrow();
        let mut best: Option<([usize; 3], *const Overload)> = None;
        let mut ambiguous = false;
        for overload in overloads.iter() {
            let Some(losses) = losses(types, &actual, &overload.params) else { continue };
            match best {
                Some((known, _)) if known < losses => {}
                Some((known, _)) if known == losses => ambiguous = true,
                _ => {
                    best = Some((losses, &**overload));
                    ambiguous = false;
                }
            }
        }
        let listed = actual.iter().map(Ty::to_string).collect::<Vec<_>>().join(", ");
        match best {
            Some((_, overload)) if !ambiguous => Ok(overload),
            Some(_) => Err(PyTypeError::new_err(format!("Ambiguous overloading for {}({listed})", binding.function()))),
            None => Err(errors::no_matching(&listed)),
        }
    }

    /// Compiles an overload, unless it exists.
    pub fn compile(&self, py: Python<'_>, types: Vec<Ty>, result: Option<Ty>, explicit: bool, pins: Pins) -> PyResult<*const Overload> {
        let _lock = lock::acquire(py);
        // While this thread waited, another may have compiled it.
        if let Some(overload) = self.find_exact(&types) {
            return Ok(overload);
        }
        let binding = self.binding(py)?;
        if types.len() != binding.params.len() {
            return Err(PyTypeError::new_err(format!(
                "{}() has {} parameters, but the signature has {} types",
                binding.function(),
                binding.params.len(),
                types.len()
            )));
        }
        let module = self.module(py)?.map_err(|diagnostic| errors::diagnostic(py, &diagnostic))?;
        let mut pins = pins;
        pins.add(self.function.bind(py));
        binding.pin_defaults(py, &mut pins);
        let host = PyHost::new(py, pins);
        let unit = engine::compile(py, &host, module, types.clone(), result, &self.options);
        let mut pins = host.finish()?;
        let unit = unit.map_err(|failure| failure.into_exception(py))?;
        let result_plan = boxing::Plan::new(py, unit.result, &mut pins)?;
        let overload = Box::new(Overload {
            result: unit.result,
            params: types,
            explicit,
            result_plan,
            result_slots: slots(unit.result),
            nogil: self.options.compiler.nogil,
            frozen: Frozen::new(&pins),
            unit,
            pins,
        });
        let address: *const Overload = &*overload;
        self.overloads.borrow_mut().push(overload);
        Ok(address)
    }

    /// The index of an overload.
    pub fn index(&self, overload: *const Overload) -> PyResult<usize> {
        let index = self.overloads.borrow().iter().position(|known| ptr::eq(&raw const **known, overload));
        index.ok_or_else(|| PyRuntimeError::new_err("the overload was removed while it was compiled"))
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
    let text = format!("cannot determine the type of argument {} (`{name}`): {}", index + 1, typeof_::blame(object));
    let mut diagnostic = Diagnostic::new(Code::UnsupportedValue, text);
    if object.hasattr("__code__").unwrap_or(false) {
        diagnostic = diagnostic.help("decorate the function with @njit");
    }
    errors::diagnostic(py, &diagnostic)
}
