//! Generators: making them, running them on, and what `yield` does inside.
//!
//! A generator function is lowered as it is written, with its yields as instructions; `tir::pass::inline`
//! makes a state machine of it and decides where the state lives.

use smallvec::{SmallVec, smallvec};

use super::{Body, Lowering, Typed, Vals, machine};
use crate::diag::Result;
use crate::host::Const;
use crate::infer::InstanceId;
use crate::tir::{self, FuncId, Hint, Op, Term, Type, Value, build::Builder};
use crate::types::{Generator, Kind, Ty};

/// What running a generator on has given.
pub(super) struct Resumed {
    /// Whether it has yielded.
    pub more: Value,
    /// What it yielded, if it has.
    pub item: Vals,
    /// What it returned, if it has not.
    pub result: Vals,
}

impl Lowering<'_, '_> {
    /// A function that makes a generator of its arguments.
    pub(super) fn generator_entry(&mut self, id: InstanceId) -> Result<FuncId> {
        let func = self.function(id, None)?;
        let instance = self.session.get(id);
        let body = &self.program.functions[func.index()];
        let params: Vec<Type> = instance.key.args.iter().flat_map(|t| machine(*t)).collect();
        let symbol = format!("{}.generator", body.symbol).into();
        let mut b = Builder::new(
            symbol,
            body.name.clone(),
            &params,
            &[Type::Obj],
            body.options,
        );
        if let Some(loc) = body.locs.first() {
            b.set_loc(loc.clone());
        }
        b.func.may_raise = true;
        let args = b.func.blocks[0].params.clone();
        let made = b.new_generator(func, &args);
        let null = b.null(Type::Err);
        let raised = b.cmp(tir::Cmp::Ne, made[1], null);
        let (failed, fine) = (b.new_block(), b.new_block());
        b.branch(raised, failed, fine, Hint::Unlikely);
        b.switch_to(failed);
        b.terminate(Term::Throw(made[1]));
        b.switch_to(fine);
        b.terminate(Term::Return(smallvec![made[0]]));
        let entry = FuncId(self.program.functions.len() as u32);
        self.program.functions.push(b.func);
        Ok(entry)
    }
}

impl Body<'_, '_, '_> {
    pub(super) fn new_generator(&mut self, func: FuncId, args: &[Value]) -> Result<Vals> {
        let made = self.b.new_generator(func, args);
        self.check_error(made[1], true)?;
        Ok(smallvec![made[0]])
    }

    fn received(&mut self, generator: Generator) -> (Value, Vals) {
        let mut types: SmallVec<[Type; 4]> = smallvec![Type::I1];
        types.extend(machine(generator.sent));
        let received = self.b.push(Op::Received, &types);
        (received[0], received[1..].into())
    }

    /// Where a generator begins: one that is closed before does nothing, and nothing can be sent yet.
    pub(super) fn begin_generator(&mut self, generator: Generator) -> Result<()> {
        let (closing, sent) = self.received(generator);
        if let Some((cold, next)) = self.b.cold_if(closing) {
            self.b.switch_to(cold);
            let nothing: SmallVec<[Value; 4]> = machine(generator.result)
                .into_iter()
                .map(|t| self.b.undef(t))
                .collect();
            self.b.terminate(Term::Return(nothing));
            self.b.switch_to(next);
        }
        match sent.first() {
            Some(&present) => self.raise_if(
                present,
                "TypeError",
                "can't send non-None value to a just-started generator",
            ),
            None => Ok(()),
        }
    }

    /// `yield value`: what is sent.
    pub(super) fn yield_value(&mut self, value: &Typed) -> Result<Vals> {
        let Some(generator) = self.generator else {
            return Err(self.bug("yield outside of a generator"));
        };
        let values = self.cast(value, generator.item)?;
        self.b.push(
            Op::Yield {
                values: values.as_slice().into(),
            },
            &[],
        );
        let (closing, sent) = self.received(generator);
        if let Some((cold, next)) = self.b.cold_if(closing) {
            self.b.switch_to(cold);
            self.raise_class("GeneratorExit")?;
            self.b.switch_to(next);
        }
        Ok(sent)
    }

    /// Raises an exception without arguments; ends the block.
    fn raise_class(&mut self, name: &str) -> Result<()> {
        let class = self.exception_class(name)?;
        self.raise_value(&Typed::new(class, Vals::new()))
    }

    fn exception_class(&mut self, name: &str) -> Result<Ty> {
        match self.cx.session.host.exception(name) {
            Some(class) => Ok(Ty::new(Kind::ExcClass(class, name.into()))),
            None => Err(self.bug(format!("no exception class {name}"))),
        }
    }

    fn resume_with(
        &mut self,
        generator: Generator,
        object: Value,
        closing: bool,
        sent: &[Value],
    ) -> (Resumed, Value) {
        let (item, result) = (machine(generator.item), machine(generator.result));
        let closing = self.b.bool(closing);
        let results = self
            .b
            .resume_generator(object, closing, sent, &item, &result);
        let (values, err) = (&results[1..results.len() - 1], results[results.len() - 1]);
        let resumed = Resumed {
            more: results[0],
            item: values[..item.len()].into(),
            result: values[item.len()..].into(),
        };
        (resumed, err)
    }

    /// Runs a generator up to its next `yield`, which gives `sent`.
    fn send(&mut self, generator: Generator, object: Value, sent: &[Value]) -> Result<Resumed> {
        let (resumed, err) = self.resume_with(generator, object, false, sent);
        self.check_error(err, true)?;
        Ok(resumed)
    }

    /// The same, with nothing sent.
    pub(super) fn resume(&mut self, generator: Generator, object: Value) -> Result<Resumed> {
        let nothing = self.constant(generator.sent, &Const::None);
        self.send(generator, object, &nothing)
    }

    /// `next(iterator)` and `next(iterator, default)`
    pub(super) fn next_item(
        &mut self,
        iterator: &Typed,
        default: Option<&Typed>,
        ty: Ty,
    ) -> Result<Vals> {
        let generator = self.as_generator(iterator)?;
        let resumed = self.resume(generator, iterator.vals[0])?;
        let Some(default) = default else {
            self.stop_unless(&resumed, generator)?;
            return Ok(resumed.item);
        };
        let (some, none, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let vals: Vals = machine(ty)
            .into_iter()
            .map(|t| self.b.add_param(done, t))
            .collect();
        self.b.branch(resumed.more, some, none, Hint::None);
        self.b.switch_to(some);
        let item = self.cast(&Typed::new(generator.item, resumed.item), ty)?;
        self.b.jump(done, &item);
        self.b.switch_to(none);
        let default = self.cast(default, ty)?;
        self.b.jump(done, &default);
        self.b.switch_to(done);
        Ok(vals)
    }

    /// Raises StopIteration if a generator has returned.
    fn stop_unless(&mut self, resumed: &Resumed, generator: Generator) -> Result<()> {
        let finished = self.b.not(resumed.more);
        if let Some((cold, next)) = self.b.cold_if(finished) {
            self.b.switch_to(cold);
            let class = self.exception_class("StopIteration")?;
            let exception = match class.kind() {
                Kind::ExcClass(class, name) if !generator.result.is_none() => Ty::new(
                    Kind::Exception(*class, name.clone(), [generator.result].into()),
                ),
                _ => class,
            };
            self.raise_value(&Typed::new(exception, resumed.result.clone()))?;
            self.b.switch_to(next);
        }
        Ok(())
    }

    /// `generator.send(value)`
    pub(super) fn send_value(&mut self, generator: &Typed, value: &Typed) -> Result<Vals> {
        let ty = self.as_generator(generator)?;
        let sent = self.cast(value, ty.sent)?;
        let resumed = self.send(ty, generator.vals[0], &sent)?;
        self.stop_unless(&resumed, ty)?;
        Ok(resumed.item)
    }

    /// `generator.close()`: raises GeneratorExit where the generator stands, which has to leave it.
    pub(super) fn close_generator(&mut self, generator: &Typed) -> Result<()> {
        let ty = self.as_generator(generator)?;
        let nothing = self.constant(ty.sent, &Const::None);
        let (resumed, err) = self.resume_with(ty, generator.vals[0], true, &nothing);
        let null = self.b.null(Type::Err);
        let raised = self.b.cmp(tir::Cmp::Ne, err, null);
        let (failed, fine, caught, next) = (
            self.b.new_block(),
            self.b.new_block(),
            self.b.new_block(),
            self.b.new_block(),
        );
        self.b.branch(raised, failed, fine, Hint::Unlikely);
        self.b.switch_to(failed);
        let exception = self.b.add_param(caught, Type::Err);
        self.b.jump(caught, &[err]);
        self.b.switch_to(caught);
        let exit = self.exception_class("GeneratorExit")?;
        let expected = self.except_match(exception, exit)?;
        let other = self.b.new_block();
        self.b.branch(expected, next, other, Hint::None);
        self.b.switch_to(other);
        self.throw(exception)?;
        self.b.switch_to(fine);
        self.raise_if(
            resumed.more,
            "RuntimeError",
            "generator ignored GeneratorExit",
        )?;
        self.b.jump(next, &[]);
        self.b.switch_to(next);
        Ok(())
    }

    fn as_generator(&self, value: &Typed) -> Result<Generator> {
        value
            .ty
            .as_generator()
            .ok_or_else(|| self.bug(format!("{} is no generator", value.ty)))
    }
}
