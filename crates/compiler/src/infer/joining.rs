//! Typing of functions that join arrays: `np.concatenate` and those that are made of it.

use super::call::{ArgRef, Resolution};
use super::creation::as_array;
use super::index::indexing;
use super::intrinsic::{AxisOf, Intrinsic};
use super::numpy::{Args, dtype};
use super::op::plain;
use super::solve::Frame;
use super::views::{at_least, layout_of, permuted};
use super::{AbsVal, Session};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::{ArrayTy, Kind, Layout, Ty, promote};
use crate::ufunc;

/// Arrays that are joined. The arguments are a tuple, a list or an array of them, the axis if it is known at
/// run time only, and the array that the result is written to, if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// The axes of each item of the tuple as it is joined; of a list or an array, of all its items.
    pub pieces: Box<[Box<[AxisOf]>]>,
    pub axis: JoinAxis,
    /// The new array, or what is written to `out`.
    pub made: ArrayTy,
    pub out: bool,
}

/// Along which axis arrays are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinAxis {
    At(u8),
    /// They are flattened.
    Flat,
    /// An axis that they have, the second argument.
    Argument,
    /// A new axis, the second argument.
    NewArgument,
}

const FUNCTIONS: &[&str] = &[
    "concatenate",
    "concat",
    "stack",
    "vstack",
    "row_stack",
    "hstack",
    "dstack",
    "column_stack",
];

impl Session<'_> {
    /// `np.concatenate` and its like; `None` if `name` is none of them.
    pub(super) fn join(
        &self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        if !FUNCTIONS.contains(&name) {
            return Ok(None);
        }
        let names: &[&str] = match name {
            "concatenate" | "concat" | "stack" => &["arrays", "axis", "out", "dtype", "casting"],
            "dstack" | "column_stack" => &["tup"],
            _ => &["tup", "dtype", "casting"],
        };
        let call = Call {
            frame,
            name,
            args: Args {
                names,
                args,
                keywords,
            },
        };
        call.resolve().map(Some)
    }
}

/// A call being typed.
struct Call<'a> {
    frame: &'a Frame,
    name: &'a str,
    args: Args<'a>,
}

impl Call<'_> {
    fn error(&self, message: impl AsRef<str>) -> Box<Diagnostic> {
        self.frame.error(
            Code::BadArguments,
            format!("np.{}() {}", self.name, message.as_ref()),
        )
    }

    fn resolve(&self) -> Result<(AbsVal, Resolution)> {
        if let Some(what) = self.args.unknown() {
            return Err(self.error(format!("takes no {what}")));
        }
        let first = self.args.names[0];
        let Some(sequence) = self.args.get(first) else {
            return Err(self.frame.error(
                Code::ArgumentCount,
                format!("np.{}() misses its argument `{first}`", self.name),
            ));
        };
        let items = self.items(sequence.ty())?;
        let axis = self.args.get("axis");
        let at_run_time =
            axis.is_some_and(|a| plain(a.ty()).is_integral() && a.abs.constant.is_none());
        let mut pieces = vec![];
        for a in &items {
            pieces.push(self.piece(*a, at_run_time)?);
        }
        let join_axis = match (self.name, axis.map(|a| &a.abs.constant)) {
            ("stack", _) if at_run_time => JoinAxis::NewArgument,
            _ if at_run_time => JoinAxis::Argument,
            ("concatenate" | "concat", Some(Some(Const::None))) => JoinAxis::Flat,
            _ => JoinAxis::At(self.axis(pieces[0].len())? as u8),
        };
        let ndim = match join_axis {
            JoinAxis::Flat => 1,
            JoinAxis::NewArgument => pieces[0].len() + 1,
            _ => pieces[0].len(),
        };
        if join_axis != JoinAxis::Flat {
            if let Some(other) = (1..items.len()).find(|&i| pieces[i].len() != pieces[0].len()) {
                return Err(self.error(format!(
                    "cannot join arrays with different numbers of dimensions: {} and {}",
                    items[0].ty(),
                    items[other].ty()
                )));
            }
            if pieces[0].is_empty() && join_axis != JoinAxis::NewArgument {
                return Err(self.error(format!(
                    "cannot join arrays without dimensions such as {}",
                    items[0].ty()
                )));
            }
        }
        let in_f_order = ndim > 1
            && items
                .iter()
                .zip(&pieces)
                .all(|(a, axes)| layout_of(*a, axes) == Layout::F && axes.len() == ndim);
        let dtype = self.dtype(&items)?;
        let made = ArrayTy {
            dtype,
            ndim: ndim as u8,
            layout: if in_f_order { Layout::F } else { Layout::C },
            readonly: false,
            aligned: true,
        };
        let mut arguments = vec![sequence.clone()];
        arguments.extend(axis.filter(|_| at_run_time).cloned());
        let out = self.out(made)?;
        arguments.extend(out.cloned());
        let what = Intrinsic::Join(Box::new(Join {
            pieces: pieces.into(),
            axis: join_axis,
            made,
            out: out.is_some(),
        }));
        Ok((
            AbsVal::of(out.map_or(made.ty(), ArgRef::ty)),
            Resolution::Intrinsic {
                what,
                args: arguments,
                keywords: vec![],
            },
        ))
    }

    /// The arrays that the items of a sequence are, one by one where they are known.
    fn items(&self, sequence: Ty) -> Result<Vec<ArrayTy>> {
        let sequence = plain(sequence);
        let items: Vec<Ty> = match sequence.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) if !items.is_empty() => items.to_vec(),
            Kind::List(item) => vec![*item],
            Kind::Array(a) if a.ndim > 0 => {
                let item = indexing(*a, Ty::py_int()).map_err(|m| self.error(m))?;
                vec![item.result]
            }
            _ => {
                return Err(self.error(format!(
                    "takes a sequence of at least one array, not {sequence}"
                )));
            }
        };
        items
            .into_iter()
            .map(|item| {
                as_array(item).ok_or_else(|| self.error(format!("cannot make an array of {item}")))
            })
            .collect()
    }

    /// The axes of an array as it is joined.
    fn piece(&self, a: ArrayTy, at_run_time: bool) -> Result<Box<[AxisOf]>> {
        let ndim = usize::from(a.ndim);
        let mut axes = match self.name {
            "hstack" => at_least(1, ndim),
            "vstack" | "row_stack" => at_least(2, ndim),
            "dstack" => at_least(3, ndim),
            "column_stack" if ndim == 1 => vec![AxisOf::Whole(0), AxisOf::New],
            "column_stack" => at_least(2, ndim),
            _ => permuted((0..ndim).collect()),
        };
        if self.name == "stack" && !at_run_time {
            axes.insert(self.axis(ndim + 1)?, AxisOf::New);
        }
        Ok(axes.into())
    }

    /// The axis that arrays are joined along, where it is known.
    fn axis(&self, ndim: usize) -> Result<usize> {
        let given = self.args.get("axis");
        let axis = match (self.name, given) {
            (_, Some(axis)) => axis.abs.as_int().ok_or_else(|| {
                self.error(format!("takes an integer as its axis, not {}", axis.ty()))
            })?,
            ("hstack", None) => i64::from(ndim > 1),
            ("dstack", None) => 2,
            ("column_stack", None) => 1,
            _ => 0,
        };
        let at = if axis < 0 { axis + ndim as i64 } else { axis };
        if !(0..ndim as i64).contains(&at) && ndim > 0 {
            return Err(self.frame.error(
                Code::BadIndex,
                format!("axis {axis} is out of bounds for array of dimension {ndim}"),
            ));
        }
        Ok(at as usize)
    }

    fn dtype(&self, items: &[ArrayTy]) -> Result<Ty> {
        let mut common = items[0].dtype;
        for a in &items[1..] {
            if a.dtype != common && !(is_number(a.dtype) && is_number(common)) {
                return Err(self.error(format!(
                    "cannot join items of type {common} and {}",
                    a.dtype
                )));
            }
            common = promote::common_dtype(common, a.dtype);
        }
        let dtype = dtype(self.frame, self.args.get("dtype"), common)?;
        self.check_cast(common, dtype)?;
        Ok(dtype)
    }

    fn check_cast(&self, from: Ty, to: Ty) -> Result<()> {
        let is_unsafe = match self.args.get("casting").map(|c| &c.abs.constant) {
            None => false,
            Some(Some(Const::Str(rule))) => &**rule == "unsafe",
            Some(_) => return Err(self.error("takes a constant casting rule")),
        };
        let numbers = is_number(from) && is_number(to);
        if from == to || numbers && (is_unsafe || ufunc::same_kind(from, to)) {
            return Ok(());
        }
        Err(self.error(format!(
            "cannot cast from {from} to {to} with casting rule 'same_kind'"
        )))
    }

    /// The array that the result is written to.
    fn out(&self, made: ArrayTy) -> Result<Option<&ArgRef>> {
        let Some(out) = self.args.get("out").filter(|o| !o.ty().is_none()) else {
            return Ok(None);
        };
        match out.ty().as_array() {
            Some(a) if a.ndim == made.ndim && !a.readonly => {
                self.check_cast(made.dtype, a.dtype)?;
                Ok(Some(out))
            }
            _ => Err(self.error(format!(
                "cannot write {} to an output of type {}",
                made.ty(),
                out.ty()
            ))),
        }
    }
}

/// A type that converts to others of its kind.
fn is_number(t: Ty) -> bool {
    t.is_scalar() || t.is_time()
}
