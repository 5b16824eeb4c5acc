//! `CallProfiler`, on which `ferdelance.profiler.Profile` is built.

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::session::{Options, Session, Timer};
use super::{ACTIVE, HAS_FAILED, MISSING, evaluator, jitted, monitoring, profile_hook};

/// How calls are watched.
enum Watch {
    Nothing,
    Monitoring(monitoring::Tool),
    Evaluator,
    ProfileHook,
}

impl Watch {
    fn name(&self) -> &'static str {
        match self {
            Watch::Nothing => "",
            Watch::Monitoring(_) => "sys.monitoring",
            Watch::Evaluator => "frame evaluator",
            Watch::ProfileHook => "profile function",
        }
    }
}

/// The profiler of the whole program, owned, or null.
static WHOLE: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

fn whole(py: Python<'_>) -> Option<Bound<'_, CallProfiler>> {
    let whole = WHOLE.load(Ordering::Relaxed);
    // SAFETY: null, or a reference of ours; the GIL is held.
    let whole = unsafe { Bound::from_borrowed_ptr_or_opt(py, whole) }?;
    whole.cast_into::<CallProfiler>().ok()
}

/// Counts calls; everything happens under the GIL.
#[pyclass(module = "ferdelance._core", subclass, frozen)]
pub struct CallProfiler {
    session: UnsafeCell<*mut Session>,
    watch: UnsafeCell<Watch>,
    /// The whole program's profiler waits until this one ends.
    pauses: AtomicBool,
}

// SAFETY: the GIL is held wherever the cells are used.
unsafe impl Send for CallProfiler {}
// SAFETY: as above.
unsafe impl Sync for CallProfiler {}

impl CallProfiler {
    fn session(&self) -> *mut Session {
        // SAFETY: written when this was made, and not since.
        unsafe { *self.session.get() }
    }

    /// Begins to count; no profiler is active.
    fn begin(
        this: &Bound<'_, Self>,
        subcalls: Option<bool>,
        builtins: Option<bool>,
    ) -> PyResult<()> {
        let py = this.py();
        let own = this.get();
        // SAFETY: the session is not active, so that no hook uses it; the GIL is held.
        let builtins = unsafe {
            let session = &mut *own.session();
            if session.options.signatures && session.frames.is_none() {
                return Err(PyRuntimeError::new_err(
                    "how this Python keeps arguments is not known: Profile(signatures=False) counts calls without them",
                ));
            }
            if let Some(subcalls) = subcalls {
                session.options.callers = subcalls;
                session.table.set_callers(subcalls);
            }
            if let Some(builtins) = builtins {
                session.options.builtins = builtins;
            }
            session.options.builtins
        };
        HAS_FAILED.store(false, Ordering::Relaxed);
        jitted::watch_numba(py)?;
        let version = py.version_info();
        let watch = if version >= (3, 12) {
            let missing = py
                .import("sys")?
                .getattr("monitoring")?
                .getattr("MISSING")?;
            MISSING.store(missing.as_ptr(), Ordering::Relaxed);
            Watch::Monitoring(monitoring::watch(py, builtins)?)
        } else if !builtins && evaluator::watch(py) {
            Watch::Evaluator
        } else {
            // SAFETY: as above.
            if unsafe { (*own.session()).frames.is_none() } {
                return Err(PyRuntimeError::new_err(
                    "how this Python keeps its frames is not known",
                ));
            }
            profile_hook::watch(py)?;
            Watch::ProfileHook
        };
        // SAFETY: the GIL is held, and nothing else refers to it.
        unsafe { *own.watch.get() = watch };
        ACTIVE.store(own.session(), Ordering::Relaxed);
        // SAFETY: alive; `disable` gives the reference back.
        unsafe { ffi::Py_IncRef(this.as_ptr()) };
        Ok(())
    }

    fn is_active(&self) -> bool {
        super::active() == self.session()
    }
}

impl Drop for CallProfiler {
    fn drop(&mut self) {
        let session = self.session();
        // An active profiler holds a reference to itself. One that has failed may still be in use by a hook that
        // is under way, and stays.
        if !self.is_active() && !HAS_FAILED.load(Ordering::Relaxed) {
            Python::attach(|_| {
                // SAFETY: made from a box, and used by nobody any more.
                let mut session = unsafe { Box::from_raw(session) };
                session.release();
            });
        }
    }
}

#[pymethods]
impl CallProfiler {
    #[new]
    #[pyo3(signature = (timer = None, time_unit = None, subcalls = true, builtins = true, signatures = true))]
    fn new(
        py: Python<'_>,
        timer: Option<Py<PyAny>>,
        time_unit: Option<f64>,
        subcalls: bool,
        builtins: bool,
        signatures: bool,
    ) -> PyResult<CallProfiler> {
        let timer = timer.map(|function| Timer {
            function,
            unit: time_unit.filter(|&unit| unit > 0.0),
        });
        let options = Options {
            signatures,
            callers: subcalls,
            builtins,
            timer,
        };
        let session = Session::new(py, options)?;
        Ok(CallProfiler {
            session: UnsafeCell::new(Box::into_raw(Box::new(session))),
            watch: UnsafeCell::new(Watch::Nothing),
            pauses: AtomicBool::new(false),
        })
    }

    /// Begins to count calls, in all threads. Raises ValueError if another profiler does, RuntimeError if this
    /// Python is not known well enough.
    #[pyo3(signature = (subcalls = None, builtins = None))]
    fn enable(
        this: &Bound<'_, Self>,
        subcalls: Option<bool>,
        builtins: Option<bool>,
    ) -> PyResult<()> {
        let py = this.py();
        let own = this.get();
        if own.is_active() {
            return Ok(());
        }
        let whole = whole(py).filter(|whole| whole.get().is_active());
        match &whole {
            Some(whole) => CallProfiler::disable(whole)?,
            None if super::active().is_null() => {}
            None => {
                return Err(PyValueError::new_err("another profiler of calls is active"));
            }
        }
        this.call_method0("_begins")?;
        let begun = CallProfiler::begin(this, subcalls, builtins);
        if begun.is_err() {
            this.call_method0("_ended")?;
        }
        if let Some(whole) = &whole {
            match begun {
                Ok(()) => own.pauses.store(true, Ordering::Relaxed),
                Err(_) => CallProfiler::begin(whole, None, None)?,
            }
        }
        begun
    }

    /// What a derived class does before this counts; what it calls is not counted.
    fn _begins(&self) {}

    /// What a derived class does when this has ended counting.
    fn _ended(&self) {}

    /// Makes this the profiler of the whole program: one that the program itself enables has its calls, and this
    /// one goes on after it.
    fn be_whole(this: &Bound<'_, Self>) {
        let before = WHOLE.swap(this.clone().into_ptr(), Ordering::Relaxed);
        // SAFETY: null, or a reference of ours; the GIL is held.
        unsafe { ffi::Py_XDECREF(before) };
    }

    /// Ends counting. Calls that are under way count as ended.
    fn disable(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let own = this.get();
        // SAFETY: the GIL is held, and nothing else refers to it.
        let watch = unsafe { std::mem::replace(&mut *own.watch.get(), Watch::Nothing) };
        if matches!(watch, Watch::Nothing) {
            return Ok(());
        }
        if own.is_active() {
            ACTIVE.store(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: no hook uses the session any more.
            unsafe { (*own.session()).flush() };
        }
        let result = match watch {
            Watch::Nothing => Ok(()),
            Watch::Monitoring(tool) => tool.free(py),
            Watch::Evaluator => {
                evaluator::unwatch(py);
                Ok(())
            }
            Watch::ProfileHook => profile_hook::unwatch(py),
        };
        if own.pauses.swap(false, Ordering::Relaxed)
            && let Some(whole) = whole(py)
        {
            CallProfiler::begin(&whole, None, None)?;
        }
        let ended = this.call_method0("_ended");
        // SAFETY: the reference that `begin` took.
        unsafe { ffi::Py_DecRef(this.as_ptr()) };
        ended?;
        if HAS_FAILED.load(Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err(
                "the profiler has failed and stopped counting; this is an error in ferdelance",
            ));
        }
        result
    }

    /// Forgets all that was counted.
    #[pyo3(signature = (*, child = false))]
    fn clear(&self, child: bool) {
        // SAFETY: the GIL is held; a hook does not run Python while it borrows from the session.
        unsafe { (*self.session()).clear(child) };
    }

    /// How calls are watched: empty if they are not.
    #[getter]
    fn mechanism(&self) -> &'static str {
        // SAFETY: the GIL is held.
        unsafe { &*self.watch.get() }.name()
    }

    /// Whether calls were left out because the stack was short.
    #[getter]
    fn was_deep(&self) -> bool {
        // SAFETY: the GIL is held.
        unsafe { (*self.session()).was_deep }
    }

    /// What was counted so far, as a dict of lists of tuples; times are in seconds.
    ///
    /// functions: (file, line, name, qualified name, is native);
    /// calls: (function, signature or None, calls, recursive, own, total, below);
    /// callers: (caller, callee, calls, recursive, own, total), both as indices of calls.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        // SAFETY: the GIL is held, and the session is not borrowed while Python objects are made: all is copied.
        let copied = unsafe { Copied::of(&*self.session()) };
        copied.to_dict(py)
    }
}

/// What was counted, apart from the session.
struct Copied {
    tick: f64,
    builtins: bool,
    functions: Vec<super::code::Name>,
    calls: Vec<(u32, super::session::Signature, super::table::Counts, u64)>,
    callers: Vec<(u32, u32, super::table::Counts)>,
}

impl Copied {
    fn of(session: &Session) -> Copied {
        let table = &session.table;
        let entries = table.entries.iter().zip(&session.signatures);
        Copied {
            tick: session.tick(),
            builtins: session.options.builtins,
            functions: session.names().cloned().collect(),
            calls: entries
                .map(|(entry, signature)| {
                    (entry.function, signature.clone(), entry.counts, entry.below)
                })
                .collect(),
            callers: table
                .edges
                .iter()
                .map(|e| (e.caller, e.callee, e.counts))
                .collect(),
        }
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let seconds = |ticks: u64| ticks.cast_signed() as f64 * self.tick;
        let dict = PyDict::new(py);
        let functions = PyList::empty(py);
        for name in &self.functions {
            functions.append((
                &name.file,
                name.line,
                &name.short,
                &name.name,
                name.is_native,
            ))?;
        }
        dict.set_item("functions", functions)?;
        let calls = PyList::empty(py);
        for (function, signature, c, below) in &self.calls {
            let signature = match signature {
                Some(arguments) => PyTuple::new(py, arguments)?.into_any(),
                None => py.None().into_bound(py),
            };
            let (own, total) = (seconds(c.own), seconds(c.total));
            calls.append((
                *function,
                signature,
                c.calls,
                c.recursive,
                own,
                total,
                *below,
            ))?;
        }
        dict.set_item("calls", calls)?;
        let callers = PyList::empty(py);
        for (caller, callee, c) in &self.callers {
            let (own, total) = (seconds(c.own), seconds(c.total));
            callers.append((*caller, *callee, c.calls, c.recursive, own, total))?;
        }
        dict.set_item("callers", callers)?;
        dict.set_item("builtins", self.builtins)?;
        Ok(dict)
    }
}
