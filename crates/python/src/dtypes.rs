//! NumPy's dtypes and the types of items: those that are machine scalars are in tables of
//! [`crate::numpy`]; dates, durations and records are described by their dtype objects.

use ferdelance_compiler::types::{Field, Kind, Record, Ty, Unit};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::handles::Pins;
use crate::num::Num;
use crate::numpy::numpy;

/// How items of arrays are recognised, and given a dtype.
#[derive(Clone, Copy)]
pub struct Item {
    /// The usual dtype object; others may mean the same. Kept alive by the tables, or by pins.
    pub descr: *mut PyObject,
    num: Option<Num>,
}

impl Item {
    /// The items of arrays with elements of a type; `None` if there are no such arrays.
    pub fn of(py: Python<'_>, ty: Ty, pins: &mut Pins) -> Option<Item> {
        if let Some(num) = Num::of(ty) {
            let descr = numpy().descr(num);
            return Some(Item {
                descr,
                num: Some(num),
            });
        }
        let descr = make(py, ty).ok()?;
        pins.add(&descr);
        Some(Item {
            descr: descr.as_ptr(),
            num: None,
        })
    }

    /// Whether a dtype means such items.
    ///
    /// # Safety
    /// `descr` is a dtype, and alive; the GIL is held.
    #[inline(always)]
    pub unsafe fn is(&self, descr: *mut PyObject) -> bool {
        // SAFETY: as promised.
        descr == self.descr || unsafe { self.means(descr) }
    }

    unsafe fn means(&self, descr: *mut PyObject) -> bool {
        // SAFETY: dtypes compare without running foreign code.
        unsafe {
            if self.num.is_some() {
                return numpy().descr_num(descr) == self.num;
            }
            let same = ffi::PyObject_RichCompareBool(descr, self.descr, ffi::Py_EQ);
            if same < 0 {
                ffi::PyErr_Clear();
            }
            same == 1
        }
    }
}

/// The type of items with a dtype; `None` if compiled code has none.
pub fn type_of(dtype: &Bound<'_, PyAny>) -> PyResult<Option<Ty>> {
    // SAFETY: a dtype, as the caller says.
    if let Some(num) = unsafe { numpy().descr_num(dtype.as_ptr()) } {
        return Ok(Some(num.ty()));
    }
    if !dtype.getattr("isnative")?.extract::<bool>()? {
        return Ok(None);
    }
    let kind: char = dtype.getattr("kind")?.extract()?;
    match kind {
        'M' | 'm' => {
            let data = dtype
                .py()
                .import("numpy")?
                .call_method1("datetime_data", (dtype,))?;
            let (unit, count): (String, i64) = data.extract()?;
            let unit = Unit::by_name(&unit).filter(|_| count == 1);
            Ok(unit.map(|unit| Ty::time(kind == 'm', unit)))
        }
        'S' | 'U' => {
            let size: u32 = dtype.getattr("itemsize")?.extract()?;
            let unicode = kind == 'U';
            let count = if unicode { size / 4 } else { size };
            Ok((count > 0).then(|| Ty::new(Kind::Chars { unicode, count })))
        }
        'V' if !dtype.getattr("names")?.is_none() => record(dtype),
        _ => Ok(None),
    }
}

fn record(dtype: &Bound<'_, PyAny>) -> PyResult<Option<Ty>> {
    let fields = dtype.getattr("fields")?;
    let names: Vec<String> = dtype.getattr("names")?.extract()?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let field = fields.get_item(&name)?.cast_into::<PyTuple>()?;
        let mut item = field.get_item(0)?;
        let mut shape: Vec<u32> = Vec::new();
        let sub = item.getattr("subdtype")?;
        if !sub.is_none() {
            shape = sub.get_item(1)?.extract()?;
            item = sub.get_item(0)?;
        }
        let Some(ty) = type_of(&item)? else {
            return Ok(None);
        };
        let title = match field.len() {
            3 => field.get_item(2)?.extract::<String>().ok(),
            _ => None,
        };
        all.push(Field {
            name: name.into(),
            title: title.map(Into::into),
            ty,
            shape: shape.into(),
            offset: field.get_item(1)?.extract()?,
        });
    }
    Ok(Some(Ty::new(Kind::Record(Box::new(Record {
        fields: all.into(),
        size: dtype.getattr("itemsize")?.extract()?,
        aligned: dtype.getattr("isalignedstruct")?.extract()?,
        readonly: false,
    })))))
}

/// The dtype of items of a type. Raises TypeError if arrays have no such items.
pub fn make<'py>(py: Python<'py>, ty: Ty) -> PyResult<Bound<'py, PyAny>> {
    if let Some(num) = Num::of(ty) {
        // SAFETY: kept alive for good.
        return Ok(unsafe { Bound::from_borrowed_ptr(py, numpy().descr(num)) });
    }
    let make_dtype = py.import("numpy")?.getattr("dtype")?;
    match ty.kind() {
        Kind::Time { .. } => make_dtype.call1((ty.to_string(),)),
        Kind::Chars { unicode, count } => {
            make_dtype.call1((format!("{}{count}", if *unicode { 'U' } else { 'S' }),))
        }
        Kind::Record(record) => {
            let parts = PyDict::new(py);
            let all = || record.fields.iter();
            let formats = all()
                .map(|field| {
                    let item = make(py, field.ty)?;
                    if field.shape.is_empty() {
                        return Ok(item);
                    }
                    make_dtype.call1(((item, PyTuple::new(py, &field.shape)?),))
                })
                .collect::<PyResult<Vec<_>>>()?;
            parts.set_item("names", PyList::new(py, all().map(|field| &*field.name))?)?;
            parts.set_item("formats", PyList::new(py, formats)?)?;
            parts.set_item("offsets", PyList::new(py, all().map(|field| field.offset))?)?;
            parts.set_item("itemsize", record.size)?;
            if all().any(|field| field.title.is_some()) {
                parts.set_item(
                    "titles",
                    PyList::new(py, all().map(|field| field.title.as_deref()))?,
                )?;
            }
            make_dtype.call1((parts, record.aligned))
        }
        _ => Err(PyTypeError::new_err(format!(
            "{ty} is no type of items of arrays"
        ))),
    }
}
