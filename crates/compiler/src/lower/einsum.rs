//! `np.einsum`: products of matrices where it is that, otherwise a nest over all labels.
//!
//! Of several operands, pairs are multiplied first where that leaves fewer labels at a time.

use super::elementwise::item;
use super::{Body, Typed, Vals};
use crate::diag::Result;
use crate::infer::einsum::{Einsum, Label};
use crate::tir::nest::{Axis, Output, OutputKind};
use crate::tir::{Bin, Cmp, Part, Value};
use crate::types::{ArrayTy, Kind, Layout, Ty};

/// An array and the labels of its dimensions, all different.
#[derive(Clone)]
struct Labelled {
    array: Value,
    ty: ArrayTy,
    labels: Vec<Label>,
}

/// How many items there are along each label.
type Extents = Vec<(Label, Value)>;

fn extent(extents: &Extents, label: Label) -> Option<Value> {
    extents.iter().find(|(l, _)| *l == label).map(|(_, n)| *n)
}

/// The labels of several arrays, each once.
fn distinct<'a>(all: impl IntoIterator<Item = &'a Label>) -> Vec<Label> {
    let mut found = vec![];
    for &label in all {
        if !found.contains(&label) {
            found.push(label);
        }
    }
    found
}

fn without(labels: &[Label], gone: &[Label]) -> Vec<Label> {
    let kept = labels.iter().filter(|l| !gone.contains(l));
    kept.copied().collect()
}

/// What the labels of two arrays mean for a product of matrices.
struct Roles {
    stack: Vec<Label>,
    rows: Vec<Label>,
    inner: Vec<Label>,
    columns: Vec<Label>,
}

impl Roles {
    /// `None` if the sum over both is no product of matrices.
    fn of(a: &[Label], b: &[Label], result: &[Label]) -> Option<Roles> {
        let both: Vec<Label> = a.iter().filter(|l| b.contains(l)).copied().collect();
        let inner = without(&both, result);
        let roles = Roles {
            stack: without(&both, &inner),
            rows: without(a, &both),
            columns: without(b, &both),
            inner,
        };
        let stays =
            |labels: &[Label]| !labels.is_empty() && labels.iter().all(|l| result.contains(l));
        (!roles.inner.is_empty() && stays(&roles.rows) && stays(&roles.columns)).then_some(roles)
    }

    fn result(&self) -> Vec<Label> {
        [&self.stack[..], &self.rows, &self.columns].concat()
    }
}

impl Body<'_, '_, '_> {
    pub(super) fn einsum(&mut self, spec: &Einsum, args: &[Typed], ty: Ty) -> Result<Vals> {
        let out = args.get(spec.operands.len());
        let mut operands = vec![];
        let mut dtype: Option<Ty> = None;
        for (i, (arg, labels)) in args.iter().zip(&spec.operands).enumerate() {
            let (array, a) = self.as_array(arg)?;
            let own = a.dtype.strong();
            dtype = Some(dtype.map_or(own, |d| crate::types::promote::common_dtype(d, own)));
            // As NumPy names the operand in an error.
            let is_view =
                spec.operands.len() == 1 && labels.iter().all(|l| spec.result.contains(l));
            let name = if is_view {
                "single operand".into()
            } else {
                format!("operand {i}")
            };
            operands.push(self.collapsed(&name, array, a, labels)?);
        }
        let Some(dtype) = dtype else {
            return Err(self.bug("a sum without operands"));
        };
        let extents = self.label_extents(&operands, spec)?;
        // float16 is too short for sums.
        let wide = if dtype.is_half() {
            Ty::float(32)
        } else {
            dtype
        };
        let mut result = self.contract(operands, &spec.result, &extents, wide)?;
        if dtype.is_half() {
            let to = spec.type_of_result(dtype);
            let vals = if to.as_array().is_some() {
                self.map(&[result], to, |body, x, dtype| body.cast(&x[0], dtype))?
            } else {
                self.cast(&result, to)?
            };
            result = Typed::new(to, vals);
        }
        let Some(out) = out else {
            return Ok(result.vals);
        };
        self.store_result(out, &result)?;
        self.cast(out, ty)
    }

    /// Dimensions with the same label are one, along the diagonal.
    fn collapsed(
        &mut self,
        operand: &str,
        array: Value,
        ty: ArrayTy,
        labels: &[Label],
    ) -> Result<Labelled> {
        let kept = distinct(labels);
        if kept.len() == labels.len() {
            let labels = kept;
            return Ok(Labelled { array, ty, labels });
        }
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        for &label in &kept {
            let dims: Vec<u8> = (0..ty.ndim)
                .filter(|&d| labels[usize::from(d)] == label)
                .collect();
            let n = self.b.part(array, Part::Shape(dims[0]));
            let mut stride = self.stride(array, ty, usize::from(dims[0]));
            for &dim in &dims[1..] {
                let other = self.b.part(array, Part::Shape(dim));
                let differ = self.b.cmp(Cmp::Ne, n, other);
                let name = match label {
                    Label::Letter(c) => c.to_string(),
                    Label::Rest(_) => "...".into(),
                };
                let message = format!(
                    "dimensions in {operand} for collapsing index '{name}' don't match ({{}} != {{}})"
                );
                self.raise_numbers_if(differ, "ValueError", &message, &[n, other])?;
                let more = self.stride(array, ty, usize::from(dim));
                stride = self.b.binary(Bin::Add, stride, more);
            }
            shape.push(n);
            strides.push(stride);
        }
        let data = self.b.part(array, Part::Data);
        let view = self.b.view(array, data, &shape, &strides);
        Ok(Labelled {
            array: view,
            ty: ArrayTy {
                ndim: kept.len() as u8,
                layout: Layout::A,
                ..ty
            },
            labels: kept,
        })
    }

    /// The extents that the operands are broadcast to.
    fn label_extents(&mut self, operands: &[Labelled], spec: &Einsum) -> Result<Extents> {
        let mut extents: Extents = vec![];
        let mut bad = self.b.bool(false);
        let mut numbers = vec![];
        let labels = distinct(
            spec.result
                .iter()
                .chain(operands.iter().flat_map(|o| &o.labels)),
        );
        let mut shown = vec![];
        for operand in operands {
            let shape = self.shape(operand.array, operand.ty.ndim);
            for (&label, &n) in operand.labels.iter().zip(&shape) {
                match extents.iter_mut().find(|(l, _)| *l == label) {
                    None => extents.push((label, n)),
                    Some((_, before)) => {
                        let wrong = self.b.cmp(Cmp::Unfit, *before, n);
                        bad = self.b.binary(Bin::Or, bad, wrong);
                        *before = self.b.binary(Bin::Fit, *before, n);
                    }
                }
            }
            let place = |l: &Label| operand.labels.iter().position(|o| o == l);
            let remapped: Vec<&str> = labels
                .iter()
                .map(|l| place(l).map_or("newaxis", |_| "{}"))
                .skip_while(|text| *text == "newaxis")
                .collect();
            let plain = vec!["{}"; shape.len()];
            shown.push(format!("({})->({})", plain.join(","), remapped.join(",")));
            numbers.extend(shape.iter().copied());
            numbers.extend(labels.iter().filter_map(place).map(|at| shape[at]));
        }
        let message = format!(
            "operands could not be broadcast together with remapped shapes [original->remapped]: {} ",
            shown.join(" ")
        );
        self.raise_numbers_if(bad, "ValueError", &message, &numbers)?;
        Ok(extents)
    }

    /// The sum of the products over all labels that are not in the result.
    fn contract(
        &mut self,
        mut operands: Vec<Labelled>,
        result: &[Label],
        extents: &Extents,
        dtype: Ty,
    ) -> Result<Typed> {
        while let Some((i, j, kept)) = cheaper_pair(&operands, result) {
            let b = operands.remove(j);
            let a = operands.remove(i);
            let made = self.contract(vec![a, b], &kept, extents, dtype)?;
            let Kind::Array(ty) = *made.ty.kind() else {
                return Err(self.bug("a product of two that is a number"));
            };
            operands.push(Labelled {
                array: made.vals[0],
                ty,
                labels: kept,
            });
        }
        if let [a, b] = &operands[..]
            && (dtype.is_float() || dtype.is_complex())
            && let Some(roles) = Roles::of(&a.labels, &b.labels, result)
        {
            let swapped = [&roles.stack[..], &roles.columns, &roles.rows].concat();
            if swapped == result {
                let roles = Roles {
                    rows: roles.columns,
                    columns: roles.rows,
                    ..roles
                };
                return self.product_by_labels([b, a], &roles, result, extents, dtype);
            }
            return self.product_by_labels([a, b], &roles, result, extents, dtype);
        }
        self.sum_over_labels(&operands, result, extents, dtype)
    }

    /// One nest over all labels.
    fn sum_over_labels(
        &mut self,
        operands: &[Labelled],
        result: &[Label],
        extents: &Extents,
        dtype: Ty,
    ) -> Result<Typed> {
        let order = nest_order(operands, result);
        let shape: Vals = order.iter().filter_map(|&l| extent(extents, l)).collect();
        let factors: Vec<Typed> = operands.iter().map(|o| self.by_labels(o, &order)).collect();
        let over = order
            .iter()
            .enumerate()
            .filter(|(_, l)| !result.contains(l));
        let over = over.fold(0, |bits, (i, _)| bits | 1 << i);
        let made = ArrayTy {
            dtype,
            ndim: result.len() as u8,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let vals = if over != 0 {
            self.sum_of_products(&shape, over, &factors, made)?
        } else {
            let vals = self.nest(&shape, &factors, |body, elements| {
                Ok(vec![Output {
                    values: body.product_of(elements, dtype)?.into_iter().collect(),
                    kind: OutputKind::New(item(made)),
                }])
            })?;
            if made.ndim == 0 {
                let made = Typed::new(made.ty(), vals);
                return Ok(self.item_of_zero_dim(&made));
            }
            vals
        };
        let ty = if made.ndim == 0 { dtype } else { made.ty() };
        Ok(Typed::new(ty, vals))
    }

    /// A view whose dimensions are these labels; those that it has not have one item.
    fn by_labels(&mut self, operand: &Labelled, order: &[Label]) -> Typed {
        let array = Typed::one(operand.ty.ty(), operand.array);
        let axes: Vec<Axis> = order
            .iter()
            .map(|l| match operand.labels.iter().position(|o| o == l) {
                Some(dim) => Axis::Whole(dim as u8),
                None => Axis::New,
            })
            .collect();
        if order == operand.labels {
            return array;
        }
        self.with_axes(&array, operand.ty, &axes)
    }

    /// A product of matrices.
    fn product_by_labels(
        &mut self,
        operands: [&Labelled; 2],
        roles: &Roles,
        result: &[Label],
        extents: &Extents,
        dtype: Ty,
    ) -> Result<Typed> {
        let [a, b] = operands;
        let a = self.as_matrices(a, [&roles.stack, &roles.rows, &roles.inner], extents, dtype)?;
        let b = self.as_matrices(
            b,
            [&roles.stack, &roles.inner, &roles.columns],
            extents,
            dtype,
        )?;
        let sizes = |labels: &[Label]| -> Vals {
            labels.iter().filter_map(|&l| extent(extents, l)).collect()
        };
        let stack = sizes(&roles.stack);
        let made = ArrayTy {
            dtype,
            ndim: (roles.stack.len() + 2) as u8,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let product = self.matrix_product(&a, &b, &stack, made, None)?[0];
        let labels = roles.result();
        let ty = ArrayTy {
            ndim: labels.len() as u8,
            ..made
        };
        let array = if labels.len() == roles.stack.len() + 2 {
            product
        } else {
            self.with_shape(product, ty, &sizes(&labels))
        };
        let made = Labelled { array, ty, labels };
        if made.labels == result {
            return Ok(Typed::one(ty.ty(), array));
        }
        let turned = self.by_labels(&made, result);
        let copy = self.map(&[turned], ty.ty(), |body, x, to| body.cast(&x[0], to))?;
        Ok(Typed::new(ty.ty(), copy))
    }

    /// An array as matrices: the labels of each of the last two groups are one dimension.
    fn as_matrices(
        &mut self,
        operand: &Labelled,
        [stack, rows, columns]: [&[Label]; 3],
        extents: &Extents,
        dtype: Ty,
    ) -> Result<Typed> {
        let order = [stack, rows, columns].concat();
        let whole = self.broadcast_by_labels(operand, &order, extents);
        if rows.len() == 1 && columns.len() == 1 {
            return Ok(whole);
        }
        let ty = Ty::array(dtype, order.len() as u8, Layout::C);
        let copy = self.map(&[whole], ty, |body, x, to| body.cast(&x[0], to))?[0];
        let mut shape: Vals = stack.iter().filter_map(|&l| extent(extents, l)).collect();
        for group in [rows, columns] {
            let mut n = self.b.i64(1);
            for size in group.iter().filter_map(|&l| extent(extents, l)) {
                n = self.b.binary(Bin::Mul, n, size);
            }
            shape.push(n);
        }
        let ty = ArrayTy {
            dtype,
            ndim: shape.len() as u8,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let array = self.with_shape(copy, ty, &shape);
        Ok(Typed::one(ty.ty(), array))
    }

    /// A view of a contiguous array.
    fn with_shape(&mut self, array: Value, ty: ArrayTy, shape: &[Value]) -> Value {
        let itemsize = self.b.i64(i64::from(ty.dtype.itemsize()));
        let strides = self.b.contiguous_strides(itemsize, Layout::C, shape);
        let data = self.b.part(array, Part::Data);
        self.b.view(array, data, shape, &strides)
    }

    /// A view whose dimensions are these labels, all of which it has, stretched to their extents.
    fn broadcast_by_labels(
        &mut self,
        operand: &Labelled,
        order: &[Label],
        extents: &Extents,
    ) -> Typed {
        let one = self.b.i64(1);
        let (mut shape, mut strides) = (Vals::new(), Vals::new());
        let mut is_stretched = false;
        for &label in order {
            let Some((dim, n)) = operand
                .labels
                .iter()
                .position(|&o| o == label)
                .zip(extent(extents, label))
            else {
                continue;
            };
            let own = self.b.part(operand.array, Part::Shape(dim as u8));
            let mut stride = self.stride(operand.array, operand.ty, dim);
            if own != n {
                let zero = self.b.i64(0);
                let stretched = self.b.cmp(Cmp::Eq, own, one);
                stride = self.b.select(stretched, zero, stride);
                is_stretched = true;
            }
            shape.push(n);
            strides.push(stride);
        }
        if !is_stretched {
            return self.by_labels(operand, order);
        }
        let data = self.b.part(operand.array, Part::Data);
        let view = self.b.view(operand.array, data, &shape, &strides);
        let ty = ArrayTy {
            layout: Layout::A,
            ..operand.ty
        };
        Typed::one(ty.ty(), view)
    }
}

/// The order of the labels in a nest: those of the result in their order. Those that are summed over come
/// last, unless more operands lie along the last one of the result.
fn nest_order(operands: &[Labelled], result: &[Label]) -> Vec<Label> {
    let all = distinct(operands.iter().flat_map(|o| &o.labels));
    let summed = without(&all, result);
    let along = |label: &Label| {
        let ends = operands.iter().filter(|o| o.labels.last() == Some(label));
        ends.count()
    };
    let most = summed.iter().map(along).max().unwrap_or(0);
    match result.split_last() {
        Some((last, first)) if most > 0 && along(last) >= most => {
            [first, &summed, &[*last]].concat()
        }
        _ => [result, &summed].concat(),
    }
}

/// Two operands, by number, and the labels that their product has.
type Pair = (usize, usize, Vec<Label>);

/// Two operands that are multiplied before the others, if there are fewer labels at a time then.
fn cheaper_pair(operands: &[Labelled], result: &[Label]) -> Option<Pair> {
    if operands.len() < 3 {
        return None;
    }
    let all = distinct(operands.iter().flat_map(|o| &o.labels)).len();
    let mut pairs = vec![];
    for i in 0..operands.len() {
        for j in i + 1..operands.len() {
            let pair = distinct(operands[i].labels.iter().chain(&operands[j].labels));
            let others = || (0..operands.len()).filter(|k| *k != i && *k != j);
            let is_needed =
                |l: &Label| result.contains(l) || others().any(|k| operands[k].labels.contains(l));
            let kept: Vec<Label> = pair.iter().filter(|l| is_needed(l)).copied().collect();
            if pair.len() < all && !kept.is_empty() && kept.len() < pair.len() {
                pairs.push((pair.len(), (i, j, kept)));
            }
        }
    }
    // The first of those that cost the same.
    let best = pairs
        .into_iter()
        .min_by_key(|(cost, (.., kept))| (*cost, kept.len()));
    best.map(|(_, pair)| pair)
}
