//! Dict displays with known keys and values of different types: lists of one item, the tuple of the values,
//! so that all who have such a dict see the same values.

use smallvec::{SmallVec, smallvec};

use super::list::Form;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::hir::{Inst, Op};
use crate::host::Const;
use crate::infer::keyed::position;
use crate::tir::{Type, Value};
use crate::types::{Kind, Ty};

/// Where a value lies.
struct Place {
    /// The address of the tuple.
    tuple: Value,
    parts: SmallVec<[(Type, u32); 4]>,
    ty: Ty,
}

impl Body<'_, '_, '_> {
    /// Instructions on such dicts; `None` if it is none.
    pub(super) fn keyed_inst(&mut self, inst: &Inst, ty: Ty) -> Result<Option<Vals>> {
        match &inst.op {
            Op::Dict(items) => {
                let Kind::Keyed(_, types) = ty.kind() else {
                    return Ok(None);
                };
                let mut vals = Vals::new();
                for ((_, value), &to) in items.iter().zip(types) {
                    let value = self.get(*value);
                    vals.extend(self.cast(&value, to)?);
                }
                let (item, one) = (Ty::tuple(types), self.b.i64(1));
                let list = self.new_list(item, one)?;
                let (address, form) = self.only_item(list, types)?;
                self.init_item(address, &form.parts, &vals);
                self.set_len(list, one);
                Ok(Some(smallvec![list]))
            }
            Op::DictSet(dict, ..) => {
                let is_keyed = matches!(self.ty(*dict).kind(), Kind::Keyed(..));
                Ok(is_keyed.then(Vals::new))
            }
            Op::GetItem(dict, key) => {
                let place = self.value_under(*dict, *key)?;
                Ok(place.map(|place| self.load_item_parts(place.tuple, &place.parts)))
            }
            Op::SetItem(dict, key, new) => {
                let Some(place) = self.value_under(*dict, *key)? else {
                    return Ok(None);
                };
                let new = self.get(*new);
                let vals = self.cast(&new, place.ty)?;
                self.replace_item(place.tuple, &place.parts, &vals);
                Ok(Some(Vals::new()))
            }
            _ => Ok(None),
        }
    }

    /// `d.keys()`, `d.values()`, `d.items()`: tuples.
    pub(super) fn keyed_method(&mut self, dict: &Typed, method: &str) -> Result<Vals> {
        let Kind::Keyed(keys, types) = dict.ty.kind() else {
            return Err(self.bug(format!("keys of {}", dict.ty)));
        };
        let (address, form) = self.only_item(dict.vals[0], types)?;
        let mut vals = Vals::new();
        let mut at = 0;
        for (key, &ty) in keys.iter().zip(types) {
            if method != "values" {
                let key = Const::Str((**key).into());
                vals.extend(self.constant(Ty::str(), &key));
            }
            let end = at + machine(ty).len();
            if method != "keys" {
                vals.extend(self.load_item_parts(address, &form.parts[at..end]));
            }
            at = end;
        }
        Ok(vals)
    }

    /// The tuple of the values.
    fn only_item(&mut self, list: Value, types: &[Ty]) -> Result<(Value, Form)> {
        let form = self.form(Ty::tuple(types))?;
        let first = self.b.i64(0);
        Ok((self.item_address(list, first, &form), form))
    }

    /// Where the value under a key lies; `None` if it is no such dict.
    fn value_under(
        &mut self,
        dict: crate::hir::Value,
        key: crate::hir::Value,
    ) -> Result<Option<Place>> {
        let Kind::Keyed(_, types) = self.ty(dict).kind() else {
            return Ok(None);
        };
        let dict = self.get(dict);
        let key = &self.typing.values[key.index()].constant;
        let Some(at) = position(dict.ty, key) else {
            return Err(self.bug("a key that is not there"));
        };
        let start: usize = types[..at].iter().map(|t| machine(*t).len()).sum();
        let (tuple, form) = self.only_item(dict.vals[0], types)?;
        let ty = types[at];
        let parts = form.parts[start..][..machine(ty).len()].into();
        Ok(Some(Place { tuple, parts, ty }))
    }
}
