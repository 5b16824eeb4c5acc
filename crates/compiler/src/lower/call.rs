//! Calls of compiled functions, and intrinsics.

use ferdelance_abi::rtfn::{Effect, RtFn};
use smallvec::{SmallVec, smallvec};

use super::value::c_signature;
use super::{Body, Typed, Vals, machine, vector_math};
use crate::diag::Result;
use crate::hir::{self, CompareOp};
use crate::infer::intrinsic::{Class, RealFn};
use crate::infer::{ArgRef, Bound, InstanceId, Intrinsic, Resolution};
use crate::tir::{Bin, Cast, Cmp, PoolEntry, Type, Un, Value};
use crate::types::{Kind, Ty};

impl Body<'_, '_, '_> {
    pub(super) fn call(&mut self, result: hir::Value, callee: &Typed, ty: Ty) -> Result<Vals> {
        match self.typing.clone().calls.get(&result) {
            Some(Resolution::Function {
                instance,
                bound,
                result,
            }) => self.call_function(*instance, bound, callee, *result),
            Some(Resolution::Intrinsic { what, args, .. }) => {
                let args: Vec<Typed> = args.iter().map(|a| self.argument(a)).collect();
                self.intrinsic(what, callee, &args, ty)
            }
            Some(Resolution::Pointer { args }) => {
                let args: Vec<Typed> = args.iter().map(|a| self.argument(a)).collect();
                self.call_pointer(callee, &args)
            }
            None => Err(self.bug("a call that was not resolved")),
        }
    }

    fn argument(&mut self, arg: &ArgRef) -> Typed {
        let value = self.get(arg.value);
        match arg.item {
            Some(i) => self.item(&value, i as usize),
            None => value,
        }
    }

    /// Item `index` of a closure's value: captures come first, then defaults.
    pub(super) fn closure_item(&self, closure: &Typed, index: usize) -> Typed {
        let Kind::Closure(c) = closure.ty.kind() else {
            return closure.clone();
        };
        let types: Vec<Ty> = c.captures.iter().chain(&c.defaults).copied().collect();
        let start: usize = types[..index].iter().map(|t| machine(*t).len()).sum();
        let len = machine(types[index]).len();
        Typed::new(types[index], &closure.vals[start..start + len])
    }

    fn call_function(
        &mut self,
        instance: InstanceId,
        bound: &[Bound],
        callee: &Typed,
        result: Ty,
    ) -> Result<Vals> {
        let session = self.cx.session;
        let key_args = session.get(instance).key.args.clone();
        let mut args: SmallVec<[Value; 4]> = SmallVec::new();
        for (b, &to) in bound.iter().zip(key_args.iter()) {
            let value = match b {
                Bound::Omitted(_) => continue,
                Bound::Arg(a) => self.argument(a),
                Bound::Star(list) => {
                    let items: Vec<Typed> = list.iter().map(|a| self.argument(a)).collect();
                    let types: Vec<Ty> = items.iter().map(|i| i.ty).collect();
                    Typed::new(
                        Ty::tuple(&types),
                        items.into_iter().flat_map(|i| i.vals).collect::<Vals>(),
                    )
                }
                Bound::Literal(value) => {
                    let ty = value.ty.unwrap_or_else(Ty::none);
                    let vals = value
                        .constant
                        .as_ref()
                        .map(|c| self.constant(ty, c))
                        .unwrap_or_default();
                    Typed::new(ty, vals)
                }
                Bound::Receiver => Typed::new(to, callee.vals.clone()),
                Bound::Capture(i) => self.closure_item(callee, *i as usize),
                Bound::Default(i) => {
                    let captures = match callee.ty.kind() {
                        Kind::Closure(c) => c.captures.len(),
                        _ => 0,
                    };
                    self.closure_item(callee, captures + *i as usize)
                }
            };
            args.extend(self.cast(&value, to)?);
        }
        let loc = self.b.loc().clone();
        let func = self.cx.function(instance, None)?;
        self.b.set_loc(loc);
        if session.hir(instance).is_generator {
            return self.new_generator(func, &args);
        }
        let signature = &self.cx.program.functions[func.index()];
        let mut types: SmallVec<[Type; 4]> = signature.results.as_slice().into();
        let may_raise = signature.may_raise;
        if may_raise {
            types.push(Type::Err);
        }
        let mut results = self.b.call(func, &args, &types);
        if may_raise {
            let Some(err) = results.pop() else {
                return Err(self.bug("no error of a call"));
            };
            self.check_error(err, true)?;
        }
        let found = session.get(instance).typing.result.unwrap_or_else(Ty::none);
        let vals: Vals = results.iter().copied().collect();
        self.cast(&Typed::new(found, vals), result)
    }

    /// A call of a function value, or of a C function.
    fn call_pointer(&mut self, callee: &Typed, args: &[Typed]) -> Result<Vals> {
        let Some(signature) = callee.ty.signature() else {
            return Err(self.bug("a call of no function"));
        };
        let mut vals = Vals::new();
        for (arg, &to) in args.iter().zip(&signature.args) {
            vals.extend(self.cast(arg, to)?);
        }
        if let Kind::Foreign(object, _) = callee.ty.kind() {
            let Some(signature) = c_signature(signature) else {
                return Err(self.bug("no C signature"));
            };
            let id = self.cx.program.pool_id(PoolEntry::Foreign(*object));
            let pointer = self.b.pool(id, Type::Ptr);
            return Ok(self
                .b
                .call_c(pointer, &vals, signature)
                .into_iter()
                .collect());
        }
        let pointer = callee.vals[0];
        let mut results = self
            .b
            .call_indirect(pointer, &vals, &machine(signature.result));
        let Some(err) = results.pop() else {
            return Err(self.bug("no error of a call"));
        };
        self.check_error(err, true)?;
        Ok(results.into_iter().collect())
    }

    fn intrinsic(
        &mut self,
        what: &Intrinsic,
        callee: &Typed,
        args: &[Typed],
        ty: Ty,
    ) -> Result<Vals> {
        Ok(match what {
            Intrinsic::Known => Vals::new(),
            Intrinsic::Identity => self.cast(&args[0], ty)?,
            Intrinsic::Receiver => {
                let Kind::Method(receiver, _) = *callee.ty.kind() else {
                    return Err(self.bug("no receiver"));
                };
                self.cast(&Typed::new(receiver, callee.vals.clone()), ty)?
            }
            Intrinsic::Convert(to) => {
                let value = self.unwrap(&args[0])?;
                let value = self.item_of_zero_dim(&value);
                self.cast(&value, *to)?
            }
            Intrinsic::Bits(from) => {
                let (v, to) = (callee.vals[0], machine(ty)[0]);
                if from.is_bool() {
                    self.cast(&Typed::one(*from, v), ty)?
                } else {
                    smallvec![if self.b.ty(v) == to {
                        v
                    } else {
                        self.b.cast(Cast::Bits, v, to)
                    }]
                }
            }
            Intrinsic::ComplexParts(to) => self.complex_parts(args, *to)?,
            Intrinsic::Truth => smallvec![self.truth(&args[0])?],
            Intrinsic::Len => {
                let sequence = self.unwrap(&args[0])?;
                smallvec![self.sequence_len(&sequence)?]
            }
            Intrinsic::Abs => smallvec![self.absolute(&args[0], ty)?],
            Intrinsic::MinMax { max } => self.min_max(args, *max, ty)?,
            Intrinsic::RoundInt => {
                let x = self.unwrap(&args[0])?;
                let rounded = self.b.unary(Un::RoundEven, x.vals[0]);
                smallvec![self.b.integral_to_int(rounded)]
            }
            Intrinsic::RoundDigits => self.round_digits(args, ty)?,
            Intrinsic::DivMod => self.divmod(args, ty)?,
            Intrinsic::Hash => smallvec![self.hash(&args[0])?],
            Intrinsic::Str => smallvec![self.str_of(&args[0])?],
            Intrinsic::Repr => smallvec![self.repr_of(&args[0])?],
            Intrinsic::Print => {
                self.print(args)?;
                Vals::new()
            }
            Intrinsic::Range
            | Intrinsic::Enumerate
            | Intrinsic::Zip
            | Intrinsic::Reversed
            | Intrinsic::NdIndex
            | Intrinsic::NdEnumerate
            | Intrinsic::NdIter { .. } => self.iterable(what, args, ty)?,
            Intrinsic::Slice => self.slice(args, ty)?,
            Intrinsic::Next | Intrinsic::Send | Intrinsic::Close => {
                let args = with_receiver(callee, args);
                match what {
                    Intrinsic::Next => self.next_item(&args[0], args.get(1), ty)?,
                    Intrinsic::Send => self.send_value(&args[0], &args[1])?,
                    _ => {
                        self.close_generator(&args[0])?;
                        Vals::new()
                    }
                }
            }
            Intrinsic::Unary(op) => self.unary(*op, &args[0], ty)?,
            Intrinsic::Binary(op) => self.binary(*op, &args[0], &args[1], ty)?,
            Intrinsic::Compare(op) => self.comparison(*op, &args[0], &args[1], ty)?,
            Intrinsic::GetItem => self.get_item(&args[0], &args[1], ty)?,
            Intrinsic::SetItem => {
                self.set_item(&args[0], &args[1], &args[2])?;
                Vals::new()
            }
            Intrinsic::Real(func) => smallvec![self.real(*func, args, ty)?],
            Intrinsic::Classify(class) => smallvec![self.classify(*class, &args[0])?],
            Intrinsic::FloatToInt(un) => {
                let x = self.unwrap(&args[0])?;
                let rounded = self.b.unary(*un, x.vals[0]);
                smallvec![self.b.integral_to_int(rounded)]
            }
            Intrinsic::Frexp => {
                let float = ty.tuple_items().map_or(Ty::float(64), |i| i[0]);
                let wide = self.cast(&args[0], Ty::float(64))?;
                let parts = self.b.rt(RtFn::frexp, &wide);
                let mut vals = self.cast_number(&Typed::one(Ty::float(64), parts[0]), float);
                vals.push(parts[1]);
                vals
            }
            Intrinsic::Ldexp => {
                let x = self.cast(&args[0], Ty::float(64))?;
                let n = self.cast(&args[1], Ty::int(64, true))?;
                let r = self.b.rt1(RtFn::ldexp, &[x[0], n[0]]);
                self.cast_number(&Typed::one(Ty::float(64), r), ty)
            }
            &Intrinsic::Thread(func) => {
                let mut ints = Vals::new();
                for arg in args {
                    ints.extend(self.cast(arg, Ty::int(64, true))?);
                }
                if func.info().effect == Effect::Raises {
                    self.rt_raising(func, &ints)?.iter().copied().collect()
                } else {
                    self.b.rt(func, &ints).iter().copied().collect()
                }
            }
            Intrinsic::Gcd => {
                let (a, b) = (self.cast(&args[0], ty)?, self.cast(&args[1], ty)?);
                smallvec![self.b.rt1(
                    if ty.is_signed() {
                        RtFn::gcd
                    } else {
                        RtFn::ugcd
                    },
                    &[a[0], b[0]]
                )]
            }
            Intrinsic::Scale(factor) => {
                let x = self.cast(&args[0], ty)?;
                let factor = self.b.float(machine(ty)[0], *factor);
                let scaled = self.b.binary(Bin::FMul, x[0], factor);
                smallvec![self.rounded(ty, scaled)]
            }
            Intrinsic::Complex(func) => {
                let z = self.cast(&args[0], ty)?;
                self.complex_call(*func, &z, ty)
            }
            Intrinsic::ComplexLogBase => {
                let (z, base) = (self.cast(&args[0], ty)?, self.cast(&args[1], ty)?);
                let (top, bottom) = (
                    self.complex_call(RtFn::clog, &z, ty),
                    self.complex_call(RtFn::clog, &base, ty),
                );
                let all = [top[0], top[1], bottom[0], bottom[1]];
                self.complex_call(RtFn::cdiv, &all, ty)
            }
            Intrinsic::Phase => {
                let z = self.complex_of(&args[0], ty)?;
                smallvec![self.phase(&z)]
            }
            Intrinsic::Polar => {
                let part = ty.tuple_items().map_or(Ty::float(64), |i| i[0]);
                let z = self.complex_of(&args[0], part)?;
                smallvec![self.modulus(&z), self.phase(&z)]
            }
            Intrinsic::Rect => {
                let (r, phi) = (
                    self.cast(&args[0], Ty::float(64))?,
                    self.cast(&args[1], Ty::float(64))?,
                );
                self.complex_call(RtFn::crect, &[r[0], phi[0]], ty)
            }
            Intrinsic::Conjugate => {
                let z = match callee.ty.kind() {
                    Kind::Method(..) => callee.vals.clone(),
                    _ => args[0].vals.clone(),
                };
                smallvec![z[0], self.b.unary(Un::FNeg, z[1])]
            }
            Intrinsic::Tuple | Intrinsic::NamedTuple(_) | Intrinsic::Exception => {
                args.iter().flat_map(|a| a.vals.iter().copied()).collect()
            }
            Intrinsic::NewArray { fill, shape, .. } => self.new_array(*fill, *shape, args, ty)?,
            Intrinsic::Arange { .. } => self.arange(args, ty)?,
            Intrinsic::NewFrom
            | Intrinsic::AsArray
            | Intrinsic::Contiguous
            | Intrinsic::Axes(_)
            | Intrinsic::Permute
            | Intrinsic::Reshape { .. }
            | Intrinsic::Flatten { .. }
            | Intrinsic::BroadcastTo
            | Intrinsic::Diagonal { .. }
            | Intrinsic::Reinterpret
            | Intrinsic::Nonzero => {
                let args = with_receiver(callee, args);
                match what {
                    Intrinsic::NewFrom => self.new_from(&args[0], ty)?,
                    Intrinsic::Contiguous => self.as_contiguous(&args[0], ty)?,
                    Intrinsic::Axes(axes) => self.axes_view(&args[0], axes)?,
                    Intrinsic::Permute => self.permute(&args)?,
                    Intrinsic::Reshape { order } => self.reshape(*order, &args)?,
                    Intrinsic::Flatten { order, copy } => {
                        self.flattened(*order, *copy, &args[0])?
                    }
                    Intrinsic::BroadcastTo => self.broadcast_to(&args)?,
                    Intrinsic::Diagonal { dims } => self.diagonal(*dims, &args)?,
                    Intrinsic::Reinterpret => self.reinterpret(&args[0], ty)?,
                    Intrinsic::Nonzero => self.nonzero_indices(&args[0])?,
                    _ => smallvec![self.as_array(&args[0])?.0],
                }
            }
            Intrinsic::Join(join) => self.join_arrays(join, args)?,
            Intrinsic::Strided { shape, strides } => self.strided(*shape, *strides, args)?,
            Intrinsic::Product { is_dot } => self.array_product(args, *is_dot, ty)?,
            Intrinsic::Einsum(spec) => self.einsum(spec, args, ty)?,
            Intrinsic::Gufunc(number) => smallvec![self.call_gufunc(*number, args)?],
            Intrinsic::Reduce(reduce) => {
                let all = with_receiver(callee, args);
                self.reduce(reduce, &all, ty)?
            }
            Intrinsic::TupleIndex | Intrinsic::TupleCount => {
                let Kind::Method(receiver, _) = *callee.ty.kind() else {
                    return Err(self.bug("no receiver"));
                };
                let tuple = Typed::new(receiver, callee.vals.clone());
                self.tuple_search(&tuple, &args[0], *what == Intrinsic::TupleCount)?
            }
            Intrinsic::RecordItems | Intrinsic::RecordCopy => {
                let record = match *callee.ty.kind() {
                    Kind::Method(receiver, _) => Typed::new(receiver, callee.vals.clone()),
                    _ => self.unwrap(&args[0])?,
                };
                if *what == Intrinsic::RecordItems {
                    self.record_items(&record)?
                } else {
                    self.record_copy(&record)?
                }
            }
            Intrinsic::Rows(func) => self.call_on_rows(*func, args)?,
            Intrinsic::List(op) => self.list_op(*op, callee, args, ty)?,
            Intrinsic::Dict(op) => self.dict_op(*op, callee, args, ty)?,
            Intrinsic::Ufunc(call) => self.ufunc(call, args, ty)?,
            Intrinsic::UfuncOuter(call) => self.ufunc_outer(call, args, ty)?,
            Intrinsic::Attribute(name) => self.attribute(&args[0], name, ty)?,
        })
    }

    /// `complex(a, b)`: a + b*1j, which for complex parts means what Python makes of it.
    fn complex_parts(&mut self, args: &[Typed], to: Ty) -> Result<Vals> {
        let (a, b) = (self.cast(&args[0], to)?, self.cast(&args[1], to)?);
        let mut vals: Vals = smallvec![a[0], b[0]];
        if args[1].ty.is_complex() {
            vals[0] = self.b.binary(Bin::FSub, a[0], b[1]);
        }
        if args[0].ty.is_complex() {
            vals[1] = self.b.binary(Bin::FAdd, a[1], b[0]);
        }
        Ok(vals)
    }

    pub(super) fn absolute(&mut self, arg: &Typed, ty: Ty) -> Result<Value> {
        let x = self.unwrap(arg)?;
        Ok(match x.ty.kind() {
            Kind::Complex { .. } => self.modulus(&x.vals),
            Kind::Float { .. } => self.b.unary(Un::FAbs, x.vals[0]),
            Kind::Int { signed: true, .. } => self.b.unary(Un::IAbs, x.vals[0]),
            _ => self.cast(&x, ty)?[0],
        })
    }

    /// `abs` of a complex number.
    fn modulus(&mut self, z: &[Value]) -> Value {
        self.real_rt(RtFn::hypot, RtFn::hypotf, z)
    }

    fn phase(&mut self, z: &[Value]) -> Value {
        self.real_rt(RtFn::atan2, RtFn::atan2f, &[z[1], z[0]])
    }

    /// A number as a complex one whose parts have type `part`.
    fn complex_of(&mut self, arg: &Typed, part: Ty) -> Result<Vals> {
        self.cast(arg, Ty::complex((part.bits() * 2) as u8))
    }

    /// The smallest or largest, keeping the first of equals, as Python does.
    fn min_max(&mut self, args: &[Typed], max: bool, ty: Ty) -> Result<Vals> {
        let items: Vec<Typed> = match args {
            [one] => (0..one.ty.tuple_items().map_or(0, <[Ty]>::len))
                .map(|i| self.item(one, i))
                .collect(),
            several => several.to_vec(),
        };
        let mut best: Option<Typed> = None;
        for item in items {
            let item = self.unwrap(&item)?;
            let item = Typed::new(ty, self.cast(&item, ty)?);
            best = Some(match best {
                None => item,
                Some(before) => {
                    let better = self.compare(
                        if max { CompareOp::Gt } else { CompareOp::Lt },
                        &item,
                        &before,
                    )?;
                    Typed::one(ty, self.b.select(better, item.vals[0], before.vals[0]))
                }
            });
        }
        Ok(best.map(|b| b.vals).unwrap_or_default())
    }

    fn round_digits(&mut self, args: &[Typed], ty: Ty) -> Result<Vals> {
        let x = self.cast(&args[0], Ty::float(64))?;
        let n = self.cast(&args[1], Ty::int(64, true))?;
        let r = self.b.rt1(RtFn::round_digits, &[x[0], n[0]]);
        Ok(self.cast_number(&Typed::one(Ty::float(64), r), ty))
    }

    fn divmod(&mut self, args: &[Typed], ty: Ty) -> Result<Vals> {
        let item = ty.tuple_items().map_or(Ty::py_int(), |i| i[0]);
        let (a, b) = (self.unwrap(&args[0])?, self.unwrap(&args[1])?);
        let (x, y) = (self.cast(&a, item)?[0], self.cast(&b, item)?[0]);
        let (q, r) = if item.is_float() {
            self.float_divide(x, y)?
        } else {
            self.int_divide(x, y, item.is_signed())?
        };
        Ok(smallvec![q, r])
    }

    /// A function of real numbers in the type of its result.
    pub(super) fn real(&mut self, func: RealFn, args: &[Typed], ty: Ty) -> Result<Value> {
        let mut x = Vals::new();
        for a in args {
            let a = self.unwrap(a)?;
            x.push(self.cast_number(&a, ty)[0]);
        }
        let narrow = ty.bits() <= 32;
        let result = match func {
            RealFn::Un(un) => self.b.unary(un, x[0]),
            RealFn::CopySign => self.b.binary(Bin::CopySign, x[0], x[1]),
            RealFn::Remainder => self.b.binary(Bin::FRem, x[0], x[1]),
            RealFn::Pow => self
                .b
                .rt1(if narrow { RtFn::fpowf } else { RtFn::fpow }, &x),
            RealFn::Rt(double, Some(single)) => self.real_rt(double, single, &x),
            RealFn::Rt(double, None) => {
                let wide: Vals = x
                    .iter()
                    .map(|&v| {
                        if narrow {
                            self.b.cast(Cast::FPExt, v, Type::F64)
                        } else {
                            v
                        }
                    })
                    .collect();
                let r = self.b.rt1(double, &wide);
                if narrow {
                    self.b.cast(Cast::FPTrunc, r, Type::F32)
                } else {
                    r
                }
            }
        };
        Ok(self.rounded(ty, result))
    }

    /// A function that there is for doubles and for singles: of the elements of arrays as code, otherwise
    /// by the runtime.
    pub(super) fn real_rt(&mut self, double: RtFn, single: RtFn, x: &[Value]) -> Value {
        let written = if self.in_nest {
            vector_math::function(&mut self.b, self.cx.session.target, double, x)
        } else {
            None
        };
        if let Some(y) = written {
            return y;
        }
        self.b.rt1(
            if self.b.ty(x[0]) == Type::F32 {
                single
            } else {
                double
            },
            x,
        )
    }

    pub(super) fn classify(&mut self, class: Class, arg: &Typed) -> Result<Value> {
        let x = self.unwrap(arg)?;
        if x.ty.is_integral() {
            return Ok(self.b.bool(class == Class::Finite));
        }
        let mut result = None;
        for &v in &x.vals {
            let ty = self.b.ty(v);
            let one = if class == Class::Nan {
                self.b.cmp(Cmp::FNe, v, v)
            } else {
                let size = self.b.unary(Un::FAbs, v);
                let infinity = self.b.float(ty, f64::INFINITY);
                self.b.cmp(
                    if class == Class::Inf {
                        Cmp::FEq
                    } else {
                        Cmp::FLt
                    },
                    size,
                    infinity,
                )
            };
            result = Some(match result {
                None => one,
                Some(before) => self.b.binary(
                    if class == Class::Finite {
                        Bin::And
                    } else {
                        Bin::Or
                    },
                    before,
                    one,
                ),
            });
        }
        result.ok_or_else(|| self.bug("a number without parts"))
    }
}

/// The arguments of a method begin with the value that it is a method of.
fn with_receiver(callee: &Typed, args: &[Typed]) -> Vec<Typed> {
    let receiver = match *callee.ty.kind() {
        Kind::Method(receiver, _) => Some(Typed::new(receiver, callee.vals.clone())),
        _ => None,
    };
    receiver.into_iter().chain(args.iter().cloned()).collect()
}
