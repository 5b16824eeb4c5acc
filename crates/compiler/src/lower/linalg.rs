//! Products of arrays.
//!
//! Of two matrices, NumPy's own loops make it (BLAS). Where a vector is one of the factors, memory is
//! what it waits for: such a product is a sum over a nest, which fuses with what is around it.

use ferdelance_abi::rtfn::RtFn;
use smallvec::{SmallVec, smallvec};

use super::elementwise::item;
use super::{Body, Typed, Vals, machine};
use crate::diag::Result;
use crate::tir::nest::{Axis, Output, OutputKind, Reduction, Subview};
use crate::tir::{Bin, Cmp, Mem, Part, Value};
use crate::types::promote::common_dtype;
use crate::types::{ArrayTy, Kind, Layout, Ty};

impl Body<'_, '_, '_> {
    /// `a @ b` for arrays of one or two dimensions, into a new array or `out`.
    pub(super) fn array_product(&mut self, args: &[Typed], ty: Ty) -> Result<Vals> {
        let ((a, x), (b, y)) = (self.as_array(&args[0])?, self.as_array(&args[1])?);
        let (a, b) = (Typed::one(x.ty(), a), Typed::one(y.ty(), b));
        let dtype = common_dtype(x.dtype, y.dtype);
        let left = self.b.part(a.vals[0], Part::Shape(x.ndim - 1));
        let right = self.b.part(b.vals[0], Part::Shape(0));
        let differ = self.b.cmp(Cmp::Ne, left, right);
        self.raise_if(
            differ,
            "ValueError",
            "shapes not aligned: the inner dimensions of the product differ",
        )?;
        let result = ArrayTy {
            dtype,
            ndim: x.ndim + y.ndim - 2,
            layout: Layout::C,
            readonly: false,
            aligned: true,
        };
        let vals = match (x.ndim, y.ndim) {
            (2, 2) if dtype.is_float() || dtype.is_complex() => {
                self.matrix_product(&a, &b, result)?
            }
            (2, 2) => {
                let (m, n) = (
                    self.b.part(a.vals[0], Part::Shape(0)),
                    self.b.part(b.vals[0], Part::Shape(1)),
                );
                let a = self.with_axes(&a, x, &[Axis::Whole(0), Axis::Whole(1), Axis::New]);
                self.sum_of_products(&[m, left, n], 0b010, &[a, b], result)?
            }
            (2, 1) => {
                let m = self.b.part(a.vals[0], Part::Shape(0));
                self.sum_of_products(&[m, left], 0b10, &[a, b], result)?
            }
            (1, 2) => {
                let n = self.b.part(b.vals[0], Part::Shape(1));
                let a = self.with_axes(&a, x, &[Axis::Whole(0), Axis::New]);
                self.sum_of_products(&[left, n], 0b01, &[a, b], result)?
            }
            _ => self.sum_of_products(&[left], 0b1, &[a, b], result)?,
        };
        let Some(out) = args.get(2) else {
            return Ok(vals);
        };
        self.store_result(out, &Typed::new(result.ty(), vals))?;
        self.cast(out, ty)
    }

    /// An array with other axes.
    fn with_axes(&mut self, array: &Typed, a: ArrayTy, axes: &[Axis]) -> Typed {
        let view = Subview {
            base: array.vals[0],
            at: smallvec![],
            axes: axes.into(),
            item: item(a),
        };
        let ty = ArrayTy {
            ndim: axes.len() as u8,
            layout: Layout::A,
            ..a
        }
        .ty();
        Typed::one(ty, self.b.subview(view))
    }

    /// The sum of the products of two arrays over some dimensions of a nest.
    fn sum_of_products(
        &mut self,
        shape: &[Value],
        over: u32,
        factors: &[Typed],
        result: ArrayTy,
    ) -> Result<Vals> {
        let dtype = result.dtype;
        let zero = Typed {
            ty: Ty::py_int(),
            vals: smallvec![self.b.i64(0)],
            constant: None,
        };
        let init = self.cast(&zero, dtype)?;
        self.nest(shape, factors, |body, elements| {
            let x = Typed::new(dtype, body.cast(&elements[0], dtype)?);
            let y = Typed::new(dtype, body.cast(&elements[1], dtype)?);
            let accumulators: SmallVec<[Value; 2]> = machine(dtype)
                .into_iter()
                .map(|t| body.b.value(t))
                .collect();
            let values = match dtype.kind() {
                Kind::Bool => {
                    let both = body.b.binary(Bin::And, x.vals[0], y.vals[0]);
                    smallvec![body.b.binary(Bin::Or, accumulators[0], both)]
                }
                Kind::Int { .. } => {
                    let product = body.b.binary(Bin::Mul, x.vals[0], y.vals[0]);
                    smallvec![body.b.binary(Bin::Add, accumulators[0], product)]
                }
                _ => {
                    let product = body.binary(crate::hir::BinaryOp::Mul, &x, &y, dtype)?;
                    accumulators
                        .iter()
                        .zip(&product)
                        .map(|(&a, &p)| body.b.binary(Bin::FAddAnyOrder, a, p))
                        .collect()
                }
            };
            let reduction = Reduction {
                over,
                accumulators,
                init: init.into_iter().collect(),
                pairwise: dtype.is_float() || dtype.is_complex(),
                item: (result.ndim > 0).then(|| item(result)),
                target: None,
            };
            Ok(vec![Output {
                values,
                kind: OutputKind::Reduce(reduction),
            }])
        })
    }

    /// A product of two matrices by the library.
    fn matrix_product(&mut self, a: &Typed, b: &Typed, result: ArrayTy) -> Result<Vals> {
        let mut factors = vec![];
        for factor in [a, b] {
            let Kind::Array(f) = *factor.ty.kind() else {
                return Err(self.bug("a factor that is no array"));
            };
            let converted = if f.dtype.strong() == result.dtype && f.aligned {
                factor.vals[0]
            } else {
                let ty = Ty::array(
                    result.dtype,
                    2,
                    if f.layout == Layout::F {
                        Layout::F
                    } else {
                        Layout::C
                    },
                );
                self.map(std::slice::from_ref(factor), ty, |body, x, dtype| {
                    body.cast(&x[0], dtype)
                })?[0]
            };
            factors.push(converted);
        }
        let sizes = [(factors[0], 0), (factors[0], 1), (factors[1], 1)]
            .map(|(array, dim)| self.b.part(array, Part::Shape(dim)));
        let c = self.allocate(
            result.dtype.itemsize(),
            Layout::C,
            &[sizes[0], sizes[2]],
            false,
        )?;
        let slot = self.b.stack_slot(72, 8);
        let mut words: Vals = sizes.as_slice().into();
        for array in [factors[0], factors[1], c] {
            words.extend([0, 1].map(|dim| self.b.part(array, Part::Stride(dim))));
        }
        for (i, &word) in words.iter().enumerate() {
            let at = self.b.i64(i as i64 * 8);
            let ptr = self.b.offset(slot, at);
            self.b.store(ptr, word, 8, Mem::Stack);
        }
        let number = match (result.dtype.is_complex(), result.dtype.bits()) {
            (false, 32) => 0,
            (false, _) => 1,
            (true, 64) => 2,
            (true, _) => 3,
        };
        let number = self.b.i64(number);
        let [x, y, z] = [factors[0], factors[1], c].map(|array| self.b.part(array, Part::Data));
        self.b.rt(RtFn::matmul, &[number, x, y, z, slot]);
        Ok(smallvec![c])
    }
}
