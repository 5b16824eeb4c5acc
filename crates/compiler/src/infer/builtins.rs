//! Typing of the functions of `builtins`, `math`, `cmath` and `operator`, and of methods.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::Parallel;

use super::call::{ArgRef, Resolution, signature};
use super::intrinsic::{self, Class, Intrinsic};
use super::op::{plain, truth, ty_of, unary};
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{BinaryOp, Name};
use crate::host::Const;
use crate::tir::Un;
use crate::types::{Facet, Kind, Ty, join, promote};
use crate::ufunc;

type Resolved = (AbsVal, Resolution);

/// A builtin as the prelude names it: types stand for themselves.
pub(super) fn by_name(name: &str) -> AbsVal {
    let class = |ty| AbsVal::of(Ty::new(Kind::Class(ty)));
    match name {
        "int" => class(Ty::py_int()),
        "float" => class(Ty::py_float()),
        "complex" => class(Ty::py_complex()),
        "bool" => class(Ty::bool()),
        _ if name.contains('.') => AbsVal::of(Ty::builtin(name)),
        _ => AbsVal::of(Ty::builtin(&format!("builtins.{name}"))),
    }
}

impl Session<'_> {
    pub(super) fn call_builtin(
        &mut self,
        frame: &Frame,
        name: &str,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<Resolved> {
        if let Some(rest) = name.strip_prefix("numpy.")
            && let Some(found) = self.call_numpy(frame, rest, &args, &keywords)?
        {
            return Ok(found);
        }
        if name == "ferdelance.pndindex" {
            return super::walk::construct(frame, "ndindex", &args, &keywords);
        }
        // Builtins that arrays have as operators.
        let row = match name {
            "builtins.abs" | "operator.abs" | "_operator.abs" => ufunc::by_name("absolute"),
            "builtins.divmod" => ufunc::by_name("divmod"),
            _ => None,
        };
        if let Some(row) = row.filter(|_| {
            args.iter()
                .any(|a| a.ty().as_array().is_some() || a.ty().is_time())
        }) {
            return self.call_ufunc(frame, row, &args, &keywords);
        }
        if keywords.is_empty()
            && let Some((value, what)) = self.known(frame, name, &args)?
        {
            return Ok((
                value,
                Resolution::Intrinsic {
                    what,
                    args,
                    keywords,
                },
            ));
        }
        let types = signature(&args.iter().map(ArgRef::ty).collect::<Vec<_>>());
        let known = is_known(name);
        let function = extreme(name, &args, &keywords).unwrap_or_else(|| name.replace('.', "_"));
        if let Some(found) = self.call_prelude(frame, &function, args, keywords)? {
            return Ok(found);
        }
        let shown = name.strip_prefix("builtins.").unwrap_or(name);
        Err(if known {
            frame.error(
                Code::BadArguments,
                format!("{shown}() does not take {types}"),
            )
        } else {
            frame
                .error(
                    Code::UnsupportedFunction,
                    format!("`{shown}` cannot be compiled yet"),
                )
                .note(format!("it was called with {types}"))
                .help("call it outside of the compiled function, or write what it does with loops")
        })
    }

    /// A builtin function on these arguments; `None` if it is not one of those below or takes others.
    fn known(
        &mut self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
    ) -> Result<Option<(AbsVal, Intrinsic)>> {
        if let Some(found) = real_or_complex(name, args) {
            return Ok(Some(found));
        }
        let thread = |func| (AbsVal::of(Ty::py_int()), Intrinsic::Thread(func));
        if let Some(found) = self.dict_builtin(frame, name, args)? {
            return Ok(Some(found));
        }
        if let Some(rest) = name
            .strip_prefix("operator.")
            .or_else(|| name.strip_prefix("_operator."))
        {
            return self.operator(frame, rest, args);
        }
        let weak_int = Ty::py_int();
        let types: Vec<Ty> = args.iter().map(|a| plain(a.ty())).collect();
        let scalar = |t: &Ty| t.is_scalar();
        Ok(Some(match (name, &types[..]) {
            ("builtins.len", [t]) => match t.kind() {
                Kind::Tuple(items) | Kind::NamedTuple(_, items) | Kind::Keyed(_, items) => (
                    AbsVal::literal(Const::Int(items.len() as i128)),
                    Intrinsic::Known,
                ),
                Kind::Record(record) => (
                    AbsVal::literal(Const::Int(record.fields.len() as i128)),
                    Intrinsic::Known,
                ),
                Kind::Dtype(item) if item.as_record().is_some() => {
                    let count = item.as_record().map_or(0, |r| r.fields.len());
                    (AbsVal::literal(Const::Int(count as i128)), Intrinsic::Known)
                }
                Kind::Array(a) if a.ndim > 0 => (AbsVal::of(weak_int), Intrinsic::Len),
                Kind::Buffer(_, a) if a.ndim > 0 => (AbsVal::of(weak_int), Intrinsic::Len),
                Kind::Chars { .. }
                | Kind::Str
                | Kind::List(_)
                | Kind::Dict { .. }
                | Kind::Set { .. }
                | Kind::View(..)
                | Kind::Range(..)
                | Kind::Facet(Facet::Flat, _) => (AbsVal::of(weak_int), Intrinsic::Len),
                _ => {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("a value of type {t} has no len()"),
                    ));
                }
            },
            ("builtins.abs", [t]) if t.is_scalar() => (AbsVal::of(absolute(*t)), Intrinsic::Abs),
            ("builtins.min" | "builtins.max", _) => {
                let items = match &types[..] {
                    [t] => t.tuple_items().map(<[Ty]>::to_vec),
                    several => Some(several.to_vec()),
                };
                let Some(items) = items.filter(|i| {
                    !i.is_empty()
                        && (i.iter().all(|t| t.is_scalar() && !t.is_complex())
                            || i.iter().all(|t| t.is_time()))
                }) else {
                    return Ok(None);
                };
                if items[1..]
                    .iter()
                    .any(|t| join::join(items[0], *t).is_none())
                {
                    return Ok(None);
                }
                let joined = items[1..]
                    .iter()
                    .try_fold(items[0], |t, u| join::join(t, *u));
                (
                    AbsVal {
                        ty: joined,
                        constant: None,
                    },
                    Intrinsic::MinMax {
                        max: name.ends_with("max"),
                    },
                )
            }
            ("builtins.round", [t]) if t.is_integral() => (
                AbsVal::of(promoted_int(*t)),
                Intrinsic::Convert(promoted_int(*t)),
            ),
            ("builtins.round", [t]) if t.is_float() => (AbsVal::of(weak_int), Intrinsic::RoundInt),
            ("builtins.round", [t, n]) if t.is_float() && n.is_integral() => {
                (AbsVal::of(*t), Intrinsic::RoundDigits)
            }
            ("builtins.divmod", [a, b]) if scalar(a) && scalar(b) => {
                let quotient = promote::binary(BinaryOp::FloorDiv, *a, *b);
                let Some(t) = quotient else { return Ok(None) };
                (AbsVal::of(Ty::tuple(&[t, t])), Intrinsic::DivMod)
            }
            ("builtins.pow", [_, _]) => (
                self.binary(frame, BinaryOp::Pow, &args[0].abs, &args[1].abs)?,
                Intrinsic::Binary(BinaryOp::Pow),
            ),
            ("builtins.hash", [t]) if hashable(*t) => (AbsVal::of(weak_int), Intrinsic::Hash),
            ("builtins.str", [t])
                if t.is_scalar() && !t.is_half()
                    || t.is_str()
                    || matches!(t.kind(), Kind::Chars { unicode: true, .. }) =>
            {
                (AbsVal::of(Ty::str()), Intrinsic::Str)
            }
            ("builtins.str", []) => (AbsVal::literal(Const::Str("".into())), Intrinsic::Known),
            ("builtins.repr", [t]) if t.is_scalar() && !t.is_half() || t.is_str() => {
                (AbsVal::of(Ty::str()), Intrinsic::Repr)
            }
            ("builtins.bool", [_]) => (truth(frame, &args[0].abs)?, Intrinsic::Truth),
            ("builtins.print", _) => {
                if let Some(bad) = types.iter().find(|t| !printable(**t)) {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("print() of a value of type {bad} cannot be compiled yet"),
                    ));
                }
                (AbsVal::literal(Const::None), Intrinsic::Print)
            }
            ("builtins.range" | "ferdelance.prange", [_] | [_, _] | [_, _, _]) => {
                if let Some(bad) = types.iter().find(|t| !t.is_integral()) {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("range() takes integers, not {bad}"),
                    ));
                }
                let unsigned = types.iter().all(|t| {
                    matches!(
                        t.kind(),
                        Kind::Int {
                            signed: false,
                            bits: 64,
                            ..
                        }
                    )
                });
                let item = if unsigned {
                    Ty::int(64, false).weak()
                } else {
                    weak_int
                };
                let options = self.info(self.get(frame.id).key.module).options;
                if name == "ferdelance.prange"
                    && options.parallel.has(Parallel::PRANGE)
                    && types.len() == 3
                    && args[2].abs.as_int().is_none()
                {
                    return Err(frame
                        .error(
                            Code::BadArguments,
                            "the step of prange() must be a constant in parallel code".to_owned(),
                        )
                        .help("count with a step of 1, and multiply in the body"));
                }
                let step = if types.len() == 3 {
                    args[2].abs.as_int().filter(|s| *s != 0)
                } else {
                    Some(1)
                };
                (
                    AbsVal::of(Ty::new(Kind::Range(item, step))),
                    Intrinsic::Range,
                )
            }
            ("builtins.slice", [_] | [_, _] | [_, _, _]) => {
                let part = |i: usize| args.get(i).map(|a| &a.abs);
                let parts = if args.len() == 1 {
                    [None, part(0), None]
                } else {
                    [part(0), part(1), part(2)]
                };
                (super::op::slice_of(frame, parts)?, Intrinsic::Slice)
            }
            ("builtins.enumerate", [t] | [t, _]) => {
                self.check_iterable(frame, *t)?;
                (
                    AbsVal::of(Ty::new(Kind::Enumerate(*t))),
                    Intrinsic::Enumerate,
                )
            }
            ("builtins.zip", _) => {
                for t in &types {
                    self.check_iterable(frame, *t)?;
                }
                (AbsVal::of(Ty::new(Kind::Zip(types.into()))), Intrinsic::Zip)
            }
            ("builtins.reversed", [t]) => match t.kind() {
                Kind::Range(..)
                | Kind::Array(_)
                | Kind::Buffer(..)
                | Kind::Tuple(_)
                | Kind::NamedTuple(..)
                | Kind::Str
                | Kind::List(_)
                | Kind::Dict { .. }
                | Kind::View(..) => {
                    self.check_iterable(frame, *t)?;
                    (AbsVal::of(Ty::new(Kind::Reversed(*t))), Intrinsic::Reversed)
                }
                _ => return Ok(None),
            },
            ("builtins.tuple", [t]) if t.tuple_items().is_some() => (
                AbsVal::of(Ty::tuple(t.tuple_items().unwrap_or_default())),
                Intrinsic::Identity,
            ),
            ("builtins.tuple", [t]) if t.as_record().is_some() => (
                AbsVal {
                    ty: super::record::as_tuple(*t),
                    constant: None,
                },
                Intrinsic::RecordItems,
            ),
            ("builtins.tuple", []) => (AbsVal::of(Ty::tuple(&[])), Intrinsic::Known),
            ("builtins.isinstance", [_, _]) => {
                let is = is_instance(frame, args[0].ty(), ty_of(&args[1].abs))?;
                (AbsVal::bool(is), Intrinsic::Known)
            }
            ("builtins.callable", [t]) => {
                let callable = matches!(
                    t.kind(),
                    Kind::Builtin(_)
                        | Kind::Class(_)
                        | Kind::Closure(_)
                        | Kind::Dispatcher(..)
                        | Kind::Foreign(..)
                        | Kind::Function(_)
                        | Kind::Method(..)
                        | Kind::NamedTupleClass(_)
                        | Kind::ExcClass(..)
                );
                (AbsVal::bool(callable), Intrinsic::Known)
            }
            ("math.floor" | "math.ceil" | "math.trunc", [t])
                if t.is_scalar() && !t.is_complex() =>
            {
                let un = rounding(name);
                if t.is_integral() {
                    (
                        AbsVal::of(promoted_int(*t)),
                        Intrinsic::Convert(promoted_int(*t)),
                    )
                } else {
                    (AbsVal::of(weak_int), Intrinsic::FloatToInt(un))
                }
            }
            ("math.frexp", [t]) if real(*t) => {
                let float = promote::real_function(*t).unwrap_or_else(Ty::py_float);
                (AbsVal::of(Ty::tuple(&[float, weak_int])), Intrinsic::Frexp)
            }
            ("math.ldexp", [t, n]) if real(*t) && n.is_integral() => (
                AbsVal {
                    ty: promote::real_function(*t),
                    constant: None,
                },
                Intrinsic::Ldexp,
            ),
            ("ferdelance.get_num_threads", []) => thread(RtFn::num_threads),
            ("ferdelance.get_thread_id", []) => thread(RtFn::thread_id),
            ("ferdelance.get_parallel_chunksize", []) => thread(RtFn::chunk_size),
            ("ferdelance.set_parallel_chunksize", [t]) if t.is_integral() => {
                thread(RtFn::set_chunk_size)
            }
            ("ferdelance.set_num_threads", [t]) if t.is_integral() => (
                AbsVal::literal(Const::None),
                Intrinsic::Thread(RtFn::set_num_threads),
            ),
            ("math.gcd", [a, b]) if a.is_integral() && b.is_integral() => (
                AbsVal {
                    ty: promote::binary(BinaryOp::Add, *a, *b),
                    constant: None,
                },
                Intrinsic::Gcd,
            ),
            ("math.degrees", [t]) if real(*t) => (
                AbsVal {
                    ty: promote::real_function(*t),
                    constant: None,
                },
                Intrinsic::Scale(180.0 / std::f64::consts::PI),
            ),
            ("math.radians", [t]) if real(*t) => (
                AbsVal {
                    ty: promote::real_function(*t),
                    constant: None,
                },
                Intrinsic::Scale(std::f64::consts::PI / 180.0),
            ),
            ("math.isnan" | "cmath.isnan", [t]) if t.is_scalar() => classify(Class::Nan),
            ("math.isinf" | "cmath.isinf", [t]) if t.is_scalar() => classify(Class::Inf),
            ("math.isfinite" | "cmath.isfinite", [t]) if t.is_scalar() => classify(Class::Finite),
            ("cmath.phase", [t]) if t.is_scalar() => {
                (AbsVal::of(complex_of(*t).part()), Intrinsic::Phase)
            }
            ("cmath.polar", [t]) if t.is_scalar() => {
                let part = complex_of(*t).part();
                (AbsVal::of(Ty::tuple(&[part, part])), Intrinsic::Polar)
            }
            ("cmath.rect", [r, phi]) if real(*r) && real(*phi) => {
                (AbsVal::of(Ty::py_complex()), Intrinsic::Rect)
            }
            ("cmath.log", [z, b]) if z.is_scalar() && b.is_scalar() => {
                (AbsVal::of(complex_of(*z)), Intrinsic::ComplexLogBase)
            }
            ("ferdelance.literal_unroll", [t]) if t.tuple_items().is_some() => {
                (args[0].abs.clone(), Intrinsic::Identity)
            }
            ("ferdelance.literally", [_]) => (args[0].abs.clone(), Intrinsic::Identity),
            _ => return Ok(None),
        }))
    }

    /// A function of the module `operator`.
    fn operator(
        &mut self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
    ) -> Result<Option<(AbsVal, Intrinsic)>> {
        let Some(what) = intrinsic::operator_function(name) else {
            return Ok(None);
        };
        let value = match (&what, args) {
            (Intrinsic::Binary(op), [a, b]) => self.binary(frame, *op, &a.abs, &b.abs)?,
            (Intrinsic::Compare(op), [a, b]) => self.compare(frame, *op, &a.abs, &b.abs)?,
            (Intrinsic::Unary(op), [a]) => unary(frame, *op, &a.abs)?,
            (Intrinsic::Truth, [a]) => truth(frame, &a.abs)?,
            (Intrinsic::Abs, [a]) if a.ty().is_scalar() => AbsVal::of(absolute(a.ty())),
            (Intrinsic::GetItem, [a, i]) => self.get_item(frame, &a.abs, &i.abs)?,
            (Intrinsic::SetItem, [a, i, v]) => self.set_item(frame, &a.abs, &i.abs, &v.abs)?,
            _ => return Ok(None),
        };
        Ok(Some((value, what)))
    }

    pub(super) fn call_method(
        &mut self,
        frame: &Frame,
        receiver: Ty,
        name: &str,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<Resolved> {
        let types: Vec<Ty> = args.iter().map(ArgRef::ty).collect();
        let found = match (receiver.kind(), name, &types[..]) {
            (Kind::Complex { .. }, "conjugate", []) => {
                Some((AbsVal::of(receiver), Intrinsic::Conjugate))
            }
            (_, "conjugate", []) if receiver.is_scalar() => {
                let ty = if receiver.is_bool() {
                    Ty::py_int()
                } else {
                    receiver
                };
                Some((AbsVal::of(ty), Intrinsic::Receiver))
            }
            (_, "astype", [_]) if receiver.is_scalar() => {
                let to = super::numpy::dtype(frame, args.first(), receiver)?;
                (!receiver.is_complex() || to.is_complex())
                    .then(|| (AbsVal::of(to), Intrinsic::Receiver))
            }
            (Kind::Record(_), "copy", []) => Some((
                AbsVal::of(super::record::item(receiver, false)),
                Intrinsic::RecordCopy,
            )),
            (Kind::Record(_), "item", []) => {
                super::record::as_tuple(receiver).map(|t| (AbsVal::of(t), Intrinsic::RecordItems))
            }
            (Kind::Time { .. }, "astype" | "view", [_]) => {
                let to = super::numpy::dtype(frame, args.first(), receiver)?;
                match (name, promote::fit(receiver, to)) {
                    ("view", _) if to.itemsize() == 8 && (to.is_int() || to.is_time()) => {
                        Some((AbsVal::of(to), Intrinsic::Bits(receiver)))
                    }
                    ("astype", Some(_)) => Some((AbsVal::of(to), Intrinsic::Receiver)),
                    ("astype", None) if to.is_scalar() && !to.is_complex() => {
                        Some((AbsVal::of(to), Intrinsic::Receiver))
                    }
                    _ => None,
                }
            }
            (_, "item", []) if receiver.is_scalar() => {
                Some((AbsVal::of(receiver.weak()), Intrinsic::Receiver))
            }
            (_, "view", [_])
                if receiver.is_scalar() && !receiver.is_complex() && !receiver.is_half() =>
            {
                let to = super::numpy::dtype(frame, args.first(), receiver)?;
                if to.bits() != receiver.bits() || to.is_complex() || to.is_bool() {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("a view of {receiver} as {to}: both must have the same size, not {} and {} bits", receiver.bits(), to.bits()),
                    ));
                }
                Some((AbsVal::of(to), Intrinsic::Bits(receiver)))
            }
            (Kind::Tuple(items) | Kind::NamedTuple(_, items), "index" | "count", [wanted])
                if items
                    .iter()
                    .all(|t| t.is_scalar() && wanted.is_scalar() || t == wanted) =>
            {
                let what = if name == "index" {
                    Intrinsic::TupleIndex
                } else {
                    Intrinsic::TupleCount
                };
                Some((AbsVal::of(Ty::py_int()), what))
            }
            (Kind::Generator(generator), ..) => {
                self.generator_method(frame, *generator, name, &args)?
            }
            _ => None,
        };
        if let (Some((value, what)), true) = (found, keywords.is_empty()) {
            return Ok((
                value,
                Resolution::Intrinsic {
                    what,
                    args,
                    keywords,
                },
            ));
        }
        if let Kind::Builtin(function) = receiver.kind()
            && let (Some(row), "outer", [_, _], []) = (
                super::ufunc::with_outer(function),
                name,
                &args[..],
                &keywords[..],
            )
        {
            return self.call_outer(frame, row, &args);
        }
        if receiver.as_array().is_some() {
            if let Some(found) =
                self.reduction(frame, name, &AbsVal::of(receiver), None, &args, &keywords)?
            {
                return Ok(found);
            }
            if let Some(found) =
                self.view_function(frame, name, Some(receiver), &args, &keywords)?
            {
                return Ok(found);
            }
        }
        let prefix = match receiver.kind() {
            Kind::Array(_) => Some("array"),
            Kind::Buffer(..) => Some("buffer"),
            Kind::Slice(_) => Some("slice"),
            Kind::Builtin(_) => Some("ufunc"),
            _ if receiver.is_scalar() => Some("scalar"),
            _ => None,
        };
        if let Some(prefix) = prefix
            && let Some(found) =
                self.call_prelude_method(frame, receiver, prefix, name, args, keywords)?
        {
            return Ok(found);
        }
        Err(bad_method(frame, receiver, name, &types))
    }
}

/// The function of the prelude for `min` and `max` of an iterable that is no sequence, or with keywords.
fn extreme(name: &str, args: &[ArgRef], keywords: &[(Name, ArgRef)]) -> Option<String> {
    let which = name.strip_prefix("builtins.")?;
    let ([values], "min" | "max") = (args, which) else {
        return None;
    };
    let has = |keyword: &str| keywords.iter().any(|(name, _)| &**name == keyword);
    let is_sequence = matches!(
        values.ty().kind(),
        Kind::Array(_) | Kind::List(_) | Kind::Range(..) | Kind::Str | Kind::Facet(..)
    );
    Some(match (has("key"), has("default")) {
        (false, false) if is_sequence => return None,
        (false, false) => format!("{which}_of_items"),
        (false, true) => format!("{which}_or_default"),
        (true, false) => format!("{which}_by_key"),
        (true, true) => format!("{which}_by_key_or_default"),
    })
}

fn bad_method(frame: &Frame, receiver: Ty, name: &str, types: &[Ty]) -> Box<Diagnostic> {
    frame.error(
        Code::BadArguments,
        format!(
            "{receiver}.{name}() with arguments {} cannot be compiled yet",
            signature(types)
        ),
    )
}

fn is_known(name: &str) -> bool {
    intrinsic::real_function(name).is_some()
        || intrinsic::complex_function(name).is_some()
        || matches!(
            name,
            "builtins.len"
                | "builtins.abs"
                | "builtins.min"
                | "builtins.max"
                | "builtins.round"
                | "builtins.divmod"
                | "builtins.pow"
                | "builtins.hash"
                | "builtins.str"
                | "builtins.range"
                | "math.floor"
                | "math.ceil"
                | "math.trunc"
                | "math.gcd"
                | "math.isnan"
                | "math.isinf"
                | "math.isfinite"
                | "cmath.phase"
                | "cmath.polar"
                | "cmath.rect"
        )
}

fn real(t: Ty) -> bool {
    t.is_scalar() && !t.is_complex()
}

/// Functions of the tables of real and complex functions.
fn real_or_complex(name: &str, args: &[ArgRef]) -> Option<(AbsVal, Intrinsic)> {
    let types: Vec<Ty> = args.iter().map(|a| plain(a.ty())).collect();
    if let Some(row) = intrinsic::real_function(name)
        && types.len() == row.arity
        && types.iter().all(|t| real(*t))
    {
        let float = types
            .iter()
            .filter_map(|t| promote::real_function(*t))
            .reduce(|a, b| join::join(a, b).unwrap_or(a))?;
        return Some((AbsVal::of(float), Intrinsic::Real(row.func)));
    }
    let func = intrinsic::complex_function(name)?;
    let [t] = types[..] else { return None };
    t.is_scalar()
        .then(|| (AbsVal::of(complex_of(t)), Intrinsic::Complex(func)))
}

/// The complex type that a number is converted to by functions of complex numbers.
fn complex_of(t: Ty) -> Ty {
    match *t.kind() {
        Kind::Complex { .. } => t,
        Kind::Float {
            bits: 16 | 32,
            weak,
        } => Ty::new(Kind::Complex { bits: 64, weak }),
        _ => Ty::new(Kind::Complex {
            bits: 128,
            weak: t.is_weak() || t.is_bool(),
        }),
    }
}

fn classify(class: Class) -> (AbsVal, Intrinsic) {
    (AbsVal::of(Ty::bool()), Intrinsic::Classify(class))
}

/// The type of `abs(x)`.
fn absolute(t: Ty) -> Ty {
    match t.kind() {
        Kind::Bool => Ty::py_int(),
        Kind::Complex { .. } => t.part(),
        _ => t,
    }
}

/// An integer (or bool) as arithmetic would give it.
fn promoted_int(t: Ty) -> Ty {
    match *t.kind() {
        Kind::Int { signed, weak, .. } => Ty::new(Kind::Int {
            bits: 64,
            signed,
            weak,
        }),
        _ => Ty::py_int(),
    }
}

fn rounding(name: &str) -> Un {
    if name.ends_with("floor") {
        Un::Floor
    } else if name.ends_with("ceil") {
        Un::Ceil
    } else {
        Un::Trunc
    }
}

fn hashable(t: Ty) -> bool {
    match t.kind() {
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => items.iter().all(|t| hashable(*t)),
        Kind::Str | Kind::Chars { .. } | Kind::None => true,
        _ => t.is_scalar() || t.is_bytes(),
    }
}

fn printable(t: Ty) -> bool {
    match t.kind() {
        Kind::Tuple(items) => items.iter().all(|t| printable(*t)),
        Kind::Str | Kind::None => true,
        Kind::Optional(inner)
        | Kind::List(inner)
        | Kind::Dict { item: inner, .. }
        | Kind::Set { item: inner, .. } => printable(*inner),
        _ => t.is_scalar() && !t.is_half(),
    }
}

/// `isinstance(value of type x, class)`.
fn is_instance(frame: &Frame, x: Ty, class: Ty) -> Result<bool> {
    Ok(match class.kind() {
        Kind::Tuple(classes) => {
            let mut any = false;
            for c in classes {
                any |= is_instance(frame, x, *c)?;
            }
            any
        }
        // Python's own classes take every number of their kind; NumPy's are exact.
        Kind::Class(t) if t.is_weak() => match t.kind() {
            Kind::Int { .. } => x.is_integral(),
            Kind::Float { .. } => x.is_float() && x.bits() == 64,
            _ => x.is_complex() && x.bits() == 128,
        },
        Kind::Class(t) => x.strong() == t.strong(),
        Kind::NamedTupleClass(c) => {
            matches!(x.kind(), Kind::NamedTuple(d, _) if c.class == d.class)
        }
        Kind::Builtin(name) => match &**name {
            "builtins.str" => x.is_str(),
            "builtins.tuple" => x.tuple_items().is_some(),
            "builtins.slice" => matches!(x.kind(), Kind::Slice(_) | Kind::Grid(_)),
            "builtins.range" => matches!(x.kind(), Kind::Range(..)),
            "numpy.datetime64" => x.as_time().is_some_and(|(delta, _)| !delta),
            "numpy.timedelta64" => x.as_time().is_some_and(|(delta, _)| delta),
            "numpy.ndarray" => x.as_array().is_some(),
            "numpy.integer" => x.is_int(),
            "numpy.floating" => x.is_float(),
            "numpy.complexfloating" => x.is_complex(),
            "numpy.number" => x.is_number(),
            "builtins.list" => x.list_item().is_some(),
            "builtins.dict" => {
                matches!(x.kind(), Kind::Dict { typed: false, .. } | Kind::Keyed(..))
            }
            "builtins.set" => matches!(x.kind(), Kind::Set { frozen: false, .. }),
            "builtins.frozenset" => matches!(x.kind(), Kind::Set { frozen: true, .. }),
            "builtins.bytes" | "builtins.bytearray" | "builtins.memoryview" | "array.array" => x
                .as_buffer()
                .is_some_and(|(exporter, _)| name.ends_with(exporter.name())),
            _ => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("isinstance() with {name} cannot be compiled"),
                ));
            }
        },
        _ => {
            return Err(frame.error(
                Code::BadArguments,
                format!("isinstance() with a value of type {class} cannot be compiled"),
            ));
        }
    })
}
