//! Hooks by `sys.monitoring`, from 3.12 on: all threads of the interpreter, and no cost but that of the events.
//!
//! Beside other tools, cProfile among them, as each has a number. While a hook runs, the interpreter reports
//! nothing of its thread.

use core::ffi::c_long;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::hook;
use super::native::{Native, c_function};
use super::session::{Session, Thread};

/// Numbers of tools that nobody has been given.
const NUMBERS: [u8; 2] = [4, 3];
const NAME: &str = "ferdelance";

/// Names of events and their hooks.
type Events = &'static [(&'static str, hook::Function)];

const PYTHON: Events = &[
    ("PY_START", start),
    ("PY_RESUME", resume),
    ("PY_THROW", resume),
    ("PY_RETURN", end),
    ("PY_YIELD", suspend),
    ("PY_UNWIND", end),
];
const NATIVE: Events = &[("CALL", call), ("C_RETURN", called), ("C_RAISE", called)];

/// What is registered.
pub struct Tool {
    number: u8,
    events: Vec<&'static str>,
}

impl Tool {
    /// Takes a free number. Raises RuntimeError if there is none.
    pub fn new(py: Python<'_>) -> PyResult<Tool> {
        let monitoring = monitoring(py)?;
        for number in NUMBERS {
            if monitoring.call_method1("get_tool", (number,))?.is_none() {
                monitoring.call_method1("use_tool_id", (number, NAME))?;
                return Ok(Tool {
                    number,
                    events: vec![],
                });
            }
        }
        Err(PyRuntimeError::new_err(
            "sys.monitoring has no number left for this profiler: other tools use 3 and 4",
        ))
    }

    /// Registers a hook.
    pub fn register(
        &mut self,
        py: Python<'_>,
        event: &'static str,
        function: hook::Function,
    ) -> PyResult<()> {
        let monitoring = monitoring(py)?;
        let number = event_number(&monitoring, event)?;
        let hook = hook::new(py, function)?;
        monitoring.call_method1("register_callback", (self.number, number, hook))?;
        self.events.push(event);
        Ok(())
    }

    /// Turns events on everywhere, and all others off.
    pub fn watch(&self, py: Python<'_>, events: &[&str]) -> PyResult<()> {
        let monitoring = monitoring(py)?;
        let mut set: c_long = 0;
        for event in events {
            set |= event_number(&monitoring, event)?;
        }
        monitoring.call_method1("set_events", (self.number, set))?;
        Ok(())
    }

    /// Turns events of a code object on, and all others of it off.
    pub fn watch_code(&self, code: &Bound<'_, PyAny>, events: &[&str]) -> PyResult<()> {
        let monitoring = monitoring(code.py())?;
        let mut set: c_long = 0;
        for event in events {
            set |= event_number(&monitoring, event)?;
        }
        monitoring.call_method1("set_local_events", (self.number, code, set))?;
        Ok(())
    }

    /// Gives the number back.
    pub fn free(self, py: Python<'_>) -> PyResult<()> {
        let monitoring = monitoring(py)?;
        monitoring.call_method1("set_events", (self.number, 0))?;
        for event in &self.events {
            let number = event_number(&monitoring, event)?;
            monitoring.call_method1("register_callback", (self.number, number, py.None()))?;
        }
        monitoring.call_method1("free_tool_id", (self.number,))?;
        Ok(())
    }
}

fn monitoring(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("sys")?.getattr("monitoring")
}

fn event_number(monitoring: &Bound<'_, PyAny>, event: &str) -> PyResult<c_long> {
    monitoring.getattr("events")?.getattr(event)?.extract()
}

/// Watches calls for the session that is active.
pub fn watch(py: Python<'_>, builtins: bool) -> PyResult<Tool> {
    let mut tool = Tool::new(py)?;
    let events = [PYTHON, if builtins { NATIVE } else { &[] }].concat();
    let mut set = || {
        for &(event, function) in &events {
            tool.register(py, event, function)?;
        }
        let names: Vec<&str> = events.iter().map(|row| row.0).collect();
        tool.watch(py, &names)
    };
    match set() {
        Ok(()) => Ok(tool),
        Err(error) => {
            tool.free(py)?;
            Err(error)
        }
    }
}

/// Runs a hook for the active session; a panic ends the session, not the program.
#[inline(always)]
pub fn guarded(hook: impl FnOnce(*mut Session, *mut ffi::PyThreadState)) -> *mut PyObject {
    let session = super::active();
    if !session.is_null() {
        let run = || {
            // SAFETY: an active session; a hook is called by a thread that holds the GIL.
            let state = unsafe {
                match &(*session).frames {
                    Some(frames) => frames.thread(),
                    None => ffi::PyThreadState_Get(),
                }
            };
            hook(session, state);
        };
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            super::give_up();
        }
    }
    // SAFETY: immortal in all versions that have this module's events.
    unsafe { ffi::Py_None() }
}

/// Calls `with` if the code is that of the running frame: Numba reports calls of compiled functions, which have
/// none.
#[inline(always)]
unsafe fn with_frame(
    args: *const *mut PyObject,
    with: impl FnOnce(*mut Session, *mut Thread, usize, *mut PyObject),
) -> *mut PyObject {
    guarded(|session, state| {
        // SAFETY: events of Python functions have a code object as the first argument; the thread's state is
        // that of the thread that runs this.
        unsafe {
            let code = *args;
            let thread = Session::thread(session, state);
            let frame = match &(*session).frames {
                Some(frames) => {
                    let frame = frames.current(state);
                    if frame == 0 || frames.code_of(frame) != code {
                        return;
                    }
                    frame
                }
                None => 0,
            };
            with(session, thread, frame, code);
        }
    })
}

macro_rules! hooks {
    ($($name:ident => $method:ident;)*) => {$(
        unsafe extern "C" fn $name(
            _: *mut PyObject,
            args: *const *mut PyObject,
            _: usize,
            _: *mut PyObject,
        ) -> *mut PyObject {
            // SAFETY: the interpreter calls this, for an event of a Python function.
            unsafe {
                with_frame(args, |session, thread, frame, code| Session::$method(session, thread, frame, code))
            }
        }
    )*};
}

hooks! {
    start => start;
    resume => resume;
    end => end;
    suspend => suspend;
}

/// Whether a call has a first argument, by what stands for none.
unsafe fn has_first(argument: *mut PyObject) -> bool {
    argument != super::missing()
}

/// Calls `with` if an event is about a function of C.
#[inline(always)]
unsafe fn with_function(
    args: *const *mut PyObject,
    with: impl FnOnce(*mut Session, *mut Thread, Native),
) -> *mut PyObject {
    guarded(|session, state| {
        // SAFETY: the arguments are code, offset, what is called, its first argument.
        unsafe {
            if let Some(function) = c_function(*args.add(2), has_first(*args.add(3))) {
                with(session, Session::thread(session, state), function);
            }
        }
    })
}

unsafe extern "C" fn call(
    _: *mut PyObject,
    args: *const *mut PyObject,
    _: usize,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the interpreter calls this, for an event of a call.
    unsafe {
        with_function(args, |session, thread, function| {
            Session::start_native(session, thread, function);
        })
    }
}

unsafe extern "C" fn called(
    _: *mut PyObject,
    args: *const *mut PyObject,
    _: usize,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as for `call`.
    unsafe {
        with_function(args, |session, thread, function| {
            Session::end_native(session, thread, function);
        })
    }
}
