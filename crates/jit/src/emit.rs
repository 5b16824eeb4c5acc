//! TIR to LLVM IR.
//!
//! A TIR value becomes a run of LLVM scalars: one for most types, `2 + 2 n` for an array of rank n
//! (owner, data, shape, strides). Block parameters become phis, one for each scalar. Aggregates
//! exist only as results of functions: nothing → `void`, one scalar → itself, more → a struct, with
//! the error last if the function may raise.
//!
//! * [`raw`]: LLVM's builder. * [`shared`]: what the functions of a module share. * [`runtime`]:
//!   declarations of runtime functions. * [`function`]: one function. * [`ops`]: one instruction.
//!   * [`floats`]: operations on the parts of floats. * [`foreign`]: calls by address, C functions.
//!   * [`parallel`]: loops in chunks. * [`debug`]: source locations.

mod debug;
pub(crate) mod floats;
mod foreign;
mod function;
mod ops;
mod parallel;
pub(crate) mod raw;
mod raw_debug;
mod runtime;
mod shared;

use std::fmt::Write;
use std::sync::Arc;

use ferdelance_compiler::tir::{FuncId, Function, Op, PoolEntry, Program, Type};
use inkwell::context::Context;
use inkwell::module::Module;

use crate::error::Error;
use crate::locations::LocationTable;
use crate::session::Machine;
use shared::Shared;

/// The symbol of the constant pool, which the linker provides.
pub(crate) const POOL_SYMBOL: &std::ffi::CStr = c"fd.pool";
/// What is appended to a function's symbol for its trampoline's.
pub(crate) const ENTRY_SUFFIX: &str = ".entry";

/// A module and what the linker must know about it.
pub(crate) struct Emitted<'c> {
    pub module: Module<'c>,
    /// The program's pool, and what emission added.
    pub pool: Vec<PoolEntry>,
    /// Symbols of the trampolines, in the order of the program's entries, then of functions that are
    /// called by address, then of C functions.
    pub entries: Vec<Arc<str>>,
    pub locations: LocationTable,
}

/// Emits a verified program.
pub(crate) fn program<'c>(
    context: &'c Context,
    machine: &Machine,
    program: &Program,
    debug_info: bool,
) -> Result<Emitted<'c>, Error> {
    let name = program.functions.first().map_or("empty", |f| &f.symbol);
    let module = if floats::used(program) {
        let module = floats::module(context, program, machine.avx512)?;
        module.set_name(name);
        module
    } else {
        context.create_module(name)
    };
    module.set_triple(&machine.triple);
    module.set_data_layout(&machine.layout);
    let mut shared = Shared::new(context, module, program, debug_info);

    let called = called_functions(program);
    let entered = |id: usize| {
        let entries = program.entries.iter().chain(&program.regions);
        entries.map(|e| e.index()).any(|e| e == id)
    };
    for (id, called) in called.into_iter().enumerate() {
        shared.declare(FuncId(id as u32), entered(id) && !called);
    }
    for &id in &program.generators {
        let trampoline = function::emit_trampoline(&mut shared, id);
        let (pointer, _) = foreign::emit_pointer(&mut shared, id);
        shared.addresses.push((id, pointer, trampoline));
    }
    for &id in &program.regions {
        if shared.function(id).form != shared::Form::Entry {
            let trampoline = function::emit_trampoline(&mut shared, id);
            shared.regions.push((id, trampoline));
        }
    }
    for id in 0..program.functions.len() {
        function::emit(&mut shared, FuncId(id as u32));
    }
    let mut entries = Vec::new();
    for &entry in &program.entries {
        if shared.function(entry).form != shared::Form::Entry {
            function::emit_trampoline(&mut shared, entry);
        }
        entries.push(entry_symbol(&program.functions[entry.index()]));
    }
    for &id in &program.pointers {
        entries.push(foreign::emit_pointer(&mut shared, id).1.into());
    }
    for entry in &program.c_entries {
        entries.push(foreign::emit_c_entry(&mut shared, entry).into());
    }
    let locations = shared.finish_debug_info();
    Ok(Emitted {
        module: shared.module,
        pool: shared.pool,
        entries,
        locations,
    })
}

fn entry_symbol(function: &Function) -> Arc<str> {
    let mut symbol = String::with_capacity(function.symbol.len() + ENTRY_SUFFIX.len());
    // Writing to a string does not fail.
    let _ = write!(symbol, "{}{ENTRY_SUFFIX}", function.symbol);
    symbol.into()
}

/// Which functions are called by compiled code: of the program, by address, or through C functions.
fn called_functions(program: &Program) -> Vec<bool> {
    let mut called = vec![false; program.functions.len()];
    let c_functions = program.c_entries.iter().map(|entry| entry.func);
    let by_address = program.pointers.iter().chain(&program.generators).copied();
    for id in by_address.chain(c_functions) {
        called[id.index()] = true;
    }
    let insts = program
        .functions
        .iter()
        .flat_map(|f| &f.blocks)
        .flat_map(|b| &b.insts);
    for inst in insts {
        if let Op::Call { func, .. } = &inst.op {
            called[func.index()] = true;
        }
    }
    called
}

/// How many scalars a value of this type is.
pub(crate) fn scalar_count(ty: Type) -> usize {
    match ty {
        Type::Array(rank) => 2 + 2 * rank as usize,
        _ => 1,
    }
}
