//! Texts about compiled code, made when somebody asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ferdelance_abi::settings::Options;
use ferdelance_compiler::hir;
use ferdelance_compiler::tir::{Function, Op, Program};

/// What became of the function: its parts, the memory it asks for, its parallel loops.
pub fn explain(program: &Program, module: &hir::Module, options: Options) -> String {
    let mut out = String::new();
    for function in &program.functions {
        let blocks = function.blocks.len();
        let _ = writeln!(
            out,
            "{}: {} instructions in {blocks} block{}{}",
            function.name,
            function.size(),
            if blocks == 1 { "" } else { "s" },
            if function.may_raise {
                ", may raise"
            } else {
                ""
            }
        );
        for (name, count) in runtime_calls(function) {
            let _ = writeln!(out, "  {count} x {name}");
        }
    }
    let loops = parallel_loops(module);
    if loops > 0 {
        let s = if loops == 1 { "" } else { "s" };
        let why = if options.parallel {
            "code runs on the calling thread for now"
        } else {
            "parallel=True was not given"
        };
        let _ = writeln!(out, "{loops} prange loop{s}, serial: {why}");
    }
    out
}

/// Calls of the runtime other than pure ones, by name.
fn runtime_calls(function: &Function) -> BTreeMap<&'static str, usize> {
    let mut calls = BTreeMap::new();
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let Op::Rt { func, .. } = inst.op
            && !inst.op.is_pure()
        {
            *calls.entry(func.info().name).or_insert(0) += 1;
        }
    }
    calls
}

fn parallel_loops(module: &hir::Module) -> usize {
    let instructions = module
        .functions
        .iter()
        .flat_map(|function| &function.blocks)
        .flat_map(|block| &block.insts);
    instructions.filter(|inst| matches!(&inst.op, hir::Op::Global(name) | hir::Op::Free(name) | hir::Op::GetAttr(_, name) if &**name == "prange")).count()
}
