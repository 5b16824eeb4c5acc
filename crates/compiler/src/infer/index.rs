//! Typing of indexing and iteration.

use super::attribute::int_tuple;
use super::creation::new_like;
use super::op::{plain, ty_of};
use super::solve::Frame;
use super::{AbsVal, Session, record};
use crate::diag::{Code, Result};
use crate::hir::unroll::MOST_ITEMS;
use crate::host::Const;
use crate::types::{ArrayTy, Facet, Kind, Layout, Ty, join};

/// A part of an index of an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexItem {
    Int,
    /// An array of integers with so many dimensions, or a list or a tuple that is one.
    Array(u8),
    /// An array of bools, which stands for as many dimensions as it has.
    Mask(u8),
    /// Which of start, stop, step are there.
    Slice([bool; 3]),
    Ellipsis,
    NewAxis,
}

/// What indexing an array with these items gives, with the ellipsis spelled out.
#[derive(Clone, Debug)]
pub struct Indexing {
    /// One for each dimension of the array, in order, with new axes in between; no ellipsis.
    pub items: Vec<IndexItem>,
    /// For each entry of `items`, the index of the item in the index expression that it stands for.
    pub source: Vec<Option<usize>>,
    /// The element type, a view, or with arrays among the items a new array.
    pub result: Ty,
    pub picked: Option<Picked>,
}

/// The dimensions that index arrays give the result: those that the arrays broadcast to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Picked {
    /// Where they lie among those of the result: where the arrays stand if they stand together, otherwise
    /// in front. An integer counts as an array here.
    pub at: u8,
    pub count: u8,
}

/// The items of an index expression's type: a tuple's items, or itself.
pub fn index_items(index: Ty) -> Vec<Ty> {
    match index.kind() {
        Kind::Tuple(items) | Kind::NamedTuple(_, items) => items.to_vec(),
        _ => vec![index],
    }
}

/// An index that is an array, or stands for one: its element type and number of dimensions.
fn index_array(ty: Ty) -> Option<(Ty, u8)> {
    match ty.kind() {
        Kind::Array(a) => Some((a.dtype, a.ndim)),
        Kind::Bool => Some((ty, 0)),
        Kind::List(_) | Kind::Tuple(_) => super::creation::nested(ty),
        _ => None,
    }
}

/// Resolves an index; `Err` says what is wrong with it.
pub fn indexing(array: ArrayTy, index: Ty) -> std::result::Result<Indexing, String> {
    let types = index_items(index);
    let mut items = vec![];
    for ty in &types {
        items.push(match plain(*ty).kind() {
            Kind::Int { .. } => IndexItem::Int,
            Kind::Slice(parts) => IndexItem::Slice(*parts),
            Kind::Ellipsis => IndexItem::Ellipsis,
            Kind::None => IndexItem::NewAxis,
            _ => match index_array(plain(*ty)) {
                Some((dtype, ndim)) if dtype.is_int() => IndexItem::Array(ndim),
                Some((dtype, ndim)) if dtype.is_bool() => IndexItem::Mask(ndim),
                _ => {
                    return Err(format!(
                        "cannot index {} with a value of type {ty}",
                        array.ty()
                    ));
                }
            },
        });
    }
    let takes = |i: &IndexItem| match i {
        IndexItem::Int | IndexItem::Slice(_) | IndexItem::Array(_) => 1,
        IndexItem::Mask(ndim) => usize::from(*ndim),
        IndexItem::Ellipsis | IndexItem::NewAxis => 0,
    };
    let used: usize = items.iter().map(takes).sum();
    let ndim = usize::from(array.ndim);
    if used > ndim {
        return Err(format!(
            "too many indices for {}: {used} for {ndim} dimensions",
            array.ty()
        ));
    }
    if items.iter().filter(|i| **i == IndexItem::Ellipsis).count() > 1 {
        return Err("an index can have a single ellipsis (...)".into());
    }
    let full = std::iter::repeat_n((IndexItem::Slice([false; 3]), None), ndim - used);
    let mut expanded: Vec<(IndexItem, Option<usize>)> = vec![];
    let mut filled = false;
    for (i, &item) in items.iter().enumerate() {
        if item == IndexItem::Ellipsis {
            expanded.extend(full.clone());
            filled = true;
        } else {
            expanded.push((item, Some(i)));
        }
    }
    if !filled {
        expanded.extend(full);
    }
    let picked = picked(&items, ndim - used);
    let (items, source): (Vec<_>, Vec<_>) = expanded.into_iter().unzip();
    if let Some(picked) = picked {
        let kept = items
            .iter()
            .filter(|i| matches!(i, IndexItem::Slice(_) | IndexItem::NewAxis))
            .count();
        let rank = kept as u8 + picked.count;
        let whole = rank == 0 && !types.iter().any(|t| matches!(t.kind(), Kind::Ellipsis));
        let result = if whole {
            array.dtype
        } else {
            Ty::array(array.dtype, rank, Layout::C)
        };
        return Ok(Indexing {
            items,
            source,
            result,
            picked: Some(picked),
        });
    }
    let rank = items.iter().filter(|i| **i != IndexItem::Int).count();
    let scalar = rank == 0 && !types.iter().any(|t| matches!(t.kind(), Kind::Ellipsis));
    let result = if scalar {
        record::item(array.dtype, array.readonly)
    } else {
        ArrayTy {
            ndim: rank as u8,
            layout: view_layout(array, &items),
            ..array
        }
        .ty()
    };
    Ok(Indexing {
        items,
        source,
        result,
        picked: None,
    })
}

/// Where the dimensions of index arrays go; `None` if there are no such arrays. The ellipsis stands for
/// `missing` dimensions.
fn picked(items: &[IndexItem], missing: usize) -> Option<Picked> {
    let ndims = items.iter().filter_map(|i| match i {
        IndexItem::Array(ndim) => Some(*ndim),
        IndexItem::Mask(_) => Some(1),
        _ => None,
    });
    let count = ndims.max()?;
    let picks =
        |i: &IndexItem| matches!(i, IndexItem::Int | IndexItem::Array(_) | IndexItem::Mask(_));
    let first = items.iter().position(picks)?;
    let together = items[first..]
        .iter()
        .skip_while(|i| picks(i))
        .all(|i| !picks(i));
    let before = items[..first].iter().map(|i| {
        if *i == IndexItem::Ellipsis {
            missing as u8
        } else {
            1
        }
    });
    Some(Picked {
        at: if together { before.sum() } else { 0 },
        count,
    })
}

/// The layout of a view: C stays C while only leading dimensions are dropped or cut without a step.
fn view_layout(array: ArrayTy, items: &[IndexItem]) -> Layout {
    let dims = items.iter().filter(|i| **i != IndexItem::NewAxis);
    let new_axis = items.contains(&IndexItem::NewAxis);
    let full = |i: &&IndexItem| matches!(i, IndexItem::Slice([false, false, false]));
    let contiguous = |rest: &mut dyn Iterator<Item = &IndexItem>| {
        let mut rest = rest.skip_while(|i| **i == IndexItem::Int);
        let first = rest.next();
        let cut = matches!(first, None | Some(IndexItem::Slice([_, _, false])));
        cut && rest.all(|i| full(&i))
    };
    let kept = match array.layout {
        Layout::C => contiguous(&mut dims.clone()),
        Layout::F => contiguous(&mut dims.clone().rev()),
        Layout::A => false,
    };
    let rank = items.len() - items.iter().filter(|i| **i == IndexItem::Int).count();
    match (kept && !new_axis, array.layout) {
        (true, Layout::F) if rank <= 1 => Layout::C,
        (true, layout) => layout,
        _ => Layout::A,
    }
}

/// The items of a homogeneous tuple (all join to one type).
pub fn tuple_item(items: &[Ty]) -> Option<Ty> {
    let (first, rest) = items.split_first()?;
    let function = |t: Ty| {
        matches!(
            t.kind(),
            Kind::Function(_) | Kind::Dispatcher(..) | Kind::Foreign(..)
        )
    };
    let alike = |t: Ty, u: Ty| {
        t.strong() == u.strong() || t.is_number() && u.is_number() || function(t) && function(u)
    };
    rest.iter().try_fold(*first, |t, u| {
        if alike(t, *u) {
            join::join(t, *u)
        } else {
            None
        }
    })
}

impl Session<'_> {
    pub(super) fn get_item(
        &mut self,
        frame: &Frame,
        value: &AbsVal,
        index: &AbsVal,
    ) -> Result<AbsVal> {
        let (ty, index_ty) = (ty_of(value), ty_of(index));
        if let Some(field) = record::get_field(frame, value, index) {
            return field;
        }
        if let Some(a) = ty.as_array()
            && let Some(found) = record::several_fields(a, &index.constant)
        {
            let found = found.map(|a| AbsVal::of(a.ty()));
            return found.map_err(|m| frame.error(Code::BadIndex, m));
        }
        match ty.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                tuple_get(frame, value, ty, items, index)
            }
            Kind::Array(array) => match indexing(*array, index_ty) {
                Ok(indexing) => Ok(AbsVal::of(indexing.result)),
                Err(message) => Err(frame.error(Code::BadIndex, message)),
            },
            Kind::Facet(Facet::Flat, array) if plain(index_ty).is_integral() => array
                .as_array()
                .map(|a| AbsVal::of(a.dtype))
                .ok_or_else(|| frame.error(Code::Internal, "flat of no array")),
            Kind::Facet(Facet::Flat, array) => match indexing(flattened(*array), index_ty) {
                Ok(Indexing { result, .. }) => {
                    let a = flattened(result);
                    Ok(AbsVal::of(new_like(a, a.dtype, Layout::C).ty()))
                }
                Err(message) => Err(frame.error(Code::BadIndex, message)),
            },
            Kind::List(_) => self.list_get(frame, ty, index_ty),
            Kind::Str if index_ty.is_int() || matches!(index_ty.kind(), Kind::Slice(_)) => {
                Ok(AbsVal::of(Ty::str()))
            }
            Kind::Chars { .. } => {
                let value = AbsVal::of(super::buffer::text(ty));
                self.get_item(frame, &value, index)
            }
            Kind::Buffer(exporter, a) => {
                let found = super::buffer::item(*exporter, *a, index_ty);
                found
                    .map(AbsVal::of)
                    .map_err(|m| frame.error(Code::BadIndex, m))
            }
            Kind::Str => Err(frame.error(
                Code::BadIndex,
                format!("cannot index unicode_type with a value of type {index_ty}"),
            )),
            _ => Err(frame.error(
                Code::NoOperator,
                format!("a value of type {ty} has no items (getitem)"),
            )),
        }
    }

    pub(super) fn set_item(
        &mut self,
        frame: &Frame,
        value: &AbsVal,
        index: &AbsVal,
        new: &AbsVal,
    ) -> Result<AbsVal> {
        let (ty, index_ty, new_ty) = (ty_of(value), ty_of(index), ty_of(new));
        if let (Kind::Facet(Facet::Flat, of), true) = (ty.kind(), plain(index_ty).is_integral()) {
            // As an item of one dimension.
            let of = of.as_array().map_or(ty, |a| {
                ArrayTy {
                    ndim: 1,
                    layout: Layout::A,
                    ..a
                }
                .ty()
            });
            return self.set_item(frame, &AbsVal::of(of), index, new);
        }
        if let Some(done) = record::set_field(frame, value, index, new) {
            return done;
        }
        let Some(array) = ty.memory().filter(|_| !ty.is_bytes()) else {
            return Err(frame.error(
                Code::ReadOnly,
                format!("cannot assign to an item of {ty} (setitem)"),
            ));
        };
        if array.readonly {
            let mut error = frame.error(
                Code::ReadOnly,
                format!("cannot assign to an item (setitem) of a read-only array: {ty}"),
            );
            if matches!(value.constant, Some(Const::Array(_))) {
                error = error.note("global arrays are frozen constants in compiled code");
            }
            return Err(error.help("pass the array as an argument, or write to a copy"));
        }
        let indexing = indexing(array, index_ty).map_err(|m| frame.error(Code::BadIndex, m))?;
        // A part of the array takes an array that broadcasts to it, or a scalar.
        let new = match new_ty.kind() {
            Kind::Tuple(_) | Kind::NamedTuple(..) if array.dtype.as_record().is_some() => None,
            Kind::Array(new) => Some((new.dtype, new.ndim)),
            // To NumPy, bytes are a text.
            Kind::Buffer(_, new) if ty.as_buffer().is_some() || !new_ty.is_bytes() => {
                Some((new.dtype, new.ndim))
            }
            Kind::List(_) | Kind::Tuple(_) | Kind::NamedTuple(..) => {
                super::creation::nested(new_ty)
            }
            _ => None,
        };
        let element = match (indexing.result.as_array(), new) {
            (Some(part), Some((dtype, ndim))) if ndim <= part.ndim => dtype,
            (Some(part), Some((_, ndim))) => {
                return Err(frame.error(
                    Code::CannotConvert,
                    format!("cannot assign a {ndim}-dimensional array to a {}-dimensional part (setitem)", part.ndim),
                ));
            }
            (None, Some((dtype, 0))) => dtype,
            _ => new_ty,
        };
        if !record::fits_item(element, array.dtype) {
            return Err(frame.error(
                Code::CannotConvert,
                format!(
                    "cannot convert {new_ty} to {}, the type of the array's elements (setitem)",
                    array.dtype
                ),
            ));
        }
        Ok(AbsVal::of(Ty::none()))
    }

    pub(super) fn iter(&mut self, frame: &Frame, value: &AbsVal) -> Result<AbsVal> {
        let ty = ty_of(value);
        self.iter_element(frame, ty)?;
        Ok(AbsVal::of(Ty::new(Kind::Iter(ty))))
    }

    /// Whether a value of this type can be iterated over; over tuples, at least by a loop that is unrolled.
    pub(super) fn check_iterable(&mut self, frame: &Frame, ty: Ty) -> Result<()> {
        match ty.kind() {
            Kind::Tuple(_) | Kind::NamedTuple(..) => Ok(()),
            Kind::Enumerate(inner) | Kind::Reversed(inner) => self.check_iterable(frame, *inner),
            Kind::Zip(parts) => parts
                .iter()
                .try_for_each(|t| self.check_iterable(frame, *t)),
            _ => self.iter_element(frame, ty).map(|_| ()),
        }
    }

    pub(super) fn iter_item(&mut self, frame: &Frame, it: &AbsVal) -> Result<AbsVal> {
        match *ty_of(it).kind() {
            Kind::Iter(inner) => {
                let item = self.iter_element(frame, inner)?;
                Ok(super::sites::known(item))
            }
            _ => Err(frame.error(Code::Internal, "an iterator that is none")),
        }
    }

    /// The type of the items of an iterable.
    pub(super) fn iter_element(&mut self, frame: &Frame, ty: Ty) -> Result<Ty> {
        let not_iterable = || {
            frame.error(
                Code::NotIterable,
                format!("cannot iterate over a value of type {ty}"),
            )
        };
        Ok(match ty.kind() {
            Kind::Range(t, _) => *t,
            Kind::Array(array) | Kind::Buffer(_, array) if array.ndim > 0 => {
                let index = AbsVal::of(Ty::py_int());
                ty_of(&self.get_item(frame, &AbsVal::of(array.ty()), &index)?)
            }
            Kind::Str => Ty::str(),
            Kind::Facet(Facet::Flat, array) => {
                array.as_array().map(|a| a.dtype).ok_or_else(not_iterable)?
            }
            Kind::List(item) | Kind::Set { item, .. } => *item,
            Kind::Dict { .. } | Kind::View(..) => super::dict::shown(ty),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                if items.is_empty() {
                    return Ok(Ty::none());
                }
                tuple_item(items).ok_or_else(|| {
                    frame
                        .error(Code::NotIterable, format!("cannot iterate over {ty}: its items have different types"))
                        .note(format!(
                            "a loop over such a tuple is compiled once for each item, unless there are more than {MOST_ITEMS}, \
                             the function becomes too large, or the iterator is used elsewhere, too"
                        ))
                        .help("loop over the tuple itself, or index it with constants")
                })?
            }
            Kind::Enumerate(inner) => Ty::tuple(&[Ty::py_int(), self.iter_element(frame, *inner)?]),
            Kind::Zip(inner) => {
                let items: Result<Vec<Ty>> =
                    inner.iter().map(|t| self.iter_element(frame, *t)).collect();
                Ty::tuple(&items?)
            }
            Kind::Reversed(inner) => self.iter_element(frame, *inner)?,
            Kind::NdIndex(ndim) => int_tuple(*ndim),
            Kind::Facet(Facet::Enumerated, array) => {
                let a = array.as_array().ok_or_else(not_iterable)?;
                Ty::tuple(&[int_tuple(a.ndim), record::item(a.dtype, a.readonly)])
            }
            Kind::NdIter(items) => super::walk::visited(items),
            Kind::Generator(generator) => generator.item,
            _ => return Err(not_iterable()),
        })
    }
}

/// The elements of an array one after the other, as `a.flat` has them.
pub fn flattened(array: Ty) -> ArrayTy {
    ArrayTy {
        dtype: array.as_array().map_or(array, |a| a.dtype),
        ndim: 1,
        layout: Layout::C,
        readonly: false,
        aligned: array.as_array().is_none_or(|a| a.aligned),
    }
}

fn tuple_get(
    frame: &Frame,
    value: &AbsVal,
    ty: Ty,
    items: &'static [Ty],
    index: &AbsVal,
) -> Result<AbsVal> {
    let index_ty = ty_of(index);
    if index_ty.is_integral() {
        let Some(i) = index.as_int() else {
            return tuple_item(items).map(AbsVal::of).ok_or_else(|| {
                frame
                    .error(
                        Code::BadIndex,
                        format!(
                            "the index of {ty} must be a constant: its items have different types"
                        ),
                    )
                    .help("index with a literal, or make the items one type")
            });
        };
        let at = if i < 0 { i + items.len() as i64 } else { i };
        if !(0..items.len() as i64).contains(&at) {
            // A homogeneous tuple raises at run time, as Python does.
            let homogeneous =
                tuple_item(items).filter(|_| !matches!(index.constant, Some(Const::Int(_))));
            return homogeneous.map(AbsVal::of).ok_or_else(|| {
                frame.error(
                    Code::BadIndex,
                    format!(
                        "tuple index {i} is out of range for {} items ({ty})",
                        items.len()
                    ),
                )
            });
        }
        let constant = match &value.constant {
            Some(Const::Tuple(constants)) => constants.get(at as usize).cloned(),
            _ => None,
        };
        return Ok(AbsVal {
            ty: Some(items[at as usize]),
            constant,
        });
    }
    if let (Kind::Slice(_), Some(Const::Tuple(parts))) = (index_ty.kind(), &index.constant) {
        let part = |i: usize| match &parts[i] {
            Const::Int(v) => i64::try_from(*v).ok(),
            _ => None,
        };
        let picked = slice_positions(items.len(), part(0), part(1), part(2))
            .ok_or_else(|| frame.error(Code::BadIndex, "slice step cannot be zero"))?;
        let types: Vec<Ty> = picked.iter().map(|&i| items[i]).collect();
        let constant = match &value.constant {
            Some(Const::Tuple(constants)) => Some(Const::Tuple(
                picked.iter().map(|&i| constants[i].clone()).collect(),
            )),
            _ => None,
        };
        return Ok(AbsVal {
            ty: Some(Ty::tuple(&types)),
            constant,
        });
    }
    Err(frame.error(
        Code::BadIndex,
        format!("cannot index {ty} with a value of type {index_ty}"),
    ))
}

/// The positions that a constant slice takes from a sequence of `len` items; `None` for a step of 0.
pub fn slice_positions(
    len: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
) -> Option<Vec<usize>> {
    let (len, step) = (len as i64, step.unwrap_or(1));
    if step == 0 {
        return None;
    }
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |v: Option<i64>, default| {
        v.map_or(default, |v| {
            (if v < 0 { v + len } else { v }).clamp(low, high)
        })
    };
    let (mut at, stop) = if step > 0 {
        (clamp(start, 0), clamp(stop, len))
    } else {
        (clamp(start, len - 1), clamp(stop, -1))
    };
    let mut out = vec![];
    while if step > 0 { at < stop } else { at > stop } {
        out.push(at as usize);
        at += step;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::slice_positions;

    #[test]
    fn slices_as_python_does() {
        assert_eq!(slice_positions(5, Some(1), Some(3), None), Some(vec![1, 2]));
        assert_eq!(
            slice_positions(5, None, None, Some(-1)),
            Some(vec![4, 3, 2, 1, 0])
        );
        assert_eq!(slice_positions(5, Some(-2), None, None), Some(vec![3, 4]));
        assert_eq!(slice_positions(5, Some(3), Some(1), None), Some(vec![]));
        assert_eq!(slice_positions(5, None, None, Some(2)), Some(vec![0, 2, 4]));
        assert_eq!(slice_positions(5, Some(0), None, Some(0)), None);
    }
}
