//! `np.concatenate` and its like: each array is written to its part of the result, so that what makes the
//! array is fused into that.

use smallvec::smallvec;

use super::elementwise::item;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::intrinsic::AxisOf;
use crate::infer::joining::{Join, JoinAxis};
use crate::tir::nest::{Access, Axis, Input, Output, OutputKind, Subview};
use crate::tir::{Bin, Cmp, Part, Value};
use crate::types::{ArrayTy, Kind, Layout};

/// An array that is joined.
struct Piece {
    array: Value,
    ty: ArrayTy,
    shape: Vals,
}

/// Where the arrays are put together.
#[derive(Clone, Copy)]
struct Seam {
    axis: JoinAxis,
    /// The axis, if it is an argument.
    given: Option<Value>,
}

impl Body<'_, '_, '_> {
    pub(super) fn join_arrays(&mut self, join: &Join, args: &[Typed]) -> Result<Vals> {
        let sequence = self.unwrap(&args[0])?;
        let given = match join.axis {
            JoinAxis::Argument | JoinAxis::NewArgument => {
                let axis = self.unwrap(&args[1])?;
                Some(self.axis_argument(&axis, join.made.ndim)?)
            }
            JoinAxis::At(_) | JoinAxis::Flat => None,
        };
        let seam = Seam {
            axis: join.axis,
            given,
        };
        let result = if let Some(items) = sequence.ty.tuple_items() {
            let mut pieces = vec![];
            for i in 0..items.len() {
                let item = self.item(&sequence, i);
                pieces.push(self.piece(&item, &join.pieces[i], seam)?);
            }
            self.join_known(join, seam, &pieces)?
        } else {
            self.join_items(join, seam, &sequence)?
        };
        let Some(out) = args.last().filter(|_| join.out) else {
            return Ok(smallvec![result]);
        };
        let Kind::Array(a) = *out.ty.kind() else {
            return Err(self.bug("an output that is no array"));
        };
        let mut bad = self.b.bool(false);
        for dim in 0..a.ndim {
            let (n, wanted) = (
                self.b.part(result, Part::Shape(dim)),
                self.b.part(out.vals[0], Part::Shape(dim)),
            );
            let differs = self.b.cmp(Cmp::Ne, n, wanted);
            bad = self.b.binary(Bin::Or, bad, differs);
        }
        self.raise_if(bad, "ValueError", "Output array is the wrong shape")?;
        self.write_elements(out.vals[0], a, Typed::one(join.made.ty(), result))?;
        Ok(out.vals.clone())
    }

    /// The joining of arrays that are known one by one.
    fn join_known(&mut self, join: &Join, seam: Seam, pieces: &[Piece]) -> Result<Value> {
        let mut total = self.b.i64(0);
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                self.check_alike(seam, &pieces[0].shape, &piece.shape)?;
            }
            let extent = self.extent(seam, &piece.shape);
            total = self.b.binary_nsw(Bin::Add, total, extent);
        }
        let result = self.joined(join, seam, &pieces[0].shape, total)?;
        let mut at = self.b.i64(0);
        for piece in pieces {
            at = self.put_piece(join, seam, result, at, piece)?;
        }
        Ok(result)
    }

    /// The joining of the items of a list or an array.
    fn join_items(&mut self, join: &Join, seam: Seam, sequence: &Typed) -> Result<Value> {
        let count = self.sequence_len(sequence)?;
        let zero = self.b.i64(0);
        let none = self.b.cmp(Cmp::Eq, count, zero);
        self.raise_if(none, "ValueError", "need at least one array to concatenate")?;
        let axes = &join.pieces[0];
        let first = self.item_in_bounds(sequence, zero)?;
        let first = self.piece(&first, axes, seam)?.shape;
        let total = self.fold_loop(count, zero, |body, i, total| {
            let item = body.item_in_bounds(sequence, i)?;
            let piece = body.piece(&item, axes, seam)?;
            body.check_alike(seam, &first, &piece.shape)?;
            let extent = body.extent(seam, &piece.shape);
            Ok(body.b.binary_nsw(Bin::Add, total, extent))
        })?;
        let result = self.joined(join, seam, &first, total)?;
        self.fold_loop(count, zero, |body, i, at| {
            let item = body.item_in_bounds(sequence, i)?;
            let piece = body.piece(&item, axes, seam)?;
            body.put_piece(join, seam, result, at, &piece)
        })?;
        Ok(result)
    }

    /// An array with the axes with which it is joined.
    fn piece(&mut self, value: &Typed, axes: &[AxisOf], seam: Seam) -> Result<Piece> {
        let (mut array, mut ty) = self.as_array(value)?;
        if let (JoinAxis::NewArgument, Some(axis)) = (seam.axis, seam.given) {
            array = self.with_axis(array, ty, axis);
            ty = ArrayTy {
                ndim: ty.ndim + 1,
                layout: Layout::A,
                ..ty
            };
        } else if axes.len() != usize::from(ty.ndim) {
            array = self.b.subview(Subview {
                base: array,
                at: smallvec![],
                axes: axes
                    .iter()
                    .map(|axis| match *axis {
                        AxisOf::Whole(dim) => Axis::Whole(dim),
                        AxisOf::New | AxisOf::Flipped(_) => Axis::New,
                    })
                    .collect(),
                item: item(ty),
            });
            ty = ArrayTy {
                ndim: axes.len() as u8,
                layout: Layout::A,
                ..ty
            };
        }
        let shape = self.shape(array, ty.ndim);
        Ok(Piece { array, ty, shape })
    }

    /// A view of an array with a new axis at a place that is known at run time.
    pub(super) fn with_axis(&mut self, array: Value, a: ArrayTy, axis: Value) -> Value {
        let (old_shape, old_strides) = (self.shape(array, a.ndim), self.strides(array, a));
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for d in 0..=usize::from(a.ndim) {
            let at = self.b.i64(d as i64);
            let here = self.b.cmp(Cmp::Eq, axis, at);
            let after = self.b.cmp(Cmp::SLt, axis, at);
            let mut pick = |old: &[Value], new: Value| {
                let before = old.get(d).copied().unwrap_or(new);
                let shifted = if d > 0 { old[d - 1] } else { new };
                let kept = self.b.select(after, shifted, before);
                self.b.select(here, new, kept)
            };
            shape.push(pick(&old_shape, one));
            strides.push(pick(&old_strides, zero));
        }
        let data = self.b.part(array, Part::Data);
        self.b.view(array, data, &shape, &strides)
    }

    /// Whether a dimension is the one along which arrays are joined: a constant where that is known.
    fn is_seam(&mut self, seam: Seam, dim: usize) -> Value {
        match (seam.axis, seam.given) {
            (JoinAxis::At(axis), _) => self.b.bool(usize::from(axis) == dim),
            (_, Some(axis)) => {
                let dim = self.b.i64(dim as i64);
                self.b.cmp(Cmp::Eq, axis, dim)
            }
            _ => self.b.bool(true),
        }
    }

    /// How much an array of this shape takes of the result.
    fn extent(&mut self, seam: Seam, shape: &[Value]) -> Value {
        if seam.axis == JoinAxis::Flat {
            let mut size = self.b.i64(1);
            for &n in shape {
                size = self.b.binary_nsw(Bin::Mul, size, n);
            }
            return size;
        }
        let mut extent = shape[0];
        for (dim, &n) in shape.iter().enumerate().skip(1) {
            let here = self.is_seam(seam, dim);
            extent = self.b.select(here, n, extent);
        }
        extent
    }

    fn check_alike(&mut self, seam: Seam, first: &[Value], other: &[Value]) -> Result<()> {
        if seam.axis == JoinAxis::Flat {
            return Ok(());
        }
        let mut bad = self.b.bool(false);
        for (dim, (&n, &wanted)) in other.iter().zip(first).enumerate() {
            let differs = self.b.cmp(Cmp::Ne, n, wanted);
            let here = self.is_seam(seam, dim);
            let elsewhere = self.b.not(here);
            let wrong = self.b.binary(Bin::And, differs, elsewhere);
            bad = self.b.binary(Bin::Or, bad, wrong);
        }
        let message = match self.b.as_int(bad) {
            Some(0) => return Ok(()),
            _ => {
                "all the input array dimensions except for the concatenation axis must match exactly"
            }
        };
        self.raise_if(bad, "ValueError", message)
    }

    /// The new array.
    fn joined(&mut self, join: &Join, seam: Seam, first: &[Value], total: Value) -> Result<Value> {
        let shape: Vals = if seam.axis == JoinAxis::Flat {
            smallvec![total]
        } else {
            let dims = first.iter().enumerate();
            dims.map(|(dim, &n)| {
                let here = self.is_seam(seam, dim);
                self.b.select(here, total, n)
            })
            .collect()
        };
        let made = join.made;
        self.allocate(made.dtype.itemsize(), made.layout, &shape, false)
    }

    /// Writes an array to its part of the result, which begins `at`; where the next one begins.
    fn put_piece(
        &mut self,
        join: &Join,
        seam: Seam,
        result: Value,
        at: Value,
        piece: &Piece,
    ) -> Result<Value> {
        let made = join.made;
        let extent = self.extent(seam, &piece.shape);
        let (target, layout) = if seam.axis == JoinAxis::Flat {
            let size = made.dtype.itemsize();
            let data = self.b.part(result, Part::Data);
            let data = self.b.element(data, at, size);
            let size = self.b.i64(i64::from(size));
            let strides = self.b.contiguous_strides(size, Layout::C, &piece.shape);
            (self.b.view(result, data, &piece.shape, &strides), Layout::C)
        } else {
            let (zero, one) = (self.b.i64(0), self.b.i64(1));
            let mut view = Subview {
                base: result,
                at: smallvec![],
                axes: smallvec![],
                item: item(made),
            };
            for (dim, &count) in piece.shape.iter().enumerate() {
                let here = self.is_seam(seam, dim);
                let dim = dim as u8;
                view.axes.push(match self.b.as_int(here) {
                    Some(0) => Axis::Whole(dim),
                    _ => Axis::Part {
                        dim,
                        start: self.b.select(here, at, zero),
                        count,
                        step: one,
                    },
                });
            }
            let whole_rows = seam.axis == JoinAxis::At(0) && made.layout == Layout::C;
            let layout = if whole_rows { Layout::C } else { Layout::A };
            (self.b.subview(view), layout)
        };
        let rank = piece.shape.len();
        let ty = ArrayTy {
            ndim: rank as u8,
            layout,
            ..made
        };
        let access = Access::whole(target, rank, item(ty));
        let (values, element) = self.element_of(piece.ty.dtype);
        let input = Input::new(Access::whole(piece.array, rank, item(piece.ty)), values);
        self.nest_with(&piece.shape, vec![input], &[], |body| {
            let values = body.cast(&element, made.dtype)?;
            Ok(vec![Output {
                values: values.into_iter().collect(),
                kind: OutputKind::Store(access),
            }])
        })?;
        Ok(self.b.binary_nsw(Bin::Add, at, extent))
    }
}
