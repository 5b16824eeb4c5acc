//! From Python objects to slots.
//!
//! A *plan* is made once for an argument of a known type and a parameter: it recognises objects of that
//! type and writes their slots, in one step. An object that is not recognised is a [`Outcome::Miss`],
//! after which other plans are tried; what was written so far is simply overwritten. So a plan is guard
//! and unboxing in one, and a warm call looks at each argument once.

use ferdelance_abi::layout::{Dict, OWNER_BORROWED, Str};
use ferdelance_compiler::types::{ArrayTy, Exporter, Kind, Layout, Ty};
use ferdelance_runtime::number;
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use smallvec::SmallVec;

use crate::containers::{Lending, unboxing::ContainerPlan};
use crate::dtypes::Item;
use crate::handles::Pins;
use crate::layouts::{self, class};
use crate::num::{Num, slots};
use crate::numpy::{self, numpy};
use crate::{buffers, dispatcher, functions, generators, typed};

/// What became of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its slots are written.
    Done,
    /// It is not of the plan's type.
    Miss,
    /// It is, but its value cannot be converted; a Python exception is set.
    Raised,
}

/// What was made for the arguments of one call; released when it is over.
#[derive(Default)]
pub struct Made {
    strings: SmallVec<[*mut Str; 4]>,
    /// Arrays over the memory of other objects.
    arrays: Vec<*mut PyObject>,
    /// Containers, each with the Python object that it is a copy of.
    pub containers: Lending,
    /// Those `typed.Dict` that must not keep what they borrow.
    pub typed: Vec<*mut Dict>,
}

impl Drop for Made {
    #[inline(always)]
    fn drop(&mut self) {
        for &text in &self.strings {
            // SAFETY: made by `unbox`, with one reference that is ours.
            unsafe { ferdelance_runtime::string::release(text) };
        }
        for &array in &self.arrays {
            // SAFETY: the same; the caller of `unbox` holds the GIL until the call is over.
            unsafe { ffi::Py_DecRef(array) };
        }
    }
}

/// Where a scalar comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A Python int that fits int64.
    Long,
    /// One that fits uint64 only.
    LongPast,
    Bool,
    Float,
    Complex,
    NumPy(Num),
}

/// How to recognise and unbox an argument. Objects and classes named by address are kept alive by the
/// route that owns the plan.
pub enum Plan {
    /// A Python int to int64.
    Long,
    /// A Python float to float64.
    Float,
    /// A Python bool.
    Bool,
    Array(ArrayPlan),
    /// Any scalar of an exact class, with conversion.
    Scalar {
        class: *mut PyTypeObject,
        source: Source,
        to: Num,
    },
    Str {
        class: *mut PyTypeObject,
    },
    Bytes {
        class: *mut PyTypeObject,
    },
    /// Any other object that shows memory, by the array that NumPy makes of it.
    Buffer {
        class: *mut PyTypeObject,
        array: ArrayPlan,
    },
    Container(Box<ContainerPlan>),
    /// A `typed.Dict` of this type, and whether it may borrow memory.
    Typed {
        ty: Ty,
        borrows: bool,
    },
    /// A generator of this type.
    Generator(Ty),
    /// A date or duration of this class and unit.
    Time {
        class: *mut PyTypeObject,
        unit: u64,
    },
    /// A record: a `np.void`, or of a class derived from it.
    Record {
        class: *mut PyTypeObject,
        item: Item,
        writeable: bool,
    },
    /// A tuple, named or not.
    Items {
        class: *mut PyTypeObject,
        items: Box<[Plan]>,
    },
    /// A range or a slice: those of its attributes start, stop and step that are not None.
    Parts {
        class: *mut PyTypeObject,
        parts: [bool; 3],
    },
    /// This very object, which has no slots: None, a function, a module, a class.
    Identity(*mut PyObject),
    /// A value for an optional parameter.
    Present(Box<Plan>),
    /// None for an optional parameter whose value has so many slots.
    Absent(usize),
    /// An item of a container, which may be None or a value with so many slots.
    Either(Box<Plan>, usize),
    /// A function of this type. Objects whose own type is another (jitted functions) are converted only
    /// where the parameter's type was given by the user.
    Function {
        ty: Ty,
        convert: bool,
    },
    /// No argument; the compiled code knows the default.
    Omitted,
    /// No argument; the default value is passed.
    Default {
        value: *mut PyObject,
        plan: Box<Plan>,
    },
}

pub struct ArrayPlan {
    class: *mut PyTypeObject,
    item: Item,
    nd: i32,
    /// Flags that matter, and what they are.
    mask: i32,
    flags: i32,
}

impl Plan {
    /// The plan for objects like `object`, of type `actual`, for a parameter of type `param`; `None` if
    /// there is no such conversion. A null object stands for an argument that was not passed, whose
    /// default value is `default`.
    ///
    /// # Safety
    /// The objects are alive.
    pub unsafe fn new(
        py: Python<'_>,
        object: *mut PyObject,
        default: *mut PyObject,
        actual: Ty,
        param: Ty,
        pins: &mut Pins,
    ) -> Option<Plan> {
        // SAFETY: as promised.
        unsafe {
            if object.is_null() {
                if matches!(param.kind(), Kind::Omitted(_)) {
                    return Some(Plan::Omitted);
                }
                let plan = Plan::new(py, default, core::ptr::null_mut(), actual, param, pins)?;
                pins.add(&Bound::from_borrowed_ptr(py, default));
                return Some(Plan::Default {
                    value: default,
                    plan: Box::new(plan),
                });
            }
            if let Kind::Optional(inner) = param.kind() {
                return if actual.is_none() {
                    Some(Plan::Absent(slots(*inner)))
                } else {
                    Some(Plan::Present(Box::new(Plan::new(
                        py, object, default, actual, *inner, pins,
                    )?)))
                };
            }
            let class = class(object);
            let keep_class = |pins: &mut Pins| {
                pins.add(&Bound::from_borrowed_ptr(py, class.cast()));
            };
            if let Some(from) = Num::of(actual) {
                let to = Num::of(param)?;
                return Some(match Source::of(object, from) {
                    Source::Long if class == &raw mut ffi::PyLong_Type && to == Num::I64 => {
                        Plan::Long
                    }
                    Source::Float if class == &raw mut ffi::PyFloat_Type && to == Num::F64 => {
                        Plan::Float
                    }
                    Source::Bool if to == Num::Bool => Plan::Bool,
                    source => {
                        keep_class(pins);
                        Plan::Scalar { class, source, to }
                    }
                });
            }
            if matches!(param.kind(), Kind::Function(_)) {
                return Some(Plan::Function {
                    ty: param,
                    convert: actual != param,
                });
            }
            match actual.kind() {
                Kind::Str => {
                    keep_class(pins);
                    Some(Plan::Str { class })
                }
                Kind::Tuple(types) | Kind::NamedTuple(_, types) => {
                    let params = param.tuple_items()?;
                    if params.len() != types.len() || layouts::tuple_len(object) != types.len() {
                        return None;
                    }
                    let mut items = Vec::with_capacity(types.len());
                    for (i, (&actual, &param)) in types.iter().zip(params).enumerate() {
                        let item = layouts::tuple_item(object, i);
                        items.push(Plan::new(
                            py,
                            item,
                            core::ptr::null_mut(),
                            actual,
                            param,
                            pins,
                        )?);
                    }
                    keep_class(pins);
                    Some(Plan::Items {
                        class,
                        items: items.into(),
                    })
                }
                Kind::Time { .. } if actual == param => {
                    keep_class(pins);
                    let (_, unit) = numpy::time_value(object);
                    Some(Plan::Time { class, unit })
                }
                Kind::Record(record) if matches!(param.kind(), Kind::Record(_)) => {
                    keep_class(pins);
                    let mut item = record.clone();
                    item.readonly = false;
                    Some(Plan::Record {
                        class,
                        item: Item::of(py, Ty::new(Kind::Record(item)), pins)?,
                        writeable: !record.readonly,
                    })
                }
                Kind::Time { .. } | Kind::Record(_) => None,
                Kind::Array(array) => {
                    keep_class(pins);
                    ArrayPlan::new(py, class, *array, pins).map(Plan::Array)
                }
                Kind::Buffer(Exporter::Bytes, _) => {
                    keep_class(pins);
                    Some(Plan::Bytes { class })
                }
                Kind::Buffer(_, array) => {
                    keep_class(pins);
                    let array = ArrayPlan::new(py, numpy().ndarray, *array, pins)?;
                    Some(Plan::Buffer { class, array })
                }
                Kind::Dict { typed: true, .. } => {
                    (actual.strong() == param.strong()).then(|| Plan::Typed {
                        ty: actual,
                        borrows: typed::may_borrow(actual),
                    })
                }
                Kind::List(_) | Kind::Dict { .. } | Kind::Set { .. }
                    if actual.strong() == param.strong() =>
                {
                    let plan = ContainerPlan::new(py, object, actual, pins)?;
                    Some(Plan::Container(Box::new(plan)))
                }
                Kind::Generator(_) => {
                    (actual.strong() == param.strong()).then_some(Plan::Generator(actual))
                }
                Kind::Range(..) | Kind::Slice(_) if actual != param => None,
                Kind::Range(..) => Some(Plan::Parts {
                    class,
                    parts: [true; 3],
                }),
                Kind::Slice(parts) => Some(Plan::Parts {
                    class,
                    parts: *parts,
                }),
                _ => {
                    pins.add(&Bound::from_borrowed_ptr(py, object));
                    Some(Plan::Identity(object))
                }
            }
        }
    }

    /// Whether the argument is a function that is passed by its address.
    pub fn is_function(&self) -> bool {
        matches!(self, Plan::Function { .. })
    }

    /// Whether the plan takes part in a call that passes no argument.
    pub fn expects_nothing(&self) -> bool {
        matches!(self, Plan::Omitted | Plan::Default { .. })
    }

    /// Recognises an object and writes its slots to `out`, which is moved behind them.
    ///
    /// # Safety
    /// `object` is alive, or null where the plan [expects nothing](Plan::expects_nothing); there is room
    /// for the parameter's slots.
    #[inline(always)]
    pub unsafe fn unbox(
        &self,
        object: *mut PyObject,
        out: &mut *mut u64,
        made: &mut Made,
    ) -> Outcome {
        // SAFETY: as promised.
        unsafe {
            if self.is_plain() {
                self.unbox_plain(object, out)
            } else {
                self.unbox_other(object, out, made)
            }
        }
    }

    /// Whether [`Plan::unbox_plain`] does it all.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        matches!(
            self,
            Plan::Long | Plan::Float | Plan::Array(_) | Plan::Bool | Plan::Identity(_)
        )
    }

    /// The same for plans that make nothing: those of most arguments.
    ///
    /// # Safety
    /// As for [`Plan::unbox`].
    #[inline(always)]
    pub unsafe fn unbox_plain(&self, object: *mut PyObject, out: &mut *mut u64) -> Outcome {
        // SAFETY: as promised; each class is checked before the object is read as an instance of it.
        unsafe {
            match self {
                Plan::Long => {
                    if class(object) != &raw mut ffi::PyLong_Type {
                        return Outcome::Miss;
                    }
                    match layouts::long_i64(object) {
                        Some(value) => put(out, value.cast_unsigned()),
                        None => Outcome::Miss,
                    }
                }
                Plan::Float => {
                    if class(object) != &raw mut ffi::PyFloat_Type {
                        return Outcome::Miss;
                    }
                    put(out, layouts::float(object).to_bits())
                }
                Plan::Array(plan) => plan.unbox(object, out),
                Plan::Bool => {
                    if object == ffi::Py_True() {
                        put(out, 1)
                    } else if object == ffi::Py_False() {
                        put(out, 0)
                    } else {
                        Outcome::Miss
                    }
                }
                Plan::Identity(expected) => {
                    if object == *expected {
                        Outcome::Done
                    } else {
                        Outcome::Miss
                    }
                }
                _ => Outcome::Miss,
            }
        }
    }

    #[inline(never)]
    unsafe fn unbox_other(
        &self,
        object: *mut PyObject,
        out: &mut *mut u64,
        made: &mut Made,
    ) -> Outcome {
        // SAFETY: as for `unbox`.
        unsafe {
            match self {
                Plan::Scalar {
                    class: expected,
                    source,
                    to,
                } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    match source.read(object) {
                        Some(value) => value.write(*to, out),
                        None => Outcome::Miss,
                    }
                }
                Plan::Str { class: expected } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    let text = layouts::str_to_runtime(object);
                    if text.is_null() {
                        return Outcome::Raised;
                    }
                    made.strings.push(text);
                    put(out, text.addr() as u64)
                }
                Plan::Items {
                    class: expected,
                    items,
                } => {
                    if class(object) != *expected || layouts::tuple_len(object) != items.len() {
                        return Outcome::Miss;
                    }
                    for (i, item) in items.iter().enumerate() {
                        let outcome = item.unbox(layouts::tuple_item(object, i), out, made);
                        if outcome != Outcome::Done {
                            return outcome;
                        }
                    }
                    Outcome::Done
                }
                Plan::Bytes { class: expected } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    let (data, len) = buffers::content(object);
                    put(out, (object.addr() | OWNER_BORROWED) as u64);
                    put(out, data.addr() as u64);
                    put(out, len as u64);
                    put(out, 1)
                }
                Plan::Buffer {
                    class: expected,
                    array,
                } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    let py = Python::assume_attached();
                    match buffers::array_of(&Bound::from_borrowed_ptr(py, object)) {
                        Ok(memory) => {
                            let outcome = array.unbox(memory.as_ptr(), out);
                            made.arrays.push(memory.into_ptr());
                            outcome
                        }
                        Err(_) => Outcome::Miss,
                    }
                }
                Plan::Container(plan) => plan.unbox(object, out, made),
                Plan::Typed { ty, borrows } => match typed::of(object, *ty) {
                    Some(dict) => {
                        if *borrows {
                            made.typed.push(dict);
                        }
                        put(out, dict.expose_provenance() as u64)
                    }
                    None => Outcome::Miss,
                },
                Plan::Generator(ty) => match generators::slot(object, *ty) {
                    Some(slot) => put(out, slot),
                    None => Outcome::Miss,
                },
                Plan::Time {
                    class: expected,
                    unit,
                } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    let (value, is) = numpy::time_value(object);
                    if is != *unit {
                        return Outcome::Miss;
                    }
                    put(out, value.cast_unsigned())
                }
                Plan::Record {
                    class: expected,
                    item,
                    writeable,
                } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    let (data, descr, can_write) = numpy::void_value(object);
                    if can_write != *writeable || !item.is(descr) {
                        return Outcome::Miss;
                    }
                    put(out, (object.addr() | OWNER_BORROWED) as u64);
                    put(out, data.addr() as u64)
                }
                Plan::Present(plan) => {
                    put(out, 1);
                    plan.unbox(object, out, made)
                }
                Plan::Function { ty, convert } => unbox_function(object, *ty, *convert, out),
                Plan::Either(plan, _) if object != ffi::Py_None() => {
                    put(out, 1);
                    plan.unbox(object, out, made)
                }
                Plan::Absent(slots) | Plan::Either(_, slots) => {
                    if object != ffi::Py_None() {
                        return Outcome::Miss;
                    }
                    for _ in 0..=*slots {
                        put(out, 0);
                    }
                    Outcome::Done
                }
                Plan::Parts {
                    class: expected,
                    parts,
                } => {
                    if class(object) != *expected {
                        return Outcome::Miss;
                    }
                    unbox_parts(object, *parts, out)
                }
                // An argument was passed after all: not this plan.
                Plan::Omitted | Plan::Default { .. } if !object.is_null() => Outcome::Miss,
                Plan::Omitted => Outcome::Done,
                Plan::Default { value, plan } => plan.unbox(*value, out, made),
                Plan::Long | Plan::Float | Plan::Bool | Plan::Array(_) | Plan::Identity(_) => {
                    self.unbox(object, out, made)
                }
            }
        }
    }
}

impl ArrayPlan {
    /// For arrays of an exact class and this type; `None` if there are none.
    fn new(
        py: Python<'_>,
        class: *mut PyTypeObject,
        array: ArrayTy,
        pins: &mut Pins,
    ) -> Option<ArrayPlan> {
        let contiguous = match array.layout {
            Layout::C => (numpy::C_CONTIGUOUS, numpy::C_CONTIGUOUS),
            Layout::F => (
                numpy::C_CONTIGUOUS | numpy::F_CONTIGUOUS,
                numpy::F_CONTIGUOUS,
            ),
            Layout::A => (numpy::C_CONTIGUOUS | numpy::F_CONTIGUOUS, 0),
        };
        let writeable = if array.readonly { 0 } else { numpy::WRITEABLE };
        let aligned = if array.aligned { numpy::ALIGNED } else { 0 };
        Some(ArrayPlan {
            class,
            item: Item::of(py, array.dtype, pins)?,
            nd: i32::from(array.ndim),
            mask: contiguous.0 | numpy::WRITEABLE | numpy::ALIGNED,
            flags: contiguous.1 | writeable | aligned,
        })
    }

    #[inline(always)]
    unsafe fn unbox(&self, object: *mut PyObject, out: &mut *mut u64) -> Outcome {
        // SAFETY: as for `Plan::unbox`; shape and strides have `nd` items.
        unsafe {
            if class(object) != self.class {
                return Outcome::Miss;
            }
            let array = &*object.cast::<numpy::Array>();
            if array.flags & self.mask != self.flags || array.nd != self.nd {
                return Outcome::Miss;
            }
            if !self.item.is(array.descr) {
                return Outcome::Miss;
            }
            let nd = self.nd as usize;
            let at = *out;
            *at = (object.addr() | OWNER_BORROWED) as u64;
            *at.add(1) = array.data.addr() as u64;
            for i in 0..nd {
                *at.add(2 + i) = *array.shape.add(i) as u64;
                *at.add(2 + nd + i) = *array.strides.add(i) as u64;
            }
            *out = at.add(2 + 2 * nd);
            Outcome::Done
        }
    }
}

/// Writes start, stop and step of a range or a slice, as far as they should be there.
///
/// # Safety
/// `object` has these attributes; there is room for them.
unsafe fn unbox_parts(object: *mut PyObject, parts: [bool; 3], out: &mut *mut u64) -> Outcome {
    for (name, expected) in [c"start", c"stop", c"step"].into_iter().zip(parts) {
        // SAFETY: alive; what is got is released.
        unsafe {
            let part = ffi::PyObject_GetAttrString(object, name.as_ptr());
            if part.is_null() {
                return Outcome::Raised;
            }
            let is_int = class(part) == &raw mut ffi::PyLong_Type;
            let value = if is_int {
                layouts::long_i64(part)
            } else {
                None
            };
            let is_none = part == ffi::Py_None();
            ffi::Py_DecRef(part);
            match value {
                Some(value) if expected => {
                    put(out, value.cast_unsigned());
                }
                None if !expected && is_none => {}
                _ => return Outcome::Miss,
            }
        }
    }
    Outcome::Done
}

/// Writes the address of a function.
///
/// # Safety
/// `object` is alive; there is room for a slot; the GIL is held.
unsafe fn unbox_function(
    object: *mut PyObject,
    ty: Ty,
    convert: bool,
    out: &mut *mut u64,
) -> Outcome {
    // SAFETY: as promised.
    unsafe {
        let py = Python::assume_attached();
        let object = Bound::from_borrowed_ptr(py, object);
        if !convert && dispatcher::is_dispatcher(&object) {
            return Outcome::Miss;
        }
        match functions::address(&object, ty) {
            Ok(Some(address)) => put(out, address as u64),
            Ok(None) => Outcome::Miss,
            Err(error) => {
                error.restore(py);
                Outcome::Raised
            }
        }
    }
}

#[inline(always)]
unsafe fn put(out: &mut *mut u64, value: u64) -> Outcome {
    // SAFETY: the caller has made room.
    unsafe {
        **out = value;
        *out = out.add(1);
    }
    Outcome::Done
}

// ---- scalars -------------------------------------------------------------------------------------

/// A scalar on its way into a slot.
enum Value {
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
}

impl Source {
    /// Where the value of `object`, a scalar of type `num`, comes from.
    ///
    /// # Safety
    /// `object` is alive.
    unsafe fn of(object: *mut PyObject, num: Num) -> Source {
        // SAFETY: alive.
        let class = unsafe { class(object) };
        if let Some(num) = numpy().scalar_num(class) {
            return Source::NumPy(num);
        }
        match num {
            Num::Bool => Source::Bool,
            Num::U64 => Source::LongPast,
            Num::F16 | Num::F32 | Num::F64 => Source::Float,
            Num::C64 | Num::C128 => Source::Complex,
            _ => Source::Long,
        }
    }

    /// # Safety
    /// `object` is of the class that the source was made for.
    unsafe fn read(self, object: *mut PyObject) -> Option<Value> {
        use numpy::scalar_value as scalar;
        // SAFETY: as promised.
        unsafe {
            Some(match self {
                Source::Long => Value::Int(layouts::long_i64(object)?),
                Source::LongPast => {
                    if layouts::long_i64(object).is_some() {
                        return None;
                    }
                    Value::Uint(layouts::long_u64(object)?)
                }
                Source::Bool => Value::Int(i64::from(object == ffi::Py_True())),
                Source::Float => Value::Float(layouts::float(object)),
                Source::Complex => {
                    let (re, im) = layouts::complex(object);
                    Value::Complex(re, im)
                }
                Source::NumPy(num) => match num {
                    Num::Bool => Value::Int(i64::from(scalar::<u8>(object) != 0)),
                    Num::I8 => Value::Int(scalar::<i8>(object).into()),
                    Num::I16 => Value::Int(scalar::<i16>(object).into()),
                    Num::I32 => Value::Int(scalar::<i32>(object).into()),
                    Num::I64 => Value::Int(scalar::<i64>(object)),
                    Num::U8 => Value::Int(scalar::<u8>(object).into()),
                    Num::U16 => Value::Int(scalar::<u16>(object).into()),
                    Num::U32 => Value::Int(scalar::<u32>(object).into()),
                    Num::U64 => Value::Uint(scalar::<u64>(object)),
                    Num::F16 => Value::Float(number::half_to_single(scalar::<u16>(object)).into()),
                    Num::F32 => Value::Float(scalar::<f32>(object).into()),
                    Num::F64 => Value::Float(scalar::<f64>(object)),
                    Num::C64 => {
                        let [re, im] = scalar::<[f32; 2]>(object);
                        Value::Complex(re.into(), im.into())
                    }
                    Num::C128 => {
                        let [re, im] = scalar::<[f64; 2]>(object);
                        Value::Complex(re, im)
                    }
                },
            })
        }
    }
}

impl Value {
    /// Writes the value as a scalar of another type; raises if it does not fit.
    unsafe fn write(self, to: Num, out: &mut *mut u64) -> Outcome {
        let range: (i128, i128) = match to {
            Num::I8 => (i8::MIN.into(), i8::MAX.into()),
            Num::I16 => (i16::MIN.into(), i16::MAX.into()),
            Num::I32 => (i32::MIN.into(), i32::MAX.into()),
            Num::I64 => (i64::MIN.into(), i64::MAX.into()),
            Num::U8 => (0, u8::MAX.into()),
            Num::U16 => (0, u16::MAX.into()),
            Num::U32 => (0, u32::MAX.into()),
            Num::U64 => (0, u64::MAX.into()),
            // SAFETY: passed on.
            _ => return unsafe { self.write_float(to, out) },
        };
        let value: i128 = match self {
            Value::Int(value) => value.into(),
            Value::Uint(value) => value.into(),
            Value::Float(value) | Value::Complex(value, _) => {
                if !value.is_finite() {
                    let what = if value.is_nan() { "NaN" } else { "infinity" };
                    raise(PyValueError::new_err(format!(
                        "cannot convert {what} to {}",
                        to.ty()
                    )));
                    return Outcome::Raised;
                }
                // Saturates far outside of every range.
                value.trunc() as i128
            }
        };
        if value < range.0 || value > range.1 {
            raise(PyOverflowError::new_err(format!(
                "{value} does not fit into {}",
                to.ty()
            )));
            return Outcome::Raised;
        }
        // SAFETY: the caller has made room. The low 64 bits are the sign- or zero-extended value.
        unsafe { put(out, value as u64) }
    }

    unsafe fn write_float(self, to: Num, out: &mut *mut u64) -> Outcome {
        let (re, im) = match self {
            Value::Int(value) => (value as f64, 0.0),
            Value::Uint(value) => (value as f64, 0.0),
            Value::Float(value) => (value, 0.0),
            Value::Complex(re, im) => (re, im),
        };
        // Straight from the integer: by way of a double it would be rounded twice.
        let single = || match self {
            Value::Int(value) => value as f32,
            Value::Uint(value) => value as f32,
            _ => re as f32,
        };
        // SAFETY: the caller has made room.
        unsafe {
            match to {
                Num::Bool => put(out, u64::from(re != 0.0 || im != 0.0)),
                Num::F16 => {
                    let half = number::half_to_single(number::single_to_half(single()));
                    put(out, half.to_bits().into())
                }
                Num::F32 => put(out, single().to_bits().into()),
                Num::C64 => {
                    put(out, single().to_bits().into());
                    put(out, (im as f32).to_bits().into())
                }
                Num::C128 => {
                    put(out, re.to_bits());
                    put(out, im.to_bits())
                }
                _ => put(out, re.to_bits()),
            }
        }
    }
}

/// Sets an exception.
#[cold]
fn raise(error: PyErr) {
    // The caller holds the GIL: it handles Python objects.
    Python::attach(|py| error.restore(py));
}
