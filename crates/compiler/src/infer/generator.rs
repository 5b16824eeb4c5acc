//! Typing of generators, and of what drives iterators: `yield`, `next`, `send`, `close`.
//!
//! A call of a generator function gives an object whose type says what it yields, takes and returns, not
//! which function it runs: generators of different functions may meet in a variable, and come from
//! Python. What can be sent to one is of the type that it yields, or None, which `next` sends.
//!
//! Every iterator that is more than the head of a loop is such an object: `iter(x)` is a generator of the
//! prelude that yields the items of `x`. `enumerate`, `zip` and `reversed` are iterables as long as one
//! loop or call gets them, which is all that most programs do with them.

use super::call::{ArgRef, Resolution};
use super::intrinsic::Intrinsic;
use super::op::ty_of;
use super::solve::Frame;
use super::{AbsVal, Session, sites};
use crate::diag::{Code, Result};
use crate::hir::{Arg, Function, Name, Op, Value};
use crate::types::{Generator, Kind, Ty, join, promote};

/// Builtins that make iterators, and the generators of the prelude that do what they do.
const ITERATORS: &[(&str, &str)] = &[
    ("builtins.enumerate", "iterator_enumerate"),
    ("builtins.reversed", "iterator_reversed"),
    ("builtins.zip", "iterator_zip"),
];

pub(super) const METHODS: &[&str] = &["__next__", "close", "send"];

/// The type of the objects that a generator function makes, as far as it has been typed.
pub(super) fn object(f: &Function, yields: Option<Ty>, result: Option<Ty>) -> Ty {
    let item = yields.unwrap_or_else(|| Ty::new(Kind::Unknown));
    Ty::new(Kind::Generator(Generator {
        item,
        sent: if f.receives() {
            Ty::optional(item)
        } else {
            Ty::none()
        },
        result: result.unwrap_or_else(Ty::none),
    }))
}

impl Session<'_> {
    /// `yield value`
    pub(super) fn yielded(&mut self, frame: &mut Frame, value: Value) -> Result<AbsVal> {
        let new = AbsVal::of(ty_of(frame.val(value)));
        let old = AbsVal {
            ty: frame.typing.yields,
            constant: None,
        };
        frame.sites.link(sites::RESULT, value);
        match old.join(&new) {
            Ok(joined) => {
                frame.more_yielded |= joined.ty != frame.typing.yields;
                frame.typing.yields = joined.ty;
            }
            Err((a, b)) if frame.sites.unify(sites::RESULT, a, b) => {}
            Err((a, b)) => {
                let name = &frame.hir().name;
                return Err(frame
                    .error(
                        Code::CannotUnify,
                        format!("cannot unify {a} and {b} for what `{name}` yields"),
                    )
                    .help("yield values of one type everywhere"));
            }
        }
        let received = frame.typing.yields.filter(|_| frame.receives);
        Ok(AbsVal::of(received.map_or_else(Ty::none, Ty::optional)))
    }

    /// What a loop's iterator has returned.
    pub(super) fn iter_result(&self, frame: &Frame, it: &AbsVal) -> Result<AbsVal> {
        let result = match *ty_of(it).kind() {
            Kind::Iter(over) => over.as_generator().map_or_else(Ty::none, |g| g.result),
            _ => return Err(frame.error(Code::Internal, "an iterator that is none")),
        };
        Ok(if result.is_known() {
            AbsVal::of(result)
        } else {
            AbsVal::BOTTOM
        })
    }

    /// `iter`, `next`, and builtins that make iterators; `None` if it is another call, or one whose
    /// result is used as an iterable only.
    pub(super) fn iterator_call(
        &mut self,
        frame: &Frame,
        result: Value,
        callee: Ty,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let Kind::Builtin(name) = callee.kind() else {
            return Ok(None);
        };
        if let Some((_, iterator)) = ITERATORS.iter().find(|(known, _)| *known == &**name) {
            if is_iterable_only(frame, result) {
                return Ok(None);
            }
            return self.call_prelude(frame, iterator, args.to_vec(), keywords.to_vec());
        }
        match (&**name, args) {
            ("builtins.iter", [x]) if x.ty().as_generator().is_some() => {
                Ok(Some(intrinsic(x.abs.ty, Intrinsic::Identity, args)))
            }
            ("builtins.iter", [x]) => {
                self.check_iterable(frame, x.ty())?;
                self.call_prelude(frame, "iterator_iter", args.to_vec(), vec![])
            }
            ("builtins.next", [iterator, ..]) if args.len() <= 2 && keywords.is_empty() => {
                let ty = iterator.ty();
                let Some(generator) = ty.as_generator() else {
                    return Err(frame
                        .error(
                            Code::BadArguments,
                            format!("next() takes an iterator, and {ty} is none"),
                        )
                        .help("make one with `iter(...)`, once"));
                };
                next(frame, generator, args).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A method of a generator.
    pub(super) fn generator_method(
        &mut self,
        frame: &Frame,
        generator: Generator,
        name: &str,
        args: &[ArgRef],
    ) -> Result<Option<(AbsVal, Intrinsic)>> {
        Ok(match (name, args) {
            ("__next__", []) => Some((item(generator), Intrinsic::Next)),
            ("close", []) => Some((AbsVal::of(Ty::none()), Intrinsic::Close)),
            ("send", [value]) => {
                if promote::fit(value.ty(), generator.sent).is_none()
                    || value.ty() != Ty::none() && generator.sent.is_none()
                {
                    let takes = match *generator.sent.kind() {
                        Kind::Optional(ty) => format!("takes {ty}"),
                        _ => "takes nothing but None".to_owned(),
                    };
                    return Err(frame
                        .error(
                            Code::BadArguments,
                            format!("cannot send {} to a generator that {takes}", value.ty()),
                        )
                        .note("what is sent to a generator has the type of what it yields"));
                }
                Some((item(generator), Intrinsic::Send))
            }
            _ => None,
        })
    }
}

fn item(generator: Generator) -> AbsVal {
    if generator.item.is_known() {
        AbsVal::of(generator.item)
    } else {
        AbsVal::BOTTOM
    }
}

fn intrinsic(ty: Option<Ty>, what: Intrinsic, args: &[ArgRef]) -> (AbsVal, Resolution) {
    (
        AbsVal { ty, constant: None },
        Resolution::Intrinsic {
            what,
            args: args.into(),
            keywords: vec![],
        },
    )
}

/// `next(iterator)`, `next(iterator, default)`
fn next(frame: &Frame, generator: Generator, args: &[ArgRef]) -> Result<(AbsVal, Resolution)> {
    let mut found = item(generator).ty;
    if let (Some(item), Some(default)) = (found, args.get(1)) {
        found = join::join(item, default.ty());
        if found.is_none() {
            return Err(frame.error(
                Code::CannotUnify,
                format!(
                    "cannot unify {item}, which the iterator gives, and {}, the default of next()",
                    default.ty()
                ),
            ));
        }
    }
    Ok(intrinsic(found, Intrinsic::Next, args))
}

/// Whether all that happens to a value is that one loop goes over it, or one call gets it.
fn is_iterable_only(frame: &Frame, value: Value) -> bool {
    let f = frame.hir();
    let mut uses = 0;
    let mut only = true;
    for block in &f.blocks {
        for inst in &block.insts {
            let before = uses;
            inst.op.for_each_operand(|v| uses += u32::from(v == value));
            if uses == before {
                continue;
            }
            only &= match &inst.op {
                Op::Iter(_) | Op::List(_) | Op::Tuple(_) => true,
                Op::Call { callee, args, .. } => {
                    let advances = matches!(ty_of_known(frame, *callee), Some(Kind::Builtin(name)) if &**name == "builtins.next");
                    args.contains(&Arg::Plain(value)) && !advances
                }
                _ => false,
            };
        }
        let passed = block.edges().flat_map(|t| &t.args).copied();
        only &= !passed.chain(block.term.operand()).any(|v| v == value);
    }
    only && uses <= 1
}

fn ty_of_known(frame: &Frame, value: Value) -> Option<&'static Kind> {
    frame.val(value).ty.map(Ty::kind)
}
