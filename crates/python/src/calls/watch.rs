//! Some of the first calls of functions, told to who keeps their arguments.
//!
//! Of Python functions, through the interpreter's hook for evaluating frames (PEP 523): for the versions that have
//! no `sys.monitoring`. Of compiled ones, which run no frame, by their dispatchers, in all versions. A function that
//! is not of interest costs one look into a table.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::panic::catch_unwind;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustc_hash::FxHashMap;

use super::arguments::Passed;
use super::evaluator;
use super::frames::{Frames, reference};
use super::stack::Room;

/// What is known of a code object.
enum Function {
    Ignored,
    Called(u32),
}

struct Watch {
    frames: Frames,
    is_wanted: Py<PyAny>,
    enter: Py<PyAny>,
    leave: Py<PyAny>,
    /// Calls of a function that are looked at, the 1st, 2nd, 4th, 8th and so on of which are told.
    calls: u32,
    /// By address. The objects are kept alive, so that no other one comes to lie there.
    functions: FxHashMap<usize, (Function, Py<PyAny>)>,
    /// What the callbacks call is not watched.
    is_busy: bool,
}

/// Used only by who holds the GIL.
static WATCH: AtomicPtr<Watch> = AtomicPtr::new(core::ptr::null_mut());

thread_local! {
    static ROOM: Cell<Room> = const { Cell::new(Room::NOWHERE) };
}

/// From now on `is_wanted(code)` is asked of each function once, when it is first called. Of those that are wanted,
/// some of the first calls are told, the 1st, 2nd, 4th and so on up to `calls`: `enter(code, arguments, closure)`, and
/// if that returns other than None, with that `leave(token, result)`, unless the call ends by an exception.
///
/// Raises RuntimeError if that is not possible here.
#[pyfunction]
pub fn _watch_calls(
    py: Python<'_>,
    is_wanted: Py<PyAny>,
    enter: Py<PyAny>,
    leave: Py<PyAny>,
    calls: u32,
) -> PyResult<()> {
    let no = |why: &str| Err(PyRuntimeError::new_err(why.to_owned()));
    let Some(frames) = Frames::find(py).filter(|_| py.version_info() < (3, 12)) else {
        return no("calls are watched in this way in CPython 3.10 and 3.11 only");
    };
    if !WATCH.load(Ordering::Acquire).is_null() {
        return no("calls are being watched already");
    }
    if !evaluator::replace(py, evaluate) {
        return no("somebody else evaluates frames");
    }
    let watch = Box::new(Watch {
        frames,
        is_wanted,
        enter,
        leave,
        calls,
        functions: FxHashMap::default(),
        is_busy: false,
    });
    WATCH.store(Box::into_raw(watch), Ordering::Release);
    Ok(())
}

/// Ends what `_watch_calls` began.
#[pyfunction]
pub fn _unwatch_calls(py: Python<'_>) {
    let watch = WATCH.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !watch.is_null() {
        evaluator::unwatch(py);
        // SAFETY: the GIL is held. Frames that are being evaluated look at the pointer again before they use it.
        drop(unsafe { Box::from_raw(watch) });
    }
}

/// Evaluates a frame, by CPython's own evaluator.
unsafe extern "C" fn evaluate(
    thread: *mut ffi::PyThreadState,
    frame: *mut c_void,
    throws: c_int,
) -> *mut ffi::PyObject {
    let Some(own) = evaluator::default() else {
        unreachable!("there is an evaluator where this one was put in place");
    };
    let watch = WATCH.load(Ordering::Acquire);
    if watch.is_null() {
        // SAFETY: the arguments are CPython's.
        return unsafe { own(thread, frame, throws) };
    }
    let is_deep = catch_unwind(|| {
        ROOM.with(|cell| {
            let mut room = cell.get();
            let is_here = room.is_here();
            cell.set(room);
            !is_here
        })
    });
    if is_deep.unwrap_or(true) {
        // Calls nest on the C stack here, and in CPython's own evaluator they do not.
        evaluator::set(Some(own));
        // SAFETY: as above.
        let result = unsafe { own(thread, frame, throws) };
        if WATCH.load(Ordering::Acquire) == watch {
            evaluator::set(Some(evaluate));
        }
        return result;
    }
    let mut token = None;
    // SAFETY: only who holds the GIL changes it, and that is this thread.
    if throws == 0 && !unsafe { (*watch).is_busy } {
        // SAFETY: the GIL is held, as CPython does when it evaluates.
        let py = unsafe { Python::assume_attached() };
        let entered = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the frame is one that begins to run: it and its code are alive.
            unsafe {
                let code = (*watch).frames.code_of(frame.addr());
                enter(py, watch, code, frame)
            }
        }));
        token = entered.ok().flatten();
    }
    // SAFETY: as above.
    let result = unsafe { own(thread, frame, throws) };
    if let Some(token) = token {
        // SAFETY: as above.
        let py = unsafe { Python::assume_attached() };
        let left = catch_unwind(AssertUnwindSafe(|| {
            if !result.is_null() {
                leave(py, &token, result);
            }
            drop(token);
        }));
        debug_assert!(left.is_ok());
    }
    result
}

/// # Safety
///
/// `watch` is [`WATCH`], and `code` and `frame` are alive.
unsafe fn enter(
    py: Python<'_>,
    watch: *mut Watch,
    code: *mut ffi::PyObject,
    frame: *mut c_void,
) -> Option<Py<PyAny>> {
    // SAFETY: by contract; the reference ends before anything is called.
    let known = unsafe { &mut *watch }.functions.get_mut(&(code as usize));
    match known {
        Some((Function::Ignored, _)) => return None,
        Some((Function::Called(count), _)) => {
            *count += 1;
            if !count.is_power_of_two() {
                return None;
            }
            // SAFETY: by contract.
            if *count > unsafe { (*watch).calls } {
                *known.map(|(function, _)| function)? = Function::Ignored;
                return None;
            }
        }
        None => {
            // SAFETY: by contract.
            let code = unsafe { Bound::from_borrowed_ptr(py, code) };
            let is_wanted = callback(py, watch, |w| &w.is_wanted, (&code,))?;
            let function = match is_wanted.is_truthy(py) {
                Ok(true) => Function::Called(1),
                _ => Function::Ignored,
            };
            let is_ignored = matches!(function, Function::Ignored);
            if WATCH.load(Ordering::Acquire) != watch {
                return None;
            }
            // SAFETY: it is still there; the reference ends here.
            unsafe { &mut *watch }
                .functions
                .insert(code.as_ptr() as usize, (function, code.unbind()));
            if is_ignored {
                return None;
            }
        }
    }
    // SAFETY: by contract.
    let code = unsafe { Bound::from_borrowed_ptr(py, code) };
    let count = |name| -> Option<usize> { code.getattr(name).ok()?.extract().ok() };
    let flags = count("co_flags")?;
    let parameters = count("co_argcount")?
        + count("co_kwonlyargcount")?
        + usize::from(flags & 4 != 0)
        + usize::from(flags & 8 != 0);
    // SAFETY: by contract; a frame begins with its parameters among its variables.
    let arguments = unsafe {
        let locals = frame
            .byte_add((*watch).frames.locals)
            .cast::<*mut ffi::PyObject>();
        let one = |i| Bound::from_borrowed_ptr_or_opt(py, reference(locals.add(i)));
        (0..parameters).map(one).collect::<Option<Vec<_>>>()?
    };
    let arguments = PyTuple::new(py, arguments).ok()?;
    // SAFETY: by contract.
    let closure = unsafe { closure(py, &code, frame)? };
    let token = callback(py, watch, |w| &w.enter, (code, arguments, closure))?;
    (!token.is_none(py)).then_some(token)
}

/// The cells of a frame that begins, of the variables of functions around its own.
///
/// # Safety
///
/// A frame that begins to run, of this code.
unsafe fn closure<'py>(
    py: Python<'py>,
    code: &Bound<'py, PyAny>,
    frame: *mut c_void,
) -> Option<Bound<'py, PyTuple>> {
    let count = |name| -> Option<usize> { code.getattr(name).ok()?.len().ok() };
    let free = count("co_freevars")?;
    if free == 0 {
        return Some(PyTuple::empty(py));
    }
    if py.version_info() >= (3, 11) {
        // It copies them from its function when it runs; that is the first thing in a frame.
        // SAFETY: by contract.
        let cells = unsafe {
            let function = frame.cast::<*mut ffi::PyObject>().read();
            Bound::from_borrowed_ptr_or_opt(py, function)?
        };
        return cells.getattr("__closure__").ok()?.cast_into().ok();
    }
    // They are variables of the frame, after its own.
    let first = count("co_varnames")? + count("co_cellvars")?;
    let watch = WATCH.load(Ordering::Acquire);
    if watch.is_null() {
        return None;
    }
    // SAFETY: by contract, and the watch is there.
    let cells = unsafe {
        let locals = frame
            .byte_add((*watch).frames.locals)
            .cast::<*mut ffi::PyObject>();
        let one = |i| Bound::from_borrowed_ptr_or_opt(py, reference(locals.add(i)));
        (first..first + free).map(one).collect::<Option<Vec<_>>>()?
    };
    PyTuple::new(py, cells).ok()
}

/// Tells the result of a call, which is alive.
fn leave(py: Python<'_>, token: &Py<PyAny>, result: *mut ffi::PyObject) {
    let watch = WATCH.load(Ordering::Acquire);
    if watch.is_null() {
        return;
    }
    // SAFETY: not null, and alive.
    let result = unsafe { Bound::from_borrowed_ptr(py, result) };
    let _ = callback(py, watch, |w| &w.leave, (token, result));
}

/// Who is told of calls.
trait Told: Sized + 'static {
    /// Where it is while it is told.
    fn place() -> &'static AtomicPtr<Self>;
    /// Whether its code runs, of which it is not told.
    fn is_busy(&mut self) -> &mut bool;
}

impl Told for Watch {
    fn place() -> &'static AtomicPtr<Watch> {
        &WATCH
    }

    fn is_busy(&mut self) -> &mut bool {
        &mut self.is_busy
    }
}

impl Told for Compiled {
    fn place() -> &'static AtomicPtr<Compiled> {
        &COMPILED
    }

    fn is_busy(&mut self) -> &mut bool {
        &mut self.is_busy
    }
}

/// Calls a callback; its errors go to `sys.unraisablehook`, not to the program.
fn callback<'py, T: Told>(
    py: Python<'py>,
    told: *mut T,
    which: impl Fn(&T) -> &Py<PyAny>,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> Option<Py<PyAny>> {
    // SAFETY: it was there a moment ago, and the GIL was held since.
    let callback = unsafe {
        *(*told).is_busy() = true;
        which(&*told).clone_ref(py)
    };
    let result = callback.bind(py).call1(arguments);
    if T::place().load(Ordering::Acquire) == told {
        // SAFETY: it is still there.
        unsafe { *(*told).is_busy() = false };
    }
    match result {
        Ok(result) => Some(result.unbind()),
        Err(error) => {
            error.write_unraisable(py, Some(callback.bind(py)));
            None
        }
    }
}

// ---- compiled functions --------------------------------------------------------------------------

struct Compiled {
    enter: Py<PyAny>,
    leave: Py<PyAny>,
    calls: u32,
    /// How often functions were called, by address. They are kept alive, as above.
    functions: FxHashMap<usize, (u32, Py<PyAny>)>,
    is_busy: bool,
}

/// Used only by who holds the GIL.
static COMPILED: AtomicPtr<Compiled> = AtomicPtr::new(core::ptr::null_mut());

/// From now on some of the first calls of each compiled function are told, the 1st, 2nd, 4th and so on up to `calls`:
/// `enter(function, arguments, names of the last ones)`, with the Python function that it was compiled of, and if that
/// returns other than None, with that `leave(token, result)`, unless the call ends by an exception.
#[pyfunction]
pub fn _watch_compiled(enter: Py<PyAny>, leave: Py<PyAny>, calls: u32) -> PyResult<()> {
    if are_compiled_watched() {
        return Err(PyRuntimeError::new_err("calls are being watched already"));
    }
    let compiled = Box::new(Compiled {
        enter,
        leave,
        calls,
        functions: FxHashMap::default(),
        is_busy: false,
    });
    COMPILED.store(Box::into_raw(compiled), Ordering::Release);
    Ok(())
}

/// Ends what `_watch_compiled` began.
#[pyfunction]
pub fn _unwatch_compiled() {
    let compiled = COMPILED.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !compiled.is_null() {
        // SAFETY: the GIL is held, and who uses it looks at the pointer again after each call of Python.
        drop(unsafe { Box::from_raw(compiled) });
    }
}

/// Whether calls of compiled functions are to be told.
#[inline(always)]
pub fn are_compiled_watched() -> bool {
    !COMPILED.load(Ordering::Relaxed).is_null()
}

/// Tells that a compiled function is called; the token of a call whose end is to be told.
///
/// # Safety
///
/// A Python function, and what it is passed; the GIL is held.
pub unsafe fn enter_compiled(function: *mut ffi::PyObject, passed: Passed) -> Option<Py<PyAny>> {
    let watch = COMPILED.load(Ordering::Acquire);
    // SAFETY: null, or there, as the GIL is held.
    let watched = unsafe { watch.as_mut() }.filter(|watched| !watched.is_busy)?;
    // SAFETY: the GIL is held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: by contract.
    let function = unsafe { Bound::from_borrowed_ptr(py, function) };
    let (count, _) = watched
        .functions
        .entry(function.as_ptr() as usize)
        .or_insert_with(|| (0, function.clone().unbind()));
    *count = count.saturating_add(1);
    if !count.is_power_of_two() || *count > watched.calls {
        return None;
    }
    // SAFETY: by contract.
    let (arguments, names) = unsafe {
        let one = |i| Bound::from_borrowed_ptr_or_opt(py, passed.args.add(i).read());
        let every = 0..passed.count + passed.keyword_count();
        let names = Bound::from_borrowed_ptr_or_opt(py, passed.keywords);
        (every.map(one).collect::<Option<Vec<_>>>()?, names)
    };
    let arguments = PyTuple::new(py, arguments).ok()?;
    let token = callback(py, watch, |w| &w.enter, (function, arguments, names))?;
    (!token.is_none(py)).then_some(token)
}

/// Tells what a call has given.
///
/// # Safety
///
/// An object, or null after an exception; the GIL is held.
pub unsafe fn leave_compiled(token: Py<PyAny>, result: *mut ffi::PyObject) {
    // SAFETY: by contract.
    let py = unsafe { Python::assume_attached() };
    let watch = COMPILED.load(Ordering::Acquire);
    // SAFETY: by contract.
    let result = unsafe { Bound::from_borrowed_ptr_or_opt(py, result) };
    if let Some(result) = result
        && !watch.is_null()
    {
        callback(py, watch, |w| &w.leave, (&token, result));
    }
}
