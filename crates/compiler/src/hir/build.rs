//! AST → HIR: names bound, sugar gone, a CFG in SSA form.
//!
//! * [`scopes`]: which variable a name means.
//! * [`ssa`], [`bound`], [`finish`]: the graph.
//! * [`stmt`], [`assign`], [`exception`], [`pattern`], [`expr`], [`literal`], [`inner`]: Python's
//!   syntax, by kind.
//!
//! One walk over the AST emits instructions into the current block; values of variables are looked
//! up as they are needed. After a statement that leaves (`return`, `break`, ...) the current block
//! is one that nothing leads to; statements in it are skipped.

mod assign;
mod bound;
mod exception;
mod expr;
mod finish;
mod inner;
mod literal;
mod pattern;
mod scopes;
mod ssa;
mod stmt;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::scopes::{Meaning, ScopeId, Scopes, Sym, Var};
use self::ssa::{ENTRY, Graph};
use super::{
    BlockId, Capture, CaptureKind, FuncId, Function, Literal, Module, Name, Op, Param, ParamKind,
    Scope, Terminator, Value,
};
use crate::diag::{Code, Diagnostic, Result};
use crate::source::{Source, Span};
use crate::syntax::ast::{self, Stmt};
use crate::syntax::{Ranged, TextRange};

/// What makes a function.
#[derive(Clone, Copy)]
pub(crate) enum Definition<'a> {
    Def(&'a ast::StmtFunctionDef),
    Lambda(&'a ast::ExprLambda),
    /// A generator expression: a function of its first iterable.
    Generator(&'a ast::ExprGenerator),
}

impl<'a> Definition<'a> {
    pub(crate) fn range(self) -> TextRange {
        match self {
            Definition::Def(def) => def.range(),
            Definition::Lambda(lambda) => lambda.range(),
            Definition::Generator(node) => node.range(),
        }
    }

    fn parameters(self) -> Option<&'a ast::Parameters> {
        match self {
            Definition::Def(def) => Some(&def.parameters),
            Definition::Lambda(lambda) => lambda.parameters.as_deref(),
            Definition::Generator(_) => None,
        }
    }

    fn name(self) -> &'a str {
        match self {
            Definition::Def(def) => def.name.as_str(),
            Definition::Lambda(_) => "<lambda>",
            Definition::Generator(_) => "<genexpr>",
        }
    }

    /// From the keyword (not the decorators) to the end.
    fn range_without_decorators(self, text: &str, base: u32) -> TextRange {
        match self {
            Definition::Def(def) if !def.decorator_list.is_empty() => {
                let base = base as usize;
                let name = base + usize::from(def.name.start());
                let keyword = text
                    .get(..name)
                    .and_then(|t| t.rfind("def"))
                    .unwrap_or(name);
                let start = u32::try_from(keyword - base).unwrap_or_default();
                TextRange::new(start.into(), def.end())
            }
            _ => self.range(),
        }
    }
}

/// Where definitions come from and what their free names mean.
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a Arc<Source>,
    /// Where the parsed text starts in the source's text.
    pub(crate) base: u32,
    pub(crate) scope: Scope,
    pub(crate) free_vars: &'a [Name],
    /// Locals of the function itself whose types an option fixes.
    pub(crate) coerced_locals: &'a [Name],
}

/// The module of one or more top-level functions: these first, in order, then what is in them.
pub(crate) fn module(origin: &Origin<'_>, top: &[(Definition<'_>, &str)]) -> Result<Module> {
    let mut functions: Vec<Option<Function>> = top.iter().map(|_| None).collect();
    for (i, &(definition, qualname)) in top.iter().enumerate() {
        let scopes = Scopes::of(definition, origin.free_vars);
        let coerced = scopes.vars.iter().map(|var| {
            var.scope == Scopes::ROOT && origin.coerced_locals.contains(scopes.text(var.sym))
        });
        let mut shared = Shared {
            origin,
            coerced: coerced.collect(),
            scopes,
            functions,
            made: FxHashMap::default(),
            depth: 0,
        };
        let function =
            Builder::function(&mut shared, definition, Scopes::ROOT, qualname.into(), &[])?;
        functions = shared.functions;
        functions[i] = Some(function);
    }
    let functions = functions.into_iter().flatten().collect();
    Ok(Module {
        source: origin.source.clone(),
        functions,
        scope: origin.scope,
    })
}

/// What a function and its inner functions share while they are built.
struct Shared<'a> {
    origin: &'a Origin<'a>,
    scopes: Scopes<'a>,
    /// Whether assignments to a variable are coerced.
    coerced: Vec<bool>,
    /// `None`: begun, or not begun yet.
    functions: Vec<Option<Function>>,
    /// Inner functions by scope: a `finally` block is built more than once, what it defines is not.
    made: FxHashMap<ScopeId, Made>,
    /// How deeply the current expression or statement is nested.
    depth: u32,
}

/// An inner function, and which of the variables whose values it captures may have none.
#[derive(Clone)]
struct Made {
    function: FuncId,
    unsure: Rc<[Var]>,
}

/// A construct around the current place that jumps out of it have to mind.
enum Frame<'a> {
    Loop {
        on_break: BlockId,
        on_continue: BlockId,
    },
    /// A `try` with a `finally` block; `handler` is in force outside of it.
    Finally {
        body: &'a [Stmt],
        handler: Option<BlockId>,
        handled: usize,
    },
    /// The name of `except ... as name`, which ends with the clause.
    ExceptName(Var),
}

/// Builds one function.
struct Builder<'s, 'a> {
    shared: &'s mut Shared<'a>,
    graph: Graph,
    current: BlockId,
    /// The innermost scope: the function's or a comprehension's.
    scope: ScopeId,
    function: ScopeId,
    qualname: Name,
    /// Where exceptions go.
    handler: Option<BlockId>,
    frames: Vec<Frame<'a>>,
    /// The exceptions being handled, innermost last.
    handled: Vec<Value>,
    /// The cells of shared variables, own and captured.
    cells: FxHashMap<Var, Value>,
    in_generator_expression: bool,
}

/// Nested expressions and statements beyond this are refused: recursion must not exhaust the stack.
const MAX_DEPTH: u32 = 400;

impl<'s, 'a> Builder<'s, 'a> {
    fn function(
        shared: &'s mut Shared<'a>,
        definition: Definition<'a>,
        scope: ScopeId,
        qualname: Name,
        unsure: &[Var],
    ) -> Result<Function> {
        let base = shared.origin.base;
        let text = &*shared.origin.source.text;
        let span = span_in(base, definition.range_without_decorators(text, base));
        let head = match definition {
            Definition::Def(def) => span_in(base, def.name.range()),
            Definition::Lambda(_) | Definition::Generator(_) => span,
        };
        let names = shared.scopes.var_names();
        let is_generator = shared.scopes.yields(scope);
        let mut builder = Builder {
            graph: Graph::new(names, head),
            shared,
            current: ENTRY,
            scope,
            function: scope,
            qualname,
            handler: None,
            frames: Vec::new(),
            handled: Vec::new(),
            cells: FxHashMap::default(),
            in_generator_expression: matches!(definition, Definition::Generator(_)),
        };
        let params = builder.parameters(definition)?;
        let captures = builder.captures(unsure);
        builder.enter_scope(scope, head);
        for (param, value) in &params {
            builder.bind_parameter(param, *value)?;
        }
        match definition {
            Definition::Def(def) if def.is_async => {
                return Err(
                    builder.unsupported(def.name.range(), "`async` functions are not supported")
                );
            }
            Definition::Def(def) => builder.body(&def.body, head)?,
            Definition::Lambda(lambda) => {
                let value = builder.expr(&lambda.body)?;
                builder.end(Terminator::Return(value), lambda.body.range());
            }
            Definition::Generator(node) => builder.generator_body(node, params[0].1)?,
        }
        let Builder {
            graph,
            qualname,
            shared,
            ..
        } = builder;
        let (blocks, values) = graph.finish();
        let function = Function {
            name: shared.scopes.name(definition.name()),
            qualname,
            span,
            params: params.into_iter().map(|(param, _)| param).collect(),
            captures,
            blocks,
            values,
            is_generator,
        };
        #[cfg(debug_assertions)]
        if let Err(problem) = super::verify::verify(&function) {
            return Err(Diagnostic::new(
                Code::Internal,
                format!(
                    "the HIR of {} is malformed: {problem}\n{function}",
                    function.qualname
                ),
            ));
        }
        Ok(function)
    }

    /// Makes the entry block's parameters for the arguments.
    fn parameters(&mut self, definition: Definition<'a>) -> Result<Vec<(Param, Value)>> {
        if let Definition::Generator(_) = definition {
            return Ok(vec![self.first_iterable(definition.range())]);
        }
        let Some(parameters) = definition.parameters() else {
            return Ok(Vec::new());
        };
        if let Some(kwarg) = &parameters.kwarg {
            return Err(self
                .not_supported(kwarg.range(), "`**` parameters are")
                .help("name the keyword arguments"));
        }
        let mut made = Vec::with_capacity(parameters.len());
        let mut add = |parameter: &'a ast::Parameter, kind, default: Option<&ast::Expr>| {
            let name = self.shared.scopes.name(parameter.name.as_str());
            let value = self.graph.param(ENTRY, Some(name.clone()));
            let span = span_in(self.shared.origin.base, parameter.name.range());
            made.push((
                Param {
                    name,
                    kind,
                    has_default: default.is_some(),
                    literal: default.and_then(literal::of_expr),
                    fixed: matches!(parameter.annotation.as_deref(), Some(ast::Expr::StringLiteral(text)) if text.value.to_str() == "literal"),
                    span,
                },
                value,
            ));
        };
        for p in &parameters.posonlyargs {
            add(
                &p.parameter,
                ParamKind::PositionalOnly,
                p.default.as_deref(),
            );
        }
        for p in &parameters.args {
            add(&p.parameter, ParamKind::Positional, p.default.as_deref());
        }
        if let Some(p) = &parameters.vararg {
            add(p, ParamKind::Star, None);
        }
        for p in &parameters.kwonlyargs {
            add(&p.parameter, ParamKind::KeywordOnly, p.default.as_deref());
        }
        Ok(made)
    }

    fn bind_parameter(&mut self, param: &Param, value: Value) -> Result<()> {
        let scopes = &mut self.shared.scopes;
        let Some(Meaning::Var(var)) = scopes
            .find(&param.name)
            .map(|s| scopes.resolve(self.function, s))
        else {
            return Ok(());
        };
        let coerced = self.shared.coerced[var.0 as usize];
        if coerced || self.cells.contains_key(&var) {
            self.write_var(var, value, param.span);
        } else {
            self.graph.write(ENTRY, var, value);
        }
        Ok(())
    }

    /// Makes the entry block's parameters for captured variables. The free variables of a top-level
    /// function are constants and need none.
    fn captures(&mut self, unsure: &[Var]) -> Vec<Capture> {
        if self.function == Scopes::ROOT {
            let free = self.shared.origin.free_vars.iter();
            return free
                .map(|name| Capture {
                    name: name.clone(),
                    kind: CaptureKind::Value,
                })
                .collect();
        }
        let vars = self.shared.scopes.captures(self.function).to_vec();
        let capture = |var: Var| {
            let data = &self.shared.scopes.vars[var.0 as usize];
            let (name, by_cell) = (self.shared.scopes.text(data.sym).clone(), data.cell);
            let value = self.graph.param(ENTRY, Some(name.clone()));
            let kind = if by_cell {
                self.cells.insert(var, value);
                CaptureKind::Cell
            } else {
                self.graph.write(ENTRY, var, value);
                CaptureKind::Value
            };
            Capture { name, kind }
        };
        let mut captures: Vec<Capture> = vars.into_iter().map(capture).collect();
        for &var in unsure {
            let value = self.graph.read(ENTRY, var);
            let known = self.graph.param(ENTRY, None);
            self.graph.bound_if(value, known);
            captures.push(Capture {
                name: self.var_name(var),
                kind: CaptureKind::Bound,
            });
        }
        captures
    }

    /// Makes the cells of a scope's shared variables.
    fn enter_scope(&mut self, scope: ScopeId, span: Span) {
        for var in self.shared.scopes.cells(scope).to_vec() {
            let sym = self.shared.scopes.vars[var.0 as usize].sym;
            let name = self.shared.scopes.text(sym).clone();
            let cell = self.emit_at(Op::NewCell(name), span);
            self.cells.insert(var, cell);
            // That of the last iteration, if this is a comprehension in a loop, had a value.
            self.unbind(var, span);
        }
        self.scope = scope;
    }

    fn body(&mut self, body: &'a [Stmt], head: Span) -> Result<()> {
        self.stmts(body)?;
        if !self.is_dead() {
            let none = self.emit_at(Op::Literal(Literal::None), head);
            self.end_at(Terminator::Return(none), head);
        }
        Ok(())
    }

    // Positions and messages.

    fn span(&self, range: TextRange) -> Span {
        span_in(self.shared.origin.base, range)
    }

    fn error(&self, code: Code, range: TextRange, message: impl Into<String>) -> Box<Diagnostic> {
        Diagnostic::new(code, message).label(self.shared.origin.source, self.span(range), "")
    }

    fn unsupported(&self, range: TextRange, message: impl Into<String>) -> Box<Diagnostic> {
        self.error(Code::UnsupportedSyntax, range, message)
    }

    /// "`what` not supported in compiled functions"; `what` ends in "is" or "are".
    fn not_supported(&self, range: TextRange, what: &str) -> Box<Diagnostic> {
        self.unsupported(range, format!("{what} not supported in compiled functions"))
    }

    /// Runs `f` one level deeper.
    fn nested<T>(&mut self, range: TextRange, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.shared.depth >= MAX_DEPTH {
            return Err(self
                .unsupported(range, "this is nested too deeply to be compiled")
                .help("split it up with intermediate variables"));
        }
        self.shared.depth += 1;
        let result = f(self);
        self.shared.depth -= 1;
        result
    }

    // Blocks and instructions.

    fn is_dead(&self) -> bool {
        self.graph.is_dead(self.current)
    }

    fn emit(&mut self, op: Op, range: TextRange) -> Value {
        self.emit_at(op, self.span(range))
    }

    fn emit_at(&mut self, op: Op, span: Span) -> Value {
        let raises = op.may_raise();
        let value = self.graph.inst(self.current, op, span);
        if let (true, Some(handler)) = (raises, self.handler) {
            // The state of the variables here is what the handler sees.
            self.graph.handler(self.current, handler);
            self.start_block(span);
        }
        value
    }

    /// Goes on in a new block after the current one.
    fn start_block(&mut self, span: Span) {
        let next = self.graph.block();
        self.graph.jump(self.current, next, span);
        self.graph.seal(next);
        self.current = next;
    }

    /// Sets where exceptions go from here on; returns where they went.
    fn set_handler(&mut self, handler: Option<BlockId>, span: Span) -> Option<BlockId> {
        if handler.is_some() && self.handler != handler && self.graph.raises(self.current) {
            self.start_block(span);
        }
        std::mem::replace(&mut self.handler, handler)
    }

    fn jump(&mut self, to: BlockId, range: TextRange) {
        let span = self.span(range);
        self.graph.jump(self.current, to, span);
    }

    /// Goes on in a block whose predecessors are all known.
    fn continue_in(&mut self, block: BlockId) {
        self.graph.seal(block);
        self.current = block;
    }

    fn end(&mut self, term: Terminator, range: TextRange) {
        self.end_at(term, self.span(range));
    }

    /// Ends the current block for good; what follows is dead.
    fn end_at(&mut self, term: Terminator, span: Span) {
        if let (Terminator::Raise(_) | Terminator::Reraise(_), Some(handler)) =
            (&term, self.handler)
        {
            self.graph.handler(self.current, handler);
        }
        self.graph.terminate(self.current, term, span);
        self.dead_block();
    }

    fn dead_block(&mut self) {
        let dead = self.graph.block();
        self.continue_in(dead);
    }

    // Variables.

    fn meaning(&mut self, name: &'a str) -> (Sym, Meaning) {
        let sym = self.shared.scopes.sym(name);
        (sym, self.shared.scopes.resolve(self.scope, sym))
    }

    fn read_name(&mut self, name: &'a str, range: TextRange) -> Value {
        let (sym, meaning) = self.meaning(name);
        match meaning {
            Meaning::Var(var) => self.read_var(var, range),
            Meaning::Free => self.emit(Op::Free(self.shared.scopes.text(sym).clone()), range),
            Meaning::Global | Meaning::DeclaredGlobal => {
                self.emit(Op::Global(self.shared.scopes.text(sym).clone()), range)
            }
        }
    }

    fn read_var(&mut self, var: Var, range: TextRange) -> Value {
        let Some(&cell) = self.cells.get(&var) else {
            return self.read_local(var, range);
        };
        let assigned = self.graph.read(self.current, var);
        if self.graph.may_be_unbound(assigned, true) {
            let bound = self.emit(Op::CellBound(cell), range);
            self.graph.bound_if(bound, bound);
            self.check(var, bound, range);
        }
        let value = self.emit(Op::CellGet(cell, self.var_name(var)), range);
        self.graph.write(self.current, var, value);
        value
    }

    /// The value of a local that is no cell, which is checked to be there.
    fn read_local(&mut self, var: Var, range: TextRange) -> Value {
        let value = self.graph.read(self.current, var);
        let data = &self.shared.scopes.vars[var.0 as usize];
        if !self.graph.may_be_unbound(value, data.deleted) {
            return value;
        }
        let checked = self.check(var, value, range);
        self.graph.write(self.current, var, checked);
        checked
    }

    fn check(&mut self, var: Var, value: Value, range: TextRange) -> Value {
        let scope = self.shared.scopes.vars[var.0 as usize].scope;
        let is_local = self.shared.scopes.function_of(scope) == self.function;
        let op = if is_local {
            Op::CheckBound
        } else {
            Op::CheckFree
        };
        self.emit(op(value, self.var_name(var)), range)
    }

    fn var_name(&self, var: Var) -> Name {
        let sym = self.shared.scopes.vars[var.0 as usize].sym;
        self.shared.scopes.text(sym).clone()
    }

    fn write_name(&mut self, name: &'a str, value: Value, range: TextRange) -> Result<()> {
        let (_, meaning) = self.meaning(name);
        match meaning {
            Meaning::Var(var) => {
                let span = self.span(range);
                self.write_var(var, value, span);
                Ok(())
            }
            Meaning::Free => Err(self
                .unsupported(
                    range,
                    format!("the free variable `{name}` cannot be assigned"),
                )
                .note("what a compiled function takes from the function around it is constant")
                .help("pass the value as an argument and return the new one")),
            Meaning::Global | Meaning::DeclaredGlobal => Err(self
                .unsupported(
                    range,
                    format!("the global variable `{name}` cannot be assigned"),
                )
                .note("global variables are constants for compiled code")
                .help("return the value, or store it in an array that is passed as an argument")),
        }
    }

    fn write_var(&mut self, var: Var, value: Value, span: Span) {
        let mut value = value;
        let coerced = self.shared.coerced[var.0 as usize];
        let cell = self.cells.get(&var).copied();
        if coerced || cell.is_some() {
            let sym = self.shared.scopes.vars[var.0 as usize].sym;
            let name = self.shared.scopes.text(sym).clone();
            if coerced {
                value = self.emit_at(Op::Coerce(value, name.clone()), span);
            }
            self.graph.name(value, name);
        }
        if let Some(cell) = cell {
            self.emit_at(Op::CellSet(cell, value), span);
        }
        // Of a cell, this is only whether it has a value.
        self.graph.write(self.current, var, value);
    }

    /// A local without a value from here on.
    fn unbind(&mut self, var: Var, span: Span) {
        let sym = self.shared.scopes.vars[var.0 as usize].sym;
        let name = self.shared.scopes.text(sym).clone();
        let unbound = self.emit_at(Op::Unbound(name), span);
        self.graph.write(self.current, var, unbound);
    }
}

fn span_in(base: u32, range: TextRange) -> Span {
    Span {
        start: base + u32::from(range.start()),
        end: base + u32::from(range.end()),
    }
}
