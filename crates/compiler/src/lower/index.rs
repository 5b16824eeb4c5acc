//! Indexing by arrays. Reading is a nest whose body loads elements at the addresses that the indices give,
//! so that it fuses; the indices are looked at before, in a nest of their own, for those out of range.
//! Masks become the indices of what they choose, or where they cover the whole array, are used as they are.

use smallvec::{SmallVec, smallvec};

use super::elementwise::{element_align, item};
use super::value::item_types;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::creation::as_array;
use crate::infer::index::{IndexItem, Indexing};
use crate::tir::nest::{
    Access, Along, Axis, Input, Output, OutputKind, Scatter, Selection, Stretch, Subview,
};
use crate::tir::{Bin, Cast, Cmp, Part, Type, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};

/// The indices along a dimension.
struct Pick {
    /// Of the view.
    dim: u8,
    /// An array.
    index: Typed,
    /// Whether negative indices may be among them.
    wraps: bool,
}

/// What index arrays choose.
struct Chosen {
    /// The array with the other parts of the index applied.
    view: Value,
    ty: ArrayTy,
    picks: Vec<Pick>,
    /// The dimensions of the result, and which of them come from the index arrays.
    shape: Vals,
    picked: std::ops::Range<usize>,
}

impl Body<'_, '_, '_> {
    /// The elements that an index with arrays chooses: a new array, or one element.
    pub(super) fn gather(
        &mut self,
        array: Value,
        a: ArrayTy,
        indexing: &Indexing,
        parts: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        let chosen = self.choose(array, a, indexing, parts)?;
        let result = ty.as_array().unwrap_or(ArrayTy {
            ndim: 0,
            layout: Layout::C,
            readonly: false,
            aligned: true,
            ..a
        });
        let data = self.b.part(chosen.view, Part::Data);
        let made = self.at_chosen(&chosen, &[], |body, at, _| {
            let address = body.address(data, at);
            let values = body.load_parts(address, &item_types(a.dtype), element_align(a));
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::New(item(result)),
            }])
        })?;
        if ty.as_array().is_some() {
            return Ok(made);
        }
        let data = self.b.part(made[0], Part::Data);
        Ok(self.item_at(made[0], data, result))
    }

    /// Assigns to the elements that an index with arrays chooses, one after the other.
    pub(super) fn scatter(
        &mut self,
        array: Value,
        a: ArrayTy,
        indexing: &Indexing,
        parts: &[Typed],
        new: &Typed,
    ) -> Result<()> {
        if let ([IndexItem::Mask(ndim)], [mask]) = (&indexing.items[..], parts)
            && *ndim == a.ndim
            && a.ndim > 0
            && (new.ty.is_scalar() || new.ty.is_time())
        {
            return self.assign_masked(array, a, mask, new);
        }
        let mut chosen = self.choose(array, a, indexing, parts)?;
        // What is read is read before anything is written.
        for pick in &mut chosen.picks {
            pick.index = self.own_copy(&pick.index)?;
        }
        let source = self.own_copy(new)?;
        if let Kind::Array(from) = *source.ty.kind() {
            self.check_assignable(&chosen.shape, source.vals[0], from)?;
        }
        self.at_chosen(&chosen, &[source], |body, at, x| {
            let values = body.cast(&x[0], a.dtype)?;
            let at = body.distance(at);
            let scatter = Scatter {
                array: chosen.view,
                at,
                item: item(chosen.ty),
            };
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::Scatter(scatter),
            }])
        })?;
        Ok(())
    }

    /// A copy of an array that fusion does away with where that makes no difference.
    fn own_copy(&mut self, value: &Typed) -> Result<Typed> {
        let Kind::Array(from) = *value.ty.kind() else {
            return Ok(value.clone());
        };
        let copy = ArrayTy {
            layout: Layout::C,
            readonly: false,
            aligned: true,
            ..from
        }
        .ty();
        Ok(Typed::new(
            copy,
            self.map(std::slice::from_ref(value), copy, |_, x, _| {
                Ok(x[0].vals.clone())
            })?,
        ))
    }

    /// Looks at an index with arrays; raises IndexError for what is out of range.
    fn choose(
        &mut self,
        array: Value,
        a: ArrayTy,
        indexing: &Indexing,
        parts: &[Typed],
    ) -> Result<Chosen> {
        let Some(picked) = indexing.picked else {
            return Err(self.bug("an index without arrays"));
        };
        let mut view = Subview {
            base: array,
            at: smallvec![],
            axes: smallvec![],
            item: item(a),
        };
        let (mut picks, mut lengths): (Vec<Pick>, Vals) = (vec![], Vals::new());
        let mut dim = 0;
        let mut stands_alone = None;
        for (entry, source) in indexing.items.iter().zip(&indexing.source) {
            let part = source.map(|s| parts[s].clone());
            match (*entry, part) {
                (IndexItem::NewAxis, _) => {
                    view.axes.push(Axis::New);
                    continue;
                }
                (IndexItem::Int, Some(part)) => {
                    let at = self.bounded_index(array, &part, usize::from(dim), true)?;
                    view.at.push((dim, at));
                }
                (IndexItem::Slice([false, false, false]), _) => view.axes.push(Axis::Whole(dim)),
                (IndexItem::Slice(present), Some(part)) => {
                    let len = self.b.part(array, Part::Shape(dim));
                    let (start, count, step) = self.array_slice(&part.vals, present, len)?;
                    view.axes.push(Axis::Part {
                        dim,
                        start,
                        count,
                        step,
                    });
                }
                (IndexItem::Array(_), Some(part)) => {
                    let (index, ty) = self.as_array(&part)?;
                    let len = self.b.part(array, Part::Shape(dim));
                    self.check_indices(index, ty, len)?;
                    picks.push(Pick {
                        dim: view.axes.len() as u8,
                        index: Typed::one(ty.ty(), index),
                        wraps: ty.dtype.is_signed(),
                    });
                    view.axes.push(Axis::Whole(dim));
                }
                (IndexItem::Mask(0), Some(part)) => {
                    let truth = if part.ty.is_bool() {
                        part.vals[0]
                    } else {
                        self.item_of_zero_dim(&part).vals[0]
                    };
                    stands_alone = Some(self.b.cast(Cast::ZExt, truth, Type::I64));
                    continue;
                }
                (IndexItem::Mask(ndim), Some(part)) => {
                    let (mask, ty) = self.as_array(&part)?;
                    self.check_mask(array, dim, mask, ndim)?;
                    let (start, step) = (self.b.i64(0), self.b.i64(1));
                    for (k, index) in self.nonzero_of(mask, ty)?.into_iter().enumerate() {
                        picks.push(Pick {
                            dim: view.axes.len() as u8,
                            index,
                            wraps: false,
                        });
                        // All of it, but by the mask's size: as many as there are indices.
                        let count = self.b.part(mask, Part::Shape(k as u8));
                        view.axes.push(Axis::Part {
                            dim,
                            start,
                            count,
                            step,
                        });
                        dim += 1;
                    }
                    continue;
                }
                _ => return Err(self.bug("an index without a value")),
            }
            dim += 1;
        }
        let operands: Vec<Typed> = picks.iter().map(|p| p.index.clone()).collect();
        let broadcast = match stands_alone {
            Some(n) if operands.is_empty() => smallvec![n],
            _ => self.broadcast_shape_or(
                &operands,
                picked.count,
                "IndexError",
                "shape mismatch: indexing arrays could not be broadcast together",
            )?,
        };
        let is_pick = |k: usize, picks: &[Pick]| picks.iter().any(|p| usize::from(p.dim) == k);
        let rank = view.axes.len();
        let base = self.b.subview(view);
        let kept: Vals = (0..rank)
            .filter(|&k| !is_pick(k, &picks))
            .map(|k| self.b.part(base, Part::Shape(k as u8)))
            .collect();
        let at = usize::from(picked.at);
        lengths.extend(kept[..at].iter().copied());
        lengths.extend(broadcast);
        lengths.extend(kept[at..].iter().copied());
        let whole = indexing.items.iter().all(|i| {
            matches!(
                i,
                IndexItem::Slice([false, false, false])
                    | IndexItem::Array(_)
                    | IndexItem::Mask(1..)
            )
        });
        let layout = if whole { a.layout } else { Layout::A };
        let ty = ArrayTy {
            ndim: rank as u8,
            layout,
            ..a
        };
        Ok(Chosen {
            view: base,
            ty,
            picks,
            shape: lengths,
            picked: at..at + usize::from(picked.count),
        })
    }

    /// A nest over the shape of what was chosen: the body gets the index along each dimension of the view,
    /// with its stride, and the elements of operands.
    fn at_chosen(
        &mut self,
        chosen: &Chosen,
        operands: &[Typed],
        body: impl FnOnce(&mut Self, &[(Value, Value)], &[Typed]) -> Result<Vec<Output>>,
    ) -> Result<Vals> {
        let shape = chosen.shape.clone();
        let mut inputs = vec![];
        let mut picked = vec![];
        for pick in &chosen.picks {
            let Kind::Array(a) = *pick.index.ty.kind() else {
                return Err(self.bug("an index that is no array"));
            };
            let skip = chosen.picked.end - usize::from(a.ndim);
            let dims = (0..usize::from(a.ndim))
                .map(|d| Along {
                    dim: (skip + d) as u8,
                    stretch: Stretch::Maybe,
                })
                .collect();
            let access = Access {
                array: pick.index.vals[0],
                dims,
                item: item(a),
            };
            let (elements, element) = self.element_of(a.dtype);
            picked.push(element);
            inputs.push(Input::new(access, elements));
        }
        let strides: Vals = (0..usize::from(chosen.ty.ndim))
            .map(|d| self.stride(chosen.view, chosen.ty, d))
            .collect();
        let lengths: Vals = chosen
            .picks
            .iter()
            .map(|p| self.b.part(chosen.view, Part::Shape(p.dim)))
            .collect();
        let needs_indices = chosen.picks.len() < usize::from(chosen.ty.ndim);
        let indices: SmallVec<[Value; 4]> = if needs_indices {
            shape.iter().map(|_| self.b.value(Type::I64)).collect()
        } else {
            smallvec![]
        };
        let (mut elements, own) = (vec![], &mut inputs);
        for operand in operands {
            self.operand(&shape, operand, own, &mut elements);
        }
        self.nest_with(&shape, inputs, &indices, |b| {
            let mut free = (0..shape.len()).filter(|d| !chosen.picked.contains(d));
            let mut at: Vec<(Value, Value)> = vec![];
            for dim in 0..chosen.ty.ndim {
                let index = match chosen.picks.iter().position(|p| p.dim == dim) {
                    Some(k) => {
                        let index = b.cast(&picked[k], Ty::int(64, true))?[0];
                        if chosen.picks[k].wraps {
                            b.wrap_index(index, lengths[k])
                        } else {
                            index
                        }
                    }
                    None => indices[free.next().unwrap_or(0)],
                };
                at.push((index, strides[usize::from(dim)]));
            }
            body(b, &at, &elements)
        })
    }

    /// The address of an element by indices and strides.
    fn address(&mut self, data: Value, at: &[(Value, Value)]) -> Value {
        let mut address = data;
        for &(index, stride) in at {
            address = match self
                .b
                .as_int(stride)
                .and_then(|s| u32::try_from(s).ok())
                .filter(|s| *s > 0)
            {
                Some(size) => self.b.element(address, index, size),
                None => {
                    let offset = self.b.binary_nsw(Bin::Mul, index, stride);
                    self.b.offset(address, offset)
                }
            };
        }
        address
    }

    /// The same as a distance from the first element.
    fn distance(&mut self, at: &[(Value, Value)]) -> Value {
        let mut sum = self.b.i64(0);
        for &(index, stride) in at {
            let offset = self.b.binary_nsw(Bin::Mul, index, stride);
            sum = self.b.binary_nsw(Bin::Add, sum, offset);
        }
        sum
    }

    /// Raises IndexError if an index is not one of a dimension of `len` elements.
    fn check_indices(&mut self, index: Value, a: ArrayTy, len: Value) -> Result<()> {
        let shape = self.shape(index, a.ndim);
        let outside = self.any(&shape, &Typed::one(a.ty(), index), |body, x| {
            let signed = a.dtype.is_signed();
            let at = body.cast_number(x, Ty::int(64, signed))[0];
            let at = if signed { body.wrap_index(at, len) } else { at };
            body.b.cmp(Cmp::UGe, at, len)
        })?;
        self.raise_if(outside, "IndexError", "index is out of bounds for the axis")
    }

    /// Raises IndexError unless a mask has the shape of the dimensions it stands for.
    fn check_mask(&mut self, array: Value, dim: u8, mask: Value, ndim: u8) -> Result<()> {
        let mut bad = self.b.bool(false);
        for k in 0..ndim {
            let (n, m) = (
                self.b.part(array, Part::Shape(dim + k)),
                self.b.part(mask, Part::Shape(k)),
            );
            let differs = self.b.cmp(Cmp::Ne, n, m);
            bad = self.b.binary(Bin::Or, bad, differs);
        }
        self.raise_if(
            bad,
            "IndexError",
            "boolean index did not match the shape of the indexed array",
        )
    }

    // ---- masks ----

    /// For each dimension the indices of the elements that are not zero.
    fn nonzero_of(&mut self, array: Value, a: ArrayTy) -> Result<Vec<Typed>> {
        let shape = self.shape(array, a.ndim);
        let Kind::Array(result) = *Ty::array(Ty::int(64, true), 1, Layout::C).kind() else {
            return Err(self.bug("no array"));
        };
        let indices: SmallVec<[Value; 4]> = shape.iter().map(|_| self.b.value(Type::I64)).collect();
        let (mut inputs, mut elements) = (vec![], vec![]);
        self.operand(
            &shape,
            &Typed::one(a.ty(), array),
            &mut inputs,
            &mut elements,
        );
        let made = self.nest_with(&shape, inputs, &indices, |body| {
            let when = body.nonzero(&elements[0]);
            let select = |&index: &Value| Output {
                values: smallvec![index],
                kind: OutputKind::Select(Selection {
                    when,
                    item: item(result),
                }),
            };
            Ok(indices.iter().map(select).collect())
        })?;
        let typed = |v| Typed::one(result.ty(), v);
        Ok(made.into_iter().map(typed).collect())
    }

    /// `np.nonzero`
    pub(super) fn nonzero_indices(&mut self, value: &Typed) -> Result<Vals> {
        let (array, a) = self.as_array(value)?;
        Ok(self
            .nonzero_of(array, a)?
            .into_iter()
            .flat_map(|t| t.vals)
            .collect())
    }

    /// `a[mask] = x`: elements that are not chosen are written back.
    fn assign_masked(&mut self, array: Value, a: ArrayTy, mask: &Typed, new: &Typed) -> Result<()> {
        let (mask, m) = self.as_array(mask)?;
        self.check_mask(array, 0, mask, a.ndim)?;
        let mask = self.own_copy(&Typed::one(m.ty(), mask))?;
        let shape = self.shape(array, a.ndim);
        let new = self.cast(new, a.dtype)?;
        let target = Access::whole(array, shape.len(), item(a));
        let access = target.clone();
        let (read, old) = self.element_of(a.dtype);
        let mut inputs = vec![Input::new(access, read)];
        let mut masks = vec![];
        self.operand(&shape, &mask, &mut inputs, &mut masks);
        self.nest_with(&shape, inputs, &[], |body| {
            let values = new
                .iter()
                .zip(&old.vals)
                .map(|(&v, &old)| body.b.select(masks[0].vals[0], v, old))
                .collect();
            Ok(vec![Output {
                values,
                kind: OutputKind::Store(target),
            }])
        })?;
        Ok(())
    }

    /// The one array that `as_array` makes of a value, as a value.
    pub(super) fn converted(&mut self, value: &Typed) -> Result<Typed> {
        if as_array(value.ty).is_none() {
            return Ok(value.clone());
        }
        let (array, a) = self.as_array(value)?;
        Ok(Typed::one(a.ty(), array))
    }
}
