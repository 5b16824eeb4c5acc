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

use core::cell::{Cell, OnceCell, RefCell};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use ferdelance_compiler::diag::{Code, Diagnostic};
use ferdelance_compiler::hir;
use ferdelance_compiler::host::Callee;
use ferdelance_compiler::trace::Identity;
use ferdelance_compiler::types::Ty;
use ferdelance_runtime::memory;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::binding::Binding;
use crate::boxing::{self, Context, Frozen};
use crate::cache::Cache;
use crate::engine::{self, Unit};
use crate::functions::Published;
use crate::generators::Origin;
use crate::handles::{Name, Pin, Pins};
use crate::options::DispatcherOptions;
use crate::unbox::{self, Made, Outcome};
use crate::{capture, containers, errors, typed};

/// Slots that fit on the stack.
const STACK_SLOTS: usize = 64;
/// Routes that are tried before the slow path looks at all of them.
const FRONT: usize = 8;

/// A compiled signature.
pub struct Overload {
    pub params: Vec<Ty>,
    pub result: Ty,
    /// Compiled for an explicit signature.
    pub explicit: bool,
    /// Made by an earlier process.
    pub from_cache: bool,
    pub unit: Unit,
    pub result_plan: boxing::Plan,
    pub result_slots: usize,
    pub nogil: bool,
    pub frozen: Frozen,
    pub pins: Pins,
}

/// A way into an overload.
pub struct Route {
    pub plans: Box<[unbox::Plan]>,
    pub slots: usize,
    /// [`Route::call_plain`] may be called.
    pub plain: bool,
    pub overload: *const Overload,
    pub pins: Pins,
}

/// Things that are used by address: each in a box of its own.
pub type Table<T> = Vec<Box<T>>;

#[derive(Default)]
struct Retired {
    routes: Table<Route>,
    overloads: Table<Overload>,
}

/// The state of a dispatcher.
pub struct State {
    /// Number of arguments of calls that need no binding; `usize::MAX` if there are none such, or if the
    /// function has not been looked at.
    simple_arity: Cell<usize>,
    /// Most recently used routes first, null behind the last.
    front: [Cell<*const Route>; FRONT],
    /// The dispatcher itself.
    this: *mut PyObject,
    pub(crate) function: Pin,
    /// `function`'s globals, for traceback entries.
    globals: Py<PyAny>,
    pub options: DispatcherOptions,
    pub(crate) cache: Cache,
    binding: OnceCell<Binding>,
    module: RefCell<Option<Arc<hir::Module>>>,
    pub(crate) overloads: RefCell<Table<Overload>>,
    pub(crate) routes: RefCell<Table<Route>>,
    /// What `recompile` replaced: code that may still be running.
    retired: RefCell<Retired>,
    pub(crate) can_compile: Cell<bool>,
    /// Argument types that it is being compiled for.
    pub(crate) compiling: RefCell<Vec<Vec<Ty>>>,
    /// The last function type that it was asked for, and its address as a value of that.
    pub(crate) last_address: Cell<Option<(Ty, usize)>>,
    /// Code that exists because its address was asked for; calls from Python do not use it.
    pub(crate) values: RefCell<Table<Overload>>,
    pub(crate) published: RefCell<Published>,
    /// Keeps the dispatcher's own number valid.
    _name: Name,
}

impl State {
    pub fn new(
        this: *mut PyObject,
        function: &Bound<'_, PyAny>,
        options: DispatcherOptions,
    ) -> PyResult<State> {
        let globals = function
            .getattr("__globals__")
            .map_err(|_| PyTypeError::new_err("a dispatcher is made of a Python function"))?;
        Ok(State {
            simple_arity: Cell::new(usize::MAX),
            front: [const { Cell::new(ptr::null()) }; FRONT],
            this,
            function: Pin::new(function),
            globals: globals.unbind(),
            cache: Cache::new(options.cache),
            options,
            binding: OnceCell::new(),
            module: RefCell::new(None),
            overloads: RefCell::new(Vec::new()),
            routes: RefCell::new(Vec::new()),
            retired: RefCell::default(),
            can_compile: Cell::new(true),
            compiling: RefCell::default(),
            last_address: Cell::new(None),
            values: RefCell::default(),
            published: RefCell::default(),
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
        let overload = self
            .overloads
            .borrow()
            .get(index)
            .map(|overload| ptr::from_ref::<Overload>(overload));
        // SAFETY: overloads stay where they are until the dispatcher dies, and the caller holds it.
        overload.map(|overload| f(unsafe { &*overload }))
    }

    /// Forgets all overloads. Their code stays until the dispatcher dies.
    pub fn clear(&self) {
        for slot in &self.front {
            slot.set(ptr::null());
        }
        self.last_address.set(None);
        let (routes, overloads) = (self.routes.take(), self.overloads.take());
        let values = self.values.take();
        let mut retired = self.retired.borrow_mut();
        retired.routes.extend(routes);
        retired.overloads.extend(overloads);
        retired.overloads.extend(values);
    }

    /// What generators that a call gives come from: the dispatcher, and the arguments.
    fn origin(
        &self,
        py: Python<'_>,
        argument: &dyn Fn(usize) -> *mut PyObject,
        count: usize,
    ) -> Origin {
        let objects = std::iter::once(self.this).chain((0..count).map(argument));
        // SAFETY: the caller holds references to them; what was not passed is null.
        let kept = objects
            .filter_map(|object| unsafe { Bound::from_borrowed_ptr_or_opt(py, object) })
            .map(Bound::unbind)
            .collect();
        Origin {
            globals: Rc::new(self.globals.clone_ref(py)),
            kept,
        }
    }

    /// The parameters, read at the first request: a function may be filled after it was decorated.
    pub(crate) fn binding(&self, py: Python<'_>) -> PyResult<&Binding> {
        if let Some(binding) = self.binding.get() {
            return Ok(binding);
        }
        let binding = Binding::of(self.function.bind(py))?;
        // Python code ran meanwhile, and may have been here first.
        let binding = self.binding.get_or_init(|| binding);
        self.simple_arity
            .set(binding.simple_arity().unwrap_or(usize::MAX));
        Ok(binding)
    }

    /// A route by number. (In the head of a loop the borrow would last for the loop's body.)
    fn route(&self, index: usize) -> Option<*const Route> {
        self.routes
            .borrow()
            .get(index)
            .map(|route| ptr::from_ref::<Route>(route))
    }

    /// The function's HIR, made at the first request.
    pub(crate) fn module(
        &self,
        py: Python<'_>,
    ) -> PyResult<Result<Arc<hir::Module>, Box<Diagnostic>>> {
        if let Some(module) = &*self.module.borrow() {
            return Ok(Ok(module.clone()));
        }
        // So that it is known by the code object that is parsed.
        self.cache.code(py, self)?;
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

    /// Whether there is HIR.
    pub(crate) fn is_parsed(&self) -> bool {
        self.module.borrow().is_some()
    }

    /// The function as a callee of other compiled code.
    pub fn callee(&self, py: Python<'_>) -> Result<Callee, Box<Diagnostic>> {
        let module = self.module(py).unwrap_or_else(|error| {
            Err(Diagnostic::new(
                Code::NoSource,
                format!("the source of a called function cannot be read: {error}"),
            ))
        })?;
        Ok(Callee {
            module,
            options: self.options.compiler,
            locals: self.options.locals.clone(),
            signatures: self.explicit_signatures(),
        })
    }

    /// The same, as far as code depends on it, without parsing anything. Or why it has no meaning in
    /// other processes.
    pub fn identity(&self, py: Python<'_>) -> PyResult<Result<Identity, String>> {
        let code = Result::clone(&*self.cache.code(py, self)?);
        Ok(code.map(|code| Identity {
            function: self.function.handle(),
            code: code.digest,
            options: self.options.compiler,
            locals: self.options.locals.clone(),
            signatures: self.explicit_signatures(),
            place: code.place,
        }))
    }

    /// The signatures that callers have to choose from, unless calls may compile.
    fn explicit_signatures(&self) -> Option<Vec<(Vec<Ty>, Option<Ty>)>> {
        (!self.can_compile.get()).then(|| {
            self.overloads
                .borrow()
                .iter()
                .map(|overload| (overload.params.clone(), Some(overload.result)))
                .collect()
        })
    }

    /// Visits every object that the state holds a reference to.
    ///
    /// # Safety
    /// Called by the garbage collector.
    pub unsafe fn traverse(&self, visit: ffi::visitproc, arg: *mut c_void) -> core::ffi::c_int {
        let see = |pin: &Pin| {
            // SAFETY: an object that the pin holds a reference to.
            unsafe { visit(pin.as_ptr(), arg) }
        };
        let mut stop = see(&self.function);
        if stop == 0 {
            // SAFETY: as above.
            stop = unsafe { visit(self.globals.as_ptr(), arg) };
        }
        if let (0, Some(binding)) = (stop, self.binding.get()) {
            // SAFETY: as above.
            stop = unsafe { binding.traverse(visit, arg) };
        }
        // A collection may start anywhere, also while a table is being changed; then nothing is
        // reported, which only keeps objects alive for longer.
        let mut each = |pins: &Pins| {
            for pin in pins.iter() {
                if stop == 0 {
                    stop = see(pin);
                }
            }
        };
        if let (Ok(overloads), Ok(values), Ok(routes), Ok(retired)) = (
            self.overloads.try_borrow(),
            self.values.try_borrow(),
            self.routes.try_borrow(),
            self.retired.try_borrow(),
        ) {
            overloads
                .iter()
                .chain(&*values)
                .chain(&retired.overloads)
                .for_each(|overload| each(&overload.pins));
            routes
                .iter()
                .chain(&retired.routes)
                .for_each(|route| each(&route.pins));
        }
        self.options
            .locals_pins
            .iter()
            .fold(stop, |stop, pin| if stop == 0 { see(pin) } else { stop })
    }
}

// ---- calls ---------------------------------------------------------------------------------------

/// Calls the function if the route used last is plain and takes the arguments: most calls, and nothing
/// in here panics.
///
/// # Safety
/// As for [`call`].
#[inline(always)]
pub unsafe fn call_first(
    state: &State,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> Option<*mut PyObject> {
    if count != state.simple_arity.get() || !keywords.is_null() {
        return None;
    }
    // SAFETY: routes live as long as the dispatcher; `simple_arity` is their number of plans.
    unsafe {
        let route = state.front[0].get().as_ref()?;
        if route.plain {
            route.call_plain(state, args)
        } else {
            None
        }
    }
}

/// Calls the function; null, with an exception, on failure.
///
/// # Safety
/// The arguments are those of a vectorcall; the caller holds a reference to the dispatcher, and the GIL.
#[inline(never)]
pub unsafe fn call(
    state: &State,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    if count == state.simple_arity.get() && keywords.is_null() {
        // SAFETY: passed on.
        if let Some(result) = unsafe { call_front(state, args) } {
            return result;
        }
    }
    // SAFETY: passed on.
    unsafe { call_slowly(state, args, count, keywords) }
}

/// Tries the routes in front.
///
/// # Safety
/// As for `call`; there are as many arguments as parameters.
unsafe fn call_front(state: &State, args: *const *mut PyObject) -> Option<*mut PyObject> {
    for i in 0..FRONT {
        let route = state.front[i].get();
        if route.is_null() {
            break;
        }
        // SAFETY: as in `call`.
        if let Some(result) = unsafe { (*route).call(state, |i| *args.add(i)) } {
            if i > 0 {
                // One place forward each time: two types in turn do not fight for the first.
                state.front[i].swap(&state.front[i - 1]);
            }
            return Some(result);
        }
    }
    None
}

#[cold]
#[inline(never)]
unsafe fn call_slowly(
    state: &State,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
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
    while let Some(route) = state.route(index) {
        // SAFETY: routes live as long as the dispatcher.
        let route = unsafe { &*route };
        index += 1;
        if route
            .plans
            .iter()
            .zip(objects)
            .any(|(plan, object)| plan.expects_nothing() != object.is_null())
        {
            continue;
        }
        // SAFETY: one object for each plan.
        if let Some(result) = unsafe { route.call(state, |i| objects[i]) } {
            state.to_front(route);
            return Ok(result);
        }
    }
    let route = state.new_route(py, binding, objects)?;
    // SAFETY: made for these objects, which are alive.
    match unsafe { (*route).call(state, |i| objects[i]) } {
        Some(result) => Ok(result),
        None => Err(errors::internal(
            py,
            "a new route does not take the arguments it was made for",
        )),
    }
}

impl Route {
    /// Whether a call needs no more than a few slots: nothing is made for the arguments, nothing is
    /// made of the results but a number.
    pub fn is_plain(plans: &[unbox::Plan], slots: usize, overload: &Overload) -> bool {
        plans.iter().all(unbox::Plan::is_plain)
            && slots <= STACK_SLOTS
            && overload.result_plan.is_plain()
            && !overload.nogil
    }

    /// What [`Route::call`] does, for plain routes: they are most of those that are called so often
    /// that the call matters.
    ///
    /// # Safety
    /// As for `call`; the route is plain.
    #[inline(always)]
    unsafe fn call_plain(
        &self,
        state: &State,
        args: *const *mut PyObject,
    ) -> Option<*mut PyObject> {
        let mut slots = [const { MaybeUninit::<u64>::uninit() }; STACK_SLOTS];
        let mut result = 0_u64;
        let mut at = slots.as_mut_ptr().cast();
        // SAFETY: as in `call` and `run`.
        unsafe {
            for (i, plan) in self.plans.iter().enumerate() {
                if plan.unbox_plain(*args.add(i), &mut at) != Outcome::Done {
                    return None;
                }
            }
            let overload = &*self.overload;
            let error = (overload.unit.trampoline)(slots.as_ptr().cast(), &mut result);
            drain_pending();
            if !error.is_null() {
                raise(state, error);
                return Some(ptr::null_mut());
            }
            Some(overload.result_plan.make_plain(&mut ptr::from_ref(&result)))
        }
    }

    /// Unboxes the arguments, calls the code and boxes the result; `None` if the arguments are not what
    /// the route is for.
    ///
    /// # Safety
    /// `argument(i)` gives live objects, null only where the plan expects nothing; the caller keeps the
    /// dispatcher alive and holds the GIL.
    #[inline(always)]
    unsafe fn call(
        &self,
        state: &State,
        argument: impl Fn(usize) -> *mut PyObject,
    ) -> Option<*mut PyObject> {
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
        Some(unsafe { (*self.overload).run(state, slots, &made, &argument, self.plans.len()) })
    }
}

impl Overload {
    /// Runs the code on unboxed arguments.
    #[inline(always)]
    unsafe fn run(
        &self,
        state: &State,
        args: *const u64,
        made: &Made,
        argument: &dyn Fn(usize) -> *mut PyObject,
        count: usize,
    ) -> *mut PyObject {
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
            drain_pending();
            let cx = Context {
                frozen: &self.frozen,
                lent: &made.containers,
                origin: &|py| state.origin(py, argument, count),
            };
            for &dict in &made.typed {
                typed::own(dict, &self.frozen);
            }
            // Also when an exception was raised: what happened before it has happened.
            let reflected = made.containers.is_empty() || containers::give_back(&cx);
            if !error.is_null() {
                raise(state, error);
                return ptr::null_mut();
            }
            if !reflected {
                self.result_plan.release(&mut results.cast_const());
                return ptr::null_mut();
            }
            self.result_plan.make(&mut results.cast_const(), &cx)
        }
    }
}

/// Raises what compiled code of a function has thrown.
///
/// # Safety
/// As for [`errors::raise`]; the GIL is held.
#[cold]
unsafe fn raise(state: &State, error: *mut c_void) {
    // SAFETY: as promised.
    let py = unsafe { Python::assume_attached() };
    let raised = catch_unwind(AssertUnwindSafe(|| {
        let globals = state.globals.bind(py).cast::<PyDict>().ok();
        // SAFETY: as promised.
        unsafe { errors::raise(py, error, globals) };
    }));
    if raised.is_err() {
        errors::panicked(py).restore(py);
    }
}

/// [`drain`], if there is something to do.
#[inline(always)]
pub fn drain_pending() {
    if memory::owners_pending() {
        drain();
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
    pub(crate) fn to_front(&self, route: &Route) {
        let route = ptr::from_ref(route);
        let at = self
            .front
            .iter()
            .position(|slot| slot.get() == route || slot.get().is_null())
            .unwrap_or(FRONT - 1);
        for i in (0..at).rev() {
            self.front[i + 1].set(self.front[i].get());
        }
        self.front[0].set(route);
    }
}
