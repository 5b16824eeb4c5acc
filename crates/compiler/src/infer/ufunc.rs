//! Typing of NumPy's element-wise functions, called by name: operands, `out`, `where`, `dtype`.

use super::call::{ArgRef, Resolution, signature};
use super::creation::of_operand;
use super::elementwise::{element, result};
use super::intrinsic::{Intrinsic, UfuncCall};
use super::numpy::dtype;
use super::op::plain;
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::{Kind, Layout, Ty};
use crate::ufunc::{self, Operand, Refusal, Row};

impl Session<'_> {
    /// `np.where(condition, a, b)`. Unlike a ufunc, it makes an array of scalars, too.
    pub(super) fn call_where(
        &self,
        frame: &Frame,
        row: &'static Row,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<(AbsVal, Resolution)> {
        let (value, resolution) = self.call_ufunc(frame, row, args, keywords)?;
        Ok(match value.ty {
            Some(ty) if ty.is_scalar() || ty.is_time() => {
                (AbsVal::of(Ty::array(ty, 0, Layout::C)), resolution)
            }
            _ => (value, resolution),
        })
    }

    /// `np.<row>.outer(a, b)`.
    pub(super) fn call_outer(
        &self,
        frame: &Frame,
        row: &'static Row,
        args: &[ArgRef],
    ) -> Result<(AbsVal, Resolution)> {
        let (value, resolution) = self.call_ufunc(frame, row, args, &[])?;
        let ndim = args
            .iter()
            .filter_map(|a| plain(a.ty()).as_array())
            .map(|a| a.ndim)
            .sum();
        let (
            Some((dtype, _)),
            Resolution::Intrinsic {
                what: Intrinsic::Ufunc(call),
                args,
                keywords,
            },
        ) = (value.ty.and_then(element), resolution)
        else {
            return Err(frame.error(Code::Internal, "an outer product that is no ufunc"));
        };
        let ty = if ndim == 0 {
            dtype
        } else {
            Ty::array(dtype, ndim, Layout::C)
        };
        Ok((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what: Intrinsic::UfuncOuter(call),
                args,
                keywords,
            },
        ))
    }

    /// A call of `np.<row>`.
    pub(super) fn call_ufunc(
        &self,
        frame: &Frame,
        row: &'static Row,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<(AbsVal, Resolution)> {
        let options = options(frame, row, args, keywords)?;
        let (operands, _) = args.split_at(row.operands());
        let mut types: Vec<Ty> = operands.iter().map(|a| of_operand(plain(a.ty()))).collect();
        let elements: Option<Vec<Operand>> = operands
            .iter()
            .zip(&types)
            .map(|(a, &t)| Operand::of(t, a.abs.constant.as_ref()))
            .collect();
        let found = elements
            .ok_or(Refusal::NoLoop)
            .and_then(|e| ufunc::resolve(row, &e, options.dtype));
        let loop_ = found.map_err(|refusal| refused(frame, row, &types, options.dtype, refusal))?;
        types.extend(options.mask.iter().map(|m| plain(m.ty())));
        let value = if options.outs.is_empty() {
            let results: Vec<Ty> = loop_.outputs.iter().map(|&t| result(t, &types)).collect();
            AbsVal::of(if let [one] = results[..] {
                one
            } else {
                Ty::tuple(&results)
            })
        } else {
            for (out, &computed) in options.outs.iter().zip(&loop_.outputs) {
                check_out(
                    frame,
                    row,
                    plain(out.ty()),
                    computed,
                    options.unsafe_casting,
                )?;
            }
            let types: Vec<Ty> = options.outs.iter().map(|o| plain(o.ty())).collect();
            AbsVal::of(if let [one] = types[..] {
                one
            } else {
                Ty::tuple(&types)
            })
        };
        let call = UfuncCall {
            row,
            types: loop_,
            outs: options.outs.len(),
            masked: options.mask.is_some(),
        };
        let args = operands
            .iter()
            .cloned()
            .chain(options.outs)
            .chain(options.mask)
            .collect();
        Ok((
            value,
            Resolution::Intrinsic {
                what: Intrinsic::Ufunc(Box::new(call)),
                args,
                keywords: vec![],
            },
        ))
    }
}

/// The row with a method `outer` that a function is, by its canonical name.
pub(super) fn with_outer(name: &str) -> Option<&'static Row> {
    name.strip_prefix("numpy.")
        .and_then(ufunc::by_name)
        .filter(|row| row.operands() == 2 && row.results() == 1)
}

/// What a call says besides the operands.
#[derive(Default)]
struct Options {
    outs: Vec<ArgRef>,
    mask: Option<ArgRef>,
    dtype: Option<Ty>,
    unsafe_casting: bool,
}

fn options(
    frame: &Frame,
    row: &'static Row,
    args: &[ArgRef],
    keywords: &[(Name, ArgRef)],
) -> Result<Options> {
    let (takes, name) = (row.operands(), row.name());
    if args.len() < takes || args.len() > takes + row.results() {
        let plural = if takes == 1 { "" } else { "s" };
        return Err(frame.error(
            Code::ArgumentCount,
            format!(
                "np.{name}() takes {takes} argument{plural} and `out`, but {} were given",
                args.len()
            ),
        ));
    }
    let mut options = Options {
        outs: args[takes..].to_vec(),
        ..Options::default()
    };
    for (keyword, arg) in keywords {
        match (&**keyword, &arg.abs.constant) {
            ("out", _) if !options.outs.is_empty() => {
                return Err(frame.error(Code::BadArguments, format!("np.{name}() got `out` twice")));
            }
            ("out", _) => match arg.ty().tuple_items() {
                Some(items) if arg.item.is_none() => {
                    let item = |(i, &ty): (usize, &Ty)| ArgRef {
                        value: arg.value,
                        item: Some(i as u32),
                        abs: AbsVal::of(ty),
                    };
                    options.outs = items.iter().enumerate().map(item).collect();
                }
                _ => options.outs = vec![arg.clone()],
            },
            ("where", Some(Const::Bool(true))) => {}
            ("where", _) if element(plain(arg.ty())).is_some_and(|(t, _)| t.is_bool()) => {
                options.mask = Some(arg.clone())
            }
            ("where", _) => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!(
                        "`where` of np.{name}() is a mask of bools, not {}",
                        arg.ty()
                    ),
                ));
            }
            ("dtype", _) if arg.ty().is_none() => {}
            ("dtype", _) => options.dtype = Some(dtype(frame, Some(arg), Ty::float(64))?),
            ("casting", Some(Const::Str(rule))) => options.unsafe_casting = &**rule == "unsafe",
            ("order" | "subok", _) => {}
            _ => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("np.{name}() takes no argument `{keyword}`"),
                ));
            }
        }
    }
    options.outs.retain(|o| !o.ty().is_none());
    if !options.outs.is_empty() && options.outs.len() != row.results() {
        return Err(frame.error(
            Code::BadArguments,
            format!(
                "np.{name}() has {} results: `out` is a tuple of as many arrays",
                row.results()
            ),
        ));
    }
    Ok(options)
}

/// Whether a result of type `computed` may be stored in `out`.
fn check_out(frame: &Frame, row: &Row, out: Ty, computed: Ty, unsafe_casting: bool) -> Result<()> {
    let name = row.name();
    let Kind::Array(array) = *out.kind() else {
        return Err(frame.error(
            Code::BadArguments,
            format!("`out` of np.{name}() is an array, not {out}"),
        ));
    };
    if array.readonly {
        return Err(frame.error(
            Code::ReadOnly,
            format!("`out` of np.{name}() is read-only: {out}"),
        ));
    }
    if unsafe_casting || ufunc::same_kind(computed, array.dtype) {
        return Ok(());
    }
    Err(frame
        .error(Code::CannotConvert, format!("cannot cast the output of ufunc '{name}' from {computed} to {} with casting rule 'same_kind'", array.dtype))
        .help("let `out` have the type of the result, or pass `casting=\"unsafe\"`"))
}

fn refused(
    frame: &Frame,
    row: &Row,
    types: &[Ty],
    dtype: Option<Ty>,
    refusal: Refusal,
) -> Box<Diagnostic> {
    let name = row.name();
    match (refusal, dtype) {
        (Refusal::Units, _) => frame
            .error(
                Code::BadArguments,
                format!(
                    "np.{name}() of {}: the units have nothing in common",
                    signature(types)
                ),
            )
            .note("years and months of a duration are of no fixed length"),
        (Refusal::NoLoop, Some(dtype)) => frame.error(
            Code::BadArguments,
            format!("np.{name}() of {} does not give {dtype}", signature(types)),
        ),
        (Refusal::NoLoop, None) => frame.error(
            Code::BadArguments,
            format!("np.{name}() does not take {}", signature(types)),
        ),
    }
}
