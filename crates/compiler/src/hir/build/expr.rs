//! Expressions and conditions.

use super::{Builder, literal};
use crate::diag::Result;
use crate::hir::{Arg, BinaryOp, BlockId, CompareOp, Literal, Op, UnaryOp, Value};
use crate::syntax::ast::{self, Expr};
use crate::syntax::{Ranged, TextRange};

impl<'a> Builder<'_, 'a> {
    pub(super) fn expr(&mut self, expr: &'a Expr) -> Result<Value> {
        // Leaves are most of all expressions; they need no depth.
        match expr {
            Expr::Name(node) => Ok(self.read_name(node.id.as_str(), node.range())),
            Expr::NumberLiteral(node) => self.number(&node.value, node.range(), false),
            Expr::StringLiteral(node) => {
                Ok(self.literal(Literal::Str(node.value.to_str().into()), node.range()))
            }
            Expr::BytesLiteral(node) => {
                Ok(self.literal(Literal::Bytes(node.value.bytes().collect()), node.range()))
            }
            Expr::BooleanLiteral(node) => Ok(self.literal(Literal::Bool(node.value), node.range())),
            Expr::NoneLiteral(node) => Ok(self.literal(Literal::None, node.range())),
            Expr::EllipsisLiteral(node) => Ok(self.literal(Literal::Ellipsis, node.range())),
            _ => self.nested(expr.range(), |b| b.compound(expr)),
        }
    }

    fn compound(&mut self, expr: &'a Expr) -> Result<Value> {
        let range = expr.range();
        match expr {
            Expr::BinOp(_) => self.binary(expr),
            Expr::UnaryOp(node) => self.unary(node),
            Expr::BoolOp(node) => self.bool_op(node),
            Expr::Compare(node) => self.comparison(node),
            Expr::If(node) => self.ternary(node),
            Expr::Call(node) => self.call(node),
            Expr::Attribute(node) => {
                let object = self.expr(&node.value)?;
                let name = self.shared.scopes.name(node.attr.as_str());
                Ok(self.emit(Op::GetAttr(object, name), range))
            }
            Expr::Subscript(node) => {
                let container = self.expr(&node.value)?;
                let index = self.expr(&node.slice)?;
                Ok(self.emit(Op::GetItem(container, index), range))
            }
            Expr::Slice(node) => {
                let mut part =
                    |part: &'a Option<Box<Expr>>| part.as_deref().map(|e| self.expr(e)).transpose();
                let parts = [part(&node.lower)?, part(&node.upper)?, part(&node.step)?];
                Ok(self.emit(Op::Slice(parts), range))
            }
            Expr::Tuple(node) => {
                let items = self.items(&node.elts)?;
                Ok(self.emit(Op::Tuple(items), range))
            }
            Expr::List(node) => {
                let items = self.items(&node.elts)?;
                Ok(self.emit(Op::List(items), range))
            }
            Expr::Set(node) => {
                let items = self.items(&node.elts)?;
                let made = self.emit(Op::Set, range);
                for item in items {
                    match item {
                        Arg::Plain(value) => self.emit(Op::SetAdd(made, value), range),
                        Arg::Star(values) => self.update(made, values, range),
                    };
                }
                Ok(made)
            }
            Expr::Dict(node) => self.dict(node),
            Expr::Named(node) if self.in_generator_expression => Err(self
                .not_supported(node.range(), "`:=` in a generator expression is")
                .help("use a list comprehension: `[... for ...]`")),
            Expr::Named(node) => {
                let value = self.expr(&node.value)?;
                self.assign(&node.target, value)?;
                Ok(value)
            }
            Expr::FString(node) => self.fstring(node),
            Expr::Lambda(node) => self.inner_lambda(node),
            Expr::ListComp(node) => self.list_comprehension(node),
            Expr::SetComp(node) => self.set_comprehension(node),
            Expr::DictComp(node) => self.dict_comprehension(node),
            Expr::Generator(node) => self.generator_expression(node),
            Expr::Yield(node) => {
                let value = match &node.value {
                    Some(value) => self.expr(value)?,
                    None => self.literal(Literal::None, range),
                };
                Ok(self.emit(Op::Yield(value), range))
            }
            Expr::YieldFrom(node) => self.yield_from(node),
            Expr::Await(_) => Err(self.not_supported(range, "`await` is")),
            Expr::TString(_) => Err(self.not_supported(range, "template strings are")),
            Expr::Starred(_) => {
                Err(self.unsupported(range, "a starred expression cannot stand here"))
            }
            _ => Err(self.not_supported(range, "this expression is")),
        }
    }

    /// `{key: value, **mapping}`: everything is computed before anything is put in.
    fn dict(&mut self, node: &'a ast::ExprDict) -> Result<Value> {
        let range = node.range();
        let mut items = Vec::with_capacity(node.items.len());
        for item in &node.items {
            let key = item.key.as_ref().map(|key| self.expr(key)).transpose()?;
            items.push((key, self.expr(&item.value)?));
        }
        let pairs = items.iter().filter_map(|&(key, value)| Some((key?, value)));
        let made = self.emit(Op::Dict(pairs.collect()), range);
        for (key, value) in items {
            match key {
                Some(key) => self.emit(Op::DictSet(made, key, value), range),
                None => self.update(made, value, range),
            };
        }
        Ok(made)
    }

    /// `made.update(more)`
    fn update(&mut self, made: Value, more: Value, range: TextRange) -> Value {
        let callee = self.emit(Op::GetAttr(made, "update".into()), range);
        let args = vec![Arg::Plain(more)];
        self.emit(
            Op::Call {
                callee,
                args,
                keywords: vec![],
            },
            range,
        )
    }

    fn items(&mut self, elts: &'a [Expr]) -> Result<Vec<Arg>> {
        elts.iter().map(|e| self.item(e)).collect()
    }

    fn item(&mut self, expr: &'a Expr) -> Result<Arg> {
        match expr {
            Expr::Starred(node) => self.expr(&node.value).map(Arg::Star),
            _ => self.expr(expr).map(Arg::Plain),
        }
    }

    fn binary(&mut self, expr: &'a Expr) -> Result<Value> {
        // Sums of hundreds of terms are one long left spine: no recursion along it.
        let mut spine = Vec::new();
        let mut at = expr;
        let mut folded = None;
        while let Expr::BinOp(node) = at {
            folded = literal::unsigned_constant(at);
            if folded.is_some() {
                break;
            }
            spine.push(node);
            at = &*node.left;
        }
        let mut left = match folded {
            Some(value) => self.literal(Literal::Int(value), at.range()),
            None => self.expr(at)?,
        };
        for node in spine.into_iter().rev() {
            let right = self.expr(&node.right)?;
            left = self.emit(Op::Binary(binary_op(node.op), left, right), node.range());
        }
        Ok(left)
    }

    fn unary(&mut self, node: &'a ast::ExprUnaryOp) -> Result<Value> {
        let op = match node.op {
            ast::UnaryOp::USub => UnaryOp::Neg,
            ast::UnaryOp::UAdd => UnaryOp::Pos,
            ast::UnaryOp::Invert => UnaryOp::Invert,
            ast::UnaryOp::Not => UnaryOp::Not,
        };
        if let (UnaryOp::Neg, Expr::NumberLiteral(number)) = (op, &*node.operand) {
            return self.number(&number.value, node.range(), true);
        }
        let operand = self.expr(&node.operand)?;
        Ok(self.emit(Op::Unary(op, operand), node.range()))
    }

    /// `and` and `or` give one of their operands.
    fn bool_op(&mut self, node: &'a ast::ExprBoolOp) -> Result<Value> {
        let Some((last, firsts)) = node.values.split_last() else {
            return Ok(self.literal(Literal::None, node.range()));
        };
        let result = self.graph.temp();
        let end = self.graph.block();
        for operand in firsts {
            let value = self.expr(operand)?;
            self.graph.write(self.current, result, value);
            let cond = self.emit(Op::Truth(value), operand.range());
            let next = self.graph.block();
            let (then, other) = match node.op {
                ast::BoolOp::And => (next, end),
                ast::BoolOp::Or => (end, next),
            };
            self.branch(cond, then, other, operand.range());
            self.continue_in(next);
        }
        let value = self.expr(last)?;
        self.graph.write(self.current, result, value);
        self.jump(end, last.range());
        self.continue_in(end);
        Ok(self.graph.read(end, result))
    }

    /// `a < b < c`: each operand is evaluated once, and only as far as needed.
    fn comparison(&mut self, node: &'a ast::ExprCompare) -> Result<Value> {
        let mut left = self.expr(&node.left)?;
        if let ([op], [right]) = (&*node.ops, &*node.comparators) {
            let right = self.expr(right)?;
            return Ok(self.emit(Op::Compare(compare_op(*op), left, right), node.range()));
        }
        let result = self.graph.temp();
        let end = self.graph.block();
        let mut start = node.left.start();
        let last = node.ops.len() - 1;
        for (i, (op, operand)) in node.ops.iter().zip(&*node.comparators).enumerate() {
            let right = self.expr(operand)?;
            let range = TextRange::new(start, operand.end());
            let value = self.emit(Op::Compare(compare_op(*op), left, right), range);
            self.graph.write(self.current, result, value);
            if i == last {
                self.jump(end, range);
                break;
            }
            let cond = self.emit(Op::Truth(value), range);
            let next = self.graph.block();
            self.branch(cond, next, end, range);
            self.continue_in(next);
            (left, start) = (right, operand.start());
        }
        self.continue_in(end);
        Ok(self.graph.read(end, result))
    }

    fn ternary(&mut self, node: &'a ast::ExprIf) -> Result<Value> {
        let (then, other, end) = (self.graph.block(), self.graph.block(), self.graph.block());
        let result = self.graph.temp();
        self.cond(&node.test, then, other)?;
        for (block, operand) in [(then, &node.body), (other, &node.orelse)] {
            self.continue_in(block);
            let value = self.expr(operand)?;
            self.graph.write(self.current, result, value);
            self.jump(end, operand.range());
        }
        self.continue_in(end);
        Ok(self.graph.read(end, result))
    }

    fn call(&mut self, node: &'a ast::ExprCall) -> Result<Value> {
        let callee = self.expr(&node.func)?;
        let args = self.items(&node.arguments.args)?;
        let mut keywords = Vec::with_capacity(node.arguments.keywords.len());
        for keyword in &node.arguments.keywords {
            let name = keyword
                .arg
                .as_ref()
                .map(|name| self.shared.scopes.name(name.as_str()));
            keywords.push((name, self.expr(&keyword.value)?));
        }
        Ok(self.emit(
            Op::Call {
                callee,
                args,
                keywords,
            },
            node.range(),
        ))
    }

    fn branch(&mut self, cond: Value, then: BlockId, other: BlockId, range: TextRange) {
        let span = self.span(range);
        self.graph.branch(self.current, cond, then, other, span);
    }

    /// Evaluates a condition and goes to `then` or `other`, without making a value of `and`, `or`,
    /// `not` and chained comparisons. The caller seals the two blocks.
    pub(super) fn cond(&mut self, expr: &'a Expr, then: BlockId, other: BlockId) -> Result<()> {
        if let Some(known) = constant_truth(expr) {
            self.jump(if known { then } else { other }, expr.range());
            return Ok(());
        }
        match expr {
            Expr::BoolOp(_) | Expr::UnaryOp(_) | Expr::If(_) | Expr::Compare(_) => {
                self.nested(expr.range(), |b| b.compound_cond(expr, then, other))
            }
            _ => self.plain_cond(expr, then, other),
        }
    }

    fn plain_cond(&mut self, expr: &'a Expr, then: BlockId, other: BlockId) -> Result<()> {
        let value = self.expr(expr)?;
        let cond = self.emit(Op::Truth(value), expr.range());
        self.branch(cond, then, other, expr.range());
        Ok(())
    }

    fn compound_cond(&mut self, expr: &'a Expr, then: BlockId, other: BlockId) -> Result<()> {
        match expr {
            Expr::UnaryOp(ast::ExprUnaryOp {
                op: ast::UnaryOp::Not,
                operand,
                ..
            }) => self.cond(operand, other, then),
            Expr::BoolOp(node) => {
                let Some((last, firsts)) = node.values.split_last() else {
                    return Ok(());
                };
                for operand in firsts {
                    let next = self.graph.block();
                    match node.op {
                        ast::BoolOp::And => self.cond(operand, next, other)?,
                        ast::BoolOp::Or => self.cond(operand, then, next)?,
                    }
                    self.continue_in(next);
                }
                self.cond(last, then, other)
            }
            Expr::If(node) => {
                let (first, second) = (self.graph.block(), self.graph.block());
                self.cond(&node.test, first, second)?;
                self.continue_in(first);
                self.cond(&node.body, then, other)?;
                self.continue_in(second);
                self.cond(&node.orelse, then, other)
            }
            Expr::Compare(node) if node.ops.len() > 1 => {
                let mut left = self.expr(&node.left)?;
                let mut start = node.left.start();
                let last = node.ops.len() - 1;
                for (i, (op, operand)) in node.ops.iter().zip(&*node.comparators).enumerate() {
                    let right = self.expr(operand)?;
                    let range = TextRange::new(start, operand.end());
                    let value = self.emit(Op::Compare(compare_op(*op), left, right), range);
                    let cond = self.emit(Op::Truth(value), range);
                    if i == last {
                        self.branch(cond, then, other, range);
                        break;
                    }
                    let next = self.graph.block();
                    self.branch(cond, next, other, range);
                    self.continue_in(next);
                    (left, start) = (right, operand.start());
                }
                Ok(())
            }
            _ => self.plain_cond(expr, then, other),
        }
    }
}

/// The truth of a literal that is used as a condition: `while True`, `while 1`, `if False`.
fn constant_truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::BooleanLiteral(node) => Some(node.value),
        Expr::NoneLiteral(_) => Some(false),
        Expr::NumberLiteral(node) => match &node.value {
            ast::Number::Int(int) => Some(*int != ast::Int::ZERO),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn binary_op(op: ast::Operator) -> BinaryOp {
    match op {
        ast::Operator::Add => BinaryOp::Add,
        ast::Operator::Sub => BinaryOp::Sub,
        ast::Operator::Mult => BinaryOp::Mul,
        ast::Operator::MatMult => BinaryOp::MatMul,
        ast::Operator::Div => BinaryOp::TrueDiv,
        ast::Operator::Mod => BinaryOp::Mod,
        ast::Operator::Pow => BinaryOp::Pow,
        ast::Operator::LShift => BinaryOp::LShift,
        ast::Operator::RShift => BinaryOp::RShift,
        ast::Operator::BitOr => BinaryOp::Or,
        ast::Operator::BitXor => BinaryOp::Xor,
        ast::Operator::BitAnd => BinaryOp::And,
        ast::Operator::FloorDiv => BinaryOp::FloorDiv,
    }
}

fn compare_op(op: ast::CmpOp) -> CompareOp {
    match op {
        ast::CmpOp::Eq => CompareOp::Eq,
        ast::CmpOp::NotEq => CompareOp::Ne,
        ast::CmpOp::Lt => CompareOp::Lt,
        ast::CmpOp::LtE => CompareOp::Le,
        ast::CmpOp::Gt => CompareOp::Gt,
        ast::CmpOp::GtE => CompareOp::Ge,
        ast::CmpOp::Is => CompareOp::Is,
        ast::CmpOp::IsNot => CompareOp::IsNot,
        ast::CmpOp::In => CompareOp::In,
        ast::CmpOp::NotIn => CompareOp::NotIn,
    }
}
