//! Calls by address, and C functions.
//!
//! C's convention as LLVM spells it on x86-64: integers below 32 bits travel as 32-bit ones of which
//! the low bits count, extended when we give them away; `float complex` fills one vector register,
//! `double complex` two.

use ferdelance_abi::rtfn::RtFn;
use ferdelance_compiler::tir::{CEntry, CSignature, CType, FuncId, Type, Value};
use inkwell::llvm_sys::LLVMIntPredicate::LLVMIntNE;
use smallvec::SmallVec;

use super::function::{Emitter, split_result};
use super::raw::{self, Builder, LLVMOpcode as O, Ty, Val};
use super::scalar_count;
use super::shared::Shared;

/// What is appended to a function's symbol for the symbol of its C function.
const C_SUFFIX: &str = ".c";
/// The same for one that can be called by its address.
const POINTER_SUFFIX: &str = ".pointer";

type Scalars<'c> = SmallVec<[Val<'c>; 8]>;

impl<'c> Emitter<'_, '_, 'c> {
    /// Calls a function by its address; gives the scalars of its results, and the error.
    pub fn call_indirect(
        &mut self,
        pointer: Value,
        args: &[Value],
        results: &[Value],
    ) -> Scalars<'c> {
        let types = |values: &[Value]| {
            values
                .iter()
                .map(|&v| self.function.ty(v))
                .collect::<Vec<Type>>()
        };
        let (args_types, results_types) = (
            types(args),
            types(&results[..results.len().saturating_sub(1)]),
        );
        let result = self.shared.result_type(&results_types, true);
        let ty = self
            .shared
            .types
            .function(result, &self.shared.explode(&args_types));
        let scalars: Scalars<'c> = args.iter().flat_map(|&v| self.get_all(v)).collect();
        let returned = self.builder.call(ty, self.get(pointer), &scalars);
        let count: usize = results_types.iter().map(|&ty| scalar_count(ty)).sum();
        split_result(&self.builder, returned, count + 1)
    }

    /// Calls a C function; gives the scalars of its result.
    pub fn call_c(
        &mut self,
        pointer: Value,
        args: &[Value],
        signature: &CSignature,
    ) -> Scalars<'c> {
        let mut scalars = args.iter().map(|&v| self.get(v));
        let mut passed: Scalars<'c> = SmallVec::new();
        for &param in &signature.params {
            let own: Scalars<'c> = scalars.by_ref().take(param.machine().len()).collect();
            passed.extend(to_c(self.shared, &self.builder, param, &own));
        }
        let ty = function_type(self.shared, signature);
        let returned = self.builder.call(ty, self.get(pointer), &passed);
        let count = usize::from(signature.result == CType::Complex128)
            + usize::from(signature.result != CType::Void);
        let parts = split_result(&self.builder, returned, count);
        from_c(self.shared, &self.builder, signature.result, &parts)
    }
}

/// The function that is called by address for a function of the program, and its symbol: itself, unless
/// it is recursive; then it has a parameter more, the lowest stack address, which a wrapper supplies.
pub(super) fn emit_pointer<'c>(shared: &mut Shared<'_, 'c>, id: FuncId) -> (Val<'c>, String) {
    let function = &shared.program.functions[id.index()];
    if !function.recursive {
        return (shared.function(id).value, function.symbol.to_string());
    }
    let callee = shared.function(id);
    let symbol = format!("{}{POINTER_SUFFIX}", function.symbol);
    let params = shared.explode(&function.params);
    let ty = shared
        .types
        .function(shared.result_type(&function.results, true), &params);
    let wrapper = raw::add_function(&shared.module, &symbol, ty, false);
    shared.add_function_attributes(wrapper);
    let builder = Builder::new(shared.context);
    builder.position(raw::append_block(shared.context, wrapper));
    let stack_limit = shared.runtime(RtFn::stack_limit);
    let mut args: Scalars<'c> = smallvec::smallvec![stack_limit.call(&builder, &[])];
    args.extend((0..params.len()).map(|i| wrapper.param(i)));
    let returned = builder.call(callee.ty, callee.value, &args);
    builder.ret(Some(returned));
    (wrapper, symbol)
}

/// Emits the C function of a function of the program.
pub(super) fn emit_c_entry<'c>(shared: &mut Shared<'_, 'c>, entry: &CEntry) -> String {
    let function = &shared.program.functions[entry.func.index()];
    let callee = shared.function(entry.func);
    let symbol = format!("{}{C_SUFFIX}", function.symbol);
    let ty = function_type(shared, &entry.signature);
    let wrapper = raw::add_function(&shared.module, &symbol, ty, false);
    shared.add_function_attributes(wrapper);
    let context = shared.context;
    let builder = Builder::new(context);
    builder.position(raw::append_block(context, wrapper));

    let mut args: Scalars<'c> = SmallVec::new();
    if function.recursive {
        let stack_limit = shared.runtime(RtFn::stack_limit);
        args.push(stack_limit.call(&builder, &[]));
    }
    let mut next = 0;
    for &param in &entry.signature.params {
        let count = c_types(shared, param).len();
        let own: Scalars<'c> = (next..next + count).map(|i| wrapper.param(i)).collect();
        next += count;
        args.extend(from_c(shared, &builder, param, &own));
    }
    let returned = builder.call(callee.ty, callee.value, &args);

    let count: usize = function.results.iter().map(|&ty| scalar_count(ty)).sum();
    let mut all = split_result(&builder, returned, count + usize::from(function.may_raise));
    let result = entry.signature.result;
    if function.may_raise {
        let error = all.pop().unwrap_or_else(|| shared.types.ptr.zero());
        let raised = builder.int_compare(LLVMIntNE, error, shared.types.ptr.zero());
        let failed = raw::append_block(context, wrapper);
        let fine = raw::append_block(context, wrapper);
        let branch = builder.branch(raised, failed, fine);
        branch.set_metadata(shared.meta.prof, shared.meta.unlikely);
        builder.position(failed);
        let blame = shared.load_pool(&builder, entry.blame.index());
        let report = shared.runtime(RtFn::error_unraisable);
        report.call(&builder, &[error, blame]);
        let zeros: Scalars<'c> = c_types(shared, result).iter().map(|ty| ty.zero()).collect();
        give_back(shared, &builder, &zeros);
        builder.position(fine);
    }
    let passed = to_c(shared, &builder, result, &all);
    give_back(shared, &builder, &passed);
    symbol
}

fn give_back<'c>(shared: &Shared<'_, 'c>, builder: &Builder<'c>, scalars: &[Val<'c>]) {
    match scalars {
        [] => builder.ret(None),
        [one] => builder.ret(Some(*one)),
        _ => {
            let mut all = pair(shared).poison();
            for (i, &scalar) in scalars.iter().enumerate() {
                all = builder.insert(all, scalar, i);
            }
            builder.ret(Some(all));
        }
    }
}

/// What `double complex` is returned as.
fn pair<'c>(shared: &Shared<'_, 'c>) -> Ty<'c> {
    shared.types.structure(&[shared.types.f64; 2])
}

/// The LLVM types that a value of a C type travels as.
fn c_types<'c>(shared: &Shared<'_, 'c>, ty: CType) -> SmallVec<[Ty<'c>; 2]> {
    let types = &shared.types;
    let one = match ty {
        CType::Void => return SmallVec::new(),
        CType::Complex128 => return smallvec::smallvec![types.f64; 2],
        CType::Int { bits: 64, .. } => types.i64,
        CType::Bool | CType::Int { .. } => types.i32,
        CType::F32 => types.f32,
        // Two floats in the low half of a vector register, where a double would be.
        CType::F64 | CType::Complex64 => types.f64,
        CType::Ptr => types.ptr,
    };
    smallvec::smallvec![one]
}

fn function_type<'c>(shared: &Shared<'_, 'c>, signature: &CSignature) -> Ty<'c> {
    let params: SmallVec<[Ty<'c>; 8]> = signature
        .params
        .iter()
        .flat_map(|&p| c_types(shared, p))
        .collect();
    let result = match *c_types(shared, signature.result) {
        [] => shared.types.void,
        [one] => one,
        _ => pair(shared),
    };
    shared.types.function(result, &params)
}

/// A value's scalars as C gets them.
fn to_c<'c>(
    shared: &Shared<'_, 'c>,
    builder: &Builder<'c>,
    ty: CType,
    scalars: &[Val<'c>],
) -> Scalars<'c> {
    let types = &shared.types;
    match (ty, scalars) {
        (CType::Bool, [one]) => smallvec::smallvec![builder.cast(O::LLVMZExt, *one, types.i32)],
        (
            CType::Int {
                bits: 8 | 16,
                signed,
            },
            [one],
        ) => {
            let extend = if signed { O::LLVMSExt } else { O::LLVMZExt };
            smallvec::smallvec![builder.cast(extend, *one, types.i32)]
        }
        (CType::Complex64, &[re, im]) => {
            let bits = |part| {
                let bits = builder.cast(O::LLVMBitCast, part, types.i32);
                builder.cast(O::LLVMZExt, bits, types.i64)
            };
            let high = builder.binary(O::LLVMShl, bits(im), types.i64.int(32));
            let both = builder.binary(O::LLVMOr, bits(re), high);
            smallvec::smallvec![builder.cast(O::LLVMBitCast, both, types.f64)]
        }
        _ => scalars.into(),
    }
}

/// What C gave, as a value's scalars.
fn from_c<'c>(
    shared: &Shared<'_, 'c>,
    builder: &Builder<'c>,
    ty: CType,
    given: &[Val<'c>],
) -> Scalars<'c> {
    let types = &shared.types;
    match (ty, given) {
        (CType::Bool, [one]) => {
            let byte = builder.cast(O::LLVMTrunc, *one, types.i8);
            smallvec::smallvec![builder.int_compare(LLVMIntNE, byte, types.i8.zero())]
        }
        (
            CType::Int {
                bits: bits @ (8 | 16),
                ..
            },
            [one],
        ) => {
            let narrow = if bits == 8 { types.i8 } else { types.i16 };
            smallvec::smallvec![builder.cast(O::LLVMTrunc, *one, narrow)]
        }
        (CType::Complex64, [one]) => {
            let bits = builder.cast(O::LLVMBitCast, *one, types.i64);
            let high = builder.binary(O::LLVMLShr, bits, types.i64.int(32));
            let part = |bits| {
                let bits = builder.cast(O::LLVMTrunc, bits, types.i32);
                builder.cast(O::LLVMBitCast, bits, types.f32)
            };
            smallvec::smallvec![part(bits), part(high)]
        }
        _ => given.into(),
    }
}
