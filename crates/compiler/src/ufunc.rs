//! NumPy's element-wise functions: a row each, with the loops that NumPy has for it and what is computed
//! of one element. Inference, lowering and operators on arrays go by this table, so a function that is
//! a row here works on scalars and arrays, broadcasts, and has `out`, `where` and `dtype`.
//!
//! Loops are written as in `np.add.types`: a letter for the type of each operand and result, in the
//! order in which NumPy tries them. [`resolve`] picks the first to which all operands can be cast
//! safely; a Python scalar (a *weak* type) adapts to the arrays as NumPy 2 has it (NEP 50).

use ferdelance_abi::rtfn::RtFn;
use smallvec::SmallVec;

use crate::hir::{BinaryOp, CompareOp, UnaryOp};
use crate::host::Const;
use crate::infer::intrinsic::{Class, RealFn};
use crate::tir::Un;
use crate::types::{Kind, Ty, Unit, promote, time};

mod table;

pub use table::{TABLE, of_binary, of_compare, of_unary};

/// A function: its names in NumPy, its loops in the order in which they are tried, its meaning.
#[derive(Debug)]
pub struct Row {
    pub names: &'static [&'static str],
    /// Groups of loops: `"ff->f dd->d"`. One without results, `"??->"`, refuses its operands.
    pub loops: &'static [&'static str],
    pub scalar: Scalar,
}

/// What a row computes of elements that have the types of one of its loops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// An arithmetic or bitwise operator with NumPy's rules for zero divisors.
    Binary(BinaryOp),
    Unary(UnaryOp),
    /// Complex numbers are ordered by their parts.
    Compare(CompareOp),
    /// Of truth values.
    Logical(BinaryOp),
    LogicalNot,
    /// A function of reals and, if there is a second, of complex numbers.
    Function(RealFn, Option<RtFn>),
    /// Keeps integers as they are.
    Rounding(Un),
    Absolute,
    Sign,
    Square,
    Reciprocal,
    Conjugate,
    /// The remainder with the sign of the dividend.
    Fmod,
    DivMod,
    Gcd,
    Lcm,
    Heaviside,
    /// The smaller or larger. Of a NaN and a number: the NaN, or the number.
    Extremum {
        max: bool,
        keeps_nan: bool,
    },
    /// `log(e**x + e**y)` or, with base 2, `log2(2**x + 2**y)`.
    LogAddExp {
        binary: bool,
    },
    /// Times a factor.
    Scale(f64),
    Classify(Class),
    /// Of dates and durations.
    IsNat,
    SignBit,
    NextAfter,
    Spacing,
    Modf,
    Frexp,
    Ldexp,
    BitCount,
    /// The operand itself.
    Identity,
    /// `np.where`: the second operand where the first is true, else the third.
    Select,
    /// `np.clip` between two bounds.
    Clip,
    /// `np.round` to a number of decimals.
    Round,
}

/// The types that an operation computes in and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    pub inputs: SmallVec<[Ty; 3]>,
    pub outputs: SmallVec<[Ty; 2]>,
}

/// An element or scalar that a function is applied to.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    pub ty: Ty,
    /// The value of an integer that is known.
    pub known: Option<i128>,
    pub is_array: bool,
}

impl Operand {
    /// The operand that a value is: an array's elements, or a scalar. `None` for other types.
    pub fn of(ty: Ty, constant: Option<&Const>) -> Option<Operand> {
        let known = match constant {
            Some(Const::Int(i)) if ty.is_int() => Some(*i),
            _ => None,
        };
        match *ty.kind() {
            Kind::Array(a) => Some(Operand {
                ty: a.dtype,
                known: None,
                is_array: true,
            }),
            _ => (ty.is_scalar() || ty.is_time()).then_some(Operand {
                ty,
                known,
                is_array: false,
            }),
        }
    }
}

/// Why there is no loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoLoop,
    /// Durations whose units have nothing in common.
    Units,
}

impl Row {
    /// The name that is shown.
    pub fn name(&self) -> &'static str {
        self.names[0]
    }
    /// How many operands it takes.
    pub fn operands(&self) -> usize {
        self.loops[0].find('-').unwrap_or(0)
    }
    /// How many results it has.
    pub fn results(&self) -> usize {
        self.each_loop()
            .last()
            .map_or(0, |(_, outputs)| outputs.len())
    }
    fn each_loop(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        let all = self.loops.iter().flat_map(|group| group.split(' '));
        all.filter_map(|l| l.split_once("->"))
            .map(|(inputs, outputs)| (inputs.as_bytes(), outputs.as_bytes()))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The row of a function by one of its names in NumPy.
pub fn by_name(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.names.contains(&name))
}

/// The loop for these operands: the first to which all can be cast safely, or, if a type of results is
/// asked for, the first that gives it and to which they can be cast without a change of kind.
pub fn resolve(row: &Row, operands: &[Operand], wanted: Option<Ty>) -> Result<Loop, Refusal> {
    let unit = common_unit(operands)?;
    let types = adapted(row, operands);
    // Scalars that are none themselves are computed in the next type.
    let halves = operands.iter().any(|o| o.is_array || o.ty.is_half());
    for (inputs, outputs) in row.each_loop() {
        let fits = types
            .iter()
            .zip(inputs)
            .enumerate()
            .all(|(i, (t, &letter))| match t {
                _ if i == 0 && row.scalar == Scalar::Select => true,
                Input::Exactly(ty) if wanted.is_some() => same_kind(*ty, dtype(letter)),
                Input::Exactly(ty) => is_safe(*ty, letter),
                Input::AnyOf(kind) => *kind <= rank(dtype(letter)),
            });
        if inputs.contains(&b'e') && !halves && (outputs.is_empty() || outputs.contains(&b'e')) {
            continue;
        }
        if fits && outputs.is_empty() {
            break;
        }
        if !fits
            || unit.is_none() && inputs.iter().any(|l| b"mM".contains(l))
            || wanted.is_some_and(|w| w != dtype(outputs[0]))
        {
            continue;
        }
        let types = |letters: &[u8]| {
            letters
                .iter()
                .map(|&l| of_unit(dtype(l), unit))
                .collect::<SmallVec<[Ty; 3]>>()
        };
        return Ok(Loop {
            inputs: types(inputs),
            outputs: types(outputs).into_iter().collect(),
        });
    }
    Err(Refusal::NoLoop)
}

/// The unit that the dates and durations among the operands meet in; none if there are none.
fn common_unit(operands: &[Operand]) -> Result<Option<Unit>, Refusal> {
    let mut times = operands.iter().filter_map(|o| o.ty.as_time());
    let Some(first) = times.next() else {
        return Ok(None);
    };
    let mut unit = first;
    for other in times {
        // What years and months of a duration have met does not become days later.
        unit = (
            unit.0 || other.0,
            time::common(unit, other).ok_or(Refusal::Units)?,
        );
    }
    Ok(Some(unit.1))
}

/// A date or duration of this unit; other types as they are.
fn of_unit(ty: Ty, unit: Option<Unit>) -> Ty {
    match (ty.as_time(), unit) {
        (Some((delta, _)), Some(unit)) => Ty::time(delta, unit),
        _ => ty,
    }
}

/// What a loop has to take for an operand.
enum Input {
    Exactly(Ty),
    /// A type of this rank or above: a Python scalar takes the precision of the arrays.
    AnyOf(u8),
}

fn adapted(row: &Row, operands: &[Operand]) -> SmallVec<[Input; 3]> {
    let skip = usize::from(row.scalar == Scalar::Select);
    if operands.iter().any(|o| o.ty.is_time()) {
        return operands
            .iter()
            .map(|o| Input::Exactly(o.ty.strong()))
            .collect();
    }
    let others = &operands[skip.min(operands.len())..];
    let strong = others
        .iter()
        .map(|o| o.ty)
        .filter(|t| !t.is_weak())
        .reduce(promote::common_dtype);
    let is_comparison = matches!(row.scalar, Scalar::Compare(_));
    let adapt = |o: &Operand| match strong {
        Some(strong) if o.ty.is_weak() && rank(o.ty) <= rank(strong) => {
            // An integer that the type does not hold is compared by value.
            if is_comparison && strong.is_int() && !o.known.is_some_and(|v| holds(strong, v)) {
                return Input::Exactly(Ty::int(64, true));
            }
            Input::AnyOf(rank(o.ty))
        }
        Some(strong) if o.ty.is_weak() => Input::Exactly(promote::common_dtype(strong, o.ty)),
        _ => Input::Exactly(o.ty.strong()),
    };
    operands.iter().map(adapt).collect()
}

/// Whether an integer type has a value.
pub fn holds(ty: Ty, value: i128) -> bool {
    let bits = ty.bits();
    match *ty.kind() {
        Kind::Int { signed: true, .. } => {
            (-(1i128 << (bits - 1))..1i128 << (bits - 1)).contains(&value)
        }
        Kind::Int { .. } => (0..1i128 << bits).contains(&value),
        _ => true,
    }
}

/// The type of a letter.
fn dtype(letter: u8) -> Ty {
    match letter {
        b'?' => Ty::bool(),
        b'b' => Ty::int(8, true),
        b'h' => Ty::int(16, true),
        b'i' => Ty::int(32, true),
        b'l' => Ty::int(64, true),
        b'B' => Ty::int(8, false),
        b'H' => Ty::int(16, false),
        b'I' => Ty::int(32, false),
        b'L' => Ty::int(64, false),
        b'e' => Ty::float(16),
        b'f' => Ty::float(32),
        b'M' => Ty::time(false, Unit::Generic),
        b'm' => Ty::time(true, Unit::Generic),
        b'F' => Ty::complex(64),
        b'D' => Ty::complex(128),
        _ => Ty::float(64),
    }
}

fn rank(t: Ty) -> u8 {
    match t.kind() {
        Kind::Bool => 0,
        Kind::Int { .. } => 1,
        Kind::Float { .. } => 2,
        _ => 3,
    }
}

/// `np.can_cast(from, to, "safe")`.
pub fn can_cast(from: Ty, to: Ty) -> bool {
    if let (Some((a, x)), Some((b, y))) = (from.as_time(), to.as_time()) {
        return a == b && x <= y && time::conversion(a, x, y).is_some();
    }
    is_safe(from, letter(to))
}

/// The letter of a type.
pub fn letter(ty: Ty) -> u8 {
    if let Some((delta, _)) = ty.as_time() {
        return if delta { b'm' } else { b'M' };
    }
    *b"?bhilBHILefFD"
        .iter()
        .find(|&&l| dtype(l) == ty.strong())
        .unwrap_or(&b'd')
}

/// `np.can_cast(from, letter, "safe")`.
fn is_safe(from: Ty, letter: u8) -> bool {
    let to = dtype(letter);
    match (from.kind(), to.kind()) {
        (Kind::Time { delta: a, .. }, Kind::Time { delta: b, .. }) => a == b,
        (Kind::Time { .. }, _) => false,
        (_, Kind::Time { delta, .. }) => *delta && from.is_integral(),
        (Kind::Bool, _) => true,
        (Kind::Int { .. }, _) if letter == b'e' => from.bits() == 8,
        (
            Kind::Int {
                signed: false,
                bits: a,
                ..
            },
            Kind::Int {
                signed: true,
                bits: b,
                ..
            },
        ) => a < b,
        (Kind::Int { signed: true, .. }, Kind::Int { signed: false, .. }) => false,
        (Kind::Int { bits: a, .. }, Kind::Int { bits: b, .. }) => a <= b,
        (Kind::Int { bits, .. }, Kind::Float { .. } | Kind::Complex { .. }) => {
            *bits <= 16 || to.part().bits() == 64
        }
        (Kind::Float { bits: a, .. }, Kind::Float { bits: b, .. }) => a <= b,
        (Kind::Float { bits, .. }, Kind::Complex { .. }) => u32::from(*bits) <= to.part().bits(),
        (Kind::Complex { bits: a, .. }, Kind::Complex { bits: b, .. }) => a <= b,
        _ => false,
    }
}

/// `np.can_cast(from, to, "same_kind")`.
pub fn same_kind(from: Ty, to: Ty) -> bool {
    if let (Some((a, x)), Some((b, y))) = (from.as_time(), to.as_time()) {
        return a == b && time::conversion(a, x, y).is_some();
    }
    if from.is_time() || to.is_time() {
        return is_safe(from, letter(to));
    }
    let negative = |t: Ty| t.is_signed();
    rank(from) <= rank(to) && !(negative(from) && to.is_int() && !negative(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(name: &str, types: &[Ty]) -> String {
        let row = by_name(name).unwrap_or_else(|| panic!("no row {name}"));
        let operands: Vec<Operand> = types
            .iter()
            .map(|&ty| Operand {
                ty,
                known: None,
                is_array: !ty.is_weak(),
            })
            .collect();
        match resolve(row, &operands, None) {
            Ok(found) => found
                .outputs
                .iter()
                .map(|t| format!("{t} "))
                .collect::<String>()
                .trim_end()
                .to_owned(),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn loops_are_picked_as_numpy_does() {
        let (i1, u1, i8, u8) = (
            Ty::int(8, true),
            Ty::int(8, false),
            Ty::int(64, true),
            Ty::int(64, false),
        );
        let (f4, f8) = (Ty::float(32), Ty::float(64));
        assert_eq!(outputs("add", &[i1, u1]), "int16");
        assert_eq!(outputs("add", &[i8, u8]), "float64");
        assert_eq!(outputs("add", &[i8, f4]), "float64");
        assert_eq!(outputs("add", &[u1, Ty::py_int()]), "uint8");
        assert_eq!(outputs("add", &[u1, Ty::py_float()]), "float64");
        assert_eq!(outputs("multiply", &[f4, Ty::py_float()]), "float32");
        assert_eq!(outputs("multiply", &[f4, f8]), "float64");
        assert_eq!(outputs("multiply", &[f4, Ty::py_complex()]), "complex64");
        assert_eq!(outputs("add", &[Ty::bool(), Ty::py_int()]), "int64");
        assert_eq!(outputs("subtract", &[Ty::bool(), Ty::bool()]), "NoLoop");
        assert_eq!(outputs("divide", &[i1, i1]), "float64");
        assert_eq!(outputs("sin", &[i1]), "float16");
        assert_eq!(outputs("add", &[Ty::float(16), Ty::py_float()]), "float16");
        assert_eq!(
            outputs("add", &[Ty::float(16), Ty::int(16, true)]),
            "float32"
        );
        assert_eq!(outputs("sin", &[Ty::int(16, true)]), "float32");
        assert_eq!(outputs("sin", &[Ty::py_int()]), "float64");
        assert_eq!(outputs("signbit", &[i1]), "bool");
        assert_eq!(outputs("equal", &[i8, u8]), "bool");
        assert_eq!(outputs("frexp", &[f4]), "float32 int32");
        assert_eq!(outputs("ldexp", &[f4, Ty::py_int()]), "float32");
        assert_eq!(outputs("arctan2", &[Ty::complex(128), f8]), "NoLoop");
    }

    #[test]
    fn dates_and_durations_meet_in_the_finer_unit() {
        let (day, seconds, months) = (
            Ty::time(false, Unit::Day),
            Ty::time(true, Unit::Second),
            Ty::time(true, Unit::Month),
        );
        assert_eq!(outputs("add", &[day, seconds]), "datetime64[s]");
        assert_eq!(outputs("subtract", &[day, day]), "timedelta64[D]");
        assert_eq!(outputs("add", &[day, day]), "NoLoop");
        assert_eq!(outputs("add", &[day, Ty::py_int()]), "datetime64[D]");
        assert_eq!(outputs("add", &[day, Ty::py_float()]), "NoLoop");
        assert_eq!(outputs("add", &[day, months]), "Units");
        assert_eq!(
            outputs("multiply", &[seconds, Ty::int(8, true)]),
            "timedelta64[s]"
        );
        assert_eq!(outputs("divide", &[seconds, seconds]), "float64");
        assert_eq!(
            outputs("divmod", &[seconds, seconds]),
            "int64 timedelta64[s]"
        );
        assert_eq!(outputs("isnat", &[Ty::int(64, true)]), "NoLoop");
    }

    #[test]
    fn a_wanted_type_is_given() {
        let row = by_name("add").expect("a row");
        let operands = [
            Operand {
                ty: Ty::int(64, true),
                known: None,
                is_array: true,
            },
            Operand {
                ty: Ty::py_int(),
                known: Some(3),
                is_array: false,
            },
        ];
        assert_eq!(
            resolve(row, &operands, Some(Ty::float(32))).map(|l| l.inputs[0]),
            Ok(Ty::float(32))
        );
        assert_eq!(
            resolve(row, &operands, Some(Ty::int(8, true))).map(|l| l.inputs[0]),
            Ok(Ty::int(8, true))
        );
        assert_eq!(
            resolve(row, &operands, Some(Ty::bool())).err(),
            Some(Refusal::NoLoop)
        );
    }

    #[test]
    fn rows_are_well_formed() {
        let mut names: Vec<&str> = vec![];
        for row in TABLE {
            names.extend(row.names.iter().copied());
            for (inputs, outputs) in row.each_loop() {
                assert_eq!(inputs.len(), row.operands(), "{}", row.name());
                assert!(
                    outputs.is_empty() || outputs.len() == row.results(),
                    "{}",
                    row.name()
                );
                assert!(
                    inputs
                        .iter()
                        .chain(outputs)
                        .all(|l| b"?bBhHiIlLefdFDmM".contains(l)),
                    "{}",
                    row.name()
                );
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice");
    }
}
