//! Parts of one array that certainly have no items in common.
//!
//! ```python
//! a[k + 1:, k + 1:] -= a[k + 1:, k:k + 1] * a[k:k + 1, k + 1:]
//! p[:, 0] = p[:, 1]
//! ```
//!
//! Two views by indices of one array are apart if they are in one of its dimensions: one ends before the
//! other one begins. Bounds are sums of values, and minima and maxima of such sums (slices are clamped to
//! the array); `e <= s` is shown by reducing `s - e` to sums that cannot be negative.

use std::collections::BTreeMap;

use smallvec::{SmallVec, smallvec};

use crate::tir::pass::number::{AxisKey, Key, Numbers};
use crate::tir::{Bin, Part};

/// Minima and maxima that are looked into.
const DEPTH: usize = 8;

/// Whether two arrays, by number, are views of one array without common items.
pub(super) fn apart(numbers: &Numbers, x: u32, y: u32) -> bool {
    let (mine, others) = (regions(numbers, x), regions(numbers, y));
    mine.iter()
        .flat_map(|x| others.iter().map(move |y| (x, y)))
        .any(|(x, y)| x.base == y.base && numbers.is_distinct(x.base) && x.apart(y, numbers))
}

/// Whether two arrays, by number, are rows of one array or parts of such, each from the same items: what
/// they have in common are the items at the same indices, all or none.
///
/// ```python
/// out[k] = even + odd
/// out[k + half] = even - odd
/// ```
pub(super) fn aligned(numbers: &Numbers, x: u32, y: u32) -> bool {
    let (Some(Key::Subview(base, at, axes)), Some(Key::Subview(other_base, other_at, other_axes))) =
        (numbers.key(x), numbers.key(y))
    else {
        return false;
    };
    let dims = at.iter().map(|(dim, _)| dim);
    base == other_base
        && numbers.is_distinct(*base)
        && axes == other_axes
        && dims.eq(other_at.iter().map(|(dim, _)| dim))
}

/// Whether a number is certainly not larger than a constant.
pub(super) fn at_most(numbers: &Numbers, n: u32, most: i64) -> bool {
    let facts = Facts {
        numbers,
        size: None,
        indices: smallvec![],
    };
    let room = Linear::constant(most).minus(&Linear::of(numbers, n));
    facts.holds(&room, DEPTH)
}

/// What a view is, at most, of each array that it is a view of.
fn regions(numbers: &Numbers, mut array: u32) -> SmallVec<[Region; 2]> {
    let mut regions = SmallVec::new();
    while let Some(Key::Subview(base, at, axes)) = numbers.key(array) {
        regions.push(Region::of(numbers, *base, at, axes));
        array = *base;
    }
    regions
}

/// The items of an array that a view of it may have.
struct Region {
    base: u32,
    /// The dimensions of the base of which it is only a part.
    dims: Vec<(u8, Span)>,
}

/// Indices from `start` to before `end`.
struct Span {
    start: Linear,
    end: Option<Linear>,
    /// One index, which is one of the array.
    is_index: bool,
}

impl Span {
    fn before(&self, other: &Span, facts: &Facts<'_>) -> bool {
        self.end
            .as_ref()
            .is_some_and(|end| facts.holds(&other.start.minus(end), DEPTH))
    }
}

impl Region {
    /// Whether two regions of an array are apart in one of its dimensions.
    fn apart(&self, other: &Region, numbers: &Numbers) -> bool {
        self.dims.iter().any(|(dim, span)| {
            let spans = other.dims.iter().filter(|(d, _)| d == dim);
            spans.map(|(_, s)| s).any(|other| {
                let indices = [span, other].into_iter().filter(|s| s.is_index);
                let facts = Facts {
                    numbers,
                    size: numbers.shape(self.base, *dim),
                    indices: indices.map(|s| s.start.clone()).collect(),
                };
                span.before(other, &facts) || other.before(span, &facts)
            })
        })
    }

    fn of(numbers: &Numbers, base: u32, at: &[(u8, u32)], axes: &[AxisKey]) -> Region {
        let linear = |n: u32| Linear::of(numbers, n);
        let mut dims = vec![];
        for &(dim, index) in at {
            let start = linear(index);
            let end = Some(start.plus(&Linear::constant(1)));
            dims.push((
                dim,
                Span {
                    start,
                    end,
                    is_index: true,
                },
            ));
        }
        for axis in axes {
            let AxisKey::Part(dim, start, count, step) = *axis else {
                continue;
            };
            let step = match numbers.key(step) {
                Some(Key::Int(_, step)) if *step > 0 => *step,
                _ => continue,
            };
            let start = linear(start);
            // A count of `max(n, 0)` is n where there are items at all.
            let count = match numbers.key(count) {
                Some(Key::Binary(Bin::SMax, a, b)) => {
                    let is_zero = |n: u32| matches!(numbers.key(n), Some(Key::Int(_, 0)));
                    match (is_zero(*a), is_zero(*b)) {
                        (_, true) => *a,
                        (true, _) => *b,
                        _ => count,
                    }
                }
                _ => count,
            };
            let end = (step == 1).then(|| start.plus(&linear(count)));
            dims.push((
                dim,
                Span {
                    start,
                    end,
                    is_index: false,
                },
            ));
        }
        Region { base, dims }
    }
}

/// A sum of multiples of values, by number, and a constant.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Linear {
    terms: BTreeMap<u32, i64>,
    constant: i64,
}

impl Linear {
    pub fn constant(constant: i64) -> Linear {
        Linear {
            constant,
            ..Linear::default()
        }
    }

    pub fn of(numbers: &Numbers, n: u32) -> Linear {
        match numbers.key(n) {
            Some(Key::Int(_, value)) if value.unsigned_abs() < 1 << 62 => Linear::constant(*value),
            Some(Key::Binary(Bin::Add, a, b)) => {
                Linear::of(numbers, *a).plus(&Linear::of(numbers, *b))
            }
            Some(Key::Binary(Bin::Sub, a, b)) => {
                Linear::of(numbers, *a).minus(&Linear::of(numbers, *b))
            }
            _ => Linear {
                terms: BTreeMap::from([(n, 1)]),
                constant: 0,
            },
        }
    }

    /// This and `times` the other one.
    fn with(&self, other: &Linear, times: i64) -> Linear {
        let mut sum = self.clone();
        sum.constant = sum
            .constant
            .saturating_add(other.constant.saturating_mul(times));
        for (&n, &k) in &other.terms {
            let term = sum.terms.entry(n).or_default();
            *term = term.saturating_add(k.saturating_mul(times));
        }
        sum.terms.retain(|_, k| *k != 0);
        sum
    }

    pub fn plus(&self, other: &Linear) -> Linear {
        self.with(other, 1)
    }

    pub fn minus(&self, other: &Linear) -> Linear {
        self.with(other, -1)
    }

    pub fn times(&self, times: i64) -> Linear {
        Linear::default().with(self, times)
    }

    pub fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }
}

/// What is known of the values in sums.
struct Facts<'n> {
    numbers: &'n Numbers,
    /// Of the dimension.
    size: Option<u32>,
    /// Indices into it: not negative, and less than its size.
    indices: SmallVec<[Linear; 2]>,
}

impl Facts<'_> {
    /// Whether a sum is certainly not negative.
    fn holds(&self, sum: &Linear, depth: usize) -> bool {
        if self.is_natural(sum) {
            return true;
        }
        let below_size = self.indices.iter().any(|index| {
            let room = self
                .size
                .map(|n| Linear::of(self.numbers, n).minus(&index.plus(&Linear::constant(1))));
            self.is_natural(&sum.minus(index))
                || room.is_some_and(|room| self.is_natural(&sum.minus(&room)))
        });
        if below_size || depth == 0 {
            return below_size;
        }
        let choice = sum
            .terms
            .iter()
            .find_map(|(&n, &k)| match self.numbers.key(n) {
                Some(&Key::Binary(op @ (Bin::SMin | Bin::SMax), a, b)) => Some((n, k, op, a, b)),
                _ => None,
            });
        let Some((n, k, op, a, b)) = choice else {
            return false;
        };
        let mut rest = sum.clone();
        rest.terms.remove(&n);
        let holds = |with: u32| {
            let value = Linear::of(self.numbers, with);
            self.holds(&rest.with(&value, k), depth - 1)
        };
        // The smaller one of two sums is not negative if both are, the larger one if either is.
        if (op == Bin::SMin) == (k > 0) {
            holds(a) && holds(b)
        } else {
            holds(a) || holds(b)
        }
    }

    fn is_natural(&self, sum: &Linear) -> bool {
        let natural = |n: u32| match self.numbers.key(n) {
            Some(Key::Part(_, Part::Shape(_))) => true,
            Some(Key::Binary(Bin::SMax, a, b)) => [a, b]
                .iter()
                .any(|n| matches!(self.numbers.key(**n), Some(Key::Int(_, 0..)))),
            _ => false,
        };
        sum.constant >= 0 && sum.terms.iter().all(|(&n, &k)| k > 0 && natural(n))
            || self.least(sum).is_some_and(|least| least >= 0)
    }

    /// The least that a sum can be, if it is a constant or the difference of two indices that are clamped in
    /// the same way: that is between zero and their difference before.
    fn least(&self, sum: &Linear) -> Option<i64> {
        let mut terms = sum.terms.iter();
        let (x, y) = match (terms.next(), terms.next(), terms.next()) {
            (None, ..) => return Some(sum.constant),
            (Some((&x, 1)), Some((&y, -1)), None) | (Some((&y, -1)), Some((&x, 1)), None) => (x, y),
            _ => return None,
        };
        let clamped = |n: u32| match self.numbers.key(n) {
            Some(&Key::Binary(op @ (Bin::SMin | Bin::SMax), a, b)) => Some((op, a, b)),
            _ => None,
        };
        let ((op, a, b), (other, c, d)) = (clamped(x)?, clamped(y)?);
        if op != other {
            return None;
        }
        let (a, b) = match () {
            () if a == c => (b, d),
            () if a == d => (b, c),
            () if b == c => (a, d),
            () if b == d => (a, c),
            () => return None,
        };
        let before = Linear::of(self.numbers, a).minus(&Linear::of(self.numbers, b));
        Some(sum.constant + self.least(&before)?.min(0))
    }
}
