//! Typing of NumPy's functions: array creation; element-wise functions are in [`super::ufunc`].

use super::call::{ArgRef, Resolution};
use super::intrinsic::{Fill, Intrinsic, ShapeFrom};
use super::op::{plain, ty_of};
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::{ArrayTy, Kind, Layout, Ty, Unit};
use crate::ufunc;

type Resolved = (AbsVal, Resolution);

/// Arguments by parameter name.
pub(super) struct Args<'a> {
    pub names: &'static [&'static str],
    pub args: &'a [ArgRef],
    pub keywords: &'a [(Name, ArgRef)],
}

impl<'a> Args<'a> {
    pub fn get(&self, name: &str) -> Option<&'a ArgRef> {
        let i = self.names.iter().position(|n| *n == name)?;
        self.args.get(i).or_else(|| {
            self.keywords
                .iter()
                .find(|(n, _)| **n == *name)
                .map(|(_, a)| a)
        })
    }

    /// A keyword or a surplus argument that the function does not have.
    pub fn unknown(&self) -> Option<String> {
        if self.args.len() > self.names.len() {
            return Some(format!("{} arguments", self.args.len()));
        }
        self.keywords
            .iter()
            .find(|(n, _)| !self.names.contains(&&**n))
            .map(|(n, _)| format!("argument `{n}`"))
    }
}

impl Session<'_> {
    /// A call of `numpy.<name>`; `None` if it is none of those below.
    pub(super) fn call_numpy(
        &mut self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<Resolved>> {
        let resolved = |ty: Ty, what: Intrinsic, args: Vec<ArgRef>| {
            Ok(Some((
                AbsVal::of(ty),
                Resolution::Intrinsic {
                    what,
                    args,
                    keywords: vec![],
                },
            )))
        };
        if let Some(found) = self.make_array(frame, name, args, keywords)? {
            return Ok(Some(found));
        }
        if let Some(found) = self.view_function(frame, name, None, args, keywords)? {
            return Ok(Some(found));
        }
        if let Some(found) = self.join(frame, name, args, keywords)? {
            return Ok(Some(found));
        }
        match name {
            "empty" | "zeros" | "ones" => {
                let a = Args {
                    names: &["shape", "dtype", "order"],
                    args,
                    keywords,
                };
                let fill = fill_of(name);
                let dtype = dtype(frame, a.get("dtype"), Ty::float(64))?;
                let (ty, shape) = new_array(frame, name, &a, dtype)?;
                check_fill(frame, name, fill, dtype)?;
                resolved(
                    ty,
                    Intrinsic::NewArray {
                        fill,
                        dtype,
                        shape: ShapeFrom::Argument,
                    },
                    vec![shape],
                )
            }
            "full" => {
                let a = Args {
                    names: &["shape", "fill_value", "dtype", "order"],
                    args,
                    keywords,
                };
                let Some(value) = a.get("fill_value") else {
                    return Err(missing(frame, name, "fill_value"));
                };
                if !plain(value.ty()).is_item() {
                    return Ok(None);
                }
                let dtype = dtype(frame, a.get("dtype"), value.ty().strong())?;
                let (ty, shape) = new_array(frame, name, &a, dtype)?;
                resolved(
                    ty,
                    Intrinsic::NewArray {
                        fill: Fill::Value,
                        dtype,
                        shape: ShapeFrom::Argument,
                    },
                    vec![shape, value.clone()],
                )
            }
            "full_like" if args.get(1).is_some_and(|v| !plain(v.ty()).is_item()) => Ok(None),
            "empty_like" | "zeros_like" | "ones_like" | "full_like" => {
                self.like(frame, name, args, keywords).map(Some)
            }
            "datetime64" | "timedelta64" => {
                super::time::construct(frame, name == "timedelta64", args, keywords).map(Some)
            }
            "_gufunc" if args.len() > 1 => super::linalg::call_gufunc(frame, args).map(Some),
            "einsum" => super::einsum::call(frame, args, keywords),
            "dot" | "matmul" => self.call_product(frame, name, args, keywords),
            "ndindex" | "ndenumerate" | "nditer" => {
                super::walk::construct(frame, name, args, keywords).map(Some)
            }
            "_memory" | "_buffer" => Ok(super::buffer::retyped(name, args)),
            // What a function of the prelude does not take.
            "_refuse" => {
                let reason = match args.first().map(|a| &a.abs.constant) {
                    Some(Some(Const::Str(text))) => &**text,
                    _ => "these arguments cannot be compiled",
                };
                Err(frame.error(Code::BadArguments, reason))
            }
            _ if let Some(func) = super::rows::function(name) => {
                super::rows::call(frame, func, args).map(Some)
            }
            "arange" => arange(frame, args, keywords).map(Some),
            "shape" | "size" | "ndim"
                if keywords.is_empty()
                    && args.len() == 1
                    && plain(args[0].ty()).as_array().is_some() =>
            {
                let arg = &args[0];
                let Some(array) = plain(arg.ty()).as_array() else {
                    return Ok(None);
                };
                let Some(found) = super::attribute::plain_attribute(&arg.abs, array.ty(), name)
                else {
                    return Ok(None);
                };
                let what = Intrinsic::Attribute(name.into());
                Ok(Some((
                    found,
                    Resolution::Intrinsic {
                        what,
                        args: args.to_vec(),
                        keywords: vec![],
                    },
                )))
            }
            "dtype" if args.len() == 1 => resolved(
                Ty::new(Kind::Dtype(dtype(frame, args.first(), Ty::float(64))?)),
                Intrinsic::Known,
                vec![],
            ),
            "ndim"
                if args.len() == 1
                    && keywords.is_empty()
                    && super::creation::nested(args[0].ty()).is_some() =>
            {
                let ndim = super::creation::nested(args[0].ty()).map_or(0, |(_, n)| n);
                Ok(Some((
                    AbsVal::literal(Const::Int(i128::from(ndim))),
                    Resolution::Intrinsic {
                        what: Intrinsic::Known,
                        args: vec![],
                        keywords: vec![],
                    },
                )))
            }
            "shape"
                if args.len() == 1 && keywords.is_empty() && plain(args[0].ty()).is_scalar() =>
            {
                resolved(Ty::tuple(&[]), Intrinsic::Known, vec![])
            }
            "isscalar" if args.len() == 1 && keywords.is_empty() => {
                let ty = args[0].ty();
                let is = ty.is_scalar() || ty.is_time() || ty.is_str() || ty.is_bytes();
                Ok(Some((
                    AbsVal::bool(is || matches!(ty.kind(), Kind::Chars { .. })),
                    Resolution::Intrinsic {
                        what: Intrinsic::Known,
                        args: vec![],
                        keywords: vec![],
                    },
                )))
            }
            "iscomplexobj" | "isrealobj" | "_typestr" | "_is_weak" | "_is_constant" => {
                let ([arg], []) = (args, keywords) else {
                    return Ok(None);
                };
                let ty = plain(arg.ty());
                let ty = ty.as_array().map_or(ty, |a| a.dtype);
                let value = match name {
                    "_is_weak" => AbsVal::bool(ty.is_weak()),
                    "_is_constant" => AbsVal::bool(arg.abs.constant.is_some()),
                    "_typestr" => AbsVal::literal(Const::Str(typestr(ty).into())),
                    _ => AbsVal::bool(ty.is_complex() == (name == "iscomplexobj")),
                };
                Ok(Some((
                    value,
                    Resolution::Intrinsic {
                        what: Intrinsic::Known,
                        args: vec![],
                        keywords: vec![],
                    },
                )))
            }
            "issubdtype" | "result_type" | "promote_types" | "can_cast" if keywords.is_empty() => {
                let value = super::dtypes::relation(frame, name, args)?;
                Ok(value.map(|v| {
                    (
                        v,
                        Resolution::Intrinsic {
                            what: Intrinsic::Known,
                            args: vec![],
                            keywords: vec![],
                        },
                    )
                }))
            }
            "finfo" | "iinfo" => {
                let ([arg], []) = (args, keywords) else {
                    return Ok(None);
                };
                let value = super::limits::describe(frame, name, arg)?;
                Ok(Some((
                    value,
                    Resolution::Intrinsic {
                        what: Intrinsic::Known,
                        args: vec![],
                        keywords: vec![],
                    },
                )))
            }
            // Without the two choices, it is about positions.
            "nonzero" | "where" if args.len() == 1 && keywords.is_empty() => {
                let Some(array) = super::creation::as_array(args[0].ty()).filter(|a| a.ndim > 0)
                else {
                    return Ok(None);
                };
                let indices = Ty::array(Ty::int(64, true), 1, Layout::C);
                resolved(
                    Ty::tuple(&vec![indices; usize::from(array.ndim)]),
                    Intrinsic::Nonzero,
                    args.to_vec(),
                )
            }
            // The prelude's: choices that there is no loop for.
            "where"
                if args.len() + keywords.len() != 3
                    || args.iter().any(|a| is_array_of_references(a.ty())) =>
            {
                Ok(None)
            }
            "equal" | "not_equal" if args.iter().any(|a| is_array_of_references(a.ty())) => {
                Ok(None)
            }
            _ => {
                if let Some(array) = args.first().filter(|a| plain(a.ty()).as_array().is_some())
                    && let Some(found) =
                        self.reduction(frame, name, &array.abs, Some(array), &args[1..], keywords)?
                {
                    return Ok(Some(found));
                }
                match ufunc::by_name(name) {
                    Some(row) if name == "where" => {
                        self.call_where(frame, row, args, keywords).map(Some)
                    }
                    Some(row) => self.call_ufunc(frame, row, args, keywords).map(Some),
                    None => Ok(None),
                }
            }
        }
    }

    fn like(
        &mut self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Resolved> {
        let names: &'static [&'static str] = if name == "full_like" {
            &["a", "fill_value", "dtype", "order", "subok", "shape"]
        } else {
            &["a", "dtype", "order", "subok", "shape"]
        };
        let a = Args {
            names,
            args,
            keywords,
        };
        if let Some(what) = a.unknown() {
            return Err(frame.error(Code::BadArguments, format!("np.{name}() takes no {what}")));
        }
        let Some(model) = a.get("a") else {
            return Err(missing(frame, name, "a"));
        };
        let Some(array) = super::creation::as_array(model.ty()) else {
            return Err(frame.error(
                Code::BadArguments,
                format!("np.{name}() takes an array, not {}", model.ty()),
            ));
        };
        let dtype = dtype(frame, a.get("dtype"), array.dtype)?;
        // A copy of a strided array is laid out in C order here, as NumPy does for arrays without an order.
        let layout = order(frame, name, a.get("order"))?
            .unwrap_or_else(|| super::creation::kept_layout(array));
        let shape = a.get("shape").filter(|s| !s.ty().is_none());
        let (ndim, from, first) = match shape {
            Some(shape) => (shape_rank(frame, shape.ty())?, ShapeFrom::Argument, shape),
            None => (array.ndim, ShapeFrom::Like, model),
        };
        let ty = super::creation::new_like(ArrayTy { ndim, ..array }, dtype, layout).ty();
        let mut list = vec![first.clone()];
        if let Some(value) = a.get("fill_value") {
            list.push(value.clone());
        }
        let what = Intrinsic::NewArray {
            fill: fill_of(name),
            dtype,
            shape: from,
        };
        Ok((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what,
                args: list,
                keywords: vec![],
            },
        ))
    }
}

fn fill_of(name: &str) -> Fill {
    if name.starts_with("zeros") {
        Fill::Zero
    } else if name.starts_with("ones") {
        Fill::One
    } else if name.starts_with("full") {
        Fill::Value
    } else {
        Fill::Nothing
    }
}

/// There is no record that is one.
fn check_fill(frame: &Frame, name: &str, fill: Fill, dtype: Ty) -> Result<()> {
    match (fill, dtype.as_record()) {
        (Fill::One, Some(_)) => Err(frame.error(
            Code::BadArguments,
            format!("np.{name}() cannot fill items of type {dtype}"),
        )),
        _ => Ok(()),
    }
}

fn missing(frame: &Frame, name: &str, param: &str) -> Box<crate::diag::Diagnostic> {
    frame.error(
        Code::ArgumentCount,
        format!("np.{name}() misses its argument `{param}`"),
    )
}

/// The number of dimensions of a shape.
fn shape_rank(frame: &Frame, ty: Ty) -> Result<u8> {
    match ty.kind() {
        Kind::Int { .. } => Ok(1),
        Kind::Tuple(items) | Kind::NamedTuple(_, items) if items.iter().all(|t| t.is_int()) => {
            Ok(items.len() as u8)
        }
        _ => Err(frame.error(
            Code::BadArguments,
            format!("a shape is an integer or a tuple of integers, not {ty}"),
        )),
    }
}

/// The array type of `np.zeros(shape, dtype, order)` and the shape argument.
fn new_array(frame: &Frame, name: &str, a: &Args<'_>, dtype: Ty) -> Result<(Ty, ArgRef)> {
    if let Some(what) = a.unknown() {
        return Err(frame.error(Code::BadArguments, format!("np.{name}() takes no {what}")));
    }
    let Some(shape) = a.get("shape") else {
        return Err(missing(frame, name, "shape"));
    };
    let ndim = shape_rank(frame, shape.ty())?;
    let layout = order(frame, name, a.get("order"))?.unwrap_or(Layout::C);
    let array = ArrayTy {
        dtype,
        ndim,
        layout: if ndim <= 1 { Layout::C } else { layout },
        readonly: false,
        aligned: true,
    };
    Ok((array.ty(), shape.clone()))
}

/// The memory order that an `order` argument asks for; `None` where it leaves that open.
pub(super) fn order(frame: &Frame, name: &str, arg: Option<&ArgRef>) -> Result<Option<Layout>> {
    match arg.map(|o| &o.abs.constant) {
        None | Some(Some(Const::None)) => Ok(None),
        Some(Some(Const::Str(s))) if &**s == "C" => Ok(Some(Layout::C)),
        Some(Some(Const::Str(s))) if &**s == "F" => Ok(Some(Layout::F)),
        Some(Some(Const::Str(s))) if matches!(&**s, "A" | "K") => Ok(None),
        Some(_) => Err(frame.error(
            Code::NotConstant,
            format!("the order of {name}() must be the constant 'C' or 'F'"),
        )),
    }
}

/// The element type that a `dtype` argument names.
pub(super) fn dtype(frame: &Frame, arg: Option<&ArgRef>, default: Ty) -> Result<Ty> {
    match arg {
        Some(arg) => dtype_of(frame, &arg.abs, default),
        None => Ok(default.strong()),
    }
}

/// The element type that a value names; the default for None.
pub(super) fn dtype_of(frame: &Frame, value: &AbsVal, default: Ty) -> Result<Ty> {
    let ty = ty_of(value);
    match (ty.kind(), &value.constant) {
        (Kind::Class(t) | Kind::Dtype(t), _) if t.is_item() => Ok(t.strong()),
        (Kind::Builtin(name), _)
            if super::time::by_name(name.trim_start_matches("numpy.")).is_some() =>
        {
            Ok(Ty::time(name.ends_with("timedelta64"), Unit::Generic))
        }
        (Kind::None, _) => Ok(default.strong()),
        (Kind::Str, Some(Const::Str(name))) => dtype_by_name(name).ok_or_else(|| {
            frame.error(
                Code::BadArguments,
                format!("`{name}` is no supported dtype"),
            )
        }),
        (Kind::Tuple(items), Some(Const::Tuple(constants))) => {
            super::record::of_fields(frame, items, constants)
        }
        _ => Err(frame.error(
            Code::NotConstant,
            format!("a dtype must be a constant type, not a value of type {ty}"),
        )),
    }
}

/// NumPy's short name of a dtype: `f8`.
pub(super) fn typestr(ty: Ty) -> String {
    let kind = match ty.kind() {
        Kind::Bool => 'b',
        Kind::Int { signed: true, .. } => 'i',
        Kind::Int { .. } => 'u',
        Kind::Float { .. } => 'f',
        Kind::Complex { .. } => 'c',
        Kind::Time { delta: false, .. } => 'M',
        Kind::Time { .. } => 'm',
        Kind::Record(_) => 'V',
        Kind::Chars { unicode, count } => {
            return format!("{}{count}", if *unicode { 'U' } else { 'S' });
        }
        _ => 'O',
    };
    if let Some((_, unit)) = ty.as_time().filter(|(_, unit)| *unit != Unit::Generic) {
        return format!("{kind}8[{unit}]");
    }
    format!("{kind}{}", ty.itemsize())
}

/// NumPy's names of the supported dtypes.
pub(super) fn dtype_by_name(name: &str) -> Option<Ty> {
    Some(match name.trim_start_matches(['=', '<', '|']) {
        "bool" | "?" | "b1" | "bool_" => Ty::bool(),
        "int8" | "i1" | "b" => Ty::int(8, true),
        "int16" | "i2" | "h" => Ty::int(16, true),
        "int32" | "i4" | "i" => Ty::int(32, true),
        "int64" | "i8" | "l" | "q" | "int" | "int_" | "intp" => Ty::int(64, true),
        "uint8" | "u1" | "B" => Ty::int(8, false),
        "uint16" | "u2" | "H" => Ty::int(16, false),
        "uint32" | "u4" | "I" => Ty::int(32, false),
        "uint64" | "u8" | "L" | "Q" | "uint" | "uintp" => Ty::int(64, false),
        "float16" | "f2" | "e" | "half" => Ty::float(16),
        "float32" | "f4" | "f" | "single" => Ty::float(32),
        "float64" | "f8" | "d" | "double" | "float" => Ty::float(64),
        "complex64" | "c8" | "F" | "csingle" => Ty::complex(64),
        "complex128" | "c16" | "D" | "complex" | "cdouble" => Ty::complex(128),
        name => return text_by_name(name).or_else(|| super::time::by_name(name)),
    })
}

/// Whether it is an array of records or texts.
fn is_array_of_references(ty: Ty) -> bool {
    plain(ty).as_array().is_some_and(|a| a.dtype.is_reference())
}

/// `U3`, `S8`
fn text_by_name(name: &str) -> Option<Ty> {
    let count = name.strip_prefix(['U', 'S'])?.parse().ok()?;
    // An array of no characters takes as many as it is given in NumPy.
    if count == 0 {
        return None;
    }
    let unicode = name.starts_with('U');
    Some(Ty::new(Kind::Chars { unicode, count }))
}

/// `np.arange([start,] stop[, step], dtype)`.
fn arange(frame: &Frame, args: &[ArgRef], keywords: &[(Name, ArgRef)]) -> Result<Resolved> {
    let a = Args {
        names: &["start", "stop", "step", "dtype"],
        args,
        keywords,
    };
    if let Some(what) = a.unknown() {
        return Err(frame.error(Code::BadArguments, format!("np.arange() takes no {what}")));
    }
    let bounds: Vec<ArgRef> = ["start", "stop", "step"]
        .iter()
        .filter_map(|n| a.get(n))
        .cloned()
        .collect();
    let types: Vec<Ty> = bounds.iter().map(|b| plain(b.ty())).collect();
    if types.is_empty() || !types.iter().all(|t| t.is_scalar() && !t.is_complex()) {
        return Err(frame.error(
            Code::BadArguments,
            "np.arange() takes one to three real numbers",
        ));
    }
    let floating = types.iter().any(|t| t.is_float());
    let default = if floating {
        if types.iter().all(|t| !t.is_float() || t.bits() == 32) {
            Ty::float(32)
        } else {
            Ty::float(64)
        }
    } else {
        types
            .iter()
            .copied()
            .reduce(|x, y| crate::types::join::join(x, y).unwrap_or(x))
            .map_or(Ty::int(64, true), |t| {
                if t.is_int() {
                    t.strong()
                } else {
                    Ty::int(64, true)
                }
            })
    };
    let dtype = dtype(frame, a.get("dtype"), default)?;
    let ty = Ty::array(dtype, 1, Layout::C);
    let what = Intrinsic::Arange { dtype };
    Ok((
        AbsVal::of(ty),
        Resolution::Intrinsic {
            what,
            args: bounds,
            keywords: vec![],
        },
    ))
}
