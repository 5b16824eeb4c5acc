//! One instruction.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_abi::settings::FastMath;
use ferdelance_compiler::tir::{Bin, Cast, Cmp, FuncId, Inst, Op, Part, Type, Un, Value};
use smallvec::SmallVec;

use super::floats::FloatOp;
use super::function::{Emitter, split_result};
use super::raw::{self, LLVMIntPredicate as I, LLVMOpcode as O, LLVMRealPredicate as F, Ty, Val};
use super::scalar_count;

impl<'c> Emitter<'_, '_, 'c> {
    pub fn inst(&mut self, inst: &Inst) {
        match &inst.op {
            Op::Store {
                ptr,
                value,
                align,
                mem,
            } => {
                let ty = self.function.ty(*value);
                let ptr = self.get(*ptr);
                for (i, scalar) in self.get_all(*value).into_iter().enumerate() {
                    let stored = if ty == Type::I1 {
                        self.builder.cast(O::LLVMZExt, scalar, self.shared.types.i8)
                    } else {
                        scalar
                    };
                    let slot = self.slot(ptr, i);
                    let access = self.builder.store(stored, slot, u32::from(*align));
                    self.shared.mark_access(access, *mem);
                }
            }
            Op::Call { func, args } => {
                let results = self.call(*func, args);
                self.set_results(&inst.results, &results);
            }
            Op::CallIndirect { pointer, args } => {
                let results = self.call_indirect(*pointer, args, &inst.results);
                self.set_results(&inst.results, &results);
            }
            Op::Parallel {
                func,
                rounds,
                work,
                args,
            } => {
                let results = self.parallel(*func, *rounds, *work, args);
                self.set_results(&inst.results, &results);
            }
            Op::CallC {
                pointer,
                args,
                signature,
            } => {
                let results = self.call_c(*pointer, args, signature);
                self.set_results(&inst.results, &results);
            }
            Op::Rt { func, args } => {
                let args: SmallVec<[Val<'c>; 8]> = args.iter().map(|&v| self.get(v)).collect();
                let results = self.call_runtime(*func, &args);
                self.set_results(&inst.results, &results);
            }
            Op::Retain(v) => self.count(*v, RtFn::owner_retain, RtFn::obj_retain),
            Op::Release(v) => self.count(*v, RtFn::owner_release, RtFn::obj_release),
            Op::Assume(cond) => {
                let (assume, ty) = self.shared.intrinsic("llvm.assume", &[]);
                self.builder.call(ty, assume, &[self.get(*cond)]);
            }
            op => {
                if let &[result] = &*inst.results {
                    let scalars = self.value(op, self.function.ty(result));
                    self.set(result, scalars);
                }
            }
        }
    }

    /// Distributes the scalars of a call's results.
    fn set_results(&mut self, results: &[Value], mut scalars: &[Val<'c>]) {
        for &result in results {
            let (own, rest) = scalars.split_at(scalar_count(self.function.ty(result)));
            self.set(result, own.iter().copied());
            scalars = rest;
        }
    }

    /// The scalars of an instruction with one result, of type `ty`.
    fn value(&mut self, op: &Op, ty: Type) -> SmallVec<[Val<'c>; 8]> {
        let llvm_type = self.shared.scalar(ty);
        let one = match op {
            Op::Int(value) => llvm_type.int(*value),
            Op::Float(bits) => llvm_type.float(f64::from_bits(*bits)),
            Op::Null => llvm_type.zero(),
            Op::Undef => return self.shared.scalars(ty).iter().map(|ty| ty.zero()).collect(),
            Op::Pool(id) => self.load_pool(id.index()),
            Op::FunctionAddress { func, entry } => {
                let mut known = self.shared.addresses.iter();
                // Verified programs have those that they refer to.
                match known.find(|(id, ..)| id == func) {
                    Some((_, pointer, trampoline)) => *if *entry { trampoline } else { pointer },
                    None => llvm_type.zero(),
                }
            }
            Op::Binary { op, a, b, nsw } => {
                self.binary(*op, self.get(*a), self.get(*b), *nsw, llvm_type)
            }
            Op::Unary(op, a) => self.unary(*op, self.get(*a), llvm_type),
            Op::Compare(op, a, b) => self.compare(*op, self.get(*a), self.get(*b)),
            Op::Cast(op, a) => self.cast(*op, *a, ty),
            Op::Select { cond, then, other } => {
                let cond = self.get(*cond);
                let (then, other) = (self.get_all(*then), self.get_all(*other));
                let flags = self.function.options.fastmath;
                let select = |(a, b)| {
                    let value = self.builder.select(cond, a, b);
                    if ty.is_float() {
                        value.set_fast_math(flags);
                    }
                    value
                };
                return then.into_iter().zip(other).map(select).collect();
            }
            Op::Fma { a, b, c } => {
                let (fma, fma_type) = self.shared.intrinsic("llvm.fma", &[llvm_type]);
                let args = [a, b, c].map(|&v| self.get(v));
                self.builder.call(fma_type, fma, &args)
            }
            Op::Lookup { table, index } => {
                let index = self.get(*index);
                self.call_floats(FloatOp::Lookup(table), llvm_type, &[index])
            }
            Op::Offset { base, offset } => {
                self.builder
                    .element(self.shared.types.i8, self.get(*base), self.get(*offset))
            }
            Op::Element { base, index, size } => {
                let types = &self.shared.types;
                let item = match size {
                    1 => types.i8,
                    2 => types.i16,
                    4 => types.i32,
                    8 => types.i64,
                    _ => types.array(types.i8, u64::from(*size)),
                };
                self.builder
                    .element(item, self.get(*base), self.get(*index))
            }
            Op::Load { ptr, align, mem } => {
                let ptr = self.get(*ptr);
                let types = self.shared.scalars(ty);
                let mut scalars = SmallVec::new();
                for (i, scalar) in types.into_iter().enumerate() {
                    let memory_type = if ty == Type::I1 {
                        self.shared.types.i8
                    } else {
                        scalar
                    };
                    let slot = self.slot(ptr, i);
                    let value = self.builder.load(memory_type, slot, u32::from(*align));
                    self.shared.mark_access(value, *mem);
                    scalars.push(if ty == Type::I1 {
                        self.builder
                            .int_compare(I::LLVMIntNE, value, memory_type.zero())
                    } else {
                        value
                    });
                }
                return scalars;
            }
            Op::Exchange { ptr, value, mem } => {
                let ptr = self.get(*ptr);
                let types = self.shared.scalars(ty);
                let mut old = SmallVec::new();
                for (i, (scalar, new)) in types.into_iter().zip(self.get_all(*value)).enumerate() {
                    let slot = self.slot(ptr, i);
                    let load = self.builder.load(scalar, slot, 8);
                    self.shared.mark_access(load, *mem);
                    let store = self.builder.store(new, slot, 8);
                    self.shared.mark_access(store, *mem);
                    old.push(load);
                }
                return old;
            }
            Op::StackSlot { size, align } => {
                self.stack_bytes += u64::from(*size);
                let types = &self.shared.types;
                self.entry
                    .alloca(types.array(types.i8, u64::from(*size)), u32::from(*align))
            }
            Op::MakeArray {
                owner,
                data,
                shape,
                strides,
            } => {
                return self.descriptor(self.get(*owner), *data, shape, strides);
            }
            Op::View {
                base,
                data,
                shape,
                strides,
            } => {
                return self.descriptor(self.get_part(*base, 0), *data, shape, strides);
            }
            Op::ArrayPart(array, part) => {
                let Type::Array(rank) = self.function.ty(*array) else {
                    return SmallVec::new();
                };
                self.get_part(
                    *array,
                    match part {
                        Part::Owner => 0,
                        Part::Data => 1,
                        Part::Shape(axis) => 2 + usize::from(*axis),
                        Part::Stride(axis) => 2 + usize::from(rank) + usize::from(*axis),
                    },
                )
            }
            // Expanded before emission: `Program::verify` accepts none.
            Op::Subview(_) | Op::Nest(_) | Op::Rare { .. } => return SmallVec::new(),
            // Likewise.
            Op::NewGenerator { .. } | Op::Resume { .. } | Op::Yield { .. } | Op::Received => {
                return SmallVec::new();
            }
            // Without a result: see `inst`.
            Op::Store { .. }
            | Op::Call { .. }
            | Op::CallIndirect { .. }
            | Op::CallC { .. }
            | Op::Parallel { .. }
            | Op::Rt { .. }
            | Op::Retain(_)
            | Op::Release(_)
            | Op::Assume(_) => {
                return SmallVec::new();
            }
        };
        smallvec::smallvec![one]
    }

    /// The address of scalar `i` of a value in memory (arrays: 8 bytes each).
    fn slot(&self, ptr: Val<'c>, i: usize) -> Val<'c> {
        if i == 0 {
            return ptr;
        }
        let i64_ = self.shared.types.i64;
        self.builder.element(i64_, ptr, i64_.int(i as i64))
    }

    fn descriptor(
        &self,
        owner: Val<'c>,
        data: Value,
        shape: &[Value],
        strides: &[Value],
    ) -> SmallVec<[Val<'c>; 8]> {
        let mut all = smallvec::smallvec![owner, self.get(data)];
        all.extend(shape.iter().chain(strides).map(|&v| self.get(v)));
        all
    }

    /// An entry of the constant pool.
    pub fn load_pool(&mut self, index: usize) -> Val<'c> {
        self.shared.load_pool(&self.builder, index)
    }

    fn binary(&mut self, op: Bin, a: Val<'c>, b: Val<'c>, nsw: bool, ty: Ty<'c>) -> Val<'c> {
        let opcode = match op {
            Bin::Add => O::LLVMAdd,
            Bin::Sub => O::LLVMSub,
            Bin::Mul => O::LLVMMul,
            Bin::SDiv => O::LLVMSDiv,
            Bin::UDiv => O::LLVMUDiv,
            Bin::SRem => O::LLVMSRem,
            Bin::URem => O::LLVMURem,
            Bin::And => O::LLVMAnd,
            Bin::Or => O::LLVMOr,
            Bin::Xor => O::LLVMXor,
            Bin::Shl => O::LLVMShl,
            Bin::AShr => O::LLVMAShr,
            Bin::LShr => O::LLVMLShr,
            Bin::FAdd | Bin::FAddAnyOrder | Bin::FAddExact => O::LLVMFAdd,
            Bin::FSub | Bin::FSubExact => O::LLVMFSub,
            Bin::FMul | Bin::FMulAnyOrder | Bin::FMulExact => O::LLVMFMul,
            Bin::FDiv | Bin::FDivExact => O::LLVMFDiv,
            Bin::FRem => O::LLVMFRem,
            Bin::SMin => return self.call_intrinsic("llvm.smin", ty, &[a, b]),
            Bin::SMax => return self.call_intrinsic("llvm.smax", ty, &[a, b]),
            Bin::UMin => return self.call_intrinsic("llvm.umin", ty, &[a, b]),
            Bin::UMax => return self.call_intrinsic("llvm.umax", ty, &[a, b]),
            Bin::Fit => {
                let stretches = self.builder.int_compare(I::LLVMIntEQ, a, ty.int(1));
                return self.builder.select(stretches, b, a);
            }
            Bin::CopySign => return self.call_intrinsic("llvm.copysign", ty, &[a, b]),
            Bin::Scale => return self.call_floats(FloatOp::Scale, ty, &[a, b]),
            Bin::FMinNum => return self.call_intrinsic("llvm.minnum", ty, &[a, b]),
            Bin::FMaxNum => return self.call_intrinsic("llvm.maxnum", ty, &[a, b]),
            Bin::FMinimum => return self.call_intrinsic("llvm.minimum", ty, &[a, b]),
            Bin::FMaximum => return self.call_intrinsic("llvm.maximum", ty, &[a, b]),
        };
        if nsw {
            return self.builder.binary_nsw(opcode, a, b);
        }
        let value = self.builder.binary(opcode, a, b);
        if matches!(
            op,
            Bin::FAdd | Bin::FSub | Bin::FMul | Bin::FDiv | Bin::FRem
        ) {
            value.set_fast_math(self.function.options.fastmath);
        }
        if matches!(op, Bin::FAddAnyOrder | Bin::FMulAnyOrder) {
            let flags = self.function.options.fastmath.0 | FastMath::REASSOC;
            value.set_fast_math(FastMath(flags));
        }
        value
    }

    fn unary(&mut self, op: Un, a: Val<'c>, ty: Ty<'c>) -> Val<'c> {
        let name = match op {
            Un::Neg => return self.builder.binary(O::LLVMSub, ty.zero(), a),
            Un::Not => return self.builder.binary(O::LLVMXor, a, ty.int(-1)),
            Un::IAbs => {
                let wraps = self.shared.types.i1.zero();
                return self.call_intrinsic("llvm.abs", ty, &[a, wraps]);
            }
            Un::FNeg => {
                let value = self.builder.fneg(a);
                value.set_fast_math(self.function.options.fastmath);
                return value;
            }
            Un::PopCount => "llvm.ctpop",
            Un::FAbs => "llvm.fabs",
            Un::Sqrt => "llvm.sqrt",
            Un::Floor => "llvm.floor",
            Un::Ceil => "llvm.ceil",
            Un::Trunc => "llvm.trunc",
            Un::RoundEven => "llvm.roundeven",
            Un::Exponent => return self.call_floats(FloatOp::Exponent, ty, &[a]),
            Un::Mantissa => return self.call_floats(FloatOp::Mantissa, ty, &[a]),
            Un::Reciprocal => return self.call_floats(FloatOp::Reciprocal, ty, &[a]),
        };
        self.call_intrinsic(name, ty, &[a])
    }

    /// Calls an intrinsic that is overloaded on its result; fast-math flags where they apply.
    fn call_intrinsic(&mut self, name: &'static str, ty: Ty<'c>, args: &[Val<'c>]) -> Val<'c> {
        let (function, function_type) = self.shared.intrinsic(name, &[ty]);
        let value = self.builder.call(function_type, function, args);
        value.set_fast_math(self.function.options.fastmath);
        value
    }

    /// Calls one of the functions in [`super::floats`].
    fn call_floats(&mut self, op: FloatOp, ty: Ty<'c>, args: &[Val<'c>]) -> Val<'c> {
        let symbol = op.symbol(ty == self.shared.types.f64);
        let (function, function_type) = raw::function(&self.shared.module, &symbol);
        self.builder.call(function_type, function, args)
    }

    fn compare(&self, op: Cmp, a: Val<'c>, b: Val<'c>) -> Val<'c> {
        let float = |predicate| {
            let value = self.builder.float_compare(predicate, a, b);
            value.set_fast_math(self.function.options.fastmath);
            value
        };
        let int = |predicate| self.builder.int_compare(predicate, a, b);
        match op {
            Cmp::Eq => int(I::LLVMIntEQ),
            Cmp::Ne => int(I::LLVMIntNE),
            Cmp::SLt => int(I::LLVMIntSLT),
            Cmp::SLe => int(I::LLVMIntSLE),
            Cmp::SGt => int(I::LLVMIntSGT),
            Cmp::SGe => int(I::LLVMIntSGE),
            Cmp::ULt => int(I::LLVMIntULT),
            Cmp::ULe => int(I::LLVMIntULE),
            Cmp::UGt => int(I::LLVMIntUGT),
            Cmp::UGe => int(I::LLVMIntUGE),
            Cmp::Unfit => {
                let one = self.shared.types.i64.int(1);
                let different = int(I::LLVMIntNE);
                let fixed = self.builder.int_compare(I::LLVMIntNE, a, one);
                let long = self.builder.int_compare(I::LLVMIntNE, b, one);
                let wrong = self.builder.binary(O::LLVMAnd, different, long);
                self.builder.binary(O::LLVMAnd, wrong, fixed)
            }
            Cmp::FEq => float(F::LLVMRealOEQ),
            Cmp::FNe => float(F::LLVMRealUNE),
            Cmp::FLt => float(F::LLVMRealOLT),
            Cmp::FLe => float(F::LLVMRealOLE),
            Cmp::FGt => float(F::LLVMRealOGT),
            Cmp::FGe => float(F::LLVMRealOGE),
        }
    }

    fn cast(&self, op: Cast, operand: Value, to: Type) -> Val<'c> {
        let from = self.function.ty(operand);
        let a = self.get(operand);
        let ty = self.shared.scalar(to);
        let opcode = match op {
            Cast::Trunc => O::LLVMTrunc,
            Cast::ZExt => O::LLVMZExt,
            Cast::SExt => O::LLVMSExt,
            Cast::SIToFP => O::LLVMSIToFP,
            Cast::UIToFP => O::LLVMUIToFP,
            Cast::FPTrunc => O::LLVMFPTrunc,
            Cast::FPExt => O::LLVMFPExt,
            Cast::PtrToInt => O::LLVMPtrToInt,
            Cast::IntToPtr => O::LLVMIntToPtr,
            Cast::Bits if from.is_pointer() || self.shared.scalar(from) == ty => return a,
            Cast::Bits => O::LLVMBitCast,
            // Out of range is poison to LLVM; frozen it is some value, in practice the hardware's.
            Cast::FPToSI => return self.builder.freeze(self.builder.cast(O::LLVMFPToSI, a, ty)),
            Cast::FPToUI => return self.builder.freeze(self.builder.cast(O::LLVMFPToUI, a, ty)),
        };
        let value = self.builder.cast(opcode, a, ty);
        if matches!(op, Cast::FPTrunc | Cast::FPExt) {
            value.set_fast_math(self.function.options.fastmath);
        }
        value
    }

    /// Calls a function of the program; gives its results' scalars and the error.
    fn call(&mut self, id: FuncId, args: &[Value]) -> SmallVec<[Val<'c>; 8]> {
        let callee = self.shared.function(id);
        let function = &self.shared.program.functions[id.index()];
        let mut scalars: SmallVec<[Val<'c>; 16]> = SmallVec::new();
        if function.recursive {
            scalars.push(self.callee_stack_limit());
        }
        scalars.extend(args.iter().flat_map(|&v| self.get_all(v)));
        let returned = self.builder.call(callee.ty, callee.value, &scalars);
        let count: usize = function.results.iter().map(|&ty| scalar_count(ty)).sum();
        split_result(
            &self.builder,
            returned,
            count + usize::from(function.may_raise),
        )
    }

    /// Counts a reference up or down, by a call only where something is counted: not for static and
    /// borrowed owners (zero, or the lowest bit set) and absent objects (null).
    fn count(&mut self, v: Value, owner: RtFn, object: RtFn) {
        let value = self.get_part(v, 0);
        let types = &self.shared.types;
        let i64_ = types.i64;
        let bits = self.builder.cast(O::LLVMPtrToInt, value, i64_);
        let (func, counted) = if self.function.ty(v) == Type::Obj {
            (
                object,
                self.builder.int_compare(I::LLVMIntNE, bits, i64_.zero()),
            )
        } else {
            // Rotated by one, the tag is the sign: positive is neither zero nor tagged.
            let (rotate, ty) = self.shared.intrinsic("llvm.fshr", &[i64_]);
            let rotated = self.builder.call(ty, rotate, &[bits, bits, i64_.int(1)]);
            (
                owner,
                self.builder
                    .int_compare(I::LLVMIntSGT, rotated, i64_.zero()),
            )
        };
        let (call, after) = (self.new_block(), self.new_block());
        self.builder.branch(counted, call, after);
        self.builder.position(call);
        self.call_runtime(func, &[value]);
        self.builder.jump(after);
        self.builder.position(after);
    }
}
