//! The part of LLVM's C interface that emission uses, with lifetimes and Rust types.
//!
//! Emission calls LLVM a hundred times for a small function. These wrappers are the calls themselves:
//! no name strings, no run-time queries of kinds that TIR knows already.
//!
//! # Contract
//!
//! LLVM's builder does not check the types of operands. They are right because emission is a
//! function of a program that `Program::verify` accepted; this module is private to `emit`.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all, stated above and here: \
    every handle in here was made by LLVM in the context `'c`, which outlives it"
)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;

use ferdelance_abi::settings::FastMath;
use inkwell::context::Context;
use inkwell::llvm_sys::core::*;
use inkwell::llvm_sys::debuginfo::{LLVMMetadataReplaceAllUsesWith, LLVMTemporaryMDNode};
use inkwell::llvm_sys::ir_reader::LLVMParseIRInContext2;
use inkwell::llvm_sys::prelude::*;
use inkwell::llvm_sys::{LLVMDiagnosticSeverity, LLVMLinkage, LLVMVisibility};
use inkwell::module::Module;

pub(crate) use inkwell::llvm_sys::{LLVMIntPredicate, LLVMOpcode, LLVMRealPredicate};

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) struct $name<'c>(pub(super) $raw, PhantomData<&'c ()>);
        impl<'c> $name<'c> {
            pub(super) fn wrap(raw: $raw) -> Self {
                $name(raw, PhantomData)
            }
        }
    };
}
handle!(
    /// A type.
    Ty(LLVMTypeRef)
);
handle!(
    /// A value: constant, instruction, function, global.
    Val(LLVMValueRef)
);
handle!(
    /// A basic block.
    Block(LLVMBasicBlockRef)
);
handle!(
    /// A metadata node.
    Meta(LLVMMetadataRef)
);
handle!(
    /// An attribute.
    Attr(LLVMAttributeRef)
);

const NO_NAME: *const c_char = c"".as_ptr();

/// Handles of several values or types as the C interface takes them. `Val` and `Ty` are one pointer
/// and a zero-sized marker; copying is cheap and avoids relying on that.
fn raw_values(values: &[Val<'_>]) -> smallvec::SmallVec<[LLVMValueRef; 16]> {
    values.iter().map(|v| v.0).collect()
}
fn raw_types(types: &[Ty<'_>]) -> smallvec::SmallVec<[LLVMTypeRef; 16]> {
    types.iter().map(|t| t.0).collect()
}

/// The machine's types.
pub(crate) struct Types<'c> {
    context: LLVMContextRef,
    pub void: Ty<'c>,
    pub i1: Ty<'c>,
    pub i8: Ty<'c>,
    pub i16: Ty<'c>,
    pub i32: Ty<'c>,
    pub i64: Ty<'c>,
    pub f16: Ty<'c>,
    pub f32: Ty<'c>,
    pub f64: Ty<'c>,
    pub ptr: Ty<'c>,
}

impl<'c> Types<'c> {
    pub fn new(context: &'c Context) -> Types<'c> {
        let c = context.raw();
        unsafe {
            Types {
                context: c,
                void: Ty::wrap(LLVMVoidTypeInContext(c)),
                i1: Ty::wrap(LLVMInt1TypeInContext(c)),
                i8: Ty::wrap(LLVMInt8TypeInContext(c)),
                i16: Ty::wrap(LLVMInt16TypeInContext(c)),
                i32: Ty::wrap(LLVMInt32TypeInContext(c)),
                i64: Ty::wrap(LLVMInt64TypeInContext(c)),
                f16: Ty::wrap(LLVMHalfTypeInContext(c)),
                f32: Ty::wrap(LLVMFloatTypeInContext(c)),
                f64: Ty::wrap(LLVMDoubleTypeInContext(c)),
                ptr: Ty::wrap(LLVMPointerTypeInContext(c, 0)),
            }
        }
    }
    pub fn function(&self, result: Ty<'c>, params: &[Ty<'c>]) -> Ty<'c> {
        let mut params = raw_types(params);
        Ty::wrap(unsafe {
            LLVMFunctionType(result.0, params.as_mut_ptr(), params.len() as c_uint, 0)
        })
    }
    pub fn structure(&self, fields: &[Ty<'c>]) -> Ty<'c> {
        let mut fields = raw_types(fields);
        Ty::wrap(unsafe {
            LLVMStructTypeInContext(self.context, fields.as_mut_ptr(), fields.len() as c_uint, 0)
        })
    }
    pub fn array(&self, item: Ty<'c>, len: u64) -> Ty<'c> {
        Ty::wrap(unsafe { LLVMArrayType2(item.0, len) })
    }
}

impl<'c> Ty<'c> {
    pub fn int(self, value: i64) -> Val<'c> {
        Val::wrap(unsafe { LLVMConstInt(self.0, value as u64, 1) })
    }
    pub fn float(self, value: f64) -> Val<'c> {
        Val::wrap(unsafe { LLVMConstReal(self.0, value) })
    }
    /// Zero, null.
    pub fn zero(self) -> Val<'c> {
        Val::wrap(unsafe { LLVMConstNull(self.0) })
    }
    pub fn poison(self) -> Val<'c> {
        Val::wrap(unsafe { LLVMGetPoison(self.0) })
    }
}

/// Adds a function to a module.
pub(crate) fn add_function<'c>(
    module: &Module<'c>,
    name: &str,
    ty: Ty<'c>,
    internal: bool,
) -> Val<'c> {
    let name = c_string(name);
    unsafe {
        let function = LLVMAddFunction(module.as_mut_ptr(), name.as_ptr().cast(), ty.0);
        if internal {
            LLVMSetLinkage(function, LLVMLinkage::LLVMInternalLinkage);
        }
        Val::wrap(function)
    }
}

/// Declares a global that the linker provides, at an address close to the code.
pub(crate) fn add_extern_global<'c>(module: &Module<'c>, name: &CStr, ty: Ty<'c>) -> Val<'c> {
    unsafe {
        let global = LLVMAddGlobal(module.as_mut_ptr(), ty.0, name.as_ptr());
        LLVMSetVisibility(global, LLVMVisibility::LLVMHiddenVisibility);
        LLVMSetGlobalConstant(global, 1);
        LLVMSetAlignment(global, 8);
        Val::wrap(global)
    }
}

/// A symbol name for C; bytes after a zero would be lost, so zeros are replaced.
fn c_string(name: &str) -> smallvec::SmallVec<[u8; 64]> {
    name.bytes()
        .map(|b| if b == 0 { b'?' } else { b })
        .chain([0])
        .collect()
}

impl<'c> Val<'c> {
    pub fn param(self, index: usize) -> Val<'c> {
        Val::wrap(unsafe { LLVMGetParam(self.0, index as c_uint) })
    }
    /// Adds an attribute to a function.
    pub fn add_attribute(self, place: Place, attribute: Attr<'c>) {
        unsafe { LLVMAddAttributeAtIndex(self.0, place.index(), attribute.0) }
    }
    pub fn set_subprogram(self, subprogram: Meta<'c>) {
        use inkwell::llvm_sys::debuginfo::LLVMSetSubprogram;
        unsafe { LLVMSetSubprogram(self.0, subprogram.0) }
    }
    /// Attaches metadata to an instruction; nothing happens to a constant.
    pub fn set_metadata(self, kind: u32, value: MetaVal<'c>) {
        unsafe {
            if !LLVMIsAInstruction(self.0).is_null() {
                LLVMSetMetadata(self.0, kind, value.0);
            }
        }
    }
    /// Sets fast-math flags where the value is an instruction that takes them.
    pub fn set_fast_math(self, flags: FastMath) {
        if flags.0 == 0 {
            return;
        }
        let table = [
            (FastMath::REASSOC, 0),
            (FastMath::NNAN, 1),
            (FastMath::NINF, 2),
            (FastMath::NSZ, 3),
            (FastMath::ARCP, 4),
            (FastMath::CONTRACT, 5),
            (FastMath::AFN, 6),
        ];
        let set = table.iter().filter(|(bit, _)| flags.0 & bit != 0);
        let bits: c_uint = set.map(|(_, shift)| 1 << shift).sum();
        unsafe {
            if !LLVMIsAInstruction(self.0).is_null() && LLVMCanValueUseFastMathFlags(self.0) != 0 {
                LLVMSetFastMathFlags(self.0, bits);
            }
        }
    }
    pub fn add_incoming(self, value: Val<'c>, block: Block<'c>) {
        let (mut value, mut block) = (value.0, block.0);
        unsafe { LLVMAddIncoming(self.0, &raw mut value, &raw mut block, 1) }
    }
    /// Adds a case to a switch.
    pub fn add_case(self, value: Val<'c>, block: Block<'c>) {
        unsafe { LLVMAddCase(self.0, value.0, block.0) }
    }
}

/// Metadata wrapped as a value, as attachments want it.
#[derive(Clone, Copy)]
pub(crate) struct MetaVal<'c>(LLVMValueRef, PhantomData<&'c ()>);

/// What an attribute is attached to.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Function,
    Return,
    Param(u32),
}

impl Place {
    fn index(self) -> c_uint {
        match self {
            Place::Return => 0,
            Place::Function => c_uint::MAX,
            Place::Param(i) => i + 1,
        }
    }
}

/// Attributes and metadata of a context.
pub(crate) struct Nodes<'c> {
    context: LLVMContextRef,
    marker: PhantomData<&'c ()>,
}

impl<'c> Nodes<'c> {
    pub fn new(context: &'c Context) -> Self {
        Nodes {
            context: context.raw(),
            marker: PhantomData,
        }
    }
    pub fn attr(&self, name: &str, value: u64) -> Attr<'c> {
        unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            Attr::wrap(LLVMCreateEnumAttribute(self.context, kind, value))
        }
    }
    pub fn string_attr(&self, name: &str, value: &str) -> Attr<'c> {
        Attr::wrap(unsafe {
            LLVMCreateStringAttribute(
                self.context,
                name.as_ptr().cast(),
                name.len() as c_uint,
                value.as_ptr().cast(),
                value.len() as c_uint,
            )
        })
    }
    pub fn kind(&self, name: &str) -> u32 {
        unsafe {
            LLVMGetMDKindIDInContext(self.context, name.as_ptr().cast(), name.len() as c_uint)
        }
    }
    pub fn string(&self, text: &str) -> Meta<'c> {
        Meta::wrap(unsafe {
            LLVMMDStringInContext2(self.context, text.as_ptr().cast(), text.len())
        })
    }
    pub fn constant(&self, value: Val<'c>) -> Meta<'c> {
        Meta::wrap(unsafe { LLVMValueAsMetadata(value.0) })
    }
    pub fn node(&self, items: &[Meta<'c>]) -> Meta<'c> {
        let mut items: smallvec::SmallVec<[LLVMMetadataRef; 8]> =
            items.iter().map(|m| m.0).collect();
        Meta::wrap(unsafe { LLVMMDNodeInContext2(self.context, items.as_mut_ptr(), items.len()) })
    }
    /// A node that is like no other: its first item is itself, as a loop's must be.
    pub fn loop_id(&self, items: &[Meta<'c>]) -> Meta<'c> {
        let temporary = unsafe { LLVMTemporaryMDNode(self.context, ptr::null_mut(), 0) };
        let items: smallvec::SmallVec<[Meta<'c>; 4]> = [Meta::wrap(temporary)]
            .iter()
            .chain(items)
            .copied()
            .collect();
        let node = self.node(&items);
        unsafe { LLVMMetadataReplaceAllUsesWith(temporary, node.0) };
        node
    }
    /// A node without items that is like no other. The C interface makes none, the parser does.
    pub fn distinct(&self) -> Option<Meta<'c>> {
        const TEXT: &CStr = c"!distinct = !{!0}\n!0 = distinct !{}\n";
        const NAME: &CStr = c"distinct";
        let mut operand = ptr::null_mut();
        unsafe {
            let buffer = LLVMCreateMemoryBufferWithMemoryRange(
                TEXT.as_ptr(),
                TEXT.count_bytes(),
                NAME.as_ptr(),
                1,
            );
            let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
            let failed =
                LLVMParseIRInContext2(self.context, buffer, &raw mut module, &raw mut message);
            LLVMDisposeMemoryBuffer(buffer);
            if failed != 0 {
                LLVMDisposeMessage(message);
                return None;
            }
            if LLVMGetNamedMetadataNumOperands(module, NAME.as_ptr()) == 1 {
                LLVMGetNamedMetadataOperands(module, NAME.as_ptr(), &raw mut operand);
            }
            // The context owns the node.
            let node = (!operand.is_null()).then(|| Meta::wrap(LLVMValueAsMetadata(operand)));
            LLVMDisposeModule(module);
            node
        }
    }
    pub fn value(&self, node: Meta<'c>) -> MetaVal<'c> {
        MetaVal(
            unsafe { LLVMMetadataAsValue(self.context, node.0) },
            PhantomData,
        )
    }
}

/// A function that the module has, and its type.
pub(crate) fn function<'c>(module: &Module<'c>, name: &str) -> (Val<'c>, Ty<'c>) {
    let name = c_string(name);
    unsafe {
        let function = LLVMGetNamedFunction(module.as_mut_ptr(), name.as_ptr().cast());
        (
            Val::wrap(function),
            Ty::wrap(LLVMGlobalGetValueType(function)),
        )
    }
}

/// The declaration of an intrinsic, overloaded on `types`.
pub(crate) fn intrinsic<'c>(
    module: &Module<'c>,
    name: &str,
    types: &[Ty<'c>],
) -> (Val<'c>, Ty<'c>) {
    let mut types = raw_types(types);
    unsafe {
        let id = LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len());
        debug_assert_ne!(id, 0, "{name}");
        let m = module.as_mut_ptr();
        let function = LLVMGetIntrinsicDeclaration(m, id, types.as_mut_ptr(), types.len());
        (
            Val::wrap(function),
            Ty::wrap(LLVMGlobalGetValueType(function)),
        )
    }
}

/// Appends a block to a function.
pub(crate) fn append_block<'c>(context: &'c Context, function: Val<'c>) -> Block<'c> {
    Block::wrap(unsafe { LLVMAppendBasicBlockInContext(context.raw(), function.0, NO_NAME) })
}

/// Builds instructions at the end of a block.
pub(crate) struct Builder<'c> {
    raw: LLVMBuilderRef,
    marker: PhantomData<&'c ()>,
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        unsafe { LLVMDisposeBuilder(self.raw) }
    }
}

impl<'c> Builder<'c> {
    pub fn new(context: &'c Context) -> Self {
        Builder {
            raw: unsafe { LLVMCreateBuilderInContext(context.raw()) },
            marker: PhantomData,
        }
    }
    pub fn position(&self, block: Block<'c>) {
        unsafe { LLVMPositionBuilderAtEnd(self.raw, block.0) }
    }
    /// The block that is being built.
    pub fn block(&self) -> Block<'c> {
        Block::wrap(unsafe { LLVMGetInsertBlock(self.raw) })
    }
    pub fn set_location(&self, location: Option<Meta<'c>>) {
        let location = location.map_or(ptr::null_mut(), |m| m.0);
        unsafe { LLVMSetCurrentDebugLocation2(self.raw, location) }
    }

    pub fn binary(&self, op: LLVMOpcode, a: Val<'c>, b: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildBinOp(self.raw, op, a.0, b.0, NO_NAME) })
    }
    /// An operation that does not overflow as signed.
    pub fn binary_nsw(&self, op: LLVMOpcode, a: Val<'c>, b: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe {
            match op {
                LLVMOpcode::LLVMAdd => LLVMBuildNSWAdd(self.raw, a.0, b.0, NO_NAME),
                LLVMOpcode::LLVMSub => LLVMBuildNSWSub(self.raw, a.0, b.0, NO_NAME),
                LLVMOpcode::LLVMMul => LLVMBuildNSWMul(self.raw, a.0, b.0, NO_NAME),
                _ => LLVMBuildBinOp(self.raw, op, a.0, b.0, NO_NAME),
            }
        })
    }
    pub fn fneg(&self, a: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildFNeg(self.raw, a.0, NO_NAME) })
    }
    pub fn int_compare(&self, op: LLVMIntPredicate, a: Val<'c>, b: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildICmp(self.raw, op, a.0, b.0, NO_NAME) })
    }
    pub fn float_compare(&self, op: LLVMRealPredicate, a: Val<'c>, b: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildFCmp(self.raw, op, a.0, b.0, NO_NAME) })
    }
    pub fn cast(&self, op: LLVMOpcode, a: Val<'c>, to: Ty<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildCast(self.raw, op, a.0, to.0, NO_NAME) })
    }
    pub fn freeze(&self, a: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildFreeze(self.raw, a.0, NO_NAME) })
    }
    pub fn select(&self, cond: Val<'c>, then: Val<'c>, other: Val<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildSelect(self.raw, cond.0, then.0, other.0, NO_NAME) })
    }
    /// The address of item `index` (not scaled) of an array of `item`s, inside one object.
    pub fn element(&self, item: Ty<'c>, base: Val<'c>, index: Val<'c>) -> Val<'c> {
        let mut index = index.0;
        Val::wrap(unsafe {
            LLVMBuildInBoundsGEP2(self.raw, item.0, base.0, &raw mut index, 1, NO_NAME)
        })
    }
    pub fn load(&self, ty: Ty<'c>, ptr: Val<'c>, align: u32) -> Val<'c> {
        unsafe {
            let load = LLVMBuildLoad2(self.raw, ty.0, ptr.0, NO_NAME);
            LLVMSetAlignment(load, align);
            Val::wrap(load)
        }
    }
    pub fn store(&self, value: Val<'c>, ptr: Val<'c>, align: u32) -> Val<'c> {
        unsafe {
            let store = LLVMBuildStore(self.raw, value.0, ptr.0);
            LLVMSetAlignment(store, align);
            Val::wrap(store)
        }
    }
    pub fn alloca(&self, ty: Ty<'c>, align: u32) -> Val<'c> {
        unsafe {
            let slot = LLVMBuildAlloca(self.raw, ty.0, NO_NAME);
            LLVMSetAlignment(slot, align);
            Val::wrap(slot)
        }
    }
    pub fn call(&self, ty: Ty<'c>, function: Val<'c>, args: &[Val<'c>]) -> Val<'c> {
        let mut args = raw_values(args);
        Val::wrap(unsafe {
            let count = args.len() as c_uint;
            LLVMBuildCall2(
                self.raw,
                ty.0,
                function.0,
                args.as_mut_ptr(),
                count,
                NO_NAME,
            )
        })
    }
    pub fn phi(&self, ty: Ty<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildPhi(self.raw, ty.0, NO_NAME) })
    }
    pub fn extract(&self, aggregate: Val<'c>, index: usize) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildExtractValue(self.raw, aggregate.0, index as c_uint, NO_NAME) })
    }
    pub fn insert(&self, aggregate: Val<'c>, value: Val<'c>, index: usize) -> Val<'c> {
        Val::wrap(unsafe {
            LLVMBuildInsertValue(self.raw, aggregate.0, value.0, index as c_uint, NO_NAME)
        })
    }
    pub fn jump(&self, to: Block<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildBr(self.raw, to.0) })
    }
    pub fn branch(&self, cond: Val<'c>, then: Block<'c>, other: Block<'c>) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildCondBr(self.raw, cond.0, then.0, other.0) })
    }
    pub fn switch(&self, value: Val<'c>, default: Block<'c>, cases: usize) -> Val<'c> {
        Val::wrap(unsafe { LLVMBuildSwitch(self.raw, value.0, default.0, cases as c_uint) })
    }
    pub fn ret(&self, value: Option<Val<'c>>) {
        unsafe {
            match value {
                Some(value) => LLVMBuildRet(self.raw, value.0),
                None => LLVMBuildRetVoid(self.raw),
            }
        };
    }
    pub fn unreachable(&self) {
        unsafe { LLVMBuildUnreachable(self.raw) };
    }
}

/// What LLVM reported as an error while a context was in use.
#[derive(Default)]
pub(crate) struct Diagnostics(RefCell<Option<String>>);

impl Diagnostics {
    /// Collects errors of `context` here; without a handler LLVM would end the process.
    ///
    /// The handler holds the address of `self`: the context must not be used after `self` is gone.
    pub fn install(&self, context: &Context) {
        unsafe {
            LLVMContextSetDiagnosticHandler(
                context.raw(),
                Some(collect),
                ptr::from_ref(self).cast_mut().cast(),
            );
        }
    }
    pub fn take(&self) -> Option<String> {
        self.0.borrow_mut().take()
    }
}

extern "C" fn collect(info: LLVMDiagnosticInfoRef, collector: *mut c_void) {
    // LLVM calls this from inside `install`'s caller, with the address given there.
    let collector = unsafe { &*collector.cast::<Diagnostics>() };
    if !matches!(
        unsafe { LLVMGetDiagInfoSeverity(info) },
        LLVMDiagnosticSeverity::LLVMDSError
    ) {
        return;
    }
    let text = unsafe { LLVMGetDiagInfoDescription(info) };
    let message = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    unsafe { LLVMDisposeMessage(text) };
    if let Ok(mut first) = collector.0.try_borrow_mut() {
        first.get_or_insert(message);
    }
}
