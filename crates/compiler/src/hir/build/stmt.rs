//! Statements and control flow.

use super::{Builder, Frame, Meaning};
use crate::diag::Result;
use crate::hir::{Arg, BlockId, Literal, Name, Op, Terminator, Value};
use crate::syntax::ast::{self, Expr, Stmt};
use crate::syntax::{Ranged, TextRange};

impl<'a> Builder<'_, 'a> {
    pub(super) fn stmts(&mut self, body: &'a [Stmt]) -> Result<()> {
        for stmt in body {
            if self.is_dead() {
                break;
            }
            self.nested(stmt.range(), |b| b.stmt(stmt))?;
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Result<()> {
        match stmt {
            Stmt::Expr(node) => self.expression_statement(&node.value),
            Stmt::Assign(node) => self.assignment(node),
            Stmt::AugAssign(node) => self.augmented(node),
            Stmt::AnnAssign(node) => match &node.value {
                Some(value) => {
                    let value = self.expr(value)?;
                    self.assign(&node.target, value)
                }
                None => Ok(()),
            },
            Stmt::If(node) => self.if_statement(node),
            Stmt::While(node) => self.while_loop(node),
            Stmt::For(node) => self.for_loop(node),
            Stmt::Break(node) => self.leave_loop(node.range(), true),
            Stmt::Continue(node) => self.leave_loop(node.range(), false),
            Stmt::Return(node) => self.return_statement(node),
            Stmt::Pass(_) | Stmt::Global(_) | Stmt::Nonlocal(_) => Ok(()),
            Stmt::Assert(node) => self.assert(node),
            Stmt::Raise(node) => self.raise(node),
            Stmt::Try(node) => self.try_statement(node),
            Stmt::Delete(node) => node.targets.iter().try_for_each(|t| self.delete(t)),
            Stmt::FunctionDef(node) => self.inner_def(node),
            Stmt::Match(node) => self.match_statement(node),
            Stmt::With(node) => Err(self
                .not_supported(
                    head(node.range(), node.items.last().map(Ranged::range)),
                    "`with` is",
                )
                .help("use try/finally, or enter the context manager around the call")),
            Stmt::ClassDef(node) => Err(self
                .unsupported(
                    node.name.range(),
                    "a class cannot be defined in a compiled function",
                )
                .help("define the class at module level")),
            Stmt::Import(_) | Stmt::ImportFrom(_) => Err(self
                .not_supported(stmt.range(), "`import` is")
                .help("import at module level; compiled code sees the module as a global name")),
            Stmt::TypeAlias(_) => Err(self.not_supported(stmt.range(), "`type` statements are")),
            Stmt::IpyEscapeCommand(_) => {
                Err(self.not_supported(stmt.range(), "IPython commands are"))
            }
        }
    }

    fn expression_statement(&mut self, value: &'a Expr) -> Result<()> {
        match value {
            // Docstrings, and `...` for an empty body.
            Expr::StringLiteral(_) | Expr::EllipsisLiteral(_) => Ok(()),
            _ => self.expr(value).map(drop),
        }
    }

    fn if_statement(&mut self, node: &'a ast::StmtIf) -> Result<()> {
        let end = self.graph.block();
        self.if_part(&node.test, &node.body, end)?;
        for clause in &node.elif_else_clauses {
            match &clause.test {
                Some(test) => self.if_part(test, &clause.body, end)?,
                None => self.stmts(&clause.body)?,
            }
        }
        self.jump(end, end_of_range(node.range()));
        self.continue_in(end);
        Ok(())
    }

    /// One condition and its body; goes on where the condition does not hold.
    fn if_part(&mut self, test: &'a Expr, body: &'a [Stmt], end: BlockId) -> Result<()> {
        let then = self.graph.block();
        let other = self.graph.block();
        self.cond(test, then, other)?;
        self.continue_in(then);
        self.stmts(body)?;
        self.jump(
            end,
            body.last()
                .map_or(test.range(), |last| end_of_range(last.range())),
        );
        self.continue_in(other);
        Ok(())
    }

    fn while_loop(&mut self, node: &'a ast::StmtWhile) -> Result<()> {
        let header = self.graph.block();
        let body = self.graph.block();
        let done = self.graph.block();
        let end = self.graph.block();
        self.jump(header, node.test.range());
        self.current = header;
        self.cond(&node.test, body, done)?;
        self.loop_body(
            header,
            body,
            end,
            |b| b.stmts(&node.body),
            node.test.range(),
        )?;
        self.after_loop(done, end, &node.orelse, node.range())
    }

    fn for_loop(&mut self, node: &'a ast::StmtFor) -> Result<()> {
        if node.is_async {
            return Err(self.not_supported(
                head(node.range(), Some(node.iter.range())),
                "`async for` is",
            ));
        }
        let done = self.graph.block();
        let end = self.graph.block();
        let over = self.expr(&node.iter)?;
        let range = node.iter.range();
        let first = self.emit(Op::Iter(over), range);
        self.iterate(first, range, done, end, |b, item| {
            b.assign(&node.target, item)?;
            b.stmts(&node.body)
        })?;
        self.after_loop(done, end, &node.orelse, node.range())
    }

    /// A loop over the items of an iterator: goes to `done` when there are no more. The state of
    /// the iterator is a variable without a name; the result is what it is at the loop's head.
    pub(super) fn iterate(
        &mut self,
        first: Value,
        range: TextRange,
        done: BlockId,
        end: BlockId,
        body: impl FnOnce(&mut Self, Value) -> Result<()>,
    ) -> Result<Value> {
        let state = self.graph.temp();
        self.graph.write(self.current, state, first);
        let header = self.graph.block();
        let inside = self.graph.block();
        self.jump(header, range);
        self.current = header;
        let iterator = self.graph.read(header, state);
        let more = self.emit(Op::IterMore(iterator), range);
        let span = self.span(range);
        self.graph.branch(self.current, more, inside, done, span);
        let step = |b: &mut Self| {
            let item = b.emit(Op::IterItem(iterator), range);
            let next = b.emit(Op::IterNext(iterator), range);
            b.graph.write(b.current, state, next);
            body(b, item)
        };
        self.loop_body(header, inside, end, step, range)?;
        Ok(iterator)
    }

    /// `yield from`: a loop that yields each item, and what the iterable returns.
    pub(super) fn yield_from(&mut self, node: &'a ast::ExprYieldFrom) -> Result<Value> {
        let (done, end) = (self.graph.block(), self.graph.block());
        let over = self.expr(&node.value)?;
        let first = self.emit(Op::Iter(over), node.value.range());
        let iterator = self.iterate(first, node.value.range(), done, end, |b, item| {
            b.emit(Op::Yield(item), node.range());
            Ok(())
        })?;
        self.continue_in(done);
        Ok(self.emit(Op::IterResult(iterator), node.range()))
    }

    fn loop_body(
        &mut self,
        header: BlockId,
        body: BlockId,
        end: BlockId,
        build: impl FnOnce(&mut Self) -> Result<()>,
        range: TextRange,
    ) -> Result<()> {
        self.continue_in(body);
        self.frames.push(Frame::Loop {
            on_break: end,
            on_continue: header,
        });
        build(self)?;
        self.frames.pop();
        self.jump(header, range);
        self.graph.seal(header);
        Ok(())
    }

    /// The `else` part of a loop, and where control goes on.
    fn after_loop(
        &mut self,
        done: BlockId,
        end: BlockId,
        orelse: &'a [Stmt],
        range: TextRange,
    ) -> Result<()> {
        self.continue_in(done);
        self.stmts(orelse)?;
        self.jump(end, end_of_range(range));
        self.continue_in(end);
        Ok(())
    }

    fn leave_loop(&mut self, range: TextRange, is_break: bool) -> Result<()> {
        let found = self
            .frames
            .iter()
            .rposition(|frame| matches!(frame, Frame::Loop { .. }));
        let Some(index) = found else {
            // Python's own compiler does not let this pass.
            return Err(self.unsupported(range, "`break` or `continue` outside of a loop"));
        };
        let Frame::Loop {
            on_break,
            on_continue,
        } = self.frames[index]
        else {
            return Ok(());
        };
        self.leave_frames(index + 1, range)?;
        self.jump(if is_break { on_break } else { on_continue }, range);
        self.dead_block();
        Ok(())
    }

    fn return_statement(&mut self, node: &'a ast::StmtReturn) -> Result<()> {
        let value = match &node.value {
            Some(value) => self.expr(value)?,
            None => self.emit(Op::Literal(Literal::None), node.range()),
        };
        self.leave_frames(0, node.range())?;
        self.end(Terminator::Return(value), node.range());
        Ok(())
    }

    fn assert(&mut self, node: &'a ast::StmtAssert) -> Result<()> {
        let fails = self.graph.block();
        let holds = self.graph.block();
        self.cond(&node.test, holds, fails)?;
        self.continue_in(fails);
        if !self.is_dead() {
            let callee = self.emit(Op::Global(Name::from("AssertionError")), node.range());
            let mut args = Vec::new();
            if let Some(message) = &node.msg {
                args.push(Arg::Plain(self.expr(message)?));
            }
            let exception = self.emit(
                Op::Call {
                    callee,
                    args,
                    keywords: Vec::new(),
                },
                node.range(),
            );
            self.end(Terminator::Raise(exception), node.range());
        }
        self.continue_in(holds);
        Ok(())
    }

    fn raise(&mut self, node: &'a ast::StmtRaise) -> Result<()> {
        let Some(exception) = &node.exc else {
            let Some(&handled) = self.handled.last() else {
                return Err(self
                    .unsupported(
                        node.range(),
                        "`raise` without an exception is only supported in an `except` block",
                    )
                    .help("raise an exception of a class"));
            };
            self.end(Terminator::Reraise(handled), node.range());
            return Ok(());
        };
        let exception = self.expr(exception)?;
        match node.cause.as_deref() {
            None | Some(Expr::NoneLiteral(_)) => {}
            Some(cause) => {
                return Err(self
                    .not_supported(cause.range(), "`raise ... from` with a cause is")
                    .help("leave out `from`, or use `from None`"));
            }
        }
        self.end(Terminator::Raise(exception), node.range());
        Ok(())
    }

    fn delete(&mut self, target: &'a Expr) -> Result<()> {
        match target {
            Expr::Name(name) => {
                let (_, meaning) = self.meaning(name.id.as_str());
                match meaning {
                    Meaning::Var(var) if !self.cells.contains_key(&var) => {
                        self.read_local(var, name.range());
                        let span = self.span(name.range());
                        self.unbind(var, span);
                        Ok(())
                    }
                    Meaning::Var(_) => Err(self.unsupported(
                        target.range(),
                        format!(
                            "`{}` is shared with an inner function and cannot be deleted",
                            name.id
                        ),
                    )),
                    _ => Err(self.unsupported(
                        target.range(),
                        format!(
                            "`{}` is not a local variable and cannot be deleted",
                            name.id
                        ),
                    )),
                }
            }
            Expr::Subscript(node) => {
                let container = self.expr(&node.value)?;
                let index = self.expr(&node.slice)?;
                self.emit(Op::DelItem(container, index), node.range());
                Ok(())
            }
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                elts.iter().try_for_each(|t| self.delete(t))
            }
            _ => Err(self.unsupported(
                target.range(),
                "attributes cannot be deleted in compiled functions",
            )),
        }
    }

    /// What has to happen on the way out of the frames from `depth` on: `finally` blocks run, with
    /// the handlers and frames of where they stand.
    fn leave_frames(&mut self, depth: usize, range: TextRange) -> Result<()> {
        let span = self.span(range);
        let saved = (self.handler, self.handled.clone());
        let mut left = Vec::new();
        while self.frames.len() > depth && !self.is_dead() {
            let Some(frame) = self.frames.pop() else {
                break;
            };
            match frame {
                Frame::Finally {
                    body,
                    handler,
                    handled,
                } => {
                    self.set_handler(handler, span);
                    self.handled.truncate(handled);
                    self.stmts(body)?;
                }
                Frame::ExceptName(var) => self.unbind(var, span),
                Frame::Loop { .. } => {}
            }
            left.push(frame);
        }
        self.frames.extend(left.into_iter().rev());
        (self.handler, self.handled) = saved;
        Ok(())
    }
}

/// From the start of a statement to the end of its head.
fn head(range: TextRange, last: Option<TextRange>) -> TextRange {
    TextRange::new(range.start(), last.map_or(range.end(), |last| last.end()))
}

/// Where control leaves a statement at its end.
fn end_of_range(range: TextRange) -> TextRange {
    TextRange::new(range.end(), range.end())
}
