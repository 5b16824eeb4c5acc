//! Compiled programs as text, made again when somebody asks.

use std::fmt::{self, Write};

use ferdelance_compiler::tir::{Function, Program};
use inkwell::targets::FileType;

use crate::compile::{Settings, Stages};
use crate::error::Error;

/// What is shown has debug information only where the program asks for it.
fn without_noise(program: &Program, settings: &Settings) -> Settings {
    let debug = program.functions.iter().any(|f| f.options.debug);
    Settings {
        debug_info: debug && settings.debug_info,
        ..settings.clone()
    }
}

/// The LLVM IR of a program, as emitted or after LLVM's passes.
pub fn llvm_ir(program: &Program, settings: &Settings, optimised: bool) -> Result<String, Error> {
    let stages = Stages::new(program, settings)?;
    let emitted = stages.emit(program, &without_noise(program, settings))?;
    if optimised {
        stages.optimise(program, &emitted)?;
    }
    Ok(emitted
        .module
        .print_to_string()
        .to_string_lossy()
        .into_owned())
}

/// The assembly of a program.
pub fn asm(program: &Program, settings: &Settings) -> Result<String, Error> {
    let stages = Stages::new(program, settings)?;
    let emitted = stages.emit(program, &without_noise(program, settings))?;
    stages.optimise(program, &emitted)?;
    let text = stages.generate(&emitted, FileType::Assembly)?;
    Ok(String::from_utf8_lossy(text.as_slice()).into_owned())
}

/// The control flow graph of a function in the language of Graphviz.
pub fn cfg(function: &Function) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_cfg(&mut text, function);
    text
}

fn write_cfg(out: &mut String, function: &Function) -> fmt::Result {
    let name = escaped(&function.name);
    writeln!(out, "digraph \"CFG for '{name}' function\" {{")?;
    writeln!(out, "  label=\"CFG for '{name}' function\";")?;
    writeln!(out, "  node [shape=box, fontname=\"Courier\"];")?;
    for (i, block) in function.blocks.iter().enumerate() {
        let params: Vec<String> = block
            .params
            .iter()
            .map(|&v| format!("{v}: {}", function.ty(v)))
            .collect();
        write!(out, "  b{i} [label=\"b{i}({}):\\l", params.join(", "))?;
        for inst in &block.insts {
            let results: Vec<String> = inst.results.iter().map(|v| v.to_string()).collect();
            let equals = if results.is_empty() { "" } else { " = " };
            let op = escaped(&inst.op.to_string());
            write!(out, "  {}{equals}{op}\\l", results.join(", "))?;
        }
        writeln!(out, "  {}\\l\"];", escaped(&block.term.to_string()))?;
        for target in block.term.targets() {
            writeln!(out, "  b{i} -> {};", target.block)?;
        }
    }
    writeln!(out, "}}")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
