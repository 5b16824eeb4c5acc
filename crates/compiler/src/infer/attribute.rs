//! Typing of attributes and methods.

use super::op::ty_of;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::{Name, Value};
use crate::host::Const;
use crate::types::{ArrayTy, Facet, Field, Kind, Layout, Ty};

/// Methods by the kind of their receiver: what `x.name` may be called as.
pub(super) const NUMBER_METHODS: &[&str] = &[
    "conjugate",
    "item",
    "view",
    "astype",
    "conj",
    "round",
    "clip",
    "min",
    "max",
    "is_integer",
    "as_integer_ratio",
    "bit_count",
];
const UFUNC_METHODS: &[&str] = &["at", "outer", "reduce", "accumulate", "reduceat"];
pub(super) const ARRAY_METHODS: &[&str] = &[
    "fill",
    "nonzero",
    "item",
    "tolist",
    "tobytes",
    "trace",
    "byteswap",
    "sum",
    "prod",
    "min",
    "max",
    "any",
    "all",
    "argmin",
    "argmax",
    "mean",
    "std",
    "var",
    "ptp",
    "clip",
    "round",
    "conj",
    "conjugate",
    "dot",
    "cumsum",
    "cumprod",
    "sort",
    "argsort",
    "partition",
    "argpartition",
    "searchsorted",
    "repeat",
    "take",
    "put",
    "compress",
    "choose",
];
const SLICE_METHODS: &[&str] = &["indices"];
const RECORD_METHODS: &[&str] = &["copy", "item"];
const TIME_METHODS: &[&str] = &["astype", "view"];
pub(super) const TUPLE_METHODS: &[&str] = &["index", "count"];

impl Session<'_> {
    pub(super) fn attribute(&mut self, frame: &Frame, value: Value, name: &Name) -> Result<AbsVal> {
        let value = frame.val(value).clone();
        let ty = ty_of(&value);
        if let Kind::Module(module) = ty.kind() {
            return self.module_attribute(frame, module, name);
        }
        if let Some(found) = plain_attribute(&value, ty, name) {
            return Ok(found);
        }
        if has_method(ty, name) {
            return Ok(AbsVal {
                ty: Some(Ty::new(Kind::Method(ty, (&**name).into()))),
                constant: None,
            });
        }
        let error = frame.error(
            Code::UnknownAttribute,
            format!("{ty} has no attribute `{name}`"),
        );
        let known = known_attributes(ty);
        Err(match nearest(name, &known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    fn module_attribute(&mut self, frame: &Frame, module: &str, name: &Name) -> Result<AbsVal> {
        let found = self
            .host
            .module(module)
            .and_then(|m| self.host.attribute(m, name));
        let Some(object) = found else {
            // The prelude runs without the module being imported.
            if frame.module.scope == crate::hir::Scope::Prelude {
                return Ok(super::builtins::by_name(&format!("{module}.{name}")));
            }
            return Err(frame.error(
                Code::UnknownAttribute,
                format!("module `{module}` has no attribute `{name}`"),
            ));
        };
        self.describe(object).map_err(|mut e| {
            e.message = format!("`{module}.{name}`: {}", e.message);
            e.label(&frame.module.source, frame.span, "")
        })
    }
}

pub(super) fn int_tuple(n: u8) -> Ty {
    Ty::tuple(&vec![Ty::py_int(); usize::from(n)])
}

/// Attributes that are values.
pub(super) fn plain_attribute(value: &AbsVal, ty: Ty, name: &str) -> Option<AbsVal> {
    match ty.kind() {
        Kind::Bool | Kind::Int { .. } | Kind::Float { .. } => match name {
            "real" | "imag" => Some(AbsVal::of(if ty.is_bool() { Ty::py_int() } else { ty })),
            _ => scalar_attribute(ty, name),
        },
        Kind::Complex { .. } => match name {
            "real" | "imag" => Some(AbsVal::of(ty.part())),
            _ => scalar_attribute(ty, name),
        },
        Kind::Time { .. } => scalar_attribute(ty, name),
        Kind::Record(record) => match record.field(name) {
            Some(field) => Some(AbsVal::of(super::record::field_type(ty, field))),
            None => scalar_attribute(ty, name),
        },
        Kind::Array(a) => match field_attribute(*a, name) {
            Some(field) => Some(AbsVal::of(super::record::field_type(ty, field))),
            None => array_attribute(*a, name),
        },
        Kind::Buffer(_, a) => super::buffer::plain_attribute(*a, name),
        Kind::Builtin(object) => super::limits::attribute(object, name),
        Kind::NamedTuple(class, items) => {
            let i = class.fields.iter().position(|f| **f == *name)?;
            let constant = match &value.constant {
                Some(Const::Tuple(constants)) => constants.get(i).cloned(),
                _ => None,
            };
            Some(AbsVal {
                ty: Some(items[i]),
                constant,
            })
        }
        Kind::Range(t, step) => match name {
            "start" | "stop" => Some(AbsVal::of(*t)),
            "step" => Some(match step {
                Some(s) => AbsVal::constant(*t, Const::Int(i128::from(*s))),
                None => AbsVal::of(*t),
            }),
            _ => None,
        },
        Kind::Dtype(t) => match name {
            "itemsize" => Some(AbsVal::literal(Const::Int(i128::from(t.itemsize())))),
            "type" => Some(AbsVal::of(Ty::new(Kind::Class(*t)))),
            "names" => super::record::names(*t),
            "name" | "kind" | "char" | "str" => super::dtypes::text(*t, name),
            _ => dtype_attribute(*t, name).map(AbsVal::literal),
        },
        Kind::Slice(parts) => {
            let index = ["start", "stop", "step"].iter().position(|n| *n == name)?;
            let constant = match &value.constant {
                Some(Const::Tuple(constants)) => constants.get(index).cloned(),
                _ => None,
            };
            Some(AbsVal {
                ty: Some(if parts[index] {
                    Ty::py_int()
                } else {
                    Ty::none()
                }),
                constant,
            })
        }
        Kind::Grid(parts) => {
            let index = ["start", "stop", "step"].iter().position(|n| *n == name)?;
            Some(AbsVal::of(parts[index]))
        }
        Kind::Facet(Facet::Ctypes, _) => (name == "data").then(|| AbsVal::of(Ty::py_int())),
        Kind::Facet(Facet::Flags, array) => flag(array.as_array()?, name),
        _ => None,
    }
}

/// What NumPy's scalars have of arrays.
fn scalar_attribute(ty: Ty, name: &str) -> Option<AbsVal> {
    let int = |i: u32| Some(AbsVal::literal(Const::Int(i128::from(i))));
    match name {
        "itemsize" | "nbytes" => int(ty.itemsize()),
        "size" => int(1),
        "ndim" => int(0),
        "shape" => Some(AbsVal::of(Ty::tuple(&[]))),
        "dtype" => Some(AbsVal::of(Ty::new(Kind::Dtype(ty.strong())))),
        _ => None,
    }
}

/// The field of an array of records that an attribute is: what all arrays have goes first.
pub fn field_attribute(a: ArrayTy, name: &str) -> Option<&'static Field> {
    let field = a.dtype.as_record()?.field(name)?;
    (array_attribute(a, name).is_none() && !ARRAY_METHODS.contains(&name)).then_some(field)
}

pub(super) fn array_attribute(a: ArrayTy, name: &str) -> Option<AbsVal> {
    Some(match name {
        "shape" | "strides" => AbsVal::of(int_tuple(a.ndim)),
        "size" | "nbytes" => AbsVal::of(Ty::py_int()),
        "ndim" => AbsVal::literal(Const::Int(i128::from(a.ndim))),
        "itemsize" => AbsVal::literal(Const::Int(i128::from(a.dtype.itemsize()))),
        "dtype" => AbsVal::of(Ty::new(Kind::Dtype(a.dtype))),
        "T" => {
            let layout = match a.layout {
                Layout::C if a.ndim > 1 => Layout::F,
                Layout::F if a.ndim > 1 => Layout::C,
                same => same,
            };
            AbsVal::of(ArrayTy { layout, ..a }.ty())
        }
        "real" | "imag" if a.dtype.is_complex() => AbsVal::of(
            ArrayTy {
                dtype: a.dtype.part(),
                layout: Layout::A,
                ..a
            }
            .ty(),
        ),
        "mT" if a.ndim >= 2 => {
            let mut order: Vec<usize> = (0..usize::from(a.ndim)).collect();
            let n = order.len();
            order.swap(n - 1, n - 2);
            let layout = super::views::layout_of(a, &super::views::permuted(order));
            AbsVal::of(ArrayTy { layout, ..a }.ty())
        }
        "flat" => AbsVal::of(Ty::new(Kind::Facet(Facet::Flat, a.ty()))),
        "flags" => AbsVal::of(Ty::new(Kind::Facet(Facet::Flags, a.ty()))),
        "ctypes" => AbsVal::of(Ty::new(Kind::Facet(Facet::Ctypes, a.ty()))),
        "real" if a.dtype.is_scalar() => AbsVal::of(a.ty()),
        // Nothing but zeros.
        "imag" if a.dtype.is_scalar() => AbsVal::of(
            ArrayTy {
                layout: Layout::C,
                readonly: true,
                aligned: true,
                ..a
            }
            .ty(),
        ),
        _ => return None,
    })
}

/// Numbers that describe a dtype.
fn dtype_attribute(t: Ty, name: &str) -> Option<Const> {
    let number = match name {
        "num" => match (t.kind(), t.bits()) {
            (Kind::Bool, _) => 0,
            (Kind::Int { signed, .. }, bits) => {
                2 * i128::from(bits.trailing_zeros() - 3) + if *signed { 1 } else { 2 }
            }
            (Kind::Float { .. }, bits) => match bits {
                16 => 23,
                32 => 11,
                _ => 12,
            },
            (Kind::Complex { .. }, bits) => {
                if bits == 64 {
                    14
                } else {
                    15
                }
            }
            _ => return None,
        },
        "alignment" => i128::from(if t.is_complex() {
            t.itemsize() / 2
        } else {
            t.itemsize()
        }),
        _ => return None,
    };
    Some(Const::Int(number))
}

/// What is known of a flag by the array's type.
pub(super) fn flag(a: ArrayTy, name: &str) -> Option<AbsVal> {
    Some(match name {
        "contiguous" | "c_contiguous" if a.layout == Layout::C => AbsVal::bool(true),
        "f_contiguous" if a.layout == Layout::F || a.layout == Layout::C && a.ndim <= 1 => {
            AbsVal::bool(true)
        }
        "contiguous" | "c_contiguous" | "f_contiguous" => AbsVal::of(Ty::bool()),
        "writeable" => AbsVal::bool(!a.readonly),
        "aligned" => AbsVal::bool(a.aligned),
        _ => return None,
    })
}

fn methods(ty: Ty) -> &'static [&'static str] {
    match ty.kind() {
        Kind::Bool | Kind::Int { .. } | Kind::Float { .. } | Kind::Complex { .. } => NUMBER_METHODS,
        Kind::Time { .. } => TIME_METHODS,
        Kind::Record(_) => RECORD_METHODS,
        Kind::Slice(_) => SLICE_METHODS,
        Kind::Array(_) => ARRAY_METHODS,
        Kind::Tuple(_) | Kind::NamedTuple(..) => TUPLE_METHODS,
        Kind::List(_) => super::list::METHODS,
        _ if let Some(methods) = super::dict::methods(ty) => methods,
        Kind::Keyed(..) => super::keyed::METHODS,
        Kind::Generator(_) => super::generator::METHODS,
        Kind::Buffer(..) => super::buffer::METHODS,
        Kind::Builtin(name) if super::ufunc::with_outer(name).is_some() => UFUNC_METHODS,
        _ => &[],
    }
}

fn has_method(ty: Ty, name: &str) -> bool {
    methods(ty).contains(&name) || ty.as_array().is_some() && super::views::METHODS.contains(&name)
}

fn known_attributes(ty: Ty) -> Vec<String> {
    const ALL: [&str; 12] = [
        "real", "imag", "shape", "strides", "size", "nbytes", "ndim", "itemsize", "dtype", "T",
        "start", "stop",
    ];
    let mut out: Vec<String> = ALL
        .iter()
        .filter(|n| plain_attribute(&AbsVal::of(ty), ty, n).is_some())
        .map(ToString::to_string)
        .collect();
    if let Some(record) = ty.as_array().map_or(ty, |a| a.dtype).as_record() {
        out.extend(record.fields.iter().map(|f| f.name.to_string()));
    }
    if let Kind::NamedTuple(class, _) = ty.kind() {
        out.extend(class.fields.iter().map(ToString::to_string));
    }
    out.extend(methods(ty).iter().map(ToString::to_string));
    out
}

/// The known name that is most like `name`, if one is close.
pub(super) fn nearest(name: &str, known: &[String]) -> Option<String> {
    let limit = name.chars().count().div_ceil(3);
    let (distance, best) = known.iter().map(|k| (edit_distance(name, k), k)).min()?;
    (distance <= limit).then(|| best.clone())
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_close_names_only() {
        let known = ["shape".to_string(), "size".to_string()];
        assert_eq!(nearest("shap", &known).as_deref(), Some("shape"));
        assert_eq!(nearest("no_such_attribute", &known), None);
    }
}
