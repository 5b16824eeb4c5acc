//! Assignments, in Python's order: first the value, then the targets from left to right.

use super::Builder;
use crate::diag::Result;
use crate::hir::{Op, Value};
use crate::syntax::Ranged;
use crate::syntax::ast::{self, Expr};

impl<'a> Builder<'_, 'a> {
    pub(super) fn assignment(&mut self, node: &'a ast::StmtAssign) -> Result<()> {
        if let [target] = node.targets.as_slice()
            && let (Some(targets), Expr::Tuple(values)) = (sequence(target), &*node.value)
            && targets.len() == values.elts.len()
            && !targets
                .iter()
                .chain(&values.elts)
                .any(Expr::is_starred_expr)
        {
            // `a, b = b, a` needs no tuple.
            let values: Vec<Value> = values
                .elts
                .iter()
                .map(|e| self.expr(e))
                .collect::<Result<_>>()?;
            return targets
                .iter()
                .zip(values)
                .try_for_each(|(t, v)| self.assign(t, v));
        }
        let value = self.expr(&node.value)?;
        node.targets
            .iter()
            .try_for_each(|target| self.assign(target, value))
    }

    pub(super) fn assign(&mut self, target: &'a Expr, value: Value) -> Result<()> {
        match target {
            Expr::Name(name) => self.write_name(name.id.as_str(), value, name.range()),
            Expr::Attribute(node) => {
                let object = self.expr(&node.value)?;
                let name = self.shared.scopes.name(node.attr.as_str());
                self.emit(Op::SetAttr(object, name, value), node.range());
                Ok(())
            }
            Expr::Subscript(node) => {
                let container = self.expr(&node.value)?;
                let index = self.expr(&node.slice)?;
                self.emit(Op::SetItem(container, index, value), node.range());
                Ok(())
            }
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                self.nested(target.range(), |b| b.unpack(target, elts, value))
            }
            // The list of a starred target is an item of `Unpack`.
            Expr::Starred(node) => self.assign(&node.value, value),
            _ => Err(self.unsupported(target.range(), "this cannot be assigned to")),
        }
    }

    fn unpack(&mut self, target: &'a Expr, elts: &'a [Expr], value: Value) -> Result<()> {
        let star = elts.iter().position(Expr::is_starred_expr);
        let before = star.unwrap_or(elts.len()) as u32;
        let after = star.map_or(0, |s| (elts.len() - s - 1) as u32);
        let op = Op::Unpack {
            value,
            before,
            star: star.is_some(),
            after,
        };
        let sequence = self.emit(op, target.range());
        // All items are taken before the first is assigned, as on Python's stack.
        let items: Vec<Value> = (0u32..)
            .zip(elts)
            .map(|(i, elt)| self.emit(Op::UnpackItem(sequence, i), elt.range()))
            .collect();
        elts.iter()
            .zip(items)
            .try_for_each(|(elt, item)| self.assign(elt, item))
    }

    /// `target op= value`: the parts of the target are evaluated once.
    pub(super) fn augmented(&mut self, node: &'a ast::StmtAugAssign) -> Result<()> {
        let op = super::expr::binary_op(node.op);
        let range = node.range();
        match &*node.target {
            Expr::Name(name) => {
                let old = self.read_name(name.id.as_str(), name.range());
                let value = self.expr(&node.value)?;
                let new = self.emit(Op::InPlace(op, old, value), range);
                self.write_name(name.id.as_str(), new, name.range())
            }
            Expr::Attribute(target) => {
                let object = self.expr(&target.value)?;
                let name = self.shared.scopes.name(target.attr.as_str());
                let old = self.emit(Op::GetAttr(object, name.clone()), target.range());
                let value = self.expr(&node.value)?;
                let new = self.emit(Op::InPlace(op, old, value), range);
                self.emit(Op::SetAttr(object, name, new), target.range());
                Ok(())
            }
            Expr::Subscript(target) => {
                let container = self.expr(&target.value)?;
                let index = self.expr(&target.slice)?;
                let old = self.emit(Op::GetItem(container, index), target.range());
                let value = self.expr(&node.value)?;
                let new = self.emit(Op::InPlace(op, old, value), range);
                self.emit(Op::SetItem(container, index, new), target.range());
                Ok(())
            }
            target => Err(self.unsupported(target.range(), "this cannot be assigned to")),
        }
    }
}

/// The targets of an unpacking assignment.
fn sequence(target: &Expr) -> Option<&[Expr]> {
    match target {
        Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
            Some(elts)
        }
        _ => None,
    }
}
