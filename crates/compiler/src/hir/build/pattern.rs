//! `match`: patterns become tests and branches, tried in order.

use super::Builder;
use super::scopes::Var;
use crate::diag::Result;
use crate::hir::{Arg, BlockId, CompareOp, Literal, Name, Op, Value};
use crate::syntax::ast::{self, Expr, Pattern};
use crate::syntax::{Ranged, TextRange};

/// Builtin classes whose one positional sub-pattern matches the whole subject.
const SELF_MATCHING: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "set",
    "str",
    "tuple",
];

/// What is matched.
#[derive(Clone, Copy)]
struct Subject<'v> {
    value: Value,
    /// Its items, where the subject is written as a tuple: `match x, y:`.
    items: Option<&'v [Value]>,
}

/// The names that a case binds, with the variables that hold their values until all of the pattern
/// has matched. Alternatives of an or-pattern share them.
type Bindings<'a> = Vec<(&'a ast::Identifier, Var)>;

impl<'a> Builder<'_, 'a> {
    pub(super) fn match_statement(&mut self, node: &'a ast::StmtMatch) -> Result<()> {
        let mut items = None;
        let value = match &*node.subject {
            Expr::Tuple(tuple) if !tuple.elts.iter().any(Expr::is_starred_expr) => {
                let values: Vec<Value> = tuple
                    .elts
                    .iter()
                    .map(|e| self.expr(e))
                    .collect::<Result<_>>()?;
                let args = values.iter().map(|&v| Arg::Plain(v)).collect();
                items = Some(values);
                self.emit(Op::Tuple(args), tuple.range())
            }
            subject => self.expr(subject)?,
        };
        let subject = Subject {
            value,
            items: items.as_deref(),
        };
        let end = self.graph.block();
        for case in &node.cases {
            if self.is_dead() {
                break;
            }
            let fails = self.graph.block();
            let mut bindings = Bindings::new();
            self.pattern(&case.pattern, subject, fails, &mut bindings)?;
            for (name, var) in bindings {
                let value = self.graph.read(self.current, var);
                self.write_name(name.as_str(), value, name.range())?;
            }
            if let Some(guard) = &case.guard {
                let holds = self.graph.block();
                self.cond(guard, holds, fails)?;
                self.continue_in(holds);
            }
            self.stmts(&case.body)?;
            self.jump(end, case.range());
            self.continue_in(fails);
        }
        self.jump(end, node.range());
        self.continue_in(end);
        Ok(())
    }

    /// Goes on in the current block if `pattern` matches, to `fails` if not.
    fn pattern(
        &mut self,
        pattern: &'a Pattern,
        subject: Subject<'_>,
        fails: BlockId,
        bindings: &mut Bindings<'a>,
    ) -> Result<()> {
        let range = pattern.range();
        match pattern {
            Pattern::MatchValue(node) => {
                let value = self.expr(&node.value)?;
                self.test(
                    Op::Compare(CompareOp::Eq, subject.value, value),
                    fails,
                    range,
                );
                Ok(())
            }
            Pattern::MatchSingleton(node) => {
                let literal = match node.value {
                    ast::Singleton::None => Literal::None,
                    ast::Singleton::True => Literal::Bool(true),
                    ast::Singleton::False => Literal::Bool(false),
                };
                let value = self.literal(literal, range);
                self.test(
                    Op::Compare(CompareOp::Is, subject.value, value),
                    fails,
                    range,
                );
                Ok(())
            }
            Pattern::MatchAs(node) => {
                if let Some(pattern) = &node.pattern {
                    self.nested(range, |b| b.pattern(pattern, subject, fails, bindings))?;
                }
                if let Some(name) = &node.name {
                    self.bind_pattern(name, subject.value, bindings);
                }
                Ok(())
            }
            Pattern::MatchOr(node) => {
                let matched = self.graph.block();
                let Some((last, firsts)) = node.patterns.split_last() else {
                    return Ok(());
                };
                for alternative in firsts {
                    let next = self.graph.block();
                    self.nested(range, |b| b.pattern(alternative, subject, next, bindings))?;
                    self.jump(matched, alternative.range());
                    self.continue_in(next);
                }
                self.nested(range, |b| b.pattern(last, subject, fails, bindings))?;
                self.jump(matched, last.range());
                self.continue_in(matched);
                Ok(())
            }
            Pattern::MatchSequence(node) => self.nested(range, |b| {
                b.sequence_pattern(node, subject, fails, bindings)
            }),
            Pattern::MatchClass(node) => self.class_pattern(node, subject, fails, bindings),
            Pattern::MatchMapping(_) => Err(self
                .not_supported(range, "mapping patterns are")
                .help("test with `in` and look the keys up")),
            Pattern::MatchStar(_) => {
                Err(self.unsupported(range, "a starred pattern cannot stand here"))
            }
        }
    }

    fn bind_pattern(
        &mut self,
        name: &'a ast::Identifier,
        value: Value,
        bindings: &mut Bindings<'a>,
    ) {
        let var = match bindings
            .iter()
            .find(|(bound, _)| bound.as_str() == name.as_str())
        {
            Some(&(_, var)) => var,
            None => {
                let var = self.graph.temp();
                bindings.push((name, var));
                var
            }
        };
        self.graph.write(self.current, var, value);
    }

    /// Goes on if the result of `op` is true.
    fn test(&mut self, op: Op, fails: BlockId, range: TextRange) {
        let value = self.emit(op, range);
        let cond = self.emit(Op::Truth(value), range);
        let holds = self.graph.block();
        let span = self.span(range);
        self.graph.branch(self.current, cond, holds, fails, span);
        self.continue_in(holds);
    }

    fn sequence_pattern(
        &mut self,
        node: &'a ast::PatternMatchSequence,
        subject: Subject<'_>,
        fails: BlockId,
        bindings: &mut Bindings<'a>,
    ) -> Result<()> {
        let star = node.patterns.iter().position(Pattern::is_match_star);
        let count = node.patterns.len();
        if let (Some(items), None) = (subject.items, star) {
            if items.len() != count {
                self.jump(fails, node.range());
                self.dead_block();
                return Ok(());
            }
            return node
                .patterns
                .iter()
                .zip(items)
                .try_for_each(|(pattern, &value)| {
                    self.pattern(pattern, Subject { value, items: None }, fails, bindings)
                });
        }
        let range = node.range();
        let callee = self.emit(Op::Global(Name::from("len")), range);
        let args = vec![Arg::Plain(subject.value)];
        let length = self.emit(
            Op::Call {
                callee,
                args,
                keywords: Vec::new(),
            },
            range,
        );
        let (op, least) = match star {
            Some(_) => (CompareOp::Ge, count - 1),
            None => (CompareOp::Eq, count),
        };
        let least = self.literal(Literal::Int(least as i128), range);
        self.test(Op::Compare(op, length, least), fails, range);
        if node.patterns.iter().all(is_ignored) {
            return Ok(());
        }
        let before = star.unwrap_or(count) as u32;
        let after = star.map_or(0, |s| (count - s - 1) as u32);
        let op = Op::Unpack {
            value: subject.value,
            before,
            star: star.is_some(),
            after,
        };
        let sequence = self.emit(op, range);
        for (i, pattern) in (0u32..).zip(&node.patterns) {
            if is_ignored(pattern) {
                continue;
            }
            let value = self.emit(Op::UnpackItem(sequence, i), pattern.range());
            match pattern {
                Pattern::MatchStar(ast::PatternMatchStar {
                    name: Some(name), ..
                }) => {
                    self.bind_pattern(name, value, bindings);
                }
                _ => self.pattern(pattern, Subject { value, items: None }, fails, bindings)?,
            }
        }
        Ok(())
    }

    /// `case int():` and `case float(x):` are `isinstance`; attributes are not looked into.
    fn class_pattern(
        &mut self,
        node: &'a ast::PatternMatchClass,
        subject: Subject<'_>,
        fails: BlockId,
        bindings: &mut Bindings<'a>,
    ) -> Result<()> {
        let inner = match (
            node.arguments.patterns.as_slice(),
            node.arguments.keywords.as_slice(),
        ) {
            ([], []) => None,
            ([inner], []) if is_self_matching(&node.cls) => Some(inner),
            _ => {
                return Err(self
                    .not_supported(node.range(), "class patterns with sub-patterns are")
                    .help("match the class alone (`case Class():`), read attributes in the body"));
            }
        };
        let range = node.range();
        let callee = self.emit(Op::Global(Name::from("isinstance")), range);
        let class = self.expr(&node.cls)?;
        let args = vec![Arg::Plain(subject.value), Arg::Plain(class)];
        self.test(
            Op::Call {
                callee,
                args,
                keywords: Vec::new(),
            },
            fails,
            range,
        );
        match inner {
            Some(inner) => self.nested(range, |b| b.pattern(inner, subject, fails, bindings)),
            None => Ok(()),
        }
    }
}

/// `_` or `*_`.
fn is_ignored(pattern: &Pattern) -> bool {
    matches!(
        pattern,
        Pattern::MatchStar(ast::PatternMatchStar { name: None, .. })
            | Pattern::MatchAs(ast::PatternMatchAs {
                pattern: None,
                name: None,
                ..
            })
    )
}

fn is_self_matching(class: &Expr) -> bool {
    matches!(class, Expr::Name(name) if SELF_MATCHING.contains(&name.id.as_str()))
}
