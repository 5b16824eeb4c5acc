//! From slots to Python objects.
//!
//! Results are owned by the receiver. Whatever fails half-way (only for want of memory), what was not
//! boxed yet is released.

use core::ffi::{CStr, c_void};
use std::rc::Rc;

use ferdelance_abi::layout::{Buffer, OWNER_BORROWED, OWNER_STATIC, Str};
use ferdelance_compiler::diag::{Code, Diagnostic};
use ferdelance_compiler::types::{Exporter, Kind, PyRef, Ty};
use ferdelance_runtime::{memory, object, string};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use crate::containers::{ContainerPlan, Lending, keyed::KeyedPlan};
use crate::dtypes::Item;
use crate::generators::{self, Origin};
use crate::handles::{self, Pins};
use crate::num::{Num, slots};
use crate::numpy::{self, numpy};
use crate::{buffers, dtypes, errors, functions, known, layouts, typed, types};

/// How to box a result. Objects named by address are pinned by the overload.
pub enum Plan {
    None,
    Bool,
    Int,
    /// A signed integer of so many bits: in an item of a list, the rest of its slot says nothing.
    Narrow(u32),
    /// The bits of a slot that count: emission does not know signs, and extends as it likes.
    Uint(u64),
    F32,
    F64,
    C64,
    C128,
    Str,
    Tuple(Box<[Plan]>),
    /// Made by calling the class with the items.
    NamedTuple(*mut PyObject, Box<[Plan]>),
    /// A value with so many slots, behind a flag.
    Optional(Box<Plan>, usize),
    Array(ArrayPlan),
    /// `bytes`, or another object that shows the memory of an array.
    Bytes,
    Buffer(Exporter, ArrayPlan),
    Container(Box<ContainerPlan>),
    /// A dict display of known keys.
    Keyed(Box<KeyedPlan>),
    /// A `typed.Dict`.
    Typed(typed::Plan),
    Generator(Rc<generators::Plan>),
    /// A date or duration, with its dtype.
    Time(*mut PyObject),
    /// A record or a text of this dtype, a copy.
    Record(*mut PyObject),
    /// `range` or `slice`, called with start, stop and step.
    Parts {
        class: *mut PyObject,
        parts: [Part; 3],
    },
    /// The function that an address stands for.
    Function,
    /// A value that its type says.
    Object(*mut PyObject),
}

/// What a range or slice is made of.
#[derive(Clone, Copy)]
pub enum Part {
    None,
    /// Said by the type.
    Constant(i64),
    Slot,
}

pub struct ArrayPlan {
    item: Item,
    ndim: usize,
    readonly: bool,
}

/// Arrays that are frozen into code: results without an owner point into one of them.
#[derive(Default)]
pub struct Frozen(Vec<*mut PyObject>);

impl Frozen {
    /// The arrays among pinned objects.
    pub fn new(pins: &Pins) -> Frozen {
        // SAFETY: pinned objects are alive.
        Frozen(
            pins.iter()
                .map(|pin| pin.as_ptr())
                .filter(|&object| unsafe { numpy().is_array(object) })
                .collect(),
        )
    }

    /// The array that an address lies in.
    pub fn find(&self, data: *mut u8) -> Option<*mut PyObject> {
        self.0.iter().copied().find(|&object| {
            // SAFETY: an array, alive while the overload is; it has `nd` dimensions.
            let (start, end) = unsafe {
                let array = &*object.cast::<numpy::Array>();
                let nd = array.nd as usize;
                let (mut start, mut end) = (array.data.addr() as isize, array.data.addr() as isize);
                for i in 0..nd {
                    let (count, stride) = (*array.shape.add(i), *array.strides.add(i));
                    let reach = (count - 1).max(0) * stride;
                    if reach < 0 {
                        start += reach
                    } else {
                        end += reach
                    }
                }
                (start, end)
            };
            (start..=end).contains(&(data.addr() as isize))
        })
    }
}

/// What boxing needs to know besides the plan.
pub struct Context<'a> {
    pub frozen: &'a Frozen,
    /// Containers that came from Python and go back as what they were.
    pub lent: &'a Lending,
    /// What generators among the results came from.
    pub origin: &'a dyn Fn(Python<'_>) -> Origin,
}

impl Plan {
    /// The plan for results of a type; objects that it names are pinned.
    pub fn new(py: Python<'_>, ty: Ty, pins: &mut Pins) -> PyResult<Plan> {
        let mut pinned = |handle: PyRef| -> PyResult<*mut PyObject> {
            let object = handles::lookup(py, handle).ok_or_else(|| {
                PyRuntimeError::new_err("an object that a result's type refers to is gone")
            })?;
            pins.add(&object);
            Ok(object.as_ptr())
        };
        Ok(match ty.kind() {
            Kind::None => Plan::None,
            Kind::Bool => Plan::Bool,
            Kind::Int {
                signed: true,
                bits: 64,
                ..
            } => Plan::Int,
            Kind::Int {
                signed: true, bits, ..
            } => Plan::Narrow(u32::from(*bits)),
            Kind::Int { bits, .. } => Plan::Uint(u64::MAX >> (64 - u32::from(*bits))),
            Kind::Float { bits: 16 | 32, .. } => Plan::F32,
            Kind::Float { .. } => Plan::F64,
            Kind::Complex { bits: 64, .. } => Plan::C64,
            Kind::Complex { .. } => Plan::C128,
            Kind::Str => Plan::Str,
            Kind::Tuple(items) => Plan::Tuple(Plan::all(py, items, pins)?),
            Kind::NamedTuple(class, items) => {
                let class = pinned(class.class)?;
                Plan::NamedTuple(class, Plan::all(py, items, pins)?)
            }
            Kind::Optional(inner) => {
                Plan::Optional(Box::new(Plan::new(py, *inner, pins)?), slots(*inner))
            }
            Kind::Time { .. } => {
                let dtype = dtypes::make(py, ty)?;
                pins.add(&dtype);
                Plan::Time(dtype.as_ptr())
            }
            Kind::Chars { .. } => {
                let dtype = dtypes::make(py, ty)?;
                pins.add(&dtype);
                Plan::Record(dtype.as_ptr())
            }
            Kind::Record(_) => {
                // Of the class that has its fields as attributes.
                let class = py.import("numpy")?.getattr("record")?;
                let parts = (class, dtypes::make(py, ty)?);
                let dtype = py.import("numpy")?.call_method1("dtype", (parts,))?;
                pins.add(&dtype);
                Plan::Record(dtype.as_ptr())
            }
            Kind::Buffer(Exporter::Bytes, _) => Plan::Bytes,
            Kind::Array(array) | Kind::Buffer(_, array) => {
                let Some(item) = Item::of(py, array.dtype, pins) else {
                    return Err(cannot_return(ty));
                };
                let plan = ArrayPlan {
                    item,
                    ndim: usize::from(array.ndim),
                    readonly: array.readonly,
                };
                match ty.as_buffer() {
                    Some((exporter, _)) => Plan::Buffer(exporter, plan),
                    None => Plan::Array(plan),
                }
            }
            Kind::Keyed(..) => match KeyedPlan::new(py, ty, pins)? {
                Some(plan) => Plan::Keyed(Box::new(plan)),
                None => return Err(cannot_return(ty)),
            },
            Kind::Dict { typed: true, .. } => Plan::Typed(typed::Plan::new(py, ty, pins)?),
            Kind::List(_) | Kind::Dict { .. } | Kind::Set { .. } => {
                match ContainerPlan::new(py, ty, pins)? {
                    Some(plan) => Plan::Container(Box::new(plan)),
                    None => return Err(cannot_return(ty)),
                }
            }
            Kind::Generator(generator) => {
                Plan::Generator(Rc::new(generators::Plan::new(py, ty, *generator, pins)?))
            }
            Kind::Function(_) => Plan::Function,
            Kind::Dispatcher(object, _)
            | Kind::Foreign(object, _)
            | Kind::Omitted(object)
            | Kind::ExcClass(object, _) => Plan::Object(pinned(*object)?),
            Kind::NamedTupleClass(class) => Plan::Object(pinned(class.class)?),
            Kind::Module(name) => Plan::object(py.import(&**name)?.as_any(), pins),
            Kind::Builtin(name) => Plan::object(&known::resolve(py, name)?, pins),
            Kind::Class(_) | Kind::Dtype(_) => Plan::object(&class_object(py, ty)?, pins),
            Kind::Range(_, step) => {
                let step = step.map_or(Part::Slot, Part::Constant);
                Plan::parts(py, "range", [Part::Slot, Part::Slot, step], pins)?
            }
            Kind::Slice(parts) => {
                let parts = parts.map(|part| if part { Part::Slot } else { Part::None });
                Plan::parts(py, "slice", parts, pins)?
            }
            Kind::Ellipsis => Plan::object(&py.Ellipsis().into_bound(py), pins),
            _ => return Err(cannot_return(ty)),
        })
    }

    fn all(py: Python<'_>, items: &[Ty], pins: &mut Pins) -> PyResult<Box<[Plan]>> {
        items
            .iter()
            .map(|&item| Plan::new(py, item, pins))
            .collect()
    }

    fn parts(py: Python<'_>, name: &str, parts: [Part; 3], pins: &mut Pins) -> PyResult<Plan> {
        let class = py.import("builtins")?.getattr(name)?;
        pins.add(&class);
        Ok(Plan::Parts {
            class: class.as_ptr(),
            parts,
        })
    }

    fn object(object: &Bound<'_, PyAny>, pins: &mut Pins) -> Plan {
        pins.add(object);
        Plan::Object(object.as_ptr())
    }

    /// Boxes a value and moves `slots` behind it; null, with an exception, on failure.
    ///
    /// # Safety
    /// The slots hold an owned value of the plan's type; the GIL is held.
    #[inline(always)]
    pub unsafe fn make(&self, slots: &mut *const u64, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            if self.is_plain() {
                self.make_plain(slots)
            } else {
                self.make_other(slots, cx)
            }
        }
    }

    /// Whether [`Plan::make_plain`] can be called.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        matches!(self, Plan::Int | Plan::F64 | Plan::None | Plan::Bool)
    }

    /// The same for plain results, which take one slot at most.
    ///
    /// # Safety
    /// As for `make`; the plan [is plain](Plan::is_plain).
    #[inline(always)]
    pub unsafe fn make_plain(&self, slots: &mut *const u64) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe {
            match self {
                Plan::Int => layouts::int(take(slots).cast_signed()),
                Plan::F64 => ffi::PyFloat_FromDouble(f64::from_bits(take(slots))),
                Plan::None => new_ref(ffi::Py_None()),
                Plan::Bool => new_ref(if take(slots) != 0 {
                    ffi::Py_True()
                } else {
                    ffi::Py_False()
                }),
                // As promised.
                _ => core::hint::unreachable_unchecked(),
            }
        }
    }

    #[inline(never)]
    unsafe fn make_other(&self, slots: &mut *const u64, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: as for `make`.
        unsafe {
            let f32 = |slots: &mut *const u64| f64::from(f32::from_bits(take(slots) as u32));
            let f64 = |slots: &mut *const u64| f64::from_bits(take(slots));
            match self {
                Plan::Narrow(bits) => {
                    let unused = 64 - bits;
                    layouts::int((take(slots) << unused).cast_signed() >> unused)
                }
                Plan::Uint(mask) => ffi::PyLong_FromUnsignedLongLong(take(slots) & mask),
                Plan::F32 => ffi::PyFloat_FromDouble(f32(slots)),
                Plan::C64 => {
                    let (re, im) = (f32(slots), f32(slots));
                    ffi::PyComplex_FromDoubles(re, im)
                }
                Plan::C128 => {
                    let (re, im) = (f64(slots), f64(slots));
                    ffi::PyComplex_FromDoubles(re, im)
                }
                Plan::Str => {
                    let text = core::ptr::with_exposed_provenance_mut::<Str>(take(slots) as usize);
                    let object = layouts::str_from_runtime(text);
                    string::release(text);
                    object
                }
                Plan::Tuple(items) => make_tuple(items, slots, cx),
                Plan::NamedTuple(class, items) => {
                    let arguments = make_tuple(items, slots, cx);
                    if arguments.is_null() {
                        return arguments;
                    }
                    let object = ffi::PyObject_CallObject(*class, arguments);
                    ffi::Py_DecRef(arguments);
                    object
                }
                Plan::Optional(plan, count) => {
                    if take(slots) == 0 {
                        *slots = slots.add(*count);
                        return new_ref(ffi::Py_None());
                    }
                    plan.make(slots, cx)
                }
                Plan::Array(plan) => plan.make(slots, cx),
                Plan::Time(descr) => {
                    let mut value = take(slots);
                    numpy().make_scalar((&raw mut value).cast(), *descr)
                }
                Plan::Record(descr) => {
                    let owner = take(slots) as usize;
                    let data = core::ptr::with_exposed_provenance_mut(take(slots) as usize);
                    let object = numpy().make_scalar(data, *descr);
                    memory::owner_release(core::ptr::with_exposed_provenance_mut(owner));
                    object
                }
                Plan::Bytes => {
                    let owner = take(slots) as usize;
                    let data = core::ptr::with_exposed_provenance_mut::<u8>(take(slots) as usize);
                    let len = take(slots) as usize;
                    // A distance of 1.
                    take(slots);
                    let object = buffers::make_bytes(owner, data, len);
                    memory::owner_release(core::ptr::with_exposed_provenance_mut(owner));
                    object
                }
                Plan::Buffer(exporter, plan) => make_buffer(plan.make(slots, cx), *exporter),
                Plan::Container(plan) => plan.make(
                    core::ptr::with_exposed_provenance_mut(take(slots) as usize),
                    cx,
                ),
                Plan::Keyed(plan) => plan.make(
                    core::ptr::with_exposed_provenance_mut(take(slots) as usize),
                    cx,
                ),
                Plan::Typed(plan) => plan.make(
                    core::ptr::with_exposed_provenance_mut(take(slots) as usize),
                    cx.frozen,
                ),
                Plan::Generator(plan) => plan.make(
                    core::ptr::with_exposed_provenance_mut(take(slots) as usize),
                    cx,
                ),
                Plan::Parts { class, parts } => make_parts(*class, *parts, slots),
                Plan::Function => make_function(take(slots) as usize),
                Plan::Object(object) => new_ref(*object),
                Plan::None | Plan::Bool | Plan::Int | Plan::F64 => self.make(slots, cx),
            }
        }
    }

    /// Releases what a value holds and moves `slots` behind it.
    ///
    /// # Safety
    /// As for `make`.
    pub unsafe fn release(&self, slots: &mut *const u64) {
        // SAFETY: as promised.
        unsafe {
            match self {
                Plan::None | Plan::Object(_) => {}
                Plan::Bool
                | Plan::Int
                | Plan::Narrow(_)
                | Plan::Uint(_)
                | Plan::F32
                | Plan::F64
                | Plan::Function
                | Plan::Time(_) => {
                    take(slots);
                }
                Plan::Record(_) => {
                    memory::owner_release(core::ptr::with_exposed_provenance_mut(
                        take(slots) as usize
                    ));
                    take(slots);
                }
                Plan::C64 | Plan::C128 => {
                    take(slots);
                    take(slots);
                }
                Plan::Str => {
                    string::release(core::ptr::with_exposed_provenance_mut(take(slots) as usize))
                }
                Plan::Container(_) | Plan::Keyed(_) | Plan::Typed(_) | Plan::Generator(_) => {
                    object::obj_release(
                        core::ptr::with_exposed_provenance_mut(take(slots) as usize),
                    )
                }
                Plan::Tuple(items) | Plan::NamedTuple(_, items) => {
                    items.iter().for_each(|item| item.release(slots))
                }
                Plan::Optional(plan, count) => {
                    if take(slots) == 0 {
                        *slots = slots.add(*count);
                    } else {
                        plan.release(slots);
                    }
                }
                Plan::Parts { parts, .. } => {
                    *slots = slots.add(
                        parts
                            .iter()
                            .filter(|part| matches!(part, Part::Slot))
                            .count(),
                    );
                }
                Plan::Array(ArrayPlan { ndim, .. }) | Plan::Buffer(_, ArrayPlan { ndim, .. }) => {
                    memory::owner_release(core::ptr::with_exposed_provenance_mut(
                        take(slots) as usize
                    ));
                    *slots = slots.add(1 + 2 * ndim);
                }
                Plan::Bytes => {
                    memory::owner_release(core::ptr::with_exposed_provenance_mut(
                        take(slots) as usize
                    ));
                    *slots = slots.add(3);
                }
            }
        }
    }
}

fn cannot_return(ty: Ty) -> PyErr {
    let text = format!("a value of type {ty} cannot be returned to Python");
    let diagnostic = Diagnostic::new(Code::UnsupportedValue, text);
    Python::attach(|py| errors::diagnostic(py, &diagnostic))
}

/// `int`, `np.float32`, `np.dtype("f4")`: the object that a type of classes or dtypes stands for.
fn class_object(py: Python<'_>, ty: Ty) -> PyResult<Bound<'_, PyAny>> {
    match *ty.kind() {
        Kind::Class(inner) if inner.is_weak() => {
            let name = if inner.is_int() {
                "int"
            } else if inner.is_float() {
                "float"
            } else {
                "complex"
            };
            py.import("builtins")?.getattr(name)
        }
        Kind::Dtype(inner) if Num::of(inner).is_none() => dtypes::make(py, inner),
        Kind::Class(inner) | Kind::Dtype(inner) => match Num::of(inner) {
            Some(num) => {
                // SAFETY: kept alive for good.
                let dtype = unsafe { Bound::from_borrowed_ptr(py, numpy().descr(num)) };
                if matches!(ty.kind(), Kind::Dtype(_)) {
                    Ok(dtype)
                } else {
                    dtype.getattr("type")
                }
            }
            None => py
                .import("ferdelance.types")?
                .getattr("_decode")?
                .call1((types::encode(py, inner)?,)),
        },
        _ => Err(cannot_return(ty)),
    }
}

#[inline(always)]
unsafe fn take(slots: &mut *const u64) -> u64 {
    // SAFETY: the caller's value has another slot.
    unsafe {
        let value = **slots;
        *slots = slots.add(1);
        value
    }
}

unsafe fn new_ref(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: alive.
    unsafe { ffi::Py_IncRef(object) };
    object
}

unsafe fn make_tuple(items: &[Plan], slots: &mut *const u64, cx: &Context<'_>) -> *mut PyObject {
    // SAFETY: as for `Plan::make`.
    unsafe {
        let tuple = ffi::PyTuple_New(items.len() as ffi::Py_ssize_t);
        let mut failed = tuple.is_null();
        for (i, item) in items.iter().enumerate() {
            if failed {
                item.release(slots);
                continue;
            }
            let object = item.make(slots, cx);
            // Null is what the place holds anyway.
            failed =
                object.is_null() || ffi::PyTuple_SetItem(tuple, i as ffi::Py_ssize_t, object) != 0;
        }
        if failed {
            ffi::Py_XDECREF(tuple);
            return core::ptr::null_mut();
        }
        tuple
    }
}

fn make_function(address: usize) -> *mut PyObject {
    // SAFETY: the caller of `Plan::make` holds the GIL.
    let py = unsafe { Python::assume_attached() };
    match functions::object(py, address) {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            core::ptr::null_mut()
        }
    }
}

/// An array as another object that shows its memory; takes over the reference.
///
/// # Safety
/// `array` is an array, or null with an exception; the GIL is held.
unsafe fn make_buffer(array: *mut PyObject, exporter: Exporter) -> *mut PyObject {
    // SAFETY: as promised.
    unsafe {
        let py = Python::assume_attached();
        let Some(array) = Bound::from_owned_ptr_or_opt(py, array) else {
            return array;
        };
        match buffers::object_of(&array, exporter) {
            Ok(object) => object.into_ptr(),
            Err(error) => {
                error.restore(py);
                core::ptr::null_mut()
            }
        }
    }
}

/// Calls `range` or `slice`.
unsafe fn make_parts(
    class: *mut PyObject,
    parts: [Part; 3],
    slots: &mut *const u64,
) -> *mut PyObject {
    // SAFETY: the slots are the parts that are not said otherwise; the GIL is held.
    unsafe {
        let parts = parts.map(|part| match part {
            Part::None => None,
            Part::Constant(value) => Some(value),
            Part::Slot => Some(take(slots).cast_signed()),
        });
        let py = Python::assume_attached();
        match Bound::from_borrowed_ptr(py, class).call1((parts[0], parts[1], parts[2])) {
            Ok(object) => object.into_ptr(),
            Err(error) => {
                error.restore(py);
                core::ptr::null_mut()
            }
        }
    }
}

impl ArrayPlan {
    unsafe fn make(&self, slots: &mut *const u64, cx: &Context<'_>) -> *mut PyObject {
        // SAFETY: the slots of an array are owner, data, shape, strides.
        unsafe {
            let owner = take(slots) as usize;
            let data = core::ptr::with_exposed_provenance_mut::<u8>(take(slots) as usize);
            let shape = core::slice::from_raw_parts(slots.cast::<isize>(), self.ndim);
            let strides =
                core::slice::from_raw_parts(slots.add(self.ndim).cast::<isize>(), self.ndim);
            *slots = slots.add(2 * self.ndim);
            if owner & OWNER_BORROWED != 0 {
                let object =
                    core::ptr::with_exposed_provenance_mut::<PyObject>(owner & !OWNER_BORROWED);
                self.of_object(object, data, shape, strides, self.readonly)
            } else if owner == OWNER_STATIC {
                match cx.frozen.find(data) {
                    Some(array) => self.of_object(array, data, shape, strides, true),
                    None => self.copy(data, shape, strides),
                }
            } else {
                self.of_buffer(
                    core::ptr::with_exposed_provenance_mut(owner),
                    data,
                    shape,
                    strides,
                )
            }
        }
    }

    /// The array itself if it is the same, else a view of it.
    unsafe fn of_object(
        &self,
        object: *mut PyObject,
        data: *mut u8,
        shape: &[isize],
        strides: &[isize],
        readonly: bool,
    ) -> *mut PyObject {
        // SAFETY: owners are arrays that are alive, or other objects that hold the memory.
        unsafe {
            if layouts::class(object) == numpy().ndarray {
                let array = &*object.cast::<numpy::Array>();
                let same = array.data == data
                    && array.nd as usize == self.ndim
                    && (!readonly || array.flags & numpy::WRITEABLE == 0)
                    && core::slice::from_raw_parts(array.shape, self.ndim) == shape
                    && core::slice::from_raw_parts(array.strides, self.ndim) == strides
                    && self.item.is(array.descr);
                if same {
                    return new_ref(object);
                }
            }
            numpy().view(
                self.item.descr,
                data,
                shape,
                strides,
                !readonly,
                new_ref(object),
            )
        }
    }

    /// An array whose base releases the buffer.
    unsafe fn of_buffer(
        &self,
        buffer: *mut Buffer,
        data: *mut u8,
        shape: &[isize],
        strides: &[isize],
    ) -> *mut PyObject {
        // SAFETY: the reference to the buffer goes to the capsule.
        unsafe {
            let base = ffi::PyCapsule_New(
                buffer.cast::<c_void>(),
                BUFFER.as_ptr(),
                Some(release_buffer),
            );
            if base.is_null() {
                memory::owner_release(buffer);
                return base;
            }
            numpy().view(self.item.descr, data, shape, strides, !self.readonly, base)
        }
    }

    /// A copy of memory that nobody is known to keep.
    unsafe fn copy(&self, data: *mut u8, shape: &[isize], strides: &[isize]) -> *mut PyObject {
        // SAFETY: the view does not outlive this function.
        unsafe {
            let view = numpy().view(
                self.item.descr,
                data,
                shape,
                strides,
                true,
                new_ref(ffi::Py_None()),
            );
            if view.is_null() {
                return view;
            }
            let copy = ffi::PyObject_CallMethod(view, c"copy".as_ptr(), core::ptr::null());
            ffi::Py_DecRef(view);
            copy
        }
    }
}

/// Name of the capsules that own buffers.
const BUFFER: &CStr = c"ferdelance.buffer";

unsafe extern "C" fn release_buffer(capsule: *mut PyObject) {
    // SAFETY: the capsule was made by `of_buffer`, and dies once.
    unsafe {
        let buffer = ffi::PyCapsule_GetPointer(capsule, BUFFER.as_ptr());
        memory::owner_release(buffer.cast());
    }
}
