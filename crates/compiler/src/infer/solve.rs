//! The fixpoint over one instance, and over the recursions between instances.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::sites::{self, Sites};
use super::{AbsVal, Hir, InstanceId, Key, Session, State, Typing};
use super::{display, generator};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{self, BlockId, Function, Op, Terminator, Value};
use crate::source::Span;
use crate::types::{Kind, Ty};

/// Deepest chain of instances that are solved inside each other.
const DEEPEST: u32 = 200;

/// What typing rules see of the instance they work on.
pub(super) struct Frame {
    pub id: InstanceId,
    pub module: Arc<hir::Module>,
    pub hir: Hir,
    /// The instance has got another body: this typing counts for nothing.
    pub replaced: bool,
    pub typing: Typing,
    /// Errors of the current pass.
    #[allow(
        clippy::vec_box,
        reason = "as they come, in the boxes that keep results small"
    )]
    pub errors: Vec<Box<Diagnostic>>,
    pub sites: Sites,
    /// List displays that only one call sees, and what is called.
    pub displays: FxHashMap<Value, Value>,
    /// A generator that looks at what is sent to it.
    pub receives: bool,
    /// Whether what it yields has risen since this was asked for.
    pub more_yielded: bool,
    /// The instruction being typed.
    pub span: Span,
}

impl Frame {
    pub fn hir(&self) -> &Function {
        &self.hir
    }

    pub fn val(&self, v: Value) -> &AbsVal {
        &self.typing.values[v.index()]
    }

    /// An error at the current instruction.
    pub fn error(&self, code: Code, message: impl Into<String>) -> Box<Diagnostic> {
        super::error_at(&self.module, self.span, code, message)
    }
}

impl Session<'_> {
    /// Types an instance; its result (bottom while a recursion through it has not returned yet).
    pub(super) fn solve(&mut self, id: InstanceId) -> Result<AbsVal> {
        let f = self.code(id);
        let instance = &mut self.instances[id.0 as usize];
        let result = instance.typing.result;
        match instance.state {
            State::Done => {
                return Ok(AbsVal {
                    ty: result,
                    constant: None,
                });
            }
            State::Active(depth) => {
                instance.assumed = true;
                instance.recursive = true;
                self.low = self.low.min(depth);
                // The call of a generator function returns in any case.
                let nothing_yet = || generator::object(&f, None, Some(Ty::new(Kind::Unknown)));
                return Ok(AbsVal {
                    ty: result.or_else(|| f.is_generator.then(nothing_yet)),
                    constant: None,
                });
            }
            State::New | State::Provisional => {}
        }
        if self.depth >= DEEPEST {
            return Err(Diagnostic::new(
                Code::RecursiveType,
                format!("calls are nested deeper than {DEEPEST} functions"),
            ));
        }
        let depth = self.depth;
        let low_before = std::mem::replace(&mut self.low, u32::MAX);
        self.depth += 1;
        self.instances[id.0 as usize].state = State::Active(depth);
        let outcome = self.iterate(id);
        self.depth -= 1;
        let low = self.low;
        self.low = low_before.min(low);
        let instance = &mut self.instances[id.0 as usize];
        if let Err(e) = outcome {
            instance.state = State::New;
            return Err(e);
        }
        if low < depth {
            // Everything between the assumed instance and this one is part of the recursion.
            instance.recursive = true;
            instance.state = State::Provisional;
        } else {
            self.low = low_before;
            instance.state = State::Done;
        }
        Ok(AbsVal {
            ty: instance.typing.result,
            constant: None,
        })
    }

    /// Repeats the typing of an instance until its own result, as its recursive calls saw it, is right.
    fn iterate(&mut self, id: InstanceId) -> Result<()> {
        loop {
            self.instances[id.0 as usize].assumed = false;
            let before = self.get(id).typing.result;
            let Some(typing) = self.propagate(id)? else {
                continue;
            };
            let instance = &mut self.instances[id.0 as usize];
            let changed = typing.result != before;
            instance.typing = Arc::new(typing);
            if instance.assumed && changed {
                continue;
            }
            if let Some(span) = instance.typing.unknown_site {
                return Err(sites::no_items(
                    &self.info(self.get(id).key.module).module.clone(),
                    span,
                ));
            }
            // Without a recursion, every path raises: the result stays bottom, and nothing follows a call.
            if instance.typing.result.is_none() && instance.assumed {
                return Err(self.never_returns(id));
            }
            return Ok(());
        }
    }

    fn never_returns(&self, id: InstanceId) -> Box<Diagnostic> {
        let f = self.code(id);
        super::error_at(
            &f.module,
            f.span,
            Code::RecursiveType,
            format!(
                "cannot infer the return type of `{}`: every path calls it again",
                f.name
            ),
        )
        .help("give the recursion a path that returns without a recursive call")
    }

    /// One round of propagation to a fixpoint, with the callees' results as they are known now.
    /// `None`: a loop was unrolled, and typing has to start again.
    fn propagate(&mut self, id: InstanceId) -> Result<Option<Typing>> {
        let hir = self.code(id);
        let key = self.get(id).key.clone();
        let f: &Function = &hir;
        let mut frame = Frame {
            id,
            module: hir.module.clone(),
            hir: hir.clone(),
            replaced: false,
            typing: Typing::default(),
            errors: vec![],
            sites: Sites::default(),
            displays: display::arguments(f),
            receives: f.is_generator && f.receives(),
            more_yielded: false,
            span: f.span,
        };
        debug_assert_eq!(
            f.blocks[0].params.len(),
            key.args.len(),
            "arguments of {}",
            f.name
        );
        self.enter(&mut frame, f, &key)?;
        let order = f.reverse_postorder();
        const MOST_PASSES: usize = 400;
        for pass in 0.. {
            if pass == MOST_PASSES {
                return Err(frame.error(
                    Code::Internal,
                    format!("the types of `{}` do not settle", f.name),
                ));
            }
            frame.errors.clear();
            let mut changed = false;
            for &block in &order {
                if frame.typing.reachable[block.index()] {
                    changed |= self.block(&mut frame, block);
                    if frame.replaced {
                        return Ok(None);
                    }
                }
            }
            changed |= frame.sites.take_moved();
            changed |= std::mem::take(&mut frame.more_yielded);
            if changed {
                continue;
            }
            let unknown = frame.sites.unknown();
            if !frame.sites.next_round() {
                frame.typing.unknown_site = unknown.and_then(|site| definition(f, site));
                break;
            }
            if frame.sites.is_endless() {
                return Err(frame.error(
                    Code::RecursiveType,
                    format!("the types of the containers in `{}` do not settle", f.name),
                ));
            }
            self.enter(&mut frame, f, &key)?;
        }
        let params = f.blocks[0].params.iter();
        frame.typing.put_into_params = params.map(|p| frame.sites.put_into(*p)).collect();
        if let Some(error) = first_error(frame.errors) {
            return Err(error);
        }
        if f.is_generator {
            let Typing { yields, result, .. } = frame.typing;
            let yields = yields.or_else(|| Some(Ty::none()));
            frame.typing.result = Some(generator::object(f, yields, result));
        }
        Ok(Some(frame.typing))
    }

    /// Begins to type a function: nothing is known but its arguments.
    fn enter(&mut self, frame: &mut Frame, f: &Function, key: &Key) -> Result<()> {
        frame.typing = Typing {
            values: vec![AbsVal::BOTTOM; f.values.len()],
            reachable: vec![false; f.blocks.len()],
            ..Typing::default()
        };
        for (i, (&param, &ty)) in f.blocks[0].params.iter().zip(&key.args).enumerate() {
            frame.typing.values[param.index()] = match key.constants.get(i) {
                Some(constant) => AbsVal::constant(ty, constant.clone()),
                None if let Some(contents) = ty.contents().filter(|t| !t.is_known()) => {
                    let contents = frame.sites.parameter(param, contents);
                    AbsVal::of(ty.with_contents(contents))
                }
                None => self.parameter(ty)?,
            };
        }
        frame.typing.reachable[0] = true;
        Ok(())
    }

    /// What a parameter of this type is: an omitted argument is its default.
    fn parameter(&mut self, ty: Ty) -> Result<AbsVal> {
        match *ty.kind() {
            Kind::Omitted(default) => self.describe(default),
            Kind::None => Ok(AbsVal::constant(ty, crate::host::Const::None)),
            _ => Ok(AbsVal::of(ty)),
        }
    }

    /// Types the instructions of a block and passes values on to its successors. True if anything rose.
    fn block(&mut self, frame: &mut Frame, id: BlockId) -> bool {
        let f = frame.hir.clone();
        let block = f.block(id);
        let errors_before = frame.errors.len();
        let mut changed = false;
        let mut returns = true;
        for inst in &block.insts {
            frame.span = inst.span;
            let new = match self.inst(frame, inst) {
                Ok(new) => new,
                Err(error) => {
                    frame.errors.push(error);
                    AbsVal::BOTTOM
                }
            };
            let old = &mut frame.typing.values[inst.result.index()];
            // Nothing comes after a call that never returns (or, in a recursion, has not returned yet).
            returns = !(new.is_bottom()
                && matches!(
                    inst.op,
                    Op::Call { .. } | Op::CheckBound(..) | Op::CheckFree(..)
                ));
            if !old.same(&new) {
                *old = new;
                changed = true;
            }
            if !returns {
                break;
            }
        }
        frame.span = block.term_span;
        if let Some(target) = &block.handler {
            let exception = f.block(target.block).params[0];
            frame.typing.values[exception.index()] = AbsVal::of(Ty::new(Kind::Caught));
            changed |= flow(frame, target);
        }
        if !returns {
            return changed;
        }
        match &block.term {
            Terminator::Jump(target) => changed |= flow(frame, target),
            Terminator::Branch { cond, then, other } => {
                let value = frame.val(*cond);
                if !value.is_bottom() {
                    match value.as_bool() {
                        Some(true) => changed |= flow(frame, then),
                        Some(false) => changed |= flow(frame, other),
                        None => {
                            changed |= flow(frame, then);
                            changed |= flow(frame, other);
                        }
                    }
                }
            }
            Terminator::Return(value) => changed |= self.returned(frame, *value),
            Terminator::Raise(value) => self.raised(frame, *value),
            Terminator::Reraise(_) | Terminator::Unreachable | Terminator::Missing => {}
        }
        super::unroll::say_for_which_items(frame, block, errors_before);
        changed
    }

    fn returned(&mut self, frame: &mut Frame, value: Value) -> bool {
        let new = frame.val(value).clone();
        if let Some(Kind::Opaque(_, class)) = new.ty.map(Ty::kind) {
            let what = global_name(frame.hir(), value)
                .map_or_else(|| "the value".to_owned(), |name| format!("`{name}`"));
            let error = frame.error(
                Code::UnsupportedValue,
                format!(
                    "{what}, an object of class `{class}`, cannot be returned by compiled code"
                ),
            );
            frame.errors.push(error);
        }
        frame.sites.link(sites::RESULT, value);
        let old = AbsVal {
            ty: frame.typing.result,
            constant: None,
        };
        match old.join(&AbsVal {
            ty: new.ty,
            constant: None,
        }) {
            Ok(joined) => {
                let changed = joined.ty != frame.typing.result;
                frame.typing.result = joined.ty;
                changed
            }
            Err((a, b)) if frame.sites.unify(sites::RESULT, a, b) => false,
            Err((a, b)) => {
                let name = &frame.hir().name;
                let error = frame
                    .error(
                        Code::CannotUnify,
                        format!("cannot unify {a} and {b} for the return value of `{name}`"),
                    )
                    .help("return values of one type on every path");
                frame.errors.push(error);
                false
            }
        }
    }

    fn raised(&mut self, frame: &mut Frame, value: Value) {
        let Some(ty) = frame.val(value).ty else {
            return;
        };
        if !matches!(
            ty.kind(),
            Kind::Exception(..) | Kind::ExcClass(..) | Kind::Caught
        ) {
            let error = frame
                .error(
                    Code::NotAnException,
                    format!("cannot raise a value of type {ty}"),
                )
                .help("raise an exception class or an instance of one");
            frame.errors.push(error);
        }
    }
}

/// The first error in the order of the source, of those that are not consequences: errors leave
/// bottom behind, on which nothing is reported again.
#[allow(
    clippy::vec_box,
    reason = "as they come, in the boxes that keep results small"
)]
fn first_error(errors: Vec<Box<Diagnostic>>) -> Option<Box<Diagnostic>> {
    errors.into_iter().next()
}

/// A type with the name that Python users know it by.
fn shown(ty: Ty) -> String {
    if ty.is_str() {
        format!("{ty} (str)")
    } else {
        ty.to_string()
    }
}

/// Joins the arguments of an edge into the parameters of its target.
fn flow(frame: &mut Frame, target: &hir::Target) -> bool {
    let mut changed = !std::mem::replace(&mut frame.typing.reachable[target.block.index()], true);
    let f = frame.hir.clone();
    let params = &f.block(target.block).params;
    // A handler's first parameter is the exception; it has no argument.
    let params = &params[params.len() - target.args.len()..];
    for (&param, &arg) in params.iter().zip(&target.args) {
        frame.sites.link(param, arg);
        let old = &frame.typing.values[param.index()];
        match old.join(frame.val(arg)) {
            Ok(joined) => {
                if !joined.same(old) {
                    frame.typing.values[param.index()] = joined;
                    changed = true;
                }
            }
            // In the next round, they are of one type.
            Err((a, b)) if frame.sites.unify(param, a, b) => {}
            Err((a, b)) => {
                let name = f.values[param.index()]
                    .name
                    .as_deref()
                    .unwrap_or("the value");
                let mut error = frame.error(
                    Code::CannotUnify,
                    format!("cannot unify {} and {} for `{name}`", shown(a), shown(b)),
                );
                error.labels.clear();
                error = match definition(&f, arg) {
                    Some(span) => error.label(&f.module.source, span, format!("{b} here")),
                    None => error.label(&f.module.source, f.span, ""),
                };
                error = error.help("use two variables, or convert to one type on both paths");
                frame.errors.push(error);
            }
        }
    }
    changed
}

/// Reports the use of a local that has no value on any path: nothing, or only itself, is assigned.
pub(super) fn check_bound(frame: &mut Frame, value: Value) {
    let f = frame.hir();
    let unbound = f
        .blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find_map(|i| match &i.op {
            Op::Unbound(name) if i.result == value => Some(name.clone()),
            _ => None,
        });
    let joined = || {
        let is_param = f.blocks.iter().any(|b| b.params.contains(&value));
        f.values[value.index()].name.clone().filter(|_| is_param)
    };
    if let Some(name) = unbound.or_else(joined) {
        let message = format!("local variable `{name}` is used before a value is assigned to it");
        let error = frame
            .error(Code::Unbound, message)
            .help(format!("assign `{name}` on every path that leads here"));
        frame.errors.push(error);
    }
}

/// The global or free variable that a value was read from.
fn global_name(f: &Function, value: Value) -> Option<hir::Name> {
    f.blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find_map(|i| match &i.op {
            Op::Global(name) | Op::Free(name) if i.result == value => Some(name.clone()),
            _ => None,
        })
}

/// The span of the instruction that defines a value; block parameters have none.
fn definition(f: &Function, value: Value) -> Option<Span> {
    f.blocks
        .iter()
        .flat_map(|b| &b.insts)
        .find(|i| i.result == value)
        .map(|i| i.span)
}
