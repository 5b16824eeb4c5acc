//! Generators of compiled code as Python iterators.
//!
//! A generator object of the runtime keeps neither its code nor what it borrows of its arguments. Its
//! Python object keeps both: the dispatchers whose calls it came through, and their arguments.

use core::cell::RefCell;
use core::mem::MaybeUninit;
use core::ptr;
use std::rc::Rc;

use ferdelance_abi::layout;
use ferdelance_compiler::types::{self, Ty, promote};
use ferdelance_runtime::object;
use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use smallvec::SmallVec;

use crate::boxing::{self, Context, Frozen};
use crate::containers::Lending;
use crate::dispatch;
use crate::handles::Pins;
use crate::num::slots;
use crate::unbox::{self, Made, Outcome};
use crate::{errors, living, typed, typeof_};

/// How to box a generator, and what it yields and returns.
pub struct Plan {
    ty: Ty,
    generator: types::Generator,
    item: boxing::Plan,
    result: boxing::Plan,
}

impl Plan {
    pub fn new(
        py: Python<'_>,
        ty: Ty,
        generator: types::Generator,
        pins: &mut Pins,
    ) -> PyResult<Plan> {
        Ok(Plan {
            ty,
            generator,
            item: boxing::Plan::new(py, generator.item, pins)?,
            result: boxing::Plan::new(py, generator.result, pins)?,
        })
    }

    /// The Python object of a generator; takes over a reference to it. Null, with an exception, on failure.
    ///
    /// # Safety
    /// `object` is a generator of the plan's type; the GIL is held.
    pub unsafe fn make(
        self: &Rc<Plan>,
        object: *mut layout::Generator,
        cx: &Context<'_>,
    ) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            if let Some(known) = living::find(object.addr()) {
                object::obj_release(object.cast());
                return known;
            }
            let py = Python::assume_attached();
            let origin = (cx.origin)(py);
            let kept = origin.kept.iter();
            let made = Py::new(
                py,
                Generator(Held(Inner {
                    object,
                    plan: self.clone(),
                    frozen: cx.frozen,
                    typed: kept
                        .filter_map(|kept| typed::borrowing(kept.bind(py)))
                        .collect(),
                    origin,
                    sent: RefCell::default(),
                })),
            );
            match made {
                Ok(made) => {
                    let made = made.into_ptr();
                    living::add(object.addr(), made);
                    made
                }
                Err(error) => {
                    error.restore(py);
                    ptr::null_mut()
                }
            }
        }
    }
}

/// What a generator came from: it keeps all of it.
#[derive(Clone)]
pub struct Origin {
    /// Those of the function, for traceback entries.
    pub globals: Rc<Py<PyAny>>,
    pub kept: Rc<[Py<PyAny>]>,
}

struct Inner {
    /// One reference is ours.
    object: *mut layout::Generator,
    plan: Rc<Plan>,
    /// Of an overload of a dispatcher that is kept.
    frozen: *const Frozen,
    /// Those `typed.Dict` among its arguments that must not keep what the generator borrows.
    typed: Vec<*mut layout::Dict>,
    origin: Origin,
    /// What was sent, which the generator may borrow from.
    sent: RefCell<Vec<Py<PyAny>>>,
}

/// What is used with the GIL held only.
struct Held<T>(T);

// SAFETY: Python calls methods, and drops objects, with the GIL held.
unsafe impl<T> Send for Held<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Held<T> {}

/// A generator of a compiled function.
#[pyclass(module = "ferdelance", name = "generator", frozen)]
pub struct Generator(Held<Inner>);

impl Drop for Generator {
    fn drop(&mut self) {
        let object = self.0.0.object;
        living::remove(object.addr());
        // SAFETY: ours; the code that made it is still there, but is not needed.
        unsafe { object::obj_release(object.cast()) };
    }
}

/// What running a generator on has given.
enum Step {
    Yielded(Py<PyAny>),
    Returned(Py<PyAny>),
}

/// Slots that fit on the stack.
const STACK_SLOTS: usize = 32;

#[pymethods]
impl Generator {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(this: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let py = this.py();
        match Generator::step(this, false, None)? {
            Step::Yielded(item) => Ok(Some(item)),
            Step::Returned(result) if result.is_none(py) => Ok(None),
            Step::Returned(result) => Err(PyStopIteration::new_err((result,))),
        }
    }

    /// Goes on, and has the `yield` where the generator stands give a value.
    fn send(this: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match Generator::step(this, false, Some(value).filter(|value| !value.is_none()))? {
            Step::Yielded(item) => Ok(item),
            Step::Returned(result) if result.is_none(this.py()) => {
                Err(PyStopIteration::new_err(()))
            }
            Step::Returned(result) => Err(PyStopIteration::new_err((result,))),
        }
    }

    /// Raises GeneratorExit where the generator stands, which ends it.
    fn close(this: &Bound<'_, Self>) -> PyResult<()> {
        match Generator::step(this, true, None) {
            Ok(Step::Yielded(_)) => Err(PyRuntimeError::new_err("generator ignored GeneratorExit")),
            Err(error) if !error.is_instance_of::<PyGeneratorExit>(this.py()) => Err(error),
            Ok(Step::Returned(_)) | Err(_) => Ok(()),
        }
    }
}

impl Generator {
    /// The type of a generator.
    pub fn ty(&self) -> Ty {
        self.0.0.plan.ty
    }

    /// The generator itself, alive while the Python object is.
    pub fn address(&self) -> usize {
        self.0.0.object.expose_provenance()
    }

    /// Runs a generator on.
    fn step(
        this: &Bound<'_, Self>,
        closing: bool,
        sent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Step> {
        let (py, inner) = (this.py(), &this.get().0.0);
        let generator = inner.plan.generator;
        let (given, got) = (
            2 + slots(generator.sent),
            1 + slots(generator.item) + slots(generator.result),
        );
        let mut args: SmallVec<[u64; STACK_SLOTS]> = SmallVec::with_capacity(given);
        let mut results: SmallVec<[MaybeUninit<u64>; STACK_SLOTS]> = SmallVec::with_capacity(got);
        let mut made = Made::default();
        // SAFETY: the slots are those of the generator's type. The object is alive while `this` is, and its
        // code while the dispatchers are that it keeps; the GIL is held.
        unsafe {
            let out = args.as_mut_ptr();
            out.write(inner.object.expose_provenance() as u64);
            out.add(1).write(closing.into());
            send(inner, sent, out.add(2), &mut made)?;
            let Some(enter) = (*inner.object).enter else {
                return Err(errors::internal(py, "a generator without code"));
            };
            let error = enter(out, results.as_mut_ptr().cast());
            dispatch::drain_pending();
            for &dict in &inner.typed {
                typed::own(dict, &*inner.frozen);
            }
            if !error.is_null() {
                let globals = inner.origin.globals.bind(py).cast::<PyDict>().ok();
                errors::raise(py, error, globals);
                return Err(PyErr::fetch(py));
            }
            let cx = Context {
                frozen: &*inner.frozen,
                lent: &Lending::default(),
                origin: &|_| Origin {
                    globals: inner.origin.globals.clone(),
                    kept: [this.clone().into_any().unbind()].into(),
                },
            };
            let results = results.as_ptr().cast::<u64>();
            let mut at = results.add(1);
            let yielded = results.read() & 1 != 0;
            if !yielded {
                at = at.add(slots(generator.item));
            }
            let plan = if yielded {
                &inner.plan.item
            } else {
                &inner.plan.result
            };
            let value = Bound::from_owned_ptr_or_err(py, plan.make(&mut at, &cx))?.unbind();
            Ok(if yielded {
                Step::Yielded(value)
            } else {
                Step::Returned(value)
            })
        }
    }
}

/// Writes the slots of what is sent.
///
/// # Safety
/// There is room for them; the GIL is held.
unsafe fn send(
    inner: &Inner,
    sent: Option<&Bound<'_, PyAny>>,
    mut out: *mut u64,
    made: &mut Made,
) -> PyResult<()> {
    let ty = inner.plan.generator.sent;
    // SAFETY: the object is alive.
    let begun = unsafe { (*inner.object).at } != 0;
    let Some(value) = sent.filter(|_| !ty.is_none() || !begun) else {
        // SAFETY: as promised.
        unsafe { ptr::write_bytes(out, 0, slots(ty)) };
        return Ok(());
    };
    if !begun {
        return Err(PyTypeError::new_err(
            "can't send non-None value to a just-started generator",
        ));
    }
    let cannot = || {
        let class = typeof_::class_name(value);
        PyTypeError::new_err(format!(
            "cannot send a value of class {class} to a generator that takes {ty}"
        ))
    };
    let mut pins = Pins::default();
    let actual = typeof_::type_of(value, &mut pins)?.ok_or_else(cannot)?;
    if promote::fit(actual, ty).is_none() {
        return Err(cannot());
    }
    // SAFETY: the value is alive, and kept.
    unsafe {
        let nothing = ptr::null_mut();
        let plan = unbox::Plan::new(value.py(), value.as_ptr(), nothing, actual, ty, &mut pins);
        let plan = plan.ok_or_else(cannot)?;
        match plan.unbox(value.as_ptr(), &mut out, made) {
            Outcome::Done => {}
            Outcome::Miss => return Err(cannot()),
            Outcome::Raised => return Err(PyErr::fetch(value.py())),
        }
    }
    if !actual.is_scalar() {
        inner.sent.borrow_mut().push(value.clone().unbind());
    }
    Ok(())
}

/// Whether an object is a generator of compiled code.
pub fn of<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, Generator>> {
    object.cast_exact::<Generator>().ok()
}

/// The slot of a generator of a type; `None` if it is something else.
///
/// # Safety
/// `object` is alive; the GIL is held.
pub unsafe fn slot(object: *mut PyObject, ty: Ty) -> Option<u64> {
    // SAFETY: as promised.
    let object = unsafe { Bound::from_borrowed_ptr(Python::assume_attached(), object) };
    let generator = of(&object)?.get();
    (generator.ty() == ty).then(|| generator.address() as u64)
}
