//! Lists: items are read and written in place, what moves several of them is the runtime's.

use ferdelance_abi::layout::{LIST_CAPACITY, LIST_DATA, LIST_LEN, Order};
use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::{Body, Typed, Vals, machine};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{Arg, BinaryOp, Inst, Op};
use crate::infer::Resolution;
use crate::infer::list::ListOp;
use crate::tir::{Bin, Cmp, Hint, Mem, Type, Value};
use crate::types::{Kind, Ty};

/// How an item lies in a list: see `abi::layout::List`.
#[derive(Debug)]
pub struct Form {
    /// Bytes of an item.
    pub size: u32,
    /// The machine values and their offsets.
    pub(super) parts: SmallVec<[(Type, u32); 4]>,
    /// The slots that are runtime objects, and those that are owner words, as sets of bits.
    pub objects: u64,
    pub owners: u64,
}

impl Form {
    /// `None` if a reference lies past what the sets of bits can say.
    pub fn of(item: Ty) -> Option<Form> {
        let types = machine(item);
        let (mut objects, mut owners) = (0, 0);
        if let [one] = types[..]
            && !matches!(one, Type::Array(_))
        {
            objects = u64::from(one == Type::Obj);
            return Some(Form {
                size: one.bytes(),
                parts: smallvec![(one, 0)],
                objects,
                owners,
            });
        }
        let (mut parts, mut slot) = (SmallVec::new(), 0);
        for t in types {
            parts.push((t, slot * 8));
            if t.is_managed() {
                let bit = 1u64.checked_shl(slot)?;
                *(if t == Type::Obj {
                    &mut objects
                } else {
                    &mut owners
                }) |= bit;
            }
            slot += match t {
                Type::Array(rank) => 2 + 2 * u32::from(rank),
                _ => 1,
            };
        }
        Some(Form {
            size: slot * 8,
            parts,
            objects,
            owners,
        })
    }
}

impl Body<'_, '_, '_> {
    pub(super) fn form(&self, item: Ty) -> Result<Form> {
        Form::of(item).ok_or_else(|| {
            let loc = self.b.loc();
            let place = format!("{}:{}", loc.source.file, loc.line);
            Diagnostic::new(
                Code::UnsupportedValue,
                format!("{place}: items of type {item} are too large for a container"),
            )
            .help("put fewer values into each item, or use several containers")
        })
    }

    /// Instructions on lists, and operators that are calls of the prelude; `None` if it is none.
    pub(super) fn list_inst(&mut self, inst: &Inst, ty: Ty) -> Result<Option<Vals>> {
        let extends = matches!(inst.op, Op::InPlace(..)) && ty.list_item().is_some();
        if !extends
            && !matches!(inst.op, Op::Call { .. })
            && self.typing.calls.contains_key(&inst.result)
        {
            let nothing = Typed::new(Ty::none(), Vals::new());
            return self.call(inst.result, &nothing, ty).map(Some);
        }
        let vals = match &inst.op {
            Op::List(args) if ty.list_item().is_none() => self.tuple_display(args),
            Op::List(args) => self.list_display(args, ty)?,
            Op::Append(list, value) => {
                let (list, value) = (self.get(*list), self.get(*value));
                self.append(&list, &value)?;
                Vals::new()
            }
            Op::InPlace(BinaryOp::Add, list, more) if ty.list_item().is_some() => {
                let list = self.get(*list);
                if let Some(Resolution::Intrinsic { .. }) = self.typing.calls.get(&inst.result) {
                    let more = self.get(*more);
                    self.rt_raising(RtFn::list_extend, &[list.vals[0], more.vals[0]])?;
                } else {
                    let nothing = Typed::new(Ty::none(), Vals::new());
                    self.call(inst.result, &nothing, Ty::none())?;
                }
                list.vals
            }
            Op::InPlace(BinaryOp::Mul, list, n) if ty.list_item().is_some() => {
                let (list, n) = (self.get(*list), self.get(*n));
                let n = self.index_value(&n)?;
                self.rt_raising(RtFn::list_repeat_in_place, &[list.vals[0], n])?;
                list.vals
            }
            Op::Binary(BinaryOp::Add, a, b) if ty.list_item().is_some() => {
                let (a, b) = (self.get(*a), self.get(*b));
                self.rt_raising(RtFn::list_concat, &[a.vals[0], b.vals[0]])?[..1].into()
            }
            Op::Binary(BinaryOp::Mul, a, b) if ty.list_item().is_some() => {
                let (a, b) = (self.get(*a), self.get(*b));
                let (list, n) = if a.ty.list_item().is_some() {
                    (a, b)
                } else {
                    (b, a)
                };
                let n = self.index_value(&n)?;
                self.rt_raising(RtFn::list_repeat, &[list.vals[0], n])?[..1].into()
            }
            Op::DelItem(list, index) => {
                let (list, index) = (self.get(*list).vals[0], self.get(*index));
                let (start, count, step) = match *index.ty.kind() {
                    Kind::Slice(parts) => {
                        let len = self.list_len(list);
                        self.slice_indices(&index.vals, parts, len)?
                    }
                    _ => {
                        let at =
                            self.checked_index(list, &index, "list assignment index out of range")?;
                        let one = self.b.i64(1);
                        (at, one, one)
                    }
                };
                self.b.rt(RtFn::list_delete, &[list, start, count, step]);
                Vals::new()
            }
            Op::Unpack {
                value,
                before,
                star: true,
                after,
            } => {
                let value = self.get(*value);
                self.unpack_star(&value, *before as usize, *after as usize, ty)?
            }
            _ => return Ok(None),
        };
        Ok(Some(vals))
    }

    /// Methods, and calls that make lists.
    pub(super) fn list_op(
        &mut self,
        op: ListOp,
        callee: &Typed,
        args: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        let receiver = match *callee.ty.kind() {
            Kind::Method(receiver, _) => Typed::new(receiver, callee.vals.clone()),
            _ => args
                .first()
                .cloned()
                .unwrap_or_else(|| Typed::new(Ty::none(), Vals::new())),
        };
        if op == ListOp::New {
            let none = self.b.i64(0);
            return Ok(smallvec![
                self.new_list(ty.list_item().unwrap_or(ty), none)?
            ]);
        }
        let (list, item) = (
            receiver.vals[0],
            receiver.ty.list_item().unwrap_or(receiver.ty),
        );
        Ok(match op {
            ListOp::New => Vals::new(),
            ListOp::Append => {
                self.append(&receiver, &args[0])?;
                Vals::new()
            }
            ListOp::Extend => {
                self.rt_raising(RtFn::list_extend, &[list, args[0].vals[0]])?;
                Vals::new()
            }
            ListOp::Insert => {
                let index = self.index_value(&args[0])?;
                let vals = self.cast(&args[1], item)?;
                let form = self.form(item)?;
                let (len, zero) = (self.list_len(list), self.b.i64(0));
                let at = self.wrap_index(index, len);
                let at = self.b.binary(Bin::SMax, at, zero);
                let at = self.b.binary(Bin::SMin, at, len);
                self.rt_raising(RtFn::list_open, &[list, at])?;
                let ptr = self.item_address(list, at, &form);
                self.init_item(ptr, &form.parts, &vals);
                Vals::new()
            }
            ListOp::Pop => self.pop(list, item, args.first())?,
            ListOp::Clear => {
                let (zero, len, one) = (self.b.i64(0), self.list_len(list), self.b.i64(1));
                self.b.rt(RtFn::list_delete, &[list, zero, len, one]);
                Vals::new()
            }
            ListOp::Copy => smallvec![self.copy_list(list)?],
            ListOp::Reverse => {
                self.b.rt(RtFn::list_reverse, &[list]);
                Vals::new()
            }
            ListOp::Sort => {
                let order = match item.kind() {
                    Kind::Str => Order::Str,
                    Kind::Float { .. } => Order::Float,
                    Kind::Int { signed: true, .. } => Order::Signed,
                    _ => Order::Unsigned,
                };
                let order = self.b.i64(order as i64);
                let down = match args.first() {
                    Some(reverse) => self.truth(reverse)?,
                    None => self.b.bool(false),
                };
                self.b.rt(RtFn::list_sort, &[list, order, down]);
                Vals::new()
            }
        })
    }

    // ---- the parts of a list ----

    fn list_part(&mut self, list: Value, at: usize) -> Value {
        let at = self.b.i64(at as i64);
        self.b.offset(list, at)
    }

    pub(super) fn list_len(&mut self, list: Value) -> Value {
        let ptr = self.list_part(list, LIST_LEN);
        self.b.load(Type::I64, ptr, 8, Mem::Header)
    }

    pub(super) fn set_len(&mut self, list: Value, len: Value) {
        let ptr = self.list_part(list, LIST_LEN);
        self.b.store(ptr, len, 8, Mem::Header);
    }

    pub(super) fn item_address(&mut self, list: Value, index: Value, form: &Form) -> Value {
        let ptr = self.list_part(list, LIST_DATA);
        let data = self.b.load(Type::Ptr, ptr, 8, Mem::Header);
        self.b.element(data, index, form.size)
    }

    fn part_address(&mut self, item: Value, offset: u32) -> Value {
        let offset = self.b.i64(i64::from(offset));
        self.b.offset(item, offset)
    }

    /// The item at an index known to be inside.
    pub(super) fn load_item(&mut self, list: Value, item: Ty, index: Value) -> Result<Vals> {
        let form = self.form(item)?;
        let address = self.item_address(list, index, &form);
        Ok(self.load_item_parts(address, &form.parts))
    }

    /// Some parts of an item.
    pub(super) fn load_item_parts(&mut self, item: Value, parts: &[(Type, u32)]) -> Vals {
        let mut vals = Vals::new();
        for &(t, offset) in parts {
            let ptr = self.part_address(item, offset);
            vals.push(self.b.load(t, ptr, t.bytes().min(8) as u8, Mem::Items));
        }
        vals
    }

    /// Writes an item where none is.
    pub(super) fn init_item(&mut self, address: Value, parts: &[(Type, u32)], vals: &[Value]) {
        for (&(t, offset), &v) in parts.iter().zip(vals) {
            let ptr = self.part_address(address, offset);
            self.b.store(ptr, v, t.bytes().min(8) as u8, Mem::Items);
        }
    }

    /// Writes an item in place of another, which is released.
    pub(super) fn replace_item(&mut self, address: Value, parts: &[(Type, u32)], vals: &[Value]) {
        for (&(t, offset), &v) in parts.iter().zip(vals) {
            let ptr = self.part_address(address, offset);
            if t.is_managed() {
                self.b.exchange(ptr, v);
            } else {
                self.b.store(ptr, v, t.bytes().min(8) as u8, Mem::Items);
            }
        }
    }

    // ---- operations ----

    pub(super) fn new_list(&mut self, item: Ty, capacity: Value) -> Result<Value> {
        let form = self.form(item)?;
        let size = self.b.i64(i64::from(form.size));
        let objects = self.b.i64(form.objects.cast_signed());
        let owners = self.b.i64(form.owners.cast_signed());
        Ok(self.rt_raising(RtFn::list_new, &[size, objects, owners, capacity])?[0])
    }

    fn copy_list(&mut self, list: Value) -> Result<Value> {
        let (zero, len, one) = (self.b.i64(0), self.list_len(list), self.b.i64(1));
        Ok(self.rt_raising(RtFn::list_slice, &[list, zero, len, one])?[0])
    }

    /// `[a, b, *c]`
    fn list_display(&mut self, args: &[Arg], ty: Ty) -> Result<Vals> {
        let item = ty.list_item().unwrap_or(ty);
        let plain = args
            .iter()
            .take_while(|a| matches!(a, Arg::Plain(_)))
            .count();
        // All conversions before the list is there: items are written without a check in between.
        let mut items = vec![];
        for arg in &args[..plain] {
            if let Arg::Plain(v) = *arg {
                let value = self.get(v);
                items.push(self.cast(&value, item)?);
            }
        }
        let count = self.b.i64(plain as i64);
        let list = self.new_list(item, count)?;
        let form = self.form(item)?;
        for (i, vals) in items.iter().enumerate() {
            let at = self.b.i64(i as i64);
            let address = self.item_address(list, at, &form);
            self.init_item(address, &form.parts, vals);
        }
        if plain > 0 {
            self.set_len(list, count);
        }
        let list = Typed::one(ty, list);
        for arg in &args[plain..] {
            match *arg {
                Arg::Plain(v) => {
                    let value = self.get(v);
                    self.append(&list, &value)?;
                }
                Arg::Star(v) => {
                    let value = self.get(v);
                    self.append_all(&list, &value)?;
                }
            }
        }
        Ok(list.vals)
    }

    fn append(&mut self, list: &Typed, value: &Typed) -> Result<()> {
        let item = list.ty.list_item().unwrap_or(list.ty);
        let vals = self.cast(value, item)?;
        let form = self.form(item)?;
        let list = list.vals[0];
        let len = self.list_len(list);
        let room = self.list_part(list, LIST_CAPACITY);
        let room = self.b.load(Type::I64, room, 8, Mem::Header);
        let full = self.b.cmp(Cmp::SGe, len, room);
        let one = self.b.i64(1);
        let (grow, write) = (self.b.new_block(), self.b.new_block());
        self.b.branch(full, grow, write, Hint::Unlikely);
        self.b.switch_to(grow);
        self.rt_raising(RtFn::list_reserve, &[list, one])?;
        self.b.jump(write, &[]);
        self.b.switch_to(write);
        let address = self.item_address(list, len, &form);
        self.init_item(address, &form.parts, &vals);
        let len = self.b.binary_nsw(Bin::Add, len, one);
        self.set_len(list, len);
        Ok(())
    }

    /// Appends what an iterable yields.
    fn append_all(&mut self, list: &Typed, values: &Typed) -> Result<()> {
        if let Some(items) = values.ty.tuple_items() {
            for i in 0..items.len() {
                let value = self.item(values, i);
                self.append(list, &value)?;
            }
            return Ok(());
        }
        if values.ty.strong() == list.ty.strong() {
            self.rt_raising(RtFn::list_extend, &[list.vals[0], values.vals[0]])?;
            return Ok(());
        }
        self.each_item(values, |body, value, _| body.append(list, value))
    }

    /// An index, from the end if negative, that is inside the list.
    fn checked_index(&mut self, list: Value, index: &Typed, message: &str) -> Result<Value> {
        let index = self.unwrap(index)?;
        let signed = index.ty.is_signed();
        let index = self.index_value(&index)?;
        let len = self.list_len(list);
        let at = if signed {
            self.wrap_index(index, len)
        } else {
            index
        };
        let outside = self.b.cmp(Cmp::UGe, at, len);
        self.raise_if(outside, "IndexError", message)?;
        Ok(at)
    }

    pub(super) fn list_get(&mut self, list: Value, item: Ty, index: &Typed) -> Result<Vals> {
        if let Kind::Slice(parts) = *index.ty.kind() {
            let len = self.list_len(list);
            let (start, count, step) = self.slice_indices(&index.vals, parts, len)?;
            return Ok(self.rt_raising(RtFn::list_slice, &[list, start, count, step])?[..1].into());
        }
        let at = self.checked_index(list, index, "list index out of range")?;
        self.load_item(list, item, at)
    }

    pub(super) fn list_set(
        &mut self,
        list: Value,
        item: Ty,
        index: &Typed,
        new: &Typed,
    ) -> Result<()> {
        let form = self.form(item)?;
        if let Kind::Slice(parts) = *index.ty.kind() {
            return self.set_slice(list, item, index, parts, new.vals[0]);
        }
        let vals = self.cast(new, item)?;
        let at = self.checked_index(list, index, "list assignment index out of range")?;
        let address = self.item_address(list, at, &form);
        self.replace_item(address, &form.parts, &vals);
        Ok(())
    }

    fn set_slice(
        &mut self,
        list: Value,
        item: Ty,
        index: &Typed,
        parts: [bool; 3],
        new: Value,
    ) -> Result<()> {
        let len = self.list_len(list);
        let (start, count, step) = self.slice_indices(&index.vals, parts, len)?;
        if self.b.as_int(step) == Some(1) {
            self.rt_raising(RtFn::list_replace, &[list, start, count, new])?;
            return Ok(());
        }
        // Item by item, from a copy: it may be the list itself.
        let new = self.copy_list(new)?;
        let given = self.list_len(new);
        let wrong = self.b.cmp(Cmp::Ne, given, count);
        self.raise_if(
            wrong,
            "ValueError",
            "attempt to assign a sequence of another size to an extended slice",
        )?;
        let form = self.form(item)?;
        self.count_loop(count, |body, i| {
            let vals = body.load_item(new, item, i)?;
            let distance = body.b.binary_nsw(Bin::Mul, i, step);
            let at = body.b.binary_nsw(Bin::Add, start, distance);
            let address = body.item_address(list, at, &form);
            body.replace_item(address, &form.parts, &vals);
            Ok(())
        })
    }

    fn pop(&mut self, list: Value, item: Ty, index: Option<&Typed>) -> Result<Vals> {
        let form = self.form(item)?;
        let len = self.list_len(list);
        let zero = self.b.i64(0);
        let empty = self.b.cmp(Cmp::Eq, len, zero);
        self.raise_if(empty, "IndexError", "pop from empty list")?;
        let at = match index {
            Some(index) => self.checked_index(list, index, "pop index out of range")?,
            None => {
                let one = self.b.i64(1);
                self.b.binary_nsw(Bin::Sub, len, one)
            }
        };
        let address = self.item_address(list, at, &form);
        let mut vals = Vals::new();
        for &(t, offset) in &form.parts {
            let ptr = self.part_address(address, offset);
            vals.push(if t.is_managed() {
                // Nothing stays there.
                let nothing = self.b.undef(t);
                self.b.exchange(ptr, nothing)
            } else {
                self.b.load(t, ptr, t.bytes().min(8) as u8, Mem::Items)
            });
        }
        if index.is_some() {
            self.b.rt(RtFn::list_close, &[list, at]);
        } else {
            self.set_len(list, at);
        }
        Ok(vals)
    }

    /// `a, *b, c = value`: the items, and a list of those between.
    fn unpack_star(&mut self, value: &Typed, before: usize, after: usize, ty: Ty) -> Result<Vals> {
        let types = ty.tuple_items().unwrap_or_default();
        let list_ty = types[before];
        let item = list_ty.list_item().unwrap_or(list_ty);
        let zero = self.b.i64(0);
        if let Some(items) = value.ty.tuple_items() {
            let list = Typed::one(list_ty, self.new_list(item, zero)?);
            let (mut vals, end) = (Vals::new(), items.len() - after);
            for i in 0..items.len() {
                if i == before {
                    vals.extend(list.vals.iter().copied());
                }
                let one = self.item(value, i);
                if (before..end).contains(&i) {
                    self.append(&list, &one)?;
                } else {
                    vals.extend(one.vals);
                }
            }
            if before == items.len() {
                vals.extend(list.vals);
            }
            return Ok(vals);
        }
        let len = self.sequence_len(value)?;
        let fixed = self.b.i64((before + after) as i64);
        let few = self.b.cmp(Cmp::SLt, len, fixed);
        self.raise_if(
            few,
            "ValueError",
            &format!(
                "not enough values to unpack (expected at least {})",
                before + after
            ),
        )?;
        let count = self.b.binary_nsw(Bin::Sub, len, fixed);
        let list = Typed::one(list_ty, self.new_list(item, count)?);
        let start = self.b.i64(before as i64);
        self.count_loop(count, |body, i| {
            let at = body.b.binary_nsw(Bin::Add, start, i);
            let one = body.item_in_bounds(value, at)?;
            body.append(&list, &one)
        })?;
        let end = self.b.binary_nsw(Bin::Add, start, count);
        let mut vals = Vals::new();
        for i in 0..before + after {
            if i == before {
                vals.extend(list.vals.iter().copied());
            }
            let at = if i < before {
                self.b.i64(i as i64)
            } else {
                let k = self.b.i64((i - before) as i64);
                self.b.binary_nsw(Bin::Add, end, k)
            };
            vals.extend(self.item_in_bounds(value, at)?.vals);
        }
        if after == 0 {
            vals.extend(list.vals);
        }
        Ok(vals)
    }
}
