//! Calls: which function, with which arguments for which parameters.

use std::sync::Arc;

use super::intrinsic::Intrinsic;
use super::op::ty_of;
use super::solve::Frame;
use super::{AbsVal, Constants, InstanceId, Key, ModuleId, Session};
use crate::diag::{Code, Diagnostic, Label, Result};
use crate::hir::{self, Arg, FuncId, Name, ParamKind, Value};
use crate::host::{Callee, Const};
use crate::types::promote::{self, Fit};
use crate::types::{Closure, Kind, PyRef, Ty};

/// An argument: a value, or an item of a tuple that was passed with a star.
#[derive(Clone, Debug)]
pub struct ArgRef {
    pub value: Value,
    pub item: Option<u32>,
    pub abs: AbsVal,
}

impl ArgRef {
    pub fn ty(&self) -> Ty {
        ty_of(&self.abs)
    }

    /// The value, unless the argument is an item of it.
    pub(super) fn whole(&self) -> Option<Value> {
        self.item.is_none().then_some(self.value)
    }
}

/// What a parameter of a compiled function gets.
#[derive(Clone, Debug)]
pub enum Bound {
    Arg(ArgRef),
    /// `*args`: a tuple of these.
    Star(Vec<ArgRef>),
    /// The default, a constant of the callee: nothing is passed.
    Omitted(PyRef),
    /// The default of an inner function: an item of the closure's value.
    Default(u32),
    /// A captured variable: an item of the closure's value.
    Capture(u32),
    /// The default of a function of the prelude.
    Literal(AbsVal),
    /// The receiver of a method that the prelude implements: the callee's value.
    Receiver,
}

/// What a call is.
#[derive(Clone, Debug)]
pub enum Resolution {
    Intrinsic {
        what: Intrinsic,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    },
    /// A compiled function: what each parameter gets, and the result's type for the caller.
    Function {
        instance: InstanceId,
        bound: Vec<Bound>,
        result: Ty,
    },
    /// A function known by its address only, or a C function: the callee's type is its signature.
    Pointer { args: Vec<ArgRef> },
}

impl Session<'_> {
    pub(super) fn call(
        &mut self,
        frame: &mut Frame,
        result: Value,
        callee: Value,
        args: &[Arg],
        keywords: &[(Option<Name>, Value)],
    ) -> Result<AbsVal> {
        let (args, keywords) = expand(frame, args, keywords)?;
        let function = frame.val(callee).clone();
        if let Some((value, resolution)) =
            self.list_call(frame, result, callee, &args, &keywords)?
        {
            frame.typing.calls.insert(result, resolution);
            return Ok(value);
        }
        if let Some((value, resolution)) =
            self.dict_call(frame, result, callee, &args, &keywords)?
        {
            frame.typing.calls.insert(result, resolution);
            return Ok(value);
        }
        let known = args
            .iter()
            .chain(keywords.iter().map(|(_, a)| a))
            .all(|a| a.ty().is_known());
        if let (true, Some(callee)) = (known, function.ty)
            && let Some((value, resolution)) =
                self.iterator_call(frame, result, callee, &args, &keywords)?
        {
            frame.typing.calls.insert(result, resolution);
            return Ok(value);
        }
        let (value, resolution) = self.resolve(frame, &function, args, keywords)?;
        frame.typing.calls.insert(result, resolution);
        for (bound, contents) in std::mem::take(&mut self.learnt) {
            let container = match bound {
                Bound::Arg(arg) => arg.whole(),
                Bound::Capture(i) => captured(frame.hir(), callee, i as usize),
                _ => None,
            };
            if let Some(container) = container {
                frame.sites.demand(container, contents);
            }
        }
        Ok(value)
    }

    fn resolve(
        &mut self,
        frame: &Frame,
        callee: &AbsVal,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<(AbsVal, Resolution)> {
        let ty = ty_of(callee);
        let waits = match ty.kind() {
            Kind::Builtin(name) => &**name != "builtins.len",
            // What they put in may be what is waited for.
            Kind::Dispatcher(..) | Kind::Closure(_) => false,
            _ => true,
        };
        if waits
            && args
                .iter()
                .chain(keywords.iter().map(|(_, a)| a))
                .any(|a| !a.ty().is_known())
        {
            return Ok(not_yet());
        }
        match ty.kind() {
            Kind::Function(_) | Kind::Foreign(..) => call_pointer(frame, ty, args, &keywords),
            Kind::Dispatcher(dispatcher, _) => {
                self.call_dispatcher(frame, *dispatcher, args, keywords)
            }
            Kind::Closure(closure) => self.call_closure(frame, closure, args, keywords),
            Kind::Builtin(name) => self.call_builtin(frame, name, args, keywords),
            Kind::Method(receiver, name) => {
                self.call_method(frame, *receiver, name, args, keywords)
            }
            Kind::Class(target) => self.construct(frame, *target, args, keywords),
            Kind::ExcClass(class, name) => {
                if let Some((keyword, _)) = keywords.first() {
                    return Err(frame.error(
                        Code::BadArguments,
                        format!("{name}() takes no keyword argument `{keyword}`"),
                    ));
                }
                let types = args.iter().map(ArgRef::ty).collect();
                let value = AbsVal::of(Ty::new(Kind::Exception(*class, name.clone(), types)));
                Ok((
                    value,
                    Resolution::Intrinsic {
                        what: Intrinsic::Exception,
                        args,
                        keywords,
                    },
                ))
            }
            Kind::NamedTupleClass(class) => {
                let params: Vec<hir::Param> = class.fields.iter().map(|f| positional(f)).collect();
                let bound = bind(&params, args, keywords).map_err(|m| {
                    frame.error(Code::ArgumentCount, format!("{}() {m}", class.name))
                })?;
                let args: Vec<ArgRef> = bound
                    .into_iter()
                    .filter_map(|b| match b {
                        Slot::Arg(a) => Some(a),
                        Slot::Star(_) | Slot::Default => None,
                    })
                    .collect();
                let items: Vec<Ty> = args.iter().map(ArgRef::ty).collect();
                let value = AbsVal::of(Ty::new(Kind::NamedTuple(class.clone(), items.into())));
                Ok((
                    value,
                    Resolution::Intrinsic {
                        what: Intrinsic::NamedTuple(class.clone()),
                        args,
                        keywords: vec![],
                    },
                ))
            }
            kind => {
                let error = frame
                    .error(Code::NotCallable, format!("a value of type {ty} cannot be called"))
                    .note("compiled code calls jitted functions, inner functions and the supported functions of Python and NumPy");
                Err(match kind {
                    Kind::Opaque(_, class) if &**class == "function" => {
                        error.help("decorate the function with `@njit`")
                    }
                    _ => error,
                })
            }
        }
    }

    /// A call of a jitted function.
    fn call_dispatcher(
        &mut self,
        frame: &Frame,
        dispatcher: PyRef,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<(AbsVal, Resolution)> {
        let (module, callee) = self
            .dispatcher(dispatcher)
            .map_err(|e| e.label(&frame.module.source, frame.span, "called here"))?;
        let f = &callee.module.functions[0];
        let slots = bind(&f.params, args, keywords)
            .map_err(|m| frame.error(Code::ArgumentCount, format!("{}() {m}", f.name)))?;
        let hir::Scope::Python(function) = callee.module.scope else {
            return Err(frame.error(Code::Internal, "a dispatcher without a Python function"));
        };
        let mut bound = vec![];
        for (i, slot) in slots.into_iter().enumerate() {
            bound.push(match slot {
                Slot::Arg(a) => Bound::Arg(a),
                Slot::Star(list) => Bound::Star(list),
                Slot::Default => match self.host.default(function, i) {
                    Some(default) => Bound::Omitted(default),
                    None => {
                        return Err(frame.error(
                            Code::Internal,
                            format!("the default of parameter {i} is gone"),
                        ));
                    }
                },
            });
        }
        let types: Vec<Ty> = bound.iter().map(bound_type).collect();
        let (types, imposed) = self.explicit_signature(frame, &callee, types)?;
        let name = f.name.clone();
        self.call_instance(
            frame,
            &name,
            Key {
                module,
                function: FuncId(0),
                args: types.into(),
                constants: Constants::default(),
            },
            bound,
            imposed,
        )
    }

    /// If the callee has explicit signatures, the best of them: its argument and return types.
    fn explicit_signature(
        &self,
        frame: &Frame,
        callee: &Callee,
        types: Vec<Ty>,
    ) -> Result<(Vec<Ty>, Option<Ty>)> {
        let Some(signatures) = &callee.signatures else {
            return Ok((types, None));
        };
        let fit_of = |params: &[Ty]| -> Option<Vec<Fit>> {
            if params.len() != types.len() {
                return None;
            }
            types
                .iter()
                .zip(params)
                .map(|(&from, &to)| promote::fit(from, to))
                .collect()
        };
        let best = signatures
            .iter()
            .filter_map(|s| fit_of(&s.0).map(|fit| (fit.iter().copied().max(), fit, s)))
            .min_by_key(|(worst, fit, _)| (*worst, fit.iter().map(|f| *f as usize).sum::<usize>()));
        match best {
            Some((_, _, (params, result))) => Ok((params.clone(), *result)),
            None => {
                let name = &callee.module.functions[0].name;
                Err(frame
                    .error(
                        Code::BadArguments,
                        format!("no signature of `{name}` takes {}", signature(&types)),
                    )
                    .note(format!(
                        "its signatures are {}",
                        signatures
                            .iter()
                            .map(|s| signature(&s.0))
                            .collect::<Vec<_>>()
                            .join(", ")
                    )))
            }
        }
    }

    /// A call of an inner function, or of a function of the prelude from the prelude.
    fn call_closure(
        &mut self,
        frame: &Frame,
        closure: &Closure,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<(AbsVal, Resolution)> {
        self.call_inner(frame, closure, None, args, keywords)
    }

    /// The same; a method of the prelude gets its receiver first.
    fn call_inner(
        &mut self,
        frame: &Frame,
        closure: &Closure,
        receiver: Option<Ty>,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<(AbsVal, Resolution)> {
        let module_id = ModuleId(closure.module);
        let module = self.info(module_id).module.clone();
        let function = FuncId(closure.function);
        let f = &module.functions[function.index()];
        let own = usize::from(receiver.is_some());
        let name = match receiver {
            Some(_) => f.name.split_once('_').map_or(&*f.name, |(_, name)| name),
            None => &f.name,
        };
        let slots = bind(&f.params[own..], args, keywords)
            .map_err(|m| frame.error(Code::ArgumentCount, format!("{name}() {m}")))?;
        let mut bound: Vec<Bound> = receiver.iter().map(|_| Bound::Receiver).collect();
        let mut types: Vec<Ty> = receiver.into_iter().collect();
        let mut constants = vec![None; own];
        for (i, slot) in (own..).zip(slots) {
            let fixed = f.params[i].fixed && module.scope == hir::Scope::Prelude;
            constants.push(match &slot {
                Slot::Default if fixed => f.params[i]
                    .literal
                    .as_ref()
                    .and_then(|l| super::op::literal_value(l).constant),
                Slot::Arg(a) if fixed => a.abs.constant.clone(),
                _ => None,
            });
            match slot {
                Slot::Default if module.scope == hir::Scope::Prelude => {
                    let value = literal_default(frame, &f.params[i])?;
                    types.push(ty_of(&value));
                    bound.push(Bound::Literal(value));
                }
                Slot::Default => {
                    // Defaults are counted from the first parameter that has one.
                    let k = f.params[..i].iter().filter(|p| p.has_default).count();
                    types.push(closure.defaults[k]);
                    bound.push(Bound::Default(k as u32));
                }
                Slot::Arg(a) => {
                    types.push(a.ty());
                    bound.push(Bound::Arg(a));
                }
                Slot::Star(list) => {
                    types.push(star_type(&list));
                    bound.push(Bound::Star(list));
                }
            }
        }
        let constants = Constants::new(constants);
        for (i, &ty) in closure.captures.iter().enumerate() {
            types.push(ty);
            bound.push(Bound::Capture(i as u32));
        }
        let name = f.name.clone();
        self.call_instance(
            frame,
            &name,
            Key {
                module: module_id,
                function,
                args: types.into(),
                constants,
            },
            bound,
            None,
        )
    }

    /// A call of a prelude function by its name there; `None` if the prelude has none of that name.
    pub(super) fn call_prelude(
        &mut self,
        frame: &Frame,
        name: &str,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let Some((module, function)) = self.prelude(name)? else {
            return Ok(None);
        };
        let closure = Closure {
            module: module.0,
            function: function.0,
            captures: [].into(),
            defaults: [].into(),
        };
        self.call_closure(frame, &closure, args, keywords).map(Some)
    }

    /// A method of arrays or of scalars, `array_<name>` or `scalar_<name>` in the prelude.
    pub(super) fn call_prelude_method(
        &mut self,
        frame: &Frame,
        receiver: Ty,
        prefix: &str,
        name: &str,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let Some((module, function)) = self.prelude(&format!("{prefix}_{name}"))? else {
            return Ok(None);
        };
        let closure = Closure {
            module: module.0,
            function: function.0,
            captures: [].into(),
            defaults: [].into(),
        };
        self.call_inner(frame, &closure, Some(receiver), args, keywords)
            .map(Some)
    }

    /// A call of a prelude function with these arguments, given their types.
    pub(super) fn call_bound(
        &mut self,
        frame: &Frame,
        name: &str,
        bound: Vec<Bound>,
        types: Vec<Ty>,
    ) -> Result<(AbsVal, Resolution)> {
        let Some((module, function)) = self.prelude(name)? else {
            return Err(frame.error(Code::Internal, format!("the prelude has no `{name}`")));
        };
        self.call_instance(
            frame,
            name,
            Key {
                module,
                function,
                args: types.into(),
                constants: Constants::default(),
            },
            bound,
            None,
        )
    }

    fn call_instance(
        &mut self,
        frame: &Frame,
        name: &str,
        key: Key,
        bound: Vec<Bound>,
        imposed: Option<Ty>,
    ) -> Result<(AbsVal, Resolution)> {
        if key.args.iter().any(|t| !t.is_known()) {
            let (_, resolution) = not_yet();
            return Ok((self.learn(key, &bound), resolution));
        }
        let args = signature(&key.args);
        let solved = self
            .instance(key)
            .and_then(|id| self.solve(id).map(|value| (id, value)));
        let (instance, value) = solved.map_err(|e| in_call(e, frame, name, &args))?;
        let Some(found) = value.ty else {
            return Ok((
                AbsVal::BOTTOM,
                Resolution::Function {
                    instance,
                    bound,
                    result: Ty::none(),
                },
            ));
        };
        let result = imposed.unwrap_or(found);
        if promote::fit(found, result).is_none() && !result.is_none() {
            return Err(frame.error(
                Code::CannotConvert,
                format!("`{name}` returns {found}, which cannot be converted to {result}"),
            ));
        }
        Ok((
            AbsVal::of(result),
            Resolution::Function {
                instance,
                bound,
                result,
            },
        ))
    }

    /// What a function puts into containers that nothing was put into yet: its caller has to know. The
    /// result is that of the function as far as it does not depend on them.
    fn learn(&mut self, key: Key, bound: &[Bound]) -> AbsVal {
        let is_of_prelude = self.info(key.module).module.scope == hir::Scope::Prelude;
        let others = key
            .args
            .iter()
            .any(|t| !t.is_known() && t.contents().is_none());
        if is_of_prelude || others {
            return AbsVal::BOTTOM;
        }
        // An error says nothing: it may be gone when the types are known.
        let solved = self.instance(key).and_then(|id| Ok((id, self.solve(id)?)));
        let Ok((id, value)) = solved else {
            return AbsVal::BOTTOM;
        };
        let typing = self.get(id).typing.clone();
        let learnt = bound.iter().zip(&typing.put_into_params);
        self.learnt
            .extend(learnt.filter_map(|(bound, ty)| Some((bound.clone(), (*ty)?))));
        match value.ty {
            Some(ty) if ty.is_known() => value,
            _ => AbsVal::BOTTOM,
        }
    }

    /// `T(x)` for a number type.
    fn construct(
        &mut self,
        frame: &Frame,
        target: Ty,
        args: Vec<ArgRef>,
        keywords: Vec<(Name, ArgRef)>,
    ) -> Result<(AbsVal, Resolution)> {
        let bad = |frame: &Frame| {
            let given: Vec<Ty> = args.iter().map(ArgRef::ty).collect();
            frame.error(
                Code::BadArguments,
                format!(
                    "cannot make a value of type {target} from {}",
                    signature(&given)
                ),
            )
        };
        if !keywords.is_empty() {
            return Err(bad(frame));
        }
        let (what, constant) = match (&args[..], target.kind()) {
            ([], _) if target.is_scalar() => (Intrinsic::Known, Some(zero(target))),
            // `float("inf")`: a number that is known here.
            ([x], Kind::Float { .. }) if let Some(number) = number_in(x, target) => {
                (Intrinsic::Known, Some(Const::Float(number)))
            }
            ([x], Kind::Bool)
                if super::creation::nested(x.ty()).is_none_or(|(_, ndim)| ndim == 0)
                    || target == Ty::bool() && x.ty().as_array().is_some() =>
            {
                let truth = super::op::truth(frame, &x.abs)?;
                (Intrinsic::Truth, truth.constant)
            }
            ([x], _)
                if !target.is_weak()
                    && super::creation::nested(x.ty()).is_some_and(|(_, ndim)| ndim > 0) =>
            {
                let Some(a) = super::creation::as_array(x.ty()) else {
                    return Err(bad(frame));
                };
                let made =
                    super::creation::new_like(a, target, super::creation::kept_layout(a)).ty();
                return Ok((
                    AbsVal::of(made),
                    Resolution::Intrinsic {
                        what: Intrinsic::NewFrom,
                        args,
                        keywords,
                    },
                ));
            }
            ([x], _) if target.is_scalar() => {
                let from = super::op::plain(x.ty());
                let from = from
                    .as_array()
                    .filter(|a| a.ndim == 0)
                    .map_or(from, |a| a.dtype);
                if from.as_time().is_some_and(|(delta, _)| delta)
                    && (target.is_int() || target.is_float())
                {
                    return Ok((
                        AbsVal::of(target),
                        Resolution::Intrinsic {
                            what: Intrinsic::Convert(target),
                            args,
                            keywords,
                        },
                    ));
                }
                let lossy = from.is_complex() && !target.is_complex();
                if !from.is_scalar() || lossy {
                    return Err(bad(frame));
                }
                // `int(x)` keeps what int64 does not hold.
                if target == Ty::py_int() && from.strong() == Ty::int(64, false) {
                    let value = AbsVal::of(from.weak());
                    return Ok((
                        value,
                        Resolution::Intrinsic {
                            what: Intrinsic::Convert(from.weak()),
                            args,
                            keywords,
                        },
                    ));
                }
                (Intrinsic::Convert(target), convert_constant(&x.abs, target))
            }
            (_, Kind::Time { delta, unit }) => {
                let unit = AbsVal::literal(Const::Str(unit.name().into()));
                let mut args = args.clone();
                if let ([x], false) = (&args[..], unit.constant == Some(Const::Str("".into()))) {
                    let unit = ArgRef {
                        value: x.value,
                        item: None,
                        abs: unit,
                    };
                    args.push(unit);
                }
                return super::time::construct(frame, *delta, &args, &[]);
            }
            ([x, y], Kind::Complex { .. }) if x.ty().is_scalar() && y.ty().is_scalar() => {
                (Intrinsic::ComplexParts(target), None)
            }
            _ => return Err(bad(frame)),
        };
        let value = AbsVal {
            ty: Some(target),
            constant,
        };
        Ok((
            value,
            Resolution::Intrinsic {
                what,
                args,
                keywords,
            },
        ))
    }
}

/// The value that an inner function, made in the same function, has captured.
fn captured(f: &hir::Function, closure: Value, index: usize) -> Option<Value> {
    let made = f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find(|inst| inst.result == closure)?;
    match &made.op {
        hir::Op::Closure { captures, .. } => captures.get(index).copied(),
        _ => None,
    }
}

/// A call of a function of which nothing is known but its signature.
fn call_pointer(
    frame: &Frame,
    callee: Ty,
    args: Vec<ArgRef>,
    keywords: &[(Name, ArgRef)],
) -> Result<(AbsVal, Resolution)> {
    let Some(function) = callee.signature() else {
        return Err(frame.error(Code::Internal, format!("{callee} has no signature")));
    };
    if let Some((keyword, _)) = keywords.first() {
        return Err(frame
            .error(
                Code::BadArguments,
                format!("a function of a function type takes no keyword argument `{keyword}`"),
            )
            .help("pass it by position: the names of the parameters are not part of the type"));
    }
    let due = function.args.len();
    if args.len() != due {
        let plural = if due == 1 { "" } else { "s" };
        return Err(frame.error(
            Code::ArgumentCount,
            format!(
                "the function takes {due} argument{plural}, but {} were given",
                args.len()
            ),
        ));
    }
    for (i, (arg, &to)) in args.iter().zip(&function.args).enumerate() {
        if promote::fit(arg.ty(), to).is_none() {
            return Err(frame.error(
                Code::BadArguments,
                format!(
                    "argument {} of the function is {}, which cannot be converted to {to}",
                    i + 1,
                    arg.ty()
                ),
            ));
        }
    }
    Ok((AbsVal::of(function.result), Resolution::Pointer { args }))
}

/// The default of a parameter of the prelude.
fn literal_default(frame: &Frame, param: &hir::Param) -> Result<AbsVal> {
    match &param.literal {
        Some(literal) => Ok(super::op::literal_value(literal)),
        None => Err(frame.error(
            Code::Internal,
            format!(
                "the default of `{}` in the prelude is no literal",
                param.name
            ),
        )),
    }
}

/// A call that waits for the type of a list's items.
fn not_yet() -> (AbsVal, Resolution) {
    (
        AbsVal::BOTTOM,
        Resolution::Intrinsic {
            what: Intrinsic::Known,
            args: vec![],
            keywords: vec![],
        },
    )
}

/// The constant zero of a scalar type.
fn zero(ty: Ty) -> Const {
    match ty.kind() {
        Kind::Bool => Const::Bool(false),
        Kind::Int { .. } => Const::Int(0),
        Kind::Float { .. } => Const::Float(0.0),
        _ => Const::Complex(0.0, 0.0),
    }
}

/// The number that a text, which is known, says.
fn number_in(x: &ArgRef, target: Ty) -> Option<f64> {
    match &x.abs.constant {
        Some(Const::Str(text)) if target.bits() == 64 => text.trim().parse().ok(),
        _ => None,
    }
}

fn convert_constant(x: &AbsVal, target: Ty) -> Option<Const> {
    let wide = target.bits() == 64;
    match (x.constant.as_ref()?, target.kind()) {
        (Const::Int(i), Kind::Int { signed: true, .. }) if wide && i64::try_from(*i).is_ok() => {
            Some(Const::Int(*i))
        }
        (Const::Int(i), Kind::Float { .. }) if wide => Some(Const::Float(*i as f64)),
        (Const::Float(v), Kind::Float { .. }) if wide => Some(Const::Float(*v)),
        _ => None,
    }
}

/// An error inside a callee, with the call that led there; a recursion is said once.
fn in_call(e: Box<Diagnostic>, frame: &Frame, name: &str, args: &str) -> Box<Diagnostic> {
    let is_here =
        |label: &Label| label.at.span == frame.span && label.at.source == frame.module.source;
    if e.labels.last().is_some_and(is_here) {
        return e;
    }
    e.label(
        &frame.module.source,
        frame.span,
        format!("in this call of `{name}` with {args}"),
    )
}

/// `(int64, float64)`.
pub(super) fn signature(types: &[Ty]) -> String {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    format!("({})", names.join(", "))
}

fn star_type(args: &[ArgRef]) -> Ty {
    Ty::tuple(&args.iter().map(ArgRef::ty).collect::<Vec<_>>())
}

fn bound_type(bound: &Bound) -> Ty {
    match bound {
        Bound::Arg(a) => a.ty(),
        Bound::Star(list) => star_type(list),
        Bound::Omitted(default) => Ty::new(Kind::Omitted(*default)),
        Bound::Literal(value) => ty_of(value),
        Bound::Default(_) | Bound::Capture(_) | Bound::Receiver => Ty::none(),
    }
}

fn positional(name: &str) -> hir::Param {
    hir::Param {
        name: Arc::from(name),
        kind: ParamKind::Positional,
        has_default: false,
        literal: None,
        fixed: false,
        span: crate::source::Span::default(),
    }
}

/// The arguments of a call: those by position, those by name.
type Expanded = (Vec<ArgRef>, Vec<(Name, ArgRef)>);

/// Spells out starred arguments.
fn expand(frame: &Frame, args: &[Arg], keywords: &[(Option<Name>, Value)]) -> Result<Expanded> {
    let mut out = vec![];
    for arg in args {
        match *arg {
            Arg::Plain(value) => out.push(ArgRef {
                value,
                item: None,
                abs: frame.val(value).clone(),
            }),
            Arg::Star(value) => {
                let abs = frame.val(value);
                let ty = ty_of(abs);
                let Some(items) = ty.tuple_items() else {
                    return Err(frame
                        .error(Code::NotIterable, format!("cannot pass the items of {ty} as arguments (iterate): their number is not known"))
                        .help("only tuples can be passed with `*`"));
                };
                let constants = match &abs.constant {
                    Some(Const::Tuple(c)) => Some(c.clone()),
                    _ => None,
                };
                for (i, &item) in items.iter().enumerate() {
                    let constant = constants.as_ref().and_then(|c| c.get(i)).cloned();
                    out.push(ArgRef {
                        value,
                        item: Some(i as u32),
                        abs: AbsVal {
                            ty: Some(item),
                            constant,
                        },
                    });
                }
            }
        }
    }
    let mut named = vec![];
    for (name, value) in keywords {
        let Some(name) = name else {
            return Err(frame
                .error(Code::UnsupportedSyntax, "`**` arguments cannot be compiled")
                .help("pass the keywords by name"));
        };
        named.push((
            name.clone(),
            ArgRef {
                value: *value,
                item: None,
                abs: frame.val(*value).clone(),
            },
        ));
    }
    Ok((out, named))
}

/// What binding finds for a parameter.
enum Slot {
    Arg(ArgRef),
    Star(Vec<ArgRef>),
    Default,
}

/// Binds arguments to parameters as Python does; the error is the rest of Python's message.
fn bind(
    params: &[hir::Param],
    args: Vec<ArgRef>,
    keywords: Vec<(Name, ArgRef)>,
) -> std::result::Result<Vec<Slot>, String> {
    let is_positional =
        |p: &hir::Param| matches!(p.kind, ParamKind::Positional | ParamKind::PositionalOnly);
    let positional = params.iter().filter(|p| is_positional(p)).count();
    let has_star = params.iter().any(|p| p.kind == ParamKind::Star);
    let given = args.len();
    if given > positional && !has_star {
        return Err(format!(
            "takes {positional} positional argument{} but {given} were given",
            if positional == 1 { "" } else { "s" }
        ));
    }
    let mut args = args.into_iter();
    let mut slots: Vec<Option<Slot>> = Vec::with_capacity(params.len());
    for p in params {
        slots.push(match p.kind {
            ParamKind::Positional | ParamKind::PositionalOnly => args.next().map(Slot::Arg),
            ParamKind::Star => Some(Slot::Star(args.by_ref().collect())),
            ParamKind::KeywordOnly => None,
        });
    }
    for (name, value) in keywords {
        let takes = |p: &hir::Param| {
            p.name == name && matches!(p.kind, ParamKind::Positional | ParamKind::KeywordOnly)
        };
        let Some(i) = params.iter().position(takes) else {
            return Err(format!("got an unexpected keyword argument '{name}'"));
        };
        if slots[i].is_some() {
            return Err(format!("got multiple values for argument '{name}'"));
        }
        slots[i] = Some(Slot::Arg(value));
    }
    let mut missing = vec![];
    let mut out = vec![];
    for (p, slot) in params.iter().zip(slots) {
        match slot {
            Some(slot) => out.push(slot),
            None if p.has_default => out.push(Slot::Default),
            None => missing.push(format!("'{}'", p.name)),
        }
    }
    if missing.is_empty() {
        return Ok(out);
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    Err(format!(
        "missing {} required argument{plural}: {}",
        missing.len(),
        missing.join(", ")
    ))
}
