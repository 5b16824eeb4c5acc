//! Typing of lists.
//!
//! Their items have one type; where it comes from, [`super::sites`] says.

use super::call::{ArgRef, Bound, Resolution, signature};
use super::intrinsic::{Intrinsic, compare_names};
use super::op::{plain, ty_of};
use super::sites::{arg_ref, known, put, relate, relate_types};
use super::solve::Frame;
use super::{AbsVal, Session, display};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{Arg, BinaryOp, CompareOp, Inst, Name, Op, Value};
use crate::types::{Kind, Ty, join};

/// What the compiler itself does with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOp {
    /// `list()`
    New,
    Append,
    /// Of a list; other iterables are the prelude's.
    Extend,
    Insert,
    Pop,
    Clear,
    Copy,
    Reverse,
    /// Of items that are one machine value; the argument, if there is one, is `reverse`.
    Sort,
}

pub(super) const METHODS: &[&str] = &[
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
];

/// The prelude's function that compares two sequences item by item.
pub(super) fn comparison(op: CompareOp) -> Option<&'static str> {
    Some(match op {
        CompareOp::Eq => "list_eq",
        CompareOp::Ne => "list_ne",
        CompareOp::Lt => "list_lt",
        CompareOp::Le => "list_le",
        CompareOp::Gt => "list_gt",
        CompareOp::Ge => "list_ge",
        _ => return None,
    })
}

impl Session<'_> {
    /// Instructions on lists; `None` if it is none.
    pub(super) fn list_inst(&mut self, frame: &mut Frame, inst: &Inst) -> Result<Option<AbsVal>> {
        let item = |frame: &Frame, v: Value| ty_of(frame.val(v)).list_item();
        let result = match &inst.op {
            Op::List(args) if display::is_tuple(frame, inst.result, args) => {
                super::op::display(frame, args)?
            }
            Op::List(args) => self.list_display(frame, inst.result, args)?,
            Op::Append(list, value) if item(frame, *list).is_some() => {
                let ty = ty_of(frame.val(*value));
                put(frame, *list, ty, Some(*value), "append")?;
                AbsVal::of(Ty::none())
            }
            Op::GetAttr(list, name)
                if item(frame, *list).is_some() && METHODS.contains(&&**name) =>
            {
                frame.sites.link(inst.result, *list);
                return Ok(None);
            }
            Op::Coerce(list, _) | Op::UnpackItem(list, _) => {
                frame.sites.link(inst.result, *list);
                return Ok(None);
            }
            Op::InPlace(BinaryOp::Add, list, more) if item(frame, *list).is_some() => {
                let args = vec![arg_ref(frame, *more)];
                let (_, resolution) = self.list_extend(frame, *list, args, None)?;
                frame.typing.calls.insert(inst.result, resolution);
                frame.sites.link(inst.result, *list);
                frame.val(*list).clone()
            }
            Op::Binary(BinaryOp::Add, a, b) => {
                let (Some(x), Some(y)) = (item(frame, *a), item(frame, *b)) else {
                    return Ok(None);
                };
                frame.sites.link(inst.result, *a);
                frame.sites.link(inst.result, *b);
                let (p, q) = (Ty::list(x), Ty::list(y));
                match join::join(p, q) {
                    Some(joined) => {
                        relate(frame, *a, *b);
                        AbsVal::of(joined)
                    }
                    None if frame.sites.unify(inst.result, p, q) => AbsVal::BOTTOM,
                    None => return Ok(None),
                }
            }
            Op::Binary(BinaryOp::Mul, a, b) | Op::InPlace(BinaryOp::Mul, a, b) => {
                let list = match (item(frame, *a), item(frame, *b)) {
                    (Some(_), None) if plain(ty_of(frame.val(*b))).is_integral() => *a,
                    (None, Some(_))
                        if plain(ty_of(frame.val(*a))).is_integral()
                            && matches!(inst.op, Op::Binary(..)) =>
                    {
                        *b
                    }
                    _ => return Ok(None),
                };
                frame.sites.link(inst.result, list);
                frame.val(list).clone()
            }
            Op::Compare(op, a, b) => return self.list_compare(frame, inst.result, *op, *a, *b),
            Op::GetItem(list, index) if item(frame, *list).is_some() => {
                let found =
                    self.list_get(frame, ty_of(frame.val(*list)), ty_of(frame.val(*index)))?;
                if matches!(ty_of(frame.val(*index)).kind(), Kind::Slice(_)) {
                    frame.sites.link(inst.result, *list);
                } else {
                    frame.sites.take_out(inst.result, *list);
                }
                found
            }
            Op::SetItem(list, index, value) if item(frame, *list).is_some() => {
                let (index, ty) = (plain(ty_of(frame.val(*index))), ty_of(frame.val(*value)));
                if index.is_integral() {
                    put(frame, *list, ty, Some(*value), "assign (setitem)")?;
                } else if let (Kind::Slice(_), Some(new)) = (index.kind(), ty.list_item()) {
                    relate(frame, *list, *value);
                    put(frame, *list, new, None, "assign (setitem)")?;
                    let types = (ty_of(frame.val(*list)), ty);
                    if join::join(types.0, types.1).is_none() && frame.sites.sites(*list).is_empty()
                    {
                        return Err(frame.error(
                            Code::CannotConvert,
                            format!(
                                "cannot assign {} to a part of {} (setitem)",
                                types.1, types.0
                            ),
                        ));
                    }
                } else {
                    return Err(bad_index(frame, ty_of(frame.val(*list)), index));
                }
                AbsVal::of(Ty::none())
            }
            Op::DelItem(list, index) if item(frame, *list).is_some() => {
                let index = plain(ty_of(frame.val(*index)));
                if !index.is_integral() && !matches!(index.kind(), Kind::Slice(_)) {
                    return Err(bad_index(frame, ty_of(frame.val(*list)), index));
                }
                AbsVal::of(Ty::none())
            }
            Op::Unpack {
                value,
                before,
                star: true,
                after,
            } => self.unpack_star(frame, inst.result, *value, *before, *after)?,
            _ => return Ok(None),
        };
        Ok(Some(result))
    }

    /// `[a, *b]`
    fn list_display(&mut self, frame: &mut Frame, site: Value, args: &[Arg]) -> Result<AbsVal> {
        let item = frame.sites.site(site);
        for arg in args {
            let (ty, value) = match *arg {
                Arg::Plain(v) => (ty_of(frame.val(v)), Some(v)),
                Arg::Star(v) => match self.items_of(frame, ty_of(frame.val(v)))? {
                    Some(ty) => (ty, None),
                    None => continue,
                },
            };
            put(frame, site, ty, value, "put")?;
        }
        Ok(AbsVal::of(Ty::list(item)))
    }

    /// The join of what an iterable yields; nothing for an empty tuple.
    pub(super) fn items_of(&mut self, frame: &Frame, ty: Ty) -> Result<Option<Ty>> {
        if ty.tuple_items().is_some_and(<[Ty]>::is_empty) {
            return Ok(None);
        }
        self.iter_element(frame, ty).map(Some)
    }

    /// `a, *b, c = value`: the items, and the list of those between, as a tuple.
    fn unpack_star(
        &mut self,
        frame: &mut Frame,
        site: Value,
        value: Value,
        before: u32,
        after: u32,
    ) -> Result<AbsVal> {
        let ty = ty_of(frame.val(value));
        let (before, after) = (before as usize, after as usize);
        let mut types: Vec<Ty> = vec![];
        let list = Ty::list(frame.sites.site(site));
        if let Some(items) = ty.tuple_items() {
            if items.len() < before + after {
                return Err(frame.error(
                    Code::NotIterable,
                    format!(
                        "cannot unpack a tuple of {} items ({ty}) into at least {} targets",
                        items.len(),
                        before + after
                    ),
                ));
            }
            let end = items.len() - after;
            for &item in &items[before..end] {
                put(frame, site, item, None, "put")?;
            }
            types.extend(&items[..before]);
            types.push(list);
            types.extend(&items[end..]);
        } else if matches!(ty.kind(), Kind::List(_) | Kind::Array(_)) {
            let item = self.iter_element(frame, ty)?;
            put(frame, site, item, None, "put")?;
            types.extend(vec![item; before]);
            types.push(list);
            types.extend(vec![item; after]);
        } else {
            return Err(frame.error(
                Code::NotIterable,
                format!("cannot unpack (iterate over) a value of type {ty} with a starred target"),
            ));
        }
        Ok(AbsVal::of(Ty::tuple(&types)))
    }

    /// `list[index]`
    pub(super) fn list_get(&self, frame: &Frame, list: Ty, index: Ty) -> Result<AbsVal> {
        let index = plain(index);
        Ok(match (list.list_item(), index.kind()) {
            (Some(item), _) if index.is_integral() => known(item),
            (_, Kind::Slice(_)) => AbsVal::of(list),
            _ => return Err(bad_index(frame, list, index)),
        })
    }

    fn list_compare(
        &mut self,
        frame: &mut Frame,
        result: Value,
        op: CompareOp,
        a: Value,
        b: Value,
    ) -> Result<Option<AbsVal>> {
        let (x, y) = (ty_of(frame.val(a)), ty_of(frame.val(b)));
        let function = match (op, x.list_item(), y.list_item()) {
            (CompareOp::In, _, Some(_)) => "list_contains",
            (CompareOp::NotIn, _, Some(_)) => "list_lacks",
            (_, Some(_), Some(_)) => match comparison(op) {
                Some(function) => {
                    relate(frame, a, b);
                    function
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let bound = [a, b].map(|v| Bound::Arg(arg_ref(frame, v))).into();
        let called = self.call_bound(frame, function, bound, vec![x, y]);
        let (value, resolution) = called.map_err(|e| {
            // The prelude's own lines would say less.
            let (name, sign) = compare_names(op);
            let error = frame.error(
                Code::NoOperator,
                format!("no operator `{sign}` ({name}) for {x} and {y}"),
            );
            error.note(e.message)
        })?;
        frame.typing.calls.insert(result, resolution);
        Ok(Some(value))
    }

    /// Calls that make lists or are methods of lists; `None` if it is none.
    pub(super) fn list_call(
        &mut self,
        frame: &mut Frame,
        result: Value,
        callee: Value,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<(AbsVal, Resolution)>> {
        let ty = ty_of(frame.val(callee));
        let intrinsic = |value: AbsVal, op: ListOp, args: &[ArgRef]| {
            Some((
                value,
                Resolution::Intrinsic {
                    what: Intrinsic::List(op),
                    args: args.into(),
                    keywords: vec![],
                },
            ))
        };
        match ty.kind() {
            Kind::Builtin(name) if &**name == "builtins.list" && keywords.is_empty() => {
                match args {
                    [] => {
                        let item = frame.sites.site(result);
                        Ok(intrinsic(AbsVal::of(Ty::list(item)), ListOp::New, args))
                    }
                    [list] if list.ty().list_item().is_some() => {
                        if list.item.is_none() {
                            frame.sites.link(result, list.value);
                        }
                        Ok(intrinsic(list.abs.clone(), ListOp::Copy, args))
                    }
                    _ => Ok(None),
                }
            }
            Kind::Builtin(name) if &**name == "builtins.sorted" => {
                self.sorted(frame, args, keywords).map(Some)
            }
            Kind::Method(receiver, name) if receiver.list_item().is_some() => self
                .list_method(frame, result, callee, *receiver, name, args, keywords)
                .map(Some),
            _ => Ok(None),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a call")]
    fn list_method(
        &mut self,
        frame: &mut Frame,
        result: Value,
        callee: Value,
        list: Ty,
        name: &str,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<(AbsVal, Resolution)> {
        let types: Vec<Ty> = args.iter().map(ArgRef::ty).collect();
        let item = list.list_item().unwrap_or(list);
        if name == "sort" && args.is_empty() {
            return self.list_sort(frame, list, keywords);
        }
        let bad = |frame: &Frame| {
            frame.error(
                Code::BadArguments,
                format!("{list}.{name}() does not take {}", signature(&types)),
            )
        };
        if !keywords.is_empty() {
            return Err(bad(frame));
        }
        let is_int = |t: &Ty| plain(*t).is_integral();
        let nothing = AbsVal::of(Ty::none());
        let (value, op) = match (name, &types[..]) {
            ("append", [ty]) => {
                put(frame, callee, *ty, args[0].whole(), "append")?;
                (nothing, ListOp::Append)
            }
            ("insert", [at, ty]) if is_int(at) => {
                put(frame, callee, *ty, args[1].whole(), "insert")?;
                (nothing, ListOp::Insert)
            }
            ("pop", [] | [_]) if types.iter().all(is_int) => {
                frame.sites.take_out(result, callee);
                (known(item), ListOp::Pop)
            }
            ("clear", []) => (nothing, ListOp::Clear),
            ("reverse", []) => (nothing, ListOp::Reverse),
            ("copy", []) => {
                frame.sites.link(result, callee);
                (AbsVal::of(list), ListOp::Copy)
            }
            ("extend", [_]) => return self.list_extend(frame, callee, args.to_vec(), Some(list)),
            ("index" | "count" | "remove", [_]) | ("index", [_, _] | [_, _, _]) => {
                let function = match types.len() {
                    1 => format!("list_{name}"),
                    2 => "list_index_from".to_owned(),
                    _ => "list_index_between".to_owned(),
                };
                let bound = std::iter::once(Bound::Receiver)
                    .chain(args.iter().cloned().map(Bound::Arg))
                    .collect();
                let types = std::iter::once(list).chain(types.iter().copied()).collect();
                return self.call_bound(frame, &function, bound, types);
            }
            _ => return Err(bad(frame)),
        };
        Ok((
            value,
            Resolution::Intrinsic {
                what: Intrinsic::List(op),
                args: args.into(),
                keywords: vec![],
            },
        ))
    }

    /// `list.extend(more)` (with the list's type) and `list += more`.
    fn list_extend(
        &mut self,
        frame: &mut Frame,
        list: Value,
        args: Vec<ArgRef>,
        receiver: Option<Ty>,
    ) -> Result<(AbsVal, Resolution)> {
        let nothing = AbsVal::of(Ty::none());
        let more = args[0].ty();
        let ty = receiver.unwrap_or_else(|| ty_of(frame.val(list)));
        if let Some(item) = self.items_of(frame, more)? {
            put(frame, list, item, None, "extend by")?;
        }
        if let Some(item) = more.list_item() {
            if args[0].item.is_none() {
                relate_types(frame, args[0].value, item, ty.list_item().unwrap_or(item));
            }
            if join::join(ty, more).is_some() {
                return Ok((
                    nothing,
                    Resolution::Intrinsic {
                        what: Intrinsic::List(ListOp::Extend),
                        args,
                        keywords: vec![],
                    },
                ));
            }
        }
        let first = match receiver {
            Some(_) => Bound::Receiver,
            None => Bound::Arg(arg_ref(frame, list)),
        };
        let bound = std::iter::once(first)
            .chain(args.into_iter().map(Bound::Arg))
            .collect();
        self.call_bound(frame, "list_extend", bound, vec![ty, more])
    }

    /// `list.sort(key=, reverse=)`
    fn list_sort(
        &mut self,
        frame: &Frame,
        list: Ty,
        keywords: &[(Name, ArgRef)],
    ) -> Result<(AbsVal, Resolution)> {
        let (key, reverse) = sort_keywords(frame, "sort", keywords)?;
        let item = list.list_item().unwrap_or(list);
        let native = item.is_str() || item.is_scalar() && !item.is_complex();
        if key.is_none() && native {
            let what = Intrinsic::List(ListOp::Sort);
            let args = reverse.into_iter().collect();
            return Ok((
                AbsVal::of(Ty::none()),
                Resolution::Intrinsic {
                    what,
                    args,
                    keywords: vec![],
                },
            ));
        }
        let (mut bound, mut types) = (vec![Bound::Receiver], vec![list]);
        let function = if key.is_some() {
            "list_sort_by_key"
        } else {
            "list_sort_items"
        };
        push_sort_arguments(&mut bound, &mut types, key, reverse);
        self.call_bound(frame, function, bound, types)
    }

    /// `sorted(values, key=, reverse=)`
    fn sorted(
        &mut self,
        frame: &Frame,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<(AbsVal, Resolution)> {
        let [values] = args else {
            return Err(frame.error(
                Code::ArgumentCount,
                format!(
                    "sorted() takes 1 positional argument but {} were given",
                    args.len()
                ),
            ));
        };
        let (key, reverse) = sort_keywords(frame, "sorted", keywords)?;
        let (mut bound, mut types) = (vec![Bound::Arg(values.clone())], vec![values.ty()]);
        let function = match (&key, &reverse) {
            (Some(_), _) => "sorted_by_key",
            (None, Some(_)) => "sorted_either_way",
            (None, None) => return self.call_bound(frame, "sorted_upwards", bound, types),
        };
        push_sort_arguments(&mut bound, &mut types, key, reverse);
        self.call_bound(frame, function, bound, types)
    }
}

/// The values of `key` and `reverse`.
fn sort_keywords(
    frame: &Frame,
    function: &str,
    keywords: &[(Name, ArgRef)],
) -> Result<(Option<ArgRef>, Option<ArgRef>)> {
    let (mut key, mut reverse) = (None, None);
    for (name, value) in keywords {
        match &**name {
            "key" if value.ty().is_none() => {}
            "key" => key = Some(value.clone()),
            "reverse" if plain(value.ty()).is_integral() => reverse = Some(value.clone()),
            "reverse" => {
                return Err(frame.error(
                    Code::BadArguments,
                    format!("{function}(): `reverse` is a bool, not {}", value.ty()),
                ));
            }
            _ => {
                return Err(frame.error(
                    Code::ArgumentCount,
                    format!("{function}() got an unexpected keyword argument '{name}'"),
                ));
            }
        }
    }
    Ok((key, reverse))
}

fn push_sort_arguments(
    bound: &mut Vec<Bound>,
    types: &mut Vec<Ty>,
    key: Option<ArgRef>,
    reverse: Option<ArgRef>,
) {
    for argument in key.into_iter().chain(reverse.clone()) {
        types.push(argument.ty());
        bound.push(Bound::Arg(argument));
    }
    if reverse.is_none() {
        types.push(Ty::bool());
        bound.push(Bound::Literal(AbsVal::bool(false)));
    }
}

fn bad_index(frame: &Frame, list: Ty, index: Ty) -> Box<Diagnostic> {
    frame.error(
        Code::BadIndex,
        format!("cannot index {list} with a value of type {index} (getitem)"),
    )
}
