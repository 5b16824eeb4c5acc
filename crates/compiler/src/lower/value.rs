//! Types as machine values, constants, and conversions between types.

use smallvec::{SmallVec, smallvec};

use super::{Body, Typed};
use crate::diag::Result;
use crate::host::Const;
use crate::infer::walk::walked;
use crate::tir::{self, CSignature, CType, Cast, Cmp, Mem, PoolEntry, Type, Value};
use crate::types::{ArrayTy, Kind, Signature, Ty};

/// The machine values that a value consists of.
pub type Vals = SmallVec<[Value; 4]>;

/// The machine types of a type's values; the order is that of `abi::layout`'s slots.
pub fn machine(ty: Ty) -> SmallVec<[Type; 4]> {
    let mut out = SmallVec::new();
    flatten(ty, &mut out);
    out
}

/// The types of the parts of an array's item, as memory has them one after the other. Records and texts are
/// pieces of any kind.
pub fn item_types(dtype: Ty) -> SmallVec<[Type; 4]> {
    if dtype.is_half() {
        return smallvec![Type::F16];
    }
    if !dtype.is_reference() {
        return machine(dtype);
    }
    let mut left = dtype.itemsize();
    let mut out = SmallVec::new();
    for ty in [Type::I64, Type::I32, Type::I16, Type::I8] {
        let count = left / ty.bytes();
        out.extend(std::iter::repeat_n(ty, count as usize));
        left -= count * ty.bytes();
    }
    out
}

fn flatten(ty: Ty, out: &mut SmallVec<[Type; 4]>) {
    match ty.kind() {
        Kind::Bool => out.push(Type::I1),
        Kind::Int { bits, .. } => out.push(Type::int(u32::from(*bits))),
        Kind::Float { bits, .. } => out.push(float(u32::from(*bits))),
        Kind::Complex { bits, .. } => out.extend([float(u32::from(*bits) / 2); 2]),
        Kind::Time { .. } => out.push(Type::I64),
        // An array without dimensions: an address, and what keeps the memory.
        Kind::Record(_) | Kind::Chars { .. } => out.push(Type::Array(0)),
        Kind::Str
        | Kind::List(_)
        | Kind::Dict { .. }
        | Kind::Keyed(..)
        | Kind::Set { .. }
        | Kind::Generator(_) => out.push(Type::Obj),
        Kind::Tuple(items)
        | Kind::NamedTuple(_, items)
        | Kind::Zip(items)
        | Kind::NdIter(items)
        | Kind::Exception(_, _, items) => {
            items.iter().for_each(|t| flatten(*t, out));
        }
        Kind::Array(a) | Kind::Buffer(_, a) => out.push(Type::Array(a.ndim)),
        Kind::Optional(t) => {
            out.push(Type::I1);
            flatten(*t, out);
        }
        Kind::Range(t, step) => {
            let ty = machine(*t)[0];
            out.extend(std::iter::repeat_n(ty, if step.is_some() { 2 } else { 3 }));
        }
        Kind::Enumerate(t) => {
            flatten(*t, out);
            out.push(Type::I64);
        }
        Kind::Reversed(t) | Kind::Facet(_, t) | Kind::View(_, t) => flatten(*t, out),
        Kind::Iter(t) => iterator(*t, out),
        Kind::NdIndex(ndim) => out.extend(std::iter::repeat_n(Type::I64, usize::from(*ndim))),
        Kind::Slice(parts) => out.extend(parts.iter().filter(|p| **p).map(|_| Type::I64)),
        Kind::Grid(parts) => parts.iter().for_each(|t| flatten(*t, out)),
        Kind::Method(receiver, _) => flatten(*receiver, out),
        Kind::Closure(c) => c
            .captures
            .iter()
            .chain(&c.defaults)
            .for_each(|t| flatten(*t, out)),
        Kind::Cell(_) | Kind::Function(_) => out.push(Type::Ptr),
        Kind::Caught => out.push(Type::Err),
        Kind::None
        | Kind::Unknown
        | Kind::Ellipsis
        | Kind::Omitted(_)
        | Kind::Module(_)
        | Kind::Builtin(_)
        | Kind::Class(_)
        | Kind::Dtype(_)
        | Kind::NamedTupleClass(_)
        | Kind::Dispatcher(..)
        | Kind::Foreign(..)
        | Kind::ExcClass(..)
        | Kind::Opaque(..) => {}
    }
}

/// The type as C passes it; `None` for what has no counterpart in C.
fn c_type(ty: Ty) -> Option<CType> {
    Some(match *ty.kind() {
        Kind::Bool => CType::Bool,
        Kind::Int { bits, signed, .. } => CType::Int { bits, signed },
        Kind::Float { bits: 16, .. } => return None,
        Kind::Float { bits: 32, .. } => CType::F32,
        Kind::Float { .. } => CType::F64,
        Kind::Complex { bits: 64, .. } => CType::Complex64,
        Kind::Complex { .. } => CType::Complex128,
        _ => return None,
    })
}

/// The C function type that a signature is; `None` if a part has no counterpart in C.
pub fn c_signature(signature: &Signature) -> Option<CSignature> {
    let result = if signature.result.is_none() {
        CType::Void
    } else {
        c_type(signature.result)?
    };
    Some(CSignature {
        params: signature
            .args
            .iter()
            .map(|t| c_type(*t))
            .collect::<Option<_>>()?,
        result,
    })
}

/// The state of an iterator over `t`: see `lower::iter`.
fn iterator(t: Ty, out: &mut SmallVec<[Type; 4]>) {
    match t.kind() {
        Kind::Range(..) => flatten(t, out),
        Kind::Reversed(inner) if matches!(inner.kind(), Kind::Range(..)) => flatten(*inner, out),
        Kind::Reversed(inner) => iterator(*inner, out),
        Kind::Enumerate(inner) => {
            iterator(*inner, out);
            out.push(Type::I64);
        }
        Kind::Zip(items) => items.iter().for_each(|t| iterator(*t, out)),
        Kind::Generator(_) => flatten(t, out),
        _ if let Some(ndim) = walked(t) => {
            flatten(t, out);
            out.extend(std::iter::repeat_n(Type::I64, usize::from(ndim)));
            out.push(Type::I1);
        }
        // A position, and how many items there are.
        Kind::Dict { .. } | Kind::Set { .. } | Kind::View(..) => {
            flatten(t, out);
            out.extend([Type::I64; 2]);
        }
        // The sequence and an index into it.
        _ => {
            flatten(t, out);
            out.push(Type::I64);
        }
    }
}

pub(super) fn float(bits: u32) -> Type {
    if bits <= 32 { Type::F32 } else { Type::F64 }
}

impl Body<'_, '_, '_> {
    /// Whether a constant is written as code (objects are not: they are known by type).
    pub(super) fn is_materialisable(&self, ty: Ty, constant: &Const) -> bool {
        match constant {
            Const::Object(_) => false,
            Const::Tuple(items) => match ty.tuple_items() {
                Some(types) => {
                    types.len() == items.len()
                        && types
                            .iter()
                            .zip(items.iter())
                            .all(|(t, c)| self.is_materialisable(*t, c) || machine(*t).is_empty())
                }
                None => false,
            },
            _ => true,
        }
    }

    /// A constant of a type.
    pub(super) fn constant(&mut self, ty: Ty, constant: &Const) -> Vals {
        match (ty.kind(), constant) {
            (Kind::Optional(_), Const::None) => machine(ty)
                .into_iter()
                .enumerate()
                .map(|(i, t)| {
                    if i == 0 {
                        self.b.bool(false)
                    } else {
                        self.b.undef(t)
                    }
                })
                .collect(),
            (Kind::Optional(inner), _) => {
                let mut vals: Vals = smallvec![self.b.bool(true)];
                vals.extend(self.constant(*inner, constant));
                vals
            }
            (Kind::Bool, Const::Bool(b)) => smallvec![self.b.bool(*b)],
            (Kind::Int { bits, .. }, Const::Int(i)) => {
                smallvec![self.b.int(Type::int(u32::from(*bits)), *i as i64)]
            }
            (Kind::Time { .. }, Const::Int(i)) => smallvec![self.b.i64(*i as i64)],
            (Kind::Int { bits, .. }, Const::Bool(b)) => {
                smallvec![self.b.int(Type::int(u32::from(*bits)), i64::from(*b))]
            }
            (Kind::Float { bits, .. }, Const::Float(x)) => {
                smallvec![self.b.float(float(u32::from(*bits)), *x)]
            }
            (Kind::Float { bits, .. }, Const::Int(i)) => {
                smallvec![self.b.float(float(u32::from(*bits)), *i as f64)]
            }
            (Kind::Complex { bits, .. }, Const::Complex(re, im)) => {
                let t = float(u32::from(*bits) / 2);
                smallvec![self.b.float(t, *re), self.b.float(t, *im)]
            }
            (Kind::Str, Const::Str(s)) => {
                let id = self.cx.program.pool_id(PoolEntry::Str(s.clone()));
                smallvec![self.b.pool(id, Type::Obj)]
            }
            (Kind::Buffer(_, a), Const::Bytes(content)) => {
                let id = self.cx.program.pool_id(PoolEntry::Bytes(content.clone()));
                let slots = self.b.pool(id, Type::Ptr);
                smallvec![self.frozen_array(*a, slots)]
            }
            (Kind::Tuple(types) | Kind::NamedTuple(_, types), Const::Tuple(items)) => types
                .iter()
                .zip(items.iter())
                .flat_map(|(t, c)| self.constant(*t, c))
                .collect(),
            (Kind::Array(a), Const::Array(object)) => {
                let id = self.cx.program.pool_id(PoolEntry::Array(*object));
                let slots = self.b.pool(id, Type::Ptr);
                smallvec![self.frozen_array(*a, slots)]
            }
            _ => machine(ty).into_iter().map(|t| self.b.undef(t)).collect(),
        }
    }

    /// An array whose slots (`abi::layout`) lie in constant memory.
    fn frozen_array(&mut self, a: ArrayTy, slots: Value) -> Value {
        let mut load = |i: usize, t: Type| {
            let offset = self.b.i64(i as i64 * 8);
            let ptr = self.b.offset(slots, offset);
            self.b.load(t, ptr, 8, Mem::Constant)
        };
        let n = usize::from(a.ndim);
        let owner = load(0, Type::Owner);
        let data = load(1, Type::Ptr);
        let shape: Vals = (0..n).map(|i| load(2 + i, Type::I64)).collect();
        let strides: Vals = (0..n).map(|i| load(2 + n + i, Type::I64)).collect();
        self.b.make_array(owner, data, &shape, &strides)
    }

    /// The part of a tuple's values that is item `index`.
    pub(super) fn item(&self, tuple: &Typed, index: usize) -> Typed {
        let items = tuple.ty.tuple_items().unwrap_or_default();
        let start: usize = items[..index].iter().map(|t| machine(*t).len()).sum();
        let len = machine(items[index]).len();
        let constant = match &tuple.constant {
            Some(Const::Tuple(constants)) => constants.get(index).cloned(),
            _ => None,
        };
        Typed {
            ty: items[index],
            vals: tuple.vals[start..start + len].into(),
            constant,
        }
    }

    /// Converts a value to a type that it fits (`types::promote::fit`).
    pub(super) fn cast(&mut self, value: &Typed, to: Ty) -> Result<Vals> {
        if value.ty == to || value.ty.strong() == to.strong() {
            return Ok(value.vals.clone());
        }
        if value.ty.is_scalar() && to.is_scalar() {
            return Ok(self.cast_number(value, to));
        }
        let plain = |t: Ty| t.is_scalar() || t.is_time();
        if plain(value.ty) && plain(to) {
            return self.cast_time(value, to);
        }
        match (value.ty.kind(), to.kind()) {
            (Kind::Record(_), Kind::Record(_)) => Ok(value.vals.clone()),
            (Kind::Chars { .. }, Kind::Str) => Ok(smallvec![self.chars_to_str(value)]),
            (Kind::Str, Kind::Chars { .. }) => Ok(self.chars_of(value.vals[0], to)),
            (Kind::Buffer(..), Kind::Chars { .. }) => Ok(self.chars_of_bytes(value.vals[0], to)),
            (Kind::Chars { .. }, Kind::Buffer(..)) => Ok(smallvec![self.chars_to_bytes(value)]),
            // The result of a procedure whose value is dropped.
            (_, Kind::None) => Ok(Vals::new()),
            (Kind::None, Kind::Optional(_)) => Ok(self.constant(to, &Const::None)),
            (Kind::Optional(from), Kind::Optional(inner)) => {
                let content = Typed::new(*from, &value.vals[1..]);
                let mut vals: Vals = smallvec![value.vals[0]];
                vals.extend(self.cast(&content, *inner)?);
                Ok(vals)
            }
            (_, Kind::Optional(inner)) => {
                let mut vals: Vals = smallvec![self.b.bool(true)];
                vals.extend(self.cast(value, *inner)?);
                Ok(vals)
            }
            (Kind::Optional(_), _) => {
                let content = self.unwrap(value)?;
                self.cast(&content, to)
            }
            (
                Kind::Tuple(from) | Kind::NamedTuple(_, from),
                Kind::Tuple(items) | Kind::NamedTuple(_, items),
            ) if from.len() == items.len() => {
                let mut vals = Vals::new();
                for (i, &t) in items.iter().enumerate() {
                    let item = self.item(value, i);
                    vals.extend(self.cast(&item, t)?);
                }
                Ok(vals)
            }
            (Kind::Array(_) | Kind::Buffer(..), Kind::Array(_) | Kind::Buffer(..)) => {
                Ok(value.vals.clone())
            }
            (Kind::Closure(_), Kind::Closure(c)) => {
                let mut vals = Vals::new();
                for (i, &t) in c.captures.iter().chain(&c.defaults).enumerate() {
                    let item = self.closure_item(value, i);
                    vals.extend(self.cast(&item, t)?);
                }
                Ok(vals)
            }
            (Kind::Dispatcher(function, _) | Kind::Foreign(function, _), Kind::Function(_)) => {
                let id = self.cx.program.pool_id(PoolEntry::Function {
                    function: *function,
                    ty: to,
                });
                Ok(smallvec![self.b.pool(id, Type::Ptr)])
            }
            // Their items differ in what is no part of the value.
            (Kind::List(_), Kind::List(_))
            | (Kind::Dict { .. }, Kind::Dict { .. })
            | (Kind::Keyed(..), Kind::Keyed(..))
            | (Kind::Set { .. }, Kind::Set { .. })
            | (Kind::View(..), Kind::View(..))
            | (Kind::Generator(_), Kind::Generator(_)) => Ok(value.vals.clone()),
            (Kind::Range(..), Kind::Range(t, _)) => self.cast_range(value, *t, to),
            (Kind::Iter(from), Kind::Iter(inner)) => self.cast_state(*from, &value.vals, *inner),
            _ => Err(self.bug(format!("no conversion from {} to {to}", value.ty))),
        }
    }

    /// The state of an iterator over a value of type `from`, as one over `to`: see `lower::iter`.
    fn cast_state(&mut self, from: Ty, state: &[Value], to: Ty) -> Result<Vals> {
        let last = state.len().saturating_sub(1);
        Ok(match (from.kind(), to.kind()) {
            (Kind::Range(..) | Kind::Generator(_), _) => self.cast(&Typed::new(from, state), to)?,
            (Kind::Enumerate(x), Kind::Enumerate(y)) => {
                let mut vals = self.cast_state(*x, &state[..last], *y)?;
                vals.push(state[last]);
                vals
            }
            (Kind::Zip(xs), Kind::Zip(ys)) => {
                let (mut vals, mut at) = (Vals::new(), 0);
                for (&x, &y) in xs.iter().zip(ys.iter()) {
                    let len = machine(Ty::new(Kind::Iter(x))).len();
                    vals.extend(self.cast_state(x, &state[at..at + len], y)?);
                    at += len;
                }
                vals
            }
            (Kind::Reversed(x), Kind::Reversed(y)) => self.cast_state(*x, state, *y)?,
            _ => {
                let (value, place) = state.split_at(machine(from).len());
                let mut vals = self.cast(&Typed::new(from, value), to)?;
                vals.extend_from_slice(place);
                vals
            }
        })
    }

    /// Ranges of one item type, one of which has its step in the type.
    fn cast_range(&mut self, value: &Typed, item: Ty, to: Ty) -> Result<Vals> {
        let Kind::Range(from, step) = *value.ty.kind() else {
            return Err(self.bug("not a range"));
        };
        let mut vals = Vals::new();
        for &v in &value.vals {
            vals.extend(self.cast_number(&Typed::one(from, v), item));
        }
        if let (Some(step), Kind::Range(_, None)) = (step, to.kind()) {
            let ty = machine(item)[0];
            vals.push(self.b.int(ty, step));
        }
        Ok(vals)
    }

    /// The content of an optional value; raises TypeError when it is None.
    pub(super) fn unwrap(&mut self, value: &Typed) -> Result<Typed> {
        let Kind::Optional(inner) = *value.ty.kind() else {
            return Ok(value.clone());
        };
        let absent = self.b.not(value.vals[0]);
        self.raise_if(absent, "TypeError", &format!("expected {inner}, got None"))?;
        Ok(Typed::new(inner, &value.vals[1..]))
    }

    /// Converts between bool, int, float and complex.
    pub(super) fn cast_number(&mut self, value: &Typed, to: Ty) -> Vals {
        let from = value.ty;
        match (from.kind(), to.kind()) {
            (Kind::Complex { .. }, Kind::Complex { .. }) => {
                let part = to.part();
                let parts = [value.vals[0], value.vals[1]].map(|v| Typed::one(from.part(), v));
                parts
                    .iter()
                    .flat_map(|p| self.cast_number(p, part))
                    .collect()
            }
            (Kind::Complex { .. }, Kind::Bool) => smallvec![self.nonzero(value)],
            (_, Kind::Complex { .. }) => {
                let part = to.part();
                let mut vals = self.cast_number(value, part);
                vals.push(self.b.float(machine(part)[0], 0.0));
                vals
            }
            _ => smallvec![self.cast_real(from, value.vals[0], to)],
        }
    }

    fn cast_real(&mut self, from: Ty, v: Value, to: Ty) -> Value {
        let to_machine = machine(to)[0];
        let have = self.b.ty(v);
        match (from.kind(), to.kind()) {
            _ if from.strong() == to.strong() => v,
            _ if to.is_half() => {
                let single = self.cast_real(from, v, Ty::float(32));
                self.rounded(to, single)
            }
            (_, Kind::Bool) => self.nonzero(&Typed::one(from, v)),
            (Kind::Bool, Kind::Int { .. }) => self.b.cast(Cast::ZExt, v, to_machine),
            (Kind::Bool, _) => self.b.cast(Cast::UIToFP, v, to_machine),
            (Kind::Int { signed, .. }, Kind::Int { .. }) => {
                if have == to_machine {
                    v
                } else if have.bits() > to_machine.bits() {
                    self.b.cast(Cast::Trunc, v, to_machine)
                } else {
                    self.b
                        .cast(if *signed { Cast::SExt } else { Cast::ZExt }, v, to_machine)
                }
            }
            (Kind::Int { signed, .. }, _) => self.b.cast(
                if *signed { Cast::SIToFP } else { Cast::UIToFP },
                v,
                to_machine,
            ),
            (Kind::Float { .. }, Kind::Int { signed, bits, .. }) => {
                // Through int64, so that out-of-range values of narrow types wrap around as integers do.
                if !signed && *bits == 64 {
                    return self.float_to_uint64(v);
                }
                let wide = self.b.cast(Cast::FPToSI, v, Type::I64);
                if *bits == 64 {
                    wide
                } else {
                    self.b.cast(Cast::Trunc, wide, to_machine)
                }
            }
            _ if have == to_machine => v,
            _ => self.b.cast(
                if have == Type::F32 {
                    Cast::FPExt
                } else {
                    Cast::FPTrunc
                },
                v,
                to_machine,
            ),
        }
    }

    /// A result of a float type, a float16 rounded to what it can be.
    pub(super) fn rounded(&mut self, ty: Ty, v: Value) -> Value {
        if !ty.is_half() {
            return v;
        }
        let half = self.b.cast(Cast::FPTrunc, v, Type::F16);
        self.b.cast(Cast::FPExt, half, Type::F32)
    }

    /// Negative values wrap around, values from 2**63 on are kept.
    fn float_to_uint64(&mut self, v: Value) -> Value {
        let ty = self.b.ty(v);
        let limit = self.b.float(ty, 9_223_372_036_854_775_808.0);
        let large = self.b.cmp(Cmp::FGe, v, limit);
        let signed = self.b.cast(Cast::FPToSI, v, Type::I64);
        let unsigned = self.b.cast(Cast::FPToUI, v, Type::I64);
        self.b.select(large, unsigned, signed)
    }

    /// `x != 0` of a number; for complex numbers, of either part.
    pub(super) fn nonzero(&mut self, value: &Typed) -> Value {
        let mut any = None;
        for &v in &value.vals {
            let ty = self.b.ty(v);
            let one = match ty {
                Type::I1 => v,
                Type::F32 | Type::F64 => {
                    let zero = self.b.float(ty, 0.0);
                    self.b.cmp(Cmp::FNe, v, zero)
                }
                _ => {
                    let zero = self.b.int(ty, 0);
                    self.b.cmp(Cmp::Ne, v, zero)
                }
            };
            any = Some(match any {
                None => one,
                Some(before) => self.b.binary(tir::Bin::Or, before, one),
            });
        }
        any.unwrap_or_else(|| self.b.bool(false))
    }
}
