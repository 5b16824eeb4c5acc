//! Calls of Python functions, seen through the interpreter's hook for evaluating frames (PEP 523): for the
//! versions that have no `sys.monitoring`. A function that is not of interest costs one look into a table.

use core::ffi::{c_int, c_void};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::panic::catch_unwind;

use ferdelance_interpreter::Layout;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustc_hash::FxHashMap;

type Evaluate =
    unsafe extern "C" fn(*mut ffi::PyThreadState, *mut c_void, c_int) -> *mut ffi::PyObject;

/// Calls of a function that are looked at, the 1st, 2nd, 4th, 8th and so on of which are told.
const CALLS: u32 = 64;

/// What is known of a code object.
enum Function {
    Ignored,
    Called(u32),
}

struct Watch {
    layout: &'static Layout,
    evaluate: Evaluate,
    is_wanted: Py<PyAny>,
    enter: Py<PyAny>,
    leave: Py<PyAny>,
    /// By address. The objects are kept alive, so that no other one comes to lie there.
    functions: FxHashMap<usize, (Function, Py<PyAny>)>,
    /// What the callbacks call is not watched.
    is_busy: bool,
}

/// Used only by who holds the GIL.
static WATCH: AtomicPtr<Watch> = AtomicPtr::new(core::ptr::null_mut());

fn symbol(name: &core::ffi::CStr) -> PyResult<*mut c_void> {
    // SAFETY: a lookup by name.
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if at.is_null() {
        let name = name.to_string_lossy();
        return Err(PyRuntimeError::new_err(format!(
            "this Python has no {name}"
        )));
    }
    Ok(at)
}

struct Hooks {
    evaluate: Evaluate,
    get: unsafe extern "C" fn(*mut ffi::PyInterpreterState) -> Evaluate,
    set: unsafe extern "C" fn(*mut ffi::PyInterpreterState, Evaluate),
}

fn hooks() -> PyResult<Hooks> {
    let evaluate = symbol(c"_PyEval_EvalFrameDefault")?;
    let get = symbol(c"_PyInterpreterState_GetEvalFrameFunc")?;
    let set = symbol(c"_PyInterpreterState_SetEvalFrameFunc")?;
    // SAFETY: CPython's functions of these names have these signatures from 3.9 on.
    unsafe {
        Ok(Hooks {
            evaluate: core::mem::transmute::<*mut c_void, Evaluate>(evaluate),
            get: core::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(*mut ffi::PyInterpreterState) -> Evaluate,
            >(get),
            set: core::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(*mut ffi::PyInterpreterState, Evaluate),
            >(set),
        })
    }
}

/// From now on `is_wanted(code)` is asked of each function once, when it is first called. Of those that are wanted,
/// some of the first calls are told: `enter(code, arguments)`, and if that returns other than None, with that
/// `leave(token, result)`, where None stands for an exception.
///
/// Raises RuntimeError if that is not possible here.
#[pyfunction]
pub fn _watch_calls(
    py: Python<'_>,
    is_wanted: Py<PyAny>,
    enter: Py<PyAny>,
    leave: Py<PyAny>,
) -> PyResult<()> {
    let no = |why: &str| Err(PyRuntimeError::new_err(why.to_owned()));
    let version = py.version_info();
    let hex = u32::from(version.major) << 24 | u32::from(version.minor) << 16;
    let layout = Layout::of(hex).filter(|_| version.minor < 12);
    let Some(layout) = layout else {
        return no("calls are watched in this way in CPython 3.10 and 3.11 only");
    };
    if !WATCH.load(Ordering::Acquire).is_null() {
        return no("calls are being watched already");
    }
    let hooks = hooks()?;
    // SAFETY: the GIL is held.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: as above.
    if unsafe { (hooks.get)(interpreter) } as usize != hooks.evaluate as usize {
        return no("somebody else evaluates frames");
    }
    let watch = Box::new(Watch {
        layout,
        evaluate: hooks.evaluate,
        is_wanted,
        enter,
        leave,
        functions: FxHashMap::default(),
        is_busy: false,
    });
    WATCH.store(Box::into_raw(watch), Ordering::Release);
    // SAFETY: the function has the right signature and stays.
    unsafe { (hooks.set)(interpreter, evaluate) };
    Ok(())
}

/// Ends what `_watch_calls` began.
#[pyfunction]
pub fn _unwatch_calls() -> PyResult<()> {
    let watch = WATCH.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if watch.is_null() {
        return Ok(());
    }
    let hooks = hooks()?;
    // SAFETY: the GIL is held. Frames that are being evaluated look at the pointer again before they use it.
    unsafe {
        (hooks.set)(ffi::PyInterpreterState_Get(), hooks.evaluate);
        drop(Box::from_raw(watch));
    }
    Ok(())
}

/// Evaluates a frame.
unsafe extern "C" fn evaluate(
    thread: *mut ffi::PyThreadState,
    frame: *mut c_void,
    throws: c_int,
) -> *mut ffi::PyObject {
    let watch = WATCH.load(Ordering::Acquire);
    let Some(known) = core::ptr::NonNull::new(watch) else {
        return match hooks() {
            // SAFETY: the arguments are CPython's.
            Ok(hooks) => unsafe { (hooks.evaluate)(thread, frame, throws) },
            // It was there when this was installed.
            Err(_) => std::process::abort(),
        };
    };
    // SAFETY: only who holds the GIL changes it, and that is this thread.
    let (evaluate, layout, is_busy) = unsafe {
        let known = known.as_ref();
        (known.evaluate, known.layout, known.is_busy)
    };
    let mut token = None;
    if throws == 0 && !is_busy {
        // SAFETY: the frame is one of this version of CPython, whose layout is known.
        let code = unsafe {
            frame
                .byte_add(layout.frame.code as usize)
                .cast::<*mut ffi::PyObject>()
                .read()
        };
        // SAFETY: the GIL is held, as CPython does when it evaluates.
        let py = unsafe { Python::assume_attached() };
        let entered = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the code object and the frame are alive while the frame is evaluated.
            unsafe { enter(py, known.as_ptr(), code, frame) }
        }));
        token = entered.ok().flatten();
    }
    // SAFETY: the arguments are CPython's.
    let result = unsafe { evaluate(thread, frame, throws) };
    if let Some(token) = token {
        // SAFETY: as above.
        let py = unsafe { Python::assume_attached() };
        let left = catch_unwind(AssertUnwindSafe(|| leave(py, token, result)));
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
            if *count > CALLS {
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
            .byte_add((*watch).layout.frame.locals as usize)
            .cast::<*mut ffi::PyObject>();
        let one = |i| Bound::from_borrowed_ptr_or_opt(py, locals.add(i).read());
        (0..parameters).map(one).collect::<Option<Vec<_>>>()?
    };
    let arguments = PyTuple::new(py, arguments).ok()?;
    let token = callback(py, watch, |w| &w.enter, (code, arguments))?;
    (!token.is_none(py)).then_some(token)
}

fn leave(py: Python<'_>, token: Py<PyAny>, result: *mut ffi::PyObject) {
    let watch = WATCH.load(Ordering::Acquire);
    if watch.is_null() {
        return;
    }
    let pending = PyErr::take(py);
    // SAFETY: null, or the frame's result, which belongs to who called.
    let result = unsafe { Bound::from_borrowed_ptr_or_opt(py, result) };
    let _ = callback(py, watch, |w| &w.leave, (token, result));
    if let Some(pending) = pending {
        pending.restore(py);
    }
}

/// Calls a callback; its errors go to `sys.unraisablehook`, not to the program.
fn callback<'py>(
    py: Python<'py>,
    watch: *mut Watch,
    which: impl Fn(&Watch) -> &Py<PyAny>,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> Option<Py<PyAny>> {
    // SAFETY: `watch` is what `WATCH` was a moment ago, and the GIL was held since.
    let callback = unsafe {
        (*watch).is_busy = true;
        which(&*watch).clone_ref(py)
    };
    let result = callback.bind(py).call1(arguments);
    if WATCH.load(Ordering::Acquire) == watch {
        // SAFETY: it is still there.
        unsafe { (*watch).is_busy = false };
    }
    match result {
        Ok(result) => Some(result.unbind()),
        Err(error) => {
            error.write_unraisable(py, Some(callback.bind(py)));
            None
        }
    }
}
