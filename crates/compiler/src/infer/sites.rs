//! Where containers are made, and what is put into them.
//!
//! A display of a list, a set or a dict (or `list()`, `set()`, `dict()`) is a *site*: it has a variable
//! for the type of its contents, which is the join of everything that the function puts into containers
//! from there; the contents of a dict are tuples of a key and a value. What is put in may come after the
//! container was used, so a function with containers is typed in rounds: in each, a site has the type
//! that the round before found, in the first one [`Kind::Unknown`]; when a round finds what it began
//! with, the types are right. For each value that is a container, [`Sites`] knows which sites it may come
//! from; containers that meet in a variable have one type of contents, so both sites get what either
//! needs. Containers from elsewhere (arguments, results of calls) keep the type that they come with.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::AbsVal;
use super::call::ArgRef;
use super::op::ty_of;
use super::solve::Frame;
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::{Module, Value};
use crate::source::Span;
use crate::types::promote::{self, Fit};
use crate::types::{Kind, Ty, join};

/// Most rounds: each is one level of containers in containers, or one step of numbers becoming wider.
const MOST_ROUNDS: u32 = 24;

/// Where the result of the function stands in [`Sites::origins`].
pub(super) const RESULT: Value = Value(u32::MAX);

/// What is known of the containers of a function being typed.
#[derive(Default)]
pub(super) struct Sites {
    /// The type of each site's contents in this round.
    seen: FxHashMap<Value, Ty>,
    /// What this round has found so far; nothing for a site that nothing was put into yet.
    found: FxHashMap<Value, Option<Ty>>,
    /// What sites need for the containers that they meet; stays from round to round, because a round that
    /// begins with it sees no need for it any more.
    demanded: FxHashMap<Value, Ty>,
    /// The sites that a value may come from.
    origins: FxHashMap<Value, SmallVec<[Value; 2]>>,
    /// The sites of the containers that were put into those of a site.
    inside: FxHashMap<Value, SmallVec<[Value; 2]>>,
    /// Whether origins were added since this was asked for.
    moved: bool,
    rounds: u32,
}

impl Sites {
    /// Makes a value a site; the type of its contents in this round.
    pub fn site(&mut self, site: Value) -> Ty {
        let demanded = self.demanded.get(&site).copied();
        self.found.entry(site).or_insert(demanded);
        self.add(site, site);
        self.seen
            .get(&site)
            .copied()
            .unwrap_or_else(|| Ty::new(Kind::Unknown))
    }

    /// The same for a parameter: a container whose contents, or a part of their type, the caller does not know.
    pub fn parameter(&mut self, param: Value, contents: Ty) -> Ty {
        self.demanded.entry(param).or_insert(contents);
        self.site(param)
    }

    /// What was put into a site that is a parameter; nothing if it is none, or nothing was.
    pub fn put_into(&self, param: Value) -> Option<Ty> {
        self.seen.get(&param).copied().filter(|ty| ty.is_known())
    }

    fn add(&mut self, value: Value, site: Value) {
        let sites = self.origins.entry(value).or_default();
        if !sites.contains(&site) {
            sites.push(site);
            self.moved = true;
        }
    }

    /// `to` may be the container that `from` is.
    pub fn link(&mut self, to: Value, from: Value) {
        if to != from {
            for site in self.sites(from) {
                self.add(to, site);
            }
        }
    }

    pub fn sites(&self, value: Value) -> SmallVec<[Value; 2]> {
        self.origins.get(&value).cloned().unwrap_or_default()
    }

    /// `item`, perhaps a container itself, is put into `container`.
    fn enclose(&mut self, container: Value, item: Value) {
        let items = self.sites(item);
        for site in self.sites(container) {
            let inside = self.inside.entry(site).or_default();
            for &item in &items {
                if !inside.contains(&item) {
                    inside.push(item);
                    self.moved = true;
                }
            }
        }
    }

    /// `item` is read out of `container`.
    pub fn take_out(&mut self, item: Value, container: Value) {
        for site in self.sites(container) {
            for inside in self.inside.get(&site).cloned().unwrap_or_default() {
                self.add(item, inside);
            }
        }
    }

    /// Whether the answers of this pass may change because containers were found to be the same.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Puts a type into the sites of a value; `Err` with what is there if they have nothing in common.
    fn put(&mut self, value: Value, item: Ty) -> std::result::Result<(), Ty> {
        for site in self.sites(value) {
            let found = self.found.entry(site).or_default();
            let joined = match *found {
                Some(before) => match join::join(before, item) {
                    Some(joined) => joined,
                    // Sites in lists: what was demanded of this one was another list's type once.
                    None if self.demanded.remove(&site) == Some(before) => item,
                    None => return Err(before),
                },
                None => item,
            };
            *found = Some(joined);
        }
        Ok(())
    }

    /// Has the containers of a value hold contents of this type, if they can, in this round and the next ones.
    pub fn demand(&mut self, value: Value, item: Ty) -> bool {
        for site in self.sites(value) {
            let demanded = self.demanded.entry(site).or_insert(item);
            *demanded = join::join(*demanded, item).unwrap_or(item);
        }
        self.put(value, item).is_ok()
    }

    /// Two containers meet in `to`, which both were linked to: true if the next round may give them one type.
    pub fn unify(&mut self, to: Value, a: Ty, b: Ty) -> bool {
        let Some(joined) = join_contents(a, b) else {
            return false;
        };
        // Without a site, or with one that has this type already, neither can change.
        let changes = |site: &Value| {
            self.seen
                .get(site)
                .is_none_or(|seen| seen.strong() != joined.strong())
        };
        self.sites(to).iter().any(changes) && self.demand(to, joined)
    }

    /// Begins the next round; false if the last one found what it began with, which ends the typing.
    pub fn next_round(&mut self) -> bool {
        let found = self
            .found
            .drain()
            .filter_map(|(site, found)| found.map(|ty| (site, ty)))
            .collect();
        self.origins.clear();
        self.inside.clear();
        let settled = self.seen == found;
        self.seen = found;
        self.rounds += 1;
        !settled
    }

    /// The type of some container's contents grows without end.
    pub fn is_endless(&self) -> bool {
        self.rounds > MOST_ROUNDS
    }

    /// A container that nothing is ever put into.
    pub fn unknown(&self) -> Option<Value> {
        self.found
            .iter()
            .filter(|(_, ty)| ty.is_none_or(|t| !t.is_known()))
            .map(|(&site, _)| site)
            .min()
    }
}

/// What two containers of one kind hold if they are the same one.
fn join_contents(a: Ty, b: Ty) -> Option<Ty> {
    match (a.kind(), b.kind()) {
        (Kind::List(x), Kind::List(y))
        | (Kind::Dict { item: x, .. }, Kind::Dict { item: y, .. })
        | (Kind::Set { item: x, .. }, Kind::Set { item: y, .. }) => join::join(*x, *y),
        _ => None,
    }
}

pub(super) fn no_items(module: &Module, span: Span) -> Box<Diagnostic> {
    let message = "cannot infer the type of this container's items: nothing is ever put into it \
                   (undefined list, dict or set)";
    super::error_at(module, span, Code::CannotUnify, message)
        .help("put an item into it in the same function, or begin with one and clear it")
}

pub(super) fn arg_ref(frame: &Frame, value: Value) -> ArgRef {
    ArgRef {
        value,
        item: None,
        abs: frame.val(value).clone(),
    }
}

/// An item that is taken out: nothing yet, of a container whose items are not known yet.
pub(super) fn known(item: Ty) -> AbsVal {
    if item.is_known() || item.contents().is_some() {
        AbsVal::of(item)
    } else {
        AbsVal::BOTTOM
    }
}

/// Puts contents of this type into a container (or into the receiver of a method). `item` is the value
/// that is put in, if there is one.
pub(super) fn put(
    frame: &mut Frame,
    container: Value,
    contents: Ty,
    item: Option<Value>,
    what: &str,
) -> Result<()> {
    let ty = match *ty_of(frame.val(container)).kind() {
        Kind::Method(receiver, _) => receiver,
        _ => ty_of(frame.val(container)),
    };
    if let Some(item) = item {
        frame.sites.enclose(container, item);
    }
    if frame.sites.sites(container).is_empty() {
        let there = ty.contents().unwrap_or(ty);
        let fit = promote::fit(contents, there);
        // The types of a `typed.Dict` are what the user wants.
        let any = matches!(ty.kind(), Kind::Dict { typed: true, .. });
        let fits = fit.is_some_and(|fit| any || fit != Fit::Unsafe);
        return if fits || join::join(there, contents) == Some(there) {
            Ok(())
        } else {
            Err(refused(frame, ty, contents, there, what))
        };
    }
    frame
        .sites
        .put(container, contents)
        .map_err(|there| refused(frame, ty, contents, there, what))
}

fn refused(frame: &Frame, container: Ty, contents: Ty, there: Ty, what: &str) -> Box<Diagnostic> {
    let name = match container.kind() {
        Kind::Dict { .. } => "dict",
        Kind::Set { .. } => "set",
        _ => "list",
    };
    if let (Kind::Dict { .. }, Some([key, value]), Some([key_there, value_there])) = (
        container.kind(),
        contents.tuple_items(),
        there.tuple_items(),
    ) {
        return frame
            .error(
                Code::CannotUnify,
                format!(
                    "cannot {what} a value of type {value} under a key of type {key}: the dict has \
                     keys of type {key_there} and values of type {value_there}"
                ),
            )
            .note(
                "all keys of a dict have one type in compiled code, and all values have one type",
            );
    }
    frame
        .error(
            Code::CannotUnify,
            format!(
                "cannot {what} a value of type {contents}: the {name} has items of type {there}"
            ),
        )
        .note(format!(
            "all items of a {name} have one type in compiled code"
        ))
        .help(format!("use a tuple, or one {name} for each type"))
}

/// Two containers whose items go from one to the other, or are compared: what is known of one is known of
/// the other, if it has no items of its own.
pub(super) fn relate(frame: &mut Frame, a: Value, b: Value) {
    let contents = |v: Value| ty_of(frame.val(v)).contents();
    if let (Some(x), Some(y)) = (contents(a), contents(b)) {
        relate_types(frame, a, x, y);
        relate_types(frame, b, y, x);
    }
}

pub(super) fn relate_types(frame: &mut Frame, container: Value, own: Ty, other: Ty) {
    if !own.is_known() && other.is_known() {
        frame.sites.demand(container, other);
    }
}
