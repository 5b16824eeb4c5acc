//! Errors: raising, passing on, and the checks that lead to them.

use ferdelance_abi::rtfn::RtFn;

use super::{Body, Typed};
use crate::diag::Result;
use crate::host::Const;
use crate::tir::{Cmp, PoolEntry, Term, Type, Value};
use crate::types::{Kind, PyRef, Ty};

impl Body<'_, '_, '_> {
    /// The current location, for error objects.
    fn location(&mut self) -> Value {
        let loc = self.b.loc();
        let entry = PoolEntry::Location {
            file: loc.source.file.as_ref().into(),
            function: loc.function.clone(),
            line: loc.line,
            column: loc.column,
        };
        let id = self.cx.program.pool_id(entry);
        self.b.pool(id, Type::Ptr)
    }

    fn class(&mut self, class: PyRef) -> Value {
        let id = self.cx.program.pool_id(PoolEntry::Object(class));
        self.b.pool(id, Type::Ptr)
    }

    /// Raises a builtin exception with a message if `cond` holds; goes on if not.
    pub(super) fn raise_if(&mut self, cond: Value, class: &str, message: &str) -> Result<()> {
        let Some((cold, next)) = self.b.cold_if(cond) else {
            return Ok(());
        };
        self.b.switch_to(cold);
        self.raise(class, message)?;
        self.b.switch_to(next);
        Ok(())
    }

    /// The same; a message with a `{}` for each number.
    pub(super) fn raise_numbers_if(
        &mut self,
        cond: Value,
        class: &str,
        message: &str,
        numbers: &[Value],
    ) -> Result<()> {
        let Some((cold, next)) = self.b.cold_if(cond) else {
            return Ok(());
        };
        self.b.switch_to(cold);
        let (class, location) = (self.builtin_class(class)?, self.location());
        let id = self.cx.program.pool_id(PoolEntry::Str(message.into()));
        let text = self.b.pool(id, Type::Ptr);
        let words = self.words_on_stack(numbers);
        let err = self
            .b
            .rt1(RtFn::error_numbers, &[class, location, text, words]);
        self.throw(err)?;
        self.b.switch_to(next);
        Ok(())
    }

    fn builtin_class(&mut self, name: &str) -> Result<Value> {
        match self.cx.session.host.exception(name) {
            Some(class) => Ok(self.class(class)),
            None => Err(self.bug(format!("no exception class {name}"))),
        }
    }

    /// Raises unless a variable has a value.
    pub(super) fn check_bound(&mut self, bound: &Typed, class: &str, message: &str) -> Result<()> {
        match bound.constant {
            Some(Const::Bool(true)) => Ok(()),
            Some(Const::Bool(false)) => self.raise(class, message),
            _ => {
                let unbound = self.b.not(bound.vals[0]);
                self.raise_if(unbound, class, message)
            }
        }
    }

    /// Raises a builtin exception with a message; ends the block.
    pub(super) fn raise(&mut self, class: &str, message: &str) -> Result<()> {
        let class = self.builtin_class(class)?;
        let location = self.location();
        let id = self.cx.program.pool_id(PoolEntry::Str(message.into()));
        let text = self.b.pool(id, Type::Ptr);
        let err = self.b.rt1(RtFn::error_message, &[class, location, text]);
        self.throw(err)
    }

    /// `raise value`: an exception instance, made here and now, or a class.
    pub(super) fn raise_value(&mut self, value: &Typed) -> Result<()> {
        let (class, types): (PyRef, &[Ty]) = match value.ty.kind() {
            Kind::Exception(class, _, args) => (*class, args),
            Kind::ExcClass(class, _) => (*class, &[]),
            Kind::Caught => return self.throw(value.vals[0]),
            _ => return Err(self.bug("raise of no exception")),
        };
        let class = self.class(class);
        let location = self.location();
        let err = self.b.rt1(RtFn::error_new, &[class, location]);
        let mut at = 0;
        for &ty in types {
            let len = super::machine(ty).len();
            let arg = Typed::new(ty, &value.vals[at..at + len]);
            self.error_argument(err, &arg)?;
            at += len;
        }
        self.throw(err)
    }

    fn error_argument(&mut self, err: Value, arg: &Typed) -> Result<()> {
        match arg.ty.kind() {
            Kind::None => drop(self.b.rt(RtFn::error_arg_none, &[err])),
            Kind::Bool => drop(self.b.rt(RtFn::error_arg_bool, &[err, arg.vals[0]])),
            Kind::Int { signed, .. } => {
                let wide = self.cast_number(arg, Ty::int(64, *signed))[0];
                let func = if *signed {
                    RtFn::error_arg_i64
                } else {
                    RtFn::error_arg_u64
                };
                self.b.rt(func, &[err, wide]);
            }
            Kind::Float { .. } => {
                let wide = self.cast_number(arg, Ty::float(64))[0];
                self.b.rt(RtFn::error_arg_f64, &[err, wide]);
            }
            Kind::Complex { .. } => {
                let wide = self.cast_number(arg, Ty::complex(128));
                self.b.rt(RtFn::error_arg_complex, &[err, wide[0], wide[1]]);
            }
            Kind::Str => drop(self.b.rt(RtFn::error_arg_str, &[err, arg.vals[0]])),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                self.b.rt(RtFn::error_arg_tuple, &[err]);
                for i in 0..items.len() {
                    let item = self.item(arg, i);
                    self.error_argument(err, &item)?;
                }
                self.b.rt(RtFn::error_arg_end, &[err]);
            }
            Kind::Optional(inner) => {
                // Two paths that meet again.
                let (present, absent, next) =
                    (self.b.new_block(), self.b.new_block(), self.b.new_block());
                self.b
                    .branch(arg.vals[0], present, absent, crate::tir::Hint::None);
                self.b.switch_to(present);
                let content = Typed::new(*inner, &arg.vals[1..]);
                self.error_argument(err, &content)?;
                self.b.jump(next, &[]);
                self.b.switch_to(absent);
                self.b.rt(RtFn::error_arg_none, &[err]);
                self.b.jump(next, &[]);
                self.b.switch_to(next);
            }
            _ => {
                // Its type is all that can be said of it.
                let id = self
                    .cx
                    .program
                    .pool_id(PoolEntry::Str(arg.ty.to_string().into()));
                let text = self.b.pool(id, Type::Obj);
                self.b.rt(RtFn::error_arg_str, &[err, text]);
            }
        }
        Ok(())
    }

    /// Whether a caught exception is an instance of a class, or of one of a tuple of classes.
    pub(super) fn except_match(&mut self, err: Value, class: Ty) -> Result<Value> {
        let classes: Vec<PyRef> = match class.kind() {
            Kind::ExcClass(class, _) => vec![*class],
            Kind::Tuple(items) => items
                .iter()
                .filter_map(|t| {
                    if let Kind::ExcClass(class, _) = t.kind() {
                        Some(*class)
                    } else {
                        None
                    }
                })
                .collect(),
            _ => return Err(self.bug("except of no class")),
        };
        let mut any = self.b.bool(false);
        for class in classes {
            let class = self.class(class);
            let one = self.b.rt1(RtFn::error_matches, &[err, class]);
            any = self.b.binary(crate::tir::Bin::Or, any, one);
        }
        Ok(any)
    }

    /// Passes an error on: to the handler of the block, or out of the function.
    pub(super) fn throw(&mut self, err: Value) -> Result<()> {
        let Some(handler) = self.handler.clone() else {
            self.b.func.may_raise = true;
            if self.generator.is_some() {
                // It would end the loop over the generator.
                let class = self.builtin_class("StopIteration")?;
                self.b.rt(RtFn::error_in_generator, &[err, class]);
            }
            self.b.terminate(Term::Throw(err));
            return Ok(());
        };
        let mut target = self.edge(&handler)?;
        target.args.insert(0, err);
        self.b.terminate(Term::Jump(target));
        Ok(())
    }

    /// After a call that gave `err`: passes it on, with the place of the call, unless it is null.
    pub(super) fn check_error(&mut self, err: Value, trace: bool) -> Result<()> {
        let null = self.b.null(Type::Err);
        let raised = self.b.cmp(Cmp::Ne, err, null);
        let Some((cold, next)) = self.b.cold_if(raised) else {
            return Ok(());
        };
        self.b.switch_to(cold);
        if trace {
            let location = self.location();
            self.b.rt(RtFn::error_trace, &[err, location]);
        }
        self.throw(err)?;
        self.b.switch_to(next);
        Ok(())
    }

    /// A runtime function that may raise: its results, with the error checked.
    pub(super) fn rt_raising(
        &mut self,
        func: RtFn,
        args: &[Value],
    ) -> Result<smallvec::SmallVec<[Value; 2]>> {
        let mut results = self.b.rt(func, args);
        let Some(err) = results.pop() else {
            return Err(self.bug("a raising function without an error"));
        };
        self.check_error(err, true)?;
        Ok(results)
    }
}
