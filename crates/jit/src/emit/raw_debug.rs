//! The part of LLVM's debug information interface that emission uses. See `raw` for the contract.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all, see `raw`: every handle \
    was made by LLVM in the context `'c`, which outlives it; names are passed with their length"
)]

use std::ffi::c_uint;
use std::marker::PhantomData;
use std::ptr;

use inkwell::context::Context;
use inkwell::llvm_sys::LLVMModuleFlagBehavior;
use inkwell::llvm_sys::core::{
    LLVMAddModuleFlag, LLVMConstInt, LLVMInt32TypeInContext, LLVMValueAsMetadata,
};
use inkwell::llvm_sys::debuginfo::*;
use inkwell::llvm_sys::prelude::*;
use inkwell::module::Module;

use super::raw::Meta;

/// The DWARF version: 4 keeps everything that a line table needs in its own section.
const DWARF: u64 = 4;

/// LLVM's builder of debug information.
pub(super) struct DebugBuilder<'c> {
    raw: LLVMDIBuilderRef,
    context: LLVMContextRef,
    /// The type of every function: none.
    subroutine: LLVMMetadataRef,
    marker: PhantomData<&'c ()>,
}

impl Drop for DebugBuilder<'_> {
    fn drop(&mut self) {
        unsafe { LLVMDisposeDIBuilder(self.raw) }
    }
}

/// Directory and name of a file.
fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

impl<'c> DebugBuilder<'c> {
    /// A builder with a compile unit for code of `file`.
    pub fn new(context: &'c Context, module: &Module<'c>, file: &str, full: bool) -> Self {
        let context = context.raw();
        let raw = unsafe { LLVMCreateDIBuilder(module.as_mut_ptr()) };
        for (key, value) in [
            (
                "Debug Info Version",
                unsafe { LLVMDebugMetadataVersion() }.into(),
            ),
            ("Dwarf Version", DWARF),
        ] {
            unsafe {
                let value = LLVMConstInt(LLVMInt32TypeInContext(context), value, 0);
                LLVMAddModuleFlag(
                    module.as_mut_ptr(),
                    LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorWarning,
                    key.as_ptr().cast(),
                    key.len(),
                    LLVMValueAsMetadata(value),
                );
            }
        }
        let mut builder = DebugBuilder {
            raw,
            context,
            subroutine: ptr::null_mut(),
            marker: PhantomData,
        };
        let file = builder.file(file);
        let producer = "ferdelance";
        let kind = if full {
            LLVMDWARFEmissionKind::LLVMDWARFEmissionKindFull
        } else {
            LLVMDWARFEmissionKind::LLVMDWARFEmissionKindLineTablesOnly
        };
        unsafe {
            LLVMDIBuilderCreateCompileUnit(
                raw,
                LLVMDWARFSourceLanguage::LLVMDWARFSourceLanguagePython,
                file.0,
                producer.as_ptr().cast(),
                producer.len(),
                1,
                ptr::null(),
                0,
                0,
                ptr::null(),
                0,
                kind,
                0,
                0,
                0,
                ptr::null(),
                0,
                ptr::null(),
                0,
            );
            builder.subroutine =
                LLVMDIBuilderCreateSubroutineType(raw, file.0, ptr::null_mut(), 0, 0);
        }
        builder
    }

    pub fn file(&self, path: &str) -> Meta<'c> {
        let (directory, name) = split(path);
        Meta::wrap(unsafe {
            LLVMDIBuilderCreateFile(
                self.raw,
                name.as_ptr().cast(),
                name.len(),
                directory.as_ptr().cast(),
                directory.len(),
            )
        })
    }

    pub fn subprogram(&self, file: Meta<'c>, name: &str, symbol: &str, line: u32) -> Meta<'c> {
        Meta::wrap(unsafe {
            LLVMDIBuilderCreateFunction(
                self.raw,
                file.0,
                name.as_ptr().cast(),
                name.len(),
                symbol.as_ptr().cast(),
                symbol.len(),
                file.0,
                line,
                self.subroutine,
                1,
                1,
                line,
                0,
                1,
            )
        })
    }

    /// A part of a function whose code is in another file.
    pub fn scope_in_file(&self, scope: Meta<'c>, file: Meta<'c>) -> Meta<'c> {
        Meta::wrap(unsafe { LLVMDIBuilderCreateLexicalBlockFile(self.raw, scope.0, file.0, 0) })
    }

    /// `row` takes the column's place; LLVM keeps 16 bits of it and drops what is larger.
    pub fn location(
        &self,
        line: u32,
        row: u32,
        scope: Meta<'c>,
        inlined_at: Option<Meta<'c>>,
    ) -> Meta<'c> {
        let inlined_at = inlined_at.map_or(ptr::null_mut(), |m| m.0);
        Meta::wrap(unsafe {
            LLVMDIBuilderCreateDebugLocation(self.context, line, row as c_uint, scope.0, inlined_at)
        })
    }

    pub fn finish(self) {
        unsafe { LLVMDIBuilderFinalize(self.raw) }
    }
}
