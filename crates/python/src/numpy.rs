//! NumPy without its headers: arrays and scalars as NumPy 2 lays them out, and the few functions of its
//! C API that are needed, through the table in the `_ARRAY_API` capsule.
//!
//! The ABI version that NumPy reports is checked, and so is an array with known contents; if either is
//! not as expected, the import fails with a message rather than reading wrong memory later.

use core::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use ferdelance_abi::gufunc::{self, LOOPS};
use ferdelance_compiler::types::{ArrayTy, Layout};
use ferdelance_runtime::linalg::{Loop, Loops, set_loops};
use pyo3::exceptions::PyImportError;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::dtypes;
use crate::layouts::{HEADER, class, field};
use crate::num::Num;

pub const C_CONTIGUOUS: c_int = 0x1;
pub const F_CONTIGUOUS: c_int = 0x2;
pub const ALIGNED: c_int = 0x100;
pub const WRITEABLE: c_int = 0x400;

/// The start of a `PyArrayObject`.
#[repr(C)]
pub struct Array {
    header: [usize; 2],
    pub data: *mut u8,
    pub nd: c_int,
    pub shape: *const isize,
    pub strides: *const isize,
    base: *mut PyObject,
    pub descr: *mut PyObject,
    pub flags: c_int,
}

/// The start of a `PyArray_Descr`.
#[repr(C)]
struct Descr {
    header: [usize; 2],
    class: *mut PyTypeObject,
    kind: c_char,
    code: c_char,
    byteorder: c_char,
    flags: c_char,
    number: c_int,
}

type NewFromDescr = unsafe extern "C" fn(
    *mut PyTypeObject,
    *mut PyObject,
    c_int,
    *const isize,
    *const isize,
    *mut c_void,
    c_int,
    *mut PyObject,
) -> *mut PyObject;

/// What is needed of NumPy.
pub struct NumPy {
    pub ndarray: *mut PyTypeObject,
    pub generic: *mut PyTypeObject,
    pub dtype: *mut PyTypeObject,
    scalar: unsafe extern "C" fn(*mut c_void, *mut PyObject, *mut PyObject) -> *mut PyObject,
    new_from_descr: NewFromDescr,
    set_base: unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> c_int,
    /// The dtype of each machine scalar, in native byte order.
    descrs: [*mut PyObject; Num::COUNT],
    /// The classes of scalars; two C types may mean the same machine type.
    scalars: Vec<(*mut PyTypeObject, Num)>,
    /// Machine scalar by NumPy's type number.
    by_number: [Option<Num>; 32],
}

// SAFETY: written once, under the GIL, then only read; the objects live as long as the process.
unsafe impl Send for NumPy {}
// SAFETY: as above.
unsafe impl Sync for NumPy {}

static NUMPY: OnceLock<NumPy> = OnceLock::new();

/// The tables; they are there from the import of this module on.
#[inline(always)]
pub fn numpy() -> &'static NumPy {
    match NUMPY.get() {
        Some(numpy) => numpy,
        None => unreachable!("the tables are filled when the module is imported"),
    }
}

const NAMES: [(Num, &str); Num::COUNT] = [
    (Num::Bool, "bool"),
    (Num::I8, "int8"),
    (Num::I16, "int16"),
    (Num::I32, "int32"),
    (Num::I64, "int64"),
    (Num::U8, "uint8"),
    (Num::U16, "uint16"),
    (Num::U32, "uint32"),
    (Num::U64, "uint64"),
    (Num::F16, "float16"),
    (Num::F32, "float32"),
    (Num::F64, "float64"),
    (Num::C64, "complex64"),
    (Num::C128, "complex128"),
];

/// Imports NumPy and fills the tables.
pub fn init(py: Python<'_>) -> PyResult<()> {
    if NUMPY.get().is_some() {
        return Ok(());
    }
    let module = py.import("numpy")?;
    let api = py
        .import("numpy._core._multiarray_umath")?
        .getattr("_ARRAY_API")?
        .cast_into::<PyCapsule>()?;
    // SAFETY: the capsule holds NumPy's function table.
    let table = unsafe { ffi::PyCapsule_GetPointer(api.as_ptr(), core::ptr::null()) }
        .cast::<*mut c_void>()
        .cast_const();
    if table.is_null() {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: entry 0 has had this type in all versions.
    let version =
        unsafe { core::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_uint>(*table)() };
    if version >> 24 != 2 {
        return Err(PyImportError::new_err(format!(
            "ferdelance needs NumPy 2; this NumPy has ABI version {version:#x}"
        )));
    }
    // SAFETY: the table of ABI version 2 has these entries, by NumPy's published header.
    let (ndarray, dtype, scalar, new_from_descr, set_base) = unsafe {
        (
            (*table.add(2)).cast::<PyTypeObject>(),
            (*table.add(3)).cast::<PyTypeObject>(),
            core::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(*mut c_void, *mut PyObject, *mut PyObject) -> *mut PyObject,
            >(*table.add(60)),
            core::mem::transmute::<*mut c_void, NewFromDescr>(*table.add(94)),
            core::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> c_int,
            >(*table.add(282)),
        )
    };
    // These objects are kept for good.
    let keep = |object: Bound<'_, PyAny>| object.into_ptr();
    let make_dtype = module.getattr("dtype")?;
    let mut descrs = [core::ptr::null_mut(); Num::COUNT];
    let mut scalars = Vec::new();
    let mut by_number = [None; 32];
    for (num, name) in NAMES {
        descrs[num as usize] = keep(make_dtype.call1((name,))?);
        scalars.push((keep(module.getattr(name)?).cast(), num));
    }
    // C types that are none of the above, such as `long long` beside `long`.
    for (name, bits_signed) in [
        ("longlong", true),
        ("ulonglong", false),
        ("intc", true),
        ("uintc", false),
        ("long", true),
        ("ulong", false),
    ] {
        let class = module.getattr(name)?;
        let bits: u32 = 8 * make_dtype
            .call1((&class,))?
            .getattr("itemsize")?
            .extract::<u32>()?;
        let class = keep(class).cast::<PyTypeObject>();
        if let Some(num) = Num::int(bits, bits_signed)
            && scalars.iter().all(|&(known, _)| known != class)
        {
            scalars.push((class, num));
        }
    }
    for &(class, num) in &scalars {
        // SAFETY: a class that is kept alive.
        let class = unsafe { Bound::from_borrowed_ptr(py, class.cast()) };
        let number: usize = make_dtype.call1((class,))?.getattr("num")?.extract()?;
        if let Some(place) = by_number.get_mut(number) {
            *place = Some(num);
        }
    }
    let generic = keep(module.getattr("generic")?).cast();
    let found = NumPy {
        ndarray,
        generic,
        dtype,
        scalar,
        new_from_descr,
        set_base,
        descrs,
        scalars,
        by_number,
    };
    test(py, &module, &found)?;
    set_loops(gufunc_loops(&module));
    let _ = NUMPY.set(found);
    Ok(())
}

/// The start of a `PyUFuncObject`.
#[repr(C)]
struct UFunc {
    header: [usize; 2],
    nin: c_int,
    nout: c_int,
    nargs: c_int,
    identity: c_int,
    functions: *const Option<Loop>,
    data: *const *mut c_void,
    ntypes: c_int,
    reserved: c_int,
    name: *const c_char,
    types: *const c_char,
}

/// The loops of [`LOOPS`] in this NumPy.
fn gufunc_loops(numpy: &Bound<'_, PyModule>) -> Loops {
    let lapack = numpy.py().import("numpy.linalg._umath_linalg");
    let find = |row: &gufunc::Loop| {
        let module = match row.name {
            "matmul" => numpy,
            _ => lapack.as_ref().ok()?,
        };
        gufunc_loop(&module.getattr(row.name).ok()?, row)
    };
    Loops(LOOPS.iter().map(find).collect())
}

fn gufunc_loop(ufunc: &Bound<'_, PyAny>, row: &gufunc::Loop) -> Option<(Loop, *mut c_void)> {
    let signature: String = ufunc.getattr("signature").ok()?.extract().ok()?;
    if signature.replace(' ', "") != row.signature {
        return None;
    }
    // SAFETY: the structure is NumPy's by its published header, and its numbers are looked at before its
    // tables are.
    let known = unsafe { &*ufunc.as_ptr().cast::<UFunc>() };
    let count = row.types.len();
    if usize::try_from(known.nargs) != Ok(count) || known.nin + known.nout != known.nargs {
        return None;
    }
    let numbers: Option<Vec<c_char>> = row.types.bytes().map(type_number).collect();
    let numbers = numbers?;
    (0..usize::try_from(known.ntypes).ok()?).find_map(|i| {
        // SAFETY: `ntypes` functions, with as many data, and types for each.
        unsafe {
            let same = (0..count).all(|k| *known.types.add(count * i + k) == numbers[k]);
            // Some have no data at all.
            let data = if known.data.is_null() {
                core::ptr::null_mut()
            } else {
                *known.data.add(i)
            };
            Some(((*known.functions.add(i))?, data)).filter(|_| same)
        }
    })
}

/// NumPy's number of a type by its character.
fn type_number(character: u8) -> Option<c_char> {
    Some(match character {
        b'i' => 5,
        b'f' => 11,
        b'd' => 12,
        b'F' => 14,
        b'D' => 15,
        _ => return None,
    })
}

/// Compares what the structures say about known objects with what Python says.
fn test(py: Python<'_>, module: &Bound<'_, PyModule>, numpy: &NumPy) -> PyResult<()> {
    let wrong = || {
        PyImportError::new_err(
            "this NumPy lays its objects out in a way that ferdelance does not know",
        )
    };
    let same = |a: *mut PyTypeObject, b: &str| -> PyResult<bool> {
        Ok(a.cast() == module.getattr(b)?.as_ptr())
    };
    if !same(numpy.ndarray, "ndarray")? || !same(numpy.dtype, "dtype")? {
        return Err(wrong());
    }
    let whole = module.getattr("zeros")?.call1(((4, 6), "float64"))?;
    let part = whole.get_item((
        pyo3::types::PySlice::new(py, 1, 4, 2),
        pyo3::types::PySlice::new(py, 0, 6, 3),
    ))?;
    // SAFETY: arrays, just made.
    unsafe {
        let (a, b) = (
            &*whole.as_ptr().cast::<Array>(),
            &*part.as_ptr().cast::<Array>(),
        );
        let address: usize = whole.getattr("ctypes")?.getattr("data")?.extract()?;
        if a.nd != 2
            || b.nd != 2
            || a.data.addr() != address
            || b.data.addr() != address + 48
            || core::slice::from_raw_parts(b.shape, 2) != [2, 2]
            || core::slice::from_raw_parts(b.strides, 2) != [96, 24]
            || a.descr != numpy.descrs[Num::F64 as usize]
            || a.flags & (C_CONTIGUOUS | F_CONTIGUOUS | ALIGNED | WRITEABLE)
                != C_CONTIGUOUS | ALIGNED | WRITEABLE
            || b.flags & (C_CONTIGUOUS | F_CONTIGUOUS) != 0
            || numpy.descr_num(a.descr) != Some(Num::F64)
        {
            return Err(wrong());
        }
        let swapped = module.getattr("dtype")?.call1((">f8",))?;
        if numpy.descr_num(swapped.as_ptr()).is_some() {
            return Err(wrong());
        }
        if !others_are_known(module)? {
            return Err(wrong());
        }
        for &(class, num) in &numpy.scalars {
            let one = Bound::from_borrowed_ptr(py, class.cast()).call1((1,))?;
            let bytes: Vec<u8> = one.call_method0("tobytes")?.extract()?;
            let stored =
                core::slice::from_raw_parts(one.as_ptr().cast::<u8>().add(HEADER), num.bytes());
            if stored != bytes.as_slice() {
                return Err(wrong());
            }
        }
    }
    Ok(())
}

impl NumPy {
    /// The machine scalar that a dtype describes; `None` for other dtypes and foreign byte order.
    ///
    /// # Safety
    /// `descr` is a dtype.
    pub unsafe fn descr_num(&self, descr: *mut PyObject) -> Option<Num> {
        // SAFETY: tested.
        let descr = unsafe { &*descr.cast::<Descr>() };
        let native = matches!(descr.byteorder as u8, b'=' | b'|')
            || descr.byteorder as u8
                == if cfg!(target_endian = "little") {
                    b'<'
                } else {
                    b'>'
                };
        if native {
            *self.by_number.get(usize::try_from(descr.number).ok()?)?
        } else {
            None
        }
    }

    /// The dtype of a machine scalar, borrowed.
    pub fn descr(&self, num: Num) -> *mut PyObject {
        self.descrs[num as usize]
    }

    /// A scalar with a dtype, a copy of what lies in memory; null with an exception on failure.
    ///
    /// # Safety
    /// There is an item of the dtype; the GIL is held.
    pub unsafe fn make_scalar(&self, data: *mut u8, descr: *mut PyObject) -> *mut PyObject {
        // SAFETY: as promised.
        unsafe { (self.scalar)(data.cast(), descr, core::ptr::null_mut()) }
    }

    /// The machine scalar that the instances of a scalar class hold.
    pub fn scalar_num(&self, class: *mut PyTypeObject) -> Option<Num> {
        self.scalars
            .iter()
            .find(|&&(known, _)| known == class)
            .map(|&(_, num)| num)
    }

    /// Whether an object is an array, of any class.
    ///
    /// # Safety
    /// `object` is alive.
    #[inline]
    pub unsafe fn is_array(&self, object: *mut PyObject) -> bool {
        // SAFETY: alive.
        unsafe {
            let class = class(object);
            class == self.ndarray || ffi::PyType_IsSubtype(class, self.ndarray) != 0
        }
    }

    /// The type of an array; `None` if its elements are of no supported type.
    ///
    /// # Safety
    /// `object` is an array.
    pub unsafe fn array_type(
        &self,
        py: Python<'_>,
        object: *mut PyObject,
    ) -> PyResult<Option<ArrayTy>> {
        // SAFETY: tested.
        let array = unsafe { &*object.cast::<Array>() };
        // SAFETY: an array's dtype.
        let descr = unsafe { Bound::from_borrowed_ptr(py, array.descr) };
        let (Some(dtype), Ok(ndim)) = (dtypes::type_of(&descr)?, u8::try_from(array.nd)) else {
            return Ok(None);
        };
        let layout = match array.flags {
            flags if flags & C_CONTIGUOUS != 0 => Layout::C,
            flags if flags & F_CONTIGUOUS != 0 => Layout::F,
            _ => Layout::A,
        };
        Ok(Some(ArrayTy {
            dtype,
            ndim,
            layout,
            readonly: array.flags & WRITEABLE == 0,
            aligned: array.flags & ALIGNED != 0,
        }))
    }

    /// A new array over existing memory; takes over a reference to `base`, which keeps the memory. Null
    /// with an exception on failure.
    ///
    /// # Safety
    /// The memory is valid for shape and strides as long as `base` lives; the GIL is held; `descr` is a
    /// dtype.
    pub unsafe fn view(
        &self,
        descr: *mut PyObject,
        data: *mut u8,
        shape: &[isize],
        strides: &[isize],
        writeable: bool,
        base: *mut PyObject,
    ) -> *mut PyObject {
        // SAFETY: the call takes over a reference to the dtype; `base` is given to the array or released.
        unsafe {
            ffi::Py_IncRef(descr);
            let flags = if writeable { WRITEABLE } else { 0 };
            let array = (self.new_from_descr)(
                self.ndarray,
                descr,
                shape.len() as c_int,
                shape.as_ptr(),
                strides.as_ptr(),
                data.cast(),
                flags | ALIGNED,
                core::ptr::null_mut(),
            );
            if array.is_null() {
                ffi::Py_DecRef(base);
                return array;
            }
            if (self.set_base)(array, base) != 0 {
                ffi::Py_DecRef(array);
                return core::ptr::null_mut();
            }
            array
        }
    }
}

/// Where a date or duration has its unit: the number of NumPy's unit, and how many of it are one.
const TIME_UNIT: usize = HEADER + 8;
/// Where a `np.void` has its data, its dtype and its flags, behind a size.
const VOID_DATA: usize = HEADER + 8;
const VOID_DESCR: usize = HEADER + 16;
const VOID_FLAGS: usize = HEADER + 24;

/// A NumPy date or duration: the number, and what says its unit.
///
/// # Safety
/// `object` is a `np.datetime64` or `np.timedelta64`.
pub unsafe fn time_value(object: *mut PyObject) -> (i64, u64) {
    // SAFETY: tested.
    unsafe { (field(object, HEADER), field(object, TIME_UNIT)) }
}

/// The data of a `np.void`, its dtype, and whether it can be written to.
///
/// # Safety
/// `object` is a `np.void`.
pub unsafe fn void_value(object: *mut PyObject) -> (*mut u8, *mut PyObject, bool) {
    // SAFETY: tested.
    unsafe {
        let flags: c_int = field(object, VOID_FLAGS);
        (
            field(object, VOID_DATA),
            field(object, VOID_DESCR),
            flags & WRITEABLE != 0,
        )
    }
}

/// Whether dates and records lie as the functions above have it.
fn others_are_known(module: &Bound<'_, PyModule>) -> PyResult<bool> {
    let span = module.getattr("timedelta64")?.call1((5, "ms"))?;
    let other = module.getattr("timedelta64")?.call1((5, "s"))?;
    let records = module.getattr("zeros")?.call1((2, "i4,i8"))?;
    let record = records.get_item(1)?;
    let array = records.as_ptr().cast::<Array>();
    // SAFETY: objects of these classes, just made; all are larger than what is read.
    unsafe {
        let (value, unit) = time_value(span.as_ptr());
        let (data, descr, writeable) = void_value(record.as_ptr());
        Ok(value == 5
            && unit >> 32 == 1
            && unit != time_value(other.as_ptr()).1
            && data == (*array).data.add(12)
            && descr == (*array).descr
            && writeable)
    }
}

/// The start of a NumPy scalar's value.
///
/// # Safety
/// `object` is a NumPy scalar of the type.
#[inline(always)]
pub unsafe fn scalar_value<T: Copy>(object: *mut PyObject) -> T {
    // SAFETY: tested for every scalar class.
    unsafe { field(object, HEADER) }
}
