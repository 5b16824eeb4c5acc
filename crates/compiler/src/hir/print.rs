//! The text form of HIR: one line for each instruction, the same text for the same function.
//!
//! ```text
//! function f0 fib(n) captures()
//! b0(%0 n):
//!   %1 = literal 2
//!   %2 = compare lt %0, %1
//!   %3 = truth %2
//!   branch %3 -> b1 else b2
//! ```
//!
//! A value's name follows its number where it is defined. `handler b3(%1)` in a block's first line
//! is where its exceptions go; the first parameter of `b3`, the exception, has no argument there.

use std::fmt::{Display, Formatter, Result, Write as _};

use super::{
    Arg, BinaryOp, Block, BlockId, CaptureKind, CompareOp, FPart, FuncId, Function, Inst, Literal,
    Module, Op, Param, ParamKind, Target, Terminator, UnaryOp, Value,
};

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (i, function) in self.functions.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            write!(f, "function {} ", FuncId(i as u32))?;
            write_function(f, function)?;
        }
        Ok(())
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("function ")?;
        write_function(f, self)
    }
}

fn write_function(f: &mut Formatter<'_>, function: &Function) -> Result {
    write!(f, "{}(", function.qualname)?;
    let mut kind = ParamKind::Positional;
    separated(f, &function.params, |f, param| {
        write_param(f, param, kind)?;
        kind = param.kind;
        Ok(())
    })?;
    f.write_str(") captures(")?;
    separated(f, &function.captures, |f, capture| {
        let kind = match capture.kind {
            CaptureKind::Value => "",
            CaptureKind::Cell => "cell ",
            CaptureKind::Bound => "bound ",
        };
        write!(f, "{kind}{}", capture.name)
    })?;
    f.write_char(')')?;
    if function.is_generator {
        f.write_str(" generator")?;
    }
    f.write_char('\n')?;
    for (i, block) in function.blocks.iter().enumerate() {
        write_block(f, function, BlockId(i as u32), block)?;
    }
    Ok(())
}

/// Python's notation: `/` after the last positional-only parameter is left out (`a/` says it for
/// each), a bare `*` before keyword-only ones is written.
fn write_param(f: &mut Formatter<'_>, param: &Param, before: ParamKind) -> Result {
    match param.kind {
        ParamKind::Star => f.write_char('*')?,
        ParamKind::KeywordOnly if !matches!(before, ParamKind::Star | ParamKind::KeywordOnly) => {
            f.write_str("*, ")?;
        }
        _ => {}
    }
    f.write_str(&param.name)?;
    if param.kind == ParamKind::PositionalOnly {
        f.write_char('/')?;
    }
    if param.has_default {
        f.write_str("=...")?;
    }
    Ok(())
}

fn write_block(f: &mut Formatter<'_>, function: &Function, id: BlockId, block: &Block) -> Result {
    write!(f, "{id}")?;
    if !block.params.is_empty() {
        f.write_char('(')?;
        separated(f, &block.params, |f, &param| {
            write_defined(f, function, param)
        })?;
        f.write_char(')')?;
    }
    if let Some(handler) = &block.handler {
        write!(f, " handler {handler}")?;
    }
    f.write_str(":\n")?;
    for Inst { result, op, .. } in &block.insts {
        f.write_str("  ")?;
        write_defined(f, function, *result)?;
        writeln!(f, " = {op}")?;
    }
    writeln!(f, "  {}", block.term)
}

fn write_defined(f: &mut Formatter<'_>, function: &Function, value: Value) -> Result {
    write!(f, "{value}")?;
    match function
        .values
        .get(value.index())
        .and_then(|data| data.name.as_ref())
    {
        Some(name) => write!(f, " {name}"),
        None => Ok(()),
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.block)?;
        if self.args.is_empty() {
            return Ok(());
        }
        f.write_char('(')?;
        separated(f, &self.args, |f, arg| write!(f, "{arg}"))?;
        f.write_char(')')
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Terminator::Missing => f.write_str("missing"),
            Terminator::Jump(to) => write!(f, "jump {to}"),
            Terminator::Branch { cond, then, other } => {
                write!(f, "branch {cond} -> {then} else {other}")
            }
            Terminator::Return(value) => write!(f, "return {value}"),
            Terminator::Raise(value) => write!(f, "raise {value}"),
            Terminator::Reraise(value) => write!(f, "reraise {value}"),
            Terminator::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Op::Literal(literal) => write!(f, "literal {literal}"),
            Op::Unbound(name) => write!(f, "unbound {name}"),
            Op::CheckBound(a, name) => write!(f, "checkbound {a} {name}"),
            Op::CheckFree(a, name) => write!(f, "checkfree {a} {name}"),
            Op::IsBound(a) => write!(f, "isbound {a}"),
            Op::Global(name) => write!(f, "global {name}"),
            Op::Free(name) => write!(f, "free {name}"),
            Op::Unary(op, a) => write!(f, "unary {} {a}", op.name()),
            Op::Binary(op, a, b) => write!(f, "binary {} {a}, {b}", op.name()),
            Op::InPlace(op, a, b) => write!(f, "inplace {} {a}, {b}", op.name()),
            Op::Compare(op, a, b) => write!(f, "compare {} {a}, {b}", op.name()),
            Op::Truth(a) => write!(f, "truth {a}"),
            Op::Tuple(items) => write_items(f, "tuple", items),
            Op::List(items) => write_items(f, "list", items),
            Op::Set => f.write_str("set()"),
            Op::Dict(items) => {
                f.write_str("dict(")?;
                separated(f, items, |f, (key, value)| write!(f, "{key}: {value}"))?;
                f.write_char(')')
            }
            Op::Slice(parts) => {
                f.write_str("slice(")?;
                separated(f, parts, |f, part| match part {
                    Some(value) => write!(f, "{value}"),
                    None => f.write_char('_'),
                })?;
                f.write_char(')')
            }
            Op::FString(parts) => {
                f.write_str("fstring(")?;
                separated(f, parts, write_part)?;
                f.write_char(')')
            }
            Op::GetAttr(a, name) => write!(f, "getattr {a}.{name}"),
            Op::SetAttr(a, name, b) => write!(f, "setattr {a}.{name}, {b}"),
            Op::GetItem(a, b) => write!(f, "getitem {a}[{b}]"),
            Op::SetItem(a, b, c) => write!(f, "setitem {a}[{b}], {c}"),
            Op::DelItem(a, b) => write!(f, "delitem {a}[{b}]"),
            Op::Call {
                callee,
                args,
                keywords,
            } => {
                write!(f, "call {callee}(")?;
                separated(f, args, |f, arg| write!(f, "{arg}"))?;
                for (i, (name, value)) in keywords.iter().enumerate() {
                    f.write_str(if i > 0 || !args.is_empty() { ", " } else { "" })?;
                    match name {
                        Some(name) => write!(f, "{name}={value}")?,
                        None => write!(f, "**{value}")?,
                    }
                }
                f.write_char(')')
            }
            Op::Iter(a) => write!(f, "iter {a}"),
            Op::IterMore(a) => write!(f, "itermore {a}"),
            Op::IterItem(a) => write!(f, "iteritem {a}"),
            Op::IterNext(a) => write!(f, "iternext {a}"),
            Op::IterResult(a) => write!(f, "iterresult {a}"),
            Op::Yield(a) => write!(f, "yield {a}"),
            Op::WalkRange(a, dim) => write!(f, "walkrange {dim} of {a}"),
            Op::WalkItem(a, indices) => {
                write!(f, "walkitem {a} (")?;
                for (i, index) in indices.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write!(f, "{index}")?;
                }
                f.write_char(')')
            }
            Op::Unpack {
                value,
                before,
                star,
                after,
            } => {
                write!(f, "unpack {value} into {before}")?;
                if *star {
                    write!(f, ", *, {after}")
                } else {
                    Ok(())
                }
            }
            Op::UnpackItem(a, index) => write!(f, "unpackitem {a}, {index}"),
            Op::Closure {
                function,
                captures,
                defaults,
            } => {
                write!(f, "closure {function} captures(")?;
                separated(f, captures, |f, value| write!(f, "{value}"))?;
                f.write_str(") defaults(")?;
                separated(f, defaults, |f, value| write!(f, "{value}"))?;
                f.write_char(')')
            }
            Op::NewCell(name) => write!(f, "newcell {name}"),
            Op::CellBound(a) => write!(f, "cellbound {a}"),
            Op::CellGet(a, name) => write!(f, "cellget {a} {name}"),
            Op::CellSet(a, b) => write!(f, "cellset {a}, {b}"),
            Op::Coerce(a, name) => write!(f, "coerce {a} {name}"),
            Op::ExceptMatch(a, b) => write!(f, "exceptmatch {a}, {b}"),
            Op::Append(a, b) => write!(f, "append {a}, {b}"),
            Op::SetAdd(a, b) => write!(f, "setadd {a}, {b}"),
            Op::DictSet(a, b, c) => write!(f, "dictset {a}[{b}], {c}"),
        }
    }
}

fn write_items(f: &mut Formatter<'_>, what: &str, items: &[Arg]) -> Result {
    write!(f, "{what}(")?;
    separated(f, items, |f, item| write!(f, "{item}"))?;
    f.write_char(')')
}

fn write_part(f: &mut Formatter<'_>, part: &FPart) -> Result {
    match part {
        FPart::Text(text) => write!(f, "{text:?}"),
        FPart::Value(value, conversion, spec) => {
            write!(f, "{value}")?;
            if let Some(conversion) = conversion {
                write!(f, "!{conversion}")?;
            }
            match spec {
                Some(spec) => write!(f, ":{spec}"),
                None => Ok(()),
            }
        }
    }
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Arg::Plain(value) => write!(f, "{value}"),
            Arg::Star(value) => write!(f, "*{value}"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Literal::None => f.write_str("None"),
            Literal::Bool(true) => f.write_str("True"),
            Literal::Bool(false) => f.write_str("False"),
            Literal::Int(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::Imaginary(value) => write!(f, "{value:?}j"),
            Literal::Str(value) => write!(f, "{value:?}"),
            Literal::Bytes(value) => write!(f, "b\"{}\"", value.escape_ascii()),
            Literal::Ellipsis => f.write_str("..."),
        }
    }
}

impl UnaryOp {
    pub fn name(self) -> &'static str {
        match self {
            UnaryOp::Neg => "neg",
            UnaryOp::Pos => "pos",
            UnaryOp::Invert => "invert",
            UnaryOp::Not => "not",
        }
    }
}

impl BinaryOp {
    pub fn name(self) -> &'static str {
        match self {
            BinaryOp::Add => "add",
            BinaryOp::Sub => "sub",
            BinaryOp::Mul => "mul",
            BinaryOp::TrueDiv => "truediv",
            BinaryOp::FloorDiv => "floordiv",
            BinaryOp::Mod => "mod",
            BinaryOp::Pow => "pow",
            BinaryOp::LShift => "lshift",
            BinaryOp::RShift => "rshift",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Xor => "xor",
            BinaryOp::MatMul => "matmul",
        }
    }
}

impl CompareOp {
    pub fn name(self) -> &'static str {
        match self {
            CompareOp::Eq => "eq",
            CompareOp::Ne => "ne",
            CompareOp::Lt => "lt",
            CompareOp::Le => "le",
            CompareOp::Gt => "gt",
            CompareOp::Ge => "ge",
            CompareOp::Is => "is",
            CompareOp::IsNot => "isnot",
            CompareOp::In => "in",
            CompareOp::NotIn => "notin",
        }
    }
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut Formatter<'_>, &T) -> Result,
) -> Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}
