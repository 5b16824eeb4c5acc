//! Typing of objects that show memory (`bytes` and its like), and of texts of a fixed size.
//!
//! A buffer's value is an array; its class says what operators mean and what Python gets back. A text of a
//! fixed size counts as the `str` or `bytes` with its characters. What takes more than a look at memory is
//! the prelude's.

use super::call::{ArgRef, Bound, Resolution};
use super::index::indexing;
use super::intrinsic::{Intrinsic, compare_names};
use super::op::{plain, ty_of};
use super::sites::arg_ref;
use super::solve::Frame;
use super::{AbsVal, Session, attribute};
use crate::diag::{Code, Result};
use crate::hir::{BinaryOp, CompareOp, Inst, Op, Value};
use crate::host::Const;
use crate::types::{ArrayTy, Exporter, Kind, Layout, Ty};

/// The prelude's methods of buffers.
pub(super) const METHODS: &[&str] = &["hex", "tobytes", "tolist"];

/// The type of a text of a fixed size as a value of its own; other types as they are.
pub fn text(ty: Ty) -> Ty {
    match ty.kind() {
        Kind::Chars { unicode: true, .. } => Ty::str(),
        Kind::Chars { unicode: false, .. } => Ty::bytes(),
        _ => ty,
    }
}

/// Whether slices are objects of their own. Those of `bytes` need not be where they lie in one piece.
pub fn slices_are_copies(exporter: Exporter, slice: ArrayTy) -> bool {
    match exporter {
        Exporter::MemoryView => false,
        Exporter::Bytes => slice.layout != Layout::C,
        Exporter::ByteArray | Exporter::PyArray | Exporter::MemoryMap => true,
    }
}

/// `buffer[index]`: the type, or what is wrong.
pub(super) fn item(exporter: Exporter, a: ArrayTy, index: Ty) -> std::result::Result<Ty, String> {
    let part = match indexing(a, index) {
        Ok(found) if found.picked.is_none() => found.result,
        _ => {
            return Err(format!(
                "cannot index {} with a value of type {index}",
                Ty::new(Kind::Buffer(exporter, a))
            ));
        }
    };
    let Some(slice) = part.as_array() else {
        return Ok(part);
    };
    let slice = if slices_are_copies(exporter, slice) {
        ArrayTy {
            layout: Layout::C,
            readonly: exporter == Exporter::Bytes,
            ..slice
        }
    } else {
        slice
    };
    // As in Python, a part of a mapped file is bytes.
    Ok(match exporter {
        Exporter::MemoryMap => Ty::bytes(),
        _ => Ty::new(Kind::Buffer(exporter, slice)),
    })
}

/// Attributes that are values.
pub(super) fn plain_attribute(a: ArrayTy, name: &str) -> Option<AbsVal> {
    match name {
        "readonly" => Some(AbsVal::bool(a.readonly)),
        "contiguous" | "c_contiguous" | "f_contiguous" => attribute::flag(a, name),
        "itemsize" | "nbytes" | "ndim" | "shape" | "strides" => attribute::array_attribute(a, name),
        _ => None,
    }
}

/// `np._memory(buffer)`: the array that a buffer is; `np._buffer(array, like)`: an array as a buffer, of a
/// class by its name or of that of another buffer.
pub(super) fn retyped(name: &str, args: &[ArgRef]) -> Option<(AbsVal, Resolution)> {
    let a = args.first()?.ty().memory()?;
    let ty = match (name, args) {
        ("_memory", [_]) => a.ty(),
        ("_buffer", [_, like]) => {
            let exporter = match &like.abs.constant {
                Some(Const::Str(name)) => Exporter::by_name(name)?,
                _ => like.ty().as_buffer()?.0,
            };
            let readonly = a.readonly || exporter == Exporter::Bytes;
            Ty::new(Kind::Buffer(exporter, ArrayTy { readonly, ..a }))
        }
        _ => return None,
    };
    Some((
        AbsVal::of(ty),
        Resolution::Intrinsic {
            what: Intrinsic::Identity,
            args: args[..1].to_vec(),
            keywords: vec![],
        },
    ))
}

/// The prelude's function for an operator, and whether it takes the operands the other way round.
fn binary(op: BinaryOp, x: Ty, y: Ty) -> Option<(&'static str, bool)> {
    let sequence = |t: Ty| t.as_buffer().filter(|(e, _)| *e != Exporter::MemoryView);
    match (op, sequence(x), sequence(y)) {
        (BinaryOp::Add, Some((a, p)), Some((b, q))) => {
            let bytes = |e| matches!(e, Exporter::Bytes | Exporter::ByteArray);
            let alike = bytes(a) && bytes(b) || a == b && p.dtype == q.dtype;
            alike.then_some(("buffer_add", false))
        }
        (BinaryOp::Mul, Some(_), None) if y.is_integral() => Some(("buffer_mul", false)),
        (BinaryOp::Mul, None, Some(_)) if x.is_integral() => Some(("buffer_mul", true)),
        _ => None,
    }
}

fn comparison(op: CompareOp, x: Ty, y: Ty) -> Option<&'static str> {
    if of_texts(x, y) {
        return Some(match op {
            CompareOp::Eq => "texts_eq",
            CompareOp::Ne => "texts_ne",
            CompareOp::Lt => "texts_lt",
            CompareOp::Le => "texts_le",
            CompareOp::Gt => "texts_gt",
            CompareOp::Ge => "texts_ge",
            _ => return None,
        });
    }
    let row = |t: Ty| t.as_buffer().filter(|(_, a)| a.ndim == 1);
    let (_, q) = row(y)?;
    if matches!(op, CompareOp::In | CompareOp::NotIn) {
        let lacks = op == CompareOp::NotIn;
        return if x.is_scalar() && q.dtype.is_scalar() {
            Some(if lacks { "list_lacks" } else { "list_contains" })
        } else {
            let names = if lacks {
                "buffer_lacks"
            } else {
                "buffer_contains"
            };
            (row(x)?.1.dtype.itemsize() == 1 && q.dtype.itemsize() == 1).then_some(names)
        };
    }
    row(x)?;
    super::list::comparison(op)
}

/// Whether these are an array of texts and what its items can be compared with.
fn of_texts(x: Ty, y: Ty) -> bool {
    let item = |t: Ty| t.as_array().map_or(t, |a| a.dtype);
    let array = |t: Ty| {
        t.as_array()
            .is_some_and(|a| matches!(a.dtype.kind(), Kind::Chars { .. }))
    };
    (array(x) || array(y)) && text(item(x)) == text(item(y))
}

impl Session<'_> {
    /// Operators that are calls of the prelude; `None` if it is none.
    pub(super) fn buffer_inst(&mut self, frame: &mut Frame, inst: &Inst) -> Result<Option<AbsVal>> {
        let of = |v: &Value| text(plain(ty_of(frame.val(*v))));
        let (function, operands, types) = match &inst.op {
            Op::Binary(op, a, b) => match binary(*op, of(a), of(b)) {
                Some((function, true)) => (function, [*b, *a], [of(b), of(a)]),
                Some((function, false)) => (function, [*a, *b], [of(a), of(b)]),
                None => return Ok(None),
            },
            // What can be changed would have to be changed.
            Op::InPlace(op, a, b) if of(a).is_bytes() => match binary(*op, of(a), of(b)) {
                Some((function, false)) => (function, [*a, *b], [of(a), of(b)]),
                _ => return Ok(None),
            },
            Op::Compare(op, a, b) => match comparison(*op, of(a), of(b)) {
                Some(function) => (function, [*a, *b], [of(a), of(b)]),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let bound = operands.map(|v| Bound::Arg(arg_ref(frame, v))).into();
        let called = self.call_bound(frame, function, bound, types.into());
        let (value, resolution) = called.map_err(|e| match &inst.op {
            Op::Compare(op, ..) => {
                // The prelude's own lines would say less.
                let ((name, sign), [x, y]) = (compare_names(*op), types);
                let message = format!("no operator `{sign}` ({name}) for {x} and {y}");
                frame.error(Code::NoOperator, message).note(e.message)
            }
            _ => e,
        })?;
        frame.typing.calls.insert(inst.result, resolution);
        Ok(Some(value))
    }
}
