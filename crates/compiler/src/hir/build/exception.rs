//! `try`: handlers, `else` and `finally`.

use super::{Builder, Frame, Meaning};
use crate::diag::Result;
use crate::hir::{BlockId, Op, Terminator, Value};
use crate::syntax::Ranged;
use crate::syntax::ast::{self, Stmt};

impl<'a> Builder<'_, 'a> {
    pub(super) fn try_statement(&mut self, node: &'a ast::StmtTry) -> Result<()> {
        if node.is_star {
            return Err(self.not_supported(node.range(), "`except*` is"));
        }
        if node.finalbody.is_empty() {
            return self.try_except(node);
        }
        // `finally` is built once for each way out: here for the normal end and for exceptions, in
        // `leave_frames` for `return`, `break` and `continue`.
        let span = self.span(node.range());
        let on_exception = self.graph.block();
        let outer = self.set_handler(Some(on_exception), span);
        self.frames.push(Frame::Finally {
            body: &node.finalbody,
            handler: outer,
            handled: self.handled.len(),
        });
        self.try_except(node)?;
        self.frames.pop();
        self.handler = outer;
        self.stmts(&node.finalbody)?;
        let end = self.graph.block();
        self.jump(end, node.range());

        self.continue_in(on_exception);
        if !self.is_dead() {
            let exception = self.graph.param(on_exception, None);
            self.handled.push(exception);
            self.stmts(&node.finalbody)?;
            self.handled.pop();
            if !self.is_dead() {
                self.end_at(Terminator::Reraise(exception), span);
            }
        }
        self.continue_in(end);
        Ok(())
    }

    /// The statement without its `finally`.
    fn try_except(&mut self, node: &'a ast::StmtTry) -> Result<()> {
        if node.handlers.is_empty() {
            return self.stmts(&node.body);
        }
        let span = self.span(node.range());
        let on_exception = self.graph.block();
        let end = self.graph.block();
        let outer = self.set_handler(Some(on_exception), span);
        self.stmts(&node.body)?;
        self.handler = outer;
        self.stmts(&node.orelse)?;
        self.jump(end, node.range());

        self.continue_in(on_exception);
        if !self.is_dead() {
            let exception = self.graph.param(on_exception, None);
            self.handlers(node, exception, end)?;
        }
        self.continue_in(end);
        Ok(())
    }

    fn handlers(&mut self, node: &'a ast::StmtTry, exception: Value, end: BlockId) -> Result<()> {
        for handler in &node.handlers {
            let ast::ExceptHandler::ExceptHandler(handler) = handler;
            let Some(class) = &handler.type_ else {
                // A bare `except` is the last one.
                return self.handler_body(handler, exception, end);
            };
            let range = class.range();
            let class = self.expr(class)?;
            let matches = self.emit(Op::ExceptMatch(exception, class), range);
            let cond = self.emit(Op::Truth(matches), range);
            let (then, other) = (self.graph.block(), self.graph.block());
            let span = self.span(range);
            self.graph.branch(self.current, cond, then, other, span);
            self.continue_in(then);
            self.handler_body(handler, exception, end)?;
            self.continue_in(other);
        }
        self.end(Terminator::Reraise(exception), node.range());
        Ok(())
    }

    fn handler_body(
        &mut self,
        handler: &'a ast::ExceptHandlerExceptHandler,
        exception: Value,
        end: BlockId,
    ) -> Result<()> {
        let mut named = None;
        if let Some(name) = &handler.name {
            self.write_name(name.as_str(), exception, name.range())?;
            if let (_, Meaning::Var(var)) = self.meaning(name.as_str())
                && !self.cells.contains_key(&var)
            {
                named = Some(var);
                self.frames.push(Frame::ExceptName(var));
            }
        }
        self.handled.push(exception);
        self.stmts(&handler.body as &'a [Stmt])?;
        self.handled.pop();
        if let Some(var) = named {
            self.frames.pop();
            let span = self.span(handler.range());
            self.unbind(var, span);
        }
        self.jump(end, handler.range());
        Ok(())
    }
}
