//! Typing rules of HIR instructions, and folding of constants.

use super::buffer::text;
use super::creation::of_operand;
use super::intrinsic::{binary_names, compare_names, unary_names};
use super::solve::{Frame, check_bound};
use super::{AbsVal, Session, elementwise};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::unroll::MOST_ITEMS;
use crate::hir::{self, Arg, BinaryOp, CompareOp, Inst, Literal, Op, Scope, UnaryOp, Value};
use crate::host::Const;
use crate::types::{CellSite, Closure, Kind, PyRef, Ty, promote};

impl Session<'_> {
    /// The type of an instruction's result. Bottom when an operand is bottom.
    pub(super) fn inst(&mut self, frame: &mut Frame, inst: &Inst) -> Result<AbsVal> {
        let mut bottom = None;
        inst.op.for_each_operand(|v| {
            if frame.val(v).is_bottom() && bottom.is_none() {
                bottom = Some(v);
            }
        });
        if let Some(v) = bottom {
            check_bound(frame, v);
            return Ok(AbsVal::BOTTOM);
        }
        if let Some(found) = self.list_inst(frame, inst)? {
            return Ok(found);
        }
        if let Some(found) = super::keyed::inst(frame, inst)? {
            return Ok(found);
        }
        if let Some(found) = self.dict_inst(frame, inst)? {
            return Ok(found);
        }
        if let Some(found) = self.buffer_inst(frame, inst)? {
            return Ok(found);
        }
        if let Some(found) = self.grid_inst(frame, inst)? {
            return Ok(found);
        }
        match &inst.op {
            Op::Literal(literal) => Ok(literal_value(literal)),
            Op::Unbound(_) => Ok(AbsVal::BOTTOM),
            // Nothing comes after a check that always fails.
            Op::CheckBound(bound, _) | Op::CheckFree(bound, _)
                if frame.val(*bound).as_bool() == Some(false) =>
            {
                Ok(AbsVal::BOTTOM)
            }
            Op::CheckBound(..) | Op::CheckFree(..) => Ok(AbsVal::of(Ty::none())),
            Op::IsBound(_) => Err(frame.error(Code::Internal, "a question that was not answered")),
            Op::Global(name) => self.global(frame, name),
            Op::Free(name) => self.free(frame, name),
            Op::Unary(op, a) => unary(frame, *op, frame.val(*a)),
            Op::InPlace(op, a, b) if ty_of(frame.val(*a)).as_array().is_some() => {
                match elementwise::in_place(*op, frame.val(*a), frame.val(*b)) {
                    Some(found) => found.map_err(|m| frame.error(Code::CannotConvert, m)),
                    None => self.binary(frame, *op, frame.val(*a), frame.val(*b)),
                }
            }
            Op::Binary(op, a, b) | Op::InPlace(op, a, b) => {
                self.binary(frame, *op, frame.val(*a), frame.val(*b))
            }
            Op::Compare(op, a, b) => {
                self.compare(frame, *op, &frame.val(*a).clone(), &frame.val(*b).clone())
            }
            Op::Truth(a) => truth(frame, frame.val(*a)),
            Op::Tuple(args) => display(frame, args),
            Op::Slice(parts) => slice(frame, parts),
            Op::GetAttr(a, name) => self.attribute(frame, *a, name),
            Op::GetItem(a, i) => {
                self.get_item(frame, &frame.val(*a).clone(), &frame.val(*i).clone())
            }
            Op::SetItem(a, i, v) => {
                let (a, i, v) = (
                    frame.val(*a).clone(),
                    frame.val(*i).clone(),
                    frame.val(*v).clone(),
                );
                self.set_item(frame, &a, &i, &v)
            }
            Op::Call {
                callee,
                args,
                keywords,
            } => self.call(frame, inst.result, *callee, args, keywords),
            Op::Iter(a) if self.unroll(frame, inst.result, *a) => Ok(AbsVal::BOTTOM),
            Op::Iter(a) => self.iter(frame, &frame.val(*a).clone()),
            Op::IterMore(it) => Ok(iter_more(frame.val(*it))),
            Op::IterItem(it) => self.iter_item(frame, &frame.val(*it).clone()),
            Op::IterResult(it) => self.iter_result(frame, frame.val(*it)),
            Op::Yield(value) => self.yielded(frame, *value),
            Op::WalkRange(..) => Ok(AbsVal::of(Ty::new(Kind::Range(Ty::py_int(), Some(1))))),
            Op::WalkItem(over, _) => {
                let over = ty_of(frame.val(*over));
                self.iter_element(frame, over).map(AbsVal::of)
            }
            Op::IterNext(it) => Ok(AbsVal::of(ty_of(frame.val(*it)))),
            Op::Unpack {
                value,
                before,
                star,
                after,
            } => unpack(frame, frame.val(*value), *before, *star, *after),
            Op::UnpackItem(sequence, index) => {
                let sequence = frame.val(*sequence).clone();
                let index = AbsVal::literal(Const::Int(i128::from(*index)));
                self.get_item(frame, &sequence, &index)
            }
            Op::Closure {
                function,
                captures,
                defaults,
            } => {
                let types = |vs: &[Value]| vs.iter().map(|v| ty_of(frame.val(*v))).collect();
                let module = self.get(frame.id).key.module.0;
                let closure = Closure {
                    module,
                    function: function.0,
                    captures: types(captures),
                    defaults: types(defaults),
                };
                Ok(AbsVal::of(Ty::new(Kind::Closure(closure))))
            }
            Op::NewCell(_) => {
                let number = self.get(frame.id).cells_from + inst.result.0;
                Ok(AbsVal::of(Ty::new(Kind::Cell(CellSite {
                    instance: frame.id.0,
                    inst: number,
                }))))
            }
            Op::CellBound(_) => Ok(AbsVal::of(Ty::bool())),
            Op::CellGet(cell, _) => {
                let content = cell_site(frame.val(*cell))
                    .and_then(|site| self.cells.get(&site))
                    .cloned();
                Ok(AbsVal {
                    constant: None,
                    ..content.unwrap_or_default()
                })
            }
            Op::CellSet(cell, value) => self.cell_set(frame, *cell, *value),
            Op::Coerce(value, name) => self.coerce(frame, *value, name),
            Op::FString(_) => Err(unsupported(
                frame,
                "f-strings",
                "build the text with `+` and `str()`",
            )),
            Op::List(_)
            | Op::Append(..)
            | Op::Set
            | Op::SetAdd(..)
            | Op::Dict(_)
            | Op::DictSet(..) => Err(frame.error(Code::Internal, "a container that is none")),
            Op::SetAttr(a, name, v) => {
                if let Some(done) =
                    super::record::set_attribute(frame, frame.val(*a), name, frame.val(*v))
                {
                    return done;
                }
                let ty = ty_of(frame.val(*a));
                Err(frame
                    .error(
                        Code::ReadOnly,
                        format!("cannot assign to attribute `{name}` of {ty}"),
                    )
                    .note("values of this type are immutable in compiled code"))
            }
            Op::DelItem(a, _) => {
                let ty = ty_of(frame.val(*a));
                Err(frame.error(Code::ReadOnly, format!("cannot delete an item of {ty}")))
            }
            Op::ExceptMatch(_, class) => except_match(frame, frame.val(*class)),
        }
    }

    /// Type and constant of a Python object.
    pub(super) fn describe(&mut self, object: PyRef) -> Result<AbsVal> {
        match self.host.describe(object) {
            Ok(found) => Ok(AbsVal {
                ty: Some(found.ty),
                constant: found.constant,
            }),
            Err(class) => Err(Diagnostic::new(
                Code::UnsupportedValue,
                format!("a value of class `{class}` cannot be used in compiled code"),
            )),
        }
    }

    fn global(&mut self, frame: &Frame, name: &hir::Name) -> Result<AbsVal> {
        let function = match frame.module.scope {
            Scope::Python(function) => function,
            Scope::Prelude => return Ok(self.prelude_global(frame, name)),
        };
        let Some(object) = self.host.global(function, name) else {
            if let Some(itself) = own_name(frame, name) {
                return Ok(itself);
            }
            return Err(frame
                .error(Code::UnknownName, format!("name `{name}` is not defined"))
                .note("it is neither a local variable nor a global of the function's module nor a builtin"));
        };
        self.named(frame, name, object)
    }

    fn free(&mut self, frame: &Frame, name: &hir::Name) -> Result<AbsVal> {
        let Scope::Python(function) = frame.module.scope else {
            return Err(frame.error(Code::Internal, "a free variable in the prelude"));
        };
        let Some(object) = self.host.free(function, name) else {
            if let Some(itself) = own_name(frame, name) {
                return Ok(itself);
            }
            return Err(frame.error(
                Code::UnknownName,
                format!("the enclosing function has not assigned `{name}` yet"),
            ));
        };
        self.named(frame, name, object)
    }

    fn named(&mut self, frame: &Frame, name: &str, object: PyRef) -> Result<AbsVal> {
        self.describe(object).map_err(|mut e| {
            e.message = format!("`{name}`: {}", e.message);
            e.label(&frame.module.source, frame.span, self.host.repr(object))
        })
    }

    /// A global name of the prelude: a module, another function of it, or a builtin.
    fn prelude_global(&self, frame: &Frame, name: &hir::Name) -> AbsVal {
        let ty = match &**name {
            "math" => Ty::new(Kind::Module("math".into())),
            "np" => Ty::new(Kind::Module("numpy".into())),
            _ => match frame.module.functions.iter().position(|f| f.name == *name) {
                Some(function) => Ty::new(Kind::Closure(Closure {
                    module: self.get(frame.id).key.module.0,
                    function: function as u32,
                    captures: [].into(),
                    defaults: [].into(),
                })),
                None => match self.host.exception(name) {
                    Some(class) => Ty::new(Kind::ExcClass(class, (&**name).into())),
                    None => match self.result_class(name) {
                        Some(class) => class,
                        None => return super::builtins::by_name(name),
                    },
                },
            },
        };
        AbsVal::of(ty)
    }

    /// A named tuple that functions of `numpy.linalg` return.
    fn result_class(&self, name: &str) -> Option<Ty> {
        if !super::linalg::RESULTS.contains(&name) {
            return None;
        }
        let module = self.host.module("numpy.linalg._linalg")?;
        let class = self.host.attribute(module, name)?;
        Some(self.host.describe(class).ok()?.ty)
    }

    /// `a op b` on scalars, tuples and strings.
    pub(super) fn binary(
        &self,
        frame: &Frame,
        op: BinaryOp,
        a: &AbsVal,
        b: &AbsVal,
    ) -> Result<AbsVal> {
        let (x, y) = (plain(ty_of(a)), plain(ty_of(b)));
        if op == BinaryOp::Pow && x.is_scalar() && y.is_scalar() {
            return Ok(power(a, b, x, y));
        }
        if let Some(ty) = promote::binary(op, x, y) {
            return Ok(AbsVal {
                ty: Some(ty),
                constant: fold_binary(op, a, b),
            });
        }
        let (x, y) = (text(x), text(y));
        match (op, x.kind(), y.kind()) {
            (BinaryOp::Add, Kind::Str, Kind::Str) => return Ok(AbsVal::of(Ty::str())),
            (BinaryOp::Mul, Kind::Str, _) if y.is_integral() => return Ok(AbsVal::of(Ty::str())),
            (BinaryOp::Mul, _, Kind::Str) if x.is_integral() => return Ok(AbsVal::of(Ty::str())),
            (
                BinaryOp::Add,
                Kind::Tuple(p) | Kind::NamedTuple(_, p),
                Kind::Tuple(q) | Kind::NamedTuple(_, q),
            ) => {
                return Ok(AbsVal::of(Ty::tuple(&[&p[..], &q[..]].concat())));
            }
            (BinaryOp::Mul, Kind::Tuple(p), _) if b.as_int().is_some() => {
                return repeated(frame, a, p, b);
            }
            (BinaryOp::Mul, _, Kind::Tuple(q)) if a.as_int().is_some() => {
                return repeated(frame, b, q, a);
            }
            _ => {}
        }
        if op == BinaryOp::MatMul
            && (x.as_array().is_some() || y.as_array().is_some())
            && let Some(ty) = super::linalg::product(of_operand(x), of_operand(y))
        {
            return Ok(AbsVal::of(ty));
        }
        if let Some(found) = elementwise::binary(op, a, b) {
            return Ok(found);
        }
        let (name, sign) = binary_names(op);
        let mut error = frame.error(
            Code::NoOperator,
            format!("no operator `{sign}` ({name}) for {x} and {y}"),
        );
        error.labels[0].text = format!("{x} {sign} {y}");
        if x.is_str() != y.is_str() && (x.is_number() || y.is_number()) && op == BinaryOp::Add {
            error = error.help("convert the number with `str()`");
        }
        Err(error)
    }

    pub(super) fn compare(
        &self,
        frame: &Frame,
        op: CompareOp,
        a: &AbsVal,
        b: &AbsVal,
    ) -> Result<AbsVal> {
        let (x, y) = (ty_of(a), ty_of(b));
        if let Some(found) =
            elementwise::compare(op, a, b).or_else(|| elementwise::compare_records(op, x, y))
        {
            return Ok(found);
        }
        match op {
            CompareOp::Is | CompareOp::IsNot => {
                return Ok(match identity(a, b, x, y) {
                    Some(same) => AbsVal::bool(same == (op == CompareOp::Is)),
                    None => AbsVal::of(Ty::bool()),
                });
            }
            CompareOp::In | CompareOp::NotIn => {
                let fits = match y.kind() {
                    Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                        items.iter().all(|&t| comparable(CompareOp::Eq, x, t))
                    }
                    Kind::Str => x.is_str(),
                    Kind::Range(..) => x.is_integral(),
                    Kind::Array(a) => {
                        plain(x).is_scalar() && a.dtype.is_scalar()
                            || plain(x).is_time() && comparable(CompareOp::Eq, plain(x), a.dtype)
                    }
                    _ => false,
                };
                if fits {
                    return Ok(match fold_in(a, b) {
                        Some(found) => AbsVal::bool(found == (op == CompareOp::In)),
                        None => AbsVal::of(Ty::bool()),
                    });
                }
            }
            _ if comparable(op, x, y) => {
                return Ok(
                    match fold_compare(op, a, b)
                        .or_else(|| same_type(x, y).map(|same| same == (op == CompareOp::Eq)))
                    {
                        Some(known) => AbsVal::bool(known),
                        None => AbsVal::of(Ty::bool()),
                    },
                );
            }
            _ => {}
        }
        let (name, sign) = compare_names(op);
        let mut error = frame.error(
            Code::NoOperator,
            format!("no operator `{sign}` ({name}) for {x} and {y}"),
        );
        error.labels[0].text = format!("{x} {sign} {y}");
        Err(error)
    }

    fn cell_set(&mut self, frame: &Frame, cell: Value, value: Value) -> Result<AbsVal> {
        if let Some(site) = cell_site(frame.val(cell)) {
            let new = AbsVal::of(ty_of(frame.val(value)));
            let old = self.cells.entry(site).or_default();
            match old.join(&new) {
                Ok(joined) if joined.ty != old.ty => {
                    *old = joined;
                    self.cells_changed = true;
                }
                Ok(_) => {}
                Err((x, y)) => {
                    return Err(frame.error(
                        Code::CannotUnify,
                        format!(
                            "cannot unify {x} and {y} for a variable that an inner function shares"
                        ),
                    ));
                }
            }
        }
        Ok(AbsVal::of(Ty::none()))
    }

    fn coerce(&self, frame: &Frame, value: Value, name: &str) -> Result<AbsVal> {
        let info = self.info(self.get(frame.id).key.module);
        let from = ty_of(frame.val(value));
        let Some(&(_, to)) = info.locals.iter().find(|(n, _)| **n == *name) else {
            return Ok(frame.val(value).clone());
        };
        if promote::fit(from, to).is_none() {
            return Err(frame.error(
                Code::CannotConvert,
                format!("cannot convert {from} to {to}, the type given for local `{name}`"),
            ));
        }
        Ok(AbsVal::of(to))
    }
}

/// `tuple * count` with a constant count.
fn repeated(frame: &Frame, tuple: &AbsVal, items: &[Ty], count: &AbsVal) -> Result<AbsVal> {
    let count = usize::try_from(count.as_int().unwrap_or(0)).unwrap_or(0);
    if items.len().saturating_mul(count) > MOST_ITEMS {
        return Err(frame.error(
            Code::NoOperator,
            format!("a tuple of more than {MOST_ITEMS} items is too large to be compiled"),
        ));
    }
    let constant = match &tuple.constant {
        Some(Const::Tuple(constants)) => Some(Const::Tuple(
            (0..count).flat_map(|_| constants.iter().cloned()).collect(),
        )),
        _ => None,
    };
    Ok(AbsVal {
        ty: Some(Ty::tuple(&items.repeat(count))),
        constant,
    })
}

/// The function itself, by a name that is not bound yet while its decorator compiles it.
fn own_name(frame: &Frame, name: &hir::Name) -> Option<AbsVal> {
    let itself = Closure {
        module: 0,
        function: 0,
        captures: [].into(),
        defaults: [].into(),
    };
    (frame.module.functions[0].name == *name).then(|| AbsVal::of(Ty::new(Kind::Closure(itself))))
}

/// `except class`: a class or a tuple of classes.
fn except_match(frame: &Frame, class: &AbsVal) -> Result<AbsVal> {
    let ty = ty_of(class);
    let is_class = |t: &Ty| matches!(t.kind(), Kind::ExcClass(..));
    match ty.kind() {
        Kind::ExcClass(_, name) if &**name == "BaseException" => Ok(AbsVal::bool(true)),
        Kind::ExcClass(..) => Ok(AbsVal::of(Ty::bool())),
        Kind::Tuple(classes) if classes.iter().all(is_class) => Ok(AbsVal::of(Ty::bool())),
        _ => Err(frame
            .error(
                Code::NotAnException,
                format!("`except` takes exception classes, not a value of type {ty}"),
            )
            .help("name a class, or a tuple of classes")),
    }
}

/// The type of a value that is not bottom.
pub(super) fn ty_of(v: &AbsVal) -> Ty {
    v.ty.unwrap_or_else(Ty::none)
}

/// The type behind an optional one: arithmetic takes the value out, with a check at run time.
pub(super) fn plain(t: Ty) -> Ty {
    match *t.kind() {
        Kind::Optional(inner) => inner,
        _ => t,
    }
}

fn cell_site(v: &AbsVal) -> Option<CellSite> {
    match *ty_of(v).kind() {
        Kind::Cell(site) => Some(site),
        _ => None,
    }
}

fn unsupported(frame: &Frame, what: &str, instead: &str) -> Box<Diagnostic> {
    frame
        .error(
            Code::UnsupportedSyntax,
            format!("{what} cannot be compiled yet"),
        )
        .help(instead)
}

pub(super) fn literal_value(literal: &Literal) -> AbsVal {
    AbsVal::literal(match literal {
        Literal::None => Const::None,
        Literal::Bool(b) => Const::Bool(*b),
        Literal::Int(i) => Const::Int(*i),
        Literal::Float(x) => Const::Float(*x),
        Literal::Imaginary(x) => Const::Complex(0.0, *x),
        Literal::Str(s) => Const::Str(s.clone()),
        Literal::Bytes(b) => Const::Bytes(b.clone()),
        Literal::Ellipsis => return AbsVal::of(Ty::new(Kind::Ellipsis)),
    })
}

/// `(a, *b, c)`.
pub(super) fn display(frame: &Frame, args: &[Arg]) -> Result<AbsVal> {
    let mut types = vec![];
    let mut constants = Some(vec![]);
    for arg in args {
        match *arg {
            Arg::Plain(v) => {
                let v = frame.val(v);
                types.push(ty_of(v));
                match (&mut constants, &v.constant) {
                    (Some(list), Some(c)) => list.push(c.clone()),
                    _ => constants = None,
                }
            }
            Arg::Star(v) => {
                let ty = ty_of(frame.val(v));
                let Some(items) = ty.tuple_items() else {
                    return Err(frame
                        .error(
                            Code::NotIterable,
                            format!("cannot unpack {ty} into a tuple: its length is not known"),
                        )
                        .help("only tuples can be unpacked here"));
                };
                types.extend(items);
                constants = None;
            }
        }
    }
    Ok(AbsVal {
        ty: Some(Ty::tuple(&types)),
        constant: constants.map(|c| Const::Tuple(c.into())),
    })
}

fn slice(frame: &Frame, parts: &[Option<Value>; 3]) -> Result<AbsVal> {
    slice_of(frame, parts.map(|part| part.map(|v| frame.val(v))))
}

/// `start:stop:step`
pub(super) fn slice_of(frame: &Frame, parts: [Option<&AbsVal>; 3]) -> Result<AbsVal> {
    let types = parts.map(|part| part.map_or(Ty::none(), ty_of));
    if let Some(ty) = types.iter().find(|t| !t.is_none() && !t.is_scalar()) {
        return Err(frame.error(
            Code::BadIndex,
            format!("slice parts are numbers or None, not {ty}"),
        ));
    }
    if types.iter().any(|t| !t.is_none() && !t.is_integral()) {
        return Ok(AbsVal::of(Ty::new(Kind::Grid(types))));
    }
    let present = types.map(|t| !t.is_none());
    let constant = |part: Option<&AbsVal>| match part {
        None => Some(Const::None),
        Some(v) => v.constant.clone(),
    };
    let constants: Option<Vec<Const>> = parts.iter().map(|p| constant(*p)).collect();
    Ok(AbsVal {
        ty: Some(Ty::new(Kind::Slice(present))),
        constant: constants.map(|c| Const::Tuple(c.into())),
    })
}

pub(super) fn unary(frame: &Frame, op: UnaryOp, a: &AbsVal) -> Result<AbsVal> {
    let ty = plain(ty_of(a));
    if op == UnaryOp::Not {
        let truth = truth(frame, a)?;
        return Ok(match truth.as_bool() {
            Some(b) => AbsVal::bool(!b),
            None => AbsVal::of(Ty::bool()),
        });
    }
    if let Some(found) = elementwise::unary(op, a) {
        return Ok(found);
    }
    let int64 = |weak| {
        Ty::new(Kind::Int {
            bits: 64,
            signed: true,
            weak,
        })
    };
    let result = match (op, ty.kind()) {
        (UnaryOp::Neg | UnaryOp::Pos, Kind::Bool) => Some(int64(true)),
        (UnaryOp::Invert, Kind::Bool) => Some(Ty::bool()),
        (UnaryOp::Neg | UnaryOp::Pos | UnaryOp::Invert, Kind::Int { signed, weak, .. }) => {
            Some(Ty::new(Kind::Int {
                bits: 64,
                signed: *signed,
                weak: *weak,
            }))
        }
        (UnaryOp::Neg | UnaryOp::Pos, Kind::Float { .. } | Kind::Complex { .. }) => Some(ty),
        _ => None,
    };
    let Some(result) = result else {
        let (name, sign) = unary_names(op);
        let mut error = frame.error(
            Code::NoOperator,
            format!("no operator `{sign}` ({name}) for {ty}"),
        );
        error.labels[0].text = format!("{sign}{ty}");
        return Err(error);
    };
    let constant = match (op, &a.constant) {
        (UnaryOp::Neg, Some(Const::Int(i))) => Some(Const::Int(-i)).filter(|c| fits(c, result)),
        (UnaryOp::Neg, Some(Const::Float(x))) => Some(Const::Float(-x)),
        (UnaryOp::Pos, Some(c @ (Const::Int(_) | Const::Float(_)))) => Some(c.clone()),
        _ => None,
    };
    Ok(AbsVal {
        ty: Some(result),
        constant,
    })
}

/// `bool(x)`.
pub(super) fn truth(frame: &Frame, a: &AbsVal) -> Result<AbsVal> {
    if let Some(known) = a.as_bool() {
        return Ok(AbsVal::bool(known));
    }
    let ty = ty_of(a);
    match ty.kind() {
        Kind::Bool
        | Kind::Int { .. }
        | Kind::Float { .. }
        | Kind::Complex { .. }
        | Kind::Str
        | Kind::List(_)
        | Kind::Dict { .. }
        | Kind::Set { .. }
        | Kind::View(..)
        | Kind::Array(_)
        | Kind::Buffer(..)
        | Kind::Chars { .. }
        | Kind::Range(..) => Ok(AbsVal::of(Ty::bool())),
        Kind::Time { delta: true, .. } => Ok(AbsVal::of(Ty::bool())),
        Kind::Time { .. } => Ok(AbsVal::bool(true)),
        Kind::Optional(inner) => truth(frame, &AbsVal::of(*inner)).map(|_| AbsVal::of(Ty::bool())),
        Kind::None => Ok(AbsVal::bool(false)),
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => Ok(AbsVal::bool(!items.is_empty())),
        Kind::Keyed(..)
        | Kind::Module(_)
        | Kind::Builtin(_)
        | Kind::Dispatcher(..)
        | Kind::Foreign(..)
        | Kind::Function(_)
        | Kind::Closure(_)
        | Kind::Class(_)
        | Kind::ExcClass(..) => Ok(AbsVal::bool(true)),
        _ => Err(frame
            .error(
                Code::NoOperator,
                format!("the truth value of {ty} is not defined"),
            )
            .help("compare explicitly, for instance `x.size > 0`")),
    }
}

/// Whether a constant fits the integer type.
fn fits(c: &Const, ty: Ty) -> bool {
    match (c, ty.kind()) {
        (Const::Int(i), Kind::Int { signed: true, .. }) => i64::try_from(*i).is_ok(),
        (Const::Int(i), Kind::Int { signed: false, .. }) => u64::try_from(*i).is_ok(),
        _ => true,
    }
}

/// The type of `a ** b`: integers stay integers unless the exponent is a negative constant.
fn power(a: &AbsVal, b: &AbsVal, x: Ty, y: Ty) -> AbsVal {
    let exponent = b.as_int();
    if x.is_integral() && y.is_integral() {
        if exponent.is_some_and(|e| e < 0) {
            return AbsVal::of(Ty::new(Kind::Float {
                bits: 64,
                weak: x.is_weak(),
            }));
        }
        let signed = !matches!(
            (x.kind(), y.kind()),
            (
                Kind::Int { signed: false, .. },
                Kind::Int { signed: false, .. }
            )
        );
        let weak = x.is_weak() && y.is_weak();
        let ty = Ty::new(Kind::Int {
            bits: 64,
            signed,
            weak,
        });
        let constant = fold_binary(BinaryOp::Pow, a, b).filter(|c| fits(c, ty));
        return AbsVal {
            ty: Some(ty),
            constant,
        };
    }
    // An integer exponent does not widen the base.
    let ty = if exponent.is_some() && !x.is_integral() {
        Some(x)
    } else {
        promote::binary(BinaryOp::Mul, x, y)
    };
    AbsVal { ty, constant: None }
}

fn fold_binary(op: BinaryOp, a: &AbsVal, b: &AbsVal) -> Option<Const> {
    // Past 64 bits the result wraps around at run time; that is not worth modelling here.
    match fold_exactly(op, a, b)? {
        Const::Int(i) if i64::try_from(i).is_err() => None,
        c => Some(c),
    }
}

fn fold_exactly(op: BinaryOp, a: &AbsVal, b: &AbsVal) -> Option<Const> {
    Some(match (a.constant.as_ref()?, b.constant.as_ref()?) {
        (Const::Int(x), Const::Int(y)) => Const::Int(match op {
            BinaryOp::Add => x + y,
            BinaryOp::Sub => x - y,
            BinaryOp::Mul => x.checked_mul(*y)?,
            BinaryOp::FloorDiv if *y != 0 => {
                x.div_euclid(*y) - i128::from(*y < 0 && x.rem_euclid(*y) != 0)
            }
            BinaryOp::Mod if *y != 0 => {
                x - y * (x.div_euclid(*y) - i128::from(*y < 0 && x.rem_euclid(*y) != 0))
            }
            BinaryOp::Pow => x.checked_pow(u32::try_from(*y).ok()?)?,
            BinaryOp::And => x & y,
            BinaryOp::Or => x | y,
            BinaryOp::Xor => x ^ y,
            BinaryOp::LShift if (0..63).contains(y) => x.checked_mul(1 << y)?,
            BinaryOp::RShift if (0..64).contains(y) => x >> y,
            _ => return None,
        }),
        (Const::Float(x), Const::Float(y)) => Const::Float(match op {
            BinaryOp::Add => x + y,
            BinaryOp::Sub => x - y,
            BinaryOp::Mul => x * y,
            _ => return None,
        }),
        _ => return None,
    })
}

fn fold_compare(op: CompareOp, a: &AbsVal, b: &AbsVal) -> Option<bool> {
    let (a, b) = (a.constant.as_ref()?, b.constant.as_ref()?);
    let order = match (a, b) {
        (Const::Str(x), Const::Str(y)) => x.chars().cmp(y.chars()),
        (Const::Float(x), Const::Float(y)) => x.partial_cmp(y)?,
        _ => int(a)?.cmp(&int(b)?),
    };
    Some(match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        _ => return None,
    })
}

/// Whether a constant is in a tuple of constants.
fn fold_in(a: &AbsVal, b: &AbsVal) -> Option<bool> {
    let (Some(wanted), Some(Const::Tuple(items))) = (&a.constant, &b.constant) else {
        return None;
    };
    let wanted = AbsVal::literal(wanted.clone());
    let mut found = false;
    for item in items.iter() {
        found |= match item {
            Const::None => wanted.constant.as_ref() == Some(item),
            _ if wanted.constant == Some(Const::None) => false,
            _ => fold_compare(CompareOp::Eq, &wanted, &AbsVal::literal(item.clone()))?,
        };
    }
    Some(found)
}

fn int(c: &Const) -> Option<i128> {
    match c {
        Const::Int(i) => Some(*i),
        Const::Bool(b) => Some(i128::from(*b)),
        _ => None,
    }
}

/// Whether values of two types can be compared with `op`.
fn comparable(op: CompareOp, x: Ty, y: Ty) -> bool {
    let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
    match (x.kind(), y.kind()) {
        _ if x.is_scalar() && y.is_scalar() => equality || !(x.is_complex() || y.is_complex()),
        (Kind::Str, Kind::Str) => true,
        (Kind::Chars { unicode: a, .. }, Kind::Chars { unicode: b, .. }) => a == b,
        (Kind::Chars { unicode: true, .. }, Kind::Str)
        | (Kind::Str, Kind::Chars { unicode: true, .. }) => true,
        (Kind::Record(_), Kind::Record(_)) => {
            equality
                && super::record::item(x, true) == super::record::item(y, true)
                && super::record::has_equality(x)
        }
        (Kind::Time { .. }, Kind::Time { .. }) => {
            elementwise::compare(op, &AbsVal::of(x), &AbsVal::of(y)).is_some()
        }
        (Kind::Optional(a), Kind::Optional(b)) => comparable(op, *a, *b),
        (Kind::Optional(a), Kind::None) | (Kind::None, Kind::Optional(a)) => {
            equality && comparable(op, *a, *a)
        }
        (Kind::Optional(a), _) => comparable(op, *a, y),
        (_, Kind::Optional(b)) => comparable(op, x, *b),
        (Kind::None, Kind::None) => equality,
        (Kind::Tuple(p) | Kind::NamedTuple(_, p), Kind::Tuple(q) | Kind::NamedTuple(_, q)) => {
            p.iter().zip(q.iter()).all(|(a, b)| comparable(op, *a, *b))
        }
        (Kind::Dtype(_) | Kind::Class(_), Kind::Dtype(_) | Kind::Class(_)) => equality,
        (Kind::None, _) | (_, Kind::None) => equality,
        _ => false,
    }
}

/// Whether two dtypes, or classes used as such, are the same.
fn same_type(x: Ty, y: Ty) -> Option<bool> {
    match (x.kind(), y.kind()) {
        (Kind::Dtype(a) | Kind::Class(a), Kind::Dtype(b) | Kind::Class(b)) => {
            Some(a.strong() == b.strong())
        }
        _ => None,
    }
}

/// What `is` gives where it is known: None against anything that cannot be None, types by identity.
fn identity(a: &AbsVal, b: &AbsVal, x: Ty, y: Ty) -> Option<bool> {
    match (x.kind(), y.kind()) {
        (Kind::None, Kind::None) => Some(true),
        (Kind::None, Kind::Optional(_)) | (Kind::Optional(_), Kind::None) => None,
        (Kind::None, _) | (_, Kind::None) => Some(false),
        (Kind::List(_), Kind::List(_))
        | (Kind::Dict { .. }, Kind::Dict { .. })
        | (Kind::Set { .. }, Kind::Set { .. })
            if x.strong() == y.strong() =>
        {
            None
        }
        _ if x.is_scalar() && y.is_scalar() && x == y => match (&a.constant, &b.constant) {
            (Some(p), Some(q)) => Some(p.same(q)),
            _ => None,
        },
        (Kind::Time { .. }, Kind::Time { .. }) if x == y => None,
        _ if x.is_scalar() || y.is_scalar() => Some(false).filter(|_| x.strong() != y.strong()),
        _ => Some(x == y),
    }
}

fn iter_more(it: &AbsVal) -> AbsVal {
    match ty_of(it).kind() {
        Kind::Iter(t) if t.tuple_items().is_some_and(<[Ty]>::is_empty) => AbsVal::bool(false),
        _ => AbsVal::of(Ty::bool()),
    }
}

fn unpack(frame: &Frame, value: &AbsVal, before: u32, star: bool, after: u32) -> Result<AbsVal> {
    let ty = ty_of(value);
    if star {
        return Err(frame.error(Code::Internal, "a starred target that is no list"));
    }
    let wanted = (before + after) as usize;
    match ty.kind() {
        Kind::Tuple(items) | Kind::NamedTuple(_, items) if items.len() != wanted => Err(frame
            .error(
                Code::NotIterable,
                format!(
                    "cannot unpack a tuple of {} items ({ty}) into {wanted} targets",
                    items.len()
                ),
            )),
        Kind::Record(record) if record.fields.len() == wanted => Ok(value.clone()),
        Kind::Tuple(_) | Kind::NamedTuple(..) => Ok(value.clone()),
        Kind::Array(_) | Kind::List(_) => Ok(value.clone()),
        _ => Err(frame.error(
            Code::NotIterable,
            format!("cannot unpack (iterate over) a value of type {ty}"),
        )),
    }
}
