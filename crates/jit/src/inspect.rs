//! Compiled programs as text, made again when somebody asks.

use std::collections::HashMap;
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

/// Code of a line that works on several items at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Vectorised {
    /// The function that the line is in; what was inlined belongs to the line of the call.
    pub function: String,
    pub line: u32,
    /// The most items of one type.
    pub items: u32,
    /// LLVM's name of the type.
    pub item: String,
}

/// The lines of a program that were vectorised, and how.
pub fn vectorised(program: &Program, settings: &Settings) -> Result<Vec<Vectorised>, Error> {
    let settings = Settings {
        debug_info: true,
        ..settings.clone()
    };
    let stages = Stages::new(program, &settings)?;
    let emitted = stages.emit(program, &settings)?;
    stages.optimise(program, &emitted)?;
    let text = emitted.module.print_to_string();
    Ok(vectors_in(&text.to_string_lossy()))
}

/// Finds instructions on vectors in LLVM IR, and their places.
fn vectors_in(ir: &str) -> Vec<Vectorised> {
    let nodes: HashMap<&str, &str> = ir
        .lines()
        .filter(|line| line.starts_with('!'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let field = |node: &str, name: &str| {
        let (_, rest) = nodes.get(node)?.split_once(name)?;
        let end = rest.find([',', ')'])?;
        Some(&rest[..end])
    };
    let mut widest: HashMap<(&str, u32), (u32, &str)> = HashMap::new();
    for line in ir.lines().filter(|line| line.starts_with("  ")) {
        let (Some((_, place)), Some(vector)) = (line.split_once("!dbg "), vector_type(line)) else {
            continue;
        };
        let mut place = place.split([',', ' ']).next().unwrap_or(place);
        while let Some(outer) = field(place, "inlinedAt: ") {
            place = outer;
        }
        let (Some(number), Some(scope)) = (field(place, "line: "), field(place, "scope: ")) else {
            continue;
        };
        let (Ok(number), Some(function)) = (number.parse(), field(scope, "name: ")) else {
            continue;
        };
        let known = widest
            .entry((function.trim_matches('"'), number))
            .or_insert(vector);
        *known = (*known).max(vector);
    }
    let mut found: Vec<Vectorised> = widest
        .into_iter()
        .map(|((function, line), (items, item))| Vectorised {
            function: function.to_owned(),
            line,
            items,
            item: item.to_owned(),
        })
        .collect();
    found.sort();
    found
}

/// The vector type with the most items among those of numbers in a line of LLVM IR.
fn vector_type(line: &str) -> Option<(u32, &str)> {
    let types = line.split('<').skip(1).filter_map(|rest| {
        let (items, item) = rest.split_once('>')?.0.split_once(" x ")?;
        let number = matches!(item, "double" | "float" | "i8" | "i16" | "i32" | "i64");
        Some((items.parse().ok().filter(|_| number)?, item))
    });
    types.max()
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
