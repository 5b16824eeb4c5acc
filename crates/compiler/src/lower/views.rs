//! Arrays made of other values, and views that are more than a choice of indices.

use smallvec::smallvec;

use super::elementwise::item;
use super::linalg::shape_words;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::creation::{as_array, nested};
use crate::infer::intrinsic::AxisOf;
use crate::tir::nest::{Axis, Subview};
use crate::tir::{Bin, Cmp, Hint, Part, Type, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// A value as functions of arrays take it: an array itself, anything else as a new one.
    pub(super) fn as_array(&mut self, value: &Typed) -> Result<(Value, ArrayTy)> {
        let value = self.unwrap(value)?;
        if let Some(a) = value.ty.memory() {
            return Ok((value.vals[0], a));
        }
        let Some(a) = as_array(value.ty) else {
            return Err(self.bug(format!("{} as an array", value.ty)));
        };
        let made = self.new_from(&value, a.ty())?;
        Ok((made[0], a))
    }

    pub(super) fn shape(&mut self, array: Value, ndim: u8) -> Vals {
        (0..ndim)
            .map(|d| self.b.part(array, Part::Shape(d)))
            .collect()
    }

    pub(super) fn strides(&mut self, array: Value, a: ArrayTy) -> Vals {
        (0..usize::from(a.ndim))
            .map(|d| self.stride(array, a, d))
            .collect()
    }

    // ---- new arrays ----

    /// A new array of the elements of a value.
    pub(super) fn new_from(&mut self, value: &Typed, ty: Ty) -> Result<Vals> {
        let Kind::Array(result) = *ty.kind() else {
            return Err(self.bug("a new array that is none"));
        };
        let value = self.unwrap(value)?;
        let value = self.memory(&value);
        match value.ty.kind() {
            Kind::Array(a) if a.ndim == result.ndim => {
                return self.map(&[value], ty, |body, x, to| body.cast(&x[0], to));
            }
            Kind::Array(_) => return self.filled_from(&value, ty),
            _ if value.ty.is_item() => {
                let one = self.b.i64(1);
                return self.filled(
                    &smallvec![one; usize::from(result.ndim)] as &Vals,
                    ty,
                    &value,
                );
            }
            _ => {}
        }
        let (shape, bad) = self.nested_shape(&value)?;
        if let Some(bad) = bad {
            self.raise_if(
                bad,
                "ValueError",
                "setting an array element with a sequence: the items have different lengths",
            )?;
        }
        let array = self.allocate(result.dtype.itemsize(), result.layout, &shape, false)?;
        self.fill_from(array, result, &value)?;
        Ok(smallvec![array])
    }

    /// An array without dimensions as one with a single element.
    fn filled_from(&mut self, value: &Typed, ty: Ty) -> Result<Vals> {
        let element = self.item_of_zero_dim(value);
        let ndim = ty.as_array().map_or(0, |a| a.ndim);
        let one = self.b.i64(1);
        let shape: Vals = smallvec![one; usize::from(ndim)];
        self.filled(&shape, ty, &element)
    }

    /// The shape of nested sequences, by the first item of each, and whether others have another one.
    fn nested_shape(&mut self, value: &Typed) -> Result<(Vals, Option<Value>)> {
        let inner = |body: &mut Self, len: Value, first: (Vals, Option<Value>)| {
            let mut shape: Vals = smallvec![len];
            shape.extend(first.0);
            let _ = body;
            (shape, first.1)
        };
        Ok(match value.ty.kind() {
            Kind::Array(a) => (self.shape(value.vals[0], a.ndim), None),
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                let len = self.b.i64(items.len() as i64);
                let mut found: Option<(Vals, Option<Value>)> = None;
                for i in 0..items.len() {
                    let item = self.item(value, i);
                    if item.ty.is_item() {
                        continue;
                    }
                    let (shape, bad) = self.nested_shape(&item)?;
                    found = Some(match found {
                        None => (shape, bad),
                        Some((first, before)) => {
                            let differs = self.shapes_differ(&first, &shape);
                            let all = [before, bad, differs]
                                .into_iter()
                                .flatten()
                                .reduce(|a, b| self.b.binary(Bin::Or, a, b));
                            (first, all)
                        }
                    });
                }
                inner(self, len, found.unwrap_or_default())
            }
            Kind::List(of) => {
                let len = self.list_len(value.vals[0]);
                let ndim = nested(*of).map_or(0, |(_, n)| n);
                if ndim == 0 {
                    return Ok((smallvec![len], None));
                }
                // The shape of the first item, zeros if there is none.
                let (some, done) = (self.b.new_block(), self.b.new_block());
                let dims: Vals = (0..ndim)
                    .map(|_| self.b.add_param(done, Type::I64))
                    .collect();
                let zero = self.b.i64(0);
                let empty = self.b.cmp(Cmp::Eq, len, zero);
                let none: Vals = smallvec![zero; usize::from(ndim)];
                let next = self.b.new_block();
                self.b.branch(empty, next, some, Hint::None);
                self.b.switch_to(next);
                self.b.jump(done, &none);
                self.b.switch_to(some);
                let first = self.item_in_bounds(value, zero)?;
                let (shape, _) = self.nested_shape(&first)?;
                self.b.jump(done, &shape);
                self.b.switch_to(done);
                inner(self, len, (dims, None))
            }
            _ => (Vals::new(), None),
        })
    }

    fn shapes_differ(&mut self, a: &[Value], b: &[Value]) -> Option<Value> {
        let mut all = None;
        for (&x, &y) in a.iter().zip(b) {
            let differs = self.b.cmp(Cmp::Ne, x, y);
            all = Some(match all {
                None => differs,
                Some(before) => self.b.binary(Bin::Or, before, differs),
            });
        }
        all
    }

    /// Writes nested sequences into an array of their shape.
    fn fill_from(&mut self, array: Value, a: ArrayTy, value: &Typed) -> Result<()> {
        match value.ty.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items) => {
                for i in 0..items.len() {
                    let item = self.item(value, i);
                    let at = self.b.i64(i as i64);
                    self.fill_item(array, a, at, &item)?;
                }
                Ok(())
            }
            Kind::List(_) => {
                let len = self.list_len(value.vals[0]);
                self.count_loop(len, |body, i| {
                    let item = body.item_in_bounds(value, i)?;
                    body.fill_item(array, a, i, &item)
                })
            }
            _ => Err(self.bug(format!("elements of {}", value.ty))),
        }
    }

    fn fill_item(&mut self, array: Value, a: ArrayTy, at: Value, item: &Typed) -> Result<()> {
        let item = self.unwrap(item)?;
        if a.ndim == 1 {
            let item = self.item_of_zero_dim(&item);
            let data = self.b.part(array, Part::Data);
            let stride = self.stride(array, a, 0);
            let offset = self.b.binary_nsw(Bin::Mul, at, stride);
            let address = self.b.offset(data, offset);
            let vals = self.cast(&item, a.dtype)?;
            self.store(address, a, &vals);
            return Ok(());
        }
        let part = ArrayTy {
            ndim: a.ndim - 1,
            layout: if a.layout == Layout::C {
                Layout::C
            } else {
                Layout::A
            },
            ..a
        };
        let axes = (1..a.ndim).map(Axis::Whole).collect();
        let view = self.b.subview(Subview {
            base: array,
            at: smallvec![(0, at)],
            axes,
            item: super::elementwise::item(a),
        });
        if let Kind::Array(from) = *item.ty.kind() {
            let (want, have) = (
                self.shape(view, part.ndim),
                self.shape(item.vals[0], from.ndim),
            );
            if let Some(bad) = self.shapes_differ(&want, &have) {
                self.raise_if(
                    bad,
                    "ValueError",
                    "setting an array element with a sequence: the items have different shapes",
                )?;
            }
            return self.write_elements(view, part, item);
        }
        if item.ty.list_item().is_some() {
            let (len, want) = (
                self.list_len(item.vals[0]),
                self.b.part(view, Part::Shape(0)),
            );
            let bad = self.b.cmp(Cmp::Ne, len, want);
            self.raise_if(
                bad,
                "ValueError",
                "setting an array element with a sequence: the items have different lengths",
            )?;
        }
        self.fill_from(view, part, &item)
    }

    // ---- views ----

    pub(super) fn axes_view(&mut self, value: &Typed, axes: &[AxisOf]) -> Result<Vals> {
        let (array, a) = self.as_array(value)?;
        let gone = (0..a.ndim).filter(|d| {
            !axes
                .iter()
                .any(|axis| matches!(axis, AxisOf::Whole(k) | AxisOf::Flipped(k) if k == d))
        });
        let (zero, one, back) = (self.b.i64(0), self.b.i64(1), self.b.i64(-1));
        let mut view = Subview {
            base: array,
            at: smallvec![],
            axes: smallvec![],
            item: item(a),
        };
        for dim in gone {
            let n = self.b.part(array, Part::Shape(dim));
            let several = self.b.cmp(Cmp::Ne, n, one);
            self.raise_if(
                several,
                "ValueError",
                "cannot select an axis to squeeze out which has size not equal to one",
            )?;
            view.at.push((dim, zero));
        }
        for axis in axes {
            view.axes.push(match *axis {
                AxisOf::New => Axis::New,
                AxisOf::Whole(dim) => Axis::Whole(dim),
                AxisOf::Flipped(dim) => {
                    let count = self.b.part(array, Part::Shape(dim));
                    let last = self.b.binary_nsw(Bin::Sub, count, one);
                    let start = self.b.binary(Bin::SMax, last, zero);
                    Axis::Part {
                        dim,
                        start,
                        count,
                        step: back,
                    }
                }
            });
        }
        Ok(smallvec![self.b.subview(view)])
    }

    /// `np.transpose(a, axes)` with axes that are known when the code runs.
    pub(super) fn permute(&mut self, args: &[Typed]) -> Result<Vals> {
        let (array, a) = self.as_array(&args[0])?;
        let (shape, strides) = (self.shape(array, a.ndim), self.strides(array, a));
        let (mut new_shape, mut new_strides, mut seen) = (Vals::new(), Vals::new(), self.b.i64(0));
        let one = self.b.i64(1);
        for axis in self.axis_parts(&args[1], a.ndim)? {
            let axis = self.axis_argument(&axis, a.ndim)?;
            let bit = self.b.binary(Bin::Shl, one, axis);
            seen = self.b.binary(Bin::Or, seen, bit);
            new_shape.push(self.pick(&shape, axis));
            new_strides.push(self.pick(&strides, axis));
        }
        let all = self.b.i64((1 << a.ndim) - 1);
        let missing = self.b.cmp(Cmp::Ne, seen, all);
        self.raise_if(missing, "ValueError", "repeated axis in transpose")?;
        let data = self.b.part(array, Part::Data);
        Ok(smallvec![self.b.view(
            array,
            data,
            &new_shape,
            &new_strides
        )])
    }

    /// An axis of an array of `ndim` dimensions that is known at run time.
    pub(super) fn axis_argument(&mut self, axis: &Typed, ndim: u8) -> Result<Value> {
        let axis = self.index_value(axis)?;
        let n = self.b.i64(i64::from(ndim));
        let axis = self.wrap_index(axis, n);
        let outside = self.b.cmp(Cmp::UGe, axis, n);
        self.raise_if(
            outside,
            "AxisError",
            &format!("axis is out of bounds for array of dimension {ndim}"),
        )?;
        Ok(axis)
    }

    /// The axes that a tuple, a list or an array names.
    fn axis_parts(&mut self, axes: &Typed, ndim: u8) -> Result<Vec<Typed>> {
        let axes = self.unwrap(axes)?;
        if !matches!(axes.ty.kind(), Kind::List(_) | Kind::Array(_)) {
            return Ok(self.index_parts(&axes));
        }
        let (len, n) = (self.sequence_len(&axes)?, self.b.i64(i64::from(ndim)));
        let wrong = self.b.cmp(Cmp::Ne, len, n);
        self.raise_if(wrong, "ValueError", "axes don't match array")?;
        (0..ndim)
            .map(|i| {
                let at = self.b.i64(i64::from(i));
                self.item_in_bounds(&axes, at)
            })
            .collect()
    }

    /// `as_strided(array, shape, strides)`
    pub(super) fn strided(&mut self, shape: bool, strides: bool, args: &[Typed]) -> Result<Vals> {
        let (array, a) = self.as_array(&args[0])?;
        let mut given = args[1..].iter();
        let mut parts = |body: &mut Self, there: bool, own: Vals| -> Result<Vals> {
            let Some(arg) = there.then(|| given.next()).flatten() else {
                return Ok(own);
            };
            let parts = body.index_parts(arg);
            parts.iter().map(|p| body.index_value(p)).collect()
        };
        let (own_shape, own_strides) = (self.shape(array, a.ndim), self.strides(array, a));
        let shape = parts(self, shape, own_shape)?;
        let strides = parts(self, strides, own_strides)?;
        let data = self.b.part(array, Part::Data);
        Ok(smallvec![self.b.view(array, data, &shape, &strides)])
    }

    fn pick(&mut self, of: &[Value], index: Value) -> Value {
        let mut picked = of[0];
        for (k, &v) in of.iter().enumerate().skip(1) {
            let k = self.b.i64(k as i64);
            let here = self.b.cmp(Cmp::Eq, index, k);
            picked = self.b.select(here, v, picked);
        }
        picked
    }

    /// Whether an array's elements follow each other in an order; a constant where its type says so.
    pub(super) fn is_contiguous(&mut self, array: Value, a: ArrayTy, order: Layout) -> Value {
        if a.layout == order || a.ndim == 0 || a.ndim == 1 && a.layout != Layout::A {
            return self.b.bool(true);
        }
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let mut expected = self.b.i64(i64::from(a.dtype.itemsize()));
        let (mut all, mut empty) = (self.b.bool(true), self.b.bool(false));
        let dims: Vec<u8> = if order == Layout::F {
            (0..a.ndim).collect()
        } else {
            (0..a.ndim).rev().collect()
        };
        for dim in dims {
            let (n, stride) = (
                self.b.part(array, Part::Shape(dim)),
                self.b.part(array, Part::Stride(dim)),
            );
            let right = self.b.cmp(Cmp::Eq, stride, expected);
            let single = self.b.cmp(Cmp::Eq, n, one);
            let fine = self.b.binary(Bin::Or, right, single);
            all = self.b.binary(Bin::And, all, fine);
            let none = self.b.cmp(Cmp::Eq, n, zero);
            empty = self.b.binary(Bin::Or, empty, none);
            expected = self.b.binary(Bin::Mul, expected, n);
        }
        self.b.binary(Bin::Or, all, empty)
    }

    /// `a.flags.name`
    pub(super) fn flag(&mut self, array: Value, a: ArrayTy, name: &str) -> Value {
        let order = if name == "f_contiguous" {
            Layout::F
        } else {
            Layout::C
        };
        self.is_contiguous(array, a, order)
    }

    /// An array whose elements follow each other: itself, or a copy.
    pub(super) fn contiguous(&mut self, array: Value, a: ArrayTy, order: Layout) -> Result<Value> {
        let fits = self.is_contiguous(array, a, order);
        if self.b.as_int(fits) == Some(1) {
            return Ok(array);
        }
        let (copy, done) = (self.b.new_block(), self.b.new_block());
        let result = self.b.add_param(done, Type::Array(a.ndim));
        let same = self.b.new_block();
        self.b.branch(fits, same, copy, Hint::None);
        self.b.switch_to(same);
        self.b.jump(done, &[array]);
        self.b.switch_to(copy);
        let copied = self.copied(array, a, order)?;
        self.b.jump(done, &[copied]);
        self.b.switch_to(done);
        Ok(result)
    }

    fn copied(&mut self, array: Value, a: ArrayTy, order: Layout) -> Result<Value> {
        let ty = Ty::array(a.dtype, a.ndim, order);
        Ok(self.map(&[Typed::one(a.ty(), array)], ty, |_, x, _| {
            Ok(x[0].vals.clone())
        })?[0])
    }

    /// The strides of a contiguous array.
    fn contiguous_strides(&mut self, shape: &[Value], itemsize: u32, order: Layout) -> Vals {
        let mut stride = self.b.i64(i64::from(itemsize));
        let mut strides: Vals = smallvec![stride; shape.len()];
        let dims: Vec<usize> = if order == Layout::F {
            (0..shape.len()).collect()
        } else {
            (0..shape.len()).rev().collect()
        };
        for dim in dims {
            strides[dim] = stride;
            stride = self.b.binary_nsw(Bin::Mul, stride, shape[dim]);
        }
        strides
    }

    pub(super) fn as_contiguous(&mut self, value: &Typed, ty: Ty) -> Result<Vals> {
        let (array, a) = self.as_array(value)?;
        let Kind::Array(result) = *ty.kind() else {
            return Err(self.bug("no array"));
        };
        if a.ndim == 0 {
            let one = self.b.i64(1);
            return self.reshaped(array, a, &[one], Layout::C);
        }
        Ok(smallvec![self.contiguous(array, a, result.layout)?])
    }

    fn reshaped(
        &mut self,
        array: Value,
        a: ArrayTy,
        shape: &[Value],
        order: Layout,
    ) -> Result<Vals> {
        let whole = self.contiguous(array, a, order)?;
        let strides = self.contiguous_strides(shape, a.dtype.itemsize(), order);
        let data = self.b.part(whole, Part::Data);
        Ok(smallvec![self.b.view(whole, data, shape, &strides)])
    }

    pub(super) fn reshape(&mut self, order: Layout, args: &[Typed]) -> Result<Vals> {
        let (array, a) = self.as_array(&args[0])?;
        let mut shape = Vals::new();
        let parts: Vec<Typed> = args[1..]
            .iter()
            .flat_map(|arg| self.index_parts(arg))
            .collect();
        for part in parts {
            shape.push(self.index_value(&part)?);
        }
        let asked = shape.clone();
        let size = self.size(array, a.ndim);
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let (mut known, mut unknown) = (one, zero);
        for &n in &shape {
            let open = self.b.cmp(Cmp::SLt, n, zero);
            let factor = self.b.select(open, one, n);
            known = self.b.binary(Bin::Mul, known, factor);
            let count = self.b.select(open, one, zero);
            unknown = self.b.binary(Bin::Add, unknown, count);
        }
        if self.b.as_int(unknown).is_none_or(|n| n > 0) {
            let many = self.b.cmp(Cmp::SGt, unknown, one);
            self.raise_if(many, "ValueError", "can only specify one unknown dimension")?;
            let none = self.b.cmp(Cmp::Eq, known, zero);
            let divisor = self.b.select(none, one, known);
            let rest = self.b.binary(Bin::SDiv, size, divisor);
            for (k, &n) in asked.iter().enumerate() {
                let open = self.b.cmp(Cmp::SLt, n, zero);
                shape[k] = self.b.select(open, rest, n);
            }
            let any = self.b.cmp(Cmp::SGt, unknown, zero);
            let all = self.b.binary(Bin::Mul, known, rest);
            known = self.b.select(any, all, known);
        }
        let wrong = self.b.cmp(Cmp::Ne, known, size);
        let mut numbers: Vals = smallvec![size];
        let dims: Vec<&str> = asked
            .iter()
            .map(|&n| match self.b.as_int(n) {
                Some(n) if n < 0 => "newaxis",
                _ => {
                    numbers.push(n);
                    "{}"
                }
            })
            .collect();
        let message = format!(
            "cannot reshape array of size {{}} into shape {}",
            shape_words(&dims)
        );
        self.raise_numbers_if(wrong, "ValueError", &message, &numbers)?;
        self.reshaped(array, a, &shape, order)
    }

    pub(super) fn flattened(&mut self, order: Layout, copy: bool, value: &Typed) -> Result<Vals> {
        let (array, a) = self.as_array(value)?;
        let size = self.size(array, a.ndim);
        let array = if copy {
            self.copied(array, a, order)?
        } else {
            array
        };
        let a = if copy {
            ArrayTy { layout: order, ..a }
        } else {
            a
        };
        self.reshaped(array, a, &[size], order)
    }

    pub(super) fn broadcast_to(&mut self, args: &[Typed]) -> Result<Vals> {
        let (array, a) = self.as_array(&args[0])?;
        let mut shape = Vals::new();
        for part in self.index_parts(&args[1]) {
            shape.push(self.index_value(&part)?);
        }
        let (zero, one) = (self.b.i64(0), self.b.i64(1));
        let mut bad = self.b.bool(false);
        for &n in &shape {
            let negative = self.b.cmp(Cmp::SLt, n, zero);
            bad = self.b.binary(Bin::Or, bad, negative);
        }
        self.raise_if(
            bad,
            "ValueError",
            "all elements of broadcast shape must be non-negative",
        )?;
        let skip = shape.len() - usize::from(a.ndim);
        let mut bad = self.b.bool(false);
        for dim in 0..usize::from(a.ndim) {
            let n = self.b.part(array, Part::Shape(dim as u8));
            let same = self.b.cmp(Cmp::Eq, n, shape[skip + dim]);
            let single = self.b.cmp(Cmp::Eq, n, one);
            let fine = self.b.binary(Bin::Or, same, single);
            let wrong = self.b.not(fine);
            bad = self.b.binary(Bin::Or, bad, wrong);
        }
        self.raise_if(
            bad,
            "ValueError",
            "operands could not be broadcast together with the remapped shapes",
        )?;
        let strides = self.stretched(array, a, &shape);
        let data = self.b.part(array, Part::Data);
        Ok(smallvec![self.b.view(array, data, &shape, &strides)])
    }

    /// The strides of an array that is broadcast to a shape: none along dimensions that it does not have, or
    /// not at this length.
    pub(super) fn stretched(&mut self, array: Value, a: ArrayTy, shape: &[Value]) -> Vals {
        let skip = shape.len() - usize::from(a.ndim);
        let zero = self.b.i64(0);
        let mut strides: Vals = smallvec![zero; shape.len()];
        for dim in 0..usize::from(a.ndim) {
            let n = self.b.part(array, Part::Shape(dim as u8));
            let same = self.b.cmp(Cmp::Eq, n, shape[skip + dim]);
            let stride = self.stride(array, a, dim);
            strides[skip + dim] = self.b.select(same, stride, zero);
        }
        strides
    }

    pub(super) fn diagonal(&mut self, dims: (u8, u8), args: &[Typed]) -> Result<Vals> {
        let (array, a) = self.as_array(&args[0])?;
        let zero = self.b.i64(0);
        let offset = match args.get(1) {
            Some(offset) => self.index_value(offset)?,
            None => zero,
        };
        let (rows, columns) = (
            self.b.part(array, Part::Shape(dims.0)),
            self.b.part(array, Part::Shape(dims.1)),
        );
        let (down, right) = (
            self.stride(array, a, usize::from(dims.0)),
            self.stride(array, a, usize::from(dims.1)),
        );
        let right_of = self.b.binary(Bin::SMax, offset, zero);
        let below = self.b.binary(Bin::Sub, right_of, offset);
        let (height, width) = (
            self.b.binary(Bin::Sub, rows, below),
            self.b.binary(Bin::Sub, columns, right_of),
        );
        let count = self.b.binary(Bin::SMin, height, width);
        let count = self.b.binary(Bin::SMax, count, zero);
        let (x, y) = (
            self.b.binary(Bin::Mul, below, down),
            self.b.binary(Bin::Mul, right_of, right),
        );
        let skip = self.b.binary(Bin::Add, x, y);
        let empty = self.b.cmp(Cmp::Eq, count, zero);
        let skip = self.b.select(empty, zero, skip);
        let data = self.b.part(array, Part::Data);
        let data = self.b.offset(data, skip);
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for dim in (0..a.ndim).filter(|d| *d != dims.0 && *d != dims.1) {
            shape.push(self.b.part(array, Part::Shape(dim)));
            strides.push(self.stride(array, a, usize::from(dim)));
        }
        shape.push(count);
        strides.push(self.b.binary(Bin::Add, down, right));
        Ok(smallvec![self.b.view(array, data, &shape, &strides)])
    }

    /// The memory of an array as elements of another type.
    pub(super) fn reinterpret(&mut self, value: &Typed, ty: Ty) -> Result<Vals> {
        let (array, a) = self.as_array(value)?;
        let Kind::Array(result) = *ty.kind() else {
            return Err(self.bug("no array"));
        };
        let (old, new) = (
            i64::from(a.dtype.itemsize()),
            i64::from(result.dtype.itemsize()),
        );
        let data = self.b.part(array, Part::Data);
        let (mut shape, mut strides) = (self.shape(array, a.ndim), self.strides(array, a));
        if old != new {
            let last = shape.len() - 1;
            let (old, new) = (self.b.i64(old), self.b.i64(new));
            let apart = self.b.cmp(Cmp::Ne, strides[last], old);
            self.raise_if(
                apart,
                "ValueError",
                "To change to a dtype of a different size, the last axis must be contiguous",
            )?;
            let bytes = self.b.binary_nsw(Bin::Mul, shape[last], old);
            let rest = self.b.binary(Bin::SRem, bytes, new);
            let zero = self.b.i64(0);
            let ragged = self.b.cmp(Cmp::Ne, rest, zero);
            let message = "When changing to a larger dtype, its size must be a divisor of the total size in bytes of the last axis of the array.";
            self.raise_if(ragged, "ValueError", message)?;
            shape[last] = self.b.binary(Bin::SDiv, bytes, new);
            strides[last] = new;
        }
        Ok(smallvec![self.b.view(array, data, &shape, &strides)])
    }
}
