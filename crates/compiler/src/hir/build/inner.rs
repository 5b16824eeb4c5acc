//! Inner functions, lambdas and comprehensions.

use super::ssa::ENTRY;
use super::{Builder, Definition, Made};
use crate::diag::Result;
use crate::hir::{Arg, FuncId, Literal, Name, Op, Param, ParamKind, Terminator, Value};
use crate::syntax::ast::{self, Expr};
use crate::syntax::{Ranged, TextRange};

/// What a comprehension does with an item.
#[derive(Clone, Copy)]
enum Collect<'a> {
    List(&'a Expr),
    Set(&'a Expr),
    Dict(&'a Expr, &'a Expr),
    /// Yields it.
    Yield(&'a Expr),
}

impl<'a> Builder<'_, 'a> {
    pub(super) fn inner_def(&mut self, node: &'a ast::StmtFunctionDef) -> Result<()> {
        let decorators: Vec<Value> = node
            .decorator_list
            .iter()
            .map(|decorator| self.expr(&decorator.expression))
            .collect::<Result<_>>()?;
        let range = TextRange::new(node.name.start(), node.parameters.end());
        let mut value = self.closure(Definition::Def(node), Some(&node.parameters), range)?;
        for (decorator, callee) in node.decorator_list.iter().zip(decorators).rev() {
            let args = vec![Arg::Plain(value)];
            let call = Op::Call {
                callee,
                args,
                keywords: Vec::new(),
            };
            value = self.emit(call, decorator.expression.range());
        }
        self.write_name(node.name.as_str(), value, node.name.range())
    }

    pub(super) fn inner_lambda(&mut self, node: &'a ast::ExprLambda) -> Result<Value> {
        self.closure(
            Definition::Lambda(node),
            node.parameters.as_deref(),
            node.range(),
        )
    }

    fn closure(
        &mut self,
        definition: Definition<'a>,
        parameters: Option<&'a ast::Parameters>,
        range: TextRange,
    ) -> Result<Value> {
        let mut defaults = Vec::new();
        let parameters = parameters
            .into_iter()
            .flat_map(ast::Parameters::iter_non_variadic_params);
        for default in parameters.filter_map(|p| p.default()) {
            defaults.push(self.expr(default)?);
        }
        let scope = self.shared.scopes.scope_of(definition.range());
        let vars = self.shared.scopes.captures(scope).to_vec();
        let mut unsure = Vec::new();
        let mut captures: Vec<Value> = Vec::with_capacity(vars.len());
        for &var in &vars {
            captures.push(match self.cells.get(&var) {
                Some(&cell) => cell,
                None => {
                    let value = self.graph.read(self.current, var);
                    let is_deleted = self.shared.scopes.vars[var.0 as usize].deleted;
                    if self.graph.may_be_unbound(value, is_deleted) {
                        unsure.push(var);
                    }
                    value
                }
            });
        }
        let made = match self.shared.made.get(&scope) {
            Some(made) => made.clone(),
            None => {
                let function = FuncId(self.shared.functions.len() as u32);
                self.shared.functions.push(None);
                let made = Made {
                    function,
                    unsure: unsure.as_slice().into(),
                };
                self.shared.made.insert(scope, made.clone());
                let qualname = format!("{}.<locals>.{}", self.qualname, definition.name());
                let built =
                    Builder::function(self.shared, definition, scope, qualname.into(), &unsure)?;
                self.shared.functions[function.index()] = Some(built);
                made
            }
        };
        // In another copy of a `finally` block, a variable may have a value that has none in the first.
        for var in unsure.iter().filter(|var| !made.unsure.contains(var)) {
            self.read_local(*var, range);
        }
        for &var in &*made.unsure {
            let value = self.graph.read(self.current, var);
            captures.push(self.emit(Op::IsBound(value), range));
        }
        Ok(self.emit(
            Op::Closure {
                function: made.function,
                captures,
                defaults,
            },
            range,
        ))
    }

    pub(super) fn list_comprehension(&mut self, node: &'a ast::ExprListComp) -> Result<Value> {
        self.comprehension(node.range(), &node.generators, Collect::List(&node.elt))
    }

    pub(super) fn set_comprehension(&mut self, node: &'a ast::ExprSetComp) -> Result<Value> {
        self.comprehension(node.range(), &node.generators, Collect::Set(&node.elt))
    }

    pub(super) fn dict_comprehension(&mut self, node: &'a ast::ExprDictComp) -> Result<Value> {
        let Some(key) = &node.key else {
            return Err(self.not_supported(node.range(), "`**` in a dict comprehension is"));
        };
        self.comprehension(
            node.range(),
            &node.generators,
            Collect::Dict(key, &node.value),
        )
    }

    /// A generator expression is a call of a function, which gets the first iterable.
    pub(super) fn generator_expression(&mut self, node: &'a ast::ExprGenerator) -> Result<Value> {
        if let Some(generator) = node.generators.iter().find(|g| g.is_async) {
            return Err(self.not_supported(generator.range(), "asynchronous comprehensions are"));
        }
        let Some(first) = node.generators.first() else {
            return Err(self.unsupported(node.range(), "a generator expression without `for`"));
        };
        let over = self.expr(&first.iter)?;
        let callee = self.closure(Definition::Generator(node), None, node.range())?;
        let call = Op::Call {
            callee,
            args: vec![Arg::Plain(over)],
            keywords: Vec::new(),
        };
        Ok(self.emit(call, node.range()))
    }

    /// The parameter of a generator expression's function.
    pub(super) fn first_iterable(&mut self, range: TextRange) -> (Param, Value) {
        let name = Name::from(".0");
        let value = self.graph.param(ENTRY, Some(name.clone()));
        let param = Param {
            name,
            kind: ParamKind::PositionalOnly,
            has_default: false,
            literal: None,
            fixed: false,
            span: self.span(range),
        };
        (param, value)
    }

    /// What a generator expression's function does with it.
    pub(super) fn generator_body(
        &mut self,
        node: &'a ast::ExprGenerator,
        over: Value,
    ) -> Result<()> {
        let Some((first, rest)) = node.generators.split_first() else {
            return Ok(());
        };
        let iterator = self.emit(Op::Iter(over), first.iter.range());
        self.comprehension_loop(first, iterator, rest, Collect::Yield(&node.elt), over)?;
        let none = self.literal(Literal::None, node.range());
        self.end(Terminator::Return(none), node.range());
        Ok(())
    }

    /// A comprehension is a loop in the function around it; its targets have a scope of their own.
    fn comprehension(
        &mut self,
        range: TextRange,
        generators: &'a [ast::Comprehension],
        collect: Collect<'a>,
    ) -> Result<Value> {
        if let Some(generator) = generators.iter().find(|g| g.is_async) {
            return Err(self.not_supported(generator.range(), "asynchronous comprehensions are"));
        }
        let Some((first, rest)) = generators.split_first() else {
            return Err(self.unsupported(range, "a comprehension without `for`"));
        };
        let over = self.expr(&first.iter)?;
        let iterator = self.emit(Op::Iter(over), first.iter.range());
        let made = match collect {
            Collect::List(_) => Op::List(Vec::new()),
            Collect::Set(_) => Op::Set,
            Collect::Dict(..) => Op::Dict(Vec::new()),
            Collect::Yield(_) => return Err(self.unsupported(range, "a comprehension that yields")),
        };
        let made = self.emit(made, range);
        let outer = self.scope;
        let scope = self.shared.scopes.scope_of(range);
        let span = self.span(range);
        self.enter_scope(scope, span);
        self.comprehension_loop(first, iterator, rest, collect, made)?;
        self.scope = outer;
        Ok(made)
    }

    fn comprehension_loop(
        &mut self,
        generator: &'a ast::Comprehension,
        iterator: Value,
        rest: &'a [ast::Comprehension],
        collect: Collect<'a>,
        made: Value,
    ) -> Result<()> {
        let end = self.graph.block();
        let range = generator.iter.range();
        self.iterate(iterator, range, end, end, |b, item| {
            b.assign(&generator.target, item)?;
            let next = b.graph.block();
            for test in &generator.ifs {
                let then = b.graph.block();
                b.cond(test, then, next)?;
                b.continue_in(then);
            }
            match rest.split_first() {
                Some((generator, rest)) => {
                    let over = b.expr(&generator.iter)?;
                    let iterator = b.emit(Op::Iter(over), generator.iter.range());
                    b.comprehension_loop(generator, iterator, rest, collect, made)?;
                }
                None => b.collect(collect, made)?,
            }
            b.jump(next, range);
            b.continue_in(next);
            Ok(())
        })?;
        self.continue_in(end);
        Ok(())
    }

    fn collect(&mut self, collect: Collect<'a>, made: Value) -> Result<()> {
        match collect {
            Collect::List(item) => {
                let value = self.expr(item)?;
                self.emit(Op::Append(made, value), item.range());
            }
            Collect::Yield(item) => {
                let value = self.expr(item)?;
                self.emit(Op::Yield(value), item.range());
            }
            Collect::Set(item) => {
                let value = self.expr(item)?;
                self.emit(Op::SetAdd(made, value), item.range());
            }
            Collect::Dict(key, item) => {
                let key_value = self.expr(key)?;
                let value = self.expr(item)?;
                let range = TextRange::new(key.start(), item.end());
                self.emit(Op::DictSet(made, key_value, value), range);
            }
        }
        Ok(())
    }
}
