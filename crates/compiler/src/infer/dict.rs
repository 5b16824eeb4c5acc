//! Typing of dicts and sets.
//!
//! What they do is written in the prelude (`prelude/dicts.py`), over a few operations on entries
//! ([`DictOp`]) that lowering knows; here it is decided which of its functions an instruction calls, and
//! what is put in by it. Where keys and values get their types from, [`super::sites`] says.

use super::call::{ArgRef, Bound, Resolution, signature};
use super::intrinsic::{Intrinsic, binary_names, compare_names};
use super::op::{plain, ty_of};
use super::sites::{arg_ref, known, put, relate, relate_types};
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Result};
use crate::hir::{BinaryOp, CompareOp, Inst, Name, Op, Value};
use crate::host::Const;
use crate::types::promote::{self, Fit};
use crate::types::{Kind, Ty, View, join};

/// What the compiler itself does with a dict or a set. Entries are named by their positions, from 0 on;
/// -1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictOp {
    /// `{}`, `dict()`, `set()`
    New,
    /// `d.keys()`, `d.values()`, `d.items()`
    View,
    /// `np._dict_like(s, t)`: the second one.
    Like,
    /// `np._dict_as_key(d, key)`: the key, converted to the type of the dict's keys.
    AsKey,
    /// `np._dict_hash(d, key)`, of a key of the dict's own type.
    Hash,
    /// `np._dict_cell(d, hash)`: where in the index to begin to look for a hash.
    Cell,
    /// `np._dict_next(d, cell)`: where to go on.
    Next,
    /// `np._dict_entry(d, cell)`: the entry that a cell leads to.
    Entry,
    /// `np._dict_has_hash(d, at, hash)`
    HasHash,
    /// `np._dict_key(d, at)`
    Key,
    /// `np._dict_value(d, at)`
    Value,
    /// `np._dict_insert(d, hash, key, value)`, for sets without the value.
    Insert,
    /// `np._dict_set_value(d, at, value)`
    SetValue,
    /// `np._dict_remove(d, at)`
    Remove,
    /// `np._dict_clear(d)`
    Clear,
    /// `np._dict_copy(d)`
    Copy,
    /// `np._dict_end(d)`: the position behind the last entry. The one before it is there, others may have been
    /// removed.
    End,
    /// `np._dict_is_there(d, at)`: whether there is an entry at a position.
    IsThere,
}

impl DictOp {
    /// The private name of the prelude.
    fn by_name(name: &str) -> Option<DictOp> {
        Some(match name {
            "as_key" => DictOp::AsKey,
            "hash" => DictOp::Hash,
            "cell" => DictOp::Cell,
            "next" => DictOp::Next,
            "entry" => DictOp::Entry,
            "has_hash" => DictOp::HasHash,
            "key" => DictOp::Key,
            "value" => DictOp::Value,
            "insert" => DictOp::Insert,
            "set_value" => DictOp::SetValue,
            "remove" => DictOp::Remove,
            "clear" => DictOp::Clear,
            "copy" => DictOp::Copy,
            "end" => DictOp::End,
            "is_there" => DictOp::IsThere,
            _ => return None,
        })
    }

    fn result(self, dict: Ty) -> Ty {
        let key = dict.key().unwrap_or(dict);
        match self {
            DictOp::New | DictOp::View | DictOp::Like | DictOp::Copy => dict,
            DictOp::AsKey | DictOp::Key => key,
            DictOp::Value => dict.dict_item().map_or(dict, |(_, value)| value),
            DictOp::Hash | DictOp::Cell | DictOp::Next | DictOp::Entry | DictOp::End => {
                Ty::py_int()
            }
            DictOp::HasHash | DictOp::IsThere => Ty::bool(),
            DictOp::Insert | DictOp::SetValue | DictOp::Remove | DictOp::Clear => Ty::none(),
        }
    }
}

/// The class whose instances Python shares with compiled code.
const TYPED: &str = "ferdelance.typed.Dict";

const DICT_METHODS: &[&str] = &[
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];

const SET_METHODS: &[&str] = &[
    "add",
    "clear",
    "copy",
    "difference",
    "difference_update",
    "discard",
    "intersection",
    "intersection_update",
    "isdisjoint",
    "issubset",
    "issuperset",
    "pop",
    "remove",
    "symmetric_difference",
    "symmetric_difference_update",
    "union",
    "update",
];

/// Those that change nothing.
const FROZEN_METHODS: &[&str] = &[
    "copy",
    "difference",
    "intersection",
    "isdisjoint",
    "issubset",
    "issuperset",
    "symmetric_difference",
    "union",
];

/// The methods of dicts, of sets, and of the class `dict`.
pub(super) fn methods(ty: Ty) -> Option<&'static [&'static str]> {
    match ty.kind() {
        Kind::Dict { .. } => Some(DICT_METHODS),
        Kind::Set { frozen: true, .. } => Some(FROZEN_METHODS),
        Kind::Set { .. } => Some(SET_METHODS),
        Kind::Builtin(name) if &**name == "builtins.dict" => Some(&["fromkeys"]),
        Kind::Builtin(name) if &**name == TYPED => Some(&["empty"]),
        _ => None,
    }
}

/// What iterating over a dict, or over what it shows, gives.
pub fn shown(ty: Ty) -> Ty {
    let (view, dict) = match *ty.kind() {
        Kind::View(view, dict) => (view, dict),
        _ => (View::Keys, ty),
    };
    match (view, dict.kind(), dict.dict_item()) {
        (View::Items, Kind::Dict { item, .. }, _) => *item,
        (View::Keys, _, Some((key, _))) => key,
        (View::Values, _, Some((_, value))) => value,
        _ => dict,
    }
}

fn is_dict(ty: Ty) -> bool {
    matches!(ty.kind(), Kind::Dict { .. })
}

fn is_set(ty: Ty) -> bool {
    matches!(ty.kind(), Kind::Set { .. })
}

/// A set, or a view of a dict that can be used as one.
fn is_like_a_set(ty: Ty) -> bool {
    is_set(ty) || matches!(ty.kind(), Kind::View(View::Keys | View::Items, _))
}

/// Whether values of a type can be keys.
fn can_be_key(ty: Ty) -> bool {
    match ty.kind() {
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => items.iter().all(|t| can_be_key(*t)),
        Kind::Optional(inner)
        | Kind::Set {
            item: inner,
            frozen: true,
        } => can_be_key(*inner),
        Kind::Str | Kind::None | Kind::Chars { .. } | Kind::Time { .. } | Kind::Unknown => true,
        _ => ty.is_scalar() || ty.is_bytes(),
    }
}

/// The type under which a key is kept: texts of arrays are strings.
fn kept(frame: &Frame, key: Ty) -> Result<Ty> {
    if can_be_key(key) {
        return Ok(super::buffer::text(key));
    }
    Err(frame
        .error(
            Code::BadArguments,
            format!("unhashable type: a value of type {key} cannot be a key of a dict or an item of a set"),
        )
        .help("numbers, strings, bytes, dates, None, and tuples and frozensets of these can be keys"))
}

/// The result of a call, and what it resolves to.
type Called = Result<(AbsVal, Resolution)>;

fn intrinsic(value: AbsVal, what: Intrinsic, args: &[ArgRef]) -> (AbsVal, Resolution) {
    (
        value,
        Resolution::Intrinsic {
            what,
            args: args.into(),
            keywords: vec![],
        },
    )
}

/// A call on a dict or a set whose items are not known yet, with what it gives while it is empty.
fn while_empty(value: AbsVal) -> (AbsVal, Resolution) {
    intrinsic(value, Intrinsic::Known, &[])
}

impl Session<'_> {
    /// What a private name of the prelude does; `None` if it is none of those on dicts.
    pub(super) fn dict_builtin(
        &self,
        frame: &Frame,
        name: &str,
        args: &[ArgRef],
    ) -> Result<Option<(AbsVal, Intrinsic)>> {
        let (Some(name), Some(dict)) = (name.strip_prefix("numpy._dict_"), args.first()) else {
            return Ok(None);
        };
        let dict = dict.ty();
        match (name, dict.kind()) {
            // `np._dict_shown(d.keys())`: the dict.
            ("shown", Kind::View(_, dict)) => {
                return Ok(Some((AbsVal::of(*dict), Intrinsic::Dict(DictOp::View))));
            }
            // `np._dict_is_set(x)`: whether asking what is in it is quick.
            // `np._dict_is_dict(x)`: a dict of either kind.
            ("is_dict", _) => return Ok(Some((AbsVal::bool(is_dict(dict)), Intrinsic::Known))),
            // `np._dict_thawed(s)`: a set, `np._dict_like(s, t)`: `t`, frozen if `s` is.
            ("thawed", Kind::Set { item, .. }) => {
                return Ok(Some((
                    AbsVal::of(Ty::set(*item)),
                    Intrinsic::Dict(DictOp::View),
                )));
            }
            ("like", kind) if let [_, set] = args => {
                let frozen = matches!(kind, Kind::Set { frozen: true, .. });
                let item = set.ty().contents().unwrap_or(dict);
                let ty = Ty::new(Kind::Set { item, frozen });
                return Ok(Some((AbsVal::of(ty), Intrinsic::Dict(DictOp::Like))));
            }
            ("frozen", Kind::Set { item, .. }) => {
                let ty = Ty::new(Kind::Set {
                    item: *item,
                    frozen: true,
                });
                return Ok(Some((AbsVal::of(ty), Intrinsic::Dict(DictOp::View))));
            }
            ("is_set", _) => {
                return Ok(Some((AbsVal::bool(is_like_a_set(dict)), Intrinsic::Known)));
            }
            _ => {}
        }
        // `np._dict_takes(d, key)`
        if let ("takes", Some(key), [_, given]) = (name, dict.key(), args) {
            return Ok(Some((
                AbsVal::bool(takes(frame, dict, key, given.ty())?),
                Intrinsic::Known,
            )));
        }
        Ok(DictOp::by_name(name).map(|op| (AbsVal::of(op.result(dict)), Intrinsic::Dict(op))))
    }

    /// Instructions on dicts and sets; `None` if it is none.
    pub(super) fn dict_inst(&mut self, frame: &mut Frame, inst: &Inst) -> Result<Option<AbsVal>> {
        let ty = |frame: &Frame, v: Value| ty_of(frame.val(v));
        match &inst.op {
            Op::Dict(_) => {
                let item = frame.sites.site(inst.result);
                Ok(Some(AbsVal::of(Ty::dict(item))))
            }
            Op::Set => {
                let item = frame.sites.site(inst.result);
                Ok(Some(AbsVal::of(Ty::set(item))))
            }
            Op::DictSet(dict, key, value) | Op::SetItem(dict, key, value)
                if is_dict(ty(frame, *dict)) =>
            {
                self.dict_put(frame, *dict, *key, *value)?;
                let bound = [*dict, *key, *value];
                self.dict_function(frame, inst.result, "dict_setitem", &bound)?;
                Ok(Some(AbsVal::of(Ty::none())))
            }
            Op::SetAdd(set, item) => {
                let item_ty = kept(frame, ty(frame, *item))?;
                put(frame, *set, item_ty, None, "add")?;
                self.dict_function(frame, inst.result, "set_add", &[*set, *item])?;
                Ok(Some(AbsVal::of(Ty::none())))
            }
            Op::GetItem(dict, key) if is_dict(ty(frame, *dict)) => {
                check_key(frame, ty(frame, *dict), ty(frame, *key))?;
                frame.sites.take_out(inst.result, *dict);
                let found =
                    self.dict_function(frame, inst.result, "dict_getitem", &[*dict, *key])?;
                // Into a container whose own items are not known yet, something may be put first.
                let (_, value) = ty(frame, *dict)
                    .dict_item()
                    .unwrap_or((Ty::none(), Ty::none()));
                Ok(Some(if found.is_bottom() {
                    known(value)
                } else {
                    found
                }))
            }
            Op::DelItem(dict, key) if is_dict(ty(frame, *dict)) => {
                check_key(frame, ty(frame, *dict), ty(frame, *key))?;
                self.dict_function(frame, inst.result, "dict_delitem", &[*dict, *key])?;
                Ok(Some(AbsVal::of(Ty::none())))
            }
            Op::GetAttr(container, name)
                if methods(ty(frame, *container)).is_some_and(|m| m.contains(&&**name)) =>
            {
                frame.sites.link(inst.result, *container);
                Ok(None)
            }
            Op::InPlace(op, a, b) => self.dict_in_place(frame, inst.result, *op, *a, *b),
            Op::Binary(op, a, b) => self.dict_binary(frame, inst.result, *op, *a, *b),
            Op::Compare(op, a, b) => self.dict_compare(frame, inst.result, *op, *a, *b),
            _ => Ok(None),
        }
    }

    /// Puts a key and a value into a dict.
    fn dict_put(&mut self, frame: &mut Frame, dict: Value, key: Value, value: Value) -> Result<()> {
        let key = kept(frame, ty_of(frame.val(key)))?;
        let item = Ty::tuple(&[key, ty_of(frame.val(value))]);
        put(frame, dict, item, Some(value), "put (setitem)")
    }

    /// An instruction that is a call of the prelude.
    fn dict_function(
        &mut self,
        frame: &mut Frame,
        result: Value,
        name: &str,
        args: &[Value],
    ) -> Result<AbsVal> {
        let types = args.iter().map(|v| ty_of(frame.val(*v))).collect();
        let bound = args
            .iter()
            .map(|v| Bound::Arg(arg_ref(frame, *v)))
            .collect();
        let (value, resolution) = self.call_bound(frame, name, bound, types)?;
        frame.typing.calls.insert(result, resolution);
        Ok(value)
    }

    fn dict_in_place(
        &mut self,
        frame: &mut Frame,
        result: Value,
        op: BinaryOp,
        a: Value,
        b: Value,
    ) -> Result<Option<AbsVal>> {
        let (x, y) = (ty_of(frame.val(a)), ty_of(frame.val(b)));
        if matches!(x.kind(), Kind::Set { frozen: true, .. }) {
            return self.dict_binary(frame, result, op, a, b);
        }
        let function = match op {
            BinaryOp::Or if is_dict(x) && is_dict(y) => "dict_merge",
            BinaryOp::Or if is_set(x) && is_like_a_set(y) => "set_merge",
            BinaryOp::And if is_set(x) && is_like_a_set(y) => "set_intersect",
            BinaryOp::Sub if is_set(x) && is_like_a_set(y) => "set_subtract",
            BinaryOp::Xor if is_set(x) && is_like_a_set(y) => "set_symmetric_difference_update",
            _ if is_set(x) || is_dict(x) => return Err(no_operator(frame, op, x, y)),
            _ => return Ok(None),
        };
        if matches!(op, BinaryOp::Or | BinaryOp::Xor) {
            let more = self.iterated(frame, y)?;
            put(frame, a, more, None, "put")?;
        }
        relate(frame, a, b);
        frame.sites.link(result, a);
        self.dict_function(frame, result, function, &[a, b])?;
        Ok(Some(frame.val(a).clone()))
    }

    /// What iterating gives; of a dict, its items.
    fn iterated(&mut self, frame: &Frame, ty: Ty) -> Result<Ty> {
        match *ty.kind() {
            Kind::Dict { item, .. } => Ok(item),
            _ => Ok(self
                .items_of(frame, ty)?
                .unwrap_or_else(|| Ty::new(Kind::Unknown))),
        }
    }

    fn dict_binary(
        &mut self,
        frame: &mut Frame,
        result: Value,
        op: BinaryOp,
        a: Value,
        b: Value,
    ) -> Result<Option<AbsVal>> {
        let (x, y) = (ty_of(frame.val(a)), ty_of(frame.val(b)));
        let function = match op {
            BinaryOp::Or if is_dict(x) && is_dict(y) => "dict_or",
            BinaryOp::Or if is_like_a_set(x) && is_like_a_set(y) => "set_or",
            BinaryOp::And if is_like_a_set(x) && is_like_a_set(y) => "set_and",
            BinaryOp::Sub if is_like_a_set(x) && is_like_a_set(y) => "set_sub",
            BinaryOp::Xor if is_like_a_set(x) && is_like_a_set(y) => "set_xor",
            _ if [x, y].iter().any(|t| is_dict(*t) || is_like_a_set(*t)) => {
                return Err(no_operator(frame, op, x, y));
            }
            _ => return Ok(None),
        };
        relate(frame, a, b);
        self.dict_function(frame, result, function, &[a, b])
            .map(Some)
    }

    fn dict_compare(
        &mut self,
        frame: &mut Frame,
        result: Value,
        op: CompareOp,
        a: Value,
        b: Value,
    ) -> Result<Option<AbsVal>> {
        let (x, y) = (ty_of(frame.val(a)), ty_of(frame.val(b)));
        let contains = |op| if op == CompareOp::In { 0 } else { 1 };
        let function = match (op, y.kind()) {
            (CompareOp::In | CompareOp::NotIn, Kind::Dict { .. } | Kind::Set { .. }) => {
                if !y.is_known() {
                    // Whether it is in there is not asked of what is empty.
                    frame
                        .typing
                        .calls
                        .insert(result, while_empty(AbsVal::BOTTOM).1);
                    return Ok(Some(AbsVal::of(Ty::bool())));
                }
                ["dict_contains", "dict_lacks"][contains(op)]
            }
            (CompareOp::In | CompareOp::NotIn, Kind::View(view, _)) => match view {
                View::Keys => ["keys_contain", "keys_lack"][contains(op)],
                View::Values => ["list_contains", "list_lacks"][contains(op)],
                View::Items => ["items_contain", "items_lack"][contains(op)],
            },
            (CompareOp::Eq, _) if is_dict(x) && is_dict(y) => "dict_eq",
            (CompareOp::Ne, _) if is_dict(x) && is_dict(y) => "dict_ne",
            _ if is_like_a_set(x) && is_like_a_set(y) => match op {
                CompareOp::Eq => "set_eq",
                CompareOp::Ne => "set_ne",
                CompareOp::Le => "set_le",
                CompareOp::Lt => "set_lt",
                CompareOp::Ge => "set_ge",
                CompareOp::Gt => "set_gt",
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        relate(frame, a, b);
        let found = self.dict_function(frame, result, function, &[a, b]);
        found.map(Some).map_err(|e| {
            // The prelude's own lines would say less.
            let (name, sign) = compare_names(op);
            let message = format!("no operator `{sign}` ({name}) for {x} and {y}");
            frame.error(Code::NoOperator, message).note(e.message)
        })
    }

    /// Calls that make dicts or sets, or are methods of theirs; `None` if it is none.
    pub(super) fn dict_call(
        &mut self,
        frame: &mut Frame,
        result: Value,
        callee: Value,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        match ty_of(frame.val(callee)).kind() {
            Kind::Builtin(name) if &**name == "builtins.dict" => match args {
                [] if keywords.is_empty() => {
                    let item = frame.sites.site(result);
                    let new = AbsVal::of(Ty::dict(item));
                    Ok(Some(intrinsic(new, Intrinsic::Dict(DictOp::New), &[])))
                }
                [] => {
                    let (keys, values) = by_keyword(keywords);
                    let types = vec![keys.0, values.0];
                    self.call_bound(frame, "dict_of_keywords", vec![keys.1, values.1], types)
                        .map(Some)
                }
                [dict] if is_dict(dict.ty()) && keywords.is_empty() => {
                    if let Some(dict) = dict.whole() {
                        frame.sites.link(result, dict);
                    }
                    let copy = Intrinsic::Dict(DictOp::Copy);
                    Ok(Some(intrinsic(dict.abs.clone(), copy, args)))
                }
                [_] if keywords.is_empty() => {
                    self.call_prelude(frame, "dict_of_pairs", args.to_vec(), vec![])
                }
                _ => Ok(None),
            },
            Kind::Builtin(name) if &**name == TYPED && args.is_empty() && keywords.is_empty() => {
                let item = frame.sites.site(result);
                let new = AbsVal::of(Ty::typed_dict(item));
                Ok(Some(intrinsic(new, Intrinsic::Dict(DictOp::New), &[])))
            }
            Kind::Builtin(name) if &**name == "builtins.set" && keywords.is_empty() => match args {
                [] => {
                    let item = frame.sites.site(result);
                    let new = AbsVal::of(Ty::set(item));
                    Ok(Some(intrinsic(new, Intrinsic::Dict(DictOp::New), &[])))
                }
                [set] if is_set(set.ty()) => {
                    if let Some(set) = set.whole() {
                        frame.sites.link(result, set);
                    }
                    let copy = Intrinsic::Dict(DictOp::Copy);
                    Ok(Some(intrinsic(set.abs.clone(), copy, args)))
                }
                [_] => self.call_prelude(frame, "set_of_items", args.to_vec(), vec![]),
                _ => Ok(None),
            },
            Kind::Builtin(name) if &**name == "builtins.frozenset" && keywords.is_empty() => {
                match args {
                    [items] => {
                        self.call_prelude(frame, "frozen_set_of_items", vec![items.clone()], vec![])
                    }
                    _ => Ok(None),
                }
            }
            Kind::Method(receiver, name) if matches!(receiver.kind(), Kind::Builtin(_)) => {
                if &**name == "empty" {
                    return empty(frame, args, keywords).map(Some);
                }
                if &**name != "fromkeys" {
                    return Ok(None);
                }
                let keywords = keywords.to_vec();
                self.call_prelude(frame, "dict_fromkeys", args.to_vec(), keywords)
            }
            Kind::Method(receiver, name) if matches!(receiver.kind(), Kind::Keyed(..)) => {
                let shown = super::keyed::shown(*receiver, name).filter(|_| args.is_empty());
                let view = Intrinsic::Dict(DictOp::View);
                Ok(shown.map(|ty| intrinsic(AbsVal::of(ty), view, &[])))
            }
            Kind::Method(receiver, name) if is_dict(*receiver) || is_set(*receiver) => self
                .dict_method(frame, result, callee, *receiver, name, args, keywords)
                .map(Some),
            _ => Ok(None),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a call")]
    fn dict_method(
        &mut self,
        frame: &mut Frame,
        result: Value,
        callee: Value,
        receiver: Ty,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Called {
        if let (Some(view), true, []) = (View::by_name(name), is_dict(receiver), args) {
            let view = AbsVal::of(Ty::new(Kind::View(view, receiver)));
            return Ok(intrinsic(view, Intrinsic::Dict(DictOp::View), &[]));
        }
        if name == "update" && is_dict(receiver) && !keywords.is_empty() {
            return self.update_by_keywords(frame, callee, receiver, args, keywords);
        }
        self.method_puts(frame, callee, receiver, name, args)?;
        if let ("get" | "pop" | "discard" | "remove", Some(key)) = (name, args.first()) {
            check_key(frame, receiver, key.ty())?;
        }
        let value = receiver.dict_item().map(|(_, value)| value);
        match (name, value) {
            ("copy", _) => {
                frame.sites.link(result, callee);
                let copy = Intrinsic::Dict(DictOp::Copy);
                let args: Vec<ArgRef> = vec![];
                return Ok(intrinsic(AbsVal::of(receiver), copy, &args));
            }
            ("get" | "setdefault" | "pop", Some(value)) => {
                frame.sites.take_out(result, callee);
                if let Some(default) = args.get(1) {
                    if let Some(default) = default.whole() {
                        frame.sites.link(result, default);
                    }
                    if let (Some(own), Some(other)) = (default.ty().contents(), value.contents()) {
                        relate_types(frame, default.value, own, other);
                    }
                }
            }
            _ => {}
        }
        if !receiver.is_known() {
            return Ok(while_empty(match (name, args, value) {
                ("get" | "setdefault" | "pop", [_, default], Some(value)) => AbsVal {
                    ty: join::join(value, default.ty()),
                    constant: None,
                },
                ("get", [_], _) => AbsVal::literal(Const::None),
                ("pop" | "popitem", ..) => AbsVal::BOTTOM,
                ("isdisjoint" | "issubset" | "issuperset", ..) => AbsVal::of(Ty::bool()),
                _ if returns_set(name) => AbsVal::of(receiver),
                _ => AbsVal::of(Ty::none()),
            }));
        }
        let prefix = if is_dict(receiver) { "dict" } else { "set" };
        let called = self.call_prelude_method(
            frame,
            receiver,
            prefix,
            name,
            args.to_vec(),
            keywords.to_vec(),
        )?;
        called.ok_or_else(|| {
            let types: Vec<Ty> = args.iter().map(ArgRef::ty).collect();
            let message = format!("{receiver}.{name}() does not take {}", signature(&types));
            frame.error(Code::BadArguments, message)
        })
    }

    /// What a method puts into its receiver.
    fn method_puts(
        &mut self,
        frame: &mut Frame,
        callee: Value,
        receiver: Ty,
        name: &str,
        args: &[ArgRef],
    ) -> Result<()> {
        match (name, args) {
            ("add", [item]) => {
                let item = kept(frame, item.ty())?;
                put(frame, callee, item, None, "add")
            }
            ("setdefault", [key, rest @ ..]) => {
                let value = rest.first().map_or_else(Ty::none, ArgRef::ty);
                let item = Ty::tuple(&[kept(frame, key.ty())?, value]);
                put(
                    frame,
                    callee,
                    item,
                    rest.first().and_then(ArgRef::whole),
                    "put",
                )
            }
            ("update" | "symmetric_difference_update", _) => {
                for more in args {
                    let item = self.iterated(frame, more.ty())?;
                    let item = match item.tuple_items() {
                        Some(&[key, value]) if is_dict(receiver) => {
                            Ty::tuple(&[kept(frame, key)?, value])
                        }
                        _ if is_dict(receiver) && item.is_known() => {
                            return Err(frame.error(
                                Code::BadArguments,
                                format!(
                                    "update() takes dicts and pairs of keys and values, not {}",
                                    more.ty()
                                ),
                            ));
                        }
                        _ => kept(frame, item)?,
                    };
                    put(frame, callee, item, None, "put")?;
                    if let (Some(more), Some(own)) = (more.whole(), receiver.contents()) {
                        let other = ty_of(frame.val(more)).contents().unwrap_or(own);
                        relate_types(frame, more, other, own);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `dict.update(key=value)`
    fn update_by_keywords(
        &mut self,
        frame: &mut Frame,
        callee: Value,
        receiver: Ty,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Called {
        if !args.is_empty() {
            return Err(frame.error(
                Code::BadArguments,
                "update() of a dict and keywords in one call cannot be compiled",
            ));
        }
        for (_, value) in keywords {
            let item = Ty::tuple(&[Ty::str(), value.ty()]);
            put(frame, callee, item, value.whole(), "put")?;
        }
        let (keys, values) = by_keyword(keywords);
        let types = vec![receiver, keys.0, values.0];
        let bound = vec![Bound::Receiver, keys.1, values.1];
        let (_, resolution) = self.call_bound(frame, "dict_update_by_keywords", bound, types)?;
        Ok((AbsVal::of(Ty::none()), resolution))
    }
}

/// `typed.Dict.empty(key_type, value_type)`
fn empty(frame: &Frame, args: &[ArgRef], keywords: &[(Name, ArgRef)]) -> Called {
    let class = |at: usize, name: &str| {
        let named = keywords.iter().find(|(n, _)| &**n == name);
        let given = args.get(at).or(named.map(|(_, value)| value))?;
        match *given.ty().kind() {
            Kind::Class(ty) | Kind::Dtype(ty) => Some(ty.strong()),
            _ => None,
        }
    };
    let (Some(key), Some(value)) = (class(0, "key_type"), class(1, "value_type")) else {
        return Err(frame.error(
            Code::BadArguments,
            "typed.Dict.empty() takes the types of keys and values, such as `types.int64`",
        ));
    };
    let item = Ty::tuple(&[kept(frame, key)?, value]);
    let new = AbsVal::of(Ty::typed_dict(item));
    Ok(intrinsic(new, Intrinsic::Dict(DictOp::New), &[]))
}

fn returns_set(name: &str) -> bool {
    matches!(
        name,
        "union" | "intersection" | "difference" | "symmetric_difference"
    )
}

/// The names and the values of keywords, as tuples.
fn by_keyword(keywords: &[(Name, ArgRef)]) -> ((Ty, Bound), (Ty, Bound)) {
    let names = keywords.iter().map(|(name, _)| Const::Str((**name).into()));
    let names = AbsVal::literal(Const::Tuple(names.collect()));
    let values: Vec<ArgRef> = keywords.iter().map(|(_, value)| value.clone()).collect();
    let types: Vec<Ty> = values.iter().map(ArgRef::ty).collect();
    (
        (ty_of(&names), Bound::Literal(names)),
        (Ty::tuple(&types), Bound::Star(values)),
    )
}

/// An error if a value that is looked for cannot be a key in any case.
fn check_key(frame: &Frame, container: Ty, given: Ty) -> Result<()> {
    match container.key() {
        Some(key) if key.is_known() => takes(frame, container, key, given).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether a value that is looked for can be converted to the type of the keys, whatever it is; an error if
/// it cannot be a key in any case.
fn takes(frame: &Frame, dict: Ty, key: Ty, given: Ty) -> Result<bool> {
    match promote::fit(given, key) {
        Some(Fit::Exact | Fit::Promote | Fit::Safe) => Ok(true),
        Some(Fit::Unsafe) => Ok(false),
        None if given.is_none() => Ok(false),
        None => Err(frame
            .error(
                Code::BadArguments,
                format!("a value of type {given} cannot be a key of {dict}"),
            )
            .note(format!("its keys are of type {key}"))),
    }
}

fn no_operator(frame: &Frame, op: BinaryOp, x: Ty, y: Ty) -> Box<crate::diag::Diagnostic> {
    let (name, sign) = binary_names(op);
    let message = format!(
        "no operator `{sign}` ({name}) for {} and {}",
        plain(x),
        plain(y)
    );
    frame.error(Code::NoOperator, message)
}
