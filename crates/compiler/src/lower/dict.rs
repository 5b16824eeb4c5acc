//! Dicts and sets: the operations on entries that the prelude builds on, and iteration.
//!
//! An entry lies as the item of a list of tuples does: its hash, then the key, then the value (see
//! `abi::layout::Dict`). Looking for a key changes nothing and is inlined, hashing included; what changes
//! the index is the runtime's.

use ferdelance_abi::layout::{
    DICT_HASH_FACTOR, DICT_HASH_ROTATION, DICT_INDEX, DICT_LIVE, DICT_SHIFT,
};
use ferdelance_abi::rtfn::RtFn;
use smallvec::smallvec;

use super::list::Form;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::{Inst, Op};
use crate::infer::dict::{DictOp, shown};
use crate::tir::{Bin, Cast, Cmp, Hint, Mem, Type, Value};
use crate::types::{Kind, Ty, View};

/// How the entries of a dict or a set look as items of a list: a hash, a key and a value.
pub fn entry(container: Ty) -> Option<Ty> {
    let hash = Ty::int(64, true);
    match container.kind() {
        Kind::Set { item, .. } => Some(Ty::tuple(&[hash, *item])),
        _ => container
            .dict_item()
            .map(|(key, value)| Ty::tuple(&[hash, key, value])),
    }
}

/// The dict that a value shows, and the dict's type.
fn shown_by(ty: Ty) -> Ty {
    match *ty.kind() {
        Kind::View(_, dict) => dict,
        _ => ty,
    }
}

/// Which parts of an entry are read or written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Hash,
    Key,
    Value,
    /// Key and value.
    Item,
}

impl Body<'_, '_, '_> {
    /// Instructions on dicts and sets that are not a call of the prelude and nothing else; `None` if it
    /// is none.
    pub(super) fn dict_inst(&mut self, inst: &Inst, ty: Ty) -> Result<Option<Vals>> {
        Ok(match &inst.op {
            Op::Dict(items) => {
                let room = self.b.i64(items.len() as i64);
                Some(smallvec![self.new_dict(ty, room)?])
            }
            Op::Set => {
                let room = self.b.i64(0);
                Some(smallvec![self.new_dict(ty, room)?])
            }
            // What it gives is the dict itself, whatever the prelude's function returns.
            Op::InPlace(_, dict, _)
                if matches!(
                    ty.kind(),
                    Kind::Dict { .. } | Kind::Set { frozen: false, .. }
                ) =>
            {
                let dict = self.get(*dict);
                let nothing = Typed::new(Ty::none(), Vals::new());
                self.call(inst.result, &nothing, Ty::none())?;
                Some(dict.vals)
            }
            _ => None,
        })
    }

    /// Calls that make dicts, and the private operations of the prelude.
    pub(super) fn dict_op(
        &mut self,
        op: DictOp,
        callee: &Typed,
        args: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        if op == DictOp::New {
            let room = self.b.i64(0);
            return Ok(smallvec![self.new_dict(ty, room)?]);
        }
        let receiver = match callee.ty.kind() {
            Kind::Method(receiver, method) => {
                let receiver = Typed::new(*receiver, callee.vals.clone());
                if matches!(receiver.ty.kind(), Kind::Keyed(..)) {
                    return self.keyed_method(&receiver, method);
                }
                receiver
            }
            _ => args[0].clone(),
        };
        let dict = receiver.vals[0];
        let number = |i: usize| args[i].vals[0];
        Ok(match op {
            DictOp::New => Vals::new(),
            DictOp::View => smallvec![dict],
            DictOp::Like => smallvec![number(1)],
            DictOp::AsKey => self.cast(&args[1], ty)?,
            DictOp::Hash => {
                let zero = self.b.i64(0);
                let hash = self.hash_key(zero, &args[1])?;
                let one = self.b.i64(1);
                smallvec![self.b.binary(Bin::Or, hash, one)]
            }
            DictOp::Cell => {
                let shift = self.dict_part(dict, DICT_SHIFT);
                smallvec![self.b.binary(Bin::LShr, number(1), shift)]
            }
            DictOp::Next => {
                let shift = self.dict_part(dict, DICT_SHIFT);
                let (all, one) = (self.b.i64(-1), self.b.i64(1));
                let mask = self.b.binary(Bin::LShr, all, shift);
                let next = self.b.binary(Bin::Add, number(1), one);
                smallvec![self.b.binary(Bin::And, next, mask)]
            }
            DictOp::Entry => {
                let index = self.dict_address(dict, DICT_INDEX);
                let index = self.b.load(Type::Ptr, index, 8, Mem::Header);
                let cell = self.b.element(index, number(1), 4);
                let cell = self.b.load(Type::I32, cell, 4, Mem::Header);
                let cell = self.b.cast(Cast::ZExt, cell, Type::I64);
                let one = self.b.i64(1);
                smallvec![self.b.binary_nsw(Bin::Sub, cell, one)]
            }
            DictOp::HasHash => {
                let hash = self.read_entry(&receiver, number(1), Of::Hash)?[0];
                smallvec![self.b.cmp(Cmp::Eq, hash, number(2))]
            }
            DictOp::Key => self.read_entry(&receiver, number(1), Of::Key)?,
            DictOp::Value => self.read_entry(&receiver, number(1), Of::Value)?,
            DictOp::Insert => {
                // Everything is converted before the entry is there.
                let mut vals = Vals::new();
                let (key, value) = self.key_and_value(receiver.ty)?;
                for (arg, to) in args[2..]
                    .iter()
                    .zip([Some(key), value].into_iter().flatten())
                {
                    vals.extend(self.cast(arg, to)?);
                }
                let at = self.rt_raising(RtFn::dict_insert, &[dict, number(1)])?[0];
                let form = self.entry_form(receiver.ty)?;
                let address = self.item_address(dict, at, &form);
                self.init_item(address, &form.parts[1..], &vals);
                Vals::new()
            }
            DictOp::SetValue => {
                let (key, value) = self.key_and_value(receiver.ty)?;
                let vals = self.cast(&args[2], value.unwrap_or(key))?;
                let form = self.entry_form(receiver.ty)?;
                let address = self.item_address(dict, number(1), &form);
                self.replace_item(address, &form.parts[1 + machine(key).len()..], &vals);
                Vals::new()
            }
            DictOp::Remove => {
                self.b.rt(RtFn::dict_remove, &[dict, number(1)]);
                Vals::new()
            }
            DictOp::Clear => {
                self.b.rt(RtFn::dict_clear, &[dict]);
                Vals::new()
            }
            DictOp::Copy => self.rt_raising(RtFn::dict_copy, &[dict])?[..1].into(),
            DictOp::End => smallvec![self.list_len(dict)],
            DictOp::IsThere => {
                let end = self.list_len(dict);
                let inside = self.b.cmp(Cmp::ULt, number(1), end);
                let (look, next) = (self.b.new_block(), self.b.new_block());
                let there = self.b.add_param(next, Type::I1);
                let no = self.b.bool(false);
                self.b.branch_with(inside, (look, &[]), (next, &[no]));
                self.b.switch_to(look);
                let is = self.is_there(&receiver, number(1))?;
                self.b.jump(next, &[is]);
                self.b.switch_to(next);
                smallvec![there]
            }
        })
    }

    // ---- the parts of a dict ----

    fn dict_address(&mut self, dict: Value, at: usize) -> Value {
        let at = self.b.i64(at as i64);
        self.b.offset(dict, at)
    }

    fn dict_part(&mut self, dict: Value, at: usize) -> Value {
        let ptr = self.dict_address(dict, at);
        self.b.load(Type::I64, ptr, 8, Mem::Header)
    }

    /// Number of items.
    pub(super) fn dict_len(&mut self, dict: Value) -> Value {
        self.dict_part(dict, DICT_LIVE)
    }

    fn key_and_value(&self, container: Ty) -> Result<(Ty, Option<Ty>)> {
        match container.key() {
            Some(key) => Ok((key, container.dict_item().map(|(_, value)| value))),
            None => Err(self.bug(format!("keys of {container}"))),
        }
    }

    fn entry_form(&self, container: Ty) -> Result<Form> {
        match entry(container) {
            Some(entry) => self.form(entry),
            None => Err(self.bug(format!("entries of {container}"))),
        }
    }

    fn new_dict(&mut self, ty: Ty, room: Value) -> Result<Value> {
        let form = self.entry_form(ty)?;
        let size = self.b.i64(i64::from(form.size));
        let objects = self.b.i64(form.objects.cast_signed());
        let owners = self.b.i64(form.owners.cast_signed());
        Ok(self.rt_raising(RtFn::dict_new, &[size, objects, owners, room])?[0])
    }

    /// A part of the entry at a position.
    fn read_entry(&mut self, dict: &Typed, at: Value, of: Of) -> Result<Vals> {
        let form = self.entry_form(dict.ty)?;
        let (key, _) = self.key_and_value(dict.ty)?;
        let value = 1 + machine(key).len();
        let parts = match of {
            Of::Hash => 0..1,
            Of::Key => 1..value,
            Of::Value => value..form.parts.len(),
            Of::Item => 1..form.parts.len(),
        };
        let address = self.item_address(dict.vals[0], at, &form);
        Ok(self.load_item_parts(address, &form.parts[parts]))
    }

    fn is_there(&mut self, dict: &Typed, at: Value) -> Result<Value> {
        let hash = self.read_entry(dict, at, Of::Hash)?[0];
        let removed = self.b.i64(0);
        Ok(self.b.cmp(Cmp::Ne, hash, removed))
    }

    // ---- hashing: crates/python/src/containers/hash.rs does the same to slots ----

    /// Goes on with a hash: over the numbers and texts that a key is made of.
    fn hash_key(&mut self, hash: Value, key: &Typed) -> Result<Value> {
        Ok(match key.ty.kind() {
            Kind::None => hash,
            Kind::Str => {
                let word = self.b.rt1(RtFn::str_hash, &[key.vals[0]]);
                self.hash_step(hash, word)
            }
            Kind::Buffer(..) => {
                let word = self.hash_bytes(key.vals[0]);
                self.hash_step(hash, word)
            }
            Kind::Time { .. } => self.hash_step(hash, key.vals[0]),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                let mut hash = hash;
                for i in 0..items.len() {
                    let item = self.item(key, i);
                    hash = self.hash_key(hash, &item)?;
                }
                hash
            }
            Kind::Optional(inner) => {
                let (present, next) = (self.b.new_block(), self.b.new_block());
                let result = self.b.add_param(next, Type::I64);
                self.b
                    .branch_with(key.vals[0], (present, &[]), (next, &[hash]));
                self.b.switch_to(present);
                let one = self.b.i64(1);
                let hash = self.hash_step(hash, one);
                let content = Typed::new(*inner, &key.vals[1..]);
                let hash = self.hash_key(hash, &content)?;
                self.b.jump(next, &[hash]);
                self.b.switch_to(next);
                result
            }
            Kind::Complex { .. } => {
                let wide = self.cast_number(key, Ty::complex(128));
                let hash = self.hash_float(hash, wide[0]);
                self.hash_float(hash, wide[1])
            }
            Kind::Float { .. } => {
                let wide = self.cast_number(key, Ty::float(64))[0];
                self.hash_float(hash, wide)
            }
            // Whatever the order is in which its items were put in.
            Kind::Set { .. } => {
                let end = self.list_len(key.vals[0]);
                let zero = self.b.i64(0);
                let sum = self.b.stack_slot(8, 8);
                self.b.store(sum, zero, 8, Mem::Stack);
                self.count_loop(end, |body, at| {
                    let item = body.read_entry(key, at, Of::Hash)?[0];
                    let before = body.b.load(Type::I64, sum, 8, Mem::Stack);
                    let after = body.b.binary(Bin::Add, before, item);
                    body.b.store(sum, after, 8, Mem::Stack);
                    Ok(())
                })?;
                let word = self.b.load(Type::I64, sum, 8, Mem::Stack);
                self.hash_step(hash, word)
            }
            _ if key.ty.is_integral() => {
                let wide = Ty::int(64, key.ty.is_signed());
                let word = self.cast_number(key, wide)[0];
                self.hash_step(hash, word)
            }
            _ => return Err(self.bug(format!("hash of {}", key.ty))),
        })
    }

    fn hash_float(&mut self, hash: Value, float: Value) -> Value {
        // -0.0 is equal to 0.0.
        let zero = self.b.float(Type::F64, 0.0);
        let float = self.b.binary(Bin::FAddExact, float, zero);
        let word = self.b.cast(Cast::Bits, float, Type::I64);
        self.hash_step(hash, word)
    }

    fn hash_step(&mut self, hash: Value, word: Value) -> Value {
        let mixed = if self.b.as_int(hash) == Some(0) {
            word
        } else {
            let up = self.b.i64(DICT_HASH_ROTATION.into());
            let down = self.b.i64((64 - DICT_HASH_ROTATION).into());
            let (high, low) = (
                self.b.binary(Bin::Shl, hash, up),
                self.b.binary(Bin::LShr, hash, down),
            );
            let rotated = self.b.binary(Bin::Or, high, low);
            self.b.binary(Bin::Xor, rotated, word)
        };
        let factor = self.b.i64(DICT_HASH_FACTOR.cast_signed());
        self.b.binary(Bin::Mul, mixed, factor)
    }

    // ---- iteration: the dict, a position, and how many items there have to be ----

    /// The first state over a dict, a set or a view; the last item comes first if `back`.
    pub(super) fn dict_iter(&mut self, value: &Typed, back: bool) -> Result<Vals> {
        let dict = value.vals[0];
        let start = if back {
            let (end, one) = (self.list_len(dict), self.b.i64(1));
            self.b.binary_nsw(Bin::Sub, end, one)
        } else {
            self.b.i64(0)
        };
        let position = self.seek(value, start, back)?;
        Ok(smallvec![dict, position, self.dict_len(dict)])
    }

    /// Whether there is an item at the position of a state.
    pub(super) fn dict_more(&mut self, over: Ty, state: &[Value]) -> Result<Value> {
        let len = self.dict_len(state[0]);
        let changed = self.b.cmp(Cmp::Ne, len, state[2]);
        let message = match over.kind() {
            Kind::Set { .. } => "Set changed size during iteration",
            _ => "dictionary changed size during iteration",
        };
        self.raise_if(changed, "RuntimeError", message)?;
        let end = self.list_len(state[0]);
        Ok(self.b.cmp(Cmp::ULt, state[1], end))
    }

    pub(super) fn dict_current(&mut self, over: Ty, state: &[Value]) -> Result<Typed> {
        let dict = Typed::one(shown_by(over), state[0]);
        let of = match over.kind() {
            Kind::View(View::Values, _) => Of::Value,
            Kind::View(View::Items, _) => Of::Item,
            _ => Of::Key,
        };
        let vals = self.read_entry(&dict, state[1], of)?;
        let ty = match *over.kind() {
            Kind::Set { item, .. } => item,
            _ => shown(over),
        };
        Ok(Typed::new(ty, vals))
    }

    pub(super) fn dict_next(&mut self, over: Ty, state: &[Value], back: bool) -> Result<Vals> {
        let value = Typed::one(over, state[0]);
        let step = self.b.i64(if back { -1 } else { 1 });
        let position = self.b.binary_nsw(Bin::Add, state[1], step);
        let position = self.seek(&value, position, back)?;
        Ok(smallvec![state[0], position, state[2]])
    }

    /// The first position from this one on where an entry is, or one outside.
    fn seek(&mut self, value: &Typed, from: Value, back: bool) -> Result<Value> {
        let dict = Typed::one(shown_by(value.ty), value.vals[0]);
        let (header, inside) = (self.b.new_block(), self.b.new_block());
        let (gap, done) = (self.b.new_block(), self.b.new_block());
        let position = self.b.add_param(header, Type::I64);
        self.b.jump(header, &[from]);
        self.b.switch_to(header);
        let end = self.list_len(dict.vals[0]);
        let is_inside = self.b.cmp(Cmp::ULt, position, end);
        self.b.branch(is_inside, inside, done, Hint::None);
        self.b.switch_to(inside);
        let there = self.is_there(&dict, position)?;
        self.b.branch(there, done, gap, Hint::None);
        self.b.switch_to(gap);
        let step = self.b.i64(if back { -1 } else { 1 });
        let next = self.b.binary_nsw(Bin::Add, position, step);
        self.b.jump(header, &[next]);
        self.b.switch_to(done);
        Ok(position)
    }
}
