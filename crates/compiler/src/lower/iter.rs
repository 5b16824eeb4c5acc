//! Iteration. An iterator is a value; the state of an iterator over
//!
//! * a range whose step is 1 or -1: the current item and the stop;
//! * any other range: the current item and the number of items left (and the step, if it is not in the
//!   type). What follows the last item may lie beyond the end of the type, on the wrong side of the stop;
//! * a sequence (array, tuple, string): the sequence and an index;
//! * what has several dimensions (`np.ndindex`): see `lower::walk`;
//! * a dict, a set or a view: see `lower::dict`;
//! * a generator: the object, which is run on when it is asked whether there is more;
//! * `enumerate(x)`: the state over x, and the count; `zip`: the states one after the other;
//! * `reversed(x)`: for a range, the range backwards; else the sequence and an index that falls.

use ferdelance_abi::rtfn::RtFn;
use smallvec::smallvec;

use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::CompareOp;
use crate::infer::Intrinsic;
use crate::infer::walk::walked;
use crate::tir::{Bin, Cmp, Hint, Part, Type, Value};
use crate::types::{Kind, Ty};

/// Whether an iterator over a range with this step (`None`: known at run time only) counts its items.
fn is_counted(step: Option<i64>) -> bool {
    !matches!(step, Some(1 | -1))
}

fn is_dict(ty: Ty) -> bool {
    matches!(ty.kind(), Kind::Dict { .. } | Kind::View(..))
}

/// "Less" and "greater" for a type of integers.
fn order(item: Ty) -> (Cmp, Cmp) {
    if item.is_signed() {
        (Cmp::SLt, Cmp::SGt)
    } else {
        (Cmp::ULt, Cmp::UGt)
    }
}

/// What asking an iterator whether there is more has given already.
#[derive(Clone, Default)]
pub(super) struct Fetched {
    /// The next item of a generator, or of a `zip` with one inside.
    item: Option<Typed>,
    /// What the generator has returned.
    pub result: Vals,
}

/// Whether code runs that may do anything when it is asked whether there is more.
fn runs_code(over: Ty) -> bool {
    match over.kind() {
        Kind::Generator(_) => true,
        Kind::Enumerate(inner) => runs_code(*inner),
        Kind::Zip(items) => items.iter().any(|t| runs_code(*t)),
        _ => false,
    }
}

impl Body<'_, '_, '_> {
    /// The first state over a value.
    pub(super) fn iter(&mut self, value: &Typed) -> Result<Vals> {
        Ok(match value.ty.kind() {
            Kind::Generator(_) => value.vals.clone(),
            Kind::Range(_, step) => {
                let mut state = value.vals.clone();
                if is_counted(*step) {
                    state[1] = self.range_len(value)?;
                }
                state
            }
            Kind::Enumerate(inner) => {
                let n = value.vals.len() - 1;
                let mut state = self.iter(&Typed::new(*inner, &value.vals[..n]))?;
                state.push(value.vals[n]);
                state
            }
            Kind::Zip(items) => {
                let mut state = Vals::new();
                let mut at = 0;
                for &t in items {
                    let len = machine(t).len();
                    state.extend(self.iter(&Typed::new(t, &value.vals[at..at + len]))?);
                    at += len;
                }
                state
            }
            Kind::Reversed(inner) if matches!(inner.kind(), Kind::Range(..)) => value.vals.clone(),
            Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => {
                self.dict_iter(value, false)?
            }
            Kind::Reversed(inner) if is_dict(*inner) => {
                self.dict_iter(&Typed::new(*inner, value.vals.clone()), true)?
            }
            Kind::Reversed(inner) => {
                let sequence = Typed::new(*inner, value.vals.clone());
                let len = self.sequence_len(&sequence)?;
                let one = self.b.i64(1);
                let last = self.b.binary_nsw(Bin::Sub, len, one);
                let mut state = sequence.vals;
                state.push(last);
                state
            }
            _ if let Some(ndim) = walked(value.ty) => self.walk_start(value, ndim),
            _ => {
                let mut state = value.vals.clone();
                state.push(self.b.i64(0));
                state
            }
        })
    }

    pub(super) fn iter_more(&mut self, it: &Typed) -> Result<(Value, Fetched)> {
        let Kind::Iter(inner) = *it.ty.kind() else {
            return Err(self.bug("not an iterator"));
        };
        let mut fetched = Fetched::default();
        let more = self.more(inner, &it.vals, &mut fetched)?;
        Ok((more, fetched))
    }

    fn more(&mut self, over: Ty, state: &[Value], fetched: &mut Fetched) -> Result<Value> {
        Ok(match over.kind() {
            Kind::Generator(generator) => {
                let resumed = self.resume(*generator, state[0])?;
                fetched.item = Some(Typed::new(generator.item, resumed.item));
                fetched.result = resumed.result;
                resumed.more
            }
            Kind::Range(t, step) => self.range_more(*t, *step, state),
            Kind::Reversed(inner) if matches!(inner.kind(), Kind::Range(..)) => {
                let Kind::Range(t, step) = *inner.kind() else {
                    return Err(self.bug("not a range"));
                };
                self.range_more(t, step.map(i64::wrapping_neg), state)
            }
            Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => self.dict_more(over, state)?,
            Kind::Reversed(inner) if is_dict(*inner) => self.dict_more(*inner, state)?,
            // The list may have become shorter: the index must be inside, not only not below zero.
            Kind::Reversed(inner) if inner.list_item().is_some() => {
                let len = self.list_len(state[0]);
                self.b.cmp(Cmp::ULt, state[1], len)
            }
            Kind::Reversed(_) => {
                let zero = self.b.i64(0);
                self.b.cmp(Cmp::SGe, state[state.len() - 1], zero)
            }
            Kind::Enumerate(inner) => self.more(*inner, &state[..state.len() - 1], fetched)?,
            Kind::Zip(items) => {
                if runs_code(over) {
                    return self.more_of_each(items, state, fetched);
                }
                let mut all = self.b.bool(!items.is_empty());
                let mut at = 0;
                for &t in items {
                    let len = machine(Ty::new(Kind::Iter(t))).len();
                    let one = self.more(t, &state[at..at + len], fetched)?;
                    all = self.b.binary(Bin::And, all, one);
                    at += len;
                }
                all
            }
            _ if walked(over).is_some() => state[state.len() - 1],
            _ => {
                let (index, sequence) = (
                    state[state.len() - 1],
                    Typed::new(over, &state[..state.len() - 1]),
                );
                let len = self.sequence_len(&sequence)?;
                self.b.cmp(Cmp::SLt, index, len)
            }
        })
    }

    /// Of a `zip` that runs code: each item is read before the next iterable is asked, which may change
    /// the list it comes from, and none is asked after one that has no more.
    fn more_of_each(
        &mut self,
        items: &[Ty],
        state: &[Value],
        fetched: &mut Fetched,
    ) -> Result<Value> {
        let (done, stop) = (self.b.new_block(), self.b.new_block());
        let more = self.b.add_param(done, Type::I1);
        let (mut all, mut types, mut at) = (Vals::new(), vec![], 0);
        all.push(self.b.bool(true));
        for &t in items {
            let len = machine(Ty::new(Kind::Iter(t))).len();
            let state = &state[at..at + len];
            let mut own = Fetched::default();
            let one = self.more(t, state, &mut own)?;
            let next = self.b.new_block();
            self.b.branch(one, next, stop, Hint::None);
            self.b.switch_to(next);
            let item = self.current(t, state, &own)?;
            all.extend(item.vals);
            types.push(item.ty);
            at += len;
        }
        self.b.jump(done, &all);
        let item = Ty::tuple(&types);
        let parts = machine(item);
        self.b.switch_to(stop);
        let mut nothing: Vals = smallvec![self.b.bool(false)];
        nothing.extend(parts.iter().map(|&t| self.b.undef(t)));
        self.b.jump(done, &nothing);
        self.b.switch_to(done);
        let vals: Vals = parts
            .into_iter()
            .map(|t| self.b.add_param(done, t))
            .collect();
        fetched.item = Some(Typed::new(item, vals));
        Ok(more)
    }

    fn range_more(&mut self, item: Ty, step: Option<i64>, state: &[Value]) -> Value {
        if is_counted(step) {
            let zero = self.b.i64(0);
            return self.b.cmp(Cmp::Ne, state[1], zero);
        }
        let (lt, gt) = order(item);
        self.b
            .cmp(if step == Some(1) { lt } else { gt }, state[0], state[1])
    }

    pub(super) fn iter_item(&mut self, it: &Typed, fetched: &Fetched) -> Result<Typed> {
        let Kind::Iter(inner) = *it.ty.kind() else {
            return Err(self.bug("not an iterator"));
        };
        self.current(inner, &it.vals, fetched)
    }

    fn current(&mut self, over: Ty, state: &[Value], fetched: &Fetched) -> Result<Typed> {
        Ok(match over.kind() {
            Kind::Generator(_) | Kind::Zip(_) if runs_code(over) => match &fetched.item {
                Some(item) => item.clone(),
                None => return Err(self.bug("an item before the question whether there is one")),
            },
            Kind::Range(t, _) => Typed::one(*t, state[0]),
            Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => {
                self.dict_current(over, state)?
            }
            Kind::Reversed(inner) => match *inner.kind() {
                Kind::Range(t, _) => Typed::one(t, state[0]),
                Kind::Dict { .. } | Kind::View(..) => self.dict_current(*inner, state)?,
                _ => self.sequence_item(*inner, state)?,
            },
            Kind::Enumerate(inner) => {
                let n = state.len() - 1;
                let item = self.current(*inner, &state[..n], fetched)?;
                let mut vals: Vals = smallvec![state[n]];
                vals.extend(item.vals);
                Typed::new(Ty::tuple(&[Ty::py_int(), item.ty]), vals)
            }
            Kind::Zip(items) => {
                let (mut vals, mut types, mut at) = (Vals::new(), vec![], 0);
                for &t in items {
                    let len = machine(Ty::new(Kind::Iter(t))).len();
                    let item = self.current(t, &state[at..at + len], fetched)?;
                    vals.extend(item.vals);
                    types.push(item.ty);
                    at += len;
                }
                Typed::new(Ty::tuple(&types), vals)
            }
            _ if let Some(ndim) = walked(over) => {
                let (value, indices) =
                    state[..state.len() - 1].split_at(state.len() - 1 - usize::from(ndim));
                self.walk_item(&Typed::new(over, value), indices)?
            }
            _ => self.sequence_item(over, state)?,
        })
    }

    fn sequence_item(&mut self, over: Ty, state: &[Value]) -> Result<Typed> {
        let n = state.len() - 1;
        let sequence = Typed::new(over, &state[..n]);
        self.item_in_bounds(&sequence, state[n])
    }

    pub(super) fn iter_next(&mut self, it: &Typed) -> Result<Vals> {
        let Kind::Iter(inner) = *it.ty.kind() else {
            return Err(self.bug("not an iterator"));
        };
        self.next(inner, &it.vals)
    }

    fn next(&mut self, over: Ty, state: &[Value]) -> Result<Vals> {
        let mut new: Vals = state.into();
        match over.kind() {
            Kind::Generator(_) => {}
            Kind::Range(t, step) => self.range_next(*t, *step, &mut new),
            Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => {
                new = self.dict_next(over, state, false)?;
            }
            Kind::Reversed(inner) => match *inner.kind() {
                Kind::Dict { .. } | Kind::View(..) => new = self.dict_next(*inner, state, true)?,
                Kind::Range(t, step) => self.range_next(t, step.map(i64::wrapping_neg), &mut new),
                _ => self.step_index(&mut new, Bin::Sub),
            },
            Kind::Enumerate(inner) => {
                let n = state.len() - 1;
                new = self.next(*inner, &state[..n])?;
                new.push(state[n]);
                self.step_index(&mut new, Bin::Add);
            }
            Kind::Zip(items) => {
                new.clear();
                let mut at = 0;
                for &t in items {
                    let len = machine(Ty::new(Kind::Iter(t))).len();
                    new.extend(self.next(t, &state[at..at + len])?);
                    at += len;
                }
            }
            _ if let Some(ndim) = walked(over) => self.walk_next(over, ndim, &mut new),
            _ => self.step_index(&mut new, Bin::Add),
        }
        Ok(new)
    }

    fn step_index(&mut self, state: &mut Vals, op: Bin) {
        let one = self.b.i64(1);
        if let Some(last) = state.last_mut() {
            *last = self.b.binary_nsw(op, *last, one);
        }
    }

    fn range_next(&mut self, item: Ty, step: Option<i64>, state: &mut Vals) {
        let step_value = match step {
            Some(s) => self.b.i64(s),
            None => state[2],
        };
        if is_counted(step) {
            let one = self.b.i64(1);
            state[0] = self.b.binary(Bin::Add, state[0], step_value);
            state[1] = self.b.binary(Bin::Sub, state[1], one);
        } else if item.is_signed() {
            // A step of one cannot pass the stop.
            state[0] = self.b.binary_nsw(Bin::Add, state[0], step_value);
        } else {
            state[0] = self.b.binary(Bin::Add, state[0], step_value);
        }
    }

    /// A loop over what an iterable yields. Its body gets each item, and whether it is the first one.
    pub(super) fn each_item(
        &mut self,
        values: &Typed,
        inside: impl FnOnce(&mut Self, &Typed, Value) -> Result<()>,
    ) -> Result<()> {
        let over = Ty::new(Kind::Iter(values.ty));
        let mut first = self.iter(values)?;
        let (header, body, after) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let state: Vals = machine(over)
            .into_iter()
            .map(|t| self.b.add_param(header, t))
            .collect();
        let state = Typed::new(over, state);
        let is_first = self.b.add_param(header, Type::I1);
        first.push(self.b.bool(true));
        self.b.jump(header, &first);
        self.b.switch_to(header);
        let (more, fetched) = self.iter_more(&state)?;
        self.b.branch(more, body, after, Hint::None);
        self.b.switch_to(body);
        let value = self.iter_item(&state, &fetched)?;
        inside(self, &value, is_first)?;
        let mut next = self.iter_next(&state)?;
        next.push(self.b.bool(false));
        self.b.jump(header, &next);
        self.b.switch_to(after);
        Ok(())
    }

    /// `range(...)`, `enumerate`, `zip`, `reversed`.
    pub(super) fn iterable(&mut self, what: &Intrinsic, args: &[Typed], ty: Ty) -> Result<Vals> {
        match (what, ty.kind()) {
            (Intrinsic::Range, Kind::Range(item, step)) => {
                let mut ints = Vals::new();
                for a in args {
                    let a = self.unwrap(a)?;
                    ints.push(self.cast_number(&a, *item)[0]);
                }
                if ints.len() == 1 {
                    let zero = self.b.i64(0);
                    ints.insert(0, zero);
                }
                if step.is_some() {
                    ints.truncate(2);
                } else {
                    let zero = self.b.i64(0);
                    let bad = self.b.cmp(Cmp::Eq, ints[2], zero);
                    self.raise_if(bad, "ValueError", "range() arg 3 must not be zero")?;
                }
                Ok(ints)
            }
            (Intrinsic::Enumerate, _) => {
                let mut vals = args[0].vals.clone();
                let start = match args.get(1) {
                    Some(start) => self.cast(start, Ty::py_int())?[0],
                    None => self.b.i64(0),
                };
                vals.push(start);
                Ok(vals)
            }
            (Intrinsic::NdIndex, _) => self.nd_index(args),
            (&Intrinsic::NdIter { in_c_order, empty }, Kind::NdIter(arrays)) => {
                self.nd_iter(args, arrays, in_c_order, empty)
            }
            (Intrinsic::NdEnumerate, _) => Ok(smallvec![self.as_array(&args[0])?.0]),
            (Intrinsic::Reversed, Kind::Reversed(inner))
                if matches!(inner.kind(), Kind::Range(..)) =>
            {
                self.reversed_range(&args[0])
            }
            _ => Ok(args.iter().flat_map(|a| a.vals.iter().copied()).collect()),
        }
    }

    /// The first state of an iterator that yields the items of `range` from the last to the first.
    fn reversed_range(&mut self, range: &Typed) -> Result<Vals> {
        let len = self.range_len(range)?;
        let step = self.range_step(range)?;
        let one = self.b.i64(1);
        let before = self.b.binary(Bin::Sub, len, one);
        let distance = self.b.binary(Bin::Mul, before, step);
        let last = self.b.binary(Bin::Add, range.vals[0], distance);
        let Kind::Range(_, constant) = *range.ty.kind() else {
            return Err(self.bug("not a range"));
        };
        let end = if is_counted(constant) {
            len
        } else {
            self.b.binary(Bin::Sub, range.vals[0], step)
        };
        let mut vals: Vals = smallvec![last, end];
        if range.vals.len() == 3 {
            let zero = self.b.i64(0);
            vals.push(self.b.binary(Bin::Sub, zero, step));
        }
        Ok(vals)
    }

    pub(super) fn range_step(&mut self, range: &Typed) -> Result<Value> {
        match *range.ty.kind() {
            Kind::Range(_, Some(s)) => Ok(self.b.i64(s)),
            Kind::Range(_, None) => Ok(range.vals[2]),
            _ => Err(self.bug("not a range")),
        }
    }

    /// Number of items of a range.
    pub(super) fn range_len(&mut self, range: &Typed) -> Result<Value> {
        let Kind::Range(item, _) = *range.ty.kind() else {
            return Err(self.bug("not a range"));
        };
        let step = self.range_step(range)?;
        Ok(self.count_steps(item, range.vals[0], range.vals[1], step))
    }

    /// `max(0, ceil((stop - start) / step))`, without a sign: the distance may exceed what the type of
    /// the items can hold.
    pub(super) fn count_steps(
        &mut self,
        item: Ty,
        start: Value,
        stop: Value,
        step: Value,
    ) -> Value {
        let zero = self.b.i64(0);
        let one = self.b.i64(1);
        let (lt, gt) = order(item);
        let distance = self.b.binary(Bin::Sub, stop, start);
        if self.b.as_int(step) == Some(1) && item.is_signed() {
            return self.b.binary(Bin::SMax, distance, zero);
        }
        let rising = self.b.cmp(lt, start, stop);
        let falling = self.b.cmp(gt, start, stop);
        let back = self.b.binary(Bin::Sub, start, stop);
        let less = self.b.binary(Bin::Sub, zero, step);
        let (any, distance, step) = match self.b.as_int(step) {
            Some(s) if s > 0 => (rising, distance, step),
            Some(_) => (falling, back, less),
            None => {
                let up = self.b.cmp(Cmp::SGt, step, zero);
                (
                    self.b.select(up, rising, falling),
                    self.b.select(up, distance, back),
                    self.b.select(up, step, less),
                )
            }
        };
        // Items after the first.
        let last = self.b.binary(Bin::Sub, distance, one);
        let more = self.b.binary(Bin::UDiv, last, step);
        let count = self.b.binary(Bin::Add, more, one);
        self.b.select(any, count, zero)
    }

    /// `value in range`.
    pub(super) fn range_contains(&mut self, range: &Typed, value: &Typed) -> Result<Value> {
        let Kind::Range(item, _) = *range.ty.kind() else {
            return Err(self.bug("not a range"));
        };
        let value = Typed::new(item, self.cast(value, item)?);
        let start = Typed::one(item, range.vals[0]);
        let stop = Typed::one(item, range.vals[1]);
        let step = self.range_step(range)?;
        let zero = self.b.i64(0);
        let up = self.b.cmp(Cmp::SGt, step, zero);
        let inside = |body: &mut Self, low: CompareOp, high: CompareOp| {
            let a = body.compare_numbers(low, &value, &start);
            let b = body.compare_numbers(high, &value, &stop);
            body.b.binary(Bin::And, a, b)
        };
        let rising = inside(self, CompareOp::Ge, CompareOp::Lt);
        let falling = inside(self, CompareOp::Le, CompareOp::Gt);
        let between = self.b.select(up, rising, falling);
        // Without a sign: the distance may exceed what the type of the items can hold.
        let distance = self.b.binary(Bin::Sub, value.vals[0], range.vals[0]);
        let back = self.b.binary(Bin::Sub, range.vals[0], value.vals[0]);
        let less = self.b.binary(Bin::Sub, zero, step);
        let distance = self.b.select(up, distance, back);
        let size = self.b.select(up, step, less);
        let rest = self.b.binary(Bin::URem, distance, size);
        let on_step = self.b.cmp(Cmp::Eq, rest, zero);
        Ok(self.b.binary(Bin::And, between, on_step))
    }

    /// `len` of an array, a tuple, a string, a range or a container.
    pub(super) fn sequence_len(&mut self, value: &Typed) -> Result<Value> {
        Ok(match value.ty.kind() {
            Kind::Array(_) | Kind::Buffer(..) => self.b.part(value.vals[0], Part::Shape(0)),
            Kind::Facet(_, array) => {
                self.size(value.vals[0], array.as_array().map_or(0, |a| a.ndim))
            }
            Kind::Chars { .. } => self.chars_len(value),
            Kind::Str => self.b.rt1(RtFn::str_len, &[value.vals[0]]),
            Kind::List(_) => self.list_len(value.vals[0]),
            Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => self.dict_len(value.vals[0]),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => self.b.i64(items.len() as i64),
            Kind::Range(..) => self.range_len(value)?,
            _ => return Err(self.bug(format!("len of {}", value.ty))),
        })
    }
}
