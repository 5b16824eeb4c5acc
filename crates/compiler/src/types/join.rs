//! The join of two types: what a variable has that is one or the other, depending on the path.
//!
//! The join is commutative and idempotent. Numbers join to the smallest type that NumPy promotes both
//! to; None joins with T to Optional(T); tuples, and what one inner function captured, join item by item.

use super::{ArrayTy, Closure, Generator, Kind, Layout, Record, Ty, time};

/// The join, or `None` when the types have nothing in common.
pub fn join(a: Ty, b: Ty) -> Option<Ty> {
    if a == b {
        return Some(a);
    }
    if a.is_scalar() && b.is_scalar() {
        return Some(join_numbers(a, b));
    }
    match (a.kind(), b.kind()) {
        (Kind::Unknown, _) => Some(b),
        (_, Kind::Unknown) => Some(a),
        (Kind::List(_), Kind::List(_))
        | (Kind::Dict { .. }, Kind::Dict { .. })
        | (Kind::Set { .. }, Kind::Set { .. }) => join_contents(a, b),
        (Kind::Keyed(keys, x), Kind::Keyed(others, y)) if keys == others => {
            let pairs = x.iter().zip(y.iter());
            let values: Option<Vec<Ty>> = pairs.map(|(x, y)| join_contents(*x, *y)).collect();
            values.map(|values| Ty::new(Kind::Keyed(keys.clone(), values.into())))
        }
        (Kind::View(v, x), Kind::View(w, y)) if v == w => {
            join(*x, *y).map(|dict| Ty::new(Kind::View(*v, dict)))
        }
        (Kind::None, _) => optional(b),
        (_, Kind::None) => optional(a),
        (Kind::Optional(x), Kind::Optional(y)) => join(*x, *y).map(Ty::optional),
        (Kind::Optional(x), _) => join(*x, b).map(Ty::optional),
        (_, Kind::Optional(y)) => join(a, *y).map(Ty::optional),
        (Kind::Array(x), Kind::Array(y)) => join_arrays(*x, *y).map(ArrayTy::ty),
        (Kind::Buffer(x, p), Kind::Buffer(y, q)) if x == y => {
            join_arrays(*p, *q).map(|joined| Ty::new(Kind::Buffer(*x, joined)))
        }
        (
            Kind::Time { delta, unit: x },
            Kind::Time {
                delta: other,
                unit: y,
            },
        ) if delta == other => {
            time::common((*delta, *x), (*delta, *y)).map(|unit| Ty::time(*delta, unit))
        }
        (Kind::Record(x), Kind::Record(y)) => {
            // They may differ in whether they can be written to.
            let frozen = |r: &Record| {
                Ty::new(Kind::Record(Box::new(Record {
                    readonly: true,
                    ..r.clone()
                })))
            };
            (frozen(x) == frozen(y)).then(|| frozen(x))
        }
        (Kind::Tuple(x), Kind::Tuple(y)) => join_items(x, y).map(|items| Ty::tuple(&items)),
        (Kind::NamedTuple(c, x), Kind::NamedTuple(d, y)) if c.class == d.class => {
            join_items(x, y).map(|items| Ty::new(Kind::NamedTuple(c.clone(), items.into())))
        }
        (Kind::Range(x, s), Kind::Range(y, t)) => {
            let step = if s == t { *s } else { None };
            join(*x, *y).map(|t| Ty::new(Kind::Range(t, step)))
        }
        (Kind::Closure(x), Kind::Closure(y))
            if (x.module, x.function) == (y.module, y.function) =>
        {
            let (captures, defaults) = (
                join_items(&x.captures, &y.captures)?,
                join_items(&x.defaults, &y.defaults)?,
            );
            Some(Ty::new(Kind::Closure(Closure {
                captures: captures.into(),
                defaults: defaults.into(),
                ..x.clone()
            })))
        }
        (Kind::Generator(x), Kind::Generator(y)) => join_generators(*x, *y),
        (Kind::Iter(x), Kind::Iter(y)) => join_iterables(*x, *y).map(|t| Ty::new(Kind::Iter(t))),
        (Kind::Facet(f, x), Kind::Facet(g, y)) if f == g => {
            join(*x, *y).map(|t| Ty::new(Kind::Facet(*f, t)))
        }
        (Kind::Slice(x), Kind::Slice(y)) if x == y => Some(a),
        (Kind::Function(_), _) => b.function_types().contains(&a).then_some(a),
        (_, Kind::Function(_)) => a.function_types().contains(&b).then_some(b),
        (Kind::Dispatcher(..) | Kind::Foreign(..), _) => common_function_type(a, b),
        _ => None,
    }
}

/// Generators are objects: they join if they differ in nothing that their code knows.
fn join_generators(a: Generator, b: Generator) -> Option<Ty> {
    let part = |x: Ty, y: Ty| {
        let same = x.strong() == y.strong() || !x.is_known() || !y.is_known();
        same.then(|| join(x, y)).flatten()
    };
    Some(Ty::new(Kind::Generator(Generator {
        item: part(a.item, b.item)?,
        sent: part(a.sent, b.sent)?,
        result: part(a.result, b.result)?,
    })))
}

/// What is iterated over: states of iterators over both must have one form.
fn join_iterables(a: Ty, b: Ty) -> Option<Ty> {
    match (a.kind(), b.kind()) {
        (Kind::None | Kind::Optional(_), _) | (_, Kind::None | Kind::Optional(_)) => None,
        (Kind::Enumerate(x), Kind::Enumerate(y)) => {
            join_iterables(*x, *y).map(|t| Ty::new(Kind::Enumerate(t)))
        }
        (Kind::Reversed(x), Kind::Reversed(y)) => {
            join_iterables(*x, *y).map(|t| Ty::new(Kind::Reversed(t)))
        }
        (Kind::Zip(x), Kind::Zip(y)) if x.len() == y.len() => {
            let items: Option<Vec<Ty>> = x
                .iter()
                .zip(y.iter())
                .map(|(x, y)| join_iterables(*x, *y))
                .collect();
            items.map(|i| Ty::new(Kind::Zip(i.into())))
        }
        // How far an iterator over these has come depends on the layout.
        (Kind::Facet(..) | Kind::NdIter(_), _) => (a == b).then_some(a),
        _ => join(a, b),
    }
}

/// Different functions have the signature in common that both have, if it is the only one.
fn common_function_type(a: Ty, b: Ty) -> Option<Ty> {
    let mut common = a
        .function_types()
        .iter()
        .filter(|t| b.function_types().contains(t));
    let first = common.next().copied();
    first.filter(|_| common.next().is_none())
}

/// A container cannot be taken for one of other items: those of both must be the same, but for origins
/// and for what is not known yet.
fn join_contents(a: Ty, b: Ty) -> Option<Ty> {
    match (a.kind(), b.kind()) {
        (Kind::Unknown, _) => Some(b),
        (_, Kind::Unknown) => Some(a),
        (Kind::List(x), Kind::List(y)) => join_contents(*x, *y).map(Ty::list),
        (
            Kind::Dict { item: x, typed },
            Kind::Dict {
                item: y,
                typed: other,
            },
        ) if typed == other => join_contents(*x, *y).map(|item| a.with_contents(item)),
        (
            Kind::Set { item: x, frozen },
            Kind::Set {
                item: y,
                frozen: other,
            },
        ) if frozen == other => join_contents(*x, *y).map(|item| a.with_contents(item)),
        (Kind::Tuple(x), Kind::Tuple(y)) if x.len() == y.len() => {
            let items: Option<Vec<Ty>> = x
                .iter()
                .zip(y)
                .map(|(x, y)| join_contents(*x, *y))
                .collect();
            items.map(|items| Ty::tuple(&items))
        }
        _ if a.strong() == b.strong() => join(a, b),
        _ => None,
    }
}

/// Only values can be absent; functions, modules and the like cannot.
fn optional(t: Ty) -> Option<Ty> {
    matches!(
        t.kind(),
        Kind::Bool
            | Kind::Int { .. }
            | Kind::Float { .. }
            | Kind::Complex { .. }
            | Kind::Time { .. }
            | Kind::Record(_)
            | Kind::Chars { .. }
            | Kind::Str
            | Kind::Tuple(_)
            | Kind::NamedTuple(..)
            | Kind::Array(_)
            | Kind::Buffer(..)
            | Kind::List(_)
            | Kind::Dict { .. }
            | Kind::Set { .. }
            | Kind::Optional(_)
    )
    .then(|| Ty::optional(t))
}

fn join_items(a: &[Ty], b: &[Ty]) -> Option<Vec<Ty>> {
    if a.len() != b.len() {
        return None;
    }
    a.iter().zip(b).map(|(x, y)| join(*x, *y)).collect()
}

fn join_arrays(a: ArrayTy, b: ArrayTy) -> Option<ArrayTy> {
    if a.dtype != b.dtype || a.ndim != b.ndim {
        return None;
    }
    let layout = if a.layout == b.layout {
        a.layout
    } else {
        Layout::A
    };
    let joined = ArrayTy {
        layout,
        readonly: a.readonly || b.readonly,
        aligned: a.aligned && b.aligned,
        ..a
    };
    Some(joined)
}

/// NumPy's promotion of two scalar types; weak only if both are.
fn join_numbers(a: Ty, b: Ty) -> Ty {
    let weak = a.is_weak() && b.is_weak();
    let (wide, narrow) = if rank(a) >= rank(b) { (a, b) } else { (b, a) };
    let kind = match (wide.kind(), narrow.kind()) {
        (Kind::Complex { bits, .. }, _) => Kind::Complex {
            bits: (*bits).max(2 * float_bits_for(narrow)),
            weak,
        },
        (Kind::Float { bits, .. }, _) => Kind::Float {
            bits: (*bits).max(float_bits_for(narrow)),
            weak,
        },
        (
            Kind::Int { bits, signed, .. },
            Kind::Int {
                bits: other_bits,
                signed: other_signed,
                ..
            },
        ) => join_ints((*bits, *signed), (*other_bits, *other_signed), weak),
        (Kind::Int { bits, signed, .. }, _) => Kind::Int {
            bits: *bits,
            signed: *signed,
            weak,
        },
        (other, _) => other.clone(),
    };
    Ty::new(kind)
}

fn join_ints(a: (u8, bool), b: (u8, bool), weak: bool) -> Kind {
    if a.1 == b.1 {
        return Kind::Int {
            bits: a.0.max(b.0),
            signed: a.1,
            weak,
        };
    }
    let (unsigned, signed) = if a.1 { (b.0, a.0) } else { (a.0, b.0) };
    if signed > unsigned {
        Kind::Int {
            bits: signed,
            signed: true,
            weak,
        }
    } else if unsigned < 64 {
        Kind::Int {
            bits: unsigned * 2,
            signed: true,
            weak,
        }
    } else {
        Kind::Float { bits: 64, weak }
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

/// The narrowest float that holds a number type, as NumPy promotes.
pub(super) fn float_bits_for(t: Ty) -> u8 {
    match *t.kind() {
        Kind::Int { bits, .. } if bits > 16 => 64,
        Kind::Bool | Kind::Int { bits: 8, .. } => 16,
        Kind::Float { bits, .. } => bits,
        Kind::Complex { bits, .. } => bits / 2,
        _ => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Ty> {
        let mut all = vec![
            Ty::none(),
            Ty::bool(),
            Ty::str(),
            Ty::py_int(),
            Ty::py_float(),
            Ty::py_complex(),
        ];
        for bits in [8, 16, 32, 64] {
            all.extend([Ty::int(bits, true), Ty::int(bits, false)]);
        }
        all.extend([
            Ty::float(16),
            Ty::float(32),
            Ty::float(64),
            Ty::complex(64),
            Ty::complex(128),
        ]);
        all.push(Ty::tuple(&[Ty::py_int(), Ty::float(32)]));
        all.push(Ty::optional(Ty::float(64)));
        all.extend([
            Ty::list(Ty::py_int()),
            Ty::list(Ty::float(32)),
            Ty::list(Ty::new(Kind::Unknown)),
            Ty::dict(Ty::tuple(&[Ty::py_int(), Ty::str()])),
            Ty::dict(Ty::new(Kind::Unknown)),
            Ty::set(Ty::py_int()),
            Ty::set(Ty::float(64)),
        ]);
        all.push(Ty::array(Ty::float(64), 2, Layout::C));
        all.push(Ty::array(Ty::float(64), 2, Layout::F));
        all.extend(functions());
        all
    }

    /// A function type, and functions with this signature, with another, with both, with none.
    fn functions() -> [Ty; 5] {
        let (f, g) = (
            Ty::function(Ty::py_int(), &[Ty::py_int()]),
            Ty::function(Ty::float(64), &[]),
        );
        let dispatcher = |n, signatures: &[Ty]| {
            Ty::new(Kind::Dispatcher(crate::types::PyRef(n), signatures.into()))
        };
        [
            f,
            dispatcher(1, &[f]),
            dispatcher(2, &[g]),
            dispatcher(3, &[f, g]),
            dispatcher(4, &[]),
        ]
    }

    #[test]
    fn functions_join_to_the_signature_they_share() {
        let [f, one, other, both, none] = functions();
        assert_eq!(join(one, both), Some(f));
        assert_eq!(join(f, one), Some(f));
        assert_eq!(join(one, other), None);
        assert_eq!(join(f, other), None);
        assert_eq!(join(one, none), None);
        let twin = Ty::new(Kind::Dispatcher(
            crate::types::PyRef(5),
            both.function_types().into(),
        ));
        assert_eq!(join(both, twin), None, "which of the two is not said");
    }

    #[test]
    fn join_is_commutative_and_idempotent() {
        for a in samples() {
            assert_eq!(join(a, a), Some(a));
            for b in samples() {
                assert_eq!(join(a, b), join(b, a), "{a} {b}");
                if let Some(c) = join(a, b) {
                    assert_eq!(join(a, c), Some(c), "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn numbers_join_as_numpy_promotes() {
        let j = |a, b| join(a, b).map(|t| t.to_string());
        assert_eq!(
            j(Ty::int(8, false), Ty::int(8, true)).as_deref(),
            Some("int16")
        );
        assert_eq!(
            j(Ty::int(64, false), Ty::int(64, true)).as_deref(),
            Some("float64")
        );
        assert_eq!(
            j(Ty::int(32, true), Ty::float(32)).as_deref(),
            Some("float64")
        );
        assert_eq!(
            j(Ty::int(16, true), Ty::float(32)).as_deref(),
            Some("float32")
        );
        assert_eq!(
            j(Ty::float(64), Ty::complex(64)).as_deref(),
            Some("complex128")
        );
        assert_eq!(j(Ty::bool(), Ty::py_int()).as_deref(), Some("int64"));
        assert_eq!(
            j(Ty::none(), Ty::py_int()).as_deref(),
            Some("OptionalType(int64)")
        );
        assert_eq!(j(Ty::str(), Ty::py_int()), None);
    }
}
