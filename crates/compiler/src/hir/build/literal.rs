//! Numbers and formatted strings.

use std::sync::Arc;

use super::Builder;
use crate::diag::Result;
use crate::hir::{FPart, Literal, Op, Value};
use crate::syntax::ast::{self, FStringPart, InterpolatedStringElement};
use crate::syntax::{Ranged, TextRange};

/// `2**63` and the like: what Python computes when it compiles, if it is past int64 but fits uint64.
/// (Whatever fits int64 is folded by inference.)
pub(super) fn unsigned_constant(expr: &ast::Expr) -> Option<i128> {
    integer(expr, 50).filter(|&i| i64::try_from(i).is_err() && u64::try_from(i).is_ok())
}

/// The value of an expression of integer literals.
fn integer(expr: &ast::Expr, depth: u32) -> Option<i128> {
    match expr {
        ast::Expr::NumberLiteral(node) => match &node.value {
            ast::Number::Int(int) => int.as_u64().map(i128::from),
            _ => None,
        },
        ast::Expr::UnaryOp(node) if node.op == ast::UnaryOp::USub => {
            integer(&node.operand, depth.checked_sub(1)?).map(|i| -i)
        }
        ast::Expr::BinOp(node) => {
            // The right side first: where it is no literal, a long sum ends here.
            let b = integer(&node.right, depth.checked_sub(1)?)?;
            let a = integer(&node.left, depth - 1)?;
            match node.op {
                ast::Operator::Add => a.checked_add(b),
                ast::Operator::Sub => a.checked_sub(b),
                ast::Operator::Mult => a.checked_mul(b),
                ast::Operator::Pow => a.checked_pow(u32::try_from(b).ok()?),
                ast::Operator::LShift if (0..64).contains(&b) => a.checked_mul(1 << b),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A constant that is written as a literal, or the negation of an integer.
pub(super) fn of_expr(expr: &ast::Expr) -> Option<Literal> {
    Some(match expr {
        ast::Expr::NoneLiteral(_) => Literal::None,
        ast::Expr::BooleanLiteral(node) => Literal::Bool(node.value),
        ast::Expr::StringLiteral(node) => Literal::Str(node.value.to_str().into()),
        ast::Expr::NumberLiteral(node) => match &node.value {
            ast::Number::Int(int) => Literal::Int(i128::from(int.as_u64()?)),
            ast::Number::Float(value) => Literal::Float(*value),
            ast::Number::Complex { .. } => return None,
        },
        ast::Expr::UnaryOp(node) => match (node.op, of_expr(&node.operand)) {
            (ast::UnaryOp::USub, Some(Literal::Float(x))) => Literal::Float(-x),
            _ => Literal::Int(integer(expr, 1)?),
        },
        _ => return None,
    })
}

impl<'a> Builder<'_, 'a> {
    pub(super) fn literal(&mut self, literal: Literal, range: TextRange) -> Value {
        self.emit(Op::Literal(literal), range)
    }

    /// A number, or (with the minus sign in front, so that the smallest int64 can be written) its
    /// negation.
    pub(super) fn number(
        &mut self,
        number: &ast::Number,
        range: TextRange,
        negative: bool,
    ) -> Result<Value> {
        let literal = match number {
            ast::Number::Int(int) => {
                let magnitude = int.as_u64().map(i128::from);
                let value = magnitude.map(|m| if negative { -m } else { m });
                match value.filter(|&v| v >= i128::from(i64::MIN)) {
                    Some(value) => Literal::Int(value),
                    None => {
                        return Err(self
                            .unsupported(range, "this integer does not fit 64 bits")
                            .note("compiled integers range from -2**63 to 2**64 - 1")
                            .help("use a float, or compute with arrays of smaller numbers"));
                    }
                }
            }
            ast::Number::Float(value) => Literal::Float(if negative { -value } else { *value }),
            // The real part of -1j is -0.0, which no literal has.
            ast::Number::Complex { imag, .. } if negative => {
                let value = self.literal(Literal::Imaginary(*imag), range);
                return Ok(self.emit(Op::Unary(crate::hir::UnaryOp::Neg, value), range));
            }
            ast::Number::Complex { imag, .. } => Literal::Imaginary(*imag),
        };
        Ok(self.literal(literal, range))
    }

    pub(super) fn fstring(&mut self, node: &'a ast::ExprFString) -> Result<Value> {
        let mut parts = Vec::new();
        let mut text = String::new();
        for part in node.value.iter() {
            match part {
                FStringPart::Literal(literal) => text.push_str(literal.as_str()),
                FStringPart::FString(fstring) => {
                    self.elements(&fstring.elements, &mut parts, &mut text)?;
                }
            }
        }
        Ok(self.formatted(parts, text, node.range()))
    }

    fn elements(
        &mut self,
        elements: &'a [InterpolatedStringElement],
        parts: &mut Vec<FPart>,
        text: &mut String,
    ) -> Result<()> {
        for element in elements {
            let element = match element {
                InterpolatedStringElement::Literal(literal) => {
                    text.push_str(&literal.value);
                    continue;
                }
                InterpolatedStringElement::Interpolation(element) => element,
            };
            let mut conversion = element.conversion.to_char();
            if let Some(debug) = &element.debug_text {
                // `{x=}` shows the expression, and its repr unless something else is asked for.
                text.push_str(debug.as_str());
                if element.format_spec.is_none() {
                    conversion = conversion.or(Some('r'));
                }
            }
            let value = self.expr(&element.expression)?;
            let spec = match &element.format_spec {
                None => None,
                Some(spec) => {
                    let (mut parts, mut text) = (Vec::new(), String::new());
                    self.elements(&spec.elements, &mut parts, &mut text)?;
                    Some(self.formatted(parts, text, spec.range))
                }
            };
            flush(parts, text);
            parts.push(FPart::Value(value, conversion, spec));
        }
        Ok(())
    }

    /// A string of parts and a last text: a literal if there is nothing to format.
    fn formatted(&mut self, mut parts: Vec<FPart>, mut text: String, range: TextRange) -> Value {
        if parts.is_empty() {
            return self.literal(Literal::Str(text.into()), range);
        }
        flush(&mut parts, &mut text);
        self.emit(Op::FString(parts), range)
    }
}

fn flush(parts: &mut Vec<FPart>, text: &mut String) {
    if !text.is_empty() {
        parts.push(FPart::Text(Arc::from(text.as_str())));
        text.clear();
    }
}
