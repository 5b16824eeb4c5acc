//! Hits and time of the lines of chosen functions.
//!
//! A line has the time from its event to the next one of the same frame, or to the frame's end: with all that
//! it calls. Functions are chosen one by one, or by a predicate that is asked at the first call of each.
//!
//! From 3.12 on, events are turned on in chosen code alone, and all other code runs at full speed; before, a C
//! trace function sees every line of the program.

use core::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject, PyThreadState};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::addresses::{Addresses, Map};
use super::clock::Clock;
use super::frames::Frames;
use super::monitoring::Tool;
use crate::layouts::long_i64;

/// The only one, from its first function on.
static LINES: AtomicPtr<Lines> = AtomicPtr::new(ptr::null_mut());

/// Lines of a function are not so many.
const MOST_LINES: usize = 1 << 20;
/// Code that was looked at and not chosen.
const LEFT: u32 = u32::MAX;

#[derive(Clone, Copy, Default)]
struct Line {
    hits: u64,
    time: u64,
}

struct Function {
    /// Held.
    code: *mut PyObject,
    first: usize,
    lines: Vec<Line>,
}

/// A frame of a chosen function that runs.
struct Open {
    frame: usize,
    function: u32,
    line: usize,
    since: u64,
}

/// The frames that are open in a thread, innermost last.
#[derive(Default)]
struct Thread {
    open: Vec<Open>,
}

struct Lines {
    clock: Clock,
    frames: Frames,
    codes: Addresses,
    functions: Vec<Function>,
    threads: Map<Box<Thread>>,
    last: (usize, *mut Thread),
    /// Whether a function is chosen, by its code.
    predicate: Option<Py<PyAny>>,
    tool: Option<Tool>,
}

impl Lines {
    /// A thread, by its state.
    #[inline(always)]
    fn thread(&mut self, state: *mut PyThreadState) -> *mut Thread {
        if self.last.0 == state.addr() {
            return self.last.1;
        }
        let thread = self.threads.entry(state.addr()).or_default();
        self.last = (state.addr(), &raw mut **thread);
        self.last.1
    }

    /// A line begins in a frame.
    #[inline(always)]
    fn line(&mut self, open: &mut Vec<Open>, frame: usize, function: u32, number: usize) {
        let now = self.clock.now();
        let lines = &mut self.functions[function as usize];
        let line = number.wrapping_sub(lines.first);
        match open.last_mut() {
            Some(top) if top.frame == frame && top.function == function => {
                if let Some(before) = lines.lines.get_mut(top.line) {
                    before.time = before.time.wrapping_add(now.wrapping_sub(top.since));
                }
                top.line = line;
            }
            _ => self.open(open, frame, function, line),
        }
        let lines = &mut self.functions[function as usize].lines;
        if let Some(line) = lines.get_mut(line) {
            line.hits += 1;
        } else if line < MOST_LINES {
            lines.resize(line + 1, Line::default());
            lines[line].hits += 1;
        }
        if let Some(top) = open.last_mut() {
            top.since = self.clock.now();
        }
    }

    #[inline(never)]
    fn open(&mut self, open: &mut Vec<Open>, frame: usize, function: u32, line: usize) {
        // A frame below that is still this one has lost the end of those above it.
        if let Some(at) = open.iter().rposition(|o| o.frame == frame) {
            let is_same = open[at].function == function;
            open.truncate(at + usize::from(is_same));
            if is_same {
                open[at].line = line;
                return;
            }
        }
        open.push(Open {
            frame,
            function,
            line,
            since: 0,
        });
    }

    /// A frame ends or is suspended.
    #[inline(always)]
    fn end(&mut self, open: &mut Vec<Open>, frame: usize) {
        let now = self.clock.now();
        if let Some(top) = open.last()
            && top.frame == frame
        {
            let lines = &mut self.functions[top.function as usize].lines;
            if let Some(line) = lines.get_mut(top.line) {
                line.time = line.time.wrapping_add(now.wrapping_sub(top.since));
            }
            open.pop();
        }
    }

    fn add(&mut self, code: &Bound<'_, PyAny>) -> PyResult<u32> {
        let key = code.as_ptr().addr();
        let first: usize = code.getattr("co_firstlineno")?.extract()?;
        let function = self.functions.len() as u32;
        self.functions.push(Function {
            code: code.clone().into_ptr(),
            first,
            lines: vec![],
        });
        self.codes.set(key, function);
        Ok(function)
    }
}

fn lines() -> *mut Lines {
    LINES.load(Ordering::Relaxed)
}

/// The only one; made if it is not there. Raises RuntimeError where lines cannot be watched.
fn get(py: Python<'_>) -> PyResult<*mut Lines> {
    if !lines().is_null() {
        return Ok(lines());
    }
    let frames = Frames::find(py)
        .ok_or_else(|| PyRuntimeError::new_err("how this Python keeps its frames is not known"))?;
    let is_monitored = py.version_info() >= (3, 12);
    let mut made = Lines {
        clock: Clock::new(),
        frames,
        codes: Addresses::default(),
        functions: vec![],
        threads: Map::default(),
        last: (0, ptr::null_mut()),
        predicate: None,
        tool: None,
    };
    if is_monitored {
        let mut tool = Tool::new(py)?;
        for (event, function) in EVENTS {
            tool.register(py, event, function)?;
        }
        tool.watch(py, &["PY_UNWIND"])?;
        made.tool = Some(tool);
    }
    LINES.store(Box::into_raw(Box::new(made)), Ordering::Relaxed);
    if !is_monitored {
        watch_threads(py)?;
    }
    Ok(lines())
}

const EVENTS: [(&str, super::hook::Function); 5] = [
    ("LINE", line_event),
    ("PY_RETURN", end_event),
    ("PY_YIELD", end_event),
    ("PY_UNWIND", end_event),
    ("PY_START", start_event),
];
const LOCAL: [&str; 3] = ["LINE", "PY_RETURN", "PY_YIELD"];

/// Begins to count the lines of a function. Raises RuntimeError where that is not possible.
#[pyfunction]
pub fn _lines_add(code: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = code.py();
    let lines = get(py)?;
    // SAFETY: made above and never freed; the GIL is held, and hooks do not run Python while they borrow.
    unsafe {
        if (*lines)
            .codes
            .get(code.as_ptr().addr())
            .is_some_and(|f| f != LEFT)
        {
            return Ok(());
        }
        (*lines).add(code)?;
        match &(*lines).tool {
            Some(tool) => tool.watch_code(code, &LOCAL),
            None => Ok(()),
        }
    }
}

/// Counts the lines of all functions that a predicate chooses: it is called with the code of each, once.
#[pyfunction]
pub fn _lines_choose(predicate: Py<PyAny>, py: Python<'_>) -> PyResult<()> {
    let lines = get(py)?;
    // SAFETY: as in `_lines_add`.
    unsafe {
        (*lines).predicate = Some(predicate);
        match &(*lines).tool {
            Some(tool) => tool.watch(py, &["PY_UNWIND", "PY_START"]),
            None => Ok(()),
        }
    }
}

/// What was counted: tuples of code, and tuples of line, hits and seconds.
#[pyfunction]
pub fn _lines_counts<'py>(
    py: Python<'py>,
) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyTuple>)>> {
    let mut copied = vec![];
    // SAFETY: as in `_lines_add`; all is copied before Python objects are made.
    unsafe {
        let Some(lines) = lines().as_ref() else {
            return Ok(vec![]);
        };
        let tick = lines.clock.seconds();
        for function in &lines.functions {
            let rows = (function.first..)
                .zip(&function.lines)
                .filter(|(_, line)| line.hits > 0);
            let rows: Vec<_> = rows
                .map(|(number, line)| (number, line.hits, line.time.cast_signed() as f64 * tick))
                .collect();
            copied.push((Bound::from_borrowed_ptr(py, function.code), rows));
        }
    }
    let rows = copied
        .into_iter()
        .map(|(code, rows)| Ok((code, PyTuple::new(py, rows)?)));
    rows.collect()
}

/// Forgets what was counted.
#[pyfunction]
pub fn _lines_clear() {
    // SAFETY: as in `_lines_add`.
    unsafe {
        if let Some(lines) = lines().as_mut() {
            lines
                .functions
                .iter_mut()
                .for_each(|f| f.lines.fill(Line::default()));
        }
    }
}

// ---- 3.12 and later ------------------------------------------------------------------------------

fn none() -> *mut PyObject {
    // SAFETY: immortal in all versions that have these events.
    unsafe { ffi::Py_None() }
}

/// Runs a hook; after a panic no line counts any more.
#[inline(always)]
fn guarded<T>(otherwise: T, hook: impl FnOnce(&mut Lines, *mut PyThreadState) -> T) -> T {
    let lines = lines();
    if lines.is_null() {
        return otherwise;
    }
    // SAFETY: never freed; the GIL is held, and what runs Python does not borrow.
    let run = || unsafe { hook(&mut *lines, ffi::PyThreadState_Get()) };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done,
        Err(_) => {
            LINES.store(ptr::null_mut(), Ordering::Relaxed);
            otherwise
        }
    }
}

unsafe extern "C" fn line_event(
    _: *mut PyObject,
    args: *const *mut PyObject,
    _: usize,
    _: *mut PyObject,
) -> *mut PyObject {
    guarded(none(), |lines, state| {
        // SAFETY: the arguments are code and the line's number; the thread's frame is the one that runs.
        unsafe {
            let (code, number) = (*args, long_i64(*args.add(1)).unwrap_or(0));
            let frame = lines.frames.current(state);
            if let Some(function) = lines.codes.get(code.addr()).filter(|&f| f != LEFT) {
                let thread = lines.thread(state);
                lines.line(&mut (*thread).open, frame, function, number as usize);
            }
        }
        none()
    })
}

unsafe extern "C" fn end_event(
    _: *mut PyObject,
    _: *const *mut PyObject,
    _: usize,
    _: *mut PyObject,
) -> *mut PyObject {
    guarded(none(), |lines, state| {
        // SAFETY: the state of the thread that runs this.
        unsafe {
            let frame = lines.frames.current(state);
            let thread = lines.thread(state);
            lines.end(&mut (*thread).open, frame);
        }
        none()
    })
}

/// A function is called for the first time; never again is this asked for it.
unsafe extern "C" fn start_event(
    _: *mut PyObject,
    args: *const *mut PyObject,
    _: usize,
    _: *mut PyObject,
) -> *mut PyObject {
    let choose = || {
        Python::attach(|py| {
            // SAFETY: the first argument is the code.
            let code = unsafe { Bound::from_borrowed_ptr(py, *args) };
            if is_chosen(&code) == Some(true) {
                _lines_add(&code)?;
            }
            let disable = py
                .import("sys")?
                .getattr("monitoring")?
                .getattr("DISABLE")?;
            PyResult::Ok(disable.into_ptr())
        })
    };
    match catch_unwind(AssertUnwindSafe(choose)) {
        Ok(Ok(disable)) => disable,
        _ => none(),
    }
}

/// What the predicate says of a function; what goes wrong in it is told to `sys.unraisablehook`.
fn is_chosen(code: &Bound<'_, PyAny>) -> Option<bool> {
    let py = code.py();
    // SAFETY: never freed; what is read is copied.
    let predicate = unsafe { lines().as_ref()?.predicate.as_ref()?.clone_ref(py) };
    let pending = PyErr::take(py);
    let said = predicate
        .bind(py)
        .call1((code,))
        .and_then(|said| said.is_truthy());
    let said = said
        .map_err(|error| error.write_unraisable(py, Some(predicate.bind(py))))
        .ok();
    if let Some(pending) = pending {
        pending.restore(py);
    }
    said
}

// ---- 3.10 and 3.11 -------------------------------------------------------------------------------

type Trace = unsafe extern "C" fn(*mut PyObject, *mut c_void, c_int, *mut PyObject) -> c_int;

unsafe extern "C" {
    // Exported by the versions that this is for, but not part of the stable ABI.
    fn PyEval_SetTrace(function: Option<Trace>, object: *mut PyObject);
}

/// Sets the trace function in all threads that there are, and in those that `threading` starts.
fn watch_threads(py: Python<'_>) -> PyResult<()> {
    type Set = unsafe extern "C" fn(*mut PyThreadState, Option<Trace>, *mut PyObject) -> c_int;
    let attach = wrap_pyfunction!(trace_thread, py)?;
    py.import("threading")?
        .call_method1("settrace", (attach,))?;
    // SAFETY: a function of that name has this type; the GIL is held.
    unsafe {
        let set = libc::dlsym(libc::RTLD_DEFAULT, c"_PyEval_SetTrace".as_ptr()).addr();
        match std::mem::transmute::<usize, Option<Set>>(set) {
            Some(set) => super::each_thread(|thread| {
                if set(thread, Some(trace), ptr::null_mut()) < 0 {
                    ffi::PyErr_Clear();
                }
            }),
            None => PyEval_SetTrace(Some(trace), ptr::null_mut()),
        }
    }
    Ok(())
}

/// What `threading` calls in a new thread: sets the trace function in it.
#[pyfunction]
#[pyo3(signature = (*_event))]
fn trace_thread(_event: &Bound<'_, PyTuple>) {
    // SAFETY: a function of the right type; the GIL is held.
    unsafe { PyEval_SetTrace(Some(trace), ptr::null_mut()) };
}

unsafe extern "C" fn trace(
    _: *mut PyObject,
    object: *mut c_void,
    what: c_int,
    _: *mut PyObject,
) -> c_int {
    const CALL: c_int = 0;
    const LINE: c_int = 2;
    const RETURN: c_int = 3;
    guarded(0, |lines, state| {
        // SAFETY: the state of the thread that runs this, and its frame's object.
        unsafe {
            let frame = lines.frames.current(state);
            if frame == 0 {
                return 0;
            }
            let code = lines.frames.code_of(frame);
            let known = lines.codes.get(code.addr());
            match (what, known) {
                (CALL, None) => look_at(code),
                (LINE, Some(function)) if function != LEFT => {
                    unsafe extern "C" {
                        fn PyFrame_GetLineNumber(frame: *mut c_void) -> c_int;
                    }
                    let number = PyFrame_GetLineNumber(object);
                    let thread = lines.thread(state);
                    lines.line(&mut (*thread).open, frame, function, number as usize);
                }
                (RETURN, Some(function)) if function != LEFT => {
                    let thread = lines.thread(state);
                    lines.end(&mut (*thread).open, frame);
                }
                _ => {}
            }
        }
        0
    })
}

/// Asks the predicate about code that is called for the first time.
#[cold]
fn look_at(code: *mut PyObject) {
    Python::attach(|py| {
        // SAFETY: code that is about to run.
        let code = unsafe { Bound::from_borrowed_ptr(py, code) };
        let said = is_chosen(&code);
        let is_added = said == Some(true) && _lines_add(&code).is_ok();
        // SAFETY: never freed; nothing borrows.
        if let Some(lines) = unsafe { lines().as_mut() }
            && !is_added
            && lines.predicate.is_some()
        {
            lines.codes.set(code.as_ptr().addr(), LEFT);
            // Held, so that its address stays its own.
            let _ = code.into_ptr();
        }
    });
}
