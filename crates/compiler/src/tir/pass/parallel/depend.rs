//! What the rounds of a `prange` loop do to each other through memory.
//!
//! `prange` says that the rounds are independent, and what cannot be seen is taken on trust. But where it
//! is plain that two rounds write one item, or that one reads what another one writes, the result would
//! depend on chance: such a loop runs in order.

use ferdelance_abi::rtfn::RtFn;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Loop, Refused, step};
use crate::tir::{Bin, Cast, Cmp, Inst, Mem, Op, Part, Type, Value};

/// How a value differs from round to round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Vary {
    /// Not at all, but perhaps with the loops inside.
    Fixed,
    /// As the counter of the loop does: it is another one in each round.
    Counter,
    /// It is computed from the counter, and the same in several rounds.
    Folded,
    /// It is read from memory, or comes from a call.
    Loaded,
    /// With the number of the thread.
    Thread,
}

const SAME_ITEM: Refused = "several rounds write the same item";

pub(super) fn check(l: &Loop<'_>) -> Result<(), Refused> {
    let mut d = Depend {
        l,
        known: FxHashMap::default(),
    };
    let mut stores = vec![];
    let mut loads = vec![];
    for (_, inst) in l.insts() {
        match inst.op {
            Op::Store { ptr, mem, .. } | Op::Exchange { ptr, mem, .. } => match mem {
                Mem::Elements | Mem::Independent | Mem::Items | Mem::Any => {
                    stores.push(d.place(ptr));
                }
                Mem::Header if d.is_shared(ptr, 0) => {
                    return Err("it changes a list, a dict or a set that all rounds share");
                }
                Mem::Stack if l.is_outside(d.place(ptr).root) => {
                    return Err("it assigns a variable that an inner function shares");
                }
                _ => {}
            },
            Op::Load {
                ptr,
                mem: Mem::Elements | Mem::Independent | Mem::Items | Mem::Any,
                ..
            } => loads.push(d.place(ptr)),
            _ => d.call(inst)?,
        }
    }
    stores.retain(|s| d.is_common(s));
    for store in &stores {
        let mut reads = loads.iter().filter(|load| load.root == store.root);
        match d.varies(store) {
            Vary::Fixed | Vary::Folded => return Err(SAME_ITEM),
            Vary::Loaded if reads.any(|load| d.varies(load) == Vary::Loaded) => {
                return Err("several rounds may change the same item");
            }
            Vary::Counter if reads.any(|load| shifted(load, store)) => {
                return Err("a round reads an item that another one writes");
            }
            _ => {}
        }
    }
    Ok(())
}

/// An address: an array, or whatever memory was found in, and distances in it.
#[derive(Clone, PartialEq, Debug)]
struct Place {
    root: Value,
    /// Values, each times a constant or a value, and what is added to them.
    terms: SmallVec<[(Value, Scale); 4]>,
    constant: i64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Scale {
    By(i64),
    Value(Value),
}

/// Whether two addresses differ by a constant.
fn shifted(a: &Place, b: &Place) -> bool {
    a.constant != b.constant
        && a.terms.len() == b.terms.len()
        && a.terms.iter().all(|t| b.terms.contains(t))
        || a.constant == b.constant && shifted_in_one(a, b)
}

/// The same where the distance is that of a dimension whose stride is not known: `a[i - 1, j]`, `a[i, j]`.
fn shifted_in_one(a: &Place, b: &Place) -> bool {
    let only = |x: &Place, y: &Place| {
        let mut others = x.terms.iter().filter(|t| !y.terms.contains(t));
        match (others.next(), others.next()) {
            (Some(&(v, Scale::Value(stride))), None) => Some((v, stride)),
            _ => None,
        }
    };
    match (only(a, b), only(b, a)) {
        // One has the constant times the stride besides.
        (Some(extra), None) | (None, Some(extra)) => extra.0 == extra.1,
        _ => false,
    }
}

struct Depend<'l, 'f> {
    l: &'l Loop<'f>,
    known: FxHashMap<Value, Vary>,
}

impl Depend<'_, '_> {
    /// Whether the memory is there before the loop: what a round makes is its own.
    fn is_common(&self, place: &Place) -> bool {
        self.l.is_outside(place.root) || self.is_shared(place.root, 0)
    }

    /// Whether an object, or the memory behind an address, may be one that other rounds see.
    fn is_shared(&self, v: Value, depth: usize) -> bool {
        let l = self.l;
        if l.is_outside(v) {
            return !l.is_constant(v) || matches!(l.op(v), Some(Op::Pool(_)));
        }
        match l.op(v) {
            Some(&(Op::Offset { base, .. } | Op::Element { base, .. })) => {
                self.is_shared(base, depth)
            }
            // The items of a list lie where its header says.
            Some(&Op::Load {
                ptr,
                mem: Mem::Header,
                ..
            }) => self.is_shared(ptr, depth),
            Some(Op::Load { .. } | Op::ArrayPart(..)) => true,
            Some(Op::View { base, .. } | Op::MakeArray { owner: base, .. }) => {
                self.is_shared(*base, depth)
            }
            Some(Op::Cast(_, a)) => self.is_shared(*a, depth),
            Some(_) => false,
            // A parameter of a block.
            None if depth < 4 => match l.defs[v.index()] {
                Some((block, None)) => {
                    let k = l.f.blocks[block].params.iter().position(|p| *p == v);
                    let given = k.map_or_else(Vec::new, |k| l.given(block, k));
                    given.into_iter().any(|v| self.is_shared(v, depth + 1))
                }
                _ => false,
            },
            None => false,
        }
    }

    fn call(&self, inst: &Inst) -> Result<(), Refused> {
        let objects = |args: &[Value]| {
            let mut objects = args.iter().filter(|&&v| self.l.f.ty(v) == Type::Obj);
            objects.any(|&v| self.is_shared(v, 0))
        };
        match &inst.op {
            Op::Call { args, .. } | Op::CallIndirect { args, .. } if objects(args) => {
                Err("it gives a list, a dict or a set that all rounds share to a function")
            }
            Op::Rt { func, args } if changes(*func) && objects(&args[..1]) => {
                Err("it changes a list, a dict or a set that all rounds share")
            }
            _ => Ok(()),
        }
    }

    // ---- addresses ----

    fn place(&self, ptr: Value) -> Place {
        let mut place = Place {
            root: ptr,
            terms: SmallVec::new(),
            constant: 0,
        };
        let mut at = ptr;
        loop {
            place.root = at;
            match self.l.op(at) {
                Some(&Op::Offset { base, offset }) => {
                    self.add(&mut place, offset, Scale::By(1));
                    at = base;
                }
                Some(&Op::Element { base, index, size }) => {
                    self.add(&mut place, index, Scale::By(i64::from(size)));
                    at = base;
                }
                Some(&Op::ArrayPart(array, Part::Data)) => match self.l.op(array) {
                    Some(&(Op::View { data, .. } | Op::MakeArray { data, .. })) => at = data,
                    _ => {
                        place.root = array;
                        return place;
                    }
                },
                // The items of a list, whose place is looked up each time.
                Some(&Op::Load {
                    ptr,
                    mem: Mem::Header,
                    ..
                }) => match self.l.op(ptr) {
                    Some(&Op::Offset { base, .. }) => {
                        place.root = base;
                        return place;
                    }
                    _ => return place,
                },
                _ => return place,
            }
        }
    }

    /// Adds `v * scale`.
    fn add(&self, place: &mut Place, v: Value, scale: Scale) {
        let v = self.corrected(v);
        if let (Some(n), Scale::By(by)) = (self.l.int(v), scale) {
            place.constant = place.constant.wrapping_add(n.wrapping_mul(by));
            return;
        }
        match (self.l.op(v), scale) {
            (
                Some(&Op::Binary {
                    op: op @ (Bin::Add | Bin::Sub),
                    a,
                    b,
                    ..
                }),
                _,
            ) if self.l.int(b).is_some() || self.l.int(a).is_some() && op == Bin::Add => {
                let (v, n) = match self.l.int(b) {
                    Some(n) => (a, if op == Bin::Sub { n.wrapping_neg() } else { n }),
                    None => (b, self.l.int(a).unwrap_or(0)),
                };
                self.add(place, v, scale);
                match scale {
                    Scale::By(by) => {
                        place.constant = place.constant.wrapping_add(n.wrapping_mul(by));
                    }
                    // So many strides, whatever their size: a term that stands for itself.
                    Scale::Value(stride) => place.terms.push((stride, Scale::Value(stride))),
                }
            }
            (
                Some(&Op::Binary {
                    op: Bin::Mul, a, b, ..
                }),
                Scale::By(1),
            ) => match (self.l.int(a), self.l.int(b)) {
                (_, Some(n)) => self.add(place, a, Scale::By(n)),
                (Some(n), _) => self.add(place, b, Scale::By(n)),
                _ if self.is_stride(b) => self.add(place, a, Scale::Value(b)),
                _ if self.is_stride(a) => self.add(place, b, Scale::Value(a)),
                _ => place.terms.push((v, scale)),
            },
            _ => place.terms.push((v, scale)),
        }
    }

    fn is_stride(&self, v: Value) -> bool {
        matches!(self.l.op(v), Some(Op::ArrayPart(_, Part::Stride(_))))
    }

    /// An index from behind its correction: `i < 0 ? i + n : i`.
    fn corrected(&self, v: Value) -> Value {
        if let Some(&Op::Select { cond, other, .. }) = self.l.op(v)
            && let Some(&Op::Compare(Cmp::SLt, index, zero)) = self.l.op(cond)
            && index == other
            && self.l.int(zero) == Some(0)
        {
            return other;
        }
        v
    }

    // ---- how values differ ----

    fn varies(&mut self, place: &Place) -> Vary {
        let mut all = if self.l.is_outside(place.root) {
            Vary::Fixed
        } else {
            self.vary(place.root)
        };
        for &(v, _) in &place.terms {
            let one = self.vary(v);
            all = sum(all, one);
        }
        all
    }

    fn vary(&mut self, v: Value) -> Vary {
        if self.l.is_known(v) {
            return Vary::Fixed;
        }
        if let Some(&known) = self.known.get(&v) {
            return known;
        }
        // A loop that comes back to itself adds nothing.
        self.known.insert(v, Vary::Fixed);
        let found = self.compute(v);
        self.known.insert(v, found);
        found
    }

    fn compute(&mut self, v: Value) -> Vary {
        let l = self.l;
        let v = self.corrected(v);
        let Some(inst) = l.inst(v) else {
            return self.param(v);
        };
        match inst.op {
            Op::Binary { op, a, b, .. } => {
                let (x, y) = (self.vary(a), self.vary(b));
                match op {
                    Bin::Add | Bin::Sub => sum(x, y),
                    Bin::Mul | Bin::Shl => x.max(y),
                    _ => folded(x.max(y)),
                }
            }
            Op::Cast(Cast::Trunc | Cast::SExt | Cast::ZExt, a) => self.vary(a),
            Op::Rt {
                func: RtFn::thread_id,
                ..
            } => Vary::Thread,
            Op::Load { ptr, .. } => {
                let place = self.place(ptr);
                match self.varies(&place) {
                    Vary::Fixed => Vary::Fixed,
                    Vary::Thread => Vary::Thread,
                    _ => Vary::Loaded,
                }
            }
            Op::Select { cond, then, other } => {
                let (x, y) = (self.vary(then), self.vary(other));
                let by = folded(self.vary(cond));
                if x == y && x != Vary::Fixed {
                    x
                } else {
                    folded(x.max(y)).max(by)
                }
            }
            _ => {
                let mut all = Vary::Fixed;
                inst.op.for_each_operand(|o| all = all.max(self.vary(o)));
                match &inst.op {
                    Op::Unary(..) | Op::Cast(..) | Op::Compare(..) | Op::Fma { .. } => folded(all),
                    _ if all == Vary::Fixed && inst.op.is_pure() => Vary::Fixed,
                    _ => Vary::Loaded.max(all),
                }
            }
        }
    }

    fn param(&mut self, v: Value) -> Vary {
        let l = self.l;
        let Some((block, None)) = l.defs[v.index()] else {
            return Vary::Fixed;
        };
        let params = &l.f.blocks[block].params;
        let Some(k) = params.iter().position(|p| *p == v) else {
            return Vary::Fixed;
        };
        if block == l.head {
            return if step(l, k).is_some() {
                Vary::Counter
            } else {
                Vary::Loaded
            };
        }
        let mut all: Option<Vary> = None;
        for given in l.given(block, k) {
            if given == v {
                continue;
            }
            let one = self.vary(given);
            all = Some(match all {
                // The counter of a loop inside that begins with ours, or a choice.
                Some(before) if before != one => folded(before.max(one)),
                _ => one,
            });
        }
        all.unwrap_or(Vary::Fixed)
    }
}

fn sum(a: Vary, b: Vary) -> Vary {
    match (a, b) {
        (Vary::Counter, Vary::Folded) | (Vary::Folded, Vary::Counter) => Vary::Counter,
        _ => a.max(b),
    }
}

/// What is computed from a value in a way that makes different ones the same.
fn folded(a: Vary) -> Vary {
    if a == Vary::Counter { Vary::Folded } else { a }
}

/// Whether a runtime function changes the object that is its first argument.
fn changes(func: RtFn) -> bool {
    matches!(
        func,
        RtFn::list_reserve
            | RtFn::list_repeat_in_place
            | RtFn::list_extend
            | RtFn::list_open
            | RtFn::list_close
            | RtFn::list_delete
            | RtFn::list_replace
            | RtFn::list_reverse
            | RtFn::list_sort
            | RtFn::dict_insert
            | RtFn::dict_remove
            | RtFn::dict_clear
    )
}
