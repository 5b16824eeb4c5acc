//! The class `Dispatcher`: a heap type made from slots, because PyO3 classes do not have vectorcall.
//!
//! Each function here is called by CPython with the GIL held and must not let a panic out.

use core::ffi::{c_char, c_int, c_void};
use core::mem::{offset_of, size_of};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ferdelance_compiler::diag;
use ferdelance_compiler::host::Callee;
use ferdelance_compiler::trace::Identity;
use ferdelance_compiler::types::{Kind, Ty};
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::cache::Mode;
use crate::dispatch::{self, State};
use crate::handles::Pins;
use crate::options::DispatcherOptions;
use crate::{calls, engine, errors, types};

/// An instance.
#[repr(C)]
struct Object {
    header: [usize; 2],
    vectorcall: Option<
        unsafe extern "C" fn(
            *mut PyObject,
            *const *mut PyObject,
            usize,
            *mut PyObject,
        ) -> *mut PyObject,
    >,
    /// Null before construction has ended and after the garbage collector has cleared the instance.
    state: *mut State,
    dict: *mut PyObject,
    weak: *mut PyObject,
}

unsafe extern "C" {
    // Exported by all versions, but not part of the stable ABI of 3.10.
    fn PyVectorcall_Call(
        callable: *mut PyObject,
        args: *mut PyObject,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;
    fn PyObject_GenericGetDict(object: *mut PyObject, closure: *mut c_void) -> *mut PyObject;
    fn PyObject_GenericSetDict(
        object: *mut PyObject,
        value: *mut PyObject,
        closure: *mut c_void,
    ) -> c_int;
    fn PyMethod_New(function: *mut PyObject, this: *mut PyObject) -> *mut PyObject;
}

/// The class, once it was made.
static CLASS: AtomicPtr<PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// Whether an object is a jitted function.
pub fn is_dispatcher(object: &Bound<'_, PyAny>) -> bool {
    let class = CLASS.load(Ordering::Acquire);
    // SAFETY: alive.
    !class.is_null() && unsafe { crate::layouts::class(object.as_ptr()) } == class
}

/// The state of an instance.
fn state<'a>(this: &'a Bound<'_, PyAny>) -> PyResult<&'a State> {
    if !is_dispatcher(this) {
        return Err(PyTypeError::new_err("not a jitted function"));
    }
    // SAFETY: an instance; the state lives as long as it does.
    let state = unsafe { (*this.as_ptr().cast::<Object>()).state.as_ref() };
    state.ok_or_else(cleared)
}

fn cleared() -> PyErr {
    PyRuntimeError::new_err("the jitted function was taken apart by the garbage collector")
}

/// A jitted function as a callee of other compiled code.
pub fn callee(object: &Bound<'_, PyAny>) -> diag::Result<Callee> {
    match state(object) {
        Ok(state) => state.callee(object.py()),
        Err(error) => Err(diag::Diagnostic::new(
            diag::Code::Internal,
            error.to_string(),
        )),
    }
}

/// The type of a jitted function. The object is pinned.
pub fn type_of(object: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Ty> {
    let signatures = state(object)?.explicit_types();
    Ok(Ty::new(Kind::Dispatcher(
        pins.add(object),
        signatures.into(),
    )))
}

/// The address of a jitted function as a value of a function type; `None` if it has other signatures.
pub fn function_address(object: &Bound<'_, PyAny>, ty: Ty) -> PyResult<Option<usize>> {
    state(object)?.function_address(object.py(), object.as_ptr(), ty)
}

/// What makes a jitted function the one it is, for callers that are kept in the cache.
pub fn identity(object: &Bound<'_, PyAny>) -> PyResult<Result<Identity, String>> {
    state(object)?.identity(object.py())
}

/// Runs `f`; an error or a panic becomes an exception, and `failed` is given back.
fn guard<T>(failed: T, f: impl FnOnce(Python<'_>) -> PyResult<T>) -> T {
    // CPython calls slots with the GIL held; only where PyO3 knows that too are references that it
    // drops given up at once.
    Python::attach(|py| match catch_unwind(AssertUnwindSafe(|| f(py))) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            error.restore(py);
            failed
        }
        Err(_) => {
            errors::panicked(py).restore(py);
            failed
        }
    })
}

// ---- slots ---------------------------------------------------------------------------------------

unsafe extern "C" fn vectorcall(
    this: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    /// Says that the place before the arguments may be written; not used here.
    const OFFSET: usize = 1 << (usize::BITS - 1);
    // SAFETY: an instance, whose state lives while the caller holds a reference to it.
    let state = unsafe { (*this.cast::<Object>()).state };
    if state.is_null() {
        return guard(ptr::null_mut(), |_| Err(cleared()));
    }
    let count = count & !OFFSET;
    if calls::jitted::are_of_interest() {
        // SAFETY: as promised by CPython; the state has its function.
        return unsafe {
            let function = (*state).function.as_ptr();
            calls::jitted::call(function, args, count, keywords, || {
                run(state, args, count, keywords)
            })
        };
    }
    // SAFETY: as promised by CPython.
    unsafe { run(state, args, count, keywords) }
}

/// Calls a jitted function.
///
/// # Safety
/// The state of an instance that the caller holds a reference to, and the arguments of a vectorcall.
#[inline(always)]
unsafe fn run(
    state: *const State,
    args: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as promised.
    if let Some(result) = unsafe { dispatch::call_first(&*state, args, count, keywords) } {
        return result;
    }
    // SAFETY: as promised.
    let called = catch_unwind(AssertUnwindSafe(|| unsafe {
        dispatch::call(&*state, args, count, keywords)
    }));
    match called {
        Ok(result) => result,
        Err(_) => guard(ptr::null_mut(), |py| Err(errors::panicked(py))),
    }
}

unsafe extern "C" fn new(
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    guard(ptr::null_mut(), |py| {
        // SAFETY: CPython gives a tuple, and a dict or null.
        let (args, kwargs) = unsafe {
            (
                Bound::from_borrowed_ptr(py, args).cast_into::<PyTuple>()?,
                Bound::from_borrowed_ptr_or_opt(py, kwargs),
            )
        };
        if kwargs.is_some() || args.len() != 2 {
            return Err(PyTypeError::new_err(
                "Dispatcher(function, options) takes two positional arguments",
            ));
        }
        let options = DispatcherOptions::of(&args.get_item(1)?.cast_into::<PyDict>()?)?;
        // SAFETY: a class made from a specification; its instances are zeroed.
        let this = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))? };
        let state = State::new(this.as_ptr(), &args.get_item(0)?, options)?;
        // SAFETY: a new instance.
        unsafe {
            let object = this.as_ptr().cast::<Object>();
            (*object).vectorcall = Some(vectorcall);
            (*object).state = Box::into_raw(Box::new(state));
        }
        Ok(this.into_ptr())
    })
}

unsafe extern "C" fn dealloc(this: *mut PyObject) {
    // SAFETY: nobody refers to the instance any more.
    unsafe {
        ffi::PyObject_GC_UnTrack(this.cast());
        let object = this.cast::<Object>();
        if !(*object).weak.is_null() {
            ffi::PyObject_ClearWeakRefs(this);
        }
        let class = crate::layouts::class(this);
        let state = core::mem::replace(&mut (*object).state, ptr::null_mut());
        let dict = core::mem::replace(&mut (*object).dict, ptr::null_mut());
        guard((), |_| {
            if !state.is_null() {
                drop(Box::from_raw(state));
            }
            Ok(())
        });
        ffi::Py_XDECREF(dict);
        ffi::PyObject_GC_Del(this.cast());
        ffi::Py_DecRef(class.cast());
    }
}

unsafe extern "C" fn traverse(
    this: *mut PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: an instance; only its fields are read. Panics cannot happen in what is called.
    unsafe {
        let object = &*this.cast::<Object>();
        let class = crate::layouts::class(this);
        let stop = visit(class.cast(), arg);
        if stop != 0 {
            return stop;
        }
        if !object.dict.is_null() {
            let stop = visit(object.dict, arg);
            if stop != 0 {
                return stop;
            }
        }
        object
            .state
            .as_ref()
            .map_or(0, |state| state.traverse(visit, arg))
    }
}

unsafe extern "C" fn clear(this: *mut PyObject) -> c_int {
    // SAFETY: an instance that is garbage: nobody is in its code.
    unsafe {
        let object = this.cast::<Object>();
        let state = core::mem::replace(&mut (*object).state, ptr::null_mut());
        let dict = core::mem::replace(&mut (*object).dict, ptr::null_mut());
        guard((), |_| {
            if !state.is_null() {
                drop(Box::from_raw(state));
            }
            Ok(())
        });
        ffi::Py_XDECREF(dict);
    }
    0
}

/// Binding: `obj.method` is a bound method.
unsafe extern "C" fn descr_get(
    this: *mut PyObject,
    object: *mut PyObject,
    _class: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: CPython's objects; null or None: looked up on the class.
    unsafe {
        if object.is_null() || object == ffi::Py_None() {
            ffi::Py_IncRef(this);
            return this;
        }
        PyMethod_New(this, object)
    }
}

// ---- methods -------------------------------------------------------------------------------------

/// A method's two objects: the instance and its arguments.
type Method = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;

fn method(
    this: *mut PyObject,
    args: *mut PyObject,
    f: impl FnOnce(&Bound<'_, PyAny>, &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>>,
) -> *mut PyObject {
    guard(ptr::null_mut(), |py| {
        // SAFETY: CPython gives an instance and a tuple.
        let (this, args) = unsafe {
            (
                Bound::from_borrowed_ptr(py, this),
                Bound::from_borrowed_ptr(py, args),
            )
        };
        Ok(f(&this, args.cast::<PyTuple>()?)?.into_ptr())
    })
}

unsafe extern "C" fn compile(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, args| {
        let (py, state) = (this.py(), state(this)?);
        let mut pins = Pins::default();
        let params = types::decode_all(&args.get_item(0)?, &mut pins)?;
        let result = args.get_item(1)?;
        let result = if result.is_none() {
            None
        } else {
            Some(types::decode(&result, &mut pins)?)
        };
        let overload = state.compile(py, params, result, true, pins)?;
        Ok(state
            .index(overload)?
            .into_pyobject(py)?
            .into_any()
            .unbind())
    })
}

unsafe extern "C" fn overloads(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, _| {
        let (py, state) = (this.py(), state(this)?);
        let list = PyList::empty(py);
        for i in 0..state.len() {
            let Some((params, result, from_cache)) = state.with_overload(i, |overload| {
                (
                    overload.params.clone(),
                    overload.result,
                    overload.from_cache,
                )
            }) else {
                break;
            };
            list.append((
                types::encode_all(py, &params)?,
                types::encode(py, result)?,
                from_cache,
            ))?;
        }
        Ok(list.into_any().unbind())
    })
}

unsafe extern "C" fn inspect(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, args| {
        let (py, state) = (this.py(), state(this)?);
        let (index, what): (usize, String) = args.extract()?;
        if what != "metadata" {
            state.examine(py, index)?;
        }
        let text = state.with_overload(index, |overload| engine::text(&overload.unit, &what));
        match text {
            Some(Ok(text)) => Ok(text.into_pyobject(py)?.into_any().unbind()),
            Some(Err(message)) => Err(PyRuntimeError::new_err(message)),
            None => Err(PyIndexError::new_err(format!(
                "there is no overload {index}"
            ))),
        }
    })
}

unsafe extern "C" fn c_function(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, args| {
        let (py, state) = (this.py(), state(this)?);
        let index: usize = args.get_item(0)?.extract()?;
        let found = state.with_overload(index, |overload| overload.unit.c_function.clone());
        match found.flatten() {
            Some((address, symbol)) => {
                Ok((address, &*symbol).into_pyobject(py)?.into_any().unbind())
            }
            None => Err(PyRuntimeError::new_err("no function was made for C")),
        }
    })
}

unsafe extern "C" fn set_can_compile(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, args| {
        state(this)?.set_can_compile(args.get_item(0)?.is_truthy()?);
        Ok(this.py().None())
    })
}

unsafe extern "C" fn set_cache(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, args| {
        let mode: String = args.get_item(0)?.extract()?;
        state(this)?.cache.set_mode(match mode.as_str() {
            "off" => Mode::Off,
            "on" => Mode::On,
            "renew" => Mode::Renew,
            _ => return Err(PyValueError::new_err(format!("no mode {mode:?}"))),
        });
        Ok(this.py().None())
    })
}

unsafe extern "C" fn clear_overloads(this: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    method(this, args, |this, _| {
        state(this)?.clear();
        Ok(this.py().None())
    })
}

// ---- the class -----------------------------------------------------------------------------------

/// Tables that CPython keeps pointers into.
struct Tables {
    methods: [ffi::PyMethodDef; 8],
    members: [ffi::PyMemberDef; 4],
    getset: [ffi::PyGetSetDef; 2],
}

fn tables() -> Tables {
    let row = |name: &'static core::ffi::CStr, function: Method, doc: &'static core::ffi::CStr| {
        ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunction: function,
            },
            ml_flags: ffi::METH_VARARGS,
            ml_doc: doc.as_ptr(),
        }
    };
    let offset = |name: &'static core::ffi::CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    Tables {
        methods: [
            row(
                c"_compile",
                compile,
                c"_compile(args, ret) -> index of the overload",
            ),
            row(
                c"_overloads",
                overloads,
                c"_overloads() -> [(args, ret, from_cache)]",
            ),
            row(c"_inspect", inspect, c"_inspect(index, what) -> text"),
            row(
                c"_c_function",
                c_function,
                c"_c_function(index) -> (address, symbol)",
            ),
            row(
                c"_set_can_compile",
                set_can_compile,
                c"_set_can_compile(flag)",
            ),
            row(
                c"_set_cache",
                set_cache,
                c"_set_cache(mode): keep code in files: 'off', 'on', 'renew' (do not look for it)",
            ),
            row(
                c"_clear",
                clear_overloads,
                c"_clear(): forget all overloads",
            ),
            ffi::PyMethodDef::zeroed(),
        ],
        members: [
            offset(c"__dictoffset__", offset_of!(Object, dict)),
            offset(c"__weaklistoffset__", offset_of!(Object, weak)),
            offset(c"__vectorcalloffset__", offset_of!(Object, vectorcall)),
            ffi::PyMemberDef::default(),
        ],
        getset: [
            ffi::PyGetSetDef {
                name: c"__dict__".as_ptr(),
                get: Some(PyObject_GenericGetDict),
                set: Some(PyObject_GenericSetDict),
                doc: ptr::null(),
                closure: ptr::null_mut(),
            },
            ffi::PyGetSetDef::default(),
        ],
    }
}

/// Makes the class `Dispatcher`, derived from `base`, which adds the methods that are written in Python.
#[pyfunction]
pub fn _make_dispatcher_type<'py>(base: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    const HAVE_VECTORCALL: core::ffi::c_ulong = 1 << 11;
    const METHOD_DESCRIPTOR: core::ffi::c_ulong = 1 << 17;
    let py = base.py();
    if !CLASS.load(Ordering::Acquire).is_null() {
        return Err(PyRuntimeError::new_err(
            "the class of dispatchers exists already",
        ));
    }
    let size: usize = base.getattr("__basicsize__")?.extract()?;
    if size != offset_of!(Object, vectorcall) {
        return Err(PyTypeError::new_err(
            "the base of dispatchers must have __slots__ = ()",
        ));
    }
    // There is one class in a process, and it lives for good.
    let tables: &'static mut Tables = Box::leak(Box::new(tables()));
    let slot = |slot: c_int, function: *mut c_void| ffi::PyType_Slot {
        slot,
        pfunc: function,
    };
    let mut slots = [
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_call, PyVectorcall_Call as *mut c_void),
        slot(ffi::Py_tp_descr_get, descr_get as *mut c_void),
        slot(ffi::Py_tp_methods, tables.methods.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, tables.getset.as_mut_ptr().cast()),
        slot(ffi::Py_tp_members, tables.members.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    const NAME: *const c_char = c"ferdelance._core.Dispatcher".as_ptr();
    let mut spec = ffi::PyType_Spec {
        name: NAME,
        basicsize: size_of::<Object>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT
            | ffi::Py_TPFLAGS_HAVE_GC
            | HAVE_VECTORCALL
            | METHOD_DESCRIPTOR) as _,
        slots: slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(py, [base])?;
    // SAFETY: the specification is complete, and what it points to lives long enough.
    let class = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpecWithBases(&mut spec, bases.as_ptr()))?
    };
    CLASS.store(class.clone().into_ptr().cast(), Ordering::Release);
    Ok(class)
}
