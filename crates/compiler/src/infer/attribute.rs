//! Typing of attributes and methods.

use super::op::ty_of;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::{Name, Value};
use crate::host::Const;
use crate::types::{ArrayTy, Kind, Layout, Ty};

/// Methods by the kind of their receiver: what `x.name` may be called as.
pub(super) const NUMBER_METHODS: &[&str] = &[
    "conjugate", "item", "view", "astype", "conj", "round", "clip", "min", "max", "is_integer", "as_integer_ratio", "bit_count",
];
const UFUNC_METHODS: &[&str] = &["outer"];
pub(super) const ARRAY_METHODS: &[&str] = &[
    "fill", "sum", "prod", "min", "max", "any", "all", "argmin", "argmax", "mean", "std", "var", "ptp", "clip", "round",
    "conj", "conjugate", "dot",
];
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
            return Ok(AbsVal { ty: Some(Ty::new(Kind::Method(ty, (&**name).into()))), constant: None });
        }
        let error = frame.error(Code::UnknownAttribute, format!("{ty} has no attribute `{name}`"));
        let known = known_attributes(ty);
        Err(match nearest(name, &known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    fn module_attribute(&mut self, frame: &Frame, module: &str, name: &Name) -> Result<AbsVal> {
        let found = self.host.module(module).and_then(|m| self.host.attribute(m, name));
        let Some(object) = found else {
            // The prelude runs without the module being imported.
            if frame.module.scope == crate::hir::Scope::Prelude {
                return Ok(super::builtins::by_name(&format!("{module}.{name}")));
            }
            return Err(frame.error(Code::UnknownAttribute, format!("module `{module}` has no attribute `{name}`")));
        };
        self.describe(object).map_err(|mut e| {
            e.message = format!("`{module}.{name}`: {}", e.message);
            e.label(&frame.module.source, frame.span, "")
        })
    }
}

fn int_tuple(n: u8) -> Ty {
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
        Kind::Array(a) => array_attribute(*a, name),
        Kind::Builtin(object) => super::limits::attribute(object, name),
        Kind::NamedTuple(class, items) => {
            let i = class.fields.iter().position(|f| **f == *name)?;
            let constant = match &value.constant {
                Some(Const::Tuple(constants)) => constants.get(i).cloned(),
                _ => None,
            };
            Some(AbsVal { ty: Some(items[i]), constant })
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
            "name" | "kind" | "char" | "str" => super::dtypes::text(*t, name),
            _ => None,
        },
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

fn array_attribute(a: ArrayTy, name: &str) -> Option<AbsVal> {
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
        "real" | "imag" if a.dtype.is_complex() => AbsVal::of(ArrayTy { dtype: a.dtype.part(), layout: Layout::A, ..a }.ty()),
        "real" => AbsVal::of(a.ty()),
        // Nothing but zeros.
        "imag" => AbsVal::of(ArrayTy { layout: Layout::C, readonly: true, aligned: true, ..a }.ty()),
        _ => return None,
    })
}

fn methods(ty: Ty) -> &'static [&'static str] {
    match ty.kind() {
        Kind::Bool | Kind::Int { .. } | Kind::Float { .. } | Kind::Complex { .. } => NUMBER_METHODS,
        Kind::Time { .. } => TIME_METHODS,
        Kind::Array(_) => ARRAY_METHODS,
        Kind::Tuple(_) | Kind::NamedTuple(..) => TUPLE_METHODS,
        Kind::List(_) => super::list::METHODS,
        Kind::Builtin(name) if super::ufunc::with_outer(name).is_some() => UFUNC_METHODS,
        _ => &[],
    }
}

fn has_method(ty: Ty, name: &str) -> bool {
    methods(ty).contains(&name)
}

fn known_attributes(ty: Ty) -> Vec<String> {
    const ALL: [&str; 12] =
        ["real", "imag", "shape", "strides", "size", "nbytes", "ndim", "itemsize", "dtype", "T", "start", "stop"];
    let mut out: Vec<String> =
        ALL.iter().filter(|n| plain_attribute(&AbsVal::of(ty), ty, n).is_some()).map(ToString::to_string).collect();
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
