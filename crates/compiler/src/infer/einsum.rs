//! Typing of `np.einsum`: its subscripts are constants, so that each dimension of each operand has a known
//! label.

use super::AbsVal;
use super::call::{ArgRef, Resolution};
use super::creation::as_array;
use super::intrinsic::Intrinsic;
use super::op::plain;
use super::solve::Frame;
use crate::diag::{Code, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::promote::common_dtype;
use crate::types::{Layout, Ty};
use crate::ufunc;

/// What runs along a dimension.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Label {
    /// A dimension of the ellipsis, counted from its last.
    Rest(u8),
    Letter(char),
}

/// The labels of the dimensions of operands and result. A label that is not in the result is summed over.
#[derive(Clone, PartialEq, Debug)]
pub struct Einsum {
    pub operands: Vec<Vec<Label>>,
    pub result: Vec<Label>,
    /// Whether an array that is written to follows the operands.
    pub out: bool,
}

impl Einsum {
    pub fn type_of_result(&self, dtype: Ty) -> Ty {
        match self.result.len() {
            0 => dtype,
            n => Ty::array(dtype, n as u8, Layout::C),
        }
    }
}

/// `np.einsum(subscripts, *operands)`; `None` if that is no such call.
pub(super) fn call(
    frame: &Frame,
    args: &[ArgRef],
    keywords: &[(Name, ArgRef)],
) -> Result<Option<(AbsVal, Resolution)>> {
    let refuse = |message: String| frame.error(Code::BadArguments, message);
    let Some((text, operands)) = subscripts(args) else {
        return Err(frame
            .error(
                Code::NotConstant,
                "the subscripts of np.einsum() must be constants",
            )
            .help("they decide which loops there are: write the text into the call"));
    };
    let mut out = None;
    for (name, value) in keywords {
        match &**name {
            // How it is computed does not show in the result.
            "optimize" | "order" => {}
            "out" => out = Some(value).filter(|v| !v.ty().is_none()),
            _ => {
                return Err(refuse(format!(
                    "np.einsum() takes no argument `{name}` here"
                )));
            }
        }
    }
    let mut ranks = vec![];
    let mut dtype: Option<Ty> = None;
    for operand in &operands {
        let Some(a) = as_array(plain(operand.ty())) else {
            return Err(refuse(format!(
                "np.einsum() takes arrays, not a value of type {}",
                operand.ty()
            )));
        };
        if !a.dtype.is_scalar() {
            return Err(refuse(format!("np.einsum() has no sums of {}", a.dtype)));
        }
        ranks.push(usize::from(a.ndim));
        let own = a.dtype.strong();
        dtype = Some(dtype.map_or(own, |d| common_dtype(d, own)));
    }
    let mut spec = parse(&text, &ranks).map_err(refuse)?;
    let Some(dtype) = dtype else {
        return Err(refuse("np.einsum() misses its operands".into()));
    };
    let ty = spec.type_of_result(dtype);
    let mut list = operands;
    let ty = match out {
        None => ty,
        Some(out) => {
            let fits = out.ty().as_array().is_some_and(|o| {
                !o.readonly
                    && usize::from(o.ndim) == spec.result.len()
                    && ufunc::same_kind(dtype, o.dtype)
            });
            if !fits {
                return Err(refuse(format!(
                    "np.einsum() cannot write {ty} to {}",
                    out.ty()
                )));
            }
            spec.out = true;
            list.push(out.clone());
            out.ty()
        }
    };
    Ok(Some((
        AbsVal::of(ty),
        Resolution::Intrinsic {
            what: Intrinsic::Einsum(Box::new(spec)),
            args: list,
            keywords: vec![],
        },
    )))
}

/// The text of the subscripts, and the operands: `("ij,jk", a, b)`, or `(a, [0, 1], b, [1, 2], [0, 2])`.
fn subscripts(args: &[ArgRef]) -> Option<(String, Vec<ArgRef>)> {
    if let Const::Str(text) = args.first()?.abs.constant.as_ref().unwrap_or(&Const::None) {
        return Some((text.to_string(), args[1..].to_vec()));
    }
    let labels = |arg: &ArgRef| match &arg.abs.constant {
        Some(Const::Tuple(items)) => items.iter().map(letter).collect::<Option<String>>(),
        _ => None,
    };
    let mut text = String::new();
    let mut operands = vec![];
    let mut pairs = args.chunks_exact(2);
    for (i, pair) in pairs.by_ref().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&labels(&pair[1])?);
        operands.push(pair[0].clone());
    }
    if let [result] = pairs.remainder() {
        text.push_str("->");
        text.push_str(&labels(result)?);
    }
    Some((text, operands))
}

/// The letter that stands for a number, as NumPy counts them.
fn letter(number: &Const) -> Option<char> {
    let Const::Int(n) = number else { return None };
    let n = u8::try_from(*n).ok()?;
    match n {
        0..26 => Some((b'A' + n) as char),
        26..52 => Some((b'a' + n - 26) as char),
        _ => None,
    }
}

/// Subscripts for operands of these numbers of dimensions.
fn parse(text: &str, ranks: &[usize]) -> std::result::Result<Einsum, String> {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != ranks.len() {
        let which = if inputs.len() > ranks.len() {
            "fewer"
        } else {
            "more"
        };
        return Err(format!(
            "{which} operands provided to einstein sum function than specified in the subscripts string"
        ));
    }
    let mut operands = vec![];
    let mut most = 0;
    for (i, (input, &rank)) in inputs.iter().zip(ranks).enumerate() {
        let letters = input.replacen("...", "", 1).chars().count();
        let rest = if input.contains("...") {
            rank.checked_sub(letters)
        } else {
            (rank == letters).then_some(0)
        };
        let Some(rest) = rest else {
            return Err(if letters > rank {
                format!(
                    "einstein sum subscripts string contains too many subscripts for operand {i}"
                )
            } else {
                "operand has more dimensions than subscripts given in einstein sum, but no '...' \
                 ellipsis provided to broadcast the extra dimensions."
                    .into()
            });
        };
        most = most.max(rest);
        operands.push(labels(input, rest)?);
    }
    let count = |l: &Label| operands.iter().flatten().filter(|o| *o == l).count();
    let result = match output {
        Some(output) => {
            let rest = if output.contains("...") { most } else { 0 };
            labels(output, rest)?
        }
        None => {
            let mut once: Vec<Label> = operands.iter().flatten().copied().collect();
            once.retain(|l| matches!(l, Label::Letter(_)) && count(l) == 1);
            once.sort_unstable();
            (0..most as u8).rev().map(Label::Rest).chain(once).collect()
        }
    };
    for (i, label) in result.iter().enumerate() {
        let Label::Letter(c) = label else { continue };
        if result[..i].contains(label) {
            return Err(format!(
                "einstein sum subscripts string includes output subscript '{c}' multiple times"
            ));
        }
        if count(label) == 0 {
            return Err(format!(
                "einstein sum subscripts string included output subscript '{c}' which never appeared \
                 in an input"
            ));
        }
    }
    if output.is_some() && most > 0 && !result.contains(&Label::Rest(0)) {
        return Err(
            "output has no '...' ellipsis, but operands have dimensions that only it stands for"
                .into(),
        );
    }
    Ok(Einsum {
        operands,
        result,
        out: false,
    })
}

/// The labels of a term, whose ellipsis stands for so many dimensions.
fn labels(term: &str, rest: usize) -> std::result::Result<Vec<Label>, String> {
    let mut labels = vec![];
    let mut at = term;
    while let Some(c) = at.chars().next() {
        if let Some(behind) = at.strip_prefix("...") {
            labels.extend((0..rest as u8).rev().map(Label::Rest));
            at = behind;
            continue;
        }
        if !c.is_ascii_alphabetic() {
            return Err(format!(
                "invalid subscript '{c}' in einstein sum subscripts string, subscripts must be letters"
            ));
        }
        labels.push(Label::Letter(c));
        at = &at[1..];
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(labels: &[Label]) -> String {
        let one = |l: &Label| match l {
            Label::Rest(n) => n.to_string(),
            Label::Letter(c) => c.to_string(),
        };
        labels.iter().map(one).collect()
    }

    fn check(text: &str, ranks: &[usize], expected: &str) {
        let spec = parse(text, ranks).expect("well-formed");
        let operands: Vec<String> = spec.operands.iter().map(|o| shown(o)).collect();
        let all = format!("{}->{}", operands.join(","), shown(&spec.result));
        assert_eq!(all, expected, "{text}");
    }

    #[test]
    fn labels_that_occur_once_are_those_of_the_result() {
        check("ij,jk", &[2, 2], "ij,jk->ik");
        check("ba", &[2], "ba->ab");
        check("ii", &[2], "ii->");
        check("i,i", &[1, 1], "i,i->");
    }

    #[test]
    fn an_ellipsis_counts_from_its_end() {
        check("...ij,...jk->...ik", &[3, 4], "0ij,10jk->10ik");
        check("i...->...", &[3], "i10->10");
        check("...i,i", &[2, 1], "0i,i->0");
    }

    #[test]
    fn errors_are_those_of_numpy() {
        let error = |text: &str, ranks: &[usize]| parse(text, ranks).expect_err("ill-formed");
        assert!(error("ij,jk->il", &[2, 2]).contains("'l' which never appeared in an input"));
        assert!(error("ijk", &[2]).contains("too many subscripts for operand 0"));
        assert!(error("i", &[2]).contains("no '...' ellipsis provided"));
        assert!(error("i,j", &[1]).starts_with("fewer operands"));
        assert!(error("i->ii", &[1]).contains("multiple times"));
        assert!(error("i1->i", &[2]).contains("invalid subscript '1'"));
    }
}
