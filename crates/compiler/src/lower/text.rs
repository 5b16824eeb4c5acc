//! Texts: str, repr, print; and hash.

use ferdelance_abi::rtfn::RtFn;

use super::{Body, Typed};
use crate::diag::Result;
use crate::tir::{Cmp, Hint, PoolEntry, Type, Value};
use crate::types::{Kind, Ty, View};

/// Start of CPython's tuple hash (xxHash's fifth prime).
const TUPLE_HASH_START: i64 = 2_870_177_450_012_600_261;

impl Body<'_, '_, '_> {
    fn literal(&mut self, text: &str) -> Value {
        let id = self.cx.program.pool_id(PoolEntry::Str(text.into()));
        self.b.pool(id, Type::Obj)
    }

    /// `str(x)` of a number or a string.
    pub(super) fn str_of(&mut self, value: &Typed) -> Result<Value> {
        Ok(match value.ty.kind() {
            Kind::Str => value.vals[0],
            Kind::Chars { .. } => self.chars_to_str(value),
            Kind::Bool => self.b.rt1(RtFn::str_from_bool, &[value.vals[0]]),
            Kind::Int { signed, .. } => {
                let wide = self.cast_number(value, Ty::int(64, *signed))[0];
                self.b.rt1(
                    if *signed {
                        RtFn::str_from_i64
                    } else {
                        RtFn::str_from_u64
                    },
                    &[wide],
                )
            }
            Kind::Float { bits: 32, .. } => self.b.rt1(RtFn::str_from_f32, &[value.vals[0]]),
            Kind::Float { .. } => self.b.rt1(RtFn::str_from_f64, &[value.vals[0]]),
            Kind::Complex { .. } => {
                let wide = self.cast_number(value, Ty::complex(128));
                self.b.rt1(RtFn::str_from_complex, &[wide[0], wide[1]])
            }
            _ => return Err(self.bug(format!("str of {}", value.ty))),
        })
    }

    pub(super) fn repr_of(&mut self, value: &Typed) -> Result<Value> {
        if value.ty.is_str() {
            return Ok(self.b.rt1(RtFn::str_repr, &[value.vals[0]]));
        }
        self.str_of(value)
    }

    /// `print(...)`.
    pub(super) fn print(&mut self, args: &[Typed]) -> Result<()> {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.print_text(" ");
            }
            self.print_value(arg, false)?;
        }
        self.print_text("\n");
        self.rt_raising(RtFn::print_end, &[])?;
        Ok(())
    }

    fn print_text(&mut self, text: &str) {
        let text = self.literal(text);
        self.b.rt(RtFn::print_str, &[text]);
    }

    fn print_value(&mut self, value: &Typed, repr: bool) -> Result<()> {
        match value.ty.kind() {
            Kind::None => self.print_text("None"),
            Kind::Tuple(items) => {
                self.print_text("(");
                for i in 0..items.len() {
                    if i > 0 {
                        self.print_text(", ");
                    }
                    let item = self.item(value, i);
                    self.print_value(&item, true)?;
                }
                self.print_text(if items.len() == 1 { ",)" } else { ")" });
            }
            Kind::List(_) => {
                self.print_text("[");
                self.print_items(value)?;
                self.print_text("]");
            }
            Kind::Dict { item, .. } => {
                self.print_text("{");
                self.print_items(&Typed::new(
                    Ty::new(Kind::View(View::Items, Ty::dict(*item))),
                    value.vals.clone(),
                ))?;
                self.print_text("}");
            }
            Kind::Set { frozen, .. } => {
                let len = self.sequence_len(value)?;
                let zero = self.b.i64(0);
                let is_empty = self.b.cmp(Cmp::Eq, len, zero);
                let (empty, items) = (self.b.new_block(), self.b.new_block());
                let next = self.b.new_block();
                self.b.branch(is_empty, empty, items, Hint::None);
                self.b.switch_to(empty);
                self.print_text(if *frozen { "frozenset()" } else { "set()" });
                self.b.jump(next, &[]);
                self.b.switch_to(items);
                self.print_text(if *frozen { "frozenset({" } else { "{" });
                self.print_items(value)?;
                self.print_text(if *frozen { "})" } else { "}" });
                self.b.jump(next, &[]);
                self.b.switch_to(next);
            }
            Kind::Optional(inner) => {
                let (present, absent, next) =
                    (self.b.new_block(), self.b.new_block(), self.b.new_block());
                self.b.branch(value.vals[0], present, absent, Hint::None);
                self.b.switch_to(present);
                let content = Typed::new(*inner, &value.vals[1..]);
                self.print_value(&content, repr)?;
                self.b.jump(next, &[]);
                self.b.switch_to(absent);
                self.print_text("None");
                self.b.jump(next, &[]);
                self.b.switch_to(next);
            }
            _ => {
                let text = if repr {
                    self.repr_of(value)?
                } else {
                    self.str_of(value)?
                };
                self.b.rt(RtFn::print_str, &[text]);
            }
        }
        Ok(())
    }

    /// What an iterable yields, with commas in between; the items of a dict as `key: value`.
    fn print_items(&mut self, values: &Typed) -> Result<()> {
        let is_dict = matches!(values.ty.kind(), Kind::View(View::Items, _));
        self.each_item(values, |body, value, is_first| {
            let (item, comma) = (body.b.new_block(), body.b.new_block());
            body.b.branch(is_first, item, comma, Hint::None);
            body.b.switch_to(comma);
            body.print_text(", ");
            body.b.jump(item, &[]);
            body.b.switch_to(item);
            if !is_dict {
                return body.print_value(value, true);
            }
            let (key, value) = (body.item(value, 0), body.item(value, 1));
            body.print_value(&key, true)?;
            body.print_text(": ");
            body.print_value(&value, true)
        })
    }

    /// `hash(x)`, equal to CPython's.
    pub(super) fn hash(&mut self, value: &Typed) -> Result<Value> {
        Ok(match value.ty.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                let mut acc = self.b.i64(TUPLE_HASH_START);
                for i in 0..items.len() {
                    let item = self.item(value, i);
                    let lane = self.hash(&item)?;
                    acc = self.b.rt1(RtFn::hash_tuple_step, &[acc, lane]);
                }
                let len = self.b.i64(items.len() as i64);
                self.b.rt1(RtFn::hash_tuple_end, &[acc, len])
            }
            Kind::Str => self.b.rt1(RtFn::str_hash, &[value.vals[0]]),
            Kind::Buffer(..) => self.hash_bytes(value.vals[0]),
            Kind::Chars { .. } => {
                let text = self.text(value)?;
                self.hash(&text)?
            }
            Kind::Float { .. } => {
                let wide = self.cast_number(value, Ty::float(64))[0];
                self.b.rt1(RtFn::hash_f64, &[wide])
            }
            Kind::Complex { .. } => {
                let wide = self.cast_number(value, Ty::complex(128));
                self.b.rt1(RtFn::hash_complex, &[wide[0], wide[1]])
            }
            Kind::None => self.b.i64(0xfca8_6420),
            _ => {
                let signed = value.ty.is_signed() || value.ty.is_bool();
                let wide = self.cast_number(value, Ty::int(64, signed))[0];
                self.b.rt1(
                    if signed {
                        RtFn::hash_i64
                    } else {
                        RtFn::hash_u64
                    },
                    &[wide],
                )
            }
        })
    }
}
