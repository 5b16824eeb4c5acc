//! Machine scalars, and how well one converts to another.
//!
//! The ranks are the peer's: a table of direct steps, closed transitively, where a path is as good as
//! its worst step. They decide which of several explicit signatures takes a call.

use std::sync::OnceLock;

use ferdelance_compiler::types::{Kind, Layout, Ty};

/// A machine scalar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Num {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    /// As a float32 in slots.
    F16,
    F32,
    F64,
    C64,
    C128,
}

/// How good a conversion is, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    Exact,
    /// To a wider type of the same kind.
    Promote,
    /// To another kind, where the peer says that nothing is lost.
    Safe,
    Unsafe,
}

impl Num {
    pub const COUNT: usize = 14;
    pub const ALL: [Num; Num::COUNT] = [
        Num::Bool,
        Num::I8,
        Num::I16,
        Num::I32,
        Num::I64,
        Num::U8,
        Num::U16,
        Num::U32,
        Num::U64,
        Num::F16,
        Num::F32,
        Num::F64,
        Num::C64,
        Num::C128,
    ];

    /// The machine scalar that values of a type are, if they are one.
    pub fn of(ty: Ty) -> Option<Num> {
        match *ty.kind() {
            Kind::Bool => Some(Num::Bool),
            Kind::Int { bits, signed, .. } => Num::int(u32::from(bits), signed),
            Kind::Float { bits: 16, .. } => Some(Num::F16),
            Kind::Float { bits: 32, .. } => Some(Num::F32),
            Kind::Float { bits: 64, .. } => Some(Num::F64),
            Kind::Complex { bits: 64, .. } => Some(Num::C64),
            Kind::Complex { bits: 128, .. } => Some(Num::C128),
            _ => None,
        }
    }

    pub fn int(bits: u32, signed: bool) -> Option<Num> {
        Some(match (bits, signed) {
            (8, true) => Num::I8,
            (16, true) => Num::I16,
            (32, true) => Num::I32,
            (64, true) => Num::I64,
            (8, false) => Num::U8,
            (16, false) => Num::U16,
            (32, false) => Num::U32,
            (64, false) => Num::U64,
            _ => return None,
        })
    }

    /// The strong type.
    pub fn ty(self) -> Ty {
        match self {
            Num::Bool => Ty::bool(),
            Num::I8 => Ty::int(8, true),
            Num::I16 => Ty::int(16, true),
            Num::I32 => Ty::int(32, true),
            Num::I64 => Ty::int(64, true),
            Num::U8 => Ty::int(8, false),
            Num::U16 => Ty::int(16, false),
            Num::U32 => Ty::int(32, false),
            Num::U64 => Ty::int(64, false),
            Num::F16 => Ty::float(16),
            Num::F32 => Ty::float(32),
            Num::F64 => Ty::float(64),
            Num::C64 => Ty::complex(64),
            Num::C128 => Ty::complex(128),
        }
    }

    /// Bytes of an element of an array.
    pub fn bytes(self) -> usize {
        match self {
            Num::Bool | Num::I8 | Num::U8 => 1,
            Num::I16 | Num::U16 | Num::F16 => 2,
            Num::I32 | Num::U32 | Num::F32 => 4,
            Num::I64 | Num::U64 | Num::F64 | Num::C64 => 8,
            Num::C128 => 16,
        }
    }

    /// Slots of a value.
    pub fn slots(self) -> usize {
        if matches!(self, Num::C64 | Num::C128) {
            2
        } else {
            1
        }
    }

    /// How well a value of this type converts to another, if it does.
    pub fn rank(self, to: Num) -> Option<Rank> {
        static TABLE: OnceLock<[[Option<Rank>; Num::COUNT]; Num::COUNT]> = OnceLock::new();
        TABLE.get_or_init(rank_table)[self as usize][to as usize]
    }
}

/// The transitive closure of the direct steps.
fn rank_table() -> [[Option<Rank>; Num::COUNT]; Num::COUNT] {
    use Num::*;
    use Rank::*;
    // From, to, how well; and back, if at all.
    const STEPS: [(Num, Num, Rank, bool); 22] = [
        (Bool, I8, Safe, true),
        (Bool, U8, Safe, true),
        (I8, I16, Promote, true),
        (U8, U16, Promote, true),
        (I16, I32, Promote, true),
        (U16, U32, Promote, true),
        (I32, I64, Promote, true),
        (U32, U64, Promote, true),
        (U8, I16, Safe, true),
        (U16, I32, Safe, true),
        (U32, I64, Safe, true),
        (I8, F16, Safe, true),
        (U8, F16, Safe, true),
        (F16, F32, Promote, true),
        (I16, F32, Safe, true),
        (I32, F64, Safe, true),
        (I32, F32, Unsafe, true),
        (I64, F64, Safe, true),
        (F32, F64, Promote, true),
        (F32, C64, Safe, false),
        (F64, C128, Safe, false),
        (C64, C128, Promote, true),
    ];
    let mut table = [[None; Num::COUNT]; Num::COUNT];
    for num in Num::ALL {
        table[num as usize][num as usize] = Some(Exact);
    }
    for (from, to, rank, back) in STEPS {
        table[from as usize][to as usize] = Some(rank);
        if back {
            table[to as usize][from as usize] = Some(Unsafe);
        }
    }
    for via in 0..Num::COUNT {
        for from in 0..Num::COUNT {
            for to in 0..Num::COUNT {
                if let (Some(a), Some(b)) = (table[from][via], table[via][to]) {
                    let path = a.max(b);
                    if table[from][to].is_none_or(|known| path < known) {
                        table[from][to] = Some(path);
                    }
                }
            }
        }
    }
    table
}

/// How well an argument of type `from` goes into a parameter of type `to`. Origins do not matter.
pub fn rank(from: Ty, to: Ty) -> Option<Rank> {
    if from.strong() == to.strong() {
        return Some(Rank::Exact);
    }
    if let (Some(a), Some(b)) = (Num::of(from), Num::of(to)) {
        return a.rank(b);
    }
    match (from.kind(), to.kind()) {
        (Kind::None, Kind::Optional(_)) => Some(Rank::Promote),
        (_, Kind::Optional(inner)) => match rank(from, *inner)? {
            Rank::Exact => Some(Rank::Promote),
            other => Some(other.max(Rank::Safe)),
        },
        (Kind::Array(a), Kind::Array(b)) => {
            let fits = a.dtype == b.dtype
                && a.ndim == b.ndim
                && (a.layout == b.layout || b.layout == Layout::A)
                && (!a.readonly || b.readonly)
                && (a.aligned || !b.aligned);
            fits.then_some(Rank::Safe)
        }
        (Kind::Record(a), Kind::Record(b)) => a.has_fields_of(b).then_some(Rank::Safe),
        (Kind::Tuple(a), Kind::Tuple(b)) => items(a, b),
        (Kind::NamedTuple(c, a), Kind::NamedTuple(d, b)) if c.class == d.class => items(a, b),
        // A function without explicit signatures is compiled for the one that is asked for.
        (Kind::Dispatcher(_, known), Kind::Function(_)) if known.is_empty() => Some(Rank::Safe),
        (Kind::Dispatcher(..) | Kind::Foreign(..), Kind::Function(_)) => {
            from.function_types().contains(&to).then_some(Rank::Promote)
        }
        _ => None,
    }
}

fn items(from: &[Ty], to: &[Ty]) -> Option<Rank> {
    if from.len() != to.len() {
        return None;
    }
    from.iter()
        .zip(to)
        .try_fold(Rank::Exact, |worst, (&a, &b)| Some(worst.max(rank(a, b)?)))
}

/// Number of slots that a value of a type takes; see `abi::layout`.
pub fn slots(ty: Ty) -> usize {
    match ty.kind() {
        Kind::Str
        | Kind::List(_)
        | Kind::Dict { .. }
        | Kind::Keyed(..)
        | Kind::Set { .. }
        | Kind::Generator(_)
        | Kind::Function(_)
        | Kind::Time { .. } => 1,
        Kind::Record(_) | Kind::Chars { .. } => ferdelance_abi::layout::array_slots(0),
        Kind::Optional(inner) => 1 + slots(*inner),
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
            items.iter().map(|&item| slots(item)).sum()
        }
        Kind::Array(array) | Kind::Buffer(_, array) => {
            ferdelance_abi::layout::array_slots(usize::from(array.ndim))
        }
        // Start and stop, and the step where the type does not say it; the parts that are there.
        Kind::Range(_, step) => 2 + usize::from(step.is_none()),
        Kind::Slice(parts) => parts.iter().filter(|&&part| part).count(),
        Kind::Grid(parts) => parts.iter().map(|&part| slots(part)).sum(),
        _ => Num::of(ty).map_or(0, Num::slots),
    }
}
